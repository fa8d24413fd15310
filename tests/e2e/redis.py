#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 120
"""redis-server under redis-benchmark: run under ctrace, and attached to."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()
e2e.needs_tools("redis-server", "redis-benchmark", "redis-cli")
SOCKET = e2e.path("redis.sock")
SERVER = [e2e.tool("redis-server"), "--port", "0", "--unixsocket", SOCKET, "--save", "",
          "--appendonly", "no", "--dir", e2e.DIR]
LOAD = [e2e.tool("redis-benchmark"), "-s", SOCKET, "-q", "-c", "20", "-t", "set,get"]


def cli(*words):
    return e2e.run([e2e.tool("redis-cli"), "-s", SOCKET, *words])


def check_loop(name, recording):
    main = max(recording.threads, key=lambda t: t["running_ns"])
    e2e.check(f"{name}: the loop's thread rests in poll and nowhere else",
              e2e.blocked_share([main], "poll") > 0.9, main["blocked_ns"])
    others = [t for t in recording.threads if t["tid"] != main["tid"]]
    e2e.check(f"{name}: its helper threads wait for work (cond)", len(others) >= 3 and
              e2e.blocked_share([t for t in others if t["name"].startswith("bio_")], "cond") > 0.9,
              [(t["name"], t["blocked_ns"]) for t in others])


trace = e2e.trace_name()
traced = e2e.start([e2e.CTRACE, "--quiet", "-o", trace, *SERVER])
e2e.wait_for("redis-server", lambda: "PONG" in cli("ping").stdout)
e2e.equal("redis-server, run: the benchmark ends well",
          e2e.run([*LOAD, "-n", "20000"]).returncode, 0)
cli("shutdown", "nosave")
status = traced.wait(30)
result = e2e.subprocess.CompletedProcess([], status, "", "")
recording = e2e.Recording(trace, result)
e2e.check_sound("redis-server, run", recording, min_threads=4)
check_loop("redis-server, run", recording)

server = e2e.start(SERVER)
e2e.wait_for("redis-server", lambda: "PONG" in cli("ping").stdout)
load = e2e.start([*LOAD, "-n", "10000000"])
e2e.wait_for("clients", lambda: int(e2e.number_in(r"connected_clients:(\d+)",
                                                  cli("info", "clients").stdout) or 0) > 15)
recording = e2e.attach(server.pid, seconds=1)
e2e.check_sound("redis-server, -p", recording, min_threads=4)
check_loop("redis-server, -p", recording)
e2e.check("redis-server, -p: the server runs on, unharmed", "PONG" in cli("ping").stdout)
e2e.stop(load)
e2e.stop(server)

e2e.done()
