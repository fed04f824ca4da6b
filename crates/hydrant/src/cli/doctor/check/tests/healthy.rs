//! Two chains in which nothing is wrong: the classic one with Firehose, and the one with a Kinesis trigger.

use std::collections::BTreeMap;

use hydrant_opensearch::Service;
use hydrant_transform::document::Rotation;
use serde_json::{Value as Json, json};

use crate::cli::doctor::read::aws::Looked;
use crate::cli::doctor::read::cluster::{Cluster, Domain, Reach};
use crate::cli::doctor::read::failed::{self, Failed, Layout};
use crate::cli::doctor::read::firehose::{Delivery, Destination, Kind, Mb, Processor};
use crate::cli::doctor::read::iam::Role;
use crate::cli::doctor::read::index::Index;
use crate::cli::doctor::read::kinesis::Stream;
use crate::cli::doctor::read::lambda::{Function, Mapping};
use crate::cli::doctor::read::logs::{Filter, LogGroup};
use crate::cli::doctor::read::metrics::{Metrics, Point};
use crate::cli::doctor::read::rds::{Database, Origin};
use crate::cli::doctor::read::{Chain, Place};

pub(super) const GROUP: &str = "/aws/rds/instance/orders/general";

pub(super) const STREAM: &str = "arn:aws:kinesis:eu-west-1:123456789012:stream/logs";

pub(super) const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:transform:live";

/// A function that has nothing to do with Hydrant.
pub(super) const FOREIGN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:datadog-forwarder";

pub(super) const DOMAIN: &str = "arn:aws:es:eu-west-1:123456789012:domain/search";

/// That of the templates.
pub(super) const HEARTBEATS: &str =
    "-\"INSERT INTO mysql.rds_heartbeat2(id, value) values\" -\"SELECT value FROM mysql.rds_heartbeat2\"";

pub(super) const NOW_MS: i64 = 1_795_874_400_000;

pub(super) fn role_arn(name: &str) -> String {
    format!("arn:aws:iam::123456789012:role/{name}")
}

fn role(name: &str, service: &str, rights: &Json) -> (String, Looked<Role>) {
    let principal = json!({"Service": format!("{service}.amazonaws.com")});
    let trust = json!({"Statement": [{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]});
    let policies = vec![json!({"Version": "2012-10-17", "Statement": rights})];
    let arn = role_arn(name);
    let found = Role { name: name.to_owned(), arn: arn.clone(), trust, policies, is_whole: true };
    (arn, Looked::Found(found))
}

fn allow(action: &Json, resource: &str) -> Json {
    json!({"Effect": "Allow", "Action": action, "Resource": resource})
}

/// The value of a period that began so many minutes ago.
pub(super) fn point(minutes: i64, value: f64) -> Point {
    Point { from_ms: NOW_MS - minutes * 60_000, value }
}

pub(super) fn values(all: &[(&str, f64)]) -> Metrics {
    let values = all.iter().map(|(id, value)| ((*id).to_owned(), vec![point(30, *value)])).collect();
    Metrics { values, is_known: true }
}

fn database() -> Database {
    let parameters = [("general_log", "1"), ("log_output", "FILE"), ("slow_query_log", "0")];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Database {
        engine: "mysql".to_owned(),
        status: "available".to_owned(),
        parameter_group: "hydrant-orders".to_owned(),
        standings: vec![("orders".to_owned(), "in-sync".to_owned())],
        exports: vec!["error".to_owned(), "general".to_owned()],
        exports_pending: Vec::new(),
        allocated_gib: Some(100),
        parameters: Looked::Found(parameters.into()),
        members: Vec::new(),
    }
}

/// From the database to the stream.
fn source() -> Chain {
    let filter = Filter {
        filter_name: "hydrant".to_owned(),
        filter_pattern: HEARTBEATS.to_owned(),
        creation_time: Some(NOW_MS - 30 * 86_400_000),
        destination_arn: STREAM.to_owned(),
        role_arn: Some(role_arn("to-stream")),
        distribution: "Random".to_owned(),
        is_of_account: false,
        passes: Some(true),
    };
    // Somebody else's.
    let other = Filter {
        filter_name: "datadog".to_owned(),
        destination_arn: FOREIGN.to_owned(),
        distribution: "ByLogStream".to_owned(),
        ..Filter::default()
    };
    let group = LogGroup {
        log_group_name: GROUP.to_owned(),
        arn: format!("arn:aws:logs:eu-west-1:123456789012:log-group:{GROUP}:*"),
        log_group_class: "STANDARD".to_owned(),
        retention_in_days: Some(14),
        filters: Looked::Found(vec![other, filter.clone()]),
        newest_ms: Looked::Found(Some(NOW_MS - 5_000)),
    };
    let stream = Stream {
        name: "logs".to_owned(),
        arn: STREAM.to_owned(),
        status: "ACTIVE".to_owned(),
        retention_hours: 168,
        key: None,
        shard_metrics: vec!["IncomingBytes".to_owned()],
        shards: (0..4).map(|idx| format!("shardId-{idx:012}")).collect(),
    };
    let place = Place {
        region: "eu-west-1".to_owned(),
        partition: "aws".to_owned(),
        account: Some("123456789012".to_owned()),
        now_ms: NOW_MS,
        ..Place::default()
    };
    Chain {
        place,
        group_name: Some(GROUP.to_owned()),
        origin: Origin::of(GROUP),
        database: Looked::Found(database()),
        group: Looked::Found(group),
        filter: Some(filter),
        account_filters: Looked::Found(Vec::new()),
        stream_name: Some("logs".to_owned()),
        stream: Looked::Found(stream),
        are_readers_known: true,
        is_forwarded_known: true,
        ..Chain::default()
    }
}

fn function() -> Function {
    let variables = [("HYDRANT_FAILED_TO", "s3://failed/hydrant")];
    Function {
        asked: FUNCTION.to_owned(),
        name: "transform".to_owned(),
        arn: FUNCTION.to_owned(),
        runtime: "provided.al2023".to_owned(),
        architecture: "arm64".to_owned(),
        role: role_arn("function"),
        timeout_seconds: 120,
        memory_mb: 512,
        state: "Active".to_owned(),
        state_reason: String::new(),
        last_update: "Successful".to_owned(),
        log_group: "/hydrant/logs/function".to_owned(),
        variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        reserved: None,
    }
}

fn cluster(writer: &str) -> Cluster {
    let domain =
        Domain { endpoint: "search.example".to_owned(), is_deleted: false, is_private: false, access: Json::Null };
    Cluster {
        endpoint: Some("https://search.example".to_owned()),
        sign: Some(Service::Es),
        domain_arn: Some(DOMAIN.to_owned()),
        domain: Looked::Found(domain),
        index: Index::new("hydrant-general", Rotation::OneDay),
        writers: vec![role_arn(writer)],
        reach: Reach::Answers,
        health: Some("green".to_owned()),
        blocks: Looked::Found(Vec::new()),
        templates: Looked::Found(vec!["hydrant-general*".to_owned()]),
        disks: Looked::Found(vec![("node-1".to_owned(), 40)]),
        mapped: Looked::Found(vec![role_arn(writer)]),
        not_read: Vec::new(),
    }
}

fn failed_place(prefix: &str) -> (failed::Place, Looked<Failed>) {
    let place = failed::Place { bucket: "failed".to_owned(), prefix: prefix.to_owned(), layout: Layout::ByKind };
    (place, Looked::Found(Failed::default()))
}

fn to_stream() -> (String, Looked<Role>) {
    role("to-stream", "logs.eu-west-1", &allow(&json!("kinesis:PutRecord"), STREAM))
}

pub(super) fn classic() -> Chain {
    let delivery = Delivery {
        name: "delivery".to_owned(),
        status: "ACTIVE".to_owned(),
        version: "3".to_owned(),
        source_arn: Some(STREAM.to_owned()),
        source_role: Some(role_arn("delivery")),
        destination_id: "destinationId-000000000001".to_owned(),
        destination: Destination {
            kind: Kind::Domain,
            is_legacy: false,
            role: role_arn("delivery"),
            domain_arn: Some(DOMAIN.to_owned()),
            endpoint: None,
            index: "hydrant-general".to_owned(),
            rotation: "OneDay".to_owned(),
            backup: "FailedDocumentsOnly".to_owned(),
            bucket_arn: "arn:aws:s3:::failed".to_owned(),
            prefix: "backup/".to_owned(),
            error_prefix: "firehose/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd/HH}/".to_owned(),
            logs: true,
        },
        processor: Some(Processor {
            function_arn: FUNCTION.to_owned(),
            role: Some(role_arn("delivery")),
            buffer_mb: Mb(200),
            buffer_seconds: 10,
        }),
        processors: vec![
            json!({"Type": "Decompression", "Parameters": [{"ParameterName": "CompressionFormat", "ParameterValue": "GZIP"}]}),
            json!({"Type": "Lambda", "Parameters": [
                {"ParameterName": "LambdaArn", "ParameterValue": FUNCTION},
                {"ParameterName": "NumberOfRetries", "ParameterValue": "5"},
                {"ParameterName": "BufferSizeInMBs", "ParameterValue": "3"},
            ]}),
        ],
    };
    let of_delivery = json!([
        allow(
            &json!(["kinesis:DescribeStream", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]),
            STREAM
        ),
        allow(&json!("lambda:InvokeFunction"), FUNCTION),
        allow(&json!(["s3:PutObject", "s3:GetObject"]), "arn:aws:s3:::failed/firehose/*"),
        allow(&json!("es:ESHttp*"), &format!("{DOMAIN}/*")),
    ]);
    let of_function = json!([
        allow(&json!("logs:*"), "arn:aws:logs:eu-west-1:123456789012:log-group:/hydrant/logs/function:*"),
        allow(&json!("kinesis:PutRecords"), STREAM),
        allow(&json!("s3:PutObject"), "arn:aws:s3:::failed/*"),
    ]);
    let roles = [to_stream(), role("delivery", "firehose", &of_delivery), role("function", "lambda", &of_function)];
    Chain {
        deliveries: vec![delivery],
        functions: vec![function()],
        roles: BTreeMap::from(roles),
        clusters: vec![cluster("delivery")],
        failed: vec![failed_place("firehose/"), failed_place("hydrant/")],
        metrics: values(&[
            ("freestorage", 50.0 * 1_073_741_824.0),
            ("incoming", 1_000.0),
            ("forwarded0", 1_000.0),
            ("deliveryerrors0", 0.0),
            ("deliverythrottling0", 0.0),
            ("age", 2_000.0),
            ("writethrottled", 0.0),
            ("readthrottled", 0.0),
            ("shardbytes0", 1_000.0),
            ("shardbytes1", 1_000.0),
            ("freshness0", 70.0),
            ("success0", 1.0),
            ("authfailure0", 0.0),
            ("processing0", 1.0),
            ("errors0", 0.0),
            ("throttles0", 0.0),
            ("writesblocked0", 0.0),
        ]),
        ..source()
    }
}

pub(super) fn direct() -> Chain {
    let mut function = function();
    for (name, value) in [("HYDRANT_INDEX_ENDPOINT", "https://search.example"), ("HYDRANT_INDEX_SIGN", "es")] {
        function.variables.insert(name.to_owned(), value.to_owned());
    }
    let mapping = Mapping {
        uuid: "a1b2c3d4-0000-4000-8000-000000000000".to_owned(),
        function_arn: FUNCTION.to_owned(),
        state: "Enabled".to_owned(),
        state_reason: "User action".to_owned(),
        starts: "TRIM_HORIZON".to_owned(),
        bisects: true,
        responses: vec!["ReportBatchItemFailures".to_owned()],
        last_result: "OK".to_owned(),
        on_failure: Some("arn:aws:s3:::failed".to_owned()),
    };
    let of_function = json!([
        allow(
            &json!(["logs:CreateLogStream", "logs:PutLogEvents"]),
            "arn:aws:logs:eu-west-1:123456789012:log-group:/hydrant/logs/function"
        ),
        allow(
            &json!(["kinesis:DescribeStream", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]),
            STREAM
        ),
        allow(&json!("s3:PutObject"), "arn:aws:s3:::failed/*"),
        allow(&json!("es:ESHttpPost"), &format!("{DOMAIN}/*")),
    ]);
    let metrics = classic().metrics;
    Chain {
        mappings: vec![mapping],
        functions: vec![function],
        roles: BTreeMap::from([to_stream(), role("function", "lambda", &of_function)]),
        clusters: vec![cluster("function")],
        failed: vec![failed_place("hydrant/")],
        metrics,
        ..source()
    }
}
