//! One request as the endpoints see it: path, parameters, body; and the answer they give.
//!
//! Parameters are taken out one by one; what is left over is unknown and is refused by name.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;

use super::error::ApiError;
use super::json;
use super::prune::FilterPath;
use super::write;

/// Bytes of path and parameters, OpenSearch's limit for a request line.
pub(super) const URL_BYTES_MAX: usize = 4_096;

const JSON: &str = "application/json; charset=UTF-8";

pub(super) struct Call {
    pub(super) method: Method,
    /// As it was sent.
    pub(super) path: String,
    /// Decoded.
    pub(super) segments: Vec<String>,
    pub(super) parameters: Parameters,
    /// `None` where no byte came.
    pub(super) body: Option<String>,
    pub(super) accepts_json: bool,
}

impl Call {
    /// `body` is what came, inflated already.
    pub(super) fn read(method: Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<Call, ApiError> {
        if uri.path_and_query().is_some_and(|url| url.as_str().len() > URL_BYTES_MAX) {
            let reason = format!("An HTTP line is larger than {URL_BYTES_MAX} bytes.");
            return Err(ApiError::bad_request("too_long_http_line_exception", reason));
        }
        let mut parameters = Parameters::parse(uri.query().unwrap_or_default())?;
        let segments = uri.path().split('/').skip(1).map(|segment| percent_decode(segment, false));
        let mut segments = segments.collect::<Result<Vec<String>, ApiError>>()?;
        // `/index/_search/` is `/index/_search`.
        if segments.last().is_some_and(String::is_empty) {
            segments.pop();
        }
        let mut body = read_text(headers, body)?;
        if let Some(source) = parameters.take("source")
            && body.is_none()
        {
            body = Some(source);
        }
        // Says how `source` is written: JSON is the only way.
        match parameters.take("source_content_type").as_deref() {
            None | Some("application/json") => {}
            Some(other) => return Err(unsupported_content_type(other)),
        }
        let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
        let accepts_json = accept.is_some_and(|accept| accept.starts_with("application/json"));
        Ok(Call { method, path: uri.path().to_string(), segments, parameters, body, accepts_json })
    }
}

fn read_text(headers: &HeaderMap, body: &[u8]) -> Result<Option<String>, ApiError> {
    if body.is_empty() {
        return Ok(None);
    }
    let content_type = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let content_type = content_type.unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !["application/json", "application/x-ndjson"].iter().any(|known| media_type.eq_ignore_ascii_case(known)) {
        return Err(unsupported_content_type(content_type));
    }
    match std::str::from_utf8(body) {
        Ok(text) => Ok(Some(text.to_string())),
        Err(error) => {
            let byte = body.get(error.valid_up_to()).copied().unwrap_or_default();
            Err(ApiError::bad_request("json_parse_exception", format!("Invalid UTF-8 start byte {byte:#x}")))
        }
    }
}

fn unsupported_content_type(content_type: &str) -> ApiError {
    let text = format!("Content-Type header [{content_type}] is not supported");
    ApiError::sentence(StatusCode::NOT_ACCEPTABLE, text)
}

/// The parameters that nobody has taken yet.
#[derive(Debug, Default)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    fn parse(query: &str) -> Result<Parameters, ApiError> {
        let mut parameters = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            parameters.insert(percent_decode(name, true)?, percent_decode(value, true)?);
        }
        Ok(Parameters(parameters))
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// Takes what has no meaning here: one index is one shard on one node, and a search waits for nobody.
    pub(super) fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.0.remove(*name);
        }
    }

    /// `true`, `false`, or nothing after the name, which is true.
    pub(super) fn take_flag(&mut self, name: &'static str) -> Result<Option<bool>, ApiError> {
        match self.take(name).as_deref() {
            None => Ok(None),
            Some("" | "true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => {
                let cause = format!("Failed to parse value [{other}] as only [true] or [false] are allowed.");
                Err(ApiError::illegal_argument(format!("Could not convert [{name}] to boolean"))
                    .caused_by("illegal_argument_exception", cause))
            }
        }
    }

    pub(super) fn take_integer(&mut self, name: &'static str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.take(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            ApiError::illegal_argument(format!("Failed to parse int parameter [{name}] with value [{text}]"))
                .caused_by("number_format_exception", format!("For input string: \"{text}\""))
        })
    }

    /// A list with commas between its items.
    pub(super) fn take_list(&mut self, name: &str) -> Option<Vec<String>> {
        let text = self.take(name)?;
        Some(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_string).collect())
    }

    /// Nothing may be left.
    pub(super) fn finish(self, path: &str) -> Result<(), ApiError> {
        let left: Vec<String> = self.0.into_keys().map(|name| format!("[{name}]")).collect();
        match left.len() {
            0 => Ok(()),
            1 => Err(unrecognized(path, "parameter", &left)),
            _ => Err(unrecognized(path, "parameters", &left)),
        }
    }
}

fn unrecognized(path: &str, word: &str, names: &[String]) -> ApiError {
    ApiError::illegal_argument(format!("request [{path}] contains unrecognized {word}: {}", names.join(", ")))
}

fn percent_decode(text: &str, plus_is_space: bool) -> Result<String, ApiError> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'+' if plus_is_space => out.push(b' '),
            b'%' => {
                let digits = text.get(at + 1..at + 3);
                let Some(decoded) = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit())) else {
                    let escape = text.get(at..).unwrap_or_default().chars().take(3).collect::<String>();
                    let reason = format!("invalid escape sequence `{escape}' at index {at} of: {text}");
                    return Err(ApiError::bad_request("bad_parameter_exception", reason));
                };
                out.push(u8::from_str_radix(decoded, 16).unwrap_or_default());
                bytes.nth(1);
            }
            other => out.push(other),
        }
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// How the caller wants to see JSON: taken from the parameters before anything else.
#[derive(Debug, Default)]
pub(super) struct View {
    /// As asked for; some answers are pretty unless asked.
    pub(super) pretty: Option<bool>,
    filter_path: FilterPath,
}

impl View {
    pub(super) fn take(parameters: &mut Parameters) -> Result<View, ApiError> {
        parameters.ignore(&["human", "error_trace"]);
        let filter_path = parameters.take("filter_path").map(|list| FilterPath::parse(&list)).unwrap_or_default();
        match parameters.take("pretty").as_deref() {
            None => Ok(View { pretty: None, filter_path }),
            Some("" | "true") => Ok(View { pretty: Some(true), filter_path }),
            Some("false") => Ok(View { pretty: Some(false), filter_path }),
            Some(other) => Err(ApiError::illegal_argument(format!(
                "Failed to parse value [{other}] as only [true] or [false] are allowed."
            ))),
        }
    }
}

/// What an endpoint answers.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: AnswerBody,
    pub(super) allow: Option<&'static [&'static str]>,
}

#[derive(Debug)]
pub(super) enum AnswerBody {
    Json(Vec<u8>),
    Text(String),
}

impl Answer {
    pub(super) fn json(json: Vec<u8>) -> Answer {
        Answer { status: StatusCode::OK, body: AnswerBody::Json(json), allow: None }
    }

    pub(super) fn text(text: String) -> Answer {
        Answer { status: StatusCode::OK, body: AnswerBody::Text(text), allow: None }
    }

    pub(super) fn with_status(mut self, status: StatusCode) -> Answer {
        self.status = status;
        self
    }

    /// The answer to a wrong method names the right ones.
    pub(super) fn with_allow(mut self, methods: &'static [&'static str]) -> Answer {
        self.allow = Some(methods);
        self
    }

    /// An error is never filtered: its reader has to see it.
    pub(super) fn error(error: &ApiError) -> Answer {
        Answer::json(error.json()).with_status(error.status)
    }

    /// `HEAD` gets the headers of `GET` and no body.
    pub(super) fn respond(self, view: &View, method: &Method) -> Response {
        let (content_type, body) = match self.body {
            AnswerBody::Text(text) => ("text/plain; charset=UTF-8", text.into_bytes()),
            AnswerBody::Json(json) => {
                let filtered = self.status.is_success() && !view.filter_path.is_empty();
                let pretty = view.pretty == Some(true);
                (JSON, if filtered || pretty { reshape(json, view, filtered, pretty) } else { json })
            }
        };
        let length = body.len();
        let body = if method == Method::HEAD { Body::empty() } else { Body::from(body) };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        if let Some(methods) = self.allow
            && let Ok(methods) = HeaderValue::from_str(&methods.join(","))
        {
            headers.insert(header::ALLOW, methods);
        }
        response
    }
}

fn reshape(json: Vec<u8>, view: &View, filtered: bool, pretty: bool) -> Vec<u8> {
    // A source that is no JSON object cannot be taken apart; then the answer goes out as it is.
    let Some(node) = std::str::from_utf8(&json).ok().and_then(|text| json::parse_trusted(text).ok()) else {
        return json;
    };
    let node = if filtered { view.filter_path.apply(&node) } else { Some(node) };
    let mut out = Vec::new();
    match node {
        None if pretty => out.extend_from_slice(b"{ }"),
        None => out.extend_from_slice(b"{}"),
        Some(node) if pretty => write::pretty(&node, 0, &mut out),
        Some(node) => write::compact(&node, &mut out),
    }
    if pretty {
        out.push(b'\n');
    }
    out
}
