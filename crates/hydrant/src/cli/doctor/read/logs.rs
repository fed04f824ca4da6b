//! The log group, its subscription filters, and when it got its newest log event.

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::aws::{Action, Aws, Looked};

/// Log groups in which a filter that leads to a stream is looked for.
const GROUPS_MAX: usize = 50;

/// What the filter's pattern is tried on: an entry of a general log, made up.
pub(in crate::cli::doctor) const SAMPLE: &str = "2026-01-01T00:00:00.000000Z\t   12 Query\tSELECT 1";

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::cli::doctor) struct LogGroup {
    pub(in crate::cli::doctor) log_group_name: String,
    pub(in crate::cli::doctor) log_group_class: String,
    pub(in crate::cli::doctor) retention_in_days: Option<u64>,
    #[serde(skip)]
    pub(in crate::cli::doctor) filters: Looked<Vec<Filter>>,
    /// Of the newest log event, or when it was taken; `Found(None)`: there is none.
    #[serde(skip)]
    pub(in crate::cli::doctor) newest_ms: Looked<Option<i64>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::cli::doctor) struct Filter {
    pub(in crate::cli::doctor) filter_name: String,
    pub(in crate::cli::doctor) filter_pattern: String,
    pub(in crate::cli::doctor) destination_arn: String,
    pub(in crate::cli::doctor) role_arn: Option<String>,
    pub(in crate::cli::doctor) distribution: String,
    /// Whether [`SAMPLE`] passes it.
    #[serde(skip)]
    pub(in crate::cli::doctor) passes: Option<bool>,
}

pub(in crate::cli::doctor) async fn read(aws: &Aws, name: &str) -> Looked<LogGroup> {
    let asked = json!({"logGroupNamePrefix": name, "limit": 50});
    let answer = match aws.json(Action::DescribeLogGroups, name, &asked).await {
        Looked::Found(answer) => answer,
        Looked::NotThere => return Looked::NotThere,
        Looked::Unknown => return Looked::Unknown,
    };
    let all: Vec<LogGroup> = list(&answer, "logGroups");
    let Some(mut group) = all.into_iter().find(|group| group.log_group_name == name) else { return Looked::NotThere };
    group.newest_ms = newest(aws, name).await;
    group.filters = filters(aws, name).await;
    if let Looked::Found(filters) = &mut group.filters {
        for filter in filters {
            filter.passes = passes(aws, &filter.filter_pattern, SAMPLE).await;
        }
    }
    Looked::Found(group)
}

pub(in crate::cli::doctor) fn list<T: for<'de> Deserialize<'de>>(answer: &Json, name: &str) -> Vec<T> {
    let items = answer.get(name).and_then(Json::as_array).into_iter().flatten();
    items.filter_map(|item| T::deserialize(item).ok()).collect()
}

async fn filters(aws: &Aws, group: &str) -> Looked<Vec<Filter>> {
    let answer = aws.json(Action::DescribeSubscriptionFilters, group, &json!({"logGroupName": group})).await;
    answer.map(|answer| list(&answer, "subscriptionFilters"))
}

async fn newest(aws: &Aws, group: &str) -> Looked<Option<i64>> {
    let asked = json!({"logGroupName": group, "orderBy": "LastEventTime", "descending": true, "limit": 5});
    let answer = aws.json(Action::DescribeLogStreams, group, &asked).await;
    answer.map(|answer| {
        let streams = answer.get("logStreams").and_then(Json::as_array).into_iter().flatten();
        let times = |stream: &Json| {
            ["lastIngestionTime", "lastEventTimestamp"].iter().filter_map(|name| stream.get(*name)?.as_i64()).max()
        };
        streams.filter_map(times).max()
    })
}

/// Whether a message passes a pattern, as CloudWatch Logs itself says. An empty pattern lets all pass and is not asked for.
pub(in crate::cli::doctor) async fn passes(aws: &Aws, pattern: &str, message: &str) -> Option<bool> {
    if pattern.trim().is_empty() {
        return Some(true);
    }
    let asked = json!({"filterPattern": pattern, "logEventMessages": [message]});
    let answer = aws.json(Action::TestMetricFilter, "*", &asked).await;
    answer.found().and_then(|answer| Some(!answer.get("matches")?.as_array()?.is_empty()))
}

/// A log group of RDS with a filter that leads to a stream.
pub(in crate::cli::doctor) async fn leading_to(aws: &Aws, stream_arn: &str) -> Option<String> {
    let asked = json!({"logGroupNamePrefix": "/aws/rds/", "limit": GROUPS_MAX});
    let answer = aws.json(Action::DescribeLogGroups, "/aws/rds/", &asked).await;
    for group in list::<LogGroup>(answer.found()?, "logGroups").into_iter().take(GROUPS_MAX) {
        let filters = filters(aws, &group.log_group_name).await;
        if filters.found()?.iter().any(|filter| filter.destination_arn == stream_arn) {
            return Some(group.log_group_name);
        }
    }
    None
}
