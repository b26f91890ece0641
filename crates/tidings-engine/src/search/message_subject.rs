//! How filters see messages: one recipient at a time, with what the message has in common.

use std::net::IpAddr;

use tidings_event::filter::{ExtraField, FieldKind, FieldSet, Subject};
use tidings_event::{EventType, Id, Key, Level, Value};
use tidings_mail::message::{Message, Recipient, Verdict};
use tidings_store::ColumnId;

use crate::message_rows::{
    self, ACCOUNT, CLIENT_IP, CLIENT_NAME, CODE, DELAY, DSN, FROM, HOSTS, ID, MESSAGE_ID, NUMBER,
    ORIGINAL_TO, QUEUE_IDS, RELAY, REPLY, SIZE, TIME, TO, VERDICT,
};

const STATUS: u16 = 0;
const PROVIDER: u16 = 1;
const CLASS: u16 = 2;
const SCOPE: u16 = 3;
const ACTION: u16 = 4;
const KIND: u16 = 5;
const QUEUE_ID: u16 = 6;

const VERDICTS: &[&str] = &[
    "delivered",
    "deferred",
    "bounced",
    "expired",
    "rejected",
    "discarded",
    "held",
    "filtered",
    "in-queue",
    "unknown",
];

/// The fields that a filter over messages may name.
pub const MESSAGE_FIELDS: FieldSet = FieldSet {
    object: "message",
    is_event: false,
    extra: &[
        ExtraField {
            name: "status",
            id: STATUS,
            kind: FieldKind::Word(VERDICTS),
            is_indexed: true,
        },
        ExtraField {
            name: "provider",
            id: PROVIDER,
            kind: FieldKind::Text,
            is_indexed: true,
        },
        ExtraField {
            name: "class",
            id: CLASS,
            kind: FieldKind::Text,
            is_indexed: true,
        },
        ExtraField {
            name: "scope",
            id: SCOPE,
            kind: FieldKind::Text,
            is_indexed: true,
        },
        ExtraField {
            name: "action",
            id: ACTION,
            kind: FieldKind::Text,
            is_indexed: true,
        },
        ExtraField {
            name: "kind",
            id: KIND,
            kind: FieldKind::Word(&["accepted", "refused"]),
            is_indexed: true,
        },
        ExtraField {
            name: "queueId",
            id: QUEUE_ID,
            kind: FieldKind::Text,
            is_indexed: true,
        },
    ],
};

/// The word by which filters and the index know a verdict.
pub(crate) fn verdict_word(verdict: Verdict) -> &'static str {
    if verdict == Verdict::InQueue {
        "in-queue"
    } else {
        verdict.as_str()
    }
}

/// One recipient of a message, or a message without any.
pub(super) struct MessageSubject<'m> {
    message: &'m Message,
    recipient: Option<&'m Recipient>,
}

/// Whether a filter lets a message pass: one of its recipients does.
pub(super) fn any_recipient(
    message: &Message,
    mut test: impl FnMut(&MessageSubject<'_>) -> bool,
) -> bool {
    if message.recipients.is_empty() {
        return test(&MessageSubject {
            message,
            recipient: None,
        });
    }
    message.recipients.iter().any(|recipient| {
        test(&MessageSubject {
            message,
            recipient: Some(recipient),
        })
    })
}

type Test<'t> = &'t mut dyn FnMut(&Value<'_>) -> bool;

fn text(text: Option<&str>, test: Test<'_>) -> bool {
    text.is_some_and(|text| test(&Value::Str(text)))
}

fn texts(texts: &[String], test: Test<'_>) -> bool {
    texts.iter().any(|text| test(&Value::Str(text)))
}

fn number(number: Option<u64>, test: Test<'_>) -> bool {
    number.is_some_and(|number| test(&Value::UInt(number)))
}

impl MessageSubject<'_> {
    fn value(&self, key: Key, test: Test<'_>) -> bool {
        let message = self.message;
        let of_recipient =
            |get: &dyn Fn(&Recipient) -> Option<String>| self.recipient.and_then(get);
        match key {
            Key::MESSAGE_ID => text(message.message_id.as_deref(), test),
            Key::FROM => text(message.from.as_deref(), test),
            Key::TO => self.recipient.is_some_and(|r| {
                test(&Value::Str(&r.address)) || text(r.original_address.as_deref(), test)
            }),
            Key::ORIGINAL_TO => text(
                of_recipient(&|r| r.original_address.clone()).as_deref(),
                test,
            ),
            Key::MTA_QUEUE_ID => texts(&message.queue_ids, test),
            Key::NODE => texts(&message.hosts, test),
            Key::HOSTNAME => text(message.client_name.as_deref(), test),
            Key::REMOTE_IP => match message.client_ip.as_deref().map(str::parse::<IpAddr>) {
                Some(Ok(ip)) => test(&Value::from(ip)),
                _ => false,
            },
            Key::ACCOUNT_NAME => text(message.account.as_deref(), test),
            Key::SIZE => number(message.size, test),
            Key::RELAY => text(of_recipient(&|r| r.relay.clone()).as_deref(), test),
            Key::REASON => self
                .recipient
                .is_some_and(|r| !r.reply.is_empty() && test(&Value::Str(&r.reply))),
            Key::CODE => number(self.recipient.and_then(|r| r.code).map(u64::from), test),
            Key::DSN => text(of_recipient(&|r| r.dsn.clone()).as_deref(), test),
            Key::ELAPSED => {
                let delay = self.recipient.and_then(|r| r.delay_ms);
                delay.is_some_and(|delay| test(&Value::Duration(delay)))
            }
            Key::CHILD_QUEUE_ID => message
                .relations
                .iter()
                .any(|relation| test(&Value::Str(&relation.queue_id))),
            _ => false,
        }
    }
}

/// The columns that tell whether a filter over these fields lets a row pass, read before the others
/// are; `None` if that is not known of one of them.
pub(super) fn columns_of(fields: &[&str]) -> Option<Vec<ColumnId>> {
    // Without these a row is no message, and has no recipient.
    let mut columns = vec![TIME, ID, NUMBER, message_rows::KIND, TO];
    for field in fields {
        let of_field: &[ColumnId] = match *field {
            "status" => &[VERDICT],
            "provider" => &[message_rows::PROVIDER],
            "class" => &[message_rows::CLASS],
            "scope" => &[message_rows::SCOPE],
            "action" => &[message_rows::ACTION],
            "kind" | "time" => &[],
            "queueId" => &[QUEUE_IDS],
            name => match Key::from_name(name)? {
                Key::MESSAGE_ID => &[MESSAGE_ID],
                Key::FROM => &[FROM],
                Key::TO | Key::ORIGINAL_TO => &[ORIGINAL_TO],
                Key::MTA_QUEUE_ID => &[QUEUE_IDS],
                Key::NODE => &[HOSTS],
                Key::HOSTNAME => &[CLIENT_NAME],
                Key::REMOTE_IP => &[CLIENT_IP],
                Key::ACCOUNT_NAME => &[ACCOUNT],
                Key::SIZE => &[SIZE],
                Key::RELAY => &[RELAY],
                Key::REASON => &[REPLY],
                Key::CODE => &[CODE],
                Key::DSN => &[DSN],
                Key::ELAPSED => &[DELAY],
                _ => return None,
            },
        };
        columns.extend(of_field);
    }
    columns.sort_unstable();
    columns.dedup();
    Some(columns)
}

const KEYS: &[Key] = &[
    Key::MESSAGE_ID,
    Key::FROM,
    Key::TO,
    Key::MTA_QUEUE_ID,
    Key::NODE,
    Key::HOSTNAME,
    Key::REMOTE_IP,
    Key::ACCOUNT_NAME,
    Key::RELAY,
    Key::REASON,
    Key::DSN,
    Key::CHILD_QUEUE_ID,
];

impl Subject for MessageSubject<'_> {
    fn kind(&self) -> Option<EventType> {
        None
    }

    fn level(&self) -> Option<Level> {
        None
    }

    fn time_ns(&self) -> i64 {
        self.message.time_ns
    }

    fn span(&self) -> Option<Id> {
        None
    }

    fn any_value(&self, key: Option<Key>, test: Test<'_>) -> bool {
        match key {
            Some(key) => self.value(key, test),
            None => {
                KEYS.iter().any(|key| self.value(*key, test))
                    || (0..=KIND).any(|extra| self.any_extra(extra, test))
            }
        }
    }

    fn any_extra(&self, id: u16, test: Test<'_>) -> bool {
        let recipient = self.recipient;
        match id {
            STATUS => {
                let verdict = recipient.map_or(Some(Verdict::Unknown), |r| r.verdict);
                text(verdict.map(verdict_word), test)
            }
            PROVIDER => text(recipient.and_then(|r| r.provider.as_deref()), test),
            CLASS => text(recipient.and_then(|r| r.class), test),
            SCOPE => text(recipient.and_then(|r| r.scope), test),
            ACTION => text(recipient.and_then(|r| r.action), test),
            KIND => text(Some(message_rows::kind_word(self.message.kind)), test),
            QUEUE_ID => texts(&self.message.queue_ids, test),
            _ => false,
        }
    }
}
