//! An entry whose text is escaped as JSON, read without undoing the escapes of its argument.
//!
//! The header's grammar is that of [`header`]: it is shown the beginning of the entry with its escapes undone, which is
//! short. `None` says only that the header was not seen whole there; [`super::parse`] then has the last word.

use super::{Stamp, header, stamp};
use crate::json::scan::unescaped;

/// So much of an entry is looked at. Every header that servers write today is shorter.
const WINDOW_BYTES: usize = 64;

/// In a window: a stamp is followed by a TAB, a command by another.
const ESCAPES_MAX: usize = 16;

/// What [`super::GeneralEntry`] tells, but for the ranges, and with the argument escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EscapedEntry<'a> {
    pub(crate) stamp: Option<Stamp<'a>>,
    pub(crate) thread_id: u64,
    pub(crate) command: &'static str,
    pub(crate) argument: &'a str,
}

/// The beginning of an entry, its escapes undone.
#[derive(Debug)]
pub(crate) struct Window {
    bytes: [u8; WINDOW_BYTES],
    length: usize,
    /// How far the escaped text was read.
    read: usize,
    /// Places behind which the escaped text has bytes more than the window, and how many.
    longer: [(usize, usize); ESCAPES_MAX],
    escapes: usize,
}

impl Default for Window {
    fn default() -> Window {
        Window { bytes: [0; WINDOW_BYTES], length: 0, read: 0, longer: [(0, 0); ESCAPES_MAX], escapes: 0 }
    }
}

impl Window {
    /// Looks at the beginning of a text whose escapes are [ours](crate::json::scan::Escapes::Ours).
    fn fill(&mut self, escaped: &[u8]) -> Option<()> {
        (self.length, self.read, self.escapes) = (0, 0, 0);
        while self.length < WINDOW_BYTES && self.read < escaped.len() && self.escapes < ESCAPES_MAX {
            let room = self.bytes.get_mut(self.length..)?;
            let rest = escaped.get(self.read..)?;
            let part = rest.get(..room.len()).unwrap_or(rest);
            let plain = memchr::memchr(b'\\', part).unwrap_or(part.len());
            room.get_mut(..plain)?.copy_from_slice(part.get(..plain)?);
            (self.length, self.read) = (self.length + plain, self.read + plain);
            if plain < part.len() {
                let (byte, bytes) = unescaped(rest.get(plain..)?)?;
                *self.bytes.get_mut(self.length)? = byte;
                *self.longer.get_mut(self.escapes)? = (self.length, bytes - 1);
                (self.length, self.read, self.escapes) = (self.length + 1, self.read + bytes, self.escapes + 1);
            }
        }
        Some(())
    }

    /// The place in the escaped text.
    fn escaped_place(&self, place: usize) -> usize {
        let escapes = self.longer.iter().take(self.escapes);
        place + escapes.take_while(|(at, _)| *at < place).map(|(_, longer)| longer).sum::<usize>()
    }
}

/// Reads an entry whose escapes are [ours](crate::json::scan::Escapes::Ours).
pub(crate) fn parse_escaped<'a>(escaped: &'a str, window: &mut Window) -> Option<EscapedEntry<'a>> {
    window.fill(escaped.as_bytes())?;
    let text = window.bytes.get(..window.length)?;
    let header = header(text)?;
    // At the end of a window that is not the whole entry, nobody knows whether the header has ended.
    if header.argument >= window.length && window.read < escaped.len() {
        return None;
    }
    Some(EscapedEntry {
        // Nothing of a stamp needs an escape.
        stamp: stamp(escaped.get(header.stamp)?, header.layout),
        thread_id: header.thread_id,
        command: header.command,
        argument: without_final_newline(escaped.get(window.escaped_place(header.argument)..)?),
    })
}

fn without_final_newline(escaped: &str) -> &str {
    let escaped = without_escape(escaped, 'n').unwrap_or(escaped);
    without_escape(escaped, 'r').unwrap_or(escaped)
}

/// Without the escape at the end, if it is this one: an odd number of backslashes and the letter.
fn without_escape(escaped: &str, letter: char) -> Option<&str> {
    let before = escaped.strip_suffix(letter)?.strip_suffix('\\')?;
    let backslashes = before.bytes().rev().take_while(|byte| *byte == b'\\').count();
    (backslashes % 2 == 0).then_some(before)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Window, parse_escaped};
    use crate::entry::mysql::general::parse;

    fn escaped(text: &str) -> String {
        let mut json = Vec::new();
        crate::json::write_str(&mut json, text);
        std::str::from_utf8(&json[1..json.len() - 1]).unwrap().to_owned()
    }

    /// `whole`: the header must be seen.
    fn check(message: &str, whole: bool) {
        let json = escaped(message);
        let mut window = Window::default();
        let found = parse_escaped(&json, &mut window);
        let expected = parse(message.as_bytes());
        if let Some(found) = found {
            let expected = expected.expect("only what is an entry");
            assert_eq!(
                (found.stamp, found.thread_id, found.command, found.argument),
                (
                    expected.stamp,
                    expected.thread_id,
                    expected.command,
                    &*escaped(std::str::from_utf8(expected.argument).unwrap())
                )
            );
        } else {
            assert!(!whole || expected.is_none(), "{message:?}");
        }
    }

    #[test]
    fn it_says_what_the_parser_says() {
        for message in [
            "2026-11-23T03:06:05.013294Z\t   32 Query\tSELECT \"a\\n\" FROM t\n  WHERE b = 'x'",
            "2026-11-23T03:06:05.013294+02:00\t 1234567 Execute\tSELECT 1\r\n",
            "2026-11-23T03:06:05.013294Z\t   32 Query\tSELECT 'ends in a backslash\\n",
            "2026-11-23T03:06:05.013294Z\t   32 Query\t\\\\n\n",
            "2026-11-23T03:06:05.013294Z\t   32 Query\t\u{1}\u{7f}\u{8}\u{c}é",
            "2026-11-23T03:06:05.013294Z\t   32 Quit\t",
            "2026-11-23T03:06:05.013294Z\t   32 Quit",
            "2026-11-23T03:06:05.013294Z\t   32 Quit\n",
            "261123  3:06:08\t    13 Connect\troot@localhost on  using Socket",
            "\t\t    13 Query\tSET NAMES utf8mb4",
            "130723  9:49:36\t    1 Query       select 1",
            "2026-11-23T03:06:05.013294Z 32 Query\tSELECT 1",
            "a line",
            "",
            "\t",
        ] {
            check(message, true);
        }
    }

    #[test]
    fn a_header_at_the_end_of_the_window_is_left_to_the_parser() {
        for blanks in 0..40 {
            for rest in ["", "\t", "\tSELECT 1", "s", "\n", "\t\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\""] {
                check(&format!("2026-11-23T03:06:05.013294Z\t{:blanks$}32 Query{rest}", ""), false);
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_behind_any_header_is_what_the_parser_says(
            header in prop::sample::select(vec![
                "2026-11-23T03:06:05.013294Z\t   32 Query\t", "2026-11-23T03:06:05.013294Z\t   32 Close stmt\t", "\t\t   13 Execute\t",
                "261123  3:06:08\t    13 Query\t", "2026-11-23T03:06:05.013294Z\t   32 Quer", "",
            ]),
            rest in "[ -~\t\n\r\\\\\"\u{1}é]{0,90}",
        ) {
            check(&format!("{header}{rest}"), header.ends_with('\t'));
        }
    }
}
