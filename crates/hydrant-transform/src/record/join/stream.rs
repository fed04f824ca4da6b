//! The unfinished entry of one log stream: the bytes that wait, and the log events that they came from.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Joined, Limits, LogStream, Mark, Place};
use crate::entry::split::{Cut, Entry, Input, Splitter, State, boundary};
use crate::entry::{Format, of_log_group};
use crate::envelope::{EventFlags, LogEvent};

/// What a log event takes beside its message.
const EVENT_BYTES: usize = 256;

#[derive(Clone, Debug)]
struct Piece<T> {
    event: Arc<LogEvent>,
    event_idx: u32,
    record: T,
    /// Number of its record, and the highest arrival time there.
    record_number: u64,
    arrival_ms: i64,
    /// Place of its bytes in the stream of all bytes, its newline included.
    from: u64,
    to: u64,
    /// Byte of its message at `from`.
    skipped: usize,
    /// Entries that have begun in it.
    ordinals: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Open<T> {
    /// Known from the first log event on.
    stream: Arc<LogStream>,
    splitter: Splitter,
    is_named: bool,
    /// Events with bytes that wait; the first holds the beginning of the unfinished entry.
    pieces: VecDeque<Piece<T>>,
    /// The beginning of an entry that is so long that the rest is not kept.
    head: Vec<u8>,
    /// What waits behind, from `taken` on.
    window: Vec<u8>,
    taken: usize,
    /// Place of the entry's first byte, and of the window's, in the stream of all bytes.
    entry_from: u64,
    window_from: u64,
    /// Where the last entry ended.
    ended_at: u64,
    last_arrival_ms: i64,
    last_record: u64,
    bytes: usize,
}

impl<T: Clone> Open<T> {
    pub(super) fn new(state: State) -> Open<T> {
        Open {
            stream: Arc::default(),
            splitter: Splitter::new(None, state),
            is_named: false,
            pieces: VecDeque::new(),
            head: Vec::new(),
            window: Vec::new(),
            taken: 0,
            entry_from: 0,
            window_from: 0,
            ended_at: 0,
            last_arrival_ms: i64::MIN,
            last_record: 0,
            bytes: 0,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.waiting().len() + self.head.len()
    }

    /// When the entry ends by time.
    pub(super) fn deadline_ms(&self, limits: &Limits) -> i64 {
        let began_ms = self.pieces.front().map_or(i64::MAX, |piece| piece.arrival_ms);
        self.last_arrival_ms.saturating_add(limits.quiet_ms).min(began_ms.saturating_add(limits.age_ms))
    }

    /// Orders entries by age.
    pub(super) fn began(&self) -> (u64, u32) {
        self.pieces.front().map_or((self.last_record, u32::MAX), |piece| (piece.record_number, piece.event_idx))
    }

    pub(super) fn mark(&self) -> Mark<T> {
        let place = self.pieces.front().map(|piece| {
            let into = usize::try_from(self.entry_from.saturating_sub(piece.from)).unwrap_or(0);
            Place {
                record: piece.record.clone(),
                event_idx: piece.event_idx,
                offset: piece.skipped + into,
                ordinal: piece.ordinals,
            }
        });
        let (last_arrival_ms, last_record) = (self.last_arrival_ms, self.last_record);
        Mark { state: self.splitter.state(), last_arrival_ms, last_record, place }
    }

    /// Notes whose this is. `format`: of all entries, where the configuration says it.
    pub(super) fn name(&mut self, stream: &LogStream, format: Option<Format>) {
        if !self.is_named {
            self.is_named = true;
            self.stream = Arc::new(stream.clone());
            self.splitter = Splitter::new(format.or_else(|| of_log_group(&stream.log_group)), self.splitter.state());
        }
    }

    /// Notes when something came last.
    pub(super) fn seen(&mut self, record_number: u64, arrival_ms: i64) {
        self.last_record = record_number;
        self.last_arrival_ms = arrival_ms;
    }

    fn waiting(&self) -> &[u8] {
        self.window.get(self.taken..).unwrap_or_default()
    }

    /// Takes bytes from the front of what waits.
    fn advance(&mut self, bytes: usize) {
        self.taken += bytes;
        self.window_from += bytes as u64;
    }

    pub(super) fn push(
        &mut self,
        event: LogEvent,
        event_idx: u32,
        record: &T,
        (skipped, ordinals): (usize, u32),
        (record_number, arrival_ms): (u64, i64),
    ) {
        self.window.drain(..self.taken);
        self.taken = 0;
        let text = event.message.get(skipped..).unwrap_or_default();
        let from = self.window_from + self.window.len() as u64;
        self.window.extend_from_slice(text);
        if !text.ends_with(b"\n") {
            self.window.push(b'\n');
        }
        let to = self.window_from + self.window.len() as u64;
        self.bytes += event.message.len() + EVENT_BYTES;
        self.seen(record_number, arrival_ms);
        let (event, record) = (Arc::new(event), record.clone());
        self.pieces.push_back(Piece {
            event,
            event_idx,
            record,
            record_number,
            arrival_ms,
            from,
            to,
            skipped,
            ordinals,
        });
    }

    /// Takes every entry that is complete.
    pub(super) fn cut(&mut self, limits: &Limits, out: &mut Vec<Joined<T>>) {
        loop {
            match self.splitter.next(self.window.get(self.taken..).unwrap_or_default(), Input::Open) {
                Cut::Entry(entry) => out.extend(self.take(&entry, limits)),
                Cut::Skip(bytes) => self.skip(bytes, out),
                Cut::NeedsMore => break,
            }
        }
        if self.splitter.certain() > limits.entry_bytes_max || !self.head.is_empty() {
            let given_up = self.splitter.discard();
            self.keep_head(given_up, limits);
            self.give_up_pieces(limits);
        }
    }

    /// Takes all that there is; the last entry is `partial` if time or a bound ended it.
    pub(super) fn finish(&mut self, limits: &Limits, expired: bool, out: &mut Vec<Joined<T>>) {
        let first = out.len();
        loop {
            match self.splitter.next(self.window.get(self.taken..).unwrap_or_default(), Input::Quiet) {
                Cut::Entry(entry) => out.extend(self.take(&entry, limits)),
                Cut::Skip(bytes) => self.skip(bytes, out),
                Cut::NeedsMore => break,
            }
        }
        if expired
            && let Some(last) = out.get_mut(first..).and_then(<[_]>::last_mut)
            && !last.event.message.is_empty()
        {
            last.event.flags.partial = true;
        }
    }

    fn take(&mut self, entry: &Entry, limits: &Limits) -> Option<Joined<T>> {
        self.keep_head(entry.bytes, limits);
        let mut message = std::mem::take(&mut self.head);
        let to = self.window_from;
        let length = entry.length.saturating_sub(1); // its last byte is the newline of its last line
        let ends_with_return = message.ends_with(b"\r\n") && message.len() as u64 == entry.length;
        let length = length - u64::from(ends_with_return);
        let truncated = length > limits.entry_bytes_max as u64;
        message.truncate(usize::try_from(length).unwrap_or(usize::MAX));
        if truncated {
            message.truncate(boundary(&message, limits.entry_bytes_max));
        }
        let first = self.pieces.front_mut()?;
        let (ordinal, event_idx, record) = (first.ordinals, first.event_idx, first.record.clone());
        first.ordinals += 1;
        let (id, timestamp_ms) = (first.event.id.clone(), first.event.timestamp_ms);
        let extra = first.event.extra.clone();
        let (mut flags, mut pieces) = (first.event.flags, Vec::new());
        for piece in self.pieces.iter().take_while(|piece| piece.from < to) {
            flags.partial |= piece.event.flags.partial;
            pieces.push(Arc::clone(&piece.event));
        }
        flags.partial |= entry.partial;
        flags.suspect |= entry.suspect;
        flags = EventFlags {
            truncated: flags.truncated | truncated,
            bytes: if truncated { Some(length) } else { flags.bytes },
            ..flags
        };
        self.drop_pieces(to);
        self.ended_at = to;
        let event = LogEvent { id, timestamp_ms, message, flags, extra };
        Some(Joined { stream: Arc::clone(&self.stream), record, event_idx, ordinal, event, pieces })
    }

    /// Empty lines are no entries; a log event that is nothing else is told, so that it can be counted.
    fn skip(&mut self, bytes: usize, out: &mut Vec<Joined<T>>) {
        self.advance(bytes);
        let to = self.window_from;
        for piece in self.pieces.iter().take_while(|piece| piece.to <= to) {
            if piece.from >= self.ended_at && piece.skipped == 0 {
                out.push(Joined {
                    stream: Arc::clone(&self.stream),
                    record: piece.record.clone(),
                    event_idx: piece.event_idx,
                    ordinal: piece.ordinals,
                    event: LogEvent { message: Vec::new(), ..LogEvent::clone(&piece.event) },
                    pieces: Vec::new(),
                });
            }
        }
        self.drop_pieces(to);
    }

    /// Moves bytes from the window to the head, as far as there is room.
    fn keep_head(&mut self, bytes: usize, limits: &Limits) {
        let room = limits.entry_bytes_max.saturating_add(2).saturating_sub(self.head.len()).min(bytes);
        let kept = self.window.get(self.taken..self.taken + room).unwrap_or_default();
        self.head.extend_from_slice(kept);
        self.advance(bytes);
    }

    /// Of an entry that is too long the log events beyond the bound are forgotten.
    fn give_up_pieces(&mut self, limits: &Limits) {
        let beyond = self.entry_from.saturating_add(limits.entry_bytes_max as u64);
        while let [.., before, last] = self.pieces.make_contiguous()
            && before.from > beyond
            && last.to <= self.window_from
        {
            self.forget_last();
        }
    }

    fn forget_last(&mut self) {
        if let Some(piece) = self.pieces.pop_back() {
            self.bytes = self.bytes.saturating_sub(piece.event.message.len() + EVENT_BYTES);
        }
    }

    /// Forgets the log events that end before a place, where the next entry begins.
    fn drop_pieces(&mut self, to: u64) {
        self.entry_from = to;
        while self.pieces.front().is_some_and(|piece| piece.to <= to) {
            if let Some(piece) = self.pieces.pop_front() {
                self.bytes = self.bytes.saturating_sub(piece.event.message.len() + EVENT_BYTES);
            }
        }
    }
}
