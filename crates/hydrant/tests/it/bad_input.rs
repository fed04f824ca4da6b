//! What users get wrong and what logs hold: a clear message that names what and where, and harm to nothing else.

use std::fs;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::program::{BINARY, Program, until};

fn hydrant(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).current_dir(std::env::temp_dir()).output().unwrap()
}

/// The documents of a file that holds these bytes.
fn documents(bytes: &[u8]) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("a.log");
    fs::write(&log, bytes).unwrap();
    let output = hydrant(&["transform", log.to_str().unwrap(), "--to", "ndjson", "--time-zone", "UTC"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

fn fails(arguments: &[&str], code: i32, message: &str) {
    let output = hydrant(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(message), "`{message}` is not in: {stderr}");
}

fn reconciles(summary: &Value) {
    let number = |name: &str| summary[name].as_u64().unwrap();
    let dropped: u64 = summary["dropped"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(number("entries"), number("documents") + number("failed") + dropped, "{summary}");
}

#[test]
fn an_empty_file_is_no_entry() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("empty.log");
    fs::write(&log, b"").unwrap();
    let (summary, _) = Program::once(&dir.path().join("data"), &["--tail", log.to_str().unwrap()], "warn");
    assert_eq!((&summary["entries"], &summary["documents"]), (&0.into(), &0.into()));
    reconciles(&summary);
}

#[test]
fn a_directory_given_as_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let name = dir.path().to_str().unwrap();
    fails(&["run", "--once", "--data", data.to_str().unwrap(), "--tail", name], 1, name);
    fails(&["transform", name], 1, name);
}

#[test]
fn a_line_of_a_hundred_megabytes_is_one_truncated_entry() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("long.log");
    let mut file = BufWriter::new(fs::File::create(&log).unwrap());
    let header = b"2026-11-23T03:06:05.000001Z\t   32 Query\t";
    file.write_all(header).unwrap();
    let block = [b'x'; 1 << 16];
    for _ in 0..1_600 {
        file.write_all(&block).unwrap();
    }
    file.write_all(b"\n2026-11-23T03:06:05.000002Z\t   33 Query\tSELECT 1\n").unwrap();
    drop(file);
    let data = dir.path().join("data");
    let (summary, _) = Program::once(&data, &["--tail", log.to_str().unwrap()], "warn");
    assert_eq!((&summary["entries"], &summary["documents"]), (&2.into(), &2.into()));
    let program = Program::run(&data, &[]);
    let found = program.search("_all/_search", &serde_json::json!({"sort": ["PID"]}));
    let cut = &found["hits"]["hits"][0]["_source"];
    assert_eq!(cut["truncated"], true);
    assert_eq!(cut["bytes"], header.len() + 1_600 * block.len());
    assert!(cut["Statement"].as_str().unwrap().len() > 1_000_000);
    assert_eq!(found["hits"]["hits"][1]["_source"]["Statement"], "SELECT 1");
}

#[test]
fn binary_becomes_documents_and_the_account_reconciles() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("binary.log");
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let bytes: Vec<u8> = (0..300_000)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[7]
        })
        .collect();
    fs::write(&log, &bytes).unwrap();
    let (summary, _) = Program::once(&dir.path().join("data"), &["--tail", log.to_str().unwrap()], "error");
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty() && *line != b"\r").count();
    assert_eq!(summary["documents"], lines, "{summary}");
    assert_eq!(summary["failed"], 0);
    reconciles(&summary);
}

#[test]
fn nuls_and_bytes_that_are_not_utf_8_are_kept() {
    let found = documents(b"2026-11-23T03:06:05.000001Z\t   32 Query\tSELECT 'a\0b'\n2026-11-23T03:06:05.000002Z\t   32 Query\tSELECT '\xe9'\n");
    assert_eq!(found[0]["Statement"], "SELECT 'a\0b'");
    assert_eq!(found[1]["Statement"], "SELECT '\u{fffd}'");
    // base64 of the event's exact bytes, by coreutils' base64.
    assert_eq!(found[1]["message_base64"], "MjAyNi0xMS0yM1QwMzowNjowNS4wMDAwMDJaCSAgIDMyIFF1ZXJ5CVNFTEVDVCAn6Sc=");
}

#[test]
fn crlf_and_a_byte_order_mark_do_not_hide_a_header() {
    let found = documents(b"\xef\xbb\xbf2026-11-23T03:06:05.000001Z\t   32 Query\tSELECT 1\r\n2026-11-23T03:06:05.000002Z\t   33 Quit\t\r\n");
    assert_eq!((&found[0]["PID"], &found[0]["Statement"]), (&32.into(), &"SELECT 1".into()));
    assert_eq!((&found[1]["Perform"], &found[1]["Statement"]), (&"Quit".into(), &"".into()));
}

#[test]
fn a_full_disk_makes_the_chain_wait_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (log, data) = (dir.path().join("a.log"), dir.path().join("data"));
    let mut state = 7_u64;
    let entries = (1..=20_000).map(|pid| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("2026-11-23T03:06:05.{pid:06}Z\t{pid:5} Query\tSELECT x'{state:016X}{:016X}'\n", state.rotate_left(29))
    });
    fs::write(&log, entries.collect::<String>()).unwrap();
    // No file may grow beyond 256 KiB: writes fail as on a full disk.
    let limited = "trap '' XFSZ; ulimit -f 256; exec \"$0\" run --json --rest 127.0.0.1:0 --page 127.0.0.1:0 --data \"$1\" --tail \"$2\"";
    let mut child = Command::new("bash")
        .args(["-c", limited, BINARY])
        .args([&data, &log])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    while !said.contains("waits") {
        assert!(stderr.read_line(&mut said).unwrap() > 0, "it ended: {said}");
    }
    let stopped = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{said}");
    let (summary, _) = Program::once(&data, &["--tail", log.to_str().unwrap()], "warn");
    assert_eq!(summary["failed"], 0);
    let program = Program::run(&data, &[]);
    assert_eq!(program.count(), 20_000);
}

#[test]
fn a_data_folder_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"").unwrap();
    let below = file.join("data");
    fails(&["run", "--once", "--data", below.to_str().unwrap()], 1, below.to_str().unwrap());
    let newer = dir.path().join("newer");
    fs::create_dir(&newer).unwrap();
    fs::write(newer.join("hydrant.json"), br#"{"version":99}"#).unwrap();
    fails(&["run", "--once", "--data", newer.to_str().unwrap()], 1, "is of version 99, made by a newer Hydrant");
}

#[test]
fn a_second_process_on_a_data_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let program = Program::run(&data, &[]);
    let holder = format!("in use by process {}", program.child.id());
    fails(&["run", "--once", "--data", data.to_str().unwrap()], 1, &holder);
}

#[test]
fn a_port_in_use_and_an_address_that_is_not_loopback_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = data.to_str().unwrap();
    fails(&["run", "--data", data, "--page", "127.0.0.1:0", "--rest", &address], 1, &address);
    fails(&["run", "--data", data, "--page", "127.0.0.1:0", "--rest", "0.0.0.0:0"], 1, "loopback");
}

#[test]
fn a_misspelt_key_is_answered_with_the_nearest_name() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("hydrant.toml");
    fs::write(&config, "[stream]\nshard = 1\n").unwrap();
    let config = config.to_str().unwrap();
    fails(
        &["config", "check", "--config", config],
        2,
        "line 2: unknown key `stream.shard`; did you mean `stream.shards`?",
    );
    fails(&["run", "--config", config], 2, "did you mean `stream.shards`?");
    fails(&["rum"], 2, "run");
}

/// The status line that a port answers to these bytes.
fn status(address: &str, request: &str, body: usize) -> String {
    let mut stream = TcpStream::connect(address.trim_start_matches("http://")).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let block = vec![b' '; 1 << 20];
    for _ in 0..body.div_ceil(block.len()) {
        // The answer may come, and the connection be closed, before all is sent.
        if stream.write_all(&block).is_err() {
            break;
        }
    }
    let mut answer = [0; 64];
    let read = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..read]).lines().next().unwrap_or_default().to_owned()
}

#[test]
fn requests_that_are_too_large_or_come_from_elsewhere_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::run(&dir.path().join("data"), &[]);
    for address in [&program.rest, &program.page] {
        let host = address.trim_start_matches("http://");
        let get = |headers: &str| status(address, &format!("GET / HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"), 0);
        assert_eq!(get(&format!("Host: {host}\r\n")), "HTTP/1.1 200 OK");
        assert_eq!(get("Host: evil.example\r\n"), "HTTP/1.1 403 Forbidden");
        assert_eq!(get(&format!("Host: {host}\r\nOrigin: http://evil.example\r\n")), "HTTP/1.1 403 Forbidden");
        assert_eq!(get(&format!("Host: {host}\r\nOrigin: null\r\n")), "HTTP/1.1 403 Forbidden");
    }
    let host = program.rest.trim_start_matches("http://");
    let large = 8 << 20;
    let request = format!(
        "POST /_search HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {large}\r\n\r\n"
    );
    assert_eq!(status(&program.rest, &request, large), "HTTP/1.1 413 Payload Too Large");
}

#[test]
fn ctrl_c_tells_what_was_done_and_exits_0() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("a.log");
    fs::write(&log, "2026-11-23T03:06:05.000001Z\t   32 Query\tSELECT 1\n").unwrap();
    let program = Program::run(&dir.path().join("data"), &["--tail", log.to_str().unwrap()]);
    until("the entry", || (program.count() == 1).then_some(()));
    let summary = program.stop();
    assert_eq!((&summary["entries"], &summary["documents"], &summary["waiting"]), (&1.into(), &1.into(), &0.into()));
    assert!(Path::new(&dir.path().join("data/stream")).is_dir());
}

#[test]
fn a_time_zone_that_is_not_known_is_said_and_utc_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("a.log");
    fs::write(&log, "261123  3:06:08\t    13 Query\tselect 1\n").unwrap();
    let read_in = |zone: &str| {
        let arguments = ["transform", log.to_str().unwrap(), "--to", "ndjson"];
        let output = Command::new(BINARY).args(arguments).env("TZ", zone).output().unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        (document["Time"].as_str().unwrap().to_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (time, said) = read_in("Asia/Tokyo");
    assert_eq!((time.as_str(), said.contains("time zone")), ("2026-11-22T18:06:08.000000Z", false), "{said}");
    let (time, said) = read_in("Mars/Olympus");
    assert_eq!((time.as_str(), said.contains("are read as UTC")), ("2026-11-23T03:06:08.000000Z", true), "{said}");
}
