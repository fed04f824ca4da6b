//! What is answered about indices, and `GET /`.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};

use super::{Door, GENERAL, general, nothing_found, status};

const MAPPINGS: &str = r#""mappings":{"properties":{"@timestamp":{"type":"date_nanos"},"PID":{"type":"long"},"Perform":{"type":"keyword"},"Statement":{"type":"text"},"Time":{"type":"date_nanos"},"b":{"type":"boolean"},"f":{"type":"float"},"o":{"properties":{"k":{"type":"long"},"l":{"properties":{"m":{"type":"text","fields":{"keyword":{"type":"keyword","ignore_above":256}}}}}}}}}"#;

const HEALTH: &str =
    r#""number_of_nodes":1,"number_of_data_nodes":1,"discovered_master":true,"discovered_cluster_manager":true"#;

fn two() -> Door {
    let mut second = status("hydrant-json-2022-01-16", 120, 532, &[]);
    second.uuid = "i0r0hIEAS9esftEb4zaV_w".to_string();
    Door::over(vec![general(), second], Ok(nothing_found()))
}

#[tokio::test(start_paused = true)]
async fn the_root_speaks_opensearch_and_says_who_speaks() {
    let expected = r#"{
  "name" : "hydrant",
  "cluster_name" : "hydrant",
  "cluster_uuid" : "hydrantCluster0AAAAAAA",
  "version" : {
    "distribution" : "opensearch",
    "number" : "2.19.1",
    "build_type" : "hydrant",
    "build_hash" : "0.1.0",
    "build_date" : "2025-02-27T01:16:47.726162386Z",
    "build_snapshot" : false,
    "lucene_version" : "9.12.1",
    "minimum_wire_compatibility_version" : "7.10.0",
    "minimum_index_compatibility_version" : "7.0.0"
  },
  "tagline" : "Hydrant, answering as OpenSearch does: https://opensearch.org/"
}
"#;
    let door = Door::new();
    assert_eq!(door.get("/").await.body, expected);
    let head = door.call("HEAD", "/", None).await;
    assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
    assert_eq!(head.headers[header::CONTENT_LENGTH], expected.len().to_string().as_str());
    assert!(door.get("/?pretty=false").await.body.starts_with(r#"{"name":"hydrant","#));
}

#[tokio::test(start_paused = true)]
async fn a_mapping_nests_dotted_names() {
    let expected = format!(r#"{{"{GENERAL}":{{{MAPPINGS}}}}}"#);
    for path in ["/_mapping", "/_all/_mapping", "/hydrant-*/_mapping", &format!("/{GENERAL}/_mapping")] {
        assert_eq!(Door::new().get(path).await.body, expected, "{path}");
    }
    assert_eq!(Door::new().get("/nope*/_mapping").await.body, "{}");
    let empty = two().get("/hydrant-json-*/_mapping").await.body;
    assert_eq!(empty, r#"{"hydrant-json-2022-01-16":{"mappings":{}}}"#);
    let lenient = Door::new().get(&format!("/nope,{GENERAL}/_mapping?ignore_unavailable=true")).await.body;
    assert_eq!(lenient, expected);
    assert_eq!(Door::new().get("/nope/_mapping?ignore_unavailable=true").await.body, "{}");
}

#[tokio::test(start_paused = true)]
async fn an_index_describes_itself() {
    let expected = format!(
        r#"{{"{GENERAL}":{{"aliases":{{}},{MAPPINGS},"settings":{{"index":{{"replication":{{"type":"DOCUMENT"}},"number_of_shards":"1","provided_name":"{GENERAL}","creation_date":"1795529560388","number_of_replicas":"0","uuid":"1hB56q4kQKSHTkBM8eVPUA","version":{{"created":"136407927"}}}}}}}}}}"#
    );
    let path = format!("/{GENERAL}");
    assert_eq!(Door::new().get(&path).await.body, expected);
    let head = Door::new().call("HEAD", &path, None).await;
    assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_names_the_indices_it_refreshed() {
    let door = two();
    let reply = door.call("POST", "/hydrant-general-*/_refresh", None).await;
    assert_eq!(reply.body, r#"{"_shards":{"total":1,"successful":1,"failed":0}}"#);
    assert_eq!(*door.engine.refreshed.lock().unwrap(), [GENERAL]);
    assert_eq!(door.get("/_refresh").await.body, r#"{"_shards":{"total":2,"successful":2,"failed":0}}"#);
    let none = door.call("POST", "/nope*/_refresh", None).await;
    assert_eq!(none.body, r#"{"_shards":{"total":0,"successful":0,"failed":0}}"#);
}

#[tokio::test(start_paused = true)]
async fn cat_indices_is_a_table_for_people() {
    let door = two();
    let expected = "\
health status index                      uuid                   pri rep docs.count docs.deleted store.size pri.store.size
green  open   hydrant-general-2022-01-15 1hB56q4kQKSHTkBM8eVPUA   1   0          3            0      8.2kb          8.2kb
green  open   hydrant-json-2022-01-16    i0r0hIEAS9esftEb4zaV_w   1   0        120            0       532b           532b
";
    let reply = door.get("/_cat/indices?v").await;
    assert_eq!(reply.body, expected);
    assert_eq!(reply.headers[header::CONTENT_TYPE], "text/plain; charset=UTF-8");
    assert_eq!(
        door.get("/_cat/indices?h=index,docs.count&v&s=docs.count:desc").await.body,
        "index                      docs.count\nhydrant-json-2022-01-16           120\nhydrant-general-2022-01-15          3\n"
    );
    assert_eq!(
        door.get("/_cat/indices/hydrant-general*?h=i,dc,health,ss,creation.date.string").await.body,
        "hydrant-general-2022-01-15 3 green 8.2kb 2026-11-24T14:12:40.388Z\n"
    );
    assert_eq!(
        door.get("/_cat/indices/nope*?v").await.body,
        "health status index uuid pri rep docs.count docs.deleted store.size pri.store.size\n"
    );
    let wrong = door.get("/_cat/indices?s=foo").await;
    assert!(wrong.body.contains("Unable to sort by unknown sort key `foo`"), "{}", wrong.body);
    let wrong = door.get("/_cat/indices?format=yaml").await;
    assert!(wrong.body.contains("format [yaml] is not supported"), "{}", wrong.body);
}

#[tokio::test(start_paused = true)]
async fn cat_indices_is_json_for_programs() {
    let expected = r#"[{"health":"green","status":"open","index":"hydrant-general-2022-01-15","uuid":"1hB56q4kQKSHTkBM8eVPUA","pri":"1","rep":"0","docs.count":"3","docs.deleted":"0","store.size":"8423","pri.store.size":"8423"}]"#;
    let reply = Door::new().get("/_cat/indices?bytes=b&format=json").await;
    assert_eq!(reply.body, expected);
    assert_eq!(reply.headers[header::CONTENT_TYPE], "application/json; charset=UTF-8");
    let request = Request::get("/_cat/indices?bytes=b").header(header::ACCEPT, "application/json").body(Body::empty());
    assert_eq!(Door::new().send(request.unwrap()).await.body, expected);
    assert!(Door::new().get("/_cat").await.body.contains("/_cat/indices\n"));
}

#[tokio::test(start_paused = true)]
async fn health_is_green_unless_an_index_is_damaged() {
    let shards = |active: u8, unassigned: u8, percent: &str| {
        format!(
            r#""active_primary_shards":{active},"active_shards":{active},"relocating_shards":0,"initializing_shards":0,"unassigned_shards":{unassigned},"delayed_unassigned_shards":0,"number_of_pending_tasks":0,"number_of_in_flight_fetch":0,"task_max_waiting_in_queue_millis":0,"active_shards_percent_as_number":{percent}}}"#
        )
    };
    let head = |status: &str, timed_out: bool| {
        format!(r#"{{"cluster_name":"hydrant","status":"{status}","timed_out":{timed_out},{HEALTH},"#)
    };
    for path in ["/_cluster/health", "/_cluster/health/hydrant-general-*?wait_for_status=yellow&timeout=1s"] {
        let reply = Door::new().get(path).await;
        assert_eq!(reply.body, format!("{}{}", head("green", false), shards(1, 0, "100.0")));
        assert_eq!(reply.status, StatusCode::OK);
    }
    let mut damaged = general();
    damaged.damaged = Some("folder x".to_string());
    let door = Door::over(vec![damaged, status("other", 0, 0, &[])], Ok(nothing_found()));
    assert_eq!(door.get("/_cluster/health").await.body, format!("{}{}", head("red", false), shards(1, 1, "50.0")));
    let waited = door.get("/_cluster/health?wait_for_status=green").await;
    assert_eq!(waited.status, StatusCode::REQUEST_TIMEOUT);
    let missing = door.get("/_cluster/health/nope").await;
    assert_eq!(missing.status, StatusCode::REQUEST_TIMEOUT);
    assert_eq!(missing.body, format!("{}{}", head("red", true), shards(0, 0, "100.0")));
}
