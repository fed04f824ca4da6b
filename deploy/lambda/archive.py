"""archive.py PROGRAM ZIP SOURCE: a zip of one entry, `bootstrap`, that may be executed; its comment is the source. The same program of the same
source gives the same bytes."""

import sys
import zipfile

program, archive, source = sys.argv[1:]
entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
entry.create_system = 3  # Unix, whose modes the upper 16 bits are.
entry.external_attr = 0o100755 << 16
entry.compress_type = zipfile.ZIP_DEFLATED
with open(program, "rb") as file, zipfile.ZipFile(archive, "w") as out:
    out.comment = source.encode()
    out.writestr(entry, file.read(), compresslevel=9)
