//! Gathering one batch: records of a shard, read in chunks, transformed and addressed, until it is full or old enough.
//!
//! A batch is full at [`Limits`], of which the last chunk may go over: a chunk is at most [`READ_RECORDS_MAX`] records
//! of [`READ_BYTES_MAX`] together, as stored, or one larger record; and a record inflates to no more than
//! `hydrant_transform::envelope::DECOMPRESSED_BYTES_MAX`. Records are kept as they are stored (compressed) until their
//! batch is committed, so that what fails can be put into failed/ with its original bytes; log events are not kept.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hydrant_transform::document::IndexNaming;
use hydrant_transform::record::{DropReason, Failure, Options, RecordSource, transform};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::failed::Earlier;
use super::{Delivery, End, Error, Mode};
use crate::index::Addressed;
use crate::stream::{Position, Read, ReadLimits, Record, ShardId};

/// What one read of the stream takes at most.
const READ_RECORDS_MAX: usize = 500;

/// See [`READ_RECORDS_MAX`].
const READ_BYTES_MAX: usize = 512 * 1024;

/// How long one read waits where nothing has been gathered yet. A stop does not wait for it.
const IDLE_WAIT: Duration = Duration::from_secs(1);

/// When a batch is full. Plain data.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub documents_max: usize,
    /// Sources of the documents and stored records together.
    pub bytes_max: usize,
    /// Counts where records hold no document.
    pub records_max: usize,
    /// From the first record on. Under load a batch is full before; a trickle is written this late.
    pub age_max: Duration,
}

impl Default for Limits {
    /// Thousands of documents under load, since an index pays by the commit; a trickle is written in 0.2 s.
    fn default() -> Limits {
        Limits {
            documents_max: 16_384,
            bytes_max: 16 * 1024 * 1024,
            records_max: 4096,
            age_max: Duration::from_millis(200),
        }
    }
}

/// Where the work of the processor is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cores {
    /// On the caller's task: for simulations, where threads would make chance.
    Inline,
    /// On tokio's blocking threads, a batch on so many at once.
    Spread(NonZeroUsize),
}

/// A place between two records of a shard.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The last record before it.
    pub(super) position: Option<Position>,
    /// The rule of the shard's naming history for the record after it.
    pub(super) naming_rule: usize,
    /// Delivery has just begun here, so the batch from here may have been delivered in part before.
    pub(super) fresh: bool,
}

/// Where a batch begins: enough to name its objects in failed/ alike after a crash.
#[derive(Clone, Debug)]
pub(super) struct Begin {
    pub(super) after: Option<Position>,
    pub(super) sequence_number: String,
    pub(super) arrival_ms: i64,
}

/// A document and the record it came from.
#[derive(Debug)]
pub(super) struct Offered {
    pub(super) addressed: Addressed,
    pub(super) record_idx: usize,
}

/// What became of entries that are not offered to the index, and the age of those that are.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) dropped: BTreeMap<DropReason, u64>,
    /// Timestamp of the newest document, milliseconds since 1970 UTC.
    pub(super) newest_ms: Option<i64>,
}

#[derive(Debug)]
pub(super) struct Batch {
    pub(super) records: Vec<Record>,
    pub(super) documents: Vec<Offered>,
    /// By record: what could not become a document.
    pub(super) lost: Vec<(usize, Failure)>,
    /// What an earlier attempt at this batch has put into failed/.
    pub(super) earlier: Earlier,
    pub(super) begin: Begin,
    pub(super) end: Place,
    pub(super) tally: Tally,
}

pub(super) enum Gathered {
    Batch(Box<Batch>),
    End(End),
}

impl Delivery {
    /// Reads and transforms from a place on. Changes nothing, so it may be dropped, and is on a stop.
    pub(super) async fn gather(
        &self,
        shard: &ShardId,
        from: &Place,
        stop: &CancellationToken,
        mode: Mode,
    ) -> Result<Gathered, Error> {
        tokio::select! {
            biased;
            () = stop.cancelled() => Ok(Gathered::End(End::Stopped)),
            gathered = self.gather_whole(shard, from, mode) => gathered,
        }
    }

    async fn gather_whole(&self, shard: &ShardId, from: &Place, mode: Mode) -> Result<Gathered, Error> {
        let mut gathering: Option<Gathering> = None;
        loop {
            let wait = match (&gathering, mode) {
                (_, Mode::Drain) => Duration::ZERO,
                (None, Mode::Follow) => IDLE_WAIT,
                (Some(gathering), Mode::Follow) => gathering.deadline.saturating_duration_since(Instant::now()),
            };
            let after = gathering.as_ref().map_or(from, |gathering| &gathering.batch.end).position.as_ref();
            let read = match self.read(shard, after, wait).await {
                Ok(read) => read,
                // What was gathered before the trouble is delivered; the next batch meets the trouble first.
                Err(error) => return gathering.map_or(Err(error), |gathering| Ok(gathering.into())),
            };
            let Some(first) = read.records.first() else {
                match (gathering.take(), read.ended, mode) {
                    (Some(gathering), _, _) => return Ok(gathering.into()),
                    (None, true, _) => return Ok(Gathered::End(End::Closed)),
                    (None, false, Mode::Drain) => return Ok(Gathered::End(End::Drained)),
                    (None, false, Mode::Follow) => continue,
                }
            };
            let mut batch = match gathering {
                Some(gathering) => gathering,
                None => self.begin(shard, from, first).await?,
            };
            self.add(shard, &mut batch, read.records).await?;
            if batch.is_done(&self.settings.limits) {
                return Ok(batch.into());
            }
            gathering = Some(batch);
        }
    }

    async fn read(&self, shard: &ShardId, after: Option<&Position>, wait: Duration) -> Result<Read, Error> {
        let limits = ReadLimits { records_max: READ_RECORDS_MAX, bytes_max: READ_BYTES_MAX, wait };
        self.patiently(shard, "read the stream", || self.stream.read(shard, after, limits)).await
    }

    async fn begin(&self, shard: &ShardId, from: &Place, first: &Record) -> Result<Gathering, Error> {
        let begin = Begin {
            after: from.position.clone(),
            sequence_number: first.sequence_number.clone(),
            arrival_ms: first.arrival_ms,
        };
        let earlier = if from.fresh {
            self.patiently(shard, "read failed/", || self.failed.earlier(shard, &begin)).await?
        } else {
            Earlier::default()
        };
        Ok(Gathering {
            deadline: Instant::now() + self.settings.limits.age_max,
            bytes: 0,
            unmet: earlier.ids.clone(),
            batch: Batch {
                records: Vec::new(),
                documents: Vec::new(),
                lost: Vec::new(),
                earlier,
                begin,
                end: Place { fresh: false, ..from.clone() },
                tally: Tally::default(),
            },
        })
    }

    /// Transforms records, the work spread over cores, and adds what came out, in order.
    async fn add(&self, shard: &ShardId, gathering: &mut Gathering, records: Vec<Record>) -> Result<(), Error> {
        let rules = self.naming.rules(shard);
        let end = &mut gathering.batch.end;
        let mut named = Vec::with_capacity(records.len());
        for record in records {
            assert!(end.position.as_ref() != Some(&record.position), "positions only go on");
            let naming = rules.naming(end.naming_rule);
            end.position = Some(record.position.clone());
            end.naming_rule = rules
                .after(end.naming_rule, end.position.as_ref())
                .map_err(|error| Error::Shard { shard: shard.clone(), problem: error.to_string() })?;
            named.push((record, naming));
        }
        let parts = self.settings.cores.split(named).into_iter().map(|part| {
            let (shard, options) = (shard.clone(), self.settings.transform.clone());
            self.settings.cores.run(move || {
                part.into_iter().map(|(record, naming)| take(&shard, record, &naming, &options)).collect::<Vec<_>>()
            })
        });
        for taken in join_all(parts).await.into_iter().flatten() {
            gathering.push(taken);
        }
        Ok(())
    }
}

/// A batch that still grows.
struct Gathering {
    batch: Batch,
    deadline: Instant,
    bytes: usize,
    /// Ids that an earlier attempt has put into failed/ and that have not come yet.
    unmet: HashSet<String>,
}

impl Gathering {
    fn push(&mut self, taken: Taken) {
        let record_idx = self.batch.records.len();
        self.bytes += taken.record.data.len();
        self.batch.records.push(taken.record);
        for addressed in taken.documents {
            let document = &addressed.document;
            self.bytes += document.source.len();
            self.meet(document.id.as_str());
            let newest_ms = &mut self.batch.tally.newest_ms;
            *newest_ms = (*newest_ms).max(Some(document.timestamp_ms));
            self.batch.documents.push(Offered { addressed, record_idx });
        }
        for reason in taken.dropped {
            *self.batch.tally.dropped.entry(reason).or_default() += 1;
        }
        for failure in taken.failed {
            self.meet(failure.id.as_str());
            self.batch.lost.push((record_idx, failure));
        }
    }

    fn meet(&mut self, id: &str) {
        if !self.unmet.is_empty() {
            self.unmet.remove(id);
        }
    }

    /// The first batch after a start reaches at least as far as the one that a crash cut off, as far as failed/ tells:
    /// else that part would be gathered later, when its failed documents are no longer looked up. Only settings
    /// that changed in between can leave an id unmet, so twice the limits are enough.
    fn is_done(&self, limits: &Limits) -> bool {
        if !self.unmet.is_empty() {
            return self.is_full(limits, 2);
        }
        self.is_full(limits, 1) || Instant::now() >= self.deadline
    }

    fn is_full(&self, limits: &Limits, times: usize) -> bool {
        self.batch.documents.len() >= limits.documents_max.saturating_mul(times)
            || self.batch.records.len() >= limits.records_max.saturating_mul(times)
            || self.bytes >= limits.bytes_max.saturating_mul(times)
    }
}

impl From<Gathering> for Gathered {
    fn from(gathering: Gathering) -> Gathered {
        assert!(!gathering.batch.records.is_empty(), "a batch is never empty");
        Gathered::Batch(Box::new(gathering.batch))
    }
}

/// What became of one record.
struct Taken {
    record: Record,
    documents: Vec<Addressed>,
    dropped: Vec<DropReason>,
    failed: Vec<Failure>,
}

fn take(shard: &ShardId, record: Record, naming: &IndexNaming, options: &Options) -> Taken {
    let transformed = transform(&record.data, source(shard, &record), options);
    let documents = transformed
        .documents
        .into_iter()
        .map(|document| Addressed { index_name: naming.name(document.format, document.timestamp_ms), document });
    let documents = documents.collect();
    Taken { record, documents, dropped: transformed.dropped, failed: transformed.failed }
}

/// What the stream says of a record.
pub(super) fn source<'a>(shard: &'a ShardId, record: &'a Record) -> RecordSource<'a> {
    RecordSource { shard: &shard.0, sequence_number: &record.sequence_number, arrival_ms: record.arrival_ms }
}

type Named = (Record, Arc<IndexNaming>);

impl Cores {
    /// Cuts records into as many parts as there are cores, of about the same bytes, in order.
    fn split(self, records: Vec<Named>) -> Vec<Vec<Named>> {
        let n_parts = match self {
            Cores::Inline => 1,
            Cores::Spread(cores) => cores.get(),
        };
        let bytes: usize = records.iter().map(|(record, _)| record.data.len()).sum();
        let part_bytes = bytes / n_parts + 1;
        let mut parts = Vec::new();
        let (mut part, mut filled) = (Vec::new(), 0);
        for named in records {
            filled += named.0.data.len();
            part.push(named);
            if filled >= part_bytes {
                parts.push(std::mem::take(&mut part));
                filled = 0;
            }
        }
        if !part.is_empty() {
            parts.push(part);
        }
        parts
    }

    /// Does work of the processor where it blocks no other task. A panic in it goes on here.
    pub(super) async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> T {
        match self {
            Cores::Inline => work(),
            Cores::Spread(_) => match tokio::task::spawn_blocking(work).await {
                Ok(done) => done,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // The runtime is going away, and this task with it.
                    Err(_) => std::future::pending().await,
                },
            },
        }
    }
}
