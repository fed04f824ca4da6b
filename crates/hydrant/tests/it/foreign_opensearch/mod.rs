//! The program between a log and a real OpenSearch: everything is in the cluster once, whatever happens to either.

mod blocks;

mod busy;

mod chain;

mod documents;

mod network;

mod proxy;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hydrant::index::analyzer::tokens;
use hydrant::index::opensearch::template::{Shape, templates};
use hydrant_opensearch::Method;
use hydrant_transform::document::Profile;
use serde_json::{Value, json};

use crate::program::{BINARY, PATIENCE, Program};
use crate::server::Server;

/// Ids that are asked for at a time.
const IDS_MAX: usize = 10_000;

/// Entries of two days, so that they go to two indices.
fn log(entries: std::ops::Range<usize>) -> String {
    let mut text = String::new();
    for number in entries {
        let day = 23 + number % 2;
        writeln!(text, "2021-07-{day}T05:45:52.{number:06}Z\t  199 Query\tSELECT a FROM t WHERE b = {number}").unwrap();
    }
    text
}

/// The ids that `transform` prints.
fn ids(log: &Path) -> Vec<String> {
    let output = Command::new(BINARY).args(["transform", "--to", "bulk"]).arg(log).output().unwrap();
    assert!(output.status.success());
    let actions = output.stdout.split(|byte| *byte == b'\n').step_by(2).filter(|line| !line.is_empty());
    let id = |line: &[u8]| serde_json::from_slice::<Value>(line).unwrap()["create"]["_id"].as_str().unwrap().to_owned();
    actions.map(id).collect()
}

/// How many of these are in the cluster, and how many documents there are at all.
async fn found(server: &Server, ids: &[String]) -> (u64, u64) {
    let mut found = 0;
    for ids in ids.chunks(IDS_MAX) {
        let body = json!({"query": {"ids": {"values": ids}}});
        found += server.ask(Method::POST, "/hydrant-*/_count", body).await.1["count"].as_u64().unwrap();
    }
    (found, server.count("hydrant-*").await)
}

fn page(program: &Program, path: &str) -> String {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).http_status_as_error(false).build().into();
    agent.get(format!("{}/{path}", program.page)).call().unwrap().body_mut().read_to_string().unwrap()
}

/// Between two looks at a condition, so that what is waited for has the processor.
const LOOK: Duration = Duration::from_millis(20);

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let start = tokio::time::Instant::now();
    while !condition().await {
        assert!(start.elapsed() < 3 * PATIENCE, "waited in vain for {what}");
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test]
async fn all_is_there_once_after_blocks_and_crashes_of_both() {
    const ENTRIES: usize = 40_000;
    let server = Server::start("").await;
    let folder = tempfile::tempdir().unwrap();
    let (log_file, config) = (folder.path().join("general.log"), folder.path().join("hydrant.toml"));
    std::fs::write(
        &config,
        format!("[index]\nengine = \"opensearch\"\nendpoint = {:?}\nbody_size = \"256KiB\"\n", server.url),
    )
    .unwrap();
    std::fs::write(&log_file, log(0..ENTRIES / 2)).unwrap();
    let data = folder.path().join("data");
    let arguments = ["--config", config.to_str().unwrap(), "--tail", log_file.to_str().unwrap()];
    let start = || Program::run(&data, &arguments);

    // A block pauses delivery, which says so with the server's own reason, and goes on by itself.
    server.put("/hydrant-general-2021-07-24", json!({"settings": {"index.blocks.write": true}})).await;
    let program = start();
    until("the pause", async || page(&program, "health").contains("FORBIDDEN/8/index write")).await;
    assert!(page(&program, "metrics").contains("\nhydrant_paused 1\n"));
    server.put("/hydrant-general-2021-07-24/_settings", json!({"index.blocks.write": false})).await;
    until("the first document", async || server.count("hydrant-*").await > 0).await;
    until("the end of the pause", async || page(&program, "metrics").contains("\nhydrant_paused 0\n")).await;

    // The server is killed while it is written to, and hydrant while it waits for it.
    std::fs::OpenOptions::new()
        .append(true)
        .open(&log_file)
        .unwrap()
        .write_all(log(ENTRIES / 2..ENTRIES).as_bytes())
        .unwrap();
    server.kill();
    until("the outage", async || page(&program, "health").contains("gives no answer")).await;
    program.kill();
    let program = start();
    server.restart().await;
    let ids = ids(&log_file);
    assert_eq!(ids.len(), ENTRIES);
    for _ in 0..3 {
        let before = server.count("hydrant-*").await;
        until("more documents", async || {
            let now = server.count("hydrant-*").await;
            now > before || now == ENTRIES as u64
        })
        .await;
    }
    program.kill();
    let program = start();
    until("all documents", async || server.count("hydrant-*").await >= ENTRIES as u64).await;
    assert_eq!(found(&server, &ids).await, (ENTRIES as u64, ENTRIES as u64));
    let summary = program.stop();
    assert_eq!(summary["failed"], 0, "{summary}");
}

/// The page and the API search through the cluster.
#[tokio::test]
async fn the_page_and_the_api_show_what_is_in_the_cluster() {
    let server = Server::start("").await;
    let folder = tempfile::tempdir().unwrap();
    let (log_file, config) = (folder.path().join("general.log"), folder.path().join("hydrant.toml"));
    std::fs::write(&config, format!("[index]\nengine = \"opensearch\"\nendpoint = {:?}\n", server.url)).unwrap();
    std::fs::write(&log_file, log(0..100)).unwrap();
    let data = folder.path().join("data");
    let program = Program::run(&data, &["--config", config.to_str().unwrap(), "--tail", log_file.to_str().unwrap()]);
    until("all documents", async || server.count("hydrant-*").await >= 100).await;
    let body = json!({
        "query": {"bool": {"must": [{"match_phrase": {"Statement": "WHERE b = 7"}}], "filter": [{"range": {"PID": {"gte": 199}}}]}},
        "sort": [{"@timestamp": "desc"}],
        "aggs": {"days": {"date_histogram": {"field": "@timestamp", "calendar_interval": "day"}},
            "performs": {"terms": {"field": "Perform"}}},
        "track_total_hits": true,
    });
    let ours = program.search("hydrant-*/_search", &body);
    let theirs = server.ask(Method::POST, "/hydrant-*/_search", body).await.1;
    assert_eq!(ours["hits"]["total"], json!({"value": 1, "relation": "eq"}));
    for place in ["/hits/total", "/hits/hits/0/_source", "/hits/hits/0/_id", "/hits/hits/0/sort", "/aggregations"] {
        assert_eq!(ours.pointer(place), theirs.pointer(place), "{place}");
    }
    assert!(page(&program, "?q=Statement:b").contains("100 entries"));
    program.stop();
    // The templates are there, one for each format, and a new index has its own.
    let general = server.ask(Method::GET, "/_index_template/hydrant-general", Value::Null).await.1;
    assert_eq!(general.pointer("/index_templates/0/index_template/_meta/made_by"), Some(&json!("hydrant")));
    let (_, mapping) = server.ask(Method::GET, "/hydrant-general-2021-07-23/_mapping", Value::Null).await;
    let field = "/hydrant-general-2021-07-23/mappings/properties/Statement/analyzer";
    assert_eq!(mapping.pointer(field), Some(&json!("hydrant")));
}

/// The rule of the embedded engine's analyzer is that of the template.
#[tokio::test]
async fn the_analyzer_of_the_template_gives_the_tokens_of_the_embedded_engine() {
    let server = Server::start_with("", &[]).await;
    let shape = Shape { shards: 1, replicas: 0 };
    for template in templates("hydrant-{format}", Profile::Classic, shape) {
        server.put(&format!("/_index_template/{}", template.name), template.body).await;
    }
    server.put("/hydrant-general-2026-11-23", json!({})).await;
    for text in [
        "SELECT * FROM information_schema.tables WHERE `app_db`.`t` = 'O''Brien-7' AND x_y = 3.14",
        "INSERT INTO \"A\".\"B_c\" VALUES (0x1f, 'caf\u{e9} 数据库 テスト かな 한국어 \u{1F600}')",
        "__ _a_ a__b ..x. e\u{301} \u{3005} KELVIN\u{212a} \u{130}",
        "SELECT\n\t1--2/*c*/@v:=5",
    ] {
        assert_same_tokens(&server, text).await;
    }
    // A megabyte of one kind takes neither the stack nor the time of the thread that indexes it: base64 and hex literals
    // are such, and one that ends a thread ends the node.
    for kind in "a|_|a_|_a|a.|a._|._|a`.`|.|`.`|4f|\u{e9}|漢|ｶ|\u{1F600}| |a ".split('|') {
        assert_same_tokens(&server, &kind.repeat(6_000 / kind.len())).await;
        let document = json!({"Statement": kind.repeat(1_000_000 / kind.len())});
        let (status, told) = server.ask(Method::POST, "/hydrant-general-2026-11-23/_doc", document).await;
        assert_eq!(status, 201, "{kind}: {told}");
    }
    // Neither is a statement of the longest kind (16 MiB) too long for what Dashboards asks.
    let document = json!({"Statement": format!("needle {}", "a ".repeat((8 << 20) - 4))});
    let (status, told) = server.ask(Method::POST, "/hydrant-general-2026-11-23/_doc?refresh=true", document).await;
    assert_eq!(status, 201, "{told}");
    let query =
        json!({"_source": false, "query": {"match": {"Statement": "needle"}}, "highlight": {"fields": {"*": {}}}});
    let (status, told) = server.ask(Method::POST, "/hydrant-general-2026-11-23/_search", query).await;
    assert_eq!((status, &told["hits"]["total"]["value"]), (200, &json!(1)), "{told}");
    let marked = told.pointer("/hits/hits/0/highlight/Statement/0").and_then(Value::as_str).unwrap_or_default();
    assert!(marked.starts_with("<em>needle</em> a"), "{told}");
}

async fn assert_same_tokens(server: &Server, text: &str) {
    let query = json!({"analyzer": "hydrant_search", "text": text});
    let (status, told) = server.ask(Method::POST, "/hydrant-general-2026-11-23/_analyze", query).await;
    assert_eq!(status, 200, "{told}");
    // Where there is none, the member is absent.
    let theirs = told["tokens"].as_array().into_iter().flatten();
    let theirs: Vec<&str> = theirs.map(|token| token["token"].as_str().unwrap()).collect();
    let ours: Vec<String> = tokens(text).into_iter().map(|token| token.text).collect();
    assert_eq!(ours, theirs, "{text}");
}
