# SPDX-License-Identifier: BSD-2-Clause
"""Holds a recording of prog/locks.c or locks.cc against the log that the program wrote: at least
99 % of lock-wait time on the right line and the right owner.
"""
import bisect
import json
import os

import e2e

NEEDED = 0.99
# Less of it hand by hand: a thread that finds the lock free while the woken one has no CPU yet
# takes it without a word to the kernel; until somebody trips over it, nobody can know.  How often
# that is depends on how busy the machine is.
LESS_BY_HAND = 0.02
# A thread has the lock a little before it reads the clock, and asks a little after: how far a time
# of the log may be from the moment it stands for, when the thread was not preempted between.
CLOCK_NS = 20_000


class Truth:
    """What the program logged: who asked for which lock on which line, and who held it when."""

    def __init__(self, file):
        with open(file, encoding="utf-8") as text:
            data = json.load(text)
        self.address = [int(a, 16) for a in data["locks"]]
        self.asked, self.holds = {}, ([], [])
        for tid, lock, line, asked, got, giving, gave in data["entries"]:
            self.asked.setdefault(tid, []).append((asked, got, lock, line))
            self.holds[lock].append((got, giving, gave, tid))
        for rows in self.asked.values():
            rows.sort()
        for holds in self.holds:
            holds.sort()

    def asking(self, tid, t_ns):
        """(asked, got, lock, line) of the acquisition that tid was in at t_ns, or None."""
        rows = self.asked.get(tid, [])
        i = bisect.bisect(rows, (t_ns + 1,)) - 1
        return rows[i] if i >= 0 and t_ns <= rows[i][1] else None

    def held(self, lock, start, end):
        """{tid: ns} of the stretch, and the ns in which the log says that nobody held it."""
        shares, covered = {}, 0
        holds = self.holds[lock]
        i = max(0, bisect.bisect(holds, (start,)) - 1)
        while i < len(holds) and holds[i][0] < end:
            ns = min(end, holds[i][1]) - max(start, holds[i][0])
            if ns > 0:
                shares[holds[i][3]] = shares.get(holds[i][3], 0) + ns
                covered += ns
            i += 1
        return shares, end - start - covered


def share(part, whole):
    return part / whole if whole else 0.0


def check_lines(name, truth, waits, source, needed):
    total = right = 0
    wrong = {}
    for w in waits:
        ns = w["end"] - w["start"]
        asking = truth.asking(w["tid"], w["start"])
        total += ns
        expected = f"{source}:{asking[3]}" if asking else "(not asking)"
        got = f"{os.path.basename(w['file'])}:{w['line']}"
        if asking and got == expected and truth.address[asking[2]] == w["address"]:
            right += ns
        else:
            wrong[(got, expected)] = wrong.get((got, expected), 0) + ns
    e2e.check(f"{name}: the right line for {share(right, total):.2%} of the waiting "
              f"({total / 1e6:.0f} ms)", share(right, total) >= needed, wrong)


def check_owner_seen(name, truth, waits, needed):
    """The owner of each wait, which is who held the lock when it began."""
    total = right = 0
    wrong = {}
    for w in waits:
        ns = w["end"] - w["start"]
        total += ns
        lock = truth.address.index(w["address"]) if w["address"] in truth.address else 0
        near, _ = truth.held(lock, w["start"] - CLOCK_NS, w["start"] + CLOCK_NS)
        if w["owner"] in near:
            right += ns
        else:
            wrong[(w["owner"], tuple(near))] = wrong.get((w["owner"], tuple(near)), 0) + ns
    e2e.check(f"{name}: the right owner at its start for {share(right, total):.2%} of the waiting",
              share(right, total) >= needed, wrong)


def check_blame(name, truth, waits, locks, needed):
    """blocked_by, which follows the lock from hand to hand: the sum over waiter and owner."""
    total = right = 0
    lines = []
    for index, address in enumerate(truth.address):
        lock = next((l for l in locks if int(l["address"], 16) == address), None)
        if not e2e.check(f"{name}: lock {index} is among the locks", lock is not None):
            return
        blamed = {}
        for b in lock["blocked_by"]:
            pair = b["waiter"], b["owner"]
            blamed[pair] = blamed.get(pair, 0) + b["wait_ns"]
        expected, free = {}, 0
        for w in (w for w in waits if w["address"] == address):
            shares, nobody = truth.held(index, w["start"], w["end"])
            free += nobody
            total += w["end"] - w["start"]
            for tid, ns in shares.items():
                expected[(w["tid"], tid)] = expected.get((w["tid"], tid), 0) + ns
        met = sum(min(ns, blamed.get(pair, 0)) for pair, ns in expected.items())
        # between two hands the lock is free while its waiters still sleep: nobody's, or either's
        right += min(met + free, sum(expected.values()) + free)
        lines += [f"lock {index} {pair}: held {ns}, blamed {blamed.get(pair, 0)}"
                  for pair, ns in sorted(expected.items())]
        lines.append(f"lock {index}: free {free}, blamed on nobody known "
                     f"{sum(ns for (_, owner), ns in blamed.items() if not owner)}")
    e2e.check(f"{name}: the right owner for {share(right, total):.2%} of the waiting, hand by hand",
              share(right, total) >= needed, "\n".join(lines))


def check_recording(name, recording, log, source="locks.c", lines=True, least_ns=50_000_000,
                    needed=NEEDED):
    """All of them.  lines: stacks were recorded.  least_ns: of waiting that there must be.  needed:
    the share of it that must be right."""
    truth = Truth(log)
    waits = e2e.lock_waits(recording, e2e.Events(recording.trace).start_ns)
    e2e.check(f"{name}: there was waiting to explain", sum(w["end"] - w["start"] for w in waits)
              > least_ns, len(waits))
    if lines:
        check_lines(name, truth, waits, source, needed)
    check_owner_seen(name, truth, waits, needed)
    check_blame(name, truth, waits, recording.json["locks"], needed - LESS_BY_HAND)
