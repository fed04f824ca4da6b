"""moto_server on loopback for the tests that deploy."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

sys.dont_write_bytecode = True
START_SECONDS_MAX = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="session")
def moto(tmp_path_factory):
    """Its address. The one process that is ended is the one that was started here."""
    port, log = free_port(), tmp_path_factory.mktemp("moto") / "log"
    program = Path(sys.executable).parent / "moto_server"
    with log.open("wb") as output:
        server = subprocess.Popen([program, "-H", "127.0.0.1", "-p", str(port)], stdout=output, stderr=output,
                                  env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"})
    url, until = f"http://127.0.0.1:{port}", time.monotonic() + START_SECONDS_MAX
    try:
        while not answers(f"{url}/moto-api/"):
            assert server.poll() is None and time.monotonic() < until, log.read_text()
            # Between two connections; how long it takes is decided by the condition above.
            time.sleep(0.05)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)
