#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Hits, delays and false alarms over many runs: make soak, or tests/soak.py [RUNS] [NAME...].

Each program that hangs is run RUNS times (20), and each that does not; a table says how often what
was announced, how fast, and what should not have been.  Then each demo of the course, and how often
its verdict was the right one.  Then the race demo under --watch: its wrong variant must be
witnessed in each run, the right ones, shaken, in none of 2.5 times as many.  NAME: a program of
the first table, a demo, or `hangs`, `demos` or `watch`.  Status 1 if anything was missed, late or
false.
"""
import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "e2e", "lib"))
import e2e
import hangs
import verdicts

RUNS_DEFAULT = 20
SIDE_BY_SIDE = 4   # innocent runs at a time: they mostly sleep


def soak_guilty(programs, name, runs):
    """True if each run was announced once, in time, as what it is, and found in the report."""
    kind = hangs.GUILTY[name][0]
    hits, late, other, found, delays = 0, 0, 0, 0, []
    for _ in range(runs):
        delay, said, _, run = hangs.run_guilty(programs, name)
        kinds = [k for _, k, _ in said]
        hits += kinds == [kind]
        other += len([k for k in kinds if k != kind]) + max(kinds.count(kind) - 1, 0)
        found += [f["id"] for f in run.findings()] == [kind]
        if delay is not None:
            delays.append(delay)
            late += delay > hangs.ANNOUNCED_S
        if os.path.exists(run.trace):
            os.unlink(run.trace)
    delays.sort()
    middle, most = (delays[len(delays) // 2], delays[-1]) if delays else (0, 0)
    print(f"{name:18} {kind:15} {hits:4}/{runs} {found:4}/{runs} {late:5} {other:6}  "
          f"{middle:6.2f} s {most:6.2f} s", flush=True)
    return hits == runs and found == runs and not late and not other


def soak_innocent(name, command, runs):
    results = hangs.run_side_by_side([command] * runs, SIDE_BY_SIDE)
    alarms = sum(len(said) for said, _, _ in results)
    found = sum(len(findings) for _, findings, _ in results)
    print(f"{name:18} {'-':15} {alarms:4} alarms {found:4} findings in {runs} runs", flush=True)
    return not alarms and not found


def soak_demo(demo, variant, runs):
    wrong = []
    for _ in range(runs):
        recording = e2e.record([verdicts.program(demo), variant])
        wrong.append("; ".join(verdicts.complaints(demo, variant, recording)))
        os.unlink(recording.trace)
    hits = wrong.count("")
    expected = verdicts.DEMOS[demo][variant][0]
    print(f"{demo:17} {variant:21} {expected:24} {hits:4}/{runs}", flush=True)
    for text in sorted({text for text in wrong if text}):
        print(f"    {wrong.count(text)} times: {text}", flush=True)
    return hits == runs


WATCHED = "counter,atomic_counter"
VISITS = "300"
RIGHT = ("mutex", "atomic", "messages", "local-then-merge")
SHAKEN_TIMES = 2.5   # as many runs of a right variant as of the wrong one


def adds_one(witness, tid):
    """Each of the two writes one more than it has read, if its reading is shown."""
    values = [t["value"] for t in witness if t["tid"] == tid]
    return len(values) < 2 or values[1] == values[0] + 1


def race(variant, *options):
    """What a run was accused of; whether values, lines and the sum of its witness are right."""
    run, truth = e2e.demo("race", variant, "--watch", WATCHED, *options, arguments=[VISITS])
    found = [f["id"] for f in run.json["findings"]
             if f["id"] in ("lost-update", "unprotected-sharing")]
    counter = next(v for v in run.json["watch"] if v["name"] == "counter")
    lost = next(t["value"] for t in truth if t.get("count") == "lost")
    expected = 4 * int(VISITS)
    witness = counter["witness"]
    right = (bool(witness) and counter["expected"] == expected
             and counter["last"] == expected - lost
             and len({t["line"] for t in witness}) == 1
             and witness[-1]["tid"] != witness[-2]["tid"]
             and all(adds_one(witness, tid) for tid in {t["tid"] for t in witness}))
    os.unlink(run.trace)
    return found, right, lost


def soak_watch(runs):
    unwatched = sum(b"lost 0" in subprocess.run(
        [os.path.join(e2e.DEMOS, "race"), "plain", VISITS], stdout=subprocess.PIPE,
        check=True).stdout for _ in range(runs))
    results = [race("plain") for _ in range(runs)]
    seen = sum("lost-update" in found for found, _, _ in results)
    right = sum(good for _, good, _ in results)
    print(f"{'race plain':24} witnessed {seen}/{runs}, lines and values right {right}/{runs}; "
          f"unwatched, {unwatched}/{runs} lose nothing", flush=True)
    good = seen == runs and right == runs
    for variant in RIGHT:
        cnt = int(runs * SHAKEN_TIMES)
        accused = sum(bool(race(variant, f"--shake={i + 1}")[0]) for i in range(cnt))
        print(f"{'race ' + variant:24} accused   {accused}/{cnt}, shaken", flush=True)
        good &= not accused
    return good


def soak_hangs(programs, wanted, runs):
    innocent = {name: programs.command(name) for name in hangs.INNOCENT}
    innocent.update(hangs.tools())
    good = True
    print(f"{'program':18} {'what it is':15} {'told':>7} {'report':>7} {'late':>5} {'false':>6} "
          f"{'middle':>9} {'longest':>8}")
    for name in hangs.GUILTY:
        if wanted(name, "hangs"):
            good &= soak_guilty(programs, name, runs)
    for name, command in innocent.items():
        if wanted(name, "hangs"):
            good &= soak_innocent(name, command, runs)
    return good


def soak_demos(wanted, runs):
    good = True
    print(f"\n{'demo':17} {'variant':21} {'verdict':24} {'right':>7}")
    for demo, variant in verdicts.variants():
        if wanted(demo, "demos"):
            good &= soak_demo(demo, variant, runs)
    return good


def main():
    e2e.needs_recording()
    arguments = sys.argv[1:]
    runs = int(arguments.pop(0)) if arguments and arguments[0].isdigit() else RUNS_DEFAULT

    def wanted(name, kind):
        return not arguments or name in arguments or kind in arguments

    hung = soak_hangs(hangs.Programs(), wanted, runs)
    judged = soak_demos(wanted, runs)
    e2e.check("every hang told in time, and nothing else", hung)
    e2e.check("every demo's verdict is the right one", judged)
    if not arguments or "watch" in arguments:
        e2e.check("every lost update witnessed, and nothing else", soak_watch(runs))
    e2e.done()


main()
