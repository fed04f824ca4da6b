"""The files themselves: cfn-lint finds nothing, a plain `aws cloudformation deploy` takes them, both chains have the same parts, the page beside
them is whole. Planted faults show that cfn-lint was asked."""

import json
import re
import subprocess
import sys
from pathlib import Path

from template import ALL, CHAINS, REPO, load, path

LINT = Path(sys.executable).parent / "cfn-lint"
# The body that CreateStack takes without a bucket.
TEMPLATE_BYTES_MAX = 51_200
LINE_MAX = 160
PAGE = (REPO / "docs" / "cloudformation.md").read_text()


def lint(*files, regions=("eu-west-1",)):
    done = subprocess.run([LINT, "--regions", *regions, "--", *files], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def test_cfn_lint_finds_nothing():
    assert lint(*map(path, ALL), regions=("eu-west-1", "us-gov-west-1", "cn-north-1", "cn-northwest-1")) == (0, "")


def test_cfn_lint_was_asked(tmp_path):
    for number, (old, new, said) in enumerate([
        ("Runtime: provided.al2023", "Runtime: provided.al2025", "E3030"),
        ("!GetAtt Stream.Arn", "!GetAtt Stream.Name", "E1010"),
        ("Distribution: Random", "Distribution: Randomly", "E3030"),
        ("IndexRotationPeriod: !Ref IndexRotation", "IndexRotationPeriod: OneYear", "E3030"),
        ("BufferingHints: {SizeInMBs: 5,", "BufferingHints: {SizeInMBs: 500,", "E3034"),
    ]):
        text = path("chain-firehose").read_text()
        assert old in text
        planted = tmp_path / f"{number}.yaml"
        planted.write_text(text.replace(old, new))
    code, output = lint(*sorted(tmp_path.iterdir()))
    assert code == 2
    for number, said in enumerate(["E3030", "E1010", "E3030", "E3030", "E3034"]):
        assert re.search(rf"^{said} .*\n.*/{number}\.yaml:", output, re.M), (number, said, output)


def test_a_template_needs_no_bucket():
    for name in ALL:
        assert path(name).stat().st_size <= TEMPLATE_BYTES_MAX, name


def test_lines_are_short_and_files_open_with_their_purpose():
    for name in ALL:
        lines = path(name).read_text().splitlines()
        assert max(map(len, lines)) <= LINE_MAX, name
        assert lines[1].startswith("# "), name


def test_both_chains_have_the_same_parts():
    kinesis, firehose = map(load, CHAINS)
    only = {"chain-kinesis": {"EventSource", "GeneralLogs", "SlowLogs", "ErrorLogs", "AuditLogs", "GeneralFilter", "SlowFilter", "ErrorFilter",
                              "AuditFilter", "BehindAlarm", "UnsafeAlarm", "GivenUpAlarm", "LostAlarm"},
            "chain-firehose": {"DeliveryStream", "DeliveryRole", "DeliveryPolicy", "DeliveryLogs", "DeliveryLogStream", "BackupLogStream",
                               "DeliveryErrors", "Logs", "Filter", "StreamEndpoint", "FreshnessAlarm", "DeliveryAlarm", "BackupAlarm",
                               "ProcessingAlarm", "DeliveryErrorAlarm"}}
    here, there = kinesis["Resources"], firehose["Resources"]
    assert set(here) - set(there) == only["chain-kinesis"]
    assert set(there) - set(here) == only["chain-firehose"]
    differ = {name for name in set(here) & set(there) if json.dumps(here[name]) != json.dumps(there[name])}
    # Who reads, who writes to OpenSearch, and what the function is told.
    assert differ == {"Function", "FunctionPolicy", "Version", "Destination", "Domain", "LagAlarm", "Dashboard"}
    for name in set(kinesis["Parameters"]) & set(firehose["Parameters"]) - {"IndexName", "IndexRotation", "Timeout", "VpcId"}:
        assert kinesis["Parameters"][name] == firehose["Parameters"][name], name


def test_the_page_names_each_parameter_output_and_alarm():
    for name in [*CHAINS, "subscription-destination"]:
        template = load(name)
        alarms = {part for part, said in template["Resources"].items() if said["Type"] == "AWS::CloudWatch::Alarm"}
        for part in [*template["Parameters"], *template["Outputs"], *alarms]:
            assert f"`{part}`" in PAGE, f"docs/cloudformation.md does not name {part} of {name}"


def test_the_page_maps_each_type_to_terraform():
    used = {part["Type"] for name in [*CHAINS, "subscription-destination"] for part in load(name)["Resources"].values()}
    rows = dict(re.findall(r"^\| `(AWS::[\w:]+)` \| `(aws_\w+)`", PAGE, re.M))
    assert set(rows) == used


def test_the_page_tells_defaults_as_they_are():
    for name in CHAINS:
        for part, said in load(name)["Parameters"].items():
            row = re.search(rf"^\| `{part}`[^|]*\| ([^|]*)\|", PAGE, re.M)
            assert row, part
            default = str(said.get("Default", "needed")) or "empty"
            if part not in ("FilterPattern", "IndexName", "Timeout"):
                assert f"`{default}`" in row[1] or default in row[1], (part, default, row[1])
