# SPDX-License-Identifier: BSD-2-Clause
"""Four threads of an interpreter that lets one run at a time; prints what they worked out."""
import threading

results = [0] * 4


def work(me):
    total = 0
    for i in range(600_000):
        total = (total * 31 + i * me) % 1_000_003
    results[me] = total


threads = [threading.Thread(target=work, args=(me,)) for me in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(results)
