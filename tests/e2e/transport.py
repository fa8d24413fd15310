#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 300
"""Transport: no event lost with default settings under load; with a tiny buffer every loss
counted and said.
"""
import os
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()
e2e.needs_tools("perf", "hackbench", "stress-ng")

LOADS = [
    ("perf bench sched pipe -T", ["perf", "bench", "sched", "pipe", "-T", "-l", "200000"]),
    ("hackbench -g 10 -l 1000", ["hackbench", "-g", "10", "-l", "1000"]),
    ("stress-ng --futex 4 -t 5", ["stress-ng", "--futex", "4", "-t", "5"]),
]
# Threads whose own end was lost are not in the sums below: so much of all switches may be missing.
ACCOUNTED_SHARE = 0.02


def switches(threads, key):
    return sum(t[key]["voluntary"] + t[key]["involuntary"] for t in threads if t[key])


for name, command in LOADS:
    recording = e2e.record([e2e.tool(command[0]), *command[1:]])
    e2e.check_sound(name, recording)
    e2e.note(f"{name}: {recording.json['run']['events']} events, "
             f"{os.path.getsize(recording.trace)} bytes")

# the smallest buffer, and nobody who empties it for a while: what is recorded and what is counted
# as lost make up the kernel's counts
trace, ready = e2e.trace_name(), e2e.path("ready")
ctrace = e2e.start([e2e.CTRACE, "--quiet", "--buffer", "64K", "-o", trace, "sh", "-c",
                    '>"$0"; exec "$@" >/dev/null', ready, e2e.tool("hackbench"), "-g", "10", "-l",
                    "500"])
e2e.wait_for("the program", lambda: os.path.exists(ready))
ctrace.send_signal(signal.SIGSTOP)
time.sleep(2)
ctrace.send_signal(signal.SIGCONT)
status = ctrace.wait(e2e.TIMEOUT_S)
recording = e2e.Recording(trace, e2e.subprocess.CompletedProcess([], status, "", ""))
e2e.equal("tiny buffer: the program's exit status", recording.status, 0)
json = recording.json
lost = json["loss"]
e2e.check("tiny buffer: events were lost and counted", lost["events"] > 0, lost)
e2e.equal("tiny buffer: losses by CPU add up", sum(lost["by_cpu"].values()), lost["events"])
e2e.equal("tiny buffer: losses by kind add up", sum(lost["by_kind"].values()), lost["events"])
known = [t for t in json["threads"] if t["kernel_switches"]]
recorded, kernel = switches(known, "switches"), switches(known, "kernel_switches")
of_switches = sum(n for kind, n in lost["by_kind"].items() if kind in ("switch", "block"))
several = lost["by_kind"].get("several", 0)
e2e.note(f"tiny buffer: kernel {kernel}, recorded {recorded}, lost {of_switches} switches and "
         f"{several} of several kinds, of {lost['events']} events")
# a lost switch may be one from another program to a traced thread, which is no thread's own
e2e.check("tiny buffer: switches recorded and lost are at least the kernel's",
          recorded + of_switches + several >= kernel * (1 - ACCOUNTED_SHARE))
e2e.check("tiny buffer: fewer were recorded than there were", recorded < kernel,
          f"{recorded} {kernel}")
e2e.check_states("tiny buffer", json["threads"])
report = e2e.run([e2e.CTRACE, "report", recording.trace])
e2e.check("tiny buffer: the report says how many", report.returncode == 0
          and f"{lost['events']:,} events" in report.stdout, report.stdout)
e2e.check("tiny buffer: threads around a loss are marked", any(t["lossy"] for t in json["threads"]))

e2e.done()
