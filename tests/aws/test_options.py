"""What each parameter changes, read from the decided templates: engines, logs, options, rules, alarms and the dashboard."""

import itertools
import json
import re

import pytest

from template import CHAINS, CHINA, NEEDED, OPTIONS, Stack, load, stack

GENERAL = {"general_log": "1", "log_output": "FILE"}


@pytest.mark.parametrize("name", [*CHAINS, "subscription-destination"])
@pytest.mark.parametrize("engine, version, family", [
    ("mysql", "5.7", "mysql5.7"), ("mysql", "8.0", "mysql8.0"), ("mysql", "8.4", "mysql8.4"), ("mariadb", "10.6", "mariadb10.6"),
    ("mariadb", "10.11", "mariadb10.11"), ("mariadb", "11.4", "mariadb11.4"), ("mariadb", "11.8", "mariadb11.8"),
    ("aurora-mysql", "5.7", "aurora-mysql5.7"), ("aurora-mysql", "8.0", "aurora-mysql8.0")])
def test_an_engine_has_its_parameter_group(name, engine, version, family):
    decided = stack(name, Engine=engine, EngineVersion=version, SlowLog="yes", AuditLog="yes")
    assert decided.refused() == []
    aurora = engine == "aurora-mysql"
    kinds = ["AWS::RDS::DBParameterGroup", "AWS::RDS::DBClusterParameterGroup", "AWS::RDS::OptionGroup"]
    assert [len(decided.resources(kind)) for kind in kinds] == ([0, 1, 0] if aurora else [1, 0, 1])
    group = decided.one("ClusterParameters" if aurora else "InstanceParameters")
    assert group["Family"] == family
    audit = {"server_audit_logging": "1", "server_audit_events": "CONNECT,QUERY"} if aurora else {}
    assert group["Parameters"] == GENERAL | {"slow_query_log": "1", "long_query_time": 1} | audit
    if not aurora:
        options = decided.one("AuditOptions")
        assert (options["EngineName"], options["MajorEngineVersion"]) == (engine, version)
        assert options["OptionConfigurations"] == [{"OptionName": "MARIADB_AUDIT_PLUGIN", "OptionSettings": [
            {"Name": "SERVER_AUDIT_EVENTS", "Value": "CONNECT,QUERY"}]}]


@pytest.mark.parametrize("engine, version", [("mysql", "10.11"), ("mysql", "11.4"), ("mariadb", "8.0"), ("mariadb", "5.7"), ("aurora-mysql", "8.4")])
def test_a_version_of_another_engine_is_refused(engine, version):
    for name in CHAINS:
        (said,) = stack(name, Engine=engine, EngineVersion=version).refused()
        assert said.startswith(f"EngineVersion of {engine}: ")


def test_switches_are_off_but_for_the_general_log():
    for name in CHAINS:
        decided = stack(name)
        assert decided.one("InstanceParameters")["Parameters"] == GENERAL | {"slow_query_log": "0", "long_query_time": 1}
        assert not decided.resources("AWS::RDS::OptionGroup")
        assert not stack(name, ParameterGroup="no", AuditLog="yes").resources("AWS::RDS::DBParameterGroup")
        assert not stack(name, ParameterGroup="no", AuditLog="yes").resources("AWS::RDS::OptionGroup")
        assert "AttachCommand" not in stack(name, ParameterGroup="no").outputs()


def test_the_commands_attach_what_was_made():
    said = stack("chain-kinesis", "mariadb").outputs()["AttachCommand"]
    assert "modify-db-instance --db-instance-identifier db1 --db-parameter-group-name hydrant-test-InstanceParameters" in said
    assert "--option-group-name hydrant-test-AuditOptions" in said
    assert '{"EnableLogTypes":["general","slowquery","audit"]}' in said
    assert "for i in db1; do aws rds reboot-db-instance --db-instance-identifier $i; done" in said
    said = stack("chain-firehose", "aurora").outputs()["AttachCommand"]
    assert "modify-db-cluster --db-cluster-identifier db1 --db-cluster-parameter-group-name hydrant-test-ClusterParameters" in said
    # Aurora's instances restart one by one; `reboot-db-cluster` is for others.
    assert "for i in $(aws rds describe-db-clusters" in said and "reboot-db-cluster" not in said
    assert stack("chain-kinesis").outputs()["RetentionCommand"] == (
        "aws logs put-retention-policy --log-group-name /aws/rds/instance/db1/general --retention-in-days 14")


def test_log_groups_are_rdss_own_by_default():
    for name in [*CHAINS, "subscription-destination"]:
        rds = [one for one in stack(name).resources("AWS::Logs::LogGroup").values() if one["LogGroupName"].startswith("/aws/rds/")]
        assert rds == []
    made = stack("chain-kinesis", "mariadb", LogGroups="new").resources("AWS::Logs::LogGroup")
    assert {one["LogGroupName"] for one in made.values()} == {f"/aws/rds/instance/db1/{log}" for log in ("general", "slowquery", "audit")} | {
        "/hydrant/hydrant-test/function"}
    assert all(one["RetentionInDays"] == 14 for one in made.values())
    for name, log in itertools.product(["chain-firehose", "subscription-destination"], ["general", "slowquery", "error", "audit"]):
        assert stack(name, "aurora", Log=log).one("Logs")["LogGroupName"] == f"/aws/rds/cluster/db1/{log}"


def test_filters_come_last_and_only_on_request():
    for name in [*CHAINS, "subscription-destination"]:
        assert not stack(name).resources("AWS::Logs::SubscriptionFilter")
    filters = stack("chain-kinesis", "subscribed", SlowLog="yes", ErrorLog="yes", AuditLog="yes").resources("AWS::Logs::SubscriptionFilter")
    assert {one["LogGroupName"].rsplit("/", 1)[1]: bool(one["FilterPattern"]) for one in filters.values()} == {
        "general": True, "slowquery": False, "error": False, "audit": False}
    assert all(one["Distribution"] == "Random" and one["DestinationArn"].endswith(":stream/hydrant-test") for one in filters.values())
    assert stack("chain-firehose", "subscribed", Log="audit").one("Filter")["FilterPattern"] == ""
    sender = stack("subscription-destination", "subscribed").one("Filter")
    assert sender["DestinationArn"] == NEEDED["subscription-destination"]["DestinationArn"] and sender["Distribution"] == "Random"
    assert load("chain-firehose")["Resources"]["Filter"]["DependsOn"] == "DeliveryStream"
    assert load("chain-kinesis")["Resources"]["GeneralFilter"]["DependsOn"] == "EventSource"


def test_the_stream_keeps_a_week_on_demand():
    for name in CHAINS:
        assert stack(name).one("Stream") == {
            "Name": "hydrant-test", "RetentionPeriodHours": 168, "StreamModeDetails": {"StreamMode": "ON_DEMAND"},
            "StreamEncryption": {"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}}


def test_records_are_given_up_before_the_stream_drops_them():
    hours = load("chain-kinesis")["Parameters"]["StreamHours"]["AllowedValues"]
    for one in hours:
        age = stack("chain-kinesis", StreamHours=str(one)).one("EventSource")["MaximumRecordAgeInSeconds"]
        assert one * 3600 * 0.5 < age < one * 3600 or age == 604_800 < one * 3600


def test_the_function_is_told_where_to_write():
    said = stack("chain-kinesis", "serverless").one("Function")["Environment"]["Variables"]
    assert said == {"HYDRANT_OUTPUT": "opensearch", "HYDRANT_INDEX_ENDPOINT": "https://abc.eu-west-1.aoss.amazonaws.com",
                    "HYDRANT_INDEX_SIGN": "aoss", "HYDRANT_INDEX_NAME": "hydrant-{format}", "HYDRANT_INDEX_ROTATION": "NoRotation",
                    "HYDRANT_FAILED_TO": "s3://bucket/hydrant", "HYDRANT_TRANSFORM_FORMAT": "auto", "HYDRANT_TRANSFORM_PROFILE": "classic", "HYDRANT_TRANSFORM_REDACT": "secrets"}
    said = stack("chain-kinesis").one("Function")["Environment"]["Variables"]
    assert (said["HYDRANT_INDEX_SIGN"], said["HYDRANT_INDEX_ROTATION"]) == ("es", "OneDay")
    assert said["HYDRANT_INDEX_ENDPOINT"].startswith("https://search-")
    said = stack("chain-firehose", AnswerLimit="5000000").one("Function")["Environment"]["Variables"]
    assert (said["HYDRANT_DESTINATION"], said["HYDRANT_ANSWER_LIMIT"]) == ("opensearch", "5000000")
    assert "HYDRANT_ANSWER_LIMIT" not in stack("chain-firehose").one("Function")["Environment"]["Variables"]


@pytest.mark.parametrize("name", CHAINS)
def test_the_function_is_the_zip_of_its_architecture(name):
    for architecture in ("x86_64", "arm64"):
        function = stack(name, Architecture=architecture, CodePrefix="v1/").one("Function")
        assert function["Code"] == {"S3Bucket": "code", "S3Key": f"v1/hydrant-lambda-{architecture}.zip"}
        assert (function["Architectures"], function["Runtime"], function["Handler"]) == ([architecture], "provided.al2023", "bootstrap")
    decided = stack(name, Release="2")
    assert decided.one("Version")["Description"].endswith(" 2")
    assert decided.one("Alias")["FunctionVersion"] == "1" and decided.one("Alias")["Name"] == "live"
    assert decided.one("Function")["LoggingConfig"] == {"LogGroup": "/hydrant/hydrant-test/function"}
    # All that reads or invokes goes by the alias.
    user = decided.one("EventSource")["FunctionName"] if name == "chain-kinesis" else json.dumps(decided.one("DeliveryStream"))
    assert "function:hydrant-test:live" in user


def test_firehose_as_section_4_wants_it():
    decided = stack("chain-firehose", IndexRotation="OneHour")
    one = decided.one("DeliveryStream")
    assert one["KinesisStreamSourceConfiguration"]["KinesisStreamARN"].endswith(":stream/hydrant-test")
    assert "AmazonOpenSearchServerlessDestinationConfiguration" not in one
    place = one["AmazonopensearchserviceDestinationConfiguration"]
    assert place["BufferingHints"] == {"SizeInMBs": 5, "IntervalInSeconds": 60}
    assert (place["IndexRotationPeriod"], place["S3BackupMode"]) == ("OneHour", "FailedDocumentsOnly")
    (processor,) = place["ProcessingConfiguration"]["Processors"]
    said = {part["ParameterName"]: part["ParameterValue"] for part in processor["Parameters"]}
    assert (said["BufferSizeInMBs"], said["BufferIntervalInSeconds"]) == ("0.2", "10")
    assert place["S3Configuration"]["ErrorOutputPrefix"] == "firehose/!{firehose:error-output-type}/!{timestamp:yyyy/MM/dd/HH}/"
    collection = stack("chain-firehose", "serverless").one("DeliveryStream")
    assert "AmazonopensearchserviceDestinationConfiguration" not in collection
    assert collection["AmazonOpenSearchServerlessDestinationConfiguration"]["CollectionEndpoint"] == OPTIONS["serverless"]["OpenSearchEndpoint"]
    assert "IndexRotationPeriod" not in json.dumps(collection)


REFUSED = [
    ("chain-firehose", {**OPTIONS["serverless"], "IndexRotation": "OneDay"}, "IndexRotation has to be NoRotation"),
    ("chain-firehose", {"KinesisEndpoint": "yes"}, "KinesisEndpoint needs VpcId"),
    *[(name, given, said) for name in CHAINS for given, said in [
        ({"OpenSearch": "domain"}, "OpenSearchEndpoint and OpenSearchArn are needed"),
        ({"OpenSearch": "serverless", "IndexRotation": "NoRotation", "OpenSearchEndpoint": "https://a.aoss.amazonaws.com"}, "OpenSearchArn are needed"),
        ({"DomainAdminArn": ""}, "DomainAdminArn is needed"),
        ({"VpcId": "vpc-01"}, "SubnetIds are needed"),
        ({"Key": "existing"}, "KmsKeyArn is needed"),
        ({"OrganizationId": "o-abcdefghij"}, "SenderArns are needed"),
    ]]]


@pytest.mark.parametrize("name, given, said", REFUSED)
def test_a_rule_refuses_what_cannot_work(name, given, said):
    (refused,) = Stack(load(name), NEEDED[name] | given).refused()
    assert said in refused


def test_a_collection_may_rotate_where_hydrant_names_the_index():
    assert stack("chain-kinesis", "serverless", IndexRotation="OneDay").refused() == []


@pytest.mark.parametrize("name", CHAINS)
def test_vpc(name):
    decided = stack(name, "vpc", **({"KinesisEndpoint": "yes"} if name == "chain-firehose" else {}))
    inside = {"SubnetIds": ["subnet-01", "subnet-02"], "SecurityGroupIds": ["sg-01"]}
    assert decided.one("Function")["VpcConfig"] == inside
    assert decided.one("Domain")["VPCOptions"] == inside
    assert decided.one("SecurityGroup")["SecurityGroupEgress"][0]["ToPort"] == 443
    endpoints = {one["ServiceName"]: one["VpcEndpointType"] for one in decided.resources("AWS::EC2::VPCEndpoint").values()}
    gateway = {"com.amazonaws.eu-west-1.s3": "Gateway"}
    assert endpoints == (gateway | {"com.amazonaws.eu-west-1.kinesis-streams": "Interface"} if name == "chain-firehose" else gateway)
    if name == "chain-firehose":
        place = decided.one("DeliveryStream")["AmazonopensearchserviceDestinationConfiguration"]["VpcConfiguration"]
        assert place == inside | {"RoleARN": "arn:aws:iam::123456789012:role/hydrant-test-DeliveryRole"}
        china = stack(name, "vpc", pseudo=CHINA, KinesisEndpoint="yes").one("StreamEndpoint")
        assert china["ServiceName"] == "cn.com.amazonaws.cn-north-1.kinesis-streams"
    outside = stack(name)
    assert "VpcConfig" not in outside.one("Function") and not outside.resources("AWS::EC2::VPCEndpoint")
    assert "VPCOptions" not in outside.one("Domain")


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("option", ["own-key", "new-key"])
def test_a_key_encrypts_all_that_is_kept(name, option):
    decided = stack(name, option, LogGroups="new")
    key = decided.one("Stream")["StreamEncryption"]["KeyId"]
    assert key.startswith("arn:aws:kms:")
    (rule,) = decided.one("FailedBucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key} and rule["BucketKeyEnabled"]
    assert decided.one("Domain")["EncryptionAtRestOptions"] == {"Enabled": True, "KmsKeyId": key}
    assert all(one["KmsKeyId"] == key for one in decided.resources("AWS::Logs::LogGroup").values())
    if name == "chain-firehose":
        place = decided.one("DeliveryStream")["AmazonopensearchserviceDestinationConfiguration"]["S3Configuration"]
        assert place["EncryptionConfiguration"] == {"KMSEncryptionConfig": {"AWSKMSKeyARN": key}}
    assert decided.exists("EncryptionKey") == (option == "new-key")


ALARMS = {
    "AWS/Lambda": {"Errors", "Throttles"}, "Hydrant": {"failed"}, "AWS/Kinesis": {"WriteProvisionedThroughputExceeded"}, "AWS/ES": {"FreeStorageSpace"}}
MORE = {
    "chain-kinesis": {"AWS/Lambda": {"IteratorAge", "OnFailureDestinationDeliveredEventCount", "DroppedEventCount"}},
    "chain-firehose": {"AWS/Kinesis": {"GetRecords.IteratorAgeMilliseconds"}, "Hydrant": {"firehose_errors_hydrant-test"},
                       "AWS/Firehose": {"DeliveryToAmazonOpenSearchService.DataFreshness", "DeliveryToAmazonOpenSearchService.Success",
                                        "DeliveryToS3.Success", "ExecuteProcessing.Success"}}}


@pytest.mark.parametrize("name", CHAINS)
def test_alarms(name):
    alarms = stack(name, "alarms").resources("AWS::CloudWatch::Alarm")
    found, queries = {}, []
    for one in alarms.values():
        assert one["AlarmActions"] == ["arn:aws:sns:eu-west-1:123456789012:ops"] and one["TreatMissingData"] == "notBreaching"
        for metric in one.get("Metrics", [one]):
            metric = metric.get("MetricStat", {}).get("Metric", metric)
            if "Namespace" in metric:
                found.setdefault(metric["Namespace"], set()).add(metric["MetricName"])
            else:
                queries.append(metric["Expression"])
    assert found == {space: ALARMS.get(space, set()) | MORE[name].get(space, set()) for space in ALARMS | MORE[name]}
    # The lag in percent of the retention: milliseconds of 168 hours.
    assert sorted(queries) == ["100 * age / (3600000 * 168)", *(
        f"SELECT SUM({metric}) FROM \"AWS/Logs\" WHERE FilterName = 'hydrant-test'" for metric in ("DeliveryErrors", "DeliveryThrottling"))]
    assert "AlarmActions" not in stack(name).one("ErrorAlarm")
    serverless = stack("chain-firehose", "serverless")
    assert serverless.one("FreshnessAlarm")["MetricName"] == "DeliveryToAmazonOpenSearchServerless.DataFreshness"


@pytest.mark.parametrize("name", CHAINS)
def test_the_dashboard_is_json_and_complete(name):
    for option in ("plain", "serverless"):
        body = json.loads(stack(name, option).one("Dashboard")["DashboardBody"])
        places = [(one["x"], one["y"]) for one in body["widgets"]]
        assert len(places) == len(set(places)) == 6
        text = json.dumps(body)
        assert "${" not in text
        for metric in ["IncomingRecords", "Throttles", "failed", "FilterName"] + (
                ["IteratorAge", "DroppedEventCount"] if name == "chain-kinesis" else ["DataFreshness", "KinesisMillisBehindLatest", "DeliveryToS3.Success"]):
            assert metric in text, metric
        assert all(re.fullmatch(r"[a-z]+-[a-z]+-\d", one["properties"]["region"]) for one in body["widgets"])
