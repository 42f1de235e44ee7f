//! Has the disk of the state directory room, in bytes and in names?

use std::path::Path;

use super::finding::Finding;
use crate::config::Alerts;

/// Of a file system; what has no limit says 0 names.
struct Room {
    free_mb: u64,
    names: u64,
    free_names: u64,
}

pub(super) fn check(dir: &Path, limits: &Alerts) -> Option<Finding> {
    // Before the first start the directory is not there, but its disk is.
    let there = dir.ancestors().find(|place| place.exists())?;
    let about = rustix::fs::statvfs(there).ok()?;
    let room = Room {
        free_mb: about.f_bavail.saturating_mul(about.f_frsize) >> 20,
        names: about.f_files,
        free_names: about.f_favail,
    };
    Some(judge(&room, dir, limits))
}

fn judge(room: &Room, dir: &Path, limits: &Alerts) -> Finding {
    let place = dir.display();
    let fix = "make room on it, or shorten what is kept ([retention]); without room calls go on but leave no record";
    if room.free_mb < u64::from(limits.disk_full_mb) {
        return Finding::error("disk", format!("only {} MiB are free on the disk of {place}", room.free_mb), fix);
    }
    if room.names > 0 && room.free_names < 1_000 {
        return Finding::error(
            "disk",
            format!("the disk of {place} has room for only {} further files", room.free_names),
            "remove files that nobody needs from it",
        );
    }
    if room.free_mb < u64::from(limits.disk_low_mb) {
        return Finding::warning("disk", format!("{} MiB are free on the disk of {place}", room.free_mb), fix);
    }
    Finding::fine("disk", format!("{} MiB are free on the disk of {place}", room.free_mb))
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn the_limits_of_the_settings_hold() {
        let limits = Alerts::default();
        let of =
            |free_mb, names, free_names| judge(&Room { free_mb, names, free_names }, Path::new("/x"), &limits).severity;
        assert_eq!(of(199, 0, 0), Severity::Error);
        assert_eq!(of(200, 0, 0), Severity::Warning);
        assert_eq!(of(2_048, 0, 0), Severity::Fine, "btrfs counts no names");
        assert_eq!(of(2_048, 1_000_000, 999), Severity::Error);
    }

    #[test]
    fn a_directory_that_is_not_there_yet_has_a_disk() {
        assert!(check(Path::new("/nowhere/at/all"), &Alerts::default()).is_some());
    }
}
