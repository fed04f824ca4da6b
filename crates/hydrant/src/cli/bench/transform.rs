//! `hydrant bench transform DIR`: events of Firehose in, answers out, on one core, beside gunzip alone on the same records.
//!
//! Each `*.json` file of the folder is one event. Documents stand newline-delimited in place and the answer has no limit;
//! everything else is as it is by default. Times are of the processor and of this thread, the median of
//! [`PASSES`] passes over all events after [`WARM_UPS`]; only their ratio holds from one machine to the next.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use hydrant_transform::envelope::{DECOMPRESSED_BYTES_MAX, gzip::Inflater};
use hydrant_transform::firehose::{self, Destination, Event, InputRecord, Planner, Settings};
use hydrant_transform::record::Options;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::cli::BenchTransform;
use crate::cli::output::{self, grouped};

const WARM_UPS: usize = 2;

const PASSES: usize = 7;

#[derive(Serialize)]
struct Report {
    ratio_to_gunzip: f64,
    /// Of what the records inflate to.
    mb_per_s: f64,
    gunzip_mb_per_s: f64,
    entries_per_s: f64,
    events: usize,
    records: usize,
    entries: usize,
    documents: usize,
    /// 128 bits of SHA-256 over all documents, in order.
    documents_hash: String,
    inflated_bytes: usize,
    peak_memory_bytes: Option<u64>,
    cores: usize,
    /// How many times as fast all of them are as one, by the clock on the wall.
    #[serde(skip_serializing_if = "Option::is_none")]
    times_one_core: Option<f64>,
}

pub(in crate::cli) fn run(arguments: &BenchTransform) -> anyhow::Result<()> {
    let events = read(&arguments.dir)?;
    let options = Options { digest: arguments.digest, ..Options::default() };
    let settings =
        Settings { options, destination: Destination::Lines, answer_bytes_max: usize::MAX, ..Settings::default() };
    let parsed = events.iter().map(|event| firehose::read_event(event)).collect::<Result<Vec<Event<'_>>, _>>()?;
    let records: Vec<Vec<u8>> =
        parsed.iter().flat_map(|event| &event.records).filter_map(InputRecord::decode).collect();
    let mut inflater = Inflater::new();
    let mut inflate = || {
        let sizes =
            records.iter().map(|record| inflater.gunzip_single(record, DECOMPRESSED_BYTES_MAX).map_or(0, <[u8]>::len));
        sizes.sum::<usize>()
    };
    let inflated_bytes = inflate();
    let (mut hash, mut documents, mut entries) = (Sha256::new(), 0, 0);
    for event in &parsed {
        let plan = firehose::plan(event, &settings)?;
        documents += plan.answered;
        entries += plan.answered + plan.dropped.len() + plan.failed.len();
        for answer in &plan.answers {
            if let firehose::Result::Ok(data) = &answer.result {
                hash.update(data);
            }
        }
    }
    let (mut planner, mut answer) = (Planner::new(&settings), Vec::new());
    // In turn, so that a machine that slows down slows both.
    let passes = (0..WARM_UPS + PASSES).map(|_| {
        let gunzip = timed(|| {
            std::hint::black_box(inflate());
        });
        (gunzip, timed(|| pass(events.iter(), &mut planner, &settings, &mut answer)))
    });
    let passes: Vec<(Duration, Duration)> = passes.skip(WARM_UPS).collect();
    let gunzip_time = median(passes.iter().map(|(gunzip, _)| *gunzip));
    let transform_time = median(passes.iter().map(|(_, transform)| *transform));
    let spread = (arguments.cores > 1).then(|| spread(&events, &settings, arguments.cores));
    let per_second = |count: usize, time: Duration| count as f64 / time.as_secs_f64();
    let rounded = |number: f64, places: f64| (number * places).round() / places;
    let report = Report {
        ratio_to_gunzip: rounded(gunzip_time.as_secs_f64() / transform_time.as_secs_f64(), 1e3),
        mb_per_s: rounded(per_second(inflated_bytes, transform_time) / 1e6, 10.0),
        gunzip_mb_per_s: rounded(per_second(inflated_bytes, gunzip_time) / 1e6, 10.0),
        entries_per_s: per_second(entries, transform_time).round(),
        events: events.len(),
        records: records.len(),
        entries,
        documents,
        documents_hash: hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect(),
        inflated_bytes,
        peak_memory_bytes: peak_memory(),
        cores: arguments.cores,
        times_one_core: spread.map(|times| rounded(times, 100.0)),
    };
    output::line(&if arguments.json { serde_json::to_string(&report)? } else { report.text() })?;
    Ok(())
}

/// Answers events, one after another, as a function does that is called again and again.
fn pass<'s, 'e>(
    events: impl Iterator<Item = &'e Vec<u8>>,
    planner: &mut Planner<'s>,
    settings: &'s Settings,
    answer: &mut Vec<u8>,
) {
    // What is remembered of statements must not come from having seen the same ones in the pass before.
    if settings.options.digest {
        *planner = Planner::new(settings);
    }
    for event in events {
        answer.clear();
        let event = firehose::read_event(event).ok();
        std::hint::black_box(event.and_then(|event| planner.respond(&event, answer).ok()));
    }
}

/// How many times as fast so many threads are as one, each with its share of the events.
fn spread(events: &[Vec<u8>], settings: &Settings, cores: usize) -> f64 {
    let wall = |threads: usize| {
        let mut each: Vec<_> = (0..threads).map(|_| (Planner::new(settings), Vec::new())).collect();
        let times = (0..WARM_UPS + PASSES).map(|_| {
            let began = time(ClockId::Monotonic);
            std::thread::scope(|scope| {
                for (first, (planner, answer)) in each.iter_mut().enumerate() {
                    scope.spawn(move || pass(events.iter().skip(first).step_by(threads), planner, settings, answer));
                }
            });
            time(ClockId::Monotonic).saturating_sub(began)
        });
        median(times.skip(WARM_UPS))
    };
    wall(1).as_secs_f64() / wall(cores).as_secs_f64()
}

fn read(dir: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let unreadable = || format!("cannot read {}", dir.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    let mut events = Vec::new();
    for file in files {
        let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        // Other JSON may lie beside.
        if firehose::read_event(&bytes).is_ok() {
            events.push(bytes);
        }
    }
    if events.is_empty() {
        bail!("{} holds no event of Firehose (*.json)", dir.display());
    }
    Ok(events)
}

pub(super) fn timed(pass: impl FnOnce()) -> Duration {
    let began = time(ClockId::ThreadCPUTime);
    pass();
    time(ClockId::ThreadCPUTime).saturating_sub(began)
}

pub(super) fn median(times: impl Iterator<Item = Duration>) -> Duration {
    let mut times: Vec<Duration> = times.collect();
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default().max(Duration::from_nanos(1))
}

/// That of the thread is what its processor has spent on it.
fn time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// `None` where the system does not tell.
pub(super) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

impl Report {
    fn text(&self) -> String {
        let memory =
            self.peak_memory_bytes.map_or_else(String::new, |bytes| format!("{} MB at most", bytes / 1_000_000));
        let spread = self
            .times_one_core
            .map_or_else(String::new, |times| format!("\n{times:.2} times as fast on {} cores as on one", self.cores));
        format!(
            "{:.3} of gunzip alone: {:.0} of {:.0} MB/s of inflated envelopes on one core\n{} entries/s; {} entries of {} \
             records in {} events; {} documents, hash {}\n{memory}{spread}",
            self.ratio_to_gunzip,
            self.mb_per_s,
            self.gunzip_mb_per_s,
            self.entries_per_s,
            grouped(self.entries as u64),
            grouped(self.records as u64),
            self.events,
            grouped(self.documents as u64),
            self.documents_hash,
        )
    }
}
