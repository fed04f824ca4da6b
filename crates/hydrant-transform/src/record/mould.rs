//! Documents of the general log made from a mould: the writer writes one document of a command, its values are taken
//! out, and each further entry only fills the gaps. So the fields, their names and their order are the writer's.
//!
//! A mould is made with values that occur nowhere else, and only where the metadata of the log stream does not hold them.

use memchr::memmem;

use super::event::{EntryOutcome, Metadata};
use super::write::Writer;
use super::{ORDINAL, Options};
use crate::entry::mysql::general::{GeneralEntry, Stamp};
use crate::envelope::LogEvent;
use crate::json;

/// A value of an entry, and what stands for it while a mould is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    Instant,
    Time,
    ThreadId,
    Argument,
    /// The quote that closes the argument, and what groups statements, which stands directly behind it.
    ArgumentEnd,
    EventId,
}

/// RFC 3339 in UTC, and with the offset that only the entry's own stamp keeps.
const INSTANT: &str = "1987-06-05T04:03:02.010203Z";
const TIME: &str = "1987-06-05T04:03:02.010203+00:00";
const THREAD_ID: u64 = 7_312_498_560_217_634_509;
const ARGUMENT: &str = "the argument 3f9c61d2a7e84b05";
const EVENT_ID: &str = "the event id 8b14c7720e5f4d96";

/// What the two times and the thread's id take at most.
const SHORT_BYTES: usize = 128;

/// What an entry brings.
pub(super) struct Values<'a> {
    /// RFC 3339 in UTC.
    pub(super) instant: &'a [u8],
    /// As it is shown.
    pub(super) time: &'a [u8],
    pub(super) thread_id: u64,
    /// Escaped.
    pub(super) argument: &'a str,
    /// The quote that closes it, and members behind that.
    pub(super) argument_end: &'a [u8],
    pub(super) event_id: &'a str,
}

/// The moulds of a log stream, each made when it is needed.
#[derive(Debug, Default)]
pub(super) struct Moulds(Vec<(&'static str, bool, Option<Mould>)>);

impl Moulds {
    /// The mould for entries of a command with or without an argument. `None`: the log stream's names cannot be told
    /// from values.
    pub(super) fn of(
        &mut self,
        command: &'static str,
        has_argument: bool,
        metadata: &Metadata,
        options: &Options,
    ) -> Option<&Mould> {
        let is_it = |(of, with, _): &(&'static str, bool, Option<Mould>)| *of == command && *with == has_argument;
        let place = match self.0.iter().position(is_it) {
            Some(place) => place,
            None => {
                self.0.push((command, has_argument, Mould::new(command, has_argument, metadata, options)));
                self.0.len() - 1
            }
        };
        self.0.get(place)?.2.as_ref()
    }
}

/// A document with gaps.
#[derive(Debug)]
pub(super) struct Mould {
    text: Vec<u8>,
    /// Places in the text, in their order.
    gaps: Vec<(usize, Gap)>,
}

impl Mould {
    fn new(command: &'static str, has_argument: bool, metadata: &Metadata, options: &Options) -> Option<Mould> {
        let entry = GeneralEntry {
            stamp: Some(Stamp::Rfc3339(TIME)),
            thread_id: THREAD_ID,
            command,
            argument: if has_argument { ARGUMENT.as_bytes() } else { b"" },
            stamp_range: 0..0,
            thread_id_range: 0..0,
            command_range: 0..0,
            argument_range: 0..0,
        };
        let event = LogEvent { id: EVENT_ID.to_owned(), ..LogEvent::default() };
        let options = Options { digest: false, ..options.clone() };
        let mut text = Vec::new();
        let writer = Writer::new(&event, ORDINAL, metadata, b"", &options, &mut text);
        let EntryOutcome::Document(_) = writer.general(&entry) else { return None };
        let thread_id = THREAD_ID.to_string();
        let marks = [
            (Gap::Instant, INSTANT),
            (Gap::Time, TIME),
            (Gap::ThreadId, &thread_id),
            (Gap::Argument, ARGUMENT),
            (Gap::EventId, EVENT_ID),
        ];
        let holds = |text: &[u8], mark: &str| memmem::find(text, mark.as_bytes()).is_some();
        let is_in_names = |mark: &str| metadata.members().any(|(_, member)| holds(member, mark));
        if marks.iter().any(|(_, mark)| is_in_names(mark)) {
            return None;
        }
        let mut found: Vec<(usize, usize, Gap)> = Vec::new();
        for (gap, mark) in marks {
            found.extend(memmem::find_iter(&text, mark.as_bytes()).map(|at| (at, mark.len(), gap)));
        }
        found.sort_unstable_by_key(|(at, ..)| *at);
        Some(Mould::cut(&text, &found))
    }

    fn cut(text: &[u8], found: &[(usize, usize, Gap)]) -> Mould {
        let mut mould = Mould { text: Vec::with_capacity(text.len()), gaps: Vec::new() };
        let mut from = 0;
        for (at, length, gap) in found {
            mould.text.extend_from_slice(text.get(from..*at).unwrap_or_default());
            mould.gaps.push((mould.text.len(), *gap));
            from = at + length;
            if *gap == Gap::Argument {
                mould.gaps.push((mould.text.len(), Gap::ArgumentEnd));
                from += 1;
            }
        }
        mould.text.extend_from_slice(text.get(from..).unwrap_or_default());
        mould
    }

    /// Writes the document of an entry.
    pub(super) fn fill(&self, values: &Values<'_>, out: &mut Vec<u8>) {
        out.reserve(
            self.text.len() + values.argument.len() + values.event_id.len() + values.argument_end.len() + SHORT_BYTES,
        );
        let mut from = 0;
        for (at, gap) in &self.gaps {
            out.extend_from_slice(self.text.get(from..*at).unwrap_or_default());
            from = *at;
            match gap {
                Gap::Instant => out.extend_from_slice(values.instant),
                Gap::Time => out.extend_from_slice(values.time),
                Gap::ThreadId => json::write_u64(out, values.thread_id),
                Gap::Argument => out.extend_from_slice(values.argument.as_bytes()),
                Gap::ArgumentEnd => out.extend_from_slice(values.argument_end),
                Gap::EventId => out.extend_from_slice(values.event_id.as_bytes()),
            }
        }
        out.extend_from_slice(self.text.get(from..).unwrap_or_default());
    }
}
