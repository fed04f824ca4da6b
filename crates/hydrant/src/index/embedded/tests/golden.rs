//! Folders that released versions wrote are opened, read and written on. Only version 2 exists so far: 1 was never
//! released.
//!
//! `tests/golden/index-v2` holds two indices, `general` with two commits and `json` with one. A change that
//! this test does not survive needs a new version of the folder and a way to read the old one.

use std::path::{Path, PathBuf};

use hydrant_transform::document::Outcome;
use tempfile::TempDir;

use super::{Embedded, addressed, kinds};
use crate::clock::Clock;
use crate::index::query::{Query, Search, Value};
use crate::index::{Engine, FieldType, TrackTotal};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/index-v2")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

async fn found(engine: &Embedded, query: Query) -> Vec<String> {
    let search = Search {
        indices: vec!["*".to_owned()],
        ignore_unavailable: false,
        query,
        sort: Vec::new(),
        from: 0,
        size: 10,
        track_total: TrackTotal::All,
        aggregations: Vec::new(),
    };
    let mut ids: Vec<String> = engine.search(search).await.unwrap().hits.into_iter().map(|hit| hit.id).collect();
    ids.sort();
    ids
}

fn term(field: &str, value: Value) -> Query {
    Query::Term { field: field.to_owned(), value, boost: 1.0 }
}

#[tokio::test]
async fn a_folder_of_version_2_is_read_and_written_on() {
    let folder = TempDir::new().unwrap();
    copy(&golden(), folder.path());
    let engine = Embedded::open(folder.path(), Clock::System).unwrap();
    let indices = engine.indices(&[]).await.unwrap();
    let told: Vec<_> = indices
        .iter()
        .map(|index| (index.name.as_str(), index.documents, index.uuid.as_str(), index.created_ms, &index.damaged))
        .collect();
    assert_eq!(
        told,
        [("general", 2, UUID_GENERAL, 1_795_721_728_912, &None), ("json", 1, UUID_JSON, 1_795_721_728_925, &None),]
    );
    assert!(indices[0].fields.contains(&("Statement".to_owned(), FieldType::Text)));
    let source = engine.get("general", FIRST).await.unwrap().unwrap();
    let source = String::from_utf8(source).unwrap();
    assert!(source.contains(r#""Statement":"select * from app_db.orders""#), "{source}");
    assert_eq!(
        engine.get("json", "plain id").await.unwrap().unwrap(),
        br#"{"user":{"name":"Ann"},"n":1.5,"day":"2022-01-15"}"#
    );

    assert_eq!(found(&engine, term("Statement", Value::String("orders".to_owned()))).await, [FIRST]);
    assert_eq!(found(&engine, term("Perform", Value::String("Quit".to_owned()))).await, [SECOND]);
    assert_eq!(found(&engine, term("PID", Value::Integer(9566))).await, [FIRST, SECOND]);
    assert_eq!(found(&engine, term("user.name.keyword", Value::String("Ann".to_owned()))).await, ["plain id"]);
    assert_eq!(found(&engine, term("n", Value::Float(1.5))).await, ["plain id"]);
    assert_eq!(found(&engine, term("day", Value::String("2022-01-15".to_owned()))).await, ["plain id"]);

    let outcomes = engine
        .write(&[
            addressed("general", FIRST, "{}"),
            addressed("json", "plain id", "{}"),
            addressed("json", "new", r#"{"n":2,"new":true}"#),
            addressed("json", "wrong", r#"{"n":"two"}"#),
        ])
        .await
        .unwrap();
    assert_eq!(kinds(&outcomes), ["duplicate", "duplicate", "indexed", "rejected"]);
    assert!(matches!(outcomes[2], Outcome::Indexed));
    assert_eq!(found(&engine, term("new", Value::Boolean(true))).await, ["new"]);
}

const FIRST: &str = "00112233445566778899aabbccddeeff";
const SECOND: &str = "ffeeddccbbaa99887766554433221100";
const UUID_GENERAL: &str = "K0_hFIaxRqaBE81vCbnhHQ";
const UUID_JSON: &str = "jaF7zk9YT-KQgPjVy0G1JQ";
