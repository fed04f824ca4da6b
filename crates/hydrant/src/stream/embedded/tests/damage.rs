//! Damaged folders: every byte flipped, every length cut. Wrong data is never answered, and damage is named.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::sequence;
use super::super::storage::Storage;
use super::crash_storage::CrashStorage;
use super::{DIR, open, read_all, record, shard, text};
use crate::stream::{Checkpoint, Engine, Error};

const N_RECORDS: usize = 16;

fn expected() -> Vec<String> {
    (0..N_RECORDS).map(|i| format!("record {i} {}", "x".repeat(500))).collect()
}

fn segment(first: u64) -> PathBuf {
    Path::new(DIR).join(format!("shardId-000000000000/{first:020}.segment"))
}

/// Sixteen records, two per group, in segments that begin with records 1, 7 and 13; record 2 is committed.
async fn whole() -> CrashStorage {
    let storage = CrashStorage::new(0);
    let stream = open(&(Arc::new(storage.clone()) as Arc<dyn Storage>), Path::new(DIR)).unwrap();
    for pair in expected().chunks(2) {
        let records = pair.iter().map(|data| record(data, Some(("log", &data[..9])))).collect();
        assert!(stream.append_records(records).await.unwrap().iter().all(Result::is_ok));
    }
    let checkpoint = Checkpoint { position: Some(sequence::position(0, 2)), state: "state".into() };
    Engine::commit(&stream, &shard(), checkpoint).await.unwrap();
    let segments: Vec<_> = storage.files().into_keys().filter(|path| path.extension().is_some()).collect();
    assert_eq!(segments, [segment(1), segment(7), segment(13)]);
    storage
}

/// What is read, and what stopped it: at the opening or while reading.
async fn outcome(storage: &CrashStorage) -> (Vec<String>, Option<Error>, bool) {
    match open(&(Arc::new(storage.clone()) as Arc<dyn Storage>), Path::new(DIR)) {
        Err(error) => (Vec::new(), Some(error), false),
        Ok(stream) => {
            let (records, error) = read_all(&stream, None).await;
            (records.iter().map(text).collect(), error, true)
        }
    }
}

fn assert_names(error: &Error, path: &Path) {
    let Error::Fatal(text) = error else { panic!("{error:?}") };
    assert!(text.contains(path.to_str().unwrap()), "`{text}` does not name {}", path.display());
}

/// What is not delivered is never removed, so it is not skipped either when somebody else has removed it.
#[tokio::test(start_paused = true)]
async fn a_missing_file_is_named_and_no_record_skipped() {
    let files = whole().await.files();
    for (missing, told) in [
        (segment(1), "begins with record 7, but its checkpoint says that record 3 is not delivered yet"),
        (segment(7), "it ends before record 7, the next segment begins with 13"),
    ] {
        let mut rest = files.clone();
        rest.remove(&missing).unwrap();
        let (records, error, _) = outcome(&CrashStorage::holding(&rest)).await;
        let Some(Error::Fatal(text)) = error else { panic!("{error:?}") };
        assert!(text.contains(told), "{text}");
        assert_eq!(records, expected()[..records.len()]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_flipped_byte_anywhere_is_reported_with_its_file_and_never_read_past() {
    let files = whole().await.files();
    let expected = expected();
    for (path, bytes) in &files {
        for offset in 0..bytes.len() {
            let storage = CrashStorage::holding(&files);
            storage.flip(path, offset);
            let (read, error, opened) = outcome(&storage).await;
            assert_eq!(read, expected[..read.len()], "byte {offset} of {}", path.display());
            match error {
                Some(error) => {
                    assert_names(&error, path);
                    assert!(!opened || error.to_string().contains("damaged at byte"), "{error}");
                }
                // The last group can't be told from a torn write: it was never followed by another.
                None => {
                    assert!(read.len() == 14 || read.len() == 15, "byte {offset} of {} unnoticed", path.display());
                    assert_eq!(path, &segment(13));
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn records_behind_damage_keep_their_numbers_and_appending_goes_on() {
    let storage = whole().await;
    let body_of_record_13 = storage.files()[&segment(13)].len() - 3 * 600;
    storage.flip(&segment(13), body_of_record_13);
    let (read, error, opened) = outcome(&storage).await;
    assert!(opened);
    assert_eq!(read.len(), 12);
    assert_names(&error.unwrap(), &segment(13));

    let stream = open(&(Arc::new(storage.clone()) as Arc<dyn Storage>), Path::new(DIR)).unwrap();
    let results = stream.append_records(vec![record("seventeenth", None)]).await.unwrap();
    assert_eq!(results[0].as_ref().unwrap().sequence_number, sequence::write(0, 17));
    let (behind, error) = read_all(&stream, Some(sequence::position(0, 14))).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(behind.iter().map(text).collect::<Vec<_>>(), [&expected()[14], &expected()[15], "seventeenth"]);
}

#[tokio::test(start_paused = true)]
async fn a_tail_cut_anywhere_leaves_the_whole_records_before_it() {
    let files = whole().await.files();
    let length = files[&segment(13)].len();
    // A header of 44 bytes with one mark: 4 + 3 + 9. A frame: 64, key 3, mark 3 + 9, data 509 or 510 bytes.
    let header = 44 + 16;
    let frame = 64 + 3 + 12 + 510;
    assert_eq!(length, header + 4 * frame);
    for cut in 0..length {
        let storage = CrashStorage::holding(&files);
        storage.cut(&segment(13), cut);
        let (read, error, opened) = outcome(&storage).await;
        if cut < header {
            assert!(!opened);
            assert_names(&error.unwrap(), &segment(13));
        } else {
            assert!(error.is_none(), "{error:?}");
            assert_eq!(read, expected()[..12 + (cut - header) / frame]);
            assert_eq!(storage.files()[&segment(13)].len(), header + (cut - header) / frame * frame);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_older_segment_that_is_short_is_damage() {
    let files = whole().await.files();
    let length = files[&segment(7)].len();
    for cut in [0, 10, 60, 700, length - 1] {
        let storage = CrashStorage::holding(&files);
        storage.cut(&segment(7), cut);
        let (read, error, opened) = outcome(&storage).await;
        assert!(opened);
        assert!(read.len() >= 6 && read.len() < 12);
        assert_names(&error.unwrap(), &segment(7));
        assert_eq!(storage.files()[&segment(7)].len(), cut, "it is left as it is");
    }
}

#[tokio::test(start_paused = true)]
async fn an_older_segment_cut_between_records_or_missing_is_damage() {
    let mut files = whole().await.files();
    let storage = CrashStorage::holding(&files);
    let frame = 64 + 3 + 12 + 510;
    storage.cut(&segment(7), files[&segment(7)].len() - frame);
    let (read, error, _) = outcome(&storage).await;
    assert_eq!(read.len(), 11);
    let error = error.unwrap().to_string();
    assert!(
        error.contains("007.segment is damaged at byte")
            && error.contains("ends before record 12, the next segment begins with 13"),
        "{error}"
    );

    files.remove(&segment(7));
    let (read, error, _) = outcome(&CrashStorage::holding(&files)).await;
    assert_eq!(read.len(), 6);
    let error = error.unwrap().to_string();
    assert!(
        error.contains("001.segment is damaged at byte")
            && error.contains("ends before record 7, the next segment begins with 13"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn committed_records_that_are_missing_are_reported_at_the_opening() {
    let storage = whole().await;
    let stream = open(&(Arc::new(storage.clone()) as Arc<dyn Storage>), Path::new(DIR)).unwrap();
    let checkpoint = Checkpoint { position: Some(sequence::position(0, 16)), state: "state".into() };
    Engine::commit(&stream, &shard(), checkpoint).await.unwrap();
    drop(stream);
    let files = storage.files();
    let length = files[&segment(13)].len();
    for cut in [length - 1, length - 589] {
        let storage = CrashStorage::holding(&files);
        storage.cut(&segment(13), cut);
        let (_, error, opened) = outcome(&storage).await;
        assert!(!opened);
        assert_names(&error.unwrap(), &segment(13));
        assert_eq!(storage.files()[&segment(13)].len(), cut, "nothing is cut");
    }
}

#[tokio::test(start_paused = true)]
async fn a_folder_without_its_manifest_or_segments_is_refused() {
    let mut files = whole().await.files();
    let mut without_segments = files.clone();
    files.remove(&Path::new(DIR).join("manifest"));
    let (_, error, opened) = outcome(&CrashStorage::holding(&files)).await;
    assert!(!opened);
    assert!(error.unwrap().to_string().contains("no manifest"));

    without_segments.retain(|path, _| path.extension().is_none());
    let (_, error, opened) = outcome(&CrashStorage::holding(&without_segments)).await;
    assert!(!opened);
    assert!(error.unwrap().to_string().contains("holds no segment"));
}

/// What waits is counted, whatever state it is in: somebody has to be told how much it is.
#[tokio::test(start_paused = true)]
async fn a_damaged_record_still_waits() {
    let files = whole().await.files();
    let storage = CrashStorage::holding(&files);
    // The third of six records behind a header of 44 bytes: the first that waits.
    let each = (files[&segment(1)].len() - 44) / 6;
    storage.flip(&segment(1), 44 + 2 * each + each / 2);
    let stream = open(&(Arc::new(storage) as Arc<dyn Storage>), Path::new(DIR)).unwrap();
    let status = Engine::status(&stream).await.unwrap();
    assert_eq!((status[0].records_waiting, status[0].oldest_waiting_ms), (Some(14), None));
}
