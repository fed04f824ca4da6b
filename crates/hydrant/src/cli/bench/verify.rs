//! The reconciler alone: ids of a source, a stream and an index that are made up, some of them missing and some twice.

use anyhow::bail;
use serde_json::json;
use tokio::time::Instant;

use super::transform::peak_memory;
use crate::cli::BenchVerify;
use crate::cli::output::{self, grouped};
use crate::verify::entry::{Hop, State};
use crate::verify::ledger::At;
use crate::verify::spill::{Bounds, MEMORY_BYTES_MAX};
use crate::verify::{Keys, Ledger};

/// Of so many documents one is missing, and another is there twice.
const PLANTED_EVERY: u64 = 100_000;

/// Findings that are kept.
const LISTED_MAX: usize = 100;

pub(in crate::cli) fn run(arguments: &BenchVerify) -> anyhow::Result<()> {
    let mut folder = tempfile::Builder::new();
    let folder = folder.prefix("verify-");
    let folder = arguments.dir.as_ref().map_or_else(|| folder.tempdir(), |dir| folder.tempdir_in(dir))?;
    let start = Instant::now();
    let mut ledger = Ledger::new(folder.path(), Bounds::default(), Keys::default(), None)?;
    let (mut missing, mut twice) = (0, 0);
    for hop in [Hop::Source, Hop::Stream, Hop::Index] {
        let table = ledger.table(hop, "made up");
        let other = ledger.table(hop, "by hand");
        for number in 0..arguments.ids {
            let id = format!("{:016x}{:016x}", mix(number), mix(number ^ u64::MAX));
            let at = At { hop, state: State::Done, table, place: if hop == Hop::Index { 0 } else { number } };
            match (hop, number % PLANTED_EVERY) {
                (Hop::Index, 0) => missing += 1,
                (Hop::Index, 1) => {
                    twice += 1;
                    ledger.note(at, &id, None)?;
                    ledger.note(At { table: other, ..at }, &id, None)?;
                }
                _ => ledger.note(at, &id, None)?,
            }
        }
    }
    let (entries, noted) = (ledger.entries(), start.elapsed());
    let disk: u64 = std::fs::read_dir(folder.path())?.filter_map(|file| Some(file.ok()?.metadata().ok()?.len())).sum();
    let (account, _) = ledger.judge(LISTED_MAX)?;
    let (seconds, peak) = (start.elapsed().as_secs_f64(), peak_memory());
    if (account.missing, account.twice, account.indexed) != (missing, twice, arguments.ids - missing - twice) {
        bail!("{} missing and {} twice were found; {missing} and {twice} were planted", account.missing, account.twice);
    }
    if arguments.json {
        let told = json!({
            "ids": arguments.ids, "entries": entries, "seconds": seconds, "seconds_noting": noted.as_secs_f64(),
            "disk_bytes": disk, "peak_memory_bytes": peak, "memory_bytes_max": MEMORY_BYTES_MAX,
            "missing": missing, "twice": twice,
        });
        return Ok(output::line(&told.to_string())?);
    }
    let peak = peak.map_or_else(|| "unknown".to_owned(), |bytes| format!("{} MiB", bytes >> 20));
    Ok(output::line(&format!(
        "{} ids in {} entries: {seconds:.1} s, {} MiB of disk, peak memory {peak}; {missing} missing, {twice} twice, all found",
        grouped(arguments.ids),
        grouped(entries),
        disk >> 20,
    ))?)
}

/// Spreads numbers over all 64 bits, no two to one (`SplitMix64`).
fn mix(number: u64) -> u64 {
    let z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
