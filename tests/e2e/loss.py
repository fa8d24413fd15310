#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 240
"""Nothing is lost without being counted: with rings far too small (where a quiet machine may lose
nothing), and with a collector that is stopped for a while, what was recorded and what was lost add
up, kind by kind and to the last event, to what a second program in the kernel counts on its own
(prog/count.bpf.c)."""
import os
import re
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()
KINDS = ("task_new", "task_name", "task_exec", "task_exit", "task_counts", "switch", "block",
         "waking", "migrate", "futex", "sample")
# a name of its own: the counter knows the program by it
NAME = f"kinds{os.getpid() % 1000000}"
PROGRAM = e2e.compile_c("kinds.c", NAME, "-O1", "-g")
RUN_S, STOPPED_S = 0.5, 1
# The sampling timer ran out, and the kernel did not run the program: on 6.18 one tick in a
# thousand, besides those that the counter can explain (`refused`).
UNSEEN_TICKS_SHARE = 0.01
VISITS = 2000


def build_counter():
    count = e2e.compile_c("count.c", "count", "-O1", "-Wl,--no-as-needed", "-lbpf")
    shown = e2e.run(["clang", "-v", "-E", "-"]).stderr
    found = shown.split("search starts here:")[-1].split("End of search")[0]
    arch = {"x86_64": "x86", "aarch64": "arm64"}[os.uname().machine]
    command = ["clang", "-g", "-O2", "-target", "bpf", "-mcpu=v3", f"-D__TARGET_ARCH_{arch}"]
    for folder in found.split():
        command += ["-idirafter", folder]
    built = e2e.run([*command, "-c", os.path.join(e2e.PROGRAMS, "count.bpf.c"),
                     "-o", e2e.path("count.bpf.o")])
    if built.returncode:
        raise e2e.Harness(built.stderr)
    return [count, e2e.path("count.bpf.o"), NAME]


def start_counter(command):
    counter = e2e.start(command, stdin=e2e.subprocess.PIPE, stdout=e2e.subprocess.PIPE,
                        stderr=e2e.subprocess.PIPE)
    if counter.stdout.readline() != b"ready\n":
        raise e2e.Harness(f"the counter does not count: {counter.stderr.read()}")
    return counter


def read_counter(counter):
    return e2e.json.loads(counter.communicate(timeout=30)[0])


def events_of(trace):
    """What the trace says has been since the program's exec: recorded and lost, by kind; the kinds
    of losses before it."""
    recorded, lost, early = dict.fromkeys(KINDS, 0), {}, []
    start_ns = None
    rows = []
    for line in e2e.export(trace, "text").splitlines():
        if not line[:1].isdigit():
            continue
        ts, _, kind, tid, *fields = line.split()
        rows.append((int(ts.replace("_", "")), kind, fields))
        if kind == "task_exec" and start_ns is None:
            start_ns = rows[-1][0]
    for ts, kind, fields in rows:
        pairs = dict(f.split("=", 1) for f in fields if "=" in f)
        if kind == "loss":
            what = pairs.get("kind", "several")
            lost[what] = lost.get(what, 0) + int(pairs["count"].replace("_", ""))
            if int(pairs["since"].replace("_", "")) < start_ns:
                early.append(what)
        elif ts >= start_ns and kind in recorded:
            recorded[kind] += 1
    return recorded, lost, early


def record(command, *options, stop=False):
    trace = e2e.trace_name()
    end = f"{trace}.end"
    counter = start_counter(command)
    ctrace = e2e.start([e2e.CTRACE, "--quiet", "--no-html", "-o", trace, *options, PROGRAM, end])
    e2e.wait_for("events on disk", lambda: os.path.exists(trace) and os.path.getsize(trace) > 20000)
    time.sleep(RUN_S)
    if stop:
        os.kill(ctrace.pid, signal.SIGSTOP)
        time.sleep(STOPPED_S)
        os.kill(ctrace.pid, signal.SIGCONT)
        time.sleep(RUN_S)
    with open(end, "w", encoding="ascii"):
        pass
    status = ctrace.wait(60)
    counted = read_counter(counter)
    return e2e.Recording(trace, e2e.subprocess.CompletedProcess([], status, "", "")), counted


def check_sums(name, recording, counted, kinds=KINDS, of_each=True):
    recorded, lost, early = events_of(recording.trace)
    e2e.equal(f"{name}: exit status", recording.status, 0)
    e2e.equal(f"{name}: the second count is whole", counted["unknown"], 0)
    e2e.equal(f"{name}: nothing was lost before the program began", early, [])
    by_kind = {k: n for k, n in recording.json["loss"]["by_kind"].items() if n}
    e2e.equal(f"{name}: the summary has the losses of the trace", by_kind, lost)
    for kind in kinds:
        got, missed = recorded[kind], lost.get(kind, 0)
        unseen = counted[kind] - got - missed
        allowed = counted[kind] * UNSEEN_TICKS_SHARE if kind == "sample" else 0
        e2e.check(f"{name}: {kind}: {got} recorded and {missed} lost are {counted[kind]}",
                  counted[kind] > 0 and 0 <= unseen <= allowed, unseen)
    if lost:
        check_marks(name, recording)
    if of_each:
        e2e.equal(f"{name}: some were lost of each kind", [k for k in kinds if not lost.get(k)], [])
    e2e.note(f"{name}: {counted['refused']} ticks at which the kernel would not sample")


HEAD = re.compile(r"; ~[\d.]+\s+of\s+\d+\s+CPUs?\s+used;\s+~[\d,]+\s+thread")
# In the report: a time, a share, a factor, without the mark.
BARE = re.compile(r"(?<![~<>\w.,])[<>]?\d[\d,.]*(?: ?%| ns| us| ms| s|x)(?!\w)")


def check_marks(name, recording):
    """Whatever a loss may have changed says so: report and summary."""
    report = e2e.run([e2e.CTRACE, "report", "-v", recording.trace]).stdout
    head, tables = report.split("\nThreads ", 1)
    # threads whose life no loss fell into have no mark, nor has the length of their axis
    tables = tables.split("\nLost events", 1)[0].split("\n\n", 1)[-1]
    e2e.check(f"{name}: the report's head is marked",
              HEAD.search(head), head[:300])
    own = [w for w in BARE.findall(tables.replace("would save 2 % of it", ""))]
    e2e.check(f"{name}: the figures of the report's tables are marked", not own, (own, tables))
    marked = recording.json
    bare = [key for key, value in marked.items() if key not in ("schema", "loss", "threads")
            for o in (value if isinstance(value, list) else [value]) if o.get("lossy") is not True]
    e2e.equal(f"{name}: so are all parts of the summary", bare, [])
    e2e.check(f"{name}: and its threads", any(t["lossy"] for t in marked["threads"]))


def check_accesses():
    """The program says itself how often it touches the variable: it is read and written for each
    visit of four threads, and read at the end."""
    trace = e2e.trace_name()
    command = [e2e.CTRACE, "--quiet", "--no-html", "-o", trace, "--buffer", "64K",
               "--watch", "counter", os.path.join(e2e.DEMOS, "race"), "plain", str(VISITS)]
    ctrace = e2e.start(command, stdout=e2e.subprocess.PIPE, stderr=e2e.subprocess.PIPE,
                       text=True)
    e2e.wait_for("accesses on disk, or the end", lambda: ctrace.poll() is not None or (
        os.path.exists(trace) and os.path.getsize(trace) > 8000))
    if ctrace.poll() is None:
        os.kill(ctrace.pid, signal.SIGSTOP)
        time.sleep(STOPPED_S / 4)
        os.kill(ctrace.pid, signal.SIGCONT)
    out, err = ctrace.communicate(timeout=60)
    run = e2e.subprocess.CompletedProcess([], ctrace.returncode, out, err)
    if "debug registers" in run.stderr or "x86-64 alone" in run.stderr:
        e2e.note(f"accesses are not watched here: {run.stderr.strip()}")
        return
    recording = e2e.Recording(trace, run)
    rows = [line.split() for line in e2e.export(trace, "text").splitlines() if line[:1].isdigit()]
    if any(row[2] == "watch" and "on=pause" in row for row in rows):
        raise e2e.Harness("not every access was asked for: fewer VISITS")
    got = sum(row[2] == "access" for row in rows)
    missed = recording.json["loss"]["by_kind"].get("access", 0)
    expected = 2 * 4 * VISITS + 1
    e2e.check(f"watched: access: {got} recorded and {missed} lost are {expected}",
              got + missed == expected, got + missed - expected)
    e2e.check("watched: some were lost", missed > 0, recording.json["loss"])
    e2e.check("watched: the variable is marked",
              [v["complete"] for v in recording.json["watch"]] == [False], recording.json["watch"])
    report = e2e.run([e2e.CTRACE, "report", trace]).stdout
    e2e.check("watched: in the report, too", "a sample: some were lost" in report
              and re.search(r"read ~[0-9,]+ and written ~[0-9,]+ times", report), report)
    check_marks("watched", recording)


counter_command = build_counter()
check_sums("tiny rings", *record(counter_command, "--buffer", "64K", "--cpu-samples=999"),
           of_each=False)
check_sums("collector stopped", *record(counter_command, "--buffer", "64K", "--cpu-samples=999",
                                        stop=True))
check_sums("collector stopped, switches alone",
           *record(counter_command, "--buffer", "256K", "--futex=switch", "--cpu-samples=999",
                   stop=True), kinds=[k for k in KINDS if k != "futex"])
check_accesses()
e2e.done()
