//! Stage 1, the source: where log events are born.
//!
//! A source is pulled: it hands out [`Packed`] envelopes, each with a mark that says how far it has come, and keeps no
//! state on disk. The caller appends envelope and mark to the stream as one, so that after a crash the marks that
//! the stream still holds tell exactly what was taken.

pub mod subscription;

pub mod tail;

/// One envelope, ready to append to a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Hash key of the record: all envelopes of a log stream share one, so they keep their order.
    pub partition_key: String,
    /// The gzipped envelope.
    pub data: Vec<u8>,
    /// Names the log stream among this source's marks.
    pub producer: String,
    /// The mark that is true once this envelope is durable.
    pub mark: Vec<u8>,
    pub entries: usize,
    /// Timestamp of the newest event, milliseconds since 1970 UTC.
    pub newest_ms: i64,
    /// Bytes of the file that it covers.
    pub source_bytes: u64,
}
