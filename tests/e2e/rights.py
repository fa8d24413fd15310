#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# time limit: 240
"""Rights: none are kept that are not needed, none are lent to anybody, and none are needed but two.

What recording keeps while it runs, and who reads a trace; programs that raise their own, processes
of other users, a ctrace with file capabilities, and a program whose symbols are an attack.
"""
import atexit
import ctypes
import os
import shutil
import signal
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()
e2e.needs_tools("setpriv", "setcap")

CAP_KILL, CAP_DAC_OVERRIDE, CAP_SYS_PTRACE, CAP_CHECKPOINT_RESTORE = 5, 1, 19, 40
CAP_CHOWN, CAP_FOWNER = 0, 3
LANDLOCK_CREATE_RULESET, LANDLOCK_VERSION = 444, 1      # the same number on all machines
SUDO = {"SUDO_UID": e2e.NOBODY, "SUDO_GID": e2e.NOBODY, "SUDO_USER": "nobody"}
AS_NOBODY = ["setpriv", f"--reuid={e2e.NOBODY}", f"--regid={e2e.NOBODY}", "--clear-groups"]
OF_PARENT = "grep -E '^(Uid|Gid|CapPrm|CapEff|NoNewPrivs)' /proc/$PPID/status"

public = e2e.path("ctrace")
shutil.copy(e2e.CTRACE, public)
os.chmod(public, 0o755)
own = e2e.path("own")
os.mkdir(own)
os.chown(own, e2e.NOBODY, e2e.NOBODY)


def place_for_rights():
    """A directory where rights of files count: /tmp may be mounted without."""
    for parent in (e2e.DIR, "/var/tmp", "/opt", "/"):
        if os.access(parent, os.W_OK) and not os.statvfs(parent).f_flag & os.ST_NOSUID:
            where = tempfile.mkdtemp(prefix="ctrace-e2e-", dir=parent)
            os.chmod(where, 0o755)
            atexit.register(shutil.rmtree, where, True)
            return where
    raise e2e.Harness("every file system here is mounted nosuid")


def parse_status(text):
    rows = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {key: value.split() for key, value in rows.items()}


def caps(status, key="CapPrm"):
    word = int(status[key][0], 16)
    return {bit for bit in range(64) if word >> bit & 1}


def kept_while_recording():
    result = e2e.run([public, "--quiet", "sh", "-c", f"sleep 0.3; {OF_PARENT}"], cwd=own,
                     env=e2e.environment(**SUDO))
    status = parse_status(result.stdout)
    e2e.equal("under sudo: the collector is the caller", status["Uid"] + status["Gid"],
              [str(e2e.NOBODY)] * 8)
    e2e.check("under sudo: it keeps one capability at most, to read mapped files",
              caps(status) <= {CAP_CHECKPOINT_RESTORE}, status)
    e2e.equal("under sudo: and cannot get more", status["NoNewPrivs"], ["1"])

    sleeper = e2e.start(["sleep", "60"])
    trace = os.path.join(own, "attached.ctrace")
    process = e2e.start([public, "--quiet", "-o", trace, "-p", str(sleeper.pid)], cwd=own,
                        env=e2e.environment(**SUDO))
    e2e.wait_for("the recording", lambda: os.path.exists(trace) and os.path.getsize(trace))
    status = e2e.wait_for("rights to be given up", lambda: (
        s := parse_status(e2e.text_of(f"/proc/{process.pid}/status")),
        s["NoNewPrivs"] == ["1"] and s)[1])
    e2e.check("attached, under sudo: it keeps what looking into processes needs, no more",
              caps(status) <= {CAP_CHECKPOINT_RESTORE, CAP_SYS_PTRACE}, status)
    process.send_signal(signal.SIGINT)
    e2e.equal("attached, under sudo: exit status", process.wait(60), 0)
    e2e.check("attached, under sudo: the recording is whole",
              e2e.Recording(trace, e2e.run(["true"])).json["run"]["complete"])
    e2e.stop(sleeper)

    result = e2e.run([public, "--quiet", "sh", "-c", f"sleep 0.3; {OF_PARENT}"], cwd=own)
    e2e.check("as root: no capability to load, to mount, to change the network",
              caps(parse_status(result.stdout)) <= {CAP_CHECKPOINT_RESTORE, CAP_SYS_PTRACE,
                                                    CAP_DAC_OVERRIDE, CAP_KILL}, result.stdout)


def root_elsewhere():
    """Root in somebody's directory, as in a container that has one of the host's: what comes after
    the start finds its place, too."""
    trace = os.path.join(own, "large.ctrace")
    faults = e2e.compile_c("faults.c", "faults", "-O1")
    end = e2e.path("end")
    process = e2e.start([public, "-o", trace, "--max-size", "1M", faults, "beat", end], cwd=own,
                        stderr=e2e.subprocess.PIPE)
    e2e.wait_for("the file to be begun anew", lambda: os.path.exists(f"{trace}.part")
                 or process.poll() is not None)
    turned = os.path.exists(f"{trace}.part")
    with open(end, "w", encoding="ascii"):
        pass
    said = process.communicate(timeout=60)[1].decode()
    e2e.equal("root in another's directory: exit status", process.returncode, 0)
    e2e.check("root in another's directory: the file was begun anew, and its halves joined",
              turned and os.path.exists(trace) and not os.path.exists(f"{trace}.part"), said)
    e2e.check("root in another's directory: nothing could not be written", "cannot" not in said,
              said)


def has_landlock():
    version = ctypes.CDLL(None).syscall(LANDLOCK_CREATE_RULESET, None, 0, LANDLOCK_VERSION)
    if version < 1:
        e2e.note("SKIP this kernel has no Landlock: what it forbids is not tested")
    return version >= 1


def reading():
    """Who reads a trace: a parser that was taken over could do no more than this."""
    locked = has_landlock()
    spy = e2e.compile_c("see_reading.c", "see_reading.so", "-shared", "-fPIC", "-D_GNU_SOURCE")
    closed = e2e.path("closed")     # where root alone may look
    os.mkdir(closed, 0o700)
    secret = os.path.join(closed, "t.ctrace")
    result = e2e.run([public, "--quiet", "--no-html", "-o", secret, "sleep", "0.05"])
    e2e.equal("reading: a recording of root's", result.returncode, 0)
    os.chmod(secret, 0o600)
    wide = e2e.path("wide")         # where anybody may write
    os.mkdir(wide)
    os.chmod(wide, 0o777)

    def read(name, env, cwd, *words):
        outside = os.path.join(wide, "made")
        result = e2e.run([public, *words], cwd=cwd, env=e2e.environment(
            LD_PRELOAD=spy, OUTSIDE=outside, **env))
        e2e.equal(f"{name}: status", result.returncode, 0)
        status = parse_status(result.stderr)
        made = os.path.exists(outside)
        if made:
            os.unlink(outside)
        if not e2e.check(f"{name}: it was looked into", "NoNewPrivs" in status, result):
            return status
        e2e.equal(f"{name}: it cannot get more", status["NoNewPrivs"], ["1"])
        if locked:
            e2e.check(f"{name}: no file can be made elsewhere, no program started",
                      not made and status["Made"] == ["EACCES"] and status["Started"] == ["no"],
                      status)
        return status

    outputs = {"report": ["report", secret], "json": ["report", secret, "--json=r.json"],
               "export": ["export", secret, "-f", "csv", "-o", "t.csv"],
               "view": ["view", secret, "-o", "t.html"],
               "diff": ["diff", secret, secret, "-f", "html", "-o", "d.html"],
               "check": ["check", secret, "--rule", "threads > 0", "--json=c.json"]}
    for command, words in outputs.items():
        name = f"{command} under sudo, of a trace that root alone may read"
        status = read(name, SUDO, own, *words)
        e2e.equal(f"{name}: read by the caller", status["Uid"] + status["Gid"],
                  [str(e2e.NOBODY)] * 8)
        e2e.equal(f"{name}: without a capability", caps(status) | caps(status, "CapEff"), set())
    for file in ("r.json", "t.csv", "t.html", "d.html", "c.json"):
        made = os.stat(os.path.join(own, file))
        e2e.check(f"reading under sudo: {file} is whole, and the caller's", made.st_size > 10
                  and (made.st_uid, made.st_gid) == (e2e.NOBODY, e2e.NOBODY), made)

    for command, words in outputs.items():
        name = f"{command} by root itself"
        status = read(name, {}, closed, *words)
        allowed = {CAP_DAC_OVERRIDE, CAP_CHOWN, CAP_FOWNER} if command != "report" else set()
        e2e.check(f"{name}: no capability but those for files, and those only to write one",
                  caps(status) <= allowed, status)
    e2e.check("by root itself: in its own directory", os.path.getsize(
        os.path.join(closed, "t.csv")) > 10)
    result = e2e.run([public, "export", secret, "-f", "json"])
    e2e.check("by root itself: beside its trace, too", result.returncode == 0
              and os.path.exists(os.path.join(closed, "t.json")), result)


def setuid_program():
    """It runs with its rights, as without ctrace, and is not looked into."""
    program = os.path.join(rights_here, "raise")
    shutil.copy(shutil.which("sleep"), program)
    os.chmod(program, 0o4755)
    script = f"{program} 0.3; echo $?"
    for name, command in (("set-user-id", ["sh", "-c", script]),
                          ("set-user-id, at once", [program, "0.3"])):
        trace = os.path.join(own, "raise.ctrace")
        result = e2e.run([public, "-o", trace, *command], cwd=own, env=e2e.environment(**SUDO))
        e2e.equal(f"{name}: exit status", result.returncode, 0)
        e2e.check(f"{name}: no verdict of what was not seen", "healthy" not in result.stderr
                  and "raise got more rights" in result.stderr, result.stderr)
        e2e.equal(f"{name}: it is in the trace", [p["name"] for p in e2e.Recording(
            trace, result).json["run"]["unrecorded"]], ["raise"])
        for rule, status in (("no any", 90), ("finding healthy", 90), ("exit_status == 0", 0)):
            e2e.equal(f"{name}: a rule '{rule}': status", e2e.run(
                [public, "check", trace, "--rule", rule], cwd=own).returncode, status)
        e2e.equal(f"{name}: --fail-on cannot tell", e2e.run(
            [public, "report", trace, "--fail-on", "deadlock"], cwd=own).returncode, 125)
        said = [l for l in result.stderr.splitlines() if "set-user-id" in l]
        e2e.check(f"{name}: one line says that it ran unrecorded", len(said) == 1, result.stderr)
        recording = e2e.Recording(trace, result)
        slept = sum(t["blocked_ns"].get("sleep", 0) for t in recording.threads)
        e2e.equal(f"{name}: its sleep is not in the trace", slept, 0)
        e2e.check_states(name, recording.threads)
        e2e.check_counts(name, recording.threads)
    trace = os.path.join(own, "root.ctrace")
    result = e2e.run([public, "--quiet", "-o", trace, program, "0.3"], cwd=own)
    slept = sum(t["blocked_ns"].get("sleep", 0) for t in e2e.Recording(trace, result).threads)
    e2e.check("root records it: it gets nothing that root has not", slept > 250_000_000, slept)


def set_id_copy():
    """It would run any program as its owner."""
    copy = os.path.join(rights_here, "lent")
    shutil.copy(e2e.CTRACE, copy)
    for mode in (0o4755, 0o2755):
        os.chmod(copy, mode)
        result = e2e.run([*AS_NOBODY, copy, "--quiet", "id"], cwd=own)
        e2e.equal(f"ctrace of mode {mode:o} does nothing", (result.returncode, result.stdout),
                  (125, ""))
        e2e.check(f"ctrace of mode {mode:o}: one line says why", e2e.one_line(result.stderr)
                  and "set-user-id" in result.stderr, result.stderr)


def not_to_be_looked_into():
    """One's own process, but with rights of its own: sudo is not what is missing."""
    able = os.path.join(rights_here, "able")
    program = os.path.join(rights_here, "raise")
    asleep = e2e.start([*AS_NOBODY, program, "60"])
    e2e.wait_for("its exec", lambda: parse_status(
        e2e.text_of(f"/proc/{asleep.pid}/status"))["Uid"][:2] == [str(e2e.NOBODY), "0"])
    result = e2e.run([*AS_NOBODY, able, "-o", os.path.join(own, "r.ctrace"), "-p",
                      str(asleep.pid), "-d", "0.2"], cwd=own)
    e2e.check("-p of one's own set-user-id program: refused, and why", result.returncode == 125
              and "another user" not in result.stderr and "rights of its own" in result.stderr,
              result)
    e2e.stop(asleep)


def file_capabilities():
    """Neither root nor sudo: a ctrace that has two capabilities, called by a plain user."""
    able = os.path.join(rights_here, "able")
    shutil.copy(e2e.CTRACE, able)
    os.chmod(able, 0o755)
    if e2e.run(["setcap", "cap_bpf,cap_perfmon=ep", able]).returncode:
        raise e2e.Harness("setcap failed")
    trace = os.path.join(own, "able.ctrace")
    result = e2e.run([*AS_NOBODY, able, "--quiet", "-o", trace, "sh", "-c",
                      f"sleep 0.3; {OF_PARENT}; grep ^Cap /proc/self/status >&2"], cwd=own)
    if not e2e.check("file capabilities: a plain user records", result.returncode == 0,
                     result.stderr):
        return
    e2e.check_sound("file capabilities", e2e.Recording(trace, result))
    e2e.equal("file capabilities: none is left while recording",
              caps(parse_status(result.stdout)), set())
    e2e.equal("file capabilities: none reaches the program",
              caps(parse_status(result.stderr), "CapEff"), set())

    # its output waits for a reader: the trace has been read by then
    fifo = os.path.join(own, "fifo")
    os.mkfifo(fifo)
    os.chown(fifo, e2e.NOBODY, e2e.NOBODY)
    reader = e2e.start([*AS_NOBODY, able, "export", trace, "-f", "json", "-o", fifo], cwd=own)
    e2e.wait_for("its exec", lambda: os.readlink(f"/proc/{reader.pid}/exe") == able)
    status = e2e.wait_for("rights to be given up", lambda: (
        s := parse_status(e2e.text_of(f"/proc/{reader.pid}/status")),
        s["NoNewPrivs"] == ["1"] and s)[1])
    e2e.equal("file capabilities: none is left while a trace is read", caps(status), set())
    with open(fifo, encoding="utf-8") as out:
        e2e.check("file capabilities: it is read", "schema" in out.read())
    e2e.equal("file capabilities: reading: status", reader.wait(30), 0)

    mine = e2e.start([*AS_NOBODY, "sleep", "60"])
    others = e2e.start(["sleep", "60"])
    e2e.wait_for("the user's process", lambda: parse_status(
        e2e.text_of(f"/proc/{mine.pid}/status"))["Uid"][0] == str(e2e.NOBODY))
    result = e2e.run([*AS_NOBODY, able, "--quiet", "-o", trace, "-p", str(mine.pid), "-d", "0.3"],
                     cwd=own)
    e2e.equal("file capabilities: -p of one's own process", (result.returncode, result.stderr),
              (0, ""))
    for name, pid in (("another user's process", others.pid), ("a kernel thread", 2)):
        result = e2e.run([*AS_NOBODY, able, "--quiet", "-o", trace, "-p", str(pid), "-d", "0.3"],
                         cwd=own)
        e2e.equal(f"file capabilities: -p of {name} is refused", result.returncode, 125)
        e2e.check(f"file capabilities: -p of {name}: one line says why",
                  e2e.one_line(result.stderr) and str(pid) in result.stderr, result.stderr)
    e2e.stop(mine)
    e2e.stop(others)


def hostile_symbols():
    """The reader of symbols may crash, or want more memory than there is; the recording stays."""
    trace = os.path.join(own, "hostile.ctrace")
    stuck = e2e.compile_c("crash_naming.c", "crash_naming.so", "-shared", "-fPIC")
    for name, more, why in (("a crash in reading symbols", {}, "Abort"),
                            ("a terabyte to read symbols", {"GREEDY": "1"}, "too much memory"),
                            ("no end of reading symbols", {"ENDLESS": "1"}, "too long")):
        env = e2e.environment(LD_PRELOAD=stuck, **more)
        result = e2e.run([e2e.CTRACE, "-o", trace, "--", "env", "-u", "LD_PRELOAD", "sleep", "0.1"],
                         env=env)
        e2e.equal(f"{name}: the program's exit status", result.returncode, 0)
        said = [line for line in result.stderr.splitlines() if "symbols failed" in line]
        e2e.check(f"{name}: one line says so, and why", len(said) == 1
                  and why in result.stderr.replace("\n", " "), result.stderr)
        recording = e2e.Recording(trace, result)
        e2e.check_sound(name, recording)
        e2e.check(f"{name}: the trace is complete", recording.json["run"]["complete"],
                  recording.json["run"])


def hostile_variables():
    """So may the reader of variables, which --watch asks for; then the program is not run."""
    probe = e2e.run([e2e.CTRACE, "--quiet", "--watch", "*0x1000:8", "-o", e2e.path("probe.ctrace"),
                     "true"])
    if "debug registers" in probe.stderr or "x86-64 alone" in probe.stderr:
        e2e.note(f"SKIP no debug registers: {probe.stderr.strip()}")
        return
    stuck = e2e.path("crash_naming.so")
    race = os.path.join(e2e.DEMOS, "race")
    for name, more, why in (("a crash", {}, "Abort"), ("a terabyte", {"GREEDY": "1"}, "memory"),
                            ("no end", {"ENDLESS": "1"}, "too long")):
        for what in ("counter", "auto", "help"):
            trace = e2e.path("variables.ctrace")
            result = e2e.run([e2e.CTRACE, "--quiet", "--watch", what, "-o", trace, race, "plain",
                              "100"], env=e2e.environment(LD_PRELOAD=stuck, **more))
            e2e.check(f"{name} in reading variables (--watch {what}): one line says so, nothing is "
                      "run", result.returncode == 125 and e2e.one_line(result.stderr)
                      and why in result.stderr and not result.stdout
                      and not os.path.exists(trace), result)


rights_here = place_for_rights()
kept_while_recording()
root_elsewhere()
reading()
setuid_program()
file_capabilities()
set_id_copy()
not_to_be_looked_into()
hostile_symbols()
hostile_variables()
shutil.rmtree(rights_here)
e2e.done()
