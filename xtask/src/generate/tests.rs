//! Each rule is broken once in a small catalogue, which must then be refused with the place and the rule.

use std::fs;
use std::path::{Path, PathBuf};

use super::catalogue::{Catalogue, constant_name};
use super::raw::Raw;
use super::{Output, check, compare, docs, outputs, run, rust, write};

const EVENTS: &str = r#"
[families]
smtp = "Sessions."

[[event]]
id = 0
name = "smtp.connection-start"
level = "debug"
description = "Connection opened"
span = "start"
metric = true
history = true

[[event]]
id = 1
name = "smtp.raw-input"
level = "trace"
description = "Bytes received"
raw-io = true
"#;

const OWN_EVENTS: &str = r#"
[families]
spool = "The event log."

[[event]]
id = 1024
name = "spool.truncated"
level = "warn"
description = "Spool cut off"
history = true
"#;

const KEYS: &str = r#"
[[key]]
id = 0
name = "remoteIp"
kebab = "remote-ip"
type = "ip"
description = "Address of the client."

[[key]]
id = 1024
name = "node"
kebab = "node"
type = "string|list"
description = "Host."
"#;

const METRICS: &str = r#"
[[metric]]
id = 0
name = "smtp.connection-start"
kind = "counter"
unit = "count"
history = true

[[metric]]
id = 1
name = "message.size"
kind = "histogram"
unit = "bytes"
description = "Size of messages"
community-export = true
bounds = [500, 1_000_000]
"#;

const ALIASES: &str = r#"
[events]
"smtp.opened" = "smtp.connection-start"

[keys]
clientIp = "remoteIp"
"#;

/// The files of the small catalogue, by path below `catalogue/`.
const FILES: [(&str, &str); 5] = [
    ("events/smtp.toml", EVENTS),
    ("events/own.toml", OWN_EVENTS),
    ("keys.toml", KEYS),
    ("metrics.toml", METRICS),
    ("aliases.toml", ALIASES),
];

/// A folder with the small catalogue in it, removed at the end of the test.
struct Workspace {
    root: PathBuf,
}

impl Workspace {
    fn new(test: &str) -> Self {
        let root = std::env::temp_dir().join(format!("xtask-gen-{test}-{}", std::process::id()));
        fs::create_dir_all(root.join("catalogue/events")).unwrap();
        for (path, text) in FILES {
            fs::write(root.join("catalogue").join(path), text).unwrap();
        }
        Self { root }
    }

    fn catalogue(&self) -> Catalogue {
        let raw = Raw::read(&self.root.join("catalogue")).unwrap();
        check::check(&raw).unwrap()
    }

    /// The problems after `old` has been replaced by `new` in one file, which is then restored.
    fn problems(&self, path: &str, old: &str, new: &str) -> String {
        let (_, text) = FILES.iter().find(|(p, _)| *p == path).unwrap();
        assert!(text.contains(old), "{path} holds no {old}");
        let path = self.root.join("catalogue").join(path);
        fs::write(&path, text.replacen(old, new, 1)).unwrap();
        let problems = outputs(&self.root).map(|_| ()).unwrap_err();
        fs::write(&path, text).unwrap();
        problems
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // A folder left behind in the temporary directory does no harm.
        let _ = fs::remove_dir_all(&self.root);
    }
}

#[test]
fn every_broken_event_rule_is_named() {
    let workspace = Workspace::new("events");
    for (old, new, problem) in [
        (
            r#"level = "debug""#,
            r#"level = "loud""#,
            "catalogue/events/smtp.toml: event `smtp.connection-start`: `level` is `loud`; \
             allowed: trace, debug, info, warn, error",
        ),
        (r#"level = "debug""#, "", "`level` is ``; allowed: trace"),
        (
            "id = 0",
            "id = 1",
            "`id` is `1`; allowed: a value of its own; event `smtp.connection-start`",
        ),
        ("id = 0", "id = 4096", "`id` is `4096`; allowed: 0 to 4095"),
        ("id = 0", "id = -1", "`id` is `-1`; allowed: 0 to 4095"),
        ("id = 0", "", "`id` is `missing`"),
        (
            "id = 0",
            "id = 2",
            "catalogue/events: id 0: `id` is `missing`",
        ),
        (
            "id = 0",
            "id = 1025",
            "in catalogue/events/own.toml; own ids begin at 1024",
        ),
        (
            "smtp.raw-input",
            "smtp.connection-start",
            "`name` is `smtp.connection-start`; allowed: a value",
        ),
        (
            "smtp.raw-input",
            "smtp.Raw",
            "`name` is `smtp.Raw`; allowed: a family and a name",
        ),
        (
            "smtp.raw-input",
            "pop3.raw-input",
            "`name` is `pop3.raw-input`; allowed: a family that",
        ),
        (
            "\"start\"",
            "\"begin\"",
            "`span` is `begin`; allowed: start, end",
        ),
        (
            "raw-io = true",
            "raw-io = true\nmetric = true",
            "raw input and output is never counted",
        ),
        (
            "Bytes received",
            "",
            "`description` is ``; allowed: 1 to 60 characters",
        ),
        (
            "Bytes received",
            "Connection opened",
            "`description` is `Connection opened`; allowed: a value",
        ),
        (
            "Bytes received",
            "bytes received",
            "allowed: text that begins with a capital letter",
        ),
        (
            "Bytes received",
            "Bytes received.",
            "allowed: text without a full stop",
        ),
        (
            "Bytes received",
            "Bytes (all)",
            "allowed: text without control characters",
        ),
        (
            "Bytes received",
            "Smtp.raw-input",
            "allowed: text that says more than the name",
        ),
        (
            "Bytes received",
            &"B".repeat(61),
            "allowed: 1 to 60 characters",
        ),
        (
            "[families]",
            "[families]\nimap = \"Sessions.\"",
            "`imap`; allowed: families that have events",
        ),
        (
            "Sessions.",
            "Sessions",
            "`smtp` is `Sessions`; allowed: a sentence",
        ),
        ("raw-io = true", "raw = true", "unknown field `raw`"),
    ] {
        let problems = workspace.problems("events/smtp.toml", old, new);
        assert!(problems.contains(problem), "{old} -> {new}: {problems}");
    }
}

#[test]
fn every_broken_rule_of_keys_metrics_and_aliases_is_named() {
    let workspace = Workspace::new("others");
    for (path, old, new, problem) in [
        (
            "events/own.toml",
            "id = 1024",
            "id = 2",
            "in catalogue/events/spool.toml",
        ),
        (
            "keys.toml",
            "id = 1024",
            "id = 0",
            "`id` is `0`; allowed: a value of its own; key `remoteIp`",
        ),
        (
            "keys.toml",
            "id = 0",
            "id = 1",
            "catalogue/keys.toml: id 0: `id` is `missing`",
        ),
        (
            "keys.toml",
            "remote-ip",
            "remote_ip",
            "`kebab` is `remote_ip`; allowed: remote-ip",
        ),
        (
            "keys.toml",
            "\"remoteIp\"",
            "\"remote-ip\"",
            "`name` is `remote-ip`; allowed: a word in camelCase",
        ),
        (
            "keys.toml",
            "name = \"node\"",
            "name = \"remoteIP\"",
            "`spelling of name` is `remoteip`",
        ),
        (
            "keys.toml",
            "string|list",
            "string|text",
            "`type` is `text`; allowed: string, uint",
        ),
        (
            "keys.toml",
            "Host.",
            "Host <b>.",
            "without <>[] outside backticks",
        ),
        (
            "metrics.toml",
            "counter",
            "count",
            "`kind` is `count`; allowed: counter, gauge, histogram",
        ),
        (
            "metrics.toml",
            "bytes",
            "miles",
            "`unit` is `miles`; allowed: count, bytes",
        ),
        (
            "metrics.toml",
            "id = 1\n",
            "id = 0\n",
            "`id` is `0`; allowed: a value of its own",
        ),
        (
            "metrics.toml",
            "id = 1\n",
            "id = 1024\n",
            "`id` is `1024`; allowed: 0 to 1023",
        ),
        (
            "metrics.toml",
            "500, 1_000_000",
            "500, 500",
            "for a histogram, rising numbers",
        ),
        (
            "metrics.toml",
            "500, 1_000_000",
            "-1, 500",
            "for a histogram, rising numbers",
        ),
        (
            "metrics.toml",
            "histogram",
            "gauge",
            "`bounds` is `[500, 1000000]`; allowed: absent",
        ),
        (
            "metrics.toml",
            "Size of messages",
            "",
            "`description` is ``",
        ),
        (
            "metrics.toml",
            "kind = \"counter\"",
            "kind = \"counter\"\ndescription = \"Connections\"",
            "absent, because a counter takes it from its event",
        ),
        (
            "metrics.toml",
            "kind = \"counter\"",
            "kind = \"counter\"\ncommunity-export = true",
            "absent, because a counter is always exported",
        ),
        (
            "metrics.toml",
            "smtp.connection-start",
            "smtp.raw-input",
            "the name of an event that has metric",
        ),
        (
            "metrics.toml",
            "smtp.connection-start",
            "smtp.raw-input",
            "a counter for each event that has",
        ),
        (
            "aliases.toml",
            "= \"smtp.connection-start\"",
            "= \"smtp.x\"",
            "`current name` is `smtp.x`",
        ),
        (
            "aliases.toml",
            "smtp.opened",
            "smtp.raw-input",
            "`old name` is `smtp.raw-input`",
        ),
        (
            "aliases.toml",
            "\"remoteIp\"",
            "\"clientIp\"",
            "`current name` is `clientIp`",
        ),
        (
            "aliases.toml",
            "clientIp",
            "remoteIP",
            "of which no key has a spelling",
        ),
    ] {
        let problems = workspace.problems(path, old, new);
        assert!(
            problems.contains(problem),
            "{path}: {old} -> {new}: {problems}"
        );
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let workspace = Workspace::new("all");
    let keys = KEYS
        .replace("\"ip\"", "\"address\"")
        .replace("Host.", "Host");
    fs::write(workspace.root.join("catalogue/keys.toml"), keys).unwrap();
    let problems = outputs(&workspace.root).map(|_| ()).unwrap_err();
    assert_eq!(problems.lines().count(), 2, "{problems}");
}

#[test]
fn tables_hold_ids_flags_and_all_spellings() {
    let text = rust::render(&Workspace::new("tables").catalogue());
    for line in [
        "    /// Connection opened (`smtp.connection-start`).",
        "    pub const SMTP_CONNECTION_START: EventType = EventType(0);",
        "    pub const REMOTE_IP: Key = Key(0);",
        "pub(crate) static REFERENCE_EVENTS: [EventInfo; 2] = [",
        "    EventInfo { id: 0, name: \"smtp.connection-start\", description: \"Connection opened\", \
         level: Level::Debug, flags: 25 },",
        "    EventInfo { id: 1, name: \"smtp.raw-input\", description: \"Bytes received\", \
         level: Level::Trace, flags: 4 },",
        "pub(crate) static OWN_EVENTS: &[EventInfo] = &[",
        "    MetricInfo { id: 0, name: \"smtp.connection-start\", description: \"Connection opened\", \
         kind: MetricKind::Counter, unit: \"count\", flags: 3, bounds: &[] },",
        "    MetricInfo { id: 1, name: \"message.size\", description: \"Size of messages\", \
         kind: MetricKind::Histogram, unit: \"bytes\", flags: 2, bounds: &[500, 1_000_000] },",
    ] {
        assert!(text.lines().any(|l| l == line), "no line {line} in {text}");
    }
    let names = "    (\"smtp.connection-start\", 0),\n    (\"smtp.opened\", 0),\n    (\"smtp.raw-input\", 1),\n";
    assert!(text.contains(names), "{text}");
    for spelling in [
        "clientIp",
        "client-ip",
        "clientip",
        "remoteIp",
        "remote-ip",
        "remoteip",
    ] {
        assert!(
            text.contains(&format!("    ({spelling:?}, 0),\n")),
            "no {spelling}"
        );
    }
}

#[test]
fn pages_list_flags_and_old_names() {
    let catalogue = Workspace::new("pages").catalogue();
    let events = docs::events(&catalogue);
    assert!(events.contains("| `smtp.connection-start` | debug | Connection opened | SCH | 0 |\n"));
    assert!(events.contains("| `smtp.opened` | `smtp.connection-start` |\n"));
    assert!(docs::keys(&catalogue).contains("| `node` | string or list | Host. | 1024 |\n"));
    let metrics = docs::metrics(&catalogue);
    assert!(metrics.contains("| `message.size` | bytes | Size of messages |  | yes | 1 |\n"));
    assert!(metrics.contains("| `message.size` | 500, 1000000 |\n"));
}

#[test]
fn check_names_the_file_that_differs() {
    let workspace = Workspace::new("check");
    let outputs = outputs(&workspace.root).unwrap();
    let missing = compare(&workspace.root, &outputs).unwrap_err();
    assert_eq!(missing.lines().count(), outputs.len(), "{missing}");
    write(&workspace.root, &outputs).unwrap();
    compare(&workspace.root, &outputs).unwrap();

    let changed = [Output {
        path: "docs/reference/keys.md",
        text: "changed".to_owned(),
    }];
    let problem = compare(&workspace.root, &changed).unwrap_err();
    assert!(
        problem.starts_with("docs/reference/keys.md differs"),
        "{problem}"
    );
}

#[test]
fn only_known_arguments_are_taken() {
    let workspace = Workspace::new("arguments");
    let problem = run(&workspace.root, &["--chek"]).unwrap_err();
    assert_eq!(
        problem,
        r#"arguments of gen are ["--chek"]; allowed: none or --check"#
    );
}

/// The checked-in files belong to the checked-in data, and its numbering is the reference's.
#[test]
fn checked_in_files_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    run(root, &["--check"]).unwrap();
    let raw = Raw::read(&root.join("catalogue")).unwrap();
    let catalogue = check::check(&raw).unwrap();
    let reference = catalogue.events.iter().filter(|e| !e.is_own()).count();
    assert_eq!((reference, catalogue.metrics.len()), (637, 369));
    assert_eq!(catalogue.keys.iter().filter(|k| !k.is_own()).count(), 66);
}

#[test]
fn constants_follow_the_names() {
    assert_eq!(
        constant_name("message-ingest.imap-append"),
        "MESSAGE_INGEST_IMAP_APPEND"
    );
    assert_eq!(constant_name("mail-auth.base64"), "MAIL_AUTH_BASE64");
    assert_eq!(constant_name("uidValidity"), "UID_VALIDITY");
}
