#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Damaged trace files: corrupt, truncated, foreign, newer, empty; one clear line, no crash, what
is whole is read.
"""
import os
import random
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()
PYTHON = e2e.system_python()
# some seconds: what lies behind the last mark, one a second, is not counted when the end is missing
demo = os.path.join(e2e.DEMOS, "contention")
recording = e2e.record(["sh", "-c", f"{demo} && {demo} && {demo}"])
e2e.check_sound("the trace to damage", recording, min_threads=5)
with open(recording.trace, "rb") as trace:
    whole = trace.read()
events = recording.json["run"]["events"]


def damaged(name, data):
    file = e2e.path("damaged.ctrace")
    with open(file, "wb") as out:
        out.write(data)
    return file, e2e.run([e2e.CTRACE, "export", file, "-f", "json", "-o", "-"])


def refused(name, data, *words):
    file, result = damaged(name, data)
    e2e.equal(f"{name}: status 125", result.returncode, 125)
    e2e.check(f"{name}: one line that names the file and the reason", e2e.one_line(result.stderr)
              and file in result.stderr and all(w in result.stderr for w in words), result.stderr)


refused("an empty file", b"", "empty")
refused("a foreign file", b"\x7fELF" + bytes(4096))
refused("a text that is no trace", b"hello, world\n" * 100)
# the version is the first number after the magic; see user/trace/format.h
newer = bytearray(whole)
newer[e2e.VERSION_OFFSET] += 1
refused("a trace of a newer ctrace", bytes(newer), "newer")


def check_partial(name, data, least):
    """Read as far as it is whole; says so; never more than there was."""
    file, result = damaged(name, data)
    if not e2e.check(f"{name}: what is whole is read", result.returncode == 0, result.stderr):
        return
    json = e2e.json.loads(result.stdout)
    got = json["run"]["events"]
    e2e.check(f"{name}: {got} of {events} events, at least {least}", least <= got <= events)
    e2e.check(f"{name}: one line says that something is missing", e2e.one_line(result.stderr)
              and file in result.stderr, result.stderr)
    e2e.check(f"{name}: the summary says so too",
              not json["run"]["complete"] or json["loss"]["damage"], json["run"])
    e2e.check_states(name, json["threads"])
    report = e2e.run([e2e.CTRACE, "report", file])
    e2e.equal(f"{name}: the report is made", report.returncode, 0)


check_partial("the last byte cut off", whole[:-1], events // 2)
check_partial("the last quarter cut off", whole[:len(whole) * 3 // 4], 1)
flipped = bytearray(whole)
flipped[len(whole) // 2] ^= 0x10
check_partial("a bit flipped in the middle", bytes(flipped), 1)

# anything at all: never a crash, never a hang, never silence about it
generator = random.Random(2)
crashes, silent = [], []
for i in range(60):
    data = bytearray(whole)
    if i % 3 == 0:
        data = data[:generator.randrange(len(data))]
    for _ in range(generator.choice((1, 3, 20))):
        if data:
            data[generator.randrange(len(data))] = generator.randrange(256)
    _, result = damaged("random", bytes(data))
    if result.returncode not in (0, 125):
        crashes.append((i, result.returncode, result.stderr))
    if bytes(data) != whole and not e2e.one_line(result.stderr):
        silent.append((i, result.returncode, result.stderr))
e2e.check("60 random damages: status 0 or 125, no crash", not crashes, crashes)
e2e.check("60 random damages: each time one line", not silent, silent)
e2e.done()
