//! A byte lexer for SQL: what is code, what is a string, a quoted name or a comment.
//!
//! Fed in pieces of any size, it tells at each place what is open there. It keeps a few bytes of state and no text, so
//! a statement may be of any length; it reads bytes, so the text may be of any encoding that extends ASCII.
//!
//! Rules, MySQL's with its default `sql_mode`: a backslash escapes the next byte in `'…'` and `"…"` (whether the
//! session had set `NO_BACKSLASH_ESCAPES` is nowhere in a log), never in `` `…` ``; a doubled quote stands for
//! itself; `-- ` needs the blank or control byte, `#` needs nothing; comments do not nest; the body of `/*! … */` and
//! `/*M! … */` is code. Multi-byte encodings that use bytes of ASCII as trail bytes (GBK, Shift-JIS) are not known here.

#[cfg(test)]
mod tests;

use memchr::{memchr, memchr2};
use wide::u8x16;

use crate::blocks;

/// What a place in the text lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// Nothing is open: names, numbers, operators, blanks.
    Code,
    /// `'…'`
    SingleQuoted,
    /// `"…"`: a string, or a name with `ANSI_QUOTES`.
    DoubleQuoted,
    /// `` `…` ``
    Backticked,
    /// `-- …` or `# …`, to the end of the line.
    LineComment,
    /// `/* … */`, hints (`/*+ … */`) too.
    BlockComment,
    /// Code inside `/*! … */`.
    ExecutableComment,
}

impl Open {
    /// Whether it goes on over the end of a line: all but code and line comments.
    pub fn spans_lines(self) -> bool {
        !matches!(self, Open::Code | Open::LineComment)
    }
}

/// The state machine. `Copy`: a look-ahead takes a copy and throws it away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lexer {
    state: State,
    /// Inside `/*! … */`.
    executable: bool,
}

/// Where the lexer stands, to the byte, so that a piece may end anywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Code,
    /// After `-`.
    Dash,
    /// After `--`.
    Dashes,
    /// After `/`.
    Slash,
    /// After `/*`.
    SlashStar,
    /// After `/*M`.
    SlashStarM,
    /// After a `*` of code inside an executable comment.
    Star,
    Quoted(Quote),
    /// After a backslash inside quotes.
    Escaped(Quote),
    /// After a quote that ends the string unless it is doubled.
    Closing(Quote),
    LineComment,
    BlockComment,
    /// After a `*` inside a comment.
    BlockStar,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quote {
    Single,
    Double,
    Backtick,
}

impl Lexer {
    /// Reads the next bytes of the text.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(&first) = rest.first() {
            let read = self.run(first, rest);
            rest = rest.get(read..).unwrap_or_default();
        }
    }

    /// What is open after the last byte that was fed.
    pub fn open(self) -> Open {
        match self.state {
            State::Quoted(quote) | State::Escaped(quote) => match quote {
                Quote::Single => Open::SingleQuoted,
                Quote::Double => Open::DoubleQuoted,
                Quote::Backtick => Open::Backticked,
            },
            State::LineComment => Open::LineComment,
            State::SlashStar | State::SlashStarM | State::BlockComment | State::BlockStar => Open::BlockComment,
            State::Code | State::Dash | State::Dashes | State::Slash | State::Star | State::Closing(_) => {
                if self.executable { Open::ExecutableComment } else { Open::Code }
            }
        }
    }

    /// Reads as far as the state lasts, and answers how many bytes that were. Zero bytes only together with a change
    /// to a state that reads at least one.
    fn run(&mut self, first: u8, rest: &[u8]) -> usize {
        match (self.state, first) {
            (State::Code, _) => self.code(rest),
            (State::Quoted(quote), _) => self.quoted(quote, rest),
            (State::LineComment, _) => self.skip_past(memchr(b'\n', rest), State::Code, rest),
            (State::BlockComment, _) => self.skip_past(memchr(b'*', rest), State::BlockStar, rest),
            (State::Escaped(quote), _) => self.turn(State::Quoted(quote), 1),
            (State::Closing(quote), _) if first == quote.byte() => self.turn(State::Quoted(quote), 1),
            (State::Dash, b'-') => self.turn(State::Dashes, 1),
            (State::Dashes, b'-') => 1,
            (State::Dashes, 0..=b' ' | 0x7f) => self.turn(State::LineComment, 0),
            (State::Slash, b'*') => self.turn(State::SlashStar, 1),
            (State::SlashStar, b'M') => self.turn(State::SlashStarM, 1),
            (State::SlashStar | State::SlashStarM, b'!') => self.execute(true),
            (State::SlashStar | State::SlashStarM, _) => self.turn(State::BlockComment, 0),
            (State::BlockStar, b'/') => self.turn(State::Code, 1),
            (State::Star, b'/') => self.execute(false),
            (State::BlockStar | State::Star, b'*') => 1,
            (State::BlockStar, _) => self.turn(State::BlockComment, 0),
            (State::Closing(_) | State::Dash | State::Dashes | State::Slash | State::Star, _) => {
                self.turn(State::Code, 0)
            }
        }
    }

    fn code(&mut self, rest: &[u8]) -> usize {
        let Some(place) = special(rest, self.executable) else { return rest.len() };
        self.state = match rest.get(place) {
            Some(b'\'') => State::Quoted(Quote::Single),
            Some(b'"') => State::Quoted(Quote::Double),
            Some(b'`') => State::Quoted(Quote::Backtick),
            Some(b'#') => State::LineComment,
            Some(b'-') => State::Dash,
            Some(b'/') => State::Slash,
            _ => State::Star,
        };
        place + 1
    }

    fn quoted(&mut self, quote: Quote, rest: &[u8]) -> usize {
        let place = match quote {
            Quote::Single | Quote::Double => memchr2(quote.byte(), b'\\', rest),
            Quote::Backtick => memchr(b'`', rest),
        };
        let escaped = place.and_then(|place| rest.get(place)) == Some(&b'\\');
        self.skip_past(place, if escaped { State::Escaped(quote) } else { State::Closing(quote) }, rest)
    }

    /// Reads the byte at `place` and all before it, and goes on in `next`; reads everything where there is no such byte.
    fn skip_past(&mut self, place: Option<usize>, next: State, rest: &[u8]) -> usize {
        match place {
            Some(place) => self.turn(next, place + 1),
            None => rest.len(),
        }
    }

    fn execute(&mut self, executable: bool) -> usize {
        self.executable = executable;
        self.turn(State::Code, 1)
    }

    fn turn(&mut self, next: State, read: usize) -> usize {
        self.state = next;
        read
    }
}

/// Where the first byte stands that may end code. `star`: a star may.
fn special(code: &[u8], star: bool) -> Option<usize> {
    blocks::position(code, |block| {
        let is = |byte: u8| block.simd_eq(u8x16::splat(byte));
        let found = is(b'\'') | is(b'"') | is(b'`') | is(b'#') | is(b'-') | is(b'/');
        if star { found | is(b'*') } else { found }
    })
}

impl Quote {
    fn byte(self) -> u8 {
        match self {
            Quote::Single => b'\'',
            Quote::Double => b'"',
            Quote::Backtick => b'`',
        }
    }
}
