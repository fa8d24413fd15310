#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 240
"""Switch counts, states and loss on sysbench threads and mutex, and hackbench: the kernel's own
numbers.
"""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()
e2e.needs_tools("sysbench", "hackbench")

RUNS = [
    ("sysbench threads", 5, ["sysbench", "threads", "--threads=4", "--time=2",
                             "--thread-locks=2", "run"]),
    ("sysbench mutex", 5, ["sysbench", "mutex", "--threads=4", "--mutex-num=2",
                           "--mutex-locks=5000", "--mutex-loops=500", "run"]),
    ("hackbench", 41, ["hackbench", "-g", "1", "-l", "500"]),
    ("hackbench with threads", 41, ["hackbench", "-T", "-g", "1", "-l", "500"]),
]

for futex in ("calls", "switch"):
    for name, threads, command in RUNS:
        command = [e2e.tool(command[0]), *command[1:]]
        recording = e2e.record(command, f"--futex={futex}")
        name = f"{name}, --futex={futex}"
        e2e.check_sound(name, recording, min_threads=threads)
        cpu = sum(t["cpu_ns"] or 0 for t in recording.threads)
        running = sum(t["running_ns"] for t in recording.threads)
        # time on a CPU, minus what the hypervisor and interrupts took, is CPU time: never more
        unsure = running * e2e.UNSEEN_SHARE + recording.json["run"]["switches"] * e2e.SWITCH_NS
        e2e.check(f"{name}: CPU time is known and no more than time on a CPU",
                  0 < cpu <= running + unsure, f"cpu {cpu}, running {running}, unsure {unsure}")

e2e.done()
