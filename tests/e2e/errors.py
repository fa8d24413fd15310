#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Bad input and missing rights: one clear line that names the thing, the contract's status,
nothing lost.
"""
import json
import os
import shutil
import signal
import stat
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()


def refused(name, command, *words, status=125, **how):
    """Status, one line from ctrace, these words in it."""
    result = e2e.run(command, **how)
    e2e.equal(f"{name}: status {status}", result.returncode, status)
    e2e.check(f"{name}: one line that names it", e2e.one_line(result.stderr)
              and all(word in result.stderr for word in words), result.stderr)
    e2e.equal(f"{name}: nothing on stdout", result.stdout, "")


# usage
refused("unknown option", [e2e.CTRACE, "--frobnicate", "true"], "--frobnicate")
refused("unknown short option", [e2e.CTRACE, "-Z", "true"], "-Z")
refused("a value that is none", [e2e.CTRACE, "--futex=maybe", "true"], "maybe")
refused("option without its value", [e2e.CTRACE, "-o"], "-o")
refused("no program", [e2e.CTRACE, "--quiet"], "program")
refused("unknown format", [e2e.CTRACE, "export", "x.ctrace", "-f", "morse"], "morse")
refused("no such trace", [e2e.CTRACE, "report", "nothing.ctrace"], "nothing.ctrace")
refused("a directory for a trace", [e2e.CTRACE, "report", e2e.DIR], e2e.DIR)

# privilege: the binary where that user can reach it
public = e2e.path("ctrace")
shutil.copy(e2e.CTRACE, public)
os.chmod(public, 0o755)
nobody = ["setpriv", f"--reuid={e2e.NOBODY}", f"--regid={e2e.NOBODY}", "--clear-groups"]
work = e2e.path("work")
os.mkdir(work)
os.chown(work, e2e.NOBODY, e2e.NOBODY)
refused("no privilege, a program", [*nobody, public, "true"], "sudo", cwd=work)
refused("no privilege, a process", [*nobody, public, "-p", str(os.getpid()), "-d", "1"], "sudo",
        cwd=work)
e2e.equal("no privilege: no file is left behind", os.listdir(work), [])
doctor = e2e.run([*nobody, public, "doctor"], cwd=work)
e2e.check("no privilege: doctor says no, and how to mend it", doctor.returncode != 0
          and "sudo" in doctor.stdout + doctor.stderr, doctor)

# a container with thread ids of its own
apart = ["unshare", "--pid", "--fork", "--mount-proc"]
refused("a pid namespace", [*apart, e2e.CTRACE, "-o", e2e.path("apart.ctrace"), "true"],
        "--pid=host")
doctor = e2e.run([*apart, e2e.CTRACE, "doctor"])
e2e.check("a pid namespace: doctor says no, and how to mend it", doctor.returncode != 0
          and "--pid=host" in doctor.stdout + doctor.stderr, doctor)

# where the trace goes
refused("unwritable directory", [e2e.CTRACE, "-o", "/proc/t.ctrace", "true"], "/proc/t.ctrace")
refused("no such directory", [e2e.CTRACE, "-o", e2e.path("none/t.ctrace"), "true"],
        e2e.path("none/t.ctrace"))
os.mkfifo(e2e.path("fifo"))
refused("a FIFO for a trace", [e2e.CTRACE, "-o", e2e.path("fifo"), "true"], "no regular file")
refused("a device for a trace", [e2e.CTRACE, "-o", "/dev/null", "true"], "no regular file")
refused("a trace to standard output", [e2e.CTRACE, "-o", "-", "true"], "needs a file")
started = e2e.path("started")
e2e.run([e2e.CTRACE, "-o", "/proc/t.ctrace", "touch", started])
e2e.check("a trace that cannot be written: the program is not even started",
          not os.path.exists(started))

source = e2e.path("keep.c")
with open(source, "w", encoding="utf-8") as out:
    out.write("int main(void) { return 0; }\n")
refused("a file that is no trace", [e2e.CTRACE, "-o", source, "true"], "keep.c", "not a trace")
with open(source, encoding="utf-8") as kept:
    e2e.check("it is as it was", kept.read().startswith("int main"))
try:    # loop0, which is there or not: what is refused names it either way
    os.mknod(e2e.path("disk"), 0o600 | stat.S_IFBLK, os.makedev(7, 0))
    refused("a disk for a trace", [e2e.CTRACE, "-o", e2e.path("disk"), "true"], "disk")
except PermissionError:
    e2e.note("no device files can be made here")
# where the JSON goes: what cannot be written is said before anything runs
os.symlink(source, e2e.path("link.json"))
kept_trace = e2e.record(["true"]).trace
for name, place, words in (
        ("nowhere", "none/r.json", ["No such file", "another file"]),
        ("a directory", "work", ["Is a directory"]),
        ("a link", "link.json", ["symbolic link", "the file itself"]),
        ("the trace itself", "t.ctrace", ["the trace itself"]),
        ("another trace", os.path.basename(kept_trace), ["is a trace", "another file"]),
        ("a descriptor that is not there", "/dev/fd/99", ["Bad file descriptor"])):
    started = e2e.path("started-json")
    place = os.path.join(e2e.DIR, place)
    for what, words_of in (("a program", ["-o", e2e.path("t.ctrace"), "touch", started]),
                           ("a series", ["-r", "2", "-o", e2e.path("s.ctrace"), "touch", started]),
                           ("a process", ["-o", e2e.path("t.ctrace"), "-d", "0.2", "-p",
                                          str(os.getpid())])):
        if (what, name) == ("a series", "the trace itself"):
            continue        # each run has its own
        refused(f"JSON of {what} to {name}", [e2e.CTRACE, "--json=" + place, *words_of],
                os.path.basename(place), *words)
    e2e.check(f"JSON to {name}: nothing was started, no trace is left",
              not os.path.exists(started) and not os.path.exists(e2e.path("t.ctrace"))
              and not os.path.exists(e2e.path("s.1.ctrace")), os.listdir(e2e.DIR))
refused("JSON of why to nowhere", [e2e.CTRACE, "why", str(os.getpid()),
                                   "--json=" + e2e.path("none/r.json")], "none/r.json")
with open(source, encoding="utf-8") as kept:
    e2e.check("what the link leads to is as it was", kept.read().startswith("int main"))
e2e.equal("and so is the trace", e2e.run([e2e.CTRACE, "report", kept_trace]).returncode, 0)

# habits of the shell
for name, script in (
        ("/dev/stdout", '"$1" --quiet --json=/dev/stdout -o t.ctrace true'),
        ("/dev/stderr", '"$1" --quiet --json=/dev/stderr -o t.ctrace true 2>&1'),
        ("a FIFO", 'cat habit & "$1" --quiet --json=habit -o t.ctrace true; wait'),
        (">(command)", '"$1" --quiet --json=>(cat) -o t.ctrace true | cat'),
        ("export, /dev/stdout", '"$1" export t.ctrace -f json -o /dev/stdout'),
        ("export, -", '"$1" export t.ctrace -f json -o -'),
        ("export, >(command)", '"$1" export t.ctrace -f json -o >(cat) | cat'),
        ("export, a FIFO", 'cat habit & "$1" --quiet export t.ctrace -f json -o habit; wait')):
    if not os.path.exists(e2e.path("habit")):
        os.mkfifo(e2e.path("habit"))
    result = e2e.run(["bash", "-c", script, "bash", e2e.CTRACE])
    e2e.check(f"JSON to {name}", result.returncode == 0 and result.stdout.startswith("{")
              and "schema" in json.loads(result.stdout), result)
with open(kept_trace, "rb") as kept:
    whole = kept.read()
for name, script in (("report", '"$1" report "$2" >>"$2"'),
                     ("export", '"$1" export "$2" -f json -o - 1<>"$2"'),
                     ("check", '"$1" check "$2" --rule "threads > 0" --json=/dev/fd/7 7>>"$2"')):
    result = e2e.run(["bash", "-c", script, "bash", e2e.CTRACE, kept_trace])
    with open(kept_trace, "rb") as kept:
        e2e.check(f"{name} into the trace that it reads: not done, and said", result.returncode
                  == 125 and "is the trace itself" in result.stderr and kept.read() == whole,
                  result)
# more traces than may be open at once
os.mkdir(e2e.path("many"))
for i in range(80):
    shutil.copy(kept_trace, e2e.path(f"many/{i}.ctrace"))
result = e2e.run(["bash", "-c", 'ulimit -n 64; "$1" check "$2" --rule "threads > 0"', "bash",
                  e2e.CTRACE, e2e.path("many")])
e2e.check("more traces than may be open at once are read", "80 of 80 runs pass" in result.stdout
          and result.returncode == 0, result)
result = e2e.run([e2e.CTRACE, "--quiet", "--json=/dev/null", "-o", e2e.path("t.ctrace"), "true"])
e2e.check("JSON to /dev/null, which stays", result.returncode == 0
          and stat.S_ISCHR(os.stat("/dev/null").st_mode), result)

# what is there already, and was not named
for words in (["export", kept_trace, "-f", "json"], ["view", kept_trace],
              ["diff", kept_trace, kept_trace, "-f", "html"]):
    suffix = {"export": ".json", "view": ".html", "diff": ".diff.html"}[words[0]]
    beside = kept_trace[:-len(".ctrace")] + suffix
    if os.path.exists(beside):
        os.unlink(beside)
    with open(beside, "w", encoding="ascii") as out:
        out.write("mine\n")
    refused(f"{words[0]}: another's file", [e2e.CTRACE, *words], beside, "-o FILE")
    e2e.equal(f"{words[0]}: it stays", e2e.text_of(beside), "mine\n")
    os.unlink(beside)
    os.symlink(source, beside)
    refused(f"{words[0]}: a link", [e2e.CTRACE, *words], beside, "symbolic link")
    os.unlink(beside)
    e2e.equal(f"{words[0]}: its own is made", e2e.run([e2e.CTRACE, *words]).returncode, 0)
    e2e.equal(f"{words[0]}: and replaced", e2e.run([e2e.CTRACE, *words]).returncode, 0)
    refused(f"{words[0]}, no right to write there", [*nobody, public, *words], beside,
            "Permission denied", "-o FILE", cwd=work)

# what there is to run, or to look at
refused("a directory for a program", [e2e.CTRACE, e2e.DIR], e2e.DIR, "a directory", status=126)
refused("a command typed wrong", [e2e.CTRACE, "reprot", "x.ctrace"], "reprot", "ctrace report",
        status=127)
refused("a command typed wrong, no privilege", [*nobody, public, "reprot", "x.ctrace"],
        "ctrace report", status=127, cwd=work)
child = os.fork()
if not child:
    os._exit(0)
os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
for words in (["-p", str(child), "-d", "1"], ["why", str(child)]):
    refused(f"{words[0]} of what has ended", [e2e.CTRACE, *words], str(child),
            "was not collected by its parent")
os.waitpid(child, 0)

# the program's output and the JSON
for words, said in ((["true"], False), (["echo", "hi"], True)):
    both = e2e.path("both")
    with open(both, "w", encoding="utf-8") as out:
        result = e2e.run([e2e.CTRACE, "--json", "-o", e2e.path("t.ctrace"), *words], stdout=out)
    e2e.equal(f"--json on the output of {words[0]}: a warning", "--json=FILE" in result.stderr,
              said)
result = e2e.run([e2e.CTRACE, "--quiet", "--json=" + e2e.path("r.json"), "-o",
                  e2e.path("t.ctrace"), "echo", "hi"])
with open(e2e.path("r.json"), encoding="utf-8") as out:
    e2e.equal("--json=FILE: the program's output is its own",
              (result.stdout, json.load(out)["run"]["argv"]), ("hi\n", ["echo", "hi"]))

# a trace that is being written
live = e2e.path("live.ctrace")
writer = e2e.start([e2e.CTRACE, "--quiet", "-o", live, "sleep", "60"])
e2e.wait_for("the recording to begin", lambda: os.path.exists(live) and os.path.getsize(live) > 0)
e2e.check("a trace that is being recorded: report says so",
          "still being recorded" in e2e.run([e2e.CTRACE, "report", live]).stderr)
refused("a trace that is being recorded is not overwritten", [e2e.CTRACE, "-o", live, "true"],
        "live.ctrace", "another ctrace")
os.killpg(writer.pid, signal.SIGKILL)
writer.wait()
e2e.check("its writer killed: report says that",
          "was not finished" in e2e.run([e2e.CTRACE, "report", live]).stderr)

# what needs no root needs none
recording = e2e.record(["sleep", "0.05"])
readable = os.path.join(work, "t.ctrace")
shutil.copy(recording.trace, readable)
os.chown(readable, e2e.NOBODY, e2e.NOBODY)
result = e2e.run([*nobody, public, "report", readable], cwd=work)
e2e.check("report needs no root", result.returncode == 0 and "sleep" in result.stdout, result)
for form in ("json", "csv", "text", "folded"):
    result = e2e.run([*nobody, public, "export", readable, "-f", form, "-o", "-"], cwd=work)
    e2e.equal(f"export -f {form} needs no root", (result.returncode, result.stderr), (0, ""))
result = e2e.run([*nobody, public, "export", readable, "-f", "json"], cwd=work)
e2e.check("export without -o writes beside the trace", result.returncode == 0
          and os.path.exists(os.path.join(work, "t.json")), result)
for form in ("json", "csv", "perfetto", "text", "html"):
    with open("/dev/full", "w", encoding="ascii") as full:
        result = e2e.run([e2e.CTRACE, "export", readable, "-f", form, "-o", "-"], stdout=full)
    e2e.check(f"export -f {form} to a full disk: the reason", result.returncode == 125
              and "No space left" in result.stderr and e2e.one_line(result.stderr), result)
theirs = os.path.join(work, "theirs.json")
with open(theirs, "w", encoding="ascii") as out:
    out.write("{}")
os.chown(theirs, e2e.NOBODY, e2e.NOBODY)
os.chmod(theirs, 0o640)
e2e.run([e2e.CTRACE, "export", readable, "-f", "json", "-o", theirs])
stat = os.stat(theirs)
e2e.check("export by root over a file of theirs: it stays theirs", os.path.getsize(theirs) > 100
          and (stat.st_uid, stat.st_gid, stat.st_mode & 0o777) == (e2e.NOBODY, e2e.NOBODY, 0o640),
          stat)
refused("--as-root without root", [*nobody, public, "--as-root", "true"], "sudo", cwd=work)
evil = os.path.join(work, "e\x1b[31mvil")
shutil.copy(shutil.which("true"), evil)
result = e2e.run([e2e.CTRACE, evil], cwd=work)
e2e.check("a name with an escape reaches no terminal as one", "\x1b" not in result.stderr
          and "x1B[31mvil.ctrace" in result.stderr, repr(result.stderr))
e2e.equal("help is on stdout, status 0", e2e.run([e2e.CTRACE, "--help"]).returncode, 0)
e2e.equal("version is on stdout, status 0", e2e.run([e2e.CTRACE, "--version"]).returncode, 0)
e2e.done()
