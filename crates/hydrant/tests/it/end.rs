//! The end after a signal while a write hangs: the program ends all the same, and says what waits.
//!
//! What hangs is a named pipe in the place of an index's own file: reading it waits for a writer that never comes, as
//! a disk that is gone does.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::program::{BINARY, Program, until};

const LINE: &str = "2022-01-15T08:44:45.161343Z\t 9566 Query\tselect 1\n";

/// A log of one entry, whose index cannot be opened.
fn hanging(dir: &Path) {
    fs::write(dir.join("a.log"), LINE).unwrap();
    let index = dir.join("data/index/hydrant-general-2022-01-15");
    fs::create_dir_all(&index).unwrap();
    let made = Command::new("mkfifo").arg(index.join("hydrant-index.json")).status().unwrap();
    assert!(made.success());
}

/// The next run, on a disk that answers again, delivers what waited.
fn the_rest_is_delivered(dir: &Path) {
    fs::remove_dir_all(dir.join("data/index/hydrant-general-2022-01-15")).unwrap();
    let (summary, stderr) = Program::once(&dir.join("data"), &["--tail", dir.join("a.log").to_str().unwrap()], "warn");
    assert_eq!((&summary["entries"], &summary["documents"]), (&json!(1), &json!(1)), "{summary} {stderr}");
}

#[test]
fn following_ends_after_a_signal_while_a_write_hangs() {
    let dir = tempfile::tempdir().unwrap();
    hanging(dir.path());
    let program = Program::run(&dir.path().join("data"), &["--tail", dir.path().join("a.log").to_str().unwrap()]);
    let metrics = format!("{}/metrics", program.page);
    until("the entry in the stream", || {
        let metrics = ureq::get(&metrics).call().unwrap().body_mut().read_to_string().unwrap();
        metrics.contains("hydrant_records_appended_total 1\n").then_some(())
    });
    let summary = program.stop();
    assert_eq!(summary["documents"], 0, "{summary}");
    assert_eq!(summary["waiting"], 1, "{summary}");
    the_rest_is_delivered(dir.path());
}

#[test]
fn reading_once_ends_after_a_signal_while_a_write_hangs() {
    let dir = tempfile::tempdir().unwrap();
    hanging(dir.path());
    let child = Command::new(BINARY)
        .args(["run", "--once", "--data"])
        .arg(dir.path().join("data"))
        .arg("--tail")
        .arg(dir.path().join("a.log"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let segment = dir.path().join("data/stream/shardId-000000000000");
    until("the entry in the stream", || {
        let files = fs::read_dir(&segment).ok()?;
        files.flatten().any(|file| fs::metadata(file.path()).is_ok_and(|data| data.len() > 200)).then_some(())
    });
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("0 documents, 0 failed; 1 records wait for the next run"), "{said}");
    the_rest_is_delivered(dir.path());
}
