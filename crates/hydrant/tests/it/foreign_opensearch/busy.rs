//! A server that takes small bodies only, and has a short queue and little memory for what it is writing.

use hydrant_opensearch::Method;
use serde_json::{Value, json};

use super::chain::{Chain, Fate, general};
use super::until;
use crate::server::Server;

const SETTINGS: &str =
    "http.max_content_length: 512kb\nthread_pool.write.queue_size: 4\nindexing_pressure.memory.limit: 900kb\n";

/// Shards of an index, each of which is a task of a request.
const SHARDS: u32 = 20;

/// In which something is rejected; one is enough as a rule.
const ROUNDS_MAX: usize = 10;

/// Rejections of the server's queue and of its memory, by its own count.
async fn rejections(server: &Server) -> (u64, u64) {
    let (_, told) = server.ask(Method::GET, "/_nodes/stats/thread_pool,indexing_pressure", Value::Null).await;
    let node = told["nodes"].as_object().unwrap().values().next().unwrap();
    let number = |place: &str| node.pointer(place).and_then(Value::as_u64).unwrap();
    (number("/thread_pool/write/rejected"), number("/indexing_pressure/memory/total/coordinating_rejections"))
}

/// Writes entries until the server has rejected some for this reason, by its own count.
async fn until_rejected(chain: &mut Chain, server: &Server, day: u32, filling: usize, why: fn((u64, u64)) -> u64) {
    for _ in 0..ROUNDS_MAX {
        let (next, filling) = (chain.next(), "z".repeat(filling));
        chain.append((next..next + 3_000).map(|number| (general(number, day, &filling), Fate::Indexed)));
        chain.settled().await;
        if why(rejections(server).await) > 0 {
            return;
        }
    }
    panic!("the server has rejected {:?}", rejections(server).await);
}

#[tokio::test]
async fn bodies_that_are_too_large_and_rejections_lose_nothing() {
    let server = Server::start(SETTINGS).await;
    // The server forgets a request for ever that waits for its index to be made while the queue is full.
    for (day, shards) in [(23, 1), (24, SHARDS), (25, 1)] {
        let settings = json!({"settings": {"number_of_shards": shards, "number_of_replicas": 0}});
        server.put(&format!("/hydrant-general-2021-07-{day}?wait_for_active_shards=all"), settings).await;
    }
    let mut chain = Chain::start("general", &format!("endpoint = {:?}\nconnections = 8\n", server.url));
    // Eight requests at once are more than the server has memory for, and at first each is too large.
    until_rejected(&mut chain, &server, 23, 2_000, |(_, memory)| memory).await;
    // One is too large for any request; the others share bodies with it that are.
    let next = chain.next();
    chain.append((next..next + 200).map(|number| (general(number, 23, ""), Fate::Indexed)));
    chain.append([(general(next + 200, 23, &"y".repeat(700_000)), Fate::Failed("Hydrant.TooLarge"))]);
    chain.append_general(200, 23);
    chain.reconcile(&server).await;
    // Many shards at once fill the queue of the server's threads.
    until_rejected(&mut chain, &server, 24, 100, |(queue, _)| queue).await;
    assert!(chain.metric("retries_total") > 0);
    chain.reconcile(&server).await;
    // Afterwards it is written to as before.
    chain.append_general(100, 25);
    until("the last", async || server.count("hydrant-general-2021-07-25").await == 100).await;
    chain.reconcile(&server).await;
    let summary = chain.program.stop();
    assert_eq!((&summary["failed"], &summary["waiting"]), (&json!(1), &json!(0)), "{summary}");
}
