//! A log, the program and a cluster for one test, and the account at its end: every entry is in the index once, or once
//! in failed/ with the reason that was expected, and the counters of `/metrics` say the same.
//!
//! An entry is known by its number, which its text holds as `entry-N-`; nothing that is expected comes from the program.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hydrant_opensearch::Method;
use serde_json::{Value, json};

use super::{LOOK, page};
use crate::program::{PATIENCE, Program};
use crate::server::Server;

/// Documents of one page of a scroll.
const PAGE: usize = 5_000;

/// Where an entry must be in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Indexed,
    /// In failed/, with this code.
    Failed(&'static str),
    /// It was indexed, and somebody has deleted it from the cluster.
    Deleted,
}

pub(super) struct Chain {
    folder: tempfile::TempDir,
    log: PathBuf,
    pub(super) program: Program,
    /// By number; the line of those that fail.
    entries: BTreeMap<u64, (Fate, String)>,
}

impl Chain {
    /// Starts the program with a file of this format and these lines below `[index]`; `FOLDER` in them is the test's.
    pub(super) fn start(format: &str, index: &str) -> Chain {
        let folder = tempfile::tempdir().unwrap();
        let (log, config) = (folder.path().join("test.log"), folder.path().join("hydrant.toml"));
        fs::write(&log, "").unwrap();
        let index = index.replace("FOLDER", folder.path().to_str().unwrap());
        let tail = format!("[[tail]]\nfile = {log:?}\nformat = {format:?}\n");
        fs::write(&config, format!("{tail}[index]\nengine = \"opensearch\"\n{index}")).unwrap();
        let program = Program::run(&folder.path().join("data"), &["--config", config.to_str().unwrap()]);
        Chain { folder, log, program, entries: BTreeMap::new() }
    }

    /// The number of the next entry.
    pub(super) fn next(&self) -> u64 {
        self.entries.last_key_value().map_or(0, |(number, _)| number + 1)
    }

    /// Writes lines, which hold the numbers from [`Chain::next`] on.
    pub(super) fn append(&mut self, lines: impl IntoIterator<Item = (String, Fate)>) {
        let mut text = String::new();
        for (line, fate) in lines {
            assert_eq!(number(&line), Some(self.next()), "{line:.100}");
            text.push_str(&line);
            text.push('\n');
            let kept = if fate == Fate::Indexed { String::new() } else { line };
            self.entries.insert(self.next(), (fate, kept));
        }
        OpenOptions::new().append(true).open(&self.log).unwrap().write_all(text.as_bytes()).unwrap();
    }

    /// Writes so many entries of the general log, of a day of July 2021.
    pub(super) fn append_general(&mut self, count: u64, day: u32) {
        let next = self.next();
        self.append((next..next + count).map(|number| (general(number, day, ""), Fate::Indexed)));
    }

    /// What is in the cluster of these is deleted by hand.
    pub(super) fn deleted(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.entries.get_mut(number).unwrap().0 = Fate::Deleted;
        }
    }

    /// Waits until delivery pauses and says this on `/health`.
    pub(super) async fn pauses(&self, says: &str) {
        let start = tokio::time::Instant::now();
        while !(self.metric("paused") == 1 && page(&self.program, "health").contains(says)) {
            assert!(start.elapsed() < 3 * PATIENCE, "waited in vain for {says:?}: {}", self.state());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until every entry is delivered, and nothing is said to be wrong any more.
    pub(super) async fn settled(&self) {
        let (entries, start) = (self.entries.len() as u64, tokio::time::Instant::now());
        let is_settled = || {
            self.metric("entries_delivered_total") >= entries
                && self.metric("records_waiting") == 0
                && self.metric("paused") == 0
                && !page(&self.program, "health").contains("cannot ")
        };
        while !is_settled() {
            assert!(
                start.elapsed() < 3 * PATIENCE,
                "waited in vain for the end of {entries} entries: {}",
                self.state()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    fn state(&self) -> String {
        format!("{}\n{}", page(&self.program, "health"), page(&self.program, "metrics"))
    }

    /// One number of `/metrics`.
    pub(super) fn metric(&self, name: &str) -> u64 {
        let text = page(&self.program, "metrics");
        let begin = format!("hydrant_{name} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&begin));
        value.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    /// Waits for the end of all entries, and accounts for each of them.
    pub(super) async fn reconcile(&self, server: &Server) {
        self.settled().await;
        let expected = |wanted: fn(Fate) -> bool| {
            let of_it = self.entries.iter().filter(|(_, (fate, _))| wanted(*fate));
            of_it.map(|(number, _)| *number).collect::<Vec<u64>>()
        };
        let (mut found, is_indexed) = (indexed(server).await, expected(|fate| fate == Fate::Indexed));
        found.sort_unstable();
        same("in the index", &found, &is_indexed);
        let mut failed = failed(&self.folder.path().join("data/failed"));
        failed.sort();
        let is_failed = self.entries.iter().filter_map(|(number, (fate, line))| match fate {
            Fate::Failed(code) => Some((*number, (*code).to_owned(), line.clone())),
            Fate::Indexed | Fate::Deleted => None,
        });
        let is_failed: Vec<(u64, String, String)> = is_failed.collect();
        same("in failed/", &failed, &is_failed);
        let gone = expected(|fate| fate == Fate::Deleted).len();
        let account = json!({
            "entries_read_total": self.entries.len(),
            "entries_delivered_total": self.entries.len(),
            "documents_indexed_total": is_indexed.len() + gone,
            "failed_total": is_failed.len(),
            "duplicates_total": 0,
        });
        let told: serde_json::Map<String, Value> =
            account.as_object().unwrap().keys().map(|name| (name.clone(), json!(self.metric(name)))).collect();
        assert_eq!(Value::Object(told), account);
    }
}

/// An entry of the general log.
pub(super) fn general(number: u64, day: u32, filling: &str) -> String {
    format!(
        "2021-07-{day:02}T05:{:02}:{:02}.{:06}Z\t  199 Query\tSELECT a FROM t WHERE b = 'entry-{number}-{filling}'",
        number / 60 % 60,
        number % 60,
        number % 1_000_000
    )
}

pub(super) fn number(text: &str) -> Option<u64> {
    text.split_once("entry-")?.1.split_once('-')?.0.parse().ok()
}

fn same<T: PartialEq + std::fmt::Debug>(place: &str, found: &[T], expected: &[T]) {
    let differs = found.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(found.len().min(expected.len()));
    let near = |of: &[T]| format!("{:?}", of.get(differs)).chars().take(300).collect::<String>();
    let counts = (found.len(), expected.len());
    assert!(
        found == expected,
        "{place}: {counts:?}, at {differs} {} where {} is expected",
        near(found),
        near(expected)
    );
}

/// The numbers of all documents in the cluster, once for each document.
pub(super) async fn indexed(server: &Server) -> Vec<u64> {
    let mut numbers = Vec::new();
    server.count("hydrant-*").await;
    let first = json!({"size": PAGE, "sort": ["_doc"]});
    let (mut status, mut told) = server.ask(Method::POST, "/hydrant-*/_search?scroll=1m", first).await;
    loop {
        assert_eq!(status, 200, "{told}");
        let hits = told["hits"]["hits"].as_array().unwrap();
        if hits.is_empty() {
            return numbers;
        }
        numbers.extend(hits.iter().map(|hit| number(&hit["_source"].to_string()).expect("an entry of the test")));
        let next = json!({"scroll": "1m", "scroll_id": told["_scroll_id"]});
        (status, told) = server.ask(Method::POST, "/_search/scroll", next).await;
    }
}

/// Number, code and original line of each failed document.
fn failed(folder: &Path) -> Vec<(u64, String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(failed(&path));
        } else if path.file_name().unwrap() != "hydrant-failed.json" {
            let text = fs::read_to_string(&path).unwrap();
            found.extend(text.lines().map(|line| one_failed(&serde_json::from_str(line).unwrap())));
        }
    }
    found
}

fn one_failed(line: &Value) -> (u64, String, String) {
    let raw = STANDARD.decode(line["rawData"].as_str().unwrap()).unwrap();
    let mut envelope = Vec::new();
    if raw.starts_with(&[0x1f, 0x8b]) {
        flate2::read::MultiGzDecoder::new(&raw[..]).read_to_end(&mut envelope).unwrap();
    } else {
        envelope = raw;
    }
    let envelope: Value = serde_json::from_slice(&envelope).unwrap();
    let message = envelope["logEvents"][0]["message"].as_str().unwrap().trim_end_matches('\n');
    (number(message).unwrap(), line["reasonCode"].as_str().unwrap().to_owned(), message.to_owned())
}
