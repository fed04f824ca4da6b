//! Bodies that a server takes, and those that it does not.

use hydrant_opensearch::Method;
use hydrant_opensearch::bulk::Action;
use hydrant_opensearch::{Limits, Oversize, Writer};
use hydrant_transform::document::Outcome;
use serde_json::{Value, json};

use crate::server::Server;
use crate::writer_of;

fn documents(count: usize, bytes: usize) -> Vec<(String, String)> {
    (0..count).map(|number| (number.to_string(), format!(r#"{{"Statement":"{}"}}"#, "x".repeat(bytes)))).collect()
}

fn actions<'a>(index: &'a str, documents: &'a [(String, String)]) -> Vec<Action<'a>> {
    documents.iter().map(|(id, source)| Action { index, id: Some(id), source: source.as_bytes() }).collect()
}

#[tokio::test]
async fn foreign_bodies_that_are_too_large_are_halved_and_the_limit_is_learned() {
    let server = Server::start("http.max_content_length: 1mb\n").await;
    let writer = writer_of(&server, Limits::default());
    // Bodies of more than a megabyte, also where they are shared out over the connections.
    let many = documents(1_000, 20_000);
    let outcomes = writer.write(&actions("a", &many)).await;
    assert_eq!(outcomes.iter().find(|outcome| **outcome != Outcome::Indexed), None);
    assert_eq!(server.count("a").await, 1_000);
    assert!(writer.body_bytes() <= 1024 * 1024, "{}", writer.body_bytes());
    // The next call sends nothing that is refused.
    let before = writer.body_bytes();
    let again = writer.write(&actions("a", &many)).await;
    assert_eq!(again.iter().find(|outcome| **outcome != Outcome::Duplicate), None);
    assert_eq!(writer.body_bytes(), before);

    // One that is too large alone fails, and no other with it.
    let mut mixed = documents(3, 10);
    mixed[1].1 = format!(r#"{{"Time":"t","Statement":"{}"}}"#, "y".repeat(2_000_000));
    let outcomes = writer.write(&actions("b", &mixed)).await;
    let Outcome::Rejected(reason) = &outcomes[1] else { panic!("{outcomes:?}") };
    assert_eq!(
        (reason.code.as_ref(), &outcomes[0], &outcomes[2]),
        ("Hydrant.TooLarge", &Outcome::Indexed, &Outcome::Indexed)
    );
    let cutting = writer_of(&server, Limits { oversize: Oversize::Truncate, ..Limits::default() });
    let outcomes = cutting.write(&actions("b", &mixed)).await;
    assert_eq!(outcomes, [Outcome::Duplicate, Outcome::Indexed, Outcome::Duplicate]);
    let (_, found) = server.ask(Method::GET, "/b/_doc/1", Value::Null).await;
    let source = &found["_source"];
    assert_eq!((&source["truncated"], &source["Time"]), (&json!(true), &json!("t")));
    assert!(source["Statement"].as_str().unwrap().len() > 200_000);
}

/// Offers documents again as long as the server is busy, which is all that it may answer beside taking them. How many
/// were to be offered again?
async fn until_all_are_there(writer: &Writer, mut waiting: Vec<Action<'_>>) -> usize {
    let (mut rounds, mut again) = (0, 0);
    while !waiting.is_empty() {
        let outcomes = writer.write(&waiting).await;
        let pairs = waiting.iter().zip(&outcomes);
        waiting =
            pairs.filter(|(_, outcome)| matches!(outcome, Outcome::Retry(_))).map(|(action, _)| *action).collect();
        let odd = outcomes.iter().find(|outcome| match outcome {
            Outcome::Indexed | Outcome::Duplicate => false,
            Outcome::Retry(reason) => reason.code != "rejected_execution_exception",
            Outcome::Rejected(_) | Outcome::Paused(_) => true,
        });
        assert_eq!(odd, None);
        again += waiting.len();
        rounds += 1;
        assert!(rounds < 1_000);
    }
    again
}

/// Rejections of the queue of the threads that write, by the server's own count.
async fn rejected(server: &Server) -> u64 {
    let (_, told) = server.ask(Method::GET, "/_nodes/stats/thread_pool", Value::Null).await;
    let node = told["nodes"].as_object().unwrap().values().next().unwrap();
    node.pointer("/thread_pool/write/rejected").and_then(Value::as_u64).unwrap()
}

#[tokio::test]
async fn foreign_rejections_of_a_busy_server_are_offered_again_until_all_are_there() {
    /// In which the queue is overrun; one is enough as a rule.
    const ROUNDS_MAX: usize = 20;
    let server = Server::start("thread_pool.write.queue_size: 1\nindexing_pressure.memory.limit: 3mb\n").await;
    // The server forgets a request for ever that waits for its index to be made while the queue is full.
    for (index, shards) in [("a", 1), ("many", 40)] {
        let settings = json!({"settings": {"number_of_shards": shards, "number_of_replicas": 0}});
        server.put(&format!("/{index}?wait_for_active_shards=all"), settings).await;
    }
    let writer =
        |connections| writer_of(&server, Limits { connections, body_bytes: 8 * 1024 * 1024, ..Limits::default() });
    // This body alone is above what the server admits at a time.
    let (large, one) = (documents(2_000, 2_000), writer(1));
    until_all_are_there(&one, actions("a", &large)).await;
    assert_eq!(server.count("a").await, 2_000);
    assert!(one.body_bytes() < 3 * 1024 * 1024, "{}", one.body_bytes());
    // Many shards at once fill the queue of the server's threads.
    let (few, writer) = (documents(400 * ROUNDS_MAX, 10), writer(4));
    let (mut again, mut written, before) = (0, 0, rejected(&server).await);
    for round in few.chunks(400) {
        again += until_all_are_there(&writer, actions("many", round)).await;
        written += 400;
        if rejected(&server).await > before {
            break;
        }
    }
    assert!(rejected(&server).await > before && again > 0, "{again} of {written}");
    assert_eq!(server.count("many").await, written);
}
