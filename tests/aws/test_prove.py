"""The script `prove`, which only a real account can answer: it is good bash, says what it wants, and makes its calls in the right order. `aws` and
`curl` are stand-ins here that say what AWS's pages say; nothing of this shows what AWS does."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from template import FOLDER

PROGRAMS = Path(sys.executable).parent
AWS = r"""#!/bin/sh
echo "aws $*" >>"$CALLED"
case "$*" in
*describe-stack-resource*) echo probe-bucket ;;
*wait*stack-delete-complete*) [ "$(grep -c delete-stack "$CALLED")" -gt "${KEPT:-0}" ] ;;
*sent_again*) echo "$SENT_BACK" ;;
*describe-stacks*IndexName*) echo hydrant-general ;;
*describe-stacks*IndexRotation*) echo OneDay ;;
*describe-stacks*OpenSearch\'*) echo domain ;;
*describe-stacks*Engine\'*) echo mysql ;;
*describe-stacks*DatabaseId*) echo db1 ;;
*describe-stacks*Log\'*) echo general ;;
*describe-stacks*LogGroup*) echo /hydrant/probe ;;
*describe-stacks*Endpoint*) echo https://search.example ;;
*describe-stacks*FailedDocumentsIn*) echo s3://bucket ;;
*describe-stream-summary*) echo alias/aws/kinesis ;;
*export-credentials*) echo '{"AccessKeyId":"AKID","SecretAccessKey":"SECRET"}' ;;
*describe-delivery-stream*) echo '{"DeliveryStreamDescription":{"VersionId":"1","Destinations":[{"DestinationId":"d-1"}]}}' ;;
*PROBE*) echo 'PROBE {"record": {"recordId": "4957"}}' ;;
esac
"""
CURL = r"""#!/bin/sh
cat >/dev/null
echo "curl $*" >>"$CALLED"
# At first Firehose goes on as before.
index=hydrant-general-2026-11-28
[ "$(grep -c ^curl "$CALLED")" -gt 2 ] && index=hydrant-general-2026-w48
for id in 1 2 3; do hit="$hit,{\"_index\":\"$index\",\"_id\":\"$id\",\"_source\":{\"event_id\":\"$id\"}}"; done
echo "{\"hits\":{\"hits\":[${hit#,}]}}"
"""


def run(folder, *arguments, **variables):
    """(the finished script, the calls that it made)."""
    called = folder / "called"
    for name, text in (("aws", AWS), ("curl", CURL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    done = subprocess.run([FOLDER / "prove", *arguments], capture_output=True, text=True, timeout=60,
                          env={"PATH": f"{folder}:{os.environ['PATH']}", "CALLED": str(called), "AWS_REGION": "eu-west-1",
                               "SENT_BACK": '{"sent_again":3}', "PROVE_WAIT_SECONDS": "20", "PROVE_PAUSE_SECONDS": "0"} | variables)
    return done, called.read_text().splitlines() if called.exists() else []


def test_the_script_is_bash():
    script = FOLDER / "prove"
    assert os.access(script, os.X_OK)
    done = subprocess.run(["bash", "-n", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run([PROGRAMS / "shellcheck", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")
    text = script.read_text()
    assert text.startswith("#!/usr/bin/env bash\n") and "\nset -euo pipefail\n" in text


@pytest.mark.parametrize("arguments, code, said", [
    ([], 2, "usage: prove"),
    (["everything", "stack"], 2, "usage: prove"),
    (["week"], 2, "usage: prove"),
    # It changes a delivery stream for a while, so it wants to be told.
    (["week", "stack"], 2, "--yes"),
    (["record-id", "stack"], 2, "--yes"),
])
def test_the_script_says_what_it_wants_and_calls_nothing(arguments, code, said, tmp_path):
    done, called = run(tmp_path, *arguments)
    assert (done.returncode, called) == (code, []), done.stderr
    assert said in done.stderr


def named(calls, *words):
    """Which of the words each call has, in order."""
    return [word for call in calls for word in words if f" {word} " in f"{call} "]


needs_jq = pytest.mark.skipif(not shutil.which("jq"), reason="prove needs jq")


MADE = ["deploy", "put-record", "filter-log-events"]
REMOVED = ["s3 rm", "delete-stack", "stack-delete-complete"]


@needs_jq
@pytest.mark.parametrize("kept, code, removed", [("0", 0, REMOVED), ("1", 0, REMOVED * 2), ("2", 1, REMOVED * 2)])
def test_the_probe_is_made_asked_and_removed_to_the_end(kept, code, removed, tmp_path):
    done, calls = run(tmp_path, "record-id", "hydrant", "--yes", KEPT=kept)
    assert done.returncode == code and done.stdout == "characters and form of recordId: 4 4957\n", done.stderr
    assert named(calls, *MADE, *REMOVED) == MADE + removed
    assert all("s3://probe-bucket" in call for call in calls if "s3 rm" in call)
    assert ("is still there" in done.stderr) == (code == 1)


@needs_jq
def test_the_canary_is_found_and_its_log_stream_deleted(tmp_path):
    done, calls = run(tmp_path, "dropped", "hydrant")
    assert done.returncode == 0 and 'documents with the mark: "3, of them different: 3"' in done.stdout, done.stderr
    assert '{"sent_again":3}\n' in done.stdout
    assert named(calls, "create-log-stream", "put-log-events", "delete-log-stream") == ["create-log-stream", "put-log-events", "delete-log-stream"]
    # Of the time since the entries were made, in milliseconds, and of nothing before.
    (mark,) = {call.rsplit("hydrant-prove-hydrantprove", 1)[1] for call in calls if "create-log-stream" in call}
    assert f"--start-time {mark}000 " in next(call for call in calls if "sent_again" in call)
    # No secret on a command line, which others can read.
    assert not any("SECRET" in call for call in calls)


@needs_jq
def test_three_documents_that_were_never_sent_back_prove_nothing(tmp_path):
    done, calls = run(tmp_path, "dropped", "hydrant", SENT_BACK="", PROVE_WAIT_SECONDS="2")
    assert done.returncode == 1 and "no invocation that sent documents back" in done.stderr
    assert "delete-log-stream" in calls[-1]


@needs_jq
def test_a_weekly_index_is_waited_for_and_the_rotation_put_back(tmp_path):
    done, calls = run(tmp_path, "week", "hydrant", "--yes")
    assert done.returncode == 0 and "index of the documents: hydrant-general-2026-w48\n" in done.stdout, done.stderr
    assert done.stdout.count("today") == 3
    assert len(named(calls, "put-log-events")) == 3
    rotations = [call.rsplit("IndexRotationPeriod=", 1)[1] for call in calls if "update-destination" in call]
    assert rotations == ["OneWeek", "OneDay"]
    assert "delete-log-stream" in calls[-1]
