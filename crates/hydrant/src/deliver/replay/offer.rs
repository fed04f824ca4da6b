//! Offering documents to the index until each has its final outcome, no faster than is asked for.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use hydrant_transform::document::{Outcome, Reason};

use super::again::Again;
use super::entries::{Lookup, Way};
use super::object::Object;
use super::{Doc, Error, Fate, Replay, Tell, Told, Work, lookup};
use crate::deliver::retry::Trouble;
use crate::deliver::write::may_be_there;
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
        let mut docs = VecDeque::from(docs);
        while !docs.is_empty() {
            let slice = self.slice(&mut docs);
            self.pace(work, slice.len()).await;
            let slice = self.drop_present(work, slice, fates).await?;
            let (slice, repeats) = apart(slice);
            let mut there: HashSet<Lookup> = HashSet::new();
            for way in [Way::Overwrite, Way::Create] {
                let (documents, places): (Vec<Addressed>, Vec<Doc>) = slice
                    .iter()
                    .filter(|doc| doc.entry.way == way)
                    .map(|doc| (doc.entry.addressed.clone(), doc.clone()))
                    .unzip();
                let done = self.write(way, documents).await?;
                for (doc, done) in places.into_iter().zip(done) {
                    let Some(fate) = fate_of(fates, &doc) else { continue };
                    match done {
                        Done::Written => fate.written += 1,
                        Done::Present => fate.present += 1,
                        Done::Rejected(reason, attempts) => {
                            fate.failed = true;
                            let (object, lost) = (objects.get(doc.object), again.get_mut(doc.object));
                            let (Some(object), Some(lost)) = (object, lost) else { continue };
                            lost.extend(self.rejected(object, doc, reason, attempts, tell)?);
                            continue;
                        }
                    }
                    there.extend(doc.entry.lookup.filter(Lookup::tells_event));
                }
            }
            for doc in repeats.into_iter().rev() {
                let is_there = doc.entry.lookup.as_ref().is_some_and(|lookup| there.contains(lookup));
                match fate_of(fates, &doc).filter(|_| is_there) {
                    Some(fate) => fate.present += 1,
                    // The copy before it was refused where it was for; this one is for another index.
                    None => docs.push_front(doc),
                }
            }
            // What is looked for next may be what was written now.
            work.refreshed.retain(|pattern| there.iter().all(|lookup| lookup.pattern != *pattern));
        }
        Ok(())
    }

    /// The line of a document that the index refused.
    fn rejected(
        &self,
        object: &Object,
        doc: Doc,
        reason: Reason,
        attempts: u32,
        tell: Tell<'_>,
    ) -> Result<Option<Again>, Error> {
        let Some(item) = object.items.get(doc.item) else { return Ok(None) };
        tell(Told::FailedAgain { key: &object.key, line: item.line, reason: &reason })?;
        let Addressed { index_name, document } = doc.entry.addressed;
        let original = self.original(&item.content, doc.entry.part, Some(&document.source));
        Ok(Some(Again {
            id: document.id,
            ordinal: document.ordinal,
            format: Some(document.format),
            reason,
            refused: Some((index_name, attempts)),
            original,
        }))
    }

    fn slice(&self, docs: &mut VecDeque<Doc>) -> Vec<Doc> {
        let most = self.rate.map_or(OFFERED_MAX, |rate| usize::try_from(rate.get()).unwrap_or(OFFERED_MAX));
        let (mut slice, mut bytes) = (Vec::new(), 0);
        while slice.len() < most.min(OFFERED_MAX)
            && docs.front().is_some_and(|doc| bytes == 0 || bytes + doc.bytes() <= OFFERED_BYTES_MAX)
            && let Some(doc) = docs.pop_front()
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
            match fate_of(fates, &doc) {
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
        let mut may_be = vec![false; documents.len()];
        let (mut places, mut pending): (Vec<usize>, Vec<Addressed>) = documents.into_iter().enumerate().unzip();
        let mut outage = self.outage("write to the index");
        let mut attempts = 0;
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
                    may_be.fill(true);
                    outage.wait(&problem).await;
                    continue;
                }
            };
            assert!(outcomes.len() == pending.len(), "one outcome per document");
            let offered = std::mem::take(&mut places).into_iter().zip(std::mem::take(&mut pending));
            let mut busy = None;
            for ((place, addressed), outcome) in offered.zip(outcomes) {
                let Some(may_be_there_already) = may_be.get_mut(place) else { continue };
                *may_be_there_already |= may_be_there(&outcome);
                let outcome = match outcome {
                    Outcome::Indexed => Done::Written,
                    // Most likely by an attempt without an answer.
                    Outcome::Duplicate if *may_be_there_already => Done::Written,
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
                outage.wait(&format!("{}: {}", reason.code, reason.message)).await;
            }
        }
        outage.over();
        Ok(done.into_iter().flatten().collect())
    }
}

fn fate_of<'f>(fates: &'f mut [Vec<Option<Fate>>], doc: &Doc) -> Option<&'f mut Fate> {
    fates.get_mut(doc.object)?.get_mut(doc.item)?.as_mut()
}

/// The first copy of each document, and further ones, which failed on their way to another index that the first one's
/// rotates with.
fn apart(docs: Vec<Doc>) -> (Vec<Doc>, Vec<Doc>) {
    let mut met = HashSet::new();
    docs.into_iter().partition(|doc| {
        let lookup = doc.entry.lookup.as_ref().filter(|lookup| lookup.tells_event());
        lookup.is_none_or(|lookup| met.insert(lookup.clone()))
    })
}

impl Doc {
    fn bytes(&self) -> usize {
        self.entry.addressed.document.source.len()
    }
}
