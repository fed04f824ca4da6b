//! Writing JSON by hand into one buffer: strings, numbers, and bytes that may not be UTF-8.
//!
//! Does not know whole objects: callers place the braces, since every shape here is fixed. [`scan`] reads such text back
//! without a copy.

pub(crate) mod members;

pub(crate) mod scalar;

pub(crate) mod scan;

use serde_json::value::RawValue;

use crate::hex::{DIGITS, nibble};

/// Writes the comma that a further member needs: none behind the brace that opens an object, or at the very start.
pub(crate) fn write_separator(out: &mut Vec<u8>) {
    if !matches!(out.last(), None | Some(b'{')) {
        out.push(b',');
    }
}

/// Writes a member whose value is JSON already.
pub(crate) fn write_member(out: &mut Vec<u8>, key: &str, value: &RawValue) {
    write_separator(out);
    write_str(out, key);
    out.push(b':');
    out.extend_from_slice(value.get().as_bytes());
}

/// Begins a member of an object. `key` is a name of ours that needs no escape.
pub(crate) fn write_key(out: &mut Vec<u8>, key: &str) {
    write_separator(out);
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Writes a JSON string with its quotes. Nothing beyond what JSON demands is escaped, so text stays readable and a
/// document never holds a line end (U+2028 stays as it is: it ends no line of NDJSON).
pub(crate) fn write_str(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    write_escaped(out, text.as_bytes());
    out.push(b'"');
}

/// Writes bytes as a JSON string; what is not UTF-8 becomes U+FFFD. Tells whether all of it was UTF-8.
pub(crate) fn write_lossy(out: &mut Vec<u8>, bytes: &[u8]) -> bool {
    match simdutf8::basic::from_utf8(bytes) {
        Ok(text) => {
            write_str(out, text);
            true
        }
        Err(_) => {
            write_str(out, &String::from_utf8_lossy(bytes));
            false
        }
    }
}

/// Writes a decimal number.
pub(crate) fn write_u64(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for slot in digits.iter_mut().rev() {
        // A digit always fits; the fallback is never taken.
        *slot = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        used += 1;
        if number == 0 {
            break;
        }
    }
    out.extend(digits.iter().skip(digits.len() - used));
}

fn write_escaped(out: &mut Vec<u8>, text: &[u8]) {
    let mut rest = text;
    loop {
        let (plain, from) = rest.split_at(scan::plain_bytes(rest));
        out.extend_from_slice(plain);
        let Some((&byte, after)) = from.split_first() else { return };
        write_escape(out, byte);
        rest = after;
    }
}

fn is_escaped(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// The letter behind the backslash, where there is one: else the byte is written as `\u00XX`.
fn short_escape(byte: u8) -> Option<u8> {
    Some(match byte {
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        b'"' | b'\\' => byte,
        _ => return None,
    })
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    match short_escape(byte) {
        Some(letter) => out.extend_from_slice(&[b'\\', letter]),
        None => {
            out.extend_from_slice(b"\\u00");
            out.extend([byte >> 4, byte & 0xf].iter().filter_map(|&nibble| DIGITS.get(usize::from(nibble))));
        }
    }
}

/// Whether a byte is written as `\u00` and these two digits.
fn is_written_as_hex(high: u8, low: u8) -> bool {
    let byte = nibble(high).zip(nibble(low)).map(|(high, low)| high << 4 | low);
    byte.is_some_and(|byte| is_escaped(byte) && short_escape(byte).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn string(text: &str) -> String {
        let mut out = Vec::new();
        write_str(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_what_json_demands_is_escaped() {
        assert_eq!(string("a\tb\nc\r\"d\\e\u{8}\u{c}"), r#""a\tb\nc\r\"d\\e\b\f""#);
        assert_eq!(string("\0\u{1f}\u{7f}/é😀\u{2028}"), "\"\\u0000\\u001f\u{7f}/é😀\u{2028}\"");
        assert_eq!(string(""), "\"\"");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced_and_reported() {
        let mut out = Vec::new();
        assert!(!write_lossy(&mut out, b"caf\xe9!"));
        assert_eq!(out, "\"caf\u{fffd}!\"".as_bytes());
        out.clear();
        assert!(write_lossy(&mut out, "café".as_bytes()));
        assert_eq!(out, "\"café\"".as_bytes());
    }

    #[test]
    fn numbers_are_decimal() {
        for (number, text) in [(0, "0"), (7, "7"), (10, "10"), (u64::MAX, "18446744073709551615")] {
            let mut out = Vec::new();
            write_u64(&mut out, number);
            assert_eq!(out, text.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back_through_serde_json(text in any::<String>()) {
            prop_assert_eq!(serde_json::from_str::<String>(&string(&text)).unwrap(), text);
        }

        #[test]
        fn an_escape_at_any_place_of_a_longer_text_comes_back(text in "[ -~é]{0,40}[\"\\\\\t]?[ -~]{0,40}") {
            prop_assert_eq!(serde_json::from_str::<String>(&string(&text)).unwrap(), text);
        }
    }
}
