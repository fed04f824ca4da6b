"""The templates, with each option decided, against AWS's API models and our own rules; and each kind of planted fault is found."""

import copy

import pytest

from checks import problems
from template import ALL, CHINA, GOVCLOUD, OPTIONS, Stack, load, stack


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("name", ALL)
def test_an_option_gives_what_aws_takes(name, option):
    decided = stack(name, option)
    assert decided.refused() == []
    assert problems(decided) == []


@pytest.mark.parametrize("pseudo", [CHINA, GOVCLOUD], ids=["china", "govcloud"])
@pytest.mark.parametrize("name", ALL)
def test_other_partitions(name, pseudo):
    decided = stack(name, "subscribed", "vpc", "new-key", "alarms", pseudo=pseudo)
    assert problems(decided) == []


def test_all_options_at_once():
    for name in ALL:
        assert problems(stack(name, "serverless", "vpc", "own-key", "cross-account", "alarms", "aurora")) == []


# Of PutRetentionPolicy's page; no model lists them.
RETENTION = {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}


def bounds(parameter):
    return parameter.get("AllowedValues") or [parameter[key] for key in ("MinValue", "MaxValue") if key in parameter]


@pytest.mark.parametrize("name", ALL)
def test_each_value_that_a_parameter_allows_is_one_that_aws_takes(name):
    parameters, refused = load(name)["Parameters"], set()
    assert set(parameters.get("RetentionDays", {}).get("AllowedValues", [])) <= RETENTION
    for key, value in [(key, value) for key, parameter in parameters.items() for value in bounds(parameter)]:
        # Versions are those of their engine, and a log wants its switch.
        more = {"EngineVersion": "10.11"} if value == "mariadb" else {"Engine": "mariadb"} if str(value)[:2] in ("10", "11") and key == "EngineVersion" else {}
        switch = {"slowquery": "SlowLog", "error": "ErrorLog", "audit": "AuditLog"}.get(value) if key == "Log" else None
        decided = stack(name, "subscribed", **({switch: "yes"} if switch else {}), **more, **{key: str(value)})
        if decided.refused():
            refused.add((key, value))
            continue
        assert problems(decided) == [], (key, value)
    alone = {("OpenSearch", "domain"), ("OpenSearch", "serverless"), ("Key", "existing"), ("KinesisEndpoint", "yes"), ("GeneralLog", "no")}
    assert refused == {one for one in alone if one[0] in parameters}, refused


def put(*path):
    """A fault: the last element replaces (or, with None, removes) what the others lead to."""
    *keys, last, value = path

    def plant(resources):
        node = resources
        for key in keys:
            node = node[key]
        if value is None:
            del node[last]
        else:
            node[last] = value

    return plant


def destination(*path):
    return put("DeliveryStream", "Properties", "AmazonopensearchserviceDestinationConfiguration", "Fn::If", 2, *path)


def processor(name, value):
    def plant(resources):
        place = resources["DeliveryStream"]["Properties"]["AmazonopensearchserviceDestinationConfiguration"]["Fn::If"][2]
        for one in place["ProcessingConfiguration"]["Processors"][0]["Parameters"]:
            if one["ParameterName"] == name:
                one["ParameterValue"] = value

    return plant


K, F = "chain-kinesis", "chain-firehose"
FAULTS = [
    # What moto skips silently, cfn-lint or ParamValidator miss.
    (F, destination("IndexRotationPeriod", "OneYear"), "IndexRotationPeriod is OneYear, which is none of NoRotation"),
    (F, destination("BufferingHints", {"SizeInMBs": 500, "IntervalInSeconds": 60}), "SizeInMBs is 500, more than 100"),
    (F, destination("BufferingHints", {"SizeInMBs": 5, "IntervalInSeconds": 6000}), "IntervalInSeconds is 6000, more than 900"),
    (F, destination("RetryOptions", {"DurationInSeconds": 7201}), "DurationInSeconds is 7201, more than 7200"),
    (F, destination("S3BackupMode", "SomeDocuments"), "S3BackupMode is SomeDocuments, which is none of"),
    (F, destination("IndexName", "Hydrant"), "no name of an index: Hydrant"),
    (F, destination("IndexName", None), 'Missing required parameter in AmazonopensearchserviceDestinationConfiguration: "IndexName"'),
    (F, destination("DomainARN", None), "no domain"),
    (F, destination("Domain", "x"), 'Unknown parameter in AmazonopensearchserviceDestinationConfiguration: "Domain"'),
    (F, destination("S3Configuration", "Prefix", "!{firehose:error-output-type}/"), "Prefix may not name firehose:error-output-type"),
    (F, destination("S3Configuration", "ErrorOutputPrefix", "!{timestamp:yyyy}/"), "has to name !{firehose:error-output-type}"),
    (F, processor("BufferSizeInMBs", "500"), "a processor's buffer of 500 MB; 0.2 to 3"),
    (F, processor("BufferSizeInMBs", "1"), "a processor's buffer of 1 MB can have an answer above 6 MB"),
    (F, processor("BufferIntervalInSeconds", "901"), "a processor's interval of 901 s"),
    (F, processor("LambdaArn", "hydrant"), "a processor without a function"),
    (F, destination("ProcessingConfiguration", "Processors", 0, "Type", "Lamda"), "Type is Lamda, which is none of"),
    (F, destination("ProcessingConfiguration", "Processors", 0, "Parameters", 0, "ParameterName", "Arn"), "ParameterName is Arn, which is none of"),
    (F, put("DeliveryStream", "Properties", "DeliveryStreamType", "Kinesis"), "DeliveryStreamType is Kinesis, which is none of"),
    (F, put("Function", "Properties", "Timeout", 900), "Firehose waits 300 s"),
    (F, put("Filter", "DependsOn", "Stream"), "Filter: made before the reader of the stream (DeliveryStream)"),
    (F, put("Filter", "Properties", "Distribution", "ByLogStream"), "not distributed at random"),
    (F, put("Filter", "Properties", "Distribution", "Randomly"), "distribution is Randomly, which is none of"),
    (F, put("Filter", "Properties", "FilterPattern", "x" * 1025), "filterPattern has 1025 characters, more than 1024"),
    (F, put("Filter", "Properties", "FilterPattern", "%a% %b% %c%"), "more than two regular expressions"),
    (F, put("Filter", "Properties", "DestinationArn", None), 'Missing required parameter in input: "destinationArn"'),
    (F, put("Filter", "Properties", "RoleArn", None), "no role"),
    (K, put("GeneralFilter", "DependsOn", None), "GeneralFilter: made before the reader of the stream (EventSource)"),
    (K, put("GeneralFilter", "Properties", "LogGroupName", "/aws/rds/instance/db1/general"), "GeneralFilter: made before its log group"),
    (K, put("EventSource", "Properties", "StartingPosition", None), "no StartingPosition, which a stream needs"),
    (K, put("EventSource", "Properties", "StartingPosition", "LATEST"), "does not start at TRIM_HORIZON"),
    (K, put("EventSource", "Properties", "BatchSize", 100000), "BatchSize is 100000, more than 10000"),
    (K, put("EventSource", "Properties", "ParallelizationFactor", 11), "ParallelizationFactor is 11, more than 10"),
    (K, put("EventSource", "Properties", "MaximumRecordAgeInSeconds", 604801), "MaximumRecordAgeInSeconds is 604801, more than 604800"),
    (K, put("EventSource", "Properties", "MaximumRecordAgeInSeconds", 604800), "when the stream has dropped them already"),
    (K, put("EventSource", "Properties", "BisectBatchOnFunctionError", False), "does not bisect"),
    (K, put("EventSource", "Properties", "FunctionResponseTypes", None), "no partial batch responses"),
    (K, put("EventSource", "Properties", "DestinationConfig", None), "no bucket for what cannot be delivered"),
    (K, put("InstanceParameters", "Properties", "Family", "mysql9.9"), "there is no family mysql9.9"),
    (K, put("InstanceParameters", "Properties", "Parameters", "log_output", "TABLE"), "log_output is not FILE"),
    (K, put("Domain", "Properties", "EngineVersion", "OpenSearch_9.9"), "no known version: OpenSearch_9.9"),
    (K, put("Domain", "Properties", "EBSOptions", "VolumeType", "gp9"), "VolumeType is gp9, which is none of"),
    (K, put("Domain", "Properties", "DomainEndpointOptions", "TLSSecurityPolicy", "Tls"), "TLSSecurityPolicy is Tls, which is none of"),
    (K, put("Domain", "Properties", "NodeToNodeEncryptionOptions", "Enabled", False), "Domain: not encrypted"),
    (K, put("Domain", "Properties", "AdvancedOptions", "rest.action.multi.allow_explicit_index", "false"), "refuses documents that name their index"),
    (K, put("Stream", "Properties", "RetentionPeriodHours", 9000), "keeps records 9000 hours"),
    (K, put("Stream", "Properties", "StreamEncryption", {"EncryptionType": "NONE", "KeyId": "x"}), "Stream: not encrypted"),
    (K, put("Stream", "Properties", "StreamModeDetails", "StreamMode", "PROVISIONED"), "not on demand"),
    (K, put("Function", "Properties", "Timeout", 30), "a time-out of 30 s; 60 to 900"),
    (K, put("Function", "Properties", "Runtime", "provided.al2025"), "Runtime is provided.al2025, which is none of"),
    (K, put("Function", "Properties", "Handler", "main"), "the handler of a custom runtime is bootstrap"),
    (K, put("Function", "Properties", "Code", "S3Key", "hydrant-lambda-arm.zip"), "the zip is not the architecture's"),
    (K, put("Function", "Properties", "Environment", "Variables", "HYDRANT_INDEX", "x"), "settings that it does not know: HYDRANT_INDEX"),
    (K, put("GeneralLogs", "Properties", "LogGroupClass", "INFREQUENT_ACCESS"), "class INFREQUENT_ACCESS takes no subscription filter"),
    (K, put("FailedBucket", "Properties", "PublicAccessBlockConfiguration", "BlockPublicPolicy", False), "FailedBucket: not private"),
    (K, put("FailedBucket", "Properties", "BucketEncryption", None), "FailedBucket: not encrypted"),
    (K, put("FailedBucketPolicy", "Properties", "PolicyDocument", "Statement", 0, "Condition", {}), "may be read without TLS"),
    (K, put("ErrorAlarm", "Properties", "ComparisonOperator", "Above"), "ComparisonOperator is Above, which is none of"),
    # What has to be there before.
    *[(K, put(f"{log}Filter", "DependsOn", None), f"{log}Filter: made before the reader of the stream (EventSource)") for log in ("Slow", "Error", "Audit")],
    *[(K, put(f"{log}Filter", "Properties", "LogGroupName", "/aws/rds/instance/db1/x"), f"{log}Filter: made before its log group")
      for log in ("Slow", "Error", "Audit")],
    *[(name, put("Destination", "DependsOn", None), "Destination: made before the reader of the stream") for name in (K, F)],
    *[(name, put("Function", "DependsOn", None), "Function: made before FunctionPolicy") for name in (K, F)],
    (K, put("EventSource", "DependsOn", None), "EventSource: made before FunctionPolicy"),
    (F, put("DeliveryStream", "DependsOn", None), "DeliveryStream: made before DeliveryPolicy"),
    # What stays.
    *[(K, put(part, "DeletionPolicy", "Delete"), f"{part}: goes with the stack")
      for part in ("FailedBucket", "FailedBucketPolicy", "EncryptionKey", "Domain", "Version", "GeneralLogs", "AuditLogs")],
    (F, put("FailedBucket", "UpdateReplacePolicy", None), "FailedBucket: goes with the stack"),
    (F, put("Logs", "DeletionPolicy", None), "Logs: goes with the stack"),
    # What is said, seen and let in.
    (F, destination("ProcessingConfiguration", "Enabled", False), "DeliveryStream: does not transform"),
    (F, destination("CloudWatchLoggingOptions", "Enabled", False), "DeliveryStream: does not log its errors"),
    (F, destination("S3Configuration", "CloudWatchLoggingOptions", None), "DeliveryStream: does not log its errors"),
    (F, put("DeliveryErrors", "Properties", "FilterPattern", '{ $.nothing = "*" }'), "DeliveryErrors: matches no error of Firehose"),
    (F, put("DeliveryErrors", "Properties", "FilterPattern", '{ $.errorCode = "x" }'), "DeliveryErrors: matches no error of Firehose"),
    (F, put("DeliveryErrors", "Properties", "MetricTransformations", 0, "MetricName", "other"), "no metric filter makes firehose_errors_hydrant-test"),
    (F, put("DeliveryErrors", "Properties", "MetricTransformations", 0, "MetricValue", "0"), "does not count each error"),
    (K, put("Function", "Properties", "LoggingConfig", None), "Function: logs to a group that RetentionDays and Key do not reach"),
    (K, put("EventSource", "Properties", "MetricsConfig", None), "DroppedEventCount is there only where the mapping's MetricsConfig has EventCount"),
    (K, put("ErrorAlarm", "Properties", "Dimensions", []), "Errors has the dimensions FunctionName, and not none"),
    (K, put("LostAlarm", "Properties", "Dimensions", [{"Name": "FunctionName", "Value": "x"}]), "has the dimensions EventSourceMappingUUID, and not FunctionName"),
    (K, put("LagAlarm", "Properties", "Metrics", 0, "MetricStat", "Metric", "Dimensions", []), "IteratorAge has the dimensions FunctionName"),
    (F, put("DeliveryErrorAlarm", "Properties", "Dimensions", [{"Name": "FunctionName", "Value": "x"}]), "has the dimensions none, and not FunctionName"),
    (K, put("SecurityGroup", "Properties", "SecurityGroupIngress", [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}]),
     "SecurityGroup: lets in whom no rule of its own names"),
    (K, put("SecurityGroupInside", "Properties", "CidrIp", "0.0.0.0/0"), "SecurityGroupInside: lets addresses in"),
    (K, put("SecurityGroupInside", "Properties", "FromPort", 0), "SecurityGroupInside: lets in by other ports than 443"),
    (K, put("SecurityGroup", "Properties", "SecurityGroupEgress", 0, "ToPort", 65535), "SecurityGroup: goes out by other ports than 443"),
    (K, put("EncryptionKey", "Properties", "KeyPolicy", "Statement", 1, "Action", ["kms:ScheduleKeyDeletion"]), "lets a service do more than encrypt"),
    (K, put("FailedBucket", "Properties", "VersioningConfiguration", "Status", "Suspended"), "FailedBucket: keeps no older versions"),
    (K, put("FailedBucket", "Properties", "OwnershipControls", None), "FailedBucket: takes access lists"),
    (K, put("FailedBucket", "Properties", "LifecycleConfiguration", "Rules", 0, "Status", "Disabled"), "FailedBucket: keeps what fails for another time"),
    (F, put("DeliveryErrors", "Properties", "LogGroupName", "/aws/kinesisfirehose/other"), "DeliveryErrors: reads /aws/kinesisfirehose/other, to which no"),
    (K, put("Domain", "Properties", "DomainEndpointOptions", "TLSSecurityPolicy", "Policy-Min-TLS-1-0-2019-07"), "TLS older than 1.2"),
    (K, put("Domain", "Properties", "AdvancedSecurityOptions", "InternalUserDatabaseEnabled", True), "Domain: has users with passwords"),
]


@pytest.mark.parametrize("name, plant, said", FAULTS, ids=[f"{name[6]}: {said[:60]}" for name, _, said in FAULTS])
def test_a_planted_fault_is_found(name, plant, said):
    template = copy.deepcopy(load(name))
    # So that each part is there.
    options = ["all-logs", "vpc", "new-key", "cross-account"]
    assert problems(stack(name, *options, template=copy.deepcopy(template))) == []
    plant(template["Resources"])
    after = stack(name, *options, template=template)
    found = problems(after)
    assert any(said in one for one in found), found


def test_a_type_that_nothing_checks_is_found():
    template = {"Description": "", "Parameters": {}, "Resources": {"Other": {"Type": "AWS::Foo::Bar"}}}
    assert problems(Stack(template, {})) == ["Other: nothing checks a AWS::Foo::Bar"]
