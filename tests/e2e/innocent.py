#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 240
"""Programs that wait a lot and have nothing wrong: no finding of medium or high severity."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()
e2e.needs_tools("xz")
RUNS = 3
INPUT_BYTES = 5000000


def check_healthy(name, command):
    recording = e2e.record(command)
    e2e.equal(f"{name}: exit status", recording.status, 0)
    found = recording.json["findings"]
    wrong = [f"{f['id']} ({f['severity']}, {f['share']:.0%}): {f['evidence']}" for f in found
             if f["severity"] in ("medium", "high")]
    e2e.check(f"{name}: nothing is found in it", not wrong, "\n".join(wrong))
    e2e.check(f"{name}: and that is said", any(f["id"] == "healthy" for f in found), found)
    os.unlink(recording.trace)


boss = e2e.compile_c("boss.c", "boss", "-g", "-O1", "-pthread")
noise = e2e.path("noise")    # does not compress: what comes in goes out
with open(noise, "wb") as out:
    out.write(os.urandom(INPUT_BYTES))
for _ in range(RUNS):
    check_healthy("a boss and its pool", [boss])
    check_healthy("xz in a pipeline", ["sh", "-c", f"cat {noise} | xz -T2 -0 | wc -c"])
e2e.done()
