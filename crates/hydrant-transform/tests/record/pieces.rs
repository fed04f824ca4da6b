//! Records whose log events are not one entry each: raw lines, JSON objects, pieces that are joined.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hydrant_transform::entry::Format;
use hydrant_transform::envelope::{Decoded, LogEvent, decode};
use hydrant_transform::record::{DropReason, Join, LineTransformer, Options, raw_envelope, transform};
use hydrant_transform::sql::redact::Redact;
use serde_json::Value;

use super::{SOURCE, event, gzip, many, source};

fn raw(record: &[u8]) -> Vec<(Format, u32, Value)> {
    let transformed = transform(record, SOURCE, &Options::default());
    assert!(transformed.failed.is_empty());
    let ids: BTreeSet<_> = transformed.documents.iter().map(|document| &document.id).collect();
    assert_eq!(ids.len(), transformed.documents.len());
    let told = transformed.documents.iter();
    told.map(|document| (document.format, document.ordinal, serde_json::from_str(&source(document)).expect("JSON")))
        .collect()
}

#[test]
fn a_record_that_is_no_envelope_holds_lines_or_objects() {
    let log =
        b"2021-07-23T05:45:52.976229Z\t    5 Query\tSELECT a\n  FROM t\n2021-07-23T05:45:53.976229Z\t    5 Quit\t\n";
    let told = raw(log);
    assert_eq!((told.len(), &told[0].2["Statement"]), (2, &"SELECT a\n  FROM t".into()));
    assert_eq!((told[1].1, &told[1].2["ordinal"], &told[1].2["Perform"]), (1, &1.into(), &"Quit".into()));
    // A legacy entry has the time of the record's arrival.
    let told = raw(b"a\n\nb\r\n");
    let texts: Vec<_> = told.iter().map(|(format, _, document)| (*format, document["message"].clone())).collect();
    assert_eq!(texts, [(Format::Text, "a".into()), (Format::Text, "b".into())]);
    assert_eq!(told[0].2["@timestamp"], "2026-11-23T00:00:00.001000Z");
    for objects in [&b"{\"a\":1}{\"a\":2}"[..], b"{\"a\":1}\n{\"a\":2}\n", b" {\"a\":1} \r\n\n{\"a\":\n2}"] {
        let told: Vec<_> =
            raw(objects).into_iter().map(|(format, _, document)| (format, document["a"].clone())).collect();
        assert_eq!(told, [(Format::Json, 1.into()), (Format::Json, 2.into())]);
    }
    // One more that is cut comes last.
    for cut in [&b"{\"a\":1}{\"a\":2} {\"a\":"[..], b"{\"a\":1}\n{\"a\":2}{"] {
        let told: Vec<Format> = raw(cut).iter().map(|(format, ..)| *format).collect();
        assert_eq!(told, [Format::Json, Format::Json, Format::Text]);
    }
    assert_eq!(raw(b"{\"a\":1} words").len(), 1);
    // Not JSON to its end: lines.
    let told: Vec<Format> = raw(b"{\"a\":1}\n{\"a\":").iter().map(|(format, ..)| *format).collect();
    assert_eq!(told, [Format::Json, Format::Text]);
    // What is no text has no lines.
    assert_eq!(raw(b"\xff\n\x00\n\x01").len(), 1);
    let nothing = transform(b"\n\n", SOURCE, &Options::default());
    assert_eq!((nothing.entries(), nothing.dropped.as_slice()), (1, &[DropReason::Empty][..]));
}

#[test]
fn pieces_of_entries_are_joined_within_a_record_where_the_configuration_says_so() {
    let lines: [&[u8]; 4] = [
        b"2021-07-23T05:45:52.976229Z\t    5 Query\tSELECT a",
        b"  FROM t",
        b"",
        b"2021-07-23T05:45:53.976229Z\t    5 Quit\t",
    ];
    let events: Vec<LogEvent> =
        lines.iter().zip(0..).map(|(line, number)| LogEvent { id: format!("{number:056}"), ..event(line) }).collect();
    let join = Join { log_groups: ["/aws/rds/gen*".to_owned()].into(), ..Join::default() };
    let transformed = many(events.clone(), &Options { join, ..Options::default() });
    let told: Vec<Value> =
        transformed.documents.iter().map(|document| serde_json::from_str(&source(document)).unwrap()).collect();
    let texts: Vec<_> =
        told.iter().map(|document| (&document["Statement"], document["event_id"].as_str().unwrap())).collect();
    assert_eq!(texts, [(&"SELECT a\n  FROM t".into(), &*format!("{:056}", 0)), (&"".into(), &*format!("{:056}", 3))]);
    // Its original bytes are those of all its events.
    let Ok(Decoded::Envelopes(envelopes)) = decode(&raw_envelope(&transformed, 0, 0)) else { panic!() };
    assert_eq!(envelopes[0].log_events, events[..3]);
    let join = Join { log_groups: ["/aws/rds/gen".to_owned()].into(), ..Join::default() };
    assert_eq!(many(events, &Options { join, ..Options::default() }).entries(), 4);
}

#[test]
fn what_an_envelope_has_beside_is_kept() {
    let envelope = r#"{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","subscriptionFilters":[],"policyLevel":"ACCOUNT_LEVEL_POLICY",
        "newKey":{"a":[1,
        2]},"logEvents":[{"id":"1","timestamp":1,"message":"x","@aws.region":"eu-west-2","extractedFields":{"@aws.account":"2","ip":"10.0.0.1","n":5},"other":null},
        {"id":"2","timestamp":1,"message":"y"}]}"#;
    let told: Vec<Value> = raw(envelope.as_bytes()).into_iter().map(|(_, _, document)| document).collect();
    let names = ["policy_level", "aws_account", "aws_region", "extracted_fields", "envelope"];
    let of = |document: &Value| names.map(|name| document.get(name).cloned().unwrap_or(Value::Null));
    let first = serde_json::json!(["ACCOUNT_LEVEL_POLICY", "2", "eu-west-2", {"ip": "10.0.0.1", "n": "5"}, "{\"newKey\":{\"a\":[1,        2]},\"other\":null}"]);
    assert_eq!(serde_json::json!(of(&told[0])), first);
    let second = serde_json::json!(["ACCOUNT_LEVEL_POLICY", null, null, null, "{\"newKey\":{\"a\":[1,        2]}}"]);
    assert_eq!(serde_json::json!(of(&told[1])), second);
    // What a failed document carries has them too.
    let transformed = transform(envelope.as_bytes(), SOURCE, &Options::default());
    let again = transform(&raw_envelope(&transformed, 0, 0), SOURCE, &Options::default());
    assert_eq!(again.documents[0].source, transformed.documents[0].source);
    // With literals hidden what may be one is not shown.
    let options = Options { redact: Redact::Literals, ..Options::default() };
    let hidden = transform(envelope.as_bytes(), SOURCE, &options).documents.remove(0);
    let hidden: Value = serde_json::from_slice(&hidden.source).unwrap();
    assert_eq!(
        (&hidden["aws_account"], hidden.get("extracted_fields"), hidden.get("envelope")),
        (&"2".into(), None, None)
    );
    // A member that is too long to stand in every document is left out, which is said, and stops nothing.
    let long = envelope.replace("ACCOUNT_LEVEL_POLICY", &"x".repeat(5_000));
    let document = &raw(long.as_bytes())[1].2;
    assert_eq!(document.get("policy_level"), None);
    let told = r#"{"left_out":"policyLevel: 5002 bytes","newKey":{"a":[1,        2]}}"#;
    assert_eq!(document["envelope"], told);
}

const BANNER: &str = "/rdsdbbin/mysql/bin/mysqld, Version: 8.0.32 (Source distribution). started with:\nTcp port: 3306  Unix socket: /tmp/mysql.sock\nTime                 Id Command    Argument\n";

/// Who cuts a log at its stamps takes a banner with the entry before it. It is none of the statement.
#[test]
fn a_banner_behind_an_entry_is_dropped_and_the_entry_kept() {
    let of = |message: &str| {
        let transformed = many(vec![event(message.as_bytes())], &Options::default());
        let told =
            transformed.documents.iter().map(|document| serde_json::from_str::<Value>(&source(document)).unwrap());
        (
            told.map(|document| document["Statement"].clone()).collect::<Vec<_>>(),
            transformed.dropped,
            transformed.failed.len(),
        )
    };
    let general = "2021-07-23T05:45:52.976229Z\t    5 Query\tSELECT 1\n";
    let slow = "# Query_time: 1\nSET timestamp=5;\nSELECT 1;\n";
    for (entry, banner) in [
        (general, BANNER.to_owned()),
        (slow, BANNER.to_owned()),
        (general, BANNER.trim_end().replace('\n', "\r\n")),
        // An embedded server names no ports.
        (
            general,
            "bin/mysqld, Version: 5.1.7-beta-log. embedded library\nTime                 Id Command    Argument\n"
                .to_owned(),
        ),
    ] {
        let told = of(&format!("{entry}{banner}"));
        assert_eq!(told, (vec!["SELECT 1".into()], vec![DropReason::Banner], 0), "{banner}");
    }
    let two = of(&format!("{general}{BANNER}{BANNER}"));
    assert_eq!(two, (vec!["SELECT 1".into()], vec![DropReason::Banner, DropReason::Banner], 0));
    for (statement, rest) in [
        ("SELECT 'Argument", ""),
        ("SELECT 1\nTime                 Id Command    Argument", ""),
        ("SELECT 1\nTcp port: 3306  Unix socket: /tmp/mysql.sock\nTime                 Id Command    Argument", "\n"),
    ] {
        let told = of(&format!("2021-07-23T05:45:52.976229Z\t    5 Query\t{statement}{rest}"));
        assert_eq!(told, (vec![statement.into()], vec![], 0));
    }
    // Beside others, by the way that takes ordinary envelopes, too.
    let message = serde_json::to_string(&format!("{general}{BANNER}")).unwrap();
    let envelope = format!(
        r#"{{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","subscriptionFilters":[],"logEvents":[{{"id":"1","timestamp":1,"message":{message}}}]}}"#
    );
    let options = Options::default();
    let mut lines = LineTransformer::new(&options);
    assert!(lines.transform(&gzip(envelope.as_bytes()), SOURCE).is_none());
    let transformed = transform(envelope.as_bytes(), SOURCE, &options);
    assert_eq!((transformed.documents.len(), transformed.dropped.len()), (1, 1));
}

/// What no number type, no string and no stack holds is kept as it stands, and takes nothing with it.
#[test]
fn odd_members_of_an_envelope_are_kept_as_they_stand() {
    let deep = "[".repeat(300) + &"]".repeat(300);
    let odd = format!(r#""x":1e999,"y":12345678901234567890123,"z":"\ud800","x":2,"deep":{deep}"#);
    let envelope = r#"{"messageType":"DATA_MESSAGE","logGroup":"g","logStream":"s","policyLevel":"A","#.to_owned()
        + &odd
        + r#","logEvents":[{"id":"1","timestamp":1,"message":"x","extractedFields":{"n":1e999}}]}"#;
    let (_, _, document) = raw(envelope.as_bytes()).remove(0);
    assert_eq!((&document["policy_level"], &document["extracted_fields"]["n"]), (&"A".into(), &"1e999".into()));
    assert_eq!(document["envelope"], format!("{{{odd}}}"));
}

#[test]
fn a_record_may_be_base64_of_gzip() {
    let envelope = br#"{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","subscriptionFilters":[],"logEvents":[{"id":"1","timestamp":1,"message":"x"}]}"#;
    let text = STANDARD.encode(gzip(envelope));
    for text in [text.clone(), format!("{}\n", text.trim_end_matches('='))] {
        assert_eq!(raw(text.as_bytes())[0].2["message"], "x");
    }
    assert_eq!(raw(b"H4sI no base64")[0].2["message"], "H4sI no base64");
}
