//! The stream of Kinesis: rights by the calls that a run begins with, and how far delivery is behind what the stream keeps.

use std::collections::BTreeMap;
use std::time::Duration;

use super::report::{Report, Verdict};
use super::table;
use crate::cli::run::lag::{ALARMED_AT, WARNED_AT, spoken};
use crate::config::{Checkpoints, Config, Kinesis};
use crate::stream::kinesis::probe::{Probe, Problem};
use crate::stream::{Position, ShardId};

/// Shards that are read from; a right counts for all of them.
const SHARDS_READ_MAX: usize = 16;

const STREAM: &str = "stream";

const CHECKPOINTS: &str = "checkpoints";

pub(super) async fn check(found: &Kinesis, config: &Config, report: &mut Report) {
    let positions = match &found.checkpoints {
        Checkpoints::Folder => None,
        Checkpoints::Table(name) => table::check(name, found, report).await,
    };
    let probe = match Probe::open(&found.name, found.region.as_deref(), found.endpoint.as_deref()).await {
        Ok(probe) => probe,
        Err(problem) => return refused(&problem, "kinesis:DescribeStreamSummary", report),
    };
    let shards = match probe.shards().await {
        Ok(shards) => shards,
        Err(problem) => return refused(&problem, "kinesis:ListShards", report),
    };
    let told = format!("{} has {} shards and keeps records for {}", probe.name, shards.len(), spoken(probe.kept_for));
    report.ok(STREAM, told);
    let positions = match (positions, &found.checkpoints) {
        (Some(positions), _) => positions,
        (None, Checkpoints::Table(_)) => BTreeMap::new(),
        (None, Checkpoints::Folder) => match probe.kept(&config.data.join("kinesis")) {
            Ok(positions) => {
                report.ok(CHECKPOINTS, format!("the data folder has those of {} shards", positions.len()));
                positions
            }
            Err(error) => {
                return report.failed(CHECKPOINTS, error, "see \"The stream was made anew\" in docs/operate.md");
            }
        },
    };
    read(&probe, &shards, &positions, report).await;
}

/// Reads a record of each shard behind its checkpoint, and says how far the last of them is behind.
async fn read(probe: &Probe, shards: &[ShardId], positions: &BTreeMap<ShardId, Option<Position>>, report: &mut Report) {
    let mut furthest: Option<(&ShardId, Duration)> = None;
    let open = shards.iter().filter(|shard| positions.get(*shard) != Some(&None));
    for shard in open.take(SHARDS_READ_MAX) {
        let after = positions.get(shard).and_then(Option::as_ref);
        match probe.behind(shard, after).await {
            Ok(Some(behind)) if furthest.is_none_or(|(_, most)| behind > most) => furthest = Some((shard, behind)),
            Ok(_) => {}
            Err(problem) => return refused(&problem, "kinesis:GetShardIterator and kinesis:GetRecords", report),
        }
    }
    let Some((shard, behind)) = furthest else {
        return report.ok(STREAM, "can be read; every shard is delivered to its end");
    };
    let from = if positions.is_empty() { "the oldest record" } else { "the checkpoint" };
    let told = format!("can be read; from {from} to the newest are {} in {shard}", spoken(behind));
    let (verdict, advice) = judged(behind, probe.kept_for, !positions.is_empty());
    report.add(verdict, STREAM, told, advice);
}

/// Where nothing is delivered yet, a full stream is no delay.
fn judged(behind: Duration, kept_for: Duration, has_begun: bool) -> (Verdict, &'static str) {
    match behind.as_secs_f64() / kept_for.as_secs_f64().max(1.0) {
        _ if !has_begun => (Verdict::Ok, ""),
        used if used >= ALARMED_AT => {
            (Verdict::Warning, "records are about to be lost: `aws kinesis increase-stream-retention-period` now")
        }
        used if used >= WARNED_AT => (
            Verdict::Warning,
            "past the retention records are lost: let it catch up, or `aws kinesis increase-stream-retention-period`",
        ),
        _ => (Verdict::Ok, ""),
    }
}

fn refused(problem: &Problem, rights: &str, report: &mut Report) {
    let denied =
        format!("the credentials have to be valid and to have {rights} (and kms:Decrypt where it is encrypted)");
    let advice = match problem {
        Problem::NotFound(_) => "`stream.name`, `stream.region` and the account have to be those of the stream",
        Problem::Denied(_) => &denied,
        Problem::Busy(_) => "another consumer uses up what a shard gives: try again, or give it fewer readers",
        Problem::Other(_) => {
            "the region's endpoint has to be reached, with HTTPS_PROXY where there is a proxy, and credentials have to be found"
        }
    };
    match problem {
        Problem::Busy(_) => report.warning(STREAM, problem, advice),
        Problem::NotFound(_) | Problem::Denied(_) | Problem::Other(_) => report.failed(STREAM, problem, advice),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_that_is_far_behind_the_retention_is_warned_of() {
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        let of = |behind: u64, has_begun: bool| judged(hours(behind), hours(24), has_begun);
        assert_eq!([of(11, true), of(23, false)], [(Verdict::Ok, ""); 2]);
        let (verdict, advice) = of(12, true);
        assert!(verdict == Verdict::Warning && advice.starts_with("past the retention"), "{advice}");
        let (verdict, advice) = of(20, true);
        assert!(verdict == Verdict::Warning && advice.ends_with("increase-stream-retention-period` now"), "{advice}");
    }
}
