//! `report-server doctor`: why are there no reports from the cluster? Looks at what the pages on troubleshooting look at,
//! changes nothing and starts nothing.

mod api;
mod cluster;
mod database;
mod runs;
#[cfg(test)]
mod tests;
mod volume;

use std::{io::Write, process::ExitCode};

use comfy_table::{ContentArrangement, Table, presets::UTF8_HORIZONTAL_ONLY};
use serde::Serialize;
use serde_json::Value;

use self::api::Cluster;
use super::{Connected, connect};
use crate::{
    config::{DoctorArgs, StartError},
    start,
};

/// How a thing that was looked at is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Ok,
    /// Reports work, or it can't be told; somebody should know.
    Warning,
    /// Reports fail.
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub subject: &'static str,
    /// How it is.
    pub state: State,
    /// What was found.
    pub detail: String,
    /// What to do: a command to copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    fn new(subject: &'static str, state: State, detail: impl Into<String>) -> Self {
        Self { subject, state, detail: detail.into(), remedy: None }
    }

    fn ok(subject: &'static str, detail: impl Into<String>) -> Self {
        Self::new(subject, State::Ok, detail)
    }

    fn warning(subject: &'static str, detail: impl Into<String>) -> Self {
        Self::new(subject, State::Warning, detail)
    }

    fn failed(subject: &'static str, detail: impl Into<String>) -> Self {
        Self::new(subject, State::Failed, detail)
    }

    fn with(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

/// Where to look, and as whom.
#[derive(Debug, Clone)]
struct Place {
    namespace: String,
    cronjob: String,
    /// The kubeconfig's context; none in a pod.
    context: Option<String>,
    address: String,
}

/// Looks, prints what was found, and ends with 1 if something must be done.
///
/// # Errors
/// When nothing can be printed.
pub async fn run(args: DoctorArgs) -> Result<ExitCode, StartError> {
    let findings = match connect(start::in_cluster()).await {
        Ok(Connected { client, namespace, address, context }) => {
            let namespace = start::namespace(args.cluster.namespace.as_deref(), namespace);
            let place = Place { namespace, cronjob: args.cluster.cronjob.clone(), context, address };
            look(&Cluster::new(client, &place.namespace), &place).await
        }
        Err(why) => vec![
            Finding::failed("cluster", why)
                .with("kubectl config get-contexts; kubectl config use-context docker-desktop; or enable Kubernetes in Docker Desktop's settings"),
        ],
    };
    let text = if args.json { serde_json::to_string_pretty(&findings).unwrap_or_default() } else { table(&findings) };
    // Whoever has read enough closes the pipe: no failure.
    let _ = writeln!(std::io::stdout(), "{text}");
    let failed = findings.iter().any(|finding| finding.state == State::Failed);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn table(findings: &[Finding]) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["", "What", "Found"]);
    for finding in findings {
        let mark = match finding.state {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Failed => "FAILED",
        };
        let remedy = finding.remedy.as_ref().map_or_else(String::new, |remedy| format!("\n{remedy}"));
        table.add_row([mark, finding.subject, &format!("{}{remedy}", finding.detail)]);
    }
    table.to_string()
}

/// Looks at everything, in the order in which one thing needs another.
async fn look(cluster: &Cluster, place: &Place) -> Vec<Finding> {
    let reached = cluster::reach(cluster, place).await;
    let mut findings = vec![reached];
    if findings[0].state == State::Failed {
        return findings;
    }
    let namespace = cluster::namespace(cluster, place).await;
    let gone = namespace.state == State::Failed;
    findings.push(namespace);
    if gone {
        return findings;
    }
    findings.extend(cluster::rights(cluster, place).await);
    let (found, cronjob) = cluster::cronjob(cluster, place).await;
    findings.push(found);
    let pod = cronjob.pointer("/spec/jobTemplate/spec/template/spec").cloned().unwrap_or_default();
    let (found, folder) = volume::look(cluster, place, &pod).await;
    findings.extend(found);
    if !pod.is_null() {
        findings.extend(database::secrets(cluster, place, &pod).await);
        findings.push(database::service(cluster, place, &pod).await);
    }
    findings.extend(runs::look(cluster, place, folder.as_deref()).await);
    findings
}

/// The container that makes the report, of a pod's description.
fn report(pod: &Value) -> &Value {
    let containers = pod["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    containers.iter().find(|c| c["name"] == "ticketing-report").or(containers.first()).unwrap_or(&Value::Null)
}

/// A variable's own value in the container that makes the report.
fn variable<'a>(pod: &'a Value, name: &str) -> Option<&'a str> {
    let env = report(pod)["env"].as_array()?;
    env.iter().find(|variable| variable["name"] == name)?["value"].as_str()
}
