//! Reading JSON where it stands, for callers that want bytes as they are escaped: one pass, nothing is copied.
//!
//! Knows only what ordinary input needs. `None` means "not of this shape", not "invalid": the caller then has serde_json
//! read the same text, which says what it is. What is answered is what serde_json would have found.

use wide::u8x16;

use crate::blocks;
use crate::hex::nibble;

/// A place in a text.
#[derive(Clone, Debug)]
pub(crate) struct Scan<'a> {
    text: &'a str,
    at: usize,
    /// Where the block begins that was looked at last, and which of its bytes need an escape: a bit for each.
    block: usize,
    marks: u64,
}

/// A JSON string as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Raw<'a> {
    /// Between its quotes.
    pub(crate) text: &'a str,
    /// With them.
    pub(crate) quoted: &'a str,
    pub(crate) escapes: Escapes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Escapes {
    None,
    /// Only such as [`super::write_str`] writes, so that the text may be copied as it is.
    Ours,
    /// Others, which may be unsound.
    Any,
}

impl<'a> Raw<'a> {
    /// The string itself, where nothing in it is escaped.
    pub(crate) fn plain(self) -> Option<&'a str> {
        (self.escapes == Escapes::None).then_some(self.text)
    }

    /// The string itself. `None`: its escapes are unsound.
    pub(crate) fn value(self) -> Option<String> {
        serde_json::from_str(self.quoted).ok()
    }
}

impl<'a> Scan<'a> {
    pub(crate) fn new(text: &'a str) -> Scan<'a> {
        Scan { text, at: 0, block: usize::MAX, marks: 0 }
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes().get(self.at) {
            self.at += 1;
        }
    }

    /// Takes a byte, and blanks before it.
    pub(crate) fn take(&mut self, byte: u8) -> Option<()> {
        if self.bytes().get(self.at) != Some(&byte) {
            self.blanks();
        }
        (self.bytes().get(self.at) == Some(&byte)).then(|| self.at += 1)
    }

    /// Takes exactly this text.
    pub(crate) fn exactly(&mut self, text: &str) -> Option<()> {
        self.bytes().get(self.at..)?.starts_with(text.as_bytes()).then(|| self.at += text.len())
    }

    /// Nothing but blanks follows.
    pub(crate) fn is_at_end(&self) -> bool {
        let mut rest = self.clone();
        rest.blanks();
        rest.at == self.text.len()
    }

    /// Takes the name of a member and its colon. The name has no escapes.
    pub(crate) fn key(&mut self) -> Option<&'a str> {
        let key = self.string()?.plain()?;
        self.take(b':')?;
        Some(key)
    }

    /// Behind a value: whether a comma follows (`true`), or the end of the object or array, which is taken too.
    pub(crate) fn more(&mut self, end: u8) -> Option<bool> {
        if self.take(b',').is_some() {
            return Some(true);
        }
        self.take(end).map(|()| false)
    }

    /// Takes a string.
    pub(crate) fn string(&mut self) -> Option<Raw<'a>> {
        self.take(b'"')?;
        let start = self.at;
        let mut escapes = Escapes::None;
        loop {
            self.at = self.marked()?;
            match self.bytes().get(self.at)? {
                b'"' => {
                    let text = self.text.get(start..self.at)?;
                    self.at += 1;
                    let quoted = self.text.get(start - 1..self.at)?;
                    return Some(Raw { text, quoted, escapes });
                }
                b'\\' => escapes = escapes.max(self.escape()?),
                _ => return None,
            }
        }
    }

    /// The next byte from here on that cannot stand for itself in a string: a quote, a backslash or a control character.
    fn marked(&mut self) -> Option<usize> {
        let block = self.at & !(MARKED_BYTES - 1);
        if block != self.block {
            self.mark(block)?;
        }
        let mut marks = self.marks & u64::MAX << (self.at - block);
        while marks == 0 {
            self.mark(self.block + MARKED_BYTES)?;
            marks = self.marks;
        }
        Some(self.block + marks.trailing_zeros() as usize)
    }

    fn mark(&mut self, block: usize) -> Option<()> {
        let rest = self.bytes().get(block..).filter(|rest| !rest.is_empty())?;
        let mut last = [b' '; MARKED_BYTES];
        let bytes = match rest.first_chunk::<MARKED_BYTES>() {
            Some(bytes) => bytes,
            None => {
                last.get_mut(..rest.len())?.copy_from_slice(rest);
                &last
            }
        };
        self.marks = blocks::mask(bytes, escaped);
        self.block = block;
        Some(())
    }

    /// Passes over an escape.
    fn escape(&mut self) -> Option<Escapes> {
        let rest = self.bytes().get(self.at + 1..)?;
        self.at += 2;
        Some(match rest {
            [b'"' | b'\\' | b'n' | b't' | b'r' | b'b' | b'f', ..] => Escapes::Ours,
            [b'u', b'0', b'0', high, low, ..] if super::is_written_as_hex(*high, *low) => Escapes::Ours,
            [_, ..] => Escapes::Any,
            [] => return None,
        })
    }

    /// Takes a whole number of at most 18 digits.
    pub(crate) fn integer(&mut self) -> Option<i64> {
        self.blanks();
        let rest = self.bytes().get(self.at..)?;
        let negative = rest.first() == Some(&b'-');
        let digits = rest.get(usize::from(negative)..)?;
        let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let is_whole = !matches!(digits.get(count), Some(b'.' | b'e' | b'E'));
        let is_canonical = count == 1 || digits.first() != Some(&b'0');
        if !(1..=18).contains(&count) || !is_whole || !is_canonical {
            return None;
        }
        let number = digits.iter().take(count).fold(0_i64, |number, digit| number * 10 + i64::from(digit - b'0'));
        self.at += usize::from(negative) + count;
        // serde_json reads it as a float.
        if negative && number == 0 { None } else { Some(if negative { -number } else { number }) }
    }
}

/// Writes a text without its escapes, all of which are [ours](Escapes::Ours).
pub(crate) fn unescape(escaped: &str, out: &mut Vec<u8>) {
    let mut rest = escaped.as_bytes();
    while let Some(plain) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(rest.get(..plain).unwrap_or_default());
        let escape = rest.get(plain..).unwrap_or_default();
        // The fallback is never taken: the text was read.
        let (byte, bytes) = unescaped(escape).unwrap_or((b'\\', 1));
        out.push(byte);
        rest = escape.get(bytes..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// The byte that an escape of [ours](Escapes::Ours) stands for, and how many bytes the escape has.
pub(crate) fn unescaped(escape: &[u8]) -> Option<(u8, usize)> {
    Some(match escape {
        [b'\\', b'n', ..] => (b'\n', 2),
        [b'\\', b't', ..] => (b'\t', 2),
        [b'\\', b'r', ..] => (b'\r', 2),
        [b'\\', b'b', ..] => (0x08, 2),
        [b'\\', b'f', ..] => (0x0c, 2),
        [b'\\', byte @ (b'"' | b'\\'), ..] => (*byte, 2),
        [b'\\', b'u', b'0', b'0', high, low, ..] => (nibble(*high)? << 4 | nibble(*low)?, 6),
        _ => return None,
    })
}

/// How many bytes at the beginning stand for themselves in a JSON string: all up to a quote, a backslash or a control
/// character.
pub(super) fn plain_bytes(text: &[u8]) -> usize {
    blocks::position(text, escaped).unwrap_or(text.len())
}

/// As many as a mask has bits.
const MARKED_BYTES: usize = 64;

/// The bytes that need an escape.
fn escaped(block: u8x16) -> u8x16 {
    let is_control = block.min(u8x16::splat(0x1f)).simd_eq(block);
    is_control | block.simd_eq(u8x16::splat(b'"')) | block.simd_eq(u8x16::splat(b'\\'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Escapes, Raw, Scan, plain_bytes};

    fn string(json: &str) -> Option<(&str, Escapes)> {
        let mut scan = Scan::new(json);
        let Raw { text, quoted, escapes } = scan.string()?;
        assert_eq!(quoted, format!("\"{text}\""));
        scan.is_at_end().then_some((text, escapes))
    }

    #[test]
    fn strings_tell_which_escapes_they_have() {
        for (json, expected) in [
            (r#" "" "#, Some(("", Escapes::None))),
            (
                r#""a long text without any escape, é and all""#,
                Some(("a long text without any escape, é and all", Escapes::None)),
            ),
            (r#""\\""#, Some((r"\\", Escapes::Ours))),
            (r#""\"\n\t\r\b\f\u001b\u0000""#, Some((r#"\"\n\t\r\b\f\u001b\u0000"#, Escapes::Ours))),
            // Sound, but written otherwise by us.
            (r#""\/""#, Some((r"\/", Escapes::Any))),
            (r#""\u001B""#, Some((r"\u001B", Escapes::Any))),
            (r#""\u0009""#, Some((r"\u0009", Escapes::Any))),
            (r#""\u0020""#, Some((r"\u0020", Escapes::Any))),
            (r#""\u00e9\n""#, Some((r"\u00e9\n", Escapes::Any))),
            // Unsound.
            (r#""\x""#, Some((r"\x", Escapes::Any))),
            ("\"a\tb\"", None),
            (r#""a"#, None),
            (r#""a\"#, None),
            (r#""a\""#, None),
            ("a", None),
        ] {
            assert_eq!(string(json), expected, "{json}");
        }
    }

    #[test]
    fn whole_numbers_are_read_as_serde_json_reads_them() {
        for (json, expected) in [
            ("0", Some(0)),
            (" 1627019152976 ", Some(1_627_019_152_976)),
            ("-17", Some(-17)),
            ("999999999999999999", Some(999_999_999_999_999_999)),
            ("1000000000000000000", None),
            ("01", None),
            ("-0", None),
            ("1.0", None),
            ("1e3", None),
            ("-", None),
            ("+1", None),
            ("x", None),
        ] {
            let mut scan = Scan::new(json);
            let number = scan.integer().filter(|_| scan.is_at_end());
            assert_eq!(number, expected, "{json}");
        }
    }

    proptest! {
        #[test]
        fn the_first_byte_that_needs_an_escape_is_found_wherever_it_stands(
            before in "[ !#-Z^-~é😀]{0,70}",
            special in prop::sample::select(vec!["\"", "\\", "\0", "\u{1f}", "\n"]),
            after in any::<String>(),
        ) {
            prop_assert_eq!(plain_bytes(format!("{before}{special}{after}").as_bytes()), before.len());
            prop_assert_eq!(plain_bytes(before.as_bytes()), before.len());
        }

        #[test]
        fn strings_one_after_another_are_found_whatever_their_length(texts in prop::collection::vec(any::<String>(), 0..12)) {
            let mut json = Vec::new();
            texts.iter().for_each(|text| super::super::write_str(&mut json, text));
            let json = String::from_utf8(json).unwrap();
            let mut scan = Scan::new(&json);
            for text in &texts {
                prop_assert_eq!(&scan.string().unwrap().value().unwrap(), text);
            }
            prop_assert!(scan.is_at_end());
        }

        #[test]
        fn what_is_copied_as_it_is_is_what_would_be_written(text in any::<String>()) {
            let mut json = Vec::new();
            super::super::write_str(&mut json, &text);
            let json = String::from_utf8(json).unwrap();
            let (raw, escapes) = string(&json).unwrap();
            prop_assert!(escapes <= Escapes::Ours);
            prop_assert_eq!(format!("\"{raw}\""), json);
        }

        #[test]
        fn a_text_with_our_escapes_is_written_as_it_was_read(raw in r#"([a-z]|\\["\\/bfnrt]|\\u00[01][0-9a-fA-F]|\\u[0-9a-f]{4}){0,12}"#) {
            let json = format!("\"{raw}\"");
            let (_, escapes) = string(&json).unwrap();
            if escapes <= Escapes::Ours {
                let mut written = Vec::new();
                super::super::write_str(&mut written, &serde_json::from_str::<String>(&json).unwrap());
                prop_assert_eq!(&String::from_utf8(written).unwrap(), &json);
                let mut plain = Vec::new();
                super::unescape(&raw, &mut plain);
                prop_assert_eq!(String::from_utf8(plain).unwrap(), serde_json::from_str::<String>(&json).unwrap());
            }
        }
    }
}
