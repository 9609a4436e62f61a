//! The API's description for people, made from that for programs.

use maud::{Markup, html};
use serde_json::Value;

use super::{
    layout::{Needs, layout},
    parts::prose,
    view::Viewer,
};

/// The order of a path's methods.
const METHODS: [&str; 3] = ["get", "post", "delete"];

/// The page. `api` is an OpenAPI document.
#[must_use]
pub fn documentation(viewer: &Viewer, api: &Value) -> Markup {
    let tags = api["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    let body = html! {
        h1 { "The API" }
        p {
            "Programs show a token in the header " code { "Authorization: Bearer TOKEN" } ". Whatever isn't a success has a body "
            "of JSON, " code { "application/problem+json" } ", whose " code { "error" } " says what is wrong and what to do. All of it for programs: "
            a href="/api/openapi.json" { "openapi.json" } "."
        }
        @for tag in tags {
            @let name = text(&tag["name"]);
            section aria-labelledby=(name) {
                h2 id=(name) { (text(&tag["description"])) }
                @for (method, path, operation) in operations(api, name) {
                    article class="operation" {
                        h3 { code { (method.to_uppercase()) " " (path) } }
                        p { (text(&operation["summary"])) "." }
                        @if let Some(more) = operation["description"].as_str() { p { (prose(more)) } }
                        (parameters(api, operation))
                        (answers(operation))
                    }
                }
            }
        }
    };
    layout("The API", Some(viewer), Needs::Nothing, &body)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn operations<'a>(api: &'a Value, tag: &'a str) -> impl Iterator<Item = (&'static str, &'a str, &'a Value)> {
    let paths = api["paths"].as_object().into_iter().flatten();
    let all = paths.flat_map(|(path, item)| METHODS.map(|method| (method, path.as_str(), &item[method])));
    all.filter(move |(_, _, operation)| {
        operation["tags"].as_array().is_some_and(|tags| tags.iter().any(|of| of == tag))
    })
}

/// The values that a parameter may have, where they are named.
fn values<'a>(api: &'a Value, schema: &'a Value) -> Vec<&'a str> {
    let named = schema["$ref"].as_str().and_then(|name| api.pointer(name.strip_prefix('#')?));
    let parts = ["oneOf", "anyOf", "allOf"].map(|key| schema[key].as_array().into_iter().flatten());
    let own = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let others = named.into_iter().chain(parts.into_iter().flatten());
    own.chain(others.flat_map(|part| values(api, part))).collect()
}

fn parameters(api: &Value, operation: &Value) -> Markup {
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    html! {
        @if !parameters.is_empty() {
            dl class="parameters" {
                @for parameter in parameters {
                    dt {
                        code { (text(&parameter["name"])) }
                        " " span class="muted" { "in the " (text(&parameter["in"])) }
                    }
                    dd {
                        (prose(text(&parameter["description"])))
                        @for (place, value) in values(api, &parameter["schema"]).into_iter().enumerate() {
                            @if place == 0 { " One of " } @else { ", " }
                            code { (value) }
                        }
                    }
                }
            }
        }
    }
}

fn answers(operation: &Value) -> Markup {
    let all = operation["responses"].as_object().into_iter().flatten();
    let (refusals, answers): (Vec<_>, Vec<_>) = all.partition(|(status, _)| status.starts_with(['4', '5']));
    html! {
        p class="muted" {
            "Answers "
            @for (place, (status, answer)) in answers.into_iter().enumerate() {
                @if place > 0 { ", " }
                (status)
                @for kind in answer["content"].as_object().into_iter().flat_map(|content| content.keys()) { " " (kind) }
            }
            @for (place, (status, _)) in refusals.into_iter().enumerate() {
                @if place == 0 { "; refuses with " } @else { ", " }
                (status)
            }
        }
    }
}
