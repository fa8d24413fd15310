#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What tracing costs: the same work untraced, under ctrace, and under its peers, in turn.

    sudo make bench            or   tests/bench/run.py [ROUNDS] [WORKLOAD...]

Machines are noisy: every round runs each contender once, one after the other; shown are medians
over the rounds, their spread, and the difference to the untraced median.  A benchmark, not a test:
it never fails on a figure, and prints what has become worse than the ratios that are kept beside
it.  How to read it: README.md here.
"""
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "e2e", "lib"))
HERE = os.path.join(TOP, "tests", "bench")
BUILD = os.environ.get("B", os.path.join(TOP, "build"))
CTRACE = os.path.join(BUILD, "ctrace")
KEPT = os.path.join(HERE, "ratios.json")
WORSE = 1.2              # a ratio that has grown by more is printed
PGBENCH_S = 3
EVERYWHERE = os.sched_getaffinity(0)
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
OFF_CPU = "tracepoint:sched:sched_switch { @start[args->prev_pid] = nsecs; " \
          "if (@start[args->next_pid]) { @off[args->next_comm, ustack] = " \
          "sum(nsecs - @start[args->next_pid]); } }"


class Contender:
    """A tracer: before a command (wrap), or beside what runs already (beside); what it writes."""

    def __init__(self, name, wrap, beside=None, output=None, slow=1):
        self.name, self.wrap, self.beside, self.output = name, wrap, beside, output
        self.slow = slow        # its share of the work, where the whole would take minutes


def contenders(directory):
    trace, data = os.path.join(directory, "t.ctrace"), os.path.join(directory, "data")
    empty = os.path.join(directory, "empty")
    base = [CTRACE, "--as-root", "--quiet", "--no-html", "-o", trace]
    light = base + ["--futex=switch"]
    bare = light + ["--stack=off", "--cpu-samples=off"]
    found = [
        Contender("untraced", [], []),
        Contender("empty programs, switch", [empty, "switch"], [empty, "switch", "sleep", "1000"]),
        Contender("empty programs, calls", [empty, "calls"], [empty, "calls", "sleep", "1000"]),
        Contender("ctrace", base, base + ["--futex=calls", "-p"], trace),
        Contender("ctrace --futex=switch", light, light + ["-p"], trace),
        Contender("ctrace --futex=switch --stack=off", bare, bare + ["-p"], trace),
    ]
    for name, wrap, slow in (
            ("perf sched record", ["perf", "sched", "record", "-q", "-o", data], 1),
            ("perf record -e sched:sched_switch -g",
             ["perf", "record", "-q", "-e", "sched:sched_switch", "-g", "-o", data], 1),
            ("perf trace -s", ["perf", "trace", "-s", "-o", data], 4),
            ("trace-cmd record -e sched", ["trace-cmd", "record", "-q", "-e", "sched", "-o", data],
             1),
            ("strace -f", ["strace", "-f", "-o", data], 20)):
        if shutil.which(wrap[0]):
            found.append(Contender(name, wrap, wrap + ["sleep", "1000"], data, slow))
    for name, command in (("bcc offcputime", ["offcputime-bpfcc", "-f"]),
                          ("bpftrace off-CPU", ["bpftrace", "-e", OFF_CPU])):
        if shutil.which(command[0]):
            found.append(Contender(name, None, command))
    return found


class Beside:
    """A tracer that runs beside the work; for ctrace, attached to a process."""

    def __init__(self, contender, pid, needs_pid=True):
        command = list(contender.beside)
        self.process = None
        if command[-1:] == ["-p"]:
            if not needs_pid:
                pid = self._sleeper()
            command.append(str(pid))
        if command:
            self.process = subprocess.Popen(
                command, start_new_session=True, **QUIET,
                preexec_fn=lambda: os.sched_setaffinity(0, EVERYWHERE))
            time.sleep(3 if contender.wrap is None else 1)     # until it is armed

    def _sleeper(self):
        self.sleeper = subprocess.Popen(["sleep", "1000"])
        return self.sleeper.pid

    def stop(self):
        if self.process:
            os.killpg(self.process.pid, signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if hasattr(self, "sleeper"):
            self.sleeper.kill()
            self.sleeper.wait()


def figure(command, pattern, **how):
    """The figure that a command prints of itself."""
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         errors="replace", check=False, **how)
    found = re.search(pattern, run.stdout, re.MULTILINE)
    return float(found.group(1)) if found else None


# ---- workloads: (what, unit, how much, command of the count, pattern of its figure) --------------

def workloads(directory):
    handover, neighbour = (os.path.join(directory, n) for n in ("handover", "neighbour"))
    number = r"^([0-9]+\.?[0-9]*)$"
    return {
        "a": ("two threads hand a futex to and fro on one CPU", "ns a switch", 200000,
              lambda n: [handover, "1", str(n)], number),
        "b": ("the same, on any CPU", "ns a switch", 200000,
              lambda n: [handover, "2", str(n)], number),
        "c": ("perf bench sched pipe -T", "us a round", 100000,
              lambda n: ["perf", "bench", "sched", "pipe", "-T", "-l", str(n)],
              r"([0-9.]+) usecs/op"),
        "d": ("hackbench", "s", 600, lambda n: ["hackbench", "-g", "4", "-l", str(n)],
              r"Time: ([0-9.]+)"),
        "e": ("sysbench threads, 8 threads", "s", 1500,
              lambda n: ["sysbench", "threads", "--threads=8", f"--events={n}", "--time=0", "run"],
              r"total time: +([0-9.]+)s"),
        "e2": ("sysbench mutex, 8 threads", "s", 40000,
               lambda n: ["sysbench", "mutex", "--threads=8", "--mutex-num=4",
                          f"--mutex-locks={n}", "--mutex-loops=100", "run"],
               r"total time: +([0-9.]+)s"),
        "f": ("computing alone", "ns a thousand steps", 200000,
              lambda n: [neighbour, "compute", str(n)], number),
    }


def measure_one(contender, count, command, pattern):
    count = max(count // contender.slow, 1)
    if contender.wrap is not None:
        return figure(contender.wrap + command(count), pattern)
    beside = Beside(contender, 0)
    try:
        return figure(command(count), pattern)
    finally:
        beside.stop()


def lost_events(contender):
    """Of the trace just written; None when it is not ctrace's."""
    if not contender.name.startswith("ctrace"):
        return None
    export = subprocess.run([CTRACE, "export", contender.output, "-f", "json", "-o", "-"],
                            stdout=subprocess.PIPE, check=False)
    data = json.loads(export.stdout)
    return data["loss"]["events"], data["run"]["switches"]


def run_workload(key, work, all_contenders, rounds):
    what, unit, count, command, pattern = work
    values = {c.name: [] for c in all_contenders}
    extra = {}
    for turn in range(rounds):
        for c in all_contenders:
            value = measure_one(c, count, command, pattern)
            if value is None:
                continue
            # sysbench and hackbench say the time of all of it: a share of the work, a share of it
            values[c.name].append(value * c.slow if unit == "s" else value)
            if turn == 0 and c.output and os.path.exists(c.output):
                size = os.path.getsize(c.output)
                lost = lost_events(c)
                extra[c.name] = {"bytes": size * c.slow}
                if lost:
                    extra[c.name].update(lost=lost[0], switches=lost[1])
    print_table(f"({key}) {what}", unit, values, extra)
    return summary(values, extra)


def run_neighbour(directory, all_contenders, rounds):
    """What a program pays that nobody traces, while the tracer is on another one, or on all."""
    neighbour = os.path.join(directory, "neighbour")
    results = {}
    for what, count, unit in (("getpid", 1000000, "ns a call"), ("switch", 100000, "ns a switch")):
        values = {c.name: [] for c in all_contenders}
        for _ in range(rounds):
            for c in all_contenders:
                if c.beside is None or c.name == "strace -f":   # it traces nobody else
                    continue
                beside = Beside(c, 0, needs_pid=False)
                value = figure([neighbour, what, str(count)], r"^([0-9.]+)$")
                beside.stop()
                if value is not None:
                    values[c.name].append(value)
        print_table(f"(h) a neighbour that is not traced: {what}", unit, values, {})
        results[f"h {what}"] = summary(values, {})
    return results


def crossings():
    """Interrupts that CPUs have sent each other; 0 where the kernel has other names for them."""
    with open("/proc/interrupts", encoding="ascii") as table:
        rows = [line.split() for line in table]
    return sum(int(n) for row in rows if row and row[0] in ("RES:", "CAL:")
               for n in row[1:] if n.isdigit())


def measure_pgbench(server, contender):
    """ms a transaction, and interrupts from CPU to CPU for each."""
    beside = Beside(contender, server.process.pid)
    before = crossings()
    tps = figure(server.client("pgbench", "-c", "4", "-j", "2", "-T", str(PGBENCH_S), "postgres"),
                 r"tps = ([0-9.]+)", cwd=server.home)
    crossed = crossings() - before
    beside.stop()
    return (1e3 / tps, crossed / (tps * PGBENCH_S)) if tps else (None, None)


def run_pgbench(all_contenders, rounds):
    """On all CPUs, where luck decides how often a client and its server are on the same one; and
    with clients and servers on one CPU, where what tracing costs is left.  The tracer is free."""
    import postgres     # the tests' server
    if not postgres.binaries():
        return {}
    server = postgres.Server()
    able = [c for c in all_contenders if c.beside is not None and c.name != "strace -f"]
    results = {}
    for key, cpus, where in (("g", EVERYWHERE, "on all CPUs"),
                             ("g1", {min(EVERYWHERE)}, "on one CPU")):
        for pid in (server.process.pid, 0):     # their children, too
            os.sched_setaffinity(pid, cpus)
        values = {c.name: [] for c in all_contenders}
        crossed = {c.name: [] for c in all_contenders}
        for _ in range(rounds):
            for c in random.sample(able, len(able)):    # no place in the turn is better
                ms, each = measure_pgbench(server, c)
                if ms is not None:
                    values[c.name].append(ms)
                    crossed[c.name].append(each)
        os.sched_setaffinity(0, EVERYWHERE)
        print_table(f"({key}) pgbench, 4 clients, {where}, the server attached to",
                    "ms a transaction", values, {})
        print("  interrupts from CPU to CPU, a transaction:", flush=True)
        crossed = {name: statistics.median(row) for name, row in crossed.items() if row}
        for name, each in crossed.items():
            print(f"  {name:38} {each:10.2f}")
        results[key] = summary(values, {name: {"crossings": each}
                                        for name, each in crossed.items()})
    return results


# ---- the collector, and opening what it wrote ----------------------------------------------------

COLLECTED_S, FROM_S, TO_S = 6, 1, 5     # a recording, and the part of it that is measured


def cpu_ns(pid):
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as stat:
        return int(stat.read().split()[0])


def run_collector(directory):
    """CPU of the collector for each event, compression included, once it has started; attached, so
    that the work is not its child's."""
    trace = os.path.join(directory, "collector.ctrace")
    results = {}
    for futex in ("switch", "calls"):
        work = subprocess.Popen([os.path.join(directory, "handover"), "1", "100000000"], **QUIET)
        tracer = subprocess.Popen([CTRACE, "--as-root", "--quiet", "--no-html", f"--futex={futex}",
                                   "-o", trace, "-d", str(COLLECTED_S), "-p", str(work.pid)])
        time.sleep(FROM_S)
        begin = cpu_ns(tracer.pid)
        time.sleep(TO_S - FROM_S)
        used = cpu_ns(tracer.pid) - begin
        with open(f"/proc/{tracer.pid}/status", encoding="ascii") as status:
            peak = int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1)) / 1024
        tracer.wait()
        work.kill()
        work.wait()
        export = subprocess.run([CTRACE, "export", trace, "-f", "json", "-o", "-"],
                                stdout=subprocess.PIPE, check=True)
        per_s = json.loads(export.stdout)["run"]["events"] / COLLECTED_S
        each = used / (per_s * (TO_S - FROM_S))
        results[futex] = {"ns_per_event": each, "peak_mib": peak, "events_per_s": per_s}
        print(f"collector, --futex={futex}: {each:.0f} ns of its CPU for each event, "
              f"{per_s:,.0f} events/s, at most {peak:.0f} MiB", flush=True)
    return {"collector": results}


def run_opening(directory):
    trace = os.path.join(directory, "big.ctrace")
    subprocess.run([CTRACE, "--as-root", "--quiet", "--no-html", "-o", trace, "perf", "bench",
                    "sched", "pipe", "-T", "-l", "1000000"], check=False, **QUIET)
    begin = time.monotonic()
    child = subprocess.Popen([CTRACE, "report", trace], **QUIET)
    _, _, usage = os.wait4(child.pid, 0)
    wall_s = time.monotonic() - begin
    export = subprocess.run([CTRACE, "export", trace, "-f", "json", "-o", "-"],
                            stdout=subprocess.PIPE, check=True)
    events = json.loads(export.stdout)["run"]["events"]
    cpu_us = (usage.ru_utime + usage.ru_stime) * 1e6 / events
    peak = usage.ru_maxrss / 1024
    print(f"opening {events:,} events: {wall_s:.2f} s, {cpu_us:.2f} us of CPU for each event, "
          f"{peak:.0f} MiB", flush=True)
    return {"opening": {"events": events, "us_per_event": cpu_us, "peak_mib": peak}}


# ---- tables --------------------------------------------------------------------------------------

def summary(values, extra):
    result = {}
    base = statistics.median(values["untraced"])
    for name, row in values.items():
        if row:
            median = statistics.median(row)
            result[name] = {"median": median, "min": min(row), "max": max(row),
                            "added": median - base, "ratio": median / base, **extra.get(name, {})}
    return result


def print_table(title, unit, values, extra):
    print(f"\n{title}, {unit}")
    for name, row in summary(values, extra).items():
        line = f"  {name:38} {row['median']:10.2f} {row['added']:+10.2f}  x{row['ratio']:6.3f}"
        line += f"   ({row['min']:.2f} .. {row['max']:.2f})"
        if row.get("switches"):
            line += f"  {row['bytes'] / row['switches']:5.1f} B/switch, {row['lost']} lost"
        print(line, flush=True)
    for name in [name for name, row in values.items() if not row]:
        print(f"  {name:38} not run: it does not work here, or not so")


def added(results, key, name):
    return results.get(key, {}).get(name, {}).get("added")


def targets(results):
    """What is to be reached: (what, reached, at most); figures of this very run."""
    rows = []
    perf = added(results, "a", "perf sched record")
    for name, most in (("ctrace", 0.4), ("ctrace --futex=switch", 0.2),
                       ("ctrace --futex=switch --stack=off", 0.12)):
        mine = added(results, "a", name)
        if perf and mine is not None:
            rows.append((f"added on (a) by {name}, over perf sched record's", mine / perf, most))
    for key, name in (("d", "ctrace"), ("g", "ctrace --futex=switch"),
                      ("g1", "ctrace --futex=switch"), ("g1", "ctrace")):
        row = results.get(key, {}).get(name)
        if row:
            rows.append((f"slow-down on ({key}), {name}", row["ratio"], 1.05))
    for what in ("getpid", "switch"):
        row = results.get(f"h {what}", {})
        if row.get("ctrace --futex=switch"):
            rows.append((f"neighbour's {what}, --futex=switch",
                         row["ctrace --futex=switch"]["ratio"], 1.02))
        if row.get("ctrace") and row.get("empty programs, calls"):
            rows.append((f"neighbour's {what}, over empty programs'",
                         row["ctrace"]["ratio"] / row["empty programs, calls"]["ratio"], 1.02))
    for name, most in (("ctrace", 8), ("ctrace --futex=switch", 4)):
        row = results.get("a", {}).get(name, {})
        if row.get("switches"):
            rows.append((f"bytes a switch on (a), {name}", row["bytes"] / row["switches"], most))
    lost = sum(row.get("lost", 0) for work in results.values() if isinstance(work, dict)
               for row in work.values() if isinstance(row, dict))
    rows.append(("events lost, all workloads", lost, 0))
    for futex, row in results.get("collector", {}).items():
        rows.append((f"collector's ns an event, --futex={futex}", row["ns_per_event"], 100))
        rows.append((f"collector's MiB, --futex={futex}", row["peak_mib"], 64))
    for row in results.get("page", []):
        if row["slices"] == 10e6:
            rows.append(("page of 10 M slices: s to the first picture", row["pictureS"], 1.5))
            rows.append(("page of 10 M slices: ms a frame, p95", row["p95"], 17))
            rows.append(("page of 10 M slices: ms blocked at most",
                         max(row["blocked"], row["blockedOpening"]), 100))
            rows.append(("page of 10 M slices: bytes a slice", row["bytes"], 3.5))
    if "opening" in results:
        rows.append(("opening: us an event", results["opening"]["us_per_event"], 1))
        rows.append(("opening: MiB", results["opening"]["peak_mib"], 1024))
    return rows


def print_targets(results):
    rows = targets(results)
    kept = {}
    if os.path.exists(KEPT):
        with open(KEPT, encoding="utf-8") as file:
            kept = json.load(file)
    print(f"\n{'to reach':58} {'reached':>9} {'at most':>8} {'kept':>9}")
    for what, reached, most in rows:
        before = kept.get(what)
        worse = before is not None and reached > before * WORSE and reached - before > 0.01
        print(f"{what:58} {reached:9.3f} {most:8g} "
              f"{'' if before is None else format(before, '.3f'):>9}"
              f"{'' if reached <= most else '  not reached'}{'  WORSE than kept' if worse else ''}")
    return {what: round(reached, 3) for what, reached, _ in rows}


def run_page(directory):
    """The page of large traces in a browser: tests/bench/page.mjs prints its own table."""
    figures = os.path.join(directory, "page.json")
    print("\npage: made-up traces in Chromium, without a GPU", flush=True)
    try:
        done = subprocess.run(["node", os.path.join(HERE, "page.mjs"), "--json", figures],
                              check=False)
    except OSError as error:
        print(f"  left out: {error}")
        return {}
    if done.returncode or not os.path.exists(figures):
        return {}
    with open(figures, encoding="utf-8") as file:
        return {"page": json.load(file)}


def build(directory):
    compiler = os.environ.get("CC", "cc")
    for name, libraries in (("handover", []), ("neighbour", []), ("empty", ["-lbpf"])):
        subprocess.run([compiler, "-O2", "-pthread", os.path.join(HERE, name + ".c"), "-o",
                        os.path.join(directory, name), *libraries], check=True)


def main():
    words = sys.argv[1:]
    rounds = int(words.pop(0)) if words and words[0].isdigit() else 5
    if os.geteuid() != 0:
        sys.exit("bench: recording needs root: sudo make bench")
    results = {}
    with tempfile.TemporaryDirectory() as directory:
        build(directory)
        everybody = contenders(directory)
        print(f"{rounds} rounds in turn, medians; {os.cpu_count()} CPUs, {os.uname().release}")
        print("each line: median, added to untraced, ratio, (least .. most)")
        for key, work in workloads(directory).items():
            if not words or key in words:
                results[key] = run_workload(key, work, everybody, rounds)
        if not words or "g" in words:
            results.update(run_pgbench(everybody, rounds))
        if not words or "h" in words:
            results.update(run_neighbour(directory, everybody, rounds))
        if not words or "collector" in words:
            results.update(run_collector(directory))
        if not words or "opening" in words:
            results.update(run_opening(directory))
        if not words or "page" in words:
            results.update(run_page(directory))
    ratios = print_targets(results)
    output = os.path.join(BUILD, "bench.json")
    with open(output, "w", encoding="utf-8") as file:
        json.dump({"rounds": rounds, "cpus": os.cpu_count(), "kernel": os.uname().release,
                   "results": results, "ratios": ratios}, file, indent=1)
    print(f"\nall figures: {output}; to keep these ratios: copy its 'ratios' to {KEPT}")


main()
