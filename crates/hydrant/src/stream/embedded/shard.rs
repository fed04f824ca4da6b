//! What the writer and the readers of a shard share, and reading.
//!
//! A read copies nothing: the data of its records shares the memory of the chunks that were read, at most the limits
//! plus one frame and one chunk. Blocking: callers read on a thread that may block.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::checkpoint::Stored;
use super::frame;
use super::io_error;
use super::recovery::Recovered;
use super::scan::{Found, Scan, Step};
use super::segment::{Marks, Segment};
use crate::stream::{Error, Record, ShardId};

/// All of it is durable: the writer publishes after it has synced.
pub(super) struct Shard {
    pub(super) idx: u32,
    pub(super) id: ShardId,
    pub(super) dir: PathBuf,
    /// The counter of the newest record, 0 before the first.
    pub(super) last: watch::Sender<u64>,
    segments: Mutex<Vec<Arc<Segment>>>,
    marks: Mutex<Marks>,
    checkpoint: Mutex<Option<Stored>>,
}

/// How much a read answers at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) records_max: usize,
    pub(super) bytes_max: usize,
}

impl Shard {
    pub(super) fn new(idx: u32, id: ShardId, dir: PathBuf, recovered: Recovered) -> Shard {
        Shard {
            idx,
            id,
            dir,
            last: watch::Sender::new(recovered.last),
            segments: Mutex::new(recovered.segments),
            marks: Mutex::new(recovered.marks),
            checkpoint: Mutex::new(recovered.checkpoint),
        }
    }

    pub(super) fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// Oldest first, never empty.
    pub(super) fn segments(&self) -> MutexGuard<'_, Vec<Arc<Segment>>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn checkpoint(&self) -> MutexGuard<'_, Option<Stored>> {
        self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The counter of the oldest record that is kept, or would be.
    pub(super) fn oldest(&self) -> u64 {
        self.segments().first().map_or(1, |segment| segment.first)
    }

    /// The records after `after`, from the oldest kept one if those were trimmed. Stops at damage, and fails with
    /// its place when nothing comes before it.
    pub(super) fn read(&self, after: u64, limits: Limits, now_ms: i64) -> Result<Portion, Error> {
        let last = self.last();
        let segments = self.segments().clone();
        let mut reading = Reading::new(after.saturating_add(1), limits, now_ms);
        let begin = segments.partition_point(|segment| segment.first <= reading.wanted).saturating_sub(1);
        for (i, segment) in segments.iter().enumerate().skip(begin) {
            if reading.expected > last || reading.full {
                break;
            }
            let next_first = segments.get(i + 1).map(|next| next.first);
            match reading.segment(self.idx, segment, next_first) {
                Ok(()) => {}
                Err(_) if !reading.records.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(Portion { records: reading.records, behind: reading.behind })
    }
}

/// What a read has found.
pub(super) struct Portion {
    pub(super) records: Vec<Record>,
    /// Age of the oldest record not yet read.
    pub(super) behind: Duration,
}

/// A read under way.
struct Reading {
    /// The first counter that is answered.
    wanted: u64,
    /// The counter of the frame that comes next.
    expected: u64,
    limits: Limits,
    now_ms: i64,
    records: Vec<Record>,
    n_bytes: usize,
    full: bool,
    behind: Duration,
}

impl Reading {
    fn new(wanted: u64, limits: Limits, now_ms: i64) -> Reading {
        let (records, behind) = (Vec::new(), Duration::ZERO);
        Reading { wanted, expected: 0, limits, now_ms, records, n_bytes: 0, full: false, behind }
    }

    /// Reads on in a segment, to its end if that is where the next one begins.
    fn segment(&mut self, shard_idx: u32, segment: &Segment, next_first: Option<u64>) -> Result<(), Error> {
        if let Some(why) = segment.damage {
            return Err(segment.damaged(0, why));
        }
        let (counter, offset) = segment.seek(self.wanted.max(self.expected));
        self.expected = counter;
        let mut scan = Scan::new(segment.file.as_ref(), segment.salt, offset, segment.durable());
        loop {
            let offset = scan.offset();
            match scan.step().map_err(|error| io_error("read", &segment.path, &error))? {
                Step::End => return self.continues_at(next_first, segment, offset),
                Step::Bad(why) => return Err(segment.damaged(offset, why)),
                Step::Frame(found) if found.head.counter != self.expected => {
                    return Err(segment.damaged(offset, "its number is out of order"));
                }
                Step::Frame(found) => {
                    segment.note(found.head.counter, offset, false);
                    self.frame(shard_idx, segment, &found)?;
                    if self.full {
                        return Ok(());
                    }
                    self.expected += 1;
                }
            }
        }
    }

    fn continues_at(&self, next_first: Option<u64>, segment: &Segment, offset: u64) -> Result<(), Error> {
        match next_first {
            Some(first) if first != self.expected => {
                let why = format!("it ends before record {}, the next segment begins with {first}", self.expected);
                Err(segment.damaged(offset, &why))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn frame(&mut self, shard_idx: u32, segment: &Segment, found: &Found) -> Result<(), Error> {
        if found.head.counter < self.wanted {
            return Ok(());
        }
        let Some((record, _)) = frame::decode(&found.bytes, &found.head, shard_idx) else {
            return Err(segment.damaged(found.offset, "its text is not UTF-8"));
        };
        let n_bytes = record.data.len() + record.partition_key.len();
        let fits = self.records.len() < self.limits.records_max && self.n_bytes + n_bytes <= self.limits.bytes_max;
        if self.records.is_empty() || fits {
            self.n_bytes += n_bytes;
            self.records.push(record);
        } else {
            self.full = true;
            let age_ms = self.now_ms.saturating_sub(record.arrival_ms);
            self.behind = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
        }
        Ok(())
    }
}
