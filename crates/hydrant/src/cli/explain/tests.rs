//! Entries and events explained: fields where they are said to stand, ids by a Python script, no secret told.

use hydrant_transform::carrier::CarriedRecord;
use hydrant_transform::record::Options;
use hydrant_transform::sql::redact::Redact;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::{Explanation, of, subjects};

/// What is told of one entry, at the beginning of 1970 in UTC.
fn explained(given: &[u8]) -> Explanation {
    let all = subjects(given, &Options::default(), 0).unwrap();
    let [subject] = &all[..] else { panic!("one entry") };
    of(subject, &Options::default(), &TimeZone::UTC, 0).unwrap()
}

#[test]
fn every_field_is_told_with_its_bytes() {
    let line = b"2022-01-15T08:44:45.161343Z\t 9566 Execute\tselect 1";
    let explanation = serde_json::to_value(explained(line)).unwrap();
    assert_eq!(explanation["format"], "general");
    let told: Vec<(&str, &str, &str)> = explanation["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| {
            let bytes = [0, 1].map(|end| usize::try_from(field["bytes"][end].as_u64().unwrap()).unwrap());
            let covered = std::str::from_utf8(&line[bytes[0]..bytes[1]]).unwrap();
            (field["name"].as_str().unwrap(), field["value"].as_str().unwrap(), covered)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("Time", "2022-01-15T08:44:45.161343Z", "2022-01-15T08:44:45.161343Z"),
            ("PID", "9566", "9566"),
            ("Perform", "Execute", "Execute"),
            ("Statement", "select 1", "select 1"),
        ]
    );
    assert_eq!(explanation["document"]["@timestamp"], "2022-01-15T08:44:45.161343Z");
    assert_eq!(explanation["document"]["PID"], 9566);
}

#[test]
fn fields_are_told_as_documents_show_them() {
    let line = b"2022-01-15T08:44:45.161343Z\t 9566 Query\tSET PASSWORD = 'zq7'";
    let subject = &subjects(line, &Options::default(), 0).unwrap()[0];
    for (redact, expected) in [
        (Redact::Off, "SET PASSWORD = 'zq7'"),
        (Redact::Secrets, "SET PASSWORD = <secret>"),
        (Redact::Literals, "SET PASSWORD = ?"),
    ] {
        let options = Options { redact, ..Options::default() };
        let explanation = of(subject, &options, &TimeZone::UTC, 0).unwrap();
        let told: Vec<&str> = explanation.fields.iter().map(|field| field.value.as_str()).collect();
        assert_eq!(told, ["2022-01-15T08:44:45.161343Z", "9566", "Query", expected]);
        assert_eq!(serde_json::to_value(&explanation).unwrap()["document"]["Statement"], expected);
    }
    let message = b"2021-07-23T05:45:52.976229Z 74 [Note] [MY-010926] [Server] bad value: 'zq7'";
    let subject = &subjects(message, &Options::default(), 0).unwrap()[0];
    let options = Options { redact: Redact::Literals, ..Options::default() };
    let told = serde_json::to_string(&of(subject, &options, &TimeZone::UTC, 0).unwrap()).unwrap();
    assert!(!told.contains("zq7"), "{told}");
}

#[test]
fn every_field_of_a_slow_log_stands_where_it_is_said_to() {
    let message = b"# Time: 2026-11-23T03:06:05.222163Z\n# User@Host: u[a] @ h [10.0.0.1]  Id:    32\n\
        # Query_time: 0.200490  Rows_sent: 1\nuse d;\nSET timestamp=1795403165;\nSELECT SLEEP(0.2);\n";
    let explanation = explained(message);
    let told: Vec<(&str, &str)> = explanation
        .fields
        .iter()
        .map(|field| {
            assert_eq!(field.value.as_bytes(), &message[field.bytes[0]..field.bytes[1]], "{}", field.name);
            (field.name.as_str(), field.value.as_str())
        })
        .collect();
    let expected = [
        ("Time", "2026-11-23T03:06:05.222163Z"),
        ("PID", "32"),
        ("User", "u"),
        ("Account", "a"),
        ("Host", "h"),
        ("Ip", "10.0.0.1"),
        ("Database", "d"),
        ("Query_time", "0.200490"),
        ("Rows_sent", "1"),
        ("Set_timestamp", "1795403165"),
        ("Statement", "SELECT SLEEP(0.2)"),
    ];
    assert_eq!((explanation.format, told), ("slow", expected.to_vec()));
}

#[test]
fn every_field_of_an_audit_record_stands_where_it_is_said_to() {
    let message = br"20261123 03:09:49,vm,app,h:3,39,187,QUERY,d,'SELECT \'a\'',0";
    let explanation = explained(message);
    let told: Vec<(&str, &[u8])> = explanation
        .fields
        .iter()
        .map(|field| (field.name.as_str(), &message[field.bytes[0]..field.bytes[1]]))
        .collect();
    let expected: [(&str, &[u8]); 8] = [
        ("Time", b"20261123 03:09:49"),
        ("Perform", b"QUERY"),
        ("Server_host", b"vm"),
        ("User", b"app"),
        ("Host", b"h"),
        ("Port", b"3"),
        ("Database", b"d"),
        ("Statement", br"SELECT \'a\'"),
    ];
    assert_eq!((explanation.format, told), ("audit", expected.to_vec()));
    let document = serde_json::to_value(&explanation).unwrap()["document"].clone();
    assert_eq!(
        (&document["Time"], &document["Statement"]),
        (&"2026-11-23T03:09:49.000000Z".into(), &"SELECT 'a'".into())
    );
}

#[test]
fn a_password_is_told_nowhere() {
    let line = b"2022-01-15T08:44:45.161343Z\t 9566 Query\tSET PASSWORD = 'x1y2'";
    let explanation = explained(line);
    let said = explanation.text() + &serde_json::to_string(&explanation).unwrap();
    assert!(!said.contains("x1y2"), "{said}");
    assert_eq!(explanation.fields[3].value, "SET PASSWORD = <secret>");
    assert_eq!(explanation.fields[3].bytes, [40, 61]);
}

#[test]
fn a_line_of_no_format_is_text_and_a_banner_is_dropped() {
    let text = serde_json::to_value(explained(b"hello")).unwrap();
    assert_eq!((&text["format"], &text["document"]["message"]), (&"text".into(), &"hello".into()));
    let banner = b"/usr/sbin/mysqld, Version: 8.0.28 (Source distribution). started with:";
    let banner = serde_json::to_value(explained(banner)).unwrap();
    assert_eq!(banner["dropped"], "banner");
}

const ENVELOPE: &[u8] = br#"{"messageType":"DATA_MESSAGE","owner":"908047316593","logGroup":"/aws/rds/instance/mysql-db-for-logs/general","logStream":"mysql-db-for-logs","subscriptionFilters":["mysql-general-filter"],"logEvents":[{"id":"36283739563646893425505853973335389931765810644969062400","timestamp":1627019152976,"message":"2021-07-23T05:45:52.976229Z\t  199 Query\tUSE testdb"},{"id":"1","timestamp":1627019152976,"message":"x"}]}"#;

fn in_envelope(given: &[u8]) -> Vec<Value> {
    let all = subjects(given, &Options::default(), 0).unwrap();
    let told = all.iter().map(|subject| of(subject, &Options::default(), &TimeZone::UTC, 0).unwrap());
    told.map(|explanation| serde_json::to_value(explanation).unwrap()).collect()
}

#[test]
fn an_envelope_tells_id_and_index_of_each_event_however_it_is_wrapped() {
    let told = in_envelope(ENVELOPE);
    assert_eq!(told.len(), 2);
    // By a Python script over hashlib.
    assert_eq!(told[0]["_id"], "337ee27551fdf57f103b21e5376c7864");
    assert_eq!(told[0]["index"], "hydrant-general-2021-07-23");
    assert_eq!(told[0]["reason"], "the name of the log group says so");
    assert_eq!(told[0]["documents"]["classic"]["Statement"], "USE testdb");
    assert_eq!(told[0]["documents"]["otel"]["db.query.text"], "USE testdb");
    assert_eq!(told[0]["documents"]["ecs"]["event.dataset"], "mysql.general");
    assert_eq!(
        (&told[1]["format"], &told[1]["reason"]),
        (&"text".into(), &"the name of the log group says general, which this is not".into())
    );
    // As the second event of its record; its id is not trusted.
    let whole = CarriedRecord::of(Ok(ENVELOPE.to_vec())).transform(0, &Options::default());
    assert_eq!(told[1]["_id"], whole.documents[1].id.as_str());
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, ENVELOPE);
    for wrapped in [
        format!(r#"{{"records":[{{"recordId":"r","data":"{base64}"}}]}}"#),
        format!(r#"{{"awslogs":{{"data":"{base64}"}}}}"#),
        format!(r#"{{"rawData":"{base64}","errorCode":"400"}}"#),
    ] {
        assert_eq!(in_envelope(wrapped.as_bytes())[0], told[0], "{wrapped}");
    }
}

#[test]
fn a_log_event_has_the_id_and_time_that_it_tells() {
    let event = br#"{"id":"36283739563646893425505853973335389931765810644969062400","timestamp":1627019152976,"message":"hello"}"#;
    let told = serde_json::to_value(explained(event)).unwrap();
    assert_eq!((&told["format"], &told["index"]), (&"text".into(), &"hydrant-text-2021-07-23".into()));
    assert_eq!(told["document"]["message"], "hello");
    assert_eq!(told["_id"].as_str().map(str::len), Some(32));
    let line = serde_json::to_value(explained(b"hello")).unwrap();
    assert_eq!((&line["_id"], &line["index"]), (&Value::Null, &"hydrant-text-1970-01-01".into()));
}

/// What a client put into a log does not reach the terminal as a command.
#[test]
fn control_characters_are_blanks() {
    let text = explained(b"2026-11-23T03:06:05.222163Z\t   32 Query\tSELECT '\x1b[2J\x07'\n").text();
    assert!(text.contains("SELECT ' [2J '") && !text.contains('\x1b'), "{text}");
}
