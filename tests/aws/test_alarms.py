"""The alarms, each as a sentence: metric, dimensions, statistic, comparison, threshold and time. A changed word of any alarm is found."""

import copy

import pytest

from template import CHAINS, OPTIONS, load, stack

SIGNS = {"GreaterThanThreshold": ">", "GreaterThanOrEqualToThreshold": ">=", "LessThanThreshold": "<"}
FUNCTION, STREAM, DELIVERY = "{FunctionName=hydrant-test}", "{StreamName=hydrant-test}", "{DeliveryStreamName=hydrant-test}"
MAPPING = "{EventSourceMappingUUID=0a1b2c3d-0000-1111-2222-333344445555}"
NODES = "{ClientId=123456789012, DomainName=hydran-domain-abc}"
LOGS = "> 0, 1 x 300 s; events = SELECT SUM({}) FROM \"AWS/Logs\" WHERE FilterName = 'hydrant-test'"
SUBSCRIPTION = {"SubscriptionErrorAlarm": LOGS.format("DeliveryErrors"), "SubscriptionThrottleAlarm": LOGS.format("DeliveryThrottling")}
BOTH = SUBSCRIPTION | {
    "ReaderAlarm": "> 0, 3 x 300 s; came = AWS/Kinesis IncomingRecords" + STREAM + " Sum; read = AWS/Kinesis GetRecords.Records" + STREAM
    + " Sum; unread = IF(FILL(came, 0) > 0 AND FILL(read, 0) == 0, 1, 0)",
    "ErrorAlarm": "> 0, 1 x 300 s; AWS/Lambda Errors" + FUNCTION + " Sum",
    "ThrottleAlarm": "> 0, 1 x 300 s; AWS/Lambda Throttles" + FUNCTION + " Sum",
    "FailedAlarm": "> 0, 1 x 300 s; Hydrant failed" + FUNCTION + " Sum",
    "WriteAlarm": "> 0, 1 x 300 s; AWS/Kinesis WriteProvisionedThroughputExceeded" + STREAM + " Sum",
    # A quarter of a node: AWS blocks writes below a fifth, or 20 GiB where that is less.
    "StorageAlarm": "< 25, 1 x 300 s; free = AWS/ES FreeStorageSpace" + NODES + " Minimum; part = 100 * free / (1024 * 20)",
    "BlockedAlarm": ">= 1, 1 x 300 s; AWS/ES ClusterIndexWritesBlocked" + NODES + " Maximum",
}
EXPECTED = {
    "chain-kinesis": BOTH | {
        # The first step is a quarter of an hour, the second a quarter of the week.
        "BehindAlarm": "> 900000, 3 x 300 s; AWS/Lambda IteratorAge" + FUNCTION + " Maximum",
        "UnsafeAlarm": "> 0, 1 x 300 s; Hydrant unsafe_records" + FUNCTION + " Sum",
        "LagAlarm": "> 25, 3 x 300 s; age = AWS/Lambda IteratorAge" + FUNCTION + " Maximum; used = 100 * age / (3600000 * 168)",
        "GivenUpAlarm": "> 0, 1 x 300 s; AWS/Lambda OnFailureDestinationDeliveredEventCount" + MAPPING + " Sum",
        "LostAlarm": "> 0, 1 x 300 s; AWS/Lambda DroppedEventCount" + MAPPING + " Sum",
    },
    "chain-firehose": BOTH | {
        "LagAlarm": "> 25, 3 x 300 s; age = AWS/Kinesis GetRecords.IteratorAgeMilliseconds" + STREAM + " Maximum; used = 100 * age / (3600000 * 168)",
        "FreshnessAlarm": "> 900, 1 x 300 s; AWS/Firehose DeliveryToAmazonOpenSearchService.DataFreshness" + DELIVERY + " Maximum",
        "DeliveryAlarm": "< 1, 1 x 300 s; AWS/Firehose DeliveryToAmazonOpenSearchService.Success" + DELIVERY + " Average",
        "BackupAlarm": "< 1, 1 x 300 s; AWS/Firehose DeliveryToS3.Success" + DELIVERY + " Average",
        "ProcessingAlarm": "< 1, 1 x 300 s; AWS/Firehose ExecuteProcessing.Success" + DELIVERY + " Average",
        "DeliveryErrorAlarm": "> 0, 1 x 300 s; Hydrant firehose_errors_hydrant-test{} Sum",
    },
    "subscription-destination": SUBSCRIPTION,
}


def metric(one, stat, period):
    assert period == 300
    dimensions = ", ".join(sorted(f"{said['Name']}={said['Value']}" for said in one.get("Dimensions", [])))
    return f"{one['Namespace']} {one['MetricName']}{{{dimensions}}} {stat}"


def sentence(one):
    """An alarm in words. Of several metrics the one that counts is the last."""
    assert one["TreatMissingData"] == "notBreaching"
    parts = one.get("Metrics")
    if parts:
        assert [part.get("ReturnData", True) for part in parts] == [False] * (len(parts) - 1) + [True]
        said = [f"{part['Id']} = " + (part["Expression"] if "Expression" in part else metric(
            part["MetricStat"]["Metric"], part["MetricStat"]["Stat"], part["MetricStat"]["Period"])) for part in parts]
    else:
        said = [metric(one, one["Statistic"], one["Period"])]
    return f"{SIGNS[one['ComparisonOperator']]} {one['Threshold']}, {one['EvaluationPeriods']} x 300 s; " + "; ".join(said)


def sentences(decided):
    return {name: sentence(one) for name, one in decided.resources("AWS::CloudWatch::Alarm").items()}


@pytest.mark.parametrize("name", EXPECTED)
def test_alarms(name):
    decided = stack(name, "alarms")
    assert sentences(decided) == EXPECTED[name]
    alarms = decided.resources("AWS::CloudWatch::Alarm").values()
    assert all(one["AlarmActions"] == [OPTIONS["alarms"]["AlarmTopicArn"]] for one in alarms)
    assert all(one["AlarmActions"] == [] for one in stack(name, "subscribed").resources("AWS::CloudWatch::Alarm").values())


def test_a_collection_has_metrics_of_its_own_and_no_nodes():
    found = sentences(stack("chain-firehose", "serverless"))
    for alarm, said in [("FreshnessAlarm", "DataFreshness" + DELIVERY + " Maximum"), ("DeliveryAlarm", "Success" + DELIVERY + " Average")]:
        assert found[alarm].endswith(f"AWS/Firehose DeliveryToAmazonOpenSearchServerless.{said}")
    assert not {"StorageAlarm", "BlockedAlarm"} & set(found)


def test_thresholds_follow_their_parameters():
    assert "(3600000 * 24)" in sentences(stack("chain-kinesis", StreamHours="24"))["LagAlarm"]
    assert "(1024 * 200)" in sentences(stack("chain-kinesis", DomainGib="200"))["StorageAlarm"]


CHANGES = [("ComparisonOperator", "LessThanThreshold"), ("ComparisonOperator", "GreaterThanThreshold"), ("Threshold", 7), ("EvaluationPeriods", 9),
           ("TreatMissingData", "missing"), ("Dimensions", []), ("Statistic", "SampleCount"), ("MetricName", "Invocations"), ("Namespace", "AWS/S3"),
           ("Period", 86_400), ("Metrics", [])]


@pytest.mark.parametrize("name", CHAINS)
def test_each_changed_word_of_an_alarm_is_found(name):
    planted = 0
    for alarm, part in load(name)["Resources"].items():
        for key, value in CHANGES:
            if part["Type"] != "AWS::CloudWatch::Alarm" or part["Properties"].get(key, value) == value:
                continue
            template = copy.deepcopy(load(name))
            template["Resources"][alarm]["Properties"][key] = value
            try:
                found = sentences(stack(name, "alarms", template=template))
            except (AssertionError, KeyError):
                found = {}
            assert found != EXPECTED[name], (alarm, key)
            planted += 1
    assert planted > 80
