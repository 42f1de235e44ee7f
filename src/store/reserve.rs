//! Some room on the state's disk that nobody uses, for a start on a full one.
//!
//! A database that was closed well has no index file beside it, and without room for one not even its
//! rows can be read. Promise: as long as there was room once, a start on a full disk can open what is
//! kept. Absent on purpose: when to keep it again (`ops/upkeep.rs`, once there is room).

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::base::limits;

fn place(state: &Path) -> PathBuf {
    state.join("reserve")
}

/// Keeps room for the box and so many tenants, if it is not kept already. Waits for the disk.
pub(crate) fn keep(state: &Path, tenants: usize) -> io::Result<()> {
    let path = place(state);
    let wanted = limits::RESERVE_BOX + limits::RESERVE_TENANT * tenants as u64;
    if fs::metadata(&path).is_ok_and(|about| about.len() >= wanted) {
        return Ok(());
    }
    let written = write(&path, wanted);
    if written.is_err() {
        // Half of it helps nobody and takes the last room.
        drop(fs::remove_file(&path));
    }
    written
}

fn write(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
    let mut left = usize::try_from(bytes).unwrap_or(usize::MAX);
    let mut piece = vec![0; 64 * 1024];
    while left > 0 {
        let now = left.min(piece.len());
        // Bytes that no file system makes smaller.
        fastrand::fill(&mut piece[..now]);
        file.write_all(&piece[..now])?;
        left -= now;
    }
    file.sync_all()
}

/// Gives the room free. False: none was kept.
pub(crate) fn release(state: &Path) -> bool {
    fs::remove_file(place(state)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_kept_once_given_up_once_and_never_half() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!release(dir.path()));
        keep(dir.path(), 2).unwrap();
        let about = fs::metadata(place(dir.path())).unwrap();
        assert_eq!(about.len(), limits::RESERVE_BOX + 2 * limits::RESERVE_TENANT);
        keep(dir.path(), 1).unwrap();
        assert_eq!(fs::metadata(place(dir.path())).unwrap().modified().unwrap(), about.modified().unwrap());
        assert!(release(dir.path()) && !release(dir.path()));
        let Some(disk) = crate::store::tiny_disk::TinyDisk::new(&dir.path().join("disk"), 512) else { return };
        assert!(keep(disk.path(), 0).is_err());
        assert_eq!(fs::read_dir(disk.path()).unwrap().count(), 0);
    }
}
