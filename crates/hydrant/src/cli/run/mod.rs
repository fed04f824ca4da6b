//! `hydrant run`: the stages put together, watched, and ended in order.
//!
//! Order of the end: the source stops, delivery ends its batch in flight and commits (both [`ENDS_WITHIN`] at most), the
//! ports close. A second signal ends at once; nothing is lost by that either.

pub(in crate::cli) mod chain;

pub(in crate::cli) mod data_dir;

mod guarantee;

// Who checks before a run says it alike.
pub(super) mod lag;

mod open_files;

mod pump;

pub(super) mod signals;

mod summary;

use std::convert::Infallible;
use std::mem::ManuallyDrop;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::output;
use crate::config::Config;
use crate::deliver::Mode;
use crate::metrics::Health;
use chain::{Chain, Doors};
use signals::Signals;
use summary::Summary;

/// How long the source and delivery's batch in flight may take to end after a signal.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// Said when they did not.
const NOT_ENDED: &str = " (the batch in flight did not end in time; it is delivered again by the next run)";

const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// How a run ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Done,
    /// By a second signal.
    Interrupted,
}

/// Runs until a signal, or with `once` until every file is delivered to its present end.
pub(super) fn run(config: &Config, once: bool, json: bool) -> anyhow::Result<Ended> {
    open_files::allow_all();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let mut signals = Signals::new()?;
        if once { run_once(config, &mut signals, json).await } else { follow(config, &mut signals, json).await }
    });
    // Nothing that still runs is waited for: after a second signal, or when delivery did not end in time.
    runtime.shutdown_background();
    ended
}

/// Each file to its present end. No port is opened.
async fn run_once(config: &Config, signals: &mut Signals, json: bool) -> anyhow::Result<Ended> {
    let start = Instant::now();
    let chain = Arc::new(Chain::open(config).await?);
    // Keeps the stream's threads from being waited for, where a disk hangs.
    let kept = ManuallyDrop::new(chain.clone());
    let stop = CancellationToken::new();
    let work = async {
        let pump = chain.pump(config, true).await?;
        let read = CancellationToken::new();
        let deliver = chain.delivery.run(&read, Mode::Follow);
        let pumping = async {
            let pumped = pump.run(stop.clone()).await;
            read.cancel();
            pumped
        };
        let (pumped, delivered) = tokio::join!(pumping, deliver);
        delivered?;
        if !stop.is_cancelled() {
            chain.delivery.run(&stop, Mode::Drain).await?;
        }
        pumped
    };
    let (mut work, mut overdue) = (Box::pin(work), Box::pin(overdue(&stop)));
    let mut progress = pin!(often(|| chain.show_progress()));
    let note = loop {
        tokio::select! {
            done = &mut work => {
                done?;
                break "";
            }
            () = &mut overdue => break NOT_ENDED,
            () = signals.next() => {
                if stop.is_cancelled() {
                    return Ok(Ended::Interrupted);
                }
                stop.cancel();
            }
            never = &mut progress => match never {},
        }
    };
    drop(work);
    let ended = tokio::select! {
        ended = finish(&chain, start, json, note) => ended?,
        () = signals.next() => return Ok(Ended::Interrupted),
    };
    if note.is_empty() {
        drop(ManuallyDrop::into_inner(kept));
    }
    Ok(ended)
}

/// Calls every [`PROGRESS_EVERY`]. To be waited for beside the signals, not before them: an index or a disk that hangs
/// must not hide a signal.
async fn often<F: Future<Output = ()>>(call: impl Fn() -> F) -> Infallible {
    let mut ticks = interval(PROGRESS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        call().await;
    }
}

/// Ends when source and delivery have had their time after a stop.
async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(ENDS_WITHIN).await;
}

async fn follow(config: &Config, signals: &mut Signals, json: bool) -> anyhow::Result<Ended> {
    let start = Instant::now();
    let doors = Doors::bind(config).await?;
    let chain = Arc::new(Chain::open(config).await?);
    let (rest, page) = (doors.rest_url(), doors.page_url());
    let (close, stop_source, stop_delivery) =
        (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
    let mut serving = JoinSet::new();
    doors.serve(&chain, &close, &mut serving);
    let pump = chain.pump(config, false).await?;
    started(config, &rest, &page, json)?;
    chain.health.send_modify(|health: &mut Health| health.ready = true);

    let mut source = JoinSet::new();
    source.spawn(pump.run(stop_source.clone()));
    let mut delivery = JoinSet::new();
    let (delivering, stop) = (chain.clone(), stop_delivery.clone());
    delivery.spawn(async move { delivering.delivery.run(&stop, Mode::Follow).await });

    let failed = watch(&chain, signals, &mut source, &mut delivery, &mut serving).await;
    output::notice("stopping: the batch in flight ends");
    stop_source.cancel();
    // Keeps the stream's threads from being waited for, where a disk hangs.
    let kept = ManuallyDrop::new(chain.clone());
    let ending = async {
        let mut first_error = None;
        while let Some(ended) = source.join_next().await {
            let ended = ended.map_err(anyhow::Error::new).flatten();
            first_error = first_error.or(ended.err().map(|error| error.context("reading has ended")));
        }
        stop_delivery.cancel();
        while let Some(ended) = delivery.join_next().await {
            let ended = ended.map_err(anyhow::Error::new).and_then(|ended| ended.map_err(anyhow::Error::new));
            first_error = first_error.or(ended.err().map(|error| error.context("the batch in flight")));
        }
        first_error
    };
    let (note, late) = tokio::select! {
        late = ending => ("", late),
        () = overdue(&stop_source) => (NOT_ENDED, None),
        () = signals.next() => return Ok(Ended::Interrupted),
    };
    close.cancel();
    // Requests that are being answered end by themselves; the process does not wait for slow readers.
    let quick = timeout(Duration::from_secs(1), async { while serving.join_next().await.is_some() {} }).await;
    if quick.is_err() {
        serving.abort_all();
    }
    let ended = tokio::select! {
        ended = finish(&chain, start, json, note) => ended?,
        () = signals.next() => return Ok(Ended::Interrupted),
    };
    if note.is_empty() {
        drop(ManuallyDrop::into_inner(kept));
    }
    failed.or(late).map_or(Ok(ended), Err)
}

/// Waits for a signal, or for a part to end that never should. Answers why, if it was not a signal.
async fn watch(
    chain: &Chain,
    signals: &mut Signals,
    source: &mut JoinSet<anyhow::Result<()>>,
    delivery: &mut JoinSet<Result<(), crate::deliver::Error>>,
    serving: &mut JoinSet<anyhow::Result<()>>,
) -> Option<anyhow::Error> {
    let mut progress = pin!(often(|| chain.show_progress()));
    let mut health = pin!(often(|| chain.refresh_health()));
    let (mut preparing, mut is_prepared) = (pin!(chain.delivery.prepare()), false);
    loop {
        tokio::select! {
            () = &mut preparing, if !is_prepared => is_prepared = true,
            () = signals.next() => return None,
            Some(ended) = source.join_next() => match ended {
                // Only when it was told to stop.
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Some(error.context("reading has ended")),
                Err(error) => return Some(anyhow::Error::new(error).context("reading has ended")),
            },
            Some(ended) = delivery.join_next() => match ended {
                Ok(Ok(())) => return Some(anyhow::anyhow!("delivery has ended by itself")),
                // Searching still works, so the program stays; `/health` has been told what is wrong.
                Ok(Err(_)) => {}
                Err(error) => return Some(anyhow::Error::new(error).context("delivery has ended")),
            },
            Some(ended) = serving.join_next() => match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Some(error),
                Err(error) => return Some(anyhow::Error::new(error).context("a port has closed")),
            },
            never = &mut progress => match never {},
            never = &mut health => match never {},
        }
    }
}

fn started(config: &Config, rest: &str, page: &str, json: bool) -> anyhow::Result<()> {
    if json {
        let files: Vec<String> = config.tails.iter().map(|tail| tail.file.display().to_string()).collect();
        return Ok(output::line(&json!({"rest": rest, "page": page, "tail": files}).to_string())?);
    }
    for tail in &config.tails {
        output::line(&format!("following       {}", tail.file.display()))?;
    }
    if config.tails.is_empty() {
        output::line("following       no file: give --tail FILE, or [[tail]] tables in hydrant.toml")?;
    }
    output::line(&format!(
        "page            {page}\nOpenSearch API  {rest}\ndata            {}",
        config.data.display()
    ))?;
    Ok(output::line("Ctrl-C ends it")?)
}

async fn finish(chain: &Chain, start: Instant, json: bool, note: &str) -> anyhow::Result<Ended> {
    // Others take over at once; where it does not answer, when their lease on it is over.
    drop(timeout(Duration::from_secs(1), chain.stream.close()).await);
    // What was done is said even where a disk does not answer; what waited a moment ago is known.
    let status = timeout(Duration::from_secs(1), chain.stream.status()).await;
    let known = chain.metrics.records_waiting.get().max(0).unsigned_abs();
    let waiting = match status {
        Ok(Ok(status)) => status.iter().filter_map(|shard| shard.records_waiting).sum(),
        Ok(Err(_)) | Err(_) => known,
    };
    let summary = Summary::of(&chain.metrics, &chain.delivery.settings.transform.filters, start.elapsed(), waiting);
    if json {
        output::line(&summary.json()?)?;
    } else {
        output::progress("");
        output::line(&format!("{}{note}", summary.text()))?;
    }
    Ok(Ended::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_end_is_overdue_ten_seconds_after_a_stop_and_never_before_one() {
        let stop = CancellationToken::new();
        let mut overdue = Box::pin(overdue(&stop));
        assert!(timeout(Duration::from_secs(3600), &mut overdue).await.is_err(), "nobody has stopped it");
        stop.cancel();
        assert!(timeout(Duration::from_millis(9_999), &mut overdue).await.is_err(), "it has ten seconds");
        assert!(timeout(Duration::from_millis(2), &mut overdue).await.is_ok());
    }
}
