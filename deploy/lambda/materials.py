"""Reads `cargo tree --prefix none --format '{p} {l}'` and writes a bill of materials, CycloneDX 1.5 as JSON.

What it cannot tell apart for certain it refuses, so that neither a path of this machine nor half a licence gets into the bill."""

import json
import re
import sys
from urllib.parse import quote

LINE = re.compile(r"(?P<name>[A-Za-z0-9_-]+) v(?P<version>[0-9A-Za-z.+-]+)(?: (?P<rest>.*))?")
WORD = r"[A-Za-z0-9][A-Za-z0-9.+-]*"
LICENCE = re.compile(rf"\(*{WORD}\)*(?: (?:AND|OR|WITH) \(*{WORD}\)*)*")


def bracketed(text):
    """What stands in the brackets that a text begins with, and what is behind them. A path may have brackets of its own."""
    depth = 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return text[1:at], text[at + 1 :].strip()
    return None, text


def component(line):
    found = LINE.fullmatch(line)
    if found is None:
        sys.exit(f"no package: {line}")
    name, version, rest = found["name"], found["version"], found["rest"] or ""
    own = False
    # Before the licence, which may begin with a bracket too: a mark, and where the crate comes from if that is not crates.io.
    while rest.startswith("("):
        inner, behind = bracketed(rest)
        if inner is not None and inner.startswith("/"):
            own = True
        elif inner is not None and ("://" in inner or inner.startswith("registry ")):
            sys.exit(f"from a place that has no purl here: {line}")
        elif inner not in ("proc-macro", "*"):
            break
        rest = behind
    licence = rest.removesuffix("(*)").strip().replace("/", " OR ")
    if licence and (LICENCE.fullmatch(licence) is None or licence.count("(") != licence.count(")")):
        sys.exit(f"no licence: {line}")
    told = {"type": "library", "bom-ref": f"{name}@{version}", "name": name, "version": version}
    # Crates of the workspace are in no registry.
    if not own:
        told["purl"] = f"pkg:cargo/{name}@{quote(version, safe='')}"
    if licence:
        told["licenses"] = [{"expression": licence}]
    return told


components = {}
for line in sys.stdin.read().splitlines():
    if line.strip():
        told = component(line.strip())
        # A crate that was told before is told again in full.
        components[told["bom-ref"]] = told
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
)
print()
