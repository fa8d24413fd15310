#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 180
"""What --watch makes of names and addresses: what it watches, what it refuses and why, which name
was meant; names of locks inside structures; and the turns of --watch auto."""
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_watching()
program = e2e.compile_c("watch_names.cc", "watch_names", "-O1", "-g", "-pthread", "-pie", "-fPIE",
                        compiler="g++")
bare = e2e.path("watch_names_bare")
subprocess.run(["strip", "-o", bare, program], check=True)


def told(command, *options):
    """As e2e.record, with all that ctrace says."""
    trace = e2e.trace_name()
    return e2e.Recording(trace, e2e.run([e2e.CTRACE, "--no-html", "-o", trace, *options, "--",
                                         *command]))


def said(recording):
    return " ".join(recording.stderr.split())


def rows(recording):
    return {v["name"]: v for v in recording.json["watch"]}


# ---- refused, and why ---------------------------------------------------------------------------

for what, words in (("hit", "did you mean 'hits'?"), ("Hits", "did you mean 'hits'?"),
                    ("balance", "did you mean 'bank::accounts[0].balance'?"),
                    ("rb.tial", "did you mean 'rb.tail'?"),
                    ("zzzzzzzz", "'--watch help' lists them"),
                    ("big", "'big' is a mutex"),
                    ("bank::accounts[2].m", "'bank::accounts[2].m' is a mutex"),
                    ("rb.cv", "'rb.cv' is a condition variable"),
                    ("own", "'own' is thread_local"), ("turns", "'turns' is a local variable"),
                    ("queue", "name at most 4"), ("auto,hits", "'auto' goes over all variables"),
                    ("*0x999999999:8", "nothing is mapped at 0x999999999"),
                    ("*xyz:8", "no address and size"), ("*0x10", "no address and size")):
    result = e2e.record([program, "1"], "--watch", what)
    e2e.check(f"--watch {what}: {words}", result.status == 125 and words in result.stderr and
              result.stderr.count("\n") == 1, result.stderr)
result = e2e.record([bare, "1"], "--watch", "auto")
e2e.check("auto without names: one line", result.status == 125 and "no variables are known" in
          result.stderr and result.stderr.count("\n") == 1, result.stderr)

listed = e2e.run([e2e.CTRACE, "--watch", "help", "-o", e2e.path("help.ctrace"), program, "1"])
names = listed.stdout.splitlines()
e2e.equal("--watch help: exit status, and no trace",
          (listed.returncode, os.path.exists(e2e.path("help.ctrace"))), (0, False))
e2e.check("--watch help: the names, and what each lock is", {
    "hits", "alone", "requests", "flags.a", "rb.head", "rb.hm (a mutex)", "queue[0]",
    "rb.cv (a condition variable)", "bank::accounts[0].balance", "big (a mutex)"} <= set(names),
          names)

# ---- watched ------------------------------------------------------------------------------------

recording = told([program, "20"], "--watch", "flags.a,hits,requests,alone")
v = rows(recording)
e2e.equal("the names that were asked for", sorted(v), ["alone", "flags.a", "hits", "requests"])
e2e.equal("a bit-field: its byte", v["flags.a"]["size"], 1)
e2e.check("a bit-field: said to be watched whole", "flags.a is a bit-field: the byte that holds it "
          "is watched whole" in said(recording), recording.stderr)
e2e.equal("an atomic: by its own name", (v["requests"]["sharing"], v["requests"]["last"]),
          ("atomic", 40))
recording = told([program, "2000", "bank"], "--watch", "bank::accounts[2].balance")
v = rows(recording)["bank::accounts[2].balance"]
e2e.equal("a lock inside a structure is named as a member", (v["sharing"], v["locks"]),
          ("guarded", ["bank::accounts[2].m"]))
e2e.check("in the findings and tables, too", "accounts+" not in recording.stderr, recording.stderr)

# ---- addresses ----------------------------------------------------------------------------------

nm = subprocess.run(["nm", program], check=True, capture_output=True, text=True).stdout
address = re.search(r"^([0-9a-f]+) \w hits$", nm, re.MULTILINE).group(1)
for spec in (f"*{address}:8", f"*0x{int(address, 16):x}:8"):
    recording = told([bare, "20"], "--watch", spec)
    v = rows(recording)[spec]
    e2e.equal(f"{spec}, as nm has it: every write seen", v["writes"], 40)
    e2e.check(f"{spec}: said how it was understood", "counted from where the program begins" in
              said(recording), recording.stderr)
    e2e.check(f"{spec}: at that distance from a page's start",
              int(v["address"], 16) % 4096 == int(address, 16) % 4096, v)
recording = told([bare, "5"], "--watch", f"*0x{int(address, 16) + 1:x}:3")
e2e.equal("three bytes, unaligned: in pieces, and said so",
          (sorted(x["size"] for x in recording.json["watch"]), "in pieces" in said(recording)),
          ([1, 2], True))

# ---- auto ---------------------------------------------------------------------------------------

recording = told([program, "1500"], "--watch", "auto")
v = rows(recording)
e2e.check("auto: three elements of an array, the first and the last among them",
          sorted(n for n in v if n.startswith("queue["))
          == ["queue[0]", "queue[149]", "queue[299]"], v)
e2e.check("auto: what threads wait with is no variable",
          not [n for n in v if n.startswith(("big", "rb.hm", "rb.cv")) or n.endswith(".m")],
          list(v))
shared = {n: v[n]["sharing"] for n in ("hits", "requests", "rb.tail") if len(v[n]["threads"]) > 1}
e2e.equal("auto: whoever stands on his own is found, elements or not", sorted(shared),
          ["hits", "rb.tail", "requests"])
e2e.equal("auto: and under which lock", (shared["requests"], v["rb.tail"]["locks"]),
          ("atomic", ["big"]))
text = e2e.export(recording.trace, "text")
numbers = re.findall(r"\bwatch\b.* var=(\d+) .*on=on", text)
turns = {n: numbers.count(n) for n in set(numbers)}
e2e.check("auto: nobody has many turns before another has one",
          turns and max(turns.values()) - min(turns.values()) <= 6 and len(turns) == len(v), turns)
e2e.check("auto: a row for the elements of one array",
          len(re.findall(r"queue\[\d+\]", recording.stderr)) <= 1, recording.stderr)
short = told([program, "1"], "--watch", "auto")
untouched = [x for x in short.json["watch"] if not x["threads"]]
e2e.check("auto, too short: who had no turn is counted", re.search(
    r"\d+ (had no turn while there were several threads: run longer|more were touched by one)",
    said(short)) and len(short.json["watch"]) == len(v), short.stderr)

e2e.done()
