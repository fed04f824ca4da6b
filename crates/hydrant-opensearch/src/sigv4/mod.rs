//! Signing requests as Amazon OpenSearch Service (`es`) and its Serverless (`aoss`) ask for it: Signature Version 4.
//!
//! Each attempt is signed anew, over the body as it is sent. Credentials come from a provider and are kept until shortly
//! before they expire; after a refusal they are asked for again, so that rotated keys need no restart. A clock that is
//! wrong shows as a refusal in the server's own words.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use reqwest::Request;
use reqwest::header::{HeaderName, HeaderValue};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::client::Service;

/// Credentials are renewed so long before they expire.
pub const RENEWED_BEFORE: Duration = Duration::from_secs(300);

/// Credentials that name no end are asked for again after so long.
pub const KEPT_AT_MOST: Duration = Duration::from_secs(900);

/// After a refusal they are asked for again, but not more often than this.
const RENEWED_AT_MOST_EVERY: Duration = Duration::from_secs(10);

/// Signs the requests of one client.
pub struct Signer {
    service: Service,
    region: String,
    provider: SharedCredentialsProvider,
    kept: Mutex<Option<Kept>>,
    now: fn() -> SystemTime,
}

struct Kept {
    credentials: Credentials,
    since: Instant,
    refused: bool,
}

impl Signer {
    pub fn new(service: Service, region: String, provider: SharedCredentialsProvider) -> Signer {
        Signer { service, region, provider, kept: Mutex::new(None), now }
    }

    /// The request with its signature.
    pub(crate) async fn sign(&self, mut request: Request) -> Result<Request, String> {
        let now = (self.now)();
        let credentials = self.credentials(now).await?;
        strict_query(&mut request);
        let mut settings = SigningSettings::default();
        if self.service == Service::Aoss {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let identity: Identity = credentials.into();
        let problem = |error: &dyn std::fmt::Display| error.to_string();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service.name())
            .time(now)
            .settings(settings)
            .build()
            .map_err(|error| problem(&error))?;
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        // Others, such as the length, may be changed on the way.
        let headers = request.headers().get("content-type").and_then(|value| value.to_str().ok());
        let headers = headers.into_iter().map(|value| ("content-type", value));
        let signable =
            SignableRequest::new(request.method().as_str(), request.url().as_str(), headers, SignableBody::Bytes(body));
        let signed = sign(signable.map_err(|error| problem(&error))?, &parameters.into());
        let (instructions, _) = signed.map_err(|error| problem(&error))?.into_parts();
        for (name, value) in instructions.headers() {
            let name = HeaderName::try_from(name).map_err(|error| problem(&error))?;
            let mut value = HeaderValue::try_from(value).map_err(|error| problem(&error))?;
            value.set_sensitive(true);
            request.headers_mut().insert(name, value);
        }
        Ok(request)
    }

    /// The server takes these credentials no more, as it seems.
    pub(crate) async fn was_refused(&self) {
        if let Some(kept) = self.kept.lock().await.as_mut() {
            kept.refused = true;
        }
    }

    /// One that waits for the provider lets the others wait too, so that it is asked once.
    async fn credentials(&self, now: SystemTime) -> Result<Credentials, String> {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.is_fresh(now)) {
            return Ok(kept.credentials.clone());
        }
        match self.provider.provide_credentials().await {
            Ok(credentials) => {
                *kept = Some(Kept { credentials: credentials.clone(), since: Instant::now(), refused: false });
                Ok(credentials)
            }
            Err(error) => match kept.as_ref().filter(|kept| kept.is_valid(now)) {
                Some(kept) => Ok(kept.credentials.clone()),
                None => Err(format!("there are no credentials: {}", chain(&error))),
            },
        }
    }
}

impl Kept {
    fn is_fresh(&self, now: SystemTime) -> bool {
        let age = self.since.elapsed();
        if self.refused && age >= RENEWED_AT_MOST_EVERY {
            return false;
        }
        match self.credentials.expiry() {
            Some(expiry) => now + RENEWED_BEFORE < expiry,
            None => age < KEPT_AT_MOST,
        }
    }

    /// What has not expired is used as long as there is nothing newer.
    fn is_valid(&self, now: SystemTime) -> bool {
        self.credentials.expiry().is_none_or(|expiry| now < expiry)
    }
}

#[expect(clippy::disallowed_methods, reason = "a signature holds the time that the server compares with its own")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Percent-encodes all of the query that is not unreserved, as the signature's rule has it: then every implementation
/// reads the same query in it.
fn strict_query(request: &mut Request) {
    let Some(query) = request.url().query() else { return };
    let mut strict = String::with_capacity(query.len() * 2);
    for byte in query.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'=' | b'&' | b'%' => {
                strict.push(char::from(byte));
            }
            _ => strict.push_str(&format!("%{byte:02X}")),
        }
    }
    request.url_mut().set_query(Some(&strict));
}

/// An error and what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
