//! Which events an output wants: a level, a list of types with a policy, and overridden levels.

use std::collections::BTreeMap;

use tidings_event::{EventRef, EventSet, EventType, Key, Level};

use crate::settings::{EventSelection, EventsPolicy};

/// Levels that the operator gave to event types in place of the catalogue's, for all tracers.
///
/// [`Level::Disable`] means that no tracer wants the type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LevelOverrides(BTreeMap<u16, Level>);

impl LevelOverrides {
    /// No override.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a type a level.
    pub fn set(&mut self, kind: EventType, level: Level) {
        self.0.insert(kind.id(), level);
    }

    /// Every type that has a level of its own, by number.
    pub fn iter(&self) -> impl Iterator<Item = (EventType, Level)> + '_ {
        let levels = self.0.iter();
        levels.map(|(id, level)| (EventType::from_id(*id), *level))
    }

    /// The level of a type, if it has one of its own.
    #[must_use]
    pub fn get(&self, kind: EventType) -> Option<Level> {
        self.0.get(&kind.id()).copied()
    }
}

impl FromIterator<(EventType, Level)> for LevelOverrides {
    fn from_iter<I: IntoIterator<Item = (EventType, Level)>>(levels: I) -> Self {
        Self(
            levels
                .into_iter()
                .map(|(kind, level)| (kind.id(), level))
                .collect(),
        )
    }
}

/// What one output wants, ready to be asked for every event.
#[derive(Clone, Debug)]
pub struct Interest {
    level: Level,
    /// The types that pass the list and the policy.
    listed: EventSet,
    overrides: LevelOverrides,
    overridden: EventSet,
    /// The output's own name: events that report on it never go to it.
    output: String,
}

impl Interest {
    /// The interest of the output of this name.
    ///
    /// `own_failures` are the types by which it reports its own failures; it never gets one of these,
    /// whoever sent it, nor any `telemetry.output-*` event about itself. So no failure of an output
    /// can make work for that output.
    #[must_use]
    pub fn new(
        output: &str,
        level: Level,
        selection: &EventSelection,
        overrides: &LevelOverrides,
        own_failures: &[EventType],
    ) -> Self {
        let mut listed = match selection.policy {
            EventsPolicy::Include => EventSet::none(),
            EventsPolicy::Exclude => EventSet::all(),
        };
        for pattern in &selection.events {
            for kind in pattern.types() {
                match selection.policy {
                    EventsPolicy::Include => listed.insert(kind),
                    EventsPolicy::Exclude => listed.remove(kind),
                }
            }
        }
        let mut overridden = EventSet::none();
        for (id, level) in &overrides.0 {
            let kind = EventType::from_id(*id);
            overridden.insert(kind);
            if *level == Level::Disable {
                listed.remove(kind);
            }
        }
        for kind in own_failures {
            listed.remove(*kind);
        }
        Self {
            level,
            listed,
            overrides: overrides.clone(),
            overridden,
            output: output.to_owned(),
        }
    }

    /// The interest in everything of at least this level, of an output without a name.
    #[must_use]
    pub fn from_level(level: Level) -> Self {
        let selection = EventSelection::default();
        Self::new("", level, &selection, &LevelOverrides::new(), &[])
    }

    /// The level that the event has for this output, if it is wanted.
    #[must_use]
    #[inline]
    pub fn wants(&self, event: &EventRef<'_>) -> Option<Level> {
        let kind = event.kind();
        if !self.listed.contains(kind) {
            return None;
        }
        let level = self.level_of(kind, event.level());
        if !self.level.accepts(level) || is_report(kind) && self.is_about_itself(event) {
            return None;
        }
        Some(level)
    }

    /// Whether an event of this type at this level could be wanted: for those who build events only
    /// if somebody wants them.
    #[must_use]
    pub fn wants_type(&self, kind: EventType, level: Level) -> bool {
        self.listed.contains(kind) && self.level.accepts(self.level_of(kind, level))
    }

    /// The types of the catalogue that it wants at the levels that they have by default.
    #[must_use]
    pub fn types(&self) -> EventSet {
        let mut types = EventSet::none();
        for info in EventType::all() {
            let kind = EventType::from_id(info.id);
            if self.wants_type(kind, info.level) {
                types.insert(kind);
            }
        }
        types
    }

    fn level_of(&self, kind: EventType, level: Level) -> Level {
        if self.overridden.contains(kind) {
            return self.overrides.get(kind).unwrap_or(level);
        }
        level
    }

    fn is_about_itself(&self, event: &EventRef<'_>) -> bool {
        event.str(Key::OUTPUT) == Some(&self.output)
    }
}

/// Types that drivers report with besides the failures of their sinks.
fn is_report(kind: EventType) -> bool {
    kind == EventType::TELEMETRY_OUTPUT_SKIPPED
        || kind == EventType::TELEMETRY_OUTPUT_RECOVERED
        || kind == EventType::TELEMETRY_OUTPUT_STOPPED
        || kind == EventType::TELEMETRY_OUTPUT_STARTED
}

#[cfg(test)]
mod tests {
    use tidings_event::{Header, RecordWriter};

    use super::*;
    use crate::report::Report;

    fn wants(interest: &Interest, kind: EventType) -> Option<Level> {
        let mut record = Vec::new();
        RecordWriter::begin(&mut record, &Header::new(kind, 0)).finish();
        interest.wants(&EventRef::read(&record).unwrap().0)
    }

    fn selection(policy: EventsPolicy, events: &[&str]) -> EventSelection {
        EventSelection::new("Tracer", policy, events.iter().copied()).unwrap()
    }

    fn interest(level: Level, selection: &EventSelection) -> Interest {
        Interest::new("main", level, selection, &LevelOverrides::new(), &[])
    }

    #[test]
    fn the_level_counts_under_both_policies() {
        let delivered = EventType::from_name("delivery.delivered").unwrap();
        let start = EventType::SMTP_CONNECTION_START;
        let exclude = interest(Level::Info, &selection(EventsPolicy::Exclude, &["auth.*"]));
        assert_eq!(wants(&exclude, delivered), Some(Level::Info));
        assert_eq!(wants(&exclude, start), None, "it is of level debug");
        assert_eq!(wants(&exclude, EventType::AUTH_SUCCESS), None);
        let include = selection(
            EventsPolicy::Include,
            &["smtp.connection-*", "auth.success"],
        );
        let at_info = interest(Level::Info, &include);
        assert_eq!(wants(&at_info, start), None);
        assert!(wants(&at_info, EventType::AUTH_SUCCESS).is_some());
        let at_debug = interest(Level::Debug, &include);
        assert_eq!(wants(&at_debug, start), Some(Level::Debug));
        assert_eq!(wants(&at_debug, delivered), None);
        assert!(at_debug.types().contains(start) && !at_debug.types().contains(delivered));
        assert!(interest(Level::Disable, &include).types().is_empty());
    }

    #[test]
    fn overrides_change_what_is_wanted_and_how_it_is_stamped() {
        let overrides: LevelOverrides = [
            (EventType::SMTP_CONNECTION_START, Level::Error),
            (EventType::AUTH_SUCCESS, Level::Disable),
        ]
        .into_iter()
        .collect();
        let all = EventSelection::default();
        let interest = Interest::new("main", Level::Warn, &all, &overrides, &[]);
        assert_eq!(
            wants(&interest, EventType::SMTP_CONNECTION_START),
            Some(Level::Error)
        );
        assert_eq!(wants(&interest, EventType::AUTH_SUCCESS), None);
    }

    #[test]
    fn an_output_never_gets_what_reports_on_it() {
        let all = EventSelection::default();
        let own = [EventType::TELEMETRY_LOG_ERROR];
        let interest = Interest::new("main", Level::Trace, &all, &LevelOverrides::new(), &own);
        assert_eq!(wants(&interest, EventType::TELEMETRY_LOG_ERROR), None);
        assert!(wants(&interest, EventType::TELEMETRY_JOURNAL_ERROR).is_some());
        for (output, is_wanted) in [("main", false), ("other", true)] {
            let record = Report {
                kind: EventType::TELEMETRY_OUTPUT_SKIPPED,
                output: output.to_owned(),
                details: String::new(),
                reason: String::new(),
                count: 1,
            }
            .record(0);
            let event = EventRef::read(&record).unwrap().0;
            assert_eq!(interest.wants(&event).is_some(), is_wanted, "{output}");
        }
    }

    #[test]
    fn types_of_no_catalogue_pass_where_only_some_are_excluded() {
        let exclude = interest(Level::Trace, &selection(EventsPolicy::Exclude, &["auth.*"]));
        assert!(wants(&exclude, EventType::from_id(u16::MAX)).is_some());
        let include = interest(Level::Trace, &selection(EventsPolicy::Include, &["auth.*"]));
        assert!(wants(&include, EventType::from_id(5_000)).is_none());
    }
}
