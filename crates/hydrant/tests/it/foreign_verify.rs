//! `hydrant verify` between a log and a real OpenSearch.

use hydrant_opensearch::Method;
use serde_json::{Value, json};

use crate::server::Server;
use crate::verify::{Chain, log};

fn sums(report: &Value) -> [u64; 5] {
    ["missing", "twice", "indexed", "failed", "in_flight"].map(|name| report[name].as_u64().unwrap())
}

async fn source(server: &Server, index: &str, id: &str) -> Value {
    let (status, told) = server.ask(Method::GET, &format!("/{index}/_doc/{id}"), Value::Null).await;
    assert_eq!(status, 200, "{told}");
    told["_source"].clone()
}

#[tokio::test]
async fn what_was_deleted_or_doubled_by_hand_in_a_cluster_is_found() {
    const ENTRIES: usize = 25_000;
    const INDEX: &str = "hydrant-general-2021-07-23";
    let server = Server::start("").await;
    // More than a page in one index, over several shards.
    let shards = json!({"index_patterns": ["hydrant-*"], "priority": 900,
        "template": {"settings": {"number_of_shards": 3, "number_of_replicas": 0}}});
    server.put("/_index_template/shards", shards).await;
    let config = format!("[index]\nengine = \"opensearch\"\nendpoint = {:?}\ntemplate = \"off\"\n", server.url);
    let chain = Chain::new(&log(0..ENTRIES), &config);
    assert_eq!(chain.deliver()["documents"], ENTRIES);
    let all = ENTRIES as u64;
    let (code, report) = chain.verify(&[]);
    assert_eq!((code, sums(&report)), (0, [0, 0, all, 0, 0]), "{report}");
    assert_eq!(report["hops"]["index"], json!({"documents": all, "indices": 2, "unreadable": [], "foreign_ids": 0}));

    let id = async |number: usize| {
        let query = json!({"query": {"term": {"Statement.keyword": format!("SELECT a FROM t WHERE b = {number}")}}});
        let (_, told) = server.ask(Method::POST, &format!("/{INDEX}/_search"), query).await;
        told["hits"]["hits"][0]["_id"].as_str().unwrap().to_owned()
    };
    // Every other entry is of that day.
    let (deleted, doubled, copied) = (id(0).await, id(2).await, id(4).await);
    let (status, told) = server.ask(Method::DELETE, &format!("/{INDEX}/_doc/{deleted}"), Value::Null).await;
    assert_eq!(status, 200, "{told}");
    // Under its own id in another index, and under an id that the server makes in the same one.
    let put = source(&server, INDEX, &doubled).await;
    assert_eq!(server.ask(Method::PUT, &format!("/hydrant-by-hand/_doc/{doubled}"), put).await.0, 201);
    let put = source(&server, INDEX, &copied).await;
    assert_eq!(server.ask(Method::POST, &format!("/{INDEX}/_doc"), put).await.0, 201);
    let (code, report) = chain.verify(&[]);
    assert_eq!((code, sums(&report)), (1, [1, 2, all - 3, 0, 0]), "{report}");
    let ids = |what: &str| {
        let findings = report["findings"].as_array().unwrap().iter().filter(|finding| finding["what"] == what);
        let mut ids: Vec<String> = findings.map(|finding| finding["id"].as_str().unwrap().to_owned()).collect();
        ids.sort_unstable();
        ids
    };
    let mut twice = vec![doubled.clone(), copied];
    twice.sort_unstable();
    assert_eq!((ids("missing"), ids("twice")), (vec![deleted.clone()], twice));
    let (_, text) = chain.verify_text(&[]);
    assert!(text.ends_with("\n1 missing, 2 twice\n"), "{text}");
    let missing = text.lines().find(|line| line.starts_with("missing")).unwrap();
    assert!(missing.contains(&deleted) && missing.contains("general.log (generation 0) byte 0;"), "{missing}");

    // The same id under another routing is another copy.
    let put = source(&server, "hydrant-by-hand", &doubled).await;
    assert_eq!(server.ask(Method::DELETE, "/hydrant-by-hand", Value::Null).await.0, 200);
    let mut routings = 0..100;
    loop {
        let routing = routings.next().expect("a routing to another shard");
        let path = format!("/{INDEX}/_doc/{doubled}?routing={routing}&op_type=create");
        if server.ask(Method::PUT, &path, put.clone()).await.0 == 201 {
            break;
        }
    }
    let (code, report) = chain.verify(&[]);
    assert_eq!((code, sums(&report)), (1, [1, 2, all - 3, 0, 0]), "{report}");

    // An index that is closed is named, and its documents cannot be there.
    assert_eq!(server.ask(Method::POST, "/hydrant-general-2021-07-24/_close", Value::Null).await.0, 200);
    let (code, report) = chain.verify(&["--list", "1"]);
    assert_eq!((code, &report["missing"]), (1, &json!(all / 2 + 1)), "{report}");
    assert_eq!(report["hops"]["index"]["unreadable"], json!(["the index hydrant-general-2021-07-24 is closed"]));
}

/// As Firehose writes: ids that the server makes, one index for all days, at least once.
#[tokio::test]
async fn an_index_of_an_older_chain_is_compared_by_event_id_and_ordinal() {
    const ENTRIES: usize = 500;
    let server = Server::start("").await;
    let config = format!("[index]\nengine = \"opensearch\"\nendpoint = {:?}\n", server.url);
    let chain = Chain::new(&log(0..ENTRIES), &config);
    chain.deliver();
    let (status, told) = server.ask(Method::POST, "/hydrant-*/_refresh", Value::Null).await;
    assert_eq!(status, 200, "{told}");
    let query = json!({"size": ENTRIES, "sort": ["@timestamp"]});
    let (_, told) = server.ask(Method::POST, "/hydrant-*/_search", query).await;
    let hits = told["hits"]["hits"].as_array().unwrap();
    assert_eq!(hits.len(), ENTRIES);
    for (number, hit) in hits.iter().enumerate() {
        let mut source = hit["_source"].clone();
        source["PID"] = json!(source["PID"].to_string());
        // One is lost and one repeated.
        for _ in 0..[0, 2, 1][number.min(2)] {
            assert_eq!(server.ask(Method::POST, "/mysql-older/_doc", source.clone()).await.0, 201);
        }
    }
    let (code, report) = chain.verify(&["--against", "mysql-older"]);
    let sum = |name: &str| report[name].as_u64().unwrap();
    assert_eq!(code, 1, "{report}");
    assert_eq!(
        ["both", "missing", "only_ours", "twice", "other_twice"].map(sum),
        [ENTRIES as u64 - 1, 0, 1, 0, 1],
        "{report}"
    );
    let found = |what: &str| {
        let findings = report["findings"].as_array().unwrap();
        findings.iter().find(|finding| finding["what"] == what).unwrap()["id"].clone()
    };
    assert_eq!((found("only_in_ours"), found("twice_in_the_other")), (hits[0]["_id"].clone(), hits[1]["_id"].clone()));
    // What both have alike.
    let mut lost = hits[0]["_source"].clone();
    lost["ordinal"] = json!(0);
    assert_eq!(server.ask(Method::POST, "/mysql-older/_doc", lost).await.0, 201);
    let (status, told) = server.ask(Method::POST, "/mysql-older/_refresh", Value::Null).await;
    assert_eq!(status, 200, "{told}");
    let query = json!({"query": {"term": {"event_id.keyword": hits[1]["_source"]["event_id"]}}});
    let (_, told) = server.ask(Method::POST, "/mysql-older/_search", query).await;
    let repeated = told["hits"]["hits"][1]["_id"].as_str().unwrap();
    assert_eq!(server.ask(Method::DELETE, &format!("/mysql-older/_doc/{repeated}"), Value::Null).await.0, 200);
    let (code, report) = chain.verify(&["--against", "mysql-older"]);
    assert_eq!((code, &report["both"]), (0, &json!(ENTRIES)), "{report}");
}
