//! Events and verdicts in plain words.

use tidings_event::{EventRef, EventType, Key};
use tidings_mail::diagnose::{Direction, Reply, diagnose};
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

/// What became of a message for a recipient, and what to do about it.
pub(super) fn summary_of(message: &Message, recipient: &Recipient) -> SummaryObject {
    let verdict = recipient.verdict.unwrap_or(Verdict::Unknown);
    let (text, advice) = (
        sentence_of(recipient, verdict),
        advice_of(message, recipient, verdict),
    );
    SummaryObject {
        address: recipient.address.clone(),
        verdict: verdict.as_str().to_owned(),
        text,
        advice,
    }
}

fn sentence_of(recipient: &Recipient, verdict: Verdict) -> String {
    let whom = if recipient.address.is_empty() {
        "a recipient that the log does not name"
    } else {
        &recipient.address
    };
    let by = recipient
        .relay
        .as_deref()
        .filter(|relay| *relay != NO_RELAY);
    let by = by.map(|relay| format!(" by {relay}")).unwrap_or_default();
    let tries = match recipient.attempts {
        0 | 1 => String::new(),
        tries => format!(" after {tries} attempts"),
    };
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
        Verdict::Bounced => {
            format!("Not delivered to {whom}; it was returned to the sender{said}.")
        }
        Verdict::Expired => {
            format!("Not delivered to {whom}{tries}; its time in the queue ran out{said}.")
        }
        // The queue had it: what refuses it then tells the sender.
        Verdict::Rejected if recipient.relay.is_some() => {
            format!("Refused for {whom}{by}, and the sender was told{said}.")
        }
        Verdict::Rejected => format!("Refused for {whom} while it was being received{said}."),
        Verdict::Discarded => {
            format!("Thrown away for {whom} by a rule, a script or an operator{said}.")
        }
        Verdict::Held => {
            format!("Held in the queue for {whom} until an operator releases it{said}.")
        }
        Verdict::Filtered => format!("Taken out for {whom} by a content filter{said}."),
        Verdict::InQueue => format!("In the queue for {whom}; no attempt has ended yet."),
        Verdict::Unknown => format!("The log does not say what became of it for {whom}."),
    }
}

fn advice_of(message: &Message, recipient: &Recipient, verdict: Verdict) -> String {
    if verdict == Verdict::Held {
        return held_advice(&message.queue_ids);
    }
    match verdict {
        Verdict::Delivered => return String::new(),
        Verdict::Unknown => return UNKNOWN_ADVICE.to_owned(),
        Verdict::InQueue => return IN_QUEUE_ADVICE.to_owned(),
        Verdict::Discarded => return DISCARDED_ADVICE.to_owned(),
        _ if recipient.reply.is_empty() => return UNKNOWN_ADVICE.to_owned(),
        _ => {}
    }
    let parsed = Reply::parse(recipient.reply.as_str());
    let direction = if recipient.relay.is_none() {
        Direction::Inbound
    } else {
        parsed.direction
    };
    let code = recipient.code.or(parsed.code).or(final_code(verdict));
    diagnose(&Reply {
        direction,
        code,
        provider: recipient.provider.as_deref(),
        ..parsed
    })
    .advice
    .to_owned()
}

/// A refusal without a code, as of a mailbox's script, is for good.
fn final_code(verdict: Verdict) -> Option<u16> {
    (verdict == Verdict::Rejected).then_some(550)
}

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
