#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A program whose names are attacks: on the terminal, on whoever parses an export."""
import csv
import io
import json
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
import e2e

e2e.needs_recording()
CONTROL = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")  # all but tab and newline

where = os.path.join(os.fsencode(e2e.DIR), b"\x1b[31m<")
os.mkdir(where)
program = os.path.join(where, b"script> a\nb\xff")
os.rename(e2e.compile_c("nasty.c", "nasty", "-g", "-O1"), program)
ARGUMENTS = [b"\x1b]0;owned\x07", b"line\nline", b"\xff\xfe", b"</script>", b'"\\', b"%s%n"]


def run(*command, **env):
    """Bytes, as they come."""
    done = e2e.subprocess.run(command, cwd=e2e.DIR, env=e2e.environment(**env), check=False,
                              stdin=e2e.subprocess.DEVNULL, stdout=e2e.subprocess.PIPE,
                              stderr=e2e.subprocess.PIPE, timeout=e2e.TIMEOUT_S)
    return done.returncode, done.stdout, done.stderr


def check_plain(name, data):
    """Valid UTF-8, and no character that a terminal acts upon."""
    found = CONTROL.search(data)
    e2e.check(f"{name}: no control character", not found,
              found and data[max(0, found.start() - 60):found.end() + 20])
    try:
        data.decode("utf-8")
        e2e.check(f"{name}: valid UTF-8", True)
    except UnicodeDecodeError as error:
        e2e.check(f"{name}: valid UTF-8", False, f"{error}: {data[error.start - 40:error.end]!r}")


def check_terminal():
    for locale in ("C", "C.UTF-8"):
        status, out, _ = run(e2e.CTRACE, "report", "-v", trace, LC_ALL=locale, COLUMNS=100)
        e2e.equal(f"report in {locale}: status", status, 0)
        check_plain(f"report in {locale}", out)
        e2e.check(f"report in {locale}: the threads are in it", out.count(b"</script>") > 0, out)
    missing = program + b".ctrace"
    _, out, err = run(e2e.CTRACE, "report", missing)
    check_plain("a message about a file", out + err)


def check_json():
    status, out, _ = run(e2e.CTRACE, "export", trace, "-f", "json", "-o", "-")
    e2e.equal("json: status", status, 0)
    check_plain("json", out)
    data = json.loads(out.decode("utf-8"))
    names = {t["name"] for t in data["threads"]}
    e2e.check("json: names are told as they are", "</script><b>x" in names
              and "a\nb\r\tc 1" in names and "\x1b[2J\x1b[1;1H" in names, names)
    e2e.check("json: bytes that are no text are told as numbers",
              any("\\xFF\\xFE" in name for name in names), names)
    waited = [lock for lock in data["locks"] if "</script>" in lock["name"]]
    e2e.check("json: the lock has its name", waited, [lock["name"] for lock in data["locks"]])


def check_csv():
    status, out, _ = run(e2e.CTRACE, "export", trace, "-f", "csv", "-o", "-")
    e2e.equal("csv: status", status, 0)
    text = out.decode("utf-8")
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    rows = [row for row in rows if row and not row[0].startswith("#")]
    e2e.equal("csv: every row has as many columns as the first", {len(row) for row in rows},
              {len(rows[0])})
    e2e.check("csv: no control character but the end of a line",
              not CONTROL.search(out.replace(b"\r\n", b"\n")), out[:200])


def check_folded():
    status, out, _ = run(e2e.CTRACE, "export", trace, "-f", "folded", "-o", "-")
    e2e.equal("folded: status", status, 0)
    check_plain("folded", out)
    lines = [line for line in out.decode().splitlines() if not line.startswith("#")]
    wrong = [line for line in lines if not re.fullmatch(r"[^;]+(;[^;]+)* \d+", line)]
    e2e.check("folded: frames, and one number", lines and not wrong, wrong)


def check_text():
    status, out, _ = run(e2e.CTRACE, "export", trace, "-f", "text", "-o", "-")
    e2e.equal("text: status", status, 0)
    check_plain("text", out)
    again = e2e.path("again.ctt")
    with open(again, "wb") as copy:
        copy.write(out)
    e2e.equal("text: read and written again it is the same",
              run(e2e.CTRACE, "export", again, "-f", "text", "-o", "-")[1] == out, True)


trace = e2e.path("nasty.ctrace")
status, out, err = run(e2e.CTRACE, "-o", trace, program, *ARGUMENTS, LC_ALL="C.UTF-8")
e2e.equal("exit status", status, 0)
check_plain("the report after recording", err)
check_terminal()
check_json()
check_csv()
check_folded()
check_text()
e2e.done()
