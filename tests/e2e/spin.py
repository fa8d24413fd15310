#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 400
"""Loops of a few instructions, unoptimised and optimised: those that wait for what another thread
does are found, on their line, and those that compute are not accused of it.
"""
import os
import platform
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

LOOKS = ["flag", "atomic", "acquire", "pause", "member", "inner", "bounded", "swap", "gate"]
WORKS = ["sum", "limit", "fractions", "collatz", "walk", "scan", "add", "raise"]
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "prog", "spin.cc")


def lines_of(way):
    with open(SOURCE, encoding="ascii") as source:
        return [f"spin.cc:{nr}" for nr, text in enumerate(source, 1)
                if re.search(rf"/\* LOOK {way} \*/", text)]


def busy_waits(recording):
    return [f for f in recording.json["findings"] if f["id"] == "busy-wait"]


def check_look(program, level, way):
    what = f"{level} {way}"
    recording = e2e.record([program, way])
    e2e.check(f"{what}: prints its result", re.search(r"(\d+) of \1 rounds", recording.stdout),
              recording.stdout + recording.stderr)
    found = busy_waits(recording)
    e2e.check(f"{what}: waits without sleeping, seen, on its line", len(found) == 1
              and found[0]["certainty"] == "seen" and found[0]["severity"] in ("medium", "high")
              and set(found[0]["lines"]) <= set(lines_of(way)), found)


def check_work(program, level, way):
    what = f"{level} work {way}"
    recording = e2e.record([program, "work", way])
    e2e.check(f"{what}: prints its result", re.search(r"(\d+) of \1 jobs", recording.stdout),
              recording.stdout + recording.stderr)
    e2e.equal(f"{what}: no busy wait", busy_waits(recording), [])


if platform.machine() != "x86_64":
    e2e.skip_all("loops are read from the code of x86-64 alone")
e2e.needs_recording()
for flag in ("-O0", "-O1", "-O2"):
    built = e2e.compile_c("spin.cc", f"spin{flag}", flag, "-g", "-std=c++17", "-pthread",
                          compiler="g++")
    for each in LOOKS:
        check_look(built, flag, each)
    for each in WORKS:
        check_work(built, flag, each)
e2e.done()
