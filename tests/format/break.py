#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes the broken traces of this folder out of format1.ctrace, each broken in one way."""
import os
import struct
import zlib

HERE = os.path.dirname(os.path.abspath(__file__))
HEADER = 32
CHUNK = 64


def write(name, data):
    with open(os.path.join(HERE, name + ".ctrace"), "wb") as out:
        out.write(data)


def seal(header):
    return header[:60] + struct.pack("<I", zlib.crc32(header[:60]))


def chunks(data):
    """(start, end, type) of every chunk."""
    at = HEADER
    while at < len(data):
        end = at + CHUNK + struct.unpack_from("<I", data, at + 12)[0]
        yield at, end, data[at + 4]
        at = end


def replace_payload(data, at, end, payload, raw_size):
    header = bytearray(data[at:at + CHUNK])
    struct.pack_into("<II", header, 8, raw_size, len(payload))
    struct.pack_into("<I", header, 20, zlib.crc32(payload))
    return data[:at] + seal(bytes(header)) + payload + data[end:]


def main():
    with open(os.path.join(HERE, "format1.ctrace"), "rb") as f:
        data = f.read()
    parts = list(chunks(data))
    events = [p for p in parts if p[2] == 2]
    mark = next(p for p in parts if p[2] == 3)
    at, end, _ = events[1]
    middle = (at + CHUNK + end) // 2

    header = bytearray(data[:28])
    header[8] = 2
    write("newer", bytes(header) + struct.pack("<I", zlib.crc32(bytes(header))) + data[32:])
    write("header", data[:20] + b"\x01" + data[21:])
    write("foreign", b"\x7fELF" + data[4:])
    write("empty", b"")
    # both RUN chunks wrong
    norun = bytearray(data)
    for p in parts:
        if p[2] == 1:
            norun[p[0] + CHUNK] ^= 1
    write("norun", bytes(norun))
    # the writer was killed right after a mark, and inside the chunk after it
    write("killed", data[:mark[1]])
    write("cut", data[:mark[1] + 100])
    write("events", data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1:])
    # two chunks of events have changed places
    a, b = events[0], events[1]
    write("order", data[:a[0]] + data[b[0]:b[1]] + data[a[1]:b[0]] + data[a[0]:a[1]] + data[b[1]:])
    # a payload that says 1000 bytes and unpacks to 4 MiB
    count = struct.unpack_from("<I", data, at + 16)[0]
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = bytes(count) + packer.compress(bytes(4 << 20)) + packer.flush()
    write("bomb", replace_payload(data, at, end, bomb, 1000))
    write("tail", data + b"after the end")


main()
