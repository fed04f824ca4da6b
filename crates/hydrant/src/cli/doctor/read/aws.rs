//! How calls are carried, pages followed, and what becomes of a call that is refused.
//!
//! A call that is refused, or whose answer is not what was asked for, is kept as a [`Refusal`], from which a finding is
//! made; the walk goes on. How often it is made, and how long it may take, says [`Patience`].

use std::cell::{Cell, RefCell};

use hydrant_aws::{CallError, Client, Connection, Method, Service};
use serde_json::Value as Json;

pub(in crate::cli::doctor) use super::action::Action;
use super::answer;
use super::patience::{Patience, is_worth_another};
use super::xml::Node;

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
    /// It is not what was asked for.
    NotRead,
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Refusal {
    pub(in crate::cli::doctor) action: Action,
    pub(in crate::cli::doctor) resource: String,
    pub(in crate::cli::doctor) because: Because,
    /// The service's words, or what came.
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

/// What the client calls an error without a name.
const NO_CODE: &str = "UnknownError";

/// Why a call failed; `None`: what it asked for is not there.
pub(in crate::cli::doctor) fn because(error: &CallError) -> Option<Because> {
    match error {
        CallError::Settings(_) => Some(Because::Other),
        CallError::SignIn(_) => Some(Because::Credentials),
        CallError::NoAnswer { .. } => Some(Because::NoAnswer),
        CallError::Refused { status, code, .. } => {
            let is_absent = ["NotFound", "NoSuch"].iter().any(|part| code.contains(part));
            // A page that is not there at all is none of AWS's: each error of these has a name.
            if is_absent || (*status == 404 && code != NO_CODE) {
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
    patience: Patience,
    /// Whether a call has brought something.
    has_read: Cell<bool>,
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
            patience: Patience::default(),
            has_read: Cell::new(false),
            refusals: RefCell::default(),
        })
    }

    pub(in crate::cli::doctor) fn refusals(&self) -> Vec<Refusal> {
        self.refusals.borrow().clone()
    }

    /// Whether no call has brought anything, not even that something is not there.
    pub(in crate::cli::doctor) fn is_nothing_read(&self) -> bool {
        !self.has_read.get()
    }

    /// A call of Logs, Kinesis or Firehose.
    pub(in crate::cli::doctor) async fn json(&self, action: Action, resource: &str, body: &Json) -> Looked<Json> {
        let client = match action.service() {
            "logs" => &self.logs,
            "kinesis" => &self.kinesis,
            _ => &self.firehose,
        };
        self.carried(action, resource, || posted(client, action, body), answer::json).await
    }

    /// A call of Kinesis that is made again and again; only what is refused each time is kept as a refusal.
    pub(in crate::cli::doctor) async fn poll(&self, action: Action, resource: &str, body: &Json) -> Polled {
        let failure = match self.attempted(action, || posted(&self.kinesis, action, body), answer::json).await {
            Ok(answer) => return Polled::Found(answer),
            Err(Failure::Call(error)) if is_worth_another(&error) => return Polled::Later,
            Err(Failure::Call(error)) if error.code().contains("ExpiredIterator") => return Polled::Expired,
            Err(failure) => failure,
        };
        drop(self.kept::<Json>(action, resource, &failure));
        Polled::Never
    }

    /// A call of RDS, IAM or CloudWatch.
    pub(in crate::cli::doctor) async fn query(
        &self,
        action: Action,
        resource: &str,
        parameters: &[(&str, &str)],
    ) -> Looked<Node> {
        let (client, version) = match action.service() {
            "rds" => (&self.rds, "2014-10-31"),
            "iam" => (&self.iam, "2010-05-08"),
            _ => (&self.cloudwatch, "2010-08-01"),
        };
        let call = async || client.query(action.name(), version, parameters).await.map(String::into_bytes);
        self.carried(action, resource, call, answer::xml).await
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
        self.carried(action, resource, || got(client, action, path, query, &[]), answer::json).await
    }

    /// An object of S3.
    pub(in crate::cli::doctor) async fn object(
        &self,
        action: Action,
        resource: &str,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Looked<Vec<u8>> {
        fn whole(_: Action, body: &[u8]) -> Result<Vec<u8>, String> {
            Ok(body.to_vec())
        }
        self.carried(action, resource, || got(&self.s3, action, path, None, headers), whole).await
    }

    /// A listing of S3.
    pub(in crate::cli::doctor) async fn listing(
        &self,
        action: Action,
        resource: &str,
        path: &str,
        query: &str,
    ) -> Looked<Node> {
        self.carried(action, resource, || got(&self.s3, action, path, Some(query), &[]), answer::xml).await
    }

    async fn carried<T, F>(&self, action: Action, resource: &str, call: impl Fn() -> F, read: Read<T>) -> Looked<T>
    where
        F: Future<Output = Result<Vec<u8>, CallError>>,
    {
        match self.attempted(action, call, read).await {
            Ok(answer) => Looked::Found(answer),
            Err(failure) => self.kept(action, resource, &failure),
        }
    }

    async fn attempted<T, F>(&self, action: Action, call: impl Fn() -> F, read: Read<T>) -> Result<T, Failure>
    where
        F: Future<Output = Result<Vec<u8>, CallError>>,
    {
        let is_allowed = Action::READING.contains(&action) || (self.is_canary && Action::CANARY.contains(&action));
        assert!(is_allowed, "{} is called without --canary", action.name());
        let answer = self.patience.attempted(action.service(), action.name(), call).await.map_err(Failure::Call)?;
        let answer = read(action, &answer).map_err(Failure::NotRead)?;
        self.has_read.set(true);
        Ok(answer)
    }

    /// Keeps why a call has brought nothing, unless what it asked for is not there.
    fn kept<T>(&self, action: Action, resource: &str, failure: &Failure) -> Looked<T> {
        let (because, told) = match failure {
            Failure::NotRead(came) => (Because::NotRead, format!("{came} came in place of an answer")),
            Failure::Call(error) => match because(error) {
                Some(because) => (because, error.to_string()),
                None => {
                    self.has_read.set(true);
                    return Looked::NotThere;
                }
            },
        };
        let refusal = Refusal { action, resource: resource.to_owned(), because, told };
        self.refusals.borrow_mut().push(refusal);
        Looked::Unknown
    }
}

/// Makes something of an answer; what came, where it is none.
type Read<T> = fn(Action, &[u8]) -> Result<T, String>;

enum Failure {
    Call(CallError),
    /// What came.
    NotRead(String),
}

/// A call of the JSON protocol, whose answer is read here: the client takes whatever is no JSON for none.
async fn posted(client: &Client, action: Action, body: &Json) -> Result<Vec<u8>, CallError> {
    let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", action.target())];
    client.rest(Method::POST, "/", None, &headers, body.to_string().into_bytes()).await?.accepted(action.name())
}

async fn got(
    client: &Client,
    action: Action,
    path: &str,
    query: Option<&str>,
    headers: &[(&'static str, &str)],
) -> Result<Vec<u8>, CallError> {
    client.rest(Method::GET, path, query, headers, Vec::new()).await?.accepted(action.name())
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
        // Of a server that is not AWS's.
        assert_eq!(refused(404, "UnknownError"), Some(Because::Other));
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
