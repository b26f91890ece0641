//! Enhanced status codes (`5.2.2`): the type, and what each registered code means for a diagnosis.
//!
//! Sources: RFC 3463, the IANA registry of RFC 5248 with its later entries (RFC 3886, 4468, 4865,
//! 4954, 6531, 6710, 7293, 7372, 7505, 8616, 8689), and Microsoft's own `5.7.5xx`-`5.7.7xx`, which
//! nobody else uses.

use std::fmt;

use super::class::{Class, Scope};
use super::evidence::Confidence;

/// An enhanced mail system status code, `class.subject.detail` (RFC 3463 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Enhanced {
    /// 2 success, 4 temporary failure, 5 permanent failure.
    pub class: u8,
    /// 0 to 999: 1 addressing, 2 mailbox, 3 mail system, 4 network, 5 protocol, 6 content,
    /// 7 security.
    pub subject: u16,
    /// 0 to 999.
    pub detail: u16,
}

impl Enhanced {
    /// A code from its three parts; the parts are taken as they are.
    #[must_use]
    pub const fn new(class: u8, subject: u16, detail: u16) -> Self {
        Self {
            class,
            subject,
            detail,
        }
    }

    /// Reads a code at the start of `text` and gives it with its length in bytes. The code must be
    /// `2`, `4` or `5`, then two numbers of one to three digits, and must not run on into a fourth
    /// number (`5.1.2.3` is an address) or a word.
    #[must_use]
    pub fn at_start(text: &[u8]) -> Option<(Self, usize)> {
        let class = match text.first()? {
            digit @ (b'2' | b'4' | b'5') => digit - b'0',
            _ => return None,
        };
        let (subject, at) = number_after_dot(text, 1)?;
        let (detail, end) = number_after_dot(text, at)?;
        let runs_on = match text.get(end) {
            Some(b'.') => text.get(end + 1).is_some_and(u8::is_ascii_digit),
            Some(b) => b.is_ascii_alphanumeric(),
            None => false,
        };
        (!runs_on).then_some((Self::new(class, subject, detail), end))
    }

    /// Reads a text that is exactly one code, as in Postfix's `dsn=4.2.2`.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        match Self::at_start(text) {
            Some((code, end)) if end == text.len() => Some(code),
            _ => None,
        }
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// A dot at `at` and one to three digits after it: the number and where it ends.
fn number_after_dot(text: &[u8], at: usize) -> Option<(u16, usize)> {
    if text.get(at) != Some(&b'.') {
        return None;
    }
    let digits = text[at + 1..]
        .iter()
        .take(4)
        .take_while(|b| b.is_ascii_digit())
        .count();
    if digits == 0 || digits > 3 {
        return None;
    }
    let number = text[at + 1..at + 1 + digits]
        .iter()
        .fold(0u16, |n, b| n * 10 + u16::from(b - b'0'));
    Some((number, at + 1 + digits))
}

/// What a code means by itself, without the text; `None` for codes that say only "other".
///
/// `Likely` are codes whose meaning servers keep to; `Guess` are those that are used for
/// everything (`5.7.1`, `5.1.0`).
pub(super) fn meaning(code: Enhanced) -> Option<(Class, Scope, Confidence)> {
    match code.subject {
        1 => address(code.detail),
        2 => mailbox(code),
        3 => system(code.detail),
        4 => network(code.detail),
        5 => protocol(code.detail),
        6 => content(code.detail),
        7 => security(code),
        _ => None,
    }
}

const LIKELY: Confidence = Confidence::Likely;
const GUESS: Confidence = Confidence::Guess;

fn address(detail: u16) -> Option<(Class, Scope, Confidence)> {
    Some(match detail {
        0 => (Class::NoSuchUser, Scope::Recipient, GUESS),
        // 5.1.1 is used for a full or closed mailbox by some; the wording is asked first.
        1 => (Class::NoSuchUser, Scope::Recipient, LIKELY),
        2 => (Class::NoSuchDomain, Scope::Recipient, LIKELY),
        3 => (Class::BadAddress, Scope::Recipient, LIKELY),
        4 => (Class::BadAddress, Scope::Recipient, LIKELY),
        6 => (Class::Moved, Scope::Recipient, LIKELY),
        7 | 8 => (Class::SenderRejected, Scope::Sender, LIKELY),
        9 => (Class::Unsupported, Scope::TheirServer, LIKELY),
        // Null MX by RFC 7505; Microsoft says 5.1.10 for an unknown recipient, with words.
        10 => (Class::NoSuchDomain, Scope::Recipient, LIKELY),
        // Microsoft: daily recipient limit; unknown recipient at the remote server.
        90 => (Class::RateLimit, Scope::Sender, LIKELY),
        351 => (Class::NoSuchUser, Scope::Recipient, LIKELY),
        _ => return None,
    })
}

fn mailbox(code: Enhanced) -> Option<(Class, Scope, Confidence)> {
    Some(match code.detail {
        // Temporarily, 4.2.0 is greylisting (postgrey) as often as a locked mailbox.
        0 if code.class == 5 => (Class::MailboxDisabled, Scope::Recipient, GUESS),
        1 => (Class::MailboxDisabled, Scope::Recipient, LIKELY),
        2 => (Class::MailboxFull, Scope::Recipient, LIKELY),
        3 => (Class::Size, Scope::Recipient, LIKELY),
        4 => (Class::ServerFault, Scope::Recipient, LIKELY),
        // Microsoft: this recipient gets, or this sender sends it, too much per hour.
        121 => (Class::RateLimit, Scope::Sender, LIKELY),
        122 => (Class::RateLimit, Scope::Recipient, LIKELY),
        _ => return None,
    })
}

fn system(detail: u16) -> Option<(Class, Scope, Confidence)> {
    Some(match detail {
        0 => (Class::ServerFault, Scope::TheirServer, GUESS),
        1 => (Class::ServerBusy, Scope::TheirServer, LIKELY),
        2 => (Class::ServerBusy, Scope::TheirServer, LIKELY),
        3 => (Class::Unsupported, Scope::TheirServer, LIKELY),
        4 => (Class::Size, Scope::Message, LIKELY),
        5 => (Class::ServerFault, Scope::TheirServer, LIKELY),
        // The priority was changed (RFC 6710): not a failure.
        6 => return None,
        _ => return None,
    })
}

fn network(detail: u16) -> Option<(Class, Scope, Confidence)> {
    Some(match detail {
        0 => (Class::Network, Scope::TheirServer, GUESS),
        1 | 2 => (Class::Network, Scope::TheirServer, LIKELY),
        3 => (Class::Dns, Scope::TheirServer, LIKELY),
        // Unable to route: a missing MX as well as a refused relay; see 5.7.1.
        4 => (Class::Dns, Scope::Recipient, LIKELY),
        5 => (Class::ServerBusy, Scope::TheirServer, LIKELY),
        6 => (Class::Loop, Scope::Unknown, LIKELY),
        7 => (Class::Expired, Scope::TheirServer, LIKELY),
        // Microsoft's outbound side.
        14 => (Class::Loop, Scope::TheirServer, LIKELY),
        300 | 316 => (Class::Expired, Scope::TheirServer, LIKELY),
        310 => (Class::NoSuchDomain, Scope::Recipient, LIKELY),
        312 => (Class::Dns, Scope::TheirServer, LIKELY),
        _ => return None,
    })
}

fn protocol(detail: u16) -> Option<(Class, Scope, Confidence)> {
    Some(match detail {
        0 => (Class::SyntaxOrProtocol, Scope::Unknown, GUESS),
        1 | 2 | 4 | 5 => (Class::SyntaxOrProtocol, Scope::Unknown, LIKELY),
        3 => (Class::TooManyRecipients, Scope::Message, LIKELY),
        6 => (Class::SmtpAuth, Scope::OurServer, LIKELY),
        _ => return None,
    })
}

fn content(detail: u16) -> Option<(Class, Scope, Confidence)> {
    Some(match detail {
        0 => (Class::Content, Scope::Message, GUESS),
        1 => (Class::Unsupported, Scope::Message, LIKELY),
        2..=4 => (Class::Unsupported, Scope::Message, LIKELY),
        5 | 6 => (Class::MessageFormat, Scope::Message, LIKELY),
        7..=10 => (Class::Unsupported, Scope::TheirServer, LIKELY),
        _ => return None,
    })
}

fn security(code: Enhanced) -> Option<(Class, Scope, Confidence)> {
    Some(match code.detail {
        0 | 1 => (Class::Policy, Scope::Unknown, GUESS),
        2 => (Class::Policy, Scope::Sender, LIKELY),
        3 | 4 => (Class::Tls, Scope::TheirServer, LIKELY),
        // Postfix's own client: certificate or handshake; MTA-STS and DANE failures.
        5 | 6 => (Class::Tls, Scope::TheirServer, LIKELY),
        7 => (Class::Authentication, Scope::Message, LIKELY),
        8 | 9 | 11 | 12 => (Class::SmtpAuth, Scope::OurServer, LIKELY),
        10 => (Class::Tls, Scope::OurServer, LIKELY),
        13 => (Class::MailboxDisabled, Scope::Sender, LIKELY),
        14 => (Class::Policy, Scope::Sender, LIKELY),
        15 | 16 => (Class::Policy, Scope::Message, LIKELY),
        // RRVS (RFC 7293): the address now belongs to somebody else.
        17 | 18 => (Class::NoSuchUser, Scope::Recipient, LIKELY),
        19 => (Class::ServerFault, Scope::TheirServer, LIKELY),
        20..=22 => (Class::Authentication, Scope::OurDomain, LIKELY),
        23 | 24 | 26 => (Class::Authentication, Scope::OurDomain, LIKELY),
        25 => (Class::HostIdentity, Scope::OurIp, LIKELY),
        27 => (Class::SenderRejected, Scope::Sender, LIKELY),
        28 => (Class::RateLimit, Scope::Sender, LIKELY),
        29 => (Class::Authentication, Scope::Message, LIKELY),
        30 => (Class::Tls, Scope::TheirServer, LIKELY),
        detail => return private_security(detail),
    })
}

/// Microsoft 365's numbers above the registry.
fn private_security(detail: u16) -> Option<(Class, Scope, Confidence)> {
    Some(match detail {
        57 => (Class::SmtpAuth, Scope::OurServer, LIKELY),
        60 | 68 => (Class::SenderRejected, Scope::Sender, LIKELY),
        64 => (Class::RelayDenied, Scope::OurServer, LIKELY),
        124 | 129 | 133..=136 => (Class::Policy, Scope::Recipient, LIKELY),
        320..=325 => (Class::Tls, Scope::TheirServer, LIKELY),
        350 => (Class::Spam, Scope::Message, LIKELY),
        367 => (Class::RelayDenied, Scope::Unknown, LIKELY),
        500 => (Class::ServerBusy, Scope::TheirServer, GUESS),
        501 => (Class::Spam, Scope::Sender, LIKELY),
        502 | 503 | 511 => (Class::SenderRejected, Scope::Sender, LIKELY),
        504 | 505 | 507 => (Class::Policy, Scope::Recipient, LIKELY),
        506 => (Class::HostIdentity, Scope::OurServer, LIKELY),
        508 | 705 => (Class::RateLimit, Scope::OurIp, LIKELY),
        509 | 515 => (Class::Authentication, Scope::OurDomain, LIKELY),
        510 => (Class::Unsupported, Scope::TheirServer, LIKELY),
        512 => (Class::MessageFormat, Scope::Message, LIKELY),
        513 | 606..=649 | 708 => (Class::Reputation, Scope::OurIp, LIKELY),
        650..=699 => (Class::RateLimit, Scope::OurIp, LIKELY),
        520 | 703 => (Class::Policy, Scope::Message, LIKELY),
        750 => (Class::SenderRejected, Scope::OurDomain, LIKELY),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_codes_and_leaves_addresses_alone() {
        assert_eq!(Enhanced::parse(b"4.2.2"), Some(Enhanced::new(4, 2, 2)));
        assert_eq!(
            Enhanced::at_start(b"5.7.606 Access denied"),
            Some((Enhanced::new(5, 7, 606), 7))
        );
        assert_eq!(
            Enhanced::at_start(b"5.1.1. text"),
            Some((Enhanced::new(5, 1, 1), 5))
        );
        for no in [
            &b"5.1.2.3"[..],
            b"3.1.1",
            b"5.1",
            b"5.1.",
            b"5.1234.1",
            b"5.1.1x",
            b"",
        ] {
            assert_eq!(Enhanced::at_start(no), None, "{no:?}");
        }
        assert_eq!(Enhanced::new(5, 7, 26).to_string(), "5.7.26");
    }

    /// Every X.n.n of the IANA registry that names a failure has a meaning here; the "other"
    /// codes and successes have none or only a guess.
    #[test]
    fn knows_the_whole_registry() {
        let failures: [(u16, &[u16]); 7] = [
            (1, &[1, 2, 3, 4, 6, 7, 8, 9, 10]),
            (2, &[1, 2, 3, 4]),
            (3, &[1, 2, 3, 4, 5]),
            (4, &[1, 2, 3, 4, 5, 6, 7]),
            (5, &[1, 2, 3, 4, 5, 6]),
            (6, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
            (
                7,
                &[
                    2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
                    24, 25, 26, 27, 28, 29, 30,
                ],
            ),
        ];
        for (subject, details) in failures {
            for &detail in details {
                let code = Enhanced::new(5, subject, detail);
                let Some((_, _, confidence)) = meaning(code) else {
                    panic!("{code} has no meaning");
                };
                assert_eq!(confidence, Confidence::Likely, "{code}");
            }
        }
        for other in [(0, 0), (1, 5), (3, 6), (8, 1)] {
            assert_eq!(meaning(Enhanced::new(5, other.0, other.1)), None);
        }
    }
}
