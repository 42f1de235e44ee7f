//! Backups of the whole state: one sealed file with every database, the wrapped keys, the objects, what
//! else lies in the state directory, and the configuration.
//!
//! Promise: everything that was acknowledged before a backup began is in it, and calls go on while it is
//! made; under a backup's name lies a whole one or none. A backup is of no use without the master key,
//! which is never in it. A restore takes effect at once and whole, after every byte was compared and every
//! database looked at, or not at all.
//!
//! `archive.rs` is the order of the bytes inside the seal, `make.rs` writes, `restore.rs` verifies and
//! restores. All of it waits for disk and network and belongs on a thread that may wait. Absent on
//! purpose: when backups are made and how many are kept (`ops/backups.rs`).

mod archive;
mod make;
mod restore;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};

use super::StoreError;
use super::crypt::{CREDENTIAL, MasterKey};
use super::depot::{Depot, DepotError, Kept};
use super::sealed::SealError;
use crate::base::limits;

pub use archive::{Head, Kind, Manifest, Member, Objects, Schemas};
pub use make::{Made, Source, make};
pub use restore::{Restored, restore, verify};

/// What the purpose of the key is called.
const PURPOSE: &str = "backup 1";
/// How names of backups end.
pub const ENDING: &str = ".vbk";

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("another backup of {} is being made; wait until it is done", .0.display())]
    Busy(PathBuf),
    #[error("{} holds no state of vaani; name the right directory with state.dir", .0.display())]
    NothingThere(PathBuf),
    #[error("{0}")]
    Key(String),
    #[error("the backup cannot be used: {0}")]
    Seal(SealError),
    #[error("the backup is damaged: {0}")]
    Damaged(String),
    #[error("the backup was made by a newer vaani ({0}); install that version and restore with it")]
    Newer(String),
    #[error("{} is not empty; name another directory, or put it aside with --force", .0.display())]
    NotEmpty(PathBuf),
    #[error("a running vaani uses {}; stop it first", .0.display())]
    InUse(PathBuf),
    #[error("{} is a disk of its own and cannot be exchanged as a whole; restore into a directory on it and set state.dir", .0.display())]
    Mount(PathBuf),
    #[error("{needed} MiB are needed on the disk of {place}, {free} MiB are free; make room on it")]
    Room { place: String, needed: u64, free: u64 },
    #[error("the disk of {0} is full; make room on it")]
    Full(String),
    #[error("it was stopped before it was done")]
    Stopped,
    #[error("{name} could not be read: {error}")]
    Database { name: String, error: StoreError },
    #[error("{place} cannot be used: {error}")]
    Disk { place: String, error: io::Error },
    #[error(transparent)]
    Depot(DepotError),
}

impl BackupError {
    /// Is it for lack of room?
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Full(_) | Self::Room { .. })
    }

    fn disk(place: &Path, error: io::Error) -> Self {
        let place = place.display().to_string();
        if error.kind() == io::ErrorKind::StorageFull { Self::Full(place) } else { Self::Disk { place, error } }
    }

    /// An error of a reader may be the seal's.
    fn reading(error: io::Error) -> Self {
        match SealError::of(&error) {
            Some(SealError::WrongKey) => Self::Key(
                "the backup was sealed under another master key; give the key of that box with --key-file".to_owned(),
            ),
            Some(seal) => Self::Seal(seal),
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::Damaged("it ends too early".to_owned()),
            None => Self::disk(Path::new("the backup"), error),
        }
    }
}

impl From<DepotError> for BackupError {
    fn from(error: DepotError) -> Self {
        match error {
            DepotError::Full(place) => Self::Full(place),
            other => Self::Depot(other),
        }
    }
}

/// A master key, and the file it came from; `None`: a credential.
#[derive(Debug)]
pub struct FoundKey {
    pub master: MasterKey,
    pub file: Option<PathBuf>,
}

/// The master key of `file`, else the credential's, else the one of the state directory. Never makes one.
pub fn find_key(state: &Path, file: Option<&Path>) -> Result<FoundKey, BackupError> {
    let read = |path: &Path| MasterKey::read(path).map_err(|error| BackupError::Key(error.to_string()));
    if let Some(file) = file {
        return Ok(FoundKey { master: read(file)?, file: Some(file.to_owned()) });
    }
    let credential = std::env::var_os("CREDENTIALS_DIRECTORY").map(|dir| Path::new(&dir).join(CREDENTIAL));
    if let Some(path) = credential.filter(|path| path.exists()) {
        return Ok(FoundKey { master: read(&path)?, file: None });
    }
    let path = MasterKey::path(state);
    if path.exists() {
        return Ok(FoundKey { master: read(&path)?, file: Some(path) });
    }
    Err(BackupError::Key(format!(
        "there is no master key at {}; name the file that holds it with --key-file, or give the credential {CREDENTIAL}",
        path.display()
    )))
}

/// The name of a backup made at `unix_ms`: names sort as their times do.
pub fn name_at(unix_ms: u64) -> String {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(unix_ms).unwrap_or(0)).unwrap_or_default();
    // The last part keeps two of the same second apart.
    format!("vaani-{}-{:03}{ENDING}", at.strftime("%Y%m%dT%H%M%SZ"), unix_ms % 1_000)
}

/// Is it the name of a backup that the daemon or the command line gave?
pub fn is_ours(name: &str) -> bool {
    name.starts_with("vaani-") && name.ends_with(ENDING) && !name.contains('/')
}

/// The backups of a depot, oldest first.
pub fn list(depot: &Depot) -> Result<Vec<Kept>, BackupError> {
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let some = depot.list("", after.as_deref())?;
        let last = some.len() < limits::DEPOT_LISTED_MAX;
        after = some.last().map(|kept| kept.name.clone());
        all.extend(some.into_iter().filter(|kept| is_ours(&kept.name)));
        if last || all.len() >= limits::DEPOT_LISTED_MAX {
            return Ok(all);
        }
    }
}
