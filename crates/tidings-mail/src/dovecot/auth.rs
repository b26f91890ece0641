//! What the authentication service says: `auth`, `auth-worker`, and PAM in its name.

use super::prefix::Prefix;
use super::scan;
use super::statement::{Auth, AuthOutcome, Level, Says};

/// Reads the text of an authentication process; `None` if it is not about one sign-in.
pub(super) fn read<'a>(prefix: &Prefix<'a>) -> Option<Says<'a>> {
    let text = without_frames(prefix.text);
    if let Some(auth) = pam_unix(text) {
        return Some(Says::Auth(auth));
    }
    let is_modern = !prefix.method.is_empty() || prefix.rip.is_some() || !prefix.user.is_empty();
    let (auth, reason) = match driver(text) {
        Some(found) => found,
        None if is_modern => plain_driver(text),
        None => return None,
    };
    let reason = without_password(reason);
    let auth = Auth {
        user: if auth.user.is_empty() {
            prefix.user
        } else {
            auth.user
        },
        rip: auth.rip.or(prefix.rip),
        session: if auth.session.is_empty() {
            prefix.session
        } else {
            auth.session
        },
        method: prefix.method,
        outcome: outcome(reason, prefix.level),
        reason,
        ..auth
    };
    Some(Says::Auth(auth))
}

/// Takes off `conn unix:auth-worker (pid=1,uid=0): auth-worker<3>: ` and the like.
fn without_frames(mut text: &[u8]) -> &[u8] {
    if text.starts_with(b"conn ")
        && let Some((_, rest)) = scan::split_once(text, b"): ")
    {
        text = rest;
    }
    if let Some(rest) = scan::strip_any(text, &[b"auth-worker<", b"request <", b"req<"])
        && let Some((_, rest)) = scan::split_once(rest, b">: ")
    {
        text = rest;
    }
    text
}

const NOBODY: Auth<'static> = Auth {
    driver: b"",
    user: b"",
    rip: None,
    session: b"",
    method: b"",
    outcome: AuthOutcome::Note,
    reason: b"",
};

/// `passwd-file(user,192.0.2.1,<session>): reason`
fn driver(text: &[u8]) -> Option<(Auth<'_>, &[u8])> {
    let name = text
        .iter()
        .take(32)
        .take_while(|byte| is_driver_byte(**byte))
        .count();
    // `mysql(localhost): Connected …` names a database host, not a user.
    const SERVERS: &[&[u8]] = &[
        b"mysql",
        b"pgsql",
        b"sqlite",
        b"cassandra",
        b"service",
        b"listen",
    ];
    if name == 0 || SERVERS.contains(&&text[..name]) {
        return None;
    }
    let inner = text[name..].strip_prefix(b"(")?;
    let (inner, reason) = scan::split_once(inner, b"): ")?;
    let mut auth = Auth {
        driver: &text[..name],
        ..NOBODY
    };
    let mut who = inner;
    // Session and address stand behind the name, which may hold commas.
    if let Some(open) = memchr::memmem::rfind(who, b",<")
        && let Some(session) = who[open + 2..].strip_suffix(b">")
    {
        auth.session = session;
        who = &who[..open];
    }
    if let Some(comma) = memchr::memrchr(b',', who) {
        let ip = scan::ip(&who[comma + 1..]);
        if ip.is_some() || comma + 1 == who.len() {
            auth.rip = ip;
            who = &who[..comma];
        }
    }
    auth.user = if who == b"?" { b"" } else { who };
    Some((auth, reason))
}

/// 2.4's `ldap: unknown user` behind a head that names the user, or the reason alone.
fn plain_driver(text: &[u8]) -> (Auth<'_>, &[u8]) {
    const DRIVERS: &[&[u8]] = &[
        b"passwd-file",
        b"sql",
        b"pam",
        b"ldap",
        b"passwd",
        b"static",
        b"lua",
        b"oauth2",
        b"imap",
        b"cache",
        b"policy",
        b"plain",
        b"login",
        b"cram-md5",
        b"bsdauth",
        b"shadow",
        b"gssapi",
        b"scram-sha-1",
        b"scram-sha-256",
        b"external",
        b"digest-md5",
        b"xoauth2",
        b"oauthbearer",
        b"anonymous",
        b"ntlm",
        b"mysql",
        b"pgsql",
        b"sqlite",
        b"userdb",
        b"passdb",
    ];
    match scan::split_once(text, b": ") {
        Some((name, rest)) if DRIVERS.contains(&name) => (
            Auth {
                driver: name,
                ..NOBODY
            },
            rest,
        ),
        _ => (NOBODY, text),
    }
}

fn is_driver_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
}

/// The reason without ` (given password: secret)`, which must not be kept.
fn without_password(reason: &[u8]) -> &[u8] {
    let end = [
        &b" (given password: "[..],
        b" (SHA1 of given password: ",
        b" (given password)",
    ]
    .iter()
    .filter_map(|words| memchr::memmem::find(reason, words))
    .min();
    &reason[..end.unwrap_or(reason.len())]
}

/// What each text means, by its beginning, without case of its first letter.
const REASONS: &[(&[u8], AuthOutcome)] = &[
    (b"nknown user", AuthOutcome::UnknownUser),
    (b"ser not found", AuthOutcome::UnknownUser),
    (b"o such user", AuthOutcome::UnknownUser),
    (b"sername not known", AuthOutcome::UnknownUser),
    (b"ser doesn't exist", AuthOutcome::UnknownUser),
    (b"assword mismatch", AuthOutcome::WrongPassword),
    (b"nvalid credentials", AuthOutcome::WrongPassword),
    (b"assword check failed", AuthOutcome::WrongPassword),
    (b"am_authenticate() failed", AuthOutcome::WrongPassword),
    (
        b"uthentication failure due to policy",
        AuthOutcome::PolicyRefused,
    ),
    (b"uthentication failure", AuthOutcome::WrongPassword),
    (b"uthentication failed", AuthOutcome::WrongPassword),
    (b"uth failed", AuthOutcome::WrongPassword),
    (b"ogin failed", AuthOutcome::WrongPassword),
    (b"mpty password", AuthOutcome::WrongPassword),
    (b"assword lookup failed", AuthOutcome::WrongPassword),
    (b"auth2 failed", AuthOutcome::WrongPassword),
    (b"oken validation failed", AuthOutcome::WrongPassword),
    (b"oken is not valid", AuthOutcome::WrongPassword),
    (b"ser not authenticated", AuthOutcome::WrongPassword),
    (b"redentials mismatch", AuthOutcome::WrongPassword),
    (b"o password", AuthOutcome::WrongPassword),
    (b"am_acct_mgmt() failed", AuthOutcome::Denied),
    (b"ermission denied", AuthOutcome::Denied),
    (b"assword expired", AuthOutcome::Denied),
    (b"ccount expired", AuthOutcome::Denied),
    (b"ser is disabled", AuthOutcome::Denied),
    (b"ser disabled", AuthOutcome::Denied),
    (b"ser found from deny passdb", AuthOutcome::Denied),
    (b"ser login denied", AuthOutcome::Denied),
    (b"llow_nets check failed", AuthOutcome::Denied),
    (b"llow_real_nets check failed", AuthOutcome::Denied),
    (b"ogin not allowed", AuthOutcome::Denied),
    (b"ot performing authentication", AuthOutcome::Denied),
    (b"aster user login attempted", AuthOutcome::Denied),
    (b"aster user not found", AuthOutcome::UnknownUser),
    (b"ttempted master login", AuthOutcome::Denied),
    (b"olicy check", AuthOutcome::PolicyRefused),
    (b"sername character disallowed", AuthOutcome::Malformed),
    (
        b"ttempted login with password having illegal chars",
        AuthOutcome::Malformed,
    ),
    (b"nvalid ", AuthOutcome::Malformed),
    (b"mpty username", AuthOutcome::Malformed),
    (b"alformed", AuthOutcome::Malformed),
    (b"issing ", AuthOutcome::Malformed),
    (b"ULs in ", AuthOutcome::Malformed),
    (b"o initial response", AuthOutcome::Malformed),
    (b"ncorrect ", AuthOutcome::WrongPassword),
    (b"nsupported ", AuthOutcome::Malformed),
    (
        b"lient didn't present valid SSL certificate",
        AuthOutcome::Denied,
    ),
    (
        b"SL certificate didn't contain username",
        AuthOutcome::Denied,
    ),
    (b"rong nonce", AuthOutcome::Malformed),
    (b"hannel binding", AuthOutcome::Malformed),
    (
        b"equest timed out waiting for client",
        AuthOutcome::TimedOut,
    ),
    (b"equest timed out", AuthOutcome::TimedOut),
];

fn outcome(reason: &[u8], level: Level) -> AuthOutcome {
    if level >= Level::Error {
        return AuthOutcome::Error;
    }
    let text = reason.get(1..).unwrap_or(b"");
    if let Some((_, outcome)) = REASONS.iter().find(|(words, _)| text.starts_with(words)) {
        return pam_outcome(reason, *outcome);
    }
    const ANYWHERE: &[(&[u8], AuthOutcome)] = &[
        (b" check failed: ", AuthOutcome::Denied),
        (b"not in allowed networks", AuthOutcome::Denied),
        (b"internal failure", AuthOutcome::Error),
        (b"unknown user", AuthOutcome::UnknownUser),
        (b"assword mismatch", AuthOutcome::WrongPassword),
    ];
    let found = ANYWHERE
        .iter()
        .find(|(words, _)| memchr::memmem::find(reason, words).is_some());
    match found {
        Some((_, outcome)) => *outcome,
        None if level == Level::Warning => AuthOutcome::Error,
        None => AuthOutcome::Note,
    }
}

/// PAM puts its reason behind the call: `pam_authenticate() failed: User not known to the
/// underlying authentication module`.
fn pam_outcome(reason: &[u8], outcome: AuthOutcome) -> AuthOutcome {
    let Some((_, why)) = scan::split_once(reason, b"() failed: ") else {
        return outcome;
    };
    if scan::starts_any(
        why,
        &[b"User not known", b"No account present", b"unknown user"],
    ) {
        AuthOutcome::UnknownUser
    } else if scan::starts_any(
        why,
        &[
            b"User account has expired",
            b"Authentication token expired",
            b"Permission denied",
            b"Account expired",
        ],
    ) {
        AuthOutcome::Denied
    } else if scan::starts_any(
        why,
        &[
            b"System error",
            b"Authentication service cannot",
            b"Module is unknown",
            b"Critical error",
        ],
    ) {
        AuthOutcome::Error
    } else {
        outcome
    }
}

/// `pam_unix(dovecot:auth): authentication failure; … rhost=192.0.2.1  user=bob`, which the PAM
/// library writes in the process's name. It is a note: Dovecot's own line says the same.
fn pam_unix(text: &[u8]) -> Option<Auth<'_>> {
    let is_pam = text.starts_with(b"pam_") && scan::split_once(text, b"(dovecot").is_some()
        || scan::starts_any(text, &[b"PAM ", b"(pam_"]);
    if !is_pam {
        return None;
    }
    let field = |key: &[u8]| {
        let (_, rest) = scan::split_once(text, key)?;
        let end = memchr::memchr2(b' ', b';', rest).unwrap_or(rest.len());
        Some(&rest[..end])
    };
    Some(Auth {
        driver: b"pam",
        user: field(b" user=").or(field(b" ruser=")).unwrap_or(b""),
        rip: field(b" rhost=").and_then(scan::ip),
        reason: text,
        ..NOBODY
    })
}

#[cfg(test)]
mod tests {
    use super::super::prefix;
    use super::*;

    fn auth(line: &str) -> Option<Auth<'_>> {
        match read(&prefix::read(line.as_bytes()))? {
            Says::Auth(auth) => Some(auth),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_password_is_never_kept() {
        for line in [
            "auth: passwd-file(a,192.0.2.1,<s>): Password mismatch (given password: secret)",
            "auth-worker(9): sql(a,192.0.2.1): Password mismatch (SHA1 of given password: secret)",
            "auth: pam(a,192.0.2.1): pam_authenticate() failed: Authentication failure (Password mismatch?) (given password: a) secret)",
        ] {
            let shown = format!(
                "{:?}",
                auth(line).map(|auth| auth.reason.escape_ascii().to_string())
            );
            assert!(!shown.contains("secret"), "{shown}");
        }
    }

    #[test]
    fn a_name_with_commas_keeps_them() {
        let read = auth("auth: ldap(a,b,192.0.2.1,<s+/=>): unknown user").expect("a statement");
        assert_eq!(
            (read.user, read.session, read.driver),
            (&b"a,b"[..], &b"s+/="[..], &b"ldap"[..])
        );
        assert_eq!(read.rip, scan::ip(b"192.0.2.1"));
        assert_eq!(read.outcome, AuthOutcome::UnknownUser);
    }

    #[test]
    fn outcomes() {
        let cases = [
            (
                "auth: pam(a,192.0.2.1): pam_authenticate() failed: User not known to the underlying authentication module",
                AuthOutcome::UnknownUser,
            ),
            (
                "auth(default): pam(a,192.0.2.1): pam_authenticate() failed: Authentication failure",
                AuthOutcome::WrongPassword,
            ),
            (
                "auth: login(?,192.0.2.1): Request timed out waiting for client to continue authentication (150 secs)",
                AuthOutcome::TimedOut,
            ),
            (
                "auth: policy(a,192.0.2.1,<s>): Authentication failure due to policy server refusal: no",
                AuthOutcome::PolicyRefused,
            ),
            (
                "auth: Error: ldap(a,192.0.2.1): Connection lost",
                AuthOutcome::Error,
            ),
            ("auth: sql(a,192.0.2.1): query: SELECT 1", AuthOutcome::Note),
            (
                "auth: passwd(a,192.0.2.1): allow_nets check failed: IP 192.0.2.1 not in allowed networks",
                AuthOutcome::Denied,
            ),
            (
                "auth(a,192.0.2.1,sasl:plain)<s>: ldap: unknown user",
                AuthOutcome::UnknownUser,
            ),
            (
                "auth(a,192.0.2.1,sasl:plain)<s>: Password mismatch",
                AuthOutcome::WrongPassword,
            ),
            (
                "auth-worker(9): conn unix:auth-worker (pid=1,uid=0): auth-worker<3>: sql(a,192.0.2.1,<s>): unknown user",
                AuthOutcome::UnknownUser,
            ),
        ];
        for (line, outcome) in cases {
            assert_eq!(auth(line).map(|auth| auth.outcome), Some(outcome), "{line}");
        }
        assert_eq!(auth("auth: new auth connection: pid=9"), None);
    }
}
