//! Signatures as botocore makes them, and the life of credentials.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use futures_util::FutureExt as _;
use hydrant_transform::document::Outcome;
use reqwest::{Method, Request};

use hydrant_aws::{KEPT_AT_MOST, RENEWED_AT_MOST_EVERY, RENEWED_BEFORE, Signer};

use crate::bulk::Action;
use crate::client::{Answer, Auth, Client, Service, Settings};
use crate::{Limits, SIGN_IN, Writer};

/// 2026-11-27T10:20:30Z.
fn at() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_774_830)
}

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

const BODY: &[u8] =
    b"{\"create\":{\"_index\":\"hydrant-general-2026-11-27\",\"_id\":\"1\"}}\n{\"Statement\":\"SELECT 1\"}\n";

const BULK: &str = "/_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason";

/// Answers what each call says in turn, and counts.
#[derive(Debug)]
struct Provider {
    asked: Arc<AtomicUsize>,
    answer: fn(usize) -> Result<Credentials, CredentialsError>,
}

impl ProvideCredentials for Provider {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready((self.answer)(self.asked.fetch_add(1, Ordering::Relaxed)))
    }
}

fn signer(
    service: Service,
    answer: fn(usize) -> Result<Credentials, CredentialsError>,
) -> (Arc<Signer>, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let provider = SharedCredentialsProvider::new(Provider { asked: asked.clone(), answer });
    let signer = Signer::new(service.signing(), "eu-central-1".to_owned(), provider).with_clock(at);
    (Arc::new(signer), asked)
}

type Seen = Arc<Mutex<Vec<Request>>>;

/// A client whose requests are kept, and answered in turn.
fn client(signer: Arc<Signer>, endpoint: &str, answers: &'static [(u16, &'static str)]) -> (Client, Seen) {
    let settings = Settings { endpoints: vec![endpoint.to_owned()], auth: Auth::SigV4(signer), ..Settings::default() };
    let seen = Seen::default();
    let kept = seen.clone();
    let carry = move |request: Request| {
        let mut kept = kept.lock().unwrap();
        let (status, body) = answers[kept.len() % answers.len()];
        kept.push(request);
        async move { Ok(Answer { status, body: body.as_bytes().to_vec() }) }.boxed()
    };
    (Client::carried(&settings, Box::new(carry)).unwrap(), seen)
}

fn header<'r>(request: &'r Request, name: &str) -> &'r str {
    request.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn signed(
    service: Service,
    token: bool,
    method: Method,
    path: &str,
    content_type: &'static str,
    body: &[u8],
) -> Request {
    let answer: fn(usize) -> Result<Credentials, CredentialsError> = if token {
        |_| Ok(Credentials::new("AKIDEXAMPLE", SECRET, Some("a/session+token==".to_owned()), None, "test"))
    } else {
        |_| Ok(Credentials::new("AKIDEXAMPLE", SECRET, None, None, "test"))
    };
    let host = if service == Service::Es { "search-logs.eu-central-1.es" } else { "abc.eu-central-1.aoss" };
    let (client, seen) = client(signer(service, answer).0, &format!("https://{host}.amazonaws.com"), &[(200, "{}")]);
    client.send(method, path, content_type, body.to_vec()).await.unwrap();
    let mut seen = seen.lock().unwrap();
    seen.pop().unwrap()
}

/// Service, whether there is a token, method, path, type and body; then the names of what is signed, and botocore's signature.
type Vector = (Service, bool, Method, &'static str, &'static str, &'static [u8], &'static str, &'static str);

fn vectors() -> [Vector; 6] {
    let ndjson = "application/x-ndjson";
    [
        (
            Service::Es,
            false,
            Method::POST,
            BULK,
            ndjson,
            BODY,
            "content-type;host;x-amz-date",
            "2065fe9b9feb29a577280595f299873b75a63421a9f1460cb298bf91e9ba19e0",
        ),
        (
            Service::Es,
            true,
            Method::POST,
            BULK,
            ndjson,
            BODY,
            "content-type;host;x-amz-date;x-amz-security-token",
            "de0b110c57923104a90c2c4228f11f82889d4e52abc913f733b35d2e3c5a6656",
        ),
        (
            Service::Es,
            false,
            Method::GET,
            "/",
            "",
            b"",
            "host;x-amz-date",
            "4fb6639c94e9634ce4d62c4c02730e98603ef9f8ee0781533349bec9def8d6d7",
        ),
        (
            Service::Es,
            false,
            Method::POST,
            "/hydrant-*,other/_search?ignore_unavailable=true",
            "application/json",
            b"{\"size\":1}",
            "content-type;host;x-amz-date",
            "f71ac71079b1a78c260a8b6f39eb188f39d067194f0a5ff08f47095fd6d23111",
        ),
        (
            Service::Aoss,
            true,
            Method::POST,
            BULK,
            ndjson,
            BODY,
            "content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token",
            "9b95a625ed61d549a408a24366c930a5ba4c2271394816e3143881ba2e685304",
        ),
        (
            Service::Aoss,
            false,
            Method::GET,
            "/_index_template/hydrant-general",
            "",
            b"",
            "host;x-amz-content-sha256;x-amz-date",
            "a4cbaa46d18f27bac08ddcf80d253df4e905b417d1bf0c681871a26ac21061ef",
        ),
    ]
}

#[tokio::test]
async fn signatures_are_those_of_botocore() {
    for (service, token, method, path, content_type, body, names, signature) in vectors() {
        let request = signed(service, token, method, path, content_type, body).await;
        let scope = format!("20261127/eu-central-1/{}/aws4_request", service.name());
        let expected =
            format!("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders={names}, Signature={signature}");
        assert_eq!(header(&request, "authorization"), expected, "{path}");
        assert_eq!(header(&request, "x-amz-date"), "20261127T102030Z");
        assert_eq!(header(&request, "x-amz-security-token"), if token { "a/session+token==" } else { "" });
        let digest = match (service, body.is_empty()) {
            (Service::Es, _) => "",
            (Service::Aoss, true) => "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            (Service::Aoss, false) => "363f40d14a582777fc37ca12ead439e84b53b7aae2ef66968e4816bbe1d51b68",
        };
        assert_eq!(header(&request, "x-amz-content-sha256"), digest);
    }
}

fn expires_in(number: usize, duration: Duration) -> Credentials {
    Credentials::new(format!("KEY{number}"), SECRET, None, Some(at() + duration), "test")
}

fn key(request: &Request) -> String {
    let text = header(request, "authorization");
    text.split_once("Credential=").unwrap().1.split('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn credentials_are_renewed_shortly_before_they_expire_and_kept_where_there_are_no_others() {
    let (signer, asked) = signer(Service::Es, |number| match number {
        0 => Ok(expires_in(0, RENEWED_BEFORE - Duration::from_secs(1))),
        1 => Err(CredentialsError::not_loaded("the provider sleeps")),
        2 => Ok(expires_in(2, RENEWED_BEFORE + Duration::from_secs(1))),
        _ => Err(CredentialsError::not_loaded("nobody asks again")),
    });
    let (client, seen) = client(signer, "https://a", &[(200, "{}")]);
    for _ in 0..5 {
        client.send(Method::GET, "/", "", Vec::new()).await.unwrap();
    }
    // The first are near their end: others are asked for, and what is there goes on until there are some.
    let keys: Vec<String> = seen.lock().unwrap().iter().map(key).collect();
    assert_eq!(keys, ["KEY0", "KEY0", "KEY2", "KEY2", "KEY2"]);
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn credentials_without_an_end_are_asked_for_again_after_a_while() {
    let (signer, asked) =
        signer(Service::Es, |number| Ok(Credentials::new(format!("KEY{number}"), SECRET, None, None, "test")));
    let (client, _) = client(signer, "https://a", &[(200, "{}")]);
    for (wait, count) in [(Duration::ZERO, 1), (KEPT_AT_MOST / 2, 1), (KEPT_AT_MOST / 2, 2)] {
        tokio::time::advance(wait).await;
        client.send(Method::GET, "/", "", Vec::new()).await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), count);
    }
}

async fn write(writer: &Writer) -> Outcome {
    let action = Action { index: "a", id: Some("1"), source: b"{}" };
    writer.write(&[action]).await.pop().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_refused_signature_pauses_with_the_services_own_sentence_and_other_credentials_are_tried() {
    const SKEW: &str = r#"{"message":"Signature expired: 20261127T102030Z is now earlier than 20261127T110000Z"}"#;
    let (signer, _) =
        signer(Service::Es, |number| Ok(Credentials::new(format!("KEY{number}"), SECRET, None, None, "test")));
    let answers: &[(u16, &str)] =
        &[(403, SKEW), (403, SKEW), (200, r#"{"errors":false,"items":[{"create":{"status":201}}]}"#)];
    let (client, seen) = client(signer, "https://a", answers);
    let writer = Writer::new(client, Limits::default());
    for _ in 0..2 {
        let Outcome::Paused(reason) = write(&writer).await else { panic!("it is paused") };
        assert!(reason.message.starts_with("Signature expired: 20261127T102030Z"), "{}", reason.message);
    }
    tokio::time::advance(RENEWED_AT_MOST_EVERY).await;
    assert_eq!(write(&writer).await, Outcome::Indexed);
    let keys: Vec<String> = seen.lock().unwrap().iter().map(key).collect();
    assert_eq!(keys, ["KEY0", "KEY0", "KEY1"]);
}

#[tokio::test]
async fn without_credentials_nothing_is_sent_and_delivery_pauses() {
    let (signer, _) = signer(Service::Es, |_| Err(CredentialsError::not_loaded("no profile has any")));
    let (client, seen) = client(signer, "https://a", &[(200, "{}")]);
    let Outcome::Paused(reason) = write(&Writer::new(client, Limits::default())).await else { panic!("paused") };
    assert_eq!(reason.code, SIGN_IN);
    assert!(reason.message.contains("there are no credentials") && reason.message.contains("no profile has any"));
    assert!(seen.lock().unwrap().is_empty());
}
