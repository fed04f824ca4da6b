//! The examples of docs/formats.md and docs/digests.md, each held against the code.
//!
//! In docs/formats.md a block without a language is an entry and the block of `json` behind it its document; blocks of `toml` are
//! the patterns of what follows in their section.

use std::sync::Arc;

use hydrant_transform::entry::Format;
use hydrant_transform::entry::pattern::{Pattern, Source};
use hydrant_transform::envelope::LogEvent;
use hydrant_transform::record::Options;
use hydrant_transform::sql::redact::Redact;
use serde_json::{Map, Value};

use super::{TAIL, event, one};

/// The log event's time in every example: 2026-11-23T03:09:49.120Z.
const EVENT_MS: i64 = 1_795_403_389_120;

/// The section whose examples are as the default hides passwords; elsewhere nothing is hidden.
const HIDDEN: &str = "What is hidden";

struct Example {
    section: String,
    patterns: Vec<Pattern>,
    entry: String,
    document: String,
}

#[test]
fn every_example_of_formats_is_what_the_code_says() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/formats.md");
    let examples = examples(&std::fs::read_to_string(docs).unwrap());
    for Example { section, patterns, entry, document } in &examples {
        let redact = if section == HIDDEN { Redact::default() } else { Redact::Off };
        let options = Options { redact, patterns: Arc::from(&patterns[..]), ..Options::default() };
        let event = LogEvent { timestamp_ms: EVENT_MS, ..event(entry.as_bytes()) };
        let (format, got) = one(event, &options);
        // Values written anew, so that order counts and spelling does not.
        assert_eq!(Value::Object(told(&got)).to_string(), Value::Object(object(document)).to_string(), "{entry}");
        if let Some(named) = Format::ALL.into_iter().find(|format| format.name() == section) {
            assert_eq!(format, named, "{entry}");
        }
    }
    for section in Format::ALL.map(Format::name).into_iter().chain([HIDDEN]) {
        assert!(examples.iter().any(|example| example.section == section), "no example of {section}");
    }
}

#[test]
fn the_example_of_digests_is_what_the_code_says() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/digests.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let example = object(docs.lines().find(|line| line.starts_with('{')).unwrap());
    let line = format!("\t\t    5 Query\t{}", example["Statement"].as_str().unwrap());
    let mut got = told(&one(event(line.as_bytes()), &Options { digest: true, ..Options::default() }).1);
    got.retain(|key, _| !["@timestamp", "Time", "PID", "Perform"].contains(&key.as_str()));
    assert_eq!(Value::Object(got).to_string(), Value::Object(example).to_string());
}

fn examples(docs: &str) -> Vec<Example> {
    let mut examples = Vec::new();
    let (mut section, mut patterns, mut entry) = (String::new(), Vec::new(), None);
    let mut lines = docs.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            assert!(entry.is_none() || line.is_empty(), "no document behind {entry:?}");
            if let Some(heading) = line.strip_prefix("## ") {
                section = heading.split_once(':').map_or(heading, |(name, _)| name).to_owned();
                patterns.clear();
            }
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match language {
            "" => assert_eq!(entry.replace(block.join("\n")), None, "an entry has no document"),
            "json" => {
                let entry = entry.take().unwrap_or_else(|| panic!("no entry before {block:?}"));
                let (section, patterns) = (section.clone(), patterns.clone());
                examples.push(Example { section, patterns, entry, document: block.join("\n") });
            }
            "toml" => patterns.push(pattern(&block)),
            other => panic!("a block of {other}"),
        }
    }
    assert_eq!(entry, None, "the last entry has no document");
    examples
}

/// A `[[pattern]]` table whose values are strings without escapes.
fn pattern(lines: &[&str]) -> Pattern {
    let mut source = Source::default();
    let [table, keys @ ..] = lines else { panic!("an empty table") };
    assert_eq!(*table, "[[pattern]]");
    for line in keys {
        let (key, value) = line.split_once(" = ").expect("a key and its value");
        let value = value.trim_matches(['\'', '"']).to_owned();
        match key {
            "regex" => source.regex = value,
            "time" => source.time = Some(value),
            "time_format" => source.time_format = value,
            "integers" => source.integers = vec![value],
            "floats" => source.floats = vec![value],
            "booleans" => source.booleans = vec![value],
            other => panic!("the key {other}"),
        }
    }
    Pattern::new(source).expect("a sound pattern")
}

/// A document without what says where its event came from.
fn told(document: &str) -> Map<String, Value> {
    let ours = object(&format!("{{{TAIL}}}"));
    let mut document = object(document);
    document.retain(|key, value| ours.get(key) != Some(value));
    document
}

fn object(json: &str) -> Map<String, Value> {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}
