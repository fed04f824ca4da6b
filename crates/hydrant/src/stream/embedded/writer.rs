//! The one thread that changes a shard: appends, commits, trims.
//!
//! Group commit: it takes all that waits, writes it, syncs once, and then answers each record. What waits is bounded
//! by the queue of the engine, so a group is at most [`super::QUEUE_BYTES_MAX`] and one append.
//!
//! After a failed write or sync the end of the file is in no known state. Nothing is written before it was cut back,
//! durably, to the last length that is known to be durable; until then every append fails and may be retried.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::checkpoint::{self, Stored};
use super::frame::{self, Stamp};
use super::retention::{self, Complete, Retention};
use super::segment::{self, Header, Segment};
use super::shard::Shard;
use super::storage::Storage;
use super::{Sizes, fatal, io_error, retry};
use crate::stream::{Error, NewRecord};

/// A buffer that a large group has grown is given back down to this.
const BUFFER_KEPT_BYTES: usize = 1024 * 1024;

pub(super) enum Job {
    Append(Append),
    Commit(Commit),
}

pub(super) struct Append {
    pub(super) records: Vec<NewRecord>,
    pub(super) now_ms: i64,
    /// The counters, or why not, one per record.
    pub(super) reply: oneshot::Sender<Vec<Result<u64, Error>>>,
    /// Its share of the queue, held until it is answered.
    pub(super) permit: OwnedSemaphorePermit,
}

pub(super) struct Commit {
    pub(super) checkpoint: Stored,
    pub(super) now_ms: i64,
    pub(super) reply: oneshot::Sender<Result<(), Error>>,
}

pub(super) struct Writer {
    shard: Arc<Shard>,
    storage: Arc<dyn Storage>,
    sizes: Sizes,
    retention: Retention,
    active: Arc<Segment>,
    last_arrival_ms: i64,
    /// Of the durable marks, in a header.
    marks_bytes: usize,
    buffer: Vec<u8>,
    /// The end of the file is in no known state.
    suspect: bool,
    /// A next segment may stand in the folder: nothing more may go into this one.
    must_roll: bool,
    /// A removal may not be durable yet.
    unsynced_removal: bool,
}

impl Writer {
    pub(super) fn new(
        shard: Arc<Shard>,
        storage: Arc<dyn Storage>,
        sizes: Sizes,
        retention: Retention,
        last_arrival_ms: i64,
    ) -> Option<Writer> {
        let active = shard.segments().last().cloned()?;
        let marks_bytes = shard.marks().iter().map(|(producer, state)| segment::mark_bytes(producer, state)).sum();
        let buffer = Vec::new();
        let (suspect, must_roll, unsynced_removal) = (false, false, false);
        Some(Writer {
            shard,
            storage,
            sizes,
            retention,
            active,
            last_arrival_ms,
            marks_bytes,
            buffer,
            suspect,
            must_roll,
            unsynced_removal,
        })
    }

    /// Works until all senders are gone.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.blocking_recv() {
            let (mut appends, mut commits) = (Vec::new(), Vec::new());
            let mut next = Some(job);
            // Comes to an end: what is taken keeps its share of the queue until it is answered.
            while let Some(job) = next {
                match job {
                    Job::Append(append) => appends.push(append),
                    Job::Commit(commit) => commits.push(commit),
                }
                next = jobs.try_recv().ok();
            }
            self.append(appends);
            for commit in commits {
                let result = self.commit(commit.checkpoint, commit.now_ms);
                drop(commit.reply.send(result));
            }
        }
    }

    /// Removes what retention lets go.
    pub(super) fn trim(&mut self, now_ms: i64) {
        let committed = self.shard.checkpoint().as_ref().map_or(0, |stored| stored.counter);
        if let Err(error) = self.try_trim(committed, now_ms) {
            tracing::warn!(shard = %self.shard.id, %error, "delivered segments could not be removed, will try again");
        }
    }

    fn append(&mut self, appends: Vec<Append>) {
        if appends.is_empty() {
            return;
        }
        let mut group = Group::new(self.shard.last() + 1, self.marks_bytes);
        let mut answers = Vec::with_capacity(appends.len());
        for append in appends {
            self.last_arrival_ms = self.last_arrival_ms.max(append.now_ms);
            let results = self.admit(&mut group, append.records);
            answers.push((append.reply, results, append.permit));
        }
        let written = if group.records.is_empty() { Ok(()) } else { self.write(&group) };
        if written.is_ok() {
            self.publish(group);
        }
        for (reply, results, permit) in answers {
            let results = results.into_iter().map(|result| match (result, &written) {
                (Ok(_), Err(error)) => Err(retry(error.to_string())),
                (result, _) => result,
            });
            drop(reply.send(results.collect()));
            drop(permit);
        }
    }

    /// Takes the records of one append into the group, up to the first that can't be taken.
    fn admit(&self, group: &mut Group, records: Vec<NewRecord>) -> Vec<Result<u64, Error>> {
        let mut refused = false;
        let mut results = Vec::with_capacity(records.len());
        for record in records {
            results.push(if refused {
                let id = &self.shard.id;
                Err(retry(format!("not appended: an earlier record of the same append to {id} was refused")))
            } else {
                self.admit_one(group, record)
            });
            refused |= results.last().is_some_and(Result::is_err);
        }
        results
    }

    fn admit_one(&self, group: &mut Group, record: NewRecord) -> Result<u64, Error> {
        if let Some(why) = frame::refuse(&record) {
            return Err(fatal(format!("record refused by {}: {why}", self.shard.id)));
        }
        if let Some(mark) = &record.mark {
            let known = match group.marks.get(&mark.producer) {
                Some(state) => Some(state.clone()),
                None => self.shard.marks().get(&mark.producer).cloned(),
            };
            let freed = known.map_or(0, |state| segment::mark_bytes(&mark.producer, &state));
            let marks_bytes = group.marks_bytes - freed + segment::mark_bytes(&mark.producer, &mark.state);
            let header_bytes = segment::header_bytes(marks_bytes);
            if header_bytes > self.sizes.header_bytes_max {
                return Err(fatal(format!(
                    "record refused by {}: with its mark the marks of all producers take {header_bytes} bytes, more \
                     than the {} that a segment's header may have",
                    self.shard.id, self.sizes.header_bytes_max
                )));
            }
            group.marks_bytes = marks_bytes;
            group.marks.insert(mark.producer.clone(), mark.state.clone());
        }
        let counter = group.first + group.records.len() as u64;
        group.n_bytes += frame::length(&record) as u64;
        group.records.push(record);
        Ok(counter)
    }

    /// On `Ok` the group is durable.
    fn write(&mut self, group: &Group) -> Result<(), Error> {
        if self.suspect {
            self.cut_back()?;
        }
        let body = self.active.durable() - self.active.header_len;
        if self.must_roll || (body > 0 && body + group.n_bytes > self.sizes.segment_bytes) {
            self.roll(group.first)?;
        }
        self.encode(group);
        let (path, file) = (&self.active.path, &self.active.file);
        let written = file
            .write_at(self.active.durable(), &self.buffer)
            .map_err(|error| io_error("write", path, &error))
            .and_then(|()| file.sync().map_err(|error| io_error("sync", path, &error)));
        if let Err(error) = written {
            self.suspect = true;
            tracing::warn!(shard = %self.shard.id, %error, "an append failed, cutting its segment back");
            if let Err(error) = self.cut_back() {
                tracing::warn!(shard = %self.shard.id, %error, "could not cut back, will try before the next append");
            }
            return Err(error);
        }
        Ok(())
    }

    fn cut_back(&mut self) -> Result<(), Error> {
        let (path, file) = (&self.active.path, &self.active.file);
        file.set_len(self.active.durable()).map_err(|error| io_error("cut", path, &error))?;
        file.sync().map_err(|error| io_error("sync", path, &error))?;
        self.suspect = false;
        Ok(())
    }

    /// Begins the next segment.
    fn roll(&mut self, first: u64) -> Result<(), Error> {
        self.must_roll = true;
        let (shard_idx, begun_ms) = (self.shard.idx, self.last_arrival_ms);
        let header = Header { shard_idx, first, begun_ms, marks: self.shard.marks().clone() };
        let segment = Arc::new(Segment::create(self.storage.as_ref(), &self.shard.dir, &header)?);
        self.shard.segments().push(Arc::clone(&segment));
        self.active = segment;
        self.must_roll = false;
        Ok(())
    }

    fn encode(&mut self, group: &Group) {
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEPT_BYTES);
        let durable = self.active.durable();
        for (counter, record) in (group.first..).zip(&group.records) {
            let offset = durable + self.buffer.len() as u64;
            let stamp = Stamp { salt: self.active.salt, offset, counter, arrival_ms: self.last_arrival_ms, durable };
            frame::encode(&mut self.buffer, record, stamp);
        }
    }

    /// Lets readers see a group that is durable.
    fn publish(&mut self, group: Group) {
        let mut offset = self.active.durable();
        for (counter, record) in (group.first..).zip(&group.records) {
            self.active.note(counter, offset, false);
            offset += frame::length(record) as u64;
        }
        self.active.set_durable(offset);
        self.marks_bytes = group.marks_bytes;
        self.shard.marks().extend(group.marks);
        self.shard.last.send_replace(group.first + group.records.len() as u64 - 1);
    }

    fn commit(&mut self, checkpoint: Stored, now_ms: i64) -> Result<(), Error> {
        let (id, last) = (&self.shard.id, self.shard.last());
        if checkpoint.counter > last {
            return Err(fatal(format!("cannot commit record {} of {id}: its last is {last}", checkpoint.counter)));
        }
        let committed = self.shard.checkpoint().as_ref().map_or(0, |stored| stored.counter);
        if checkpoint.counter < committed {
            return Err(fatal(format!(
                "cannot commit record {} of {id}: its checkpoint is at {committed} and never goes back",
                checkpoint.counter
            )));
        }
        checkpoint::store(self.storage.as_ref(), &self.shard.dir, self.shard.idx, &checkpoint)?;
        *self.shard.checkpoint() = Some(checkpoint);
        self.trim(now_ms);
        Ok(())
    }

    /// One by one, each removal durable before the next: a gap would look like damage.
    fn try_trim(&mut self, committed: u64, now_ms: i64) -> Result<(), Error> {
        let complete: Vec<_> = self
            .shard
            .segments()
            .windows(2)
            .filter_map(|pair| match pair {
                [segment, next] => {
                    let (last, complete_ms) = (next.first.saturating_sub(1), next.begun_ms);
                    Some(Complete { last, complete_ms, bytes: segment.durable() })
                }
                _ => None,
            })
            .collect();
        for _ in 0..retention::n_to_remove(&complete, committed, now_ms, self.retention) {
            self.sync_removal()?;
            let Some(oldest) = self.shard.segments().first().cloned() else { break };
            self.storage.remove(&oldest.path).map_err(|error| io_error("remove", &oldest.path, &error))?;
            self.unsynced_removal = true;
            self.shard.segments().remove(0);
            tracing::debug!(file = %oldest.path.display(), "removed a delivered segment");
        }
        self.sync_removal()
    }

    fn sync_removal(&mut self) -> Result<(), Error> {
        if self.unsynced_removal {
            let dir = &self.shard.dir;
            self.storage.sync_dir(dir).map_err(|error| io_error("sync", dir, &error))?;
            self.unsynced_removal = false;
        }
        Ok(())
    }
}

/// What is written together.
struct Group {
    /// The counter of its first record.
    first: u64,
    records: Vec<NewRecord>,
    /// As frames.
    n_bytes: u64,
    marks: HashMap<String, Bytes>,
    /// Of all durable marks and these, in a header.
    marks_bytes: usize,
}

impl Group {
    fn new(first: u64, marks_bytes: usize) -> Group {
        Group { first, records: Vec::new(), n_bytes: 0, marks: HashMap::new(), marks_bytes }
    }
}
