//! SQL as bytes: what is open at a place ([`lexer`]), its tokens ([`token`]), hiding what must not be seen ([`redact`]),
//! the shape that statements share ([`digest`]), and what they do to which tables ([`summary`]).

pub mod lexer;

pub mod token;

pub mod redact;

pub mod digest;

pub mod summary;

pub(crate) mod shape;

mod word;

use digest::{Digest, Digester};
use summary::{Summarizer, Summary};
use token::Token;

/// The digest and the summary of a statement, from its tokens.
pub(crate) fn digest_and_summary(statement: &[u8], tokens: impl Iterator<Item = Token>) -> (Digest, Summary) {
    let (mut digester, mut summarizer) = (Digester::new(statement), Summarizer::new(statement));
    let mut tokens = tokens.peekable();
    while let Some(token) = tokens.next() {
        let word = token.word(statement);
        digester.take(&token, word, tokens.peek());
        summarizer.take(token, word);
    }
    (digester.finish(), summarizer.finish())
}
