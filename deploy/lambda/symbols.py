"""symbols.py PROGRAM: the newest version of glibc whose symbols an ELF program asks for: a little-endian one of 64 bits, which x86_64 and arm64 are."""

import re
import struct
import sys

# The kind of the section `.gnu.version_r`, which the loader reads before it starts a program.
VERSIONS_NEEDED = 0x6FFFFFFE


def needed(program):
    """The names of all versions that a program needs."""
    (table,) = struct.unpack_from("<Q", program, 0x28)
    size, count = struct.unpack_from("<HH", program, 0x3A)
    sections = [struct.unpack_from("<IIQQQQII", program, table + at * size) for at in range(count)]
    for _, kind, _, _, library, _, texts, libraries in sections:
        if kind != VERSIONS_NEEDED:
            continue
        for _ in range(libraries):
            _, names, _, first, following = struct.unpack_from("<HHIII", program, library)
            at = library + first
            for _ in range(names):
                _, _, _, name, step = struct.unpack_from("<IHHII", program, at)
                begin = sections[texts][4] + name
                yield program[begin : program.index(b"\0", begin)].decode()
                at += step
            library += following


with open(sys.argv[1], "rb") as file:
    program = file.read()
if not program.startswith(b"\x7fELF\x02\x01"):
    sys.exit(f"{sys.argv[1]} is no little-endian ELF program of 64 bits")
names = {name for name in needed(program) if name.startswith("GLIBC_")}
# GLIBC_ABI_DT_RELR and its like ask for a newer glibc without saying which.
unknown = sorted(name for name in names if not re.fullmatch(r"GLIBC_[0-9]+(\.[0-9]+)+", name))
if unknown:
    sys.exit(f"{sys.argv[1]} asks for {', '.join(unknown)}, and no version of glibc is known to be enough")
if not names:
    sys.exit(f"{sys.argv[1]} asks for no version of glibc")
print(".".join(map(str, max(tuple(map(int, name.removeprefix("GLIBC_").split("."))) for name in names))))
