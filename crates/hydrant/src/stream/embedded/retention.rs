//! How long delivered records are kept. Decides only; the writer of the shard removes.

use std::time::Duration;

/// Whole segments go, when they are delivered and either bound is passed. What is not delivered is never removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Since the segment was complete.
    pub age: Duration,
    /// Of delivered complete segments together.
    pub bytes: u64,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention { age: Duration::from_hours(24), bytes: 1024 * 1024 * 1024 }
    }
}

/// A complete segment, in the words that matter here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Complete {
    /// The counter of its last record.
    pub(super) last: u64,
    /// When the segment after it was begun.
    pub(super) complete_ms: i64,
    pub(super) bytes: u64,
}

/// How many of the oldest segments go. `complete` is ordered, oldest first, without the one being written.
pub(super) fn n_to_remove(complete: &[Complete], committed: u64, now_ms: i64, retention: Retention) -> usize {
    let delivered = complete.iter().take_while(|segment| segment.last <= committed);
    let mut kept_bytes: u64 = delivered.clone().map(|segment| segment.bytes).sum();
    let age_ms = i64::try_from(retention.age.as_millis()).unwrap_or(i64::MAX);
    let mut n = 0;
    for segment in delivered {
        let old = now_ms.saturating_sub(segment.complete_ms) >= age_ms;
        if !old && kept_bytes <= retention.bytes {
            break;
        }
        kept_bytes -= segment.bytes;
        n += 1;
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn three() -> [Complete; 3] {
        [
            Complete { last: 10, complete_ms: 0, bytes: 100 },
            Complete { last: 20, complete_ms: HOUR_MS, bytes: 100 },
            Complete { last: 30, complete_ms: 2 * HOUR_MS, bytes: 100 },
        ]
    }

    fn check(committed: u64, now_ms: i64, bytes: u64, expected: usize) {
        let retention = Retention { age: Duration::from_hours(24), bytes };
        assert_eq!(n_to_remove(&three(), committed, now_ms, retention), expected);
    }

    #[test]
    fn what_is_not_delivered_stays_however_old_and_large() {
        check(0, 1000 * HOUR_MS, 0, 0);
        check(9, 1000 * HOUR_MS, 0, 0);
    }

    #[test]
    fn delivered_segments_go_at_24_hours() {
        check(30, 24 * HOUR_MS - 1, 1000, 0);
        check(30, 24 * HOUR_MS, 1000, 1);
        check(30, 25 * HOUR_MS, 1000, 2);
        check(15, 1000 * HOUR_MS, 1000, 1);
    }

    #[test]
    fn the_oldest_go_until_the_rest_fits() {
        check(30, HOUR_MS, 300, 0);
        check(30, HOUR_MS, 299, 1);
        check(30, HOUR_MS, 100, 2);
        check(30, HOUR_MS, 0, 3);
        check(20, HOUR_MS, 199, 1);
    }
}
