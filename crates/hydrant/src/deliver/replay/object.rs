//! What stands in an object: failed documents of ours or of Firehose, a Lambda function's on-failure record, a backup.
//! Plain or gzipped. Bytes in, items out.

use std::io::{self, Read};

use flate2::bufread::MultiGzDecoder;
use hydrant_transform::carrier::{self, CarriedRecord, Carrier};
use hydrant_transform::document::DocumentId;
use hydrant_transform::envelope::gzip::is_gzip;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Of an object, as it is stored and unpacked: the most that Firehose buffers. A larger one is left unread.
pub const OBJECT_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// How deep a record may be wrapped: a queue's message in an event in an answer of the command line.
const WRAPPED_MAX: u32 = 4;

/// An object that was read.
pub(super) struct Object {
    pub(super) key: String,
    pub(super) items: Vec<Item>,
}

/// What stands in an object, unpacked.
pub(super) struct Text {
    pub(super) text: Vec<u8>,
    pub(super) is_gzip: bool,
}

/// One thing that failed, or that cannot be read.
pub(super) struct Item {
    /// Counts from 1.
    pub(super) line: u64,
    pub(super) content: Content,
}

pub(super) enum Content {
    Failed(FailedLine),
    /// Of what a Lambda function was given.
    Record(CarriedRecord),
    Copy(BackupLine),
    Unreadable(String),
}

/// A line that Hydrant or Firehose wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FailedLine {
    pub(super) text: Vec<u8>,
    /// The original bytes.
    pub(super) data: Vec<u8>,
    pub(super) id: Option<String>,
    /// Of a line that Hydrant wrote: the ordinal of its entry.
    pub(super) ours: Option<u32>,
    pub(super) index_name: Option<String>,
    /// `reasonCode` and `errorCode`, as far as they are told.
    pub(super) codes: Vec<String>,
    /// Milliseconds since 1970 UTC; 0 where it is not told.
    pub(super) arrival_ms: i64,
}

/// A document of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BackupLine {
    pub(super) index_name: String,
    pub(super) id: DocumentId,
    pub(super) source: Vec<u8>,
}

impl Object {
    /// Whatever the bytes are, there is an object: what cannot be read is an item that says so.
    pub(super) fn read(key: String, bytes: Vec<u8>) -> Object {
        let (Text { text, .. }, damage) = Text::of(bytes);
        let mut items = items(&text);
        if let Some(damage) = damage {
            let line = items.last().map_or(1, |item| item.line + 1);
            items.push(unreadable(line, damage));
        }
        Object { key, items }
    }

    /// One that is left unread.
    pub(super) fn too_large(key: String, bytes: u64) -> Object {
        let why = format!("the object has {bytes} bytes, and {OBJECT_BYTES_MAX} are read at most");
        Object { key, items: vec![unreadable(1, why)] }
    }

    /// The first time of arrival that is told; it never changes.
    pub(super) fn arrival_ms(&self) -> i64 {
        self.items.iter().map(Item::arrival_ms).find(|arrival_ms| *arrival_ms != 0).unwrap_or(0)
    }
}

impl Text {
    /// What can be read, and why that is not all.
    fn of(bytes: Vec<u8>) -> (Text, Option<String>) {
        let is_gzip = is_gzip(&bytes);
        let (text, damage) = if is_gzip { unpack(&bytes) } else { (bytes, None) };
        (Text { text, is_gzip }, damage)
    }

    /// `None` where some of it cannot be read.
    pub(super) fn whole(bytes: Vec<u8>) -> Option<Text> {
        let (text, damage) = Text::of(bytes);
        damage.is_none().then_some(text)
    }
}

impl Item {
    /// 0 where it is not told.
    pub(super) fn arrival_ms(&self) -> i64 {
        match &self.content {
            Content::Failed(line) => line.arrival_ms,
            Content::Record(record) => record.arrival_ms,
            Content::Copy(_) | Content::Unreadable(_) => 0,
        }
    }
}

fn unreadable(line: u64, why: impl Into<String>) -> Item {
    Item { line, content: Content::Unreadable(why.into()) }
}

/// What can be unpacked, and why that is not all.
fn unpack(bytes: &[u8]) -> (Vec<u8>, Option<String>) {
    let mut text = Vec::new();
    match MultiGzDecoder::new(bytes).take(OBJECT_BYTES_MAX + 1).read_to_end(&mut text) {
        Ok(read) if read as u64 > OBJECT_BYTES_MAX => {
            (Vec::new(), Some(format!("the object unpacks to more than {OBJECT_BYTES_MAX} bytes")))
        }
        Ok(_) => (text, None),
        Err(error) => (text, Some(damage(&error))),
    }
}

fn damage(error: &io::Error) -> String {
    format!("the gzip data is damaged behind this: {error}")
}

/// Lines of JSON, or one event over several lines.
fn items(text: &[u8]) -> Vec<Item> {
    let lines = || (1..).zip(text.split(|byte| *byte == b'\n')).filter(|(_, line)| !line.trim_ascii().is_empty());
    let first = lines().next().map(|(_, line)| serde_json::from_slice::<&RawValue>(line).is_ok());
    if first == Some(false) && serde_json::from_slice::<&RawValue>(text).is_ok() {
        return line_items(1, text);
    }
    lines().flat_map(|(number, line)| line_items(number, line)).collect()
}

fn line_items(number: u64, line: &[u8]) -> Vec<Item> {
    let Ok(object) = serde_json::from_slice::<Map<String, Value>>(line) else {
        return vec![unreadable(number, "the line is no JSON object")];
    };
    if let Some(content) = failed_line(line, &object).or_else(|| backup_line(line)) {
        return vec![Item { line: number, content }];
    }
    let mut contents = Vec::new();
    event(line, &object, WRAPPED_MAX, &mut contents);
    contents.into_iter().map(|content| Item { line: number, content }).collect()
}

/// Keys of Firehose's versions: of a domain and of a serverless collection. `lambdaARN` and `lambdaArn` say nothing that
/// is needed.
fn failed_line(line: &[u8], object: &Map<String, Value>) -> Option<Content> {
    let text = |names: [&str; 2]| {
        let found = names.into_iter().find_map(|name| object.get(name)?.as_str());
        found.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let CarriedRecord { data, arrival_ms, .. } = carrier::failed_document(line)?;
    let Ok(data) = data else { return Some(Content::Unreadable("`rawData` is no base64".to_owned())) };
    let number = |name: &str| match object.get(name)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let ordinal = number("ordinal").and_then(|ordinal| u32::try_from(ordinal).ok());
    Some(Content::Failed(FailedLine {
        text: line.to_vec(),
        data,
        id: text(["esDocumentId", "osDocumentId"]),
        ours: ordinal.filter(|_| object.contains_key("reasonCode")),
        index_name: text(["esIndexName", "osIndexName"]),
        codes: ["reasonCode", "errorCode"]
            .into_iter()
            .filter_map(|name| match object.get(name)? {
                Value::String(code) => Some(code.clone()),
                Value::Number(code) => Some(code.to_string()),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
            })
            .collect(),
        arrival_ms: number("arrivalTimestamp").unwrap_or(arrival_ms),
    }))
}

fn backup_line(line: &[u8]) -> Option<Content> {
    #[derive(Deserialize)]
    struct Line<'a> {
        #[serde(rename = "_index")]
        index_name: String,
        #[serde(rename = "_id")]
        id: String,
        #[serde(rename = "_source", borrow)]
        source: &'a RawValue,
    }
    let Line { index_name, id, source } = serde_json::from_slice(line).ok()?;
    let is_object = source.get().starts_with('{');
    is_object.then(|| {
        Content::Copy(BackupLine { index_name, id: DocumentId::from(id), source: source.get().as_bytes().to_vec() })
    })
}

/// An event that a Lambda function was given, or what its on-failure destination or queue makes of one.
fn event(bytes: &[u8], object: &Map<String, Value>, depth: u32, contents: &mut Vec<Content>) {
    match carrier::read(bytes) {
        Some(Carrier::Kinesis(records)) => return contents.extend(records.into_iter().map(record)),
        Some(Carrier::CloudWatchLogs(carried)) => return contents.push(record(carried)),
        Some(Carrier::Firehose(event)) => {
            return contents.extend(event.records.into_iter().map(|carried| record(CarriedRecord::from(carried))));
        }
        None => {}
    }
    let Some(depth) = depth.checked_sub(1) else {
        return contents.push(Content::Unreadable("the event is wrapped too deep".to_owned()));
    };
    for list in ["Messages", "Records"] {
        if let Some(messages) = object.get(list).and_then(Value::as_array) {
            for message in messages {
                wrapped(message, depth, contents);
            }
            return;
        }
    }
    let inner = ["payload", "requestPayload", "Body", "body", "Message"].into_iter().find_map(|name| object.get(name));
    match inner {
        Some(inner) => wrapped(inner, depth, contents),
        None => contents.push(Content::Unreadable(not_there(object))),
    }
}

fn wrapped(value: &Value, depth: u32, contents: &mut Vec<Content>) {
    let bytes = match value {
        Value::String(text) => text.clone().into_bytes(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string().into_bytes()
        }
    };
    match serde_json::from_slice::<Map<String, Value>>(&bytes) {
        Ok(object) => event(&bytes, &object, depth, contents),
        Err(_) => contents.push(Content::Unreadable("the event in it is no JSON object".to_owned())),
    }
}

fn record(carried: CarriedRecord) -> Content {
    match carried.data {
        Ok(_) => Content::Record(carried),
        Err(_) => Content::Unreadable("the data of a record is no base64".to_owned()),
    }
}

/// Queues and topics get the place of the records and not the records.
fn not_there(object: &Map<String, Value>) -> String {
    let Some(batch) = object.get("KinesisBatchInfo") else {
        return "neither a failed document nor an event of a Lambda function".to_owned();
    };
    let text = |name: &str| batch.get(name).and_then(Value::as_str).unwrap_or("?");
    format!(
        "it names records of {}, shard {}, from {} to {}, and does not hold them: they are in the stream",
        text("streamArn"),
        text("shardId"),
        text("startSequenceNumber"),
        text("endSequenceNumber")
    )
}
