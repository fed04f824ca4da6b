"""What cfn-lint and botocore's ParamValidator do not see: enums and maxima from AWS's own API models, and the rules of this chain.

`problems(stack)` takes a decided stack (template.py) and says in sentences what is wrong with it."""

import json
import re

import boto3
from botocore.validate import ParamValidator

# Families as of 2026-11: `aws rds describe-db-engine-versions` has them; cfn-lint and botocore do not.
FAMILIES = {"mysql5.7", "mysql8.0", "mysql8.4", "mariadb10.6", "mariadb10.11", "mariadb11.4", "mariadb11.8", "aurora-mysql5.7", "aurora-mysql8.0"}
ENGINES = {"OpenSearch_2.11", "OpenSearch_2.13", "OpenSearch_2.15", "OpenSearch_2.17", "OpenSearch_2.19"}
SETTINGS = {"HYDRANT_OUTPUT", "HYDRANT_DESTINATION", "HYDRANT_INDEX_ENDPOINT", "HYDRANT_INDEX_SIGN", "HYDRANT_FAILED_TO",
            "HYDRANT_DELIVERY_STREAM", "HYDRANT_INDEX_NAME", "HYDRANT_INDEX_ROTATION", "HYDRANT_ANSWER_LIMIT", "HYDRANT_TRANSFORM_FORMAT",
            "HYDRANT_TRANSFORM_PROFILE", "HYDRANT_TRANSFORM_REDACT"}
SECRETS = {"region_name": "eu-west-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}


def lower(properties):
    return {key[0].lower() + key[1:]: value for key, value in properties.items()}


def text(document):
    return document if isinstance(document, str) else json.dumps(document)


def without(properties, *keys):
    return {key: value for key, value in properties.items() if key not in keys}


def tagless(properties):
    return without(properties, "Tags")


# CloudFormation's type -> the calls that it stands for: (service, operation, parameters).
CALLS = {
    "AWS::KinesisFirehose::DeliveryStream": lambda p: [("firehose", "CreateDeliveryStream", p)],
    "AWS::Logs::SubscriptionFilter": lambda p: [("logs", "PutSubscriptionFilter", lower(p))],
    "AWS::OpenSearchService::Domain": lambda p: [
        ("opensearch", "CreateDomain", {"DomainName": "hydrant"} | p | {"AccessPolicies": text(p["AccessPolicies"])})],
    "AWS::Logs::Destination": lambda p: [
        ("logs", "PutDestination", lower(without(p, "DestinationPolicy"))),
        ("logs", "PutDestinationPolicy", {"destinationName": p["DestinationName"], "accessPolicy": p["DestinationPolicy"]})],
    "AWS::Logs::LogGroup": lambda p: [
        ("logs", "CreateLogGroup", lower(without(p, "RetentionInDays"))),
        ("logs", "PutRetentionPolicy", {"logGroupName": p["LogGroupName"], "retentionInDays": p["RetentionInDays"]})],
    "AWS::Logs::LogStream": lambda p: [("logs", "CreateLogStream", lower(p))],
    "AWS::Logs::MetricFilter": lambda p: [("logs", "PutMetricFilter", lower(
        {"FilterName": "f"} | p | {"MetricTransformations": [lower(one) for one in p["MetricTransformations"]]}))],
    "AWS::Kinesis::Stream": lambda p: [
        ("kinesis", "CreateStream", {"StreamName": p["Name"], "StreamModeDetails": p["StreamModeDetails"]}),
        ("kinesis", "IncreaseStreamRetentionPeriod", {"StreamName": p["Name"], "RetentionPeriodHours": p["RetentionPeriodHours"]}),
        ("kinesis", "StartStreamEncryption", {"StreamName": p["Name"]} | p["StreamEncryption"])],
    "AWS::Lambda::Function": lambda p: [("lambda", "CreateFunction", without(p, "Code") | {"Code": {
        **without(p["Code"], "ZipFile"), **({"ZipFile": b"zip"} if "ZipFile" in p["Code"] else {})}, "FunctionName": p.get("FunctionName", "f")})],
    "AWS::Lambda::EventSourceMapping": lambda p: [("lambda", "CreateEventSourceMapping", p)],
    "AWS::Lambda::Version": lambda p: [("lambda", "PublishVersion", p)],
    "AWS::Lambda::Alias": lambda p: [("lambda", "CreateAlias", p)],
    "AWS::CloudWatch::Alarm": lambda p: [("cloudwatch", "PutMetricAlarm", {"AlarmName": "a"} | p)],
    "AWS::CloudWatch::Dashboard": lambda p: [("cloudwatch", "PutDashboard", p)],
    "AWS::RDS::OptionGroup": lambda p: [
        ("rds", "CreateOptionGroup", without(p, "OptionConfigurations") | {"OptionGroupName": "o"}),
        ("rds", "ModifyOptionGroup", {"OptionGroupName": "o", "OptionsToInclude": p["OptionConfigurations"]})],
    "AWS::RDS::DBParameterGroup": lambda p: [("rds", "CreateDBParameterGroup", {
        "DBParameterGroupName": "g", "DBParameterGroupFamily": p["Family"], "Description": p["Description"]})],
    "AWS::RDS::DBClusterParameterGroup": lambda p: [("rds", "CreateDBClusterParameterGroup", {
        "DBClusterParameterGroupName": "g", "DBParameterGroupFamily": p["Family"], "Description": p["Description"]})],
    "AWS::S3::BucketPolicy": lambda p: [("s3", "PutBucketPolicy", {"Bucket": p["Bucket"], "Policy": text(p["PolicyDocument"])})],
    "AWS::EC2::VPCEndpoint": lambda p: [("ec2", "CreateVpcEndpoint", p)],
    "AWS::KMS::Key": lambda p: [("kms", "CreateKey", {"Description": p["Description"], "Policy": text(p["KeyPolicy"])})],
}
# Read by checks of their own, by moto, or both.
OTHERS = {"AWS::IAM::Role", "AWS::IAM::Policy", "AWS::S3::Bucket", "AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupIngress"}
_CLIENTS = {}


def model(service):
    if service not in _CLIENTS:
        _CLIENTS[service] = boto3.client(service, **SECRETS).meta.service_model
    return _CLIENTS[service]


def limits(shape, value, where):
    """Enums, minima, maxima and lengths, which ParamValidator leaves to the service."""
    kind, bounds = shape.type_name, shape.metadata
    if kind == "structure":
        for name, member in shape.members.items():
            if name in value:
                yield from limits(member, value[name], f"{where}.{name}")
    elif kind == "list":
        yield from within(bounds, len(value), f"{where} has {len(value)} elements")
        for index, one in enumerate(value):
            yield from limits(shape.member, one, f"{where}[{index}]")
    elif kind == "map":
        for key, one in value.items():
            yield from limits(shape.value, one, f"{where}.{key}")
    elif kind == "string":
        if shape.enum and value not in shape.enum:
            yield f"{where} is {value}, which is none of {', '.join(shape.enum)}"
        yield from within(bounds, len(value), f"{where} has {len(value)} characters")
    elif kind in ("integer", "long", "double", "float"):
        yield from within(bounds, value, f"{where} is {value}")


def within(bounds, value, said):
    if "min" in bounds and value < bounds["min"]:
        yield f"{said}, fewer than {bounds['min']}"
    if "max" in bounds and value > bounds["max"]:
        yield f"{said}, more than {bounds['max']}"


def by_model(kind, name, properties):
    """The calls that a resource stands for, against AWS's models."""
    for service, operation, parameters in CALLS[kind](properties):
        yield from as_called(service, operation, parameters, name)


def as_called(service, operation, parameters, name="input"):
    """What AWS's model has against a call."""
    shape = model(service).operation_model(operation).input_shape
    report = ParamValidator().validate(parameters, shape)
    if report.has_errors():
        yield from (f"{name}: {line}" for line in report.generate_report().splitlines())
    else:
        yield from limits(shape, parameters, name)


def problems(stack):
    found = []
    for name, part in stack.template["Resources"].items():
        if not stack.exists(name):
            continue
        kind, properties = part["Type"], stack.one(name)
        if kind in CALLS:
            found += by_model(kind, name, properties)
        elif kind not in OTHERS:
            found.append(f"{name}: nothing checks a {kind}")
        check = RULES.get(kind)
        if check:
            found += [f"{name}: {said}" for said in check(stack, properties)]
        found += [f"{name}: {said}" for said in kept(stack, name, part)]
    found += order(stack)
    return found


def after(part):
    """The names that a part waits for by DependsOn."""
    before = part.get("DependsOn", [])
    return {before} if isinstance(before, str) else set(before)


def references(node):
    """The names that a part refers to, and so waits for."""
    text = json.dumps(node)
    return set(re.findall(r'"Ref": "(\w+)"', text)) | set(re.findall(r'"Fn::GetAtt": \["(\w+)"', text)) | set(re.findall(r"\$\{(\w+)[.}]", text))


READERS = ("AWS::Lambda::EventSourceMapping", "AWS::KinesisFirehose::DeliveryStream")
ROLE_USERS = ("AWS::Lambda::Function", *READERS)


def order(stack):
    """The filter, and the destination for other accounts, come after whoever reads the stream; what uses a role comes after the role's policy."""
    parts = {name: part for name, part in stack.template["Resources"].items() if stack.exists(name)}
    readers = {name for name, part in parts.items() if part["Type"] in READERS}
    policies = {name: references(part["Properties"]["Roles"]) for name, part in parts.items() if part["Type"] == "AWS::IAM::Policy"}
    for name, part in parts.items():
        refers = references(stack.decide(part.get("Properties", {})))
        if part["Type"] in ("AWS::Logs::SubscriptionFilter", "AWS::Logs::Destination") and readers and not readers & after(part):
            yield f"{name}: made before the reader of the stream ({', '.join(sorted(readers))}), which would begin behind it"
        if part["Type"] == "AWS::Logs::SubscriptionFilter" and stack.values["LogGroups"] == "new":
            groups = {other for other, said in parts.items() if said["Type"] == "AWS::Logs::LogGroup"}
            if not groups & refers:
                yield f"{name}: made before its log group"
        # A mapping reads by the role of its function.
        roles = refers | ({"FunctionRole"} if part["Type"] == READERS[0] else set())
        for policy in sorted(policies):
            if part["Type"] in ROLE_USERS and policies[policy] & roles and policy not in after(part):
                yield f"{name}: made before {policy}, without which its role may do nothing"


# What a stack leaves behind: it holds data, or opens or guards what does.
KEPT = {"AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::KMS::Key", "AWS::OpenSearchService::Domain", "AWS::Lambda::Version"}


def kept(stack, name, part):
    database = part["Type"] == "AWS::Logs::LogGroup" and stack.one(name)["LogGroupName"].startswith("/aws/rds/")
    if (part["Type"] in KEPT or database) and "probe" not in stack.template["Description"]:
        if part.get("DeletionPolicy") not in ("Retain", "RetainExceptOnCreate") or part.get("UpdateReplacePolicy") != "Retain":
            yield "goes with the stack"


def group(stack, p):
    if p["Family"] not in FAMILIES:
        yield f"there is no family {p['Family']}"
    if p["Parameters"].get("log_output") != "FILE":
        yield "log_output is not FILE, so that nothing reaches CloudWatch"


def subscription(stack, p):
    if p.get("Distribution") != "Random":
        yield "not distributed at random, so that one instance is one shard"
    if len(re.findall("%[^%]+%", p["FilterPattern"])) > 2:
        yield "more than two regular expressions in a pattern"
    if "RoleArn" not in p:
        yield "no role, which a stream and a destination of an organisation need"


def function(stack, p):
    if p.get("Runtime") == "provided.al2023":
        if p["Handler"] != "bootstrap":
            yield "the handler of a custom runtime is bootstrap"
        if not p["Code"]["S3Key"].endswith(f"hydrant-lambda-{p['Architectures'][0]}.zip"):
            yield "the zip is not the architecture's"
        if unknown := set(p["Environment"]["Variables"]) - SETTINGS:
            yield f"the function refuses settings that it does not know: {', '.join(sorted(unknown))}"
    if "LogGroup" not in p.get("LoggingConfig", {}):
        yield "logs to a group that RetentionDays and Key do not reach"
    if not 60 <= p["Timeout"] <= 900:
        yield f"a time-out of {p['Timeout']} s; 60 to 900"


def mapping(stack, p):
    if "StartingPosition" not in p:
        yield "no StartingPosition, which a stream needs"
    elif p["StartingPosition"] != "TRIM_HORIZON":
        yield "does not start at TRIM_HORIZON, so that what came before it is lost"
    if p.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
        yield "no partial batch responses, so that one bad record repeats its batch"
    if not p.get("BisectBatchOnFunctionError"):
        yield "does not bisect, so that one bad record takes its batch along"
    if not p.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination", "").startswith(f"arn:{stack.pseudo['AWS::Partition']}:s3:::"):
        yield "no bucket for what cannot be delivered"
    if p["MaximumRecordAgeInSeconds"] >= stack.values["StreamHours"] * 3600:
        yield "gives records up when the stream has dropped them already"


def delivery(stack, p):
    domain, collection = (p.get(f"{name}DestinationConfiguration") for name in ("Amazonopensearchservice", "AmazonOpenSearchServerless"))
    destination = domain or collection or p.get("ExtendedS3DestinationConfiguration")
    if bool(domain) and bool(collection) or not destination:
        yield "has to have one destination"
        return
    if domain and "DomainARN" not in domain and "ClusterEndpoint" not in domain:
        yield "no domain"
    if collection and not collection["CollectionEndpoint"].startswith("https://"):
        yield "a collection's endpoint begins with https://"
    if "IndexName" in destination and not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,79}", destination["IndexName"]):
        yield f"no name of an index: {destination['IndexName']}"
    for place in filter(None, [destination.get("S3Configuration")]):
        prefix, errors = place.get("Prefix", ""), place.get("ErrorOutputPrefix", "")
        if "!{" in prefix and not errors:
            yield "an expression in Prefix needs an ErrorOutputPrefix"
        if "error-output-type" in prefix:
            yield "Prefix may not name firehose:error-output-type"
        if "!{" in errors and "!{firehose:error-output-type}" not in errors:
            yield "an ErrorOutputPrefix with an expression has to name !{firehose:error-output-type}"
    if not destination["ProcessingConfiguration"].get("Enabled"):
        yield "does not transform"
    for logging in (destination, destination.get("S3Configuration")):
        if logging and "S3Configuration" in destination and not logging.get("CloudWatchLoggingOptions", {}).get("Enabled"):
            yield "does not log its errors"
    for processor in destination["ProcessingConfiguration"]["Processors"]:
        said = {one["ParameterName"]: one["ParameterValue"] for one in processor["Parameters"]}
        if not 0.2 <= float(said["BufferSizeInMBs"]) <= 3:
            yield f"a processor's buffer of {said['BufferSizeInMBs']} MB; 0.2 to 3"
        elif float(said["BufferSizeInMBs"]) * 15 > 6:
            yield f"a processor's buffer of {said['BufferSizeInMBs']} MB can have an answer above 6 MB"
        if not 0 <= int(said["BufferIntervalInSeconds"]) <= 900:
            yield f"a processor's interval of {said['BufferIntervalInSeconds']} s; 0 to 900"
        if not re.match(r"arn:[a-z-]+:lambda:", said.get("LambdaArn", "")):
            yield "a processor without a function"
    if (used := stack.resources("AWS::Lambda::Function")) and any(one["Timeout"] > 300 for one in used.values()):
        yield "Firehose waits 300 s for a function, which may take longer"


def stream(stack, p):
    if not 24 <= p["RetentionPeriodHours"] <= 8760:
        yield f"keeps records {p['RetentionPeriodHours']} hours; 24 to 8760"
    if p["StreamModeDetails"]["StreamMode"] != "ON_DEMAND":
        yield "not on demand"
    if p.get("StreamEncryption", {}).get("EncryptionType") != "KMS":
        yield "not encrypted"


def log_group(stack, p):
    if p.get("LogGroupClass", "STANDARD") != "STANDARD":
        yield f"class {p['LogGroupClass']} takes no subscription filter"


def bucket(stack, p):
    if not all(p.get("PublicAccessBlockConfiguration", {}).get(key) is True
               for key in ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")):
        yield "not private"
    if "probe" not in stack.template["Description"]:
        if "BucketEncryption" not in p:
            yield "not encrypted"
        if p.get("VersioningConfiguration") != {"Status": "Enabled"}:
            yield "keeps no older versions of what a replay writes anew"
        if p.get("OwnershipControls") != {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}:
            yield "takes access lists"
        days = [one["ExpirationInDays"] for one in p.get("LifecycleConfiguration", {}).get("Rules", []) if one["Status"] == "Enabled"]
        if days != [stack.values["FailedDays"]]:
            yield "keeps what fails for another time than FailedDays"
        policies = [one["PolicyDocument"]["Statement"] for one in stack.resources("AWS::S3::BucketPolicy").values()]
        if not any(s["Effect"] == "Deny" and s["Condition"] == {"Bool": {"aws:SecureTransport": "false"}} for one in policies for s in one):
            yield "may be read without TLS"


def domain(stack, p):
    if p["EngineVersion"] not in ENGINES:
        yield f"no known version: {p['EngineVersion']}"
    if not (p["EncryptionAtRestOptions"]["Enabled"] and p["NodeToNodeEncryptionOptions"]["Enabled"] and p["DomainEndpointOptions"]["EnforceHTTPS"]):
        yield "not encrypted"
    if p["AdvancedOptions"]["rest.action.multi.allow_explicit_index"] != "true":
        yield "refuses documents that name their index"
    if not p["DomainEndpointOptions"].get("TLSSecurityPolicy", "").startswith("Policy-Min-TLS-1-2-PFS"):
        yield "may be read with TLS older than 1.2"
    if not p["AdvancedSecurityOptions"]["Enabled"]:
        yield "no role mapping"
    if p["AdvancedSecurityOptions"]["InternalUserDatabaseEnabled"]:
        yield "has users with passwords"
    nodes, subnets = p["ClusterConfig"]["InstanceCount"], p.get("VPCOptions", {}).get("SubnetIds")
    if subnets and len(subnets) != (2 if p["ClusterConfig"]["ZoneAwarenessEnabled"] else 1):
        yield f"{len(subnets)} subnets for {nodes} nodes"


def key(stack, p):
    for one in p["KeyPolicy"]["Statement"]:
        actions = [one["Action"]] if isinstance(one["Action"], str) else one["Action"]
        if one["Principal"].keys() == {"Service"} and not all(re.fullmatch("kms:(Encrypt|Decrypt|ReEncrypt.*|GenerateDataKey.*|DescribeKey)", one) for one in actions):
            yield "lets a service do more than encrypt and decrypt"


def security_group(stack, p):
    if "SecurityGroupIngress" in p:
        yield "lets in whom no rule of its own names"
    if any((one["FromPort"], one["ToPort"]) != (443, 443) for one in p.get("SecurityGroupEgress", [{"FromPort": 0, "ToPort": 0}])):
        yield "goes out by other ports than 443"


def ingress(stack, p):
    if "SourceSecurityGroupId" not in p or set(p) & {"CidrIp", "CidrIpv6", "SourcePrefixListId"}:
        yield "lets addresses in, and not members of a security group"
    if (p["FromPort"], p["ToPort"]) != (443, 443):
        yield "lets in by other ports than 443"


# The dimensions under which AWS, and the function, give each metric: "Lambda metrics", "Monitoring Kinesis Data Streams", "Monitoring Firehose",
# "Monitoring OpenSearch Service" in AWS's guides; crates/hydrant-lambda/src/report.rs.
DIMENSIONS = {"AWS/Kinesis": {"StreamName"}, "AWS/Firehose": {"DeliveryStreamName"}, "AWS/ES": {"DomainName", "ClientId"}, "Hydrant": {"FunctionName"},
              "AWS/Lambda": {"FunctionName"}}
OF_A_MAPPING = {"OnFailureDestinationDeliveredEventCount", "DroppedEventCount"}


def alarm(stack, p):
    for one in [p] if "MetricName" in p else [part["MetricStat"]["Metric"] for part in p["Metrics"] if "MetricStat" in part]:
        name, dimensions = one["MetricName"], {said["Name"] for said in one.get("Dimensions", [])}
        wanted = DIMENSIONS[one["Namespace"]]
        if name in OF_A_MAPPING:
            wanted = {"EventSourceMappingUUID"}
            if any("EventCount" not in said.get("MetricsConfig", {}).get("Metrics", []) for said in stack.resources("AWS::Lambda::EventSourceMapping").values()):
                yield f"{name} is there only where the mapping's MetricsConfig has EventCount"
        elif name.startswith("firehose_errors_"):
            # What a metric filter makes has none but those that it names.
            wanted = set()
            made = [(said["MetricNamespace"], said["MetricName"]) for made in stack.resources("AWS::Logs::MetricFilter").values()
                    for said in made["MetricTransformations"]]
            if (one["Namespace"], name) not in made:
                yield f"no metric filter makes {name}"
        if dimensions != wanted:
            yield f"{name} has the dimensions {', '.join(sorted(wanted)) or 'none'}, and not {', '.join(sorted(dimensions)) or 'none'}"


# A line of Firehose's own log, from its guide ("Monitor Firehose using CloudWatch Logs").
FIREHOSE_ERROR = {"deliveryStreamARN": "arn:aws:firehose:us-east-1:123456789012:deliverystream/t", "deliveryStreamVersionId": 1,
                  "message": "...", "errorCode": "Lambda.FunctionTimedOut", "processor": "arn:aws:lambda:us-east-1:123456789012:function:t"}


def metric_filter(stack, p):
    said = re.fullmatch(r'\{ \$\.(\w+) = "\*" \}', p["FilterPattern"])
    if not said or said[1] not in FIREHOSE_ERROR:
        yield "matches no error of Firehose"
    written = [json.dumps(one) for one in stack.resources("AWS::KinesisFirehose::DeliveryStream").values()]
    if not any(f'"LogGroupName": "{p["LogGroupName"]}"' in one for one in written):
        yield f"reads {p['LogGroupName']}, to which no delivery stream writes"
    if any(one["MetricValue"] != "1" for one in p["MetricTransformations"]):
        yield "does not count each error"


RULES = {
    "AWS::RDS::DBParameterGroup": group, "AWS::RDS::DBClusterParameterGroup": group, "AWS::Logs::SubscriptionFilter": subscription,
    "AWS::Lambda::Function": function, "AWS::Lambda::EventSourceMapping": mapping, "AWS::KinesisFirehose::DeliveryStream": delivery,
    "AWS::Kinesis::Stream": stream, "AWS::Logs::LogGroup": log_group, "AWS::S3::Bucket": bucket, "AWS::OpenSearchService::Domain": domain,
    "AWS::KMS::Key": key, "AWS::EC2::SecurityGroup": security_group, "AWS::EC2::SecurityGroupIngress": ingress, "AWS::CloudWatch::Alarm": alarm,
    "AWS::Logs::MetricFilter": metric_filter,
}
