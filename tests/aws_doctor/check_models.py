"""The canned answers of the doctor's tests, held against the models of the services that botocore ships.

Each file is named SERVICE.Operation[.which].json or .xml. Every member that stands in it has to be one of the model's
output shape, of its type and, where the model has an enumeration, one of its values; a required member has to be there.
What botocore's own parser reads from the file has to hold something.
"""

import json
import pathlib
import xml.etree.ElementTree as ElementTree

import botocore.parsers
import botocore.session
import pytest

ANSWERS = pathlib.Path(__file__).parents[2] / "crates/hydrant/tests/it/doctor/answers"
FILES = sorted(path for path in ANSWERS.glob("*/*") if path.suffix in (".json", ".xml"))
SESSION = botocore.session.get_session()

# CloudWatch answers in three protocols; the doctor speaks this one.
QUERY = {"rds", "iam", "cloudwatch"}

# Enumerations that the service answers more values of than the model lists, with the reason.
OPEN = set()


def named(path):
    service, operation = path.name.split(".")[:2]
    return service, SESSION.get_service_model(service).operation_model(operation)


def scalar(shape, value, where, is_text):
    kind = shape.type_name
    if kind in ("string", "character"):
        assert isinstance(value, str), where
        if getattr(shape, "enum", None) and where not in OPEN:
            assert value in shape.enum, f"{where}: {value!r} is none of {shape.enum}"
        most = shape.metadata.get("max")
        assert most is None or len(value) <= most, f"{where} is too long"
    elif kind in ("integer", "long"):
        assert int(value) == float(value), where
        assert is_text or isinstance(value, int), where
    elif kind in ("float", "double"):
        float(value)
    elif kind == "boolean":
        assert value in ("true", "false") if is_text else isinstance(value, bool), where
    elif kind == "timestamp":
        assert isinstance(value, str) if is_text else isinstance(value, (int, float)), where
    else:
        raise AssertionError(f"{where}: a {kind}")


def check_json(shape, value, where):
    if shape.type_name == "structure":
        assert isinstance(value, dict), where
        members = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for name, inner in value.items():
            assert name in members, f"{where} has no member {name}"
            check_json(members[name], inner, f"{where}.{name}")
        for name in shape.required_members:
            assert name in value, f"{where} lacks {name}"
    elif shape.type_name == "list":
        assert isinstance(value, list), where
        for inner in value:
            check_json(shape.member, inner, f"{where}[]")
    elif shape.type_name == "map":
        assert isinstance(value, dict), where
        for inner in value.values():
            check_json(shape.value, inner, f"{where}{{}}")
    else:
        scalar(shape, value, where, False)


def local(element):
    return element.tag.rsplit("}", 1)[-1]


def check_xml(shape, element, where):
    if shape.type_name == "structure":
        members, flat = {}, {}
        for name, member in shape.members.items():
            if member.type_name == "list" and member.serialization.get("flattened"):
                flat[member.serialization.get("name") or member.member.serialization.get("name") or name] = member
            else:
                members[member.serialization.get("name", name)] = member
        for inner in element:
            name = local(inner)
            if name in flat:
                check_xml(flat[name].member, inner, f"{where}.{name}")
            else:
                assert name in members, f"{where} has no member {name}"
                check_xml(members[name], inner, f"{where}.{name}")
        have = {local(inner) for inner in element}
        for name in shape.required_members:
            assert shape.members[name].serialization.get("name", name) in have, f"{where} lacks {name}"
    elif shape.type_name == "list":
        name = shape.member.serialization.get("name", "member")
        for inner in element:
            assert local(inner) == name, f"{where} holds {local(inner)} instead of {name}"
            check_xml(shape.member, inner, f"{where}[]")
    else:
        scalar(shape, element.text or "", where, True)


def protocol(service, model):
    if service in QUERY:
        return "query"
    return model.service_model.metadata["protocol"]


def parsed(service, model, body):
    parser = botocore.parsers.create_parser(protocol(service, model))
    return parser.parse({"body": body, "headers": {}, "status_code": 200}, model.output_shape)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_an_answer_is_one_of_the_service(path):
    service, model = named(path)
    if path.suffix == ".json":
        check_json(model.output_shape, json.loads(path.read_text()), model.name)
    else:
        root = ElementTree.fromstring(path.read_text())
        if service in QUERY:
            assert local(root) == f"{model.name}Response"
            (root,) = [inner for inner in root if local(inner) == f"{model.name}Result"]
        else:
            assert local(root) == "ListBucketResult"
        check_xml(model.output_shape, root, model.name)
    told = parsed(service, model, path.read_bytes())
    told.pop("ResponseMetadata", None)
    assert told or path.name == "lambda.GetFunctionConcurrency.json"


def test_a_planted_fault_of_each_kind_is_seen():
    stream = SESSION.get_service_model("kinesis").operation_model("DescribeStreamSummary").output_shape
    text = (ANSWERS / "classic/kinesis.DescribeStreamSummary.json").read_text()
    for old, new in [
        ('"ACTIVE"', '"ACTIVATED"'),
        ('"StreamStatus"', '"Streamstatus"'),
        ('"StreamName"', '"streamName"'),
        ("168", '"168"'),
    ]:
        assert old in text
        with pytest.raises(AssertionError):
            check_json(stream, json.loads(text.replace(old, new, 1)), "planted")
    database = SESSION.get_service_model("rds").operation_model("DescribeDBInstances").output_shape
    text = (ANSWERS / "classic/rds.DescribeDBInstances.xml").read_text()
    for old, new in [("<DBInstances>", "<Instances>"), ("<member>", "<item>"), (">100<", ">many<")]:
        assert old in text
        planted = ElementTree.fromstring(text.replace(old, new).replace(old.replace("<", "</"), new.replace("<", "</")))
        with pytest.raises((AssertionError, ValueError)):
            check_xml(database, planted[0], "planted")


def test_every_call_of_the_doctor_that_reads_has_an_answer():
    source = (ANSWERS.parents[3] / "src/cli/doctor/read/action.rs").read_text()
    prefixes = {"Logs_20140328": "logs", "Kinesis_20131202": "kinesis", "Firehose_20150804": "firehose", "es": "opensearch"}
    asked = set()
    for line in source.splitlines():
        if line.strip().startswith("Action::") and " => \"" in line:
            service, operation = line.split('"')[1].split(".")
            asked.add((prefixes.get(service, service), operation))
    assert len(asked) > 25
    # Every one of them is an operation that the service has.
    for service, operation in asked:
        SESSION.get_service_model(service).operation_model(operation)
    writes = {"GetShardIterator", "GetRecords", "CreateLogStream", "PutLogEvents", "DeleteLogStream"}
    # A body that is no document of the model.
    others = {"GetObject"}
    have = {tuple(path.name.split(".")[:2]) for path in FILES}
    missing = {one for one in asked if one[1] not in writes | others} - have
    assert not missing
