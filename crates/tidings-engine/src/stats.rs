//! Sums up a period: how much mail, what became of it and why, who sends and who is refused.
//!
//! Messages are those of the `messages` table and the open ones, each once; sign-ins are events.
//! Both belong to the period in which they began. Text columns are counted by their dictionary
//! codes, one row group at a time, so that a text is looked up once for each group and not for each
//! row; replies are read only of rows that say why something failed.

mod delays;
mod hours;
mod messages;
mod reason;
mod sign_ins;
mod summary;
mod top;

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

use tidings_event::time::rfc3339;
use tidings_store::Part;

use crate::contract::StatsObject;
use crate::engine::Engine;
use crate::error::Error;
use crate::memory::each_event;
use crate::message_rows::MESSAGES;
use crate::rows::EVENTS;
use summary::Summary;

/// What to sum up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatsQuery {
    /// First time, in nanoseconds since the unix epoch.
    pub since_ns: Option<i64>,
    /// Last time.
    pub until_ns: Option<i64>,
    /// Longest length of the lists of senders, reasons and so on.
    pub top: usize,
    /// Now: where a period without an end ends.
    pub now_ns: i64,
}

/// Sums up parts on as many threads as there are processors, up to four.
fn shared_out(
    parts: &[Part],
    add: &(dyn Fn(&Part, &mut Summary) -> Result<(), Error> + Sync),
) -> Result<Summary, Error> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<Summary, Error> {
        let mut summary = Summary::default();
        while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
            add(part, &mut summary)?;
        }
        Ok(summary)
    };
    let processors = available_parallelism().map_or(1, NonZero::get);
    let others = processors.min(4).min(parts.len()).saturating_sub(1);
    std::thread::scope(|scope| {
        let started: Vec<_> = (0..others)
            .map(|_| std::thread::Builder::new().spawn_scoped(scope, work))
            .collect();
        let mut summary = work()?;
        // A thread that could not be started has left its work to the others.
        for thread in started.into_iter().flatten() {
            let other = thread
                .join()
                .map_err(|_| Error::State("a thread that sums up has panicked".into()))?;
            summary.absorb(other?);
        }
        Ok(summary)
    })
}

impl StatsQuery {
    fn covers(&self, time_ns: i64) -> bool {
        self.since_ns.is_none_or(|since_ns| time_ns >= since_ns)
            && self.until_ns.is_none_or(|until_ns| time_ns <= until_ns)
    }

    /// First and last moment, for the store.
    fn bounds(&self) -> (i64, i64) {
        (
            self.since_ns.unwrap_or(i64::MIN),
            self.until_ns.unwrap_or(i64::MAX),
        )
    }

    /// The period that is shown: as asked for; else from the first to the last thing counted, and
    /// up to now where a beginning was asked for.
    fn period(&self, counted: Option<(i64, i64)>) -> (Option<i64>, Option<i64>) {
        let since_ns = self.since_ns.or(counted.map(|(first_ns, _)| first_ns));
        let last_ns = counted.map(|(_, last_ns)| last_ns);
        let until_ns = self.until_ns.or_else(|| match self.since_ns {
            Some(since_ns) => Some(self.now_ns.max(since_ns).max(last_ns.unwrap_or(since_ns))),
            None => last_ns,
        });
        (since_ns, until_ns)
    }
}

impl Engine {
    /// Sums up what began in a period.
    ///
    /// Memory is bounded whatever the history holds: at most 200,000 names for each list, beyond
    /// which [`StatsObject::approximate`] is set. Time is that of reading some columns, about
    /// 0.1 µs a recipient.
    ///
    /// # Errors
    /// [`Error::History`], naming the file that cannot be read.
    pub fn stats(&self, query: &StatsQuery) -> Result<StatsObject, Error> {
        let mut summary = Summary::default();
        // Taken before the snapshot: what is sealed in between is in both, and told by its sequence.
        let frames = self.memory().frames();
        let memory_from = frames.first().map(|frame| frame.first_sequence());
        // The lock is held until the snapshot is taken: a message is open or settled, never both
        // and never neither.
        let (snapshot, reopened) = {
            let open = self.open_messages();
            for message in open
                .messages()
                .filter(|message| query.covers(message.time_ns))
            {
                summary.add_message(&message);
            }
            (self.store().snapshot(), self.reopened())
        };
        for frame in frames {
            each_event(&frame, &mut |_, event| {
                if query.covers(event.time_ns()) {
                    summary.add_event(event);
                }
            });
        }
        let (since_ns, until_ns) = query.bounds();
        if since_ns <= until_ns {
            let messages = snapshot.parts(MESSAGES, since_ns..=until_ns)?;
            let events = snapshot.parts(EVENTS, since_ns..=until_ns)?;
            let of_messages = |part: &Part, summary: &mut Summary| {
                messages::add_part(part, query, &reopened, summary)
            };
            let of_events = |part: &Part, summary: &mut Summary| {
                sign_ins::add_part(part, query, memory_from, summary)
            };
            summary.absorb(shared_out(&messages, &of_messages)?);
            summary.absorb(shared_out(&events, &of_events)?);
        }
        let (since_ns, until_ns) = query.period(summary.times());
        let mut stats = summary.into_object(query.top, since_ns.zip(until_ns));
        stats.since = since_ns.map(rfc3339).unwrap_or_default();
        stats.until = until_ns.map(rfc3339).unwrap_or_default();
        Ok(stats)
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use super::*;
    use crate::{EngineOptions, ImportOptions, LiveOptions, MessageQuery};

    const EVERYTHING: StatsQuery = StatsQuery {
        since_ns: None,
        until_ns: None,
        top: usize::MAX,
        now_ns: 0,
    };

    fn engine(dir: &Path) -> Engine {
        Engine::open(&dir.join("data"), EngineOptions::default()).unwrap()
    }

    #[test]
    fn the_period_is_what_was_asked_for_or_what_was_counted() {
        let query = |since_ns, until_ns| StatsQuery {
            since_ns,
            until_ns,
            top: 1,
            now_ns: 50,
        };
        let counted = Some((10, 20));
        assert_eq!(query(None, None).period(counted), (Some(10), Some(20)));
        assert_eq!(query(None, None).period(None), (None, None));
        assert_eq!(query(Some(5), None).period(counted), (Some(5), Some(50)));
        assert_eq!(query(Some(60), None).period(None), (Some(60), Some(60)));
        assert_eq!(
            query(Some(5), None).period(Some((10, 70))),
            (Some(5), Some(70))
        );
        assert_eq!(query(None, Some(30)).period(counted), (Some(10), Some(30)));
        assert_eq!(
            query(Some(5), Some(30)).period(counted),
            (Some(5), Some(30))
        );
    }

    /// While a late line is being worked in, the message is open again and its old rows are still in
    /// a part.
    #[test]
    fn rows_of_messages_that_are_open_again_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let engine = engine(dir.path());
        let log =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../corpus/own/mail.rfc3339.log");
        let options = ImportOptions {
            now_ns: 1_795_500_000_000_000_000,
            ..ImportOptions::default()
        };
        engine.import(&[log], &options, &mut |_| {}).unwrap();
        let before = engine.stats(&EVERYTHING).unwrap();
        let query = MessageQuery {
            filter: "kind:accepted".into(),
            limit: usize::MAX,
            ..MessageQuery::default()
        };
        let messages = engine.messages(&query).unwrap();
        let reopened = messages
            .iter()
            .max_by_key(|message| message.recipients.len())
            .unwrap();
        assert!(reopened.recipients.len() > 2);
        engine.note_reopened(&reopened.legs);
        let meanwhile = engine.stats(&EVERYTHING).unwrap();
        assert_eq!(meanwhile.messages, before.messages - 1);
        assert_eq!(meanwhile.bytes, before.bytes - reopened.size.unwrap());
        assert_eq!(
            meanwhile.recipients,
            before.recipients - reopened.recipients.len() as u64
        );
        engine.forget_reopened(&reopened.legs);
        assert_eq!(engine.stats(&EVERYTHING).unwrap(), before);
    }

    /// What is sealed between a look at the memory and one at the history is in both.
    #[test]
    fn events_of_a_part_that_are_in_memory_too_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let engine = Arc::new(engine(dir.path()));
        let live = engine
            .live(LiveOptions {
                seal_bytes: 1,
                ..LiveOptions::default()
            })
            .unwrap();
        let body = b"{\"type\":\"auth.failed\",\"data\":{\"accountName\":\"ann\"}}\n".repeat(10);
        live.ingest(&body, 0).unwrap();
        let parts = || engine.store().snapshot().parts(EVENTS, ..).unwrap();
        while parts().is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let head = live.spool().head();
        let counted = |memory_from| {
            let mut summary = Summary::default();
            parts().iter().for_each(|part| {
                sign_ins::add_part(part, &EVERYTHING, memory_from, &mut summary).unwrap()
            });
            summary.sign_in_failures
        };
        assert_eq!(counted(None), 10);
        assert_eq!(counted(Some(head)), 10);
        assert_eq!(counted(Some(head - 3)), 7);
        live.shutdown().unwrap();
    }
}
