//! Stand-ins for AWS's services and for OpenSearch: each keeps what it was asked, and answers as a test says.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::serve::ListenerExt as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// A call as it came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) at: Instant,
}

impl Call {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The records of PutRecords or of PutRecordBatch.
    pub(crate) fn records(&self) -> Vec<Vec<u8>> {
        let told = self.json();
        let records = told["Records"].as_array().unwrap().iter();
        records.map(|record| STANDARD.decode(record["Data"].as_str().unwrap()).unwrap()).collect()
    }
}

pub(crate) enum Reply {
    Json(u16, Value),
    Text(u16, &'static str),
    Never,
}

pub(crate) struct Stub {
    pub(crate) url: String,
    calls: Arc<Mutex<Vec<Call>>>,
    _server: JoinSet<()>,
}

impl Stub {
    /// `reply`: what a call is answered with, and how many came before it.
    pub(crate) async fn start(reply: impl Fn(&Call, usize) -> Reply + Send + Sync + 'static) -> Stub {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls: Arc<Mutex<Vec<Call>>> = Arc::default();
        let (kept, reply) = (calls.clone(), Arc::new(reply));
        let service = Router::new().fallback(move |request: Request| {
            let (kept, reply) = (kept.clone(), reply.clone());
            async move {
                let (head, body) = request.into_parts();
                let call = Call {
                    method: head.method.to_string(),
                    path: head.uri.path().to_owned(),
                    headers: head.headers,
                    body: axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec(),
                    at: Instant::now(),
                };
                let before = {
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.push(call.clone());
                    kept.len() - 1
                };
                answer(reply(&call, before)).await
            }
        });
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, service).await.unwrap() });
        Stub { url, calls, _server: server }
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes every record.
    pub(crate) async fn taking_all() -> Stub {
        Stub::start(|call, _| taken(call, |_| None)).await
    }

    /// Keeps objects.
    pub(crate) async fn bucket() -> Stub {
        Stub::start(|_, _| Reply::Text(200, "")).await
    }

    /// The objects of a bucket, by their keys; the last of each counts.
    pub(crate) fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        self.calls().into_iter().filter(|call| call.method == "PUT").map(|call| (call.path, call.body)).collect()
    }

    /// The lines of all objects whose key holds `part`.
    pub(crate) fn lines(&self, part: &str) -> Vec<Value> {
        let objects = self.objects().into_iter().filter(|(key, _)| key.contains(part));
        let text = objects.map(|(_, bytes)| String::from_utf8(bytes).unwrap()).collect::<String>();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

async fn answer(reply: Reply) -> Response {
    let (status, kind, body) = match reply {
        Reply::Json(status, value) => (status, "application/json", value.to_string()),
        Reply::Text(status, text) => (status, "application/xml", text.to_owned()),
        Reply::Never => std::future::pending().await,
    };
    Response::builder().status(status).header("content-type", kind).body(Body::from(body)).unwrap()
}

/// The answer of Kinesis or Firehose; `refuse` names the error of an entry, by its place.
pub(crate) fn taken(call: &Call, refuse: impl Fn(usize) -> Option<&'static str>) -> Reply {
    let is_kinesis = call.header("x-amz-target") == "Kinesis_20131202.PutRecords";
    assert!(is_kinesis || call.header("x-amz-target") == "Firehose_20150804.PutRecordBatch", "{:?}", call.headers);
    let count = call.json()["Records"].as_array().unwrap().len();
    let entries: Vec<Value> = (0..count)
        .map(|place| match (refuse(place), is_kinesis) {
            (Some(code), _) => json!({"ErrorCode": code, "ErrorMessage": "slow down"}),
            (None, true) => json!({"SequenceNumber": "1", "ShardId": "shardId-000000000000"}),
            (None, false) => json!({"RecordId": "r"}),
        })
        .collect();
    let failed = entries.iter().filter(|entry| entry.get("ErrorCode").is_some()).count();
    Reply::Json(
        200,
        if is_kinesis {
            json!({"FailedRecordCount": failed, "Records": entries})
        } else {
            json!({"FailedPutCount": failed, "Encrypted": false, "RequestResponses": entries})
        },
    )
}

/// What OpenSearch says of one document.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Verdict {
    Take,
    /// 429 of the item, whose sentence quotes a request of one document, as OpenSearch's does.
    Busy,
    /// 500 of the item, with a part of its text, as processors of a pipeline do.
    Broken,
    /// 400 of the item, with a part of its text, as OpenSearch does.
    Reject,
}

type Documents = BTreeMap<(String, String), Value>;

/// An OpenSearch whose documents lie in memory.
pub(crate) struct Cluster {
    pub(crate) stub: Stub,
    documents: Arc<Mutex<Documents>>,
}

impl Cluster {
    /// `judge`: what becomes of a document.
    pub(crate) async fn start(judge: impl Fn(&Value) -> Verdict + Send + Sync + 'static) -> Cluster {
        let documents: Arc<Mutex<Documents>> = Arc::default();
        let kept = documents.clone();
        let stub = Stub::start(move |call, _| {
            if !call.path.ends_with("/_bulk") {
                return Reply::Json(200, json!({}));
            }
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            let text = std::str::from_utf8(&call.body).unwrap();
            assert!(text.ends_with('\n'), "a bulk ends with a newline");
            let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let items: Vec<Value> = lines.chunks(2).map(|pair| item(&mut kept, pair, &judge)).collect();
            let errors = items.iter().any(|item| item["create"]["status"] != 201);
            Reply::Json(200, json!({"took": 1, "errors": errors, "items": items}))
        })
        .await;
        Cluster { stub, documents }
    }

    pub(crate) async fn taking_all() -> Cluster {
        Cluster::start(|_| Verdict::Take).await
    }

    /// By index and id.
    pub(crate) fn documents(&self) -> Documents {
        self.documents.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn statements(&self) -> Vec<String> {
        let mut all: Vec<String> =
            self.documents().values().map(|document| document["Statement"].as_str().unwrap_or("").to_owned()).collect();
        all.sort();
        all
    }
}

fn item(kept: &mut Documents, pair: &[Value], judge: &impl Fn(&Value) -> Verdict) -> Value {
    let (action, document) = (&pair[0]["create"], &pair[1]);
    let text = |name: &str| action[name].as_str().unwrap_or_else(|| panic!("{} has no {name}", pair[0])).to_owned();
    let key = (text("_index"), text("_id"));
    let mut told = json!({"_index": key.0, "_id": key.1});
    let (status, error) = match judge(document) {
        Verdict::Busy => {
            let reason = format!(
                "rejected execution of processing of [7][indices:data/write/bulk[s][p]]: request: BulkShardRequest \
                 [[logs][0]] containing [index {{[logs][1], source[{document}]}}]"
            );
            (429, json!({"type": "rejected_execution_exception", "reason": reason}))
        }
        Verdict::Broken => {
            let reason = format!("field [Statement] with value [{}] cannot be converted", document["Statement"]);
            (500, json!({"type": "illegal_argument_exception", "reason": reason}))
        }
        Verdict::Reject => {
            let reason =
                format!("failed to parse field [Statement]. Preview of field's value: '{}'", document["Statement"]);
            (400, json!({"type": "mapper_parsing_exception", "reason": reason}))
        }
        Verdict::Take if kept.contains_key(&key) => {
            let reason = "version conflict, document already exists (current version [1])";
            (409, json!({"type": "version_conflict_engine_exception", "reason": reason}))
        }
        Verdict::Take => {
            kept.insert(key, document.clone());
            (201, Value::Null)
        }
    };
    told["status"] = json!(status);
    if error.is_null() {
        told["result"] = json!("created");
        told["_version"] = json!(1);
    } else {
        told["error"] = error;
    }
    json!({"create": told})
}
