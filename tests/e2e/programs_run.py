#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 300
"""Real programs run under ctrace: same output and status as without it, sane states, exact
counts.
"""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()
e2e.needs_tools("sysbench", "stress-ng", "hackbench", "xz", "python3")
PYTHON = e2e.system_python()


def make_data():
    """Some megabytes that compress, but not to nothing."""
    data = e2e.path("data")
    state = 1
    with open(data, "w", encoding="ascii") as out:
        for _ in range(60_000):
            state = (state * 1103515245 + 12345) % 2**31
            out.write(f"{state} {state % 97} the quick brown fox {state % 7}\n" * 2)
    return data


def check_same_output(name, command, recording, **how):
    plain = e2e.run(command, **how)
    for stream in ("stdout", "stderr"):
        e2e.equal(f"{name}: its {stream} is that of an untraced run", getattr(recording, stream),
                  getattr(plain, stream))


def python_threads():
    command = [PYTHON, os.path.join(e2e.PROGRAMS, "gil.py")]
    recording = e2e.record(command)
    e2e.check_sound("python3", recording, min_threads=5)
    check_same_output("python3", command, recording)
    workers = [t for t in recording.threads if t["tid"] != t["pid"]]
    # CPython's GIL is a mutex and a condition variable with a timeout of 5 ms
    e2e.check("python3: its threads wait for the GIL (lock, cond)",
              e2e.blocked_share(workers, "lock", "cond") > 0.5, [t["blocked_ns"] for t in workers])
    running = recording.json["parallelism"]["running_ns"]
    at_once = sum(running[2:])
    e2e.check("python3: hardly ever do two run at once", at_once < 0.2 * sum(running), running)


def xz_threads():
    data = make_data()
    plain, traced = e2e.path("plain.xz"), e2e.path("traced.xz")
    command = ["sh", "-c", 'exec xz -T2 -1 --block-size=512KiB -c "$0" > "$1"', data]
    e2e.equal("xz: untraced", e2e.run([*command, plain]).returncode, 0)
    recording = e2e.record([*command, traced])
    e2e.check_sound("xz -T2", recording, min_threads=3)
    with open(plain, "rb") as a, open(traced, "rb") as b:
        e2e.check("xz -T2: the same bytes as untraced", a.read() == b.read())
    main = next(t for t in recording.threads if t["tid"] == t["pid"])
    e2e.check("xz -T2: the main thread waits for its workers (cond)",
              e2e.blocked_share([main], "cond", "lock") > 0.5, main["blocked_ns"])
    e2e.check("xz -T2: the workers compute", all(t["kind"] == "cpu-bound" for t in recording.threads
              if t["tid"] != t["pid"] and t["running_ns"] > 50_000_000), recording.threads)


def pipeline():
    command = ["sh", "-c", "seq 200000 | sed s/1/one/ | sort -r | tail -n 3; exit 7"]
    recording = e2e.record(command)
    e2e.check_sound("sh -c pipeline", recording, status=7, min_threads=5)
    check_same_output("sh -c pipeline", command, recording)
    names = {t["name"] for t in recording.threads}
    e2e.check("sh -c pipeline: every program of it is there",
              {"sh", "seq", "sed", "sort", "tail"} <= names, names)
    by_name = {name: recording.named(name) for name in names}
    for name in ("sed", "sort", "tail"):
        e2e.check(f"sh -c pipeline: {name} waits for its pipe", e2e.blocked_share(by_name[name],
                  "pipe") > 0.5, by_name[name])
    shell = [t for t in by_name["sh"] if t["tid"] == recording.json["run"]["pid"]]
    e2e.check("sh -c pipeline: sh waits for its children",
              e2e.blocked_share(shell, "child") > 0.9, by_name["sh"])


def load_generators():
    for name, threads, command in [
            ("sysbench cpu", 3, ["sysbench", "cpu", "--threads=2", "--time=1", "run"]),
            ("stress-ng --futex", 3, ["stress-ng", "--futex", "2", "--futex-ops", "20000"]),
            ("hackbench", 41, ["hackbench", "-g", "1", "-l", "200"])]:
        recording = e2e.record([e2e.tool(command[0]), *command[1:]])
        e2e.check_sound(name, recording, min_threads=threads)
        by_state = {state for t in recording.threads for state in t["blocked_ns"]}
        if name == "sysbench cpu":
            workers = [t for t in recording.threads if t["running_ns"] > 300_000_000]
            e2e.check("sysbench cpu: two threads compute", len(workers) == 2
                      and all(t["kind"] == "cpu-bound" for t in workers), recording.threads)
        if name == "stress-ng --futex":
            e2e.check("stress-ng --futex: futex waits", by_state & {"futex", "lock"}, by_state)
        if name == "hackbench":
            e2e.check("hackbench: waits on sockets", "io-net" in by_state, by_state)


python_threads()
xz_threads()
pipeline()
load_generators()
e2e.done()
