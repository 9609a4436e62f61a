//! What the stand-in answers to each call.

use std::{collections::HashMap, convert::Infallible, future, time::Duration};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures::stream;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use super::{Cluster, Fault, NAMESPACE, uid};

/// A call.
pub(super) struct Asked {
    pub(super) verb: &'static str,
    pub(super) group: &'static str,
    pub(super) resource: &'static str,
    name: Option<String>,
    query: HashMap<String, String>,
}

impl Asked {
    fn of(request: &Request) -> Option<Self> {
        let parts: Vec<&str> = request.uri().path().trim_matches('/').split('/').collect();
        let (group, resource, rest): (_, _, &[&str]) = match parts.as_slice() {
            ["version"] => ("", "version", &[]),
            ["apis", "batch", "v1", "namespaces", NAMESPACE, "jobs", rest @ ..] => ("batch", "jobs", rest),
            ["apis", "batch", "v1", "namespaces", NAMESPACE, "cronjobs", rest @ ..] => ("batch", "cronjobs", rest),
            ["apis", "discovery.k8s.io", "v1", "namespaces", NAMESPACE, "endpointslices"] => {
                ("discovery.k8s.io", "endpointslices", &[])
            }
            ["apis", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"] => {
                ("authorization.k8s.io", "selfsubjectaccessreviews", &[])
            }
            ["apis", "authorization.k8s.io", "v1", "namespaces", NAMESPACE, "localsubjectaccessreviews"] => {
                ("authorization.k8s.io", "localsubjectaccessreviews", &[])
            }
            ["api", "v1", "namespaces", NAMESPACE, "pods", name, "log"] => ("", "pods/log", std::slice::from_ref(name)),
            ["api", "v1", "namespaces", NAMESPACE, kind, rest @ ..] => {
                let known = ["pods", "persistentvolumeclaims", "secrets", "services", "events"];
                ("", known.into_iter().find(|known| known == kind)?, rest)
            }
            ["api", "v1", "namespaces", name] => ("", "namespaces", std::slice::from_ref(name)),
            ["api", "v1", "persistentvolumes", rest @ ..] => ("", "persistentvolumes", rest),
            _ => return None,
        };
        let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = request.uri().query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        let query: HashMap<String, String> = pairs.map(|(name, value)| (decoded(name), decoded(value))).collect();
        let verb = match (request.method().as_str(), rest) {
            ("GET", [_]) => "get",
            ("GET", []) if query.get("watch").is_some_and(|watch| watch == "true") => "watch",
            ("GET", []) => "list",
            ("POST", []) => "create",
            ("DELETE", [_]) => "delete",
            _ => return None,
        };
        Some(Self { verb, group, resource, name: rest.first().map(|name| (*name).to_owned()), query })
    }

    pub(super) fn matches(&self, object: &Value) -> bool {
        let labels = self.query.get("labelSelector").map(String::as_str).unwrap_or_default();
        let mut wanted = labels.split(',').filter_map(|label| label.split_once('='));
        let field = self.query.get("fieldSelector").and_then(|field| field.strip_prefix("involvedObject.name="));
        wanted.all(|(name, value)| object["metadata"]["labels"][name] == value)
            && field.is_none_or(|name| object["involvedObject"]["name"] == name)
    }

    /// How messages name the resource.
    fn kind(&self) -> String {
        let group = self.group;
        if group.is_empty() { self.resource.to_owned() } else { format!("{}.{group}", self.resource) }
    }
}

fn status(code: u16, reason: &str, message: &str, details: Value) -> Response {
    let mut body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": reason, "details": details, "code": code});
    if details.is_null() {
        body.as_object_mut().unwrap().remove("details");
    }
    answer(code, &body)
}

fn answer(code: u16, body: &Value) -> Response {
    let json = [("content-type", "application/json")];
    (StatusCode::from_u16(code).unwrap(), json, body.to_string()).into_response()
}

impl Cluster {
    fn refuse(&self, asked: &Asked) -> Option<Response> {
        let world = self.world();
        if !world.token_is_known {
            return Some(status(401, "Unauthorized", "Unauthorized", Value::Null));
        }
        if world.allows(asked) {
            return None;
        }
        let (kind, group) = (asked.kind(), asked.group);
        let name = asked.name.as_ref().map_or_else(String::new, |name| format!(" {name:?}"));
        let who = format!("User \"system:serviceaccount:{NAMESPACE}:train-orchestrator\"");
        let message = format!(
            "{kind}{name} is forbidden: {who} cannot {} resource {:?} in API group {group:?} in the namespace {NAMESPACE:?}",
            asked.verb, asked.resource
        );
        Some(status(403, "Forbidden", &message, json!({"name": asked.name, "group": group, "kind": asked.resource})))
    }

    fn not_found(asked: &Asked, name: &str) -> Response {
        let message = format!("{} {name:?} not found", asked.kind());
        let mut details = json!({"name": name, "group": asked.group, "kind": asked.resource});
        if asked.group.is_empty() {
            details.as_object_mut().unwrap().remove("group");
        }
        status(404, "NotFound", &message, details)
    }

    pub(in crate::launcher::kubernetes) fn create(&self, mut job: Value) -> Response {
        let name = job["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let details = |kind: &str| json!({"name": name, "group": "batch", "kind": kind});
        if name.bytes().any(|byte| !matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.')) {
            let cause = format!(
                "Invalid value: {name:?}: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
                 characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', \
                 regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            );
            let message = format!("Job.batch {name:?} is invalid: metadata.name: {cause}");
            let mut details = details("Job");
            details["causes"] = json!([{"reason": "FieldValueInvalid", "message": cause, "field": "metadata.name"}]);
            return status(422, "Invalid", &message, details);
        }
        if let Some((field, cause)) = wrong_index(&job["spec"]) {
            let message = format!("Job.batch {name:?} is invalid: {field}: {cause}");
            return status(422, "Invalid", &message, details("Job"));
        }
        let policy = &job["spec"]["template"]["spec"]["restartPolicy"];
        if policy != "Never" && policy != "OnFailure" {
            let cause = "Required value: valid values: \"OnFailure\", \"Never\"";
            let field = "spec.template.spec.restartPolicy";
            let message = format!("Job.batch {name:?} is invalid: {field}: {cause}");
            let mut details = details("Job");
            details["causes"] = json!([{"reason": "FieldValueRequired", "message": cause, "field": field}]);
            return status(422, "Invalid", &message, details);
        }
        self.change(|world| {
            if world.objects.contains_key(&("jobs", name.clone())) {
                return status(409, "AlreadyExists", &format!("jobs.batch {name:?} already exists"), details("jobs"));
            }
            let uid = uid();
            let known = json!({"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name,
                "controller-uid": uid, "job-name": name});
            for metadata in ["/metadata", "/spec/template/metadata"] {
                let labels = &mut job.pointer_mut(metadata).unwrap()["labels"];
                labels.as_object_mut().unwrap().extend(known.as_object().unwrap().clone());
            }
            job["kind"] = "Job".into();
            job["apiVersion"] = "batch/v1".into();
            for (field, value) in
                [("uid", &uid), ("creationTimestamp", &self.now()), ("namespace", &NAMESPACE.to_owned())]
            {
                job["metadata"][field] = value.clone().into();
            }
            job["metadata"]["generation"] = 1.into();
            let selector = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
            let defaults = json!({"parallelism": 1, "completions": 1, "selector": selector, "manualSelector": false,
                "completionMode": "NonIndexed", "suspend": false, "podReplacementPolicy": "TerminatingOrFailed"});
            for (name, value) in defaults.as_object().unwrap() {
                if job["spec"][name].is_null() {
                    job["spec"][name] = value.clone();
                }
            }
            job["status"] = json!({});
            world.put("jobs", &name, job);
            answer(201, &world.objects[&("jobs", name.clone())])
        })
    }

    fn delete(&self, asked: &Asked, name: &str, options: &Value) -> Response {
        let Some(job) = self.object("jobs", name) else { return Self::not_found(asked, name) };
        let uid = &job["metadata"]["uid"];
        let details = json!({"name": name, "group": "batch", "kind": "jobs"});
        let wanted = &options["preconditions"]["uid"];
        if !wanted.is_null() && wanted != uid {
            let message = format!("Operation cannot be fulfilled on jobs.batch {name:?}: the UID in the precondition");
            return status(409, "Conflict", &message, details);
        }
        self.remove("jobs", name);
        // Without it, the pods stay.
        if options["propagationPolicy"] == "Background" {
            let (cluster, name) = (self.clone(), name.to_owned());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                cluster.remove_pods(&name);
            });
        }
        let mut details = details;
        details["uid"] = uid.clone();
        answer(
            200,
            &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}),
        )
    }

    fn list(&self, asked: &Asked) -> Response {
        let world = self.world();
        let all = world.objects.iter().filter(|((kind, _), object)| *kind == asked.resource && asked.matches(object));
        let items: Vec<&Value> = all.map(|(_, object)| object).collect();
        let (kind, version) = if asked.resource == "jobs" { ("JobList", "batch/v1") } else { ("PodList", "v1") };
        let metadata = json!({"resourceVersion": world.version.to_string()});
        answer(200, &json!({"kind": kind, "apiVersion": version, "metadata": metadata, "items": items}))
    }

    fn watch(&self, asked: Asked) -> Response {
        let from: u64 = asked.query.get("resourceVersion").and_then(|version| version.parse().ok()).unwrap_or(0);
        let (cut, forgotten) = {
            let world = self.world();
            (world.cut, world.forgotten)
        };
        if from < forgotten {
            let message = format!("too old resource version: {from} ({forgotten})");
            // A real server says it one way or the other.
            if from.is_multiple_of(2) {
                return status(410, "Expired", &message, Value::Null);
            }
            let gone = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": message, "reason": "Expired", "code": 410});
            return format!("{}\n", json!({"type": "ERROR", "object": gone})).into_response();
        }
        let (changes, cluster) = (self.changes(), self.clone());
        let events = stream::unfold((from, changes), move |(after, mut changes)| {
            let (cluster, asked) = (cluster.clone(), Asked { query: asked.query.clone(), name: None, ..asked });
            async move {
                loop {
                    changes.borrow_and_update();
                    {
                        let world = cluster.world();
                        if world.cut != cut {
                            return None;
                        }
                        if let Some((version, event)) = world.event(&asked, after) {
                            return Some((Ok::<_, Infallible>(format!("{event}\n")), (version, changes)));
                        }
                    }
                    changes.changed().await.ok()?;
                }
            }
        });
        ([("content-type", "application/json")], Body::from_stream(events)).into_response()
    }

    fn log(&self, asked: &Asked, name: &str) -> Response {
        let Some(pod) = self.object("pods", name) else {
            return Self::not_found(
                &Asked { group: "", resource: "pods", query: HashMap::new(), name: None, verb: "get" },
                name,
            );
        };
        let container = asked.query.get("container").map(String::as_str).unwrap_or_default();
        let state = &pod["status"]["containerStatuses"][0]["state"];
        if container != "ticketing-report" {
            let message = format!("container {container} is not valid for pod {name}");
            return status(400, "BadRequest", &message, Value::Null);
        }
        if state["running"].is_null() && state["terminated"].is_null() {
            let why = state["waiting"]["reason"].as_str().unwrap_or("ContainerCreating");
            let message = format!("container {container:?} in pod {name:?} is waiting to start: {why}");
            return status(400, "BadRequest", &message, Value::Null);
        }
        let follow = asked.query.get("follow").is_some_and(|follow| follow == "true");
        let (cluster, name) = (self.clone(), name.to_owned());
        let (changes, cut) = (self.changes(), self.world().cut);
        let lines = stream::unfold((0, changes), move |(at, mut changes)| {
            let (cluster, name) = (cluster.clone(), name.clone());
            async move {
                loop {
                    changes.borrow_and_update();
                    {
                        let world = cluster.world();
                        let (text, done) = world.logs.get(&name).cloned().unwrap_or_default();
                        if text.len() > at {
                            let piece = text[at..].to_owned();
                            return Some((Ok::<_, Infallible>(piece), (text.len(), changes)));
                        }
                        let there = world.objects.contains_key(&("pods", name.clone()));
                        if done || !follow || !there || world.cut != cut {
                            return None;
                        }
                    }
                    changes.changed().await.ok()?;
                }
            }
        });
        ([("content-type", "text/plain")], Body::from_stream(lines)).into_response()
    }

    /// Whether whoever asks may do something, or the server's account.
    fn review(&self, asked: &Asked, mut review: Value) -> Response {
        let world = self.world();
        let of = &review["spec"]["resourceAttributes"];
        let text = |field: &str| of[field].as_str().unwrap_or_default();
        let resource = match text("subresource") {
            "" => text("resource").to_owned(),
            sub => format!("{}/{sub}", text("resource")),
        };
        let server = review["spec"]["user"] == "system:serviceaccount:train-orchestrator:train-orchestrator";
        let own = asked.resource == "selfsubjectaccessreviews";
        let allowed = world.rules_allow(text("group"), &resource, text("verb")) && (own || server);
        review["status"] = json!({"allowed": allowed || (own && world.admin)});
        answer(201, &review)
    }

    async fn perform(&self, asked: Asked, body: Bytes) -> Response {
        let name = asked.name.clone().unwrap_or_default();
        let sent = || serde_json::from_slice::<Value>(&body).unwrap_or_default();
        match (asked.verb, asked.resource) {
            (_, "version") => answer(200, &json!({"major": "1", "minor": "36", "gitVersion": "v1.36.2"})),
            ("create", "selfsubjectaccessreviews" | "localsubjectaccessreviews") => self.review(&asked, sent()),
            ("get", "pods/log") => self.log(&asked, &name),
            ("get", resource) => {
                self.object(resource, &name).map_or_else(|| Self::not_found(&asked, &name), |found| answer(200, &found))
            }
            ("list", _) => self.list(&asked),
            ("watch", _) => self.watch(asked),
            ("create", _) => self.create(sent()),
            _ => self.delete(&asked, &name, &sent()),
        }
    }
}

/// What is wrong with an Indexed Job, in the words of the API's own checks.
fn wrong_index(spec: &Value) -> Option<(&'static str, &'static str)> {
    let indexed = spec["completionMode"] == "Indexed";
    let per_index = !spec["backoffLimitPerIndex"].is_null();
    let of_index = |rule: &Value| rule["action"] == "FailIndex";
    let mut rules = spec["podFailurePolicy"]["rules"].as_array().into_iter().flatten();
    if indexed && spec["completions"].is_null() {
        return Some(("spec.completions", "Required value: when completion mode is Indexed"));
    }
    if per_index && !indexed {
        return Some(("spec.backoffLimitPerIndex", "Invalid value: requires indexed completion mode"));
    }
    if per_index && spec["template"]["spec"]["restartPolicy"] != "Never" {
        return Some(("spec.template.spec.restartPolicy", "Invalid value: only \"Never\" is supported"));
    }
    if !spec["maxFailedIndexes"].is_null() && !per_index {
        return Some(("spec.backoffLimitPerIndex", "Required value: when maxFailedIndexes is specified"));
    }
    if !per_index && rules.any(of_index) {
        return Some(("spec.podFailurePolicy.rules", "Invalid value: requires the backoffLimitPerIndex to be set"));
    }
    None
}

/// Answers a call, or has it go wrong.
pub(super) async fn serve(State(cluster): State<Cluster>, request: Request) -> Response {
    let Some(asked) = Asked::of(&request) else { return StatusCode::NOT_FOUND.into_response() };
    let body = to_bytes(request.into_body(), 1 << 20).await.unwrap_or_default();
    let called = format!("{} {}", asked.verb, asked.resource);
    // A call counts once it is done, so that whoever waits for it finds what it has seen.
    let made = || cluster.world().calls.push(called.clone());
    if let Some(refusal) = cluster.refuse(&asked) {
        made();
        return refusal;
    }
    let fault = cluster.change(|world| world.fault(&asked));
    let answer = match fault {
        Some(Fault::Silence) => {
            made();
            future::pending().await
        }
        Some(Fault::Code(code)) => {
            let reason = match code {
                429 => "TooManyRequests",
                503 => "ServiceUnavailable",
                _ => "InternalError",
            };
            status(code, reason, "the server is having trouble", Value::Null)
        }
        Some(Fault::SilenceAfter) => {
            cluster.perform(asked, body).await;
            made();
            future::pending().await
        }
        Some(Fault::Taken) => {
            let mut other: Value = serde_json::from_slice(&body).unwrap_or_default();
            other["metadata"]["annotations"] = json!({});
            cluster.create(other);
            cluster.perform(asked, body).await
        }
        None => cluster.perform(asked, body).await,
    };
    made();
    answer
}
