"""Reads the templates of deploy/cloudformation, and decides them for given parameters as CloudFormation does: Rules, Conditions, Fn::If and the
other functions that they use. What has no value before it is made (a name, an ARN) gets one of the right form."""

import copy
import functools
import re
from pathlib import Path

import yaml

REPO = Path(__file__).resolve().parents[2]
FOLDER = REPO / "deploy" / "cloudformation"
CHAINS = ["chain-kinesis", "chain-firehose"]
ALL = [*CHAINS, "subscription-destination", "probe"]
NO_VALUE = object()
STACK = "hydrant-test"
PSEUDO = {"AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com", "AWS::Region": "eu-west-1", "AWS::AccountId": "123456789012",
          "AWS::StackName": STACK, "AWS::NoValue": NO_VALUE,
          "AWS::StackId": f"arn:aws:cloudformation:eu-west-1:123456789012:stack/{STACK}/0a1b2c3d-0000-1111-2222-333344445555"}
CHINA = PSEUDO | {"AWS::Partition": "aws-cn", "AWS::URLSuffix": "amazonaws.com.cn", "AWS::Region": "cn-north-1"}
GOVCLOUD = PSEUDO | {"AWS::Partition": "aws-us-gov", "AWS::Region": "us-gov-west-1"}

# What each template cannot be without.
NEEDED = {
    "chain-kinesis": {"DatabaseId": "db1", "CodeBucket": "code", "DomainAdminArn": "arn:aws:iam::123456789012:role/admin"},
    "chain-firehose": {"DatabaseId": "db1", "CodeBucket": "code", "DomainAdminArn": "arn:aws:iam::123456789012:role/admin"},
    "subscription-destination": {"DatabaseId": "db1", "DestinationArn": "arn:aws:logs:eu-west-1:999999999999:destination:hydrant"},
    "probe": {"StreamName": "hydrant"},
}
# The options, as somebody sets them.
KEY = "arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-0000-1111-2222-333344445555"
OPTIONS = {
    "plain": {},
    "subscribed": {"Subscribe": "yes"},
    "all-logs": {"SlowLog": "yes", "ErrorLog": "yes", "AuditLog": "yes", "Subscribe": "yes", "LogGroups": "new"},
    "domain": {"OpenSearch": "domain", "OpenSearchEndpoint": "https://search-x.eu-west-1.es.amazonaws.com",
               "OpenSearchArn": "arn:aws:es:eu-west-1:123456789012:domain/x"},
    "serverless": {"OpenSearch": "serverless", "OpenSearchEndpoint": "https://abc.eu-west-1.aoss.amazonaws.com", "IndexRotation": "NoRotation",
                   "OpenSearchArn": "arn:aws:aoss:eu-west-1:123456789012:collection/abc", "CollectionName": "entries"},
    "vpc": {"VpcId": "vpc-0123456789abcdef0", "SubnetIds": "subnet-01,subnet-02", "RouteTableIds": "rtb-01", "DomainInstances": "2"},
    "own-key": {"Key": "existing", "KmsKeyArn": KEY},
    "new-key": {"Key": "new", "LogGroups": "new"},
    "cross-account": {"OrganizationId": "o-abcdefghij", "SenderArns": "arn:aws:logs:eu-west-1:111111111111:*,arn:aws:logs:eu-west-1:222222222222:*"},
    "alarms": {"AlarmTopicArn": "arn:aws:sns:eu-west-1:123456789012:ops", "Subscribe": "yes"},
    "mariadb": {"Engine": "mariadb", "EngineVersion": "10.11", "AuditLog": "yes", "SlowLog": "yes"},
    "aurora": {"Engine": "aurora-mysql", "AuditLog": "yes", "Subscribe": "yes", "LogGroups": "new"},
}


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    pass


def _tag(loader, suffix, node):
    name = {"Ref": "Ref", "Condition": "Condition"}.get(suffix, f"Fn::{suffix}")
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


Loader.add_multi_constructor("!", _tag)


def path(name):
    return FOLDER / f"{name}.yaml"


@functools.cache
def _loaded(name):
    return yaml.load(path(name).read_text(), Loader)


def load(name):
    return copy.deepcopy(_loaded(name))


def arguments(template, given):
    """The parameters' values, as CloudFormation takes them: defaults, lists split, numbers as numbers."""
    unknown = set(given) - set(template.get("Parameters", {}))
    assert not unknown, f"no such parameters: {unknown}"
    values = {}
    for name, parameter in template.get("Parameters", {}).items():
        value = given.get(name, parameter.get("Default"))
        assert value is not None, f"{name} has no default"
        if name in given:
            allowed, pattern = parameter.get("AllowedValues"), parameter.get("AllowedPattern")
            assert not allowed or str(value) in map(str, allowed), f"{name}: {value} is not allowed"
            assert not pattern or re.fullmatch(pattern, str(value)), f"{name}: {value} does not have its form"
        if parameter["Type"] == "Number":
            value = int(value)
        elif parameter["Type"] == "CommaDelimitedList":
            value = str(value).split(",")
        values[name] = value
    return values


class Stack:
    """A template with its parameters given."""

    def __init__(self, template, given, pseudo=PSEUDO):
        self.template, self.pseudo = template, pseudo
        self.values = arguments(template, given)

    def condition(self, name):
        return self.truth(self.template["Conditions"][name])

    def truth(self, expression):
        (function, parts), = expression.items()
        if function == "Condition":
            return self.condition(parts)
        if function == "Fn::Not":
            return not self.truth(parts[0])
        if function in ("Fn::And", "Fn::Or"):
            assert 2 <= len(parts) <= 10, f"{function} takes two to ten"
            return (all if function == "Fn::And" else any)(self.truth(part) for part in parts)
        left, right = (self.value(part) for part in parts)
        if function == "Fn::Equals":
            return str(left) == str(right)
        assert function == "Fn::Contains", f"{function} gives no truth"
        return right in left

    def refused(self):
        """What the Rules say against the parameters."""
        return [assertion["AssertDescription"] for rule in self.template.get("Rules", {}).values()
                if self.truth(rule.get("RuleCondition", {"Fn::Equals": ["", ""]}))
                for assertion in rule["Assertions"] if not self.truth(assertion["Assert"])]

    def exists(self, name):
        part = self.template["Resources"][name]
        return "Condition" not in part or self.condition(part["Condition"])

    def decided(self):
        """The template without conditions: what moto, which does not know AWS::NoValue in lists, can take."""
        template = copy.deepcopy(self.template)
        for section in ("Resources", "Outputs"):
            template[section] = {name: self.decide({k: v for k, v in part.items() if k != "Condition"}) for name, part in template.get(section, {}).items()
                                 if "Condition" not in part or self.condition(part["Condition"])}
        for section in ("Conditions", "Rules", "Metadata"):
            template.pop(section, None)
        return template

    def decide(self, node):
        if isinstance(node, list):
            return [value for value in map(self.decide, node) if value is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if set(node) == {"Fn::If"}:
            name, yes, no = node["Fn::If"]
            return self.decide(yes if self.condition(name) else no)
        if node == {"Ref": "AWS::NoValue"}:
            return NO_VALUE
        # moto compares a number with the map's texts.
        if set(node) == {"Fn::FindInMap"}:
            return self.value(node)
        return {key: value for key, value in ((key, self.decide(value)) for key, value in node.items()) if value is not NO_VALUE}

    def resources(self, kind=None):
        """What exists, with every function evaluated."""
        return {name: self.value(part.get("Properties", {})) for name, part in self.template["Resources"].items()
                if self.exists(name) and kind in (None, part["Type"])}

    def one(self, name):
        assert self.exists(name), f"{name} does not exist"
        return self.value(self.template["Resources"][name].get("Properties", {}))

    def outputs(self):
        return {name: self.value(part["Value"]) for name, part in self.template.get("Outputs", {}).items()
                if "Condition" not in part or self.condition(part["Condition"])}

    def value(self, node):
        if isinstance(node, list):
            return [value for value in map(self.value, node) if value is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            (function, parts), = node.items()
            if function == "Ref" or function.startswith("Fn::"):
                return getattr(self, "_" + function.removeprefix("Fn::"))(parts)
        return {key: value for key, value in ((key, self.value(value)) for key, value in node.items()) if value is not NO_VALUE}

    def _Ref(self, name):
        if name in self.pseudo:
            return self.pseudo[name]
        if name in self.values:
            return self.values[name]
        return self.made(name, None)

    def _GetAtt(self, parts):
        return self.made(*parts)

    def _If(self, parts):
        name, yes, no = parts
        return self.value(yes if self.condition(name) else no)

    def _Sub(self, parts):
        text, names = (parts, {}) if isinstance(parts, str) else parts

        def replace(match):
            name = match[1]
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            value = self.value(names[name]) if name in names else self._GetAtt(name.split(".", 1)) if "." in name else self._Ref(name)
            assert isinstance(value, (str, int)), f"{name} in Fn::Sub is no text: {value!r}"
            return str(value)

        return re.sub(r"\$\{([^}]+)\}", replace, text)

    def _Join(self, parts):
        delimiter, items = parts
        return delimiter.join(map(str, self.value(items)))

    def _Split(self, parts):
        return self.value(parts[1]).split(parts[0])

    def _Select(self, parts):
        return self.value(parts[1])[int(parts[0])]

    def _FindInMap(self, parts):
        name, first, second = (self.value(part) for part in parts)
        return self.template["Mappings"][name][str(first)][second]

    def made(self, name, attribute):
        """What a resource is called once it is made: the name where the template gives one, else STACK-NAME."""
        part = self.template["Resources"][name]
        assert self.exists(name), f"{name} is referred to and does not exist"
        kind, properties = part["Type"], part.get("Properties", {})
        called = next((self.value(properties[key]) for key in NAMED.get(kind, ()) if key in properties), f"{self.pseudo['AWS::StackName']}-{name}")
        form = ATTRIBUTES[kind][attribute]
        if callable(form):
            return form(self, properties, called)
        return form.format(name=called, p=self.pseudo["AWS::Partition"], r=self.pseudo["AWS::Region"], a=self.pseudo["AWS::AccountId"])


NAMED = {"AWS::Kinesis::Stream": ["Name"], "AWS::Lambda::Function": ["FunctionName"], "AWS::Logs::LogGroup": ["LogGroupName"],
         "AWS::Logs::LogStream": ["LogStreamName"], "AWS::KinesisFirehose::DeliveryStream": ["DeliveryStreamName"],
         "AWS::Logs::Destination": ["DestinationName"]}
NAME = "{name}"
ATTRIBUTES = {
    "AWS::RDS::DBParameterGroup": {None: NAME},
    "AWS::RDS::DBClusterParameterGroup": {None: NAME},
    "AWS::RDS::OptionGroup": {None: NAME},
    "AWS::Kinesis::Stream": {None: NAME, "Arn": "arn:{p}:kinesis:{r}:{a}:stream/{name}"},
    "AWS::S3::Bucket": {None: "bucket", "Arn": "arn:{p}:s3:::bucket"},
    "AWS::IAM::Role": {None: NAME, "Arn": "arn:{p}:iam::{a}:role/{name}"},
    "AWS::KMS::Key": {"Arn": "arn:{p}:kms:{r}:{a}:key/0a1b2c3d-0000-1111-2222-333344445555"},
    "AWS::Logs::LogGroup": {None: NAME, "Arn": "arn:{p}:logs:{r}:{a}:log-group:{name}:*"},
    "AWS::Logs::LogStream": {None: NAME},
    "AWS::Logs::Destination": {"Arn": "arn:{p}:logs:{r}:{a}:destination:{name}"},
    "AWS::Lambda::Function": {None: NAME, "Arn": "arn:{p}:lambda:{r}:{a}:function:{name}"},
    "AWS::Lambda::Version": {"Version": "1"},
    "AWS::Lambda::Alias": {None: lambda stack, properties, _: stack.made(properties["FunctionName"]["Ref"], "Arn") + ":" + properties["Name"]},
    "AWS::Lambda::EventSourceMapping": {None: "0a1b2c3d-0000-1111-2222-333344445555"},
    "AWS::KinesisFirehose::DeliveryStream": {None: NAME, "Arn": "arn:{p}:firehose:{r}:{a}:deliverystream/{name}"},
    "AWS::OpenSearchService::Domain": {None: "hydran-domain-abc", "Arn": "arn:{p}:es:{r}:{a}:domain/hydran-domain-abc",
                                       "DomainEndpoint": "search-hydran-domain-abc.{r}.es.amazonaws.com"},
    "AWS::EC2::SecurityGroup": {"GroupId": "sg-01"},
}


def stack(name, *options, pseudo=PSEUDO, template=None, **given):
    """The template with the named options, or those of them that it has."""
    template = template or load(name)
    chosen = dict(NEEDED[name])
    for option in options:
        chosen |= {key: value for key, value in OPTIONS[option].items() if key in template["Parameters"]}
    if "OpenSearch" in chosen:
        chosen.pop("DomainAdminArn", None)
    return Stack(template, chosen | given, pseudo)
