//! Writing JSON as OpenSearch writes it: compact or pretty, keys in a given order, floating-point numbers as Java
//! prints them, sources copied byte by byte.

use super::json::{Node, Value};

/// A JSON text in the making. Commas come by themselves.
#[derive(Debug, Default)]
pub(super) struct Writer {
    out: Vec<u8>,
    comma: bool,
}

impl Writer {
    pub(super) fn finish(self) -> Vec<u8> {
        self.out
    }

    pub(super) fn object(&mut self, fill: impl FnOnce(&mut Writer)) {
        self.nested(b'{', b'}', fill);
    }

    pub(super) fn array(&mut self, fill: impl FnOnce(&mut Writer)) {
        self.nested(b'[', b']', fill);
    }

    fn nested(&mut self, open: u8, close: u8, fill: impl FnOnce(&mut Writer)) {
        self.begin();
        self.out.push(open);
        self.comma = false;
        fill(self);
        self.out.push(close);
        self.comma = true;
    }

    fn begin(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
        self.comma = true;
    }

    /// The next value belongs to this key.
    pub(super) fn key(&mut self, key: &str) -> &mut Writer {
        self.begin();
        push_string(&mut self.out, key);
        self.out.push(b':');
        self.comma = false;
        self
    }

    pub(super) fn string(&mut self, text: &str) {
        self.begin();
        push_string(&mut self.out, text);
    }

    /// A number, `true`, `null` or any other JSON.
    pub(super) fn raw(&mut self, json: impl std::fmt::Display) {
        self.raw_bytes(json.to_string().as_bytes());
    }

    pub(super) fn raw_bytes(&mut self, json: &[u8]) {
        self.begin();
        self.out.extend_from_slice(json);
    }

    pub(super) fn double(&mut self, number: f64) {
        self.raw(java_double(number));
    }

    pub(super) fn float(&mut self, number: f32) {
        self.raw(java_float(number));
    }
}

fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.find(|character: char| character < ' ' || matches!(character, '"' | '\\')) {
        let (clean, special) = rest.split_at(at);
        out.extend_from_slice(clean.as_bytes());
        let mut characters = special.chars();
        match characters.next() {
            Some('"') => out.extend_from_slice(b"\\\""),
            Some('\\') => out.extend_from_slice(b"\\\\"),
            Some('\n') => out.extend_from_slice(b"\\n"),
            Some('\r') => out.extend_from_slice(b"\\r"),
            Some('\t') => out.extend_from_slice(b"\\t"),
            Some('\u{8}') => out.extend_from_slice(b"\\b"),
            Some('\u{c}') => out.extend_from_slice(b"\\f"),
            Some(control) => out.extend_from_slice(format!("\\u{:04X}", u32::from(control)).as_bytes()),
            None => {}
        }
        rest = characters.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}

/// Java's `Double.toString`: `1750.0`, `1.10616085E8`. What JSON has no number for becomes a string, as there.
pub(super) fn java_double(number: f64) -> String {
    java_digits(&format!("{number:e}"), number.is_finite(), number.abs())
}

/// Java's `Float.toString`.
pub(super) fn java_float(number: f32) -> String {
    java_digits(&format!("{number:e}"), number.is_finite(), f64::from(number.abs()))
}

/// From the shortest digits that read back the same, `-1.10616085e8`.
fn java_digits(shortest: &str, finite: bool, magnitude: f64) -> String {
    let Some((mantissa, exponent)) = shortest.split_once('e').filter(|_| finite) else {
        return if shortest.contains("NaN") { "\"NaN\"".to_string() } else { "\"Infinity\"".to_string() };
    };
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |mantissa| ("-", mantissa));
    let (first, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if magnitude != 0.0 && !(1e-3..1e7).contains(&magnitude) {
        let fraction = if fraction.is_empty() { "0" } else { fraction };
        return format!("{sign}{first}.{fraction}E{exponent}");
    }
    let places: i32 = exponent.parse().unwrap_or_default();
    let digits = format!("{first}{fraction}");
    match usize::try_from(places) {
        Ok(places) => {
            let (whole, fraction) = digits.split_at_checked(places + 1).unwrap_or((&digits, ""));
            let fraction = if fraction.is_empty() { "0" } else { fraction };
            format!("{sign}{whole:0<width$}.{fraction}", width = places + 1)
        }
        Err(_) => {
            let zeros = usize::try_from(-places - 1).unwrap_or_default();
            format!("{sign}0.{}{digits}", "0".repeat(zeros))
        }
    }
}

/// A tree as JSON text, strings and numbers as they were written.
pub(super) fn compact(node: &Node<'_>, out: &mut Vec<u8>) {
    match &node.value {
        Value::Null | Value::Boolean(_) | Value::Number(_) | Value::String(_) => push_scalar(&node.value, out),
        Value::Array(nodes) => {
            out.push(b'[');
            for (place, node) in nodes.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                compact(node, out);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            out.push(b'{');
            for (place, member) in members.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                push_quoted(member.raw_key, out);
                out.push(b':');
                compact(&member.node, out);
            }
            out.push(b'}');
        }
    }
}

/// The same with one member on a line, two spaces a level, as `?pretty` answers it.
pub(super) fn pretty(node: &Node<'_>, level: usize, out: &mut Vec<u8>) {
    match &node.value {
        Value::Null | Value::Boolean(_) | Value::Number(_) | Value::String(_) => push_scalar(&node.value, out),
        Value::Array(nodes) if nodes.is_empty() => out.extend_from_slice(b"[ ]"),
        Value::Object(members) if members.is_empty() => out.extend_from_slice(b"{ }"),
        Value::Array(nodes) => {
            out.push(b'[');
            for (place, node) in nodes.iter().enumerate() {
                push_line(place > 0, level + 1, out);
                pretty(node, level + 1, out);
            }
            push_line(false, level, out);
            out.push(b']');
        }
        Value::Object(members) => {
            out.push(b'{');
            for (place, member) in members.iter().enumerate() {
                push_line(place > 0, level + 1, out);
                push_quoted(member.raw_key, out);
                out.extend_from_slice(b" : ");
                pretty(&member.node, level + 1, out);
            }
            push_line(false, level, out);
            out.push(b'}');
        }
    }
}

fn push_line(comma: bool, level: usize, out: &mut Vec<u8>) {
    if comma {
        out.push(b',');
    }
    out.push(b'\n');
    out.resize(out.len() + 2 * level, b' ');
}

fn push_scalar(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Boolean(true) => out.extend_from_slice(b"true"),
        Value::Boolean(false) => out.extend_from_slice(b"false"),
        Value::Number(text) => out.extend_from_slice(text.as_bytes()),
        Value::String(raw) => push_quoted(raw, out),
        Value::Array(_) | Value::Object(_) => {}
    }
}

fn push_quoted(raw: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(raw.as_bytes());
    out.push(b'"');
}
