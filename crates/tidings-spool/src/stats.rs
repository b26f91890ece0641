//! The spool's numbers: what an operator wants to see of it.

use std::sync::Arc;

/// A snapshot of a spool's numbers; see [`Spool::stats`](crate::Spool::stats).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolStats {
    /// Bytes in all segments.
    pub bytes: u64,
    /// The byte limit in force.
    pub limit_bytes: u64,
    /// Number of segments.
    pub segments: usize,
    /// The sequence after the last committed event.
    pub head: u64,
    /// The oldest sequence kept.
    pub oldest: u64,
    /// Bytes of batches that are not yet durable.
    pub queue_bytes: usize,
    /// Capacity of that queue.
    pub queue_capacity_bytes: usize,
    /// Bytes of committed frames kept in memory for readers.
    pub tail_bytes: usize,
    /// Commits since opening, each with one sync.
    pub commits: u64,
    /// Frames written since opening.
    pub frames: u64,
    /// Events written since opening.
    pub events: u64,
    /// Bytes written since opening.
    pub written_bytes: u64,
    /// How long the last sync took.
    pub last_sync_ns: u64,
    /// Batches refused because the queue was full (`try_append` only; `append` waits).
    pub refused_queue: u64,
    /// Batches refused because a pin kept the spool at its limit.
    pub refused_pinned: u64,
    /// Batches refused because the disk was full.
    pub refused_disk: u64,
    /// Segments removed by retention since opening.
    pub segments_removed: u64,
    /// Removals that the file system refused; they are tried again.
    pub removals_failed: u64,
    /// The pin that holds the oldest segment although it should go, if one does.
    pub held_by: Option<String>,
    /// Damaged places that readers met since opening.
    pub damage_met: u64,
    /// Whether the disk is full now.
    pub disk_full: bool,
    /// Why nothing is written any more, if so.
    pub poisoned: Option<Arc<str>>,
}

/// The counters among them.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) limit_bytes: u64,
    pub(crate) commits: u64,
    pub(crate) frames: u64,
    pub(crate) events: u64,
    pub(crate) written_bytes: u64,
    pub(crate) last_sync_ns: u64,
    pub(crate) refused_queue: u64,
    pub(crate) refused_pinned: u64,
    pub(crate) refused_disk: u64,
    pub(crate) segments_removed: u64,
    pub(crate) removals_failed: u64,
    pub(crate) held_by: Option<String>,
    pub(crate) damage_met: u64,
}
