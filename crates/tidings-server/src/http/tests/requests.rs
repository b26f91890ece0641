//! What is around every request: ids, problems, limits, and the document of all paths.

use serde_json::Value;
use tidings_admin::Role;

use super::{Running, get, post};
use crate::manage::Identity;

const TOKEN: &str = "[http]\ntoken = \"0123456789abcdef\"\n";

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = answer.lines().take_while(|line| !line.is_empty());
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn with(path: &str, header: &str) -> String {
    get(path).replace("\r\n\r\n", &format!("\r\n{header}\r\n\r\n"))
}

#[test]
fn every_request_has_an_id_which_only_a_trusted_proxy_may_give() {
    let server = Running::with(TOKEN);
    let id = |server: &Running, request: String| {
        let (_, answer) = server.ask(request);
        header(&answer, "x-request-id").unwrap().to_owned()
    };
    let first = id(&server, get("/healthz"));
    assert_ne!(first, id(&server, get("/nothing")));
    let given = with("/healthz", "X-Request-Id: of-the-proxy.7");
    assert_ne!(id(&server, given.clone()), "of-the-proxy.7");
    let server = Running::with(&format!("{TOKEN}trusted_proxies = [\"127.0.0.1\"]\n"));
    assert_eq!(id(&server, given), "of-the-proxy.7");
    for forged in ["a b", "a\u{1b}[0m", &"x".repeat(65), ""] {
        let request = with("/healthz", &format!("X-Request-Id: {forged}"));
        let (_, answer) = server.ask(request);
        assert_ne!(header(&answer, "x-request-id"), Some(forged));
    }
}

#[test]
fn refusals_are_problems_that_the_client_verbs_understand() {
    let server = Running::with(TOKEN);
    for (request, status) in [
        (get("/nothing"), 404),
        (get("/ingest"), 405),
        (get("/api/tidings/events"), 401),
        (get("/api/account"), 401),
    ] {
        let (found, answer) = server.ask(&request);
        assert_eq!(found, status, "{answer}");
        let kind = header(&answer, "content-type");
        assert_eq!(kind, Some("application/problem+json"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let problem: Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["status"], status);
        assert!(!problem["detail"].as_str().unwrap().is_empty(), "{problem}");
    }
    let (_, answer) = server.ask_socket(get("/api/tidings/story"));
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let problem: Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["error"]["code"], "usage", "{problem}");
    assert_eq!(problem["error"]["message"], problem["detail"]);
}

#[test]
fn an_account_has_so_many_requests_at_a_time() {
    let server = Running::with(TOKEN);
    let body = br#"{"using":[],"methodCalls":[]}"#;
    let head = "Content-Type: application/json\r\nAuthorization: Bearer 0123456789abcdef\r\n";
    let request = post("/jmap", head, body);
    let (status, answer) = server.ask(&request);
    assert_eq!(status, 200, "{answer}");
    let who = Identity::local("the settings' token", Role::Admin);
    let requests = &server.app.limits.requests;
    let shares: Vec<_> = std::iter::from_fn(|| requests.take(&who)).collect();
    assert_eq!(shares.len(), 64);
    let (status, answer) = server.ask(&request);
    assert_eq!(status, 400, "{answer}");
    assert!(answer.contains("maxConcurrentRequests"), "{answer}");
    drop(shares);
    assert_eq!(server.ask(&request).0, 200);
}

#[test]
fn the_document_of_all_paths_is_sent_once() {
    let server = Running::with("");
    let (status, answer) = server.ask(get("/api/openapi.json"));
    assert!(status == 200 && answer.contains("\"3.1.0\""), "{answer}");
    let tag = header(&answer, "etag").unwrap();
    let again = with("/api/openapi.json", &format!("If-None-Match: {tag}"));
    let (status, answer) = server.ask(again);
    assert_eq!(status, 304, "{answer}");
}
