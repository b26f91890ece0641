//! The thread that writes the history of metrics: a tick a minute, scheduled ones among them, and a last
//! one at the end.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tidings::emit;
use tidings_engine::{Engine, Schedule, zone};

use super::{Metrics, Set};
use crate::clock::{Watch, now_ns};
use crate::console::Console;
use crate::stop::Stop;

const MINUTE_NS: i64 = 60_000_000_000;

/// How long it sleeps at most, so that it notices when the clock is set.
const NAP: Duration = Duration::from_secs(5);

/// After so many ticks the gauges are told to be computed, every 300 s as the reference does.
const TICKS_TOLD: u32 = 5;

/// Starts the thread. It ends when `stop` is set, which is to be when nothing is counted any more: then it
/// writes what was counted since the last tick.
pub(crate) fn spawn(
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
    console: Console,
    stop: Stop,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("samples".into())
        .spawn(move || {
            let mut sampling = Sampling {
                engine,
                metrics,
                console,
                told: String::new(),
                has_left_out: false,
                ticks: 0,
            };
            sampling.check();
            let mut plan = Plan::new(now_ns(), sampling.schedule());
            while !stop.is_set() {
                let now = now_ns();
                if let Some(is_scheduled) = plan.due(now, sampling.schedule()) {
                    sampling.tick(now, is_scheduled);
                }
                stop.wait(plan.nap(now_ns()));
            }
            sampling.tick(now_ns(), true);
        })
}

struct Sampling {
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
    console: Console,
    /// What was said last about a failure; empty while all is well.
    told: String,
    has_left_out: bool,
    ticks: u32,
}

impl Sampling {
    fn schedule(&self) -> Schedule {
        self.metrics.settings().collect
    }

    /// Says at once if there is damage.
    fn check(&mut self) {
        if let Err(error) = self.engine.samples().open() {
            self.tell(&error.to_string());
        }
    }

    fn tick(&mut self, now_ns: i64, is_scheduled: bool) {
        let watch = Watch::start();
        let readings = self.metrics.read(Set::All);
        self.ticks += 1;
        if self.ticks.is_multiple_of(TICKS_TOLD) {
            emit!(Telemetry::MetricsCollected, elapsed = watch.elapsed());
        }
        if !self.metrics.settings().is_sampled {
            return;
        }
        match self.engine.samples().write(now_ns, &readings, is_scheduled) {
            Ok(samples) => {
                if !std::mem::take(&mut self.told).is_empty() {
                    self.console
                        .say("the history of metrics is written again; nothing of it is missing");
                }
                emit!(
                    Telemetry::MetricsStored,
                    total = samples,
                    elapsed = watch.elapsed()
                );
            }
            Err(error) => self.tell(&error.to_string()),
        }
        if self.engine.samples().left_out() > 0 && !std::mem::replace(&mut self.has_left_out, true)
        {
            self.console.say(
                "there are more series of metrics than their history has room for (16,384): further ones are \
                 left out of it until older ones are gone",
            );
        }
    }

    fn tell(&mut self, why: &str) {
        if why != self.told {
            self.console.say(&format!(
                "the history of metrics is not written now: {why}; everything else goes on, and `tidings repair` \
                 sets a damaged file aside"
            ));
            self.told = why.to_owned();
        }
    }
}

/// When the next ticks are due. Pure: now is an argument.
#[derive(Debug)]
struct Plan {
    schedule: Schedule,
    last_ns: i64,
    minute_ns: i64,
    scheduled_ns: i64,
}

impl Plan {
    fn new(now_ns: i64, schedule: Schedule) -> Plan {
        Plan {
            schedule,
            last_ns: now_ns,
            minute_ns: next_minute(now_ns),
            scheduled_ns: next_scheduled(&schedule, now_ns),
        }
    }

    /// Whether a tick is due now, and whether it is a scheduled one.
    fn due(&mut self, now_ns: i64, schedule: Schedule) -> Option<bool> {
        if now_ns < self.last_ns || schedule != self.schedule {
            // What was planned by another clock or another schedule is planned anew.
            *self = Plan::new(now_ns, schedule);
            return None;
        }
        self.last_ns = now_ns;
        if now_ns < self.minute_ns {
            return None;
        }
        self.minute_ns = next_minute(now_ns);
        let is_scheduled = now_ns >= self.scheduled_ns;
        if is_scheduled {
            self.scheduled_ns = next_scheduled(&schedule, now_ns);
        }
        Some(is_scheduled)
    }

    /// How long to sleep.
    fn nap(&self, now_ns: i64) -> Duration {
        let left = u64::try_from(self.minute_ns.saturating_sub(now_ns)).unwrap_or(0);
        Duration::from_nanos(left).min(NAP)
    }
}

fn next_minute(now_ns: i64) -> i64 {
    now_ns - now_ns.rem_euclid(MINUTE_NS) + MINUTE_NS
}

/// By the clock on the wall: the zone is asked for anew, as it may be changed while the server runs.
fn next_scheduled(schedule: &Schedule, now_ns: i64) -> i64 {
    zone("local").map_or(i64::MAX, |zone| schedule.next_after(now_ns, &zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOURLY: Schedule = Schedule::Hourly { minute: 0 };
    const SECOND_NS: i64 = 1_000_000_000;

    /// 2026-02-03T05:00:00Z; local zones are off by whole quarters of an hour.
    const HOUR_NS: i64 = 1_770_094_800 * SECOND_NS;

    /// The due ticks, when now is each of these seconds from the hour.
    fn due(plan: &mut Plan, seconds: &[i64]) -> Vec<Option<bool>> {
        let seconds = seconds.iter();
        seconds
            .map(|second| plan.due(HOUR_NS + second * SECOND_NS, HOURLY))
            .collect()
    }

    #[test]
    fn there_is_a_tick_a_minute_and_a_scheduled_one_on_time() {
        let schedule = Schedule::Hourly { minute: 15 };
        let mut plan = Plan::new(HOUR_NS + 14 * MINUTE_NS + 1, schedule);
        let mut at = |ns: i64| plan.due(HOUR_NS + ns, schedule);
        assert_eq!(at(14 * MINUTE_NS + 2), None);
        assert_eq!(at(15 * MINUTE_NS - 1), None);
        let first = at(15 * MINUTE_NS);
        assert!(first.is_some());
        assert_eq!(at(15 * MINUTE_NS + 1), None);
        assert_eq!(at(16 * MINUTE_NS), Some(false));
        // A machine that slept takes one tick, not all that were due.
        assert_eq!(at(80 * MINUTE_NS + 5), Some(true));
        assert_eq!(at(80 * MINUTE_NS + 6), None);
        assert_eq!(at(81 * MINUTE_NS), Some(false));
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let mut plan = Plan::new(HOUR_NS, HOURLY);
        assert_eq!(due(&mut plan, &[60, 120]), [Some(false), Some(false)]);
        assert_eq!(
            due(&mut plan, &[-7200, -7141, -7140]),
            [None, None, Some(false)]
        );
        assert_eq!(plan.nap(HOUR_NS - 7081 * SECOND_NS), Duration::from_secs(1));
        assert_eq!(plan.nap(HOUR_NS - 7140 * SECOND_NS), NAP);
        assert_eq!(plan.nap(HOUR_NS), Duration::ZERO);
    }

    #[test]
    fn another_schedule_is_taken_up() {
        let mut plan = Plan::new(HOUR_NS, HOURLY);
        let daily = Schedule::Daily { hour: 0, minute: 0 };
        assert_eq!(plan.due(HOUR_NS + MINUTE_NS, daily), None);
        assert_eq!(
            (plan.schedule, plan.due(HOUR_NS + 2 * MINUTE_NS, daily)),
            (daily, Some(false))
        );
    }
}
