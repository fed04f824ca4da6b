//! Faults of the function and of its mapping, and functions of others.

use super::*;
use crate::cli::doctor::read::lambda::{Function, Mapping};

const CONFIGURE: &str = "update-function-configuration --function-name transform";

/// What is called is an alias.
const MOVE: &str = "aws lambda wait function-updated-v2 --function-name transform --region eu-west-1 && \
                    aws lambda update-alias --function-name transform --name live --function-version \
                    \"$(aws lambda publish-version --function-name transform --query Version --output text --region eu-west-1)\"";

/// The code goes in when the settings are there, and is that of the function's processor.
const CODE: &str = "aws lambda wait function-updated-v2 --function-name transform --region eu-west-1 && \
                    aws lambda update-function-code --function-name transform --zip-file fileb://hydrant-lambda-arm64.zip";

const FUNCTION_CASES: &[Case] = &[
    (
        |c| c.functions[0].runtime = "python3.9".to_owned(),
        Hop::Lambda,
        "lambda-runtime",
        WARNING,
        &[CONFIGURE, "provided.al2023", CODE, MOVE],
    ),
    (
        |c| c.functions[0].timeout_seconds = 3,
        Hop::Lambda,
        "lambda-timeout",
        WARNING,
        &[CONFIGURE, "--timeout 120", MOVE],
    ),
    (
        |c| c.functions[0].timeout_seconds = 900,
        Hop::Lambda,
        "lambda-timeout",
        WARNING,
        &[CONFIGURE, "--timeout 300", MOVE],
    ),
    (
        |c| c.functions[0].memory_mb = 128,
        Hop::Lambda,
        "lambda-memory",
        WARNING,
        &[CONFIGURE, "--memory-size 512", MOVE],
    ),
    (
        |c| c.functions[0].reserved = Some(0),
        Hop::Lambda,
        "lambda-concurrency",
        ERROR,
        &["delete-function-concurrency --function-name transform"],
    ),
    (
        |c| c.functions[0].state = "Failed".to_owned(),
        Hop::Lambda,
        "lambda-state",
        ERROR,
        &["get-function --function-name transform --qualifier live"],
    ),
    (
        |c| drop(c.functions[0].variables.remove("HYDRANT_FAILED_TO")),
        Hop::Lambda,
        "lambda-no-failed-bucket",
        WARNING,
        &[CONFIGURE, "--environment \"$(aws lambda get-function-configuration", "HYDRANT_FAILED_TO: `\"s3://", MOVE],
    ),
    (
        |c| without(c, "function", "logs:*"),
        Hop::Lambda,
        "lambda-no-log",
        WARNING,
        &["put-role-policy --role-name function", "logs:PutLogEvents", "/hydrant/logs/function"],
    ),
    (
        |c| without(c, "function", "kinesis:PutRecords"),
        Hop::Lambda,
        "lambda-role-rights",
        ERROR,
        &["put-role-policy --role-name function", "kinesis:PutRecords", STREAM],
    ),
    (
        |c| without(c, "function", "s3:PutObject"),
        Hop::Lambda,
        "lambda-role-rights",
        ERROR,
        &["s3:PutObject", "arn:aws:s3:::failed/hydrant"],
    ),
    (
        |c| *c.roles.get_mut(&role_arn("function")).unwrap() = Looked::NotThere,
        Hop::Lambda,
        "lambda-role-missing",
        ERROR,
        &["create-role --role-name function"],
    ),
    (
        |c| role(c, "function").trust = Json::Null,
        Hop::Lambda,
        "lambda-role-trust",
        ERROR,
        &["update-assume-role-policy --role-name function", "lambda.amazonaws.com"],
    ),
    (|c| metric(c, "errors0", 2.0), Hop::Lambda, "lambda-errors", WARNING, &["logs tail /hydrant/logs/function"]),
    (
        |c| metric(c, "throttles0", 2.0),
        Hop::Lambda,
        "lambda-throttled",
        WARNING,
        &["put-function-concurrency --function-name transform --reserved-concurrent-executions 20"],
    ),
    (
        |c| {
            metric(c, "throttles0", 2.0);
            c.functions[0].reserved = Some(50);
        },
        Hop::Lambda,
        "lambda-throttled",
        WARNING,
        &["--reserved-concurrent-executions 100"],
    ),
    (
        |c| {
            metric(c, "throttles0", 2.0);
            c.functions[0].reserved = Some(0);
        },
        Hop::Lambda,
        "lambda-concurrency",
        ERROR,
        &["delete-function-concurrency --function-name transform"],
    ),
];

#[test]
fn faults_of_the_function() {
    all(healthy::classic, FUNCTION_CASES);
    let timeout = |asked: &str| {
        let mut chain = healthy::classic();
        chain.functions[0].timeout_seconds = 3;
        chain.functions[0].asked = FUNCTION.replace(":live", asked);
        chain.deliveries[0].processor.as_mut().unwrap().function_arn.clone_from(&chain.functions[0].asked);
        check(&chain).into_iter().find(|found| found.code == "lambda-timeout").unwrap()
    };
    let alias = timeout(":live");
    assert!(alias.why.contains("another Release"), "{}", alias.why);
    let latest = timeout("");
    assert!(!latest.mend.contains("publish-version") && !latest.why.contains("Release"), "{latest:?}");
    let version = timeout(":7");
    assert!(version.mend.contains("publish-version") && !version.mend.contains("update-alias"), "{version:?}");
    assert!(version.why.contains("version 7"), "{}", version.why);
    let missing = only(healthy::classic(), |c| {
        c.functions.clear();
        c.absent.push(FUNCTION.to_owned());
    });
    is(&missing, Hop::Lambda, "lambda-missing", ERROR, &["list-functions"]);
}

#[test]
fn policies_of_one_role_do_not_take_each_others_place() {
    let mut chain = healthy::classic();
    without(&mut chain, "function", "logs:*");
    without(&mut chain, "function", "kinesis:PutRecords");
    let findings = check(&chain);
    let codes: Vec<(&str, Severity)> = findings.iter().map(|found| (found.code, found.severity)).collect();
    assert_eq!(codes, [("lambda-role-rights", ERROR), ("lambda-no-log", WARNING)]);
    let name =
        |found: &Finding| found.mend.split("--policy-name ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    assert_ne!(name(&findings[0]), name(&findings[1]), "{findings:#?}");
}

#[test]
fn what_is_not_hydrants_is_named_and_left_alone() {
    let foreign = Function {
        asked: healthy::FOREIGN.to_owned(),
        name: "datadog-forwarder".to_owned(),
        arn: healthy::FOREIGN.to_owned(),
        runtime: "python3.12".to_owned(),
        timeout_seconds: 3,
        memory_mb: 128,
        ..Function::default()
    };
    let mapping = Mapping { uuid: "c3d4".to_owned(), function_arn: healthy::FOREIGN.to_owned(), ..Mapping::default() };
    let beside = only(healthy::direct(), |c| {
        c.functions.push(foreign.clone());
        c.mappings.push(mapping.clone());
    });
    is(&beside, Hop::Lambda, "lambda-not-hydrant", INFO, &["nothing has to be done"]);
    assert!(beside.read.starts_with("datadog-forwarder has the runtime python3.12"), "{}", beside.read);
    // A stream that others only read has no reader that is ours.
    let mut alone = healthy::direct();
    (alone.functions, alone.mappings, alone.clusters) = (vec![foreign], vec![mapping], Vec::new());
    let codes: Vec<&str> = check(&alone).iter().map(|found| found.code).collect::<Vec<_>>();
    assert_eq!(codes, ["stream-no-reader", "lambda-not-hydrant"]);
}

const UPDATE_MAPPING: &str = "update-event-source-mapping --uuid a1b2";

const MAPPING: &[Case] = &[
    (
        |c| c.mappings[0].state = "Disabled".to_owned(),
        Hop::Lambda,
        "mapping-disabled",
        ERROR,
        &[UPDATE_MAPPING, "--enabled"],
    ),
    (
        |c| c.mappings[0].last_result = "PROBLEM: Function call failed".to_owned(),
        Hop::Lambda,
        "mapping-last-result",
        ERROR,
        &["get-event-source-mapping --uuid a1b2"],
    ),
    (
        |c| c.mappings[0].responses.clear(),
        Hop::Lambda,
        "mapping-no-partial-response",
        ERROR,
        &[UPDATE_MAPPING, "--function-response-types ReportBatchItemFailures"],
    ),
    (
        |c| c.mappings[0].bisects = false,
        Hop::Lambda,
        "mapping-no-bisect",
        WARNING,
        &[UPDATE_MAPPING, "--bisect-batch-on-function-error"],
    ),
    (
        |c| c.mappings[0].on_failure = None,
        Hop::Lambda,
        "mapping-no-failure-destination",
        WARNING,
        &[UPDATE_MAPPING, "OnFailure"],
    ),
    (
        |c| c.mappings[0].starts = "LATEST".to_owned(),
        Hop::Lambda,
        "mapping-starts-at-latest",
        INFO,
        &["nothing has to be done", "--starting-position TRIM_HORIZON"],
    ),
    (
        |c| without(c, "function", "kinesis:GetRecords"),
        Hop::Lambda,
        "lambda-role-rights",
        ERROR,
        &["kinesis:GetRecords", STREAM],
    ),
    (
        |c| without(c, "function", "es:ESHttpPost"),
        Hop::Lambda,
        "lambda-role-rights",
        ERROR,
        &["es:ESHttpPost", healthy::DOMAIN],
    ),
];

#[test]
fn faults_of_the_mapping() {
    all(healthy::direct, MAPPING);
}

pub(super) fn mends() -> Vec<String> {
    let mut all = mends_of(healthy::classic, FUNCTION_CASES);
    all.extend(mends_of(healthy::direct, MAPPING));
    all
}
