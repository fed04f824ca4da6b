//! The OpenSearch REST door: translates the wire into calls on [`index::Engine`] and its answers back, and holds no
//! logic of its own beyond that.
//!
//! It reads only; writing through it is refused by name. Answers have the shape, key order and errors of OpenSearch
//! 2.19; `docs/compat/opensearch.md` lists what is answered and what is refused, row by row.
//!
//! Limits: bodies [`BODY_BYTES_MAX`] (the door enforces it), [`SEARCHES_MAX`] requests at work at once; the others
//! stand in the files that keep them. Who may ask is decided by [`crate::door::guard`], not here.

mod aggregations;

mod answer;

mod call;

mod cat;

mod dates;

mod error;

mod indices;

mod json;

mod prune;

mod query;

mod routes;

mod search;

mod write;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tower_http::compression::{CompressionLayer, CompressionLevel};

use self::call::{Answer, Call, View};
use self::error::ApiError;
use self::indices::Health;
use self::routes::{Endpoint, Route};
use self::search::{Context, IndicesOptions};
use crate::clock::Clock;
use crate::index::{self, Engine, FieldType, IndexStatus};

/// Bytes of a request's body, inflated. Give it to [`crate::door::guard`].
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Requests at work at once; more wait. Each may hold a whole answer in memory.
pub const SEARCHES_MAX: usize = 16;

/// The door's router. `clock` tells what `now` is in a query.
pub fn router(index: Arc<dyn Engine>, clock: Clock) -> Router {
    let door = Arc::new(Door { index, clock, slots: Semaphore::new(SEARCHES_MAX) });
    Router::new()
        .fallback(handle)
        .with_state(door)
        .layer(CompressionLayer::new().gzip(true).quality(CompressionLevel::Fastest))
}

struct Door {
    index: Arc<dyn Engine>,
    clock: Clock,
    slots: Semaphore,
}

async fn handle(State(door): State<Arc<Door>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut view = View::default();
    let answer = match to_bytes(body, BODY_BYTES_MAX).await {
        Err(_) => Err(ApiError::sentence(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large")),
        Ok(body) => match Call::read(head.method.clone(), &head.uri, &head.headers, &body) {
            Ok(call) => door.answer(call, &mut view).await,
            Err(error) => Err(error),
        },
    };
    answer.unwrap_or_else(|error| Answer::error(&error)).respond(&view, &head.method)
}

impl Door {
    async fn answer(&self, mut call: Call, view: &mut View) -> Result<Answer, ApiError> {
        *view = View::take(&mut call.parameters)?;
        let Route { endpoint, methods } = routes::find(&call)?;
        if call.method == Method::OPTIONS {
            return Ok(Answer::text(String::new()).with_allow(methods));
        }
        if !methods.contains(&call.method.as_str()) {
            let text = format!(
                "Incorrect HTTP method for uri [{}] and method [{}], allowed: [{}]",
                call.path,
                call.method,
                methods.join(", ")
            );
            let error = ApiError::sentence(StatusCode::METHOD_NOT_ALLOWED, text);
            return Ok(Answer::error(&error).with_allow(methods));
        }
        let _slot = self
            .slots
            .acquire()
            .await
            .map_err(|_| ApiError::sentence(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping"))?;
        match endpoint {
            Endpoint::Root => {
                call.parameters.finish(&call.path)?;
                // OpenSearch is pretty here unless told otherwise.
                view.pretty = view.pretty.or(Some(true));
                Ok(Answer::json(indices::root()))
            }
            Endpoint::Search(names) => self.search(call, &names).await,
            Endpoint::Count(names) => self.count(call, &names).await,
            Endpoint::Document(name, id) => self.document(call, &name, &id).await,
            Endpoint::Mapping(names) => self.describe(call, names, indices::mappings).await,
            Endpoint::Index(names) => self.describe(call, names, indices::descriptions).await,
            Endpoint::Refresh(names) => self.refresh(call, names).await,
            Endpoint::Cat => {
                call.parameters.finish(&call.path)?;
                Ok(Answer::text("=^.^=\n/_cat/indices\n/_cat/indices/{index}\n".to_string()))
            }
            Endpoint::CatIndices(names) => self.cat_indices(call, names).await,
            Endpoint::Health(names) => self.health(call, names).await,
        }
    }

    async fn search(&self, mut call: Call, names: &[String]) -> Result<Answer, ApiError> {
        let start = Instant::now();
        let options = IndicesOptions::take(&mut call.parameters)?;
        let text = call.body.take();
        let body = parse_body(text.as_deref())?;
        let date_fields = self.date_fields(text.as_deref(), names, options).await?;
        let context = Context { indices: names, now_ms: self.clock.now_ms(), date_fields: &date_fields };
        let body = text.as_deref().zip(body.as_ref());
        let request = search::read_search(&mut call.parameters, options.ignore_unavailable, body, &context)?;
        call.parameters.finish(&call.path)?;
        self.check_patterns(names, options).await?;
        let result = self.index.search(request.search.clone()).await;
        let result = result.map_err(|error| ApiError::from_engine(error, names))?;
        Ok(Answer::json(answer::search(&request, &result, start.elapsed().as_millis())))
    }

    async fn count(&self, mut call: Call, names: &[String]) -> Result<Answer, ApiError> {
        let options = IndicesOptions::take(&mut call.parameters)?;
        let text = call.body.take();
        let body = parse_body(text.as_deref())?;
        let date_fields = self.date_fields(text.as_deref(), names, options).await?;
        let context = Context { indices: names, now_ms: self.clock.now_ms(), date_fields: &date_fields };
        let body = text.as_deref().zip(body.as_ref());
        let search = search::read_count(&mut call.parameters, options.ignore_unavailable, body, &context)?;
        call.parameters.finish(&call.path)?;
        self.check_patterns(names, options).await?;
        let result = self.index.search(search).await.map_err(|error| ApiError::from_engine(error, names))?;
        Ok(Answer::json(answer::count(&result)))
    }

    /// The fields that hold dates, if the request may need to know: only ranges do.
    async fn date_fields(
        &self,
        body: Option<&str>,
        names: &[String],
        options: IndicesOptions,
    ) -> Result<HashSet<String>, ApiError> {
        if !body.is_some_and(|body| body.contains("range")) {
            return Ok(HashSet::new());
        }
        let options = IndicesOptions { allow_no_indices: true, ..options };
        let indices = self.select(names, options).await?;
        let fields = indices.into_iter().flat_map(|index| index.fields);
        let dates = fields.filter(|(_, field_type)| matches!(field_type, FieldType::Date | FieldType::DateNanos));
        Ok(dates.map(|(name, _)| name).collect())
    }

    async fn document(&self, mut call: Call, name: &str, id: &str) -> Result<Answer, ApiError> {
        call.parameters.ignore(&["preference", "realtime", "refresh", "routing", "stored_fields", "version_type"]);
        let filter = search::take_source(&mut call.parameters).unwrap_or_default();
        call.parameters.finish(&call.path)?;
        let missing = || ApiError::index_not_found(name, "index_expression");
        if name.contains(['*', ',']) {
            return Err(missing());
        }
        let found = match self.index.get(name, id).await {
            Err(index::Error::IndexNotFound(_)) => return Err(missing()),
            found => found.map_err(|error| ApiError::from_engine(error, &[name.to_string()]))?,
        };
        if let Some(source) = found {
            return Ok(Answer::json(answer::document(name, id, &source, &filter)));
        }
        match self.index.indices(&[name.to_string()]).await {
            Err(index::Error::IndexNotFound(_)) => Err(missing()),
            Err(error) => Err(ApiError::from_engine(error, &[name.to_string()])),
            Ok(_) => Ok(Answer::json(answer::no_document(name, id)).with_status(StatusCode::NOT_FOUND)),
        }
    }

    async fn describe(
        &self,
        mut call: Call,
        names: Vec<String>,
        render: fn(&[IndexStatus]) -> Vec<u8>,
    ) -> Result<Answer, ApiError> {
        call.parameters.ignore(&["local", "master_timeout", "cluster_manager_timeout"]);
        call.parameters.ignore(&["flat_settings", "include_defaults"]);
        let options = IndicesOptions::take(&mut call.parameters)?;
        call.parameters.finish(&call.path)?;
        Ok(Answer::json(render(&self.select(&names, options).await?)))
    }

    async fn refresh(&self, mut call: Call, names: Vec<String>) -> Result<Answer, ApiError> {
        let options = IndicesOptions::take(&mut call.parameters)?;
        call.parameters.finish(&call.path)?;
        let selected = self.select(&names, options).await?;
        let selected: Vec<String> = selected.into_iter().map(|index| index.name).collect();
        if !selected.is_empty() {
            self.index.refresh(&selected).await.map_err(|error| ApiError::from_engine(error, &selected))?;
        }
        Ok(Answer::json(indices::refreshed(selected.len())))
    }

    async fn cat_indices(&self, mut call: Call, names: Vec<String>) -> Result<Answer, ApiError> {
        let options = IndicesOptions::take(&mut call.parameters)?;
        call.parameters.ignore(&["master_timeout", "cluster_manager_timeout"]);
        let wanted = call.parameters.take("health");
        let table = cat::Table::take(&mut call)?;
        call.parameters.finish(&call.path)?;
        let mut selected = self.select(&names, options).await?;
        if let Some(wanted) = wanted {
            selected.retain(|index| Health::of(index).name() == wanted);
        }
        Ok(table.answer(selected))
    }

    async fn health(&self, mut call: Call, names: Vec<String>) -> Result<Answer, ApiError> {
        // One node with one copy of everything has nothing to wait for.
        call.parameters.ignore(&["local", "master_timeout", "cluster_manager_timeout", "timeout", "wait_for_events"]);
        call.parameters.ignore(&["wait_for_nodes", "wait_for_active_shards", "wait_for_no_relocating_shards"]);
        call.parameters.ignore(&["wait_for_no_initializing_shards", "expand_wildcards"]);
        if let Some(level) = call.parameters.take("level").filter(|level| level != "cluster") {
            return Err(ApiError::illegal_argument(format!("level [{level}] is not supported, only [cluster]")));
        }
        let wanted = match call.parameters.take("wait_for_status") {
            None => Health::Red,
            Some(name) => Health::parse(&name)
                .ok_or_else(|| ApiError::illegal_argument(format!("wait_for_status [{name}] is not a status")))?,
        };
        call.parameters.finish(&call.path)?;
        let selected = match self.index.indices(&names).await {
            Ok(selected) => Some(selected),
            Err(index::Error::IndexNotFound(_)) => None,
            Err(error) => return Err(ApiError::from_engine(error, &names)),
        };
        let missing = selected.is_none();
        let selected = selected.unwrap_or_default();
        let (status, _) = indices::health(&selected, missing, false);
        let timed_out = missing || status < wanted;
        let (_, json) = indices::health(&selected, missing, timed_out);
        let code = if timed_out { StatusCode::REQUEST_TIMEOUT } else { StatusCode::OK };
        Ok(Answer::json(json).with_status(code))
    }

    /// The indices of a request, by its options.
    async fn select(&self, names: &[String], options: IndicesOptions) -> Result<Vec<IndexStatus>, ApiError> {
        let selected = match self.index.indices(names).await {
            Err(index::Error::IndexNotFound(_)) if options.ignore_unavailable => {
                match self.existing(names).await? {
                    // No name at all would mean every index.
                    existing if existing.is_empty() => Ok(Vec::new()),
                    existing => self.index.indices(&existing).await,
                }
            }
            selected => selected,
        };
        let selected = selected.map_err(|error| ApiError::from_engine(error, names))?;
        if selected.is_empty() && !options.allow_no_indices {
            return Err(ApiError::index_not_found(&names.join(","), "index_or_alias"));
        }
        Ok(selected)
    }

    /// Names without those plain ones that are not there.
    async fn existing(&self, names: &[String]) -> Result<Vec<String>, ApiError> {
        let all = ["*".to_string()];
        let there = self.index.indices(&all).await.map_err(|error| ApiError::from_engine(error, names))?;
        let keep = |name: &&String| {
            let plain = !name.contains('*') && !name.starts_with('-') && *name != "_all";
            !plain || there.iter().any(|index| index.name == **name)
        };
        Ok(names.iter().filter(keep).cloned().collect())
    }

    async fn check_patterns(&self, names: &[String], options: IndicesOptions) -> Result<(), ApiError> {
        if options.allow_no_indices {
            return Ok(());
        }
        self.select(names, options).await.map(|_| ())
    }
}

/// The JSON of a body; a body of white space is none, and is refused as OpenSearch does.
fn parse_body(text: Option<&str>) -> Result<Option<json::Node<'_>>, ApiError> {
    let Some(text) = text else { return Ok(None) };
    if text.trim_matches([' ', '\t', '\n', '\r']).is_empty() {
        return Err(ApiError::parsing(text, 0, "Expected [START_OBJECT] but found [null]"));
    }
    json::parse_request(text).map(Some).map_err(|malformed| ApiError::malformed(text, &malformed))
}
