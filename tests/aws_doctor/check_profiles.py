"""Whose keys sign, by `profiles.json`, which a test of the doctor holds against the doctor: asked of the AWS CLI itself.

Each case is an option `--profile`, a variable AWS_PROFILE, and whether the environment has keys; then the key's id, `none`,
or `refused` where the CLI ends because no file has the profile. `configure list` shows an id's last four characters.
"""

import json
import pathlib
import subprocess
import sys

import pytest

TABLE = json.loads((pathlib.Path(__file__).parent / "profiles.json").read_text())


@pytest.mark.parametrize("case", TABLE["cases"], ids=lambda case: f"{case['option']}-{case['variable']}-{case['has_keys']}")
def test_the_cli_takes_the_same_keys(case, tmp_path):
    environment = {"AWS_CONFIG_FILE": tmp_path / "config", "AWS_SHARED_CREDENTIALS_FILE": tmp_path / "credentials", "AWS_EC2_METADATA_DISABLED": "true"}
    for name in ("config", "credentials"):
        (tmp_path / name).write_text(TABLE[name])
    if case["has_keys"]:
        environment |= {"AWS_ACCESS_KEY_ID": "AKID-KEYS", "AWS_SECRET_ACCESS_KEY": "s"}
    if case["variable"]:
        environment["AWS_PROFILE"] = case["variable"]
    option = ["--profile", case["option"]] if case["option"] else []
    done = subprocess.run([sys.executable, "-m", "awscli", "configure", "list", *option], env=environment, capture_output=True, text=True, timeout=60, check=False)
    if case["key"] == "refused":
        assert done.returncode != 0 and f"profile ({case['option']}) could not be found" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    (shown,) = [line.split()[1] for line in done.stdout.splitlines() if line.split()[0] == "access_key"]
    assert shown == "<not" if case["key"] == "none" else shown.strip("*") == case["key"][-4:]
