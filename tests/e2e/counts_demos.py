#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 240
"""The demos' own truth: switch counts and CPU time that each thread read itself, at an exact
moment.
"""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()

RUNS = [
    ("contention", "one-lock", ()), ("contention", "sharded", ()),
    ("race", "plain", ()), ("race", "mutex", ()), ("race", "atomic", ()),
    ("race", "messages", ()), ("race", "local-then-merge", ()),
    ("deadlock", "ab-ba", ("1",)), ("deadlock", "ordered", ()),
    ("io", "blocking", ()), ("io", "event-loop", ()),
]
GAVE_UP = 3     # deadlock ab-ba, by its own account


def check_cpu(name, said, thread, events, slices):
    """CPU time within 0.5 %.  Where time on the CPU is not the kernel's account of it (the
    hypervisor took some; an idle CPU's way to the thread is charged to the thread), both must be
    shown, and their difference must explain what the thread read."""
    allowed = max(said["cpu_ns"] * e2e.CPU_SHARE, e2e.CPU_FLOOR_NS)
    start = events.start_ns + thread["start_ns"]
    before = events.before(said["tid"], "cpu_ns") + events.running_until(said["tid"], start)
    running = before + e2e.running_until(slices, said["tid"], said["t_ns"] - events.start_ns)
    if not e2e.check(f"{name}: has CPU time", thread["cpu_ns"], thread):
        return
    differ = thread["running_ns"] - thread["cpu_ns"]
    off_running = running - said["cpu_ns"]
    # the account is that of its end: up to all that it ran after its statement may be in it
    after = thread["running_ns"] + before - running
    off_cpu = before + thread["cpu_ns"] - said["cpu_ns"]
    detail = (f"the thread read {said['cpu_ns']}; trace: running {running} (off {off_running}); "
              f"at its end: cpu {thread['cpu_ns']} (off {off_cpu}), running "
              f"{thread['running_ns']}; before {before}; after {after}; allowed {allowed:.0f}")
    e2e.check(f"{name}: the kernel's account of its CPU time is in the trace",
              -allowed <= off_cpu <= after + allowed, detail)
    unseen = events.unseen_arrivals(said["tid"])
    if unseen:
        e2e.note(f"{name}: the kernel did not report {unseen} of its comings to a CPU; {detail}")
        return
    e2e.check(f"{name}: running time within 0.5 %",
              min(abs(off_running), abs(off_running - differ)) <= allowed, detail)


for demo, variant, arguments in RUNS:
    name = f"{demo} {variant}"
    recording, truth = e2e.demo(demo, variant, arguments=arguments)
    deadlocked = variant == "ab-ba"
    e2e.check_sound(name, recording, status=GAVE_UP if deadlocked else 0, min_threads=1)
    threads = {t["tid"]: t for t in recording.threads}
    said = [line for line in truth if "thread" in line]
    e2e.check(f"{name}: its threads stated themselves", bool(said) != deadlocked, truth)
    if not said:
        continue
    events, slices = e2e.Events(recording.trace), e2e.csv(recording.trace)
    for line in said:
        who = f"{name}: {line['thread']}"
        if e2e.check(f"{who}: is in the trace", line["tid"] in threads, sorted(threads)):
            e2e.check_own_switches(who, line, events)
            check_cpu(who, line, threads[line["tid"]], events, slices)

e2e.done()
