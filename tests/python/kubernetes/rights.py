"""Whether each Role allows what its holder does, and nothing else.

What the server calls is read from its source. A verb that its Role lacks its own tests notice; one that it has too much
nothing else would.
"""

import re

from contract import DOCTOR, NAMESPACE
from manifests import find, said

SOURCE = "server/src/launcher/kubernetes"

# Handles of the API, and what their methods need.
HANDLES = {"jobs": ("batch", "jobs"), "cronjobs": ("batch", "cronjobs"), "pods": ("", "pods")}
METHODS = {"get_opt": "get", "list": "list", "create": "create", "delete": "delete"}


def calls(root):
    """Group and resource with the verbs."""
    made = {}
    for path in sorted((root / SOURCE).glob("*.rs")):
        text = re.sub(r"\s+", "", re.sub(r"//.*", "", path.read_text(encoding="utf-8")))
        for handle, method in re.findall(r"self\.0\.(jobs|cronjobs|pods)\.(\w+)\(", text):
            group, resource = HANDLES[handle]
            if method == "log_stream":
                made.setdefault((group, f"{resource}/log"), set()).add("get")
            elif method != "clone":
                made.setdefault((group, resource), set()).add(METHODS.get(method, method))
        for handle in re.findall(r"\bwatch\(self\.0\.(jobs|cronjobs|pods)\.clone\(\)", text):
            # watch.rs lists first.
            made.setdefault(HANDLES[handle], set()).update({"list", "watch"})
    return made


def look(where, found, problem, made):
    wanted = {NAMESPACE: made, "report-doctor": DOCTOR}
    for document in found:
        if document["kind"] == "ClusterRole" or document["kind"] == "ClusterRoleBinding":
            problem(where, f"{said(document)}: nothing needs rights beyond the namespace")
        if document["kind"] == "Role":
            given = {(group, resource): set(rule["verbs"]) for rule in document["rules"]
                     for group in rule["apiGroups"] for resource in rule["resources"]}
            if given != wanted.get(document["metadata"]["name"]):
                problem(where, f"{said(document)}: gives {given}, and its holder does "
                               f"{wanted.get(document['metadata']['name'])}")
        if document["kind"] == "RoleBinding":
            for subject in document["subjects"]:
                if not find(found, subject["kind"], subject["name"]):
                    problem(where, f"{said(document)}: there is no {subject['kind']} {subject['name']}")
            if not find(found, "Role", document["roleRef"]["name"]):
                problem(where, f"{said(document)}: there is no Role {document['roleRef']['name']}")
