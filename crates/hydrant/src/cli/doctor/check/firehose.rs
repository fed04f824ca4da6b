//! Firehose: does it transform, is its buffer small enough, where does it write, and does it keep up.

use super::{Needs, role};
use crate::cli::doctor::finding::{Findings, Hop};
use crate::cli::doctor::read::firehose::{Delivery, Destination, Kind, Mb, Processor};
use crate::cli::doctor::read::{Chain, encoded, last_part, quoted};

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

/// A parameter of the processor with another value, and all others as they are.
fn with_processor(function: &str, role: &str, buffer: Mb, seconds: u64) -> String {
    let parameter = |name: &str, value: String| serde_json::json!({"ParameterName": name, "ParameterValue": value});
    let parameters = [
        parameter("LambdaArn", function.to_owned()),
        parameter("RoleArn", role.to_owned()),
        parameter("BufferSizeInMBs", buffer.to_string()),
        parameter("BufferIntervalInSeconds", seconds.to_string()),
    ];
    let processors = serde_json::json!([{"Type": "Lambda", "Parameters": parameters}]);
    serde_json::json!({"ProcessingConfiguration": {"Enabled": true, "Processors": processors}}).to_string()
}

fn processor(chain: &Chain, delivery: &Delivery, findings: &mut Findings) {
    let role = &delivery.destination.role;
    let Some(Processor { function_arn, buffer_mb, buffer_seconds }) = &delivery.processor else {
        if matches!(delivery.destination.kind, Kind::Domain | Kind::Serverless) {
            let read = format!("{} calls no function", delivery.name);
            let why =
                "CloudWatch Logs packs many log events into one gzipped record, which OpenSearch refuses as it is";
            let mend = update(chain, delivery, &with_processor("FUNCTION_ARN", role, Mb(200), 10));
            findings.error(Hop::Firehose, "firehose-no-processor", read, why, mend);
        }
        return;
    };
    if *buffer_mb > BUFFER_MOST {
        let read = format!("{} gathers {buffer_mb} MB for one call of {}", delivery.name, last_part(function_arn));
        let why = "records are gzipped: an answer is 5 to 15 times as large, and above 6 MB entries have to be sent back and come late";
        let mend = update(chain, delivery, &with_processor(function_arn, role, Mb(200), *buffer_seconds));
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
    } else if !error_prefix.contains("!{firehose:error-output-type}") {
        let told = if error_prefix.is_empty() { "none" } else { error_prefix };
        let read = format!("the error output prefix of {} is {told}, its backup {backup}", delivery.name);
        let why =
            "without !{firehose:error-output-type} what failed for different reasons, or the backup, lies in one heap";
        let prefix = "firehose/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd/HH}/";
        let change = serde_json::json!({"S3Update": {"ErrorOutputPrefix": prefix}}).to_string();
        findings.warning(Hop::Firehose, "firehose-error-prefix", read, why, update(chain, delivery, &change));
    }
    if !logs {
        let read = format!("{} writes no error log", delivery.name);
        let why = "why a delivery failed is told there only";
        let group = format!("/aws/kinesisfirehose/{}", delivery.name);
        let options = serde_json::json!({"CloudWatchLoggingOptions":
            {"Enabled": true, "LogGroupName": group, "LogStreamName": "AmazonOpenSearchServiceDelivery"}});
        findings.info(Hop::Firehose, "firehose-no-log", read, why, update(chain, delivery, &options.to_string()));
    }
}

fn rights(chain: &Chain, delivery: &Delivery, findings: &mut Findings) {
    let found = &delivery.destination;
    let codes = ["firehose-role-missing", "firehose-role-trust", "firehose-role-rights"];
    let (hop, service) = (Hop::Firehose, "firehose");
    let why = "Firehose cannot do its work, and tries until the stream's retention is over";
    let mut rights: Vec<(&'static str, String)> = Vec::new();
    if let Some(processor) = &delivery.processor {
        rights.push(("lambda:InvokeFunction", processor.function_arn.clone()));
    }
    if let Some(domain) = &found.domain_arn {
        rights.push(("es:ESHttpPost", format!("{domain}/_bulk")));
        rights.push(("es:ESHttpPut", format!("{domain}/{}", encoded(&found.index))));
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
        let prefix = found.error_prefix.split("!{").next().unwrap_or_default();
        rights.push(("s3:PutObject", format!("{}/{prefix}x", found.bucket_arn)));
    }
    let source = delivery.source_arn.clone().map(|arn| {
        let mut source = vec![("kinesis:GetRecords", arn.clone()), ("kinesis:GetShardIterator", arn)];
        source.extend(super::key(chain).map(|key| ("kms:Decrypt", key)));
        source
    });
    match (&delivery.source_role, source) {
        (Some(reader), Some(source)) if *reader != found.role => {
            let needs = Needs { hop, service, codes, why, rights: source };
            role(chain, findings, reader, &needs);
        }
        (_, source) => rights.extend(source.unwrap_or_default()),
    }
    role(chain, findings, &found.role, &Needs { hop, service, codes, why, rights });
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
        let why = "the domain's access policy, or its role mapping, does not know Firehose's role";
        let mend = format!("hydrant setup opensearch --role-arn {}", quoted(&delivery.destination.role));
        findings.error(Hop::Firehose, "firehose-auth-failure", read, why, mend);
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
