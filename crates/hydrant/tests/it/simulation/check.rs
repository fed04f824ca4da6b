//! What has to be true of a story when it has ended, and of a commit before it is carried out.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hydrant_transform::record::{Options, RecordSource, transform};
use serde_json::Value;

use super::story::{Fate, Planned, Story};

/// A line of failed/, by the log event it is about.
struct Line {
    folder: String,
    document_id: String,
}

/// Panics with the seed where a story ended wrong.
pub(super) fn check(story: &Story) {
    let seed = story.seed;
    assert!(story.violations.is_empty(), "seed {seed}: acknowledged too early: {:?}", story.violations);
    assert_eq!(story.waiting, 0, "seed {seed}: records wait for ever");
    let mut documents = documents(&story.documents);
    let mut lines = lines(&story.objects);
    for planned in &story.planned {
        let found = documents.remove(&planned.id).unwrap_or_default();
        let failed = lines.remove(&planned.id).unwrap_or_default();
        let (n_documents, n_lines, folder) = match planned.fate {
            Fate::Document => (1, 0, ""),
            Fate::Rejected => (0, 1, "AmazonOpenSearchService-failed"),
            Fate::Undecodable => (0, 1, "processing-failed"),
            Fate::Dropped => (0, 0, ""),
        };
        assert_eq!(found.len(), n_documents, "seed {seed}: documents of {planned:?}: {found:?}");
        assert_eq!(failed.len(), n_lines, "seed {seed}: lines in failed/ of {planned:?}");
        for (index_name, source) in &found {
            let token = token(&planned.message);
            assert!(source.contains(token), "seed {seed}: {source} does not hold {token}");
            check_naming(story, planned, index_name);
        }
        for line in failed {
            assert_eq!(line.folder, folder, "seed {seed}: {planned:?}");
            assert_eq!(line.document_id.len(), 32, "seed {seed}: {planned:?}");
        }
    }
    assert!(documents.is_empty(), "seed {seed}: documents of nothing: {documents:?}");
    assert!(lines.is_empty(), "seed {seed}: lines of nothing: {:?}", lines.keys());
    check_counters(story);
}

/// A record keeps a rule that was there when it was appended, or the first that ever was recorded; and its documents are in the index of its time.
fn check_naming(story: &Story, planned: &Planned, index_name: &str) {
    let seed = story.seed;
    let rule = rule(index_name);
    let life = story.appended_in[&planned.id];
    if story.farewell.contains(&planned.id) {
        assert_eq!(rule, story.naming, "seed {seed}: appended after the last change: {planned:?}");
    }
    assert!(
        rule <= life.max(story.first_naming),
        "seed {seed}: appended in life {life}, named by rule {rule}: {planned:?}"
    );
    let milliseconds: i64 = planned.id[..40].parse().unwrap();
    // 2026-11-23T23:00:00Z is hour 498743 since 1970.
    let hour = match milliseconds / 3_600_000 - 498_743 {
        0 => "-2026-11-23-23",
        1 => "-2026-11-24-00",
        other => panic!("seed {seed}: an event {other} hours later"),
    };
    assert!(index_name.ends_with(hour), "seed {seed}: {planned:?} is in {index_name}");
}

/// With one life there is nothing that only the dead knew.
fn check_counters(story: &Story) {
    let Some(metrics) = &story.metrics else { return };
    let seed = story.seed;
    let count = |fates: &[Fate]| story.planned.iter().filter(|planned| fates.contains(&planned.fate)).count() as u64;
    assert_eq!(metrics.documents_indexed.get(), count(&[Fate::Document]), "seed {seed}");
    assert_eq!(metrics.failed.get(), count(&[Fate::Rejected, Fate::Undecodable]), "seed {seed}");
    assert_eq!(metrics.entries_delivered.get(), story.planned.len() as u64, "seed {seed}");
    assert_eq!(metrics.duplicates.get(), 0, "seed {seed}");
}

/// What a commit would acknowledge although it is neither durable nor dropped.
pub(super) fn not_durable(
    events: &[Planned],
    stored: &[(String, String, Vec<u8>)],
    objects: &[(String, Vec<u8>)],
) -> Vec<String> {
    let needs_document = events.iter().any(|event| event.fate == Fate::Document);
    let needs_line = events.iter().any(|event| matches!(event.fate, Fate::Rejected | Fate::Undecodable));
    let documents = if needs_document { documents(stored) } else { BTreeMap::new() };
    let lines = if needs_line { lines(objects) } else { BTreeMap::new() };
    let lost = events.iter().filter(|event| match event.fate {
        Fate::Document => !documents.contains_key(&event.id),
        Fate::Rejected | Fate::Undecodable => !lines.contains_key(&event.id),
        Fate::Dropped => false,
    });
    lost.map(|event| format!("{event:?} is not durable")).collect()
}

/// Where the naming of a shard falls back to an older rule than that of a record before.
pub(super) fn goes_back(events: &[Planned], stored: &[(String, String, Vec<u8>)], newest: &mut u64) -> Vec<String> {
    let documents = documents(stored);
    let mut problems = Vec::new();
    for (index_name, _) in events.iter().filter_map(|event| documents.get(&event.id)).flatten() {
        let rule = rule(index_name);
        if rule < *newest {
            problems.push(format!("{index_name} after rule {newest}"));
        }
        *newest = rule;
    }
    problems
}

/// Index names of rule 7 begin with `n7-`.
pub(super) fn rule(index_name: &str) -> u64 {
    index_name[1..].split('-').next().unwrap().parse().unwrap()
}

/// By event id: index name and source.
fn documents(stored: &[(String, String, Vec<u8>)]) -> BTreeMap<String, Vec<(String, String)>> {
    let mut documents: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for (index_name, _, source) in stored {
        let object: Value = serde_json::from_slice(source).unwrap();
        let event_id = object["event_id"].as_str().unwrap().to_owned();
        documents.entry(event_id).or_default().push((index_name.clone(), String::from_utf8(source.clone()).unwrap()));
    }
    documents
}

/// By event id, or by the bytes of the record where there is no event.
fn lines(objects: &[(String, Vec<u8>)]) -> BTreeMap<String, Vec<Line>> {
    let mut lines: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    for (key, bytes) in objects {
        let folder = key.split('/').next().unwrap();
        for text in bytes.split(|byte| *byte == b'\n').filter(|text| !text.is_empty()) {
            let line: Value = serde_json::from_slice(text).unwrap();
            let raw = STANDARD.decode(line["rawData"].as_str().unwrap()).unwrap();
            let id = if folder == "processing-failed" {
                raw.iter().map(|byte| format!("{byte:02x}")).collect()
            } else {
                let source = RecordSource { shard: "", sequence_number: "", arrival_ms: 0 };
                let events = transform(&raw, source, &Options::default()).events;
                assert_eq!(events.len(), 1, "rawData holds just the event that was lost");
                assert!(events[0].message.starts_with(b"{\"poison\":"), "rawData is the original message");
                events[0].id.clone()
            };
            let document_id = line["esDocumentId"].as_str().unwrap().to_owned();
            lines.entry(id).or_default().push(Line { folder: folder.to_owned(), document_id });
        }
    }
    lines
}

/// The part of a message that names it: `entry-1-17.`
fn token(message: &str) -> &str {
    let from = message.find("entry-").unwrap();
    let length = message[from..].find('.').unwrap();
    &message[from..=from + length]
}
