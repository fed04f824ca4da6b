//! `hydrant test DIR`: logs beside the documents that are expected of them.
//!
//! A case is a file `NAME.expected.ndjson`, one document a line, beside its input `NAME.log` (or `NAME.json`,
//! `NAME.gz`, `NAME`: whatever `hydrant transform` reads). `hydrant.toml` in the folder, if there is one, says how it is
//! transformed. A document must have the expected members and no others; those that depend on where a file lies
//! ([`WHERE`]) are compared only where they are expected.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use super::input::{self, Reading};
use super::output;
use crate::clock::Clock;
use crate::config::{Config, FILE_NAME};

/// How the name of an expected side ends.
const EXPECTED: &str = ".expected.ndjson";

/// Members that depend on where a file lies.
const WHERE: [&str; 4] = ["owner", "log_group", "log_stream", "event_id"];

/// Differences of one case that are shown.
const DIFFERENCES_MAX: usize = 20;

type Document = Map<String, Value>;

pub(super) fn test(folder: &Path, update: bool) -> anyhow::Result<()> {
    let settings = folder.join(FILE_NAME);
    let config = Config::load(settings.is_file().then_some(settings.as_path()))?;
    let cases = cases(folder)?;
    if cases.is_empty() {
        bail!("{} holds no case: none of its files ends with {EXPECTED}", folder.display());
    }
    let mut failed = 0;
    for case in &cases {
        let input = match input_of(case) {
            Ok(input) => input,
            Err(problem) => {
                failed += 1;
                output::line(&format!("FAILED {}\n       {problem:#}", case.display()))?;
                continue;
            }
        };
        let found = documents(&input, &config)?;
        if update {
            std::fs::write(case, text(&found)?).with_context(|| format!("cannot write {}", case.display()))?;
            output::line(&format!("wrote  {}  {} documents", case.display(), found.len()))?;
            continue;
        }
        let differences = compare(&expected(case)?, &found);
        if differences.is_empty() {
            output::line(&format!("ok     {}  {} documents", input.display(), found.len()))?;
            continue;
        }
        failed += 1;
        output::line(&format!("FAILED {}", input.display()))?;
        for difference in differences.iter().take(DIFFERENCES_MAX) {
            output::line(&format!("       {difference}"))?;
        }
        if differences.len() > DIFFERENCES_MAX {
            output::line(&format!("       and {} differences more", differences.len() - DIFFERENCES_MAX))?;
        }
    }
    if failed > 0 {
        bail!("{failed} of {} cases failed", cases.len());
    }
    Ok(())
}

/// The expected sides in a folder, by name.
fn cases(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(EXPECTED) {
            cases.push(path);
        }
    }
    cases.sort_unstable();
    Ok(cases)
}

/// The input beside an expected side.
fn input_of(case: &Path) -> anyhow::Result<PathBuf> {
    let case = case.to_string_lossy();
    let stem = case.strip_suffix(EXPECTED).unwrap_or(&case);
    let candidates = [".log", ".json", ".gz", ""].map(|ending| PathBuf::from(format!("{stem}{ending}")));
    let found = candidates.into_iter().find(|candidate| candidate.is_file());
    found.with_context(|| format!("{case} has no input beside it: {stem}.log, .json, .gz, or without an ending"))
}

fn expected(case: &Path) -> anyhow::Result<Vec<Document>> {
    let text = std::fs::read_to_string(case).with_context(|| format!("cannot read {}", case.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(idx, line)| {
            serde_json::from_str(line).with_context(|| format!("{}, line {}: no JSON object", case.display(), idx + 1))
        })
        .collect()
}

/// The documents of an input, as the configuration makes them. Stamps without a zone are in that of its first tail, else
/// in UTC, so that a case means the same everywhere.
fn documents(input: &Path, config: &Config) -> anyhow::Result<Vec<Document>> {
    let options = &config.transform;
    let zone = config.tails.first().map_or(TimeZone::UTC, |tail| tail.time_zone.clone());
    let reading = Reading { format: options.format, time_zone: &zone, log_group: None, log_stream: None };
    let mut documents = Vec::new();
    input::records(input, &reading, &mut |record| {
        for document in record.transform(Clock::System.now_ms(), options).documents {
            documents.push(serde_json::from_slice(&document.source)?);
        }
        Ok(())
    })?;
    Ok(documents)
}

/// What `--update` writes.
fn text(documents: &[Document]) -> anyhow::Result<String> {
    let mut text = String::new();
    for document in documents {
        let members = document.iter().filter(|(key, _)| !WHERE.contains(&key.as_str()));
        let members: Document = members.map(|(key, value)| (key.clone(), value.clone())).collect();
        text.push_str(&serde_json::to_string(&members)?);
        text.push('\n');
    }
    Ok(text)
}

/// Sentences that name document and member.
fn compare(expected: &[Document], found: &[Document]) -> Vec<String> {
    let mut differences = Vec::new();
    if expected.len() != found.len() {
        differences.push(format!("{} documents are expected, {} were made", expected.len(), found.len()));
    }
    for (idx, (expected, found)) in expected.iter().zip(found).enumerate() {
        let keys: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
        for key in keys {
            let told = match (expected.get(key), found.get(key)) {
                (Some(expected), Some(found)) if expected == found => continue,
                (None, Some(_)) if WHERE.contains(&key.as_str()) => continue,
                (Some(expected), Some(found)) => format!("is {found}, not {expected}"),
                (Some(expected), None) => format!("is missing: {expected} is expected"),
                (None, Some(found)) => format!("is {found}, and not expected"),
                (None, None) => continue,
            };
            differences.push(format!("document {}: {key} {told}", idx + 1));
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(text: &str) -> Vec<Document> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn differences_name_document_and_member() {
        let found = documents("{\"a\":1,\"event_id\":\"5\",\"b\":2}\n{\"a\":1}\n");
        assert_eq!(compare(&documents("{\"b\":2,\"a\":1}\n{\"a\":1}\n"), &found), Vec::<String>::new());
        assert_eq!(
            compare(&documents("{\"a\":\"1\",\"event_id\":\"6\",\"c\":3}\n"), &found),
            [
                "1 documents are expected, 2 were made",
                "document 1: a is 1, not \"1\"",
                "document 1: b is 2, and not expected",
                "document 1: c is missing: 3 is expected",
                "document 1: event_id is \"5\", not \"6\"",
            ]
        );
    }

    #[test]
    fn what_update_writes_is_what_is_expected() {
        let found = documents("{\"a\":1,\"event_id\":\"5\",\"owner\":\"o\"}\n");
        assert_eq!(text(&found).unwrap(), "{\"a\":1}\n");
        assert!(compare(&documents(&text(&found).unwrap()), &found).is_empty());
    }
}
