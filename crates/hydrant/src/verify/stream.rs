//! The stream's hop: what delivery has made, or will make, of the records that are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hydrant_transform::document::IndexNaming;
use hydrant_transform::record::Options;

use super::entry::{Hop, State};
use super::ledger::At;
use super::{Counts, Error, Ledger, Patience, count};
use crate::deliver::again::{Again, Delivered, Made};
use crate::deliver::naming::History;
use crate::stream::{Engine, Error as StreamError, Position, Read, ReadLimits, Record, ShardId, Standing};

/// What one read takes at most.
const READ_RECORDS_MAX: usize = 500;

/// See [`READ_RECORDS_MAX`].
const READ_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Reads in a row that answer nothing although there is more, as a stream of AWS's may.
const EMPTY_READS_MAX: u32 = 1_000;

/// How far the chain is at one moment: what is delivered by then has to be in the index or in failed/.
#[derive(Debug)]
pub struct Snapshot {
    shards: Vec<ShardSnapshot>,
    /// By producer.
    pub marks: BTreeMap<String, Vec<u8>>,
    /// By which indices were named that documents may still go to.
    pub namings: Vec<IndexNaming>,
}

#[derive(Debug)]
struct ShardSnapshot {
    id: ShardId,
    end: Option<Position>,
    /// Something of it is delivered, and not all.
    is_begun: bool,
    /// The first record with an entry that may not be delivered; for entries that are joined, and for others.
    first_unfinished: Option<Position>,
    first_undelivered: Option<Position>,
}

/// What the stream held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamAccount {
    pub records: u64,
    pub counts: Counts,
    /// Arrival of the oldest record that is kept.
    pub oldest_ms: Option<i64>,
    /// Entries that were joined and may have begun in records that are not kept: not compared.
    pub unsure: u64,
    pub gaps: Vec<Gap>,
}

/// A shard of a stream that trims by time, delivered or not, which keeps nothing any more that is delivered. What lay
/// between its checkpoint and what it keeps, if there was anything, has expired before it was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    pub shard: String,
    /// Arrival of the oldest record that is kept, milliseconds since 1970 UTC. `None`: none is kept, as after a time
    /// without records, too.
    pub before_ms: Option<i64>,
}

/// `history`: what older versions kept of index names.
///
/// # Errors
/// The engine's, or a checkpoint that cannot be read.
pub async fn snapshot(engine: &dyn Engine, history: &History) -> Result<Snapshot, Error> {
    let (mut shards, mut namings) = (Vec::new(), Vec::new());
    for shard in patiently(|| engine.shards()).await? {
        let checkpoint = patiently(|| engine.checkpoint(&shard.id)).await?;
        let of = |problem: String| Error::Stream(format!("shard {}: {problem}", shard.id));
        let delivered = Delivered::of(&shard.id, checkpoint.as_ref(), history).map_err(of)?;
        // What comes behind this end is not looked at.
        let end = patiently(|| engine.end(&shard.id)).await?;
        let first_unfinished = first_after(engine, &shard.id, delivered.whole.as_ref(), end.as_ref()).await?;
        let first_undelivered = first_after(engine, &shard.id, delivered.read.as_ref(), end.as_ref()).await?;
        let is_begun = delivered.whole.is_some() && shard.standing != Standing::Delivered;
        namings.extend(delivered.namings);
        shards.push(ShardSnapshot { id: shard.id, end, is_begun, first_unfinished, first_undelivered });
    }
    namings.dedup();
    let marks = patiently(|| engine.marks()).await?;
    let marks = marks.into_iter().map(|mark| (mark.producer, mark.state.to_vec())).collect();
    Ok(Snapshot { shards, marks, namings })
}

/// The record that follows `after`; `None` where that is the end.
async fn first_after(
    engine: &dyn Engine,
    shard: &ShardId,
    after: Option<&Position>,
    end: Option<&Position>,
) -> Result<Option<Position>, Error> {
    if end.is_some() && after == end {
        return Ok(None);
    }
    let limits = ReadLimits { records_max: 1, bytes_max: READ_BYTES_MAX, wait: Duration::ZERO };
    for _ in 0..EMPTY_READS_MAX {
        let read = patiently(|| engine.read(shard, after, limits)).await?;
        match read.records.into_iter().next() {
            Some(record) => return Ok(Some(record.position)),
            None if read.ended || read.behind.is_zero() => return Ok(None),
            None => {}
        }
    }
    Ok(None)
}

/// Reads every record that is kept, up to the ends of the snapshot.
///
/// # Errors
/// The engine's and the disk's.
pub async fn take(
    ledger: &mut Ledger,
    engine: &dyn Engine,
    snapshot: &Snapshot,
    transform: (&Options, &IndexNaming),
    progress: &mut dyn FnMut(&StreamAccount),
) -> Result<StreamAccount, Error> {
    let (options, naming) = transform;
    let mut account = StreamAccount::default();
    for shard in &snapshot.shards {
        let again = Again::new(shard.id.clone(), options, naming.clone());
        let table = ledger.table(Hop::Stream, &shard.id.0);
        let mut reading =
            Reading { shard, again, table, records: 0, oldest_ms: None, unfinished_from: None, undelivered: false };
        if shard.end.is_some() {
            reading.whole(ledger, engine, &mut account, progress).await?;
        }
        account.gaps.extend(reading.gap());
    }
    if !account.gaps.is_empty() {
        let status = patiently(|| engine.status()).await?;
        let by_time: BTreeSet<String> =
            status.into_iter().filter(|status| status.kept_for.is_some()).map(|status| status.shard.0).collect();
        account.gaps.retain(|gap| by_time.contains(&gap.shard));
    }
    Ok(account)
}

/// One shard that is read.
struct Reading<'a> {
    shard: &'a ShardSnapshot,
    again: Again,
    table: u32,
    records: u64,
    /// Arrival of the oldest.
    oldest_ms: Option<i64>,
    /// How many records were read before the first that has an unfinished entry.
    unfinished_from: Option<u64>,
    undelivered: bool,
}

impl Reading<'_> {
    async fn whole(
        &mut self,
        ledger: &mut Ledger,
        engine: &dyn Engine,
        account: &mut StreamAccount,
        progress: &mut dyn FnMut(&StreamAccount),
    ) -> Result<(), Error> {
        let limits = ReadLimits { records_max: READ_RECORDS_MAX, bytes_max: READ_BYTES_MAX, wait: Duration::ZERO };
        let (mut after, mut empty, mut at_end) = (None, 0, false);
        loop {
            let Read { records, behind, ended, no_earlier_ms } =
                patiently(|| engine.read(&self.shard.id, after.as_ref(), limits)).await?;
            if records.is_empty() {
                empty += 1;
                if at_end || ended || behind.is_zero() || empty > EMPTY_READS_MAX {
                    // What this ends was ended in the chain too, if that has had its time.
                    for made in self.again.caught_up(no_earlier_ms) {
                        self.note(ledger, account, made, no_earlier_ms)?;
                    }
                    return Ok(());
                }
                continue;
            }
            if at_end {
                return Ok(());
            }
            empty = 0;
            for record in records {
                at_end |= Some(&record.position) == self.shard.end.as_ref();
                self.record(ledger, account, &record)?;
                after = Some(record.position);
                if at_end {
                    break;
                }
            }
            progress(account);
        }
    }

    fn record(&mut self, ledger: &mut Ledger, account: &mut StreamAccount, record: &Record) -> Result<(), Error> {
        let position = Some(&record.position);
        if position == self.shard.first_unfinished.as_ref() {
            self.unfinished_from.get_or_insert(self.records);
        }
        self.undelivered |= position == self.shard.first_undelivered.as_ref();
        for oldest_ms in [&mut self.oldest_ms, &mut account.oldest_ms] {
            *oldest_ms = Some(oldest_ms.map_or(record.arrival_ms, |ms| ms.min(record.arrival_ms)));
        }
        account.records += 1;
        self.records += 1;
        for made in self.again.take(record) {
            self.note(ledger, account, made, record.arrival_ms)?;
        }
        Ok(())
    }

    /// Whether what followed the checkpoint may be gone, now that all is read: nothing that is kept is delivered.
    fn gap(&self) -> Option<Gap> {
        let keeps_delivered = match self.shard.first_unfinished {
            None => self.records > 0,
            Some(_) => self.unfinished_from.is_some_and(|records| records > 0),
        };
        let is_gap = self.shard.is_begun && !keeps_delivered;
        is_gap.then(|| Gap { shard: self.shard.id.0.clone(), before_ms: self.oldest_ms })
    }

    fn note(&self, ledger: &mut Ledger, account: &mut StreamAccount, made: Made, arrival_ms: i64) -> Result<(), Error> {
        let Made { transformed, sequence_number, joined_from, is_unsure } = made;
        if is_unsure {
            account.unsure += count::entries(&transformed);
            return Ok(());
        }
        let in_flight = match joined_from {
            Some(number) => self.unfinished_from.is_some_and(|from| number >= from),
            None => self.undelivered,
        };
        let state = if in_flight { State::InFlight } else { State::Done };
        let place = ledger.place(&sequence_number)?;
        let at = At { hop: Hop::Stream, state, table: self.table, place };
        count::note(ledger, &mut account.counts, &transformed, arrival_ms, |_| at)
    }
}

/// Calls until it succeeds, fails for good, or was tried often enough.
async fn patiently<T, F: Future<Output = Result<T, StreamError>>>(mut call: impl FnMut() -> F) -> Result<T, Error> {
    let mut patience = Patience::new();
    loop {
        match call().await {
            Ok(done) => return Ok(done),
            Err(StreamError::Retry(problem)) if !patience.wait(&problem).await => return Err(Error::Stream(problem)),
            Err(StreamError::Retry(_)) => {}
            Err(error) => return Err(Error::Stream(error.to_string())),
        }
    }
}
