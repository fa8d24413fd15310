#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 200
"""Threads that waited before ctrace came: /proc tells their stack pointer, and not their frame
pointer.  `ctrace why`, the announcement and the trace have the calls down to where the thread
began, however the program was built."""
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()

BUILDS = {
    "O0": ["-O0"],
    "O2": ["-O2"],
    "O2-fp": ["-O2", "-fno-omit-frame-pointer"],
    "O2-nofp": ["-O2", "-fomit-frame-pointer"],
}
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "prog", "nested.c")

with open(SOURCE, encoding="ascii") as source:
    LINES = {m.group(1): n for n, text in enumerate(source, 1)
             if (m := re.search(r"/\* (\w+) \*/$", text))}


def place(function):
    return f"{function} (nested.c:{LINES[function]})"


def hangs(pid):
    return e2e.run([e2e.CTRACE, "why", str(pid)]).returncode == 90


for build, flags in BUILDS.items():
    program = e2e.start([e2e.compile_c("nested.c", f"nested-{build}", "-g", *flags)])
    e2e.wait_for("the deadlock", lambda: hangs(program.pid))
    why = e2e.run([e2e.CTRACE, "why", str(program.pid)]).stdout
    for begin in ("go_left", "go_right"):
        lines = "\n".join(f"      {place(f)}" for f in ("inner", "outer", begin)) + "\n"
        e2e.check(f"why, {build}: three calls, down to {begin}", lines in why, why)
    trace = e2e.trace_name()
    said = e2e.run([e2e.CTRACE, "-o", trace, "-p", str(program.pid), "-d", "1"]).stderr
    e2e.stop(program)
    said = said.split("watched for")[0]  # what it said while it recorded
    e2e.check(f"announced, {build}: the innermost of them",
              said.count(f"at {place('inner')}") == 2, said)
    folded = e2e.export(trace, "folded")
    for begin in ("go_left", "go_right"):
        e2e.check(f"trace, {build}: the calls down to {begin}",
                  re.search(rf";{begin};outer;inner;.*\[lock\]", folded), folded)

e2e.done()
