#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The flight recorder: of a long recording the newest part is kept, memory and disk are bounded,
the trace begins cleanly, and a killed ctrace leaves what can be read.
"""
import os
import re
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()
e2e.needs_tools("sysbench", "perf")
KEPT = 256 << 10
LEAST = KEPT * 3 // 8   # a generation is 7/16 of it (user/cmd/flight.c), and is packed anew
END_SHARE = 0.9         # on a busy machine the program has gone a while before ctrace hears of it
TURNS = 4               # generations that have to come and go
NAMES = 64 << 10        # functions and lines come on top of what --max-size counts
MEMORY_MIB = 64         # the collector's, however long it runs
LOAD = [e2e.tool("sysbench"), "threads", "--threads=4", "--thread-locks=2", "--time=600", "run"]


def used(trace):
    return sum(os.path.getsize(trace + end) for end in ("", ".part", ".join")
               if os.path.exists(trace + end))


def peak_mib(pid):
    found = re.search(r"VmHWM:\s+(\d+)", e2e.text_of(f"/proc/{pid}/status"))
    return int(found.group(1)) / 1024 if found else 0


def check_kept(name, trace, threads):
    size = os.path.getsize(trace)
    e2e.check(f"{name}: no more than {KEPT} bytes and names", size <= KEPT + NAMES, size)
    e2e.check(f"{name}: nor much less", size > LEAST, size)
    e2e.check(f"{name}: no part is left over", not os.path.exists(trace + ".part")
              and not os.path.exists(trace + ".join"), os.listdir(e2e.DIR))
    recording = e2e.Recording(trace, e2e.subprocess.CompletedProcess([], 0, "", ""))
    run = recording.json["run"]
    e2e.check(f"{name}: it says how much was not kept", run.get("dropped_ns", 0) > 0, run)
    e2e.check(f"{name}: it is whole", run["complete"], run)
    e2e.equal(f"{name}: no event lost", recording.json["loss"]["events"], 0)
    e2e.check_contradictions(name, recording)
    e2e.check_states(name, recording.threads)
    e2e.check(f"{name}: all {threads} threads are there from the beginning",
              sum(t["found"] for t in recording.threads) >= threads, recording.threads)
    slices = e2e.csv(trace)
    ends = {row["tid"]: int(row["start_ns"]) + int(row["duration_ns"]) for row in slices}
    e2e.check(f"{name}: it reaches to the end",
              max(ends.values()) > run["duration_ns"] * END_SHARE, (ends, run["duration_ns"]))
    named = [row for row in slices if row["state"] in ("lock", "pipe") and row["function"]]
    e2e.check(f"{name}: places of both generations have names", named)
    report = e2e.run([e2e.CTRACE, "report", trace])
    e2e.check(f"{name}: the report says what it is of", "newest part" in report.stdout,
              report.stdout[:300])


def watch_turns(program):
    """The trace, the most that was on disk, and the collector's memory in MiB."""
    trace = e2e.trace_name()
    tracer = e2e.start([e2e.CTRACE, "--quiet", "--max-size", "256K", "-o", trace, "-p",
                        str(program.pid)])
    most, peak, seen = 0, 0.0, set()

    def turned():
        nonlocal most, peak
        most, peak = max(most, used(trace)), max(peak, peak_mib(tracer.pid))
        if os.path.exists(trace + ".part"):
            seen.add(os.stat(trace + ".part").st_mtime_ns)
        return len(seen) >= TURNS

    e2e.wait_for(f"{TURNS} generations", turned, 60)
    os.kill(tracer.pid, signal.SIGINT)
    tracer.wait(60)
    return trace, most, peak


def attached():
    """A server for an hour, shortened by its rate: what counts is how often a generation ends."""
    program = e2e.start(LOAD)
    e2e.wait_for("sysbench", lambda: len(os.listdir(f"/proc/{program.pid}/task")) >= 5)
    trace, most, peak = watch_turns(program)
    e2e.check("attached: on disk never more than twice the size", most <= 2 * KEPT, most)
    e2e.check(f"attached: the collector needs at most {MEMORY_MIB} MiB", 0 < peak <= MEMORY_MIB,
              peak)
    check_kept("attached", trace, 5)
    e2e.check("attached: the program runs on", program.poll() is None)
    e2e.stop(program)


def recorded():
    """A program of its own: the end is there, with its exit status."""
    trace = e2e.trace_name()
    result = e2e.run([e2e.CTRACE, "--quiet", "--max-size", "256K", "-o", trace, "sh", "-c",
                      '"$@" >/dev/null; exit 7', "sh", e2e.tool("perf"), "bench", "sched",
                      "pipe", "-T", "-l", "300000"])
    e2e.equal("recorded: the program's status", result.returncode, 7)
    check_kept("recorded", trace, 4)     # the shell, perf and its two


def full_disk():
    """No room for another generation: what there is of the one before is the trace; when some of
    the newer one has come to be written, both are left, the one that holds more is what is
    reported, and it says where the other is."""
    program = e2e.start(LOAD)
    e2e.wait_for("sysbench", lambda: len(os.listdir(f"/proc/{program.pid}/task")) >= 5)
    with e2e.small_disk("256k") as small:
        trace, log = os.path.join(small, "t.ctrace"), e2e.path("full.log")
        with open(log, "wb") as err:
            tracer = e2e.start([e2e.CTRACE, "--no-html", "--max-size", "256K", "-o", trace, "-p",
                                str(program.pid)], stderr=err)
            e2e.wait_for("the trace", lambda: os.path.exists(trace))
            with open(os.path.join(small, "filler"), "wb") as filler:
                filler.write(bytes(96 << 10))      # one generation fits beside it, and no more
            e2e.wait_for("a full disk", lambda: "No space left" in e2e.text_of(log), 60)
            tracer.send_signal(signal.SIGINT)
            status = tracer.wait(60)
        said = e2e.text_of(log)
        left = sorted(name for name in os.listdir(small) if name != "filler")
        e2e.check("full disk: a trace is left, or two", status == 0 and left in (
            ["t.ctrace"], ["t.ctrace", "t.ctrace.part"]), (status, left, said))
        where = ["holds the older one"]
        if len(left) == 2:
            where += ["tells more", f"the newer one is in '{trace}.part'"]
        e2e.check("full disk: it says what is where", all(words in said for words in where)
                  and said.count("the older one") == 1, (left, said))
        events = [e2e.json.loads(e2e.export(os.path.join(small, name), "json"))["run"]["events"]
                  for name in left]
        e2e.check("full disk: with events, most of them where the trace is",
                  max(events) > 1000 and min(events) > 0 and events[0] == max(events), events)
        e2e.check("full disk: it does not say that there is none", "nothing of the recording"
                  not in said and "lost" not in said.splitlines()[0], said)
    e2e.stop(program)


def killed():
    program = e2e.start(LOAD)
    e2e.wait_for("sysbench", lambda: len(os.listdir(f"/proc/{program.pid}/task")) >= 5)
    trace = e2e.trace_name()
    tracer = e2e.start([e2e.CTRACE, "--quiet", "--max-size", "256K", "-o", trace, "-p",
                        str(program.pid)])
    e2e.wait_for("a second generation", lambda: os.path.exists(trace + ".part"))
    time.sleep(0.3)
    os.kill(tracer.pid, signal.SIGKILL)
    tracer.wait(10)
    part = e2e.json.loads(e2e.export(trace + ".part", "json"))
    e2e.check("killed: the older half can be read", part["run"]["events"] > 1000, part["run"])
    e2e.check("killed: the newer one can be opened", e2e.run(
        [e2e.CTRACE, "report", trace]).returncode == 0)
    e2e.stop(program)


attached()
recorded()
full_disk()
killed()
e2e.done()
