//! AWS as canned answers: the files of `answers/`, told apart by target, action or path, with faults planted into them.
//!
//! `tests/aws_doctor/check_models.py` holds the files against the models of the services. What was asked for is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{AppendHeaders, IntoResponse};
use serde_json::{Value, json};
use tokio::sync::Notify;

/// An operation, the requests to it that are answered otherwise, and with what; `None`: that one is denied.
pub(crate) type Special = (&'static str, fn(&str) -> bool, Option<String>);

/// A text of an answer, and what stands in its place: operation, old, new.
pub(crate) type Fault = (&'static str, &'static str, &'static str);

#[derive(Default)]
pub(crate) struct Plan {
    /// `classic` or `direct`, whose files come before those of `classic`.
    pub(crate) chain: &'static str,
    pub(crate) faults: Vec<Fault>,
    /// Operations that are denied.
    pub(crate) denied: Vec<&'static str>,
    /// Operations whose thing is not there.
    pub(crate) absent: Vec<&'static str>,
    pub(crate) special: Vec<Special>,
    /// Operations that are throttled so often before they are answered.
    pub(crate) throttled: Vec<(&'static str, usize)>,
    /// The operation whose answer waits until it is released.
    pub(crate) held: Option<&'static str>,
    /// Operations, and paths of the cluster, that get this with status 200 in place of an answer.
    pub(crate) odd: Vec<(&'static str, &'static str)>,
    /// Requests to the cluster that are refused, by the end of their paths.
    pub(crate) refused: Option<&'static str>,
    /// Where the canary's document lies, without the day; `hydrant-general` where it is empty.
    pub(crate) index: &'static str,
    /// Answers of the cluster by their paths, instead of the usual ones.
    pub(crate) cluster: BTreeMap<&'static str, Value>,
    /// The canary appears in OpenSearch after so many searches.
    pub(crate) searches: Option<u32>,
}

#[derive(Default)]
pub(crate) struct Asked {
    /// Operations, and requests to the cluster, in order.
    pub(crate) calls: Vec<String>,
    /// Bodies, or queries, beside `calls` of AWS.
    pub(crate) requests: Vec<(String, String)>,
    /// Ids of the keys that calls of AWS were signed with.
    pub(crate) keys: BTreeSet<String>,
    pub(crate) log_stream: String,
    pub(crate) message: String,
    searches: u32,
}

pub(crate) struct Stub {
    pub(crate) url: String,
    pub(crate) asked: Arc<Mutex<Asked>>,
    /// Lets the answer go that is held.
    pub(crate) release: Arc<Notify>,
}

struct Shared {
    plan: Plan,
    asked: Arc<Mutex<Asked>>,
    release: Arc<Notify>,
}

/// Status, the header that names an error, and the body.
struct Reply(u16, Option<String>, String);

impl Reply {
    fn ok(text: impl Into<String>) -> Reply {
        Reply(200, None, text.into())
    }
}

impl Stub {
    pub(crate) async fn start(plan: Plan) -> Stub {
        let asked = Arc::new(Mutex::new(Asked::default()));
        let release = Arc::new(Notify::new());
        let shared = Arc::new(Shared { plan, asked: asked.clone(), release: release.clone() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(reply).with_state(shared);
        // Ends with the test's runtime.
        #[expect(clippy::disallowed_methods, reason = "it lives as long as the test")]
        drop(tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }));
        Stub { url, asked, release }
    }

    /// What an operation was asked with, each time.
    pub(crate) fn requests(&self, operation: &str) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.requests.iter().filter(|(name, _)| name == operation).map(|(_, request)| request.clone()).collect()
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.asked.lock().unwrap().calls.clone()
    }
}

async fn reply(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let body = String::from_utf8_lossy(&body).into_owned();
    let is_signed = headers.get("authorization").is_some_and(|value| value.to_str().unwrap().contains("SignedHeaders"));
    let Reply(status, error_type, text) = match operation(&uri, &headers, &body) {
        Some((operation, which)) => {
            assert!(is_signed, "{operation} is not signed");
            let signature = headers.get("authorization").unwrap().to_str().unwrap();
            let key = signature.split("Credential=").nth(1).unwrap().split('/').next().unwrap();
            shared.asked.lock().unwrap().keys.insert(key.to_owned());
            if shared.plan.held.is_some_and(|held| operation.ends_with(held)) {
                shared.asked.lock().unwrap().calls.push(format!("held {operation}"));
                shared.release.notified().await;
            }
            let request = if body.is_empty() { uri.query().unwrap_or_default().to_owned() } else { body };
            shared.answer(&operation, &which, &request)
        }
        None => shared.cluster(&method, &uri, &body),
    };
    let error_type = error_type.map(|code| ("x-amzn-errortype", code));
    (StatusCode::from_u16(status).unwrap(), AppendHeaders(error_type), text)
}

/// What a form's field says.
fn field(body: &str, name: &str) -> String {
    let found = url::form_urlencoded::parse(body.as_bytes()).find(|(found, _)| found == name);
    found.map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// The operation by botocore's names, and of which thing.
fn operation(uri: &Uri, headers: &HeaderMap, body: &str) -> Option<(String, String)> {
    if let Some(target) = headers.get("x-amz-target") {
        let (service, name) = target.to_str().unwrap().split_once('.').unwrap();
        let service = service.split('_').next().unwrap().to_lowercase();
        return Some((format!("{service}.{name}"), String::new()));
    }
    if body.starts_with("Action=") {
        let service = match field(body, "Version").as_str() {
            "2014-10-31" => "rds",
            "2010-05-08" => "iam",
            "2010-08-01" => "cloudwatch",
            other => panic!("{other}"),
        };
        return Some((format!("{service}.{}", field(body, "Action")), field(body, "RoleName")));
    }
    let path = uri.path();
    let named = |operation: &str| Some((operation.to_owned(), String::new()));
    match path.split('/').nth(1).unwrap_or_default() {
        "2015-03-31" if path.ends_with("/configuration") => named("lambda.GetFunctionConfiguration"),
        "2019-09-30" => named("lambda.GetFunctionConcurrency"),
        "2015-03-31" => named("lambda.ListEventSourceMappings"),
        "2021-01-01" => named("opensearch.DescribeDomain"),
        "failed" if uri.query().is_some_and(|query| query.contains("list-type=2")) => named("s3.ListObjectsV2"),
        "failed" => named("s3.GetObject"),
        _ => None,
    }
}

impl Shared {
    fn answer(&self, operation: &str, which: &str, request: &str) -> Reply {
        let mut asked = self.asked.lock().unwrap();
        asked.calls.push(operation.to_owned());
        asked.requests.push((operation.to_owned(), request.to_owned()));
        let name = operation.split('.').nth(1).unwrap();
        let denied = || refusal(operation, "AccessDenied", "not authorized to perform this action");
        if self.plan.denied.contains(&name) {
            return denied();
        }
        if let Some((_, text)) = self.plan.odd.iter().find(|(of, _)| *of == name) {
            return Reply::ok(*text);
        }
        if self.plan.absent.contains(&name) {
            return refusal(operation, "ResourceNotFound", "it is not there");
        }
        let calls = asked.calls.iter().filter(|call| *call == operation).count();
        if self.plan.throttled.iter().any(|(of, times)| *of == name && calls <= *times) {
            return throttled(operation);
        }
        if let Some((.., text)) = self.plan.special.iter().find(|(of, is, _)| *of == name && is(request)) {
            return text.clone().map_or_else(denied, Reply::ok);
        }
        match name {
            "CreateLogStream" | "DeleteLogStream" => {
                let body: Value = serde_json::from_str(request).unwrap();
                body["logStreamName"].as_str().unwrap().clone_into(&mut asked.log_stream);
                return Reply::ok("");
            }
            "PutLogEvents" => {
                let body: Value = serde_json::from_str(request).unwrap();
                body["logEvents"][0]["message"].as_str().unwrap().clone_into(&mut asked.message);
                return Reply::ok(json!({"nextSequenceToken": "1"}).to_string());
            }
            "GetShardIterator" => return Reply::ok(json!({"ShardIterator": "i"}).to_string()),
            "GetRecords" => return Reply::ok(records(&asked.log_stream)),
            "GetObject" => return Reply::ok(LINES),
            _ => {}
        }
        let mut text = read(self.plan.chain, operation, which);
        for (_, old, new) in self.plan.faults.iter().filter(|(of, ..)| *of == name) {
            text = text.replace(old, new);
        }
        // Metrics are of the last hour, whenever the test runs.
        let lately = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(30);
        text = text.replace("2026-11-28T14:00:00Z", &lately.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        Reply::ok(if name == "ListObjectsV2" { below(&text, &field(request, "prefix")) } else { text })
    }

    fn cluster(&self, method: &Method, uri: &Uri, body: &str) -> Reply {
        let mut asked = self.asked.lock().unwrap();
        let path = uri.path().replace("%2A", "*").replace("%3A", ":");
        asked.calls.push(format!("{method} {path}"));
        if let Some((_, text)) = self.plan.odd.iter().find(|(of, _)| *of == path) {
            return Reply::ok(*text);
        }
        if let Some(answer) = self.plan.cluster.get(path.as_str()) {
            return Reply::ok(answer.to_string());
        }
        if self.plan.refused.is_some_and(|end| path.ends_with(end)) {
            let reason = "no permissions for [indices:data/read/search] and User [name=doctor]";
            let error = json!({"type": "security_exception", "reason": reason});
            return Reply(403, None, json!({"error": error, "status": 403}).to_string());
        }
        let role = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
        let base = if self.plan.index.is_empty() { "hydrant-general" } else { self.plan.index };
        let index = format!("{base}-2026-11-28");
        let answer = match (method.as_str(), path.as_str()) {
            ("GET", "/") => json!({"version": {"distribution": "opensearch", "number": "2.19.1"}}),
            ("GET", "/_cluster/health") => json!({"status": "green"}),
            ("GET", "/_cluster/state/blocks") => json!({"blocks": {}}),
            ("GET", "/_cat/allocation") => json!([{"node": "n1", "disk.percent": "40"}]),
            ("GET", "/_index_template") => json!({"index_templates":
                [{"name": "hydrant", "index_template": {"index_patterns": [format!("{base}*")]}}]}),
            ("GET", "/_plugins/_security/api/rolesmapping") => {
                json!({"hydrant_writer": {"backend_roles": [role("delivery"), role("function")], "users": []}})
            }
            ("GET", "/_plugins/_security/api/roles") => {
                let may = |action: &str| json!({"index_permissions": [{"index_patterns": ["*"], "allowed_actions": [action]}]});
                json!({"hydrant_writer": may("indices:data/write/bulk*"), "readall": may("read")})
            }
            ("POST", path) if path == format!("/{base}-*/_search") => {
                assert!(body.contains(&asked.log_stream), "{body}");
                asked.searches += 1;
                let is_there = self.plan.searches.is_some_and(|needed| asked.searches >= needed);
                let hit = json!({"_index": index, "_id": "49:1"});
                json!({"hits": {"hits": if is_there { vec![hit] } else { Vec::new() }}})
            }
            ("DELETE", path) if path == format!("/{index}/_doc/49:1") => json!({"result": "deleted"}),
            other => return Reply(404, None, json!({"error": format!("{other:?}"), "status": 404}).to_string()),
        };
        Reply::ok(answer.to_string())
    }
}

/// Two failed documents, with what must not be shown.
const LINES: &str = "{\"rawData\":\"U0VDUkVU\",\"errorCode\":\"Lambda.FunctionError\",\"errorMessage\":\"payload-of-somebody\"}\n\
                     {\"rawData\":\"U0VDUkVU\",\"errorCode\":\"400\",\"reasonCode\":\"mapper_parsing_exception\"}\n";

fn read(chain: &str, operation: &str, which: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/doctor/answers");
    let is_xml = ["rds", "iam", "cloudwatch", "s3"].contains(&operation.split('.').next().unwrap());
    let end = if is_xml { "xml" } else { "json" };
    let names = [format!("{operation}.{which}.{end}"), format!("{operation}.{end}")];
    let files = [chain, "classic"].into_iter().flat_map(|folder| names.iter().map(move |name| (folder, name)));
    let found = files.map(|(folder, name)| root.join(folder).join(name)).find(|path| path.exists());
    std::fs::read_to_string(found.unwrap_or_else(|| panic!("no answer to {operation} {which}"))).unwrap()
}

/// Of a listing, the objects below a prefix.
fn below(listing: &str, prefix: &str) -> String {
    let (head, tail) = listing.split_once("<Contents>").unwrap_or((listing, ""));
    let objects = tail.split("<Contents>").filter(|object| object.starts_with(&format!("<Key>{prefix}")));
    let objects = objects.map(|object| format!("<Contents>{}</Contents>", object.split("</Contents>").next().unwrap()));
    format!(
        "{}{}</ListBucketResult>",
        head.trim_end().trim_end_matches("</ListBucketResult>"),
        objects.collect::<String>()
    )
}

/// An error in the protocol of the service.
fn refusal(operation: &str, code: &str, message: &str) -> Reply {
    let status = if code == "AccessDenied" { 403 } else { 404 };
    match operation.split('.').next().unwrap() {
        "rds" | "iam" | "cloudwatch" => {
            let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
            Reply(status, None, format!("<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>"))
        }
        "s3" => Reply(status, None, format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>")),
        // OpenSearch Service has another status for what is not there.
        "opensearch" if status == 404 => in_header(409, "ResourceNotFoundException", message),
        "lambda" | "opensearch" => in_header(status, &format!("{code}Exception"), message),
        _ => Reply(400, None, json!({"__type": format!("{code}Exception"), "message": message}).to_string()),
    }
}

/// As the services of the REST protocol do.
fn in_header(status: u16, code: &str, message: &str) -> Reply {
    Reply(
        status,
        Some(format!("{code}:http://internal.amazon.com/")),
        json!({"Type": "User", "message": message}).to_string(),
    )
}

fn throttled(operation: &str) -> Reply {
    match operation.split('.').next().unwrap() {
        "lambda" => in_header(429, "TooManyRequestsException", "Rate exceeded"),
        "kinesis" => {
            let error =
                json!({"__type": "ProvisionedThroughputExceededException", "message": "Rate exceeded for shard"});
            Reply(400, None, error.to_string())
        }
        other => panic!("{other}"),
    }
}

/// The canary in its envelope, and as a document that was sent back.
fn records(log_stream: &str) -> String {
    use std::io::Write as _;

    use base64::Engine as _;

    let encoded = |data: &[u8]| base64::engine::general_purpose::STANDARD.encode(data);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(json!({"logStream": log_stream}).to_string().as_bytes()).unwrap();
    let envelope = encoded(&packed.finish().unwrap());
    let document = encoded(json!({"messageType": "HYDRANT_DOCUMENT", "log_stream": log_stream}).to_string().as_bytes());
    let record = |data: String| json!({"SequenceNumber": "1", "PartitionKey": "k", "Data": data});
    json!({"Records": [record(envelope), record(document)], "NextShardIterator": "i", "MillisBehindLatest": 0})
        .to_string()
}
