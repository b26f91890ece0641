//! How a spool behaves: sizes, ages and paces, all with a default.

use std::path::PathBuf;
use std::time::Duration;

const MEBIBYTE: u64 = 1 << 20;
const DAY_NS: i64 = 24 * 3600 * 1_000_000_000;

/// Settings of a [`Spool`](crate::Spool).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpoolConfig {
    /// Directory of the spool, below the backend's root. Default `spool`.
    pub directory: PathBuf,
    /// A segment is ended before it would grow beyond this; at most an eighth of the spool's
    /// limit is used whatever this says. Default 128 MiB.
    pub segment_bytes: u64,
    /// A segment is ended when it is this old, so that old events can be removed. Default 1 day.
    pub segment_age_ns: i64,
    /// Segments whose youngest event is older are removed, unless pinned. Default 7 days.
    pub max_age_ns: i64,
    /// Limit of all segments together. Default 4 GiB.
    pub max_bytes: u64,
    /// The limit is also at most the file system's size divided by this; 0 for no such limit.
    /// Default 10.
    pub disk_divisor: u64,
    /// Capacity of the queue before the writer, in bytes of batches that are not yet durable.
    /// A single larger batch is taken when the queue is empty. Default 16 MiB.
    pub queue_bytes: usize,
    /// Capacity of the tail of committed frames kept in memory for readers. Default 8 MiB.
    pub tail_bytes: usize,
    /// Queued bytes that are committed at once, although nobody waits. Default 256 KiB.
    pub group_bytes: usize,
    /// Otherwise a commit waits this long, or until [`sync_share`](Self::sync_share) times the
    /// duration of all syncs has passed, if that is longer; of time without a sync, the last second
    /// counts. Default 20 ms.
    pub commit_delay: Duration,
    /// See [`commit_delay`](Self::commit_delay): with 10, the default, syncing takes at most about
    /// a tenth of the disk's time when nobody waits.
    pub sync_share: u32,
    /// How long to wait before a write to a full disk is tried again. Default 1 s.
    pub retry_delay: Duration,
    /// How often the age of segments is looked at while nothing is appended. Default 1 minute.
    pub maintenance_interval: Duration,
    /// Checks every frame of every segment on opening, instead of those of the last segment; the
    /// others are checked when they are read. Default no.
    pub check_all_on_open: bool,
    /// The highest sequence that any reader has recorded as seen, plus one. If the spool should
    /// end below (its last segment was damaged), it continues there, so that a sequence once
    /// visible is never used again; the range between is reported as lost. Default 0: unknown.
    pub known_head: u64,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("spool"),
            segment_bytes: 128 * MEBIBYTE,
            segment_age_ns: DAY_NS,
            max_age_ns: 7 * DAY_NS,
            max_bytes: 4096 * MEBIBYTE,
            disk_divisor: 10,
            queue_bytes: 16 << 20,
            tail_bytes: 8 << 20,
            group_bytes: 256 << 10,
            commit_delay: Duration::from_millis(20),
            sync_share: 10,
            retry_delay: Duration::from_secs(1),
            maintenance_interval: Duration::from_secs(60),
            check_all_on_open: false,
            known_head: 0,
        }
    }
}

impl SpoolConfig {
    /// The byte limit in force on a file system of a size.
    pub(crate) fn limit_bytes(&self, disk_bytes: u64) -> u64 {
        match disk_bytes.checked_div(self.disk_divisor) {
            Some(share) => self.max_bytes.min(share),
            None => self.max_bytes,
        }
    }

    /// Where a segment is ended, given the limit in force.
    pub(crate) fn segment_limit(&self, limit_bytes: u64) -> u64 {
        self.segment_bytes.min(limit_bytes / 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_limit_counts() {
        let config = SpoolConfig::default();
        assert_eq!(config.limit_bytes(1 << 40), 4 << 30);
        assert_eq!(config.limit_bytes(10 << 30), 1 << 30);
        assert_eq!(config.segment_limit(4 << 30), 128 << 20);
        assert_eq!(config.segment_limit(80 << 20), 10 << 20);
        let unlimited = SpoolConfig {
            disk_divisor: 0,
            ..config
        };
        assert_eq!(unlimited.limit_bytes(1), 4 << 30);
    }
}
