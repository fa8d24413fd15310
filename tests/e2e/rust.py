#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 200
"""Rust's std::sync::Mutex: it keeps no owner, and its functions are the standard library's.  The
lock is a mutex, the line is the program's, and who holds it is inferred from who wakes whom."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()
if not e2e.tool("rustc"):
    e2e.skip_all("rustc is not installed")

RIGHT_LINES = 0.99  # of the lock-wait time
THREADS = 3
ROUNDS = 20
HELD = f"""
use std::sync::{{Arc, Mutex}};
use std::thread;
use std::time::Duration;
#[inline(never)]
fn work(m: &Mutex<u64>) {{
    let mut g = m.lock().unwrap();
    *g += 1;
    thread::sleep(Duration::from_millis(10));
}}
fn main() {{
    let m = Arc::new(Mutex::new(0u64));
    let all: Vec<_> = (0..{THREADS}).map(|_| {{
        let m = m.clone();
        thread::spawn(move || for _ in 0..{ROUNDS} {{ work(&m) }})
    }}).collect();
    for t in all {{ t.join().unwrap() }}
}}
"""
CROSSED = """
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;
fn main() {
    let (a, b) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
    let both = Arc::new(Barrier::new(2));
    thread::spawn(|| loop { thread::sleep(Duration::from_millis(20)) });
    let cross = |x: Arc<Mutex<i32>>, y: Arc<Mutex<i32>>, both: Arc<Barrier>| thread::spawn(move || {
        let _first = x.lock().unwrap();
        both.wait();
        let _second = y.lock().unwrap();
    });
    let t = cross(a.clone(), b.clone(), both.clone());
    let u = cross(b, a, both);
    t.join().unwrap();
    u.join().unwrap();
}
"""


def build(name, text, *flags):
    source = e2e.path(f"{name}.rs")
    with open(source, "w", encoding="ascii") as out:
        out.write(text)
    program = e2e.path(f"{name}{''.join(flags)}")
    result = e2e.run(["rustc", "-g", *flags, source, "-o", program])
    if result.returncode:
        e2e.skip_all(f"rustc builds nothing here: {result.stderr.splitlines()[-1:]}")
    return program


line = 1 + HELD.splitlines().index("    let mut g = m.lock().unwrap();")
for flags in ([], ["-O"]):
    what = " ".join(["rustc", *flags])
    run = e2e.record([build("held", HELD, *flags)])
    e2e.check_sound(what, run, min_threads=THREADS + 1)
    waits = [w for w in e2e.csv(run.trace) if w["state"] == "lock"]
    total = sum(int(w["duration_ns"]) for w in waits)
    right = sum(int(w["duration_ns"]) for w in waits
                if w["function"] == "held::work" and w["line"] == str(line))
    e2e.check(f"{what}: they wait for the lock, on its line",
              total and right >= RIGHT_LINES * total, f"{right} of {total} ns")
    e2e.equal(f"{what}: it is a mutex", {l["kind"] for l in run.json["locks"]}, {"mutex"})
    found = {f["id"]: f["certainty"] for f in run.json["findings"]}
    e2e.equal(f"{what}: held while its holder sleeps", found.get("lock-held-while-blocked"),
              "inferred")

program = e2e.start([build("crossed", CROSSED)])


def doubts():
    global why
    why = e2e.run([e2e.CTRACE, "why", str(program.pid)])
    return why.stdout.count("waits for mutex") == 2


why = None
e2e.wait_for("both to wait", doubts)
e2e.stop(program)
e2e.check("why: it does not rule out what it cannot see",
          "none ruled out: 2 threads wait" in why.stdout and why.returncode == 0, why.stdout)

e2e.done()
