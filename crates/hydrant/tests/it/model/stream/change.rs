//! What changes the model of a stream beside records: resharding, trimming, damage, and commits under a condition.

use std::sync::atomic::Ordering;

use hydrant::stream::{Checkpoint, Error, ShardId, Standing};

use super::{ShardState, Stream, find, shard_id};

/// Asked at the instant at which a checkpoint moves.
pub(crate) trait Condition: Sync {
    fn check(&self, shard: &ShardId) -> Result<(), Error>;
}

/// Whether a caller may move a shard's checkpoint.
pub(crate) enum Held<'h> {
    /// The stream belongs to one process.
    Always,
    /// While its lease holds.
    Lease(&'h dyn Condition),
    /// Nobody asks, and a checkpoint may go back: a bug, to be found.
    Unchecked,
}

impl Held<'_> {
    fn check(&self, shard: &ShardId) -> Result<(), Error> {
        match self {
            Held::Always | Held::Unchecked => Ok(()),
            Held::Lease(condition) => condition.check(shard),
        }
    }
}

impl Stream {
    /// Closes a shard and opens two children, each with half of its hash keys.
    pub(crate) fn split(&self, parent: &ShardId) {
        let mut shards = self.lock();
        let n_shards = shards.len();
        let state = shards.iter_mut().find(|state| state.shard.id == *parent).unwrap();
        state.open = false;
        let (start, end) = state.shard.hash_keys;
        let middle = start + (end - start) / 2;
        let parents = vec![parent.clone()];
        shards.push(ShardState::new(shard_id(n_shards), parents.clone(), (start, middle)));
        shards.push(ShardState::new(shard_id(n_shards + 1), parents, (middle + 1, end)));
        drop(shards);
        self.appended.notify_waiters();
    }

    /// Closes two neighbours and opens one child with the hash keys of both; `false` where they are no neighbours.
    pub(crate) fn merge(&self, first: &ShardId, second: &ShardId) -> bool {
        let mut shards = self.lock();
        let n_shards = shards.len();
        let keys = |id: &ShardId| shards.iter().find(|state| state.shard.id == *id).unwrap().shard.hash_keys;
        let (first_keys, second_keys) = (keys(first), keys(second));
        if first_keys.1.checked_add(1) != Some(second_keys.0) {
            return false;
        }
        for state in shards.iter_mut().filter(|state| [first, second].contains(&&state.shard.id)) {
            state.open = false;
        }
        let parents = vec![first.clone(), second.clone()];
        shards.push(ShardState::new(shard_id(n_shards), parents, (first_keys.0, second_keys.1)));
        drop(shards);
        self.appended.notify_waiters();
        true
    }

    /// Forgets what is delivered.
    pub(crate) fn trim(&self) {
        for state in self.lock().iter_mut() {
            let delivered = state.delivered();
            state.records.retain(|(number, _)| *number > delivered);
        }
    }

    /// Forgets the first so many records of every shard, delivered or not.
    pub(crate) fn expire(&self, upto: u64) {
        self.expires.store(true, Ordering::Relaxed);
        for state in self.lock().iter_mut() {
            state.records.retain(|(number, _)| *number > upto);
        }
    }

    /// From now on the newest record of a shard cannot be read.
    pub(crate) fn damage_newest(&self, shard: &ShardId) {
        let mut shards = self.lock();
        let state = shards.iter_mut().find(|state| state.shard.id == *shard).unwrap();
        state.damaged = Some(state.newest);
    }

    /// Commits under a condition, which is asked at the instant at which the checkpoint is replaced.
    pub(crate) async fn commit_if(
        &self,
        shard: &ShardId,
        checkpoint: Checkpoint,
        held: &Held<'_>,
    ) -> Result<(), Error> {
        self.world.step().await;
        self.unavailable("commit")?;
        let number = {
            let mut shards = self.lock();
            let state = find(&shards, shard)?;
            let number = checkpoint.position.as_ref().map_or(Ok(0), |position| state.number(position))?;
            held.check(shard)?;
            self.witness_commit(&shards, state, number);
            let state = shards.iter_mut().find(|state| state.shard.id == *shard).unwrap();
            state.may_commit(number, &checkpoint, held)?;
            state.committing = Some(checkpoint.clone());
            number
        };
        self.world.step().await;
        {
            let mut shards = self.lock();
            let state = shards.iter_mut().find(|state| state.shard.id == *shard).unwrap();
            held.check(shard)?;
            state.may_commit(number, &checkpoint, held)?;
            state.committing = None;
            state.commit(checkpoint);
            self.world.note(format!("committed {shard} {number}"));
        }
        self.lost_reply("commit")
    }

    /// Finishes a shard under the same condition.
    pub(crate) async fn finish_if(&self, shard: &ShardId, held: &Held<'_>) -> Result<(), Error> {
        self.world.step().await;
        self.unavailable("finish")?;
        {
            let mut shards = self.lock();
            find(&shards, shard)?;
            held.check(shard)?;
            let state = shards.iter_mut().find(|state| state.shard.id == *shard).unwrap();
            if state.open || state.delivered() < state.durable {
                return Err(Error::Fatal(format!("shard {shard} is finished before its end")));
            }
            state.shard.standing = Standing::Delivered;
            self.world.note(format!("finished {shard}"));
        }
        self.lost_reply("finish")
    }
}
