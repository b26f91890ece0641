//! What scrapers get, and who may scrape.

use super::*;

const DELIVERED: &str = "{\"type\":\"delivery.delivered\",\"data\":{\"to\":\"bob@example.org\",\
                         \"hostname\":\"gmail-smtp-in.l.google.com\",\"code\":250}}\n";

/// Asks until the answer holds `wanted`: events are counted a moment after they are committed.
fn scrape(server: &Running, path: &str, headers: &str, wanted: &str) -> String {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    for _ in 0..200 {
        let (status, answer) = server.ask(&request);
        assert_eq!(status, 200, "{answer}");
        if answer.contains(wanted) {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{path} never shows {wanted}");
}

fn with_events() -> Running {
    let server = Running::with("");
    let body = [&event("alice"), &event("bob"), DELIVERED]
        .map(|line| line.as_bytes())
        .concat();
    assert_eq!(server.ask(post("/ingest", NDJSON, &body)).0, 200);
    server
}

#[test]
fn scrapers_of_the_reference_get_its_names_whatever_they_accept() {
    let server = with_events();
    for accept in ["", "Accept: application/openmetrics-text\r\n"] {
        let answer = scrape(&server, "/metrics/prometheus", accept, "\nauth_failed 2\n");
        assert!(answer.contains("text/plain; version=0.0.4"), "{answer}");
        assert!(
            answer.contains("# TYPE message_size histogram\n"),
            "{answer}"
        );
        assert!(answer.contains("\nserver_memory "), "{answer}");
        assert!(!answer.contains("mail_deliveries"), "{answer}");
    }
}

#[test]
fn everything_is_shown_in_the_format_that_is_asked_for() {
    let server = with_events();
    let answer = scrape(&server, "/metrics", "", "\nauth_failed 2\n");
    assert!(
        answer.contains("mail_deliveries_total{provider=\"google\""),
        "{answer}"
    );
    let open = "Accept: application/openmetrics-text;version=1.0.0\r\n";
    let answer = scrape(&server, "/metrics", open, "\nauth_failed_total 2");
    assert!(
        answer.contains("application/openmetrics-text; version=1.0.0"),
        "{answer}"
    );
    assert!(answer.ends_with("# EOF\n"), "{answer}");
    let answer = scrape(
        &server,
        "/metrics/prometheus?set=tidings&format=openmetrics",
        "",
        "mail_queue_messages",
    );
    assert!(!answer.contains("auth_failed"), "{answer}");
    let (status, answer) = server.ask(get("/metrics?set=others"));
    assert!(
        status == 400 && answer.contains("allowed are reference, tidings, all"),
        "{answer}"
    );
}

#[test]
fn scrapers_show_who_they_are_where_the_settings_say_so() {
    let basic = "Authorization: Basic cHJvbTpsb25nLWVub3VnaC1zZWNyZXQ=\r\n";
    let ask = |server: &Running, headers: &str| {
        let request = format!(
            "GET /metrics/prometheus HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"
        );
        server.ask(request)
    };
    let user = "[metrics]\nusername = \"prom\"\nsecret = \"long-enough-secret\"\n";
    let server = Running::with(user);
    let (status, answer) = ask(&server, "");
    assert!(
        status == 401 && answer.to_lowercase().contains("www-authenticate: basic"),
        "{answer}"
    );
    assert_eq!(
        ask(&server, "Authorization: Basic cHJvbTp3cm9uZw==\r\n").0,
        401
    );
    assert_eq!(ask(&server, basic).0, 200);

    let server = Running::with(&format!("{user}[http]\ntoken = \"{TOKEN}\"\n"));
    assert_eq!(ask(&server, "").0, 401);
    assert_eq!(ask(&server, basic).0, 200);
    assert_eq!(
        ask(&server, &format!("Authorization: Bearer {TOKEN}\r\n")).0,
        200
    );

    let server = Running::with(&format!("[http]\ntoken = \"{TOKEN}\"\n"));
    assert_eq!(ask(&server, basic).0, 401);
    assert_eq!(
        ask(&server, &format!("Authorization: Bearer {TOKEN}\r\n")).0,
        200
    );

    let server = Running::with("[metrics]\nprometheus = false\n");
    assert_eq!(ask(&server, "").0, 404);
    // A page of a foreign site, whose name was made to point here.
    let server = Running::with("");
    assert_eq!(
        server
            .ask("GET /metrics HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n")
            .0,
        401
    );
}

#[test]
fn answers_are_packed_where_the_scraper_can_unpack_them() {
    let server = with_events();
    let request = "GET /metrics HTTP/1.0\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n";
    let mut stream = server.tcp();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let body = answer
        .windows(4)
        .position(|end| end == b"\r\n\r\n")
        .unwrap()
        + 4;
    let mut text = String::new();
    flate2::read::GzDecoder::new(&answer[body..])
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.contains("# TYPE auth_failed counter\n"), "{text}");
    assert!(answer.len() * 3 < text.len());
}
