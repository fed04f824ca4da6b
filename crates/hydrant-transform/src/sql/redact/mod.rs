//! What is hidden before a document is made: passwords, every literal, or nothing. Also in statements that do not parse
//! or are cut.

mod literals;

mod secrets;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use super::token::{Kind, Token};

pub use literals::{LITERAL, literals};
pub(crate) use literals::{digest_hides_literals, is_open};
pub(crate) use secrets::may_hold;
pub use secrets::{HIDDEN, secrets, secrets_of_piece};

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
            Redact::Secrets => Some(secrets_of_piece(text)),
            Redact::Literals => None,
        }
    }

    /// The argument of a command that is no statement: an account, the name of a database.
    pub fn hide_argument(self, argument: &[u8]) -> Cow<'_, [u8]> {
        if self == Redact::Off { Cow::Borrowed(argument) } else { secrets(argument) }
    }

    /// A name that may hold anything but a quote: with `literals` one is taken for a string's.
    pub fn hide_quoted(self, name: &[u8]) -> Cow<'_, [u8]> {
        let is_quoted = self == Redact::Literals && memchr::memchr2(b'\'', b'"', name).is_some();
        if is_quoted { Cow::Borrowed(LITERAL) } else { self.hide_argument(name) }
    }

    /// A name that a log writes without quotes, where what a client sent may stand too: with `literals` only what looks
    /// like a name is shown.
    pub fn hide_name(self, name: &[u8]) -> Cow<'_, [u8]> {
        let is_name = || {
            let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"_$-.".contains(byte) || !byte.is_ascii();
            name.iter().all(fits) && name.iter().any(|byte| !byte.is_ascii_digit() && *byte != b'-' && *byte != b'.')
        };
        if self == Redact::Literals && !is_name() { Cow::Borrowed(LITERAL) } else { self.hide_argument(name) }
    }
}

/// Whether a string and a word stand side by side, as where a quote stands that is none: `'O'Brien'`.
fn touch(before: &Token, token: &Token) -> bool {
    before.range.end == token.range.start
        && matches!((before.kind, token.kind), (Kind::String, Kind::Word) | (Kind::Word, Kind::String))
}
