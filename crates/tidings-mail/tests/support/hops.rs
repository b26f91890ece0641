//! The lines of messages on their way through a server, and what is told of them.

use crate::folding::fold;
use tidings_mail::message::{Message, Verdict};

/// A message is received: time, host, queue id, client, Message-ID, sender.
pub(crate) fn received(
    time: &str,
    host: &str,
    id: &str,
    client: &str,
    message_id: &str,
    from: &str,
) -> String {
    format!(
        "{time}.1Z {host} postfix/smtpd[1]: {id}: client={client}
         {time}.2Z {host} postfix/cleanup[2]: {id}: message-id=<{message_id}>
         {time}.3Z {host} postfix/qmgr[3]: {id}: from=<{from}>, size=800, nrcpt=1 (queue active)
"
    )
    .replace("Z ", " ")
}

/// A message is sent: time, host, queue id, recipient, relay, the seconds it took, reply.
pub(crate) fn sent(
    time: &str,
    host: &str,
    id: &str,
    to: &str,
    relay: &str,
    took: &str,
    reply: &str,
) -> String {
    format!(
        "{time}.5 {host} postfix/smtp[4]: {id}: to=<{to}>, relay={relay}, delay=1, delays=0.1/0/0.1/{took}, dsn=2.0.0, status=sent ({reply})
         {time}.6 {host} postfix/qmgr[3]: {id}: removed
"
    )
}

/// The queue ids of the messages found, joined by `+`.
pub(crate) fn ids(messages: &[Message]) -> Vec<String> {
    messages
        .iter()
        .map(|message| message.queue_ids.join("+"))
        .collect()
}

pub(crate) fn recipients(message: &Message) -> Vec<(&str, Option<&str>, Verdict)> {
    message
        .recipients
        .iter()
        .map(|r| {
            (
                r.address.as_str(),
                r.original_address.as_deref(),
                r.verdict.unwrap(),
            )
        })
        .collect()
}

/// Both orders of reading two logs: their queue ids, which must be the same.
pub(crate) fn either_way(a: &str, b: &str) -> Vec<String> {
    let (first, second) = (ids(&fold(&[a, b])), ids(&fold(&[b, a])));
    assert_eq!(first, second, "in the other order");
    first
}

/// A client, and a relay that is not to be trusted.
pub(crate) const OUT: &str = "out.example[198.51.100.7]";
pub(crate) const EVIL: &str = "mx.evil.example[203.0.113.66]:25";
/// Long queue ids, made at 12:00:00 and 12:00:01.
pub(crate) const A: &str = "4jXSLS1111z1YS5R";
pub(crate) const B: &str = "4jXSLT2222z1YS5V";

/// The session id of a mailbox server.
pub(crate) const SESSION: &str = "eEw2HjrsAmv9AgAALsOh1Q";

pub(crate) fn queued_as(id: &str) -> String {
    format!("250 2.0.0 Ok: queued as {id}")
}

/// A message is handed in by a program of the host: time, host, queue id, Message-ID, sender.
pub(crate) fn picked_up(time: &str, host: &str, id: &str, message_id: &str, from: &str) -> String {
    received(time, host, id, "?", message_id, from)
        .replace("smtpd[1]", "pickup[5]")
        .replace("client=?", &format!("uid=1001 from=<{from}>"))
}
