//! The stream: its state, its limits, and whether its readers keep up.

use crate::cli::doctor::finding::{Findings, Hop};
use crate::cli::doctor::read::aws::Looked;
use crate::cli::doctor::read::kinesis::Stream;
use crate::cli::doctor::read::lambda::Function;
use crate::cli::doctor::read::{Chain, Place, quoted};

/// Hours of retention that an outage of a weekend needs.
const RETENTION_LEAST: u64 = 48;

/// Parts of the retention that the oldest unread record may have.
const AGE_WARNING: f64 = 0.25;

const AGE_ERROR: f64 = 0.75;

/// Bytes that a shard takes in the five minutes of a data point.
const SHARD_BYTES: f64 = 300.0 * 1_048_576.0;

/// A shard is hot that takes so many times as much as the others in the mean.
const HOT_TIMES: f64 = 3.0;

const HOUR_MS: f64 = 3_600_000.0;

pub(super) fn check(chain: &Chain, findings: &mut Findings) {
    let Some(name) = &chain.stream_name else { return };
    let stream = match &chain.stream {
        Looked::Found(stream) => stream,
        Looked::NotThere => {
            let read = format!("there is no stream {name}");
            let why = "CloudWatch Logs writes to it, and skips what it cannot deliver";
            let mend = chain.place.aws(&format!(
                "kinesis create-stream --stream-name {} --stream-mode-details StreamMode=ON_DEMAND",
                quoted(name)
            ));
            return findings.error(Hop::Stream, "stream-missing", read, why, mend);
        }
        Looked::Unknown => return,
    };
    state(&chain.place, stream, findings);
    throttled(chain, stream, findings);
    hot_shard(chain, stream, findings);
    age(chain, stream, findings);
    let is_read = chain.mappings.iter().any(|mapping| !chain.is_foreign(&mapping.function_arn));
    if chain.are_readers_known && chain.deliveries.is_empty() && !is_read {
        let read = format!("no delivery stream and no function of Hydrant's reads {name}");
        let why = "records expire unread, unless a program such as `hydrant run` reads them";
        let mend = chain.place.aws(&format!(
            "lambda create-event-source-mapping --function-name FUNCTION --event-source-arn {} --starting-position TRIM_HORIZON \
             --bisect-batch-on-function-error --function-response-types ReportBatchItemFailures",
            quoted(&stream.arn)
        ));
        findings.warning(Hop::Stream, "stream-no-reader", read, why, mend);
    }
}

fn state(place: &Place, stream: &Stream, findings: &mut Findings) {
    let name = quoted(&stream.name);
    if stream.status == "UPDATING" {
        let why = "it takes records meanwhile; look again in some minutes";
        let mend = place.aws(&format!("kinesis wait stream-exists --stream-name {name}"));
        findings.info(Hop::Stream, "stream-updating", format!("{} is UPDATING", stream.name), why, mend);
    } else if stream.status != "ACTIVE" {
        let why = "a stream that is not active takes no record";
        let mend = place.aws(&format!("kinesis describe-stream-summary --stream-name {name}"));
        findings.error(Hop::Stream, "stream-not-active", format!("{} is {}", stream.name, stream.status), why, mend);
    }
    if stream.retention_hours < RETENTION_LEAST {
        let read = format!("{} keeps records for {} hours", stream.name, stream.retention_hours);
        let why = "an outage of what reads it that lasts longer loses log entries; 168 hours outlast a long weekend";
        let mend = place.aws(&format!(
            "kinesis increase-stream-retention-period --stream-name {name} --retention-period-hours 168"
        ));
        findings.warning(Hop::Stream, "stream-retention", read, why, mend);
    }
}

fn throttled(chain: &Chain, stream: &Stream, findings: &mut Findings) {
    let on_demand = chain.place.aws(&format!(
        "kinesis update-stream-mode --stream-arn {} --stream-mode-details StreamMode=ON_DEMAND",
        quoted(&stream.arn)
    ));
    if let Some(records) = chain.metrics.sum("writethrottled").filter(|records| *records > 0.0) {
        let read = format!("{} refused {records} records in the last hour", stream.name);
        let why = "a shard takes 1 MiB and 1,000 records a second; CloudWatch Logs tries again for a day, then drops";
        findings.warning(Hop::Stream, "stream-write-throttled", read, why, on_demand);
    }
    if let Some(reads) = chain.metrics.sum("readthrottled").filter(|reads| *reads > 0.0) {
        let read = format!("{} refused {reads} reads in the last hour", stream.name);
        let why = "its readers share 2 MiB and five reads a second of each shard; more than two of them fall behind";
        let mend = chain.place.aws(&format!("kinesis list-stream-consumers --stream-arn {}", quoted(&stream.arn)));
        findings.warning(Hop::Stream, "stream-read-throttled", read, why, mend);
    }
}

/// One shard that takes nearly all it may, while others do not: only where the metrics of shards are switched on.
fn hot_shard(chain: &Chain, stream: &Stream, findings: &mut Findings) {
    let of = |idx: usize| chain.metrics.most(&format!("shardbytes{idx}")).unwrap_or_default();
    let bytes: Vec<(f64, &String)> = stream.shards.iter().enumerate().map(|(idx, shard)| (of(idx), shard)).collect();
    let all: f64 = bytes.iter().map(|(bytes, _)| bytes).sum();
    let Some((most, shard)) = bytes.iter().max_by(|one, two| one.0.total_cmp(&two.0)) else { return };
    let mean = (all - most) / bytes.len().saturating_sub(1).max(1) as f64;
    if bytes.len() < 2 || *most < SHARD_BYTES * 0.5 || *most < mean * HOT_TIMES {
        return;
    }
    let read = format!(
        "{shard} takes {:.0} % of what a shard may, the others of {} {:.0} % in the mean",
        most / SHARD_BYTES * 100.0,
        stream.name,
        mean / SHARD_BYTES * 100.0
    );
    let why = "one instance is one log stream; distributed by log stream, all of it goes to one shard";
    let (group, filter) = (chain.group_name.as_deref().unwrap_or("LOG_GROUP"), chain.filter.as_ref());
    let mend = chain.place.aws(&format!(
        "logs put-subscription-filter --log-group-name {} --filter-name {} --filter-pattern {} --destination-arn {} --role-arn {} --distribution Random",
        quoted(group),
        quoted(filter.map_or("FILTER", |filter| filter.filter_name.as_str())),
        quoted(filter.map_or("", |filter| filter.filter_pattern.as_str())),
        quoted(&stream.arn),
        quoted(filter.and_then(|filter| filter.role_arn.as_deref()).unwrap_or("ROLE_ARN"))
    ));
    findings.warning(Hop::Stream, "stream-hot-shard", read, why, mend);
}

fn age(chain: &Chain, stream: &Stream, findings: &mut Findings) {
    // A function that is a consumer of its own shows in Lambda's metric alone.
    let of_function = |(idx, function): (usize, &Function)| {
        Some((chain.metrics.most(&format!("functionage{idx}"))?, format!(" by {}", function.name)))
    };
    let all = chain.functions.iter().enumerate().filter_map(of_function);
    let all = all.chain(chain.metrics.most("age").map(|age_ms| (age_ms, String::new())));
    let Some((age_ms, by)) = all.max_by(|one, two| one.0.total_cmp(&two.0)) else { return };
    let retention_ms = stream.retention_hours as f64 * HOUR_MS;
    let read = format!(
        "the oldest record of {} that is not read{by} is {:.1} hours old, of {} hours that it is kept",
        stream.name,
        age_ms / HOUR_MS,
        stream.retention_hours
    );
    let why = "what is older than the retention is gone; a longer one wins the time to mend what reads the stream";
    let hours = (stream.retention_hours * 2).clamp(48, 8_760);
    let mend = chain.place.aws(&format!(
        "kinesis increase-stream-retention-period --stream-name {} --retention-period-hours {hours}",
        quoted(&stream.name)
    ));
    if age_ms > retention_ms * AGE_ERROR {
        findings.error(Hop::Stream, "stream-iterator-age", read, why, mend);
    } else if age_ms > retention_ms * AGE_WARNING {
        findings.warning(Hop::Stream, "stream-iterator-age", read, why, mend);
    }
}
