//! One stream record to documents: envelope, entries, documents, with an account of everything that is not one.
//!
//! Promise: entries = documents + dropped + failed, whatever the bytes were. A log event is one entry, unless the
//! configuration says that those of its log group are pieces: then they are [joined](join), here within one record,
//! by a caller that keeps a [`join::Joiner`] over all. Keeps nothing from one record to the next. Sizes: messages of at most
//! [`MESSAGE_BYTES_MAX`], documents of at most [`DOCUMENTS_BYTES_MAX`] together ([`Options::bounds`]); what is beyond fails.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::document::{Document, DocumentId, EventSource, Profile, Reason, document_id};
use crate::entry::Format;
use crate::entry::pattern::Pattern;
use crate::envelope::{DecodeError, Decoded, Encoder, Envelope, Extra, Header, LogEvent, decode_within};
use crate::firehose::marked;
use crate::sql::redact::Redact;

mod options;

mod event;

mod filter;

pub mod join;

mod lines;

mod mould;

mod named;

mod raw;

mod statement;

mod write;

use event::{EntryOutcome, Metadata};
pub use filter::{Action, Filter, Filters, Noise};
use join::{Joined, Joiner, LogStream};
pub use lines::{Line, LineTransformer, Lines};
pub use options::{Bounds, Join};
pub use raw::raw_entries;

/// The longest message that becomes a document. CloudWatch's events and the tail's entries end at 1 MiB, a stream's
/// records at 10 MiB; only something packed that is no log line is longer, and escaped it could be six times as long.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of all documents of a record together, not counting the last one. A record may name a long log stream once and
/// hold a million short events, so the bound on its own bytes does not bound these. Ordinary records stay far below.
pub const DOCUMENTS_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Of the first entry of a log event.
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
    pub join: Join,
    pub bounds: Bounds,
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
    /// Members of the envelope that are none of the known.
    pub extra: Extra,
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
    /// What was left to a joiner, in order.
    pub pieces: Vec<Piece>,
    /// Finished documents on their second way, for a caller that asked for them.
    pub(crate) marked: Vec<Marked>,
    /// The last log event of each entry that came from several, by its first one and its ordinal.
    joined: BTreeMap<(u32, u32), u32>,
}

/// A finished document, and its record as it came.
#[derive(Debug)]
pub(crate) struct Marked {
    pub(crate) document: Document,
    pub(crate) record: Vec<u8>,
}

/// A log event that a joiner has to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub stream: LogStream,
    pub event: LogEvent,
    pub event_idx: u32,
}

impl Transformed {
    /// Entries read: each is a document, dropped or failed. A record that could not be decoded counts as one.
    pub fn entries(&self) -> usize {
        self.documents.len() + self.dropped.len() + self.failed.len()
    }

    /// Where a log event came from. `None` if the record has no such event.
    pub fn origin(&self, event_idx: u32) -> Option<&Origin> {
        self.events.get(usize::try_from(event_idx).ok()?)?;
        self.run(event_idx)
    }

    /// The run that a log event is in, if there is one.
    fn run(&self, event_idx: u32) -> Option<&Origin> {
        let behind = self.origins.partition_point(|origin| origin.first_event_idx <= event_idx);
        self.origins.get(behind.checked_sub(1)?)
    }
}

/// Turns one record into documents. Never fails: what cannot become a document is in `failed`.
///
/// A record that is no envelope is one log event: its message is the record, its time the record's arrival, and it has
/// no event id, owner, log group or log stream. It may hold several entries: JSON objects, or the lines of a log.
pub fn transform(data: &[u8], source: RecordSource<'_>, options: &Options) -> Transformed {
    transform_record(data, source, options, None)
}

/// As [`transform`], but leaves the log events of some log streams to the caller's joiner.
pub fn transform_leaving(
    data: &[u8],
    source: RecordSource<'_>,
    options: &Options,
    leaves: &dyn Fn(&LogStream) -> bool,
) -> Transformed {
    transform_record(data, source, options, Some(leaves))
}

/// As [`transform`], for who sends finished documents on: they are kept apart, and not dropped.
pub(crate) fn transform_keeping_marked(data: &[u8], source: RecordSource<'_>, options: &Options) -> Transformed {
    let mut work = Work { keeps_marked: true, ..Work::new(source, options, None) };
    work.record(data);
    work.out
}

/// Turns an entry that was joined over several records into its document. `source`: the record that it begins in.
pub fn transform_joined<T>(joined: &Joined<T>, source: RecordSource<'_>, options: &Options) -> Transformed {
    let mut work = Work::new(source, options, None);
    let LogStream { owner, log_group, log_stream } = LogStream::clone(&joined.stream);
    let origin = Origin { owner, log_group, log_stream, ..Origin::default() };
    let metadata = Metadata::new(&origin, options.profile);
    work.entry(&origin, &metadata, &joined.event, joined.event_idx, joined.ordinal);
    work.out
}

/// The gzipped envelope of the log events that a joined entry came from, as they came.
pub fn joined_envelope<T>(joined: &Joined<T>) -> Vec<u8> {
    seal(&joined.stream, &Extra::default(), joined.pieces.iter().map(AsRef::as_ref))
}

fn transform_record(
    data: &[u8],
    source: RecordSource<'_>,
    options: &Options,
    leaves: Option<&dyn Fn(&LogStream) -> bool>,
) -> Transformed {
    let mut work = Work::new(source, options, leaves);
    work.record(data);
    work.out
}

/// What becomes of a record that could not even be read: one failure.
pub fn undecodable(source: RecordSource<'_>, reason: Reason) -> Transformed {
    let options = Options::default();
    let mut work = Work::new(source, &options, None);
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
    let mut work = Work::new(source, options, None);
    let (owner, log_group, log_stream) = (owner.to_owned(), log_group.to_owned(), log_stream.to_owned());
    work.events(Origin { owner, log_group, log_stream, ..Origin::default() }, events, false);
    work.out
}

/// The gzipped envelope of just the log events that an entry came from, their bytes, ids, times and flags as they came:
/// what a failed document carries as `rawData`, so that it can be transformed again. Empty if the record has no such
/// event.
pub fn raw_envelope(transformed: &Transformed, event_idx: u32, ordinal: u32) -> Vec<u8> {
    let last = transformed.joined.get(&(event_idx, ordinal)).copied().unwrap_or(event_idx);
    let range = usize::try_from(event_idx).unwrap_or(usize::MAX)..=usize::try_from(last).unwrap_or(usize::MAX);
    let (Some(events), Some(origin)) = (transformed.events.get(range), transformed.origin(event_idx)) else {
        return Vec::new();
    };
    seal(&origin.stream(), &origin.extra, events.iter())
}

fn seal<'e>(stream: &LogStream, extra: &Extra, events: impl Iterator<Item = &'e LogEvent>) -> Vec<u8> {
    let header = Header {
        owner: stream.owner.clone(),
        log_group: stream.log_group.clone(),
        log_stream: stream.log_stream.clone(),
        subscription_filters: Vec::new(),
    };
    let mut encoder = Encoder::with_extra(&header, extra);
    events.for_each(|event| encoder.push(event));
    encoder.seal()
}

impl Origin {
    fn stream(&self) -> LogStream {
        let Origin { owner, log_group, log_stream, .. } = self.clone();
        LogStream { owner, log_group, log_stream }
    }
}

struct Work<'a> {
    source: RecordSource<'a>,
    options: &'a Options,
    leaves: Option<&'a dyn Fn(&LogStream) -> bool>,
    keeps_marked: bool,
    out: Transformed,
    /// What the documents may still take.
    bytes_left: usize,
    /// Takes one document after the other.
    written: Vec<u8>,
}

impl<'a> Work<'a> {
    fn new(source: RecordSource<'a>, options: &'a Options, leaves: Option<&'a dyn Fn(&LogStream) -> bool>) -> Work<'a> {
        let (out, bytes_left) = (Transformed::default(), options.bounds.documents_bytes_max);
        Work { source, options, leaves, keeps_marked: false, out, bytes_left, written: Vec::new() }
    }

    fn record(&mut self, data: &[u8]) {
        match decode_within(data, self.options.bounds.record) {
            Ok(Decoded::Envelopes(envelopes)) => envelopes.into_iter().for_each(|envelope| self.envelope(envelope)),
            Ok(Decoded::Raw(message)) => self.raw(message),
            Err(error) => self.undecodable(&error),
        }
    }

    fn envelope(&mut self, envelope: Envelope) {
        let Envelope { control, owner, log_group, log_stream, subscription_filters: _, log_events, extra } = envelope;
        self.events(Origin { owner, log_group, log_stream, extra, first_event_idx: 0 }, log_events, control);
    }

    /// A record that is no envelope: JSON objects, or the lines of a log.
    fn raw(&mut self, message: Vec<u8>) {
        // It is kept as it came, for what would hold it is several times as long.
        if let Err(problem) = raw::check_size(&message, self.options.bounds.record.bytes_max) {
            return self.fail_record(Reason::new(reason_code::TOO_LARGE, problem));
        }
        let origin = Origin::default();
        let metadata = Metadata::new(&origin, self.options.profile);
        let timestamp_ms = self.source.arrival_ms;
        for (event, ordinal) in raw_entries(&message, timestamp_ms, self.options) {
            match marked::read(&event.message) {
                None => self.entry(&origin, &metadata, &event, 0, ordinal),
                Some(_) if !self.keeps_marked => self.out.dropped.push(DropReason::Reingested),
                Some(document) => self.out.marked.push(Marked { document, record: event.message }),
            }
        }
        self.out.events.push(LogEvent { timestamp_ms, message, ..LogEvent::default() });
        self.out.origins.push(origin);
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
        let id = self.id(&Origin::default(), "", 0, ORDINAL);
        self.out.failed.push(Failure { id, ordinal: ORDINAL, format: None, reason, event_idx: None });
    }

    fn events(&mut self, mut origin: Origin, events: Vec<LogEvent>, control: bool) {
        let first = u32::try_from(self.out.events.len()).unwrap_or(u32::MAX);
        origin.first_event_idx = first;
        let metadata = Metadata::new(&origin, self.options.profile);
        let stream = self.leaves.map(|_| origin.stream());
        let is_left = self.leaves.zip(stream.as_ref()).is_some_and(|(leaves, stream)| !control && leaves(stream));
        let numbered = || (first..).zip(&events);
        if control {
            self.out.dropped.extend(events.iter().map(|_| DropReason::ControlMessage));
        } else if let Some(stream) = stream.filter(|_| is_left) {
            let left = |(event_idx, event): (u32, &LogEvent)| Piece {
                stream: stream.clone(),
                // An entry may have pieces of several envelopes.
                event: LogEvent { extra: origin.extra.and(&event.extra), ..event.clone() },
                event_idx,
            };
            self.out.pieces.extend(numbered().map(left));
        } else if self.options.join.applies(&origin.log_group) {
            self.join(&origin, &metadata, self.options.join.limits, numbered());
        } else {
            self.out.documents.reserve(events.len());
            numbered().for_each(|(event_idx, event)| self.entry(&origin, &metadata, event, event_idx, ORDINAL));
        }
        if self.out.events.is_empty() {
            self.out.events = events;
        } else {
            self.out.events.extend(events);
        }
        self.out.origins.push(origin);
    }

    /// Log events that are pieces of entries, of this record alone.
    fn join<'e>(
        &mut self,
        origin: &Origin,
        metadata: &Metadata,
        limits: join::Limits,
        events: impl Iterator<Item = (u32, &'e LogEvent)>,
    ) {
        let limits = join::Limits { bytes_max: usize::MAX, ..limits };
        let mut joiner = Joiner::new(limits, self.options.format, i64::MIN, 0);
        let (stream, mut finished) = (origin.stream(), Vec::new());
        events.for_each(|(event_idx, event)| joiner.push(&stream, event.clone(), event_idx, &(), &mut finished));
        joiner.finish(&mut finished);
        for joined in finished {
            if let Some(more) = joined.pieces.len().checked_sub(1).filter(|more| *more > 0) {
                let last = joined.event_idx.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
                self.out.joined.insert((joined.event_idx, joined.ordinal), last);
            }
            self.entry(origin, metadata, &joined.event, joined.event_idx, joined.ordinal);
        }
    }

    fn entry(&mut self, origin: &Origin, metadata: &Metadata, event: &LogEvent, event_idx: u32, ordinal: u32) {
        if let Some(entry) = event::beside_banner(&event.message, metadata, self.options) {
            self.out.dropped.push(DropReason::Banner);
            let event = LogEvent { message: entry.to_vec(), ..event.clone() };
            return self.entry(origin, metadata, &event, event_idx, ordinal);
        }
        let outcome = if self.bytes_left == 0 {
            let bytes = self.options.bounds.documents_bytes_max;
            let message = format!("the documents of the record before this one have {bytes} bytes");
            EntryOutcome::Failed(Reason::new(reason_code::TOO_LARGE, message))
        } else {
            self.written.clear();
            event::entry(event, ordinal, metadata, self.options, &mut self.written)
        };
        match outcome {
            EntryOutcome::Document(format) => {
                self.bytes_left = self.bytes_left.saturating_sub(self.written.len());
                let id = self.id(origin, &event.id, event_idx, ordinal);
                let (timestamp_ms, source) = (event.timestamp_ms, self.written.clone());
                self.out.documents.push(Document { id, format, timestamp_ms, ordinal, source, event_idx });
            }
            EntryOutcome::Dropped(reason) => self.out.dropped.push(reason),
            EntryOutcome::Failed(reason) => {
                let id = self.id(origin, &event.id, event_idx, ordinal);
                self.out.failed.push(Failure { id, ordinal, format: None, reason, event_idx: Some(event_idx) });
            }
        }
    }

    fn id(&self, origin: &Origin, event_id: &str, event_idx: u32, ordinal: u32) -> DocumentId {
        let source = EventSource {
            owner: &origin.owner,
            log_group: &origin.log_group,
            log_stream: &origin.log_stream,
            event_id,
            shard: self.source.shard,
            sequence_number: self.source.sequence_number,
        };
        document_id(&source, event_idx, ordinal)
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
        let mut work = Work { bytes_left: 60, ..Work::new(source, &options, None) };
        work.events(Origin::default(), vec![event; 4], false);
        // {"@timestamp":"1970-01-01T00:00:00.000000Z","message":"x"} has 58 bytes.
        assert_eq!((work.out.documents.len(), work.out.failed.len(), work.out.entries()), (2, 2, 4));
        let failure = &work.out.failed[1];
        assert_eq!((failure.event_idx, failure.reason.code.as_ref()), (Some(3), reason_code::TOO_LARGE));
    }
}
