//! The manifests, read as Kubernetes' own types: what these don't know would be lost.

use std::path::{Path, PathBuf};

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace, PersistentVolume, Secret, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    rbac::v1::{Role, RoleBinding},
};
use serde::{Serialize, de::DeserializeOwned};

use super::*;

fn written<T: DeserializeOwned + Serialize>(document: &Value) -> Value {
    let typed: T = serde_json::from_value(document.clone()).unwrap_or_else(|e| panic!("{e}: {document:#}"));
    serde_json::to_value(typed).unwrap()
}

/// A document, read as its kind's type and written again; `None` for what isn't an object of a cluster.
fn again(document: &Value) -> Option<Value> {
    Some(match document["kind"].as_str().unwrap_or_else(|| panic!("no kind: {document:#}")) {
        "ConfigMap" => written::<ConfigMap>(document),
        "CronJob" => written::<CronJob>(document),
        "Deployment" => written::<Deployment>(document),
        "Job" => written::<Object>(document),
        "Namespace" => written::<Namespace>(document),
        "NetworkPolicy" => written::<NetworkPolicy>(document),
        "PersistentVolume" => written::<PersistentVolume>(document),
        "PersistentVolumeClaim" => written::<PersistentVolumeClaim>(document),
        "Pod" => written::<Pod>(document),
        "Role" => written::<Role>(document),
        "RoleBinding" => written::<RoleBinding>(document),
        "Secret" => written::<Secret>(document),
        "Service" => written::<Service>(document),
        "ServiceAccount" => written::<ServiceAccount>(document),
        "Kustomization" | "Component" => return None,
        kind => panic!("the kind `{kind}` has no line here: add one"),
    })
}

/// What of a document isn't in what was written. A patch leaves out much that its type writes as empty.
fn lost(before: &Value, after: &Value, at: &str, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            // Words of kustomize itself.
            for (name, value) in before.iter().filter(|(name, _)| !name.starts_with('$')) {
                match after.get(name) {
                    Some(after) => lost(value, after, &format!("{at}/{name}"), found),
                    None => found.push(format!("{at}/{name}")),
                }
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            before.iter().zip(after).for_each(|(before, after)| lost(before, after, at, found));
        }
        _ if before == after => {}
        _ => found.push(format!("{at}: {before} became {after}")),
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            files(&entry, found);
        } else if entry.extension().is_some_and(|ending| ending == "yaml") {
            found.push(entry);
        }
    }
}

/// Numbers as JSON has them: YAML's reader makes floats of those that begin with a zero.
fn whole(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0) {
                *value = json!(float as i64);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(whole),
        Value::Object(fields) => fields.values_mut().for_each(whole),
        _ => {}
    }
}

/// The documents of a file, and the patches in it that are documents themselves.
fn documents(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut all: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let patches = all.iter().flat_map(|document| document["patches"].as_array().cloned().unwrap_or_default());
    let patches: Vec<Value> = patches
        .filter_map(|patch| serde_saphyr::from_str::<Value>(patch["patch"].as_str()?).ok())
        // The others are lists of operations.
        .filter(Value::is_object)
        .collect();
    all.extend(patches);
    all.retain(|document| !document.is_null());
    all.iter_mut().for_each(whole);
    all
}

#[test]
fn no_field_of_a_manifest_is_unknown_to_kubernetes() {
    let mut all = Vec::new();
    files(&folder(), &mut all);
    let mut looked = 0;
    for file in all.iter().filter(|file| !file.ends_with("alerts.yaml")) {
        for document in documents(file) {
            let Some(after) = again(&document) else { continue };
            let mut found = Vec::new();
            lost(&document, &after, "", &mut found);
            assert!(found.is_empty(), "{}: {}: {found:#?}", file.display(), document["kind"]);
            looked += 1;
        }
    }
    assert!(looked >= 20, "only {looked} documents were looked at");
}

#[test]
fn a_misspelt_field_is_found() {
    let mut document = fake::cronjob();
    let pod = &mut document["spec"]["jobTemplate"]["spec"]["template"]["spec"];
    pod["restartpolicy"] = "Never".into();
    pod["containers"][0]["resources"]["limit"] = json!({"memory": "1Gi"});
    let mut found = Vec::new();
    lost(&document, &again(&document).unwrap(), "", &mut found);
    found.sort();
    let at = "/spec/jobTemplate/spec/template/spec";
    assert_eq!(found, [format!("{at}/containers/resources/limit"), format!("{at}/restartpolicy")]);
}
