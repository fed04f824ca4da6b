//! AWS as canned answers: the files of `answers/`, told apart by target, action or path, with faults planted into them.
//!
//! `tests/aws_doctor/check_models.py` holds the files against the models of the services. What was asked for is kept.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse;
use serde_json::{Value, json};

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
    /// Answers of the cluster by their paths, instead of the usual ones.
    pub(crate) cluster: BTreeMap<&'static str, Value>,
    /// The canary appears in OpenSearch after so many searches.
    pub(crate) searches: Option<u32>,
}

#[derive(Default)]
pub(crate) struct Asked {
    /// Operations, and requests to the cluster, in order.
    pub(crate) calls: Vec<String>,
    pub(crate) log_stream: String,
    pub(crate) message: String,
    searches: u32,
}

pub(crate) struct Stub {
    pub(crate) url: String,
    pub(crate) asked: Arc<Mutex<Asked>>,
}

struct Shared {
    plan: Plan,
    asked: Arc<Mutex<Asked>>,
}

impl Stub {
    pub(crate) async fn start(plan: Plan) -> Stub {
        let asked = Arc::new(Mutex::new(Asked::default()));
        let shared = Arc::new(Shared { plan, asked: asked.clone() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(reply).with_state(shared);
        // Ends with the test's runtime.
        #[expect(clippy::disallowed_methods, reason = "it lives as long as the test")]
        drop(tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }));
        Stub { url, asked }
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
    let (status, text) = match operation(&uri, &headers, &body) {
        Some((operation, which)) => {
            assert!(is_signed, "{operation} is not signed");
            shared.answer(&operation, &which, &body)
        }
        None => shared.cluster(&method, &uri, &body),
    };
    (StatusCode::from_u16(status).unwrap(), text)
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
    fn answer(&self, operation: &str, which: &str, body: &str) -> (u16, String) {
        let mut asked = self.asked.lock().unwrap();
        asked.calls.push(operation.to_owned());
        let name = operation.split('.').nth(1).unwrap();
        if self.plan.denied.contains(&name) {
            return refusal(operation, "AccessDenied", "not authorized to perform this action");
        }
        if self.plan.absent.contains(&name) {
            return refusal(operation, "ResourceNotFound", "it is not there");
        }
        match name {
            "CreateLogStream" | "DeleteLogStream" => {
                let body: Value = serde_json::from_str(body).unwrap();
                body["logStreamName"].as_str().unwrap().clone_into(&mut asked.log_stream);
                return (200, String::new());
            }
            "PutLogEvents" => {
                let body: Value = serde_json::from_str(body).unwrap();
                body["logEvents"][0]["message"].as_str().unwrap().clone_into(&mut asked.message);
                return (200, json!({"nextSequenceToken": "1"}).to_string());
            }
            "GetShardIterator" => return (200, json!({"ShardIterator": "i"}).to_string()),
            "GetRecords" => return (200, records(&asked.log_stream)),
            "GetObject" => return (200, LINES.to_owned()),
            _ => {}
        }
        let mut text = read(self.plan.chain, operation, which);
        for (_, old, new) in self.plan.faults.iter().filter(|(of, ..)| *of == name) {
            text = text.replace(old, new);
        }
        (200, text)
    }

    fn cluster(&self, method: &Method, uri: &Uri, body: &str) -> (u16, String) {
        let mut asked = self.asked.lock().unwrap();
        asked.calls.push(format!("{method} {}", uri.path()));
        if let Some(answer) = self.plan.cluster.get(uri.path()) {
            return (200, answer.to_string());
        }
        let role = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
        let answer = match (method.as_str(), uri.path()) {
            ("GET", "/") => json!({"version": {"distribution": "opensearch", "number": "2.19.1"}}),
            ("GET", "/_cluster/health") => json!({"status": "green"}),
            ("GET", "/_cluster/state/blocks") => json!({"blocks": {}}),
            ("GET", "/_cat/allocation") => json!([{"node": "n1", "disk.percent": "40"}]),
            ("GET", "/_index_template") => json!({"index_templates":
                [{"name": "hydrant-general", "index_template": {"index_patterns": ["hydrant-general*"]}}]}),
            ("GET", "/_plugins/_security/api/rolesmapping") => {
                json!({"hydrant_writer": {"backend_roles": [role("delivery"), role("function")], "users": []}})
            }
            ("POST", "/hydrant-general*/_search" | "/hydrant-general%2A/_search") => {
                assert!(body.contains(&asked.log_stream), "{body}");
                asked.searches += 1;
                let is_there = self.plan.searches.is_some_and(|needed| asked.searches >= needed);
                let hit = json!({"_index": "hydrant-general-2026-11-28", "_id": "49:1"});
                json!({"hits": {"hits": if is_there { vec![hit] } else { Vec::new() }}})
            }
            ("DELETE", "/hydrant-general-2026-11-28/_doc/49:1" | "/hydrant-general-2026-11-28/_doc/49%3A1") => {
                json!({"result": "deleted"})
            }
            other => return (404, json!({"error": format!("{other:?}"), "status": 404}).to_string()),
        };
        (200, answer.to_string())
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

/// An error in the protocol of the service.
fn refusal(operation: &str, code: &str, message: &str) -> (u16, String) {
    let status = if code == "AccessDenied" { 403 } else { 404 };
    match operation.split('.').next().unwrap() {
        "rds" | "iam" | "cloudwatch" => {
            let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>");
            (status, format!("<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>"))
        }
        "s3" => (status, format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>")),
        "lambda" | "opensearch" => (status, json!({"Message": message}).to_string()),
        _ => (400, json!({"__type": format!("{code}Exception"), "message": message}).to_string()),
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
