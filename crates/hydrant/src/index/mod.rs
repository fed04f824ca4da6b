//! Stage 4, the index: takes documents, answers one outcome for each, and searches.
//!
//! [`Engine`] is one of the two seams of the program: [`embedded`] is one side, a cluster of [`opensearch`] the other.

pub mod query;

pub mod query_string;

pub mod analyzer;

pub mod embedded;

pub mod opensearch;

use futures_util::future::BoxFuture;
use hydrant_transform::document::{Document, Outcome};
use serde::{Deserialize, Serialize};

pub use query::{
    Aggregation, AggregationResult, Bucket, BucketKey, BucketsKind, Hit, Query, Search, SearchResult, SortKey,
    SortValue, Total, TrackTotal,
};

/// A document and the name of its index.
#[derive(Clone, Debug)]
pub struct Addressed {
    pub index_name: String,
    pub document: Document,
}

/// An index of documents.
///
/// Contract, each sentence a case of the conformance suite:
/// - `write` answers exactly one outcome per document, in order.
/// - `Indexed` means durable, and found by `get` at once and by `search` within a second, or the interval that an index
///   of a cluster is refreshed at.
/// - An id is unique in its index: a repeat, also within one call, is answered `Duplicate` and changes nothing.
/// - A document that the mapping refuses is `Rejected`, and no other document suffers from it.
/// - An index that cannot take documents now (damaged, blocked, disk full) answers `Retry` or `Paused` for its documents;
///   the others go on.
/// - `write` may be dropped at any `.await`: each document was taken or not, and offering it again is safe.
pub trait Engine: Send + Sync {
    /// Makes the documents durable. `Err` means that nothing is known of any of them: offer all again.
    fn write<'a>(&'a self, documents: &'a [Addressed]) -> BoxFuture<'a, Result<Vec<Outcome>, Error>>;

    fn search(&self, search: Search) -> BoxFuture<'_, Result<SearchResult, Error>>;

    /// The source of one document, `None` where there is none.
    fn get<'a>(&'a self, index_name: &'a str, id: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>>;

    /// The indices that a list of names and wildcards selects, sorted by name. An unknown plain name is
    /// [`Error::IndexNotFound`]; a pattern without a match selects nothing.
    fn indices<'a>(&'a self, patterns: &'a [String]) -> BoxFuture<'a, Result<Vec<IndexStatus>, Error>>;

    /// Makes everything written so far searchable.
    fn refresh<'a>(&'a self, patterns: &'a [String]) -> BoxFuture<'a, Result<(), Error>>;
}

#[derive(Clone, Debug, PartialEq)]
pub struct IndexStatus {
    pub name: String,
    /// Stable for the life of the index, 22 characters as OpenSearch's.
    pub uuid: String,
    pub documents: u64,
    pub bytes: u64,
    pub created_ms: i64,
    /// Why it takes no documents, if it does not. Names the folder.
    pub damaged: Option<String>,
    /// Sorted by name, dotted names for fields of objects.
    pub fields: Vec<(String, FieldType)>,
}

/// OpenSearch's field types, as far as dynamic mapping or our own fields give them. The names, in snake case, stand in
/// the mappings that the embedded engine stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// Analysed by [`analyzer`], no sub-field: `Statement`, `message`.
    Text,
    /// Analysed, with a `.keyword` sub-field of at most 256 characters: what a dynamic string becomes.
    TextWithKeyword,
    Keyword,
    Long,
    /// What a dynamic number with a fraction becomes. Computed as a double.
    Float,
    Boolean,
    /// Milliseconds.
    Date,
    /// `Time` and `@timestamp`: sorted to the microsecond, sort values in nanoseconds.
    DateNanos,
    /// Kept in the source, not searchable.
    Unindexed,
}

/// What a caller does with a failure is its name.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The same call may succeed later.
    #[error("{0}")]
    Retry(String),
    #[error("no such index [{0}]")]
    IndexNotFound(String),
    /// The request asks what cannot be answered: an aggregation on text, a sort on an unknown field, a bad number.
    /// `code` is OpenSearch's error type, for instance `illegal_argument_exception`.
    #[error("{message}")]
    BadRequest { code: &'static str, message: String },
    /// It never will succeed.
    #[error("{0}")]
    Fatal(String),
}
