//! One reading of a text: token by token, what is a password.

use std::ops::Range;

use super::super::touch;
use super::{Reading, may_hold, read, read_from_traces, secret_arguments};
use crate::sql::token::{Dialect, Kind, Token, Tokens};

/// Statements in strings in strings are read so deep. What lies deeper and names a password is hidden whole.
const DEPTH_MAX: u32 = 3;

/// `WITH`, and the plug-in: what stands between `IDENTIFIED` and its `BY`.
const PLUGIN_WORDS: u32 = 2;

/// What the next literal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing to hide.
    Plain,
    /// Behind the name of a password, `AS`, `USING`, `REPLACE`.
    Secret,
    /// Behind `=`: a password, or a function that makes one.
    Value,
    /// Behind the name of that function.
    Call,
    /// Behind `IDENTIFIED BY`, where even a word without quotes can only be a password.
    Bare,
    /// After `PASSWORD FOR`: an account, whose parts follow `FOR` and `@`.
    Account,
    /// Behind `IDENTIFIED`.
    Identified,
}

/// Where in its statement a token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    First,
    /// Somewhere behind a `SET` that begins the statement.
    Set,
    Other,
}

/// One reading of a text.
pub(super) struct Search<'a> {
    text: &'a [u8],
    dialect: Dialect,
    depth: u32,
    next: Next,
    /// Names and strings since `IDENTIFIED`, or since a password in a place where `REPLACE` brings another one.
    since_identified: Option<u32>,
    /// The token before is `FOR` or `@`.
    before_account: bool,
    /// Parentheses open around a password: all in them makes it.
    open: u32,
    /// A string before ended where a password belongs.
    spilled: bool,
    /// The token before is a string.
    behind_string: bool,
    place: Place,
    /// What the first word brings, where its front is cut off.
    first: Next,
    /// From which argument of the procedure on there are secrets, and which one is read.
    arguments: Option<(u32, u32)>,
}

impl<'a> Search<'a> {
    pub(super) fn new(text: &'a [u8], dialect: Dialect, depth: u32, first: Next) -> Search<'a> {
        Search {
            text,
            dialect,
            depth,
            next: Next::Plain,
            since_identified: None,
            before_account: false,
            open: 0,
            spilled: false,
            behind_string: false,
            place: Place::First,
            first,
            arguments: None,
        }
    }

    /// Adds what is secret. True where the quotes do not fit.
    pub(super) fn run(mut self, reading: &mut Reading) -> bool {
        let ranges = &mut reading.ranges;
        let mut odd = false;
        let (mut wants, mut wants_more) = (false, false);
        let mut before: Option<Token> = None;
        for token in Tokens::new(self.text, self.dialect) {
            odd |= !token.closed || before.as_ref().is_some_and(|before| touch(before, &token));
            let before_account = std::mem::take(&mut self.before_account);
            // What touches a secret goes on with it, where its quotes were doubled once more.
            let goes_on = wants_more
                && before.as_ref().is_some_and(|before| before.range.end == token.range.start)
                && matches!(token.kind, Kind::Word | Kind::String | Kind::Number | Kind::Bits)
                && token.word(self.text).is_none();
            self.behind_string = before.as_ref().is_some_and(|before| before.kind == Kind::String);
            let is_hidden = match token.kind {
                Kind::Word | Kind::AfterAt => self.word(&token),
                Kind::Backticked => self.backticked(&token),
                Kind::String | Kind::Bits | Kind::Number => self.literal(&token, before_account),
                Kind::Comment | Kind::Hint => {
                    self.comment(&token, ranges);
                    false
                }
                Kind::Symbol => {
                    self.symbol(&token);
                    false
                }
                Kind::Placeholder => {
                    self.next = Next::Plain;
                    false
                }
                Kind::ExecutableBegin | Kind::ExecutableEnd => false,
            };
            let is_hidden = is_hidden || goes_on;
            wants_more = is_hidden && token.kind != Kind::Number;
            wants = is_hidden && !token.closed;
            if is_hidden {
                ranges.push(token.range.clone());
            }
            before = Some(token);
        }
        reading.wants |= wants || matches!(self.next, Next::Value | Next::Bare);
        odd
    }

    fn bytes(&self, token: &Token) -> &'a [u8] {
        self.text.get(token.range.clone()).unwrap_or_default()
    }

    fn literal(&mut self, token: &Token, before_account: bool) -> bool {
        let in_place = match self.next {
            Next::Secret | Next::Value | Next::Bare => true,
            Next::Account => !before_account,
            Next::Plain | Next::Call | Next::Identified => false,
        };
        self.place = self.place.behind(b"");
        // A statement that does not parse may leave BY out, behind IDENTIFIED or behind its plug-in.
        let is_string = token.kind == Kind::String;
        let in_place = in_place
            || is_string
                && match self.since_identified {
                    Some(0) => true,
                    Some(words) => words <= PLUGIN_WORDS && self.behind_string,
                    None => false,
                };
        if is_string && !in_place && self.names_password(token) {
            self.next = Next::Secret;
            self.count();
            return false;
        }
        self.count();
        if in_place && self.next != Next::Account {
            // Strings that stand side by side are one.
            self.next = Next::Secret;
        }
        let is_argument = self.arguments.is_some_and(|(first, nth)| nth >= first);
        in_place || is_argument || self.open > 0 || is_string && (self.spilled || self.holds_secret(token))
    }

    fn backticked(&mut self, token: &Token) -> bool {
        self.count();
        if self.next == Next::Account {
            return false;
        }
        let is_bare = self.next == Next::Bare;
        self.place = self.place.behind(b"");
        let name = self.bytes(token).strip_suffix(b"`").unwrap_or_default();
        self.next = if is_password(name) { Next::Secret } else { Next::Plain };
        self.arguments = secret_arguments(name.get(1..).unwrap_or_default()).map(|first| (first, 0));
        is_bare
    }

    /// Whether it is a name in double quotes, as with `ANSI_QUOTES`, that a password is assigned to.
    fn names_password(&self, token: &Token) -> bool {
        let name = self.bytes(token).strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\""));
        let behind = self.text.get(token.range.end..).unwrap_or_default().trim_ascii_start();
        name.is_some_and(is_password) && behind.starts_with(b"=")
    }

    fn is_before_parenthesis(&self, token: &Token) -> bool {
        self.text.get(token.range.end..).is_some_and(|rest| rest.trim_ascii_start().starts_with(b"("))
    }

    /// Something stands behind `IDENTIFIED`.
    fn count(&mut self) {
        self.since_identified = self.since_identified.map(|words| words.saturating_add(1));
    }

    fn word(&mut self, token: &Token) -> bool {
        let word = self.bytes(token);
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword.as_bytes());
        let is_national = is("N") && self.text.get(token.range.end) == Some(&b'"');
        let is_charset = is_national || word.starts_with(b"_") && !is_password(word);
        if is_charset {
            return false;
        }
        let is_bare =
            self.next == Next::Bare && !is("RANDOM") && !is_password(word) && !self.is_before_parenthesis(token);
        let is_cut = self.place == Place::First && self.first != Next::Plain;
        self.place = self.place.behind(word);
        self.arguments = secret_arguments(word).map(|first| (first, 0)).or(self.arguments.filter(|(_, nth)| *nth > 0));
        let near = self.since_identified.is_some_and(|words| words <= PLUGIN_WORDS);
        self.next = match self.next {
            _ if is_password(word) => {
                if is("PASSWORD") {
                    self.since_identified.get_or_insert(u32::MAX);
                }
                Next::Secret
            }
            _ if is_identified(word) || is_cut && self.first == Next::Identified => {
                self.since_identified = Some(0);
                return false;
            }
            _ if is_cut => Next::Secret,
            _ if near && is("BY") => Next::Bare,
            _ if self.since_identified.is_some() && (is("BY") || is("AS") || is("USING") || is("REPLACE")) => {
                Next::Secret
            }
            Next::Secret if is("FOR") => {
                self.before_account = true;
                Next::Account
            }
            Next::Account | Next::Secret if is("TO") => Next::Secret,
            Next::Secret if is("LIKE") || is("IN") => Next::Secret,
            Next::Account => Next::Account,
            Next::Value | Next::Bare => Next::Call,
            Next::Plain | Next::Secret | Next::Call | Next::Identified => Next::Plain,
        };
        self.count();
        is_bare
    }

    fn symbol(&mut self, token: &Token) {
        let symbol = self.bytes(token);
        if self.since_identified == Some(0) {
            self.count();
        }
        match (symbol, self.next) {
            (b"(", Next::Secret | Next::Value | Next::Call | Next::Bare) => self.open += 1,
            (b"(", _) if self.open > 0 => self.open += 1,
            (b")", _) => self.open = self.open.saturating_sub(1),
            _ => {}
        }
        self.arguments = match (symbol, self.arguments) {
            (b"(", Some((first, 0))) => Some((first, 1)),
            (b",", Some((first, nth))) if nth > 0 => Some((first, nth + 1)),
            (b";", _) | (_, Some((_, 0))) => None,
            (_, arguments) => arguments,
        };
        self.next = match (symbol, self.next) {
            (b"=" | b":=", Next::Account) => Next::Bare,
            (b"=" | b":=", Next::Secret) if self.place == Place::Set => Next::Bare,
            (b"=" | b":=" | b"<=>" | b"<>" | b"!=", Next::Secret | Next::Account) => Next::Value,
            (b":", Next::Secret | Next::Account) => Next::Secret,
            // Before a quote in a text that was escaped once more than it is read.
            (b"\\", next) => next,
            // What does not parse between BY and the password; the server's own word for one stays.
            (b"=" | b"+" | b"@" | b":=" | b"(" | b"-", Next::Bare) => Next::Bare,
            (b":=", Next::Call) => Next::Secret,
            (b";", _) => {
                (self.since_identified, self.open, self.spilled, self.place) = (None, 0, false, Place::First);
                Next::Plain
            }
            (b"@", Next::Account) => {
                self.before_account = true;
                Next::Account
            }
            (_, Next::Account) => Next::Account,
            _ => Next::Plain,
        };
    }

    /// A comment may hold a statement that was taken out. Around it stands prose, whose apostrophes are no quotes.
    fn comment(&self, token: &Token, ranges: &mut Vec<Range<usize>>) {
        let comment = self.bytes(token);
        if self.depth >= DEPTH_MAX && may_hold(comment) {
            ranges.push(token.range.clone());
            return;
        }
        let opening = comment.iter().take_while(|byte| matches!(byte, b'/' | b'*' | b'-' | b'#' | b'+' | b'!')).count();
        let body = comment.get(opening..).unwrap_or_default();
        let body = if token.closed { body.strip_suffix(b"*/").unwrap_or(body) } else { body };
        read_from_traces(body, token.range.start + opening, self.depth, ranges);
    }

    /// Whether a string is a statement with a secret in it, as after `PREPARE … FROM`. It is hidden whole then, and
    /// where the secret goes on in the next string, as in `CONCAT`, that one too.
    fn holds_secret(&mut self, token: &Token) -> bool {
        let string = self.bytes(token);
        if !may_hold(string) {
            return false;
        }
        if self.depth >= DEPTH_MAX {
            return true;
        }
        let inner = read(&unescaped(string, self.dialect), self.depth + 1, Next::Plain);
        self.spilled |= inner.wants;
        !inner.ranges.is_empty()
    }
}

impl Place {
    /// The place behind a word.
    fn behind(self, word: &[u8]) -> Place {
        match self {
            Place::First if word.eq_ignore_ascii_case(b"SET") => Place::Set,
            Place::First => Place::Other,
            Place::Set | Place::Other => self,
        }
    }
}

/// `IDENTIFIED`, and what people make of it: a statement that does not parse is logged too.
fn is_identified(word: &[u8]) -> bool {
    word.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"IDENTIF"))
        && word.last().is_some_and(|last| last.eq_ignore_ascii_case(&b'd'))
}

/// `password`, `old_password`, `master_password` and whatever else ends so; `passwd`.
fn is_password(name: &[u8]) -> bool {
    [&b"password"[..], b"passwd"].iter().any(|ending| {
        name.len()
            .checked_sub(ending.len())
            .and_then(|from| name.get(from..))
            .is_some_and(|end| end.eq_ignore_ascii_case(ending))
    })
}

/// What a string stands for, near enough to read a statement in it: quotes doubled or escaped are quotes.
fn unescaped(string: &[u8], dialect: Dialect) -> Vec<u8> {
    let begin = string.iter().position(|byte| matches!(byte, b'\'' | b'"')).unwrap_or(0);
    let quote = string.get(begin).copied().unwrap_or(b'\'');
    let mut bytes = string.get(begin + 1..).unwrap_or_default().iter().copied().peekable();
    let mut out = Vec::with_capacity(string.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' if dialect.backslash_escapes => match bytes.next() {
                Some(b'n' | b'r' | b't') => out.push(b' '),
                other => out.extend(other),
            },
            _ if byte == quote => {
                // Doubled it stands for itself; alone it is the end.
                if bytes.next_if_eq(&quote).is_none() {
                    break;
                }
                out.push(byte);
            }
            _ => out.push(byte),
        }
    }
    out
}
