//! The web page and what monitors ask: search with a histogram, one document whole, `/metrics`, `/health`, `/ready`.
//!
//! Server-rendered HTML that works without its script; the script adds live updates and the viewer's time zone.
//! Everything from the log is escaped by the template engine. No logic of its own: it calls `index::Engine`.

mod assets;

mod document;

mod histogram;

mod html;

mod search;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::Markup;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::index;
use crate::metrics::{Health, Metrics};

use search::Parameters;

/// What the page shows from.
#[derive(Clone)]
pub struct Page {
    pub index: Arc<dyn index::Engine>,
    pub metrics: Metrics,
    pub health: watch::Receiver<Health>,
    pub clock: Clock,
    /// Where the OpenSearch API is, for the footer.
    pub rest: String,
}

/// The page takes no bodies.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Nothing from elsewhere is loaded, framed or sent, whatever a log entry holds.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                                       img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub fn router(page: Page) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/live", get(live))
        .route("/doc/{index_name}/{id}", get(one_document))
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/style.css", get(assets::style))
        .route("/script.js", get(assets::script))
        .fallback(not_found)
        .with_state(page)
}

async fn home(State(page): State<Page>, Query(parameters): Query<Parameters>) -> Response {
    let (status, results) = results(&page, &parameters).await;
    html_response(status, html::home(&parameters, &state(&page), &results, &page.rest))
}

/// The part of the page that changes, for the script.
async fn live(State(page): State<Page>, Query(parameters): Query<Parameters>) -> Response {
    let (status, results) = results(&page, &parameters).await;
    html_response(status, maud::html! { (state(&page)) (results) })
}

/// What waits, and how far delivery is behind.
fn state(page: &Page) -> Markup {
    html::state(&page.health.borrow())
}

async fn results(page: &Page, parameters: &Parameters) -> (StatusCode, Markup) {
    match search::search(page.index.as_ref(), parameters, page.clock.now_ms()).await {
        Ok(found) => (StatusCode::OK, html::results(parameters, &found)),
        Err(index::Error::BadRequest { message, .. }) => (StatusCode::BAD_REQUEST, html::problem(&message)),
        Err(index::Error::IndexNotFound(name)) => {
            (StatusCode::NOT_FOUND, html::problem(&format!("no such index: {name}")))
        }
        Err(index::Error::Retry(message) | index::Error::Fatal(message)) => {
            tracing::warn!("the page cannot search: {message}");
            (StatusCode::SERVICE_UNAVAILABLE, html::problem(&message))
        }
    }
}

async fn one_document(State(page): State<Page>, Path((index_name, id)): Path<(String, String)>) -> Response {
    match page.index.get(&index_name, &id).await {
        Ok(Some(source)) => html_response(StatusCode::OK, document::page(&index_name, &id, &source)),
        Ok(None) | Err(index::Error::IndexNotFound(_) | index::Error::BadRequest { .. }) => not_found().await,
        Err(index::Error::Retry(message) | index::Error::Fatal(message)) => {
            html_response(StatusCode::SERVICE_UNAVAILABLE, html::message("Not now", &message))
        }
    }
}

async fn not_found() -> Response {
    html_response(StatusCode::NOT_FOUND, html::message("Not found", "There is nothing at this address."))
}

async fn metrics(State(page): State<Page>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], page.metrics.text()).into_response()
}

/// 200 while everything runs, 503 with the problems while something waits or has ended.
async fn health(State(page): State<Page>) -> Response {
    let health = page.health.borrow().clone();
    let status = if health.problems.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json_response(status, &health)
}

/// 200 once the stream and the indices are open and entries are taken.
async fn ready(State(page): State<Page>) -> Response {
    let health = page.health.borrow().clone();
    json_response(if health.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &health)
}

fn json_response(status: StatusCode, health: &Health) -> Response {
    let behind = health.behind.iter().map(|(shard, behind)| (shard.clone(), behind.as_secs_f64().into()));
    let behind: serde_json::Map<String, serde_json::Value> = behind.collect();
    let body = serde_json::json!({"problems": health.problems, "ready": health.ready, "behind_seconds": behind});
    let body = body.to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn html_response(status: StatusCode, markup: Markup) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let nosniff = [(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"))];
    (status, headers, nosniff, markup.into_string()).into_response()
}
