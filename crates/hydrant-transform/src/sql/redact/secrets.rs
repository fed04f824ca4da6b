//! Hiding passwords in statements, also where they do not parse or are cut.
//!
//! [`secrets`] replaces by [`HIDDEN`], the server's own word, what follows `IDENTIFIED … BY | AS | USING`,
//! `PASSWORD`, `OLD_PASSWORD`, `MASTER_PASSWORD`, `SOURCE_PASSWORD` and any other name that ends so, and a second
//! password after `REPLACE`: in account statements, `SET PASSWORD`, replication, servers, function calls, and in
//! `password = '…'` of any statement; and the password among the arguments of the procedures of Amazon RDS that take
//! one. A string or a comment that holds such a statement is searched too.
//!
//! No log says whether backslashes escape in a session, and a statement need not be whole. So both readings are taken
//! and what either of them calls a secret is hidden; what is not closed is hidden to the end.
//!
//! What it does not know: secrets that are named otherwise or not at all (an argument of another procedure, a key for
//! encryption, a URL with an account), and values of an `INSERT` (their column stands elsewhere).

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::packed::Searcher;
use memchr::memmem;

use super::touch;
use crate::sql::token::{Dialect, Kind, Token, Tokens};

/// What stands for a secret: what MySQL writes itself where it hides one.
pub const HIDDEN: &[u8] = b"<secret>";

/// Statements in strings in strings are read so deep. What lies deeper and names a password is hidden whole.
const DEPTH_MAX: u32 = 3;

/// A comment, or a text whose quotes do not fit, is read from so many words that may bring a secret.
const TRACES_MAX: usize = 16;

/// `WITH`, and the plug-in: what stands between `IDENTIFIED` and its `BY`.
const PLUGIN_WORDS: u32 = 2;

/// A statement with its passwords hidden; borrowed where there are none, which costs one fast search.
pub fn secrets(statement: &[u8]) -> Cow<'_, [u8]> {
    if !may_hold(statement) {
        return Cow::Borrowed(statement);
    }
    hide(statement, read(statement, 0, Next::Plain).ranges)
}

/// As [`secrets`], of a text that may be the rest of a statement: its first word may lack its front.
pub fn secrets_of_piece(text: &[u8]) -> Cow<'_, [u8]> {
    match cut_word(text) {
        Some(next) => hide(text, read(text, 0, next).ranges),
        None => secrets(text),
    }
}

/// What follows the first word, if that is the rest of one that brings a secret and what stands behind it fits.
fn cut_word(text: &[u8]) -> Option<Next> {
    let length = text.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (word, rest) = text.split_at_checked(length).filter(|(word, _)| !word.is_empty())?;
    let rest = rest.trim_ascii_start();
    let is_rest_of = |whole: &str| {
        whole
            .len()
            .checked_sub(word.len())
            .and_then(|from| whole.get(from..))
            .is_some_and(|end| end.as_bytes().eq_ignore_ascii_case(word))
    };
    let goes_on = |with: &str| rest.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with.as_bytes()));
    if is_rest_of("IDENTIFIED") && ["BY", "WITH", "AS", "VIA"].into_iter().any(goes_on) {
        return Some(Next::Identified);
    }
    let is_password = is_rest_of("PASSWORD") && ["=", ":=", "(", "'", "\""].into_iter().any(goes_on);
    let is_before_string = ["BY", "USING"].into_iter().any(is_rest_of) && ["'", "\""].into_iter().any(goes_on);
    (is_password || is_before_string).then_some(Next::Secret)
}

/// Every statement that holds a secret holds one of these, in any case of letters: parts of `password`, `passwd` and
/// `identified`. So short because a vector search for each way to write them is much faster than one that folds case.
/// `None` on a processor without such a search.
static TRACES: LazyLock<Option<Searcher>> = LazyLock::new(|| {
    let each_case = |word: &str| {
        let letters: Vec<char> = word.chars().collect();
        let cases = 0..1_u32 << letters.len();
        cases.map(move |upper| {
            let case = |(idx, letter): (usize, &char)| {
                if upper >> idx & 1 == 1 { letter.to_ascii_uppercase() } else { *letter }
            };
            letters.iter().enumerate().map(case).collect::<String>()
        })
    };
    Searcher::new(["ssw", "tif"].into_iter().flat_map(each_case))
});

/// Where the words stand that may bring a secret, or names that hold them.
fn traces(text: &[u8]) -> impl Iterator<Item = usize> {
    let found = TRACES.as_ref().map(|traces| traces.find_iter(text).map(|found| found.start()));
    let anywhere = TRACES.is_none().then_some(0..text.len());
    found.into_iter().flatten().chain(anywhere.into_iter().flatten()).filter_map(|middle| {
        [(&b"passw"[..], 2), (b"identif", 4)].into_iter().find_map(|(word, before)| {
            let start = middle.checked_sub(before)?;
            text.get(start..start + word.len())?.eq_ignore_ascii_case(word).then_some(start)
        })
    })
}

/// Whether a text holds a word that may bring a secret; only then [`secrets`] can hide something.
pub(crate) fn may_hold(text: &[u8]) -> bool {
    traces(text).next().is_some() || is_rds_call(text)
}

/// What the names of the procedures begin with that Amazon RDS has.
const RDS: &[u8] = b"rds_";

/// Procedures of Amazon RDS that take a secret, by the beginnings of their names, and from which argument on.
const RDS_PROCEDURES: [(&[u8], u32); 2] = [(b"rds_set_external_", 4), (b"rds_import_binlog_ssl_material", 1)];

/// Whether a statement calls a procedure of Amazon RDS.
fn is_rds_call(text: &[u8]) -> bool {
    text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"CALL")) && memmem::find(text, RDS).is_some()
}

/// From which argument of this procedure on there are secrets.
fn secret_arguments(procedure: &[u8]) -> Option<u32> {
    RDS_PROCEDURES.into_iter().find(|(name, _)| procedure.starts_with(name)).map(|(_, first)| first)
}

/// Replaces ranges of a text, which are sorted and apart.
fn hide(text: &[u8], ranges: Vec<Range<usize>>) -> Cow<'_, [u8]> {
    if ranges.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for range in ranges {
        out.extend_from_slice(text.get(at..range.start).unwrap_or_default());
        out.extend_from_slice(HIDDEN);
        at = range.end;
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    Cow::Owned(out)
}

/// What a text gives when it is read.
#[derive(Default)]
struct Reading {
    /// What is secret, sorted, and joined where it overlaps.
    ranges: Vec<Range<usize>>,
    /// It ends where a password belongs: the next string of the statement around it is one.
    wants: bool,
}

/// Reads a text in both ways to take backslashes. `first` is what follows its first word. Where its quotes do not fit (an apostrophe in a name, a piece of a
/// statement) nobody can tell what is a string, so it is read once more from each word that may bring a secret.
fn read(text: &[u8], depth: u32, first: Next) -> Reading {
    let mut reading = Reading::default();
    let mut odd = Search::new(text, Dialect::DEFAULT, depth, first).run(&mut reading);
    if memchr::memchr(b'\\', text).is_some() {
        odd |= Search::new(text, Dialect::NO_BACKSLASH_ESCAPES, depth, first).run(&mut reading);
    }
    if odd && depth == 0 {
        read_from_traces(text, 0, depth, &mut reading.ranges);
    }
    reading.ranges.sort_unstable_by_key(|range| range.start);
    reading.ranges.dedup_by(|next, range| {
        let overlaps = next.start < range.end;
        if overlaps {
            range.end = range.end.max(next.end);
        }
        overlaps
    });
    reading
}

/// Reads a text from each word on that may bring a secret; its ranges are counted from `shift`. From the last word on
/// that is looked at, all is hidden.
fn read_from_traces(text: &[u8], shift: usize, depth: u32, ranges: &mut Vec<Range<usize>>) {
    for (nth, start) in traces(text).take(TRACES_MAX).enumerate() {
        if nth + 1 == TRACES_MAX {
            ranges.push(shift + start..shift + text.len());
            return;
        }
        let inner = read(text.get(start..).unwrap_or_default(), depth + 1, Next::Plain);
        ranges.extend(inner.ranges.into_iter().map(|range| range.start + start + shift..range.end + start + shift));
    }
}

/// What the next literal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
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
struct Search<'a> {
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
    place: Place,
    /// What the first word brings, where its front is cut off.
    first: Next,
    /// From which argument of the procedure on there are secrets, and which one is read.
    arguments: Option<(u32, u32)>,
}

impl<'a> Search<'a> {
    fn new(text: &'a [u8], dialect: Dialect, depth: u32, first: Next) -> Search<'a> {
        Search {
            text,
            dialect,
            depth,
            next: Next::Plain,
            since_identified: None,
            before_account: false,
            open: 0,
            spilled: false,
            place: Place::First,
            first,
            arguments: None,
        }
    }

    /// Adds what is secret. True where the quotes do not fit.
    fn run(mut self, reading: &mut Reading) -> bool {
        let ranges = &mut reading.ranges;
        let mut odd = false;
        let mut wants = false;
        let mut before: Option<Token> = None;
        for token in Tokens::new(self.text, self.dialect) {
            odd |= !token.closed || before.is_some_and(|before| touch(&before, &token));
            let before_account = std::mem::take(&mut self.before_account);
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
        self.count();
        if in_place && self.next != Next::Account {
            // Strings that stand side by side are one.
            self.next = Next::Secret;
        }
        let is_string = token.kind == Kind::String;
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
        let is_charset = word.starts_with(b"_") && !is_password(word);
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
        match (symbol, self.next) {
            (b"(", Next::Secret | Next::Value | Next::Call) => self.open += 1,
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
