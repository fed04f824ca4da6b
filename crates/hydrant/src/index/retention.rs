//! An engine behind which old indices stay gone: a document that is too late for its index fails, with what the matter is.
//!
//! An index is old when the whole time that its name says is further back than the retention. Before documents go to an
//! old index, the engine is asked whether it is there: writing would make it again, and what deletes old indices would
//! delete the documents with it, unread. One that is closed or blocked keeps its documents from being written for good,
//! so nobody waits for it. Others are written, made and waited for as ever.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, try_join_all};
use futures_util::stream::BoxStream;
use hydrant_transform::document::{Outcome, Reason, period_end_ms};

use super::{Addressed, Engine, Error, IndexStatus, Scan, Scanned, Search, SearchResult, Way};
use crate::clock::Clock;

/// Code of a document that came too late for its index.
pub const RETENTION: &str = "Hydrant.Retention";

/// How long an index counts as gone without being asked for again. One that is there is asked for each time.
const GONE_MS: i64 = 10_000;

/// Names that are remembered as gone.
const GONE_MAX: usize = 1_024;

/// Indices that are asked for at a time.
const ASKED_MAX: usize = 8;

pub struct Retention {
    engine: Arc<dyn Engine>,
    age_ms: i64,
    clock: Clock,
    /// Indices that are gone, and when that was told.
    gone: Mutex<BTreeMap<String, i64>>,
}

impl Retention {
    pub fn new(engine: Arc<dyn Engine>, age: Duration, clock: Clock) -> Retention {
        let age_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        Retention { engine, age_ms, clock, gone: Mutex::default() }
    }

    async fn offer_kept(&self, way: Way, documents: &[Addressed]) -> Result<Vec<Outcome>, Error> {
        let old = self.old(documents);
        if old.is_empty() {
            return way.offer(self.engine.as_ref(), documents).await;
        }
        let mut gone = BTreeSet::new();
        for names in old.iter().copied().collect::<Vec<&str>>().chunks(ASKED_MAX) {
            let told = try_join_all(names.iter().map(|name| self.is_gone(name))).await?;
            gone.extend(names.iter().copied().zip(told).filter(|(_, is_gone)| *is_gone).map(|(name, _)| name));
        }
        let kept: Vec<Addressed> =
            documents.iter().filter(|addressed| !gone.contains(addressed.index_name.as_str())).cloned().collect();
        let told = if kept.is_empty() { Vec::new() } else { way.offer(self.engine.as_ref(), &kept).await? };
        let mut told = told.into_iter();
        let outcomes = documents.iter().map(|Addressed { index_name, .. }| {
            if gone.contains(index_name.as_str()) {
                return Outcome::Rejected(too_late(index_name, "is not there: it is not made again"));
            }
            let Some(outcome) = told.next() else { unreachable!("an engine gives one outcome per document") };
            if old.contains(index_name.as_str()) { without_waiting(index_name, outcome) } else { outcome }
        });
        Ok(outcomes.collect())
    }

    /// The indices whose time is over longer than the retention.
    fn old<'d>(&self, documents: &'d [Addressed]) -> BTreeSet<&'d str> {
        let horizon_ms = self.clock.now_ms().saturating_sub(self.age_ms);
        let names: BTreeSet<&str> = documents.iter().map(|addressed| addressed.index_name.as_str()).collect();
        names.into_iter().filter(|name| period_end_ms(name).is_some_and(|end_ms| end_ms <= horizon_ms)).collect()
    }

    async fn is_gone(&self, index_name: &str) -> Result<bool, Error> {
        let now_ms = self.clock.now_ms();
        if self.gone().get(index_name).is_some_and(|told_ms| now_ms.saturating_sub(*told_ms) < GONE_MS) {
            return Ok(true);
        }
        let is_gone = match self.engine.indices(&[index_name.to_owned()]).await {
            Ok(found) => found.is_empty(),
            Err(Error::IndexNotFound(_)) => true,
            // Nothing is written until it is known.
            Err(Error::BadRequest { code, message }) => return Err(Error::Retry(format!("{code}: {message}"))),
            Err(error @ (Error::Retry(_) | Error::Fatal(_))) => return Err(error),
        };
        let mut gone = self.gone();
        gone.remove(index_name);
        if is_gone {
            if gone.len() >= GONE_MAX {
                gone.clear();
            }
            gone.insert(index_name.to_owned(), now_ms);
        }
        Ok(is_gone)
    }

    /// Read and changed whole under the lock, so a panic elsewhere leaves it in order.
    fn gone(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, i64>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_late(index_name: &str, matter: &str) -> Reason {
    Reason::new(RETENTION, format!("the index [{index_name}] is older than index.retention, and {matter}"))
}

/// What would wait for an old index to be opened or released fails; a full disk is waited for.
fn without_waiting(index_name: &str, outcome: Outcome) -> Outcome {
    let Outcome::Paused(Reason { code, message }) = &outcome else { return outcome };
    let is_blocked = || message.starts_with("index [") && message.contains("[FORBIDDEN/");
    let matter = match code.as_ref() {
        "index_closed_exception" => "is closed".to_owned(),
        "index_not_found_exception" => "is not there: it is not made again".to_owned(),
        "cluster_block_exception" if is_blocked() => format!("takes no documents: {message}"),
        _ => return outcome,
    };
    Outcome::Rejected(too_late(index_name, &matter))
}

impl Engine for Retention {
    fn prepare(&self) -> BoxFuture<'_, Result<Option<Reason>, Error>> {
        self.engine.prepare()
    }

    fn write<'a>(&'a self, documents: &'a [Addressed]) -> BoxFuture<'a, Result<Vec<Outcome>, Error>> {
        Box::pin(self.offer_kept(Way::Write, documents))
    }

    fn overwrite<'a>(&'a self, documents: &'a [Addressed]) -> BoxFuture<'a, Result<Vec<Outcome>, Error>> {
        Box::pin(self.offer_kept(Way::Overwrite, documents))
    }

    fn scan(&self, scan: Scan) -> BoxStream<'_, Result<Vec<Scanned>, Error>> {
        self.engine.scan(scan)
    }

    fn search(&self, search: Search) -> BoxFuture<'_, Result<SearchResult, Error>> {
        self.engine.search(search)
    }

    fn get<'a>(&'a self, index_name: &'a str, id: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>> {
        self.engine.get(index_name, id)
    }

    fn indices<'a>(&'a self, patterns: &'a [String]) -> BoxFuture<'a, Result<Vec<IndexStatus>, Error>> {
        self.engine.indices(patterns)
    }

    fn refresh<'a>(&'a self, patterns: &'a [String]) -> BoxFuture<'a, Result<(), Error>> {
        self.engine.refresh(patterns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_index_is_not_waited_for_unless_its_disk_is_full() {
        let paused = |code: &'static str, message: &str| Outcome::Paused(Reason::new(code, message));
        let told = |outcome| match without_waiting("i-2020-01", outcome) {
            Outcome::Rejected(reason) => format!("{}: {}", reason.code, reason.message),
            other @ (Outcome::Indexed | Outcome::Duplicate | Outcome::Retry(_) | Outcome::Paused(_)) => {
                format!("{other:?}")
            }
        };
        let old = "Hydrant.Retention: the index [i-2020-01] is older than index.retention, and";
        assert_eq!(told(paused("index_closed_exception", "closed")), format!("{old} is closed"));
        let block = "index [i-2020-01] blocked by: [FORBIDDEN/8/index write (api)];";
        assert_eq!(told(paused("cluster_block_exception", block)), format!("{old} takes no documents: {block}"));
        assert!(told(paused("index_not_found_exception", "no such index [i-2020-01]")).starts_with(old));
        for (code, message) in [
            (
                "cluster_block_exception",
                "index [i-2020-01] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block];",
            ),
            ("cluster_block_exception", "blocked by: [FORBIDDEN/13/cluster read-only / allow delete (api)];"),
            ("security_exception", "no permissions"),
        ] {
            assert!(told(paused(code, message)).starts_with("Paused"), "{message}");
        }
        assert_eq!(without_waiting("i-2020-01", Outcome::Indexed), Outcome::Indexed);
    }
}
