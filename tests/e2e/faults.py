#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 300
"""What goes wrong around a recording: ctrace is killed or stopped, its file goes away, somebody
else records the same, the program is killed or is more than anybody planned for.

Elsewhere: full disk and what a killed writer leaves, cut_short.py; stop and continue, signals.py;
exec in a thread, many.py; set-user-id, rights.py; losses by kind, loss.py; clock steps, a CPU that
goes away and one that comes, tests/vm/.
"""
import os
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()
e2e.needs_tools("bpftool")
FAULTS = e2e.compile_c("faults.c", "faults", "-O1", "-g")
FORKS = THREADS = 5000
STACKS = 20000      # more than the kernel side keeps
STOPPED_S = 5
# Some of the waits, of a nanosecond, are over before they began.
TOO_SHORT = 0.8
# Threads whose own end was lost are not in the sums below.
ACCOUNTED_SHARE = 0.02


def start_beat(name, *options, **how):
    """Two threads under ctrace, as many switches as they can; (ctrace, trace, end, output)."""
    trace, end, out = e2e.trace_name(), e2e.path(f"end-{name}"), e2e.path(f"out-{name}")
    with open(out, "w", encoding="ascii") as stdout:
        ctrace = e2e.start([e2e.CTRACE, "--quiet", "-o", trace, *options, FAULTS, "beat", end],
                           stdout=stdout, **how)
    e2e.wait_for("events on disk", lambda: os.path.exists(trace) and os.path.getsize(trace) > 20000)
    return ctrace, trace, end, out


def let_end(end):
    with open(end, "w", encoding="ascii"):
        pass


def finished(ctrace, trace):
    return e2e.Recording(trace, e2e.subprocess.CompletedProcess([], ctrace.wait(60), "", ""))


def programs_of(pid):
    """Ids of the BPF programs that a process holds."""
    ids = set()
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        for line in e2e.text_of(f"/proc/{pid}/fdinfo/{fd}").splitlines():
            if line.startswith("prog_id:"):
                ids.add(int(line.split()[1]))
    return ids


def loaded():
    listed = e2e.run([e2e.tool("bpftool"), "-j", "prog", "show"])
    return {p["id"] for p in e2e.json.loads(listed.stdout)}


def tracer_killed():
    ctrace, trace, end, out = start_beat("killed")
    ids = programs_of(ctrace.pid)
    e2e.equal("ctrace has one thread (lint/threads.sh)",
              os.listdir(f"/proc/{ctrace.pid}/task"), [str(ctrace.pid)])
    e2e.check("ctrace killed: it had programs in the kernel", len(ids) > 5 and ids <= loaded(), ids)
    time.sleep(1.5)     # more than one interval between two marks
    os.kill(ctrace.pid, signal.SIGKILL)
    ctrace.wait(10)
    e2e.wait_for("the kernel to let go of the probes", lambda: not ids & loaded())
    e2e.check("ctrace killed: no probe is left behind", not ids & loaded())
    let_end(end)
    e2e.wait_for("the program's end", lambda: e2e.text_of(out) == "done\n")
    e2e.check("ctrace killed: the program went on to its end", True)
    recording = finished(ctrace, trace)
    e2e.check("ctrace killed: the trace is read, and says that it is not whole",
              recording.json["run"]["events"] > 1000 and not recording.json["run"]["complete"],
              recording.json["run"])
    e2e.check_states("ctrace killed", recording.threads)


def program_killed():
    ctrace, trace, _, _ = start_beat("program")
    pid = e2e.Recording(trace, e2e.run(["true"])).json["run"]["pid"]
    os.kill(pid, signal.SIGKILL)
    recording = finished(ctrace, trace)
    e2e.check_sound("program killed", recording, status=128 + signal.SIGKILL, min_threads=2)
    e2e.check("program killed: the trace is complete", recording.json["run"]["complete"])


def tracer_stopped():
    """Nobody empties the rings for a while: what is missing is counted."""
    ctrace, trace, end, _ = start_beat("stopped", "--buffer", "1M")
    os.kill(ctrace.pid, signal.SIGSTOP)
    time.sleep(STOPPED_S)
    os.kill(ctrace.pid, signal.SIGCONT)
    let_end(end)
    recording = finished(ctrace, trace)
    e2e.equal("ctrace stopped: exit status", recording.status, 0)
    loss = recording.json["loss"]
    e2e.check("ctrace stopped: losses are counted", loss["events"] > 0, loss)
    e2e.check_states("ctrace stopped", recording.threads)
    kernel = recorded = 0
    for t in recording.threads:
        e2e.check(f"ctrace stopped: {t['name']} is marked", t["lossy"], t)
        if t["kernel_switches"]:
            kernel += sum(t["kernel_switches"].values())
            recorded += sum(t["switches"].values())
    lost = sum(n for kind, n in loss["by_kind"].items() if kind in ("switch", "block", "several"))
    e2e.check("ctrace stopped: recorded and lost are at least what the kernel counts",
              recorded + lost >= kernel * (1 - ACCOUNTED_SHARE), (recorded, lost, kernel))
    e2e.check("ctrace stopped: and fewer were recorded", 0 < recorded < kernel, (recorded, kernel))
    report = e2e.run([e2e.CTRACE, "report", trace]).stdout
    rows = [line for line in report.splitlines() if line.lstrip().startswith("faults ")
            and "%" in line]
    e2e.check("ctrace stopped: the report marks the figures of each thread as about",
              len(rows) >= 2 and all("~" in row for row in rows), report)
    e2e.check("ctrace stopped: and says how many events were lost",
              f"{loss['events']:,} events" in report, report)


def file_deleted():
    def ends(name, spoil, *options):
        log = e2e.path(f"log-{name}")
        with open(log, "wb") as err:
            ctrace, trace, end, _ = start_beat(name, *options, stderr=err)
            spoil(trace)
            let_end(end)
            status = ctrace.wait(60)
        return trace, status, e2e.text_of(log)

    for options in ([], ["--max-size", "256K"]):
        name = " ".join(["deleted", *options])
        trace, status, said = ends(name.replace(" ", ""), os.unlink, *options)
        e2e.equal(f"{name}: exit status is the program's", status, 0)
        e2e.check(f"{name}: it is written again, whole", os.path.exists(trace)
                  and json_of(trace)["run"]["complete"], said)
    trace, status, said = ends("moved", lambda trace: os.rename(trace, e2e.path("aside")))
    e2e.check("moved: it is finished where it is now", status == 0 and not os.path.exists(trace)
              and json_of(e2e.path("aside"))["run"]["complete"], said)

    def replace(trace):
        os.unlink(trace)
        with open(trace, "w", encoding="ascii") as other:
            other.write("another's")
    trace, status, said = ends("replaced", replace)
    e2e.check("replaced: the other file stays, the trace is beside it", status == 0
              and e2e.text_of(trace) == "another's" and json_of(trace + ".kept")["run"]["complete"],
              said)
    trace, status, said = ends("truncated", lambda trace: os.truncate(trace, 0))
    e2e.check("truncated: that is a failure, and said once, without inner names", status == 125
              and said.count("back") == 1 and trace in said and "/proc" not in said,
              (status, said))

    folder = e2e.path("folder")
    os.mkdir(folder)
    trace, end = os.path.join(folder, "t.ctrace"), e2e.path("end-folder")
    with open(e2e.path("log-folder"), "wb") as err:
        ctrace = e2e.start([e2e.CTRACE, "-o", trace, FAULTS, "beat", end], stderr=err)
        e2e.wait_for("the trace", lambda: os.path.exists(trace) and os.path.getsize(trace) > 20000)
        os.unlink(trace)
        os.rmdir(folder)
        let_end(end)
        e2e.equal("directory deleted: no success is claimed", ctrace.wait(60), 125)
    said = e2e.text_of(e2e.path("log-folder"))
    e2e.check("directory deleted: it says so, and names no trace to read", trace in said
              and "is lost" in said and "the trace is in" not in said, said)


def json_of(trace):
    return e2e.json.loads(e2e.export(trace, "json"))


def two_at_once():
    end = e2e.path("end-two")
    program = e2e.start([FAULTS, "beat", end])
    traces = [e2e.trace_name() for _ in range(2)]
    both = [e2e.start([e2e.CTRACE, "--quiet", "-o", trace, "-p", str(program.pid)])
            for trace in traces]
    for trace in traces:
        e2e.wait_for("events on disk",
                     lambda t=trace: os.path.exists(t) and os.path.getsize(t) > 20000)
    let_end(end)
    for i, (ctrace, trace) in enumerate(zip(both, traces)):
        recording = finished(ctrace, trace)
        name = f"two at once, {i + 1}"
        e2e.equal(f"{name}: exit status", recording.status, 0)
        e2e.equal(f"{name}: no event lost", recording.json["loss"]["events"], 0)
        e2e.check(f"{name}: both threads, whole", len(recording.threads) == 2
                  and recording.json["run"]["complete"], recording.json["run"])
        e2e.check_contradictions(name, recording)
        e2e.check_states(name, recording.threads)
        # threads as busy as these have no exact counters when they are found
        wrong = [t for t in recording.threads if t.get("switches_agree") is False]
        e2e.check(f"{name}: the kernel counts nothing else", not wrong, wrong)


def many():
    recording = e2e.record([FAULTS, "forks", str(FORKS)])
    e2e.check_sound(f"{FORKS} children", recording, min_threads=FORKS + 1)
    e2e.equal(f"{FORKS} children: so many, and the parent", len(recording.threads), FORKS + 1)
    recording = e2e.record([e2e.compile_c("many.c", "many", "-O1"), str(THREADS)])
    e2e.check_sound(f"{THREADS} threads", recording, min_threads=THREADS + 1)
    recording = e2e.record([FAULTS, "stacks", str(STACKS)])
    e2e.check_sound(f"{STACKS} different stacks", recording)
    waits = recording.threads[0]["switches"]["voluntary"]
    e2e.check(f"{STACKS} different stacks: their waits are there", waits >= STACKS * TOO_SHORT,
              waits)


tracer_killed()
program_killed()
tracer_stopped()
file_deleted()
two_at_once()
many()
e2e.done()
