//! Replays of objects written by hand, into an embedded index in a folder.

mod again;

mod firehose;

mod ours;

mod reading;

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use hydrant_transform::document::{Document, DocumentId, IndexNaming, Rotation};
use hydrant_transform::entry::Format;
use hydrant_transform::record::Options;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::deliver::failed::{Directory, Store};
use crate::index::embedded::Embedded;
use crate::index::{Addressed, Engine as _, Query, Search, TrackTotal};

/// 2021-07-23T05:45:52.976Z
const TIME_MS: i64 = 1_627_019_152_976;

/// CloudWatch's, told apart by their last two digits.
fn event_id(number: u32) -> String {
    format!("362837395636468934255058539733353899317658106449690000{number:02}")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// A subscription's record with these log events: id and message.
fn envelope(events: &[(String, &str)]) -> Vec<u8> {
    envelope_of("/aws/rds/instance/db/general", events)
}

fn envelope_of(log_group: &str, events: &[(String, &str)]) -> Vec<u8> {
    let events: Vec<Value> =
        events.iter().map(|(id, message)| json!({"id": id, "timestamp": TIME_MS, "message": message})).collect();
    let envelope = json!({
        "messageType": "DATA_MESSAGE", "owner": "908047316593", "logGroup": log_group,
        "logStream": "db", "subscriptionFilters": ["f"], "logEvents": events,
    });
    gzip(envelope.to_string().as_bytes())
}

fn general(statement: &str) -> String {
    format!("2021-07-23T05:45:52.976229Z\t  199 Query\t{statement}")
}

/// A line that Hydrant wrote.
fn ours(id: &str, ordinal: u32, raw: &[u8]) -> String {
    json!({
        "rawData": base64(raw), "errorCode": "Hydrant.TransformFailed", "errorMessage": "m", "attemptsMade": 1,
        "arrivalTimestamp": TIME_MS, "attemptEndingTimestamp": TIME_MS, "esDocumentId": id, "ordinal": ordinal,
        "format": null, "reasonCode": "Hydrant.TooLarge",
    })
    .to_string()
}

/// A folder with objects, an index and failed/.
struct World {
    folder: TempDir,
    index: Arc<Embedded>,
}

impl World {
    fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let index = Arc::new(Embedded::open(&folder.path().join("index"), Clock::System).unwrap());
        World { folder, index }
    }

    fn put(&self, key: &str, bytes: impl AsRef<[u8]>) {
        let path = self.folder.path().join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Of the objects below `from`; those of `failed` are failed/ itself.
    fn replay(&self, from: &str, options: Options) -> Replay {
        let root = self.folder.path().join(from);
        let failed = Store::new(Arc::new(Directory::open(&self.folder.path().join("failed")).unwrap()));
        let is_failed = from == "failed";
        let objects = if is_failed { failed.objects() } else { Arc::new(Directory::read_only(&root)) as _ };
        Replay {
            source: Source { objects, prefix: String::new(), name: from.to_owned(), is_failed },
            index: self.index.clone(),
            failed,
            rules: Rules {
                transform: options,
                naming: IndexNaming::new("hydrant-{format}", Rotation::OneDay).unwrap(),
                firehose_index: None,
                overwrites: true,
            },
            filter: Filter::default(),
            rate: None,
            dry_run: false,
            clock: Clock::System,
        }
    }

    async fn count(&self, index: &str) -> u64 {
        let search = Search {
            indices: vec![index.to_owned()],
            ignore_unavailable: true,
            query: Query::MatchAll,
            sort: Vec::new(),
            from: 0,
            size: 0,
            track_total: TrackTotal::All,
            aggregations: Vec::new(),
        };
        self.index.search(search).await.unwrap().total.unwrap().value
    }

    async fn get(&self, index: &str, id: &str) -> Option<Value> {
        let found = self.index.get(index, id).await.unwrap();
        found.map(|source| serde_json::from_slice(&source).unwrap())
    }

    async fn write(&self, index: &str, id: &str, source: &Value) {
        let document = Document {
            id: DocumentId::from(id.to_owned()),
            format: Format::Json,
            timestamp_ms: 0,
            ordinal: 0,
            source: source.to_string().into_bytes(),
            event_idx: 0,
        };
        self.index.write(&[Addressed { index_name: index.to_owned(), document }]).await.unwrap();
    }

    /// Every line of failed/, with the object's key.
    fn failed_lines(&self) -> Vec<(String, Value)> {
        let mut lines = Vec::new();
        collect(&self.folder.path().join("failed"), &mut lines);
        lines
    }
}

fn collect(folder: &Path, lines: &mut Vec<(String, Value)>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(&path, lines);
        } else if !path.ends_with(failed::MARKER) {
            let text = std::fs::read_to_string(&path).unwrap();
            let values = text.lines().map(|line| serde_json::from_str(line).unwrap());
            lines.extend(values.map(|value| (path.display().to_string(), value)));
        }
    }
}

/// Runs it to its end; what it told of unreadable lines, too.
async fn run(replay: &Replay) -> (Counts, Vec<String>) {
    let mut unreadable = Vec::new();
    let mut tell = |told: Told<'_>| {
        if let Told::Unreadable { key, line, why } = told {
            unreadable.push(format!("{key}:{line}: {why}"));
        }
        Ok(())
    };
    let counts = replay.run(Progress::default(), &mut tell).await.unwrap();
    assert!(counts.reconcile(), "{counts:?}");
    (counts, unreadable)
}
