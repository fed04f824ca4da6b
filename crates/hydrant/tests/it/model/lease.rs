//! The model of processes that share a stream: each shard is held by one, under a lease that others may take over.
//!
//! A lease that its holder has not renewed for [`LEASE`], by reading, committing or listing, is free; a shard may also be
//! taken from a holder that is alive. Either raises its term. Whoever held it before finds out by [`Error::Lost`], and is
//! told `Elsewhere` once before it can have the shard again: what it still does under the old term has to end by then.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use hydrant::stream::{
    Appended, Checkpoint, Engine, Error, Mark, NewRecord, Position, Read, ReadLimits, Shard, ShardId, ShardStatus,
    Standing,
};
use tokio::time::Instant;

use super::World;
use super::stream::{Condition, Held, Stream};

pub(crate) const LEASE: Duration = Duration::from_secs(15);

/// Every lease of a stream.
pub(crate) struct Leases {
    world: Arc<World>,
    stream: Arc<Stream>,
    held: Mutex<BTreeMap<ShardId, Lease>>,
    /// Whether they are asked for at all; a bug where not.
    checked: bool,
}

#[derive(Clone, Debug)]
struct Lease {
    holder: u64,
    term: u64,
    renewed: Instant,
}

/// The stream as one process has it.
pub(crate) struct Process {
    leases: Arc<Leases>,
    number: u64,
    /// The terms under which its caller was told that it holds a shard.
    told: Mutex<BTreeMap<ShardId, u64>>,
}

impl Leases {
    pub(crate) fn new(world: Arc<World>, stream: Arc<Stream>, checked: bool) -> Arc<Leases> {
        Arc::new(Leases { world, stream, held: Mutex::default(), checked })
    }

    /// Another process; each has its own number.
    pub(crate) fn process(self: &Arc<Self>, number: u64) -> Process {
        Process { leases: Arc::clone(self), number, told: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ShardId, Lease>> {
        self.held.lock().unwrap()
    }

    /// Whose a shard is, after a process has asked for it.
    fn ask(&self, process: &Process, shard: &ShardId) -> Standing {
        let mut held = self.lock();
        let mut told = process.told.lock().unwrap();
        let now = Instant::now();
        if let Some(term) = told.get(shard).copied() {
            if let Some(lease) = held.get_mut(shard).filter(|lease| lease.is(process.number, term)) {
                lease.renewed = now;
                return Standing::Mine { term };
            }
            told.remove(shard);
            self.world.note(format!("process {} has lost {shard}", process.number));
            return Standing::Elsewhere;
        }
        let term = match held.get(shard) {
            None => 1,
            Some(lease) if now - lease.renewed > LEASE => lease.term + 1,
            Some(lease) if self.world.chance(self.world.faults().steal) => lease.term + 1,
            Some(_) => return Standing::Elsewhere,
        };
        self.world.note(format!("process {} takes {shard} in term {term}", process.number));
        held.insert(shard.clone(), Lease { holder: process.number, term, renewed: now });
        told.insert(shard.clone(), term);
        Standing::Mine { term }
    }
}

impl Lease {
    fn is(&self, holder: u64, term: u64) -> bool {
        self.holder == holder && self.term == term
    }
}

impl Process {
    /// Renews the lease under which this process works on a shard.
    fn hold(&self, shard: &ShardId) -> Result<(), Error> {
        let mut held = self.leases.lock();
        let term = self.told.lock().unwrap().get(shard).copied().unwrap_or(0);
        if let Some(lease) = held.get_mut(shard).filter(|lease| lease.is(self.number, term)) {
            lease.renewed = Instant::now();
            return Ok(());
        }
        if !self.leases.checked {
            return Ok(());
        }
        self.leases.world.note(format!("process {} is refused {shard}", self.number));
        Err(Error::Lost(format!("shard {shard} is held by another process")))
    }

    fn held(&self) -> Held<'_> {
        if self.leases.checked { Held::Lease(self) } else { Held::Unchecked }
    }
}

impl Condition for Process {
    fn check(&self, shard: &ShardId) -> Result<(), Error> {
        self.hold(shard)
    }
}

impl Engine for Process {
    fn shards(&self) -> BoxFuture<'_, Result<Vec<Shard>, Error>> {
        async {
            let mut shards = self.leases.stream.shards().await?;
            for shard in shards.iter_mut().filter(|shard| shard.standing != Standing::Delivered) {
                shard.standing = self.leases.ask(self, &shard.id);
            }
            Ok(shards)
        }
        .boxed()
    }

    fn append(&self, records: Vec<NewRecord>) -> BoxFuture<'_, Result<Vec<Result<Appended, Error>>, Error>> {
        self.leases.stream.append(records)
    }

    fn read<'a>(
        &'a self,
        shard: &'a ShardId,
        after: Option<&'a Position>,
        limits: ReadLimits,
    ) -> BoxFuture<'a, Result<Read, Error>> {
        async move {
            self.hold(shard)?;
            self.leases.stream.read(shard, after, limits).await
        }
        .boxed()
    }

    fn end<'a>(&'a self, shard: &'a ShardId) -> BoxFuture<'a, Result<Option<Position>, Error>> {
        self.leases.stream.end(shard)
    }

    fn checkpoint<'a>(&'a self, shard: &'a ShardId) -> BoxFuture<'a, Result<Option<Checkpoint>, Error>> {
        async move {
            self.hold(shard)?;
            self.leases.stream.checkpoint(shard).await
        }
        .boxed()
    }

    fn commit<'a>(&'a self, shard: &'a ShardId, checkpoint: Checkpoint) -> BoxFuture<'a, Result<(), Error>> {
        async move { self.leases.stream.commit_if(shard, checkpoint, &self.held()).await }.boxed()
    }

    fn finish<'a>(&'a self, shard: &'a ShardId) -> BoxFuture<'a, Result<(), Error>> {
        async move { self.leases.stream.finish_if(shard, &self.held()).await }.boxed()
    }

    fn marks(&self) -> BoxFuture<'_, Result<Vec<Mark>, Error>> {
        self.leases.stream.marks()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.leases.stream.close()
    }

    fn status(&self) -> BoxFuture<'_, Result<Vec<ShardStatus>, Error>> {
        self.leases.stream.status()
    }
}
