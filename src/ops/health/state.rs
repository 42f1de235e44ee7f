//! Is the state directory there, and the daemon's alone?

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::finding::Finding;

/// Files looked at below the directory; a box has a few a tenant.
const FILES_MAX: usize = 2_000;

pub(super) fn check(dir: &Path) -> Finding {
    let Ok(about) = std::fs::metadata(dir) else {
        return Finding::warning(
            "state",
            format!("the state directory {} does not exist yet", dir.display()),
            "it is made at the first start; check that the daemon's user may make it",
        );
    };
    if !about.is_dir() {
        return Finding::error(
            "state",
            format!("{} is not a directory", dir.display()),
            "remove it, or set state.dir to a directory",
        );
    }
    if about.permissions().mode() & 0o077 != 0 {
        return Finding::warning(
            "state",
            format!("others may read the state directory {}", dir.display()),
            format!("chmod 700 {}", dir.display()),
        );
    }
    if let Some(foreign) = foreign(dir, about.uid()) {
        return Finding::error(
            "state",
            format!("{} belongs to another user than the state directory", foreign.display()),
            format!("chown -R --reference={0} {0}", dir.display()),
        );
    }
    Finding::fine("state", format!("{} is private", dir.display()))
}

/// The first file of another owner, which the daemon may be unable to write: a command that was run
/// as root leaves such.
fn foreign(dir: &Path, owner: u32) -> Option<PathBuf> {
    let mut dirs = vec![dir.to_owned()];
    let mut looked_at = 0;
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).ok()?.flatten() {
            looked_at += 1;
            if looked_at > FILES_MAX {
                return None;
            }
            // Not followed: what a link points to is not ours.
            let Ok(about) = entry.metadata() else { continue };
            if about.uid() != owner {
                return Some(entry.path());
            }
            if about.is_dir() {
                dirs.push(entry.path());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn an_open_missing_or_odd_directory_is_told() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(check(dir.path()).severity, Severity::Warning);
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(check(dir.path()).severity, Severity::Fine);
        assert_eq!(check(&dir.path().join("not there")).severity, Severity::Warning);
        let file = dir.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert_eq!(check(&file).severity, Severity::Error);
    }

    #[test]
    fn a_file_of_somebody_else_is_found_wherever_it_lies() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let deep = dir.path().join("tenants/x");
        std::fs::create_dir_all(&deep).unwrap();
        let file = deep.join("left by root");
        std::fs::write(&file, "x").unwrap();
        let owner = std::fs::metadata(&file).unwrap().uid();
        assert_eq!(foreign(dir.path(), owner), None);
        assert!(foreign(dir.path(), owner + 1).is_some());
    }
}
