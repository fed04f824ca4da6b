//! What a measurement waits for, and when it gives up.

use std::time::Duration;

use anyhow::bail;
use tokio::time::Instant;

/// How long nothing may move before the measurement gives up.
const STALL: Duration = Duration::from_secs(60);

/// Gives up when nothing moves for long.
pub(super) struct Progress {
    found: u64,
    since: Instant,
}

impl Progress {
    pub(super) fn new() -> Progress {
        Progress { found: 0, since: Instant::now() }
    }

    pub(super) fn check(&mut self, found: u64) -> anyhow::Result<()> {
        if found != self.found {
            (self.found, self.since) = (found, Instant::now());
        } else if self.since.elapsed() > STALL {
            bail!("{found} documents, and nothing moved for {} s", STALL.as_secs());
        }
        Ok(())
    }
}
