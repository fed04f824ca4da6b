#!/usr/bin/env python3
"""Makes the expected side of the golden test of the slow log: one JSON line for each entry or banner of each capture.

Independent of the program: entries are cut and fields found by regular expressions, and the header lines that were
planted inside a statement are listed here by hand, as the client that made the captures sent them.

    {"banner": true, "bytes": N}
    {"stamp": …, "id": …, "user": …, "account": …, "host": …, "ip": …, "database": …, "fields": [[name, value], …],
     "explain": […], "warnings": […], "set": [[name, value], …], "command": … | null, "statement": "…", "bytes": N}

A statement that is not UTF-8 is in base64 under "statement_base64"; one of more than 4096 bytes is told by
"statement_bytes" and "statement_sha256". Run in this directory: ./expected_slow.py
"""

import re

from expected import BANNER, shown, write_all

USER = re.compile(rb"^# User@Host: (.*?)\[(.*?)\] @ (.*?) \[(.*?)\](?:  Id: +(\d+))?$")
PAIR = re.compile(rb"([A-Za-z]\w*): (?!  ?[A-Za-z]\w*: )(\S*)")
SET = re.compile(rb"^SET ((?:last_insert_id=\d+,)?(?:insert_id=\d+,)?timestamp=[\d.]+);$")

# Line numbers (from 1) of header lines that are text of a statement.
PLANTED = {
    "mysql-9.7.4-slow": {115, 116, 117},
    "mysql-9.7.4-slow-extra": set(),
    "mariadb-10.11.19-slow": {144, 145, 146},
}


def entries(lines, planted):
    """Lines of each entry, and whether it is a banner."""
    current, has_statement, is_banner = [], False, False
    for number, line in enumerate(lines, 1):
        text = line.removesuffix(b"\n")
        starts = number not in planted and re.match(rb"# (Time|User@Host): ", text)
        banner = BANNER.match(text)
        if (starts and (has_statement or is_banner)) or (banner and not is_banner):
            if current:
                yield current, is_banner
            current, has_statement, is_banner = [], False, bool(banner)
        current.append(line)
        if not banner and (not text.startswith(b"#") or text.startswith(b"# administrator")):
            has_statement = True
    yield current, is_banner


def text(value):
    return value.decode() if value else None


def fields_of(lines):
    """What an entry says, with its statement's bytes in "statement\""""
    told = dict.fromkeys(["stamp", "id", "user", "account", "host", "ip", "database"])
    fields, explain, warnings, setting, command = [], [], [], [], None
    rest = list(lines)
    while rest and rest[0].startswith(b"#") and not rest[0].startswith(b"# administrator"):
        line = rest.pop(0).removesuffix(b"\n")
        if line.startswith(b"# Time: "):
            told["stamp"] = line[8:].decode()
        elif user := USER.match(line):
            *names, number = user.groups()
            told.update(zip(["user", "account", "host", "ip"], map(text, names)))
            told["id"] = number and int(number)
        elif line.startswith(b"# explain: "):
            explain.append(line[11:].decode())
        elif line == b"# Warnings":
            while rest[0].startswith(b"# "):
                warnings.append(rest.pop(0)[2:].removesuffix(b"\n").decode())
        elif line != b"#":
            for name, value in PAIR.findall(line):
                if name == b"Thread_id":
                    told["id"] = int(value)
                elif name == b"Schema":
                    told["database"] = text(value)
                elif value:
                    fields.append([name.decode(), value.decode()])
    if len(rest) > 1 and (use := re.match(rb"^use `?(.*?)`?;$", rest[0].removesuffix(b"\n"))):
        told["database"] = use[1].replace(b"``", b"`").decode()
        rest.pop(0)
    if found := SET.match(rest[0].removesuffix(b"\n")):
        setting = [pair.split("=") for pair in found[1].decode().split(",")]
        rest.pop(0)
    statement = b"".join(rest).removesuffix(b"\n").removesuffix(b";")
    if statement.startswith(b"# administrator command: "):
        command, statement = statement[25:].decode(), b""
    told.update(fields=fields, explain=explain, warnings=warnings, set=setting, command=command, statement=statement)
    return told


def read(name):
    """What each entry or banner of a capture says, with its own bytes in "entry\""""
    with open(name + ".log", "rb") as log:
        lines = log.readlines()
    for entry, banner in entries(lines, PLANTED[name]):
        whole = b"".join(entry)
        yield {"entry": whole, **({"banner": True} if banner else fields_of(entry)), "bytes": len(whole)}


def expected(told):
    line = {}
    for name, value in told.items():
        if name == "statement":
            line |= shown(name, value)
        elif name != "entry":
            line[name] = value
    return line


def main():
    write_all(PLANTED, read, expected)


if __name__ == "__main__":
    main()
