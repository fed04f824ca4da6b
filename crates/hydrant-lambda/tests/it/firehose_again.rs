//! Several documents of one record: dropped in the answer, and sent back to where the record came from, one a record.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::events::{
    DELIVERY_ARN, STREAM_ARN, Source, envelope, envelope_of, firehose_data, log_event, record_id, statement,
};
use crate::firehose::{Became, TIME, document, results};
use crate::runtime_api::Lambda;
use crate::stub::{Call, Reply, Stub, taken};

const BUCKET: &str = "s3://failed-bucket/of/logs";

async fn deploy(again: &Stub, bucket: Option<&Stub>) -> Lambda {
    let mut variables = vec![("AWS_ENDPOINT_URL", again.url.as_str())];
    if let Some(bucket) = bucket {
        variables.extend([("AWS_ENDPOINT_URL_S3", bucket.url.as_str()), ("HYDRANT_FAILED_TO", BUCKET)]);
    }
    Lambda::deploy(&variables).await
}

fn marked(stub: &Stub) -> Vec<Value> {
    let records = stub.calls().into_iter().flat_map(|call| call.records());
    records.map(|record| serde_json::from_slice(&record).unwrap()).collect()
}

fn statements<'a>(documents: impl IntoIterator<Item = &'a Value>) -> Vec<String> {
    documents.into_iter().map(|document| document["Statement"].as_str().unwrap().to_owned()).collect()
}

fn sent_statements(stub: &Stub) -> Vec<String> {
    statements(marked(stub).iter().map(|marked| &marked["document"]))
}

fn all_statements(numbers: impl IntoIterator<Item = u64>) -> Vec<String> {
    numbers.into_iter().map(statement).collect()
}

#[tokio::test]
async fn documents_go_back_to_where_their_record_came_from() {
    for source in [Source::DirectPut, Source::Kinesis] {
        let (kinesis, firehose) = (Stub::taking_all().await, Stub::taking_all().await);
        let urls =
            [("AWS_ENDPOINT_URL_KINESIS", kinesis.url.as_str()), ("AWS_ENDPOINT_URL_FIREHOSE", firehose.url.as_str())];
        let mut function = Lambda::deploy(&urls).await;
        let event = firehose_data(source, [envelope([0]), envelope(1..4), envelope([4]), envelope(5..7)]);
        let all = results(&event, &function.answer(&event, TIME).await);
        assert_eq!(document(&all[0])["Statement"], statement(0));
        assert_eq!((&all[1], &all[3]), (&Became::Dropped, &Became::Dropped));
        assert_eq!(document(&all[2])["Statement"], statement(4));
        let (back, other) = if source == Source::Kinesis { (&kinesis, &firehose) } else { (&firehose, &kinesis) };
        assert!(other.calls().is_empty(), "{source:?}");
        assert_eq!(sent_statements(back), all_statements([1, 2, 3, 5, 6]));
        let call = &back.calls()[0];
        names_its_stream(call, source);
        let service = if source == Source::Kinesis { "kinesis" } else { "firehose" };
        let sign = format!("/us-east-1/{service}/aws4_request");
        let authorization = call.header("authorization");
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDTEST/"), "{authorization}");
        assert!(authorization.contains(&sign), "{authorization}");
        assert_eq!(call.header("x-amz-security-token"), "token-of-the-role");
        let line = function.line().await;
        assert_eq!((&line["received"], &line["delivered"], &line["sent_again"]), (&json!(7), &json!(2), &json!(5)));
        assert_eq!((&line["event"], &line["level"]), (&json!("firehose"), &json!("INFO")));
    }
}

fn names_its_stream(call: &Call, source: Source) {
    let told = call.json();
    match source {
        Source::Kinesis => {
            let is_arn = told["StreamARN"] == STREAM_ARN;
            assert!(is_arn || told["StreamName"] == "logs", "{told}");
            let records = told["Records"].as_array().unwrap();
            let keys: BTreeSet<&str> = records.iter().map(|record| record["PartitionKey"].as_str().unwrap()).collect();
            assert_eq!(keys.len(), records.len(), "hashed from the document's id, so that they spread over shards");
            assert!(keys.iter().all(|key| (1..=256).contains(&key.len())));
        }
        Source::DirectPut => {
            let (_, name) = DELIVERY_ARN.split_once('/').unwrap();
            assert_eq!(told["DeliveryStreamName"], name);
        }
    }
}

/// What was sent comes back, and goes out as it is: no call is made, so the loop ends.
#[tokio::test]
async fn the_second_pass_gives_the_very_same_documents_and_ends() {
    for source in [Source::DirectPut, Source::Kinesis] {
        let again = Stub::taking_all().await;
        let mut function = deploy(&again, None).await;
        let event = firehose_data(source, [envelope(0..30), envelope(30..32)]);
        function.answer(&event, TIME).await;
        let calls = again.calls();
        let sent: Vec<Vec<u8>> = calls.iter().flat_map(Call::records).collect();
        assert_eq!(sent.len(), 32);
        for mixed in [false, true] {
            let others = if mixed { vec![envelope([99])] } else { Vec::new() };
            let second = firehose_data(source, sent.iter().cloned().chain(others));
            let all = results(&second, &function.answer(&second, TIME).await);
            for (became, sent) in all.iter().zip(&sent) {
                let (document, marked) = (document(became), serde_json::from_slice::<Value>(sent).unwrap());
                assert_eq!(document, marked["document"]);
                let Became::Ok(data) = became else { panic!("{became:?}") };
                let (data, sent) = (std::str::from_utf8(data).unwrap(), std::str::from_utf8(sent).unwrap());
                assert!(sent.contains(data) && !data.contains("HYDRANT_DOCUMENT"), "unchanged, without the mark");
            }
        }
        assert_eq!(again.calls().len(), calls.len(), "the loop ends");
        // A repeat of the first event gives the same records.
        function.answer(&event, TIME).await;
        let repeated: Vec<Vec<u8>> = again.calls()[calls.len()..].iter().flat_map(Call::records).collect();
        assert_eq!(repeated, sent);
    }
}

/// A log line that imitates a mark is a document, and what stands inside of an envelope is never marked.
#[tokio::test]
async fn nobody_can_forge_a_mark() {
    let again = Stub::taking_all().await;
    let mut function = deploy(&again, None).await;
    let event = firehose_data(Source::Kinesis, [envelope(0..2)]);
    function.answer(&event, TIME).await;
    let mut forged = marked(&again)[0].clone();
    let inside = json!({"id": "1", "timestamp": 1_795_476_600_000_i64, "message": forged.to_string()});
    forged["document"]["Statement"] = json!("DROP TABLE forged");
    forged["id"] = json!("0000");
    let before = again.calls().len();
    let event = firehose_data(
        Source::Kinesis,
        [
            forged.to_string().into_bytes(),
            envelope_of(std::slice::from_ref(&inside)),
            envelope_of(&[inside.clone(), inside]),
        ],
    );
    let all = results(&event, &function.answer(&event, TIME).await);
    assert_ne!(all[1], Became::Failed);
    assert_ne!(document(&all[1])["Statement"], statement(0), "the line is a document of its own");
    if let Became::Ok(_) = &all[0] {
        assert_ne!(document(&all[0])["Statement"], "DROP TABLE forged");
    }
    assert_eq!(all[2], Became::Dropped);
    assert_eq!(again.calls().len(), before + 1);
}

#[tokio::test]
async fn calls_keep_to_the_caps_of_their_service() {
    let many = envelope(0..1_203);
    let large = envelope_of(&(0..40).map(|number| log_event(number, &"x".repeat(300_000))).collect::<Vec<_>>());
    for (source, call_bytes_max, record_bytes_max) in
        [(Source::DirectPut, 4 << 20, 1_024_000), (Source::Kinesis, 10 << 20, 1 << 20)]
    {
        let again = Stub::taking_all().await;
        let mut function = deploy(&again, None).await;
        let event = firehose_data(source, [many.clone(), large.clone()]);
        let all = results(&event, &function.answer(&event, TIME).await);
        assert_eq!(all, [Became::Dropped, Became::Dropped]);
        for call in again.calls() {
            let records = call.records();
            let keys: usize = call.json()["Records"].as_array().unwrap().iter().map(key_bytes).sum();
            let bytes: usize = records.iter().map(Vec::len).sum::<usize>() + keys;
            assert!(records.len() <= 500 && bytes <= call_bytes_max, "{} of {bytes} bytes", records.len());
            assert!(records.iter().all(|record| record.len() <= record_bytes_max));
        }
        assert_eq!(marked(&again).len(), 1_243);
        assert!(again.calls().len() < 12, "{} calls, which few records each have made", again.calls().len());
    }
}

fn key_bytes(record: &Value) -> usize {
    record["PartitionKey"].as_str().unwrap_or_default().len()
}

#[tokio::test]
async fn only_entries_that_failed_are_sent_once_more() {
    for source in [Source::DirectPut, Source::Kinesis] {
        let code = if source == Source::Kinesis {
            "ProvisionedThroughputExceededException"
        } else {
            "ServiceUnavailableException"
        };
        let again = Stub::start(move |call, before| {
            taken(call, |place| match before {
                0 => [1, 3, 4].contains(&place).then_some(code),
                1 => (place == 2).then_some("InternalFailure"),
                _ => None,
            })
        })
        .await;
        let mut function = deploy(&again, None).await;
        let event = firehose_data(source, [envelope(0..6)]);
        let all = results(&event, &function.answer(&event, TIME).await);
        assert_eq!(all, [Became::Dropped]);
        let calls = again.calls();
        let sent: Vec<Vec<String>> = calls
            .iter()
            .map(|call| {
                let records: Vec<Value> =
                    call.records().iter().map(|record| serde_json::from_slice(record).unwrap()).collect();
                statements(records.iter().map(|record| &record["document"]))
            })
            .collect();
        assert_eq!(sent, [all_statements(0..6), all_statements([1, 3, 4]), all_statements([4])]);
        assert_eq!(function.line().await["sent_again"], 6);
    }
}

#[tokio::test]
async fn throttled_calls_are_made_again_after_a_pause() {
    let again = Stub::start(|call, before| match before {
        0 => Reply::Json(400, json!({"__type": "ProvisionedThroughputExceededException", "message": "slow"})),
        1 => Reply::Json(500, json!({"__type": "InternalFailure", "message": ""})),
        2 => Reply::Json(503, json!({"__type": "ServiceUnavailableException", "message": "Slow down."})),
        3 => Reply::Json(400, json!({"__type": "com.amazon.coral.availability#ThrottlingException"})),
        4 => Reply::Text(502, "<html>bad gateway</html>"),
        _ => taken(call, |_| None),
    })
    .await;
    let mut function = deploy(&again, None).await;
    let event = firehose_data(Source::Kinesis, [envelope(0..3)]);
    assert_eq!(results(&event, &function.answer(&event, TIME).await), [Became::Dropped]);
    let calls = again.calls();
    assert_eq!(calls.len(), 6);
    assert!(calls.iter().all(|call| call.body == calls[0].body));
    let pauses: Vec<Duration> = calls.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    assert!(pauses.iter().all(|pause| *pause >= Duration::from_millis(10)), "{pauses:?}");
    assert!(pauses[4] > pauses[0], "back-off grows: {pauses:?}");
}

/// Takes most of a minute, of waiting.
#[tokio::test]
async fn after_twenty_attempts_a_record_is_kept_as_failed() {
    let bucket = Stub::bucket().await;
    let event = firehose_data(Source::Kinesis, [envelope(0..2)]);
    let again = Stub::start(|_, _| Reply::Json(400, json!({"__type": "LimitExceededException"}))).await;
    let mut function = deploy(&again, Some(&bucket)).await;
    assert_eq!(results(&event, &function.answer(&event, Duration::from_secs(400)).await), [Became::Dropped]);
    assert_eq!(again.calls().len(), 20);
    assert_eq!(bucket.lines("processing-failed").len(), 2);
    let problems = function.line().await["problems"].to_string();
    assert!(problems.contains("PutRecords: LimitExceededException"), "{problems}");
}

/// Of two records one is sent, and one is not.
fn refuses_t7() -> impl Fn(&Call, usize) -> Reply + Send + Sync + 'static {
    |call, _| {
        let records = call.records();
        taken(call, |place| {
            let text = String::from_utf8_lossy(&records[place]).into_owned();
            text.contains("FROM t7 ").then_some("InternalFailure")
        })
    }
}

#[tokio::test]
async fn what_is_unsent_at_the_deadline_goes_to_the_bucket_once() {
    let again = Stub::start(refuses_t7()).await;
    let bucket = Stub::bucket().await;
    let mut function = deploy(&again, Some(&bucket)).await;
    let event = firehose_data(Source::Kinesis, [envelope(0..3), envelope(6..9), envelope([20])]);
    let all = results(&event, &function.answer(&event, Duration::from_secs(3)).await);
    assert_eq!(all[..2], [Became::Dropped, Became::Dropped]);
    let lines = bucket.lines("/failed-bucket/of/logs/processing-failed/2026/11/23/23/");
    assert_eq!(lines.len(), 1, "what was sent is not doubled by a replay: {lines:#?}");
    let raw = STANDARD.decode(lines[0]["rawData"].as_str().unwrap()).unwrap();
    let raw: Value = serde_json::from_slice(&raw).unwrap();
    assert_eq!(raw["document"]["Statement"], statement(7), "a finished document, which a replay takes as it is");
    assert_eq!(raw["id"], lines[0]["esDocumentId"]);
    for name in ["errorCode", "errorMessage", "reasonCode"] {
        assert!(!lines[0][name].as_str().unwrap().is_empty(), "{name}");
    }
    assert!(lines[0]["arrivalTimestamp"].is_i64() && lines[0]["attemptEndingTimestamp"].is_i64());
    // The others were sent once each.
    let sent = sent_statements(&again);
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    sent.into_iter().for_each(|statement| *count.entry(statement).or_default() += 1);
    assert!(count.remove(&statement(7)).unwrap() > 1);
    assert_eq!(count, all_statements([0, 1, 2, 6, 8]).into_iter().map(|statement| (statement, 1)).collect());
    let line = function.line().await;
    assert_eq!((&line["failed"], &line["sent_again"], &line["level"]), (&json!(1), &json!(5), &json!("WARN")));
    assert!(line["problems"].to_string().contains("InternalFailure"), "{line}");
}

#[tokio::test]
async fn a_service_that_never_answers_costs_no_invocation() {
    for source in [Source::DirectPut, Source::Kinesis] {
        let again = Stub::start(|_, _| Reply::Never).await;
        let bucket = Stub::bucket().await;
        let mut function = deploy(&again, Some(&bucket)).await;
        let event = firehose_data(source, [envelope(0..700), envelope([700])]);
        let start = Instant::now();
        let all = results(&event, &function.answer(&event, Duration::from_secs(2)).await);
        assert!(start.elapsed() < Duration::from_secs(2));
        assert_eq!(all[0], Became::Dropped);
        assert_eq!(document(&all[1])["Statement"], statement(700));
        let lines = bucket.lines("processing-failed");
        let ids: BTreeSet<String> = lines.iter().map(|line| line["esDocumentId"].to_string()).collect();
        assert_eq!((lines.len(), ids.len()), (700, 700));
        assert_eq!((function.starts(), function.timeouts()), (1, 0));
    }
}

#[tokio::test]
async fn what_is_neither_sent_nor_kept_is_answered_as_failed() {
    let refusing = Stub::start(|_, _| {
        let denied = "<?xml version=\"1.0\"?><Error><Code>InternalError</Code><Message>We</Message></Error>";
        Reply::Text(500, denied)
    })
    .await;
    let never = Stub::start(|_, _| Reply::Never).await;
    for bucket in [None, Some(&refusing), Some(&never)] {
        let again = Stub::start(refuses_t7()).await;
        let mut function = deploy(&again, bucket).await;
        let event = firehose_data(Source::DirectPut, [envelope(0..3), envelope(6..9), envelope([20])]);
        let all = results(&event, &function.answer(&event, Duration::from_secs(3)).await);
        assert_eq!(all[..2], [Became::Dropped, Became::Failed]);
        assert_eq!(document(&all[2])["Statement"], statement(20));
        assert_eq!(function.line().await["unsafe_records"], 1);
    }
}

/// A document that no record of the stream can hold.
#[tokio::test]
async fn a_document_that_fits_nowhere_is_kept_and_stops_nothing() {
    let events = [log_event(1, &statement(1)), log_event(2, &"x".repeat(1_100_000)), log_event(3, &statement(3))];
    for source in [Source::DirectPut, Source::Kinesis] {
        let (again, bucket) = (Stub::taking_all().await, Stub::bucket().await);
        let mut function = deploy(&again, Some(&bucket)).await;
        let event = firehose_data(source, [envelope_of(&events), envelope([4])]);
        let all = results(&event, &function.answer(&event, TIME).await);
        assert_eq!(all[0], Became::Dropped);
        assert_eq!(document(&all[1])["Statement"], statement(4));
        assert_eq!(sent_statements(&again), all_statements([1, 3]));
        let lines = bucket.lines("processing-failed");
        assert_eq!(lines.len(), 1);
        assert!(!lines[0]["reasonCode"].as_str().unwrap().is_empty(), "{}", lines[0]["errorMessage"]);
        // Without a bucket Firehose keeps the record, and nothing of it is doubled.
        let again = Stub::taking_all().await;
        let mut function = deploy(&again, None).await;
        let all = results(&event, &function.answer(&event, TIME).await);
        assert_eq!((&all[0], sent_statements(&again).len()), (&Became::Failed, 0));
        assert_eq!(event["records"][0]["recordId"], record_id(source, 0));
    }
}

/// A bucket that does not answer endangers the record whose entry has to be kept there, and no other.
#[tokio::test]
async fn a_silent_bucket_costs_only_the_records_that_need_it() {
    let (again, silent) = (Stub::taking_all().await, Stub::start(|_, _| Reply::Never).await);
    let mut function = deploy(&again, Some(&silent)).await;
    let with_failed = [log_event(1, &statement(1)), log_event(2, &"x".repeat(1_100_000))];
    for source in [Source::DirectPut, Source::Kinesis] {
        let before = again.calls().len();
        let event = firehose_data(source, [envelope_of(&with_failed), envelope(10..13), envelope(20..23)]);
        let all = results(&event, &function.answer(&event, Duration::from_secs(4)).await);
        assert_eq!(all, [Became::Failed, Became::Dropped, Became::Dropped]);
        let records = again.calls()[before..].iter().flat_map(Call::records).collect::<Vec<_>>();
        let sent: Vec<Value> = records.iter().map(|record| serde_json::from_slice(record).unwrap()).collect();
        let sent = statements(sent.iter().map(|marked| &marked["document"]));
        assert_eq!(sent, all_statements((10..13).chain(20..23)), "of the first record nothing is doubled");
    }
}

#[tokio::test]
async fn a_call_that_hangs_once_is_made_again() {
    let again = Stub::start(|call, before| if before == 0 { Reply::Never } else { taken(call, |_| None) }).await;
    let bucket = Stub::start(|_, before| if before == 1 { Reply::Never } else { Reply::Text(200, "") }).await;
    let mut function = deploy(&again, Some(&bucket)).await;
    let with_failed = [log_event(1, &statement(1)), log_event(2, &"x".repeat(1_100_000))];
    let event = firehose_data(Source::Kinesis, [envelope(10..13), envelope_of(&with_failed)]);
    let all = results(&event, &function.answer(&event, Duration::from_secs(14)).await);
    assert_eq!(all, [Became::Dropped, Became::Dropped]);
    assert_eq!(again.calls().len(), 3, "once more, and then what stood beside the failed entry");
    assert_eq!(bucket.lines("processing-failed").len(), 1);
    assert_eq!(function.line().await["level"], "INFO");
}

/// S3 answers so where the connection was too slow for it.
#[tokio::test]
async fn a_bucket_that_was_too_slow_is_asked_again() {
    let slow = "<Error><Code>RequestTimeout</Code><Message>Your socket connection was not read from</Message></Error>";
    let bucket = Stub::start(move |_, before| Reply::Text(if before == 1 { 400 } else { 200 }, slow)).await;
    let again = Stub::taking_all().await;
    let mut function = deploy(&again, Some(&bucket)).await;
    let events = [log_event(1, &statement(1)), log_event(2, &"x".repeat(1_100_000))];
    let event = firehose_data(Source::Kinesis, [envelope_of(&events)]);
    assert_eq!(results(&event, &function.answer(&event, TIME).await), [Became::Dropped]);
    assert_eq!(bucket.calls().len(), 3, "the version, and the object twice");
}

/// As Kinesis does: the data and the partition key of a record have 1 MiB together.
fn strict(call: &Call, _before: usize) -> Reply {
    let (records, told) = (call.records(), call.json());
    let sizes = records.iter().zip(told["Records"].as_array().unwrap());
    if sizes.clone().any(|(data, record)| data.len() + key_bytes(record) > 1 << 20) {
        return Reply::Json(400, json!({"__type": "ValidationException", "message": "a record is too large"}));
    }
    taken(call, |_| None)
}

#[tokio::test]
async fn a_record_just_at_the_bound_takes_nothing_with_it() {
    let probe = Stub::taking_all().await;
    let event = |bytes: usize| {
        let large = envelope_of(&[log_event(1, &"x".repeat(bytes)), log_event(2, &statement(2))]);
        firehose_data(Source::Kinesis, [large, envelope(3..5)])
    };
    deploy(&probe, None).await.answer(&event(1_000), TIME).await;
    let beside = probe.calls()[0].records()[0].len() - 1_000 + key_bytes(&probe.calls()[0].json()["Records"][0]);
    for (bytes, kept) in [((1 << 20) - beside, 0), ((1 << 20) - beside + 1, 1)] {
        let (again, bucket) = (Stub::start(strict).await, Stub::bucket().await);
        let mut function = deploy(&again, Some(&bucket)).await;
        let all = results(&event(bytes), &function.answer(&event(bytes), TIME).await);
        assert_eq!(all, [Became::Dropped, Became::Dropped]);
        let lines = bucket.lines("processing-failed");
        assert_eq!(
            (again.calls().len(), marked(&again).len(), lines.len()),
            (if kept == 0 { 1 } else { 2 }, 4 - kept, kept)
        );
        assert!(lines.iter().all(|line| line["reasonCode"] == "Hydrant.TooLarge"), "{lines:?}");
    }
}

/// Whatever the service does not like of one record: the others of its call are sent.
#[tokio::test]
async fn a_record_for_which_its_call_is_refused_is_found_in_halves() {
    let again = Stub::start(|call, _| {
        if call.records().iter().any(|record| String::from_utf8_lossy(record).contains("FROM t7 ")) {
            return Reply::Json(400, json!({"__type": "ValidationException", "message": "one of them is wrong"}));
        }
        taken(call, |_| None)
    })
    .await;
    let bucket = Stub::bucket().await;
    let mut function = deploy(&again, Some(&bucket)).await;
    let event = firehose_data(Source::Kinesis, [envelope(0..5), envelope(5..20)]);
    assert_eq!(results(&event, &function.answer(&event, TIME).await), [Became::Dropped, Became::Dropped]);
    let lines = bucket.lines("processing-failed");
    assert_eq!((lines.len(), &lines[0]["reasonCode"]), (1, &json!("Hydrant.NotSentAgain")));
    assert!(lines[0]["errorMessage"].as_str().unwrap().contains("one of them is wrong"), "{}", lines[0]);
    let line = function.line().await;
    assert_eq!((&line["sent_again"], &line["failed"]), (&json!(19), &json!(1)));
}

/// What one call waited for is nothing to the next.
#[tokio::test]
async fn each_call_has_a_back_off_of_its_own() {
    let again = Stub::start(|call, before| {
        taken(call, |_| (before < 7 || before == 8).then_some("ProvisionedThroughputExceededException"))
    })
    .await;
    let mut function = deploy(&again, None).await;
    let event = firehose_data(Source::Kinesis, [envelope(0..600)]);
    assert_eq!(results(&event, &function.answer(&event, Duration::from_secs(60)).await), [Became::Dropped]);
    let calls = again.calls();
    assert_eq!(calls.len(), 10);
    // Half of the seventh wait is 1.6 s, the whole of a first one 50 ms.
    let (seventh, first) = (calls[7].at - calls[6].at, calls[9].at - calls[8].at);
    assert!(seventh >= Duration::from_millis(1_600) && first < seventh, "{seventh:?}, then {first:?}");
}
