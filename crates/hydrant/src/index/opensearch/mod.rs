//! The index engine of a real OpenSearch: writing by `hydrant_opensearch`, searching by its REST API.

pub mod apply;

mod ask;

pub mod dashboards;

pub mod files;

pub mod marked;

pub mod overruled;

pub mod parts;

mod scan;

pub mod template;

mod told;

pub mod version;

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use hydrant_opensearch::bulk::{Action, Operation};
use hydrant_opensearch::client::Answer;
use hydrant_opensearch::{Client, ClientError, ErrorInfo, Limits, Method, SIGN_IN, Settings, Writer, error_of};
use hydrant_transform::document::{Outcome, Reason};
use marked::Standing;
use serde_json::Value as Json;
use template::{Template, Wanted};
use tokio::sync::Mutex;
use tokio::time::Instant;
use version::{Server, Support};

use super::{Addressed, Engine, Error, FieldType, IndexStatus, Scan, Scanned, Search, SearchResult};

/// A cluster.
pub struct OpenSearch {
    writer: Writer,
    /// With the operation `index`.
    overwriter: Writer,
    settings: Box<Setup>,
    prepared: Mutex<Prepared>,
}

/// A template that could not be put is tried again with a batch so long after.
const TEMPLATES_AGAIN: Duration = Duration::from_secs(60);

/// How far the preparations for the first document are.
#[derive(Default)]
enum Prepared {
    /// Nobody has answered yet.
    #[default]
    Not,
    /// These templates could not be put, for a reason that may pass, when they were tried last.
    Without {
        templates: Vec<Template>,
        since: Instant,
    },
    Whole,
}

impl Prepared {
    fn without(templates: Vec<Template>) -> Prepared {
        if templates.is_empty() { Prepared::Whole } else { Prepared::Without { templates, since: Instant::now() } }
    }
}

/// Code where the server is one that cannot do what is needed.
const TOO_OLD: &str = "Hydrant.ServerTooOld";

/// Begins the security plug-in's sentence on a user that it knows.
const NO_PERMISSION: &str = "no permissions for";

/// Why nothing can be written yet.
enum Unready {
    Retry(String),
    /// Somebody has to act.
    Paused(Reason),
}

/// An answer before the first document.
struct Told {
    status: u16,
    json: Json,
    /// What is wrong, where something is.
    error: String,
}

/// What is asked of the indices.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Whether documents have ids of ours.
    pub ids: bool,
    /// `None` puts no templates.
    pub templates: Option<Wanted>,
}

impl OpenSearch {
    /// # Errors
    /// The settings are wrong. Whether the cluster answers shows later.
    pub fn open(settings: &Settings, limits: Limits, setup: Setup) -> Result<OpenSearch, Error> {
        let client = Client::new(settings).map_err(|error| Error::Fatal(error.to_string()))?;
        Ok(OpenSearch::over(client, limits, setup))
    }

    /// The cluster that a client speaks with.
    pub fn over(client: Client, limits: Limits, setup: Setup) -> OpenSearch {
        let overwriter = Writer::new(client.clone(), Limits { operation: Operation::Index, ..limits });
        let settings = Box::new(setup);
        OpenSearch { writer: Writer::new(client, limits), overwriter, settings, prepared: Mutex::default() }
    }

    /// Before the first document: who answers, and the templates that are not there yet. One that is there stays. Answers
    /// those that could not be put for a reason that may pass.
    async fn make_ready(&self) -> Result<Vec<Template>, Unready> {
        self.check_version().await?;
        let Some(wanted) = &self.settings.templates else { return Ok(Vec::new()) };
        let health = self.told(Method::GET, "/_cluster/health", None).await?.json;
        let nodes = health.get("number_of_data_nodes").and_then(Json::as_u64).unwrap_or(1);
        let templates = wanted.templates(wanted.shape(nodes));
        if templates.is_empty() {
            tracing::warn!(
                "index names begin with a placeholder, so no index templates are put: they would be of all indices"
            );
        }
        self.put_templates(templates, true).await
    }

    /// What cannot be put is said the first time only; documents do not wait for it.
    async fn put_templates(&self, templates: Vec<Template>, is_first: bool) -> Result<Vec<Template>, Unready> {
        let mut left = Vec::new();
        for template in templates {
            let Some(refused) = self.put_or_tell(&template).await? else { continue };
            if is_first {
                tracing::warn!(template = template.name, problem = refused.error, "the template cannot be put");
            }
            // The server knows no such request, or another template stands against it.
            if !matches!(refused.status, 400 | 405) {
                left.push(template);
            }
        }
        Ok(left)
    }

    /// Says so where indices get another template than ours. Whether the server tells changes nothing for documents.
    async fn tell_if_overruled(&self, template: &Template) {
        let told = self.told(Method::POST, &overruled::question(&template.body), None).await;
        if told.is_ok_and(|told| overruled::is_overruled(&template.name, &told.json)) {
            tracing::warn!(template = template.name, "indices do not get Hydrant's template: {}", overruled::SENTENCE);
        }
    }

    /// Answers why the template could not be looked at or put.
    async fn put_or_tell(&self, template: &Template) -> Result<Option<Told>, Unready> {
        let path = format!("/_index_template/{}", names(std::slice::from_ref(&template.name)));
        let found = self.told(Method::GET, &path, None).await?;
        let standing = match found.status {
            200..300 => template.standing(&found.json),
            404 => Standing::Absent,
            _ => return Ok(Some(found)),
        };
        let template_name = template.name.as_str();
        match standing {
            Standing::Absent => {
                let put = self.told(Method::PUT, &path, Some(&template.body)).await?;
                if !(200..300).contains(&put.status) {
                    return Ok(Some(put));
                }
                tracing::info!(template = template_name, "put an index template");
                self.tell_if_overruled(template).await;
            }
            Standing::Current => self.tell_if_overruled(template).await,
            Standing::Outdated { version } => tracing::warn!(
                template = template_name,
                version,
                "the index template differs from Hydrant's present one and stays as it is; `hydrant setup opensearch` replaces it"
            ),
            Standing::Newer { .. } | Standing::Changed | Standing::Foreign => {
                let why = standing.why_left().unwrap_or_default();
                tracing::warn!(
                    template = template_name,
                    why,
                    "the index template differs from Hydrant's and stays as it is"
                );
            }
        }
        Ok(None)
    }

    fn actions<'a>(&self, documents: &'a [Addressed]) -> Vec<Action<'a>> {
        let action = |Addressed { index_name, document }: &'a Addressed| Action {
            index: index_name,
            id: self.settings.ids.then(|| document.id.as_str()),
            source: &document.source,
        };
        documents.iter().map(action).collect()
    }

    /// Why documents have to wait until somebody acts, if they have to. May be dropped at any `.await`.
    async fn unready(&self) -> Result<Option<Reason>, Error> {
        let mut prepared = self.prepared.lock().await;
        match &*prepared {
            Prepared::Not => match self.make_ready().await {
                Ok(left) => *prepared = Prepared::without(left),
                Err(Unready::Retry(problem)) => return Err(Error::Retry(problem)),
                Err(Unready::Paused(reason)) => return Ok(Some(reason)),
            },
            Prepared::Without { templates, since } if since.elapsed() >= TEMPLATES_AGAIN => {
                let templates = templates.clone();
                // Whoever does not answer here says so to the documents.
                let left = self.put_templates(templates.clone(), false).await.unwrap_or(templates);
                *prepared = Prepared::without(left);
            }
            Prepared::Without { .. } | Prepared::Whole => {}
        }
        Ok(None)
    }

    async fn check_version(&self) -> Result<(), Unready> {
        let told = self.told(Method::GET, "/", None).await?;
        let Some(server) = Server::from_answer(&told.json) else {
            tracing::warn!("the cluster does not say which version it is");
            return Ok(());
        };
        let Server { distribution, number } = &server;
        match server.support() {
            Support::Tested => tracing::info!(distribution, version = number, "the index is a cluster"),
            Support::Untested => tracing::warn!(
                distribution,
                version = number,
                "this server is supported where it answers as OpenSearch 2.19 does; it was not tested"
            ),
            Support::Unknown(sentence) => tracing::warn!("{sentence}"),
            Support::Refused(sentence) => return Err(Unready::Paused(Reason::new(TOO_OLD, sentence))),
        }
        Ok(())
    }

    /// What the server says before the first document. Where nobody is let in, delivery has to wait; a right that is
    /// missing for one question only is no reason to.
    async fn told(&self, method: Method, path: &str, body: Option<&Json>) -> Result<Told, Unready> {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let answer = match self.writer.client().send(method, path, "application/json", body).await {
            Ok(answer) => answer,
            Err(error @ ClientError::SignIn(_)) => {
                return Err(Unready::Paused(Reason::new(SIGN_IN, error.to_string())));
            }
            Err(error @ (ClientError::NoAnswer { .. } | ClientError::Settings(_))) => {
                return Err(Unready::Retry(error.to_string()));
            }
        };
        let ErrorInfo { kind, reason } = error_of(&answer.body);
        let status = answer.status;
        let error = if reason.is_empty() { format!("OpenSearch answers with HTTP status {status}") } else { reason };
        match status {
            401 | 403 if !error.starts_with(NO_PERMISSION) => {
                let code = if kind.is_empty() { SIGN_IN.to_owned() } else { kind };
                Err(Unready::Paused(Reason::new(code, error)))
            }
            429 | 500.. => Err(Unready::Retry(error)),
            _ => Ok(Told { status, json: serde_json::from_slice(&answer.body).unwrap_or_default(), error }),
        }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Json>) -> Result<Answer, Error> {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let sent = self.writer.client().send(method, path, "application/json", body).await;
        let answer = sent.map_err(|error| Error::Retry(error.to_string()))?;
        match answer.status {
            200..300 | 404 => Ok(answer),
            400 | 403 => Err(refused(&answer)),
            status => Err(Error::Retry(format!("OpenSearch answers with HTTP status {status}"))),
        }
    }
}

/// Whether a document was not taken because a data stream takes no other operation than `create`.
fn is_of_data_stream(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Paused(reason) => reason.message.contains("only write ops with an op_type of create"),
        Outcome::Indexed | Outcome::Duplicate | Outcome::Retry(_) | Outcome::Rejected(_) => false,
    }
}

/// Types of errors that the program knows beside OpenSearch's own.
const CODES: [&str; 4] =
    ["illegal_argument_exception", "parsing_exception", "search_phase_execution_exception", "query_shard_exception"];

fn refused(answer: &Answer) -> Error {
    let told: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |error: &Json, name: &str| error.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let error = told.get("error").cloned().unwrap_or_default();
    let cause = error.get("root_cause").and_then(|causes| causes.get(0)).unwrap_or(&error);
    let kind = text(&error, "type");
    let code = CODES.into_iter().find(|code| *code == kind).unwrap_or("illegal_argument_exception");
    // What stands before a cluster has no causes, and may say nothing at all.
    let said = [text(cause, "reason"), error_of(&answer.body).reason];
    let status = || format!("OpenSearch answers with HTTP status {}", answer.status);
    let message = said.into_iter().find(|said| !said.is_empty()).unwrap_or_else(status);
    Error::BadRequest { code, message }
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
    fn prepare(&self) -> BoxFuture<'_, Result<Option<Reason>, Error>> {
        Box::pin(self.unready())
    }

    fn write<'a>(&'a self, documents: &'a [Addressed]) -> BoxFuture<'a, Result<Vec<Outcome>, Error>> {
        Box::pin(async move {
            if let Some(reason) = self.unready().await? {
                return Ok(vec![Outcome::Paused(reason); documents.len()]);
            }
            Ok(self.writer.write(&self.actions(documents)).await)
        })
    }

    fn overwrite<'a>(&'a self, documents: &'a [Addressed]) -> BoxFuture<'a, Result<Vec<Outcome>, Error>> {
        Box::pin(async move {
            if let Some(reason) = self.unready().await? {
                return Ok(vec![Outcome::Paused(reason); documents.len()]);
            }
            let actions = self.actions(documents);
            let mut outcomes = self.overwriter.write(&actions).await;
            // What was there has given way.
            outcomes
                .iter_mut()
                .filter(|outcome| **outcome == Outcome::Duplicate)
                .for_each(|outcome| *outcome = Outcome::Indexed);
            let of_streams = outcomes.iter().zip(actions).filter(|(outcome, _)| is_of_data_stream(outcome));
            let of_streams: Vec<Action<'_>> = of_streams.map(|(_, action)| action).collect();
            if !of_streams.is_empty() {
                let mut told = self.writer.write(&of_streams).await.into_iter();
                for outcome in outcomes.iter_mut().filter(|outcome| is_of_data_stream(outcome)) {
                    *outcome = told.next().unwrap_or_else(|| outcome.clone());
                }
            }
            Ok(outcomes)
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

    fn scan(&self, scan: Scan) -> BoxStream<'_, Result<Vec<Scanned>, Error>> {
        scan::scan(self, scan)
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

#[cfg(test)]
mod tests;
