//! How many different values there are.
//!
//! Exactly up to [`EXACT_MAX`] values, beyond that a HyperLogLog estimate of 2^14 registers (standard error 0.8 %).
//! Values are compared by a 64-bit hash.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::Budget;

/// OpenSearch's largest `precision_threshold`.
pub(super) const EXACT_MAX: usize = 40_000;

const REGISTER_BITS: u32 = 14;
const REGISTERS: usize = 1 << REGISTER_BITS;

/// Sparse sets of a segment's strings that are larger become a bit for each term.
const SPARSE_MAX: usize = 65_536;

/// The raw values seen in one segment.
pub(super) enum RawSet {
    Sparse {
        values: HashSet<u64>,
        terms: usize,
    },
    /// A bit for each term of the segment's dictionary.
    Terms(Vec<u64>),
}

impl RawSet {
    /// `terms`: how many raw values there can be; 0 if that is not known, as for numbers.
    pub(super) fn new(terms: usize) -> RawSet {
        RawSet::Sparse { values: HashSet::new(), terms }
    }

    pub(super) fn insert(&mut self, raw: u64, budget: &mut Budget) {
        match self {
            RawSet::Sparse { values, terms } => {
                if values.contains(&raw) || !budget.take() {
                    return;
                }
                values.insert(raw);
                if *terms > 0 && values.len() > SPARSE_MAX {
                    let mut bits = vec![0_u64; terms.div_ceil(64)];
                    for raw in &*values {
                        set(&mut bits, *raw);
                    }
                    budget.give_back(values.len());
                    *self = RawSet::Terms(bits);
                }
            }
            RawSet::Terms(bits) => set(bits, raw),
        }
    }

    /// In ascending order.
    pub(super) fn into_sorted(self) -> Vec<u64> {
        match self {
            RawSet::Sparse { values, .. } => {
                let mut values: Vec<u64> = values.into_iter().collect();
                values.sort_unstable();
                values
            }
            RawSet::Terms(bits) => {
                let ones = |(word, bits): (u64, u64)| {
                    (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| word * 64 + bit)
                };
                (0..).zip(bits).flat_map(ones).collect()
            }
        }
    }
}

fn set(bits: &mut [u64], raw: u64) {
    let word = usize::try_from(raw / 64).ok().and_then(|word| bits.get_mut(word));
    if let Some(word) = word {
        *word |= 1 << (raw % 64);
    }
}

/// The values seen in any number of segments.
#[derive(Clone, Debug)]
pub(super) enum Sketch {
    Exact(HashSet<u64>),
    Registers(Box<[u8]>),
}

impl Sketch {
    pub(super) fn empty() -> Sketch {
        Sketch::Exact(HashSet::new())
    }

    pub(super) fn insert<T: Hash>(&mut self, value: &T) {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        self.insert_hash(hasher.finish());
    }

    fn insert_hash(&mut self, hash: u64) {
        match self {
            Sketch::Exact(hashes) => {
                hashes.insert(hash);
                if hashes.len() > EXACT_MAX {
                    let mut registers = vec![0_u8; REGISTERS].into_boxed_slice();
                    for hash in &*hashes {
                        register(&mut registers, *hash);
                    }
                    *self = Sketch::Registers(registers);
                }
            }
            Sketch::Registers(registers) => register(registers, hash),
        }
    }

    pub(super) fn merge(&mut self, other: Sketch) {
        match (&mut *self, other) {
            (_, Sketch::Exact(hashes)) => hashes.into_iter().for_each(|hash| self.insert_hash(hash)),
            (Sketch::Registers(mine), Sketch::Registers(theirs)) => {
                for (mine, theirs) in mine.iter_mut().zip(theirs.iter()) {
                    *mine = (*mine).max(*theirs);
                }
            }
            (Sketch::Exact(hashes), Sketch::Registers(registers)) => {
                let hashes = std::mem::take(hashes);
                *self = Sketch::Registers(registers);
                hashes.into_iter().for_each(|hash| self.insert_hash(hash));
            }
        }
    }

    /// Values held in memory.
    pub(super) fn size(&self) -> usize {
        match self {
            Sketch::Exact(hashes) => hashes.len(),
            Sketch::Registers(registers) => registers.len(),
        }
    }

    pub(super) fn count(&self) -> u64 {
        match self {
            Sketch::Exact(hashes) => u64::try_from(hashes.len()).unwrap_or(u64::MAX),
            Sketch::Registers(registers) => estimate(registers),
        }
    }
}

fn register(registers: &mut [u8], hash: u64) {
    let place = usize::try_from(hash >> (64 - REGISTER_BITS)).ok().and_then(|place| registers.get_mut(place));
    let rank = (hash << REGISTER_BITS).leading_zeros().min(64 - REGISTER_BITS) + 1;
    if let (Some(place), Ok(rank)) = (place, u8::try_from(rank)) {
        *place = (*place).max(rank);
    }
}

/// The estimator of HyperLogLog. Its correction for few values is not needed: few values are counted exactly.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate, positive and far below 2^53"
)]
fn estimate(registers: &[u8]) -> u64 {
    let count = registers.len() as f64;
    let sum: f64 = registers.iter().map(|rank| (-f64::from(*rank)).exp2()).sum();
    let zeros = registers.iter().filter(|rank| **rank == 0).count();
    let raw = 0.7213 / (1.0 + 1.079 / count) * count * count / sum;
    let linear = count * (count / zeros.max(1) as f64).ln();
    (if raw <= 2.5 * count && zeros > 0 { linear } else { raw }).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_counted_exactly_and_many_within_three_percent() {
        let mut sketch = Sketch::empty();
        for value in 0..40_000_u64 {
            sketch.insert(&value);
            sketch.insert(&value);
        }
        assert_eq!(sketch.count(), 40_000);
        for value in 0..500_000_u64 {
            sketch.insert(&value);
        }
        let count = sketch.count();
        assert!((485_000..515_000).contains(&count), "{count}");
    }

    #[test]
    fn merging_counts_a_value_once() {
        let of = |range: std::ops::Range<u64>| {
            let mut sketch = Sketch::empty();
            range.for_each(|value| sketch.insert(&value));
            sketch
        };
        let mut few = of(0..100);
        few.merge(of(50..150));
        assert_eq!(few.count(), 150);
        let mut mixed = of(0..1_000);
        mixed.merge(of(0..100_000));
        mixed.merge(of(0..1_000));
        let count = mixed.count();
        assert!((97_000..103_000).contains(&count), "{count}");
    }

    #[test]
    fn a_large_set_of_terms_becomes_bits() {
        let mut budget = Budget::new(100_000);
        let mut set = RawSet::new(200_000);
        (0..90_000).map(|value| value * 2).for_each(|raw| set.insert(raw, &mut budget));
        assert!(matches!(set, RawSet::Terms(_)));
        assert_eq!(budget.left, 100_000);
        let sorted = set.into_sorted();
        assert_eq!(sorted.len(), 90_000);
        assert_eq!(sorted[89_999], 179_998);
    }
}
