//! The calls that the doctor makes: which there are, how each is carried, and what becomes of one that is refused.
//!
//! A call that is refused is kept as a [`Refusal`], from which a finding is made; the walk goes on. A call that is
//! throttled or gets no answer is made again, [`ATTEMPTS`] times in all.

use std::cell::RefCell;
use std::time::Duration;

use hydrant_aws::{Answer, CallError, Client, Connection, Method, Service};
use serde_json::Value as Json;

use super::xml::Node;

/// Of one call.
const ATTEMPTS: u32 = 4;

/// Before the second attempt; it doubles.
const PAUSE: Duration = Duration::from_millis(250);

/// Of one attempt.
const TIMEOUT: Duration = Duration::from_secs(30);

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
    GetShardIterator,
    GetRecords,
    CreateLogStream,
    PutLogEvents,
    DeleteLogStream,
}

impl Action {
    /// Without `--canary`.
    pub(in crate::cli::doctor) const READING: [Action; 26] = [
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

    /// As a policy calls the right to it.
    pub(in crate::cli::doctor) fn permission(self) -> String {
        let service = match self.target().split_once('.').map_or("", |(service, _)| service) {
            "Logs_20140328" => "logs",
            "Kinesis_20131202" => "kinesis",
            "Firehose_20150804" => "firehose",
            other => other,
        };
        let name = if self == Action::ListObjectsV2 { "ListBucket" } else { self.name() };
        format!("{service}:{name}")
    }
}

/// What was looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::doctor) enum Looked<T> {
    Found(T),
    NotThere,
    /// It was not asked for, or the call was refused.
    #[default]
    Unknown,
}

impl<T> Looked<T> {
    pub(in crate::cli::doctor) fn found(&self) -> Option<&T> {
        match self {
            Looked::Found(found) => Some(found),
            Looked::NotThere | Looked::Unknown => None,
        }
    }

    pub(in crate::cli::doctor) fn is_absent(&self) -> bool {
        matches!(self, Looked::NotThere)
    }

    pub(in crate::cli::doctor) fn map<U>(self, change: impl FnOnce(T) -> U) -> Looked<U> {
        match self {
            Looked::Found(found) => Looked::Found(change(found)),
            Looked::NotThere => Looked::NotThere,
            Looked::Unknown => Looked::Unknown,
        }
    }
}

/// Why a call has brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) enum Because {
    /// We may not.
    Denied,
    /// Credentials are missing, wrong or too old.
    Credentials,
    NoAnswer,
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Refusal {
    pub(in crate::cli::doctor) action: Action,
    pub(in crate::cli::doctor) resource: String,
    pub(in crate::cli::doctor) because: Because,
    /// The service's words.
    pub(in crate::cli::doctor) told: String,
}

const CREDENTIAL_CODES: [&str; 8] = [
    "UnrecognizedClientException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "MissingAuthenticationToken",
];

/// Why a call failed; `None`: what it asked for is not there.
pub(in crate::cli::doctor) fn because(error: &CallError) -> Option<Because> {
    match error {
        CallError::Settings(_) => Some(Because::Other),
        CallError::SignIn(_) => Some(Because::Credentials),
        CallError::NoAnswer { .. } => Some(Because::NoAnswer),
        CallError::Refused { status, code, .. } => {
            // Services of the REST protocol name the error in a header; OpenSearch Service's is 409.
            let is_absent = ["NotFound", "NoSuch"].iter().any(|part| code.contains(part));
            if is_absent || *status == 404 || (*status == 409 && code == "UnknownError") {
                None
            } else if CREDENTIAL_CODES.contains(&code.as_str()) {
                Some(Because::Credentials)
            } else if code.contains("AccessDenied") || code.contains("Unauthorized") || *status == 403 {
                Some(Because::Denied)
            } else {
                Some(Because::Other)
            }
        }
    }
}

fn is_worth_another(error: &CallError) -> bool {
    match error {
        CallError::Settings(_) | CallError::SignIn(_) => false,
        CallError::NoAnswer { .. } => true,
        CallError::Refused { status, code, .. } => {
            let is_busy = ["Throttl", "TooManyRequests", "LimitExceeded", "ProvisionedThroughput", "SlowDown"];
            *status >= 500 || is_busy.iter().any(|part| code.contains(part))
        }
    }
}

/// All services, and what they have refused.
pub(in crate::cli::doctor) struct Aws {
    logs: Client,
    kinesis: Client,
    firehose: Client,
    lambda: Client,
    rds: Client,
    iam: Client,
    cloudwatch: Client,
    opensearch: Client,
    s3: Client,
    /// Whether a canary may be sent.
    is_canary: bool,
    refusals: RefCell<Vec<Refusal>>,
}

impl Aws {
    /// # Errors
    /// An address that somebody gave is none.
    pub(in crate::cli::doctor) fn new(
        connection: &Connection,
        iam_region: &str,
        is_canary: bool,
    ) -> Result<Aws, CallError> {
        let usual = |name: &'static str| connection.service(Service::usual(name), name);
        Ok(Aws {
            logs: usual("logs")?,
            kinesis: usual("kinesis")?,
            firehose: usual("firehose")?,
            lambda: usual("lambda")?,
            rds: usual("rds")?,
            iam: connection.service_in(Service::usual("iam"), "iam", iam_region)?,
            cloudwatch: usual("monitoring")?,
            opensearch: usual("es")?,
            s3: connection.service(Service::S3, "s3")?,
            is_canary,
            refusals: RefCell::default(),
        })
    }

    pub(in crate::cli::doctor) fn refusals(&self) -> Vec<Refusal> {
        self.refusals.borrow().clone()
    }

    /// A call of Logs, Kinesis or Firehose.
    pub(in crate::cli::doctor) async fn json(&self, action: Action, resource: &str, body: &Json) -> Looked<Json> {
        let client = match action.target().split_once('_').map_or("", |(service, _)| service) {
            "Logs" => &self.logs,
            "Kinesis" => &self.kinesis,
            _ => &self.firehose,
        };
        let call = || client.json(action.target(), body.to_string().into_bytes());
        self.carried(action, resource, call).await
    }

    /// A call of RDS, IAM or CloudWatch.
    pub(in crate::cli::doctor) async fn query(
        &self,
        action: Action,
        resource: &str,
        parameters: &[(&str, &str)],
    ) -> Looked<Node> {
        let (client, version) = match action.target().split_once('.').map_or("", |(service, _)| service) {
            "rds" => (&self.rds, "2014-10-31"),
            "iam" => (&self.iam, "2010-05-08"),
            _ => (&self.cloudwatch, "2010-08-01"),
        };
        let call = || client.query(action.name(), version, parameters);
        self.carried(action, resource, call).await.map(|text| Node::parse(&text))
    }

    /// A call of Lambda or OpenSearch Service.
    pub(in crate::cli::doctor) async fn rest(
        &self,
        action: Action,
        resource: &str,
        path: &str,
        query: Option<&str>,
    ) -> Looked<Json> {
        let client = if action == Action::DescribeDomain { &self.opensearch } else { &self.lambda };
        let call = || client.rest_json(action.name(), Method::GET, path, query);
        self.carried(action, resource, call).await
    }

    /// A call of S3.
    pub(in crate::cli::doctor) async fn object(
        &self,
        action: Action,
        resource: &str,
        path: &str,
        query: Option<&str>,
        headers: &[(&'static str, &str)],
    ) -> Looked<Vec<u8>> {
        let call = async || {
            let answer: Answer = self.s3.rest(Method::GET, path, query, headers, Vec::new()).await?;
            answer.accepted(action.name())
        };
        self.carried(action, resource, call).await
    }

    async fn carried<T, F>(&self, action: Action, resource: &str, call: impl Fn() -> F) -> Looked<T>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let is_allowed = Action::READING.contains(&action) || (self.is_canary && Action::CANARY.contains(&action));
        assert!(is_allowed, "{} is called without --canary", action.name());
        match attempted(call).await {
            Ok(answer) => Looked::Found(answer),
            Err(error) => match because(&error) {
                None => Looked::NotThere,
                Some(because) => {
                    let told = error.to_string();
                    let refusal = Refusal { action, resource: resource.to_owned(), because, told };
                    self.refusals.borrow_mut().push(refusal);
                    Looked::Unknown
                }
            },
        }
    }
}

/// The call until it is answered, or its attempts are used up.
async fn attempted<T, F>(call: impl Fn() -> F) -> Result<T, CallError>
where
    F: Future<Output = Result<T, CallError>>,
{
    let mut attempt = 1;
    loop {
        let late = |_| {
            let problem = format!("nothing came in {} s", TIMEOUT.as_secs());
            Err(CallError::NoAnswer { endpoint: "the service".to_owned(), problem })
        };
        match tokio::time::timeout(TIMEOUT, call()).await.unwrap_or_else(late) {
            Err(error) if attempt < ATTEMPTS && is_worth_another(&error) => {
                tokio::time::sleep(PAUSE * 2u32.saturating_pow(attempt - 1)).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
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
    fn refusals_are_told_apart() {
        let refused = |status, code: &str| {
            let (action, message) = ("A".to_owned(), String::new());
            because(&CallError::Refused { action, status, code: code.to_owned(), message })
        };
        assert_eq!(refused(400, "AccessDeniedException"), Some(Because::Denied));
        assert_eq!(refused(403, "AccessDenied"), Some(Because::Denied));
        assert_eq!(refused(403, "InvalidClientTokenId"), Some(Because::Credentials));
        assert_eq!(refused(400, "ResourceNotFoundException"), None);
        assert_eq!(refused(404, "DBInstanceNotFound"), None);
        assert_eq!(refused(404, "NoSuchBucket"), None);
        assert_eq!(refused(400, "ValidationException"), Some(Because::Other));
    }

    #[test]
    fn rights_are_named_as_policies_name_them() {
        assert_eq!(Action::ListObjectsV2.permission(), "s3:ListBucket");
        assert_eq!(Action::DescribeDbInstances.permission(), "rds:DescribeDBInstances");
        assert_eq!(Action::DescribeLogGroups.permission(), "logs:DescribeLogGroups");
    }
}
