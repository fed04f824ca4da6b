//! The model of a stream: shards in memory, with what is durable kept apart from what is only taken.
//!
//! Beyond the contract it can lose power ([`Stream::crash`]), be split, merged, trimmed and damaged ([`change`]). It is one process's;
//! [`super::lease`] shares it out among several.

mod change;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hydrant::clock::Clock;
use hydrant::stream::{
    APPEND_BYTES_MAX, APPEND_RECORDS_MAX, Appended, Checkpoint, Engine, Error, Mark, NewRecord, Position,
    RECORD_BYTES_MAX, Read, ReadLimits, Record, Shard, ShardId, ShardStatus, Standing,
};
use md5::{Digest, Md5};
use tokio::sync::Notify;

use super::World;
pub(crate) use change::{Condition, Held};

const STATE_BYTES_MAX: usize = 1024 * 1024;

const MARK_BYTES_MAX: usize = 4096;

/// What a stream says whose records expire.
const KEPT_FOR: Duration = Duration::from_secs(24 * 3_600);

/// The model's clock is never put back, but the loop should not rely on it.
const CLOCK_MARGIN_MS: i64 = 1_000;

pub(crate) struct Stream {
    world: Arc<World>,
    clock: Clock,
    shards: Mutex<Vec<ShardState>>,
    appended: Notify,
    witness: Mutex<Option<Witness>>,
    /// Records expire, delivered or not.
    expires: AtomicBool,
}

/// Sees every commit before it is carried out.
pub(crate) type Witness = Box<dyn FnMut(&Commit<'_>) + Send>;

/// What a commit would do.
pub(crate) struct Commit<'c> {
    pub(crate) shard: &'c ShardId,
    /// How many records of its parents are not delivered.
    pub(crate) parents_waiting: u64,
    /// By how many records the checkpoint goes back.
    pub(crate) goes_back: u64,
    /// What it acknowledges.
    pub(crate) records: &'c [Record],
}

struct ShardState {
    shard: Shard,
    open: bool,
    /// Every record since the last trim, in order; numbers start at 1.
    records: Vec<(u64, Record)>,
    /// The number of the newest record that would survive a loss of power.
    durable: u64,
    newest: u64,
    /// All marks ever, with the number of their record. Trimming leaves them.
    marks: Vec<(u64, Mark)>,
    checkpoint: Option<Checkpoint>,
    /// That of the first commit ever.
    first_state: Option<Bytes>,
    /// A commit that is under way: it may survive a loss of power, or not.
    committing: Option<Checkpoint>,
    /// A record that cannot be read.
    damaged: Option<u64>,
}

impl Stream {
    pub(crate) fn new(world: Arc<World>, clock: Clock, shards: usize) -> Stream {
        assert!(shards > 0, "a stream has a shard");
        let width = u128::MAX / shards as u128;
        let shards = (0..shards).map(|shard_idx| {
            let start = width * shard_idx as u128;
            let end = if shard_idx + 1 == shards { u128::MAX } else { start + width - 1 };
            ShardState::new(shard_id(shard_idx), Vec::new(), (start, end))
        });
        Stream {
            world,
            clock,
            shards: Mutex::new(shards.collect()),
            appended: Notify::new(),
            witness: Mutex::new(None),
            expires: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ShardState>> {
        self.shards.lock().unwrap()
    }

    /// Loses power: of what was not acknowledged, a random part stays.
    pub(crate) fn crash(&self) {
        self.lose_appends();
        for state in self.lock().iter_mut() {
            if let Some(checkpoint) = state.committing.take().filter(|_| self.world.chance(500)) {
                state.commit(checkpoint);
            }
        }
    }

    /// Whoever appends is gone: of what was not acknowledged, a random part stays.
    pub(crate) fn lose_appends(&self) {
        for state in self.lock().iter_mut() {
            let kept = state.durable + self.world.below(state.newest - state.durable + 1);
            state.records.retain(|(number, _)| *number <= kept);
            state.marks.retain(|(number, _)| *number <= kept);
            (state.durable, state.newest) = (kept, kept);
        }
    }

    /// The shards that take records.
    pub(crate) fn open(&self) -> Vec<ShardId> {
        self.lock().iter().filter(|state| state.open).map(|state| state.shard.id.clone()).collect()
    }

    /// Nothing is left to deliver, and every closed shard is known to be finished.
    pub(crate) fn is_delivered(&self) -> bool {
        let done = |state: &ShardState| {
            state.durable == state.delivered() && (state.open || state.shard.standing == Standing::Delivered)
        };
        self.lock().iter().all(done)
    }

    /// The shards, without a fault.
    pub(crate) fn shards_now(&self) -> Vec<Shard> {
        self.lock().iter().map(|state| state.shard.clone()).collect()
    }

    /// What the first commit of each shard stored.
    pub(crate) fn first_states(&self) -> Vec<Bytes> {
        self.lock().iter().filter_map(|state| state.first_state.clone()).collect()
    }

    /// Durable records of a shard after its checkpoint.
    pub(crate) fn waiting(&self, shard: &ShardId) -> u64 {
        self.lock().iter().filter(|state| state.shard.id == *shard).map(|s| s.durable - s.delivered()).sum()
    }

    pub(crate) fn watch(&self, witness: Witness) {
        *self.witness.lock().unwrap() = Some(witness);
    }

    fn witness_commit(&self, shards: &[ShardState], state: &ShardState, number: u64) {
        if let Some(witness) = &mut *self.witness.lock().unwrap() {
            let parents = shards.iter().filter(|other| state.shard.parents.contains(&other.shard.id));
            let parents_waiting = parents.map(|parent| parent.durable - parent.delivered()).sum();
            let news = state.records.iter().filter(|(n, _)| *n > state.delivered() && *n <= number);
            let records: Vec<Record> = news.map(|(_, record)| record.clone()).collect();
            let goes_back = state.delivered().saturating_sub(number);
            witness(&Commit { shard: &state.shard.id, parents_waiting, goes_back, records: &records });
        }
    }

    fn unavailable(&self, call: &str) -> Result<(), Error> {
        if self.world.chance(self.world.faults().unavailable) {
            self.world.note(format!("stream {call} unavailable"));
            return Err(Error::Retry("the model stream is unavailable".into()));
        }
        Ok(())
    }

    fn lost_reply(&self, call: &str) -> Result<(), Error> {
        if self.world.chance(self.world.faults().lost_reply) {
            self.world.note(format!("stream {call} reply lost"));
            return Err(Error::Retry("the reply of the model stream was lost".into()));
        }
        Ok(())
    }

    /// Takes what it can of one append, not durably yet: per record the shard's place in the list and its number.
    fn take(&self, records: Vec<NewRecord>) -> Vec<Result<(usize, u64), Error>> {
        let item_retry = self.world.faults().item_retry;
        let mut shards = self.lock();
        let mut failed: BTreeMap<usize, ()> = BTreeMap::new();
        let arrival_ms = self.clock.now_ms();
        let mut results = Vec::new();
        for record in records {
            let key = record.explicit_hash_key.unwrap_or_else(|| hash_key(&record.partition_key));
            let (shard_idx, state) = shards
                .iter_mut()
                .enumerate()
                .find(|(_, state)| state.open && (state.shard.hash_keys.0..=state.shard.hash_keys.1).contains(&key))
                .unwrap();
            let result = if failed.contains_key(&shard_idx) {
                Err(Error::Retry(format!("shard {}: a record before this one failed", state.shard.id)))
            } else if let Some(problem) = problem(&record) {
                Err(Error::Fatal(problem))
            } else if self.world.chance(item_retry) {
                Err(Error::Retry(format!("shard {} is throttled", state.shard.id)))
            } else {
                Ok((shard_idx, state.take(record, arrival_ms)))
            };
            if result.is_err() {
                failed.insert(shard_idx, ());
            }
            results.push(result);
        }
        results
    }

    /// Makes what was taken durable.
    fn sync(&self, taken: Vec<Result<(usize, u64), Error>>) -> Vec<Result<Appended, Error>> {
        let mut shards = self.lock();
        let synced = taken.into_iter().map(|result| {
            result.map(|(shard_idx, number)| {
                let state = &mut shards[shard_idx];
                state.durable = state.durable.max(number);
                self.world.note(format!("appended {} {number}", state.shard.id));
                Appended { shard: state.shard.id.clone(), sequence_number: sequence_number(number) }
            })
        });
        synced.collect()
    }

    /// What can be read now; `None` while there is nothing.
    fn read_now(&self, shard: &ShardId, after: Option<&Position>, limits: ReadLimits) -> Result<Option<Read>, Error> {
        let shards = self.lock();
        let state = find(&shards, shard)?;
        let after = after.map_or(Ok(0), |position| state.number(position))?;
        let mut unread = state.records.iter().filter(|(number, _)| *number > after && *number <= state.durable);
        let (mut records, mut bytes) = (Vec::new(), 0);
        let mut next = unread.next();
        while let Some((number, record)) = next {
            bytes += record.data.len();
            if records.len() == limits.records_max || (bytes > limits.bytes_max && !records.is_empty()) {
                break;
            }
            if state.damaged == Some(*number) {
                if records.is_empty() {
                    return Err(Error::Fatal(format!("shard {shard}: record {number} is damaged")));
                }
                break;
            }
            records.push(record.clone());
            next = unread.next();
        }
        let ended = !state.open && next.is_none() && state.durable == state.newest;
        if records.is_empty() && !ended {
            return Ok(None);
        }
        let age_ms = next.map_or(0, |(_, record)| self.clock.now_ms() - record.arrival_ms);
        let behind = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
        let no_earlier_ms = self.clock.now_ms() - CLOCK_MARGIN_MS;
        Ok(Some(Read { records, behind, ended, no_earlier_ms }))
    }
}

impl ShardState {
    fn new(id: ShardId, parents: Vec<ShardId>, hash_keys: (u128, u128)) -> ShardState {
        ShardState {
            shard: Shard { id, parents, hash_keys, standing: Standing::Mine { term: 0 } },
            open: true,
            records: Vec::new(),
            durable: 0,
            newest: 0,
            marks: Vec::new(),
            checkpoint: None,
            first_state: None,
            committing: None,
            damaged: None,
        }
    }

    fn take(&mut self, record: NewRecord, arrival_ms: i64) -> u64 {
        self.newest += 1;
        let number = self.newest;
        if let Some(mark) = record.mark {
            self.marks.push((number, mark));
        }
        self.records.push((
            number,
            Record {
                position: self.position(number),
                sequence_number: sequence_number(number),
                arrival_ms,
                partition_key: record.partition_key,
                explicit_hash_key: record.explicit_hash_key,
                data: record.data,
            },
        ));
        number
    }

    fn position(&self, number: u64) -> Position {
        Position(format!("{}/{number}", self.shard.id))
    }

    fn number(&self, position: &Position) -> Result<u64, Error> {
        let number = position.0.strip_prefix(&format!("{}/", self.shard.id)).and_then(|digits| digits.parse().ok());
        number.ok_or_else(|| Error::Fatal(format!("position {position} is not of shard {}", self.shard.id)))
    }

    fn may_commit(&self, number: u64, checkpoint: &Checkpoint, held: &Held<'_>) -> Result<(), Error> {
        let id = &self.shard.id;
        let goes_back = number < self.delivered() && !matches!(held, Held::Unchecked);
        if goes_back || number > self.durable {
            return Err(Error::Fatal(format!("shard {id}: a commit goes from {} to {number}", self.delivered())));
        }
        if checkpoint.state.len() > STATE_BYTES_MAX {
            return Err(Error::Fatal(format!("shard {id}: a state over {STATE_BYTES_MAX} bytes")));
        }
        Ok(())
    }

    fn commit(&mut self, checkpoint: Checkpoint) {
        self.first_state.get_or_insert_with(|| checkpoint.state.clone());
        self.checkpoint = Some(checkpoint);
    }

    fn delivered(&self) -> u64 {
        let position = self.checkpoint.as_ref().and_then(|checkpoint| checkpoint.position.as_ref());
        position.map_or(0, |position| self.number(position).unwrap())
    }
}

fn find<'a>(shards: &'a [ShardState], id: &ShardId) -> Result<&'a ShardState, Error> {
    let found = shards.iter().find(|state| state.shard.id == *id);
    found.ok_or_else(|| Error::Fatal(format!("no shard {id}")))
}

fn shard_id(shard_idx: usize) -> ShardId {
    ShardId(format!("shardId-{shard_idx:012}"))
}

fn sequence_number(number: u64) -> String {
    format!("{number:056}")
}

fn hash_key(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into())
}

fn problem(record: &NewRecord) -> Option<String> {
    if record.partition_key.is_empty() || record.partition_key.chars().count() > 256 {
        return Some("a partition key has 1 to 256 characters".into());
    }
    let bytes = record.data.len() + record.partition_key.len();
    if bytes > RECORD_BYTES_MAX {
        return Some(format!("a record of {bytes} bytes is over {RECORD_BYTES_MAX}"));
    }
    let mark = record.mark.as_ref()?;
    let too_long = mark.producer.len() > MARK_BYTES_MAX || mark.state.len() > MARK_BYTES_MAX;
    too_long.then(|| format!("a mark is over {MARK_BYTES_MAX} bytes"))
}

impl Engine for Stream {
    fn shards(&self) -> BoxFuture<'_, Result<Vec<Shard>, Error>> {
        async {
            self.world.step().await;
            self.unavailable("shards")?;
            Ok(self.lock().iter().map(|state| state.shard.clone()).collect())
        }
        .boxed()
    }

    fn append(&self, records: Vec<NewRecord>) -> BoxFuture<'_, Result<Vec<Result<Appended, Error>>, Error>> {
        async {
            let bytes: usize = records.iter().map(|record| record.data.len() + record.partition_key.len()).sum();
            // One record alone is answered for itself, also where it is over the bounds.
            if records.len() > APPEND_RECORDS_MAX || (records.len() > 1 && bytes > APPEND_BYTES_MAX) {
                return Err(Error::Fatal(format!("an append of {} records, {bytes} bytes", records.len())));
            }
            self.world.step().await;
            self.unavailable("append")?;
            let taken = self.take(records);
            self.world.step().await;
            let results = self.sync(taken);
            self.appended.notify_waiters();
            self.lost_reply("append")?;
            Ok(results)
        }
        .boxed()
    }

    fn read<'a>(
        &'a self,
        shard: &'a ShardId,
        after: Option<&'a Position>,
        limits: ReadLimits,
    ) -> BoxFuture<'a, Result<Read, Error>> {
        async move {
            self.world.step().await;
            self.unavailable("read")?;
            let no_earlier_ms = self.clock.now_ms() - CLOCK_MARGIN_MS;
            let wait = async {
                loop {
                    let mut appended = std::pin::pin!(self.appended.notified());
                    appended.as_mut().enable();
                    if let Some(read) = self.read_now(shard, after, limits)? {
                        return Ok(read);
                    }
                    appended.await;
                }
            };
            let nothing = Read { records: Vec::new(), behind: Duration::ZERO, ended: false, no_earlier_ms };
            tokio::time::timeout(limits.wait, wait).await.unwrap_or(Ok(nothing))
        }
        .boxed()
    }

    fn give_up(&self, shard: &ShardId) {
        self.world.note(format!("gave up {shard}"));
    }

    fn end<'a>(&'a self, shard: &'a ShardId) -> BoxFuture<'a, Result<Option<Position>, Error>> {
        async move {
            self.world.step().await;
            self.unavailable("end")?;
            let shards = self.lock();
            let state = find(&shards, shard)?;
            Ok((state.durable > 0).then(|| state.position(state.durable)))
        }
        .boxed()
    }

    fn checkpoint<'a>(&'a self, shard: &'a ShardId) -> BoxFuture<'a, Result<Option<Checkpoint>, Error>> {
        async move {
            self.world.step().await;
            self.unavailable("checkpoint")?;
            Ok(find(&self.lock(), shard)?.checkpoint.clone())
        }
        .boxed()
    }

    fn commit<'a>(&'a self, shard: &'a ShardId, checkpoint: Checkpoint) -> BoxFuture<'a, Result<(), Error>> {
        self.commit_if(shard, checkpoint, &Held::Always).boxed()
    }

    fn finish<'a>(&'a self, shard: &'a ShardId) -> BoxFuture<'a, Result<(), Error>> {
        self.finish_if(shard, &Held::Always).boxed()
    }

    fn marks(&self) -> BoxFuture<'_, Result<Vec<Mark>, Error>> {
        async {
            self.world.step().await;
            self.unavailable("marks")?;
            let mut newest = BTreeMap::new();
            for state in self.lock().iter() {
                for (_, mark) in state.marks.iter().filter(|(number, _)| *number <= state.durable) {
                    newest.insert(mark.producer.clone(), mark.clone());
                }
            }
            Ok(newest.into_values().collect())
        }
        .boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }

    fn status(&self) -> BoxFuture<'_, Result<Vec<ShardStatus>, Error>> {
        async {
            let shards = self.lock();
            let status = shards.iter().map(|state| {
                let oldest = state.records.iter().find(|(number, _)| *number > state.delivered());
                ShardStatus {
                    shard: state.shard.id.clone(),
                    records_waiting: Some(state.durable - state.delivered()),
                    oldest_waiting_ms: oldest.map(|(_, record)| record.arrival_ms),
                    kept_for: self.expires.load(Ordering::Relaxed).then_some(KEPT_FOR),
                }
            });
            Ok(status.collect())
        }
        .boxed()
    }
}
