//! One encrypted SQLite file: one thread writes, a few connections read.
//!
//! Promise: a write that returned is on the disk. Writes that wait share one commit, each in a
//! savepoint of its own, so that one that fails takes no other with it. A full disk fails writes and
//! nothing else; when there is room again they work again. Absent on purpose: tables.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::StoreError;
use super::complaint::Complaint;
use super::crypt::DataKey;
use super::disk::DiskState;
use super::migrations::{self, Schema};
use crate::base::{Clock, limits, meter};

/// Tells whoever asked for the write how it went; called after the commit.
type Ack = Box<dyn FnOnce(Option<StoreError>) + Send>;

enum Job {
    Write(Box<dyn Write>),
    Stop,
}

/// Something to be written, and somebody who waits for it.
trait Write: Send {
    fn run(self: Box<Self>, connection: &Connection) -> Written;
    /// There is no transaction to write in.
    fn refuse(self: Box<Self>, error: StoreError);
}

struct Written {
    kept: bool,
    /// It failed for want of room.
    full: bool,
    ack: Ack,
}

struct Asked<F, G> {
    job: F,
    told: G,
}

impl<T, F, G> Write for Asked<F, G>
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
    G: FnOnce(Result<T, StoreError>) + Send + 'static,
{
    fn run(self: Box<Self>, connection: &Connection) -> Written {
        let Self { job, told } = *self;
        let result = catch_unwind(AssertUnwindSafe(|| job(connection)))
            .unwrap_or_else(|_| Err(StoreError::Lost("the write broke; see the log".to_owned())));
        let (kept, full) = (result.is_ok(), result.as_ref().is_err_and(StoreError::is_full));
        Written { kept, full, ack: Box::new(move |lost| told(lost.map_or(result, Err))) }
    }

    fn refuse(self: Box<Self>, error: StoreError) {
        (self.told)(Err(error));
    }
}

/// What the writer did since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct WriteStats {
    pub commits: u64,
    pub writes: u64,
    pub failed: u64,
    /// Transactions that were lost because the disk was full.
    pub full: u64,
    pub waiting: u64,
}

struct Inner {
    path: PathBuf,
    key: DataKey,
    jobs: mpsc::Sender<Job>,
    writer: Mutex<Option<JoinHandle<()>>>,
    readers: Mutex<Vec<Connection>>,
    reading: Semaphore,
    closed: AtomicBool,
    counts: Arc<Counts>,
    /// For measuring only.
    clock: Clock,
    /// Removed with the database: tests.
    _dir: Option<Box<dyn Send + Sync>>,
}

#[derive(Default)]
struct Counts {
    commits: AtomicU64,
    writes: AtomicU64,
    failed: AtomicU64,
    full: AtomicU64,
}

/// Cheap to clone; all clones are the same database.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

impl Inner {
    fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let Some(thread) = lock(&self.writer).take() else { return };
        // The writer itself may have held the last clone: it ends with its queue.
        if thread.thread().id() == std::thread::current().id() {
            return;
        }
        let mut stop = Job::Stop;
        while let Err(mpsc::error::TrySendError::Full(back)) = self.jobs.try_send(stop) {
            stop = back;
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        drop(thread.join());
        lock(&self.readers).clear();
    }
}

impl Drop for Inner {
    /// A process that ends while a thread is in SQLCipher takes its cipher away under it and crashes.
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({})", self.0.path.display())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Database {
    /// Opens the file, made if it is not there, and brings its tables to this version's.
    /// `disk` is told of writes that fail for want of room.
    pub(super) fn open(path: &Path, key: DataKey, schema: Schema, disk: &DiskState) -> Result<Self, StoreError> {
        Self::open_in(path, key, schema, disk, None)
    }

    fn open_in(
        path: &Path,
        key: DataKey,
        schema: Schema,
        disk: &DiskState,
        dir: Option<Box<dyn Send + Sync>>,
    ) -> Result<Self, StoreError> {
        let mut writer = connect(path, &key, true)?;
        migrations::apply(&mut writer, schema)?;
        let (jobs, inbox) = mpsc::channel(limits::STORE_QUEUE);
        let counts = Arc::new(Counts::default());
        let (counting, disk) = (Arc::clone(&counts), disk.clone());
        let complaint = Complaint::about(path);
        let writing = move || write_all(&writer, inbox, &counting, &disk, complaint);
        let thread = std::thread::Builder::new().name("store".into()).spawn(writing)?;
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            key,
            jobs,
            writer: Mutex::new(Some(thread)),
            readers: Mutex::default(),
            reading: Semaphore::new(limits::STORE_READERS),
            closed: AtomicBool::new(false),
            counts,
            clock: Clock::system(),
            _dir: dir,
        })))
    }

    /// Durable when it returns `Ok`. What `job` did is undone if it fails or panics.
    pub async fn write<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.write_then(job, |_| ()).await
    }

    /// Like [`Database::write`]; `then` hears how it went before anybody else, on the writer's thread,
    /// also when nobody waits any more.
    pub async fn write_then<T, F>(
        &self,
        job: F,
        then: impl FnOnce(&Result<T, StoreError>) + Send + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (told, done) = oneshot::channel();
        let telling = move |result| {
            then(&result);
            drop(told.send(result));
        };
        let job = Job::Write(Box::new(Asked { job, told: telling }));
        self.0.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        done.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Like [`Database::write`], from a thread that may wait.
    pub fn write_blocking<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (told, done) = std::sync::mpsc::sync_channel(1);
        let mut job = Job::Write(Box::new(Asked { job, told: move |result| drop(told.send(result)) }));
        loop {
            match self.0.jobs.try_send(job) {
                Ok(()) => break,
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(StoreError::Closed),
                Err(mpsc::error::TrySendError::Full(back)) => {
                    job = back;
                    std::thread::sleep(std::time::Duration::from_millis(2));
                }
            }
        }
        done.recv().unwrap_or(Err(StoreError::Closed))
    }

    /// Writes soon and waits for nothing; `told` hears how it went, on the writer's thread. False: too
    /// many writes are waiting, or the database is closed, and nothing will be written.
    pub fn post<T, F>(&self, job: F, told: impl FnOnce(Result<T, StoreError>) + Send + 'static) -> bool
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.0.jobs.try_send(Job::Write(Box::new(Asked { job, told }))).is_ok()
    }

    /// Reads from one consistent state. What `job` writes is refused.
    pub async fn read<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let _turn = self.0.reading.acquire().await.map_err(|_| StoreError::Closed)?;
        let database = self.clone();
        tokio::task::spawn_blocking(move || database.read_blocking(job))
            .await
            .unwrap_or_else(|_| Err(StoreError::Lost("the read broke; see the log".to_owned())))
    }

    /// Like [`Database::read`], from a thread that may wait.
    pub fn read_blocking<T>(&self, job: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if self.0.closed.load(Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        let kept = lock(&self.0.readers).pop();
        let mut connection = match kept {
            Some(connection) => connection,
            None => connect(&self.0.path, &self.0.key, false)?,
        };
        let began = self.0.clock.now();
        let transaction = connection.transaction()?;
        let result = job(&transaction);
        drop(transaction);
        meter::store().read(self.0.clock.now().since(began));
        let mut readers = lock(&self.0.readers);
        if readers.len() < limits::STORE_READERS && !self.0.closed.load(Ordering::Acquire) {
            readers.push(connection);
        }
        result
    }

    /// A connection of its own with the same key, for whoever copies or checks the whole file.
    pub(super) fn connection(&self) -> Result<Connection, StoreError> {
        connect(&self.0.path, &self.0.key, false)
    }

    pub(super) fn key(&self) -> &DataKey {
        &self.0.key
    }

    pub fn path(&self) -> &Path {
        &self.0.path
    }

    pub fn stats(&self) -> WriteStats {
        let counts = &self.0.counts;
        let waiting = limits::STORE_QUEUE.saturating_sub(self.0.jobs.capacity());
        WriteStats {
            commits: counts.commits.load(Ordering::Relaxed),
            writes: counts.writes.load(Ordering::Relaxed),
            failed: counts.failed.load(Ordering::Relaxed),
            full: counts.full.load(Ordering::Relaxed),
            waiting: waiting as u64,
        }
    }

    /// Writes what is queued and closes the file for all clones. Waits for the disk.
    pub fn close(&self) {
        self.0.close();
    }

    /// An empty system database that goes with its last clone.
    #[cfg(test)]
    pub fn scratch_system() -> Self {
        Self::scratch(migrations::SYSTEM)
    }

    /// An empty database of a tenant that goes with its last clone.
    #[cfg(test)]
    pub fn scratch_tenant() -> Self {
        Self::scratch(migrations::TENANT)
    }

    #[cfg(test)]
    pub fn scratch(schema: Schema) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scratch.db");
        let key = DataKey::random().unwrap();
        Self::open_in(&path, key, schema, &DiskState::default(), Some(Box::new(dir))).unwrap()
    }
}

pub(super) fn connect(path: &Path, key: &DataKey, writes: bool) -> Result<Connection, StoreError> {
    // A file that is made is made for the daemon's user alone.
    if writes && !path.exists() {
        use std::os::unix::fs::OpenOptionsExt;
        std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    }
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(limits::STORE_BUSY_MAX)?;
    connection.pragma_update(None, "key", &*key.as_pragma())?;
    connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(())).map_err(|error| {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => StoreError::Crypt(format!(
                "{} cannot be opened with its key: it is damaged, or the key file belongs to another one; restore both from a backup",
                path.display()
            )),
            _ => error.into(),
        }
    })?;
    let cache = if writes { limits::STORE_WRITER_CACHE_KIB } else { limits::STORE_READER_CACHE_KIB };
    if writes {
        // Before the first table is made, else it has no effect.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    } else {
        connection.pragma_update(None, "query_only", true)?;
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -cache)?;
    connection.query_row(&format!("PRAGMA journal_size_limit = {}", limits::STORE_WAL_KEPT), [], |_| Ok(()))?;
    connection.set_prepared_statement_cache_capacity(256);
    Ok(connection)
}

fn write_all(
    connection: &Connection,
    mut inbox: mpsc::Receiver<Job>,
    counts: &Counts,
    disk: &DiskState,
    mut complaint: Complaint,
) {
    let clock = Clock::system();
    while let Some(first) = inbox.blocking_recv() {
        let began = clock.now();
        let mut next = Some(first);
        let mut acks = Vec::new();
        let mut stop = false;
        let mut lost = begin(connection).err();
        while let Some(job) = next.take() {
            match job {
                Job::Stop => stop = true,
                Job::Write(write) => match &lost {
                    None => match one(connection, write, disk) {
                        Ok(ack) => acks.push(ack),
                        Err((ack, error)) => {
                            acks.push(ack);
                            lost = Some(error);
                        }
                    },
                    Some(error) => write.refuse(error.shared()),
                },
            }
            if !stop && lost.is_none() && acks.len() < limits::STORE_BATCH_MAX {
                next = inbox.try_recv().ok();
            }
        }
        if lost.is_none() {
            lost = connection.execute_batch("COMMIT").map_err(StoreError::from).err();
            counts.commits.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(error) = &lost {
            if !connection.is_autocommit() {
                drop(connection.execute_batch("ROLLBACK"));
            }
            counts.failed.fetch_add(acks.len() as u64, Ordering::Relaxed);
            meter::store().failed(if error.is_full() { "full" } else { "other" });
            if error.is_full() {
                counts.full.fetch_add(1, Ordering::Relaxed);
                disk.write_failed();
            }
            complaint.lost(clock.now(), acks.len(), error);
        } else {
            counts.writes.fetch_add(acks.len() as u64, Ordering::Relaxed);
            meter::store().committed(acks.len(), clock.now().since(began));
            complaint.kept(clock.now());
        }
        for ack in acks {
            ack(lost.as_ref().map(StoreError::shared));
        }
        if stop {
            break;
        }
    }
    drop(connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)"));
}

fn begin(connection: &Connection) -> Result<(), StoreError> {
    Ok(connection.execute_batch("BEGIN IMMEDIATE")?)
}

/// One write within the transaction. An error: the transaction itself is gone.
fn one(connection: &Connection, write: Box<dyn Write>, disk: &DiskState) -> Result<Ack, (Ack, StoreError)> {
    let savepoint = connection.prepare_cached("SAVEPOINT one").and_then(|mut s| s.execute([]));
    let written = write.run(connection);
    if written.full {
        disk.write_failed();
    }
    if connection.is_autocommit() {
        // SQLite gives up a whole transaction when the disk is full.
        return Err((written.ack, StoreError::Full));
    }
    let end = || -> rusqlite::Result<()> {
        savepoint?;
        if !written.kept {
            connection.prepare_cached("ROLLBACK TO one")?.execute([])?;
        }
        connection.prepare_cached("RELEASE one")?.execute([]).map(drop)
    };
    match end() {
        Ok(()) => Ok(written.ack),
        Err(error) => Err((written.ack, error.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: Schema = &["CREATE TABLE numbers (n INTEGER PRIMARY KEY, word TEXT) STRICT"];

    fn put(db: &Connection, n: i64) -> Result<(), StoreError> {
        db.execute("INSERT INTO numbers VALUES (?1, 'नमस्ते')", [n])?;
        Ok(())
    }

    fn count(db: &Database) -> i64 {
        db.read_blocking(|db| Ok(db.query_row("SELECT count(*) FROM numbers", [], |r| r.get(0))?)).unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_writes_share_commits_and_one_that_fails_takes_no_other_with_it() {
        let db = Database::scratch(NUMBERS);
        let tasks: Vec<_> = (0..400)
            .map(|n| {
                let db = db.clone();
                // Every tenth is written twice over, every eleventh breaks.
                tokio::task::spawn_blocking(move || {
                    db.write_blocking(move |db| {
                        put(db, n)?;
                        assert!(n % 11 != 5, "broken on purpose");
                        if n % 10 == 3 { put(db, n) } else { Ok(()) }
                    })
                })
            })
            .collect();
        let mut kept = 0;
        for (n, task) in tasks.into_iter().enumerate() {
            match task.await.unwrap() {
                Ok(()) => kept += 1,
                Err(StoreError::Conflict(_)) => assert_eq!(n % 10, 3),
                Err(StoreError::Lost(_)) => assert_eq!(n % 11, 5),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(count(&db), kept);
        assert!(db.stats().commits < 400, "{:?}", db.stats());
    }

    #[tokio::test]
    async fn readers_may_not_write_and_see_one_state() {
        let db = Database::scratch(NUMBERS);
        db.write(|db| put(db, 1)).await.unwrap();
        assert!(db.read(|db| put(db, 2)).await.is_err());
        let seen = db
            .read({
                let other = db.clone();
                move |reading| {
                    other.write_blocking(|db| put(db, 3))?;
                    Ok(reading.query_row("SELECT count(*) FROM numbers", [], |r| r.get::<_, i64>(0))?)
                }
            })
            .await
            .unwrap();
        // The transaction of a read begins with its first statement.
        assert_eq!((seen, count(&db)), (2, 2));
        db.close();
        assert!(matches!(db.write(|db| put(db, 4)).await, Err(StoreError::Closed)));
        assert!(matches!(db.read(|_| Ok(())).await, Err(StoreError::Closed)));
    }

    #[test]
    fn a_full_disk_fails_writes_until_there_is_room() {
        let db = Database::scratch(NUMBERS);
        let limit = |pages: i64| {
            db.write_blocking(move |db| Ok(db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?))
                .unwrap();
        };
        let grow = |n: i64| {
            db.write_blocking(move |db| {
                db.execute("INSERT INTO numbers VALUES (?1, ?2)", rusqlite::params![n, "x".repeat(50_000)])?;
                Ok(())
            })
        };
        limit(40);
        let mut kept = 0;
        let refused = (0..10).filter(|n| match grow(*n) {
            Ok(()) => {
                kept += 1;
                false
            }
            Err(error) => {
                assert!(error.is_full(), "{error}");
                true
            }
        });
        assert!(refused.count() > 0);
        assert_eq!(count(&db), kept);
        limit(1_000_000);
        grow(100).unwrap();
        assert_eq!(count(&db), kept + 1);
    }

    #[test]
    fn another_key_opens_nothing_and_no_word_is_in_the_files() {
        let disk = DiskState::default();
        let dir = tempfile::tempdir().unwrap();
        let (path, key) = (dir.path().join("t.db"), DataKey::random().unwrap());
        let db = Database::open(&path, key.clone(), NUMBERS, &disk).unwrap();
        db.write_blocking(|db| put(db, 7)).unwrap();
        let files = || std::fs::read_dir(dir.path()).unwrap().map(|f| std::fs::read(f.unwrap().path()).unwrap());
        assert!(files().count() > 1, "the log is there while it is open");
        for bytes in files() {
            assert!(!bytes.windows(6).any(|w| w == "नम".as_bytes()) && !bytes.starts_with(b"SQLite"));
        }
        db.close();
        let error = Database::open(&path, DataKey::random().unwrap(), NUMBERS, &disk).unwrap_err();
        assert!(matches!(&error, StoreError::Crypt(why) if why.contains("backup")), "{error}");
        assert_eq!(count(&Database::open(&path, key, NUMBERS, &disk).unwrap()), 1);
    }
}
