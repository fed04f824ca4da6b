//! The page's HTML from canned answers: what is shown, what is escaped, what links lead where.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use hydrant_transform::document::Outcome;
use tokio::sync::watch;
use tower::ServiceExt;

use super::{Page, router};
use crate::clock::Clock;
use crate::index::query::{Bound, BucketsKind, Value};
use crate::index::{
    Addressed, AggregationResult, Bucket, BucketKey, Engine, Error, Hit, IndexStatus, Query, Scan, Scanned, Search,
    SearchResult, Total,
};
use crate::metrics::{Health, Metrics};

/// Answers one entry, and keeps what it was asked.
#[derive(Default)]
struct Canned {
    asked: Mutex<Vec<Search>>,
}

const NASTY: &str =
    r#"{"@timestamp":"2026-11-23T03:07:00.062044Z","PID":57,"Perform":"Query","Statement":"<script>\"&'</script>"}"#;

impl Engine for Canned {
    fn write<'a>(&'a self, _: &'a [Addressed]) -> BoxFuture<'a, Result<Vec<Outcome>, Error>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn search(&self, search: Search) -> BoxFuture<'_, Result<SearchResult, Error>> {
        let histogram = search.size == 0;
        self.asked.lock().unwrap().push(search);
        let minute = 1_795_403_220_000;
        let aggregations = if histogram {
            let bucket = Bucket { key: BucketKey::Date(minute), doc_count: 498, sub: Vec::new() };
            vec![(
                "time".to_owned(),
                AggregationResult::Buckets { buckets: vec![bucket], kind: BucketsKind::DateHistogram },
            )]
        } else {
            let metric = |ms: f64| AggregationResult::DateMetric(Some(ms));
            vec![("first".to_owned(), metric(1_795_403_220_062.0)), ("last".to_owned(), metric(1_795_403_220_990.0))]
        };
        let hit = Hit {
            index_name: "hydrant-general-2026-11-23".to_owned(),
            id: "ab cd".to_owned(),
            score: None,
            source: NASTY.as_bytes().to_vec(),
            sort: Vec::new(),
        };
        let result = SearchResult {
            indices_searched: 1,
            failures: Vec::new(),
            total: Some(Total { value: 498, exact: true }),
            max_score: None,
            hits: if histogram { Vec::new() } else { vec![hit] },
            aggregations,
        };
        async { Ok(result) }.boxed()
    }

    fn get<'a>(&'a self, _: &'a str, id: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>> {
        async move { Ok((id == "ab cd").then(|| NASTY.as_bytes().to_vec())) }.boxed()
    }

    fn indices<'a>(&'a self, _: &'a [String]) -> BoxFuture<'a, Result<Vec<IndexStatus>, Error>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn refresh<'a>(&'a self, _: &'a [String]) -> BoxFuture<'a, Result<(), Error>> {
        async { Ok(()) }.boxed()
    }

    fn scan(&self, _: Scan) -> BoxStream<'_, Result<Vec<Scanned>, Error>> {
        stream::empty().boxed()
    }
}

async fn ask(index: &Arc<Canned>, health: Health, path: &str) -> (StatusCode, String) {
    let (_keep, health) = watch::channel(health);
    let rest = "http://127.0.0.1:9200".to_owned();
    let page = Page { index: index.clone(), metrics: Metrics::default(), health, clock: Clock::System, rest };
    let response = router(page).oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn an_entry_is_shown_escaped_and_links_to_its_own_page() {
    let index = Arc::new(Canned::default());
    let (status, html) = ask(&index, Health::default(), "/?q=Perform:Query").await;
    assert_eq!(status, StatusCode::OK);
    assert!(html.contains("498 entries"), "{html}");
    assert!(html.contains(r#"href="/doc/hydrant-general-2026-11-23/ab%20cd""#), "{html}");
    assert!(html.contains("&lt;script&gt;&quot;&amp;'&lt;/script&gt;"), "{html}");
    assert!(!html.contains("<script>\""), "{html}");
    assert!(html.contains("2026-11-23 03:07:00.062044</time>"), "{html}");
    assert!(html.contains(r#"<input id="q" type="search" name="q" value="Perform:Query""#), "{html}");
}

#[tokio::test]
async fn a_bar_of_the_histogram_opens_its_own_span() {
    let index = Arc::new(Canned::default());
    let (_, html) = ask(&index, Health::default(), "/?q=a%26b").await;
    // 62 ms to 990 ms past the minute: bars of 100 ms, of which only the one at the minute is counted.
    let link = "/?q=a%26b&amp;after=1795403220000&amp;before=1795403220100";
    assert!(html.contains(link), "{html}");
    assert!(html.contains("498 from 2026-11-23 03:07:00 UTC"), "{html}");
    let (_, _) = ask(&index, Health::default(), "/?q=&after=1795403220000&before=1795403220100").await;
    let asked = index.asked.lock().unwrap();
    let Query::Bool { filter, .. } = &asked[2].query else { panic!("{:?}", asked[2].query) };
    let bound = |text: &str| Value::String(text.to_owned());
    let expected = Query::Range {
        field: "@timestamp".to_owned(),
        lower: Bound::Included(bound("2026-11-23T03:07:00.000000Z")),
        upper: Bound::Excluded(bound("2026-11-23T03:07:00.100000Z")),
        boost: 1.0,
    };
    assert_eq!(filter, &[expected]);
}

#[tokio::test]
async fn a_query_that_cannot_be_read_is_said_in_the_page() {
    let index = Arc::new(Canned::default());
    let (status, html) = ask(&index, Health::default(), "/?q=a:(b").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(html.contains(r#"<p class="problem" role="alert">"#), "{html}");
    assert!(html.contains("Failed to parse query [a:(b]"), "{html}");
}

#[tokio::test]
async fn a_document_is_shown_whole_and_an_unknown_one_is_not_found() {
    let index = Arc::new(Canned::default());
    let (status, html) = ask(&index, Health::default(), "/doc/hydrant-general-2026-11-23/ab%20cd").await;
    assert_eq!(status, StatusCode::OK);
    assert!(html.contains("<dt>Statement</dt><dd><pre>&lt;script&gt;&quot;&amp;'&lt;/script&gt;</pre></dd>"), "{html}");
    let (status, html) = ask(&index, Health::default(), "/doc/x/none").await;
    assert_eq!((status, html.contains("Not found")), (StatusCode::NOT_FOUND, true));
}

#[tokio::test]
async fn health_and_readiness_are_two_things() {
    let index = Arc::new(Canned::default());
    let starting = Health::default();
    assert_eq!(ask(&index, starting.clone(), "/health").await.0, StatusCode::OK);
    assert_eq!(ask(&index, starting, "/ready").await.0, StatusCode::SERVICE_UNAVAILABLE);
    let problems = [("index x".to_owned(), "it is damaged".to_owned())].into();
    let behind = [("shardId-7".to_owned(), Duration::from_millis(12_500))].into();
    let damaged = Health { ready: true, problems, behind };
    let (status, body) = ask(&index, damaged.clone(), "/health").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body, r#"{"problems":{"index x":"it is damaged"},"ready":true,"behind_seconds":{"shardId-7":12.5}}"#);
    assert_eq!(ask(&index, damaged.clone(), "/ready").await.0, StatusCode::OK);
    for path in ["/", "/live"] {
        let (_, html) = ask(&index, damaged.clone(), path).await;
        assert!(html.contains("<b>index x</b>: it is damaged"), "{path}: {html}");
        assert!(html.contains("Shard <code>shardId-7</code> is 12 s behind."), "{path}: {html}");
    }
}

#[tokio::test]
async fn metrics_have_prometheus_names() {
    let index = Arc::new(Canned::default());
    let (_, text) = ask(&index, Health::default(), "/metrics").await;
    for name in [
        "hydrant_entries_read_total 0",
        "hydrant_documents_indexed_total 0",
        "hydrant_failed_total 0",
        "hydrant_duplicates_total 0",
        "# EOF",
    ] {
        assert!(text.contains(name), "{name} in {text}");
    }
}
