//! Until when an invocation may work.

use std::time::{Duration, SystemTime};

use hydrant_aws::CallError;
use tokio::time::{Instant, timeout_at};

/// Kept for the answer and for what is still to be put into the bucket of failed documents.
const KEPT_MAX: Duration = Duration::from_secs(2);

/// Where nobody tells a deadline, as by hand: that of the longest invocation.
const LONGEST: Duration = Duration::from_secs(900);

/// When an invocation has to be over, and when it stops to try.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    /// Nothing is tried again after this.
    pub(crate) try_until: Instant,
    /// The answer has to be on its way.
    pub(crate) answer_by: Instant,
}

impl Deadline {
    /// `deadline_ms`: milliseconds since 1970 UTC; 0 where it is not told.
    pub(crate) fn new(deadline_ms: u64, now_ms: i64) -> Deadline {
        let left = i64::try_from(deadline_ms).unwrap_or(i64::MAX).saturating_sub(now_ms);
        let left = if deadline_ms == 0 { LONGEST } else { Duration::from_millis(u64::try_from(left).unwrap_or(0)) };
        let (left, now) = (left.min(LONGEST), Instant::now());
        let kept = (left / 4).min(KEPT_MAX);
        Deadline { try_until: now + (left - kept), answer_by: now + (left - kept / 4) }
    }
}

/// What a call answers, where it does so before `until`.
pub(crate) async fn in_time<T>(
    until: Instant,
    endpoint: &str,
    call: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    timeout_at(until, call).await.unwrap_or_else(|_elapsed| {
        let problem = "the invocation's time is over".to_owned();
        Err(CallError::NoAnswer { endpoint: endpoint.to_owned(), problem })
    })
}

#[expect(clippy::disallowed_methods, reason = "deadlines and metrics are told in the time of the platform")]
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Waits between tries: doubled each time, between half and the whole of it by chance.
#[derive(Debug)]
pub(crate) struct BackOff {
    delay: Duration,
    random: u64,
}

const DELAY_MIN: Duration = Duration::from_millis(50);

const DELAY_MAX: Duration = Duration::from_secs(5);

impl BackOff {
    /// `seed`: what tells invocations apart, so that they do not wait in step.
    pub(crate) fn new(seed: &str) -> BackOff {
        // FNV-1a.
        let random = seed
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        BackOff { delay: DELAY_MIN, random }
    }

    /// The next wait, if it ends in time.
    pub(crate) fn next(&mut self, until: Instant) -> Option<Duration> {
        let half = self.delay / 2;
        self.delay = (self.delay * 2).min(DELAY_MAX);
        // SplitMix64.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let wait = half + half.mul_f64(f64::from(u16::try_from(bits >> 48).unwrap_or(0)) / f64::from(u16::MAX));
        (Instant::now() + wait < until).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_part_of_the_time_is_kept_for_the_answer() {
        let left = |deadline_ms, now_ms| {
            let (deadline, now) = (Deadline::new(deadline_ms, now_ms), Instant::now());
            [deadline.try_until, deadline.answer_by].map(|at| (at - now).as_millis())
        };
        assert_eq!(left(61_000, 1_000), [58_000, 59_500]);
        assert_eq!(left(2_000, 1_000), [750, 937]);
        assert_eq!(left(1_000, 2_000), [0, 0]);
        assert_eq!(left(0, 2_000), [898_000, 899_500]);
        assert_eq!(left(u64::MAX, 0), [898_000, 899_500]);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_grow_to_their_bound_and_end_with_the_time() {
        let mut waits = BackOff::new("a");
        let far = Instant::now() + LONGEST;
        let all: Vec<Duration> = (0..12).map(|_| waits.next(far).expect("there is time")).collect();
        for (wait, most) in all.iter().zip([50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000, 5_000, 5_000]) {
            let most = Duration::from_millis(most);
            assert!(*wait >= most / 2 && *wait <= most, "{wait:?} of {most:?}");
        }
        assert_eq!(BackOff::new("a").next(Instant::now()), None);
        assert_ne!(BackOff::new("a").next(far), BackOff::new("b").next(far));
    }
}
