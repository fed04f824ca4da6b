//! Replay: what failed is offered to the index once more, by the present rules.
//!
//! Objects are read in the order of their keys, a [chunk](Chunk) at a time: each is taken apart ([`object`]), what the
//! filter takes is transformed ([`entries`]), looked up where Firehose may have indexed it ([`lookup`]), offered until each
//! document has its final outcome ([`offer`]), and what fails again has its line in failed/ ([`again`]). Only then is the
//! chunk done, and told as progress. A replay that is cut off does its chunk again, which ids make harmless. No object is
//! removed: a document in the index supersedes its failed one.
//!
//! Bounds: a chunk has at most [`CHUNK_OBJECTS`] objects and [`CHUNK_BYTES`] as they are stored, or one larger object of
//! [`object::OBJECT_BYTES_MAX`]; in memory it takes some five times as much.

mod again;

mod entries;

mod filter;

mod lookup;

mod object;

mod offer;

mod progress;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;

use hydrant_transform::document::Reason;
use tokio::sync::watch;
use tokio::time::Instant;

use super::failed::{self, Kind, Listed, Objects};
use super::{backup, retry};
use crate::clock::Clock;
use crate::index;
use crate::metrics::{Health, Metrics};
use again::{Again, Original, merge};
pub use entries::Rules;
use entries::{Entry, Lost, Part};
pub use filter::Filter;
use hydrant_transform::envelope::gzip::Compressor;
use hydrant_transform::failed::timed_name;
pub use object::OBJECT_BYTES_MAX;
use object::{Content, Object, Text};
pub use progress::{Counts, Progress, ProgressError, ProgressFile};

/// Of a chunk: small objects are written together.
const CHUNK_OBJECTS: usize = 128;

const CHUNK_BYTES: u64 = 16 * 1024 * 1024;

/// So many that cannot be read are named.
const UNREADABLE_NAMED_MAX: u64 = 1000;

/// A replay. Plain data.
pub struct Replay {
    pub source: Source,
    pub index: Arc<dyn index::Engine>,
    pub failed: failed::Store,
    pub rules: Rules,
    pub filter: Filter,
    /// Documents a second.
    pub rate: Option<NonZeroU32>,
    /// Nothing is written, neither to the index nor to failed/.
    pub dry_run: bool,
    pub clock: Clock,
}

/// Where failed documents are read.
pub struct Source {
    pub objects: Arc<dyn Objects>,
    /// All objects below it, or the one that it names.
    pub prefix: String,
    /// As its reader knows it; enters the names of what fails again.
    pub name: String,
    /// Whether it is a part of failed/ itself.
    pub is_failed: bool,
}

/// What a replay tells while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// To be kept: a replay goes on from here.
    Progress(&'a Progress),
    Unreadable {
        key: &'a str,
        line: u64,
        why: &'a str,
    },
    FailedAgain {
        key: &'a str,
        line: u64,
        reason: &'a Reason,
    },
}

/// Takes what a replay tells.
pub type Tell<'t> = &'t mut (dyn FnMut(Told<'_>) -> io::Result<()> + Send);

/// Why a replay cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Fatal(String),
    #[error("the progress cannot be kept: {0}")]
    Progress(#[from] io::Error),
}

/// What a replay keeps from one chunk to the next.
struct Work {
    progress: Progress,
    /// Patterns whose indices were refreshed for look-ups.
    refreshed: HashSet<String>,
    began: Instant,
    /// Documents that were offered since.
    offered: u64,
    named: u64,
}

/// Objects that are done together.
#[derive(Default)]
struct Chunk {
    objects: Vec<Object>,
    bytes: u64,
}

/// What became of one item so far.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    written: u64,
    present: u64,
    failed: bool,
}

/// A document, and the places of its object in the chunk and of its item in the object.
#[derive(Clone)]
struct Doc {
    object: usize,
    item: usize,
    entry: Entry,
}

impl Replay {
    /// Replays all from `begin` on. May be dropped at any `.await`: the next one begins at the progress told last.
    ///
    /// # Errors
    /// The index says that it can never take the documents, or the progress cannot be kept.
    pub async fn run(&self, begin: Progress, tell: Tell<'_>) -> Result<Counts, Error> {
        let mut work = Work { progress: begin, refreshed: HashSet::new(), began: Instant::now(), offered: 0, named: 0 };
        let mut after = work.progress.after.clone();
        let mut chunk = Chunk::default();
        loop {
            let listed = self.list(after.as_deref()).await?;
            let Some(last) = listed.last() else { break };
            after = Some(last.key.clone());
            for listed in listed.into_iter().filter(|listed| !is_marker(&listed.key)) {
                if chunk.is_full(listed.bytes) {
                    self.finish(&mut work, std::mem::take(&mut chunk), tell).await?;
                }
                if let Some(object) = self.read(&listed).await? {
                    chunk.bytes += listed.bytes;
                    chunk.objects.push(object);
                }
            }
        }
        self.finish(&mut work, chunk, tell).await?;
        Ok(work.progress.counts)
    }

    /// The next objects; none when there are no more.
    async fn list(&self, after: Option<&str>) -> Result<Vec<Listed>, Error> {
        let Source { objects, prefix, .. } = &self.source;
        let listed = self.patiently("list the failed documents", || objects.list(prefix, after)).await?;
        if listed.is_empty() && after.is_none() && !prefix.is_empty() {
            let only = self.patiently("read the failed documents", || get_object(objects.as_ref(), prefix)).await?;
            return Ok(only
                .map(|bytes| Listed { key: prefix.clone(), bytes: bytes.len() as u64 })
                .into_iter()
                .collect());
        }
        Ok(listed)
    }

    /// `None`: it is gone meanwhile.
    async fn read(&self, listed: &Listed) -> Result<Option<Object>, Error> {
        if listed.bytes > OBJECT_BYTES_MAX {
            return Ok(Some(Object::too_large(listed.key.clone(), listed.bytes)));
        }
        let objects = self.source.objects.as_ref();
        let bytes = self.patiently("read the failed documents", || get_object(objects, &listed.key)).await?;
        Ok(bytes.map(|bytes| Object::read(listed.key.clone(), bytes)))
    }

    /// All of a chunk, and the progress behind it.
    async fn finish(&self, work: &mut Work, chunk: Chunk, tell: Tell<'_>) -> Result<(), Error> {
        let Some(after) = chunk.objects.last().map(|object| object.key.clone()) else { return Ok(()) };
        let mut fates: Vec<Vec<Option<Fate>>> = Vec::with_capacity(chunk.objects.len());
        let mut again: Vec<Vec<Again>> = Vec::with_capacity(chunk.objects.len());
        let mut docs = Vec::new();
        for (object_idx, object) in chunk.objects.iter().enumerate() {
            let mut of_object = Vec::with_capacity(object.items.len());
            let mut lost = Vec::new();
            for item_idx in 0..object.items.len() {
                of_object.push(self.take(work, (object, object_idx, item_idx), &mut docs, &mut lost, tell)?);
            }
            fates.push(of_object);
            again.push(lost);
        }
        self.offer(work, &chunk.objects, docs, &mut fates, &mut again, tell).await?;
        for (object, again) in chunk.objects.iter().zip(again) {
            self.put_again(object, &again).await?;
        }
        let counts = &mut work.progress.counts;
        counts.objects += chunk.objects.len() as u64;
        for fate in fates.into_iter().flatten().flatten() {
            counts.documents += fate.written;
            let count = match fate {
                Fate { failed: true, .. } => &mut counts.failed_again,
                Fate { written: 1.., .. } => &mut counts.replayed,
                Fate { present: 1.., .. } => &mut counts.already_there,
                Fate { .. } => &mut counts.dropped,
            };
            *count += 1;
        }
        work.progress.after = Some(after);
        tell(Told::Progress(&work.progress))?;
        Ok(())
    }

    /// Makes an item's documents. `None`: it is counted already.
    fn take(
        &self,
        work: &mut Work,
        (object, object_idx, item_idx): (&Object, usize, usize),
        docs: &mut Vec<Doc>,
        again: &mut Vec<Again>,
        tell: Tell<'_>,
    ) -> Result<Option<Fate>, Error> {
        let Some(item) = object.items.get(item_idx) else { return Ok(None) };
        let counts = &mut work.progress.counts;
        counts.read += 1;
        if let Content::Unreadable(why) = &item.content {
            counts.unreadable += 1;
            work.named += 1;
            if work.named <= UNREADABLE_NAMED_MAX {
                tell(Told::Unreadable { key: &object.key, line: item.line, why })?;
            }
            return Ok(None);
        }
        let made = if self.filter.takes(item) { Some(self.rules.make(&item.content)) } else { None };
        let tells_index = matches!(&item.content, Content::Failed(line) if line.index_name.is_some());
        let takes_index = |entry: &Entry| self.filter.takes_index(&entry.addressed.index_name);
        let made =
            made.filter(|made| tells_index || self.filter.indices.is_empty() || made.entries.iter().any(takes_index));
        let Some(made) = made else {
            counts.filtered += 1;
            return Ok(None);
        };
        let fate = Fate { failed: !made.lost.is_empty(), ..Fate::default() };
        for Lost { id, ordinal, format, reason, part } in made.lost {
            tell(Told::FailedAgain { key: &object.key, line: item.line, reason: &reason })?;
            let original = self.original(&item.content, part, None);
            again.push(Again { id, ordinal, format, reason, refused: None, original });
        }
        docs.extend(made.entries.into_iter().map(|entry| Doc { object: object_idx, item: item_idx, entry }));
        Ok(Some(fate))
    }

    /// What the line of an entry that fails again holds. `document`: a finished one, which is its own original.
    fn original(&self, content: &Content, part: Part, document: Option<&[u8]>) -> Original {
        let arrival_ms = match content {
            Content::Failed(line) if part == Part::Own => return Original::Line(line.text.clone()),
            Content::Failed(line) => line.arrival_ms,
            Content::Record(record) => record.arrival_ms,
            Content::Copy(_) | Content::Unreadable(_) => 0,
        };
        let raw = match (part, document) {
            (Part::Document, Some(document)) => document.to_vec(),
            _ => self.rules.raw(content, part),
        };
        Original::Bytes { raw, arrival_ms }
    }

    /// Puts the lines of what failed again; durable when this returns.
    async fn put_again(&self, object: &Object, again: &[Again]) -> Result<(), Error> {
        if again.is_empty() || self.dry_run {
            return Ok(());
        }
        let now_ms = self.clock.now_ms();
        if self.source.is_failed {
            // A run beside this one may have added lines since the object was read.
            let now = self.patiently("read failed/", || self.failed.get(&object.key)).await?.unwrap_or_default();
            // One that cannot be read whole stays as it is.
            if let Some(Text { text, is_gzip }) = Text::whole(now) {
                let mut bytes = merge(&text, &again.iter().collect::<Vec<_>>(), now_ms);
                if is_gzip {
                    bytes = Compressor::new().gzip(&bytes);
                }
                return self.put(&object.key, bytes).await;
            }
        }
        let name = timed_name(object.arrival_ms(), ["replay", &self.source.name, &object.key], 0);
        for kind in [Kind::Processing, Kind::Index] {
            let (of_kind, key) = (kind == Kind::Index, format!("{}/{name}", kind.prefix()));
            let again: Vec<&Again> = again.iter().filter(|again| again.refused.is_some() == of_kind).collect();
            if !again.is_empty() {
                let before = self.patiently("read failed/", || self.failed.get(&key)).await?.unwrap_or_default();
                self.put(&key, merge(&before, &again, now_ms)).await?;
            }
        }
        Ok(())
    }

    async fn put(&self, key: &str, bytes: Vec<u8>) -> Result<(), Error> {
        self.patiently("write to failed/", || self.failed.put(key, bytes.clone())).await
    }

    /// Calls until it succeeds, or can never.
    async fn patiently<T, E: Into<retry::Trouble>, F: Future<Output = Result<T, E>>>(
        &self,
        what: &'static str,
        call: impl FnMut() -> F,
    ) -> Result<T, Error> {
        let done = retry::patiently(self.outage(what), &Metrics::default(), call).await;
        done.map_err(|given_up| match given_up {
            retry::GivenUp::Fatal(problem) | retry::GivenUp::Lost(problem) => {
                Error::Fatal(format!("cannot {what}: {problem}"))
            }
        })
    }

    fn outage(&self, what: &'static str) -> retry::Outage {
        retry::Outage::new(self.clock.now_ms().unsigned_abs(), None, what, watch::Sender::new(Health::default()))
    }
}

impl Chunk {
    /// Whether an object of so many bytes does not go into it.
    fn is_full(&self, bytes: u64) -> bool {
        !self.objects.is_empty()
            && (self.objects.len() >= CHUNK_OBJECTS || self.bytes.saturating_add(bytes) > CHUNK_BYTES)
    }
}

/// An object; `None` also where a folder has the name.
async fn get_object(objects: &dyn Objects, key: &str) -> io::Result<Option<Vec<u8>>> {
    match objects.get(key).await {
        Err(error) if matches!(error.kind(), io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory) => Ok(None),
        other => other,
    }
}

/// What says the version of a layout is no failed document.
fn is_marker(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or_default();
    name == failed::MARKER || name == backup::MARKER
}
