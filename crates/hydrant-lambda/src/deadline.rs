//! Until when an invocation may work.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Kept for the answer and for what is still to be put into the bucket of failed documents.
const KEPT_MAX: Duration = Duration::from_secs(2);

/// The longest invocation of Lambda; the deadline where nobody tells one, as by hand.
pub(crate) const LONGEST: Duration = Duration::from_secs(900);

/// Firehose waits five minutes for an answer, and asks once more then, whatever the function's own deadline is.
pub(crate) const LONGEST_OF_FIREHOSE: Duration = Duration::from_secs(280);

/// When an invocation has to be over, and when it stops to try.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    /// Nothing is tried again after this.
    pub(crate) try_until: Instant,
    /// The answer has to be on its way.
    pub(crate) answer_by: Instant,
}

impl Deadline {
    /// `deadline_ms`: milliseconds since 1970 UTC; 0 where it is not told. `longest`: what whoever asks waits.
    pub(crate) fn new(deadline_ms: u64, now_ms: i64, longest: Duration) -> Deadline {
        let left = i64::try_from(deadline_ms).unwrap_or(i64::MAX).saturating_sub(now_ms);
        let left = if deadline_ms == 0 { longest } else { Duration::from_millis(u64::try_from(left).unwrap_or(0)) };
        let (left, now) = (left.min(longest), Instant::now());
        let kept = (left / 4).min(KEPT_MAX);
        Deadline { try_until: now + (left - kept), answer_by: now + (left - kept / 4) }
    }

    /// Half of the time to try: who waits for something first leaves the other half to what comes behind.
    pub(crate) fn half(&self) -> Instant {
        let now = Instant::now();
        now + self.try_until.saturating_duration_since(now) / 2
    }
}

#[expect(clippy::disallowed_methods, reason = "deadlines and metrics are told in the time of the platform")]
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_part_of_the_time_is_kept_for_the_answer() {
        let left = |deadline_ms, now_ms| {
            let (deadline, now) = (Deadline::new(deadline_ms, now_ms, LONGEST), Instant::now());
            [deadline.try_until, deadline.answer_by].map(|at| (at - now).as_millis())
        };
        assert_eq!(left(61_000, 1_000), [58_000, 59_500]);
        assert_eq!(left(2_000, 1_000), [750, 937]);
        assert_eq!(left(1_000, 2_000), [0, 0]);
        assert_eq!(left(0, 2_000), [898_000, 899_500]);
        assert_eq!(left(u64::MAX, 0), [898_000, 899_500]);
    }

    #[tokio::test(start_paused = true)]
    async fn firehose_is_answered_within_its_five_minutes() {
        let deadline = Deadline::new(901_000, 1_000, LONGEST_OF_FIREHOSE);
        assert_eq!((deadline.answer_by - Instant::now()).as_millis(), 279_500);
        assert_eq!((deadline.half() - Instant::now()).as_millis(), 139_000);
    }
}
