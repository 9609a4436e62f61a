//! What a browser shows when a request can't be answered.

use maud::{Markup, html};

use super::{
    layout::{Needs, layout},
    parts::prose,
    view::ProblemView,
};

/// The page of an error: what is wrong, and what to do about it.
#[must_use]
pub fn problem(view: &ProblemView) -> Markup {
    let signed_in = view.viewer.as_ref().is_some_and(|viewer| viewer.signed_in);
    let title = if view.status == 400 { "That can't be done" } else { view.title };
    let body = html! {
        div class="narrow" {
            p class="muted" { "Error " (view.status) }
            h1 { (title) }
            @if !view.detail.is_empty() { p class="detail sentence" { (prose(&view.detail)) } }
            @match view.status {
                401 => p { a href="/sign-in" { "Sign in" } " with a token to go on." },
                403 if !signed_in => {
                    p { "If you have a token that may do this, " a href="/sign-in" { "sign in" } " with it." }
                }
                403 => p { "Ask whoever runs the server for a token with another role." },
                404 => p { "It may have been removed, or its address is mistyped." },
                429 | 503 => p { "Try again in a moment: load this page once more, or go back." },
                500.. => p { "The server's log says more; its lines carry the same request id as this answer." },
                _ => {},
            }
            p class="actions" {
                @if let Some(from) = &view.from { a class="button primary" href=(from) data-back { "Back" } }
                a class="button" href="/" { "To the first page" }
            }
        }
    };
    layout(title, view.viewer.as_ref(), Needs::Stillness, &body)
}
