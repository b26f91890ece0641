//! Sign-ins: over which protocol, with which result.

use super::{Facts, Family, Measurement};

pub(super) fn measure<'a>(
    result: &'static str,
    facts: &Facts<'a>,
    put: &mut impl FnMut(Measurement<'a>),
) {
    put(Measurement {
        family: Family::SignIns,
        labels: [protocol(facts.listener, facts.program), result, ""],
        value: facts.repeated.saturating_mul(facts.count),
    });
}

/// The protocol, from the listener's name, else from the program that wrote the line. Listeners are
/// named by administrators: `imap`, `imaps`, `imap-tls`.
fn protocol(listener: &[u8], program: &[u8]) -> &'static str {
    let by_name = |name: &[u8]| {
        PROTOCOLS
            .iter()
            .find(|(beginning, _)| {
                name.get(..beginning.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(beginning.as_bytes()))
            })
            .map(|(_, protocol)| *protocol)
    };
    let mut parts = [listener]
        .into_iter()
        .chain(program.split(|byte| *byte == b'/'));
    parts.find_map(by_name).unwrap_or("unknown")
}

/// How names begin; `smtpd` is found after a listener's name such as `submission`.
const PROTOCOLS: [(&str, &str); 10] = [
    ("imap", "imap"),
    ("pop", "pop3"),
    ("managesieve", "sieve"),
    ("sieve", "sieve"),
    ("submission", "submission"),
    ("smtps", "submission"),
    ("smtp", "smtp"),
    ("lmtp", "lmtp"),
    ("http", "http"),
    ("jmap", "http"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_are_told_by_listener_and_by_program() {
        for (listener, program, expected) in [
            ("imap", "dovecot/imap-login", "imap"),
            ("imaps", "", "imap"),
            ("", "dovecot/pop3-login", "pop3"),
            ("managesieve", "dovecot/managesieve-login", "sieve"),
            ("", "postfix/smtpd", "smtp"),
            ("", "postfix/submission/smtpd", "submission"),
            ("", "postfix-out/smtps/smtpd", "submission"),
            ("submission", "dovecot/submission-login", "submission"),
            ("", "dovecot/auth", "unknown"),
            ("Ünlisted", "", "unknown"),
            ("", "", "unknown"),
        ] {
            assert_eq!(
                protocol(listener.as_bytes(), program.as_bytes()),
                expected,
                "{listener} {program}"
            );
        }
    }
}
