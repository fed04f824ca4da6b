//! `hydrant replay` as a program: after a run, over a kill -9, and what a backup holds.

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::MultiGzDecoder;
use serde_json::{Value, json};

use crate::program::{BINARY, Program, until};

/// What a server that takes all credentials needs.
pub(crate) const CREDENTIALS: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "id"),
    ("AWS_SECRET_ACCESS_KEY", "key"),
    ("AWS_REGION", "eu-west-1"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

/// Runs it to its end; the summary, whether it is content, and what it says.
pub(crate) fn replay(from: &str, data: &Path, arguments: &[&str]) -> (Value, bool, String) {
    let Output { status, stdout, stderr } = command(from, data, arguments).output().unwrap();
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    let summary: Value = serde_json::from_slice(&stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    let count = |name: &str| summary[name].as_u64().unwrap();
    let parts = ["replayed", "already_there", "filtered", "dropped", "failed_again", "unreadable"];
    assert_eq!(count("read"), parts.map(count).iter().sum::<u64>(), "{summary}");
    (summary, status.success(), stderr)
}

pub(crate) fn command(from: &str, data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(["replay", "--json", from, "--data"]).arg(data).args(arguments);
    command.stdin(Stdio::null()).envs(CREDENTIALS);
    command
}

/// Every file below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// A failed document of Hydrant, whose log event is this JSON line.
pub(crate) fn failed_line(id: &str, message: &str) -> String {
    let envelope = json!({"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s",
        "subscriptionFilters": [], "logEvents": [{"id": format!("{id:0>56}"), "timestamp": 1_627_019_152_976_i64,
        "message": message}]});
    json!({"rawData": STANDARD.encode(envelope.to_string()), "errorCode": "400", "errorMessage": "m",
        "attemptsMade": 1, "arrivalTimestamp": 1_627_019_152_976_i64, "attemptEndingTimestamp": 1, "esDocumentId": id,
        "esIndexName": "hydrant-json-2021-07-23", "esTypeName": "", "ordinal": 0, "format": "json",
        "reasonCode": "mapper_parsing_exception"})
    .to_string()
}

#[test]
fn what_a_run_could_not_index_is_replayed_and_all_documents_are_backed_up() {
    let folder = tempfile::tempdir().unwrap();
    let (data, log) = (folder.path().join("data"), folder.path().join("app.log"));
    let (config, fixed) = (folder.path().join("hydrant.toml"), folder.path().join("fixed.toml"));
    let backup = folder.path().join("backup");
    fs::write(&log, "{\"n\":1}\n{\"n\":\"a word\"}\n{\"n\":2}\n").unwrap();
    fs::write(&config, format!("[backup]\nto = {backup:?}\n")).unwrap();
    fs::write(&fixed, "[transform]\nformat = \"text\"\n").unwrap();
    let run = ["--config", config.to_str().unwrap(), "--tail", log.to_str().unwrap()];
    let (summary, _) = Program::once(&data, &run, "error");
    assert_eq!((&summary["documents"], &summary["failed"]), (&json!(2), &json!(1)), "{summary}");

    // Every document once, in objects that are named as Firehose's.
    let objects: Vec<PathBuf> =
        files(&backup).into_iter().filter(|path| path.extension().is_some_and(|e| e == "gz")).collect();
    let mut documents: Vec<Value> = Vec::new();
    for path in &objects {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("hydrant-1-20"), "{name}");
        assert_eq!(path.strip_prefix(&backup).unwrap().components().count(), 5, "{}", path.display());
        let mut text = String::new();
        MultiGzDecoder::new(fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        documents.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    let mut values: Vec<String> = documents.iter().map(|document| document["_source"]["n"].to_string()).collect();
    values.sort();
    assert_eq!(values, ["\"a word\"", "1", "2"]);

    // By the same rule it fails again, in its place; by another it is in the index.
    let failed = data.join("failed");
    let before = files(&failed);
    let (summary, is_content, said) = replay(failed.to_str().unwrap(), &data, &[]);
    assert_eq!((&summary["failed_again"], is_content), (&json!(1), false), "{said}");
    assert!(said.contains("mapper_parsing_exception"), "{said}");
    assert_eq!(files(&failed), before);
    let (summary, is_content, said) = replay(failed.to_str().unwrap(), &data, &["--config", fixed.to_str().unwrap()]);
    assert_eq!((&summary["replayed"], is_content), (&json!(1), true), "{said}");
    let program = Program::run(&data, &[]);
    assert_eq!(program.count(), 3);
    program.stop();

    // The backup is of the same documents, and puts back what is lost.
    let other = folder.path().join("other");
    let (summary, ..) = replay(backup.to_str().unwrap(), &other, &[]);
    assert_eq!((&summary["replayed"], &summary["failed_again"]), (&json!(2), &json!(1)));
}

/// By the configuration's rules for what an index does not take, and without a word of it on the terminal.
#[test]
fn a_replay_moves_what_does_not_fit_and_makes_no_old_index_again() {
    let folder = tempfile::tempdir().unwrap();
    let (data, log, config) =
        (folder.path().join("data"), folder.path().join("app.log"), folder.path().join("hydrant.toml"));
    fs::write(&log, "{\"n\":1}\n{\"n\":\"payload-of-mine\"}\n").unwrap();
    let (summary, _) = Program::once(&data, &["--tail", log.to_str().unwrap()], "error");
    assert_eq!((&summary["documents"], &summary["failed"]), (&json!(1), &json!(1)), "{summary}");
    let failed = data.join("failed");
    let (summary, _, said) = replay(failed.to_str().unwrap(), &data, &[]);
    assert_eq!(summary["failed_again"], 1);
    assert!(said.contains("failed again: ") && said.contains("failed to parse field [n] of type [long]"), "{said}");
    assert!(!said.contains("payload-of-mine"), "{said}");
    let object = files(&failed).into_iter().find(|path| path.extension().is_none()).unwrap();
    let line: Value = serde_json::from_str(&fs::read_to_string(object).unwrap()).unwrap();
    assert!(line["errorMessage"].as_str().unwrap().contains("payload-of-mine"), "failed/ has the whole reason: {line}");

    fs::write(&config, "[index]\nconflicts = \"text\"\n").unwrap();
    let rules = ["--config", config.to_str().unwrap()];
    let (summary, is_content, said) = replay(failed.to_str().unwrap(), &data, &rules);
    assert_eq!((&summary["replayed"], is_content), (&json!(1), true), "{said}");
    let program = Program::run(&data, &[]);
    let told = program.search("hydrant-*/_search", &json!({"query": {"match_all": {}}}));
    let mut texts: Vec<&Value> =
        told["hits"]["hits"].as_array().unwrap().iter().map(|hit| &hit["_source"]["n_text"]).collect();
    texts.sort_by_key(|text| text.is_null());
    assert_eq!(texts, [&json!("payload-of-mine"), &Value::Null], "{told}");
    program.stop();

    let (old, bucket) = (folder.path().join("old"), folder.path().join("bucket"));
    fs::create_dir(&bucket).unwrap();
    fs::write(bucket.join("x"), failed_line("00aa", "{\"n\":1}")).unwrap();
    fs::write(&config, "[index]\nretention = \"30d\"\n").unwrap();
    let index = old.join("index/hydrant-json-2021-07-23");
    let (summary, _, said) = replay(bucket.to_str().unwrap(), &old, &rules);
    assert_eq!((&summary["failed_again"], index.exists()), (&json!(1), false), "{said}");
    let sentence =
        "Hydrant.Retention: the index [hydrant-json-2021-07-23] is older than index.retention, and is not there";
    assert!(said.contains(sentence), "{said}");
    let (summary, ..) = replay(bucket.to_str().unwrap(), &old, &[]);
    assert_eq!((&summary["replayed"], index.exists()), (&json!(1), true));
}

#[test]
fn a_replay_that_was_killed_goes_on_and_puts_each_document_once() {
    const OBJECTS: usize = 1500;
    let folder = tempfile::tempdir().unwrap();
    let (data, bucket) = (folder.path().join("data"), folder.path().join("bucket"));
    fs::create_dir(&bucket).unwrap();
    for number in 0..OBJECTS {
        let mut text = String::new();
        writeln!(text, "{}", failed_line(&format!("{number:032x}"), &format!("{{\"n\":{number}}}"))).unwrap();
        fs::write(bucket.join(format!("{number:05}")), text).unwrap();
    }
    let progress = folder.path().join("progress.json");
    let arguments = ["--progress", progress.to_str().unwrap()];
    let from = bucket.to_str().unwrap();
    // Slow enough that it cannot end before it is killed.
    let mut child = command(from, &data, &[&arguments[..], &["--rate", "100"]].concat())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    until("progress", || progress.exists().then_some(()));
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    let kept: Value = serde_json::from_slice(&fs::read(&progress).unwrap()).unwrap();
    let kept = kept["counts"]["read"].as_u64().unwrap();
    assert!(kept > 0 && kept < OBJECTS as u64, "{kept}");

    // Another replay does not go on from there.
    let output = command(from, &data, &[&arguments[..], &["--operation", "create"]].concat()).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("is the progress of another replay"));
    let (summary, is_content, said) = replay(from, &data, &arguments);
    assert!(is_content && said.contains("it goes on where it was"), "{said}");
    assert_eq!((&summary["read"], &summary["replayed"]), (&json!(OBJECTS), &json!(OBJECTS)), "{summary}");
    assert!(!progress.exists());
    let program = Program::run(&data, &[]);
    assert_eq!(program.count(), OBJECTS as u64);
    program.stop();
}

#[test]
fn the_embedded_index_is_not_replayed_into_beside_a_run_and_a_wrong_place_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let program = Program::run(&data, &[]);
    let output = command(folder.path().to_str().unwrap(), &data, &[]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("is in use by process"), "{said}");
    program.stop();
    let output = command("/no/such/folder", &data, &[]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("cannot read /no/such/folder"), "{said}");
    let output = command("s3://NO", &data, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
