//! Writing a backup while the daemon goes on working, in this process or in another one.
//!
//! Each database is read from the state it had at one moment: a read transaction is begun on all of them
//! before the first is copied. In write-ahead mode that holds up no writer; the log grows meanwhile and is
//! worked off afterwards.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use rustix::fs::{FlockOperation, flock};
use serde::Serialize;
use zeroize::Zeroizing;

use super::archive::{FORMAT, Head, Kind, Manifest, Schemas, Writer, is_name};
use super::restore::UNPACKING;
use super::{BackupError, PURPOSE, name_at};
use crate::base::{TenantId, limits};
use crate::store::StoreError;
use crate::store::crypt::{DataKey, MasterKey};
use crate::store::database::connect;
use crate::store::depot::{Depot, like_its_folder};
use crate::store::disk::room_of;
use crate::store::sealed::Sealer;
use crate::store::{migrations, vault};

/// What is backed up.
#[derive(Clone, Debug)]
pub struct Source {
    pub state: PathBuf,
    /// The folder of `vaani.toml`, if it is to be in the backup.
    pub config: Option<PathBuf>,
    pub master: MasterKey,
}

/// A backup that was made.
#[derive(Clone, Debug, Serialize)]
pub struct Made {
    pub name: String,
    /// Where it lies, without its name.
    pub to: String,
    /// Of the sealed file.
    pub bytes: u64,
    pub made_ms: u64,
    pub databases: usize,
    pub objects: u64,
    pub remarks: Vec<String>,
}

/// Held while a backup is made; a second one is refused.
const LOCK: &str = "backup.lock";
/// Where copies of databases lie while they are read.
pub(super) const WORK: &str = "backup-work";
/// Parts of the state directory that are in no backup: the master key above all.
/// Recordings on their way are of live calls; those that have arrived are objects.
const LEFT_OUT: [&str; 7] = ["master.key", "lock", LOCK, WORK, "backups", "restored-config", "recordings"];

/// Makes a backup under `name` (`None`: one made of the time). `stop` is asked about every MiB.
pub fn make(
    source: &Source,
    to: &Depot,
    name: Option<&str>,
    made_ms: u64,
    stop: &dyn Fn() -> bool,
) -> Result<Made, BackupError> {
    let state = &source.state;
    if !state.join("system.db").is_file() {
        return Err(BackupError::NothingThere(state.clone()));
    }
    let work = Work::begin(state)?;
    to.sweep();
    let name = name.map_or_else(|| name_at(made_ms), str::to_owned);
    let mut remarks = Vec::new();
    let databases = pin(source, &mut remarks)?;
    enough_room(&databases, state)?;

    let head = Head {
        format: FORMAT,
        vaani: env!("CARGO_PKG_VERSION").to_owned(),
        made_ms,
        schemas: Schemas { system: migrations::SYSTEM.len(), tenant: migrations::TENANT.len() },
    };
    let key = Zeroizing::new(source.master.derive(PURPOSE));
    let upload = to.upload(&name)?;
    let away = |error: io::Error| sending(to, error);
    let sealer = Sealer::new(upload, &key).map_err(away)?;
    let mut writer = Writer::new(sealer, head).map_err(away)?;
    writer.remarks = remarks;
    let between = || if stop() { Err(io::Error::from(io::ErrorKind::Interrupted)) } else { Ok(()) };
    let mut out = Out { writer, to, between: &between };

    out.folder(&state.join("keys"), "keys", Kind::Key, &|_| true)?;
    let count = databases.len();
    for database in databases {
        out.database(database, &work)?;
    }
    let local = to.local().map(Path::to_owned);
    let inside = |below: &str| {
        let first = below.split('/').next().unwrap_or_default();
        let gone = LEFT_OUT.contains(&first) || ["keys", "objects"].contains(&first) || first.contains(UNPACKING);
        let passing = [".part", ".new", "-wal", "-shm", "-journal"].iter().any(|end| below.ends_with(end));
        let copied = below == "system.db" || (first == "tenants" && below.ends_with(".db"));
        let depot = local.as_deref().is_some_and(|depot| state.join(below).starts_with(depot));
        !gone && !passing && !copied && !depot
    };
    out.folder(state, "", Kind::File, &inside)?;
    out.folder(&state.join("objects"), "objects", Kind::Object, &|below| !below.ends_with(".part"))?;
    if let Some(config) = &source.config {
        // A checkout's state may lie below its configuration.
        out.folder(config, "", Kind::Config, &|below| !config.join(below).starts_with(state))?;
    }
    let (sealer, manifest) = out.writer.finish().map_err(away)?;
    let upload = sealer.finish().map_err(away)?;
    let bytes = upload.finish()?;
    drop(work);
    Ok(told(name, to, bytes, manifest, count))
}

fn told(name: String, to: &Depot, bytes: u64, manifest: Manifest, databases: usize) -> Made {
    let (made_ms, objects) = (manifest.head.made_ms, manifest.objects.count);
    Made { name, to: to.shown(), bytes, made_ms, databases, objects, remarks: manifest.remarks }
}

fn sending(to: &Depot, error: io::Error) -> BackupError {
    match error.kind() {
        io::ErrorKind::Interrupted => BackupError::Stopped,
        _ => BackupError::disk(Path::new(&to.shown()), error),
    }
}

/// The lock and the folder for copies; both are free again when it is dropped, and what a killed process
/// left in the folder is removed by the next.
struct Work {
    dir: PathBuf,
    _lock: File,
}

impl Work {
    fn begin(state: &Path) -> Result<Self, BackupError> {
        let path = state.join(LOCK);
        let lock = fs::OpenOptions::new().create(true).write(true).truncate(false).mode(0o600).open(&path);
        let lock = lock.map_err(|error| BackupError::disk(&path, error))?;
        like_its_folder(&lock, state);
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|_| BackupError::Busy(state.to_owned()))?;
        let dir = state.join(WORK);
        let fresh = || -> io::Result<()> {
            match fs::remove_dir_all(&dir) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            fs::DirBuilder::new().mode(0o700).create(&dir)
        };
        fresh().map_err(|error| BackupError::disk(&dir, error))?;
        Ok(Self { dir, _lock: lock })
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            tracing::warn!(%error, "the copies of a backup could not be removed; the next backup does it");
        }
    }
}

/// A database whose state is held fast, or one that can only be copied as it lies there.
struct Pinned {
    /// As the member is called.
    name: String,
    path: PathBuf,
    open: Result<(Connection, DataKey), String>,
}

/// Begins a read transaction on every database.
fn pin(source: &Source, remarks: &mut Vec<String>) -> Result<Vec<Pinned>, BackupError> {
    let mut pinned = vec![one("system.db", "system", source)?.ok_or_else(|| {
        BackupError::Key("the key of the system's database is missing in keys/; put it back from a backup".to_owned())
    })?];
    let tenants = source.state.join("tenants");
    let mut ids: Vec<TenantId> = match fs::read_dir(&tenants) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(BackupError::disk(&tenants, error)),
        Ok(entries) => {
            entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".db")?.parse().ok()).collect()
        }
    };
    ids.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    for id in ids {
        // Without its key nobody can ever read it: it was shredded.
        if let Some(found) = one(&format!("tenants/{id}.db"), &vault::key_name(&id), source)? {
            pinned.push(found);
        }
    }
    for Pinned { name, open, .. } in &pinned {
        if let Err(why) = open {
            remarks.push(format!("{name} was copied as it lies there: {why}"));
        }
    }
    Ok(pinned)
}

fn one(name: &str, key_name: &str, source: &Source) -> Result<Option<Pinned>, BackupError> {
    let path = source.state.join(name);
    let key = match source.master.existing_key(&source.state, key_name) {
        Ok(None) => return Ok(None),
        Ok(Some(key)) => key,
        // A wrong master key is told before anything is written; one bad key file is not the whole box.
        Err(error) if name == "system.db" => return Err(BackupError::Key(error.to_string())),
        Err(error) => return Ok(Some(Pinned { name: name.to_owned(), path, open: Err(error.to_string()) })),
    };
    let open = || -> Result<Connection, StoreError> {
        let connection = connect(&path, &key, false)?;
        connection.execute_batch("BEGIN")?;
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
        Ok(connection)
    };
    let open = match open() {
        Ok(connection) => Ok((connection, key)),
        Err(_) if !path.exists() => return Ok(None),
        Err(error) => Err(error.to_string()),
    };
    Ok(Some(Pinned { name: name.to_owned(), path, open }))
}

/// The largest copy must fit; told before a call's writes are in danger.
fn enough_room(databases: &[Pinned], state: &Path) -> Result<(), BackupError> {
    let bytes = |one: &Pinned| match &one.open {
        Ok((connection, _)) => {
            let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, u64>(0)).unwrap_or(0);
            number("PRAGMA page_count").saturating_mul(number("PRAGMA page_size"))
        }
        Err(_) => 0,
    };
    let largest = databases.iter().map(bytes).max().unwrap_or(0);
    let needed = largest + limits::BACKUP_ROOM_SPARE.min(largest);
    let (free, _) = room_of(state).map_err(|error| BackupError::disk(state, error))?;
    if free < needed {
        let place = state.display().to_string();
        return Err(BackupError::Room { place, needed: needed.div_ceil(1 << 20), free: free >> 20 });
    }
    Ok(())
}

/// The archive as it is filled.
struct Out<'a, W: io::Write> {
    writer: Writer<W>,
    to: &'a Depot,
    between: &'a dyn Fn() -> io::Result<()>,
}

impl<W: io::Write> Out<'_, W> {
    fn database(&mut self, database: Pinned, work: &Work) -> Result<(), BackupError> {
        let Pinned { name, path, open } = database;
        let (read, broken) = match open {
            Err(why) => (path, Some(why)),
            Ok((connection, key)) => {
                let copy = work.dir.join("copy.db");
                copied(&connection, &key, &copy, self.between).map_err(|error| match error {
                    StoreError::Full => BackupError::Full(work.dir.display().to_string()),
                    StoreError::Closed => BackupError::Stopped,
                    error => BackupError::Database { name: name.clone(), error },
                })?;
                (copy, None)
            }
        };
        let at = |error| BackupError::disk(&read, error);
        let mut file = File::open(&read).map_err(at)?;
        let bytes = file.metadata().map_err(at)?.len();
        self.add(&name, Kind::Database, bytes, &mut file, broken.clone())?;
        if broken.is_none() {
            fs::remove_file(&read).map_err(at)?;
        }
        Ok(())
    }

    /// Regular files below `folder` that `wanted` says yes to, in order, as members below `prefix`.
    fn folder(
        &mut self,
        folder: &Path,
        prefix: &str,
        kind: Kind,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<(), BackupError> {
        let mut todo = vec![PathBuf::new()];
        while let Some(below) = todo.pop() {
            let here = folder.join(&below);
            let mut names: Vec<_> = match fs::read_dir(&here) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(BackupError::disk(&here, error)),
                Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect(),
            };
            names.sort();
            for name in names {
                let below = below.join(name);
                let text = below.to_str().filter(|text| is_name(text) && text.len() + prefix.len() < 1_000);
                let Some(text) = text else {
                    self.writer.remarks.push("a file whose name is no text was left out".to_owned());
                    continue;
                };
                if !wanted(text) {
                    continue;
                }
                let path = folder.join(&below);
                match fs::symlink_metadata(&path) {
                    Ok(about) if about.is_dir() => todo.push(below.clone()),
                    Ok(about) if about.is_file() => {
                        let member = if prefix.is_empty() { text.to_owned() } else { format!("{prefix}/{text}") };
                        self.file(&path, &member, kind)?;
                    }
                    // Links and sockets are not ours; what has gone meanwhile is gone.
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, member: &str, kind: Kind) -> Result<(), BackupError> {
        let at = |error| BackupError::disk(path, error);
        let mut file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file.map_err(at)?,
        };
        let bytes = file.metadata().map_err(at)?.len();
        if bytes > 1 << 20 {
            // Files of this length only grow; what comes after the length of now is of later.
            return self.add(member, kind, bytes, &mut file, None);
        }
        // A small one may be replaced or cut while it is read: taken as it was.
        let mut whole = Vec::new();
        file.take(1 << 21).read_to_end(&mut whole).map_err(at)?;
        self.add(member, kind, whole.len() as u64, &mut whole.as_slice(), None)
    }

    fn add(
        &mut self,
        name: &str,
        kind: Kind,
        bytes: u64,
        source: &mut dyn Read,
        broken: Option<String>,
    ) -> Result<(), BackupError> {
        // An error of the source must not be told as one of the depot.
        let fault = RefCell::new(None);
        let mut source = Faulty { source, fault: &fault };
        let added = self.writer.add(name, kind, bytes, &mut source, broken, self.between);
        match (added, fault.into_inner()) {
            (Ok(()), _) => Ok(()),
            (Err(_), Some(error)) => Err(BackupError::disk(Path::new(name), error)),
            (Err(error), None) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(BackupError::disk(Path::new(name), error))
            }
            (Err(error), None) => Err(sending(self.to, error)),
        }
    }
}

struct Faulty<'a> {
    source: &'a mut dyn Read,
    fault: &'a RefCell<Option<io::Error>>,
}

impl Read for Faulty<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.source.read(into).map_err(|error| {
            let told = io::Error::from(error.kind());
            *self.fault.borrow_mut() = Some(error);
            told
        })
    }
}

/// The pages of a database, as its connection's transaction sees them, in a file under the same key.
fn copied(
    from: &Connection,
    key: &DataKey,
    path: &Path,
    between: &dyn Fn() -> io::Result<()>,
) -> Result<(), StoreError> {
    drop(fs::remove_file(path));
    fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(path)?;
    let mut copy = Connection::open(path)?;
    copy.pragma_update(None, "key", &*key.as_pragma())?;
    // The copy lives until it was read; nobody needs it after a power cut.
    copy.pragma_update(None, "synchronous", false)?;
    copy.query_row("PRAGMA journal_mode = OFF", [], |_| Ok(()))?;
    let backup = Backup::new(from, &mut copy)?;
    let mut waited = 0;
    loop {
        between().map_err(|_| StoreError::Closed)?;
        match backup.step(limits::BACKUP_STEP_PAGES)? {
            StepResult::Done => break,
            StepResult::More => {}
            // Only another process that recovers the log is ever in the way.
            _ if waited < 200 => {
                waited += 1;
                std::thread::sleep(Duration::from_millis(25));
            }
            _ => return Err(StoreError::Lost("the database is held by another process".to_owned())),
        }
    }
    drop(backup);
    copy.close().map_err(|(_, error)| error)?;
    Ok(())
}
