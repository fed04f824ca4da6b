//! Stage 3, delivery: read, transform, write, put what was rejected into failed/, commit.
//!
//! ```text
//! gather: read ► transform ► address      deliver: write ► failed/ ► count ► commit
//!         └──────── batch N+1 ────────┘            └─────────── batch N ─────────┘
//! ```
//!
//! One pull loop per shard. While a batch is delivered the next one is gathered, by waiting for both and without a
//! channel; so at most two batches of a shard are in memory, and their order is kept. The order within a batch is what
//! makes a crash harmless: every touched index is durable, then failed/, then the checkpoint. A crash in between
//! delivers the batch again, and its ids, which are pure functions of the log events, meet what is there already.
//!
//! Outages are waited for, without end, at a bounded back-off ([`retry`]). What can never succeed ends its shard's loop
//! with an error that names the place; other shards go on, and nothing is acknowledged past it. A document that the
//! index cannot take now holds up the batches behind it in its shard, never the documents beside it.
//!
//! Not here: what an entry is (`hydrant_transform`), and how anything is stored but the objects of failed/.

pub mod again;

pub mod backup;

mod batch;

mod checkpoint;

mod cores;

pub mod failed;

mod gathering;

mod joining;

mod known;

pub mod naming;

pub mod replay;

mod retry;

mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use hydrant_transform::record::Options;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::index;
use crate::metrics::{Health, Metrics};
use crate::stream::{self, Checkpoint, Position, Shard, ShardId, Standing};
pub use batch::Limits;
use batch::{Batch, Gathered, Place};
use checkpoint::State;
pub use cores::Cores;
use joining::{Done, Joining};
use known::Known;
use naming::Rules;
use retry::{GivenUp, Trouble};

/// Everything that delivery works on.
pub struct Delivery {
    pub stream: Arc<dyn stream::Engine>,
    pub index: Arc<dyn index::Engine>,
    pub failed: failed::Store,
    /// Where documents are copied to, if they are.
    pub backup: Option<backup::Backup>,
    /// What names indices.
    pub naming: naming::History,
    pub settings: Settings,
    pub metrics: Metrics,
    /// Is told which shards have ended.
    pub health: watch::Sender<Health>,
    pub clock: Clock,
}

/// Plain data.
#[derive(Clone, Debug)]
pub struct Settings {
    pub transform: Options,
    pub limits: Limits,
    pub cores: Cores,
    /// Spreads the retries of several processes; the same seed waits alike.
    pub jitter_seed: u64,
}

/// When a loop ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Never: it waits for more records.
    Follow,
    /// At the present end of its shard.
    Drain,
}

/// Why a loop ended without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was told to stop. The batch in flight is committed.
    Stopped,
    /// It came to the present end of its shard, in [`Mode::Drain`].
    Drained,
    /// The shard is closed and delivered whole: its children may begin.
    Closed,
}

/// Delivery cannot go on: somebody has to look. What was not delivered stays in the stream.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the stream cannot list its shards: {0}")]
    Shards(String),
    #[error("delivery of shard {shard} has ended: {problem}")]
    Shard { shard: ShardId, problem: String },
    /// Another process goes on with it.
    #[error("shard {shard} is delivered elsewhere now: {problem}")]
    Lost { shard: ShardId, problem: String },
}

/// How often the shards are listed: a stream may be resharded, and processes that share one take over from each other.
const LISTED_EVERY: Duration = Duration::from_secs(5);

impl Delivery {
    /// Delivers every shard that this process holds, each after its parents, until `stop` or, in [`Mode::Drain`], until
    /// all are read to their ends. A shard that cannot go on is logged and ends alone; the first such error is returned
    /// when all have ended. May be dropped at any `.await`; the caller bounds how long it waits after `stop`.
    pub async fn run(&self, stop: &CancellationToken, mode: Mode) -> Result<(), Error> {
        let mut running = FuturesUnordered::new();
        // The configured naming holds from here on, also where a stop comes at once.
        running.push(self.list().boxed());
        let mut known = Known::default();
        let mut first_error = None;
        while let Some(step) = running.next().await {
            match step {
                Step::Listed(shards, failed) => {
                    failed.into_iter().for_each(|error| self.end_with(error, &mut known, &mut first_error));
                    known.take_away(&shards);
                    for (id, term) in known.startable(&shards) {
                        if !stop.is_cancelled() {
                            let taken_away = known.begin(id.clone(), term);
                            running.push(self.shard_to_end(id, term, taken_away, stop, mode).boxed());
                        }
                    }
                    let goes_on = mode == Mode::Follow && !stop.is_cancelled() && known.may_start(&shards);
                    if goes_on && known.waits() {
                        running.push(until(stop, wait()).boxed());
                    }
                    if known.listed() {
                        running.push(until(stop, self.list()).boxed());
                    }
                }
                Step::Due => {
                    known.waited();
                    if known.lists() {
                        running.push(until(stop, self.list()).boxed());
                    }
                }
                Step::Stopped => {}
                Step::Ended(shard, End::Closed) => {
                    known.end(shard, known::Ended::Delivered);
                    if known.lists() {
                        running.push(until(stop, self.list()).boxed()); // its children may begin
                    }
                }
                Step::Ended(shard, End::Stopped | End::Drained) => known.end(shard, known::Ended::Here),
                Step::Failed(Error::Lost { shard, problem }) => {
                    tracing::warn!(shard = shard.0, problem, "another process delivers this shard now");
                    self.naming.set_settled(&shard, false);
                    known.lose(&shard);
                }
                Step::Failed(error) => self.end_with(error, &mut known, &mut first_error),
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    /// Something has ended that cannot go on: log and health are told.
    fn end_with(&self, error: Error, known: &mut Known, first_error: &mut Option<Error>) {
        tracing::error!(%error);
        let part = match &error {
            Error::Shard { shard, .. } | Error::Lost { shard, .. } => format!("delivery of shard {shard}"),
            Error::Shards(_) => "delivery".to_owned(),
        };
        if let Error::Shard { shard, .. } = &error {
            known.end(shard.clone(), known::Ended::Here);
            self.stream.give_up(shard);
        }
        self.health.send_modify(|health| {
            health.problems.insert(part, error.to_string());
        });
        first_error.get_or_insert(error);
    }

    /// `taken_away`: the list says that the shard is not this process's any more, or is so again since. Whoever works on
    /// it under the old term must not go on, since the engine cannot tell it from whoever works on it under the new one.
    async fn shard_to_end(
        &self,
        shard: ShardId,
        term: u64,
        taken_away: CancellationToken,
        stop: &CancellationToken,
        mode: Mode,
    ) -> Step {
        tokio::select! {
            biased;
            () = taken_away.cancelled() => {
                let problem = "the list of the shards says so".to_owned();
                Step::Failed(Error::Lost { shard, problem })
            }
            ended = self.shard(&shard, term, stop, mode) => match ended {
                Ok(end) => Step::Ended(shard, end),
                Err(error) => Step::Failed(error),
            },
        }
    }

    /// Lists the shards and records the configured naming for all of ours: what a shard holds while it waits for its
    /// parents keeps the rule it was appended under. One list at a time, so that none tells what was true before another.
    async fn list(&self) -> Step {
        let outage = self.outage(None, "list the shards");
        let listed = retry::patiently(outage, &self.metrics, || self.stream.shards()).await;
        let shards = match listed {
            Ok(shards) => shards,
            Err(GivenUp::Fatal(problem) | GivenUp::Lost(problem)) => return Step::Failed(Error::Shards(problem)),
        };
        let mut failed = Vec::new();
        for shard in shards.iter().filter(|shard| matches!(shard.standing, Standing::Mine { .. })) {
            if self.naming.is_settled(&shard.id) {
                continue;
            }
            match self.settled(&shard.id).await {
                Ok(_) | Err(Error::Lost { .. }) => {}
                Err(error) => failed.push(error),
            }
        }
        Step::Listed(shards, failed)
    }

    /// Delivers one shard. May be dropped at any `.await`: what is not committed is delivered again.
    pub async fn shard(&self, shard: &ShardId, term: u64, stop: &CancellationToken, mode: Mode) -> Result<End, Error> {
        let (mut place, mut joining) = self.resume(shard, term).await?;
        let mut gathered = self.gather(shard, &place, &mut joining, stop, mode).await?;
        loop {
            let (batch, done) = match gathered {
                Gathered::End(End::Closed) => {
                    self.patiently(shard, "finish the shard", || self.stream.finish(shard)).await?;
                    return Ok(End::Closed);
                }
                Gathered::End(end @ (End::Stopped | End::Drained)) => return Ok(end),
                Gathered::Batch(batch, done) => (batch, done),
            };
            place = batch.end.clone();
            // A failure to gather must not disturb the batch that is on its way; one to deliver ends the shard at once.
            let next = self.gather(shard, &place, &mut joining, stop, mode);
            let (delivering, gathering) = (pin!(self.deliver(shard, *batch, done)), pin!(next));
            gathered = match select(delivering, gathering).await {
                Either::Left((delivered, gathering)) => {
                    delivered?;
                    gathering.await?
                }
                Either::Right((gathered, delivering)) => {
                    match &gathered {
                        Ok(_) => {}
                        Err(error @ Error::Lost { .. }) => tracing::info!(%error, "a batch of it is still on its way"),
                        Err(error) => tracing::error!(%error, "a batch of it is still on its way"),
                    }
                    delivering.await?;
                    gathered?
                }
            };
        }
    }

    /// One batch, start to end. Dropping this future at any `.await` loses nothing: the commit is last.
    async fn deliver(&self, shard: &ShardId, batch: Batch, done: Done) -> Result<(), Error> {
        let Batch { records, documents, lost, earlier, begin, end, tally } = batch;
        let n_documents = documents.len();
        let n_indices = tracing::enabled!(tracing::Level::DEBUG).then(|| count_indices(&documents));
        let copy = self.copy(shard, &begin, &documents).await?;
        // Every touched index is durable, and the backup.
        let (written, ()) = tokio::try_join!(self.write(shard, documents), self.put_copy(shard, copy))?;
        let failed = self.put_failed(shard, begin, earlier, records, lost, written.rejected).await?; // then failed/
        self.metrics.count(&tally, written.indexed, failed.added, written.duplicates + failed.repeated);
        self.commit(shard, &end.rules, done).await?; // only now is the batch done
        tracing::debug!(%shard, documents = n_documents, indices = n_indices, duplicates = written.duplicates, "batch committed");
        if let Some(newest_ms) = tally.newest_ms {
            let age_ms = self.clock.now_ms().saturating_sub(newest_ms);
            self.metrics
                .set_lag("deliver", std::time::Duration::from_millis(age_ms.max(0).unsigned_abs()).as_secs_f64());
        }
        Ok(())
    }

    async fn commit(&self, shard: &ShardId, rules: &Rules, done: Done) -> Result<(), Error> {
        let Done { position, naming_rule, kept } = done;
        let checkpoint = Checkpoint { position, state: checkpoint::to_bytes(rules, naming_rule, kept.as_ref()) };
        self.patiently(shard, "commit to the stream", || self.stream.commit(shard, checkpoint.clone())).await
    }

    /// Where a shard's delivery goes on.
    async fn resume(&self, shard: &ShardId, term: u64) -> Result<(Place, Joining), Error> {
        let (position, State { rules, joining }) = self.settled(shard).await?;
        let naming_rule = rules.after(0, position.as_ref());
        let rules = Arc::new(rules);
        let mut place =
            Place { position: position.clone(), naming_rule, rules, term, fresh: true, finished: Vec::new() };
        let waits = joining.is_some();
        let kept = joining.unwrap_or_default();
        let options = &self.settings.transform;
        let (mut joining, again) = Joining::resume(options, position, naming_rule, kept, &mut place.finished);
        if waits {
            self.rejoin(shard, &mut place, &mut joining, again).await?;
        }
        Ok((place, joining))
    }

    /// Where a shard stands, with the configured naming as its newest rule: from its present end on, if it is new there.
    async fn settled(&self, shard: &ShardId) -> Result<(Option<Position>, State), Error> {
        let checkpoint = self.patiently(shard, "read the checkpoint", || self.stream.checkpoint(shard)).await?;
        let configured = self.naming.configured();
        let (position, found) = match checkpoint {
            None => (None, self.naming.older(shard).map(|rules| State { rules, joining: None })),
            // Another program has delivered the shard so far, and knew no state of ours.
            Some(Checkpoint { position, state }) if state.is_empty() => (position, None),
            Some(Checkpoint { position, state }) => {
                let state = State::from_bytes(&state, || self.naming.older(shard));
                let fatal = |problem: String| Error::Shard { shard: shard.clone(), problem };
                (position, Some(state.map_err(|error| fatal(error.to_string()))?))
            }
        };
        let is_new = found.is_none();
        // The first rule holds from the beginning: nothing was delivered by another one.
        let mut state = found.unwrap_or_else(|| State { rules: Rules::of(Arc::clone(configured)), joining: None });
        let differs = state.rules.newest() != configured;
        if differs {
            let end = self.patiently(shard, "read the end of the stream", || self.stream.end(shard)).await?;
            // Where nothing is kept, what was there once is delivered up to the checkpoint.
            state.rules.push(end.or_else(|| position.clone()), Arc::clone(configured));
        }
        if is_new || differs {
            let done = Done { position: position.clone(), naming_rule: 0, kept: state.joining.clone() };
            self.commit(shard, &state.rules, done).await?;
        }
        self.naming.set_settled(shard, true);
        Ok((position, state))
    }

    /// Calls until it succeeds, or can never.
    async fn patiently<T, E: Into<Trouble>, F: Future<Output = Result<T, E>>>(
        &self,
        shard: &ShardId,
        what: &'static str,
        call: impl FnMut() -> F,
    ) -> Result<T, Error> {
        let outage = self.outage(Some(shard), what);
        let done = retry::patiently(outage, &self.metrics, call).await;
        let shard = || shard.clone();
        done.map_err(|given_up| match given_up {
            GivenUp::Fatal(problem) => Error::Shard { shard: shard(), problem: format!("cannot {what}: {problem}") },
            GivenUp::Lost(problem) => Error::Lost { shard: shard(), problem },
        })
    }

    fn outage(&self, shard: Option<&ShardId>, what: &'static str) -> retry::Outage {
        retry::Outage::new(self.settings.jitter_seed, shard, what, self.health.clone())
    }
}

/// How many indices a batch goes to.
fn count_indices(documents: &[batch::Offered]) -> usize {
    documents.iter().map(|offered| offered.addressed.index_name.as_str()).collect::<BTreeSet<_>>().len()
}

/// What [`Delivery::run`] waits for.
enum Step {
    /// And what cannot be delivered.
    Listed(Vec<Shard>, Vec<Error>),
    /// The shards are to be listed again.
    Due,
    Ended(ShardId, End),
    Failed(Error),
    /// Nothing is listed any more.
    Stopped,
}

async fn wait() -> Step {
    tokio::time::sleep(LISTED_EVERY).await;
    Step::Due
}

/// Drops a step that is waited for no more.
async fn until(stop: &CancellationToken, step: impl Future<Output = Step>) -> Step {
    tokio::select! {
        biased;
        () = stop.cancelled() => Step::Stopped,
        step = step => step,
    }
}

impl Metrics {
    /// Adds what became of one batch. A repeat is not an entry again, so that
    /// entries = documents + failed + dropped.
    fn count(&self, tally: &batch::Tally, indexed: u64, failed: u64, duplicates: u64) {
        self.documents_indexed.inc_by(indexed);
        self.failed.inc_by(failed);
        self.duplicates.inc_by(duplicates);
        let mut dropped = 0;
        for (reason, count) in &tally.dropped {
            self.dropped_for(reason).inc_by(*count);
            dropped += count;
        }
        self.entries_delivered.inc_by(indexed + failed + dropped);
    }
}
