//! One call: a request, signed, and its answer or why there is none.

use std::fmt::Write as _;
use std::sync::Once;
use std::time::Duration;

use aws_credential_types::provider::SharedCredentialsProvider;
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use reqwest::{Method, Request, Url};
use serde_json::Value;

use crate::environment::{Environment, address};
use crate::signer::{Service, Signer, chain};

/// An answer that is longer is none.
pub const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How all services are reached.
#[derive(Clone)]
pub struct Connection {
    http: reqwest::Client,
    environment: Environment,
    region: String,
    credentials: SharedCredentialsProvider,
}

/// One service.
pub struct Client {
    http: reqwest::Client,
    signer: Signer,
    endpoint: Url,
    /// The address is not AWS's own.
    is_given: bool,
}

/// What a service says, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// The name of an error where services of a REST protocol write it: in a header.
    pub error_type: Option<String>,
    pub body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The address, or the client, is wrong.
    #[error("{0}")]
    Settings(String),
    #[error("the request cannot be signed: {0}")]
    SignIn(String),
    /// Nobody knows whether the service has done what was asked.
    #[error("{endpoint} gives no answer: {problem}")]
    NoAnswer { endpoint: String, problem: String },
    /// The service's own words.
    #[error("{action}: {code} (HTTP {status}): {message}")]
    Refused { action: String, status: u16, code: String, message: String },
}

impl CallError {
    /// The service's word for what is wrong, where it has answered.
    pub fn code(&self) -> &str {
        match self {
            CallError::Refused { code, .. } => code,
            CallError::Settings(_) | CallError::SignIn(_) | CallError::NoAnswer { .. } => "",
        }
    }
}

impl Connection {
    /// # Errors
    /// No HTTP client can be made.
    pub fn new(
        environment: Environment,
        region: String,
        credentials: SharedCredentialsProvider,
    ) -> Result<Connection, CallError> {
        static PROVIDER: Once = Once::new();
        // One that somebody else has set does as well.
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("hydrant/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| CallError::Settings(format!("the client: {}", causes(&error))))?;
        Ok(Connection { http, environment, region, credentials })
    }

    pub fn region(&self) -> &str {
        &self.region
    }

    pub fn credentials(&self) -> SharedCredentialsProvider {
        self.credentials.clone()
    }

    /// A service in the region. `host`: the first part of its address where that is not its name in signatures.
    ///
    /// # Errors
    /// The address that the environment gives is none.
    pub fn service(&self, service: Service, host: &str) -> Result<Client, CallError> {
        self.service_in(service, host, &self.region)
    }

    /// A service in another region; IAM, which is in one place for all, is signed for `region`.
    ///
    /// # Errors
    /// See [`Connection::service`].
    pub fn service_in(&self, service: Service, host: &str, region: &str) -> Result<Client, CallError> {
        let given = self.environment.endpoint(service.name);
        let usual = || match (service.name, region) {
            // One for all regions of a partition.
            ("iam", "us-gov-west-1") => "https://iam.us-gov.amazonaws.com".to_owned(),
            ("iam", region) if !region.starts_with("cn-") => "https://iam.amazonaws.com".to_owned(),
            _ => format!("https://{host}.{region}.{}", suffix(region)),
        };
        let text = given.map_or_else(usual, str::to_owned);
        let endpoint =
            address(&text).map_err(|why| CallError::Settings(format!("the address of {}: {why}", service.name)))?;
        let signer = Signer::new(service, region.to_owned(), self.credentials.clone());
        Ok(Client { http: self.http.clone(), signer, endpoint, is_given: given.is_some() })
    }
}

/// What the addresses of a region end with.
pub(crate) fn suffix(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

impl Client {
    /// Whether somebody gave the address.
    pub fn is_given(&self) -> bool {
        self.is_given
    }

    /// A call of the JSON protocol: `target` is the service's name for it, as `Kinesis_20131202.PutRecords`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn json(&self, target: &'static str, body: Vec<u8>) -> Result<Value, CallError> {
        let mut request = Request::new(Method::POST, self.url("/", None)?);
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
        headers.insert("x-amz-target", HeaderValue::from_static(target));
        *request.body_mut() = Some(body.into());
        let answer = self.carry(request).await?;
        let action = target.rsplit('.').next().unwrap_or(target);
        read_json(action, &answer)
    }

    /// A call of the query protocol, whose answer is XML.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn query(&self, action: &str, version: &str, parameters: &[(&str, &str)]) -> Result<String, CallError> {
        let mut body = format!("Action={action}&Version={version}");
        for (name, value) in parameters {
            body.push('&');
            encode(&mut body, name, false);
            body.push('=');
            encode(&mut body, value, false);
        }
        let mut request = Request::new(Method::POST, self.url("/", None)?);
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
        request.headers_mut().insert(CONTENT_TYPE, kind);
        *request.body_mut() = Some(body.into_bytes().into());
        let Answer { status, body, .. } = self.carry(request).await?;
        let text = String::from_utf8_lossy(&body).into_owned();
        if (200..300).contains(&status) { Ok(text) } else { Err(refused_xml(action, status, &text)) }
    }

    /// A call of a REST protocol, whatever is answered. `path` is encoded here; `query` stands as it is.
    ///
    /// # Errors
    /// See [`CallError`]; a refusal is an answer.
    pub async fn rest(
        &self,
        method: Method,
        path: &str,
        query: Option<&str>,
        headers: &[(&'static str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, CallError> {
        let mut request = Request::new(method, self.url(path, query)?);
        for (name, value) in headers {
            let wrong = |error: &dyn std::fmt::Display| CallError::Settings(format!("header {name}: {error}"));
            let value = HeaderValue::try_from(*value).map_err(|error| wrong(&error))?;
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        let body: Bytes = body.into();
        if !body.is_empty() {
            *request.body_mut() = Some(body.into());
        }
        self.carry(request).await
    }

    /// [`Client::rest`], where the answer is JSON or a refusal in JSON.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn rest_json(
        &self,
        action: &str,
        method: Method,
        path: &str,
        query: Option<&str>,
    ) -> Result<Value, CallError> {
        read_json(action, &self.rest(method, path, query, &[], Vec::new()).await?)
    }

    fn url(&self, path: &str, query: Option<&str>) -> Result<Url, CallError> {
        let mut text = self.endpoint.as_str().trim_end_matches('/').to_owned();
        encode(&mut text, path, true);
        if let Some(query) = query {
            text.push('?');
            text.push_str(query);
        }
        Url::parse(&text).map_err(|error| CallError::Settings(format!("{text}: {error}")))
    }

    async fn carry(&self, request: Request) -> Result<Answer, CallError> {
        let request = self.signer.sign(request).await.map_err(CallError::SignIn)?;
        let endpoint = || self.endpoint.as_str().trim_end_matches('/').to_owned();
        let lost = |error: &reqwest::Error| CallError::NoAnswer { endpoint: endpoint(), problem: causes(error) };
        let mut response = self.http.execute(request).await.map_err(|error| lost(&error))?;
        let status = response.status().as_u16();
        let error_type = response.headers().get("x-amzn-errortype").and_then(|value| value.to_str().ok());
        let error_type = error_type.map(str::to_owned);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| lost(&error))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                let problem = format!("its answer is longer than {ANSWER_BYTES_MAX} bytes");
                return Err(CallError::NoAnswer { endpoint: endpoint(), problem });
            }
            body.extend_from_slice(&chunk);
        }
        if matches!(status, 401 | 403) {
            self.signer.was_refused().await;
        }
        Ok(Answer { status, error_type, body })
    }
}

/// Percent-encodes all that is not unreserved (RFC 3986); in a path slashes stay.
fn encode(out: &mut String, text: &str, is_path: bool) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b'/' if is_path => out.push('/'),
            _ => match write!(out, "%{byte:02X}") {
                Ok(()) | Err(std::fmt::Error) => {}
            },
        }
    }
}

fn read_json(action: &str, answer: &Answer) -> Result<Value, CallError> {
    let told: Value =
        if answer.body.is_empty() { Value::Null } else { serde_json::from_slice(&answer.body).unwrap_or(Value::Null) };
    if (200..300).contains(&answer.status) {
        return Ok(told);
    }
    let text = |name: &str| told.get(name).and_then(Value::as_str);
    let code = text("__type").or_else(|| text("code")).or_else(|| text("Code"));
    // Lambda's `Type` says only who is to blame.
    let code = code.or(answer.error_type.as_deref()).or_else(|| text("Type")).unwrap_or("UnknownError");
    // `namespace#Code`, `Code:http://…`.
    let code = code.split(':').next().unwrap_or_default().rsplit('#').next().unwrap_or_default().to_owned();
    let message = text("message").or_else(|| text("Message")).unwrap_or_default().to_owned();
    Err(CallError::Refused { action: action.to_owned(), status: answer.status, code, message })
}

/// The service's words in a refusal in XML.
pub(crate) fn refused_xml(action: &str, status: u16, text: &str) -> CallError {
    let part = |name: &str| {
        let (_, behind) = text.split_once(&format!("<{name}>"))?;
        Some(behind.split_once(&format!("</{name}>"))?.0.trim().to_owned())
    };
    let (code, message) =
        (part("Code").unwrap_or_else(|| "UnknownError".to_owned()), part("Message").unwrap_or_default());
    CallError::Refused { action: action.to_owned(), status, code, message }
}

/// What a call of a REST protocol was refused with, JSON or XML.
impl Answer {
    /// # Errors
    /// The status is none of success.
    pub fn accepted(self, action: &str) -> Result<Vec<u8>, CallError> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        let text = String::from_utf8_lossy(&self.body);
        if text.trim_start().starts_with('<') {
            return Err(refused_xml(action, self.status, &text));
        }
        match read_json(action, &self) {
            Err(error) => Err(error),
            Ok(_) => Ok(Vec::new()),
        }
    }
}

/// What caused an error of the client, whose own words name the address, which its teller names anyway.
fn causes(error: &reqwest::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_in_the_services_own_words() {
        let answer = |body: &str| Answer { status: 400, error_type: None, body: body.as_bytes().to_vec() };
        let told = |result: Result<Vec<u8>, CallError>| result.unwrap_err().to_string();
        let json = r#"{"__type":"com.amazonaws.kinesis#AccessDeniedException","Message":"not authorized to perform: kinesis:PutRecords"}"#;
        let expected = "PutRecords: AccessDeniedException (HTTP 400): not authorized to perform: kinesis:PutRecords";
        assert_eq!(told(answer(json).accepted("PutRecords")), expected);
        let xml = "<?xml version=\"1.0\"?>\n<Error><Code>NoSuchBucket</Code><Message>no such bucket</Message></Error>";
        assert_eq!(told(answer(xml).accepted("PutObject")), "PutObject: NoSuchBucket (HTTP 400): no such bucket");
        assert_eq!(told(answer("").accepted("PutObject")), "PutObject: UnknownError (HTTP 400): ");
        assert_eq!(Answer { status: 200, ..answer("x") }.accepted("PutObject").unwrap(), b"x");
        let error_type = Some("TooManyRequestsException:http://internal.amazon.com/coral/".to_owned());
        let lambda = Answer { status: 429, error_type, ..answer(r#"{"Type":"User","message":"Rate exceeded"}"#) };
        let expected = "GetFunctionConfiguration: TooManyRequestsException (HTTP 429): Rate exceeded";
        assert_eq!(told(lambda.accepted("GetFunctionConfiguration")), expected);
    }

    #[tokio::test]
    async fn addresses_are_those_of_the_region_or_of_the_environment() {
        let connection = |region: &str, variables: &[(&str, &str)]| {
            let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let environment = Environment::new(variables);
            let credentials = environment.credentials();
            Connection::new(environment, region.to_owned(), credentials).unwrap()
        };
        let kinesis = Service::usual("kinesis");
        let url = |client: Client| client.url("/", None).unwrap().to_string();
        let usual = connection("eu-west-1", &[]).service(kinesis, "kinesis").unwrap();
        assert!(!usual.is_given());
        assert_eq!(url(usual), "https://kinesis.eu-west-1.amazonaws.com/");
        let china = connection("cn-north-1", &[]).service(kinesis, "kinesis").unwrap();
        assert_eq!(url(china), "https://kinesis.cn-north-1.amazonaws.com.cn/");
        let iam = |region| connection("eu-west-1", &[]).service_in(Service::usual("iam"), "iam", region).unwrap();
        assert_eq!(url(iam("us-east-1")), "https://iam.amazonaws.com/");
        assert_eq!(url(iam("us-gov-west-1")), "https://iam.us-gov.amazonaws.com/");
        assert_eq!(url(iam("cn-north-1")), "https://iam.cn-north-1.amazonaws.com.cn/");
        let given = connection("eu-west-1", &[("AWS_ENDPOINT_URL", "http://127.0.0.1:5000/")]);
        let client = given.service(kinesis, "kinesis").unwrap();
        assert!(client.is_given());
        assert_eq!(client.url("/a b/ü", Some("x=1")).unwrap().as_str(), "http://127.0.0.1:5000/a%20b/%C3%BC?x=1");
        for wrong in ["127.0.0.1:5000", "ftp://a", "http://jane:s3cret@a", "http://a/?t=s3cret", "http://a#s3cret"] {
            let error = connection("eu-west-1", &[("AWS_ENDPOINT_URL_KINESIS", wrong)]).service(kinesis, "kinesis");
            let told = error.err().unwrap().to_string();
            assert!(told.starts_with("the address of kinesis: ") && !told.contains("s3cret"), "{told}");
        }
    }
}
