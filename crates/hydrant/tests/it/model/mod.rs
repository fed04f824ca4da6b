//! In-memory engines behind both seams: what the contracts of `stream::Engine` and `index::Engine` say, in the fewest
//! lines. The conformance suites tie them to the real engines; the simulation runs the delivery loop over them.
//!
//! A [`World`] gives them seeded faults, virtual waiting times and a log of what happened. A calm world has none.
//! [`cluster`] is no engine but a server: it answers the requests of the real writer for OpenSearch.
//! Not modelled: bytes on disk (the engines' own crash tests do that), most of the search language.

pub(crate) mod cluster;

pub(crate) mod failed;

pub(crate) mod index;

pub(crate) mod lease;

pub(crate) mod stream;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// Chances of each fault, per mille of the calls or items that it can strike. 0 switches a kind off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// A call fails before it does anything.
    pub(crate) unavailable: u64,
    /// A call does all it should and answers with an error.
    pub(crate) lost_reply: u64,
    /// One item of a call is not taken now.
    pub(crate) item_retry: u64,
    /// A call takes up to two seconds.
    pub(crate) slow: u64,
    /// A call takes a few milliseconds, so that others run in between.
    pub(crate) step: u64,
    /// The cluster takes no item of a kind until somebody acts, or answers so.
    pub(crate) item_pause: u64,
    /// The cluster's bound of a request moves.
    pub(crate) limit: u64,
    /// The cluster refuses its caller for a while, or takes nothing.
    pub(crate) auth: u64,
    /// A body reaches the cluster cut, or its answer comes back cut.
    pub(crate) cut: u64,
    /// A request has no answer in time; the cluster may carry it out later.
    pub(crate) late: u64,
    /// The cluster is killed and starts again.
    pub(crate) restart: u64,
    /// A process is not run for a while, per poll.
    pub(crate) stall: u64,
    /// A shard is taken from a process that is alive, so that all have as many.
    pub(crate) steal: u64,
}

/// Chance, time and log of one simulated machine. Shared by its engines; the same seed gives the same log.
#[derive(Debug)]
pub(crate) struct World {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    random: Random,
    faults: Faults,
    log: Vec<String>,
}

impl World {
    pub(crate) fn new(seed: u64, faults: Faults) -> Arc<World> {
        Arc::new(World { inner: Mutex::new(Inner { random: Random::new(seed), faults, log: Vec::new() }) })
    }

    /// No faults and no waiting: for conformance suites.
    pub(crate) fn calm() -> Arc<World> {
        World::new(0, Faults::default())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// From now on these can strike.
    pub(crate) fn set_faults(&self, faults: Faults) -> Faults {
        self.lock().faults = faults;
        faults
    }

    /// Ends all faults, so that what is left can be delivered.
    pub(crate) fn heal(&self) {
        self.lock().faults = Faults::default();
    }

    /// True at `per_mille` of the calls. Takes nothing from the chance where it is 0.
    pub(crate) fn chance(&self, per_mille: u64) -> bool {
        per_mille > 0 && self.lock().random.below(1000) < per_mille
    }

    /// A number from 0 up to, not including, `end`.
    pub(crate) fn below(&self, end: u64) -> u64 {
        self.lock().random.below(end)
    }

    pub(crate) fn note(&self, line: impl Into<String>) {
        self.lock().log.push(line.into());
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.lock().log.clone()
    }

    /// Whether a process stalls now.
    pub(crate) fn stalls(&self) -> bool {
        self.chance(self.faults().stall)
    }

    fn faults(&self) -> Faults {
        self.lock().faults
    }

    /// A place where time passes, others run, and the caller may be dropped.
    async fn step(&self) {
        let faults = self.faults();
        if self.chance(faults.slow) {
            tokio::time::sleep(Duration::from_millis(self.below(2000))).await;
        } else if self.chance(faults.step) {
            tokio::time::sleep(Duration::from_millis(self.below(4))).await;
        }
    }
}

/// `SplitMix64`: small, fast, and the same on every machine.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, not including, `end`; 0 where there is none.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.next() % end }
    }
}
