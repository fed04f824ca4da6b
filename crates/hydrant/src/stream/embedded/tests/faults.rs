//! A full disk and failing syncs, at every operation, with a caller that retries as it should.

use std::path::Path;
use std::sync::Arc;

use super::super::Embedded;
use super::super::sequence;
use super::super::storage::Storage;
use super::crash_storage::{CrashStorage, Plan};
use super::{DIR, open, read_all, record, shard, text};
use crate::stream::{Checkpoint, Engine, Error};

const N_RECORDS: usize = 40;
const ATTEMPTS_MAX: usize = 20;

fn expected() -> Vec<String> {
    (0..N_RECORDS).map(|i| format!("{i}:{}", "x".repeat(i * 37 % 600))).collect()
}

async fn append_until_done(stream: &Embedded, data: &str) {
    for _ in 0..ATTEMPTS_MAX {
        match stream.append_records(vec![record(data, Some(("log", data)))]).await.unwrap().remove(0) {
            Ok(_) => return,
            Err(Error::Retry(text)) => assert!(text.contains(DIR), "names no path: {text}"),
            Err(Error::Fatal(text) | Error::Lost(text)) => panic!("{text}"),
        }
        let shown = read_all(stream, None).await.0;
        assert!(shown.iter().all(|shown| text(shown) != data), "a record that failed is visible");
    }
    panic!("{ATTEMPTS_MAX} attempts");
}

async fn commit_until_done(stream: &Embedded, counter: u64) {
    let checkpoint = Checkpoint { position: Some(sequence::position(0, counter)), state: "state".into() };
    for _ in 0..ATTEMPTS_MAX {
        match Engine::commit(stream, &shard(), checkpoint.clone()).await {
            Ok(()) => return,
            Err(Error::Retry(text)) => assert!(text.contains(DIR), "names no path: {text}"),
            Err(Error::Fatal(text) | Error::Lost(text)) => panic!("{text}"),
        }
    }
    panic!("{ATTEMPTS_MAX} attempts");
}

/// True if the fault was reached.
async fn live_through(at: u64, times: u64) -> bool {
    let failing = CrashStorage::new(at);
    let storage: Arc<dyn Storage> = Arc::new(failing.clone());
    failing.plan(Plan::Fail { at, times });
    let mut opened = open(&storage, Path::new(DIR));
    for _ in 0..ATTEMPTS_MAX {
        if let Err(Error::Retry(_)) = opened {
            opened = open(&storage, Path::new(DIR));
        }
    }
    let stream = opened.unwrap();
    for (i, data) in expected().iter().enumerate() {
        append_until_done(&stream, data).await;
        if i % 5 == 4 {
            commit_until_done(&stream, i as u64 - 2).await;
        }
    }
    let reached = failing.n_changes() > at;
    let (live, error) = read_all(&stream, Some(sequence::position(0, 37))).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!(live.iter().map(text).collect::<Vec<_>>(), expected()[37..]);
    drop(stream);

    failing.plan(Plan::Work);
    failing.lose_power();
    let stream = open(&storage, Path::new(DIR)).unwrap();
    let (records, error) = read_all(&stream, None).await;
    assert!(error.is_none(), "{error:?}");
    let first = usize::try_from(sequence::counter(0, &records[0].position).unwrap()).unwrap() - 1;
    assert!(first <= 37, "trimmed up to {first}, delivered up to 37");
    assert_eq!(records.iter().map(text).collect::<Vec<_>>(), expected()[first..]);
    let marks = Engine::marks(&stream).await.unwrap();
    assert_eq!(marks.len(), 1);
    assert_eq!(marks[0].state, expected()[N_RECORDS - 1]);
    reached
}

async fn fail_everywhere(times: u64) {
    let mut at = 0;
    while live_through(at, times).await {
        at += 1;
        assert!(at < 1000, "the work comes to an end");
    }
    assert!(at > 100, "only {at} places to fail at");
}

#[tokio::test(start_paused = true)]
async fn one_failed_operation_anywhere_is_only_a_retry() {
    fail_everywhere(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_stays_full_for_a_while_is_only_more_retries() {
    fail_everywhere(2).await;
    fail_everywhere(7).await;
}

#[tokio::test(start_paused = true)]
async fn marks_beyond_the_bound_of_a_header_are_refused_and_the_rest_goes_on() {
    let storage: Arc<dyn Storage> = Arc::new(CrashStorage::new(0));
    let stream = open(&storage, Path::new(DIR)).unwrap();
    let long = "s".repeat(400);
    let mut results = Vec::new();
    for producer in ["a", "b", "c"] {
        results.push(stream.append_records(vec![record("data", Some((producer, &long)))]).await.unwrap().remove(0));
    }
    assert!(results[0].is_ok() && results[1].is_ok());
    let Err(Error::Fatal(text)) = &results[2] else { panic!("{:?}", results[2]) };
    // 44 bytes of header, and 4 + 1 + 400 for each mark.
    assert!(text.contains("take 1259 bytes, more than the 1024"), "{text}");
    let again = stream.append_records(vec![record("data", Some(("a", "short")))]).await.unwrap().remove(0);
    assert!(again.is_ok());
    let again = stream.append_records(vec![record("data", Some(("c", &long)))]).await.unwrap().remove(0);
    assert!(again.is_ok(), "a shorter mark made room");
}
