//! What to do: the action and the sentence for an admin that follow from class, scope, permanence
//! and direction, where the table of wordings has nothing more precise.

use super::class::{Action, Class, Scope};
use super::evidence::{Direction, Permanence};

/// The advice for a success.
pub(super) const NOTHING: &str = "Nothing to do.";

/// The advice where a content filter took a message and threw it away.
pub(super) const THROWN_AWAY: &str = "A content filter took the message and did not pass it on: its own log, or its quarantine, says why.";

/// The action for a judgement as seen from our side.
pub(super) fn action(
    class: Class,
    scope: Scope,
    permanence: Permanence,
    direction: Direction,
) -> Action {
    match direction {
        Direction::Inbound => inbound_action(class, scope),
        Direction::Local => local_action(class, permanence),
        Direction::Outbound => outbound_action(class, scope, permanence),
    }
}

fn outbound_action(class: Class, scope: Scope, permanence: Permanence) -> Action {
    // Without a code the MTA decides; most such failures are tried again.
    let for_good = permanence == Permanence::Permanent;
    let wait_or = |action| if for_good { action } else { Action::Retry };
    match class {
        Class::Accepted | Class::Discarded => Action::None,
        Class::Greylisted | Class::ServerBusy => wait_or(Action::Resend),
        Class::RateLimit if matches!(scope, Scope::Recipient | Scope::TheirServer) => {
            wait_or(Action::Resend)
        }
        Class::RateLimit => Action::SlowDown,
        Class::ServerFault | Class::Network => wait_or(Action::AskThem),
        Class::Dns if scope == Scope::OurServer => Action::FixUs,
        Class::Dns => wait_or(Action::FixAddress),
        Class::Tls if scope == Scope::OurServer => Action::FixUs,
        Class::Tls | Class::Unsupported => Action::AskThem,
        Class::MailboxFull => wait_or(Action::AskRecipient),
        Class::MailboxDisabled if scope == Scope::Sender => Action::FixSender,
        Class::MailboxDisabled => wait_or(Action::AskRecipient),
        Class::NoSuchUser | Class::Moved | Class::BadAddress | Class::NoSuchDomain => {
            Action::FixAddress
        }
        Class::Reputation => Action::Delist,
        Class::Authentication | Class::HostIdentity | Class::SmtpAuth => Action::FixUs,
        Class::SenderRejected => Action::FixSender,
        Class::RelayDenied if scope == Scope::OurServer => Action::FixUs,
        Class::RelayDenied => Action::FixAddress,
        Class::Policy => wait_or(Action::AskThem),
        Class::Spam | Class::Virus | Class::Content | Class::MessageFormat => Action::FixMessage,
        Class::Size => Action::ShrinkMessage,
        Class::TooManyRecipients => wait_or(Action::FixUs),
        Class::Loop if scope == Scope::TheirServer => Action::AskThem,
        Class::Loop | Class::LocalConfiguration => Action::FixUs,
        Class::SyntaxOrProtocol => wait_or(Action::AskThem),
        Class::Expired => Action::Resend,
        Class::Unknown => wait_or(Action::AskThem),
    }
}

/// What our own mail store, filter or local delivery said: we can act on all of it.
fn local_action(class: Class, permanence: Permanence) -> Action {
    match class {
        Class::Accepted | Class::Discarded => Action::None,
        Class::Greylisted | Class::ServerBusy | Class::RateLimit
            if permanence != Permanence::Permanent =>
        {
            Action::Retry
        }
        Class::NoSuchUser | Class::Moved | Class::BadAddress | Class::NoSuchDomain => {
            Action::FixAddress
        }
        Class::SenderRejected => Action::FixSender,
        Class::Spam | Class::Virus | Class::Content | Class::MessageFormat => Action::FixMessage,
        Class::Size => Action::ShrinkMessage,
        Class::Policy | Class::Authentication | Class::Reputation => Action::None,
        Class::Expired => Action::Resend,
        _ => Action::FixUs,
    }
}

/// What our server told a client: mostly it did its work, and nothing is to be done.
fn inbound_action(class: Class, scope: Scope) -> Action {
    match class {
        Class::LocalConfiguration => Action::FixUs,
        Class::ServerBusy if scope == Scope::OurServer => Action::FixUs,
        Class::MailboxFull => Action::AskRecipient,
        Class::Dns if scope == Scope::OurServer => Action::FixUs,
        Class::SmtpAuth | Class::RelayDenied => Action::FixSender,
        Class::SenderRejected if scope == Scope::Sender => Action::FixSender,
        _ => Action::None,
    }
}

/// The sentence for a judgement as seen from our side.
pub(super) fn advice(
    class: Class,
    scope: Scope,
    permanence: Permanence,
    direction: Direction,
) -> &'static str {
    match direction {
        Direction::Inbound if permanence == Permanence::Temporary => {
            put_off_advice(class).unwrap_or_else(|| inbound_advice(class))
        }
        Direction::Inbound => inbound_advice(class),
        Direction::Local if permanence == Permanence::Permanent => {
            returned_advice(class).unwrap_or_else(|| local_advice(class))
        }
        Direction::Local => local_advice(class),
        Direction::Outbound if permanence == Permanence::Permanent => {
            bounced_advice(class).unwrap_or_else(|| outbound_advice(class, scope))
        }
        Direction::Outbound => outbound_advice(class, scope),
    }
}

/// The sentence where every attempt failed for now until the message's time ran out.
pub(super) fn given_up(class: Class, scope: Scope, direction: Direction) -> &'static str {
    match class {
        Class::Greylisted => {
            "The server kept putting it off: attempts may be too rare or come from changing addresses. Send the message again, and ask their postmaster if it happens again."
        }
        Class::Expired => {
            "The steps below may show why no attempt succeeded; once that is mended, send the message again."
        }
        _ => advice(class, scope, Permanence::Permanent, direction),
    }
}

/// Our own store or filter failed for now, and the queue has given up since.
fn returned_advice(class: Class) -> Option<&'static str> {
    Some(match class {
        Class::Greylisted | Class::ServerBusy | Class::RateLimit => {
            "The message is not tried again; give our mail store or filter more capacity, then have it sent once more."
        }
        Class::Network => {
            "The message is not tried again; check that the service of our own mail system runs, then have it sent once more."
        }
        _ => return None,
    })
}

/// Our server refused it for now: a real mail server comes back.
fn put_off_advice(class: Class) -> Option<&'static str> {
    Some(match class {
        Class::Policy | Class::Unknown => {
            "Nothing to do at first: it was refused for now, and a real mail server tries again; if it lasts, look for the rule or filter that refuses it."
        }
        _ => return None,
    })
}

/// Where giving up makes a difference: the queue will not try again.
fn bounced_advice(class: Class) -> Option<&'static str> {
    Some(match class {
        Class::Greylisted => {
            "The server meant \"try again\" but said it as a final refusal; send the message again in a few minutes."
        }
        Class::ServerBusy => "The message is not tried again; send it once more later.",
        Class::RateLimit => {
            "The message is not tried again; send it once more later, and spread mail over more time."
        }
        Class::ServerFault => {
            "The message is not tried again; ask the postmaster of the receiving side to repair their server, then send it once more."
        }
        Class::Network => {
            "The message is not tried again; check whether the receiving server runs, then send it once more."
        }
        Class::Dns => {
            "Check the spelling of the recipient's domain and whether it has a mail server in the DNS."
        }
        Class::MailboxFull => {
            "Reach the recipient by another way and ask them to make room; then send the message again."
        }
        Class::MailboxDisabled => {
            "Ask the recipient by another way whether they still use this address."
        }
        Class::Policy => {
            "Ask the recipient or their postmaster which rule refused the message; the raw reply may name it."
        }
        Class::TooManyRecipients => {
            "Send the message to fewer recipients at once, or lower the number of recipients per delivery."
        }
        Class::SyntaxOrProtocol => {
            "Read the raw reply: one of the two servers, or a firewall between them, breaks the SMTP protocol."
        }
        Class::Unknown => {
            "Read the raw reply; if it does not help, ask the recipient's postmaster."
        }
        _ => return None,
    })
}

fn outbound_advice(class: Class, scope: Scope) -> &'static str {
    match class {
        Class::Accepted => NOTHING,
        Class::Discarded => {
            "If the message should have arrived, find the rule that discards it (transport map, filter, access table)."
        }
        Class::Greylisted => {
            "Nothing to do: the queue tries again in some minutes and the server will accept it."
        }
        Class::RateLimit if scope == Scope::Recipient => {
            "Nothing to do: the recipient gets too much mail at the moment; the queue tries again."
        }
        Class::RateLimit if scope == Scope::TheirServer => {
            "Nothing to do: the queue tries again when the server has room."
        }
        Class::RateLimit if scope == Scope::Sender => {
            "Find out why this sender sends so much; if the account is not abused, spread the mail over more time."
        }
        Class::RateLimit => {
            "Send more slowly to this provider (fewer connections and messages at once), and check the queue for unwanted mail."
        }
        Class::ServerBusy => "Nothing to do: the queue tries again by itself.",
        Class::ServerFault => {
            "Nothing to do at first, the queue tries again; if it lasts for hours, tell the postmaster of the receiving side."
        }
        Class::Network => {
            "Nothing to do at first, the queue tries again; if it lasts, check our own firewall and outgoing port 25, then whether their server runs."
        }
        Class::Dns if scope == Scope::OurServer => {
            "Check our own DNS resolver: look-ups fail or give no answer."
        }
        Class::Dns => {
            "The queue tries again; if it lasts, check our resolver and whether the recipient's domain has a working MX record."
        }
        _ => outbound_refusal_advice(class, scope),
    }
}

fn outbound_refusal_advice(class: Class, scope: Scope) -> &'static str {
    match class {
        Class::Tls if scope == Scope::OurServer => {
            "Make our server use encryption (STARTTLS) for this destination and check its TLS settings."
        }
        Class::Tls => {
            "Their server offers no TLS that our rules accept; tell their postmaster, or relax our TLS rule for this destination if that is allowed."
        }
        Class::MailboxFull => {
            "The queue tries again; reach the recipient by another way and ask them to make room."
        }
        Class::MailboxDisabled if scope == Scope::Sender => {
            "The sending account is switched off at the relay; enable it or use another account."
        }
        Class::MailboxDisabled => {
            "Ask the recipient by another way whether they still use this address."
        }
        Class::NoSuchUser => {
            "Check the address for a typing error, or ask the recipient for the right one; remove it from lists."
        }
        Class::Moved => "Use the recipient's new address; the reply may name it.",
        Class::BadAddress => "Correct the recipient address.",
        Class::NoSuchDomain => {
            "Check the part after the @ for a typing error; the domain does not exist or takes no mail."
        }
        Class::Reputation if scope == Scope::OurDomain => {
            "A domain of ours (in the sender address or in a link) is listed: stop the unwanted mail, then ask the named list for removal."
        }
        Class::Reputation => {
            "Find and stop unwanted mail from our IP address, then ask the named block list or provider for removal."
        }
        Class::HostIdentity => {
            "Give our sending IP address a reverse DNS name that resolves back to it, and use that name in HELO."
        }
        Class::Authentication => {
            "Correct SPF, DKIM and DMARC of the sender's domain; forwarded mail may need SRS or ARC."
        }
        Class::SenderRejected => {
            "Check the sender address: its domain must exist and take mail, and this sender must be allowed to use it."
        }
        Class::RelayDenied if scope == Scope::OurServer => {
            "Our server must sign in to the relay, or its address must be allowed there."
        }
        Class::RelayDenied => {
            "The server is not responsible for this domain: check the address, our transport table, and the domain's MX record."
        }
        Class::SmtpAuth => {
            "Check the user name, password and method that our server uses at this relay."
        }
        Class::Policy => {
            "The queue tries again; if it lasts, ask the postmaster of the receiving side."
        }
        _ => outbound_message_advice(class, scope),
    }
}

fn outbound_message_advice(class: Class, scope: Scope) -> &'static str {
    match class {
        Class::Spam => {
            "Look at the message: if it is unwanted, stop its sender; if not, change its wording and links and check SPF, DKIM and DMARC."
        }
        Class::Virus => "Treat the sender's machine or account as infected until it is checked.",
        Class::Content => {
            "Remove or rename the attachment or text that is not allowed, and send it again."
        }
        Class::MessageFormat => {
            "The program that made the message builds it wrongly (headers, line ends, encoding); correct it there."
        }
        Class::Size => "Send a smaller message, or share the file by a link.",
        Class::TooManyRecipients => {
            "Nothing to do: the queue sends the message to the remaining recipients in further transactions."
        }
        Class::Unsupported => {
            "Use an address and a message without the feature that the server lacks (such as non-ASCII addresses), or ask its postmaster."
        }
        Class::Loop if scope == Scope::TheirServer => {
            "Tell the recipient or their postmaster that mail for this address is forwarded in a circle."
        }
        Class::Loop => {
            "Find the forwarding or the MX record that leads back: our server must know the domain as its own, or not be its MX."
        }
        Class::SyntaxOrProtocol => {
            "The queue tries again; if it lasts, look for a firewall that changes SMTP, or tell their postmaster."
        }
        Class::Expired => {
            "See the attempts before for the reason; remove it, then send the message again."
        }
        Class::LocalConfiguration => {
            "Look into our own mail log for the warning that explains it, and correct the configuration, table or program."
        }
        _ => "The queue tries again; read the raw reply if it lasts.",
    }
}

fn local_advice(class: Class) -> &'static str {
    match class {
        Class::Accepted => NOTHING,
        Class::Discarded => {
            "One of our own rules discards it; find the rule if the message should have arrived."
        }
        Class::MailboxFull => "Raise the mailbox's quota, or ask its owner to make room.",
        Class::NoSuchUser => {
            "Our mail store does not know this address; if it should exist, create it, else refuse it already at RCPT TO."
        }
        Class::MailboxDisabled => {
            "The account is switched off in our own mail store; enable it if it should get mail."
        }
        Class::Spam | Class::Virus | Class::Content => {
            "Our own filter refused it; adjust the filter if the message was wanted."
        }
        Class::Policy | Class::Authentication | Class::Reputation => {
            "One of our own rules refused it; adjust the rule if the message was wanted."
        }
        Class::Greylisted | Class::ServerBusy | Class::RateLimit => {
            "The queue tries again; if it lasts, give our mail store or filter more capacity."
        }
        Class::Size => {
            "The message exceeds a size limit of our own system; raise it if the message was wanted."
        }
        Class::Network => {
            "A part of our own mail system does not answer; check that its service runs."
        }
        _ => "Look into the log of our own mail store or filter for the error that explains it.",
    }
}

fn inbound_advice(class: Class) -> &'static str {
    match class {
        Class::Accepted => NOTHING,
        Class::Discarded => {
            "One of our own rules discards it; find the rule if the message should have arrived."
        }
        Class::Greylisted => {
            "Nothing to do: a real mail server comes back in some minutes and is accepted."
        }
        Class::NoSuchUser => {
            "Nothing to do if the address does not exist here; else create the mailbox or alias."
        }
        Class::MailboxFull => "Raise the mailbox's quota, or ask its owner to make room.",
        Class::MailboxDisabled | Class::Moved => {
            "Nothing to do if the mailbox is closed on purpose."
        }
        Class::RelayDenied | Class::SmtpAuth => {
            "Nothing to do for strangers; one of our own users must sign in (port 587 or 465) with the right password."
        }
        Class::SenderRejected => {
            "The client used a sender address that our rules refuse; a user of ours must use an own address."
        }
        Class::Reputation => {
            "Our server refused a listed client; allow the client explicitly if its mail is wanted."
        }
        Class::HostIdentity => {
            "The client's reverse DNS or HELO name is wrong; its admin must correct it, or allow the client explicitly."
        }
        Class::Authentication => {
            "The message failed SPF, DKIM or DMARC; if it was genuine, the sender's domain or a forwarder must be corrected."
        }
        Class::Spam | Class::Virus | Class::Content => {
            "Our own filter refused it; adjust the filter if the message was wanted."
        }
        Class::RateLimit => {
            "A client went over one of our limits; raise it only if the client is wanted."
        }
        Class::Size => "The message exceeds our size limit; raise it if such messages are wanted.",
        Class::BadAddress
        | Class::NoSuchDomain
        | Class::SyntaxOrProtocol
        | Class::MessageFormat => "Nothing to do: the client spoke or wrote something invalid.",
        Class::LocalConfiguration => {
            "Look into our own mail log for the warning that explains it: a table, a milter or a policy server fails."
        }
        Class::ServerBusy => {
            "Our server was short of resources or still tests the client; look for warnings around this time if it happens often."
        }
        Class::Dns => "A DNS look-up failed at our server; check our resolver if it happens often.",
        Class::Policy => {
            "One of our own rules refused it; adjust the rule if the message was wanted."
        }
        _ => "Nothing to do unless the message was wanted; the raw reply names the reason.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIRECTIONS: [Direction; 3] = [Direction::Outbound, Direction::Inbound, Direction::Local];
    const PERMANENCES: [Permanence; 4] = [
        Permanence::Done,
        Permanence::Temporary,
        Permanence::Permanent,
        Permanence::Unknown,
    ];

    #[test]
    fn every_combination_has_a_sentence() {
        for class in Class::ALL {
            for scope in Scope::ALL {
                for (direction, permanence) in
                    DIRECTIONS.iter().flat_map(|d| PERMANENCES.map(|p| (*d, p)))
                {
                    let text = advice(class, scope, permanence, direction);
                    assert!(text.ends_with('.') && text.len() > 10, "{class:?} {text}");
                }
            }
        }
    }

    #[test]
    fn a_bounce_is_never_said_to_be_tried_again() {
        for class in Class::ALL {
            for scope in Scope::ALL {
                for direction in [Direction::Outbound, Direction::Local] {
                    let refused = advice(class, scope, Permanence::Permanent, direction);
                    for text in [refused, given_up(class, scope, direction)] {
                        assert!(!text.contains("tries again"), "{class:?} {scope:?}: {text}");
                        assert!(!text.contains("further transactions"), "{text}");
                        assert!(!text.contains("Nothing to do:"), "{class:?}: {text}");
                    }
                    let todo = action(class, scope, Permanence::Permanent, direction);
                    assert_ne!(todo, Action::Retry, "{class:?} {scope:?}");
                }
            }
        }
    }
}
