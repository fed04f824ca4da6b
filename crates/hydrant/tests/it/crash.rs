//! kill -9 of the real program at random moments while a log grows: afterwards every entry is in its index, once.
//!
//! One log and one data folder live through all rounds. Entries of a round lie on both sides of a full hour and the
//! index rotates by the hour, so batches touch two indices; every fifth round rotates the file. A third of the kills
//! are aimed: at the moment an index has committed, before its batch is.

#![expect(clippy::disallowed_methods, reason = "how often and with which seed is set from outside")]

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::program::{Program, until};

const ROUNDS: u32 = 50;

/// Rounds that must have left a redelivered batch, and a batch over two indices, for the run to prove anything.
const ROUNDS_THAT_COUNT: u32 = 5;

const CONFIG: &str = "[index]\nrotation = \"OneHour\"\n";

/// What was written: PID to stamp and statement.
pub(crate) type Written = BTreeMap<u64, (String, String)>;

pub(crate) struct Log {
    path: PathBuf,
    file: File,
    pub(crate) written: Written,
    random: u64,
    second: i64,
    rotations: u32,
}

impl Log {
    pub(crate) fn new(path: PathBuf, seed: u64) -> Log {
        let file = File::create(&path).unwrap();
        Log { path, file, written: Written::new(), random: seed | 1, second: 1_795_402_800, rotations: 0 }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    /// Appends entries whose stamps jump over a full hour and back.
    fn append(&mut self, entries: u64) {
        let mut text = String::new();
        for number in 0..entries {
            let pid = self.written.len() as u64 + 1;
            self.second += 1;
            let hour = if number.is_multiple_of(2) { 0 } else { 3_600 };
            let stamp = jiff::Timestamp::from_second(self.second + hour).unwrap();
            let noise = self.below(1 << 40);
            let statement = match pid % 4 {
                0 => format!("SELECT '{noise:x}'\n  FROM t\n\n WHERE a = '世界'"),
                1 => format!("INSERT INTO t VALUES ({noise}, 'it''s')"),
                2 => String::new(),
                _ => format!("/* {noise} */ SELECT \"\\t\" AS `x`"),
            };
            text.push_str(&format!("{stamp:.6}\t{pid:5} Query\t{statement}\n"));
            self.written.insert(pid, (format!("{stamp:.6}"), statement));
        }
        self.file.write_all(text.as_bytes()).unwrap();
    }

    fn rotate(&mut self) {
        self.rotations += 1;
        fs::rename(&self.path, self.path.with_extension("log.1")).unwrap();
        self.file = OpenOptions::new().create_new(true).append(true).open(&self.path).unwrap();
    }
}

#[test]
fn every_entry_is_indexed_once_however_often_the_program_is_killed() {
    let rounds = std::env::var("HYDRANT_CRASH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let seed = std::env::var("HYDRANT_CRASH_SEED").map_or_else(
        |_| SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos().into(),
        |seed| seed.parse().unwrap(),
    );
    println!("HYDRANT_CRASH_SEED={seed}");
    let dir = tempfile::tempdir().unwrap();
    let (data, config) = (dir.path().join("data"), dir.path().join("hydrant.toml"));
    fs::write(&config, CONFIG).unwrap();
    let mut log = Log::new(dir.path().join("general.log"), seed);
    let path = log.path.display().to_string();
    let config = config.display().to_string();
    let arguments = ["--config", config.as_str(), "--tail", path.as_str()];
    let (mut redelivered, mut over_two_indices) = (0, 0);
    for round in 0..rounds {
        kill_while_growing(&mut log, &data, &arguments, round);
        let (summary, stderr) = Program::once(&data, &arguments, "hydrant=debug");
        assert_eq!(summary["failed"], 0, "round {round}: {summary}");
        redelivered += u32::from(summary["duplicates"].as_u64().unwrap() > 0);
        over_two_indices +=
            u32::from(stderr.lines().any(|line| line.contains("batch committed") && line.contains("indices=2")));
    }
    check(&log.written, &data, &arguments);
    println!(
        "{rounds} rounds, {} entries, {redelivered} left a redelivered batch, {over_two_indices} a batch over two indices, {} rotations",
        log.written.len(),
        log.rotations
    );
    let expected = ROUNDS_THAT_COUNT.min(rounds / 10);
    assert!(redelivered >= expected, "only {redelivered} rounds left a redelivered batch");
    assert!(over_two_indices >= expected, "only {over_two_indices} rounds left a batch over two indices");
    assert!(log.rotations >= rounds / 10);
}

/// One life of the program: it starts, the log grows, it is killed.
pub(crate) fn kill_while_growing(log: &mut Log, data: &Path, arguments: &[&str], round: u32) {
    let program = Program::run(data, arguments);
    let aimed = round.is_multiple_of(3);
    let bursts = 1 + log.below(12);
    for burst in 0..bursts {
        let entries = 1 + log.below(400);
        log.append(entries);
        if round % 5 == 4 && burst == bursts / 2 {
            let old = log.written.len() as u64;
            log.rotate();
            assert!(log.written.len() as u64 == old);
        }
        wait_for_growth(&program, log);
    }
    if aimed {
        let before = commits(data);
        log.append(200);
        until("an index to commit", || (commits(data) != before).then_some(()));
    } else {
        log.append(200);
    }
    program.kill();
}

/// Lets the program run on until it has read a random part of what is there, so that kills fall anywhere.
fn wait_for_growth(program: &Program, log: &mut Log) {
    let pause = log.below(4);
    for _ in 0..pause {
        // An answer over the network takes a millisecond or two, which the program uses as well.
        program.count();
    }
}

/// The commit files of all indices, with what tells one version from the next.
fn commits(data: &Path) -> Vec<(PathBuf, SystemTime, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![data.join("index")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name == "meta.json")
                && let Ok(metadata) = entry.metadata()
            {
                found.push((path, metadata.modified().unwrap(), metadata.len()));
            }
        }
    }
    found.sort();
    found
}

/// Every entry by id and by content, in the index of its hour, and nothing else.
pub(crate) fn check(written: &Written, data: &Path, arguments: &[&str]) {
    let program = Program::run(data, arguments);
    assert_eq!(program.count(), written.len() as u64);
    let mut ids = std::collections::HashSet::new();
    let numbers: Vec<u64> = written.keys().copied().collect();
    for page in numbers.chunks(5_000) {
        let (first, last) = (page[0], page[page.len() - 1]);
        let query = json!({"size": 10_000, "sort": ["PID"], "query": {"range": {"PID": {"gte": first, "lte": last}}}});
        let answer = program.search("hydrant-*/_search", &query);
        let hits = answer["hits"]["hits"].as_array().unwrap();
        let found: Vec<u64> = hits.iter().map(|hit| hit["_source"]["PID"].as_u64().unwrap()).collect();
        assert_eq!(found, page);
        for hit in hits {
            let source = &hit["_source"];
            let (stamp, statement) = &written[&source["PID"].as_u64().unwrap()];
            assert_eq!(&source["Time"], stamp);
            assert_eq!(&source["Statement"], statement);
            let hour = format!("hydrant-general-{}-{}", &stamp[..10], &stamp[11..13]);
            assert_eq!(hit["_index"], Value::String(hour));
            assert!(ids.insert(hit["_id"].as_str().unwrap().to_owned()), "an id stands twice");
        }
    }
    program.stop();
    for kind in ["processing-failed", "AmazonOpenSearchService-failed"] {
        assert!(!data.join("failed").join(kind).exists(), "nothing may have failed");
    }
}
