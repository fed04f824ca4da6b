"""The commands that the doctor prints, held against the AWS CLI: `remedies.txt`, which a test of the doctor holds against the doctor.

A shell takes each line apart, with functions in the place of the programs, so that what the CLI would get is known word by
word. The CLI then reads the call as ever, and its parameters are held against the service's model instead of being sent.
"""

import contextlib
import io
import json
import pathlib
import shutil
import subprocess
import unittest.mock
import zipfile

import awscli.clidriver
import boto3
import jmespath
import pytest
from awscli.botocore.validate import validate_parameters

LINES = (pathlib.Path(__file__).parent / "remedies.txt").read_text().splitlines()
BASH = shutil.which("bash")

# Words that are the reader's to fill in, where the CLI wants a number.
FILLED = {"LARGER_GIB": "200"}

# Commands of the CLI's own, which are no calls; `logs tail` is one of its second version.
NO_CALLS = {("s3", "mb"), ("configure", "export-credentials"), ("logs", "tail")}

SHELL = r"""
aws() {
    printf '%s\0' "$@" >> calls
    printf '\n\0' >> calls
    case $2 in
        publish-version) echo 4 ;;
        get-function-configuration) echo '{"Variables": {"OTHER": "kept"}}' ;;
    esac
}
curl() { :; }
hydrant() { :; }
set -eu
AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b AWS_SESSION_TOKEN=''
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """Nobody's own settings; the zip that a command names."""
    monkeypatch.chdir(tmp_path)
    with zipfile.ZipFile(tmp_path / "hydrant-lambda-arm64.zip", "w") as archive:
        archive.writestr("bootstrap", "")
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none"}.items():
        monkeypatch.setenv(name, value)


def calls(line):
    for word, value in FILLED.items():
        line = line.replace(word, value)
    done = subprocess.run([BASH, "-c", f"{SHELL}\n{line}"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    words = pathlib.Path("calls").read_text().split("\n\0")
    pathlib.Path("calls").unlink()
    return [call.split("\0")[:-1] for call in words if call]


def judged(_caller, client, operation, parameters, _globals):
    """In the place of sending."""
    shape = client.meta.service_model.operation_model(operation).input_shape
    if shape is not None:
        validate_parameters(parameters, shape)
    return {}


def refused(call):
    """What the CLI has against the words of a call."""
    said = io.StringIO()
    driver = awscli.clidriver.create_clidriver()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        with unittest.mock.patch.object(awscli.clidriver.CLIOperationCaller, "_make_client_call", judged):
            try:
                code = driver.main(call)
            except SystemExit as end:
                code = end.code
    return said.getvalue() if code else ""


@pytest.mark.parametrize("line", LINES)
def test_the_cli_takes_a_remedy(line):
    all_calls = calls(line)
    assert all_calls, line
    for call in all_calls:
        service, operation = call[:2]
        if operation == "wait":
            assert call[2].replace("-", "_") in boto3.client(service, region_name="eu-west-1").waiter_names, call
        elif (service, operation) not in NO_CALLS:
            assert not refused(call), call


def test_a_wrong_word_is_refused():
    describe = ["firehose", "describe-delivery-stream", "--region", "eu-west-1"]
    assert not refused([*describe, "--delivery-stream-name", "s"])
    for wrong in ([], ["--stream-name", "s"], ["--delivery-stream-name", "s", "--no-such-word"], ["--delivery-stream-name", "s", "--limit", "0"]):
        assert refused([*describe, *wrong]), wrong


def test_variables_of_a_function_are_kept():
    (line,) = [line for line in LINES if "--environment" in line]
    get, update = [call for call in calls(line) if call[1] in ("get-function-configuration", "update-function-configuration")]
    query = jmespath.compile(get[get.index("--query") + 1])
    added = {"HYDRANT_FAILED_TO": "s3://BUCKET/hydrant"}
    for before in ({"Environment": {"Variables": {"OTHER": "kept"}}}, {"Environment": {"Variables": {}}}, {}):
        variables = before.get("Environment", {}).get("Variables", {})
        assert query.search(before) == {"Variables": variables | added}
    assert json.loads(update[update.index("--environment") + 1]) == {"Variables": {"OTHER": "kept"}}
