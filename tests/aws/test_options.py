"""What each parameter changes, read from the decided templates: engines, logs, options, rules, alarms and the dashboard."""

import itertools
import json
import os
import re
import subprocess

import jmespath
import pytest

from template import CHAINS, CHINA, NEEDED, OPTIONS, REPO, Stack, load, stack

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
    for name in [*CHAINS, "subscription-destination"]:
        off = GENERAL | {"general_log": "0", "slow_query_log": "0", "long_query_time": 1}
        assert stack(name, GeneralLog="no").one("InstanceParameters")["Parameters"] == off
        aurora = stack(name, GeneralLog="no", Engine="aurora-mysql").one("ClusterParameters")
        assert aurora["Parameters"] == off | {"server_audit_logging": "0"} and aurora["Description"] == "Logs for Hydrant, stack hydrant-test"


AWS_STUB = """#!/bin/sh
case "$*" in
*Status*)
    echo "$*" >>"$ASKED"
    echo status >>"$CALLED"
    head -n 1 "$STATES"
    [ "$(wc -l <"$STATES")" -lt 2 ] || sed -i 1d "$STATES"
    exit
    ;;
*describe-db-clusters*DBInstanceIdentifier*) printf 'one\\ttwo\\n'; exit ;;
esac
echo "$*" >>"$CALLED"
case "$*" in
$FAILING) exit 1 ;;
esac
"""
SLEEP_STUB = """#!/bin/sh
echo "sleep $*" >>"$CALLED"
"""


def calls(command, folder, failing="nothing", states=("pending-reboot",), said="", shell="bash"):
    """What a command calls of `aws`, in order, as a shell runs it, and that it sleeps. A call that fails is given by its beginning; `states` are what
    RDS answers of the group, one after the other, and at last again and again."""
    for name, stub in (("aws", AWS_STUB), ("sleep", SLEEP_STUB)):
        (folder / name).write_text(stub)
        (folder / name).chmod(0o755)
    called = folder / "called"
    called.write_text("")
    (folder / "states").write_text("".join(f"{one}\n" for one in states))
    done = subprocess.run([shell, "-c", command], capture_output=True, text=True, timeout=60,
                          env={"PATH": f"{folder}:{os.environ['PATH']}", "CALLED": str(called), "FAILING": failing, "STATES": str(folder / "states"),
                               "ASKED": str(folder / "asked")})
    assert done.stderr == said
    return called.read_text().splitlines()


EXPORT = "--cloudwatch-logs-export-configuration {\"EnableLogTypes\":["
NOT_PENDING = "not pending after ten minutes: look before you restart it"


def restarted(instance):
    wait = f"rds wait db-instance-available --db-instance-identifier {instance}"
    return [wait, f"rds reboot-db-instance --db-instance-identifier {instance}", wait]


@pytest.mark.parametrize("shell", ["bash", "sh"])
@pytest.mark.parametrize("name", [*CHAINS, "subscription-destination"])
def test_the_command_attaches_what_was_made_and_restarts_what_is_available(name, shell, tmp_path):
    said = stack(name, "mariadb").outputs()["AttachCommand"]
    attached = ("rds modify-db-instance --db-instance-identifier db1 --db-parameter-group-name hydrant-test-InstanceParameters "
                "--option-group-name hydrant-test-AuditOptions " + EXPORT + '"general","slowquery","audit"]} --apply-immediately')
    assert calls(said, tmp_path, shell=shell) == [attached, "status", *restarted("db1")]
    # What fails is not followed by a restart.
    assert calls(said, tmp_path, shell=shell, failing="rds modify*") == [attached]
    assert calls(said, tmp_path, shell=shell, failing="rds wait*") == [attached, "status", restarted("db1")[0]]
    said = stack(name, "aurora").outputs()["AttachCommand"]
    attached = ("rds modify-db-cluster --db-cluster-identifier db1 --db-cluster-parameter-group-name hydrant-test-ClusterParameters "
                + EXPORT + '"general","audit"]} --apply-immediately')
    # Aurora's instances restart one by one; `reboot-db-cluster` is for others.
    assert calls(said, tmp_path, shell=shell, states=["pending-reboot\tpending-reboot"]) == [attached, "status", *restarted("one"), *restarted("two")]


@pytest.mark.parametrize("name", [*CHAINS, "subscription-destination"])
def test_nothing_restarts_before_the_group_is_pending(name, tmp_path):
    """As docs/aws.md does: until the change begins the instance is available, and the group is not there or in sync."""
    said = stack(name).outputs()["AttachCommand"]
    (attached, *waited) = calls(said, tmp_path, states=["", "in-sync", "applying", "pending-reboot"])
    assert attached.startswith("rds modify-db-instance ") and waited == ["status", "sleep 10"] * 3 + ["status", *restarted("db1")]
    # One member of a cluster that is not pending yet.
    (_, *waited) = calls(stack(name, "aurora").outputs()["AttachCommand"], tmp_path, states=["pending-reboot\tin-sync", "pending-reboot\tpending-reboot"])
    assert waited == ["status", "sleep 10", "status", *restarted("one"), *restarted("two")]
    # Ten minutes, and no restart.
    (_, *waited) = calls(said, tmp_path, states=["in-sync"], said=f"{NOT_PENDING}\n")
    assert waited == ["status", "sleep 10"] * 59 + ["status"]
    page = (REPO / "docs" / "aws.md").read_text()
    assert page.count(f'echo "{NOT_PENDING}"') == page.count("TRIES=60") == page.count("sleep 10;") == 2


def asked(name, option, folder):
    """What a command asks RDS until the group is pending: the operation, and the query."""
    calls(stack(name, option).outputs()["AttachCommand"], folder)
    (line,) = (folder / "asked").read_text().splitlines()
    return re.fullmatch(r"rds (\S+) --db-\w+-identifier db1 --output text --query (.*)", line).groups()


@pytest.mark.parametrize("name", [*CHAINS, "subscription-destination"])
def test_the_group_that_is_asked_for_is_the_one_that_was_made(name, tmp_path):
    # The form is that of the pages of DescribeDBInstances and DescribeDBClusters.
    def instance(*groups):
        return {"DBInstances": [{"DBInstanceIdentifier": "db1", "DBParameterGroups": [
            {"DBParameterGroupName": group, "ParameterApplyStatus": status} for group, status in groups]}]}

    operation, query = asked(name, "plain", tmp_path)
    assert operation == "describe-db-instances"
    ours = "hydrant-test-InstanceParameters"
    for answer, found in [(instance(("default.mysql8.0", "pending-reboot")), []), (instance((ours, "pending-reboot")), ["pending-reboot"]),
                          (instance(("default.mysql8.0", "in-sync"), (ours, "applying")), ["applying"])]:
        assert jmespath.search(query, answer) == found

    def cluster(group, *statuses):
        return {"DBClusters": [{"DBClusterIdentifier": "db1", "DBClusterParameterGroup": group, "DBClusterMembers": [
            {"DBInstanceIdentifier": f"i{at}", "DBClusterParameterGroupStatus": status} for at, status in enumerate(statuses)]}]}

    (tmp_path / "asked").unlink()
    operation, query = asked(name, "aurora", tmp_path)
    assert operation == "describe-db-clusters"
    for answer, found in [(cluster("default.aurora-mysql8.0", "pending-reboot"), []),
                          (cluster("hydrant-test-ClusterParameters", "pending-reboot", "in-sync"), ["pending-reboot", "in-sync"])]:
        assert jmespath.search(query, answer) == found


def test_the_command_that_ends_retention_for_ever_names_each_log_group(tmp_path):
    def kept(name, *options, **given):
        return [re.fullmatch("logs put-retention-policy --log-group-name (.*) --retention-in-days 14", call)[1]
                for call in calls(stack(name, *options, **given).outputs()["RetentionCommand"], tmp_path)]

    assert kept("chain-kinesis") == ["/aws/rds/instance/db1/general"]
    assert kept("chain-kinesis", "all-logs") == [f"/aws/rds/instance/db1/{log}" for log in ("general", "slowquery", "error", "audit")]
    for name in ("chain-firehose", "subscription-destination"):
        assert kept(name, "aurora", Log="audit") == ["/aws/rds/cluster/db1/audit"]


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


@pytest.mark.parametrize("groups", ["existing", "new"])
@pytest.mark.parametrize("engine, kind", [("mysql", "instance"), ("mariadb", "instance"), ("aurora-mysql", "cluster")])
def test_a_filter_is_at_the_log_group_that_rds_writes_to(engine, kind, groups):
    version = {"mariadb": "10.11"}.get(engine, "8.0")
    logs = ["general", "slowquery", "error", "audit"]
    given = {"Engine": engine, "EngineVersion": version, "LogGroups": groups, "SlowLog": "yes", "ErrorLog": "yes", "AuditLog": "yes", "Subscribe": "yes"}
    decided = stack("chain-kinesis", **given)
    filters = decided.resources("AWS::Logs::SubscriptionFilter").values()
    assert [one["LogGroupName"] for one in filters] == [f"/aws/rds/{kind}/db1/{log}" for log in logs]
    for name in ("chain-firehose", "subscription-destination"):
        for log in logs:
            decided = stack(name, Log=log, **given)
            assert decided.one("Filter")["LogGroupName"] == f"/aws/rds/{kind}/db1/{log}"
            assert not decided.exists("Logs") or decided.one("Logs")["LogGroupName"] == f"/aws/rds/{kind}/db1/{log}"


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
    decided = stack(name)
    assert decided.one("Alias")["FunctionVersion"] == "1" and decided.one("Alias")["Name"] == "live"
    assert decided.one("Function")["LoggingConfig"] == {"LogGroup": "/hydrant/hydrant-test/function"}
    # All that reads or invokes goes by the alias.
    user = decided.one("EventSource")["FunctionName"] if name == "chain-kinesis" else json.dumps(decided.one("DeliveryStream"))
    assert "function:hydrant-test:live" in user


def test_firehose_as_section_4_wants_it():
    decided = stack("chain-firehose", IndexRotation="OneHour")
    one = decided.one("DeliveryStream")
    # Without its type CloudFormation takes one for direct puts.
    assert (one["DeliveryStreamName"], one["DeliveryStreamType"]) == ("hydrant-test", "KinesisStreamAsSource")
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
    # All else is the domain's, with each option.
    for options in ([], ["vpc", "own-key"]):
        here = stack("chain-firehose", *options).one("DeliveryStream")["AmazonopensearchserviceDestinationConfiguration"]
        there = stack("chain-firehose", *options, "serverless").one("DeliveryStream")["AmazonOpenSearchServerlessDestinationConfiguration"]
        assert set(here) - set(there) == {"DomainARN", "IndexRotationPeriod", "DocumentIdOptions"} and set(there) - set(here) == {"CollectionEndpoint"}
        assert {key: value for key, value in here.items() if key in there} == {key: value for key, value in there.items() if key in here}


REFUSED = [
    ("chain-firehose", {**OPTIONS["serverless"], "IndexRotation": "OneDay"}, "IndexRotation has to be NoRotation"),
    ("chain-firehose", {"KinesisEndpoint": "yes"}, "KinesisEndpoint needs VpcId"),
    ("chain-kinesis", {"GeneralLog": "no"}, "One of GeneralLog, SlowLog, ErrorLog and AuditLog"),
    *[(name, {"Log": log}, "Log needs its switch") for name in ("chain-firehose", "subscription-destination") for log in ("slowquery", "error", "audit")],
    *[(name, {"GeneralLog": "no"}, "Log needs its switch") for name in ("chain-firehose", "subscription-destination")],
    *[(name, given, said) for name in CHAINS for given, said in [
        ({"OpenSearch": "domain"}, "OpenSearchEndpoint and OpenSearchArn are needed"),
        ({"OpenSearch": "serverless", "IndexRotation": "NoRotation", "OpenSearchEndpoint": "https://a.aoss.amazonaws.com"}, "OpenSearchArn are needed"),
        ({"DomainAdminArn": ""}, "DomainAdminArn is needed"),
        ({"VpcId": "vpc-0123456789abcdef0"}, "SubnetIds are needed"),
        ({"Key": "existing"}, "KmsKeyArn is needed"),
        ({"OrganizationId": "o-abcdefghij"}, "SenderArns are needed"),
    ]]]


@pytest.mark.parametrize("name, given, said", REFUSED)
def test_a_rule_refuses_what_cannot_work(name, given, said):
    (refused,) = Stack(load(name), NEEDED[name] | given).refused()
    assert said in refused


def test_a_log_has_its_switch_or_its_group_elsewhere():
    for log, switch in [("slowquery", "SlowLog"), ("error", "ErrorLog"), ("audit", "AuditLog")]:
        for name in ("chain-firehose", "subscription-destination"):
            assert stack(name, Log=log, **{switch: "yes"}).refused() == []
            assert stack(name, Log=log, ParameterGroup="no").refused() == []
        assert stack("chain-kinesis", GeneralLog="no", **{switch: "yes"}).refused() == []


@pytest.mark.parametrize("database", ["Shop", "sHop", "1shop", "shop_1", ""])
def test_a_database_is_named_in_lower_case(database):
    for name in [*CHAINS, "subscription-destination"]:
        with pytest.raises(AssertionError, match="does not have its form"):
            stack(name, DatabaseId=database)


# Each parameter's other value, where it can have one at once with the defaults.
OTHER = {"CodePrefix": "v2/", "Architecture": "x86_64", "Release": "2", "MemorySize": "1024", "Timeout": "60", "Format": "slow", "Profile": "ecs",
         "Redact": "literals", "IndexName": "other", "IndexRotation": "OneHour", "AnswerLimit": "5000000", "DatabaseId": "db2", "SlowLog": "yes",
         "ErrorLog": "yes", "LogGroups": "new", "RetentionDays": "1", "Subscribe": "yes", "StreamHours": "24", "BatchSize": "1", "Backup": "AllDocuments",
         "FailedDays": "1", "DomainGib": "30"}


@pytest.mark.parametrize("name", CHAINS)
def test_a_changed_setting_publishes_a_version_of_a_changed_function(name):
    def both(*options, **given):
        decided = stack(name, *options, **given)
        return decided.one("Function"), decided.one("Version")["Description"]

    function, described = both()
    changed = set()
    for key in set(OTHER) & set(load(name)["Parameters"]):
        other, says = both(**{key: OTHER[key]})
        # Lambda publishes none of a function that has not changed: "A version for this Lambda function exists".
        assert (other != function) == (says != described), key
        changed |= {key} if says != described else set()
    settings = {"CodePrefix", "Architecture", "Release", "MemorySize", "Timeout", "Format", "Profile", "Redact"}
    assert changed == settings | ({"IndexName", "IndexRotation"} if name == "chain-kinesis" else {"AnswerLimit"})
    # The same code under another prefix, or only another word, changes the function too.
    assert both(CodePrefix="v2/", Release="3")[0]["Description"] == "v2/ 3"
    assert both("vpc")[1] != described
    if name == "chain-kinesis":
        domain = both("domain")[1]
        assert len({described, domain, both("serverless", IndexRotation="OneDay")[1], both("domain", OpenSearchEndpoint="https://b.example.com")[1]}) == 4


@pytest.mark.parametrize("name", CHAINS)
def test_the_longest_description_has_256_characters_at_most(name):
    parameters = load(name)["Parameters"]
    given = {"Architecture": "x86_64", "MemorySize": "10240", "Timeout": "300", "Format": "general", "Profile": "classic", "Redact": "literals",
             "CodePrefix": "p" * parameters["CodePrefix"]["MaxLength"], "Release": "r" * parameters["Release"]["MaxLength"],
             "VpcId": "vpc-0123456789abcdef0", "OpenSearchEndpoint": f"https://{'a' * 63}.eu-west-1.es.amazonaws.com", "SubnetIds": "subnet-01"}
    given |= {"IndexName": "i" * 48, "IndexRotation": "NoRotation"} if name == "chain-kinesis" else {"AnswerLimit": "5" * 7}
    assert len(stack(name, "domain", **given).one("Version")["Description"]) == {"chain-kinesis": 253, "chain-firehose": 129}[name]
    for key, value in [("IndexName", "i" * 49), ("AnswerLimit", "5" * 8), ("OpenSearchEndpoint", f"https://{'a' * 64}.example"), ("VpcId", "vpc-0123456789abcdef01")]:
        if key in parameters and not (key == "IndexName" and name == "chain-firehose"):
            with pytest.raises(AssertionError, match="does not have its form"):
                stack(name, **{key: value})


def test_a_collection_may_rotate_where_hydrant_names_the_index():
    assert stack("chain-kinesis", "serverless", IndexRotation="OneDay").refused() == []


@pytest.mark.parametrize("name", CHAINS)
def test_vpc(name):
    decided = stack(name, "vpc", **({"KinesisEndpoint": "yes"} if name == "chain-firehose" else {}))
    inside = {"SubnetIds": ["subnet-01", "subnet-02"], "SecurityGroupIds": ["sg-01"]}
    assert decided.one("Function")["VpcConfig"] == inside
    assert decided.one("Domain")["VPCOptions"] == inside
    inside_only = {"GroupId": "sg-01", "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    assert decided.resources("AWS::EC2::SecurityGroupIngress") == {"SecurityGroupInside": inside_only | {"SourceSecurityGroupId": "sg-01"}}
    admin = stack(name, "vpc", AdminSecurityGroupId="sg-0a").resources("AWS::EC2::SecurityGroupIngress")
    assert admin["SecurityGroupAdmin"] == inside_only | {"SourceSecurityGroupId": "sg-0a"} and len(admin) == 2
    assert not stack(name, AdminSecurityGroupId="sg-0a").resources("AWS::EC2::SecurityGroupIngress")
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
    logs = {"LogGroups": "new", "SlowLog": "yes", "ErrorLog": "yes", "AuditLog": "yes"}
    decided = stack(name, option, **logs)
    key = decided.one("Stream")["StreamEncryption"]["KeyId"]
    assert key.startswith("arn:aws:kms:")
    (rule,) = decided.one("FailedBucket")["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key} and rule["BucketKeyEnabled"]
    assert decided.one("Domain")["EncryptionAtRestOptions"] == {"Enabled": True, "KmsKeyId": key}
    groups = [one.get("KmsKeyId") for one in decided.resources("AWS::Logs::LogGroup").values()]
    # Of the database's logs, the function and Firehose.
    assert groups == [key] * {"chain-kinesis": 5, "chain-firehose": 3}[name]
    without = stack(name, **logs)
    assert not any("KmsKeyId" in one for one in without.resources("AWS::Logs::LogGroup").values())
    assert without.one("Domain")["EncryptionAtRestOptions"] == {"Enabled": True}
    if name == "chain-firehose":
        place = decided.one("DeliveryStream")["AmazonopensearchserviceDestinationConfiguration"]["S3Configuration"]
        assert place["EncryptionConfiguration"] == {"KMSEncryptionConfig": {"AWSKMSKeyARN": key}}
    assert decided.exists("EncryptionKey") == (option == "new-key")


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
