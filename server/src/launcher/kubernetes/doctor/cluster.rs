//! The cluster itself, the rights in it, and the CronJob.

use serde_json::Value;

use super::{
    Finding, Place,
    api::{Cluster, why},
    report, variable,
};
use crate::launcher::kubernetes::calls::{Call, Refusal};

/// Whether it answers at all.
pub(super) async fn reach(cluster: &Cluster, place: &Place) -> Finding {
    let whose =
        place.context.as_ref().map_or_else(|| "this pod's own".to_owned(), |context| format!("context `{context}`"));
    let at = format!("{whose}, {}", place.address);
    match cluster.get("/version").await {
        Ok(version) => {
            let version = version.unwrap_or_default();
            Finding::ok(
                "cluster",
                format!("{at}, Kubernetes {}", version["gitVersion"].as_str().unwrap_or("of no version")),
            )
        }
        Err(refusal) if refusal.code() == 401 => {
            let remedy = "kubectl config view --minify; then log in again as its cluster asks for";
            Finding::failed("cluster", format!("{at}: it doesn't know who asks (401)")).with(remedy)
        }
        Err(refusal) => {
            let remedy = "kubectl config get-contexts; kubectl cluster-info";
            Finding::failed("cluster", format!("{at}: it doesn't answer: {}", why(&refusal))).with(remedy)
        }
    }
}

/// Whether the namespace is there.
pub(super) async fn namespace(cluster: &Cluster, place: &Place) -> Finding {
    let name = &place.namespace;
    match cluster.get(&format!("/api/v1/namespaces/{name}")).await {
        Ok(Some(found)) if found["status"]["phase"] == "Terminating" => {
            Finding::failed("namespace", format!("`{name}` is being deleted: wait until it is gone, and deploy again"))
                .with(format!("kubectl get namespace {name}"))
        }
        Ok(Some(_)) => Finding::ok("namespace", format!("`{name}`")),
        Ok(None) => Finding::failed("namespace", format!("there is no `{name}`"))
            .with("kubectl apply -f k8s/base/namespace.yaml"),
        Err(refusal) => Finding::warning("namespace", format!("`{name}` can't be read: {}", why(&refusal))),
    }
}

/// What of the launcher's calls somebody may not make.
async fn missing(cluster: &Cluster, user: Option<&str>) -> Result<Vec<String>, Refusal> {
    let mut missing = Vec::new();
    for call in Call::ALL {
        if !cluster.may(call, user).await? {
            missing.push(format!("`{}` `{}`", call.verb, call.resource));
        }
    }
    Ok(missing)
}

/// Whether the server may do what it must; outside a pod also whether whoever asks may.
pub(super) async fn rights(cluster: &Cluster, place: &Place) -> Vec<Finding> {
    let namespace = &place.namespace;
    let account = format!("system:serviceaccount:{namespace}:train-orchestrator");
    let of_server = |missing: Result<Vec<String>, Refusal>| match missing {
        Ok(missing) if missing.is_empty() => {
            Finding::ok("the server's rights", format!("all {} calls that it makes", Call::ALL.len()))
        }
        Ok(missing) => {
            let detail = format!("it may not {}: its Role is missing or incomplete", missing.join(", "));
            Finding::failed("the server's rights", detail).with("kubectl apply -f k8s/base/rbac.yaml")
        }
        Err(refusal) => Finding::warning("the server's rights", format!("can't be asked for: {}", why(&refusal)))
            .with(format!("kubectl auth can-i --list -n {namespace} --as={account}")),
    };
    if place.context.is_none() {
        return vec![of_server(missing(cluster, None).await)];
    }
    let own = match missing(cluster, None).await {
        Ok(missing) if missing.is_empty() => Finding::ok("your rights", "as many as the server needs"),
        Ok(missing) => Finding::warning(
            "your rights",
            format!("you may not {}, so what follows may be incomplete", missing.join(", ")),
        )
        .with(format!("kubectl auth can-i --list -n {namespace}")),
        Err(refusal) => Finding::warning("your rights", format!("can't be asked for: {}", why(&refusal))),
    };
    vec![own, of_server(missing(cluster, Some(&account)).await)]
}

/// The CronJob that reports are made from.
pub(super) async fn cronjob(cluster: &Cluster, place: &Place) -> (Finding, Value) {
    let (name, namespace) = (&place.cronjob, &place.namespace);
    let found = match cluster.object("apis/batch/v1/cronjobs", name).await {
        Ok(Some(found)) => found,
        Ok(None) => {
            let detail = format!("there is no `{name}`, so that no report can be made");
            let remedy = "kubectl apply -f k8s/ticketing-report-job.yaml";
            return (Finding::failed("CronJob", detail).with(remedy), Value::Null);
        }
        Err(refusal) => {
            let detail = format!("`{name}` can't be read: {}", why(&refusal));
            return (Finding::failed("CronJob", detail).with("kubectl apply -f k8s/base/rbac.yaml"), Value::Null);
        }
    };
    let spec = &found["spec"];
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let pod = &spec["jobTemplate"]["spec"]["template"]["spec"];
    let container = report(pod);
    let image = text(&container["image"]);
    let (zone, told) = (text(&spec["timeZone"]), variable(pod, "REPORT_SCHEDULE_TIME_ZONE"));
    let when = format!("`{}` in {zone}", text(&spec["schedule"]));
    let last = found["status"]["lastScheduleTime"].as_str().map_or_else(String::new, |at| format!(", last at {at}"));
    let detail = format!("`{name}`: {when}{last}, image `{image}`");
    let patch = |what: &str| format!("kubectl patch cronjob -n {namespace} {name} -p '{what}'");
    let finding = if spec["suspend"] == true {
        Finding::warning("CronJob", format!("{detail}; it is suspended, so nothing starts by itself"))
            .with(patch(r#"{"spec":{"suspend":false}}"#))
    } else if container["imagePullPolicy"] == "Always" && !image.contains('/') {
        // Without a registry in its name it can only be on the node.
        Finding::warning(
            "CronJob",
            format!("{detail}; imagePullPolicy `Always` asks a registry for an image that is built here"),
        )
        .with("kubectl apply -f k8s/ticketing-report-job.yaml")
    } else if told != Some(zone.as_str()) {
        let told = told.unwrap_or("not set");
        let detail = format!("{detail}; its REPORT_SCHEDULE_TIME_ZONE is {told}, so its runs may take another month");
        let remedy = format!("kubectl set env -n {namespace} cronjob/{name} REPORT_SCHEDULE_TIME_ZONE={zone}");
        Finding::warning("CronJob", detail).with(if zone == "none" {
            patch(r#"{"spec":{"timeZone":"Etc/UTC"}}"#)
        } else {
            remedy
        })
    } else {
        Finding::ok("CronJob", detail)
    };
    (finding, found)
}
