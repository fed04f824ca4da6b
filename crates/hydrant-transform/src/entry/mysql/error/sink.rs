//! The JSON sink of MySQL 8.0 and later: one object a line, whose members vary from message to message.

use std::borrow::Cow;

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::entry::json;
use crate::json::members::Members;
use crate::json::scalar::Name;

/// One entry of the JSON sink.
#[derive(Clone, Debug)]
pub struct SinkEntry<'a> {
    /// RFC 3339 with six fraction digits.
    pub time: Cow<'a, str>,
    pub thread_id: Option<u64>,
    pub label: Cow<'a, str>,
    /// 10926 is what the traditional log writes as `MY-010926`.
    pub code: u64,
    pub subsystem: Option<Cow<'a, str>>,
    pub message: Cow<'a, str>,
    /// All other members, in their order, as they stand.
    pub rest: Vec<(Cow<'a, str>, &'a RawValue)>,
}

/// Reads one entry: `None` when the message is no JSON object with `err_code`, `label`, `msg` and `time`.
pub fn parse_sink(message: &[u8]) -> Option<SinkEntry<'_>> {
    memmem::find(message, b"\"err_code\"")?;
    let object = json::object(message)?;
    if !["err_code", "label", "msg", "time"].iter().all(|key| object.has(key)) {
        return None;
    }
    let start = message.iter().position(|byte| *byte == b'{')?;
    let Members::<Name<'_>, &RawValue>(members) = serde_json::from_slice(message.get(start..)?).ok()?;
    let (mut time, mut label, mut code, mut text) = (None, None, None, None);
    let (mut thread_id, mut subsystem) = (None, None);
    let mut rest = Vec::with_capacity(members.len());
    for (Name(key), value) in members {
        // What occurs again with another value, or has another type, is kept as it stands.
        let taken = match key.as_ref() {
            "time" => set(&mut time, string(value)),
            "label" => set(&mut label, string(value)),
            "msg" => set(&mut text, string(value)),
            "subsystem" => set(&mut subsystem, string(value)),
            "err_code" => set(&mut code, value.get().parse().ok()),
            "thread" => set(&mut thread_id, value.get().parse().ok().filter(|id| i64::try_from(*id).is_ok())),
            _ => false,
        };
        if !taken {
            rest.push((key, value));
        }
    }
    Some(SinkEntry { time: time?, thread_id, label: label?, code: code?, subsystem, message: text?, rest })
}

/// Whether the value stands in its slot now. The server writes some members twice.
fn set<T: PartialEq>(slot: &mut Option<T>, value: Option<T>) -> bool {
    if slot.is_none() {
        *slot = value;
        slot.is_some()
    } else {
        *slot == value
    }
}

fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Text<'_>>(value.get()).ok().map(|text| text.0)
}
