//! The door driven through its router, over an engine that records what it was asked and answers what it was told.
//!
//! Expected answers are written by hand after what OpenSearch 2.19.1 answered to the same requests.

mod answers;

mod dates;

mod errors;

mod indices;

mod parts;

mod requests;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use hydrant_transform::document::Outcome;
use tower::ServiceExt;

use crate::clock::Clock;
use crate::index::query::{Query, Search, SearchResult, Total, TrackTotal};
use crate::index::{Addressed, Engine, Error, FieldType, IndexStatus, Scan, Scanned};

/// 2022-01-15T08:44:45.164Z, the time of all requests here.
const NOW_MS: i64 = 1_642_236_285_164;

const GENERAL: &str = "hydrant-general-2022-01-15";

/// Sources keep this spacing in every answer that does not filter them.
const SOURCE: &str = r#"{"Time": "2022-01-15T08:44:45.164986Z", "PID": 5, "Perform":"Init DB","Statement":"app","o":{"k":1,"l":{"m":"x"}},"arr":[{"x":1,"y":2},{"x":3}]}"#;

struct Fake {
    searches: Mutex<Vec<Search>>,
    refreshed: Mutex<Vec<String>>,
    result: Mutex<Result<SearchResult, Option<Error>>>,
    statuses: Vec<IndexStatus>,
}

impl Engine for Fake {
    fn write<'a>(&'a self, _: &'a [Addressed]) -> BoxFuture<'a, Result<Vec<Outcome>, Error>> {
        Box::pin(async { Err(Error::Fatal("this door only reads".to_string())) })
    }

    fn search(&self, search: Search) -> BoxFuture<'_, Result<SearchResult, Error>> {
        self.searches.lock().unwrap().push(search);
        let answer = match &mut *self.result.lock().unwrap() {
            Ok(result) => Ok(result.clone()),
            Err(error) => Err(error.take().expect("one search only")),
        };
        Box::pin(async move { answer })
    }

    fn get<'a>(&'a self, index_name: &'a str, id: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>> {
        let found = (index_name == GENERAL && id == "3").then(|| SOURCE.as_bytes().to_vec());
        Box::pin(async { Ok(found) })
    }

    fn indices<'a>(&'a self, patterns: &'a [String]) -> BoxFuture<'a, Result<Vec<IndexStatus>, Error>> {
        Box::pin(async move {
            let matches = |pattern: &str, name: &str| {
                let prefix = pattern.strip_suffix('*');
                pattern == "_all" || prefix.map_or(pattern == name, |prefix| name.starts_with(prefix))
            };
            let known = |pattern: &&String| self.statuses.iter().any(|status| matches(pattern, &status.name));
            if let Some(missing) = patterns.iter().find(|pattern| !pattern.contains('*') && !known(pattern)) {
                return Err(Error::IndexNotFound(missing.clone()));
            }
            let chosen = |status: &&IndexStatus| patterns.iter().any(|pattern| matches(pattern, &status.name));
            Ok(self.statuses.iter().filter(chosen).cloned().collect())
        })
    }

    fn refresh<'a>(&'a self, patterns: &'a [String]) -> BoxFuture<'a, Result<(), Error>> {
        self.refreshed.lock().unwrap().extend_from_slice(patterns);
        Box::pin(async { Ok(()) })
    }

    fn scan(&self, _: Scan) -> BoxStream<'_, Result<Vec<Scanned>, Error>> {
        stream::empty().boxed()
    }
}

fn status(name: &str, documents: u64, bytes: u64, fields: &[(&str, FieldType)]) -> IndexStatus {
    IndexStatus {
        name: name.to_string(),
        uuid: "1hB56q4kQKSHTkBM8eVPUA".to_string(),
        documents,
        bytes,
        created_ms: 1_795_529_560_388,
        damaged: None,
        fields: fields.iter().map(|(name, field_type)| ((*name).to_string(), *field_type)).collect(),
    }
}

fn general() -> IndexStatus {
    use FieldType::{Boolean, DateNanos, Float, Keyword, Long, Text, TextWithKeyword};
    let fields = [
        ("@timestamp", DateNanos),
        ("PID", Long),
        ("Perform", Keyword),
        ("Statement", Text),
        ("Time", DateNanos),
        ("b", Boolean),
        ("f", Float),
        ("o.k", Long),
        ("o.l.m", TextWithKeyword),
    ];
    status(GENERAL, 3, 8_423, &fields)
}

fn nothing_found() -> SearchResult {
    SearchResult {
        indices_searched: 1,
        failures: Vec::new(),
        total: Some(Total { value: 0, exact: true }),
        max_score: None,
        hits: Vec::new(),
        aggregations: Vec::new(),
    }
}

/// A door over one index of three documents.
struct Door {
    engine: Arc<Fake>,
    router: Router,
}

#[derive(Debug)]
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Door {
    fn new() -> Door {
        Door::over(vec![general()], Ok(nothing_found()))
    }

    fn answering(result: SearchResult) -> Door {
        Door::over(vec![general()], Ok(result))
    }

    fn over(statuses: Vec<IndexStatus>, result: Result<SearchResult, Option<Error>>) -> Door {
        let (searches, refreshed) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        let engine = Arc::new(Fake { searches, refreshed, result: Mutex::new(result), statuses });
        let router = super::router(Arc::clone(&engine) as Arc<dyn Engine>, Clock::starting_at(NOW_MS));
        Door { engine, router }
    }

    async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Reply { status: head.status, headers: head.headers, body: String::from_utf8_lossy(&body).into_owned() }
    }

    async fn call(&self, method: &str, path: &str, body: Option<&str>) -> Reply {
        let request = Request::builder().method(method).uri(path).header("host", "127.0.0.1");
        let request = match body {
            Some(text) => request.header("content-type", "application/json").body(Body::from(text.to_string())),
            None => request.body(Body::empty()),
        };
        self.send(request.unwrap()).await
    }

    async fn get(&self, path: &str) -> Reply {
        self.call("GET", path, None).await
    }

    /// The search that a request became.
    async fn searched(&self, method: &str, path: &str, body: Option<&str>) -> Search {
        let reply = self.call(method, path, body).await;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        self.engine.searches.lock().unwrap().pop().expect("a search")
    }
}

/// The query that a body's `query` became.
async fn query(json: &str) -> Query {
    let body = format!("{{\"query\":{json}}}");
    Door::new().searched("POST", "/hydrant-*/_search", Some(&body)).await.query
}

/// The body of a 400.
async fn refused(body: &str) -> String {
    let reply = Door::new().call("POST", "/hydrant-*/_search", Some(body)).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{}", reply.body);
    reply.body
}

/// What a search without anything said is.
fn plain_search(indices: &[&str]) -> Search {
    Search {
        indices: indices.iter().map(|name| (*name).to_string()).collect(),
        ignore_unavailable: false,
        query: Query::MatchAll,
        sort: Vec::new(),
        from: 0,
        size: 10,
        track_total: TrackTotal::UpTo(10_000),
        aggregations: Vec::new(),
    }
}
