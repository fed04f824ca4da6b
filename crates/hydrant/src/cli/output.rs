//! What the program prints: results on stdout, notices and progress on stderr.
//!
//! A reader that goes away (`hydrant … | head`) ends the output quietly.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Map;

use super::log;

/// Whether notices are lines of a log in JSON.
static NOTICES_AS_JSON: AtomicBool = AtomicBool::new(false);

pub(super) fn notices_as_json(on: bool) {
    NOTICES_AS_JSON.store(on, Ordering::Relaxed);
}

/// Writes one line to stdout.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Writes one line to stderr, in place of a progress line that may stand there.
pub(crate) fn notice(text: &str) {
    say("INFO", text);
}

/// Why the program ends, on stderr.
pub(super) fn failure(text: &str) {
    say("ERROR", text);
}

fn say(level: &str, text: &str) {
    let mut out = Notices.lock();
    // Nothing can be said where stderr itself is gone.
    drop(if NOTICES_AS_JSON.load(Ordering::Relaxed) {
        writeln!(out, "{}", log::line(level, text, Map::new()))
    } else {
        writeln!(out, "{text}")
    });
}

/// Replaces the progress line of a terminal; says nothing where stderr is none.
pub(crate) fn progress(text: &str) {
    if on_terminal() {
        let mut out = Notices.lock();
        drop(write!(out, "{text}"));
        drop(out.flush());
    }
}

/// Whether a person reads along.
pub(crate) fn on_terminal() -> bool {
    io::stderr().is_terminal()
}

/// `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 object`, `1,234 objects`.
pub(crate) fn counted(count: u64, one: &str, several: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { several })
}

/// The beginning of a text for a table: no control character reaches the terminal.
pub(crate) fn one_line(text: &str, characters: usize) -> String {
    let mut line: String = text.chars().take(characters).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(characters).is_some() {
        line.push('…');
    }
    line
}

/// Stderr, with the progress line of a terminal erased before each write; the log writes here too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notices;

impl Notices {
    pub(crate) fn lock(self) -> io::StderrLock<'static> {
        let mut out = io::stderr().lock();
        if on_terminal() {
            drop(out.write_all(b"\r\x1b[2K"));
        }
        out
    }
}

/// A text as a terminal may have it: what would move, turn or break a line stands as `\u{…}`.
pub(super) fn plain(text: &str) -> String {
    escaped(text, |c| c.escape_debug().to_string())
}

/// A text in which what is not [`is_plain`] is written otherwise.
pub(super) fn escaped(text: &str, escape: impl Fn(char) -> String) -> String {
    text.chars().map(|c| if is_plain(c) { c.to_string() } else { escape(c) }).collect()
}

/// Whether a terminal shows a character as it is, and nothing else changes by it.
pub(super) fn is_plain(c: char) -> bool {
    c == ' ' || c.is_ascii_graphic() || (!c.is_ascii() && c.escape_debug().len() == 1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_a_terminal_obeys_is_told_in_letters() {
        let plain = |text: &str| super::plain(text);
        assert_eq!(plain("a\u{1b}[2Jb\r\n\u{7f}\u{9b}c"), "a\\u{1b}[2Jb\\r\\n\\u{7f}\\u{9b}c");
        // Right to left, a line's end, one that has no width, and a mark at the beginning of a file.
        assert_eq!(plain("\u{202e}\u{2066}\u{2028}\u{200b}\u{feff}"), "\\u{202e}\\u{2066}\\u{2028}\\u{200b}\\u{feff}");
        assert_eq!(plain("`it's` \"quoted\" C:\\ größe 価格"), "`it's` \"quoted\" C:\\ größe 価格");
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(super::grouped(0), "0");
        assert_eq!(super::grouped(999), "999");
        assert_eq!(super::grouped(1_000), "1,000");
        assert_eq!(super::grouped(1_234_567), "1,234,567");
    }
}
