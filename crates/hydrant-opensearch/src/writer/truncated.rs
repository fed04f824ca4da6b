//! A document that is too large, made smaller: its longest text is cut, and all else stays as it was written.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Says in the document that it was cut.
const TRUNCATED: &str = "truncated";

/// The document with its longest text cut, so that it has at most so many bytes. `None`: no text is long enough.
pub(super) fn truncated(source: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    let Members(mut members) = serde_json::from_slice(source).ok()?;
    members.retain(|(name, _)| name != TRUNCATED);
    let texts = members
        .iter()
        .enumerate()
        .filter_map(|(place, (_, value))| Some((place, value.get().strip_prefix('"')?.strip_suffix('"')?)));
    let (place, text) = texts.max_by_key(|(_, text)| text.len())?;
    let (mut head, mut tail) = (b"{".to_vec(), b"\"".to_vec());
    for (other, (name, value)) in members.iter().enumerate() {
        let out = if other <= place { &mut head } else { &mut tail };
        if other > 0 {
            out.push(b',');
        }
        serde_json::to_writer(&mut *out, name).ok()?;
        out.push(b':');
        out.extend_from_slice(if other == place { b"\"" } else { value.get().as_bytes() });
    }
    tail.extend_from_slice(b",\"truncated\":true}");
    let room = bytes_max.checked_sub(head.len() + tail.len())?;
    let kept = beginning(text, room);
    if kept.is_empty() {
        return None;
    }
    head.extend_from_slice(kept.as_bytes());
    head.append(&mut tail);
    Some(head)
}

/// As much of a JSON string's inside as has at most so many bytes, up to the end of a character.
fn beginning(inside: &str, bytes_max: usize) -> &str {
    let (mut kept, mut rest) = ("", inside);
    while !rest.is_empty() {
        let end = inside.len() - rest.len() + character_bytes(rest);
        match (inside.get(..end), inside.get(end..)) {
            (Some(before), Some(behind)) if end <= bytes_max => (kept, rest) = (before, behind),
            _ => break,
        }
    }
    kept
}

/// Bytes of the first character as it is written: an escape, a pair of escapes, or itself.
fn character_bytes(inside: &str) -> usize {
    match inside.as_bytes() {
        [b'\\', b'u', first @ ..] => match first {
            [
                b'd' | b'D',
                b'8' | b'9' | b'a' | b'b' | b'A' | b'B',
                _,
                _,
                b'\\',
                b'u',
                b'd' | b'D',
                b'c'..=b'f' | b'C'..=b'F',
                ..,
            ] => 12,
            _ => 6,
        },
        [b'\\', ..] => 2,
        _ => inside.chars().next().map_or(1, char::len_utf8),
    }
}

/// An object's members in their order, values as they are written.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Members<'a>, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        json.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::truncated;

    fn cut(source: &str, bytes_max: usize) -> Option<String> {
        Some(String::from_utf8(truncated(source.as_bytes(), bytes_max)?).expect("text"))
    }

    #[test]
    fn the_longest_text_is_cut_and_the_cut_is_said() {
        let source = format!(r#"{{"Time":"t","Statement":"{}","PID":5}}"#, "é\\n".repeat(1_000));
        let expected = format!(r#"{{"Time":"t","Statement":"{}","PID":5,"truncated":true}}"#, "é\\n".repeat(100));
        assert_eq!(cut(&source, expected.len()), Some(expected.clone()));
        // No half of an escape or of a character is kept.
        let less = expected.replacen("é\\n\"", "é\"", 1);
        assert_eq!(cut(&source, expected.len() - 1), Some(less.clone()));
        assert_eq!(cut(&source, expected.len() - 2), Some(less.clone()));
        assert_eq!(cut(&source, expected.len() - 3), Some(less.replacen("é\"", "\"", 1)));
        assert_eq!(cut(r#"{"a":5,"b":"x"}"#, 10), None);
        assert_eq!(cut("[]", 10), None);
        assert_eq!(cut(r#"{"a":5}"#, 100), None);
        assert_eq!(cut(r#"{"a":"x"}"#, 100).as_deref(), Some(r#"{"a":"x","truncated":true}"#));
        assert_eq!(cut(r#"{"truncated":"x","a":"y"}"#, 100).as_deref(), Some(r#"{"a":"y","truncated":true}"#));
    }

    #[test]
    fn everything_but_the_text_stays_as_it_was_written() {
        let members = r#""big":99999999999999999999,"price":1.10,"exp":1E+400,"zero":-0,"o":{"n": 1.0, "t":"\u00e9\/"},"a":[ 0.10 ]"#;
        for (before, behind) in [(format!("{members},"), String::new()), (String::new(), format!(",{members}"))] {
            let source = format!(r#"{{{before}"Statement":"{}"{behind}}}"#, "x".repeat(1_000));
            let expected = format!(r#"{{{before}"Statement":"{}"{behind},"truncated":true}}"#, "x".repeat(50));
            assert_eq!(cut(&source, expected.len()), Some(expected));
        }
    }

    #[test]
    fn a_pair_of_escapes_stays_together() {
        let with = |text: &str| format!(r#"{{"a":"{text}","truncated":true}}"#);
        for (text, kept) in [
            (r"\ud83d\ude00", [r"\ud83d\ude00", ""]),
            (r"\uD83D\uDE00", [r"\uD83D\uDE00", ""]),
            // One of a pair alone is not ours to judge.
            (r"\ud83d\u0041", [r"\ud83d\u0041", r"\ud83d"]),
            (r"\\u0041", [r"\\u0041", r"\\u004"]),
        ] {
            let source = format!(r#"{{"a":"x{text}{text}"}}"#);
            let full = with(&format!("x{text}{}", kept[0])).len();
            assert_eq!(cut(&source, full), Some(with(&format!("x{text}{}", kept[0]))), "{text}");
            assert_eq!(cut(&source, full - 1), Some(with(&format!("x{text}{}", kept[1]))), "{text}");
        }
    }
}
