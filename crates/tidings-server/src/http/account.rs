//! Signing in and out for the page, who one is, and tokens for streams.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tidings_admin::Role;
use tidings_cli::{AccountsAsked, Failure};
use tidings_event::Id;

use super::App;
use super::access::{Caller, cookie_name, prove_own_page, session_cookie};
use super::answer::{Refusal, refuse};
use super::client::Client;
use super::problem::Problem;
use crate::clock;
use crate::manage::access::{Denied, PAGE_SECONDS, Stream};
use crate::manage::accounts;

/// What a page sends to sign in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SignIn {
    name: String,
    password: String,
}

/// A request of a page of this server, whoever asks.
pub(super) struct OwnPage(Client, Option<String>);

impl FromRequestParts<Arc<App>> for OwnPage {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<OwnPage, Problem> {
        let client = Client::of(parts, &app.http);
        prove_own_page(parts, &client)
            .map_err(|denied| Problem::new(StatusCode::FORBIDDEN, &denied.to_string()))?;
        let cookie = session_cookie(&parts.headers, &client).map(str::to_owned);
        Ok(OwnPage(client, cookie))
    }
}

/// `POST /api/sign-in`: a cookie for a name and a password.
pub(super) async fn sign_in(
    State(app): State<Arc<App>>,
    OwnPage(client, _): OwnPage,
    body: Result<Json<SignIn>, JsonRejection>,
) -> Result<Response, Problem> {
    let Json(SignIn { name, password }) = body.map_err(|_| {
        let why = "the body must be JSON with the texts name and password";
        Problem::new(StatusCode::BAD_REQUEST, why)
    })?;
    let now_ns = clock::now_ns();
    let signing = app
        .access
        .sign_in(&name, &password, client.address, "page", now_ns);
    let known = signing.await?;
    let shown = json!({"name": known.identity.name});
    let access = Arc::clone(&app.access);
    let session = blocking(move || access.begin_page(&known, now_ns)).await?;
    with_cookie(&client, &session, PAGE_SECONDS, shown)
}

/// `POST /api/sign-out`: the cookie is worth nothing from now on.
pub(super) async fn sign_out(
    State(app): State<Arc<App>>,
    OwnPage(client, cookie): OwnPage,
) -> Result<Response, Problem> {
    if let Some(cookie) = cookie {
        let access = Arc::clone(&app.access);
        blocking(move || access.end(cookie.as_bytes())).await?;
    }
    with_cookie(&client, "", 0, json!({}))
}

/// `GET /api/account`: who one is, and what one may do.
pub(super) async fn account(caller: Caller) -> Response {
    let who = caller.identity();
    let domains = who.domains.as_ref().map(|domains| domains.to_vec());
    let body = json!({
        "permissions": who.permissions.names(),
        "edition": "enterprise",
        "locale": "en_US",
        "name": who.name,
        "domains": domains,
    });
    uncached("application/json", body.to_string())
}

/// `GET /api/token/tracing`, `GET /api/token/metrics`: a token to open that stream with.
pub(super) async fn stream_token(
    State(app): State<Arc<App>>,
    Path(stream): Path<String>,
    caller: Caller,
) -> Result<Response, Problem> {
    let stream = match stream.as_str() {
        "tracing" => Stream::Tracing,
        "metrics" => Stream::Metrics,
        _ => {
            let why = "there is no such stream; there are tracing and metrics";
            return Err(Problem::new(StatusCode::NOT_FOUND, why));
        }
    };
    caller.needs(stream.permission())?;
    let token = app
        .access
        .stream_token(stream, &caller.known, clock::now_ns())?;
    Ok(uncached("text/plain; charset=utf-8", token))
}

/// `POST /api/tidings/accounts`: lists, makes and mends them, for `tidings account`.
pub(super) async fn manage(
    State(app): State<Arc<App>>,
    caller: Caller,
    asked: Result<Json<AccountsAsked>, JsonRejection>,
) -> Result<Response, Refusal> {
    let who = caller.identity();
    let may = match asked {
        Ok(Json(AccountsAsked::List)) => {
            let needed = ["sysAccountGet", "sysAccountQuery"];
            needed.iter().all(|needed| who.permissions.has(needed))
        }
        // Passwords are given here, so this is for those who may do everything anyway.
        _ => *who.permissions == Role::Admin.permissions() && who.domains.is_none(),
    };
    if !may {
        let why = format!("{} may not manage accounts", who.name);
        return Err(refuse(StatusCode::FORBIDDEN, &why));
    }
    let Json(asked) = asked.map_err(|error| refuse(StatusCode::BAD_REQUEST, &error.body_text()))?;
    let by = who.name.clone();
    let done = tokio::task::spawn_blocking(move || {
        let done = accounts::answer(&app.access, &asked, &by)?;
        let is_new = matches!(asked, AccountsAsked::Create { .. });
        let changed = done.iter().filter(|account| account.password.is_some());
        for id in changed.filter_map(|account| Id::parse(&account.id)) {
            app.manager.account_changed(id, is_new, &by);
        }
        Ok(done)
    });
    let done = done
        .await
        .unwrap_or_else(|_| Err(Failure::server("a thread panicked")))?;
    let result = json!({ "result": done });
    Ok(uncached("application/x-ndjson", format!("{result}\n")))
}

/// Runs what writes to the disk on a thread that may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Denied> + Send + 'static,
) -> Result<T, Denied> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Denied::Unavailable("a thread panicked".to_owned())))
}

pub(super) fn uncached(kind: &'static str, body: String) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(
        CACHE_CONTROL,
        HeaderValue::from_static("no-cache, no-store"),
    );
    response
}

fn with_cookie(
    client: &Client,
    session: &str,
    seconds: i64,
    shown: Value,
) -> Result<Response, Problem> {
    let secure = if client.is_secure { "; Secure" } else { "" };
    let name = cookie_name(client);
    let cookie =
        format!("{name}={session}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    let cookie = HeaderValue::from_str(&cookie)
        .map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "no cookie could be made"))?;
    let mut response = uncached("application/json", shown.to_string());
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}
