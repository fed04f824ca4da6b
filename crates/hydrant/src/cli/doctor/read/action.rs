//! Which calls there are: their names, the rights to them, and those that only a canary may make.

/// Every call that the doctor may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli::doctor) enum Action {
    DescribeDbInstances,
    DescribeDbParameters,
    DescribeDbClusters,
    DescribeDbClusterParameters,
    DescribeLogGroups,
    DescribeLogStreams,
    DescribeSubscriptionFilters,
    TestMetricFilter,
    DescribeStreamSummary,
    ListShards,
    ListDeliveryStreams,
    DescribeDeliveryStream,
    GetFunctionConfiguration,
    GetFunctionConcurrency,
    ListEventSourceMappings,
    GetRole,
    ListRolePolicies,
    GetRolePolicy,
    ListAttachedRolePolicies,
    GetPolicy,
    GetPolicyVersion,
    DescribeDomain,
    ListObjectsV2,
    GetObject,
    ListMetrics,
    GetMetricData,
    DescribeAccountPolicies,
    GetShardIterator,
    GetRecords,
    CreateLogStream,
    PutLogEvents,
    DeleteLogStream,
}

impl Action {
    /// Without `--canary`.
    pub(in crate::cli::doctor) const READING: [Action; 27] = [
        Action::DescribeDbInstances,
        Action::DescribeDbParameters,
        Action::DescribeDbClusters,
        Action::DescribeDbClusterParameters,
        Action::DescribeLogGroups,
        Action::DescribeLogStreams,
        Action::DescribeSubscriptionFilters,
        Action::TestMetricFilter,
        Action::DescribeStreamSummary,
        Action::ListShards,
        Action::ListDeliveryStreams,
        Action::DescribeDeliveryStream,
        Action::GetFunctionConfiguration,
        Action::GetFunctionConcurrency,
        Action::ListEventSourceMappings,
        Action::GetRole,
        Action::ListRolePolicies,
        Action::GetRolePolicy,
        Action::ListAttachedRolePolicies,
        Action::GetPolicy,
        Action::GetPolicyVersion,
        Action::DescribeDomain,
        Action::ListObjectsV2,
        Action::GetObject,
        Action::ListMetrics,
        Action::GetMetricData,
        Action::DescribeAccountPolicies,
    ];

    /// With `--canary`, beside those.
    pub(in crate::cli::doctor) const CANARY: [Action; 5] = [
        Action::GetShardIterator,
        Action::GetRecords,
        Action::CreateLogStream,
        Action::PutLogEvents,
        Action::DeleteLogStream,
    ];

    /// The service's name for it, behind what the service is called in requests.
    pub(in crate::cli::doctor) fn target(self) -> &'static str {
        match self {
            Action::DescribeDbInstances => "rds.DescribeDBInstances",
            Action::DescribeDbParameters => "rds.DescribeDBParameters",
            Action::DescribeDbClusters => "rds.DescribeDBClusters",
            Action::DescribeDbClusterParameters => "rds.DescribeDBClusterParameters",
            Action::DescribeLogGroups => "Logs_20140328.DescribeLogGroups",
            Action::DescribeLogStreams => "Logs_20140328.DescribeLogStreams",
            Action::DescribeSubscriptionFilters => "Logs_20140328.DescribeSubscriptionFilters",
            Action::TestMetricFilter => "Logs_20140328.TestMetricFilter",
            Action::DescribeStreamSummary => "Kinesis_20131202.DescribeStreamSummary",
            Action::ListShards => "Kinesis_20131202.ListShards",
            Action::ListDeliveryStreams => "Firehose_20150804.ListDeliveryStreams",
            Action::DescribeDeliveryStream => "Firehose_20150804.DescribeDeliveryStream",
            Action::GetFunctionConfiguration => "lambda.GetFunctionConfiguration",
            Action::GetFunctionConcurrency => "lambda.GetFunctionConcurrency",
            Action::ListEventSourceMappings => "lambda.ListEventSourceMappings",
            Action::GetRole => "iam.GetRole",
            Action::ListRolePolicies => "iam.ListRolePolicies",
            Action::GetRolePolicy => "iam.GetRolePolicy",
            Action::ListAttachedRolePolicies => "iam.ListAttachedRolePolicies",
            Action::GetPolicy => "iam.GetPolicy",
            Action::GetPolicyVersion => "iam.GetPolicyVersion",
            Action::DescribeDomain => "es.DescribeDomain",
            Action::ListObjectsV2 => "s3.ListObjectsV2",
            Action::GetObject => "s3.GetObject",
            Action::ListMetrics => "cloudwatch.ListMetrics",
            Action::GetMetricData => "cloudwatch.GetMetricData",
            Action::DescribeAccountPolicies => "Logs_20140328.DescribeAccountPolicies",
            Action::GetShardIterator => "Kinesis_20131202.GetShardIterator",
            Action::GetRecords => "Kinesis_20131202.GetRecords",
            Action::CreateLogStream => "Logs_20140328.CreateLogStream",
            Action::PutLogEvents => "Logs_20140328.PutLogEvents",
            Action::DeleteLogStream => "Logs_20140328.DeleteLogStream",
        }
    }

    /// As the service calls it.
    pub(in crate::cli::doctor) fn name(self) -> &'static str {
        self.target().split_once('.').map_or("", |(_, name)| name)
    }

    /// The service, as policies call it.
    pub(in crate::cli::doctor) fn service(self) -> &'static str {
        match self.target().split_once('.').map_or("", |(service, _)| service) {
            "Logs_20140328" => "logs",
            "Kinesis_20131202" => "kinesis",
            "Firehose_20150804" => "firehose",
            other => other,
        }
    }

    /// As a policy calls the right to it.
    pub(in crate::cli::doctor) fn permission(self) -> String {
        let name = if self == Action::ListObjectsV2 { "ListBucket" } else { self.name() };
        format!("{}:{name}", self.service())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_canary_nothing_but_reading_is_asked_for() {
        for action in Action::READING {
            let name = action.name();
            let reads = ["Describe", "List", "Get", "Head"].iter().any(|verb| name.starts_with(verb));
            assert!(reads || name == "TestMetricFilter", "{name}");
        }
        // `DeleteLogStream` is the last: every action stands in one of the two lists, once.
        let mut all = [&Action::READING[..], &Action::CANARY].concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), Action::DeleteLogStream as usize + 1);
    }

    #[test]
    fn rights_are_named_as_policies_name_them() {
        assert_eq!(Action::ListObjectsV2.permission(), "s3:ListBucket");
        assert_eq!(Action::DescribeDbInstances.permission(), "rds:DescribeDBInstances");
        assert_eq!(Action::DescribeLogGroups.permission(), "logs:DescribeLogGroups");
    }
}
