//! Waiting out an outage: a seeded, jittered back-off from [`DELAY_MIN`] doubling to [`DELAY_MAX`], without end.
//!
//! An outage is logged once when it begins and once when it is over, never per attempt.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::index;
use crate::metrics::{Health, Metrics};
use crate::stream::{self, ShardId};

/// The first wait, before jitter.
pub(super) const DELAY_MIN: Duration = Duration::from_millis(50);

/// No wait is longer.
pub(super) const DELAY_MAX: Duration = Duration::from_secs(5);

/// `/health` is told of what lasts so long.
const SAID_AFTER: Duration = Duration::from_secs(1);

/// A failed call, in the kinds that a loop tells apart.
pub(super) enum Trouble {
    Retry(String),
    Fatal(String),
    /// The shard is another process's now.
    Lost(String),
}

/// Why a call is not tried any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GivenUp {
    Fatal(String),
    Lost(String),
}

impl From<stream::Error> for Trouble {
    fn from(error: stream::Error) -> Trouble {
        match error {
            stream::Error::Retry(problem) => Trouble::Retry(problem),
            stream::Error::Fatal(problem) => Trouble::Fatal(problem),
            stream::Error::Lost(problem) => Trouble::Lost(problem),
        }
    }
}

impl From<index::Error> for Trouble {
    fn from(error: index::Error) -> Trouble {
        match error {
            index::Error::Retry(problem) => Trouble::Retry(problem),
            // Nothing that delivery sends asks for these, so asking again cannot help.
            index::Error::IndexNotFound(_) | index::Error::BadRequest { .. } | index::Error::Fatal(_) => {
                Trouble::Fatal(error.to_string())
            }
        }
    }
}

impl From<std::io::Error> for Trouble {
    /// A full disk, a folder without rights: somebody can mend it while we wait.
    fn from(error: std::io::Error) -> Trouble {
        Trouble::Retry(error.to_string())
    }
}

/// Calls until the call succeeds, or fails in a way that waiting cannot mend; then its problem is returned.
pub(super) async fn patiently<T, E: Into<Trouble>, F: Future<Output = Result<T, E>>>(
    mut outage: Outage,
    metrics: &Metrics,
    mut call: impl FnMut() -> F,
) -> Result<T, GivenUp> {
    loop {
        match call().await.map_err(E::into) {
            Ok(done) => {
                outage.over();
                return Ok(done);
            }
            Err(Trouble::Fatal(problem)) => return Err(GivenUp::Fatal(problem)),
            Err(Trouble::Lost(problem)) => return Err(GivenUp::Lost(problem)),
            Err(Trouble::Retry(problem)) => {
                metrics.retries.inc();
                outage.wait(&problem).await;
            }
        }
    }
}

/// One thing that is tried again until it works.
#[derive(Debug)]
pub(super) struct Outage {
    what: &'static str,
    shard: String,
    began: Option<Instant>,
    delay: Duration,
    random: u64,
    /// Is told what lasts longer than [`SAID_AFTER`].
    health: watch::Sender<Health>,
    is_said: bool,
}

impl Outage {
    /// `what` completes "cannot …".
    pub(super) fn new(seed: u64, shard: Option<&ShardId>, what: &'static str, health: watch::Sender<Health>) -> Outage {
        let shard = shard.map_or_else(|| "all".to_owned(), ShardId::to_string);
        // FNV-1a, so that the shards of one process do not wait in step.
        let random = shard.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Outage { what, shard, began: None, delay: DELAY_MIN, random, health, is_said: false }
    }

    /// Sleeps before the next attempt. The problem never quotes payload.
    pub(super) async fn wait(&mut self, problem: &str) {
        if self.began.is_none() {
            self.began = Some(Instant::now());
            tracing::warn!(shard = self.shard, problem, "cannot {}: delivery waits and tries again", self.what);
        }
        if !self.is_said && self.began.is_some_and(|began| began.elapsed() >= SAID_AFTER) {
            self.is_said = true;
            let sentence = format!("cannot {}: {problem}; delivery waits and tries again", self.what);
            let part = self.part();
            self.health.send_modify(|health| drop(health.problems.insert(part, sentence)));
        }
        let delay = self.next_delay();
        tokio::time::sleep(delay).await;
    }

    fn unsay(&mut self) {
        if std::mem::take(&mut self.is_said) {
            let part = self.part();
            self.health.send_modify(|health| drop(health.problems.remove(&part)));
        }
    }

    /// As `/health` names it.
    fn part(&self) -> String {
        format!("delivery of shard {}, {}", self.shard, self.what)
    }

    pub(super) fn over(&mut self) {
        self.unsay();
        if let Some(began) = self.began.take() {
            let seconds = began.elapsed().as_secs_f64();
            tracing::info!(shard = self.shard, seconds, "can {} again: delivery goes on", self.what);
        }
        self.delay = DELAY_MIN;
    }

    /// Between half of the present delay and the whole of it.
    fn next_delay(&mut self) -> Duration {
        let half = self.delay / 2;
        self.delay = (self.delay * 2).min(DELAY_MAX);
        // SplitMix64.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        half + half.mul_f64(f64::from(u16::try_from(bits >> 48).unwrap_or(0)) / f64::from(u16::MAX))
    }
}

impl Drop for Outage {
    /// Whoever stops to try does not wait any more.
    fn drop(&mut self) {
        self.unsay();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_the_bound_and_are_jittered_alike_for_one_seed() {
        let shard = ShardId("s".into());
        let delays = |seed| {
            let mut outage = Outage::new(seed, Some(&shard), "test", watch::Sender::default());
            (0..12).map(|_| outage.next_delay()).collect::<Vec<_>>()
        };
        for (attempt, delay) in delays(1).into_iter().enumerate() {
            let whole = DELAY_MAX.min(DELAY_MIN * 2_u32.pow(u32::try_from(attempt).unwrap()));
            assert!(delay >= whole / 2 && delay <= whole, "attempt {attempt}: {delay:?}");
        }
        assert_eq!(delays(1), delays(1));
        assert_ne!(delays(1), delays(2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_lasts_is_told_to_health_until_it_is_over() {
        let (health, metrics) = (watch::Sender::new(Health::default()), Metrics::default());
        let shard = ShardId("s".into());
        let outage = || Outage::new(0, Some(&shard), "write to failed/", health.clone());
        let said = || health.borrow().problems.clone();
        let mut calls = 0;
        let done = patiently(outage(), &metrics, || {
            calls += 1;
            let expected = if calls < 4 { "" } else { "cannot write to failed/: full; delivery waits and tries again" };
            // Four attempts take less than a second, a dozen more.
            if !(4..=9).contains(&calls) {
                let told = said().into_values().next().unwrap_or_default();
                assert_eq!(told, expected, "call {calls}");
            }
            let answer = if calls < 12 { Err(std::io::Error::other("full")) } else { Ok(()) };
            std::future::ready(answer)
        });
        assert_eq!((done.await, said().len()), (Ok(()), 0));
        // Whoever stops to try does not wait any more.
        let never =
            patiently::<(), _, _>(outage(), &metrics, || std::future::ready(Err(std::io::Error::other("full"))));
        assert!(tokio::time::timeout(Duration::from_secs(60), never).await.is_err());
        assert_eq!(said().len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_waited_out_and_a_fatal_error_is_not() {
        let metrics = Metrics::default();
        let began = Instant::now();
        let mut left = 20;
        let done = patiently(Outage::new(0, None, "test", watch::Sender::default()), &metrics, || {
            left -= 1;
            let result = if left == 0 { Ok(7) } else { Err(stream::Error::Retry("disk full".into())) };
            async move { result }
        });
        assert_eq!(done.await, Ok(7));
        assert_eq!(metrics.retries.get(), 19);
        assert!(began.elapsed() > Duration::from_secs(30), "{:?}", began.elapsed());

        let fatal = patiently(Outage::new(0, None, "test", watch::Sender::default()), &metrics, || async {
            Err::<(), _>(stream::Error::Fatal("record 7 is damaged".into()))
        });
        assert_eq!(fatal.await, Err(GivenUp::Fatal("record 7 is damaged".into())));
    }
}
