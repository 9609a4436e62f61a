//! The one place that decides whether a request is let in.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};

use super::{
    Access, Role, Who,
    sessions::{COOKIE, Sessions},
    tokens::{self, Tokens},
};
use crate::{app::App, audit::Entry, config::StartError, error::ApiError};

/// Who is known, and what whoever isn't may do.
#[derive(Debug)]
pub struct Guard {
    file: Option<PathBuf>,
    tokens: RwLock<(Option<SystemTime>, Tokens)>,
    /// What somebody without a token may do.
    anonymous: Option<Role>,
    /// Whether only this machine can reach the server and no tokens are asked for: then only its own names are
    /// answered to, so that no page from elsewhere gets in under a name of its own.
    only_local: bool,
    /// The page's sign-ins.
    pub sessions: Sessions,
}

impl Guard {
    /// The rules for an address.
    ///
    /// # Errors
    /// When the file of tokens is wrong, or the address can be reached by others and nothing says who may come.
    pub fn new(address: IpAddr, file: Option<PathBuf>, anonymous: Option<Role>) -> Result<Self, StartError> {
        let changed = file.as_deref().and_then(modified);
        let known = file.as_deref().map(tokens::read).transpose()?.unwrap_or_default();
        let open = file.is_none() && anonymous.is_none();
        if open && !address.is_loopback() {
            return Err(StartError::Config(format!(
                "{address} can be reached by others: name a file of tokens with --tokens (`report-server token` makes \
                 them), or say with --anonymous viewer or --anonymous operator what everybody may do"
            )));
        }
        Ok(Self {
            file,
            tokens: RwLock::new((changed, known)),
            anonymous: if open { Some(Role::Operator) } else { anonymous },
            only_local: open,
            sessions: Sessions::default(),
        })
    }

    /// Reads the file of tokens again if it has changed. A file that is wrong leaves the tokens as they were.
    pub fn refresh(&self) {
        let Some(file) = &self.file else { return };
        let changed = modified(file);
        if self.tokens.read().unwrap_or_else(PoisonError::into_inner).0 == changed {
            return;
        }
        match tokens::read(file) {
            Ok(known) => *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = (changed, known),
            Err(error) => tracing::error!(%error, "the tokens stay as they were"),
        }
    }

    /// Whether there are tokens to sign in with.
    #[must_use]
    pub fn has_tokens(&self) -> bool {
        self.file.is_some()
    }

    /// Whose token it is, by its digest.
    #[must_use]
    pub fn known(&self, digest: &str) -> Option<(Arc<str>, Role)> {
        self.tokens.read().unwrap_or_else(PoisonError::into_inner).1.get(digest).cloned()
    }

    /// Whoever a request with such headers comes from; `None` for a token or a sign-in that isn't known, and for nobody
    /// where somebody is asked for.
    fn who(&self, headers: &HeaderMap) -> Option<Who> {
        // Where there are no tokens, none is wrong.
        let mut shown = headers.get_all(header::AUTHORIZATION).iter();
        if let Some(value) = shown.next().filter(|_| self.file.is_some()) {
            let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
            let known = (scheme.eq_ignore_ascii_case("bearer") && shown.next().is_none())
                .then(|| self.known(&tokens::digest(token.trim())))??;
            return Some(Who { name: Some(known.0), role: known.1, signed_in: false });
        }
        if let Some(known) =
            session(headers).and_then(|id| self.sessions.token(id)).and_then(|token| self.known(&token))
        {
            return Some(Who { name: Some(known.0), role: known.1, signed_in: true });
        }
        self.anonymous.map(|role| Who { name: None, role, signed_in: false })
    }
}

fn modified(path: &std::path::Path) -> Option<SystemTime> {
    path.metadata().and_then(|meta| meta.modified()).ok()
}

/// The id of the page's sign-in.
#[must_use]
pub fn session(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.flat_map(|all| all.split(';')).find_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// Lets a request in or not, and tells the handler who it comes from.
///
/// # Errors
/// 401, 403, or a redirection to the sign-in for a page.
pub async fn guard(
    State((app, access)): State<(App, Access)>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let headers = request.headers();
    if app.guard.only_local && !is_local_name(headers) {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "this server answers only to localhost: open http://localhost or http://127.0.0.1, or start it with \
             --tokens or --anonymous",
        ));
    }
    let writes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if writes && is_cross_origin(headers) {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "requests from pages of other sites are refused"));
    }
    let who = app.guard.who(headers);
    let sender = who.as_ref().and_then(|who| who.name.clone());
    app.limits.rate(sender.as_deref(), from.ip())?;
    let admitted = who.as_ref().map_or(access == Access::Public, |who| access.admits(who.role));
    let mut response = if admitted {
        let who = who.clone().unwrap_or(Who { name: None, role: Role::Metrics, signed_in: false });
        request.extensions_mut().insert(who);
        next.run(request).await
    } else {
        refusal(&app, access, who.as_ref(), &request).into_response()
    };
    // A page of what went wrong names whoever looks at it, too.
    if let Some(who) = who {
        response.extensions_mut().insert(who);
    }
    Ok(response)
}

fn refusal(app: &App, access: Access, who: Option<&Who>, request: &Request) -> ApiError {
    let route = request.extensions().get::<axum::extract::MatchedPath>().map_or("", |path| path.as_str());
    app.audit.write(Entry::new(who, "refused", &format!("{} {route}", request.method()), "refused"));
    match who {
        // Whoever is let in as anybody, and may sign in as somebody, isn't refused for good.
        Some(who) if who.name.is_some() || !app.guard.has_tokens() => ApiError::new(
            StatusCode::FORBIDDEN,
            format!("a {} may not do this: it takes {access:?}", who.role.as_str()).to_lowercase(),
        ),
        _ if wants_page(request) => {
            let next = request.uri().path_and_query().map_or("/", |path| path.as_str());
            let next = percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC);
            ApiError::instead(Redirect::to(&format!("/sign-in?next={next}")).into_response())
        }
        _ => ApiError::new(StatusCode::UNAUTHORIZED, "send a token that is known: Authorization: Bearer TOKEN")
            .with(header::WWW_AUTHENTICATE, "Bearer"),
    }
}

/// Whether it is a browser that wants to see a page.
#[must_use]
pub fn wants_page(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    !request.uri().path().starts_with("/api/") && accept.is_some_and(|accept| accept.contains("text/html"))
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST).and_then(|host| host.to_str().ok())
}

fn is_local_name(headers: &HeaderMap) -> bool {
    let name = host(headers).map(|host| match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    });
    name.is_some_and(|name| {
        matches!(name, "[::1]")
            || name.eq_ignore_ascii_case("localhost")
            || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    })
}

/// Whether a browser says that another site's page sends this. Programs that aren't browsers say nothing.
fn is_cross_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return true;
    }
    let Some(origin) = text("origin") else { return false };
    origin.split_once("://").map(|(_, host)| host) != host(headers)
}
