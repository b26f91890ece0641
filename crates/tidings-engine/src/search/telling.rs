//! Events and verdicts in plain words.

use std::collections::HashSet;

use tidings_event::{EventRef, EventType, Key};
use tidings_mail::diagnose::{Class, Direction, Enhanced, Fate, Reply, diagnose};
use tidings_mail::message::{Message, Recipient, Verdict};

use crate::contract::SummaryObject;

/// What Postfix writes for the relay where a message went to none.
const NO_RELAY: &str = "none";

/// What the words of an event name, and how they introduce it.
const NAMED: [(Key, &str); 9] = [
    (Key::TO, "to "),
    (Key::ORIGINAL_TO, "for "),
    (Key::RELAY, "by "),
    (Key::MAILBOX_NAME, "mailbox "),
    (Key::CHILD_QUEUE_ID, "as "),
    (Key::PARENT_QUEUE_ID, "of "),
    (Key::MESSAGE_ID, ""),
    (Key::ACCOUNT_NAME, "account "),
    (Key::STAGE, "at "),
];

/// An event in words: what it means, and the values that matter. What the event `before` it, of the
/// same line, told is not told again, but for the recipient.
pub(super) fn words_of(event: &EventRef<'_>, before: Option<&EventRef<'_>>) -> String {
    let mut words = event.kind().info().description.to_owned();
    let news = |key: Key| {
        let value = event.str(key)?;
        let is_told = before.is_some_and(|before| before.str(key) == Some(value));
        (!is_told || key == Key::TO).then_some(value)
    };
    let mut add = |label: &str, value: &str| {
        words.push_str(if label.is_empty() { " " } else { ", " });
        words.push_str(label);
        words.push_str(value);
    };
    if matches!(
        event.kind(),
        EventType::SMTP_CONNECTION_START | EventType::SMTP_MAIL_FROM
    ) && let Some(name) = event.str(Key::HOSTNAME)
    {
        let ip = event.get(Key::REMOTE_IP).and_then(|ip| ip.as_ip());
        let ip = ip.map(|ip| format!(" [{ip}]")).unwrap_or_default();
        add("from ", &format!("{name}{ip}"));
    }
    for (key, label) in NAMED {
        let value = news(key).filter(|value| key != Key::RELAY || *value != NO_RELAY);
        if let Some(value) = value {
            add(label, value);
        }
    }
    let replies = [Key::REASON, Key::DETAILS, Key::MESSAGE];
    if let Some(key) = replies.into_iter().find(|key| event.str(*key).is_some())
        && let Some(reply) = news(key)
    {
        words.push_str(": ");
        words.push_str(reply);
    }
    words
}

/// What operators did to legs of a message, by the legs' ids.
#[derive(Debug, Default)]
pub(super) struct Hands {
    /// Whose time in the queue an operator ended.
    expired: HashSet<u64>,
    /// Which an operator deleted.
    deleted: HashSet<u64>,
}

impl Hands {
    /// What the events of a message tell of operators.
    pub(super) fn of<'e>(events: impl Iterator<Item = EventRef<'e>>) -> Hands {
        let mut hands = Hands::default();
        for event in events {
            let Some(leg) = event.uint(Key::QUEUE_ID) else {
                continue;
            };
            match event.kind() {
                // The queue manager's own decision has the status `expired`.
                EventType::DELIVERY_EXPIRED
                    if event.get(Key::TO).is_none()
                        && event.str(Key::STATUS) != Some("expired") =>
                {
                    hands.expired.insert(leg);
                }
                EventType::QUEUE_REMOVED_BY_OPERATOR => {
                    hands.deleted.insert(leg);
                }
                _ => {}
            }
        }
        hands
    }

    fn ended(&self, recipient: &Recipient, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Expired => self.expired.contains(&recipient.leg),
            Verdict::Discarded => self.deleted.contains(&recipient.leg),
            _ => false,
        }
    }
}

/// What became of a message for a recipient, and what to do about it.
pub(super) fn summary_of(message: &Message, recipient: &Recipient, hands: &Hands) -> SummaryObject {
    let verdict = recipient.verdict.unwrap_or(Verdict::Unknown);
    let (text, advice) = if hands.ended(recipient, verdict) {
        by_hand(recipient, verdict)
    } else {
        (
            sentence_of(message, recipient, verdict),
            advice_of(message, recipient, verdict),
        )
    };
    SummaryObject {
        address: recipient.address.clone(),
        verdict: verdict.as_str().to_owned(),
        text,
        advice,
    }
}

/// What an operator ended; what the last attempt said is not the reason.
fn by_hand(recipient: &Recipient, verdict: Verdict) -> (String, String) {
    let (whom, tries) = (whom(recipient), tries(recipient));
    let what = match verdict {
        Verdict::Expired => "an operator ended its time in the queue, and the sender was told",
        _ => "an operator deleted it from the queue",
    };
    // Of what was deleted the reply only says that it was.
    let before = if recipient.reply.is_empty() || verdict == Verdict::Discarded {
        String::new()
    } else {
        format!(". Before that: {}", recipient.reply)
    };
    (
        format!("Not delivered to {whom}{tries}; {what}{before}."),
        "If the message was wanted, its sender must send it again.".to_owned(),
    )
}

fn whom(recipient: &Recipient) -> &str {
    if recipient.address.is_empty() {
        "a recipient that the log does not name"
    } else {
        &recipient.address
    }
}

fn tries(recipient: &Recipient) -> String {
    match recipient.attempts {
        0 | 1 => String::new(),
        tries => format!(" after {tries} attempts"),
    }
}

/// Whether a mailbox's script refused it; Pigeonhole says so in these words.
fn is_by_script(recipient: &Recipient) -> bool {
    ["reject action: ", "ereject action: "]
        .iter()
        .any(|words| recipient.reply.contains(words))
}

/// Whether the client broke off before it was accepted: then the reply says how.
fn is_broken_off(recipient: &Recipient) -> bool {
    recipient.attempts == 0 && recipient.relay.is_none() && !recipient.reply.is_empty()
}

/// Whether a server's answer was for now.
fn is_for_now(recipient: &Recipient) -> bool {
    match (recipient.code, recipient.dsn.as_deref()) {
        (Some(code), _) => (400..500).contains(&code),
        (None, Some(dsn)) => dsn.starts_with('4'),
        (None, None) => false,
    }
}

/// `: 450 4.7.1 words`, the codes where the words do not begin with them.
fn said_with_codes(recipient: &Recipient) -> String {
    let mut parts: Vec<String> = Vec::new();
    let code = recipient.code.map(|code| code.to_string());
    let is_told = |code: &str| recipient.reply.starts_with(code);
    if let Some(code) = code.filter(|code| !is_told(code)) {
        parts.push(code);
        let dsn = recipient.dsn.as_deref().filter(|dsn| !is_told(dsn));
        parts.extend(dsn.map(str::to_owned));
    }
    if !recipient.reply.is_empty() {
        parts.push(recipient.reply.clone());
    }
    match parts.is_empty() {
        true => String::new(),
        false => format!(": {}", parts.join(" ")),
    }
}

fn sentence_of(message: &Message, recipient: &Recipient, verdict: Verdict) -> String {
    let (whom, tries) = (whom(recipient), tries(recipient));
    let by = recipient
        .relay
        .as_deref()
        .filter(|relay| *relay != NO_RELAY);
    let by = by.map(|relay| format!(" by {relay}")).unwrap_or_default();
    let said = if recipient.reply.is_empty() {
        String::new()
    } else {
        format!(": {}", recipient.reply)
    };
    match verdict {
        Verdict::Delivered if recipient.reply.contains("forwarded to <") => {
            format!("Not kept for {whom}: a script of the mailbox sent it on{said}.")
        }
        Verdict::Delivered => format!("Delivered to {whom}{by}{tries}{said}."),
        Verdict::Deferred => {
            format!("Not delivered to {whom} yet{tries}; it is retried by itself{said}.")
        }
        Verdict::Bounced if matches!(message.from.as_deref(), Some("" | "<>")) => {
            format!("Not delivered to {whom}; it names no sender to return it to{said}.")
        }
        Verdict::Bounced => {
            format!("Not delivered to {whom}; it was returned to the sender{said}.")
        }
        Verdict::Expired => {
            format!("Not delivered to {whom}{tries}; its time in the queue ran out{said}.")
        }
        Verdict::Rejected => refusal(recipient, &by),
        Verdict::Discarded => {
            format!("Thrown away for {whom} by a rule, a script or an operator{said}.")
        }
        Verdict::Held => {
            format!("Held in the queue for {whom} until an operator releases it{said}.")
        }
        Verdict::Filtered => format!("Taken out for {whom} by a content filter{said}."),
        Verdict::InQueue => format!("In the queue for {whom}; no attempt has ended yet."),
        Verdict::Unknown if is_broken_off(recipient) => {
            format!("Never accepted for {whom}{said}.")
        }
        Verdict::Unknown => format!("The log does not say what became of it for {whom}."),
    }
}

fn refusal(recipient: &Recipient, by: &str) -> String {
    let (whom, said) = (whom(recipient), said_with_codes(recipient));
    if is_by_script(recipient) {
        return format!(
            "Refused for {whom} by a script of the mailbox, and the sender was told{said}."
        );
    }
    // The queue had it: what refuses it then tells the sender.
    if recipient.relay.is_some() {
        return format!("Refused for {whom}{by}, and the sender was told{said}.");
    }
    if is_for_now(recipient) {
        return format!(
            "Refused for {whom} for now, while it was being received; the client may try again{said}."
        );
    }
    format!("Refused for {whom} while it was being received{said}.")
}

fn advice_of(message: &Message, recipient: &Recipient, verdict: Verdict) -> String {
    if verdict == Verdict::Held {
        return held_advice(&message.queue_ids);
    }
    let fixed = match verdict {
        Verdict::Delivered => "",
        Verdict::Unknown if is_broken_off(recipient) => BROKEN_OFF_ADVICE,
        Verdict::Unknown => UNKNOWN_ADVICE,
        Verdict::InQueue => IN_QUEUE_ADVICE,
        Verdict::Discarded => DISCARDED_ADVICE,
        Verdict::Rejected if is_by_script(recipient) => SCRIPT_ADVICE,
        Verdict::Deferred if recipient.reply.is_empty() => UNKNOWN_ADVICE,
        Verdict::Expired if recipient.reply.is_empty() => EXPIRED_ADVICE,
        _ if recipient.reply.is_empty() => NO_REASON_ADVICE,
        _ => return advice_by_reply(recipient, verdict).to_owned(),
    };
    fixed.to_owned()
}

fn advice_by_reply(recipient: &Recipient, verdict: Verdict) -> &'static str {
    let parsed = Reply::parse(recipient.reply.as_str());
    let relay = recipient.relay.as_deref();
    let direction = match relay {
        None if verdict == Verdict::Rejected => Direction::Inbound,
        Some(relay) if is_our_own(relay) => Direction::Local,
        _ => parsed.direction,
    };
    let fate = match verdict {
        Verdict::Deferred => Fate::Waiting,
        Verdict::Expired => Fate::GivenUp,
        // Whether the client comes back, its reply's code tells.
        Verdict::Rejected if relay.is_none() && is_for_now(recipient) => Fate::Open,
        _ => Fate::Refused,
    };
    let dsn = recipient.dsn.as_deref();
    let enhanced = dsn.and_then(|dsn| Enhanced::parse(dsn.as_bytes()));
    let found = diagnose(&Reply {
        direction,
        code: recipient
            .code
            .or(parsed.code)
            .or(final_code(recipient, verdict)),
        enhanced: parsed.enhanced.or(enhanced),
        provider: recipient.provider.as_deref(),
        fate,
        ..parsed
    });
    // Success is what our own store told, and the verdict knows more.
    if found.class == Class::Accepted {
        return NO_REASON_ADVICE;
    }
    found.advice
}

/// Whether a relay is a program, a socket or an address of this machine.
fn is_our_own(relay: &str) -> bool {
    if relay == NO_RELAY {
        return false;
    }
    match relay.split_once('[') {
        Some((_, at)) => at.starts_with("127.") || at.starts_with("::1]") || at.contains('/'),
        None => true,
    }
}

/// A refusal without a code, as of a mailbox's rules, is for good.
fn final_code(recipient: &Recipient, verdict: Verdict) -> Option<u16> {
    (verdict == Verdict::Rejected && !is_for_now(recipient)).then_some(550)
}

const SCRIPT_ADVICE: &str = "It is over: a rule that the mailbox's owner wrote refuses such mail; if it was wanted, \
    the owner must change the rule.";

const EXPIRED_ADVICE: &str = "Nothing is tried again; once what kept it from being delivered is mended, its sender must \
    send it again.";

const NO_REASON_ADVICE: &str =
    "It is over, and the log gives no reason; the steps below show where it ended.";

const BROKEN_OFF_ADVICE: &str =
    "The client broke off; it tries again by itself if it is a mail server.";
const UNKNOWN_ADVICE: &str = "Import the logs before and after these lines, if there are any; where the message may \
    still be in the queue, `postqueue -p` shows it.";

const IN_QUEUE_ADVICE: &str = "Import newer lines of the log, if there are any; `postqueue -p` shows whether the message \
    is still in the queue.";

const DISCARDED_ADVICE: &str = "If the message should have arrived, find the rule or script that discards it; the steps below name it.";

/// What to do about a message that waits for an operator; `names` are its queue ids.
fn held_advice(names: &[String]) -> String {
    let name = match names {
        [name] => name,
        _ => "QUEUEID",
    };
    format!(
        "Look at it with `postcat -q {name}`, then let it go on with `postsuper -H {name}`, or throw \
         it away with `postsuper -d {name}`."
    )
}
