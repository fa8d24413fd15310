#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Attaching: what is waiting already is cut, what comes later is followed, dead processes are
named.
"""
import os
import signal
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()
FAMILY = e2e.compile_c("family.c", "family", "-O1", "-g")


def follow_family():
    out = e2e.path("family.out")
    with open(out, "w", encoding="ascii") as stdout:
        family = e2e.start([FAMILY], stdout=stdout)
    e2e.wait_for("the family", lambda: "ready" in e2e.text_of(out))
    trace = e2e.trace_name()

    def grow():
        """Rounds from the moment that the trace exists; several, so that one is wholly inside."""
        e2e.wait_for("the trace", lambda: os.path.exists(trace))
        for _ in range(8):
            time.sleep(0.2)
            family.send_signal(signal.SIGUSR1)

    grower = threading.Thread(target=grow)
    grower.start()
    result = e2e.run([e2e.CTRACE, "--quiet", "-o", trace, "-p", str(family.pid), "-d", "2.5"])
    grower.join()
    recording = e2e.Recording(trace, result)
    e2e.check_sound("attach", recording, min_threads=6)
    e2e.check("attach: a thread that existed is marked as found", all(
        t["found"] == (t["tid"] == family.pid) for t in recording.threads), recording.threads)
    for i in (1, 2, 3):
        nappers = recording.named(f"napper-{i}")
        good = [t for t in nappers if t["ended"] and t["blocked_ns"].get("sleep", 0) >= 50_000_000]
        e2e.check(f"attach: thread napper-{i}, created later, is followed from start to end",
                  good, nappers)
    sleepers = recording.named("sleep")
    e2e.check("attach: a child created later is followed, through exec, to its end",
              any(t["ended"] and t["blocked_ns"].get("sleep", 0) >= 55_000_000 for t in sleepers),
              [(t["name"], t["blocked_ns"]) for t in recording.threads])
    rows = [row for row in e2e.csv(recording.trace) if int(row["tid"]) == family.pid]
    e2e.check("attach: the wait that was on is cut at the start", "cut-start" in rows[0]["flags"]
              and rows[0]["state"] not in ("running", "runnable"), rows[0])
    e2e.check("attach: the wait that goes on is cut at the end", "cut-end" in rows[-1]["flags"],
              rows[-1])
    cut = [row for row in rows[1:-1] if "cut" in row["flags"]]
    e2e.check("attach: nothing between is cut", not cut, cut)
    main = next(t for t in recording.threads if t["tid"] == family.pid)
    e2e.check("attach: main waited for its threads and its child", {"join", "child"} &
              set(main["blocked_ns"]), main["blocked_ns"])
    e2e.check("attach: the program runs on", family.poll() is None)
    e2e.stop(family)


def found_in_a_lock():
    """A deadlocked program: attached to long after, it still says which lock and who holds it."""
    demo = e2e.start([os.path.join(e2e.DEMOS, "deadlock"), "ab-ba", "60"])
    names = {}

    def deadlocked():
        names.clear()
        for tid in os.listdir(f"/proc/{demo.pid}/task"):
            with open(f"/proc/{demo.pid}/task/{tid}/comm", encoding="ascii") as comm:
                names[comm.read().strip()] = int(tid)
        stuck = 0
        for tid in names.values():
            with open(f"/proc/{demo.pid}/task/{tid}/syscall", encoding="ascii") as syscall:
                stuck += syscall.read().split()[0] in ("202", "98")     # futex: x86-64, arm64
        return len(names) == 3 and stuck == 3

    e2e.wait_for("the deadlock", deadlocked)
    recording = e2e.attach(demo.pid, seconds=0.5)
    e2e.check_sound("attach to a deadlock", recording, min_threads=3)
    rows = {row["name"]: row for row in e2e.csv(recording.trace)}
    for me, other, lock in (("alice", "bob", "paper_lock"), ("bob", "alice", "pen_lock")):
        row = rows[me]
        e2e.check(f"attach to a deadlock: {me} waits for {lock}, which {other} holds",
                  row["state"] == "lock" and lock in row["lock"]
                  and int(row["owner"] or 0) == names[other], row)
        e2e.check(f"attach to a deadlock: {me}'s wait is cut at both ends",
                  "cut-start" in row["flags"] and "cut-end" in row["flags"], row)
        e2e.check(f"attach to a deadlock: {me}'s line is named",
                  row["file"].endswith("deadlock.c"), row)
    e2e.equal("attach to a deadlock: main joins", rows["deadlock"]["state"], "join")
    e2e.stop(demo)


def several():
    sleepers = [e2e.start(["sleep", "60"]) for _ in range(3)]
    recording = e2e.attach([s.pid for s in sleepers], seconds=0.3)
    e2e.check_sound("-p with three pids", recording, min_threads=3)
    e2e.equal("-p with three pids: these and no other", sorted(t["pid"] for t in recording.threads),
              sorted(s.pid for s in sleepers))
    for sleeper in sleepers:
        e2e.stop(sleeper)


def program_ends_first():
    program = e2e.start(["sleep", "1"])
    recording = e2e.attach(program.pid, seconds=50)
    e2e.check_sound("a program that ends before -d", recording)
    run = recording.json["run"]
    e2e.check("a program that ends before -d: the recording ends with it",
              run["duration_ns"] < 20e9 and run["ended"], run)


def dead():
    program = e2e.start(["true"])
    program.wait()
    recording = e2e.attach(program.pid, seconds=1)
    e2e.equal("a dead pid: status 125", recording.status, 125)
    e2e.check("a dead pid: one line that names it", e2e.one_line(recording.stderr)
              and str(program.pid) in recording.stderr, recording.stderr)
    e2e.check("a dead pid: no trace is left behind", not os.path.exists(recording.trace))
    recording = e2e.attach("12x", seconds=1)
    e2e.equal("no pid at all: status 125", recording.status, 125)
    e2e.check("no pid at all: one line", e2e.one_line(recording.stderr), recording.stderr)


follow_family()
found_in_a_lock()
several()
program_ends_first()
dead()
e2e.done()
