//! The look-ahead from a header that stands in an open quote or comment: is it text, or was the statement never ended?
//!
//! It reads on as if the header were text. That reading makes sense if the quote closes and nothing is open at a later
//! header, or at the end of quiet input. If no such place comes within [`AHEAD_BYTES_MAX`] bytes and
//! [`AHEAD_HEADERS_MAX`] headers, the statement before was cut or is a syntax error with an odd quote: with one quote
//! too many, every later header of sound statements would stand in a string.

use memchr::memchr;

use super::running::{Beginning, Grammar, begins, last_byte};
use super::{Input, line_at};
use crate::sql::lexer::Lexer;

/// How far a look-ahead reads.
pub const AHEAD_BYTES_MAX: usize = 64 * 1024;

/// How many further headers a look-ahead passes.
pub const AHEAD_HEADERS_MAX: u32 = 64;

/// A look-ahead, which may wait for bytes. Offsets count from the front of the buffer.
#[derive(Clone, Debug)]
pub(super) struct Ahead {
    /// How far the lexer has read.
    at: usize,
    /// Where to give up.
    end: usize,
    lexer: Lexer,
    headers: u32,
    /// The last byte before `at` that ends no line.
    last: u8,
    /// The line at `at`, or around it, was judged.
    judged: bool,
}

pub(super) enum Verdict {
    /// No header before this place begins an entry.
    TextUntil(usize),
    Entry,
    Unclear,
}

impl Ahead {
    /// `at`: where the header begins; `lexer`: what is open there; `last`: the byte before that ends no line.
    pub(super) fn new(at: usize, lexer: Lexer, last: u8) -> Ahead {
        Ahead { at, end: at + AHEAD_BYTES_MAX, lexer, headers: 0, last, judged: true }
    }

    pub(super) fn look(&mut self, grammar: Grammar, buffer: &[u8], input: Input) -> Verdict {
        loop {
            if !self.judged {
                let Some(line) = line_at(buffer, self.at, input) else { return self.out_of_bytes(input) };
                let Some(beginning) = begins(grammar, &line, buffer, input) else { return Verdict::Unclear };
                if matches!(beginning, Beginning::Entry) && grammar.may_follow(self.last) {
                    if self.is_closed() {
                        return Verdict::TextUntil(self.at);
                    }
                    self.headers += 1;
                    if self.headers >= AHEAD_HEADERS_MAX {
                        return Verdict::Entry;
                    }
                }
                self.judged = true;
            }
            let rest = buffer.get(self.at..).unwrap_or_default();
            let newline = memchr(b'\n', rest);
            let piece = newline.map_or(rest, |place| rest.get(..=place).unwrap_or_default());
            self.at += piece.len();
            if self.at > self.end {
                return Verdict::Entry;
            }
            self.lexer.feed(piece);
            self.last = last_byte(piece).unwrap_or(self.last);
            if newline.is_none() {
                return self.out_of_bytes(input);
            }
            self.judged = false;
        }
    }

    /// The front of the buffer moves.
    pub(super) fn shift(&mut self, bytes: usize) {
        self.at = self.at.saturating_sub(bytes);
        self.end = self.end.saturating_sub(bytes);
    }

    fn out_of_bytes(&self, input: Input) -> Verdict {
        match input {
            Input::Open => Verdict::Unclear,
            Input::Quiet if self.is_closed() => Verdict::TextUntil(self.at),
            Input::Quiet => Verdict::Entry,
        }
    }

    fn is_closed(&self) -> bool {
        !self.lexer.open().spans_lines()
    }
}
