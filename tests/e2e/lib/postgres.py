# SPDX-License-Identifier: BSD-2-Clause
"""A PostgreSQL server of the tests' own, over a unix socket alone, and its clients."""
import glob
import os

import e2e


def binaries():
    """Where the server's programs are; None when they are not installed."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin") + glob.glob("/usr/pgsql-*/bin"))
    if found:
        return found[-1]
    initdb = e2e.tool("initdb")
    return os.path.dirname(initdb) if initdb else None


class Server:
    """It refuses to run as root: a cluster that belongs to nobody, in the test's directory."""

    def __init__(self):
        self.home = e2e.path("pg")
        os.mkdir(self.home, 0o700)
        os.chown(self.home, e2e.NOBODY, e2e.NOBODY)
        data = os.path.join(self.home, "data")
        self.must(self.as_nobody("initdb", "-D", data, "-U", "tester", "-A", "trust", "--no-sync"))
        self.process = e2e.start(
            self.as_nobody("postgres", "-D", data, "-k", self.home, "-c", "listen_addresses=",
                           "-c", "fsync=off"), cwd=self.home)
        e2e.wait_for("the server", lambda: e2e.run(
            self.client("psql", "-c", "select 1", "postgres"), cwd=self.home).returncode == 0)
        self.must(self.client("pgbench", "-i", "-s", "1", "-q", "postgres"))

    def as_nobody(self, program, *arguments):
        return ["setpriv", f"--reuid={e2e.NOBODY}", f"--regid={e2e.NOBODY}", "--clear-groups",
                os.path.join(binaries(), program), *arguments]

    def client(self, program, *arguments):
        return self.as_nobody(program, "-h", self.home, "-U", "tester", *arguments)

    def must(self, command):
        result = e2e.run(command, cwd=self.home)
        if result.returncode:
            raise e2e.Harness(f"{' '.join(command)}: {result.stdout}{result.stderr}")
        return result
