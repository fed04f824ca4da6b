"""Reads `cargo tree --prefix none --format '{p} {l}'` and writes a bill of materials, CycloneDX 1.5 as JSON."""

import json
import re
import sys

LINE = re.compile(r"(?P<name>\S+) v(?P<version>\S+)(?P<rest>.*)")


def component(line):
    found = LINE.match(line)
    if found is None:
        sys.exit(f"no package: {line}")
    name, version = found["name"], found["version"]
    # Behind the version: where it lies, `(proc-macro)`, `(*)` for what was told before, then the licence.
    licence = re.sub(r"\([^)]*[/*][^)]*\)|\(\*\)|\(proc-macro\)", "", found["rest"]).strip()
    own = "/" in (re.search(r"\(([^)]*)\)", found["rest"]) or [""])[0] and licence == "Apache-2.0" and name.startswith("hydrant")
    told = {
        "type": "library",
        "bom-ref": f"{name}@{version}",
        "name": name,
        "version": version,
        "purl": f"pkg:cargo/{name}@{version}",
    }
    if own:
        del told["purl"]
    if licence:
        told["licenses"] = [{"expression": licence.replace("/", " OR ")}]
    return told


components = {}
for line in sys.stdin.read().splitlines():
    if line.strip():
        told = component(line.strip())
        known = components.setdefault(told["bom-ref"], told)
        # A line that was told before has its licence too, so that either will do.
        known.update(told)
first, *rest = components.values()
json.dump(
    {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {**first, "type": "application"}},
        "components": sorted(rest, key=lambda told: told["bom-ref"]),
    },
    sys.stdout,
    indent=1,
    ensure_ascii=False,
)
print()
