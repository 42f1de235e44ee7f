//! Is the key that opens every database safe, and not beside what it opens?

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::finding::Finding;

const CREDENTIAL: &str = "vaani_master_key";

/// `credentials` is `$CREDENTIALS_DIRECTORY`, where systemd puts a key that never touches the disk.
pub(super) fn check(state: &Path, credentials: Option<&Path>) -> Finding {
    let kept = state.join("master.key");
    if credentials.is_some_and(|dir| dir.join(CREDENTIAL).exists()) {
        if kept.exists() {
            return Finding::warning(
                "master_key",
                format!("the key comes from a credential, but a copy of one still lies in {}", kept.display()),
                "if the box starts with the credential alone, shred the file (shred -u)",
            );
        }
        return Finding::fine("master_key", "the key comes from a credential of systemd");
    }
    let Ok(about) = std::fs::metadata(&kept) else {
        if has_databases(state) {
            return Finding::error(
                "master_key",
                format!("there are databases but no key: {} is missing", kept.display()),
                "bring the key back from where you keep it (the credential vaani_master_key, or the file); without it nothing can be read",
            );
        }
        return Finding::fine("master_key", "the key is made at the first start");
    };
    if about.permissions().mode() & 0o077 != 0 {
        return Finding::error(
            "master_key",
            format!("others may read the key {}", kept.display()),
            format!("chmod 600 {}; if others were on this box, change the key", kept.display()),
        );
    }
    if !about.is_file() || about.size() < 64 {
        return Finding::error(
            "master_key",
            format!("{} holds no key", kept.display()),
            "it must hold 64 hexadecimal digits; bring it back from where you keep it",
        );
    }
    if std::fs::metadata(state).is_ok_and(|dir| dir.dev() == about.dev()) {
        return Finding::warning(
            "master_key",
            "the key lies on the same disk as the data it opens: who takes the disk has both",
            "hand it over as an encrypted credential: systemd-creds encrypt --name=vaani_master_key \
             STATE/master.key /etc/credstore.encrypted/vaani_master_key, add \
             LoadCredentialEncrypted=vaani_master_key to the unit, then shred the file",
        );
    }
    Finding::fine("master_key", "the key is private and on a disk of its own")
}

fn has_databases(state: &Path) -> bool {
    state.join("system.db").exists()
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    fn put(path: &Path, text: &str, mode: u32) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_is_missed_only_where_there_is_something_to_open() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(check(dir.path(), None).severity, Severity::Fine);
        put(&dir.path().join("system.db"), "x", 0o600);
        assert_eq!(check(dir.path(), None).severity, Severity::Error);
    }

    #[test]
    fn an_open_short_or_near_key_is_told_and_a_credential_is_best() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("master.key");
        put(&key, &"a".repeat(64), 0o640);
        assert!(check(dir.path(), None).text.contains("others may read"));
        put(&key, "abc", 0o600);
        assert!(check(dir.path(), None).text.contains("holds no key"));
        put(&key, &"a".repeat(64), 0o600);
        let near = check(dir.path(), None);
        assert_eq!(near.severity, Severity::Warning);
        assert!(near.fix.contains("systemd-creds"));
        let credentials = tempfile::tempdir().unwrap();
        put(&credentials.path().join(CREDENTIAL), &"a".repeat(64), 0o400);
        assert!(check(dir.path(), Some(credentials.path())).text.contains("copy"));
        std::fs::remove_file(&key).unwrap();
        assert_eq!(check(dir.path(), Some(credentials.path())).severity, Severity::Fine);
    }
}
