//! Checkpoints of several processes that share the shards of a stream: a DynamoDB table of leases, in the form of the
//! Kinesis Client Library ([`row`]), so that it may take over from us and we from it.
//!
//! A process holds a shard for a *lease duration* after it has last asked for it, by its own monotonic clock, and
//! renews it every third of one. Others take a lease whose counter stood still for a duration by theirs, so clocks are
//! never compared. A write to a row counts only while the row names its owner and term: one that woke up too late moves
//! nothing. Two may read one shard for a moment, when a living one is stolen from; only one commits.
//!
//! A caller hears [`Error::Lost`] once for every time that a lease was lost, also where it was taken again since.

mod gone;

mod keeper;

mod plan;

mod row;

mod store;

#[cfg(test)]
mod foreign_leases;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::snapshot::Snapshot;
use super::{Kept, Listed, Start, check_forward};
use crate::stream::{Checkpoint, Error, ShardId, Standing};
use keeper::{Keeper, Looked};
use store::Store;

/// What several processes agree on, and what tells them apart.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Its name. Made when it is not there.
    pub(crate) table: String,
    /// No other process has this name, also none of before.
    pub(crate) worker: String,
    /// Tells the stream from one of its name that was deleted: name, and when it was made.
    pub(crate) stream: String,
    pub(crate) lease: Duration,
    /// How long listings lack a shard that was delivered until its row is removed.
    pub(crate) gone_for: Duration,
}

/// What a lease lasts unless configured.
pub(crate) const LEASE_DEFAULT: Duration = Duration::from_secs(10);

/// Much longer than a listing is believed.
pub(crate) const GONE_FOR_DEFAULT: Duration = Duration::from_secs(3_600);

/// Leases on the shards of one stream. Given back by [`close`](Table::close), or when it is dropped, as far as the
/// runtime lives on.
#[derive(Debug)]
pub(crate) struct Table {
    shared: Arc<Shared>,
    looked: watch::Receiver<Looked>,
    stop: CancellationToken,
    tasks: tokio::sync::Mutex<JoinSet<()>>,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    lease: Duration,
    gone_for: Duration,
    /// Wakes the keeper to look at the table.
    look: Notify,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By the last call, with where to begin.
    listed: Vec<Listed>,
    listed_at: Option<Instant>,
    start: Option<Start>,
    /// Counts the calls that wait for a look.
    asked: u64,
    held: BTreeMap<ShardId, Held>,
    delivered: BTreeSet<ShardId>,
    /// Left to others until this process ends.
    given_up: BTreeSet<ShardId>,
    /// Lost since the caller last asked for them.
    untold: BTreeSet<ShardId>,
}

/// A lease of ours.
#[derive(Clone, Debug)]
struct Held {
    term: u64,
    until: Instant,
    /// As it was taken, and what was committed since; else why it cannot be read.
    kept: Result<Kept, String>,
}

impl Table {
    /// Makes the table if it is not there; needs no right to do so where it is.
    pub(crate) async fn open(client: Client, settings: Settings) -> Result<Table, Error> {
        let Settings { table, worker, stream, lease, gone_for } = settings;
        let store = Store { client, table, worker, stream };
        store.make_ready().await?;
        let shared = Arc::new(Shared { store, lease, gone_for, look: Notify::new(), state: Mutex::default() });
        let (looks, looked) = watch::channel(Looked::default());
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(Keeper::new(Arc::clone(&shared), looks).run(stop.clone()));
        Ok(Table { shared, looked, stop, tasks: tokio::sync::Mutex::new(tasks) })
    }

    /// What the table keeps, as somebody without a lease sees it.
    pub(crate) async fn snapshot(client: Client, settings: Settings, start: Start) -> Result<Snapshot, Error> {
        let Settings { table, worker, stream, .. } = settings;
        Store { client, table, worker, stream }.snapshot(start).await
    }

    /// Gives all leases back, so that others take them at once, and holds no more.
    pub(crate) async fn close(&self) {
        self.stop.cancel();
        let mut tasks = self.tasks.lock().await;
        while tasks.join_next().await.is_some() {}
    }

    /// The keeper gives the lease back.
    pub(super) fn give_up(&self, shard: &ShardId) {
        self.shared.state().given_up.insert(shard.clone());
        self.shared.look.notify_one();
    }

    /// Every shard begins where the first ones did, as the table tells: what comes after its parents arrived later.
    pub(super) async fn sync(&self, listed: &[Listed], start: Start) -> Result<Vec<Standing>, Error> {
        let asked = {
            let mut state = self.shared.state();
            state.listed = listed.to_vec();
            state.listed_at = Some(Instant::now());
            state.start = Some(start);
            state.asked += 1;
            state.asked
        };
        self.shared.look.notify_one();
        let mut looked = self.looked.clone();
        let closed = |_| Error::Retry(format!("the table {} is closed", self.shared.store.table));
        looked.wait_for(|looked| looked.asked >= asked).await.map_err(closed)?.outcome.result()?;
        let (state, now) = (self.shared.state(), Instant::now());
        let standing = |shard: &Listed| match state.held.get(&shard.id) {
            Some(held) if now < held.until => Standing::Mine { term: held.term },
            Some(_) | None if state.delivered.contains(&shard.id) => Standing::Delivered,
            Some(_) | None => Standing::Elsewhere,
        };
        Ok(listed.iter().map(standing).collect())
    }

    pub(super) async fn load(&self, shard: &ShardId) -> Result<Kept, Error> {
        let is_delivered = self.shared.state().delivered.contains(shard);
        if !is_delivered {
            return self.shared.held(shard)?.kept.map_err(Error::Fatal);
        }
        let start = self.shared.state().start.unwrap_or(Start::Oldest);
        match self.shared.store.get(shard).await? {
            Some(item) => row::kept(&item, &self.shared.store.stream, start),
            // Passed, or its row was just removed.
            None => Ok(Kept { start, checkpoint: None }),
        }
    }

    pub(super) async fn commit(&self, shard: &ShardId, checkpoint: Checkpoint) -> Result<(), Error> {
        let Held { term, kept, .. } = self.shared.held(shard)?;
        let kept = kept.map_err(Error::Fatal)?;
        check_forward(shard, kept.checkpoint.as_ref(), &checkpoint)?;
        let kept = Kept { checkpoint: Some(checkpoint), ..kept };
        if !self.shared.store.commit(shard, term, &kept).await? {
            return Err(self.shared.lost(shard, term));
        }
        if let Some(held) = self.shared.state().held.get_mut(shard).filter(|held| held.term == term) {
            held.kept = Ok(kept);
        }
        Ok(())
    }

    pub(super) async fn finish(&self, shard: &ShardId) -> Result<(), Error> {
        let Held { term, .. } = self.shared.held(shard)?;
        let is_child = |other: &&Listed| other.parents.contains(shard);
        let children: Vec<ShardId> =
            self.shared.state().listed.iter().filter(is_child).map(|other| other.id.clone()).collect();
        if !self.shared.store.finish(shard, term, &children).await? {
            return Err(self.shared.lost(shard, term));
        }
        let mut state = self.shared.state();
        state.held.remove(shard);
        state.delivered.insert(shard.clone());
        Ok(())
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.stop.cancel();
        self.tasks.get_mut().detach_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Plain data, so a panic elsewhere leaves it in order.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lease, if it is ours and the caller knows of every time that it was not.
    fn held(&self, shard: &ShardId) -> Result<Held, Error> {
        let mut state = self.state();
        if state.untold.remove(shard) {
            return Err(Error::Lost(format!("the lease on {shard} was lost")));
        }
        match state.held.get(shard) {
            Some(held) if Instant::now() < held.until => Ok(held.clone()),
            Some(_) => {
                state.held.remove(shard);
                Err(Error::Lost(format!("the lease on {shard} was not renewed in time")))
            }
            None => Err(Error::Lost(format!("the lease on {shard} is not ours"))),
        }
    }

    /// The table has told it. The caller hears it by this.
    fn lost(&self, shard: &ShardId, term: u64) -> Error {
        let mut state = self.state();
        if state.held.get(shard).is_some_and(|held| held.term == term) {
            state.held.remove(shard);
        }
        state.untold.remove(shard);
        Error::Lost(format!("another process has taken the lease on {shard}"))
    }

    /// The caller hears it when it next asks.
    fn lose(&self, shard: &ShardId, term: u64) {
        let mut state = self.state();
        if state.held.get(shard).is_some_and(|held| held.term == term) {
            state.held.remove(shard);
            state.untold.insert(shard.clone());
        }
    }
}
