#!/usr/bin/env python3
"""Makes the expected side of the golden test: one JSON line for each entry or banner of each capture.

Independent of the program: header lines are found by two regular expressions, and the header-like lines that were
planted inside statements are listed here by hand, as the client that made the captures sent them.

    {"banner": true, "bytes": N}
    {"stamp": "…" | null, "id": N, "command": "…", "argument": "…", "bytes": N, "time": "…", "@timestamp": "…"}

"account" is what the line of a connection tells, as fields of the document. "time" and "@timestamp" are what the document says where the server's clock is that of ZONE; "suspect" stands where
planted lines have no earlier stamp. What is not UTF-8 is whole in "message_base64" too. An argument that is not UTF-8 is in base64 under "argument_base64"; one of more than 4096 bytes is told by
"argument_bytes" and "argument_sha256". Run in this directory: ./expected.py
"""

import base64
import hashlib
import json
import re
from datetime import datetime, timezone
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Asia/Kathmandu")

NAMES = """Sleep|Quit|Init DB|Query|Field List|Create DB|Drop DB|Refresh|Shutdown|Statistics|Processlist|Connect Out
Connect|Kill|Debug|Ping|Time|Delayed insert|Change user|Binlog Dump GTID|Binlog Dump|Table Dump|Register Replica
Register Slave|Prepare|Execute|Long Data|Close stmt|Reset stmt|Set option|Fetch|Daemon|Reset Connection
Reset connection|clone|Group Replication Data Stream subscription|Error|Unimpl get tid|Bulk_execute|Slave_worker
Slave_IO|Slave_SQL""".replace("\n", "|").encode()
ISO = re.compile(rb"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(?:Z|[+-]\d\d:\d\d))\t? *(\d+) (" + NAMES + rb")(?:\t|$)")
OLD = re.compile(rb"^(?:(\d{6} [ \d]\d:\d\d:\d\d)\t|\t\t) *(\d+) (" + NAMES + rb")(?:\t|$)")
BANNER = re.compile(rb"^(?:.*, Version: .* started with:|Tcp port: .*|Time\s+Id Command\s+Argument)$")

ACCOUNT = re.compile(
    rb"(?P<User>.*)@(?P<Host>[^@\s]+)(?: as (?P<Account>\S*) ?)? on (?P<Database>.*?)"
    rb"(?: ?using (?P<Transport>TCP/IP|SSL/TLS|Socket|Named Pipe|Shared Memory))?", re.DOTALL)
DENIED = re.compile(
    rb"Access denied for user '(?P<User>.*)'@'(?P<Host>.*?)'(?: \(using password: (?:YES|NO)\)| to database '(?P<Database>.*)')",
    re.DOTALL)

# Line numbers (from 1) of header-like lines that are text of a statement.
PLANTED = {
    "mysql-9.7.4-general-part2.log": set(),
    "mariadb-10.11.19-general.log": {30, 32, 33},
}

# Of those, the ones in the log's own form that are not stamped earlier than the statement by more than the hour that
# local time repeats in autumn.
DOUBTFUL = {
    "mysql-9.7.4-general-part2.log": set(),
    "mariadb-10.11.19-general.log": {32, 33},
}


def entries(lines, planted, doubtful):
    """(header match or None for a banner, bytes of the entry, whether it holds doubtful lines)"""
    current = None
    for number, line in enumerate(lines, 1):
        text = line.removesuffix(b"\n")
        match = None if number in planted else (ISO.match(text) or OLD.match(text))
        if match:
            if current:
                yield current
            current = (match, line, False)
        elif BANNER.match(text) and (current is None or current[0] is not None or b", Version: " in text):
            if current:
                yield current
            current = (None, line, False)
        else:
            current = (current[0], current[1] + line, current[2] or number in doubtful)
    if current:
        yield current


def instant(stamp):
    """A stamp in UTC"""
    if stamp[4] == "-":
        return datetime.fromisoformat(stamp.replace("Z", "+00:00")).astimezone(timezone.utc)
    return datetime.strptime(stamp, "%y%m%d %H:%M:%S").replace(tzinfo=ZONE).astimezone(timezone.utc)


def account(command, argument):
    """Who connects, from where: fields of the document"""
    denied = DENIED.fullmatch(argument) if command in (b"Connect", b"Change user", b"Init DB") else None
    connects = None if denied or command not in (b"Connect", b"Change user") else ACCOUNT.fullmatch(argument)
    match = denied or connects
    told = {name: value.decode() for name, value in match.groupdict().items() if value} if match else {}
    return told | ({"Access_denied": True} if denied else {})


def expected(match, entry, suspect, last):
    """`last`: the last stamp so far"""
    if match is None:
        return {"banner": True, "bytes": len(entry)}
    stamp, thread, command = match.groups()
    argument = entry[match.end():].removesuffix(b"\n")
    told = {"stamp": stamp and stamp.decode(), "id": int(thread), "command": command.decode()}
    if len(argument) > 4096:
        told["argument_bytes"] = len(argument)
        told["argument_sha256"] = hashlib.sha256(argument).hexdigest()
    else:
        try:
            told["argument"] = argument.decode()
        except UnicodeDecodeError:
            told["argument_base64"] = base64.b64encode(argument).decode()
            told["message_base64"] = base64.b64encode(entry.removesuffix(b"\n")).decode()
    told["account"] = account(command, argument)
    told["bytes"] = len(entry)
    at = instant(last)
    told["time"] = last if last[4] == "-" else at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    told["@timestamp"] = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if suspect:
        told["suspect"] = True
    return told


for name, planted in PLANTED.items():
    with open(name, "rb") as log:
        lines = log.readlines()
    found = list(entries(lines, planted, DOUBTFUL[name]))
    last = None
    with open(name.removesuffix(".log") + ".expected.ndjson", "w", encoding="ascii") as out:
        for match, entry, suspect in found:
            if match and match.group(1):
                last = match.group(1).decode()
            out.write(json.dumps(expected(match, entry, suspect, last)) + "\n")
    headers = sum(match is not None for match, _, _ in found)
    print(f"{name}: {headers} entries, {len(found) - headers} banners")
