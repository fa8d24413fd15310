#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 200
"""A PostgreSQL server under pgbench: attached to by its postmaster, its children followed."""
import os
import sys
import subprocess

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e
import postgres

e2e.needs_recording()
SECONDS = 2
if not postgres.binaries():
    e2e.skip_all("PostgreSQL's server is not installed (make deps-test)")
server = postgres.Server()

for futex in ("switch", "calls"):
    name = f"postgres, -p, --futex={futex}"
    # pgbench starts its clients a little later than the recording begins, so they are new children
    load = e2e.start(["sh", "-c", 'sleep 0.7; exec "$@"', "sh",
                      *server.client("pgbench", "-c", "4", "-j", "2", "-T", "2", "postgres")],
                     cwd=server.home, stderr=subprocess.DEVNULL)
    recording = e2e.attach(server.process.pid, f"--futex={futex}", seconds=SECONDS)
    e2e.equal(f"{name}: pgbench ends well", load.wait(60), 0)
    if not e2e.check_sound(name, recording, min_threads=6):
        continue
    run = recording.json["run"]
    followed = [t for t in recording.threads if not t["found"] and t["running_ns"] > 0]
    e2e.check(f"{name}: the backends of pgbench's clients were followed", len(followed) >= 4,
              [t["name"] for t in recording.threads])
    e2e.check(f"{name}: each is a process of its own", len({t["pid"] for t in recording.threads}) ==
              len(recording.threads))
    hangs = [f for f in recording.json["findings"]
             if f["id"] in ("deadlock", "abandoned-lock", "stuck")]
    e2e.check(f"{name}: nobody waits for ever", not hangs, hangs)
    states = {state for t in followed for state in t["blocked_ns"]}
    # a backend waits for its client in epoll_wait, for a lock on a semaphore
    e2e.check(f"{name}: backends rest in poll", "poll" in states, states)
    # pgbench empties this table when it starts
    done = server.must(server.client("psql", "-Atc", "select count(*) from pgbench_history",
                                     "postgres"))
    e2e.check(f"{name}: transactions were done", int(done.stdout) > 0, done.stdout)
e2e.check("postgres: the server runs on, unharmed", server.process.poll() is None)

e2e.done()
