//! Metrics of the last hour, all in as few calls as CloudWatch allows.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::Timestamp;

use super::aws::{Action, Aws, Looked};
use super::xml::Node;
use super::{Chain, firehose, last_part};

/// How far back is looked.
pub(in crate::cli::doctor) const WINDOW_MINUTES: i64 = 60;

const PERIOD_SECONDS: &str = "300";

const PERIOD_MS: i64 = 300_000;

/// Of one call.
const QUERIES_MAX: usize = 400;

/// One metric. Plain data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Query {
    pub(in crate::cli::doctor) id: String,
    pub(in crate::cli::doctor) namespace: &'static str,
    pub(in crate::cli::doctor) metric: String,
    pub(in crate::cli::doctor) statistic: &'static str,
    pub(in crate::cli::doctor) dimensions: Dimensions,
}

/// The value of a period. Plain data.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(in crate::cli::doctor) struct Point {
    /// When the period began.
    pub(in crate::cli::doctor) from_ms: i64,
    pub(in crate::cli::doctor) value: f64,
}

/// Points by the ids of their queries.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::cli::doctor) struct Metrics {
    pub(in crate::cli::doctor) values: BTreeMap<String, Vec<Point>>,
    /// Whether CloudWatch has answered.
    pub(in crate::cli::doctor) is_known: bool,
}

impl Metrics {
    fn of(&self, id: &str) -> impl Iterator<Item = f64> {
        self.values.get(id).into_iter().flatten().map(|point| point.value)
    }

    /// Of the periods that lie in this time as a whole.
    pub(in crate::cli::doctor) fn sum_within(&self, id: &str, time_ms: Range<i64>) -> f64 {
        let points = self.values.get(id).into_iter().flatten();
        let within = |point: &&Point| point.from_ms >= time_ms.start && point.from_ms + PERIOD_MS <= time_ms.end;
        points.filter(within).map(|point| point.value).sum()
    }

    /// `None` where there is no value at all.
    pub(in crate::cli::doctor) fn sum(&self, id: &str) -> Option<f64> {
        self.of(id).reduce(|one, two| one + two)
    }

    pub(in crate::cli::doctor) fn most(&self, id: &str) -> Option<f64> {
        self.of(id).reduce(f64::max)
    }

    pub(in crate::cli::doctor) fn least(&self, id: &str) -> Option<f64> {
        self.of(id).reduce(f64::min)
    }
}

/// Which metrics tell something of this chain. Ids are letters and a number, so that CloudWatch takes them.
pub(in crate::cli::doctor) fn plan(chain: &Chain, forwarded: &[Dimensions]) -> Vec<Query> {
    let mut all = Vec::new();
    of_source(chain, forwarded, &mut all);
    of_stream(chain, &mut all);
    of_readers(chain, &mut all);
    for (idx, cluster) in chain.clusters.iter().enumerate() {
        let (Some(arn), Some(account)) = (&cluster.domain_arn, &chain.place.account) else { continue };
        let both = [("DomainName", last_part(arn).to_owned()), ("ClientId", account.clone())];
        add(&mut all, format!("writesblocked{idx}"), "AWS/ES", "ClusterIndexWritesBlocked", "Maximum", &both);
    }
    all
}

fn add(
    all: &mut Vec<Query>,
    id: impl Into<String>,
    namespace: &'static str,
    metric: &str,
    statistic: &'static str,
    dimensions: &[(&'static str, String)],
) {
    let (id, metric, dimensions) = (id.into(), metric.to_owned(), dimensions.to_vec());
    all.push(Query { id, namespace, metric, statistic, dimensions });
}

fn of_source(chain: &Chain, forwarded: &[Dimensions], all: &mut Vec<Query>) {
    if let Some(origin) = &chain.origin {
        let id = [("DBInstanceIdentifier", origin.id.clone())];
        let cluster = [("DBClusterIdentifier", origin.id.clone())];
        match origin.is_cluster {
            true => add(all, "localstorage", "AWS/RDS", "FreeLocalStorage", "Minimum", &cluster),
            false => add(all, "freestorage", "AWS/RDS", "FreeStorageSpace", "Minimum", &id),
        }
    }
    if let Some(group) = chain.group.found() {
        let name = [("LogGroupName", group.log_group_name.clone())];
        add(all, "incoming", "AWS/Logs", "IncomingLogEvents", "Sum", &name);
    }
    for (idx, dimensions) in forwarded.iter().enumerate() {
        for (id, metric) in [
            ("forwarded", "ForwardedLogEvents"),
            ("deliveryerrors", "DeliveryErrors"),
            ("deliverythrottling", "DeliveryThrottling"),
        ] {
            add(all, format!("{id}{idx}"), "AWS/Logs", metric, "Sum", dimensions);
        }
    }
}

fn of_stream(chain: &Chain, all: &mut Vec<Query>) {
    let Some(stream) = chain.stream.found() else { return };
    let name = ("StreamName", stream.name.clone());
    for (id, metric, statistic) in [
        ("age", "GetRecords.IteratorAgeMilliseconds", "Maximum"),
        ("writethrottled", "WriteProvisionedThroughputExceeded", "Sum"),
        ("readthrottled", "ReadProvisionedThroughputExceeded", "Sum"),
    ] {
        add(all, id, "AWS/Kinesis", metric, statistic, std::slice::from_ref(&name));
    }
    if stream.shard_metrics.iter().any(|metric| metric == "IncomingBytes" || metric == "ALL") {
        for (idx, shard) in stream.shards.iter().take(super::kinesis::SHARDS_MAX).enumerate() {
            let both = [name.clone(), ("ShardId", shard.clone())];
            add(all, format!("shardbytes{idx}"), "AWS/Kinesis", "IncomingBytes", "Sum", &both);
        }
    }
}

fn of_readers(chain: &Chain, all: &mut Vec<Query>) {
    for (idx, delivery) in chain.deliveries.iter().enumerate() {
        let name = [("DeliveryStreamName", delivery.name.clone())];
        let to = match delivery.destination.kind {
            firehose::Kind::Serverless => "DeliveryToAmazonOpenSearchServerless",
            firehose::Kind::Domain | firehose::Kind::Other(_) | firehose::Kind::None => {
                "DeliveryToAmazonOpenSearchService"
            }
        };
        for (id, metric, statistic) in [
            ("freshness", "DataFreshness", "Maximum"),
            ("success", "Success", "Average"),
            ("authfailure", "AuthFailure", "Maximum"),
        ] {
            add(all, format!("{id}{idx}"), "AWS/Firehose", &format!("{to}.{metric}"), statistic, &name);
        }
        add(all, format!("processing{idx}"), "AWS/Firehose", "ExecuteProcessing.Success", "Average", &name);
    }
    for (idx, function) in chain.functions.iter().enumerate() {
        let (name, _) = super::lambda::parts(&function.arn);
        let name = [("FunctionName", name.to_owned())];
        for (id, metric, statistic) in [("errors", "Errors", "Sum"), ("throttles", "Throttles", "Sum")] {
            add(all, format!("{id}{idx}"), "AWS/Lambda", metric, statistic, &name);
        }
        if chain.mappings.iter().any(|mapping| mapping.function_arn == function.asked) {
            add(all, format!("functionage{idx}"), "AWS/Lambda", "IteratorAge", "Maximum", &name);
        }
    }
}

/// Names and values by which CloudWatch keeps a metric.
pub(in crate::cli::doctor) type Dimensions = Vec<(&'static str, String)>;

/// The dimensions under which CloudWatch Logs counts what a filter forwards; it names the kind of destination as it likes.
pub(in crate::cli::doctor) async fn forwarded(aws: &Aws, group: &str, filter: &str) -> Looked<Vec<Dimensions>> {
    let asked = [
        ("Namespace", "AWS/Logs"),
        ("MetricName", "ForwardedLogEvents"),
        ("Dimensions.member.1.Name", "LogGroupName"),
        ("Dimensions.member.1.Value", group),
        ("Dimensions.member.2.Name", "FilterName"),
        ("Dimensions.member.2.Value", filter),
    ];
    let dimensions =
        |kind| vec![("LogGroupName", group.to_owned()), ("FilterName", filter.to_owned()), ("DestinationType", kind)];
    aws.query(Action::ListMetrics, "*", &asked).await.map(|answer| {
        let kinds = answer.all("Metrics").iter().filter_map(|metric| {
            let kind = metric.all("Dimensions").iter().find(|one| one.text("Name") == "DestinationType")?;
            Some(kind.text("Value"))
        });
        kinds.map(dimensions).collect()
    })
}

pub(in crate::cli::doctor) async fn read(aws: &Aws, now_ms: i64, queries: &[Query]) -> Metrics {
    let mut metrics = Metrics { is_known: true, ..Metrics::default() };
    for part in queries.chunks(QUERIES_MAX) {
        let parameters = parameters(now_ms, part);
        let borrowed: Vec<(&str, &str)> =
            parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let Looked::Found(answer) = aws.query(Action::GetMetricData, "*", &borrowed).await else {
            metrics.is_known = false;
            return metrics;
        };
        for result in answer.all("MetricDataResults") {
            metrics.values.insert(result.text("Id"), points(result));
        }
    }
    metrics
}

/// Values without a time of their own are those of no period.
fn points(result: &Node) -> Vec<Point> {
    let times = result.texts("Timestamps");
    let point = |(time, value): (&String, &String)| {
        Some(Point { from_ms: time.parse::<Timestamp>().ok()?.as_millisecond(), value: value.parse().ok()? })
    };
    times.iter().zip(&result.texts("Values")).filter_map(point).collect()
}

fn parameters(now_ms: i64, queries: &[Query]) -> Vec<(String, String)> {
    let time = |ms: i64| Timestamp::from_millisecond(ms).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut all =
        vec![("StartTime".to_owned(), time(now_ms - WINDOW_MINUTES * 60_000)), ("EndTime".to_owned(), time(now_ms))];
    for (idx, query) in queries.iter().enumerate() {
        let at = format!("MetricDataQueries.member.{}", idx + 1);
        all.push((format!("{at}.Id"), query.id.clone()));
        let stat = format!("{at}.MetricStat");
        all.push((format!("{stat}.Metric.Namespace"), query.namespace.to_owned()));
        all.push((format!("{stat}.Metric.MetricName"), query.metric.clone()));
        for (number, (name, value)) in query.dimensions.iter().enumerate() {
            let dimension = format!("{stat}.Metric.Dimensions.member.{}", number + 1);
            all.push((format!("{dimension}.Name"), (*name).to_owned()));
            all.push((format!("{dimension}.Value"), value.clone()));
        }
        all.push((format!("{stat}.Period"), PERIOD_SECONDS.to_owned()));
        all.push((format!("{stat}.Stat"), query.statistic.to_owned()));
    }
    all
}
