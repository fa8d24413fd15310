#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 240
"""-r N: so many traces, a summary in place of the reports, the exit status of the last run, Ctrl-C.
--label and --redact: what a trace says of its run, and that it says nothing else.
"""
import base64
import glob
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import sys
import time
import zlib

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()
SHELVES = e2e.compile_c("shelves.c", "shelves", "-O2", "-g")
FORMATS = re.findall(r"^  ([a-z]+) ", e2e.run([e2e.CTRACE, "export", "--help"]).stdout
                     .partition("Formats:")[2].partition("Options:")[0], re.MULTILINE)


def folder(name):
    os.makedirs(e2e.path(name))
    return e2e.path(name)


def json_of(trace):
    return json.loads(e2e.export(trace, "json"))


def three_runs():
    cwd = folder("three")
    result = e2e.run([e2e.CTRACE, "-r", "3", "--label", "lab=3", SHELVES, "split"], cwd=cwd)
    traces = [f"shelves.{i}.ctrace" for i in (1, 2, 3)]
    e2e.equal("-r 3: exit status", result.returncode, 0)
    e2e.equal("-r 3: three traces", sorted(os.listdir(cwd)), traces)
    said = result.stderr
    runs = [json_of(os.path.join(cwd, trace)) for trace in traces]
    e2e.equal("-r 3: each of another run", len({run["run"]["pid"] for run in runs}), 3)
    e2e.check("-r 3: each is whole", all(run["run"]["complete"] and run["run"]["exit_status"] == 0
                                         for run in runs), runs[0]["run"])
    e2e.equal("-r 3: each has the label", [run["run"]["labels"] for run in runs],
              [{"lab": "3"}] * 3)
    e2e.check("-r 3: a summary, with each run, and no report",
              "shelves: 3 runs\n" in said and all(trace in said for trace in traces)
              and re.search(r"^Outcome +exit status 0 +3 of 3 runs", said, re.MULTILINE)
              and re.search(r"^Duration +\S+ \S+ \(median\)", said, re.MULTILINE)
              and "Threads" not in said, said)
    report = e2e.run([e2e.CTRACE, "report", "shelves.2.ctrace"], cwd=cwd).stdout
    e2e.check("-r 3: the report shows the label", "labels: lab=3" in report, report)

    result = e2e.run([e2e.CTRACE, "-r", "2", "-v", SHELVES, "split", "3"], cwd=cwd)
    e2e.equal("-r 2 again: the runs' exit status", result.returncode, 3)
    e2e.check("-r 2 again: what was there is kept, what is left of the longer series is put aside",
              sorted(os.listdir(cwd)) == sorted(traces[:2] + [f"{t}.old" for t in traces])
              and "'shelves.3.ctrace' was of an earlier series" in result.stderr,
              (os.listdir(cwd), result.stderr))
    named = os.path.join(folder("named"), "n.ctrace")
    for _ in range(2):
        e2e.run([e2e.CTRACE, "-r", "1", "--quiet", "-o", named, SHELVES, "split"])
    e2e.equal("-r -o: what was there is kept, too", sorted(os.listdir(e2e.path("named"))),
              ["n.1.ctrace", "n.1.ctrace.old"])
    e2e.equal("-r 2 -v: both reports", result.stderr.count("\nThreads"), 2)


def other_ways():
    trace = e2e.path("named.ctrace")
    result = e2e.run([e2e.CTRACE, "-r", "2", "--json", "-o", trace, SHELVES, "split"])
    data = json.loads(result.stdout)
    e2e.equal("-r 2 --json: the summary", [data["wanted"], len(data["runs"]), data["exit_status"]],
              [2, 2, {"0": 2}])
    e2e.check("-o names the traces", os.path.exists(e2e.path("named.1.ctrace"))
              and os.path.exists(e2e.path("named.2.ctrace")) and not os.path.exists(trace))
    script = "test -e seen && exit 4; : >seen; exit 7"     # only the first run is another
    result = e2e.run([e2e.CTRACE, "-r", "3", "sh", "-c", script], cwd=folder("flaky"))
    e2e.equal("a run that differs: the first status that is not 0", result.returncode, 7)
    e2e.check("a run that differs: the summary counts it, and names the first",
              re.search(r"exit status 4 +2 of 3 runs.*\n +exit status 7 +1 of 3 runs",
                        result.stderr)
              and re.search(r"First bad +run 1 \(exit status 7\): 'ctrace report sh.1.ctrace'",
                            result.stderr), result.stderr)
    result = e2e.run([e2e.CTRACE, "-r", "3", "--json", "sh", "-c",
                      "test -e seen && exit 0; : >seen; kill -SEGV $$"], cwd=folder("crash"))
    data = json.loads(result.stdout)
    e2e.equal("a crash in one run is not hidden by good ones after it", result.returncode, 139)
    e2e.equal("a crash in one run: the outcomes", [(o["ending"], o["hang"], o["runs"], o["first"])
                                                   for o in data["outcomes"]],
              [("exit status 0", None, 2, 2), ("killed by signal 11", None, 1, 1)])
    e2e.equal("a crash in one run: which to open", [data["bad"]["runs"], data["bad"]["first"],
                                                    data["bad"]["trace"], data["judged"]],
              [1, 1, "sh.1.ctrace", 3])
    e2e.check("without --shake there is no seed", "seed" not in data
              and "seed" not in data["runs"][0], data)
    deadlock = os.path.join(e2e.ROOT, "build", "demos", "deadlock")
    result = e2e.run([e2e.CTRACE, "-r", "2", "-o", e2e.path("hang.ctrace"), "timeout", "-s", "KILL",
                      "2", deadlock], cwd=folder("hang"))
    e2e.check("runs that hang: that is their outcome", re.search(
        r"^Outcome +deadlock, then (exit status|killed).* 2 of 2 runs", result.stderr,
        re.MULTILINE), result.stderr)
    result = e2e.run([e2e.CTRACE, "-r", "20", "true"], cwd=folder("good"))
    # 1 - 0.05^(1/20); three in twenty by the rule
    e2e.check("good runs: what they do not prove", "0 of 20 runs went wrong" in result.stderr
              and "up to 14 %" in " ".join(result.stderr.split()), result.stderr)
    result = e2e.run([e2e.CTRACE, "-r", "2", "--quiet", "-o", e2e.path("fail.ctrace"),
                      "--fail-on=lock-contention,lock-held-while-blocked", SHELVES, "one-lock",
                      "3"])
    e2e.equal("--fail-on: 90 when a run has the finding", result.returncode, 90)
    e2e.equal("--quiet: nothing is said", result.stderr, "")
    result = e2e.run([e2e.CTRACE, "-r", "5", "./no-such"], cwd=folder("none"))
    e2e.equal("a program that is not there is tried once", [result.returncode,
              result.stderr.count("cannot run"), os.listdir(e2e.path("none"))], [127, 1, []])


def as_user():
    cwd = folder("theirs")
    os.chown(cwd, e2e.NOBODY, e2e.NOBODY)
    env = e2e.environment(SUDO_UID=e2e.NOBODY, SUDO_GID=e2e.NOBODY, SUDO_USER="nobody")
    result = e2e.run([e2e.CTRACE, "-r", "2", "id", "-u"], cwd=cwd, env=env)
    e2e.equal("under sudo: the program is the caller's", result.stdout, f"{e2e.NOBODY}\n" * 2)
    e2e.equal("under sudo: so are the traces", [os.stat(os.path.join(cwd, f"id.{i}.ctrace")).st_uid
                                                for i in (1, 2)], [e2e.NOBODY] * 2)
    e2e.check("under sudo: there is a summary", "id: 2 runs" in result.stderr, result.stderr)


# ---- the end of a series ------------------------------------------------------------------------

def check_end(name, cwd, status, said):
    traces = sorted(glob.glob(os.path.join(cwd, "*.ctrace")))
    runs = [json_of(trace)["run"] for trace in traces]
    e2e.equal(f"{name}: exit status of the run that it ended", status, 130)
    e2e.check(f"{name}: no run follows", 1 <= len(runs) < 50, traces)
    e2e.check(f"{name}: each trace is whole", all(run["complete"] for run in runs), runs)
    e2e.check(f"{name}: the summary says so", f"{len(runs)} of 50 run" in said
              and "interrupted" in said, said)


def signal_to_ctrace_alone():
    cwd = folder("signal")
    with open(e2e.path("said"), "w", encoding="ascii") as said:
        process = e2e.start([e2e.CTRACE, "-r", "50", "sh", "-c", "echo >>began; exec sleep 0.4"],
                            cwd=cwd, stderr=said)
    began = os.path.join(cwd, "began")
    e2e.wait_for("the second run",
                 lambda: os.path.exists(began) and os.path.getsize(began) == 2)
    process.send_signal(signal.SIGINT)
    check_end("SIGINT to ctrace alone", cwd, process.wait(30), e2e.text_of(e2e.path("said")))


def ctrl_c():
    cwd = folder("terminal")
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.execve(e2e.CTRACE, [e2e.CTRACE, "-r", "50", "sh", "-c", "echo ready; exec sleep 1"],
                  e2e.environment())
    output, sent, end = "", False, time.monotonic() + e2e.TIMEOUT_S
    while time.monotonic() < end:
        if select.select([master], [], [], 0.05)[0]:
            try:
                output += os.read(master, 65536).decode(errors="replace")
            except OSError:     # the other side is closed
                break
        if not sent and output.count("ready\r\n") == 2:
            os.write(master, b"\x03")
            sent = True
    else:
        os.kill(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(master)
    check_end("Ctrl-C", cwd, status, output)


# ---- what a trace says ---------------------------------------------------------------------------

def unpacked(trace):
    """All bytes of a trace, its chunks decompressed (user/trace/format.h)."""
    with open(trace, "rb") as file:
        data = file.read()
    out, at = data[:32], 32
    while at < len(data):
        codec = data[at + 5]
        raw_size, stored_size, cnt = struct.unpack_from("<III", data, at + 8)
        payload = data[at + 64:at + 64 + stored_size]
        packed = payload[cnt if data[at + 4] == 2 else 0:]
        raw = zlib.decompress(packed, -15) if codec else packed
        if len(raw) != raw_size:
            raise e2e.Harness(f"chunk at {at}: {len(raw)} bytes, not {raw_size}")
        out += data[at:at + 64] + payload[:cnt if data[at + 4] == 2 else 0] + raw
        at += 64 + stored_size
    return out


def page_data(trace):
    """What the page made of it in its own directory, where its sources are, holds packed."""
    page = e2e.path("packed.html")
    folder = os.path.dirname(os.path.dirname(trace))
    made = e2e.run([e2e.CTRACE, "export", trace, "-f", "html", "-o", page], cwd=folder)
    if made.returncode:     # built without npm
        return b""
    with open(page, encoding="utf-8") as html:
        packed = "".join(re.findall('class="ct-data">([^<]*)</script>', html.read()))
    return zlib.decompress(base64.b64decode(packed), 31)


def everything(trace):
    """What anybody could read in it, by name of the reader."""
    texts = {"raw": unpacked(trace), "page": page_data(trace)}
    for form in FORMATS:
        if form != "html":
            texts[form] = e2e.export(trace, form).encode()
    texts["report"] = e2e.run([e2e.CTRACE, "report", "-v", "shared.ctrace"],
                              cwd=os.path.dirname(trace), env=e2e.environment(COLUMNS=300)
                              ).stdout.encode()
    texts["diff"] = e2e.run([e2e.CTRACE, "diff", "--json", "shared.ctrace", "shared.ctrace"],
                            cwd=os.path.dirname(trace)).stdout.encode()
    return texts


def leaks(text):
    """What of the run's arguments and directories is in there."""
    found = [word for word in (b"hunter2", b"hiddendir") if word in text]
    return found + re.findall(rb"/(?:usr|lib|lib64|home|root|tmp|etc|var|opt)\b[^\0 \"]*", text)[:3]


def redaction():
    if not {"json", "csv", "folded"} <= set(FORMATS):
        raise e2e.Harness(f"formats: {FORMATS}")
    cwd = folder("hiddendir")
    with open(os.path.join(e2e.PROGRAMS, "shelves.c"), encoding="utf-8") as source, \
            open(os.path.join(cwd, "stacked.c"), "w", encoding="utf-8") as copy:
        copy.write(source.read())
    program = e2e.compile_c(os.path.join(cwd, "stacked.c"), "hiddendir/stacked", "-O2", "-g")
    for options in ([], ["--redact", "--label", "lab=3"]):
        trace = os.path.join(folder("hiddendir/" + ("redacted" if options else "open")),
                             "shared.ctrace")
        result = e2e.run([e2e.CTRACE, "--quiet", *options, "-o", trace, program, "one-lock", "0",
                          "--password=hunter2"], cwd=cwd)
        name = "redacted" if options else "not redacted"
        e2e.equal(f"{name}: exit status", result.returncode, 0)
        found = {reader: leaks(text) for reader, text in everything(trace).items()}
        # the lines that it names are in a file that a redacted trace does not tell from others
        sources = b"pthread_mutex_lock(lock)" in page_data(trace)
        if page_data(trace):
            e2e.equal(f"{name}: lines of source in its page", sources, not options)
        if options:
            e2e.equal(f"{name}: no argument and no directory, whoever reads it",
                      {reader: words for reader, words in found.items() if words}, {})
            e2e.equal(f"{name}: nor in the last bytes of memory that could have slipped in",
                      [word for word in (b"SUDO_", b"PATH=", b"HOME=") if word in unpacked(trace)],
                      [])
        else:       # else the check above would prove nothing
            e2e.check(f"{name}: the same words are there", all(
                word in found["raw"] for word in (b"hunter2", b"hiddendir")), found["raw"])
        data = json_of(trace)
        e2e.equal(f"{name}: the lock has its name", [data["locks"][0]["name"],
                  data["locks"][0]["sites"][0]["file"].endswith("stacked.c")], ["big_lock", True])
    napper = e2e.path("hiddendir/napper")
    shutil.copy(shutil.which("sleep"), napper)
    process = e2e.start([napper, "60"])
    attached = e2e.attach(process.pid, "--redact", seconds=0.2)
    e2e.stop(process)
    e2e.equal("redacted, attached: no directory, whoever reads it",
              {r: leaks(t) for r, t in everything(attached.trace).items() if leaks(t)}, {})
    e2e.equal("redacted, attached: the bare name", attached.json["run"]["argv"], ["napper"])
    run = data["run"]
    e2e.equal("redacted: the program's bare name, the label, and that it is so",
              [run["argv"], run["labels"], run["redacted"], run["host"]],
              [["stacked"], {"lab": "3"}, True, ""])


three_runs()
other_ways()
as_user()
signal_to_ctrace_alone()
ctrl_c()
redaction()
e2e.done()
