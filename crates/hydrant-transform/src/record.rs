//! One stream record to documents: envelope, entries, documents, with an account of everything that is not one.
//!
//! Promise: entries = documents + dropped + failed, whatever the bytes were.

use crate::document::{Document, DocumentId, Reason};
use crate::entry::Format;
use crate::envelope::LogEvent;

/// What the stream says of a record, as far as it enters a document.
#[derive(Clone, Copy, Debug)]
pub struct RecordSource<'a> {
    pub shard: &'a str,
    pub sequence_number: &'a str,
    /// Milliseconds since 1970 UTC; the log event's time of a record that is no envelope.
    pub arrival_ms: i64,
}

/// Settings of the transformation. Plain data.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `None`: found from each log event's own bytes.
    pub format: Option<Format>,
    /// PID as a JSON string instead of a number, for people who continue an older index.
    pub pid_as_string: bool,
}

/// Why an entry is deliberately not indexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// The server's three start-up lines.
    Banner,
    /// CloudWatch's health check of a subscription.
    ControlMessage,
    /// An event without any byte.
    Empty,
}

impl DropReason {
    /// As it stands in summaries and metrics.
    pub fn name(self) -> &'static str {
        match self {
            DropReason::Banner => "banner",
            DropReason::ControlMessage => "control_message",
            DropReason::Empty => "empty",
        }
    }
}

/// An entry, or a whole record, that could not become a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub id: DocumentId,
    pub ordinal: u32,
    pub format: Option<Format>,
    pub reason: Reason,
    /// The log event it came from; `None` when the record itself could not be decoded.
    pub event_idx: Option<u32>,
}

/// Everything that became of one record.
#[derive(Debug, Default)]
pub struct Transformed {
    pub owner: String,
    pub log_group: String,
    pub log_stream: String,
    /// The record's log events, for the original bytes of what fails later.
    pub events: Vec<LogEvent>,
    pub documents: Vec<Document>,
    pub dropped: Vec<DropReason>,
    pub failed: Vec<Failure>,
}

/// Turns one record into documents. Never fails: what cannot become a document is in `failed`.
pub fn transform(data: &[u8], source: RecordSource<'_>, options: &Options) -> Transformed {
    let _ = (data, source, options);
    Transformed::default()
}
