//! Verifying a backup, and putting it in the place of a state directory.
//!
//! Everything is unpacked beside the place it is meant for, compared, looked at and synced; then the two
//! folders change places in one step of the kernel. Killed before that step, nothing has happened but an
//! unpacked folder that the next restore removes; after it, everything has.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, RenameFlags, flock};
use rustix::io::Errno;
use serde::Serialize;
use zeroize::Zeroizing;

use super::archive::{self, Head, Kind, Manifest, Sink};
use super::{BackupError, FoundKey, PURPOSE};
use crate::base::TenantId;
use crate::base::secret::hex;
use crate::store::StoreError;
use crate::store::crypt::{MasterKey, random};
use crate::store::database::connect;
use crate::store::disk::room_of;
use crate::store::sealed::Opener;
use crate::store::{care, migrations, vault};

/// Where a restored configuration is put, for people to compare and copy.
const CONFIG: &str = "restored-config";
/// What the name of an unpacked state ends with until it takes effect.
pub(super) const UNPACKING: &str = ".restoring-";

/// What a restore did.
#[derive(Clone, Debug, Serialize)]
pub struct Restored {
    pub into: PathBuf,
    /// Where the state lies that was there before.
    pub aside: Option<PathBuf>,
    /// The configuration that was in the backup.
    pub config: Option<PathBuf>,
    pub made_ms: u64,
    pub vaani: String,
    pub databases: usize,
    pub objects: u64,
    pub remarks: Vec<String>,
}

/// Reads a backup to its end: every piece of the seal, every member against the manifest, and every
/// database, which is unpacked into `scratch` for that, one at a time.
pub fn verify(
    source: impl Read,
    master: &MasterKey,
    scratch: &Path,
    stop: &dyn Fn() -> bool,
) -> Result<Manifest, BackupError> {
    let place = scratch.join("verify");
    sweep(&place);
    let dir = Folder::beside(&place)?;
    let mut unpack = Unpack { to: &dir.path, master, keep: false, stop, remarks: Vec::new() };
    let mut manifest = open(source, master, &mut unpack)?;
    manifest.remarks.append(&mut unpack.remarks);
    Ok(manifest)
}

/// Unpacks a backup and lets it take the place of `into`. A state that lies there is put aside if `force`
/// says so. `sealed_bytes`: how long the backup is, if that is known before.
pub fn restore(
    source: impl Read,
    sealed_bytes: Option<u64>,
    key: &FoundKey,
    into: &Path,
    force: bool,
) -> Result<Restored, BackupError> {
    let into = place(into)?;
    let at = |error| BackupError::disk(&into, error);
    let lock = free(&into, force)?;
    sweep(&into);
    let parent = into.parent().unwrap_or(Path::new("/")).to_owned();
    fs::create_dir_all(&parent).map_err(|error| BackupError::disk(&parent, error))?;
    if let Some(needed) = sealed_bytes {
        let (free, _) = room_of(&parent).map_err(|error| BackupError::disk(&parent, error))?;
        if free < needed {
            let (place, needed, free) = (parent.display().to_string(), needed.div_ceil(1 << 20), free >> 20);
            return Err(BackupError::Room { place, needed, free });
        }
    }

    let mut dir = Folder::beside(&into)?;
    let mut unpack = Unpack { to: &dir.path, master: &key.master, keep: true, stop: &|| false, remarks: Vec::new() };
    let mut manifest = open(source, &key.master, &mut unpack)?;
    manifest.remarks.append(&mut unpack.remarks);
    if let Some(file) = &key.file {
        let text = Zeroizing::new(fs::read(file).map_err(|error| BackupError::disk(file, error))?);
        write(&MasterKey::path(&dir.path), &mut text.trim_ascii()).map_err(at)?;
    }
    belong(&dir.path, &into);
    sync(&dir.path).map_err(at)?;

    let aside = exchange(&mut dir, &into, manifest.head.made_ms)?;
    drop(lock);
    let config = into.join(CONFIG);
    let databases = manifest.members.iter().filter(|member| member.kind == Kind::Database).count();
    Ok(Restored {
        config: config.is_dir().then_some(config),
        into,
        aside,
        made_ms: manifest.head.made_ms,
        vaani: manifest.head.vaani,
        databases,
        objects: manifest.objects.count,
        remarks: manifest.remarks,
    })
}

fn open(source: impl Read, master: &MasterKey, sink: &mut dyn Sink) -> Result<Manifest, BackupError> {
    let key = Zeroizing::new(master.derive(PURPOSE));
    let mut opener = Opener::new(source, &key).map_err(BackupError::reading)?;
    archive::read(&mut opener, sink)
}

/// Where `into` really is: a link to the state's directory is followed.
fn place(into: &Path) -> Result<PathBuf, BackupError> {
    match fs::canonicalize(into) {
        Ok(path) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::path::absolute(into).map_err(|error| BackupError::disk(into, error))
        }
        Err(error) => Err(BackupError::disk(into, error)),
    }
}

/// Nobody uses `into`, and there is nothing in it that would be lost. The lock keeps a daemon from starting.
fn free(into: &Path, force: bool) -> Result<Option<File>, BackupError> {
    let at = |error| BackupError::disk(into, error);
    let about = match fs::metadata(into) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        about => about.map_err(at)?,
    };
    if !about.is_dir() {
        return Err(at(io::Error::from(io::ErrorKind::NotADirectory)));
    }
    if fs::read_dir(into).map_err(at)?.next().is_some() && !force {
        return Err(BackupError::NotEmpty(into.to_owned()));
    }
    let parent = into.parent().and_then(|parent| fs::metadata(parent).ok());
    if parent.is_none_or(|parent| parent.dev() != about.dev()) {
        return Err(BackupError::Mount(into.to_owned()));
    }
    let path = into.join("lock");
    let Ok(lock) = fs::OpenOptions::new().write(true).open(&path) else { return Ok(None) };
    flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| BackupError::InUse(into.to_owned()))?;
    Ok(Some(lock))
}

/// A folder of its own that goes with this, unless it has become something.
struct Folder {
    path: PathBuf,
    keep: bool,
    /// Held on the folder itself: one without it was abandoned.
    _lock: File,
}

impl Folder {
    fn beside(into: &Path) -> Result<Self, BackupError> {
        let at = |error| BackupError::disk(into, error);
        let tail = hex(&random::<6>().map_err(at)?);
        let path = into.with_file_name(format!("{}{tail}", unpacking(into)));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(at)?;
        let lock = File::open(&path).map_err(at)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| at(error.into()))?;
        Ok(Self { path, keep: false, _lock: lock })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, "what was unpacked could not be removed");
        }
    }
}

fn unpacking(into: &Path) -> String {
    format!(".{}{UNPACKING}", into.file_name().unwrap_or_default().to_string_lossy())
}

/// Removes what a killed process left of unpacking for the same place.
fn sweep(into: &Path) {
    let start = unpacking(into);
    let Some(entries) = into.parent().and_then(|parent| fs::read_dir(parent).ok()) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(&start));
        let abandoned = |path: &Path| {
            File::open(path).is_ok_and(|dir| flock(&dir, FlockOperation::NonBlockingLockExclusive).is_ok())
        };
        if ours && abandoned(&entry.path()) {
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

struct Unpack<'a> {
    to: &'a Path,
    master: &'a MasterKey,
    /// Databases stay after they were looked at, and everything else is written at all.
    keep: bool,
    stop: &'a dyn Fn() -> bool,
    remarks: Vec<String>,
}

impl Sink for Unpack<'_> {
    fn head(&mut self, head: &Head) -> Result<(), BackupError> {
        let newer = head.schemas.system > migrations::SYSTEM.len() || head.schemas.tenant > migrations::TENANT.len();
        if newer { Err(BackupError::Newer(head.vaani.clone())) } else { Ok(()) }
    }

    fn member(&mut self, name: &str, kind: Kind, bytes: &mut dyn Read) -> Result<(), BackupError> {
        if (self.stop)() {
            return Err(BackupError::Stopped);
        }
        if !self.keep && !matches!(kind, Kind::Key | Kind::Database) {
            return Ok(());
        }
        let path = match kind {
            Kind::Config => self.to.join(CONFIG).join(name),
            _ => self.to.join(name),
        };
        // The master key comes from whoever restores, never out of a backup.
        if path == MasterKey::path(self.to) {
            return Err(BackupError::Damaged("it holds a master key".to_owned()));
        }
        let mut bytes = Stopping { source: bytes, stop: self.stop };
        write(&path, &mut bytes).map_err(|error| match error.kind() {
            _ if (self.stop)() => BackupError::Stopped,
            io::ErrorKind::AlreadyExists => BackupError::Damaged(format!("{name} is in it twice")),
            _ => BackupError::disk(&path, error),
        })?;
        if kind == Kind::Database {
            self.look_at(name, &path)?;
            if !self.keep {
                fs::remove_file(&path).map_err(|error| BackupError::disk(&path, error))?;
            }
        }
        Ok(())
    }
}

impl Unpack<'_> {
    /// Opens a database with its key, which came before it, and examines it.
    fn look_at(&mut self, name: &str, path: &Path) -> Result<(), BackupError> {
        let (key_name, known) = match name.strip_prefix("tenants/").and_then(|name| name.strip_suffix(".db")) {
            None => ("system".to_owned(), migrations::SYSTEM.len()),
            Some(id) => match id.parse::<TenantId>() {
                Ok(id) => (vault::key_name(&id), migrations::TENANT.len()),
                Err(_) => return Err(BackupError::Damaged(format!("{name} is no tenant's"))),
            },
        };
        let examine = || -> Result<Vec<String>, StoreError> {
            let key = self.master.existing_key(self.to, &key_name)?.ok_or(StoreError::NotFound("its key"))?;
            let connection = connect(path, &key, false)?;
            let steps = migrations::version(&connection)?;
            if steps > known {
                return Err(StoreError::Conflict(format!(
                    "its tables have had {steps} steps, this vaani knows {known}"
                )));
            }
            care::examine(&connection)
        };
        match examine() {
            Ok(faults) if faults.is_empty() => Ok(()),
            Ok(faults) => Err(BackupError::Damaged(format!("{name}: {}", faults.join("; ")))),
            Err(StoreError::Conflict(newer)) => Err(BackupError::Newer(format!("{name}: {newer}"))),
            // One tenant's that was broken already when it was copied does not hold up the others.
            Err(error) if key_name != "system" => {
                self.remarks.push(format!("{name} is in the backup but cannot be opened: {error}"));
                Ok(())
            }
            Err(error) => Err(BackupError::Database { name: name.to_owned(), error }),
        }
    }
}

struct Stopping<'a> {
    source: &'a mut dyn Read,
    stop: &'a dyn Fn() -> bool,
}

impl Read for Stopping<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if (self.stop)() { Err(io::Error::other("stopped")) } else { self.source.read(into) }
    }
}

/// A new file for its owner alone, and its folders.
fn write(path: &Path, bytes: &mut dyn Read) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = bytes.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        file.write_all(&buffer[..read])?;
    }
}

/// Everything below is on the disk before it takes effect.
fn sync(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { sync(&path)? } else { File::open(&path)?.sync_all()? }
    }
    File::open(folder)?.sync_all()
}

/// Root restores for the daemon: what is unpacked gets the owner of what was there.
fn belong(folder: &Path, into: &Path) {
    let Ok(about) = fs::metadata(into) else { return };
    if !rustix::process::geteuid().is_root() || (about.uid(), about.gid()) == (0, 0) {
        return;
    }
    fn give(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
        std::os::unix::fs::lchown(path, Some(uid), Some(gid))?;
        if path.is_dir() {
            for entry in fs::read_dir(path)? {
                give(&entry?.path(), uid, gid)?;
            }
        }
        Ok(())
    }
    if let Err(error) = give(folder, about.uid(), about.gid()) {
        tracing::warn!(%error, "what was restored belongs to root; give it to the daemon's user with chown -R");
    }
}

/// The step that lets the restored state take effect. Gives where the old one lies, if there was one.
fn exchange(dir: &mut Folder, into: &Path, made_ms: u64) -> Result<Option<PathBuf>, BackupError> {
    let at = |error: Errno| BackupError::disk(into, error.into());
    let parent = into.parent().unwrap_or(Path::new("/"));
    let old = fs::read_dir(into).map(|mut entries| entries.next().is_some()).ok();
    let aside = match old {
        // A folder takes the place of an empty one, too, in one step.
        None | Some(false) => {
            rustix::fs::rename(&dir.path, into).map_err(at)?;
            None
        }
        Some(true) => {
            let here = rustix::fs::CWD;
            let aside = unused(into, made_ms);
            match rustix::fs::renameat_with(here, &dir.path, here, into, RenameFlags::EXCHANGE) {
                Ok(()) => rustix::fs::rename(&dir.path, &aside).map_err(at)?,
                // Not every file system can; then it takes two steps, and a crash between them leaves both
                // under names of their own.
                Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                    rustix::fs::rename(into, &aside).map_err(at)?;
                    if let Err(error) = rustix::fs::rename(&dir.path, into) {
                        let _ = rustix::fs::rename(&aside, into);
                        return Err(at(error));
                    }
                }
                Err(error) => return Err(at(error)),
            }
            Some(aside)
        }
    };
    dir.keep = true;
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(|error| BackupError::disk(parent, error))?;
    Ok(aside)
}

/// A free name beside `into` for what was there.
fn unused(into: &Path, made_ms: u64) -> PathBuf {
    let name = into.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut number = made_ms;
    loop {
        let path = into.with_file_name(format!("{name}.before-restore-{number}"));
        if !path.exists() {
            return path;
        }
        number += 1;
    }
}
