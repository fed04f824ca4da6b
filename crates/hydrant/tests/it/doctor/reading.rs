//! What the doctor reads: pages, throttled calls, names that may be two things, and what lies beside the chain.

use serde_json::{Value, json};

use super::stub::{Plan, Stub};
use super::{GROUP, doctor, examined, plan, run};

#[tokio::test]
async fn what_may_be_a_log_group_that_we_may_not_see_is_not_missing() {
    let (denied, absent) = (vec!["DescribeLogGroups"], vec!["DescribeStreamSummary"]);
    let stub = Stub::start(Plan { denied, absent, ..plan("classic") }).await;
    let told = doctor("app-logs", &stub.url, &[]).await;
    assert_eq!((told.code, told.codes()), (Some(1), vec!["not-allowed"]), "{}", told.text);
}

#[tokio::test]
async fn an_arn_says_where_it_is_looked_for() {
    let arn = "arn:aws:kinesis:us-west-2:123456789012:stream/logs";
    let stub = Stub::start(Plan { faults: vec![("DescribeStreamSummary", "168", "24")], ..plan("classic") }).await;
    let output = run(&[arn, "--endpoint-url", &stub.url, "--opensearch", &stub.url, "--json"]).await;
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let mend = findings[0]["mend"].as_str().unwrap();
    assert!(findings[0]["code"] == "stream-retention" && mend.contains("--region us-west-2"), "{findings:?}");
    let output = run(&[arn, "--region", "eu-west-1", "--endpoint-url", &stub.url]).await;
    let expected = format!("hydrant: {arn} stands in us-west-2, and --region says eu-west-1\n");
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(2), expected));
    let other = arn.replace("123456789012", "999999999999");
    let output = run(&[&other, "--endpoint-url", &stub.url]).await;
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr.contains("is of account 999999999999, and these credentials see account 123456789012"), "{stderr}");
}

#[tokio::test]
async fn a_call_that_is_throttled_is_made_again() {
    let (told, stub) = examined(Plan { throttled: vec![("GetFunctionConfiguration", 2)], ..plan("classic") }).await;
    assert_eq!((told.code, told.codes()), (Some(0), vec![]), "{}", told.text);
    assert_eq!(stub.requests("lambda.GetFunctionConfiguration").len(), 3);
}

#[tokio::test]
async fn what_is_not_there_is_told_from_the_headers_of_its_answer() {
    let absent = vec!["GetFunctionConfiguration", "DescribeDomain"];
    let (told, _stub) = examined(Plan { absent, ..plan("classic") }).await;
    assert_eq!(
        (told.code, told.codes()),
        (Some(3), vec!["lambda-missing", "opensearch-domain-missing"]),
        "{}",
        told.text
    );
}

/// A page of log groups of RDS, with another behind it.
fn groups(names: &[&str], is_last: bool) -> String {
    let groups: Vec<Value> = names.iter().map(|name| json!({"logGroupName": name})).collect();
    let next = if is_last { Value::Null } else { json!("next") };
    json!({"logGroups": groups, "nextToken": next}).to_string()
}

const OF_OTHERS: [&str; 2] = ["/aws/rds/instance/a/general", "/aws/rds/instance/b/general"];

fn is_first(request: &str) -> bool {
    request.contains("\"logGroupNamePrefix\":\"/aws/rds/\"") && !request.contains("nextToken")
}

fn is_of_a(request: &str) -> bool {
    request.contains(OF_OTHERS[0])
}

fn is_of_b(request: &str) -> bool {
    request.contains(OF_OTHERS[1])
}

#[tokio::test]
async fn the_log_group_of_a_stream_is_found_on_a_later_page_and_behind_one_that_may_not_be_read() {
    let special: Vec<super::stub::Special> = vec![
        ("DescribeLogGroups", is_first, Some(groups(&OF_OTHERS, false))),
        ("DescribeSubscriptionFilters", is_of_a, None),
        ("DescribeSubscriptionFilters", is_of_b, Some(json!({"subscriptionFilters": []}).to_string())),
    ];
    let stub = Stub::start(Plan { special, ..plan("classic") }).await;
    let told = doctor("logs", &stub.url, &["--opensearch", &stub.url]).await;
    assert_eq!((told.code, told.codes()), (Some(1), vec!["not-allowed"]), "{}", told.text);
    assert_eq!(stub.requests("rds.DescribeDBInstances").len(), 1, "the log group was found");
    assert!(stub.requests("logs.DescribeLogGroups").iter().any(|request| request.contains("\"nextToken\":\"next\"")));
}

#[tokio::test]
async fn a_search_that_finds_no_log_group_says_how_many_it_has_looked_at() {
    let none = Some(json!({"subscriptionFilters": []}).to_string());
    for (is_last, pages, expected) in [
        (
            true,
            1,
            "of the 2 log groups below /aws/rds/ that were looked at none has a filter that leads to this stream",
        ),
        (
            false,
            4,
            "of the 8 log groups below /aws/rds/ that were looked at none has a filter that leads to this stream; there are more",
        ),
    ] {
        let special: Vec<super::stub::Special> = vec![
            ("DescribeLogGroups", |_| true, Some(groups(&OF_OTHERS, is_last))),
            ("DescribeSubscriptionFilters", |_| true, none.clone()),
        ];
        let stub = Stub::start(Plan { special, ..plan("classic") }).await;
        let told = doctor("logs", &stub.url, &["--opensearch", &stub.url]).await;
        assert_eq!((told.code, told.codes()), (Some(0), vec!["log-group-not-known"]), "{}", told.text);
        assert_eq!(told.findings[0]["read"], expected);
        assert_eq!(stub.requests("logs.DescribeLogGroups").len(), pages);
    }
}

#[tokio::test]
async fn where_not_all_could_be_read_nothing_is_said_to_be_missing() {
    // More delivery streams than are looked at, and none of those reads the stream.
    let faults = vec![
        ("ListDeliveryStreams", "\"HasMoreDeliveryStreams\": false", "\"HasMoreDeliveryStreams\": true"),
        ("DescribeDeliveryStream", "stream/logs", "stream/other"),
    ];
    let (told, _stub) = examined(Plan { faults, ..plan("classic") }).await;
    assert_eq!((told.code, told.codes()), (Some(0), vec![]), "{}", told.text);
    // More policies than are read, and none of those gives the right.
    let lacking = ("GetPolicyVersion", "logs%3APutLogEvents", "logs%3AGetLogEvents");
    let more = "<IsTruncated>true</IsTruncated><Marker>m</Marker>";
    let faults = vec![lacking, ("ListAttachedRolePolicies", "<IsTruncated>false</IsTruncated>", more)];
    let (told, stub) = examined(Plan { faults, ..plan("classic") }).await;
    assert_eq!((told.code, told.codes()), (Some(0), vec![]), "{}", told.text);
    assert!(stub.requests("iam.ListAttachedRolePolicies").iter().any(|request| request.contains("&Marker=m")));
}

#[tokio::test]
async fn failed_objects_are_found_behind_any_number_of_backups() {
    let object = |key: &str| {
        format!("<Contents><Key>{key}</Key><LastModified>2026-11-28T10:00:00.000Z</LastModified></Contents>")
    };
    let listing = |objects: String, more: &str| format!("<ListBucketResult>{objects}{more}</ListBucketResult>");
    let failed = object("firehose/AmazonOpenSearchService-failed/2026/11/28/10/x");
    // Backups lie before what failed, page behind page.
    let backups = listing(object("firehose/2026/11/28/10/backup"), "<NextContinuationToken>t</NextContinuationToken>");
    let special: Vec<super::stub::Special> = vec![
        (
            "ListObjectsV2",
            |query| query.contains("prefix=firehose%2FAmazonOpenSearchService-failed%2F"),
            Some(listing(failed, "")),
        ),
        ("ListObjectsV2", |query| !query.contains("-failed%2F"), Some(backups)),
    ];
    let (told, _stub) = examined(Plan { special, ..plan("classic") }).await;
    assert_eq!((told.code, told.codes()), (Some(1), vec!["failed-objects"]), "{}", told.text);
    let expected =
        "s3://failed/firehose/ holds 1 objects of what failed: AmazonOpenSearchService-failed 1; in the newest 1: ";
    assert!(told.findings[0]["read"].as_str().unwrap().starts_with(expected), "{}", told.text);
}

#[tokio::test]
async fn what_an_instance_of_a_cluster_sets_itself_counts_before_the_clusters_parameter_group() {
    let group = "/aws/rds/cluster/orders/general";
    let switched = (
        "DescribeDBParameters",
        "<ParameterValue>0</ParameterValue><Source>system<",
        "<ParameterValue>0</ParameterValue><Source>user<",
    );
    let of_cluster = (
        "DescribeDBClusterParameters",
        "<ParameterName>general_log</ParameterName><ParameterValue>1<",
        "<ParameterName>general_log</ParameterName><ParameterValue>0<",
    );
    let on = (
        "DescribeDBParameters",
        "<ParameterValue>0</ParameterValue><Source>system<",
        "<ParameterValue>1</ParameterValue><Source>user<",
    );
    for (faults, codes, named) in [
        (vec![], vec![], ""),
        (
            vec![switched],
            vec!["rds-general-log-off"; 2],
            "rds modify-db-parameter-group --db-parameter-group-name hydrant-members",
        ),
        (vec![of_cluster], vec!["rds-general-log-off"], "rds modify-db-cluster-parameter-group"),
        (vec![of_cluster, on], vec![], ""),
    ] {
        let stub = Stub::start(Plan { faults, ..plan("aurora") }).await;
        let told = doctor(group, &stub.url, &["--opensearch", &stub.url]).await;
        assert_eq!(told.codes(), codes, "{}", told.text);
        for found in &told.findings {
            assert!(found["mend"].as_str().unwrap().contains(named), "{found}");
        }
        assert_eq!(stub.requests("rds.DescribeDBInstances").len(), 2, "each member is asked for");
    }
}

#[tokio::test]
async fn a_policy_of_the_account_leads_on_like_a_filter() {
    let none: super::stub::Special =
        ("DescribeSubscriptionFilters", |_| true, Some(json!({"subscriptionFilters": []}).to_string()));
    let (told, stub) = examined(Plan { special: vec![none.clone()], ..plan("classic") }).await;
    assert_eq!((told.code, told.codes()), (Some(0), vec![]), "{}", told.text);
    assert!(stub.calls().contains(&"firehose.DescribeDeliveryStream".to_owned()), "the chain is walked");
    let fault = ("DescribeAccountPolicies", "Random", "ByLogStream");
    let (told, _stub) = examined(Plan { special: vec![none.clone()], faults: vec![fault], ..plan("classic") }).await;
    assert_eq!(told.codes(), ["filter-by-log-stream"], "{}", told.text);
    let mend = told.findings[0]["mend"].as_str().unwrap();
    assert!(
        mend.starts_with(
            "aws logs put-account-policy --policy-name all-logs --policy-type SUBSCRIPTION_FILTER_POLICY "
        ),
        "{mend}"
    );
    assert!(mend.contains("\"Distribution\":\"Random\"") && mend.contains("stream/logs"), "{mend}");
    // One that leaves this group out does not; what may not be read is not known.
    let left_out = ("DescribeAccountPolicies", "/aws/lambda/hydrant", GROUP);
    let (told, _stub) = examined(Plan { special: vec![none.clone()], faults: vec![left_out], ..plan("classic") }).await;
    assert_eq!((told.code, told.codes()), (Some(3), vec!["filter-missing"]), "{}", told.text);
    let denied = vec!["DescribeAccountPolicies"];
    let (told, _stub) = examined(Plan { special: vec![none], denied, ..plan("classic") }).await;
    assert_eq!((told.code, told.codes()), (Some(1), vec!["not-allowed"]), "{}", told.text);
}

#[tokio::test]
async fn of_two_filters_side_by_side_it_is_said_which_one_is_walked() {
    let second = "}, {\"filterName\": \"older\", \"filterPattern\": \"\", \"destinationArn\": \
                  \"arn:aws:kinesis:eu-west-1:123456789012:stream/older\", \"distribution\": \"Random\"}\n ]\n}";
    let fault = ("DescribeSubscriptionFilters", "  }\n ]\n}", second);
    let (told, _stub) = examined(Plan { faults: vec![fault], ..plan("classic") }).await;
    assert_eq!((told.code, told.codes()), (Some(0), vec!["filter-not-walked"]), "{}", told.text);
    let expected = "hydrant leads to arn:aws:kinesis:eu-west-1:123456789012:stream/logs, which is walked; older leads to \
                    arn:aws:kinesis:eu-west-1:123456789012:stream/older, which is not";
    assert_eq!(told.findings[0]["read"], expected);
    let mend = told.findings[0]["mend"].as_str().unwrap();
    assert!(mend.starts_with("hydrant doctor arn:aws:kinesis:eu-west-1:123456789012:stream/older --region"), "{mend}");
}

#[tokio::test]
async fn the_age_that_lambda_counts_is_asked_for_where_a_mapping_reads() {
    for (chain, is_mapped) in [("direct", true), ("classic", false)] {
        let (_told, stub) = examined(plan(chain)).await;
        let asked = stub.requests("cloudwatch.GetMetricData").concat();
        assert_eq!(asked.contains("MetricName=IteratorAge&"), is_mapped, "{chain}: {asked}");
    }
}
