//! Log records in, documents out: the transformation at the heart of Hydrant, usable on its own in anybody's Lambda.
//!
//! Pure: no network, no file system, no clock, no thread, no async. Callers spread records over cores.
//!
//! ```text
//! record bytes ──► envelope/ ──► entry/ ──► document/
//!                  gunzip, JSON   format,    JSON object, id,
//!                  log events     fields     index name
//! ```
//!
//! Vocabulary: an *envelope* is the gzipped JSON that a CloudWatch Logs subscription delivers; it carries *log
//! events* (id, timestamp, message) of one *log stream*; an *entry* is one log entry of a format, normally one to
//! an event; a *document* is what is indexed; an *outcome* is what became of one document.

pub mod envelope;

pub mod entry;

pub mod sql;

pub mod document;

pub mod record;

pub mod carrier;

pub mod failed;

pub mod firehose;

mod blocks;

mod hex;

mod json;
