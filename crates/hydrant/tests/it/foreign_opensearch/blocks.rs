//! What holds up a whole index or cluster until somebody acts: delivery pauses, says so with the server's own reason, and
//! goes on by itself; nothing is in failed/ for it, and nothing is lost.

use hydrant_opensearch::Method;
use serde_json::{Value, json};

use super::chain::{Chain, indexed};
use super::{page, until};
use crate::server::Server;

const INDEX: &str = "/hydrant-general-2021-07-23";

/// Entries of a stage.
const ENTRIES: u64 = 300;

async fn post(server: &Server, path: &str) {
    let (status, told) = server.ask(Method::POST, path, Value::Null).await;
    assert_eq!(status, 200, "{told}");
}

async fn set(server: &Server, key: &str, value: Value) {
    server.put("/_cluster/settings", json!({"transient": {key: value}})).await;
}

#[tokio::test]
async fn delivery_waits_for_blocks_limits_and_the_disk_and_goes_on_by_itself() {
    let server = Server::start("cluster.info.update.interval: 10s\n").await;
    let mut chain = Chain::start("general", &format!("endpoint = {:?}\nbody_size = \"64KiB\"\n", server.url));
    chain.append_general(ENTRIES, 23);
    chain.reconcile(&server).await;
    for (block, says) in [
        ("write", "FORBIDDEN/8/index write (api)"),
        ("read_only", "FORBIDDEN/5/index read-only (api)"),
        ("read_only_allow_delete", "TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark"),
    ] {
        let block_to = |on: bool| json!({"index": {format!("blocks.{block}"): on}});
        server.put(&format!("{INDEX}/_settings"), block_to(true)).await;
        chain.append_general(ENTRIES, 23);
        chain.pauses(says).await;
        server.put(&format!("{INDEX}/_settings"), block_to(false)).await;
        chain.reconcile(&server).await;
    }
    post(&server, &format!("{INDEX}/_close")).await;
    chain.append_general(ENTRIES, 23);
    chain.pauses("index_closed_exception").await;
    post(&server, &format!("{INDEX}/_open?wait_for_active_shards=1")).await;
    chain.reconcile(&server).await;

    cluster(&server, &mut chain).await;
    deleted(&server, &mut chain).await;
    flood(&server, &mut chain).await;
    let summary = chain.program.stop();
    assert_eq!((&summary["failed"], &summary["waiting"]), (&json!(0), &json!(0)), "{summary}");
}

/// Somebody closes old indices to save memory. Nothing waits for it, so nothing is wrong.
#[tokio::test]
async fn a_closed_index_that_nothing_goes_to_is_no_problem() {
    let server = Server::start("").await;
    let mut chain = Chain::start("general", &format!("endpoint = {:?}\n", server.url));
    chain.append_general(ENTRIES, 23);
    chain.reconcile(&server).await;
    post(&server, &format!("{INDEX}/_close")).await;
    for day in 24..=27 {
        chain.append_general(ENTRIES, day);
        let index = format!("hydrant-general-2021-07-{day}");
        until(&index, async || server.count("hydrant-*").await >= ENTRIES * u64::from(day - 23)).await;
        chain.settled().await;
        let health: Value = serde_json::from_str(&page(&chain.program, "health")).unwrap();
        assert_eq!(health["problems"], json!({}));
    }
    chain.append_general(ENTRIES, 23);
    chain.pauses("index_closed_exception").await;
    post(&server, &format!("{INDEX}/_open?wait_for_active_shards=1")).await;
    chain.reconcile(&server).await;
}

/// Blocks and limits of all indices; entries of a new day need a new one.
async fn cluster(server: &Server, chain: &mut Chain) {
    for (day, key, value, says) in [
        (23, "cluster.blocks.read_only_allow_delete", json!(true), "cluster read-only / allow delete (api)"),
        (24, "action.auto_create_index", json!(false), "no such index [hydrant-general-2021-07-24]"),
        // OpenSearch 3 speaks of "maximum LOCAL_ONLY shards open" behind it.
        (25, "cluster.max_shards_per_node", json!(1), "this action would add [1] total"),
    ] {
        set(server, key, value).await;
        chain.append_general(ENTRIES, day);
        chain.pauses(says).await;
        set(server, key, Value::Null).await;
        chain.reconcile(server).await;
    }
}

/// An index that somebody deletes while it is written to takes with it what it held; all else goes into a new one, which
/// has the template's mapping again.
async fn deleted(server: &Server, chain: &mut Chain) {
    let block_to = |on: bool| json!({"index": {"blocks.write": on}});
    let before = server.count("hydrant-*").await;
    chain.append_general(8_000, 23);
    until("the first of them", async || server.count("hydrant-*").await > before).await;
    // What the server has taken up to here stands still to be listed.
    server.put(&format!("{INDEX}/_settings"), block_to(true)).await;
    chain.append_general(ENTRIES, 23);
    chain.pauses("FORBIDDEN/8/index write (api)").await;
    let all = indexed(server).await;
    let (status, told) = server.ask(Method::DELETE, INDEX, Value::Null).await;
    assert_eq!(status, 200, "{told}");
    until("documents in the new index", async || server.count("hydrant-*").await > 2 * ENTRIES).await;
    let others: Vec<u64> = of_days(server, &["24", "25"]).await;
    let gone: Vec<u64> = all.into_iter().filter(|number| !others.contains(number)).collect();
    chain.deleted(&gone);
    chain.reconcile(server).await;
    let (_, mapping) = server.ask(Method::GET, &format!("{INDEX}/_mapping"), Value::Null).await;
    let analyzer = "/hydrant-general-2021-07-23/mappings/properties/Statement/analyzer";
    assert_eq!(mapping.pointer(analyzer), Some(&json!("hydrant")));
}

/// The numbers of the entries of these days, which stay.
async fn of_days(server: &Server, days: &[&str]) -> Vec<u64> {
    let mut numbers = Vec::new();
    for day in days {
        let path = format!("/hydrant-general-2021-07-{day}/_search");
        let (_, told) = server.ask(Method::POST, &path, json!({"size": ENTRIES})).await;
        let hits = told["hits"]["hits"].as_array().unwrap();
        numbers.extend(hits.iter().map(|hit| super::chain::number(&hit["_source"].to_string()).unwrap()));
    }
    assert_eq!(numbers.len() as u64, ENTRIES * days.len() as u64);
    numbers
}

/// The disk is full by the server's own watermarks, and has room again.
async fn flood(server: &Server, chain: &mut Chain) {
    let disk = "cluster.routing.allocation.disk";
    let marks = |free: Option<&str>| {
        json!({"transient": {
            format!("{disk}.threshold_enabled"): free.is_some(),
            format!("{disk}.watermark.low"): free,
            format!("{disk}.watermark.high"): free,
            format!("{disk}.watermark.flood_stage"): free,
        }})
    };
    server.put("/_cluster/settings", marks(Some("900000gb"))).await;
    // The server looks at its disk every ten seconds; until then it takes what comes.
    until("the server's own block", async || {
        let (_, settings) = server.ask(Method::GET, &format!("{INDEX}/_settings"), Value::Null).await;
        let block = "/hydrant-general-2021-07-23/settings/index/blocks/read_only_allow_delete";
        settings.pointer(block) == Some(&json!("true"))
    })
    .await;
    chain.append_general(ENTRIES, 23);
    chain.pauses("disk usage exceeded flood-stage watermark").await;
    server.put("/_cluster/settings", marks(Some("1b"))).await;
    chain.reconcile(server).await;
}
