#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 200
"""A PostgreSQL server under pgbench: attached to by its postmaster, its children followed."""
import os
import sys
import glob
import subprocess

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()
SECONDS = 2
bins = sorted(glob.glob("/usr/lib/postgresql/*/bin") + glob.glob("/usr/pgsql-*/bin"))
if not bins and not e2e.tool("initdb"):
    e2e.skip_all("PostgreSQL's server is not installed (make deps-test)")
BIN = bins[-1] if bins else os.path.dirname(e2e.tool("initdb"))

# the server refuses to run as root; a cluster of its own, here, over a unix socket alone
home = e2e.path("pg")
os.mkdir(home, 0o700)
os.chown(home, e2e.NOBODY, e2e.NOBODY)
data = os.path.join(home, "data")


def as_nobody(*command):
    return ["setpriv", f"--reuid={e2e.NOBODY}", f"--regid={e2e.NOBODY}", "--clear-groups", *command]


def client(program, *arguments):
    return as_nobody(os.path.join(BIN, program), "-h", home, "-U", "tester", *arguments)


def must(command):
    result = e2e.run(command, cwd=home)
    if result.returncode:
        raise e2e.Harness(f"{' '.join(command)}: {result.stdout}{result.stderr}")
    return result


must(as_nobody(os.path.join(BIN, "initdb"), "-D", data, "-U", "tester", "-A", "trust", "--no-sync"))
server = e2e.start(as_nobody(os.path.join(BIN, "postgres"), "-D", data, "-k", home, "-c",
                             "listen_addresses=", "-c", "fsync=off"), cwd=home)
e2e.wait_for("the server", lambda: e2e.run(client("psql", "-c", "select 1", "postgres"),
                                           cwd=home).returncode == 0)
must(client("pgbench", "-i", "-s", "1", "-q", "postgres"))

for futex in ("switch", "calls"):
    name = f"postgres, -p, --futex={futex}"
    # pgbench starts its clients a little later than the recording begins, so they are new children
    load = e2e.start(["sh", "-c", 'sleep 0.7; exec "$@"', "sh",
                      *client("pgbench", "-c", "4", "-j", "2", "-T", "2", "postgres")],
                     cwd=home, stderr=subprocess.DEVNULL)
    recording = e2e.attach(server.pid, f"--futex={futex}", seconds=SECONDS)
    e2e.equal(f"{name}: pgbench ends well", load.wait(60), 0)
    if not e2e.check_sound(name, recording, min_threads=6):
        continue
    run = recording.json["run"]
    followed = [t for t in recording.threads if not t["found"] and t["running_ns"] > 0]
    e2e.check(f"{name}: the backends of pgbench's clients were followed", len(followed) >= 4,
              [t["name"] for t in recording.threads])
    e2e.check(f"{name}: each is a process of its own", len({t["pid"] for t in recording.threads}) ==
              len(recording.threads))
    states = {state for t in followed for state in t["blocked_ns"]}
    # a backend waits for its client in epoll_wait, for a lock on a semaphore
    e2e.check(f"{name}: backends rest in poll", "poll" in states, states)
    # pgbench empties this table when it starts
    done = must(client("psql", "-Atc", "select count(*) from pgbench_history", "postgres"))
    e2e.check(f"{name}: transactions were done", int(done.stdout) > 0, done.stdout)
e2e.check("postgres: the server runs on, unharmed", server.poll() is None)

e2e.done()
