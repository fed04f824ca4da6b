//! The canary: sent, followed, timed and removed; and what is said where it does not arrive.

use std::process::{Command, Stdio};
use std::sync::PoisonError;
use std::time::Duration;

use serde_json::Value;

use super::stub::{Plan, Stub};
use super::{GROUP, doctor, examined};
use crate::operate::command;

async fn sent(plan: Plan, wait: &str) -> (super::Told, Stub) {
    let stub = Stub::start(plan).await;
    let more = ["--opensearch", &stub.url, "--canary", "--canary-wait", wait];
    let told = doctor(GROUP, &stub.url, &more).await;
    (told, stub)
}

#[tokio::test]
async fn it_is_followed_hop_by_hop_and_deleted() {
    let (told, stub) = sent(Plan { chain: "classic", searches: Some(2), ..Plan::default() }, "60").await;
    assert_eq!((told.code, told.codes()), (Some(0), vec!["canary-delivered"]), "{}", told.text);
    let read = told.findings[0]["read"].as_str().unwrap();
    for hop in ["in the stream after ", "back in the stream as a document after ", "in OpenSearch after "] {
        assert!(read.contains(hop), "{read}");
    }
    let calls = stub.calls();
    let at = |call: &str| calls.iter().position(|one| one == call).unwrap_or_else(|| panic!("no {call} in {calls:?}"));
    assert!(at("logs.CreateLogStream") < at("logs.PutLogEvents"));
    let deleted = calls.iter().position(|call| call.starts_with("DELETE /")).unwrap();
    assert!(at("logs.PutLogEvents") < deleted && deleted < at("logs.DeleteLogStream"), "{calls:?}");
    let asked = stub.asked.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(asked.log_stream.starts_with("hydrant-canary-"), "{}", asked.log_stream);
    assert!(
        asked.message.contains(&asked.log_stream) && asked.message.contains("\t    1 Query\t"),
        "{}",
        asked.message
    );
}

#[tokio::test]
async fn one_that_does_not_arrive_says_where_it_was_last_and_is_deleted_too() {
    let (told, stub) = sent(Plan { chain: "classic", ..Plan::default() }, "3").await;
    assert_eq!((told.code, told.codes()), (Some(3), vec!["canary-lost"]), "{}", told.text);
    let read = told.findings[0]["read"].as_str().unwrap();
    assert!(read.contains("did not arrive in 3 s: in the stream after "), "{read}");
    let why = told.findings[0]["why"].as_str().unwrap();
    assert!(why.contains("a document that comes later stays, under its mark as log stream"), "{why}");
    assert_eq!(stub.calls().last().map(String::as_str), Some("logs.DeleteLogStream"));
}

#[tokio::test]
async fn it_is_looked_for_where_its_log_goes() {
    let group = "/aws/rds/instance/orders/slowquery";
    let faults = vec![("DescribeLogGroups", GROUP, group), ("DescribeSubscriptionFilters", GROUP, group)];
    let stub =
        Stub::start(Plan { chain: "direct", faults, searches: Some(1), index: "hydrant-slow", ..Plan::default() })
            .await;
    let told = doctor(group, &stub.url, &["--opensearch", &stub.url, "--canary", "--canary-wait", "20"]).await;
    // The database of these answers writes a general log.
    assert_eq!(told.codes(), ["rds-log-off", "rds-export-off", "canary-delivered"], "{}", told.text);
    assert!(stub.calls().contains(&"DELETE /hydrant-slow-2026-11-28/_doc/49:1".to_owned()), "{:?}", stub.calls());
}

#[tokio::test]
async fn a_name_that_holds_a_year_is_no_other_index() {
    let faults = vec![("DescribeDeliveryStream", "\"hydrant-general\"", "\"app-2021-general\"")];
    let blocks = |index: &str| serde_json::json!({"blocks": {"indices": {index: {"8": {"levels": ["write"]}}}}});
    let plan = |index| Plan {
        chain: "classic",
        faults: faults.clone(),
        index: "app-2021-general",
        cluster: [("/_cluster/state/blocks", blocks(index))].into(),
        ..Plan::default()
    };
    let (told, _stub) = examined(plan("app-2020-orders")).await;
    assert_eq!((told.code, told.codes()), (Some(0), vec![]), "{}", told.text);
    let (told, _stub) = examined(plan("app-2021-general-2026-11-28")).await;
    assert_eq!((told.code, told.codes()), (Some(3), vec!["opensearch-blocked"]), "{}", told.text);
    assert!(told.findings[0]["mend"].as_str().unwrap().contains("/app-2021-general-*/_settings"), "{}", told.text);
    let (told, stub) = sent(Plan { searches: Some(1), ..plan("none") }, "20").await;
    assert_eq!(told.codes(), ["canary-delivered"], "{}", told.text);
    assert!(stub.calls().contains(&"POST /app-2021-general-*/_search".to_owned()), "{:?}", stub.calls());
}

#[tokio::test]
async fn a_search_that_is_refused_ends_it_at_once_and_names_the_right() {
    let (told, stub) = sent(Plan { chain: "classic", refused: Some("/_search"), ..Plan::default() }, "900").await;
    assert_eq!((told.code, told.codes()), (Some(1), vec!["canary-not-followed"]), "{}", told.text);
    let (read, mend) = (told.findings[0]["read"].as_str().unwrap(), told.findings[0]["mend"].as_str().unwrap());
    assert!(read.contains("indices:data/read/search is refused: http://127.0.0.1:"), "{read}");
    assert!(read.contains("no permissions for [indices:data/read/search] and User [name=doctor]"), "{read}");
    let named = ["/_plugins/_security/api/roles/hydrant_canary", "\"hydrant-general-*\"", "indices:data/write/delete"];
    assert!(named.iter().all(|name| mend.contains(name)), "{mend}");
    // Once, and once more before it is removed.
    assert_eq!(stub.calls().iter().filter(|call| call.ends_with("/_search")).count(), 2);
    assert_eq!(stub.calls().last().map(String::as_str), Some("logs.DeleteLogStream"));
}

#[tokio::test]
async fn a_shard_whose_reads_are_throttled_is_read_on() {
    // Each of its two shards, four times.
    let throttled = vec![("GetRecords", 8)];
    let (told, stub) = sent(Plan { chain: "classic", throttled, searches: Some(3), ..Plan::default() }, "60").await;
    assert_eq!((told.code, told.codes()), (Some(0), vec!["canary-delivered"]), "{}", told.text);
    assert!(told.findings[0]["read"].as_str().unwrap().starts_with("in the stream after "), "{}", told.text);
    assert!(stub.requests("kinesis.GetRecords").iter().all(|request| request.contains("\"Limit\":100")));
}

#[tokio::test]
async fn one_that_the_filter_would_hold_back_is_not_sent() {
    let (told, stub) = sent(
        Plan {
            chain: "classic",
            faults: vec![(
                "TestMetricFilter",
                "{\n   \"eventNumber\": 1,\n   \"eventMessage\": \"x\",\n   \"extractedValues\": {}\n  }",
                "",
            )],
            ..Plan::default()
        },
        "5",
    )
    .await;
    assert_eq!((told.code, told.codes()), (Some(1), vec!["filter-pattern", "canary-filtered"]), "{}", told.text);
    assert!(!stub.calls().iter().any(|call| call.contains("LogStream") && !call.contains("Describe")));
}

#[tokio::test]
async fn rights_that_it_lacks_are_named_and_what_stays_is_said() {
    let (told, _stub) = sent(Plan { chain: "classic", denied: vec!["PutLogEvents"], ..Plan::default() }, "5").await;
    assert_eq!((told.code, told.codes()), (Some(3), vec!["not-allowed", "canary-not-sent"]), "{}", told.text);
    assert!(told.findings[0]["read"].as_str().unwrap().contains("logs:PutLogEvents on /aws/rds/"), "{}", told.text);
    let plan = Plan { chain: "direct", denied: vec!["DeleteLogStream"], searches: Some(1), ..Plan::default() };
    let (told, _stub) = sent(plan, "20").await;
    assert_eq!(told.codes(), ["not-allowed", "canary-not-removed", "canary-delivered"], "{}", told.text);
    let mend = told.findings[1]["mend"].as_str().unwrap();
    assert!(mend.contains("aws logs delete-log-stream") && mend.contains("hydrant-canary-"), "{mend}");
}

/// Starts one, and once it has come so far sends the signal; the one finding is that it was interrupted.
async fn interrupted(plan: Plan, signal: &str, at: &str) {
    let stub = Stub::start(plan).await;
    let arguments = ["doctor", GROUP, "--region", "eu-west-1", "--json", "--canary", "--endpoint-url"];
    let mut doctor = command();
    doctor.args(arguments).args([&stub.url, "--opensearch", &stub.url]);
    let child = doctor.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    while !stub.calls().iter().any(|call| call.ends_with(at)) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    stub.release.notify_one();
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), findings.len()), (Some(1), 1), "{findings:?}");
    assert_eq!(findings[0]["code"], "canary-interrupted");
    assert_eq!(stub.calls().last().map(String::as_str), Some("logs.DeleteLogStream"));
}

#[tokio::test]
async fn a_signal_ends_it_and_nothing_of_it_stays() {
    for signal in ["-INT", "-TERM"] {
        // Then it is being followed.
        interrupted(Plan { chain: "classic", ..Plan::default() }, signal, "/_search").await;
        // Its log stream is there, and it is not yet in it.
        let held = Some("PutLogEvents");
        interrupted(Plan { chain: "classic", held, ..Plan::default() }, signal, "held logs.PutLogEvents").await;
    }
}
