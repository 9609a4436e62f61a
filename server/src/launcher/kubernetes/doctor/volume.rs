//! The volume that reports are written to, and the folder behind it.

use serde_json::Value;

use super::{
    Finding, Place,
    api::{Cluster, texts, why},
    report, variable,
};

/// The one prefix that Docker Desktop shows to Windows.
const WINDOWS: &str = "/run/desktop/mnt/host/";

/// Other ways to write a folder of Windows, which stay inside Docker Desktop's machine.
const NOT_WINDOWS: [&str; 5] = ["/host_mnt/", "/mnt/c/", "/c/", "/Users/", "C:"];

/// Looks at the claim and its volume; gives the folder, if it is one of the node's.
pub(super) async fn look(cluster: &Cluster, place: &Place, pod: &Value) -> (Vec<Finding>, Option<String>) {
    let volumes = pod["volumes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let claimed = volumes.iter().find_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str());
    let Some(name) = claimed.or(pod.is_null().then_some("ticketing-reports-pvc")) else {
        let store = variable(pod, "REPORT_STORE").unwrap_or("none");
        let finding = if !report(pod)["envFrom"].is_null() && store == "none" {
            Finding::ok(
                "volume",
                "none is mounted: where the store is, its variables' ConfigMap says, which isn't looked at",
            )
        } else if store.contains("://") {
            Finding::ok("volume", format!("none is needed: the store is `{store}`"))
        } else {
            Finding::failed("volume", format!("no claim is mounted, so what is written to `{store}` goes with its pod"))
                .with("kubectl apply -f k8s/ticketing-report-job.yaml")
        };
        return (vec![finding], None);
    };
    let claim = match cluster.object("api/v1/persistentvolumeclaims", name).await {
        Ok(Some(claim)) => claim,
        Ok(None) => {
            let finding = Finding::failed("volume", format!("there is no claim `{name}`"))
                .with("kubectl apply -f k8s/pv-hostpath.yaml; elsewhere than on Docker Desktop: kubectl apply -k k8s/overlays/pvc");
            return (vec![finding], None);
        }
        Err(refusal) => {
            return (
                vec![Finding::warning("volume", format!("the claim `{name}` can't be read: {}", why(&refusal)))],
                None,
            );
        }
    };
    let class = claim["spec"]["storageClassName"].as_str().unwrap_or_default();
    let size = |of: &Value| of["storage"].as_str().unwrap_or("no size").to_owned();
    match claim["status"]["phase"].as_str() {
        Some("Bound") => {}
        Some("Lost") => {
            let remedy = format!(
                "kubectl delete pvc -n {} {name}; then deploy again: the files are still there",
                place.namespace
            );
            let detail = format!("the volume of `{name}` was deleted under it (Lost)");
            return (vec![Finding::failed("volume", detail).with(remedy)], None);
        }
        _ => return (vec![pending(cluster, place, name, &claim, class).await], None),
    }
    let modes = texts(&claim["status"]["accessModes"]).join(", ");
    let bound = format!("`{name}` is bound, {} {modes}, class `{class}`", size(&claim["status"]["capacity"]));
    let mut findings = vec![Finding::ok("volume", bound)];
    let volume = claim["spec"]["volumeName"].as_str().unwrap_or_default();
    let folder = match cluster.get(&format!("/api/v1/persistentvolumes/{volume}")).await {
        Ok(Some(found)) => {
            let folder = found["spec"]["hostPath"]["path"].as_str().map(str::to_owned);
            findings.extend(folder.as_deref().map(|path| judge(place, volume, path)));
            folder
        }
        Ok(None) => None,
        Err(refusal) => {
            let detail = format!("the volume `{volume}` can't be read, so its path isn't known: {}", why(&refusal));
            let remedy = format!("kubectl get pv {volume} -o jsonpath='{{.spec.hostPath.path}}'");
            findings.push(Finding::warning("folder", detail).with(remedy));
            None
        }
    };
    (findings, folder)
}

/// Whether people see the folder.
fn judge(place: &Place, volume: &str, path: &str) -> Finding {
    let again = format!(
        "kubectl delete pvc -n {} ticketing-reports-pvc; kubectl delete pv {volume}; then apply k8s/pv-hostpath.yaml again, \
         with {WINDOWS}c/Users/NAME/kubernetes-reports",
        place.namespace
    );
    let docker_desktop = place.context.as_deref() == Some("docker-desktop");
    if path.contains('<') {
        return Finding::failed("folder", format!("`{path}` still has a placeholder where your name should stand"))
            .with(again);
    }
    if path.starts_with(WINDOWS) {
        return Finding::ok("folder", format!("`{path}`, which Docker Desktop shows to Windows"));
    }
    if docker_desktop || NOT_WINDOWS.iter().any(|prefix| path.starts_with(prefix)) {
        let detail =
            format!("`{path}` stays inside Docker Desktop's machine: Windows sees only what lies under `{WINDOWS}`");
        return Finding::failed("folder", detail).with(again);
    }
    Finding::ok("folder", format!("`{path}` of the node"))
}

/// Why a claim has no volume.
async fn pending(cluster: &Cluster, place: &Place, name: &str, claim: &Value, class: &str) -> Finding {
    let namespace = &place.namespace;
    let selector = format!("fieldSelector=involvedObject.name%3D{name}");
    let events = cluster.list("api/v1/events", &selector).await.unwrap_or_default();
    let said = events.iter().filter_map(|event| event["message"].as_str()).next_back().unwrap_or_default();
    if said.contains("first consumer") {
        return Finding::ok("volume", format!("`{name}` waits for the first pod, as its class `{class}` does"));
    }
    let waits = format!("`{name}` is Pending");
    let describe = format!("kubectl describe pvc -n {namespace} {name}");
    let volumes = match cluster.get("/api/v1/persistentvolumes").await {
        Ok(list) => list.unwrap_or_default(),
        Err(refusal) => {
            let said = if said.is_empty() { String::new() } else { format!(": {said}") };
            let detail = format!("{waits}{said}; volumes can't be read: {}", why(&refusal));
            return Finding::failed("volume", detail).with(describe);
        }
    };
    let of_class =
        volumes["items"].as_array().into_iter().flatten().filter(|volume| volume["spec"]["storageClassName"] == class);
    let of_class: Vec<&Value> = of_class.collect();
    let Some(volume) = of_class.first() else {
        let detail = format!("{waits}: there is no volume of its class `{class}`");
        return Finding::failed("volume", detail)
            .with("kubectl apply -f k8s/pv-hostpath.yaml; on a cluster that makes volumes itself: kubectl apply -k k8s/overlays/pvc");
    };
    let volume_name = volume["metadata"]["name"].as_str().unwrap_or_default();
    let holder = volume["spec"]["claimRef"]["name"].as_str();
    if volume["status"]["phase"] == "Released" {
        let detail =
            format!("{waits}: the volume `{volume_name}` still belongs to a claim that was deleted (Released)");
        let remedy =
            format!("kubectl patch pv {volume_name} --type json -p '[{{op: remove, path: /spec/claimRef/uid}}]'");
        return Finding::failed("volume", detail).with(remedy);
    }
    // A volume may name the claim that it waits for.
    if let Some(holder) = holder.filter(|holder| *holder != name) {
        let detail = format!("{waits}: the volume `{volume_name}` belongs to another claim, `{holder}`");
        return Finding::failed("volume", detail).with(format!("kubectl get pvc --all-namespaces; {describe}"));
    }
    let (asked, given) = (texts(&claim["spec"]["accessModes"]), texts(&volume["spec"]["accessModes"]));
    if asked.iter().any(|mode| !given.contains(mode)) {
        let detail = format!(
            "{waits}: it asks for {}, and the volume `{volume_name}` gives {}",
            asked.join(", "),
            given.join(", ")
        );
        return Finding::failed("volume", detail).with("kubectl apply -f k8s/pv-hostpath.yaml");
    }
    let (asked, given) = (&claim["spec"]["resources"]["requests"]["storage"], &volume["spec"]["capacity"]["storage"]);
    if asked != given {
        let detail = format!("{waits}: it asks for {asked}, and the volume `{volume_name}` has {given}");
        return Finding::failed("volume", detail).with("kubectl apply -f k8s/pv-hostpath.yaml");
    }
    Finding::failed("volume", format!("{waits}{}{said}", if said.is_empty() { "" } else { ": " })).with(describe)
}
