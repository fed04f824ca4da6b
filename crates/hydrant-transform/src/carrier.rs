//! What carries records: an event of Firehose, of a Kinesis or CloudWatch Logs trigger, an answer of Kinesis'
//! `GetRecords`, a file of failed documents. Told apart by content.
//!
//! Everything but the data of a record may be missing or of another type: real events, samples and emulators differ.
//! Bounds: an event is parsed whole, so callers bound its bytes; a file of failed documents is read line by line.

use std::borrow::Cow;

use serde::de::MapAccess;
use serde_json::{Map, Value};

use crate::document::Reason;
use crate::envelope::{decode_base64, gzip};
use crate::firehose::{self, InputRecord, rfc3339_ms};
use crate::json::members::{Object, TakeMembers};
use crate::json::scalar::Scalar;
use crate::record::{Options, RecordSource, Transformed, reason_code, transform, undecodable};

/// A record and what its carrier says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarriedRecord {
    /// `Err`: the text that is no base64.
    pub data: Result<Vec<u8>, String>,
    pub shard: String,
    pub sequence_number: String,
    /// Milliseconds since 1970 UTC; 0 where it is not told.
    pub arrival_ms: i64,
}

impl CarriedRecord {
    /// A record of which nothing else is known.
    pub fn of(data: Result<Vec<u8>, String>) -> CarriedRecord {
        CarriedRecord { data, shard: String::new(), sequence_number: String::new(), arrival_ms: 0 }
    }
}

impl From<InputRecord<'_>> for CarriedRecord {
    fn from(record: InputRecord<'_>) -> CarriedRecord {
        let data = record.decode().ok_or_else(|| record.data.unwrap_or_default().into_owned());
        let (shard, sequence_number) = (record.shard.into_owned(), record.sequence_number.into_owned());
        CarriedRecord { data, shard, sequence_number, arrival_ms: record.arrival_ms }
    }
}

impl CarriedRecord {
    /// What is known of its stream. `now_ms`: its arrival, where its carrier does not tell it.
    pub fn source(&self, now_ms: i64) -> RecordSource<'_> {
        let arrival_ms = if self.arrival_ms == 0 { now_ms } else { self.arrival_ms };
        RecordSource { shard: &self.shard, sequence_number: &self.sequence_number, arrival_ms }
    }

    /// Turns the record into documents; one that is no base64 is a failure, with its text as original bytes. `now_ms`:
    /// its arrival, where its carrier does not tell it.
    pub fn transform(&self, now_ms: i64, options: &Options) -> Transformed {
        let source = self.source(now_ms);
        match &self.data {
            Ok(data) => transform(data, source, options),
            Err(_) => undecodable(source, Reason::new(reason_code::BASE64_INVALID, "the data is no base64")),
        }
    }
}

/// Who brings records.
#[derive(Clone, Debug)]
pub enum Carrier<'a> {
    /// An invocation that expects an answer for each record.
    Firehose(firehose::Event<'a>),
    /// A trigger's event, or what `GetRecords` answers.
    Kinesis(Vec<CarriedRecord>),
    /// The direct subscription of a Lambda to a log group.
    CloudWatchLogs(CarriedRecord),
}

/// Reads an event. `None`: these bytes are none.
pub fn read(bytes: &[u8]) -> Option<Carrier<'_>> {
    if let Ok(event) = firehose::read_event(bytes) {
        return Some(Carrier::Firehose(event));
    }
    let Object(event): Object<EventMembers<'_>> = serde_json::from_slice(bytes).ok()?;
    if let Some(data) = event.logs.and_then(|Object(logs)| logs.data) {
        return Some(Carrier::CloudWatchLogs(CarriedRecord::of(decode(&data))));
    }
    let records = event.records?.into_iter().map(|Object(record)| record.carried());
    records.collect::<Option<_>>().map(Carrier::Kinesis)
}

#[derive(Default)]
struct EventMembers<'a> {
    logs: Option<Object<RecordMembers<'a>>>,
    records: Option<Vec<Object<RecordMembers<'a>>>>,
}

impl<'de> TakeMembers<'de> for EventMembers<'de> {
    fn take<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "awslogs" => self.logs = map.next_value()?,
            "Records" => self.records = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// A record of a trigger's event with what stands inside of it, or one of what `GetRecords` answers, as the API and the
/// command line interface print it. What they call the same differs by its first letter.
#[derive(Default)]
struct RecordMembers<'a> {
    inside: Option<Box<RecordMembers<'a>>>,
    event_id: Option<Cow<'a, str>>,
    data: Option<Cow<'a, str>>,
    sequence_number: Option<Cow<'a, str>>,
    arrival_ms: i64,
}

impl<'de> TakeMembers<'de> for RecordMembers<'de> {
    fn take<A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
        match name {
            "kinesis" => self.inside = map.next_value::<Option<Object<_>>>()?.map(|Object(inside)| Box::new(inside)),
            "eventID" => self.event_id = map.next_value::<Scalar<'de>>()?.text_or_none(),
            "data" | "Data" => self.data = map.next_value::<Scalar<'de>>()?.text_or_none(),
            "sequenceNumber" | "SequenceNumber" => {
                self.sequence_number = map.next_value::<Scalar<'de>>()?.text_or_none()
            }
            "approximateArrivalTimestamp" | "ApproximateArrivalTimestamp" => {
                self.arrival_ms = time_ms(map.next_value()?)
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl RecordMembers<'_> {
    /// `None`: it has no data.
    fn carried(mut self) -> Option<CarriedRecord> {
        let shard =
            self.event_id.as_deref().and_then(|id| id.split_once(':')).map_or("", |(shard, _)| shard).to_owned();
        let RecordMembers { data, sequence_number, arrival_ms, .. } = self.inside.take().map_or(self, |inside| *inside);
        let sequence_number = sequence_number.unwrap_or_default().into_owned();
        Some(CarriedRecord { data: decode(&data?), shard, sequence_number, arrival_ms })
    }
}

/// A text that is nothing but the base64 of a gzipped record, as it is copied out of an event.
pub fn base64_record(text: &[u8]) -> Option<CarriedRecord> {
    let data = decode_base64(text.trim_ascii()).filter(|data| gzip::is_gzip(data))?;
    Some(CarriedRecord::of(Ok(data)))
}

/// The record in a line of a file of failed documents, as Firehose writes them and Hydrant does. `None`: no such line.
pub fn failed_document(line: &[u8]) -> Option<CarriedRecord> {
    let object: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let data = object.get("rawData")?.as_str()?;
    object.get("errorCode").or_else(|| object.get("attemptsMade"))?;
    let arrival_ms = object.get("arrivalTimestamp").and_then(Value::as_i64).unwrap_or(0);
    // Nothing else tells the records of a file apart that hold no ids of their own.
    let id = object.get("esDocumentId").or_else(|| object.get("EventId")).and_then(Value::as_str).unwrap_or_default();
    Some(CarriedRecord { data: decode(data), shard: String::new(), sequence_number: id.to_owned(), arrival_ms })
}

fn decode(text: &str) -> Result<Vec<u8>, String> {
    decode_base64(text.as_bytes()).ok_or_else(|| text.to_owned())
}

/// Seconds with a fraction, or RFC 3339; 0 of anything else.
fn time_ms(value: Scalar<'_>) -> i64 {
    let told = match value {
        Scalar::Unsigned(seconds) => i64::try_from(seconds).ok().and_then(|seconds| seconds.checked_mul(1_000)),
        Scalar::Signed(seconds) => seconds.checked_mul(1_000),
        Scalar::Float(seconds) => seconds_ms(seconds),
        Scalar::Text(text) => rfc3339_ms(&text),
        Scalar::Bool(_) | Scalar::Null | Scalar::Container => None,
    };
    told.unwrap_or(0)
}

fn seconds_ms(seconds: f64) -> Option<i64> {
    let ms = (seconds * 1_000.0).round();
    format!("{ms:.0}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{CarriedRecord, Carrier, failed_document, read};

    fn record(data: &str, shard: &str, sequence_number: &str, arrival_ms: i64) -> CarriedRecord {
        CarriedRecord {
            data: Ok(data.into()),
            shard: shard.into(),
            sequence_number: sequence_number.into(),
            arrival_ms,
        }
    }

    #[test]
    fn events_of_kinesis_in_both_shapes() {
        let trigger = br#"{"Records":[{"eventID":"shardId-000000000006:49590338271490256608559692538361571095921575989136588898","eventSource":"aws:kinesis",
            "kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"1","sequenceNumber":"49590338271490256608559692538361571095921575989136588898",
            "data":"aGVsbG8=","approximateArrivalTimestamp":1545084650.987}}]}"#;
        let Some(Carrier::Kinesis(records)) = read(trigger) else { panic!("a Kinesis event") };
        let expected = record(
            "hello",
            "shardId-000000000006",
            "49590338271490256608559692538361571095921575989136588898",
            1_545_084_650_987,
        );
        assert_eq!(records, [expected]);
        let answer = br#"{"Records":[{"SequenceNumber":"495","ApproximateArrivalTimestamp":"2021-07-23T05:45:52.976000+00:00","Data":"aGVsbG8","PartitionKey":"k"},
            {"SequenceNumber":"496","Data":"%"}],"NextShardIterator":"x","MillisBehindLatest":0}"#;
        let Some(Carrier::Kinesis(records)) = read(answer) else { panic!("an answer of GetRecords") };
        assert_eq!(records[0], record("hello", "", "495", 1_627_019_152_976));
        assert_eq!((&records[1].data, records[1].arrival_ms), (&Err("%".to_owned()), 0));
    }

    /// Python's programs make such texts of bytes that are none.
    #[test]
    fn what_is_no_text_in_a_member_that_does_not_count_fails_nothing() {
        let trigger = br#"{"Records":[{"eventID":"s:495","awsRegion":"\ud800","kinesis":{"partitionKey":"\ud800","sequenceNumber":"495","data":"aGVsbG8="}}]}"#;
        let Some(Carrier::Kinesis(records)) = read(trigger) else { panic!("a Kinesis event") };
        assert_eq!(records, [record("hello", "s", "495", 0)]);
        let subscription = br#"{"awslogs":{"data":"aGVsbG8=","x":"\udfff"}}"#;
        let Some(Carrier::CloudWatchLogs(logs)) = read(subscription) else { panic!("logs") };
        assert_eq!(logs, record("hello", "", "", 0));
    }

    #[test]
    fn a_direct_subscription_and_firehose() {
        let Some(Carrier::CloudWatchLogs(logs)) = read(br#"{"awslogs":{"data":"aGVsbG8="}}"#) else { panic!("logs") };
        assert_eq!(logs, record("hello", "", "", 0));
        let firehose = read(br#"{"records":[{"recordId":"r","data":"aGVsbG8="}]}"#);
        let Some(Carrier::Firehose(event)) = firehose else { panic!("an event of Firehose") };
        assert_eq!(event.records[0].record_id, "r");
    }

    #[test]
    fn lines_of_failed_documents() {
        let line = br#"{"attemptsMade":1,"arrivalTimestamp":1627019152976,"errorCode":"400","errorMessage":"m","attemptEndingTimestamp":1,"esDocumentId":"d","esIndexName":"i","esTypeName":"","rawData":"aGVsbG8="}"#;
        assert_eq!(failed_document(line), Some(record("hello", "", "d", 1_627_019_152_976)));
        for other in [&br#"{"rawData":"aGVsbG8="}"#[..], br#"{"errorCode":"400"}"#, b"x", b"[]"] {
            assert_eq!(failed_document(other), None);
        }
    }

    #[test]
    fn other_json_is_no_carrier() {
        for other in
            [&b"{}"[..], b"[]", br#"{"Records":[{"a":1}]}"#, br#"{"Records":1}"#, br#"{"awslogs":1}"#, b"x", b""]
        {
            assert!(read(other).is_none(), "{}", String::from_utf8_lossy(other));
        }
    }
}
