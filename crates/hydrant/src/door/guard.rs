//! What a request must pass before any stage sees it: it is meant for us, no foreign web page sent it, its body is
//! small enough.
//!
//! A browser lets any page send requests to a loopback port, so a port on loopback is not a fence:
//!
//! - **Host** names us: `127.0.0.1`, `localhost` or `[::1]` (or the address we listen on), with our port or none. A
//!   name that an attacker points at 127.0.0.1 (DNS rebinding) does not pass. Only HTTP/1.0, which no browser
//!   speaks, may leave it out.
//! - **Origin** is absent or one of those, as `http`. `null` and everything else is refused.
//! - **Sec-Fetch-Site** is absent, `same-origin` or `none` (typed, a bookmark). From another site, or another port
//!   of this host, only a link that opens a page of its own passes: a GET with `Sec-Fetch-Mode: navigate` and
//!   `Sec-Fetch-Dest: document`. Whoever sent the user there cannot read the answer, and a GET changes nothing.
//! - No answer carries a CORS header. `Cross-Origin-Resource-Policy: same-origin` keeps browsers that send none of
//!   the above from handing an answer to another site's page.
//!
//! Bodies are read whole before the request goes on, at most `body_bytes_max` bytes, counted after gzip is undone,
//! with at most [`BODY_PAUSE_MAX`] between two pieces. A longer one is answered 413 with an empty body, as OpenSearch
//! does; up to [`DRAIN_BYTES_MAX`] of it are read and forgotten, so that the client gets to read the answer.

use std::io::Read;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use flate2::read::MultiGzDecoder;
use futures_util::StreamExt;

/// The longest silence within a body.
pub const BODY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// How much of a body that is too long is still taken from the client.
pub const DRAIN_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Puts the checks of Host, Origin and body size in front of a router. `address` is the one that is listened on, with
/// its real port; `body_bytes_max` counts inflated bytes.
pub fn guard(router: Router, address: SocketAddr, body_bytes_max: usize) -> Router {
    router.layer(from_fn_with_state(Rules { address, body_bytes_max }, check))
}

#[derive(Clone, Copy, Debug)]
struct Rules {
    address: SocketAddr,
    body_bytes_max: usize,
}

/// Why a request goes no further.
#[derive(Debug, PartialEq, Eq)]
struct Refusal {
    status: StatusCode,
    /// Empty for 413, as OpenSearch answers it.
    sentence: String,
}

async fn check(State(rules): State<Rules>, request: Request, next: Next) -> Response {
    let plain = wants_page(request.headers());
    let passed = match rules.admit(&request) {
        Ok(()) => read_body(request, rules.body_bytes_max).await,
        Err(refusal) => Err(refusal),
    };
    let mut response = match passed {
        Ok(request) => next.run(request).await,
        Err(refusal) => refusal.answer(plain),
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    response
}

impl Rules {
    fn admit(&self, request: &Request) -> Result<(), Refusal> {
        let headers = request.headers();
        self.admit_host(request)?;
        if let Some(origin) = headers.get(header::ORIGIN)
            && !self.is_our_origin(origin)
        {
            return Err(Refusal::forbidden(
                "requests from web pages of another origin are refused (header Origin)".to_string(),
            ));
        }
        if !from_our_site(request.method(), headers) {
            return Err(Refusal::forbidden(
                "requests from web pages of another site are refused (header Sec-Fetch-Site)".to_string(),
            ));
        }
        Ok(())
    }

    fn admit_host(&self, request: &Request) -> Result<(), Refusal> {
        let mut hosts = request.headers().get_all(header::HOST).iter();
        match (hosts.next(), hosts.next()) {
            (None, _) if request.version() == Version::HTTP_10 => {}
            (None, _) => return Err(Refusal::bad("the header Host is missing".to_string())),
            (Some(_), Some(_)) => return Err(Refusal::bad("the header Host is there twice".to_string())),
            (Some(host), None) => {
                let authority = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
                if !authority.is_some_and(|authority| self.is_us(&authority)) {
                    return Err(self.foreign_host());
                }
            }
        }
        // `GET http://name/path`: what stands there counts as the host.
        match request.uri().authority() {
            Some(authority) if !self.is_us(authority) => Err(self.foreign_host()),
            Some(_) | None => Ok(()),
        }
    }

    fn foreign_host(&self) -> Refusal {
        Refusal::forbidden(format!(
            "the header Host must name this machine: use http://127.0.0.1:{port} or http://localhost:{port}",
            port = self.address.port()
        ))
    }

    fn is_us(&self, authority: &Authority) -> bool {
        let host = authority.host();
        let ours = ["127.0.0.1", "localhost", "[::1]"].iter().any(|name| host.eq_ignore_ascii_case(name))
            || host.trim_matches(['[', ']']) == self.address.ip().to_string();
        // `host:` and user names are no host that a browser sends.
        let as_written = match authority.port_u16() {
            Some(port) => port == self.address.port() && authority.as_str().len() == host.len() + 1 + digits(port),
            None => authority.as_str().len() == host.len(),
        };
        ours && as_written
    }

    fn is_our_origin(&self, origin: &HeaderValue) -> bool {
        let authority = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
        let authority = authority.and_then(|authority| authority.parse::<Authority>().ok());
        authority.is_some_and(|authority| {
            // An origin without a port is port 80.
            self.is_us(&authority) && authority.port_u16().unwrap_or(80) == self.address.port()
        })
    }
}

fn digits(port: u16) -> usize {
    port.to_string().len()
}

fn from_our_site(method: &Method, headers: &HeaderMap) -> bool {
    let value = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    match value("sec-fetch-site") {
        None | Some(b"same-origin" | b"none") => true,
        Some(_) => {
            method == Method::GET
                && value("sec-fetch-mode") == Some(b"navigate")
                && value("sec-fetch-dest") == Some(b"document")
        }
    }
}

fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// Replaces the body by its bytes, inflated.
async fn read_body(request: Request, body_bytes_max: usize) -> Result<Request, Refusal> {
    let (mut head, body) = request.into_parts();
    let announced = head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|announced: u64| u64::try_from(body_bytes_max).is_ok_and(|max| announced > max)) {
        // A client that waits for "100 Continue" has sent nothing yet and need not.
        if !head.headers.contains_key(header::EXPECT) {
            drain(body).await;
        }
        return Err(Refusal::too_large());
    }
    let bytes = collect(body, body_bytes_max).await?;
    let encoding = head.headers.remove(header::CONTENT_ENCODING);
    let encoding = encoding.as_ref().map(HeaderValue::as_bytes);
    let bytes = match encoding {
        None | Some(b"" | b"identity") => bytes,
        Some(b"gzip" | b"x-gzip") => inflate(&bytes, body_bytes_max)?,
        Some(other) => {
            let name = String::from_utf8_lossy(other).into_owned();
            return Err(Refusal::bad(format!("the content encoding [{name}] is not supported, use gzip")));
        }
    };
    head.headers.remove(header::TRANSFER_ENCODING);
    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    Ok(Request::from_parts(head, Body::from(bytes)))
}

async fn collect(body: Body, body_bytes_max: usize) -> Result<Bytes, Refusal> {
    let mut pieces = body.into_data_stream();
    let mut whole = Vec::new();
    loop {
        let piece = tokio::time::timeout(BODY_PAUSE_MAX, pieces.next()).await;
        let Ok(piece) = piece else {
            return Err(Refusal {
                status: StatusCode::REQUEST_TIMEOUT,
                sentence: "the body took too long".to_string(),
            });
        };
        match piece {
            None => return Ok(Bytes::from(whole)),
            Some(Err(_)) => return Err(Refusal::bad("the body broke off".to_string())),
            Some(Ok(piece)) if whole.len() + piece.len() > body_bytes_max => {
                drain(Body::from_stream(pieces)).await;
                return Err(Refusal::too_large());
            }
            Some(Ok(piece)) => whole.extend_from_slice(&piece),
        }
    }
}

async fn drain(body: Body) {
    let mut pieces = body.into_data_stream();
    let mut drained = 0_usize;
    while let Ok(Some(Ok(piece))) = tokio::time::timeout(BODY_PAUSE_MAX, pieces.next()).await {
        drained = drained.saturating_add(piece.len());
        if drained > DRAIN_BYTES_MAX {
            return;
        }
    }
}

fn inflate(bytes: &[u8], body_bytes_max: usize) -> Result<Bytes, Refusal> {
    let limit = u64::try_from(body_bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let mut inflated = Vec::new();
    match MultiGzDecoder::new(bytes).take(limit).read_to_end(&mut inflated) {
        Ok(_) if inflated.len() > body_bytes_max => Err(Refusal::too_large()),
        Ok(_) => Ok(Bytes::from(inflated)),
        Err(error) => Err(Refusal::bad(format!("the body is not valid gzip: {error}"))),
    }
}

impl Refusal {
    fn bad(sentence: String) -> Refusal {
        Refusal { status: StatusCode::BAD_REQUEST, sentence }
    }

    fn forbidden(sentence: String) -> Refusal {
        Refusal { status: StatusCode::FORBIDDEN, sentence }
    }

    fn too_large() -> Refusal {
        Refusal { status: StatusCode::PAYLOAD_TOO_LARGE, sentence: String::new() }
    }

    /// Plain text for people, the JSON of an OpenSearch transport error for programs.
    fn answer(self, plain: bool) -> Response {
        let (content_type, body) = if self.sentence.is_empty() || plain {
            ("text/plain; charset=UTF-8", self.sentence)
        } else {
            let body = serde_json::json!({ "error": self.sentence, "status": self.status.as_u16() });
            ("application/json; charset=UTF-8", body.to_string())
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }
}
