//! Firehose's transformation: one answer for each record id, documents in place, and the bound of an answer.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::events::{
    LOG_GROUP, OWNER, Source, control_message, envelope, envelope_of, event_id, firehose, firehose_data, firehose_of,
    firehose_record, log_event, record_id, statement,
};
use crate::runtime_api::{ANSWER_BYTES_MAX, Ended, Lambda};
use crate::stub::Stub;

/// Plenty.
pub(crate) const TIME: Duration = Duration::from_secs(60);

/// What became of a record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Became {
    Ok(Vec<u8>),
    Dropped,
    Failed,
}

/// Holds an answer against the contract; what became of each record, in order.
pub(crate) fn results(event: &Value, answer: &Value) -> Vec<Became> {
    let keys: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["records"]);
    let (asked, told) = (event["records"].as_array().unwrap(), answer["records"].as_array().unwrap());
    let ids = |records: &[Value]| records.iter().map(|record| record["recordId"].clone()).collect::<Vec<Value>>();
    assert_eq!(ids(told), ids(asked), "each id once and in order");
    let became = |record: &Value| match record["result"].as_str().unwrap() {
        "Ok" => {
            assert_eq!(record.as_object().unwrap().len(), 3, "{record}");
            Became::Ok(STANDARD.decode(record["data"].as_str().unwrap()).unwrap())
        }
        other => {
            assert_eq!(record.as_object().unwrap().len(), 2, "`data` only with Ok: {record}");
            match other {
                "Dropped" => Became::Dropped,
                "ProcessingFailed" => Became::Failed,
                other => panic!("{other} is no result"),
            }
        }
    };
    told.iter().map(became).collect()
}

/// The one document of a record.
pub(crate) fn document(became: &Became) -> Value {
    let Became::Ok(data) = became else { panic!("{became:?}") };
    let document: Value = serde_json::from_slice(data).unwrap();
    assert!(document.is_object() && !data.contains(&b'\n'), "one JSON object in one line");
    document
}

/// The event ids of all documents in answers.
fn answered_ids(all: &[Became]) -> Vec<String> {
    let data = all.iter().filter_map(|became| match became {
        Became::Ok(data) => Some(String::from_utf8(data.clone()).unwrap()),
        Became::Dropped | Became::Failed => None,
    });
    data.flat_map(|data| data.lines().map(event_id_of).collect::<Vec<_>>()).collect()
}

fn event_id_of(line: &str) -> String {
    let document: Value = serde_json::from_str(line).unwrap();
    document["event_id"].as_str().unwrap().to_owned()
}

/// The event ids of all documents that were sent again.
fn sent_ids(stub: &Stub) -> Vec<String> {
    let records = stub.calls().into_iter().flat_map(|call| call.records());
    let ids = records.map(|record| {
        let marked: Value = serde_json::from_slice(&record).unwrap();
        assert_eq!(marked["messageType"], "HYDRANT_DOCUMENT");
        marked["document"]["event_id"].as_str().unwrap().to_owned()
    });
    ids.collect()
}

/// Hexadecimal digits that hardly shrink.
pub(crate) fn noise(bytes: usize, seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = String::with_capacity(bytes + 16);
    while out.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        write!(out, "{state:016x}").unwrap();
    }
    out.truncate(bytes);
    out
}

#[tokio::test]
async fn every_form_of_record_id_is_answered_once_and_in_order() {
    let ids = [
        // Captures and samples of 2017, of AWS's pages, and of 2025.
        "49578734086442259037497492980620233840400173390482112514000000",
        "49546986683135544286507457936321625675700192471156785154",
        "shardId-00000000000000000000000000049661076801743525278240094264031636452583540156006400002000000000000",
        "",
        "0",
        "-1",
        "a \"quoted\" \\ id\n\u{1}\u{7f}ü\u{2028}😀",
        "</script>&amp;",
    ];
    let mut function = Lambda::deploy(&[]).await;
    for source in [Source::DirectPut, Source::Kinesis] {
        let records = (0..).zip(ids).map(|(number, id)| (id.to_owned(), envelope([number])));
        let event = firehose(source, &records.collect::<Vec<_>>());
        let all = results(&event, &function.answer(&event, TIME).await);
        for (number, became) in (0_u64..).zip(&all) {
            let document = document(became);
            assert_eq!(document["Statement"], statement(number));
            assert_eq!((&document["PID"], &document["Perform"]), (&json!(9), &json!("Query")));
            assert_eq!((&document["owner"], &document["log_group"]), (&json!(OWNER), &json!(LOG_GROUP)));
            assert_eq!((&document["log_stream"], &document["event_id"]), (&json!("db-1"), &json!(event_id(number))));
            assert_eq!(document["Time"], format!("2026-11-23T23:30:{number:02}.000123Z"));
        }
        let line = function.line().await;
        assert_eq!((&line["received"], &line["delivered"], &line["failed"]), (&json!(8), &json!(8), &json!(0)));
    }
}

#[tokio::test]
async fn the_forms_of_metadata_that_samples_show_are_read() {
    let mut function = Lambda::deploy(&[]).await;
    let data = json!(STANDARD.encode(envelope([1])));
    let mut event = firehose_of(Source::Kinesis, vec![firehose_record(Source::Kinesis, "a", &data); 4]);
    for (place, record) in event["records"].as_array_mut().unwrap().iter_mut().enumerate() {
        record["recordId"] = json!(format!("id-{place}"));
    }
    event["records"][0]["kinesisRecordMetadata"]["subsequenceNumber"] = json!("123456");
    event["records"][1]["kinesisRecordMetadata"]["subsequenceNumber"] = json!("");
    event["records"][1]["kinesisRecordMetadata"]["approximateArrivalTimestamp"] = json!("2012-04-23T18:25:43.511Z");
    event["records"][2].as_object_mut().unwrap().remove("approximateArrivalTimestamp");
    event["records"][3] = json!({"recordId": "id-3", "data": data, "somethingNew": {"a": [1]}});
    // As LocalStack does.
    for name in ["invocationId", "deliveryStreamArn", "region"] {
        event.as_object_mut().unwrap().remove(name);
    }
    let all = results(&event, &function.answer(&event, TIME).await);
    all.iter().for_each(|became| assert_eq!(document(became)["Statement"], statement(1)));
}

#[tokio::test]
async fn destinations_of_lines_get_all_documents_in_place() {
    let kinesis = Stub::taking_all().await;
    let variables = [("HYDRANT_DESTINATION", "lines"), ("AWS_ENDPOINT_URL", kinesis.url.as_str())];
    let mut function = Lambda::deploy(&variables).await;
    for source in [Source::DirectPut, Source::Kinesis] {
        let event = firehose_data(source, [envelope(0..50), envelope([50]), control_message(), envelope(51..54)]);
        let all = results(&event, &function.answer(&event, TIME).await);
        assert_eq!(all[2], Became::Dropped);
        assert_eq!(answered_ids(&all), (0..54).map(event_id).collect::<Vec<_>>());
        for place in [0, 1, 3] {
            // The next record's document begins a line of its own.
            assert!(matches!(&all[place], Became::Ok(data) if data.ends_with(b"\n")), "record {place}");
        }
    }
    assert!(kinesis.calls().is_empty());
}

#[tokio::test]
async fn a_thousand_records_are_answered_in_place() {
    let mut function = Lambda::deploy(&[]).await;
    let event = firehose_data(Source::Kinesis, (0..1000).map(|number| envelope([number])));
    let all = results(&event, &function.answer(&event, TIME).await);
    assert_eq!(answered_ids(&all), (0..1000).map(event_id).collect::<Vec<_>>());
    let line = function.line().await;
    assert_eq!((&line["records"], &line["delivered"], &line["sent_again"]), (&json!(1000), &json!(1000), &json!(0)));
}

/// Every log event of an event of 6 MB is in the answer or on its way again, and the platform takes the answer.
#[tokio::test]
async fn six_megabytes_come_in_and_no_more_go_out() {
    let (source, numbers) = (Source::Kinesis, 0..1000);
    let data = numbers.clone().map(|number| envelope_of(&[log_event(number, &noise(7_000, number + 1))]));
    let event = firehose_data(source, data);
    let bytes = event.to_string().len();
    assert!((5_500_000..=6_291_456).contains(&bytes), "{bytes}");
    let expected: BTreeSet<String> = numbers.map(event_id).collect();
    for destination in ["opensearch", "lines"] {
        let kinesis = Stub::taking_all().await;
        let variables = [("HYDRANT_DESTINATION", destination), ("AWS_ENDPOINT_URL_KINESIS", kinesis.url.as_str())];
        let mut function = Lambda::deploy(&variables).await;
        let Ended::Answer(answer) = function.invoke(event.to_string(), TIME).await else { panic!("no answer") };
        assert!(answer.len() <= 6_291_456, "{}", answer.len());
        // What fits is answered in place: a document of 7 kB more would not.
        assert!(answer.len() > 6_291_456 - 50_000, "{}", answer.len());
        let all = results(&event, &serde_json::from_slice(&answer).unwrap());
        let (answered, sent) = (answered_ids(&all), sent_ids(&kinesis));
        assert_eq!(answered.len() + sent.len(), 1000, "each once");
        assert_eq!(answered.into_iter().chain(sent).collect::<BTreeSet<_>>(), expected);
        for (became, number) in all.iter().zip(0..) {
            assert!(matches!(became, Became::Ok(_) | Became::Dropped), "{number}");
        }
    }
}

/// The limit is that of the serialized answer. Room for a longer result may be kept at each record.
#[tokio::test]
async fn an_answer_that_is_one_byte_too_long_is_made_shorter() {
    let event = firehose_data(Source::DirectPut, (0..40).map(|number| envelope([number])));
    let mut function = Lambda::deploy(&[]).await;
    let Ended::Answer(whole) = function.invoke(event.to_string(), TIME).await else { panic!("no answer") };
    for (limit, in_place) in [(whole.len(), 36..=40), (whole.len() - 1, 36..=39), (whole.len() / 2, 10..=22)] {
        let again = Stub::taking_all().await;
        let limit_text = limit.to_string();
        let variables =
            [("HYDRANT_ANSWER_LIMIT", limit_text.as_str()), ("AWS_ENDPOINT_URL_FIREHOSE", again.url.as_str())];
        let mut function = Lambda::deploy(&variables).await;
        let Ended::Answer(answer) = function.invoke(event.to_string(), TIME).await else { panic!("no answer") };
        assert!(answer.len() <= limit, "{} of {limit}", answer.len());
        let all = results(&event, &serde_json::from_slice(&answer).unwrap());
        let (answered, sent) = (answered_ids(&all), sent_ids(&again));
        assert!(in_place.contains(&answered.len()), "{} of {in_place:?}", answered.len());
        assert_eq!(answered.len() + sent.len(), 40);
        let all: BTreeSet<String> = answered.into_iter().chain(sent).collect();
        assert_eq!(all, (0..40).map(event_id).collect::<BTreeSet<_>>());
    }
}

/// Answers of all sizes around the limit: of documents that are too long together, and of one that is too long alone.
#[tokio::test]
async fn answers_about_the_limit_are_taken_by_the_platform() {
    let firehose = Stub::taking_all().await;
    let bucket = Stub::bucket().await;
    let variables = [
        ("HYDRANT_DESTINATION", "lines"),
        ("AWS_ENDPOINT_URL_FIREHOSE", firehose.url.as_str()),
        ("AWS_ENDPOINT_URL_S3", bucket.url.as_str()),
        ("HYDRANT_FAILED_TO", "s3://failed-bucket"),
    ];
    let mut function = Lambda::deploy(&variables).await;
    for (records, bytes) in [(1, 4_700_000), (1, 4_715_000), (1, 4_718_000), (1, 4_800_000), (5, 941_000), (6, 944_000)]
    {
        let data = (0..records).map(|number| envelope_of(&[log_event(number, &"x".repeat(bytes))]));
        let event = firehose_data(Source::DirectPut, data);
        let Ended::Answer(answer) = function.invoke(event.to_string(), TIME).await else { panic!("no answer") };
        assert!(answer.len() <= 6_291_456 && answer.len() < ANSWER_BYTES_MAX, "{}", answer.len());
        let all = results(&event, &serde_json::from_slice(&answer).unwrap());
        let lost = all.iter().filter(|became| **became == Became::Failed).count();
        assert_eq!(lost, 0, "{records} of {bytes}: what fits nowhere is in the bucket, the rest is sent");
    }
    // Longer than Firehose takes in a record, and than fits beside the others.
    let kept: BTreeSet<String> =
        bucket.lines("processing-failed").iter().map(|line| line["esDocumentId"].to_string()).collect();
    assert!(!kept.is_empty());
}

#[tokio::test]
async fn record_ids_alone_may_be_too_long_for_an_answer() {
    let mut function = Lambda::deploy(&[("HYDRANT_ANSWER_LIMIT", "100000")]).await;
    let id = |place: usize| format!("{place:050000}");
    let event = firehose(Source::DirectPut, &[(id(1), envelope([1])), (id(2), envelope([2]))]);
    let Ended::Error(error) = function.invoke(event.to_string(), TIME).await else { panic!("an answer") };
    assert!(error["errorMessage"].as_str().unwrap().contains("100000"), "{error}");
    // One of them fits, and the process lives on.
    let event =
        firehose(Source::DirectPut, &[(id(1), envelope([1])), (record_id(Source::DirectPut, 2), envelope([2]))]);
    let all = results(&event, &function.answer(&event, TIME).await);
    assert_eq!(answered_ids(&all), [event_id(1), event_id(2)]);
    assert_eq!(function.starts(), 1);
}
