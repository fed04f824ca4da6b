//! How calls are carried, pages followed, and what becomes of a call that is refused.
//!
//! A call that is refused is kept as a [`Refusal`], from which a finding is made; the walk goes on. A call that is
//! throttled or gets no answer is made again, [`ATTEMPTS`] times in all.

use std::cell::RefCell;
use std::time::Duration;

use hydrant_aws::{Answer, CallError, Client, Connection, Method, Service};
use serde_json::Value as Json;

pub(in crate::cli::doctor) use super::action::Action;
use super::xml::Node;

/// Of one call.
const ATTEMPTS: u32 = 4;

/// Before the second attempt; it doubles.
const PAUSE: Duration = Duration::from_millis(250);

/// Of one attempt.
const TIMEOUT: Duration = Duration::from_secs(30);

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

/// What pages hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Paged<T> {
    pub(in crate::cli::doctor) items: Vec<T>,
    /// There are pages that were not read, or could not be.
    pub(in crate::cli::doctor) has_more: bool,
}

/// A page: what it holds, and the token of the one behind it.
pub(in crate::cli::doctor) type Page<T> = (Vec<T>, Option<String>);

/// The pages of a listing, at most so many, each asked for by the token of the one before.
pub(in crate::cli::doctor) async fn paged<T>(
    pages_max: usize,
    page: impl AsyncFn(Option<&str>) -> Looked<Page<T>>,
) -> Looked<Paged<T>> {
    let (mut all, mut token) = (Paged { items: Vec::new(), has_more: false }, None::<String>);
    for _ in 0..pages_max {
        let (items, next) = match (page(token.as_deref()).await, &token) {
            (Looked::Found(page), _) => page,
            // What stands on the pages before is known.
            (Looked::NotThere | Looked::Unknown, Some(_)) => break,
            (Looked::NotThere, None) => return Looked::NotThere,
            (Looked::Unknown, None) => return Looked::Unknown,
        };
        all.items.extend(items);
        token = next.filter(|token| !token.is_empty());
        all.has_more = token.is_some();
        if token.is_none() {
            break;
        }
    }
    Looked::Found(all)
}

/// The request for the page behind a token, which has this name in it.
pub(in crate::cli::doctor) fn behind(mut asked: Json, name: &str, token: Option<&str>) -> Json {
    if let (Some(asked), Some(token)) = (asked.as_object_mut(), token) {
        asked.insert(name.to_owned(), Json::from(token));
    }
    asked
}

/// A text of an answer, such as the token of the next page.
pub(in crate::cli::doctor) fn text(answer: &Json, name: &str) -> Option<String> {
    answer.get(name).and_then(Json::as_str).map(str::to_owned)
}

/// A call that is made again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) enum Polled {
    Found(Json),
    /// Throttled, or without an answer: worth another poll.
    Later,
    /// What it goes on from is too old.
    Expired,
    /// Each poll would be refused.
    Never,
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
            let is_absent = ["NotFound", "NoSuch"].iter().any(|part| code.contains(part));
            if is_absent || *status == 404 {
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
            *status == 429 || *status >= 500 || is_busy.iter().any(|part| code.contains(part))
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

    /// A call of Kinesis that is made again and again; only what is refused each time is kept as a refusal.
    pub(in crate::cli::doctor) async fn poll(&self, action: Action, resource: &str, body: &Json) -> Polled {
        let call = || self.kinesis.json(action.target(), body.to_string().into_bytes());
        match self.attempted(action, call).await {
            Ok(answer) => Polled::Found(answer),
            Err(error) if is_worth_another(&error) => Polled::Later,
            Err(error) if error.code().contains("ExpiredIterator") => Polled::Expired,
            Err(error) => {
                if let Some(because) = because(&error) {
                    self.keep(action, resource, because, &error);
                }
                Polled::Never
            }
        }
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
        match self.attempted(action, call).await {
            Ok(answer) => Looked::Found(answer),
            Err(error) => match because(&error) {
                None => Looked::NotThere,
                Some(because) => {
                    self.keep(action, resource, because, &error);
                    Looked::Unknown
                }
            },
        }
    }

    async fn attempted<T, F>(&self, action: Action, call: impl Fn() -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let is_allowed = Action::READING.contains(&action) || (self.is_canary && Action::CANARY.contains(&action));
        assert!(is_allowed, "{} is called without --canary", action.name());
        attempted(call).await
    }

    /// Keeps why a call failed.
    fn keep(&self, action: Action, resource: &str, because: Because, error: &CallError) {
        let refusal = Refusal { action, resource: resource.to_owned(), because, told: error.to_string() };
        self.refusals.borrow_mut().push(refusal);
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

    #[tokio::test]
    async fn pages_are_followed_to_a_bound_and_what_is_left_is_said() {
        // Three pages of two; the token is the number of the next one.
        let page = async |token: Option<&str>| {
            let number = token.map_or(0, |token| token.parse::<u32>().unwrap());
            Looked::Found((vec![number * 2, number * 2 + 1], Some((number + 1).to_string()).filter(|_| number < 2)))
        };
        assert_eq!(paged(9, page).await, Looked::Found(Paged { items: vec![0, 1, 2, 3, 4, 5], has_more: false }));
        assert_eq!(paged(2, page).await, Looked::Found(Paged { items: vec![0, 1, 2, 3], has_more: true }));
        // An empty token is none.
        let empty = async |_: Option<&str>| Looked::Found((vec![7], Some(String::new())));
        assert_eq!(paged(9, empty).await, Looked::Found(Paged { items: vec![7], has_more: false }));
    }

    #[tokio::test]
    async fn a_page_that_is_refused_is_more_and_the_first_is_all() {
        let second = async |token: Option<&str>| match token {
            None => Looked::Found((vec![1], Some("2".to_owned()))),
            Some(_) => Looked::Unknown,
        };
        assert_eq!(paged(9, second).await, Looked::Found(Paged { items: vec![1], has_more: true }));
        let first = async |_: Option<&str>| Looked::<Page<u32>>::NotThere;
        assert_eq!(paged(9, first).await, Looked::NotThere);
    }
}
