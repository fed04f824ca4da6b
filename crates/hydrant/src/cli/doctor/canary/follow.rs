//! Looking for the mark in the records of a stream: in the envelope that CloudWatch Logs packs, and in a finished
//! document that a transformation has sent back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hydrant_transform::envelope::gzip::is_gzip;
use serde_json::{Value as Json, json};

use crate::cli::doctor::read::aws::{Action, Aws};
use crate::cli::doctor::read::kinesis::{SHARDS_MAX, Stream};
use crate::cli::gunzip::Gunzip;

/// Records are read from so long before the canary was put on: clocks differ.
const BEFORE_MS: i64 = 10_000;

/// Of one record when it is unpacked.
const UNPACKED_MAX: u64 = 32 * 1024 * 1024;

/// Where each shard is read on.
#[derive(Default)]
pub(super) struct Shards(Vec<Shard>);

struct Shard {
    stream: String,
    iterator: String,
}

impl Shards {
    pub(super) async fn at(aws: &Aws, stream: &Stream, now_ms: i64) -> Shards {
        let mut shards = Vec::new();
        for id in stream.shards.iter().take(SHARDS_MAX) {
            let seconds = (now_ms - BEFORE_MS) / 1_000;
            let asked = json!({"StreamName": stream.name, "ShardId": id, "ShardIteratorType": "AT_TIMESTAMP",
                "Timestamp": seconds});
            let answer = aws.json(Action::GetShardIterator, &stream.name, &asked).await;
            let iterator = answer.found().and_then(|answer| Some(answer.get("ShardIterator")?.as_str()?.to_owned()));
            shards.extend(iterator.map(|iterator| Shard { stream: stream.name.clone(), iterator }));
        }
        Shards(shards)
    }

    /// Reads each shard once; answers whether the mark stood in an envelope, and in a document.
    pub(super) async fn look(&mut self, aws: &Aws, mark: &str) -> (bool, bool) {
        let (mut envelope, mut document) = (false, false);
        for shard in &mut self.0 {
            if shard.iterator.is_empty() {
                continue;
            }
            let asked = json!({"ShardIterator": shard.iterator, "Limit": 1_000});
            let answer = aws.json(Action::GetRecords, &shard.stream, &asked).await;
            let Some(answer) = answer.found() else {
                // What is refused once is refused each time.
                shard.iterator.clear();
                continue;
            };
            for record in answer.get("Records").and_then(Json::as_array).into_iter().flatten() {
                let data = record.get("Data").and_then(Json::as_str).unwrap_or_default();
                let data = STANDARD.decode(data).unwrap_or_default();
                if holds(&data, mark) {
                    if is_gzip(&data) { envelope = true } else { document = true }
                }
            }
            let next = answer.get("NextShardIterator").and_then(Json::as_str).unwrap_or_default();
            next.clone_into(&mut shard.iterator);
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
