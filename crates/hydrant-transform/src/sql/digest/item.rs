//! What a digest is made of, and how it is written.

use super::TOKEN_BYTES;

/// A token of the digest, or what several were reduced to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    Keyword(&'static str),
    /// Operators and punctuation.
    Symbol(&'static str),
    Name(&'a [u8]),
    /// In backticks, as it stands between them.
    QuotedName(&'a [u8]),
    /// The first half of `name@block` in a hint.
    NameBeforeAt(&'a [u8]),
    /// `?`
    Value,
    /// `?, ...`
    Values,
    /// `(?)`
    Row,
    /// `(?) /* , ... */`
    Rows,
    /// `(...)`
    LongRow,
    /// `(...) /* , ... */`
    LongRows,
    /// `IN (...)`
    InList,
    /// A column by its number, after `ORDER BY` or `GROUP BY`.
    Column(&'a str),
    Charset,
}

impl Item<'_> {
    pub(super) fn stored_bytes(self) -> usize {
        if let Item::Name(name) | Item::QuotedName(name) | Item::NameBeforeAt(name) = self {
            return 2 * TOKEN_BYTES + name.len();
        }
        TOKEN_BYTES
    }

    /// Whether a sign behind it belongs to a number.
    pub(super) fn starts_expression(self) -> bool {
        if let Item::Keyword(word) = self {
            return starts_expression(word);
        }
        let Item::Symbol(symbol) = self else { return false };
        !matches!(symbol, ")" | "~" | "!" | ":=" | "." | "@" | "->" | "->>" | ";" | "}" | "]" | "*/")
    }

    pub(super) fn print(self, text: &mut Vec<u8>) {
        match self {
            Item::Keyword(word) | Item::Symbol(word) | Item::Column(word) => text.extend_from_slice(word.as_bytes()),
            Item::Name(name) | Item::NameBeforeAt(name) => {
                text.push(b'`');
                text.extend_from_slice(name);
                text.push(b'`');
            }
            Item::QuotedName(name) => {
                text.push(b'`');
                // Doubled it stands for itself.
                let mut rest = name;
                while let Some(at) = memchr::memchr(b'`', rest) {
                    text.extend_from_slice(rest.get(..=at).unwrap_or_default());
                    rest = rest.get(at + 1..).unwrap_or_default();
                    rest = rest.strip_prefix(b"`").unwrap_or(rest);
                }
                text.extend_from_slice(rest);
                text.push(b'`');
            }
            Item::Value => text.push(b'?'),
            Item::Values => text.extend_from_slice(b"?, ..."),
            Item::Row => text.extend_from_slice(b"(?)"),
            Item::Rows => text.extend_from_slice(b"(?) /* , ... */"),
            Item::LongRow => text.extend_from_slice(b"(...)"),
            Item::LongRows => text.extend_from_slice(b"(...) /* , ... */"),
            Item::InList => text.extend_from_slice(b"IN (...)"),
            Item::Charset => text.extend_from_slice(b"(_charset)"),
        }
    }
}

/// An operator or a byte of punctuation, as the digest has it. Nothing else is a [`Kind::Symbol`].
pub(super) fn symbol(bytes: &[u8]) -> &'static str {
    const ALL: [&str; 42] = [
        ",", ".", "(", ")", "=", ";", "*", "<", ">", "+", "-", "/", "%", "@", "!", "&", "|", "^", "~", ":", "{", "}",
        "[", "]", "?", "$", "\\", "_", "#", "\"", "'", "`", "->>", "<=>", "->", "<=", ">=", "!=", "<<", ">>", "||",
        "&&",
    ];
    match bytes {
        b"<>" => "!=",
        b":=" => ":=",
        _ => ALL.into_iter().find(|symbol| symbol.as_bytes() == bytes).unwrap_or("\u{fffd}"),
    }
}

/// Behind these a sign belongs to the number that follows.
pub(super) fn starts_expression(word: &str) -> bool {
    matches!(
        word,
        "AND"
            | "AT"
            | "BETWEEN"
            | "CASE"
            | "DEFAULT"
            | "DIV"
            | "ELSE"
            | "ELSEIF"
            | "ENDS"
            | "EVERY"
            | "IF"
            | "INTERVAL"
            | "LIKE"
            | "MOD"
            | "NOT"
            | "OR"
            | "RETURN"
            | "RLIKE"
            | "SELECT"
            | "STARTS"
            | "THEN"
            | "UNTIL"
            | "WHEN"
            | "WHILE"
            | "XOR"
    )
}
