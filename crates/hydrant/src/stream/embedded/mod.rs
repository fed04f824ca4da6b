//! The embedded stream: a segmented append-only log per shard, in one folder.
//!
//! `docs/stream-format.md` draws every byte. One thread per shard writes ([`writer`]); readers share the page cache
//! with it and see only what is durable. The folder belongs to one process at a time: whoever opens it sees to that.
//! Limits: [`SHARDS_MAX`] shards, [`QUEUE_BYTES_MAX`] and [`QUEUE_JOBS_MAX`] waiting to be written, segments of
//! [`SEGMENT_BYTES`]. Shards can't be split or merged, and their number can't be changed, in this version.

mod checkpoint;

mod fields;

mod frame;

mod hash_key;

mod manifest;

mod recovery;

mod retention;

mod scan;

mod segment;

mod sequence;

mod shard;

mod storage;

mod writer;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{Semaphore, mpsc, oneshot};

pub use retention::Retention;

use self::checkpoint::Stored;
use self::shard::{Limits, Shard};
use self::storage::{Disk, ReadOnly, Storage};
use self::writer::{Append, Commit, Job, Writer};
use super::{
    APPEND_BYTES_MAX, APPEND_RECORDS_MAX, Appended, Checkpoint, Engine, Error, Mark, NewRecord, Position, Read,
    ReadLimits, ShardId, ShardStatus,
};
use crate::clock::Clock;

/// So much the clock may be put back.
const CLOCK_MARGIN_MS: i64 = 1_000;

/// Each shard has a thread and open files.
pub const SHARDS_MAX: u32 = 64;
/// A segment is complete when the next group would make it longer. Bounds what a start has to check.
pub const SEGMENT_BYTES: u64 = 32 * 1024 * 1024;
/// Appends wait before they enter the queues of all shards together.
pub const QUEUE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Per shard.
pub const QUEUE_JOBS_MAX: usize = 256;
/// What a read answers at most, whatever its limits say, unless a single record is larger.
pub const READ_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What tests make smaller.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    segment_bytes: u64,
    header_bytes_max: usize,
}

impl Default for Sizes {
    fn default() -> Sizes {
        Sizes { segment_bytes: SEGMENT_BYTES, header_bytes_max: segment::HEADER_BYTES_MAX }
    }
}

/// An open data folder. Dropping it waits for the writes in flight.
pub struct Embedded {
    shards: Vec<Handle>,
    queue: Arc<Semaphore>,
    clock: Clock,
}

/// A shard, its queue and its thread.
struct Handle {
    shard: Arc<Shard>,
    hash_keys: (u128, u128),
    /// `None` only while dropping.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Embedded {
    /// Opens a data folder, or makes it with `n_shards` shards. Blocking; recovery reads at most [`SEGMENT_BYTES`]
    /// and one group per shard.
    ///
    /// # Errors
    /// [`Error::Fatal`], which names the file, when `n_shards` is not what the folder has, or 0 or above
    /// [`SHARDS_MAX`]; when the folder was written by a newer version; when its manifest, a checkpoint or the header
    /// of a newest segment is damaged, or records before a checkpoint are missing. [`Error::Retry`] when the file
    /// system fails.
    pub fn open(dir: &Path, n_shards: u32, retention: Retention, clock: Clock) -> Result<Embedded, Error> {
        Embedded::open_on(Arc::new(Disk), dir, n_shards, retention, clock, Sizes::default())
    }

    /// Opens a data folder for reading only, whoever else writes to it: what the folder held at that moment, torn ends
    /// left out. Appends and commits fail. `None`: there is no stream.
    ///
    /// # Errors
    /// Those of [`Embedded::open`]. Where the other process removed a segment meanwhile, the next attempt may succeed.
    pub fn open_read_only(dir: &Path, clock: Clock) -> Result<Option<Embedded>, Error> {
        let Some(n_shards) = manifest::load(&ReadOnly, dir)? else { return Ok(None) };
        // Nothing is too old or too much, so nothing is trimmed.
        let retention = Retention { age: Duration::MAX, bytes: u64::MAX };
        Embedded::open_on(Arc::new(ReadOnly), dir, n_shards, retention, clock, Sizes::default()).map(Some)
    }

    fn open_on(
        storage: Arc<dyn Storage>,
        dir: &Path,
        n_shards: u32,
        retention: Retention,
        clock: Clock,
        sizes: Sizes,
    ) -> Result<Embedded, Error> {
        if !(1..=SHARDS_MAX).contains(&n_shards) {
            return Err(fatal(format!("a stream has 1 to {SHARDS_MAX} shards, not {n_shards}")));
        }
        let found = manifest::load(storage.as_ref(), dir)?;
        if let Some(found) = found.filter(|found| *found != n_shards) {
            return Err(fatal(format!(
                "the stream in {} has {found} shards, not {n_shards}: their number cannot be changed in this version",
                dir.display()
            )));
        }
        let now_ms = clock.now_ms();
        let ids: Vec<_> = (0..n_shards).map(|idx| (idx, ShardId(format!("shardId-{idx:012}")))).collect();
        if found.is_none() {
            for (idx, id) in &ids {
                recovery::create(storage.as_ref(), &dir.join(&id.0), *idx, now_ms)?;
            }
        }
        let mut shards = Vec::with_capacity(ids.len());
        for ((idx, id), hash_keys) in ids.into_iter().zip(hash_key::even_ranges(n_shards)) {
            let shard_dir = dir.join(&id.0);
            let recovered = recovery::open(storage.as_ref(), &shard_dir, idx)?;
            if found.is_none() && recovered.last > 0 {
                return Err(fatal(format!("{} holds records, but no manifest: it is missing", dir.display())));
            }
            let last_arrival_ms = recovered.last_arrival_ms;
            let shard = Arc::new(Shard::new(idx, id, shard_dir, recovered));
            let writer = Writer::new(Arc::clone(&shard), Arc::clone(&storage), sizes, retention, last_arrival_ms);
            let writer = writer.ok_or_else(|| fatal(format!("{} holds no segment", shard.dir.display())))?;
            shards.push((shard, hash_keys, writer));
        }
        storage.sync_dir(dir).map_err(|error| io_error("sync", dir, &error))?;
        if found.is_none() {
            manifest::store(storage.as_ref(), dir, n_shards)?;
        }
        let shards = shards.into_iter().map(|(shard, hash_keys, mut writer)| {
            writer.trim(now_ms);
            Handle::start(shard, hash_keys, writer)
        });
        let shards = shards.collect::<Result<_, _>>()?;
        Ok(Embedded { shards, queue: Arc::new(Semaphore::new(QUEUE_BYTES_MAX)), clock })
    }

    fn handle(&self, id: &ShardId) -> Result<&Handle, Error> {
        let found = self.shards.iter().find(|handle| handle.shard.id == *id);
        found.ok_or_else(|| fatal(format!("the stream has no shard `{:.80}`", id.0)))
    }

    async fn append_records(&self, records: Vec<NewRecord>) -> Result<Vec<Result<Appended, Error>>, Error> {
        let n_records = records.len();
        let n_bytes: usize = records.iter().map(|record| record.data.len() + record.partition_key.len()).sum();
        // One record alone is answered for itself, also where it is over the bounds.
        if n_records > APPEND_RECORDS_MAX || (n_records > 1 && n_bytes > APPEND_BYTES_MAX) {
            return Err(fatal(format!(
                "an append of {n_records} records and {n_bytes} bytes is over the bounds, {APPEND_RECORDS_MAX} records \
                 and {APPEND_BYTES_MAX} bytes"
            )));
        }
        let mut routed: Vec<(Vec<usize>, Vec<NewRecord>)> = self.shards.iter().map(|_| <_>::default()).collect();
        for (i, record) in records.into_iter().enumerate() {
            let key = hash_key::hash_key(&record.partition_key, record.explicit_hash_key);
            let found = self.shards.iter().zip(&mut routed).find(|(handle, _)| key <= handle.hash_keys.1);
            let (_, (places, taken)) = found.ok_or_else(|| fatal("no shard takes a hash key".to_owned()))?;
            places.push(i);
            taken.push(record);
        }
        let mut waiting = Vec::new();
        for (handle, (places, records)) in self.shards.iter().zip(routed) {
            if !records.is_empty() {
                waiting.push((handle, places, handle.append(&self.queue, records, self.clock.now_ms()).await?));
            }
        }
        let mut results: Vec<Option<Result<Appended, Error>>> = (0..n_records).map(|_| None).collect();
        for (handle, places, reply) in waiting {
            let answers = reply.await.map_err(|_| handle.gone())?;
            assert_eq!(answers.len(), places.len(), "the writer answers every record");
            for (i, answer) in places.into_iter().zip(answers) {
                let shard = &handle.shard;
                if let Some(result) = results.get_mut(i) {
                    *result = Some(answer.map(|counter| Appended {
                        shard: shard.id.clone(),
                        sequence_number: sequence::write(shard.idx, counter),
                    }));
                }
            }
        }
        let results: Option<Vec<_>> = results.into_iter().collect();
        results.ok_or_else(|| fatal("a record went to no shard".to_owned()))
    }

    async fn read_after(&self, id: &ShardId, after: Option<&Position>, limits: ReadLimits) -> Result<Read, Error> {
        let shard = &self.handle(id)?.shard;
        let no_earlier_ms = self.clock.now_ms().saturating_sub(CLOCK_MARGIN_MS);
        let after = after.map_or(Ok(0), |position| sequence::counter(shard.idx, position))?;
        let mut last = shard.last.subscribe();
        if after > *last.borrow_and_update() {
            return Err(fatal(format!("record {after} lies beyond the end of {id}, which is {}", shard.last())));
        }
        let arrived = tokio::time::timeout(limits.wait, last.wait_for(|last| *last > after)).await.is_ok();
        if !arrived {
            return Ok(Read { records: Vec::new(), behind: Duration::ZERO, ended: false, no_earlier_ms });
        }
        let records_max = limits.records_max.max(1);
        let limits = Limits { records_max, bytes_max: limits.bytes_max.min(READ_BYTES_MAX) };
        let (shard, now_ms) = (Arc::clone(shard), self.clock.now_ms());
        let read = blocking(move || shard.read(after, limits, now_ms)).await?;
        Ok(Read { records: read.records, behind: read.behind, ended: false, no_earlier_ms })
    }

    async fn commit_to(&self, id: &ShardId, checkpoint: Checkpoint) -> Result<(), Error> {
        let handle = self.handle(id)?;
        let counter = match &checkpoint.position {
            Some(position) => sequence::counter(handle.shard.idx, position)?,
            None => 0,
        };
        let n_bytes = checkpoint.state.len();
        if n_bytes > checkpoint::STATE_BYTES_MAX {
            let most = checkpoint::STATE_BYTES_MAX;
            return Err(fatal(format!("a checkpoint state of {n_bytes} bytes for {id}, more than {most}")));
        }
        let (reply, answer) = oneshot::channel();
        let checkpoint = Stored { counter, state: checkpoint.state };
        handle.send(Job::Commit(Commit { checkpoint, now_ms: self.clock.now_ms(), reply })).await?;
        answer.await.map_err(|_| handle.gone())?
    }

    async fn statuses(&self) -> Result<Vec<ShardStatus>, Error> {
        let mut statuses = Vec::with_capacity(self.shards.len());
        for handle in &self.shards {
            let shard = Arc::clone(&handle.shard);
            statuses.push(blocking(move || Ok(status(&shard))).await?);
        }
        Ok(statuses)
    }
}

impl Handle {
    fn start(shard: Arc<Shard>, hash_keys: (u128, u128), writer: Writer) -> Result<Handle, Error> {
        let (jobs, waiting) = mpsc::channel(QUEUE_JOBS_MAX);
        let name = format!("stream {}", shard.idx);
        let thread = std::thread::Builder::new().name(name).spawn(move || writer.run(waiting));
        let thread = thread.map_err(|error| retry(format!("cannot start a thread for {}: {error}", shard.id)))?;
        Ok(Handle { shard, hash_keys, jobs: Some(jobs), thread: Some(thread) })
    }

    async fn append(
        &self,
        queue: &Arc<Semaphore>,
        records: Vec<NewRecord>,
        now_ms: i64,
    ) -> Result<oneshot::Receiver<Vec<Result<u64, Error>>>, Error> {
        let n_bytes = records.iter().map(frame::length).sum::<usize>().min(QUEUE_BYTES_MAX);
        let n_permits = u32::try_from(n_bytes).unwrap_or(u32::MAX);
        let permit = Arc::clone(queue).acquire_many_owned(n_permits).await.map_err(|_| self.gone())?;
        let (reply, answer) = oneshot::channel();
        self.send(Job::Append(Append { records, now_ms, reply, permit })).await?;
        Ok(answer)
    }

    async fn send(&self, job: Job) -> Result<(), Error> {
        let jobs = self.jobs.as_ref().ok_or_else(|| self.gone())?;
        jobs.send(job).await.map_err(|_| self.gone())
    }

    fn gone(&self) -> Error {
        fatal(format!("the writer of {} has ended", self.shard.id))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.jobs = None;
        let ended = self.thread.take().map(JoinHandle::join);
        if matches!(ended, Some(Err(_))) {
            tracing::error!(shard = %self.shard.id, "the writer panicked");
        }
    }
}

impl Engine for Embedded {
    fn shards(&self) -> BoxFuture<'_, Result<Vec<super::Shard>, Error>> {
        let shard = |handle: &Handle| super::Shard {
            id: handle.shard.id.clone(),
            parents: Vec::new(),
            hash_keys: handle.hash_keys,
            standing: super::Standing::Mine { term: 0 },
        };
        let shards = self.shards.iter().map(shard).collect();
        async move { Ok(shards) }.boxed()
    }

    fn append(&self, records: Vec<NewRecord>) -> BoxFuture<'_, Result<Vec<Result<Appended, Error>>, Error>> {
        self.append_records(records).boxed()
    }

    fn read<'a>(
        &'a self,
        shard: &'a ShardId,
        after: Option<&'a Position>,
        limits: ReadLimits,
    ) -> BoxFuture<'a, Result<Read, Error>> {
        self.read_after(shard, after, limits).boxed()
    }

    fn end<'a>(&'a self, shard: &'a ShardId) -> BoxFuture<'a, Result<Option<Position>, Error>> {
        async move {
            let shard = &self.handle(shard)?.shard;
            let last = shard.last();
            Ok((last > 0).then(|| sequence::position(shard.idx, last)))
        }
        .boxed()
    }

    fn checkpoint<'a>(&'a self, shard: &'a ShardId) -> BoxFuture<'a, Result<Option<Checkpoint>, Error>> {
        async move {
            let shard = &self.handle(shard)?.shard;
            let stored = shard.checkpoint().clone();
            Ok(stored.map(|stored| Checkpoint {
                position: (stored.counter > 0).then(|| sequence::position(shard.idx, stored.counter)),
                state: stored.state,
            }))
        }
        .boxed()
    }

    fn commit<'a>(&'a self, shard: &'a ShardId, checkpoint: Checkpoint) -> BoxFuture<'a, Result<(), Error>> {
        self.commit_to(shard, checkpoint).boxed()
    }

    /// Shards of this engine are never closed.
    fn finish<'a>(&'a self, shard: &'a ShardId) -> BoxFuture<'a, Result<(), Error>> {
        async move { self.handle(shard).map(drop) }.boxed()
    }

    fn marks(&self) -> BoxFuture<'_, Result<Vec<Mark>, Error>> {
        async move {
            let mut marks = Vec::new();
            for handle in &self.shards {
                let shard_marks = handle.shard.marks();
                let copies = shard_marks.iter().map(|(producer, state)| (producer.clone(), state.clone()));
                marks.extend(copies.map(|(producer, state)| Mark { producer, state }));
            }
            Ok(marks)
        }
        .boxed()
    }

    /// Nobody else waits for its shards.
    fn close(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }

    fn status(&self) -> BoxFuture<'_, Result<Vec<ShardStatus>, Error>> {
        self.statuses().boxed()
    }
}

fn status(shard: &Shard) -> ShardStatus {
    let committed = shard.checkpoint().as_ref().map(|stored| stored.counter);
    let delivered = committed.unwrap_or_else(|| shard.oldest().saturating_sub(1));
    let records_waiting = shard.last().saturating_sub(delivered);
    let oldest_waiting_ms = if records_waiting == 0 {
        None
    } else {
        // A record that is damaged has no time; it still waits.
        let one = shard.read(delivered, Limits { records_max: 1, bytes_max: 0 }, 0).ok();
        one.and_then(|one| one.records.first().map(|record| record.arrival_ms))
    };
    ShardStatus { shard: shard.id.clone(), records_waiting: Some(records_waiting), oldest_waiting_ms, kept_for: None }
}

/// Runs file access on a thread that may block. Dropping the future lets it end unseen, which harms nothing: it reads.
async fn blocking<T: Send + 'static>(read: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(read).await;
    done.map_err(|error| fatal(format!("reading the stream ended early: {error}")))?
}

fn fatal(text: String) -> Error {
    Error::Fatal(text)
}

fn retry(text: String) -> Error {
    Error::Retry(text)
}

fn io_error(action: &str, path: &Path, error: &std::io::Error) -> Error {
    retry(format!("cannot {action} {}: {error}", path.display()))
}
