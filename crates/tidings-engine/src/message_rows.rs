//! Messages as rows of the history's `messages` table and back: one row a recipient, so that
//! anyone can count verdicts, and a row without recipient for a message that has none.

use std::ops::Deref;
use std::sync::LazyLock;

use tidings_event::Id;
use tidings_mail::diagnose::{Action, Class, Scope};
use tidings_mail::message::{
    Join, JoinBy, Kind as MessageKind, Message, Recipient, Relation, Verdict,
};
use tidings_store::{Column, ColumnId, Kind, RowBatch, Rows, Schema};

/// Name of the table.
pub(crate) const MESSAGES: &str = "messages";

pub(crate) const TIME: ColumnId = 0;
pub(crate) const ID: ColumnId = 1;
pub(crate) const NUMBER: ColumnId = 2;
pub(crate) const LAST: ColumnId = 3;
pub(crate) const KIND: ColumnId = 4;
pub(crate) const MESSAGE_ID: ColumnId = 5;
pub(crate) const QUEUE_IDS: ColumnId = 6;
pub(crate) const LEGS: ColumnId = 7;
pub(crate) const FROM: ColumnId = 8;
pub(crate) const SIZE: ColumnId = 9;
pub(crate) const HOSTS: ColumnId = 10;
pub(crate) const CLIENT_NAME: ColumnId = 11;
pub(crate) const CLIENT_IP: ColumnId = 12;
pub(crate) const ACCOUNT: ColumnId = 13;
pub(crate) const TO: ColumnId = 14;
pub(crate) const ORIGINAL_TO: ColumnId = 15;
pub(crate) const VERDICT: ColumnId = 16;
pub(crate) const VERDICT_TIME: ColumnId = 17;
pub(crate) const REPLY: ColumnId = 18;
pub(crate) const CODE: ColumnId = 19;
pub(crate) const DSN: ColumnId = 20;
pub(crate) const CLASS: ColumnId = 21;
pub(crate) const SCOPE: ColumnId = 22;
pub(crate) const ACTION: ColumnId = 23;
pub(crate) const PROVIDER: ColumnId = 24;
pub(crate) const RELAY: ColumnId = 25;
pub(crate) const DELAY: ColumnId = 26;
pub(crate) const ATTEMPTS: ColumnId = 27;
pub(crate) const LEG: ColumnId = 28;
pub(crate) const JOINS: ColumnId = 29;
pub(crate) const RELATED: ColumnId = 30;

const COLUMNS: &[(&str, Kind, bool)] = &[
    ("time", Kind::Time, false),
    ("id", Kind::UInt, false),
    ("number", Kind::Int, false),
    ("lastTime", Kind::Time, false),
    ("kind", Kind::Text, true),
    ("messageId", Kind::Text, true),
    ("queueIds", Kind::Text, true),
    ("legs", Kind::Text, true),
    ("from", Kind::Text, true),
    ("size", Kind::Int, false),
    ("hosts", Kind::Text, true),
    ("clientName", Kind::Text, true),
    ("clientIp", Kind::Text, true),
    ("account", Kind::Text, true),
    ("to", Kind::Text, true),
    ("originalTo", Kind::Text, true),
    ("verdict", Kind::Text, true),
    ("verdictTime", Kind::Time, false),
    ("reply", Kind::Text, true),
    ("code", Kind::Int, false),
    ("dsn", Kind::Text, true),
    ("class", Kind::Text, true),
    ("scope", Kind::Text, true),
    ("action", Kind::Text, true),
    ("provider", Kind::Text, true),
    ("relay", Kind::Text, true),
    ("delay", Kind::Int, false),
    ("attempts", Kind::Int, false),
    ("leg", Kind::UInt, false),
    ("joins", Kind::Text, false),
    ("related", Kind::Text, true),
];

/// The columns of texts.
pub(crate) fn text_columns() -> &'static [ColumnId] {
    static TEXTS: LazyLock<Vec<ColumnId>> = LazyLock::new(|| {
        let texts = COLUMNS.iter().enumerate();
        let texts = texts.filter(|(_, (_, kind, _))| *kind == Kind::Text);
        texts.map(|(column, _)| column).collect()
    });
    &TEXTS
}

/// The table's schema.
pub(crate) fn messages_schema() -> Schema {
    let columns = COLUMNS.iter().map(|(name, kind, indexed)| {
        let column = Column::new(*name, *kind);
        if *indexed { column.indexed() } else { column }
    });
    Schema::new(
        MESSAGES,
        columns.collect(),
        &["time", "id", "number"],
        "time",
        crate::tokenise,
    )
    .expect("the columns above are well formed: a test opens a store with them")
}

/// Every column.
pub(crate) fn all_columns() -> Vec<ColumnId> {
    (0..COLUMNS.len()).collect()
}

/// Adds a message's rows.
pub(crate) fn push<S: Deref<Target = str>>(batch: &mut RowBatch, message: &Message<S>) {
    if message.recipients.is_empty() {
        push_common(batch, message);
        return;
    }
    for (number, recipient) in message.recipients.iter().enumerate() {
        push_common(batch, message);
        push_recipient(batch, message, number, recipient);
    }
}

fn push_common<S: Deref<Target = str>>(batch: &mut RowBatch, message: &Message<S>) {
    let text = |batch: &mut RowBatch, column, text: &Option<S>| {
        if let Some(text) = text {
            batch.put_text(column, text);
        }
    };
    batch.begin_row();
    batch.put_time(TIME, message.time_ns);
    batch.put_uint(ID, message.id);
    batch.put_time(LAST, message.last_ns);
    batch.put_text(KIND, kind_word(message.kind));
    text(batch, MESSAGE_ID, &message.message_id);
    put_list(batch, QUEUE_IDS, message.queue_ids.iter().map(|id| &**id));
    // A message without a name is found by its leg alone.
    let is_nameless = message.queue_ids.is_empty() && message.kind == MessageKind::Accepted;
    if message.legs.len() > 1 || is_nameless {
        let legs: Vec<String> = message
            .legs
            .iter()
            .map(|leg| Id(*leg).to_string())
            .collect();
        put_list(batch, LEGS, legs.iter().map(String::as_str));
    }
    text(batch, FROM, &message.from);
    if let Some(size) = message.size.and_then(|size| i64::try_from(size).ok()) {
        batch.put_int(SIZE, size);
    }
    put_list(batch, HOSTS, message.hosts.iter().map(|host| &**host));
    text(batch, CLIENT_NAME, &message.client_name);
    text(batch, CLIENT_IP, &message.client_ip);
    text(batch, ACCOUNT, &message.account);
    let joins: Vec<String> = message
        .joins
        .iter()
        .map(|join| format!("{} {} {}", join.by.as_str(), Id(join.from), Id(join.to)))
        .collect();
    put_list(batch, JOINS, joins.iter().map(String::as_str));
    let related: Vec<String> = message
        .relations
        .iter()
        .map(|relation| {
            format!(
                "{} {}",
                if relation.is_parent {
                    "parent"
                } else {
                    "child"
                },
                &*relation.queue_id
            )
        })
        .collect();
    put_list(batch, RELATED, related.iter().map(String::as_str));
}

fn push_recipient<S: Deref<Target = str>>(
    batch: &mut RowBatch,
    message: &Message<S>,
    number: usize,
    recipient: &Recipient<S>,
) {
    if number > 0 {
        batch.put_int(NUMBER, number as i64);
    }
    batch.put_text(TO, &recipient.address);
    if let Some(verdict) = recipient.verdict {
        batch.put_text(VERDICT, crate::search::verdict_word(verdict));
    }
    batch.put_time(VERDICT_TIME, recipient.time_ns);
    let texts = [
        (ORIGINAL_TO, recipient.original_address.as_deref()),
        (
            REPLY,
            Some(&*recipient.reply).filter(|reply| !reply.is_empty()),
        ),
        (DSN, recipient.dsn.as_deref()),
        (CLASS, recipient.class),
        (SCOPE, recipient.scope),
        (ACTION, recipient.action),
        (PROVIDER, recipient.provider.as_deref()),
        (RELAY, recipient.relay.as_deref()),
    ];
    for (column, text) in texts {
        if let Some(text) = text {
            batch.put_text(column, text);
        }
    }
    if let Some(code) = recipient.code {
        batch.put_int(CODE, i64::from(code));
    }
    if let Some(delay) = recipient
        .delay_ms
        .and_then(|delay| i64::try_from(delay).ok())
    {
        batch.put_int(DELAY, delay);
    }
    if recipient.attempts != 1 {
        batch.put_int(ATTEMPTS, i64::from(recipient.attempts));
    }
    if recipient.leg != message.id {
        batch.put_uint(LEG, recipient.leg);
    }
}

/// The items of a list are joined by line feeds, which no item holds.
fn put_list<'t>(batch: &mut RowBatch, column: ColumnId, items: impl Iterator<Item = &'t str>) {
    let mut items = items.peekable();
    let Some(first) = items.next() else { return };
    if items.peek().is_none() {
        batch.put_text(column, first);
        return;
    }
    let mut text = first.to_owned();
    for item in items {
        text.push('\n');
        text.push_str(item);
    }
    batch.put_text(column, &text);
}

pub(crate) fn kind_word(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::Accepted => "accepted",
        MessageKind::Refused => "refused",
    }
}

/// Puts messages together again from rows, in the order of the rows. Rows of one message stand
/// next to each other.
pub(crate) fn messages_of(rows: &Rows) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    for row in 0..rows.len() {
        let id = rows.uint(ID, row).unwrap_or(0);
        if messages.last().is_none_or(|message| message.id != id) {
            messages.push(common_of(rows, row));
        }
        let Some(message) = messages.last_mut() else {
            continue;
        };
        if rows.text(TO, row).is_some() {
            message.recipients.push(recipient_of(rows, row, id));
        }
    }
    messages
}

fn text(rows: &Rows, column: ColumnId, row: usize) -> Option<&str> {
    rows.has(column).then(|| rows.text(column, row))?
}

fn int(rows: &Rows, column: ColumnId, row: usize) -> Option<i64> {
    rows.has(column).then(|| rows.int(column, row))?
}

fn uint(rows: &Rows, column: ColumnId, row: usize) -> Option<u64> {
    rows.has(column).then(|| rows.uint(column, row))?
}

fn time(rows: &Rows, column: ColumnId, row: usize) -> Option<i64> {
    rows.has(column).then(|| rows.time(column, row))?
}

/// The message of one row, with the recipient of that row, as far as columns were read.
pub(crate) fn message_of_row(rows: &Rows, row: usize) -> Message {
    let mut message = common_of(rows, row);
    if text(rows, TO, row).is_some() {
        message.recipients.push(recipient_of(rows, row, message.id));
    }
    message
}

fn owned(rows: &Rows, column: ColumnId, row: usize) -> Option<String> {
    text(rows, column, row).map(str::to_owned)
}

fn list(rows: &Rows, column: ColumnId, row: usize) -> Vec<String> {
    text(rows, column, row)
        .map(|text| text.split('\n').map(str::to_owned).collect())
        .unwrap_or_default()
}

/// Whether row `row` is of the message with this leg; needs the columns `id` and `legs`.
pub(crate) fn has_leg(rows: &Rows, row: usize, leg: u64) -> bool {
    legs_of(rows, row).contains(&leg)
}

fn legs_of(rows: &Rows, row: usize) -> Vec<u64> {
    let legs = list(rows, LEGS, row);
    let legs: Vec<u64> = (legs.iter())
        .filter_map(|leg| Id::parse(leg))
        .map(|leg| leg.0)
        .collect();
    if legs.is_empty() {
        vec![uint(rows, ID, row).unwrap_or(0)]
    } else {
        legs
    }
}

fn common_of(rows: &Rows, row: usize) -> Message {
    let id = uint(rows, ID, row).unwrap_or(0);
    let refused = text(rows, KIND, row) == Some("refused");
    Message {
        id,
        kind: if refused {
            MessageKind::Refused
        } else {
            MessageKind::Accepted
        },
        time_ns: time(rows, TIME, row).unwrap_or(0),
        last_ns: time(rows, LAST, row).unwrap_or(0),
        message_id: owned(rows, MESSAGE_ID, row),
        queue_ids: list(rows, QUEUE_IDS, row),
        legs: legs_of(rows, row),
        from: owned(rows, FROM, row),
        size: int(rows, SIZE, row).and_then(|size| u64::try_from(size).ok()),
        hosts: list(rows, HOSTS, row),
        client_name: owned(rows, CLIENT_NAME, row),
        client_ip: owned(rows, CLIENT_IP, row),
        account: owned(rows, ACCOUNT, row),
        recipients: Vec::new(),
        joins: list(rows, JOINS, row)
            .iter()
            .filter_map(|join| join_of(join))
            .collect(),
        relations: list(rows, RELATED, row)
            .iter()
            .filter_map(|relation| relation_of(relation))
            .collect(),
    }
}

fn join_of(text: &str) -> Option<Join> {
    let mut words = text.split(' ');
    let word = words.next()?;
    Some(Join {
        by: JoinBy::ALL.into_iter().find(|by| by.as_str() == word)?,
        from: Id::parse(words.next()?)?.0,
        to: Id::parse(words.next()?)?.0,
    })
}

fn relation_of(text: &str) -> Option<Relation> {
    let (word, queue_id) = text.split_once(' ')?;
    Some(Relation {
        is_parent: word == "parent",
        queue_id: queue_id.to_owned(),
    })
}

fn recipient_of(rows: &Rows, row: usize, id: u64) -> Recipient {
    Recipient {
        address: owned(rows, TO, row).unwrap_or_default(),
        original_address: owned(rows, ORIGINAL_TO, row),
        verdict: text(rows, VERDICT, row).and_then(Verdict::parse),
        time_ns: time(rows, VERDICT_TIME, row).unwrap_or(0),
        reply: owned(rows, REPLY, row).unwrap_or_default(),
        code: int(rows, CODE, row).and_then(|code| u16::try_from(code).ok()),
        dsn: owned(rows, DSN, row),
        class: text(rows, CLASS, row)
            .and_then(Class::from_name)
            .map(|class| class.as_str()),
        scope: text(rows, SCOPE, row)
            .and_then(Scope::from_name)
            .map(|scope| scope.as_str()),
        action: text(rows, ACTION, row)
            .and_then(Action::from_name)
            .map(|action| action.as_str()),
        provider: owned(rows, PROVIDER, row),
        relay: owned(rows, RELAY, row),
        delay_ms: int(rows, DELAY, row).and_then(|delay| u64::try_from(delay).ok()),
        delays: None,
        leg: uint(rows, LEG, row).unwrap_or(id),
        attempts: int(rows, ATTEMPTS, row)
            .and_then(|tries| u32::try_from(tries).ok())
            .unwrap_or(1),
    }
}
