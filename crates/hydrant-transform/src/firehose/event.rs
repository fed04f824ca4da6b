//! Reading an event leniently: real events, AWS's samples and emulators differ in what they write and in its types.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::document::timestamp::instant_micros;
use crate::entry::mysql::general::Stamp;
use crate::envelope::{decode_base64, decode_base64_into};
use crate::json::scalar::{Name, Scalar};

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

/// An object of any members, of which `T` takes each that it knows.
struct Object<T>(T);

/// Takes the members of an object.
trait TakeMembers<'de>: Default {
    /// Takes the value of a member, whatever it is. `false`: it was not taken.
    fn take<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> std::result::Result<bool, A::Error>;
}

impl<'de, T: TakeMembers<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> std::result::Result<Object<T>, D::Error> {
        json.deserialize_map(Object(T::default()))
    }
}

impl<'de, T: TakeMembers<'de>> Visitor<'de> for Object<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> std::result::Result<Object<T>, A::Error> {
        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
            if !self.0.take(&name, &mut map)? {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(self)
    }
}

/// A text; what is none counts as absent.
fn text<'de>(value: Scalar<'de>) -> Option<Cow<'de, str>> {
    value.text().ok().flatten()
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
            "sourceKinesisStreamArn" => self.source_stream_arn = text(map.next_value()?),
            "deliveryStreamArn" => self.delivery_stream_arn = text(map.next_value()?),
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
    arrival: Option<Value>,
    metadata: Option<Value>,
}

impl<'de> TakeMembers<'de> for RecordMembers<'de> {
    fn take<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> std::result::Result<bool, A::Error> {
        match name {
            "recordId" => self.record_id = map.next_value::<Scalar<'de>>()?.text_or_number(),
            "data" => self.data = text(map.next_value()?),
            "approximateArrivalTimestamp" => self.arrival = Some(map.next_value()?),
            "kinesisRecordMetadata" => self.metadata = Some(map.next_value()?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'a> RecordMembers<'a> {
    /// `None`: it has no id.
    fn record(self) -> Option<InputRecord<'a>> {
        let record_id = self.record_id?;
        let of_stream = |name: &str| self.metadata.as_ref().and_then(|metadata| metadata.get(name));
        let text = |name: &str| of_stream(name).and_then(Value::as_str).unwrap_or_default();
        let arrival_ms =
            time_ms(of_stream("approximateArrivalTimestamp")).or_else(|| time_ms(self.arrival.as_ref())).unwrap_or(0);
        let sub = match of_stream("subsequenceNumber") {
            Some(Value::String(text)) if !text.is_empty() && text != "0" => format!("/{text}"),
            Some(Value::Number(number)) if number.as_u64() != Some(0) => format!("/{number}"),
            _ => String::new(),
        };
        let sequence_number = match text("sequenceNumber") {
            "" => record_id.clone(),
            number => Cow::Owned(format!("{number}{sub}")),
        };
        let shard = Cow::Owned(text("shardId").to_owned());
        Some(InputRecord { record_id, data: self.data, arrival_ms, shard, sequence_number })
    }
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
