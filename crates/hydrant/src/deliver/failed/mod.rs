//! failed/: what could not become a document, and what the index refused, in Firehose's layout and JSON.
//!
//! ```text
//! processing-failed/YYYY/MM/dd/HH/hydrant-1-YYYY-MM-dd-HH-MM-SS-<uuid>
//! AmazonOpenSearchService-failed/YYYY/MM/dd/HH/hydrant-1-YYYY-MM-dd-HH-MM-SS-<uuid>
//! ```
//!
//! An object holds one line of JSON for each entry that one batch lost that way. Its time is, as Firehose's, the
//! arrival of the batch's first record in UTC, and its uuid comes from the place where the batch begins. So a batch that
//! a crash cut off before its commit meets its own objects when it is delivered again: what they hold stays, and
//! only ids that they do not hold yet are added. A repeat is therefore found without a search, for one
//! batch only, which is all that can be repeated. Where processes share a stream, each holder of a shard has objects of
//! its own, and a successor looks at those of the holder before; a repeat that it does not find there counts once all the
//! same, by its id.
//!
//! Firehose's keys come first, in its order, then ours: `esDocumentId`, `ordinal`, `format`, `reasonCode`. There is no
//! `lambdaARN`, since there is no Lambda; `esTypeName` is empty, since indices have no types; `errorCode` is what
//! OpenSearch answers by HTTP, 400, or `Hydrant.TransformFailed`. `rawData` is base64: an envelope of just the log
//! event that the entry came from, or the record as it came where it could not be decoded.
//!
//! One object holds at most what one batch loses ([`super::Limits`]).

#[cfg(feature = "aws")]
mod bucket;

mod directory;

mod line;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use hydrant_transform::failed::timed_name;
pub use hydrant_transform::failed::{INDEX, MARKER, PROCESSING};
use hydrant_transform::record::Failure;
use serde::Deserialize;

#[cfg(feature = "aws")]
pub use bucket::{Bucket, BucketPlace};
pub use directory::{Directory, OpenError};

use super::batch::{Begin, CameFrom};
use super::write::Rejected;
use super::{Delivery, Error};
use crate::stream::{Record, ShardId};
use line::Loss;

/// How many keys one call of [`Objects::list`] answers at most.
pub const LISTED_MAX: usize = 1000;

/// An object, as a list names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub key: String,
    pub bytes: u64,
}

/// Where objects are kept: a folder or a bucket.
pub trait Objects: Send + Sync {
    /// The object of a key, `None` where there is none.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, io::Result<Option<Vec<u8>>>>;

    /// Makes an object durable, in the place of an older one. Readers see the old or the new one, nothing between. May
    /// be dropped at any `.await`: it has happened or not.
    fn put<'a>(&'a self, key: &'a str, bytes: Vec<u8>) -> BoxFuture<'a, io::Result<()>>;

    /// The objects whose keys begin with `prefix` and a slash (an empty one: all objects) and come after `after`, ordered
    /// by the bytes of their keys: the first [`LISTED_MAX`] at most. No object is left when none is answered.
    fn list<'a>(&'a self, prefix: &'a str, after: Option<&'a str>) -> BoxFuture<'a, io::Result<Vec<Listed>>>;
}

/// Keeps what failed.
#[derive(Clone)]
pub struct Store {
    objects: Arc<dyn Objects>,
}

/// The two ways in which an entry is lost to the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Processing,
    Index,
}

impl Kind {
    pub(super) fn prefix(self) -> &'static str {
        match self {
            Kind::Processing => PROCESSING,
            Kind::Index => INDEX,
        }
    }
}

/// What an earlier attempt at a batch has left in failed/.
#[derive(Clone, Debug, Default)]
pub(super) struct Earlier {
    processing: Vec<u8>,
    index: Vec<u8>,
    /// Document ids in both.
    pub(super) ids: HashSet<String>,
}

/// How many entries a batch has put into failed/, and how many were there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Put {
    pub(super) added: u64,
    pub(super) repeated: u64,
}

impl Store {
    pub fn new(objects: Arc<dyn Objects>) -> Store {
        Store { objects }
    }

    /// A folder, which is made if it is not there.
    pub fn directory(path: &Path) -> Result<Store, OpenError> {
        Ok(Store::new(Arc::new(Directory::open(path)?)))
    }

    /// See [`Objects::list`].
    pub async fn list(&self, prefix: &str, after: Option<&str>) -> io::Result<Vec<Listed>> {
        self.objects.list(prefix, after).await
    }

    /// The objects themselves.
    pub fn objects(&self) -> Arc<dyn Objects> {
        Arc::clone(&self.objects)
    }

    /// See [`Objects::put`].
    pub(super) async fn put(&self, key: &str, bytes: Vec<u8>) -> io::Result<()> {
        self.objects.put(key, bytes).await
    }

    /// See [`Objects::get`].
    pub async fn get(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        self.objects.get(key).await
    }

    /// What an attempt that began at the same place has put, also one of the holder before.
    pub(super) async fn earlier(&self, shard: &ShardId, begin: &Begin) -> io::Result<Earlier> {
        let mut earlier = self.earlier_of_term(shard, begin).await?;
        if let Some(term) = begin.term.checked_sub(1) {
            let before = self.earlier_of_term(shard, &Begin { term, ..begin.clone() }).await?;
            earlier.ids.extend(before.ids);
        }
        Ok(earlier)
    }

    async fn earlier_of_term(&self, shard: &ShardId, begin: &Begin) -> io::Result<Earlier> {
        let processing = self.objects.get(&key(Kind::Processing, shard, begin)).await?.unwrap_or_default();
        let index = self.objects.get(&key(Kind::Index, shard, begin)).await?.unwrap_or_default();
        let lines = processing.split(|byte| *byte == b'\n').chain(index.split(|byte| *byte == b'\n'));
        let ids = lines.filter_map(|line| serde_json::from_slice(line).ok().map(|Id { id }| id)).collect();
        Ok(Earlier { processing, index, ids })
    }
}

#[derive(Deserialize)]
struct Id {
    #[serde(rename = "esDocumentId")]
    id: String,
}

/// Everything that a batch lost.
struct Losses {
    records: Vec<Record>,
    lost: Vec<(CameFrom, Failure)>,
    rejected: Vec<Rejected>,
    earlier: Earlier,
}

impl Delivery {
    /// Puts into failed/ what a batch lost. Durable when this returns.
    pub(super) async fn put_failed(
        &self,
        shard: &ShardId,
        begin: Begin,
        earlier: Earlier,
        records: Vec<Record>,
        lost: Vec<(CameFrom, Failure)>,
        rejected: Vec<Rejected>,
    ) -> Result<Put, Error> {
        if lost.is_empty() && rejected.is_empty() {
            return Ok(Put::default());
        }
        let earlier = match begin.is_without_records() {
            // The batch before may have begun here too, and has put its lines since this one was gathered.
            true => self.patiently(shard, "read failed/", || self.failed.earlier(shard, &begin)).await?,
            false => earlier,
        };
        let (options, now_ms, owned) = (self.settings.transform.clone(), self.clock.now_ms(), shard.clone());
        let losses = Losses { records, lost, rejected, earlier };
        let (put, objects) = self.settings.cores.run(move || losses.render(&owned, &options, now_ms)).await;
        for (kind, bytes) in objects {
            let key = key(kind, shard, &begin);
            self.patiently(shard, "write to failed/", || self.failed.objects.put(&key, bytes.clone())).await?;
        }
        if put.added > 0 {
            tracing::warn!(shard = shard.0, entries = put.added, "entries could not be indexed: they are in failed/");
        }
        Ok(put)
    }
}

impl Losses {
    /// The objects to put: what they hold already, and the lines of what is new.
    fn render(
        self,
        shard: &ShardId,
        options: &hydrant_transform::record::Options,
        now_ms: i64,
    ) -> (Put, Vec<(Kind, Vec<u8>)>) {
        let Losses { records, lost, rejected, earlier } = self;
        let Earlier { mut processing, mut index, mut ids } = earlier;
        let mut put = Put::default();
        let mut losses: Vec<Loss> =
            lost.into_iter().map(Loss::transforming).chain(rejected.into_iter().map(Loss::indexing)).collect();
        losses.sort_by_key(|loss| loss.from.record_idx()); // stable: one record is transformed again once, at most
        let mut touched = (false, false);
        let mut renderer = line::Renderer::new(shard, options, now_ms);
        for loss in losses {
            if !ids.insert(loss.id.as_str().to_owned()) {
                put.repeated += 1;
                continue;
            }
            put.added += 1;
            match loss.kind() {
                Kind::Processing => {
                    touched.0 = true;
                    renderer.line(&mut processing, &records, &loss);
                }
                Kind::Index => {
                    touched.1 = true;
                    renderer.line(&mut index, &records, &loss);
                }
            }
        }
        let objects = [(touched.0, Kind::Processing, processing), (touched.1, Kind::Index, index)];
        let objects = objects.into_iter().filter(|(touched, ..)| *touched).map(|(_, kind, bytes)| (kind, bytes));
        (put, objects.collect())
    }
}

fn key(kind: Kind, shard: &ShardId, begin: &Begin) -> String {
    format!("{}/{}", kind.prefix(), object_name(shard, begin))
}

/// The name of the object that a batch puts: a pure function of where the batch begins.
pub(super) fn object_name(shard: &ShardId, begin: &Begin) -> String {
    let after = begin.after.as_ref().map_or("", |position| position.0.as_str());
    timed_name(begin.arrival_ms, [&shard.0, after, &begin.sequence_number], begin.term)
}
