//! The few members of a document that a reconciliation reads, under the names of any profile.

use std::collections::HashMap;

use hydrant_transform::document::Field;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::EventName;

/// What tells a document's event and time.
const WANTED: [Field; 6] =
    [Field::Timestamp, Field::Owner, Field::LogGroup, Field::LogStream, Field::EventId, Field::Ordinal];

/// Their names, each once.
pub fn wanted() -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in WANTED.iter().flat_map(|field| field.names()).filter(|name| !name.is_empty()) {
        if names.iter().all(|known| known != name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// What a document says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) event: Option<EventName>,
    /// Its `@timestamp`, milliseconds since 1970 UTC.
    pub(super) time_ms: Option<i64>,
}

/// Reads a source, whole or cut down to the wanted members.
pub(super) fn read(source: &[u8]) -> Told {
    let Ok(members) = serde_json::from_slice::<HashMap<String, &RawValue>>(source) else { return Told::default() };
    let text = |field: Field| -> Option<String> {
        let name = field.names().into_iter().find(|name| members.contains_key(*name))?;
        first_text(&serde_json::from_str(members.get(name)?.get()).ok()?)
    };
    let event_id = text(Field::EventId).filter(|id| !id.is_empty());
    let event = event_id.map(|event_id| EventName {
        owner: text(Field::Owner).unwrap_or_default(),
        log_group: text(Field::LogGroup).unwrap_or_default(),
        log_stream: text(Field::LogStream).unwrap_or_default(),
        event_id,
        ordinal: text(Field::Ordinal).and_then(|ordinal| ordinal.parse().ok()).unwrap_or(0),
    });
    let time = text(Field::Timestamp);
    Told { event, time_ms: time.as_deref().and_then(time_ms) }
}

/// A text or a number, or the first of a list; older chains write numbers as texts.
fn first_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(values) => values.first().and_then(first_text),
        Value::Null | Value::Bool(_) | Value::Object(_) => None,
    }
}

/// RFC 3339, or milliseconds.
fn time_ms(text: &str) -> Option<i64> {
    let stamp = || text.parse::<jiff::Timestamp>().ok().map(|stamp| stamp.as_nanosecond().div_euclid(1_000_000));
    text.parse::<i64>().ok().or_else(|| stamp().and_then(|ms| i64::try_from(ms).ok()))
}

/// The log event in an envelope of just that one: what a failed document carries. And its time.
pub(super) fn of_raw(raw: &[u8], ordinal: u32) -> Told {
    use hydrant_transform::envelope::{Decoded, decode};
    let Ok(Decoded::Envelopes(envelopes)) = decode(raw) else { return Told::default() };
    let Some(envelope) = envelopes.into_iter().next() else { return Told::default() };
    let Some(event) = envelope.log_events.first() else { return Told::default() };
    let name = EventName {
        owner: envelope.owner,
        log_group: envelope.log_group,
        log_stream: envelope.log_stream,
        event_id: event.id.clone(),
        ordinal,
    };
    Told { event: Some(name).filter(|name| !name.event_id.is_empty()), time_ms: Some(event.timestamp_ms) }
}

/// A line of an object of failed/.
pub(super) fn failed_line(line: &[u8]) -> Option<(Map<String, Value>, String)> {
    let object: Map<String, Value> = serde_json::from_slice(line).ok()?;
    let id = object.get("esDocumentId")?.as_str().filter(|id| !id.is_empty())?.to_owned();
    Some((object, id))
}
