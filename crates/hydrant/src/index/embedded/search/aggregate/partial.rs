//! What any number of segments found, keyed by the values themselves, so that it can be merged.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use tantivy::u64_to_i64;

use super::super::column::{Column, Scalar};
use super::collect::{Kind, Numbers, Plan, SegmentBucket, State};
use super::distinct::Sketch;
use super::{Aggregation, Budget, Named};

/// The key of a bucket. Ordered as buckets with equal counts are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Key {
    Boolean(bool),
    Integer(i64),
    /// Ordered as the numbers are.
    Float(u64),
    /// Milliseconds.
    Date(i64),
    String(String),
}

impl Key {
    fn of(value: Scalar) -> Key {
        match value {
            Scalar::Boolean(value) => Key::Boolean(value),
            Scalar::Integer(value) => Key::Integer(value),
            Scalar::Float(value) => Key::Float(tantivy::f64_to_u64(value)),
            Scalar::Date(nanos) => Key::Date(nanos.div_euclid(1_000_000)),
            Scalar::String(value) => Key::String(value),
        }
    }

    /// Without a loss, for counting different values.
    fn exact(value: Scalar) -> Key {
        match value {
            Scalar::Date(nanos) => Key::Date(nanos),
            Scalar::Boolean(_) | Scalar::Integer(_) | Scalar::Float(_) | Scalar::String(_) => Key::of(value),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Partial {
    Buckets(BTreeMap<Key, PartialBucket>),
    Numbers(Numbers),
    Distinct(Sketch),
}

#[derive(Clone, Debug)]
pub(super) struct PartialBucket {
    pub(super) count: u64,
    pub(super) sub: Vec<Partial>,
}

/// What no document gives.
pub(super) fn empty(asked: &Named) -> Vec<Partial> {
    let empty = |aggregation: &Aggregation| match aggregation {
        Aggregation::Terms { .. } | Aggregation::DateHistogram { .. } => Partial::Buckets(BTreeMap::new()),
        Aggregation::Min { .. }
        | Aggregation::Max { .. }
        | Aggregation::Avg { .. }
        | Aggregation::Sum { .. }
        | Aggregation::ValueCount { .. } => Partial::Numbers(Numbers::NONE),
        Aggregation::Cardinality { .. } => Partial::Distinct(Sketch::empty()),
    };
    asked.iter().map(|(_, aggregation)| empty(aggregation)).collect()
}

/// Decodes what one segment collected.
pub(super) fn of_segment(plans: &[Plan], states: Vec<State>) -> tantivy::Result<Vec<Partial>> {
    plans.iter().zip(states).map(|(plan, state)| of_state(plan, state)).collect()
}

fn of_state(plan: &Plan, state: State) -> tantivy::Result<Partial> {
    Ok(match state {
        State::Numbers(numbers) => Partial::Numbers(numbers),
        State::Distinct(set) => {
            let mut sketch = Sketch::empty();
            decode(&plan.column, set.into_sorted(), |value| sketch.insert(&Key::exact(value)))?;
            Partial::Distinct(sketch)
        }
        State::Buckets(mut buckets) => {
            // Dictionaries are read fastest in their own order.
            buckets.all.sort_unstable_by_key(|bucket| bucket.key);
            let keys = match plan.kind {
                Kind::DateHistogram { .. } => {
                    buckets.all.iter().map(|bucket| Key::Date(u64_to_i64(bucket.key))).collect()
                }
                Kind::Terms | Kind::Numbers | Kind::Values | Kind::Distinct => {
                    let raw = buckets.all.iter().map(|bucket| bucket.key).collect();
                    let mut keys = Vec::new();
                    decode(&plan.column, raw, |value| keys.push(Key::of(value)))?;
                    keys
                }
            };
            let mut merged = BTreeMap::new();
            for (key, SegmentBucket { count, sub, .. }) in keys.into_iter().zip(buckets.all) {
                let bucket = PartialBucket { count, sub: of_segment(&plan.sub, sub)? };
                match merged.entry(key) {
                    Entry::Vacant(entry) => {
                        entry.insert(bucket);
                    }
                    // Dates of one millisecond share a bucket.
                    Entry::Occupied(mut entry) => entry.get_mut().merge(bucket, &mut Budget::new(usize::MAX)),
                }
            }
            Partial::Buckets(merged)
        }
    })
}

/// The values of raw ones in ascending order, one for each.
fn decode(column: &Column, raw: Vec<u64>, mut each: impl FnMut(Scalar)) -> tantivy::Result<()> {
    if let Some(strings) = column.strings() {
        strings.dictionary().sorted_ords_to_term_cb(&raw, |bytes| {
            each(Scalar::String(String::from_utf8_lossy(bytes).into_owned()));
        })?;
        return Ok(());
    }
    for raw in raw {
        if let Some(value) = column.decode(raw)? {
            each(value);
        }
    }
    Ok(())
}

impl Partial {
    pub(super) fn merge(&mut self, other: Partial, budget: &mut Budget) {
        match (self, other) {
            (Partial::Buckets(mine), Partial::Buckets(theirs)) => {
                for (key, bucket) in theirs {
                    match mine.entry(key) {
                        Entry::Occupied(mut entry) => entry.get_mut().merge(bucket, budget),
                        Entry::Vacant(entry) => {
                            if !budget.take_all(bucket.size()) {
                                return;
                            }
                            entry.insert(bucket);
                        }
                    }
                }
            }
            (Partial::Numbers(mine), Partial::Numbers(theirs)) => {
                mine.count += theirs.count;
                mine.sum += theirs.sum;
                mine.min = mine.min.min(theirs.min);
                mine.max = mine.max.max(theirs.max);
                mine.dates |= theirs.dates;
            }
            (Partial::Distinct(mine), Partial::Distinct(theirs)) => {
                let before = mine.size();
                mine.merge(theirs);
                budget.take_all(mine.size().saturating_sub(before));
            }
            // Both sides were made for the same aggregation.
            (Partial::Buckets(_), Partial::Numbers(_) | Partial::Distinct(_))
            | (Partial::Numbers(_), Partial::Buckets(_) | Partial::Distinct(_))
            | (Partial::Distinct(_), Partial::Buckets(_) | Partial::Numbers(_)) => {}
        }
    }
}

impl PartialBucket {
    /// Itself and the buckets and distinct values in it.
    fn size(&self) -> usize {
        let within = self.sub.iter().map(|partial| match partial {
            Partial::Buckets(buckets) => buckets.values().map(PartialBucket::size).sum(),
            Partial::Distinct(sketch) => sketch.size(),
            Partial::Numbers(_) => 0,
        });
        within.sum::<usize>() + 1 + self.sub.len()
    }

    fn merge(&mut self, other: PartialBucket, budget: &mut Budget) {
        self.count += other.count;
        for (mine, theirs) in self.sub.iter_mut().zip(other.sub) {
            mine.merge(theirs, budget);
        }
    }
}
