//! The bytes on disk, against folders that an independent script made from `docs/stream-format.md`:
//! `tests/golden/stream-v1/make.py`. Folders are opened as copies. What a newer version wrote is refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::super::sequence;
use super::super::storage::Disk;
use super::super::{Embedded, Retention, Sizes};
use super::{SMALL, open, read_all, record, shard};
use crate::clock::Clock;
use crate::stream::{Checkpoint, Engine, Error, Mark, NewRecord, Record};

const SHARD: &str = "shardId-000000000000";
const OLD: &str = "00000000000000000001.segment";
const NEW: &str = "00000000000000000004.segment";

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/stream-v1").join(name)
}

fn copy_of(name: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir(copy.path().join(SHARD)).unwrap();
    for file in ["manifest", "shardId-000000000000/checkpoint"] {
        fs::copy(golden(name).join(file), copy.path().join(file)).unwrap();
    }
    for file in [OLD, NEW] {
        fs::copy(golden(name).join(SHARD).join(file), copy.path().join(SHARD).join(file)).unwrap();
    }
    copy
}

fn open_disk(dir: &Path) -> Result<Embedded, Error> {
    open(&(Arc::new(Disk) as _), dir)
}

/// Counter, partition key, explicit hash key and data of the six records.
fn six() -> Vec<(u64, &'static str, Option<u128>, Vec<u8>)> {
    vec![
        (1, "key", None, b"first".to_vec()),
        (2, "schlüssel", None, Vec::new()),
        (3, "key", Some(170_141_183_460_469_231_731_687_303_715_884_105_733), vec![b'x'; 4000]),
        (4, "key", None, b"fourth".to_vec()),
        (5, "key", None, b"fifth".to_vec()),
        (6, "key", None, (0..=255).collect()),
    ]
}

fn assert_records(records: &[Record], expected: &[(u64, &'static str, Option<u128>, Vec<u8>)]) {
    assert_eq!(records.len(), expected.len());
    for (record, (counter, key, hash_key, data)) in records.iter().zip(expected) {
        assert_eq!(record.sequence_number, format!("490000000000{counter:020}000000000000000000000000"));
        assert_eq!(record.arrival_ms, 1_700_000_000_000);
        assert_eq!((record.partition_key.as_str(), record.explicit_hash_key), (*key, *hash_key));
        assert_eq!(record.data, data);
    }
}

async fn marks(stream: &Embedded) -> BTreeMap<String, Bytes> {
    Engine::marks(stream).await.unwrap().into_iter().map(|mark| (mark.producer, mark.state)).collect()
}

fn states(expected: &[(&str, &'static str)]) -> BTreeMap<String, Bytes> {
    expected.iter().map(|(producer, state)| ((*producer).to_owned(), Bytes::from(*state))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_folder_of_version_1_is_read_whole() {
    let copy = copy_of("whole");
    let stream = open_disk(copy.path()).unwrap();
    let (records, error) = read_all(&stream, None).await;
    assert!(error.is_none(), "{error:?}");
    assert_records(&records, &six());
    assert_eq!(marks(&stream).await, states(&[("log-a", "at 4"), ("log-b", "at 3"), ("log-c", "")]));
    let checkpoint = Engine::checkpoint(&stream, &shard()).await.unwrap().unwrap();
    assert_eq!(checkpoint.position.unwrap().0, "49000000000000000000000000000002000000000000000000000000");
    assert_eq!(checkpoint.state, "two are delivered");
    let status = Engine::status(&stream).await.unwrap().remove(0);
    assert_eq!((status.records_waiting, status.oldest_waiting_ms), (Some(4), Some(1_700_000_000_000)));
}

#[tokio::test(start_paused = true)]
async fn a_torn_tail_of_version_1_is_cut_and_appending_goes_on() {
    let copy = copy_of("torn");
    let stream = open_disk(copy.path()).unwrap();
    let (records, error) = read_all(&stream, None).await;
    assert!(error.is_none(), "{error:?}");
    assert_records(&records, &six()[..5]);
    assert_eq!(marks(&stream).await, states(&[("log-a", "at 4"), ("log-b", "at 3")]));
    let appended = stream.append_records(vec![record("sixth", None)]).await.unwrap().remove(0).unwrap();
    assert_eq!(appended.sequence_number, "49000000000000000000000000000006000000000000000000000000");
}

#[tokio::test(start_paused = true)]
async fn damage_in_the_middle_of_version_1_is_reported_with_its_place() {
    let copy = copy_of("damaged");
    let before = fs::read(copy.path().join(SHARD).join(NEW)).unwrap();
    let stream = open_disk(copy.path()).unwrap();
    let (records, error) = read_all(&stream, None).await;
    assert_records(&records, &six()[..3]);
    // A header of 44 bytes with two marks of 4 + 5 + 4 bytes.
    let place = format!("{}/{SHARD}/{NEW} is damaged at byte 70: its checksum does not match", copy.path().display());
    assert_eq!(error.unwrap().to_string(), place);
    assert_eq!(fs::read(copy.path().join(SHARD).join(NEW)).unwrap(), before, "nothing is cut");
    let (records, error) = read_all(&stream, Some(sequence::position(0, 4))).await;
    assert!(error.is_none(), "{error:?}");
    assert_records(&records, &six()[4..]);
}

#[tokio::test(start_paused = true)]
async fn the_program_writes_version_1_as_documented() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Clock::starting_at(1_700_000_000_000);
    let keep = Retention { age: Duration::MAX, bytes: u64::MAX };
    // Three records fill the first segment: 44 bytes of header, 4247 of frames.
    let sizes = Sizes { segment_bytes: 4300, ..SMALL };
    let stream = Embedded::open_on(Arc::new(Disk), dir.path(), 1, keep, clock, sizes).unwrap();
    let mut records = six().into_iter().map(|(_, key, explicit_hash_key, data)| NewRecord {
        partition_key: key.to_owned(),
        explicit_hash_key,
        data: data.into(),
        mark: None,
    });
    let states = [Some(("log-a", "at 1")), None, Some(("log-b", "at 3")), Some(("log-a", "at 4")), None];
    let mut states = states.into_iter().chain([Some(("log-c", ""))]);
    for n_records in [2, 1, 1, 2] {
        let group = records.by_ref().take(n_records).zip(states.by_ref()).map(|(record, state)| {
            let mark = state.map(|(producer, state)| Mark { producer: producer.to_owned(), state: state.into() });
            NewRecord { mark, ..record }
        });
        assert!(stream.append_records(group.collect()).await.unwrap().iter().all(Result::is_ok));
    }
    let checkpoint = Checkpoint { position: Some(sequence::position(0, 2)), state: "two are delivered".into() };
    Engine::commit(&stream, &shard(), checkpoint).await.unwrap();
    drop(stream);
    let files =
        ["manifest".to_owned(), format!("{SHARD}/checkpoint"), format!("{SHARD}/{OLD}"), format!("{SHARD}/{NEW}")];
    for file in files {
        let (written, expected) = (fs::read(dir.path().join(&file)), fs::read(golden("whole").join(&file)));
        assert!(written.unwrap() == expected.unwrap(), "{file} differs");
    }
    assert_eq!(fs::read_dir(dir.path().join(SHARD)).unwrap().count(), 3, "nothing else is left there");
}

#[tokio::test(start_paused = true)]
async fn a_folder_of_a_newer_version_is_refused_by_name() {
    let newer_manifest = (PathBuf::from("manifest"), "hydrant stream version 2\nsomething else\n".as_bytes().to_vec());
    let shard = Path::new(SHARD);
    let newer_segment = |name: &str| {
        let mut bytes = fs::read(golden("whole").join(shard).join(name)).unwrap();
        bytes[8] = 2;
        (shard.join(name), bytes)
    };
    for (file, bytes) in [newer_manifest, newer_segment(OLD), newer_segment(NEW), newer_segment("checkpoint")] {
        let copy = copy_of("whole");
        let path = copy.path().join(&file);
        fs::write(&path, bytes).unwrap();
        let Err(Error::Fatal(text)) = open_disk(copy.path()) else { panic!("{} was opened", file.display()) };
        let expected = "has version 2 of the stream format, this program knows up to 1";
        assert_eq!(text, format!("{} {expected}", path.display()));
    }
}

#[tokio::test(start_paused = true)]
async fn another_number_of_shards_is_refused() {
    let copy = copy_of("whole");
    let open = |n_shards| Embedded::open(copy.path(), n_shards, Retention::default(), Clock::System);
    let text = open(2).err().unwrap().to_string();
    assert!(text.ends_with("has 1 shards, not 2: their number cannot be changed in this version"), "{text}");
    assert!(text.contains(copy.path().to_str().unwrap()));
    for n_shards in [0, 65] {
        let text = open(n_shards).err().unwrap().to_string();
        assert_eq!(text, format!("a stream has 1 to 64 shards, not {n_shards}"));
    }
}
