//! The subscription filter: does it lead on, is its role right, and does it forward what comes in.

use super::{Needs, role};
use crate::cli::doctor::finding::{Findings, Hop, Severity};
use crate::cli::doctor::read::aws::Looked;
use crate::cli::doctor::read::logs::Filter;
use crate::cli::doctor::read::{Chain, quoted};

/// AWS's bound, of a log group.
const FILTERS_MAX: usize = 2;

/// Of the incoming log events; counters of the two metrics need not end at the same second.
const FORWARDED_LEAST: f64 = 0.9;

/// The metrics of a filter that is younger may not be there yet.
const YOUNG_MS: i64 = 20 * 60_000;

/// Kinds of destination of one filter name that are counted.
const KINDS_MAX: usize = 8;

pub(super) fn check(chain: &Chain, findings: &mut Findings) {
    let Some(group) = chain.group.found() else { return };
    let Some(filters) = group.filters.found() else { return };
    let Some(filter) = &chain.filter else {
        // What policies of the account forward is not known where they may not be read.
        if chain.account_filters != Looked::Unknown {
            missing(chain, findings, &group.log_group_name, filters);
        }
        return;
    };
    beside(chain, findings, filters, filter);
    pattern(chain, findings, &group.log_group_name, filter);
    distribution(chain, findings, &group.log_group_name, filter);
    if let Some(arn) = &filter.role_arn {
        let rights = rights(chain, filter);
        let needs = Needs {
            hop: Hop::Filter,
            service: "logs",
            codes: ["filter-role-missing", "filter-role-trust", "filter-role-rights"],
            why: "CloudWatch Logs cannot write, switches the filter off for up to ten minutes at a time, and skips what comes meanwhile",
            rights,
            severity: Severity::Error,
        };
        role(chain, findings, arn, &needs);
    }
    if filter.destination_arn.contains(":destination:") {
        let read = format!("{} leads to {}", filter.filter_name, filter.destination_arn);
        let why = "a destination of another account: what stands behind it is checked there";
        let region = quoted(&chain.place.region);
        let mend = format!("hydrant doctor STREAM --region {region} --profile PROFILE_OF_THAT_ACCOUNT");
        findings.info(Hop::Filter, "filter-cross-account", read, why, mend);
    }
    let is_failing = deliveries(chain, findings, &group.log_group_name, filter);
    forwarded(chain, findings, &group.log_group_name, filter, is_failing);
}

/// The other filter of a log group that has two, where it leads to a chain of the same kind.
fn beside(chain: &Chain, findings: &mut Findings, filters: &[Filter], walked: &Filter) {
    let is_chain = |other: &&Filter| other.destination_arn.contains(":kinesis:");
    for other in filters.iter().filter(|other| other.filter_name != walked.filter_name).filter(is_chain) {
        let read = format!(
            "{} leads to {}, which is walked; {} leads to {}, which is not",
            walked.filter_name, walked.destination_arn, other.filter_name, other.destination_arn
        );
        let why = "both get every log event that their patterns let pass; a chain is checked from its stream on";
        let mend = chain.place.doctor(&other.destination_arn);
        findings.info(Hop::Filter, "filter-not-walked", read, why, mend);
    }
}

fn rights(chain: &Chain, filter: &Filter) -> Vec<(&'static str, String)> {
    let to = filter.destination_arn.clone();
    let mut rights = match to.split(':').nth(2) {
        Some("kinesis") => vec![("kinesis:PutRecord", to)],
        Some("firehose") => vec![("firehose:PutRecord", to)],
        _ => Vec::new(),
    };
    rights.extend(super::key(chain).map(|key| ("kms:GenerateDataKey", key)));
    rights
}

fn missing(chain: &Chain, findings: &mut Findings, group: &str, filters: &[Filter]) {
    let to = chain.stream.found().map_or("STREAM_ARN", |stream| stream.arn.as_str());
    let put = chain.place.aws(&format!(
        "logs put-subscription-filter --log-group-name {} --filter-name hydrant --filter-pattern '' \
         --destination-arn {} --role-arn ROLE_ARN --distribution Random",
        quoted(group),
        quoted(to)
    ));
    let names: Vec<&str> = filters.iter().map(|filter| filter.filter_name.as_str()).collect();
    if filters.len() >= FILTERS_MAX {
        let read = format!("{group} has the filters {}, and none leads to the chain", names.join(", "));
        let why = "a log group takes two subscription filters at most, so one of these has to go first: you choose which, and what it leads to gets nothing more";
        let delete = chain.place.aws(&format!(
            "logs delete-subscription-filter --log-group-name {} --filter-name FILTER_TO_GIVE_UP",
            quoted(group)
        ));
        return findings.error(Hop::Filter, "filter-no-room", read, why, format!("{delete} && {put}"));
    }
    let read = match names.as_slice() {
        [] => format!("{group} has no subscription filter"),
        names => format!("{group} has the filter {}, which does not lead to the chain", names.join(", ")),
    };
    findings.error(Hop::Filter, "filter-missing", read, "no log event leaves the log group", put);
}

fn put_again(chain: &Chain, group: &str, filter: &Filter, pattern: &str, distribution: &str) -> String {
    if filter.is_of_account {
        let distribution = distribution.rsplit(' ').next().unwrap_or_default();
        let document = serde_json::json!({"DestinationArn": filter.destination_arn, "RoleArn": filter.role_arn,
            "FilterPattern": pattern, "Distribution": distribution});
        return chain.place.aws(&format!(
            "logs put-account-policy --policy-name {} --policy-type SUBSCRIPTION_FILTER_POLICY --policy-document {}",
            quoted(&filter.filter_name),
            quoted(&document.to_string())
        ));
    }
    let role = filter.role_arn.as_ref().map(|arn| format!(" --role-arn {}", quoted(arn))).unwrap_or_default();
    chain.place.aws(&format!(
        "logs put-subscription-filter --log-group-name {} --filter-name {} --filter-pattern {} --destination-arn {}{role}{distribution}",
        quoted(group),
        quoted(&filter.filter_name),
        quoted(pattern),
        quoted(&filter.destination_arn)
    ))
}

fn pattern(chain: &Chain, findings: &mut Findings, group: &str, filter: &Filter) {
    // The sample is of a general log.
    let is_general = chain.origin.as_ref().is_none_or(|origin| origin.log == "general");
    if filter.passes != Some(false) || !is_general {
        return;
    }
    let read = format!(
        "the pattern {:?} of {} does not let an ordinary entry pass",
        filter.filter_pattern, filter.filter_name
    );
    let why = "log events that the pattern does not match are not forwarded, without a word";
    let mend = put_again(chain, group, filter, "", &format!(" --distribution {}", kept(filter)));
    findings.warning(Hop::Filter, "filter-pattern", read, why, mend);
}

fn kept(filter: &Filter) -> &str {
    if filter.distribution.is_empty() { "ByLogStream" } else { &filter.distribution }
}

fn distribution(chain: &Chain, findings: &mut Findings, group: &str, filter: &Filter) {
    let shards = chain.stream.found().map_or(0, |stream| stream.shards.len());
    if filter.distribution == "Random" || shards < 2 {
        return;
    }
    let read = format!("{} distributes {} over {shards} shards", filter.filter_name, kept(filter));
    let why = "one instance is one log stream, so all of it goes to one shard, whose limit is then that of the chain";
    let mend = put_again(chain, group, filter, &filter.filter_pattern, " --distribution Random");
    findings.warning(Hop::Filter, "filter-by-log-stream", read, why, mend);
}

/// The sum of a metric over all kinds of destination under which CloudWatch Logs counts.
fn over_kinds(id: &str, of: impl Fn(&str) -> f64) -> f64 {
    (0..KINDS_MAX).map(|idx| of(&format!("{id}{idx}"))).sum()
}

fn deliveries(chain: &Chain, findings: &mut Findings, group: &str, filter: &Filter) -> bool {
    let sum = |id: &str| over_kinds(id, |id| chain.metrics.sum(id).unwrap_or_default());
    let (errors, throttled) = (sum("deliveryerrors"), sum("deliverythrottling"));
    if errors > 0.0 {
        let read = format!("{errors} deliveries of {} failed in the last hour", filter.filter_name);
        let why = "CloudWatch Logs tries for a day what it may try again, and drops the rest";
        findings.error(Hop::Filter, "filter-delivery-errors", read, why, look(chain, group));
    }
    if throttled > 0.0 {
        let read = format!("{throttled} deliveries of {} were throttled in the last hour", filter.filter_name);
        let why = "the stream takes less than is forwarded; what is throttled for a day is dropped";
        let stream = chain.stream_name.as_deref().unwrap_or("STREAM");
        let mend = chain.place.aws(&format!(
            "kinesis update-stream-mode --stream-arn {} --stream-mode-details StreamMode=ON_DEMAND",
            quoted(chain.stream.found().map_or(stream, |stream| stream.arn.as_str()))
        ));
        findings.warning(Hop::Filter, "filter-throttled", read, why, mend);
    }
    errors > 0.0 || throttled > 0.0
}

fn look(chain: &Chain, group: &str) -> String {
    chain.place.aws(&format!("logs describe-subscription-filters --log-group-name {}", quoted(group)))
}

/// What came in since the filter is there, against what went on.
fn forwarded(chain: &Chain, findings: &mut Findings, group: &str, filter: &Filter, is_failing: bool) {
    let now_ms = chain.place.now_ms;
    let since_ms = filter.creation_time.unwrap_or_default();
    if !chain.is_forwarded_known || now_ms - since_ms < YOUNG_MS {
        return;
    }
    let within = |id: &str| chain.metrics.sum_within(id, since_ms..now_ms);
    let (incoming, out) = (within("incoming"), over_kinds("forwarded", within));
    if incoming <= 0.0 {
        return;
    }
    let (name, pattern) = (&filter.filter_name, filter.filter_pattern.trim());
    let read = format!("of {incoming} log events in the last hour {out} were forwarded by {name}");
    // What a metric tells of the period that is not over yet.
    let is_any = over_kinds("forwarded", |id| chain.metrics.sum(id).unwrap_or_default()) > 0.0;
    if !is_any {
        let why = "log events come in and none goes on: a role that is refused, a stream that is gone, or a pattern that matches none";
        if pattern.is_empty() || is_failing {
            return findings.error(Hop::Filter, "filter-forwards-nothing", read, why, look(chain, group));
        }
        let why = "the pattern may leave all of them out, as it does the heartbeats of an idle database";
        findings.info(Hop::Filter, "filter-forwards-nothing", read, why, look(chain, group));
    } else if pattern.is_empty() && out < incoming * FORWARDED_LEAST {
        let why = "the pattern lets all pass, so what is missing was not delivered";
        findings.warning(Hop::Filter, "filter-forwards-less", read, why, look(chain, group));
    }
}
