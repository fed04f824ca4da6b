//! Waiting out an outage: a seeded, jittered back-off from [`DELAY_MIN`] doubling to [`DELAY_MAX`], without end.
//!
//! An outage is logged when it begins, when it lasts for another reason, and when it is over, never per attempt. What is
//! told quotes no payload ([`unquoted`]).

use std::time::Duration;

use hydrant_opensearch::unquoted;
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

/// Another reason for the same outage is logged so long after the one before, and each further one after twice as long:
/// some reasons differ at every attempt.
const LOGGED_AGAIN_MIN: Duration = Duration::from_secs(10);

/// No change of reason waits longer for the log.
const LOGGED_AGAIN_MAX: Duration = Duration::from_secs(600);

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
                Trouble::Fatal(unquoted(&error.to_string()).into_owned())
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
    logged: Option<Logged>,
    /// Is told what lasts longer than [`SAID_AFTER`].
    health: watch::Sender<Health>,
    /// The problem that it was told.
    said: Option<String>,
}

/// What the log was told of an outage last.
#[derive(Debug)]
struct Logged {
    problem: String,
    at: Instant,
    /// How long another problem has to wait.
    rest: Duration,
}

impl Outage {
    /// `what` completes "cannot …".
    pub(super) fn new(seed: u64, shard: Option<&ShardId>, what: &'static str, health: watch::Sender<Health>) -> Outage {
        let shard = shard.map_or_else(|| "all".to_owned(), ShardId::to_string);
        // FNV-1a, so that the shards of one process do not wait in step.
        let random = shard.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Outage { what, shard, began: None, delay: DELAY_MIN, random, logged: None, health, said: None }
    }

    /// Sleeps before the next attempt.
    pub(super) async fn wait(&mut self, problem: &str) {
        let problem = unquoted(problem);
        let began = *self.began.get_or_insert_with(Instant::now);
        self.log(&problem);
        if began.elapsed() >= SAID_AFTER {
            self.say(&problem);
        }
        let delay = self.next_delay();
        tokio::time::sleep(delay).await;
    }

    fn log(&mut self, problem: &str) {
        let rest = match &self.logged {
            None => {
                tracing::warn!(shard = self.shard, problem, "cannot {}: delivery waits and tries again", self.what);
                LOGGED_AGAIN_MIN
            }
            Some(Logged { problem: before, at, rest }) if before != problem && at.elapsed() >= *rest => {
                tracing::warn!(
                    shard = self.shard,
                    problem,
                    "cannot {} for another reason now: delivery waits and tries again",
                    self.what
                );
                (*rest * 2).min(LOGGED_AGAIN_MAX)
            }
            Some(_) => return,
        };
        self.logged = Some(Logged { problem: problem.to_owned(), at: Instant::now(), rest });
    }

    fn say(&mut self, problem: &str) {
        if self.said.as_deref() != Some(problem) {
            self.said = Some(problem.to_owned());
            let sentence = format!("cannot {}: {problem}; delivery waits and tries again", self.what);
            let part = self.part();
            self.health.send_modify(|health| drop(health.problems.insert(part, sentence)));
        }
    }

    fn unsay(&mut self) {
        if self.said.take().is_some() {
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
        self.logged = None;
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
    use std::sync::{Arc, Mutex};

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

    /// Lines of a log, shared with whoever writes them.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn another_reason_of_an_outage_is_told_and_one_that_changes_always_seldom() {
        let (log, health) = (Log::default(), watch::Sender::new(Health::default()));
        let into = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || into.clone()).with_ansi(false).finish();
        let guard = tracing::subscriber::set_default(subscriber);
        let lines = |what: &str| {
            let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
            text.lines().filter(|line| line.contains(what)).count()
        };
        let said = || health.borrow().problems.values().next().cloned().unwrap_or_default();
        let mut outage = Outage::new(0, None, "write", health.clone());
        let hour = Duration::from_secs(3_600);
        let begin = Instant::now();
        while begin.elapsed() < hour {
            outage.wait("a gives no answer").await;
        }
        assert_eq!((lines("no answer"), lines("write:")), (1, 1));
        outage.wait("blocked, request: [secret]").await;
        assert_eq!(lines("write for another reason now: delivery waits and tries again"), 1);
        assert_eq!(said(), "cannot write: blocked …; delivery waits and tries again");
        // `/health` has each of them at once, the log six in an hour and some at first.
        for attempt in 0..3_600 {
            let problem = format!("queued tasks = {attempt}");
            outage.wait(&problem).await;
            assert!(said().contains(&problem), "{}", said());
        }
        let seldom = lines("queued tasks");
        assert!((20..=45).contains(&seldom), "{seldom} lines in {:?}", begin.elapsed());
        outage.over();
        assert_eq!((said(), lines("write again"), lines("secret")), (String::new(), 1, 0));
        // The next outage is one of its own.
        outage.wait("blocked").await;
        assert_eq!(lines("cannot write: delivery waits"), 2);
        drop(guard);
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
