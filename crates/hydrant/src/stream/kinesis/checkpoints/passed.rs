//! Shards that are delivered although nothing is kept of them: a Kinesis Client Library removes the rows of shards that
//! were split or merged once those behind them have begun, while Kinesis lists them until their records expire.

use std::collections::{BTreeMap, BTreeSet};

use super::Listed;
use crate::stream::ShardId;

/// Those of the listed shards of which nothing is kept, and behind which another has begun, or is such a one itself.
/// `kept`: of which shards something is, and whether they have begun.
pub(super) fn passed(listed: &[Listed], kept: &BTreeMap<&ShardId, bool>) -> BTreeSet<ShardId> {
    let by_id: BTreeMap<&ShardId, &Listed> = listed.iter().map(|shard| (&shard.id, shard)).collect();
    let mut behind: Vec<&Listed> =
        listed.iter().filter(|shard| kept.get(&shard.id).is_some_and(|begun| *begun)).collect();
    let mut passed = BTreeSet::new();
    while let Some(shard) = behind.pop() {
        let gone = shard.parents.iter().filter(|parent| !kept.contains_key(parent));
        for parent in gone.filter_map(|parent| by_id.get(parent)) {
            if passed.insert(parent.id.clone()) {
                behind.push(parent);
            }
        }
    }
    passed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `c<ab`: shard c, whose parents are a and b.
    fn listed(text: &str) -> Vec<Listed> {
        let id = |letter: char| ShardId(letter.to_string());
        let shard = |text: &str| {
            let mut letters = text.chars();
            let shard = id(letters.next().unwrap());
            Listed { id: shard, parents: letters.skip(1).map(id).collect(), hash_keys: (0, 1) }
        };
        text.split(' ').map(shard).collect()
    }

    #[test]
    fn a_shard_without_a_row_is_delivered_where_one_behind_it_has_begun() {
        // Capitals have begun.
        for (shards, kept, expected) in [
            ("a b", "", ""),
            ("a b<a c<a", "B", "a"),
            ("a b<a c<a", "bc", ""),
            ("a b<a c<a", "bC", "a"),
            // Its row is there and says that it is not delivered.
            ("a b<a c<a", "aB", ""),
            // A merge of two, and what was before a split.
            ("a b c<ab", "C", "ab"),
            ("a b<a c<a d<bc", "D", "abc"),
            ("a b<a c<a d<bc", "bD", "ac"),
            // Not one behind it is known.
            ("a b<a c<b", "Bc", "a"),
            // Parents that are not listed any more.
            ("b<a c<b", "C", "b"),
            // A listing that goes round ends too.
            ("a<b b<a c<a", "C", "ab"),
        ] {
            let ids: Vec<(ShardId, bool)> = kept
                .chars()
                .map(|letter| (ShardId(letter.to_ascii_lowercase().to_string()), letter.is_ascii_uppercase()))
                .collect();
            let kept_of = ids.iter().map(|(id, begun)| (id, *begun)).collect();
            let told: String = passed(&listed(shards), &kept_of).iter().map(|shard| shard.0.as_str()).collect();
            assert_eq!(told, expected, "{shards} | {kept}");
        }
    }
}
