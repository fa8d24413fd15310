#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 300
"""Deadlocks, abandoned locks and stuck programs: announced within a second of their closing, once,
found again in the report, and told by `ctrace why`; and none of that of programs that go on."""
import concurrent.futures
import json
import os
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e
import hangs

RUNS = 2
AT_ONCE = 3        # programs: those that hang sleep; those that do not may have less of the CPUs
WHYS_AT_ONCE = 2   # each is timed
WHY_S = 1.0        # the contract: in under a second

e2e.needs_recording()
programs = hangs.Programs()


def check_guilty(scenario):
    kind, members, words = hangs.GUILTY[scenario]
    delay, said, status, run = hangs.run_guilty(programs, scenario)
    stderr = "\n".join(line for _, line in run.lines)
    e2e.check(f"{scenario}: announced within {hangs.ANNOUNCED_S} s of the closing",
              delay is not None and delay <= hangs.ANNOUNCED_S, f"{delay} s\n{stderr}")
    e2e.equal(f"{scenario}: announced once, as {kind}", [k for _, k, _ in said], [kind])
    text = " ".join(said[0][2].split()) if said else ""
    missing = [word for word in words if word not in text]
    e2e.check(f"{scenario}: says who, what and where", not missing, f"missing {missing} in\n{text}")
    e2e.equal(f"{scenario}: Ctrl-C ends it as usual", status, 130)
    findings = run.findings()
    e2e.equal(f"{scenario}: the report finds the same", [f["id"] for f in findings], [kind])
    for f in findings:
        e2e.check(f"{scenario}: the finding is whole",
                  len(f["threads"]) == members and f["severity"] == "high" and f["lines"] and
                  f["certainty"] == "seen" and 0 < f["share"] <= 1 and f["cost_ns"] > 0 and
                  all(f[key] for key in ("evidence", "lesson", "advice")), json.dumps(f, indent=1))


def check_why(scenario):
    kind, _, words = hangs.GUILTY[scenario]
    truth = e2e.trace_name() + ".truth"
    with open(truth, "w", encoding="utf-8") as out:
        program = e2e.start(["sh", "-c", 'exec "$@" 3>&1', "sh", *programs.command(scenario)],
                            stdout=out, env=e2e.environment(CTRACE_TRUTH=1))
    closing = []

    def is_closed():
        now = hangs.reaching(truth)
        still = now and now == closing
        closing[:] = now
        time.sleep(0.2)
        return still

    e2e.wait_for("the ring to close", is_closed)
    begin = time.monotonic()
    result = e2e.run([e2e.CTRACE, "why", str(program.pid)])
    took = time.monotonic() - begin
    heading = next(h for h, k in hangs.HEADINGS.items() if k == kind)
    text = " ".join(result.stdout.split())
    e2e.equal(f"why {scenario}: exit status", result.returncode, 90)
    e2e.check(f"why {scenario}: the verdict", result.stdout.startswith(heading), result.stdout)
    e2e.check(f"why {scenario}: who, what and where", all(word in text for word in words),
              result.stdout + result.stderr)
    e2e.check(f"why {scenario}: in under {WHY_S} s", took < WHY_S, took)
    again = json.loads(e2e.run([e2e.CTRACE, "why", "--json", str(program.pid)]).stdout)
    e2e.equal(f"why --json {scenario}", [f["id"] for f in again.get("findings", [])], [kind])
    e2e.stop(program)


def check_innocents():
    """Side by side: they sleep most of the time."""
    results = {}

    def one(scenario):
        results[scenario] = hangs.run_innocent(programs.command(scenario))

    threads = [threading.Thread(target=one, args=(s,)) for s in hangs.INNOCENT]
    for t in threads:
        t.start()
    for scenario in ("cond-long", "long-hold", "input", "timed-locks", "handler-posts",
                     "pi-innocent"):
        program = e2e.start(programs.command(scenario))
        time.sleep(0.3)
        result = e2e.run([e2e.CTRACE, "why", str(program.pid)])
        e2e.equal(f"why {scenario}: goes on by itself", result.returncode, 0)
        e2e.stop(program)
    for t in threads:
        t.join()
    for scenario, (said, findings, status) in sorted(results.items()):
        e2e.equal(f"{scenario}: ends by itself", status, 0)
        e2e.check(f"{scenario}: nothing announced", not said, said)
        e2e.check(f"{scenario}: nothing found", not findings, findings)


def check_tools():
    tools = hangs.tools()
    results = hangs.run_side_by_side(list(tools.values()), AT_ONCE)
    for name, (said, findings, _) in zip(tools, results):
        e2e.check(f"{name}: nothing announced", not said, said)
        e2e.check(f"{name}: nothing found", not findings, findings)


def check_why_refusals():
    gone = e2e.start(["true"])
    gone.wait()
    result = e2e.run([e2e.CTRACE, "why", str(gone.pid)])
    e2e.check("why of no process: 125 and one line",
              result.returncode == 125 and e2e.one_line(result.stderr), result.stderr)
    program = e2e.start(["sleep", "60"])
    nobody = {"user": e2e.NOBODY, "group": e2e.NOBODY, "extra_groups": []}
    open_ctrace = e2e.path("ctrace")
    with open(e2e.CTRACE, "rb") as binary, open(open_ctrace, "wb") as copy:
        copy.write(binary.read())
    os.chmod(open_ctrace, 0o755)
    result = e2e.run([open_ctrace, "why", str(program.pid)], **nobody)
    e2e.check("why without the right: 125, and the next step",
              result.returncode == 125 and e2e.one_line(result.stderr) and
              f"sudo ctrace why {program.pid}" in result.stderr, result.stderr)
    own = e2e.start(["sleep", "60"], **nobody)
    time.sleep(0.2)
    result = e2e.run([open_ctrace, "why", str(own.pid)], **nobody)
    restricted = "/proc/sys/kernel/yama/ptrace_scope"
    if os.path.exists(restricted) and e2e.text_of(restricted).strip() != "0":
        e2e.check("why as the owner: the system's restriction is named",
                  result.returncode == 125 and "ptrace_scope" in result.stderr, result.stderr)
    else:
        e2e.check("why as the owner, without root", result.returncode == 0 and "sleep" in
                  result.stdout, result.stdout + result.stderr)
    e2e.stop(own)
    e2e.stop(program)


for _ in range(RUNS):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(check_guilty, hangs.GUILTY))
    check_innocents()
    check_tools()
with concurrent.futures.ThreadPoolExecutor(WHYS_AT_ONCE) as pool:
    list(pool.map(check_why, [s for s in hangs.GUILTY if s not in hangs.UNKNOWN_TO_WHY]))
check_why_refusals()
e2e.done()
