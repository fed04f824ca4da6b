//! JSON lines: objects that keep their own fields.
//!
//! The object's text is kept as it stands (numbers as written, order of keys, repeated keys); it is read only to be
//! sure that it is JSON and to know its keys. What nests deeper than `serde_json` reads (128), has a number beyond a
//! 64-bit float or half a surrogate pair is no JSON here, so nobody further on fails to read it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::mysql::general::byte_order_mark;

/// One JSON object, read from a message that holds nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonObject<'a> {
    /// What stands between the braces, on one line, without blanks around it: empty, or ready to stand among other
    /// members.
    pub inner: Cow<'a, str>,
    /// The names of its own members, unescaped, as often as they occur.
    pub keys: Vec<Cow<'a, str>>,
}

impl JsonObject<'_> {
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether the object has a member of this name.
    pub fn has(&self, key: &str) -> bool {
        self.keys.iter().any(|own| own == key)
    }
}

/// Reads a message that is one JSON object; `None` for anything else. Blanks and newlines around it are allowed.
pub fn object(message: &[u8]) -> Option<JsonObject<'_>> {
    let text = object_text(message)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let keys = Keys::deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(JsonObject { inner: on_one_line(text.strip_prefix('{')?.strip_suffix('}')?.trim_ascii()), keys: keys.0 })
}

/// Objects one behind the other, with or without blanks and newlines between; `None` where anything else is there, but
/// for the beginning of one more on the line where an object ends: a record that was cut. That comes last.
pub fn objects(message: &[u8]) -> Option<Vec<&str>> {
    let text = message.get(byte_order_mark(message)..)?.trim_ascii();
    let text = if text.starts_with(b"{") { simdutf8::basic::from_utf8(text).ok()? } else { return None };
    let mut found = serde_json::Deserializer::from_str(text).into_iter::<Checked>();
    let (mut objects, mut from) = (Vec::new(), 0);
    while let Some(object) = found.next() {
        if object.is_err() {
            let rest = text.get(from..)?;
            let is_cut =
                !objects.is_empty() && rest.trim_start_matches([' ', '\t']).starts_with('{') && !rest.contains('\n');
            objects.push(Some(rest.trim_ascii()).filter(|_| is_cut)?);
            break;
        }
        let object = text.get(from..found.byte_offset())?.trim_ascii();
        objects.push(Some(object).filter(|object| object.starts_with('{'))?);
        from = found.byte_offset();
    }
    Some(objects)
}

/// Whether the message is one JSON object.
pub fn is_object(message: &[u8]) -> bool {
    object(message).is_some()
}

/// The trimmed message, if it could be an object.
fn object_text(message: &[u8]) -> Option<&str> {
    let text = message.get(byte_order_mark(message)..)?.trim_ascii();
    let braced = text.first() == Some(&b'{') && text.last() == Some(&b'}');
    if braced { simdutf8::basic::from_utf8(text).ok() } else { None }
}

/// In valid JSON a newline can only stand between tokens, and no two of them need it to be kept apart.
fn on_one_line(inner: &str) -> Cow<'_, str> {
    if inner.contains(['\n', '\r']) { Cow::Owned(inner.replace(['\n', '\r'], "")) } else { Cow::Borrowed(inner) }
}

/// The names of an object's members; their values are read and dropped.
struct Keys<'a>(Vec<Cow<'a, str>>);

impl<'de> Deserialize<'de> for Keys<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Keys<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys<'de>, A::Error> {
                let mut keys = Vec::new();
                while let Some(key) = map.next_key_seed(Key)? {
                    keys.push(key);
                    map.next_value::<Checked>()?;
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A key, borrowed where it has no escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

/// A value that was read as strictly as `serde_json::Value` is, and dropped. (`IgnoredAny` takes numbers out of range,
/// broken escapes and any depth.)
struct Checked;

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Checked)
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = Checked;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_str<E>(self, _: &str) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Checked, A::Error> {
        while items.next_element::<Checked>()?.is_some() {}
        Ok(Checked)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Checked, A::Error> {
        while members.next_entry::<Checked, Checked>()?.is_some() {}
        Ok(Checked)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn inner(message: &str) -> Option<String> {
        object(message.as_bytes()).map(|object| object.inner.into_owned())
    }

    #[test]
    fn the_text_between_the_braces_is_kept_as_written() {
        assert_eq!(inner("{\"a\": 1.50, \"b\":-0e1}").unwrap(), "\"a\": 1.50, \"b\":-0e1");
        assert_eq!(inner(" \t{ \"n\":12345678901234567890123 }\r\n").unwrap(), "\"n\":12345678901234567890123");
        assert_eq!(inner("\u{feff}{\"a\":\"\\u000a\"}").unwrap(), "\"a\":\"\\u000a\"");
        assert_eq!(inner("{\n  \"a\": [1,\r\n 2]\n}").unwrap(), "\"a\": [1, 2]");
    }

    #[test]
    fn keys_come_unescaped_and_only_from_the_top() {
        let message = br#"{"@timestamp":1,"a\u0062":{"c":2},"a":3,"a":4}"#;
        let object = object(message).unwrap();
        assert_eq!(object.keys, ["@timestamp", "ab", "a", "a"]);
        assert!(object.has("ab") && !object.has("c") && !object.is_empty());
    }

    #[test]
    fn an_object_without_members_is_empty() {
        assert!(object(b"{}").unwrap().is_empty());
        assert_eq!(inner("{ \n }").unwrap(), "");
    }

    #[test]
    fn what_others_could_not_read_is_no_json() {
        for message in ["", "{", "}", "{}{}", "[]", "{\"a\":1e999}", "{\"a\":\"\\ud800\"}", "{\"a\":\"\t\"}", "{a:1}"] {
            assert_eq!(inner(message), None, "{message}");
        }
        assert_eq!(object(b"{\"a\":\"\xe9\"}"), None);
    }

    #[test]
    fn nesting_is_read_as_deep_as_serde_json_does() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(inner(&nested(126)).is_some());
        assert_eq!(inner(&nested(127)), None);
        assert_eq!(inner(&nested(1_000_000)), None);
    }

    proptest! {
        #[test]
        fn what_is_taken_is_what_serde_json_takes(message in "[{}\\[\\]\":,a1\\\\e. \n-]{0,24}") {
            let value = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&message);
            prop_assert_eq!(object(message.as_bytes()).is_some(), value.is_ok());
        }

        #[test]
        fn the_inner_text_in_braces_is_the_same_object(value in r#"\{("[ab]{1,3}": ?[0-9]{1,3})?(,\n"c": ?\[1, ?2\])?\}"#) {
            if let Ok(expected) = serde_json::from_str::<serde_json::Value>(&value) {
                let line = format!("{{{}}}", inner(&value).unwrap());
                prop_assert!(!line.contains('\n'));
                prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), expected);
            }
        }
    }
}
