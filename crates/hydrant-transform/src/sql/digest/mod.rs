//! The digest of a statement: its text with every literal as `?`, as MySQL's `STATEMENT_DIGEST_TEXT` writes it.
//!
//! Tokens are added one by one, and what stands at the end is reduced: a sign into the number behind it, `?, ?` to
//! `?, ...`, `(?)`, rows and lists of rows to one each, `IN (…)` to `IN (...)`. That finds the same shape whatever the
//! number of values, with memory for the shape alone. The rules are facts of MySQL 9.7.4, found by asking it (`docs/digests.md`).
//!
//! The server refuses what does not parse. Here any bytes have a digest; it says whether a string or comment in it is
//! not closed. What a parser knows beyond tokens is guessed from its neighbours: whether `NULL` is a value, and whether
//! a number after `ORDER BY` is a column.

mod item;

pub(super) mod words;

#[cfg(test)]
mod tests;

use sha2::{Digest as _, Sha256};

use super::redact::HIDDEN;
use super::token::{Dialect, Kind, Token, Tokens, is_name};
use super::word::{Word, word};
use crate::hex::hex;
use item::{Item, starts_expression, symbol};

/// The server keeps this much of the tokens (`max_digest_length` unless configured): two bytes each, and of a name its
/// bytes and two more.
pub const TOKEN_BYTES_MAX: usize = 1024;

/// Version conditions of comments (`/*!80000 … */`) are met up to this one.
const SERVER_VERSION: u32 = 90_704;

/// Enters every [`Digest::hash`], so that a change of the rules cannot be taken for a change of the statement.
const HASH_VERSION: &str = "hydrant digest 1\n";

/// Tokens of this kind and others take two bytes of [`TOKEN_BYTES_MAX`].
const TOKEN_BYTES: usize = 2;

/// What a statement amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    pub text: String,
    /// It is cut at [`TOKEN_BYTES_MAX`]; the server does not mark it either.
    pub truncated: bool,
    /// No string, name or comment runs to the end of the statement without its close.
    pub closed: bool,
}

impl Digest {
    /// 32 hexadecimal digits that stay the same for the same text, in every version of these rules. Not MySQL's `DIGEST`.
    pub fn hash(&self) -> String {
        let hash = Sha256::new().chain_update(HASH_VERSION).chain_update(&self.text).finalize();
        hex(hash.first_chunk::<16>().unwrap_or(&[0; 16]))
    }
}

/// The digest of a statement.
pub fn digest(statement: &[u8]) -> Digest {
    let mut digester = Digester::new(statement);
    let mut tokens = Tokens::new(statement, Dialect::DEFAULT).peekable();
    while let Some(token) = tokens.next() {
        let word = token.word(statement);
        digester.take(&token, word, tokens.peek());
    }
    digester.finish()
}

/// Makes the digest of a statement from its tokens.
pub(super) struct Digester<'a> {
    statement: &'a [u8],
    reducer: Reducer<'a>,
    closed: bool,
    /// In a comment whose version condition is not met.
    skipping: bool,
    /// Where the server, or our own redaction, has written a word for a secret.
    hidden_to: usize,
}

impl<'a> Digester<'a> {
    pub(super) fn new(statement: &'a [u8]) -> Digester<'a> {
        let reducer = Reducer { text: statement, items: Vec::new(), bytes: 0, is_full: false };
        Digester { statement, reducer, closed: true, skipping: false, hidden_to: 0 }
    }

    /// Takes the next token, with the one behind it.
    pub(super) fn take(&mut self, token: &Token, word: Option<&'static Word>, next: Option<&Token>) {
        self.closed &= token.closed;
        let rest = || self.statement.get(token.range.start..).unwrap_or_default();
        match token.kind {
            Kind::Comment => {}
            Kind::ExecutableBegin => self.skipping = !self.reducer.is_executed(token),
            Kind::ExecutableEnd => self.skipping = false,
            _ if self.skipping || self.reducer.is_full || token.range.start < self.hidden_to => {}
            Kind::Symbol if rest().starts_with(HIDDEN) => {
                self.hidden_to = token.range.start + HIDDEN.len();
                self.reducer.value(false);
            }
            Kind::Hint => self.reducer.hint(token),
            Kind::Word
            | Kind::Backticked
            | Kind::String
            | Kind::Number
            | Kind::Bits
            | Kind::AfterAt
            | Kind::Placeholder
            | Kind::Symbol => self.reducer.token(token, word, next.filter(|next| next.kind != Kind::Comment)),
        }
    }

    pub(super) fn finish(mut self) -> Digest {
        self.reducer.finish();
        Digest { text: self.reducer.print(), truncated: self.reducer.is_full, closed: self.closed }
    }
}

struct Reducer<'a> {
    text: &'a [u8],
    items: Vec<Item<'a>>,
    /// What the server would have stored.
    bytes: usize,
    is_full: bool,
}

impl<'a> Reducer<'a> {
    fn bytes_of(&self, token: &Token) -> &'a [u8] {
        self.text.get(token.range.clone()).unwrap_or_default()
    }

    /// Whether the code in `/*!80000 … */` is read. MariaDB's `/*M! … */` is a comment to MySQL.
    fn is_executed(&self, begin: &Token) -> bool {
        let Some(version) = self.bytes_of(begin).strip_prefix(b"/*!") else { return false };
        let number = std::str::from_utf8(version).ok().and_then(|version| version.parse::<u32>().ok());
        // Five digits, or six with a leading zero for the versions before 10.
        number.is_none_or(|number| version.len() < 5 || number <= SERVER_VERSION)
    }

    fn token(&mut self, token: &Token, word: Option<&Word>, next: Option<&Token>) {
        let bytes = self.bytes_of(token);
        match token.kind {
            Kind::String => self.value(false),
            Kind::Number => match self.column(bytes, next) {
                Some(column) => self.push(column),
                None => self.value(true),
            },
            Kind::Bits => self.value(true),
            Kind::Placeholder | Kind::AfterAt => self.value(false),
            Kind::Backticked => self.push(Item::QuotedName(unquoted(bytes))),
            Kind::Word => self.word(token, bytes, word, next),
            Kind::Symbol => self.symbol(bytes),
            Kind::Comment | Kind::Hint | Kind::ExecutableBegin | Kind::ExecutableEnd => {}
        }
    }

    fn word(&mut self, token: &Token, bytes: &'a [u8], word: Option<&Word>, next: Option<&Token>) {
        let next_byte = self.text.get(token.range.end).copied();
        // Behind a dot, and directly before one that a name follows, any word is a name.
        let behind_dot = self.last() == Some(Item::Symbol("."));
        let before_name =
            next_byte == Some(b'.') && self.text.get(token.range.end + 1).is_some_and(|byte| is_name(*byte));
        let is_variable = self.last() == Some(Item::Symbol("@")) && self.last_but(1) == Some(Item::Symbol("@"));
        if behind_dot || before_name && !is_variable {
            return self.push(Item::Name(bytes));
        }
        if words::is_charset(bytes) && next.is_some_and(|next| matches!(next.kind, Kind::String | Kind::Bits)) {
            return self.push(Item::Charset);
        }
        match word.and_then(|word| word.spelling) {
            Some(word) if !word.is_function || next_byte == Some(b'(') => match word.spelled {
                "NULL" if self.is_value_next() => self.value(false),
                spelled => self.push(Item::Keyword(spelled)),
            },
            Some(_) | None => self.push(Item::Name(bytes)),
        }
    }

    /// Whether `NULL` is a value here: behind something that an expression may follow.
    fn is_value_next(&self) -> bool {
        match self.last() {
            None | Some(Item::Symbol(")" | ".")) => false,
            Some(Item::Symbol(_)) => true,
            Some(Item::Keyword("NOT")) => {
                let defines = matches!(self.items.first(), Some(Item::Keyword("CREATE" | "ALTER")));
                self.last_but(1) != Some(Item::Keyword("IS")) && !defines
            }
            Some(Item::Keyword("BINARY")) => !matches!(self.items.first(), Some(Item::Keyword("CREATE" | "ALTER"))),
            Some(Item::Keyword(word)) => starts_expression(word) || BEFORE_EXPRESSION.contains(&word),
            Some(_) => false,
        }
    }

    /// A whole number is a column where it stands alone in the list after `ORDER BY` or `GROUP BY`.
    fn column(&self, bytes: &'a [u8], next: Option<&Token>) -> Option<Item<'a>> {
        let number = std::str::from_utf8(bytes).ok()?;
        number.parse::<u64>().ok()?;
        let is_next = match self.last() {
            Some(Item::Keyword("BY")) => true,
            Some(Item::Symbol(",")) => !self.folds() && self.is_in_list_behind_by(),
            Some(_) | None => false,
        };
        if !is_next {
            return None;
        }
        let ends = next.is_none_or(|next| {
            let bytes = self.bytes_of(next);
            if next.kind == Kind::Word {
                let spelling = word(bytes).and_then(|word| word.spelling);
                return !spelling.is_some_and(|word| CONTINUES_EXPRESSION.contains(&word.spelled));
            }
            next.kind == Kind::Symbol && matches!(bytes, b"," | b")" | b";")
        });
        ends.then_some(Item::Column(number))
    }

    /// Whether the innermost open list is that of `ORDER BY` or `GROUP BY`.
    fn is_in_list_behind_by(&self) -> bool {
        let mut depth = 0_usize;
        for item in self.items.iter().rev() {
            let word = match *item {
                Item::Symbol(symbol) | Item::Keyword(symbol) => symbol,
                Item::Name(_)
                | Item::QuotedName(_)
                | Item::NameBeforeAt(_)
                | Item::Value
                | Item::Values
                | Item::Row
                | Item::Rows
                | Item::LongRow
                | Item::LongRows
                | Item::InList
                | Item::Column(_)
                | Item::Charset => continue,
            };
            match word {
                ")" => depth += 1,
                "(" if depth == 0 => return false,
                "(" => depth -= 1,
                "BY" if depth == 0 => return true,
                _ if depth == 0 && ENDS_LIST.contains(&word) => return false,
                _ => {}
            }
        }
        false
    }

    /// A literal; signs before a number are a part of it.
    fn value(&mut self, takes_signs: bool) {
        while takes_signs
            && matches!(self.last(), Some(Item::Symbol("-" | "+")))
            && self.last_but(1).is_some_and(Item::starts_expression)
        {
            self.pop();
        }
        if self.folds() {
            self.pop();
            self.pop();
            return self.push(Item::Values);
        }
        self.push(Item::Value);
    }

    /// A value that comes now goes on with a list of values.
    fn folds(&self) -> bool {
        self.last() == Some(Item::Symbol(",")) && matches!(self.last_but(1), Some(Item::Value | Item::Values))
    }

    fn symbol(&mut self, bytes: &'a [u8]) {
        let symbol = symbol(bytes);
        if symbol == ")" && self.last_but(1) == Some(Item::Symbol("(")) {
            match self.last() {
                Some(Item::Value) => return self.row(Item::Row, Item::Rows),
                Some(Item::Values) => return self.row(Item::LongRow, Item::LongRows),
                _ => {}
            }
        }
        self.push(Item::Symbol(symbol));
    }

    /// `(` and what stands in it are a row; behind another such row and a comma they are one with it.
    fn row(&mut self, row: Item<'a>, rows: Item<'a>) {
        self.pop();
        self.pop();
        if self.last() == Some(Item::Keyword("IN")) {
            self.pop();
            return self.push(Item::InList);
        }
        let before = self.last_but(1);
        if self.last() == Some(Item::Symbol(",")) && (before == Some(row) || before == Some(rows)) {
            self.pop();
            self.pop();
            return self.push(rows);
        }
        self.push(row);
    }

    /// Hints count directly behind the word that begins a statement.
    fn hint(&mut self, hint: &Token) {
        if !matches!(self.last(), Some(Item::Keyword("SELECT" | "INSERT" | "REPLACE" | "UPDATE" | "DELETE"))) {
            return;
        }
        let text = self.bytes_of(hint);
        let inner = text.strip_prefix(b"/*+").unwrap_or(text);
        let inner = inner.strip_suffix(b"*/").unwrap_or(inner);
        self.push(Item::Symbol("/*+"));
        for token in Tokens::new(inner, Dialect::DEFAULT) {
            let bytes = inner.get(token.range.clone()).unwrap_or_default();
            let next_is_at = inner.get(token.range.end) == Some(&b'@');
            match token.kind {
                Kind::Word if bytes.first().is_some_and(u8::is_ascii_digit) => self.value(false),
                Kind::Word => match words::hint(bytes) {
                    Some(name) => self.push(Item::Keyword(name)),
                    None if next_is_at => self.push(Item::NameBeforeAt(bytes)),
                    None => self.push(Item::Name(bytes)),
                },
                Kind::Backticked => self.push(Item::QuotedName(unquoted(bytes))),
                Kind::AfterAt => self.push(Item::Name(bytes)),
                Kind::Symbol => self.symbol(bytes),
                Kind::Comment | Kind::Hint | Kind::ExecutableBegin | Kind::ExecutableEnd => {}
                Kind::String | Kind::Number | Kind::Bits | Kind::Placeholder => self.value(false),
            }
        }
        self.push(Item::Symbol("*/"));
    }

    fn last(&self) -> Option<Item<'a>> {
        self.items.last().copied()
    }

    /// The item so many places before the last.
    fn last_but(&self, places: usize) -> Option<Item<'a>> {
        self.items.get(self.items.len().checked_sub(places + 1)?).copied()
    }

    fn push(&mut self, item: Item<'a>) {
        let bytes = item.stored_bytes();
        if self.is_full || self.bytes + bytes > TOKEN_BYTES_MAX {
            self.is_full = true;
            return;
        }
        self.bytes += bytes;
        self.items.push(item);
    }

    fn pop(&mut self) {
        if let Some(item) = self.items.pop() {
            self.bytes -= item.stored_bytes();
        }
    }

    /// The `;` that ends a statement is none of it.
    fn finish(&mut self) {
        while self.last() == Some(Item::Symbol(";")) {
            self.pop();
        }
    }

    fn print(&self) -> String {
        let mut text = Vec::with_capacity(2 * self.bytes);
        for (idx, item) in self.items.iter().enumerate() {
            if idx > 0 && !matches!(self.items.get(idx - 1), Some(Item::Symbol("@") | Item::NameBeforeAt(_))) {
                text.push(b' ');
            }
            item.print(&mut text);
        }
        match String::from_utf8(text) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        }
    }
}

/// What stands between the backticks.
fn unquoted(name: &[u8]) -> &[u8] {
    let name = name.strip_prefix(b"`").unwrap_or(name);
    name.strip_suffix(b"`").unwrap_or(name)
}

/// Behind these an expression may stand too, though a sign before a number stays.
const BEFORE_EXPRESSION: [&str; 20] = [
    "ALL",
    "BY",
    "CALL",
    "DISTINCTROW",
    "DO",
    "ESCAPE",
    "FOR",
    "FROM",
    "HAVING",
    "HIGH_PRIORITY",
    "IN",
    "KILL",
    "LEADING",
    "LIMIT",
    "ON",
    "SQL_CALC_FOUND_ROWS",
    "SQL_NO_CACHE",
    "STRAIGHT_JOIN",
    "USING",
    "WHERE",
];

/// Behind a value these go on with its expression.
const CONTINUES_EXPRESSION: [&str; 14] =
    ["AND", "BETWEEN", "COLLATE", "DIV", "IN", "IS", "LIKE", "MEMBER", "MOD", "NOT", "OR", "RLIKE", "SOUNDS", "XOR"];

/// These end the list after `BY`.
const ENDS_LIST: [&str; 9] = ["FROM", "HAVING", "INTO", "LIMIT", "ROWS", "SELECT", "SET", "VALUES", "WHERE"];
