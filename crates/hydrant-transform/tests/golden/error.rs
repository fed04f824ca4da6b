//! The error log: captures, cut and read to the field, against what `expected_error.py` made of them.

use hydrant_transform::entry::mysql::error::{self, Deadlock};
use hydrant_transform::entry::mysql::general::Stamp;
use serde_json::{Map, Value, json};

use crate::captures::{entries, golden};

fn text(bytes: &[u8]) -> Value {
    std::str::from_utf8(bytes).unwrap().into()
}

fn read(entry: &[u8]) -> Value {
    if let Some(sink) = error::parse_sink(entry) {
        let rest = sink.rest.iter().map(|(key, value)| (key.to_string(), serde_json::from_str(value.get()).unwrap()));
        return json!({
            "bytes": entry.len(),
            "stamp": sink.time,
            "id": sink.thread_id,
            "label": sink.label,
            "code": format!("MY-{:06}", sink.code),
            "subsystem": sink.subsystem,
            "text": sink.message,
            "rest": rest.collect::<Map<_, _>>(),
        });
    }
    let parsed = error::parse(entry).unwrap();
    let Some(Stamp::Rfc3339(stamp) | Stamp::Legacy(stamp)) = parsed.stamp else { panic!("no stamp") };
    json!({
        "bytes": entry.len(),
        "stamp": stamp,
        "id": parsed.thread_id,
        "label": parsed.label,
        "code": parsed.code,
        "subsystem": parsed.subsystem.map(text),
        "text": text(parsed.text),
    })
}

fn check(name: &str, count: usize) -> Vec<Vec<u8>> {
    let log = golden(&format!("{name}.log"));
    let expected = golden(&format!("{name}.expected.ndjson"));
    let expected: Vec<Value> =
        expected.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect();
    let (found, suspect) = entries(&log, log.len());
    assert!(suspect.is_empty(), "{suspect:?}");
    assert_eq!((found.len(), expected.len()), (count, count));
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(&read(found), expected);
    }
    for size in [100, 4096] {
        assert_eq!(entries(&log, size).0, found, "pieces of {size} bytes");
    }
    found
}

#[test]
fn every_entry_of_the_mysql_9_7_log_is_read_to_the_field() {
    let entries = check("mysql-9.7.4-error", 74);
    let deadlocks = entries.iter().filter_map(|entry| error::parse(entry)?.deadlock());
    let [Deadlock { transactions, rolled_back: Some(2) }] = &deadlocks.collect::<Vec<_>>()[..] else {
        panic!("one deadlock whose second transaction was rolled back")
    };
    let statements: Vec<_> = transactions.iter().map(|transaction| transaction.statement.map(text)).collect();
    assert_eq!(statements, [1, 2].map(|id| Some(format!("UPDATE dl\n SET v=v+1 WHERE id={id}").into())));
    assert!(transactions.iter().all(|transaction| transaction.holds.len() == 1 && transaction.waits_for.len() == 1));
}

#[test]
fn every_entry_of_the_mysql_9_7_json_sink_is_read_to_the_field() {
    check("mysql-9.7.4-error-json", 77);
}

#[test]
fn every_entry_of_the_mariadb_10_11_log_is_read_to_the_field() {
    let entries = check("mariadb-10.11.19-error", 61);
    let crashes: Vec<u64> =
        entries.iter().filter_map(|entry| error::parse(entry)?.crash()).map(|crash| crash.signal).collect();
    assert_eq!(crashes, [11]);
}
