//! Crashes and failures of the medium while a log is followed and events are ingested.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tidings_engine::{EventQuery, Live, LiveOptions};
use tidings_event::{EventRef, Key};
use tidings_spool::fault::MemoryBackend;

use super::feeder::{GrowingLog, catch_up, live_options, start};
use super::world::{NOW_NS, Shown, log_lines, open, with_dependent_lines};

/// Lines appended to the log at a time.
const STEP: usize = 12;

/// What was ingested in a round: whether it was acknowledged, by its name.
#[derive(Default)]
struct Ingested(BTreeMap<String, bool>);

impl Ingested {
    /// Ingests two events with names of their own.
    fn more(&mut self, live: &Live) {
        let name = format!("ingested-{}", self.0.len());
        let line = format!("{{\"type\":\"server.notice\",\"data\":{{\"message\":\"{name}\"}}}}\n");
        let acknowledged = live.ingest(line.repeat(2).as_bytes(), NOW_NS).is_ok();
        self.0.insert(name, acknowledged);
    }

    /// What was acknowledged is there once (two events with each name), what was not at most once,
    /// and all of it or nothing.
    fn assert_kept(&self, live: &Live, round: &str) {
        let mut found: BTreeMap<String, usize> = BTreeMap::new();
        let query = EventQuery {
            limit: usize::MAX,
            now_ns: NOW_NS,
            ..EventQuery::default()
        };
        for event in live.engine().events(&query).unwrap() {
            if let Some(name) = event
                .event()
                .str(Key::MESSAGE)
                .filter(|name| name.starts_with("ingested-"))
            {
                *found.entry(name.to_owned()).or_default() += 1;
            }
        }
        for (name, acknowledged) in &self.0 {
            let count = found.remove(name).unwrap_or(0);
            let allowed = count == 2 || count == 0 && !acknowledged;
            assert!(
                allowed,
                "{round}: {name} (acknowledged: {acknowledged}) is there {count} times of 2"
            );
        }
        assert!(found.is_empty(), "{round}: nobody ingested {found:?}");
    }
}

/// Everything but what was ingested.
fn shown(live: &Live) -> Shown {
    let mut shown = Shown::of(live.engine());
    shown.events.retain(|(record, _)| {
        EventRef::read(record)
            .unwrap()
            .0
            .header()
            .position
            .is_some()
    });
    shown
}

/// A run that nothing interrupts, and how many operations it takes.
fn calm_run(dir: &Path, log: &[u8]) -> (Shown, u64) {
    let disk = MemoryBackend::new();
    let live = start(open(&disk).unwrap());
    let mut ingested = Ingested::default();
    GrowingLog::new(&dir.join("calm.log"), log)
        .follow(&live, STEP, &mut |live| ingested.more(live))
        .unwrap();
    catch_up(&live);
    ingested.assert_kept(&live, "calm");
    let all = shown(&live);
    live.shutdown().unwrap();
    (all, disk.operations())
}

#[test]
fn wherever_the_machine_stops_a_followed_log_ends_as_if_it_had_not() {
    let dir = TempDir::new().unwrap();
    // The dependent lines are the first ones of each step.
    let log = with_dependent_lines(&log_lines(1000, 360), STEP);
    let (expected, operations) = calm_run(dir.path(), &log);
    println!(
        "{operations} operations, {} events, {} messages",
        expected.events.len(),
        expected.messages.len()
    );
    let rounds = (1..=operations).step_by(5);
    println!("{} rounds with two crashes each", rounds.clone().count());
    for n in rounds {
        let round = format!("crash at {n}");
        let mut file = GrowingLog::new(&dir.path().join("mail.log"), &log);
        let mut ingested = Ingested::default();
        let mut disk = MemoryBackend::new();
        // Two crashes in a row: the second one in what the first one left.
        for (time, at) in [(0, n), (1, 1 + n / 2)] {
            disk.crash_at(at);
            if let Ok(engine) = open(&disk) {
                let live = Arc::new(engine).live(live_options());
                if let Ok(live) = live {
                    let _ = file.follow(&live, STEP, &mut |live| ingested.more(live));
                }
            }
            disk = disk.crash((n + time) % 7);
        }
        let live = start(open(&disk).unwrap_or_else(|error| panic!("{round}: {error}")));
        file.follow(&live, STEP, &mut |live| ingested.more(live))
            .unwrap_or_else(|error| panic!("{round}: {error}"));
        catch_up(&live);
        ingested.assert_kept(&live, &round);
        shown(&live).assert_is(&expected, &round);
        live.shutdown().unwrap();
        let live = start(open(&disk).unwrap());
        catch_up(&live);
        ingested.assert_kept(&live, &round);
        shown(&live).assert_is(&expected, &format!("{round}, opened again"));
    }
}

/// A source whose first lines make many batches stops before its first snapshot: what the spool
/// holds then is there once.
#[test]
fn a_crash_before_the_first_snapshot_doubles_nothing() {
    let dir = TempDir::new().unwrap();
    let log = log_lines(0, 4000);
    let file = || {
        let mut file = GrowingLog::new(&dir.path().join("mail.log"), &log);
        file.grow(usize::MAX);
        file
    };
    let calm = MemoryBackend::new();
    let live = start(open(&calm).unwrap());
    file().follow(&live, 1, &mut |_| {}).unwrap();
    catch_up(&live);
    let expected = Shown::of(live.engine());
    let rounds = (6..30).step_by(2);
    println!("{} rounds", rounds.clone().count());
    for n in rounds {
        let disk = MemoryBackend::new();
        disk.crash_at(n);
        if let Ok(live) =
            open(&disk).and_then(|engine| Arc::new(engine).live(LiveOptions::default()))
        {
            let _ = file().follow(&live, 1, &mut |_| {});
        }
        let live = start(open(&disk.crash(n)).unwrap());
        file().follow(&live, 1, &mut |_| {}).unwrap();
        catch_up(&live);
        Shown::of(live.engine()).assert_is(&expected, &format!("crash at {n}"));
    }
}
