//! How large a body may be: half of what was refused, and more again, slowly, as long as bodies of that size are taken.
//!
//! What refuses a size may be gone a minute later (a proxy) or stay for ever (a setting of the server). So larger bodies
//! are tried again, and where the limit stands, one body in [`TAKEN_BEFORE_MORE`] is refused.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Below this a request is not halved further: no server is set so low.
pub(super) const BODY_BYTES_MIN: usize = 4 * 1024;

/// So many bodies near the present size are taken before the size is raised, to its double at most.
pub(super) const TAKEN_BEFORE_MORE: usize = 256;

pub(super) struct BodySize {
    bytes_max: usize,
    state: Mutex<State>,
}

struct State {
    bytes: usize,
    taken: usize,
    /// The smallest so far, so that a limit that stands is said once and not at each try.
    least: usize,
}

impl BodySize {
    /// With the size that is configured, which is never passed.
    pub(super) fn new(bytes_max: usize) -> BodySize {
        BodySize { bytes_max, state: Mutex::new(State { bytes: bytes_max, taken: 0, least: bytes_max }) }
    }

    pub(super) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// A body of so many bytes was refused: none as large is sent for a while.
    pub(super) fn refused(&self, bytes: usize) {
        let learned = (bytes / 2).max(BODY_BYTES_MIN);
        let mut state = self.lock();
        state.taken = 0;
        state.bytes = state.bytes.min(learned);
        if state.bytes < state.least {
            state.least = state.bytes;
            tracing::warn!(
                refused_bytes = bytes,
                body_bytes = state.bytes,
                "OpenSearch takes no requests as large: smaller ones are sent"
            );
        }
    }

    /// A body of so many bytes was taken; a small one tells nothing.
    pub(super) fn taken(&self, bytes: usize) {
        let mut state = self.lock();
        if bytes < state.bytes / 2 {
            return;
        }
        state.taken += 1;
        if state.taken < TAKEN_BEFORE_MORE {
            return;
        }
        state.taken = 0;
        if state.bytes == self.bytes_max {
            state.least = self.bytes_max;
        } else {
            state.bytes = state.bytes.saturating_mul(2).min(self.bytes_max);
            tracing::debug!(body_bytes = state.bytes, "larger requests are tried again");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_halves_and_many_bodies_that_are_taken_double_up_to_what_is_configured() {
        let size = BodySize::new(100_000);
        let taken = |bytes: usize, times: usize| {
            (0..times).for_each(|_| size.taken(bytes));
            size.bytes()
        };
        assert_eq!(taken(100_000, 1_000), 100_000);
        size.refused(100_000);
        size.refused(50_000);
        assert_eq!(size.bytes(), 25_000);
        // A late refusal of a larger one teaches nothing.
        size.refused(90_000);
        assert_eq!(size.bytes(), 25_000);
        assert_eq!(taken(12_499, 1_000), 25_000);
        assert_eq!(taken(12_500, 255), 25_000);
        assert_eq!(taken(25_000, 1), 50_000);
        // One refusal, and it is as before, with all of the way to go again.
        assert_eq!(taken(50_000, 255), 50_000);
        size.refused(50_000);
        assert_eq!(taken(25_000, 255), 25_000);
        assert_eq!(taken(25_000, 1), 50_000);
        assert_eq!(taken(50_000, 256), 100_000);
        assert_eq!(taken(100_000, 1_000), 100_000);
        size.refused(1_000);
        assert_eq!(size.bytes(), 4_096);
        assert_eq!(taken(4_000, 256), 8_192);
        // What is configured is never passed, small as it may be.
        let small = BodySize::new(1_000);
        small.refused(900);
        assert_eq!(small.bytes(), 1_000);
    }
}
