//! `hydrant verify` over the embedded chain: what is missing or twice by hand is found, and nothing else is said.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hydrant::clock::Clock;
use hydrant::index::embedded::Embedded;
use hydrant::index::{Addressed, Engine as _};
use hydrant::stream::{Engine as _, NewRecord};
use hydrant_transform::document::{Document, DocumentId, Outcome};
use hydrant_transform::entry::Format;
use hydrant_transform::envelope::{Decoded, Envelope, decode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ports::free_port;
use crate::program::{BINARY, Program, until};

/// Entries of two days, so that they go to two indices.
pub(crate) fn log(entries: std::ops::Range<usize>) -> String {
    let mut text = String::new();
    for number in entries {
        let day = 23 + number % 2;
        writeln!(text, "2021-07-{day}T05:45:52.{number:06}Z\t  199 Query\tSELECT a FROM t WHERE b = {number}").unwrap();
    }
    text
}

/// A chain in a folder.
pub(crate) struct Chain {
    pub(crate) folder: TempDir,
    pub(crate) arguments: Vec<String>,
}

impl Chain {
    /// Follows `general.log`, which begins with this text.
    pub(crate) fn new(text: &str, config: &str) -> Chain {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("general.log"), text).unwrap();
        std::fs::write(path("hydrant.toml"), config).unwrap();
        let arguments = ["--config", &path("hydrant.toml"), "--tail", &path("general.log")].map(str::to_owned).to_vec();
        Chain { folder, arguments }
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("general.log")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn arguments(&self) -> Vec<&str> {
        self.arguments.iter().map(String::as_str).collect()
    }

    /// Delivers all that is in the log.
    pub(crate) fn deliver(&self) -> Value {
        Program::once(&self.data(), &self.arguments(), "error").0
    }

    /// Verifies it, and answers the exit code and what it says.
    pub(crate) fn verify(&self, arguments: &[&str]) -> (i32, Value) {
        verified(&[&self.with_data(arguments)[..], &["--json".to_owned()]].concat())
    }

    /// The same as people read it.
    pub(crate) fn verify_text(&self, arguments: &[&str]) -> (i32, String) {
        verified_text(&self.with_data(arguments))
    }

    fn with_data(&self, arguments: &[&str]) -> Vec<String> {
        let data = ["--data".to_owned(), self.data().display().to_string()];
        let arguments = arguments.iter().map(|&argument| argument.to_owned());
        self.arguments.iter().cloned().chain(data).chain(arguments).collect()
    }

    fn index(&self) -> Embedded {
        Embedded::open(&self.data().join("index"), Clock::System).unwrap()
    }

    /// Ids and sources of an index, sorted by what they say.
    async fn documents(&self, index_name: &str) -> Vec<(String, Vec<u8>)> {
        use futures_util::TryStreamExt as _;
        use hydrant::index::{Query, Scan, Scanned};
        let scan = Scan { index_name: index_name.to_owned(), query: Query::MatchAll, fields: Vec::new() };
        let pages: Vec<Vec<Scanned>> = self.index().scan(scan).try_collect().await.unwrap();
        let mut all: Vec<_> = pages.into_iter().flatten().map(|scanned| (scanned.id, scanned.source)).collect();
        all.sort_by(|a, b| a.1.cmp(&b.1));
        all
    }

    async fn write(&self, index_name: &str, id: &str, source: &[u8]) {
        let document = Document {
            id: DocumentId::from(id.to_owned()),
            format: Format::General,
            timestamp_ms: 0,
            ordinal: 0,
            source: source.to_vec(),
            event_idx: 0,
        };
        let written = self.index().write(&[Addressed { index_name: index_name.to_owned(), document }]).await.unwrap();
        assert_eq!(written, [Outcome::Indexed]);
    }

    /// By hand: the engine never deletes.
    fn delete(&self, index_name: &str, id: &str) {
        let index = tantivy::Index::open_in_dir(self.data().join("index").join(index_name)).unwrap();
        let key = index.schema().get_field("_key").unwrap();
        // Ids of Hydrant's are packed behind a 1.
        let packed = u128::from_str_radix(id, 16).unwrap().to_be_bytes();
        let mut writer: tantivy::IndexWriter = index.writer(20_000_000).unwrap();
        writer.delete_term(tantivy::Term::from_field_bytes(key, &[&[1], &packed[..]].concat()));
        writer.commit().unwrap();
    }
}

/// What `hydrant verify --json` ends with, and what it says.
pub(crate) fn verified(arguments: &[impl AsRef<OsStr>]) -> (i32, Value) {
    let (code, stdout) = verified_text(arguments);
    (code, serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}")))
}

fn verified_text(arguments: &[impl AsRef<OsStr>]) -> (i32, String) {
    let output = Command::new(BINARY).arg("verify").args(arguments).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(!stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap(), stdout)
}

const FIRST_DAY: &str = "hydrant-general-2021-07-23";

const SECOND_DAY: &str = "hydrant-general-2021-07-24";

/// The end of a report: what is wrong, and how many documents there are.
fn sums(report: &Value) -> [u64; 5] {
    ["missing", "twice", "indexed", "failed", "in_flight"].map(|name| report[name].as_u64().unwrap())
}

#[tokio::test]
async fn what_was_deleted_or_doubled_by_hand_is_found() {
    let banner = "/usr/sbin/mysqld, Version: 8.0.28 (Source distribution). started with:\nTcp port: 3306  Unix socket: /s\nTime                 Id Command    Argument\n";
    let chain = Chain::new(&format!("{banner}{}", log(0..1_000)), "");
    chain.deliver();
    let (code, report) = chain.verify(&[]);
    assert_eq!((code, sums(&report)), (0, [0, 0, 1_000, 0, 0]), "{report}");
    let hops = &report["hops"];
    for hop in ["source", "stream"] {
        assert_eq!(hops[hop]["documents"], 1_000, "{report}");
        assert_eq!(hops[hop]["dropped"], json!({"banner": 1}));
        assert_eq!((&hops[hop]["entries"], &hops[hop]["failed"]), (&json!(1_001), &json!(0)));
    }
    assert_eq!((&hops["index"]["documents"], &hops["index"]["indices"]), (&json!(1_000), &json!(2)));
    assert_eq!(hops["failed"]["objects"], 0);
    let (_, text) = chain.verify_text(&[]);
    assert!(text.ends_with("\n0 missing, 0 twice\n"), "{text}");

    let (deleted, doubled) = (chain.documents(FIRST_DAY).await, chain.documents(SECOND_DAY).await);
    let (deleted, (doubled, source)) = (&deleted[3].0, &doubled[7]);
    chain.delete(FIRST_DAY, deleted);
    chain.write("hydrant-by-hand", doubled, source).await;
    let (code, report) = chain.verify(&[]);
    assert_eq!((code, sums(&report)), (1, [1, 1, 998, 0, 0]), "{report}");
    let findings = report["findings"].as_array().unwrap();
    let finding = |what: &str| findings.iter().find(|finding| finding["what"] == what).unwrap();
    let (missing, twice) = (finding("missing"), finding("twice"));
    assert_eq!((&missing["id"], &twice["id"]), (&json!(deleted), &json!(doubled)));
    // The entry that is gone stands at the fourth line of its day: the seventh of the log.
    let byte = banner.len() + log(0..6).len();
    assert_eq!((&missing["places"][0]["hop"], &missing["places"][0]["byte"]), (&json!("source"), &json!(byte)));
    assert_eq!(missing["places"][1]["shard"], "shardId-000000000000");
    assert!(missing["places"][1]["sequence_number"].as_str().unwrap().len() > 10, "{missing}");
    let indices: Vec<&Value> = twice["places"].as_array().unwrap().iter().filter(|p| p["hop"] == "index").collect();
    let names: Vec<&Value> = indices.iter().map(|place| &place["index"]).collect();
    assert_eq!(names, [&json!("hydrant-by-hand"), &json!(SECOND_DAY)]);
    let (_, text) = chain.verify_text(&[]);
    assert!(text.ends_with("\n1 missing, 1 twice\n") && text.contains(deleted) && text.contains(doubled), "{text}");
    // A copy under an id that a server made is the same document.
    chain.write("hydrant-by-hand", "Y-4WCKIBLXnU3OOvkaGz", source).await;
    let (_, report) = chain.verify(&["--list", "0"]);
    assert_eq!((&report["twice"], &report["findings"]), (&json!(1), &json!([])));
    assert_eq!(report["hops"]["index"]["foreign_ids"], 1);
}

#[tokio::test]
async fn a_range_of_time_looks_at_no_other_documents() {
    let chain = Chain::new(&log(0..100), "");
    chain.deliver();
    let first = chain.documents(FIRST_DAY).await;
    chain.delete(FIRST_DAY, &first[0].0);
    let day = |from: &str, to: &str| chain.verify(&["--from", from, "--to", to]);
    let (code, report) = day("2021-07-24T00:00:00Z", "2021-07-25T00:00:00Z");
    assert_eq!((code, sums(&report)), (0, [0, 0, 50, 0, 0]), "{report}");
    assert_eq!(report["hops"]["index"]["documents"], 50);
    let (code, report) = day("2021-07-23T00:00:00Z", "2021-07-24T00:00:00Z");
    assert_eq!((code, sums(&report)), (1, [1, 0, 49, 0, 0]), "{report}");
    // The end is not included: entry 2 has 2 microseconds, entry 0 none.
    let (_, report) = day("2021-07-23T05:45:52Z", "2021-07-23T05:45:52.001Z");
    assert_eq!(sums(&report), [1, 0, 49, 0, 0], "{report}");
    let (code, report) = day("2021-07-23T05:45:53Z", "2021-07-24T05:45:52Z");
    assert_eq!((code, sums(&report)), (0, [0, 0, 0, 0, 0]), "{report}");
}

/// JSON lines have no stamp that the tail knows, so nobody knows under which ids they were read.
#[tokio::test]
async fn failed_documents_count_once_and_those_in_the_index_supersede_them() {
    let chain = Chain::new("{\"n\":1}\n{\"n\":\"word\"}\n{\"n\":2}\n{\"n\":\"other\"}\n", "");
    let summary = chain.deliver();
    assert_eq!((&summary["documents"], &summary["failed"]), (&json!(2), &json!(2)));
    let (code, report) = chain.verify(&[]);
    assert_eq!((code, sums(&report)), (0, [0, 0, 2, 2, 0]), "{report}");
    assert_eq!(report["hops"]["failed"], json!({"documents": 2, "objects": 1, "without_id": 0, "unreadable": []}));
    assert_eq!(report["hops"]["source"]["unstamped"], 4);
    // One is mended by hand, and the object says everything twice.
    let object = walk(&chain.data().join("failed/AmazonOpenSearchService-failed")).remove(0);
    let lines = std::fs::read_to_string(&object).unwrap();
    std::fs::write(&object, format!("{lines}{lines}")).unwrap();
    let line: Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    let raw = STANDARD.decode(line["rawData"].as_str().unwrap()).unwrap();
    let Ok(Decoded::Envelopes(envelopes)) = decode(&raw) else { panic!("an envelope") };
    let Envelope { owner, log_group, log_stream, log_events, .. } = &envelopes[0];
    let mended =
        json!({"owner": owner, "log_group": log_group, "log_stream": log_stream, "event_id": log_events[0].id});
    chain.write("hydrant-json-mended", line["esDocumentId"].as_str().unwrap(), mended.to_string().as_bytes()).await;
    let (code, report) = chain.verify(&[]);
    assert_eq!((code, sums(&report)), (0, [0, 0, 3, 1, 0]), "{report}");
    assert_eq!((&report["hops"]["failed"]["documents"], &report["superseded"]), (&json!(4), &json!(1)));
}

/// Such an object is in no memory, here or in a replay.
#[test]
fn an_object_of_failed_that_is_too_large_is_named_and_no_success() {
    const BYTES: u64 = 128 * 1024 * 1024 + 1;
    let chain = Chain::new(&log(0..2), "");
    chain.deliver();
    let folder = chain.data().join("failed/processing-failed");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::File::create(folder.join("x")).unwrap().set_len(BYTES).unwrap();
    let (code, report) = chain.verify(&[]);
    assert_eq!((code, sums(&report)), (1, [0, 0, 2, 0, 0]), "{report}");
    let said = format!("processing-failed/x: it has {BYTES} bytes, and {} are read", BYTES - 1);
    assert_eq!(report["hops"]["failed"], json!({"documents": 0, "objects": 0, "without_id": 0, "unreadable": [said]}));
    let (_, text) = chain.verify_text(&[]);
    assert!(text.contains(&format!("cannot be read: {said}\n")), "{text}");
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}

#[tokio::test]
async fn what_is_in_flight_is_counted_apart() {
    let chain = Chain::new(&log(0..10), "");
    chain.deliver();
    // One entry more in the log, and one more in the stream.
    let envelope = json!({"messageType": "DATA_MESSAGE", "owner": "o", "logGroup": "g", "logStream": "s",
        "subscriptionFilters": [], "logEvents": [{"id": "36283739563646893425505853973335389931765810644969062400",
        "timestamp": 1_627_019_152_000_u64, "message": log(20..21).trim_end()}]});
    {
        let retention = hydrant::stream::embedded::Retention::default();
        let folder = chain.data().join("stream");
        let stream = hydrant::stream::embedded::Embedded::open(&folder, 1, retention, Clock::System).unwrap();
        let data = bytes::Bytes::from(envelope.to_string());
        let record = NewRecord { partition_key: "k".to_owned(), explicit_hash_key: None, data, mark: None };
        stream.append(vec![record]).await.unwrap().remove(0).unwrap();
    }
    let text = std::fs::read_to_string(chain.log()).unwrap();
    std::fs::write(chain.log(), format!("{text}{}", log(10..13))).unwrap();
    let (code, report) = chain.verify(&[]);
    assert_eq!((code, sums(&report)), (0, [0, 0, 10, 0, 4]), "{report}");
    assert_eq!(report["hops"]["source"]["waiting"], 3);
    assert_eq!(report["hops"]["stream"]["documents"], 11);
    // A document that is in the index before its batch is committed is no more in flight.
    chain.deliver();
    let (code, report) = chain.verify(&[]);
    assert_eq!((code, sums(&report)), (0, [0, 0, 14, 0, 0]), "{report}");
}

#[tokio::test]
async fn bytes_that_no_longer_exist_are_said_and_rotated_files_are_read() {
    let chain = Chain::new(&log(0..10), "");
    chain.deliver();
    let rotated = chain.folder.path().join("general.log.1");
    std::fs::rename(chain.log(), &rotated).unwrap();
    std::fs::write(chain.log(), log(10..14)).unwrap();
    chain.deliver();
    let (code, report) = chain.verify(&[]);
    assert_eq!((code, sums(&report)), (0, [0, 0, 14, 0, 0]), "{report}");
    let source = &report["hops"]["source"];
    assert_eq!((&source["documents"], &source["gone"]), (&json!(14), &json!([])));
    // An entry that is missing is named with the rotated file.
    let deleted = &chain.documents(FIRST_DAY).await[1].0;
    chain.delete(FIRST_DAY, deleted);
    let (code, text) = chain.verify_text(&[]);
    assert!(code == 1 && text.contains("general.log.1 (generation 0 of "), "{text}");
    assert!(text.contains(&format!(" byte {}", log(0..2).len())), "{text}");
    // The rotated file is gone: its entries are known to stream and index only.
    std::fs::remove_file(&rotated).unwrap();
    let (code, report) = chain.verify(&[]);
    assert_eq!((code, sums(&report)), (1, [1, 0, 13, 0, 0]), "{report}");
    let gone = |generation: u64, bytes: usize, at_least: bool| json!({"path": chain.log(), "generation": generation, "bytes": bytes, "at_least": at_least});
    let last = log(0..9).len() + 1;
    assert_eq!(report["hops"]["source"]["gone"], json!([gone(0, last, true)]));
    // And the present one was cut.
    std::fs::write(chain.log(), "").unwrap();
    let (_, report) = chain.verify(&[]);
    assert_eq!(report["hops"]["source"]["gone"], json!([gone(0, last, true), gone(1, log(10..14).len(), false)]));
    assert_eq!(report["hops"]["source"]["documents"], 0);
    let (_, text) = chain.verify_text(&[]);
    let said = format!("bytes 0 to {} of generation 1 of {} no longer exist", log(10..14).len(), chain.log().display());
    assert!(text.contains(&said), "{text}");
}

/// Of a banner no document is known anywhere; the mark says all the same that there was a file.
#[test]
fn generations_of_which_nothing_is_known_are_named() {
    let banner = "/usr/sbin/mysqld, Version: 8.0.28 (Source distribution). started with:\nTcp port: 3306  Unix socket: /s\nTime                 Id Command    Argument\n";
    let chain = Chain::new(banner, "");
    assert_eq!(chain.deliver()["documents"], 0);
    let rotated = chain.folder.path().join("general.log.1");
    std::fs::rename(chain.log(), &rotated).unwrap();
    std::fs::write(chain.log(), log(0..3)).unwrap();
    chain.deliver();
    let (_, report) = chain.verify(&[]);
    assert_eq!((&report["hops"]["source"]["entries"], &report["hops"]["source"]["unknown"]), (&json!(4), &json!([])));
    std::fs::remove_file(&rotated).unwrap();
    let (code, report) = chain.verify(&[]);
    assert_eq!((code, sums(&report)), (0, [0, 0, 3, 0, 0]), "{report}");
    let source = &report["hops"]["source"];
    assert_eq!(
        (&source["gone"], &source["unknown"]),
        (&json!([]), &json!([{"path": chain.log(), "from": 0, "to": 0}]))
    );
    let (_, text) = chain.verify_text(&[]);
    let path = chain.log();
    let said = format!("generation 0 of {} no longer exists, and no document of it is known\n", path.display());
    assert!(text.contains(&said), "{text}");
}

#[test]
fn a_chain_that_runs_is_verified_meanwhile() {
    let chain = Chain::new(&log(0..5_000), "");
    let program = Program::run(&chain.data(), &chain.arguments());
    for at_least in [1, 2_500, 5_000] {
        until("documents", || (program.count() >= at_least).then_some(()));
        let (code, report) = chain.verify(&[]);
        let [missing, twice, indexed, failed, _] = sums(&report);
        assert_eq!((code, missing, twice, failed), (0, 0, 0, 0), "{report}");
        assert!(indexed >= at_least, "{report}");
    }
    let summary = program.stop();
    assert_eq!(summary["documents"], 5_000);
    let left: Vec<_> = std::fs::read_dir(chain.data()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("verify-")), "{left:?}");
}

/// It waits for some time, and says for what.
#[test]
fn a_cluster_that_does_not_answer_is_named_while_it_is_waited_for() {
    let closed = format!("127.0.0.1:{}", free_port());
    let chain = Chain::new(&log(0..3), &format!("[index]\nengine = \"opensearch\"\nendpoint = \"http://{closed}\"\n"));
    let mut verify = Command::new(BINARY)
        .arg("verify")
        .args(chain.with_data(&[]))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(verify.stderr.take().unwrap()).lines().map_while(Result::ok);
    let told = lines.find(|line| line.contains("trying again")).expect("a line before it gives up");
    verify.kill().unwrap();
    verify.wait().unwrap();
    assert!(told.contains(&closed.to_string()), "{told}");
}

#[test]
fn files_may_be_given_and_a_chain_that_never_was_has_lost_them() {
    let chain = Chain::new(&log(0..10), "");
    let log_file = chain.log().display().to_string();
    let (code, report) = chain.verify(&[&log_file]);
    assert_eq!((code, sums(&report)), (1, [10, 0, 0, 0, 0]), "{report}");
    assert_eq!(report["hops"]["source"]["untaken"], json!([chain.log()]));
    assert_eq!(report["hops"]["stream"], Value::Null);
    chain.deliver();
    let (code, report) = chain.verify(&[&log_file]);
    assert_eq!((code, sums(&report)), (0, [0, 0, 10, 0, 0]), "{report}");
}

/// Entries in pieces are put together as delivery puts them.
#[test]
fn joined_entries_are_compared_as_they_were_joined() {
    let chain = Chain::new("", "[join]\nlog_groups = \"pieces\"\nquiet = \"1s\"\n");
    chain.deliver();
    let pieces = [
        "2021-07-23T05:45:52.000001Z\t  199 Query\tSELECT a",
        "FROM t",
        "2021-07-23T05:45:53.000001Z\t  199 Quit\t",
        "2021-07-23T05:45:54.000001Z\t  199 Query\tSELECT b",
        "FROM u",
    ];
    let events: Vec<Value> = pieces
        .iter()
        .enumerate()
        .map(|(number, message)| {
            json!({"id": format!("{:056}", 1_000 + number), "timestamp": 1_627_019_152_000_u64, "message": message})
        })
        .collect();
    let envelope = json!({"messageType": "DATA_MESSAGE", "owner": "o", "logGroup": "pieces", "logStream": "s",
        "subscriptionFilters": [], "logEvents": events});
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let retention = hydrant::stream::embedded::Retention::default();
        let folder = chain.data().join("stream");
        let stream = hydrant::stream::embedded::Embedded::open(&folder, 1, retention, Clock::System).unwrap();
        let data = bytes::Bytes::from(envelope.to_string());
        let record = NewRecord { partition_key: "k".to_owned(), explicit_hash_key: None, data, mark: None };
        stream.append(vec![record]).await.unwrap().remove(0).unwrap();
    });
    assert_eq!(chain.deliver()["documents"], 3);
    let (code, report) = chain.verify(&[]);
    assert_eq!((code, sums(&report)), (0, [0, 0, 3, 0, 0]), "{report}");
    // The first may have begun before what the stream keeps, so it is not compared.
    let stream = &report["hops"]["stream"];
    assert_eq!((&stream["documents"], &stream["unsure"], &report["only_at_end"]), (&json!(2), &json!(1), &json!(1)));
}

/// An older chain: ids that a server made, numbers as texts, and what it lost or repeated.
#[tokio::test]
async fn two_indices_are_compared_by_event_id_and_ordinal() {
    let chain = Chain::new(&log(0..20), "");
    chain.deliver();
    let documents = [chain.documents(FIRST_DAY).await, chain.documents(SECOND_DAY).await].concat();
    let older = |source: &[u8]| {
        let mut source: Value = serde_json::from_slice(source).unwrap();
        source["PID"] = json!(source["PID"].to_string());
        source["ordinal"] = json!("0");
        source.to_string().into_bytes()
    };
    for (number, (_, source)) in documents.iter().enumerate() {
        chain.write("firehose-1", &format!("server-made-{number}"), &older(source)).await;
    }
    let (code, report) = chain.verify(&["--against", "firehose-*"]);
    let same = json!({"both": 20, "missing": 0, "only_ours": 0, "twice": 0, "other_twice": 0});
    assert_eq!((code, pick(&report, &same)), (0, same), "{report}");

    chain.write("firehose-2", "repeated", &older(&documents[4].1)).await;
    chain.write("firehose-2", "nameless", b"{\"a\":1}").await;
    let mut lost: Value = serde_json::from_slice(&documents[5].1).unwrap();
    lost["ordinal"] = json!(1);
    chain.write("firehose-2", "lost", lost.to_string().as_bytes()).await;
    chain.delete(FIRST_DAY, &documents[6].0);
    let (code, report) = chain.verify(&["--against", "firehose-*"]);
    let differ = json!({"both": 19, "missing": 2, "only_ours": 0, "twice": 0, "other_twice": 1});
    assert_eq!((code, pick(&report, &differ)), (1, differ), "{report}");
    assert_eq!(report["against"], json!({"documents": 23, "indices": 2, "unreadable": [], "without_event": 1}));
    let mut ids: Vec<&str> =
        report["findings"].as_array().unwrap().iter().map(|finding| finding["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    let mut expected = [documents[4].0.as_str(), "lost", "server-made-6"];
    expected.sort_unstable();
    assert_eq!(ids, expected);
    let (_, text) = chain.verify_text(&["--against", "firehose-*"]);
    assert!(text.ends_with("2 missing, 0 twice; 0 only in ours, 1 twice in the other\n"), "{text}");
}

fn pick(report: &Value, like: &Value) -> Value {
    like.as_object()
        .unwrap()
        .keys()
        .map(|name| (name.clone(), report[name].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
