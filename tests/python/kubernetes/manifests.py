"""Reads the manifests, builds the kustomizations, and asks Kubernetes' own schemas."""

import functools
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import kubernetes_validate
import yaml
from kubernetes_validate import utils

# The oldest version that is promised to work, and the newest whose schemas there are.
VERSIONS = ["1.31", "1.37"]

# Applied as they are, without kustomize.
PLAIN = ["k8s/pv-hostpath.yaml", "k8s/reports-shell.yaml", "k8s/ticketing-report-job.yaml"]

# Kustomize reads no file above its own folder, so parts of the plain files stand there a second time:
# (copy, plain file, which of its documents).
COPIES = [
    ("k8s/base/ticketing-report.yaml", "k8s/ticketing-report-job.yaml", ["ServiceAccount", "CronJob"]),
    ("k8s/base/pvc.yaml", "k8s/pv-hostpath.yaml", ["PersistentVolumeClaim"]),
    ("k8s/overlays/docker-desktop/pv.yaml", "k8s/pv-hostpath.yaml", ["PersistentVolume"]),
]

# Components that no overlay has by itself: each overlay is built a second time with all of them.
OPTIONAL = ["doctor", "retention"]

# No manifests, though they are YAML.
OTHER = ["k8s/alerts.yaml"]

# The package opens its large files for each manifest anew.
utils.schema_contents = functools.lru_cache(None)(utils.schema_contents)


class Loader(yaml.SafeLoader):
    """Refuses what kubectl refuses and PyYAML doesn't: the same key twice."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key `{key}` twice", node.start_mark)
        return super().construct_mapping(node, deep=deep)


def program(name):
    """A program that came with a Python package, or the system's."""
    own = Path(sys.executable).parent / name
    return str(own) if own.exists() else shutil.which(name)


def documents(text):
    return [document for document in yaml.load_all(text, Loader) if document]


def find(found, kind, name):
    for document in found:
        if document["kind"] == kind and document["metadata"]["name"] == name:
            return document
    return None


def said(document):
    return f"{document['kind']} {document['metadata']['name']}"


def files(root):
    return sorted(path.relative_to(root).as_posix() for path in (root / "k8s").rglob("*.yaml"))


def copy_text(root, source, kinds):
    """The documents of these kinds, byte for byte, each with the comment above it."""
    parts = (root / source).read_text(encoding="utf-8").split("\n---\n")
    kept = []
    for part in parts:
        found = documents(part)
        if found and found[0]["kind"] in kinds:
            kept.append(part.strip("\n") + "\n")
    head = f"# Copied from {Path(source).name} by tests/python/kubernetes/check.py --write: change it there.\n"
    return head + "---\n".join(kept)


def copies(root, problem, write):
    for target, source, kinds in COPIES:
        text = copy_text(root, source, kinds)
        path = root / target
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if write:
            path.write_text(text, encoding="utf-8")
        else:
            problem(target, f"is not what stands in {source}: run check.py --write")


def kustomizations(root):
    """The folders that can be built, and the files that the kustomizations name."""
    folders, named = [], set()
    for path in sorted((root / "k8s").rglob("kustomization.yaml")):
        content = documents(path.read_text(encoding="utf-8"))[0]
        if content["kind"] == "Kustomization":
            folders.append(path.parent.relative_to(root).as_posix())
        entries = content.get("resources", []) + content.get("components", [])
        entries += [patch["path"] for patch in content.get("patches", []) if "path" in patch]
        named.add(path.relative_to(root).as_posix())
        named |= {(path.parent / entry).resolve().relative_to(root).as_posix() for entry in entries}
    return folders, named


def build(root, folder):
    done = subprocess.run([program("kubectl"), "kustomize", folder], cwd=root, capture_output=True, text=True)
    return folder, done.returncode, done.stdout, done.stderr


def with_components(root, folder, overlays):
    """In `folder`, a copy of the overlays, each a second time with the optional components."""
    shutil.copytree(root / "k8s", Path(folder) / "k8s")
    for overlay in overlays:
        content = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization",
                   "resources": [f"../{Path(overlay).name}"],
                   "components": [f"../../components/{name}" for name in OPTIONAL]}
        target = Path(folder) / f"{overlay}-with-components"
        target.mkdir()
        (target / "kustomization.yaml").write_text(yaml.safe_dump(content))
        yield target.relative_to(folder).as_posix()


def read(root, problem):
    """Everything there is, by the file or the folder that it is applied from."""
    folders, named = kustomizations(root)
    for name in files(root):
        if name not in named and name not in PLAIN + OTHER:
            problem(name, "no kustomization names it")
    for folder in sorted({str(Path(name).parent) for name in files(root) if "/components/" in name}):
        if folder not in named and Path(folder).name not in OPTIONAL:
            problem(folder, "no overlay uses this component, so nothing proves that it can be built")

    sets = {name: documents((root / name).read_text(encoding="utf-8")) for name in PLAIN}
    if not program("kubectl"):
        problem("kubectl", "is not there: install the packages of tests/python/kubernetes/requirements.txt")
        return sets
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(4) as pool:
        overlays = [folder for folder in folders if folder.startswith("k8s/overlays/")]
        more = [(temporary, folder) for folder in with_components(root, temporary, overlays)]
        built = pool.map(lambda pair: build(*pair), [(root, folder) for folder in folders] + more)
        for folder, code, out, err in built:
            if code:
                problem(folder, f"kubectl kustomize fails: {err.strip()}")
            elif err.strip():
                problem(folder, f"kubectl kustomize warns: {err.strip()}")
            else:
                sets[folder] = documents(out)
    return sets


def schemas(sets, problem):
    seen = []
    for where, found in sets.items():
        for document in found:
            # Most objects are the same in several folders.
            if document in seen:
                continue
            seen.append(document)
            for version in VERSIONS:
                try:
                    kubernetes_validate.validate(document, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    path = ".".join(str(step) for step in error.path)
                    problem(where, f"{said(document)}, Kubernetes {version}: {path}: {error.message}")
                except (utils.SchemaNotFoundError, utils.VersionNotSupportedError) as error:
                    problem(where, f"{said(document)}: {error.message}")
