//! The look-ahead from a header that stands in an open quote or comment: is it text, or was the statement never ended?
//!
//! It reads on as if the header were text. That reading makes sense if the quote closes and nothing is open at a later
//! header, or at the end of quiet input. If no such place comes within [`AHEAD_BYTES_MAX`] bytes and
//! [`AHEAD_HEADERS_MAX`] headers, the statement before was cut or is a syntax error with an odd quote: with one quote
//! too many, every later header of sound statements would stand in a string.
//!
//! Two statements with an odd quote each look like one that holds the entries between them. What is taken for text is
//! therefore *doubtful*, unless each header in it is stamped earlier than the statement it stands in.
//!
//! A log full of statements that are never ended would be read ahead again and again. So [`AHEAD_PER_BYTE`] bytes are
//! read ahead for each byte of the log, beyond [`AHEAD_DEBT_BYTES_MAX`] of them; when these are used up, the header
//! begins an entry.

use memchr::memchr;

use super::running::{Beginning, Grammar, begins, last_byte};
use super::{Input, State, line_at};
use crate::sql::lexer::Lexer;

/// How far a look-ahead reads.
pub const AHEAD_BYTES_MAX: usize = 64 * 1024;

/// How many further headers a look-ahead passes.
pub const AHEAD_HEADERS_MAX: u32 = 64;

/// Bytes that may be read ahead for each byte of the log, so that reading ahead takes a bounded share of the time.
pub const AHEAD_PER_BYTE: u64 = 4;

/// Bytes that may be read ahead before they are earned.
pub const AHEAD_DEBT_BYTES_MAX: u64 = 16 * AHEAD_BYTES_MAX as u64;

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
    doubtful: bool,
    /// Bytes that it has read.
    pub(super) bytes: u64,
}

pub(super) enum Verdict {
    /// No header before this place begins an entry.
    TextUntil {
        place: usize,
        doubtful: bool,
    },
    Entry,
    Unclear,
}

impl Ahead {
    /// `at`: where the header begins, with its stamp; `lexer`: what is open there; `last`: the byte before that ends no
    /// line; `debt`: bytes that were read ahead and are not yet worked off.
    pub(super) fn new(at: usize, stamp: Option<i64>, lexer: Lexer, last: u8, debt: u64, state: &State) -> Ahead {
        let affordable = usize::try_from(AHEAD_DEBT_BYTES_MAX.saturating_sub(debt)).unwrap_or(usize::MAX);
        let end = at + AHEAD_BYTES_MAX.min(affordable);
        let mut ahead = Ahead { at, end, lexer, headers: 0, last, judged: true, doubtful: false, bytes: 0 };
        ahead.doubt(stamp, state);
        ahead
    }

    pub(super) fn look(&mut self, grammar: Grammar, state: &State, buffer: &[u8], input: Input) -> Verdict {
        loop {
            if !self.judged {
                let Some(line) = line_at(buffer, self.at, input) else { return self.out_of_bytes(input) };
                let Some(beginning) = begins(grammar, &line, buffer, input) else { return Verdict::Unclear };
                if let Beginning::Entry { stamp } = beginning
                    && grammar.may_follow(self.last)
                {
                    if self.is_closed() {
                        return Verdict::TextUntil { place: self.at, doubtful: self.doubtful };
                    }
                    self.doubt(stamp, state);
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
            self.bytes += piece.len() as u64;
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

    /// A header with this stamp is passed.
    fn doubt(&mut self, stamp: Option<i64>, state: &State) {
        let is_earlier =
            matches!((stamp, state.last_stamp_micros), (Some(stamp), Some(own)) if state.is_before(stamp, own));
        self.doubtful |= !is_earlier;
    }

    fn out_of_bytes(&self, input: Input) -> Verdict {
        match input {
            Input::Open => Verdict::Unclear,
            Input::Quiet if self.is_closed() => Verdict::TextUntil { place: self.at, doubtful: self.doubtful },
            Input::Quiet => Verdict::Entry,
        }
    }

    fn is_closed(&self) -> bool {
        !self.lexer.open().spans_lines()
    }
}
