"""Whether the built programs take what the manifests give them."""

import os
import re
import subprocess
import tempfile

from contract import REPORT_IMAGE, SERVER_IMAGE
from lints import containers, pods
from manifests import said


def server(sets, program, problem):
    """The server reads the variables, and makes tokens in the form that the scripts look for."""
    help_text = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    # Where the terminal is narrow, it is broken into lines.
    help_text = " ".join(help_text.split())
    for where, found in sets.items():
        for document, _, pod in pods(found):
            for container in containers(pod):
                for variable in container.get("env", []) if container["image"] == SERVER_IMAGE else []:
                    if f"[env: {variable['name']}=" not in help_text:
                        problem(where, f"{said(document)}: the server reads no variable {variable['name']}")
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
                for variable in container.get("env", []):
                    if not re.search(rf"\b{variable['name']}\b", help_text):
                        problem(where, f"{said(document)}: the program reads no variable {variable['name']}")
                words = tuple(container.get("args", []))
                if words not in tried:
                    tried[words] = run(program, words)
                code, said_last = tried[words]
                if code != 75:
                    problem(where, f"{said(document)}: ticketing-report {' '.join(words)} ends with {code}, and not "
                                   f"with 75 for want of a database: {said_last}")
    if run(program, ("--no-such-option",))[0] != 2:
        problem(str(program), "doesn't refuse an option that it doesn't know, so nothing is proven here")


def run(program, words):
    with tempfile.TemporaryDirectory() as folder:
        # Nothing listens on port 1, so the attempt ends at once.
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "REPORT_STORE": f"{folder}/reports",
                       "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}
        os.mkdir(f"{folder}/reports")
        words = [word.replace("/reports", f"{folder}/reports") for word in words]
        done = subprocess.run([program, *words], cwd=folder, env=environment, capture_output=True, text=True)
        return done.returncode, (done.stderr.strip().splitlines() or [""])[-1]
