//! The engine on a real folder: what its callers see, and what it makes of damage.

mod disk;

mod golden;

mod power_loss;

use std::path::Path;

use futures_util::FutureExt;
use hydrant_transform::document::{Document, DocumentId, Outcome};
use hydrant_transform::entry::Format;
use tempfile::TempDir;

use super::Embedded;
use super::manifest::FILE_NAME;
use crate::clock::Clock;
use crate::index::{Addressed, Engine, Error, FieldType};

pub(super) fn document(id: &str, format: Format, source: &str) -> Document {
    Document {
        id: DocumentId::from(id.to_owned()),
        format,
        timestamp_ms: 0,
        ordinal: 0,
        source: source.into(),
        event_idx: 0,
    }
}

fn addressed(index_name: &str, id: &str, source: &str) -> Addressed {
    Addressed { index_name: index_name.to_owned(), document: document(id, Format::Json, source) }
}

fn engine(folder: &TempDir) -> Embedded {
    Embedded::open(&folder.path().join("index"), Clock::System).unwrap()
}

fn kinds(outcomes: &[Outcome]) -> Vec<&'static str> {
    outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Indexed => "indexed",
            Outcome::Duplicate => "duplicate",
            Outcome::Retry(_) | Outcome::Paused(_) => "retry",
            Outcome::Rejected(_) => "rejected",
        })
        .collect()
}

fn retry_reason(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Retry(reason) => &reason.message,
        Outcome::Indexed | Outcome::Duplicate | Outcome::Paused(_) | Outcome::Rejected(_) => panic!("{outcome:?}"),
    }
}

async fn write_one(engine: &Embedded, index_name: &str, id: &str) -> Outcome {
    engine.write(&[addressed(index_name, id, r#"{"n":1}"#)]).await.unwrap().remove(0)
}

#[tokio::test]
async fn documents_are_there_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let first = engine(&folder);
    let source = r#"{"n":1,"s":"x"}"#;
    let outcomes = first.write(&[addressed("a", "1", source), addressed("b", "1", source)]).await.unwrap();
    assert_eq!(kinds(&outcomes), ["indexed", "indexed"]);
    let before = first.indices(&[]).await.unwrap();
    drop(first);

    let second = engine(&folder);
    assert_eq!(second.indices(&[]).await.unwrap(), before);
    assert_eq!(before[0].name, "a");
    assert_eq!((before[0].documents, before[0].uuid.len()), (1, 22));
    assert_eq!(before[0].fields, [("n".to_owned(), FieldType::Long), ("s".to_owned(), FieldType::TextWithKeyword)]);
    assert_eq!(second.get("a", "1").await.unwrap().unwrap(), source.as_bytes());
    assert_eq!(second.get("a", "2").await.unwrap(), None);
    assert_eq!(kinds(&[write_one(&second, "a", "1").await]), ["duplicate"]);
    let mixed = second.write(&[addressed("a", "2", r#"{"n":"word"}"#), addressed("a", "3", "{}")]).await.unwrap();
    assert_eq!(kinds(&mixed), ["rejected", "indexed"]);
}

#[tokio::test]
async fn a_token_of_any_length_loses_no_document() {
    let folder = TempDir::new().unwrap();
    let engine = engine(&folder);
    let long = "x".repeat(200_000);
    let source = format!(r#"{{"Statement":"{long}","message":"{long}","Perform":"{long}","other":"{long}"}}"#);
    for format in Format::ALL {
        let index_name = format!("long-{}", format.name());
        let document = document("1", format, &source);
        let outcomes = engine.write(&[Addressed { index_name: index_name.clone(), document }]).await.unwrap();
        assert_eq!(kinds(&outcomes), ["indexed"]);
        assert_eq!(engine.get(&index_name, "1").await.unwrap().unwrap(), source.as_bytes());
    }
}

#[tokio::test]
async fn a_name_that_would_leave_the_folder_is_refused() {
    let folder = TempDir::new().unwrap();
    let engine = engine(&folder);
    for name in ["../x", "..", "/tmp/x", "a/b", "", "Upper"] {
        assert_eq!(kinds(&[write_one(&engine, name, "1").await]), ["rejected"], "{name}");
        assert!(matches!(engine.get(name, "1").await, Err(Error::IndexNotFound(_))), "{name}");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["index"]);
}

/// Damages a folder, then asks that only its own documents suffer and that its name and cause are told.
async fn check_damage(harm: impl Fn(&Path), told: &str) {
    let folder = TempDir::new().unwrap();
    let before = engine(&folder);
    for name in ["bad", "good"] {
        assert_eq!(write_one(&before, name, "1").await, Outcome::Indexed);
    }
    drop(before);
    let bad = folder.path().join("index/bad");
    harm(&bad);
    let listing = |folder: &Path| {
        let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let files = listing(&bad);

    let engine = engine(&folder);
    let batch = [addressed("bad", "2", "{}"), addressed("good", "2", "{}"), addressed("bad", "1", "{}")];
    let outcomes = engine.write(&batch).await.unwrap();
    assert_eq!(kinds(&outcomes), ["retry", "indexed", "retry"]);
    let reason = retry_reason(&outcomes[0]);
    assert!(reason.contains("index/bad") && reason.contains(told), "{reason}");
    let status = engine.indices(&[]).await.unwrap();
    assert_eq!(status.iter().map(|index| index.name.as_str()).collect::<Vec<_>>(), ["bad", "good"]);
    assert_eq!(status[0].damaged.as_deref(), Some(reason));
    assert_eq!(status[1].damaged, None);
    assert!(matches!(engine.get("bad", "1").await, Err(Error::Retry(_))));
    // Nothing was repaired or thrown away behind the operator's back.
    assert_eq!(listing(&bad), files);

    // The operator moves the folder away: a new index begins.
    std::fs::rename(&bad, folder.path().join("moved")).unwrap();
    assert_eq!(write_one(&engine, "bad", "2").await, Outcome::Indexed);
}

#[tokio::test]
async fn a_folder_without_its_own_file_is_damaged() {
    check_damage(|folder| std::fs::remove_file(folder.join(FILE_NAME)).unwrap(), "hydrant-index.json is missing").await;
}

#[tokio::test]
async fn a_folder_without_segment_list_is_damaged() {
    check_damage(|folder| std::fs::remove_file(folder.join("meta.json")).unwrap(), "meta.json is missing").await;
}

#[tokio::test]
async fn a_cut_segment_list_is_damage() {
    let cut = |folder: &Path| {
        let path = folder.join("meta.json");
        let text = std::fs::read(&path).unwrap();
        std::fs::write(&path, &text[..text.len() / 2]).unwrap();
    };
    check_damage(cut, "").await;
}

#[tokio::test]
async fn a_lost_segment_file_is_damage() {
    let lose = |folder: &Path| {
        let term = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let term = term.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "store"));
        std::fs::remove_file(term.unwrap()).unwrap();
    };
    check_damage(lose, "store").await;
}

#[tokio::test]
async fn an_emptied_segment_file_is_damage() {
    let empty = |folder: &Path| {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "idx") {
                std::fs::write(path, b"").unwrap();
            }
        }
    };
    check_damage(empty, "").await;
}

#[tokio::test]
async fn a_folder_of_another_version_is_refused_by_name() {
    let older = |folder: &Path| {
        std::fs::write(folder.join(FILE_NAME), r#"{"version":1,"whatever":[]}"#).unwrap();
    };
    check_damage(older, "hydrant-index.json has version 1, this program reads 2").await;
    let newer = |folder: &Path| {
        std::fs::write(folder.join(FILE_NAME), r#"{"version":3,"whatever":[]}"#).unwrap();
    };
    check_damage(newer, "hydrant-index.json has version 3, this program reads 2").await;
}

#[tokio::test]
async fn a_folder_that_was_made_and_never_filled_is_taken_up() {
    let folder = TempDir::new().unwrap();
    let engine = engine(&folder);
    std::fs::create_dir(folder.path().join("index/new")).unwrap();
    assert_eq!(engine.indices(&[]).await.unwrap(), []);
    assert_eq!(write_one(&engine, "new", "1").await, Outcome::Indexed);
    assert_eq!(engine.indices(&[]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_folder_that_is_moved_away_while_it_is_open_begins_anew() {
    let folder = TempDir::new().unwrap();
    let engine = engine(&folder);
    assert_eq!(write_one(&engine, "a", "1").await, Outcome::Indexed);
    std::fs::rename(folder.path().join("index/a"), folder.path().join("moved")).unwrap();
    let first = write_one(&engine, "a", "1").await;
    assert!(matches!(first, Outcome::Retry(_) | Outcome::Duplicate), "{first:?}");
    let second = write_one(&engine, "a", "2").await;
    assert!(retry_reason(&second).contains("index/a"), "{second:?}");
    assert_eq!(write_one(&engine, "a", "1").await, Outcome::Indexed);
    assert_eq!(engine.get("a", "2").await.unwrap(), None);
}

#[tokio::test]
async fn temporary_files_that_a_crash_left_are_removed() {
    let folder = TempDir::new().unwrap();
    assert_eq!(write_one(&engine(&folder), "a", "1").await, Outcome::Indexed);
    let left = folder.path().join("index/a/.tmpAbCdEf");
    std::fs::write(&left, "cut").unwrap();
    assert_eq!(write_one(&engine(&folder), "a", "2").await, Outcome::Indexed);
    assert!(!left.exists());
}

#[tokio::test]
async fn a_write_that_was_dropped_may_be_offered_again() {
    let folder = TempDir::new().unwrap();
    let engine = engine(&folder);
    let batch: Vec<Addressed> = (0..100).map(|id| addressed("a", &id.to_string(), "{}")).collect();
    for _ in 0..5 {
        // Polled once, then dropped: the batch is on its way or not.
        assert!(engine.write(&batch).now_or_never().is_none());
    }
    let outcomes = engine.write(&batch).await.unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Indexed | Outcome::Duplicate)));
    assert_eq!(engine.indices(&[]).await.unwrap()[0].documents, 100);
}

#[tokio::test]
async fn more_indices_than_may_stay_open_are_written_and_read() {
    let folder = TempDir::new().unwrap();
    let engine = engine(&folder);
    let names: Vec<String> = (0..super::OPEN_MAX + 6).map(|number| format!("i{number:03}")).collect();
    for round in ["1", "2"] {
        let batch: Vec<Addressed> = names.iter().map(|name| addressed(name, round, "{}")).collect();
        let outcomes = engine.write(&batch).await.unwrap();
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Indexed), "{outcomes:?}");
    }
    assert!(engine.indices(&[]).await.unwrap().iter().all(|index| index.documents == 2));
    let open = engine.store.open.lock().unwrap();
    assert!(open.len() <= super::OPEN_MAX);
    let writers = open.values().filter(|open| open.index.writer_rests_since().is_some()).count();
    assert!(writers <= super::WRITERS_MAX);
}

#[tokio::test]
async fn many_segments_are_merged_while_documents_come() {
    let folder = TempDir::new().unwrap();
    let engine = engine(&folder);
    for batch in 0..40 {
        let documents: Vec<Addressed> =
            (0..50).map(|number| addressed("a", &format!("{batch}-{number}"), r#"{"n":1}"#)).collect();
        engine.write(&documents).await.unwrap();
    }
    let again: Vec<Addressed> = (0..50).map(|number| addressed("a", &format!("7-{number}"), r#"{"n":1}"#)).collect();
    assert!(engine.write(&again).await.unwrap().iter().all(|outcome| *outcome == Outcome::Duplicate));
    assert_eq!(engine.indices(&[]).await.unwrap()[0].documents, 2000);
}
