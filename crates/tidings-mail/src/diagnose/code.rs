//! What a bare three-digit reply code means at a stage of the dialogue: rules of thumb for replies
//! that say nothing else.
//!
//! Source: RFC 5321 section 4.2, RFC 4954 (AUTH), RFC 3207 (STARTTLS), RFC 7504 (521, 556), and
//! what servers do in practice.

use super::class::{Class, Scope};
use super::evidence::Confidence;
use super::stage::Stage;

/// The meaning of a code at a stage, `None` where even a guess would mislead.
pub(super) fn meaning(code: u16, stage: Option<Stage>) -> Option<(Class, Scope, Confidence)> {
    use Confidence::{Guess, Likely};
    let found = match code {
        200..=399 => (Class::Accepted, Scope::Unknown, Confidence::Sure),
        421 => (Class::ServerBusy, Scope::TheirServer, Guess),
        432 | 534 | 535 | 538 => (Class::SmtpAuth, Scope::OurServer, Likely),
        452 if stage == Some(Stage::RcptTo) => (Class::TooManyRecipients, Scope::Message, Guess),
        454 | 530 if stage == Some(Stage::StartTls) => (Class::Tls, Scope::TheirServer, Likely),
        454 if stage == Some(Stage::Auth) => (Class::SmtpAuth, Scope::TheirServer, Likely),
        454 => (Class::ServerBusy, Scope::TheirServer, Guess),
        430..=449 => (Class::ServerBusy, Scope::TheirServer, Guess),
        450..=453 => (Class::ServerBusy, Scope::TheirServer, Guess),
        455 | 500..=504 => (Class::SyntaxOrProtocol, Scope::Unknown, Likely),
        511 | 510 => (Class::NoSuchUser, Scope::Recipient, Guess),
        512 | 556 => (Class::NoSuchDomain, Scope::Recipient, Likely),
        // The host takes no mail at all (RFC 7504); AOL and sendmail use it as a refusal.
        521 => (Class::Policy, Scope::TheirServer, Guess),
        523 => (Class::Size, Scope::Message, Guess),
        530 => (Class::SmtpAuth, Scope::OurServer, Likely),
        550 | 553 | 554 => refusal(code, stage)?,
        551 => (Class::RelayDenied, Scope::Unknown, Guess),
        552 => storage(stage),
        555 => (Class::SyntaxOrProtocol, Scope::Unknown, Likely),
        571 => (Class::Policy, Scope::Unknown, Guess),
        _ => return None,
    };
    Some(found)
}

/// 550, 553 and 554: what is refused follows from what was just said.
fn refusal(code: u16, stage: Option<Stage>) -> Option<(Class, Scope, Confidence)> {
    let (class, scope) = match stage? {
        Stage::Connect | Stage::Banner => (Class::Reputation, Scope::OurIp),
        Stage::Helo => (Class::HostIdentity, Scope::OurServer),
        Stage::MailFrom => (Class::SenderRejected, Scope::Sender),
        Stage::RcptTo if code == 550 => (Class::NoSuchUser, Scope::Recipient),
        Stage::RcptTo if code == 553 => (Class::BadAddress, Scope::Recipient),
        Stage::RcptTo | Stage::Data | Stage::EndOfData => (Class::Policy, Scope::Unknown),
        Stage::Auth => (Class::SmtpAuth, Scope::OurServer),
        Stage::StartTls => (Class::Tls, Scope::TheirServer),
        Stage::Other => return None,
    };
    Some((class, scope, Confidence::Guess))
}

/// 552 "exceeded storage allocation": the mailbox, or the size of this message.
fn storage(stage: Option<Stage>) -> (Class, Scope, Confidence) {
    match stage {
        Some(Stage::MailFrom) => (Class::Size, Scope::Message, Confidence::Likely),
        Some(Stage::RcptTo) => (Class::MailboxFull, Scope::Recipient, Confidence::Likely),
        // At DATA it is the size, the mailbox, and at some providers the content.
        _ => (Class::Size, Scope::Message, Confidence::Guess),
    }
}

/// The meaning of a stage alone: a failure there that has neither code nor known words.
pub(super) fn at_stage(stage: Stage) -> Option<(Class, Scope)> {
    Some(match stage {
        Stage::Connect | Stage::Banner => (Class::Network, Scope::TheirServer),
        Stage::StartTls => (Class::Tls, Scope::TheirServer),
        Stage::Auth => (Class::SmtpAuth, Scope::OurServer),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_code_depends_on_the_stage() {
        let class = |code, stage| meaning(code, stage).map(|m| m.0);
        assert_eq!(class(550, Some(Stage::RcptTo)), Some(Class::NoSuchUser));
        assert_eq!(class(550, Some(Stage::Banner)), Some(Class::Reputation));
        assert_eq!(
            class(550, Some(Stage::MailFrom)),
            Some(Class::SenderRejected)
        );
        assert_eq!(class(550, None), None);
        assert_eq!(class(552, Some(Stage::MailFrom)), Some(Class::Size));
        assert_eq!(class(552, Some(Stage::RcptTo)), Some(Class::MailboxFull));
        assert_eq!(class(454, Some(Stage::StartTls)), Some(Class::Tls));
    }

    #[test]
    fn a_bare_refusal_is_only_a_guess() {
        for code in [421, 450, 451, 550, 553, 554] {
            let (_, _, confidence) =
                meaning(code, Some(Stage::RcptTo)).expect("refusals have a meaning after RCPT TO");
            assert_eq!(confidence, Confidence::Guess, "{code}");
        }
    }
}
