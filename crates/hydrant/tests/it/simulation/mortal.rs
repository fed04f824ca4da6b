//! Futures that die, and futures that are not run for a while.

use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

use crate::model::World;

/// Drops its future at a poll: a crash that can strike at any `.await`.
pub(super) struct Mortal<F> {
    pub(super) work: Pin<Box<F>>,
    pub(super) polls: Option<NonZeroU64>,
}

impl<F: Future> Future for Mortal<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(polls) = self.polls else { return Poll::Ready(None) };
        self.polls = NonZeroU64::new(polls.get() - 1);
        if self.polls.is_none() {
            return Poll::Ready(None);
        }
        self.work.as_mut().poll(context).map(Some)
    }
}

/// Does not run its future for up to [`STALL_MS_MAX`] now and then: a process that is stopped, or a machine that sleeps.
/// What it was about to do happens when it wakes up.
pub(super) struct Stalling<F> {
    pub(super) work: Pin<Box<F>>,
    pub(super) world: Arc<World>,
    pub(super) asleep: Option<Pin<Box<Sleep>>>,
}

/// Long enough for others to take over, and to have gone on.
const STALL_MS_MAX: u64 = 60_000;

impl<F: Future> Future for Stalling<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.asleep.is_none() && self.world.stalls() {
            self.world.note("a process stalls");
            let length = Duration::from_millis(self.world.below(STALL_MS_MAX));
            self.asleep = Some(Box::pin(tokio::time::sleep(length)));
        }
        if let Some(asleep) = &mut self.asleep {
            std::task::ready!(asleep.as_mut().poll(context));
            self.asleep = None;
            self.world.note("a process wakes up");
        }
        self.work.as_mut().poll(context)
    }
}
