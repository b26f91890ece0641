//! The thread that counts what is committed.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tidings::meters::Gauge;
use tidings_engine::Live;
use tidings_event::{EventType, Records};
use tidings_spool::{Delivery, Frame, Kind, Reader, SpoolError};

use super::Metrics;
use crate::console::Console;
use crate::stop::Stop;

/// How long it waits for events before it looks whether it is to end.
const WAIT: Duration = Duration::from_millis(250);

/// Sessions that outlive a restart of this server: they end in a log that is read later.
const SESSIONS: [(EventType, Gauge); 4] = [
    (EventType::SMTP_CONNECTION_START, Gauge::SmtpConnections),
    (EventType::IMAP_CONNECTION_START, Gauge::ImapConnections),
    (EventType::POP3_CONNECTION_START, Gauge::Pop3Connections),
    (
        EventType::MANAGE_SIEVE_CONNECTION_START,
        Gauge::SieveConnections,
    ),
];

/// Starts the thread: it counts what is committed from now on, until `stop`. Gauges of connections
/// begin with those that the followed logs left open.
pub(crate) fn spawn(
    live: &Live,
    metrics: Arc<Metrics>,
    console: Console,
    stop: Stop,
) -> std::io::Result<JoinHandle<()>> {
    let reader = live.spool().reader(live.spool().head());
    for (started_by, gauge) in SESSIONS {
        let active = live.active_sessions(started_by) as u64;
        metrics.mail.meters().set_gauge(gauge, active);
    }
    std::thread::Builder::new()
        .name("meters".into())
        .stack_size(256 << 10)
        .spawn(
            move || match reader.map(|reader| count(reader, &metrics, &stop)) {
                Ok(Ok(())) => {}
                Ok(Err(error)) | Err(error) => {
                    console.say(&format!("events are no longer counted: {error}"));
                }
            },
        )
}

fn count(mut reader: Reader, metrics: &Metrics, stop: &Stop) -> Result<(), SpoolError> {
    loop {
        match reader.next(WAIT) {
            Ok(Some(Delivery::Frame(frame))) if frame.kind() == Kind::Events => {
                count_frame(&frame, metrics);
            }
            // What nobody can read was not counted; the history tells of it.
            Ok(Some(_)) => {}
            Ok(None) if stop.is_set() => return Ok(()),
            Ok(None) => {}
            Err(SpoolError::Closed | SpoolError::Poisoned { .. }) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn count_frame(frame: &Frame, metrics: &Metrics) {
    for event in Records::new(frame.records()).flatten() {
        let header = event.header();
        if header.event_id.is_none() && !header.imported {
            metrics.mail.record(&event);
        }
    }
}
