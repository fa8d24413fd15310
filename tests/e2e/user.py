#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Under sudo: the program runs as the caller, never as root, and every file is the caller's."""
import os
import grp
import pwd
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()
CALLER = pwd.getpwuid(e2e.NOBODY)
SUDO = {"SUDO_UID": CALLER.pw_uid, "SUDO_GID": CALLER.pw_gid, "SUDO_USER": CALLER.pw_name,
        "HOME": "/root"}
own = e2e.path("own")
os.mkdir(own)
os.chown(own, CALLER.pw_uid, CALLER.pw_gid)


def as_sudo(*options, command, cwd=own):
    return e2e.run([e2e.CTRACE, "--quiet", *options, *command], cwd=cwd,
                   env=e2e.environment(**SUDO))


WHO = ["sh", "-c", 'id -u; id -g; id -G; id -ru; echo "$HOME"; grep ^CapEff /proc/self/status']

result = as_sudo(command=WHO)
lines = result.stdout.splitlines()
groups = sorted({CALLER.pw_gid} | {g.gr_gid for g in grp.getgrall() if CALLER.pw_name in g.gr_mem})
e2e.equal("exit status", result.returncode, 0)
e2e.equal("uid, gid", lines[:2], [str(CALLER.pw_uid), str(CALLER.pw_gid)])
e2e.equal("groups", sorted(map(int, lines[2].split())), groups)
e2e.equal("real uid", lines[3], str(CALLER.pw_uid))
e2e.equal("HOME", lines[4], CALLER.pw_dir)
e2e.equal("no capability is left", lines[5].split()[1].strip("0"), "")

trace = os.path.join(own, "sh.ctrace")
if e2e.check("the trace is in the working directory", os.path.exists(trace), os.listdir(own)):
    stat = os.stat(trace)
    e2e.equal("the trace belongs to the caller", (stat.st_uid, stat.st_gid),
              (CALLER.pw_uid, CALLER.pw_gid))

result = as_sudo("--as-root", command=WHO)
e2e.equal("--as-root: uid, gid, groups", result.stdout.splitlines()[:2], ["0", "0"])

# files are opened with the caller's rights: root's power must not reach where the caller's does not
forbidden = e2e.path("forbidden")
os.mkdir(forbidden, 0o700)
target = os.path.join(forbidden, "t.ctrace")
result = as_sudo("-o", target, command=["true"])
e2e.equal("a trace where the caller may not write: status 125", result.returncode, 125)
e2e.check("... one line that names it", e2e.one_line(result.stderr) and target in result.stderr,
          result.stderr)
e2e.check("... and no file", not os.path.exists(target))

precious = e2e.path("precious")
with open(precious, "w", encoding="ascii") as out:
    out.write("root's\n")
os.chmod(precious, 0o600)
link = os.path.join(own, "link.ctrace")
os.symlink(precious, link)
result = as_sudo("-o", link, command=["true"])
e2e.equal("a symbolic link to root's file is not followed", result.returncode, 125)
with open(precious, encoding="ascii") as text:
    e2e.equal("... and the file is untouched", text.read(), "root's\n")


def called(*words):
    """ctrace under sudo, in the caller's directory."""
    return e2e.run([e2e.CTRACE, *words], cwd=own, env=e2e.environment(**SUDO))


for name, words in (("check", ("check", "sh.ctrace", "--rule", "threads > 0")),
                    ("diff", ("diff", "sh.ctrace", "sh.ctrace"))):
    result = called(*words, "--json=link.ctrace")
    e2e.equal(f"{name} --json=LINK: not followed", result.returncode, 125)
    with open(precious, encoding="ascii") as text:
        e2e.equal("... and root's file is untouched", text.read(), "root's\n")
    result = called(*words, f"--json={name}.json")
    made = os.stat(os.path.join(own, f"{name}.json"))
    e2e.equal(f"{name} --json=FILE: it is the caller's", (result.returncode, made.st_uid),
              (0, CALLER.pw_uid))

# what somebody put where ctrace writes without being told the name: a FIFO would hold it for ever
for name in ("sh.html", "sh.json", "sh.diff.html"):
    if os.path.exists(os.path.join(own, name)):
        os.unlink(os.path.join(own, name))
    os.mkfifo(os.path.join(own, name))
    os.chmod(os.path.join(own, name), 0o666)
result = called("sh", "-c", ":")
said = [line for line in result.stderr.splitlines() if "no page was written" in line]
e2e.check("a FIFO where the page would be: no page, and one line", result.returncode == 0
          and len(said) == 1 and "sh.html" in said[0], result)
for words in (("view", "sh.ctrace"), ("export", "sh.ctrace", "-f", "json"),
              ("diff", "sh.ctrace", "sh.ctrace", "-f", "html")):
    result = called(*words)
    e2e.check(f"{words[0]}: a FIFO where the file would be is refused", result.returncode == 125
              and e2e.one_line(result.stderr), result)

theirs = e2e.path("theirs.ctrace")
with open(theirs, "w", encoding="ascii"):
    pass
os.chown(theirs, CALLER.pw_uid, CALLER.pw_gid)
os.chmod(theirs, 0o666)
result = e2e.run([e2e.CTRACE, "--quiet", "-o", theirs, "true"])
e2e.check("another user's file, put there before: nothing is written to it",
          result.returncode == 125 and "another user" in result.stderr
          and not os.path.getsize(theirs), result)

program = os.path.join(forbidden, "program")
os.symlink("/bin/true", program)
result = as_sudo(command=[program])
e2e.check("a program that the caller may not reach: 126 or 127", result.returncode in (126, 127),
          result)

result = e2e.run([e2e.CTRACE, "--quiet", "true"], cwd=own,
                 env=e2e.environment(SUDO_UID="x1", SUDO_GID="0", SUDO_USER="nobody"))
e2e.equal("SUDO_UID that is no number: status 125", result.returncode, 125)
e2e.check("... one line", e2e.one_line(result.stderr), result.stderr)

# without sudo around it, root is who asks
result = e2e.run([e2e.CTRACE, "--quiet", *WHO], cwd=own)
e2e.equal("without sudo the program runs as who called", result.stdout.splitlines()[0], "0")
e2e.done()
