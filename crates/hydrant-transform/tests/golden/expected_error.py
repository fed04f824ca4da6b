#!/usr/bin/env python3
"""Makes the expected side of the golden test of the error log: one JSON line for each entry of each capture.

Independent of the program: one regular expression for each server, and the lines of the one deadlock listed by hand.

    {"bytes": N, "stamp": "…", "id": N | null, "label": "…" | null, "code": "…" | null, "subsystem": "…" | null, "text": "…"}

Run in this directory: ./expected_error.py
"""

import json
import re

MYSQL = re.compile(r"^(?P<stamp>\S+Z) (?P<id>\d+) \[(?P<label>\w+)\] \[(?P<code>MY-\d{6})\] \[(?P<subsystem>\w+)\] (?P<text>.*)", re.S)
MARIADB = re.compile(r"^(?P<stamp>\d{4}-\d\d-\d\d [ \d]\d:\d\d:\d\d) (?P<id>\d+) \[(?P<label>\w+)\] (?P<text>.*)", re.S)
OLD = re.compile(r"^(?P<stamp>\d{6} [ \d]\d:\d\d:\d\d) (?:\[(?P<label>\w+)\] )?(?P<text>.*)", re.S)

# First and last line (from 1) of a deadlock's dump, which is one entry.
DEADLOCKS = {"mysql-9.7.4-error": (3, 50), "mariadb-10.11.19-error": (0, 0)}


def traditional(name):
    first, last = DEADLOCKS[name]
    with open(name + ".log", "rb") as log:
        lines = [line.decode() for line in log]
    entries = []
    for number, line in enumerate(lines, 1):
        begins = MYSQL.match(line) or MARIADB.match(line) or OLD.match(line)
        if begins and not first < number <= last:
            entries.append(line)
        else:
            entries[-1] += line
    for entry in entries:
        match = MYSQL.match(entry) or MARIADB.match(entry) or OLD.match(entry)
        told = {key: match.groupdict().get(key) for key in ("stamp", "id", "label", "code", "subsystem", "text")}
        told["id"] = told["id"] and int(told["id"])
        told["text"] = told["text"].removesuffix("\n")
        yield {"bytes": len(entry.encode()), **told}


def sink(name):
    with open(name + ".log", "rb") as log:
        for line in log:
            entry = json.loads(line)
            yield {
                "bytes": len(line),
                "stamp": entry.pop("time"),
                "id": entry.pop("thread", None),
                "label": entry.pop("label"),
                "code": "MY-%06d" % entry.pop("err_code"),
                "subsystem": entry.pop("subsystem", None),
                "text": entry.pop("msg"),
                "rest": entry,
            }


READERS = {"mysql-9.7.4-error": traditional, "mariadb-10.11.19-error": traditional, "mysql-9.7.4-error-json": sink}


def main():
    for name, reader in READERS.items():
        entries = list(reader(name))
        with open(name + ".expected.ndjson", "w", encoding="ascii") as out:
            for entry in entries:
                out.write(json.dumps(entry) + "\n")
        print(f"{name}: {len(entries)} entries")


if __name__ == "__main__":
    main()
