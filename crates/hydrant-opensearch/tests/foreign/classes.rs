//! What the server says of single documents and of the cluster, and what the writer makes of it.

use std::time::Duration;

use hydrant_opensearch::bulk::{Action, Operation};
use hydrant_opensearch::{Client, Limits, Method, Settings, Writer};
use hydrant_transform::document::Outcome;
use serde_json::{Value, json};

use crate::server::Server;
use crate::writer_of;

/// `indexed`, `duplicate`, or how it was refused and with which code.
fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Indexed => "indexed".to_owned(),
        Outcome::Duplicate => "duplicate".to_owned(),
        Outcome::Retry(reason) => format!("retry {}", reason.code),
        Outcome::Paused(reason) => format!("paused {}", reason.code),
        Outcome::Rejected(reason) => format!("rejected {}", reason.code),
    }
}

async fn write(writer: &Writer, documents: &[(&str, &str, &str)]) -> Vec<String> {
    let actions: Vec<Action<'_>> =
        documents.iter().map(|(index, id, source)| Action { index, id: Some(id), source: source.as_bytes() }).collect();
    writer.write(&actions).await.iter().map(told).collect()
}

#[tokio::test]
async fn foreign_every_class_of_an_items_answer() {
    let server = Server::start("").await;
    let writer = writer_of(&server, Limits::default());
    let mapping = json!({"settings": {"number_of_shards": 1, "number_of_replicas": 0, "mapping.total_fields.limit": 4},
        "mappings": {"properties": {"n": {"type": "long"}, "k": {"type": "keyword"}, "o": {"properties": {"a": {"type": "long"}}}}}});
    server.put("/a", mapping).await;
    server.put("/strict", json!({"mappings": {"dynamic": "strict", "properties": {"n": {"type": "long"}}}})).await;
    let immense = format!(r#"{{"k":"{}"}}"#, "x".repeat(40_000));
    let long_id = "x".repeat(513);
    let documents = [
        ("a", "1", r#"{"n":1}"#),
        ("a", "1", r#"{"n":1}"#),
        ("a", "2", r#"{"n":"words"}"#),
        ("a", "3", immense.as_str()),
        ("a", "4", r#"{"o":5}"#),
        ("a", "5", r#"{"f1":1,"f2":2,"f3":3}"#),
        ("a", "6", r#"{"n":1,"n":2}"#),
        ("a", "7", r#"{"n":1"#),
        ("strict", "8", r#"{"other":1}"#),
        ("Upper", "9", "{}"),
        ("a", &long_id, "{}"),
        ("a", "", "{}"),
        ("a", "12", r#"{"n":12}"#),
    ];
    let expected = [
        "indexed",
        "duplicate",
        "rejected mapper_parsing_exception",
        "rejected illegal_argument_exception",
        "rejected mapper_parsing_exception",
        "rejected illegal_argument_exception",
        "rejected mapper_parsing_exception",
        "rejected mapper_parsing_exception",
        "rejected strict_dynamic_mapping_exception",
        "rejected invalid_index_name_exception",
        "rejected Hydrant.ActionInvalid",
        "rejected Hydrant.ActionInvalid",
        "indexed",
    ];
    assert_eq!(write(&writer, &documents).await, expected);
    assert_eq!(server.count("a").await, 2);
    // A document that is indexed again is overwritten, and counts as one that was there.
    let overwriting = writer_of(&server, Limits { operation: Operation::Index, ..Limits::default() });
    assert_eq!(write(&overwriting, &[("a", "1", r#"{"n":7}"#)]).await, ["duplicate"]);
    let (_, found) = server.ask(Method::GET, "/a/_doc/1", Value::Null).await;
    assert_eq!((&found["_source"]["n"], &found["_version"]), (&json!(7), &json!(2)));

    quotations(&server, &writer).await;
    blocks(&server, &writer).await;
    limits_of_the_cluster(&server, &writer).await;
}

/// A reason that quotes the document is not what it quotes.
async fn quotations(server: &Server, writer: &Writer) {
    for sentence in
        ["Document ID is not supported", "no write index is defined", "only write ops with an op_type of create"]
    {
        let source = json!({"n": sentence}).to_string();
        let outcomes = writer.write(&[Action { index: "a", id: Some("quoting"), source: source.as_bytes() }]).await;
        let [Outcome::Rejected(reason)] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert!(reason.message.contains(sentence), "{}", reason.message);
    }
    let (status, _) = server.ask(Method::GET, "/a/_doc/quoting", Value::Null).await;
    assert_eq!(status, 404);
}

/// Blocks, and their release.
async fn blocks(server: &Server, writer: &Writer) {
    for (number, (block, code)) in [
        ("write", "paused cluster_block_exception"),
        ("read_only", "paused cluster_block_exception"),
        ("read_only_allow_delete", "paused cluster_block_exception"),
    ]
    .into_iter()
    .enumerate()
    {
        let block_to = |on: bool| json!({"index": {format!("blocks.{block}"): on}});
        let id = format!("block-{number}");
        server.put("/a/_settings", block_to(true)).await;
        let others = [("a", id.as_str(), "{}"), ("b", id.as_str(), "{}")];
        assert_eq!(write(writer, &others).await, [code, "indexed"], "{block}");
        server.put("/a/_settings", block_to(false)).await;
        assert_eq!(write(writer, &others).await, ["indexed", "duplicate"], "{block}");
    }
    let (status, _) = server.ask(Method::POST, "/a/_close", Value::Null).await;
    assert_eq!(status, 200);
    assert_eq!(write(writer, &[("a", "closed", "{}")]).await, ["paused index_closed_exception"]);
    let (status, _) = server.ask(Method::POST, "/a/_open?wait_for_active_shards=1", Value::Null).await;
    assert_eq!(status, 200);
    assert_eq!(write(writer, &[("a", "closed", "{}")]).await, ["indexed"]);
}

async fn limits_of_the_cluster(server: &Server, writing: &Writer) {
    let set = |key: &str, value: Value| json!({"transient": {key: value}});
    for (key, value, code) in [
        ("action.auto_create_index", json!(false), "paused index_not_found_exception"),
        ("cluster.max_shards_per_node", json!(1), "paused validation_exception"),
        ("cluster.blocks.read_only_allow_delete", json!(true), "paused cluster_block_exception"),
    ] {
        server.put("/_cluster/settings", set(key, value)).await;
        let index = format!("new-{}", code.len());
        assert_eq!(write(writing, &[(&index, "1", "{}")]).await, [code], "{key}");
        server.put("/_cluster/settings", set(key, Value::Null)).await;
        assert_eq!(write(writing, &[(&index, "1", "{}")]).await, ["indexed"], "{key}");
    }
    // Aliases without a place to write, and data streams.
    let actions = json!({"actions": [{"add": {"indices": ["a", "b"], "alias": "both"}}]});
    let (status, _) = server.ask(Method::POST, "/_aliases", actions).await;
    assert_eq!(status, 200);
    assert_eq!(write(writing, &[("both", "1", "{}")]).await, ["paused illegal_argument_exception"]);
    server.put("/_index_template/ds", json!({"index_patterns": ["ds-*"], "data_stream": {}, "priority": 100})).await;
    let documents = [("ds-a", "1", r#"{"@timestamp":1}"#), ("ds-a", "1", r#"{"@timestamp":1}"#), ("ds-a", "2", "{}")];
    assert_eq!(write(writing, &documents).await, ["indexed", "duplicate", "rejected mapper_parsing_exception"]);
    let overwriting = writer_of(server, Limits { operation: Operation::Index, ..Limits::default() });
    assert_eq!(
        write(&overwriting, &[("ds-a", "3", r#"{"@timestamp":1}"#)]).await,
        ["paused illegal_argument_exception"]
    );
}

/// The server waits for a copy, and says that it has waited in vain while the client still listens.
#[tokio::test]
async fn foreign_too_few_copies_are_said_before_the_client_gives_up() {
    let server = Server::start("").await;
    let settings =
        json!({"settings": {"number_of_shards": 1, "number_of_replicas": 1, "write.wait_for_active_shards": "2"}});
    server.put("/a?wait_for_active_shards=1", settings).await;
    let timeout = Duration::from_secs(12);
    let settings = Settings { endpoints: vec![server.url.clone()], timeout, ..Settings::default() };
    let writer = Writer::new(Client::new(&settings).unwrap(), Limits::default());
    let both = [("a", "1", "{}"), ("b", "1", "{}")];
    assert_eq!(write(&writer, &both).await, ["retry unavailable_shards_exception", "indexed"]);
    assert_eq!(writer.client().down(), [""; 0]);
    server.put("/a/_settings", json!({"index": {"write.wait_for_active_shards": "1"}})).await;
    assert_eq!(write(&writer, &both).await, ["indexed", "duplicate"]);
}

/// Requests that the server refuses whatever stands in them: nothing is taken for bad, and the reason is the server's.
#[tokio::test]
async fn foreign_a_server_that_takes_no_such_requests_pauses_all_with_its_reason() {
    let server = Server::start("rest.action.multi.allow_explicit_index: false\n").await;
    let ids: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let actions: Vec<Action<'_>> = ids.iter().map(|id| Action { index: "a", id: Some(id), source: b"{}" }).collect();
    for (prefix, code, said) in [
        ("", "illegal_argument_exception", "explicit index in bulk is not allowed"),
        // 400 and 405 of a path that is not the right one.
        ("/x/y", "Hydrant.Refused", "no handler found for uri"),
        ("/_cluster/health", "Hydrant.Refused", "Incorrect HTTP method for uri"),
    ] {
        let settings = Settings { endpoints: vec![format!("{}{prefix}", server.url)], ..Settings::default() };
        let writer = Writer::new(Client::new(&settings).unwrap(), Limits::default());
        let outcomes = writer.write(&actions).await;
        assert_eq!(outcomes.len(), 100);
        for outcome in outcomes {
            let Outcome::Paused(reason) = outcome else { panic!("{outcome:?}") };
            assert_eq!(reason.code, code);
            assert!(reason.message.contains(said), "{}", reason.message);
        }
    }
    assert_eq!(server.count("a*").await, 0);
}

#[tokio::test]
async fn foreign_a_server_that_is_not_there_is_no_answer() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoints = vec![format!("http://{}", listener.local_addr().unwrap())];
    drop(listener);
    let settings = Settings { endpoints, ..Settings::default() };
    let writer = Writer::new(Client::new(&settings).unwrap(), Limits::default());
    let outcomes = write(&writer, &[("a", "1", "{}"), ("A B", "2", "[]")]).await;
    assert_eq!(outcomes, ["retry Hydrant.NoAnswer", "rejected Hydrant.ActionInvalid"]);
    assert_eq!((writer.width(), writer.client().down().len()), (1, 1));
}
