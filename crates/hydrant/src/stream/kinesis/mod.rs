//! Kinesis Data Streams, by AWS's own client: reads by polling, appends by `PutRecords`.
//!
//! Limits that are kept, from AWS's pages on quotas and on `GetRecords` and `PutRecords`: five reads a second and 2 MB/s
//! for each shard, 500 records and 10 MiB an append, a record as large as the stream says. Records of the Kinesis
//! Producer Library are taken apart ([`hydrant_aws::aggregated`]); where each part lies is [`position`]. How far shards are delivered,
//! and which are ours, is told by [`checkpoints`].
//!
//! Kinesis trims by time, delivered or not; [`ShardStatus::kept_for`](super::ShardStatus) says after how long.
//! Not here: enhanced fan-out.

mod append;

mod checkpoints;

mod failure;

mod marks;

mod position;

pub mod probe;

mod reader;

mod shards;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_kinesis::Client;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::{
    Appended, Checkpoint, Engine, Error, Mark, NewRecord, Position, Read, ReadLimits, Shard, ShardId, ShardStatus,
};
use crate::clock::Clock;
use checkpoints::folder::{self, Folder};
use checkpoints::table::{self, Table};
use checkpoints::{Checkpoints, Start, snapshot};
use marks::Marks;
use reader::Reader;
use shards::Summary;

/// What the engine is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name or ARN of the stream.
    pub stream: String,
    pub region: Option<String>,
    /// Of a server that is not AWS's.
    pub endpoint: Option<String>,
    pub begin: Begin,
    pub checkpoints: Keep,
    /// For the marks of producers, and for checkpoints that are kept here.
    pub folder: PathBuf,
}

/// Where checkpoints are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// In [`Settings::folder`], for one process.
    #[default]
    Folder,
    /// In a table of DynamoDB, for several.
    Table {
        name: String,
        /// Of a server that is not AWS's.
        endpoint: Option<String>,
        /// This process among those that share the table; no other has it, also none of before.
        worker: String,
    },
}

/// Where shards begin on the very first start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Begin {
    #[default]
    TrimHorizon,
    /// At the time of that start.
    Latest,
    /// Milliseconds since 1970 UTC.
    AtTimestamp(i64),
}

impl Begin {
    fn start(self, clock: Clock) -> Start {
        match self {
            Begin::TrimHorizon => Start::Oldest,
            Begin::Latest => Start::At(clock.now_ms()),
            Begin::AtTimestamp(ms) => Start::At(ms),
        }
    }
}

/// What a stream is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Delivery,
    Looking,
}

/// A stream of Amazon Kinesis Data Streams.
#[derive(Debug)]
pub struct Kinesis {
    stream: Stream,
    clock: Clock,
    begin: Begin,
    checkpoints: Checkpoints,
    marks: Marks,
    readers: Mutex<BTreeMap<ShardId, Arc<Reader>>>,
    /// What the stream said of itself, and when.
    summary: Mutex<(tokio::time::Instant, Summary)>,
}

/// The stream as calls name it.
#[derive(Clone, Debug)]
struct Stream {
    client: Client,
    name: Option<String>,
    arn: Option<String>,
    created_ms: i64,
}

impl Kinesis {
    /// Asks for the stream, so that a wrong name or missing rights are said at once, as [`Error::Fatal`].
    pub fn open(settings: &Settings, clock: Clock) -> BoxFuture<'_, Result<Kinesis, Error>> {
        Kinesis::opened(settings, clock, For::Delivery).boxed()
    }

    /// As [`open`](Kinesis::open), to be looked at beside the processes that deliver it: all shards as their checkpoints
    /// stand now. Changes nothing; whatever would is refused.
    pub fn open_read_only(settings: &Settings, clock: Clock) -> BoxFuture<'_, Result<Kinesis, Error>> {
        Kinesis::opened(settings, clock, For::Looking).boxed()
    }

    async fn opened(settings: &Settings, clock: Clock, what_for: For) -> Result<Kinesis, Error> {
        let (region, endpoint) = (settings.region.as_deref(), settings.endpoint.as_deref());
        let opened = Stream::open(&settings.stream, region, endpoint).await;
        let (stream, summary) = opened.map_err(failure::Failure::at_start)?;
        let (name, created_ms) = (summary.name.as_str(), summary.created_ms);
        let folder = settings.folder.join(name);
        let marks = Marks::open(&folder.join("marks.json"))?;
        let start = settings.begin.start(clock);
        let checkpoints = match &settings.checkpoints {
            Keep::Folder if what_for == For::Delivery => Checkpoints::Folder(Folder::open(&folder, name, created_ms)?),
            Keep::Folder => Checkpoints::Snapshot(folder::snapshot(&folder, name, created_ms, start)?),
            Keep::Table { name: table, endpoint, worker } => {
                let config = crate::aws::config(region, endpoint.as_deref()).await;
                let settings = table::Settings {
                    table: table.clone(),
                    worker: worker.clone(),
                    stream: format!("{name} {created_ms}"),
                    lease: table::LEASE_DEFAULT,
                    gone_for: table::GONE_FOR_DEFAULT,
                };
                let client = aws_sdk_dynamodb::Client::new(&config);
                match what_for {
                    For::Delivery => Checkpoints::Table(Table::open(client, settings).await?),
                    For::Looking => Checkpoints::Snapshot(Table::snapshot(client, settings, start).await?),
                }
            }
        };
        Ok(Kinesis {
            stream,
            clock,
            begin: settings.begin,
            checkpoints,
            marks,
            readers: Mutex::default(),
            summary: Mutex::new((tokio::time::Instant::now(), summary)),
        })
    }

    fn reader(&self, shard: &ShardId) -> Arc<Reader> {
        let mut readers = lock(&self.readers);
        Arc::clone(readers.entry(shard.clone()).or_insert_with(|| Arc::new(Reader::new(shard.clone()))))
    }

    async fn read_after(&self, shard: &ShardId, after: Option<&Position>, limits: ReadLimits) -> Result<Read, Error> {
        // Also tells whether the shard is still ours.
        let kept = self.checkpoints.load(shard).await?;
        self.reader(shard).read(&self.stream, kept.start, after, limits, self.clock).await
    }

    async fn commit_to(&self, shard: &ShardId, checkpoint: Checkpoint) -> Result<(), Error> {
        let position = checkpoint.position.clone();
        self.checkpoints.commit(shard, checkpoint).await?;
        self.reader(shard).delivered(position.as_ref())
    }

    async fn statuses(&self) -> Result<Vec<ShardStatus>, Error> {
        let kept_for = Some(lock(&self.summary).1.kept_for);
        let readers: Vec<(ShardId, Arc<Reader>)> =
            lock(&self.readers).iter().map(|(id, reader)| (id.clone(), Arc::clone(reader))).collect();
        let now_ms = self.clock.now_ms();
        let status = |(shard, reader): (ShardId, Arc<Reader>)| ShardStatus {
            shard,
            records_waiting: None,
            oldest_waiting_ms: reader.oldest_waiting_ms(now_ms),
            kept_for,
        };
        Ok(readers.into_iter().map(status).collect())
    }
}

impl Engine for Kinesis {
    fn shards(&self) -> BoxFuture<'_, Result<Vec<Shard>, Error>> {
        self.list().boxed()
    }

    fn append(&self, records: Vec<NewRecord>) -> BoxFuture<'_, Result<Vec<Result<Appended, Error>>, Error>> {
        if matches!(self.checkpoints, Checkpoints::Snapshot(_)) {
            return std::future::ready(Err(snapshot::refused("append"))).boxed();
        }
        append::append(&self.stream, &self.marks, records, self.record_bytes_max()).boxed()
    }

    fn read<'a>(
        &'a self,
        shard: &'a ShardId,
        after: Option<&'a Position>,
        limits: ReadLimits,
    ) -> BoxFuture<'a, Result<Read, Error>> {
        self.read_after(shard, after, limits).boxed()
    }

    /// Reads from a while ago to the present end, further and further back until something is there.
    fn end<'a>(&'a self, shard: &'a ShardId) -> BoxFuture<'a, Result<Option<Position>, Error>> {
        reader::end(&self.stream, shard, self.clock).boxed()
    }

    fn checkpoint<'a>(&'a self, shard: &'a ShardId) -> BoxFuture<'a, Result<Option<Checkpoint>, Error>> {
        async move { Ok(self.checkpoints.load(shard).await?.checkpoint) }.boxed()
    }

    fn commit<'a>(&'a self, shard: &'a ShardId, checkpoint: Checkpoint) -> BoxFuture<'a, Result<(), Error>> {
        self.commit_to(shard, checkpoint).boxed()
    }

    fn finish<'a>(&'a self, shard: &'a ShardId) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            self.checkpoints.finish(shard).await?;
            drop(lock(&self.readers).remove(shard));
            Ok(())
        }
        .boxed()
    }

    fn give_up(&self, shard: &ShardId) {
        self.checkpoints.give_up(shard);
    }

    fn record_bytes_max(&self) -> usize {
        lock(&self.summary).1.record_bytes_max
    }

    fn marks(&self) -> BoxFuture<'_, Result<Vec<Mark>, Error>> {
        async { Ok(self.marks.all()) }.boxed()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.checkpoints.close().boxed()
    }

    fn status(&self) -> BoxFuture<'_, Result<Vec<ShardStatus>, Error>> {
        self.statuses().boxed()
    }
}

/// Plain data, so a panic elsewhere leaves it in order.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
