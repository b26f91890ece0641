//! What an index can use of a filter: conditions that hold for everything that passes.

use super::operand::Interval;
use super::types::TypeSet;
use crate::event_type::EventType;

/// A necessary condition: whatever passes the filter satisfies it, but not everything that satisfies
/// it passes. What an index finds by it must still be matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// First time that can match, in nanoseconds since the unix epoch.
    pub since_ns: i64,
    /// Last time that can match; before [`since_ns`](Self::since_ns) if nothing can match.
    pub until_ns: i64,
    /// The event types that can match. Objects without a type are not bound by it.
    pub types: TypeSet,
    /// The tokens that an object must have.
    pub needs: Needs,
}

impl Plan {
    /// The plan that everything satisfies.
    pub fn anything() -> Plan {
        Plan {
            since_ns: i64::MIN,
            until_ns: i64::MAX,
            types: TypeSet::all(),
            needs: Needs::Anything,
        }
    }

    /// Whether nothing can satisfy it.
    pub fn is_impossible(&self) -> bool {
        self.since_ns > self.until_ns || self.types.is_empty()
    }

    /// Whether an object satisfies the plan: its type, if it has one, its time, and its tokens, which
    /// `has` looks up.
    pub fn admits(
        &self,
        kind: Option<EventType>,
        time_ns: i64,
        has: &mut dyn FnMut(&str) -> bool,
    ) -> bool {
        (self.since_ns..=self.until_ns).contains(&time_ns)
            && kind.is_none_or(|kind| self.types.contains(kind))
            && self.needs.are_met(has)
    }

    /// What has to hold where all of these do.
    pub(super) fn all(plans: impl Iterator<Item = Plan>) -> Plan {
        let mut all = Plan::anything();
        let mut needs = Vec::new();
        for plan in plans {
            all.since_ns = all.since_ns.max(plan.since_ns);
            all.until_ns = all.until_ns.min(plan.until_ns);
            all.types = all.types.intersection(&plan.types);
            needs.push(plan.needs);
        }
        all.needs = Needs::all(needs);
        all
    }

    /// What has to hold where one of these does.
    pub(super) fn any(plans: impl Iterator<Item = Plan>) -> Plan {
        let mut any = Plan {
            since_ns: i64::MAX,
            until_ns: i64::MIN,
            types: TypeSet::none(),
            needs: Needs::Anything,
        };
        let mut needs = Vec::new();
        for plan in plans {
            any.since_ns = any.since_ns.min(plan.since_ns);
            any.until_ns = any.until_ns.max(plan.until_ns);
            any.types = any.types.union(&plan.types);
            needs.push(plan.needs);
        }
        any.needs = Needs::any(needs);
        any
    }

    /// The plan of a time in one of these intervals, or in none of them.
    pub(super) fn of_times(times: &[Interval], negated: bool) -> Plan {
        let clamp = |bound: i128| {
            i64::try_from(bound).unwrap_or(if bound < 0 { i64::MIN } else { i64::MAX })
        };
        let within = |low: i128, high: i128| {
            // An interval that lies beyond all times is impossible, not the first or last of them.
            let is_empty = low > i64::MAX.into() || high < i64::MIN.into();
            let (since_ns, until_ns) = if is_empty {
                (i64::MAX, i64::MIN)
            } else {
                (clamp(low), clamp(high))
            };
            Plan {
                since_ns,
                until_ns,
                ..Plan::anything()
            }
        };
        let plans = times
            .iter()
            .map(|interval| match (negated, interval.low, interval.high) {
                (false, low, high) => within(low, high),
                (true, i128::MIN, high) => within(high.saturating_add(1), i128::MAX),
                (true, low, i128::MAX) => within(i128::MIN, low.saturating_sub(1)),
                (true, ..) => Plan::anything(),
            });
        if negated {
            Plan::all(plans)
        } else {
            Plan::any(plans)
        }
    }
}

/// Tokens that an object must have, in the form of [`tokens_of`](crate::token::tokens_of).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needs {
    /// None: the tokens do not matter.
    Anything,
    /// This one.
    Token(String),
    /// All of these: two at least.
    All(Vec<Needs>),
    /// One of these. Empty if nothing can match.
    Any(Vec<Needs>),
}

impl Needs {
    /// Whether the tokens for which `has` says `true` suffice.
    pub fn are_met(&self, has: &mut dyn FnMut(&str) -> bool) -> bool {
        match self {
            Needs::Anything => true,
            Needs::Token(token) => has(token),
            Needs::All(parts) => parts.iter().all(|part| part.are_met(has)),
            Needs::Any(parts) => parts.iter().any(|part| part.are_met(has)),
        }
    }

    /// All of these.
    pub(super) fn all(parts: impl IntoIterator<Item = Needs>) -> Needs {
        let mut all = Vec::new();
        for part in parts {
            match part {
                Needs::Anything => {}
                Needs::All(inner) => all.extend(inner),
                other => all.push(other),
            }
        }
        dedup(&mut all);
        match all.pop() {
            None => Needs::Anything,
            Some(only) if all.is_empty() => only,
            Some(last) => {
                all.push(last);
                Needs::All(all)
            }
        }
    }

    /// One of these.
    pub(super) fn any(parts: impl IntoIterator<Item = Needs>) -> Needs {
        let mut any = Vec::new();
        for part in parts {
            match part {
                Needs::Anything => return Needs::Anything,
                Needs::Any(inner) => any.extend(inner),
                other => any.push(other),
            }
        }
        dedup(&mut any);
        match any.pop() {
            Some(only) if any.is_empty() => only,
            last => {
                any.extend(last);
                Needs::Any(any)
            }
        }
    }
}

/// Leaves the first of equal parts.
fn dedup(parts: &mut Vec<Needs>) {
    let mut kept: Vec<Needs> = Vec::with_capacity(parts.len());
    for part in parts.drain(..) {
        if !kept.contains(&part) {
            kept.push(part);
        }
    }
    *parts = kept;
}
