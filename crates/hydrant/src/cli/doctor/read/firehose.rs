//! Delivery streams: those that read the stream, or the one that a filter writes to.

use serde_json::{Value as Json, json};

use super::aws::{Action, Aws, Looked, behind, paged};
use super::logs::list;

/// Delivery streams that are looked at, of a Region: pages of [`PAGE`].
const PAGES_MAX: usize = 2;

const PAGE: usize = 50;

/// Of domains that are older than OpenSearch; the members are the same.
const LEGACY: &str = "ElasticsearchDestinationDescription";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Delivery {
    pub(in crate::cli::doctor) name: String,
    pub(in crate::cli::doctor) status: String,
    pub(in crate::cli::doctor) version: String,
    pub(in crate::cli::doctor) source_arn: Option<String>,
    pub(in crate::cli::doctor) source_role: Option<String>,
    pub(in crate::cli::doctor) destination_id: String,
    pub(in crate::cli::doctor) destination: Destination,
    pub(in crate::cli::doctor) processor: Option<Processor>,
    /// All processors as they were told, from which a change is made.
    pub(in crate::cli::doctor) processors: Vec<Json>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Destination {
    /// The member's name in the answer; of another destination than OpenSearch, too.
    pub(in crate::cli::doctor) kind: Kind,
    /// It was made for Amazon Elasticsearch Service, and is changed under that name.
    pub(in crate::cli::doctor) is_legacy: bool,
    pub(in crate::cli::doctor) role: String,
    /// Of the domain, where it is named by its ARN.
    pub(in crate::cli::doctor) domain_arn: Option<String>,
    /// Where it is named by its address.
    pub(in crate::cli::doctor) endpoint: Option<String>,
    pub(in crate::cli::doctor) index: String,
    pub(in crate::cli::doctor) rotation: String,
    /// `FailedDocumentsOnly` or `AllDocuments`.
    pub(in crate::cli::doctor) backup: String,
    pub(in crate::cli::doctor) bucket_arn: String,
    pub(in crate::cli::doctor) prefix: String,
    pub(in crate::cli::doctor) error_prefix: String,
    pub(in crate::cli::doctor) logs: bool,
}

impl Destination {
    /// What keys of failed records begin with: without a prefix of their own it is that of the backup.
    pub(in crate::cli::doctor) fn failed_prefix(&self) -> &str {
        let prefix = if self.error_prefix.is_empty() { &self.prefix } else { &self.error_prefix };
        prefix.split("!{").next().unwrap_or_default()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::doctor) enum Kind {
    Domain,
    Serverless,
    /// Name of the member that describes it.
    Other(String),
    #[default]
    None,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Processor {
    pub(in crate::cli::doctor) function_arn: String,
    /// Firehose calls it with this role, without one with that of the destination.
    pub(in crate::cli::doctor) role: Option<String>,
    pub(in crate::cli::doctor) buffer_mb: Mb,
    pub(in crate::cli::doctor) buffer_seconds: u64,
}

/// Megabytes as Firehose writes them, `0.2`, in thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli::doctor) struct Mb(pub(in crate::cli::doctor) u64);

impl Mb {
    fn read(text: &str) -> Option<Mb> {
        let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
        let part: String = part.chars().chain("000".chars()).take(3).collect();
        Some(Mb(whole.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(part.parse().ok()?)?))
    }
}

impl std::fmt::Display for Mb {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{}.{:03}", self.0 / 1_000, self.0 % 1_000);
        out.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// Those that read this stream, and whether all could be asked.
pub(in crate::cli::doctor) async fn reading(aws: &Aws, stream_arn: &str) -> (Vec<Delivery>, bool) {
    let names = paged(PAGES_MAX, async |last: Option<&str>| {
        let asked = json!({"DeliveryStreamType": "KinesisStreamAsSource", "Limit": PAGE});
        let asked = behind(asked, "ExclusiveStartDeliveryStreamName", last);
        aws.json(Action::ListDeliveryStreams, "*", &asked).await.map(|answer| {
            let names: Vec<String> = list(&answer, "DeliveryStreamNames");
            let has_more = answer.get("HasMoreDeliveryStreams").and_then(Json::as_bool).unwrap_or_default();
            let last = names.last().filter(|_| has_more).cloned();
            (names, last)
        })
    });
    let Looked::Found(names) = names.await else { return (Vec::new(), false) };
    let (mut found, mut are_all_known) = (Vec::new(), !names.has_more);
    for name in &names.items {
        let delivery = read(aws, name).await;
        are_all_known &= delivery != Looked::Unknown;
        found.extend(delivery.found().filter(|it| it.source_arn.as_deref() == Some(stream_arn)).cloned());
    }
    (found, are_all_known)
}

pub(in crate::cli::doctor) async fn read(aws: &Aws, name: &str) -> Looked<Delivery> {
    let asked = json!({"DeliveryStreamName": name});
    aws.json(Action::DescribeDeliveryStream, name, &asked).await.map(|answer| described(&answer))
}

fn described(answer: &Json) -> Delivery {
    let told = answer.get("DeliveryStreamDescription").unwrap_or(&Json::Null);
    let text = |path: &str| text_of(told, path);
    let kinesis = "/Source/KinesisStreamSourceDescription";
    let some = |path: &str| Some(text_of(told, &format!("{kinesis}{path}"))).filter(|text| !text.is_empty());
    let destination = told.pointer("/Destinations/0").unwrap_or(&Json::Null);
    let (kind, body) = kind(destination);
    Delivery {
        name: text("/DeliveryStreamName"),
        status: text("/DeliveryStreamStatus"),
        version: text("/VersionId"),
        source_arn: some("/KinesisStreamARN"),
        source_role: some("/RoleARN"),
        destination_id: text_of(destination, "/DestinationId"),
        destination: Destination { is_legacy: destination.get(LEGACY).is_some(), ..destination_of(kind, body) },
        processor: processor(body),
        processors: processors(body).into_iter().flatten().cloned().collect(),
    }
}

fn text_of(json: &Json, path: &str) -> String {
    json.pointer(path).and_then(Json::as_str).unwrap_or_default().to_owned()
}

fn kind(destination: &Json) -> (Kind, &Json) {
    let member = |name: &str| destination.get(name);
    if let Some(body) = member("AmazonopensearchserviceDestinationDescription") {
        return (Kind::Domain, body);
    }
    if let Some(body) = member(LEGACY) {
        return (Kind::Domain, body);
    }
    if let Some(body) = member("AmazonOpenSearchServerlessDestinationDescription") {
        return (Kind::Serverless, body);
    }
    let mut others: Vec<(&String, &Json)> = destination.as_object().into_iter().flatten().collect();
    others.retain(|(name, _)| name.ends_with("DestinationDescription"));
    // A bucket of any destination stands beside it, too.
    others.sort_by_key(|(name, _)| name.contains("S3"));
    match others.first() {
        Some((name, body)) => (Kind::Other((*name).clone()), body),
        None => (Kind::None, &Json::Null),
    }
}

fn destination_of(kind: Kind, body: &Json) -> Destination {
    let text = |path: &str| text_of(body, path);
    let some = |path: &str| Some(text(path)).filter(|text| !text.is_empty());
    // What is backed up of a bucket's own delivery stands elsewhere; there it is no matter.
    let s3 = |name: &str| text(&format!("/S3DestinationDescription/{name}"));
    Destination {
        role: text("/RoleARN"),
        domain_arn: some("/DomainARN"),
        endpoint: some("/ClusterEndpoint").or_else(|| some("/CollectionEndpoint")),
        index: text("/IndexName"),
        rotation: some("/IndexRotationPeriod").unwrap_or_else(|| "NoRotation".to_owned()),
        is_legacy: false,
        backup: text("/S3BackupMode"),
        bucket_arn: s3("BucketARN"),
        prefix: s3("Prefix"),
        error_prefix: s3("ErrorOutputPrefix"),
        logs: body.pointer("/CloudWatchLoggingOptions/Enabled").and_then(Json::as_bool).unwrap_or_default(),
        kind,
    }
}

fn processors(body: &Json) -> Option<&Vec<Json>> {
    body.pointer("/ProcessingConfiguration/Processors")?.as_array()
}

fn processor(body: &Json) -> Option<Processor> {
    body.pointer("/ProcessingConfiguration/Enabled")?.as_bool()?.then_some(())?;
    let all = processors(body)?;
    let lambda = all.iter().find(|one| one.get("Type").and_then(Json::as_str) == Some("Lambda"))?;
    let parameters = lambda.get("Parameters")?.as_array()?;
    let value = |name: &str| {
        let found = parameters.iter().find(|one| one.get("ParameterName").and_then(Json::as_str) == Some(name));
        found.map(|one| text_of(one, "/ParameterValue"))
    };
    Some(Processor {
        function_arn: value("LambdaArn")?,
        role: value("RoleArn").filter(|arn| !arn.is_empty()),
        // Firehose's own defaults.
        buffer_mb: value("BufferSizeInMBs").and_then(|text| Mb::read(&text)).unwrap_or(Mb(1_000)),
        buffer_seconds: value("BufferIntervalInSeconds").and_then(|text| text.parse().ok()).unwrap_or(60),
    })
}

#[cfg(test)]
mod tests {
    use super::Mb;

    #[test]
    fn megabytes_are_read_and_written() {
        for (text, thousandths, told) in
            [("0.2", 200, "0.2"), ("1", 1_000, "1"), ("3.0", 3_000, "3"), ("0.256", 256, "0.256")]
        {
            let read = Mb::read(text);
            assert_eq!(read, Some(Mb(thousandths)));
            assert_eq!(read.unwrap().to_string(), told);
        }
        assert_eq!([Mb::read(""), Mb::read("x"), Mb::read("-1"), Mb::read("99999999999999999999")], [None; 4]);
    }
}
