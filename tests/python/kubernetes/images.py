"""Whether the Dockerfile makes what the manifests ask for, of what .dockerignore lets through."""

import re
import subprocess

from contract import REPORT_IMAGE, SERVER_IMAGE
from lints import at, containers, pods
from manifests import program, said


# What the build stages run.
BUILD = ["k8s/image/build", "k8s/image/inventory"]


def stages(text):
    """The stages of a Dockerfile: name, what it is from, and its instructions as (word, rest)."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.M))
    found = []
    for line in joined.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            found.append((name, base, []))
        elif word and found:
            found[-1][2].append((word, " ".join(rest.split())))
    return found


def said_by(instructions, word):
    return [rest for name, rest in instructions if name == word]


def dockerfile(sets, root, problem):
    found = stages((root / "Dockerfile").read_text(encoding="utf-8"))
    named = {name: instructions for name, _, instructions in found}
    if found[-1][0] != "report":
        problem("Dockerfile", "its last stage must be the job's image, which a plain `docker build .` makes")
    for name, image, program_name in (("report", REPORT_IMAGE, "ticketing-report"),
                                      ("server", SERVER_IMAGE, "report-server")):
        stage = named.get(name, [])
        if said_by(stage, "ENTRYPOINT") != [f'["{program_name}"]']:
            problem("Dockerfile", f"the stage {name} must start {program_name}")
        if said_by(stage, "USER") != ["10001:10001"]:
            problem("Dockerfile", f"the stage {name} must not run as root")
        if "REPORT_STORE=/reports" not in " ".join(said_by(stage, "ENV")).split():
            problem("Dockerfile", f"the stage {name} must set REPORT_STORE=/reports")
        if f'title="{image.split(":")[0]}"' not in " ".join(said_by(stage, "LABEL")):
            problem("Dockerfile", f"the stage {name} must be labelled as {image}")
    for base in (base for _, base, _ in found if base not in named and base != "scratch"):
        if ":" not in base or base.endswith(":latest"):
            problem("Dockerfile", f"the base image {base} has no version")

    for where, objects in sets.items():
        for document, _, pod in pods(objects):
            user = at(pod, "securityContext.runAsUser")
            for container in containers(pod):
                image = container["image"]
                if image in (REPORT_IMAGE, SERVER_IMAGE):
                    if container.get("imagePullPolicy") != "IfNotPresent":
                        problem(where, f"{said(document)}: {image} was built here and can't be pulled")
                    if user != 10001:
                        problem(where, f"{said(document)}: {image} runs as 10001, the pod as {user}")
                    if image == SERVER_IMAGE and container.get("command") != ["report-server"]:
                        problem(where, f"{said(document)}: its command must be report-server")
                elif ":" not in image or image.endswith(":latest"):
                    problem(where, f"{said(document)}: the image {image} has no version")


def context(root, problem):
    """Cargo reads the manifests of all members, so all must get through."""
    allowed = {line[1:].strip("/") for line in (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
               if line.startswith("!")}
    text = (root / "Cargo.toml").read_text(encoding="utf-8")
    members = re.findall(r'"([^"]+)"', re.search(r"^members = \[(.*?)\]", text, flags=re.M | re.S).group(1))
    needed = ["Cargo.toml", "Cargo.lock", "LICENSE-MIT", "LICENSE-APACHE", *BUILD, *members]
    for path in needed:
        if not any(path == entry or path.startswith(f"{entry}/") for entry in allowed):
            problem(".dockerignore", f"keeps {path} from Docker, and the build needs it")


def look(sets, root, problem, whole):
    dockerfile(sets, root, problem)
    context(root, problem)
    if whole:
        if not program("hadolint"):
            return problem("hadolint", "is not there: install the packages of tests/python/kubernetes/requirements.txt")
        done = subprocess.run([program("hadolint"), "--no-color", "Dockerfile"], cwd=root, capture_output=True,
                              text=True)
        for line in (done.stdout + done.stderr).splitlines():
            problem("hadolint", line)
