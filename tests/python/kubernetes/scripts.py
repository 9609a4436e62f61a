"""Whether the scripts are well formed, do the same, and stop with a remedy whatever goes wrong.

build-and-deploy.sh is run against programs that only say what a cluster would say; build-and-deploy.ps1 is parsed and
compared with it, since there is no PowerShell to run it with.
"""

import os
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tree_sitter
import tree_sitter_powershell

from images import BUILD
from manifests import program

SHELL = "build-and-deploy.sh"
POWERSHELL = "build-and-deploy.ps1"

# Stands for docker, kubectl, minikube and kind. Counts its calls; fails at the call that FAIL_AT names.
STAND_IN = """#!/bin/sh
echo "${0##*/} $*" >>"$CALLS"
[ "$(wc -l <"$CALLS")" -ne "${FAIL_AT:-0}" ] || exit 1
case "${0##*/} $*" in
    kubectl*" version "*)
        echo '{"clientVersion":{"minor":"20"},"serverVersion":{"major":"1","minor":"'"${MINOR:-34+}"'"}}' ;;
    *"get deployment train"*) echo deployment.apps/train-orchestrator ;;
    "kubectl kustomize"*) echo 'path: /Users/<username>/x' ;;
    *" apply -f "*manifests.yaml) for last; do :; done; cat "$last" >>"$APPLIED" ;;
    *" token --name"*)
        echo 'token: abc'
        echo 'operator operator 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef' ;;
esac
"""


def commands(text):
    """The programs that a script runs, in order, without what differs between the two languages."""
    for line in text.splitlines():
        if found := re.match(r"\s*(?:run|query) (.*?)(?: \|\|.*)?$", line, flags=re.I):
            words = found.group(1)
            words = re.sub(r'"\$\{(\w+)\[@\]\}"|@(\w+)', lambda name: f"<{name[1] or name[2]}>", words)
            words = re.sub(r'\$\{context#kind-\}|\(\$Context -replace \'\^kind-\', \'\'\)', "<kind>", words)
            yield re.sub(r"[\"'$_{}()\\]", "", words).lower().strip()


def messages(text):
    """What a script says when something fails: (what went wrong, what to do)."""
    text = re.sub(r"[\\`]\n\s*", " ", text)
    quoted = r"('(?:[^'])*'|\"(?:[^\"])*\")"
    for found in re.finditer(rf"\b(?:fail|OrFail)\s+{quoted}\s+{quoted}", text, flags=re.I):
        yield tuple(re.sub(r"[\W_]", "", part).lower() for part in found.groups())


def errors(source, node):
    if node.type == "ERROR" or node.is_missing:
        yield node.start_point.row + 1, source[node.start_byte:node.end_byte].decode()[:60]
        return
    for child in node.children:
        yield from errors(source, child)


def powershell(root, problem):
    source = (root / POWERSHELL).read_bytes()
    if not source.isascii():
        problem(POWERSHELL, "Windows PowerShell reads anything but ASCII wrong")
    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    for line, text in errors(source, parser.parse(source).root_node):
        problem(f"{POWERSHELL}:{line}", f"can't be parsed: {text!r}")


def same(root, problem):
    texts = [(root / name).read_text(encoding="utf-8") for name in (SHELL, POWERSHELL)]
    ours, theirs = (list(commands(text)) for text in texts)
    for left, right in zip(ours + [""] * len(theirs), theirs + [""] * len(ours)):
        if left != right:
            problem(SHELL, f"runs `{left}` where {POWERSHELL} runs `{right}`")
            break
    # The shell's own: options without a value, or that don't exist, are PowerShell's business there.
    own = {("1needsavalue", "seehelp"), ("thereisnooption1", "seehelp")}
    ours, theirs = (set(messages(text)) for text in texts)
    for message in sorted((ours - own) ^ theirs):
        problem(SHELL if message in ours else POWERSHELL, f"only here a failure says `{' / '.join(message)}`")
    options = set(re.findall(r"^  --([a-z-]+)", texts[0], flags=re.M)) - {"help"}
    parameters = {name.lower() for name in re.findall(r"^    \[(?:string|switch)\]\$(\w+)", texts[1], flags=re.M)}
    if {option.replace("-", "") for option in options} != parameters:
        problem(SHELL, f"has the options {sorted(options)}, and {POWERSHELL} the parameters {sorted(parameters)}")


def attempt(root, folder, number, *options, **variables):
    """One run against the stand-ins: exit code, output, calls, what was applied."""
    calls, applied = Path(folder) / f"calls-{number}", Path(folder) / f"applied-{number}"
    calls.touch()
    applied.touch()
    environment = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}", "CALLS": str(calls),
                   "APPLIED": str(applied), **variables}
    done = subprocess.run(["bash", SHELL, *options], cwd=root, env=environment, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)
    return (done.returncode, done.stdout + done.stderr, calls.read_text().splitlines(), applied.read_text())


def rehearse(root, problem):
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bin").mkdir()
        for name in ("docker", "kubectl", "minikube", "kind"):
            path = Path(folder) / "bin" / name
            path.write_text(STAND_IN)
            path.chmod(0o755)

        for context, options in (("docker-desktop", ["--overlay", "pvc", "--demo"]), ("minikube", []), ("kind-a", [])):
            options = ["--context", context, *options]
            code, output, calls, applied = attempt(root, folder, context, *options)
            if code or "username>" in applied or "/Users//x" not in applied:
                problem(SHELL, f"{' '.join(options)} ends with {code}, though nothing failed: {output[-300:]}")
                continue
            missing = [call for call in calls if call.startswith("kubectl --context")
                       and not call.startswith(f"kubectl --context {context} --namespace train-orchestrator ")]
            if missing:
                problem(SHELL, f"doesn't say to which cluster: {missing}")
            # Whatever fails, the script stops there and says what to do. What the clusters have in common fails once.
            tried = [at for at, call in enumerate(calls, 1)
                     if context == "docker-desktop" or call.startswith(context[:4])]
            with ThreadPoolExecutor(4) as pool:
                runs = pool.map(lambda at: (at, attempt(root, folder, f"{context}-{at}", *options, FAIL_AT=str(at))),
                                tried)
            for at, (code, output, made, _) in runs:
                after = [call for call in made[at:] if " describe " not in call and " logs " not in call]
                if code != 1 or "FAILED: " not in output or "What to do: " not in output or after:
                    problem(SHELL, f"goes on, or says no remedy, when this fails: {calls[at - 1]}")

        code, output, calls, _ = attempt(root, folder, "old", "--context", "minikube", MINOR="30")
        if code != 1 or "1.31 or newer" not in output or any(" apply " in call for call in calls):
            problem(SHELL, "deploys to a cluster that is too old")
        code, output, calls, _ = attempt(root, folder, "dry", "--dry-run", "--demo", "--username", "anna")
        if code or calls or "+ docker build" not in output or "apply -k k8s/demo-postgres" not in output:
            problem(SHELL, "--dry-run runs something, or doesn't print what it would run")
        code, output, calls, _ = attempt(root, folder, "nobody")
        if code != 1 or "nobody can be asked" not in output or len(calls) != 1:
            problem(SHELL, "deploys without being told where to")


def look(root, problem, whole):
    powershell(root, problem)
    same(root, problem)
    if not whole:
        return
    if not program("shellcheck"):
        return problem("shellcheck", "is not there: install the packages of tests/python/kubernetes/requirements.txt")
    done = subprocess.run([program("shellcheck"), "--format=gcc", SHELL, *BUILD], cwd=root, capture_output=True,
                          text=True)
    for line in done.stdout.splitlines():
        problem("shellcheck", line)
    rehearse(root, problem)
