//! `hydrant replay`: failed documents, wherever they lie, once more to the index that the configuration names.

mod source;

use std::fs::File;
use std::io;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use hydrant_opensearch::unquoted;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::json;
use tokio::time::Instant;

use super::output::{self, counted, grouped};
use super::run::Ended;
use super::run::chain::{open_index, with_rules};
use super::run::data_dir::DataDir;
use super::run::signals::Signals;
use super::stores;
use crate::clock::Clock;
use crate::config::{Config, IndexEngine};
use crate::deliver::replay::{Counts, Filter, ProgressFile, Replay, Rules, Told};

/// Reasons of what fails again that are said; all are counted.
const FAILED_SAID_MAX: u64 = 20;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Failed documents of Hydrant or Firehose, on-failure records of Lambda, a backup: a folder, a file or
    /// s3://BUCKET/PREFIX
    #[arg(value_name = "PATH")]
    from: String,
    /// Configuration file [default: ./hydrant.toml if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of everything that Hydrant keeps
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Only what arrived then or later: 2026-11-23, or 2026-11-23T05:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time_ms)]
    since: Option<i64>,
    /// Only what arrived before
    #[arg(long, value_name = "TIME", value_parser = time_ms)]
    until: Option<i64>,
    /// Only what failed for this reason, a code such as mapper_parsing_exception; * stands for any characters; may be
    /// given several times
    #[arg(long, value_name = "CODE")]
    reason: Vec<String>,
    /// Only what goes or was to go to this index; * stands for any characters; may be given several times
    #[arg(long, value_name = "NAME")]
    index: Vec<String>,
    /// Indices that Firehose writes to, where what it has indexed is looked up by event_id and ordinal [default: the
    /// index of each document and those that it rotates with]
    #[arg(long, value_name = "NAME")]
    firehose_index: Option<String>,
    /// What becomes of a document that is there under the id of ours
    #[arg(long, value_enum, default_value = "index")]
    operation: Operation,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Documents a second at most
    #[arg(long, value_name = "NUMBER")]
    rate: Option<NonZeroU32>,
    /// File that keeps how far the replay is [default: one in the data folder]
    #[arg(long, value_name = "FILE")]
    progress: Option<PathBuf>,
    /// Begin anew where an earlier replay was cut off
    #[arg(long)]
    restart: bool,
    /// Region of the bucket
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// Address of a service that speaks as S3 does
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Operation {
    /// It gives way, so that a rule that was put right has its effect
    Index,
    /// It stays
    Create,
}

/// An instant, or the beginning of a day in UTC.
fn time_ms(text: &str) -> Result<i64, String> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant.as_millisecond());
    }
    let day = text.parse::<Date>().ok().filter(|_| text.len() == 10);
    let begin = day.and_then(|day| day.to_zoned(TimeZone::UTC).ok());
    begin
        .map(|begin| begin.timestamp().as_millisecond())
        .ok_or_else(|| format!("`{text}` is no time: write 2026-11-23 or 2026-11-23T05:00:00Z"))
}

pub(super) fn replay(arguments: &Arguments) -> anyhow::Result<Ended> {
    let mut config = Config::load(arguments.config.as_deref())?;
    if let Some(data) = &arguments.data {
        config.data.clone_from(data);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(run(arguments, &config));
    runtime.shutdown_background();
    ended
}

/// What keeps others from the same work: the data folder of the embedded index, or only other replays.
#[derive(Debug)]
enum Lock {
    Data { _held: DataDir },
    Replay { _held: File },
}

impl Lock {
    fn take(config: &Config) -> anyhow::Result<Lock> {
        match config.index {
            IndexEngine::Embedded => Ok(Lock::Data {
                _held: DataDir::open(&config.data)
                    .context("the embedded index is of one process: end `hydrant run`")?,
            }),
            IndexEngine::OpenSearch(_) => {
                make_folder(&config.data)?;
                let path = config.data.join("replay.lock");
                let held = File::options().write(true).create(true).truncate(false).open(&path);
                let held = held.with_context(|| format!("cannot open {}", path.display()))?;
                if held.try_lock().is_err() {
                    bail!("another replay is at work in {}", config.data.display());
                }
                Ok(Lock::Replay { _held: held })
            }
        }
    }

    fn is_alone(&self) -> bool {
        match self {
            Lock::Data { .. } => true,
            Lock::Replay { .. } => false,
        }
    }
}

/// It holds statements: nobody else may read it.
fn make_folder(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.with_context(|| format!("cannot create the folder {}", path.display()))
}

async fn run(arguments: &Arguments, config: &Config) -> anyhow::Result<Ended> {
    let clock = Clock::System;
    let lock = Lock::take(config)?;
    let failed = stores::failed(&config.failed_place(), lock.is_alone())?;
    let source = source::open(arguments, &config.failed_place(), &failed)?;
    let filter = Filter {
        from_ms: arguments.since,
        to_ms: arguments.until,
        reasons: arguments.reason.clone(),
        indices: arguments.index.clone(),
    };
    let overwrites = arguments.operation == Operation::Index;
    let file = progress_file(arguments, config, &format!("{}\n{filter:?}\n{overwrites}", source.name))?;
    let begin = if arguments.dry_run { None } else { file.read()? };
    if begin.is_some() {
        output::notice("a replay of this was cut off: it goes on where it was");
    }
    let rules = Rules {
        transform: config.transform.clone(),
        naming: config.naming.clone(),
        firehose_index: arguments.firehose_index.clone(),
        overwrites,
    };
    let index = with_rules(open_index(config, &config.data.join("index"), clock).await?, config, clock);
    let dry_run = arguments.dry_run;
    let replay = Replay { source, index, failed, rules, filter, rate: arguments.rate, dry_run, clock };
    let (mut counts, mut said) = (begin.as_ref().map(|begin| begin.counts).unwrap_or_default(), 0);
    let started = Instant::now();
    let mut tell = |told: Told<'_>| -> io::Result<()> {
        match told {
            Told::Progress(progress) => {
                counts = progress.counts;
                output::progress(&text(&counts, dry_run));
                if !dry_run {
                    file.write(progress)?;
                }
            }
            Told::Unreadable { key, line, why } => output::notice(&format!("unreadable: {key}:{line}: {why}")),
            Told::FailedAgain { key, line, reason } => {
                said += 1;
                if said <= FAILED_SAID_MAX {
                    let why = unquoted(&reason.message);
                    output::notice(&format!("failed again: {key}:{line}: {}: {why}", reason.code));
                }
            }
        }
        Ok(())
    };
    let mut signals = Signals::new()?;
    let done = tokio::select! {
        done = replay.run(begin.unwrap_or_default(), &mut tell) => Some(done),
        () = signals.next() => None,
    };
    let is_done = matches!(done, Some(Ok(_)));
    output::progress("");
    tell_end(arguments, &counts, is_done, started)?;
    let Some(done) = done else { return Ok(Ended::Interrupted) };
    done?;
    if !dry_run {
        file.remove()?;
    }
    if counts.failed_again > 0 || counts.unreadable > 0 {
        let left = [(counts.failed_again, "failed again"), (counts.unreadable, "could not be read")];
        let left =
            left.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{} {what}", grouped(*count)));
        bail!("{}", left.collect::<Vec<_>>().join(", "));
    }
    Ok(Ended::Done)
}

/// One for each source and filter, so that replays of several things may be cut off and go on.
fn progress_file(arguments: &Arguments, config: &Config, what: &str) -> anyhow::Result<ProgressFile> {
    let file = match &arguments.progress {
        Some(path) => ProgressFile::new(path.clone(), what),
        None => {
            let folder = config.data.join("replay");
            make_folder(&folder)?;
            ProgressFile::new(folder.join(format!("{}.json", ProgressFile::name(what))), what)
        }
    };
    if arguments.restart {
        file.remove()?;
    }
    Ok(file)
}

fn tell_end(arguments: &Arguments, counts: &Counts, is_done: bool, started: Instant) -> io::Result<()> {
    if !arguments.json {
        let note = if is_done { "" } else { "; cut off: the same command goes on behind this" };
        return output::line(&format!("{}{note}", text(counts, arguments.dry_run)));
    }
    let mut summary = serde_json::to_value(counts)?;
    if let Some(summary) = summary.as_object_mut() {
        summary.insert("done".to_owned(), json!(is_done));
        summary.insert("dry_run".to_owned(), json!(arguments.dry_run));
        summary.insert("seconds".to_owned(), json!(started.elapsed().as_secs_f64()));
    }
    output::line(&summary.to_string())
}

/// `read 12 = 8 replayed + 1 already there + 0 filtered + 1 dropped + 1 failed again + 1 unreadable; 9 documents, 3 objects`.
fn text(counts: &Counts, dry_run: bool) -> String {
    let Counts { objects, read, replayed, already_there, filtered, dropped, failed_again, unreadable, documents } =
        *counts;
    let parts = [
        (replayed, "replayed"),
        (already_there, "already there"),
        (filtered, "filtered"),
        (dropped, "dropped"),
        (failed_again, "failed again"),
        (unreadable, "unreadable"),
    ];
    let parts: Vec<String> = parts.iter().map(|(count, what)| format!("{} {what}", grouped(*count))).collect();
    let dry = if dry_run { "dry run, nothing was written: " } else { "" };
    format!(
        "{dry}read {} = {}; {}, {}",
        grouped(read),
        parts.join(" + "),
        counted(documents, "document", "documents"),
        counted(objects, "object", "objects")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_instants_or_days() {
        assert_eq!(time_ms("1970-01-02").unwrap(), 86_400_000);
        assert_eq!(time_ms("1970-01-01T01:00:01+01:00").unwrap(), 1_000);
        assert!(time_ms("yesterday").is_err());
    }

    #[test]
    fn the_summary_is_an_equation() {
        let counts = Counts {
            objects: 2,
            read: 1_003,
            replayed: 1_000,
            already_there: 1,
            unreadable: 2,
            documents: 1,
            ..Counts::default()
        };
        assert_eq!(
            text(&counts, false),
            "read 1,003 = 1,000 replayed + 1 already there + 0 filtered + 0 dropped + 0 failed again + 2 unreadable; 1 document, 2 objects"
        );
    }
}
