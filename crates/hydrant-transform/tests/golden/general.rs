//! The general log: captures, cut and read to the field, against what `expected.py` made of them.

use base64::Engine as _;
use hydrant_transform::entry::mysql::general::{self, Stamp};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::captures::{entries, golden};

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
    let (entries, suspect) = entries(&log, log.len());
    assert_eq!(entries.len(), headers + banners);
    assert_eq!(expected.len(), headers + banners);
    for (entry, expected) in entries.iter().zip(&expected) {
        check(entry, expected);
    }
    let doubtful = expected.iter().enumerate().filter(|(_, expected)| expected["suspect"] == true);
    assert_eq!(suspect, doubtful.map(|(idx, _)| idx).collect::<Vec<_>>());
    assert_eq!(entries.iter().filter(|entry| general::parse(entry).is_some()).count(), headers);
    for size in [1000, 4096, 65_537] {
        let pieces = crate::captures::entries(&log, size);
        assert_eq!((&pieces.0, &pieces.1), (&entries, &suspect), "pieces of {size} bytes");
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
