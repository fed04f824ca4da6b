//! One stream record to documents: envelope, entries, documents, with an account of everything that is not one.
//!
//! Promise: entries = documents + dropped + failed, whatever the bytes were. In this version a log event is one entry.
//! Does not join entries that came in pieces, and keeps nothing from one record to the next. Sizes: messages of at most
//! [`MESSAGE_BYTES_MAX`], documents of at most [`DOCUMENTS_BYTES_MAX`] together; what is beyond fails, and keeps its bytes.

use std::sync::Arc;

use crate::document::{Document, DocumentId, EventSource, Profile, Reason, document_id};
use crate::entry::Format;
use crate::entry::pattern::Pattern;
use crate::envelope::{DecodeError, Decoded, Encoder, Envelope, EventFlags, Header, LogEvent, decode};
use crate::firehose::marked;
use crate::sql::redact::Redact;

mod event;

mod filter;

mod write;

use event::{EntryOutcome, Metadata};
pub use filter::{Action, Filter, Filters, Noise};

/// The longest message that becomes a document. CloudWatch's events and the tail's entries end at 1 MiB, a stream's
/// records at 10 MiB; only something packed that is no log line is longer, and escaped it could be six times as long.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of all documents of a record together, not counting the last one. A record may name a long log stream once and
/// hold a million short events, so the bound on its own bytes does not bound these. Ordinary records stay far below.
pub const DOCUMENTS_BYTES_MAX: usize = 512 * 1024 * 1024;

/// A log event is one entry, so the first is the only one.
const ORDINAL: u32 = 0;

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
    /// `None`: told by the log group's name where Amazon RDS made it, else by each log event's own bytes.
    pub format: Option<Format>,
    /// Expressions of the format `pattern`, tried in this order.
    pub patterns: Arc<[Pattern]>,
    /// Under which names fields stand.
    pub profile: Profile,
    /// PID as a JSON string instead of a number, for people who continue an older index.
    pub pid_as_string: bool,
    /// What is hidden in statements and messages. JSON lines keep what they hold.
    pub redact: Redact,
    /// Statements have their digest, type and tables too.
    pub digest: bool,
    pub filters: Filters,
}

/// Why an entry is deliberately not indexed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// The server's three start-up lines.
    Banner,
    /// CloudWatch's health check of a subscription.
    ControlMessage,
    /// An event without any byte.
    Empty,
    /// A finished document on its second way through the stream, whose original is in it too.
    Reingested,
    /// A preset of filters.
    Noise(Noise),
    /// A filter of the configuration, by its name.
    Filter(Arc<str>),
    /// No filter that keeps speaks of it, and there is one.
    NotKept,
}

impl DropReason {
    /// As it stands in summaries and metrics.
    pub fn name(&self) -> &str {
        match self {
            DropReason::Banner => "banner",
            DropReason::ControlMessage => "control_message",
            DropReason::Empty => "empty",
            DropReason::Reingested => "reingested",
            DropReason::Noise(noise) => noise.name(),
            DropReason::Filter(name) => name,
            DropReason::NotKept => "not_kept",
        }
    }
}

/// Why an entry or a record failed in the transformation: the codes of [`Failure::reason`].
pub mod reason_code {
    /// The record is gzip, but damaged.
    pub const GZIP_DAMAGED: &str = "Hydrant.GzipDamaged";
    /// What should be base64 is none.
    pub const BASE64_INVALID: &str = "Hydrant.Base64Invalid";
    /// The record, a message, or all documents of the record together are larger than is allowed.
    pub const TOO_LARGE: &str = "Hydrant.TooLarge";
    /// The record is an envelope, but not a sound one.
    pub const ENVELOPE_INVALID: &str = "Hydrant.EnvelopeInvalid";
    /// The log event's time is not of the years 1970 to 2100.
    pub const TIMESTAMP_INVALID: &str = "Hydrant.TimestampInvalid";
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

/// Where a run of log events came from: one for each envelope of the record. All empty where the record is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    pub owner: String,
    pub log_group: String,
    pub log_stream: String,
    /// Index into the events of the record; the run ends where the next one begins.
    pub first_event_idx: u32,
}

/// Everything that became of one record.
#[derive(Debug, Default)]
pub struct Transformed {
    /// In the order of their first events.
    pub origins: Vec<Origin>,
    /// The record's log events, for the original bytes of what fails later.
    pub events: Vec<LogEvent>,
    pub documents: Vec<Document>,
    pub dropped: Vec<DropReason>,
    pub failed: Vec<Failure>,
}

impl Transformed {
    /// Entries read: each is a document, dropped or failed. A record that could not be decoded counts as one.
    pub fn entries(&self) -> usize {
        self.documents.len() + self.dropped.len() + self.failed.len()
    }

    /// Where a log event came from. `None` if the record has no such event.
    pub fn origin(&self, event_idx: u32) -> Option<&Origin> {
        self.events.get(usize::try_from(event_idx).ok()?)?;
        let behind = self.origins.partition_point(|origin| origin.first_event_idx <= event_idx);
        self.origins.get(behind.checked_sub(1)?)
    }
}

/// Turns one record into documents. Never fails: what cannot become a document is in `failed`.
///
/// A record that is no envelope is one log event: its message is the record, its time the record's arrival, and it has
/// no event id, owner, log group or log stream.
pub fn transform(data: &[u8], source: RecordSource<'_>, options: &Options) -> Transformed {
    let mut work = Work::new(source, options);
    match decode(data) {
        Ok(Decoded::Envelopes(envelopes)) => envelopes.into_iter().for_each(|envelope| work.envelope(envelope)),
        Ok(Decoded::Raw(message)) => work.raw(message),
        Err(error) => work.undecodable(&error),
    }
    work.out
}

/// What becomes of a record that could not even be read: one failure.
pub fn undecodable(source: RecordSource<'_>, reason: Reason) -> Transformed {
    let options = Options::default();
    let mut work = Work::new(source, &options);
    work.fail_record(reason);
    work.out
}

/// Turns log events of one log stream into documents, for callers that have them without a record.
pub fn transform_events(
    owner: &str,
    log_group: &str,
    log_stream: &str,
    events: Vec<LogEvent>,
    source: RecordSource<'_>,
    options: &Options,
) -> Transformed {
    let mut work = Work::new(source, options);
    let (owner, log_group, log_stream) = (owner.to_owned(), log_group.to_owned(), log_stream.to_owned());
    work.events(Origin { owner, log_group, log_stream, first_event_idx: 0 }, events, false);
    work.out
}

/// The gzipped envelope of one log event alone, its bytes, id, time and flags as they came: what a failed document
/// carries as `rawData`, so that it can be transformed again. Empty if the record has no such event.
pub fn raw_envelope(transformed: &Transformed, event_idx: u32) -> Vec<u8> {
    let event = usize::try_from(event_idx).ok().and_then(|idx| transformed.events.get(idx));
    let (Some(event), Some(origin)) = (event, transformed.origin(event_idx)) else { return Vec::new() };
    let mut encoder = Encoder::new(&Header {
        owner: origin.owner.clone(),
        log_group: origin.log_group.clone(),
        log_stream: origin.log_stream.clone(),
        subscription_filters: Vec::new(),
    });
    encoder.push(event);
    encoder.seal()
}

struct Work<'a> {
    source: RecordSource<'a>,
    options: &'a Options,
    out: Transformed,
    /// What the documents may still take.
    bytes_left: usize,
}

impl<'a> Work<'a> {
    fn new(source: RecordSource<'a>, options: &'a Options) -> Work<'a> {
        Work { source, options, out: Transformed::default(), bytes_left: DOCUMENTS_BYTES_MAX }
    }

    fn envelope(&mut self, envelope: Envelope) {
        let Envelope { control, owner, log_group, log_stream, subscription_filters: _, log_events } = envelope;
        self.events(Origin { owner, log_group, log_stream, first_event_idx: 0 }, log_events, control);
    }

    fn raw(&mut self, message: Vec<u8>) {
        if marked::read(&message).is_some() {
            self.out.dropped.push(DropReason::Reingested);
            return;
        }
        let event =
            LogEvent { id: String::new(), timestamp_ms: self.source.arrival_ms, message, flags: EventFlags::default() };
        self.events(Origin::default(), vec![event], false);
    }

    fn undecodable(&mut self, error: &DecodeError) {
        let code = match error {
            DecodeError::Gzip(_) => reason_code::GZIP_DAMAGED,
            DecodeError::TooLarge { .. } => reason_code::TOO_LARGE,
            DecodeError::Envelope(_) => reason_code::ENVELOPE_INVALID,
        };
        self.fail_record(Reason::new(code, error.to_string()));
    }

    fn fail_record(&mut self, reason: Reason) {
        let id = self.id(&Origin::default(), "", 0);
        self.out.failed.push(Failure { id, ordinal: ORDINAL, format: None, reason, event_idx: None });
    }

    fn events(&mut self, mut origin: Origin, events: Vec<LogEvent>, control: bool) {
        let mut event_idx = u32::try_from(self.out.events.len()).unwrap_or(u32::MAX);
        origin.first_event_idx = event_idx;
        let metadata = Metadata::new(&origin, self.options.profile);
        self.out.documents.reserve(if control { 0 } else { events.len() });
        for event in &events {
            if control {
                self.out.dropped.push(DropReason::ControlMessage);
            } else {
                self.event(&origin, &metadata, event, event_idx);
            }
            event_idx = event_idx.saturating_add(1);
        }
        if self.out.events.is_empty() {
            self.out.events = events;
        } else {
            self.out.events.extend(events);
        }
        self.out.origins.push(origin);
    }

    fn event(&mut self, origin: &Origin, metadata: &Metadata, event: &LogEvent, event_idx: u32) {
        let ordinal = ORDINAL;
        let outcome = if self.bytes_left == 0 {
            let message = format!("the documents of the record before this one have {DOCUMENTS_BYTES_MAX} bytes");
            EntryOutcome::Failed(Reason::new(reason_code::TOO_LARGE, message))
        } else {
            event::entry(event, ordinal, metadata, self.options)
        };
        match outcome {
            EntryOutcome::Document { format, source } => {
                self.bytes_left = self.bytes_left.saturating_sub(source.len());
                let id = self.id(origin, &event.id, event_idx);
                let timestamp_ms = event.timestamp_ms;
                self.out.documents.push(Document { id, format, timestamp_ms, ordinal, source, event_idx });
            }
            EntryOutcome::Dropped(reason) => self.out.dropped.push(reason),
            EntryOutcome::Failed(reason) => {
                let id = self.id(origin, &event.id, event_idx);
                self.out.failed.push(Failure { id, ordinal, format: None, reason, event_idx: Some(event_idx) });
            }
        }
    }

    fn id(&self, origin: &Origin, event_id: &str, event_idx: u32) -> DocumentId {
        let source = EventSource {
            owner: &origin.owner,
            log_group: &origin.log_group,
            log_stream: &origin.log_stream,
            event_id,
            shard: self.source.shard,
            sequence_number: self.source.sequence_number,
        };
        document_id(&source, event_idx, ORDINAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_behind_the_bound_on_documents_fail_and_are_counted() {
        let options = Options::default();
        let source = RecordSource { shard: "s", sequence_number: "1", arrival_ms: 0 };
        let event = LogEvent { message: b"x".into(), ..LogEvent::default() };
        let mut work = Work { bytes_left: 60, ..Work::new(source, &options) };
        work.events(Origin::default(), vec![event; 4], false);
        // {"@timestamp":"1970-01-01T00:00:00.000000Z","message":"x"} has 58 bytes.
        assert_eq!((work.out.documents.len(), work.out.failed.len(), work.out.entries()), (2, 2, 4));
        let failure = &work.out.failed[1];
        assert_eq!((failure.event_idx, failure.reason.code.as_ref()), (Some(3), reason_code::TOO_LARGE));
    }
}
