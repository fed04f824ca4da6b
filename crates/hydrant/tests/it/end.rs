//! The end after a signal while an index or a write hangs: the program ends all the same, and says what waits.
//!
//! What hangs is a named pipe in the place of an index's own file: reading it waits for a writer that never writes, as
//! a disk that is gone does.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::program::{BINARY, Program, until};

const FIRST: &str = "2022-01-15T08:44:45.161343Z\t 9566 Query\tselect 1\n";
const SECOND: &str = "2022-01-15T08:44:46.161343Z\t 9566 Query\tselect 2\n";
const MANIFEST: &str = "data/index/hydrant-general-2022-01-15/hydrant-index.json";

fn put_pipe(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

/// Waits until somebody reads the pipe. While what this answers is open, that reading does not end.
fn read_by_somebody(pipe: &Path) -> File {
    const O_NONBLOCK: i32 = 0o4000;
    until("the pipe being read", || OpenOptions::new().write(true).custom_flags(O_NONBLOCK).open(pipe).ok())
}

fn until_metric(program: &Program, metric: &str) {
    let metrics = format!("{}/metrics", program.page);
    until(metric, || {
        let text = ureq::get(&metrics).call().unwrap().body_mut().read_to_string().unwrap();
        text.contains(metric).then_some(())
    });
}

#[test]
fn following_ends_after_a_signal_while_an_index_cannot_be_opened() {
    let dir = tempfile::tempdir().unwrap();
    let (data, log) = (dir.path().join("data"), dir.path().join("a.log"));
    put_pipe(&dir.path().join(MANIFEST));
    fs::write(&log, FIRST).unwrap();
    let program = Program::run(&data, &["--tail", log.to_str().unwrap()]);
    until_metric(&program, "hydrant_records_appended_total 1\n");
    let hanging = read_by_somebody(&dir.path().join(MANIFEST));
    let summary = program.stop();
    assert_eq!((&summary["documents"], &summary["waiting"]), (&json!(0), &json!(1)), "{summary}");
    drop(hanging);
    fs::remove_dir_all(dir.path().join(MANIFEST).parent().unwrap()).unwrap();
    delivers_one(&data, &log);
}

#[test]
fn following_ends_after_a_signal_while_a_write_hangs() {
    let dir = tempfile::tempdir().unwrap();
    let (data, log, manifest) = (dir.path().join("data"), dir.path().join("a.log"), dir.path().join(MANIFEST));
    fs::write(&log, FIRST).unwrap();
    delivers_one(&data, &log);

    let program = Program::run(&data, &["--tail", log.to_str().unwrap()]);
    // Open now, for everybody but a writer: that one will read the index's file once more.
    assert_eq!(program.count(), 1);
    let kept = fs::read(&manifest).unwrap();
    fs::remove_file(&manifest).unwrap();
    put_pipe(&manifest);
    OpenOptions::new().append(true).open(&log).unwrap().write_all(SECOND.as_bytes()).unwrap();
    let hanging = read_by_somebody(&manifest);
    let summary = program.stop();
    assert_eq!((&summary["documents"], &summary["waiting"]), (&json!(0), &json!(1)), "{summary}");

    drop(hanging);
    fs::remove_file(&manifest).unwrap();
    fs::write(&manifest, kept).unwrap();
    delivers_one(&data, &log);
}

#[test]
fn reading_once_ends_after_a_signal_while_a_write_hangs() {
    let dir = tempfile::tempdir().unwrap();
    let (data, log, manifest) = (dir.path().join("data"), dir.path().join("a.log"), dir.path().join(MANIFEST));
    put_pipe(&manifest);
    fs::write(&log, FIRST).unwrap();
    let child = Command::new(BINARY)
        .args(["run", "--once", "--data"])
        .arg(&data)
        .arg("--tail")
        .arg(&log)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Without ports, nobody but delivery reads an index.
    let hanging = read_by_somebody(&manifest);
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("0 documents, 0 failed; 1 records wait for the next run (the batch in flight did not"),
        "{said}"
    );
    drop(hanging);
    fs::remove_dir_all(manifest.parent().unwrap()).unwrap();
    delivers_one(&data, &log);
}

/// A run on a disk that answers delivers the one entry that was not delivered yet.
fn delivers_one(data: &Path, log: &Path) {
    let (summary, stderr) = Program::once(data, &["--tail", log.to_str().unwrap()], "warn");
    let delivered = (&summary["entries"], &summary["documents"], &summary["duplicates"], &summary["waiting"]);
    assert_eq!(delivered, (&json!(1), &json!(1), &json!(0), &json!(0)), "{summary} {stderr}");
}
