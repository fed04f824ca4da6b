//! Wall-clock time enters here and nowhere else. Intervals and waits use `tokio::time`.

use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::Instant;

/// What [`Clock::System`] has told last: it stands still where the host's is set back, since what was decided by the
/// clock stays decided.
static LATEST_MS: AtomicI64 = AtomicI64::new(i64::MIN);

/// Tells the time in milliseconds since 1970 UTC.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The host's.
    System,
    /// Starts at `base_ms` and follows tokio's clock, which simulations pause and advance.
    Virtual { base_ms: i64, start: Instant },
}

impl Clock {
    pub fn starting_at(base_ms: i64) -> Clock {
        Clock::Virtual { base_ms, start: Instant::now() }
    }

    pub fn now_ms(&self) -> i64 {
        match self {
            Clock::System => forward(&LATEST_MS, jiff::Timestamp::now().as_millisecond()),
            Clock::Virtual { base_ms, start } => {
                base_ms + i64::try_from(start.elapsed().as_millis()).unwrap_or(i64::MAX)
            }
        }
    }
}

fn forward(latest_ms: &AtomicI64, now_ms: i64) -> i64 {
    latest_ms.fetch_max(now_ms, Ordering::Relaxed).max(now_ms)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI64;

    use super::forward;

    #[test]
    fn a_clock_that_is_set_back_stands_still_until_it_is_reached() {
        let latest_ms = AtomicI64::new(i64::MIN);
        assert_eq!([5, 9, 4, 8, 10].map(|now_ms| forward(&latest_ms, now_ms)), [5, 9, 9, 9, 10]);
    }
}
