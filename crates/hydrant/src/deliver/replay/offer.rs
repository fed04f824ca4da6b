//! Offering documents to the index until each has its final outcome, no faster than is asked for.

use std::time::Duration;

use hydrant_transform::document::{Outcome, Reason};

use super::again::Again;
use super::entries::{Lookup, Way};
use super::object::Object;
use super::{Doc, Error, Fate, Replay, Tell, Told, Work, lookup};
use crate::deliver::retry::Trouble;
use crate::index::{self, Addressed};

/// Documents that are offered at a time; fewer at a low rate.
const OFFERED_MAX: usize = 1000;

const OFFERED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The final outcome of a document.
enum Done {
    Written,
    Present,
    Rejected(Reason, u32),
}

impl Replay {
    /// Offers all documents of a chunk.
    pub(super) async fn offer(
        &self,
        work: &mut Work,
        objects: &[Object],
        docs: Vec<Doc>,
        fates: &mut [Vec<Option<Fate>>],
        again: &mut [Vec<Again>],
        tell: Tell<'_>,
    ) -> Result<(), Error> {
        let mut docs = docs.into_iter().peekable();
        while docs.peek().is_some() {
            let slice = self.slice(&mut docs);
            self.pace(work, slice.len()).await;
            let slice = self.drop_present(work, slice, fates).await?;
            for way in [Way::Overwrite, Way::Create] {
                let (documents, places): (Vec<Addressed>, Vec<Doc>) = slice
                    .iter()
                    .filter(|doc| doc.entry.way == way)
                    .map(|doc| (doc.entry.addressed.clone(), doc.clone()))
                    .unzip();
                let done = self.write(way, documents).await?;
                for (doc, done) in places.into_iter().zip(done) {
                    let fate = fates.get_mut(doc.object).and_then(|fates| fates.get_mut(doc.item)?.as_mut());
                    let Some(fate) = fate else { continue };
                    match done {
                        Done::Written => fate.written += 1,
                        Done::Present => fate.present += 1,
                        Done::Rejected(reason, attempts) => {
                            fate.failed = true;
                            let (object, lost) = (objects.get(doc.object), again.get_mut(doc.object));
                            let (Some(object), Some(lost)) = (object, lost) else { continue };
                            let Some(item) = object.items.get(doc.item) else { continue };
                            tell(Told::FailedAgain { key: &object.key, line: item.line, reason: &reason })?;
                            let Addressed { index_name, document } = doc.entry.addressed;
                            let original = self.original(&item.content, doc.entry.part, Some(&document.source));
                            lost.push(Again {
                                id: document.id,
                                ordinal: document.ordinal,
                                format: Some(document.format),
                                reason,
                                refused: Some((index_name, attempts)),
                                original,
                            });
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn slice(&self, docs: &mut std::iter::Peekable<impl Iterator<Item = Doc>>) -> Vec<Doc> {
        let most = self.rate.map_or(OFFERED_MAX, |rate| usize::try_from(rate.get()).unwrap_or(OFFERED_MAX));
        let (mut slice, mut bytes) = (Vec::new(), 0);
        while slice.len() < most.min(OFFERED_MAX)
            && let Some(doc) = docs.next_if(|doc| bytes == 0 || bytes + doc.bytes() <= OFFERED_BYTES_MAX)
        {
            bytes += doc.bytes().max(1);
            slice.push(doc);
        }
        slice
    }

    /// Waits until so many more may be offered.
    async fn pace(&self, work: &mut Work, documents: usize) {
        if let Some(rate) = self.rate {
            let ms = work.offered.saturating_mul(1000) / u64::from(rate.get());
            let due = Duration::from_millis(ms);
            tokio::time::sleep_until(work.began + due).await;
        }
        work.offered += documents as u64;
    }

    /// Leaves out what Firehose has indexed under ids of its own.
    async fn drop_present(
        &self,
        work: &mut Work,
        slice: Vec<Doc>,
        fates: &mut [Vec<Option<Fate>>],
    ) -> Result<Vec<Doc>, Error> {
        let lookups: Vec<&Lookup> = slice.iter().filter_map(|doc| doc.entry.lookup.as_ref()).collect();
        if lookups.is_empty() {
            return Ok(slice);
        }
        for lookup in &lookups {
            if work.refreshed.insert(lookup.pattern.clone()) {
                self.refresh(&lookup.pattern).await?;
            }
        }
        let engine = self.index.as_ref();
        let present = self.patiently("look into the index", || lookup::present(engine, &lookups)).await?;
        let mut kept = Vec::with_capacity(slice.len());
        for doc in slice {
            let known = doc.entry.lookup.as_ref().is_some_and(|Lookup { pattern, event_id, ordinal }| {
                present.contains(&(pattern.clone(), event_id.clone(), *ordinal))
            });
            let fate = fates.get_mut(doc.object).and_then(|fates| fates.get_mut(doc.item)?.as_mut());
            match fate {
                Some(fate) if known => fate.present += 1,
                Some(_) | None => kept.push(doc),
            }
        }
        Ok(kept)
    }

    /// What was written before this replay is found. Who may not refresh waits for the index's own interval.
    async fn refresh(&self, pattern: &str) -> Result<(), Error> {
        let patterns = [pattern.to_owned()];
        let refreshed = || async {
            match self.index.refresh(&patterns).await {
                Err(index::Error::IndexNotFound(_) | index::Error::BadRequest { .. }) => Ok(()),
                other => other,
            }
        };
        self.patiently("refresh the index", refreshed).await
    }

    /// One outcome for each document, in order.
    async fn write(&self, way: Way, documents: Vec<Addressed>) -> Result<Vec<Done>, Error> {
        if self.dry_run {
            return Ok(documents.iter().map(|_| Done::Written).collect());
        }
        let mut done: Vec<Option<Done>> = documents.iter().map(|_| None).collect();
        let (mut places, mut pending): (Vec<usize>, Vec<Addressed>) = documents.into_iter().enumerate().unzip();
        let mut outage = self.outage("write to the index");
        let (mut attempts, mut unanswered) = (0, false);
        while !pending.is_empty() {
            attempts += 1;
            let written = match way {
                Way::Overwrite => self.index.overwrite(&pending).await,
                Way::Create => self.index.write(&pending).await,
            };
            let outcomes = match written.map_err(Trouble::from) {
                Ok(outcomes) => outcomes,
                Err(Trouble::Fatal(problem) | Trouble::Lost(problem)) => {
                    return Err(Error::Fatal(format!("cannot write to the index: {problem}")));
                }
                Err(Trouble::Retry(problem)) => {
                    unanswered = true;
                    outage.wait(&problem).await;
                    continue;
                }
            };
            assert!(outcomes.len() == pending.len(), "one outcome per document");
            let offered = std::mem::take(&mut places).into_iter().zip(std::mem::take(&mut pending));
            let mut busy = None;
            for ((place, addressed), outcome) in offered.zip(outcomes) {
                let outcome = match outcome {
                    Outcome::Indexed => Done::Written,
                    // Most likely by an attempt without an answer.
                    Outcome::Duplicate if unanswered => Done::Written,
                    Outcome::Duplicate => Done::Present,
                    Outcome::Rejected(reason) => Done::Rejected(reason, attempts),
                    Outcome::Retry(reason) | Outcome::Paused(reason) => {
                        busy = Some(reason);
                        places.push(place);
                        pending.push(addressed);
                        continue;
                    }
                };
                if let Some(slot) = done.get_mut(place) {
                    *slot = Some(outcome);
                }
            }
            if let Some(reason) = busy {
                unanswered = true;
                outage.wait(&format!("{}: {}", reason.code, reason.message)).await;
            }
        }
        outage.over();
        Ok(done.into_iter().flatten().collect())
    }
}

impl Doc {
    fn bytes(&self) -> usize {
        self.entry.addressed.document.source.len()
    }
}
