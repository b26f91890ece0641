//! Searches: events, messages and stories, over the history and what is still open.

mod events;
mod held;
mod message_subject;
mod messages;
mod newest;
mod objects;
mod place;
mod scope;
mod sieve;
mod spans;
mod story;
mod telling;

use tidings_event::filter::{FieldSet, Filter, Matcher, Needs, Plan};
use tidings_event::{EventType, Key};
use tidings_store::TokenExpr;

use crate::error::Error;

pub use events::{EventQuery, FoundEvent};
pub use message_subject::MESSAGE_FIELDS;
pub(crate) use message_subject::verdict_word;
pub(crate) use messages::whole_rows;
pub(crate) use story::{events_of_legs, leg_tokens};

pub use messages::MessageQuery;
pub use objects::{event_object, message_object};
pub use place::Place;
pub use scope::Scope;
pub use spans::{FoundSpan, SpanFilter, SpanQuery};
pub use story::StoryQuery;

/// Types that a filter may name at most for the index to be asked; more are matched row by row.
const TYPES_MAX: usize = 64;

/// A filter ready to be used: matcher, plan, and what the index has to be asked.
struct Compiled {
    filter: Filter,
    matcher: Matcher,
    since_ns: i64,
    until_ns: i64,
    tokens: TokenExpr,
    /// The keys of an event that it looks at; `None` if it may look at all.
    keys: Option<Vec<Key>>,
    /// Addresses that a text of whatever passes holds.
    addresses: Vec<String>,
}

impl Compiled {
    fn new(
        text: &str,
        fields: &FieldSet,
        since_ns: Option<i64>,
        until_ns: Option<i64>,
        now_ns: i64,
    ) -> Result<Compiled, Error> {
        let filter = Filter::parse(text, fields)
            .map_err(|error| Error::Asked(format!("filter: {}", error.render(text))))?;
        let matcher = Matcher::compile(&filter, now_ns);
        let plan = matcher.plan();
        Ok(Compiled {
            since_ns: plan.since_ns.max(since_ns.unwrap_or(i64::MIN)),
            until_ns: plan.until_ns.min(until_ns.unwrap_or(i64::MAX)),
            tokens: tokens_of(&plan, fields.is_event),
            keys: keys_of(&filter),
            addresses: held::addresses(&plan.needs),
            filter,
            matcher,
        })
    }

    fn covers(&self, time_ns: i64) -> bool {
        (self.since_ns..=self.until_ns).contains(&time_ns)
    }
}

fn keys_of(filter: &Filter) -> Option<Vec<Key>> {
    let of_header = |name: &&str| {
        matches!(
            *name,
            "type" | "level" | "span" | "time" | "since" | "until"
        )
    };
    let fields = filter.fields().into_iter().filter(|name| !of_header(name));
    // `ip` is in any key, and so are words.
    let keys = fields.map(|name| Key::from_name(name).filter(|_| name != "ip"));
    keys.collect::<Option<_>>().filter(|_| !filter.has_words())
}

fn tokens_of(plan: &Plan, is_event: bool) -> TokenExpr {
    let needs = expr_of(&plan.needs);
    if !is_event || plan.types.is_all() {
        return needs;
    }
    let types: Vec<EventType> = plan.types.iter().take(TYPES_MAX + 1).collect();
    if types.len() > TYPES_MAX {
        return needs;
    }
    let types = types
        .into_iter()
        .map(|kind| TokenExpr::token(kind.name()))
        .collect();
    TokenExpr::And(vec![TokenExpr::Or(types), needs])
}

fn expr_of(needs: &Needs) -> TokenExpr {
    match needs {
        Needs::Anything => TokenExpr::All,
        Needs::Token(token) => TokenExpr::token(token.clone()),
        Needs::All(parts) => TokenExpr::And(parts.iter().map(expr_of).collect()),
        Needs::Any(parts) => TokenExpr::Or(parts.iter().map(expr_of).collect()),
    }
}
