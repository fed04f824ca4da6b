//! The captures of the general log through the tail and the transformation: each document whole, against what an
//! independent script made of them (`hydrant-transform/tests/golden/expected.py`).

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::program::{BINARY, Program};

/// Where the script has the servers' clocks.
const ZONE: &str = "Asia/Kathmandu";

fn lines(bytes: &[u8]) -> Vec<Map<String, Value>> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// What a document must say, but for its event id. Of a long statement the script tells the hash: it is taken from the
/// document once it has that.
fn document(expected: &Map<String, Value>, log: &Path, found: &Map<String, Value>) -> Value {
    let bytes = |name: &str| expected[name].as_str().map(|base64| STANDARD.decode(base64).unwrap());
    let statement = if let Some(sha256) = expected.get("argument_sha256") {
        let statement = found["Statement"].as_str().unwrap();
        let hash: String = Sha256::digest(statement).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((&json!(hash), &json!(statement.len())), (sha256, &expected["argument_bytes"]));
        statement.to_owned()
    } else if expected.contains_key("argument_base64") {
        String::from_utf8_lossy(&bytes("argument_base64").unwrap()).into_owned()
    } else {
        expected["argument"].as_str().unwrap().to_owned()
    };
    let mut document = json!({
        "@timestamp": expected["@timestamp"],
        "Time": expected["time"],
        "PID": expected["id"],
        "Perform": expected["command"],
        "Statement": statement,
        "owner": "000000000000",
        "log_group": "/hydrant/tail",
        "log_stream": log.to_str().unwrap(),
    });
    for (name, value) in expected["account"].as_object().unwrap() {
        document[name] = value.clone();
    }
    for flag in ["suspect", "message_base64"] {
        if let Some(value) = expected.get(flag) {
            document[flag] = value.clone();
        }
    }
    document
}

fn check(name: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../hydrant-transform/tests/golden");
    let log = folder.join(format!("{name}.log"));
    let expected = lines(&std::fs::read(folder.join(format!("{name}.expected.ndjson"))).unwrap());
    let output = Command::new(BINARY)
        .args(["transform", "--to", "ndjson", "--redact", "off", "--time-zone", ZONE])
        .arg(&log)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut found = lines(&output.stdout);
    let entries: Vec<_> = expected.iter().filter(|entry| !entry.contains_key("banner")).collect();
    assert_eq!(found.len(), entries.len());
    let mut last = String::new();
    for (found, entry) in found.iter_mut().zip(entries) {
        let Some(Value::String(id)) = found.remove("event_id") else { panic!("no event id: {found:?}") };
        assert!(id.len() == 56 && id > last, "{id} after {last}");
        last = id;
        assert_eq!(Value::Object(found.clone()), document(entry, &log, found));
    }
}

#[test]
fn the_documents_of_the_mysql_9_7_log() {
    check("mysql-9.7.4-general-part2");
}

#[test]
fn the_documents_of_the_mariadb_10_11_log_of_a_server_in_another_zone() {
    check("mariadb-10.11.19-general");
}

/// Counts and times of the digests add up to what the script read of the slow log.
#[test]
fn the_digests_of_the_mysql_9_7_slow_log_add_up() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../hydrant-transform/tests/golden");
    let expected = lines(&std::fs::read(folder.join("mysql-9.7.4-slow.expected.ndjson")).unwrap());
    let statements: Vec<_> = expected
        .iter()
        .filter(|entry| !entry.contains_key("banner") && entry.get("command").is_none_or(Value::is_null))
        .collect();
    let output = Command::new(BINARY)
        .args(["digest", "--json", "--limit", "0"])
        .arg(folder.join("mysql-9.7.4-slow.log"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = lines(&output.stdout);
    let count: u64 = found.iter().map(|row| row["count"].as_u64().unwrap()).sum();
    assert_eq!(count, statements.len() as u64);
    let total: f64 = found.iter().map(|row| row["seconds_total"].as_f64().unwrap()).sum();
    let seconds = |entry: &&Map<String, Value>| {
        let fields = entry["fields"].as_array().unwrap();
        let time = fields.iter().find(|field| field[0] == "Query_time").unwrap();
        time[1].as_str().unwrap().parse::<f64>().unwrap()
    };
    let expected: f64 = statements.iter().map(seconds).sum();
    assert!((total - expected).abs() < 1e-6, "{total} and {expected}");
    assert!(found.is_sorted_by(|a, b| a["seconds_total"].as_f64() >= b["seconds_total"].as_f64()));
}

/// What a filter drops is counted under its name, and the account adds up.
#[test]
fn filters_drop_what_the_configuration_says_and_count_it() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../hydrant-transform/tests/golden");
    let expected = lines(&std::fs::read(folder.join("mysql-9.7.4-general-part2.expected.ndjson")).unwrap());
    let count = |commands: &[&str]| {
        expected.iter().filter(|entry| commands.iter().any(|command| entry["command"] == *command)).count()
    };
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("hydrant.toml");
    std::fs::write(
        &config,
        "[[filter]]\nname = \"ends\"\ncommand = \"quit\"\n\n[[filter]]\nname = \"queries\"\naction = \"keep\"\ncommand = \"Query\"\n",
    )
    .unwrap();
    let log = folder.join("mysql-9.7.4-general-part2.log");
    let arguments = ["--config", config.to_str().unwrap(), "--tail", log.to_str().unwrap()];
    let (summary, _) = Program::once(&data.path().join("data"), &arguments, "warn");
    let (ends, queries) = (count(&["Quit"]), count(&["Query"]));
    assert!(ends > 0 && queries > 0 && ends + queries < expected.len());
    assert_eq!(
        (&summary["entries"], &summary["documents"], &summary["dropped"]),
        (&json!(expected.len()), &json!(queries), &json!({"ends": ends, "not_kept": expected.len() - ends - queries}))
    );
}

fn run_cases(folder: &Path) -> Output {
    Command::new(BINARY).arg("test").arg(folder).output().unwrap()
}

fn all_are_ok(folder: &Path, count: usize) {
    let output = run_cases(folder);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(told.lines().filter(|line| line.starts_with("ok     ")).count(), count, "{told}");
}

/// Every capture, to the last member of its documents, against what `hydrant-transform/tests/golden/documents.py` made.
#[test]
fn the_cases_of_the_captures_are_as_expected() {
    all_are_ok(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../hydrant-transform/tests/golden/cases"), 9);
}

/// Cases that were written by hand, through the command that users have for theirs.
#[test]
fn the_cases_of_the_examples_are_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/cases");
    all_are_ok(&folder, 6);

    let broken = tempfile::tempdir().unwrap();
    std::fs::copy(folder.join("error.log"), broken.path().join("error.log")).unwrap();
    std::fs::write(broken.path().join("error.expected.ndjson"), "{\"PID\":75}\n").unwrap();
    let output = run_cases(broken.path());
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("document 1: PID is 74, not 75"), "{told}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "hydrant: 1 of 1 cases failed\n");

    // One without an input fails, and does not keep the others from being run.
    std::fs::write(broken.path().join("a.expected.ndjson"), "{}\n").unwrap();
    let output = run_cases(broken.path());
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("a.expected.ndjson has no input beside it") && told.contains("PID is 74, not 75"), "{told}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "hydrant: 2 of 2 cases failed\n");
}
