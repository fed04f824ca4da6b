"""The real program as a child process on free loopback ports."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
BINARY = os.environ["HYDRANT_BIN"]


# For tests that compare statements as they were sent.
AS_LOGGED = '[transform]\nredact = "off"\n'


class Hydrant:
    def __init__(self, data, *tails, config=""):
        command = [BINARY, "run", "--json", "--data", str(data), "--rest", "127.0.0.1:0", "--page", "127.0.0.1:0"]
        for tail in tails:
            command += ["--tail", str(tail)]
        if config:
            file = Path(f"{data}.toml")
            file.write_text(config)
            command += ["--config", str(file)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
        started = self.process.stdout.readline()
        assert started, f"hydrant ended with {self.process.wait()} before it said where it listens"
        started = json.loads(started)
        self.rest, self.page = started["rest"], started["page"]

    def stop(self):
        """Ends it as Ctrl-C does; answers its exit code and its summary."""
        self.process.send_signal(signal.SIGINT)
        out, _ = self.process.communicate(timeout=30)
        return self.process.returncode, json.loads(out.splitlines()[-1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def until(condition, seconds=30):
    """Waits for a condition and answers its value; fails after that many seconds."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(0.02)
