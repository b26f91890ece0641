//! Accounts, keys and cookies over HTTP.

use std::io::Read as _;
use std::sync::Arc;

use serde_json::{Value, json};
use tidings_admin::Role;
use tidings_admin::describe::Object;

use super::{NDJSON, Running, TOKEN, event, get, post};
use crate::clock;
use crate::manage::{Identity, Write, access};

const API: &str = "[http]\napi = true\n";

/// An account with a random password.
pub(super) fn account(server: &Running, name: &str, role: Role) -> String {
    let new = access::New {
        name,
        role,
        domains: &[],
    };
    let made = access::make(&server.registry, new, "test", clock::now_ns());
    made.unwrap().password
}

fn key(server: &Running, value: Value) -> String {
    let mut value = value.as_object().unwrap().clone();
    let (object, who) = (
        Object::named("ApiKey").unwrap(),
        Identity::local("test", Role::Admin),
    );
    let now_ns = clock::now_ns();
    let shown = server
        .app
        .access
        .prepare(object, None, &mut value, None, &who, now_ns)
        .unwrap();
    let put = Write::Put {
        object: "ApiKey",
        id: server.registry.new_id(now_ns),
        value,
    };
    server.registry.commit(&[put], "test", now_ns).unwrap();
    shown["secret"].as_str().unwrap().to_owned()
}

fn id(server: &Running, name: &str) -> String {
    let all = access::list(&server.registry).unwrap();
    let found = all.iter().find(|stored| stored.value["name"] == name);
    found.unwrap().id.to_string()
}

pub(super) fn get_with(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n")
}

fn basic(name: &str, password: &str) -> String {
    use base64::Engine as _;
    let shown = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    format!("Authorization: Basic {shown}\r\n")
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

pub(super) fn json_of(answer: &str) -> Value {
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    serde_json::from_str(body.trim()).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// Signs in as a page does; gives the answer.
fn sign_in(server: &Running, name: &str, password: &str, headers: &str) -> (u16, String) {
    let body = json!({"name": name, "password": password}).to_string();
    let headers = format!("Content-Type: application/json\r\n{headers}");
    server.ask(post("/api/sign-in", &headers, body.as_bytes()))
}

/// The cookie that an answer sets.
fn cookie(answer: &str) -> String {
    let line = answer
        .lines()
        .find(|line| line.starts_with("set-cookie: "))
        .unwrap();
    line["set-cookie: ".len()..]
        .split(';')
        .next()
        .unwrap()
        .to_owned()
}

const OWN: &str = "Origin: http://localhost\r\n";

#[test]
fn who_shows_nothing_or_something_wrong_is_told_how() {
    let server = Running::with(API);
    let wrongs = [
        "".to_owned(),
        bearer("tidk_x"),
        bearer(TOKEN),
        basic("a", "b"),
        "Authorization: Basic !\r\n".to_owned(),
    ];
    for headers in wrongs {
        let (status, answer) = server.ask(get_with("/api/account", &headers));
        assert_eq!(status, 401, "{answer}");
        assert!(answer.contains("application/problem+json"));
        let challenges = answer
            .lines()
            .filter(|line| line.starts_with("www-authenticate: "));
        let challenges: Vec<&str> = challenges
            .map(|line| &line["www-authenticate: ".len()..])
            .collect();
        assert_eq!(
            challenges,
            [
                "Bearer realm=\"Tidings\", resource_metadata=\"/.well-known/oauth-protected-resource\"",
                "Basic realm=\"Tidings\"",
            ]
        );
        assert_eq!(json_of(&answer)["status"], 401);
    }
    // Without a token in the settings, whoever is on this machine may hand events in, and no more.
    assert_eq!(
        server.ask(post("/ingest", NDJSON, event("a").as_bytes())).0,
        200
    );
    assert_eq!(server.ask(get("/api/tidings/events")).0, 401);
    assert_eq!(server.ask(get("/healthz")).0, 200);
}

#[test]
fn accounts_keys_the_token_and_the_socket_have_their_rights() {
    let server = Running::with(&format!("[http]\napi = true\ntoken = \"{TOKEN}\"\n"));
    let password = account(&server, "vera", Role::Viewer);
    let who = |headers: &str| {
        let (status, answer) = server.ask(get_with("/api/account", headers));
        assert_eq!(status, 200, "{answer}");
        json_of(&answer)
    };
    let vera = who(&basic("Vera", &password));
    let names = |who: &Value| -> Vec<String> {
        serde_json::from_value(who["permissions"].clone()).unwrap()
    };
    assert_eq!(
        (&vera["name"], &vera["edition"]),
        (&json!("vera"), &json!("enterprise"))
    );
    assert_eq!(names(&vera), Role::Viewer.permissions().names());
    let vera_id = id(&server, "vera");
    let narrow = key(
        &server,
        json!({"accountId": vera_id, "permissions": {"liveMetrics": true}}),
    );
    assert_eq!(names(&who(&bearer(&narrow))), ["liveMetrics"]);
    assert_eq!(
        names(&who(&bearer(TOKEN))),
        Role::Admin.permissions().names()
    );
    let (status, answer) = server.ask_socket(get("/api/account"));
    assert_eq!(
        (status, names(&json_of(&answer))),
        (200, Role::Admin.permissions().names())
    );

    // Who may look may search, but not hand events in; a narrow key may do neither.
    let search = |headers: &str| server.ask(get_with("/api/tidings/events", headers)).0;
    let ingest = |headers: &str| {
        let headers = format!("{NDJSON}{headers}");
        server
            .ask(post("/ingest", &headers, event("a").as_bytes()))
            .0
    };
    let oscar = basic("oscar", &account(&server, "oscar", Role::Operator));
    let vera = basic("vera", &password);
    assert_eq!((search(&vera), ingest(&vera)), (200, 403));
    assert_eq!((search(&oscar), ingest(&oscar)), (200, 200));
    assert_eq!(
        (search(&bearer(&narrow)), ingest(&bearer(&narrow))),
        (403, 403)
    );
    // These searches know no domains, so who sees some only is not let in.
    let scoped = key(
        &server,
        json!({"accountId": vera_id, "domains": {"a.test": true}}),
    );
    assert_eq!(search(&bearer(&scoped)), 403);
    assert_eq!(who(&bearer(&scoped))["domains"], json!(["a.test"]));
}

#[test]
fn a_page_signs_in_and_out_with_a_cookie_that_no_other_page_can_use() {
    let server = Running::with(&format!("[http]\napi = true\ntoken = \"{TOKEN}\"\n"));
    let password = account(&server, "oscar", Role::Operator);
    for headers in ["", "Origin: https://evil.test\r\n", "Origin: null\r\n"] {
        assert_eq!(
            sign_in(&server, "oscar", &password, headers).0,
            403,
            "{headers}"
        );
    }
    let (status, answer) = sign_in(&server, "oscar", &password, OWN);
    assert_eq!(status, 200, "{answer}");
    let set = answer
        .lines()
        .find(|line| line.starts_with("set-cookie: "))
        .unwrap();
    assert!(
        set.starts_with("set-cookie: tidings_session=tids_"),
        "{set}"
    );
    for attribute in [
        "; HttpOnly",
        "; SameSite=Strict",
        "; Path=/",
        "; Max-Age=604800",
    ] {
        assert!(set.contains(attribute), "{set}");
    }
    let cookie = format!("Cookie: other=1; {}\r\n", cookie(&answer));
    assert_eq!(server.ask(get_with("/api/account", &cookie)).0, 200);
    let ingest = |headers: &str| {
        let headers = format!("{NDJSON}{cookie}{headers}");
        server
            .ask(post("/ingest", &headers, event("a").as_bytes()))
            .0
    };
    assert_eq!(ingest(OWN), 200);
    assert_eq!(ingest("X-Tidings-Csrf: 1\r\n"), 200);
    for headers in [
        "",
        "Origin: https://evil.test\r\n",
        "Origin: null\r\nX-Tidings-Csrf: 1\r\n",
    ] {
        assert_eq!(ingest(headers), 401, "{headers}");
    }
    // A page that is served securely has a cookie of its own, which this is not.
    let secure = cookie.replace("tidings_session", "__Host-tidings_session");
    assert_eq!(server.ask(get_with("/api/account", &secure)).0, 401);

    let sign_out =
        |headers: &str| server.ask(post("/api/sign-out", &format!("{cookie}{headers}"), b""));
    assert_eq!(sign_out("Origin: https://evil.test\r\n").0, 403);
    let (status, answer) = sign_out(OWN);
    assert!(
        status == 200 && answer.contains("tidings_session=; Path=/"),
        "{answer}"
    );
    assert_eq!(server.ask(get_with("/api/account", &cookie)).0, 401);
}

#[test]
fn guesses_are_slowed_by_the_address_that_a_trusted_proxy_tells() {
    let server = Running::with("[http]\nplain = true\ntrusted_proxies = [\"127.0.0.1\"]\n");
    let password = account(&server, "vera", Role::Viewer);
    let from = |address: &str, password: &str| {
        let headers = format!("{OWN}X-Forwarded-For: {address}\r\n");
        sign_in(&server, "vera", password, &headers)
    };
    // First from where no guesses come, so that the name need not wait there.
    assert_eq!(from("198.51.100.7", &password).0, 200);
    let guesses: Vec<u16> = (0..7).map(|_| from("192.0.2.1", "wrong wrong").0).collect();
    assert_eq!(&guesses[..5], [401; 5]);
    let (status, answer) = from("192.0.2.1", &password);
    assert_eq!(status, 429, "{guesses:?} {answer}");
    let wait = answer
        .lines()
        .find(|line| line.starts_with("retry-after: "))
        .unwrap();
    assert!(wait["retry-after: ".len()..].parse::<u32>().unwrap() >= 1);
    assert_eq!(from("198.51.100.7", &password).0, 200);
    // Behind a proxy nobody is taken for a process of this machine.
    assert_eq!(
        server.ask(post("/ingest", NDJSON, event("a").as_bytes())).0,
        401
    );
}

#[test]
fn pages_of_named_origins_may_ask_with_tokens() {
    let server = Running::with("[http]\ncors_origins = [\"https://page.test\"]\n");
    let before = |origin: &str| {
        let request = format!(
            "OPTIONS /api/account HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: authorization\r\n\r\n"
        );
        server.ask(request)
    };
    let (status, answer) = before("https://page.test");
    assert_eq!(status, 204, "{answer}");
    assert!(
        answer.contains("access-control-allow-origin: https://page.test\r\n"),
        "{answer}"
    );
    assert!(answer.contains("access-control-allow-headers: authorization, content-type\r\n"));
    assert!(!answer.contains("allow-credentials"));
    let (status, answer) = before("https://evil.test");
    assert!(
        status == 405 && !answer.contains("access-control"),
        "{answer}"
    );
    let (status, answer) = server.ask(get_with("/api/account", "Origin: https://page.test\r\n"));
    assert!(status == 401 && answer.contains("access-control-allow-origin: https://page.test"));
}

#[test]
fn tokens_for_streams_need_the_streams_permission() {
    let server = Running::with(API);
    let password = account(&server, "vera", Role::Viewer);
    let vera = basic("vera", &password);
    for stream in ["tracing", "metrics"] {
        let (status, answer) = server.ask(get_with(&format!("/api/token/{stream}"), &vera));
        let body = answer.split("\r\n\r\n").nth(1).unwrap();
        assert!(
            status == 200 && body.starts_with("tidl_") && body.len() == 48,
            "{answer}"
        );
        assert!(answer.contains("cache-control: no-cache"));
    }
    assert_eq!(server.ask(get_with("/api/token/x", &vera)).0, 404);
    let none = key(
        &server,
        json!({"accountId": id(&server, "vera"), "permissions": {"sysTracerGet": true}}),
    );
    assert_eq!(
        server.ask(get_with("/api/token/tracing", &bearer(&none))).0,
        403
    );
}

#[test]
fn tls_is_spoken_and_another_certificate_is_used_when_the_files_change() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = (dir.path().join("c.pem"), dir.path().join("k.pem"));
    let write = || {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        made.cert.der().clone()
    };
    let first = write();
    let server = Running::with(&format!(
        "[http]\ntls_certificate = {certificate:?}\ntls_key = {key:?}\n"
    ));
    let password = account(&server, "vera", Role::Viewer);
    let ask = |trusted: &rustls::pki_types::CertificateDer<'static>| {
        let body = json!({"name": "vera", "password": password}).to_string();
        let headers = "Content-Type: application/json\r\nOrigin: https://localhost\r\n";
        by_tls(
            &server,
            trusted,
            &post("/api/sign-in", headers, body.as_bytes()),
        )
    };
    let answer = ask(&first).unwrap();
    assert!(
        answer.contains("set-cookie: __Host-tidings_session=tids_"),
        "{answer}"
    );
    assert!(answer.contains("; Secure"), "{answer}");
    let second = write();
    let tls = server.app.tls.as_ref().unwrap();
    assert!(tls.reload(false).unwrap().contains("read again"));
    assert!(ask(&second).is_ok());
    assert!(ask(&first).unwrap_err().to_string().contains("certificate"));
    // Who speaks no TLS gets no answer, and holds nothing up; nor does who says nothing.
    let _silent = server.tcp();
    let mut plain = server.tcp();
    std::io::Write::write_all(&mut plain, get("/healthz").as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer);
    assert!(!String::from_utf8_lossy(&answer).contains("200 OK"));
    assert!(ask(&second).is_ok());
}

/// Asks by TLS, and trusts this certificate only.
fn by_tls(
    server: &Running,
    trusted: &rustls::pki_types::CertificateDer<'static>,
    request: &[u8],
) -> std::io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, server.tcp());
    std::io::Write::write_all(&mut stream, request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8(answer).unwrap())
}

#[test]
fn accounts_are_managed_by_who_may_do_everything() {
    let server = Running::with(&format!("[http]\napi = true\ntoken = \"{TOKEN}\"\n"));
    let ask = |asked: &Value, headers: &str| {
        let headers = format!("Content-Type: application/json\r\n{headers}");
        let request = post(
            "/api/tidings/accounts",
            &headers,
            asked.to_string().as_bytes(),
        );
        server.ask(request)
    };
    let create = |name: &str, role: &str| json!({"action": "create", "name": name, "role": role, "domains": []});
    let (status, answer) = ask(&create("Oscar", "operator"), &bearer(TOKEN));
    assert_eq!(status, 200, "{answer}");
    let made = &json_of(&answer)["result"][0];
    assert_eq!(
        (&made["name"], &made["role"]),
        (&json!("oscar"), &json!("operator"))
    );
    let oscar = basic("oscar", made["password"].as_str().unwrap());
    assert_eq!(server.ask(get_with("/api/account", &oscar)).0, 200);
    let list = json!({"action": "list"});
    for asked in [
        &list,
        &create("eve", "admin"),
        &json!({"action": "reset", "name": "oscar"}),
    ] {
        assert_eq!(ask(asked, &oscar).0, 403);
        assert_eq!(ask(asked, "").0, 401);
    }
    let (status, answer) = ask(&list, &bearer(TOKEN));
    assert_eq!(status, 200);
    let listed = &json_of(&answer)["result"];
    assert!(listed[0]["lastSignIn"].is_string() && listed[0]["password"].is_null());
    assert!(!answer.contains("argon2"), "{answer}");
    for (name, role, why) in [
        ("oscar", "viewer", "already"),
        ("a b", "viewer", "a name has"),
        ("x", "emperor", "no such role"),
        ("x", "domain-viewer", "at least one"),
    ] {
        let (status, answer) = ask(&create(name, role), &bearer(TOKEN));
        assert!(status == 400 && answer.contains(why), "{answer}");
    }
    // Through the socket, as root or as the server's own user.
    let body = json!({"action": "reset", "name": "oscar"}).to_string();
    let headers = "Content-Type: application/json\r\n";
    let (status, answer) =
        server.ask_socket(post("/api/tidings/accounts", headers, body.as_bytes()));
    assert!(status == 200 && json_of(&answer)["result"][0]["password"].is_string());
    assert_eq!(server.ask(get_with("/api/account", &oscar)).0, 401);
}

/// Calls one method of the management API; gives its result.
fn jmap(server: &Running, headers: &str, name: &str, arguments: Value) -> Value {
    let body = json!({"using": [], "methodCalls": [[name, arguments, "c"]]}).to_string();
    let headers = format!("Content-Type: application/json\r\n{headers}");
    let (status, answer) = server.ask(post("/jmap", &headers, body.as_bytes()));
    assert_eq!(status, 200, "{answer}");
    json_of(&answer)["methodResponses"][0][1].clone()
}

#[test]
fn accounts_and_keys_are_objects_whose_secrets_are_never_shown_again() {
    let server = Running::with(&format!("[http]\ntoken = \"{TOKEN}\"\n"));
    let (token, password) = (bearer(TOKEN), "a long password");
    let alice = json!({"name": "Alice", "role": "admin", "secret": password});
    let set = jmap(
        &server,
        &token,
        "x:Account/set",
        json!({"create": {"a": alice}}),
    );
    let alice = set["created"]["a"]["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{set}"))
        .to_owned();
    let basic = basic("alice", password);
    let key = json!({"description": "backup", "permissions": {"sysTracerGet": true}});
    let set = jmap(
        &server,
        &basic,
        "x:ApiKey/set",
        json!({"create": {"k": key}}),
    );
    let made = &set["created"]["k"];
    let shown = made["secret"].as_str().unwrap_or_else(|| panic!("{set}"));
    let by_key = bearer(shown);
    assert_eq!(server.ask(get_with("/api/account", &by_key)).0, 200);
    let list = jmap(
        &server,
        &token,
        "x:ApiKey/get",
        json!({"ids": [made["id"]]}),
    );
    let kept = &list["list"][0];
    assert_eq!(
        (&kept["secret"], &kept["accountId"]),
        (&json!("****"), &json!(alice))
    );
    assert!(
        kept["lastUse"].is_string() && kept["createdAt"].is_string(),
        "{kept}"
    );
    let list = jmap(&server, &token, "x:Account/get", json!({"ids": [alice]}));
    let kept = &list["list"][0];
    assert_eq!(
        (&kept["secret"], &kept["name"]),
        (&json!("****"), &json!("alice"))
    );
    assert!(kept["lastSignIn"].is_string(), "{kept}");

    // What reads as hidden stays what it is when it is written back.
    let patch = json!({"update": {&alice: {"secret": "****", "description": "her"}}});
    let set = jmap(&server, &token, "x:Account/set", patch);
    assert!(set["updated"].get(&alice).is_some(), "{set}");
    assert_eq!(server.ask(get_with("/api/account", &basic)).0, 200);
    for wrong in [
        json!({"role": "viewer"}),
        json!({"enable": false}),
        json!({"secret": "short"}),
    ] {
        let set = jmap(
            &server,
            &token,
            "x:Account/set",
            json!({"update": {&alice: wrong}}),
        );
        assert!(set["notUpdated"].get(&alice).is_some(), "{set}");
    }
    let set = jmap(
        &server,
        &token,
        "x:ApiKey/set",
        json!({"destroy": [made["id"]]}),
    );
    assert_eq!(set["destroyed"][0], made["id"], "{set}");
    assert_eq!(server.ask(get_with("/api/account", &by_key)).0, 401);
    let set = jmap(
        &server,
        &token,
        "x:Account/set",
        json!({"destroy": [alice]}),
    );
    assert!(set["notDestroyed"].get(&alice).is_some(), "{set}");
}
