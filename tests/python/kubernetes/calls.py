"""Which calls of the cluster's API the server makes, by its source. What it lacks, its own tests notice; what its Role
has too much, nothing else would."""

import re

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
