//! Writing the documents of a batch until each has its final outcome.
//!
//! Documents that the index does not take now are offered again, they alone, without end at a bounded back-off. A call
//! without an answer is offered again whole: ids make that harmless.

use hydrant_transform::document::{Outcome, Reason};

use prometheus_client::metrics::gauge::Gauge;

use super::batch::{CameFrom, Offered};
use super::retry::Trouble;
use super::{Delivery, Error};
use crate::index::Addressed;
use crate::stream::ShardId;

/// What became of the documents of a batch.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) indexed: u64,
    pub(super) duplicates: u64,
    pub(super) rejected: Vec<Rejected>,
}

/// A document that the index will never take.
#[derive(Debug)]
pub(super) struct Rejected {
    pub(super) offered: Offered,
    pub(super) reason: Reason,
    pub(super) attempts: u32,
}

/// Codes of a document that was turned away before it was begun: a full queue, no memory.
const NOT_BEGUN: [&str; 2] = ["rejected_execution_exception", "circuit_breaking_exception"];

/// Whether a document that is to be offered again may be there all the same. A repeat that is found afterwards is then
/// most likely our own, and counts as the document that it is.
pub(super) fn may_be_there(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Retry(reason) => !NOT_BEGUN.contains(&reason.code.as_ref()),
        // It was refused before anything of it was done.
        Outcome::Paused(_) | Outcome::Indexed | Outcome::Duplicate | Outcome::Rejected(_) => false,
    }
}

/// Where a pending document came from.
struct Origin {
    from: CameFrom,
    /// An attempt without an answer may have been carried out.
    may_be_there: bool,
}

impl Delivery {
    /// Makes the index ready before the first document comes, so that what is wrong shows without one. Ends when it is.
    pub async fn prepare(&self) {
        let mut outage = self.outage(None, "prepare the index");
        loop {
            let problem = match self.index.prepare().await {
                Ok(None) => break,
                Ok(Some(reason)) => format!("{}: {}", reason.code, reason.message),
                Err(error) => error.to_string(),
            };
            outage.wait(&problem).await;
        }
        outage.over();
    }

    /// When this returns, each document is durable in its index or among the rejected.
    pub(super) async fn write(&self, shard: &ShardId, documents: Vec<Offered>) -> Result<Written, Error> {
        let mut outage = self.outage(Some(shard), "write to the index");
        let mut written = Written::default();
        let (mut pending, mut origins): (Vec<Addressed>, Vec<Origin>) = documents
            .into_iter()
            .map(|Offered { addressed, from }| (addressed, Origin { from, may_be_there: false }))
            .unzip();
        let mut attempts = 0;
        let mut paused = Paused { shards: &self.metrics.paused, is_set: false };
        while !pending.is_empty() {
            attempts += 1;
            let outcomes = match self.index.write(&pending).await.map_err(Trouble::from) {
                Ok(outcomes) => outcomes,
                Err(Trouble::Fatal(problem) | Trouble::Lost(problem)) => {
                    let problem = format!("cannot write to the index: {problem}");
                    return Err(Error::Shard { shard: shard.clone(), problem });
                }
                Err(Trouble::Retry(problem)) => {
                    origins.iter_mut().for_each(|origin| origin.may_be_there = true);
                    self.metrics.retries.inc();
                    outage.wait(&problem).await;
                    continue;
                }
            };
            assert!(outcomes.len() == pending.len(), "one outcome per document");
            let offered = std::mem::take(&mut pending).into_iter().zip(std::mem::take(&mut origins));
            let mut busy = None;
            paused.set(false);
            for ((addressed, mut origin), outcome) in offered.zip(outcomes) {
                origin.may_be_there |= may_be_there(&outcome);
                match outcome {
                    Outcome::Indexed => written.indexed += 1,
                    Outcome::Duplicate if origin.may_be_there => written.indexed += 1,
                    Outcome::Duplicate => written.duplicates += 1,
                    Outcome::Rejected(reason) => {
                        let offered = Offered { addressed, from: origin.from };
                        written.rejected.push(Rejected { offered, reason, attempts });
                    }
                    Outcome::Retry(reason) => {
                        busy.get_or_insert(reason);
                        pending.push(addressed);
                        origins.push(origin);
                    }
                    Outcome::Paused(reason) => {
                        paused.set(true);
                        // What somebody has to act on is said first.
                        busy = Some(reason);
                        pending.push(addressed);
                        origins.push(origin);
                    }
                }
            }
            if let Some(reason) = busy {
                self.metrics.retries.inc();
                outage.wait(&format!("{}: {}", reason.code, reason.message)).await;
            }
        }
        outage.over();
        Ok(written)
    }
}

/// Whether a shard waits for somebody to act, in the metric of all; not any more once it is dropped.
struct Paused<'m> {
    shards: &'m Gauge,
    is_set: bool,
}

impl Paused<'_> {
    fn set(&mut self, is_set: bool) {
        if std::mem::replace(&mut self.is_set, is_set) != is_set {
            if is_set {
                self.shards.inc()
            } else {
                self.shards.dec()
            };
        }
    }
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        self.set(false);
    }
}
