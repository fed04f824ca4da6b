//! Turns what was found into the answer: order, size, gaps of histograms, metrics.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::partial::{self, Key, Partial, PartialBucket};
use super::{Aggregation, BUCKETS_MAX, Budget, Named, too_many};
use crate::index::Error;
use crate::index::query::{AggregationResult, Bucket, BucketKey, BucketsKind, TermsOrder};

use super::collect::Numbers;

type Results = Vec<(String, AggregationResult)>;

pub(super) fn all(asked: &Named, found: Vec<Partial>, budget: &mut Budget) -> Result<Results, Error> {
    let mut results = Vec::new();
    for ((name, aggregation), partial) in asked.iter().zip(found) {
        results.push((name.clone(), one(aggregation, partial, budget)?));
    }
    Ok(results)
}

fn one(aggregation: &Aggregation, partial: Partial, budget: &mut Budget) -> Result<AggregationResult, Error> {
    match (aggregation, partial) {
        (Aggregation::Terms { size, order, min_doc_count, sub, .. }, Partial::Buckets(found)) => {
            terms(found, *size, *order, *min_doc_count, sub, budget)
        }
        (
            Aggregation::DateHistogram { interval_ms, offset_ms, min_doc_count, bounds_ms, sub, .. },
            Partial::Buckets(found),
        ) => {
            let grid = Grid { interval_ms: (*interval_ms).max(1), offset_ms: *offset_ms };
            let found = if *min_doc_count == 0 { grid.fill(found, *bounds_ms, sub)? } else { found };
            let wanted = found.into_iter().filter(|(_, bucket)| bucket.count >= *min_doc_count);
            Ok(AggregationResult::Buckets { buckets: buckets(wanted, sub, budget)?, kind: BucketsKind::DateHistogram })
        }
        (_, Partial::Numbers(numbers)) => Ok(metric(aggregation, numbers)),
        (_, Partial::Distinct(sketch)) => Ok(AggregationResult::Count(sketch.count())),
        // Made for the same aggregation: metrics have no buckets.
        (_, Partial::Buckets(_)) => Ok(AggregationResult::Metric(None)),
    }
}

fn terms(
    found: BTreeMap<Key, PartialBucket>,
    size: usize,
    order: TermsOrder,
    min_doc_count: u64,
    sub: &Named,
    budget: &mut Budget,
) -> Result<AggregationResult, Error> {
    let mut found: Vec<(Key, PartialBucket)> =
        found.into_iter().filter(|(_, bucket)| bucket.count >= min_doc_count.max(1)).collect();
    // Sorting is stable: equal counts stay in the order of their keys.
    found.sort_by(|(left_key, left), (right_key, right)| match order {
        TermsOrder::CountDescending => right.count.cmp(&left.count),
        TermsOrder::CountAscending => left.count.cmp(&right.count),
        TermsOrder::KeyAscending => Ordering::Equal,
        TermsOrder::KeyDescending => right_key.cmp(left_key),
    });
    let other: u64 = found.iter().skip(size).map(|(_, bucket)| bucket.count).sum();
    let kind = BucketsKind::Terms { sum_other_doc_count: other };
    Ok(AggregationResult::Buckets { buckets: buckets(found.into_iter().take(size), sub, budget)?, kind })
}

fn buckets(
    found: impl Iterator<Item = (Key, PartialBucket)>,
    sub: &Named,
    budget: &mut Budget,
) -> Result<Vec<Bucket>, Error> {
    let mut buckets = Vec::new();
    for (key, bucket) in found {
        budget.take();
        budget.check(BUCKETS_MAX)?;
        let key = match key {
            Key::Boolean(value) => BucketKey::Boolean(value),
            Key::Integer(value) => BucketKey::Integer(value),
            Key::Float(value) => BucketKey::Float(tantivy::u64_to_f64(value)),
            Key::Date(ms) => BucketKey::Date(ms),
            Key::String(value) => BucketKey::String(value),
        };
        buckets.push(Bucket { key, doc_count: bucket.count, sub: all(sub, bucket.sub, budget)? });
    }
    Ok(buckets)
}

/// Where the buckets of a histogram begin.
struct Grid {
    interval_ms: i64,
    offset_ms: i64,
}

impl Grid {
    fn start(&self, ms: i64) -> i64 {
        let past = ms.saturating_sub(self.offset_ms).rem_euclid(self.interval_ms);
        ms.saturating_sub(past)
    }

    /// Adds the empty buckets between the first and the last, and those of the bounds.
    fn fill(
        &self,
        mut found: BTreeMap<Key, PartialBucket>,
        bounds_ms: Option<(i64, i64)>,
        sub: &Named,
    ) -> Result<BTreeMap<Key, PartialBucket>, Error> {
        let date = |entry: Option<(&Key, &PartialBucket)>| match entry {
            Some((Key::Date(ms), _)) => Some(*ms),
            Some((Key::Boolean(_) | Key::Integer(_) | Key::Float(_) | Key::String(_), _)) | None => None,
        };
        let bounds = bounds_ms.filter(|(first, last)| first <= last);
        let (lower, upper) = bounds.map(|(first, last)| (self.start(first), self.start(last))).unzip();
        let first = date(found.first_key_value()).into_iter().chain(lower).min();
        let last = date(found.last_key_value()).into_iter().chain(upper).max();
        let (Some(first), Some(last)) = (first, last) else { return Ok(found) };
        let steps = last.saturating_sub(first) / self.interval_ms;
        if usize::try_from(steps).is_ok_and(|steps| steps >= BUCKETS_MAX) {
            return Err(too_many(BUCKETS_MAX));
        }
        for step in 0..=steps {
            let ms = first.saturating_add(step.saturating_mul(self.interval_ms));
            found.entry(Key::Date(ms)).or_insert_with(|| PartialBucket { count: 0, sub: partial::empty(sub) });
        }
        Ok(found)
    }
}

#[expect(clippy::cast_precision_loss, reason = "an average is a double")]
fn metric(aggregation: &Aggregation, numbers: Numbers) -> AggregationResult {
    let any = numbers.count > 0;
    let value = match aggregation {
        Aggregation::Min { .. } => any.then_some(numbers.min),
        Aggregation::Max { .. } => any.then_some(numbers.max),
        Aggregation::Avg { .. } => any.then_some(numbers.sum / numbers.count as f64),
        Aggregation::Sum { .. } => Some(numbers.sum),
        Aggregation::ValueCount { .. } | Aggregation::Cardinality { .. } => {
            return AggregationResult::Count(numbers.count);
        }
        Aggregation::Terms { .. } | Aggregation::DateHistogram { .. } => None,
    };
    if numbers.dates { AggregationResult::DateMetric(value) } else { AggregationResult::Metric(value) }
}
