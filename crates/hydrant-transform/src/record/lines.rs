//! All documents of a record in one buffer, each with its newline: the quick way for ordinary records.
//!
//! An ordinary record is one [ordinary envelope](crate::envelope::scan). Its entries of the general log are read and
//! written with their escapes as they stand ([`super::mould`]); every other log event takes the way of [`super::event`] by
//! itself. Whatever is not ordinary is left to [`super::transform`], whose documents these are, byte for byte.

use super::event::{self, EntryOutcome, Metadata};
use super::mould::{Moulds, Values};
use super::statement::StatementFields;
use super::write::own_instant;
use super::{DropReason, MESSAGE_BYTES_MAX, ORDINAL, Options, Origin, RecordSource, Transformed, transform_leaving};
use crate::document::timestamp::{MICROS_END, UtcStamps, write_rfc3339};
use crate::document::{Document, DocumentHash, EventSource, LogStreamIds};
use crate::entry::Format;
use crate::entry::mysql::general::{self, Stamp, Window, parse_escaped};
use crate::envelope::gzip::Inflater;
use crate::envelope::scan::{self, Step};
use crate::envelope::{EventFlags, KEPT_BYTES_MAX, LogEvent};
use crate::json::scan::{Escapes, unescape};
use crate::sql::redact::{self, Redact};

/// Log streams whose names are remembered.
const STREAMS_MAX: usize = 64;

/// Lines of a record together. What has more goes the other way, which makes each document once and in its place.
const LINES_BYTES_MAX: usize = 2 * KEPT_BYTES_MAX;

/// Milliseconds of the first instant that is not taken.
const TIMESTAMP_MS_END: i64 = MICROS_END / 1000;

/// What became of a record.
#[derive(Debug, Default)]
pub struct Lines {
    /// The documents, each with its newline.
    pub data: Vec<u8>,
    /// In their order.
    pub documents: Vec<Line>,
    pub dropped: Vec<DropReason>,
}

/// One document of [`Lines`]: what addresses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its id.
    pub hash: DocumentHash,
    pub format: Format,
    /// The log event's own time, milliseconds since 1970 UTC.
    pub timestamp_ms: i64,
    /// The log event it came from: index into the events of its record.
    pub event_idx: u32,
    /// Only a part of an entry.
    pub partial: bool,
    /// Where its newline ends in the data.
    pub end: usize,
}

/// Transforms one record after another, and keeps nothing from one to the next but memory, and what follows from the names of
/// a log stream.
#[derive(Debug)]
pub struct LineTransformer<'o> {
    options: &'o Options,
    inflater: Inflater,
    lines: Lines,
    memory: Memory,
    streams: Vec<Stream>,
}

/// What one log event after another is read and written with.
#[derive(Debug, Default)]
struct Memory {
    stamps: UtcStamps,
    window: Window,
    argument_end: Vec<u8>,
    time: Vec<u8>,
    plain: Vec<u8>,
    statement_fields: StatementFields,
}

impl<'o> LineTransformer<'o> {
    pub fn new(options: &'o Options) -> LineTransformer<'o> {
        LineTransformer {
            options,
            inflater: Inflater::new(),
            lines: Lines::default(),
            memory: Memory::default(),
            streams: Vec::new(),
        }
    }

    /// Turns a record into lines. `None`: it is not an ordinary one, or something in it fails: see [`super::transform`].
    pub fn transform(&mut self, record: &[u8], source: RecordSource<'_>) -> Option<&mut Lines> {
        self.fill_lines(record, source).map(|_| &mut self.lines)
    }

    /// As [`transform_leaving`], which leaves the log events that [`Options::join`] says are pieces. Where a record is an
    /// ordinary one, its log events are not kept: whoever needs their bytes transforms it again.
    pub fn documents(&mut self, record: &[u8], source: RecordSource<'_>) -> Transformed {
        let Some(place) = self.fill_lines(record, source) else {
            self.lines.data.clear();
            self.lines.data.shrink_to(KEPT_BYTES_MAX);
            let join = &self.options.join;
            return transform_leaving(record, source, self.options, &|stream| join.applies(&stream.log_group));
        };
        let Lines { data, documents, dropped } = &mut self.lines;
        let mut begin = 0;
        let document = |line: Line| {
            let Line { hash, format, timestamp_ms, event_idx, partial: _, end } = line;
            let source = data.get(begin..end - 1).unwrap_or_default().to_vec();
            begin = end;
            Document { id: hash.into(), format, timestamp_ms, ordinal: ORDINAL, source, event_idx }
        };
        Transformed {
            documents: documents.drain(..).map(document).collect(),
            dropped: std::mem::take(dropped),
            origins: self.streams.get(place).map(|stream| stream.origin.clone()).into_iter().collect(),
            ..Transformed::default()
        }
    }

    /// Answers the place of its log stream.
    fn fill_lines(&mut self, record: &[u8], source: RecordSource<'_>) -> Option<usize> {
        let LineTransformer { options, inflater, lines, memory, streams } = self;
        lines.data.clear();
        lines.data.shrink_to(KEPT_BYTES_MAX);
        lines.documents.clear();
        lines.dropped.clear();
        let data = inflater.gunzip_single(record, options.bounds.record.bytes_max)?;
        if data.first() != Some(&b'{') {
            return None;
        }
        let scanned = scan::scan(simdutf8::basic::from_utf8(data).ok()?)?;
        let scan::Scanned { owner, log_group, log_stream, mut events } = scanned;
        let place = match streams.iter().position(|stream| stream.is(owner, log_group, log_stream)) {
            Some(place) => place,
            None => {
                if streams.len() == STREAMS_MAX {
                    streams.clear();
                }
                streams.push(Stream::new(owner, log_group, log_stream, options));
                streams.len() - 1
            }
        };
        let stream = streams.get_mut(place).filter(|stream| !stream.is_joined)?;
        let mut work = Work { options, stream, lines, memory };
        for event_idx in 0.. {
            if usize::try_from(event_idx).is_ok_and(|read| read >= options.bounds.record.events_max) {
                return None;
            }
            let event = match events.next()? {
                Step::Event(event) => event,
                Step::End => break,
            };
            let Some(format) = work.entry(&event)? else { continue };
            work.lines.data.push(b'\n');
            let (shard, sequence_number) = (source.shard, source.sequence_number);
            let source = EventSource { owner, log_group, log_stream, event_id: event.id, shard, sequence_number };
            let hash = work.stream.ids.hash(&source, event_idx, ORDINAL);
            let (timestamp_ms, partial, end) = (event.timestamp_ms, event.flags.partial, work.lines.data.len());
            work.lines.documents.push(Line { hash, format, timestamp_ms, event_idx, partial, end });
        }
        Some(place)
    }
}

/// What is the same for all entries of a log stream.
#[derive(Debug)]
struct Stream {
    origin: Origin,
    metadata: Metadata,
    ids: LogStreamIds,
    moulds: Moulds,
    /// Its log events are pieces of entries.
    is_joined: bool,
    /// Entries of the general log may be made from moulds.
    may_fill: bool,
}

impl Stream {
    fn new(owner: &str, log_group: &str, log_stream: &str, options: &Options) -> Stream {
        let origin = Origin {
            owner: owner.to_owned(),
            log_group: log_group.to_owned(),
            log_stream: log_stream.to_owned(),
            ..Origin::default()
        };
        let metadata = Metadata::new(&origin, options.profile);
        // What a filter asks of an entry, and what literals it holds, is read in plain text.
        let is_plain = !options.filters.is_empty() || options.redact == Redact::Literals;
        Stream {
            may_fill: !is_plain && metadata.may_be(Format::General, options),
            is_joined: options.join.applies(log_group),
            ids: LogStreamIds::new(owner, log_group, log_stream),
            moulds: Moulds::default(),
            metadata,
            origin,
        }
    }

    fn is(&self, owner: &str, log_group: &str, log_stream: &str) -> bool {
        let Origin { owner: of, log_group: group, log_stream: stream, .. } = &self.origin;
        stream == log_stream && group == log_group && of == owner
    }
}

/// One record.
struct Work<'w> {
    options: &'w Options,
    stream: &'w mut Stream,
    lines: &'w mut Lines,
    memory: &'w mut Memory,
}

impl Work<'_> {
    /// Writes the document of a log event; `Some(None)` where it is dropped. `None`: it is for [`super::transform`].
    fn entry(&mut self, event: &scan::Event<'_>) -> Option<Option<Format>> {
        let is_in_range = (0..TIMESTAMP_MS_END).contains(&event.timestamp_ms);
        let is_short = event.message.text.len() <= MESSAGE_BYTES_MAX;
        let bytes_max = self.options.bounds.documents_bytes_max.min(LINES_BYTES_MAX);
        if !is_in_range || !is_short || self.lines.data.len() >= bytes_max {
            return None;
        }
        let is_flagged = event.flags != EventFlags::default();
        let is_one = !general::may_end_in_banner(event.message.text);
        let may_fill = self.stream.may_fill && is_one && !is_flagged && event.message.escapes <= Escapes::Ours;
        if may_fill && self.fill(event).is_some() {
            return Some(Some(Format::General));
        }
        let event = LogEvent {
            id: event.id.to_owned(),
            timestamp_ms: event.timestamp_ms,
            message: event.message.value()?.into_bytes(),
            flags: event.flags,
            ..LogEvent::default()
        };
        // An entry with a banner behind it is two.
        if event::beside_banner(&event.message, &self.stream.metadata, self.options).is_some() {
            return None;
        }
        match event::entry(&event, ORDINAL, &self.stream.metadata, self.options, &mut self.lines.data) {
            EntryOutcome::Document(format) => Some(Some(format)),
            EntryOutcome::Dropped(reason) => {
                self.lines.dropped.push(reason);
                Some(None)
            }
            EntryOutcome::Failed(_) => None,
        }
    }

    /// Makes the document from a mould. `None`: it cannot be made so, and nothing was written.
    fn fill(&mut self, event: &scan::Event<'_>) -> Option<()> {
        let Work { options, stream, lines, memory } = self;
        let Memory { stamps, window, argument_end, time, plain, statement_fields } = &mut **memory;
        let entry = parse_escaped(event.message.text, window)?;
        // Its argument has parts.
        let is_account = match entry.command {
            "Connect" | "Change user" => true,
            "Init DB" => entry.argument.starts_with("Access denied"),
            _ => false,
        };
        // A secret is found in the escaped text too: its words hold nothing that is escaped.
        let is_secret = options.redact == Redact::Secrets && redact::may_hold(entry.argument.as_bytes());
        // Without an id a document has no field for one.
        if event.id.is_empty() || is_account || is_secret || !event::fits(entry.thread_id, options) {
            return None;
        }
        let is_statement = event::has_statement(entry.command);
        // A statement has its field even where it is empty.
        let has_argument = is_statement || !entry.argument.is_empty();
        let mould = stream.moulds.of(entry.command, has_argument, &stream.metadata, options)?;
        argument_end.clear();
        argument_end.push(b'"');
        if options.digest && is_statement {
            plain.clear();
            unescape(entry.argument, plain);
            statement_fields.write(argument_end, options.profile, std::str::from_utf8(plain).ok()?);
        }
        let own = match entry.stamp {
            Some(Stamp::Rfc3339(stamp)) if stamps.is_written_so(stamp) => Some((stamp, stamp.as_bytes())),
            stamp => {
                let own = stamp.and_then(own_instant);
                time.clear();
                write_rfc3339(time, own.map_or(event.timestamp_ms * 1000, |(_, micros)| micros));
                own.map(|(stamp, _)| (stamp, time.as_slice()))
            }
        };
        let (time, instant) =
            own.map_or((time.as_slice(), time.as_slice()), |(stamp, instant)| (stamp.as_bytes(), instant));
        let (thread_id, event_id) = (entry.thread_id, event.id);
        let values = Values { instant, time, thread_id, argument: entry.argument, argument_end, event_id };
        mould.fill(&values, &mut lines.data);
        Some(())
    }
}
