//! A value that its field's mapping refuses, moved to a field of text beside it: `a.b` to `a.b_text`.
//!
//! Which field, the server's own sentence tells. The rest of the document stays as it was written, byte for byte but for
//! escapes in names on the way to the field.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{Field, Profile, Reason};
use crate::document::timestamp::{MICROS_END, write_rfc3339};
use crate::json;
use crate::json::members::Members as AllMembers;
use crate::json::scalar::Name;

/// Ends the name of the field that takes the value.
const TEXT: &str = "_text";

/// Objects and arrays on the way to a field; OpenSearch takes no more than 20 objects.
const DEPTH_MAX: usize = 32;

/// The field that a refusal names, if the refusal is that a value does not fit its mapping. Sentences are those of
/// OpenSearch 2.19 and 3.x, and of the embedded index.
pub fn conflicting_field(reason: &Reason) -> Option<&str> {
    if !["mapper_parsing_exception", "illegal_argument_exception"].contains(&reason.code.as_ref()) {
        return None;
    }
    let message = reason.message.as_str();
    let named = |begin: &str, end: &str| message.strip_prefix(begin)?.split_once(end).map(|(field, _)| field);
    let field = named("failed to parse field [", "] of type [")
        .or_else(|| named("object mapping for [", "] tried to parse field ["))
        // The object that is in the way of the field.
        .or_else(|| {
            let (_, behind) = message
                .strip_prefix("Could not dynamically add mapping for field [")?
                .split_once("]. Existing mapping for [")?;
            behind.split_once("] must be of type object").map(|(field, _)| field)
        })
        .or_else(|| named("mapper [", "] cannot be changed from type ["))
        .or_else(|| named("can't merge a non object mapping [", "] with an object mapping"));
    field.filter(|field| !field.is_empty())
}

/// The document with the value of this field, as text, in another one. An object or an array is its JSON. `None`: the
/// field is not in the document, or the other one is there already.
///
/// A document keeps its time: where the field was its own `@timestamp`, the log event's stands there.
pub fn with_field_as_text(source: &[u8], field: &str, timestamp_ms: i64) -> Option<Vec<u8>> {
    let path: Vec<&str> = field.split('.').collect();
    let mut moved = object(source)?.moved(&path, DEPTH_MAX)?;
    if field == Field::Timestamp.name(Profile::Classic) {
        let micros = timestamp_ms.checked_mul(1_000).filter(|micros| (0..MICROS_END).contains(micros))?;
        let mut time = b"\"".to_vec();
        write_rfc3339(&mut time, micros);
        time.push(b'"');
        moved.0.insert(0, (Cow::Borrowed(field), Value::Written(time)));
    }
    let mut out = Vec::with_capacity(source.len() + TEXT.len() + 2);
    moved.write(&mut out);
    Some(out)
}

/// An object's members in their order.
struct Members<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

enum Value<'a> {
    /// As it stands in the document.
    Raw(&'a RawValue),
    Written(Vec<u8>),
}

impl Value<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Value::Raw(raw) => raw.get().as_bytes(),
            Value::Written(bytes) => bytes,
        }
    }
}

impl<'a> Members<'a> {
    /// `None`: nothing of this path is here, or its place is taken.
    fn moved(self, path: &[&str], depth: usize) -> Option<Members<'a>> {
        let whole = path.join(".");
        let below = format!("{whole}.");
        let name = format!("{whole}{TEXT}");
        // Where both are there, the value gives way to the object that names with dots make.
        let is_whole = self.0.iter().any(|(key, _)| *key == whole);
        let (mut members, mut rest, mut found) = (Vec::new(), Vec::new(), None);
        for (key, value) in self.0 {
            if key == whole {
                found = Some(text(value.bytes()));
            } else if let Some(key) = key.strip_prefix(&below).filter(|_| !is_whole) {
                rest.push((Cow::Owned(key.to_owned()), value));
            } else if key == name {
                return None;
            } else {
                members.push((key, value));
            }
        }
        if !rest.is_empty() {
            // Names with dots made an object of it.
            let mut object = Vec::new();
            Members(rest).write(&mut object);
            found = Some(text(&object));
        }
        if let Some(found) = found {
            members.push((Cow::Owned(name), Value::Written(found)));
            return Some(Members(members));
        }
        // The way may lead through objects, whose names may hold several parts of it.
        let mut is_moved = false;
        for (key, value) in &mut members {
            let parts = key.split('.').count();
            let behind = path.get(parts..).filter(|behind| !behind.is_empty());
            let on_the_way = path.get(..parts).is_some_and(|beginning| beginning.iter().copied().eq(key.split('.')));
            let Some(behind) = behind.filter(|_| on_the_way) else { continue };
            if let Some(written) = moved_in(value.bytes(), behind, depth.checked_sub(1)?)? {
                *value = Value::Written(written);
                is_moved = true;
            }
        }
        is_moved.then_some(Members(members))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (key, value) in &self.0 {
            if out.last() != Some(&b'{') {
                out.push(b',');
            }
            json::write_str(out, key);
            out.push(b':');
            out.extend_from_slice(value.bytes());
        }
        out.push(b'}');
    }
}

/// Within an object, or each object of an array. `Some(None)`: nothing of the path is in it. `None`: it cannot be moved.
#[expect(clippy::option_option, reason = "the two mean different things")]
fn moved_in(value: &[u8], path: &[&str], depth: usize) -> Option<Option<Vec<u8>>> {
    match value.first() {
        Some(b'{') => Some(object(value)?.moved(path, depth).map(|moved| {
            let mut out = Vec::new();
            moved.write(&mut out);
            out
        })),
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_slice(value).ok()?;
            let (mut out, mut is_moved) = (b"[".to_vec(), false);
            for item in items {
                if out.len() > 1 {
                    out.push(b',');
                }
                let item = item.get().as_bytes();
                let moved = moved_in(item, path, depth.checked_sub(1)?)?;
                is_moved |= moved.is_some();
                out.extend_from_slice(moved.as_deref().unwrap_or(item));
            }
            out.push(b']');
            Some(is_moved.then_some(out))
        }
        Some(_) | None => Some(None),
    }
}

/// A value as a JSON string: a string as it is, anything else as its JSON.
fn text(value: &[u8]) -> Vec<u8> {
    if value.first() == Some(&b'"') {
        return value.to_vec();
    }
    let mut out = Vec::with_capacity(value.len() + 2);
    json::write_str(&mut out, &String::from_utf8_lossy(value));
    out
}

/// `None`: it is no JSON object.
fn object(json: &[u8]) -> Option<Members<'_>> {
    let AllMembers::<Name<'_>, &RawValue>(members) = serde_json::from_slice(json).ok()?;
    Some(Members(members.into_iter().map(|(Name(key), value)| (key, Value::Raw(value))).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_the_field_that_does_not_fit() {
        let mapper = "mapper_parsing_exception";
        for (code, message, field) in [
            (
                mapper,
                "failed to parse field [a.b] of type [long] in document with id '3'. Preview of field's value: 'x'",
                Some("a.b"),
            ),
            (
                mapper,
                "object mapping for [o.p] tried to parse field [p] as object, but found a concrete value",
                Some("o.p"),
            ),
            (
                mapper,
                "Could not dynamically add mapping for field [a.b]. Existing mapping for [a] must be of type object but found [long].",
                Some("a"),
            ),
            ("illegal_argument_exception", "mapper [a] cannot be changed from type [text] to [long]", Some("a")),
            (
                "illegal_argument_exception",
                "can't merge a non object mapping [a.b] with an object mapping",
                Some("a.b"),
            ),
            ("illegal_argument_exception", "Limit of total fields [1000] has been exceeded", None),
            (mapper, "failed to parse", None),
            (mapper, "failed to parse field [] of type [long] in", None),
            ("strict_dynamic_mapping_exception", "failed to parse field [a] of type [long] in", None),
        ] {
            assert_eq!(conflicting_field(&Reason::new(code, message)), field, "{message}");
        }
    }

    fn moved(source: &str, field: &str) -> Option<String> {
        let moved = with_field_as_text(source.as_bytes(), field, 1_795_392_000_123)?;
        Some(String::from_utf8(moved).unwrap())
    }

    #[test]
    fn the_value_is_text_in_a_field_beside() {
        for (source, field, expected) in [
            (r#"{"n":1.10,"a":"x\n\u00e9","z":1e400}"#, "a", r#"{"n":1.10,"z":1e400,"a_text":"x\n\u00e9"}"#),
            (r#"{"a":12345678901234567890}"#, "a", r#"{"a_text":"12345678901234567890"}"#),
            (r#"{"a":true}"#, "a", r#"{"a_text":"true"}"#),
            (r#"{"a":{"b": "\"q\""},"c":1}"#, "a", r#"{"c":1,"a_text":"{\"b\": \"\\\"q\\\"\"}"}"#),
            (r#"{"a":["x",1]}"#, "a", r#"{"a_text":"[\"x\",1]"}"#),
            (r#"{"a":{"b":[1],"c":2}}"#, "a.b", r#"{"a":{"c":2,"b_text":"[1]"}}"#),
            (r#"{"a.b":"x"}"#, "a.b", r#"{"a.b_text":"x"}"#),
            (r#"{"a.b":{"c.d":"x"}}"#, "a.b.c.d", r#"{"a.b":{"c.d_text":"x"}}"#),
            // What a dotted name makes an object of.
            (r#"{"a.b":5,"a.c":"x","d":1}"#, "a", r#"{"d":1,"a_text":"{\"b\":5,\"c\":\"x\"}"}"#),
            (r#"{"a.b":2,"a":1}"#, "a", r#"{"a.b":2,"a_text":"1"}"#),
            (r#"{"a":[{"b":1},{"c":2},{"b":"x"},7]}"#, "a.b", r#"{"a":[{"b_text":"1"},{"c":2},{"b_text":"x"},7]}"#),
            (
                r#"{"@timestamp":"noon","x":1}"#,
                "@timestamp",
                r#"{"@timestamp":"2026-11-23T00:00:00.123000Z","x":1,"@timestamp_text":"noon"}"#,
            ),
        ] {
            let told = moved(source, field).unwrap();
            assert_eq!(told, expected, "{source}");
            // The same again, for the same document.
            assert_eq!(moved(source, field).unwrap(), told);
        }
    }

    #[test]
    fn what_is_not_there_or_has_no_place_is_not_moved() {
        for (source, field) in [
            (r#"{"b":1}"#, "a"),
            (r#"{"a":1}"#, "a.b"),
            (r#"{"a":1,"a_text":"taken"}"#, "a"),
            (r#"{"a":{"b":1,"b_text":2}}"#, "a.b"),
            ("[]", "a"),
            ("{", "a"),
        ] {
            assert_eq!(moved(source, field), None, "{source} {field}");
        }
        let deep = format!("{}1{}", r#"{"a":"#.repeat(40), "}".repeat(40));
        assert_eq!(moved(&deep, &vec!["a"; 40].join(".")), None);
    }
}
