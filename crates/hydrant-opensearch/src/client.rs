//! Requests to a cluster: endpoints with their health, sign-in, TLS, one answer for each request, all bounded.
//!
//! Connections are kept alive. An endpoint that gives no answer is left out for a while, unless all are down. Nothing is
//! tried twice here: whether a request may be sent again is its sender's to know.
//!
//! A request goes over the network, or to a function that stands for it ([`Carry`]): the simulation runs in virtual time,
//! which does not pass while a socket is waited for, so its cluster has to answer in the process. The function is given
//! the request as it would be sent, with its headers and its body, so that only the wire itself is left out. It is an
//! enum and no trait, since nothing else ships.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use reqwest::{Certificate, Identity, Proxy};
pub use reqwest::{Method, Request};

use crate::endpoint::Endpoint;
use crate::sign_in::{PasswordFile, basic};

/// An answer that is longer is none: 16,384 items with long reasons stay below.
pub const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A service of Amazon's whose requests are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Domains of Amazon OpenSearch Service.
    Es,
    /// Collections of Amazon OpenSearch Serverless.
    Aoss,
}

impl Service {
    /// As it stands in a signature.
    pub fn name(self) -> &'static str {
        match self {
            Service::Es => "es",
            Service::Aoss => "aoss",
        }
    }

    /// How its requests are signed.
    #[cfg(feature = "aws")]
    pub fn signing(self) -> hydrant_aws::Service {
        hydrant_aws::Service { names_digest: self == Service::Aoss, ..hydrant_aws::Service::usual(self.name()) }
    }
}

/// How a request is signed.
#[derive(Clone, Default)]
pub enum Auth {
    #[default]
    None,
    /// User and password.
    Basic { user: String, password: String },
    /// User and password, which lies in a file.
    File(Arc<PasswordFile>),
    /// As Amazon's services ask for it.
    #[cfg(feature = "aws")]
    SigV4(Arc<hydrant_aws::Signer>),
}

/// How a cluster is reached.
#[derive(Clone)]
pub struct Settings {
    /// `https://HOST:PORT`, at least one.
    pub endpoints: Vec<String>,
    pub auth: Auth,
    /// A file of certificates in PEM that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// A file with a certificate and its key in PEM, for servers that ask for one.
    pub identity_file: Option<PathBuf>,
    /// `None`: that of the environment (`HTTPS_PROXY` and its kin).
    pub proxy: Option<String>,
    /// Bodies are gzipped.
    pub gzip: bool,
    /// Of a request, from its first byte to the last of its answer.
    pub timeout: Duration,
    /// Names and values that every request has beside its own.
    pub headers: Vec<(&'static str, &'static str)>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            endpoints: Vec::new(),
            auth: Auth::None,
            ca_file: None,
            identity_file: None,
            proxy: None,
            gzip: false,
            timeout: Duration::from_secs(60),
            headers: Vec::new(),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The settings are wrong.
    #[error("{0}")]
    Settings(String),
    /// Nobody knows whether the server has done what was asked.
    #[error("{endpoint} gives no answer: {problem}")]
    NoAnswer { endpoint: String, problem: String },
    /// The request could not be signed, so it was not sent.
    #[error("the request cannot be signed: {0}")]
    SignIn(String),
}

/// An answer, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Carries a request to its end and brings the answer, or why there is none. Bounded in time by whoever wrote it.
pub type Carry = Box<dyn Fn(Request) -> BoxFuture<'static, Result<Answer, String>> + Send + Sync>;

/// How requests travel.
enum Wire {
    Network(reqwest::Client),
    Function(Carry),
}

/// A client of one cluster; clones share connections and what is known of the endpoints.
#[derive(Clone)]
pub struct Client {
    wire: Arc<Wire>,
    endpoints: Arc<[Endpoint]>,
    next: Arc<AtomicUsize>,
    auth: Auth,
    gzip: bool,
    timeout_ms: Arc<AtomicU64>,
    headers: Vec<(&'static str, &'static str)>,
}

impl Client {
    /// # Errors
    /// No endpoint, an address that is none, files that cannot be read or hold no certificate.
    pub fn new(settings: &Settings) -> Result<Client, ClientError> {
        let wire = Wire::Network(http(settings)?);
        Client::over(wire, settings)
    }

    /// A client whose requests a function carries; what the settings say of connections does not count.
    ///
    /// # Errors
    /// No endpoint, an address that is none.
    pub fn carried(settings: &Settings, carry: Carry) -> Result<Client, ClientError> {
        Client::over(Wire::Function(carry), settings)
    }

    fn over(wire: Wire, settings: &Settings) -> Result<Client, ClientError> {
        let endpoints = settings.endpoints.iter().map(|endpoint| Endpoint::new(endpoint));
        let endpoints = endpoints.collect::<Result<Vec<_>, _>>().map_err(ClientError::Settings)?;
        if endpoints.is_empty() {
            return Err(ClientError::Settings("no endpoint of OpenSearch is configured".to_owned()));
        }
        let Settings { auth, gzip, timeout, headers, .. } = settings.clone();
        let (wire, next, timeout_ms) = (Arc::new(wire), Arc::default(), Arc::default());
        let client = Client { wire, endpoints: endpoints.into(), next, auth, gzip, timeout_ms, headers };
        client.set_timeout(timeout);
        Ok(client)
    }

    /// Sends one request to an endpoint that answers, as far as is known. `path` begins with `/`.
    ///
    /// # Errors
    /// [`ClientError::NoAnswer`], and [`ClientError::SignIn`] where credentials are missing.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &'static str,
        body: impl Into<Bytes>,
    ) -> Result<Answer, ClientError> {
        let endpoint = self.pick();
        let request = self.request(endpoint, method, path, content_type, body.into());
        #[cfg(feature = "aws")]
        let request = match &self.auth {
            Auth::SigV4(signer) => signer.sign(request).await.map_err(ClientError::SignIn)?,
            Auth::None | Auth::Basic { .. } | Auth::File(_) => request,
        };
        match self.wire.carry(request).await {
            Ok(answer) => {
                endpoint.came_up();
                if let (Auth::File(file), 401) = (&self.auth, answer.status) {
                    file.was_refused();
                }
                #[cfg(feature = "aws")]
                if let (Auth::SigV4(signer), 401 | 403) = (&self.auth, answer.status) {
                    signer.was_refused().await;
                }
                Ok(answer)
            }
            Err(problem) => {
                endpoint.went_down();
                Err(ClientError::NoAnswer { endpoint: endpoint.name(), problem })
            }
        }
    }

    /// As it is sent.
    fn request(
        &self,
        endpoint: &Endpoint,
        method: Method,
        path: &str,
        content_type: &'static str,
        body: Bytes,
    ) -> Request {
        let mut url = endpoint.url.clone();
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
        url.set_query(query);
        let mut request = Request::new(method, url);
        *request.timeout_mut() = Some(self.timeout());
        for (name, value) in &self.headers {
            request.headers_mut().insert(*name, HeaderValue::from_static(value));
        }
        let sign_in = match &self.auth {
            Auth::Basic { user, password } => basic(user, password),
            Auth::File(file) => file.header(),
            Auth::None => None,
            #[cfg(feature = "aws")]
            Auth::SigV4(_) => None,
        };
        if let Some(value) = sign_in {
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        if !body.is_empty() {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            let body = if self.gzip {
                request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                gzip(&body).into()
            } else {
                body
            };
            *request.body_mut() = Some(body.into());
        }
        request
    }

    /// The next endpoint that is not down, else the next one.
    fn pick(&self) -> &Endpoint {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let count = self.endpoints.len();
        let in_turn = (0..count).filter_map(|step| self.endpoints.get(first.wrapping_add(step) % count));
        let mut all = in_turn.clone();
        let up = in_turn.into_iter().find(|endpoint| !endpoint.is_down());
        up.or_else(|| all.next()).unwrap_or_else(|| unreachable!("a client has an endpoint"))
    }

    /// How long a request may take.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.load(Ordering::Relaxed))
    }

    /// How long requests may take from now on, those of all clones.
    pub fn set_timeout(&self, timeout: Duration) {
        self.timeout_ms.store(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Of how many addresses one is chosen.
    pub fn endpoints(&self) -> usize {
        self.endpoints.len()
    }

    /// Addresses that gave no answer lately.
    pub fn down(&self) -> Vec<String> {
        self.endpoints.iter().filter(|endpoint| endpoint.is_down()).map(Endpoint::name).collect()
    }
}

impl Wire {
    async fn carry(&self, request: Request) -> Result<Answer, String> {
        let http = match self {
            Wire::Network(http) => http,
            Wire::Function(carry) => return carry(request).await,
        };
        let mut response = http.execute(request).await.map_err(|error| chain(&error))?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| chain(&error))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(format!("its answer is longer than {ANSWER_BYTES_MAX} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body })
    }
}

fn http(settings: &Settings) -> Result<reqwest::Client, ClientError> {
    static PROVIDER: Once = Once::new();
    // One that somebody else has set does as well.
    PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
    let wrong = |what: &str, why: &dyn std::fmt::Display| ClientError::Settings(format!("{what}: {why}"));
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("hydrant/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = &settings.ca_file {
        let what = format!("certificates {}", path.display());
        let text = std::fs::read(path).map_err(|error| wrong(&what, &error))?;
        let found = Certificate::from_pem_bundle(&text).map_err(|error| wrong(&what, &chain(&error)))?;
        if found.is_empty() {
            return Err(wrong(&what, &"the file holds no certificate in PEM"));
        }
        builder = found.into_iter().fold(builder, reqwest::ClientBuilder::add_root_certificate);
    }
    if let Some(path) = &settings.identity_file {
        let what = format!("client certificate {}", path.display());
        let text = std::fs::read(path).map_err(|error| wrong(&what, &error))?;
        builder = builder.identity(Identity::from_pem(&text).map_err(|error| wrong(&what, &chain(&error)))?);
    }
    if let Some(proxy) = &settings.proxy {
        builder = builder.proxy(Proxy::all(proxy).map_err(|error| wrong("proxy", &chain(&error)))?);
    }
    builder.build().map_err(|error| wrong("the client", &chain(&error)))
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::read::GzEncoder::new(body, flate2::Compression::fast());
    let mut out = Vec::with_capacity(body.len() / 4);
    match std::io::Read::read_to_end(&mut encoder, &mut out) {
        Ok(_) => out,
        Err(_) => unreachable!("memory can be read"),
    }
}

/// An error and what caused it, without the address that its sender names anyway.
fn chain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.ends_with(&part) {
            text.push_str(if text.is_empty() { "" } else { ": " });
            text.push_str(&part);
        }
        cause = error.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(endpoints: &[&str]) -> Result<Client, ClientError> {
        let endpoints = endpoints.iter().map(|&endpoint| endpoint.to_owned()).collect();
        Client::new(&Settings { endpoints, ..Settings::default() })
    }

    #[test]
    fn a_client_needs_an_address() {
        assert!(client(&[]).err().expect("none").to_string().contains("no endpoint"));
        assert!(client(&["http://a", "a"]).err().expect("one is wrong").to_string().contains("endpoint `a`"));
    }

    #[test]
    fn files_that_hold_no_certificate_are_named() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let settings = |ca_file, identity_file| Settings {
            endpoints: vec!["https://a".to_owned()],
            ca_file,
            identity_file,
            ..Settings::default()
        };
        let path = Some(file.path().to_owned());
        for settings in
            [settings(path.clone(), None), settings(None, path), settings(Some("/no/such/file".into()), None)]
        {
            assert!(matches!(Client::new(&settings), Err(ClientError::Settings(_))));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_is_down_is_left_out_for_a_while() {
        use crate::endpoint::DOWN;

        let client = client(&["http://a", "http://b"]).expect("a client");
        let names = |count: usize| (0..count).map(|_| client.pick().name()).collect::<Vec<_>>();
        assert_eq!(names(3), ["http://a", "http://b", "http://a"]);
        client.endpoints[0].went_down();
        assert_eq!(names(3), ["http://b"; 3]);
        assert_eq!(client.down(), ["http://a"]);
        client.endpoints[1].went_down();
        assert_eq!(names(2).len(), 2);
        tokio::time::advance(DOWN).await;
        assert!(client.down().is_empty());
        client.endpoints[0].went_down();
        client.endpoints[0].came_up();
        assert!(client.down().is_empty());
    }
}
