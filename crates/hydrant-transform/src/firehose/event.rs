//! Reading an event leniently: real events, AWS's samples and emulators differ in what they write and in its types.

use serde_json::{Map, Value};

use crate::document::timestamp::instant_micros;
use crate::entry::mysql::general::Stamp;
use crate::envelope::decode_base64;

/// An event of Firehose.
#[derive(Clone, Debug, Default)]
pub struct Event {
    /// Where records are sent again, if the delivery stream reads a Kinesis stream.
    pub source_stream_arn: Option<String>,
    pub delivery_stream_arn: Option<String>,
    pub records: Vec<InputRecord>,
}

#[derive(Clone, Debug)]
pub struct InputRecord {
    /// Opaque.
    pub record_id: String,
    /// `Err`: the text that is no base64.
    pub data: std::result::Result<Vec<u8>, String>,
    /// Milliseconds since 1970 UTC.
    pub arrival_ms: i64,
    /// Empty unless the record came from a Kinesis stream.
    pub shard: String,
    /// Of the Kinesis stream, with the sub-sequence number of an aggregated record; else the record id.
    pub sequence_number: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    #[error("the event is no JSON object: {0}")]
    Json(String),
    #[error("the event has no array `records`")]
    NoRecords,
    /// Nothing could be answered for it.
    #[error("record {0} of the event has no `recordId`")]
    NoRecordId(usize),
}

/// Reads an event. Of everything but `records`, `recordId` and `data` only what is there counts.
pub fn read_event(bytes: &[u8]) -> std::result::Result<Event, EventError> {
    let event: Map<String, Value> =
        serde_json::from_slice(bytes).map_err(|error| EventError::Json(error.to_string()))?;
    let text = |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned);
    let records = event.get("records").and_then(Value::as_array).ok_or(EventError::NoRecords)?;
    let records = records.iter().enumerate().map(|(idx, value)| record(value).ok_or(EventError::NoRecordId(idx)));
    Ok(Event {
        source_stream_arn: text("sourceKinesisStreamArn").filter(|arn| !arn.is_empty()),
        delivery_stream_arn: text("deliveryStreamArn"),
        records: records.collect::<std::result::Result<_, _>>()?,
    })
}

fn record(value: &Value) -> Option<InputRecord> {
    let record_id = value.get("recordId")?.as_str()?.to_owned();
    let data = value.get("data").and_then(Value::as_str).unwrap_or_default();
    let data = decode_base64(data.as_bytes()).ok_or_else(|| data.to_owned());
    let metadata = value.get("kinesisRecordMetadata");
    let of_stream = |name: &str| metadata.and_then(|metadata| metadata.get(name));
    let text = |name: &str| of_stream(name).and_then(Value::as_str).unwrap_or_default();
    let arrival_ms = time_ms(of_stream("approximateArrivalTimestamp"))
        .or_else(|| time_ms(value.get("approximateArrivalTimestamp")))
        .unwrap_or(0);
    let sub = match of_stream("subsequenceNumber") {
        Some(Value::String(text)) if !text.is_empty() && text != "0" => format!("/{text}"),
        Some(Value::Number(number)) if number.as_u64() != Some(0) => format!("/{number}"),
        _ => String::new(),
    };
    let sequence_number = match text("sequenceNumber") {
        "" => record_id.clone(),
        number => format!("{number}{sub}"),
    };
    Some(InputRecord { shard: text("shardId").to_owned(), sequence_number, record_id, data, arrival_ms })
}

/// Milliseconds, or RFC 3339 as AWS's samples have it.
fn time_ms(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => {
            instant_micros(&Stamp::Rfc3339(text), &jiff::tz::TimeZone::UTC, None).map(|micros| micros.div_euclid(1_000))
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{EventError, read_event};

    /// The shape of a real event, and the one of AWS's samples.
    #[test]
    fn both_shapes_of_the_metadata_are_read() {
        let real = br#"{"invocationId":"i","deliveryStreamArn":"arn:d","region":"eu-west-2","sourceKinesisStreamArn":"arn:s","records":[
            {"recordId":"r1","approximateArrivalTimestamp":1741077318783,"data":"aGVsbG8=","kinesisRecordMetadata":{"shardId":"shardId-000000000000",
             "partitionKey":"p","sequenceNumber":"495","subsequenceNumber":0,"approximateArrivalTimestamp":1507217624302}}]}"#;
        let event = read_event(real).unwrap();
        let record = &event.records[0];
        assert_eq!(
            (event.source_stream_arn.as_deref(), event.delivery_stream_arn.as_deref()),
            (Some("arn:s"), Some("arn:d"))
        );
        assert_eq!(
            (record.record_id.as_str(), record.data.as_deref(), record.arrival_ms),
            ("r1", Ok(&b"hello"[..]), 1_507_217_624_302)
        );
        assert_eq!((record.shard.as_str(), record.sequence_number.as_str()), ("shardId-000000000000", "495"));

        let sample = br#"{"records":[{"recordId":"shardId-1","data":"aGVsbG8","kinesisRecordMetadata":{"sequenceNumber":"496","subsequenceNumber":"",
            "approximateArrivalTimestamp":"2021-07-23T05:45:52.976Z"}},{"recordId":"r2","data":"%"},{"recordId":"r3","kinesisRecordMetadata":{"sequenceNumber":"497","subsequenceNumber":"12"}}]}"#;
        let event = read_event(sample).unwrap();
        assert_eq!(event.source_stream_arn, None);
        let told: Vec<_> = event
            .records
            .iter()
            .map(|record| (record.data.as_deref().map_err(String::as_str), record.sequence_number.as_str()))
            .collect();
        assert_eq!(told, [(Ok(&b"hello"[..]), "496"), (Err("%"), "r2"), (Ok(&b""[..]), "497/12")]);
        assert_eq!(event.records[0].arrival_ms, 1_627_019_152_976);
    }

    #[test]
    fn what_cannot_be_answered_is_an_error_that_names_it() {
        assert!(matches!(read_event(b"[]"), Err(EventError::Json(_))));
        assert_eq!(read_event(b"{}").unwrap_err(), EventError::NoRecords);
        let error = read_event(br#"{"records":[{"recordId":"a"},{"data":""}]}"#).unwrap_err();
        assert_eq!(error.to_string(), "record 1 of the event has no `recordId`");
    }
}
