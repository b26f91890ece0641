use super::*;

fn raw(variant: &str) -> RawTracer {
    RawTracer {
        name: "main".to_owned(),
        variant: variant.to_owned(),
        path: (variant == "log").then(|| " /var/log/tidings ".to_owned()),
        endpoint: (variant == "otelHttp").then(|| "https://otel.example:4318".to_owned()),
        ..RawTracer::default()
    }
}

#[test]
fn defaults_are_those_of_the_reference() {
    let tracer = Tracer::check(&raw("log")).unwrap();
    assert!(tracer.enable && !tracer.lossy);
    assert_eq!(tracer.level, Level::Info);
    assert_eq!(tracer.selection, EventSelection::default());
    let Variant::Log(log) = tracer.variant else {
        panic!("a log")
    };
    assert_eq!(log.path, PathBuf::from("/var/log/tidings"));
    assert_eq!(
        (log.rotate, log.ansi, log.multiline),
        (Rotate::Daily, true, false)
    );
    for word in ["console", "Stdout"] {
        let tracer = Tracer::check(&raw(word)).unwrap();
        assert_eq!(tracer.variant, Variant::Console(Console::default()));
    }
    let grpc = Tracer::check(&raw("otel_grpc")).unwrap();
    assert_eq!(
        grpc.variant,
        Variant::OtelGrpc(Otel::new("http://localhost:4317"))
    );
    let http = Tracer::check(&raw("otelHttp")).unwrap();
    assert_eq!(
        http.variant,
        Variant::OtelHttp(Otel::new("https://otel.example:4318"))
    );
    assert!(Tracer::check(&raw("journal")).is_ok());
}

#[test]
fn errors_name_object_field_value_and_what_is_allowed() {
    type Change = fn(&mut RawTracer);
    let cases: [(&str, Change, &str); 25] = [
        (
            "log",
            |raw| raw.path = None,
            "Tracer \"main\": path is \"\": it must be a directory",
        ),
        (
            "log",
            |raw| raw.prefix = Some("a/b".into()),
            "Tracer \"main\": prefix is \"a/b\": it must be the beginning",
        ),
        (
            "log",
            |raw| raw.rotate = Some("weekly".into()),
            "Tracer \"main\": rotate is \"weekly\": it must be one of daily, hourly, minutely, never",
        ),
        (
            "log",
            |raw| raw.level = Some("disable".into()),
            "Tracer \"main\": level is \"disable\": it must be one of error, warn, info, debug, trace",
        ),
        (
            "log",
            |raw| raw.rotate_bytes = Some(3),
            "Tracer \"main\": rotateBytes is \"3\": it must be at least 1024",
        ),
        (
            "log",
            |raw| raw.keep_files = Some(0),
            "Tracer \"main\": keepFiles is \"0\": it must be at least 1",
        ),
        (
            "log",
            |raw| raw.events = vec!["delivery.delivred".into()],
            "Tracer \"main\": events is \"delivery.delivred\"",
        ),
        (
            "log",
            |raw| raw.events_policy = Some("only".into()),
            "Tracer \"main\": eventsPolicy is \"only\": it must be one of exclude, include",
        ),
        (
            "log",
            |raw| raw.endpoint = Some("x".into()),
            "Tracer \"main\": endpoint is \"x\": it must be left out in a tracer of type log",
        ),
        ("log", |raw| raw.name = " ".into(), "Tracer: name is \"\""),
        (
            "syslog",
            |_| (),
            "Tracer \"main\": type is \"syslog\": it must be one of log, console",
        ),
        (
            "otelHttp",
            |raw| raw.endpoint = Some("otel:4318".into()),
            "Tracer \"main\": endpoint is \"otel:4318\": it must be a URL",
        ),
        (
            "otelHttp",
            |raw| raw.timeout_ms = Some(0),
            "Tracer \"main\": timeout is \"0\": it must be at least 1",
        ),
        (
            "otelHttp",
            |raw| raw.http_headers = vec![("x".into(), "a\nb".into())],
            "Tracer \"main\": httpHeaders.x is \"…\"",
        ),
        (
            "otelHttp",
            |raw| {
                raw.http_auth = Some(RawHttpAuth {
                    variant: "Basic".into(),
                    ..RawHttpAuth::default()
                })
            },
            "Tracer \"main\": httpAuth.username is \"\"",
        ),
        (
            "log",
            |raw| raw.events_policy = Some("include".into()),
            "Tracer \"main\": events is \"\": it must be at least one event",
        ),
        (
            "otelHttp",
            |raw| raw.endpoint = Some("http://otel:70000".into()),
            "Tracer \"main\": endpoint is \"http://otel:70000\": it must be a URL that begins with http:// or https:// (invalid port number)",
        ),
        (
            "otelHttp",
            |raw| raw.endpoint = Some("http://otel:0".into()),
            "Tracer \"main\": endpoint is \"http://otel:0\": it must be a URL with a port from 1 to 65535",
        ),
        (
            "otelHttp",
            |raw| raw.http_headers = vec![("Content-Length".into(), "1".into())],
            "Tracer \"main\": httpHeaders.Content-Length is \"…\": it must be left out",
        ),
        (
            "otelHttp",
            |raw| raw.http_headers = vec![("hOst".into(), "1".into())],
            "Tracer \"main\": httpHeaders.hOst is \"…\": it must be left out",
        ),
        (
            "otelHttp",
            |raw| raw.http_headers = vec![("Transfer-Encoding".into(), "1".into())],
            "Tracer \"main\": httpHeaders.Transfer-Encoding is \"…\": it must be left out",
        ),
        (
            "otelGrpc",
            |raw| raw.http_headers = vec![("a b".into(), "1".into())],
            "Tracer \"main\": httpHeaders.\"a b\" is \"…\": it must be under a name",
        ),
        (
            "otelGrpc",
            |raw| (raw.enable_log_exporter, raw.enable_span_exporter) = (Some(false), Some(false)),
            "Tracer \"main\": enableSpanExporter is \"false\": it must be true, or",
        ),
        (
            "otelHttp",
            |raw| {
                raw.http_auth = Some(RawHttpAuth {
                    variant: "basic".into(),
                    username: Some("jo:anne".into()),
                    ..RawHttpAuth::default()
                })
            },
            "Tracer \"main\": httpAuth.username is \"jo:anne\": it must be a name without a colon",
        ),
        (
            "journal",
            |raw| raw.socket = Some("relative".into()),
            "Tracer \"main\": socket is \"relative\"",
        ),
    ];
    for (variant, change, expected) in cases {
        let mut raw = raw(variant);
        change(&mut raw);
        let error = Tracer::check(&raw).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error:?} is not {expected:?}");
    }
}

#[test]
fn secrets_are_never_shown() {
    let mut raw = raw("otelHttp");
    raw.http_auth = Some(RawHttpAuth {
        variant: "Bearer".into(),
        secret: Some(RawSecret {
            value: Some("hunter2".into()),
            ..RawSecret::default()
        }),
        ..RawHttpAuth::default()
    });
    let tracer = Tracer::check(&raw).unwrap();
    assert!(!format!("{raw:?} {tracer:?}").contains("hunter2"));
    let Variant::OtelHttp(otel) = tracer.variant else {
        panic!("otel")
    };
    let HttpAuth::Bearer { token } = otel.auth else {
        panic!("bearer")
    };
    assert_eq!(token.resolve("Tracer", "x").unwrap().reveal(), "hunter2");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    std::fs::write(&path, "from file \n\n").unwrap();
    let secret = SecretKey::File(path.clone())
        .resolve("Tracer", "x")
        .unwrap();
    assert_eq!(secret.reveal(), "from file");
    std::fs::write(&path, " \n").unwrap();
    assert!(SecretKey::File(path).resolve("Tracer", "x").is_err());
    let variable = SecretKey::EnvironmentVariable("NO_SUCH_VARIABLE_HERE".into());
    assert_eq!(
        variable
            .resolve("Tracer \"main\"", "httpAuth.secret")
            .unwrap_err()
            .to_string(),
        "Tracer \"main\": httpAuth.secret is \"$NO_SUCH_VARIABLE_HERE\": it must be an environment \
         variable that is set, not empty, and UTF-8"
    );
}

#[test]
fn some_tracers_exclude_each_other() {
    let named = |name: &str, variant: &str, enable: bool| {
        let raw = RawTracer {
            name: name.into(),
            enable: Some(enable),
            ..raw(variant)
        };
        Tracer::check(&raw).unwrap()
    };
    let both = |a, b| check_together(&[a, b]).map_err(|error| error.field);
    assert_eq!(
        both(named("a", "log", true), named("a", "console", true)),
        Err("name".into())
    );
    assert_eq!(
        both(named("a", "journal", true), named("b", "journal", true)),
        Err("enable".into())
    );
    assert_eq!(
        both(named("a", "console", true), named("b", "console", false)),
        Ok(())
    );
    assert_eq!(
        both(named("a", "log", true), named("b", "log", false)),
        Ok(())
    );
}

#[test]
fn two_tracers_do_not_write_the_same_files() {
    let here = std::env::current_dir().unwrap();
    let log = |name: &str, path: &str, prefix: Option<&str>| {
        let raw = RawTracer {
            name: name.into(),
            path: Some(path.into()),
            prefix: prefix.map(str::to_owned),
            ..raw("log")
        };
        Tracer::check(&raw).unwrap()
    };
    let absolute = here.join("logs");
    let absolute = absolute.to_str().unwrap();
    for other in [absolute, "logs", "./x/../logs/"] {
        let error = check_together(&[log("a", absolute, None), log("b", other, None)]);
        let error = error.unwrap_err().to_string();
        assert!(
            error.starts_with(&format!(
                "Tracer \"b\": path is {other:?}: it must be another directory, or another prefix than \
                 \"tidings\", as the tracer \"a\" writes the files {absolute}/tidings there"
            )),
            "{error}"
        );
    }
    let error = check_together(&[
        log("a", "logs", Some("mail")),
        log("b", "logs", Some("mail.1")),
    ]);
    assert!(error.is_err(), "one sets aside under the other's name");
    let both = [
        log("a", "logs", Some("mail")),
        log("b", "logs", Some("mail.log")),
    ];
    assert_eq!(check_together(&both), Ok(()));
    let apart = [log("a", "logs", None), log("b", "logs/b", None)];
    assert_eq!(check_together(&apart), Ok(()));
}
