//! OAuth for web clients of other servers: discovery, the page to sign in on, and tokens (RFC 6749 with
//! PKCE, RFC 8414, 9207, 9728).
//!
//! A client keeps no secret and need not be known; where it may send somebody back to is in the settings
//! (`http.oauth_redirects`), to the letter.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Query, State};
use axum::http::header::{LOCATION, PRAGMA};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::account::{OwnPage, blocking, uncached};
use super::client::Client;
use super::problem::Problem;
use super::sign_in_page::{Page, message};
use super::{App, parameters::Pairs};
use crate::clock;
use crate::manage::access::{
    ACCESS_SECONDS, Asked, Authorization, Denied, Grant, OauthError, Pkce,
};

/// Where our own page takes codes.
const OWN_CALLBACK: &str = "/oauth/callback";

/// `GET /.well-known/oauth-authorization-server` and `/.well-known/openid-configuration`.
pub(super) async fn metadata(client: Client) -> Result<Response, Problem> {
    let own = origin(&client)?;
    let body = json!({
        "issuer": own,
        "authorization_endpoint": format!("{own}/oauth/authorize"),
        "token_endpoint": format!("{own}/oauth/token"),
        "revocation_endpoint": format!("{own}/oauth/revoke"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256", "plain"],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "scopes_supported": ["offline_access"],
        "subject_types_supported": ["public"],
        "authorization_response_iss_parameter_supported": true,
    });
    Ok(uncached("application/json", body.to_string()))
}

/// `GET /.well-known/oauth-protected-resource`.
pub(super) async fn resource(client: Client) -> Result<Response, Problem> {
    let own = origin(&client)?;
    let body = json!({
        "resource": own,
        "authorization_servers": [own],
        "bearer_methods_supported": ["header"],
    });
    Ok(uncached("application/json", body.to_string()))
}

/// `GET /api/discover/{user}`: the same for everybody, so that it tells nobody who has an account.
pub(super) async fn discover(client: Client) -> Result<Response, Problem> {
    let own = origin(&client)?;
    let body = json!({
        "authorization_endpoint": format!("{own}/oauth/authorize"),
        "token_endpoint": format!("{own}/oauth/token"),
        "scopes_supported": ["offline_access"],
    });
    Ok(uncached("application/json", body.to_string()))
}

fn origin(client: &Client) -> Result<String, Problem> {
    client.origin().ok_or_else(|| {
        let why = "the request names no host, or one that is no host's name";
        Problem::new(StatusCode::BAD_REQUEST, why)
    })
}

/// `GET /oauth/authorize`: the page to sign in on.
pub(super) async fn authorize(
    State(app): State<Arc<App>>,
    client: Client,
    pairs: Pairs,
) -> Response {
    let Ok(Query(pairs)) = pairs else {
        return message(
            StatusCode::BAD_REQUEST,
            "The address holds something that is no text.",
        );
    };
    match Wanted::read(&pairs, &client, &app.http.oauth_redirects) {
        Ok(wanted) => wanted.page(StatusCode::OK, None),
        Err(response) => *response,
    }
}

/// `POST /oauth/authorize`: name and password, for a code.
pub(super) async fn signed(
    State(app): State<Arc<App>>,
    client: Client,
    _: OwnPage,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Response {
    let Ok(Form(pairs)) = form else {
        return message(StatusCode::BAD_REQUEST, "This is no form of this server.");
    };
    let wanted = match Wanted::read(&pairs, &client, &app.http.oauth_redirects) {
        Ok(wanted) => wanted,
        Err(response) => return *response,
    };
    let (name, password) = (value(&pairs, "name"), value(&pairs, "password"));
    let now_ns = clock::now_ns();
    let signing = app.access.sign_in(
        name.unwrap_or_default(),
        password.unwrap_or_default(),
        client.address,
        "oauth",
        now_ns,
    );
    let known = signing.await;
    let authorization = wanted.authorization.clone();
    let code = known.and_then(|known| app.access.authorize(authorization, &known, now_ns));
    match code {
        Ok(code) => wanted.back(&client, &[("code", &code)]),
        Err(denied) => {
            let status = match denied {
                Denied::Wrong(_) => StatusCode::UNAUTHORIZED,
                Denied::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
                Denied::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            wanted.page(status, Some(&denied.to_string()))
        }
    }
}

/// What a client wants, checked.
struct Wanted {
    authorization: Authorization,
    state: Option<String>,
    /// The name that it proposes.
    hint: String,
    method: &'static str,
    challenge: String,
}

impl Wanted {
    /// Reads what a client asks with. What is wrong is told to whoever sits there, as long as it is not
    /// sure where to send them back to, and to the client then.
    fn read(
        pairs: &[(String, String)],
        client: &Client,
        redirects: &[String],
    ) -> Result<Wanted, Box<Response>> {
        let here = |why: &str| Err(Box::new(message(StatusCode::BAD_REQUEST, why)));
        let names = [
            "client_id",
            "redirect_uri",
            "response_type",
            "state",
            "code_challenge",
        ];
        for name in names {
            if pairs.iter().filter(|(known, _)| known == name).count() > 1 {
                return here("The application asks for something twice.");
            }
        }
        let Some(id) = value(pairs, "client_id") else {
            return here("The application does not say what it is (client_id).");
        };
        let redirect = value(pairs, "redirect_uri").unwrap_or_default();
        let own = client.origin().map(|own| format!("{own}{OWN_CALLBACK}"));
        if own.as_deref() != Some(redirect) && !redirects.iter().any(|known| known == redirect) {
            return here(
                "The application wants you to be sent to an address that this server does not know. \
                 If it is right, add it to http.oauth_redirects in the settings, to the letter.",
            );
        }
        let state = value(pairs, "state").map(str::to_owned);
        let challenge = value(pairs, "code_challenge").unwrap_or_default();
        let method = match value(pairs, "code_challenge_method") {
            Some("S256") => "S256",
            Some("plain") | None => "plain",
            Some(_) => "",
        };
        let is_open = redirect.starts_with("http://");
        let pkce = Pkce::parse(method, challenge).filter(|_| method == "S256" || is_open);
        let error = match (value(pairs, "response_type"), &pkce) {
            (Some("code"), Some(_)) => None,
            (Some("code"), None) => Some((
                "invalid_request",
                "code_challenge is needed, by S256 where redirect_uri is https",
            )),
            _ => Some(("unsupported_response_type", "response_type must be code")),
        };
        let wanted = Wanted {
            authorization: Authorization {
                client: id.to_owned(),
                redirect_uri: redirect.to_owned(),
                pkce: pkce.unwrap_or(Pkce::S256(String::new())),
            },
            state,
            hint: value(pairs, "login_hint").unwrap_or_default().to_owned(),
            method,
            challenge: challenge.to_owned(),
        };
        if !wanted.is_bounded() {
            return here("The application asks with too long a text.");
        }
        match error {
            Some((error, why)) => {
                let told = [("error", error), ("error_description", why)];
                Err(Box::new(wanted.back(client, &told)))
            }
            None => Ok(wanted),
        }
    }

    fn is_bounded(&self) -> bool {
        let state = self.state.as_ref().map_or(0, String::len);
        self.authorization.is_bounded() && state <= 2_048 && self.hint.len() <= 512
    }

    /// The page to sign in on, with what was wrong before.
    fn page(&self, status: StatusCode, wrong: Option<&str>) -> Response {
        let authorization = &self.authorization;
        let mut hidden = vec![
            ("response_type", "code"),
            ("client_id", &authorization.client),
            ("redirect_uri", &authorization.redirect_uri),
            ("code_challenge", &self.challenge),
            ("code_challenge_method", self.method),
        ];
        if let Some(state) = &self.state {
            hidden.push(("state", state));
        }
        let page = Page {
            client: &authorization.client,
            redirect_uri: &authorization.redirect_uri,
            hint: &self.hint,
            wrong,
            hidden: &hidden,
        };
        page.response(status)
    }

    /// Sends the browser back to the client with this.
    fn back(&self, client: &Client, told: &[(&str, &str)]) -> Response {
        let redirect = &self.authorization.redirect_uri;
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(told);
        if let Some(state) = &self.state {
            query.append_pair("state", state);
        }
        if let Some(own) = client.origin() {
            query.append_pair("iss", &own);
        }
        let joint = if redirect.contains('?') { '&' } else { '?' };
        let location = format!("{redirect}{joint}{}", query.finish());
        let Ok(location) = HeaderValue::from_str(&location) else {
            return message(
                StatusCode::BAD_REQUEST,
                "The application's address is none.",
            );
        };
        let mut response = uncached("text/plain; charset=utf-8", String::new());
        *response.status_mut() = StatusCode::SEE_OTHER;
        response.headers_mut().insert(LOCATION, location);
        response
    }
}

/// `POST /oauth/token`: tokens for a code, or for a refresh token.
pub(super) async fn token(
    State(app): State<Arc<App>>,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Response {
    let Ok(Form(pairs)) = form else {
        return oauth_error("invalid_request", "the body must be a form");
    };
    let needed = |name| value(&pairs, name).map(str::to_owned);
    let Some(client) = needed("client_id") else {
        return oauth_error("invalid_request", "client_id is missing");
    };
    let now_ns = clock::now_ns();
    let access = Arc::clone(&app.access);
    let granting = match value(&pairs, "grant_type") {
        Some("authorization_code") => {
            let (code, redirect, verifier) = (
                needed("code"),
                needed("redirect_uri"),
                needed("code_verifier"),
            );
            let (Some(code), Some(redirect), Some(verifier)) = (code, redirect, verifier) else {
                let why = "code, redirect_uri and code_verifier are needed";
                return oauth_error("invalid_request", why);
            };
            tokio::task::spawn_blocking(move || {
                let asked = Asked {
                    client: &client,
                    redirect_uri: &redirect,
                    verifier: &verifier,
                };
                access.exchange(&code, asked, now_ns)
            })
        }
        Some("refresh_token") => {
            let Some(refresh) = needed("refresh_token") else {
                return oauth_error("invalid_request", "refresh_token is missing");
            };
            tokio::task::spawn_blocking(move || access.refresh(&refresh, &client, now_ns))
        }
        _ => {
            let why = "grant_type must be authorization_code or refresh_token";
            return oauth_error("unsupported_grant_type", why);
        }
    };
    match granting.await {
        Ok(Ok(grant)) => granted(&grant),
        Ok(Err(OauthError::InvalidGrant(why))) => oauth_error("invalid_grant", why),
        Ok(Err(OauthError::Denied(denied))) => Problem::from(denied).into_response(),
        Err(_) => {
            let why = "a thread panicked; the server's console says where";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, why).into_response()
        }
    }
}

/// `POST /oauth/revoke` (RFC 7009): ends what a token belongs to; 200 also where there was none.
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Response, Problem> {
    let pairs = form.map(|Form(pairs)| pairs).unwrap_or_default();
    let Some(token) = value(&pairs, "token").map(str::to_owned) else {
        return Ok(oauth_error("invalid_request", "token is missing"));
    };
    let access = Arc::clone(&app.access);
    blocking(move || access.end(token.as_bytes())).await?;
    Ok(uncached("application/json", "{}".to_owned()))
}

fn granted(grant: &Grant) -> Response {
    let body = json!({
        "access_token": grant.access,
        "refresh_token": grant.refresh,
        "expires_in": ACCESS_SECONDS,
        "token_type": "Bearer",
        "scope": "offline_access",
    });
    unkept(uncached("application/json", body.to_string()))
}

/// What is wrong (RFC 6749, 5.2).
fn oauth_error(error: &str, why: &str) -> Response {
    let body = json!({"error": error, "error_description": why});
    let mut response = uncached("application/json", body.to_string());
    *response.status_mut() = StatusCode::BAD_REQUEST;
    unkept(response)
}

fn unkept(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

fn value<'p>(pairs: &'p [(String, String)], name: &str) -> Option<&'p str> {
    let found = pairs.iter().find(|(known, _)| known == name);
    found
        .map(|(_, value)| value.as_str())
        .filter(|value| !value.is_empty())
}
