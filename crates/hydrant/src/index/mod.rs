//! Stage 4, the index: takes documents, answers one outcome for each, and searches.
//!
//! [`Engine`] is one of the two seams of the program: [`embedded`] is one side, a cluster of [`opensearch`] the other.

pub mod query;

pub mod query_string;

pub mod analyzer;

pub mod embedded;

pub mod opensearch;

pub mod moving;

pub mod retention;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use hydrant_transform::document::{Document, Outcome, Reason};
use serde::{Deserialize, Serialize};

pub use query::{
    Aggregation, AggregationResult, Bucket, BucketKey, BucketsKind, Hit, Query, Search, SearchResult, SortKey,
    SortValue, Total, TrackTotal,
};

/// Documents of one page of a scan.
pub const SCAN_DOCUMENTS_MAX: usize = 10_000;

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
    /// Makes ready what the first document needs, where something is needed; `write` does it too. Answers why documents
    /// would have to wait until somebody acts.
    fn prepare(&self) -> BoxFuture<'_, Result<Option<Reason>, Error>> {
        Box::pin(async { Ok(None) })
    }

    /// Makes the documents durable. `Err` means that nothing is known of any of them: offer all again.
    fn write<'a>(&'a self, documents: &'a [Addressed]) -> BoxFuture<'a, Result<Vec<Outcome>, Error>>;

    /// As `write`, but a document takes the place of the one that has its id, and is answered `Indexed`; in one call the
    /// last one stays. Where a target takes new documents only (a data stream), those that are there stay and are
    /// answered `Duplicate`. An engine that cannot do it says so.
    fn overwrite<'a>(&'a self, documents: &'a [Addressed]) -> BoxFuture<'a, Result<Vec<Outcome>, Error>> {
        let problem = format!("this index does not overwrite, and {} documents ask for it", documents.len());
        Box::pin(async move { Err(Error::Fatal(problem)) })
    }

    fn search(&self, search: Search) -> BoxFuture<'_, Result<SearchResult, Error>>;

    /// The source of one document, `None` where there is none.
    fn get<'a>(&'a self, index_name: &'a str, id: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>>;

    /// The indices that a list of names and wildcards selects, sorted by name. An unknown plain name is
    /// [`Error::IndexNotFound`]; a pattern without a match selects nothing.
    fn indices<'a>(&'a self, patterns: &'a [String]) -> BoxFuture<'a, Result<Vec<IndexStatus>, Error>>;

    /// Makes everything written so far searchable.
    fn refresh<'a>(&'a self, patterns: &'a [String]) -> BoxFuture<'a, Result<(), Error>>;

    /// Every document of one index that matches, as the index stands when the first page is asked for, in no order; pages
    /// of at most [`SCAN_DOCUMENTS_MAX`], none of them empty. After [`Error::Retry`] the next item goes on with the page
    /// that failed, or begins again where the engine has lost its place: then documents come again. After any other
    /// error the scan has ended.
    fn scan(&self, scan: Scan) -> BoxStream<'_, Result<Vec<Scanned>, Error>>;
}

/// How documents are offered, for what stands before an engine and has one rule for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Write,
    Overwrite,
}

impl Way {
    fn offer<'a>(
        self,
        engine: &'a dyn Engine,
        documents: &'a [Addressed],
    ) -> BoxFuture<'a, Result<Vec<Outcome>, Error>> {
        match self {
            Way::Write => engine.write(documents),
            Way::Overwrite => engine.overwrite(documents),
        }
    }
}

/// What [`Engine::scan`] reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    /// A plain name.
    pub index_name: String,
    pub query: Query,
    /// Members of the sources that are wanted, dotted where they are of objects; an engine may answer more of a source.
    pub fields: Vec<String>,
}

/// A document that a scan met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned {
    pub id: String,
    /// Where it was written under a routing of its own: then the id may be in the index once more.
    pub routing: Option<String>,
    /// A JSON object with the wanted members, as far as it has them.
    pub source: Vec<u8>,
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
