# SPDX-License-Identifier: BSD-2-Clause
"""What the end-to-end tests share: running ctrace, reading its exports, saying ok and not ok.

A test imports this and calls check() for each thing it proves; done(), its last statement, decides
the status.  Everything a test writes is in one temporary directory, DIR, which is removed; every
process it starts is ended by its pid.  Standard library only.
"""
import atexit
import contextlib
import csv as csv_module
import glob
import io
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.path.join(ROOT, os.environ.get("B", "build"))
CTRACE = os.path.join(ROOT, os.environ.get("CTRACE", os.path.join(BUILD, "ctrace")))
DEMOS = os.path.join(ROOT, os.environ.get("DEMOS_OF", BUILD), "demos")
PROGRAMS = os.path.join(ROOT, "tests", "e2e", "prog")
NOBODY = 65534

# Tolerances, named; every use says why there is one.
CPU_SHARE = 0.005            # running time against CLOCK_THREAD_CPUTIME_ID: the contract's 0.5 %
CPU_FLOOR_NS = 300_000       # ... of a thread so short that a few interrupts weigh more than that
SWITCH_NS = 100              # ... for each switch: the time inside it may go to either thread
SCAN_SWITCHES_MAX = 300_000  # beyond, reading all events in here takes too long: a share instead
ANOMALIES_SHARE = 0.01
UNSEEN_SHARE = 0.05          # of running time: comings to a CPU that the kernel did not report
TIMEOUT_S = 100              # of one command; not a measure, only an end
VERSION_OFFSET = 8           # of the format version in a trace file (user/trace/format.h)

DIR = tempfile.mkdtemp(prefix="ctrace-e2e-")
os.chmod(DIR, 0o755)         # so that what runs as another user can be there
_results = {"ok": 0, "not ok": 0, "skip": 0}
_children = []


class Harness(Exception):
    """The test itself cannot go on; not a verdict about ctrace."""


# ---- verdicts -----------------------------------------------------------------------------------

def check(name, good, detail=""):
    """One proved or refuted statement.  detail is shown when it is refuted."""
    verdict = "ok" if good else "not ok"
    _results[verdict] += 1
    print(f"{verdict} - {name}", flush=True)
    if not good and detail != "":
        for line in str(detail).splitlines()[:60]:
            print(f"#   {line}", flush=True)
    return bool(good)


def equal(name, got, expected):
    return check(name, got == expected, f"got {got!r}, expected {expected!r}")


def note(text):
    print(f"# {text}", flush=True)


def skip_all(why):
    print(f"SKIP {why}", flush=True)
    _cleanup()
    os._exit(77)


def done():
    """The last statement of every test."""
    _cleanup()
    if not sum(_results.values()):
        print("the test proved nothing", flush=True)
        os._exit(99)
    sys.stdout.flush()
    os._exit(1 if _results["not ok"] else 0)


def _cleanup():
    for child in _children:
        stop(child)
    shutil.rmtree(DIR, ignore_errors=True)


def _excepthook(kind, value, trace):
    sys.__excepthook__(kind, value, trace)
    print(f"not ok - the test ended by {kind.__name__}: {value}", flush=True)
    _cleanup()
    os._exit(99 if kind is Harness else 1)


sys.excepthook = _excepthook
atexit.register(_cleanup)
signal.signal(signal.SIGTERM, lambda *_: (_cleanup(), os._exit(1)))


# ---- what a test needs --------------------------------------------------------------------------

def needs_recording():
    """Skips unless this machine and this user can record."""
    if os.geteuid() != 0:
        skip_all("recording needs root")
    doctor = run([CTRACE, "doctor"])
    if doctor.returncode != 0:
        last = (doctor.stdout + doctor.stderr).strip().splitlines()[-1:]
        skip_all(f"ctrace doctor says that this machine cannot record: {' '.join(last)}")


def needs_watching():
    """Skips unless this machine can record, and has debug registers for --watch."""
    needs_recording()
    probe = run([CTRACE, "--quiet", "--watch", "*0x1000:8", "-o", path("probe.ctrace"), "true"])
    if "debug registers" in probe.stderr or "x86-64 alone" in probe.stderr:
        skip_all(f"no debug registers: {probe.stderr.strip()}")


def needs_tools(*names):
    """Skips unless these programs are installed (user/gen/deps.sh installs them)."""
    for name in names:
        if not tool(name):
            skip_all(f"{name} is not installed (make deps-test)")


PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/bin"


def tool(name):
    """A program's path.  perf: what Ubuntu has of that name in PATH is a wrapper that refuses to
    work without a package for the very kernel; any version of perf itself will do."""
    if name == "perf":
        for perf in [shutil.which(name, path=PATH), *glob.glob("/usr/lib/linux-tools-*/perf")]:
            if perf and run([perf, "version"]).returncode == 0:
                return perf
        return None
    return shutil.which(name, path=PATH)


def system_python():
    """The distribution's interpreter where there is one: a shim in PATH would be traced too."""
    for path in ("/usr/bin/python3", sys.executable):
        if os.path.exists(path):
            return path
    raise Harness("no python3")


def environment(**more):
    """A plain environment: no sudo around, the C locale, no colours."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("SUDO_")}
    env.update(LC_ALL="C", NO_COLOR="1", PATH=PATH)
    env.update({k: str(v) for k, v in more.items()})
    return env


def path(name):
    return os.path.join(DIR, name)


@contextlib.contextmanager
def small_disk(size):
    """A folder on a disk of its own, of so many bytes (as mount(8) reads them)."""
    folder = tempfile.mkdtemp(dir=DIR)
    mounted = run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder])
    if mounted.returncode:
        raise Harness(f"cannot mount a small disk: {mounted.stderr}")
    try:
        yield folder
    finally:
        run(["umount", folder])


def text_of(file):
    with open(file, encoding="utf-8", errors="replace") as text:
        return text.read()


def compile_c(source, output, *flags, compiler="gcc"):
    """Builds a program of tests/e2e/prog (or a given text) into DIR."""
    if not os.path.exists(source):
        source = os.path.join(PROGRAMS, source)
    command = [compiler, *flags, "-pthread", source, "-o", path(output)]
    built = run(command)
    if built.returncode:
        raise Harness(f"{' '.join(command)}: {built.stderr}")
    return path(output)


# ---- running ------------------------------------------------------------------------------------

def run(command, timeout=TIMEOUT_S, **how):
    """subprocess.run, text, captured; a time-out ends the whole process group."""
    how.setdefault("stdin", subprocess.DEVNULL)
    how.setdefault("stdout", subprocess.PIPE)
    how.setdefault("stderr", subprocess.PIPE)
    how.setdefault("env", environment())
    how.setdefault("cwd", DIR)
    how.setdefault("errors", "replace")
    data = how.pop("input", None)
    if data is not None:
        how["stdin"] = subprocess.PIPE
    process = subprocess.Popen(command, text=True, start_new_session=True, **how)
    _children.append(process)
    try:
        out, err = process.communicate(data, timeout=timeout)
    except subprocess.TimeoutExpired:
        stop(process)
        raise AssertionError(f"{' '.join(map(str, command))}: not done after {timeout} s") from None
    _children.remove(process)
    return subprocess.CompletedProcess(command, process.returncode, out or "", err or "")


def start(command, **how):
    """A process that goes on beside the test; stop() or done() ends it."""
    how.setdefault("stdin", subprocess.DEVNULL)
    how.setdefault("stdout", subprocess.DEVNULL)
    how.setdefault("stderr", subprocess.DEVNULL)
    how.setdefault("env", environment())
    how.setdefault("cwd", DIR)
    process = subprocess.Popen(command, start_new_session=True, **how)
    _children.append(process)
    return process


def stop(process):
    """Ends a started process and what is left of its group (its session is its own)."""
    for sig in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sig)
        except ProcessLookupError:
            break
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            continue
    if process in _children:
        _children.remove(process)


def wait_for(what, condition, seconds=30):
    """Until condition() is true; its value.  Never a fixed sleep."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s for {what}")


_serial = itertools.count(1)     # also of threads: next() is one step


class Recording:
    """One run of ctrace and the trace it left."""

    def __init__(self, trace, result):
        self.trace = trace
        self.result = result
        self.status = result.returncode
        self.stdout = result.stdout
        self.stderr = result.stderr
        self._json = None

    @property
    def json(self):
        if self._json is None:
            self._json = json.loads(export(self.trace, "json"))
        return self._json

    @property
    def threads(self):
        return self.json["threads"]

    def named(self, name):
        return [t for t in self.threads if t["name"] == name]


def trace_name():
    return path(f"t{next(_serial)}.ctrace")


def record(command, *options, shell_redirect="", **how):
    """Runs a program under ctrace, quietly, its own output untouched."""
    trace = trace_name()
    full = [CTRACE, "--quiet", "--no-html", "-o", trace, *options, "--", *command]
    if shell_redirect:
        full = ["sh", "-c", f'exec "$@" {shell_redirect}', "sh", *full]
    return Recording(trace, run(full, **how))


def attach(pid, *options, seconds=None, **how):
    """Attaches to running processes; pid is a number or a list."""
    trace = trace_name()
    pids = ",".join(map(str, pid)) if isinstance(pid, (list, tuple)) else str(pid)
    limit = ["-d", str(seconds)] if seconds else []
    result = run([CTRACE, "--quiet", "--no-html", "-o", trace, *options, "-p", pids, *limit], **how)
    return Recording(trace, result)


def demo(name, variant=None, *options, arguments=()):
    """A demo under ctrace; returns (recording, truth)."""
    truth = path(f"truth{next(_serial)}")
    command = [os.path.join(DEMOS, name)] + ([variant] if variant else []) + list(arguments)
    recording = record(command, *options, shell_redirect=f"3>{truth}",
                       env=environment(CTRACE_TRUTH=1))
    with open(truth, encoding="utf-8") as lines:
        return recording, [json.loads(line) for line in lines]


# ---- reading ------------------------------------------------------------------------------------

def export(trace, form):
    result = run([CTRACE, "export", trace, "-f", form, "-o", "-"])
    if result.returncode:
        raise AssertionError(f"export -f {form}: status {result.returncode}: {result.stderr}")
    return result.stdout


def csv(trace):
    """The state slices, as dictionaries; comment lines (#) are left out."""
    lines = [line for line in export(trace, "csv").splitlines() if not line.startswith("#")]
    return list(csv_module.DictReader(io.StringIO("\n".join(lines))))


def first_slices(trace):
    """tid: the first state slice of that thread.  Read as it comes: there may be millions."""
    with open(path("export.err"), "w", encoding="utf-8") as err:
        process = start([CTRACE, "export", trace, "-f", "csv", "-o", "-"], stderr=err,
                        stdout=subprocess.PIPE, text=True, errors="replace")
        rows = csv_module.reader(line for line in process.stdout if not line.startswith("#"))
        names, first = next(rows, []), {}
        tid = names.index("tid") if names else 0
        for row in rows:
            if row[tid] not in first:
                first[row[tid]] = dict(zip(names, row))
        status = process.wait(TIMEOUT_S)
    stop(process)
    if status:
        raise AssertionError(f"export -f csv: status {status}: {text_of(path('export.err'))}")
    return first


def lifetime(thread):
    return thread["end_ns"] - thread["start_ns"]


def states_sum(thread):
    return thread["running_ns"] + thread["runnable_ns"] + sum(thread["blocked_ns"].values())


# ---- statements that hold for every recording ---------------------------------------------------

def check_sound(name, recording, status=0, min_threads=1):
    """No loss, the kernel's own counts, states that add up, the program's exit status."""
    equal(f"{name}: exit status", recording.status, status)
    if not os.path.exists(recording.trace):
        return check(f"{name}: a trace was written", False, recording.stderr)
    equal(f"{name}: no event lost", recording.json["loss"]["events"], 0)
    check_contradictions(name, recording)
    threads = recording.threads
    check(f"{name}: at least {min_threads} threads", len(threads) >= min_threads, len(threads))
    check_states(name, threads)
    check_counts(name, threads)
    return True


def unexplained_leavings(trace):
    """Times that a thread left a CPU which had gone to another traced thread before.  (That it had
    gone to an untraced one is explained: there are kernels that do not report every switch from
    some thread of another program; perf does not see it there either.)"""
    on_cpu, known, wrong, end = {}, set(), 0, None
    text = start([CTRACE, "export", trace, "-f", "text", "-o", "-"], stdout=subprocess.PIPE)
    for line in text.stdout:
        if line.startswith(b"run ") and b" end=" in line:
            end = int(line.split(b" end=")[1].split()[0].replace(b"_", b""))
        if b" task_new " in line and line[:1].isdigit():
            known.add(line.split()[3])
            continue
        if b" switch " not in line and b" block " not in line or not line[:1].isdigit():
            continue
        ts, cpu, _, tid, *fields = line.split()
        if end and int(ts) >= end:      # after -d threads are let go one by one
            break
        came = next((f[5:] for f in fields if f.startswith(b"next=")), b"0")
        wrong += cpu in on_cpu and on_cpu[cpu] not in (b"0", tid)
        # a thread that is being attached to is recorded in tries, some of them given up again
        on_cpu[cpu] = came if came in known else b"0"
    text.stdout.close()
    stop(text)
    return wrong


def check_contradictions(name, recording):
    """Nothing was lost, so each event must agree with those before it."""
    wrong, switches = recording.json["loss"]["anomalies"], recording.json["run"]["switches"]
    if wrong:
        note(f"{name}: {wrong} contradictions in {switches} switches")
    if wrong and switches < SCAN_SWITCHES_MAX:
        wrong = unexplained_leavings(recording.trace)
    elif wrong:
        wrong = 0 if wrong < switches * ANOMALIES_SHARE else wrong
    equal(f"{name}: no event contradicts another", wrong, 0)


def check_states(name, threads):
    wrong = [f"{t['name']} {t['tid']}: states {states_sum(t)}, lifetime {lifetime(t)}"
             for t in threads if states_sum(t) != lifetime(t)]
    check(f"{name}: the states of each thread add up to its lifetime, to the nanosecond",
          not wrong, "\n".join(wrong))


def check_counts(name, threads):
    """Recorded switches against the kernel's counters of the same time, kind by kind."""
    wrong, unknown = [], []
    for t in threads:
        kernel = t.get("kernel_switches")
        if not kernel:
            # one that runs on when an attached recording ends may switch while it is asked
            if not t["cut"]["end"]:
                unknown.append(f"{t['name']} {t['tid']}")
        elif kernel != t["switches"] or t.get("switches_agree") is not True:
            wrong.append(f"{t['name']} {t['tid']}: recorded {t['switches']}, kernel {kernel}, "
                         f"switches_agree {t.get('switches_agree')}")
    check(f"{name}: switches equal the kernel's counters for each of {len(threads)} threads",
          not wrong, "\n".join(wrong))
    check(f"{name}: the kernel's counters are known for every thread that ended", not unknown,
          " ".join(unknown))


def check_own_switches(name, said, events):
    """Up to the moment of the statement: what was recorded is what the thread had read."""
    seen = events.switches_until(said["tid"], said["t_ns"])
    total = {kind: seen[kind] + events.before(said["tid"], kind) for kind in seen}
    equal(f"{name}: switches as it read them itself", total,
          {"voluntary": said["voluntary"], "involuntary": said["involuntary"]})


def blocked_share(threads, *states):
    """Share of these states in all blocked time."""
    total = sum(sum(t["blocked_ns"].values()) for t in threads)
    return sum(t["blocked_ns"].get(s, 0) for t in threads for s in states) / max(total, 1)


def one_line(text, prefix="ctrace: "):
    """Exactly one line, from ctrace."""
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) == 1 and lines[0].startswith(prefix)


def number_in(pattern, text):
    found = re.search(pattern, text)
    return int(found.group(1).replace(",", "")) if found else None


class Events:
    """The text form of a trace, line by line; counts per thread up to a moment."""

    def __init__(self, trace):
        self.rows = []       # (time, cpu, kind, tid, {field: text})
        self.start_ns = None # of the run; times of csv and json count from it
        for line in export(trace, "text").splitlines():
            if line.startswith("run "):
                found = re.search(r" start=([0-9_]+)", line)
                self.start_ns = int(found.group(1).replace("_", "")) if found else self.start_ns
            if not line[:1].isdigit():
                continue
            ts, cpu, kind, tid, *fields = line.split()
            pairs = dict(f.split("=", 1) for f in fields if "=" in f)
            self.rows.append((int(ts.replace("_", "")), int(cpu), kind, int(tid), pairs))

    def of(self, tid, *kinds):
        return [row for row in self.rows if row[3] == tid and (not kinds or row[2] in kinds)]

    def switches_until(self, tid, t_ns):
        """As the kernel counts: a switch out that waits is voluntary, any other is not."""
        voluntary = sum(1 for row in self.of(tid, "block") if row[0] <= t_ns)
        involuntary = sum(1 for row in self.of(tid, "switch") if row[0] <= t_ns)
        return {"voluntary": voluntary, "involuntary": involuntary}

    def unseen_arrivals(self, tid):
        """Times that it left a CPU which had last been seen to go to an untraced thread: the kernel
        did not report its coming, so its time on the CPU since is a guess (as far as is known only
        kernels with threads hidden from tracing do that; perf does not see it there either)."""
        on_cpu, unseen = {}, 0
        for _, cpu, kind, subject, fields in self.rows:
            if kind in ("switch", "block"):
                unseen += subject == tid and on_cpu.get(cpu, tid) == 0
                on_cpu[cpu] = int(fields.get("next", 0))
        return unseen

    def before(self, tid, field):
        """voluntary, involuntary or cpu_ns that the thread had when recording found it."""
        new = self.of(tid, "task_new")
        return int(new[0][4].get(field, "0").replace("_", "")) if new else 0

    def running_until(self, tid, t_ns):
        """Nanoseconds on a CPU, by the switches alone: also what is before the life that the other
        exports tell, the way from the fork to the exec of the program that ctrace started."""
        total, since = 0, None
        for ts, _, kind, subject, fields in self.rows:
            if ts >= t_ns:
                break
            if kind not in ("switch", "block"):
                continue
            if subject == tid and since is not None:
                total, since = total + ts - since, None
            if int(fields.get("next", 0)) == tid:
                since = ts
        return total + (t_ns - since if since is not None else 0)


def running_until(slices, tid, t_ns):
    """Nanoseconds on a CPU before t_ns (from the run's start), from the rows of csv()."""
    total = 0
    for row in slices:
        start = int(row["start_ns"])
        if int(row["tid"]) == tid and row["state"] == "running" and start < t_ns:
            total += min(int(row["duration_ns"]), t_ns - start)
    return total


def lock_waits(recording, start_ns):
    """Every stretch blocked on a mutex, with absolute times: tid, start, end, address, owner (0:
    unknown), file, line."""
    address = {lock["id"]: int(lock["address"], 16) for lock in recording.json["locks"]}
    waits = []
    for row in csv(recording.trace):
        if row["state"] != "lock":
            continue
        start = start_ns + int(row["start_ns"])
        waits.append({"tid": int(row["tid"]), "start": start,
                      "end": start + int(row["duration_ns"]),
                      "address": address.get(row["lock"].split(" ")[0], 0),
                      "owner": int(row["owner"] or 0), "file": row["file"], "line": row["line"]})
    return waits
