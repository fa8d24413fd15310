#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 200
"""Thousands of threads, thousands of processes, chains of exec: all followed, none forgotten."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()
THREADS = 2000
PROCESSES = 400

many = e2e.compile_c("many.c", "many", "-O1", "-g")
recording = e2e.record([many, str(THREADS)])
e2e.check_sound(f"{THREADS} threads", recording, min_threads=THREADS + 1)
e2e.equal(f"{THREADS} threads: so many, and main", len(recording.threads), THREADS + 1)
waited = sum(1 for t in recording.threads if "barrier" in t["blocked_ns"])
e2e.check(f"{THREADS} threads: they wait at the barrier", waited >= THREADS - 1, waited)

# pairs of waiter and owner grow with the square of the threads: only so many are listed
QUEUE, TURNS, LISTED = 400, 10, 1000
queue = e2e.compile_c("queue.c", "queue", "-O1", "-g")
recording = e2e.record([queue, str(QUEUE), str(TURNS)])
lock = max(recording.json["locks"], key=lambda lock: lock["waits"])
rest = lock.get("blocked_by_rest", {"pairs": 0, "wait_ns": 0})
e2e.check("a queue of threads: the pairs beyond the first are summed up",
          len(lock["blocked_by"]) == LISTED and rest["pairs"] > 0, (len(lock["blocked_by"]), rest))
e2e.check("a queue of threads: none of the rest is more than a listed one", rest["wait_ns"]
          <= rest["pairs"] * min(pair["wait_ns"] for pair in lock["blocked_by"]), rest)

script = f"i=0; while [ $i -lt {PROCESSES} ]; do /bin/true; i=$((i + 1)); done"
recording = e2e.record(["sh", "-c", script])
e2e.check_sound(f"{PROCESSES} processes", recording, min_threads=PROCESSES + 1)
e2e.equal(f"{PROCESSES} processes: each ran true", len(recording.named("true")), PROCESSES)

# exec: same process, a new program; also from a thread that is not the leader
recording = e2e.record(["sh", "-c", "exec sh -c 'exec sh -c \"exec sleep 0.1\"'"])
e2e.check_sound("a chain of exec", recording)
e2e.equal("a chain of exec: one thread all along", len(recording.threads), 1)
e2e.equal("a chain of exec: it has the last program's name", recording.threads[0]["name"], "sleep")

source = e2e.path("exec.c")
with open(source, "w", encoding="ascii") as out:
    out.write("""
#include <pthread.h>
#include <unistd.h>
static void *run(void *arg)
{
	usleep(20000);
	execl("/bin/sleep", "sleep", "0.1", (char *)0);
	return arg;
}
int main(void)
{
	pthread_t thread;
	pthread_create(&thread, 0, run, 0);
	pthread_join(thread, 0);
	return 1;
}
""")
recording = e2e.record([e2e.compile_c(source, "exec_thread", "-O1")])
e2e.equal("exec from a second thread: exit status", recording.status, 0)
e2e.equal("exec from a second thread: no event lost", recording.json["loss"]["events"], 0)
e2e.check_states("exec from a second thread", recording.threads)
sleeps = [t for t in recording.threads if t["blocked_ns"].get("sleep", 0) > 90_000_000]
e2e.check("exec from a second thread: the new program goes on as the leader",
          [t["tid"] for t in sleeps] == [recording.json["run"]["pid"]], recording.threads)
e2e.check("exec from a second thread: nothing in it contradicts itself",
          recording.json["loss"]["anomalies"] == 0, recording.json["loss"])

e2e.done()
