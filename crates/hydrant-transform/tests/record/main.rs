//! Records to documents, through the public door: exact documents, the account of every entry, and bad input.
//!
//! Expected documents are written by hand.

mod docs;

#[cfg(test)]
mod filters;

mod formats;

#[cfg(test)]
mod joined;

mod lines;

#[cfg(test)]
mod literals;

#[cfg(test)]
mod bounds;

#[cfg(test)]
mod neighbours;

mod pieces;

mod profiles;

mod redaction;

use hydrant_transform::document::{Document, is_cloudwatch_event_id};
use hydrant_transform::entry::{Format, detect};
use hydrant_transform::envelope::gzip::Compressor;
use hydrant_transform::envelope::{
    DECOMPRESSED_BYTES_MAX, Decoded, Encoder, EventFlags, Extra, Header, LogEvent, decode,
};
use hydrant_transform::record::{
    DropReason, MESSAGE_BYTES_MAX, Options, RecordSource, Transformed, raw_envelope, reason_code, transform,
    transform_events,
};
use hydrant_transform::sql::redact::Redact;
use proptest::prelude::*;
use serde_json::Value;

const SOURCE: RecordSource<'static> = RecordSource {
    shard: "shardId-000000000000",
    sequence_number: "49546986683135544286507457936321625675700192471156785154",
    arrival_ms: 1_795_392_000_001,
};

const EVENT_ID: &str = "36283739563646893425505853973335389931765810644969062400";

/// What stands between the fields of the format and the end in every document of [`one`].
const TAIL: &str = r#""owner":"908047316593","log_group":"/aws/rds/general","log_stream":"db","event_id":"36283739563646893425505853973335389931765810644969062400""#;

fn event(message: &[u8]) -> LogEvent {
    LogEvent {
        extra: Extra::default(),
        id: EVENT_ID.into(),
        timestamp_ms: 1_627_019_152_976,
        message: message.into(),
        flags: EventFlags::default(),
    }
}

fn many(events: Vec<LogEvent>, options: &Options) -> Transformed {
    transform_events("908047316593", "/aws/rds/general", "db", events, SOURCE, options)
}

/// The only document of one event.
fn one(event: LogEvent, options: &Options) -> (Format, String) {
    let transformed = many(vec![event], options);
    let [document] = &transformed.documents[..] else { panic!("{transformed:?}") };
    (document.format, source(document))
}

fn source(document: &Document) -> String {
    String::from_utf8(document.source.clone()).expect("a document is UTF-8")
}

fn check(message: &[u8], format: Format, fields: &str) {
    let (got_format, got) = one(event(message), &Options::default());
    assert_eq!((got_format, got.as_str()), (format, format!("{{{fields},{TAIL}}}").as_str()));
}

fn gzip(data: impl AsRef<[u8]>) -> Vec<u8> {
    Compressor::new().gzip(data.as_ref())
}

#[test]
fn an_envelope_of_cloudwatch_becomes_its_document() {
    let envelope = r#"{"messageType":"DATA_MESSAGE","owner":"908047316593","logGroup":"/aws/rds/instance/mysql-db-for-logs/general","logStream":"mysql-db-for-logs","subscriptionFilters":["mysql-general-filter"],"policyLevel":"ACCOUNT_LEVEL_POLICY","logEvents":[{"id":"36283739563646893425505853973335389931765810644969062400","timestamp":1627019152976,"message":"2021-07-23T05:45:52.976229Z\t  199 Query\tUSE testdb","extractedFields":{}}]}"#;
    let transformed = transform(&gzip(envelope), SOURCE, &Options::default());
    assert_eq!((transformed.entries(), transformed.events.len()), (1, 1));
    let [document] = &transformed.documents[..] else { panic!("{transformed:?}") };
    // By a Python script over hashlib.
    assert_eq!(document.id.as_str(), "337ee27551fdf57f103b21e5376c7864");
    assert_eq!((document.format, document.timestamp_ms), (Format::General, 1_627_019_152_976));
    assert_eq!((document.ordinal, document.event_idx), (0, 0));
    assert_eq!(
        source(document),
        r#"{"@timestamp":"2021-07-23T05:45:52.976229Z","Time":"2021-07-23T05:45:52.976229Z","PID":199,"Perform":"Query","Statement":"USE testdb","owner":"908047316593","log_group":"/aws/rds/instance/mysql-db-for-logs/general","log_stream":"mysql-db-for-logs","policy_level":"ACCOUNT_LEVEL_POLICY","event_id":"36283739563646893425505853973335389931765810644969062400"}"#
    );
}

#[test]
fn a_general_entry_has_the_classic_fields_in_order() {
    check(
        b"2021-07-23T05:45:52.976229Z\t  199 Query\tSELECT *\n  FROM `t` -- \"x\"\n\tWHERE a = '\xf0\x9f\x98\x80'",
        Format::General,
        r#""@timestamp":"2021-07-23T05:45:52.976229Z","Time":"2021-07-23T05:45:52.976229Z","PID":199,"Perform":"Query","Statement":"SELECT *\n  FROM `t` -- \"x\"\n\tWHERE a = '😀'""#,
    );
}

#[test]
fn time_keeps_its_offset_and_timestamp_is_the_same_instant_in_utc() {
    check(
        b"2026-11-23T08:41:28.188252-00:00\t 9566 Quit\t",
        Format::General,
        r#""@timestamp":"2026-11-23T08:41:28.188252Z","Time":"2026-11-23T08:41:28.188252-00:00","PID":9566,"Perform":"Quit","Statement":"""#,
    );
    check(
        b"2026-11-23T08:41:28.188252+05:30\t   14 Init DB\tapp_db",
        Format::General,
        r#""@timestamp":"2026-11-23T03:11:28.188252Z","Time":"2026-11-23T08:41:28.188252+05:30","PID":14,"Perform":"Init DB","Statement":"app_db""#,
    );
}

#[test]
fn an_entry_without_an_rfc3339_stamp_takes_the_time_of_its_event() {
    for message in ["\t\t   13 Quit\t", "261123  3:06:08\t    13 Quit\t"] {
        check(
            message.as_bytes(),
            Format::General,
            r#""@timestamp":"2021-07-23T05:45:52.976000Z","Time":"2021-07-23T05:45:52.976000Z","PID":13,"Perform":"Quit","Statement":"""#,
        );
    }
}

#[test]
fn a_pid_may_be_a_string_on_request() {
    let options = Options { pid_as_string: true, ..Options::default() };
    let (_, document) = one(event(b"2021-07-23T05:45:52.976229Z\t  199 Quit\t"), &options);
    assert!(document.contains(r#""PID":"199","Perform":"Quit""#), "{document}");
}

#[test]
fn anything_else_is_text_with_its_message_kept() {
    for (message, json) in [
        (&b"hello\tworld\r\n"[..], r#""hello\tworld\r\n""#),
        (b"a\0b\x1b", r#""a\u0000b\u001b""#),
        ("\u{2028}é".as_bytes(), "\"\u{2028}é\""),
        (b"{\"a\":1} tail", r#""{\"a\":1} tail""#),
        (b"[1]", r#""[1]""#),
    ] {
        check(message, Format::Text, &format!(r#""@timestamp":"2021-07-23T05:45:52.976000Z","message":{json}"#));
    }
}

#[test]
fn flags_stand_behind_the_event_id_and_only_where_they_apply() {
    let flags = EventFlags { partial: true, truncated: true, suspect: true, bytes: Some(2_000_000) };
    let (_, document) = one(LogEvent { flags, ..event(b"x") }, &Options::default());
    assert_eq!(
        document,
        format!(
            r#"{{"@timestamp":"2021-07-23T05:45:52.976000Z","message":"x",{TAIL},"partial":true,"suspect":true,"truncated":true,"bytes":2000000}}"#
        )
    );
    let (_, json) = one(LogEvent { flags, ..event(br#"{"a":1}"#) }, &Options::default());
    assert!(json.ends_with(r#","partial":true,"suspect":true,"truncated":true,"bytes":2000000}"#), "{json}");
}

#[test]
fn bytes_that_are_not_utf8_are_kept_in_base64_beside_the_readable_text() {
    let (format, document) =
        one(event(b"2021-07-23T05:45:52.976229Z\t    5 Query\tSELECT '\xe9'"), &Options::default());
    assert_eq!(format, Format::General);
    assert_eq!(
        document,
        format!(
            r#"{{"@timestamp":"2021-07-23T05:45:52.976229Z","Time":"2021-07-23T05:45:52.976229Z","PID":5,"Perform":"Query","Statement":"SELECT '�'",{TAIL},"message_base64":"MjAyMS0wNy0yM1QwNTo0NTo1Mi45NzYyMjlaCSAgICA1IFF1ZXJ5CVNFTEVDVCAn6Sc="}}"#
        )
    );
    let (_, text) = one(event(b"\xff\xfe"), &Options::default());
    assert!(text.contains(r#""message":"��","#) && text.ends_with(r#","message_base64":"//4="}"#), "{text}");
}

#[test]
fn json_lines_keep_their_own_fields_verbatim() {
    check(
        b" {\"b\": 1.50, \"a\":[1,\n {\"x\":\"\\u00e9\"}]}\r\n",
        Format::Json,
        r#""@timestamp":"2021-07-23T05:45:52.976000Z","b": 1.50, "a":[1, {"x":"\u00e9"}]"#,
    );
    check(b"{}", Format::Json, r#""@timestamp":"2021-07-23T05:45:52.976000Z""#);
}

#[test]
fn our_metadata_gives_way_to_a_json_line_s_own_names() {
    let (_, document) =
        one(event(br#"{"@timestamp":5,"owner":{"id":1},"event_id":null,"log_\u0067roup":"g"}"#), &Options::default());
    assert_eq!(document, r#"{"@timestamp":5,"owner":{"id":1},"event_id":null,"log_\u0067roup":"g","log_stream":"db"}"#);
}

#[test]
fn a_configured_format_is_tried_alone_and_the_rest_is_text() {
    let general = event(b"2021-07-23T05:45:52.976229Z\t  199 Quit\t");
    let json = event(b"{\"a\":1}");
    for (format, expected) in [
        (Format::General, [Format::General, Format::Text]),
        (Format::Json, [Format::Text, Format::Json]),
        (Format::Text, [Format::Text, Format::Text]),
    ] {
        let options = Options { format: Some(format), ..Options::default() };
        let got = [one(general.clone(), &options).0, one(json.clone(), &options).0];
        assert_eq!(got, expected);
    }
}

#[test]
fn banners_and_empty_events_are_dropped_with_their_reason() {
    let banner = b"/usr/sbin/mysqld, Version: 9.7.4 (Source distribution). started with:\nTcp port: 3306  Unix socket: /tmp/mysql.sock\nTime                 Id Command    Argument\n";
    let transformed = many(vec![event(banner), event(b""), event(b"x")], &Options::default());
    assert_eq!(transformed.dropped, [DropReason::Banner, DropReason::Empty]);
    assert_eq!(transformed.documents[0].event_idx, 2);
    assert_eq!(transformed.entries(), 3);
    let as_text = Options { format: Some(Format::Text), ..Options::default() };
    assert_eq!(many(vec![event(banner)], &as_text).documents.len(), 1);
}

#[test]
fn an_event_of_an_impossible_time_fails_alone() {
    let mut events = vec![event(b"a"), event(b"b"), event(b"c")];
    events[0].timestamp_ms = -1;
    events[1].timestamp_ms = i64::MAX;
    let transformed = many(events, &Options::default());
    assert_eq!((transformed.documents.len(), transformed.failed.len()), (1, 2));
    let failure = &transformed.failed[0];
    assert_eq!((failure.event_idx, failure.reason.code.as_ref()), (Some(0), reason_code::TIMESTAMP_INVALID));
    assert_eq!(failure.reason.message, "timestamp -1 is not a time of the years 1970 to 2100 in milliseconds");
}

#[test]
fn a_message_that_no_index_would_take_fails_and_keeps_its_bytes() {
    let message = vec![0; MESSAGE_BYTES_MAX + 1];
    let transformed = many(vec![event(&message)], &Options::default());
    let [failure] = &transformed.failed[..] else { panic!() };
    assert_eq!((failure.event_idx, failure.reason.code.as_ref()), (Some(0), reason_code::TOO_LARGE));
    assert_eq!(failure.reason.message, "a message of 16777217 bytes is longer than 16777216");
    assert_eq!(transformed.events[0].message, message);
    assert_eq!(transform(&gzip(&message[1..]), SOURCE, &Options::default()).documents.len(), 1);
}

#[test]
fn a_control_message_is_dropped_and_counted_by_its_events() {
    let control = |events: &str| {
        let json = format!(
            r#"{{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],"logEvents":{events}}}"#
        );
        transform(&gzip(json), SOURCE, &Options::default())
    };
    let one = control(r#"[{"id":"","timestamp":1680683189085,"message":"CWL CONTROL MESSAGE: Checking health."}]"#);
    assert_eq!((one.dropped.as_slice(), one.entries()), (&[DropReason::ControlMessage][..], 1));
    assert_eq!(control("[]").entries(), 0);
}

#[test]
fn a_record_that_is_no_envelope_is_one_event_of_its_arrival() {
    let transformed = transform(b"\xef\xbb\xbfhello", SOURCE, &Options::default());
    let [document] = &transformed.documents[..] else { panic!() };
    assert_eq!(document.timestamp_ms, SOURCE.arrival_ms);
    assert_eq!(source(document), "{\"@timestamp\":\"2026-11-23T00:00:00.001000Z\",\"message\":\"\u{feff}hello\"}");
    assert_eq!(transform(&gzip("hello"), SOURCE, &Options::default()).documents[0].id, document.id);
    assert_eq!(transform(b"", SOURCE, &Options::default()).dropped, [DropReason::Empty]);
}

#[test]
fn undecodable_records_are_one_failure_with_a_reason() {
    let envelope = br#"{"messageType":"DATA_MESSAGE","owner":true,"logEvents":[{"timestamp":1,"message":"secret"}]}"#;
    let bomb = gzip(vec![b'x'; DECOMPRESSED_BYTES_MAX / 16]).repeat(17);
    let cut = &gzip("some text that is cut off")[..20];
    let mut ids = Vec::new();
    for (record, code, message) in [
        (&gzip(envelope)[..], reason_code::ENVELOPE_INVALID, "envelope is invalid: `owner` is not a string"),
        (&bomb[..], reason_code::TOO_LARGE, "gzip data inflates to more than 268435456 bytes"),
        (cut, reason_code::GZIP_DAMAGED, "gzip data is damaged: an unfinished end in the member at byte 0"),
    ] {
        let transformed = transform(record, SOURCE, &Options::default());
        assert_eq!(transformed.entries(), 1);
        let [failure] = &transformed.failed[..] else { panic!("{transformed:?}") };
        assert_eq!((failure.reason.code.as_ref(), failure.reason.message.as_str()), (code, message));
        assert_eq!((failure.event_idx, failure.format), (None, None));
        ids.push(failure.id.clone());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "the id is that of the record");
    let other = RecordSource { sequence_number: "1", ..SOURCE };
    assert_ne!(transform(cut, other, &Options::default()).failed[0].id, ids[0]);
}

#[test]
fn several_envelopes_of_a_record_keep_their_origins_apart() {
    let envelope = |log_stream: &str, messages: &[&str]| {
        let header = Header {
            owner: "1".into(),
            log_group: "g".into(),
            log_stream: log_stream.into(),
            subscription_filters: vec![],
        };
        let mut encoder = Encoder::new(&header);
        messages.iter().for_each(|message| encoder.push(&LogEvent { id: "0".into(), ..event(message.as_bytes()) }));
        encoder.seal()
    };
    let record = [envelope("a", &["x", "y"]), envelope("none", &[]), envelope("b", &["x"])].concat();
    let transformed = transform(&record, SOURCE, &Options::default());
    let streams: Vec<_> =
        (0..4).map(|event_idx| transformed.origin(event_idx).map(|origin| origin.log_stream.as_str())).collect();
    assert_eq!(streams, [Some("a"), Some("a"), Some("b"), None]);
    assert!(source(&transformed.documents[2]).contains(r#""log_stream":"b""#));
    let mut ids: Vec<_> = transformed.documents.iter().map(|document| document.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3, "ids differ although the event ids do not");
}

#[test]
fn the_raw_envelope_of_an_event_holds_it_alone_as_it_came() {
    let flags = EventFlags { partial: true, ..EventFlags::default() };
    let odd = LogEvent { flags, ..event(b"caf\xe9\n") };
    let transformed = many(vec![event(b"x"), odd.clone()], &Options::default());
    let Ok(Decoded::Envelopes(envelopes)) = decode(&raw_envelope(&transformed, 1, 0)) else { panic!() };
    let [envelope] = &envelopes[..] else { panic!() };
    assert_eq!((envelope.owner.as_str(), envelope.log_group.as_str()), ("908047316593", "/aws/rds/general"));
    assert_eq!((envelope.log_stream.as_str(), &envelope.log_events), ("db", &vec![odd]));
    let again = transform(&raw_envelope(&transformed, 1, 0), SOURCE, &Options::default());
    assert_eq!(again.documents[0].id, transformed.documents[1].id);
    assert_eq!(again.documents[0].source, transformed.documents[1].source);
    assert!(raw_envelope(&transformed, 2, 0).is_empty());
}

#[cfg(test)]
mod captures {
    use sha2::{Digest, Sha256};

    use super::*;

    /// The captures of tests/golden as log events, one to an entry, through an envelope and back; against the fields that
    /// expected.py found.
    fn check_capture(name: &str, documents: usize, banners: usize) {
        let read = |file: String| {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let (log, expected) = (read(format!("{name}.log")), read(format!("{name}.expected.ndjson")));
        let expected: Vec<Value> = serde_json::Deserializer::from_slice(&expected)
            .into_iter()
            .map(|line| line.expect("a line of the expected file is JSON"))
            .collect();
        let header =
            Header { owner: "1".into(), log_group: "g".into(), log_stream: "s".into(), subscription_filters: vec![] };
        let mut encoder = Encoder::new(&header);
        let mut rest = &log[..];
        for line in &expected {
            let bytes = line["bytes"].as_u64().and_then(|bytes| usize::try_from(bytes).ok()).expect("a length");
            let (entry, behind) = rest.split_at(bytes);
            encoder.push(&event(entry));
            rest = behind;
        }
        assert!(rest.is_empty());
        let options = Options { redact: Redact::Off, ..Options::default() };
        let transformed = transform(&encoder.seal(), SOURCE, &options);
        assert_eq!((transformed.documents.len(), transformed.failed.len()), (documents, 0));
        assert_eq!(transformed.dropped, vec![DropReason::Banner; banners]);
        let entries = expected.iter().filter(|line| line["banner"] != true);
        for (document, expected) in transformed.documents.iter().zip(entries) {
            check_capture_entry(document, expected);
        }
    }

    fn check_capture_entry(document: &Document, expected: &Value) {
        let fields: Value = serde_json::from_slice(&document.source).expect("a document is JSON");
        let stamp = expected["stamp"].as_str().filter(|stamp| stamp.contains('T'));
        assert_eq!(fields["Time"], stamp.unwrap_or("2021-07-23T05:45:52.976000Z"), "{expected}");
        assert_eq!((&fields["PID"], &fields["Perform"]), (&expected["id"], &expected["command"]), "{expected}");
        let statement = fields["Statement"].as_str().expect("a statement");
        if let Some(sha256) = expected["argument_sha256"].as_str() {
            let digits: String = Sha256::digest(statement).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(digits, sha256, "{expected}");
        } else if expected["argument_base64"].is_string() {
            assert!(statement.contains('\u{fffd}') && fields["message_base64"].is_string(), "{expected}");
        } else {
            assert_eq!(fields["Statement"], expected["argument"]);
        }
    }

    #[test]
    fn every_entry_of_the_captures_becomes_its_document() {
        check_capture("mysql-9.7.4-general-part2", 498, 0);
        check_capture("mariadb-10.11.19-general", 198, 2);
    }
}

fn any_message() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![any::<u64>().prop_map(|n| n.to_string()), "[0-9]{1,25}".boxed()];
    prop_oneof![
        any::<Vec<u8>>(),
        any::<String>().prop_map(String::into_bytes),
        (number, any::<Vec<u8>>()).prop_map(|(pid, rest)| {
            [b"2021-07-23T05:45:52.976229Z\t", pid.as_bytes(), b" Query\t", &rest].concat()
        }),
        "\\{\"(@timestamp|owner|bytes|a)\": ?(1|\"\\\\\\\\ud800\"|1e999|\\[\\]|\"\n\")[\r\n ]?\\}"
            .prop_map(String::into_bytes),
    ]
}

fn any_event() -> impl Strategy<Value = LogEvent> {
    let id = prop_oneof![Just(EVENT_ID.to_owned()), any::<String>()];
    let time = prop_oneof![any::<i64>(), 0..4_133_980_800_000_i64];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<Option<u64>>())
        .prop_map(|(partial, truncated, suspect, bytes)| EventFlags { partial, truncated, suspect, bytes });
    (id, time, any_message(), flags).prop_map(|(id, timestamp_ms, message, flags)| LogEvent {
        extra: Extra::default(),
        id,
        timestamp_ms,
        message,
        flags,
    })
}

fn assert_sound(transformed: &Transformed) -> Result<(), TestCaseError> {
    for document in &transformed.documents {
        let value: Value = serde_json::from_slice(&document.source).expect("a document is JSON");
        prop_assert!(value.is_object());
        prop_assert!(!document.source.contains(&b'\n') && !document.source.contains(&b'\r'));
        prop_assert!(transformed.origin(document.event_idx).is_some());
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_event_is_a_document_dropped_or_failed(
        events in prop::collection::vec(any_event(), 0..6),
        format in prop::sample::select(vec![None, Some(Format::General), Some(Format::Slow), Some(Format::Audit), Some(Format::Json), Some(Format::Text)]),
        pid_as_string in any::<bool>(),
        digest in any::<bool>(),
        redact in prop::sample::select(Redact::ALL.to_vec()),
    ) {
        let count = events.len();
        let transformed = many(events, &Options { format, pid_as_string, redact, digest, ..Options::default() });
        prop_assert_eq!(transformed.entries(), count);
        prop_assert_eq!(transformed.documents.len() + transformed.dropped.len() + transformed.failed.len(), count);
        assert_sound(&transformed)?;
    }

    #[test]
    fn any_record_is_accounted_for(bytes in any_message(), packed in any::<bool>(), cut in any::<prop::sample::Index>()) {
        let record = if packed { gzip(&bytes) } else { bytes };
        for record in [&record[..], &record[..cut.index(record.len() + 1)]] {
            let transformed = transform(record, SOURCE, &Options::default());
            prop_assert!(transformed.entries() >= 1);
            assert_sound(&transformed)?;
        }
    }

    #[test]
    fn a_record_gives_the_same_documents_every_time(events in prop::collection::vec(any_event(), 0..4)) {
        let first = many(events.clone(), &Options::default());
        let second = many(events, &Options::default());
        prop_assert_eq!(&first.documents, &second.documents);
        let own = first.documents.iter().all(|document| document.id.as_str().len() == 32);
        prop_assert!(own && is_cloudwatch_event_id(EVENT_ID));
    }

    #[test]
    fn the_format_is_the_one_that_detection_tells(message in any_message()) {
        let detected = detect(&message).format;
        for document in &many(vec![event(&message)], &Options::default()).documents {
            let beyond = document.format == Format::Text && detected == Format::General;
            prop_assert!(document.format == detected || beyond);
        }
    }
}
