#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 240
"""--watch: a lost update is witnessed with the right lines and values, and who guards what is said;
correct programs are never accused, shaken neither.  The truth is what the programs count."""
import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_watching()

VISITS = 400
AT_ONCE = 2     # of programs that are right: so they are however the CPUs are shared
BAD = ("lost-update", "unprotected-sharing")


def variables(recording):
    return {v["name"]: v for v in recording.json["watch"]}


def accusations(recording):
    return [f["id"] for f in recording.json["findings"] if f["id"] in BAD]


def line_of(source, text):
    with open(os.path.join(source), encoding="utf-8") as lines:
        return [n for n, line in enumerate(lines, 1) if text in line]


def check_witness(name, variable, lines):
    """Two threads; the last row writes what follows from its own reading, another one's write
    between; each value is what the variable had."""
    w = variable["witness"]
    if not e2e.check(f"{name}: a witness of three or four accesses", len(w) in (3, 4), w):
        return
    writer, other = w[-1]["tid"], w[-2]["tid"]
    own = [t for t in w if t["tid"] == writer]
    e2e.check(f"{name}: two threads", writer != other and len({t['tid'] for t in w}) == 2, w)
    e2e.check(f"{name}: it reads, the other one writes, it writes",
              [t["access"] for t in own] == ["read", "write"] and "write" in
              [t["access"] for t in w if t["tid"] == other], w)
    e2e.check(f"{name}: in order of time", w == sorted(w, key=lambda t: t["t_ns"]), w)
    e2e.check(f"{name}: what it writes follows from what it read, not from what is there",
              own[1]["value"] - own[0]["value"] in (1, -1, 7), w)
    e2e.check(f"{name}: the lines", {t["line"] for t in w} <= set(lines), (w, lines))


# ---- the course's demo --------------------------------------------------------------------------

race_c = os.path.join(e2e.ROOT, "demos", "race.c")
plain_line = line_of(race_c, "counter = counter + 1;")[0]
for i in range(2):
    recording, truth = e2e.demo("race", "plain", "--watch", "counter", "--fail-on", "lost-update",
                                arguments=[str(VISITS)])
    lost = next(t["value"] for t in truth if t.get("count") == "lost")
    counter = variables(recording)["counter"]
    e2e.equal(f"race plain {i}: --fail-on lost-update", recording.status, 90)
    e2e.check(f"race plain {i}: found", "lost-update" in accusations(recording), recording.stderr)
    e2e.check(f"race plain {i}: updates are lost", counter["lost_updates"] > 0, counter)
    e2e.equal(f"race plain {i}: what it should have been", counter["expected"], 4 * VISITS)
    e2e.equal(f"race plain {i}: what it was", counter["last"], 4 * VISITS - lost)
    e2e.equal(f"race plain {i}: every write was seen", counter["writes"], 4 * VISITS)
    check_witness(f"race plain {i}", counter, [plain_line])

# ---- over many runs -----------------------------------------------------------------------------

def tally(values):
    """value: in how many runs, of so few that each has a row of its own"""
    return {value: values.count(value) for value in sorted(set(values))}


def bins(rows):
    return {row["from"]: row["runs"] for row in rows if row["from"] == row["to"]}


RUNS = 5
race = os.path.join(e2e.ROOT, "build", "demos", "race")
os.makedirs(e2e.path("many"))
many = e2e.run([e2e.CTRACE, "-r", str(RUNS), "--watch", "counter", "--shake=123456", "--fail-on",
                "lost-update", "--json", "-o", "race.ctrace", race, "plain", str(VISITS)],
               cwd=e2e.path("many"))
summary = json.loads(many.stdout[many.stdout.index("{\n"):])
seeds = [run["seed"] for run in summary["runs"]]
own = [json.loads(e2e.export(e2e.path(f"many/race.{i + 1}.ctrace"), "json"))["watch"][0]
       for i in range(RUNS)]
counter = summary["watch"][0]
said = [int(n) for n in re.findall(r"counted (\d+) of", many.stdout)]
e2e.equal("many runs: --fail-on", many.returncode, 90)
e2e.equal("many runs: the first has the seed that was asked for, each has its own",
          (summary["seed"], seeds[0], len(set(seeds))), (123456, 123456, RUNS))
e2e.equal("many runs: the losses are the runs' own", bins(counter["lost"]),
          tally([v["lost_updates"] for v in own]))
e2e.equal("many runs: the final values are what the programs counted", bins(counter["last"]),
          tally(said))
e2e.equal("many runs: in how many", [counter["runs"], counter["lost_runs"], counter["expected"]],
          [RUNS, sum(v["lost_updates"] > 0 for v in own), 4 * VISITS])
e2e.equal("many runs: the findings", {f["id"]: f["runs"] for f in summary["findings"]
                                      if f["id"] in BAD}["lost-update"], counter["lost_runs"])
first = next(i for i, v in enumerate(own, 1) if v["lost_updates"] or v["sharing"] == "unguarded")
e2e.equal("many runs: which to open", [summary["bad"]["first"], summary["bad"]["trace"]],
          [first, f"race.{first}.ctrace"])
again = e2e.run([e2e.CTRACE, "-r", "2", "--watch", "counter", "--shake", "-o", "race.ctrace", race,
                 "plain", str(VISITS)], cwd=e2e.path("many"))
seeds = [int(n) for n in re.findall(r"^  run \d+ .* seed (\d+)  ", again.stderr, re.MULTILINE)]
e2e.check("a chosen seed is printed, with each run's own", len(seeds) == 2 and seeds[0] != seeds[1]
          and all(f"--shake={n}" in again.stderr for n in seeds)
          and f"--shake={seeds[0]} repeats its" in " ".join(again.stderr.split()), again.stderr)
good = e2e.run([e2e.CTRACE, "-r", "3", "--watch", "counter", "--shake=7", "-o", "race.ctrace", race,
                "mutex", "100"], cwd=e2e.path("many"))
e2e.check("a program that is right: none lost, and what that does not prove",
          good.returncode == 0 and re.search(r"^counter +an update was lost +0 of 3", good.stderr,
                                             re.MULTILINE)
          and "up to 64 %" in " ".join(good.stderr.split()), good.stderr)   # 1 - 0.05^(1/3)

def check_right(variant, options):
    recording, _ = e2e.demo("race", variant, "--watch", "counter,atomic_counter", *options,
                            arguments=[str(VISITS)])
    name = f"race {variant} {' '.join(options)}"
    e2e.equal(f"{name}: exit status", recording.status, 0)
    e2e.equal(f"{name}: nobody is accused", accusations(recording), [])
    watched = variables(recording)
    if variant == "mutex":
        e2e.equal(f"{name}: guarded", (watched["counter"]["sharing"], watched["counter"]["locks"]),
                  ("guarded", ["counter_lock"]))
    if variant == "atomic":
        e2e.equal(f"{name}: atomic", watched["atomic_counter"]["sharing"], "atomic")
        e2e.equal(f"{name}: each counted", watched["atomic_counter"]["writes"], 4 * VISITS)


def side_by_side(check, cases, seed):
    """Each case unshaken and shaken, a few at a time."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(check, *zip(*((case, options) for case in cases
                                    for options in ((), (f"--shake={seed}",))))))


side_by_side(check_right, ("mutex", "atomic", "messages", "local-then-merge"), 5)

# ---- other ways to share ------------------------------------------------------------------------

source = os.path.join(e2e.PROGRAMS, "watch.c")
e2e.compile_c("watch.c", "libwatched.so", "-O1", "-g", "-fPIC", "-shared", "-DLIBRARY")
program = e2e.compile_c("watch.c", "watch", "-O1", "-g", f"-L{e2e.DIR}", f"-Wl,-rpath,{e2e.DIR}",
                        "-Wl,--no-as-needed", e2e.path("libwatched.so"))


TIMES = 1500    # so many that threads meet, however busy the machine is


def watch(mode, what, *options, times=TIMES):
    recording = e2e.record([program, mode, str(times)], "--watch", what, *options)
    e2e.equal(f"{mode}: exit status", recording.status, 0)
    return recording, variables(recording)


recording, v = watch("three", "by_m1,by_m2,by_none,fixed")
e2e.equal("three: the map", {n: (x["sharing"], x["locks"]) for n, x in v.items()},
          {"by_m1": ("guarded", ["m1"]), "by_m2": ("guarded", ["m2"]),
           "by_none": ("unguarded", []), "fixed": ("read-only", [])})
e2e.equal("three: what by_none should have been", v["by_none"]["expected"], 3 * TIMES * 7)
e2e.equal("three: what by_none was", v["by_none"]["last"], int(recording.stdout))
check_witness("three", v["by_none"], line_of(source, "by_none = by_none + fixed;"))

recording, v = watch("three", "auto", times=6000000)
shown = {n: v[n]["sharing"] for n in ("by_m1", "by_m2", "by_none", "fixed")}
e2e.equal("three by --watch=auto: the map", shown, {"by_m1": "guarded", "by_m2": "guarded",
                                                    "by_none": "unguarded", "fixed": "read-only"})

recording, v = watch("check", "seats")
e2e.check("check-then-act: accused", accusations(recording), v)
recording, v = watch("through", "total")
e2e.equal("through functions: what it should have been", v["total"]["expected"], 3 * TIMES)
check_witness("through functions", v["total"],
              line_of(source, "return total;") + line_of(source, "total = n;"))
recording, v = watch("member", "stats[2].hits")
e2e.equal("a member: what it was", v["stats[2].hits"]["last"], int(recording.stdout))
check_witness("a member", v["stats[2].hits"], line_of(source, "stats[2].hits = "))
recording, v = watch("library", "shared_hits")
e2e.equal("of a library: what it should have been", v["shared_hits"]["expected"], 3 * TIMES)
check_witness("of a library", v["shared_hits"], line_of(source, "shared_hits = shared_hits"))

INNOCENT = {"lazy": "ready", "flag": "stop_flag", "barrier": "phase_sum", "signal": "handed",
            "semaphore": "guarded", "heap": "guarded", "rwlock": "guarded", "forks": "guarded"}


def check_innocent(mode, options):
    what = INNOCENT[mode]
    innocent, seen = watch(mode, what, *options, times=900 if mode == "rwlock" else 300)
    e2e.equal(f"{mode} {' '.join(options)}: nobody is accused", accusations(innocent), [])
    if mode == "flag":
        e2e.equal("flag: one byte, one writer", (seen[what]["size"], seen[what]["sharing"]),
                  (1, "one-writer"))
    if mode == "rwlock":
        e2e.equal("rwlock: named", seen[what]["locks"], ["rwlock"])


side_by_side(check_innocent, INNOCENT, 3)

spin = e2e.compile_c("watch.c", "watch_spin", "-O1", "-g", "-DSPIN", "-Wl,--no-as-needed",
                     e2e.path("libwatched.so"), f"-Wl,-rpath,{e2e.DIR}")
recording = e2e.record([spin, "spin", "300"], "--watch", "guarded")
e2e.equal("spin: nobody is accused", accusations(recording), [])
e2e.equal("spin: each counted", variables(recording)["guarded"]["last"], 900)

recording, v = watch("set", "latest")
e2e.equal("everyone sets it: not lost, but unprotected", accusations(recording),
          ["unprotected-sharing"])

cxx = e2e.compile_c("watch.cc", "watch_cc", "-O1", "-g", compiler="g++")
recording = e2e.record([cxx], "--watch", "pool::Worker::bare,Worker::guarded,pool::Worker::atomic")
v = variables(recording)
e2e.equal("C++: the map", [x["sharing"] for x in recording.json["watch"]],
          ["unguarded", "guarded", "atomic"])
e2e.equal("C++: what it was", v["pool::Worker::bare"]["last"], int(recording.stdout.split()[0]))

# ---- attached -----------------------------------------------------------------------------------

HITS = "stats[2].hits"


def start_waiting():
    return e2e.start([program, "member", "300", "wait"], stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE)


def watch_attached(trace, pid, what):
    """A ctrace that watches already."""
    ctrace = e2e.start([e2e.CTRACE, "-o", e2e.path(trace), "--watch", what, "-p", str(pid)],
                       stderr=subprocess.PIPE)
    said = b""
    while b"watching" not in said:
        line = ctrace.stderr.readline()
        if not line:
            break
        said += line
    return ctrace


def go_on(waiting):
    """To its end; what it counted."""
    waiting.stdin.write(b"\n")
    waiting.stdin.close()
    hits = int(waiting.stdout.read())
    waiting.wait(60)
    return hits


def check_attached(name, ctrace, trace, hits):
    ctrace.wait(60)
    seen = variables(e2e.Recording(e2e.path(trace), subprocess.CompletedProcess(
        [], ctrace.returncode, "", "")))[HITS]
    e2e.equal(f"{name}: every write was seen", seen["writes"], 900)
    e2e.equal(f"{name}: what it was, and should have been", (seen["last"], seen["expected"]),
              (hits, 900))


process = start_waiting()
tracer = watch_attached("attached.ctrace", process.pid, HITS)
check_attached("attached", tracer, "attached.ctrace", go_on(process))

process = start_waiting()
tracers = [watch_attached(f"both{i}.ctrace", process.pid, HITS) for i in range(2)]
count = go_on(process)
for i, tracer in enumerate(tracers):
    check_attached(f"two at once, {i + 1}", tracer, f"both{i}.ctrace", count)

process = start_waiting()
ALL_REGISTERS = f"by_m1,by_m2,by_none,{HITS}"
tracer = watch_attached("killed.ctrace", process.pid, ALL_REGISTERS)
os.kill(tracer.pid, signal.SIGKILL)
tracer.wait(60)
tracer = watch_attached("after.ctrace", process.pid, ALL_REGISTERS)
check_attached("after one was killed", tracer, "after.ctrace", go_on(process))
e2e.equal("the program of a killed ctrace: its exit status", process.returncode, 0)

# ---- one clear line -----------------------------------------------------------------------------

for what, words in (("nonsense", "no variable 'nonsense'"), ("stats[9].hits", "4 elements"),
                    ("stats[2].misses", "no member 'misses'"),
                    ("stats", "debug registers"), ("by_m1[0]", "is no array")):
    result = e2e.record([program, "three"], "--watch", what)
    e2e.check(f"--watch {what}: {words}", result.status == 125 and words in result.stderr and
              result.stderr.count("\n") == 1, result.stderr)
taken = e2e.record([program, "three"], "--watch", "by_m1,by_m2,by_none,fixed,total")
e2e.check("five variables: there are four registers", taken.status == 125 and
          "4" in taken.stderr, taken.stderr)
debugged = e2e.start([program, "three", "1", "wait", "taken"], stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE)
if debugged.stdout.readline() == b"taken\n":
    result = e2e.attach(debugged.pid, "--watch", "by_m1", seconds=0.1)
    e2e.check("a debugger has the registers: one line", result.status == 125 and
              "all debug registers are taken" in result.stderr and
              result.stderr.count("\n") == 1, result.stderr)
e2e.stop(debugged)
missing = e2e.record([e2e.path("not-there")], "--watch", "x")
e2e.equal("a program that is not there", missing.status, 127)

e2e.done()
