//! Which hits come first: collects the best of a segment by raw sort keys, then orders the few that are left by their
//! values.
//!
//! Within a segment every key is one `u64` whose ascending order is the wanted one (descending keys are inverted,
//! missing values are the largest or the smallest), so comparing documents compares integers. Only the `from + size`
//! winners of a segment are decoded to values, which order across segments and indices. A document with several values
//! sorts by its smallest, descending by its largest. Ties go to the document that stands first in its index.

use std::cmp::Ordering;

use tantivy::SegmentReader;

use super::column::{Column, Scalar};
use super::value::query_shard;
use super::{OpenIndex, text_field_error};
use crate::index::query::{SortKey, SortValue};
use crate::index::{Error, FieldType};

/// What a sort key reads in one index.
enum Source {
    Score,
    Document,
    Field(std::sync::Arc<super::field::Target>),
    /// No such field here: missing in every document.
    Missing,
}

/// The sort keys of a search, resolved for one index.
pub(super) struct Sort<'a> {
    keys: Vec<(Source, &'a SortKey)>,
}

/// Refuses what no index can sort by.
pub(super) fn check(indices: &[OpenIndex], keys: &[SortKey]) -> Result<(), Error> {
    for key in keys.iter().filter(|key| !is_metadata(&key.field)) {
        let mut mapped = indices.is_empty() || key.unmapped_ok;
        for target in indices.iter().filter_map(|index| index.target(&key.field)) {
            mapped = true;
            if target.is_text() {
                return Err(text_field_error(&key.field));
            }
        }
        if !mapped {
            return Err(query_shard(format!("No mapping found for [{}] in order to sort on", key.field)));
        }
    }
    Ok(())
}

fn is_metadata(field: &str) -> bool {
    field == "_score" || field == "_doc"
}

pub(super) fn needs_score(keys: &[SortKey]) -> bool {
    keys.is_empty() || keys.iter().any(|key| key.field == "_score")
}

impl<'a> Sort<'a> {
    pub(super) fn new(index: &OpenIndex, keys: &'a [SortKey]) -> Sort<'a> {
        let source = |key: &SortKey| match key.field.as_str() {
            "_score" => Source::Score,
            "_doc" => Source::Document,
            field => index.target(field).map_or(Source::Missing, Source::Field),
        };
        Sort { keys: keys.iter().map(|key| (source(key), key)).collect() }
    }

    /// `base`: how many documents the index has before this segment.
    pub(super) fn segment(&self, reader: &SegmentReader, base: u64, limit: usize) -> tantivy::Result<SegmentTop<'_>> {
        let mut keys = Vec::new();
        for (source, key) in &self.keys {
            let column = match source {
                Source::Field(target) => Column::open(target, reader)?,
                Source::Score | Source::Document | Source::Missing => Column::ABSENT,
            };
            keys.push(SegmentKey { source, key, column, base });
        }
        Ok(SegmentTop { keys, limit, best: Vec::new(), worst: None, scratch: Vec::new() })
    }
}

struct SegmentKey<'a> {
    source: &'a Source,
    key: &'a SortKey,
    column: Column,
    base: u64,
}

impl SegmentKey<'_> {
    #[inline]
    fn rank(&self, document: u32, score: f32) -> u64 {
        let raw = match self.source {
            Source::Score => Some(u64::from(score_rank(score))),
            Source::Document => Some(self.base + u64::from(document)),
            Source::Field(_) if self.key.descending => self.column.values(document).max(),
            Source::Field(_) => self.column.values(document).min(),
            Source::Missing => None,
        };
        match raw {
            Some(raw) if self.key.descending => !raw,
            Some(raw) => raw,
            None if self.key.missing_first => u64::MIN,
            None => u64::MAX,
        }
    }

    fn value(&self, document: u32, score: f32) -> tantivy::Result<SortValue> {
        let raw = match self.source {
            Source::Score => return Ok(SortValue::Float(f64::from(score))),
            Source::Document => {
                let place = self.base + u64::from(document);
                return Ok(SortValue::Integer(i64::try_from(place).unwrap_or(i64::MAX)));
            }
            Source::Field(_) if self.key.descending => self.column.values(document).max(),
            Source::Field(_) => self.column.values(document).min(),
            Source::Missing => None,
        };
        let value = raw.map(|raw| self.column.decode(raw)).transpose()?.flatten();
        Ok(match (value, self.source) {
            (None, _) => SortValue::Null,
            (Some(Scalar::Integer(value)), _) => SortValue::Integer(value),
            (Some(Scalar::Boolean(value)), _) => SortValue::Integer(i64::from(value)),
            (Some(Scalar::Float(value)), _) => SortValue::Float(value),
            (Some(Scalar::String(value)), _) => SortValue::String(value),
            (Some(Scalar::Date(nanos)), Source::Field(target)) if target.kind == FieldType::Date => {
                SortValue::Integer(nanos.div_euclid(1_000_000))
            }
            (Some(Scalar::Date(nanos)), _) => SortValue::Integer(nanos),
        })
    }
}

/// Orders as the scores do.
fn score_rank(score: f32) -> u32 {
    let bits = score.to_bits();
    if bits >> 31 == 0 { bits | 1 << 31 } else { !bits }
}

/// A document and what it sorts by within its segment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ranked {
    ranks: Box<[u64]>,
    document: u32,
    /// The bits of the score: equal ranks and documents mean equal scores, so they never decide.
    score_bits: u32,
}

/// The best documents of one segment. Holds at most twice `limit` of them.
pub(super) struct SegmentTop<'a> {
    keys: Vec<SegmentKey<'a>>,
    limit: usize,
    best: Vec<Ranked>,
    /// The ranks of the last document that is still among the best, once there are enough.
    worst: Option<Box<[u64]>>,
    scratch: Vec<u64>,
}

impl SegmentTop<'_> {
    #[inline]
    pub(super) fn collect(&mut self, document: u32, score: f32) {
        if self.limit == 0 {
            return;
        }
        self.scratch.clear();
        if self.keys.is_empty() {
            self.scratch.push(u64::from(!score_rank(score)));
        } else {
            for (at, key) in self.keys.iter().enumerate() {
                let rank = key.rank(document, score);
                // Most documents lose by their first key: the others need not be read.
                if at == 0 && self.worst.as_ref().and_then(|worst| worst.first()).is_some_and(|worst| rank > *worst) {
                    return;
                }
                self.scratch.push(rank);
            }
        }
        // Documents come in order, so an equal one stands behind.
        if self.worst.as_ref().is_some_and(|worst| self.scratch.as_slice() >= worst.as_ref()) {
            return;
        }
        self.best.push(Ranked { ranks: self.scratch.as_slice().into(), document, score_bits: score.to_bits() });
        if self.best.len() >= self.limit.saturating_mul(2) {
            self.shrink();
        }
    }

    fn shrink(&mut self) {
        if self.best.len() > self.limit {
            self.best.select_nth_unstable(self.limit.saturating_sub(1));
            self.best.truncate(self.limit);
            self.worst = self.best.last().map(|ranked| ranked.ranks.clone());
        }
    }

    /// The best of the segment, with the values they sort by.
    pub(super) fn finish(mut self, index: usize, segment: u32) -> tantivy::Result<Vec<Candidate>> {
        self.shrink();
        let mut candidates = Vec::with_capacity(self.best.len());
        for ranked in &self.best {
            let score = f32::from_bits(ranked.score_bits);
            let values: tantivy::Result<Vec<SortValue>> =
                self.keys.iter().map(|key| key.value(ranked.document, score)).collect();
            candidates.push(Candidate { values: values?, score, place: (index, segment, ranked.document) });
        }
        Ok(candidates)
    }
}

/// A document that may become a hit.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) values: Vec<SortValue>,
    pub(super) score: f32,
    /// Index, segment, document.
    pub(super) place: (usize, u32, u32),
}

/// Keeps the first `limit` of all candidates, in order.
pub(super) fn merge(candidates: &mut Vec<Candidate>, keys: &[SortKey], limit: usize) {
    candidates.sort_unstable_by(|left, right| compare(left, right, keys));
    candidates.truncate(limit);
}

fn compare(left: &Candidate, right: &Candidate, keys: &[SortKey]) -> Ordering {
    let mut order = Ordering::Equal;
    if keys.is_empty() {
        order = right.score.total_cmp(&left.score);
    }
    for ((left, right), key) in left.values.iter().zip(&right.values).zip(keys) {
        order = order.then_with(|| compare_values(left, right, key));
    }
    order.then_with(|| left.place.cmp(&right.place))
}

fn compare_values(left: &SortValue, right: &SortValue, key: &SortKey) -> Ordering {
    let missing = |value: &SortValue| matches!(value, SortValue::Null);
    match (missing(left), missing(right)) {
        (true, true) => return Ordering::Equal,
        (true, false) if key.missing_first => return Ordering::Less,
        (true, false) => return Ordering::Greater,
        (false, true) if key.missing_first => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let order = natural(left, right);
    if key.descending { order.reverse() } else { order }
}

/// Numbers before strings, where indices disagree about the type of a field.
#[expect(clippy::cast_precision_loss, reason = "only where one index holds longs and another floats")]
fn natural(left: &SortValue, right: &SortValue) -> Ordering {
    match (left, right) {
        (SortValue::Integer(left), SortValue::Integer(right)) => left.cmp(right),
        (SortValue::Float(left), SortValue::Float(right)) => left.total_cmp(right),
        (SortValue::Integer(left), SortValue::Float(right)) => (*left as f64).total_cmp(right),
        (SortValue::Float(left), SortValue::Integer(right)) => left.total_cmp(&(*right as f64)),
        (SortValue::String(left), SortValue::String(right)) => left.as_bytes().cmp(right.as_bytes()),
        (SortValue::String(_), _) => Ordering::Greater,
        (_, SortValue::String(_)) => Ordering::Less,
        (SortValue::Null, _) | (_, SortValue::Null) => Ordering::Equal,
    }
}
