//! Rows that nobody needs any more: of shards that were delivered to their end and that the stream lists no longer, since
//! all of their records have expired. A stream that is split and merged for years would fill its table with them.
//!
//! Pure, as [`plan`](super::plan). A listing may be older than the table: another worker may know a shard already, and have
//! delivered it, that this one has not heard of. So a row goes only where listings of a long time lack it.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::row::Row;
use crate::stream::ShardId;

/// Since when listings lack shards that were delivered.
#[derive(Debug, Default)]
pub(super) struct Gone {
    since: BTreeMap<ShardId, Instant>,
}

impl Gone {
    /// Takes in the rows of shards that a listing lacks, and tells which of them nobody needs. One that stays all the same,
    /// since the right to remove it lacks, is told again as long after.
    /// `listed`: when the stream gave that listing.
    pub(super) fn observe<'a>(
        &mut self,
        unlisted: impl IntoIterator<Item = &'a Row>,
        listed: Instant,
        gone_for: Duration,
    ) -> Vec<ShardId> {
        let before = std::mem::take(&mut self.since);
        let delivered = unlisted.into_iter().filter(|row| row.delivered);
        let since = |row: &Row| (row.shard.clone(), before.get(&row.shard).copied().unwrap_or(listed));
        self.since = delivered.map(since).collect();
        let is_long = |(_, since): &(&ShardId, &mut Instant)| listed.duration_since(**since) >= gone_for;
        let tell = |(shard, since): (&ShardId, &mut Instant)| {
            *since = listed;
            shard.clone()
        };
        self.since.iter_mut().filter(is_long).map(tell).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_that_are_delivered_and_that_listings_lack_for_long_are_not_needed() {
        let row = |name: &str, delivered| Row {
            shard: ShardId(name.into()),
            owner: None,
            counter: Some(1),
            begun: delivered,
            delivered,
        };
        let (done, open, other) = (row("a", true), row("b", false), row("c", true));
        let (mut gone, start) = (Gone::default(), Instant::now());
        let mut after = |rows: &[&Row], seconds: u64| {
            let listed = start + Duration::from_secs(seconds);
            let shards = gone.observe(rows.iter().copied(), listed, Duration::from_secs(100));
            shards.into_iter().map(|shard| shard.0).collect::<Vec<_>>()
        };
        assert_eq!(after(&[&done, &open], 0), [""; 0]);
        assert_eq!(after(&[&done, &open], 99), [""; 0]);
        // The same listing, looked at for longer, is no new word of the stream.
        assert_eq!(after(&[&done, &open], 99), [""; 0]);
        assert_eq!(after(&[&done, &open, &other], 100), ["a"]);
        // It is listed again, or its row is gone: the time begins anew.
        assert_eq!(after(&[&other], 199), [""; 0]);
        assert_eq!(after(&[&done, &other], 200), ["c"]);
        assert_eq!(after(&[&done], 299), [""; 0]);
        assert_eq!(after(&[&done], 300), ["a"]);
        // It could not be removed.
        assert_eq!(after(&[&done], 399), [""; 0]);
        assert_eq!(after(&[&done], 400), ["a"]);
    }
}
