#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 200
"""Real programs attached to while they run: nothing lost, counts exact, cut states marked, left
unharmed.
"""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()
e2e.needs_tools("sysbench", "stress-ng", "hackbench", "python3")
SECONDS = 1

PROGRAMS = [
    ("sysbench threads", 5, ["sysbench", "threads", "--threads=4", "--time=600", "run"]),
    ("sysbench mutex", 4, ["sysbench", "mutex", "--threads=4", "--mutex-num=2",
                           "--mutex-locks=100000000", "--mutex-loops=500", "run"]),
    ("stress-ng --futex", 3, ["stress-ng", "--futex", "2", "-t", "600"]),
    ("hackbench", 41, ["hackbench", "-g", "1", "-l", "1000000"]),
    ("python3", 4, [e2e.system_python(), "-c", """
import threading
def work():
    n = 0
    while True:
        n += 1
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
work()
"""]),
]


def tasks(pid):
    """Threads of a process and of its descendants."""
    try:
        found = os.listdir(f"/proc/{pid}/task")
        for tid in list(found):
            with open(f"/proc/{pid}/task/{tid}/children", encoding="ascii") as children:
                for child in children.read().split():
                    found += tasks(child)
    except (FileNotFoundError, ProcessLookupError):
        return []
    return found


for name, threads, command in PROGRAMS:
    program = e2e.start([e2e.tool(command[0]) or command[0], *command[1:]])
    e2e.wait_for(f"{threads} threads of {name}", lambda: len(tasks(program.pid)) >= threads)
    for futex in ("switch", "calls"):
        this = f"{name}, -p, --futex={futex}"
        recording = e2e.attach(program.pid, f"--futex={futex}", seconds=SECONDS)
        if not e2e.check_sound(this, recording, min_threads=threads):
            continue
        run = recording.json["run"]
        e2e.check(f"{this}: says that it was attached, and that the program ran on",
                  run["attached"] and not run["ended"] and run["complete"], run)
        # -d counts from the moment that recording began; a busy machine ends it late, never early
        e2e.check(f"{this}: recorded for the {SECONDS} s asked for",
                  run["duration_ns"] >= 0.95 * SECONDS * 1e9, run["duration_ns"])
        found = [t for t in recording.threads if t["found"]]
        e2e.check(f"{this}: its threads were found running", len(found) >= threads, len(found))
        first = e2e.first_slices(recording.trace)
        uncut = [t["tid"] for t in found if "cut-start" not in first[str(t["tid"])]["flags"]]
        e2e.check(f"{this}: the first state of each is marked as cut", not uncut, uncut)
        e2e.check(f"{this}: there was activity", sum(t["running_ns"] for t in found) > 0)
    e2e.check(f"{name}: runs on, unharmed", program.poll() is None)
    e2e.stop(program)

e2e.done()
