//! The outputs, and the one driver that runs them: log files, the console, the systemd journal, and
//! OpenTelemetry.
//!
//! An output is a [`Sink`]: it delivers batches of events and does nothing else. A [`Driver`] runs it on
//! a thread of its own: it reads a [`Feed`](feed::Feed) (the spool, from the output's own
//! [cursor](Cursors) on, or a channel in a program without a spool), keeps what the output's [`Interest`]
//! wants, batches, retries, splits, counts into a [`SinkState`], and [reports](Report) failures at most
//! once a minute. [`Outputs`] starts and stops the drivers of all configured [tracers](settings::Tracer)
//! and changes them while they run, without losing an event.
//!
//! ```
//! use std::sync::Arc;
//! use tidings_event::{EventType, Header, Key, Level, RecordWriter};
//! use tidings_sink::{Driver, DriverContext, Interest, LogFileSink, Output, Report, feed, settings};
//! use tidings_spool::SystemClock;
//!
//! # let directory = tempfile::tempdir()?;
//! # let directory = directory.path();
//! let clock = Arc::new(SystemClock::new());
//! let log = settings::LogFile { ansi: false, ..settings::LogFile::new(directory) };
//! let output = Output {
//!     name: "main".to_owned(),
//!     interest: Interest::from_level(Level::Info),
//!     lossy: false,
//!     error_kind: EventType::TELEMETRY_LOG_ERROR,
//!     sink: Box::new(LogFileSink::new(&log, clock.clone())),
//! };
//! let reporter = Arc::new(|report: Report| eprintln!("{report:?}"));
//! let (sender, feed) = feed::channel(1 << 20);
//! let driver = Driver::start(output, Box::new(feed), None, DriverContext { clock, reporter })?;
//!
//! let mut record = Vec::new();
//! let header = Header::new(EventType::AUTH_SUCCESS, 1_770_091_506_000_000_000);
//! RecordWriter::begin(&mut record, &header).str(Key::ACCOUNT_NAME, "eve").finish();
//! sender.send(record, 1).expect("the driver runs");
//!
//! assert!(driver.finish(std::time::Duration::from_secs(5)));
//! let text = std::fs::read_to_string(directory.join("tidings.2026-02-03"))?;
//! assert!(text.ends_with("(auth.success) accountName = \"eve\"\n"));
//! # Ok::<(), std::io::Error>(())
//! ```

// Data never panics: what cannot fail says why in `expect`.
#![cfg_attr(not(test), warn(clippy::unwrap_used))]

mod batch;
mod console;
mod cursors;
mod driver;
pub mod feed;
mod file;
mod interest;
mod journal;
mod later;
#[cfg(feature = "otlp")]
pub mod otlp;
mod outputs;
mod report;
pub mod settings;
mod sink;
mod spans;
mod state;

pub use batch::{Batch, BatchBuffer, BatchEvent};
pub use console::{ConsoleSink, Terminal};
pub use cursors::{Cursor, Cursors, Found};
pub use driver::{Driver, DriverContext, Output};
pub use file::{LogFileSink, check_not_a_source};
pub use interest::{Interest, LevelOverrides};
pub use journal::JournalSink;
pub use outputs::{Outputs, OutputsContext, Refusal, Running, SinkMaker, Then};
pub use report::{Report, Reporter};
pub use sink::{Batching, Failure, Outcome, Sink};
pub use state::{SinkState, SinkStats};
