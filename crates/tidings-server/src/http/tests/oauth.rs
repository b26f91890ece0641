//! A web client of another origin signs in, step by step, and what is refused on the way.

use serde_json::Value;
use tidings_admin::Role;

use super::access::{account, get_with, json_of};
use super::{Running, get, post};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const CALLBACK: &str = "https://page.test/oauth/callback";
const SETTINGS: &str = "[http]\noauth_redirects = [\"https://page.test/oauth/callback\"]\n";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const OWN: &str = "Origin: http://localhost\r\n";

fn encoded(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish()
}

/// What the client asks with.
fn asked() -> Vec<(&'static str, &'static str)> {
    vec![
        ("response_type", "code"),
        ("client_id", "stalwart-webui"),
        ("redirect_uri", CALLBACK),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "a&b\"<c>"),
    ]
}

/// As [`asked`], with one thing otherwise.
fn asked_with(name: &'static str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    let mut pairs = asked();
    pairs.retain(|(known, _)| *known != name);
    pairs.push((name, value));
    pairs
}

fn location(answer: &str) -> &str {
    let line = answer.lines().find(|line| line.starts_with("location: "));
    &line.unwrap_or_else(|| panic!("no location: {answer}"))["location: ".len()..]
}

fn parameter(address: &str, name: &str) -> Option<String> {
    let query = address.split_once('?')?.1;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.into_owned())
}

/// Types name and password into the form.
fn signed(
    server: &Running,
    pairs: &[(&str, &str)],
    password: &str,
    headers: &str,
) -> (u16, String) {
    let mut pairs = pairs.to_vec();
    pairs.extend([("name", "vera"), ("password", password)]);
    let headers = format!("{FORM}{headers}");
    server.ask(post(
        "/oauth/authorize",
        &headers,
        encoded(&pairs).as_bytes(),
    ))
}

fn token(server: &Running, pairs: &[(&str, &str)]) -> (u16, Value) {
    let (status, answer) = server.ask(post("/oauth/token", FORM, encoded(pairs).as_bytes()));
    assert!(answer.contains("no-store"), "{answer}");
    (status, json_of(&answer))
}

#[test]
fn a_web_client_signs_in_asks_and_refreshes() {
    let server = Running::with(SETTINGS);
    let password = account(&server, "vera", Role::Viewer);
    let (status, answer) = server.ask(get("/api/discover/vera%40a.test"));
    let found = json_of(&answer);
    assert_eq!(
        (status, &found["token_endpoint"]),
        (200, &"http://localhost/oauth/token".into())
    );
    let place = found["authorization_endpoint"].as_str().unwrap().to_owned();
    let place = place.strip_prefix("http://localhost").unwrap();
    let (status, page) = server.ask(get(&format!(
        "{place}?{}&login_hint=vera",
        encoded(&asked())
    )));
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("value=\"a&amp;b&quot;&lt;c&gt;\"") && page.contains("value=\"vera\""));
    assert!(
        page.contains("frame-ancestors 'none'")
            && page.contains("form-action 'self' https://page.test;")
    );

    let (status, answer) = signed(&server, &asked(), "wrong wrong wrong", OWN);
    assert!(
        status == 401 && answer.contains("role=\"alert\""),
        "{answer}"
    );
    let (status, answer) = signed(
        &server,
        &asked(),
        &password,
        "Origin: https://evil.test\r\n",
    );
    assert_eq!(status, 403, "{answer}");
    let (status, answer) = signed(&server, &asked(), &password, OWN);
    assert_eq!(status, 303, "{answer}");
    let back = location(&answer);
    assert!(
        back.starts_with(&format!("{CALLBACK}?code=tidc_")),
        "{back}"
    );
    assert_eq!(parameter(back, "state").as_deref(), Some("a&b\"<c>"));
    assert_eq!(parameter(back, "iss").as_deref(), Some("http://localhost"));
    let code = parameter(back, "code").unwrap();

    let mut brought = vec![
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("client_id", "stalwart-webui"),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let (status, given) = token(&server, &brought);
    assert_eq!(
        (status, &given["token_type"]),
        (200, &"Bearer".into()),
        "{given}"
    );
    assert_eq!(given["expires_in"], 3_600);
    let text = |given: &Value, name: &str| given[name].as_str().unwrap().to_owned();
    let ask = |given: &Value| {
        let shown = format!("Authorization: Bearer {}\r\n", text(given, "access_token"));
        server.ask(get_with("/api/account", &shown)).0
    };
    assert_eq!(ask(&given), 200);
    let refresh = text(&given, "refresh_token");
    let refreshing = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh.as_str()),
        ("client_id", "stalwart-webui"),
    ];
    let (status, newer) = token(&server, &refreshing);
    assert_eq!((status, ask(&newer)), (200, 200));
    assert_ne!(text(&newer, "refresh_token"), refresh);
    let other = [refreshing[0], refreshing[1], ("client_id", "other")];
    assert_eq!(token(&server, &other).1["error"], "invalid_grant");

    // The code again: whoever has it may have stolen it, so all that it gave ends.
    assert_eq!(token(&server, &brought).1["error"], "invalid_grant");
    assert_eq!((ask(&given), ask(&newer)), (401, 401));

    // A verifier that does not fit spends the code.
    let (_, answer) = signed(&server, &asked(), &password, OWN);
    let code = parameter(location(&answer), "code").unwrap();
    brought[1] = ("code", &code);
    brought[4] = ("code_verifier", CHALLENGE);
    let (status, answer) = token(&server, &brought);
    assert_eq!((status, &answer["error"]), (400, &"invalid_grant".into()));
    brought[4] = ("code_verifier", VERIFIER);
    assert_eq!(token(&server, &brought).1["error"], "invalid_grant");
}

#[test]
fn nobody_is_sent_where_the_settings_do_not_say() {
    let server = Running::with(SETTINGS);
    let password = account(&server, "vera", Role::Viewer);
    for wrong in [
        "https://page.test/oauth/callback/",
        "https://page.test/oauth/callback?x",
        "https://page.test.evil.test/oauth/callback",
        "http://page.test/oauth/callback",
        "https://evil.test/",
        "",
    ] {
        let pairs = asked_with("redirect_uri", wrong);
        let (status, answer) = server.ask(get(&format!("/oauth/authorize?{}", encoded(&pairs))));
        assert!(
            status == 400 && !answer.contains("location:"),
            "{wrong}: {answer}"
        );
        let (status, answer) = signed(&server, &pairs, &password, OWN);
        assert!(
            status == 400 && !answer.contains("location:"),
            "{wrong}: {answer}"
        );
    }
    // Our own page needs no setting.
    let own = asked_with("redirect_uri", "http://localhost/oauth/callback");
    assert_eq!(signed(&server, &own, &password, OWN).0, 303);
    let mut twice = asked();
    twice.push(("redirect_uri", "https://evil.test/"));
    assert_eq!(signed(&server, &twice, &password, OWN).0, 400);
}

#[test]
fn what_a_client_asks_wrongly_is_told_to_it() {
    let server = Running::with(SETTINGS);
    let cases = [
        (
            asked_with("response_type", "token"),
            "unsupported_response_type",
        ),
        (asked_with("code_challenge", "short"), "invalid_request"),
        // A page that is served securely can hash.
        (
            asked_with("code_challenge_method", "plain"),
            "invalid_request",
        ),
    ];
    for (pairs, error) in cases {
        let (status, answer) = server.ask(get(&format!("/oauth/authorize?{}", encoded(&pairs))));
        let back = location(&answer);
        assert_eq!(
            (status, parameter(back, "error").as_deref()),
            (303, Some(error))
        );
        assert!(back.starts_with(CALLBACK) && parameter(back, "state").is_some());
    }
    for (pairs, error) in [
        (
            vec![("grant_type", "password"), ("client_id", "a")],
            "unsupported_grant_type",
        ),
        (
            vec![("grant_type", "authorization_code")],
            "invalid_request",
        ),
        (
            vec![("grant_type", "refresh_token"), ("client_id", "a")],
            "invalid_request",
        ),
    ] {
        let (status, answer) = token(&server, &pairs);
        assert_eq!((status, &answer["error"]), (400, &error.into()));
    }
}

#[test]
fn discovery_names_the_endpoints() {
    let server = Running::with("");
    for path in ["oauth-authorization-server", "openid-configuration"] {
        let (status, answer) = server.ask(get(&format!("/.well-known/{path}")));
        let found = json_of(&answer);
        assert_eq!(
            (status, &found["issuer"]),
            (200, &"http://localhost".into())
        );
        assert_eq!(found["code_challenge_methods_supported"][0], "S256");
    }
    let (_, answer) = server.ask(get("/.well-known/oauth-protected-resource"));
    assert_eq!(
        json_of(&answer)["authorization_servers"][0],
        "http://localhost"
    );
    let nameless = "GET /api/discover/a HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n";
    assert_eq!(server.ask(nameless).0, 400);
}
