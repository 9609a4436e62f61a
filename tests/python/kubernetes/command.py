"""Whether the built programs take what the manifests give them."""

import datetime
import os
import re
import subprocess
import tempfile

from contract import CRONJOB, REPORT_IMAGE, SERVER_IMAGE
from lints import containers, pods, settings, subcommand
from manifests import said


def ours(container, found):
    """The variables that a container is given, but for those of a bucket, which are its provider's."""
    return [name for name in settings(container, found) if not name.startswith(("AWS_", "AZURE_", "GOOGLE_"))]


def server(sets, program, problem):
    """The server reads the variables, and makes tokens in the form that the scripts look for."""
    help_text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    # Where the terminal is narrow, it is broken into lines.
    help_text = " ".join(help_text.split())
    for where, found in sets.items():
        for document, _, pod in pods(found):
            for container in containers(pod):
                for name in ours(container, found) if container["image"] == SERVER_IMAGE else []:
                    if f"[env: {name}=" not in help_text:
                        problem(where, f"{said(document)}: the server reads no variable {name}")
    words = ["token", "--name", "operator", "--role", "operator"]
    made = subprocess.run([program, *words], capture_output=True, text=True)
    if made.returncode or not re.search(r"operator operator [0-9a-f]{64}\b", made.stdout):
        problem(str(program), "makes no token with a line that build-and-deploy.sh and .ps1 find")


def look(sets, program, problem):
    """The program itself takes the arguments and knows the variables. No database answers, so it goes no further."""
    tried = {}
    help_text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    for where, found in sets.items():
        for document, _, pod in pods(found):
            for container in containers(pod):
                if container["image"] != REPORT_IMAGE:
                    continue
                for name in ours(container, found):
                    if not re.search(rf"\b{name}\b", help_text):
                        problem(where, f"{said(document)}: the program reads no variable {name}")
                words = tuple(container.get("args", []))
                if words not in tried:
                    tried[words] = run(program, words)
                code, said_last = tried[words]
                # In an empty store there is nothing to be removed.
                expected, why = 75, "for want of a database"
                if subcommand(container) == "prune":
                    expected, why = 0, "as it should"
                if code != expected:
                    problem(where, f"{said(document)}: ticketing-report {' '.join(words)} ends with {code}, and not "
                                   f"with {expected} {why}: {said_last}")
    if run(program, ("--no-such-option",))[0] != 2:
        problem(str(program), "doesn't refuse an option that it doesn't know, so nothing is proven here")
    scheduled(program, problem)


def scheduled(program, problem):
    """The program takes the month from its Job's name, and only from one of the schedule's own."""
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=70)
    long_ago, not_yet = (int(datetime.datetime(year, month, 1, 2, tzinfo=datetime.UTC).timestamp()) // 60
                         for year, month in ((2025, 1), (later.year, later.month)))
    for name, code in ((f"{CRONJOB}-{long_ago}", 75), (f"{CRONJOB}-{not_yet}", 78), (f"{CRONJOB}-by-hand", 75),
                       (f"ticketing-report-{not_yet}", 75), ("", 75)):
        found, said_last = run(program, ("--period", "previous-month"), REPORT_SCHEDULED_BY=name,
                               REPORT_TIME_ZONE="America/Lima" if code == 78 else "UTC")
        if found != code:
            problem(str(program), f"ends with {found}, and not with {code}, in the Job `{name}`: {said_last}")


def run(program, words, **variables):
    with tempfile.TemporaryDirectory() as folder:
        # Nothing listens on port 1, so the attempt ends at once.
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "REPORT_STORE": f"{folder}/reports",
                       "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none", **variables}
        os.mkdir(f"{folder}/reports")
        words = [word.replace("/reports", f"{folder}/reports") for word in words]
        done = subprocess.run([program, *words], cwd=folder, env=environment, capture_output=True, text=True)
        return done.returncode, (done.stderr.strip().splitlines() or [""])[-1]
