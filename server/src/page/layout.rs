//! What all pages have in common.

use maud::{DOCTYPE, Markup, html};

use super::{
    assets,
    view::{Role, Viewer},
};

/// What a page needs beside the scripts and styles of all pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// Nothing, and no events: it stays as it is.
    Stillness,
    /// What draws plots.
    Plots,
    /// What follows a log.
    Log,
}

/// A whole page. Without a viewer it is one that anybody may see, and it doesn't follow events.
#[must_use]
pub fn layout(title: &str, viewer: Option<&Viewer>, needs: Needs, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (title) " · Ticketing reports" }
                link rel="icon" type="image/svg+xml" href=(assets::address("favicon.svg"));
                @if needs == Needs::Plots { link rel="stylesheet" href=(assets::address("uPlot.min.css")); }
                link rel="stylesheet" href=(assets::address("page.css"));
                @if viewer.is_some() {
                    script type="module" src=(assets::address("page.js")) {}
                    script type="module" src=(assets::address("small.js")) {}
                }
                @if needs == Needs::Plots {
                    script defer src=(assets::address("uPlot.iife.min.js")) {}
                    script type="module" src=(assets::address("charts.js")) {}
                }
                @if needs == Needs::Log { script type="module" src=(assets::address("log.js")) {} }
            }
            body data-events[viewer.is_some() && needs != Needs::Stillness] {
                a class="skip" href="#main" { "Skip to the content" }
                header class="top" {
                    a class="home" href="/" {
                        img src=(assets::address("favicon.svg")) alt="" width="24" height="24";
                        "Ticketing reports"
                    }
                    @if let Some(viewer) = viewer { (account(viewer)) }
                }
                div id="connection" class="connection" role="alert" {}
                main id="main" tabindex="-1" { (body) }
                div id="said" class="said" role="status" {}
                footer class="bottom" {
                    a href="/docs" { "Documentation of the API" }
                    a href="/api/openapi.json" { "OpenAPI" }
                }
            }
        }
    }
}

fn account(viewer: &Viewer) -> Markup {
    html! {
        div class="account" {
            @match &viewer.name {
                Some(name) => { span { (name) " " span class="muted" { "(" (viewer.role.as_str()) ")" } } }
                None if viewer.role == Role::Operator => { span class="muted" { "No sign-in needed (operator)" } }
                None => { span class="muted" { "Not signed in (" (viewer.role.as_str()) ")" } }
            }
            @if viewer.signed_in {
                form method="post" action="/sign-out" { button type="submit" class="quiet" { "Sign out" } }
            } @else if viewer.role < Role::Operator {
                a href="/sign-in" { "Sign in" }
            }
        }
    }
}
