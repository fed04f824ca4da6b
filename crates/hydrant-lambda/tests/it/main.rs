//! Tests of the function as the platform runs it.

#[cfg(test)]
mod events;

#[cfg(test)]
mod firehose;

#[cfg(test)]
mod firehose_again;

#[cfg(test)]
mod firehose_bad;

#[cfg(test)]
mod foreign_arm64;

#[cfg(test)]
mod foreign_awslambdaric;

#[cfg(test)]
mod foreign_moto;

#[cfg(test)]
mod foreign_peers;

#[cfg(test)]
mod foreign_transformation;

#[cfg(test)]
mod memory;

#[cfg(test)]
mod moto;

#[cfg(test)]
mod panic;

#[cfg(test)]
#[path = "../../../../tests/ports.rs"]
mod ports;

#[cfg(test)]
mod runtime_api;

#[cfg(test)]
#[path = "../../../hydrant-opensearch/tests/foreign/server.rs"]
mod server;

#[cfg(test)]
mod settings;

#[cfg(test)]
mod stub;

#[cfg(test)]
mod trigger;
