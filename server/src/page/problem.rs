//! What a browser shows when a request can't be answered.

use maud::{Markup, html};

use super::{
    layout::{Needs, layout},
    view::Viewer,
};

/// The page of an error: what is wrong, and what to do about it.
#[must_use]
pub fn problem(viewer: Option<&Viewer>, status: u16, title: &str, detail: &str) -> Markup {
    let signed_in = viewer.is_some_and(|viewer| viewer.signed_in);
    let body = html! {
        div class="narrow" {
            p class="muted" { "Error " (status) }
            h1 { (title) }
            @if !detail.is_empty() { p class="detail" { (detail) } }
            @match status {
                401 => p { a href="/sign-in" { "Sign in" } " with a token to go on." },
                403 if !signed_in => {
                    p { "If you have a token that may do this, " a href="/sign-in" { "sign in" } " with it." }
                }
                403 => p { "Ask whoever runs the server for a token with another role." },
                404 => {
                    p { "It may have been removed, or its address is mistyped. The first page shows what there is." }
                }
                429 | 503 => p { "Try again in a moment: load this page once more, or go back." },
                500.. => p { "The server's log says more; its lines carry the same request id as this answer." },
                _ => {},
            }
            p { a class="button" href="/" { "To the first page" } }
        }
    };
    layout(title, viewer, Needs::Nothing, &body)
}
