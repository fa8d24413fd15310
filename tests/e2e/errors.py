#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Bad input and missing rights: one clear line that names the thing, the contract's status,
nothing lost.
"""
import os
import shutil
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

# where the trace goes
refused("unwritable directory", [e2e.CTRACE, "-o", "/proc/t.ctrace", "true"], "/proc/t.ctrace")
refused("no such directory", [e2e.CTRACE, "-o", e2e.path("none/t.ctrace"), "true"],
        e2e.path("none/t.ctrace"))
started = e2e.path("started")
e2e.run([e2e.CTRACE, "-o", "/proc/t.ctrace", "touch", started])
e2e.check("a trace that cannot be written: the program is not even started",
          not os.path.exists(started))

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
e2e.equal("help is on stdout, status 0", e2e.run([e2e.CTRACE, "--help"]).returncode, 0)
e2e.equal("version is on stdout, status 0", e2e.run([e2e.CTRACE, "--version"]).returncode, 0)
e2e.done()
