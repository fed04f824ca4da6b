//! Joining: entries that come in pieces, over log events, envelopes and records, and several entries in one log event.
//!
//! A pure state machine for each log stream. The messages of a log stream's events are read as the lines of one file, a
//! newline behind each that has none, and cut where the tail cuts a file ([`crate::entry::split`]). An entry has the id
//! and the time of the log event that it begins in; its ordinal counts the entries that begin there.
//!
//! What ends an entry is a function of the records alone: the next entry of its log stream; a log stream that brought
//! nothing for [`Limits::quiet_ms`], or an entry that is [`Limits::age_ms`] old, by the arrival times of the shard's
//! records, the highest of which counts; the bounds on streams and bytes, by which the oldest entry goes first. What ends
//! in one of the last ways is `partial`, and its log stream begins anew, as if it had never been seen. So whoever reads
//! the same records makes the same entries.

mod stream;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::entry::Format;
use crate::entry::split::State;
use crate::envelope::LogEvent;
use crate::hex::hex;
use stream::Open;

/// Bounds of a joiner. Plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of one entry; a longer one is cut, `truncated`, with its whole length.
    pub entry_bytes_max: usize,
    /// Of everything that waits, together.
    pub bytes_max: usize,
    /// Log streams with an unfinished entry.
    pub streams_max: usize,
    /// A log stream that brought nothing for so long has finished its entry.
    pub quiet_ms: i64,
    /// No entry waits longer.
    pub age_ms: i64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { entry_bytes_max: 1 << 20, bytes_max: 64 << 20, streams_max: 1_000, quiet_ms: 5_000, age_ms: 300_000 }
    }
}

/// Names a log stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogStream {
    pub owner: String,
    pub log_group: String,
    pub log_stream: String,
}

/// 128 bits of SHA-256 of a log stream's names, as 32 hexadecimal digits: what stands for it where names would be long.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamKey(pub String);

impl LogStream {
    pub fn key(&self) -> StreamKey {
        let mut hash = Sha256::new();
        for part in [&self.owner, &self.log_group, &self.log_stream] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        StreamKey(hex(hash.finalize().first_chunk::<16>().unwrap_or(&[0; 16])))
    }
}

/// What has to be remembered of a log stream to go on with it: what is before its place is not to be joined again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark<T> {
    /// Of the cutter, before the unfinished entry.
    pub state: State,
    pub last_arrival_ms: i64,
    /// Number of the last record that brought something.
    pub last_record: u64,
    /// Where the unfinished entry begins, if there is one.
    pub place: Option<Place<T>>,
}

/// A place in the log events of a log stream. `T` tells the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<T> {
    pub record: T,
    pub event_idx: u32,
    /// Byte of the log event's message.
    pub offset: usize,
    /// Entries that have begun in the log event before.
    pub ordinal: u32,
}

/// A finished entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined<T> {
    pub stream: Arc<LogStream>,
    /// The record that it begins in.
    pub record: T,
    /// The log event that it begins in.
    pub event_idx: u32,
    pub ordinal: u32,
    /// With the id and the time of that log event. Without any byte where that log event is an empty line: no entry.
    pub event: LogEvent,
    /// The log events that it came from, as they came; of one that is truncated, those that it was cut from.
    pub pieces: Vec<Arc<LogEvent>>,
}

/// The joiner of a shard, or of a record.
#[derive(Clone, Debug)]
pub struct Joiner<T> {
    limits: Limits,
    format: Option<Format>,
    open: BTreeMap<StreamKey, Open<T>>,
    /// The highest arrival time so far.
    highest_ms: i64,
    /// Counts records, so that the oldest entry is known.
    records: u64,
    bytes: usize,
    /// Nothing ends by time before.
    soonest_ms: i64,
}

impl<T: Clone> Joiner<T> {
    /// `format`: of all entries, where the configuration says it. `highest_ms`: the highest arrival time of the records
    /// before the first that will come, [`i64::MIN`] where there is none. `records`: how many there were.
    pub fn new(limits: Limits, format: Option<Format>, highest_ms: i64, records: u64) -> Joiner<T> {
        Joiner { limits, format, open: BTreeMap::new(), highest_ms, records, bytes: 0, soonest_ms: i64::MAX }
    }

    pub fn highest_ms(&self) -> i64 {
        self.highest_ms
    }

    /// How many records there were.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Begins the next record: what its arrival time ends is finished.
    pub fn record(&mut self, arrival_ms: i64, out: &mut Vec<Joined<T>>) {
        self.highest_ms = self.highest_ms.max(arrival_ms);
        self.records += 1;
        self.close_due(self.highest_ms, out);
    }

    /// Ends what the arrival of any record at `now_ms` or later would end. For callers that have read everything there
    /// was at that time.
    pub fn close_due(&mut self, now_ms: i64, out: &mut Vec<Joined<T>>) {
        if now_ms < self.soonest_ms {
            return;
        }
        let limits = self.limits;
        let due = self.open.iter().filter(|(_, open)| open.deadline_ms(&limits) <= now_ms);
        let due: Vec<StreamKey> = due.map(|(key, _)| key.clone()).collect();
        due.iter().for_each(|key| self.close(key, true, out));
        self.soonest_ms = self.open.values().map(|open| open.deadline_ms(&limits)).min().unwrap_or(i64::MAX);
    }

    /// Takes the next log event of the record.
    pub fn push(&mut self, stream: &LogStream, event: LogEvent, event_idx: u32, record: &T, out: &mut Vec<Joined<T>>) {
        let key = stream.key();
        if !self.open.contains_key(&key) {
            self.begin(key.clone(), State::default(), out);
        }
        self.push_from(&key, stream, event, event_idx, record, (0, 0), out);
    }

    /// Goes on with a log stream that has no unfinished entry.
    pub fn resume_idle(&mut self, key: StreamKey, mark: &Mark<T>, out: &mut Vec<Joined<T>>) {
        self.begin(key.clone(), mark.state, out);
        if let Some(open) = self.open.get_mut(&key) {
            open.seen(mark.last_record, mark.last_arrival_ms);
            self.soonest_ms = self.soonest_ms.min(open.deadline_ms(&self.limits));
        }
    }

    /// Goes on with a log stream at the place where its unfinished entry begins, in `event`.
    pub fn resume(
        &mut self,
        stream: &LogStream,
        state: State,
        place: &Place<T>,
        event: LogEvent,
        out: &mut Vec<Joined<T>>,
    ) {
        let key = stream.key();
        self.begin(key.clone(), state, out);
        let from = (place.offset, place.ordinal);
        self.push_from(&key, stream, event, place.event_idx, &place.record, from, out);
    }

    /// A mark for each log stream that is remembered.
    pub fn marks(&self) -> impl Iterator<Item = (&StreamKey, Mark<T>)> {
        self.open.iter().map(|(key, open)| (key, open.mark()))
    }

    /// Ends all entries, as at the end of a record that stands for itself.
    pub fn finish(&mut self, out: &mut Vec<Joined<T>>) {
        self.close_all(false, out);
    }

    /// Ends all entries, as at the end of all records.
    pub fn expire(&mut self, out: &mut Vec<Joined<T>>) {
        self.close_all(true, out);
    }

    fn close_all(&mut self, expired: bool, out: &mut Vec<Joined<T>>) {
        let all: Vec<StreamKey> = self.open.keys().cloned().collect();
        all.iter().for_each(|key| self.close(key, expired, out));
    }

    fn begin(&mut self, key: StreamKey, state: State, out: &mut Vec<Joined<T>>) {
        if self.open.len() >= self.limits.streams_max {
            self.close_oldest(out);
        }
        self.open.insert(key, Open::new(state));
    }

    #[expect(clippy::too_many_arguments, reason = "what a log event is and where it stands")]
    fn push_from(
        &mut self,
        key: &StreamKey,
        stream: &LogStream,
        event: LogEvent,
        event_idx: u32,
        record: &T,
        from: (usize, u32),
        out: &mut Vec<Joined<T>>,
    ) {
        let Some(open) = self.open.get_mut(key) else { return };
        let before = open.bytes();
        open.name(stream, self.format);
        open.push(event, event_idx, record, from, (self.records, self.highest_ms));
        open.cut(&self.limits, out);
        let (after, deadline_ms) = (open.bytes(), open.deadline_ms(&self.limits));
        self.bytes = self.bytes + after - before;
        self.soonest_ms = self.soonest_ms.min(deadline_ms);
        while self.bytes > self.limits.bytes_max && !self.open.is_empty() {
            self.close_oldest(out);
        }
    }

    fn close_oldest(&mut self, out: &mut Vec<Joined<T>>) {
        let oldest = self.open.iter().min_by_key(|(_, open)| open.began()).map(|(key, _)| key.clone());
        if let Some(key) = oldest {
            self.close(&key, true, out);
        }
    }

    fn close(&mut self, key: &StreamKey, expired: bool, out: &mut Vec<Joined<T>>) {
        if let Some(mut open) = self.open.remove(key) {
            self.bytes = self.bytes.saturating_sub(open.bytes());
            open.finish(&self.limits, expired, out);
        }
    }
}
