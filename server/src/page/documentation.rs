//! The API's description for people, made from that for programs.

use maud::{Markup, html};
use serde_json::Value;

use super::{
    layout::{Needs, layout},
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
            "of JSON whose " code { "error" } " says what is wrong and what to do. All of it for programs: "
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
                        @if let Some(more) = operation["description"].as_str() { p { (more) } }
                        (parameters(operation))
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

fn parameters(operation: &Value) -> Markup {
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    html! {
        @if !parameters.is_empty() {
            dl class="parameters" {
                @for parameter in parameters {
                    dt {
                        code { (text(&parameter["name"])) }
                        " " span class="muted" { "in the " (text(&parameter["in"])) }
                    }
                    dd { (text(&parameter["description"])) }
                }
            }
        }
    }
}

fn answers(operation: &Value) -> Markup {
    let answers = operation["responses"].as_object();
    html! {
        p class="muted" {
            "Answers: "
            @for (place, (status, answer)) in answers.into_iter().flatten().enumerate() {
                @if place > 0 { ", " }
                (status)
                @for kind in answer["content"].as_object().into_iter().flat_map(|content| content.keys()) { " " (kind) }
            }
        }
    }
}
