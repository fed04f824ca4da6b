//! The model of an OpenSearch cluster, as the real writer meets it: requests in, answers out, over the model index.
//!
//! It answers `GET /` and `POST /_bulk` by what facts are measured of OpenSearch 2.19: 413 without a body at a limit that
//! moves, 429 for a busy queue and for a body that can never be admitted, 401 and 403 for a while, items that are refused
//! for what they hold, for a moment, or until somebody acts. A body may arrive cut at a line's end, an answer may be lost
//! or cut, a request without an answer may be carried out later, and the server may be killed in the middle of one.
//! Everything else is 404.

use std::io::Read as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use flate2::read::GzDecoder;
use futures_util::FutureExt;
use hydrant::index::Addressed;
use hydrant_opensearch::client::Answer;
use hydrant_opensearch::{Carry, Client, Request, Settings};
use hydrant_transform::document::{Document, Outcome};
use hydrant_transform::entry::Format;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::World;
use super::index::Index;

/// No body that is larger is ever taken, and no limit is lower than the second: what one document alone becomes is
/// known.
pub(crate) const LIMIT_BYTES_MAX: u64 = 12_000;

const LIMIT_BYTES_MIN: u64 = 2_000;

/// How long the client waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What an item of these documents is answered, whatever the server's state.
const SPOILS: &str = "spoil";

/// What the cluster says of an item that it takes later: status, type and reason.
const BUSY: [(u16, &str, &str); 4] = [
    (429, "rejected_execution_exception", "rejected execution of primary operation, queued tasks = 4"),
    (503, "unavailable_shards_exception", "[n][0] primary shard is not active"),
    (500, "node_closed_exception", "node closed"),
    (409, "illegal_state_exception", "another operation is in progress"),
];

/// The same of one that waits for somebody to act.
const BLOCKED: [(u16, &str, &str); 6] = [
    (429, "cluster_block_exception", "index [n] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage];"),
    (403, "cluster_block_exception", "index [n] blocked by: [FORBIDDEN/8/index write (api)];"),
    (403, "security_exception", "no permissions for [indices:data/write/bulk]"),
    (404, "index_not_found_exception", "no such index [n] and [action.auto_create_index] is [false]"),
    (400, "index_closed_exception", "closed"),
    (400, "validation_exception", "Validation Failed: 1: this action would add [2] total shards;"),
];

pub(crate) struct Cluster {
    world: Arc<World>,
    index: Arc<Index>,
    state: Mutex<State>,
}

struct State {
    limit_bytes: u64,
    /// Until when everybody is refused, and how.
    refuses: Option<(Instant, u16)>,
    /// What clients do not wait for any more.
    late: Vec<Vec<Addressed>>,
    /// Grows with every restart, which breaks all connections.
    boot: u64,
}

/// What the server has read of a request. Whoever gives up waiting for the answer leaves it behind.
struct Taken<'c> {
    cluster: &'c Cluster,
    documents: Vec<Addressed>,
    boot: u64,
}

impl Cluster {
    pub(crate) fn new(world: Arc<World>, index: Arc<Index>) -> Arc<Cluster> {
        let state = State { limit_bytes: LIMIT_BYTES_MAX, refuses: None, late: Vec::new(), boot: 0 };
        Arc::new(Cluster { world, index, state: Mutex::new(state) })
    }

    /// A client whose requests end here, over what lies between.
    pub(crate) fn client(self: &Arc<Self>, gzip: bool, between: impl FnOnce(Carry) -> Carry) -> Client {
        let endpoints = vec!["http://model-1:9200".into(), "http://model-2:9200".into()];
        let settings = Settings { endpoints, gzip, ..Settings::default() };
        let cluster = Arc::clone(self);
        let carry = move |request| {
            let cluster = Arc::clone(&cluster);
            async move { cluster.answer(request).await }.boxed()
        };
        Client::carried(&settings, between(Box::new(carry))).unwrap()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Kills the server and starts it again: what it had not acknowledged it may have forgotten.
    pub(crate) fn restart(&self) {
        self.world.note("cluster restarts");
        self.lock().boot += 1;
        self.lock().late.clear();
        self.index.crash();
    }

    /// Carries out what nobody waits for any more.
    pub(crate) fn carry_out_late(&self) {
        let late = std::mem::take(&mut self.lock().late);
        for documents in late {
            self.world.note(format!("{} documents come late", documents.len()));
            documents.iter().for_each(|addressed| drop(self.index.store(addressed, false)));
            self.index.sync(&documents);
        }
    }

    /// One request, to its answer or to what the client takes for none.
    async fn answer(&self, request: Request) -> Result<Answer, String> {
        let faults = self.world.faults();
        self.world.step().await;
        if self.world.chance(faults.restart) {
            self.restart();
            return Err("connection refused".into());
        }
        if self.world.chance(500) {
            self.carry_out_late();
        }
        if let Some(answer) = self.refused().or_else(|| self.unavailable()) {
            return answer;
        }
        match request.url().path() {
            "/" => Ok(ok(&json!({"version": {"number": "2.19.1", "distribution": "opensearch"}}))),
            "/_bulk" => {
                let body = body(&request);
                match self.too_large(body.len() as u64) {
                    Some(answer) => Ok(answer),
                    None => self.bulk(body).await,
                }
            }
            _ => Ok(error(404, "resource_not_found_exception", "no handler")),
        }
    }

    /// Rights that are gone, or a cluster that takes nothing, for a while.
    fn refused(&self) -> Option<Result<Answer, String>> {
        let mut state = self.lock();
        let now = Instant::now();
        if state.refuses.is_some_and(|(until, _)| until <= now) {
            self.world.note("sign-in works again");
            state.refuses = None;
        }
        if state.refuses.is_none() && self.world.chance(self.world.faults().auth) {
            let status = [401, 403, 403][usize::try_from(self.world.below(3)).unwrap()];
            state.refuses = Some((now + Duration::from_millis(self.world.below(20_000)), status));
            self.world.note(format!("sign-in refused with {status}"));
        }
        let (_, status) = state.refuses.filter(|_| self.world.faults().auth > 0)?;
        let block = "blocked by: [FORBIDDEN/13/cluster read-only / allow delete (api)];";
        Some(Ok(match status {
            401 => Answer { status, body: b"Unauthorized".to_vec() },
            _ if self.world.chance(500) => error(status, "cluster_block_exception", block),
            _ => error(status, "security_exception", "no permissions for [indices:data/write/bulk]"),
        }))
    }

    fn unavailable(&self) -> Option<Result<Answer, String>> {
        if !self.world.chance(self.world.faults().unavailable) {
            return None;
        }
        self.world.note("cluster unavailable");
        Some(match self.world.below(5) {
            0 => Err("connection refused".into()),
            1 => Ok(Answer { status: 502, body: b"<html>bad gateway</html>".to_vec() }),
            2 => Ok(Answer { status: 503, body: Vec::new() }),
            3 => Ok(Answer { status: 504, body: Vec::new() }),
            _ => {
                let reason = "rejected execution of coordinating operation [coordinating_operation_bytes=100, \
                              max_coordinating_and_primary_bytes=3145728]";
                Ok(error(429, "rejected_execution_exception", reason))
            }
        })
    }

    fn too_large(&self, bytes: u64) -> Option<Answer> {
        let mut state = self.lock();
        if self.world.chance(self.world.faults().limit) {
            state.limit_bytes = LIMIT_BYTES_MIN + self.world.below(LIMIT_BYTES_MAX - LIMIT_BYTES_MIN);
            self.world.note(format!("limit moves to {}", state.limit_bytes));
        }
        let limit = state.limit_bytes;
        if bytes <= limit {
            return None;
        }
        self.world.note(format!("413: {bytes} bytes are over {limit}"));
        if self.world.chance(700) {
            return Some(Answer { status: 413, body: Vec::new() });
        }
        let reason = format!(
            "rejected execution of coordinating operation [coordinating_operation_bytes={bytes}, \
             max_coordinating_and_primary_bytes={limit}]"
        );
        Some(error(429, "rejected_execution_exception", &reason))
    }

    async fn bulk(&self, body: Vec<u8>) -> Result<Answer, String> {
        let faults = self.world.faults();
        let mut documents = documents(&body);
        if documents.iter().any(|(_, addressed)| has_field(addressed, SPOILS)) {
            let reason = "Malformed action/metadata line [1], expected START_OBJECT";
            return Ok(error(400, "illegal_argument_exception", reason));
        }
        if self.world.chance(faults.cut) && documents.len() > 1 {
            let kept = 1 + usize::try_from(self.world.below(documents.len() as u64 - 1)).unwrap();
            documents.truncate(kept);
            self.world.note(format!("a body arrives cut to {kept} documents"));
        }
        let boot = self.lock().boot;
        let (operations, documents) = documents.into_iter().unzip::<_, _, Vec<String>, Vec<Addressed>>();
        let mut taken = Taken { cluster: self, documents, boot };
        if self.world.chance(faults.late) {
            self.world.note("no answer in time");
            tokio::time::sleep(TIMEOUT).await;
            return Err("operation timed out".into());
        }
        let mut items = Vec::new();
        for (document_idx, (addressed, operation)) in taken.documents.iter().zip(&operations).enumerate() {
            if document_idx % 8 == 7 {
                self.world.step().await;
                taken.alive()?;
            }
            items.push(json!({operation: self.item(addressed)}));
        }
        self.world.step().await;
        taken.alive()?;
        self.index.sync(&taken.documents);
        taken.documents.clear();
        if self.world.chance(faults.lost_reply) {
            self.world.note("cluster reply lost");
            return Err("connection closed before the answer".into());
        }
        let mut answer = ok(&json!({"errors": true, "items": items}));
        if self.world.chance(faults.cut) {
            self.world.note("an answer arrives cut");
            answer.body.truncate(answer.body.len() / 2);
        }
        Ok(answer)
    }

    /// The answer to one action.
    fn item(&self, addressed: &Addressed) -> Value {
        let faults = self.world.faults();
        let one_of = |all: &[(u16, &str, &str)]| {
            let (status, kind, reason) = all[usize::try_from(self.world.below(all.len() as u64)).unwrap()];
            self.world.note(format!("item {status} {kind}"));
            problem(status, kind, reason)
        };
        if self.world.chance(faults.item_retry) {
            return one_of(&BUSY);
        }
        if self.world.chance(faults.item_pause) {
            return one_of(&BLOCKED);
        }
        match self.index.store(addressed, false) {
            Outcome::Indexed => json!({"status": 201}),
            Outcome::Duplicate => {
                problem(409, "version_conflict_engine_exception", "version conflict, document already exists")
            }
            Outcome::Rejected(reason) => problem(400, &reason.code, &reason.message),
            Outcome::Retry(_) | Outcome::Paused(_) => unreachable!("the model index has no fault of its own here"),
        }
    }
}

impl Taken<'_> {
    fn alive(&self) -> Result<(), String> {
        let lives = self.cluster.lock().boot == self.boot;
        if lives { Ok(()) } else { Err("connection reset by peer".into()) }
    }
}

impl Drop for Taken<'_> {
    /// The server may go on with what it has read, though nobody waits.
    fn drop(&mut self) {
        let documents = std::mem::take(&mut self.documents);
        if !documents.is_empty() && self.alive().is_ok() && self.cluster.world.chance(500) {
            self.cluster.lock().late.push(documents);
        }
    }
}

fn ok(body: &Value) -> Answer {
    Answer { status: 200, body: body.to_string().into_bytes() }
}

fn error(status: u16, kind: &str, reason: &str) -> Answer {
    let body = json!({"error": {"type": kind, "reason": reason}, "status": status});
    Answer { status, body: body.to_string().into_bytes() }
}

fn problem(status: u16, kind: &str, reason: &str) -> Value {
    json!({"status": status, "error": {"type": kind, "reason": reason}})
}

/// The body of a request, inflated.
pub(crate) fn body(request: &Request) -> Vec<u8> {
    let sent = request.body().and_then(|body| body.as_bytes()).unwrap_or_default();
    if request.headers().get("content-encoding").is_none() {
        return sent.to_vec();
    }
    let mut inflated = Vec::new();
    GzDecoder::new(sent).read_to_end(&mut inflated).unwrap();
    inflated
}

/// The actions of a body: the operation, and the document with its index.
fn documents(body: &[u8]) -> Vec<(String, Addressed)> {
    assert!(body.ends_with(b"\n"), "a body ends with a newline");
    let lines: Vec<&[u8]> = body[..body.len() - 1].split(|byte| *byte == b'\n').collect();
    let document = |pair: &[&[u8]]| {
        let action: Value = serde_json::from_slice(pair[0]).unwrap();
        let (operation, about) = action.as_object().unwrap().iter().next().unwrap();
        let document = Document {
            id: about["_id"].as_str().unwrap().to_owned().into(),
            format: Format::Text,
            timestamp_ms: 0,
            ordinal: 0,
            source: pair[1].to_vec(),
            event_idx: 0,
        };
        (operation.clone(), Addressed { index_name: about["_index"].as_str().unwrap().to_owned(), document })
    };
    lines.chunks(2).map(document).collect()
}

fn has_field(addressed: &Addressed, field: &str) -> bool {
    serde_json::from_slice::<Value>(&addressed.document.source).is_ok_and(|source| source.get(field).is_some())
}
