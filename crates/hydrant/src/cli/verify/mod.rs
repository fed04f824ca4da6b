//! `hydrant verify`: where every entry is, told from source, stream, index and failed/. Changes nothing and needs no lock,
//! so the chain may run meanwhile.

mod engines;

mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use hydrant_transform::carrier::CarriedRecord;
use hydrant_transform::document::IndexNaming;
use tempfile::TempDir;
use tokio::time::Instant;

use super::input::{self, Reading};
use super::output::{self, grouped};
use super::run::Ended;
use super::run::chain::tail_settings;
use super::run::data_dir::check_version;
use super::{Verify, host};
use crate::clock::Clock;
use crate::config::{Config, Tail};
use crate::deliver::naming::History;
use crate::index;
use crate::source::tail::again::path_hash_of;
use crate::source::tail::{FileSettings, PIPE, Settings};
use crate::verify::entry::{Hop, State};
use crate::verify::index::{By, IndexAccount};
use crate::verify::source::SourceAccount;
use crate::verify::spill::Bounds;
use crate::verify::{Keys, Ledger, Range, failed, index as index_hop, source, stream};
use engines::open_read_only;
use report::{Compared, Report};

/// How often a terminal is told how far the work is.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// Reads a time of the command line: milliseconds since 1970 UTC.
pub(super) fn time_ms(text: &str) -> Result<i64, String> {
    let stamp: jiff::Timestamp =
        text.parse().map_err(|_error| format!("`{text}` is no time such as 2026-11-23T03:00:00Z"))?;
    Ok(stamp.as_millisecond())
}

pub(super) fn verify(arguments: &Verify) -> anyhow::Result<Ended> {
    let config = arguments.chain.config()?;
    check_version(&config.data)?;
    let folder = temporary_folder(&config.data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let work = async {
            if arguments.against.is_empty() {
                reconcile(arguments, &config, folder.path()).await
            } else {
                compare(arguments, &config, folder.path()).await
            }
        };
        tokio::select! {
            done = work => done.map(|()| Ended::Done),
            signal = tokio::signal::ctrl_c() => signal.map(|()| Ended::Interrupted).map_err(Into::into),
        }
    });
    runtime.shutdown_background();
    ended
}

/// In the data folder, which has room for what it is about; else where the system has its temporary files.
fn temporary_folder(data: &Path) -> anyhow::Result<TempDir> {
    let mut folder = tempfile::Builder::new();
    let folder = folder.prefix("verify-");
    let made = if data.is_dir() { folder.tempdir_in(data) } else { folder.tempdir() };
    made.context("cannot make a folder for the ids")
}

/// Says how far the work is, now and then.
struct Progress(Instant);

impl Progress {
    fn tell(&mut self, text: impl FnOnce() -> String) {
        if self.0.elapsed() >= PROGRESS_INTERVAL {
            self.0 = Instant::now();
            output::progress(&text());
        }
    }
}

fn range(arguments: &Verify) -> Option<Range> {
    let (from, to) = (arguments.from, arguments.to);
    (from.is_some() || to.is_some()).then(|| Range { from_ms: from.unwrap_or(i64::MIN), to_ms: to.unwrap_or(i64::MAX) })
}

async fn reconcile(arguments: &Verify, config: &Config, folder: &Path) -> anyhow::Result<()> {
    let settings = tail_settings(config, true);
    let given = given_settings(arguments, &settings);
    let files = settings.files.iter().chain(&given.files);
    let hashes: BTreeSet<u64> = files.map(|file| path_hash_of(&settings, file)).collect();
    let mut ledger = Ledger::new(folder, Bounds::default(), Keys::new(hashes), range(arguments))?;
    let engines = open_read_only(config).await?;
    let mut progress = Progress(Instant::now());
    let mut report = Report::default();
    let (mut marks, mut namings) = (BTreeMap::new(), vec![config.naming.clone()]);
    if let Some(engine) = &engines.stream {
        let snapshot = stream::snapshot(engine.as_ref(), &history(config)?).await?;
        let transform = (&config.transform, &config.naming);
        let mut told = |account: &stream::StreamAccount| {
            progress.tell(|| format!("stream: {} records", grouped(account.records)));
        };
        report.stream = Some(stream::take(&mut ledger, engine.as_ref(), &snapshot, transform, &mut told).await?);
        (marks, namings) = (snapshot.marks, [namings, snapshot.namings].concat());
    }
    let mut told = |account: &failed::FailedAccount| {
        progress.tell(|| format!("failed/: {} objects", grouped(account.objects)));
    };
    report.failed = failed::take(&mut ledger, &engines.failed, &mut told).await?;
    let patterns = patterns(arguments, &namings);
    let by = (Hop::Index, By::Id);
    report.index = index_of(&mut ledger, engines.index.as_ref(), &patterns, by, &mut progress).await?;
    let mut account = SourceAccount::default();
    source::tails(&mut ledger, &settings, &marks, &config.transform, &mut account)?;
    for (file, given) in arguments.files.iter().zip(&given.files) {
        read_given(&mut ledger, config, file, given, &mut account)?;
    }
    report.given = arguments.files.clone();
    report.source = account;
    output::progress("putting the ids in order");
    let listed_max = arguments.list;
    let (judged, names) = tokio::task::spawn_blocking(move || ledger.judge(listed_max)).await??;
    output::progress("");
    report.print(&judged, &names, arguments.json)?;
    match report.problem(&judged) {
        Some(problem) => bail!("{problem}"),
        None => Ok(()),
    }
}

async fn compare(arguments: &Verify, config: &Config, folder: &Path) -> anyhow::Result<()> {
    let mut ledger = Ledger::new(folder, Bounds::default(), Keys::default(), range(arguments))?;
    let engines = open_read_only(config).await?;
    let mut progress = Progress(Instant::now());
    let engine = engines.index.as_ref();
    let mut patterns = patterns(arguments, std::slice::from_ref(&config.naming));
    // The other index may be one that the wildcards of ours name.
    if patterns.iter().any(|pattern| pattern.contains('*')) {
        patterns.extend(arguments.against.iter().map(|name| format!("-{name}")));
    }
    let ours = index_of(&mut ledger, engine, &patterns, (Hop::Index, By::Event), &mut progress).await?;
    let other = index_of(&mut ledger, engine, &arguments.against, (Hop::Other, By::Event), &mut progress).await?;
    let unreadable = ours.unreadable.len() + other.unreadable.len();
    let listed_max = arguments.list;
    let (judged, names) = tokio::task::spawn_blocking(move || ledger.compare(listed_max)).await??;
    output::progress("");
    Compared { ours, other }.print(&judged, &names, arguments.json)?;
    if judged.missing + judged.only_ours + judged.twice + judged.other_twice > 0 {
        bail!("the indices differ");
    }
    if unreadable > 0 {
        bail!("{unreadable} indices cannot be read");
    }
    Ok(())
}

async fn index_of(
    ledger: &mut Ledger,
    engine: &dyn index::Engine,
    patterns: &[String],
    what: (Hop, By),
    progress: &mut Progress,
) -> anyhow::Result<IndexAccount> {
    let mut told =
        |account: &IndexAccount| progress.tell(|| format!("index: {} documents", grouped(account.documents)));
    Ok(index_hop::take(ledger, engine, patterns, what, &mut told).await?)
}

fn history(config: &Config) -> anyhow::Result<History> {
    History::open(config.data.join("index-names.json"), config.naming.clone())
        .context("cannot read the history of index names")
}

/// The names of all indices that documents may go to, as wildcards.
fn patterns(arguments: &Verify, namings: &[IndexNaming]) -> Vec<String> {
    if !arguments.index.is_empty() {
        return arguments.index.clone();
    }
    namings.iter().map(|naming| wildcard(naming.pattern())).collect::<BTreeSet<_>>().into_iter().collect()
}

/// `hydrant-{format}` becomes `hydrant-*`, which a suffix of the rotation fits too.
fn wildcard(pattern: &str) -> String {
    let mut wildcard = String::new();
    let mut rest = pattern;
    while let Some((before, marked)) = rest.split_once('{') {
        wildcard.push_str(before);
        wildcard.push('*');
        rest = marked.split_once('}').map_or("", |(_, behind)| behind);
    }
    wildcard.push_str(rest);
    if !wildcard.ends_with('*') {
        wildcard.push('*');
    }
    wildcard
}

/// How files that are given are read: as files of the tail that were read from their beginnings.
fn given_settings(arguments: &Verify, settings: &Settings) -> Settings {
    let files = arguments.files.iter().map(|path| {
        let tail = Tail::of(path.clone());
        FileSettings {
            path: path.clone(),
            log_group: arguments.chain.log_group.clone().unwrap_or(tail.log_group),
            log_stream: arguments.chain.log_stream.clone(),
            time_zone: tail.time_zone,
            format: None,
        }
    });
    Settings { files: files.collect(), host: host::name(), ..settings.clone() }
}

fn read_given(
    ledger: &mut Ledger,
    config: &Config,
    file: &Path,
    settings: &FileSettings,
    account: &mut SourceAccount,
) -> anyhow::Result<()> {
    if file == Path::new(PIPE) {
        bail!("standard input is no source that can be read again: give files");
    }
    let reading = Reading {
        format: config.transform.format,
        time_zone: &settings.time_zone,
        log_group: Some(&settings.log_group),
        log_stream: settings.log_stream.as_deref(),
    };
    let table = ledger.table(Hop::Source, &file.display().to_string());
    input::records(file, &reading, &mut |record: &CarriedRecord| {
        let transformed = record.transform(Clock::System.now_ms(), &config.transform);
        Ok(source::take(ledger, account, table, &transformed, State::Done)?)
    })
}

#[cfg(test)]
mod tests {
    use super::{time_ms, wildcard};

    #[test]
    fn a_pattern_of_names_is_a_wildcard_that_fits_all_of_them() {
        assert_eq!(wildcard("hydrant-{format}"), "hydrant-*");
        assert_eq!(wildcard("a-{format}-b"), "a-*-b*");
        assert_eq!(wildcard("logs"), "logs*");
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(time_ms("1970-01-01T00:00:01.5Z"), Ok(1500));
        assert_eq!(time_ms("1970-01-01T09:00:00+09:00"), Ok(0));
        assert_eq!(time_ms("now"), Err("`now` is no time such as 2026-11-23T03:00:00Z".to_owned()));
    }
}
