//! What the function is told wrong, and what AWS denies it: both in words that say what to do, and nothing of a payload.

use std::time::Duration;

use serde_json::{Value, json};

use crate::events::{Source, envelope, firehose_data, kinesis, statement};
use crate::firehose::{Became, TIME, document, results};
use crate::runtime_api::{Ended, Lambda, Program};
use crate::stub::{Reply, Stub, taken};

/// The function does not begin: an error of its initialisation that holds all of `names`, the same in its log, and an
/// exit code.
async fn refused(variables: &[(&str, &str)], names: &[&str]) {
    let mut function = Lambda::deploy(variables).await;
    let (code, errors) = function.refuses().await;
    assert!(code.is_some_and(|code| code != 0), "{variables:?}: {code:?}");
    assert_eq!(errors.len(), 1, "{variables:?}: told once");
    assert!(errors[0]["errorType"].as_str().is_some_and(|kind| !kind.is_empty()));
    let (message, output) = (errors[0]["errorMessage"].as_str().unwrap(), function.output());
    for name in names {
        assert!(message.contains(name), "{variables:?}: {message} does not name {name}");
        assert!(output.contains(name), "{variables:?}: the log does not name {name}");
    }
    for line in output.lines().filter(|line| !line.is_empty()) {
        assert!(serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object()), "logs are JSON: {line}");
    }
}

#[tokio::test]
async fn unknown_variables_are_errors_of_the_initialisation() {
    for name in ["HYDRANT_", "HYDRANT_INDEX_ENDPIONT", "HYDRANT_index_endpoint", "HYDRANT_OUTPUTS"] {
        refused(&[(name, "x")], &[name]).await;
    }
}

#[tokio::test]
async fn wrong_values_are_named_with_their_variables() {
    let wrong = [
        ("HYDRANT_OUTPUT", "s3"),
        ("HYDRANT_DESTINATION", "splunk"),
        ("HYDRANT_ANSWER_LIMIT", "6 MB"),
        ("HYDRANT_ANSWER_LIMIT", "-1"),
        ("HYDRANT_ANSWER_LIMIT", "0"),
        ("HYDRANT_ANSWER_LIMIT", "99999999999999999999999"),
        // More than a function may answer.
        ("HYDRANT_ANSWER_LIMIT", "6291557"),
        ("HYDRANT_INDEX_ENDPOINT", "localhost:9200"),
        ("HYDRANT_INDEX_ENDPOINT", "ftp://a"),
        ("HYDRANT_INDEX_ROTATION", "Hourly"),
        ("HYDRANT_INDEX_NAME", "UPPER CASE"),
        ("HYDRANT_INDEX_SIGN", "v4"),
        ("HYDRANT_TRANSFORM_PROFILE", "clasic"),
        ("HYDRANT_TRANSFORM_FORMAT", "xml"),
        ("HYDRANT_TRANSFORM_REDACT", "yes"),
        ("HYDRANT_TRANSFORM_PID", "7"),
        ("HYDRANT_FAILED_TO", "/tmp"),
        ("HYDRANT_FAILED_TO", "s3://"),
        ("HYDRANT_FAILED_TO", "https://bucket"),
    ];
    for (name, value) in wrong {
        refused(&[(name, value)], &[name]).await;
    }
    // All at once, each named.
    let all = [("HYDRANT_OUTPUT", "s3"), ("HYDRANT_INDEX_ROTATION", "Hourly"), ("HYDRANT_NO_SUCH", "x")];
    refused(&all, &["HYDRANT_OUTPUT", "HYDRANT_INDEX_ROTATION", "HYDRANT_NO_SUCH"]).await;
    refused(&[("HYDRANT_OUTPUT", "firehose")], &["HYDRANT_DELIVERY_STREAM"]).await;
}

/// What is wrong with the platform's own variables is told too, at the latest with the first event, which is answered.
#[tokio::test]
async fn a_wrong_environment_is_told_in_words() {
    refused(&[("AWS_REGION", "")], &["AWS_REGION"]).await;
    for (variables, words) in [
        ([("AWS_ACCESS_KEY_ID", ""), ("AWS_ENDPOINT_URL", "http://127.0.0.1:9")], "AWS_ACCESS_KEY_ID"),
        ([("AWS_ENDPOINT_URL", "127.0.0.1:5000"), ("X", "y")], "kinesis"),
        ([("AWS_ENDPOINT_URL_KINESIS", "no address"), ("X", "y")], "kinesis"),
    ] {
        let mut function = Lambda::deploy(&variables).await;
        let event = firehose_data(Source::Kinesis, [envelope(0..3), envelope([3])]);
        let all = results(&event, &function.answer(&event, Duration::from_secs(5)).await);
        assert_eq!(all[0], Became::Failed, "{variables:?}");
        assert_eq!(document(&all[1])["Statement"], statement(3));
        let line = function.line().await.to_string();
        assert!(line.contains(words), "{line}");
    }
}

/// What others set, or set to nothing, is no error.
#[tokio::test]
async fn other_variables_are_left_alone() {
    let variables = [("HYDRANTS", "x"), ("_HANDLER", "bootstrap"), ("TZ", ":UTC"), ("HYDRANT_INDEX_REGION", "")];
    let mut function = Lambda::deploy(&variables).await;
    let event = firehose_data(Source::DirectPut, [envelope([1])]);
    assert_eq!(document(&results(&event, &function.answer(&event, TIME).await)[0])["Statement"], statement(1));
}

#[tokio::test]
async fn a_trigger_without_opensearch_is_an_error_that_names_the_variable() {
    let mut function = Lambda::deploy(&[]).await;
    let ended = function.invoke(kinesis([envelope([1])]).to_string(), TIME).await;
    let Ended::Error(error) = ended else { panic!("{ended:?}") };
    assert!(error["errorMessage"].as_str().unwrap().contains("HYDRANT_INDEX_ENDPOINT"), "{error}");
    assert!(function.line().await["error"].as_str().unwrap().contains("HYDRANT_INDEX_ENDPOINT"));
}

const ROLE: &str = "arn:aws:sts::123456789012:assumed-role/hydrant/hydrant-test";

/// As AWS words it.
fn denied(action: &str, resource: &str) -> String {
    let because = "because no identity-based policy allows the action";
    format!("User: {ROLE} is not authorized to perform: {action} on resource: {resource} {because}")
}

#[tokio::test]
async fn denied_calls_to_streams_are_named_with_action_and_resource() {
    for (source, action, resource) in [
        (Source::Kinesis, "kinesis:PutRecords", "arn:aws:kinesis:us-east-1:123456789012:stream/logs"),
        (
            Source::DirectPut,
            "firehose:PutRecordBatch",
            "arn:aws:firehose:us-east-1:123456789012:deliverystream/to-opensearch",
        ),
    ] {
        let stub = Stub::start(move |_, _| {
            let told = json!({"__type": "AccessDeniedException", "Message": denied(action, resource)});
            Reply::Json(400, told)
        })
        .await;
        let mut function = Lambda::deploy(&[("AWS_ENDPOINT_URL", &stub.url)]).await;
        let event = firehose_data(source, [envelope(0..3)]);
        function.answer(&event, TIME).await;
        let line = function.line().await.to_string();
        assert!(line.contains(action) && line.contains(resource), "{line}");
        assert_eq!(stub.calls().len(), 1, "what is denied is not asked for twenty times");
    }
}

#[tokio::test]
async fn a_denied_bucket_is_named_with_action_and_resource() {
    let resource = "arn:aws:s3:::failed-bucket/processing-failed/x";
    let stub = Stub::start(|call, _| {
        if call.method != "PUT" {
            return taken(call, |_| Some("InternalFailure"));
        }
        Reply::Text(
            403,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code><Message>User: \
             arn:aws:sts::123456789012:assumed-role/hydrant/hydrant-test is not authorized to perform: s3:PutObject on \
             resource: &quot;arn:aws:s3:::failed-bucket/processing-failed/x&quot; because no identity-based policy \
             allows the s3:PutObject action</Message><RequestId>656c76696e6727732072657175657374</RequestId></Error>",
        )
    })
    .await;
    let variables = [("AWS_ENDPOINT_URL", stub.url.as_str()), ("HYDRANT_FAILED_TO", "s3://failed-bucket")];
    let mut function = Lambda::deploy(&variables).await;
    let event = firehose_data(Source::Kinesis, [envelope(0..3)]);
    function.answer(&event, Duration::from_secs(2)).await;
    let line = function.line().await.to_string();
    assert!(line.contains("s3:PutObject") && line.contains(resource), "{line}");
}

/// S3's own words may be no more than these.
#[tokio::test]
async fn a_bucket_that_says_only_access_denied_is_named_all_the_same() {
    let denied = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
    let bucket = Stub::start(move |_, _| Reply::Text(403, denied)).await;
    let variables = [("AWS_ENDPOINT_URL", bucket.url.as_str()), ("HYDRANT_FAILED_TO", "s3://failed-bucket/of/logs")];
    let mut function = Lambda::deploy(&variables).await;
    let event = firehose_data(Source::Kinesis, [envelope(0..3)]);
    function.answer(&event, Duration::from_secs(2)).await;
    let line = function.line().await.to_string();
    assert!(line.contains("s3:PutObject on failed-bucket/of/logs/hydrant-failed.json: AccessDenied"), "{line}");
}

/// A value that is no text is not taken for one that is not set.
#[tokio::test]
async fn a_variable_that_is_no_text_is_an_error_of_the_initialisation() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let ended = std::process::Command::new(&Program::function().command[0])
        .env_clear()
        .envs([("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9"), ("AWS_REGION", "us-east-1")])
        .env("HYDRANT_FAILED_TO", OsStr::from_bytes(b"s3://bucket\xff"))
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(1));
    let output = String::from_utf8(ended.stdout).unwrap();
    assert!(output.contains("HYDRANT_FAILED_TO: it is not UTF-8"), "{output}");
}

#[tokio::test]
async fn a_domain_that_denies_is_named_with_action_and_resource() {
    let resource = "arn:aws:es:us-east-1:123456789012:domain/logs/_bulk";
    let by_policy =
        Stub::start(move |_, _| Reply::Json(403, json!({"Message": denied("es:ESHttpPost", resource)}))).await;
    let by_role = Stub::start(|_, _| {
        let reason =
            "no permissions for [indices:data/write/bulk] and User [name=arn:aws:iam::123456789012:role/hydrant]";
        let cause = json!({"type": "security_exception", "reason": reason});
        Reply::Json(
            403,
            json!({"error": {"root_cause": [cause], "type": "security_exception", "reason": reason}, "status": 403}),
        )
    })
    .await;
    for (stub, words) in
        [(&by_policy, ["es:ESHttpPost", resource]), (&by_role, ["indices:data/write/bulk", "role/hydrant"])]
    {
        let variables = [("HYDRANT_INDEX_ENDPOINT", stub.url.as_str()), ("HYDRANT_INDEX_SIGN", "es")];
        let mut function = Lambda::deploy(&variables).await;
        let answer = function.answer(&kinesis([envelope(0..3)]), Duration::from_secs(3)).await;
        assert!(!answer["batchItemFailures"][0]["itemIdentifier"].is_null(), "{answer}");
        let line = function.line().await.to_string();
        assert!(words.iter().all(|word| line.contains(word)), "{line}");
        let calls = stub.calls();
        assert!(calls[0].header("authorization").contains("/us-east-1/es/aws4_request"), "{:?}", calls[0].headers);
        assert_eq!(calls[0].header("x-amz-security-token"), "token-of-the-role");
    }
}

/// CloudWatch's embedded metric format: names, units, and each value beside.
#[tokio::test]
async fn the_line_of_an_invocation_holds_its_metrics() {
    let again = Stub::taking_all().await;
    let mut function = Lambda::deploy(&[("AWS_ENDPOINT_URL", &again.url)]).await;
    let event = firehose_data(Source::Kinesis, [envelope(0..3), envelope([3])]);
    function.answer(&event, TIME).await;
    let line = function.line().await;
    let about = &line["_aws"];
    assert!(about["Timestamp"].is_u64());
    let mut names = Vec::new();
    for set in about["CloudWatchMetrics"].as_array().unwrap() {
        assert!(!set["Namespace"].as_str().unwrap().is_empty());
        for dimension in set["Dimensions"].as_array().unwrap().iter().flat_map(|all| all.as_array().unwrap()) {
            assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension}");
        }
        for metric in set["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            assert!(line[name].is_number() && metric["Unit"].is_string(), "{metric}");
            names.push(name.to_lowercase());
        }
    }
    for name in ["received", "delivered", "sent_again", "failed", "duplicates", "bytes", "lag"] {
        assert!(names.iter().any(|known| known == name), "{name} of {names:?}");
    }
    assert_eq!(line["bytes"], json!(event.to_string().len()));
    assert!(line["lag"].as_u64().unwrap() < 100 * 365 * 86_400_000);
}

/// The process lives on after errors, and starts again after it was killed.
#[tokio::test]
async fn the_platform_kills_at_the_deadline_and_starts_again() {
    let mut function = Lambda::deploy(&[]).await;
    // What is over before it begins may be answered or killed.
    let event = firehose_data(Source::DirectPut, [envelope([1])]);
    let ended = function.invoke(event.to_string(), Duration::ZERO).await;
    assert!(matches!(ended, Ended::TimedOut | Ended::Answer(_)), "{ended:?}");
    function.invoke_and_kill(event.to_string(), Duration::ZERO).await;
    assert_eq!(document(&results(&event, &function.answer(&event, TIME).await)[0])["Statement"], statement(1));
    assert!(function.starts() >= 2);
}
