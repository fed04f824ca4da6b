//! The integration tests, one binary. Modules named `foreign_` need programs that `./test` installs.
//!
//! Modules are marked as tests so that the lints take their helpers for what they are.

#[cfg(test)]
mod bad_input;

#[cfg(test)]
mod conformance;

#[cfg(test)]
mod crash;

#[cfg(test)]
mod end;

#[cfg(test)]
mod foreign_browser;

#[cfg(test)]
mod foreign_opensearch;

#[cfg(test)]
mod golden;

#[cfg(test)]
mod inputs;

#[cfg(test)]
mod model;

#[cfg(test)]
mod program;

#[cfg(test)]
#[path = "../../../hydrant-opensearch/tests/foreign/server.rs"]
mod server;

#[cfg(test)]
mod simulation;

#[cfg(test)]
mod tidy;
