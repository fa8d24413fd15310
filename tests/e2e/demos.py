#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 480
"""Every demo of the course, in every variant: refuses what it does not know, and under ctrace does
what it does without, prints its checked result, loses no event, and gets the verdict that the
course expects, on the right lines, and no other.  And 'ctrace demo', which lists and runs them.
"""
import concurrent.futures
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e
import verdicts

RUNS = 2
AT_ONCE = 2     # of those that sleep nearly all the time: they do not miss the CPUs
SLEEPERS = [("waiting", "one-by-one"), ("waiting", "overlapped"), ("io", "blocking"),
            ("io", "threads"), ("io", "event-loop"), ("event-loop", "blocked"),
            ("event-loop", "clean"), ("deadlock", "ordered"), ("critical-section", "long"),
            ("critical-section", "short"), ("herd", "signal"), ("spinning", "condition-variable")]
NO_RIGHT = 3    # priority-inheritance where real-time priorities are not allowed


def may_be_realtime():
    """Asked in a process of its own: this one shall stay what it is."""
    child = os.fork()
    if child == 0:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(2))
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def refused(what, result, status, *words):
    e2e.equal(f"{what}: status", result.returncode, status)
    said = re.sub("[,';]", " ", result.stderr).split()
    e2e.check(f"{what}: one line that names the choices", result.stderr.count("\n") == 1
              and all(word in said for word in ("no-such", *words)), result.stderr)
    e2e.equal(f"{what}: nothing on stdout", result.stdout, "")


def check_variant(name, variant):
    what = f"{name} {variant}"
    recording = e2e.record([verdicts.program(name), variant])
    if what == "priority priority-inheritance" and not may_be_realtime():
        e2e.equal(f"{what}: says that it has not the right", recording.status, NO_RIGHT)
        return
    e2e.equal(f"{what}: exit status", recording.status, 0)
    e2e.check(f"{what}: prints its result, held against what it expects",
              re.search(rf"^{variant}[ :].*( (\d+)\b.*expected \2\b|counted \d+ of \d+ )",
                        recording.stdout, re.MULTILINE), recording.stdout + recording.stderr)
    e2e.equal(f"{what}: no event lost", recording.json["loss"]["events"], 0)
    wrong = verdicts.complaints(name, variant, recording)
    e2e.check(f"{what}: the verdict", not wrong, "\n".join(wrong))
    os.unlink(recording.trace)


# what needs no root
e2e.equal("the demos that are built", sorted(os.listdir(e2e.DEMOS)), sorted(verdicts.DEMOS))
for demo, variants in verdicts.DEMOS.items():
    refused(f"{demo}: an unknown variant", e2e.run([verdicts.program(demo), "no-such"]), 2,
            *variants)
    refused(f"ctrace demo {demo}: an unknown variant",
            e2e.run([e2e.CTRACE, "demo", demo, "no-such"]), 125, *variants)
refused("ctrace demo: an unknown name", e2e.run([e2e.CTRACE, "demo", "no-such"]), 125,
        *verdicts.DEMOS)
listed = e2e.run([e2e.CTRACE, "demo"])
e2e.equal("ctrace demo: status", listed.returncode, 0)
e2e.equal("ctrace demo: lists all of them with their variants, in the course's order",
          re.findall(r"^([a-z-]+): (.*)$", listed.stdout, re.MULTILINE),
          [(name, ", ".join(variants)) for name, variants in verdicts.DEMOS.items()])

e2e.needs_recording()
for demo, variant in verdicts.variants() * RUNS:
    if (demo, variant) not in SLEEPERS:
        check_variant(demo, variant)
with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
    list(pool.map(lambda both: check_variant(*both),
                  [both for both in verdicts.variants() * RUNS if both in SLEEPERS]))

# ctrace demo: records like any program, then says what to look at and what to try
ran = e2e.run([e2e.CTRACE, "demo", "waiting"])
e2e.equal("ctrace demo waiting: the demo's exit status", ran.returncode, 0)
e2e.check("ctrace demo waiting: the wrong variant is the default", ran.stdout.startswith(
    "one-by-one:"), ran.stdout)
e2e.check("ctrace demo waiting: the trace is named after demo and variant",
          os.path.exists(e2e.path("waiting-one-by-one.ctrace")), os.listdir(e2e.DIR))
after = ran.stderr.partition("Lost events")[2]
e2e.check("ctrace demo waiting: what to look for and to change, under the report",
          "\nWhat to look for: " in after and "\nWhat to change: " in after, ran.stderr)
e2e.check("ctrace demo waiting: the other variant is what to try next",
          after.endswith("Try next:\n  sudo ctrace demo waiting overlapped\n"), after)
ran = e2e.run([e2e.CTRACE, "demo", "deadlock", "self", "1", "--quiet",
               "-o", e2e.path("self.ctrace")])
e2e.equal("ctrace demo: further words are the demo's own", ran.returncode, 3)
e2e.check("ctrace demo: --quiet says nothing more, -o names the trace", "Try next" not in ran.stderr
          and os.path.exists(e2e.path("self.ctrace")), ran.stderr)
e2e.done()
