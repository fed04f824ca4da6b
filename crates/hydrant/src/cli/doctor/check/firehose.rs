//! Firehose: does it transform, is its buffer small enough, where does it write, and does it keep up.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{Needs, role};
use crate::cli::doctor::finding::{Findings, Hop, Severity};
use crate::cli::doctor::read::firehose::{Delivery, Destination, Kind, Mb, Processor};
use crate::cli::doctor::read::{Chain, encoded, last_part, quoted};
use crate::cli::doctor::remedy;

/// A buffer of packed records grows 4 to 15 times until it is an answer, which may have 6 MB.
const BUFFER_MOST: Mb = Mb(300);

/// Seconds that the oldest undelivered record may have.
const FRESHNESS_WARNING: f64 = 900.0;

const FRESHNESS_ERROR: f64 = 3_600.0;

pub(super) fn check(chain: &Chain, findings: &mut Findings) {
    for arn in chain.absent.iter().filter(|arn| arn.contains(":firehose:")) {
        let read = format!("there is no delivery stream {arn}");
        let mend = chain.place.aws("firehose list-delivery-streams");
        findings.error(Hop::Firehose, "firehose-missing", read, "what the filter forwards goes nowhere", mend);
    }
    for (idx, delivery) in chain.deliveries.iter().enumerate() {
        state(chain, delivery, findings);
        destination(chain, delivery, findings);
        processor(chain, delivery, findings);
        backup(chain, delivery, findings);
        rights(chain, delivery, findings);
        numbers(chain, idx, delivery, findings);
    }
}

fn describe(chain: &Chain, delivery: &Delivery) -> String {
    chain.place.aws(&format!("firehose describe-delivery-stream --delivery-stream-name {}", quoted(&delivery.name)))
}

/// The command that changes the destination.
fn update(chain: &Chain, delivery: &Delivery, change: &str) -> String {
    let member = match delivery.destination.kind {
        Kind::Serverless => "amazon-open-search-serverless-destination-update",
        _ if delivery.destination.is_legacy => "elasticsearch-destination-update",
        Kind::Domain | Kind::Other(_) | Kind::None => "amazonopensearchservice-destination-update",
    };
    chain.place.aws(&format!(
        "firehose update-destination --delivery-stream-name {} --current-delivery-stream-version-id {} --destination-id {} \
         --{member} {}",
        quoted(&delivery.name),
        quoted(&delivery.version),
        quoted(&delivery.destination_id),
        quoted(change)
    ))
}

fn state(chain: &Chain, delivery: &Delivery, findings: &mut Findings) {
    if delivery.status != "ACTIVE" {
        let read = format!("{} is {}", delivery.name, delivery.status);
        let why = "a delivery stream that is not active delivers nothing";
        findings.error(Hop::Firehose, "firehose-not-active", read, why, describe(chain, delivery));
    }
}

fn destination(chain: &Chain, delivery: &Delivery, findings: &mut Findings) {
    let found = &delivery.destination;
    let rotation = format!("{} writes to the index {} with {}", delivery.name, found.index, found.rotation);
    match &found.kind {
        Kind::Other(name) => {
            let read = format!("{} has {name}", delivery.name);
            let why = "this delivery stream does not end in OpenSearch, so what is behind it is not checked";
            findings.info(Hop::Firehose, "firehose-other-destination", read, why, describe(chain, delivery));
        }
        Kind::None => {
            let read = format!("{} has no destination", delivery.name);
            let why = "what it takes goes nowhere";
            findings.error(Hop::Firehose, "firehose-no-destination", read, why, describe(chain, delivery));
        }
        Kind::Domain if found.rotation == "NoRotation" => {
            let why = "one index grows for ever, and entries of a time cannot be deleted with their index";
            let mend = update(chain, delivery, "{\"IndexRotationPeriod\":\"OneDay\"}");
            findings.warning(Hop::Firehose, "firehose-no-rotation", rotation, why, mend);
        }
        Kind::Domain | Kind::Serverless => {}
    }
}

/// The processors with some parameters of the function's set, and all else as it is.
fn with_processor(delivery: &Delivery, parameters: &[(&str, &str)]) -> String {
    let name = |one: &Json| one.get("ParameterName").and_then(Json::as_str).map(str::to_owned);
    let is_set = |one: &Json| parameters.iter().any(|(set, _)| name(one).as_deref() == Some(*set));
    let mut processors = delivery.processors.clone();
    let is_lambda = |one: &Json| one.get("Type").and_then(Json::as_str) == Some("Lambda");
    if !processors.iter().any(is_lambda) {
        processors.push(json!({"Type": "Lambda"}));
    }
    for processor in processors.iter_mut().filter(|one| is_lambda(one)) {
        let mut all = processor.get("Parameters").and_then(Json::as_array).cloned().unwrap_or_default();
        all.retain(|one| !is_set(one));
        all.extend(parameters.iter().map(|(name, value)| json!({"ParameterName": name, "ParameterValue": value})));
        *processor = json!({"Type": "Lambda", "Parameters": all});
    }
    json!({"ProcessingConfiguration": {"Enabled": true, "Processors": processors}}).to_string()
}

fn processor(chain: &Chain, delivery: &Delivery, findings: &mut Findings) {
    let Some(Processor { function_arn, buffer_mb, .. }) = &delivery.processor else {
        if matches!(delivery.destination.kind, Kind::Domain | Kind::Serverless) {
            let read = format!("{} calls no function", delivery.name);
            let why =
                "CloudWatch Logs packs many log events into one gzipped record, which OpenSearch refuses as it is";
            let parameters = [
                ("LambdaArn", "FUNCTION_ARN"),
                ("RoleArn", delivery.destination.role.as_str()),
                ("BufferSizeInMBs", "0.2"),
                ("BufferIntervalInSeconds", "10"),
            ];
            let mend = update(chain, delivery, &with_processor(delivery, &parameters));
            findings.error(Hop::Firehose, "firehose-no-processor", read, why, mend);
        }
        return;
    };
    if *buffer_mb > BUFFER_MOST {
        let read = format!("{} gathers {buffer_mb} MB for one call of {}", delivery.name, last_part(function_arn));
        let why = "records are gzipped: an answer is 5 to 15 times as large, and above 6 MB entries have to be sent back and come late";
        let mend = update(chain, delivery, &with_processor(delivery, &[("BufferSizeInMBs", "0.2")]));
        findings.warning(Hop::Firehose, "firehose-buffer", read, why, mend);
    }
}

fn backup(chain: &Chain, delivery: &Delivery, findings: &mut Findings) {
    let Destination { kind, bucket_arn, error_prefix, backup, logs, .. } = &delivery.destination;
    if matches!(kind, Kind::Other(_) | Kind::None) {
        return;
    }
    if bucket_arn.is_empty() {
        let read = format!("{} has no bucket for what fails", delivery.name);
        let why = "documents that OpenSearch refuses are lost";
        findings.error(Hop::Firehose, "firehose-no-bucket", read, why, describe(chain, delivery));
    } else if error_prefix.is_empty() && backup == "AllDocuments" {
        let read = format!("{} has no error output prefix, and keeps all documents", delivery.name);
        let why = "what failed lies among what did not: a replay of it reads the whole backup";
        let prefix = "firehose/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd/HH}/";
        let change = json!({"S3Update": {"ErrorOutputPrefix": prefix}}).to_string();
        findings.warning(Hop::Firehose, "firehose-error-prefix", read, why, update(chain, delivery, &change));
    }
    if !logs {
        let read = format!("{} writes no error log", delivery.name);
        let why = "why a delivery failed is told there only";
        let group = format!("/aws/kinesisfirehose/{}", delivery.name);
        let options = json!({"CloudWatchLoggingOptions":
            {"Enabled": true, "LogGroupName": group, "LogStreamName": "AmazonOpenSearchServiceDelivery"}});
        findings.info(Hop::Firehose, "firehose-no-log", read, why, update(chain, delivery, &options.to_string()));
    }
}

fn rights(chain: &Chain, delivery: &Delivery, findings: &mut Findings) {
    let found = &delivery.destination;
    // By the role that needs them.
    let mut all: BTreeMap<&str, Vec<(&'static str, String)>> =
        BTreeMap::from([(found.role.as_str(), writing(chain, found))]);
    if let Some(processor) = &delivery.processor {
        let role = processor.role.as_deref().unwrap_or(&found.role);
        all.entry(role).or_default().push(("lambda:InvokeFunction", processor.function_arn.clone()));
    }
    if let Some(arn) = &delivery.source_arn {
        let rights = all.entry(delivery.source_role.as_deref().unwrap_or(&found.role)).or_default();
        rights.extend(super::READING.map(|action| (action, arn.clone())));
        rights.extend(super::key(chain).map(|key| ("kms:Decrypt", key)));
    }
    for (arn, rights) in all {
        let needs = Needs {
            hop: Hop::Firehose,
            service: "firehose",
            codes: ["firehose-role-missing", "firehose-role-trust", "firehose-role-rights"],
            why: "Firehose cannot do its work, and tries until the stream's retention is over",
            rights,
            severity: Severity::Error,
        };
        role(chain, findings, arn, &needs);
    }
}

/// What the destination asks for.
fn writing(chain: &Chain, found: &Destination) -> Vec<(&'static str, String)> {
    let mut rights: Vec<(&'static str, String)> = Vec::new();
    if let Some(domain) = &found.domain_arn {
        rights.push(("es:ESHttpPost", format!("{domain}/_bulk")));
        let dates = if found.rotation == "NoRotation" { "" } else { "*" };
        rights.push(("es:ESHttpPut", format!("{domain}/{}{dates}", encoded(&found.index))));
    }
    if found.kind == Kind::Serverless {
        let collection =
            |account: &str| format!("arn:{}:aoss:{}:{account}:collection/", chain.place.partition, chain.place.region);
        let id = found.endpoint.as_deref().and_then(|url| url.split("://").nth(1)?.split('.').next());
        rights.extend(
            id.zip(chain.place.account.as_deref())
                .map(|(id, account)| ("aoss:APIAccessAll", format!("{}{id}", collection(account)))),
        );
    }
    if !found.bucket_arn.is_empty() {
        rights.push(("s3:PutObject", format!("{}/{}*", found.bucket_arn, found.failed_prefix())));
    }
    rights
}

fn numbers(chain: &Chain, idx: usize, delivery: &Delivery, findings: &mut Findings) {
    let most = |id: &str| chain.metrics.most(&format!("{id}{idx}"));
    let least = |id: &str| chain.metrics.least(&format!("{id}{idx}"));
    let errors = chain.place.aws(&format!("logs tail /aws/kinesisfirehose/{} --since 1h", delivery.name));
    if let Some(seconds) = most("freshness").filter(|seconds| *seconds > FRESHNESS_WARNING) {
        let read =
            format!("the oldest undelivered record of {} was {seconds:.0} s old in the last hour", delivery.name);
        let why = "delivery does not keep up with what comes: OpenSearch is slow or refuses, or the function does";
        if seconds > FRESHNESS_ERROR {
            findings.error(Hop::Firehose, "firehose-freshness", read, why, errors.clone());
        } else {
            findings.warning(Hop::Firehose, "firehose-freshness", read, why, errors.clone());
        }
    }
    if most("authfailure").is_some_and(|failures| failures > 0.0) {
        let read = format!("OpenSearch refused the sign-in of {} in the last hour", delivery.name);
        let role = &delivery.destination.role;
        let why =
            format!("the domain's access policy, or its role mapping, does not know Firehose's role; {}", remedy::FILE);
        let cluster = chain.clusters.iter().find(|cluster| cluster.writers.contains(role));
        let endpoint = cluster.and_then(|cluster| cluster.endpoint.as_deref());
        let mend = remedy::setup(&chain.place, endpoint, &format!(" --role-arn {}", quoted(role)));
        findings.error(Hop::Firehose, "firehose-auth-failure", read, &why, mend);
    }
    if let Some(part) = least("success").filter(|part| *part < 1.0) {
        let read =
            format!("at worst {:.0} % of the deliveries of {} succeeded in the last hour", part * 100.0, delivery.name);
        let why = "what is not taken before the retry duration ends goes to the bucket";
        findings.warning(Hop::Firehose, "firehose-delivery", read, why, errors.clone());
    }
    if let Some(part) = least("processing").filter(|part| *part < 1.0) {
        let read = format!(
            "at worst {:.0} % of the calls of the function by {} succeeded in the last hour",
            part * 100.0,
            delivery.name
        );
        let why = "a call that fails four times sends its whole batch to the bucket";
        findings.warning(Hop::Firehose, "firehose-processing", read, why, errors);
    }
}
