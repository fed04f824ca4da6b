//! The function: is it Hydrant's, has it time and memory, may it do what it has to, and does it fail.

use super::{Needs, role};
use crate::cli::doctor::finding::{Findings, Hop, Severity};
use crate::cli::doctor::read::lambda::{Function, parts};
use crate::cli::doctor::read::{Chain, quoted};

/// What hydrant-lambda is built for.
const RUNTIME: &str = "provided.al2023";

/// Firehose sends up to 3 MB, and what does not fit is sent back within the call.
const TIMEOUT_LEAST: u64 = 60;

/// So long Firehose waits for an answer.
const TIMEOUT_OF_FIREHOSE: u64 = 300;

/// Calls at once that are reserved for a function which had none of its own.
const CONCURRENCY: u64 = 20;

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
        if chain.is_foreign(&function.asked) {
            foreign(function, findings);
            continue;
        }
        runtime(chain, function, findings);
        limits(chain, function, findings);
        concurrency(chain, function, findings);
        settings(chain, function, findings);
        rights(chain, function, findings);
        numbers(chain, idx, function, findings);
    }
}

fn foreign(function: &Function, findings: &mut Findings) {
    let read = format!(
        "{} has the runtime {} and no HYDRANT_ variable, and no delivery stream calls it",
        function.name, function.runtime
    );
    let why = "it is not Hydrant's: neither it nor what it writes to is checked";
    findings.info(Hop::Lambda, "lambda-not-hydrant", read, why, "nothing has to be done".to_owned());
}

/// How a function is called.
enum Called<'a> {
    /// As it is now.
    Latest,
    Version(&'a str),
    Alias(&'a str),
}

impl Called<'_> {
    fn of(function: &Function) -> Called<'_> {
        match parts(&function.asked).1 {
            None | Some("$LATEST") => Called::Latest,
            Some(version) if version.bytes().all(|byte| byte.is_ascii_digit()) => Called::Version(version),
            Some(alias) => Called::Alias(alias),
        }
    }

    /// Behind a change: what makes it that which is called.
    fn publish(&self, chain: &Chain, name: &str) -> Option<String> {
        let publish = format!("lambda publish-version --function-name {name}");
        match self {
            Called::Latest => None,
            Called::Version(_) => Some(chain.place.aws(&publish)),
            Called::Alias(alias) => {
                let publish = chain.place.aws(&format!("{publish} --query Version --output text"));
                Some(chain.place.aws(&format!(
                    "lambda update-alias --function-name {name} --name {} --function-version \"$({publish})\"",
                    quoted(alias)
                )))
            }
        }
    }

    /// What else has to be known before a change.
    fn caution(&self) -> String {
        match self {
            Called::Latest => String::new(),
            Called::Version(version) => format!("; what calls version {version} has to name the new one"),
            Called::Alias(alias) => format!(
                "; {alias} is called, so it has to lead to a new version: in a stack of deploy/cloudformation by \
                 deploying it with another Release instead"
            ),
        }
    }
}

/// The command that changes a function, and then makes it what is called: callers of an alias get a version of before.
fn change(chain: &Chain, function: &Function, commands: &[String]) -> String {
    let name = quoted(&function.name);
    let wait = chain.place.aws(&format!("lambda wait function-updated-v2 --function-name {name}"));
    let publish = Called::of(function).publish(chain, &name);
    let all: Vec<&str> = commands.iter().map(String::as_str).chain(publish.as_deref()).collect();
    all.join(&format!(" && {wait} && "))
}

/// Why it matters, and what else has to be known before a function is changed.
fn why(function: &Function, why: &str) -> String {
    format!("{why}{}", Called::of(function).caution())
}

/// The command that changes a setting.
fn configure(chain: &Chain, function: &Function, setting: &str) -> String {
    let name = quoted(&function.name);
    chain.place.aws(&format!("lambda update-function-configuration --function-name {name} {setting}"))
}

fn runtime(chain: &Chain, function: &Function, findings: &mut Findings) {
    let (name, qualifier) = parts(&function.asked);
    if function.runtime != RUNTIME {
        let read = format!("{name} has the runtime {}", function.runtime);
        let told = "it is not hydrant-lambda; a pasted function delivers at most the first log event of each record";
        let architecture = if function.architecture.is_empty() { "x86_64" } else { &function.architecture };
        let code = chain.place.aws(&format!(
            "lambda update-function-code --function-name {} --zip-file fileb://hydrant-lambda-{architecture}.zip",
            quoted(name)
        ));
        let configure = configure(chain, function, &format!("--runtime {RUNTIME} --handler bootstrap"));
        let mend = change(chain, function, &[configure, code]);
        findings.warning(Hop::Lambda, "lambda-runtime", read, &why(function, told), mend);
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
    let (name, seconds) = (&function.name, function.timeout_seconds);
    let mut set = |code, read, told: &str, setting: &str| {
        let mend = change(chain, function, &[configure(chain, function, setting)]);
        findings.warning(Hop::Lambda, code, read, &why(function, told), mend);
    };
    if seconds < TIMEOUT_LEAST {
        let told = "what is sent back, and an OpenSearch that is busy, take longer; a call that is cut off is made again whole";
        set("lambda-timeout", format!("{name} may run {seconds} s"), told, "--timeout 120");
    }
    if seconds > TIMEOUT_OF_FIREHOSE && chain.is_processor(&function.asked) {
        let told = "Firehose waits for five minutes and then makes the call again, while this one is still at work";
        set("lambda-timeout", format!("{name} may run {seconds} s"), told, "--timeout 300");
    }
    if function.memory_mb < MEMORY_LEAST {
        let told = "memory and processor time are given together; a full event needs both";
        set("lambda-memory", format!("{name} has {} MB", function.memory_mb), told, "--memory-size 512");
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
        let told = "entries that cannot become documents have no place where they and their reason are kept";
        // All variables are set at once: the others go from the function to itself, and are not shown.
        let get = chain.place.aws(&format!(
            "lambda get-function-configuration --function-name {} --output json --query '{{Variables: \
             merge(Environment.Variables || `{{}}`, {{HYDRANT_FAILED_TO: `\"s3://BUCKET/hydrant\"`}})}}'",
            quoted(&function.name)
        ));
        let configure = configure(chain, function, &format!("--environment \"$({get})\""));
        let mend = change(chain, function, &[configure]);
        findings.warning(Hop::Lambda, "lambda-no-failed-bucket", read, &why(function, told), mend);
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
    let (hop, service) = (Hop::Lambda, "lambda");
    let needs = Needs { hop, service, codes, why, rights: logs, severity: Severity::Warning };
    role(chain, findings, &function.role, &needs);
    // The others say nothing of a role that is not there once more.
    if chain.role(&function.role).is_none() {
        return;
    }
    let mut rights = Vec::new();
    let stream = chain.stream.found().map(|stream| stream.arn.clone());
    let is_mapped = chain.mappings.iter().any(|mapping| mapping.function_arn == function.asked);
    if let Some(stream) = &stream {
        if is_mapped {
            rights.extend(super::READING.map(|action| (action, stream.clone())));
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
        rights.push(("s3:PutObject", format!("arn:{}:s3:::{}/*", chain.place.partition, to.trim_end_matches('/'))));
    }
    let codes = ["lambda-role-missing", "lambda-role-trust", "lambda-role-rights"];
    let why = "the function cannot do its work: what it may not write stays where it is, or goes to the bucket";
    role(chain, findings, &function.role, &Needs { hop, service, codes, why, rights, severity: Severity::Error });
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
    // One that is switched off is told of already.
    if let Some(throttles) = sum("throttles").filter(|_| function.reserved != Some(0)) {
        let read = format!("{throttles} calls of {} were throttled in the last hour", function.name);
        let why = "the account's, or the function's, concurrency is used up; Firehose gives up after three more tries";
        let reserved = function.reserved.map_or(CONCURRENCY, |reserved| reserved.saturating_mul(2));
        let mend = chain.place.aws(&format!(
            "lambda put-function-concurrency --function-name {} --reserved-concurrent-executions {reserved}",
            quoted(&function.name)
        ));
        findings.warning(Hop::Lambda, "lambda-throttled", read, why, mend);
    }
}
