#!/usr/bin/env python3
"""Writes the three data folders beside it, byte by byte as docs/stream-format.md says, independently of the program.

A test asserts that the program writes `whole` to the byte, and that it opens copies of all three. Never run again once
version 1 is released: the folders are what old data looks like.
"""
import pathlib
import shutil
import struct
import zlib

HERE = pathlib.Path(__file__).parent
NOW_MS = 1_700_000_000_000


def crc(data):
    return struct.pack("<I", zlib.crc32(data))


def header(first, marks):
    body = b"".join(struct.pack("<HH", len(p), len(s)) + p + s for p, s in sorted(marks.items()))
    fixed = b"HYDRseg\n" + struct.pack("<HHIIQqI", 1, 0, 40 + len(body) + 4, 0, first, NOW_MS, len(marks))
    return fixed + body + crc(fixed + body)


def frame(salt, offset, counter, durable, data, key=b"key", hash_key=None, mark=None):
    flags = (1 if hash_key is not None else 0) | (2 if mark else 0)
    producer, state = mark or (b"", b"")
    explicit = hash_key.to_bytes(16, "little") if hash_key is not None else b""
    body = explicit + key + producer + state + data
    head = b"HYfr" + struct.pack("<BBHI", 1, 1, flags, 64 + len(body)) + crc(body)
    head += struct.pack("<QQqQ", counter, 0, NOW_MS, durable)
    head += struct.pack("<HHHHI", len(key), len(producer), len(state), 0, len(data))
    return head + crc(salt + struct.pack("<Q", offset) + head) + body


def segment(first, marks, groups):
    out = header(first, marks)
    salt, counter = out[-4:], first
    for group in groups:
        durable = len(out)
        for record in group:
            out += frame(salt, len(out), counter, durable, **record)
            counter += 1
    return out


def checkpoint(counter, state):
    body = b"HYDRckp\n" + struct.pack("<HHIQQI", 1, 0, 0, counter, 0, len(state)) + state
    return body + crc(body)


def manifest(shards):
    lines = f"hydrant stream version 1\nshards {shards}\n".encode()
    return lines + f"crc32 {zlib.crc32(lines):08x}\n".encode()


OLD = [
    [{"data": b"first", "mark": (b"log-a", b"at 1")}, {"data": b"", "key": "schl\u00fcssel".encode()}],
    [{"data": b"x" * 4000, "hash_key": 2**127 + 5, "mark": (b"log-b", b"at 3")}],
]
NEW = [
    [{"data": b"fourth", "mark": (b"log-a", b"at 4")}],
    [{"data": b"fifth"}, {"data": bytes(range(256)), "mark": (b"log-c", b"")}],
]


def write(name, changes):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    shard = folder / "shardId-000000000000"
    shard.mkdir(parents=True)
    files = {
        folder / "manifest": manifest(1),
        shard / "checkpoint": checkpoint(2, b"two are delivered"),
        shard / f"{1:020}.segment": segment(1, {}, OLD),
        shard / f"{4:020}.segment": segment(4, {b"log-a": b"at 1", b"log-b": b"at 3"}, NEW),
    }
    for path, data in files.items():
        path.write_bytes(changes(path.name, data))


def torn(name, data):
    """The last frame is half written."""
    return data[:-200] if name == f"{4:020}.segment" else data


def damaged(name, data):
    """A bit of record 4 has turned; two records follow it in a later group."""
    if name != f"{4:020}.segment":
        return data
    at = data.index(b"fourth")
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


write("whole", lambda name, data: data)
write("torn", torn)
write("damaged", damaged)
