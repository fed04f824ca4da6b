//! Walks the JSON object of a document: every field by its full name, every value as it stands.
//!
//! The text may come from anywhere: nesting, values and names are checked as OpenSearch checks them, with its reasons.
//! A document has at most [`VALUES_MAX`] values (OpenSearch has no such limit). Strings are borrowed where they hold
//! no escapes. What the values mean for a mapping is not decided here.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use hydrant_transform::document::Reason;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// OpenSearch's `index.mapping.depth.limit`, the document itself counted.
const DEPTH_MAX: usize = 20;

/// Values of one document, nulls counted.
const VALUES_MAX: usize = 100_000;

/// Names that OpenSearch keeps for itself.
const METADATA: [&str; 9] =
    ["_id", "_index", "_source", "_routing", "_seq_no", "_version", "_field_names", "_ignored", "_nested_path"];

/// Up to so many keys of an object are compared one by one.
const KEYS_COMPARED: usize = 32;

/// A value that is neither null, nor an object, nor an array.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Leaf<'a> {
    Boolean(bool),
    /// As it stands in the JSON text.
    Number(&'a str),
    String(Cow<'a, str>),
}

/// Takes what a walk finds. `name` is the full name.
pub(super) trait Sink<'a> {
    fn leaf(&mut self, name: &str, leaf: Leaf<'a>) -> Result<(), Reason>;

    /// An object was found under this name; `text` is its JSON.
    fn object(&mut self, name: &str, text: &str) -> Result<(), Reason>;

    /// The key `whole` has dots: `name` is the part of it before one of them.
    fn parent(&mut self, name: &str, whole: &str) -> Result<(), Reason>;
}

/// Walks a document in its own order. The first problem ends the walk.
pub(super) fn walk<'a>(source: &'a [u8], sink: &mut impl Sink<'a>) -> Result<(), Reason> {
    let text = std::str::from_utf8(source).map_err(|error| {
        let byte = source.get(error.valid_up_to()).copied().unwrap_or_default();
        parsing(format!("Invalid UTF-8 start byte 0x{byte:02x}"))
    })?;
    let start = text.trim_start_matches([' ', '\t', '\r', '\n']);
    if start.is_empty() {
        return Err(parsing("failed to parse, document is empty"));
    }
    if !start.starts_with('{') {
        return Err(Reason::new(
            "not_x_content_exception",
            "Compressor detection can only be called on some xcontent bytes or compressed xcontent bytes",
        ));
    }
    let mut walk = Walk { sink, depth: 0, values: 0, problem: None };
    walk.object("", text)
}

pub(super) fn parsing(message: impl Into<String>) -> Reason {
    Reason::new("mapper_parsing_exception", message)
}

struct Walk<'s, S> {
    sink: &'s mut S,
    depth: usize,
    values: usize,
    /// What ended the walk, while serde carries a placeholder outwards.
    problem: Option<Reason>,
}

impl<'a, S: Sink<'a>> Walk<'_, S> {
    fn object(&mut self, name: &str, text: &'a str) -> Result<(), Reason> {
        self.container(text, |walk, json| walk_map(json, Members { walk, name }))
    }

    fn array(&mut self, name: &str, text: &'a str) -> Result<(), Reason> {
        self.container(text, |walk, json| serde::Deserializer::deserialize_seq(json, Elements { walk, name }))
    }

    fn container(
        &mut self,
        text: &'a str,
        read: impl FnOnce(&mut Self, &mut serde_json::Deserializer<serde_json::de::StrRead<'a>>) -> serde_json::Result<()>,
    ) -> Result<(), Reason> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(parsing(format!(
                "The depth of the field has exceeded the allowed limit of [{DEPTH_MAX}]. This limit can be set by \
                 changing the [index.mapping.depth.limit] index level setting."
            )));
        }
        let mut json = serde_json::Deserializer::from_str(text);
        let end = read(self, &mut json).and_then(|()| json.end());
        self.depth -= 1;
        end.map_err(|error| self.problem.take().unwrap_or_else(|| syntax(&error)))
    }

    fn value(&mut self, name: &str, text: &'a str) -> Result<(), Reason> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(Reason::new(
                "illegal_argument_exception",
                format!("the document has more than [{VALUES_MAX}] values"),
            ));
        }
        match text.as_bytes().first() {
            Some(b'{') => {
                self.sink.object(name, text)?;
                self.object(name, text)
            }
            Some(b'[') => self.array(name, text),
            Some(b'"') => self.sink.leaf(name, Leaf::String(string(text))),
            Some(b't') => self.sink.leaf(name, Leaf::Boolean(true)),
            Some(b'f') => self.sink.leaf(name, Leaf::Boolean(false)),
            Some(b'n') | None => Ok(()),
            Some(_) => self.sink.leaf(name, Leaf::Number(text)),
        }
    }

    fn member(&mut self, object: &str, key: &str, text: &'a str) -> Result<(), Reason> {
        if object.is_empty() && METADATA.contains(&key) {
            return Err(parsing(format!(
                "Field [{key}] is a metadata field and cannot be added inside a document. Use the index API request \
                 parameters."
            )));
        }
        let key = checked(key)?;
        if object.is_empty() && !key.contains('.') {
            return self.value(key, text);
        }
        let name = if object.is_empty() { Cow::Borrowed(key) } else { Cow::Owned(format!("{object}.{key}")) };
        let own = name.len() - key.len();
        for (dot, _) in key.match_indices('.') {
            self.sink.parent(name.get(..own + dot).unwrap_or_default(), &name)?;
        }
        self.value(&name, text)
    }

    fn fail<E: serde::de::Error>(&mut self, problem: Reason) -> E {
        self.problem = Some(problem);
        E::custom("")
    }
}

fn walk_map<'a, S: Sink<'a>>(
    json: &mut serde_json::Deserializer<serde_json::de::StrRead<'a>>,
    members: Members<'_, '_, S>,
) -> serde_json::Result<()> {
    serde::Deserializer::deserialize_map(json, members)
}

/// OpenSearch drops dots at the end of a name, as Java's `split` does, and refuses other empty parts.
fn checked(key: &str) -> Result<&str, Reason> {
    if key.is_empty() {
        return Err(parsing("field name cannot be an empty string"));
    }
    if !key.contains('.') {
        return Ok(key);
    }
    let trimmed = key.trim_end_matches('.');
    if trimmed.is_empty() {
        return Err(parsing("field name cannot contain only the character [.]"));
    }
    if trimmed.split('.').any(str::is_empty) {
        return Err(parsing(format!(
            "object field starting or ending with a [.] makes object resolution ambiguous: [{key}]"
        )));
    }
    Ok(trimmed)
}

fn syntax(error: &serde_json::Error) -> Reason {
    // serde_json's sentences quote nothing but single characters.
    parsing(format!("failed to parse: {error}"))
}

struct Members<'w, 's, S> {
    walk: &'w mut Walk<'s, S>,
    name: &'w str,
}

impl<'a, S: Sink<'a>> Visitor<'a> for Members<'_, '_, S> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = Seen::default();
        while let Some(key) = map.next_key_seed(Key)? {
            let text = map.next_value::<&RawValue>()?.get();
            if !seen.insert(key.clone()) {
                return Err(self.walk.fail(parsing(format!("Duplicate field '{key}'"))));
            }
            self.walk.member(self.name, &key, text).map_err(|problem| self.walk.fail::<A::Error>(problem))?;
        }
        Ok(())
    }
}

struct Elements<'w, 's, S> {
    walk: &'w mut Walk<'s, S>,
    name: &'w str,
}

impl<'a, S: Sink<'a>> Visitor<'a> for Elements<'_, '_, S> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(raw) = seq.next_element::<&RawValue>()? {
            self.walk.value(self.name, raw.get()).map_err(|problem| self.walk.fail::<A::Error>(problem))?;
        }
        Ok(())
    }
}

/// A key, borrowed where it has no escapes.
struct Key;

impl<'a> DeserializeSeed<'a> for Key {
    type Value = Cow<'a, str>;

    fn deserialize<D: serde::Deserializer<'a>>(self, deserializer: D) -> Result<Cow<'a, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'a> Visitor<'a> for Key {
    type Value = Cow<'a, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, key: &'a str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Cow<'a, str>, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

/// The keys of one object so far.
#[derive(Default)]
struct Seen<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Seen<'a> {
    /// Whether it is new.
    fn insert(&mut self, key: Cow<'a, str>) -> bool {
        if self.few.contains(&key) {
            return false;
        }
        if self.few.len() < KEYS_COMPARED {
            self.few.push(key);
            return true;
        }
        self.many.insert(key)
    }
}

/// The string that a valid JSON string stands for. Lone surrogates, which UTF-8 cannot hold, become U+FFFD.
fn string(json: &str) -> Cow<'_, str> {
    let inner = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or(json);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    if let Ok(text) = serde_json::from_str::<String>(json) {
        return Cow::Owned(text);
    }
    Cow::Owned(with_lone_surrogates(inner))
}

fn with_lone_surrogates(inner: &str) -> String {
    let mut text = String::with_capacity(inner.len());
    let mut units: Vec<u16> = Vec::new();
    let mut rest = inner;
    while !rest.is_empty() {
        if let Some((unit, after)) = unicode_escape(rest) {
            units.push(unit);
            rest = after;
            continue;
        }
        flush(&mut units, &mut text);
        let length = rest.chars().next().map_or(1, |first| if first == '\\' { 2 } else { first.len_utf8() });
        let (piece, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        if piece.len() == 2 && piece.starts_with('\\') {
            text.push_str(&serde_json::from_str::<String>(&format!("\"{piece}\"")).unwrap_or_default());
        } else {
            text.push_str(piece);
        }
        rest = after;
    }
    flush(&mut units, &mut text);
    text
}

fn unicode_escape(rest: &str) -> Option<(u16, &str)> {
    let (digits, after) = rest.strip_prefix("\\u")?.split_at_checked(4)?;
    Some((u16::from_str_radix(digits, 16).ok()?, after))
}

fn flush(units: &mut Vec<u16>, text: &mut String) {
    text.extend(char::decode_utf16(units.drain(..)).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
}

#[cfg(test)]
mod tests;
