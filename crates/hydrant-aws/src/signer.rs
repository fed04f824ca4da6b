//! Signing requests as AWS's services ask for it: Signature Version 4.
//!
//! Each attempt is signed anew, over the body as it is sent. Credentials come from a provider and are kept until shortly
//! before they expire; after a refusal they are asked for again, so that rotated keys need no restart. A clock that is
//! wrong shows as a refusal in the server's own words.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use reqwest::Request;
use reqwest::header::{HeaderName, HeaderValue};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Credentials are renewed so long before they expire.
pub const RENEWED_BEFORE: Duration = Duration::from_secs(300);

/// Credentials that name no end are asked for again after so long.
pub const KEPT_AT_MOST: Duration = Duration::from_secs(900);

/// After a refusal they are asked for again, but not more often than this.
pub const RENEWED_AT_MOST_EVERY: Duration = Duration::from_secs(10);

/// What a service is called in a signature, and what its requests need beside one. Plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    pub name: &'static str,
    /// The digest of the body stands in a header of its own.
    pub names_digest: bool,
    /// The path is signed as it stands, and not encoded once more: S3's own rule.
    pub path_as_it_is: bool,
}

impl Service {
    /// S3 has rules of its own.
    pub const S3: Service = Service { name: "s3", names_digest: true, path_as_it_is: true };

    /// A service with the usual rules.
    pub const fn usual(name: &'static str) -> Service {
        Service { name, names_digest: false, path_as_it_is: false }
    }
}

/// Headers that are part of the signature, where a request has them.
const SIGNED_HEADERS: [&str; 2] = ["content-type", "x-amz-target"];

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

    /// With another clock.
    pub fn with_clock(self, now: fn() -> SystemTime) -> Signer {
        Signer { now, ..self }
    }

    /// The request with its signature.
    ///
    /// # Errors
    /// There are no credentials, or the request cannot be signed.
    pub async fn sign(&self, mut request: Request) -> Result<Request, String> {
        let now = (self.now)();
        let credentials = self.credentials(now).await?;
        strict_query(&mut request);
        let mut settings = SigningSettings::default();
        if self.service.names_digest {
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        if self.service.path_as_it_is {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        }
        let identity: Identity = credentials.into();
        let problem = |error: &dyn std::fmt::Display| error.to_string();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service.name)
            .time(now)
            .settings(settings)
            .build()
            .map_err(|error| problem(&error))?;
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        // Others, such as the length, may be changed on the way.
        let text = |name| request.headers().get(name).and_then(|value| Some((name, value.to_str().ok()?)));
        let headers = SIGNED_HEADERS.into_iter().filter_map(text);
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
    pub async fn was_refused(&self) {
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

/// An error and what caused it, each once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.ends_with(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use reqwest::Method;
    use reqwest::header::HeaderValue;

    use super::*;
    use crate::environment::Environment;

    /// 2026-11-27T10:20:30Z.
    fn at() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_774_830)
    }

    async fn signature(service: Service, region: &str, mut request: Request, body: &'static [u8]) -> (String, String) {
        let variables = [
            ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            ("AWS_SESSION_TOKEN", "a/session+token=="),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let signer = Signer::new(service, region.to_owned(), Environment::new(variables).credentials()).with_clock(at);
        *request.body_mut() = Some(body.into());
        let request = signer.sign(request).await.unwrap();
        let header = |name| request.headers().get(name).map_or("", |value: &HeaderValue| value.to_str().unwrap());
        let (_, signed) = header("authorization").split_once("SignedHeaders=").unwrap();
        (signed.to_owned(), header("x-amz-content-sha256").to_owned())
    }

    /// Signatures that botocore makes of the same requests, at the same time.
    #[tokio::test]
    async fn signatures_are_those_of_botocore() {
        let request = |method, url: &str| Request::new(method, url.parse().unwrap());
        let url = "https://my-bucket.s3.eu-central-1.amazonaws.com/a%20b/processing-failed/2026/11/27/10/x~y";
        let (signed, digest) = signature(Service::S3, "eu-central-1", request(Method::PUT, url), b"line\n").await;
        assert_eq!(
            signed,
            "host;x-amz-content-sha256;x-amz-date;x-amz-security-token, \
             Signature=16fbb3d52a13444960499fea8c26effd32cdc32c1b710523bfa3bded2960ed8e"
        );
        assert_eq!(digest, "c73b73af8851e9e91bc6b4dc12e7dace0a2bfb931c1d0b8b36ef367319f58cd1");

        let mut call = request(Method::POST, "https://kinesis.eu-central-1.amazonaws.com/");
        call.headers_mut().insert("content-type", HeaderValue::from_static("application/x-amz-json-1.1"));
        call.headers_mut().insert("x-amz-target", HeaderValue::from_static("Kinesis_20131202.PutRecords"));
        let (signed, _) = signature(Service::usual("kinesis"), "eu-central-1", call, b"{\"StreamARN\":\"a\"}").await;
        assert_eq!(
            signed,
            "content-type;host;x-amz-date;x-amz-security-token;x-amz-target, \
             Signature=4c562663f7f38b06b08805593821220081a84024c2446df6ebdadef752b96cb7"
        );

        let mut call = request(Method::POST, "https://iam.amazonaws.com/");
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
        call.headers_mut().insert("content-type", kind);
        let body = b"Action=GetRole&Version=2010-05-08&RoleName=a%20b";
        let (signed, _) = signature(Service::usual("iam"), "us-east-1", call, body).await;
        assert_eq!(
            signed,
            "content-type;host;x-amz-date;x-amz-security-token, \
             Signature=66d2ebddedadf7f91829eee21aacca4ecb228601f9472908b3c3dcfb656c08ff"
        );
    }
}
