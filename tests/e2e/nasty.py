#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A program whose names are attacks: on the terminal, on whoever parses an export, on a browser."""
import base64
import csv
import io
import json
import os
import re
import shutil
import sys
import zlib

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


def check_speedscope():
    status, out, _ = run(e2e.CTRACE, "export", trace, "-f", "speedscope", "-o", "-")
    e2e.equal("speedscope: status", status, 0)
    check_plain("speedscope", out)
    e2e.check("speedscope: JSON, with the threads in it", any(
        "</script>" in profile["name"] for profile in json.loads(out)["profiles"]), out[:400])


def check_openmetrics():
    status, out, _ = run(e2e.CTRACE, "export", trace, "-f", "openmetrics", "-o", "-")
    e2e.equal("openmetrics: status", status, 0)
    check_plain("openmetrics", out)
    line = r'#.*|[a-z_]+(\{([a-z_]+="([^"\\]|\\[\\n"])*",?)*\})? [0-9.e+-]+( [0-9.]+)?'
    wrong = [l for l in out.decode().splitlines() if not re.fullmatch(line, l)]
    e2e.check("openmetrics: names end no label, no line", not wrong, wrong)


def check_perfetto():
    file = e2e.path("nasty.pftrace")
    status, _, err = run(e2e.CTRACE, "export", trace, "-f", "perfetto", "-o", file)
    e2e.equal("perfetto: status", status, 0)
    protoc = shutil.which("protoc-c")
    if not protoc:
        raise e2e.Harness("protoc-c, which ctrace is built with, is not there")
    proto = os.path.join(e2e.ROOT, "user/export/perfetto.proto")
    with open(file, "rb") as data:
        done = e2e.subprocess.run([protoc, f"-I{os.path.dirname(proto)}", "--decode=ctrace.Trace",
                                   proto], stdin=data, stdout=e2e.subprocess.PIPE, check=False,
                                  stderr=e2e.subprocess.PIPE, timeout=e2e.TIMEOUT_S)
    e2e.check("perfetto: it is read as messages", done.returncode == 0, done.stderr)
    names = {re.sub(rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]), quoted)
             for quoted in re.findall(rb'"((?:[^"\\]|\\.)*)"', done.stdout)}
    wrong = []
    for name in names:
        try:
            name.decode("utf-8")
        except UnicodeDecodeError:
            wrong.append(name)
    e2e.check("perfetto: every name is valid UTF-8", names and not wrong, wrong)
    e2e.check("perfetto: the threads are in it", any(b"</script><b>x" in n for n in names), names)


def check_page():
    """What a browser makes of it: page/*.mjs. Here: nothing stands outside the packed data."""
    file = e2e.path("nasty.html")
    status, _, err = run(e2e.CTRACE, "export", trace, "-f", "html", "-o", file)
    if status and b"nodejs" in err:
        e2e.note("no page: ctrace was built without npm")
        return
    e2e.equal("page: status", status, 0)
    with open(file, "rb") as page:
        html = page.read()
    packed = re.findall(rb'class="ct-data">([^<]*)</script>', html)
    bare = re.sub(rb'class="ct-data">[^<]*</script>', b"", html)
    found = [word for word in (b"img src=x", b"evil", b"owned", b"<b>x") if word in bare]
    e2e.check("page: no name stands in the file as it is", not found, found)
    data = zlib.decompress(base64.b64decode(b"".join(packed)), 31)
    e2e.check("page: the names are in its data", b"<b>x" in data and b"img src=x" in data)


def check_several():
    """Commands that read more than one trace."""
    for words in (("diff", "-v", trace, trace), ("diff", "--json", trace, trace),
                  ("check", trace, "--rule", "lock:\x1b[31m\xff < 3s"),
                  ("check", trace, "--json", "--rule", "lock:\x1b[31m\xff < 3s")):
        status, out, err = run(e2e.CTRACE, *words, LC_ALL="C.UTF-8")
        e2e.check(f"{' '.join(words[:2])[:8]}: status", status in (0, 90), (status, err))
        check_plain(" ".join(w for w in words[:2] if w != trace), out + err)


trace = e2e.path("nasty.ctrace")
status, out, err = run(e2e.CTRACE, "-o", trace, program, *ARGUMENTS, LC_ALL="C.UTF-8")
e2e.equal("exit status", status, 0)
check_plain("the report after recording", err)
check_terminal()
check_json()
check_csv()
check_folded()
check_text()
check_speedscope()
check_openmetrics()
check_perfetto()
check_page()
check_several()
e2e.done()
