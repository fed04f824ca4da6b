//! The real delivery loop over model engines with seeded faults, in virtual time, crashed at random points.
//!
//! Each seed is one machine's story ([`story`]): which faults can strike it, what its log holds, how often it crashes or
//! stops, when its index naming changes, when a shard is split. Afterwards every log event that was appended has to be exactly
//! one document, exactly one line in failed/, or dropped for its reason, in content and in number; and at every commit
//! everything that it acknowledges has to be durable. [`cases`] holds single situations with their names.
//!
//! `HYDRANT_SIM_SEEDS=10000` runs more seeds, `HYDRANT_SIM_SEED=17` runs one and prints its log.
//! Limits: no real disk, no real index; threads are left out, so that a seed always tells the same story.

mod cases;

mod check;

mod joined;

mod story;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};

/// What CI runs.
const SEEDS: u64 = 200;

#[expect(clippy::disallowed_methods, reason = "a test has no other way to be told how much to run")]
fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_seed_delivers_every_entry_exactly_once() {
    if let Some(seed) = number_from_environment("HYDRANT_SIM_SEED") {
        let story = story::run(seed);
        println!("{}", story.log.join("\n"));
        return check::check(&story);
    }
    let seeds = number_from_environment("HYDRANT_SIM_SEEDS").unwrap_or(SEEDS);
    let next = AtomicU64::new(0);
    let failed = std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut failed = Vec::new();
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= seeds {
                            return failed;
                        }
                        let told = std::panic::catch_unwind(AssertUnwindSafe(|| check::check(&story::run(seed))));
                        if told.is_err() {
                            failed.push(seed);
                        }
                    }
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect::<Vec<u64>>()
    });
    let replay = |seed: &u64| {
        format!("HYDRANT_SIM_SEED={seed} cargo test -p hydrant --test it every_seed_delivers -- --nocapture")
    };
    assert!(
        failed.is_empty(),
        "{} of {seeds} seeds failed; replay with\n{}",
        failed.len(),
        failed.iter().take(10).map(replay).collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 0..10 {
        let (first, second) = (story::run(seed), story::run(seed));
        assert!(first.log.len() > 20, "seed {seed}: {} lines", first.log.len());
        assert_eq!(first.log, second.log, "seed {seed}");
    }
    assert_ne!(story::run(1).log, story::run(2).log);
}

#[test]
fn the_seeds_of_ci_meet_every_fault() {
    let mut met = std::collections::BTreeMap::new();
    let expected = [
        "stream append unavailable",
        "stream append reply lost",
        "stream commit reply lost",
        "index unavailable",
        "index reply lost",
        "failed/ disk full",
        "failed/ reply lost",
        " Retry",
        "Duplicate",
        "Rejected(",
        "crash",
        "stopped in time",
        "naming changes",
        "split",
        "trimmed",
        "put processing-failed/",
        "put AmazonOpenSearchService-failed/",
    ];
    for seed in 0..40 {
        for line in story::run(seed).log {
            for kind in expected.iter().filter(|kind| line.contains(**kind)) {
                *met.entry(*kind).or_insert(0_u64) += 1;
            }
        }
    }
    for kind in expected {
        assert!(met.get(kind).is_some_and(|times| *times >= 3), "{kind}: {:?}", met.get(kind));
    }
}
