"""What no schema can say: whether the objects fit each other, and what people rely on."""

import re

import rights
from contract import (
    BUCKET_SECRET, CONTRACT, CRON_POD, HOPELESS, HOST_PREFIX, NAMESPACE, POD, REPORT_IMAGE, REPORT_LABELS, SECRETS,
    SERVER_IMAGE,
)
from manifests import PLAIN, find, said

CLUSTER_WIDE = {"Namespace", "PersistentVolume"}
ROOT_CONTAINER = "chown-reports"


def at(value, path):
    """The value at a path of keys, places in lists, and names of what lists hold."""
    for step in path.split("."):
        if isinstance(value, list) and step.isdigit():
            value = value[int(step)] if int(step) < len(value) else None
        elif isinstance(value, list):
            value = next((item for item in value if item.get("name") == step), None)
        else:
            value = value.get(step)
        if value is None:
            return None
    return value


def pods(found):
    """Each object that makes pods, or is one, with the pods' labels and spec."""
    for document in found:
        if document["kind"] == "Pod":
            yield document, document["metadata"].get("labels", {}), document["spec"]
        path = CRON_POD if document["kind"] == "CronJob" else POD
        if document["kind"] in ("CronJob", "Deployment", "Job"):
            template = at(document, path.rsplit(".", 1)[0])
            yield document, template["metadata"].get("labels", {}), template["spec"]


def containers(pod):
    return pod.get("initContainers", []) + pod["containers"]


def job_spec(document):
    return at(document, "spec.jobTemplate.spec") if document["kind"] == "CronJob" else document["spec"]


def quantity(text):
    number, unit = re.fullmatch(r"([0-9.]+)(m|Ki|Mi|Gi)?", str(text)).groups()
    return float(number) * {None: 1, "m": 0.001, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}[unit]


def meets(labels, wanted):
    return all(labels.get(key) == value for key, value in wanted.items())


def selects(selector, labels):
    """Of what a selector can say, this knows what ours do."""
    expressions = selector.get("matchExpressions", [])
    assert all(expression["operator"] == "In" for expression in expressions)
    return meets(labels, selector.get("matchLabels", {})) and all(
        labels.get(expression["key"]) in expression["values"] for expression in expressions)


def settings(container, found):
    """The variables that a container gets by their values: its own, and those of the ConfigMaps it names."""
    given = {}
    for source in container.get("envFrom", []):
        config = find(found, "ConfigMap", at(source, "configMapRef.name")) or {}
        given |= config.get("data", {})
    return given | {variable["name"]: variable.get("value") for variable in container.get("env", [])}


def subcommand(container):
    """`demo` or `prune`, or nothing for a report."""
    first = (container.get("args") or [""])[0]
    return None if first.startswith("-") else first


def contract(sets, problem):
    for where, kind, name, values in CONTRACT:
        document = find(sets.get(where, []), kind, name)
        if not document:
            problem(where, f"has no {kind} {name}, on which people rely")
            continue
        for path, value in values:
            if (found := at(document, path)) != value:
                problem(where, f"{said(document)}: {path} is {found!r}, and people rely on {value!r}")


def names(where, found, problem):
    for document in found:
        name = document["metadata"]["name"]
        longest = {"CronJob": 52, "Job": 63, "Service": 63, "Deployment": 63}.get(document["kind"], 253)
        if len(name) > longest or not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name):
            problem(where, f"{said(document)}: the name must have at most {longest} of a-z, 0-9 and -")
        namespace = document["metadata"].get("namespace")
        if namespace != (None if document["kind"] in CLUSTER_WIDE else NAMESPACE):
            problem(where, f"{said(document)}: its namespace is {namespace}")
        for label, value in document["metadata"].get("labels", {}).items():
            if len(value) > 63:
                problem(where, f"{said(document)}: the label {label} is longer than 63 characters")


def resources(where, found, problem):
    for document, _, pod in pods(found):
        for container in containers(pod):
            given = container.get("resources", {})
            for what in ("memory", "cpu"):
                request, limit = (given.get(kind, {}).get(what) for kind in ("requests", "limits"))
                if not request or not limit:
                    problem(where, f"{said(document)}: {container['name']} has no request or no limit of {what}")
                elif quantity(request) > quantity(limit):
                    problem(where, f"{said(document)}: {container['name']} requests {request} of {what}, "
                                   f"above its limit {limit}")
        for volume in pod.get("volumes", []):
            if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {}):
                problem(where, f"{said(document)}: the emptyDir {volume['name']} has no sizeLimit")


def restricted(where, found, problem):
    """Pod Security's level `restricted`, and a read-only root. The one container that needs root is named."""
    for document, _, pod in pods(found):
        def wrong(what):
            problem(where, f"{said(document)}: {what}")

        context = pod.get("securityContext", {})
        if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
            wrong("the pod may run as root")
        if at(context, "seccompProfile.type") != "RuntimeDefault":
            wrong("the pod has no seccompProfile RuntimeDefault")
        if pod.get("automountServiceAccountToken") is not (pod.get("serviceAccountName") == NAMESPACE):
            wrong("only the server's pod gets a token of the API")
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.get(key):
                wrong(f"{key} is set")
        for container in containers(pod):
            own = container.get("securityContext", {})
            root = container["name"] == ROOT_CONTAINER
            if own.get("allowPrivilegeEscalation") is not False or own.get("readOnlyRootFilesystem") is not True:
                wrong(f"{container['name']} may gain privileges or write to its root")
            if at(own, "capabilities.drop") != ["ALL"] or at(own, "capabilities.add") != (["CHOWN"] if root else None):
                wrong(f"{container['name']} has capabilities")
            if not root and (own.get("runAsUser") == 0 or own.get("runAsNonRoot") is False):
                wrong(f"{container['name']} runs as root")


def failures(where, found, problem):
    for document, _, pod in pods(found):
        if document["kind"] not in ("CronJob", "Job"):
            continue
        spec = job_spec(document)
        policy = at(spec, "podFailurePolicy.rules") or []
        if policy and pod.get("restartPolicy") != "Never":
            problem(where, f"{said(document)}: podFailurePolicy needs the restartPolicy Never")
        if not spec.get("activeDeadlineSeconds"):
            problem(where, f"{said(document)}: without activeDeadlineSeconds a pod without its volume waits for ever")
        codes = [rule for rule in policy if rule.get("action") == "FailJob"]
        if [at(rule, "onExitCodes.values") for rule in codes] != [HOPELESS]:
            problem(where, f"{said(document)}: the exit codes that end the Job must be {HOPELESS}")
        for rule in codes:
            if not find_container(pod, at(rule, "onExitCodes.containerName")):
                problem(where, f"{said(document)}: podFailurePolicy names a container that isn't there")
        if [rule.get("action") for rule in policy][:1] != ["Ignore"]:
            problem(where, f"{said(document)}: the rule for disruptions must be the first")


def find_container(pod, name):
    return next((container for container in containers(pod) if container["name"] == name), None)


def references(where, found, problem):
    claims = {document["metadata"]["name"] for document in found if document["kind"] == "PersistentVolumeClaim"}
    accounts = {document["metadata"]["name"] for document in found if document["kind"] == "ServiceAccount"}
    for document, _, pod in pods(found):
        def wrong(what):
            problem(where, f"{said(document)}: {what}")

        if pod.get("serviceAccountName", "default") not in accounts | {"default"}:
            wrong(f"there is no ServiceAccount {pod['serviceAccountName']}")
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        for name, volume in volumes.items():
            claim = at(volume, "persistentVolumeClaim.claimName")
            if claim and claim not in claims and where not in SEPARATE:
                wrong(f"there is no claim {claim}")
            secret = volume.get("secret", {})
            for item in secret.get("items", []):
                if item["key"] not in SECRETS.get(secret["secretName"], ()):
                    wrong(f"the secret {secret['secretName']} has no key {item['key']}")
        used = {mount["name"] for container in containers(pod) for mount in container.get("volumeMounts", [])}
        for name in used ^ set(volumes):
            wrong(f"the volume {name} is mounted and not there, or there and not mounted")
        for container in containers(pod):
            for variable in container.get("env", []):
                secret = at(variable, "valueFrom.secretKeyRef")
                if secret and secret["key"] not in SECRETS.get(secret["name"], ()):
                    wrong(f"the secret {secret['name']} has no key {secret['key']}")
                value = variable.get("value", "")
                if re.search(SECRET, variable["name"]) and value and not value.startswith("/"):
                    wrong(f"{variable['name']} has its value in the manifest")
            for source in container.get("envFrom", []):
                name = at(source, "configMapRef.name")
                if name and not find(found, "ConfigMap", name):
                    wrong(f"there is no ConfigMap {name}")
                secret = source.get("secretRef")
                # Without it, the pod's own identity counts.
                if secret and secret != {"name": BUCKET_SECRET, "optional": True}:
                    wrong(f"takes all of the secret {secret['name']}, or needs it")
    for document in found:
        if document["kind"] == "Secret":
            problem(where, f"{said(document)}: secrets don't stand in files")
        for name in document.get("data", {}) if document["kind"] == "ConfigMap" else []:
            if re.search(SECRET, name):
                problem(where, f"{said(document)}: {name} has its value in the manifest")


SECRET = "PASSWORD|SECRET|TOKEN|_KEY"


# Applied after the file or folder that has the claim.
SEPARATE = {"k8s/ticketing-report-job.yaml", "k8s/reports-shell.yaml"}


def selectors(where, found, problem):
    made = [(document, labels, pod) for document, labels, pod in pods(found)]
    for document in found:
        kind = document["kind"]
        if kind == "Deployment":
            labels = at(document, "spec.template.metadata.labels")
            if not meets(labels, at(document, "spec.selector.matchLabels")):
                problem(where, f"{said(document)}: its selector doesn't meet its own pods")
        if kind == "Service":
            met = [pod for _, labels, pod in made if meets(labels, document["spec"]["selector"])]
            ports = {port["name"] for pod in met for container in pod["containers"]
                     for port in container.get("ports", [])}
            for port in document["spec"]["ports"]:
                if port["targetPort"] not in ports:
                    problem(where, f"{said(document)}: no pod that it selects has a port {port['targetPort']}")
        if kind == "NetworkPolicy":
            selector = at(document, "spec.podSelector")
            if not selector or not any(selects(selector, labels) for _, labels, _ in made):
                problem(where, f"{said(document)}: selects no pod of ours, or all that there are")
    for document, _, pod in made:
        terms = at(pod, "affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution") or []
        for term in terms:
            wanted = at(term, "podAffinityTerm.labelSelector.matchLabels")
            if not any(meets(labels, wanted) for _, labels, _ in made):
                problem(where, f"{said(document)}: its affinity meets no pod")


def network(where, found, problem):
    """Reports reach the database, what cleans up reaches nothing, and both the bucket if the store is one."""
    policies = [document["spec"] for document in found if document["kind"] == "NetworkPolicy"]
    for document, labels, pod in pods(found):
        mine = [spec for spec in policies if selects(spec["podSelector"], labels)]
        if policies and not any("Ingress" in spec["policyTypes"] for spec in mine):
            problem(where, f"{said(document)}: no policy keeps connections from it")
        container = pod["containers"][0]
        if policies and container["image"] == REPORT_IMAGE and subcommand(container) != "demo":
            allowed = {port["port"] for spec in mine for rule in spec.get("egress", []) for port in rule["ports"]}
            given = settings(container, found)
            wanted = {int(port) for port in [given.get("DB_PORT")] if port}
            wanted |= {443} if "://" in given.get("REPORT_STORE", "") else set()
            wanted |= {53} if wanted else set()
            closed = any("Egress" in spec["policyTypes"] for spec in mine)
            if allowed != wanted or not closed or any("ingress" in spec for spec in mine):
                problem(where, f"{said(document)}: its policies let it reach the ports {sorted(allowed)}, "
                               f"not {sorted(wanted)}, or let it be reached")


def stores(where, found, problem):
    """All have the same store; a folder is on the volume, and where there is a bucket there is no volume."""
    known = {}
    for document, labels, pod in pods(found):
        container = pod["containers"][0]
        if container["image"] not in (REPORT_IMAGE, SERVER_IMAGE) or subcommand(container) == "demo":
            continue
        store = settings(container, found).get("REPORT_STORE") or "nothing"
        known.setdefault(store, document)
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        claimed = [name for name, volume in volumes.items() if "persistentVolumeClaim" in volume]
        if "://" in store:
            scratch = at(volumes.get(mounts.get("/tmp")) or {}, "emptyDir.sizeLimit") or "0"
            if claimed or find(found, "PersistentVolumeClaim", "ticketing-reports-pvc"):
                problem(where, f"{said(document)}: the store is a bucket, and there is a claim as well")
            if container["image"] == REPORT_IMAGE and quantity(scratch) < 2**30:
                problem(where, f"{said(document)}: an edition is made in /tmp, and {scratch} is too little")
        elif [mounts.get(store)] != claimed:
            problem(where, f"{said(document)}: the store is {store}, and no claim is mounted there")
    if len(known) > 1:
        said_by = ", ".join(f"{store} in {said(document)}" for store, document in known.items())
        problem(where, f"the store isn't the same everywhere: {said_by}")


def cleaning(where, found, problem):
    """Nothing is deleted unless somebody asked for the component, and what deletes is no report."""
    for document, labels, pod in pods(found):
        for container in containers(pod):
            if container["image"] != REPORT_IMAGE:
                continue
            if (subcommand(container) is not None) is meets(labels, REPORT_LABELS):
                problem(where, f"{said(document)}: the server takes whatever is labelled {REPORT_LABELS} for a report, "
                               "and nothing else")
            # Pages show how to ask for it.
            if subcommand(container) == "prune" and not (where.endswith("-with-components") or ".md" in where):
                problem(where, f"{said(document)}: deletes, and nobody has asked for it")
        if document["kind"] == "CronJob":
            spec = document["spec"]
            if spec.get("concurrencyPolicy") != "Forbid" or None in (
                    spec.get("startingDeadlineSeconds"), spec.get("successfulJobsHistoryLimit"),
                    spec.get("failedJobsHistoryLimit"), job_spec(document).get("ttlSecondsAfterFinished")):
                problem(where, f"{said(document)}: two at once, late starts or old Jobs aren't limited")


def volumes(where, found, problem):
    for document in found:
        path = at(document, "spec.hostPath.path") if document["kind"] == "PersistentVolume" else None
        if path and not path.startswith(HOST_PREFIX):
            problem(where, f"{said(document)}: Docker Desktop doesn't show {path} to Windows, only what is under "
                           f"{HOST_PREFIX}")
        if path:
            claim = find(found, "PersistentVolumeClaim", at(document, "spec.claimRef.name"))
            same = ("spec.storageClassName", "spec.accessModes")
            if not claim or any(at(claim, key) != at(document, key) for key in same) or quantity(
                    at(claim, "spec.resources.requests.storage")) > quantity(at(document, "spec.capacity.storage")):
                problem(where, f"{said(document)}: no claim fits it in name, class, access modes and size")


def plain_job(sets, problem):
    """The plain Job is the CronJob's template, but for the arguments of its container."""
    where = "k8s/ticketing-report-job.yaml"
    job = find(sets[where], "Job", "ticketing-report-job")
    cron = find(sets[where], "CronJob", "ticketing-report-cronjob")
    if not job or not cron:
        return
    template = cron["spec"]["jobTemplate"]
    plain = {"metadata": {"labels": job["metadata"]["labels"]}, "spec": job["spec"]}

    def without_arguments(spec):
        containers = [{key: value for key, value in container.items() if key != "args"}
                      for container in at(spec, "spec.template.spec.containers")]
        pod = {**at(spec, "spec.template.spec"), "containers": containers}
        return {**spec, "spec": {**spec["spec"], "template": {**spec["spec"]["template"], "spec": pod}}}

    if without_arguments(plain) != without_arguments(template):
        problem(where, "the Job differs from the CronJob's template in more than its arguments")


def groups(sets):
    """What is applied together, and so has to fit together."""
    yield from ((where, found) for where, found in sets.items()
                if where.startswith("k8s/overlays/") or where.endswith(".yaml"))
    yield "k8s/demo-postgres", sets.get("k8s/overlays/pvc", []) + sets.get("k8s/demo-postgres", [])


def group(where, found, problem):
    for lint in (names, resources, restricted, failures, references, selectors, network, stores, cleaning, volumes):
        lint(where, found, problem)


def look(sets, root, problem):
    contract(sets, problem)
    plain_job(sets, problem)
    made = rights.calls(root)
    for where, found in groups(sets):
        group(where, found, problem)
        rights.look(where, found, problem, made)
    for path in sorted((root / "k8s").rglob("*.yaml")):
        if re.search(r"[a-z]+://[^/\s:]+:[^/\s@]+@|secretGenerator", path.read_text(encoding="utf-8")):
            problem(path.relative_to(root).as_posix(), "holds a password, or makes a secret from a file")
    references("k8s/*.yaml", [document for name in PLAIN for document in sets[name]], problem)
