"""Which part uses which: roles, log groups and streams, the bucket, what the dashboard shows and what the outputs say, read from the decided templates."""

import json
import re
import shlex

import pytest

from checks import DIMENSIONS, OF_A_MAPPING
from template import CHAINS, NEEDED, OPTIONS, stack

ALL_AT_ONCE = ["all-logs", "vpc", "new-key", "cross-account"]
NEW_ENDPOINT = "https://search-hydran-domain-abc.eu-west-1.es.amazonaws.com"
WRITER = {"chain-kinesis": "FunctionRole", "chain-firehose": "DeliveryRole"}


def role(name):
    return f"arn:aws:iam::123456789012:role/hydrant-test-{name}"


def found(node, key):
    """Each value that stands at a key, wherever it is."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from [value] if name == key else found(value, key)
    elif isinstance(node, list):
        for one in node:
            yield from found(one, key)


@pytest.mark.parametrize("name", [*CHAINS, "subscription-destination"])
def test_log_groups_and_the_general_logs_filter_are_given_their_parameters(name):
    decided = stack(name, "all-logs", RetentionDays="3", FilterPattern='-"SELECT 1"')
    groups = decided.resources("AWS::Logs::LogGroup")
    # Of the database's logs, the function and Firehose.
    assert len(groups) == {"chain-kinesis": 5, "chain-firehose": 3, "subscription-destination": 1}[name]
    assert {one["RetentionInDays"] for one in groups.values()} == {3}
    filters = {one["LogGroupName"].rsplit("/", 1)[1]: one["FilterPattern"] for one in decided.resources("AWS::Logs::SubscriptionFilter").values()}
    assert filters == {"general": '-"SELECT 1"'} | ({} if name != "chain-kinesis" else dict.fromkeys(["slowquery", "error", "audit"], ""))


@pytest.mark.parametrize("options", [ALL_AT_ONCE, [*ALL_AT_ONCE, "serverless"]], ids=["domain", "serverless"])
@pytest.mark.parametrize("name", CHAINS)
def test_each_part_acts_by_its_own_role(name, options):
    """Lambda, Firehose and CloudWatch Logs: nobody acts by a role that trusts another service."""
    decided = stack(name, *options)
    filters = decided.resources("AWS::Logs::SubscriptionFilter")
    assert len(filters) == (4 if name == "chain-kinesis" else 1)
    assert {one["RoleArn"] for one in [*filters.values(), decided.one("Destination")]} == {role("LogsRole")}
    assert {one["DestinationArn"] for one in filters.values()} == {decided.one("Destination")["TargetArn"]}
    assert decided.one("Destination")["TargetArn"] == "arn:aws:kinesis:eu-west-1:123456789012:stream/hydrant-test"
    assert decided.one("Function")["Role"] == role("FunctionRole")
    if name == "chain-firehose":
        roles = list(found(decided.one("DeliveryStream"), "RoleARN"))
        # Of source, destination, VPC and bucket.
        assert roles == [role("DeliveryRole")] * 4


def test_firehose_logs_to_streams_that_are_there_and_fails_into_the_bucket():
    for options in ([], ["serverless"]):
        decided = stack("chain-firehose", *options)
        there = {(one["LogGroupName"], one["LogStreamName"]) for one in decided.resources("AWS::Logs::LogStream").values()}
        (place,) = [value for key, value in decided.one("DeliveryStream").items() if "penSearch" in key or "pensearch" in key]
        logged = [(one["LogGroupName"], one["LogStreamName"]) for one in found(place, "CloudWatchLoggingOptions")]
        assert len(logged) == len(set(logged)) == 2 and set(logged) == there
        assert {group for group, _ in there} == {"/aws/kinesisfirehose/hydrant-test"}
        assert place["S3Configuration"]["BucketARN"] == "arn:aws:s3:::bucket" and place["S3Configuration"]["CompressionFormat"] == "GZIP"
        assert place["S3Configuration"]["Prefix"] == "backup/"
        assert (place["S3BackupMode"], place["RetryOptions"]) == ("FailedDocumentsOnly", {"DurationInSeconds": 7200})
    more = stack("chain-firehose", Backup="AllDocuments", RetrySeconds="60").one("DeliveryStream")["AmazonopensearchserviceDestinationConfiguration"]
    assert (more["S3BackupMode"], more["RetryOptions"]) == ("AllDocuments", {"DurationInSeconds": 60})


@pytest.mark.parametrize("name", CHAINS)
def test_an_existing_domain_or_collection_is_the_one_that_is_named(name):
    for option in ("domain", "serverless"):
        decided = stack(name, option)
        assert not decided.resources("AWS::OpenSearchService::Domain")
        named = OPTIONS[option]
        if name == "chain-kinesis":
            assert decided.one("Function")["Environment"]["Variables"]["HYDRANT_INDEX_ENDPOINT"] == named["OpenSearchEndpoint"]
            continue
        delivery = decided.one("DeliveryStream")
        place = delivery.get("AmazonopensearchserviceDestinationConfiguration") or delivery["AmazonOpenSearchServerlessDestinationConfiguration"]
        assert place["IndexName"] == "hydrant-general"
        assert place.get("DomainARN", place.get("CollectionEndpoint")) == named["OpenSearchArn" if option == "domain" else "OpenSearchEndpoint"]


@pytest.mark.parametrize("nodes, aware", [("1", False), ("2", True)])
def test_a_new_domain_is_small(nodes, aware):
    for name in CHAINS:
        said = stack(name, DomainInstances=nodes).one("Domain")
        assert said["ClusterConfig"] == {"InstanceType": "t3.small.search", "InstanceCount": int(nodes), "ZoneAwarenessEnabled": aware}
        assert said["EBSOptions"] == {"EBSEnabled": True, "VolumeType": "gp3", "VolumeSize": 20}
        assert said["AdvancedSecurityOptions"]["MasterUserOptions"] == {"MasterUserARN": NEEDED[name]["DomainAdminArn"]}
        # In two subnets where there are two nodes, as many as AWS wants.
        inside = stack(name, VpcId="vpc-0123456789abcdef0", SubnetIds="subnet-0a,subnet-0b,subnet-0c", DomainInstances=nodes).one("Domain")
        assert inside["VPCOptions"]["SubnetIds"] == ["subnet-0a", "subnet-0b"][:int(nodes)]


@pytest.mark.parametrize("name", CHAINS)
def test_the_bucket_is_private_encrypted_versioned_and_forgets(name):
    assert stack(name, FailedDays="7").one("FailedBucket") == {
        "BucketEncryption": {"ServerSideEncryptionConfiguration": [
            {"BucketKeyEnabled": False, "ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]},
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "PublicAccessBlockConfiguration": dict.fromkeys(["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"], True),
        "VersioningConfiguration": {"Status": "Enabled"},
        "LifecycleConfiguration": {"Rules": [{"Id": "age", "Status": "Enabled", "ExpirationInDays": 7, "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
                                              "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7}}]}}


def test_the_mapping_is_given_its_parameters():
    said = stack("chain-kinesis", BatchSize="7", BatchSeconds="8", ParallelizationFactor="9", RetryAttempts="11").one("EventSource")
    assert (said["BatchSize"], said["MaximumBatchingWindowInSeconds"], said["ParallelizationFactor"], said["MaximumRetryAttempts"]) == (7, 8, 9, 11)
    assert said["EventSourceArn"] == "arn:aws:kinesis:eu-west-1:123456789012:stream/hydrant-test"
    assert said["DestinationConfig"] == {"OnFailure": {"Destination": "arn:aws:s3:::bucket"}} and said["MetricsConfig"] == {"Metrics": ["EventCount"]}


@pytest.mark.parametrize("name", CHAINS)
def test_the_function_is_given_its_parameters(name):
    given = {"MemorySize": "1024", "Timeout": "61", "Format": "slow", "Profile": "ecs", "Redact": "off"}
    said = stack(name, "domain", **given).one("Function")
    assert (said["MemorySize"], said["Timeout"], said["FunctionName"]) == (1024, 61, "hydrant-test")
    own = {"chain-kinesis": {"HYDRANT_OUTPUT": "opensearch", "HYDRANT_INDEX_ENDPOINT": OPTIONS["domain"]["OpenSearchEndpoint"], "HYDRANT_INDEX_SIGN": "es",
                             "HYDRANT_INDEX_NAME": "hydrant-{format}", "HYDRANT_INDEX_ROTATION": "OneDay"},
           "chain-firehose": {"HYDRANT_DESTINATION": "opensearch"}}
    assert said["Environment"]["Variables"] == own[name] | {
        "HYDRANT_FAILED_TO": "s3://bucket/hydrant", "HYDRANT_TRANSFORM_FORMAT": "slow", "HYDRANT_TRANSFORM_PROFILE": "ecs", "HYDRANT_TRANSFORM_REDACT": "off"}


FUNCTION, STREAM, DELIVERY = [("FunctionName", "hydrant-test")], [("StreamName", "hydrant-test")], [("DeliveryStreamName", "hydrant-test")]
MAPPING = [("EventSourceMappingUUID", "0a1b2c3d-0000-1111-2222-333344445555")]
SHOWN = {
    "Stream": [("AWS/Kinesis", metric, STREAM) for metric in ("IncomingRecords", "IncomingBytes", "WriteProvisionedThroughputExceeded")],
    "Function": [("AWS/Lambda", metric, FUNCTION) for metric in ("Invocations", "Errors", "Throttles")],
    "Documents": [("Hydrant", metric, FUNCTION) for metric in ("received", "delivered", "failed", "duplicates")],
}
OWN = {
    "chain-kinesis": {
        "Behind": [("AWS/Lambda", metric, FUNCTION) for metric in ("IteratorAge", "Duration")],
        "Batches given up": [("AWS/Lambda", metric, MAPPING) for metric in ("OnFailureDestinationDeliveredEventCount", "DroppedEventCount")]},
    "chain-firehose": {
        "Behind": [("AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", STREAM),
                   *[("AWS/Firehose", metric, DELIVERY) for metric in ("KinesisMillisBehindLatest", "{}.DataFreshness")]],
        "Firehose": [("AWS/Firehose", metric, DELIVERY) for metric in ("{}.Records", "{}.Success", "DeliveryToS3.Success", "SucceedProcessing.Records")]},
}


def whole(rows):
    """A widget's metrics without CloudWatch's short form, in which `.` is what stands above."""
    above = []
    for row in rows:
        above = [above[at] if one == "." else one for at, one in enumerate(row)]
        namespace, metric, *dimensions = above
        yield namespace, metric, list(zip(dimensions[::2], dimensions[1::2], strict=True))


@pytest.mark.parametrize("name", CHAINS)
def test_the_dashboard_shows_metrics_that_are_there(name):
    for option, to in (("plain", "DeliveryToAmazonOpenSearchService"), ("serverless", "DeliveryToAmazonOpenSearchServerless")):
        first, *widgets = json.loads(stack(name, option).one("Dashboard")["DashboardBody"])["widgets"]
        assert first["properties"]["metrics"] == [[{"expression": "SEARCH('Namespace=\"AWS/Logs\" FilterName=\"hydrant-test\"', 'Sum', 300)"}]]
        shown = {one["properties"]["title"]: list(whole(one["properties"]["metrics"])) for one in widgets}
        wanted = {title: [(space, metric.format(to), dimensions) for space, metric, dimensions in rows] for title, rows in (SHOWN | OWN[name]).items()}
        assert shown == wanted
        for namespace, metric, dimensions in [row for rows in shown.values() for row in rows]:
            own = {"EventSourceMappingUUID"} if metric in OF_A_MAPPING else DIMENSIONS[namespace]
            assert {key for key, _ in dimensions} == own, metric
        for one in [first, *widgets]:
            assert (one["type"], one["width"], one["height"], one["properties"]["region"]) == ("metric", 12, 6, "eu-west-1")
            assert one["properties"]["stat"] == ("Maximum" if one["properties"]["title"] == "Behind" else "Sum")


@pytest.mark.parametrize("name", CHAINS)
def test_the_outputs_lead_on(name):
    def said(*options, **given):
        return {key: value for key, value in stack(name, *options, **given).outputs().items() if key not in ("AttachCommand", "RetentionCommand", "AccessCommand")}

    writer = role(WRITER[name])
    plain = {"WriterRoleArn": writer, "FailedDocumentsIn": "s3://bucket"}

    def setup(endpoint):
        return {"Endpoint": endpoint, "SetupCommand": f"hydrant setup opensearch --config hydrant.toml --endpoint {endpoint} --role-arn {writer}"}

    assert said() == plain | setup(NEW_ENDPOINT)
    assert said("domain") == plain | setup(OPTIONS["domain"]["OpenSearchEndpoint"])
    # A collection has no role mapping.
    assert said("serverless") == plain | {"Endpoint": OPTIONS["serverless"]["OpenSearchEndpoint"]}
    assert said(*ALL_AT_ONCE) == plain | setup(NEW_ENDPOINT) | {
        "SecurityGroupId": "sg-01", "DestinationArn": "arn:aws:logs:eu-west-1:123456789012:destination:hydrant-test",
        "NewKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-0000-1111-2222-333344445555"}
    assert "NewKeyArn" not in said("own-key")


@pytest.mark.parametrize("name", CHAINS)
def test_the_outputs_are_in_their_order(name):
    """What is to be done is numbered, and each command is one that a shell can take apart."""
    decided = stack(name, "aurora", "serverless")
    numbers = {key: re.match(r"(\d)\. ", part.get("Description", "")) for key, part in decided.template["Outputs"].items()}
    assert {key: int(number[1]) for key, number in numbers.items() if number} == {
        "AttachCommand": 1, "RetentionCommand": 2, "SetupCommand": 3, "AccessCommand": 3}
    for key, value in decided.outputs().items():
        assert "${" not in value and (not key.endswith("Command") or shlex.split(value)), key
