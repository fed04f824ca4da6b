//! Everything that `hydrant transform` reads, told apart by content: the same log event in each wrapping is the same
//! document.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::program::{BINARY, Program, until};

const ENVELOPE: &str = r#"{"messageType":"DATA_MESSAGE","owner":"908047316593","logGroup":"/aws/rds/instance/mysql-db-for-logs/general","logStream":"mysql-db-for-logs","subscriptionFilters":["mysql-general-filter"],"logEvents":[{"id":"36283739563646893425505853973335389931765810644969062400","timestamp":1627019152976,"message":"2021-07-23T05:45:52.976229Z\t  199 Query\tUSE testdb"}]}"#;

const DOCUMENT: &str = r#"{"@timestamp":"2021-07-23T05:45:52.976229Z","Time":"2021-07-23T05:45:52.976229Z","PID":199,"Perform":"Query","Statement":"USE testdb","owner":"908047316593","log_group":"/aws/rds/instance/mysql-db-for-logs/general","log_stream":"mysql-db-for-logs","event_id":"36283739563646893425505853973335389931765810644969062400"}"#;

/// By a Python script over hashlib.
const ID: &str = "337ee27551fdf57f103b21e5376c7864";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

struct Lab(tempfile::TempDir);

impl Lab {
    fn new() -> Lab {
        Lab(tempfile::tempdir().unwrap())
    }

    fn file(&self, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join("input");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn transform(&self, bytes: impl AsRef<[u8]>, to: &str) -> Output {
        transform(&self.file(bytes), &["--to", to])
    }
}

fn transform(path: &Path, arguments: &[&str]) -> Output {
    Command::new(BINARY).arg("transform").args(arguments).arg(path).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::str::from_utf8(&output.stdout).unwrap()
}

fn events() -> Vec<(&'static str, Vec<u8>)> {
    let data = STANDARD.encode(gzip(ENVELOPE.as_bytes()));
    let event = |value: Value| serde_json::to_vec_pretty(&value).unwrap();
    let failed = json!({"attemptsMade": 1, "arrivalTimestamp": 1, "errorCode": "400", "rawData": data});
    vec![
        ("an envelope", ENVELOPE.into()),
        ("a gzipped envelope", gzip(ENVELOPE.as_bytes())),
        ("base64 of it", data.clone().into_bytes()),
        ("base64 without padding", format!("{}\n", data.trim_end_matches('=')).into_bytes()),
        ("Firehose", event(json!({"invocationId": "i", "records": [{"recordId": "r1", "data": data}]}))),
        ("Kinesis", event(json!({"Records": [{"kinesis": {"data": data, "sequenceNumber": "1"}, "eventID": "s:1"}]}))),
        ("GetRecords", event(json!({"Records": [{"Data": data, "SequenceNumber": "1"}], "MillisBehindLatest": 0}))),
        ("a direct subscription", event(json!({"awslogs": {"data": data}}))),
        ("failed documents", format!("{failed}\n").into_bytes()),
        ("gzipped failed documents", gzip(format!("{failed}\n\n").as_bytes())),
    ]
}

#[test]
fn an_event_is_the_same_document_in_every_wrapping() {
    let lab = Lab::new();
    let action = json!({"create": {"_index": "hydrant-general-2021-07-23", "_id": ID}});
    for (name, bytes) in events() {
        assert_eq!(stdout(&lab.transform(&bytes, "ndjson")), format!("{DOCUMENT}\n"), "{name}");
        assert_eq!(stdout(&lab.transform(&bytes, "bulk")), format!("{action}\n{DOCUMENT}\n"), "{name}");
    }
}

#[test]
fn standard_input_is_told_apart_too() {
    for (name, bytes) in events() {
        let mut child = Command::new(BINARY)
            .args(["transform", "--to", "ndjson", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(stdout(&output), format!("{DOCUMENT}\n"), "{name}");
    }
}

#[test]
fn an_event_of_firehose_is_answered_as_the_function_does() {
    let lab = Lab::new();
    let one = STANDARD.encode(gzip(ENVELOPE.as_bytes()));
    let two = ENVELOPE
        .replace("\"logEvents\":[", "\"logEvents\":[{\"id\":\"1\",\"timestamp\":1627019152976,\"message\":\"x\"},");
    let control = r#"{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1680683189085,"message":"CWL CONTROL MESSAGE: Checking health of destination Firehose."}]}"#;
    let event = json!({"records": [
        {"recordId": "r1", "data": one},
        {"recordId": "r2", "data": STANDARD.encode(two)},
        {"recordId": "r3", "data": STANDARD.encode(control)},
    ]});
    let output = lab.transform(event.to_string(), "firehose");
    let answer: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(
        answer,
        json!({"records": [
            {"recordId": "r1", "result": "Ok", "data": STANDARD.encode(DOCUMENT)},
            {"recordId": "r2", "result": "Dropped"},
            {"recordId": "r3", "result": "Dropped"},
        ]})
    );
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told, "4 entries: 1 documents, 2 to be sent again, 1 dropped (control message)\n");
    // What cannot be decoded fails alone, and the command says so.
    let damaged = json!({"records": [{"recordId": "r1", "data": "%"}, {"recordId": "r2", "data": one}]});
    let output = lab.transform(damaged.to_string(), "firehose");
    assert_eq!(output.status.code(), Some(1));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["records"][0], json!({"recordId": "r1", "result": "ProcessingFailed"}));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("failed: record r1: Hydrant.Base64Invalid: the data is no base64"), "{told}");
    assert_eq!(answer["records"][1]["result"], "Ok");
    // Only an event has an answer.
    let output = lab.transform(ENVELOPE, "firehose");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("holds no event of Firehose"), "{output:?}");
}

#[test]
fn a_record_that_is_no_base64_is_one_failure() {
    let event = json!({"Records": [{"Data": "%", "SequenceNumber": "1"}, {"Data": STANDARD.encode(ENVELOPE), "SequenceNumber": "2"}]});
    let output = Lab::new().transform(event.to_string(), "ndjson");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{DOCUMENT}\n"));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.starts_with(
            "failed: Hydrant.Base64Invalid: the data is no base64\n2 entries: 1 documents (1 general), 1 failed\n"
        ),
        "{told}"
    );
}

#[test]
fn names_format_and_profile_are_taken_from_the_command_line() {
    let lab = Lab::new();
    let log = lab.file("2021-07-23T05:45:52.976229Z\t  199 Query\tUSE testdb\n# Query_time: 1\nSELECT 1;\n");
    let group = ["--log-group", "/aws/rds/instance/db/slowquery", "--log-stream", "db", "--profile", "otel"];
    let output = transform(&log, &[&group[..], &["--to", "ndjson", "--format", "slow"]].concat());
    let documents: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(documents[1]["db.query.text"], "SELECT 1");
    assert_eq!(documents[1]["aws.log.group.names"], json!(["/aws/rds/instance/db/slowquery"]));
    assert_eq!(documents[1]["aws.log.stream.names"], json!(["db"]));
    assert_eq!(documents[0]["body"], "2021-07-23T05:45:52.976229Z\t  199 Query\tUSE testdb");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(told, "2 entries: 2 documents (1 slow, 1 unparsed), 1 of them partial\n");
}

#[test]
fn the_users_own_lines_are_read_by_the_configuration() {
    let lab = Lab::new();
    let config = lab.0.path().join("hydrant.toml");
    let text = "[[pattern]]\nregex = '(?<at>\\S+) (?<level>[A-Z]+) took=(?<took>[0-9.]+) (?<text>.*)'\ntime = \"at\"\nfloats = \"took\"\n";
    std::fs::write(&config, text).unwrap();
    let log = lab.file("2021-07-23T05:45:52.5Z INFO took=3 ready\nno such line\n");
    let output = transform(&log, &["--to", "ndjson", "--config", config.to_str().unwrap()]);
    let documents: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = ["@timestamp", "level", "took", "text"].map(|name| documents[0][name].clone());
    assert_eq!(told, [json!("2021-07-23T05:45:52.500000Z"), json!("INFO"), json!(3.0), json!("ready")]);
    assert_eq!(documents[1]["message"], "no such line");
    let output = transform(&log, &["--format", "pattern"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("needs a `[[pattern]]` table"), "{output:?}");
}

/// What is measured is the real work: its documents are those that `transform` prints.
#[test]
fn the_benchmark_tells_what_it_made() {
    let lab = Lab::new();
    let folder = lab.0.path().join("corpus");
    std::fs::create_dir(&folder).unwrap();
    let event = json!({"records": [{"recordId": "r1", "data": STANDARD.encode(gzip(ENVELOPE.as_bytes()))}]});
    std::fs::write(folder.join("a.json"), event.to_string()).unwrap();
    std::fs::write(folder.join("manifest.json"), "{}").unwrap();
    let output = Command::new(BINARY).args(["bench", "transform", "--json"]).arg(&folder).output().unwrap();
    let report: Value = serde_json::from_str(stdout(&output)).unwrap();
    let hash = Sha256::digest(format!("{DOCUMENT}\n"));
    let hash: String = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((&report["documents"], &report["documents_hash"]), (&json!(1), &json!(hash)));
    assert_eq!((&report["entries"], &report["inflated_bytes"]), (&json!(1), &json!(ENVELOPE.len())));
    assert!(["ratio_to_gunzip", "mb_per_s", "entries_per_s"].iter().all(|key| report[key].as_f64().unwrap() > 0.0));
    let nothing = Command::new(BINARY).args(["bench", "transform"]).arg(lab.0.path()).output().unwrap();
    assert_eq!(nothing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("holds no event of Firehose"));
}

const ENTRY: &str = "2021-07-23T05:45:52.976229Z\t  199 Query\tUSE testdb\n";

/// What stands before the damage comes out, and the command says that there was some.
#[test]
fn a_gzipped_log_that_is_cut_or_padded_gives_what_can_be_read() {
    let lab = Lab::new();
    let lines: String = (0..20_000).map(|number| format!("{}{number}\n", ENTRY.trim_end())).collect();
    let packed = gzip(lines.as_bytes());
    let documents = |output: &Output| output.stdout.iter().filter(|byte| **byte == b'\n').count();
    let whole = lab.transform([&packed[..], &[0; 1_000]].concat(), "ndjson");
    assert_eq!((whole.status.code(), documents(&whole)), (Some(0), 20_000));
    for (damaged, least) in [(packed[..packed.len() / 2].to_vec(), 5_000), ([&packed[..], b"x"].concat(), 20_000)] {
        let output = lab.transform(damaged, "ndjson");
        assert_eq!(output.status.code(), Some(1));
        assert!((least..=20_000).contains(&documents(&output)), "{}", documents(&output));
        let first: Value = serde_json::from_slice(output.stdout.split(|byte| *byte == b'\n').next().unwrap()).unwrap();
        assert_eq!(first["Statement"], "USE testdb0");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains("is damaged; what stands before the damage was read"), "{told}");
    }
    // A cut envelope is one failed record.
    let packed = gzip(ENVELOPE.as_bytes());
    let output = lab.transform(&packed[..packed.len() - 20], "ndjson");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("failed: Hydrant.GzipDamaged: "));
}

/// Entries go out while the pipe is open, as soon as it is known where they end.
#[test]
fn a_pipe_is_transformed_as_it_comes() {
    for (first, next, field) in [
        (ENTRY, "2021-07-23T05:45:53.976229Z\t  199 Quit\t\n", "Statement"),
        ("{\"a\":1}\n", "{\"a\":2}\n", "a"),
        ("words\n", "more\n", "message"),
        (&format!("{ENVELOPE}\n"), &format!("{ENVELOPE}\n"), "PID"),
    ] {
        let mut child = Command::new(BINARY)
            .args(["transform", "--to", "ndjson", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        pipe.write_all(first.as_bytes()).unwrap();
        pipe.write_all(next.as_bytes()).unwrap();
        let document: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert!(document.get(field).is_some(), "{document}");
        drop(pipe);
        assert_eq!(lines.count(), 1);
        assert!(child.wait().unwrap().success());
    }
}

/// Ids are those of the path that is given, whatever it takes to read it and however often.
#[test]
fn ids_of_a_log_stay_the_same() {
    let lab = Lab::new();
    let ids = |path: &Path| {
        let output = transform(path, &["--to", "bulk"]);
        let actions = stdout(&output).lines().step_by(2).map(|line| serde_json::from_str::<Value>(line).unwrap());
        actions.map(|action| action["create"].clone()).collect::<Vec<_>>()
    };
    // Lines before a stamp have the time at which the file was changed.
    let log = lab.file(format!("no stamp\nnor here\n{ENTRY}"));
    std::fs::File::options()
        .append(true)
        .open(&log)
        .unwrap()
        .set_modified(UNIX_EPOCH + Duration::from_secs(1_600_000_000))
        .unwrap();
    let told = ids(&log);
    assert_eq!((told.len(), &told[0]["_index"]), (3, &json!("hydrant-text-2020-09-13")));
    assert_eq!(ids(&log), told);
    let packed = lab.file(gzip(format!("{ENTRY}{ENTRY}").as_bytes()));
    let told = ids(&packed);
    assert_eq!((told.len(), ids(&packed)), (2, told));
}

/// `run --tail` gives an entry of a log the id that `transform` prints.
#[test]
fn a_log_has_the_ids_of_a_run() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../hydrant-transform/tests/golden");
    let log = folder.join("mysql-9.7.4-general-part2.log").canonicalize().unwrap();
    let output = transform(&log, &["--to", "bulk"]);
    let ids: BTreeSet<String> = stdout(&output)
        .lines()
        .step_by(2)
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["create"]["_id"].as_str().unwrap().to_owned())
        .collect();
    let data = tempfile::tempdir().unwrap();
    let program = Program::run(data.path(), &["--tail", log.to_str().unwrap()]);
    until("the documents", || (program.count() == ids.len() as u64).then_some(()));
    let body = json!({"size": 10_000, "_source": false});
    let found = program.search("hydrant-*/_search", &body);
    let hits = found["hits"]["hits"].as_array().unwrap();
    let indexed: BTreeSet<String> = hits.iter().map(|hit| hit["_id"].as_str().unwrap().to_owned()).collect();
    let others = indexed.symmetric_difference(&ids).count();
    assert_eq!((others, indexed.len()), (0, ids.len()));
    program.stop();
}

/// Several entries on the command line or in a record are several.
#[test]
fn several_entries_are_explained_one_by_one() {
    let explain = |given: &str| {
        let output = Command::new(BINARY).args(["explain", "--json", given]).output().unwrap();
        let lines = stdout(&output).lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|told| told["document"]["Statement"].clone()).collect::<Vec<_>>()
    };
    let log = "2021-07-23T05:45:52.976229Z\t  199 Query\tSELECT a\n  FROM t\n2021-07-23T05:45:53.976229Z\t  199 Query\tSELECT 2\n";
    assert_eq!(explain(log), [json!("SELECT a\n  FROM t"), json!("SELECT 2")]);
    let event = json!({"Records": [{"Data": STANDARD.encode(log), "SequenceNumber": "1"}]});
    assert_eq!(explain(&event.to_string()), [json!("SELECT a\n  FROM t"), json!("SELECT 2")]);
}

/// What is no envelope in a file of envelopes, one a line, fails alone; no line of it is taken for a log's.
#[test]
fn a_bad_line_in_a_file_of_envelopes_fails_alone() {
    let lab = Lab::new();
    let cut = &ENVELOPE[..ENVELOPE.len() - 40];
    let output = lab.transform(format!("{ENVELOPE}\n{cut}\n\n{ENVELOPE}\n"), "ndjson");
    assert_eq!(
        (output.status.code(), &*String::from_utf8_lossy(&output.stdout)),
        (Some(1), &*format!("{DOCUMENT}\n{DOCUMENT}\n"))
    );
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("failed: Hydrant.EnvelopeInvalid: "), "{output:?}");
    // On one line they are one record.
    for bad in [format!("{ENVELOPE}{cut}"), cut.to_owned(), ENVELOPE.replace("1627019152976", "\"soon\"")] {
        let output = lab.transform(&bad, "ndjson");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("failed: Hydrant.EnvelopeInvalid: "), "{output:?}");
    }
    // Objects of somebody else are lines.
    let lines = "{\"messageType\":\"ORDER\",\"n\":1}\n{\"messageType\":\"ORDER\",\"n\":2}\n";
    assert_eq!(stdout(&lab.transform(lines, "ndjson")).lines().count(), 2);
}

#[test]
fn what_cannot_be_read_does_not_keep_others_from_being_read() {
    let lab = Lab::new();
    let cut = lab.0.path().join("cut.gz");
    let packed = gzip(ENTRY.repeat(50_000).as_bytes());
    std::fs::write(&cut, &packed[..packed.len() - 9]).unwrap();
    let good = lab.file(ENTRY);
    let output = Command::new(BINARY)
        .args(["transform", "--to", "ndjson"])
        .args([&cut, &lab.0.path().join("none"), &good])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.stdout.ends_with(b"}\n") && told.contains(" entries: ") && told.contains("2 files could not be read"),
        "{told}"
    );
    assert!(told.contains("cut.gz is damaged") && told.contains("cannot read"), "{told}");
    let last = output.stdout.split(|byte| *byte == b'\n').rev().nth(1).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(last).unwrap()["log_stream"], good.to_str().unwrap());
    // A line of a file of failed documents that is none.
    let failed =
        json!({"attemptsMade": 1, "arrivalTimestamp": 1, "errorCode": "400", "rawData": STANDARD.encode(ENVELOPE)});
    let output = lab.transform(format!("{failed}\n{{\"a\":1}}\n{failed}\n"), "ndjson");
    assert_eq!((output.status.code(), output.stdout.iter().filter(|byte| **byte == b'\n').count()), (Some(1), 2));
}

/// Where a field is said to stand, it stands.
#[test]
fn explain_tells_places_within_the_message() {
    for line in [
        "2020-08-06T14:25:03.109022Z 5 [Note] [MY-010926] [Server] x",
        "20261123 03:09:49,vm,app,h:3,39,187,QUERY,d,'SELECT 1',0",
        "2021-07-23T05:45:52.976229Z\t  199 Connect\tapp@web on d using TCP/IP",
        "only text",
    ] {
        let output = Command::new(BINARY).args(["explain", "--json", line]).output().unwrap();
        let told: Value = serde_json::from_str(stdout(&output)).unwrap();
        let fields = told["fields"].as_array().unwrap();
        assert!(!fields.is_empty(), "{told}");
        for field in fields {
            let place = |idx: usize| usize::try_from(field["bytes"][idx].as_u64().unwrap()).unwrap();
            let part = line.get(place(0)..place(1)).unwrap_or_else(|| panic!("{field}"));
            assert_eq!(field["value"], part, "{line}");
        }
    }
}

#[test]
fn a_digest_is_of_a_log_with_statements() {
    let log = Lab::new();
    let path = log.file(ENTRY);
    let digest = |format: &str| Command::new(BINARY).args(["digest", "--format", format]).arg(&path).output().unwrap();
    assert!(stdout(&digest("general")).contains("as in: USE testdb"));
    let told = digest("error");
    assert_eq!(told.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&told.stderr).contains("the format `error` has no statements"), "{told:?}");
}
