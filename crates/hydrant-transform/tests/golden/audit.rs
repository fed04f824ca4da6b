//! The audit log: a capture, cut and read to the field, against what `expected_audit.py` made of it.

use hydrant_transform::entry::mysql::audit::{self, AuditStamp};
use hydrant_transform::entry::mysql::general::Stamp;
use serde_json::{Value, json};

use crate::captures::{entries, golden};

fn text(bytes: &[u8]) -> Value {
    std::str::from_utf8(bytes).unwrap().into()
}

fn read(record: &[u8]) -> Value {
    let entry = audit::parse(record).unwrap();
    let AuditStamp::Local(Stamp::Legacy(stamp)) = entry.stamp else { panic!("{:?}", entry.stamp) };
    json!({
        "bytes": record.len(),
        "stamp": stamp,
        "server_host": entry.server_host.map(text),
        "user": entry.user.map(text),
        "host": entry.host.map(text),
        "id": entry.connection_id,
        "query_id": entry.query_id,
        "operation": entry.operation,
        "database": entry.database.map(text),
        "object": entry.object.map(text),
        "query": entry.query().map(|query| text(&query)),
        "code": entry.return_code,
    })
}

#[test]
fn every_record_of_the_mariadb_10_11_log_is_read_to_the_field() {
    let log = golden("mariadb-10.11.19-audit.log");
    let expected = golden("mariadb-10.11.19-audit.expected.ndjson");
    let expected: Vec<Value> =
        expected.split_inclusive(|byte| *byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect();
    let (records, suspect) = entries(&log, log.len());
    assert!(suspect.is_empty(), "{suspect:?}");
    assert_eq!(expected.len(), 107);
    assert_eq!(records.iter().map(|record| read(record)).collect::<Vec<_>>(), expected);
    for size in [100, 4096] {
        assert_eq!(entries(&log, size).0, records, "pieces of {size} bytes");
    }
}
