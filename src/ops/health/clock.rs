//! Does the box know what time it is? Calling hours, signatures, certificates and the audit trail
//! rest on it.

use std::path::Path;
use std::time::Duration;

use super::finding::Finding;

/// 2026-01-01: no box runs this version before it.
const EARLIEST_MS: u64 = 1_767_225_600_000;
/// 2126.
const LATEST_MS: u64 = EARLIEST_MS + 100 * 366 * 86_400_000;

/// Whether somebody keeps the clock right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synchronised {
    Yes,
    No,
    /// Nobody here can tell (a container, another service manager).
    Unknown,
}

pub(super) fn check(wall_ms: u64, synchronised: Synchronised) -> Finding {
    if !(EARLIEST_MS..LATEST_MS).contains(&wall_ms) {
        return Finding::error(
            "clock",
            "the clock is years wrong",
            "set it (timedatectl set-time) and let it be kept right (systemd-timesyncd or chrony)",
        );
    }
    match synchronised {
        Synchronised::Yes => Finding::fine("clock", "the clock is kept right from outside"),
        Synchronised::Unknown => Finding::fine("clock", "the clock is plausible; who keeps it right could not be told"),
        Synchronised::No => Finding::warning(
            "clock",
            "nobody keeps the clock right: calling hours and signatures will drift away",
            "enable systemd-timesyncd or chrony with a time server that the box can reach",
        ),
    }
}

/// Asks the kernel through systemd: its own keeper of time leaves a file, for others (chrony, ntpd)
/// `timedatectl` reads the kernel's flag.
pub async fn is_synchronised() -> Synchronised {
    if Path::new("/run/systemd/timesync/synchronized").exists() {
        return Synchronised::Yes;
    }
    let mut command = tokio::process::Command::new("timedatectl");
    command
        .args(["show", "--property=NTPSynchronized", "--value"])
        .kill_on_drop(true)
        .stdin(std::process::Stdio::null());
    match tokio::time::timeout(Duration::from_secs(3), command.output()).await {
        Ok(Ok(told)) if told.status.success() => answer(&told.stdout),
        _ => Synchronised::Unknown,
    }
}

fn answer(told: &[u8]) -> Synchronised {
    match told.trim_ascii() {
        b"yes" => Synchronised::Yes,
        b"no" => Synchronised::No,
        _ => Synchronised::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn a_clock_that_starts_in_1970_is_an_error_and_a_free_one_a_warning() {
        assert_eq!(check(40_000, Synchronised::Yes).severity, Severity::Error);
        assert_eq!(check(LATEST_MS, Synchronised::Yes).severity, Severity::Error);
        assert_eq!(check(EARLIEST_MS, Synchronised::No).severity, Severity::Warning);
        assert_eq!(check(EARLIEST_MS, Synchronised::Unknown).severity, Severity::Fine);
        assert_eq!((answer(b"yes\n"), answer(b"no\n")), (Synchronised::Yes, Synchronised::No));
        assert_eq!(answer(b"\xff"), Synchronised::Unknown);
    }
}
