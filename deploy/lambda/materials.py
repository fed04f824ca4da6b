"""materials.py SOURCE: reads `cargo tree --no-dedupe --prefix depth --format '{p} {l}'`, each line with the depth at which it stands, and writes
a bill of materials, CycloneDX 1.5 as JSON. SOURCE is what commit.py says.

A crate that is there for procedural macros only runs in the compiler, so its scope is `excluded`. What cannot be told apart for certain is
refused, so that neither a path of this machine nor half a licence gets into the bill."""

import json
import re
import sys
from urllib.parse import quote

LINE = re.compile(r"(?P<depth>[0-9]+)(?P<name>[A-Za-z0-9_-]+) v(?P<version>[0-9A-Za-z.+-]+)(?: (?P<rest>.*))?")
SOURCE = re.compile("commit ([0-9a-f]{40,64})(, with changes)?|no commit known")
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
    """Of a line: its depth, whether it is a procedural macro, and what the bill says of it."""
    found = LINE.fullmatch(line)
    if found is None:
        sys.exit(f"no package: {line}")
    name, version, rest = found["name"], found["version"], found["rest"] or ""
    own = macro = False
    # Before the licence, which may begin with a bracket too: a mark, and where the crate comes from if that is not crates.io.
    while rest.startswith("("):
        inner, behind = bracketed(rest)
        if inner is not None and inner.startswith("/"):
            own = True
        elif inner is not None and ("://" in inner or inner.startswith("registry ")):
            sys.exit(f"from a place that has no purl here: {line}")
        elif inner == "proc-macro":
            macro = True
        else:
            break
        rest = behind
    licence = rest.replace("/", " OR ")
    if licence and (LICENCE.fullmatch(licence) is None or licence.count("(") != licence.count(")")):
        sys.exit(f"no licence: {line}")
    told = {"type": "library", "bom-ref": f"{name}@{version}", "name": name, "version": version}
    # Crates of the workspace are in no registry.
    if not own:
        told["purl"] = f"pkg:cargo/{name}@{quote(version, safe='')}"
    if licence:
        told["licenses"] = [{"expression": licence}]
    return int(found["depth"]), macro, told


def pedigree(source):
    found = SOURCE.fullmatch(source)
    if found is None:
        sys.exit(f"no source: {source}")
    if found[1] is None:
        return {"notes": source}
    commits = {"commits": [{"uid": found[1]}]}
    return commits | {"notes": "with changes that are in no commit"} if found[2] else commits


def bill(lines):
    """The crate that is built, and all that it is built of, by their scopes."""
    first, crates, scopes = None, {}, {}
    # Depths of the procedural macros above a line.
    macros = []
    for line in lines:
        depth, macro, told = component(line)
        macros = [above for above in macros if above < depth] + ([depth] if macro else [])
        first, reference = first or told["bom-ref"], told["bom-ref"]
        crates[reference] = told
        # In the program, if it is there in one place at least.
        if scopes.get(reference) != "required":
            scopes[reference] = "excluded" if macros else "required"
    return first, {reference: told | {"scope": scopes[reference]} for reference, told in crates.items()}


source = sys.argv[1]
first, crates = bill([line.strip() for line in sys.stdin.read().splitlines() if line.strip()])
if first is None:
    sys.exit("no package at all")
application = crates.pop(first) | {"type": "application", "pedigree": pedigree(source)}
json.dump(
    {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": application},
        "components": sorted(crates.values(), key=lambda told: told["bom-ref"]),
    },
    sys.stdout,
    indent=1,
)
print()
