//! Wall-clock time enters here and nowhere else. Intervals and waits use `tokio::time`.

use tokio::time::Instant;

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
            Clock::System => jiff::Timestamp::now().as_millisecond(),
            Clock::Virtual { base_ms, start } => {
                base_ms + i64::try_from(start.elapsed().as_millis()).unwrap_or(i64::MAX)
            }
        }
    }
}
