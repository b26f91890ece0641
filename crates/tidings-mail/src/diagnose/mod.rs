//! Says what an SMTP reply or a failure text of a mail server means to an admin: what is wrong,
//! whom it is about, what to do, and how sure that is.
//!
//! ```
//! use tidings_mail::diagnose::{Action, Class, Reply, Scope, diagnose};
//!
//! let text = "host mx.example[192.0.2.1] said: 550 5.1.1 <bob@example>: mailbox is full \
//!             (in reply to RCPT TO command)";
//! let found = diagnose(&Reply::parse(text));
//! assert_eq!(found.class, Class::MailboxFull); // not NoSuchUser: words beat codes
//! assert_eq!((found.scope, found.action), (Scope::Recipient, Action::AskRecipient));
//! assert_eq!(found.wording, Some("mailbox is full"));
//! ```
//!
//! # Evidence, strongest first
//!
//! 1. wordings, in the order of `data/replies.txt`: providers' own texts, texts that our own MTA
//!    makes, then wordings in general;
//! 2. the enhanced status code, where it is a specific one (`5.2.2`, not `5.7.1`);
//! 3. wordings marked as a guess;
//! 4. the vague enhanced codes;
//! 5. the three-digit code at its stage, which is no more than a guess;
//! 6. the stage.
//!
//! Codes alone are weak: servers say `550 5.1.1` for a full mailbox and `554 5.7.1` for everything.
//!
//! # What an attacker writes
//!
//! Replies quote addresses, and those are chosen by whoever sent the message. Addresses, anything
//! in `<…>`, and quoted tokens are masked before any wording is looked for, and host names stay one
//! word, so `<mailbox.full@example>` is never a full mailbox.
//!
//! # Adding a wording
//!
//! Add a line to `data/replies.txt` under the section with its class and scope, in normal form:
//! lower case, single blanks, no punctuation but dots, hyphens and underscores inside a word, no
//! apostrophes (`doesnt`), no codes, any IP address as `ip`. A wording matches whole words; `*` at
//! an end lets it match part of a word, `^` asks for the beginning of the text, ` & ` joins
//! wordings that must all occur, `*.example.com` is a host or one below it.
//! **The first line that fits wins**, so put a special wording above a general one. Then add the
//! whole reply, as a server sent it, to `data/replies-expected.txt`; the tests check both files and
//! name the line with a mistake.

mod advice;
mod class;
mod code;
mod enhanced;
mod evidence;
mod normal;
mod raw;
mod stage;
mod wording;

pub use class::{Action, Class, Scope};
pub use enhanced::Enhanced;
pub use evidence::{Confidence, Direction, Evidence, Fate, Permanence};
pub use raw::Reply;
pub use stage::Stage;

use std::cell::RefCell;

/// What a reply means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Diagnosis {
    /// What is wrong.
    pub class: Class,
    /// Whom or what it is about.
    pub scope: Scope,
    /// What to do.
    pub action: Action,
    /// How far to trust this.
    pub confidence: Confidence,
    /// Which part of the reply decided.
    pub evidence: Evidence,
    /// For now or for good.
    pub permanence: Permanence,
    /// The line of the table that decided, when a wording did.
    pub wording: Option<&'static str>,
    /// One or two plain sentences for the admin: what to do about it.
    pub advice: &'static str,
}

/// Diagnoses a reply. Never fails and never panics; a text that nothing is known about gives
/// [`Class::Unknown`]. Costs about a microsecond for a refusal, some nanoseconds for a success.
///
/// The first call builds the automaton of all wordings (some ten milliseconds).
#[must_use]
pub fn diagnose(reply: &Reply<'_>) -> Diagnosis {
    if matches!(reply.code, Some(200..=399)) {
        return thrown_away(reply.text).unwrap_or(ACCEPTED);
    }
    let permanence = permanence(reply);
    let found = of_rule(of_sender(judge(reply, permanence), reply.stage), reply);
    // Our own delivery agents say what they did in words of their own, with `dsn=2.…`.
    if permanence == Permanence::Done && found.class != Class::Discarded {
        return ACCEPTED;
    }
    let (class, scope) = turn(found.class, found.scope, reply.direction);
    let ending = reply.fate.permanence(permanence);
    let action = match found.action {
        Some(Action::Retry) if reply.fate.is_over() => Action::Resend,
        Some(action) => action,
        None => advice::action(class, scope, ending, reply.direction),
    };
    // An advice of the table is written for mail going out; one about greylisting for mail that
    // still waits.
    let is_too_late = reply.fate.is_over() && class == Class::Greylisted;
    let advice = match found.advice {
        Some(advice) if reply.direction == Direction::Outbound && !is_too_late => advice,
        _ if reply.fate == Fate::GivenUp => advice::given_up(class, scope, reply.direction),
        _ => advice::advice(class, scope, ending, reply.direction),
    };
    Diagnosis {
        class,
        scope,
        action,
        confidence: found.confidence,
        evidence: found.evidence,
        permanence: match class {
            Class::Accepted | Class::Discarded => Permanence::Done,
            _ => permanence,
        },
        wording: found.wording,
        advice,
    }
}

/// Diagnoses a failure text as logged: [`Reply::parse`], then [`diagnose`].
#[must_use]
pub fn diagnose_text<T: AsRef<[u8]> + ?Sized>(text: &T) -> Diagnosis {
    diagnose(&Reply::parse(text))
}

const ACCEPTED: Diagnosis = Diagnosis {
    class: Class::Accepted,
    scope: Scope::Unknown,
    action: Action::None,
    confidence: Confidence::Sure,
    evidence: Evidence::Code,
    permanence: Permanence::Done,
    wording: None,
    advice: advice::NOTHING,
};

/// Whether a content filter accepted the message with this reply, and threw it away or put it under
/// quarantine: amavis' `Ok, discarded, id=1-2 - INFECTED` and `Ok, id=1-2, BOUNCE`, clamsmtp's
/// `Virus Detected; Discarded Email`.
pub(crate) fn is_thrown_away(reply: &[u8]) -> bool {
    let says_so = |word: &[u8]| {
        word == b"DISCARD"
            || word.eq_ignore_ascii_case(b"discarded")
            || word.eq_ignore_ascii_case(b"quarantined")
    };
    reply.ends_with(b", BOUNCE") || words(reply).any(says_so)
}

/// Addresses and host names stay one word.
fn words(reply: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = |byte: &u8| matches!(byte, b' ' | b',' | b';' | b':' | b'(' | b')');
    let words = reply.split(ends);
    words.map(|word| word.strip_suffix(b".").unwrap_or(word))
}

/// What it was taken for, where a filter threw a message away.
fn thrown_away(reply: &[u8]) -> Option<Diagnosis> {
    if !is_thrown_away(reply) {
        return None;
    }
    let class_of = |word: &[u8]| {
        Some(match word.to_ascii_lowercase().as_slice() {
            b"virus" | b"infected" => Class::Virus,
            b"spam" | b"ube" => Class::Spam,
            b"banned" => Class::Content,
            _ => return None,
        })
    };
    Some(Diagnosis {
        class: words(reply).find_map(class_of).unwrap_or(Class::Discarded),
        scope: Scope::Message,
        advice: advice::THROWN_AWAY,
        evidence: Evidence::Wording,
        ..ACCEPTED
    })
}

fn permanence(reply: &Reply<'_>) -> Permanence {
    match (reply.code, reply.enhanced.map(|e| e.class)) {
        (Some(400..=499), _) | (None, Some(4)) => Permanence::Temporary,
        (Some(500..=599), _) | (None, Some(5)) => Permanence::Permanent,
        (None, Some(2)) => Permanence::Done,
        _ => Permanence::Unknown,
    }
}

/// A judgement before it is seen from our side.
#[derive(Clone, Copy)]
struct Judgement {
    class: Class,
    scope: Scope,
    confidence: Confidence,
    evidence: Evidence,
    action: Option<Action>,
    wording: Option<&'static str>,
    advice: Option<&'static str>,
}

impl Judgement {
    fn of((class, scope, confidence): (Class, Scope, Confidence), evidence: Evidence) -> Self {
        Self {
            class,
            scope,
            confidence,
            evidence,
            action: None,
            wording: None,
            advice: None,
        }
    }
}

thread_local! {
    /// The normal form of the text at hand; kept so that a diagnosis does not allocate it.
    static NORMAL: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Weighs the evidence in the order that the module's documentation gives.
fn judge(reply: &Reply<'_>, permanence: Permanence) -> Judgement {
    let by_words = by_wording(reply, permanence);
    if let Some(found) = by_words
        && found.confidence > Confidence::Guess
    {
        return found;
    }
    let by_enhanced = reply
        .enhanced
        .and_then(enhanced::meaning)
        .map(|meaning| Judgement::of(meaning, Evidence::Enhanced));
    if let Some(found) = by_enhanced
        && found.confidence > Confidence::Guess
    {
        return found;
    }
    let code = || reply.code.and_then(|code| code::meaning(code, reply.stage));
    let stage = || reply.stage.and_then(code::at_stage);
    by_words
        .or(by_enhanced)
        .or_else(|| code().map(|meaning| Judgement::of(meaning, Evidence::Code)))
        .or_else(|| {
            stage().map(|(class, scope)| {
                Judgement::of((class, scope, Confidence::Guess), Evidence::Stage)
            })
        })
        .unwrap_or_else(|| {
            let nothing = (Class::Unknown, Scope::Unknown, Confidence::Guess);
            Judgement::of(nothing, Evidence::Nothing)
        })
}

fn by_wording(reply: &Reply<'_>, permanence: Permanence) -> Option<Judgement> {
    /// Above this a long text's scratch space is given back.
    const SCRATCH_BYTES_MAX: usize = 16 * 1024;
    let context = wording::Context {
        code: reply.code,
        permanence,
        provider: reply.provider,
        stage: reply.stage,
    };
    let found = NORMAL.with_borrow_mut(|normal| {
        normal.clear();
        let found = wording::TABLE.find(reply.text, &context, normal);
        if normal.capacity() > SCRATCH_BYTES_MAX {
            *normal = Vec::new();
        }
        found
    })?;
    let section = found.section;
    Some(Judgement {
        class: section.class,
        scope: section.scope,
        confidence: section.confidence,
        evidence: Evidence::Wording,
        action: section.action,
        wording: Some(found.line),
        advice: section.advice,
    })
}

/// At MAIL FROM only the sender is known: what is said about "the user" or "the domain" there is
/// about the sender's.
fn of_sender(found: Judgement, stage: Option<Stage>) -> Judgement {
    let about_an_address = matches!(
        found.class,
        Class::NoSuchUser | Class::BadAddress | Class::NoSuchDomain
    );
    if stage == Some(Stage::MailFrom) && about_an_address {
        return Judgement {
            class: Class::SenderRejected,
            scope: Scope::Sender,
            ..found
        };
    }
    found
}

/// Our own server looks at a message's content only when its recipients are accepted: what its rule
/// then says of "no such …" is not about them. Nor is what a rule calls a matter of policy, if its
/// words do not surely mean a recipient.
fn of_rule(found: Judgement, reply: &Reply<'_>) -> Judgement {
    let about_recipients = matches!(
        found.class,
        Class::NoSuchUser | Class::BadAddress | Class::NoSuchDomain | Class::Moved
    );
    // The code that Postfix gives to the words of a table; the words are those of whoever wrote it.
    let of_table =
        reply.enhanced.is_some_and(|code| code.subject == 7) && found.confidence < Confidence::Sure;
    let of_content = reply.stage == Some(Stage::EndOfData);
    if reply.direction == Direction::Inbound && (of_content || of_table) && about_recipients {
        return Judgement {
            class: Class::Policy,
            scope: Scope::Message,
            confidence: Confidence::Likely,
            ..found
        };
    }
    found
}

/// Sees a judgement from our side. Tables are written as if another server had spoken to ours;
/// when ours spoke to a client, "our IP address" is the client's, and a fault of the speaking
/// server is our own.
fn turn(class: Class, scope: Scope, direction: Direction) -> (Class, Scope) {
    let scope = match (direction, scope) {
        (Direction::Outbound, scope) => scope,
        (Direction::Inbound, Scope::OurIp) => Scope::TheirIp,
        (Direction::Inbound, Scope::OurDomain) => Scope::TheirDomain,
        (Direction::Inbound, Scope::OurServer) => Scope::TheirServer,
        (_, Scope::TheirServer) => Scope::OurServer,
        (Direction::Local, Scope::OurIp) => Scope::OurServer,
        (_, scope) => scope,
    };
    let ours = direction != Direction::Outbound && scope == Scope::OurServer;
    match class {
        Class::ServerFault if ours => (Class::LocalConfiguration, scope),
        class => (class, scope),
    }
}

#[cfg(test)]
#[path = "mod_tests.rs"]
mod tests;
