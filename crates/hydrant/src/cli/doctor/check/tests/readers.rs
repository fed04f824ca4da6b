//! Faults of what reads the stream, and of OpenSearch.

use super::*;

const UPDATE: &str = "update-destination --delivery-stream-name delivery --current-delivery-stream-version-id 3";

const FIREHOSE: &[Case] = &[
    (|c| delivery(c).status = "CREATING_FAILED".to_owned(), Hop::Firehose, "firehose-not-active", ERROR, &["delivery"]),
    (
        |c| delivery(c).processor = None,
        Hop::Firehose,
        "firehose-no-processor",
        ERROR,
        &[UPDATE, "destinationId-000000000001", "BufferSizeInMBs", "0.2"],
    ),
    (
        |c| delivery(c).processor.as_mut().unwrap().buffer_mb = Mb(1_000),
        Hop::Firehose,
        "firehose-buffer",
        WARNING,
        &[UPDATE, FUNCTION, "0.2"],
    ),
    (
        |c| delivery(c).destination.rotation = "NoRotation".to_owned(),
        Hop::Firehose,
        "firehose-no-rotation",
        WARNING,
        &[UPDATE, "\"IndexRotationPeriod\":\"OneDay\""],
    ),
    (
        |c| delivery(c).destination.error_prefix = "firehose/".to_owned(),
        Hop::Firehose,
        "firehose-error-prefix",
        WARNING,
        &[UPDATE, "!{firehose:error-output-type}"],
    ),
    (|c| delivery(c).destination.bucket_arn.clear(), Hop::Firehose, "firehose-no-bucket", ERROR, &["delivery"]),
    (
        |c| delivery(c).destination.logs = false,
        Hop::Firehose,
        "firehose-no-log",
        INFO,
        &[UPDATE, "/aws/kinesisfirehose/delivery"],
    ),
    (|c| delivery(c).destination.kind = Kind::None, Hop::Firehose, "firehose-no-destination", ERROR, &["delivery"]),
    (
        |c| delivery(c).destination.kind = Kind::Other("SplunkDestinationDescription".to_owned()),
        Hop::Firehose,
        "firehose-other-destination",
        INFO,
        &["delivery"],
    ),
    (
        |c| without(c, "delivery", "lambda:InvokeFunction"),
        Hop::Firehose,
        "firehose-role-rights",
        ERROR,
        &["put-role-policy --role-name delivery", "lambda:InvokeFunction", FUNCTION],
    ),
    (
        |c| without(c, "delivery", "es:ESHttp*"),
        Hop::Firehose,
        "firehose-role-rights",
        ERROR,
        &["es:ESHttpPost", healthy::DOMAIN],
    ),
    (
        |c| *c.roles.get_mut(&role_arn("delivery")).unwrap() = Looked::NotThere,
        Hop::Firehose,
        "firehose-role-missing",
        ERROR,
        &["create-role --role-name delivery"],
    ),
    (
        |c| role(c, "delivery").trust = Json::Null,
        Hop::Firehose,
        "firehose-role-trust",
        ERROR,
        &["update-assume-role-policy --role-name delivery", "firehose.amazonaws.com"],
    ),
    (
        |c| metric(c, "freshness0", 1_200.0),
        Hop::Firehose,
        "firehose-freshness",
        WARNING,
        &["/aws/kinesisfirehose/delivery"],
    ),
    (|c| metric(c, "freshness0", 9_000.0), Hop::Firehose, "firehose-freshness", ERROR, &["delivery"]),
    (|c| metric(c, "success0", 0.5), Hop::Firehose, "firehose-delivery", WARNING, &["delivery"]),
    (|c| metric(c, "processing0", 0.5), Hop::Firehose, "firehose-processing", WARNING, &["delivery"]),
    (
        |c| metric(c, "authfailure0", 1.0),
        Hop::Firehose,
        "firehose-auth-failure",
        ERROR,
        &["hydrant setup opensearch", "role/delivery"],
    ),
];

#[test]
fn faults_of_firehose() {
    all(healthy::classic, FIREHOSE);
    let absent = only(healthy::classic(), |c| {
        c.absent.push("arn:aws:firehose:eu-west-1:123456789012:deliverystream/gone".to_owned());
    });
    is(&absent, Hop::Firehose, "firehose-missing", ERROR, &["list-delivery-streams"]);
}

const CONFIGURE: &str = "update-function-configuration --function-name transform";

const FUNCTION_CASES: &[Case] = &[
    (
        |c| c.functions[0].runtime = "python3.9".to_owned(),
        Hop::Lambda,
        "lambda-runtime",
        WARNING,
        &[CONFIGURE, "provided.al2023", "update-function-code", "hydrant-lambda"],
    ),
    (|c| c.functions[0].timeout_seconds = 3, Hop::Lambda, "lambda-timeout", ERROR, &[CONFIGURE, "--timeout 120"]),
    (|c| c.functions[0].memory_mb = 128, Hop::Lambda, "lambda-memory", WARNING, &[CONFIGURE, "--memory-size 512"]),
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
        &[CONFIGURE, "HYDRANT_FAILED_TO=s3://"],
    ),
    (
        |c| without(c, "function", "logs:*"),
        Hop::Lambda,
        "lambda-no-log",
        ERROR,
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
    (|c| metric(c, "throttles0", 2.0), Hop::Lambda, "lambda-throttled", WARNING, &["transform"]),
];

#[test]
fn faults_of_the_function() {
    all(healthy::classic, FUNCTION_CASES);
    let missing = only(healthy::classic(), |c| {
        c.functions.clear();
        c.absent.push(FUNCTION.to_owned());
    });
    is(&missing, Hop::Lambda, "lambda-missing", ERROR, &["list-functions"]);
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
        &["TRIM_HORIZON", STREAM],
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

const SETUP: &str = "hydrant setup opensearch --endpoint https://search.example";

const SETTINGS: &str = "https://search.example/hydrant-general*/_settings";

const OPENSEARCH: &[Case] = &[
    (
        |c| c.clusters[0].reach = Reach::NoAnswer("connection refused".to_owned()),
        Hop::Opensearch,
        "opensearch-no-answer",
        ERROR,
        &["https://search.example"],
    ),
    (
        |c| c.clusters[0].reach = Reach::NotLetIn("HTTP status 403".to_owned()),
        Hop::Opensearch,
        "opensearch-not-let-in",
        WARNING,
        &[SETUP],
    ),
    (
        |c| {
            c.clusters[0].reach = Reach::NoAnswer("no route".to_owned());
            found(&mut c.clusters[0].domain).is_private = true;
        },
        Hop::Opensearch,
        "opensearch-private",
        WARNING,
        &["--opensearch"],
    ),
    (
        |c| {
            (c.clusters[0].domain, c.clusters[0].reach) = (Looked::NotThere, Reach::NotAsked);
        },
        Hop::Opensearch,
        "opensearch-domain-missing",
        ERROR,
        &["list-domain-names"],
    ),
    (
        |c| c.clusters[0].templates = Looked::Found(vec!["other*".to_owned()]),
        Hop::Opensearch,
        "opensearch-no-template",
        WARNING,
        &[SETUP],
    ),
    (
        |c| c.clusters[0].mapped = Looked::Found(vec!["somebody".to_owned()]),
        Hop::Opensearch,
        "opensearch-role-not-mapped",
        ERROR,
        &[SETUP, "--role-arn arn:aws:iam::123456789012:role/delivery"],
    ),
    (
        |c| {
            let block = ("hydrant-general-2026-11-28".to_owned(), "index write (api)".to_owned());
            c.clusters[0].blocks = Looked::Found(vec![block, ("theirs".to_owned(), "x".to_owned())]);
        },
        Hop::Opensearch,
        "opensearch-blocked",
        ERROR,
        &[SETTINGS],
    ),
    (|c| metric(c, "writesblocked0", 1.0), Hop::Opensearch, "opensearch-blocked", ERROR, &[SETTINGS]),
    (
        |c| c.clusters[0].health = Some("red".to_owned()),
        Hop::Opensearch,
        "opensearch-red",
        ERROR,
        &["allocation/explain"],
    ),
    (
        |c| c.clusters[0].disks = Looked::Found(vec![("n".to_owned(), 88)]),
        Hop::Opensearch,
        "opensearch-disk",
        WARNING,
        &["update-domain-config --domain-name search"],
    ),
    (
        |c| c.clusters[0].disks = Looked::Found(vec![("n".to_owned(), 96)]),
        Hop::Opensearch,
        "opensearch-disk",
        ERROR,
        &["search"],
    ),
    (|c| c.clusters.clear(), Hop::Opensearch, "opensearch-not-known", WARNING, &["--opensearch"]),
];

#[test]
fn faults_of_opensearch() {
    all(healthy::classic, OPENSEARCH);
}
