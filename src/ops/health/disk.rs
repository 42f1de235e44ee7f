//! Has the disk of the state directory room, in bytes and in names?

use std::path::Path;

use super::finding::Finding;
use crate::config::Alerts;
use crate::store::disk::{Look, Room};

/// What a finding about names instead of bytes is about.
pub const FILES: &str = "files";

const FIX: &str = "make room on it, or shorten what is kept ([retention]); without room calls go on but leave little record, and no new campaign starts";

pub(super) fn check(dir: &Path, limits: &Alerts) -> Option<Finding> {
    // Before the first start the directory is not there, but its disk is.
    let there = dir.ancestors().find(|place| place.exists())?;
    let about = rustix::fs::statvfs(there).ok()?;
    let of = |blocks: u64| blocks.saturating_mul(about.f_frsize);
    // What has no limit says 0 names.
    if about.f_files > 0 && about.f_favail < 1_000 {
        return Some(few_files(dir, about.f_favail));
    }
    Some(judge(&format!("of {}", dir.display()), of(about.f_bavail), of(about.f_blocks), limits))
}

/// The same for a running daemon, which knows whether writing works.
pub(super) fn check_now(look: Look, limits: &Alerts) -> Finding {
    let (place, free) = ("of the state directory", look.free_bytes >> 20);
    match (look.room, judge(place, look.free_bytes, look.total_bytes, limits)) {
        (Room::Full, _) => Finding::error(
            "disk",
            format!("the disk {place} is full ({free} MiB are free): writing fails, or soon will"),
            FIX,
        ),
        (Room::Low, finding) if finding.is_fine() => {
            Finding::warning("disk", format!("{free} MiB are free on the disk {place}"), FIX)
        }
        (_, finding) => finding,
    }
}

fn few_files(dir: &Path, left: u64) -> Finding {
    Finding::error(
        "disk",
        format!("the disk of {} has room for only {left} further files", dir.display()),
        "remove files that nobody needs from it",
    )
    .about(FILES)
}

fn judge(place: &str, free: u64, total: u64, limits: &Alerts) -> Finding {
    // A small disk has smaller limits.
    let full = (u64::from(limits.disk_full_mb) << 20).min(total / 50);
    let low = (u64::from(limits.disk_low_mb) << 20).min(total / 10);
    let free_mb = free >> 20;
    if free < full {
        return Finding::error("disk", format!("only {free_mb} MiB are free on the disk {place}"), FIX);
    }
    let text = format!("{free_mb} MiB are free on the disk {place}");
    if free < low { Finding::warning("disk", text, FIX) } else { Finding::fine("disk", text) }
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_limits_of_the_settings_hold_and_small_disks_have_smaller_ones() {
        let limits = Alerts::default();
        for (free_mb, total_mb, severity) in [
            (199, 1_000_000, Severity::Error),
            (200, 1_000_000, Severity::Warning),
            (2_048, 1_000_000, Severity::Fine),
            (0, 64, Severity::Error),
            (6, 64, Severity::Warning),
            (7, 64, Severity::Fine),
        ] {
            assert_eq!(
                judge("here", free_mb * MIB, total_mb * MIB, &limits).severity,
                severity,
                "{free_mb}/{total_mb}"
            );
        }
    }

    #[test]
    fn a_disk_that_takes_no_write_is_full_whatever_it_says_of_itself() {
        let look = |room| Look { room, free_bytes: 1 << 40, total_bytes: 1 << 41 };
        let told = |room| check_now(look(room), &Alerts::default()).severity;
        assert_eq!(
            [Room::Enough, Room::Low, Room::Full].map(told),
            [Severity::Fine, Severity::Warning, Severity::Error]
        );
        let few = few_files(Path::new("/x"), 999);
        assert_eq!((few.severity, few.about.as_str()), (Severity::Error, FILES));
    }

    #[test]
    fn a_directory_that_is_not_there_yet_has_a_disk() {
        assert!(check(Path::new("/nowhere/at/all"), &Alerts::default()).is_some());
    }
}
