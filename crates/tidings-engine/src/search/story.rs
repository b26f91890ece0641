//! Stories: everything that happened to a message, across sessions, queue ids and daemons.

use std::collections::{BTreeSet, HashMap, HashSet};

use tidings_event::time::rfc3339;
use tidings_event::token::tokens_of;
use tidings_event::{EventRef, EventType, Id, Key};
use tidings_mail::correlate::seconds_of_queue_id;
use tidings_mail::diagnose::{Direction, Reply, diagnose};
use tidings_mail::message::{Message, Recipient, Verdict};
use tidings_store::{Part, RowSet, TokenExpr};

use super::events::{FoundEvent, order_of, read_events};
use super::objects::message_object;
use crate::contract::{StepObject, StoryObject, SummaryObject};
use crate::engine::Engine;
use crate::error::Error;
use crate::memory::found as found_in_memory;
use crate::rows::{self, EVENTS};

/// Events that a story shows at most; a mailing to thousands has more, and says so.
const STEPS_MAX: usize = 5000;

const SECOND_NS: i64 = 1_000_000_000;

/// How far the first line known of a message may lie from the second that its id holds.
const NEAR_NS: i64 = 10 * SECOND_NS;

/// Rows around an event that are looked at for more events of its span.
const SPAN_ROWS: u32 = 64;

/// What story to tell.
#[derive(Clone, Debug, Default)]
pub struct StoryQuery {
    /// Id, queue id, Message-ID or address.
    pub key: String,
    /// With the lines.
    pub raw: bool,
    /// How many messages at most, newest first.
    pub limit: usize,
}

impl Engine {
    /// The stories of the messages that `key` names, newest first.
    pub fn stories(&self, query: &StoryQuery) -> Result<Vec<StoryObject>, Error> {
        let messages = self.named(query.key.trim(), query.limit)?;
        messages
            .iter()
            .map(|message| self.story(message, query.raw))
            .collect()
    }

    /// The messages that an id, queue id, Message-ID or address names, newest first.
    fn named(&self, key: &str, limit: usize) -> Result<Vec<Message>, Error> {
        if key.is_empty() {
            return Err(Error::Asked(
                "a story needs an id, a queue id, a Message-ID or an address".into(),
            ));
        }
        if let Some(id) = Id::parse(key) {
            let found = self.message_of_leg(id.0)?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        let bare = key.trim_matches(['<', '>']);
        let is = |text: &str| text.trim_matches(['<', '>']).eq_ignore_ascii_case(bare);
        let wanted = |message: &Message| {
            message.queue_ids.iter().any(|id| is(id))
                || message.message_id.as_deref().is_some_and(is)
                || message.from.as_deref().is_some_and(is)
                || message
                    .recipients
                    .iter()
                    .any(|r| is(&r.address) || r.original_address.as_deref().is_some_and(is))
        };
        self.messages_with(&all_tokens(bare), limit, &wanted)
    }

    /// The message that has this leg: near the second that the id holds where it is the first leg,
    /// by the list of legs where there are several, anywhere if need be.
    fn message_of_leg(&self, leg: u64) -> Result<Vec<Message>, Error> {
        let wanted = |message: &Message| message.legs.contains(&leg);
        let listed = TokenExpr::Or(
            leg_tokens(leg, "")
                .into_iter()
                .map(TokenExpr::token)
                .collect(),
        );
        let found = self.messages_with(&listed, 1, &wanted)?;
        if !found.is_empty() {
            return Ok(found);
        }
        let seconds = [seconds_of_queue_id(leg), Id(leg).seconds()];
        let near = seconds.map(|second| {
            let second_ns = second.saturating_mul(SECOND_NS);
            second_ns.saturating_sub(NEAR_NS)..=second_ns.saturating_add(NEAR_NS)
        });
        for times in near.into_iter().chain([i64::MIN..=i64::MAX]) {
            if let Some(message) = self.message_with_id(leg, times)? {
                return Ok(vec![message]);
            }
        }
        Ok(Vec::new())
    }

    fn story(&self, message: &Message, raw: bool) -> Result<StoryObject, Error> {
        let events = events_of(self, message, true)?;
        let names = leg_names(&events);
        let mut lines_shown = HashSet::new();
        let timeline = events
            .iter()
            .take(STEPS_MAX)
            .map(|found| {
                let place = found
                    .event()
                    .header()
                    .position
                    .map(|position| (position.stream, position.line));
                let first = place.is_none_or(|place| lines_shown.insert(place));
                step_of(found, &names, raw && first)
            })
            .chain(left_out(events.len()))
            .collect();
        Ok(StoryObject {
            message: message_object(message),
            summaries: message.recipients.iter().map(summary_of).collect(),
            timeline,
        })
    }
}

/// The tokens under which a leg's message is found: its id as text where it is one of several legs,
/// and its server's own id.
pub(crate) fn leg_tokens(leg: u64, name: &str) -> Vec<String> {
    let mut tokens = vec![Id(leg).to_string()];
    tokens_of(name, &mut |token: &str| tokens.push(token.to_owned()));
    tokens
}

fn all_tokens(text: &str) -> TokenExpr {
    let mut tokens = Vec::new();
    tokens_of(text, &mut |token: &str| {
        tokens.push(TokenExpr::token(token))
    });
    TokenExpr::And(tokens)
}

/// The events that made a message, in order.
pub(crate) fn events_of_legs(engine: &Engine, message: &Message) -> Result<Vec<FoundEvent>, Error> {
    events_of(engine, message, false)
}

/// How far from the times of its message an event may lie that says nothing about its fate, such
/// as a filter's remark or the end of a session.
const AROUND_NS: i64 = 600 * SECOND_NS;

/// The events of a message's legs, in order; with those of the sessions that brought it if
/// `with_sessions`.
fn events_of(
    engine: &Engine,
    message: &Message,
    with_sessions: bool,
) -> Result<Vec<FoundEvent>, Error> {
    let legs: HashSet<u64> = message.legs.iter().copied().collect();
    let of_legs = |event: &EventRef<'_>| {
        event
            .uint(Key::QUEUE_ID)
            .is_some_and(|leg| legs.contains(&leg))
    };
    let mut found: HashMap<Place, FoundEvent> = HashMap::new();
    let mut spans = BTreeSet::new();
    let mut keep = |event: FoundEvent| {
        found.insert(place_of(&event), event);
    };
    let recent = engine.recent();
    recent.each(&mut |sequence, event| {
        if of_legs(event) {
            spans.extend(event.span());
            keep(found_in_memory(sequence, event));
        }
    });
    let stored = message
        .legs
        .iter()
        .map(|leg| TokenExpr::token(leg.to_string()));
    let names = message.queue_ids.iter().map(|name| all_tokens(name));
    let tokens = TokenExpr::Or(stored.chain(names).collect());
    let until_ns = message.last_ns.saturating_add(AROUND_NS);
    let since_ns = message.time_ns.saturating_sub(AROUND_NS);
    let mut places: Vec<(Part, RowSet)> = Vec::new();
    for part in recent.snapshot.parts(EVENTS, since_ns..=until_ns)? {
        let rows = part.candidates(&tokens)?;
        let rows = rows_of_legs(&part, &rows, &legs)?;
        if rows.is_empty() {
            continue;
        }
        read_events(&part, &rows, &mut |event| {
            spans.extend(event.event().span());
            keep(event);
        })?;
        places.push((part, rows));
    }
    if with_sessions {
        let in_session = |event: &EventRef<'_>| {
            event.span().is_some_and(|span| spans.contains(&span))
                && event.get(Key::QUEUE_ID).is_none()
        };
        recent.each(&mut |sequence, event| {
            if in_session(event) {
                let event = found_in_memory(sequence, event);
                found.insert(place_of(&event), event);
            }
        });
        for (part, rows) in &places {
            let around = rows.ranges().iter().map(|range| {
                range.start.saturating_sub(SPAN_ROWS)
                    ..range.end.saturating_add(SPAN_ROWS).min(part.rows())
            });
            let around = RowSet::from_ranges(around.collect());
            let wanted = rows_of_spans(part, &around, &spans)?;
            read_events(part, &wanted, &mut |event| {
                if in_session(&event.event()) {
                    found.insert(place_of(&event), event);
                }
            })?;
        }
    }
    let mut events: Vec<FoundEvent> = found.into_values().collect();
    events.sort_by_cached_key(|event| {
        let stream = event
            .event()
            .header()
            .position
            .map_or(0, |position| position.stream);
        (order_of(&event.event()), stream)
    });
    Ok(events)
}

/// What tells events apart.
type Place = (u32, u64, u16, i64);

fn place_of(found: &FoundEvent) -> Place {
    let event = found.event();
    match event.header().position {
        Some(position) => (position.stream, position.line, position.ordinal, 0),
        None => (u32::MAX, found.sequence.unwrap_or(0), 0, event.time_ns()),
    }
}

fn rows_of_legs(part: &Part, rows: &RowSet, legs: &HashSet<u64>) -> Result<RowSet, Error> {
    let values = part.read(&rows::queue_id_columns(), rows)?;
    let wanted = (0..values.len())
        .filter(|row| rows::queue_id_of(&values, *row).is_some_and(|leg| legs.contains(&leg)))
        .map(|row| values.number(row));
    Ok(RowSet::from_sorted_rows(wanted))
}

fn rows_of_spans(part: &Part, rows: &RowSet, spans: &BTreeSet<Id>) -> Result<RowSet, Error> {
    let values = part.read(&[rows::SPAN], rows)?;
    let wanted = (0..values.len())
        .filter(|row| {
            values
                .uint(rows::SPAN, *row)
                .is_some_and(|span| spans.contains(&Id(span)))
        })
        .map(|row| values.number(row));
    Ok(RowSet::from_sorted_rows(wanted))
}

/// The name of each leg: its queue id, or session id.
fn leg_names(events: &[FoundEvent]) -> HashMap<u64, String> {
    let mut names = HashMap::new();
    for found in events {
        let event = found.event();
        let name = event
            .str(Key::MTA_QUEUE_ID)
            .or_else(|| event.str(Key::SESSION));
        if let (Some(leg), Some(name)) = (event.uint(Key::QUEUE_ID), name) {
            names.entry(leg).or_insert_with(|| name.to_owned());
        }
    }
    names
}

/// Says how many steps a long story leaves out.
fn left_out(steps: usize) -> Option<StepObject> {
    let left = steps.checked_sub(STEPS_MAX).filter(|left| *left > 0)?;
    Some(StepObject {
        text: format!("… and {left} further steps, left out here; `tidings events` shows all"),
        ..StepObject::default()
    })
}

fn step_of(found: &FoundEvent, names: &HashMap<u64, String>, raw: bool) -> StepObject {
    let event = found.event();
    let text = |key| event.str(key).unwrap_or_default().to_owned();
    let leg = event
        .uint(Key::QUEUE_ID)
        .and_then(|leg| names.get(&leg))
        .cloned()
        .unwrap_or_default();
    StepObject {
        time: rfc3339(event.time_ns()),
        event: event.kind().name().to_owned(),
        text: words_of(&event),
        host: text(Key::NODE),
        program: text(Key::PROGRAM),
        leg,
        recipient: text(Key::TO),
        span_id: event.span().map(|span| span.to_string()),
        raw: found
            .line
            .as_deref()
            .filter(|_| raw)
            .map(|line| String::from_utf8_lossy(line).into_owned()),
    }
}

/// An event in words: what it means, and the values that matter.
fn words_of(event: &EventRef<'_>) -> String {
    let mut words = event.kind().info().description.to_owned();
    let mut add = |label: &str, value: String| {
        words.push_str(if label.is_empty() { " " } else { ", " });
        words.push_str(label);
        words.push_str(&value);
    };
    if matches!(
        event.kind(),
        EventType::SMTP_CONNECTION_START | EventType::SMTP_MAIL_FROM
    ) && let Some(name) = event.str(Key::HOSTNAME)
    {
        let ip = event.get(Key::REMOTE_IP).and_then(|ip| ip.as_ip());
        add(
            "from ",
            format!(
                "{name}{}",
                ip.map(|ip| format!(" [{ip}]")).unwrap_or_default()
            ),
        );
    }
    for (key, label) in [
        (Key::TO, "to "),
        (Key::ORIGINAL_TO, "for "),
        (Key::RELAY, "by "),
        (Key::MAILBOX_NAME, "mailbox "),
        (Key::CHILD_QUEUE_ID, "as "),
        (Key::PARENT_QUEUE_ID, "of "),
        (Key::MESSAGE_ID, ""),
        (Key::ACCOUNT_NAME, "account "),
        (Key::STAGE, "at "),
    ] {
        if let Some(value) = event.str(key) {
            add(label, value.to_owned());
        }
    }
    for key in [Key::REASON, Key::DETAILS, Key::MESSAGE] {
        if let Some(reply) = event.str(key) {
            words.push_str(": ");
            words.push_str(reply);
            break;
        }
    }
    words
}

fn summary_of(recipient: &Recipient) -> SummaryObject {
    let verdict = recipient.verdict.unwrap_or(Verdict::Unknown);
    let (text, advice) = (
        sentence_of(recipient, verdict),
        advice_of(recipient, verdict),
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
    let by = recipient.relay.as_deref().filter(|relay| *relay != "none");
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
        Verdict::Rejected => format!("Refused for {whom} while it was being received{said}."),
        Verdict::Discarded => format!("Thrown away for {whom} by a rule or an operator{said}."),
        Verdict::Held => {
            format!("Held in the queue for {whom} until an operator releases it{said}.")
        }
        Verdict::Filtered => format!("Taken out for {whom} by a content filter{said}."),
        Verdict::InQueue => format!("In the queue for {whom}; no attempt has ended yet."),
        Verdict::Unknown => format!("The log does not say what became of it for {whom}."),
    }
}

fn advice_of(recipient: &Recipient, verdict: Verdict) -> String {
    if recipient.reply.is_empty()
        || matches!(
            verdict,
            Verdict::Delivered | Verdict::InQueue | Verdict::Unknown | Verdict::Discarded
        )
    {
        return String::new();
    }
    let parsed = Reply::parse(recipient.reply.as_str());
    let direction = if recipient.relay.is_none() {
        Direction::Inbound
    } else {
        parsed.direction
    };
    let code = recipient.code.or(parsed.code);
    diagnose(&Reply {
        direction,
        code,
        provider: recipient.provider.as_deref(),
        ..parsed
    })
    .advice
    .to_owned()
}
