"""The chains, deployed to moto_server: what moto really creates is read back through its own API.

moto skips a third of the types without a word (SKIPPED) and knows no AWS::NoValue in lists, so it gets the decided template (template.py).
What it skips is put there by the calls that CloudFormation would make (checks.py), as far as moto has them."""

import ast
import gzip
import io
import json
import re
import time
import zipfile

import boto3
import pytest

from checks import CALLS, SECRETS
from template import NEEDED, PSEUDO, Stack, load, stack

KINDS = ["chain-kinesis", "chain-firehose", "subscription-destination"]
SKIPPED = {"AWS::S3::BucketPolicy", "AWS::Lambda::Alias", "AWS::Logs::SubscriptionFilter", "AWS::Logs::LogStream", "AWS::Logs::MetricFilter",
           "AWS::Logs::Destination", "AWS::KinesisFirehose::DeliveryStream", "AWS::OpenSearchService::Domain", "AWS::CloudWatch::Alarm",
           "AWS::RDS::OptionGroup", "AWS::RDS::DBClusterParameterGroup"}


class Deployed:
    """A stack in moto."""

    def __init__(self, url, name, decided):
        self.url, self.name, self.decided = url, f"h-{name}", decided
        template = decided.decided()
        # It fails at the attribute of a part that it skips.
        template["Outputs"].pop("DestinationArn", None)
        # moto has no alias, so that the mapping goes to the function.
        body = json.dumps(template).replace('{"Ref": "Alias"}', '{"Fn::GetAtt": ["Function", "Arn"]}')
        parameters = [{"ParameterKey": key, "ParameterValue": ",".join(value) if isinstance(value, list) else str(value)}
                      for key, value in decided.values.items()]
        formation = self.client("cloudformation")
        formation.create_stack(StackName=self.name, TemplateBody=body, Parameters=parameters, Capabilities=["CAPABILITY_IAM"])
        (self.state,) = formation.describe_stacks(StackName=self.name)["Stacks"]
        self.made = {one["LogicalResourceId"]: one.get("PhysicalResourceId") for one in formation.list_stack_resources(StackName=self.name)["StackResourceSummaries"]
                     if one.get("ResourceType")}
        self.outputs = {one["OutputKey"]: one["OutputValue"] for one in self.state["Outputs"]}

    def client(self, service):
        return boto3.client(service, endpoint_url=self.url, **SECRETS)


@pytest.fixture(scope="session")
def code(moto):
    """The bucket with both zips."""
    client = boto3.client("s3", endpoint_url=moto, **SECRETS)
    client.create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("bootstrap", "#!/bin/sh\n")
    for architecture in ("arm64", "x86_64"):
        client.put_object(Bucket="code", Key=f"hydrant-lambda-{architecture}.zip", Body=zipped.getvalue())


@pytest.fixture(scope="session")
def deployed(moto, code):
    def deploy(name):
        decided = stack(name, "new-key", "domain", "subscribed", "alarms", "cross-account", pseudo=PSEUDO | {"AWS::StackName": f"h-{name}"},
                        DatabaseId=f"db-{name}", SlowLog="yes", Architecture="x86_64") if name in KINDS[:2] else stack(
            name, "subscribed", pseudo=PSEUDO | {"AWS::StackName": f"h-{name}"}, DatabaseId=f"db-{name}", LogGroups="new")
        return Deployed(moto, name, decided)

    return {name: deploy(name) for name in KINDS}


@pytest.mark.parametrize("name", KINDS)
def test_a_stack_is_complete_but_for_what_moto_skips(deployed, name):
    one = deployed[name]
    assert one.state["StackStatus"] == "CREATE_COMPLETE"
    wanted = {part for part, said in one.decided.template["Resources"].items() if one.decided.exists(part)}
    skipped = {part for part in wanted if one.decided.template["Resources"][part]["Type"] in SKIPPED}
    assert set(one.made) == wanted - skipped
    assert set(one.outputs) == set(one.decided.outputs()) - {"DestinationArn"}


@pytest.mark.parametrize("name", KINDS)
def test_the_parameter_group(deployed, name):
    client = deployed[name].client("rds")
    groups = {one["Description"]: one for one in client.describe_db_parameter_groups()["DBParameterGroups"]}
    group = groups[f"Logs for Hydrant, stack h-{name}"]
    assert group["DBParameterGroupFamily"] == "mysql8.0"
    said = {one["ParameterName"]: one["ParameterValue"] for one in
            client.describe_db_parameters(DBParameterGroupName=group["DBParameterGroupName"])["Parameters"]}
    assert (said["general_log"], said["log_output"]) == ("1", "FILE")
    assert said["slow_query_log"] == ("0" if name == "subscription-destination" else "1")


@pytest.mark.parametrize("name", KINDS[:2])
def test_log_groups_stream_and_key(deployed, name):
    one = deployed[name]
    groups = {said["logGroupName"]: said for said in one.client("logs").describe_log_groups()["logGroups"]}
    for part in [f"/aws/rds/instance/db-{name}/general", f"/hydrant/h-{name}/function"]:
        # moto forgets the key, which test_options reads.
        assert groups[part]["retentionInDays"] == 14
    stream = one.client("kinesis").describe_stream_summary(StreamName=f"h-{name}")["StreamDescriptionSummary"]
    # moto forgets mode and encryption, which test_options reads.
    assert (stream["RetentionPeriodHours"], stream["StreamStatus"]) == (168, "ACTIVE")
    key = one.client("kms")
    policy = key.get_key_policy(KeyId=one.outputs["NewKeyArn"], PolicyName="default")["Policy"]
    policy = json.loads(policy) if isinstance(policy, str) else policy
    assert [said["Sid"] for said in policy["Statement"]] == ["ByIamPolicies", "LogGroups"]
    assert key.get_key_rotation_status(KeyId=one.outputs["NewKeyArn"])["KeyRotationEnabled"]


@pytest.mark.parametrize("name", KINDS[:2])
def test_the_bucket(deployed, name):
    client, bucket = deployed[name].client("s3"), deployed[name].made["FailedBucket"]
    (rule,) = client.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert deployed[name].outputs["FailedDocumentsIn"] == f"s3://{bucket}"


@pytest.mark.parametrize("name", KINDS[:2])
def test_the_function_and_its_version(deployed, name):
    one = deployed[name]
    client = one.client("lambda")
    said = client.get_function_configuration(FunctionName=f"h-{name}")
    assert (said["Runtime"], said["Handler"], said["Timeout"], said["MemorySize"]) == ("provided.al2023", "bootstrap", 120, 512)
    assert said["Environment"]["Variables"]["HYDRANT_FAILED_TO"] == f"s3://{one.made['FailedBucket']}/hydrant"
    assert said["Role"].rsplit("/", 1)[1] == one.made["FunctionRole"]
    assert [version["Version"] for version in client.list_versions_by_function(FunctionName=f"h-{name}")["Versions"]] == ["$LATEST", "1"]


def test_the_event_source_mapping(deployed):
    one = deployed["chain-kinesis"]
    (said,) = one.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert said["EventSourceArn"].endswith(":stream/h-chain-kinesis")
    assert (said["StartingPosition"], said["BatchSize"], said["MaximumRetryAttempts"]) == ("TRIM_HORIZON", 100, -1)
    assert said["BisectBatchOnFunctionError"] is True and said["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert said["DestinationConfig"]["OnFailure"]["Destination"] == f"arn:aws:s3:::{one.made['FailedBucket']}"


@pytest.mark.parametrize("name", KINDS)
def test_roles_and_policies_are_those_of_the_template(deployed, name):
    one = deployed[name]
    client = one.client("iam")
    for part in one.decided.resources("AWS::IAM::Role"):
        role = one.made[part]
        trusted = client.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
        assert trusted == one.decided.one(part)["AssumeRolePolicyDocument"]
        inline = {said["PolicyName"] for said in one.decided.one(part).get("Policies", [])}
        apart = {said["PolicyName"] for said in one.decided.resources("AWS::IAM::Policy").values()
                 if said["Roles"] == [f"h-{name}-{part}"]}
        assert inline <= set(client.list_role_policies(RoleName=role)["PolicyNames"])
        assert len(client.list_role_policies(RoleName=role)["PolicyNames"]) == len(inline | apart)
        for policy in client.list_role_policies(RoleName=role)["PolicyNames"]:
            said = client.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            # moto keeps a role's own policies as Python prints them.
            said = ast.literal_eval(said) if isinstance(said, str) else said
            # Nothing of what names a resource is left unresolved.
            assert said["Statement"] and not re.search(r"\$\{|null|None", json.dumps(said)), said


@pytest.mark.parametrize("name", KINDS[:2])
def test_the_dashboard(deployed, name):
    body = json.loads(deployed[name].client("cloudwatch").get_dashboard(DashboardName=f"h-{name}")["DashboardBody"])
    assert len(body["widgets"]) == 6


@pytest.fixture(scope="module")
def network(moto, code):
    """A VPC with two subnets, a route table and the group of those who administer, and the chain in it."""
    ec2 = boto3.client("ec2", endpoint_url=moto, **SECRETS)
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.7.{at}.0/24", AvailabilityZone=f"eu-west-1{zone}")["Subnet"]["SubnetId"]
               for at, zone in enumerate("ab")]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    admin = ec2.create_security_group(GroupName="admins", Description="admins", VpcId=vpc)["GroupId"]
    decided = stack("chain-firehose", "domain", pseudo=PSEUDO | {"AWS::StackName": "h-vpc"}, VpcId=vpc, SubnetIds=",".join(subnets), RouteTableIds=table,
                    AdminSecurityGroupId=admin, KinesisEndpoint="yes")
    assert decided.refused() == []
    return Deployed(moto, "vpc", decided), vpc, subnets, table, admin


def test_the_function_lies_in_the_vpc_and_its_group_lets_in_port_443_only(network):
    one, vpc, subnets, _table, admin = network
    ours = one.outputs["SecurityGroupId"]
    (group,) = one.client("ec2").describe_security_groups(GroupIds=[ours])["SecurityGroups"]
    assert group["VpcId"] == vpc
    rules = group["IpPermissions"]
    assert all((rule["IpProtocol"], rule["FromPort"], rule["ToPort"], rule["IpRanges"]) == ("tcp", 443, 443, []) for rule in rules)
    assert {said["GroupId"] for rule in rules for said in rule["UserIdGroupPairs"]} == {ours, admin}
    # moto forgets the way out, which checks.py reads, and gives a function's VPC a name of its own.
    said = one.client("lambda").get_function_configuration(FunctionName="h-vpc")["VpcConfig"]
    assert (said["SubnetIds"], said["SecurityGroupIds"]) == (subnets, [ours])


def test_the_endpoints_are_in_the_vpc(network):
    one, vpc, subnets, table, _admin = network
    found = one.client("ec2").describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["VpcEndpoints"]
    said = {point["ServiceName"]: point for point in found}
    assert set(said) == {"com.amazonaws.eu-west-1.s3", "com.amazonaws.eu-west-1.kinesis-streams"}
    gateway, interface = said["com.amazonaws.eu-west-1.s3"], said["com.amazonaws.eu-west-1.kinesis-streams"]
    assert (gateway["VpcEndpointType"], gateway["RouteTableIds"]) == ("Gateway", [table])
    assert (interface["VpcEndpointType"], interface["SubnetIds"], interface["PrivateDnsEnabled"]) == ("Interface", subnets, True)


def put(one, kind, part, more=None):
    """What CloudFormation would call for a part that moto skips."""
    bucket = json.dumps(one.decided.one(part)).replace("arn:aws:s3:::bucket", f"arn:aws:s3:::{one.made['FailedBucket']}").replace(
        '"bucket"', json.dumps(one.made["FailedBucket"]))
    answers = []
    for service, operation, parameters in CALLS[kind](json.loads(bucket)):
        method = "".join(("_" if letter.isupper() and at else "") + letter.lower() for at, letter in enumerate(operation))
        answers.append(getattr(one.client(service), method)(**parameters | (more or {})))
    return answers


def test_what_moto_skips_is_taken_by_its_apis(deployed):
    for name in KINDS[:2]:
        one = deployed[name]
        assert put(one, "AWS::Lambda::Alias", "Alias")[0]["AliasArn"].endswith(f":h-{name}:live")
        put(one, "AWS::S3::BucketPolicy", "FailedBucketPolicy")
        policy = json.loads(one.client("s3").get_bucket_policy(Bucket=one.made["FailedBucket"])["Policy"])
        assert policy["Statement"][0]["Effect"] == "Deny"
        put(one, "AWS::Logs::Destination", "Destination")
        said = {said["destinationName"]: said for said in one.client("logs").describe_destinations()["destinations"]}
        assert "o-abcdefghij" in said[f"h-{name}"]["accessPolicy"]
        for part in one.decided.resources("AWS::CloudWatch::Alarm"):
            put(one, "AWS::CloudWatch::Alarm", part, {"AlarmName": f"{name}-{part}"})
        alarms = one.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{name}-")["MetricAlarms"]
        assert len(alarms) == len(one.decided.resources("AWS::CloudWatch::Alarm"))
    one = deployed["chain-firehose"]
    for part in ("DeliveryLogStream", "BackupLogStream"):
        put(one, "AWS::Logs::LogStream", part)
    put(one, "AWS::Logs::MetricFilter", "DeliveryErrors", {"filterName": "errors"})
    # moto knows no delivery stream to OpenSearch.
    new = Stack(load("chain-kinesis"), NEEDED["chain-kinesis"])
    domain = one.client("opensearch").create_domain(**CALLS["AWS::OpenSearchService::Domain"](new.one("Domain"))[0][2])["DomainStatus"]
    assert (domain["EngineVersion"], domain["DomainEndpointOptions"]["EnforceHTTPS"]) == ("OpenSearch_2.19", True)


def test_a_filter_forwards_from_the_group_to_the_stream(deployed):
    one = deployed["chain-kinesis"]
    put(one, "AWS::Logs::SubscriptionFilter", "GeneralFilter")
    group, logs, kinesis = "/aws/rds/instance/db-chain-kinesis/general", one.client("logs"), one.client("kinesis")
    (said,) = logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
    assert (said["filterName"], said["destinationArn"].rsplit("/", 1)[1]) == ("h-chain-kinesis", "h-chain-kinesis")
    message = "2026-11-23T03:09:49.809584Z\t    9 Query\tSELECT 1"
    logs.create_log_stream(logGroupName=group, logStreamName="db")
    logs.put_log_events(logGroupName=group, logStreamName="db", logEvents=[{"timestamp": int(time.time() * 1000), "message": message}])
    found = []
    for shard in kinesis.list_shards(StreamName="h-chain-kinesis")["Shards"]:
        at = kinesis.get_shard_iterator(StreamName="h-chain-kinesis", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        found += [json.loads(gzip.decompress(record["Data"])) for record in kinesis.get_records(ShardIterator=at)["Records"]]
    events = [event["message"] for envelope in found if envelope["messageType"] == "DATA_MESSAGE" for event in envelope["logEvents"]]
    assert events == [message]
