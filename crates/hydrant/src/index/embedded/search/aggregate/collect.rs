//! Collects the documents of one segment into buckets and numbers, keyed by the raw values of its columns.

use std::collections::HashMap;
use std::sync::Arc;

use tantivy::{SegmentReader, i64_to_u64};

use super::super::column::Column;
use super::super::field::Target;
use super::distinct::RawSet;
use super::{Aggregation, Budget, Named, parts};

/// The fields of an aggregation and of those below it.
pub(in super::super) struct Targets {
    pub(super) target: Option<Arc<Target>>,
    pub(super) sub: Vec<Targets>,
}

/// One aggregation in one segment.
pub(super) struct Plan {
    pub(super) column: Column,
    pub(super) kind: Kind,
    pub(super) sub: Vec<Plan>,
}

pub(super) enum Kind {
    Terms,
    DateHistogram {
        interval_ms: i64,
        offset_ms: i64,
    },
    Numbers,
    /// Only counts values.
    Values,
    Distinct,
}

/// What a plan has collected.
pub(super) enum State {
    Buckets(Buckets),
    Numbers(Numbers),
    Distinct(RawSet),
}

/// Buckets by raw key.
#[derive(Default)]
pub(super) struct Buckets {
    places: HashMap<u64, usize>,
    pub(super) all: Vec<SegmentBucket>,
    /// The key of the last document and its place: neighbours in a log often fall into the same bucket.
    last: Option<(u64, usize)>,
    scratch: Vec<u64>,
}

pub(super) struct SegmentBucket {
    pub(super) key: u64,
    pub(super) count: u64,
    pub(super) sub: Vec<State>,
}

/// Everything that the metrics of numbers need.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Numbers {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    /// Values are dates in milliseconds.
    pub(super) dates: bool,
}

impl Numbers {
    pub(super) const NONE: Numbers =
        Numbers { count: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY, dates: false };

    fn add(&mut self, value: f64) {
        self.count += 1;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }
}

pub(super) fn plans(asked: &Named, targets: &[Targets], reader: &SegmentReader) -> tantivy::Result<Vec<Plan>> {
    let plan = |(aggregation, Targets { target, sub }): (&Aggregation, &Targets)| {
        let column = match target {
            Some(target) => Column::open(target, reader)?,
            None => Column::ABSENT,
        };
        let kind = match aggregation {
            Aggregation::Terms { .. } => Kind::Terms,
            Aggregation::DateHistogram { interval_ms, offset_ms, .. } => {
                Kind::DateHistogram { interval_ms: (*interval_ms).max(1), offset_ms: *offset_ms }
            }
            Aggregation::Min { .. } | Aggregation::Max { .. } | Aggregation::Avg { .. } | Aggregation::Sum { .. } => {
                Kind::Numbers
            }
            Aggregation::ValueCount { .. } => Kind::Values,
            Aggregation::Cardinality { .. } => Kind::Distinct,
        };
        Ok(Plan { column, kind, sub: plans(parts(aggregation).1, sub, reader)? })
    };
    asked.iter().map(|(_, aggregation)| aggregation).zip(targets).map(plan).collect()
}

pub(super) fn states(plans: &[Plan]) -> Vec<State> {
    let state = |plan: &Plan| match plan.kind {
        Kind::Terms | Kind::DateHistogram { .. } => State::Buckets(Buckets::default()),
        Kind::Numbers | Kind::Values => State::Numbers(Numbers { dates: plan.column.is_date(), ..Numbers::NONE }),
        Kind::Distinct => State::Distinct(RawSet::new(plan.column.terms())),
    };
    plans.iter().map(state).collect()
}

pub(super) fn document(plans: &[Plan], states: &mut [State], document: u32, budget: &mut Budget) {
    for (plan, state) in plans.iter().zip(states) {
        match (&plan.kind, state) {
            (Kind::Terms, State::Buckets(buckets)) => buckets.collect(plan, document, budget, Some),
            (Kind::DateHistogram { interval_ms, offset_ms }, State::Buckets(buckets)) => {
                buckets.collect(plan, document, budget, |raw| {
                    let ms = plan.column.milliseconds(raw)?;
                    let past = ms.checked_sub(*offset_ms)?.rem_euclid(*interval_ms);
                    Some(i64_to_u64(ms.checked_sub(past)?))
                });
            }
            (Kind::Numbers, State::Numbers(numbers)) => {
                for raw in plan.column.values(document) {
                    if let Some(value) = plan.column.number(raw) {
                        numbers.add(value);
                    }
                }
            }
            (Kind::Values, State::Numbers(numbers)) => {
                numbers.count += u64::try_from(plan.column.values(document).count()).unwrap_or_default();
            }
            (Kind::Distinct, State::Distinct(set)) => {
                for raw in plan.column.values(document) {
                    set.insert(raw, budget);
                }
            }
            // States are made from the same plans.
            (Kind::Terms | Kind::DateHistogram { .. }, State::Numbers(_) | State::Distinct(_))
            | (Kind::Numbers | Kind::Values, State::Buckets(_) | State::Distinct(_))
            | (Kind::Distinct, State::Buckets(_) | State::Numbers(_)) => {}
        }
    }
}

impl Buckets {
    /// Counts a document once in the bucket of each of its values.
    fn collect(&mut self, plan: &Plan, doc: u32, budget: &mut Budget, key: impl Fn(u64) -> Option<u64>) {
        let mut keys = std::mem::take(&mut self.scratch);
        keys.clear();
        keys.extend(plan.column.values(doc).filter_map(key));
        if keys.len() > 1 {
            keys.sort_unstable();
            keys.dedup();
        }
        for &key in &keys {
            let Some(place) = self.place(key, plan, budget) else { break };
            if let Some(bucket) = self.all.get_mut(place) {
                bucket.count += 1;
                document(&plan.sub, &mut bucket.sub, doc, budget);
            }
        }
        self.scratch = keys;
    }

    fn place(&mut self, key: u64, plan: &Plan, budget: &mut Budget) -> Option<usize> {
        if let Some((last, place)) = self.last
            && last == key
        {
            return Some(place);
        }
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None => {
                // Each has a state for each aggregation in it.
                if !budget.take_all(1 + plan.sub.len()) {
                    return None;
                }
                let place = self.all.len();
                self.places.insert(key, place);
                self.all.push(SegmentBucket { key, count: 0, sub: states(&plan.sub) });
                place
            }
        };
        self.last = Some((key, place));
        Some(place)
    }
}
