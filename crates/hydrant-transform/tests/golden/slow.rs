//! The slow log: captures, cut and read to the field, against what `expected_slow.py` made of them.

use base64::Engine as _;
use hydrant_transform::entry::mysql::general::{Stamp, is_banner};
use hydrant_transform::entry::mysql::slow;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::captures::{entries, golden};

fn text(bytes: &[u8]) -> Value {
    std::str::from_utf8(bytes).unwrap().into()
}

fn pairs(pairs: &[(&str, &[u8])]) -> Value {
    pairs.iter().map(|(name, value)| json!([name, text(value)])).collect()
}

/// Compares one entry with its line of the expected file, field by field.
fn check(entry: &[u8], expected: &Value) {
    assert_eq!(entry.len(), expected["bytes"], "{expected}");
    assert_eq!(is_banner(entry), expected["banner"] == true, "{expected}");
    let Some(parsed) = slow::parse(entry) else {
        assert_eq!(expected["banner"], true, "{expected}");
        return;
    };
    let stamp = parsed.stamp.map(|stamp| match stamp {
        Stamp::Rfc3339(text) | Stamp::Legacy(text) => text,
    });
    let optional = |value: Option<&[u8]>| value.map(text);
    let read = json!({
        "stamp": stamp,
        "id": parsed.thread_id,
        "user": optional(parsed.user),
        "account": optional(parsed.account),
        "host": optional(parsed.host),
        "ip": optional(parsed.ip),
        "database": optional(parsed.database.as_deref()),
        "fields": pairs(&parsed.fields),
        "explain": parsed.explain.iter().map(|line| text(line)).collect::<Value>(),
        "warnings": parsed.warnings.iter().map(|line| text(line)).collect::<Value>(),
        "set": pairs(&parsed.set),
        "command": optional(parsed.administrator_command),
    });
    for (name, value) in read.as_object().unwrap() {
        assert_eq!(value, &expected[name], "{name} of {expected}");
    }
    assert!(parsed.other_lines.is_empty(), "{expected}");
    if let Some(sha256) = expected["statement_sha256"].as_str() {
        assert_eq!(parsed.statement.len(), expected["statement_bytes"]);
        let digits: String = Sha256::digest(parsed.statement).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digits, sha256, "{expected}");
    } else if let Some(base64) = expected["statement_base64"].as_str() {
        let statement = base64::engine::general_purpose::STANDARD.decode(base64).unwrap();
        assert_eq!(parsed.statement, statement, "{expected}");
    } else {
        assert_eq!(text(parsed.statement), expected["statement"], "{expected}");
    }
}

fn check_log(name: &str, headers: usize, banners: usize) {
    let log = golden(&format!("{name}.log"));
    let expected = golden(&format!("{name}.expected.ndjson"));
    let expected: Vec<Value> =
        expected.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect();
    let (entries, suspect) = entries(&log, log.len());
    assert!(suspect.is_empty(), "{suspect:?}");
    assert_eq!((entries.len(), expected.len()), (headers + banners, headers + banners));
    for (entry, expected) in entries.iter().zip(&expected) {
        check(entry, expected);
    }
    for size in [1000, 4096, 65_537] {
        assert_eq!(crate::captures::entries(&log, size).0, entries, "pieces of {size} bytes");
    }
}

#[test]
fn every_entry_of_the_mysql_9_7_log_is_read_to_the_field() {
    check_log("mysql-9.7.4-slow", 601, 1);
}

#[test]
fn every_entry_of_the_mysql_9_7_log_with_extra_fields_is_read_to_the_field() {
    check_log("mysql-9.7.4-slow-extra", 18, 2);
}

#[test]
fn every_entry_of_the_mariadb_10_11_log_is_read_to_the_field() {
    check_log("mariadb-10.11.19-slow", 146, 1);
}
