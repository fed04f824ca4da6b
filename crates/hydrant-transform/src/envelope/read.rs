//! Reading the JSON objects of a record with serde, in one pass and without a tree.
//!
//! A key of the wrong type, or there twice, does not end the reading: it is remembered, since it is an error only if
//! the object turns out to be an envelope. No error quotes a value.

use std::borrow::Cow;
use std::fmt;

use base64_simd::STANDARD;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::decode::Envelope;
use super::{EVENTS_MAX, EventFlags, Extra, LogEvent, NAME_BYTES_MAX};

/// 2^53: up to here a float holds whole numbers exactly.
const FLOAT_EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// CloudWatch allows two filters on a log group.
const FILTERS_MAX: usize = 64;

/// What the objects of one record have in common while they are read.
#[derive(Default)]
pub(super) struct Reading {
    /// The first key that an envelope must not have like this.
    problem: Option<String>,
    events: usize,
}

impl Reading {
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
                ObjectKey::Owner => envelope.owner = name(map.next_value()?, &name_of, reading),
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
            return Ok(Some(envelope));
        }
        if message_type.is_none() || !seen.contains(ObjectKey::LogEvents as u8) {
            return Ok(None);
        }
        reading.note(|| "`messageType` is neither DATA_MESSAGE nor CONTROL_MESSAGE".into());
        Ok(Some(envelope))
    }
}

/// The name of a member, borrowed where it has no escapes.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Name<'de>, D::Error> {
        json.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(name)))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(name.to_owned())))
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
            if self.0.events == EVENTS_MAX {
                // Not kept, but read to the end: whether this is an envelope at all may come later.
                self.0.note(|| format!("more than {EVENTS_MAX} log events"));
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
            let value = map.next_value::<Scalar<'de>>()?;
            if !seen.insert(key as u8) {
                reading.note(|| format!("`logEvents[{idx}].{name}` is there twice"));
            } else if let Err(problem) = fields.set(key, value) {
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
    fn set(&mut self, key: EventKey, value: Scalar<'_>) -> Result<(), &'static str> {
        match key {
            EventKey::Id => self.id = id(value)?,
            EventKey::Timestamp => self.timestamp_ms = Some(value.integer()?),
            EventKey::Message => self.message = value.text()?.map(|text| text.into_owned().into_bytes()),
            EventKey::MessageBase64 => {
                let exact = value.text()?.map(|text| STANDARD.decode_to_vec(text.as_bytes())).transpose();
                self.exact = exact.map_err(|_| "is not base64")?;
            }
            EventKey::Partial => self.flags.partial = value.boolean()?,
            EventKey::Truncated => self.flags.truncated = value.boolean()?,
            EventKey::Suspect => self.flags.suspect = value.boolean()?,
            EventKey::Bytes => self.flags.bytes = value.length()?,
        }
        Ok(())
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

/// CloudWatch's ids are strings; emulators send numbers too.
fn id(value: Scalar<'_>) -> Result<String, &'static str> {
    let id = match value {
        Scalar::Unsigned(number) => number.to_string(),
        Scalar::Signed(number) => number.to_string(),
        Scalar::Text(_) | Scalar::Float(_) | Scalar::Bool(_) | Scalar::Null | Scalar::Container => {
            value.text()?.unwrap_or_default().into_owned()
        }
    };
    if id.len() > NAME_BYTES_MAX { Err("is longer than any name may be") } else { Ok(id) }
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

/// Any JSON value, the inside of arrays and objects passed over.
enum Scalar<'de> {
    Text(Cow<'de, str>),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
    Null,
    Container,
}

impl<'de> Scalar<'de> {
    /// Null counts as absent, for every key.
    fn text(self) -> Result<Option<Cow<'de, str>>, &'static str> {
        match self {
            Scalar::Text(text) => Ok(Some(text)),
            Scalar::Null => Ok(None),
            Scalar::Unsigned(_) | Scalar::Signed(_) | Scalar::Float(_) | Scalar::Bool(_) | Scalar::Container => {
                Err("is not a string")
            }
        }
    }

    fn boolean(self) -> Result<bool, &'static str> {
        match self {
            Scalar::Bool(flag) => Ok(flag),
            Scalar::Null => Ok(false),
            Scalar::Text(_) | Scalar::Unsigned(_) | Scalar::Signed(_) | Scalar::Float(_) | Scalar::Container => {
                Err("is not true or false")
            }
        }
    }

    /// A whole number; JavaScript's and Python's emulators write some as floats.
    fn integer(self) -> Result<i64, &'static str> {
        match self {
            Scalar::Signed(number) => Ok(number),
            Scalar::Unsigned(number) => i64::try_from(number).map_err(|_| "is out of range"),
            Scalar::Float(number) if number.fract() == 0.0 && number.abs() <= FLOAT_EXACT_MAX => {
                format!("{number:.0}").parse().map_err(|_| "is out of range")
            }
            Scalar::Float(_) | Scalar::Text(_) | Scalar::Bool(_) | Scalar::Null | Scalar::Container => {
                Err("is not a whole number")
            }
        }
    }

    fn length(self) -> Result<Option<u64>, &'static str> {
        match self {
            Scalar::Unsigned(number) => Ok(Some(number)),
            Scalar::Null => Ok(None),
            Scalar::Signed(_) | Scalar::Float(_) | Scalar::Text(_) | Scalar::Bool(_) | Scalar::Container => {
                Err("is not a length")
            }
        }
    }
}

impl<'de> Deserialize<'de> for Scalar<'de> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Scalar<'de>, D::Error> {
        json.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Unsigned(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Signed(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Float(number))
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Bool(flag))
    }

    fn visit_unit<E: Error>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Scalar<'de>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Container)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Container)
    }
}
