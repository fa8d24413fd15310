#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The page beside each trace: whose it is, what it may read, who opens it; a newcomer's minute."""
import base64
import gzip
import os
import pwd
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()
CALLER = pwd.getpwuid(e2e.NOBODY)
SUDO = {"SUDO_UID": CALLER.pw_uid, "SUDO_GID": CALLER.pw_gid, "SUDO_USER": CALLER.pw_name}
MINUTE = os.path.join(e2e.ROOT, "tests/page/lib/minute.mjs")
NAMES_SOURCE = """run argv=./prog pid=100 start=0 end=50_000_000 cpus=2
syscall 202 futex
addr 100 0x5000 kind=global symbol=big_lock
frame 1 function=work file={file} line=2 module=/nowhere/prog offset=0x100
stack 1 1
0 0 task_new 101 tgid=100 flags=found
0 0 task_new 102 tgid=100 flags=found
0 0 switch 0 next=101
0 1 switch 0 next=102
5_000_000 1 block 102 state=S nr=futex arg0=0x5000 arg1=0x80 arg2=2 owner=101 stack=1
45_000_000 0 waking 102 waker=101 nr=futex
45_010_000 1 switch 0 next=102
end
"""

own = e2e.path("own")
os.mkdir(own)
os.chown(own, CALLER.pw_uid, CALLER.pw_gid)


def sudo(*words, **more):
    return e2e.run([e2e.CTRACE, *words], cwd=own, env=e2e.environment(**SUDO, **more))


def write(path, text, mode=0o644):
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    os.chmod(path, mode)
    return path


def data_of(page):
    chunks = re.findall(r'^<script [^>]*class="ct-data">([^<]*)<', e2e.text_of(page), re.M)
    return gzip.decompress(b"".join(map(base64.b64decode, chunks)))


def bare(*names):
    for name in names:
        if os.path.lexists(os.path.join(own, name)):
            os.unlink(os.path.join(own, name))


if "without its page" in e2e.run([e2e.CTRACE, "export", os.path.join(
        e2e.ROOT, "tests/traces/states.ctt"), "-f", "html", "-o", e2e.path("x.html")]).stderr:
    e2e.note("this ctrace was built without npm: a run is complete without its page")
    result = sudo("sh", "-c", "exit 3")
    e2e.equal("the program's exit status", result.returncode, 3)
    e2e.check("no page, and no word of it", not os.path.exists(os.path.join(own, "sh.html"))
              and "page" not in result.stderr, result.stderr)
    e2e.done()

# beside the trace, the caller's, and the last line says so
page = os.path.join(own, "sh.html")
result = sudo("sh", "-c", "exit 3")
e2e.equal("the program's exit status", result.returncode, 3)
if e2e.check("a page is beside the trace", os.path.exists(page), os.listdir(own)):
    stat = os.stat(page)
    e2e.equal("it belongs to the caller", (stat.st_uid, stat.st_gid),
              (CALLER.pw_uid, CALLER.pw_gid))
e2e.check("the report's last line names it", "sh.html" in result.stderr.splitlines()[-1],
          result.stderr)
e2e.check("its data are whole", data_of(page).startswith(b"CTPAGE1\n"))
bare("sh.html")
sudo("--no-html", "true")
e2e.check("--no-html: no page", not os.path.exists(os.path.join(own, "true.html")))

# what is not ctrace's stays
write(page, "<p>my own page</p>\n")
result = sudo("sh", "-c", "exit 3")
e2e.equal("a page of somebody else: the exit status all the same", result.returncode, 3)
e2e.equal("... is left alone", e2e.text_of(page), "<p>my own page</p>\n")
e2e.check("... in one line", result.stderr.count("no page was written") == 1, result.stderr)
precious = write(e2e.path("precious"), "root's\n", 0o600)
bare("sh.html")
os.symlink(precious, page)
sudo("sh", "-c", "exit 3")
e2e.equal("a symbolic link is not followed", e2e.text_of(precious), "root's\n")
bare("sh.html")

# lines of source: what the caller may read, and only of files that are source
secret = write(e2e.path("secret.c"), "first\nint secret = 4711;\nlast\n", 0o600)
words = write(e2e.path("words.txt"), "first\nsecret words 4711\nlast\n")
mine = write(os.path.join(own, "mine.c"), "first\nint mine = 4711;\nlast\n")
ours = write(e2e.path("ours.c"), "first\nint ours = 4711;\nlast\n")
HERE, USER = os.uname().nodename, CALLER.pw_uid
for name, file, env, host, owner, wanted in (
        ("the caller's source", mine, SUDO, HERE, USER, True),
        ("the caller's source, of a trace of root's", mine, SUDO, HERE, 0, False),
        ("the caller's source, of another machine's trace", mine, SUDO, "elsewhere", USER, False),
        ("the caller's source, of a trace from nowhere", mine, SUDO, "", USER, False),
        ("what all may read, asked for by root", ours, {}, HERE, 0, True),
        ("what all may read, asked for by root of another machine's", ours, {}, "x", 0, False),
        ("root's source, asked for by root", secret, {}, HERE, 0, False),
        ("root's source, under sudo", secret, SUDO, HERE, USER, False),
        ("no source at all", words, {}, HERE, 0, False)):
    trace = write(os.path.join(own, "names.ctt"),
                  NAMES_SOURCE.format(file=file).replace("run ", f'run host="{host}" ', 1))
    os.chown(trace, owner, owner)
    out = os.path.join(own, "names.html")
    done = e2e.run([e2e.CTRACE, "export", trace, "-f", "html", "-o", out],
                   env=e2e.environment(**env))
    e2e.equal(f"{name}: {'in' if wanted else 'not in'} the page",
              done.returncode == 0 and b"4711" in data_of(out), wanted)
    bare("names.html", "names.ctt")

# view: in the caller's browser, never as root
tools = e2e.path("tools")
os.mkdir(tools)
os.chmod(e2e.DIR, 0o755)
opened = os.path.join(own, "opened")
write(os.path.join(tools, "xdg-open"), f'#!/bin/sh\n{{ id -u; echo "$HOME"; echo "$1"; }} '
      f'> {opened}.new\nmv {opened}.new {opened}\n', 0o755)
DESKTOP = {"PATH": f"{tools}:{e2e.PATH}", "DISPLAY": ":7"}
result = sudo("view", "sh.ctrace", **DESKTOP)
e2e.equal("view: status", result.returncode, 0)
e2e.wait_for("xdg-open", lambda: os.path.exists(opened))
e2e.equal("view opens the page as the caller", e2e.text_of(opened).split("\n")[:3],
          [str(CALLER.pw_uid), CALLER.pw_dir, page])
os.unlink(opened)
result = sudo("view", "sh.ctrace", PATH=DESKTOP["PATH"])
e2e.check("without a desktop it says where the page is", page in result.stderr
          and e2e.one_line(result.stderr), result.stderr)
result = e2e.run([e2e.CTRACE, "view", "sh.ctrace"], cwd=own, env=e2e.environment(**DESKTOP))
e2e.check("root's browser is not started", page in result.stderr and not os.path.exists(opened),
          result.stderr)

# a newcomer's minute
if not e2e.tool("node"):
    e2e.done()
for demo, lines in (("contention", ["pthread_mutex_lock(lock)"]),
                    ("deadlock", ["pthread_mutex_lock(&paper_lock)", "pthread_mutex_lock(second)"]),
                    ("io", ["read(fd, &answer"]),
                    ("race", ["counter = counter + 1"])):
    if demo == "race" and os.uname().machine != "x86_64":
        continue  # --watch is for x86-64
    trace = e2e.path(f"{demo}.ctrace")
    if demo == "deadlock":
        hung = e2e.start([os.path.join(e2e.DEMOS, demo)])
        e2e.wait_for("the threads", lambda: len(os.listdir(f"/proc/{hung.pid}/task")) == 3)
        result = e2e.run([e2e.CTRACE, "--quiet", "-o", trace, "-d", "2", "-p", str(hung.pid)])
        e2e.stop(hung)
    else:
        options = ["--watch", "counter"] if demo == "race" else []
        words = ["plain", "3000"] if demo == "race" else []
        result = e2e.run([e2e.CTRACE, "--quiet", "-o", trace, *options,
                          os.path.join(e2e.DEMOS, demo), *words])
    e2e.equal(f"{demo}: recorded", result.returncode, 0)
    minute = e2e.run(["node", MINUTE, trace.replace(".ctrace", ".html"), *lines])
    if minute.returncode == 77:
        e2e.note(minute.stdout.strip())
        continue
    e2e.check(f"{demo}: from the open page to the guilty line", minute.returncode == 0,
              minute.stdout + minute.stderr)
    e2e.note(f"{demo}: {minute.stdout.splitlines()[0]}")
e2e.done()
