//! The general log: captures, cut and read to the field, against what `expected.py` made of them.

use std::path::PathBuf;

use base64::Engine as _;
use hydrant_transform::entry::mysql::general::{self, Stamp};
use hydrant_transform::entry::split::{Cut, Input, Splitter, State};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn golden(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All entries of a log that arrives in pieces of `size` bytes.
fn entries(log: &[u8], size: usize) -> Vec<Vec<u8>> {
    let mut splitter = Splitter::new(None, State::default());
    let (mut taken, mut entries) = (0, Vec::new());
    for arrived in (size..log.len()).step_by(size).map(Some).chain([None]) {
        let (buffer, input) = arrived.map_or((log, Input::Quiet), |arrived| (&log[..arrived], Input::Open));
        loop {
            match splitter.next(&buffer[taken..], input) {
                Cut::Entry(entry) => {
                    assert!(!entry.suspect && !entry.partial, "{entry:?} at byte {taken}");
                    entries.push(log[taken..taken + entry.bytes].to_vec());
                    taken += entry.bytes;
                }
                Cut::Skip(bytes) => taken += bytes,
                Cut::NeedsMore => break,
            }
        }
    }
    assert_eq!(taken, log.len());
    entries
}

/// Compares one entry with its line of the expected file, field by field.
fn check(entry: &[u8], expected: &Value) {
    assert_eq!(entry.len(), expected["bytes"], "{expected}");
    assert_eq!(general::is_banner(entry), expected["banner"] == true, "{expected}");
    let Some(parsed) = general::parse(entry) else {
        assert_eq!(expected["banner"], true, "{expected}");
        return;
    };
    let stamp = parsed.stamp.map(|stamp| match stamp {
        Stamp::Rfc3339(text) | Stamp::Legacy(text) => text,
    });
    assert_eq!(stamp, expected["stamp"].as_str(), "{expected}");
    assert_eq!(parsed.thread_id, expected["id"], "{expected}");
    assert_eq!(parsed.command, expected["command"], "{expected}");
    if let Some(sha256) = expected["argument_sha256"].as_str() {
        assert_eq!(parsed.argument.len(), expected["argument_bytes"]);
        let digits: String = Sha256::digest(parsed.argument).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digits, sha256, "{expected}");
    } else if let Some(base64) = expected["argument_base64"].as_str() {
        let argument = base64::engine::general_purpose::STANDARD.decode(base64).unwrap();
        assert_eq!(parsed.argument, argument, "{expected}");
    } else {
        assert_eq!(std::str::from_utf8(parsed.argument).unwrap(), expected["argument"], "{expected}");
    }
}

fn check_log(name: &str, headers: usize, banners: usize) {
    let log = golden(&format!("{name}.log"));
    let expected = golden(&format!("{name}.expected.ndjson"));
    let expected: Vec<Value> =
        expected.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect();
    let entries = entries(&log, log.len());
    assert_eq!(entries.len(), headers + banners);
    assert_eq!(expected.len(), headers + banners);
    for (entry, expected) in entries.iter().zip(&expected) {
        check(entry, expected);
    }
    assert_eq!(entries.iter().filter(|entry| general::parse(entry).is_some()).count(), headers);
    for size in [1000, 4096, 65_537] {
        assert_eq!(self::entries(&log, size), entries, "pieces of {size} bytes");
    }
}

#[test]
fn every_entry_of_the_mysql_9_7_log_is_read_to_the_field() {
    check_log("mysql-9.7.4-general-part2", 498, 0);
}

#[test]
fn every_entry_of_the_mariadb_10_11_log_is_read_to_the_field() {
    check_log("mariadb-10.11.19-general", 198, 2);
}
