//! Good files, wrong files, and what is said about them.

use std::path::Path;

use tidings_sink::settings::{HttpAuth, Variant};

use super::declare::SECTIONS;
use super::read::default_of;
use super::*;

fn read(text: &str) -> Result<Settings, String> {
    parse(Path::new("t.toml"), text).map_err(|failure| failure.sentence())
}

fn refused(text: &str) -> String {
    read(text).expect_err(text)
}

#[test]
fn every_default_is_a_value_that_is_allowed() {
    for section in SECTIONS {
        for key in section.keys {
            assert_eq!(
                default_of(key).is_some(),
                !key.default.is_empty(),
                "{}.{}",
                section.name,
                key.name
            );
        }
    }
}

#[test]
fn without_a_file_the_defaults_apply() {
    let settings = load(None).unwrap();
    assert_eq!(settings, read("").unwrap());
    assert_eq!(settings.http.listen, ["127.0.0.1:8686".parse().unwrap()]);
    assert_eq!(
        (settings.http.connections_max, settings.http.searches_max),
        (256, 4)
    );
    assert_eq!(settings.http.head_timeout, Duration::from_secs(15));
    assert_eq!(settings.http.body_timeout, Duration::from_secs(60));
    assert_eq!(settings.http.stall_timeout, Duration::from_secs(60));
    assert_eq!(settings.ingest.body_bytes_max, 16 << 20);
    assert_eq!(settings.ingest.unpacked_bytes_max, 32 << 20);
    assert_eq!(settings.ingest.waiting_bytes_max, 64 << 20);
    assert_eq!(settings.console_level, Level::Info);
    assert_eq!(
        settings.retention,
        RetentionRules::default(),
        "nothing is ever dropped unasked"
    );
    assert_eq!(settings.samples, SampleRules::default());
    assert_eq!(settings.metrics.collect, Schedule::default());
    assert!(settings.http.api && !settings.demo && settings.sources.is_empty());
}

#[test]
fn every_setting_reaches_its_place() {
    let settings = read(
        r#"
        [[source]]
        paths = ["/var/log/mail.log", "/srv/*/mail.log"]
        start = "beginning"
        timezone = "+02:00"
        year = 2024
        [[source]]
        paths = "/var/log/dovecot.log"
        [http]
        listen = ["0.0.0.0:80", "[::1]:81"]
        plain = true
        token = "0123456789abcdef"
        api = true
        connections = 10
        searches = 2
        head_timeout = "1s"
        body_timeout = "2s"
        stall_timeout = "3s"
        [ingest]
        body = "1MiB"
        unpacked = "2MiB"
        waiting = "3MiB"
        [history]
        keep = "30d"
        keep_imported = "48h"
        keep_metrics = "365d"
        size = "2GiB"
        [console]
        level = "off"
        [metrics]
        collect = "weekly on Sunday at 02:30"
        [demo]
        replay = true
        "#,
    )
    .unwrap();
    assert_eq!(settings.sources.len(), 2);
    let first = &settings.sources[0];
    assert_eq!(first.patterns, ["/var/log/mail.log", "/srv/*/mail.log"]);
    assert_eq!((first.from_beginning, first.year), (true, Some(2024)));
    assert_eq!(first.timezone, "+02:00");
    assert_eq!(
        (
            settings.sources[1].from_beginning,
            settings.sources[1].timezone.as_str()
        ),
        (false, "local")
    );
    let http = &settings.http;
    assert_eq!(
        http.listen,
        ["0.0.0.0:80".parse().unwrap(), "[::1]:81".parse().unwrap()]
    );
    assert!(
        http.api
            && http
                .token
                .as_ref()
                .is_some_and(|token| token.is(b"0123456789abcdef"))
    );
    assert!(
        !http
            .token
            .as_ref()
            .is_some_and(|token| token.is(b"0123456789abcdeX") || token.is(b""))
    );
    assert_eq!((http.connections_max, http.searches_max), (10, 2));
    let seconds =
        [http.head_timeout, http.body_timeout, http.stall_timeout].map(|time| time.as_secs());
    assert_eq!(seconds, [1, 2, 3]);
    let ingest = settings.ingest;
    let bytes = [
        ingest.body_bytes_max,
        ingest.unpacked_bytes_max,
        ingest.waiting_bytes_max,
    ];
    assert_eq!(bytes, [1 << 20, 2 << 20, 3 << 20]);
    let day_ns = 86_400_000_000_000;
    let retention = settings.retention;
    assert_eq!(
        (retention.live_ns, retention.imported_ns),
        (Some(30 * day_ns), Some(2 * day_ns))
    );
    assert_eq!(retention.max_bytes, Some(2 << 30));
    assert_eq!(settings.samples.scheduled_ns, Some(365 * day_ns));
    let sunday = Schedule::Weekly {
        day: 0,
        hour: 2,
        minute: 30,
    };
    assert_eq!(settings.metrics.collect, sunday);
    assert_eq!(settings.console_level, Level::Disable);
    assert!(settings.demo);
}

#[test]
fn a_schedule_that_is_none_is_refused_with_what_is_one() {
    assert_eq!(
        refused("[metrics]\ncollect = \"0 * * * *\"\n"),
        "t.toml, line 2: metrics.collect = \"0 * * * *\": it must be \"hourly at minute 0\", \"daily at 02:00\" \
         or \"weekly on sunday at 02:00\", with any minute, time and day"
    );
}

#[test]
fn unknown_names_are_refused_with_the_nearest_known_one() {
    assert_eq!(
        refused("[http]\napi = false\nlisen = \"127.0.0.1:1\"\n"),
        "t.toml, line 3: there is no setting http.lisen; did you mean listen? allowed are listen, \
         tls_certificate, tls_key, plain, trusted_proxies, cors_origins, oauth_redirects, token, token_file, \
         api, connections, searches, head_timeout, body_timeout, stall_timeout"
    );
    assert_eq!(
        refused("[htpt]\n"),
        "t.toml, line 1: there is no section htpt; did you mean [http]? allowed are [[source]], [http], \
         [ingest], [live], [history], [console], [[tracer]], \
         [[event_level]], [metrics], [otel_metrics], [demo]"
    );
    let far = refused("\n\nwebhooks_of_the_reference = 1\n");
    assert!(
        far.starts_with(
            "t.toml, line 3: there is no section webhooks_of_the_reference: allowed are"
        ),
        "{far}"
    );
}

#[test]
fn wrong_values_are_refused_with_what_is_allowed() {
    assert_eq!(
        refused("[console]\nlevel = \"loud\"\n"),
        "t.toml, line 2: console.level = \"loud\": it must be \"trace\", \"debug\", \"info\", \"warn\", \
         \"error\" or \"off\""
    );
    assert_eq!(
        refused("[http]\nconnections = \"many\""),
        "t.toml, line 2: http.connections = \"many\": it must be a whole number from 1 to 10000"
    );
    assert!(
        refused("[http]\nlisten = \"localhost:80\"")
            .contains("[\"127.0.0.1:8686\", \"[::1]:8686\"]")
    );
    assert!(refused("[[source]]\npaths = []").contains("it must be absolute paths"));
    assert!(refused("[[source]]\nstart = \"end\"").contains("a [[source]] has no paths"));
    assert!(
        refused("[source]\npaths = [\"/a\"]")
            .contains("line 1: source must be a table, begun by [[source]]")
    );
    assert!(refused("[[http]]\n").contains("http must be a table, begun by [http]"));
    assert!(refused("[http\n").contains("t.toml, line 1: this is not TOML: "));
    assert!(
        refused("[http]\napi = true\napi = false")
            .contains("line 3: this is not TOML: duplicate key")
    );
    let long = refused(&format!("[console]\nlevel = \"{}\"", "x".repeat(5000)));
    assert!(long.len() < 300, "{long}");
}

#[test]
fn secrets_are_not_shown() {
    let failure = refused("[http]\ntoken = \"short-secret\"");
    assert!(
        failure.contains("http.token = (not shown)") && !failure.contains("short-secret"),
        "{failure}"
    );
    let settings = read("[http]\ntoken = \"0123456789abcdef\"").unwrap();
    assert!(!format!("{settings:?}").contains("0123456789abcdef"));
}

#[test]
fn what_others_can_reach_needs_tls() {
    for listen in ["0.0.0.0:8686", "[::]:8686", "192.0.2.1:80"] {
        let failure = refused(&format!("[http]\nlisten = [\"127.0.0.1:1\", \"{listen}\"]"));
        assert!(
            failure.contains(listen) && failure.contains("needs TLS"),
            "{failure}"
        );
    }
    let open = "[http]\nlisten = \"0.0.0.0:8686\"\n";
    let token = "token = \"0123456789abcdef\"";
    assert!(refused(&format!("{open}{token}")).contains("needs TLS"));
    assert!(read(&format!("{open}plain = true")).unwrap().http.plain);
    let certificate = "tls_certificate = \"/c.pem\"\n";
    let key = "tls_key = \"/k.pem\"\n";
    assert!(
        read(&format!("{open}{certificate}{key}"))
            .unwrap()
            .http
            .tls
            .is_some()
    );
    assert!(refused(&format!("{open}{certificate}")).contains("set http.tls_key too"));
    assert!(refused(&format!("{open}{key}")).contains("set http.tls_certificate too"));
    assert!(
        refused("[ingest]\nbody = \"128MiB\"").contains("ingest.waiting is less than ingest.body")
    );
}

#[test]
fn the_token_may_come_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let text = format!("[http]\ntoken_file = {:?}", file.to_str().unwrap());
    assert!(refused(&text).starts_with("cannot read http.token_file "));
    std::fs::write(&file, "short\n").unwrap();
    assert!(refused(&text).contains("at least 16 visible ASCII characters"));
    std::fs::write(&file, "0123456789abcdef\n").unwrap();
    assert!(
        read(&text)
            .unwrap()
            .http
            .token
            .is_some_and(|token| token.is(b"0123456789abcdef"))
    );
    let both = format!("{text}\ntoken = \"0123456789abcdef\"");
    assert!(refused(&both).contains("both set; keep one"));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let failure = load(Some(Path::new("/nonexistent/tidings.toml"))).unwrap_err();
    assert_eq!(
        failure.sentence(),
        "cannot read the settings file /nonexistent/tidings.toml: no such file or directory"
    );
}

#[test]
fn the_example_file_is_good_and_names_every_setting() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contrib/tidings.toml");
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(
        read(&text).unwrap(),
        read("").unwrap(),
        "as it is, the example changes nothing"
    );
    for section in SECTIONS {
        for key in section.keys {
            let named = text
                .lines()
                .any(|line| line.starts_with(&format!("#{} = ", key.name)));
            assert!(
                named,
                "contrib/tidings.toml does not show {}.{}",
                section.name, key.name
            );
        }
    }
    // Of a secret's places only one may be given, and the files are not there.
    let elsewhere = [
        "#token = ",
        "#token_file = ",
        "#secret_file = ",
        "#secret_env = ",
    ];
    let uncommented: Vec<&str> = text
        .lines()
        .filter(|line| !elsewhere.iter().any(|start| line.starts_with(start)))
        .map(|line| {
            if line.starts_with("# ") {
                line
            } else {
                line.strip_prefix('#').unwrap_or(line)
            }
        })
        .collect();
    read(&uncommented.join("\n")).unwrap();
}

/// An exporter, begun in line 2 of the file.
fn exporter(more: &str) -> String {
    format!("\n[[tracer]]\ntype = \"otel-http\"\nendpoint = \"http://127.0.0.1:4318\"\n{more}\n")
}

#[test]
fn what_outputs_cannot_use_is_told_with_line_and_name_as_written() {
    let log = "\n[[tracer]]\ntype = \"log\"\n";
    let cases = [
        (
            log.to_owned(),
            "t.toml, line 2: tracer.path is not set: it must be a directory",
        ),
        (
            format!("{log}path = \"/x\"\nevents_policy = \"include\""),
            "t.toml, line 2: tracer.events is not set: it must be at least one event",
        ),
        (
            format!("{log}path = \"/x\"\nevents_policy = \"include\"\nevents = []"),
            "t.toml, line 6: tracer.events = \"\": it must be at least one event",
        ),
        (
            format!("{log}path = \"/x\"\nendpoint = \"http://c\""),
            "t.toml, line 5: tracer.endpoint = \"http://c\": it must be left out in a tracer of type log",
        ),
        (
            format!("{log}path = \"/x\"\n{log}path = \"/y\""),
            "t.toml, line 6: tracer.name = \"log\": it must be a name that no other output has",
        ),
        (
            format!("{log}path = \"/x/../y/\"\n{log}name = \"b\"\npath = \"/y\""),
            "t.toml, line 9: tracer.path = \"/y\": it must be another directory, or another prefix \
             than \"tidings\", as the tracer \"log\" writes the files",
        ),
        (
            exporter("enable_log_exporter = false\nenable_span_exporter = false"),
            "t.toml, line 6: tracer.enable_span_exporter = \"false\": it must be true, or",
        ),
        (
            exporter("http_headers = { X-A = \"1\", Content-Length = \"5\" }"),
            "t.toml, line 5: tracer.http_headers.Content-Length = (not shown): it must be left out",
        ),
        (
            exporter("http_headers = { \"a b\" = \"hidden\" }"),
            "t.toml, line 5: tracer.http_headers.\"a b\" = (not shown): it must be under a name",
        ),
        (
            exporter("http_headers = { a = \"hidd\\u0007en\" }"),
            "t.toml, line 5: tracer.http_headers.a = (not shown): it must be visible ASCII",
        ),
        (
            exporter("http_auth = \"basic\"\nusername = \"a:b\"\nsecret = \"x\""),
            "t.toml, line 6: tracer.username = \"a:b\": it must be a name without a colon",
        ),
        (
            exporter("http_auth = \"basic\"\nusername = \"a\""),
            "t.toml, line 5: tracer.http_auth is \"basic\" without a secret; set secret_file too",
        ),
        (
            exporter("http_auth = \"bearer\"\nsecret = \"x\"\nsecret_env = \"X\""),
            "t.toml, line 7: tracer has more than one of secret, secret_file and secret_env",
        ),
        (
            exporter("secret = \"x\""),
            "t.toml, line 5: tracer has a username or secret without http_auth",
        ),
        (
            "[otel_metrics]\nprotocol = \"http\"\nendpoint = \"http://c:70000\"".to_owned(),
            "t.toml, line 3: otel_metrics.endpoint = \"http://c:70000\": it must be a URL that begins \
             with http:// or https:// (invalid port number)",
        ),
        (
            "[otel_metrics]\nprotocol = \"http\"".to_owned(),
            "t.toml, line 1: otel_metrics.endpoint is not set: it must be a URL",
        ),
        (
            "[metrics]\nusername = \"a:b\"\nsecret = \"x\"".to_owned(),
            "t.toml, line 2: metrics.username = \"a:b\": it must be a name without a colon",
        ),
        (
            "[metrics]\nusername = \"a\"\nsecret_file = \"/dev/null\"".to_owned(),
            "t.toml, line 3: metrics.secret_file = \"/dev/null\": it must be a readable file: it is a \
             device, no regular file",
        ),
        (
            "[http]\ntrusted_proxies = \"10.0.0.0/99\"".to_owned(),
            "t.toml, line 2: http.trusted_proxies = \"10.0.0.0/99\": it must be addresses or networks",
        ),
        (
            "[http]\ncors_origins = [\"https://a.test/\"]".to_owned(),
            "t.toml, line 2: http.cors_origins = [\"https://a.test/\"]: it must be origins of web pages",
        ),
        (
            "[http]\noauth_redirects = [\"javascript:x\"]".to_owned(),
            "t.toml, line 2: http.oauth_redirects = [\"javascript:x\"]: it must be whole addresses",
        ),
    ];
    for (text, expected) in cases {
        let failure = refused(&text);
        assert!(
            failure.starts_with(expected),
            "{failure}\nis not\n{expected}"
        );
        assert!(!failure.contains("hidd"), "{failure}");
    }
    let with_password = refused(&exporter("").replace("127.0.0.1", "jo:s3cret@c"));
    assert!(!with_password.contains("s3cret"), "{with_password}");
}

#[test]
fn a_secret_that_cannot_be_read_is_told_in_words_of_the_file() {
    let settings = read(&exporter(
        "http_auth = \"bearer\"\nsecret_file = \"/dev/null\"",
    ))
    .unwrap();
    let Variant::OtelHttp(otel) = &settings.tracers[0].variant else {
        panic!("{settings:?}")
    };
    let HttpAuth::Bearer { token } = &otel.auth else {
        panic!("{otel:?}")
    };
    let error = token
        .resolve("Tracer \"x\"", "httpAuth.bearerToken")
        .unwrap_err();
    assert_eq!(
        in_words_of_the_file("tracer", &error, &otel.auth),
        "tracer.secret_file = \"/dev/null\": it must be a readable file: it is a device, no regular file"
    );
}

#[test]
fn a_token_file_that_is_no_file_holds_up_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("token");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    let failure = refused(&format!(
        "[http]\ntoken_file = {:?}",
        fifo.to_str().unwrap()
    ));
    assert!(
        failure.contains("it is a FIFO, no regular file"),
        "{failure}"
    );
}
