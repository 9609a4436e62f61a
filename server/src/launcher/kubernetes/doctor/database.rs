//! The database as far as the cluster shows it: the secret with its user, and the Service that leads to it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Finding, Place, State,
    api::{Cluster, why},
    report, variable,
};

/// Whether the secrets that the report's variables come from have their keys.
pub(super) async fn secrets(cluster: &Cluster, place: &Place, pod: &Value) -> Vec<Finding> {
    let mut wanted: BTreeMap<&str, (Vec<&str>, bool)> = BTreeMap::new();
    for variable in report(pod)["env"].as_array().into_iter().flatten() {
        let from = &variable["valueFrom"]["secretKeyRef"];
        if let (Some(name), Some(key)) = (from["name"].as_str(), from["key"].as_str()) {
            let (keys, optional) = wanted.entry(name).or_insert((Vec::new(), true));
            keys.push(key);
            *optional &= from["optional"] == true;
        }
    }
    let mut findings = Vec::new();
    for (name, (keys, optional)) in wanted {
        findings.push(secret(cluster, place, name, &keys, optional).await);
    }
    findings
}

async fn secret(cluster: &Cluster, place: &Place, name: &str, keys: &[&str], optional: bool) -> Finding {
    let namespace = &place.namespace;
    let literals: String = keys.iter().map(|key| format!(" --from-literal={key}='…'")).collect();
    let make = format!("kubectl create secret generic {name} -n {namespace}{literals}");
    let state = if optional { State::Warning } else { State::Failed };
    match cluster.keys(name).await {
        Ok(Some(there)) => {
            let missing: Vec<&&str> = keys.iter().filter(|key| !there.iter().any(|known| known == **key)).collect();
            if missing.is_empty() {
                return Finding::ok("secret", format!("`{name}` has the keys {}", keys.join(", ")));
            }
            let missing: Vec<String> = missing.iter().map(|key| format!("`{key}`")).collect();
            let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
            let detail = format!("`{name}` has no key {} (its keys: {there})", missing.join(", "));
            Finding::failed("secret", detail).with(format!("kubectl delete secret {name} -n {namespace}; {make}"))
        }
        Ok(None) if optional => Finding::new(
            "secret",
            state,
            format!("there is no `{name}`: reports log in as `postgres` without a password"),
        )
        .with(make),
        Ok(None) => {
            Finding::new("secret", state, format!("there is no `{name}`, and no pod starts without it")).with(make)
        }
        Err(refusal) => {
            let detail = format!("`{name}` can't be read, not even the names of its keys: {}", why(&refusal));
            Finding::warning("secret", detail).with(format!("kubectl describe secret -n {namespace} {name}"))
        }
    }
}

/// Whether the name of the database leads anywhere.
pub(super) async fn service(cluster: &Cluster, place: &Place, pod: &Value) -> Finding {
    let namespace = &place.namespace;
    if report(pod)["env"].as_array().into_iter().flatten().any(|variable| variable["name"] == "DATABASE_URL") {
        return Finding::ok("database", "named by DATABASE_URL, which isn't looked at: the last runs tell");
    }
    let host = variable(pod, "DB_HOST").unwrap_or("localhost");
    let port = variable(pod, "DB_PORT").unwrap_or("5432");
    let own = [format!(".{namespace}"), format!(".{namespace}.svc"), format!(".{namespace}.svc.cluster.local")];
    let name = own.iter().find_map(|ending| host.strip_suffix(ending.as_str())).unwrap_or(host);
    if host == "localhost" {
        return Finding::failed("database", "DB_HOST is `localhost`, which in a pod is the pod itself")
            .with(format!("kubectl set env -n {namespace} cronjob/{} DB_HOST=postgres-svc", place.cronjob));
    }
    if name.contains('.') {
        return Finding::ok(
            "database",
            format!("`{host}`:{port} is outside the namespace, and isn't looked at: the last runs tell"),
        );
    }
    let service = match cluster.object("api/v1/services", name).await {
        Ok(Some(service)) => service,
        Ok(None) => {
            return Finding::failed("database", format!("there is no Service `{name}`, so that the name leads nowhere")).with(format!(
                "kubectl get services --all-namespaces; kubectl set env -n {namespace} cronjob/{} DB_HOST=NAME.NAMESPACE.svc; \
                 or for a demo: kubectl apply -k k8s/demo-postgres",
                place.cronjob
            ));
        }
        Err(refusal) => {
            return Finding::warning("database", format!("the Service `{name}` can't be read: {}", why(&refusal)))
                .with(format!("kubectl get service,endpointslices -n {namespace}"));
        }
    };
    if let Some(outside) = service["spec"]["externalName"].as_str() {
        return Finding::ok("database", format!("`{name}` leads to `{outside}`"));
    }
    let ports: Vec<String> =
        service["spec"]["ports"].as_array().into_iter().flatten().map(|of| of["port"].to_string()).collect();
    if !ports.iter().any(|known| known == port) {
        let detail = format!("`{name}` has the port {}, and DB_PORT is `{port}`", ports.join(", "));
        let first = ports.first().map_or("5432", String::as_str);
        return Finding::failed("database", detail)
            .with(format!("kubectl set env -n {namespace} cronjob/{} DB_PORT={first}", place.cronjob));
    }
    let selector = format!("labelSelector=kubernetes.io/service-name%3D{name}");
    let slices = match cluster.list("apis/discovery.k8s.io/v1/endpointslices", &selector).await {
        Ok(slices) => slices,
        Err(refusal) => {
            return Finding::warning(
                "database",
                format!("who answers behind `{name}` can't be read: {}", why(&refusal)),
            )
            .with(format!("kubectl get endpointslices -n {namespace} -l kubernetes.io/service-name={name}"));
        }
    };
    let all = slices.iter().flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten());
    // Not said means ready.
    let ready = all.filter(|endpoint| endpoint["conditions"]["ready"] != false).count();
    if ready == 0 {
        let labels = service["spec"]["selector"].as_object().into_iter().flatten();
        let labels: Vec<String> =
            labels.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
        return Finding::failed("database", format!("no pod answers behind the Service `{name}`")).with(format!(
            "kubectl get pods -n {namespace} -l {}; kubectl describe pods -n {namespace} -l {0}",
            labels.join(",")
        ));
    }
    Finding::ok("database", format!("{ready} ready behind `{name}`:{port}"))
}
