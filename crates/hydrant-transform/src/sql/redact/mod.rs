//! Hiding passwords, or every literal, in statements, also where they do not parse or are cut.
//!
//! [`secrets`] replaces by [`HIDDEN`], the server's own word, what follows `IDENTIFIED … BY | AS | USING`,
//! `PASSWORD`, `OLD_PASSWORD`, `MASTER_PASSWORD`, `SOURCE_PASSWORD` and any other name that ends so, and a second
//! password after `REPLACE`: in account statements, `SET PASSWORD`, replication, servers, function calls, and in
//! `password = '…'` of any statement. A string or a comment that holds such a statement is searched too.
//!
//! No log says whether backslashes escape in a session, and a statement need not be whole. So both readings are taken
//! and what either of them calls a secret is hidden; what is not closed is hidden to the end.
//!
//! What it does not know: secrets that are named otherwise, and values of an `INSERT` (their column stands elsewhere).

mod literals;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::packed::Searcher;

use super::token::{Dialect, Kind, Token, Tokens};
pub use literals::{LITERAL, literals};

/// What is hidden before a document is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redact {
    /// Nothing: statements stay as they were logged.
    Off,
    /// Passwords: see [`secrets`].
    #[default]
    Secrets,
    /// Every literal: see [`literals`]. Text that is no statement is not shown at all.
    Literals,
}

impl Redact {
    pub const ALL: [Redact; 3] = [Redact::Off, Redact::Secrets, Redact::Literals];

    /// As it stands in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Redact::Off => "off",
            Redact::Secrets => "secrets",
            Redact::Literals => "literals",
        }
    }

    /// A statement as it may be shown.
    pub fn hide(self, statement: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Redact::Off => Cow::Borrowed(statement),
            Redact::Secrets => secrets(statement),
            Redact::Literals => literals(statement),
        }
    }

    /// Another text, which may hold a statement, as it may be shown; `None` where it may not.
    pub fn hide_text(self, text: &[u8]) -> Option<Cow<'_, [u8]>> {
        match self {
            Redact::Off => Some(Cow::Borrowed(text)),
            Redact::Secrets => Some(secrets(text)),
            Redact::Literals => None,
        }
    }

    /// The argument of a command that is no statement: an account, the name of a database.
    pub fn hide_argument(self, argument: &[u8]) -> Cow<'_, [u8]> {
        if self == Redact::Off { Cow::Borrowed(argument) } else { secrets(argument) }
    }
}

/// What stands for a secret: what MySQL writes itself where it hides one.
pub const HIDDEN: &[u8] = b"<secret>";

/// Statements in strings in strings are read so deep. What lies deeper and names a password is hidden whole.
const DEPTH_MAX: u32 = 3;

/// A comment that names passwords so often is hidden whole.
const COMMENT_TRACES_MAX: usize = 16;

/// A statement with its passwords hidden; borrowed where there are none, which costs one fast search.
pub fn secrets(statement: &[u8]) -> Cow<'_, [u8]> {
    if !may_hold(statement) {
        return Cow::Borrowed(statement);
    }
    hide(statement, secret_ranges(statement, 0))
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
    traces(text).next().is_some()
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

/// What either reading calls a secret, sorted, and joined where it overlaps.
fn secret_ranges(text: &[u8], depth: u32) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    Search::new(text, Dialect::DEFAULT, depth).run(&mut ranges);
    if memchr::memchr(b'\\', text).is_some() {
        Search::new(text, Dialect::NO_BACKSLASH_ESCAPES, depth).run(&mut ranges);
    }
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.dedup_by(|next, range| {
        let overlaps = next.start < range.end;
        if overlaps {
            range.end = range.end.max(next.end);
        }
        overlaps
    });
    ranges
}

/// What the next literal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Nothing to hide.
    Plain,
    Secret,
    /// After `PASSWORD FOR`: an account, whose parts follow `FOR` and `@`.
    Account,
}

/// One reading of a text.
struct Search<'a> {
    text: &'a [u8],
    dialect: Dialect,
    depth: u32,
    next: Next,
    /// `IDENTIFIED` was met, or a password in a place where `REPLACE` brings another one.
    identified: bool,
    /// The token before is `FOR` or `@`.
    before_account: bool,
}

impl<'a> Search<'a> {
    fn new(text: &'a [u8], dialect: Dialect, depth: u32) -> Search<'a> {
        Search { text, dialect, depth, next: Next::Plain, identified: false, before_account: false }
    }

    fn run(mut self, ranges: &mut Vec<Range<usize>>) {
        for token in Tokens::new(self.text, self.dialect) {
            let before_account = std::mem::take(&mut self.before_account);
            match token.kind {
                Kind::Word | Kind::AfterAt => self.word(&token),
                Kind::Backticked if self.next != Next::Account => {
                    let name = self.bytes(&token).strip_suffix(b"`").unwrap_or_default();
                    self.next = if is_password(name) { Next::Secret } else { Next::Plain };
                }
                Kind::Symbol => self.symbol(&token),
                Kind::String | Kind::Bits | Kind::Number => {
                    let hidden = match self.next {
                        Next::Secret => true,
                        Next::Account => !before_account,
                        Next::Plain => token.kind == Kind::String && self.holds_secret(&token),
                    };
                    if hidden {
                        ranges.push(token.range);
                    }
                }
                Kind::Comment | Kind::Hint => self.comment(&token, ranges),
                Kind::Placeholder => self.next = Next::Plain,
                Kind::Backticked | Kind::ExecutableBegin | Kind::ExecutableEnd => {}
            }
        }
    }

    fn bytes(&self, token: &Token) -> &'a [u8] {
        self.text.get(token.range.clone()).unwrap_or_default()
    }

    fn word(&mut self, token: &Token) {
        let word = self.bytes(token);
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword.as_bytes());
        let is_charset = word.starts_with(b"_") && !is_password(word);
        if is_charset {
            return;
        }
        self.next = match self.next {
            _ if is_password(word) => {
                self.identified |= is("PASSWORD");
                Next::Secret
            }
            _ if is("IDENTIFIED") => {
                self.identified = true;
                Next::Plain
            }
            _ if self.identified && (is("BY") || is("AS") || is("USING") || is("REPLACE")) => Next::Secret,
            Next::Secret if is("FOR") => {
                self.before_account = true;
                Next::Account
            }
            Next::Account | Next::Secret if is("TO") => Next::Secret,
            Next::Account => Next::Account,
            Next::Plain | Next::Secret => Next::Plain,
        };
    }

    fn symbol(&mut self, token: &Token) {
        self.next = match (self.bytes(token), self.next) {
            (b"=" | b":=" | b":", Next::Secret | Next::Account) => Next::Secret,
            (b"(", Next::Secret) => Next::Secret,
            (b";", _) => {
                self.identified = false;
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

    /// A comment may hold a statement that was taken out. Around it stands prose, whose apostrophes are no quotes: so
    /// it is read from each word on that may bring a secret.
    fn comment(&self, token: &Token, ranges: &mut Vec<Range<usize>>) {
        let comment = self.bytes(token);
        let opening = comment.iter().take_while(|byte| matches!(byte, b'/' | b'*' | b'-' | b'#' | b'+' | b'!')).count();
        let body = comment.get(opening..).unwrap_or_default();
        let body = if token.closed { body.strip_suffix(b"*/").unwrap_or(body) } else { body };
        let starts: Vec<usize> = traces(body).take(COMMENT_TRACES_MAX).collect();
        if self.depth >= DEPTH_MAX || starts.len() == COMMENT_TRACES_MAX {
            ranges.push(token.range.clone());
            return;
        }
        for start in starts {
            let shift = token.range.start + opening + start;
            let inner = secret_ranges(body.get(start..).unwrap_or_default(), self.depth + 1);
            ranges.extend(inner.into_iter().map(|range| range.start + shift..range.end + shift));
        }
    }

    /// Whether a string is a statement with a secret in it, as after `PREPARE … FROM`. It is hidden whole then.
    fn holds_secret(&self, token: &Token) -> bool {
        let string = self.bytes(token);
        if !may_hold(string) {
            return false;
        }
        self.depth >= DEPTH_MAX || !secret_ranges(&unescaped(string, self.dialect), self.depth + 1).is_empty()
    }
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
