//! Gathering one batch: records of a shard, read in chunks, transformed and addressed, until it is full or old enough.
//!
//! A batch is full at [`Limits`], of which the last slice may go over: records are read in chunks of at most
//! [`READ_RECORDS_MAX`] records of [`READ_BYTES_MAX`] together, as stored, and transformed in slices that inflate to
//! [`SLICE_BYTES_MAX`], or of one larger record, which inflates to no more than
//! `hydrant_transform::envelope::DECOMPRESSED_BYTES_MAX`; what a full batch leaves of a chunk is read again. Records are
//! kept as they are stored (compressed) until their batch is committed, so that what fails can be put into failed/ with
//! its original bytes; log events are not kept.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hydrant_transform::record::{DropReason, Failure, LineTransformer};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::failed::Earlier;
use super::gathering::{Gathering, Named, Taken, slice, take, take_leaving};
use super::joining::{Again, Arrived, Done, Finished, Joining};
use super::naming::Rules;
use super::{Delivery, End, Error, Mode};
use crate::index::Addressed;
use crate::stream::{Position, Read, ReadLimits, Record, ShardId};

/// What one read of the stream takes at most.
const READ_RECORDS_MAX: usize = 500;

/// See [`READ_RECORDS_MAX`].
const READ_BYTES_MAX: usize = 512 * 1024;

/// What one core is given at a time, as its records say that they inflate to: entries may pack a thousand to one, and
/// a batch must not grow by a whole chunk of them.
const SLICE_BYTES_MAX: usize = 4 * 1024 * 1024;

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

/// Stands for the sequence number where a batch has no record.
const WITHOUT_RECORDS: &str = "joined";

/// A place between two records of a shard.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The last record before it.
    pub(super) position: Option<Position>,
    /// The place of the rule for the index name of the record after it.
    pub(super) naming_rule: usize,
    pub(super) rules: Arc<Rules>,
    /// Of the shard's holder, which see [`Standing`](crate::stream::Standing).
    pub(super) term: u64,
    /// Delivery has just begun here, so the batch from here may have been delivered in part before.
    pub(super) fresh: bool,
    /// Entries that a start found finished on its way here.
    pub(super) finished: Vec<Finished>,
}

/// Where a batch begins: enough to name its objects in failed/ alike after a crash.
#[derive(Clone, Debug)]
pub(super) struct Begin {
    pub(super) after: Option<Position>,
    /// So that what a holder that was taken over still writes is not written over what its successor wrote.
    pub(super) term: u64,
    pub(super) sequence_number: String,
    pub(super) arrival_ms: i64,
}

/// A document and what it came from.
#[derive(Debug)]
pub(super) struct Offered {
    pub(super) addressed: Addressed,
    pub(super) from: CameFrom,
}

/// What an entry came from.
#[derive(Clone, Debug)]
pub(super) enum CameFrom {
    /// A record of the batch.
    Record(usize),
    /// Pieces, perhaps of records before the batch.
    Joined(Arc<Finished>),
}

impl CameFrom {
    /// Joined entries come last.
    pub(super) fn record_idx(&self) -> usize {
        match self {
            CameFrom::Record(idx) => *idx,
            CameFrom::Joined(_) => usize::MAX,
        }
    }
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
    /// What could not become a document.
    pub(super) lost: Vec<(CameFrom, Failure)>,
    /// What an earlier attempt at this batch has put into failed/.
    pub(super) earlier: Earlier,
    pub(super) begin: Begin,
    pub(super) end: Place,
    pub(super) tally: Tally,
}

pub(super) enum Gathered {
    /// And where the checkpoint may stand when it is delivered.
    Batch(Box<Batch>, Done),
    End(End),
}

impl Delivery {
    /// Reads and transforms from a place on. Changes nothing, so it may be dropped, and is on a stop.
    ///
    /// Takes `joining` along; it is worth nothing after a stop.
    pub(super) async fn gather(
        &self,
        shard: &ShardId,
        from: &Place,
        joining: &mut Joining,
        stop: &CancellationToken,
        mode: Mode,
    ) -> Result<Gathered, Error> {
        tokio::select! {
            biased;
            () = stop.cancelled() => Ok(Gathered::End(End::Stopped)),
            gathered = self.gather_whole(shard, from, joining, mode) => gathered,
        }
    }

    async fn gather_whole(
        &self,
        shard: &ShardId,
        from: &Place,
        joining: &mut Joining,
        mode: Mode,
    ) -> Result<Gathered, Error> {
        if !from.finished.is_empty() {
            return Ok(self.begin_without_records(shard, from, joining).await?.into_batch(joining));
        }
        let mut gathering: Option<Gathering> = None;
        loop {
            let wait = match (&gathering, mode) {
                // What waits to be joined ends by the clock, and a drained shard is not left before.
                (None, Mode::Drain) if joining.waits() => IDLE_WAIT,
                (_, Mode::Drain) => Duration::ZERO,
                (None, Mode::Follow) => IDLE_WAIT,
                (Some(gathering), Mode::Follow) => gathering.deadline.saturating_duration_since(Instant::now()),
            };
            let after = gathering.as_ref().map_or(from, |gathering| &gathering.batch.end).position.as_ref();
            let read = match self.read(shard, after, wait).await {
                Ok(read) => read,
                // What was gathered before the trouble is delivered; the next batch meets the trouble first.
                Err(error) => return gathering.map_or(Err(error), |gathering| Ok(gathering.into_batch(joining))),
            };
            let Some(first) = read.records.first() else {
                let mut finished = Vec::new();
                match read.ended {
                    true => joining.end(&mut finished),
                    false => joining.caught_up(read.no_earlier_ms, &mut finished),
                }
                if !finished.is_empty() {
                    let mut batch = match gathering {
                        Some(gathering) => gathering,
                        None => self.begin_without_records(shard, from, joining).await?,
                    };
                    batch.push_finished(shard, finished, &self.settings.transform);
                    return Ok(batch.into_batch(joining));
                }
                match (gathering.take(), read.ended, mode) {
                    (Some(gathering), _, _) => return Ok(gathering.into_batch(joining)),
                    (None, true, _) => return Ok(Gathered::End(End::Closed)),
                    (None, false, Mode::Drain) if !joining.waits() => return Ok(Gathered::End(End::Drained)),
                    (None, false, Mode::Drain | Mode::Follow) => continue,
                }
            };
            let mut batch = match gathering {
                Some(gathering) => gathering,
                None => self.begin(shard, from, joining, first).await?,
            };
            self.add(shard, &mut batch, read.records, joining).await?;
            if batch.is_done(&self.settings.limits) {
                return Ok(batch.into_batch(joining));
            }
            gathering = Some(batch);
        }
    }

    async fn read(&self, shard: &ShardId, after: Option<&Position>, wait: Duration) -> Result<Read, Error> {
        let limits = ReadLimits { records_max: READ_RECORDS_MAX, bytes_max: READ_BYTES_MAX, wait };
        self.patiently(shard, "read the stream", || self.stream.read(shard, after, limits)).await
    }

    async fn begin(
        &self,
        shard: &ShardId,
        from: &Place,
        joining: &mut Joining,
        first: &Record,
    ) -> Result<Gathering, Error> {
        let begin = Begin {
            after: from.position.clone(),
            term: from.term,
            sequence_number: first.sequence_number.clone(),
            arrival_ms: first.arrival_ms,
        };
        let mut earlier = Earlier::default();
        let mut unmet = HashSet::new();
        if from.fresh {
            earlier = self.earlier(shard, &begin).await?;
            unmet.clone_from(&earlier.ids);
            if !joining.is_empty() {
                // The clock may have ended entries here that a record ends now.
                let without = self.earlier(shard, &Begin::without_records(from, joining)).await?;
                earlier.ids.extend(without.ids);
            }
        }
        let mut gathering = self.gathering(shard, from, begin, earlier, unmet);
        gathering.batch.end.fresh = false;
        Ok(gathering)
    }

    /// Of what the clock has ended. Several may begin at one place, so what is in failed/ is always looked at.
    async fn begin_without_records(
        &self,
        shard: &ShardId,
        from: &Place,
        joining: &Joining,
    ) -> Result<Gathering, Error> {
        let begin = Begin::without_records(from, joining);
        let earlier = self.earlier(shard, &begin).await?;
        Ok(self.gathering(shard, from, begin, earlier, HashSet::new()))
    }

    async fn earlier(&self, shard: &ShardId, begin: &Begin) -> Result<Earlier, Error> {
        self.patiently(shard, "read failed/", || self.failed.earlier(shard, begin)).await
    }

    fn gathering(
        &self,
        shard: &ShardId,
        from: &Place,
        begin: Begin,
        earlier: Earlier,
        unmet: HashSet<String>,
    ) -> Gathering {
        let batch = Batch {
            records: Vec::new(),
            documents: Vec::new(),
            lost: Vec::new(),
            earlier,
            begin,
            end: Place { finished: Vec::new(), ..from.clone() },
            tally: Tally::default(),
        };
        let deadline = Instant::now() + self.settings.limits.age_max;
        let mut gathering = Gathering { batch, deadline, bytes: 0, unmet };
        gathering.push_finished(shard, from.finished.clone(), &self.settings.transform);
        gathering
    }

    /// Transforms records, the work spread over cores, and adds what came out, in order.
    async fn add(
        &self,
        shard: &ShardId,
        gathering: &mut Gathering,
        records: Vec<Record>,
        joining: &mut Joining,
    ) -> Result<(), Error> {
        let options = &self.settings.transform;
        let mut records = records.into_iter().peekable();
        while records.peek().is_some() && !gathering.is_full(&self.settings.limits) {
            let slice = slice(&mut records, self.settings.cores.count() * SLICE_BYTES_MAX);
            let named = name(&mut gathering.batch.end, slice);
            let parts = self.settings.cores.split(named).into_iter().map(|part| {
                let (shard, options) = (shard.clone(), options.clone());
                self.settings.cores.run(move || {
                    let mut transformer = LineTransformer::new(&options);
                    part.into_iter().map(|named| take(&shard, named, &mut transformer)).collect::<Vec<_>>()
                })
            });
            for mut taken in join_all(parts).await.into_iter().flatten() {
                let mut finished = Vec::new();
                let Named { record, naming, rule_after } = &taken.named;
                let pieces = std::mem::take(&mut taken.pieces);
                joining.take(Arrived { record, naming, naming_rule: *rule_after, pieces }, &mut finished);
                gathering.push(taken);
                gathering.push_finished(shard, finished, options);
            }
        }
        Ok(())
    }

    /// Reads again what a checkpoint's joiner waits for, up to the end of what is delivered. `place`: the checkpoint's;
    /// it is moved to that end. Where the stream has trimmed what is unfinished, it is lost, and delivery goes on.
    pub(super) async fn rejoin(
        &self,
        shard: &ShardId,
        place: &mut Place,
        joining: &mut Joining,
        mut again: Again,
    ) -> Result<(), Error> {
        let mut is_first = true;
        while place.position != again.end {
            let read = self.read(shard, place.position.as_ref(), Duration::ZERO).await?;
            let end = read.records.iter().position(|record| Some(&record.position) == again.end.as_ref());
            let is_behind = end.is_none() && is_first && self.is_behind(shard, again.end.as_ref(), &read).await?;
            if read.records.is_empty() || is_behind {
                place.naming_rule = place.rules.after(place.naming_rule, again.end.as_ref());
                place.position.clone_from(&again.end);
                joining.skip(again.end.clone(), place.naming_rule);
                break;
            }
            is_first = false;
            let records = read.records.into_iter().take(end.map_or(usize::MAX, |idx| idx + 1)).collect();
            for named in name(place, records) {
                let taken = take_leaving(shard, named, &self.settings.transform, &|stream| again.wants(stream));
                let Taken { named: Named { record, naming, rule_after }, pieces, .. } = taken;
                let arrived = Arrived { record: &record, naming: &naming, naming_rule: rule_after, pieces };
                joining.take_again(arrived, &mut again, &mut place.finished);
            }
        }
        let lost = again.unmet();
        if lost > 0 {
            tracing::error!(
                shard = shard.0,
                lost,
                "unfinished entries are lost: the stream has trimmed their beginnings before they were delivered"
            );
        }
        if self.settings.transform.join.log_groups.is_empty() {
            // Nothing is joined any more.
            joining.end(&mut place.finished);
        }
        Ok(())
    }

    /// Whether what was read is what follows `end`, which is trimmed then, with all before it. Only the stream can
    /// compare two positions, so it is asked for what follows.
    async fn is_behind(&self, shard: &ShardId, end: Option<&Position>, read: &Read) -> Result<bool, Error> {
        let next = self.read(shard, end, Duration::ZERO).await?.records.into_iter().next();
        Ok(next.is_some_and(|next| read.records.iter().any(|record| record.position == next.position)))
    }
}

/// Finds the rule for the index names of each record, and moves `place` behind the last one.
fn name(place: &mut Place, records: Vec<Record>) -> Vec<Named> {
    let mut named = Vec::with_capacity(records.len());
    for record in records {
        assert!(place.position.as_ref() != Some(&record.position), "positions only go on");
        let naming = Arc::clone(place.rules.naming(place.naming_rule));
        place.position = Some(record.position.clone());
        place.naming_rule = place.rules.after(place.naming_rule, place.position.as_ref());
        named.push(Named { record, naming, rule_after: place.naming_rule });
    }
    named
}

impl Begin {
    /// Whether several batches may begin here.
    pub(super) fn is_without_records(&self) -> bool {
        self.sequence_number == WITHOUT_RECORDS
    }

    /// Where a batch begins that no record belongs to.
    fn without_records(from: &Place, joining: &Joining) -> Begin {
        let (after, sequence_number) = (from.position.clone(), WITHOUT_RECORDS.to_owned());
        Begin { after, term: from.term, sequence_number, arrival_ms: joining.highest_ms() }
    }
}
