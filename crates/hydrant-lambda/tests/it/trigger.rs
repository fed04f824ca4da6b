//! The Kinesis trigger and the direct subscription: documents to OpenSearch once by id, and an answer that names the
//! first record that is not safe.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::events::{LOG_GROUP, Source};
use crate::events::{
    OWNER, aggregated, control_message, envelope, envelope_of, event_id, firehose_data, kinesis, kinesis_record,
    log_event, sequence_number, statement, subscription,
};
use crate::firehose::TIME;
use crate::runtime_api::{Ended, Lambda};
use crate::stub::{Call, Cluster, Reply, Stub, Verdict, taken};

/// The answer that nothing has to come again.
pub(crate) fn nothing_failed(answer: &Value) -> bool {
    answer.is_null() || answer["batchItemFailures"].is_null() || answer["batchItemFailures"] == json!([])
}

/// The answer that a record and all after it have to come again.
fn from(place: usize) -> Value {
    json!({"batchItemFailures": [{"itemIdentifier": sequence_number(place)}]})
}

fn all_statements(numbers: impl IntoIterator<Item = u64>) -> Vec<String> {
    let mut all: Vec<String> = numbers.into_iter().map(statement).collect();
    all.sort();
    all
}

async fn deploy(cluster: &Cluster, more: &[(&str, &str)]) -> Lambda {
    Lambda::deploy(&[&[("HYDRANT_INDEX_ENDPOINT", cluster.stub.url.as_str())], more].concat()).await
}

#[tokio::test]
async fn every_entry_is_indexed_once_however_often_it_comes() {
    let cluster = Cluster::taking_all().await;
    let mut function = deploy(&cluster, &[]).await;
    let event = kinesis([envelope(0..20), control_message(), envelope([20]), envelope(21..40)]);
    for time in 0..3 {
        assert!(nothing_failed(&function.answer(&event, TIME).await));
        assert_eq!(cluster.statements(), all_statements(0..40));
        let line = function.line().await;
        let (delivered, duplicates) = if time == 0 { (40, 0) } else { (0, 40) };
        assert_eq!((&line["delivered"], &line["duplicates"]), (&json!(delivered), &json!(duplicates)));
        assert_eq!((&line["event"], &line["records"]), (&json!("kinesis"), &json!(4)));
        assert!(line["lag"].is_u64() && line["bytes"].is_u64());
    }
    let documents = cluster.documents();
    let ids: BTreeSet<&String> = documents.keys().map(|(_, id)| id).collect();
    assert_eq!(ids.len(), 40);
    for ((index, _), document) in &documents {
        assert_eq!(index, "hydrant-general-2026-11-23");
        assert_eq!((&document["owner"], &document["log_group"]), (&json!(OWNER), &json!(LOG_GROUP)));
    }
    let bulks: Vec<Call> = cluster.stub.calls().into_iter().filter(|call| call.path.ends_with("/_bulk")).collect();
    assert_eq!(bulks.len(), 3, "one request an invocation");
}

#[tokio::test]
async fn the_answer_names_the_first_record_that_is_not_safe() {
    // Records 2 and 4 of 6 are refused for now: what stands before is safe, and what stands behind is written too.
    let cluster = Cluster::start(|document| {
        let text = document["Statement"].as_str().unwrap();
        if text.contains("FROM t21 ") || text.contains("FROM t40 ") { Verdict::Busy } else { Verdict::Take }
    })
    .await;
    let mut function = deploy(&cluster, &[]).await;
    let event = kinesis((0..6).map(|record| envelope(record * 10..record * 10 + 3)));
    let answer = function.answer(&event, Duration::from_secs(2)).await;
    assert_eq!(answer, from(2));
    let written = (0..6).flat_map(|record| record * 10..record * 10 + 3).filter(|number| ![21, 40].contains(number));
    assert_eq!(cluster.statements(), all_statements(written));
    let line = function.line().await;
    assert_eq!((&line["unsafe_records"], &line["level"]), (&json!(2), &json!("WARN")));
}

#[tokio::test]
async fn records_that_a_producer_packed_are_taken_apart() {
    let cluster = Cluster::taking_all().await;
    let mut function = deploy(&cluster, &[]).await;
    let packed = aggregated(&[&envelope(0..3), &control_message(), &envelope(3..5)]);
    let event = kinesis([packed, envelope([5])]);
    for _ in 0..2 {
        assert!(nothing_failed(&function.answer(&event, TIME).await));
        assert_eq!(cluster.statements(), all_statements(0..6));
    }
}

/// They have one sequence number, no event id, and may have the same bytes.
#[tokio::test]
async fn raw_lines_in_one_packed_record_are_documents_of_their_own() {
    let cluster = Cluster::taking_all().await;
    let mut function = deploy(&cluster, &[]).await;
    let line = b"2026-11-23T23:30:00.000123Z\t    9 Query\tSELECT 1";
    let other = b"2026-11-23T23:30:00.000123Z\t    9 Query\tSELECT 2";
    let event = kinesis([aggregated(&[line, other, line])]);
    for _ in 0..2 {
        assert!(nothing_failed(&function.answer(&event, TIME).await));
        assert_eq!(cluster.statements(), ["SELECT 1", "SELECT 1", "SELECT 2"]);
    }
}

/// Their originals are in the same stream.
#[tokio::test]
async fn documents_on_their_second_way_are_dropped_and_counted() {
    let again = Stub::taking_all().await;
    let mut transformation = Lambda::deploy(&[("AWS_ENDPOINT_URL", &again.url)]).await;
    transformation.answer(&firehose_data(Source::Kinesis, [envelope(0..5)]), TIME).await;
    let marked: Vec<Vec<u8>> = again.calls().iter().flat_map(Call::records).collect();
    assert_eq!(marked.len(), 5);
    let cluster = Cluster::taking_all().await;
    let mut function = deploy(&cluster, &[]).await;
    let event = kinesis([vec![envelope(0..5)], marked].concat());
    assert!(nothing_failed(&function.answer(&event, TIME).await));
    assert_eq!(cluster.statements(), all_statements(0..5));
    let line = function.line().await;
    assert_eq!((&line["dropped_by_reason"]["reingested"], &line["delivered"]), (&json!(5), &json!(5)));
}

#[tokio::test]
async fn a_poison_record_is_kept_with_its_reason_and_blocks_nothing() {
    let (cluster, bucket) = (Cluster::taking_all().await, Stub::bucket().await);
    let kept = [("HYDRANT_FAILED_TO", "s3://failed-bucket/x"), ("AWS_ENDPOINT_URL_S3", bucket.url.as_str())];
    let mut function = deploy(&cluster, &kept).await;
    let poison = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, b'K', b'A', b'N'];
    let event = kinesis([envelope([0]), poison.to_vec(), envelope([1])]);
    for _ in 0..2 {
        assert!(nothing_failed(&function.answer(&event, TIME).await));
    }
    assert_eq!(cluster.statements(), all_statements(0..2));
    let lines = bucket.lines("/failed-bucket/x/processing-failed/2026/11/23/23/");
    assert_eq!(lines.len(), 1, "a repeat is the same object");
    assert_eq!(lines[0]["rawData"], base64_of(&poison));
    for name in ["errorCode", "errorMessage", "reasonCode", "esDocumentId"] {
        assert!(!lines[0][name].as_str().unwrap().is_empty(), "{name}");
    }
    assert_eq!(function.line().await["failed"], 1);
    // With nowhere to keep it, it has to come again: nothing is lost.
    let mut function = deploy(&cluster, &[]).await;
    assert_eq!(function.answer(&event, Duration::from_secs(5)).await, from(1));
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[tokio::test]
async fn what_the_index_refuses_is_kept_with_the_indexs_own_reason() {
    let cluster = Cluster::start(|document| {
        if document["Statement"].as_str().unwrap().contains("FROM t1 ") { Verdict::Reject } else { Verdict::Take }
    })
    .await;
    let bucket = Stub::bucket().await;
    let kept = [("HYDRANT_FAILED_TO", "s3://failed-bucket"), ("AWS_ENDPOINT_URL_S3", bucket.url.as_str())];
    let mut function = deploy(&cluster, &kept).await;
    let event = kinesis([envelope(0..3), envelope([3])]);
    assert!(nothing_failed(&function.answer(&event, TIME).await));
    assert_eq!(cluster.statements(), all_statements([0, 2, 3]));
    let lines = bucket.lines("/failed-bucket/AmazonOpenSearchService-failed/");
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["esIndexName"], "hydrant-general-2026-11-23");
    assert!(lines[0]["errorMessage"].as_str().unwrap().contains("failed to parse field [Statement]"), "{}", lines[0]);
    // Its bytes are an envelope of just that event, which a replay transforms again.
    let raw = decode(lines[0]["rawData"].as_str().unwrap());
    let text = String::from_utf8(raw).unwrap();
    assert!(text.contains(&event_id(1)) && !text.contains(&event_id(0)) && !text.contains(&event_id(2)), "{text}");
    // A bucket that refuses leaves the record in the stream.
    let refusing = Stub::start(|_, _| Reply::Text(503, "<Error><Code>SlowDown</Code></Error>")).await;
    let kept = [("HYDRANT_FAILED_TO", "s3://failed-bucket"), ("AWS_ENDPOINT_URL_S3", refusing.url.as_str())];
    let mut function = deploy(&cluster, &kept).await;
    assert_eq!(function.answer(&event, Duration::from_secs(2)).await, from(0));
}

/// Base64, and gzip where it is that.
pub(crate) fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    use std::io::Read as _;
    let raw = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    if !raw.starts_with(&[0x1f, 0x8b]) {
        return raw;
    }
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(&raw[..]).read_to_end(&mut out).unwrap();
    out
}

/// The pieces of one entry, of a log group that is joined.
const PIECES: [&str; 2] = ["2026-11-23T23:30:00.000123Z\t    9 Query\tSELECT 1,", "       2 FROM t"];

fn piece(number: u64) -> Value {
    let mut event = log_event(number, "");
    event["message"] = json!(PIECES[usize::try_from(number).unwrap()]);
    event
}

async fn joined(records: impl IntoIterator<Item = Vec<u8>>) -> Vec<Value> {
    let cluster = Cluster::taking_all().await;
    let mut function = deploy(&cluster, &[("HYDRANT_JOIN_LOG_GROUPS", "/other, /aws/rds/*")]).await;
    assert!(nothing_failed(&function.answer(&kinesis(records), TIME).await));
    let mut documents: Vec<Value> = cluster.documents().into_values().collect();
    documents.sort_by_key(|document| document["event_id"].to_string());
    documents
}

#[tokio::test]
async fn pieces_in_one_record_are_joined_where_that_is_asked_for() {
    let documents = joined([envelope_of(&[piece(0), piece(1)])]).await;
    assert_eq!(documents.len(), 1, "{documents:?}");
    assert_eq!(documents[0]["Statement"], "SELECT 1,\n       2 FROM t");
    assert_eq!(documents[0]["event_id"], event_id(0));
}

#[tokio::test]
async fn pieces_in_different_records_are_never_joined() {
    let documents = joined([envelope_of(&[piece(0)]), envelope_of(&[piece(1)])]).await;
    assert_eq!(documents.len(), 2, "{documents:?}");
    assert_eq!((&documents[0]["Statement"], &documents[0]["event_id"]), (&json!("SELECT 1,"), &json!(event_id(0))));
    assert_eq!(documents[1]["event_id"], event_id(1));
    assert!(documents[1].to_string().contains("2 FROM t"), "{}", documents[1]);
}

#[tokio::test]
async fn with_the_output_firehose_each_document_is_a_record() {
    let firehose = Stub::start(|call, before| {
        taken(call, |place| (before == 0 && place == 1).then_some("ServiceUnavailableException"))
    })
    .await;
    let arn = "arn:aws:firehose:us-east-1:123456789012:deliverystream/documents";
    for name in ["documents", arn] {
        let before = firehose.calls().len();
        let output = [
            ("HYDRANT_OUTPUT", "firehose"),
            ("HYDRANT_DELIVERY_STREAM", name),
            ("AWS_ENDPOINT_URL_FIREHOSE", firehose.url.as_str()),
        ];
        let mut function = Lambda::deploy(&output).await;
        let answer = function.answer(&kinesis([envelope(0..3), envelope([3])]), TIME).await;
        assert!(nothing_failed(&answer), "{answer}");
        let calls = &firehose.calls()[before..];
        assert!(calls.iter().all(|call| call.json()["DeliveryStreamName"] == "documents"));
        let records: Vec<Vec<u8>> = calls.iter().flat_map(Call::records).collect();
        let mut statements: Vec<String> = records
            .iter()
            .map(|record| {
                assert!(!record.contains(&b'\n'));
                let document: Value = serde_json::from_slice(record).unwrap();
                assert!(document["messageType"].is_null(), "finished documents, without a mark");
                document["Statement"].as_str().unwrap().to_owned()
            })
            .collect();
        statements.sort();
        // The entry that was refused came once more, alone.
        statements.dedup();
        assert_eq!(statements, all_statements(0..4));
        assert_eq!(records.len(), if before == 0 { 5 } else { 4 });
        assert_eq!(function.line().await["delivered"], 4);
    }
}

/// No index has refused it.
#[tokio::test]
async fn a_document_that_firehose_cannot_take_is_kept_as_one_that_failed() {
    let (firehose, bucket) = (Stub::taking_all().await, Stub::bucket().await);
    let output = [
        ("HYDRANT_OUTPUT", "firehose"),
        ("HYDRANT_DELIVERY_STREAM", "documents"),
        ("AWS_ENDPOINT_URL", firehose.url.as_str()),
        ("AWS_ENDPOINT_URL_S3", bucket.url.as_str()),
        ("HYDRANT_FAILED_TO", "s3://failed-bucket"),
    ];
    let mut function = Lambda::deploy(&output).await;
    let event = kinesis([envelope_of(&[log_event(1, &"x".repeat(1_100_000)), log_event(2, &statement(2))])]);
    assert!(nothing_failed(&function.answer(&event, TIME).await));
    assert_eq!(firehose.calls().iter().flat_map(Call::records).count(), 1);
    assert!(bucket.lines("AmazonOpenSearchService-failed").is_empty());
    let lines = bucket.lines("processing-failed");
    assert_eq!((lines.len(), &lines[0]["reasonCode"]), (1, &json!("Hydrant.TooLarge")));
    assert_eq!(lines[0]["esDocumentId"].as_str().map(str::is_empty), Some(false));
}

#[tokio::test]
async fn what_firehose_does_not_take_in_time_comes_again() {
    let refusing = Stub::start(|call, _| {
        let records = call.records();
        taken(call, |place| String::from_utf8_lossy(&records[place]).contains("FROM t2 ").then_some("InternalFailure"))
    })
    .await;
    let never = Stub::start(|_, _| Reply::Never).await;
    for (stub, first) in [(&refusing, 1), (&never, 0)] {
        let output = [
            ("HYDRANT_OUTPUT", "firehose"),
            ("HYDRANT_DELIVERY_STREAM", "documents"),
            ("AWS_ENDPOINT_URL", stub.url.as_str()),
        ];
        let mut function = Lambda::deploy(&output).await;
        let event = kinesis([envelope([0]), envelope(1..3), envelope([3])]);
        assert_eq!(function.answer(&event, Duration::from_secs(2)).await, from(first));
        let event = subscription(&envelope(1..3));
        let ended = function.invoke(event.to_string(), Duration::from_secs(2)).await;
        assert!(matches!(ended, Ended::Error(_)), "{ended:?}");
    }
}

#[tokio::test]
async fn a_direct_subscription_is_delivered_or_an_error() {
    let cluster = Cluster::taking_all().await;
    let mut function = deploy(&cluster, &[]).await;
    let event = subscription(&envelope(0..5));
    for _ in 0..2 {
        assert!(matches!(function.invoke(event.to_string(), TIME).await, Ended::Answer(_)));
        assert_eq!(cluster.statements(), all_statements(0..5));
    }
    assert_eq!(function.line().await["event"], "subscription");
    assert!(matches!(function.invoke(subscription(&control_message()).to_string(), TIME).await, Ended::Answer(_)));
    let busy = Cluster::start(|_| Verdict::Busy).await;
    let mut function = deploy(&busy, &[]).await;
    let Ended::Error(error) = function.invoke(event.to_string(), Duration::from_secs(2)).await else { panic!() };
    assert!(error["errorMessage"].as_str().unwrap().contains("again"), "{error}");
    assert_eq!((function.starts(), function.timeouts()), (1, 0));
}

/// Lambda repeats such an event twice, and an outage may be longer: what is not delivered is kept, and not lost.
#[tokio::test]
async fn what_a_direct_subscription_cannot_deliver_is_kept_with_its_bytes() {
    let cluster = Cluster::start(|document| {
        if document["Statement"].as_str().unwrap().contains("FROM t1 ") { Verdict::Busy } else { Verdict::Take }
    })
    .await;
    let (bucket, refusing) = (Stub::bucket().await, Stub::start(|_, _| Reply::Text(503, "<Error/>")).await);
    let event = subscription(&envelope(0..3)).to_string();
    let kept = [("HYDRANT_FAILED_TO", "s3://failed-bucket"), ("AWS_ENDPOINT_URL_S3", bucket.url.as_str())];
    let mut function = deploy(&cluster, &kept).await;
    assert!(matches!(function.invoke(event.clone(), Duration::from_secs(3)).await, Ended::Answer(_)));
    assert_eq!(cluster.statements(), all_statements([0, 2]));
    let lines = bucket.lines("/failed-bucket/processing-failed/");
    assert_eq!((lines.len(), &lines[0]["reasonCode"]), (1, &json!("Hydrant.NotDelivered")));
    let raw = String::from_utf8(decode(lines[0]["rawData"].as_str().unwrap())).unwrap();
    assert!(raw.contains(&event_id(1)) && !raw.contains(&event_id(0)), "{raw}");
    let line = function.line().await;
    assert_eq!((&line["delivered"], &line["failed"], &line["unsafe_records"]), (&json!(2), &json!(1), &json!(0)));
    assert_eq!(line["level"], "WARN");
    // Where it cannot be kept either, it has to come again.
    let kept = [("HYDRANT_FAILED_TO", "s3://failed-bucket"), ("AWS_ENDPOINT_URL_S3", refusing.url.as_str())];
    let mut function = deploy(&cluster, &kept).await;
    assert!(matches!(function.invoke(event, Duration::from_secs(2)).await, Ended::Error(_)));
}

/// What OpenSearch says of one document may quote it. Its text is [`crate::runtime_api::CANARY`], which no log may hold.
#[tokio::test]
async fn what_quotes_a_document_is_in_no_log() {
    let broken = "illegal_argument_exception: OpenSearch answers with status 500";
    let busy = "rejected_execution_exception: rejected execution of processing of [7][indices:data/write/bulk[s][p]] …";
    for (verdict, told) in [(Verdict::Broken, broken), (Verdict::Busy, busy)] {
        let cluster = Cluster::start(move |_| verdict).await;
        let mut function = deploy(&cluster, &[]).await;
        assert_eq!(function.answer(&kinesis([envelope([0])]), Duration::from_secs(2)).await, from(0));
        let problems = function.line().await["problems"].clone();
        assert_eq!(problems[0], told);
    }
}

/// Nobody listens, nobody answers, nothing but errors: each is told within a second.
#[tokio::test]
async fn a_dead_opensearch_is_told_within_a_deadline_of_one_second() {
    let never = Stub::start(|_, _| Reply::Never).await;
    let broken = Stub::start(|_, _| Reply::Text(503, "<html>Service Unavailable</html>")).await;
    let closed = {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    for url in [&never.url, &broken.url, &closed] {
        let mut function = Lambda::deploy(&[("HYDRANT_INDEX_ENDPOINT", url)]).await;
        for _ in 0..3 {
            let event = kinesis([envelope(0..3), envelope([3])]);
            assert_eq!(function.answer(&event, Duration::from_secs(1)).await, from(0));
            let line = function.line().await;
            assert_eq!((&line["level"], &line["unsafe_records"]), (&json!("WARN"), &json!(2)));
            assert!(!line["problems"].as_array().unwrap().is_empty());
        }
        assert_eq!((function.starts(), function.timeouts()), (1, 0));
    }
}

/// The first of two endpoints takes connections and says nothing: there is time for the second one.
#[tokio::test]
async fn an_endpoint_that_is_silent_costs_a_part_of_the_time() {
    let (never, cluster) = (Stub::start(|_, _| Reply::Never).await, Cluster::taking_all().await);
    let endpoints = format!("{},{}", never.url, cluster.stub.url);
    let mut function = Lambda::deploy(&[("HYDRANT_INDEX_ENDPOINT", &endpoints)]).await;
    assert!(nothing_failed(&function.answer(&kinesis([envelope(0..3)]), Duration::from_secs(12)).await));
    assert_eq!(cluster.statements(), all_statements(0..3));
    assert!(!never.calls().is_empty());
    // It is known then.
    let before = never.calls().len();
    assert!(nothing_failed(&function.answer(&kinesis([envelope(3..6)]), Duration::from_secs(2)).await));
    assert_eq!((cluster.statements().len(), never.calls().len()), (6, before));
    assert_eq!((function.starts(), function.timeouts()), (1, 0));
}

/// Its events come twice more and no more, however wrong the settings are.
#[tokio::test]
async fn a_direct_subscription_without_an_output_keeps_its_entries() {
    let bucket = Stub::bucket().await;
    let kept = [("HYDRANT_FAILED_TO", "s3://failed-bucket"), ("AWS_ENDPOINT_URL_S3", bucket.url.as_str())];
    let mut function = Lambda::deploy(&kept).await;
    let event = subscription(&envelope(0..3)).to_string();
    assert!(matches!(function.invoke(event.clone(), TIME).await, Ended::Answer(_)));
    let lines = bucket.lines("/failed-bucket/processing-failed/");
    assert_eq!((lines.len(), &lines[0]["reasonCode"]), (3, &json!("Hydrant.NotDelivered")));
    let line = function.line().await;
    assert_eq!((&line["level"], &line["failed"]), (&json!("WARN"), &json!(3)));
    assert!(line["problems"].to_string().contains("HYDRANT_INDEX_ENDPOINT is not set"), "{line}");
    // Nor a bucket: it is an error.
    let mut function = Lambda::deploy(&[]).await;
    assert!(matches!(function.invoke(event, TIME).await, Ended::Error(_)));
}

#[tokio::test]
async fn records_of_any_kind_are_answered() {
    let (cluster, bucket) = (Cluster::taking_all().await, Stub::bucket().await);
    let kept = [("HYDRANT_FAILED_TO", "s3://failed-bucket"), ("AWS_ENDPOINT_URL_S3", bucket.url.as_str())];
    let mut function = deploy(&cluster, &kept).await;
    let mut event = kinesis([envelope([0])]);
    let records = event["Records"].as_array_mut().unwrap();
    let mut odd = |change: &dyn Fn(&mut Value)| {
        let mut record = kinesis_record(&sequence_number(records.len()), &envelope([1]));
        change(&mut record);
        records.push(record);
    };
    odd(&|record| record["kinesis"]["data"] = json!("!!no base64!!"));
    odd(&|record| record["kinesis"]["data"] = json!(""));
    odd(&|record| record["kinesis"]["approximateArrivalTimestamp"] = json!("soon"));
    odd(&|record| record["kinesis"]["partitionKey"] = json!("k".repeat(100_000)));
    odd(&|record| drop(record["kinesis"].as_object_mut().unwrap().remove("approximateArrivalTimestamp")));
    let answer = function.answer(&event, TIME).await;
    assert!(nothing_failed(&answer), "{answer}");
    assert_eq!(cluster.statements(), all_statements(0..2));
}

/// Subscriptions have no sequence numbers: what tells their failures apart is what they are.
#[tokio::test]
async fn failures_of_subscriptions_in_one_second_are_all_kept() {
    let (cluster, bucket) = (Cluster::start(|_| Verdict::Reject).await, Stub::bucket().await);
    let kept = [("HYDRANT_FAILED_TO", "s3://failed-bucket"), ("AWS_ENDPOINT_URL_S3", bucket.url.as_str())];
    let mut function = deploy(&cluster, &kept).await;
    for number in 0..4 {
        let event = subscription(&envelope([number]));
        assert!(matches!(function.invoke(event.to_string(), TIME).await, Ended::Answer(_)));
        let poison = [0x1f, 0x8b, 8, 0, u8::try_from(number).unwrap()];
        assert!(matches!(function.invoke(subscription(&poison).to_string(), TIME).await, Ended::Answer(_)));
    }
    for kind in ["processing-failed", "AmazonOpenSearchService-failed"] {
        let lines = bucket.lines(kind);
        let ids: BTreeSet<String> = lines.iter().map(|line| line["esDocumentId"].to_string()).collect();
        let raw: BTreeSet<String> = lines.iter().map(|line| line["rawData"].to_string()).collect();
        assert_eq!((raw.len(), ids.len()), (4, 4), "{kind}");
    }
}
