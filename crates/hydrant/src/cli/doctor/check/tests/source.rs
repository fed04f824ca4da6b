//! Faults from the database to the stream.

use super::*;
use crate::cli::doctor::read::metrics::Point;

const REGION: &str = "--region eu-west-1";

const DATABASE: &[Case] = &[
    (|c| c.database = Looked::NotThere, Hop::Rds, "rds-missing", ERROR, &["describe-db-instances", REGION]),
    (
        |c| database(c).status = "stopped".to_owned(),
        Hop::Rds,
        "rds-not-available",
        ERROR,
        &["start-db-instance", "orders"],
    ),
    (
        |c| database(c).status = "storage-full".to_owned(),
        Hop::Rds,
        "rds-not-available",
        ERROR,
        &["modify-db-instance --db-instance-identifier orders --allocated-storage 150"],
    ),
    (
        |c| database(c).status = "failed".to_owned(),
        Hop::Rds,
        "rds-not-available",
        ERROR,
        &["restore-db-instance-to-point-in-time --source-db-instance-identifier orders"],
    ),
    (
        |c| database(c).status = "deleting".to_owned(),
        Hop::Rds,
        "rds-not-available",
        ERROR,
        &["describe-events --source-type db-instance --source-identifier orders"],
    ),
    (
        |c| database(c).standings[0].1 = "pending-reboot".to_owned(),
        Hop::Rds,
        "rds-parameter-group-pending-reboot",
        WARNING,
        &["aws rds reboot-db-instance --db-instance-identifier orders", REGION],
    ),
    (
        |c| database(c).standings[0].1 = "applying".to_owned(),
        Hop::Rds,
        "rds-parameter-group-not-in-sync",
        WARNING,
        &["orders"],
    ),
    (
        |c| {
            database(c).parameter_group = "default.mysql8.0".to_owned();
            parameter(c, "general_log", "0");
        },
        Hop::Rds,
        "rds-default-parameter-group",
        ERROR,
        &["create-db-parameter-group", "--db-parameter-group-family mysql8.0", "modify-db-instance", "hydrant-orders"],
    ),
    (
        |c| parameter(c, "general_log", "0"),
        Hop::Rds,
        "rds-general-log-off",
        ERROR,
        &["modify-db-parameter-group", "hydrant-orders", "ParameterName=general_log,ParameterValue=1"],
    ),
    (
        |c| parameter(c, "log_output", "TABLE"),
        Hop::Rds,
        "rds-log-output-not-file",
        ERROR,
        &["ParameterName=log_output,ParameterValue=FILE"],
    ),
    (
        |c| database(c).exports = vec!["error".to_owned()],
        Hop::Rds,
        "rds-export-off",
        ERROR,
        &["modify-db-instance --db-instance-identifier orders", "EnableLogTypes", "general"],
    ),
    (
        |c| {
            database(c).exports.clear();
            database(c).exports_pending = vec!["general".to_owned()];
        },
        Hop::Rds,
        "rds-export-pending",
        INFO,
        &["orders"],
    ),
    (
        |c| metric(c, "freestorage", 5.0 * 1_073_741_824.0),
        Hop::Rds,
        "rds-storage-low",
        WARNING,
        &["--allocated-storage 150", "orders"],
    ),
    (|c| metric(c, "freestorage", 1_073_741_824.0), Hop::Rds, "rds-storage-low", ERROR, &["orders"]),
];

#[test]
fn faults_of_the_database() {
    all(healthy::classic, DATABASE);
    let mut chain = healthy::classic();
    database(&mut chain).standings[0].1 = "pending-reboot".to_owned();
    group(&mut chain).newest_ms = Looked::Found(None);
    metric(&mut chain, "incoming", 0.0);
    let findings: Vec<(&str, Severity)> = check(&chain).iter().map(|found| (found.code, found.severity)).collect();
    assert_eq!(findings, [("rds-parameter-group-pending-reboot", ERROR), ("log-group-quiet", WARNING)]);
}

const LOG_GROUP: &[Case] = &[
    (|c| c.group = Looked::NotThere, Hop::LogGroup, "log-group-missing", ERROR, &["create-log-group", GROUP]),
    (
        |c| group(c).log_group_class = "INFREQUENT_ACCESS".to_owned(),
        Hop::LogGroup,
        "log-group-class",
        ERROR,
        &["delete-log-group", "--log-group-class STANDARD", GROUP],
    ),
    (
        |c| group(c).retention_in_days = None,
        Hop::LogGroup,
        "log-group-retention",
        INFO,
        &["put-retention-policy", GROUP],
    ),
    (
        |c| {
            group(c).newest_ms = Looked::Found(Some(0));
            metric(c, "incoming", 0.0);
        },
        Hop::LogGroup,
        "log-group-quiet",
        WARNING,
        &["describe-log-streams", GROUP],
    ),
];

#[test]
fn faults_of_the_log_group() {
    all(healthy::classic, LOG_GROUP);
    let class = only(healthy::classic(), |c| group(c).log_group_class = "INFREQUENT_ACCESS".to_owned());
    assert!(class.why.contains("all log events in it go with it"), "{}", class.why);
    let of_stream = only(healthy::classic(), |c| {
        (c.group_name, c.group, c.filter) = (None, Looked::Unknown, None);
        (c.origin, c.database) = (None, Looked::Unknown);
    });
    is(&of_stream, Hop::LogGroup, "log-group-not-known", INFO, &["hydrant doctor LOG_GROUP --region eu-west-1"]);
}

fn all_pass(chain: &mut Chain) {
    chain.filter.as_mut().unwrap().filter_pattern.clear();
}

const FILTER: &[Case] = &[
    (
        |c| filters(c, Vec::new()),
        Hop::Filter,
        "filter-missing",
        ERROR,
        &["put-subscription-filter", GROUP, STREAM, "--distribution Random"],
    ),
    (
        |c| {
            let other = |name: &str| crate::cli::doctor::read::logs::Filter {
                filter_name: name.to_owned(),
                ..crate::cli::doctor::read::logs::Filter::default()
            };
            filters(c, vec![other("one"), other("two")]);
        },
        Hop::Filter,
        "filter-no-room",
        ERROR,
        &["delete-subscription-filter", "--filter-name FILTER_TO_GIVE_UP", "put-subscription-filter"],
    ),
    (
        |c| {
            let filter = c.filter.as_mut().unwrap();
            (filter.filter_pattern, filter.passes) = ("ERROR".to_owned(), Some(false));
        },
        Hop::Filter,
        "filter-pattern",
        WARNING,
        &["--filter-name hydrant", "--filter-pattern ''", STREAM],
    ),
    (
        |c| c.filter.as_mut().unwrap().distribution = "ByLogStream".to_owned(),
        Hop::Filter,
        "filter-by-log-stream",
        WARNING,
        &["--distribution Random", "--filter-name hydrant"],
    ),
    (
        |c| *c.roles.get_mut(&role_arn("to-stream")).unwrap() = Looked::NotThere,
        Hop::Filter,
        "filter-role-missing",
        ERROR,
        &["create-role --role-name to-stream", "logs.amazonaws.com"],
    ),
    (
        |c| {
            let trust = serde_json::to_string(&role(c, "to-stream").trust).unwrap();
            role(c, "to-stream").trust = serde_json::from_str(&trust.replace("logs.", "events.")).unwrap();
        },
        Hop::Filter,
        "filter-role-trust",
        ERROR,
        &["update-assume-role-policy --role-name to-stream", "logs.amazonaws.com"],
    ),
    (
        |c| without(c, "to-stream", "kinesis:PutRecord"),
        Hop::Filter,
        "filter-role-rights",
        ERROR,
        &["put-role-policy --role-name to-stream", "kinesis:PutRecord", STREAM],
    ),
    // An idle database, whose heartbeats the pattern leaves out.
    (|c| metric(c, "forwarded0", 0.0), Hop::Filter, "filter-forwards-nothing", INFO, &[GROUP]),
    (
        |c| {
            all_pass(c);
            metric(c, "forwarded0", 0.0);
        },
        Hop::Filter,
        "filter-forwards-nothing",
        ERROR,
        &[GROUP],
    ),
    (
        |c| {
            all_pass(c);
            metric(c, "forwarded0", 500.0);
        },
        Hop::Filter,
        "filter-forwards-less",
        WARNING,
        &[GROUP],
    ),
    (|c| metric(c, "deliveryerrors0", 3.0), Hop::Filter, "filter-delivery-errors", ERROR, &[GROUP]),
    (
        |c| metric(c, "deliverythrottling0", 3.0),
        Hop::Filter,
        "filter-throttled",
        WARNING,
        &["update-stream-mode", STREAM],
    ),
];

#[test]
fn faults_of_the_filter() {
    all(healthy::classic, FILTER);
    // Where deliveries fail, no pattern is the reason.
    let mut chain = healthy::classic();
    metric(&mut chain, "forwarded0", 0.0);
    metric(&mut chain, "deliveryerrors0", 3.0);
    let findings: Vec<(&str, Severity)> = check(&chain).iter().map(|found| (found.code, found.severity)).collect();
    assert_eq!(findings, [("filter-delivery-errors", ERROR), ("filter-forwards-nothing", ERROR)]);
}

#[test]
fn a_filter_is_judged_by_full_periods_since_it_was_made() {
    let of_age = |minutes: i64, forwarded: &[Point]| {
        let mut chain = healthy::classic();
        all_pass(&mut chain);
        chain.filter.as_mut().unwrap().creation_time = Some(NOW_MS - minutes * 60_000);
        // The last of them is not over yet.
        let incoming = vec![point(50, 900.0), point(20, 100.0), point(4, 70.0)];
        chain.metrics.values.insert("incoming".to_owned(), incoming);
        chain.metrics.values.insert("forwarded0".to_owned(), forwarded.to_vec());
        check(&chain)
    };
    assert_eq!(of_age(19, &[]), []);
    assert_eq!(of_age(30, &[point(20, 100.0)]), []);
    assert_eq!(of_age(22, &[point(20, 100.0), point(4, 1.0)]), []);
    let less = of_age(30, &[point(20, 10.0)]);
    assert_eq!(less.len(), 1, "{less:#?}");
    assert_eq!(less[0].read, "of 100 log events in the last hour 10 were forwarded by hydrant");
    is(&less[0], Hop::Filter, "filter-forwards-less", WARNING, &[GROUP]);
    let nothing = of_age(30, &[]);
    assert_eq!(nothing.len(), 1, "{nothing:#?}");
    is(&nothing[0], Hop::Filter, "filter-forwards-nothing", ERROR, &[GROUP]);
}

const STREAM_CASES: &[Case] = &[
    (|c| stream(c).status = "DELETING".to_owned(), Hop::Stream, "stream-not-active", ERROR, &["--stream-name logs"]),
    (|c| stream(c).status = "UPDATING".to_owned(), Hop::Stream, "stream-updating", INFO, &["logs"]),
    (
        |c| stream(c).retention_hours = 24,
        Hop::Stream,
        "stream-retention",
        WARNING,
        &["increase-stream-retention-period --stream-name logs", "168"],
    ),
    (|c| metric(c, "writethrottled", 9.0), Hop::Stream, "stream-write-throttled", WARNING, &["ON_DEMAND", STREAM]),
    (
        |c| metric(c, "readthrottled", 9.0),
        Hop::Stream,
        "stream-read-throttled",
        WARNING,
        &["list-stream-consumers", STREAM],
    ),
    (
        |c| metric(c, "shardbytes1", 250.0 * 1_048_576.0),
        Hop::Stream,
        "stream-hot-shard",
        WARNING,
        &["--distribution Random", "--filter-name hydrant", GROUP],
    ),
    (
        |c| {
            for idx in 0..4 {
                metric(c, &format!("shardbytes{idx}"), if idx == 2 { 290.0 } else { 80.0 } * 1_048_576.0);
            }
        },
        Hop::Stream,
        "stream-hot-shard",
        WARNING,
        &["--distribution Random"],
    ),
    (
        |c| metric(c, "age", 60.0 * 3_600_000.0),
        Hop::Stream,
        "stream-iterator-age",
        WARNING,
        &["increase-stream-retention-period --stream-name logs", "336"],
    ),
    (|c| metric(c, "age", 160.0 * 3_600_000.0), Hop::Stream, "stream-iterator-age", ERROR, &["logs"]),
];

#[test]
fn faults_of_the_stream() {
    all(healthy::classic, STREAM_CASES);
    let missing = only(healthy::classic(), |c| {
        c.stream = Looked::NotThere;
        c.deliveries.clear();
        (c.functions, c.clusters) = (Vec::new(), Vec::new());
    });
    is(&missing, Hop::Stream, "stream-missing", ERROR, &["create-stream --stream-name logs"]);
    let unread = only(healthy::classic(), |c| {
        (c.deliveries, c.functions, c.clusters) = (Vec::new(), Vec::new(), Vec::new());
    });
    is(&unread, Hop::Stream, "stream-no-reader", WARNING, &["create-event-source-mapping", STREAM]);
}

/// A key of one's own is used by all who write and read; its own policy may let them, so it is a warning.
#[test]
fn a_key_asks_for_rights_of_all() {
    let mut chain = healthy::classic();
    stream(&mut chain).key = Some("arn:aws:kms:eu-west-1:123456789012:key/k".to_owned());
    let findings = check(&chain);
    let codes: Vec<&str> = findings.iter().map(|found| found.code).collect();
    assert_eq!(codes, ["filter-role-rights", "firehose-role-rights", "lambda-role-rights"]);
    for (found, right) in findings.iter().zip(["kms:GenerateDataKey", "kms:Decrypt", "kms:GenerateDataKey"]) {
        assert_eq!(found.severity, WARNING);
        assert!(found.mend.contains(right) && found.mend.contains("key/k"), "{found:?}");
    }
}

pub(super) fn mends() -> Vec<String> {
    [DATABASE, LOG_GROUP, FILTER, STREAM_CASES]
        .into_iter()
        .flat_map(|cases| mends_of(healthy::classic, cases))
        .collect()
}
