//! The index engine of a real OpenSearch: writing by `hydrant_opensearch`, searching by its REST API.

mod ask;

pub mod template;

mod told;

use futures_util::future::BoxFuture;
use hydrant_opensearch::bulk::Action;
use hydrant_opensearch::client::Answer;
use hydrant_opensearch::{Client, Limits, Method, Settings, Writer};
use hydrant_transform::document::{Outcome, Profile};
use serde_json::Value as Json;
use template::Shape;
use tokio::sync::OnceCell;

use super::{Addressed, Engine, Error, FieldType, IndexStatus, Search, SearchResult};

/// A cluster.
pub struct OpenSearch {
    writer: Writer,
    settings: Setup,
    prepared: OnceCell<()>,
}

/// What is asked of the indices.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Whether documents have ids of ours.
    pub ids: bool,
    /// The name of the indices, and the profile of their documents; `None` puts no templates.
    pub templates: Option<(String, Profile)>,
}

impl OpenSearch {
    /// # Errors
    /// The settings are wrong. Whether the cluster answers shows later.
    pub fn open(settings: &Settings, limits: Limits, setup: Setup) -> Result<OpenSearch, Error> {
        let client = Client::new(settings).map_err(|error| Error::Fatal(error.to_string()))?;
        Ok(OpenSearch { writer: Writer::new(client, limits), settings: setup, prepared: OnceCell::new() })
    }

    /// Before the first document: who answers, and the templates that are not there yet. One that is there stays.
    async fn prepare(&self) -> Result<(), Error> {
        let json = |answer: Answer| serde_json::from_slice::<Json>(&answer.body).unwrap_or_default();
        let about = json(self.ask(Method::GET, "/", None).await?);
        let version = about.pointer("/version/number").and_then(Json::as_str).unwrap_or("unknown");
        let kind = about.pointer("/version/distribution").and_then(Json::as_str).unwrap_or("unknown");
        tracing::info!(version, distribution = kind, "the index is a cluster");
        let Some((name, profile)) = &self.settings.templates else { return Ok(()) };
        let health = json(self.ask(Method::GET, "/_cluster/health", None).await?);
        let nodes = health.get("number_of_data_nodes").and_then(Json::as_u64).unwrap_or(1);
        for template in template::templates(name, *profile, Shape::of_nodes(nodes)) {
            let path = format!("/_index_template/{}", names(std::slice::from_ref(&template.name)));
            let found = self.ask(Method::GET, &path, None).await?;
            if found.status == 404 {
                let put = self.ask(Method::PUT, &path, Some(&template.body)).await;
                match put {
                    Ok(_) => tracing::info!(template = template.name, "put an index template"),
                    Err(Error::Retry(problem)) => return Err(Error::Retry(problem)),
                    Err(error) => tracing::warn!(template = template.name, %error, "the template cannot be put"),
                }
            } else if !template.is(&json(found)) {
                tracing::warn!(
                    template = template.name,
                    "the index template differs from Hydrant's and stays as it is"
                );
            }
        }
        Ok(())
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Json>) -> Result<Answer, Error> {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let sent = self.writer.client().send(method, path, "application/json", body).await;
        let answer = sent.map_err(|error| Error::Retry(error.to_string()))?;
        match answer.status {
            200..300 | 404 => Ok(answer),
            400 | 403 => Err(refused(&answer.body)),
            status => Err(Error::Retry(format!("OpenSearch answers with HTTP status {status}"))),
        }
    }
}

/// Types of errors that the program knows beside OpenSearch's own.
const CODES: [&str; 4] =
    ["illegal_argument_exception", "parsing_exception", "search_phase_execution_exception", "query_shard_exception"];

fn refused(body: &[u8]) -> Error {
    let told: Json = serde_json::from_slice(body).unwrap_or_default();
    let text = |error: &Json, name: &str| error.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let error = told.get("error").cloned().unwrap_or_default();
    let cause = error.get("root_cause").and_then(|causes| causes.get(0)).unwrap_or(&error);
    let kind = text(&error, "type");
    let code = CODES.into_iter().find(|code| *code == kind).unwrap_or("illegal_argument_exception");
    Error::BadRequest { code, message: text(cause, "reason") }
}

/// The names and patterns as they stand in a path; a comma divides them.
fn names(patterns: &[String]) -> String {
    if patterns.is_empty() {
        return "_all".to_owned();
    }
    let escaped = |name: &String| name.bytes().map(escape).collect::<String>();
    patterns.iter().map(escaped).collect::<Vec<_>>().join(",")
}

fn escape(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}

impl Engine for OpenSearch {
    fn write<'a>(&'a self, documents: &'a [Addressed]) -> BoxFuture<'a, Result<Vec<Outcome>, Error>> {
        Box::pin(async move {
            self.prepared.get_or_try_init(|| self.prepare()).await?;
            let actions: Vec<Action<'_>> = documents
                .iter()
                .map(|Addressed { index_name, document }| Action {
                    index: index_name,
                    id: self.settings.ids.then(|| document.id.as_str()),
                    source: &document.source,
                })
                .collect();
            Ok(self.writer.write(&actions).await)
        })
    }

    fn search(&self, search: Search) -> BoxFuture<'_, Result<SearchResult, Error>> {
        Box::pin(async move {
            let path = format!("/{}/_search?ignore_unavailable={}", names(&search.indices), search.ignore_unavailable);
            let answer = self.ask(Method::POST, &path, Some(&ask::body(&search))).await?;
            if answer.status == 404 {
                return Err(Error::IndexNotFound(search.indices.join(",")));
            }
            told::search(&answer.body, &search.aggregations)
        })
    }

    fn get<'a>(&'a self, index_name: &'a str, id: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, Error>> {
        Box::pin(async move {
            let path =
                format!("/{}/_source/{}", names(&[index_name.to_owned()]), id.bytes().map(escape).collect::<String>());
            let answer = self.ask(Method::GET, &path, None).await?;
            Ok((answer.status == 200).then_some(answer.body))
        })
    }

    fn indices<'a>(&'a self, patterns: &'a [String]) -> BoxFuture<'a, Result<Vec<IndexStatus>, Error>> {
        Box::pin(async move {
            let names = names(patterns);
            let cat = format!(
                "/_cat/indices/{names}?format=json&bytes=b&h=index,uuid,docs.count,store.size,creation.date,status"
            );
            let answer = self.ask(Method::GET, &cat, None).await?;
            if answer.status == 404 {
                return Err(Error::IndexNotFound(patterns.join(",")));
            }
            let mappings = self.ask(Method::GET, &format!("/{names}/_mapping"), None).await?;
            let unreadable = |error| Error::Retry(format!("OpenSearch's list of indices cannot be read: {error}"));
            let rows: Vec<Json> = serde_json::from_slice(&answer.body).map_err(unreadable)?;
            let mappings: Json = serde_json::from_slice(&mappings.body).map_err(unreadable)?;
            let mut all: Vec<IndexStatus> = rows.iter().map(|row| status(row, &mappings)).collect();
            all.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(all)
        })
    }

    fn refresh<'a>(&'a self, patterns: &'a [String]) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            let answer = self.ask(Method::POST, &format!("/{}/_refresh", names(patterns)), None).await?;
            if answer.status == 404 { Err(Error::IndexNotFound(patterns.join(","))) } else { Ok(()) }
        })
    }
}

/// A row of `_cat/indices`, in which everything is text.
fn status(row: &Json, mappings: &Json) -> IndexStatus {
    let text = |name: &str| row.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let number = |name: &str| text(name).parse().unwrap_or(0);
    let name = text("index");
    let properties = mappings.get(&name).and_then(|index| index.get("mappings")?.get("properties"));
    let mut fields = Vec::new();
    collect("", properties, &mut fields);
    fields.sort_by(|a: &(String, FieldType), b| a.0.cmp(&b.0));
    IndexStatus {
        uuid: text("uuid"),
        documents: number("docs.count"),
        bytes: number("store.size"),
        created_ms: text("creation.date").parse().unwrap_or(0),
        damaged: (text("status") == "close").then(|| format!("the index {name} is closed")),
        name,
        fields,
    }
}

fn collect(prefix: &str, properties: Option<&Json>, fields: &mut Vec<(String, FieldType)>) {
    for (name, field) in properties.and_then(Json::as_object).into_iter().flatten() {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match field.get("type").and_then(Json::as_str) {
            Some(kind) => fields.push((path, field_type(kind, field))),
            None => collect(&path, field.get("properties"), fields),
        }
    }
}

fn field_type(kind: &str, field: &Json) -> FieldType {
    match kind {
        "text" | "match_only_text" if field.get("fields").is_some() => FieldType::TextWithKeyword,
        "text" | "match_only_text" => FieldType::Text,
        "keyword" | "ip" | "wildcard" => FieldType::Keyword,
        "long" | "integer" | "short" | "byte" | "unsigned_long" => FieldType::Long,
        "float" | "double" | "half_float" | "scaled_float" => FieldType::Float,
        "boolean" => FieldType::Boolean,
        "date" => FieldType::Date,
        "date_nanos" => FieldType::DateNanos,
        _ => FieldType::Unindexed,
    }
}
