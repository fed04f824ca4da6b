//! What an operator meets without any other server: the log as JSON, and `config check --connect` of the embedded chain.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::program::{BINARY, until};
use crate::tidy::rust_files;

/// Runs `config check --connect` on a file of this text; answers exit code, lines and stderr.
pub(crate) fn connect(folder: &Path, text: &str) -> (Option<i32>, Vec<String>, String) {
    let file = folder.join("hydrant.toml");
    fs::write(&file, text).unwrap();
    connect_file(&file)
}

pub(crate) fn connect_file(file: &Path) -> (Option<i32>, Vec<String>, String) {
    let output = command().args(["config", "check", "--connect", "--config"]).arg(file).output().unwrap();
    let Output { status, stdout, stderr } = output;
    let lines = String::from_utf8(stdout).unwrap().lines().map(str::to_owned).collect();
    (status.code(), lines, String::from_utf8(stderr).unwrap())
}

/// The program, with credentials that any server of others takes, and away from those of this machine.
pub(crate) fn command() -> Command {
    let mut command = Command::new(BINARY);
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env("AWS_REGION", "us-east-1");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env_remove("HYDRANT_LOG").stdin(Stdio::null());
    command
}

/// The one line that begins so.
pub(crate) fn line<'a>(lines: &'a [String], begin: &str) -> &'a str {
    let mut found = lines.iter().filter(|line| line.starts_with(begin));
    match (found.next(), found.next()) {
        (Some(line), None) => line,
        _ => panic!("not one line begins with {begin:?}: {lines:#?}"),
    }
}

#[test]
fn the_embedded_chain_is_checked_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let log = folder.path().join("general.log");
    fs::write(&log, "").unwrap();
    let text = format!("data = {data:?}\n[[tail]]\nfile = {log:?}\n[[tail]]\nfile = \"{}.gone\"\n", log.display());
    let (code, lines, stderr) = connect(folder.path(), &text);
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{lines:?}");
    assert_eq!(
        lines,
        [
            "ok       configuration: every key is known and every value is possible".to_owned(),
            format!("ok       data: {} is not there yet and can be made", data.display()),
            format!("ok       tail: {} can be read", log.display()),
            format!("warning  tail: {}.gone is not there -> it is followed as soon as it is", log.display()),
            format!("ok       stream: {}/stream is not there yet and can be made", data.display()),
            format!("ok       index: {}/index is not there yet and can be made", data.display()),
            format!("ok       failed: {}/failed is not there yet and can be made", data.display()),
        ]
    );
    let mut left: Vec<String> =
        fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, ["general.log", "hydrant.toml"]);
}

#[test]
fn a_folder_that_cannot_be_written_and_one_of_a_newer_version_have_failed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("hydrant.json"), r#"{"version":2}"#).unwrap();
    let backup = folder.path().join("backup");
    fs::create_dir(&backup).unwrap();
    fs::write(backup.join("hydrant-backup.json"), r#"{"version":2}"#).unwrap();
    let text = format!("data = {data:?}\n[failed]\nto = {:?}\n[backup]\nto = {backup:?}\n", file.join("failed"));
    let (code, lines, stderr) = connect(folder.path(), &text);
    assert_eq!((code, stderr.as_str()), (Some(1), "hydrant: 3 of 6 checks failed\n"), "{lines:?}");
    let told = line(&lines, "failed   data: ");
    assert!(told.contains("made by a newer Hydrant") && told.contains(" -> start the version"), "{told}");
    let told = line(&lines, "failed   failed: ");
    assert!(told.contains("Not a directory") && told.contains(" -> let the user that Hydrant runs as write"), "{told}");
    let told = line(&lines, "failed   backup: ");
    assert!(told.contains("has version 2"), "{told}");
}

#[test]
fn a_wrong_configuration_is_said_before_anything_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (code, lines, stderr) = connect(folder.path(), "[log]\nformat = \"xml\"\n[stream]\nshards = 0\n");
    assert_eq!((code, lines.len()), (Some(2), 0));
    assert!(stderr.contains("line 2: `format`: `xml`") && stderr.contains("line 4: `shards`"), "{stderr}");
}

#[test]
fn every_line_of_the_log_is_json_where_that_is_asked_for_and_holds_no_payload() {
    let folder = tempfile::tempdir().unwrap();
    let (log, errors, config) =
        (folder.path().join("a.log"), folder.path().join("errors"), folder.path().join("hydrant.toml"));
    fs::write(&log, "2026-11-23T10:00:00.000000Z\t    9 Query\tSELECT 'payload-of-mine'\n").unwrap();
    // Nobody listens on this port.
    let text = "[index]\nengine = \"opensearch\"\nendpoint = \"http://127.0.0.1:1\"\n[log]\nformat = \"json\"\nlevel = \"debug\"\n";
    fs::write(&config, text).unwrap();
    let mut run = command();
    run.args(["run", "--json", "--rest", "127.0.0.1:0", "--page", "127.0.0.1:0", "--data"]);
    run.arg(folder.path().join("data")).arg("--tail").arg(&log).arg("--config").arg(&config);
    let mut child = run.stdout(Stdio::null()).stderr(fs::File::create(&errors).unwrap()).spawn().unwrap();
    let said = |what: &str| fs::read_to_string(&errors).unwrap().contains(what).then_some(());
    // Of a document: without one there is no batch to wait for, and one interrupt ends all.
    until("the outage to be said", || said("cannot write to the index"));
    let interrupt = || Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success();
    interrupt();
    until("the end to be said", || said("stopping"));
    interrupt();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let text = fs::read_to_string(&errors).unwrap();
    assert!(!text.contains("payload-of-mine"), "{text}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for line in &lines {
        let names: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(names, ["timestamp", "level", "message", "fields"], "{line}");
        assert!(line["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{line}");
    }
    let of = |what: &str| lines.iter().find(|line| line["message"].as_str().unwrap().contains(what)).unwrap();
    assert_eq!(of("cannot write to the index")["level"], "WARN");
    assert!(of("cannot write to the index")["fields"]["problem"].as_str().unwrap().contains("127.0.0.1:1"));
    assert_eq!((&of("stopping")["level"], &of("stopping")["fields"]), (&"INFO".into(), &serde_json::json!({})));
}

#[test]
fn the_command_line_goes_before_the_file_and_the_end_is_said_in_the_same_form() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("hydrant.toml");
    fs::write(&config, "[log]\nformat = \"text\"\n[stream]\nshards = 0\n").unwrap();
    let run = |arguments: &[&str]| {
        let output = command().args(arguments).arg("--config").arg(&config).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, stderr) = run(&["--log-format", "json", "run"]);
    let told: Value = serde_json::from_str(&stderr).expect(&stderr);
    assert_eq!((code, &told["level"]), (Some(2), &"ERROR".into()));
    assert!(told["message"].as_str().unwrap().contains("line 4: `shards`"), "{told}");
    let (code, stderr) = run(&["run"]);
    assert!(code == Some(2) && stderr.starts_with("hydrant: "), "{stderr}");
    let (code, stderr) = run(&["run", "--log-level", "loud"]);
    assert!(code == Some(2) && stderr.contains("`loud` is none of"), "{stderr}");
}

#[test]
fn a_file_that_the_configuration_names_and_that_is_not_there_is_a_problem_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("hydrant.toml");
    let empty = folder.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    let cluster = "[listen]\nrest = \"127.0.0.1:0\"\npage = \"127.0.0.1:0\"\n[index]\nengine = \"opensearch\"\nendpoint = \"https://127.0.0.1:1\"\n";
    for (keys, says) in [
        ("user = \"u\"\npassword_file = \"/no/such/password\"\n".to_owned(), "the password file /no/such/password"),
        (format!("ca_file = {empty:?}\n"), "the file holds no certificate"),
        ("identity_file = \"/no/such/identity\"\n".to_owned(), "client certificate /no/such/identity"),
    ] {
        fs::write(&config, format!("{cluster}{keys}")).unwrap();
        for command_line in [&["run"][..], &["setup", "opensearch"]] {
            let output = command().args(command_line).arg("--config").arg(&config).output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.code() == Some(2) && stderr.contains(says), "{command_line:?}: {stderr}");
        }
    }
}

/// Runs `config check --lambda` with these variables; answers exit code, stdout and stderr.
pub(crate) fn check_lambda(variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = command();
    // Those of the tests themselves.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HYDRANT_")) {
        command.env_remove(name);
    }
    let output = command.args(["config", "check", "--lambda"]).envs(variables.iter().copied()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_functions_settings_are_checked_and_shown() {
    let (code, shown, stderr) = check_lambda(&[("HYDRANT_INDEX_ROTATION", "OneHour")]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert!(
        shown.contains("\nHYDRANT_INDEX_ROTATION=OneHour\n") && shown.contains("\nHYDRANT_OUTPUT=opensearch\n"),
        "{shown}"
    );
    let (code, shown, stderr) = check_lambda(&[("HYDRANT_OUTPUT", "s3"), ("HYDRANT_INDEX", "x")]);
    assert_eq!((code, shown.as_str()), (Some(2), ""));
    assert!(
        stderr.contains("HYDRANT_OUTPUT: `s3` is neither") && stderr.contains("HYDRANT_INDEX is no setting"),
        "{stderr}"
    );
}

/// The failure table of docs/operate.md: what it says is proved by tests that are there.
#[test]
fn each_row_of_the_failure_table_names_a_test_that_exists() {
    let manual = include_str!("../../../../docs/operate.md");
    let table = manual.split("## When something fails").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 15, "{rows:?}");
    let sources = rust_files();
    let mut last = Vec::new();
    for row in rows {
        let proof = row.trim_end_matches([' ', '|']).rsplit('|').next().unwrap().trim();
        if proof != "the same" {
            last = proof.split('`').skip(1).step_by(2).collect();
        }
        assert!(!last.is_empty(), "no test is named: {row}");
        for name in &last {
            let begin = format!("fn {name}(");
            assert!(sources.iter().any(|(_, text)| text.contains(&begin)), "{name} is no test: {row}");
        }
    }
}
