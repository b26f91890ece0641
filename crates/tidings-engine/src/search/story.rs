//! Stories: everything that happened to a message, across sessions, queue ids and daemons.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::RangeInclusive;

use tidings_event::time::rfc3339;
use tidings_event::token::tokens_of;
use tidings_event::{EventRef, EventType, Id, Key};
use tidings_mail::correlate::seconds_of_queue_id;
use tidings_mail::message::{JoinBy, Kind, Message, Name, refused_id};
use tidings_store::{Part, RowSet, TokenExpr};

use super::events::{FoundEvent, read_events};
use super::objects::message_object;
use super::sieve::is_named;
use super::telling::{Hands, summary_of, words_of};
use super::{Place, Scope};
use crate::contract::{StepObject, StoryObject};
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
        let mut stories = Vec::new();
        self.each_story(query, usize::MAX, &mut |story| {
            stories.push(story);
            true
        })?;
        Ok(stories)
    }

    /// Hands over the stories that `query` names, newest first, until `each` wants no more. Those
    /// after the first `told` are without their steps, which takes far less reading.
    pub fn each_story(
        &self,
        query: &StoryQuery,
        told: usize,
        each: &mut dyn FnMut(StoryObject) -> bool,
    ) -> Result<(), Error> {
        let messages = self.named(query.key.trim(), query.limit)?;
        for (number, message) in messages.iter().enumerate() {
            let story = if number < told {
                self.story(message, query.raw)?
            } else {
                story_without_steps(message, &Hands::default())
            };
            if !each(story) {
                break;
            }
        }
        Ok(())
    }

    /// The message that has a leg with this id, as far as it may be seen.
    pub fn message(&self, id: Id, scope: Option<&Scope>) -> Result<Option<Message>, Error> {
        let message = self.message_of_leg(id.0)?.pop();
        Ok(match scope {
            None => message,
            Some(scope) => message.and_then(|message| scope.message(&message)),
        })
    }

    /// The story of a message that was found, with its lines, as far as it may be seen.
    pub fn story_of(&self, message: &Message, scope: Option<&Scope>) -> Result<StoryObject, Error> {
        let Some(scope) = scope.filter(|scope| !scope.is_sender_of(message)) else {
            return self.story(message, true);
        };
        // Its events are those of the whole message, of which fewer are told.
        let whole = self.message_of_leg(message.id)?.pop();
        let mut events = events_of(self, whole.as_ref().unwrap_or(message), true)?;
        events.retain(|found| scope.tells(message, found));
        Ok(story_from(message, &events, true))
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
        let is = |text: &str| is_named(text, bare);
        let wanted = |message: &Message| {
            message.queue_ids.iter().any(|id| is(id))
                || message.message_id.as_deref().is_some_and(is)
                || message.from.as_deref().is_some_and(is)
                || message
                    .recipients
                    .iter()
                    .any(|r| is(&r.address) || r.original_address.as_deref().is_some_and(is))
        };
        self.messages_with(Name::Text(bare), &all_tokens(bare), limit, &wanted)
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
        let found = self.messages_with(Name::Leg(leg), &listed, 1, &wanted)?;
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
        Ok(story_from(message, &events, raw))
    }
}

/// The story that these events tell.
fn story_from(message: &Message, events: &[FoundEvent], raw: bool) -> StoryObject {
    let names = leg_names(events);
    let mut told: Option<&FoundEvent> = None;
    let mut lines_shown = HashSet::new();
    let shown = without_copies(events);
    let timeline = shown
        .iter()
        .take(STEPS_MAX)
        .map(|&found| {
            let line = line_of(found);
            let first = line.is_none_or(|line| lines_shown.insert(line));
            let before = told.filter(|before| line.is_some() && line_of(before) == line);
            told = Some(found);
            step_of(found, before, &names, raw && first)
        })
        .chain(left_out(shown.len()))
        .collect();
    StoryObject {
        timeline,
        ..story_without_steps(message, &Hands::of(events.iter().map(FoundEvent::event)))
    }
}

fn story_without_steps(message: &Message, hands: &Hands) -> StoryObject {
    let recipients = message.recipients.iter();
    StoryObject {
        message: message_object(message),
        summaries: recipients
            .map(|to| summary_of(message, to, hands))
            .collect(),
        timeline: Vec::new(),
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
    let is_refused = message.kind == Kind::Refused;
    let refused = refused_of(message);
    let of_legs = |event: &EventRef<'_>| match event.uint(Key::QUEUE_ID) {
        Some(leg) => legs.contains(&leg),
        None => {
            let position = event.header().position;
            !refused.is_empty() && refused.contains(&refused_id(event.time_ns(), position).0)
        }
    };
    let mut found: HashMap<Place, FoundEvent> = HashMap::new();
    let mut spans = BTreeSet::new();
    let mut keep = |event: FoundEvent| {
        found.insert(event.place(), event);
    };
    let recent = engine.recent();
    recent.each(&mut |sequence, event| {
        if of_legs(event) {
            spans.extend(event.span());
            keep(found_in_memory(sequence, event));
        }
    });
    let near_ns = if is_refused { 0 } else { AROUND_NS };
    let since_ns = message.time_ns.saturating_sub(near_ns);
    let until_ns = message.last_ns.saturating_add(near_ns);
    let stored = message
        .legs
        .iter()
        .map(|leg| TokenExpr::token(leg.to_string()));
    let names = message.queue_ids.iter().map(|name| all_tokens(name));
    let tokens = TokenExpr::Or(stored.chain(names).collect());
    let mut places: Vec<(Part, RowSet)> = Vec::new();
    for part in recent.snapshot.parts(EVENTS, since_ns..=until_ns)? {
        let mut rows = rows_of_refused(&part, &refused, &(since_ns..=until_ns))?;
        if !is_refused {
            let of_legs = rows_of_legs(&part, &part.candidates(&tokens)?, &legs)?;
            rows = rows.or(&of_legs);
        }
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
                found.insert(event.place(), event);
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
                    found.insert(event.place(), event);
                }
            })?;
        }
    }
    let mut events: Vec<FoundEvent> = found.into_values().collect();
    events.sort_by_cached_key(FoundEvent::place);
    Ok(events)
}

fn rows_of_legs(part: &Part, rows: &RowSet, legs: &HashSet<u64>) -> Result<RowSet, Error> {
    let values = part.read(&rows::queue_id_columns(), rows)?;
    let wanted = (0..values.len())
        .filter(|row| rows::queue_id_of(&values, *row).is_some_and(|leg| legs.contains(&leg)))
        .map(|row| values.number(row));
    Ok(RowSet::from_sorted_rows(wanted))
}

/// The ids of the refused commands that are told in the message.
fn refused_of(message: &Message) -> HashSet<u64> {
    if message.kind == Kind::Refused {
        return HashSet::from([message.id]);
    }
    let joins = message.joins.iter();
    let refused = joins.filter(|join| join.by == JoinBy::Session);
    refused.map(|join| join.to).collect()
}

/// The rows of refused commands: those of their lines. The second is in the id, except of times
/// that ids do not reach.
fn rows_of_refused(
    part: &Part,
    refused: &HashSet<u64>,
    times: &RangeInclusive<i64>,
) -> Result<RowSet, Error> {
    let second_of = |id: &u64| {
        let start_ns = Id(*id).seconds().saturating_mul(SECOND_NS);
        let start_ns = start_ns.max(*times.start());
        let end_ns = start_ns.saturating_add(SECOND_NS).min(*times.end());
        match times.contains(&start_ns) {
            true => start_ns..=end_ns,
            false => times.clone(),
        }
    };
    let mut wanted = RowSet::none();
    for near in refused.iter().map(second_of) {
        let near = part.within(near)?;
        let values = part.read(&rows::position_columns(), &near)?;
        let is_wanted = |row: &usize| {
            let time_ns = values.time(rows::TIME, *row).unwrap_or_default();
            refused.contains(&refused_id(time_ns, rows::position_of(&values, *row)).0)
        };
        let found = (0..values.len()).filter(is_wanted);
        let found = found.map(|row| values.number(row));
        wanted = wanted.or(&RowSet::from_sorted_rows(found));
    }
    Ok(wanted)
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

/// The events that are told. What a rule did before the message had a queue id is told where it
/// happened, and not again where the message got its id; that a message was queued is told once,
/// also where two files tell of it.
fn without_copies(events: &[FoundEvent]) -> Vec<&FoundEvent> {
    let rule = |event: &EventRef<'_>| {
        let text = |key| event.str(key).map(str::to_owned);
        (event.kind(), event.span(), text(Key::TO), text(Key::REASON))
    };
    let in_session = events.iter().filter(|found| {
        let event = found.event();
        event.get(Key::QUEUE_ID).is_none() && event.get(Key::ACTION).is_some()
    });
    let acted: HashSet<_> = in_session.map(|found| rule(&found.event())).collect();
    let mut queued = HashSet::new();
    let is_told = |found: &&FoundEvent| {
        let event = found.event();
        let Some(name) = event.str(Key::MTA_QUEUE_ID) else {
            return true;
        };
        if event.kind() == EventType::QUEUE_MESSAGE_QUEUED {
            return queued.insert((event.str(Key::NODE).map(str::to_owned), name.to_owned()));
        }
        event.get(Key::ACTION).is_none() || !acted.contains(&rule(&event))
    };
    events.iter().filter(is_told).collect()
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

/// The line that an event came from.
fn line_of(found: &FoundEvent) -> Option<(u32, u64)> {
    let position = found.event().header().position?;
    Some((position.stream, position.line))
}

/// A step; `before` is the step that tells another event of the same line, just before it.
fn step_of(
    found: &FoundEvent,
    before: Option<&FoundEvent>,
    names: &HashMap<u64, String>,
    raw: bool,
) -> StepObject {
    let event = found.event();
    let text = |key| event.str(key).unwrap_or_default().to_owned();
    let leg = event.uint(Key::QUEUE_ID);
    let line = found.line.as_deref().filter(|_| raw);
    StepObject {
        time: rfc3339(event.time_ns()),
        event: event.kind().name().to_owned(),
        text: words_of(&event, before.map(FoundEvent::event).as_ref()),
        host: text(Key::NODE),
        program: text(Key::PROGRAM),
        leg: leg
            .and_then(|leg| names.get(&leg))
            .cloned()
            .unwrap_or_default(),
        leg_id: leg.map(|leg| Id(leg).to_string()),
        recipient: text(Key::TO),
        span_id: event.span().map(|span| span.to_string()),
        raw: line.map(|line| String::from_utf8_lossy(line).into_owned()),
    }
}
