//! Aggregations: a tree of plans per segment collects raw values, the results of segments and indices are merged by
//! value, and the merged tree becomes the answer.
//!
//! - [`collect`]: one segment, keyed by the raw values of its columns.
//! - [`partial`]: what any number of segments found, keyed by the values themselves.
//! - [`answer`]: order, size, gaps of histograms.
//! - [`distinct`]: how many different values there are.
//!
//! Counts of `terms` are exact, since every segment's buckets are kept until all are merged. That is bounded:
//! [`COUNTED_MAX`] buckets and distinct values at a time, [`BUCKETS_MAX`] buckets in an answer; beyond that the search
//! is refused. `terms` answers only terms that a matching document has, also with `min_doc_count` 0.

mod answer;
mod collect;
mod distinct;
mod partial;

use tantivy::SegmentReader;

use super::{OpenIndex, text_field_error};
use crate::index::query::{Aggregation, AggregationResult};
use crate::index::{Error, FieldType};
use collect::{Plan, State};
use partial::Partial;

/// Buckets of one answer, with those of sub-aggregations: OpenSearch's default (`search.max_buckets`).
pub(super) const BUCKETS_MAX: usize = 65_535;

/// Buckets and distinct values held at a time while counting.
pub(super) const COUNTED_MAX: usize = 1_000_000;

/// How much may still be counted.
#[derive(Debug)]
struct Budget {
    left: usize,
    exceeded: bool,
}

impl Budget {
    const fn new(left: usize) -> Budget {
        Budget { left, exceeded: false }
    }

    /// Room for one more. Once there was none, there never is again.
    const fn take(&mut self) -> bool {
        self.take_all(1)
    }

    const fn take_all(&mut self, count: usize) -> bool {
        match self.left.checked_sub(count) {
            Some(left) => self.left = left,
            None => self.exceeded = true,
        }
        !self.exceeded
    }

    const fn give_back(&mut self, count: usize) {
        self.left = self.left.saturating_add(count);
    }

    fn check(&self, limit: usize) -> Result<(), Error> {
        if self.exceeded { Err(too_many(limit)) } else { Ok(()) }
    }
}

fn too_many(limit: usize) -> Error {
    Error::BadRequest {
        code: "too_many_buckets_exception",
        message: format!(
            "Trying to create too many buckets. Must be less than or equal to: [{limit}] but was [{}]. Narrow the \
             query, or ask for fewer or wider buckets.",
            limit.saturating_add(1)
        ),
    }
}

type Named = [(String, Aggregation)];

/// The aggregations of a search and what was found so far.
pub(super) struct Aggregations<'a> {
    asked: &'a Named,
    found: Vec<Partial>,
    budget: Budget,
}

impl<'a> Aggregations<'a> {
    pub(super) fn new(asked: &'a Named) -> Aggregations<'a> {
        Aggregations { asked, found: partial::empty(asked), budget: Budget::new(COUNTED_MAX) }
    }

    /// Looks the fields up in an index. Refuses a field whose type the aggregation cannot take.
    pub(super) fn plan(&self, index: &OpenIndex) -> Result<Plans<'a>, Error> {
        check(index, self.asked)?;
        Ok(Plans { asked: self.asked, targets: targets(index, self.asked) })
    }

    pub(super) fn merge(&mut self, found: Found) -> Result<(), Error> {
        found.budget.check(COUNTED_MAX)?;
        for (mine, partial) in self.found.iter_mut().zip(found.partials) {
            mine.merge(partial, &mut self.budget);
        }
        self.budget.check(COUNTED_MAX)
    }

    pub(super) fn finish(self) -> Result<Vec<(String, AggregationResult)>, Error> {
        answer::all(self.asked, self.found, &mut Budget::new(BUCKETS_MAX))
    }
}

fn check(index: &OpenIndex, asked: &Named) -> Result<(), Error> {
    for (_, aggregation) in asked {
        let (field, sub) = parts(aggregation);
        if let Some(target) = index.target(field) {
            if target.is_text() {
                return Err(text_field_error(field));
            }
            if !takes(aggregation, target.kind) {
                let (kind, name) = (type_name(target.kind), aggregation_name(aggregation));
                let message = format!("Field [{field}] of type [{kind}] is not supported for aggregation [{name}]");
                return Err(Error::BadRequest { code: "illegal_argument_exception", message });
            }
        }
        check(index, sub)?;
    }
    Ok(())
}

fn targets(index: &OpenIndex, asked: &Named) -> Vec<collect::Targets> {
    let of = |aggregation: &Aggregation| {
        let (field, sub) = parts(aggregation);
        collect::Targets { target: index.target(field), sub: targets(index, sub) }
    };
    asked.iter().map(|(_, aggregation)| of(aggregation)).collect()
}

/// The field of an aggregation, and its sub-aggregations.
fn parts(aggregation: &Aggregation) -> (&str, &Named) {
    match aggregation {
        Aggregation::Terms { field, sub, .. } | Aggregation::DateHistogram { field, sub, .. } => (field, sub),
        Aggregation::Min { field }
        | Aggregation::Max { field }
        | Aggregation::Avg { field }
        | Aggregation::Sum { field }
        | Aggregation::ValueCount { field }
        | Aggregation::Cardinality { field } => (field, &[]),
    }
}

const fn takes(aggregation: &Aggregation, kind: FieldType) -> bool {
    match aggregation {
        Aggregation::Terms { .. } | Aggregation::ValueCount { .. } | Aggregation::Cardinality { .. } => true,
        Aggregation::DateHistogram { .. }
        | Aggregation::Min { .. }
        | Aggregation::Max { .. }
        | Aggregation::Avg { .. } => !matches!(kind, FieldType::Keyword),
        Aggregation::Sum { .. } => !matches!(kind, FieldType::Keyword | FieldType::Date | FieldType::DateNanos),
    }
}

const fn aggregation_name(aggregation: &Aggregation) -> &'static str {
    match aggregation {
        Aggregation::Terms { .. } => "terms",
        Aggregation::DateHistogram { .. } => "date_histogram",
        Aggregation::Min { .. } => "min",
        Aggregation::Max { .. } => "max",
        Aggregation::Avg { .. } => "avg",
        Aggregation::Sum { .. } => "sum",
        Aggregation::ValueCount { .. } => "value_count",
        Aggregation::Cardinality { .. } => "cardinality",
    }
}

const fn type_name(kind: FieldType) -> &'static str {
    match kind {
        FieldType::Text | FieldType::TextWithKeyword => "text",
        FieldType::Keyword => "keyword",
        FieldType::Long => "long",
        FieldType::Float => "float",
        FieldType::Boolean => "boolean",
        FieldType::Date => "date",
        FieldType::DateNanos => "date_nanos",
        FieldType::Unindexed => "object",
    }
}

/// The aggregations of a search, resolved for one index.
pub(super) struct Plans<'a> {
    asked: &'a Named,
    targets: Vec<collect::Targets>,
}

impl Plans<'_> {
    pub(super) fn segment(&self, reader: &SegmentReader) -> tantivy::Result<Segment> {
        let plans = collect::plans(self.asked, &self.targets, reader)?;
        let states = collect::states(&plans);
        Ok(Segment { plans, states, budget: Budget::new(COUNTED_MAX) })
    }
}

/// The aggregations of a search at work in one segment.
pub(super) struct Segment {
    plans: Vec<Plan>,
    states: Vec<State>,
    budget: Budget,
}

impl Segment {
    #[inline]
    pub(super) fn collect(&mut self, document: u32) {
        if !self.budget.exceeded {
            collect::document(&self.plans, &mut self.states, document, &mut self.budget);
        }
    }

    pub(super) fn finish(self) -> tantivy::Result<Found> {
        // What was cut short is refused by `merge`: it need not be decoded.
        let partials = if self.budget.exceeded { Vec::new() } else { partial::of_segment(&self.plans, self.states)? };
        Ok(Found { partials, budget: self.budget })
    }
}

/// What the aggregations of a search found in one segment.
pub(super) struct Found {
    partials: Vec<Partial>,
    budget: Budget,
}
