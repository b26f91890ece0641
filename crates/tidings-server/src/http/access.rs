//! Who may do what: by the way a request came, and by what it shows.
//!
//! * Through the socket: whoever the file's owner and group let open it may do everything but manage
//!   accounts and let the server read files: that is for root and for the user the server runs as,
//!   because the server may be able to read what others must not.
//! * By TCP with credentials (`Authorization: Bearer` with the token of the settings, a key or a token of
//!   OAuth; `Authorization: Basic` with the name and password of an account; the cookie of a page):
//!   what they allow. A cookie changes something only with a proof that the page of this server asks.
//! * By TCP without any, on loopback, where the settings have no token: ingest, health and metrics, if
//!   the request names this machine as its host. A web page that lets its own name point here (DNS
//!   rebinding) does not pass.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, COOKIE, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tidings::emit;
use tidings_admin::Role;

use super::App;
use super::answer::{Refusal, refuse};
use super::client::{Client, Peer};
use super::problem::Problem;
use super::requests::Sender;
use crate::clock;
use crate::manage::Identity;
use crate::manage::access::{Credential, Denied, Known, Stream};

/// The cookie of a page that is served securely: no other host can have set it.
pub(super) const SECURE_COOKIE: &str = "__Host-tidings_session";

/// The cookie of a page that is not.
pub(super) const PLAIN_COOKIE: &str = "tidings_session";

/// Shown by scripts of our own page where the browser sends no origin; others cannot add it without
/// asking first.
const PROOF: &str = "x-tidings-csrf";

/// Somebody who has shown who they are; what they may do is for the handler to ask.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) known: Known,
    pub(super) client: Client,
}

impl Caller {
    /// Who it is.
    pub(crate) fn identity(&self) -> &Identity {
        &self.known.identity
    }

    /// Refuses who has not this permission.
    pub(crate) fn needs(&self, permission: &str) -> Result<(), Problem> {
        let who = self.identity();
        if who.permissions.has(permission) {
            return Ok(());
        }
        told_unauthorized(&who.name, &self.client, permission);
        let why = format!("{} has not the permission {permission}", who.name);
        Err(Problem::new(StatusCode::FORBIDDEN, &why))
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Caller, Problem> {
        let client = Client::of(parts, &app.http);
        let known = known(parts, &client, app).await?;
        let known = known.ok_or_else(|| {
            let why = "sign in, or show a key: Authorization: Bearer KEY";
            Problem::new(StatusCode::UNAUTHORIZED, why)
        })?;
        Ok(Caller { known, client })
    }
}

/// As [`Caller`], where somebody unknown is answered too. Wrong credentials are refused all the same.
#[derive(Debug)]
pub(super) struct MaybeCaller(pub(super) Result<Option<Caller>, Problem>);

impl FromRequestParts<Arc<App>> for MaybeCaller {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &Arc<App>,
    ) -> Result<MaybeCaller, Infallible> {
        let client = Client::of(parts, &app.http);
        let known = known(parts, &client, app).await;
        let caller = known.map(|known| known.map(|known| Caller { known, client }));
        Ok(MaybeCaller(caller.map_err(Problem::from)))
    }
}

/// Somebody who may open a stream: by the token in its address (`?token=`), else as with every other
/// request.
#[derive(Clone, Debug)]
pub(super) struct Streaming(pub(super) Caller);

impl FromRequestParts<Arc<App>> for Streaming {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Streaming, Problem> {
        let stream = match parts.uri.path().contains("metrics") {
            true => Stream::Metrics,
            false => Stream::Tracing,
        };
        let query = parts.uri.query().unwrap_or_default();
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let token = pairs.find(|(name, value)| name == "token" && !value.is_empty());
        let caller = match token {
            None => Caller::from_request_parts(parts, app).await?,
            Some((_, token)) => {
                let client = Client::of(parts, &app.http);
                let (shown, now_ns) = (token.as_bytes(), clock::now_ns());
                let known = app
                    .access
                    .by_stream_token(stream, shown, client.address, now_ns)?;
                Caller { known, client }
            }
        };
        caller.needs(stream.permission())?;
        if caller.identity().domains.is_some() {
            let why =
                "live streams show all mail, and this account may see that of some domains only";
            return Err(Problem::new(StatusCode::FORBIDDEN, why));
        }
        if caller.identity().domains.is_some() {
            let why = "live streams know no domains yet, so who sees the mail of some only cannot open one";
            return Err(Problem::new(StatusCode::FORBIDDEN, why));
        }
        Ok(Streaming(caller))
    }
}

/// A request that may use what is not for everyone: ingest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed;

impl FromRequestParts<Arc<App>> for Allowed {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Allowed, Refusal> {
        check(parts, app, "import").await.map(|_| Allowed)
    }
}

/// Whether a request may see how the server does.
#[derive(Clone, Copy, Debug)]
pub(super) struct IsAllowed(pub(super) bool);

impl FromRequestParts<Arc<App>> for IsAllowed {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &Arc<App>,
    ) -> Result<IsAllowed, Infallible> {
        Ok(IsAllowed(check(parts, app, "sysMetricGet").await.is_ok()))
    }
}

/// A request that may search everything.
#[derive(Clone, Debug)]
pub(super) struct Searching(Peer);

impl FromRequestParts<Arc<App>> for Searching {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Searching, Refusal> {
        let allowed = check(parts, app, "sysTraceQuery").await?;
        let (client, known) = allowed;
        match known {
            None => Err(unknown("searches need a token, a key or an account")),
            // These searches know no domains.
            Some(known) if known.identity.domains.is_some() => Err(refuse(
                StatusCode::FORBIDDEN,
                "this account sees the mail of some domains only; it searches through the management API",
            )),
            Some(_) => Ok(Searching(client.peer)),
        }
    }
}

impl Searching {
    /// Refuses who may not make the server read files.
    pub(super) fn may_read_files(&self) -> Result<(), Refusal> {
        let own = rustix::process::geteuid().as_raw();
        match self.0 {
            Peer::Socket { uid } if is_own(uid) => Ok(()),
            Peer::Socket { .. } => Err(refuse(
                StatusCode::FORBIDDEN,
                &format!(
                    "the server reads files only for root and for its own user (id {own}); run this as one of them"
                ),
            )),
            Peer::Tcp { .. } | Peer::Unknown => Err(refuse(
                StatusCode::FORBIDDEN,
                "the server reads files only for those who ask through its socket; run this on its own machine, \
                 without --server",
            )),
        }
    }
}

/// Whether a user of this machine has the server anyway.
fn is_own(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

/// Whether a request may do something that a permission is for; who asks, if that is known.
async fn check(
    parts: &Parts,
    app: &App,
    permission: &str,
) -> Result<(Client, Option<Known>), Refusal> {
    let client = Client::of(parts, &app.http);
    match known(parts, &client, app).await {
        Ok(Some(known)) if known.identity.permissions.has(permission) => Ok((client, Some(known))),
        Ok(Some(known)) => {
            told_unauthorized(&known.identity.name, &client, permission);
            let why = format!(
                "{} has not the permission {permission}",
                known.identity.name
            );
            Err(refuse(StatusCode::FORBIDDEN, &why))
        }
        Ok(None) => nobody(&client, app).map(|()| (client, None)),
        Err(denied) => Err(refusal(denied)),
    }
}

/// Whether somebody who shows nothing may do what needs no account.
fn nobody(client: &Client, app: &App) -> Result<(), Refusal> {
    let is_behind_proxy = app.http.plain || !app.http.trusted_proxies.is_empty();
    if app.http.token.is_some() || app.http.tls.is_some() || is_behind_proxy || !client.is_local() {
        return Err(unknown(
            "a token is needed: Authorization: Bearer TOKEN, with the settings' or a key",
        ));
    }
    if client.names_loopback() {
        return Ok(());
    }
    Err(refuse(
        StatusCode::MISDIRECTED_REQUEST,
        "the request names another host than this machine's loopback; show a key, or the token of \
         http.token_file, to come by other names",
    ))
}

fn unknown(why: &str) -> Refusal {
    refuse(StatusCode::UNAUTHORIZED, why)
}

fn refusal(denied: Denied) -> Refusal {
    let why = denied.to_string();
    match denied {
        Denied::Wrong(_) => unknown(&why),
        Denied::TooMany(seconds) => {
            super::answer::come_again(StatusCode::TOO_MANY_REQUESTS, &why, seconds)
        }
        Denied::Unavailable(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, &why),
    }
}

/// Who asks, by all that a request can show; `None` where it shows nothing. Told with the request.
async fn known(parts: &Parts, client: &Client, app: &App) -> Result<Option<Known>, Denied> {
    let known = shown(parts, client, app).await?;
    if let (Some(known), Some(sender)) = (&known, parts.extensions.get::<Sender>()) {
        sender.is(&known.identity.name);
    }
    Ok(known)
}

async fn shown(parts: &Parts, client: &Client, app: &App) -> Result<Option<Known>, Denied> {
    if let Peer::Socket { uid } = client.peer {
        return Ok(Some(of_socket(uid)));
    }
    let now_ns = clock::now_ns();
    if let Some(shown) = bearer(&parts.headers) {
        if app.http.token.as_ref().is_some_and(|token| token.is(shown)) {
            return Ok(Some(local("the settings' token", Role::Admin)));
        }
        return app
            .access
            .by_bearer(shown, client.address, now_ns)
            .map(Some);
    }
    if let Some(shown) = basic(&parts.headers) {
        // A scraper's user is no account; who may scrape is asked where that is answered.
        if app
            .metrics
            .settings()
            .user
            .as_ref()
            .is_some_and(|user| user.is(&shown))
        {
            return Ok(None);
        }
        let (name, password) = name_and_password(&shown)
            .ok_or(Denied::Wrong("what is shown as Basic is no name:password"))?;
        let known = app
            .access
            .by_password(name, password, client.address, now_ns);
        return known.await.map(Some);
    }
    match session_cookie(&parts.headers, client) {
        Some(shown) => {
            prove_own_page(parts, client)?;
            let known = app.access.by_page(shown.as_bytes(), client.address, now_ns);
            known.map(Some)
        }
        None => Ok(None),
    }
}

fn of_socket(uid: u32) -> Known {
    match is_own(uid) {
        true => local("the socket", Role::Admin),
        false => local(&format!("the socket (user {uid})"), Role::Operator),
    }
}

fn local(name: &str, role: Role) -> Known {
    Known {
        identity: Identity::local(name, role),
        credential: Credential::Local,
    }
}

/// What changes something must come from a page of this server: a browser sends the cookie also with what
/// others let it ask (cross-site request forgery).
pub(super) fn prove_own_page(parts: &Parts, client: &Client) -> Result<(), Denied> {
    if matches!(parts.method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let is_own = match parts.headers.get(ORIGIN) {
        Some(origin) => client
            .origin()
            .is_some_and(|own| own.as_bytes() == origin.as_bytes()),
        None => parts.headers.contains_key(PROOF),
    };
    if is_own {
        return Ok(());
    }
    Err(Denied::Wrong(
        "the request comes from another page than this server's; with a cookie that is refused",
    ))
}

/// The session that a page shows: only the cookie that was set for how it is served.
pub(super) fn session_cookie<'h>(headers: &'h HeaderMap, client: &Client) -> Option<&'h str> {
    let wanted = cookie_name(client);
    let values = headers.get_all(COOKIE).into_iter();
    let cookies = values.filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|value| value.split(';'));
    let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(name, value)| (name == wanted).then_some(value))
}

/// The name of the cookie for how a page is served.
pub(super) fn cookie_name(client: &Client) -> &'static str {
    if client.is_secure {
        SECURE_COOKIE
    } else {
        PLAIN_COOKIE
    }
}

/// What stands behind a scheme in `Authorization` (RFC 9110, 11.6.2).
fn credentials<'h>(headers: &'h HeaderMap, scheme: &str) -> Option<&'h [u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (shown, rest) = value.split_at_checked(scheme.len())?;
    let rest = rest.strip_prefix(b" ")?;
    shown
        .eq_ignore_ascii_case(scheme.as_bytes())
        .then(|| rest.trim_ascii())
}

/// The token of `Authorization: Bearer TOKEN` (RFC 6750, 2.1).
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    credentials(headers, "bearer")
}

/// `name:password` of `Authorization: Basic …` (RFC 7617); nothing where it is no base64.
fn basic(headers: &HeaderMap) -> Option<Vec<u8>> {
    Some(
        BASE64
            .decode(credentials(headers, "basic")?)
            .unwrap_or_default(),
    )
}

fn name_and_password(shown: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(shown).ok()?.split_once(':')
}

fn told_unauthorized(name: &str, client: &Client, permission: &str) {
    match client.address {
        Some(ip) => emit!(
            Security::Unauthorized,
            account_name = name,
            remote_ip = ip,
            details = permission
        ),
        None => emit!(
            Security::Unauthorized,
            account_name = name,
            details = permission
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_taken_from_their_header() {
        let headers = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            headers
        };
        let shown = |value| bearer(&headers(value)).map(<[u8]>::to_vec);
        assert_eq!(shown("Bearer abc"), Some(b"abc".to_vec()));
        assert_eq!(shown("bearer  abc "), Some(b"abc".to_vec()));
        for value in ["Basic abc", "Bearer", "Bearerabc", "", "abc"] {
            assert_eq!(shown(value), None, "{value}");
        }
        let basic = |value| basic(&headers(value));
        let shown = basic("Basic YTpiOmM=").unwrap();
        assert_eq!(name_and_password(&shown), Some(("a", "b:c")));
        for broken in ["Basic !", "Basic YQ==", "Basic /w=="] {
            assert_eq!(name_and_password(&basic(broken).unwrap()), None, "{broken}");
        }
        assert_eq!(basic("Bearer YTpi"), None);
    }
}
