//! `hydrant doctor` as a whole program, against canned answers of AWS and against servers that others wrote.

mod access;

mod canary;

mod foreign_doctor;

mod odd_answers;

mod reading;

mod stub;

use std::collections::BTreeSet;
use std::process::Output;

use serde_json::{Value, json};

use crate::operate::command;
use crate::tidy::rust_files;
use stub::{Fault, Plan, Stub};

const GROUP: &str = "/aws/rds/instance/orders/general";

pub(crate) struct Told {
    code: Option<i32>,
    findings: Vec<Value>,
    text: String,
}

impl Told {
    fn codes(&self) -> Vec<&str> {
        self.findings.iter().map(|found| found["code"].as_str().unwrap()).collect()
    }
}

/// Runs the program while this thread's servers go on answering.
pub(crate) async fn run(arguments: &[&str]) -> Output {
    run_in(arguments, &[]).await
}

/// With these variables; one without a value is taken away.
async fn run_in(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut doctor = command();
    doctor.arg("doctor").args(arguments);
    for (name, value) in variables {
        if value.is_empty() {
            doctor.env_remove(name)
        } else {
            doctor.env(name, value)
        };
    }
    tokio::task::spawn_blocking(move || doctor.output().unwrap()).await.unwrap()
}

pub(crate) async fn doctor(name: &str, url: &str, more: &[&str]) -> Told {
    let fixed = [name, "--endpoint-url", url, "--region", "eu-west-1", "--json"];
    let output = run(&[&fixed[..], more].concat()).await;
    let (text, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let findings = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{stderr}"));
    Told { code: output.status.code(), findings, text: format!("{text}{stderr}") }
}

async fn examined(plan: Plan) -> (Told, Stub) {
    let stub = Stub::start(plan).await;
    let told = doctor(GROUP, &stub.url, &["--opensearch", &stub.url]).await;
    (told, stub)
}

fn plan(chain: &'static str) -> Plan {
    Plan { chain, ..Plan::default() }
}

#[tokio::test]
async fn a_healthy_chain_has_no_finding_and_nothing_but_reading_is_asked_for() {
    for chain in ["classic", "direct"] {
        let (told, stub) = examined(plan(chain)).await;
        assert_eq!((told.code, told.findings.as_slice()), (Some(0), &[][..]), "{chain}: {}", told.text);
        let calls: BTreeSet<String> = stub.calls().into_iter().collect();
        for call in &calls {
            let name = call.split('.').nth(1).unwrap_or_default();
            let reads = ["Describe", "List", "Get", "Head"].iter().any(|verb| name.starts_with(verb));
            assert!(reads || name == "TestMetricFilter" || call.starts_with("GET /"), "{call}");
        }
        assert!(calls.len() > 20, "{calls:?}");
        assert!(!told.text.contains("secret-of-somebody"));
    }
}

#[tokio::test]
async fn a_chain_is_found_from_its_stream_too() {
    for name in ["logs", "arn:aws:kinesis:eu-west-1:123456789012:stream/logs"] {
        let stub = Stub::start(plan("classic")).await;
        let told = doctor(name, &stub.url, &["--opensearch", &stub.url]).await;
        assert_eq!((told.code, told.findings.as_slice()), (Some(0), &[][..]), "{name}: {}", told.text);
        assert!(stub.calls().contains(&"rds.DescribeDBInstances".to_owned()), "the database was found by the filter");
    }
    let stub = Stub::start(Plan { absent: vec!["DescribeStreamSummary"], ..plan("classic") }).await;
    let told = doctor("nowhere", &stub.url, &[]).await;
    assert_eq!((told.code, told.codes()), (Some(3), vec!["stream-missing"]), "{}", told.text);
}

const FAILED_APART: &str = r#""S3BackupMode": "FailedDocumentsOnly",
     "S3DestinationDescription": {
      "RoleARN": "arn:aws:iam::123456789012:role/delivery",
      "BucketARN": "arn:aws:s3:::failed",
      "Prefix": "backup/",
      "ErrorOutputPrefix": "firehose/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd/HH}/","#;

const ALL_TOGETHER: &str = r#""S3BackupMode": "AllDocuments",
     "S3DestinationDescription": {
      "RoleARN": "arn:aws:iam::123456789012:role/delivery",
      "BucketARN": "arn:aws:s3:::failed",
      "Prefix": "backup/","#;

/// Answers with one fault in them, the code that it gives, and the exit code.
const FAULTS: &[(Fault, &str, i32)] = &[
    (
        ("DescribeDBInstances", "in-sync</ParameterApplyStatus>", "pending-reboot</ParameterApplyStatus>"),
        "rds-parameter-group-pending-reboot",
        1,
    ),
    (("DescribeDBInstances", "<member>general</member>", ""), "rds-export-off", 3),
    (("DescribeDBParameters", "<ParameterValue>FILE<", "<ParameterValue>TABLE<"), "rds-log-output-not-file", 3),
    (
        (
            "DescribeDBParameters",
            "<ParameterName>general_log</ParameterName><ParameterValue>1<",
            "<ParameterName>general_log</ParameterName><ParameterValue>0<",
        ),
        "rds-general-log-off",
        3,
    ),
    (("DescribeLogGroups", "STANDARD", "INFREQUENT_ACCESS"), "log-group-class", 3),
    (("DescribeLogGroups", "\"retentionInDays\": 14,", ""), "log-group-retention", 0),
    (("DescribeSubscriptionFilters", "Random", "ByLogStream"), "filter-by-log-stream", 1),
    (("GetRole", "logs.eu-west-1.amazonaws.com", "events.amazonaws.com"), "filter-role-trust", 3),
    (("DescribeStreamSummary", "168", "24"), "stream-retention", 1),
    (("DescribeStreamSummary", "\"ACTIVE\"", "\"DELETING\""), "stream-not-active", 3),
    (("ListDeliveryStreams", "\"delivery\"", ""), "stream-no-reader", 1),
    (("DescribeDeliveryStream", "\"0.2\"", "\"3\""), "firehose-buffer", 1),
    (("DescribeDeliveryStream", "\"OneDay\"", "\"NoRotation\""), "firehose-no-rotation", 1),
    (("DescribeDeliveryStream", FAILED_APART, ALL_TOGETHER), "firehose-error-prefix", 1),
    (
        ("DescribeDeliveryStream", "\"Type\": \"Lambda\"", "\"Type\": \"AppendDelimiterToRecord\""),
        "firehose-no-processor",
        3,
    ),
    (("GetFunctionConfiguration", "provided.al2023", "python3.9"), "lambda-runtime", 1),
    (("GetFunctionConfiguration", "\"Timeout\": 120", "\"Timeout\": 3"), "lambda-timeout", 1),
    (("GetFunctionConcurrency", "{}", "{\"ReservedConcurrentExecutions\": 0}"), "lambda-concurrency", 3),
    (("GetPolicyVersion", "logs%3APutLogEvents", "logs%3AGetLogEvents"), "lambda-no-log", 1),
    (("DescribeDomain", "\"Deleted\": false", "\"Deleted\": true"), "opensearch-domain-missing", 3),
    (("GetMetricData", "<member>998.0</member>", "<member>0</member>"), "filter-forwards-nothing", 0),
    (
        ("GetMetricData", "<Values><member>2000.0</member></Values>", "<Values><member>500000000</member></Values>"),
        "stream-iterator-age",
        3,
    ),
    (
        (
            "GetMetricData",
            "<Values><member>1000.0</member></Values><StatusCode>Complete</StatusCode></member>\n<member><Id>writethrottled<",
            "<Values><member>500000000</member></Values><StatusCode>Complete</StatusCode></member>\n<member><Id>writethrottled<",
        ),
        "stream-iterator-age",
        3,
    ),
    (
        (
            "GetMetricData",
            "</Timestamps><Values><member>71.0</member></Values>",
            "<member>2026-11-28T14:00:00Z</member></Timestamps><Values><member>71.0</member><member>1200</member></Values>",
        ),
        "firehose-freshness",
        1,
    ),
];

#[tokio::test]
async fn one_fault_gives_one_finding() {
    for (fault, code, exit) in FAULTS {
        let (told, _stub) = examined(Plan { faults: vec![*fault], ..plan("classic") }).await;
        let mut codes = told.codes();
        // A stream that nothing reads leads to no OpenSearch, and the function has no right to be looked for.
        codes.dedup();
        assert_eq!((told.code, codes), (Some(*exit), vec![*code]), "{fault:?}: {}", told.text);
        for part in ["severity", "hop", "read", "why", "mend"] {
            assert!(!told.findings[0][part].as_str().unwrap().is_empty(), "{fault:?}: {}", told.text);
        }
    }
}

/// Where the pattern lets all pass, none forwarded is a fault; of a filter that was just put nothing is said.
#[tokio::test]
async fn what_a_filter_forwards_is_judged_by_its_pattern_and_its_age() {
    let pattern =
        r#"-\"INSERT INTO mysql.rds_heartbeat2(id, value) values\" -\"SELECT value FROM mysql.rds_heartbeat2\""#;
    let no_pattern = ("DescribeSubscriptionFilters", pattern, "");
    let nothing = ("GetMetricData", "<member>998.0</member>", "<member>0</member>");
    let (told, _stub) = examined(Plan { faults: vec![no_pattern, nothing], ..plan("classic") }).await;
    assert_eq!((told.code, told.codes()), (Some(3), vec!["filter-forwards-nothing"]), "{}", told.text);
    let young = ("DescribeSubscriptionFilters", "1700000000000", "4102444800000");
    let (told, _stub) = examined(Plan { faults: vec![no_pattern, nothing, young], ..plan("classic") }).await;
    assert_eq!((told.code, told.findings.as_slice()), (Some(0), &[][..]), "{}", told.text);
}

/// A second reader of the stream that is somebody else's is named, and no command touches it.
#[tokio::test]
async fn a_function_that_is_not_hydrants_gets_no_remedy() {
    let variables = r#""HYDRANT_FAILED_TO": "s3://failed/hydrant",
   "HYDRANT_INDEX_ENDPOINT": "http://127.0.0.1:1",
   "HYDRANT_OUTPUT": "opensearch","#;
    let faults = vec![
        ("GetFunctionConfiguration", variables, ""),
        ("GetFunctionConfiguration", "provided.al2023", "python3.12"),
        ("ListEventSourceMappings", "ReportBatchItemFailures", ""),
    ];
    let (told, _stub) = examined(Plan { faults, ..plan("direct") }).await;
    assert_eq!((told.code, told.codes()), (Some(1), vec!["stream-no-reader", "lambda-not-hydrant"]), "{}", told.text);
    assert!(!told.text.contains("update-function-code"), "{}", told.text);
}

#[tokio::test]
async fn what_the_cluster_says_is_judged() {
    let blocked = json!({"blocks": {"indices": {"hydrant-general-2026-11-28":
        {"12": {"description": "index read-only / allow delete (api)", "levels": ["write"]}}}}});
    for (path, answer, code) in [
        ("/_cluster/state/blocks", blocked, "opensearch-blocked"),
        ("/_cat/allocation", json!([{"node": "n", "disk.percent": "97"}]), "opensearch-disk"),
        ("/_index_template", json!({"index_templates": []}), "opensearch-no-template"),
        (
            "/_plugins/_security/api/rolesmapping",
            json!({"all_access": {"backend_roles": ["admin"]}}),
            "opensearch-role-not-mapped",
        ),
        (
            "/_plugins/_security/api/rolesmapping",
            json!({"readall": {"backend_roles": ["arn:aws:iam::123456789012:role/delivery"]}}),
            "opensearch-role-not-mapped",
        ),
        ("/_cluster/health", json!({"status": "red"}), "opensearch-red"),
    ] {
        let (told, _stub) = examined(Plan { cluster: [(path, answer)].into(), ..plan("classic") }).await;
        assert_eq!(told.codes(), [code], "{}", told.text);
    }
    let stub = Stub::start(plan("classic")).await;
    let told = doctor(GROUP, &stub.url, &["--opensearch", "http://127.0.0.1:1"]).await;
    assert_eq!((told.code, told.codes()), (Some(3), vec!["opensearch-no-answer"]), "{}", told.text);
}

#[tokio::test]
async fn failed_objects_are_counted_by_reason_and_their_payload_is_not_shown() {
    let object = "<Contents><Key>firehose/processing-failed/2026/11/28/10/x</Key><LastModified>2026-11-28T10:00:00.000Z\
                  </LastModified><Size>100</Size></Contents></ListBucketResult>";
    let fault = ("ListObjectsV2", "</ListBucketResult>", object);
    let (told, _stub) = examined(Plan { faults: vec![fault], ..plan("classic") }).await;
    assert_eq!((told.code, told.findings.len()), (Some(1), 1), "{}", told.text);
    let read = told.findings[0]["read"].as_str().unwrap();
    assert!(read.contains("1 objects of what failed: processing-failed 1"), "{read}");
    assert!(read.contains("Lambda.FunctionError 1") && read.contains("mapper_parsing_exception 1"), "{read}");
    assert!(!told.text.contains("payload-of-somebody") && !told.text.contains("U0VDUkVU"), "{}", told.text);
}

#[tokio::test]
async fn what_is_denied_names_action_and_resource_and_the_walk_goes_on() {
    for (operation, permission, resource) in [
        ("DescribeDBInstances", "rds:DescribeDBInstances", "orders"),
        ("DescribeSubscriptionFilters", "logs:DescribeSubscriptionFilters", GROUP),
        ("DescribeStreamSummary", "kinesis:DescribeStreamSummary", "logs"),
        ("DescribeDeliveryStream", "firehose:DescribeDeliveryStream", "delivery"),
        ("GetFunctionConfiguration", "lambda:GetFunctionConfiguration", "function:transform:live"),
        ("GetRolePolicy", "iam:GetRolePolicy", "role/delivery"),
        ("GetMetricData", "cloudwatch:GetMetricData", "*"),
        ("ListObjectsV2", "s3:ListBucket", "failed"),
        ("DescribeDomain", "es:DescribeDomain", "domain/search"),
    ] {
        let (told, _stub) = examined(Plan { denied: vec![operation], ..plan("classic") }).await;
        let found = told
            .findings
            .iter()
            .find(|found| found["code"] == "not-allowed")
            .unwrap_or_else(|| panic!("{}", told.text));
        let read = found["read"].as_str().unwrap();
        assert!(read.contains(&format!("{permission} on ")) && read.contains(resource), "{read}");
        assert!(found["mend"].as_str().unwrap().contains(permission), "{found}");
        assert_ne!(told.code, Some(3), "{operation}: {}", told.text);
    }
    // Everything at once.
    let all =
        ["DescribeLogGroups", "DescribeDBInstances", "DescribeStreamSummary", "ListDeliveryStreams", "GetMetricData"];
    let (told, _stub) = examined(Plan { denied: all.to_vec(), ..plan("classic") }).await;
    assert_eq!((told.code, told.codes()[0]), (Some(4), "nothing-read"), "{}", told.text);
    assert!(told.codes()[1..].iter().all(|code| *code == "not-allowed"), "{}", told.text);
}

#[tokio::test]
async fn command_lines_that_are_wrong_exit_with_2() {
    for arguments in [
        &["x", "--no-such"][..],
        &[],
        &["x", "--canary-wait", "5"],
        &["x", "--opensearch", "nothing"],
        &["x", "--opensearch", ""],
        &["x", "--endpoint-url", ""],
        &["x", "--endpoint-url", "nothing"],
        &["x", "--profile", ""],
        &["x", "--region", ""],
        &["x", "--index", ""],
    ] {
        let output = run(arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    for name in ["", " ", "a b", "arn:", "arn:aws:lambda:eu-west-1:1:function:f", "arn:aws:logs:eu-west-1:1:log-group:"]
    {
        let output = run(&[name, "--endpoint-url", "http://127.0.0.1:1"]).await;
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}: {stderr}");
        let expected = "the name of a log group, as /aws/rds/instance/ID/general, or of a Kinesis stream is expected";
        assert!(stderr.split_whitespace().collect::<Vec<_>>().join(" ").contains(expected), "{name}: {stderr}");
    }
}

#[tokio::test]
async fn the_exit_codes_stand_in_the_help() {
    let output = run(&["--help"]).await;
    let help = String::from_utf8(output.stdout).unwrap();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for code in ["0 nothing worse than", "1 at least one warning", "2 the command", "3 at least one error", "4 nothing"]
    {
        assert!(help.contains(code), "{code}: {help}");
    }
}

#[tokio::test]
async fn people_read_text() {
    let stub = Stub::start(Plan { faults: vec![("DescribeStreamSummary", "168", "24")], ..plan("classic") }).await;
    let output = run(&[GROUP, "--endpoint-url", &stub.url, "--region", "eu-west-1", "--opensearch", &stub.url]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let expected = "warning  stream: stream-retention\n  read: logs keeps records for 24 hours\n  why:  ";
    assert!(text.starts_with(expected), "{text}");
    let mend = format!(
        "\n  mend: aws kinesis increase-stream-retention-period --stream-name logs --retention-period-hours 168 \
         --region eu-west-1 --endpoint-url {}\n1 findings: 0 errors, 1 warnings\n",
        stub.url
    );
    assert!(text.ends_with(&mend), "{text}");
}

/// Every code stands in docs/doctor.md, and every code there is one; so does every right.
#[test]
fn the_page_has_every_code_and_every_right() {
    let inside = |path: &str| path.starts_with("crates/hydrant/src/cli/doctor/") && !path.contains("/tests/");
    let sources = rust_files().into_iter().filter(|(path, _)| inside(path));
    let text: String =
        sources.map(|(_, text)| text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned()).collect();
    // What is quoted and has the form of a code.
    let begins = [
        "not-",
        "nothing-",
        "credentials-",
        "no-",
        "unexpected-",
        "rds-",
        "log-group-",
        "filter-",
        "stream-",
        "firehose-",
        "lambda-",
        "mapping-",
        "opensearch-",
        "failed-",
        "canary-",
    ];
    let is_code = |word: &&str| {
        begins.iter().any(|begin| word.starts_with(begin))
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
            && !word.ends_with("-failed")
    };
    let codes: BTreeSet<&str> = text.split('"').filter(is_code).filter(|word| *word != "log-group").collect();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/doctor.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let told: BTreeSet<&str> = rows.filter(|word| !word.starts_with("--")).collect();
    assert_eq!(codes, told);
    let targets = text.split('"').filter_map(|word| {
        let (service, name) = word.split_once('.')?;
        let service = match service {
            "Logs_20140328" => "logs",
            "Kinesis_20131202" => "kinesis",
            "Firehose_20150804" => "firehose",
            "rds" | "lambda" | "iam" | "es" | "s3" | "cloudwatch" => service,
            _ => return None,
        };
        Some(format!("\"{service}:{}\"", if name == "ListObjectsV2" { "ListBucket" } else { name }))
    });
    let targets: Vec<String> = targets.collect();
    assert!(targets.len() > 25, "{targets:?}");
    for right in targets {
        assert!(page.contains(&right), "{right}");
    }
}
