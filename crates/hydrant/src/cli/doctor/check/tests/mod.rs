//! Each planted fault alone gives exactly its finding, with a command that names what it mends; a healthy chain has none.

mod healthy;

mod source;

mod readers;

mod function;

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::check;
use crate::cli::doctor::finding::{Finding, Hop, Severity};
use crate::cli::doctor::read::Chain;
use crate::cli::doctor::read::aws::{Action, Because, Looked, Refusal};
use crate::cli::doctor::read::cluster::Reach;
use crate::cli::doctor::read::firehose::{Delivery, Kind, Mb};
use crate::cli::doctor::read::iam::Role;
use crate::cli::doctor::read::kinesis::Stream;
use crate::cli::doctor::read::logs::LogGroup;
use crate::cli::doctor::read::rds::Database;
use healthy::{FUNCTION, GROUP, NOW_MS, STREAM, point, role_arn};

fn found<T>(looked: &mut Looked<T>) -> &mut T {
    match looked {
        Looked::Found(found) => found,
        Looked::NotThere | Looked::Unknown => panic!("it is there in a healthy chain"),
    }
}

fn database(chain: &mut Chain) -> &mut Database {
    found(&mut chain.database)
}

fn parameter(chain: &mut Chain, name: &str, value: &str) {
    found(&mut database(chain).parameters).insert(name.to_owned(), value.to_owned());
}

fn group(chain: &mut Chain) -> &mut LogGroup {
    found(&mut chain.group)
}

fn stream(chain: &mut Chain) -> &mut Stream {
    found(&mut chain.stream)
}

fn delivery(chain: &mut Chain) -> &mut Delivery {
    &mut chain.deliveries[0]
}

fn role<'a>(chain: &'a mut Chain, name: &str) -> &'a mut Role {
    found(chain.roles.get_mut(&role_arn(name)).unwrap())
}

fn metric(chain: &mut Chain, id: &str, value: f64) {
    chain.metrics.values.insert(id.to_owned(), vec![point(30, value)]);
}

/// Takes an action out of a role's policies.
fn without(chain: &mut Chain, name: &str, action: &str) {
    let role = role(chain, name);
    let text = serde_json::to_string(&role.policies).unwrap();
    assert!(text.contains(action), "{name} has {action}");
    role.policies = serde_json::from_str(&text.replace(action, "x:None")).unwrap();
}

fn filters(chain: &mut Chain, filters: Vec<crate::cli::doctor::read::logs::Filter>) {
    group(chain).filters = Looked::Found(filters);
    chain.filter = None;
}

/// Plants a fault; answers the one finding.
fn only(chain: Chain, plant: impl FnOnce(&mut Chain)) -> Finding {
    let mut chain = chain;
    plant(&mut chain);
    let findings = check(&chain);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.into_iter().next().unwrap()
}

/// What a fault has to give: hop, code, severity, and what the command has to name.
fn is(finding: &Finding, hop: Hop, code: &str, severity: Severity, named: &[&str]) {
    assert_eq!((finding.hop, finding.code, finding.severity), (hop, code, severity), "{finding:#?}");
    for name in named {
        assert!(finding.mend.contains(name), "{name} in {}", finding.mend);
    }
    assert!(!finding.read.is_empty() && !finding.why.is_empty(), "{finding:#?}");
}

type Plant = fn(&mut Chain);

type Case = (Plant, Hop, &'static str, Severity, &'static [&'static str]);

fn all(chain: fn() -> Chain, cases: &[Case]) {
    for (plant, hop, code, severity, named) in cases {
        is(&only(chain(), plant), *hop, code, *severity, named);
    }
}

fn mends_of(chain: fn() -> Chain, cases: &[Case]) -> Vec<String> {
    cases.iter().map(|(plant, ..)| only(chain(), plant).mend).collect()
}

/// The AWS CLI itself judges the commands of this file: `tests/aws_doctor/check_remedies.py`.
#[test]
fn every_command_stands_in_the_list_that_the_aws_cli_is_asked_about() {
    let found: BTreeSet<String> = [source::mends(), readers::mends(), function::mends()]
        .concat()
        .into_iter()
        .filter(|mend| mend.contains("aws "))
        .collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/aws_doctor/remedies.txt");
    let listed = std::fs::read_to_string(path).unwrap();
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(found, listed.lines().collect::<Vec<_>>(), "\n{}", found.join("\n"));
}

const ERROR: Severity = Severity::Error;

const WARNING: Severity = Severity::Warning;

const INFO: Severity = Severity::Info;

#[test]
fn a_healthy_chain_has_no_finding() {
    assert_eq!(check(&healthy::classic()), []);
    assert_eq!(check(&healthy::direct()), []);
}

const REPLAY: &str =
    "AWS_REGION=eu-west-1 hydrant replay s3://failed/firehose/ --config hydrant.toml --region eu-west-1";

#[test]
fn what_failed_is_counted_by_reason() {
    let failed = only(healthy::classic(), |c| {
        let of = found(&mut c.failed[0].1);
        of.objects = [("processing-failed".to_owned(), 3)].into();
        of.reasons = [("Lambda.FunctionError".to_owned(), 2), ("too_large".to_owned(), 40)].into();
        of.read = 3;
    });
    is(&failed, Hop::Failed, "failed-objects", WARNING, &[REPLAY]);
    assert!(failed.why.contains("may be in no index") && failed.why.contains("index.sign"), "{}", failed.why);
    let expected =
        "holds 3 objects of what failed: processing-failed 3; in the newest 3: too_large 40, Lambda.FunctionError 2";
    assert!(failed.read.ends_with(expected), "{}", failed.read);
    let more = only(healthy::classic(), |c| {
        let of = found(&mut c.failed[0].1);
        of.objects = [("processing-failed".to_owned(), 5_000)].into();
        of.reasons = [("too_large".to_owned(), 40)].into();
        (of.read, of.has_more) = (10, true);
    });
    let expected = "holds at least 5000 objects of what failed: processing-failed 5000; in 10 of them: too_large 40";
    assert!(more.read.ends_with(expected), "{}", more.read);
    let missing = only(healthy::classic(), |c| c.failed[1].1 = Looked::NotThere);
    is(&missing, Hop::Failed, "failed-bucket-missing", ERROR, &["s3 mb s3://failed"]);
}

#[test]
fn what_may_not_be_asked_is_named() {
    let refusal = |because| Refusal {
        action: Action::DescribeSubscriptionFilters,
        resource: GROUP.to_owned(),
        because,
        told: "the service's words".to_owned(),
    };
    let one = |because| only(healthy::classic(), |c| c.refusals = vec![refusal(because), refusal(because)]);
    let denied = one(Because::Denied);
    is(&denied, Hop::Access, "not-allowed", WARNING, &["logs:DescribeSubscriptionFilters"]);
    assert!(denied.mend.contains("--region eu-west-1"), "{denied:?}");
    // One command gives all that is lacking.
    let mut chain = healthy::classic();
    chain.refusals = [Action::DescribeDomain, Action::ListShards, Action::DescribeDomain]
        .map(|action| Refusal { action, ..refusal(Because::Denied) })
        .into();
    let findings = check(&chain);
    assert_eq!(findings.len(), 2, "{findings:#?}");
    assert_eq!(findings[0].mend, findings[1].mend);
    assert!(findings[0].mend.contains("\"Action\":[\"es:DescribeDomain\",\"kinesis:ListShards\"]"), "{findings:#?}");
    assert!(denied.read.contains("logs:DescribeSubscriptionFilters on /aws/rds/instance/orders/general"), "{denied:?}");
    is(&one(Because::Credentials), Hop::Access, "credentials-refused", ERROR, &["sts get-caller-identity"]);
    is(&one(Because::NoAnswer), Hop::Access, "no-answer", ERROR, &["get-caller-identity"]);
    is(&one(Because::Other), Hop::Access, "unexpected-answer", WARNING, &[]);
    is(&one(Because::NotRead), Hop::Access, "not-readable", WARNING, &["get-caller-identity"]);
}

#[test]
fn where_nothing_at_all_is_read_it_is_not_known_whether_entries_arrive() {
    let found = only(Chain::default(), |c| c.is_nothing_read = true);
    is(&found, Hop::Access, "nothing-read", Severity::Unknown, &["sts get-caller-identity"]);
    let mut chain = Chain { is_nothing_read: true, ..Chain::default() };
    let (action, resource, told) = (Action::DescribeLogGroups, GROUP.to_owned(), "no".to_owned());
    chain.refusals = vec![Refusal { action, resource, because: Because::Denied, told }];
    let findings = check(&chain);
    let codes: Vec<&str> = findings.iter().map(|found| found.code).collect();
    assert_eq!(codes, ["nothing-read", "not-allowed"]);
    assert_eq!(findings[0].read, "not one of 1 calls to AWS has brought anything");
}

#[test]
fn what_turns_a_line_does_not_stand_in_a_command() {
    let found = only(healthy::classic(), |c| {
        c.failed[1].1 = Looked::NotThere;
        c.failed[1].0.bucket = "a\u{202e}b".to_owned();
    });
    assert!(found.mend.contains(r"s3 mb $'s3://a\u202eb'"), "{}", found.mend);
}

#[test]
fn faults_do_not_hide_one_another() {
    let mut chain = healthy::classic();
    parameter(&mut chain, "general_log", "0");
    stream(&mut chain).retention_hours = 24;
    chain.functions[0].timeout_seconds = 3;
    let codes: Vec<&str> = check(&chain).iter().map(|found| found.code).collect();
    assert_eq!(codes, ["rds-general-log-off", "stream-retention", "lambda-timeout"]);
    let json = serde_json::to_value(check(&chain)).unwrap();
    assert_eq!(json[0]["hop"], json!("rds"));
    assert_eq!(json[0]["severity"], json!("error"));
}
