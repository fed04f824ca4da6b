//! The gzipped JSON that a CloudWatch Logs subscription delivers: reading it and, for our own sources, writing it.
//!
//! Keys that are none of ours are kept as they are (AWS adds some: `policyLevel`, `extractedFields`, `@aws.account`), so
//! no new field of theirs can stop a batch or be lost. Sizes: at most [`DECOMPRESSED_BYTES_MAX`] and [`EVENTS_MAX`] log events a record, names of at
//! most [`NAME_BYTES_MAX`].

pub mod gzip;

mod decode;

mod encode;

mod extra;

mod read;

pub(crate) mod scan;

pub use decode::{DecodeError, Decoded, Envelope, decode, decode_within, means_to_be_envelope};
pub(crate) use decode::{decode_base64, decode_base64_into};
pub use encode::{Encoder, Header};
pub(crate) use extra::members;
pub use extra::{EXTRA_BYTES_MAX, Extra};
pub(crate) use read::MARKED;

/// What one record may inflate to, all gzip members together. A 10 MiB Kinesis record of ordinary log lines stays
/// far below; a gzip bomb does not.
pub const DECOMPRESSED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// How many log events one record may hold, all envelopes together: what a 10 MiB record of short log lines holds
/// stays below. Each takes memory of its own beyond its bytes, so the bound on bytes alone would not bound memory.
pub const EVENTS_MAX: usize = 1_000_000;

/// What is taken of one record. Plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Inflated.
    pub bytes_max: usize,
    pub events_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { bytes_max: DECOMPRESSED_BYTES_MAX, events_max: EVENTS_MAX }
    }
}

/// The longest owner, log group, log stream, filter name or event id that is taken. CloudWatch's are at most 512
/// characters. Each stands in every document of its envelope, so an unbounded one would multiply.
pub const NAME_BYTES_MAX: usize = 2048;

/// One log event of CloudWatch Logs, with what our own sources add to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogEvent {
    /// Unique in its log stream; CloudWatch's are 56 decimal digits.
    pub id: String,
    /// Milliseconds since 1970 UTC.
    pub timestamp_ms: i64,
    /// The bytes of the event. CloudWatch's are always UTF-8; the tail's are what the file holds.
    pub message: Vec<u8>,
    pub flags: EventFlags,
    pub extra: Extra,
}

/// What a source of ours knows of an event beyond CloudWatch's fields. All absent on events of CloudWatch's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventFlags {
    /// A piece of an entry: the rest of an unfinished or of an over-long line.
    pub partial: bool,
    /// The entry was cut at the size bound; `bytes` tells its whole length.
    pub truncated: bool,
    /// Begins with a header that may have been planted inside a statement.
    pub suspect: bool,
    /// Length of the whole entry in bytes, where `truncated`.
    pub bytes: Option<u64>,
}

/// What is kept of memory that one record after another is written into.
pub(crate) const KEPT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Room for so many bytes in memory that was used before: what is there already needs no zeros.
fn room(memory: &mut Vec<u8>, bytes: usize) -> &mut [u8] {
    if memory.len() > KEPT_BYTES_MAX {
        *memory = Vec::new();
    }
    if memory.len() < bytes {
        memory.resize(bytes, 0);
    }
    memory.get_mut(..bytes).unwrap_or_default()
}
