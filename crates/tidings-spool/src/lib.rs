//! A durable, append-only log of event records with cursors and crash recovery.
//!
//! Producers [append](Spool::append) batches of records, which are opaque bytes to this crate. One
//! writer thread groups them, writes and syncs them, and only then do [readers](Reader) see them:
//! each at its own position, from a shared window in memory where they are recent, else from disk.
//! Every event has a [sequence](Frame::sequences), given once and never again.
//!
//! * A batch may carry a *checkpoint*, stored atomically with its events: where the sources stood.
//!   [Control batches](Batch::control) hold snapshots. From the [last one](Spool::last_control) and
//!   the [checkpoints](Spool::checkpoints) behind it a process finds its place again after a crash.
//! * [Retention](SpoolConfig) removes old segments, oldest first, but none that a [`Pin`] holds;
//!   who reads too late gets a [`Gap`], never silence.
//! * Damage by the medium is found by checksums, reported, and skipped; [`verify`] checks all,
//!   [`repair`] salvages what is sound and notes exactly what is lost.
//!
//! All access to the disk goes through [`Backend`], so that the tests of this crate and of others
//! run on the faulty disks of [`fault`]. The crate has no runtime: it blocks, or it refuses.
//! The bytes on disk are specified in `docs/format-spool.md`.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use tidings_spool::fault::MemoryBackend;
//! use tidings_spool::{Batch, Delivery, Identity, Spool, SpoolConfig, SystemClock};
//!
//! let backend = Arc::new(MemoryBackend::new());
//! let identity = Identity { epoch: 0x5eed, origin: 7 }; // random in earnest
//! let opened = Spool::open(backend, Arc::new(SystemClock::new()), SpoolConfig::default(), identity)?;
//! let spool = opened.spool;
//!
//! let ticket = spool.append(Batch::events(2, b"first record, second record".to_vec()))?;
//! assert_eq!(ticket.wait()?, 1..3); // durable from here on
//!
//! let mut reader = spool.reader(1)?;
//! let Some(Delivery::Frame(frame)) = reader.next(Duration::ZERO)? else { unreachable!() };
//! assert_eq!(frame.records(), b"first record, second record");
//! # Ok::<(), tidings_spool::SpoolError>(())
//! ```

mod backend;
mod batch;
mod clock;
mod config;
mod control;
mod cursor;
mod disk;
mod error;
pub mod fault;
mod files;
mod frame;
mod lock;
mod overlay;
mod pin;
mod reader;
mod recover;
mod repair;
mod scan;
mod segment;
mod spool;
mod state;
mod stats;
mod tail;
mod ticket;
mod verify;
mod writer;

pub use backend::{Backend, File, OpenMode};
pub use batch::{Batch, Kind};
pub use clock::{Clock, SystemClock};
pub use config::SpoolConfig;
pub use control::{Checkpoint, Checkpoints, Control};
pub use cursor::{Damage, DamageReason};
pub use disk::DiskBackend;
pub use error::{AppendError, Full, InvalidBatch, SpoolError};
pub use frame::{FRAME_HEADER_BYTES, Frame, FrameError, MAX_PAYLOAD_BYTES, Position, decode_frame};
pub use lock::{DirLock, LockError, lock_dir};
pub use overlay::Overlay;
pub use pin::Pin;
pub use reader::{Behind, Delivery, Gap, GapReason, Reader, Start};
pub use recover::RecoveryReport;
pub use repair::{RepairReport, repair};
pub use scan::TornTail;
pub use segment::{Identity, SEGMENT_HEADER_BYTES, SegmentError};
pub use spool::{Opened, Spool, Subscription};
pub use stats::SpoolStats;
pub use ticket::Ticket;
pub use verify::{SegmentReport, VerifyReport, verify};
