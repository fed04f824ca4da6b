//! Reading the JSON objects of a record with serde, in one pass and without a tree.
//!
//! A key of the wrong type, or there twice, does not end the reading: it is remembered, since it is an error only if
//! the object turns out to be an envelope. No error quotes a value.

use std::fmt;

use base64_simd::STANDARD;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_bytes::ByteBuf;
use serde_json::value::RawValue;

use super::decode::Envelope;
use super::{EventFlags, Extra, LogEvent, NAME_BYTES_MAX};
use crate::json::scalar::{Name, Scalar};

/// Of records that were sent again (`firehose::marked`).
pub(crate) const MARKED: &str = "HYDRANT_DOCUMENT";

/// CloudWatch allows two filters on a log group.
const FILTERS_MAX: usize = 64;

/// What the objects of one record have in common while they are read.
pub(super) struct Reading {
    /// The first key that an envelope must not have like this.
    problem: Option<String>,
    events: usize,
    events_max: usize,
}

impl Reading {
    pub(super) fn new(events_max: usize) -> Reading {
        Reading { problem: None, events: 0, events_max }
    }

    pub(super) fn take_problem(&mut self) -> Option<String> {
        self.problem.take()
    }

    /// Reads one JSON object. `None`: it is no envelope.
    pub(super) fn object<'de, D: Deserializer<'de>>(&mut self, json: D) -> Result<Option<Envelope>, D::Error> {
        json.deserialize_map(ObjectVisitor(self))
    }

    fn note(&mut self, problem: impl FnOnce() -> String) {
        if self.problem.is_none() {
            self.problem = Some(problem());
        }
    }
}

#[derive(Clone, Copy)]
enum ObjectKey {
    MessageType,
    Owner,
    LogGroup,
    LogStream,
    SubscriptionFilters,
    LogEvents,
}

impl ObjectKey {
    fn of(name: &str) -> Option<ObjectKey> {
        Some(match name {
            "messageType" => ObjectKey::MessageType,
            "owner" => ObjectKey::Owner,
            "logGroup" => ObjectKey::LogGroup,
            "logStream" => ObjectKey::LogStream,
            "subscriptionFilters" => ObjectKey::SubscriptionFilters,
            "logEvents" => ObjectKey::LogEvents,
            _ => return None,
        })
    }
}

struct ObjectVisitor<'r>(&'r mut Reading);

impl<'de> Visitor<'de> for ObjectVisitor<'_> {
    type Value = Option<Envelope>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let reading = self.0;
        let mut envelope = Envelope::default();
        let mut message_type = None;
        let mut seen = KeySet::default();
        while let Some(Name(name_of)) = map.next_key::<Name<'de>>()? {
            let Some(key) = ObjectKey::of(&name_of) else {
                envelope.extra.push(&name_of, map.next_value::<&RawValue>()?);
                continue;
            };
            if !seen.insert(key as u8) {
                reading.note(|| format!("`{name_of}` is there twice"));
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            match key {
                ObjectKey::MessageType => message_type = Some(map.next_value::<Scalar<'de>>()?),
                ObjectKey::Owner => envelope.owner = owner(map.next_value()?, &name_of, reading),
                ObjectKey::LogGroup => envelope.log_group = name(map.next_value()?, &name_of, reading),
                ObjectKey::LogStream => envelope.log_stream = name(map.next_value()?, &name_of, reading),
                ObjectKey::SubscriptionFilters => {
                    envelope.subscription_filters = map.next_value_seed(Filters(reading))?;
                }
                ObjectKey::LogEvents => envelope.log_events = map.next_value_seed(LogEvents(reading))?,
            }
        }
        let kind = match &message_type {
            Some(Scalar::Text(kind)) => kind.as_ref(),
            _ => "",
        };
        envelope.control = kind == "CONTROL_MESSAGE";
        if envelope.control || kind == "DATA_MESSAGE" {
            // They may stand under another name, and would be lost without a trace.
            if !envelope.control && !seen.contains(ObjectKey::LogEvents as u8) {
                reading.note(|| "`logEvents` is missing".into());
            }
            return Ok(Some(envelope));
        }
        // What imitates a marked record is a line like others, and so is an object whose `messageType` is no text.
        let is_text = matches!(message_type, Some(Scalar::Text(_)));
        let is_line =
            kind == MARKED || !(is_text || message_type.is_some() && seen.contains(ObjectKey::LogEvents as u8));
        if is_line {
            return Ok(None);
        }
        reading.note(|| "`messageType` is neither DATA_MESSAGE nor CONTROL_MESSAGE".into());
        Ok(Some(envelope))
    }
}

/// Which keys an object has had.
#[derive(Default)]
struct KeySet(u16);

impl KeySet {
    fn contains(&self, key: u8) -> bool {
        self.0 & (1 << key) != 0
    }

    /// Whether the key is new.
    fn insert(&mut self, key: u8) -> bool {
        let new = !self.contains(key);
        self.0 |= 1 << key;
        new
    }
}

/// `subscriptionFilters`: an array of strings, or null.
struct Filters<'r>(&'r mut Reading);

impl<'de> DeserializeSeed<'de> for Filters<'_> {
    type Value = Vec<String>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Vec<String>, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Filters<'_> {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`subscriptionFilters` as an array")
    }

    fn visit_unit<E: Error>(self) -> Result<Vec<String>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<String>, A::Error> {
        let mut filters = Vec::new();
        while let Some(filter) = list.next_element::<Scalar<'de>>()? {
            if filters.len() < FILTERS_MAX {
                filters.push(name(filter, "subscriptionFilters", self.0));
            } else {
                self.0.note(|| format!("`subscriptionFilters` holds more than {FILTERS_MAX}"));
            }
        }
        Ok(filters)
    }
}

/// `logEvents`: an array of objects, or null.
struct LogEvents<'r>(&'r mut Reading);

impl<'de> DeserializeSeed<'de> for LogEvents<'_> {
    type Value = Vec<LogEvent>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Vec<LogEvent>, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for LogEvents<'_> {
    type Value = Vec<LogEvent>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`logEvents` as an array of objects")
    }

    fn visit_unit<E: Error>(self) -> Result<Vec<LogEvent>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<LogEvent>, A::Error> {
        let mut events = Vec::new();
        while let Some(event) = list.next_element_seed(OneEvent { reading: self.0, idx: events.len() })? {
            let events_max = self.0.events_max;
            if self.0.events == events_max {
                // Not kept, but read to the end: whether this is an envelope at all may come later.
                self.0.note(|| format!("more than {events_max} log events"));
            } else {
                self.0.events += 1;
                events.push(event);
            }
        }
        Ok(events)
    }
}

#[derive(Clone, Copy)]
enum EventKey {
    Id,
    Timestamp,
    Message,
    MessageBase64,
    Partial,
    Truncated,
    Suspect,
    Bytes,
}

impl EventKey {
    fn of(name: &str) -> Option<EventKey> {
        Some(match name {
            "id" => EventKey::Id,
            "timestamp" => EventKey::Timestamp,
            "message" => EventKey::Message,
            "messageBase64" => EventKey::MessageBase64,
            "partial" => EventKey::Partial,
            "truncated" => EventKey::Truncated,
            "suspect" => EventKey::Suspect,
            "bytes" => EventKey::Bytes,
            _ => return None,
        })
    }
}

/// One object of `logEvents`.
struct OneEvent<'r> {
    reading: &'r mut Reading,
    idx: usize,
}

impl<'de> DeserializeSeed<'de> for OneEvent<'_> {
    type Value = LogEvent;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<LogEvent, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneEvent<'_> {
    type Value = LogEvent;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a log event as an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LogEvent, A::Error> {
        let OneEvent { reading, idx } = self;
        let mut fields = EventFields::default();
        let mut seen = KeySet::default();
        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
            let Some(key) = EventKey::of(&name) else {
                fields.extra.push(&name, map.next_value::<&RawValue>()?);
                continue;
            };
            if !seen.insert(key as u8) {
                map.next_value::<IgnoredAny>()?;
                reading.note(|| format!("`logEvents[{idx}].{name}` is there twice"));
            } else if let Err(problem) = fields.take(key, &mut map)? {
                reading.note(|| format!("`logEvents[{idx}].{name}` {problem}"));
            }
        }
        for (key, there) in [("timestamp", fields.timestamp_ms.is_some()), ("message", fields.has_message())] {
            if !there {
                reading.note(|| format!("`logEvents[{idx}].{key}` is missing"));
            }
        }
        Ok(fields.into_event())
    }
}

#[derive(Default)]
struct EventFields {
    id: String,
    timestamp_ms: Option<i64>,
    message: Option<Vec<u8>>,
    exact: Option<Vec<u8>>,
    flags: EventFlags,
    extra: Extra,
}

impl EventFields {
    /// Takes the value of a key; the inner error says what is wrong with it.
    fn take<'de, A: MapAccess<'de>>(
        &mut self,
        key: EventKey,
        map: &mut A,
    ) -> Result<Result<(), &'static str>, A::Error> {
        Ok(match key {
            EventKey::Id => id(map.next_value()?).map(|id| self.id = id),
            EventKey::Timestamp => scalar(map)?.integer().map(|ms| self.timestamp_ms = Some(ms)),
            EventKey::Message => text_bytes(map.next_value()?).map(|message| self.message = message),
            EventKey::MessageBase64 => scalar(map)?.text().and_then(|text| {
                let exact = text.map(|text| STANDARD.decode_to_vec(text.as_bytes())).transpose();
                exact.map(|exact| self.exact = exact).map_err(|_| "is not base64")
            }),
            EventKey::Partial => scalar(map)?.boolean().map(|flag| self.flags.partial = flag),
            EventKey::Truncated => scalar(map)?.boolean().map(|flag| self.flags.truncated = flag),
            EventKey::Suspect => scalar(map)?.boolean().map(|flag| self.flags.suspect = flag),
            EventKey::Bytes => scalar(map)?.length().map(|bytes| self.flags.bytes = bytes),
        })
    }

    fn has_message(&self) -> bool {
        self.message.is_some() || self.exact.is_some()
    }

    fn into_event(self) -> LogEvent {
        LogEvent {
            id: self.id,
            timestamp_ms: self.timestamp_ms.unwrap_or_default(),
            message: self.exact.or(self.message).unwrap_or_default(),
            flags: self.flags,
            extra: self.extra,
        }
    }
}

fn scalar<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Scalar<'de>, A::Error> {
    map.next_value()
}

/// The bytes of a string. Half a surrogate pair, as a client that counts in UTF-16 leaves where it cuts a line, stands there
/// as UTF-8 would write it: so it fails nobody else's entry.
fn text_bytes(value: &RawValue) -> Result<Option<Vec<u8>>, &'static str> {
    match value.get() {
        "null" => Ok(None),
        raw if raw.starts_with('"') => {
            let bytes: ByteBuf = serde_json::from_str(raw).map_err(|_| "is not a string")?;
            Ok(Some(bytes.into_vec()))
        }
        _ => Err("is not a string"),
    }
}

/// CloudWatch's ids are strings; emulators send numbers too, whose digits are the id however many they are.
fn id(value: &RawValue) -> Result<String, &'static str> {
    let raw = value.get();
    let is_number = raw.strip_prefix('-').unwrap_or(raw).bytes().all(|byte| byte.is_ascii_digit());
    let id = if is_number {
        raw.to_owned()
    } else {
        let value: Scalar<'_> = serde_json::from_str(raw).map_err(|_| "is not a string")?;
        value.text()?.unwrap_or_default().into_owned()
    };
    if id.len() > NAME_BYTES_MAX { Err("is longer than any name may be") } else { Ok(id) }
}

/// An account's id; emulators may write it as a number.
fn owner(value: Scalar<'_>, key: &str, reading: &mut Reading) -> String {
    if let Scalar::Unsigned(number) = value { number.to_string() } else { name(value, key, reading) }
}

fn name(value: Scalar<'_>, key: &str, reading: &mut Reading) -> String {
    match value.text() {
        Ok(Some(text)) if text.len() > NAME_BYTES_MAX => {
            reading.note(|| format!("`{key}` is longer than {NAME_BYTES_MAX} bytes"));
            String::new()
        }
        Ok(text) => text.unwrap_or_default().into_owned(),
        Err(problem) => {
            reading.note(|| format!("`{key}` {problem}"));
            String::new()
        }
    }
}
