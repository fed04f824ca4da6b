//! Stage 2, the stream: durable, ordered per shard, replayable. Kinesis's model behind one trait.
//!
//! [`Engine`] is one of the two seams of the program: [`embedded`] is one side, Kinesis the other, with the feature `aws`.
//! A stream knows nothing of log events: records are bytes.

pub mod embedded;

#[cfg(feature = "aws")]
pub mod kinesis;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

/// What one record may hold, as in Kinesis.
pub const RECORD_BYTES_MAX: usize = 10 * 1024 * 1024;

/// What one append may hold: Kinesis's bounds of a `PutRecords`.
pub const APPEND_RECORDS_MAX: usize = 500;

/// See [`APPEND_RECORDS_MAX`].
pub const APPEND_BYTES_MAX: usize = 10 * 1024 * 1024;

/// A durable stream of records.
///
/// Contract, each sentence a case of the conformance suite:
/// - Within a shard, records are read in the order of their sequence numbers, which only grow, also over restarts.
/// - A record goes to the shard whose hash-key range holds its explicit hash key, else the MD5 of its partition key.
/// - A process reads and commits the shards that it holds. One that another process has taken over is [`Error::Lost`].
/// - Every future may be dropped at any `.await`: an append that was dropped has happened or not, per record; a read
///   or a commit that was dropped may be called again.
/// - The engine never retries; callers do, and an error says whether that can help.
pub trait Engine: Send + Sync {
    /// Every shard, parents before their children, and whose it is. A closed shard stays listed while it holds records.
    /// Where processes share a stream, the answer changes from call to call. A shard that was lost is answered as
    /// [`Standing::Elsewhere`] once at least before it is this process's again: what worked on it ends then.
    fn shards(&self) -> BoxFuture<'_, Result<Vec<Shard>, Error>>;

    /// Appends up to [`APPEND_RECORDS_MAX`] records of up to [`APPEND_BYTES_MAX`] together. One result per record, in
    /// order; `Ok` means durable, together with its mark. Records of one shard are taken in order: after the first
    /// one that fails, the later ones of that shard fail too. Kinesis may take later ones all the same; a mark is told
    /// only when all before it is durable.
    fn append(&self, records: Vec<NewRecord>) -> BoxFuture<'_, Result<Vec<Result<Appended, Error>>, Error>>;

    /// The records of a shard that follow `after` (`None`: from the oldest kept), at least one if there is any, within
    /// the limits. Waits up to `limits.wait` for the first.
    fn read<'a>(
        &'a self,
        shard: &'a ShardId,
        after: Option<&'a Position>,
        limits: ReadLimits,
    ) -> BoxFuture<'a, Result<Read, Error>>;

    /// The position of the newest record of a shard, `None` while it has none.
    fn end<'a>(&'a self, shard: &'a ShardId) -> BoxFuture<'a, Result<Option<Position>, Error>>;

    /// The checkpoint of a shard, `None` before the first commit.
    fn checkpoint<'a>(&'a self, shard: &'a ShardId) -> BoxFuture<'a, Result<Option<Checkpoint>, Error>>;

    /// Durably replaces the checkpoint of a shard. Its position never goes back: an earlier one is refused as
    /// [`Error::Fatal`], and so is `None` behind one. Records up to it may be trimmed from now on, none after it.
    fn commit<'a>(&'a self, shard: &'a ShardId, checkpoint: Checkpoint) -> BoxFuture<'a, Result<(), Error>>;

    /// A closed shard is delivered to its end: it is not read again, and its children may begin, in any process.
    fn finish<'a>(&'a self, shard: &'a ShardId) -> BoxFuture<'a, Result<(), Error>>;

    /// Nothing of a shard can be delivered here any more: another process may have it at once, and this one does not take
    /// it again as long as it lives.
    fn give_up(&self, _shard: &ShardId) {}

    /// What one record may hold with its partition key: [`RECORD_BYTES_MAX`] or less. Somebody may change it at any time.
    fn record_bytes_max(&self) -> usize {
        RECORD_BYTES_MAX
    }

    /// The newest mark of every producer, whatever was trimmed since.
    fn marks(&self) -> BoxFuture<'_, Result<Vec<Mark>, Error>>;

    /// The process ends in order: what others may take over is given back at once.
    fn close(&self) -> BoxFuture<'_, ()>;

    /// Figures for the metrics.
    fn status(&self) -> BoxFuture<'_, Result<Vec<ShardStatus>, Error>>;
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId(pub String);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    pub id: ShardId,
    /// Read these to their end first, or order per key is lost. Two after a merge.
    pub parents: Vec<ShardId>,
    /// Inclusive range of 128-bit hash keys.
    pub hash_keys: (u128, u128),
    pub standing: Standing,
}

/// Whose a shard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// This process delivers it. The term grows whenever a shard changes hands; 0 where processes share nothing.
    Mine { term: u64 },
    /// Another process does, or nobody yet.
    Elsewhere,
    /// It was [finished](Engine::finish).
    Delivered,
}

/// A place in a shard. Opaque to all but the engine that made it, which alone can compare two of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Position(pub String);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// 1 to 256 characters.
    pub partition_key: String,
    pub explicit_hash_key: Option<u128>,
    /// At most [`RECORD_BYTES_MAX`] with the partition key.
    pub data: Bytes,
    pub mark: Option<Mark>,
}

/// How far a producer has come with one of its log streams: bytes of its own, durable exactly when their record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Names the log stream, at most 4 KiB. A producer writes one name under one partition key only.
    pub producer: String,
    /// At most 4 KiB.
    pub state: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    pub shard: ShardId,
    /// 56 digits or fewer, as Kinesis writes them.
    pub sequence_number: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub position: Position,
    /// Its own in its shard: a record of several that one record of Kinesis holds has its place in it behind a slash.
    pub sequence_number: String,
    /// When the stream took it, milliseconds since 1970 UTC.
    pub arrival_ms: i64,
    pub partition_key: String,
    pub explicit_hash_key: Option<u128>,
    pub data: Bytes,
}

#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    pub records_max: usize,
    /// A single larger record is still answered, alone.
    pub bytes_max: usize,
    pub wait: Duration,
}

#[derive(Clone, Debug)]
pub struct Read {
    pub records: Vec<Record>,
    /// Age of the oldest record not yet read, 0 at the end of the shard.
    pub behind: Duration,
    /// The shard is closed and read to its end.
    pub ended: bool,
    /// Where nothing was left to read: no record that follows arrives earlier. Milliseconds since 1970 UTC, by the
    /// stream's clock, as far as it is known.
    pub no_earlier_ms: i64,
}

/// How far a shard is delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The last record before which everything is delivered; `None`: not even the first record is.
    pub position: Option<Position>,
    /// The caller's own state, versioned by it and stored unread; at most 1 MiB.
    /// Empty where another program has moved the position.
    pub state: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardStatus {
    pub shard: ShardId,
    /// `None` where the stream does not tell.
    pub records_waiting: Option<u64>,
    /// Arrival of the oldest record after the checkpoint.
    pub oldest_waiting_ms: Option<i64>,
    /// How long records are kept, delivered or not. `None`: until they are delivered.
    pub kept_for: Option<Duration>,
}

/// What a caller does with a failure is its name.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The same call may succeed later: a full disk, a throttled shard.
    #[error("{0}")]
    Retry(String),
    /// It never will: a damaged file, a position of another stream, a record over the bounds. Names the place.
    #[error("{0}")]
    Fatal(String),
    /// Another process has taken over the shard, and goes on from its last commit.
    #[error("{0}")]
    Lost(String),
}
