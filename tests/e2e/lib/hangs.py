# SPDX-License-Identifier: BSD-2-Clause
"""Programs that hang and programs that only look so, under ctrace: is it said, when, and rightly?

For e2e/deadlock.py, which runs each twice, and soak.py, which runs each twenty times.  The
programs say themselves when a thread is about to wait for what may never come (CLOCK_MONOTONIC):
the last one who says so closes the ring.
"""
import json
import os
import re
import signal
import subprocess
import threading
import time

import e2e
import postgres

ANNOUNCED_S = 1.0      # the contract: within a second of the closing
WAIT_S = 6.0           # until a run without announcement counts as a miss
INNOCENT_S = 30        # of an innocent program; not a measure, only an end

# scenario: (id of the finding, how many threads the ring has or say they wait, words it must say)
GUILTY = {
    "ab-ba": ("deadlock", 2, ["alice", "bob", "pen_lock", "paper_lock", "deadlock.c:"]),
    "self": ("deadlock", 1, ["carol", "pen_lock", "deadlock.c:"]),
    "philosophers 2": ("deadlock", 2, ["eater-0", "eater-1", "forks"]),
    "philosophers 5": ("deadlock", 5, ["eater-0", "eater-4", "forks"]),
    "philosophers 50": ("deadlock", 50, ["eater-0", "eater-49", "forks"]),
    "ring3": ("deadlock", 3, ["locks[0]", "locks[1]", "take_two_of_three (hang.c:"]),
    "rwlock": ("deadlock", 2, ["rwlock tables", "write_two (hang.c:"]),
    "join-ring": ("deadlock", 3, ["the end of", "join_main (hang.c:", "join_ring (hang.c:"]),
    "join-lock": ("deadlock", 2, ["the end of", "locks", "take_lock (hang.c:"]),
    "two-processes": ("deadlock", 2, ["shared by cross (hang.c:", ") #1", ") #2"]),
    "pi-ring3": ("deadlock", 3, ["heirs[0]", "heirs[1]", "take_two_heirs (hang.c:"]),
    "pi-self": ("deadlock", 1, ["heirs", "take_heir_twice (hang.c:"]),
    "abandoned": ("abandoned-lock", 1, ["locks", "abandoned (hang.c:", "has ended"]),
    "abandoned-waiter": ("abandoned-lock", 1, ["locks", "abandoned_waiter (hang.c:", "has ended"]),
    "abandoned-shared": ("abandoned-lock", 1, ["shared by abandoned_shared (hang.c:", "whose"]),
    "result": ("stuck", 3, ["wait_for_result (hang.c:"]),
    "lost-signal": ("stuck", 2, ["ready_cond", "wait_for_signal (hang.c:"]),
    "barrier-short": ("stuck", 4, ["barrier", "come_to_meeting (hang.c:"]),
    "semaphore": ("stuck", 2, ["semaphore full", "take_item (hang.c:"]),
}
# Which mutex the kernel refused is said by the call alone, and a look comes later than that.
UNKNOWN_TO_WHY = ["pi-ring3", "pi-self"]
INNOCENT = ["ordered letters", "cond-long", "timed-locks", "long-hold", "ordered", "handler-posts",
            "input", "pi-innocent"]
# what is started in the background of a script would ignore Ctrl-C, and so would all it starts
signal.signal(signal.SIGINT, signal.default_int_handler)
HEADINGS = {"Deadlock:": "deadlock", "Abandoned lock:": "abandoned-lock", "Stuck:": "stuck"}


_servers = []    # the one that pgbench asks, once it is needed


class Programs:
    def __init__(self):
        self.hang = e2e.compile_c("hang.c", "hang", "-g", "-O1")
        self.demo = os.path.join(e2e.DEMOS, "deadlock")

    def command(self, scenario):
        """The command, and its output goes where `reaching` finds the moments."""
        if scenario == "ordered letters":
            return [self.demo, "ordered"]
        if scenario.startswith("philosophers"):
            return [self.demo, "philosophers", "0", scenario.split()[1]]
        if scenario in ("ab-ba", "self"):
            return [self.demo, scenario]
        return [self.hang, scenario]


def reaching(truth):
    """When threads said that they were about to wait, ns."""
    text = e2e.text_of(truth) if os.path.exists(truth) else ""
    found = re.findall(r"^reaching ([0-9]+)$|\"reaching_ns\",\"value\":([0-9]+)", text, re.M)
    return sorted(int(a or b) for a, b in found)


class Run:
    """One program under ctrace; its announcements with the moment at which each could be read."""

    def __init__(self, command, *options):
        self.trace = e2e.trace_name()
        self.truth = self.trace + ".truth"
        self.lines = []      # (ns, line) of stderr
        full = [e2e.CTRACE, "-o", self.trace, *options, "--", *command]
        shell = ["sh", "-c", f'exec "$@" >{self.truth} 3>&1', "sh", *full]
        self.process = e2e.start(shell, stderr=subprocess.PIPE, env=e2e.environment(CTRACE_TRUTH=1))
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stderr:
            self.lines.append((time.monotonic_ns(), line.decode(errors="replace").rstrip("\n")))

    def announcements(self):
        """(ns, id, text) of what was announced while it ran: what comes before the report."""
        found = []
        for i, (_, line) in enumerate(self.lines):
            if not line.startswith("ctrace: this will not go on") or i + 1 >= len(self.lines):
                continue
            after = self.lines[i + 1:]
            end = next((k for k, (_, text) in enumerate(after) if text[:1] not in " DAS"),
                       len(after))
            text = "\n".join(text for _, text in after[:end])
            kind = next((k for h, k in HEADINGS.items() if after[0][1].startswith(h)), "?")
            found.append((after[0][0], kind, text))
        return found

    def interrupt(self):
        """Ctrl-C, and the end of it all."""
        try:
            os.kill(self.process.pid, signal.SIGINT)
        except ProcessLookupError:
            pass
        return self.finish()

    def finish(self, seconds=INNOCENT_S):
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        # what it leaves behind (the second of two processes) would keep stderr open for a minute
        e2e.stop(self.process)
        self.reader.join()
        return self.process.returncode

    def findings(self):
        """Those about threads that wait for ever."""
        if not os.path.exists(self.trace):
            e2e.note("no trace: " + " | ".join(line for _, line in self.lines[:5]))
            return []
        found = json.loads(e2e.export(self.trace, "json"))["findings"]
        return [f for f in found if f["id"] in ("deadlock", "abandoned-lock", "stuck")]


def run_guilty(programs, scenario):
    """(delay in s or None, announcements, exit status, Run)"""
    run = Run(programs.command(scenario))
    e2e.wait_for("the program to start under ctrace", lambda: reaching(run.truth))
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end and not run.announcements():
        time.sleep(0.02)
    time.sleep(0.4)  # a second announcement of the same thing would come now
    status = run.interrupt()
    said = run.announcements()
    closed = reaching(run.truth)
    delay = (said[0][0] - closed[-1]) / 1e9 if said and closed else None
    return delay, said, status, run


def run_innocent(command):
    """(what was announced, findings of the report, exit status)"""
    run = Run(command)
    status = run.finish()
    return run.announcements(), run.findings(), status


def run_side_by_side(commands, at_once):
    """run_innocent for each of them, a few at a time; in their order."""
    results = [None] * len(commands)
    todo = iter(range(len(commands)))
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                i = next(todo, None)
            if i is None:
                return
            results[i] = run_innocent(commands[i])

    workers = [threading.Thread(target=work) for _ in range(at_once)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return results


def tools():
    """Programs that people have: what hangs in none of them."""
    threads = "import threading,time\n" \
              "q=threading.Event()\n" \
              "ts=[threading.Thread(target=q.wait) for _ in range(4)]\n" \
              "[t.start() for t in ts]; time.sleep(1.5); q.set(); [t.join() for t in ts]\n"
    big = e2e.path("big")
    if not os.path.exists(big):
        with open(big, "wb") as out:
            out.write(os.urandom(1 << 20) * 24)
    commands = {
        "sysbench mutex": ["sysbench", "mutex", "--threads=8", "--mutex-num=2",
                           "--mutex-locks=200000", "run"],
        "sysbench threads": ["sysbench", "threads", "--threads=8", "--time=2", "run"],
        "stress-ng": ["stress-ng", "--futex", "2", "--mutex", "2", "--sem", "2", "--pthread", "1",
                      "-t", "2s", "--quiet"],
        "python3": [e2e.system_python(), "-c", threads],
        "xz": ["xz", "-T4", "-1", "-k", "-c", big],
    }
    found = {name: c for name, c in commands.items() if e2e.tool(c[0]) or os.path.exists(c[0])}
    if postgres.binaries():
        if not _servers:
            _servers.append(postgres.Server())
        found["pgbench"] = _servers[0].client("pgbench", "-c", "4", "-j", "2", "-T", "2",
                                              "postgres")
    return found
