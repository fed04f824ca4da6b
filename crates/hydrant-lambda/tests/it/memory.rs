//! Records that are small on their way and large in memory, of which the function has 256 MB as it is deployed here.

use std::collections::BTreeSet;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::events::{Source, aggregated, envelope, firehose_data, kinesis, statement};
use crate::firehose::{Became, TIME, document, results};
use crate::runtime_api::Lambda;
use crate::stub::{Cluster, Stub, Verdict};
use crate::trigger::{decode, nothing_failed};

const MEMORY_KIB: u64 = 256 * 1024;

/// An envelope of so many events of 200,000 bytes, which has a thousandth of that.
fn large(first: u64, events: u64) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    let head = json!({"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s", "subscriptionFilters": ["f"]});
    let head = head.to_string();
    write!(out, "{},\"logEvents\":[", head.strip_suffix('}').unwrap()).unwrap();
    for number in first..first + events {
        let separator = if number == first { "" } else { "," };
        let event =
            json!({"id": format!("{number:056}"), "timestamp": 1_795_476_600_000_i64, "message": "x".repeat(200_000)});
        write!(out, "{separator}{event}").unwrap();
    }
    out.write_all(b"]}").unwrap();
    out.finish().unwrap()
}

/// Of six records of 20 MB each, every document arrives.
#[tokio::test]
async fn large_records_are_delivered_one_after_the_other() {
    let cluster = Cluster::taking_all().await;
    let mut function = Lambda::deploy(&[("HYDRANT_INDEX_ENDPOINT", &cluster.stub.url)]).await;
    let event = kinesis((0..6).map(|record| large(record * 100, 100)));
    assert!(nothing_failed(&function.answer(&event, TIME).await));
    assert_eq!(cluster.documents().len(), 600);
    assert_eq!(function.line().await["delivered"], 600);
    assert!(function.peak_kib() < MEMORY_KIB, "{} KiB", function.peak_kib());
}

/// Six records that would take 200 MB each are kept as they came, and the others are delivered.
#[tokio::test]
async fn a_record_that_inflates_beyond_the_functions_memory_is_kept() {
    let (cluster, bucket) = (Cluster::taking_all().await, Stub::bucket().await);
    let variables = [
        ("HYDRANT_INDEX_ENDPOINT", cluster.stub.url.as_str()),
        ("HYDRANT_FAILED_TO", "s3://failed-bucket"),
        ("AWS_ENDPOINT_URL_S3", bucket.url.as_str()),
    ];
    let mut function = Lambda::deploy(&variables).await;
    let bomb = large(1_000, 1_000);
    let event = kinesis([vec![bomb.clone(); 6], vec![envelope(0..3)]].concat());
    assert!(nothing_failed(&function.answer(&event, TIME).await));
    assert_eq!(cluster.statements().len(), 3);
    let lines = bucket.lines("processing-failed");
    assert_eq!(lines.len(), 6);
    for line in &lines {
        assert_eq!(
            (&line["reasonCode"], &line["rawData"]),
            (&json!("Hydrant.TooLarge"), &json!(STANDARD.encode(&bomb)))
        );
    }
    assert!(function.peak_kib() < MEMORY_KIB, "{} KiB", function.peak_kib());
    // Firehose keeps them itself.
    let event = firehose_data(Source::Kinesis, [vec![bomb; 6], vec![envelope([7])]].concat());
    let all = results(&event, &function.answer(&event, TIME).await);
    assert!(all[..6].iter().all(|became| *became == Became::Failed), "{all:?}");
    assert_eq!(document(&all[6])["Statement"], statement(7));
    assert!(function.peak_kib() < MEMORY_KIB, "{} KiB", function.peak_kib());
}

/// Six records of 20 MB each in one are delivered one after the other too.
#[tokio::test]
async fn large_records_that_a_producer_packed_into_one_are_delivered() {
    let cluster = Cluster::taking_all().await;
    let mut function = Lambda::deploy(&[("HYDRANT_INDEX_ENDPOINT", &cluster.stub.url)]).await;
    let packed: Vec<Vec<u8>> = (0..6).map(|record| large(record * 100, 100)).collect();
    let packed: Vec<&[u8]> = packed.iter().map(Vec::as_slice).collect();
    assert!(nothing_failed(&function.answer(&kinesis([aggregated(&packed)]), TIME).await));
    assert_eq!(cluster.documents().len(), 600);
    assert!(function.peak_kib() < MEMORY_KIB, "{} KiB", function.peak_kib());
}

/// What OpenSearch refuses of them is kept in several objects.
#[tokio::test]
async fn large_records_that_are_refused_are_kept() {
    let (cluster, bucket) = (Cluster::start(|_| Verdict::Reject).await, Stub::bucket().await);
    let variables = [
        ("HYDRANT_INDEX_ENDPOINT", cluster.stub.url.as_str()),
        ("HYDRANT_FAILED_TO", "s3://failed-bucket"),
        ("AWS_ENDPOINT_URL_S3", bucket.url.as_str()),
    ];
    let mut function = Lambda::deploy(&variables).await;
    let event = kinesis((0..6).map(|record| large(record * 100, 100)));
    assert!(nothing_failed(&function.answer(&event, TIME).await));
    assert_eq!(function.line().await["failed"], 600);
    let ids: BTreeSet<String> = bucket
        .lines("/AmazonOpenSearchService-failed/")
        .iter()
        .map(|line| {
            let raw = decode(line["rawData"].as_str().unwrap());
            serde_json::from_slice::<Value>(&raw).unwrap()["logEvents"][0]["id"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(ids, (0..600).map(|number| format!("{number:056}")).collect());
    assert!(function.peak_kib() < MEMORY_KIB, "{} KiB", function.peak_kib());
}

/// Firehose's records are answered together, so what is sent back of them is in memory together: those that find it
/// full are Firehose's to keep.
#[tokio::test]
async fn large_records_that_are_sent_back_are_bounded() {
    let stream = Stub::taking_all().await;
    let mut function = Lambda::deploy(&[("AWS_ENDPOINT_URL", &stream.url)]).await;
    let event = firehose_data(Source::Kinesis, (0..6).map(|record| large(record * 100, 100)));
    let all = results(&event, &function.answer(&event, TIME).await);
    let sent = all.iter().take_while(|became| **became == Became::Dropped).count();
    assert!((1..6).contains(&sent), "{all:?}");
    assert!(all[sent..].iter().all(|became| *became == Became::Failed), "{all:?}");
    assert_eq!(stream.calls().iter().map(|call| call.records().len()).sum::<usize>(), sent * 100);
    let line = function.line().await;
    let told = format!("{} records are answered as failed", 6 - sent);
    assert!(line["problems"][0].as_str().unwrap().starts_with(&told), "{line}");
    assert!(function.peak_kib() < MEMORY_KIB, "{} KiB", function.peak_kib());
}

/// 150,000 records in one, all but the last one empty.
#[tokio::test]
async fn a_record_of_very_many_is_taken_apart_within_the_memory() {
    let cluster = Cluster::taking_all().await;
    let mut function = Lambda::deploy(&[("HYDRANT_INDEX_ENDPOINT", &cluster.stub.url)]).await;
    let last = envelope(0..3);
    let mut packed: Vec<&[u8]> = vec![b""; 150_000];
    packed.push(&last);
    assert!(nothing_failed(&function.answer(&kinesis([aggregated(&packed)]), TIME).await));
    assert_eq!(cluster.statements(), (0..3).map(statement).collect::<Vec<_>>());
    assert_eq!(function.line().await["dropped_by_reason"], json!({"empty": 150_000}));
    assert!(function.peak_kib() < MEMORY_KIB, "{} KiB", function.peak_kib());
}
