#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 400
"""At least 99 % of lock-wait time falls on the right line and the right owner, however it was
compiled.
"""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e
import locks_truth

e2e.needs_recording()

BUILDS = [
    ("-O0", "gcc", "locks.c", ["-O0"]),
    ("-O2", "gcc", "locks.c", ["-O2"]),
    ("-O2 -fomit-frame-pointer", "gcc", "locks.c", ["-O2", "-fomit-frame-pointer"]),
    ("C++ -O0", "g++", "locks.cc", ["-O0"]),
    ("C++ -O2", "g++", "locks.cc", ["-O2"]),
]

for build, compiler, source, flags in BUILDS:
    program = e2e.compile_c(source, "locks" + build.replace(" ", ""), "-g", *flags,
                            compiler=compiler)
    for futex in ("calls", "switch"):
        name = f"{build}, --futex={futex}"
        log = e2e.path("log.json")
        recording = e2e.record([program, log], f"--futex={futex}")
        e2e.check_sound(name, recording, min_threads=5)
        locks_truth.check_recording(name, recording, log, source)

e2e.done()
