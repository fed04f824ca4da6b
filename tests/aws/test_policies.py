"""Every policy of the templates: who trusts whom, each right that a role has under each option, and a reason beside each wildcard."""

import json
import re
import shlex

import pytest
import yaml

from checks import as_called
from template import ALL, CHAINS, CHINA, KEY, PSEUDO, Loader, path, stack

STREAM = "arn:aws:kinesis:eu-west-1:123456789012:stream/hydrant-test"
FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:hydrant-test"
EC2 = "arn:aws:ec2:eu-west-1:123456789012:"
BUCKET = "arn:aws:s3:::bucket"
DOMAIN = "arn:aws:es:eu-west-1:123456789012:domain/hydran-domain-abc"
DOMAINS = "arn:aws:es:eu-west-1:123456789012:domain/*"
COLLECTION = "arn:aws:aoss:eu-west-1:123456789012:collection/abc"
OWN_LOG = "arn:aws:logs:eu-west-1:123456789012:log-group:/hydrant/hydrant-test/function:*"
NEW_KEY = "arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-0000-1111-2222-333344445555"


def listed(value):
    return value if isinstance(value, list) else [value]


def rights(decided):
    """{role: {(effect, action, resource, condition)}} of all policies, inline and apart."""
    found = {}
    for name, properties in decided.resources("AWS::IAM::Role").items():
        for policy in properties.get("Policies", []):
            found.setdefault(f"hydrant-test-{name}", set()).update(statements(policy["PolicyDocument"]))
    for properties in decided.resources("AWS::IAM::Policy").values():
        for role in properties["Roles"]:
            found.setdefault(role, set()).update(statements(properties["PolicyDocument"]))
    return {role.removeprefix("hydrant-test-"): said for role, said in found.items()}


def statements(document):
    assert document["Version"] == "2012-10-17"
    for one in document["Statement"]:
        assert set(one) <= {"Sid", "Effect", "Action", "Resource", "Condition"}, one
        for action in listed(one["Action"]):
            for resource in listed(one["Resource"]):
                yield one["Effect"], action, resource, json.dumps(one.get("Condition"), sort_keys=True)


def each(actions, *resources, effect="Allow", condition=None):
    return {(effect, action, resource, json.dumps(condition, sort_keys=True)) for action in actions.split() for resource in resources}


def via(*services):
    hosts = [f"{service}.eu-west-1.amazonaws.com" for service in services]
    return {"StringEquals": {"kms:ViaService": hosts if len(hosts) > 1 else hosts[0]}}


def key_rights(arn):
    return {"LogsRole": each("kms:GenerateDataKey", arn, condition=via("kinesis")),
            "FunctionRole": each("kms:Decrypt kms:GenerateDataKey", arn, condition=via("kinesis", "s3")),
            "DeliveryRole": each("kms:Decrypt kms:GenerateDataKey", arn, condition=via("kinesis", "s3"))}


# A shared subnet is another account's.
INTERFACES = [f"{EC2}network-interface/*", "arn:aws:ec2:eu-west-1:*:subnet/*", f"{EC2}security-group/sg-01"]
LAMBDA_ENI = "ec2:AssignPrivateIpAddresses ec2:CreateNetworkInterface ec2:DeleteNetworkInterface ec2:UnassignPrivateIpAddresses"
VPC_RIGHTS = {
    "FunctionRole": each(LAMBDA_ENI, *INTERFACES) | each("ec2:DescribeNetworkInterfaces ec2:DescribeSubnets", "*")
    | each(f"{LAMBDA_ENI} ec2:DescribeNetworkInterfaces ec2:DescribeSubnets", "*", effect="Deny",
           condition={"ArnEquals": {"lambda:SourceFunctionArn": FUNCTION}}),
    "DeliveryRole": each("ec2:CreateNetworkInterface ec2:CreateNetworkInterfacePermission ec2:DeleteNetworkInterface", *INTERFACES)
    | each("ec2:DescribeNetworkInterfaces ec2:DescribeSecurityGroups ec2:DescribeSubnets ec2:DescribeVpcAttribute ec2:DescribeVpcs", "*"),
}
FUNCTION_BASE = (each("logs:CreateLogStream logs:PutLogEvents", OWN_LOG) | each("s3:GetObject s3:PutObject", f"{BUCKET}/hydrant/*")
                 | each("s3:ListBucket", BUCKET))
BASE = {
    "chain-kinesis": {
        "LogsRole": each("kinesis:PutRecord", STREAM),
        "FunctionRole": FUNCTION_BASE | each("kinesis:DescribeStream kinesis:DescribeStreamSummary kinesis:GetRecords "
                                             "kinesis:GetShardIterator kinesis:ListShards", STREAM)
        | each("s3:PutObject", f"{BUCKET}/aws/lambda/*")},
    "chain-firehose": {
        "LogsRole": each("kinesis:PutRecord", STREAM),
        "FunctionRole": FUNCTION_BASE | each("kinesis:PutRecords", STREAM),
        "DeliveryRole": each("kinesis:DescribeStream kinesis:GetRecords kinesis:GetShardIterator kinesis:ListShards", STREAM)
        | each("lambda:GetFunctionConfiguration lambda:InvokeFunction", f"{FUNCTION}:live")
        | each("s3:GetBucketLocation s3:ListBucket s3:ListBucketMultipartUploads", BUCKET)
        | each("s3:AbortMultipartUpload s3:GetObject s3:PutObject", f"{BUCKET}/backup/*", f"{BUCKET}/firehose/*")
        | each("logs:PutLogEvents", "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/kinesisfirehose/hydrant-test:*")},
}
WRITER = {"chain-kinesis": "FunctionRole", "chain-firehose": "DeliveryRole"}


def domain_rights(name, arn):
    if name == "chain-kinesis":
        return each("es:ESHttpGet es:ESHttpPost es:ESHttpPut", f"{arn}/*")
    return each("es:DescribeDomain es:DescribeDomainConfig es:DescribeDomains es:ESHttpGet es:ESHttpPost es:ESHttpPut", arn, f"{arn}/*")


CASES = {
    "plain": (DOMAIN, {}),
    "domain": ("arn:aws:es:eu-west-1:123456789012:domain/x", {}),
    "serverless": (None, {}),
    "vpc": (DOMAIN, VPC_RIGHTS),
    "own-key": (DOMAIN, key_rights(KEY)),
    "new-key": (DOMAIN, key_rights(NEW_KEY)),
    "cross-account": (DOMAIN, {}),
}


@pytest.mark.parametrize("option", CASES)
@pytest.mark.parametrize("name", CHAINS)
def test_each_role_has_the_rights_of_its_option_and_no_other(name, option):
    domain, more = CASES[option]
    expected = {role: set(said) | more.get(role, set()) for role, said in BASE[name].items()}
    expected[WRITER[name]] |= domain_rights(name, domain) if domain else each("aoss:APIAccessAll", COLLECTION)
    assert rights(stack(name, option)) == expected


def test_the_sender_may_use_its_own_log_group_only():
    group = "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/rds/cluster/db1/general:*"
    assert rights(stack("subscription-destination", "aurora")) == {"LogsRole": each("logs:PutLogEvents", group)}


PROBE_FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:hydrant-test-Function"
PROBE = {
    "FunctionRole": each("logs:CreateLogStream logs:PutLogEvents", "arn:aws:logs:eu-west-1:123456789012:log-group:/hydrant/hydrant-test:*"),
    "DeliveryRole": each("kinesis:DescribeStream kinesis:GetRecords kinesis:GetShardIterator kinesis:ListShards",
                         "arn:aws:kinesis:eu-west-1:123456789012:stream/hydrant")
    | each("lambda:GetFunctionConfiguration lambda:InvokeFunction", PROBE_FUNCTION, f"{PROBE_FUNCTION}:$LATEST")
    | each("s3:AbortMultipartUpload s3:GetBucketLocation s3:GetObject s3:ListBucket s3:ListBucketMultipartUploads s3:PutObject", BUCKET, f"{BUCKET}/*")}


def test_the_probe_reads_one_stream_and_writes_nowhere_else():
    assert rights(stack("probe")) == PROBE
    keyed = PROBE | {"DeliveryRole": PROBE["DeliveryRole"] | each("kms:Decrypt", KEY)}
    assert rights(stack("probe", StreamKeyArn=KEY)) == keyed


def test_a_right_too_many_of_the_probe_is_found():
    decided = stack("probe")
    decided.template["Resources"]["FunctionRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"].append(
        {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"})
    assert rights(decided) != PROBE


def trust(decided, role):
    document = decided.one(role)["AssumeRolePolicyDocument"]
    assert document["Version"] == "2012-10-17" and all(one["Effect"] == "Allow" for one in document["Statement"])
    return [(one["Principal"], one["Action"], one["Condition"]) for one in document["Statement"]]


OWN_LOGS = ({"Service": "logs.eu-west-1.amazonaws.com"}, "sts:AssumeRole", {"StringLike": {"aws:SourceArn": "arn:aws:logs:eu-west-1:123456789012:*"}})


def test_each_role_trusts_one_service_on_behalf_of_this_account():
    for name in ALL:
        for role, properties in stack(name).resources("AWS::IAM::Role").items():
            expected = {
                "LogsRole": OWN_LOGS,
                "FunctionRole": ({"Service": "lambda.amazonaws.com"}, "sts:AssumeRole", {"StringEquals": {"aws:SourceAccount": "123456789012"}}),
                "DeliveryRole": ({"Service": "firehose.amazonaws.com"}, "sts:AssumeRole", {"StringEquals": {"sts:ExternalId": "123456789012"}}),
            }[role]
            assert trust(stack(name), role) == [expected], (name, role)


def test_other_accounts_are_trusted_by_name_and_by_organisation():
    for name in CHAINS:
        decided = stack(name, "cross-account")
        senders = ["arn:aws:logs:eu-west-1:111111111111:*", "arn:aws:logs:eu-west-1:222222222222:*"]
        assert trust(decided, "LogsRole") == [OWN_LOGS, (*OWN_LOGS[:2], {"StringLike": {"aws:SourceArn": senders}})]
        place = "arn:aws:logs:eu-west-1:123456789012:destination:hydrant-test"
        assert json.loads(decided.one("Destination")["DestinationPolicy"]) == {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": "*", "Action": "logs:PutSubscriptionFilter", "Resource": place,
            "Condition": {"StringEquals": {"aws:PrincipalOrgID": ["o-abcdefghij"]}}}]}
        assert not stack(name).exists("Destination")


LOG_GROUP_KEY = "Encrypt Decrypt ReEncryptFrom ReEncryptTo GenerateDataKey GenerateDataKeyWithoutPlaintext DescribeKey"


def test_a_new_key_serves_this_accounts_log_groups():
    for name in CHAINS:
        key = stack(name, "new-key").one("EncryptionKey")
        assert key["EnableKeyRotation"] is True
        assert key["KeyPolicy"] == {"Version": "2012-10-17", "Statement": [
            {"Sid": "ByIamPolicies", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "kms:*", "Resource": "*"},
            {"Sid": "LogGroups", "Effect": "Allow", "Principal": {"Service": "logs.eu-west-1.amazonaws.com"}, "Resource": "*",
             "Action": [f"kms:{action}" for action in LOG_GROUP_KEY.split()],
             "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:eu-west-1:123456789012:log-group:*"}}}]}
        china = stack(name, "new-key", pseudo=CHINA).one("EncryptionKey")["KeyPolicy"]["Statement"][1]
        assert china["Principal"] == {"Service": "logs.cn-north-1.amazonaws.com.cn"}


def test_the_bucket_refuses_plain_http_and_the_domain_others():
    for name in CHAINS:
        (policy,) = stack(name).one("FailedBucketPolicy")["PolicyDocument"]["Statement"]
        assert policy == {"Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [BUCKET, f"{BUCKET}/*"],
                          "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
        assert {one["Principal"]["AWS"]: (one["Effect"], one["Action"], one["Resource"]) for one in stack(name).one("Domain")["AccessPolicies"]["Statement"]} == {
            "arn:aws:iam::123456789012:role/admin": ("Allow", [f"es:ESHttp{method}" for method in ("Delete", "Get", "Head", "Patch", "Post", "Put")], DOMAINS),
            f"arn:aws:iam::123456789012:role/hydrant-test-{WRITER[name]}": ("Allow", ["es:ESHttpGet", "es:ESHttpPost", "es:ESHttpPut"], DOMAINS)}


def test_the_printed_command_lets_the_writer_into_a_collection():
    index = {"chain-kinesis": "index/entries/*", "chain-firehose": "index/entries/hydrant-general"}
    reads = {"chain-kinesis": {"aoss:ReadDocument"}, "chain-firehose": set()}
    for name in CHAINS:
        command = shlex.split(stack(name, "serverless").outputs()["AccessCommand"])
        assert command[:3] == ["aws", "opensearchserverless", "create-access-policy"]
        access = dict(zip([word.removeprefix("--") for word in command[3::2]], command[4::2], strict=True))
        assert set(access) == {"type", "name", "policy"} and list(as_called("opensearchserverless", "CreateAccessPolicy", access)) == []
        assert access["type"] == "data" and re.fullmatch(r"[a-z][a-z0-9-]{2,31}", access["name"])
        (policy,) = json.loads(access["policy"])
        assert policy["Principal"] == [f"arn:aws:iam::123456789012:role/hydrant-test-{WRITER[name]}"]
        (rule,) = policy["Rules"]
        assert rule["ResourceType"] == "index" and rule["Resource"] == [index[name]]
        assert set(rule["Permission"]) == {"aoss:CreateIndex", "aoss:DescribeIndex", "aoss:UpdateIndex", "aoss:WriteDocument"} | reads[name]
        assert "AccessCommand" not in stack(name).outputs()


# A wildcard in a policy: `*` alone, an action with one, or an ARN whose last part is one. What lies inside a resource of the stack
# ("${FailedBucket.Arn}/*") is no wildcard, and neither is the form that CloudWatch gives log groups.
WILD = re.compile(r"^\*$|^[a-z0-9]+:[A-Za-z]*\*$|/\*$")
INSIDE = re.compile(r"^\$\{\w+(\.Arn)?\}/")
POLICY_KEYS = {"Action", "Resource", "Principal"}


def wildcards(text):
    """(line, value) of each wildcard at an Action, Resource or Principal, also in policies that are written as JSON text."""

    def walk(node, key=None):
        if isinstance(node, yaml.MappingNode):
            for name, value in node.value:
                yield from walk(value, name.value if name.value in POLICY_KEYS or key is None or name.value == "Policy" else key)
        elif isinstance(node, yaml.SequenceNode):
            for one in node.value:
                yield from walk(one, key)
        elif key in POLICY_KEYS and WILD.search(node.value) and not INSIDE.match(node.value):
            yield node.start_mark.line, node.value
        elif node.value.startswith(("[{", '{"Version"')) and re.search(r'"\*"|/\*"', node.value):
            yield node.start_mark.line, node.value

    yield from walk(yaml.compose(text, Loader))


def unexplained(text):
    lines = text.splitlines()
    return [f"line {at + 1}: {value[:60]}" for at, value in wildcards(text)
            if not any(re.match(r"\s*# \*: \S.*\.$", lines[line]) for line in range(max(0, at - 3), at))]


@pytest.mark.parametrize("name", ALL)
def test_each_wildcard_says_why(name):
    assert unexplained(path(name).read_text()) == []


@pytest.mark.parametrize("planted", ["Action: 'kinesis:*'", "Action: '*'", "Resource: '*'", "Principal: '*'", "Action: ['s3:GetObject', 's3:Put*']",
                                     "Resource: !Sub 'arn:${AWS::Partition}:s3:::*'".replace(":::*", ":::logs/*")])
def test_a_wildcard_without_its_reason_is_found(planted):
    text = f"Resources:\n  Role:\n    PolicyDocument:\n      Statement:\n        - Effect: Allow\n          {planted}\n"
    assert len(unexplained(text)) == 1
    lines = text.splitlines()
    lines.insert(5, "          # *: there is no other way.")
    assert unexplained("\n".join(lines)) == []


def test_a_right_too_many_and_one_too_few_are_found():
    decided = stack("chain-kinesis", "own-key")
    policies = decided.template["Resources"]["FunctionPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    before = rights(decided)["FunctionRole"]
    policies.append({"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "*"})
    assert rights(decided)["FunctionRole"] - before == each("s3:DeleteObject", "*")
    del policies[1:]
    assert before - rights(decided)["FunctionRole"]


def test_partitions_are_nowhere_written_out():
    for name in ALL:
        for number, line in enumerate(path(name).read_text().splitlines(), 1):
            said = line.split(" #")[0]
            assert "arn:aws:" not in said, (name, number)
            if "amazonaws.com" in said:
                # Principals that are the same in every partition; services by their own endpoint have the suffix.
                assert re.search(r"Principal: \{Service: (lambda|firehose)\.amazonaws\.com\}", said), (name, number)
    for name in ALL:
        text = json.dumps([stack(name, "vpc", "new-key", "subscribed", pseudo=CHINA).resources(), PSEUDO["AWS::Region"]])
        ours = [one for one in re.findall(r"arn:aws[a-z-]*:[^\"\s]*", text) if ":iam::123456789012:role/admin" not in one]
        assert all(one.startswith("arn:aws-cn:") for one in ours if "999999999999" not in one), ours
