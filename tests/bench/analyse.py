#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What analysing a trace costs, beside what recording it took:

    sudo tests/bench/analyse.py [TRACE...]

Without traces it records two: `perf bench sched pipe -T`, two threads and nothing but switches,
and the contention demo.  The report of each is made three times; the middle counts.  Aimed at: 1 us
an event on one core, and 1 GiB.  Prints, and judges nothing: the machine is shared.
"""
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CTRACE = os.environ.get("CTRACE", os.path.join(HERE, "../../build/ctrace"))
DEMO = os.path.join(os.path.dirname(CTRACE), "demos/contention")
LOOPS = os.environ.get("LOOPS", "300000")
RUNS = 3
PROGRAMS = [
    ["perf", "bench", "sched", "pipe", "-T", "-l", LOOPS],
    [DEMO],
]


def record(argv, trace):
    """Seconds of the recorded run itself, and of all of `ctrace PROGRAM`, report included."""
    start = time.monotonic()
    done = subprocess.run([CTRACE, "--no-html", "-o", trace, "--", *argv],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return None if done.returncode else time.monotonic() - start


def report(trace):
    """CPU seconds and KiB of one report."""
    pid = os.fork()
    if pid == 0:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.execv(CTRACE, [CTRACE, "report", trace])
    _, status, used = os.wait4(pid, 0)
    if status:
        sys.exit(f"ctrace report {trace}: status {status}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss


def size_of(trace):
    """Events, and seconds of the run.  In a process of its own: what this one has in memory when
    it forks would count as the child's."""
    script = ("import json, sys; r = json.load(sys.stdin)['run']; "
              "print(r['events'], r['duration_ns'] / 1e9)")
    with subprocess.Popen([CTRACE, "export", trace, "-f", "json", "-o", "-"],
                          stdout=subprocess.PIPE) as ctrace:
        said = subprocess.run([sys.executable, "-c", script], stdin=ctrace.stdout,
                              stdout=subprocess.PIPE, check=True).stdout.split()
    return int(said[0]), float(said[1])


def row(name, trace, all_s):
    """Measures one trace and prints its line."""
    runs = [report(trace) for _ in range(RUNS)]
    events, run_s = size_of(trace)
    cpu_s = statistics.median(cpu for cpu, _ in runs)
    memory = max(kib for _, kib in runs) / 1024
    print(f"{name:<28} {events:>11,} {run_s:>8.2f} {all_s or 0:>8.2f} {cpu_s:>8.2f} "
          f"{cpu_s / events * 1e6:>8.2f} {memory:>8.0f}", flush=True)


def main():
    print(f"{'':28} {'events':>11} {'run s':>8} {'all s':>8} {'report s':>8} {'us/event':>8} "
          f"{'MiB':>8}")
    for trace in sys.argv[1:]:
        row(os.path.basename(trace), trace, None)
    with tempfile.TemporaryDirectory() as folder:
        for argv in [] if sys.argv[1:] else PROGRAMS:
            trace = os.path.join(folder, "a.ctrace")
            all_s = record(argv, trace)
            if all_s is None:
                print(f"{os.path.basename(argv[0])}: could not be recorded; left out")
                continue
            row(" ".join([os.path.basename(argv[0]), *argv[1:]])[:28], trace, all_s)


main()
