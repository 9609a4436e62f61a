"""Lets a browser use the pages as people do: tests/node/browser.mjs is the story, this is the stage.

Usage: browser.py REPORT_SERVER TICKETING_REPORT [FOLDER]

FOLDER gets a picture of every page, in light and dark, on a desk and on a phone. The reports are real ones, but each
run waits where the test wants to look at it. Ends with 1 and what isn't as it should be.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import openpyxl

from serving import Failed, Workplace, environment, month, until

STORY = Path(__file__).resolve().parents[2] / "node" / "browser.mjs"

# The browser and all it does must be done by then, in seconds.
LONGEST = 480

# Says how far it is, goes on when the test lets it, and in the end makes the report.
COMMAND = """#!/bin/sh
tell() {{ echo '{{"event":"progress","stage":"tickets","rows":'$1',"of":1000,"bytes":null}}' >&2; }}
wait_for() {{ until [ -e "{gates}/$1" ]; do [ -e "$0" ] || exit 1; sleep 0.05; done; }}
tell 200
wait_for "$2-1"
tell 600
wait_for "$2-2"
exec "{program}" "$@"
"""


class Cable:
    """What lies between browser and server, and can be cut while both go on."""

    def __init__(self, port):
        self.to, self.port, self.open, self.listener = port, 0, set(), None
        self.mend()

    def mend(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def cut(self):
        # Without the shutdown the thread that waits in accept would keep the port.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for end in list(self.open):
            self.close(end)

    def close(self, end):
        self.open.discard(end)
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side has closed it

    def accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                near.close()
                continue
            self.open |= {near, far}
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self.pump, args=ends, daemon=True).start()

    def pump(self, source, target):
        try:
            while piece := source.recv(1 << 16):
                target.sendall(piece)
        except OSError:
            pass  # cut, or closed by the other side
        self.close(source)
        self.close(target)


class Stage:
    """What the story may ask for."""

    def __init__(self, place, server, cable, operator):
        self.place, self.server, self.cable = place, server, cable
        self.header = {"Authorization": f"Bearer {operator}"}

    def go(self, first, step):
        """Lets the run of the days from the first on go a step further."""
        (self.place.folder / f"{first}-{step}").touch()

    def over(self, name):
        """The job, once it is over; asked on another way than the browser's."""
        def job():
            found = json.loads(self.server.get(f"/api/k8s/jobs/{name}", **self.header))
            return found if found["state"] in ("succeeded", "failed", "cancelled") else None
        return until(f"the end of {name}", job)

    def workbook(self, path, period):
        """The tickets of a downloaded workbook, which must be those of the period's newest manifest."""
        with open(path, "rb") as file:
            if file.read(4) != b"PK\x03\x04":
                raise Failed(f"{path} is no ZIP archive")
        sheet = openpyxl.load_workbook(path, read_only=True)["TicketingReport"]
        rows = list(sheet.iter_rows(values_only=True))
        manifest = json.loads(self.server.get(f"/api/k8s/snapshots/{period}", **self.header))
        if len(rows) - 1 != manifest["rows"] or not manifest["rows"]:
            raise Failed(f"{path} has {len(rows) - 1} tickets, the manifest of {period} says {manifest['rows']}")
        if len({row[rows[0].index("ticket_ref")] for row in rows[1:]}) != manifest["rows"]:
            raise Failed(f"{path} has a ticket twice")
        return manifest["rows"]

    def publish(self, period):
        self.place.publish(period)

    def store_away(self):
        self.place.store.rename(self.place.folder / "away")

    def store_back(self):
        (self.place.folder / "away").rename(self.place.store)

    def cut(self):
        self.cable.cut()

    def mend(self):
        self.cable.mend()

    def restart(self):
        self.server.end()
        self.server.start()


def node_modules():
    """Where tests/prepare puts them."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = cache / "ticketing-report" / "node" / "node_modules"
    for package in ("playwright-core", "axe-core"):
        if not (found / package).is_dir():
            raise Failed(f"{found / package} is missing: run tests/prepare")
    return found


def tell(stage, settings):
    """Runs the story and does what it asks for. What it asks comes as a line of JSON, as does each answer."""
    chromium = shutil.which("chromium")
    if not chromium:
        raise Failed("there is no chromium: run tests/prepare")
    process = subprocess.Popen(
        ["node", STORY], cwd=stage.place.folder, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    )
    # A browser that hangs ends with its story, which closes it.
    watch = threading.Timer(LONGEST, process.terminate)
    watch.start()
    try:
        def answer(value):
            process.stdin.write(json.dumps(value) + "\n")
            process.stdin.flush()

        answer(settings | {"chromium": chromium, "modules": str(node_modules())})
        for line in process.stdout:
            asked = json.loads(line)
            if said := asked.get("say"):
                print(said, flush=True)
                continue
            try:
                answer({"result": getattr(stage, asked["ask"])(*asked["arguments"])})
            except (Failed, OSError) as failed:
                answer({"error": str(failed)})
        if code := process.wait():
            raise Failed(f"the story ended with {code}")
    finally:
        watch.cancel()
        if process.poll() is None:
            process.terminate()
            process.wait()


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    try:
        with Workplace(*sys.argv[1:3]) as place:
            pictures = Path(sys.argv[3]).resolve() if len(sys.argv) == 4 else place.folder / "pictures"
            pictures.mkdir(exist_ok=True, parents=True)
            play(place, pictures)
    except (Failed, OSError) as failed:
        sys.exit(str(failed))


def play(place, pictures):
    place.demo()
    # The previous month is missing; the one before has a second edition; another run has failed.
    place.publish(month(3))
    place.publish(month(2))
    place.publish(month(2), "--force")
    try:
        place.publish("1999-01", "--fail-if-empty")
    except Failed:
        pass  # as it should
    tokens = place.tokens(anna="operator", bea="viewer")
    command = place.command(COMMAND.format(gates=place.folder, program=place.ticketing_report))
    arguments = ["--tokens", place.folder / "tokens", "--report-command", command]
    with place.serve(*arguments, DATABASE_URL=place.database) as server:
        cable = Cable(server.port)
        stage = Stage(place, server, cable, tokens["anna"])
        settings = {
            "url": f"http://127.0.0.1:{cable.port}", "operator": tokens["anna"], "viewer": tokens["bea"],
            "pictures": str(pictures), "downloads": str(place.folder),
            "missing": month(1), "made": [month(2), month(3)], "later": month(4),
        }
        try:
            tell(stage, settings)
        finally:
            cable.cut()


main()
