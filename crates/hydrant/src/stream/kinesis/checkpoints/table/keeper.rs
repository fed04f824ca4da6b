//! The task that keeps leases: it renews those that are ours, looks at the table every [`third`] of a duration and
//! whenever it is asked to, and takes what [`plan`](super::plan) says. At most [`REQUESTS_MAX`] requests at a time.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::gone::Gone;
use super::plan::{Holder, Watch, to_take};
use super::row::{self, Row};
use super::{Held, Shared, State};
use crate::stream::kinesis::checkpoints::passed::passed;
use crate::stream::kinesis::checkpoints::{Listed, Start};
use crate::stream::{Error, ShardId};

const REQUESTS_MAX: usize = 16;

/// Rows that one look removes: the rest of them has time.
const FORGOTTEN_MAX: usize = 64;

/// How long leases are given back, at the end.
const RELEASE_TIME_MAX: Duration = Duration::from_secs(5);

/// What came of the last look.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// Calls up to this one are answered.
    pub(super) asked: u64,
    pub(super) outcome: Outcome,
}

/// As a result, for any number of callers.
#[derive(Clone, Debug, Default)]
pub(super) enum Outcome {
    #[default]
    Done,
    Retry(String),
    Fatal(String),
}

pub(super) struct Keeper {
    shared: Arc<Shared>,
    watch: Watch,
    gone: Gone,
    looks: watch::Sender<Looked>,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>, looks: watch::Sender<Looked>) -> Keeper {
        Keeper { shared, watch: Watch::default(), gone: Gone::default(), looks }
    }

    /// Until `stop`; then leases are given back.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let shared = Arc::clone(&self.shared);
        let kept = Box::pin(async { tokio::join!(renew(&shared), self.look()) });
        if stop.run_until_cancelled(kept).await.is_none() {
            // Nobody delivers any more, so nothing need be told.
            let held = std::mem::take(&mut shared.state().held);
            let release = release(&shared, held.into_iter().map(|(shard, held)| (shard, held.term)));
            if tokio::time::timeout(RELEASE_TIME_MAX, release).await.is_err() {
                tracing::warn!("not all leases could be given back: others wait until they expire");
            }
        }
    }

    async fn look(&mut self) {
        let shared = Arc::clone(&self.shared);
        loop {
            let asked = shared.state().asked;
            let outcome = self.look_once().await.into();
            self.looks.send_replace(Looked { asked, outcome });
            let next = tokio::time::timeout(third(shared.lease), shared.look.notified()).await;
            tracing::trace!(asked_for = next.is_ok(), "looking at the leases");
        }
    }

    /// Makes missing rows and takes leases.
    async fn look_once(&mut self) -> Result<(), Error> {
        let (listed, start) = {
            let state = self.shared.state();
            (state.listed.clone(), state.start)
        };
        self.give_back().await;
        // Before the first call nothing is known of the stream.
        let Some(start) = start else { return Ok(()) };
        let (mut rows, unlisted) = self.rows(&listed).await?;
        let kept = rows.iter().map(|row| (&row.shard, row.begun)).collect();
        let passed = passed(&listed, &kept);
        let is_missing = |shard: &&Listed| !kept.contains_key(&shard.id) && !passed.contains(&shard.id);
        let missing: Vec<Listed> = listed.iter().filter(is_missing).cloned().collect();
        if !missing.is_empty() {
            self.insert(missing, rows.is_empty(), start).await?;
            (rows, _) = self.rows(&listed).await?;
        }
        let now = Instant::now();
        self.watch.observe(&rows, now);
        self.drop_lapsed(now);
        let (delivered, mut open): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.delivered);
        {
            // Never less: what was just finished may not have been read.
            let mut state = self.shared.state();
            state.delivered.extend(delivered.into_iter().map(|row| row.shard).chain(passed));
            state.delivered.retain(|shard| listed.iter().any(|other| other.id == *shard));
            open.retain(|row| !state.given_up.contains(&row.shard));
        }
        let holders: Vec<Holder> = {
            let state = self.shared.state();
            let holder =
                |row: &Row| self.watch.holder(row, state.held.contains_key(&row.shard), self.shared.lease, now);
            open.iter().map(holder).collect()
        };
        let spread =
            self.shared.store.worker.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31) + usize::from(byte));
        let wanted = to_take(&holders, spread).into_iter().filter_map(|place| open.get(place).cloned());
        let wanted: Vec<Row> = wanted.collect();
        let takes = wanted.into_iter().map(|row| take(&self.shared, row, start));
        let taken: Vec<Result<(), Error>> = stream::iter(takes).buffer_unordered(REQUESTS_MAX).collect().await;
        // Leases first: a row too many harms nobody.
        self.forget(&unlisted).await;
        taken.into_iter().collect()
    }

    /// What cannot be delivered here goes to whoever can.
    async fn give_back(&self) {
        let given_up: Vec<(ShardId, u64)> = {
            let mut state = self.shared.state();
            let State { held, given_up, .. } = &mut *state;
            given_up.iter().filter_map(|shard| Some((shard.clone(), held.remove(shard)?.term))).collect()
        };
        release(&self.shared, given_up.into_iter()).await;
    }

    /// Of the listed shards, and the others: of shards that are gone, or no leases.
    async fn rows(&self, listed: &[Listed]) -> Result<(Vec<Row>, Vec<Row>), Error> {
        let mut rows = self.shared.store.rows().await?;
        rows.sort_by(|one, other| one.shard.cmp(&other.shard));
        Ok(rows.into_iter().partition(|row| listed.iter().any(|shard| shard.id == row.shard)))
    }

    /// Nothing waits for it: a row that stays is looked at again.
    async fn forget(&mut self, unlisted: &[Row]) {
        let Some(listed_at) = self.shared.state().listed_at else { return };
        let gone = self.gone.observe(unlisted, listed_at, self.shared.gone_for);
        let store = &self.shared.store;
        let forget = |shard: ShardId| async move {
            match store.forget(&shard).await {
                Ok(()) => {
                    tracing::info!(shard = shard.0, "its records have expired: its row is removed from the table")
                }
                Err(problem) => tracing::debug!(shard = shard.0, %problem, "the row of a shard that is gone stays"),
            }
        };
        stream::iter(gone.into_iter().take(FORGOTTEN_MAX)).for_each_concurrent(REQUESTS_MAX, forget).await;
    }

    async fn insert(&self, missing: Vec<Listed>, is_first: bool, configured: Start) -> Result<(), Error> {
        let begun = self.shared.store.start().await?;
        // Where a client library has begun, whatever is new follows what it knows.
        let start = begun.unwrap_or(if is_first { configured } else { Start::Oldest });
        let store = &self.shared.store;
        let inserts = missing.into_iter().map(|shard| async move { store.insert(&shard, start).await });
        let inserted: Vec<Result<(), Error>> = stream::iter(inserts).buffered(REQUESTS_MAX).collect().await;
        inserted.into_iter().collect()
    }

    fn drop_lapsed(&self, now: Instant) {
        let held = self.shared.state().held.clone();
        for (shard, Held { term, .. }) in held.into_iter().filter(|(_, held)| held.until <= now) {
            tracing::warn!(shard = shard.0, "the lease was not renewed in time");
            self.shared.lose(&shard, term);
        }
    }
}

impl From<Result<(), Error>> for Outcome {
    fn from(done: Result<(), Error>) -> Outcome {
        match done {
            Ok(()) => Outcome::Done,
            Err(Error::Fatal(problem)) => Outcome::Fatal(problem),
            Err(Error::Retry(problem) | Error::Lost(problem)) => Outcome::Retry(problem),
        }
    }
}

impl Outcome {
    pub(super) fn result(&self) -> Result<(), Error> {
        match self {
            Outcome::Done => Ok(()),
            Outcome::Retry(problem) => Err(Error::Retry(problem.clone())),
            Outcome::Fatal(problem) => Err(Error::Fatal(problem.clone())),
        }
    }
}

/// Counts on in the rows that are ours, for ever.
async fn renew(shared: &Shared) {
    loop {
        tokio::time::sleep(third(shared.lease)).await;
        let held: Vec<(ShardId, u64)> =
            shared.state().held.iter().map(|(shard, held)| (shard.clone(), held.term)).collect();
        stream::iter(held)
            .for_each_concurrent(REQUESTS_MAX, |(shard, term)| async move {
                // From here on others see the counter stand still.
                let asked = Instant::now();
                match shared.store.renew(&shard, term).await {
                    Ok(true) => {
                        let mut state = shared.state();
                        if let Some(held) = state.held.get_mut(&shard).filter(|held| held.term == term) {
                            held.until = asked + shared.lease;
                        }
                    }
                    Ok(false) => shared.lose(&shard, term),
                    Err(problem) => tracing::debug!(shard = shard.0, %problem, "the lease is not renewed"),
                }
            })
            .await;
    }
}

/// Gives leases back, which are not renewed any more.
async fn release(shared: &Shared, leases: impl Iterator<Item = (ShardId, u64)>) {
    stream::iter(leases)
        .for_each_concurrent(REQUESTS_MAX, |(shard, term)| async move {
            if let Err(problem) = shared.store.release(&shard, term).await {
                tracing::warn!(shard = shard.0, %problem, "others wait until the lease expires");
            }
        })
        .await;
}

async fn take(shared: &Shared, row: Row, configured: Start) -> Result<(), Error> {
    let asked = Instant::now();
    let Some(item) = shared.store.take(&row).await? else { return Ok(()) };
    let term = row::number(&item, "hydrantTerm").unwrap_or(0);
    let kept = row::kept(&item, &shared.store.stream, configured).map_err(|error| error.to_string());
    tracing::info!(
        shard = row.shard.0,
        term,
        from = row.owner.as_deref().unwrap_or("nobody"),
        "this process has taken the shard"
    );
    shared.state().held.insert(row.shard, Held { term, until: asked + shared.lease, kept });
    Ok(())
}

/// How often a lease is renewed.
fn third(lease: Duration) -> Duration {
    lease / 3
}
