//! The query-string language of `q=` and of the page's search box, read into a [`Query`].
//!
//! The syntax is Lucene's as OpenSearch's `query_string` takes it: `Perform:Query AND Statement:app_db`, `field:(a b)`,
//! `+must -not`, `AND OR NOT && || !`, `"a phrase"~2`, `app_*`, `[a TO b}`, `field:>=10`, `_exists_:field`, `*:*`,
//! `^2` boosts and backslash escapes. Operators have Lucene's meaning: `AND` requires both of its neighbours, so
//! `a OR b AND c` requires `b` and `c` and prefers documents with `a`.
//!
//! Differences from OpenSearch: fuzzy terms (`~`), regular expressions (`/…/`), patterns in field names and ranges
//! without a field are refused by name; a `/` inside a word is a character of it; a parenthesis that excludes only
//! (`a AND (NOT b)`) means everything else, where Lucene finds nothing.

mod lexer;
mod parser;

#[cfg(test)]
mod tests;

use super::{Error, Query};

/// Characters of a query string: OpenSearch's default (`search.query.max_query_string_length`).
pub const LENGTH_MAX: usize = 32_000;

/// Parentheses within each other.
pub const DEPTH_MAX: usize = 32;

/// Clauses of one query: OpenSearch's default (`indices.query.bool.max_clause_count`).
pub const CLAUSES_MAX: usize = 1_024;

/// What joins two clauses without an operator between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Operator {
    #[default]
    Or,
    And,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Where terms without a field are looked for. Empty: in every field.
    pub fields: Vec<String>,
    pub operator: Operator,
}

/// Reads a query string. An empty one matches nothing.
///
/// The error is a [`Error::BadRequest`] with OpenSearch's type and message: `query_shard_exception`,
/// `Failed to parse query [..]`, followed by what is wrong where OpenSearch would only say so in a nested cause.
pub fn parse(text: &str, options: &Options) -> Result<Query, Error> {
    if text.chars().nth(LENGTH_MAX).is_some() {
        let length = text.chars().count();
        return Err(Error::BadRequest {
            code: "query_shard_exception",
            message: format!("query string length {length} exceeds the maximum allowed length {LENGTH_MAX}"),
        });
    }
    let parsed = lexer::lex(text).and_then(|lexemes| parser::parse(&lexemes, options));
    parsed.map_err(|problem| Error::BadRequest {
        code: "query_shard_exception",
        message: format!("Failed to parse query [{text}]: {problem}"),
    })
}
