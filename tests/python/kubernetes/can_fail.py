#!/usr/bin/env python3
"""Whether check.py finds what it is there to find: breaks a copy of the repository in many ways and looks.

Usage: can_fail.py PROGRAM SERVER

PROGRAM is the built ticketing-report, SERVER the built report-server. Says what wasn't found, a line each, and ends
with 1.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import check
import image
import manifests
from rights import SOURCE

JOB = "k8s/ticketing-report-job.yaml"
VOLUME = "k8s/pv-hostpath.yaml"
BASE = "k8s/base"
DEMO = "k8s/demo-postgres"
S3 = "k8s/overlays/s3"
RETENTION = "k8s/components/retention"

# Each scene is one broken copy: (file, what stands there, what is put in its place, what must be said). What stands
# there is replaced wherever it stands.
SCENES = [
    [
        (JOB, 'schedule: "0 2 1 * *"', 'schedule: "0 2 1,30 * *"', "a late run may start in the next month"),
        (JOB, "metadata.labels['batch.kubernetes.io/job-name']", "metadata.name", "fieldPath is 'metadata.name'"),
        (JOB, "value: UTC", "value: America/Lima", "in Etc/UTC the month before isn't over in America/Lima"),
        (JOB, "memory: 256Mi", "memory: 1Gi", "requests 1Gi of memory, above its limit 512Mi"),
        (JOB, "restartPolicy: Never", "restartPolicy: OnFailure", "podFailurePolicy needs the restartPolicy Never"),
        (JOB, "values: [2, 65, 78]", "values: [2, 65, 73]", "the exit codes that end the Job must be"),
        (JOB, "backoffLimit: 3", "backoffLimit: 4", "spec.backoffLimit is 4"),
        (JOB, "--period", "--perod", "ticketing-report --perod previous-month ends with 2"),
        (JOB, "REPORT_STORE", "REPORT_STORES", "the program reads no variable REPORT_STORES"),
        (VOLUME, "/run/desktop/mnt/host/c/", "/host_mnt/c/", "Docker Desktop doesn't show /host_mnt/c/"),
        (VOLUME, "storage: 1Gi\n  accessModes", "storage: 1Mi\n  accessModes", "no claim fits it"),
        (f"{BASE}/rbac.yaml", "resources: [pods/log]", "resources: [secrets]", "Role train-orchestrator: gives {"),
        ("k8s/components/doctor/role.yaml", "verbs: [get]", "verbs: [get, delete]", "Role report-doctor: gives {"),
        (f"{RETENTION}/prune.yaml", "--apply", "--aply", "--aply ends with 2"),
        (f"{RETENTION}/prune.yaml", "--keep-days=400", "--keep-days=4", "containers.0.args is ['prune'"),
        (f"{RETENTION}/pod/cronjob.yaml", "concurrencyPolicy: Forbid", "concurrencyPolicy: Allow", "two at once"),
        (f"{RETENTION}/pod/cronjob.yaml", "  policyTypes: [Ingress, Egress]", "  policyTypes: [Ingress]",
         "pvc-with-components: CronJob ticketing-report-prune: its policies let it reach"),
        (f"{S3}/network.yaml", "port: 443", "port: 9000",
         "s3: CronJob ticketing-report-cronjob: its policies let it reach the ports [53, 5433, 9000]"),
        (f"{S3}/server.yaml", "            - name: REPORT_STORE\n              $patch: delete\n", "",
         "the store isn't the same everywhere"),
        (f"{S3}/kustomization.yaml", "$patch: delete", "spec: {storageClassName: fast}",
         "the store is a bucket, and there is a claim as well"),
        (f"{S3}/kustomization.yaml", "<bucket>/reports", "<bucket>/reports\n      - AWS_SECRET_ACCESS_KEY=secret",
         "AWS_SECRET_ACCESS_KEY has its value in the manifest"),
        (f"{S3}/cronjob.yaml", "sizeLimit: 2Gi", "sizeLimit: 64Mi", "and 64Mi is too little"),
        (f"{S3}/cronjob.yaml", "optional: true", "optional: false", "takes all of the secret report-store-credentials"),
        (f"{BASE}/server.yaml", "      app: train-orchestrator\n  template", "      app: server\n  template",
         "its selector doesn't meet its own pods"),
        (f"{BASE}/server.yaml", "targetPort: http", "targetPort: web", "no pod that it selects has a port web"),
        (f"{BASE}/server.yaml", "value: UTC", "value: Asia/Tokyo", "its REPORT_TIME_ZONE is Asia/Tokyo"),
        (f"{BASE}/server.yaml", "key: tokens", "key: token", "the secret report-server-tokens has no key token"),
        (f"{BASE}/network.yaml", "port: 5432", "port: 5433", "its policies let it reach the ports [53, 5433]"),
        (f"{DEMO}/postgres.yaml", "postgres:15-bookworm", "postgres", "the image postgres has no version"),
        (f"{DEMO}/postgres.yaml", "value: traindb", "value: postgres://a:b@c/d", "holds a password"),
        ("Dockerfile", "ENTRYPOINT [\"ticketing-report\"]", "ENTRYPOINT [\"sh\"]", "the stage report must start"),
        ("Dockerfile", "USER 10001:10001", "USER 0", "must not run as root"),
        (".dockerignore", "!stubs\n", "", "keeps stubs/redshift-iam from Docker"),
        ("k8s/alerts.yaml", "absent(report_store_bytes)", "absent(report_bytes)", "has no metric report_bytes"),
        ("build-and-deploy.ps1", "--tag $ServerImage", "--tag $ReportImage", "runs `docker build"),
        ("build-and-deploy.ps1", "'make it by hand'", "'give up'", "only here a failure says"),
        ("build-and-deploy.ps1", "[switch]$Demo,", "[switch]$Demos,", "and build-and-deploy.ps1 the parameters"),
    ],
    [
        (JOB, "timeZone: Etc/UTC", "timeZone: Etc/Mars", "a time zone isn't one"),
        (SOURCE, '("delete", "jobs")', '("evict", "jobs")', "Role train-orchestrator: gives {"),
        (JOB, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "gain privileges or write to its root"),
        (JOB, "drop: [ALL]", "drop: [NET_RAW]", "has capabilities"),
        (JOB, "runAsNonRoot: true", "runAsNonRoot: false", "the pod may run as root"),
        (JOB, "automountServiceAccountToken: false\n      enable", "enable", "only the server's pod gets a token"),
        (JOB, "key: password", "key: pasword", "the secret postgres-secret has no key pasword"),
        (JOB, "claimName: ticketing-reports-pvc", "claimName: reports", "there is no claim reports"),
        (JOB, "containerName: ticketing-report", "containerName: report", "names a container that isn't there"),
        (JOB, "imagePullPolicy: IfNotPresent", "imagePullPolicy: Always", "was built here and can't be pulled"),
        (JOB, "  name: ticketing-report-cronjob", f"  name: {'a' * 53}", "the name must have at most 52"),
        (VOLUME, "type: DirectoryOrCreate", "type: Directory", "spec.hostPath.type is 'Directory'"),
        (f"{BASE}/server.yaml", "type: Recreate", "type: RollingUpdate", "spec.strategy.type is 'RollingUpdate'"),
        (f"{BASE}/rbac.yaml", "subjects:\n  - kind: ServiceAccount\n    name: train-orchestrator",
         "subjects:\n  - kind: ServiceAccount\n    name: me", "there is no ServiceAccount me"),
        (f"{BASE}/network.yaml", "      app: ticketing-report\n  policyTypes", "      app: report\n  policyTypes",
         "selects no pod of ours"),
        ("Dockerfile", "AS report\n", "AS job\n", "its last stage must be the job's image"),
        ("build-and-deploy.ps1", "function Run {", "function Run ((", "can't be parsed"),
    ],
    # At midnight in Rome it is still the last day of the month in UTC. What the overlay s3 and the components go by.
    [
        (JOB, "timeZone: Etc/UTC", "timeZone: Europe/Rome",
         "its REPORT_SCHEDULE_TIME_ZONE is Etc/UTC, and its timeZone Europe/Rome"),
        (JOB, 'schedule: "0 2 1 * *"', 'schedule: "0 0 1 * *"',
         "at 00:00 on the 01 in Europe/Rome the month before isn't over in UTC"),
        (f"{RETENTION}/pod/cronjob.yaml", "app: ticketing-report-prune", "app: ticketing-report",
         "CronJob ticketing-report-prune: the server takes whatever is labelled"),
        (f"{RETENTION}/pod/cronjob.yaml", "timeZone: Etc/UTC", "timeZone: Etc/Venus", "No time zone found with key"),
        (f"{S3}/kustomization.yaml", "REPORT_STORE=", "REPORT_STORES=", "the program reads no variable REPORT_STORES"),
        (f"{S3}/server.yaml", "name: report-store\n", "name: report-stores\n", "there is no ConfigMap report-stores"),
        (f"{S3}/kustomization.yaml", "patches:\n", "components: [../../components/retention]\npatches:\n",
         "s3: CronJob ticketing-report-prune: deletes, and nobody has asked for it"),
    ],
    # Only in one of the two.
    [(JOB, "activeDeadlineSeconds: 3600\n  ttl", "activeDeadlineSeconds: 60\n  ttl", "in more than its arguments")],
    # What kubectl itself refuses, and a component that nothing uses.
    [
        ("k8s/overlays/pvc/same-node.yaml", "ticketing-report-cronjob", "cronjob", "kubectl kustomize fails"),
        ("k8s/overlays/docker-desktop-chown/kustomization.yaml",
         "components:\n  - ../../components/chown-reports\n", "", "no overlay uses this component"),
    ],
]

# For the checks that take longer: schemas, stand-ins and the programs of others.
THOROUGH = [
    (JOB, "terminationMessagePolicy", "terminationMesagePolicy", "terminationMesagePolicy"),
    (JOB, "concurrencyPolicy: Forbid", "concurrencyPolicy: 7", "is not"),
    ("Dockerfile", "WORKDIR /src", "WORKDIR src", "DL3000"),
    ("k8s/alerts.yaml", "0.15 *", "0.05 *", "promtool test rules"),
    ("docs/kubernetes/cloud.md", "        storageClassName: standard-rwo", "       storageClassName: standard-rwo",
     "can't be built"),
    ("docs/kubernetes/scheduling.md", "timeZone: Europe/Rome", "timeZone: Asia/Tokyo",
     "its REPORT_SCHEDULE_TIME_ZONE is Europe/Rome"),
    ("docs/kubernetes/kind.md", "](minikube.md)", "](minikube.md) k8s/nothing", "there is no k8s/nothing"),
    ("docs/kubernetes/README.md", "[kind.md](kind.md)", "kind", "doesn't lead to kind.md"),
    ("build-and-deploy.sh", "fail 'minikube did not take the images'", "echo 'minikube did not take the images'",
     "goes on, or says no remedy"),
    ("build-and-deploy.sh", "trap 'rm -rf \"$work\"' EXIT", "trap \"rm -rf $work\" EXIT", "SC2064"),
]


# What only shows in an image that was built.
IMAGE = [
    ("Dockerfile", "chmod 1777 /common/reports", "chmod 0755 /common/reports", "/reports has the mode 755, not 1777"),
    ("Dockerfile", "/etc/os-release /common", "/etc/passwd /common", "has no etc/os-release"),
    ("Dockerfile", 'revision="$REVISION"', 'revision="unknown"', "its label revision is unknown"),
    ("Dockerfile", "USER 10001:10001", "USER 10001", "runs as 10001, not as 10001:10001"),
    ("Dockerfile", 'ENTRYPOINT ["ticketing-report"]', "ENTRYPOINT ticketing-report", "starts ['/bin/sh'"),
    ("k8s/image/build", "cp -r --preserve=mode", "cp /bin/true /common/usr/bin/; cp -r --preserve=mode",
     "has a program true"),
    ("k8s/image/build", "find /image -exec touch", "true /image -exec touch", "not SOURCE_DATE_EPOCH"),
    ("k8s/image/inventory", "LC_ALL=C sort -u", "LC_ALL=C sort -u | grep -v arrow", "its list has no arrow"),
    ("k8s/image/inventory", "chmod -R u=rwX", "rm -r \"$work\"/licences/serde-1*; chmod -R u=rwX",
     "'serde-1."),
]
IMAGE_CONTEXT = ("Cargo.lock", "LICENSE-MIT", "LICENSE-APACHE", "benches", "pipeline", "server", "stubs", "tests")


def broken(root, changes):
    for name, before, after, _ in changes:
        path = root / name
        text = path.read_text(encoding="utf-8")
        if before not in text:
            yield f"can_fail.py: {name} has no `{before}` to be broken"
        path.write_text(text.replace(before, after), encoding="utf-8")
    manifests.copies(root, lambda where, what: None, write=True)


def copy(folder, more=(SOURCE,)):
    for name in ("k8s", "docs/kubernetes", *more):
        path = check.ROOT / name
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, folder / name, ignore=shutil.ignore_patterns("node_modules", "target", "__pycache__"))
        else:
            shutil.copy(path, folder / name)
    for name in ("Dockerfile", ".dockerignore", "Cargo.toml", "build-and-deploy.sh", "build-and-deploy.ps1"):
        shutil.copy(check.ROOT / name, folder / name)
    return folder


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    image.as_root()
    program, server = (Path(name).resolve() for name in sys.argv[1:])
    missed, count = [], 0
    for changes, whole in [*((scene, False) for scene in SCENES), (THOROUGH, True)]:
        with tempfile.TemporaryDirectory() as folder:
            root = copy(Path(folder).resolve())
            missed += broken(root, changes)
            found = []
            check.look(root, program, lambda where, what: found.append(f"{where}: {what}"), whole)
            for name, before, _, expected in changes:
                count += 1
                if expected and not any(expected in line for line in found):
                    missed.append(f"{name} without `{before}`: nothing says `{expected}`")
    with tempfile.TemporaryDirectory() as folder:
        root, found = copy(Path(folder).resolve(), IMAGE_CONTEXT), []
        missed += broken(root, IMAGE)
        list(image.look(root, [program, server], image.IMAGES[:1],
                        lambda where, what: found.append(f"{where}: {what}")))
        for name, before, _, expected in IMAGE:
            count += 1
            if not any(expected in line for line in found):
                missed.append(f"{name} without `{before}`: nothing says `{expected}`")
    # A copy that isn't one any more.
    with tempfile.TemporaryDirectory() as folder:
        root, found = copy(Path(folder).resolve()), []
        (root / BASE / "pvc.yaml").write_text("kind: PersistentVolumeClaim\n")
        manifests.copies(root, lambda where, what: found.append(where), write=False)
        if found != [f"{BASE}/pvc.yaml"]:
            missed.append(f"{BASE}/pvc.yaml is no copy any more, and nothing says so")
    for line in missed:
        print(line, file=sys.stderr)
    print(f"kubernetes: of {count + 1} faults, {len(missed) or 'none'} went unnoticed")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
