//! SQL as tokens: names, strings, numbers, comments, each with its byte range.
//!
//! Total: any bytes give tokens, and a statement may be cut anywhere; a token that is not closed goes to the end. Does
//! not know keywords, and copies nothing. The rules are those of MySQL's and MariaDB's lexers, as [`super::lexer`]
//! describes them for what spans lines; this one needs the whole statement.

#[cfg(test)]
mod tests;

use std::ops::Range;

use memchr::{memchr, memchr2, memmem};

use super::word::{Word, word};

/// How a session had set the two `sql_mode`s that change what a string is. No log says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// `\` escapes the next byte in strings; off with `NO_BACKSLASH_ESCAPES`.
    pub backslash_escapes: bool,
}

impl Dialect {
    pub const DEFAULT: Dialect = Dialect { backslash_escapes: true };
    pub const NO_BACKSLASH_ESCAPES: Dialect = Dialect { backslash_escapes: false };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A name or keyword without quotes; `1a` and `_utf8mb4` too.
    Word,
    /// `` `name` ``
    Backticked,
    /// `'…'`, `"…"` (a name with `ANSI_QUOTES`), `N'…'`.
    String,
    /// `12`, `1.5`, `.5`, `1e-3`.
    Number,
    /// `0x1f`, `x'1f'`, `0b1`, `b'1'`.
    Bits,
    /// A name directly after `@`: a user variable, or the host of an account.
    AfterAt,
    /// `?`
    Placeholder,
    /// `-- …`, `# …`, `/* … */`.
    Comment,
    /// `/*+ … */`
    Hint,
    /// `/*!80000`, `/*M!`: what follows is code up to [`Kind::ExecutableEnd`].
    ExecutableBegin,
    ExecutableEnd,
    /// An operator or a single byte of punctuation.
    Symbol,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub range: Range<usize>,
    /// Whether a string, a name in backticks or a comment has its end.
    pub closed: bool,
}

impl Token {
    /// What the word means, if it is one that means something.
    pub(in crate::sql) fn word(&self, statement: &[u8]) -> Option<&'static Word> {
        if self.kind == Kind::Word { word(statement.get(self.range.clone())?) } else { None }
    }
}

/// The tokens of a statement, in order. Blanks between them are in none.
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
    dialect: Dialect,
    executable: bool,
    /// Kind and end of the token before, for what depends on it: `.5` after a name is no number.
    before: Option<(Kind, usize)>,
}

impl<'a> Tokens<'a> {
    pub fn new(text: &'a [u8], dialect: Dialect) -> Tokens<'a> {
        Tokens { text, at: 0, dialect, executable: false, before: None }
    }

    fn byte(&self, place: usize) -> Option<u8> {
        self.text.get(place).copied()
    }

    fn rest(&self, from: usize) -> &'a [u8] {
        self.text.get(from..).unwrap_or_default()
    }

    /// Kind, end, and whether it is closed, of the token that begins at `at` with `first`.
    fn token(&self, first: u8) -> (Kind, usize, bool) {
        let at = self.at;
        let next = self.byte(at + 1);
        match first {
            b'\'' | b'"' => self.string(Kind::String, at),
            b'`' => self.backticked(at),
            b'N' | b'n' if next == Some(b'\'') => self.string(Kind::String, at + 1),
            b'X' | b'x' | b'B' | b'b' if next == Some(b'\'') => self.string(Kind::Bits, at + 1),
            b'#' => self.line_comment(),
            b'-' if next == Some(b'-') && self.byte(at + 2).is_none_or(|byte| byte <= b' ' || byte == 0x7f) => {
                self.line_comment()
            }
            b'/' if next == Some(b'*') => self.block_comment(),
            b'*' if next == Some(b'/') && self.executable => (Kind::ExecutableEnd, at + 2, true),
            b'?' => (Kind::Placeholder, at + 1, true),
            b'.' if next.is_some_and(|byte| byte.is_ascii_digit()) && !self.touches_name() => self.number(at),
            b'0'..=b'9' if !self.after_dot() && !self.is_after_at() => self.digits(),
            _ if is_name(first) => {
                let kind = if self.is_after_at() { Kind::AfterAt } else { Kind::Word };
                (kind, self.name_end(at, kind == Kind::AfterAt), true)
            }
            _ => (Kind::Symbol, at + symbol_bytes(self.rest(at)), true),
        }
    }

    fn is_after_at(&self) -> bool {
        let Some((Kind::Symbol, end)) = self.before else { return false };
        end == self.at && self.text.get(..end).is_some_and(|text| text.ends_with(b"@") && !text.ends_with(b"@@"))
    }

    /// Directly after a name: `t.1`.
    fn touches_name(&self) -> bool {
        matches!(self.before, Some((Kind::Word | Kind::Backticked | Kind::AfterAt, end)) if end == self.at)
    }

    /// Directly after the dot of a qualified name, where even digits are a name.
    fn after_dot(&self) -> bool {
        matches!(self.before, Some((Kind::Symbol, end)) if end == self.at)
            && self.at >= 2
            && self.byte(self.at - 1) == Some(b'.')
            && self.byte(self.at - 2).is_some_and(|byte| is_name(byte) || byte == b'`')
    }

    fn name_end(&self, from: usize, is_host: bool) -> usize {
        let part = |byte: &u8| is_name(*byte) || is_host && *byte == b'.';
        from + self.rest(from).iter().take_while(|byte| part(byte)).count()
    }

    /// A token that begins with a digit: a number, bits, or a name like `1a`.
    fn digits(&self) -> (Kind, usize, bool) {
        let end = self.name_end(self.at, false);
        let word = self.text.get(self.at..end).unwrap_or_default();
        let all = |digits: &[u8], is: fn(&u8) -> bool| !digits.is_empty() && digits.iter().all(is);
        match word {
            [b'0', b'x', digits @ ..] if all(digits, u8::is_ascii_hexdigit) => return (Kind::Bits, end, true),
            [b'0', b'b', digits @ ..] if all(digits, |digit| matches!(digit, b'0' | b'1')) => {
                return (Kind::Bits, end, true);
            }
            _ => {}
        }
        let (kind, number_end, closed) = self.number(self.at);
        if number_end < end
            && self.text.get(self.at..number_end).is_some_and(|number| number.iter().all(u8::is_ascii_digit))
        {
            return (Kind::Word, end, true);
        }
        (kind, number_end, closed)
    }

    /// Digits, a fraction, an exponent, each where it is there.
    fn number(&self, from: usize) -> (Kind, usize, bool) {
        let digits = |from: usize| from + self.rest(from).iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut end = digits(from);
        if self.byte(end) == Some(b'.') {
            end = digits(end + 1);
        }
        if matches!(self.byte(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.byte(end + 1), Some(b'+' | b'-')));
            let exponent = end + 1 + sign;
            if digits(exponent) > exponent {
                end = digits(exponent);
            }
        }
        (Kind::Number, end, true)
    }

    /// A string whose opening quote is at `open`.
    fn string(&self, kind: Kind, open: usize) -> (Kind, usize, bool) {
        let quote = self.byte(open).unwrap_or(b'\'');
        let escapes = self.dialect.backslash_escapes && kind == Kind::String;
        let mut at = open + 1;
        loop {
            let rest = self.rest(at);
            let place = if escapes { memchr2(quote, b'\\', rest) } else { memchr(quote, rest) };
            let Some(place) = place else { return (kind, self.text.len(), false) };
            let (found, next) = (self.byte(at + place), self.byte(at + place + 1));
            if found == Some(b'\\') || next == Some(quote) {
                at = (at + place + 2).min(self.text.len());
            } else {
                return (kind, at + place + 1, true);
            }
        }
    }

    fn backticked(&self, open: usize) -> (Kind, usize, bool) {
        let mut at = open + 1;
        while let Some(place) = memchr(b'`', self.rest(at)) {
            if self.byte(at + place + 1) != Some(b'`') {
                return (Kind::Backticked, at + place + 1, true);
            }
            at += place + 2;
        }
        (Kind::Backticked, self.text.len(), false)
    }

    fn line_comment(&self) -> (Kind, usize, bool) {
        let end = memchr(b'\n', self.rest(self.at)).map_or(self.text.len(), |place| self.at + place);
        (Kind::Comment, end, true)
    }

    fn block_comment(&self) -> (Kind, usize, bool) {
        let body = self.at + 2;
        let opener = match self.rest(body) {
            [b'!', ..] => 1,
            [b'M', b'!', ..] => 2,
            _ => 0,
        };
        if opener > 0 && !self.executable {
            let version = body + opener;
            let digits = self.rest(version).iter().take_while(|byte| byte.is_ascii_digit()).count().min(6);
            return (Kind::ExecutableBegin, version + digits, true);
        }
        let kind = if self.byte(body) == Some(b'+') { Kind::Hint } else { Kind::Comment };
        match memmem::find(self.rest(body), b"*/") {
            Some(place) => (kind, body + place + 2, true),
            None => (kind, self.text.len(), false),
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let blanks = self.rest(self.at).iter().take_while(|byte| **byte <= b' ' || **byte == 0x7f).count();
        self.at += blanks;
        let first = self.byte(self.at)?;
        let (kind, end, closed) = self.token(first);
        debug_assert!(end > self.at && end <= self.text.len(), "a token has bytes, and only bytes of the text");
        let range = self.at..end;
        if matches!(kind, Kind::ExecutableBegin | Kind::ExecutableEnd) {
            self.executable = kind == Kind::ExecutableBegin;
        }
        self.before = Some((kind, end));
        self.at = end;
        Some(Token { kind, range, closed })
    }
}

/// Bytes of names without quotes: ASCII letters and digits, `_`, `$`, and all beyond ASCII.
pub(super) fn is_name(byte: u8) -> bool {
    NAMES.get(usize::from(byte)).copied().unwrap_or(false)
}

#[expect(clippy::indexing_slicing, reason = "a table of all bytes, made by the compiler")]
static NAMES: [bool; 256] = {
    let mut names = [false; 256];
    let mut byte = 0_u8;
    while byte < u8::MAX {
        names[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80;
        byte += 1;
    }
    names[255] = true;
    names
};

/// How many bytes the operator has that stands here. A single byte where it is none.
fn symbol_bytes(rest: &[u8]) -> usize {
    match rest {
        [b'-', b'>', b'>', ..] | [b'<', b'=', b'>', ..] => 3,
        [b'-' | b'>', b'>', ..]
        | [b'<', b'=' | b'>' | b'<', ..]
        | [b'>' | b'!' | b':', b'=', ..]
        | [b'|', b'|', ..]
        | [b'&', b'&', ..] => 2,
        _ => 1,
    }
}
