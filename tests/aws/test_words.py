"""docs/aws.md: each of its `aws` commands is run by the AWS CLI against moto, in the page's order and with the page's variables, and what it has
done is read back; or it stands in the page's own list of those that are not executed."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import boto3
import pytest

from checks import CALLS, SECRETS
from template import PSEUDO, REPO, Stack, load

PAGE = REPO / "docs" / "aws.md"
BASH = shutil.which("bash")
# Of one command; a wait for a database is one.
COMMAND_SECONDS_MAX = 120
GROUP = "/aws/rds/instance/shop/general"
ASSIGNED = re.compile(r"(?:export )?([A-Z_]+)=")
AWS = re.compile(r"\baws ([a-z0-9]+) ([a-z0-9-]+)")
LISTED = re.compile(r"^\| `(aws [^`]+)` \| \S.*\|$", re.MULTILINE)


def complete(lines):
    """Whether bash has read a whole command: no quote and no continuation is open."""
    text = "\n".join(lines)
    return not text.endswith("\\") and subprocess.run([BASH, "-n", "-c", text], capture_output=True, check=False).returncode == 0


def commands(page):
    """Every command of the page's sh blocks, in their order."""
    found = []
    for block in re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        lines = []
        for line in block.splitlines():
            lines.append(line)
            if complete(lines):
                found.append("\n".join(lines))
                lines = []
        assert not lines, f"no end: {lines}"
    return found


def called(command):
    """`service operation` of each call in a command."""
    return [" ".join(call) for call in AWS.findall(command)]


def not_executed(page):
    return [listed.removeprefix("aws ") for listed in LISTED.findall(page)]


class World:
    """What the page takes for granted, and what its commands have made of it."""

    def __init__(self, url, folder):
        self.url, self.folder, self.said, self.status, self.decided = url, folder, "", "", None
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        self.environment = kept | {
            "AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(folder / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"), "HOME": str(folder), "AWS_PAGER": "",
            "NO_PROXY": "127.0.0.1", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}

    def client(self, service):
        return boto3.client(service, endpoint_url=self.url, **SECRETS)

    def run(self, command):
        """Runs a command with the variables of those before it, and keeps those that it sets."""
        names = sorted(set(ASSIGNED.findall("\n".join(line for line in command.splitlines() if ASSIGNED.match(line)))))
        # moto has a parameter group in sync at once, where RDS waits for the restart.
        command = command.replace("= pending-reboot ]", "= in-sync ]")
        script = f"set -eu\n{command}\n" + "".join(f'printf "%s" "${name}" > variable-{name}\n' for name in names)
        done = subprocess.run([BASH, "-c", script], cwd=self.folder, env=self.environment, capture_output=True, text=True,
                              timeout=COMMAND_SECONDS_MAX, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        self.said = done.stdout
        for name in names:
            self.environment[name] = (self.folder / f"variable-{name}").read_text()
            assert self.environment[name] not in ("", "None"), f"{name} has no value: {command}"

    def refuses(self, command):
        """What the CLI has against a command's words. It is not sent."""
        done = subprocess.run([BASH, "-c", f"set -eu\n{command} --generate-cli-skeleton output"], cwd=self.folder, env=self.environment,
                              capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX, check=False)
        return done.stderr if done.returncode else ""

    def stack(self):
        (one,) = self.client("cloudformation").describe_stacks(StackName="hydrant")["Stacks"]
        return one

    def stack_says(self, name):
        return {one["ParameterKey"]: one["ParameterValue"] for one in self.stack()["Parameters"]}[name]

    def database(self):
        (one,) = self.client("rds").describe_db_instances(DBInstanceIdentifier="shop")["DBInstances"]
        return one

    def filters(self):
        return {one["filterName"]: one for one in self.client("logs").describe_subscription_filters(logGroupName=GROUP)["subscriptionFilters"]}

    def groups(self):
        return [one["logGroupName"] for one in self.client("logs").describe_log_groups()["logGroups"]]

    def role_policy(self, role, name):
        document = self.client("iam").get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        return json.loads(document) if isinstance(document, str) else document

    def before(self):
        """The database, the domain, the built zip and an older chain."""
        self.client("rds").create_db_instance(DBInstanceIdentifier="shop", Engine="mysql", EngineVersion="8.0.40", DBInstanceClass="db.t3.micro",
                                              AllocatedStorage=20, MasterUsername="admin", MasterUserPassword="not-a-secret")
        self.client("opensearch").create_domain(DomainName="logs", EngineVersion="OpenSearch_2.19")
        packages = self.folder / "target" / "packages"
        packages.mkdir(parents=True)
        with (packages / "hydrant-lambda-arm64.zip").open("wb") as file:
            shutil.copyfileobj(_zip(), file)
        self.client("kinesis").create_stream(StreamName="older", ShardCount=1)
        trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "firehose.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
        role = self.client("iam").create_role(RoleName="older-firehose", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        self.client("firehose").create_delivery_stream(DeliveryStreamName="older", ExtendedS3DestinationConfiguration={
            "RoleARN": role, "BucketARN": "arn:aws:s3:::older"})
        self.client("lambda").create_function(FunctionName="older-transform", Runtime="provided.al2023", Handler="bootstrap", Role=role,
                                              Code={"ZipFile": _zip().read()})
        # RDS makes the log group, with its first line.
        logs = self.client("logs")
        logs.create_log_group(logGroupName=GROUP)
        stream = self.client("kinesis").describe_stream_summary(StreamName="older")["StreamDescriptionSummary"]["StreamARN"]
        logs.put_subscription_filter(logGroupName=GROUP, filterName="older", filterPattern="", destinationArn=stream, roleArn=role)

    def copy_template(self, command):
        """The template that a deployment reads, decided for what the deployment says, in the place that it names."""
        given = dict(re.findall(r"(\w+)=(\S+)", command.split("--parameter-overrides")[1].replace("\\\n", " ")))
        given = {name: self.expanded(value) for name, value in given.items()}
        if self.decided is not None:
            given = {name: self.stack_says(name) for name in self.decided.template["Parameters"]} | given
        self.decided = Stack(load("chain-kinesis"), given, PSEUDO | {"AWS::StackName": "hydrant"})
        assert self.decided.refused() == []
        # moto has no alias, so that the mapping goes to the function.
        # moto splits a list again at the next deployment; no list is used here.
        body = json.dumps(self.decided.decided()).replace('"CommaDelimitedList"', '"String"').replace('{"Ref": "Alias"}', '{"Fn::GetAtt": ["Function", "Arn"]}')
        path = self.folder / "deploy" / "cloudformation" / "chain-kinesis.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body)

    def expanded(self, value):
        return re.sub(r'"?\$(\w+)"?', lambda name: self.environment[name[1]], value)

    def deployed(self):
        """moto makes no outputs for a change set, so it is told once more by an update; it leaves filters out, so it gets and loses the
        template's by their own calls."""
        self.status = self.stack()["StackStatus"]
        body = (self.folder / "deploy" / "cloudformation" / "chain-kinesis.yaml").read_text()
        self.client("cloudformation").update_stack(StackName="hydrant", TemplateBody=body, Capabilities=["CAPABILITY_IAM"])
        filters = self.decided.resources("AWS::Logs::SubscriptionFilter")
        logs = self.client("logs")
        for name in filters:
            for _service, _operation, parameters in CALLS["AWS::Logs::SubscriptionFilter"](self.decided.one(name)):
                logs.put_subscription_filter(**parameters)
        if not filters and "hydrant" in self.filters():
            logs.delete_subscription_filter(logGroupName=GROUP, filterName="hydrant")


def _zip():
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("bootstrap", "#!/bin/sh\n")
    zipped.seek(0)
    return zipped


def gone(call, **named):
    with pytest.raises(Exception, match="(?i)not ?found|does not exist|NoSuch|not under|cannot be found"):
        call(**named)


# What a command has done, read back through AWS's own API by its own call. `nth` is how often the operation came before.
def _deployed(world, nth):
    assert world.status == ("CREATE_COMPLETE" if nth == 0 else "UPDATE_COMPLETE")
    assert world.stack_says("Subscribe") == ["no", "yes", "no"][nth]
    assert world.stack_says("OpenSearchEndpoint") == world.environment["ENDPOINT"] and world.stack_says("CodePrefix") == "v1/"
    assert set(world.filters()) == [{"older"}, {"older", "hydrant"}, set()][nth]
    said = world.client("lambda").get_function_configuration(FunctionName="hydrant")["Environment"]["Variables"]
    assert said["HYDRANT_INDEX_ENDPOINT"] == world.environment["ENDPOINT"]


def _described(world, _nth):
    outputs = {one["OutputKey"]: one["OutputValue"] for one in world.stack()["Outputs"]}
    if world.said:
        assert {line.split("\t")[0] for line in world.said.splitlines()} == set(outputs) >= {"SetupCommand", "WriterRoleArn", "FailedDocumentsIn"}
    for variable, output in [("WRITER", "WriterRoleArn"), ("FAILED", "FailedDocumentsIn")]:
        assert world.environment.get(variable, outputs[output]) == outputs[output]


def _modified(world, nth):
    one = world.database()
    group = [world.environment["PARAMETERS"], "default.mysql8.0"][nth]
    assert [said["DBParameterGroupName"] for said in one["DBParameterGroups"]] == [group]
    assert one.get("EnabledCloudwatchLogsExports", []) == [["general"], []][nth]


def _filters_told(world, nth):
    if nth == 0:
        # moto forgets the distribution, which test_options reads.
        assert "hydrant\tarn:aws:kinesis:eu-west-1:123456789012:stream/hydrant\t" in world.said
    else:
        kept = json.loads((world.folder / "older-filters.json").read_text())["subscriptionFilters"]
        assert "older" in {one["filterName"] for one in kept}


def _put_role_policy(world, nth):
    if nth == 0:
        said = {str(one["Action"]): one["Resource"] for one in world.role_policy("hydrant-transform", "hydrant")["Statement"]}
        assert said["kinesis:PutRecords"].endswith(":stream/older") and said["s3:ListBucket"] == "arn:aws:s3:::" + world.environment["FAILED"][5:]
    else:
        (said,) = world.role_policy("older-firehose", "hydrant-transform")["Statement"]
        assert said["Resource"] == world.environment["VERSION_ARN"] and said["Resource"].endswith(":hydrant-transform:1")


def _function(world, _nth):
    said = world.client("lambda").get_function_configuration(FunctionName="hydrant-transform")
    assert (said["Runtime"], said["Handler"], said["Timeout"], said["MemorySize"], said["Architectures"]) == (
        "provided.al2023", "bootstrap", 120, 512, ["arm64"])
    assert said["Environment"]["Variables"] == {"HYDRANT_DESTINATION": "opensearch", "HYDRANT_FAILED_TO": world.environment["FAILED"] + "/hydrant"}


def _function_gone(world, nth):
    gone(world.client("lambda").get_function, FunctionName=["older-transform", "hydrant-transform"][nth])


def _retention(hours):
    def read(world, _nth):
        stream = world.client("kinesis").describe_stream_summary(StreamName="hydrant")["StreamDescriptionSummary"]
        assert stream["RetentionPeriodHours"] == hours
    return read


def _available(world, _nth):
    assert world.database()["DBInstanceStatus"] == "available"


def _retained(world, _nth):
    (group,) = world.client("logs").describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]
    assert group["retentionInDays"] == 14


def _engine(world, nth):
    if nth == 0:
        assert world.said.split()[:2] == ["mysql", "8.0.40"]
    # Then the loops, which end without a word.
    assert nth < 1 or (world.environment["VERSION"], world.said) == ("8.0", "")


def _domain(world, _nth):
    one = world.client("opensearch").describe_domain(DomainName="logs")["DomainStatus"]
    assert world.environment["DOMAIN_ARN"] == one["ARN"]
    assert world.environment.get("ENDPOINT", f"https://{one['Endpoint']}") == f"https://{one['Endpoint']}"


def _parameters(world, _nth):
    said = world.client("rds").describe_db_parameters(DBParameterGroupName=world.environment["PARAMETERS"])["Parameters"]
    assert {"general_log": "1", "log_output": "FILE"}.items() <= {one["ParameterName"]: one.get("ParameterValue") for one in said}.items()


def _log_group_gone(world, _nth):
    assert "/aws/lambda/hydrant-transform" not in world.groups()


READ_BACK = {
    "rds describe-db-instances": _engine,
    "opensearch describe-domain": _domain,
    "s3 mb": lambda world, _: world.client("s3").head_bucket(Bucket="shop-hydrant-code"),
    "s3 cp": lambda world, _: world.client("s3").head_object(Bucket="shop-hydrant-code", Key="v1/hydrant-lambda-arm64.zip"),
    "cloudformation deploy": _deployed,
    "cloudformation describe-stacks": _described,
    "rds describe-db-parameter-groups": _parameters,
    "rds modify-db-instance": _modified,
    "rds wait": _available,
    "rds reboot-db-instance": _available,
    "logs describe-log-groups": lambda world, _: world.said.split().index(GROUP),
    "logs put-retention-policy": _retained,
    "logs describe-subscription-filters": _filters_told,
    "s3 ls": lambda world, _: world.said.index("Total Objects: 1"),
    "kinesis increase-stream-retention-period": _retention(336),
    "kinesis decrease-stream-retention-period": _retention(168),
    "kinesis describe-stream-summary": lambda world, _: world.environment["STREAM_ARN"].index(":stream/older"),
    "iam create-role": lambda world, _: world.client("iam").get_role(RoleName="hydrant-transform")["Role"]["Arn"].index(":role/hydrant-transform"),
    "logs create-log-group": lambda world, _: world.groups().index("/aws/lambda/hydrant-transform"),
    "iam put-role-policy": _put_role_policy,
    "lambda create-function": _function,
    "lambda wait": lambda world, _: world.client("lambda").get_function(FunctionName="hydrant-transform")["Configuration"]["State"].index("Active"),
    "lambda publish-version": lambda world, _: world.client("lambda").get_function(FunctionName="hydrant-transform", Qualifier="1"),
    "firehose describe-delivery-stream": lambda world, _: re.fullmatch(r"\S+\s+destinationId-\S+", world.environment["SAID"]).group(),
    "logs delete-subscription-filter": lambda world, _: list(world.filters()).index("hydrant"),
    "firehose delete-delivery-stream": lambda world, _: gone(world.client("firehose").describe_delivery_stream, DeliveryStreamName="older"),
    "lambda delete-function": _function_gone,
    "kinesis delete-stream": lambda world, _: gone(world.client("kinesis").describe_stream_summary, StreamName="older"),
    "iam delete-role-policy": lambda world, _: gone(world.client("iam").get_role_policy, RoleName="hydrant-transform", PolicyName="hydrant"),
    "logs delete-log-group": _log_group_gone,
    "iam delete-role": lambda world, _: gone(world.client("iam").get_role, RoleName="hydrant-transform"),
    "cloudformation delete-stack": lambda world, _: gone(world.client("kinesis").describe_stream_summary, StreamName="hydrant"),
    "cloudformation wait": lambda world, _: gone(world.client("cloudformation").describe_stacks, StackName="hydrant"),
}


def test_every_command_of_the_page_is_executed_or_listed():
    page = PAGE.read_text()
    calls = {call for command in commands(page) for call in called(command)}
    listed = set(not_executed(page))
    assert listed and listed <= calls, f"listed, and not on the page: {listed - calls}"
    assert not listed & set(READ_BACK), "executed and listed"
    assert calls == listed | set(READ_BACK)


def test_commands_are_told_apart():
    page = "```sh\nA=$(aws s3 ls \\\n  x)\naws iam put-role-policy '{\n  }'\n```\n```text\naws no command\n```\n| `aws s3 mb` | why |\n"
    assert [called(command) for command in commands(page)] == [["s3 ls"], ["iam put-role-policy"]]
    assert not_executed(page) == ["s3 mb"]


def test_the_page_from_its_first_command_to_its_last(moto, tmp_path):
    world = World(moto, tmp_path)
    world.before()
    listed, counts, page = not_executed(PAGE.read_text()), {}, PAGE.read_text()
    for command in commands(page):
        calls = called(command)
        if any(call in listed for call in calls):
            assert world.refuses(command) == ""
            # The check is one: a word that AWS's model does not have is refused.
            assert world.refuses(command.replace("ProcessingConfiguration", "Processing"))
            continue
        if not calls and not ASSIGNED.match(command):
            continue
        if "cloudformation deploy" in calls:
            world.copy_template(command)
        if "s3 ls" in calls:
            world.client("s3").put_object(Bucket=world.environment["FAILED"][5:], Key="hydrant/one", Body=b"{}")
        world.run(command)
        if "cloudformation deploy" in calls:
            world.deployed()
        for call in calls:
            READ_BACK[call](world, counts.get(call, 0))
            counts[call] = counts.get(call, 0) + 1
    assert set(counts) == set(READ_BACK)
