//! Reading an event leniently: real events, AWS's samples and emulators differ in what they write and in its types.

use std::borrow::Cow;
use std::fmt;

use serde::de::MapAccess;
use serde_json::value::RawValue;

use crate::document::timestamp::instant_micros;
use crate::entry::mysql::general::Stamp;
use crate::envelope::{decode_base64, decode_base64_into};
use crate::json::members::{Object, TakeMembers};
use crate::json::scalar::Scalar;

/// An event of Firehose, borrowed from its bytes.
#[derive(Clone, Debug, Default)]
pub struct Event<'a> {
    /// Where records are sent again, if the delivery stream reads a Kinesis stream.
    pub source_stream_arn: Option<Cow<'a, str>>,
    pub delivery_stream_arn: Option<Cow<'a, str>>,
    pub records: Vec<InputRecord<'a>>,
}

#[derive(Clone, Debug, Default)]
pub struct InputRecord<'a> {
    /// Opaque.
    pub record_id: Cow<'a, str>,
    /// Base64, or what stands in its place. `None`: it has none, or what is no text.
    pub data: Option<Cow<'a, str>>,
    /// Milliseconds since 1970 UTC.
    pub arrival_ms: i64,
    /// Empty unless the record came from a Kinesis stream.
    pub shard: Cow<'a, str>,
    /// Of the Kinesis stream, with the sub-sequence number of an aggregated record; else the record id.
    pub sequence_number: Cow<'a, str>,
}

impl InputRecord<'_> {
    /// The record's bytes. `None`: there is no data, or it is no base64.
    pub fn decode(&self) -> Option<Vec<u8>> {
        decode_base64(self.data.as_ref()?.as_bytes())
    }

    /// As [`InputRecord::decode`], into memory that is used again.
    pub(super) fn decode_into<'o>(&self, out: &'o mut Vec<u8>) -> Option<&'o [u8]> {
        decode_base64_into(self.data.as_ref()?.as_bytes(), out)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    #[error("the event is no JSON object with records: {0}")]
    Json(String),
    #[error("the event has no array `records`")]
    NoRecords,
    /// Nothing could be answered for it.
    #[error("record {0} of the event has no `recordId`")]
    NoRecordId(usize),
}

/// Reads an event. Of everything but `records`, `recordId` and `data` only what is there counts.
///
/// # Errors
/// See [`EventError`].
pub fn read_event(bytes: &[u8]) -> std::result::Result<Event<'_>, EventError> {
    let json = |problem: &dyn fmt::Display| EventError::Json(problem.to_string());
    let text = simdutf8::compat::from_utf8(bytes).map_err(|error| json(&error))?;
    let Object(members): Object<EventMembers<'_>> = serde_json::from_str(text).map_err(|error| json(&error))?;
    let records = members.records.ok_or(EventError::NoRecords)?;
    let record = |(idx, object): (usize, Object<_>)| RecordMembers::record(object.0).ok_or(EventError::NoRecordId(idx));
    let records = records.into_iter().enumerate().map(record);
    Ok(Event {
        source_stream_arn: members.source_stream_arn.filter(|arn| !arn.is_empty()),
        delivery_stream_arn: members.delivery_stream_arn,
        records: records.collect::<std::result::Result<_, _>>()?,
    })
}

#[derive(Default)]
struct EventMembers<'a> {
    source_stream_arn: Option<Cow<'a, str>>,
    delivery_stream_arn: Option<Cow<'a, str>>,
    records: Option<Vec<Object<RecordMembers<'a>>>>,
}

impl<'de> TakeMembers<'de> for EventMembers<'de> {
    fn take<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> std::result::Result<bool, A::Error> {
        match name {
            "sourceKinesisStreamArn" => self.source_stream_arn = map.next_value::<Scalar<'de>>()?.text_or_none(),
            "deliveryStreamArn" => self.delivery_stream_arn = map.next_value::<Scalar<'de>>()?.text_or_none(),
            "records" => self.records = Some(map.next_value()?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Default)]
struct RecordMembers<'a> {
    record_id: Option<Cow<'a, str>>,
    data: Option<Cow<'a, str>>,
    arrival_ms: Option<i64>,
    metadata: Metadata<'a>,
}

impl<'de> TakeMembers<'de> for RecordMembers<'de> {
    fn take<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> std::result::Result<bool, A::Error> {
        match name {
            "recordId" => self.record_id = map.next_value::<Scalar<'de>>()?.text_or_number(),
            "data" => self.data = map.next_value::<Scalar<'de>>()?.text_or_none(),
            "approximateArrivalTimestamp" => self.arrival_ms = time_ms(map.next_value()?),
            "kinesisRecordMetadata" => self.metadata = Metadata::read(map.next_value()?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// What the Kinesis stream says of a record; nothing of it has to be there.
#[derive(Default)]
struct Metadata<'a> {
    shard: Option<Cow<'a, str>>,
    sequence_number: Option<Cow<'a, str>>,
    sub_sequence_number: Option<Cow<'a, str>>,
    arrival_ms: Option<i64>,
}

impl<'a> Metadata<'a> {
    /// What is no object, or none of text, says nothing.
    fn read(json: &'a RawValue) -> Metadata<'a> {
        serde_json::from_str(json.get()).map(|Object(metadata)| metadata).unwrap_or_default()
    }
}

impl<'de> TakeMembers<'de> for Metadata<'de> {
    fn take<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> std::result::Result<bool, A::Error> {
        match name {
            "shardId" => self.shard = map.next_value::<Scalar<'de>>()?.text_or_none(),
            "sequenceNumber" => self.sequence_number = map.next_value::<Scalar<'de>>()?.text_or_none(),
            "subsequenceNumber" => self.sub_sequence_number = map.next_value::<Scalar<'de>>()?.text_or_number(),
            "approximateArrivalTimestamp" => self.arrival_ms = time_ms(map.next_value()?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'a> RecordMembers<'a> {
    /// `None`: it has no id.
    fn record(self) -> Option<InputRecord<'a>> {
        let RecordMembers { record_id, data, arrival_ms, metadata } = self;
        let record_id = record_id?;
        let sub = metadata.sub_sequence_number.filter(|number| !number.is_empty() && number != "0");
        let sequence_number = match (metadata.sequence_number.filter(|number| !number.is_empty()), sub) {
            (None, _) => record_id.clone(),
            (Some(number), None) => number,
            (Some(number), Some(sub)) => Cow::Owned(format!("{number}/{sub}")),
        };
        let (shard, arrival_ms) = (metadata.shard.unwrap_or_default(), metadata.arrival_ms.or(arrival_ms).unwrap_or(0));
        Some(InputRecord { record_id, data, arrival_ms, shard, sequence_number })
    }
}

/// Milliseconds, or RFC 3339 as AWS's samples have it.
fn time_ms(value: Scalar<'_>) -> Option<i64> {
    match value {
        Scalar::Unsigned(number) => i64::try_from(number).ok(),
        Scalar::Signed(number) => Some(number),
        Scalar::Text(text) => rfc3339_ms(&text),
        Scalar::Float(_) | Scalar::Bool(_) | Scalar::Null | Scalar::Container => None,
    }
}

/// RFC 3339 as milliseconds since 1970 UTC.
pub(crate) fn rfc3339_ms(text: &str) -> Option<i64> {
    instant_micros(&Stamp::Rfc3339(text), &jiff::tz::TimeZone::UTC, None).map(|micros| micros.div_euclid(1_000))
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
            (&*record.record_id, record.decode(), record.arrival_ms),
            ("r1", Some(b"hello".to_vec()), 1_507_217_624_302)
        );
        assert_eq!((&*record.shard, &*record.sequence_number), ("shardId-000000000000", "495"));

        let sample = br#"{"records":[{"recordId":"shardId-1","data":"aGVsbG8","kinesisRecordMetadata":{"sequenceNumber":"496","subsequenceNumber":"",
            "approximateArrivalTimestamp":"2021-07-23T05:45:52.976Z"}},{"recordId":"r2","data":"%"},{"recordId":"r3","kinesisRecordMetadata":{"sequenceNumber":"497","subsequenceNumber":"12"}}]}"#;
        let event = read_event(sample).unwrap();
        assert_eq!(event.source_stream_arn, None);
        let told: Vec<_> = event.records.iter().map(|record| (record.decode(), &*record.sequence_number)).collect();
        assert_eq!(told, [(Some(b"hello".to_vec()), "496"), (None, "r2"), (None, "497/12")]);
        assert_eq!(event.records[0].arrival_ms, 1_627_019_152_976);
    }

    /// Python's programs make such texts of bytes that are none.
    #[test]
    fn what_is_no_text_in_a_member_that_does_not_count_fails_nothing() {
        let told = |metadata: &str| {
            let json =
                format!(r#"{{"records":[{{"recordId":"r","data":"aGVsbG8=","kinesisRecordMetadata":{metadata}}}]}}"#);
            let event = read_event(json.as_bytes()).unwrap();
            let record = &event.records[0];
            (record.decode().unwrap(), record.shard.to_string(), record.sequence_number.to_string(), record.arrival_ms)
        };
        let hello = b"hello".to_vec();
        let whole = r#"{"partitionKey":"\ud800","shardId":"s","sequenceNumber":"495","approximateArrivalTimestamp":7}"#;
        assert_eq!(told(whole), (hello.clone(), "s".into(), "495".into(), 7));
        for nothing in [r#"{"shardId":"\udfff"}"#, "null", "7", "[]", "\"\\ud800\""] {
            assert_eq!(told(nothing), (hello.clone(), String::new(), "r".into(), 0), "{nothing}");
        }
    }

    #[test]
    fn what_cannot_be_answered_is_an_error_that_names_it() {
        for other in [&b"[]"[..], b"", b"{\"records\":1}", b"{\"records\":[1]}", b"{\"records\":[]} x", b"{\"\xff\":1}"]
        {
            assert!(matches!(read_event(other), Err(EventError::Json(_))), "{}", String::from_utf8_lossy(other));
        }
        assert_eq!(read_event(b"{}").unwrap_err(), EventError::NoRecords);
        let event = read_event(br#"{"records":[{"recordId":12345678901234567890}]}"#).unwrap();
        assert_eq!(event.records[0].record_id, "12345678901234567890");
        let error = read_event(br#"{"records":[{"recordId":"a"},{"data":""}]}"#).unwrap_err();
        assert_eq!(error.to_string(), "record 1 of the event has no `recordId`");
    }
}
