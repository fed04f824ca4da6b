//! `hydrant bench chain`: entries of the `mixed` sizes go into a file that the real program follows; every one of them
//! must be found by search, once. Reports entries a second, lag, memory and the time to the first answer.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::child::Running;
use super::mixed::Mixed;
use super::progress::Progress;
use crate::cli::{BenchChain, output};

/// Largest page of a search.
const PAGE: u64 = 10_000;

/// Entries in one write of the throughput run.
const BURST: u64 = 1_000;

const POLL: Duration = Duration::from_millis(20);

/// Quiet time before memory is called idle.
const IDLE_AFTER: Duration = Duration::from_secs(20);

pub(in crate::cli) fn run(arguments: &BenchChain) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(arguments))
}

async fn measure(arguments: &BenchChain) -> anyhow::Result<()> {
    let dir = match &arguments.dir {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("hydrant-bench-{}", std::process::id())),
    };
    fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let result = Bench { arguments, log: dir.join("general.log"), data: dir.join("data") }.measure().await;
    fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
    let report = result?;
    if arguments.json {
        output::line(&report.to_string())?;
    } else {
        for (name, value) in report.as_object().into_iter().flatten() {
            output::line(&format!("{name:<28} {value}"))?;
        }
    }
    Ok(())
}

struct Bench<'a> {
    arguments: &'a BenchChain,
    log: PathBuf,
    data: PathBuf,
}

impl Bench<'_> {
    async fn measure(&self) -> anyhow::Result<Value> {
        let mut mixed = Mixed::new(42);
        let mut file = File::create(&self.log)?;
        let running = Running::start(&self.log, &self.data)?;
        output::notice(&format!("writing {} entries", output::grouped(self.arguments.entries)));
        let (seconds, peak_mb) = self.throughput(&running, &mut mixed, &mut file).await?;
        check_every_entry(&running, mixed.entries())?;
        output::notice(&format!("{} entries a second for {} s", self.arguments.lag_rate, self.arguments.lag_seconds));
        let mut lags = self.lag(&running, &mut mixed, &mut file).await?;
        check_every_entry(&running, mixed.entries())?;
        sleep(IDLE_AFTER).await;
        let idle_mb = running.anonymous_mb();
        running.stop()?;
        let first_answer = self.first_answer(mixed.entries())?;
        lags.sort_unstable();
        let percentile =
            |percent: usize| lags.get((lags.len() * percent / 100).min(lags.len().saturating_sub(1))).copied();
        let per_second = self.arguments.entries as f64 / seconds;
        Ok(json!({
            "entries": self.arguments.entries,
            "log_mb": round(fs::metadata(&self.log)?.len() as f64 / 1e6),
            "seconds": round(seconds),
            "entries_per_second": per_second.round(),
            "peak_anonymous_mb": peak_mb.map(round),
            "idle_anonymous_mb": idle_mb.map(round),
            "lag_rate": self.arguments.lag_rate,
            "lag_p50_ms": percentile(50).map(millis),
            "lag_p99_ms": percentile(99).map(millis),
            "first_answer_ms": millis(first_answer),
            "documents_at_first_answer": mixed.entries(),
            "every_entry_once": true,
        }))
    }

    /// Writes as fast as it can and waits until all is found. Answers seconds and the largest anonymous memory.
    async fn throughput(
        &self,
        running: &Running,
        mixed: &mut Mixed,
        file: &mut File,
    ) -> anyhow::Result<(f64, Option<f64>)> {
        let start = Instant::now();
        let mut peak: Option<f64> = None;
        let mut watch = |running: &Running| {
            if let Some(now) = running.anonymous_mb() {
                peak = Some(peak.map_or(now, |before| before.max(now)));
            }
        };
        let mut block = Vec::new();
        while mixed.entries() < self.arguments.entries {
            block.clear();
            for _ in 0..BURST.min(self.arguments.entries - mixed.entries()) {
                mixed.push(Timestamp::now(), &mut block)?;
            }
            file.write_all(&block)?;
            watch(running);
        }
        let mut progress = Progress::new();
        loop {
            let found = running.count()?;
            watch(running);
            output::progress(&format!("{} documents found", output::grouped(found)));
            if found >= mixed.entries() {
                return Ok((start.elapsed().as_secs_f64(), peak));
            }
            progress.check(found)?;
            sleep(POLL * 5).await;
        }
    }

    /// Writes at a steady rate and tells for each entry how long it took from its line to a search that finds it.
    async fn lag(&self, running: &Running, mixed: &mut Mixed, file: &mut File) -> anyhow::Result<Vec<Duration>> {
        let tick = Duration::from_millis(10);
        let ticks = self.arguments.lag_seconds * 100;
        let (mut lags, mut waiting) = (Vec::new(), VecDeque::new());
        let mut progress = Progress::new();
        let (start, first) = (Instant::now(), mixed.entries());
        let mut found = first;
        let mut done = 0_u32;
        while u64::from(done) < ticks || !waiting.is_empty() {
            if u64::from(done) < ticks && start.elapsed() >= tick * done {
                done += 1;
                let due = first + self.arguments.lag_rate * u64::from(done) / 100;
                let mut block = Vec::new();
                let before = mixed.entries();
                while mixed.entries() < due {
                    mixed.push(Timestamp::now(), &mut block)?;
                }
                file.write_all(&block)?;
                let written = Instant::now();
                waiting.extend((before..mixed.entries()).map(|_| written));
                continue;
            }
            let now_found = running.count()?;
            let seen = Instant::now();
            while found < now_found {
                found += 1;
                let written: Instant = waiting.pop_front().context("more documents than entries")?;
                lags.push(seen.saturating_duration_since(written));
            }
            progress.check(found)?;
            sleep(POLL.min(tick)).await;
        }
        Ok(lags)
    }

    /// From the start of the process to the first search that finds everything.
    fn first_answer(&self, documents: u64) -> anyhow::Result<Duration> {
        let start = Instant::now();
        let running = Running::start(&self.log, &self.data)?;
        let found = running.count()?;
        let elapsed = start.elapsed();
        if found != documents {
            bail!("{found} of {documents} documents after a restart");
        }
        running.stop()?;
        Ok(elapsed)
    }
}

/// Every entry's PID is its number: asks for them page by page and compares each.
fn check_every_entry(running: &Running, entries: u64) -> anyhow::Result<()> {
    for from in (1..=entries).step_by(usize::try_from(PAGE)?) {
        let query = json!({
            "size": PAGE, "sort": [{"PID": "asc"}], "_source": ["PID"],
            "query": {"range": {"PID": {"gte": from, "lt": from + PAGE}}},
        });
        let answer = running.ask("hydrant-*/_search", &query.to_string())?;
        let hits = answer.pointer("/hits/hits").and_then(Value::as_array).context("the answer has no hits")?;
        let found: Vec<Option<u64>> =
            hits.iter().map(|hit| hit.pointer("/_source/PID").and_then(Value::as_u64)).collect();
        let expected: Vec<Option<u64>> = (from..(from + PAGE).min(entries + 1)).map(Some).collect();
        if found != expected {
            bail!("of the entries from {from} on, {} are found where {} were written", found.len(), expected.len());
        }
    }
    Ok(())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
