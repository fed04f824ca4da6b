//! What one run knows of the shards of its stream: which it delivers, which it is done with, and which may begin.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use crate::stream::{Shard, ShardId, Standing};

#[derive(Debug)]
pub(super) struct Known {
    running: BTreeMap<ShardId, Running>,
    ended: BTreeMap<ShardId, Ended>,
    listing: Listing,
    /// The next list is waited for.
    waits: bool,
}

/// A shard that is delivered.
#[derive(Debug)]
struct Running {
    term: u64,
    taken_away: CancellationToken,
}

/// Whether the shards are listed at present. A run begins with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listing {
    No,
    Yes,
    /// And once more when it is done, since something has happened meanwhile.
    Twice,
}

impl Default for Known {
    fn default() -> Known {
        Known { running: BTreeMap::new(), ended: BTreeMap::new(), listing: Listing::Yes, waits: false }
    }
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
    /// Whether a list is to begin now; if one is under way, another one follows it.
    pub(super) fn lists(&mut self) -> bool {
        let begins = self.listing == Listing::No;
        self.listing = if begins { Listing::Yes } else { Listing::Twice };
        begins
    }

    /// A list is there; whether another one is to begin at once.
    pub(super) fn listed(&mut self) -> bool {
        let again = self.listing == Listing::Twice;
        self.listing = if again { Listing::Yes } else { Listing::No };
        again
    }

    /// Whether the wait for the next list is to begin now.
    pub(super) fn waits(&mut self) -> bool {
        !std::mem::replace(&mut self.waits, true)
    }

    pub(super) fn waited(&mut self) {
        self.waits = false;
    }

    /// A shard is delivered from now on, until what is answered is cancelled.
    pub(super) fn begin(&mut self, shard: ShardId, term: u64) -> CancellationToken {
        let taken_away = CancellationToken::new();
        self.running.insert(shard, Running { term, taken_away: taken_away.clone() });
        taken_away
    }

    /// It is not ours any more, but may be so again.
    pub(super) fn lose(&mut self, shard: &ShardId) {
        self.running.remove(shard);
    }

    /// Ends what is delivered though the list says that it is not ours, or only since.
    pub(super) fn take_away(&self, listed: &[Shard]) {
        for Shard { id, standing, .. } in listed {
            let Some(Running { term, taken_away }) = self.running.get(id) else { continue };
            match standing {
                Standing::Mine { term: now } if now == term => {}
                // It is being finished here.
                Standing::Delivered => {}
                Standing::Mine { .. } | Standing::Elsewhere => taken_away.cancel(),
            }
        }
    }

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
        !self.running.contains_key(shard) && !self.ended.contains_key(shard)
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
        for id in ["a", "b", "d"] {
            drop(known.begin(ShardId(id.into()), 7));
        }
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
        drop(known.begin(ShardId("b".into()), 7));
        assert!(known.may_start(&listed(MINE)));
        known.end(ShardId("b".into()), Ended::Here);
        assert!(!known.may_start(&listed(MINE)));
    }

    #[test]
    fn what_the_list_gives_to_others_ends_here_also_when_it_has_come_back() {
        let mut known = Known::default();
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|id| known.begin(ShardId(id.into()), 7));
        let listed = [
            shard("a", &[], MINE),
            shard("b", &[], Standing::Elsewhere),
            shard("c", &[], Standing::Mine { term: 9 }),
            shard("d", &[], Standing::Delivered),
        ];
        known.take_away(&listed);
        assert_eq!([a, b, c, d].map(|token| token.is_cancelled()), [false, true, true, false]);
    }

    #[test]
    fn one_list_is_under_way_at_a_time_and_what_happens_meanwhile_asks_for_another() {
        let mut known = Known::default();
        assert!(!known.lists() && !known.lists());
        assert!(known.listed());
        assert!(!known.listed());
        assert!(known.lists());
        assert!(known.waits() && !known.waits());
        known.waited();
        assert!(known.waits());
    }
}
