"""Starts report-server for the scripts beside this file and for those in benches/load, over a store made for them."""

import datetime
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

# Nothing that is waited for may take longer, in seconds.
LONGEST = 60


class Failed(Exception):
    """Something isn't as it should be."""


def until(what, look, seconds=LONGEST):
    """What `look` gives as soon as that is true."""
    deadline = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        if time.monotonic() > deadline:
            raise Failed(f"after {seconds} s still not: {what}")
        time.sleep(0.02)


def month(back):
    """The month so many before this one, in UTC."""
    today = datetime.datetime.now(datetime.timezone.utc)
    months = today.year * 12 + today.month - 1 - back
    return f"{months // 12}-{months % 12 + 1:02}"


def environment(**more):
    """What programs are started with: nothing of the caller's settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "XDG_CACHE_HOME") if name in os.environ}
    return kept | more


def run(*command, cwd, **more):
    """A program's stdout; it must succeed."""
    done = subprocess.run(command, cwd=cwd, env=environment(**more), capture_output=True, text=True, timeout=LONGEST)
    if done.returncode:
        raise Failed(f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


class Workplace:
    """A folder with a demo database, a store and a file of tokens; gone in the end."""

    def __init__(self, report_server, ticketing_report):
        self.report_server = Path(report_server).resolve()
        self.ticketing_report = Path(ticketing_report).resolve()

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="report-server-"))
        self.store = self.folder / "reports"
        self.database = f"sqlite://{self.folder / 'demo.sqlite'}"
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def demo(self, tickets=20_000, months=13):
        """Sales up to this month, the same ones each time."""
        first = month(months - 1)
        arguments = ["--tickets", str(tickets), "--from", first, "--months", str(months), "--seed", "1", "--quiet"]
        run(self.ticketing_report, "demo", self.database, *arguments, cwd=self.folder)

    def publish(self, period, *more):
        """An edition, made by the command line."""
        arguments = ["--period", period, "--store", self.store, "--time-zone", "UTC", "--quiet", *more]
        run(self.ticketing_report, *arguments, cwd=self.folder, DATABASE_URL=self.database)

    def command(self, text):
        """A report command of the test's own."""
        path = self.folder / "command"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
        return path

    def tokens(self, **roles):
        """A token for each name, with its role; they are in the file `tokens`."""
        tokens, lines = {}, []
        for name, role in roles.items():
            said = run(self.report_server, "token", "--name", name, "--role", role, cwd=self.folder)
            tokens[name] = re.search(r"^\s*([0-9a-f]{64})$", said, flags=re.M).group(1)
            lines.append(re.search(rf"^\s*({name} {role} [0-9a-f]{{64}})$", said, flags=re.M).group(1))
        (self.folder / "tokens").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return tokens

    def serve(self, *arguments, **more):
        """A server over the store."""
        return Server(self.report_server, self.folder, ["--store", self.store, *arguments], more)


class Server:
    """A server that listens on loopback, on a port that was free; ended in the end."""

    def __init__(self, program, folder, arguments, variables):
        self.program, self.folder, self.arguments, self.variables = program, folder, arguments, variables
        self.log = folder / f"server-{id(self):x}.log"
        self.port = 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        self.end()
        told = [line for line in self.said() if '"level":"INFO"' not in line]
        if kind and told:
            print(f"the server said:\n{''.join(told[-20:])}", file=sys.stderr)

    def start(self):
        """Starts it, the second time on the same port."""
        command = [self.program, "--listen", f"127.0.0.1:{self.port}", *self.arguments]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, env=environment(**self.variables), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=log, text=True,
            )
        try:
            ready, _, _ = select.select([self.process.stdout], [], [], LONGEST)
            line = self.process.stdout.readline() if ready else ""
            if not (found := re.fullmatch(r"listening on (http://127\.0\.0\.1:(\d+))\n", line)):
                raise Failed(f"the server's first line is {line!r}\n{''.join(self.said())}")
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        self.url, self.port = found.group(1), int(found.group(2))

    def end(self):
        """Ends it as whoever runs it does, and sees that it ends well."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed(f"SIGTERM doesn't end the server within {LONGEST} s") from None
        finally:
            self.process.stdout.close()
        if code:
            raise Failed(f"the server ended with {code}\n{''.join(self.said()[-20:])}")

    def said(self):
        """The lines of its log."""
        return self.log.read_text(encoding="utf-8").splitlines(keepends=True)

    def get(self, path, **headers):
        """The body of an answer of 200."""
        request = urllib.request.Request(self.url + path, headers=headers)
        with urllib.request.urlopen(request, timeout=LONGEST) as answer:
            return answer.read()

    def kibibytes(self, field):
        """A figure of its memory, as VmRSS or VmHWM."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(re.search(rf"^{field}:\s+(\d+) kB$", status, flags=re.M).group(1))

    def cpu_seconds(self):
        """What it has used so far, in the system's hundredths."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
