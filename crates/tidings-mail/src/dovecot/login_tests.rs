//! Tests of login lines whose names try to pass for fields.

use super::*;

fn end(text: &str) -> LoginEnd<'_> {
    match read(text.as_bytes()) {
        Some(Says::LoginEnd(end)) => end,
        other => panic!("{text}: {other:?}"),
    }
}

fn login(text: &str) -> Who<'_> {
    match read(text.as_bytes()) {
        Some(Says::Login(who)) => who,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_name_cannot_forge_fields() {
    // Each name below is what a client typed; the true address is 192.0.2.1 throughout.
    let names = [
        "a",
        "",
        "a, b",
        "a>b",
        "a>, rip=198.51.100.9, lip=198.51.100.8, session=<x",
        "a>, method=PLAIN, rip=198.51.100.9",
        "a>, TLS, rip=198.51.100.9, b",
    ];
    for name in names {
        let line = format!(
            "Disconnected (auth failed, 1 attempts in 2 secs): user=<{name}>, method=PLAIN, \
             rip=192.0.2.1, lip=192.0.2.2, TLS, session=<vn+c/A==>"
        );
        let who = end(&line).who;
        assert_eq!(who.user, name.as_bytes(), "{line}");
        assert_eq!(who.rip, scan::ip(b"192.0.2.1"), "{line}");
        assert_eq!(who.session, b"vn+c/A==", "{line}");
        assert_eq!(who.method, b"PLAIN", "{line}");
    }
}

#[test]
fn custom_orders_of_elements() {
    let who = login("Login: user=<a>, session=<s>, rip=192.0.2.1, method=PLAIN, mpid=7, secured");
    assert_eq!(
        (who.user, who.session, who.mpid),
        (&b"a"[..], &b"s"[..], Some(7))
    );
    assert_eq!(who.tls, Tls::Secured);
    let who = login("Login: rip=192.0.2.1, user=<a>, rport=99, real_rip=192.0.2.7");
    assert_eq!((who.user, who.rport), (&b"a"[..], Some(99)));
    assert_eq!(
        (who.rip, who.real_rip),
        (scan::ip(b"192.0.2.1"), scan::ip(b"192.0.2.7"))
    );
    let who =
        login("Login: user=<a> method=PLAIN rip=192.0.2.1 lip=192.0.2.2 mpid=7 TLS session=<s>");
    assert_eq!(
        (who.user, who.method, who.session),
        (&b"a"[..], &b"PLAIN"[..], &b"s"[..])
    );
    assert_eq!(who.mpid, Some(7));
}

#[test]
fn counts_of_attempts() {
    let cases = [
        ("auth failed, 3 attempts in 17 secs", 3, Some(17)),
        ("auth failed, 1 attempts", 1, None),
        ("no auth attempts in 5 secs", 0, Some(5)),
        ("no auth attempts", 0, None),
        ("2 authentication attempts", 2, None),
        (
            "client didn't finish SASL auth, waited 60 secs",
            0,
            Some(60),
        ),
        ("internal failure, 1 successful auths", 0, None),
        ("", 0, None),
    ];
    for (detail, attempts, seconds) in cases {
        assert_eq!(counts(detail.as_bytes()), (attempts, seconds), "{detail}");
    }
}

#[test]
fn causes() {
    let cases = [
        (
            "Disconnected: Inactivity (no auth attempts in 180 secs): user=<>, rip=192.0.2.1",
            LoginCause::Inactivity,
        ),
        (
            "Disconnected (no auth attempts in 0 secs): user=<>, rip=192.0.2.1",
            LoginCause::NoAttempts,
        ),
        ("Aborted login: user=<a>, rip=192.0.2.1", LoginCause::Left),
        (
            "Aborted login (1 authentication attempts): user=<a>, rip=192.0.2.1",
            LoginCause::AuthFailed,
        ),
        ("Aborted login [192.0.2.1]", LoginCause::Left),
        (
            "Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10): user=<a>, rip=192.0.2.1",
            LoginCause::TooManyConnections,
        ),
        (
            "Disconnected: Too many invalid commands (no auth attempts in 1 secs): user=<>, rip=192.0.2.1",
            LoginCause::TooManyCommands,
        ),
        (
            "Disconnected (no auth attempts in 0 secs): user=<>, rip=192.0.2.1, lip=192.0.2.2, TLS handshaking: SSL_accept() failed: error:1408A0C1:SSL routines:a, b:no shared cipher, session=<s>",
            LoginCause::TlsFailed,
        ),
        (
            "Login aborted: Connection closed (auth failed, 1 attempts in 2 secs) (auth_failed): user=<a>, rip=192.0.2.1",
            LoginCause::AuthFailed,
        ),
    ];
    for (line, cause) in cases {
        let read = end(line);
        assert_eq!(read.cause, cause, "{line}");
        assert_eq!(read.who.rip, scan::ip(b"192.0.2.1"), "{line}");
    }
    let read = end(cases[7].0);
    assert!(read.who.tls_end.ends_with(b"a, b:no shared cipher"));
    assert_eq!(read.who.session, b"s");
    assert_eq!(end(cases[8].0).detail, b"auth failed, 1 attempts in 2 secs");
}
