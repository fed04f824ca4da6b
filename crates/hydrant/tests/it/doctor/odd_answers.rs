//! Answers with status 200 that are not what was asked for: each is told, and nothing is said to be missing because of it.

use super::stub::{Plan, Stub};
use super::{GROUP, doctor, examined, plan};

const HTML: &str = "<!DOCTYPE html><html><head><title>Sign in</title></head></html>";

/// Operation, the right to it, what comes in its place, and what is told of that.
const ODD: &[(&str, &str, &str, &str)] = &[
    ("DescribeLogGroups", "logs:DescribeLogGroups", HTML, "an HTML page that begins with `<!DOCTYPE html>"),
    ("DescribeLogGroups", "logs:DescribeLogGroups", "null", "JSON `null`"),
    ("DescribeLogGroups", "logs:DescribeLogGroups", "{\"logGroups\": 5}", "JSON of another shape, with `logGroups`"),
    ("DescribeSubscriptionFilters", "logs:DescribeSubscriptionFilters", "[]", "a JSON array of 0 items"),
    ("DescribeLogStreams", "logs:DescribeLogStreams", "{}", "JSON of another shape, with no members"),
    ("DescribeStreamSummary", "kinesis:DescribeStreamSummary", "", "nothing came"),
    ("ListShards", "kinesis:ListShards", "true", "a JSON boolean"),
    ("DescribeDeliveryStream", "firehose:DescribeDeliveryStream", "{\"a\":", "begin as JSON and are none"),
    ("ListDeliveryStreams", "firehose:ListDeliveryStreams", "7", "a JSON number"),
    (
        "GetFunctionConfiguration",
        "lambda:GetFunctionConfiguration",
        "{\"secret\":\"payload-of-somebody\"}",
        "with `secret`",
    ),
    ("DescribeDomain", "es:DescribeDomain", HTML, "an HTML page"),
    ("DescribeDBInstances", "rds:DescribeDBInstances", HTML, "an HTML page"),
    ("DescribeDBInstances", "rds:DescribeDBInstances", "{}", "JSON of another shape, with no members"),
    ("GetRole", "iam:GetRole", "Hello", "a text that begins with `Hello`"),
    ("ListObjectsV2", "s3:ListBucket", "<html/>", "an HTML page"),
    ("GetMetricData", "cloudwatch:GetMetricData", "<a/>", "XML that begins with `<a/>`"),
];

#[tokio::test]
async fn what_could_not_be_read_is_told_and_is_not_absent() {
    for (operation, right, text, came) in ODD {
        let (told, _stub) = examined(Plan { odd: vec![(*operation, *text)], ..plan("classic") }).await;
        let of_it: Vec<&str> = told
            .findings
            .iter()
            .filter(|found| found["code"] == "not-readable")
            .map(|found| found["read"].as_str().unwrap())
            .collect();
        assert!(!of_it.is_empty(), "{operation} {text}: {}", told.text);
        for read in of_it {
            let is_told = read.starts_with(&format!("{right} on ")) && read.contains(" could not be read: ");
            assert!(is_told && read.contains(came), "{operation} {text}: {read}");
        }
        for code in told.codes() {
            let is_absent = ["-missing", "-no-reader", "-not-hydrant", "-off"].iter().any(|end| code.ends_with(end));
            assert!(!is_absent, "{operation} {text}: {}", told.text);
        }
        assert_eq!(told.code, Some(1), "{operation} {text}: {}", told.text);
        assert!(!told.text.contains("payload-of-somebody"), "{}", told.text);
    }
}

#[tokio::test]
async fn a_cluster_that_answers_with_something_else_is_told_and_not_judged() {
    for (path, text, came) in [
        ("/", HTML, "could not be read: an HTML page"),
        ("/", "null", "could not be read: JSON `null`"),
        ("/", "{}", "could not be read: JSON of another shape"),
        ("/_index_template", HTML, "/_index_template: an HTML page"),
        ("/_index_template", "{}", "/_index_template: JSON of another shape"),
        ("/_cat/allocation", "null", "/_cat/allocation?format=json&bytes=b: JSON `null`"),
        ("/_cluster/state/blocks", "[]", "/_cluster/state/blocks: a JSON array"),
        ("/_plugins/_security/api/rolesmapping", HTML, "/_plugins/_security/api/rolesmapping: an HTML page"),
    ] {
        let (told, _stub) = examined(Plan { odd: vec![(path, text)], ..plan("classic") }).await;
        assert_eq!((told.code, told.codes()), (Some(1), vec!["opensearch-not-readable"]), "{path}: {}", told.text);
        assert!(told.findings[0]["read"].as_str().unwrap().contains(came), "{path}: {}", told.text);
    }
    let odd = vec![("/hydrant-general-*/_search", HTML)];
    let stub = Stub::start(Plan { odd, ..plan("direct") }).await;
    let told = doctor(GROUP, &stub.url, &["--opensearch", &stub.url, "--canary", "--canary-wait", "3"]).await;
    assert_eq!((told.code, told.codes()), (Some(1), vec!["canary-not-followed"]), "{}", told.text);
    assert!(told.findings[0]["read"].as_str().unwrap().contains("an HTML page"), "{}", told.text);
    // As it was asked.
    let again = format!(" --opensearch {} --canary", stub.url);
    assert!(told.findings[0]["mend"].as_str().unwrap().ends_with(&again), "{}", told.text);
}

#[tokio::test]
async fn an_opensearch_that_is_not_there_is_named_once() {
    let stub = Stub::start(plan("direct")).await;
    // Nobody listens at port 1, which only the system may use.
    let options = ["--opensearch", "http://127.0.0.1:1", "--index", "a b", "--canary", "--canary-wait", "1"];
    let told = doctor(GROUP, &stub.url, &options).await;
    let canary = told.findings.last().unwrap();
    assert_eq!(canary["code"], "canary-not-followed", "{}", told.text);
    assert_eq!(canary["read"].as_str().unwrap().matches("http://127.0.0.1:1").count(), 1, "{}", told.text);
    let mend = canary["mend"].as_str().unwrap();
    assert!(mend.ends_with(" --opensearch http://127.0.0.1:1 --index 'a b' --canary"), "{mend}");
}

/// Whatever a server answers to all, the doctor ends in an orderly way and says that nothing was read.
#[tokio::test]
async fn of_a_server_that_is_none_of_aws_nothing_is_known() {
    for (status, text) in [
        (200, ""),
        (200, "{}"),
        (200, "[]"),
        (200, "null"),
        (200, "<a>"),
        (200, HTML),
        (200, "{\"logGroups\": 5}"),
        (200, "\u{0}"),
        (404, HTML),
        (404, ""),
    ] {
        let status = axum::http::StatusCode::from_u16(status).unwrap();
        let router = axum::Router::new().fallback(move || async move { (status, text) });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        #[expect(clippy::disallowed_methods, reason = "it lives as long as the test")]
        drop(tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }));
        let told = doctor(GROUP, &url, &["--opensearch", &url]).await;
        assert_eq!((told.code, told.codes()[0]), (Some(4), "nothing-read"), "{status} {text}: {}", told.text);
        assert!(!told.codes().iter().any(|code| code.ends_with("-missing")), "{status} {text}: {}", told.text);
    }
}
