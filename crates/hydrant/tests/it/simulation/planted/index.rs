//! An index as a loop with a mistake would use it, or take its answers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use hydrant::index::{Addressed, Engine, Error, IndexStatus, Scan, Scanned, Search, SearchResult};
use hydrant_transform::document::{DocumentId, Outcome, Reason};

use super::Bug;

/// Attempts in a row after which an outage is given up.
const GIVEN_UP_AFTER: u64 = 3;

pub(super) struct Wrong {
    bug: Bug,
    inner: Arc<dyn Engine>,
    /// Calls in a row that brought no document to its end.
    vain: AtomicU64,
    /// How often each document was offered.
    offered: Mutex<BTreeMap<DocumentId, u64>>,
}

impl Wrong {
    pub(super) fn new(bug: Bug, inner: Arc<dyn Engine>) -> Wrong {
        Wrong { bug, inner, vain: AtomicU64::new(0), offered: Mutex::default() }
    }

    /// Under new ids from the second time on.
    fn renamed(&self, documents: &[Addressed]) -> Vec<Addressed> {
        let mut offered = self.offered.lock().unwrap();
        let mut documents = documents.to_vec();
        for Addressed { document, .. } in &mut documents {
            let times = offered.entry(document.id.clone()).or_default();
            if *times > 0 {
                document.id = format!("{}{times:02}", &document.id.as_str()[..30]).into();
            }
            *times += 1;
        }
        documents
    }

    fn outcome(&self, outcome: Outcome) -> Outcome {
        match (self.bug, outcome) {
            (Bug::RejectedForgotten, Outcome::Rejected(_))
            | (Bug::BusyForgotten, Outcome::Retry(_))
            | (Bug::PausedTakenForDone, Outcome::Paused(_)) => Outcome::Indexed,
            (Bug::PausedTakenForBad, Outcome::Paused(reason)) => Outcome::Rejected(reason),
            (Bug::DuplicateTakenForBad, Outcome::Duplicate) => {
                Outcome::Rejected(Reason::new("version_conflict_engine_exception", "document already exists"))
            }
            (Bug::DoneCountedAsDuplicate, Outcome::Indexed) => Outcome::Duplicate,
            (_, outcome) => outcome,
        }
    }

    async fn offer(&self, documents: &[Addressed]) -> Result<Vec<Outcome>, Error> {
        let written = if self.bug == Bug::NewIdOnRetry {
            self.inner.write(&self.renamed(documents)).await
        } else {
            self.inner.write(documents).await
        };
        let mut outcomes: Vec<Outcome> = match written {
            Ok(outcomes) => outcomes.into_iter().map(|outcome| self.outcome(outcome)).collect(),
            Err(_) if self.bug == Bug::NoAnswerTakenForDone => vec![Outcome::Indexed; documents.len()],
            Err(error) => return Err(error),
        };
        let rejected = outcomes.iter().find(|outcome| matches!(outcome, Outcome::Rejected(_))).cloned();
        match (self.bug, rejected) {
            (Bug::OneRejectsAll, Some(rejected)) => outcomes.fill(rejected),
            (Bug::OutcomesSwapped, _) => outcomes.reverse(),
            (Bug::OutcomeSwallowed, _) if outcomes.len() > 1 => drop(outcomes.pop()),
            _ => {}
        }
        Ok(outcomes)
    }
}

impl Engine for Wrong {
    fn write<'a>(&'a self, documents: &'a [Addressed]) -> BoxFuture<'a, Result<Vec<Outcome>, Error>> {
        async move {
            let offered = self.offer(documents).await;
            let later = |outcome: &Outcome| matches!(outcome, Outcome::Retry(_) | Outcome::Paused(_));
            if offered.as_ref().is_ok_and(|outcomes| !outcomes.iter().all(later)) {
                self.vain.store(0, Ordering::Relaxed);
            } else if self.vain.fetch_add(1, Ordering::Relaxed) >= GIVEN_UP_AFTER && self.bug == Bug::OutageGivenUp {
                return Err(Error::Fatal("the index does not come back".into()));
            }
            offered
        }
        .boxed()
    }

    fn scan(&self, scan: Scan) -> BoxStream<'_, Result<Vec<Scanned>, Error>> {
        self.inner.scan(scan)
    }

    fn search(&self, search: Search) -> BoxFuture<'_, Result<SearchResult, Error>> {
        self.inner.search(search)
    }

    fn get<'a>(&'a self, index_name: &'a str, id: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>> {
        self.inner.get(index_name, id)
    }

    fn indices<'a>(&'a self, patterns: &'a [String]) -> BoxFuture<'a, Result<Vec<IndexStatus>, Error>> {
        self.inner.indices(patterns)
    }

    fn refresh<'a>(&'a self, patterns: &'a [String]) -> BoxFuture<'a, Result<(), Error>> {
        self.inner.refresh(patterns)
    }
}
