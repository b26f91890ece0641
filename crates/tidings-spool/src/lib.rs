//! A durable, append-only log of event records with cursors and crash recovery.

mod backend;
mod clock;
mod disk;
pub mod fault;
mod lock;

pub use backend::{Backend, File, OpenMode};
pub use clock::{Clock, SystemClock};
pub use disk::DiskBackend;
pub use lock::{DirLock, LockError, lock_dir};
