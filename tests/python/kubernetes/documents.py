"""Whether the pages on Kubernetes name what there is: files, objects, and overlays that can be built."""

import re
import shutil
import tempfile
from pathlib import Path

import lints
import schedules
from manifests import build, documents

KINDS = {"cronjob": "CronJob", "deployment": "Deployment", "pvc": "PersistentVolumeClaim", "svc": "Service"}


def named(path, text, root, known, problem):
    examples = tuple(str(Path(name).parent) for name in re.findall(r"^# (k8s/overlays/\S+)", text, flags=re.M))
    for file in set(re.findall(r"(?<![\w/])k8s/[\w./-]+\w", text)):
        if not file.startswith(examples) and not (root / file).exists():
            problem(path, f"there is no {file}")
    for kind, name in set(re.findall(r"\b(cronjob|deployment|pvc|svc)/([a-z-]+)", text)):
        if (KINDS[kind], name) not in known:
            problem(path, f"no manifest has the {KINDS[kind]} {name}")
    for number, line in enumerate(text.splitlines(), 1):
        # A row of a table can't be broken.
        if len(line) > 120 and not line.startswith("|"):
            problem(f"{path}:{number}", "the line is longer than 120 characters")


def overlays(path, text, root, problem):
    """The examples of overlays, built where they say they lie."""
    for example in re.findall(r"^```yaml\n(# k8s/overlays/.*?)^```", text, flags=re.M | re.S):
        name = example.splitlines()[0].removeprefix("# ")
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(root / "k8s", Path(folder) / "k8s")
            target = Path(folder) / name
            target.parent.mkdir()
            target.write_text(example, encoding="utf-8")
            _, code, out, err = build(folder, target.parent)
            if code or err.strip():
                problem(path, f"the example {name} can't be built: {err.strip()}")
            keys = "newName|newTag|storageClassName|value|schedule|storage"
            for value in re.findall(rf'(?:{keys}): "?([\w./ *-]+)|^      - (\w+=\S+)$', example, flags=re.M):
                value = value[0] or value[1].replace("=", ": ")
                if value not in out:
                    problem(path, f"the example {name} says {value}, and what it builds doesn't")
            lints.group(f"{path}, {name}", documents(out), problem)
            schedules.look(f"{path}, {name}", documents(out), problem)


def look(sets, root, problem):
    known = {(document["kind"], document["metadata"]["name"]) for found in sets.values() for document in found}
    pages = sorted((root / "docs" / "kubernetes").glob("*.md"))
    for page in [*pages, root / "k8s" / "README.md"]:
        path, text = page.relative_to(root).as_posix(), page.read_text(encoding="utf-8")
        named(path, text, root, known, problem)
        overlays(path, text, root, problem)
    index = (root / "docs" / "kubernetes" / "README.md").read_text(encoding="utf-8")
    for page in pages:
        if page.name != "README.md" and f"({page.name})" not in index:
            problem("docs/kubernetes/README.md", f"doesn't lead to {page.name}")
