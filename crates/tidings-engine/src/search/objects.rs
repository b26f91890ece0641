//! Found events and messages as the objects of the contract.

use serde_json::Value as Json;
use tidings_event::Id;
use tidings_event::json::{Additional, write_webhook};
use tidings_event::time::rfc3339;
use tidings_mail::message::{Message, Recipient, Verdict};

use super::FoundEvent;
use crate::contract::{JoinObject, MessageObject, RecipientObject, RelatedObject};
use crate::message_rows::kind_word;

/// An event in the webhook form with our additional fields; with its line if `raw`.
pub fn event_object(found: &FoundEvent, raw: bool) -> Json {
    let event = found.event();
    let position = event.header().position;
    let id = match (found.sequence, position) {
        (Some(sequence), _) => format!("{sequence}"),
        (None, Some(position)) => {
            format!("{}-{}-{}", position.stream, position.line, position.ordinal)
        }
        (None, None) => format!("{}", event.time_ns()),
    };
    let additional = Additional {
        sequence: found.sequence,
        node: event.str(tidings_event::Key::NODE),
        raw: found.line.as_deref().filter(|_| raw),
    };
    let mut json = Vec::with_capacity(512);
    write_webhook(&mut json, &id, &event, None, Some(&additional));
    serde_json::from_slice(&json).unwrap_or(Json::Null)
}

/// A message as the contract has it.
pub fn message_object(message: &Message) -> MessageObject {
    MessageObject {
        id: Id(message.id).to_string(),
        kind: kind_word(message.kind).to_owned(),
        time: rfc3339(message.time_ns),
        last_time: rfc3339(message.last_ns),
        message_id: message.message_id.clone(),
        queue_ids: message.queue_ids.clone(),
        from: message.from.clone(),
        size: message.size,
        hosts: message.hosts.clone(),
        client_name: message.client_name.clone(),
        client_ip: message.client_ip.clone(),
        account: message.account.clone(),
        verdict: message.verdict().as_str().to_owned(),
        recipients: message.recipients.iter().map(recipient_object).collect(),
        joins: message
            .joins
            .iter()
            .map(|join| JoinObject {
                by: join.by.as_str().to_owned(),
                from: Id(join.from).to_string(),
                to: Id(join.to).to_string(),
            })
            .collect(),
        related: message
            .relations
            .iter()
            .map(|relation| RelatedObject {
                relation: if relation.is_parent {
                    "parent"
                } else {
                    "child"
                }
                .to_owned(),
                queue_id: relation.queue_id.clone(),
            })
            .collect(),
    }
}

fn recipient_object(recipient: &Recipient) -> RecipientObject {
    RecipientObject {
        address: recipient.address.clone(),
        original_address: recipient.original_address.clone(),
        verdict: recipient
            .verdict
            .unwrap_or(Verdict::Unknown)
            .as_str()
            .to_owned(),
        time: rfc3339(recipient.time_ns),
        reply: Some(recipient.reply.clone()).filter(|reply| !reply.is_empty()),
        code: recipient.code,
        dsn: recipient.dsn.clone(),
        class: recipient.class.map(str::to_owned),
        scope: recipient.scope.map(str::to_owned),
        action: recipient.action.map(str::to_owned),
        provider: recipient.provider.clone(),
        relay: recipient.relay.clone(),
        delay_ms: recipient.delay_ms,
        attempts: recipient.attempts,
    }
}
