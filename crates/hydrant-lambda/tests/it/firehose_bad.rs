//! Whatever comes from Firehose: each record fails alone, the event has an answer, and the process lives.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::events::{
    Source, control_message, envelope, firehose_data, firehose_of, firehose_record, gzip, kinesis, record_id,
    statement, subscription,
};
use crate::firehose::{Became, TIME, document, noise, results};
use crate::runtime_api::{CANARY, Ended, Lambda};
use crate::stub::Stub;

/// Gzip of many zeros, far smaller than they are.
fn bomb(mebibytes: usize) -> Vec<u8> {
    use std::io::Write as _;
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    (0..mebibytes).for_each(|_| out.write_all(&zeros).unwrap());
    out.finish().unwrap()
}

/// What a record's `data` may be, and what has to become of it; `None` where the contract leaves it open.
fn hostile() -> Vec<(&'static str, Value, Option<Became>)> {
    let data = |bytes: &[u8]| json!(STANDARD.encode(bytes));
    let good = envelope([1]);
    let damaged = {
        let mut damaged = good.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0xff;
        damaged
    };
    let foreign = json!({"messageType": "SOMETHING_ELSE", "owner": CANARY, "logEvents": [{"message": CANARY}]});
    vec![
        ("no base64", json!(format!("!!!{CANARY}!!!")), Some(Became::Failed)),
        ("base64 that is cut", json!(&STANDARD.encode(&good)[..41]), Some(Became::Failed)),
        ("truncated gzip", data(&good[..good.len() / 2]), Some(Became::Failed)),
        ("gzip without its end", data(&good[..good.len() - 8]), Some(Became::Failed)),
        ("damaged gzip", data(&damaged), Some(Became::Failed)),
        ("only a header of gzip", data(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]), Some(Became::Failed)),
        ("a control message", data(&control_message()), Some(Became::Dropped)),
        ("an unknown type of envelope", data(&gzip(foreign.to_string().as_bytes())), Some(Became::Failed)),
        ("an envelope without events", data(&envelope([])), Some(Became::Dropped)),
        ("gzip of no JSON", data(&gzip(CANARY.as_bytes())), None),
        ("JSON that nests deep", data("[".repeat(100_000).as_bytes()), None),
        ("gzip of JSON that nests deep", data(&gzip("{\"a\":".repeat(100_000).as_bytes())), None),
        ("nothing", json!(""), None),
        ("null", Value::Null, Some(Became::Failed)),
        ("a number", json!(7), Some(Became::Failed)),
        ("an object", json!({"a": CANARY}), Some(Became::Failed)),
        ("bytes that are no text", data(&[0xff; 300]), None),
        ("NUL", data(&[0; 300]), None),
        ("a bomb", data(&bomb(300)), Some(Became::Failed)),
    ]
}

fn check_beside_good_records(source: Source, name: &str, all: &[Became], expected: Option<&Became>) {
    assert_eq!(all.len(), 3, "{name}");
    for (place, number) in [(0, 1), (2, 2)] {
        assert_eq!(document(&all[place])["Statement"], statement(number), "{name} beside a good record, {source:?}");
    }
    if let Some(expected) = expected {
        assert_eq!(&all[1], expected, "{name}, {source:?}");
    }
    if let Became::Ok(_) = &all[1] {
        document(&all[1]);
    }
}

#[tokio::test]
async fn each_bad_record_fails_alone() {
    let again = Stub::taking_all().await;
    let mut function = Lambda::deploy(&[("AWS_ENDPOINT_URL", &again.url)]).await;
    let good = |number| json!(STANDARD.encode(envelope([number])));
    for (name, bad, expected) in hostile() {
        for source in [Source::DirectPut, Source::Kinesis] {
            let records = [good(1), bad.clone(), good(2)];
            let records = records.iter().enumerate();
            let records = records.map(|(place, data)| firehose_record(source, &record_id(source, place), data));
            let event = firehose_of(source, records.collect());
            let all = results(&event, &function.answer(&event, TIME).await);
            check_beside_good_records(source, name, &all, expected.as_ref());
            function.line().await;
        }
    }
    assert_eq!(function.starts(), 1);
    assert!(again.calls().is_empty());
    // A bomb is not unpacked into memory, of which the function has 256 MB.
    assert!(function.peak_kib() < 256 * 1024, "{} KiB", function.peak_kib());
}

#[tokio::test]
async fn all_bad_records_in_one_event_are_answered() {
    let again = Stub::taking_all().await;
    let mut function = Lambda::deploy(&[("AWS_ENDPOINT_URL", &again.url)]).await;
    let records = hostile().into_iter().enumerate();
    let records = records
        .map(|(place, (_, data, _))| firehose_record(Source::Kinesis, &record_id(Source::Kinesis, place), &data));
    let event = firehose_of(Source::Kinesis, records.collect());
    let all = results(&event, &function.answer(&event, TIME).await);
    for (became, (name, _, expected)) in all.iter().zip(hostile()) {
        assert!(expected.is_none_or(|expected| expected == *became), "{name}: {became:?}");
    }
}

/// A plain line or a JSON object in a record is a document.
#[tokio::test]
async fn records_that_are_no_envelopes_are_documents() {
    let again = Stub::taking_all().await;
    let mut function = Lambda::deploy(&[("AWS_ENDPOINT_URL", &again.url)]).await;
    let lines = [
        json!({"a": 1, "b": {"c": "d"}}).to_string(),
        "2026-11-23T23:30:00.000123Z\t    9 Query\tSELECT 1".to_owned(),
        "some words".to_owned(),
    ];
    let event = firehose_data(Source::Kinesis, lines.iter().map(|line| line.clone().into_bytes()));
    let all = results(&event, &function.answer(&event, TIME).await);
    let first = document(&all[0]);
    assert_eq!((&first["a"], &first["b"]), (&json!(1), &json!({"c": "d"})));
    assert_eq!(document(&all[1])["Statement"], "SELECT 1");
    assert!(document(&all[2]).to_string().contains("some words"));
}

/// A log line by itself has no other time.
#[tokio::test]
async fn a_record_that_tells_no_arrival_has_arrived_now() {
    let mut function = Lambda::deploy(&[]).await;
    let mut event = firehose_data(Source::DirectPut, [b"some words".to_vec()]);
    event["records"][0].as_object_mut().unwrap().remove("approximateArrivalTimestamp");
    let all = results(&event, &function.answer(&event, TIME).await);
    let document = document(&all[0]);
    assert!(document["@timestamp"].as_str().unwrap() > "2026-11-28", "{document}");
    assert!(function.line().await["lag"].is_null());
}

#[tokio::test]
async fn record_ids_of_any_length_come_back() {
    let mut function = Lambda::deploy(&[]).await;
    let ids = ["x".repeat(1_000_000), "\\\"\u{0}".repeat(100_000), "😀".repeat(50_000)];
    let data = json!(STANDARD.encode(envelope([1])));
    let records = ids.iter().map(|id| firehose_record(Source::DirectPut, id, &data)).collect();
    let event = firehose_of(Source::DirectPut, records);
    let all = results(&event, &function.answer(&event, TIME).await);
    all.iter().for_each(|became| assert_eq!(document(became)["Statement"], statement(1)));
}

/// What is no event at all is an error of its invocation; nothing of it is in a log.
#[tokio::test]
async fn events_of_no_known_shape_are_errors_and_the_process_lives() {
    let mut function = Lambda::deploy(&[]).await;
    let bodies = [
        "{}".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        format!("\"{CANARY}\""),
        json!({"Records": [{"s3": {"bucket": {"name": CANARY}}}]}).to_string(),
        json!({"records": CANARY}).to_string(),
        json!({"awslogs": {"data": 7}}).to_string(),
        json!({"awslogs": CANARY}).to_string(),
        format!("{{\"records\": [{{\"recordId\": \"{CANARY}\""),
        format!("no JSON {CANARY}"),
        String::new(),
        "[".repeat(1_000_000),
        "{\"records\":".repeat(200_000),
    ];
    for body in bodies {
        let start: String = body.chars().take(60).collect();
        let ended = function.invoke(body, Duration::from_secs(20)).await;
        let Ended::Error(error) = ended else { panic!("{start}: {ended:?}") };
        assert!(!error["errorMessage"].as_str().unwrap().is_empty(), "{start}");
        assert!(!error.to_string().contains(CANARY), "{start}: {error}");
    }
    let event = firehose_data(Source::DirectPut, [envelope([1])]);
    let all = results(&event, &function.answer(&event, TIME).await);
    assert_eq!(document(&all[0])["Statement"], statement(1));
    assert_eq!(function.starts(), 1);
}

/// Bytes that are changed at random places: an answer or an error, and the same process to the end.
#[tokio::test]
async fn damaged_events_never_end_the_process() {
    let stub = Stub::taking_all().await;
    let variables =
        [("HYDRANT_OUTPUT", "firehose"), ("HYDRANT_DELIVERY_STREAM", "s"), ("AWS_ENDPOINT_URL", stub.url.as_str())];
    let mut function = Lambda::deploy(&variables).await;
    let whole = [
        firehose_data(Source::Kinesis, [envelope(0..3), envelope([3])]),
        kinesis([envelope(0..3), control_message()]),
        subscription(&envelope(0..3)),
    ];
    let mut random = noise(1 << 14, 11).into_bytes().into_iter().cycle();
    let mut below = |bound: usize| {
        let bytes: Vec<u8> = random.by_ref().take(8).collect();
        usize::from_str_radix(std::str::from_utf8(&bytes).unwrap(), 16).unwrap() % bound
    };
    for round in 0..300 {
        let mut body = whole[round % 3].to_string().into_bytes();
        for _ in 0..=below(4) {
            if body.len() < 2 {
                break;
            }
            let place = below(body.len());
            match below(3) {
                0 => body[place] = u8::try_from(below(256)).unwrap(),
                1 => drop(body.remove(place)),
                _ => body.truncate(place.max(1)),
            }
        }
        let ended = function.invoke(body, Duration::from_millis(700)).await;
        assert!(matches!(ended, Ended::Answer(_) | Ended::Error(_)), "round {round}: {ended:?}");
    }
    assert_eq!((function.starts(), function.timeouts()), (1, 0));
}
