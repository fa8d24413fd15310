#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Signals: one to ctrace alone is passed on, Ctrl-C stops the program once, the trace is
complete.
"""
import os
import pty
import select
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()
COUNTER = e2e.compile_c("count_int.c", "count_int", "-O1")


def check_trace(name, trace, exit_status):
    recording = e2e.Recording(trace, e2e.subprocess.CompletedProcess([], exit_status, "", ""))
    e2e.check_sound(name, recording, status=exit_status)
    run = recording.json["run"]
    e2e.check(f"{name}: the trace is complete", run["complete"] and run["ended"], run)
    e2e.equal(f"{name}: it knows the program's status", run["exit_status"], exit_status)


def to_ctrace_alone():
    for name in ("INT", "TERM"):
        trace, out = e2e.trace_name(), e2e.path("out")
        script = f'trap "echo got {name}; exit 5" {name}; echo ready; while :; do sleep 0.05; done'
        with open(out, "w", encoding="ascii") as stdout:
            process = e2e.start([e2e.CTRACE, "--quiet", "-o", trace, "sh", "-c", script],
                                stdout=stdout)
        e2e.wait_for("the program", lambda: "ready" in e2e.text_of(out))
        process.send_signal(signal.Signals[f"SIG{name}"])
        status = process.wait(30)
        e2e.equal(f"SIG{name} to ctrace alone: the program had it", e2e.text_of(out),
                  f"ready\ngot {name}\n")
        check_trace(f"SIG{name} to ctrace alone", trace, 5)
        e2e.equal(f"SIG{name} to ctrace alone: exit status", status, 5)


def on_terminal(command, keys):
    """Runs on a terminal of its own; sends each key when its cue was printed: status, output."""
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(e2e.DIR)
        os.execve(command[0], command, e2e.environment())
    output, end = "", time.monotonic() + e2e.TIMEOUT_S
    while time.monotonic() < end:
        if select.select([master], [], [], 0.05)[0]:
            try:
                output += os.read(master, 65536).decode(errors="replace")
            except OSError:     # the other side is closed
                break
        while keys and keys[0][0] in output:
            os.write(master, keys.pop(0)[1])
    else:
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    os.close(master)
    return os.waitstatus_to_exitcode(status), output


def ctrl_c():
    trace = e2e.trace_name()
    status, output = on_terminal([e2e.CTRACE, "-o", trace, COUNTER], [("ready", b"\x03")])
    e2e.check("Ctrl-C: the program had it once", "count 1\r\n" in output, output)
    e2e.equal("Ctrl-C: exit status", status, 41)
    check_trace("Ctrl-C", trace, 41)
    e2e.check("Ctrl-C: the report is there", len(output.splitlines()) > 5, output)

    trace = e2e.trace_name()
    status, output = on_terminal([e2e.CTRACE, "--quiet", "-o", trace, "sh", "-c",
                                  "echo ready; exec sleep 60"], [("ready", b"\x03")])
    e2e.equal("Ctrl-C on a program that does not catch it: 130", status, 130)
    check_trace("Ctrl-C on a program that does not catch it", trace, 130)


def ctrl_c_attached():
    """With -p Ctrl-C ends the recording, and leaves the program alone."""
    program = e2e.start(["sleep", "60"])
    trace = e2e.trace_name()
    process = e2e.start([e2e.CTRACE, "--quiet", "-o", trace, "-p", str(program.pid)])
    e2e.wait_for("the trace", lambda: os.path.exists(trace) and os.path.getsize(trace) > 0)
    time.sleep(0.5)     # nothing hangs on how long: only that something is recorded
    process.send_signal(signal.SIGINT)
    e2e.equal("-p and SIGINT: exit status", process.wait(30), 0)
    e2e.check("-p and SIGINT: the program runs on", program.poll() is None)
    recording = e2e.Recording(trace, e2e.subprocess.CompletedProcess([], 0, "", ""))
    e2e.check_sound("-p and SIGINT", recording)
    e2e.check("-p and SIGINT: the trace is complete", recording.json["run"]["complete"])
    e2e.stop(program)


def stopped():
    """Ctrl-Z and fg, as job control does it: the stop is a state of the program."""
    recording = e2e.record(["sh", "-c", "(sleep 0.3; kill -CONT $$) & kill -STOP $$; wait; exit 6"])
    e2e.check_sound("SIGSTOP and SIGCONT", recording, status=6)
    main = next(t for t in recording.threads if t["tid"] == recording.json["run"]["pid"])
    e2e.check("SIGSTOP and SIGCONT: the time stopped is shown as such",
              main["blocked_ns"].get("stopped", 0) > 100_000_000, main)


to_ctrace_alone()
ctrl_c()
ctrl_c_attached()
stopped()
e2e.done()
