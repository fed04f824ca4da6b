//! The transformation contract of Firehose, with thousands of generated events.

#[cfg(test)]
mod account;

#[cfg(test)]
mod plan;
