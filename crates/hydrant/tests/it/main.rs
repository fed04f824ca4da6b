//! The integration tests, one binary. Modules named `foreign_` need programs that `./test` installs.
//!
//! Modules are marked as tests so that the lints take their helpers for what they are.

#[cfg(test)]
mod bad_input;

#[cfg(test)]
mod conformance;

#[cfg(test)]
mod cost;

#[cfg(test)]
mod crash;

#[cfg(test)]
mod doctor;

#[cfg(test)]
mod end;

#[cfg(test)]
mod foreign_browser;

#[cfg(test)]
mod foreign_names;

#[cfg(test)]
mod foreign_opensearch;

#[cfg(test)]
mod foreign_replay;

#[cfg(test)]
mod foreign_chain;

#[cfg(test)]
mod foreign_connect;

#[cfg(test)]
mod foreign_kinesis;

#[cfg(test)]
mod foreign_operate;

#[cfg(test)]
mod foreign_setup;

#[cfg(test)]
mod foreign_tail;

#[cfg(test)]
mod foreign_verify;

#[cfg(test)]
mod golden;

#[cfg(test)]
mod inputs;

#[cfg(test)]
mod model;

#[cfg(test)]
mod operate;

#[cfg(test)]
mod pages;

#[cfg(test)]
mod peer;

#[cfg(test)]
#[path = "../../../../tests/ports.rs"]
mod ports;

#[cfg(test)]
mod program;

#[cfg(test)]
mod proxies;

#[cfg(test)]
mod replay;

#[cfg(test)]
mod rules;

#[cfg(test)]
#[path = "../../../hydrant-opensearch/tests/foreign/server.rs"]
mod server;

#[cfg(test)]
mod setup;

#[cfg(test)]
mod simulation;

#[cfg(test)]
mod telling;

#[cfg(test)]
mod templates;

#[cfg(test)]
mod tidy;

#[cfg(test)]
mod verify;

#[cfg(test)]
mod verify_stream;
