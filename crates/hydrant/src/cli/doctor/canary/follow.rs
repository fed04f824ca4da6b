//! Looking for the mark in the records of a stream: in the envelope that CloudWatch Logs packs, and in a finished
//! document that a transformation has sent back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hydrant_transform::envelope::gzip::is_gzip;
use serde_json::{Value as Json, json};

use crate::cli::doctor::read::aws::{Action, Aws, Polled, text};
use crate::cli::doctor::read::kinesis::{SHARDS_MAX, Stream};
use crate::cli::gunzip::Gunzip;

/// Records are read from so long before the canary was put on: clocks differ.
const BEFORE_MS: i64 = 10_000;

/// Of one poll of a shard, whose two megabytes a second its own readers need.
const RECORDS_MAX: u32 = 100;

/// Of one record when it is unpacked.
const UNPACKED_MAX: u64 = 32 * 1024 * 1024;

/// Where each shard is read on.
#[derive(Default)]
pub(super) struct Shards(Vec<Shard>);

struct Shard {
    stream: String,
    id: String,
    /// From when on it is read.
    since_seconds: i64,
    /// `None`: it is read no more.
    iterator: Option<String>,
}

impl Shard {
    /// Where it is read from the start.
    async fn begin(&mut self, aws: &Aws) {
        let asked = json!({"StreamName": self.stream, "ShardId": self.id, "ShardIteratorType": "AT_TIMESTAMP",
            "Timestamp": self.since_seconds});
        let answer = aws.json(Action::GetShardIterator, &self.stream, &asked).await;
        self.iterator = answer.found().and_then(|answer| text(answer, "ShardIterator"));
    }

    /// The next records; none where the shard cannot be read now.
    async fn next(&mut self, aws: &Aws) -> Vec<Vec<u8>> {
        let Some(iterator) = &self.iterator else { return Vec::new() };
        let asked = json!({"ShardIterator": iterator, "Limit": RECORDS_MAX});
        let answer = match aws.poll(Action::GetRecords, &self.stream, &asked).await {
            Polled::Found(answer) => answer,
            Polled::Later => return Vec::new(),
            Polled::Expired => {
                self.begin(aws).await;
                return Vec::new();
            }
            Polled::Never => {
                self.iterator = None;
                return Vec::new();
            }
        };
        self.iterator = text(&answer, "NextShardIterator");
        let records = answer.get("Records").and_then(Json::as_array).into_iter().flatten();
        let data = |record: &Json| STANDARD.decode(record.get("Data")?.as_str()?).ok();
        records.filter_map(data).collect()
    }
}

impl Shards {
    pub(super) async fn at(aws: &Aws, stream: &Stream, now_ms: i64) -> Shards {
        let mut shards = Vec::new();
        for id in stream.shards.iter().take(SHARDS_MAX) {
            let since_seconds = (now_ms - BEFORE_MS) / 1_000;
            let mut shard = Shard { stream: stream.name.clone(), id: id.clone(), since_seconds, iterator: None };
            shard.begin(aws).await;
            shards.push(shard);
        }
        Shards(shards)
    }

    /// Reads each shard once; answers whether the mark stood in an envelope, and in a document.
    pub(super) async fn look(&mut self, aws: &Aws, mark: &str) -> (bool, bool) {
        let (mut envelope, mut document) = (false, false);
        for shard in &mut self.0 {
            for data in shard.next(aws).await {
                if holds(&data, mark) {
                    if is_gzip(&data) { envelope = true } else { document = true }
                }
            }
        }
        (envelope, document)
    }
}

/// Whether a record, unpacked where it is packed, holds the mark.
fn holds(data: &[u8], mark: &str) -> bool {
    use std::io::Read as _;

    let mut unpacked = Vec::new();
    let data = if is_gzip(data) {
        // What is cut off holds it or does not.
        drop(Gunzip::new(data).take(UNPACKED_MAX).read_to_end(&mut unpacked));
        &unpacked
    } else {
        data
    };
    memchr::memmem::find(data, mark.as_bytes()).is_some()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::holds;

    #[test]
    fn the_mark_is_found_in_packed_and_in_plain_records() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(b"{\"logStream\":\"hydrant-canary-1\"}").unwrap();
        let packed = encoder.finish().unwrap();
        assert!(holds(&packed, "hydrant-canary-1") && holds(b"x hydrant-canary-1 y", "hydrant-canary-1"));
        assert!(!holds(&packed, "hydrant-canary-2") && !holds(&packed[..9], "hydrant-canary-1") && !holds(b"", "x"));
    }
}
