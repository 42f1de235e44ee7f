//! Callers who asked to be called back, in `<state>/callbacks.jsonl`: a line for each wish, a line
//! when somebody has called.
//!
//! Promise: a wish that was confirmed to the caller is on the disk; a torn last line (power cut) is
//! cut off. The numbers are in here in full, for the daemon's user alone, and in no log.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::base::limits::CALLBACKS_MAX;
use crate::base::phone::Phone;
use crate::base::{CallId, Lang};

/// Somebody wants to be called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Callback {
    pub id: CallId,
    /// In full.
    pub phone: Phone,
    pub agent: String,
    pub language: Lang,
    pub asked_unix_ms: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Wanted(Callback),
    Done(CallId),
}

#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    #[error("open {path}: {error}; check that the directory exists and belongs to the daemon's user")]
    Open { path: PathBuf, error: io::Error },
    #[error("write the list of callbacks: {0}")]
    Write(#[from] io::Error),
    #[error("{CALLBACKS_MAX} callbacks are open; call some of them back first")]
    Full,
    #[error("there is no open callback of that id")]
    Unknown,
}

/// Cheap to clone. Methods wait for the disk: not for async tasks.
#[derive(Clone, Debug)]
pub struct Callbacks(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    file: File,
    /// Bytes that are whole lines.
    length: u64,
    open: VecDeque<Callback>,
}

impl Callbacks {
    pub fn open(state: &Path) -> Result<Self, CallbackError> {
        let path = state.join("callbacks.jsonl");
        let read = || -> io::Result<Inner> {
            let mut file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(&path)?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
            if whole < bytes.len() {
                tracing::warn!("the last line of the list of callbacks was torn and is cut off");
                file.set_len(whole as u64)?;
            }
            let mut open = VecDeque::new();
            for line in bytes[..whole].split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
                match serde_json::from_slice(line) {
                    Ok(Line::Wanted(callback)) => open.push_back(callback),
                    Ok(Line::Done(id)) => open.retain(|known: &Callback| known.id != id),
                    Err(_) => tracing::warn!("a line of the list of callbacks cannot be read and is passed over"),
                }
            }
            Ok(Inner { file, length: whole as u64, open })
        };
        let inner = read().map_err(|error| CallbackError::Open { path: path.clone(), error })?;
        Ok(Self(Arc::new(Mutex::new(inner))))
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Nothing that can panic stands between a write and its entry in the list.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a wish; one number is called back once, however often it asks.
    pub fn want(&self, callback: Callback) -> Result<(), CallbackError> {
        let mut inner = self.inner();
        if inner.open.iter().any(|known| known.phone == callback.phone && known.agent == callback.agent) {
            return Ok(());
        }
        if inner.open.len() >= CALLBACKS_MAX {
            return Err(CallbackError::Full);
        }
        inner.write(&Line::Wanted(callback.clone()))?;
        inner.open.push_back(callback);
        Ok(())
    }

    /// Somebody has called.
    pub fn done(&self, id: CallId) -> Result<(), CallbackError> {
        let mut inner = self.inner();
        let at = inner.open.iter().position(|known| known.id == id).ok_or(CallbackError::Unknown)?;
        inner.write(&Line::Done(id))?;
        inner.open.remove(at);
        if inner.open.is_empty() {
            // All have been called: their numbers need not lie here any longer.
            inner.file.set_len(0)?;
            inner.length = 0;
        }
        Ok(())
    }

    /// Oldest first.
    pub fn list(&self) -> Vec<Callback> {
        self.inner().open.iter().cloned().collect()
    }
}

impl Inner {
    fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let written = self.file.write_all(&text).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // Half a line would hide the next one.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += text.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(number: &str) -> Callback {
        Callback {
            id: CallId::new(),
            phone: number.parse().unwrap(),
            agent: "helpdesk".to_owned(),
            language: Lang::Ta,
            asked_unix_ms: 1,
        }
    }

    #[test]
    fn wishes_outlive_the_process_and_numbers_go_when_all_are_called() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("callbacks.jsonl");
        let callbacks = Callbacks::open(state.path()).unwrap();
        let (a, b) = (wish("+919876543210"), wish("+919876543211"));
        for wish in [&a, &b, &a] {
            callbacks.want(wish.clone()).unwrap();
        }
        drop(callbacks);
        // A power cut in the middle of a line.
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"wanted\":{\"id").unwrap();
        let callbacks = Callbacks::open(state.path()).unwrap();
        assert_eq!(callbacks.list(), [a.clone(), b.clone()]);
        callbacks.done(a.id).unwrap();
        assert!(matches!(callbacks.done(a.id), Err(CallbackError::Unknown)));
        let callbacks = Callbacks::open(state.path()).unwrap();
        assert_eq!(callbacks.list(), std::slice::from_ref(&b));
        callbacks.done(b.id).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        callbacks.want(b.clone()).unwrap();
        assert_eq!(Callbacks::open(state.path()).unwrap().list(), [b]);
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_list_is_bounded_and_says_what_to_do() {
        let state = tempfile::tempdir().unwrap();
        let callbacks = Callbacks::open(state.path()).unwrap();
        let full: VecDeque<_> = (0..CALLBACKS_MAX).map(|n| wish(&format!("+9198765{n:05}"))).collect();
        callbacks.inner().open = full;
        let refused = callbacks.want(wish("+911234567890")).unwrap_err();
        assert!(refused.to_string().contains("call some of them back first"), "{refused}");
        assert!(Callbacks::open(Path::new("/proc/nowhere")).unwrap_err().to_string().contains("callbacks.jsonl"));
    }
}
