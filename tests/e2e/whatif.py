#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 200
"""What-if against what was: demos whose mended variant exists.

The wrong variant is recorded and asked what the change would be worth; the mended one is run
untraced.  Each three times; the middle prediction and the middle time count.  The table shows the
real errors.  What is asserted is wide enough for a busy machine; the programs get the CPUs first,
as the wrong and the mended run must not differ in what else the machine does.
"""
import json
import os
import statistics
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()
RUNS = 3
SAVING_ERROR = 0.40     # of the measured saving: what the change brings, more or less
REPLAY_ERROR = 0.35     # of the replay with nothing changed
BOUND_SLACK = 0.15      # of the recorded run: what tracing and the machine may add to the saving
# each session is a scheduling group of its own where the kernel groups by session
FIRST = ["sh", "-c", 'echo -20 >/proc/self/autogroup; exec "$@"', "sh"]

# demo, wrong variant, mended variant, the change that mends it (kinds of the JSON, first found)
MENDED = [
    ("contention", "one-lock", "sharded", "lock-split"),
    ("io", "blocking", "event-loop", "io-overlap"),
    ("waiting", "one-by-one", "overlapped", "io-overlap"),
    ("imbalance", "uneven", "even", "even-work"),
]


def measure(program, variant):
    """Seconds of the mended variant, the middle of some runs."""
    times = []
    for _ in range(RUNS):
        start = time.monotonic()
        done = e2e.run([*FIRST, program, variant])
        times.append(time.monotonic() - start)
        if done.returncode:
            raise e2e.Harness(f"{program} {variant}: status {done.returncode}: {done.stderr}")
    return statistics.median(times)


def predict(demo, wrong, kind):
    """One recording; its JSON and the prediction, None if there is none of that kind."""
    name = f"{demo} {wrong}"
    trace = e2e.path(f"{demo}.ctrace")
    result = e2e.run([*FIRST, e2e.CTRACE, "--quiet", "--no-html", "-o", trace, "--",
                      os.path.join(e2e.DEMOS, demo), wrong])
    e2e.equal(f"{name}: exit status", result.returncode, 0)
    data = json.loads(e2e.export(trace, "json"))
    path_ns = sum(row["ns"] for row in data["critical_path"])
    e2e.equal(f"{name}: the critical path adds up to the run, to the nanosecond", path_ns,
              data["run"]["duration_ns"])
    found = [p for p in data["what_if"] if p["kind"] == kind]
    e2e.check(f"{name}: asks about {kind}", found, data["what_if"])
    return (data, found[0]) if found else None


def ask(demo, wrong, mended, kind):
    """Records, predicts, measures; the row of the table."""
    name = f"{demo} {wrong}"
    asked = [predict(demo, wrong, kind) for _ in range(RUNS)]
    if None in asked:
        return f"{demo}: no prediction"
    data, prediction = sorted(asked, key=lambda a: a[1]["speedup"])[RUNS // 2]
    replay = data["what_if_replay"]
    e2e.check(f"{name}: replayed as it was, within {REPLAY_ERROR:.0%}",
              abs(replay["error"]) <= REPLAY_ERROR and replay["usable"], replay)
    measured = measure(os.path.join(e2e.DEMOS, demo), mended)
    recorded, predicted = data["run"]["duration_ns"] / 1e9, prediction["duration_ns"] / 1e9
    saved = recorded - measured
    error = (recorded - predicted - saved) / saved if saved > 0 else float("inf")
    e2e.check(f"{name}: {kind} saves what {mended} does, within {SAVING_ERROR:.0%}",
              abs(error) <= SAVING_ERROR,
              f"recorded {recorded:.3f} s, predicted {predicted:.3f} s, measured {measured:.3f} s")
    most = prediction["saves_at_most_ns"] / 1e9
    e2e.check(f"{name}: and no more than the bound", saved <= most + BOUND_SLACK * recorded,
              f"saved {saved:.3f} s, at most {most:.3f} s")
    return (f"{demo:12} {wrong:>10} -> {mended:<10} {recorded:8.3f} {predicted:9.3f} "
            f"{measured:8.3f} {(predicted - measured) / measured:+8.0%} {error:+8.0%} "
            f"{replay['error']:+8.0%}")


rows = [ask(*row) for row in MENDED]
e2e.note("seconds: the wrong variant as recorded, the mended one as predicted and as measured;")
e2e.note("errors of the run time, of the time saved, and of the replay with nothing changed")
e2e.note(f"{'':12} {'':24} {'recorded':>8} {'predicted':>9} {'measured':>8} "
         f"{'time':>8} {'saving':>8} {'replay':>8}")
for row in rows:
    e2e.note(row)
e2e.done()
