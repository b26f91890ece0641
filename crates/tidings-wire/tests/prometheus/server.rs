//! Prometheus itself scrapes all forms of all metrics and evaluates the rules and the dashboard.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tidings_wire::prometheus::{Format, Naming};

use crate::contrib::dashboard_expressions;
use crate::sets::{catalogue, contrib, labelled, program, text};

/// How long Prometheus may take for all of it, in steps of a tenth of a second.
const STEPS: usize = 600;

/// Ended when the test ends, however it does.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves each path its set: by the header `Accept`, as our own server does, or in one form.
fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let sets = Arc::new((catalogue(), labelled()));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let sets = sets.clone();
            std::thread::spawn(move || {
                let _ = answer(stream, &sets.0, &sets.1);
            });
        }
    });
    port
}

fn answer(
    mut stream: TcpStream,
    catalogue: &[tidings_event::Reading],
    labelled: &[tidings_event::Reading],
) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut part = [0; 4096];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = stream.read(&mut part)?;
        if count == 0 {
            return Ok(());
        }
        head.extend_from_slice(&part[..count]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let accept = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("accept").then(|| value.trim())
    });
    let format = if path.starts_with("/text/") {
        Format::Text
    } else {
        Format::negotiate(accept)
    };
    let naming = if path.ends_with("/reference") {
        Naming::Reference
    } else {
        Naming::Conventional
    };
    let readings = if path.contains("/labelled/") {
        labelled
    } else {
        catalogue
    };
    let body = text(readings, format, naming);
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        format.content_type(),
        body.len()
    )
}

const JOBS: [(&str, &str); 5] = [
    ("reference", "/text/catalogue/reference"),
    ("text", "/text/catalogue/conventional"),
    ("text-labelled", "/text/labelled/conventional"),
    ("negotiated", "/any/catalogue/conventional"),
    ("negotiated-labelled", "/any/labelled/conventional"),
];

fn start(prometheus: &Path, folder: &Path, metrics_port: u16) -> (Running, u16) {
    let mut settings = format!(
        "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files:\n  - {}\nscrape_configs:\n",
        contrib()
            .join("prometheus/rules.yml")
            .canonicalize()
            .unwrap()
            .display()
    );
    for (job, path) in JOBS {
        settings += &format!(
            "  - job_name: {job}\n    metrics_path: {path}\n    static_configs:\n      - targets: [\"127.0.0.1:{metrics_port}\"]\n"
        );
    }
    let file = folder.join("prometheus.yml");
    std::fs::write(&file, settings).unwrap();
    // A port that is free now.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let mut command = Command::new(prometheus);
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!(
            "--storage.tsdb.path={}",
            folder.join("data").display()
        ))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--enable-feature=exemplar-storage")
        .stdout(Stdio::null())
        .stderr(log);
    (Running(command.spawn().unwrap()), port)
}

/// The `data` of an answer of the API; nothing while there is none.
fn get(port: u16, path: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    let answer: Value = serde_json::from_str(body).ok()?;
    assert_ne!(answer["status"], "error", "{path}: {answer}");
    Some(answer["data"].clone())
}

fn wait_for<T>(what: &str, folder: &Path, mut is_there: impl FnMut() -> Option<T>) -> T {
    for _ in 0..STEPS {
        if let Some(found) = is_there() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    panic!("{what} did not come; Prometheus says:\n{log}");
}

fn query(port: u16, expression: &str) -> Vec<Value> {
    let encoded = expression
        .bytes()
        .fold(String::new(), |out, byte| format!("{out}%{byte:02x}"));
    let data = get(port, &format!("/api/v1/query?query={encoded}")).unwrap();
    data["result"].as_array().unwrap().clone()
}

/// All targets, once each was scraped twice.
fn targets(port: u16) -> Option<Vec<Value>> {
    let data = get(port, "/api/v1/targets?state=active")?;
    let targets = data["activeTargets"].as_array()?.clone();
    for target in &targets {
        assert_eq!(target["lastError"], "", "{target}");
    }
    let is_scraped = |target: &Value| target["health"] == "up";
    (targets.len() == JOBS.len() && targets.iter().all(is_scraped)).then_some(targets)
}

/// All rules, once each was evaluated.
fn rules(port: u16) -> Option<Vec<Value>> {
    let data = get(port, "/api/v1/rules")?;
    let groups = data["groups"].as_array()?;
    let rules: Vec<Value> = groups
        .iter()
        .filter_map(|group| group["rules"].as_array())
        .flatten()
        .cloned()
        .collect();
    for rule in &rules {
        assert_ne!(rule["health"], "err", "{rule}");
    }
    (rules.len() >= 15 && rules.iter().all(|rule| rule["health"] == "ok")).then_some(rules)
}

#[test]
fn prometheus_scrapes_all_forms_and_evaluates_the_rules() {
    let Some(prometheus) = program("prometheus") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (_running, port) = start(&prometheus, folder.path(), serve());
    wait_for("targets", folder.path(), || targets(port));
    wait_for("rules", folder.path(), || rules(port));
    let value = |expression: &str| {
        let found = query(port, expression);
        assert_eq!(found.len(), 1, "{expression}: {found:?}");
        found[0]["value"][1].as_str().unwrap().to_owned()
    };
    // Each form gives as many samples as the others, but for the stamps of creation.
    for (job, other) in [
        ("text", "reference"),
        ("text-labelled", "negotiated-labelled"),
    ] {
        let samples = |job: &str| {
            value(&format!(
                "count({{job=\"{job}\",__name__!~\"(scrape_|up$|ALERTS).*|.*_created\"}})"
            ))
        };
        assert_eq!(samples(job), samples(other), "{job}");
    }
    assert!(
        value("count({job=\"negotiated\",__name__=~\".*_created\"})")
            .parse::<u32>()
            .unwrap()
            > 300
    );
    assert_eq!(value("server_memory_bytes{job=\"text\"}"), "0");
    assert_eq!(
        value("mail_queue_messages{job=\"negotiated-labelled\",state=\"deferred\"}"),
        "90"
    );
    assert_eq!(
        value("tidings_output_lag_seconds{job=\"text-labelled\",output=\"log\"}"),
        "1.53"
    );
    let hostile = "mail_sign_ins_total{job=\"negotiated-labelled\",protocol=\"a\\\\b\\\"c\\nd}\"}";
    assert_eq!(query(port, hostile).len(), 1);
    for expression in dashboard_expressions() {
        query(port, &expression);
    }
    let firing = wait_for("an alert", folder.path(), || {
        let alerts = get(port, "/api/v1/alerts")?["alerts"].as_array()?.clone();
        let is_expected = |alert: &Value| alert["labels"]["alertname"] == "TidingsOutputFailing";
        alerts.into_iter().find(is_expected)
    });
    assert_eq!(firing["labels"]["output"], "a\\b\"c\nd}");
    let exemplars = get(
        port,
        "/api/v1/query_exemplars?query=mail_deliveries_total&start=1699999999&end=1800000000",
    );
    assert_ne!(exemplars.unwrap().as_array().unwrap().len(), 0);
}
