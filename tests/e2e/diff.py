#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 240
"""ctrace diff and ctrace check on recorded runs: the mended program's gain and what it comes from;
the same program twice, where nothing differs; how sides are named; rules for graders.
"""
import json
import os
import shutil
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

TRACES = os.path.join(e2e.ROOT, "tests", "diff")
RUNS = 5                # what the rank test needs, which asks nothing of a busy machine but order
# shelves: 4 threads sleep 25 x 2 ms, one after the other or all at once.  How late sleepers are
# woken on a busy machine is in both; it makes the gain smaller than four, not small.
GAIN_LEAST = 2.0
# each session is a scheduling group of its own where the kernel groups by session
FIRST = ["sh", "-c", 'echo -20 >/proc/self/autogroup; exec "$@"', "sh"]


def diff(*words, status=0, cwd=None):
    result = e2e.run([e2e.CTRACE, "diff", *words], cwd=cwd or e2e.DIR)
    e2e.equal(f"diff {' '.join(words)}: status", result.returncode, status)
    return result


def series(name, *command, runs=RUNS):
    result = e2e.run([*FIRST, e2e.CTRACE, "-r", str(runs), "--quiet", "-o",
                      e2e.path(f"{name}.ctrace"), *command])
    if result.returncode:
        raise e2e.Harness(f"{command}: {result.returncode} {result.stderr}")


def figure(data, group, name, what):
    return next(f for f in data["figures"]
                if (f["group"], f["name"], f["what"]) == (group, name, what))


# ---- how sides are named: needs no root ----------------------------------------------------------

def sides():
    for side, trace in (("x", "lock.a.ctt"), ("y", "lock.b.ctt")):
        os.mkdir(e2e.path(side))
        for i in (1, 2, 3):
            shutil.copy(os.path.join(TRACES, trace), e2e.path(f"{side}/{i}.ctrace"))
    shutil.copy(os.path.join(TRACES, "lock.a.ctt"), e2e.path("a,b.ctrace"))
    whole = json.loads(diff("--json", "x", "y").stdout)
    e2e.equal("directories: their traces", [[run["trace"] for run in whole[side]["runs"]]
                                            for side in "ab"],
              [[f"{side}/{i}.ctrace" for i in (1, 2, 3)] for side in "xy"])
    e2e.equal("directories: the noise is that of ranges", whole["noise"], "ranges")
    for name, words in (("patterns", ["x/*.ctrace", "y/?.ctrace"]),
                        ("--", [f"x/{i}.ctrace" for i in (1, 2, 3)] + ["--", "y/"])):
        other = json.loads(diff("--json", *words).stdout)
        e2e.equal(f"{name}: the same", other["figures"], whole["figures"])
    commas = json.loads(diff("--json", "x/1.ctrace,x/2.ctrace", "a,b.ctrace").stdout)
    e2e.equal("commas, but not in the name of a file that is there",
              [[run["trace"] for run in commas[side]["runs"]] for side in "ab"],
              [["x/1.ctrace", "x/2.ctrace"], ["a,b.ctrace"]])
    e2e.equal("... and the same twice differs in nothing",
              [f for f in commas["figures"] if f["beyond_noise"]], [])
    for words, said in ((["x", "none.ctrace"], "none.ctrace"), (["x", "z*"], "z*")):
        refused = diff(*words, status=125)
        e2e.check(f"diff {' '.join(words)}: one line names it", refused.stderr.count("\n") == 1
                  and said in refused.stderr, refused.stderr)
    os.mkdir(e2e.path("empty"))
    refused = diff("x", "empty", status=125)
    e2e.check("an empty directory: one line, with the next step", refused.stderr.count("\n") == 1
              and "'empty' holds no *.ctrace" in refused.stderr, refused.stderr)


def rules():
    def check(*words):
        return e2e.run([e2e.CTRACE, "check", *words])

    kept = check("x/1.ctrace", "--rule", "duration < 101ms", "--rule", "no deadlock")
    e2e.equal("rules that are kept: 0", [kept.returncode, kept.stdout.splitlines()[-1]],
              [0, "1 of 1 runs pass"])
    broken = check("x", "y", "--rule", "duration < 60ms", "--json")
    data = json.loads(broken.stdout)
    e2e.equal("a rule that some runs break: 90", broken.returncode, 90)
    e2e.equal("... and which", [data["passed"]] + [run["passed"] for run in data["runs"]],
              [False] + [False] * 3 + [True] * 3)
    e2e.equal("... with the figure", data["runs"][0]["rules"],
              [{"rule": "duration < 60ms", "passed": False, "value": 100000000, "unit": "ns"}])
    bad = check("x", "--rule", "durration < 60ms")
    e2e.check("a rule that is none: 125 and one line that names it", bad.returncode == 125
              and bad.stderr.count("\n") == 1 and "durration" in bad.stderr
              and not bad.stdout, bad.stderr)
    with open(e2e.path("y/4.ctrace"), "wb") as file:
        file.write(b"\x89nothing of ours")
    mixed = check("y", "--rule", "duration < 60ms")
    e2e.check("a trace that cannot be read: 125, and the others are graded",
              mixed.returncode == 125 and "error  y/4.ctrace" in mixed.stdout
              and mixed.stdout.endswith("3 of 4 runs pass\n"), mixed.stdout + mixed.stderr)
    os.unlink(e2e.path("y/4.ctrace"))


# ---- recorded ------------------------------------------------------------------------------------

def mended():
    shelves = e2e.compile_c("shelves.c", "shelves", "-O2", "-g")
    series("one", shelves, "one-lock")
    series("split", shelves, "split")
    text = diff("one.*.ctrace", "split.*.ctrace").stdout
    data = json.loads(diff("--json", "one.*.ctrace", "split.*.ctrace").stdout)
    first = " ".join(text.split("\nA ")[0].split())
    e2e.check("shelves: the gain, first of all", data["speedup"] and data["speedup"] > GAIN_LEAST
              and f"B is {data['speedup']:.2f} times as fast" in first, text)
    e2e.check("shelves: and that it is the lock", "big_lock's waits are gone" in first, text)
    lock = figure(data, "locks", "big_lock", "wait")
    e2e.check("shelves: the lock's waits, of both sides", lock["beyond_noise"]
              and lock["a"]["median"] > 200_000_000 and lock["b"]["most"] == 0, lock)
    role = figure(data, "threads", "shelver-* in shelve", "lock")
    e2e.check("shelves: the threads' part, by role", role["beyond_noise"]
              and abs(role["a"]["median"] - lock["a"]["median"]) < 0.01 * lock["a"]["median"], role)
    path = sum(f["a"]["median"] for f in data["figures"] if f["group"] == "critical path")
    duration = figure(data, "run", "", "duration")["a"]
    e2e.check("shelves: A's critical path is A's duration, as far as medians add up",
              0.9 * duration["least"] < path < 1.1 * duration["most"], [path, duration])
    gone = {f["id"] for f in data["findings"] if f["change"] == "gone"}
    e2e.check("shelves: the finding is gone", gone & {"lock-contention", "lock-held-while-blocked",
                                                      "lock-convoy"}, data["findings"])
    back = json.loads(diff("--json", "split.*.ctrace", "one.*.ctrace").stdout)
    e2e.check("shelves: the other way round it takes longer", back["headline"].startswith(
        "B takes ") and "big_lock's waits are new" in back["headline"], back["headline"])
    status = e2e.run([e2e.CTRACE, "check", e2e.path("one.1.ctrace"), "--rule",
                      "lock:big_lock < 100ms"]).returncode
    e2e.equal("shelves: check grades the lock", status, 90)


def same_twice():
    sleeper = ["sh", "-c", "sleep 0.3 & sleep 0.2; wait"]
    for i in (1, 2, 3):     # by turns: what the machine does changes between two series
        for name in ("same", "again"):
            result = e2e.run([*FIRST, e2e.CTRACE, "--quiet", "-o", e2e.path(f"{name}.{i}.ctrace"),
                              *sleeper])
            e2e.equal(f"{name} {i}: status", result.returncode, 0)
    text = diff("same.*.ctrace", "again.*.ctrace").stdout
    e2e.check("the same program twice: no difference beyond the noise",
              text.startswith("No difference beyond the noise: A took 3"), text)


def contention():
    demo = os.path.join(e2e.DEMOS, "contention")
    series("queue", demo, "one-lock", runs=3)
    series("sharded", demo, "sharded", runs=3)
    text = diff("queue.*.ctrace", "sharded.*.ctrace").stdout
    data = json.loads(diff("--json", "queue.*.ctrace", "sharded.*.ctrace").stdout)
    lock = figure(data, "locks", "big_lock", "wait")
    e2e.check("contention: big_lock's waits are gone, and the first sentence says so",
              lock["beyond_noise"] and lock["b"]["most"] == 0
              and "big_lock's waits are gone" in " ".join(data["headline"].split()), text)
    # how much of the second CPU there is to be had, the machine decides
    duration = figure(data, "run", "", "duration")
    e2e.note(f"contention: {duration['a']} -> {duration['b']}")
    e2e.check("contention: the mended one is not slower, and a gain beyond the noise is named",
              (data["speedup"] or 1) >= 1 and (data["speedup"] is None or
              f"B is {data['speedup']:.2f} times as fast" in data["headline"]), text)


sides()
rules()
e2e.needs_recording()
mended()
same_twice()
contention()
e2e.done()
