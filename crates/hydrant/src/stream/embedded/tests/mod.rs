//! Tests of the embedded stream against a storage that crashes, fails and is damaged. What every engine promises is
//! in the conformance suite, `tests/it/conformance/stream.rs`.

mod crash;

mod crash_storage;

mod damage;

mod faults;

mod format;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::storage::Storage;
use super::{Embedded, Retention, Sizes};
use crate::clock::Clock;
use crate::stream::{Engine, Error, Mark, NewRecord, Position, ReadLimits, Record, ShardId};

const DIR: &str = "/stream";

/// Small enough for several segments within a few appends.
const SMALL: Sizes = Sizes { segment_bytes: 4096, header_bytes_max: 1024 };

/// Keeps about two delivered segments.
fn short() -> Retention {
    Retention { age: Duration::from_hours(24), bytes: 8192 }
}

fn open(storage: &Arc<dyn Storage>, dir: &Path) -> Result<Embedded, Error> {
    let clock = Clock::starting_at(1_700_000_000_000);
    Embedded::open_on(Arc::clone(storage), dir, 1, short(), clock, SMALL)
}

fn shard() -> ShardId {
    ShardId("shardId-000000000000".to_owned())
}

fn record(data: &str, mark: Option<(&str, &str)>) -> NewRecord {
    NewRecord {
        partition_key: "key".to_owned(),
        explicit_hash_key: None,
        data: Bytes::copy_from_slice(data.as_bytes()),
        mark: mark.map(|(producer, state)| Mark {
            producer: producer.to_owned(),
            state: Bytes::copy_from_slice(state.as_bytes()),
        }),
    }
}

/// Reads to the end of the shard, or to the first error.
async fn read_all(stream: &Embedded, mut after: Option<Position>) -> (Vec<Record>, Option<Error>) {
    let limits = ReadLimits { records_max: 7, bytes_max: 3000, wait: Duration::ZERO };
    let mut records = Vec::new();
    loop {
        match Engine::read(stream, &shard(), after.as_ref(), limits).await {
            Ok(read) if read.records.is_empty() => return (records, None),
            Ok(read) => records.extend(read.records),
            Err(error) => return (records, Some(error)),
        }
        after = records.last().map(|record: &Record| record.position.clone());
    }
}

fn text(record: &Record) -> String {
    String::from_utf8(record.data.to_vec()).unwrap()
}
