//! Which leases a worker takes: those that nobody holds, up to its fair share, or one of the worker that has the most.
//!
//! Pure: takes rows and the time, and tells what to do. That no two hold one lease is for the conditional writes to see
//! to; here is only who tries.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::row::Row;
use crate::stream::ShardId;

/// A lease that nobody took in so many durations is taken by any worker: those whose share it was do not take it.
const LONG: u32 = 3;

/// When each lease has last changed, by our own clock. Clocks of workers are never compared.
#[derive(Debug, Default)]
pub(super) struct Watch {
    seen: BTreeMap<ShardId, Seen>,
}

#[derive(Debug)]
struct Seen {
    row: Row,
    since: Instant,
}

/// Who holds a lease, as one worker sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    Me,
    Other(String),
    /// It was given back, or its worker has not renewed it in time.
    Nobody {
        /// For long.
        long: bool,
    },
}

impl Watch {
    /// Takes in what the table says now.
    pub(super) fn observe(&mut self, rows: &[Row], now: Instant) {
        let mut seen = std::mem::take(&mut self.seen);
        for row in rows {
            let before = seen.remove(&row.shard).filter(|before| before.row == *row);
            let since = before.map_or(now, |before| before.since);
            self.seen.insert(row.shard.clone(), Seen { row: row.clone(), since });
        }
    }

    /// `holds`: whether this process holds the lease. A row with our name that we do not hold is of a process that had
    /// the name before, or has it too.
    pub(super) fn holder(&self, row: &Row, holds: bool, duration: Duration, now: Instant) -> Holder {
        if holds {
            return Holder::Me;
        }
        let unchanged = self.seen.get(&row.shard).map_or(Duration::ZERO, |seen| now.duration_since(seen.since));
        match &row.owner {
            Some(owner) if unchanged < duration => Holder::Other(owner.clone()),
            Some(_) => Holder::Nobody { long: unchanged >= duration * (LONG + 1) },
            None => Holder::Nobody { long: unchanged >= duration * LONG },
        }
    }
}

/// The places of the leases to take. `spread` differs from worker to worker, so that they do not all want the same.
pub(super) fn to_take(holders: &[Holder], spread: usize) -> Vec<usize> {
    let mut others: BTreeMap<&str, usize> = BTreeMap::new();
    let mut n_mine = 0;
    for holder in holders {
        match holder {
            Holder::Me => n_mine += 1,
            Holder::Other(name) => *others.entry(name).or_default() += 1,
            Holder::Nobody { .. } => {}
        }
    }
    let first = spread.checked_rem(holders.len()).unwrap_or(0);
    let places = || holders.iter().enumerate().cycle().skip(first).take(holders.len());
    let free = |(place, holder): (usize, &Holder)| match holder {
        Holder::Nobody { long } => Some((place, *long)),
        Holder::Me | Holder::Other(_) => None,
    };
    let free: Vec<(usize, bool)> = places().filter_map(free).collect();
    if free.is_empty() {
        let most = others.into_iter().max_by_key(|(_, n_leases)| *n_leases);
        let Some((most, _)) = most.filter(|(_, n_leases)| *n_leases >= n_mine + 2) else { return Vec::new() };
        return places()
            .find(|(_, holder)| matches!(holder, Holder::Other(name) if name == most))
            .map(|(place, _)| place)
            .into_iter()
            .collect();
    }
    // Workers that hold nothing are not known: who comes anew steals what it lacks.
    let fair = holders.len().div_ceil(others.len() + 1);
    let n_wanted = fair.saturating_sub(n_mine);
    let wanted = free.iter().enumerate().filter(|(nth, (_, long))| *nth < n_wanted || *long);
    wanted.map(|(_, (place, _))| *place).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const DURATION: Duration = Duration::from_secs(10);

    /// `m`: mine, `.`: nobody's, `!`: nobody's for long, else another worker's.
    fn holders(text: &str) -> Vec<Holder> {
        let holder = |letter| match letter {
            'm' => Holder::Me,
            '.' => Holder::Nobody { long: false },
            '!' => Holder::Nobody { long: true },
            other => Holder::Other(other.to_string()),
        };
        text.chars().map(holder).collect()
    }

    #[test]
    fn a_worker_takes_its_share_and_steals_one_of_the_one_with_the_most() {
        let cases: [(&str, usize, &[usize]); 15] = [
            ("", 3, &[]),
            ("....", 0, &[0, 1, 2, 3]),
            ("....", 6, &[2, 3, 0, 1]),
            ("aa..", 0, &[2, 3]),
            ("ab..", 0, &[2, 3]),
            ("abm.", 0, &[3]),
            ("mma.", 0, &[]),
            ("mma!", 0, &[3]),
            ("aaaa", 0, &[0]),
            ("aaam", 1, &[1]),
            ("aamm", 0, &[]),
            ("aam", 0, &[]),
            ("abbbm", 0, &[1]),
            ("a", 0, &[]),
            ("mmmm", 0, &[]),
        ];
        for (text, spread, expected) in cases {
            assert_eq!(to_take(&holders(text), spread), expected, "{text:?} {spread}");
        }
    }

    fn row(owner: Option<&str>, counter: u64) -> Row {
        let owner = owner.map(str::to_owned);
        Row { shard: ShardId("s".into()), owner, counter: Some(counter), begun: false, delivered: false }
    }

    #[test]
    fn a_lease_expires_when_its_counter_stands_still_by_our_own_clock() {
        let (start, mut watch) = (Instant::now(), Watch::default());
        let mut holder = |row: &Row, holds, seconds| {
            let now = start + Duration::from_secs(seconds);
            watch.observe(std::slice::from_ref(row), now);
            watch.holder(row, holds, DURATION, now)
        };
        let other = Holder::Other("a".into());
        assert_eq!(holder(&row(Some("a"), 1), false, 100), other);
        assert_eq!(holder(&row(Some("a"), 1), false, 109), other);
        assert_eq!(holder(&row(Some("a"), 2), false, 110), other);
        assert_eq!(holder(&row(Some("a"), 2), false, 119), other);
        assert_eq!(holder(&row(Some("a"), 2), true, 119), Holder::Me);
        assert_eq!(holder(&row(Some("a"), 2), false, 120), Holder::Nobody { long: false });
        assert_eq!(holder(&row(Some("a"), 2), false, 150), Holder::Nobody { long: true });
        assert_eq!(holder(&row(Some("a"), 3), false, 151), other);
        assert_eq!(holder(&row(None, 4), false, 152), Holder::Nobody { long: false });
        assert_eq!(holder(&row(None, 4), false, 181), Holder::Nobody { long: false });
        assert_eq!(holder(&row(None, 4), false, 182), Holder::Nobody { long: true });
    }

    /// A table with conditional writes, and workers that go through their rounds in any order, stop and wake.
    struct Model {
        /// With terms.
        rows: Vec<(Row, u64)>,
        workers: Vec<Worker>,
        now: Instant,
    }

    #[derive(Default)]
    struct Worker {
        watch: Watch,
        /// Place to term and until when.
        held: BTreeMap<usize, (u64, Instant)>,
        /// What it has read and not acted upon.
        wanted: Vec<(usize, Option<u64>)>,
    }

    impl Model {
        fn renew(&mut self, me: usize) {
            let Model { rows, workers, now } = self;
            workers[me].held.retain(|place, (term, until)| {
                let (row, present) = &mut rows[*place];
                let ours = row.owner == Some(me.to_string()) && present == term && *now < *until;
                if ours {
                    row.counter = row.counter.map(|counter| counter + 1);
                    *until = *now + DURATION;
                }
                ours
            });
        }

        fn look(&mut self, me: usize) {
            let rows: Vec<Row> = self.rows.iter().map(|(row, _)| row.clone()).collect();
            let worker = &mut self.workers[me];
            worker.watch.observe(&rows, self.now);
            let holder = |(place, row): (usize, &Row)| {
                worker.watch.holder(row, worker.held.contains_key(&place), DURATION, self.now)
            };
            let holders: Vec<Holder> = rows.iter().enumerate().map(holder).collect();
            worker.wanted = to_take(&holders, me).into_iter().map(|place| (place, rows[place].counter)).collect();
        }

        fn take(&mut self, me: usize) {
            for (place, counter) in std::mem::take(&mut self.workers[me].wanted) {
                let (row, term) = &mut self.rows[place];
                if row.counter == counter {
                    (row.owner, row.counter, *term) =
                        (Some(me.to_string()), counter.map(|counter| counter + 1), *term + 1);
                    self.workers[me].held.insert(place, (*term, self.now + DURATION));
                }
            }
        }

        /// Those whose commit the table would take now.
        fn owners(&self, place: usize) -> Vec<usize> {
            let (row, present) = &self.rows[place];
            let owns = |me: &usize| {
                let held = self.workers[*me].held.get(&place);
                held.is_some_and(|(term, _)| term == present) && row.owner == Some(me.to_string())
            };
            (0..self.workers.len()).filter(owns).collect()
        }
    }

    proptest! {
        #[test]
        fn no_lease_has_two_owners_and_all_are_shared_evenly_in_the_end(
            n_rows in 1..9_usize,
            n_workers in 1..5_usize,
            steps in prop::collection::vec((0..4_u8, 0..5_usize, 0..6_u64), 0..200),
        ) {
            let shard = |place: usize| ShardId(place.to_string());
            let row = |place| Row { shard: shard(place), owner: None, counter: Some(0), begun: false, delivered: false };
            let mut model = Model {
                rows: (0..n_rows).map(|place| (row(place), 0)).collect(),
                workers: (0..n_workers).map(|_| Worker::default()).collect(),
                now: Instant::now(),
            };
            for (step, worker, seconds) in steps {
                let before: Vec<u64> = model.rows.iter().map(|(_, term)| *term).collect();
                model.now += Duration::from_secs(seconds);
                let me = worker % n_workers;
                match step {
                    0 => model.renew(me),
                    1 => model.look(me),
                    2 => model.take(me),
                    // It was killed, and is back with nothing.
                    _ => model.workers[me] = Worker::default(),
                }
                for (place, before) in before.into_iter().enumerate() {
                    prop_assert!(model.owners(place).len() <= 1);
                    prop_assert!(model.rows[place].1 >= before);
                }
            }
            // Quiet: all live and go through their rounds.
            for _ in 0..60 {
                model.now += DURATION / 3;
                for me in 0..n_workers {
                    model.renew(me);
                    model.look(me);
                    model.take(me);
                }
            }
            let owners: Vec<usize> = (0..n_rows).flat_map(|place| model.owners(place)).collect();
            prop_assert_eq!(owners.len(), n_rows);
            let shares: BTreeSet<usize> =
                (0..n_workers).map(|me| owners.iter().filter(|owner| **owner == me).count()).collect();
            prop_assert!(shares.last().unwrap() - shares.first().unwrap() <= 1, "{:?}", shares);
        }
    }
}
