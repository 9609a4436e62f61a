//! Each fault on the way to a report, in a cluster's stand-in: what is named as its cause, and what to do.

use serde_json::{Value, json};

use super::*;
use crate::launcher::kubernetes::fake;

const CRONJOB: &str = "ticketing-report-cronjob";

/// A cluster in which all is well, and who looks at it.
struct Scene {
    cluster: fake::Cluster,
    api: Cluster,
    place: Place,
}

impl Scene {
    async fn new() -> Self {
        let (cluster, client) = fake::Cluster::start().await;
        cluster.make_admin();
        let place = Place {
            namespace: fake::NAMESPACE.to_owned(),
            cronjob: CRONJOB.to_owned(),
            context: Some("docker-desktop".to_owned()),
            address: "https://127.0.0.1:6443".to_owned(),
        };
        let scene = Self { api: Cluster::new(client, fake::NAMESPACE), cluster, place };
        scene.put("namespaces", json!({"metadata": {"name": fake::NAMESPACE}, "status": {"phase": "Active"}}));
        scene.change("persistentvolumeclaims", "ticketing-reports-pvc", |claim| {
            claim["spec"]["volumeName"] = "ticketing-reports-pv-hostpath".into();
            claim["status"] =
                json!({"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}});
        });
        let documents = include_str!("../../../../../k8s/pv-hostpath.yaml").replace("<username>", "anna");
        let documents: Vec<Value> = serde_saphyr::from_multiple(&documents).unwrap();
        scene.put("persistentvolumes", documents.into_iter().find(|of| of["kind"] == "PersistentVolume").unwrap());
        scene.put(
            "secrets",
            json!({"metadata": {"name": "postgres-secret"},
            "data": {"username": "cG9zdGdyZXM=", "password": "bXlzZWNyZXQ="}}),
        );
        scene.put(
            "services",
            json!({"metadata": {"name": "postgres-svc"},
            "spec": {"selector": {"app": "postgres"}, "ports": [{"port": 5432}]}}),
        );
        scene.put(
            "endpointslices",
            json!({"metadata": {"name": "postgres-svc-x",
            "labels": {"kubernetes.io/service-name": "postgres-svc"}},
            "endpoints": [{"addresses": ["10.1.0.7"], "conditions": {"ready": true}}]}),
        );
        scene
    }

    fn put(&self, kind: &'static str, object: Value) {
        self.cluster.put(kind, object);
    }

    fn change(&self, kind: &'static str, name: &str, change: impl FnOnce(&mut Value)) {
        let mut object = self.cluster.object(kind, name).unwrap();
        change(&mut object);
        self.cluster.put(kind, object);
    }

    fn claim(&self, change: impl FnOnce(&mut Value)) {
        self.change("persistentvolumeclaims", "ticketing-reports-pvc", change);
    }

    fn volume(&self, change: impl FnOnce(&mut Value)) {
        self.change("persistentvolumes", "ticketing-reports-pv-hostpath", change);
    }

    fn pending(&self) {
        self.claim(|claim| claim["status"] = json!({"phase": "Pending"}));
        self.volume(|volume| volume["status"] = json!({"phase": "Available"}));
    }

    /// A Job that came to nothing, with the state of its pod's container.
    fn failed(&self, phase: &str, state: Value) {
        let template = fake::cronjob()["spec"]["jobTemplate"].clone();
        let mut job = json!({"metadata": template["metadata"], "spec": template["spec"]});
        job["metadata"]["name"] = "ticketing-report-12345".into();
        assert_eq!(self.cluster.create(job).status(), 201);
        let mut job = self.cluster.object("jobs", "ticketing-report-12345").unwrap();
        self.cluster.container_is(self.cluster.make_pod(&job), phase, state);
        if phase == "Failed" {
            let condition =
                json!({"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "m"});
            job["status"] = json!({"failed": 1, "conditions": [condition]});
            self.cluster.put("jobs", job);
        }
    }

    fn exited(&self, code: i32, message: &str) {
        let end = json!({"exitCode": code, "reason": "Error", "message": message,
            "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:01Z"});
        self.failed("Failed", json!({"terminated": end}));
    }

    async fn look(&self) -> Vec<Finding> {
        look(&self.api, &self.place).await
    }
}

fn find<'a>(findings: &'a [Finding], subject: &str) -> &'a Finding {
    findings.iter().find(|finding| finding.subject == subject).unwrap_or_else(|| panic!("no {subject}: {findings:#?}"))
}

#[tokio::test]
async fn where_all_is_well_nothing_must_be_done() {
    let scene = Scene::new().await;
    let findings = scene.look().await;
    let subjects: Vec<&str> = findings.iter().map(|finding| finding.subject).collect();
    let expected = [
        "cluster",
        "namespace",
        "your rights",
        "the server's rights",
        "CronJob",
        "volume",
        "folder",
        "secret",
        "database",
        "last runs",
    ];
    assert_eq!(subjects, expected);
    assert!(findings.iter().all(|finding| finding.state == State::Ok), "{findings:#?}");
    assert!(
        find(&findings, "cluster")
            .detail
            .contains("context `docker-desktop`, https://127.0.0.1:6443, Kubernetes v1.36.2")
    );
    // Of a secret only the names of its keys are looked at.
    let said = serde_json::to_string(&findings).unwrap() + &table(&findings);
    assert!(said.contains("username, password") && !said.contains("bXlzZWNyZXQ") && !said.contains("mysecret"));
}

#[tokio::test]
async fn each_fault_is_named_with_its_remedy() {
    type Change = fn(&Scene);
    use State::{Failed, Ok, Warning};
    let all: &[(&str, State, &str, &str, Change)] = &[
        (
            "namespace",
            Failed,
            "there is no `train-orchestrator`",
            "kubectl apply -f k8s/base/namespace.yaml",
            |scene| {
                scene.cluster.remove("namespaces", fake::NAMESPACE);
            },
        ),
        ("namespace", Failed, "is being deleted", "kubectl get namespace", |scene| {
            scene
                .change("namespaces", fake::NAMESPACE, |namespace| namespace["status"]["phase"] = "Terminating".into());
        }),
        (
            "the server's rights",
            Failed,
            "may not `create` `jobs`: its Role",
            "kubectl apply -f k8s/base/rbac.yaml",
            |scene| {
                scene.cluster.forbid("create", "jobs", true);
            },
        ),
        ("the server's rights", Failed, "may not `get` `pods/log`", "rbac.yaml", |scene| {
            scene.cluster.forbid("get", "pods/log", true);
        }),
        (
            "CronJob",
            Failed,
            "there is no `ticketing-report-cronjob`",
            "kubectl apply -f k8s/ticketing-report-job.yaml",
            |scene| {
                scene.cluster.remove("cronjobs", CRONJOB);
            },
        ),
        ("CronJob", Warning, "it is suspended", r#"-p '{"spec":{"suspend":false}}'"#, |scene| {
            scene.change("cronjobs", CRONJOB, |cronjob| cronjob["spec"]["suspend"] = true.into());
        }),
        ("CronJob", Warning, "`Always` asks a registry", "kubectl apply", |scene| {
            scene.change("cronjobs", CRONJOB, |cronjob| {
                let pod = &mut cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"];
                pod["containers"][0]["imagePullPolicy"] = "Always".into();
            });
        }),
        (
            "CronJob",
            Warning,
            "REPORT_SCHEDULE_TIME_ZONE is Etc/UTC",
            "cronjob/ticketing-report-cronjob REPORT_SCHEDULE_TIME_ZONE=Asia/Tokyo",
            |scene| {
                scene.change("cronjobs", CRONJOB, |cronjob| cronjob["spec"]["timeZone"] = "Asia/Tokyo".into());
            },
        ),
        ("CronJob", Warning, "` in none", r#"-p '{"spec":{"timeZone":"Etc/UTC"}}'"#, |scene| {
            scene.change("cronjobs", CRONJOB, |cronjob| cronjob["spec"]["timeZone"] = serde_json::Value::Null);
        }),
        (
            "volume",
            Failed,
            "there is no claim `ticketing-reports-pvc`",
            "kubectl apply -f k8s/pv-hostpath.yaml",
            |scene| {
                scene.cluster.remove("persistentvolumeclaims", "ticketing-reports-pvc");
            },
        ),
        ("volume", Failed, "no volume of its class `hostpath-local`", "kubectl apply -k k8s/overlays/pvc", |scene| {
            scene.pending();
            scene.cluster.remove("persistentvolumes", "ticketing-reports-pv-hostpath");
        }),
        ("volume", Failed, "still belongs to a claim that was deleted", "path: /spec/claimRef/uid", |scene| {
            scene.pending();
            scene.volume(|volume| {
                volume["status"]["phase"] = "Released".into();
                volume["spec"]["claimRef"] = json!({"name": "ticketing-reports-pvc", "uid": "1"});
            });
        }),
        ("volume", Failed, "belongs to another claim, `other`", "kubectl get pvc", |scene| {
            scene.pending();
            scene.volume(|volume| volume["spec"]["claimRef"] = json!({"name": "other"}));
        }),
        ("volume", Failed, "asks for ReadWriteOnce, and the volume", "kubectl apply", |scene| {
            scene.pending();
            scene.volume(|volume| volume["spec"]["accessModes"] = json!(["ReadOnlyMany"]));
        }),
        ("volume", Failed, "asks for \"1Gi\", and the volume", "kubectl apply", |scene| {
            scene.pending();
            scene.volume(|volume| volume["spec"]["capacity"]["storage"] = "500Mi".into());
        }),
        ("volume", Ok, "waits for the first pod", "", |scene| {
            scene.pending();
            scene.put(
                "events",
                json!({"metadata": {"name": "e"}, "involvedObject": {"name": "ticketing-reports-pvc"},
                "message": "waiting for first consumer to be created before binding"}),
            );
        }),
        ("volume", Failed, "was deleted under it (Lost)", "kubectl delete pvc", |scene| {
            scene.claim(|claim| claim["status"]["phase"] = "Lost".into());
        }),
        (
            "folder",
            Failed,
            "Windows sees only what lies under `/run/desktop/mnt/host/`",
            "kubectl delete pv",
            |scene| {
                scene.volume(|volume| {
                    volume["spec"]["hostPath"]["path"] = "/host_mnt/c/Users/anna/kubernetes-reports".into()
                });
            },
        ),
        ("folder", Failed, "still has a placeholder", "kubectl delete pv", |scene| {
            let path = "/run/desktop/mnt/host/c/Users/<username>/kubernetes-reports";
            scene.volume(|volume| volume["spec"]["hostPath"]["path"] = path.into());
        }),
        (
            "secret",
            Warning,
            "there is no `postgres-secret`: reports log in as `postgres`",
            "kubectl create secret generic postgres-secret",
            |scene| {
                scene.cluster.remove("secrets", "postgres-secret");
            },
        ),
        (
            "secret",
            Failed,
            "has no key `password` (its keys: pass, username)",
            "kubectl delete secret postgres-secret",
            |scene| {
                scene.change("secrets", "postgres-secret", |secret| {
                    secret["data"] = json!({"username": "", "pass": ""})
                });
            },
        ),
        ("database", Failed, "there is no Service `postgres-svc`", "kubectl apply -k k8s/demo-postgres", |scene| {
            scene.cluster.remove("services", "postgres-svc");
        }),
        (
            "database",
            Failed,
            "no pod answers behind the Service `postgres-svc`",
            "kubectl get pods -n train-orchestrator -l app=postgres",
            |scene| {
                scene.change("endpointslices", "postgres-svc-x", |slice| {
                    slice["endpoints"][0]["conditions"]["ready"] = false.into()
                });
            },
        ),
        ("database", Failed, "has the port 5433, and DB_PORT is `5432`", "DB_PORT=5433", |scene| {
            scene.change("services", "postgres-svc", |service| service["spec"]["ports"][0]["port"] = 5433.into());
        }),
        (
            "image",
            Failed,
            "`train-company-ticketing-report:latest` is on none of the nodes",
            "docker build --tag",
            |scene| {
                let why = json!({"reason": "ErrImageNeverPull", "message": "Container image is not present"});
                scene.failed("Pending", json!({"waiting": why}));
            },
        ),
        ("image", Failed, "can't be pulled", "kind load docker-image train-company-ticketing-report:latest", |scene| {
            scene.failed("Pending", json!({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off"}}));
        }),
        (
            "folder's owner",
            Failed,
            "kubernetes-reports` belongs to root",
            "sudo install -d -o 10001 -g 10001 /run/desktop",
            |scene| {
                scene.exited(
                    73,
                    r#"{"event":"failed","message":"the store `/reports` can't be used: Permission denied"}"#,
                );
            },
        ),
        ("database from a pod", Failed, "couldn't reach it", "networkpolicy", |scene| scene.exited(75, "no answer")),
        ("database from a pod", Failed, "refuses the run's user or password", "postgres-secret", |scene| {
            scene.exited(78, "no")
        }),
        (
            "last runs",
            Failed,
            "ticketing-report-12345 failed: exit code 65, the data breaks a rule: row 7",
            "kubectl logs",
            |scene| {
                scene.exited(65, "row 7");
            },
        ),
    ];
    for (subject, state, detail, remedy, change) in all {
        let scene = Scene::new().await;
        change(&scene);
        let findings = scene.look().await;
        let found = find(&findings, subject);
        assert_eq!(found.state, *state, "{subject}: {findings:#?}");
        assert!(found.detail.contains(detail), "{detail}: {found:#?}");
        assert!(found.remedy.as_deref().unwrap_or_default().contains(remedy), "{remedy}: {found:#?}");
    }
}

#[tokio::test]
async fn what_the_servers_own_rights_do_not_show_is_said() {
    let (cluster, client) = fake::Cluster::start().await;
    let namespace = fake::NAMESPACE.to_owned();
    let address = "https://10.96.0.1".to_owned();
    let place = Place { namespace, cronjob: CRONJOB.to_owned(), context: None, address };
    cluster.put("persistentvolumeclaims", {
        let mut claim = fake::claim();
        claim["spec"]["volumeName"] = "pv".into();
        claim["status"] = json!({"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}});
        claim
    });
    let findings = look(&Cluster::new(client, fake::NAMESPACE), &place).await;
    assert!(findings.iter().all(|finding| finding.state != State::Failed), "{findings:#?}");
    assert_eq!(find(&findings, "the server's rights").state, State::Ok);
    for (subject, said) in [
        ("namespace", "can't be read: forbidden (403)"),
        ("folder", "so its path isn't known: forbidden (403)"),
        ("secret", "not even the names of its keys: forbidden (403)"),
        ("database", "can't be read: forbidden (403)"),
    ] {
        let found = find(&findings, subject);
        assert!(found.state == State::Warning && found.detail.contains(said), "{found:#?}");
    }
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_is_all_that_is_found() {
    let scene = Scene::new().await;
    scene.cluster.know_token(false);
    let findings = scene.look().await;
    assert_eq!(findings.len(), 1);
    assert!(findings[0].state == State::Failed && findings[0].detail.contains("doesn't know who asks (401)"));

    // Nothing listens on port 1.
    let mut config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
    config.default_retry = false;
    let api = Cluster::new(kube::Client::try_from(config).unwrap(), fake::NAMESPACE);
    let findings = look(&api, &scene.place).await;
    assert_eq!(findings.len(), 1);
    assert!(findings[0].detail.contains("it doesn't answer"), "{findings:#?}");
    assert!(findings[0].remedy.as_ref().unwrap().contains("kubectl cluster-info"));
}
