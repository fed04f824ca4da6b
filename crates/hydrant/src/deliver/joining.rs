//! Entries that come in pieces, over the records of a shard: the joiner, and what a checkpoint keeps of it.
//!
//! The position of a checkpoint is the record before the earliest one that holds a piece of an unfinished entry. What was
//! delivered beyond it is told beside: the end, up to which every other log stream is done, and a mark for each log
//! stream that the joiner remembers, at most `streams_max`. After a start the records up to the end are read again, and
//! only what lies behind the mark of its log stream is fed to the joiner; nothing of them is delivered twice.
//!
//! What ends an entry is told by the records' arrival times. When all was read that was there, the stream tells the
//! earliest time at which a later record can arrive, and what any such record would end is ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hydrant_transform::document::IndexNaming;
use hydrant_transform::entry::split::State as Cutter;
use hydrant_transform::record::join::{Joined, Joiner, LogStream, Mark, Place, StreamKey};
use hydrant_transform::record::{Options, Piece};
use serde::{Deserialize, Serialize};

use crate::stream::{Position, Record};

/// The record that an entry begins in, and how things stood before it.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) position: Position,
    pub(super) sequence_number: String,
    pub(super) arrival_ms: i64,
    pub(super) naming: Arc<IndexNaming>,
    before: Before,
}

impl Begun {
    /// How many records were read before it.
    pub(super) fn number(&self) -> u64 {
        self.before.records
    }
}

/// How things stand before a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Before {
    position: Option<Position>,
    naming_rule: usize,
    highest_ms: Option<i64>,
    records: u64,
}

/// An entry that was finished.
pub(super) type Finished = Joined<Arc<Begun>>;

/// A record as the joiner takes it.
pub(super) struct Arrived<'a> {
    pub(super) record: &'a Record,
    pub(super) naming: &'a Arc<IndexNaming>,
    /// Behind it.
    pub(super) naming_rule: usize,
    pub(super) pieces: Vec<Piece>,
}

/// The joiner of one shard.
#[derive(Debug)]
pub(super) struct Joining {
    joiner: Joiner<Arc<Begun>>,
    /// Before the next record.
    next: Before,
}

/// Where a checkpoint stands: everything before is done.
#[derive(Clone, Debug)]
pub(super) struct Done {
    pub(super) position: Option<Position>,
    pub(super) naming_rule: usize,
    /// `None` where nothing beyond the position is done.
    pub(super) kept: Option<Kept>,
}

/// What a checkpoint keeps beside its position.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The last record that was read. What is not joined is delivered up to it.
    end: Option<String>,
    /// The highest arrival time up to the position, and the number of records.
    highest_ms: Option<i64>,
    records: u64,
    marks: BTreeMap<String, KeptMark>,
}

impl Kept {
    /// The last record that was read, as its position is written.
    pub(super) fn end(&self) -> Option<&String> {
        self.end.as_ref()
    }
}

/// By the key of its log stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptMark {
    state: Cutter,
    last_arrival_ms: i64,
    last_record: u64,
    place: Option<KeptPlace>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptPlace {
    record: String,
    event_idx: u32,
    offset: usize,
    ordinal: u32,
}

/// What a start has to read again.
#[derive(Debug)]
pub(super) struct Again {
    /// Its last record.
    pub(super) end: Option<Position>,
    marks: BTreeMap<String, KeptMark>,
    /// Log streams whose places are reached.
    reached: BTreeSet<String>,
}

impl Again {
    /// Whether something of this log stream waits.
    pub(super) fn wants(&self, stream: &LogStream) -> bool {
        self.marks.get(&stream.key().0).is_some_and(|mark| mark.place.is_some())
    }

    /// How many entries wait whose beginnings were not met.
    pub(super) fn unmet(&self) -> usize {
        self.marks.iter().filter(|(key, mark)| mark.place.is_some() && !self.reached.contains(*key)).count()
    }
}

impl Joining {
    /// Goes on from a checkpoint at `position`, after which `naming_rule` holds.
    pub(super) fn resume(
        options: &Options,
        position: Option<Position>,
        naming_rule: usize,
        kept: Kept,
        finished: &mut Vec<Finished>,
    ) -> (Joining, Again) {
        let Kept { end, highest_ms, records, marks } = kept;
        let mut joiner = Joiner::new(options.join.limits, options.format, highest_ms.unwrap_or(i64::MIN), records);
        for (key, mark) in marks.iter().filter(|(_, mark)| mark.place.is_none()) {
            let KeptMark { state, last_arrival_ms, last_record, .. } = *mark;
            let idle = Mark { state, last_arrival_ms, last_record, place: None };
            joiner.resume_idle(StreamKey(key.clone()), &idle, finished);
        }
        let next = Before { position, naming_rule, highest_ms, records };
        let again = Again { end: end.map(Position), marks, reached: BTreeSet::new() };
        (Joining { joiner, next }, again)
    }

    /// Nothing is remembered.
    pub(super) fn is_empty(&self) -> bool {
        self.joiner.is_empty()
    }

    /// Whether an entry is unfinished.
    pub(super) fn waits(&self) -> bool {
        self.joiner.marks().any(|(_, mark)| mark.place.is_some())
    }

    /// The highest arrival time so far.
    pub(super) fn highest_ms(&self) -> i64 {
        self.next.highest_ms.unwrap_or(0)
    }

    /// Goes on behind a position without what lies before it.
    pub(super) fn skip(&mut self, position: Option<Position>, naming_rule: usize) {
        (self.next.position, self.next.naming_rule) = (position, naming_rule);
    }

    /// Takes the pieces of the next record.
    pub(super) fn take(&mut self, arrived: Arrived<'_>, finished: &mut Vec<Finished>) {
        let begun = self.begin(&arrived, finished);
        for Piece { stream, event, event_idx } in arrived.pieces {
            self.joiner.push(&stream, event, event_idx, &begun, finished);
        }
    }

    /// Takes a record that was read before the start: only what lies behind the mark of its log stream.
    pub(super) fn take_again(&mut self, arrived: Arrived<'_>, again: &mut Again, finished: &mut Vec<Finished>) {
        let begun = self.begin(&arrived, finished);
        for Piece { stream, event, event_idx } in arrived.pieces {
            let key = stream.key().0;
            if again.reached.contains(&key) {
                self.joiner.push(&stream, event, event_idx, &begun, finished);
                continue;
            }
            let Some(KeptMark { state, place: Some(kept), .. }) = again.marks.get(&key) else { continue };
            if kept.record == begun.position.0 && kept.event_idx == event_idx {
                let (offset, ordinal) = (kept.offset, kept.ordinal);
                let place = Place { record: Arc::clone(&begun), event_idx, offset, ordinal };
                self.joiner.resume(&stream, *state, &place, event, finished);
                again.reached.insert(key);
            }
        }
    }

    /// Everything was read, and no later record arrives before `no_earlier_ms`: ends what any later one would end.
    pub(super) fn caught_up(&mut self, no_earlier_ms: i64, finished: &mut Vec<Finished>) {
        self.joiner.close_due(no_earlier_ms, finished);
    }

    /// The shard is closed: no record comes any more.
    pub(super) fn end(&mut self, finished: &mut Vec<Finished>) {
        self.joiner.expire(finished);
    }

    /// Where a checkpoint may stand now.
    pub(super) fn done(&self) -> Done {
        let marks: Vec<(&StreamKey, Mark<Arc<Begun>>)> = self.joiner.marks().collect();
        let earliest = marks.iter().filter_map(|(_, mark)| Some(&mark.place.as_ref()?.record.before));
        let base = earliest.min_by_key(|before| before.records).unwrap_or(&self.next);
        let kept = (!marks.is_empty()).then(|| Kept {
            end: self.next.position.as_ref().map(|position| position.0.clone()),
            highest_ms: base.highest_ms,
            records: base.records,
            marks: marks.iter().map(|(key, mark)| (key.0.clone(), KeptMark::of(mark))).collect(),
        });
        Done { position: base.position.clone(), naming_rule: base.naming_rule, kept }
    }

    fn begin(&mut self, arrived: &Arrived<'_>, finished: &mut Vec<Finished>) -> Arc<Begun> {
        let record = arrived.record;
        self.joiner.record(record.arrival_ms, finished);
        let next = Before {
            position: Some(record.position.clone()),
            naming_rule: arrived.naming_rule,
            highest_ms: Some(self.joiner.highest_ms()),
            records: self.joiner.records(),
        };
        Arc::new(Begun {
            position: record.position.clone(),
            sequence_number: record.sequence_number.clone(),
            arrival_ms: record.arrival_ms,
            naming: Arc::clone(arrived.naming),
            before: std::mem::replace(&mut self.next, next),
        })
    }
}

impl KeptMark {
    fn of(mark: &Mark<Arc<Begun>>) -> KeptMark {
        let place = mark.place.as_ref().map(|place| KeptPlace {
            record: place.record.position.0.clone(),
            event_idx: place.event_idx,
            offset: place.offset,
            ordinal: place.ordinal,
        });
        let Mark { state, last_arrival_ms, last_record, .. } = *mark;
        KeptMark { state, last_arrival_ms, last_record, place }
    }
}
