//! The function: is it Hydrant's, has it time and memory, may it do what it has to, and does it fail.

use super::{Needs, role};
use crate::cli::doctor::finding::{Findings, Hop};
use crate::cli::doctor::read::lambda::{Function, parts};
use crate::cli::doctor::read::{Chain, quoted};

/// What hydrant-lambda is built for.
const RUNTIME: &str = "provided.al2023";

/// Firehose sends up to 3 MB, and what does not fit is sent back within the call.
const TIMEOUT_LEAST: u64 = 60;

/// An event of 6 MB, its answer, and what is made of it on the way.
const MEMORY_LEAST: u64 = 256;

pub(super) fn check(chain: &Chain, findings: &mut Findings) {
    for arn in chain.absent.iter().filter(|arn| arn.contains(":lambda:")) {
        let read = format!("there is no function {arn}");
        let why = "what calls it fails, and what it should have transformed waits or goes to the bucket";
        let mend = chain.place.aws("lambda list-functions --query 'Functions[].FunctionArn'");
        findings.error(Hop::Lambda, "lambda-missing", read, why, mend);
    }
    for (idx, function) in chain.functions.iter().enumerate() {
        runtime(chain, function, findings);
        limits(chain, function, findings);
        concurrency(chain, function, findings);
        settings(chain, function, findings);
        rights(chain, function, findings);
        numbers(chain, idx, function, findings);
    }
}

/// The command that changes a setting.
fn configure(chain: &Chain, function: &Function, change: &str) -> String {
    let (name, _) = parts(&function.arn);
    chain.place.aws(&format!("lambda update-function-configuration --function-name {} {change}", quoted(name)))
}

fn runtime(chain: &Chain, function: &Function, findings: &mut Findings) {
    let (name, qualifier) = parts(&function.asked);
    if function.runtime != RUNTIME {
        let read = format!("{name} has the runtime {}", function.runtime);
        let why = "it is not hydrant-lambda; a pasted function delivers at most the first log event of each record";
        let mend = format!(
            "{} && {}",
            configure(chain, function, &format!("--runtime {RUNTIME} --handler bootstrap")),
            chain.place.aws(&format!(
                "lambda update-function-code --function-name {} --zip-file fileb://hydrant-lambda-x86_64.zip",
                quoted(name)
            ))
        );
        findings.warning(Hop::Lambda, "lambda-runtime", read, why, mend);
    }
    let is_failed = function.state == "Failed" || function.last_update == "Failed";
    if is_failed || function.state == "Inactive" {
        let read = format!(
            "{name} is {}, its last update {}: {}",
            function.state, function.last_update, function.state_reason
        );
        let why = "a function in this state is not called, or its last change did not take effect";
        let qualifier = qualifier.map(|one| format!(" --qualifier {}", quoted(one))).unwrap_or_default();
        let mend = chain.place.aws(&format!("lambda get-function --function-name {}{qualifier}", quoted(name)));
        findings.error(Hop::Lambda, "lambda-state", read, why, mend);
    }
}

fn limits(chain: &Chain, function: &Function, findings: &mut Findings) {
    let name = &function.name;
    if function.timeout_seconds < TIMEOUT_LEAST {
        let read = format!("{name} may run {} s", function.timeout_seconds);
        let why = "what is sent back, and an OpenSearch that is busy, take longer; a call that is cut off is made again whole";
        findings.error(Hop::Lambda, "lambda-timeout", read, why, configure(chain, function, "--timeout 120"));
    }
    if function.memory_mb < MEMORY_LEAST {
        let read = format!("{name} has {} MB", function.memory_mb);
        let why = "memory and processor time are given together; a full event needs both";
        findings.warning(Hop::Lambda, "lambda-memory", read, why, configure(chain, function, "--memory-size 512"));
    }
}

fn concurrency(chain: &Chain, function: &Function, findings: &mut Findings) {
    let name = quoted(&function.name);
    if function.reserved == Some(0) {
        let read = format!("{} has a reserved concurrency of 0", function.name);
        let why = "it is switched off: every call is refused";
        let mend = chain.place.aws(&format!("lambda delete-function-concurrency --function-name {name}"));
        findings.error(Hop::Lambda, "lambda-concurrency", read, why, mend);
    }
}

fn settings(chain: &Chain, function: &Function, findings: &mut Findings) {
    if function.runtime == RUNTIME && !function.variables.contains_key("HYDRANT_FAILED_TO") {
        let read = format!("{} has no HYDRANT_FAILED_TO", function.name);
        let why = "entries that cannot become documents have no place where they and their reason are kept";
        // The command sets all variables at once.
        let mut all: Vec<String> = function.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        all.push("HYDRANT_FAILED_TO=s3://BUCKET/hydrant".to_owned());
        let change = format!("--environment {}", quoted(&format!("Variables={{{}}}", all.join(","))));
        findings.warning(Hop::Lambda, "lambda-no-failed-bucket", read, why, configure(chain, function, &change));
    }
}

fn rights(chain: &Chain, function: &Function, findings: &mut Findings) {
    let account = chain.place.account.as_deref().unwrap_or_default();
    let log =
        format!("arn:{}:logs:{}:{account}:log-group:{}", chain.place.partition, chain.place.region, function.log_group);
    let codes = ["lambda-role-missing", "lambda-role-trust", "lambda-no-log"];
    let why = "without its log nobody learns why it fails";
    // Policies name the group, or its streams.
    let may = chain.role(&function.role).is_some_and(|role| {
        [log.clone(), format!("{log}:log-stream:x")]
            .iter()
            .any(|one| super::policy::allows(role, "logs:PutLogEvents", one))
    });
    let logs = if may { Vec::new() } else { vec![("logs:PutLogEvents", format!("{log}:*"))] };
    role(chain, findings, &function.role, &Needs { hop: Hop::Lambda, service: "lambda", codes, why, rights: logs });
    // The others say nothing of a role that is not there once more.
    if chain.role(&function.role).is_none() {
        return;
    }
    let mut rights = Vec::new();
    let stream = chain.stream.found().map(|stream| stream.arn.clone());
    let is_mapped = chain.mappings.iter().any(|mapping| mapping.function_arn == function.asked);
    if let Some(stream) = &stream {
        if is_mapped {
            rights.push(("kinesis:GetRecords", stream.clone()));
            rights.push(("kinesis:GetShardIterator", stream.clone()));
            rights.extend(super::key(chain).map(|key| ("kms:Decrypt", key)));
        } else {
            rights.push(("kinesis:PutRecords", stream.clone()));
            rights.extend(super::key(chain).map(|key| ("kms:GenerateDataKey", key)));
        }
    }
    for cluster in chain.clusters.iter().filter(|cluster| cluster.writers.contains(&function.role)) {
        if !crate::cli::doctor::read::destinations::writes(chain, function) {
            continue;
        }
        rights.extend(cluster.domain_arn.as_ref().map(|arn| ("es:ESHttpPost", format!("{arn}/_bulk"))));
    }
    if let Some(to) = function.variables.get("HYDRANT_FAILED_TO").and_then(|to| to.strip_prefix("s3://")) {
        rights.push(("s3:PutObject", format!("arn:{}:s3:::{}/x", chain.place.partition, to.trim_end_matches('/'))));
    }
    let codes = ["lambda-role-missing", "lambda-role-trust", "lambda-role-rights"];
    let why = "the function cannot do its work: what it may not write stays where it is, or goes to the bucket";
    role(chain, findings, &function.role, &Needs { hop: Hop::Lambda, service: "lambda", codes, why, rights });
}

fn numbers(chain: &Chain, idx: usize, function: &Function, findings: &mut Findings) {
    let sum = |id: &str| chain.metrics.sum(&format!("{id}{idx}")).filter(|count| *count > 0.0);
    if let Some(errors) = sum("errors") {
        let read = format!("{errors} calls of {} failed in the last hour", function.name);
        let why =
            "a call that fails is made again whole, four times by Firehose, until the records expire by a mapping";
        let mend = chain.place.aws(&format!(
            "logs tail {} --since 1h --filter-pattern '?ERROR ?error ?Task'",
            quoted(&function.log_group)
        ));
        findings.warning(Hop::Lambda, "lambda-errors", read, why, mend);
    }
    if let Some(throttles) = sum("throttles") {
        let read = format!("{throttles} calls of {} were throttled in the last hour", function.name);
        let why = "the account's, or the function's, concurrency is used up; Firehose gives up after three more tries";
        let mend = chain.place.aws(&format!(
            "lambda put-function-concurrency --function-name {} --reserved-concurrent-executions 20",
            quoted(&function.name)
        ));
        findings.warning(Hop::Lambda, "lambda-throttled", read, why, mend);
    }
}
