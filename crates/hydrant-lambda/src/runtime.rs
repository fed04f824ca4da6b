//! The Runtime API of AWS Lambda: the next event in, its answer or its error out.
//!
//! An answer is sent as it was written. Clients made for any function read and write values of JSON: they read and
//! copy an answer of 6 MB once more (docs/bench/lambda.md).
//!
//! Source: AWS Lambda's developer guide, "Using the Lambda runtime API for custom runtimes", version 2018-06-01.

use http_body_util::{BodyExt as _, Full};
use hydrant_aws::chain;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::json;

/// Written at once, at most.
const BUFFER_BYTES_MAX: usize = 1024 * 1024;

/// Told with an event and told back, so that an answer never ends another invocation.
const INVOCATION_ID: &str = "lambda-runtime-invocation-id";

pub struct Runtime {
    client: Client<HttpConnector, Full<Bytes>>,
    /// The beginning of all addresses.
    root: String,
}

/// An event, and what the platform says of it.
pub struct Event {
    pub request_id: String,
    /// Milliseconds since 1970 UTC; 0 where it is not told.
    pub deadline_ms: u64,
    pub payload: Bytes,
    invocation_id: Option<HeaderValue>,
}

/// The platform does not answer, or not as it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Runtime API: {0}")]
pub struct RuntimeError(String);

impl Runtime {
    /// `api`: `HOST:PORT`, as the platform gives it.
    pub fn new(api: &str) -> Runtime {
        let client = Client::builder(TokioExecutor::new()).http1_max_buf_size(BUFFER_BYTES_MAX).build_http();
        Runtime { client, root: format!("http://{api}/2018-06-01/runtime") }
    }

    /// Waits for the next event, however long there is none.
    ///
    /// # Errors
    /// There will be no next event: the process has to end.
    pub async fn next(&self) -> Result<Event, RuntimeError> {
        let request = Request::get(format!("{}/invocation/next", self.root)).header(USER_AGENT, AGENT);
        let response = self.call(request.body(Full::default())).await?;
        let (head, body) = response.into_parts();
        let payload = body.collect().await.map_err(|error| RuntimeError(error.to_string()))?.to_bytes();
        if head.status != StatusCode::OK {
            return Err(RuntimeError(format!("no next event: HTTP {}", head.status)));
        }
        let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let request_id = text("lambda-runtime-aws-request-id")
            .ok_or_else(|| RuntimeError("an event without the id of its request".to_owned()))?;
        Ok(Event {
            request_id: request_id.to_owned(),
            deadline_ms: text("lambda-runtime-deadline-ms").and_then(|text| text.parse().ok()).unwrap_or(0),
            payload,
            invocation_id: head.headers.get(INVOCATION_ID).cloned(),
        })
    }

    /// Answers an event.
    ///
    /// # Errors
    /// The answer was not taken; the next event may be asked for all the same.
    pub async fn answer(&self, event: &Event, answer: Vec<u8>) -> Result<(), RuntimeError> {
        let path = format!("/invocation/{}/response", event.request_id);
        self.post(&path, event.head(), answer).await
    }

    /// Tells that an event has no answer.
    ///
    /// # Errors
    /// See [`Runtime::answer`].
    pub async fn fail(&self, event: &Event, error_type: &'static str, message: &str) -> Result<(), RuntimeError> {
        let path = format!("/invocation/{}/error", event.request_id);
        self.post_error(&path, event.head(), error_type, message).await
    }

    /// Tells that the function cannot begin.
    ///
    /// # Errors
    /// It could not be told.
    pub async fn refuse(&self, error_type: &'static str, message: &str) -> Result<(), RuntimeError> {
        self.post_error("/init/error", HeaderMap::new(), error_type, message).await
    }

    async fn post_error(
        &self,
        path: &str,
        mut head: HeaderMap,
        error_type: &'static str,
        message: &str,
    ) -> Result<(), RuntimeError> {
        head.insert("lambda-runtime-function-error-type", HeaderValue::from_static(error_type));
        let body = json!({"errorType": error_type, "errorMessage": message, "stackTrace": []});
        self.post(path, head, body.to_string().into_bytes()).await
    }

    async fn post(&self, path: &str, head: HeaderMap, body: Vec<u8>) -> Result<(), RuntimeError> {
        let mut request = Request::post(format!("{}{path}", self.root))
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, AGENT)
            .body(Full::from(body));
        if let Ok(request) = &mut request {
            request.headers_mut().extend(head);
        }
        let response = self.call(request).await?;
        let status = response.status();
        // Read to its end, so that the connection can be used again.
        let told = response.into_body().collect().await.map_err(|error| RuntimeError(error.to_string()))?.to_bytes();
        if status.is_success() {
            return Ok(());
        }
        Err(RuntimeError(format!("{path}: HTTP {status}: {}", String::from_utf8_lossy(&told))))
    }

    async fn call(
        &self,
        request: hyper::http::Result<Request<Full<Bytes>>>,
    ) -> Result<Response<Incoming>, RuntimeError> {
        let request = request.map_err(|error| RuntimeError(error.to_string()))?;
        self.client.request(request).await.map_err(|error| RuntimeError(chain(&error)))
    }
}

const AGENT: &str = concat!("hydrant-lambda/", env!("CARGO_PKG_VERSION"));

impl Event {
    fn head(&self) -> HeaderMap {
        let mut head = HeaderMap::new();
        head.extend(
            self.invocation_id.iter().map(|id| (hyper::header::HeaderName::from_static(INVOCATION_ID), id.clone())),
        );
        head
    }
}
