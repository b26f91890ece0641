//! What a client wants to see, and which spans it has come to follow by that.
//!
//! The needles (`filter=`, `KEY=`) are the reference's: after a match, all later events of the span
//! pass them. Level, events and `q=` are ours: they are asked of every event by itself, also of those
//! of a span that is followed.

use std::collections::VecDeque;

use rustc_hash::FxHashSet;
use tidings_event::filter::{Filter, Matcher, Plan};
use tidings_event::{EventRef, EventSet, Id, Level};

use super::Scope;
use super::needle::Needle;

/// Spans that one client follows; beyond it the one that it has followed longest is let go, and its
/// later events pass only where they match by themselves.
const SPANS_MAX: usize = 2_048;

/// Which events a client wants.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    needles: Vec<Needle>,
    level: Option<Level>,
    events: Option<EventSet>,
    query: Option<Query>,
}

#[derive(Clone, Debug)]
struct Query {
    matcher: Matcher,
    plan: Plan,
}

impl Wish {
    /// Everything.
    pub(crate) fn everything() -> Wish {
        Wish {
            needles: Vec::new(),
            level: None,
            events: None,
            query: None,
        }
    }

    /// Only where this is found. Of needles with keys all must be; together with one without a key,
    /// any of all suffices.
    pub(crate) fn needle(mut self, needle: Needle) -> Wish {
        self.needles.push(needle);
        self
    }

    /// Only events of at least this level.
    pub(crate) fn level(self, level: Level) -> Wish {
        let level = Some(level);
        Wish { level, ..self }
    }

    /// Only events of these types.
    pub(crate) fn events(self, events: EventSet) -> Wish {
        let events = Some(events);
        Wish { events, ..self }
    }

    /// Only what passes this filter; durations in it count from `now_ns`.
    pub(crate) fn query(self, filter: &Filter, now_ns: i64) -> Wish {
        let matcher = Matcher::compile(filter, now_ns);
        let plan = matcher.plan();
        let query = (!filter.is_everything()).then_some(Query { matcher, plan });
        Wish { query, ..self }
    }

    /// The level that is asked for by name.
    pub(super) fn asked_level(&self) -> Option<Level> {
        self.level
    }

    pub(super) fn needles(&self) -> &[Needle] {
        &self.needles
    }

    /// Whether one needle that is found suffices.
    pub(super) fn any_needle_suffices(&self) -> bool {
        self.needles.iter().any(|needle| needle.key.is_none())
    }

    pub(super) fn plan(&self) -> Option<&Plan> {
        self.query.as_ref().map(|query| &query.plan)
    }

    pub(super) fn has_type(&self, kind: tidings_event::EventType) -> bool {
        let by_events = self
            .events
            .as_ref()
            .is_none_or(|events| events.contains(kind));
        by_events && self.plan().is_none_or(|plan| plan.types.contains(kind))
    }

    pub(super) fn names_types(&self) -> bool {
        self.events.is_some() || self.plan().is_some_and(|plan| !plan.types.is_all())
    }

    /// Whether the needles are found in the event or the start of its span.
    fn is_found(&self, event: &EventRef<'_>, start: Option<&EventRef<'_>>) -> bool {
        let mut scratch = Vec::new();
        let mut is_in = |needle: &Needle| {
            needle.is_in(event, &mut scratch)
                || start.is_some_and(|start| needle.is_in(start, &mut scratch))
        };
        if self.any_needle_suffices() {
            self.needles.iter().any(is_in)
        } else {
            self.needles.iter().all(&mut is_in)
        }
    }

    /// What is asked of every event by itself.
    fn is_met_by(&self, event: &EventRef<'_>) -> bool {
        self.level.unwrap_or(Level::Trace).accepts(event.level())
            && self
                .events
                .as_ref()
                .is_none_or(|events| events.contains(event.kind()))
            && self
                .query
                .as_ref()
                .is_none_or(|query| query.matcher.matches(event))
    }
}

/// A client's wish with what it may see and the spans that it follows.
#[derive(Debug)]
pub(super) struct Follower {
    wish: Wish,
    scope: Scope,
    spans: FxHashSet<u64>,
    /// The same in the order in which they were met; some may have ended.
    order: VecDeque<u64>,
}

impl Follower {
    pub(super) fn new(wish: Wish, scope: Scope) -> Follower {
        Follower {
            wish,
            scope,
            spans: FxHashSet::default(),
            order: VecDeque::new(),
        }
    }

    pub(super) fn wish(&self) -> &Wish {
        &self.wish
    }

    /// The spans that are followed.
    pub(super) fn spans(&self) -> impl Iterator<Item = u64> {
        self.spans.iter().copied()
    }

    /// Whether this span is followed.
    pub(super) fn follows(&self, span: Id) -> bool {
        self.spans.contains(&span.0)
    }

    /// Whether the client is to get the event; `start` is the event that opened its span, if that is
    /// known and another one. Every event that could match has to be shown, in order.
    pub(super) fn takes(&mut self, event: &EventRef<'_>, start: Option<&EventRef<'_>>) -> bool {
        if !self.scope.may_see(event, start) {
            return false;
        }
        if !self.wish.needles.is_empty() && !self.finds(event, start) {
            return false;
        }
        self.wish.is_met_by(event)
    }

    fn finds(&mut self, event: &EventRef<'_>, start: Option<&EventRef<'_>>) -> bool {
        let Some(span) = event.span() else {
            return self.wish.is_found(event, None);
        };
        let is_end = event.kind().info().is_span_end();
        if self.spans.contains(&span.0) {
            if is_end {
                self.spans.remove(&span.0);
            }
            return true;
        }
        let is_found = self.wish.is_found(event, start);
        if is_found && !is_end {
            self.follow(span);
        }
        is_found
    }

    fn follow(&mut self, span: Id) {
        self.spans.insert(span.0);
        self.order.push_back(span.0);
        while self.spans.len() > SPANS_MAX {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            self.spans.remove(&oldest);
        }
        if self.order.len() > 2 * SPANS_MAX {
            let spans = &self.spans;
            self.order.retain(|span| spans.contains(span));
        }
    }
}

#[cfg(test)]
mod tests {
    use tidings_event::EventType;

    use super::super::tests::{event, read};
    use super::*;

    fn follower(needles: &[(Option<&str>, &str)]) -> Follower {
        let wish = needles
            .iter()
            .fold(Wish::everything(), |wish, (key, text)| {
                wish.needle(Needle {
                    key: key.map(|key| tidings_event::Key::from_name(key).unwrap()),
                    text: (*text).to_owned(),
                })
            });
        Follower::new(wish, Scope::All)
    }

    #[test]
    fn needles_are_found_as_the_reference_finds_them() {
        let record = event(
            EventType::AUTH_FAILED,
            0,
            &[("accountName", "Alice@x.test")],
        );
        for (needles, is_wanted) in [
            (&[(None, "Alice")][..], true),
            (&[(None, "alice")], false),
            (&[(Some("accountName"), "x.test")], true),
            (&[(Some("from"), "x.test")], false),
            (&[(Some("accountName"), "Al"), (Some("from"), "b")], false),
            (&[(Some("accountName"), "Al"), (None, "nobody")], true),
            (&[(Some("remoteIp"), "192.0.2.")], true),
            (&[(Some("localPort"), "25")], false),
            (&[(Some("tls"), "true")], false),
        ] {
            let takes = follower(needles).takes(&read(&record), None);
            assert_eq!(takes, is_wanted, "{needles:?}");
        }
    }

    #[test]
    fn a_span_is_followed_from_a_match_to_its_end() {
        let start = event(
            EventType::SMTP_CONNECTION_START,
            7,
            &[("listenerId", "smtp")],
        );
        let auth = event(EventType::AUTH_FAILED, 7, &[("accountName", "eve")]);
        let other = event(EventType::SMTP_QUIT, 7, &[]);
        let end = event(EventType::SMTP_CONNECTION_END, 7, &[]);
        let mut follower = follower(&[(None, "eve")]);
        let seen = [&start, &other, &auth, &other, &end, &other]
            .map(|record| follower.takes(&read(record), Some(&read(&start))));
        assert_eq!(seen, [false, false, true, true, true, false]);
        // One needle in the start, one in the event.
        let mut both =
            self::follower(&[(Some("listenerId"), "smtp"), (Some("accountName"), "eve")]);
        let seen = [&start, &auth].map(|record| both.takes(&read(record), Some(&read(&start))));
        assert_eq!(seen, [false, true]);
    }

    #[test]
    fn level_and_events_are_asked_of_every_event() {
        let auth = event(EventType::AUTH_FAILED, 7, &[("accountName", "eve")]);
        let quit = event(EventType::SMTP_QUIT, 7, &[]);
        let needle = Needle {
            key: None,
            text: "eve".to_owned(),
        };
        let wish = Wish::everything()
            .needle(needle)
            .events(EventSet::of(["smtp.*"]).unwrap());
        let mut follower = Follower::new(wish, Scope::All);
        assert!(!follower.takes(&read(&auth), None), "it is not asked for");
        assert!(
            follower.takes(&read(&quit), None),
            "but its span is followed"
        );
    }

    #[test]
    fn spans_that_are_followed_are_bounded() {
        let mut follower = follower(&[(None, "eve")]);
        for span in 1..=3 * SPANS_MAX as u64 {
            let auth = event(EventType::AUTH_FAILED, span, &[("accountName", "eve")]);
            assert!(follower.takes(&read(&auth), None));
            assert!(follower.order.len() <= 2 * SPANS_MAX + 1);
        }
        assert_eq!(follower.spans.len(), SPANS_MAX);
    }
}
