//! Where the work of the processor is done: on the caller's task, or spread over cores.

use std::num::NonZeroUsize;

use super::gathering::Named;

/// Where the work of the processor is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cores {
    /// On the caller's task: for simulations, where threads would make chance.
    Inline,
    /// On tokio's blocking threads, a batch on so many at once.
    Spread(NonZeroUsize),
}

impl Cores {
    pub(super) fn count(self) -> usize {
        match self {
            Cores::Inline => 1,
            Cores::Spread(cores) => cores.get(),
        }
    }

    /// Cuts records into as many parts as there are cores, of about the same bytes, in order.
    pub(super) fn split(self, records: Vec<Named>) -> Vec<Vec<Named>> {
        let n_parts = self.count();
        let bytes: usize = records.iter().map(|named| named.record.data.len()).sum();
        let part_bytes = bytes / n_parts + 1;
        let mut parts = Vec::new();
        let (mut part, mut filled) = (Vec::new(), 0);
        for named in records {
            filled += named.record.data.len();
            part.push(named);
            if filled >= part_bytes {
                parts.push(std::mem::take(&mut part));
                filled = 0;
            }
        }
        if !part.is_empty() {
            parts.push(part);
        }
        parts
    }

    /// Does work of the processor where it blocks no other task. A panic in it goes on here.
    pub(super) async fn run<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> T {
        match self {
            Cores::Inline => work(),
            Cores::Spread(_) => match tokio::task::spawn_blocking(work).await {
                Ok(done) => done,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // The runtime is going away, and this task with it.
                    Err(_) => std::future::pending().await,
                },
            },
        }
    }
}
