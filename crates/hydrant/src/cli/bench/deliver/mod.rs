//! `hydrant bench deliver`: what the program delivers to a running OpenSearch, beside what the same server takes of
//! prepared requests in the same sitting; what it costs on the way, and what it holds in memory while a backlog grows.
//!
//! The program is the real one, a child process that finds its stream filled. Only ratios hold from one machine to the
//! next. Every document is counted in the index at the end of each part.

mod backlog;

mod cluster;

mod corpus;

#[cfg(feature = "aws")]
mod kinesis;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use hydrant_transform::entry::Format;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::child::Running;
use super::progress::Progress;
use crate::cli::{BenchDeliver, output};
use cluster::Cluster;
use corpus::Corpus;

/// Of the indices.
const NAME: &str = "hydrant-bench-{format}";

/// The day of all entries: 2021-07-23.
const DAY_MS: i64 = 1_626_998_400_000;

/// Each look costs the program some, so most of a round has few, as a Prometheus takes them.
const POLL: Duration = Duration::from_secs(1);
/// When nine tenths are there.
const POLL_NEAR_THE_END: Duration = Duration::from_millis(100);

fn index_name(format: Format) -> String {
    format!("{}-2021-07-23", NAME.replace("{format}", format.name()))
}

pub(in crate::cli) fn run(arguments: &BenchDeliver) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let dir = match &arguments.dir {
            Some(dir) => dir.clone(),
            None => std::env::temp_dir().join(format!("hydrant-bench-{}", std::process::id())),
        };
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let cluster = Cluster::new(&arguments.endpoint)?;
        let version = cluster.begin().await?;
        let program = match &arguments.program {
            Some(program) => program.clone(),
            None => std::env::current_exe().context("cannot find this program's own file")?,
        };
        let result = Bench { arguments, program, dir: dir.clone(), cluster }.measure(&version).await;
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
    })
}

struct Bench<'a> {
    arguments: &'a BenchDeliver,
    program: PathBuf,
    dir: PathBuf,
    cluster: Cluster,
}

/// One delivery of the whole corpus.
struct Delivered {
    seconds: f64,
    cpu: Option<Duration>,
    peak_mb: Option<f64>,
    retries: u64,
}

impl Bench<'_> {
    async fn measure(&self, version: &str) -> anyhow::Result<Value> {
        let measured = self.parts(version).await;
        self.cluster.clean().await?;
        measured
    }

    async fn parts(&self, version: &str) -> anyhow::Result<Value> {
        output::notice(&format!("making {} documents", output::grouped(self.arguments.documents)));
        let corpus = Corpus::new(self.arguments.documents)?;
        let to_bulk = corpus.cpu()?;
        output::notice(&format!("{:.2} µs from record to bulk bytes", to_bulk.as_secs_f64() * 1e6));
        let bodies = corpus.bodies()?;
        corpus.fill(&self.dir.join("filled/stream")).await?;
        self.write_config("")?;
        let documents = corpus.documents;
        let (mut bare, mut delivered) = (Vec::new(), Vec::new());
        // The first round makes the templates and warms the server.
        for round in 0..=self.arguments.rounds {
            let one = self.deliver(Some("filled"), documents).await?;
            let replayed = self.cluster.replay(&bodies).await?.as_secs_f64();
            self.check(documents).await?;
            let ratio = replayed / one.seconds;
            output::notice(&format!("round {round}: {:.2} s, replayed {replayed:.2} s: {ratio:.3}", one.seconds));
            if round > 0 {
                bare.push(replayed);
                delivered.push(one);
            }
        }
        drop(bodies);
        #[cfg(feature = "aws")]
        let from_kinesis = match &self.arguments.kinesis {
            Some(endpoint) => self.beside_kinesis(endpoint, &corpus).await?,
            None => Value::Null,
        };
        #[cfg(not(feature = "aws"))]
        let from_kinesis = Value::Null;
        drop(corpus);
        let backlog = self.backlog().await?;
        let per_second = |seconds: f64| (documents as f64 / seconds).round();
        let micros = |time: Duration| round(time.as_secs_f64() * 1e6);
        let ratios = bare.iter().zip(&delivered).map(|(bare, delivered)| bare / delivered.seconds);
        let cpu =
            delivered.iter().filter_map(|one| one.cpu).map(|cpu| cpu.div_f64(documents as f64).as_secs_f64() * 1e6);
        let peak = delivered.iter().filter_map(|one| one.peak_mb).fold(0.0, f64::max);
        Ok(json!({
            "opensearch": version,
            "documents": documents,
            "ratio_to_bare_replay": round(middle(ratios)),
            "delivered_per_second": per_second(middle(delivered.iter().map(|one| one.seconds))),
            "replayed_per_second": per_second(middle(bare.iter().copied())),
            "cpu_to_bulk_bytes_us": micros(to_bulk),
            "cpu_whole_process_us": round(middle(cpu)),
            "peak_mb": round(peak),
            "retries": delivered.iter().map(|one| one.retries).sum::<u64>(),
            "from_kinesis": from_kinesis,
            "backlog": backlog,
            "every_document_there": true,
        }))
    }

    /// `stream`: its tables of the configuration.
    fn write_config(&self, stream: &str) -> anyhow::Result<()> {
        let text = format!(
            "{stream}[transform]\nformat = \"general\"\n[index]\nengine = \"opensearch\"\nendpoint = {:?}\nname = {NAME:?}\n",
            self.arguments.endpoint
        );
        Ok(fs::write(self.config(), text)?)
    }

    fn config(&self) -> PathBuf {
        self.dir.join("hydrant.toml")
    }

    /// The real program, beside a stream that holds everything: one in a data folder, or the one that is configured.
    async fn deliver(&self, filled: Option<&str>, documents: u64) -> anyhow::Result<Delivered> {
        let data = self.dir.join("data");
        if let Some(filled) = filled {
            copy_folder(&self.dir.join(filled), &data)?;
        }
        let config = self.config();
        let start = Instant::now();
        let running = Running::with(&self.program, &[OsStr::new("--config"), config.as_os_str()], &data)?;
        let mut progress = Progress::new();
        let (retries, seconds) = loop {
            let [indexed, failed, retries] =
                running.metrics(["documents_indexed_total", "failed_total", "retries_total"])?;
            if failed > 0 {
                bail!("{failed} documents have failed");
            }
            if indexed >= documents {
                break (retries, start.elapsed().as_secs_f64());
            }
            progress.check(indexed)?;
            sleep(if indexed < documents / 10 * 9 { POLL } else { POLL_NEAR_THE_END }).await;
        };
        let (cpu, peak_mb) = (running.cpu(), running.peak_mb());
        running.stop()?;
        fs::remove_dir_all(&data)?;
        self.check(documents).await?;
        Ok(Delivered { seconds, cpu, peak_mb, retries })
    }

    /// Everything is there, once; then the index is deleted.
    async fn check(&self, documents: u64) -> anyhow::Result<()> {
        let found = self.cluster.count().await?;
        if found != documents {
            bail!("{found} documents in the index where {documents} were delivered");
        }
        self.cluster.delete_index().await
    }
}

/// Copies a folder and all below it; `to` is made where it is not there.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The median.
fn middle(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
