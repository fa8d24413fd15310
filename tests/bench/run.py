#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What tracing costs: the same work untraced, under ctrace, and under perf sched, in turn.

    sudo make bench            or   tests/bench/run.py [ROUNDS]

Machines are noisy: every round runs each contender once, one after the other; shown are medians
over the rounds, and the difference to the untraced median.  A benchmark, not a test: it never fails
on a figure.
"""
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("B", os.path.join(TOP, "build"))
CTRACE = os.path.join(BUILD, "ctrace")
COUNT = "200000"


def contenders(directory):
    trace = os.path.join(directory, "t.ctrace")
    base = [CTRACE, "--as-root", "--quiet", "-o", trace]
    found = [
        ("untraced", [], None),
        ("ctrace", base, trace),
        ("ctrace --futex=switch", base + ["--futex=switch"], trace),
        ("ctrace --futex=switch --stack=off",
         base + ["--futex=switch", "--stack=off", "--cpu-samples=off"], trace),
    ]
    if shutil.which("perf"):
        data = os.path.join(directory, "perf.data")
        found.append(("perf sched record", ["perf", "sched", "record", "-q", "-o", data], data))
    return found


def build_handover(directory):
    out = os.path.join(directory, "handover")
    source = os.path.join(TOP, "tests", "bench", "handover.c")
    subprocess.run([os.environ.get("CC", "cc"), "-O2", "-pthread", source, "-o", out], check=True)
    return out


def handover(prefix, program, cpus):
    """ns per switch, by the program's own clock; the file's size when there is one."""
    run = subprocess.run(prefix + [program, cpus, COUNT], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
    lines = [line for line in run.stdout.split("\n") if line.replace(".", "").isdigit()]
    return float(lines[-1]) if lines else None


def wall(prefix, command):
    begin = time.monotonic()
    subprocess.run(prefix + command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return (time.monotonic() - begin) * 1e3


def table(title, unit, rows, sizes=None):
    print(f"\n{title}")
    base = statistics.median(rows["untraced"])
    for name, values in rows.items():
        if not values:
            continue
        median = statistics.median(values)
        line = f"  {name:36} {median:10.1f} {unit}  {median - base:+10.1f}  x{median / base:5.2f}"
        line += f"   ({min(values):.1f} .. {max(values):.1f})"
        if sizes and name in sizes:
            line += f"   {sizes[name]:6.1f} bytes of file per switch"
        print(line, flush=True)


def measure(who, rounds, one, after=None):
    rows = {name: [] for name, _, _ in who}
    for _ in range(rounds):
        for name, prefix, path in who:
            value = one(prefix)
            if value is not None:
                rows[name].append(value)
            if after:
                after(name, path)
    return rows


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    if os.geteuid() != 0:
        sys.exit("bench: recording needs root: sudo make bench")
    with tempfile.TemporaryDirectory() as directory:
        program = build_handover(directory)
        who = contenders(directory)
        sizes = {}

        def note_size(name, path):
            if path and os.path.exists(path):
                sizes[name] = os.path.getsize(path) / (2.0 * int(COUNT))

        print(f"{rounds} rounds, medians; {os.cpu_count()} CPUs, {os.uname().release}")
        for cpus, title in (("1", "a futex handed to and fro on one CPU"),
                            ("2", "the same, on any CPU")):
            rows = measure(who, rounds, lambda prefix: handover(prefix, program, cpus), note_size)
            table(title + ", per switch", "ns", rows, sizes)
        if shutil.which("hackbench"):
            work = ["hackbench", "-g", "4", "-l", "400"]
            rows = measure(who, rounds, lambda prefix: wall(prefix, work))
            table("hackbench -g 4 -l 400, start and end of the tracer included", "ms", rows)


main()
