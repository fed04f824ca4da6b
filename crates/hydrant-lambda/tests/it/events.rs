//! Events as AWS sends them, built by hand, without a line of the code under test.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use crate::runtime_api::CANARY;

/// 2026-11-23T23:30:00Z.
pub(crate) const BASE_MS: i64 = 1_795_476_600_000;

pub(crate) const OWNER: &str = "123456789012";

pub(crate) const LOG_GROUP: &str = "/aws/rds/instance/db/general";

pub(crate) const STREAM_ARN: &str = "arn:aws:kinesis:us-east-1:123456789012:stream/logs";

pub(crate) const DELIVERY_ARN: &str = "arn:aws:firehose:us-east-1:123456789012:deliverystream/to-opensearch";

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// The statement of a number.
pub(crate) fn statement(number: u64) -> String {
    format!("SELECT '{CANARY}' FROM t{number} WHERE a = {number}")
}

/// CloudWatch's 56 digits.
pub(crate) fn event_id(number: u64) -> String {
    format!("{number:056}")
}

/// A log event of the general log.
pub(crate) fn log_event(number: u64, statement: &str) -> Value {
    let second = number % 60;
    let message = format!("2026-11-23T23:30:{second:02}.000123Z\t    9 Query\t{statement}");
    json!({"id": event_id(number), "timestamp": BASE_MS + i64::try_from(second).unwrap() * 1000, "message": message})
}

pub(crate) fn envelope_of(events: &[Value]) -> Vec<u8> {
    let envelope = json!({
        "messageType": "DATA_MESSAGE", "owner": OWNER, "logGroup": LOG_GROUP, "logStream": "db-1",
        "subscriptionFilters": ["all"], "logEvents": events,
    });
    gzip(envelope.to_string().as_bytes())
}

/// An envelope of the general log with an event for each number.
pub(crate) fn envelope(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let events: Vec<Value> = numbers.into_iter().map(|number| log_event(number, &statement(number))).collect();
    envelope_of(&events)
}

pub(crate) fn control_message() -> Vec<u8> {
    let message = json!({
        "messageType": "CONTROL_MESSAGE", "owner": "CloudwatchLogs", "logGroup": "", "logStream": "",
        "subscriptionFilters": [], "logEvents": [{"id": "", "timestamp": BASE_MS,
            "message": "CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."}],
    });
    gzip(message.to_string().as_bytes())
}

/// Where a delivery stream reads from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Source {
    DirectPut,
    Kinesis,
}

/// A record id of the source's usual form.
pub(crate) fn record_id(source: Source, place: usize) -> String {
    match source {
        Source::DirectPut => format!("shardId-000000000000{:056}{place:015}", 49_661_076_801_743_525_278_u128),
        Source::Kinesis => format!("{:056}", 49_546_986_683_135_544_286_u128 + place as u128),
    }
}

/// An event of Firehose from ids and data.
pub(crate) fn firehose(source: Source, records: &[(String, Vec<u8>)]) -> Value {
    let records = records.iter().map(|(id, data)| firehose_record(source, id, &json!(STANDARD.encode(data))));
    firehose_of(source, records.collect())
}

/// The same of data alone.
pub(crate) fn firehose_data(source: Source, data: impl IntoIterator<Item = Vec<u8>>) -> Value {
    let records = data.into_iter().enumerate().map(|(place, data)| (record_id(source, place), data));
    firehose(source, &records.collect::<Vec<_>>())
}

pub(crate) fn firehose_record(source: Source, id: &str, data: &Value) -> Value {
    let mut record = json!({"recordId": id, "approximateArrivalTimestamp": BASE_MS, "data": data});
    if source == Source::Kinesis {
        record["kinesisRecordMetadata"] = json!({
            "shardId": "shardId-000000000000", "partitionKey": "4d1ad2b9-24f8-4b9d-a088-76e9947c317a",
            "sequenceNumber": "49546986683135544286507457936321625675700192471156785154",
            "subsequenceNumber": 0, "approximateArrivalTimestamp": BASE_MS,
        });
    }
    record
}

pub(crate) fn firehose_of(source: Source, records: Vec<Value>) -> Value {
    let mut event = json!({
        "invocationId": "7aadc5cf-1f3a-4a25-8f17-8f2b5a1d5a3e", "deliveryStreamArn": DELIVERY_ARN,
        "region": "us-east-1", "records": records,
    });
    if source == Source::Kinesis {
        event["sourceKinesisStreamArn"] = json!(STREAM_ARN);
    }
    event
}

pub(crate) fn sequence_number(place: usize) -> String {
    format!("{:056}", 49_590_338_271_490_256_608_559_692_538_361_571_095_u128 + place as u128)
}

/// An event of a Kinesis trigger.
pub(crate) fn kinesis(data: impl IntoIterator<Item = Vec<u8>>) -> Value {
    let records = data.into_iter().enumerate().map(|(place, data)| kinesis_record(&sequence_number(place), &data));
    json!({"Records": records.collect::<Vec<Value>>()})
}

pub(crate) fn kinesis_record(number: &str, data: &[u8]) -> Value {
    json!({
        "kinesis": {
            "kinesisSchemaVersion": "1.0", "partitionKey": "1", "sequenceNumber": number,
            "data": STANDARD.encode(data), "approximateArrivalTimestamp": 1_795_476_600.987,
        },
        "eventSource": "aws:kinesis", "eventVersion": "1.0",
        "eventID": format!("shardId-000000000006:{number}"), "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/lambda-role",
        "awsRegion": "us-east-1", "eventSourceARN": STREAM_ARN,
    })
}

/// An event of a direct subscription.
pub(crate) fn subscription(envelope: &[u8]) -> Value {
    json!({"awslogs": {"data": STANDARD.encode(envelope)}})
}

/// Records packed as the Kinesis Producer Library does: magic, `AggregatedRecord`, MD5.
pub(crate) fn aggregated(records: &[&[u8]]) -> Vec<u8> {
    let mut message = vec![0x0a, 1, b'k'];
    for data in records {
        let mut record = vec![0x08, 0, 0x1a];
        varint(&mut record, data.len());
        record.extend_from_slice(data);
        message.push(0x1a);
        varint(&mut message, record.len());
        message.extend_from_slice(&record);
    }
    [&[0xf3, 0x89, 0x9a, 0xc2][..], &message, &Md5::digest(&message)[..]].concat()
}

fn varint(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap());
}
