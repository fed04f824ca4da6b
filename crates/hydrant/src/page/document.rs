//! One document, whole.

use maud::{Markup, html};
use serde_json::Value;

use super::html::shell;

pub(super) fn page(index_name: &str, id: &str, source: &[u8]) -> Markup {
    let parsed = parse(source);
    let body = html! {
        h1 { "Entry" }
        dl.document {
            @for (name, value) in parsed.as_object().into_iter().flatten() {
                dt { (name) }
                dd { (field(name, value)) }
            }
        }
        h2 { "As stored" }
        p { "Index " code { (index_name) } ", id " code { (id) } }
        pre.source tabindex="0" { (String::from_utf8_lossy(source)) }
    };
    shell("Entry – Hydrant", &body)
}

/// A document's fields. Half of a surrogate pair, which a program leaves that cuts a line, is shown as a replacement
/// character.
pub(super) fn parse(source: &[u8]) -> Value {
    let text = String::from_utf8_lossy(source);
    serde_json::from_str(&text).or_else(|_| serde_json::from_str(&whole_characters(&text))).unwrap_or(Value::Null)
}

/// The text with `\ufffd` in the place of every escape that is half of a character.
fn whole_characters(text: &str) -> String {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let (mut out, mut from) = (String::with_capacity(text.len()), 0);
    while let Some(found) = text.get(from..).and_then(|rest| rest.find('\\')) {
        let at = from + found;
        out.push_str(text.get(from..at).unwrap_or_default());
        let (escape, length) = match (unit(at), unit(at + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (text.get(at..at + 12), 12),
            (Some(0xD800..=0xDFFF), _) => (Some("\\ufffd"), 6),
            // Its second character may be a backslash, which begins nothing.
            _ => (text.get(at..at + 2), 2),
        };
        out.push_str(escape.unwrap_or_default());
        from = at + length;
    }
    out + text.get(from..).unwrap_or_default()
}

fn field(name: &str, value: &Value) -> Markup {
    match value {
        Value::String(text) if name == "@timestamp" => html! { time datetime=(text) { (text) } },
        Value::String(text) => html! { pre { (text) } },
        Value::Null | Value::Bool(_) | Value::Number(_) => html! { (value.to_string()) },
        Value::Array(_) | Value::Object(_) => {
            html! { pre { (serde_json::to_string_pretty(value).unwrap_or_default()) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::parse;

    #[test]
    fn half_a_character_does_not_hide_the_document() {
        for (source, message) in [
            (r#"{"m":"done \ud83d","n":1}"#, "done \u{fffd}"),
            (r#"{"m":"\ude00\ud83d\ude00\ud83dx","n":1}"#, "\u{fffd}\u{1f600}\u{fffd}x"),
            (r#"{"m":"\\ud83d \ud83d","n":1}"#, "\\ud83d \u{fffd}"),
            (r#"{"m":"\ud83d\\","n":1}"#, "\u{fffd}\\"),
            (r#"{"m":"whole","n":1}"#, "whole"),
        ] {
            assert_eq!(parse(source.as_bytes()), json!({"m": message, "n": 1}), "{source}");
        }
    }
}
