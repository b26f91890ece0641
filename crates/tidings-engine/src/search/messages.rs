//! Messages, newest first, each once: the open ones, and the settled ones of the history.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use tidings_event::filter::Filter;
use tidings_mail::message::{Kind, Message, Name};
use tidings_store::{Part, RowSet, TokenExpr};

use super::events::{each_slice, earlier};
use super::message_subject::{MESSAGE_FIELDS, any_recipient, columns_of};
use super::newest::Newest;
use super::sieve::Sieve;
use super::{Compiled, Place, Scope};
use crate::engine::Engine;
use crate::error::Error;
use crate::message_rows::{self, ID, MESSAGES, NUMBER};

/// What messages to find.
#[derive(Clone, Debug, Default)]
pub struct MessageQuery {
    /// Filter over [`MESSAGE_FIELDS`]; empty for everything.
    pub filter: String,
    /// First time.
    pub since_ns: Option<i64>,
    /// Last time.
    pub until_ns: Option<i64>,
    /// Only messages that stand behind this one in the order of the results: the next page.
    pub behind: Option<Place>,
    /// What may be seen, if that is not everything.
    pub scope: Option<Arc<Scope>>,
    /// How many at most.
    pub limit: usize,
    /// Now.
    pub now_ns: i64,
}

impl Engine {
    /// The newest messages of which a recipient passes the filter, newest first.
    ///
    /// Commands refused at the door are among them if the filter names anything but the time.
    pub fn messages(&self, query: &MessageQuery) -> Result<Vec<Message>, Error> {
        Ok(self
            .newest_messages(query, &|message| message)?
            .into_values())
    }

    /// The places of the newest messages of which a recipient passes the filter, newest first.
    pub fn message_places(&self, query: &MessageQuery) -> Result<Vec<Place>, Error> {
        let newest = self.newest_messages(query, &|_| ())?;
        Ok(newest
            .into_placed()
            .into_iter()
            .map(|(place, ())| place)
            .collect())
    }

    fn newest_messages<T>(
        &self,
        query: &MessageQuery,
        make: &dyn Fn(Message) -> T,
    ) -> Result<Newest<T>, Error> {
        let compiled = Compiled::new(
            &query.filter,
            &MESSAGE_FIELDS,
            query.since_ns,
            earlier(query.until_ns, query.behind),
            query.now_ns,
        )?;
        let with_refused = names_something(&compiled.filter);
        let scope = query.scope.as_deref();
        let matches =
            |message: &Message| any_recipient(message, |subject| compiled.matcher.matches(subject));
        let passes = |message: &Message| {
            (with_refused || message.kind == Kind::Accepted)
                && compiled.covers(message.time_ns)
                && match scope {
                    None => matches(message),
                    Some(scope) => scope.message(message).is_some_and(|seen| matches(&seen)),
                }
        };
        let make = &|message: Message| match scope.and_then(|scope| scope.message(&message)) {
            Some(seen) => make(seen),
            None => make(message),
        };
        let columns = columns_of(&compiled.filter.fields());
        // What is seen of a message follows from all of it.
        let columns = columns.filter(|_| !compiled.filter.has_words() && scope.is_none());
        let mut newest = Newest::new(query.limit, query.behind);
        // The lock is held until the snapshot is taken: a message is open or settled, never both
        // and never neither.
        let (snapshot, reopened) = {
            let open = self.open_messages();
            for message in open.messages() {
                let place = Place::of_message(&message);
                if newest.takes(place) && passes(&message) {
                    newest.push(place, make(message));
                }
            }
            (self.store().snapshot(), self.reopened())
        };
        if compiled.since_ns > compiled.until_ns {
            return Ok(newest);
        }
        let tokens = if with_refused {
            compiled.tokens.clone()
        } else {
            TokenExpr::And(vec![TokenExpr::token("accepted"), compiled.tokens.clone()])
        };
        let tokens = match scope {
            None => tokens,
            Some(scope) => TokenExpr::And(vec![scope.tokens(&MESSAGE_FIELDS), tokens]),
        };
        for part in snapshot.parts(MESSAGES, compiled.since_ns..=compiled.until_ns)? {
            if part
                .times()
                .is_some_and(|(_, last_ns)| !newest.may_take(last_ns))
            {
                break;
            }
            let rows = part
                .candidates(&tokens)?
                .and(&part.within(compiled.since_ns..=compiled.until_ns)?);
            let settled =
                |message: &Message| passes(message) && !reopened.contains_any(&message.legs);
            let sieve = match columns.as_deref() {
                Some(columns) => Some(Sieve::Filter {
                    columns,
                    passes: &passes,
                }),
                None => (!compiled.addresses.is_empty()).then_some(Sieve::Holding(&compiled)),
            };
            newest_of_part(&part, &rows, sieve, &settled, &mut newest, make)?;
        }
        Ok(newest)
    }

    /// All messages of this name, which have these tokens in parts, that `wanted` confirms; newest
    /// first.
    pub(super) fn messages_with(
        &self,
        name: Name<'_>,
        tokens: &TokenExpr,
        limit: usize,
        wanted: &dyn Fn(&Message) -> bool,
    ) -> Result<Vec<Message>, Error> {
        let mut newest = Newest::new(limit, None);
        let (snapshot, reopened) = {
            let open = self.open_messages();
            for message in open.messages_named(name).filter(|message| wanted(message)) {
                newest.push(Place::of_message(&message), message);
            }
            (self.store().snapshot(), self.reopened())
        };
        for part in snapshot.parts(MESSAGES, ..)? {
            if part
                .times()
                .is_some_and(|(_, last_ns)| !newest.may_take(last_ns))
            {
                break;
            }
            let rows = part.candidates(tokens)?;
            let settled =
                |message: &Message| wanted(message) && !reopened.contains_any(&message.legs);
            let sieve = Some(Sieve::Name(name));
            newest_of_part(&part, &rows, sieve, &settled, &mut newest, &|message| {
                message
            })?;
        }
        Ok(newest.into_values())
    }
}

impl Engine {
    /// The settled message with this id, looked for by its id alone within the times.
    pub(super) fn message_with_id(
        &self,
        id: u64,
        times: RangeInclusive<i64>,
    ) -> Result<Option<Message>, Error> {
        let (snapshot, reopened) = {
            let _open = self.open_messages();
            (self.store().snapshot(), self.reopened())
        };
        for part in snapshot.parts(MESSAGES, times.clone())? {
            let ids = part.read(&[ID], &part.within(times.clone())?)?;
            let rows = (0..ids.len()).filter(|row| ids.uint(ID, *row) == Some(id));
            let rows = RowSet::from_sorted_rows(rows.map(|row| ids.number(row)));
            let mut found = whole_messages(&part, &rows)?;
            found.retain(|message| message.id == id && !reopened.contains_any(&message.legs));
            if let Some(message) = found.pop() {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }
}

/// Anything but the time, and what is compared with it.
fn names_something(filter: &Filter) -> bool {
    !filter.is_everything() && {
        let fields = filter.fields();
        fields.is_empty()
            || fields
                .iter()
                .any(|field| !matches!(*field, "time" | "since" | "until" | "size"))
    }
}

fn newest_of_part<T>(
    part: &Part,
    rows: &RowSet,
    sieve: Option<Sieve<'_>>,
    wanted: &dyn Fn(&Message) -> bool,
    newest: &mut Newest<T>,
    make: &dyn Fn(Message) -> T,
) -> Result<(), Error> {
    // A message is read whole together with others: every reading unpacks pages.
    let at_once = newest.limit();
    let mut seen = HashSet::new();
    let mut passed = RowSet::none();
    each_slice(
        part,
        rows,
        newest.limit().saturating_mul(2),
        &mut |part, slice| {
            let times = part.read(&[message_rows::TIME], slice)?;
            let numbers = (0..times.len())
                .filter(|row| {
                    times
                        .time(message_rows::TIME, *row)
                        .is_some_and(|time_ns| newest.may_take_at(time_ns))
                })
                .map(|row| times.number(row));
            let slice = RowSet::from_sorted_rows(numbers);
            passed = passed.or(&match sieve {
                Some(sieve) => sieve.rows(part, &slice)?,
                None => slice,
            });
            if sieve.is_none() || passed.len() as usize >= at_once {
                let rows = std::mem::take(&mut passed);
                take_whole(part, &rows, wanted, &mut seen, newest, make)?;
            }
            Ok(())
        },
    )?;
    take_whole(part, &passed, wanted, &mut seen, newest, make)
}

/// Takes the messages to which these rows belong.
fn take_whole<T>(
    part: &Part,
    rows: &RowSet,
    wanted: &dyn Fn(&Message) -> bool,
    seen: &mut HashSet<u64>,
    newest: &mut Newest<T>,
    make: &dyn Fn(Message) -> T,
) -> Result<(), Error> {
    for message in whole_messages(part, rows)? {
        if seen.insert(message.id) && wanted(&message) {
            newest.push(Place::of_message(&message), make(message));
        }
    }
    Ok(())
}

/// The messages to which these rows belong, with all their rows.
pub(crate) fn whole_messages(part: &Part, rows: &RowSet) -> Result<Vec<Message>, Error> {
    let Some(rows) = whole_rows(part, rows)? else {
        return Ok(Vec::new());
    };
    Ok(message_rows::messages_of(
        &part.read(&message_rows::all_columns(), &rows)?,
    ))
}

/// Widens rows to all rows of their messages: a message's rows stand together, and all but its
/// first one have a number.
pub(crate) fn whole_rows(part: &Part, rows: &RowSet) -> Result<Option<RowSet>, Error> {
    if rows.is_empty() {
        return Ok(None);
    }
    let mut widened = rows.clone();
    loop {
        let edges = widened.ranges().iter().flat_map(|range| {
            let before = range.start.saturating_sub(WIDEN_ROWS)..range.start;
            let after = range.end..range.end.saturating_add(WIDEN_ROWS).min(part.rows());
            [before, range.clone(), after]
        });
        let around = RowSet::from_ranges(edges.filter(|range| !range.is_empty()).collect());
        let values = part.read(&[ID, NUMBER], &around)?;
        let grown = grow(&values, &widened);
        if grown.len() == widened.len() {
            return Ok(Some(grown));
        }
        widened = grown;
    }
}

/// Rows looked at on both sides at a time; most messages have few recipients.
const WIDEN_ROWS: u32 = 8;

/// Adds the rows next to `wanted` that are of the same messages.
fn grow(values: &tidings_store::Rows, wanted: &RowSet) -> RowSet {
    let mut kept = Vec::with_capacity(values.len());
    let mut run = 0;
    while run < values.len() {
        let id = values.uint(ID, run);
        let mut end = run + 1;
        while end < values.len() && values.uint(ID, end) == id && values.int(NUMBER, end).is_some()
        {
            end += 1;
        }
        if (run..end).any(|row| wanted.contains(values.number(row))) {
            kept.extend((run..end).map(|row| values.number(row)));
        }
        run = end;
    }
    RowSet::from_sorted_rows(kept)
}
