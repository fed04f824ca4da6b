//! The program between a Kinesis that we did not write and a real OpenSearch, killed at random moments: every log event
//! is in its index once, or once in failed/.
//!
//! Log events lie on both sides of a full hour and the index rotates by the hour, so batches touch two indices. Some the
//! index refuses, by a template that stands there first, and some records cannot be decoded. The stream is split in one
//! round and merged in another. Half of the kills are aimed: at the first documents of a life; half of these while one of the
//! two indices takes nothing, so that their batch is half written, and not committed for certain.

#![expect(clippy::disallowed_methods, reason = "how often and with which seed is set from outside")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hydrant_opensearch::Method;
use hydrant_transform::envelope::{Decoded, Encoder, Header, LogEvent, decode};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::peer::{Peer, REGION, active};
use crate::program::{PATIENCE, Program};
use crate::server::Server;
use crate::verify::verified;

const ROUNDS: u32 = 30;

/// Rounds that must have been killed with a batch under way, for the run to prove anything.
const ROUNDS_THAT_COUNT: u32 = 6;

/// In one round of so many, an index is blocked: the last of them, since the program makes it.
const BLOCKED_EVERY: u32 = 4;

/// 2026-11-23T23:30:00Z.
const BASE_MS: i64 = 1_795_476_600_000;

/// Envelopes of a round, and log events of an envelope.
const ENVELOPES: u64 = 20;
const EVENTS: u64 = 25;

/// One event in so many is refused.
const REFUSED_EVERY: u64 = 40;

struct Log {
    random: u64,
    serial: u64,
    /// Nothing of it fails.
    whole: bool,
    /// By event id: the hour that its index is named after, and its statement.
    written: BTreeMap<String, (&'static str, String)>,
    /// By event id: what the index refuses.
    refused: BTreeMap<String, String>,
    /// Records that cannot be decoded.
    undecodable: Vec<Vec<u8>>,
}

impl Log {
    fn new(random: u64) -> Log {
        Log {
            random,
            serial: 0,
            whole: false,
            written: BTreeMap::new(),
            refused: BTreeMap::new(),
            undecodable: Vec::new(),
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    fn envelope(&mut self) -> (String, Vec<u8>) {
        let log_stream = format!("db-{}", self.below(8));
        let mut encoder = Encoder::new(&Header {
            owner: "123456789012".into(),
            log_group: "/aws/rds/instance/db/general".into(),
            log_stream: log_stream.clone(),
            subscription_filters: vec!["all".into()],
        });
        for _ in 0..EVENTS {
            self.serial += 1;
            if !self.whole && self.serial.is_multiple_of(REFUSED_EVERY) {
                self.refuse(&mut encoder);
                continue;
            }
            let is_late = self.serial.is_multiple_of(2);
            let timestamp_ms = BASE_MS + i64::from(is_late) * 3_600_000 + i64::try_from(self.serial % 1_000).unwrap();
            let id = format!("{timestamp_ms:016}{:040}", self.serial);
            let statement = format!("SELECT '{:x}' /* {} */", self.below(1 << 40), self.serial);
            let stamp = jiff::Timestamp::from_millisecond(timestamp_ms).unwrap();
            let message = format!("{stamp:.6}\t    9 Query\t{statement}").into_bytes();
            let hour = if is_late { "2026-11-24-00" } else { "2026-11-23-23" };
            self.written.insert(id.clone(), (hour, statement));
            encoder.push(&LogEvent { id, timestamp_ms, message, ..LogEvent::default() });
        }
        (log_stream, encoder.seal())
    }

    /// An event whose index wants a number where it has a word.
    fn refuse(&mut self, encoder: &mut Encoder) {
        let id = format!("{BASE_MS:016}{:040}", self.serial);
        let message = format!("no number {}", self.serial);
        self.refused.insert(id.clone(), message.clone());
        let message = message.into_bytes();
        encoder.push(&LogEvent { id, timestamp_ms: BASE_MS, message, ..LogEvent::default() });
    }

    /// Gzip that ends after its header.
    fn damaged(&mut self) -> (String, Vec<u8>) {
        let header = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
        let data = [&header[..], &self.serial.to_be_bytes()].concat();
        self.undecodable.push(data.clone());
        (format!("damaged-{}", self.below(8)), data)
    }

    fn n_failed(&self) -> usize {
        self.refused.len() + self.undecodable.len()
    }

    async fn put(&mut self, client: &Client, stream: &str) {
        let mut records: Vec<(String, Vec<u8>)> = (0..ENVELOPES).map(|_| self.envelope()).collect();
        if !self.whole {
            let place = usize::try_from(self.below(ENVELOPES)).unwrap();
            records.insert(place, self.damaged());
        }
        let entries = records.into_iter().map(|(key, data)| {
            PutRecordsRequestEntry::builder().partition_key(key).data(Blob::new(data)).build().unwrap()
        });
        let put = client.put_records().stream_name(stream).set_records(Some(entries.collect()));
        assert_eq!(put.send().await.unwrap().failed_record_count(), Some(0));
    }
}

async fn reshard(client: &Client, stream: &str, round: u32) {
    match round {
        8 => {
            let split = client.split_shard().stream_name(stream).shard_to_split("shardId-000000000000");
            split.new_starting_hash_key((u128::MAX / 4).to_string()).send().await.unwrap();
        }
        18 => {
            let merge = client.merge_shards().stream_name(stream).shard_to_merge("shardId-000000000002");
            merge.adjacent_shard_to_merge("shardId-000000000003").send().await.unwrap();
        }
        _ => return,
    }
    active(client, stream).await;
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < 3 * PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Every document of an index by its event id, with its statement; each id once.
async fn documents(server: &Server, index: &str) -> BTreeMap<String, String> {
    let total = server.count(index).await;
    let mut found = BTreeMap::new();
    let mut after = Value::Null;
    loop {
        let mut body = json!({"size": 5_000, "sort": [{"event_id": "asc"}], "_source": ["event_id", "Statement"]});
        if !after.is_null() {
            body["search_after"] = after;
        }
        let (status, told) = server.ask(Method::POST, &format!("/{index}/_search"), body).await;
        assert_eq!(status, 200, "{told}");
        let hits = told["hits"]["hits"].as_array().unwrap();
        let Some(last) = hits.last() else { break };
        after = last["sort"].clone();
        for hit in hits {
            let text = |name: &str| hit["_source"][name].as_str().unwrap().to_owned();
            found.insert(text("event_id"), text("Statement"));
        }
    }
    assert_eq!(found.len() as u64, total, "{index}: an event has two documents");
    found
}

#[tokio::test]
async fn every_event_of_the_stream_is_in_its_index_once_however_often_the_program_is_killed() {
    let rounds = std::env::var("HYDRANT_CRASH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos().into();
    let seed: u64 = std::env::var("HYDRANT_CRASH_SEED").map_or_else(|_| now(), |seed| seed.parse().unwrap());
    println!("HYDRANT_CRASH_SEED={seed}");
    let (kinesis, server) = tokio::join!(Peer::kinesalite(), Server::start(""));
    let folder = tempfile::tempdir().unwrap();
    let stream = kinesis.stream(2, folder.path()).await.stream;
    let config = folder.path().join("hydrant.toml");
    let text = format!(
        "[stream]\nengine = \"kinesis\"\nname = {stream:?}\nregion = {REGION:?}\nendpoint = {:?}\n\
         [index]\nengine = \"opensearch\"\nendpoint = {:?}\nrotation = \"OneHour\"\nbody_size = \"64KiB\"\n",
        kinesis.url, server.url
    );
    fs::write(&config, text).unwrap();
    let data = folder.path().join("data");
    let start = || Program::run(&data, &["--config", config.to_str().unwrap()]);
    let client = kinesis.client();
    refuse_words(&server).await;
    let mut log = Log::new(seed | 1);
    let mut cut_off = 0;
    // The blocked ones, but for the first, before which there may be no index to block.
    let needed = ROUNDS_THAT_COUNT.min((rounds / BLOCKED_EVERY).saturating_sub(1));
    for round in 0..rounds {
        cut_off += u32::from(live_and_die(round, &server, &client, &stream, &data, &start, &mut log).await);
    }
    let program = start();
    until("all documents", async || server.count("hydrant-*").await >= log.written.len() as u64).await;
    let n_failed = log.n_failed();
    until("all failed documents", async || failed(&data.join("failed")).len() >= n_failed).await;
    let summary = program.stop();
    assert_eq!(summary["dropped"], json!({}), "{summary}");
    check(&server, &log).await;
    check_failed(&data.join("failed"), &log);
    // Split, merged and delivered shards; then without one document.
    let all = log.written.len();
    let (code, report) = verify(&config, &data);
    assert_eq!((code, sums(&report)), (0, [0, 0, all, n_failed, 0]), "{report}");
    let query = json!({"size": 1, "query": {"term": {"event_id": log.written.keys().next()}}});
    let (_, told) = server.ask(Method::POST, "/hydrant-*/_search", query).await;
    let (index, id) = (&told["hits"]["hits"][0]["_index"], &told["hits"]["hits"][0]["_id"]);
    let path = format!("/{}/_doc/{}?refresh=true", index.as_str().unwrap(), id.as_str().unwrap());
    assert_eq!(server.ask(Method::DELETE, &path, Value::Null).await.0, 200);
    let (code, report) = verify(&config, &data);
    assert_eq!((code, sums(&report)), (1, [1, 0, all - 1, n_failed, 0]), "{report}");
    let finding = &report["findings"][0];
    assert_eq!((&finding["what"], &finding["id"]), (&json!("missing"), id), "{report}");
    println!("{rounds} rounds, {} events, {cut_off} killed with a batch under way", log.written.len());
    assert!(cut_off >= needed, "only {cut_off} rounds were killed with a batch under way");
}

/// One life of the program. Whether documents were written and no batch was committed: the next one finds them again.
async fn live_and_die(
    round: u32,
    server: &Server,
    client: &Client,
    stream: &str,
    data: &Path,
    start: &impl Fn() -> Program,
    log: &mut Log,
) -> bool {
    let committed = checkpoints(data);
    let aimed = !round.is_multiple_of(2);
    if (round + 1).is_multiple_of(BLOCKED_EVERY) {
        block(server, true).await;
    }
    if aimed {
        // All of it is one batch, or two.
        log.put(client, stream).await;
    }
    let before = server.count("hydrant-*").await;
    let program = start();
    if !aimed {
        reshard(client, stream, round).await;
        log.put(client, stream).await;
    }
    let waiting = log.written.len() as u64 - before;
    let some = if aimed { waiting.min(1) } else { log.below(waiting + 1) };
    until("some documents", async || server.count("hydrant-*").await >= before + some).await;
    program.kill();
    let is_under_way = server.count("hydrant-*").await > before && checkpoints(data) == committed;
    block(server, false).await;
    is_under_way
}

/// Whether the index of the later hour takes documents, where it is there.
async fn block(server: &Server, is_blocked: bool) {
    let settings = json!({"index.blocks.write": is_blocked});
    let (status, told) = server.ask(Method::PUT, "/hydrant-general-2026-11-24-00/_settings", settings).await;
    assert!(matches!(status, 200 | 404), "{told}");
}

/// Two processes on one table of checkpoints share the shards; what one leaves, by kill -9 or in order, the other goes on
/// with.
#[tokio::test]
async fn two_processes_share_the_shards_and_take_over_from_each_other() {
    let (kinesis, dynamo, server) = tokio::join!(Peer::kinesalite(), Peer::dynalite(), Server::start(""));
    let folder = tempfile::tempdir().unwrap();
    let stream = kinesis.stream(4, folder.path()).await.stream;
    let config = folder.path().join("hydrant.toml");
    let text = format!(
        "[stream]\nengine = \"kinesis\"\nname = {stream:?}\nregion = {REGION:?}\nendpoint = {:?}\n\
         checkpoints = \"dynamodb://hydrant-checkpoints\"\ncheckpoints_endpoint = {:?}\n\
         [index]\nengine = \"opensearch\"\nendpoint = {:?}\nrotation = \"OneHour\"\nbody_size = \"64KiB\"\n",
        kinesis.url, dynamo.url, server.url
    );
    fs::write(&config, text).unwrap();
    let start = |name: &str| Program::run(&folder.path().join(name), &["--config", config.to_str().unwrap()]);
    let client = kinesis.client();
    let mut log = Log { whole: true, ..Log::new(7) };
    // The shards that a process reads are those that it tells of.
    let shards = |program: &Program| {
        let metrics = get(&format!("{}/metrics", program.page));
        metrics.lines().filter(|line| line.starts_with("hydrant_shard_lag_seconds{")).count()
    };
    let (first, second) = (start("first"), start("second"));
    until("shared shards", async || (shards(&first), shards(&second)) == (2, 2)).await;
    let metrics = get(&format!("{}/metrics", first.page));
    let used: Vec<&str> =
        metrics.lines().filter(|line| line.starts_with("hydrant_shard_retention_used_ratio{shard=")).collect();
    assert!(used.len() == 2 && used.iter().all(|line| line.ends_with(" 0.0")), "{used:?}");
    log.put(&client, &stream).await;
    until("some documents", async || server.count("hydrant-*").await > 0).await;
    first.kill();
    log.put(&client, &stream).await;
    until("all documents", async || server.count("hydrant-*").await >= log.written.len() as u64).await;
    until("all shards", async || shards(&second) == 4).await;
    // One that comes gets its part, and one that ends in order gives its part back.
    let third = start("third");
    until("shared shards", async || (shards(&second), shards(&third)) == (2, 2)).await;
    log.put(&client, &stream).await;
    second.stop();
    log.put(&client, &stream).await;
    until("all documents", async || server.count("hydrant-*").await >= log.written.len() as u64).await;
    // Beside a process that holds the leases, from a machine that holds none.
    let elsewhere = folder.path().join("elsewhere");
    let all_are_told = async || sums(&verify(&config, &elsewhere).1) == [0, 0, log.written.len(), 0, 0];
    until("committed batches", all_are_told).await;
    assert_eq!(shards(&third), 4);
    third.stop();
    check(&server, &log).await;
    let (code, report) = verify(&config, &elsewhere);
    assert_eq!((code, sums(&report)), (0, [0, 0, log.written.len(), 0, 0]), "{report}");
    assert!(!elsewhere.exists());
}

fn verify(config: &Path, data: &Path) -> (i32, Value) {
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    verified(&["--config", &path(config), "--data", &path(data), "--json"])
}

/// Missing, twice, in the index, in failed/, in flight.
fn sums(report: &Value) -> [usize; 5] {
    ["missing", "twice", "indexed", "failed", "in_flight"]
        .map(|name| usize::try_from(report[name].as_u64().unwrap()).unwrap())
}

/// A template that Hydrant leaves as it is: its own has a lower priority.
async fn refuse_words(server: &Server) {
    let mappings = json!({"properties": {"message": {"type": "long"}}});
    let template = json!({"index_patterns": ["hydrant-text-*"], "priority": 500, "template": {"mappings": mappings}});
    server.put("/_index_template/numbers", template).await;
}

/// The lines of failed/.
fn failed(folder: &Path) -> Vec<Value> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            lines.extend(failed(&path));
        } else if path.file_name().is_some_and(|name| name != "hydrant-failed.json") {
            let text = fs::read_to_string(&path).unwrap();
            // A line of an object that is just being written is none yet.
            lines.extend(text.lines().filter_map(|line| serde_json::from_str(line).ok()));
        }
    }
    lines
}

/// Everything that cannot become a document, or that the index refuses, is in failed/ once, with its bytes.
fn check_failed(folder: &Path, log: &Log) {
    let (mut refused, mut undecodable) = (Vec::new(), Vec::new());
    for line in failed(folder) {
        let raw = STANDARD.decode(line["rawData"].as_str().unwrap()).unwrap();
        let code = line["reasonCode"].as_str().unwrap();
        match decode(&raw) {
            Ok(Decoded::Envelopes(envelopes)) => {
                assert_eq!(code, "mapper_parsing_exception", "{line}");
                let event = &envelopes[0].log_events[0];
                refused.push((event.id.clone(), String::from_utf8(event.message.clone()).unwrap()));
            }
            Ok(Decoded::Raw(_)) | Err(_) => undecodable.push(raw),
        }
    }
    refused.sort();
    undecodable.sort();
    assert_eq!(refused, log.refused.clone().into_iter().collect::<Vec<_>>());
    let mut expected = log.undecodable.clone();
    expected.sort();
    assert_eq!(undecodable, expected);
}

/// Every log event is one document, in the index of its hour.
async fn check(server: &Server, log: &Log) {
    for hour in ["2026-11-23-23", "2026-11-24-00"] {
        let index = format!("hydrant-general-{hour}");
        let expected = log.written.iter().filter(|(_, (of, _))| *of == hour);
        let expected: BTreeMap<String, String> = expected.map(|(id, (_, text))| (id.clone(), text.clone())).collect();
        assert_eq!(documents(server, &index).await, expected, "{index}");
    }
    assert_eq!(server.count("hydrant-*").await, log.written.len() as u64);
}

fn get(url: &str) -> String {
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
    agent.get(url).call().unwrap().body_mut().read_to_string().unwrap()
}

/// The checkpoints of all shards, as they are on disk.
fn checkpoints(data: &Path) -> BTreeMap<String, String> {
    let streams = fs::read_dir(data.join("kinesis")).into_iter().flatten().flatten();
    let files = streams.flat_map(|stream| fs::read_dir(stream.path()).into_iter().flatten().flatten());
    let files = files.filter(|file| file.file_name().to_string_lossy().ends_with(".shard.json"));
    files
        .map(|file| (file.file_name().to_string_lossy().into_owned(), fs::read_to_string(file.path()).unwrap()))
        .collect()
}
