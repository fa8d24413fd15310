#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Judges what guest.sh recorded on another kernel: judge.py DIR VERDICT.  The statements are those
of recordings of this machine, but for what emulation makes meaningless: no rate, no share.
"""
import json
import os
import sys

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e", "lib"))
import e2e
import locks_truth

OUT = os.path.abspath(sys.argv[1])
VERDICT = sys.argv[2]
# every kind that a probe makes; what ctrace itself injects is not among them
KINDS = {"switch", "block", "waking", "migrate", "task_new", "task_name", "task_exec", "task_exit",
         "task_counts", "futex", "sample", "access"}
VISITS = 4 * 300    # of demo race, as guest.sh has it
GAVE_UP = 3         # demo deadlock, by its own account
LOCK_WAIT_NS = 1    # emulated processors take turns, so that there is little contention
# Between taking a mutex and writing its owner down an emulated thread spends some 20 times what a
# real one does, and one wait of a few is much of them.
OWNERS_NEEDED = 0.9


def file(name):
    return os.path.join(OUT, name)


def text(name):
    return e2e.text_of(file(name)).strip()


def recording(name):
    status = int(text(f"{name}.status"))
    result = e2e.subprocess.CompletedProcess([], status, text(f"{name}.stdout"),
                                             text(f"{name}.err"))
    return e2e.Recording(file(f"{name}.ctrace"), result)


def truth(name):
    with open(file(f"{name}.truth"), encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def check_truth(name, trace):
    """Switch counts as the threads read them themselves."""
    events = e2e.Events(trace.trace)
    for said in (line for line in truth(name) if "thread" in line):
        e2e.check_own_switches(f"{name}: {said['thread']}", said, events)


def check_refused(words):
    """One line that says what the kernel lacks, and no recording."""
    e2e.equal("the status is that of a failure of ctrace's own", text("first.status"), "125")
    lines = [line for line in text("first.err").splitlines() if "cannot record" in line]
    e2e.check(f"one line says what is missing: {words}", len(lines) == 1 and words in lines[0],
              text("first.err"))
    e2e.equal("doctor agrees", text("doctor.status"), "125")
    e2e.check("doctor names it", words in text("doctor") or words in text("first.err"),
              text("doctor"))


def check_locks():
    for name in ("calls", "switch"):
        trace = recording(name)
        e2e.check_sound(name, trace, min_threads=5)
        locks_truth.check_recording(name, trace, file(f"{name}.log"), lines=name == "calls",
                                    least_ns=LOCK_WAIT_NS, needed=OWNERS_NEEDED)


def check_demos():
    trace = recording("deadlock")
    e2e.check_sound("deadlock", trace, status=GAVE_UP, min_threads=3)
    ids = {f["id"] for f in trace.json["findings"]}
    e2e.check("deadlock: it is found", "deadlock" in ids, ids)
    for name, threads in (("race", 2), ("io", 1)):
        trace = recording(name)
        e2e.check_sound(name, trace, min_threads=threads)
        check_truth(name, trace)


def check_processes():
    trace = recording("processes")
    e2e.check_sound("processes", trace, min_threads=21)
    e2e.equal("processes: each has the name of its program", len(trace.named("true")), 20)


def check_sleeper():
    """A timer's interrupt, seen as one; the call that waits and the state, by name."""
    trace = recording("sleeper")
    e2e.check_sound("sleeper", trace)
    wakes = e2e.Events(trace.trace).of(trace.json["run"]["pid"], "waking")
    e2e.check("sleeper: an interrupt woke it", any("hardirq" in row[4].get("flags", "")
                                                   for row in wakes), wakes)
    slept = trace.threads[0]["blocked_ns"].get("sleep", 0)
    e2e.check("sleeper: it slept for 0.2 s, but for the way in and out",
              slept >= 190_000_000, trace.threads)


def check_values(accesses):
    """counter = counter + 1: what a thread writes is one more than what it has read, whether the
    processor stops after an access or, arm64, before it: then the write tells what was read, but
    for those whose CPU changed in between."""
    pairs = wrong = unknown = 0
    last = {}
    for _, _, _, tid, row in accesses:
        how = row["how"].split("|")
        if "write" in how:
            early = "late" in last[tid]["how"] and "found" not in how
            read = row.get("before", 0) if "found" in how else last[tid].get("value", 0)
            pairs += 1
            unknown += early
            wrong += not early and int(row.get("value", 0)) != int(read) + 1
        last[tid] = row
    e2e.check(f"watch: each of {pairs} writes follows from its reading", pairs and not wrong, wrong)
    e2e.check("watch: what was read is known of most", unknown <= pairs / 50, unknown)


def check_watched():
    trace = recording("watch")
    e2e.check_sound("watch", trace, min_threads=5)
    said = {line["count"]: line["value"] for line in truth("watch") if "count" in line}
    counter = next(v for v in trace.json["watch"] if v["name"] == "counter")
    e2e.equal("watch: every access was seen", (counter["reads"], counter["writes"]),
              (VISITS + 1, VISITS))
    check_values([row for row in e2e.Events(trace.trace).rows if row[2] == "access"])
    if counter["complete"]:
        e2e.equal("watch: what it should have been", counter["expected"], VISITS)
        e2e.equal("watch: what it was", counter["last"], VISITS - said["lost"])
    line = next(n for n, text in enumerate(open(os.path.join(e2e.ROOT, "demos", "race.c"),
                                                encoding="utf-8"), 1)
                if "counter = counter + 1;" in text)
    witness = {w["line"] for w in counter["witness"]} if counter["lost_updates"] else {line}
    e2e.equal("watch: the line", witness, {line})


def check_exclusive():
    """arm64: a store-exclusive never succeeds when a watchpoint comes before it."""
    trace = recording("exclusive")
    e2e.check_sound("exclusive", trace, min_threads=4)
    e2e.equal("exclusive: the program comes to its end, with the right sum",
              text("exclusive.stdout"), "1500")
    counter = next(v for v in trace.json["watch"] if v["name"] == "counter")
    e2e.check("exclusive: written, and nobody is accused", counter["writes"] > 0
              and counter["sharing"] != "unguarded", counter)
    e2e.equal("exclusive: not all of it was seen", counter["complete"], False)


def check_machine():
    """What differs by processor."""
    machine = text("machine")
    number = {"x86_64": "202", "aarch64": "98"}[machine]
    e2e.check(f"doctor knows futex by its number on {machine}", f"futex is {number}" in
              text("doctor"), text("doctor"))
    waits = [row[4].get("nr") for row in e2e.Events(file("sleeper.ctrace")).rows
             if row[2] == "block"]
    e2e.check("sleeper: the call that it waits in has its name", "clock_nanosleep" in waits, waits)
    if machine == "aarch64":
        check_exclusive()


def check_faults():
    """What a machine in use cannot be made to do: steps of the clock, a CPU that goes and comes."""
    trace = recording("clock")
    e2e.check_sound("clock steps", trace, min_threads=7)
    e2e.check("clock steps: no time of it is as long as a step",
              trace.json["run"]["duration_ns"] < 100_000_000_000, trace.json["run"])
    trace = recording("unplug")
    e2e.equal("CPU unplugged: exit status", trace.status, 0)
    e2e.equal("CPU unplugged: it came back", text("cpus"), "0-1")
    e2e.equal("CPU unplugged: it was tried", text("unplug.stdout").split()[:1], ["0"])
    e2e.equal("CPU unplugged: no event lost", trace.json["loss"]["events"], 0)
    e2e.check_states("CPU unplugged", trace.threads)
    e2e.check_counts("CPU unplugged", trace.threads)
    check_plugged(recording("plug"))


def check_plugged(trace):
    """A CPU that is switched on while recording has no ring: what happens on it is counted."""
    e2e.equal("CPU plugged in: exit status", trace.status, 0)
    loss = trace.json["loss"]
    e2e.equal("CPU plugged in: its events are lost, and no others", list(loss["by_cpu"]), ["1"])
    e2e.check_states("CPU plugged in", trace.threads)
    known = [t for t in trace.threads if t["kernel_switches"]]
    kernel = sum(sum(t["kernel_switches"].values()) for t in known)
    recorded = sum(sum(t["switches"].values()) for t in known)
    lost = sum(n for kind, n in loss["by_kind"].items() if kind in ("switch", "block"))
    e2e.check("CPU plugged in: recorded and lost are at least what the kernel counts",
              recorded + lost >= kernel > 0, (recorded, lost, kernel))


def check_attached():
    trace = recording("attach")
    e2e.equal("attach: exit status", trace.status, 0)
    pid = int(text("attach.pid"))
    e2e.check("attach: the process and its children are in it", len(trace.threads) > 1
              and any(t["tid"] == pid for t in trace.threads), len(trace.threads))
    e2e.check_contradictions("attach", trace)
    e2e.check_states("attach", trace.threads)
    e2e.check_counts("attach", trace.threads)


def check_kinds():
    seen = set()
    for name in os.listdir(OUT):
        if name.endswith(".ctrace"):
            seen |= {row[2] for row in e2e.Events(file(name)).rows}
    e2e.equal("every probe has made its record", sorted(KINDS - seen), [])


if VERDICT.startswith("lacks "):
    check_refused(VERDICT[len("lacks "):])
else:
    e2e.equal("doctor says that recording works", text("doctor.status"), "0")
    e2e.check_sound("first", recording("first"))
    check_locks()
    check_demos()
    check_processes()
    check_sleeper()
    check_watched()
    check_machine()
    check_faults()
    check_attached()
    check_kinds()
e2e.equal("no BPF program and no map is left in the kernel", text("left"), "")
e2e.done()
