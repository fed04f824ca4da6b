//! A row of the table: the columns of the Kinesis Client Library (KCL), and two of ours.
//!
//! | column | |
//! |---|---|
//! | `leaseKey` S | the shard |
//! | `leaseOwner` S, `leaseCounter` N | the worker that holds the shard; it counts on while it lives |
//! | `checkpoint` S, `checkpointSubSequenceNumber` N | the last record that is delivered whole, or [`TRIM_HORIZON`], `LATEST`, `AT_TIMESTAMP`, [`SHARD_END`] |
//! | `ownerSwitchesSinceCheckpoint` N, `parentShardId` SS, `childShardIds` SS, `startingHashKey` S, `endingHashKey` S | as a KCL has them |
//! | `hydrantTerm` N | grows whenever one of us takes the shard |
//! | `hydrant` S | the rest of the checkpoint: [`Stored`] |
//!
//! A `checkpoint` that does not say what `hydrant` says was written by a KCL that delivered the shard in between: it
//! holds, and our state is dropped. Every other column is left as it is.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use super::super::{Kept, Start};
use crate::stream::{Checkpoint, Error, Position, ShardId};

pub(super) type Item = HashMap<String, AttributeValue>;

/// Where nothing is delivered yet. Also where a shard shall begin at a time: a KCL looks that up in its own settings,
/// which may have none, and so it loses nothing.
pub(super) const TRIM_HORIZON: &str = "TRIM_HORIZON";

/// The shard is closed and delivered whole.
pub(super) const SHARD_END: &str = "SHARD_END";

/// What a KCL writes where its own settings say where to begin.
const AS_CONFIGURED: [&str; 2] = ["LATEST", "AT_TIMESTAMP"];

const VERSION: u32 = 1;

/// What a state may have, as [`Checkpoint`] says.
const STATE_BYTES_MAX: usize = 1024 * 1024;

/// DynamoDB takes 400 KB of names and values; the other columns need far less than the rest.
const STORED_BYTES_MAX: usize = 400 * 1024 - 8 * 1024;

/// What the table says of the lease on a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) shard: ShardId,
    pub(super) owner: Option<String>,
    pub(super) counter: Option<u64>,
    /// Its first record is delivered.
    pub(super) begun: bool,
    /// To its end.
    pub(super) delivered: bool,
}

/// `{"version":1,"stream":"logs 1637646352000","start":null,"position":"4954…","state":"H4sI…"}`: the stream and when it
/// was made, the time to begin at where there is no position (`null`: the oldest record), the exact position, and the
/// state in gzip and base64 (`null`: nothing was committed).
#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    stream: String,
    start: Option<i64>,
    position: Option<String>,
    state: Option<String>,
}

impl Row {
    /// `None`: it is no lease.
    pub(super) fn of(item: &Item) -> Option<Row> {
        let owner = text(item, "leaseOwner").filter(|owner| !owner.is_empty());
        let checkpoint = text(item, "checkpoint");
        Some(Row {
            shard: ShardId(text(item, "leaseKey")?.to_owned()),
            owner: owner.map(str::to_owned),
            counter: number(item, "leaseCounter"),
            begun: checkpoint
                .is_some_and(|checkpoint| checkpoint != TRIM_HORIZON && !AS_CONFIGURED.contains(&checkpoint)),
            delivered: checkpoint == Some(SHARD_END),
        })
    }
}

/// The columns `checkpoint` and `checkpointSubSequenceNumber`.
pub(super) fn columns(position: Option<&Position>) -> (String, u64) {
    let Some(position) = position else { return (TRIM_HORIZON.to_owned(), 0) };
    match position.0.split_once(':') {
        // A whole record counts as its own first part.
        None => (position.0.clone(), 0),
        Some((number, sub)) => (number.to_owned(), sub.parse().unwrap_or(0)),
    }
}

/// The column `hydrant`.
pub(super) fn stored(shard: &ShardId, stream: &str, kept: &Kept) -> Result<String, Error> {
    let state = kept.checkpoint.as_ref().map(|checkpoint| &checkpoint.state);
    let n_bytes = state.map_or(0, Bytes::len);
    if n_bytes > STATE_BYTES_MAX {
        return Err(Error::Fatal(format!("a checkpoint state of {n_bytes} bytes for {shard}")));
    }
    let position = kept.checkpoint.as_ref().and_then(|checkpoint| checkpoint.position.as_ref());
    let stored = Stored {
        version: VERSION,
        stream: stream.to_owned(),
        start: match kept.start {
            Start::Oldest => None,
            Start::At(ms) => Some(ms),
        },
        position: position.map(|position| position.0.clone()),
        state: state.map(|state| STANDARD.encode(compress(state))),
    };
    let stored = serde_json::to_string(&stored).map_err(|error| Error::Fatal(error.to_string()))?;
    if stored.len() > STORED_BYTES_MAX {
        return Err(Error::Fatal(format!(
            "a checkpoint state of {n_bytes} bytes for {shard} has {} bytes compressed: a row of a DynamoDB table takes \
             {STORED_BYTES_MAX}",
            stored.len()
        )));
    }
    Ok(stored)
}

/// Where a row begins: what `hydrant` says, if it is there.
pub(super) fn start(item: &Item) -> Option<Start> {
    let stored: Stored = serde_json::from_str(text(item, "hydrant")?).ok()?;
    Some(stored.start.map_or(Start::Oldest, Start::At))
}

/// What is kept of a shard. `configured`: where a row begins that says no more than that it is configured.
pub(super) fn kept(item: &Item, stream: &str, configured: Start) -> Result<Kept, Error> {
    let shard = text(item, "leaseKey").unwrap_or_default();
    let damaged = |problem: &str| Error::Fatal(format!("the checkpoint of {shard} cannot be read: {problem}"));
    let ours = text(item, "hydrant").map(|stored| read(stored, stream, &damaged)).transpose()?;
    let checkpoint = text(item, "checkpoint").ok_or_else(|| damaged("there is no column `checkpoint`"))?;
    let sub = number(item, "checkpointSubSequenceNumber").unwrap_or(0);
    match ours {
        Some(ours) if checkpoint == SHARD_END => return Ok(ours),
        Some(ours) => {
            let position = ours.checkpoint.as_ref().and_then(|checkpoint| checkpoint.position.as_ref());
            if columns(position) == (checkpoint.to_owned(), sub) {
                return Ok(ours);
            }
            tracing::warn!(
                shard,
                checkpoint,
                sub,
                "another program has moved the checkpoint: it holds, and what we kept beside it is dropped"
            );
        }
        None => tracing::info!(shard, checkpoint, sub, "delivery goes on where another program has stopped"),
    }
    if checkpoint == TRIM_HORIZON || checkpoint == SHARD_END {
        return Ok(Kept { start: Start::Oldest, checkpoint: None });
    }
    if AS_CONFIGURED.contains(&checkpoint) {
        return Ok(Kept { start: configured, checkpoint: None });
    }
    if checkpoint.is_empty() || !checkpoint.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(damaged(&format!("`{checkpoint}` is no checkpoint")));
    }
    // The part is named also where it is the first: there may be more of that record.
    let position = Some(Position(format!("{checkpoint}:{sub}")));
    Ok(Kept { start: configured, checkpoint: Some(Checkpoint { position, state: Bytes::new() }) })
}

fn read(stored: &str, stream: &str, damaged: &impl Fn(&str) -> Error) -> Result<Kept, Error> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let parse = |error: serde_json::Error| damaged(&error.to_string());
    let Versioned { version } = serde_json::from_str(stored).map_err(parse)?;
    if version > VERSION {
        return Err(damaged(&format!("it has version {version}, this program knows versions up to {VERSION}")));
    }
    let stored: Stored = serde_json::from_str(stored).map_err(parse)?;
    if stored.stream != stream {
        return Err(damaged(&format!(
            "the table belongs to the stream `{}`, not to `{stream}` (name, and when it was made)",
            stored.stream
        )));
    }
    let start = stored.start.map_or(Start::Oldest, Start::At);
    let Some(state) = stored.state else { return Ok(Kept { start, checkpoint: None }) };
    let state = STANDARD.decode(state).map_err(|error| damaged(&error.to_string()))?;
    let state = decompress(&state).map_err(|error| damaged(&error.to_string()))?;
    Ok(Kept { start, checkpoint: Some(Checkpoint { position: stored.position.map(Position), state: state.into() }) })
}

fn compress(state: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    match encoder.write_all(state).and_then(|()| encoder.finish()) {
        Ok(compressed) => compressed,
        Err(error) => unreachable!("a vector takes all bytes: {error}"),
    }
}

fn decompress(compressed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut state = Vec::new();
    let n_bytes = MultiGzDecoder::new(compressed).take(STATE_BYTES_MAX as u64 + 1).read_to_end(&mut state)?;
    if n_bytes > STATE_BYTES_MAX {
        return Err(std::io::Error::other(format!("its state has more than {STATE_BYTES_MAX} bytes")));
    }
    Ok(state)
}

fn text<'a>(item: &'a Item, column: &str) -> Option<&'a str> {
    item.get(column)?.as_s().ok().map(String::as_str)
}

pub(super) fn number(item: &Item, column: &str) -> Option<u64> {
    item.get(column)?.as_n().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "logs 7";

    fn item(checkpoint: &str, sub: u64, hydrant: Option<&str>) -> Item {
        let mut item = Item::from([
            ("leaseKey".to_owned(), AttributeValue::S("shardId-0".into())),
            ("checkpoint".to_owned(), AttributeValue::S(checkpoint.into())),
            ("checkpointSubSequenceNumber".to_owned(), AttributeValue::N(sub.to_string())),
        ]);
        item.extend(hydrant.map(|text| ("hydrant".to_owned(), AttributeValue::S(text.into()))));
        item
    }

    fn at(position: Option<&str>, state: &'static [u8]) -> Kept {
        let checkpoint = Checkpoint { position: position.map(|text| Position(text.into())), state: state.into() };
        Kept { start: Start::At(5), checkpoint: Some(checkpoint) }
    }

    fn ours(kept: &Kept) -> String {
        stored(&ShardId("shardId-0".into()), STREAM, kept).unwrap()
    }

    #[test]
    fn what_was_stored_is_read_again() {
        let nothing = Kept { start: Start::Oldest, checkpoint: None };
        let cases = [
            (at(Some("49"), b"state"), ("49", 0)),
            (at(Some("49:7"), b"\x00\xff"), ("49", 7)),
            (at(None, b"naming"), ("TRIM_HORIZON", 0)),
            (Kept { start: Start::At(9), checkpoint: None }, ("TRIM_HORIZON", 0)),
            (nothing, ("TRIM_HORIZON", 0)),
        ];
        for (case, (checkpoint, sub)) in cases {
            let position = case.checkpoint.as_ref().and_then(|checkpoint| checkpoint.position.as_ref());
            assert_eq!(columns(position), (checkpoint.to_owned(), sub));
            let item = item(checkpoint, sub, Some(&ours(&case)));
            assert_eq!(kept(&item, STREAM, Start::At(1)).unwrap(), case);
        }
        // Delivered whole: what was there last.
        let end = item(SHARD_END, 0, Some(&ours(&at(Some("49"), b"state"))));
        assert_eq!(kept(&end, STREAM, Start::Oldest).unwrap(), at(Some("49"), b"state"));
        assert!(Row::of(&end).unwrap().delivered);
    }

    #[test]
    fn a_row_of_a_client_library_is_taken_as_it_stands() {
        let kept = |checkpoint, sub, hydrant: Option<&str>| {
            kept(&item(checkpoint, sub, hydrant), STREAM, Start::At(5)).unwrap()
        };
        assert_eq!(kept("49", 0, None), at(Some("49:0"), b""));
        assert_eq!(kept("49", 3, None), at(Some("49:3"), b""));
        assert_eq!(kept("TRIM_HORIZON", 0, None), Kept { start: Start::Oldest, checkpoint: None });
        assert_eq!(kept("LATEST", 0, None), Kept { start: Start::At(5), checkpoint: None });
        assert_eq!(kept("AT_TIMESTAMP", 0, None), Kept { start: Start::At(5), checkpoint: None });
        // It went on from ours: what we kept is of an earlier place.
        let before = ours(&at(Some("49:3"), b"state"));
        assert_eq!(kept("49", 4, Some(&before)), at(Some("49:4"), b""));
        assert_eq!(kept("50", 3, Some(&before)), at(Some("50:3"), b""));
        assert_eq!(kept("TRIM_HORIZON", 0, Some(&before)), Kept { start: Start::Oldest, checkpoint: None });
    }

    #[test]
    fn what_is_no_checkpoint_of_this_stream_is_refused() {
        let refused = |checkpoint, hydrant: Option<&str>| {
            kept(&item(checkpoint, 0, hydrant), STREAM, Start::Oldest).unwrap_err().to_string()
        };
        let of = "the checkpoint of shardId-0 cannot be read: ";
        assert_eq!(refused("latest", None), format!("{of}`latest` is no checkpoint"));
        let newer = refused("49", Some(r#"{"version":2}"#));
        assert_eq!(newer, format!("{of}it has version 2, this program knows versions up to 1"));
        let other = stored(&ShardId("shardId-0".into()), "logs 6", &at(Some("49"), b"")).unwrap();
        let expected = "the table belongs to the stream `logs 6`, not to `logs 7` (name, and when it was made)";
        assert_eq!(refused("49", Some(&other)), format!("{of}{expected}"));
        for damaged in ["", "{}", r#"{"version":1,"stream":"logs 7","state":"!"}"#] {
            assert!(refused("49", Some(damaged)).starts_with(of), "{damaged}");
        }
    }

    #[test]
    fn a_state_may_have_what_a_row_takes_when_compressed() {
        let shard = ShardId("shardId-0".into());
        let with = |state: Vec<u8>| {
            let checkpoint = Checkpoint { position: None, state: state.into() };
            stored(&shard, STREAM, &Kept { start: Start::Oldest, checkpoint: Some(checkpoint) })
        };
        let full = vec![b'x'; STATE_BYTES_MAX];
        let read = kept(&item(TRIM_HORIZON, 0, Some(&with(full.clone()).unwrap())), STREAM, Start::Oldest).unwrap();
        assert_eq!(read.checkpoint.unwrap().state, full);
        let over = with(vec![b'x'; STATE_BYTES_MAX + 1]).unwrap_err();
        assert_eq!(over.to_string(), "a checkpoint state of 1048577 bytes for shardId-0");
        // Nothing that gzip can make smaller.
        let mut random = 1_u64;
        let noise = std::iter::repeat_with(|| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            random.to_be_bytes()[0]
        });
        let noise = with(noise.take(500_000).collect()).unwrap_err().to_string();
        assert!(noise.starts_with("a checkpoint state of 500000 bytes for shardId-0 has 66"), "{noise}");
        assert!(noise.ends_with(" bytes compressed: a row of a DynamoDB table takes 401408"), "{noise}");
    }
}
