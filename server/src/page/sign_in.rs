//! The form that takes a token.

use maud::{Markup, html};

use super::layout::{Needs, layout};

/// The form; `next` is the page to go on to.
#[must_use]
pub fn sign_in(failed: bool, next: &str) -> Markup {
    let body = html! {
        div class="narrow" {
            h1 { "Sign in" }
            @if failed {
                p id="token-error" class="notice bad" role="alert" {
                    "This token isn't known. Copy all of it, without spaces; if it still fails, ask for a new one."
                }
            }
            form class="stack" method="post" action="/sign-in" {
                label for="token" { "Token" }
                input type="password" id="token" name="token" required autofocus autocomplete="current-password"
                    spellcheck="false" autocapitalize="off" aria-invalid=[failed.then_some("true")]
                    aria-describedby=(if failed { "token-error token-hint" } else { "token-hint" });
                input type="hidden" name="next" value=(next);
                button type="submit" class="primary" { "Sign in" }
            }
            p id="token-hint" class="muted" {
                "Whoever runs the server makes tokens with "
                code {
                    "report-server token " span class="nowrap" { "--name NAME" } " " span class="nowrap" { "--role viewer" }
                }
                "."
            }
        }
    };
    layout("Sign in", None, Needs::Nothing, &body)
}
