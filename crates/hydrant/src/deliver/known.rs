//! What one run knows of the shards of its stream: which it delivers, which it is done with, and which may begin.

use std::collections::{BTreeMap, BTreeSet};

use crate::stream::{Shard, ShardId, Standing};

#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) running: BTreeSet<ShardId>,
    ended: BTreeMap<ShardId, Ended>,
}

/// How a shard has ended for this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It is delivered whole: its children may begin.
    Delivered,
    /// It was stopped, drained, or cannot go on.
    Here,
}

impl Known {
    pub(super) fn end(&mut self, shard: ShardId, ended: Ended) {
        self.running.remove(&shard);
        self.ended.insert(shard, ended);
    }

    /// Of our shards, with their terms: those that may begin. Each of its parents is delivered whole, or gone with all
    /// that it held.
    pub(super) fn startable(&self, listed: &[Shard]) -> Vec<(ShardId, u64)> {
        let delivered = |id: &ShardId| {
            let of = listed.iter().find(|shard| shard.id == *id);
            self.ended.get(id) == Some(&Ended::Delivered)
                || of.is_none_or(|shard| shard.standing == Standing::Delivered)
        };
        let may = |shard: &Shard| match shard.standing {
            Standing::Mine { term } if self.is_new(&shard.id) && shard.parents.iter().all(delivered) => {
                Some((shard.id.clone(), term))
            }
            Standing::Mine { .. } | Standing::Elsewhere | Standing::Delivered => None,
        };
        listed.iter().filter_map(may).collect()
    }

    /// Whether something may begin here later, or runs and may be resharded.
    pub(super) fn may_start(&self, listed: &[Shard]) -> bool {
        !self.running.is_empty()
            || listed.iter().any(|shard| shard.standing != Standing::Delivered && self.is_new(&shard.id))
    }

    fn is_new(&self, shard: &ShardId) -> bool {
        !self.running.contains(shard) && !self.ended.contains_key(shard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: Standing = Standing::Mine { term: 7 };

    fn shard(id: &str, parents: &[&str], standing: Standing) -> Shard {
        let parents = parents.iter().map(|parent| ShardId((*parent).into())).collect();
        Shard { id: ShardId(id.into()), parents, hash_keys: (0, 0), standing }
    }

    fn startable(known: &Known, listed: &[Shard]) -> Vec<String> {
        known.startable(listed).into_iter().map(|(id, term)| format!("{id} {term}")).collect()
    }

    #[test]
    fn a_shard_may_begin_when_its_parents_are_delivered_or_gone() {
        let listed =
            [shard("a", &[], MINE), shard("b", &[], MINE), shard("c", &["a", "b"], MINE), shard("d", &["gone"], MINE)];
        let mut known = Known::default();
        assert_eq!(startable(&known, &listed), ["a 7", "b 7", "d 7"]);
        known.running.extend(["a", "b", "d"].map(|id| ShardId(id.into())));
        assert_eq!(startable(&known, &listed), [""; 0]);
        known.end(ShardId("a".into()), Ended::Delivered);
        assert_eq!(startable(&known, &listed), [""; 0]);
        known.end(ShardId("b".into()), Ended::Delivered);
        assert_eq!(startable(&known, &listed), ["c 7"]);
    }

    #[test]
    fn a_parent_that_cannot_go_on_holds_its_children_back() {
        let listed = [shard("a", &[], MINE), shard("b", &["a"], MINE)];
        let mut known = Known::default();
        known.end(ShardId("a".into()), Ended::Here);
        assert_eq!(startable(&known, &listed), [""; 0]);
    }

    #[test]
    fn shards_of_other_processes_are_left_and_count_as_parents() {
        let listed = [
            shard("a", &[], Standing::Delivered),
            shard("b", &[], Standing::Elsewhere),
            shard("c", &["a"], MINE),
            shard("d", &["b"], MINE),
        ];
        assert_eq!(startable(&Known::default(), &listed), ["c 7"]);
    }

    #[test]
    fn a_run_ends_when_nothing_may_begin_any_more() {
        let mut known = Known::default();
        let listed = |standing| [shard("a", &[], Standing::Delivered), shard("b", &[], standing)];
        assert!(known.may_start(&listed(MINE)) && known.may_start(&listed(Standing::Elsewhere)));
        assert!(!known.may_start(&listed(Standing::Delivered)));
        known.running.insert(ShardId("b".into()));
        assert!(known.may_start(&listed(MINE)));
        known.end(ShardId("b".into()), Ended::Here);
        assert!(!known.may_start(&listed(MINE)));
    }
}
