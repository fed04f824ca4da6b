//! The real delivery loop over model engines with seeded faults, in virtual time, crashed at random points.
//!
//! Each seed is one machine's story ([`story`]): where its records come from and its documents go ([`machine`]), which
//! faults can strike it, what its log holds ([`plan`]), how often it crashes or stops, when its index naming changes,
//! when shards are split, merged and trimmed, when a process stalls, dies or has a shard taken from it. Documents go to
//! the model of the embedded index, or by the real writer to the model of a cluster. Afterwards, and at every commit,
//! the invariants of [`check`] have to hold. [`planted`] shows that they would not with bugs in the loop. [`cases`] holds
//! single situations with their names. docs/simulation.md is the manual.
//!
//! `HYDRANT_SIM_SEEDS=10000` runs more seeds, `HYDRANT_SIM_SEED=17` runs one and prints its log.
//! Limits: no real disk, no real index, no socket; threads are left out, so that a seed always tells the same story.

mod cases;

mod check;

mod copies;

mod joined;

mod machine;

mod mortal;

mod plan;

mod planted;

mod shared;

mod story;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};

/// What CI runs.
const SEEDS: u64 = 500;

#[expect(clippy::disallowed_methods, reason = "a test has no other way to be told how much to run")]
fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn texts(violations: &[impl ToString]) -> Vec<String> {
    violations.iter().map(ToString::to_string).collect()
}

/// How many seeds are asked for.
fn seeds() -> u64 {
    number_from_environment("HYDRANT_SIM_SEEDS").unwrap_or(SEEDS)
}

/// What many seeds told.
#[derive(Default)]
struct Told {
    /// What each broke, if anything.
    failed: BTreeMap<u64, Vec<String>>,
    /// How often each kind of fault struck.
    met: BTreeMap<&'static str, u64>,
}

/// Of all that are asked for: two tests look at it.
static TOLD: LazyLock<Told> = LazyLock::new(|| told(seeds()));

fn told(seeds: u64) -> Told {
    let (next, all) = (AtomicU64::new(0), Mutex::new(Told::default()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            let story = story::run(seed, None);
            let met = story.log.iter().flat_map(|line| FAULTS.iter().filter(|kind| line.contains(**kind)));
            let met: Vec<&'static str> = met.copied().collect();
            let mut all = all.lock().unwrap();
            if !story.violations.is_empty() {
                all.failed.insert(seed, texts(&story.violations));
            }
            for kind in met {
                *all.met.entry(kind).or_insert(0) += 1;
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
    all.into_inner().unwrap()
}

#[test]
fn every_seed_delivers_every_entry_exactly_once() {
    if let Some(seed) = number_from_environment("HYDRANT_SIM_SEED") {
        let told = story::run(seed, None);
        println!("{}", told.log.join("\n"));
        let broken = texts(&told.violations);
        assert!(broken.is_empty(), "seed {seed}:\n{}", broken.join("\n"));
        return;
    }
    let failed = &TOLD.failed;
    let first = failed.iter().take(10).map(|(seed, broken)| format!("{}\n{}", replay(*seed), broken[0]));
    assert!(
        failed.is_empty(),
        "{} of {} seeds failed; the first ones are replayed by\n{}",
        failed.len(),
        seeds(),
        first.collect::<Vec<_>>().join("\n")
    );
}

/// The command that tells a seed's story again.
fn replay(seed: u64) -> String {
    format!("HYDRANT_SIM_SEED={seed} {CARGO} --test it every_seed_delivers -- --nocapture")
}

/// With the feature that the tests ask for.
const CARGO: &str = "cargo test --locked -p hydrant --features aws";

/// What is printed is what CI runs and what the manual says.
#[test]
fn a_seed_is_replayed_by_a_command_that_builds_the_test() {
    let read = |path: &str| {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        std::fs::read_to_string(root.join(path)).unwrap()
    };
    let manifest: toml::Table = read("crates/hydrant/Cargo.toml").parse().unwrap();
    let tests = manifest["test"].as_array().unwrap().iter();
    let required = tests.filter(|test| test["name"].as_str() == Some("it")).map(|test| &test["required-features"]);
    let required: Vec<&str> =
        required.flat_map(|names| names.as_array().unwrap()).filter_map(|name| name.as_str()).collect();
    let asked = format!(" --features {} ", required.join(","));
    assert!(!required.is_empty() && replay(17).contains(&asked), "{asked}: {}", replay(17));
    assert!(read("docs/simulation.md").contains(&format!("\n{} ", replay(17))), "{}", replay(17));
    let in_ci =
        read("test").lines().any(|line| line.starts_with("sim)") && line.contains(&format!(" {CARGO} --test it ")));
    assert!(in_ci, "{CARGO}");
}

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in 0..20 {
        let (first, second) = (story::run(seed, None).log, story::run(seed, None).log);
        assert!(first.len() > 20, "seed {seed}: {} lines", first.len());
        assert_eq!(first, second, "seed {seed}");
    }
    assert_ne!(story::run(1, None).log, story::run(2, None).log);
}

/// What stands in the log when each kind of fault has struck.
const FAULTS: [&str; 44] = [
    "stream append unavailable",
    "stream append reply lost",
    "stream commit reply lost",
    "stream finish reply lost",
    "index unavailable",
    "index reply lost",
    "cluster unavailable",
    "cluster reply lost",
    "cluster restarts",
    "failed/ disk full",
    "failed/ reply lost",
    "backup disk full",
    "backup reply lost",
    " Retry",
    "Duplicate",
    "Rejected(",
    "item 429 rejected_execution_exception",
    "item 409 illegal_state_exception",
    "item 503 unavailable_shards_exception",
    "item 429 cluster_block_exception",
    "item 403 security_exception",
    "item 404 index_not_found_exception",
    "item 400 index_closed_exception",
    "item 400 validation_exception",
    "413: ",
    "limit moves to",
    "sign-in refused with 401",
    "sign-in refused with 403",
    "sign-in works again",
    "a body arrives cut",
    "an answer arrives cut",
    "no answer in time",
    "documents come late",
    "crash",
    "a process dies",
    "a process stalls",
    "a process wakes up",
    "is refused shardId-",
    "stopped in time",
    "naming changes",
    "split",
    "merge",
    "trimmed",
    "put AmazonOpenSearchService-failed/",
];

#[test]
fn the_seeds_of_ci_meet_every_fault() {
    let own;
    let met = if seeds() < SEEDS {
        own = told(SEEDS);
        &own.met
    } else {
        &TOLD.met
    };
    let rare: Vec<_> = FAULTS.iter().filter(|kind| met.get(**kind).is_none_or(|times| *times < 3)).collect();
    assert!(rare.is_empty(), "{rare:?} of {met:?}");
}
