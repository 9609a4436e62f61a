"""Whether each Role allows what its holder does, and nothing else.

What the server calls stands in a table of its source, to which its own tests hold the calls that it makes.
"""

import re

from contract import DOCTOR, NAMESPACE
from manifests import find, said

SOURCE = "server/src/launcher/kubernetes/calls.rs"
GROUPS = {"batch": "batch", "core": ""}


def calls(root):
    """Group and resource with the verbs."""
    made = {}
    source = (root / SOURCE).read_text(encoding="utf-8")
    for group, verb, resource in re.findall(r'= Self::of_(\w+)\("(\w+)", "([\w/]+)"\)', source):
        made.setdefault((GROUPS[group], resource), set()).add(verb)
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
