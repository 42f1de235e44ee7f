//! How much room the disk of the state has, for everybody who must know it.
//!
//! Promise: who holds a [`DiskState`] sees the last look without waiting. A state gets worse at once and
//! better only when there is a tenth more room than it took to get worse, so it does not flutter; after a
//! write that failed for lack of room it gets better only once a write has worked. Absent on purpose: who
//! looks when, and who is told (`ops/upkeep.rs`).

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use serde::Serialize;

use crate::base::limits;

/// What room there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Room {
    Enough,
    /// Calls go on; no new campaign starts.
    Low,
    /// Calls go on; what must be durable is refused.
    Full,
}

/// Free bytes below which the state is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    pub low: u64,
    pub full: u64,
}

impl Thresholds {
    /// The usual ones; a small disk has smaller ones.
    pub fn of_disk(total: u64) -> Self {
        Self { low: limits::DISK_LOW.min(total / 10), full: limits::DISK_FULL.min(total / 50) }
    }
}

/// What the next state is.
pub fn judge(was: Room, free: u64, failing: bool, thresholds: Thresholds) -> Room {
    let more = |bytes: u64| bytes.saturating_add(bytes / 10);
    // What it takes to stay out of a state depends on whether one is in it.
    let full = if was == Room::Full { more(thresholds.full) } else { thresholds.full };
    let low = if was >= Room::Low { more(thresholds.low) } else { thresholds.low };
    if failing || free < full {
        Room::Full
    } else if free < low {
        Room::Low
    } else {
        Room::Enough
    }
}

/// A look at the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Look {
    pub room: Room,
    pub free_bytes: u64,
    pub total_bytes: u64,
}

#[derive(Debug)]
struct Inner {
    room: AtomicU8,
    free: AtomicU64,
    total: AtomicU64,
    /// A write failed for lack of room since the last one that worked.
    failing: AtomicBool,
}

/// Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct DiskState(Arc<Inner>);

impl Default for DiskState {
    /// Before the first look nothing is held back.
    fn default() -> Self {
        Self(Arc::new(Inner {
            room: AtomicU8::new(0),
            free: AtomicU64::new(u64::MAX),
            total: AtomicU64::new(u64::MAX),
            failing: AtomicBool::new(false),
        }))
    }
}

impl DiskState {
    pub fn room(&self) -> Room {
        match self.0.room.load(Ordering::Acquire) {
            0 => Room::Enough,
            1 => Room::Low,
            _ => Room::Full,
        }
    }

    /// Calls cost little room, a campaign much: none starts while there is little.
    pub fn campaigns_may_start(&self) -> bool {
        self.room() == Room::Enough
    }

    pub fn last(&self) -> Look {
        Look {
            room: self.room(),
            free_bytes: self.0.free.load(Ordering::Acquire),
            total_bytes: self.0.total.load(Ordering::Acquire),
        }
    }

    /// Has a write failed for lack of room, and none worked since?
    pub fn is_failing(&self) -> bool {
        self.0.failing.load(Ordering::Acquire)
    }

    /// A write failed because there was no room.
    pub fn write_failed(&self) {
        self.0.failing.store(true, Ordering::Release);
        self.0.room.store(2, Ordering::Release);
    }

    /// Looks at the disk `dir` lies on; gives the state before and now. Waits for the disk.
    pub fn look(&self, dir: &Path) -> io::Result<(Room, Look)> {
        let (free, total) = room_of(dir)?;
        let was = self.room();
        // Whether writing works again is known when it does: quotas do not show in what is free.
        if self.0.failing.load(Ordering::Acquire) && free > limits::DISK_PROBE as u64 && probe(dir).is_ok() {
            self.0.failing.store(false, Ordering::Release);
        }
        let failing = self.0.failing.load(Ordering::Acquire);
        let room = judge(was, free, failing, Thresholds::of_disk(total));
        self.0.room.store(room as u8, Ordering::Release);
        self.0.free.store(free, Ordering::Release);
        self.0.total.store(total, Ordering::Release);
        Ok((was, Look { room, free_bytes: free, total_bytes: total }))
    }
}

/// Bytes free for the daemon, and all bytes, of the disk `path` lies on.
pub fn room_of(path: &Path) -> io::Result<(u64, u64)> {
    let fs = rustix::fs::statvfs(path)?;
    Ok((fs.f_bavail.saturating_mul(fs.f_frsize), fs.f_blocks.saturating_mul(fs.f_frsize)))
}

/// Can something be written and kept?
fn probe(dir: &Path) -> io::Result<()> {
    let path = dir.join(".probe.part");
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(&vec![0; limits::DISK_PROBE])?;
        file.sync_all()
    };
    let written = write();
    drop(fs::remove_file(&path));
    written
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT: Thresholds = Thresholds { low: 1_000, full: 200 };

    #[test]
    fn the_state_worsens_at_once_and_betters_with_some_room_to_spare() {
        for (was, free, failing, next) in [
            (Room::Enough, 1_000, false, Room::Enough),
            (Room::Enough, 999, false, Room::Low),
            (Room::Low, 1_050, false, Room::Low),
            (Room::Low, 1_100, false, Room::Enough),
            (Room::Low, 199, false, Room::Full),
            (Room::Full, 210, false, Room::Full),
            (Room::Full, 220, false, Room::Low),
            (Room::Full, 1_050, false, Room::Low),
            (Room::Full, 5_000, false, Room::Enough),
            (Room::Enough, 0, false, Room::Full),
            (Room::Enough, 5_000, true, Room::Full),
            (Room::Full, 5_000, true, Room::Full),
        ] {
            assert_eq!(judge(was, free, failing, AT), next, "{was:?} {free} {failing}");
        }
    }

    proptest! {
        /// At one level of room the state settles at the first look.
        #[test]
        fn it_never_flutters(was in 0..3_u8, free in 0..3_000_u64) {
            let was = [Room::Enough, Room::Low, Room::Full][usize::from(was)];
            let next = judge(was, free, false, AT);
            prop_assert_eq!(judge(next, free, false, AT), next);
        }
    }

    #[test]
    fn a_failed_write_counts_as_full_until_one_works() {
        let dir = tempfile::tempdir().unwrap();
        let disk = DiskState::default();
        assert!(disk.campaigns_may_start());
        disk.write_failed();
        assert!(!disk.campaigns_may_start());
        let (was, now) = disk.look(dir.path()).unwrap();
        assert_eq!(was, Room::Full);
        assert!(now.total_bytes >= now.free_bytes);
        assert_ne!(now.room, Room::Full, "this machine's own disk is full");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the probe is removed");
        // Where nothing can be written it stays.
        disk.write_failed();
        assert!(disk.look(&dir.path().join("gone")).is_err());
        assert_eq!(disk.room(), Room::Full);
    }

    #[test]
    fn small_disks_have_small_thresholds() {
        assert_eq!(Thresholds::of_disk(1 << 40), Thresholds { low: limits::DISK_LOW, full: limits::DISK_FULL });
        assert_eq!(Thresholds::of_disk(4_000_000), Thresholds { low: 400_000, full: 80_000 });
    }
}
