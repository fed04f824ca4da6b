#!/usr/bin/env python3
"""Makes the expected side of the golden test: one JSON line for each entry or banner of each capture.

Independent of the program: header lines are found by two regular expressions, and the header-like lines that were
planted inside statements are listed here by hand, as the client that made the captures sent them.

    {"banner": true, "bytes": N}
    {"stamp": "…" | null, "id": N, "command": "…", "argument": "…", "bytes": N, "time": "…", "@timestamp": "…"}

"account" is what the line of a connection tells, as fields of the document. "time" and "@timestamp" are what the
document says where the server's clock is that of ZONE; "suspect" stands where planted lines have no earlier stamp. What
is not UTF-8 is whole in "message_base64" too. An argument that is not UTF-8 is in base64 under "argument_base64"; one of
more than 4096 bytes is told by "argument_bytes" and "argument_sha256". Run in this directory: ./expected.py
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
ZONED = re.compile(r"(?:Z|[+-]\d\d:\d\d)$")
BANNER = re.compile(rb"^(?:.*, Version: .* started with:|Tcp port: .*|Time\s+Id Command\s+Argument)$")

ACCOUNT = re.compile(
    rb"(?P<User>.*)@(?P<Host>[^@\s]+)(?: as (?P<Account>\S*) ?)? on (?P<Database>.*?)"
    rb"(?: ?using (?P<Transport>TCP/IP|SSL/TLS|Socket|Named Pipe|Shared Memory))?", re.DOTALL)
DENIED = re.compile(
    rb"Access denied for user '(?P<User>.*)'@'(?P<Host>.*?)'(?: \(using password: (?:YES|NO)\)| to database '(?P<Database>.*)')",
    re.DOTALL)

# Line numbers (from 1) of header-like lines that are text of a statement.
PLANTED = {
    "mysql-9.7.4-general-part2": set(),
    "mariadb-10.11.19-general": {30, 32, 33},
}

# Of those, the ones in the log's own form that are not stamped earlier than the statement by more than the hour that
# local time repeats in autumn.
DOUBTFUL = {
    "mysql-9.7.4-general-part2": set(),
    "mariadb-10.11.19-general": {32, 33},
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


def times(stamp):
    """What a document says of a stamp: one without a zone is in ZONE, and not shown as it stands"""
    if ZONED.search(stamp):
        at = datetime.fromisoformat(stamp.replace("Z", "+00:00"))
    else:
        layout = "%Y-%m-%d %H:%M:%S" if stamp[4] == "-" else "%y%m%d %H:%M:%S"
        at = datetime.strptime(stamp, layout).replace(tzinfo=ZONE)
    utc = at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"time": stamp if ZONED.search(stamp) else utc, "@timestamp": utc}


def account(command, argument):
    """Who connects, from where: fields of the document"""
    denied = DENIED.fullmatch(argument) if command in (b"Connect", b"Change user", b"Init DB") else None
    connects = None if denied or command not in (b"Connect", b"Change user") else ACCOUNT.fullmatch(argument)
    match = denied or connects
    told = {name: value.decode() for name, value in match.groupdict().items() if value} if match else {}
    return told | ({"Access_denied": True} if denied else {})


def read(name):
    """What each entry or banner of a capture says, with the bytes of all in "entry" and of the argument in "argument\""""
    with open(name + ".log", "rb") as log:
        lines = log.readlines()
    last = None
    for match, entry, suspect in entries(lines, PLANTED[name], DOUBTFUL[name]):
        if match is None:
            yield {"banner": True, "bytes": len(entry)}
            continue
        stamp, thread, command = match.groups()
        argument = entry[match.end():].removesuffix(b"\n")
        last = stamp.decode() if stamp else last
        yield {
            "entry": entry, "stamp": stamp and stamp.decode(), "id": int(thread), "command": command.decode(),
            "argument": argument, "account": account(command, argument), "bytes": len(entry), **times(last),
        } | ({"suspect": True} if suspect else {})


def shown(name, value):
    """Bytes as members of a JSON line"""
    if len(value) > 4096:
        return {name + "_bytes": len(value), name + "_sha256": hashlib.sha256(value).hexdigest()}
    try:
        return {name: value.decode()}
    except UnicodeDecodeError:
        return {name + "_base64": base64.b64encode(value).decode()}


def expected(told):
    line = {}
    for name, value in told.items():
        if name == "argument":
            line |= shown(name, value)
            if "argument_base64" in line:
                line["message_base64"] = base64.b64encode(told["entry"].removesuffix(b"\n")).decode()
        elif name != "entry":
            line[name] = value
    return line


def write_all(planted, read, expected):
    """Writes what is expected of each log, beside it."""
    for name in planted:
        found = list(read(name))
        with open(name + ".expected.ndjson", "w", encoding="ascii") as out:
            for told in found:
                out.write(json.dumps(expected(told)) + "\n")
        banners = sum("banner" in told for told in found)
        print(f"{name}: {len(found) - banners} entries, {banners} banners")


def main():
    write_all(PLANTED, read, expected)


if __name__ == "__main__":
    main()
