//! What the address of the page asks for, and the searches that answer it.

use serde::Deserialize;

use super::histogram::{self, Histogram};
use super::html::rfc3339;
use crate::index::query::{Bound, Value};
use crate::index::query_string::{self, Operator};
use crate::index::{Aggregation, AggregationResult, Engine, Error, Hit, Query, Search, SortKey, Total, TrackTotal};

/// Entries on one page.
pub(super) const PAGE_SIZE: usize = 50;

/// OpenSearch's bound of `from + size`, which the page keeps as well.
const FROM_MAX: usize = 10_000 - PAGE_SIZE;

/// The time spans that the page offers, with their length in milliseconds.
pub(super) const SPANS: [(&str, &str, i64); 5] = [
    ("15m", "15 minutes", 15 * 60_000),
    ("1h", "1 hour", 3_600_000),
    ("1d", "1 day", 86_400_000),
    ("7d", "7 days", 7 * 86_400_000),
    ("30d", "30 days", 30 * 86_400_000),
];

/// The query part of the page's address.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Parameters {
    /// The search box, in the query-string language.
    pub(super) q: String,
    /// One of [`SPANS`], counted back from now; anything else is all time.
    pub(super) span: String,
    /// Epoch milliseconds, both or none: a bar of the histogram that was chosen.
    pub(super) after: Option<i64>,
    pub(super) before: Option<i64>,
    /// How many entries to skip.
    pub(super) from: usize,
}

pub(super) struct Found {
    pub(super) total: Total,
    pub(super) hits: Vec<Hit>,
    pub(super) histogram: Option<Histogram>,
    /// Indices that could not be searched, with the reason.
    pub(super) failures: Vec<(String, String)>,
}

impl Parameters {
    pub(super) fn skipped(&self) -> usize {
        self.from.min(FROM_MAX)
    }

    fn query(&self, now_ms: i64) -> Result<Query, Error> {
        let options = query_string::Options { operator: Operator::And, ..query_string::Options::default() };
        let asked =
            if self.q.trim().is_empty() { Query::MatchAll } else { query_string::parse(self.q.trim(), &options)? };
        let span = SPANS.iter().find(|(name, _, _)| *name == self.span).map(|(_, _, length)| now_ms - length);
        let mut filter = Vec::new();
        if let Some(start) = span {
            filter.push(time_range(Some(start), None));
        }
        if self.after.is_some() || self.before.is_some() {
            filter.push(time_range(self.after, self.before));
        }
        if filter.is_empty() {
            return Ok(asked);
        }
        Ok(Query::Bool {
            must: vec![asked],
            filter,
            should: Vec::new(),
            must_not: Vec::new(),
            minimum_should_match: None,
            boost: 1.0,
        })
    }
}

/// Half open: `after` is in it, `before` is not.
fn time_range(after_ms: Option<i64>, before_ms: Option<i64>) -> Query {
    let date = |ms: i64| Value::String(rfc3339(ms));
    Query::Range {
        field: "@timestamp".to_owned(),
        lower: after_ms.map_or(Bound::Unbounded, |ms| Bound::Included(date(ms))),
        upper: before_ms.map_or(Bound::Unbounded, |ms| Bound::Excluded(date(ms))),
        boost: 1.0,
    }
}

/// The newest entries that match, how many there are, and how they spread over time.
pub(super) async fn search(index: &dyn Engine, parameters: &Parameters, now_ms: i64) -> Result<Found, Error> {
    let query = parameters.query(now_ms)?;
    let field = || "@timestamp".to_owned();
    let newest =
        |field: &str| SortKey { field: field.to_owned(), descending: true, missing_first: false, unmapped_ok: true };
    let first = index
        .search(Search {
            indices: vec!["_all".to_owned()],
            ignore_unavailable: true,
            query: query.clone(),
            sort: vec![newest("@timestamp"), newest("event_id")],
            from: parameters.skipped(),
            size: PAGE_SIZE,
            track_total: TrackTotal::All,
            aggregations: vec![
                ("first".to_owned(), Aggregation::Min { field: field() }),
                ("last".to_owned(), Aggregation::Max { field: field() }),
            ],
        })
        .await?;
    let bounds = (date(&first.aggregations, "first"), date(&first.aggregations, "last"));
    let histogram = match bounds {
        (Some(start), Some(end)) => Some(spread(index, query, start, end).await?),
        _ => None,
    };
    Ok(Found {
        total: first.total.unwrap_or(Total { value: 0, exact: true }),
        hits: first.hits,
        histogram,
        failures: first.failures,
    })
}

/// The second search: counts between the oldest and the newest entry.
async fn spread(index: &dyn Engine, query: Query, start_ms: i64, end_ms: i64) -> Result<Histogram, Error> {
    let interval_ms = histogram::interval_ms(start_ms, end_ms);
    let counted = index
        .search(Search {
            indices: vec!["_all".to_owned()],
            ignore_unavailable: true,
            query,
            sort: Vec::new(),
            from: 0,
            size: 0,
            track_total: TrackTotal::No,
            aggregations: vec![(
                "time".to_owned(),
                Aggregation::DateHistogram {
                    field: "@timestamp".to_owned(),
                    interval_ms,
                    offset_ms: 0,
                    min_doc_count: 1,
                    bounds_ms: None,
                    sub: Vec::new(),
                },
            )],
        })
        .await?;
    Ok(Histogram::new(start_ms, end_ms, interval_ms, &counted.aggregations))
}

fn date(aggregations: &[(String, AggregationResult)], name: &str) -> Option<i64> {
    let (_, result) = aggregations.iter().find(|(found, _)| found == name)?;
    let (AggregationResult::Metric(value) | AggregationResult::DateMetric(value)) = result else { return None };
    let value = (*value)?;
    // Milliseconds of a date are far below 2^53, so the text of the float is exact.
    format!("{value:.0}").parse().ok()
}
