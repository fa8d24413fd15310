#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How a program starts and ends: from its first instruction, its streams and its status its own."""
import ctypes
import os
import platform
import signal
import struct
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()


DEADLINE = 6    # SCHED_DEADLINE
SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
RESET_ON_FORK_AND_RECLAIM = 3
RUNTIME_NS, PERIOD_NS = 5_000_000, 10_000_000   # what user/cmd/record_start.c asks for


def shell(script, *options, **how):
    return e2e.record(["sh", "-c", script], *options, **how)


def first_instruction():
    program = e2e.compile_c("first.c", "first", "-O1", "-static", "-nostartfiles",
                            "-fno-stack-protector")
    recording = e2e.record([program])
    e2e.check_sound("first instruction", recording, status=9)
    [thread] = recording.threads
    e2e.check("first instruction: all three sleeps are there, and nothing else that waits",
              thread["switches"]["voluntary"] - 4 in (-1, 0)   # the last switch is that of its end
              and thread["blocked_ns"].get("sleep", 0) >= 90_000_000, thread)
    e2e.equal("first instruction: it has the program's name", thread["name"], "first")
    naps = [row for row in e2e.csv(recording.trace) if row["state"] == "sleep"]
    e2e.equal("first instruction: three stretches of sleep", len(naps), 3)


def statuses():
    for status in (0, 7, 125, 255):
        e2e.equal(f"exit status {status} is passed on", shell(f"exit {status}").status, status)
    for name in ("TERM", "KILL", "SEGV"):
        number = signal.Signals[f"SIG{name}"].value
        recording = shell(f"kill -{name} $$")
        e2e.equal(f"killed by SIG{name}: 128 + {number}", recording.status, 128 + number)
        e2e.equal(f"killed by SIG{name}: the trace says so",
                  recording.json["run"]["exit_status"], 128 + number)
        e2e.check(f"killed by SIG{name}: the trace is complete", recording.json["run"]["complete"])


def no_such_program():
    for what, command, status in [
            ("no such program", ["/nonexistent/program"], 127),
            ("no such program in PATH", ["no-such-program-anywhere"], 127),
            ("not executable", [e2e.path("plain")], 126),
            ("a directory", [e2e.DIR], 126)]:
        with open(e2e.path("plain"), "w", encoding="ascii") as out:
            out.write("not a program\n")
        recording = e2e.record(command)
        e2e.equal(f"{what}: status {status}", recording.status, status)
        e2e.check(f"{what}: one line that names it", e2e.one_line(recording.stderr)
                  and command[0] in recording.stderr, recording.stderr)
        e2e.check(f"{what}: no trace is left behind", not os.path.exists(recording.trace))


def streams():
    text = "one\ntwo\n\nthree without an end"
    recording = e2e.record(["sh", "-c", "cat; echo to-stderr >&2"], input=text)
    e2e.equal("stdin and stdout are the program's", recording.stdout, text)
    e2e.equal("stderr has what the program wrote, nothing else with --quiet", recording.stderr,
              "to-stderr\n")
    # the report goes to stderr only, after the program's own
    trace = e2e.trace_name()
    result = e2e.run([e2e.CTRACE, "-o", trace, "sh", "-c", "echo out; echo err >&2"])
    e2e.equal("with a report, stdout is still the program's alone", result.stdout, "out\n")
    e2e.check("with a report, stderr starts with the program's own",
              result.stderr.startswith("err\n") and len(result.stderr.splitlines()) > 3,
              result.stderr)
    listing = e2e.run(["sh", "-c", 'ls -l /proc/self/fd | wc -l; umask; nice; ulimit -n'])
    traced = shell("ls -l /proc/self/fd | wc -l; umask; nice; ulimit -n")
    e2e.equal("no descriptor, umask, nice value or limit of ctrace's reaches the program",
              traced.stdout, listing.stdout)
    mask = "grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status"
    e2e.equal("nor a signal mask", shell(mask).stdout, e2e.run(["sh", "-c", mask]).stdout)
    environment = "env | grep -v -e '^_=' | sort"
    e2e.equal("nor a variable", shell(environment).stdout,
              e2e.run(["sh", "-c", environment]).stdout)


def options_are_the_programs():
    recording = e2e.record(["sh", "-c", 'echo "$@"', "sh", "--json", "-p", "1", "--quiet"])
    e2e.equal("options after the program are its own", recording.stdout, "--json -p 1 --quiet\n")
    result = e2e.run([e2e.CTRACE, "--quiet", "sh", "-c", "exit 3"])
    e2e.equal("without --, and without -o: its status", result.returncode, 3)
    e2e.check("without -o the trace is PROGRAM.ctrace in the working directory",
              os.path.exists(e2e.path("sh.ctrace")), os.listdir(e2e.DIR))


def says_what_it_cost():
    recording = e2e.record([os.path.join(e2e.DEMOS, "switching"), "thousands"])
    cost = recording.json["run"]["cost"]
    running = sum(t["running_ns"] for t in recording.threads)
    switches = recording.json["run"]["switches"]
    e2e.check("the probes' share is measured: more than nothing, less than the program's own time",
              cost["probes_ns"] and 20 * switches < cost["probes_ns"] < running, (cost, switches))
    e2e.check("and the collector's CPU time", 0 < (cost["collector_ns"] or 0) < running, cost)


def deadline_is_granted():
    """Whether this kernel gives a process here what the collector asks for: by asking."""
    number = SCHED_SETATTR.get(platform.machine())
    if not number:
        return False
    child = os.fork()
    if not child:
        asked = struct.pack("=IIQiIQQQ", 48, DEADLINE, RESET_ON_FORK_AND_RECLAIM, 0, 0, RUNTIME_NS,
                            PERIOD_NS, PERIOD_NS)
        os._exit(1 if ctypes.CDLL(None).syscall(number, 0, asked, 0) else 0)
    return os.waitpid(child, 0)[1] == 0


def priorities():
    """The collector goes first; program, and ctrace after the recording, as they were called."""
    granted = deadline_is_granted()     # there may be room for one
    marker = e2e.path("running")
    ctrace = e2e.start(["nice", "-n", "5", e2e.CTRACE, "--quiet", "--no-html", "-d", "1", "-o",
                        e2e.trace_name(), "sh", "-c", f"nice >{marker}; sleep 3"])
    e2e.wait_for("the program", lambda: os.path.exists(marker) and e2e.text_of(marker))
    e2e.equal("the program keeps its niceness", e2e.text_of(marker), "5\n")
    e2e.equal("the collector goes first", os.getpriority(os.PRIO_PROCESS, ctrace.pid), -20)
    policy = os.sched_getscheduler(ctrace.pid) & ~os.SCHED_RESET_ON_FORK
    if granted:
        e2e.equal("before all others", policy, DEADLINE)
    else:
        e2e.note("SKIP the kernel grants no SCHED_DEADLINE here: only niceness is looked at")
    e2e.wait_for("the recording's end", lambda: os.getpriority(os.PRIO_PROCESS, ctrace.pid) == 5)
    policy = os.sched_getscheduler(ctrace.pid) & ~os.SCHED_RESET_ON_FORK
    e2e.equal("then it has no more than before", policy, os.SCHED_OTHER)
    ctrace.wait(30)


first_instruction()
priorities()
says_what_it_cost()
statuses()
no_such_program()
streams()
options_are_the_programs()
e2e.done()
