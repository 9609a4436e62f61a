"""Whether Prometheus can load the alerts, whether they use what the server says, and when they fire."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import promql_parser
import yaml

from contract import METRICS
from manifests import program

SCENES = Path(__file__).with_name("alerts-test.yaml")


def metrics(expression):
    """The names that an expression reads."""
    if isinstance(expression, promql_parser.VectorSelector):
        return {expression.name}
    found = set()
    for part in ("lhs", "rhs", "expr", "param", "vector_selector"):
        if (inner := getattr(expression, part, None)) is not None:
            found |= metrics(inner)
    for inner in getattr(expression, "args", None) or []:
        found |= metrics(inner)
    return found


def look(root, problem, whole):
    path = root / "k8s" / "alerts.yaml"
    rules = [rule for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]
    for rule in rules:
        try:
            read = metrics(promql_parser.parse(rule["expr"]))
        except ValueError as error:
            problem("k8s/alerts.yaml", f"{rule['alert']}: {error}")
            continue
        if not read or not read <= METRICS:
            problem("k8s/alerts.yaml", f"{rule['alert']}: the server has no metric {', '.join(sorted(read - METRICS))}")
        if not rule.get("labels", {}).get("severity") or not rule.get("annotations", {}).get("description"):
            problem("k8s/alerts.yaml", f"{rule['alert']}: needs a severity and a description")

    if not whole:
        return
    tool = program("promtool")
    if not tool:
        return problem("promtool", "is not there, and when the alerts fire isn't known: run tests/prepare")
    with tempfile.TemporaryDirectory() as folder:
        # promtool looks for the rules beside the scenes.
        shutil.copy(path, folder)
        shutil.copy(SCENES, folder)
        done = subprocess.run([tool, "test", "rules", SCENES.name], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            problem("k8s/alerts.yaml", f"promtool test rules: {(done.stdout + done.stderr).strip()}")
