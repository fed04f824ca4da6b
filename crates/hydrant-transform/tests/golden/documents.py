#!/usr/bin/env python3
"""Makes the cases of `hydrant test` in cases/: the documents of every capture, beside a link to it.

Independent of the program: the other scripts here read the captures, and docs/formats.md and docs/fields.md say what
becomes of what they read. Profile classic, nothing hidden, the servers' clocks in ZONE. The members that tell where a
file lies (owner, log_group, log_stream, event_id) are left out. Run in this directory: ./documents.py
"""

import base64
import json
import os
import re

import expected
import expected_audit
import expected_error
import expected_slow

# MariaDB's plug-in cuts statements at this length unless it is told otherwise.
AUDIT_LIMIT = 1024

# The one deadlock, as its dump in mysql-9.7.4-error.log tells it; by the stamp of its first line.
LOCK = {"table": "`app_db`.`dl`", "index": "PRIMARY", "mode": "X locks rec but not gap"}
DEADLOCKS = {
    "2026-11-23T03:09:32.334614Z": {
        "transactions": [
            {
                "number": number, "id": transaction, "active_seconds": 1, "thread_id": thread, "query_id": query,
                "host": "localhost", "user": "root", "state": "updating",
                "statement": f"UPDATE dl\n SET v=v+1 WHERE id={number}", "holds": [LOCK], "waits_for": [LOCK],
            }
            for number, transaction, thread, query in [(1, 1767, 77, 716), (2, 1766, 78, 717)]
        ],
        "rolled_back": 2,
    },
}


def document(stamp, members):
    """What stands in every document, and those members that say something"""
    times = expected.times(stamp)
    told = {name: value for name, value in members.items() if value is not None}
    return {"@timestamp": times["@timestamp"], "Time": times["time"], **told}


def whole(entry):
    """The whole message in base64, where it is not UTF-8"""
    message = entry.removesuffix(b"\n")
    try:
        message.decode()
    except UnicodeDecodeError:
        return base64.b64encode(message).decode()
    return None


def general(name):
    for told in expected.read(name):
        if "banner" not in told:
            yield document(told["time"], {
                "PID": told["id"], "Perform": told["command"], "Statement": told["argument"].decode(errors="replace"),
                **told["account"], "suspect": told.get("suspect"), "message_base64": whole(told["entry"]),
            })


def number_or_text(name, value):
    if value in ("Yes", "No"):
        return value == "Yes"
    if name.endswith(("_time", "_wait")):
        return float(value)
    if re.fullmatch(r"\d+", value):
        return int(value)
    return float(value) if re.fullmatch(r"\d+\.\d+", value) else value


def slow(name):
    last = None
    for told in expected_slow.read(name):
        if "banner" in told:
            continue
        last = told["stamp"] or last
        yield document(last, {
            "PID": told["id"], "User": told["user"], "Account": told["account"], "Host": told["host"],
            "Ip": told["ip"], "Database": told["database"],
            **{field: number_or_text(field, value) for field, value in told["fields"]},
            "Explain": "\n".join(told["explain"]) or None, "Warnings": "\n".join(told["warnings"]) or None,
            **{"Set_" + variable: number_or_text(variable, value) for variable, value in told["set"]},
            "Perform": told["command"], "Statement": told["statement"].decode(errors="replace"),
            "message_base64": whole(told["entry"]),
        })


def error(name):
    for told in expected_error.READERS[name](name):
        signal = re.search(r"got signal (\d+)", told["text"])
        # The JSON sink has an entry for each line of a dump.
        is_dump = "rest" not in told and told["stamp"] in DEADLOCKS
        yield document(told["stamp"], {
            "PID": told["id"], "Label": told["label"], "Error_code": told["code"], "Subsystem": told["subsystem"],
            "Signal": signal and int(signal[1]), "Deadlock": DEADLOCKS[told["stamp"]] if is_dump else None,
            # An empty line at the end is no part of the text.
            "message": told["text"] if "rest" in told else told["text"].removesuffix("\n"), **told.get("rest", {}),
        })


def audit(_):
    for told in expected_audit.read():
        is_cut = told["logged"] is not None and len(told["logged"]) == AUDIT_LIMIT
        yield document(told["stamp"], {
            "PID": told["id"], "Query_id": told["query_id"], "Perform": told["operation"], "User": told["user"],
            "Host": told["host"], "Server_host": told["server_host"], "Database": told["database"],
            "Object": told["object"], "Return_code": told["code"], "Statement": told["query"] or "",
            "truncated": is_cut or None,
        })


CAPTURES = {
    **dict.fromkeys(expected.PLANTED, general),
    **dict.fromkeys(expected_slow.PLANTED, slow),
    **dict.fromkeys(expected_error.READERS, error),
    expected_audit.NAME: audit,
}


def main():
    os.makedirs("cases", exist_ok=True)
    for name, documents in CAPTURES.items():
        link = f"cases/{name}.log"
        if not os.path.islink(link):
            os.symlink(f"../{name}.log", link)
        with open(f"cases/{name}.expected.ndjson", "w", encoding="ascii") as out:
            count = 0
            for count, told in enumerate(documents(name), 1):
                out.write(json.dumps(told) + "\n")
        print(f"{name}: {count} documents")
    with open("cases/hydrant.toml", "w", encoding="ascii") as out:
        out.write(f"""\
# Made by ../documents.py, like all that is here.
transform.redact = "off"

# No file is followed: `hydrant test` takes the zone of stamps that name none from here.
[[tail]]
file = "any.log"
time_zone = "{expected.ZONE.key}"
""")


if __name__ == "__main__":
    main()
