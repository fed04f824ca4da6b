//! A log that grows while the index takes nothing: what the program holds in memory meanwhile, and how the backlog drains
//! once it may.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::time::Duration;

use anyhow::bail;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Bench, DAY_MS, round};
use crate::cli::bench::child::Running;
use crate::cli::bench::mixed::Mixed;
use crate::cli::bench::progress::Progress;
use crate::cli::output;

/// Steps in which the log grows, after each of which memory is looked at.
const STEPS: u64 = 5;

/// Entries in one write.
const BURST: u64 = 1_000;

/// Between two looks at rejections while the backlog drains.
const LOOK: Duration = Duration::from_millis(500);

impl Bench<'_> {
    pub(super) async fn backlog(&self) -> anyhow::Result<Value> {
        let entries = self.arguments.backlog;
        output::notice(&format!("a backlog of {} entries", output::grouped(entries)));
        let (log, data, config) = (self.dir.join("backlog.log"), self.dir.join("data-backlog"), self.config());
        let mut file = File::create(&log)?;
        self.cluster.blocked(true, true).await?;
        let arguments = [OsStr::new("--config"), config.as_os_str(), OsStr::new("--tail"), log.as_os_str()];
        let running = Running::with(&self.program, &arguments, &data)?;
        let grown = self.grow(&running, &mut file).await?;
        self.cluster.blocked(false, false).await?;
        let start = Instant::now();
        let drained = self.drain(&running).await?;
        let seconds = start.elapsed().as_secs_f64();
        let peak_mb = running.peak_mb();
        running.stop()?;
        fs::remove_dir_all(&data)?;
        self.check(entries).await?;
        Ok(json!({
            "entries": entries,
            "log_mb": round(fs::metadata(&log)?.len() as f64 / 1e6),
            "memory_while_it_grows": grown,
            "drained_per_second": (entries as f64 / seconds).round(),
            "rejections_while_it_drains": drained,
            "peak_mb": peak_mb.map(round),
        }))
    }

    /// Writes the log while nothing is taken: entries that wait, and anonymous memory.
    async fn grow(&self, running: &Running, file: &mut File) -> anyhow::Result<Vec<Value>> {
        let (mut mixed, mut looks, mut block) = (Mixed::new(7), Vec::new(), Vec::new());
        let start = Timestamp::from_millisecond(DAY_MS)?;
        for step in 1..=STEPS {
            let until = self.arguments.backlog * step / STEPS;
            while mixed.entries() < until {
                block.clear();
                for _ in 0..BURST.min(until - mixed.entries()) {
                    mixed.push(start, &mut block)?;
                }
                file.write_all(&block)?;
            }
            let mut progress = Progress::new();
            loop {
                let [read, delivered] = running.metrics(["entries_read_total", "documents_indexed_total"])?;
                if delivered > 0 {
                    bail!("the index takes documents while it is blocked");
                }
                // The last entry may have no end yet.
                if read + 1 >= until {
                    looks.push(json!({"waiting": read, "anonymous_mb": running.anonymous_mb().map(round)}));
                    break;
                }
                progress.check(read)?;
                sleep(LOOK).await;
            }
        }
        Ok(looks)
    }

    /// Waits until everything is delivered: documents, what was offered again, and what the server has rejected by its
    /// own count, as they grow.
    async fn drain(&self, running: &Running) -> anyhow::Result<Vec<Value>> {
        let names = ["documents_indexed_total", "retries_total"];
        let ([_, retried], rejected) = (running.metrics(names)?, self.cluster.rejected().await?);
        let (mut looks, mut progress) = (Vec::new(), Progress::new());
        loop {
            let [indexed, retries] = running.metrics(names)?;
            let now = self.cluster.rejected().await?;
            looks.push(json!({
                "documents": indexed,
                "retries": retries - retried,
                "rejected_tasks": now.queue - rejected.queue,
                "rejected_requests": now.memory - rejected.memory,
            }));
            if indexed >= self.arguments.backlog {
                return Ok(tenths(looks));
            }
            progress.check(indexed)?;
            sleep(LOOK).await;
        }
    }
}

/// About ten of them, the last among them.
fn tenths(looks: Vec<Value>) -> Vec<Value> {
    let (last, every) = (looks.len().saturating_sub(1), looks.len().div_ceil(10).max(1));
    let kept = looks.into_iter().enumerate().filter(|(idx, _)| idx % every == 0 || *idx == last);
    kept.map(|(_, look)| look).collect()
}
