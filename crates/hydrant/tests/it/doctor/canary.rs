//! The canary: sent, followed, timed and removed; and what is said where it does not arrive.

use std::process::{Command, Stdio};
use std::sync::PoisonError;
use std::time::Duration;

use serde_json::Value;

use super::stub::{Plan, Stub};
use super::{GROUP, doctor};
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
    assert_eq!(stub.calls().last().map(String::as_str), Some("logs.DeleteLogStream"));
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

#[tokio::test]
async fn ctrl_c_ends_it_and_nothing_of_it_stays() {
    let stub = Stub::start(Plan { chain: "classic", ..Plan::default() }).await;
    let arguments = ["doctor", GROUP, "--region", "eu-west-1", "--json", "--canary", "--endpoint-url"];
    let mut doctor = command();
    doctor.args(arguments).args([&stub.url, "--opensearch", &stub.url]);
    let child = doctor.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // Then it is being followed.
    while !stub.calls().iter().any(|call| call.ends_with("/_search")) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), findings.len()), (Some(1), 1), "{findings:?}");
    assert_eq!(findings[0]["code"], "canary-interrupted");
    assert_eq!(stub.calls().last().map(String::as_str), Some("logs.DeleteLogStream"));
}
