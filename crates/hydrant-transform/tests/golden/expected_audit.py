#!/usr/bin/env python3
"""Makes the expected side of the golden test of the audit log: one JSON line for each record of the capture.

Independent of the program: one regular expression over the whole file, and Python's own unescaping by a table. In this
capture no database holds a comma, and one user's name holds a comma and a newline.
Run in this directory: ./expected_audit.py
"""

import json
import re

NAME = "mariadb-10.11.19-audit"
RECORD = re.compile(
    rb"(?P<stamp>\d{8} \d\d:\d\d:\d\d),(?P<server>\w+),(?P<user>(?:[^,\n]|,x\n)*),(?P<host>\w*),(?P<id>\d+),(?P<query_id>\d+),"
    rb"(?P<operation>[A-Z_]+),(?P<database>\w*),(?:'(?P<query>(?:[^'\\]|\\.)*)'|(?P<object>[\w|.]*)),(?P<code>\d*)\n", re.S)
ESCAPES = {b"\\n": b"\n", b"\\t": b"\t", b"\\r": b"\r", b"\\b": b"\b", b"\\f": b"\f", b"\\'": b"'", b"\\\\": b"\\"}


def text(value):
    return value.decode() if value else None


def read():
    """What each record says, with its query as it was logged in "logged\""""
    with open(NAME + ".log", "rb") as log:
        data = log.read()
    at = 0
    while at < len(data):
        found = RECORD.match(data, at)
        query = found["query"]
        if query is not None:
            query = re.sub(rb"\\.", lambda escape: ESCAPES[escape[0]], query, flags=re.S).decode()
        yield {
            "logged": found["query"],
            "bytes": found.end() - at, "stamp": found["stamp"].decode()[2:], "server_host": text(found["server"]),
            "user": text(found["user"]), "host": text(found["host"]), "id": int(found["id"]),
            "query_id": int(found["query_id"]), "operation": found["operation"].decode(),
            "database": text(found["database"]), "object": text(found["object"]), "query": query,
            "code": int(found["code"]) if found["code"] else None,
        }
        at = found.end()


def main():
    records = list(read())
    with open(NAME + ".expected.ndjson", "w", encoding="ascii") as out:
        for told in records:
            del told["logged"]
            out.write(json.dumps(told) + "\n")
    print(f"{NAME}: {len(records)} records")


if __name__ == "__main__":
    main()
