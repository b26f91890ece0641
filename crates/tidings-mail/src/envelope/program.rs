//! Which program wrote a line: decided by its tag, or by its text where there is no tag.

use super::guess;

const MAIL_SCANNER: &[u8] = b"MailScanner";

/// A server of the mail world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// Postfix, any daemon or command of it, under any `syslog_name`; and MailScanner, which moves
    /// messages from one of its queues to another.
    Postfix,
    /// Dovecot with its Pigeonhole plugins.
    Dovecot,
    /// Exim.
    Exim,
    /// OpenSMTPD.
    OpenSmtpd,
    /// Rspamd.
    Rspamd,
    /// amavis, amavisd-new.
    Amavis,
    /// OpenDKIM.
    OpenDkim,
    /// OpenDMARC.
    OpenDmarc,
    /// postgrey.
    Postgrey,
    /// policyd-spf in Python and Perl.
    PolicydSpf,
    /// sendmail.
    Sendmail,
    /// Anything else.
    Other,
}

/// A tag taken apart: `postfix/submission/smtpd` is instance `postfix`, listener `submission`,
/// service `smtpd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program<'a> {
    /// Whose program it is.
    pub family: Family,
    /// The tag's first part where it has several, else the whole tag: for Postfix the instance
    /// (`postfix`, `postfix-branch`, `mx-out`). Empty where there is no tag.
    pub instance: &'a [u8],
    /// What lies between instance and service: the `syslog_name` of a listener or transport
    /// (`submission`, `smtps`, `relay`). Usually empty.
    pub listener: &'a [u8],
    /// The tag's last part: `smtpd`. Where the tag has one part only, that; where it lacks the
    /// service (`postfix`) or there is no tag, the service that the text betrays, or empty.
    pub service: &'a [u8],
}

impl<'a> Program<'a> {
    /// Takes a tag apart, without looking at the text.
    pub fn of_tag(tag: &'a [u8]) -> Self {
        let Some(last) = memchr::memrchr(b'/', tag) else {
            return Self {
                family: family(tag, tag, false),
                instance: tag,
                listener: b"",
                service: tag,
            };
        };
        let service = &tag[last + 1..];
        let (instance, listener) = match memchr::memchr(b'/', &tag[..last]) {
            Some(0) | None => (&tag[..last], &tag[..0]),
            Some(first) => (&tag[..first], &tag[first + 1..last]),
        };
        Self {
            family: family(instance, service, true),
            instance,
            listener,
            service,
        }
    }

    /// Takes a tag apart; where it leaves family or service open, the text decides if it is sure.
    ///
    /// That is so for lines without tag, and for senders that cut `postfix/smtpd` to `postfix`.
    pub fn of(tag: &'a [u8], body: &[u8]) -> Self {
        let program = Self::of_tag(tag);
        match program.family {
            Family::Postfix if program.service == program.instance && tag != MAIL_SCANNER => Self {
                service: guess::postfix_service(body).unwrap_or(b""),
                ..program
            },
            Family::Other if tag.is_empty() => guess::program(body).unwrap_or(program),
            Family::Other if matches!(tag, b"auth" | b"auth-worker") && is_dovecot_pam(body) => {
                Self {
                    family: Family::Dovecot,
                    ..program
                }
            }
            _ => program,
        }
    }
}

/// PAM logs in its caller's name: `auth: pam_unix(dovecot:auth): authentication failure; …`
fn is_dovecot_pam(body: &[u8]) -> bool {
    body.starts_with(b"pam_") && memchr::memmem::find(body, b"(dovecot").is_some()
}

fn family(instance: &[u8], service: &[u8], has_slash: bool) -> Family {
    let named = match service {
        b"policyd-spf"
        | b"policy-spf"
        | b"policyd-spf-perl"
        | b"python-policyd-spf"
        | b"postfix-policyd-spf-perl"
        | b"pypolicyd-spf"
            // Under Postfix' name it is one of Postfix' policy servers, whose texts are notes.
            if !has_slash || !instance.starts_with(b"postfix") =>
        {
            Family::PolicydSpf
        }
        b"dovecot"
        | b"dovecot-lda"
        | b"dovecot-auth"
        | b"dovecot-lmtp"
        | b"dovecot-submission"
        | b"imap-login"
        | b"pop3-login"
        | b"managesieve-login"
        | b"submission-login"
        | b"deliver" => Family::Dovecot,
        MAIL_SCANNER => Family::Postfix,
        b"rspamd" => Family::Rspamd,
        b"amavis" | b"amavisd" | b"amavisd-new" => Family::Amavis,
        b"opendkim" => Family::OpenDkim,
        b"opendmarc" => Family::OpenDmarc,
        b"postgrey" => Family::Postgrey,
        b"exim" | b"exim4" | b"exim-internal" | b"eximstats" => Family::Exim,
        b"opensmtpd" => Family::OpenSmtpd,
        // `postfix/sendmail` is Postfix's command; alone it is sendmail's daemon.
        b"sendmail"
        | b"sm-mta"
        | b"sm-msp"
        | b"sm-msp-queue"
        | b"sm-que"
        | b"sm-acceptingconnections"
            if !has_slash || instance.is_empty() =>
        {
            Family::Sendmail
        }
        // OpenSMTPD calls all its processes smtpd; Postfix always puts an instance before it.
        b"smtpd" if !has_slash => Family::OpenSmtpd,
        _ => Family::Other,
    };
    if named != Family::Other {
        return named;
    }
    let is_postfix = instance.starts_with(b"postfix")
        || (has_slash && !instance.is_empty() && is_postfix_daemon(service))
        || is_postfix_command(service);
    if is_postfix {
        return Family::Postfix;
    }
    if instance.starts_with(b"exim-") || instance.starts_with(b"exim4-") {
        return Family::Exim;
    }
    // `imap(user)`, `deliver(user)`: Dovecot processes that log under their own name.
    let is_dovecot = service.iter().any(|byte| matches!(byte, b'(' | b'<'))
        && crate::dovecot::is_service(
            service
                .split(|b| matches!(b, b'(' | b'<'))
                .next()
                .unwrap_or(b""),
        );
    if is_dovecot {
        Family::Dovecot
    } else {
        Family::Other
    }
}

/// Daemons of Postfix, of all versions: what may stand after the last `/` of a tag.
fn is_postfix_daemon(service: &[u8]) -> bool {
    matches!(
        service,
        b"smtpd"
            | b"smtp"
            | b"lmtp"
            | b"qmgr"
            | b"oqmgr"
            | b"nqmgr"
            | b"cleanup"
            | b"pickup"
            | b"bounce"
            | b"defer"
            | b"trace"
            | b"error"
            | b"retry"
            | b"discard"
            | b"local"
            | b"virtual"
            | b"pipe"
            | b"spawn"
            | b"proxymap"
            | b"proxywrite"
            | b"anvil"
            | b"scache"
            | b"master"
            | b"postscreen"
            | b"dnsblog"
            | b"tlsproxy"
            | b"tlsmgr"
            | b"verify"
            | b"trivial-rewrite"
            | b"rewrite"
            | b"flush"
            | b"showq"
            | b"postlogd"
            | b"qmqpd"
            | b"sendmail"
    ) || is_postfix_command(service)
}

/// Commands of Postfix: their names are its own, with or without an instance before them.
fn is_postfix_command(service: &[u8]) -> bool {
    matches!(
        service,
        b"postsuper"
            | b"postdrop"
            | b"postqueue"
            | b"postalias"
            | b"postmap"
            | b"postfix-script"
            | b"postmulti"
            | b"postlog"
            | b"postcat"
            | b"postconf"
            | b"postlock"
            | b"postkick"
            | b"post-install"
            | b"postfix-wrapper"
            | b"postmulti-script"
            | b"postfix-tls-script"
            | b"postscreen"
            | b"trivial-rewrite"
            | b"postlogd"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(tag: &str) -> (Family, String, String, String) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let program = Program::of_tag(tag.as_bytes());
        (
            program.family,
            text(program.instance),
            text(program.listener),
            text(program.service),
        )
    }

    #[test]
    fn tags() {
        let cases = [
            ("postfix/smtpd", Family::Postfix, "postfix", "", "smtpd"),
            (
                "postfix/submission/smtpd",
                Family::Postfix,
                "postfix",
                "submission",
                "smtpd",
            ),
            (
                "postfix-branch/smtpd",
                Family::Postfix,
                "postfix-branch",
                "",
                "smtpd",
            ),
            (
                "postfix/relay/smtp",
                Family::Postfix,
                "postfix",
                "relay",
                "smtp",
            ),
            ("mx-out/smtpd", Family::Postfix, "mx-out", "", "smtpd"),
            ("mx/a/b/smtpd", Family::Postfix, "mx", "a/b", "smtpd"),
            ("postfix", Family::Postfix, "postfix", "", "postfix"),
            (
                "postfix/postfix-script",
                Family::Postfix,
                "postfix",
                "",
                "postfix-script",
            ),
            (
                "postfix/policy-spf",
                Family::Postfix,
                "postfix",
                "",
                "policy-spf",
            ),
            (
                "postfix/sendmail",
                Family::Postfix,
                "postfix",
                "",
                "sendmail",
            ),
            ("postsuper", Family::Postfix, "postsuper", "", "postsuper"),
            ("smtpd", Family::OpenSmtpd, "smtpd", "", "smtpd"),
            ("sm-mta", Family::Sendmail, "sm-mta", "", "sm-mta"),
            (
                "/usr/sbin/amavisd",
                Family::Amavis,
                "/usr/sbin",
                "",
                "amavisd",
            ),
            ("dovecot", Family::Dovecot, "dovecot", "", "dovecot"),
            (
                "deliver(bob@example.test)",
                Family::Dovecot,
                "deliver(bob@example.test)",
                "",
                "deliver(bob@example.test)",
            ),
            ("imap", Family::Other, "imap", "", "imap"),
            ("cron", Family::Other, "cron", "", "cron"),
            ("foo/bar", Family::Other, "foo", "", "bar"),
            ("", Family::Other, "", "", ""),
            ("/", Family::Other, "", "", ""),
        ];
        for (tag, family, instance, listener, service) in cases {
            let expected = (
                family,
                instance.to_owned(),
                listener.to_owned(),
                service.to_owned(),
            );
            assert_eq!(split(tag), expected, "{tag}");
        }
    }

    #[test]
    fn text_decides_where_the_tag_does_not() {
        let program = Program::of(b"postfix", b"4jXV7q2lNrz1YS3r: message-id=<a@b>");
        assert_eq!(
            (program.family, program.service),
            (Family::Postfix, &b"cleanup"[..])
        );
        let program = Program::of(b"", b"imap-login: Login: user=<a>, rip=192.0.2.1");
        assert_eq!(program.family, Family::Dovecot);
        let program = Program::of(b"kernel", b"disconnect from x[192.0.2.1]");
        assert_eq!(program.family, Family::Other);
    }
}
