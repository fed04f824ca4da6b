//! `hydrant run` with a tail into a Kinesis that we did not write, delivered from there into the embedded index: killed at
//! random moments, and with an entry that a record of the stream cannot hold.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hydrant::clock::Clock;
use serde_json::{Value, json};

use crate::crash::{Log, check, kill_while_growing};
use crate::peer::{Peer, REGION};
use crate::program::{Program, until};

/// With one rotation of the file.
const ROUNDS: u32 = 8;

/// A configuration with this stream, and these lines.
fn write_config(path: &Path, stream: &str, peer: &Peer, lines: &str) {
    let url = &peer.url;
    let stream =
        format!("[stream]\nengine = \"kinesis\"\nname = {stream:?}\nregion = {REGION:?}\nendpoint = {url:?}\n");
    fs::write(path, stream + lines).unwrap();
}

#[tokio::test]
async fn every_entry_of_a_tail_is_indexed_once_however_often_the_program_is_killed() {
    let kinesis = Peer::kinesalite().await;
    let dir = tempfile::tempdir().unwrap();
    let stream = kinesis.stream(2, dir.path()).await.stream;
    let (data, config) = (dir.path().join("data"), dir.path().join("hydrant.toml"));
    let path = dir.path().join("general.log");
    let tail = format!("[index]\nrotation = \"OneHour\"\n[[tail]]\nfile = {path:?}\n");
    write_config(&config, &stream, &kinesis, &tail);
    let arguments = ["--config", config.to_str().unwrap()];
    let seed = Clock::System.now_ms().unsigned_abs();
    println!("seed {seed}");
    let mut log = Log::new(path, seed);
    for round in 0..ROUNDS {
        kill_while_growing(&mut log, &data, &arguments, round);
    }
    let written = log.written.len() as u64;
    let program = Program::run(&data, &arguments);
    until("all entries", || (program.count() >= written).then_some(()));
    let summary = program.stop();
    assert_eq!((&summary["failed"], &summary["dropped"]), (&json!(0), &json!({})), "{summary}");
    check(&log.written, &data, &arguments);
    // From where the marks stand, nothing is read twice.
    let (summary, _) = Program::once(&data, &arguments, "error");
    let repeated = ["entries", "duplicates"].map(|name| summary[name].as_u64());
    assert_eq!(repeated, [Some(0), Some(0)], "{summary}");
    let marks = fs::read(data.join("kinesis").join(&stream).join("marks.json")).unwrap();
    let marks: Value = serde_json::from_slice(&marks).unwrap();
    assert_eq!((&marks["version"], marks["marks"].as_object().unwrap().len()), (&json!(1), 1), "{marks}");
    println!("{ROUNDS} rounds, {written} entries");
}

/// One line of so many bytes that gzip cannot make smaller: every character of one byte but the ends of a line.
fn noise(bytes: usize) -> String {
    let mut random: u64 = 0x2545_f491_4f6c_dd1d;
    let mut letter = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        match char::from(u8::try_from(random >> 20 & 0x7f).unwrap()) {
            '\0' | '\n' | '\r' => '\u{1}',
            letter => letter,
        }
    };
    (0..bytes).map(|_| letter()).collect()
}

#[tokio::test]
async fn an_entry_that_no_record_of_the_stream_holds_is_cut_and_its_neighbours_are_whole() {
    let kinesis = Peer::kinesalite().await;
    let dir = tempfile::tempdir().unwrap();
    let stream = kinesis.stream(1, dir.path()).await.stream;
    let (data, config, path) = (dir.path().join("data"), dir.path().join("hydrant.toml"), dir.path().join("app.log"));
    let tail = format!("[[tail]]\nfile = {path:?}\nformat = \"text\"\n");
    write_config(&config, &stream, &kinesis, &tail);
    // Three, half of one and the tail's bound of an entry, in MiB; then neighbours.
    let long = format!("long {}", noise(3 << 20));
    let (half, most) = (format!("half {}", noise(1 << 19)), format!("most {}", noise((1 << 20) - 9)));
    fs::write(&path, format!("first\n{long}\nsecond\n{half}\n{most}\nlast\n")).unwrap();
    let arguments = ["--config", config.to_str().unwrap()];
    let (summary, said) = Program::once(&data, &arguments, "hydrant=warn");
    assert_eq!((&summary["documents"], &summary["failed"], &summary["waiting"]), (&json!(6), &json!(0), &json!(0)));
    assert!(said.contains("an entry is cut: the stream takes no larger record"), "{said}");
    assert!(!said.contains(&long[..100]), "the log tells no text");
    let program = Program::run(&data, &arguments);
    let answer = program.search("hydrant-*/_search", &json!({"size": 10, "query": {"match_all": {}}}));
    let hits = answer["hits"]["hits"].as_array().unwrap();
    let text = |hit: &Value| hit["_source"]["message"].as_str().unwrap().to_owned();
    let found: BTreeMap<String, &Value> = hits.iter().map(|hit| (text(hit), &hit["_source"])).collect();
    for whole in ["first", "second", &half, "last"] {
        assert_eq!(found[whole].get("truncated"), None);
    }
    for (name, sent) in [("long", &long), ("most", &most)] {
        let (message, source) = found.iter().find(|(message, _)| message.starts_with(name)).unwrap();
        assert!(sent.starts_with(message) && message.len() > 600_000, "{name}: {} bytes", message.len());
        assert_eq!((&source["truncated"], &source["bytes"]), (&json!(true), &json!(sent.len())), "{name}");
    }
    program.stop();
}
