//! Which endpoint a path means, and which methods it takes.

use axum::http::Method;

use super::call::Call;
use super::error::ApiError;

/// Names and patterns of one request.
pub(super) const INDICES_MAX: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Root,
    Search(Vec<String>),
    Count(Vec<String>),
    Document(String, String),
    Mapping(Vec<String>),
    Index(Vec<String>),
    Refresh(Vec<String>),
    Cat,
    CatIndices(Vec<String>),
    Health(Vec<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) endpoint: Endpoint,
    /// Without OPTIONS, which every path takes.
    pub(super) methods: &'static [&'static str],
}

/// Last segments that write, or that make or change an index.
const WRITES: &[&str] = &[
    "_bulk",
    "_create",
    "_update",
    "_update_by_query",
    "_delete_by_query",
    "_reindex",
    "_aliases",
    "_alias",
    "_template",
    "_index_template",
    "_component_template",
    "_settings",
    "_close",
    "_open",
    "_rollover",
    "_forcemerge",
    "_flush",
    "_clone",
    "_shrink",
    "_split",
    "_data_stream",
    "_ingest",
    "_scripts",
    "_snapshot",
];

/// Other parts of OpenSearch's API. Naming them is kinder than calling them a wrong index name.
const UNSUPPORTED: &[&str] = &[
    "_msearch",
    "_mget",
    "_field_caps",
    "_explain",
    "_validate",
    "_termvectors",
    "_nodes",
    "_stats",
    "_tasks",
    "_segments",
    "_recovery",
    "_shard_stores",
    "_resolve",
    "_analyze",
    "_plugins",
    "_opendistro",
    "_source",
    "_cluster",
    "_rank_eval",
    "_search_shards",
    "_cache",
    "_remote",
    "_pit",
];

pub(super) fn find(call: &Call) -> Result<Route, ApiError> {
    const READ: &[&str] = &["GET", "HEAD"];
    const GET: &[&str] = &["GET"];
    const ASK: &[&str] = &["GET", "POST"];
    let segments: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    refuse_writing(call, &segments)?;
    let route = |endpoint, methods| Ok(Route { endpoint, methods });
    match segments.as_slice() {
        [] => route(Endpoint::Root, READ),
        ["_search"] => route(Endpoint::Search(all()), ASK),
        [names, "_search"] => route(Endpoint::Search(read_names(names)?), ASK),
        ["_count"] => route(Endpoint::Count(all()), ASK),
        [names, "_count"] => route(Endpoint::Count(read_names(names)?), ASK),
        [name, "_doc", id] => route(Endpoint::Document((*name).to_string(), (*id).to_string()), READ),
        ["_mapping" | "_mappings"] => route(Endpoint::Mapping(all()), GET),
        [names, "_mapping" | "_mappings"] => route(Endpoint::Mapping(read_names(names)?), GET),
        ["_refresh"] => route(Endpoint::Refresh(all()), ASK),
        [names, "_refresh"] => route(Endpoint::Refresh(read_names(names)?), ASK),
        ["_cat"] => route(Endpoint::Cat, GET),
        ["_cat", "indices"] => route(Endpoint::CatIndices(all()), GET),
        ["_cat", "indices", names] => route(Endpoint::CatIndices(read_names(names)?), GET),
        ["_cluster", "health"] => route(Endpoint::Health(all()), GET),
        ["_cluster", "health", names] => route(Endpoint::Health(read_names(names)?), GET),
        [name] if UNSUPPORTED.contains(name) => Err(unsupported(call)),
        [name, ..] if UNSUPPORTED.contains(name) => Err(unsupported(call)),
        [_, name, ..] if UNSUPPORTED.contains(name) => Err(unsupported(call)),
        ["_search", ..] | [_, "_search", ..] => Err(unsupported(call)),
        [names] => route(Endpoint::Index(read_names(names)?), READ),
        _ => Err(ApiError::no_handler(call.method.as_str(), &call.path)),
    }
}

fn refuse_writing(call: &Call, segments: &[&str]) -> Result<(), ApiError> {
    let changes = matches!(call.method, Method::PUT | Method::POST | Method::DELETE | Method::PATCH);
    let writes = match segments {
        [_, "_doc"] | [_, "_doc", _] | [_, "_mapping" | "_mappings"] => changes,
        [name] if !name.starts_with('_') || *name == "_all" => changes && call.method != Method::PATCH,
        ["_cluster", "settings" | "reroute"] => changes,
        [first, ..] if WRITES.contains(first) => true,
        [_, second, ..] if WRITES.contains(second) => true,
        _ => false,
    };
    if !writes {
        return Ok(());
    }
    Err(ApiError::illegal_argument(format!(
        "[{} {}] is not supported: this version of Hydrant only reads through the OpenSearch API",
        call.method, call.path
    )))
}

fn unsupported(call: &Call) -> ApiError {
    let reason = format!("[{} {}] is not supported in this version of Hydrant", call.method, call.path);
    ApiError::illegal_argument(reason)
}

fn all() -> Vec<String> {
    vec!["_all".to_string()]
}

/// A list of names and patterns. A name that begins like an endpoint is none.
fn read_names(list: &str) -> Result<Vec<String>, ApiError> {
    let names: Vec<String> = list.split(',').filter(|name| !name.is_empty()).map(str::to_string).collect();
    if names.len() > INDICES_MAX {
        return Err(ApiError::illegal_argument(format!("a request names at most [{INDICES_MAX}] indices")));
    }
    if let Some(wrong) = names.iter().find(|name| name.starts_with('_') && *name != "_all") {
        return Err(ApiError::invalid_index_name(wrong));
    }
    Ok(if names.is_empty() { all() } else { names })
}
