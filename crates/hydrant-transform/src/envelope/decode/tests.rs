//! Records as AWS, emulators and damage make them.

use proptest::prelude::*;

use super::*;
use crate::envelope::gzip::Compressor;
use crate::envelope::{EventFlags, NAME_BYTES_MAX};

const DATA: &str = r#"{"messageType":"DATA_MESSAGE","owner":"908047316593","logGroup":"/aws/rds/instance/mysql-db-for-logs/general","logStream":"mysql-db-for-logs","subscriptionFilters":["mysql-general-filter"],"logEvents":[{"id":"36283739563646893425505853973335389931765810644969062400","timestamp":1627019152976,"message":"2021-07-23T05:45:52.976229Z\t  199 Query\tUSE testdb"}]}"#;

const CONTROL: &str = r#"{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1680683189085,"message":"CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."}]}"#;

fn data_envelope() -> Envelope {
    Envelope {
        extra: Extra::default(),
        control: false,
        owner: "908047316593".into(),
        log_group: "/aws/rds/instance/mysql-db-for-logs/general".into(),
        log_stream: "mysql-db-for-logs".into(),
        subscription_filters: vec!["mysql-general-filter".into()],
        log_events: vec![LogEvent {
            extra: Extra::default(),
            id: "36283739563646893425505853973335389931765810644969062400".into(),
            timestamp_ms: 1_627_019_152_976,
            message: b"2021-07-23T05:45:52.976229Z\t  199 Query\tUSE testdb".into(),
            flags: EventFlags::default(),
        }],
    }
}

fn envelopes_of(record: &[u8]) -> Vec<Envelope> {
    match decode(record).unwrap() {
        Decoded::Envelopes(envelopes) => envelopes,
        Decoded::Raw(raw) => panic!("raw: {}", String::from_utf8_lossy(&raw)),
    }
}

fn events_of(events: &str) -> Vec<LogEvent> {
    let record = format!(r#"{{"messageType":"DATA_MESSAGE","logEvents":{events}}}"#);
    envelopes_of(record.as_bytes()).remove(0).log_events
}

fn error_of(record: &str) -> String {
    decode(record.as_bytes()).unwrap_err().to_string()
}

fn gzip(data: impl AsRef<[u8]>) -> Vec<u8> {
    Compressor::new().gzip(data.as_ref())
}

fn assert_raw(record: &[u8]) {
    assert_eq!(decode(record), Ok(Decoded::Raw(record.to_vec())));
}

#[test]
fn an_envelope_of_cloudwatch_is_read_gzipped_or_not() {
    assert_eq!(envelopes_of(DATA.as_bytes()), [data_envelope()]);
    assert_eq!(envelopes_of(&gzip(DATA)), [data_envelope()]);
    assert_eq!(envelopes_of(format!("\u{feff} \r\n{DATA}\n").as_bytes()), [data_envelope()]);
}

#[test]
fn a_control_message_is_told_apart() {
    let [control] = &envelopes_of(&gzip(CONTROL))[..] else { panic!() };
    assert!(control.control);
    assert_eq!(control.owner, "CloudwatchLogs");
    assert_eq!(control.log_events.len(), 1);
}

#[test]
fn envelopes_follow_each_other_as_members_or_as_objects() {
    let control = envelopes_of(CONTROL.as_bytes()).remove(0);
    assert_eq!(envelopes_of(format!("{DATA}{CONTROL}").as_bytes()), [data_envelope(), control.clone()]);
    let members = [gzip(CONTROL), gzip(format!("{DATA}\n")), gzip(DATA)].concat();
    assert_eq!(envelopes_of(&members), [control, data_envelope(), data_envelope()]);
}

#[test]
fn unknown_keys_are_kept_and_any_order_is_fine() {
    let record = DATA
        .replacen(
            r#"{"messageType""#,
            r#"{"policyLevel":"ACCOUNT_LEVEL_POLICY","@aws.account":"1","x":[{"id":1}],"messageType""#,
            1,
        )
        .replace(r#"{"id":""#, "{\"extractedFields\":{\"id\":\"1\",\r\n\"message\":5},\"@aws.region\":null,\"id\":\"");
    let mut envelopes = envelopes_of(record.as_bytes());
    let extra = std::mem::take(&mut envelopes[0].extra);
    assert_eq!(extra.members(), r#""policyLevel":"ACCOUNT_LEVEL_POLICY","@aws.account":"1","x":[{"id":1}]"#);
    let extra = std::mem::take(&mut envelopes[0].log_events[0].extra);
    assert_eq!(extra.members(), r#""extractedFields":{"id":"1","message":5},"@aws.region":null"#);
    assert_eq!(envelopes, [data_envelope()]);
    let reordered =
        r#"{"logEvents":[{"message":"m","timestamp":5,"id":"7"}],"owner":"o","messageType":"DATA_MESSAGE"}"#;
    let [envelope] = &envelopes_of(reordered.as_bytes())[..] else { panic!() };
    assert_eq!((envelope.owner.as_str(), envelope.log_group.as_str()), ("o", ""));
    assert_eq!((envelope.log_events[0].id.as_str(), envelope.log_events[0].timestamp_ms), ("7", 5));
}

#[test]
fn an_envelope_may_have_no_events() {
    for record in [
        r#"{"messageType":"DATA_MESSAGE","logEvents":[]}"#,
        r#"{"messageType":"DATA_MESSAGE","owner":null,"subscriptionFilters":null,"logEvents":null}"#,
    ] {
        assert_eq!(envelopes_of(record.as_bytes()), [Envelope::default()]);
    }
}

#[test]
fn emulators_may_send_numbers_for_ids_and_floats_for_times() {
    let events = events_of(
        r#"[{"id":0,"timestamp":1.5e3,"message":""},{"id":-3,"timestamp":-7,"message":"x"},{"timestamp":1,"message":"y"}]"#,
    );
    let read: Vec<_> = events.iter().map(|event| (event.id.as_str(), event.timestamp_ms)).collect();
    assert_eq!(read, [("0", 1500), ("-3", -7), ("", 1)]);
}

/// 56 digits are more than any number type holds.
#[test]
fn numbers_of_any_size_are_ids() {
    for id in ["36283739563646893425505853973335389931765810644969062400", "18446744073709551616", "7"] {
        let events = events_of(&format!(r#"[{{"id":{id},"timestamp":1,"message":"m"}}]"#));
        assert_eq!(events[0].id, id);
    }
    let envelope =
        r#"{"messageType":"DATA_MESSAGE","owner":123456789012,"logGroup":"g","logStream":"s","logEvents":[]}"#;
    assert_eq!(envelopes_of(envelope.as_bytes())[0].owner, "123456789012");
}

#[test]
fn our_own_keys_carry_exact_bytes_and_flags() {
    let events = events_of(
        r#"[{"id":"a","timestamp":1,"message":"caf�","messageBase64":"Y2Fm6Q==","partial":true,"truncated":true,"suspect":true,"bytes":18446744073709551615}]"#,
    );
    assert_eq!(events[0].message, b"caf\xe9");
    assert_eq!(events[0].flags, EventFlags { partial: true, truncated: true, suspect: true, bytes: Some(u64::MAX) });
}

#[test]
fn messages_keep_every_character() {
    let events = events_of(r#"[{"timestamp":1,"message":"\u0000\ud83d\ude00\u2028 é\r\n\"\\"}]"#);
    assert_eq!(events[0].message, "\0😀\u{2028} é\r\n\"\\".as_bytes());
}

#[test]
fn half_a_surrogate_pair_harms_only_its_own_message() {
    // A client that counts in UTF-16 cuts a line inside a pair; the half is kept as UTF-8 would write it (WTF-8).
    let events = events_of(
        r#"[{"timestamp":1,"message":"a"},{"timestamp":2,"message":"b\ud83d"},{"timestamp":3,"message":"\ude00\tc"}]"#,
    );
    let messages: Vec<&[u8]> = events.iter().map(|event| &event.message[..]).collect();
    assert_eq!(messages, [&b"a"[..], b"b\xed\xa0\xbd", b"\xed\xb8\x80\tc"]);
}

#[test]
fn errors_name_the_key_and_never_quote_a_value() {
    let with = |from: &str, to: &str| error_of(&DATA.replacen(from, to, 1));
    for (from, to, expected) in [
        (r#""owner":"908047316593""#, r#""owner":["secret"]"#, "`owner` is not a string"),
        (r#""owner":"#, r#""logStream":"secret","owner":"#, "`logStream` is there twice"),
        (r#""DATA_MESSAGE""#, r#""secret""#, "`messageType` is neither DATA_MESSAGE nor CONTROL_MESSAGE"),
        (r#""DATA_MESSAGE""#, "5", "`messageType` is neither DATA_MESSAGE nor CONTROL_MESSAGE"),
        (DATA, r#"{"messageType":"ORDER"}"#, "`messageType` is neither DATA_MESSAGE nor CONTROL_MESSAGE"),
        (r#"["mysql-general-filter"]"#, r#"["f",5]"#, "`subscriptionFilters` is not a string"),
        (r#""logEvents""#, r#""logevents""#, "`logEvents` is missing"),
        (DATA, r#"{"messageType":"DATA_MESSAGE"}"#, "`logEvents` is missing"),
        (r#""id":"#, r#""id":true,"x":"#, "`logEvents[0].id` is not a string"),
        ("1627019152976", r#""secret""#, "`logEvents[0].timestamp` is not a whole number"),
        ("1627019152976", "1.5", "`logEvents[0].timestamp` is not a whole number"),
        ("1627019152976", "18446744073709551615", "`logEvents[0].timestamp` is out of range"),
        (r#""timestamp""#, r#""time""#, "`logEvents[0].timestamp` is missing"),
        (r#""message":"#, r#""massage":"#, "`logEvents[0].message` is missing"),
        (r#""message":"#, r#""message":["secret"],"x":"#, "`logEvents[0].message` is not a string"),
        (r#""message":"#, r#""message":12345,"x":"#, "`logEvents[0].message` is not a string"),
        (r#""message":"#, r#""message":null,"x":"#, "`logEvents[0].message` is missing"),
        (r#""message":"#, r#""message":"secret","message":"#, "`logEvents[0].message` is there twice"),
        (r#""message":"#, r#""messageBase64":"secret!","message":"#, "`logEvents[0].messageBase64` is not base64"),
        (r#""message":"#, r#""partial":"secret","message":"#, "`logEvents[0].partial` is not true or false"),
        (r#""message":"#, r#""bytes":-1,"message":"#, "`logEvents[0].bytes` is not a length"),
    ] {
        assert_eq!(with(from, to), format!("envelope is invalid: {expected}"), "{to}");
    }
    for events in [r#""secret""#, r#"["secret"]"#, r#"{"secret":1}"#, "7"] {
        let error = error_of(&format!(r#"{{"messageType":"DATA_MESSAGE","logEvents":{events}}}"#));
        assert!(error.starts_with("envelope is invalid: a value of the wrong type at line 1 column "), "{error}");
    }
}

#[test]
fn names_without_end_are_refused() {
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    assert_eq!(
        error_of(&DATA.replacen("mysql-db-for-logs\"", &format!("{long}\""), 1)),
        "envelope is invalid: `logStream` is longer than 2048 bytes"
    );
    let id = error_of(&DATA.replacen("36283739563646893425505853973335389931765810644969062400", &long, 1));
    assert_eq!(id, "envelope is invalid: `logEvents[0].id` is longer than any name may be");
}

#[test]
fn a_broken_envelope_is_an_error_and_no_text() {
    for cut in 60..DATA.len() {
        assert_eq!(error_of(&DATA[..cut]), "envelope is invalid: the JSON ends inside an object", "cut at {cut}");
    }
    assert_eq!(error_of(&format!("{DATA}{{}}")), "envelope is invalid: an object behind an envelope is none");
    assert!(error_of(&format!("{DATA} tail")).starts_with("envelope is invalid: expected ident at line 1 column "));
    let bad = DATA.replacen("Query", r"\x", 1);
    assert!(error_of(&bad).starts_with("envelope is invalid: invalid escape at line 1 column "), "{}", error_of(&bad));
}

#[test]
fn an_envelope_that_is_not_utf8_names_the_byte() {
    let mut record = DATA.as_bytes().to_vec();
    let at = record.len() - 10;
    record[at] = 0xff;
    assert_eq!(decode(&record).unwrap_err(), DecodeError::Envelope(format!("byte {at} is not UTF-8")));
}

#[test]
fn what_is_no_envelope_is_raw() {
    for record in [
        &b""[..],
        b" ",
        b"2021-07-23T05:45:52.976229Z\t  199 Query\tUSE testdb",
        b"{",
        b"{}",
        b"{}{}",
        b"[1]",
        b"\"DATA_MESSAGE\"",
        b"{\"messageType\":5,\"owner\":5,\"owner\":6}",
        b"{\"messageType\":\"HYDRANT_DOCUMENT\",\"logEvents\":[]}",
        b"{\"logEvents\":5}",
        b"{\"logEvents\":[{\"id\":[]}]}",
        b"{\"a\":\"caf\xe9\"}",
        b"\xff\xfe\0",
        b"\xef\xbb\xbf",
    ] {
        assert_raw(record);
    }
    let quoted = serde_json::to_string(DATA).unwrap();
    assert_raw(format!("{{\"line\":{quoted}, oops").as_bytes());
    assert_eq!(decode(&gzip(b"caf\xe9")), Ok(Decoded::Raw(b"caf\xe9".to_vec())));
}

#[test]
fn damaged_gzip_is_named() {
    let whole = gzip(DATA);
    assert_eq!(
        decode(&whole[..whole.len() - 9]).unwrap_err().to_string(),
        "gzip data is damaged: an unfinished end in the member at byte 0"
    );
    let tail = [&whole[..], b"??"].concat();
    assert_eq!(
        decode(&tail).unwrap_err(),
        DecodeError::Gzip(format!("bytes that are not gzip in the member at byte {}", whole.len()))
    );
}

#[test]
fn a_gzip_bomb_is_too_large() {
    let bomb = gzip(vec![b' '; 8 << 20]);
    assert_eq!(
        decode_within(&bomb, Limits { bytes_max: 1 << 20, ..Limits::default() }),
        Err(DecodeError::TooLarge { max: 1 << 20 })
    );
}

#[test]
fn deep_nesting_is_passed_over() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let record = DATA.replacen(r#"{"messageType""#, &format!(r#"{{"x":{deep},"messageType""#), 1);
    let [envelope] = &envelopes_of(record.as_bytes())[..] else { panic!("one envelope") };
    assert_eq!(envelope.extra.members(), r#""left_out":"x: 200000 bytes""#);
    assert_eq!(Envelope { extra: Extra::default(), ..envelope.clone() }, data_envelope());
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in any::<Vec<u8>>()) {
        drop(decode(&bytes));
        drop(decode(&gzip(&bytes)));
        prop_assert!(decode(&[b"\x1f\x8b\x08", &bytes[..]].concat()).is_err());
    }

    #[test]
    fn a_changed_byte_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut record = DATA.as_bytes().to_vec();
        let place = at.index(record.len());
        record[place] = byte;
        drop(decode(&record));
    }
}
