//! What the log and `/health` tell of a cluster: its words without the documents that it quotes, what is wrong before one
//! comes, and what is wrong now. A double stands for the server, since no real one says these things at will.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use serde_json::{Value, json};

use crate::operate::command;
use crate::program::{PATIENCE, until};

const SECRET: &str = "payload-of-mine";

/// Answers a `_bulk` request by its body.
type Bulk = fn(&str) -> (u16, Value);

struct World {
    bulk: Bulk,
    version: &'static str,
    /// Method and path of each request.
    asked: Vec<String>,
}

struct Double {
    url: String,
    world: Arc<Mutex<World>>,
}

impl Double {
    async fn start() -> Double {
        let world = Arc::new(Mutex::new(World { bulk: takes_all, version: "2.19.1", asked: Vec::new() }));
        let router = Router::new().fallback(answer).with_state(world.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        #[expect(clippy::disallowed_methods, reason = "it lives as long as the test")]
        drop(tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }));
        Double { url, world }
    }

    fn answers(&self, bulk: Bulk) {
        self.world.lock().unwrap().bulk = bulk;
    }

    fn asked(&self) -> Vec<String> {
        self.world.lock().unwrap().asked.clone()
    }
}

async fn answer(
    State(world): State<Arc<Mutex<World>>>,
    method: Method,
    uri: Uri,
    body: String,
) -> (StatusCode, String) {
    let mut world = world.lock().unwrap();
    world.asked.push(format!("{method} {}", uri.path()));
    let (status, told) = match (method.as_str(), uri.path()) {
        ("GET", "/") => (200, json!({"version": {"distribution": "opensearch", "number": world.version}})),
        ("GET", "/_cluster/health") => (200, json!({"number_of_data_nodes": 1})),
        ("GET", _) => (404, json!({})),
        ("PUT", _) => (200, json!({"acknowledged": true})),
        ("POST", "/_bulk") => (world.bulk)(&body),
        _ => (400, json!({})),
    };
    (StatusCode::from_u16(status).unwrap(), told.to_string())
}

fn takes_all(body: &str) -> (u16, Value) {
    let items = vec![json!({"create": {"status": 201}}); body.lines().count() / 2];
    (200, json!({"errors": false, "items": items}))
}

/// The request for one document as OpenSearch writes it out.
fn request(body: &str) -> String {
    let source = body.lines().nth(1).unwrap();
    assert!(source.contains(SECRET), "{source}");
    format!("BulkShardRequest [[ix][0]] containing [index {{[ix][id], source[{source}]}}]")
}

fn has_no_shard(body: &str) -> (u16, Value) {
    let reason = format!("[ix][0] primary shard is not active Timeout: [1m], request: [{}]", request(body));
    (503, json!({"error": {"type": "unavailable_shards_exception", "reason": reason}, "status": 503}))
}

fn is_full(body: &str) -> (u16, Value) {
    let reason = format!("rejected execution of processing of [7]: request: {}, primary term: 1", request(body));
    let error = json!({"type": "rejected_execution_exception", "reason": reason});
    (
        200,
        json!({"errors": true, "items": vec![json!({"create": {"status": 429, "error": error}}); body.lines().count() / 2]}),
    )
}

fn lets_nobody_in(_: &str) -> (u16, Value) {
    (401, json!("Unauthorized"))
}

/// The program before a double, with one file.
struct Running {
    folder: tempfile::TempDir,
    child: Child,
    page: String,
}

impl Running {
    fn start(endpoint: &str, log: &str) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a.log"), log).unwrap();
        let text = format!("[index]\nengine = \"opensearch\"\nendpoint = {endpoint:?}\n[log]\nlevel = \"debug\"\n");
        fs::write(path("hydrant.toml"), text).unwrap();
        let mut run = command();
        run.args(["run", "--json", "--rest", "127.0.0.1:0", "--page", "127.0.0.1:0", "--data"]).arg(path("data"));
        run.arg("--tail").arg(path("a.log")).arg("--config").arg(path("hydrant.toml"));
        let (out, errors) = (path("out"), fs::File::create(path("errors")).unwrap());
        let child = run.stdout(fs::File::create(&out).unwrap()).stderr(errors).spawn().unwrap();
        let started = until("the addresses", || {
            let text = fs::read_to_string(&out).unwrap();
            serde_json::from_str::<Value>(text.lines().next()?).ok()
        });
        Running { folder, child, page: started["page"].as_str().unwrap().to_owned() }
    }

    fn health(&self) -> (u16, String) {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).build().into();
        let mut answer = agent.get(format!("{}/health", self.page)).call().unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        assert!(!text.contains(SECRET), "{text}");
        (answer.status().as_u16(), text)
    }

    fn says(&self, what: &str) {
        until(what, || self.health().1.contains(what).then_some(()));
    }

    fn is_healthy(&self) {
        until("the end of all problems", || (self.health().0 == 200).then_some(()));
    }

    /// Ends it; what the log holds.
    fn stop(mut self) -> String {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success() && self.child.wait().unwrap().success());
        let errors: PathBuf = self.folder.path().join("errors");
        fs::read_to_string(errors).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reason_is_told_as_it_is_now_and_without_the_document_that_it_quotes() {
    let double = Double::start().await;
    double.answers(has_no_shard);
    let line = format!("2026-11-23T10:00:00.000000Z\t    9 Query\tSELECT '{SECRET}'\n");
    let running = Running::start(&double.url, &line);
    running.says("unavailable_shards_exception: [ix][0] primary shard is not active Timeout: [1m] …");
    double.answers(is_full);
    running.says("rejected_execution_exception: rejected execution of processing of [7] …");
    double.answers(lets_nobody_in);
    running.says("OpenSearch answers with HTTP status 401");
    double.answers(takes_all);
    running.is_healthy();
    let log = running.stop();
    assert!(log.contains("primary shard is not active"), "{log}");
    assert!(!log.contains(SECRET), "{log}");
    // Nothing is polled: a cluster with thousands of indices would answer megabytes.
    let asked = double.asked();
    assert!(asked.contains(&"POST /_bulk".to_owned()), "{asked:?}");
    assert!(!asked.iter().any(|path| path.contains("_cat") || path.contains("_mapping")), "{asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_looked_at_and_gets_its_templates_at_the_start_without_a_document() {
    let double = Double::start().await;
    double.world.lock().unwrap().version = "1.2.4";
    let running = Running::start(&double.url, "");
    running.says("opensearch 1.2.4 is too old");
    assert!(!double.asked().iter().any(|path| path.starts_with("PUT ")), "{:?}", double.asked());
    double.world.lock().unwrap().version = "2.19.1";
    running.is_healthy();
    let asked = double.asked();
    assert!(asked.contains(&"PUT /_index_template/hydrant-general".to_owned()), "{asked:?}");
    assert!(!asked.contains(&"POST /_bulk".to_owned()), "{asked:?}");
    running.stop();
}

/// Nobody answers: the program runs, and says so.
#[test]
fn a_cluster_that_is_away_at_the_start_is_said_without_a_document() {
    let running = Running::start("http://127.0.0.1:1", "");
    running.says("cannot prepare the index: http://127.0.0.1:1 gives no answer");
    running.stop();
}
