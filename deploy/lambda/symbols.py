"""symbols.py PROGRAM: the newest version of glibc whose symbols an ELF program asks for, of any architecture."""

import re
import sys

with open(sys.argv[1], "rb") as file:
    program = file.read()
if not program.startswith(b"\x7fELF"):
    sys.exit(f"{sys.argv[1]} is no ELF program")
# Names of versions stand as text in its table of dynamic strings.
versions = {tuple(map(int, found.split(b"."))) for found in re.findall(rb"\0GLIBC_([0-9]+(?:\.[0-9]+)+)(?=\0)", program)}
if not versions:
    sys.exit(f"{sys.argv[1]} asks for no version of glibc")
print(".".join(map(str, max(versions))))
