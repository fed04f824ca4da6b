//! The doctor against servers that others wrote: moto, which answers as the services do for what it has of them, and a
//! real OpenSearch.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hydrant_opensearch::Method;
use serde_json::{Value, json};

use super::stub::{Plan, Stub};
use super::{GROUP, Told, doctor};
use crate::operate::command;
use crate::peer::Peer;
use crate::server::Server;

/// Builds the chain in a new moto, with one fault, and looks at it.
async fn examined(fault: &str, more: &[&str]) -> (Told, Peer) {
    let moto = Peer::moto().await;
    let (url, fault) = (moto.url.clone(), fault.to_owned());
    let built = tokio::task::spawn_blocking(move || {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/aws_doctor/chain.py");
        Command::new(python()).arg(script).args([&url, &fault]).output().unwrap()
    });
    let built = built.await.unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let stub = Stub::start(Plan { chain: "direct", ..Plan::default() }).await;
    let told = doctor(GROUP, &moto.url, &[&["--opensearch", &stub.url], more].concat()).await;
    (told, moto)
}

/// That of moto.
#[expect(clippy::disallowed_methods, reason = "a test has no other way to be told where foreign programs are")]
fn python() -> std::path::PathBuf {
    let moto = std::env::var("HYDRANT_MOTO").unwrap_or_else(|_| panic!("HYDRANT_MOTO is not set; ./test sets it"));
    Path::new(&moto).with_file_name("python")
}

#[tokio::test]
async fn a_healthy_chain_in_moto_has_no_finding() {
    let (told, _moto) = examined("", &[]).await;
    assert_eq!((told.code, told.findings.as_slice()), (Some(0), &[][..]), "{}", told.text);
}

#[tokio::test]
async fn faults_that_moto_can_hold_are_found() {
    for (fault, code, exit, named) in [
        ("trust", "filter-role-trust", 3, "to-stream"),
        ("rights", "filter-role-rights", 3, "kinesis:PutRecord"),
        ("export", "rds-export-off", 3, "orders"),
        ("general_log", "rds-general-log-off", 3, "hydrant-orders"),
        ("timeout", "lambda-timeout", 1, "hydrant"),
        ("retention", "stream-retention", 1, "logs"),
        ("partial", "mapping-no-partial-response", 3, "ReportBatchItemFailures"),
        ("shards", "filter-by-log-stream", 1, "--distribution Random"),
        ("failed", "failed-objects", 1, "s3://failed/hydrant/"),
    ] {
        let (told, _moto) = examined(fault, &[]).await;
        assert_eq!((told.code, told.codes()), (Some(exit), vec![code]), "{fault}: {}", told.text);
        assert!(told.findings[0]["mend"].as_str().unwrap().contains(named), "{fault}: {}", told.text);
        assert!(!told.text.contains("U0VDUkVU"), "{}", told.text);
    }
}

/// moto forwards what comes into a log group to the stream: the canary is seen there, and goes.
#[tokio::test]
async fn a_canary_is_put_into_moto_seen_in_its_stream_and_deleted() {
    let (told, moto) = examined("", &["--canary", "--canary-wait", "6"]).await;
    assert_eq!((told.code, told.codes()), (Some(3), vec!["canary-lost"]), "{}", told.text);
    assert!(told.findings[0]["read"].as_str().unwrap().contains("in the stream after "), "{}", told.text);
    let left = log_streams(&moto.url).await;
    assert_eq!(left, ["orders"], "{}", told.text);
}

/// Those that the log group has, as moto itself tells.
async fn log_streams(url: &str) -> Vec<String> {
    let url = url.to_owned();
    let asked = move || {
        let target = ("x-amz-target", "Logs_20140328.DescribeLogStreams");
        let who = "AWS4-HMAC-SHA256 Credential=test/20261128/eu-west-1/logs/aws4_request";
        let asked = ureq::post(&url).header(target.0, target.1).header("authorization", who);
        let asked = asked.content_type("application/x-amz-json-1.1").send(json!({"logGroupName": GROUP}).to_string());
        asked.unwrap().body_mut().read_to_string().unwrap()
    };
    let told: Value = serde_json::from_str(&tokio::task::spawn_blocking(asked).await.unwrap()).unwrap();
    let streams = told["logStreams"].as_array().unwrap_or_else(|| panic!("{told}"));
    streams.iter().map(|stream| stream["logStreamName"].as_str().unwrap().to_owned()).collect()
}

/// The canary is found by its log stream in an index of Hydrant's own template and in one that nobody has prepared.
#[tokio::test]
async fn a_canary_is_found_in_a_real_opensearch_and_deleted_from_it() {
    let server = Server::start("").await;
    let (url, index) = (server.url.clone(), "hydrant-general-2026-11-28");
    for is_prepared in [false, true] {
        if is_prepared {
            let url = url.clone();
            let setup = move || command().args(["setup", "opensearch", "--endpoint", &url]).output().unwrap();
            let done = tokio::task::spawn_blocking(setup).await.unwrap();
            assert!(String::from_utf8_lossy(&done.stdout).contains("hydrant-general"), "{done:?}");
        }
        let stub = Stub::start(Plan { chain: "direct", ..Plan::default() }).await;
        let more = ["--opensearch", url.as_str(), "--canary", "--canary-wait", "60"];
        let delivered = async {
            let mark = loop {
                let mark = stub.asked.lock().unwrap().log_stream.clone();
                if !mark.is_empty() {
                    break mark;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            };
            let document = json!({"@timestamp": "2026-11-28T14:00:00Z", "log_stream": mark, "PID": 1});
            let (status, _) = server.ask(Method::PUT, &format!("/{index}/_doc/49:1?refresh=true"), document).await;
            assert_eq!(status, 201);
        };
        let (told, ()) = tokio::join!(doctor(GROUP, &stub.url, &more), delivered);
        assert!(told.codes().contains(&"canary-delivered"), "{}", told.text);
        assert!(!told.codes().contains(&"canary-not-removed"), "{}", told.text);
        assert_eq!(told.codes().contains(&"opensearch-no-template"), !is_prepared, "{}", told.text);
        let (status, _) = server.ask(Method::GET, &format!("/{index}/_doc/49:1"), Value::Null).await;
        assert_eq!(status, 404);
        server.ask(Method::DELETE, &format!("/{index}"), Value::Null).await;
    }
}
