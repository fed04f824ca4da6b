//! The log group, its subscription filters, and when it got its newest log event.

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::aws::{Action, Aws, Looked, Paged, behind, paged, text};

/// Pages of 50 log groups in which a filter that leads to a stream is looked for.
const PAGES_MAX: usize = 4;

/// What the filter's pattern is tried on: an entry of a general log, made up.
pub(in crate::cli::doctor) const SAMPLE: &str = "2026-01-01T00:00:00.000000Z\t   12 Query\tSELECT 1";

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::cli::doctor) struct LogGroup {
    pub(in crate::cli::doctor) log_group_name: String,
    pub(in crate::cli::doctor) arn: String,
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
    /// When it was put; it counts nothing of before.
    pub(in crate::cli::doctor) creation_time: Option<i64>,
    pub(in crate::cli::doctor) destination_arn: String,
    pub(in crate::cli::doctor) role_arn: Option<String>,
    pub(in crate::cli::doctor) distribution: String,
    /// It is a policy of the account, for all its log groups.
    #[serde(skip)]
    pub(in crate::cli::doctor) is_of_account: bool,
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

/// Subscription filters that a policy of the account gives this log group.
pub(in crate::cli::doctor) async fn of_account(aws: &Aws, group: &str) -> Looked<Vec<Filter>> {
    let asked = json!({"policyType": "SUBSCRIPTION_FILTER_POLICY"});
    let answer = aws.json(Action::DescribeAccountPolicies, "*", &asked).await;
    let policies = |answer: Json| list::<Policy>(&answer, "accountPolicies");
    let mut found = Vec::new();
    let policies = match answer.map(policies) {
        Looked::Found(policies) => policies,
        Looked::NotThere => Vec::new(),
        Looked::Unknown => return Looked::Unknown,
    };
    for policy in policies {
        let Some(mut filter) = policy.filter(group) else { continue };
        filter.passes = passes(aws, &filter.filter_pattern, SAMPLE).await;
        found.push(filter);
    }
    Looked::Found(found)
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Policy {
    policy_name: String,
    /// JSON as text.
    policy_document: String,
    /// `LogGroupName NOT IN ["a", "b"]`
    selection_criteria: String,
    last_updated_time: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct PolicyDocument {
    destination_arn: String,
    role_arn: Option<String>,
    filter_pattern: String,
    distribution: String,
}

impl Policy {
    /// As a filter of the log group, unless it leaves that out.
    fn filter(&self, group: &str) -> Option<Filter> {
        let left_out = self.selection_criteria.split_once("NOT IN").map_or("", |(_, names)| names.trim());
        let left_out: Vec<String> = serde_json::from_str(left_out).unwrap_or_default();
        let document: PolicyDocument = serde_json::from_str(&self.policy_document).ok()?;
        (!left_out.iter().any(|name| name == group)).then(|| Filter {
            filter_name: self.policy_name.clone(),
            filter_pattern: document.filter_pattern,
            destination_arn: document.destination_arn,
            role_arn: document.role_arn,
            distribution: document.distribution,
            is_of_account: true,
            creation_time: self.last_updated_time,
            passes: None,
        })
    }
}

/// What the search for a log group that leads to a stream has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Search {
    pub(in crate::cli::doctor) group: Option<String>,
    /// Log groups whose filters were read.
    pub(in crate::cli::doctor) looked_at: usize,
    /// There are more, or some whose filters may not be read.
    pub(in crate::cli::doctor) has_more: bool,
}

/// A log group of RDS with a filter that leads to a stream.
pub(in crate::cli::doctor) async fn leading_to(aws: &Aws, stream_arn: &str) -> Search {
    let groups = paged(PAGES_MAX, async |token: Option<&str>| {
        let asked = behind(json!({"logGroupNamePrefix": "/aws/rds/", "limit": 50}), "nextToken", token);
        let answer = aws.json(Action::DescribeLogGroups, "/aws/rds/", &asked).await;
        answer.map(|answer| (list::<LogGroup>(&answer, "logGroups"), text(&answer, "nextToken")))
    });
    let mut search = Search { has_more: true, ..Search::default() };
    let Looked::Found(Paged { items, has_more }) = groups.await else { return search };
    search.has_more = has_more;
    for group in items {
        let filters = filters(aws, &group.log_group_name).await;
        let Some(filters) = filters.found() else {
            search.has_more = true;
            continue;
        };
        search.looked_at += 1;
        if filters.iter().any(|filter| filter.destination_arn == stream_arn) {
            search.group = Some(group.log_group_name);
            break;
        }
    }
    search
}

#[cfg(test)]
mod tests {
    use super::Policy;

    #[test]
    fn a_policy_of_the_account_is_a_filter_of_each_group_that_it_does_not_leave_out() {
        let arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/logs";
        let policy = Policy {
            policy_name: "all".to_owned(),
            policy_document: format!(
                "{{\"DestinationArn\":\"{arn}\",\"FilterPattern\":\"x\",\"Distribution\":\"Random\"}}"
            ),
            selection_criteria: "LogGroupName NOT IN [\"/aws/lambda/f\", \"b\"]".to_owned(),
            last_updated_time: Some(5),
        };
        let filter = policy.filter("/aws/rds/instance/orders/general").unwrap();
        assert_eq!((filter.filter_name.as_str(), filter.filter_pattern.as_str()), ("all", "x"));
        assert_eq!((filter.destination_arn.as_str(), filter.is_of_account, filter.role_arn), (arn, true, None));
        assert_eq!(filter.creation_time, Some(5));
        assert_eq!((policy.filter("b"), policy.filter("/aws/lambda/f")), (None, None));
    }
}
