//! The rules and the dashboard in `contrib/`: well-formed, tried out, and about metrics that exist.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;
use tidings::meters::FOLDED;
use tidings::meters::own::{EVENTS_LOST, LIVE_FAMILIES, OUTPUT_FAMILIES};
use tidings_event::{FamilyInfo, MetricKind};
use tidings_mail::labels::{Family, QUEUE_MESSAGES};

use crate::sets::{contrib, program};

/// The expressions of the dashboard, with Grafana's variables filled in.
pub(crate) fn dashboard_expressions() -> Vec<String> {
    let text = std::fs::read_to_string(contrib().join("grafana/mail.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let mut found = Vec::new();
    collect(&dashboard, &mut found);
    found
        .into_iter()
        .map(|expression| {
            let filled = expression
                .replace("$__rate_interval", "5m")
                .replace("$instance", ".*");
            assert!(!filled.contains('$'), "{expression}");
            filled
        })
        .collect()
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(expression)) = fields.get("expr") {
                found.push(expression.clone());
            }
            fields.values().for_each(|field| collect(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

/// All metrics with labels.
pub(crate) fn families() -> impl Iterator<Item = &'static FamilyInfo> {
    let mail = Family::ALL.into_iter().map(Family::info);
    mail.chain([&QUEUE_MESSAGES])
        .chain(&OUTPUT_FAMILIES)
        .chain(&LIVE_FAMILIES)
        .chain([&EVENTS_LOST, &FOLDED])
}

/// Every series name of the set with labels, with the labels that it has.
fn series() -> BTreeMap<String, BTreeSet<&'static str>> {
    let mut series = BTreeMap::new();
    for info in families() {
        for name in names_of(info) {
            let mut labels: BTreeSet<_> = info.labels.iter().map(|label| label.name).collect();
            // What Prometheus adds.
            labels.insert("instance");
            if name.ends_with("_bucket") {
                labels.insert("le");
            }
            series.insert(name, labels);
        }
    }
    series
}

fn names_of(info: &FamilyInfo) -> Vec<String> {
    let suffixes: &[&str] = match info.kind {
        MetricKind::Counter => &["_total"],
        MetricKind::Gauge => &[""],
        MetricKind::Histogram => &["_bucket", "_sum", "_count"],
    };
    suffixes
        .iter()
        .map(|suffix| format!("{}{suffix}", info.name))
        .collect()
}

/// The words of an expression outside of quotes, each with the bytes that follow it.
fn words(expression: &str) -> Vec<(&str, &str)> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let (bytes, mut at, mut found) = (expression.as_bytes(), 0, Vec::new());
    while at < bytes.len() {
        if bytes[at] == b'"' {
            at += 2 + expression[at + 1..].find('"').unwrap();
        } else if is_word(bytes[at]) {
            let end = (at..bytes.len())
                .find(|end| !is_word(bytes[*end]))
                .unwrap_or(bytes.len());
            found.push((&expression[at..end], expression[end..].trim_start()));
            at = end;
        } else {
            at += 1;
        }
    }
    found
}

/// Metrics and their labels in an expression that are not in the set.
fn unknown(expression: &str, series: &BTreeMap<String, BTreeSet<&'static str>>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut metric = None;
    for (word, after) in words(expression) {
        let is_label =
            ["=", "!="].iter().any(|sign| after.starts_with(sign)) && !after.starts_with("==");
        if word.starts_with("mail_") || word.starts_with("tidings_") {
            metric = series.get(word);
            if metric.is_none() {
                wrong.push(word.to_owned());
            }
        } else if is_label && metric.is_some_and(|labels| !labels.contains(word)) {
            wrong.push(format!("label {word}"));
        }
    }
    wrong
}

/// The expressions of the rules: the text after `expr:`, up to the next field.
fn rule_expressions() -> Vec<String> {
    let text = std::fs::read_to_string(contrib().join("prometheus/rules.yml")).unwrap();
    let parts = text.split("expr:").skip(1);
    let ends = ["\n        for:", "\n        labels:"];
    parts
        .map(|part| {
            let end = ends.iter().filter_map(|end| part.find(end)).min().unwrap();
            part[..end].trim_start_matches([' ', '|']).trim().to_owned()
        })
        .collect()
}

#[test]
fn every_metric_and_label_that_is_named_exists() {
    let series = series();
    let (rules, dashboard) = (rule_expressions(), dashboard_expressions());
    assert!(rules.len() >= 15 && dashboard.len() >= 20);
    for expression in rules.iter().chain(&dashboard) {
        assert_eq!(unknown(expression, &series), [""; 0], "{expression}");
        assert!(
            expression.contains("mail_") || expression.contains("tidings_"),
            "{expression}"
        );
    }
    // The search does find what is wrong.
    let wrong = "sum by (x) (rate(mail_delivery_total{outcome=\"a\"}[5m])) + tidings_output_up{otput=\"mail_x\"} == 0";
    assert_eq!(
        unknown(wrong, &series),
        ["mail_delivery_total", "label otput"]
    );
}

#[test]
fn promtool_accepts_the_rules_and_tries_them_out() {
    let Some(promtool) = program("promtool") else {
        return;
    };
    for arguments in [
        ["check", "rules", "rules.yml"],
        ["test", "rules", "rules.test.yml"],
    ] {
        let mut command = Command::new(&promtool);
        let output = command
            .current_dir(contrib().join("prometheus"))
            .args(arguments)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&said)
        );
    }
    // Each rule is tried out.
    let read = |name: &str| std::fs::read_to_string(contrib().join(name)).unwrap();
    let (rules, tests) = (
        read("prometheus/rules.yml"),
        read("prometheus/rules.test.yml"),
    );
    for rule in rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
    {
        assert!(
            tests.contains(&format!("alertname: {rule}\n        exp_alerts:")),
            "{rule}"
        );
    }
}
