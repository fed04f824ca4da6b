//! Whether every entry is where it should be: source, stream, index and failed/ reconciled by document id.
//!
//! Each hop hands its ids to a [`Ledger`], which keeps them on disk ([`spill`]); then all that is known of one document is
//! judged at once ([`judge`]). So any number of ids is reconciled in bounded memory ([`spill::MEMORY_BYTES_MAX`]).
//!
//! The chain may run meanwhile. What counts as delivered is what a [`stream::Snapshot`] says, taken first; everything else
//! that is read later may only hold more. Therefore: the snapshot, the stream, then index and failed/, the source last.
//!
//! Nothing is written but the ledger. Not here: where files and engines come from (`cli`).

mod count;

pub mod entry;

pub mod failed;

mod fields;

pub mod index;

pub mod judge;

mod key;

pub mod ledger;

pub mod source;

pub mod spill;

pub mod stream;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

pub use fields::wanted;
pub use key::{EventName, Keys};
pub use ledger::{Ledger, Range};

/// Why the reconciliation cannot be ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the stream cannot be read: {0}")]
    Stream(String),
    #[error("the index cannot be read: {0}")]
    Index(String),
    #[error("failed/ cannot be read: {0}")]
    Failed(String),
    #[error("{0}")]
    Source(String),
    #[error("the ids cannot be kept: {0}")]
    Disk(#[from] std::io::Error),
}

impl From<crate::source::tail::Error> for Error {
    fn from(error: crate::source::tail::Error) -> Error {
        Error::Source(error.to_string())
    }
}

/// What a hop held: entries = documents + failed + dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub documents: u64,
    pub failed: u64,
    pub dropped: BTreeMap<String, u64>,
}

impl Counts {
    pub fn entries(&self) -> u64 {
        self.documents + self.failed + self.dropped.values().sum::<u64>()
    }
}

/// How often a call is tried that may succeed later.
const ATTEMPTS_MAX: u32 = 10;

const BACKOFF_FIRST: Duration = Duration::from_millis(100);

const BACKOFF_MAX: Duration = Duration::from_secs(10);

/// Waits between attempts, each twice as long as the one before.
struct Patience {
    attempts: u32,
    backoff: Duration,
}

impl Patience {
    fn new() -> Patience {
        Patience { attempts: 1, backoff: BACKOFF_FIRST }
    }

    /// Says what is waited for. `false`: it was tried often enough.
    async fn wait(&mut self, problem: &(dyn fmt::Display + Sync)) -> bool {
        if self.attempts >= ATTEMPTS_MAX {
            return false;
        }
        tracing::warn!(attempt = self.attempts, of = ATTEMPTS_MAX, "{problem}: trying again in {:?}", self.backoff);
        self.attempts += 1;
        tokio::time::sleep(self.backoff).await;
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
        true
    }
}
