//! What the doctor asks the API, as plain JSON: it reads many kinds of objects, and little of each.

use std::{collections::BTreeMap, time::Duration};

use axum::http::Request;
use kube::Client;
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::{Value, json};

use crate::launcher::kubernetes::calls::{Call, Refusal, call};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(5);

/// The cluster, and the namespace that is looked at.
pub(super) struct Cluster {
    client: Client,
    namespace: String,
}

/// A secret without what is secret.
#[derive(Deserialize)]
struct Keys {
    #[serde(default)]
    data: BTreeMap<String, IgnoredAny>,
}

impl Cluster {
    pub(super) fn new(client: Client, namespace: &str) -> Self {
        Self { client, namespace: namespace.to_owned() }
    }

    async fn ask<T: DeserializeOwned>(&self, method: &str, path: &str, body: Vec<u8>) -> Result<T, Refusal> {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json").body(body);
        let request = request.map_err(|e| Refusal::Silent(format!("`{path}` can't be asked for: {e}")))?;
        call(LIMIT, self.client.request(request)).await
    }

    /// What is at a path; `None` where there is nothing.
    pub(super) async fn get(&self, path: &str) -> Result<Option<Value>, Refusal> {
        found(self.ask("GET", path, Vec::new()).await)
    }

    /// An object of the namespace; `of` is its API and kind, as `api/v1/secrets`.
    pub(super) async fn object(&self, of: &str, name: &str) -> Result<Option<Value>, Refusal> {
        self.get(&format!("{}/{name}", self.path(of))).await
    }

    /// Objects of the namespace that a selector selects.
    pub(super) async fn list(&self, of: &str, selector: &str) -> Result<Vec<Value>, Refusal> {
        let list = self.get(&format!("{}?{selector}", self.path(of))).await?;
        Ok(list.and_then(|list| list["items"].as_array().cloned()).unwrap_or_default())
    }

    /// The names of a secret's keys. Its values are never read.
    pub(super) async fn keys(&self, secret: &str) -> Result<Option<Vec<String>>, Refusal> {
        let keys =
            found(self.ask::<Keys>("GET", &format!("{}/{secret}", self.path("api/v1/secrets")), Vec::new()).await)?;
        Ok(keys.map(|keys| keys.data.into_keys().collect()))
    }

    /// Whether whoever asks may make a call, or with a name whether that user may.
    pub(super) async fn may(&self, call: Call, user: Option<&str>) -> Result<bool, Refusal> {
        let (resource, subresource) = call.resource.split_once('/').unwrap_or((call.resource, ""));
        let attributes = json!({"namespace": self.namespace, "verb": call.verb, "group": call.group,
            "resource": resource, "subresource": subresource});
        let (kind, path) = match user {
            None => ("SelfSubjectAccessReview", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".to_owned()),
            Some(_) => {
                ("LocalSubjectAccessReview", self.path("apis/authorization.k8s.io/v1/localsubjectaccessreviews"))
            }
        };
        let mut spec = json!({"resourceAttributes": attributes});
        if let Some(user) = user {
            spec["user"] = user.into();
        }
        let metadata = if user.is_some() { json!({"namespace": self.namespace}) } else { json!({}) };
        let review = json!({"kind": kind, "apiVersion": "authorization.k8s.io/v1", "metadata": metadata, "spec": spec});
        let answer: Value = self.ask("POST", &path, review.to_string().into_bytes()).await?;
        Ok(answer["status"]["allowed"] == true)
    }

    fn path(&self, of: &str) -> String {
        let (api, kind) = of.rsplit_once('/').unwrap_or(("api/v1", of));
        format!("/{api}/namespaces/{}/{kind}", self.namespace)
    }
}

fn found<T>(answer: Result<T, Refusal>) -> Result<Option<T>, Refusal> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(refusal) if refusal.code() == 404 => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// Why something can't be read.
pub(super) fn why(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Status(status) if status.code == 403 => "forbidden (403)".to_owned(),
        Refusal::Status(status) => format!("{} ({})", status.message, status.code),
        Refusal::Silent(why) => why.clone(),
    }
}

/// The texts of a list.
pub(super) fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
