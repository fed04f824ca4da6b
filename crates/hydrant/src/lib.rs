//! Hydrant: log lines that are not JSON become one JSON document per log entry in a searchable index, every entry
//! once, none lost.
//!
//! ```text
//! source/  ──►  stream/  ──►  deliver/                              ──►  index/
//! file tail     embedded      read ► transform ► write ► commit          embedded
//! + envelope    shards                              └ rejected ► failed/
//! ```
//!
//! The modules below stand in the order data flows. `source`, `stream` and `index` never import each other or
//! `deliver`; `api` and `page` call stages, stages never call them; `cli` puts everything together.
//!
//! One meaning per word: *log group, log stream, log event* are CloudWatch's; an *envelope* is the gzipped JSON that
//! a subscription delivers; an *entry* is one log entry of a format; *stream, shard, record* are Kinesis's; a
//! *document* is what is indexed; an *outcome* is what became of one document; a *position* is opaque; a
//! *checkpoint* is how far a shard is delivered.

#[cfg(feature = "aws")]
pub mod aws;

pub mod clock;

pub mod config;

pub mod metrics;

pub mod source;

pub mod stream;

pub mod deliver;

pub mod index;

pub mod verify;

pub mod door;

pub mod api;

pub mod page;

pub mod cli;
