"""What people rely on in the cluster: names and values that nobody may change. Data only; `lints.py` compares."""

REPORT_LABELS = {"app": "ticketing-report"}
RESOURCES = {"requests": {"memory": "256Mi", "cpu": "100m"}, "limits": {"memory": "512Mi", "cpu": "500m"}}
REPORT_IMAGE = "train-company-ticketing-report:latest"
SERVER_IMAGE = "train-company-orchestrator:latest"
NAMESPACE = "train-orchestrator"

# Where the pod of a report stands in a Job, and in a CronJob.
POD = "spec.template.spec"
CRON_POD = "spec.jobTemplate.spec.template.spec"

# Where a pod finds the name of its Job. The program knows this one's, with the minute it was due, from any other.
JOB_NAME = "metadata.labels['batch.kubernetes.io/job-name']"
CRONJOB = "ticketing-report-cronjob"


def report(job, pod):
    """The values that the plain Job and the CronJob share, at their paths."""
    return [
        (f"{job}.backoffLimit", 3),
        (f"{job}.ttlSecondsAfterFinished", 86400),
        (f"{job}.template.metadata.labels.app", "ticketing-report"),
        (f"{pod}.restartPolicy", "Never"),
        (f"{pod}.containers.0.image", REPORT_IMAGE),
        (f"{pod}.containers.0.resources", RESOURCES),
        (f"{pod}.containers.0.env.DB_HOST.value", "postgres-svc"),
        (f"{pod}.containers.0.env.DB_PORT.value", "5432"),
        (f"{pod}.containers.0.env.REPORT_STORE.value", "/reports"),
        (f"{pod}.containers.0.env.REPORT_SCHEDULED_BY.valueFrom.fieldRef.fieldPath", JOB_NAME),
        (f"{pod}.containers.0.env.REPORT_SCHEDULE_TIME_ZONE.value", "Etc/UTC"),
        (f"{pod}.containers.0.env.DB_USER.valueFrom.secretKeyRef",
         {"name": "postgres-secret", "key": "username", "optional": True}),
        (f"{pod}.containers.0.env.DB_PASSWORD.valueFrom.secretKeyRef",
         {"name": "postgres-secret", "key": "password", "optional": True}),
        (f"{pod}.containers.0.volumeMounts.reports.mountPath", "/reports"),
        (f"{pod}.volumes.reports.persistentVolumeClaim.claimName", "ticketing-reports-pvc"),
    ]


# (file or folder that is built, kind, name, [(path, value)])
CONTRACT = [
    ("k8s/base", "Namespace", NAMESPACE, []),
    ("k8s/pv-hostpath.yaml", "PersistentVolume", "ticketing-reports-pv-hostpath", [
        ("spec.capacity.storage", "1Gi"),
        ("spec.accessModes", ["ReadWriteOnce"]),
        ("spec.storageClassName", "hostpath-local"),
        ("spec.hostPath.path", "/run/desktop/mnt/host/c/Users/<username>/kubernetes-reports"),
        ("spec.hostPath.type", "DirectoryOrCreate"),
    ]),
    ("k8s/pv-hostpath.yaml", "PersistentVolumeClaim", "ticketing-reports-pvc", [
        ("metadata.namespace", NAMESPACE),
        ("spec.accessModes", ["ReadWriteOnce"]),
        ("spec.storageClassName", "hostpath-local"),
        ("spec.resources.requests.storage", "1Gi"),
    ]),
    ("k8s/ticketing-report-job.yaml", "Job", "ticketing-report-job", [
        ("metadata.namespace", NAMESPACE),
        ("metadata.labels.app", "ticketing-report"),
        (f"{POD}.containers.0.args", ["--output", "/reports/ticketing-report.xlsx"]),
        *report("spec", POD),
    ]),
    ("k8s/ticketing-report-job.yaml", "CronJob", CRONJOB, [
        ("metadata.namespace", NAMESPACE),
        ("metadata.labels.app", "ticketing-report"),
        ("spec.schedule", "0 2 1 * *"),
        ("spec.timeZone", "Etc/UTC"),
        ("spec.concurrencyPolicy", "Forbid"),
        ("spec.startingDeadlineSeconds", 259200),
        # `kubectl create job --from` takes the labels from here.
        ("spec.jobTemplate.metadata.labels.app", "ticketing-report"),
        (f"{CRON_POD}.containers.0.args", ["--period", "previous-month"]),
        *report("spec.jobTemplate.spec", CRON_POD),
    ]),
    ("k8s/base", "Deployment", "train-orchestrator", [
        ("metadata.namespace", NAMESPACE),
        ("spec.strategy.type", "Recreate"),
        (f"{POD}.containers.0.image", SERVER_IMAGE),
        (f"{POD}.containers.0.env.REPORT_LISTEN.value", "0.0.0.0:8080"),
        (f"{POD}.containers.0.env.REPORT_STORE.value", "/reports"),
        (f"{POD}.containers.0.env.REPORT_TOKENS.value", "/etc/report-server/tokens"),
        (f"{POD}.containers.0.readinessProbe.httpGet.path", "/readyz"),
        (f"{POD}.containers.0.livenessProbe.httpGet.path", "/healthz"),
        (f"{POD}.containers.0.volumeMounts.tokens.mountPath", "/etc/report-server"),
        (f"{POD}.volumes.tokens.secret.secretName", "report-server-tokens"),
        (f"{POD}.volumes.tokens.secret.optional", True),
        (f"{POD}.containers.0.volumeMounts.reports.mountPath", "/reports"),
        (f"{POD}.volumes.reports.persistentVolumeClaim.claimName", "ticketing-reports-pvc"),
    ]),
    ("k8s/base", "Service", "train-orchestrator-svc", [
        ("metadata.namespace", NAMESPACE),
        ("spec.ports.0.port", 8080),
    ]),
    ("k8s/overlays/pvc-with-components", "CronJob", "ticketing-report-prune", [
        ("spec.timeZone", "Etc/UTC"),
        # Whatever keeps less than this is somebody's own decision.
        (f"{CRON_POD}.containers.0.args", ["prune", "--keep-editions=3", "--keep-days=400", "--apply"]),
        (f"{CRON_POD}.containers.0.image", REPORT_IMAGE),
        (f"{CRON_POD}.containers.0.resources", RESOURCES),
        (f"{CRON_POD}.containers.0.env.REPORT_STORE.value", "/reports"),
        (f"{CRON_POD}.volumes.reports.persistentVolumeClaim.claimName", "ticketing-reports-pvc"),
    ]),
    ("k8s/demo-postgres", "Deployment", "postgres", [
        ("metadata.namespace", NAMESPACE),
        ("spec.template.metadata.labels.app", "postgres"),
    ]),
    ("k8s/demo-postgres", "Service", "postgres-svc", [
        ("metadata.namespace", NAMESPACE),
        ("spec.ports.0.port", 5432),
    ]),
]

# What `report-server doctor` asks of the namespace, but for the secret, whose keys are worth less than its values. What
# the server asks stands in its source: see rights.py.
DOCTOR = {
    ("batch", "cronjobs"): {"get"},
    ("batch", "jobs"): {"list"},
    ("", "pods"): {"list"},
    ("", "events"): {"list"},
    ("", "services"): {"get"},
    ("", "persistentvolumeclaims"): {"get"},
    ("discovery.k8s.io", "endpointslices"): {"list"},
    ("authorization.k8s.io", "localsubjectaccessreviews"): {"create"},
}

# The secrets that there are, with their keys. Those of a bucket depend on whose it is.
SECRETS = {"postgres-secret": {"username", "password"}, "report-server-tokens": {"tokens"}}
BUCKET_SECRET = "report-store-credentials"

# Exit codes that another try wouldn't change.
HOPELESS = [2, 65, 78]

# The one prefix that Docker Desktop shows to Windows.
HOST_PREFIX = "/run/desktop/mnt/host/"

# What the server says under /metrics, as far as the alerts use it.
METRICS = {
    "report_last_success_timestamp_seconds", "report_month_published", "report_failed_controls",
    "report_store_free_bytes", "report_store_bytes",
}
