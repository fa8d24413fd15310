#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 300
"""--watch never accuses a correct program, however its threads are kept apart: by locks that are
hard to find, and by those of its own, which have no owner to read; and it accuses one that is not
correct."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_watching()

BAD = ("lost-update", "unprotected-sharing")
HEAP = ("deep", "far", "rwlock")    # the lock is found, and named
OWN = ("bit", "compare", "ticket", "turns", "pipes", "queue", "posted")
ORDERED = ("mixed", "one-writer", "handed-on", "one-thread", "read-only")

for level, debug in (("-O0", ["-g"]), ("-O2", ["-g"]), ("-O2", [])):
    program = e2e.compile_c("watch_innocent.c", f"innocent{level}{len(debug)}", level, *debug)
    for mode in ("striped",) + HEAP + OWN if debug else OWN[:3]:
        what = "bucket[150]" if mode == "striped" else "shared"
        recording = e2e.record([program, mode], "--watch", what)
        variable = recording.json["watch"][0]
        name = f"{mode} {level} {' '.join(debug)}"
        e2e.equal(f"{name}: exit status", recording.status, 0)
        e2e.equal(f"{name}: nobody is accused",
                  [f["id"] for f in recording.json["findings"] if f["id"] in BAD], [])
        if mode in HEAP or mode == "striped":
            e2e.equal(f"{name}: its lock", (variable["sharing"], len(variable["locks"])),
                      ("guarded", 1))
        else:
            e2e.check(f"{name}: in order", variable["sharing"] in ORDERED, variable)

for level in ("-O0", "-O2"):
    program = e2e.compile_c("watch_guilty.c", f"guilty{level}", level, "-g")
    recording = e2e.record([program], "--watch", "latest,counted")
    sharing = {v["name"]: v["sharing"] for v in recording.json["watch"]}
    e2e.equal(f"guilty {level}: an atomic counter excuses nobody", sharing,
              {"latest": "unguarded", "counted": "atomic"})

program = e2e.compile_c("watch_guilty.c", "types", "-O1", "-g", "-DTYPES")
recording = e2e.record([program], "--watch", "sum,small,large")
found = {v["name"]: v for v in recording.json["watch"]}
said = recording.stdout.split()
e2e.equal("types: as the program prints them", [found[n]["last"] for n in found if
          found[n]["complete"]], [float(said[i]) for i, n in enumerate(("sum", "small", "large"))
                                  if found[n]["complete"]])
e2e.equal("types: no signs where there are none", [found["small"]["expected"],
          found["large"]["expected"]], [(200 + 3 * 400) % 256, 4000000000 + 3 * 400])
e2e.check("types: updates of a floating-point number are lost as others are",
          found["sum"]["lost_updates"] > 0 and
          all(t["value"] % 0.5 == 0 for t in found["sum"]["witness"]), found["sum"])

e2e.done()
