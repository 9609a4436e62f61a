//! The contract, kept by a real cluster: that of the kubeconfig, where TEST_REAL_CLUSTER=1 asks for it. Everything is made
//! in a namespace of its own, which is removed in the end.
//!
//! Its reports are a shell script's, in a pod without a volume. What a run would write to the store it tells in its log,
//! and the test writes it there.

use std::io::Write;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{LogParams, Patch, PatchParams};
use pipeline::record::RunRecord;

use super::*;

/// As the report command does; it waits while the file `go` says 0.
const SCRIPT: &str = r#"trap 'exit 143' TERM
run=ticketing-report-$REPORT_JOB
if [ -n "$REPORT_MONTHS" ]; then
  month=$(echo "$REPORT_MONTHS" | cut -d, -f$((JOB_COMPLETION_INDEX + 1)))
  run=$run-$month first=$month-01 last=$month-28
else
  first=$2 last=$4 month=${2%-*}
fi
echo "{\"event\":\"started\",\"run\":\"$run\",\"first\":\"$first\",\"last\":\"$last\"}"
echo '{"event":"progress","stage":"tickets","rows":50,"of":200}'
until [ "$(cat /go/go)" = 1 ]; do sleep 0.2; done
case $first in
2001*) code=65 end="\"outcome\":\"failed\",\"message\":\"the run's own words for 65\"" ;;
*) code=0 end="\"outcome\":\"published\",\"period\":\"$month\",\"edition\":1,\"rows\":200,\"report\":\"ticketing-report-$month.xlsx\"" ;;
esac
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
echo "RECORD {\"run\":\"$run\",\"first\":\"$first\",\"last\":\"$last\",\"time_zone\":\"UTC\",\"began\":\"$now\",\"ended\":\"$now\",\"exit_code\":$code,$end}"
[ $code = 0 ] && echo '{"event":"done","rows":200}'
exit $code
"#;

/// A namespace of the cluster, and a launcher for it.
#[derive(Clone)]
struct Real {
    client: Client,
    name: String,
    launcher: Kubernetes,
}

impl Stage for Real {
    fn launcher(&self) -> &dyn JobLauncher {
        &self.launcher
    }

    fn namespace(&self) -> &str {
        &self.name
    }

    fn go(&self, on: bool) {
        let said = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(self.say(on)));
        said.unwrap();
        // A node looks at a pod's files again when the pod changes.
        tokio::spawn(self.clone().nudge());
    }
}

impl Real {
    async fn new(client: Client, store: &Store) -> kube::Result<Self> {
        let name = format!("report-suite-{:08x}", rand::rng().random::<u32>());
        let namespaces: Api<Namespace> = Api::all(client.clone());
        namespaces
            .create(&PostParams::default(), &serde_json::from_value(json!({"metadata": {"name": name}})).unwrap())
            .await?;
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), &name);
        let go = json!({"metadata": {"name": "go"}, "data": {"go": "1"}});
        maps.create(&PostParams::default(), &serde_json::from_value(go).unwrap()).await?;
        let cronjobs: Api<CronJob> = Api::namespaced(client.clone(), &name);
        cronjobs.create(&PostParams::default(), &serde_json::from_value(cronjob(&name)).unwrap()).await?;
        let events = Arc::new(Hub::default());
        let settings = Settings {
            cronjob: "ticketing-report-cronjob".to_owned(),
            namespace: name.clone(),
            zone: ReportTimeZone::utc(),
            pace: Pace { record: Duration::from_secs(10), ..Pace::default() },
        };
        let index = Arc::new(Index::new(store.clone(), Arc::clone(&events)));
        let launcher = Kubernetes::begin(settings, client.clone(), store.clone(), index, events).await.unwrap();
        Ok(Self { client, name, launcher })
    }

    async fn say(&self, on: bool) -> kube::Result<()> {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.name);
        let go = json!({"data": {"go": if on { "1" } else { "0" }}});
        maps.patch("go", &PatchParams::default(), &Patch::Merge(go)).await.map(drop)
    }

    async fn nudge(self) {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.name);
        for number in 0..5 {
            for pod in pods.list(&ListParams::default()).await.map(|list| list.items).unwrap_or_default() {
                let mark = json!({"metadata": {"annotations": {"nudge": number.to_string()}}});
                let _ = pods.patch(&pod.name_any(), &PatchParams::default(), &Patch::Merge(mark)).await;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Writes down what runs tell for the store.
    async fn write_records(self, store: Store) {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.name);
        loop {
            for pod in pods.list(&ListParams::default()).await.map(|list| list.items).unwrap_or_default() {
                let log = pods.logs(&pod.name_any(), &LogParams::default()).await.unwrap_or_default();
                for told in log.lines().filter_map(|line| line.strip_prefix("RECORD ")) {
                    let record: RunRecord = serde_json::from_str(told).unwrap();
                    store.write(Place::Run(&record.run), told.as_bytes().to_vec()).await.unwrap();
                }
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn remove(&self) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.delete(&self.name, &DeleteParams::background()).await.unwrap();
    }
}

/// The project's CronJob, with the script in place of the report, and without what the namespace hasn't got.
fn cronjob(namespace: &str) -> Value {
    let mut cronjob = fake::cronjob();
    cronjob["metadata"]["namespace"] = namespace.into();
    cronjob["spec"]["suspend"] = true.into();
    let pod = &mut cronjob["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    pod.as_object_mut().unwrap().remove("serviceAccountName");
    pod["terminationGracePeriodSeconds"] = 5.into();
    pod["volumes"] = json!([{"name": "go", "configMap": {"name": "go"}}]);
    let container = &mut pod["containers"][0];
    container["image"] = "busybox:1.37.0".into();
    container["command"] = json!(["sh", "-c", SCRIPT, "report"]);
    container["env"] = json!([]);
    container["volumeMounts"] = json!([{"name": "go", "mountPath": "/go"}]);
    cronjob
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_cluster_keeps_the_contract_where_it_is_asked_to() {
    if std::env::var("TEST_REAL_CLUSTER").as_deref() != Ok("1") {
        // Past the harness, which would swallow it.
        let _ = writeln!(std::io::stderr(), "NOT RUN: no real cluster was asked for with TEST_REAL_CLUSTER=1");
        return;
    }
    let client = connect(false).await.map(|connected| connected.client).unwrap_or_else(|why| panic!("{why}"));
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap()).unwrap();
    let real = Real::new(client, &store).await.unwrap();
    let writing = tokio::spawn(real.clone().write_records(store));
    let stage = real.clone();
    let kept = tokio::spawn(async move { contract::suite(&stage).await }).await;
    writing.abort();
    real.remove().await;
    kept.unwrap();
}
