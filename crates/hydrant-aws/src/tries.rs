//! Tries of one call: it is made again while what went wrong may pass, after growing waits, until its time is over.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::call::CallError;

/// What one try takes at most: a connection that hangs costs no more.
const TRY_MAX: Duration = Duration::from_secs(10);

/// What a try has where there is time for it: less is too short for a large body.
const TRY_MIN: Duration = Duration::from_secs(1);

/// So many tries have to fit into the time that is left.
const TRIES_LEFT: u32 = 3;

const DELAY_MIN: Duration = Duration::from_millis(50);

const DELAY_MAX: Duration = Duration::from_secs(5);

/// Codes of refusals that pass, whatever their status: throttling, and services that are not well. Most are those that
/// AWS's own programs try again ("Retry behavior", AWS SDKs and Tools Reference Guide).
const PASSING: [&str; 19] = [
    "BandwidthLimitExceeded",
    "InternalError",
    "InternalFailure",
    "KMSThrottlingException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

impl CallError {
    /// Whether the same call may succeed later.
    pub fn is_passing(&self) -> bool {
        match self {
            CallError::NoAnswer { .. } => true,
            CallError::Refused { status, code, .. } => {
                *status >= 500 || matches!(status, 408 | 429) || PASSING.contains(&code.as_str())
            }
            CallError::Settings(_) | CallError::SignIn(_) => false,
        }
    }
}

/// Tries of one call. Waits are doubled each time, and are between half and the whole of it by chance.
#[derive(Debug)]
pub struct Tries {
    until: Instant,
    left: u32,
    delay: Duration,
    random: u64,
}

impl Tries {
    /// `seed`: what tells callers apart, so that they do not wait in step.
    pub fn new(seed: &str, until: Instant) -> Tries {
        // FNV-1a.
        let random = seed
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
        Tries { until, left: u32::MAX, delay: DELAY_MIN, random }
    }

    /// So many at most, the first one among them.
    pub fn at_most(self, tries: u32) -> Tries {
        Tries { left: tries, ..self }
    }

    /// One try, with its share of the time that is left. `endpoint`: who is called.
    ///
    /// # Errors
    /// The call's own, or that there was no answer in time.
    pub async fn one<T>(
        &self,
        endpoint: &str,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let left = self.until.saturating_duration_since(Instant::now());
        let share = (left / TRIES_LEFT).clamp(TRY_MIN, TRY_MAX).min(left);
        timeout(share, call).await.unwrap_or_else(|_elapsed| {
            let problem = format!("none within {} ms", share.as_millis());
            Err(CallError::NoAnswer { endpoint: endpoint.to_owned(), problem })
        })
    }

    /// Waits for the next try. `false`, at once: there is none, or its time would be over.
    pub async fn next(&mut self) -> bool {
        self.left = self.left.saturating_sub(1);
        let half = self.delay / 2;
        self.delay = (self.delay * 2).min(DELAY_MAX);
        // SplitMix64.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let wait = half + half.mul_f64(f64::from(u16::try_from(bits >> 48).unwrap_or(0)) / f64::from(u16::MAX));
        let is_there = self.left > 0 && Instant::now() + wait < self.until;
        if is_there {
            sleep(wait).await;
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(900)
    }

    async fn waits(tries: &mut Tries, count: usize) -> Vec<Duration> {
        let mut all = Vec::new();
        for _ in 0..count {
            let begun = Instant::now();
            assert!(tries.next().await, "there is time");
            all.push(begun.elapsed());
        }
        all
    }

    #[tokio::test(start_paused = true)]
    async fn waits_grow_to_their_bound_and_end_with_the_time() {
        let all = waits(&mut Tries::new("a", far()), 12).await;
        for (wait, most) in all.iter().zip([50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000, 5_000, 5_000]) {
            let most = Duration::from_millis(most);
            assert!(*wait >= most / 2 && *wait <= most + Duration::from_millis(1), "{wait:?} of {most:?}");
        }
        assert_ne!(waits(&mut Tries::new("b", far()), 12).await, all);
        let begun = Instant::now();
        assert!(!Tries::new("a", begun).next().await);
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn behind_the_last_try_there_is_no_wait() {
        let mut tries = Tries::new("a", far()).at_most(3);
        waits(&mut tries, 2).await;
        let begun = Instant::now();
        assert!(!tries.next().await);
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    /// Milliseconds that are left, and those that a call which hangs takes of them.
    #[tokio::test(start_paused = true)]
    async fn a_call_that_hangs_leaves_time_for_others() {
        for (left, taken) in [(60_000, 10_000), (30_000, 10_000), (12_000, 4_000), (2_000, 1_000), (400, 400), (0, 0)] {
            let begun = Instant::now();
            let tries = Tries::new("a", begun + Duration::from_millis(left));
            let ended = tries.one("kinesis", std::future::pending::<Result<(), CallError>>()).await;
            let elapsed = begun.elapsed().as_millis();
            assert!((taken..=taken + 1).contains(&elapsed), "{elapsed} of {left}");
            let error = ended.unwrap_err();
            assert_eq!(error.to_string(), format!("kinesis gives no answer: none within {taken} ms"));
            assert!(error.is_passing());
        }
    }

    #[test]
    fn what_passes_is_told_by_status_or_code() {
        let refused = |status, code: &str| {
            let (action, message) = ("PutObject".to_owned(), String::new());
            CallError::Refused { action, status, code: code.to_owned(), message }.is_passing()
        };
        for (status, code) in [
            (400, "RequestTimeout"),
            (400, "Throttling"),
            (400, "ThrottlingException"),
            (400, "RequestThrottled"),
            (400, "TooManyRequestsException"),
            (400, "ProvisionedThroughputExceededException"),
            (408, "UnknownError"),
            (429, "UnknownError"),
            (500, "UnknownError"),
            (503, "SlowDown"),
        ] {
            assert!(refused(status, code), "{status} {code}");
        }
        for (status, code) in
            [(400, "ValidationException"), (403, "AccessDenied"), (404, "NoSuchBucket"), (413, "UnknownError")]
        {
            assert!(!refused(status, code), "{status} {code}");
        }
        assert!(!CallError::SignIn(String::new()).is_passing());
    }
}
