//! Every document of an index of a cluster, page by page, over a point in time.
//!
//! Hits are sorted by `_doc`, which costs nothing, and each page begins behind the last hit of the page before, so a page
//! whose answer was lost is asked for again and nothing is skipped. `_doc` is the place within a shard: therefore the
//! shards are read one after another, as slices, of which there are as many. Needs OpenSearch 2.4 or later.

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use hydrant_opensearch::Method;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};

use super::{OpenSearch, ask, names, refused};
use crate::index::{Error, SCAN_DOCUMENTS_MAX, Scan, Scanned};

/// How long the server keeps a point in time for which nothing is asked.
const KEEP_ALIVE: &str = "10m";

/// The members that are read of an answer.
const FILTER: &str =
    "filter_path=timed_out,_shards.failed,hits.hits._id,hits.hits._routing,hits.hits._source,hits.hits.sort";

/// Where a scan is.
enum Place {
    Begin,
    In(Point),
    End,
}

/// A point in time, and how much of it is answered.
#[derive(Clone)]
struct Point {
    id: String,
    shards: u64,
    /// The shard that is read.
    shard: u64,
    /// Of the last hit of it.
    after: Option<Json>,
}

#[derive(Deserialize)]
struct Opened {
    pit_id: String,
    #[serde(rename = "_shards")]
    shards: Shards,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Shards {
    total: u64,
    failed: u64,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(default)]
    timed_out: bool,
    #[serde(rename = "_shards", default)]
    shards: Shards,
    #[serde(borrow, default)]
    hits: Hits<'a>,
}

#[derive(Default, Deserialize)]
struct Hits<'a> {
    #[serde(borrow, default)]
    hits: Vec<Hit<'a>>,
}

#[derive(Deserialize)]
struct Hit<'a> {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "_routing", default)]
    routing: Option<String>,
    #[serde(rename = "_source", borrow, default)]
    source: Option<&'a RawValue>,
    #[serde(default)]
    sort: Vec<Json>,
}

pub(super) fn scan(engine: &OpenSearch, scan: Scan) -> BoxStream<'_, Result<Vec<Scanned>, Error>> {
    let next = move |place: Place| {
        let scan = scan.clone();
        async move {
            let mut point = match place {
                Place::End => return None,
                Place::In(point) => point,
                Place::Begin => match engine.open_point(&scan.index_name).await {
                    Ok(point) => point,
                    Err(error @ Error::Retry(_)) => return Some((Err(error), Place::Begin)),
                    Err(error) => return Some((Err(error), Place::End)),
                },
            };
            while point.shard < point.shards {
                match engine.page(&scan, &point).await {
                    Ok(Some((page, after))) => {
                        point.after = Some(after);
                        return Some((Ok(page), Place::In(point)));
                    }
                    Ok(None) => {
                        point.shard += 1;
                        point.after = None;
                    }
                    Err(Lost::Page(error)) => return Some((Err(error), Place::In(point))),
                    Err(Lost::Point(error)) => return Some((Err(error), Place::Begin)),
                    Err(Lost::All(error)) => return Some((Err(error), Place::End)),
                }
            }
            engine.close_point(&point).await;
            None
        }
    };
    stream::unfold(Place::Begin, next).boxed()
}

/// What a failed request has cost.
enum Lost {
    /// The page is asked for again.
    Page(Error),
    /// The server does not know the point in time any more: the index is begun again.
    Point(Error),
    All(Error),
}

impl OpenSearch {
    async fn open_point(&self, index_name: &str) -> Result<Point, Error> {
        let index = names(&[index_name.to_owned()]);
        let path = format!("/{index}/_search/point_in_time?keep_alive={KEEP_ALIVE}");
        let answer = self.ask(Method::POST, &path, None).await?;
        if answer.status == 404 {
            return Err(Error::IndexNotFound(index_name.to_owned()));
        }
        let opened: Opened = serde_json::from_slice(&answer.body).map_err(|error| unreadable(&error))?;
        let Opened { pit_id: id, shards } = opened;
        if shards.failed > 0 {
            return Err(Error::Retry(format!("{} shards of the index [{index_name}] do not answer", shards.failed)));
        }
        Ok(Point { id, shards: shards.total, shard: 0, after: None })
    }

    /// The next documents of a shard and the place behind them. `None` at its end.
    async fn page(&self, scan: &Scan, point: &Point) -> Result<Option<(Vec<Scanned>, Json)>, Lost> {
        let mut body = json!({
            "query": ask::query(&scan.query),
            "size": SCAN_DOCUMENTS_MAX,
            "sort": ["_doc"],
            "track_total_hits": false,
            "_source": if scan.fields.is_empty() { json!(false) } else { json!(scan.fields) },
            "pit": {"id": point.id, "keep_alive": KEEP_ALIVE},
        });
        if let Some(body) = body.as_object_mut() {
            if point.shards > 1 {
                body.insert("slice".to_owned(), json!({"id": point.shard, "max": point.shards}));
            }
            if let Some(after) = &point.after {
                body.insert("search_after".to_owned(), after.clone());
            }
        }
        let answer = self.ask(Method::POST, &format!("/_search?{FILTER}"), Some(&body)).await;
        let answer = answer.map_err(|error| match error {
            Error::Retry(_) => Lost::Page(error),
            Error::IndexNotFound(_) | Error::BadRequest { .. } | Error::Fatal(_) => Lost::All(error),
        })?;
        if answer.status == 404 {
            let Error::BadRequest { message, .. } = refused(&answer) else {
                return Err(Lost::All(Error::IndexNotFound(scan.index_name.clone())));
            };
            return Err(Lost::Point(Error::Retry(message)));
        }
        let page: Page<'_> = serde_json::from_slice(&answer.body).map_err(|error| Lost::Page(unreadable(&error)))?;
        if page.timed_out || page.shards.failed > 0 {
            let problem = format!("a shard of the index [{}] does not answer", scan.index_name);
            return Err(Lost::Page(Error::Retry(problem)));
        }
        let Some(after) = page.hits.hits.last().map(|hit| Json::from(hit.sort.clone())) else { return Ok(None) };
        let scanned = |hit: Hit<'_>| Scanned {
            id: hit.id,
            routing: hit.routing,
            source: hit.source.map_or("{}", RawValue::get).into(),
        };
        Ok(Some((page.hits.hits.into_iter().map(scanned).collect(), after)))
    }

    /// The server would forget it by itself, later.
    async fn close_point(&self, point: &Point) {
        let body = json!({"pit_id": [point.id]});
        if let Err(error) = self.ask(Method::DELETE, "/_search/point_in_time", Some(&body)).await {
            tracing::debug!(%error, "a point in time is left to expire");
        }
    }
}

fn unreadable(error: &serde_json::Error) -> Error {
    Error::Retry(format!("OpenSearch's page of documents cannot be read: {error}"))
}
