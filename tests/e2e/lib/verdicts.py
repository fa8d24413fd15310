# SPDX-License-Identifier: BSD-2-Clause
"""What ctrace has to say of each demo of the course: the finding, and the lines it names.

For e2e/demos.py, which runs each variant twice, and soak.py, which runs each twenty times.  The
order is the course's; the variant that is wrong comes first.
"""
import os

import e2e

HEALTHY = "healthy"
# demo: {variant: (finding, a piece of each line of the demo that it must name)}; None: it hangs for
# ever, and hangs.py has it.  Nothing else of medium or high severity may be found.
DEMOS = {
    "juggling": {"one-core": (HEALTHY, []), "many-cores": (HEALTHY, [])},
    "processes": {"processes": (HEALTHY, []), "threads": (HEALTHY, [])},
    "switching": {"thousands": ("switch-storm", ["sem_wait("]), "few": (HEALTHY, [])},
    "crowd": {"too-many": ("oversubscribed", []), "right-sized": (HEALTHY, [])},
    "waiting": {"one-by-one": ("waiting-not-overlapped", ["nanosleep(&(struct timespec)"]),
                "overlapped": (HEALTHY, [])},
    "io": {"blocking": ("waiting-not-overlapped", ["if (read(fd, &answer"]),
           "threads": (HEALTHY, []), "event-loop": (HEALTHY, [])},
    "event-loop": {"blocked": ("blocked-event-loop", ["nanosleep(&until.it_value"]),
                   "compute": ("async-on-cpu-work", ["demo_work(g->question"]),
                   "clean": (HEALTHY, [])},
    "compute": {"sequential": (HEALTHY, []),
                "async": ("async-on-cpu-work", ["demo_work(photo, DEVELOPING)"]),
                "parallel": (HEALTHY, [])},
    "race": {"plain": (HEALTHY, []), "mutex": (HEALTHY, []), "atomic": (HEALTHY, []),
             "messages": (HEALTHY, []), "local-then-merge": (HEALTHY, [])},
    "deadlock": {"ab-ba": None, "philosophers": None, "self": None, "ordered": (HEALTHY, [])},
    "contention": {"one-lock": ("lock-contention", ["pthread_mutex_lock(lock)"]),
                   "sharded": (HEALTHY, []), "atomic": (HEALTHY, []),
                   "local-then-merge": (HEALTHY, [])},
    "critical-section": {"long": ("lock-held-while-blocked",
                                  ["read(phones[me].clerk", "pthread_mutex_lock(&ledger_lock)"]),
                         "short": (HEALTHY, [])},
    "pipeline": {"slow-stage": (HEALTHY, []), "balanced": (HEALTHY, [])},
    "snapshot": {"locked": ("lock-contention", ["pthread_mutex_lock(&prices_lock)"]),
                 "immutable": (HEALTHY, [])},
    "imbalance": {"uneven": ("imbalance", ["pthread_barrier_wait(&pub)"]), "even": (HEALTHY, []),
                  "work-stealing": (HEALTHY, [])},
    "herd": {"broadcast": ("thundering-herd", ["pthread_cond_wait(&bell"]),
             "signal": (HEALTHY, [])},
    "spinning": {"busy-wait": ("busy-wait", ["while (atomic_load(&served)"]),
                 "condition-variable": (HEALTHY, [])},
    "priority": {"inversion": ("priority-inversion", ["pthread_mutex_lock(&archive_lock)"]),
                 "priority-inheritance": (HEALTHY, [])},
    "reader-writer": {"starving-writer": ("lock-contention",
                                          ["pthread_rwlock_wrlock(&board_lock)"]),
                      "fair": (HEALTHY, [])},
}
# words that the evidence or the advice of a finding has to hold, where they are the lesson
WORDS = {
    ("juggling", "one-core"): (HEALTHY, "took turns on one CPU"),
    ("pipeline", "slow-stage"): (HEALTHY, "baker computes most"),
    ("compute", "sequential"): ("cpu-bound", "threads, as many as there are CPUs"),
    ("io", "blocking"): ("io-bound", "waits for many things at once"),
    ("contention", "one-lock"): ("lock-contention", "big_lock"),
    ("reader-writer", "starving-writer"): ("lock-contention", "board_lock"),
}


def program(demo):
    return os.path.join(e2e.DEMOS, demo)


def variants(hanging=False):
    """(demo, variant) of all, or of those that end."""
    return [(demo, variant) for demo, known in DEMOS.items() for variant in known
            if hanging or known[variant]]


def source_lines(demo, pieces):
    """file:line of the lines in the demo's source that hold these pieces, by piece."""
    file = f"{demo}.c"
    with open(os.path.join(e2e.ROOT, "demos", file), encoding="utf-8") as text:
        numbered = list(enumerate(text, 1))
    return {piece: [f"{file}:{n}" for n, line in numbered if piece in line] for piece in pieces}


def complaints(demo, variant, recording):
    """What is wrong with the verdict on this recording; empty when nothing is."""
    expected, pieces = DEMOS[demo][variant]
    found = recording.json["findings"]
    wrong = [f"{f['id']} ({f['severity']}, {f['share']:.0%}): {f['evidence']}" for f in found
             if f["severity"] in ("high", "medium") and f["id"] != expected]
    right = next((f for f in found if f["id"] == expected), None)
    if not right:
        return wrong + [f"no {expected}, but {[f['id'] for f in found]}"]
    if expected != HEALTHY and right["severity"] not in ("high", "medium"):
        wrong.append(f"{expected} is of {right['severity']} severity, {right['share']:.0%}")
    for piece, lines in source_lines(demo, pieces).items():
        if not set(lines) & set(right["lines"]):
            wrong.append(f"'{piece}' is at {lines}, the finding names {right['lines']}")
    where, words = WORDS.get((demo, variant), (None, ""))
    said = [f["evidence"] + " " + f["advice"] for f in found if f["id"] == where]
    if where and not any(words in text for text in said):
        wrong.append(f"{where} does not say '{words}', but {said}")
    return wrong
