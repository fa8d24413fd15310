#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A disk that fills up while recording, and a writer that is killed: what was written stays
readable.
"""
import os
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()
e2e.needs_tools("hackbench")
LOAD = [e2e.tool("hackbench"), "-g", "4", "-l", "2000"]


def check_readable(name, trace):
    result = e2e.run([e2e.CTRACE, "export", trace, "-f", "json", "-o", "-"])
    if not e2e.check(f"{name}: what was written can be read", result.returncode == 0,
                     result.stderr):
        return
    json = e2e.json.loads(result.stdout)
    e2e.check(f"{name}: there are events in it", json["run"]["events"] > 1000, json["run"])
    e2e.check(f"{name}: it says that it is not complete", not json["run"]["complete"], json["run"])
    e2e.check(f"{name}: one line says so", e2e.one_line(result.stderr), result.stderr)
    e2e.check_states(name, json["threads"])
    report = e2e.run([e2e.CTRACE, "report", trace])
    e2e.check(f"{name}: the report is made", report.returncode == 0 and report.stdout, report)


def full_disk():
    with e2e.small_disk("256k") as small:
        trace, marker = os.path.join(small, "t.ctrace"), e2e.path("marker")
        result = e2e.run([e2e.CTRACE, "--quiet", "-o", trace, "sh", "-c",
                          '"$@" >/dev/null && echo done > "$0"; exit 4', marker, *LOAD])
        e2e.check("full disk: the program ran on to its end", os.path.exists(marker))
        e2e.equal("full disk: its exit status is passed on", result.returncode, 4)
        e2e.check("full disk: one line says so", e2e.one_line(result.stderr)
                  and "space" in result.stderr.lower(), result.stderr)
        check_readable("full disk", trace)


def no_room():
    """Not even the first chunk: the program runs as if ctrace were not there."""
    with e2e.small_disk("8k") as small:
        with open(os.path.join(small, "filler"), "wb") as filler:
            try:
                filler.write(bytes(1 << 16))
                filler.flush()
            except OSError:
                pass
        where = os.path.join(small, "t.ctrace")
        for code, status in ((5, 5), (0, 125)):
            result = e2e.run([e2e.CTRACE, "-o", where, "sh", "-c", f"echo out; exit {code}"])
            e2e.check(f"no room: the program's output, and {status} of {code}",
                      result.stdout == "out\n" and result.returncode == status, result)
            e2e.check("no room: one line says so, and what to do",
                      e2e.one_line(result.stderr) and "-o FILE" in result.stderr, result.stderr)
        program = e2e.start(["sleep", "60"])
        result = e2e.run([e2e.CTRACE, "-o", where, "-p", str(program.pid), "-d", "0.2"])
        e2e.equal("no room, attached: status", result.returncode, 125)
        e2e.stop(program)


def limited_size():
    """ulimit -f: as a full disk; and the program gets the signal that it would get."""
    trace = e2e.trace_name()
    result = e2e.run(["sh", "-c", 'ulimit -f 200; exec "$@"', "sh", e2e.CTRACE, "--quiet", "-o",
                      trace, "sh", "-c", '"$@" >/dev/null; exit 4', "sh", *LOAD])
    e2e.equal("limited size: the program's exit status", result.returncode, 4)
    e2e.check("limited size: one line says so", e2e.one_line(result.stderr)
              and "too large" in result.stderr, result.stderr)
    check_readable("limited size", trace)
    result = e2e.run(["sh", "-c", 'ulimit -f 200; exec "$@"', "sh", e2e.CTRACE, "--quiet", "-o",
                      trace, "sh", "-c", f"exec head -c 9999999 /dev/zero >{e2e.path('big')}"])
    e2e.equal("limited size: the program's own signal", result.returncode, 128 + signal.SIGXFSZ)


def killed_writer():
    trace = e2e.trace_name()
    process = e2e.start([e2e.CTRACE, "--quiet", "-o", trace, e2e.tool("hackbench"), "-g", "2", "-l",
                         "1000000"])
    e2e.wait_for("a trace of some size",
                 lambda: os.path.exists(trace) and os.path.getsize(trace) > 200_000)
    time.sleep(1)       # more than one interval between two writes
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    e2e.stop(process)   # the program it ran is of the same session
    check_readable("killed writer", trace)


full_disk()
no_room()
limited_size()
killed_writer()
e2e.done()
