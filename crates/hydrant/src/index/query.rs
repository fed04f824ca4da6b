//! What can be asked of an index: OpenSearch's search request and answer as plain data.
//!
//! `api` reads the JSON form into these types, [`super::query_string`] the text form; engines answer them. Field
//! names are as the user writes them (`Statement`, `user.name`, `user.name.keyword`); an unknown field matches nothing.

/// One search over several indices.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    /// Names and wildcards (`hydrant-*`, `_all`, `-excluded*`).
    pub indices: Vec<String>,
    /// Leave out plain names that do not exist instead of failing.
    pub ignore_unavailable: bool,
    pub query: Query,
    /// Empty: by score, then by order in the index.
    pub sort: Vec<SortKey>,
    /// `from + size` is at most 10,000 (checked by the reader of the request).
    pub from: usize,
    pub size: usize,
    pub track_total: TrackTotal,
    pub aggregations: Vec<(String, Aggregation)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackTotal {
    /// Count exactly.
    All,
    /// Count up to this many, then answer `gte`. OpenSearch's default is 10,000.
    UpTo(u64),
    No,
}

/// A value as it stands in the request; the field's type decides how it is read.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    MatchAll,
    MatchNone,
    /// Exact, not analysed. On a text field it meets a single token.
    Term {
        field: String,
        value: Value,
        boost: f32,
    },
    Terms {
        field: String,
        values: Vec<Value>,
        boost: f32,
    },
    /// Analysed; `field` `None` means every field (`q=` without a field).
    Match {
        field: Option<String>,
        text: String,
        all_terms: bool,
        boost: f32,
    },
    /// Analysed, the tokens in order with at most `slop` moves between them.
    MatchPhrase {
        field: Option<String>,
        text: String,
        slop: u32,
        boost: f32,
    },
    Range {
        field: String,
        lower: Bound,
        upper: Bound,
        boost: f32,
    },
    Exists {
        field: String,
    },
    Prefix {
        field: String,
        prefix: String,
        case_insensitive: bool,
        boost: f32,
    },
    /// `*` any characters, `?` one; backslash escapes. `field` `None` means every field.
    Wildcard {
        field: Option<String>,
        pattern: String,
        case_insensitive: bool,
        boost: f32,
    },
    Ids(Vec<String>),
    Bool {
        must: Vec<Query>,
        filter: Vec<Query>,
        should: Vec<Query>,
        must_not: Vec<Query>,
        /// How many of `should` must match: without `must` and `filter` 1 by default, else 0.
        minimum_should_match: Option<usize>,
        boost: f32,
    },
}

/// One end of a range. Dates are RFC 3339, dates, epoch milliseconds or date maths (`now-1h`), which the reader of
/// the request has resolved to RFC 3339 already.
#[derive(Clone, Debug, PartialEq)]
pub enum Bound {
    Unbounded,
    Included(Value),
    Excluded(Value),
}

#[derive(Clone, Debug, PartialEq)]
pub struct SortKey {
    /// A field, `_score` or `_doc`.
    pub field: String,
    pub descending: bool,
    /// Documents without the field come last unless this says first.
    pub missing_first: bool,
    /// Whether a field that no index maps is taken as missing instead of an error.
    pub unmapped_ok: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Aggregation {
    Terms {
        field: String,
        size: usize,
        /// By count descending unless this says by key.
        order: TermsOrder,
        min_doc_count: u64,
        sub: Vec<(String, Aggregation)>,
    },
    DateHistogram {
        field: String,
        interval_ms: i64,
        offset_ms: i64,
        /// Buckets between the first and the last are answered also when empty, if 0.
        min_doc_count: u64,
        /// First and last bucket to answer in any case (`extended_bounds`), epoch milliseconds.
        bounds_ms: Option<(i64, i64)>,
        sub: Vec<(String, Aggregation)>,
    },
    Min {
        field: String,
    },
    Max {
        field: String,
    },
    Avg {
        field: String,
    },
    Sum {
        field: String,
    },
    ValueCount {
        field: String,
    },
    Cardinality {
        field: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TermsOrder {
    CountDescending,
    CountAscending,
    KeyAscending,
    KeyDescending,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SearchResult {
    /// How many indices were searched; an OpenSearch answer calls them shards.
    pub indices_searched: usize,
    /// Indices that could not be searched, with the reason.
    pub failures: Vec<(String, String)>,
    pub total: Option<Total>,
    pub max_score: Option<f32>,
    pub hits: Vec<Hit>,
    pub aggregations: Vec<(String, AggregationResult)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    pub value: u64,
    /// False: there are at least this many.
    pub exact: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    pub index_name: String,
    pub id: String,
    /// `None` when sorted by fields.
    pub score: Option<f32>,
    /// The JSON object as it was written.
    pub source: Vec<u8>,
    pub sort: Vec<SortValue>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SortValue {
    Null,
    /// Longs, booleans (0, 1), dates in milliseconds, `date_nanos` in nanoseconds.
    Integer(i64),
    Float(f64),
    String(String),
}

#[derive(Clone, Debug, PartialEq)]
pub enum AggregationResult {
    Buckets {
        buckets: Vec<Bucket>,
        kind: BucketsKind,
    },
    /// `None` where no document had the field.
    Metric(Option<f64>),
    /// Of a date field: `value` in epoch milliseconds.
    DateMetric(Option<f64>),
    Count(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketsKind {
    Terms { sum_other_doc_count: u64 },
    DateHistogram,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    pub key: BucketKey,
    pub doc_count: u64,
    pub sub: Vec<(String, AggregationResult)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum BucketKey {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// Epoch milliseconds.
    Date(i64),
}
