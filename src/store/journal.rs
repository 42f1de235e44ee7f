//! The journal of all calls: append-only files of JSON lines, one a day, in `<state>/journal/`.
//!
//! Promise: a record acknowledged by [`Journal::append_durable`] is on the disk; a torn last line
//! (power cut, kill -9) is cut off at the next start and never hides the lines before it. A full
//! disk fails the durable append and drops the others, counted; calls go on.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::base::CallId;
use crate::base::event::{Event, Record};
use crate::base::limits;

enum Job {
    Append { record: Box<Record>, done: Option<oneshot::Sender<Result<(), Arc<io::Error>>>> },
    Stop,
}

/// The writing side. Cheap to clone; one thread writes.
#[derive(Clone, Debug)]
pub struct Journal {
    jobs: mpsc::SyncSender<Job>,
    dropped: Arc<AtomicU64>,
    dir: PathBuf,
}

/// Keeps the writer thread; joined on [`Writer::close`].
#[derive(Debug)]
pub struct Writer {
    jobs: mpsc::SyncSender<Job>,
    thread: JoinHandle<()>,
}

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("open the journal in {dir}: {error}; check that the directory exists and belongs to the daemon's user")]
    Open { dir: PathBuf, error: io::Error },
    #[error("write the journal: {0}")]
    Write(Arc<io::Error>),
    #[error("write the journal: its writer has stopped")]
    Stopped,
}

impl Journal {
    /// Opens the journal below `state`, mending a torn last line.
    pub fn open(state: &Path) -> Result<(Self, Writer), JournalError> {
        let dir = state.join("journal");
        let open = || -> io::Result<()> {
            fs::create_dir_all(&dir)?;
            restrict(&dir)?;
            mend(&dir)
        };
        open().map_err(|error| JournalError::Open { dir: dir.clone(), error })?;
        let (jobs, inbox) = mpsc::sync_channel(limits::JOURNAL_QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let writing = dir.clone();
        let lost = Arc::clone(&dropped);
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .spawn(move || write_all(&writing, &inbox, &lost))
            .map_err(|error| JournalError::Open { dir: dir.clone(), error })?;
        Ok((Self { jobs: jobs.clone(), dropped, dir }, Writer { jobs, thread }))
    }

    /// Writes soon. When the queue is full the record is dropped and counted: a call never waits.
    pub fn append(&self, record: Record) {
        if self.jobs.try_send(Job::Append { record: Box::new(record), done: None }).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns once the record (and all before it) is on the disk.
    pub async fn append_durable(&self, record: Record) -> Result<(), JournalError> {
        let (done, written) = oneshot::channel();
        let mut job = Job::Append { record: Box::new(record), done: Some(done) };
        loop {
            match self.jobs.try_send(job) {
                Ok(()) => break,
                Err(mpsc::TrySendError::Disconnected(_)) => return Err(JournalError::Stopped),
                Err(mpsc::TrySendError::Full(back)) => {
                    job = back;
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
            }
        }
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(JournalError::Write(error)),
            Err(_) => Err(JournalError::Stopped),
        }
    }

    /// Records lost to a full queue or disk since the start.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Every record of one call, oldest first. Reads the files: for people, not for calls.
    pub fn find(&self, call: CallId) -> io::Result<Vec<Record>> {
        let needle = call.to_string();
        let mut found = Vec::new();
        for file in files(&self.dir)? {
            for line in BufReader::new(File::open(file)?).lines() {
                let line = line?;
                if line.contains(&needle)
                    && let Ok(record) = serde_json::from_str::<Record>(&line)
                    && record.call == call
                {
                    found.push(record);
                }
            }
        }
        Ok(found)
    }

    /// Calls of the last two files that began but have no end: the process died under them. With
    /// the wall time and call time of their last record.
    pub fn unfinished(&self) -> io::Result<BTreeMap<CallId, (u64, u64)>> {
        let mut open: HashMap<CallId, (u64, u64)> = HashMap::new();
        let mut ended = HashSet::new();
        let all = files(&self.dir)?;
        for file in all.iter().skip(all.len().saturating_sub(2)) {
            for line in BufReader::new(File::open(file)?).lines() {
                let Ok(record) = serde_json::from_str::<Record>(&line?) else { continue };
                if matches!(record.event, Event::CallEnded { .. }) {
                    open.remove(&record.call);
                    ended.insert(record.call);
                } else if !ended.contains(&record.call) {
                    open.insert(record.call, (record.unix_ms, record.call_ms));
                }
            }
        }
        Ok(open.into_iter().collect())
    }
}

impl Writer {
    /// Writes what is queued and ends the thread.
    pub fn close(self) {
        if self.jobs.send(Job::Stop).is_ok() {
            drop(self.thread.join());
        }
    }
}

fn write_all(dir: &Path, inbox: &mpsc::Receiver<Job>, dropped: &AtomicU64) {
    let mut file: Option<(u64, File)> = None;
    let mut waiting = Vec::new();
    let mut lines = Vec::new();
    while let Ok(first) = inbox.recv() {
        // Whatever is queued is written and synced together: one fsync for many calls.
        let mut batch = vec![first];
        while batch.len() < 512
            && let Ok(job) = inbox.try_recv()
        {
            batch.push(job);
        }
        let mut stop = false;
        let mut day = file.as_ref().map_or(0, |(day, _)| *day);
        let count = batch.len() as u64;
        for job in batch {
            match job {
                Job::Stop => stop = true,
                Job::Append { record, done } => {
                    day = day.max(record.unix_ms / 86_400_000);
                    if serde_json::to_writer(&mut lines, &record).is_ok() {
                        lines.push(b'\n');
                    }
                    waiting.extend(done);
                }
            }
        }
        let result = put(dir, &mut file, day, &lines, !waiting.is_empty() || stop);
        lines.clear();
        if let Err(error) = &result {
            dropped.fetch_add(count, Ordering::Relaxed);
            tracing::error!(%error, "the journal cannot be written; calls go on without a record");
            file = None;
            drop(mend(dir));
        }
        let result = result.map_err(Arc::new);
        for done in waiting.drain(..) {
            drop(done.send(result.clone()));
        }
        if stop {
            return;
        }
    }
}

fn put(dir: &Path, file: &mut Option<(u64, File)>, day: u64, lines: &[u8], sync: bool) -> io::Result<()> {
    let open = match file {
        Some((of, open)) if *of == day => open,
        _ => {
            let path = dir.join(format!("calls-{}.jsonl", day_name(day)));
            let opened = OpenOptions::new().create(true).append(true).open(&path)?;
            restrict(&path)?;
            File::open(dir)?.sync_all()?;
            &mut file.insert((day, opened)).1
        }
    };
    open.write_all(lines)?;
    if sync { open.sync_data() } else { Ok(()) }
}

/// Readable by the daemon's user alone: the journal tells who called when.
fn restrict(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = if path.is_dir() { 0o700 } else { 0o600 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

fn day_name(days_since_1970: u64) -> String {
    let seconds = i64::try_from(days_since_1970 * 86_400).unwrap_or_default();
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH).strftime("%Y-%m-%d").to_string()
}

fn files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all: Vec<PathBuf> = fs::read_dir(dir)?
        .filter_map(Result::ok)
        // Regular files only: whatever else lies there is not ours to read or mend.
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| entry.path())
        .filter(|p| p.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    all.sort();
    Ok(all)
}

/// Cuts a torn last line off the newest file. Looks from its end: a day's journal may be large.
fn mend(dir: &Path) -> io::Result<()> {
    const STEP: u64 = 64 * 1024;
    let Some(newest) = files(dir)?.pop() else { return Ok(()) };
    let metadata = fs::metadata(&newest)?;
    if !metadata.is_file() {
        // A device has no last line, and may never end.
        return Ok(());
    }
    let len = metadata.len();
    let file = OpenOptions::new().read(true).write(true).open(&newest)?;
    let (mut whole, mut to) = (0, len);
    let mut step = vec![0; STEP as usize];
    while to > 0 {
        let from = to.saturating_sub(STEP);
        let part = &mut step[..(to - from) as usize];
        file.read_exact_at(part, from)?;
        if let Some(at) = part.iter().rposition(|b| *b == b'\n') {
            whole = from + at as u64 + 1;
            break;
        }
        to = from;
    }
    if whole < len {
        tracing::warn!(file = %newest.display(), bytes = len - whole, "cut a torn line off the journal");
        file.set_len(whole)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::event::{CallState, EndCause};

    fn ended(call: CallId, unix_ms: u64) -> Record {
        let event =
            Event::CallEnded { outcome: CallState::Completed, cause: EndCause::Goodbye, duration_ms: 1, turns: 1 };
        Record { call, unix_ms, call_ms: 1, event }
    }

    fn began(call: CallId, unix_ms: u64) -> Record {
        Record { call, unix_ms, call_ms: 0, event: Event::SpeechStarted { turn: 1 } }
    }

    #[tokio::test]
    async fn what_was_acknowledged_is_found_again_after_a_torn_line() {
        let state = tempfile::tempdir().unwrap();
        let (whole, torn) = (CallId::from_seed(1, 1), CallId::from_seed(1, 2));
        let (journal, writer) = Journal::open(state.path()).unwrap();
        journal.append(began(whole, 86_400_000));
        journal.append_durable(ended(whole, 86_400_001)).await.unwrap();
        journal.append_durable(began(torn, 86_400_002)).await.unwrap();
        writer.close();
        let file = state.path().join("journal/calls-1970-01-02.jsonl");
        OpenOptions::new().append(true).open(&file).unwrap().write_all(b"{\"call\":\"0").unwrap();

        let (journal, writer) = Journal::open(state.path()).unwrap();
        assert_eq!(journal.find(whole).unwrap().len(), 2);
        assert_eq!(journal.unfinished().unwrap().into_keys().collect::<Vec<_>>(), [torn]);
        journal.append_durable(ended(torn, 86_400_003)).await.unwrap();
        assert!(journal.unfinished().unwrap().is_empty());
        journal.append(began(torn, 86_400_004));
        journal.append_durable(ended(whole, 86_400_005)).await.unwrap();
        assert!(journal.unfinished().unwrap().is_empty(), "a late fact does not bring a call back");
        writer.close();
    }

    #[test]
    fn a_torn_line_is_cut_however_long_it_is() {
        for (whole, torn) in [(0, 0), (0, 70_000), (1, 0), (3, 1), (65_536, 65_536), (70_000, 200_000), (200_000, 0)] {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("calls-1970-01-02.jsonl");
            let mut bytes = vec![b'a'; whole];
            if let Some(last) = bytes.last_mut() {
                *last = b'\n';
            }
            let kept = bytes.clone();
            bytes.extend(vec![b'b'; torn]);
            fs::write(&file, bytes).unwrap();
            mend(dir.path()).unwrap();
            assert!(fs::read(&file).unwrap() == kept, "{whole} and {torn} torn");
        }
    }

    #[tokio::test]
    async fn a_full_disk_fails_the_durable_append_and_nothing_else() {
        let state = tempfile::tempdir().unwrap();
        let (journal, writer) = Journal::open(state.path()).unwrap();
        // /dev/full answers every write with "no space left on device".
        std::os::unix::fs::symlink("/dev/full", state.path().join("journal/calls-1970-01-02.jsonl")).unwrap();
        let call = CallId::from_seed(2, 1);
        journal.append(began(call, 86_400_000));
        let error = journal.append_durable(ended(call, 86_400_001)).await.unwrap_err();
        assert!(matches!(error, JournalError::Write(_)), "{error}");
        assert!(journal.dropped() >= 1);
        // The next day's file is on a disk with room again.
        journal.append_durable(ended(call, 2 * 86_400_000)).await.unwrap();
        writer.close();
    }
}
