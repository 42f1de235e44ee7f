//! Reading a recording, whole or in part, opened as it goes out.

use std::io::{self, Write};

use bytes::Bytes;
use futures_util::Stream;
use tokio::sync::mpsc;

use super::{Recorded, Recordings};
use crate::base::tasks::Scope;
use crate::base::{CallId, TenantId, limits};
use crate::delivery::objects::{Key, ObjectError};
use crate::store::media::{self, Media};
use crate::store::{Database, StoreError, spool};

/// Some bytes of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub from: u64,
    pub length: u64,
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum NotRead {
    #[error("the call was not recorded")]
    Never,
    #[error("the recording is gone: its time was over, or somebody deleted it")]
    Gone,
    #[error("the recording is still being brought to its place")]
    NotYet,
    #[error(transparent)]
    Object(#[from] ObjectError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The bytes as they come; an error in the middle breaks them off.
pub struct Sound(mpsc::Receiver<io::Result<Bytes>>, Option<io::Result<Bytes>>);

impl Stream for Sound {
    type Item = io::Result<Bytes>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        match self.1.take() {
            Some(first) => std::task::Poll::Ready(Some(first)),
            None => self.0.poll_recv(context),
        }
    }
}

impl Recordings {
    /// What a call has; `None`: nothing.
    pub async fn of(&self, db: &Database, call: CallId) -> Result<Option<(Media, Recorded)>, StoreError> {
        let Some(found) = db.read(move |db| media::of_call(db, call, "recording")).await? else { return Ok(None) };
        let facts = serde_json::from_value(found.facts.clone())?;
        Ok(Some((found, facts)))
    }

    /// The same, or why there is nothing to be heard.
    pub async fn ready(&self, tenant: &TenantId, db: &Database, call: CallId) -> Result<(Media, Recorded), NotRead> {
        match self.of(db, call).await? {
            Some((found, facts)) if facts.ready => Ok((found, facts)),
            Some(_) => Err(NotRead::NotYet),
            None => {
                let standing = db.read(move |db| media::standing(db, call)).await?;
                // On its way: of a live call, or of one that has just ended.
                let spooled = spool::path(self.0.vault.state(), tenant, call);
                let on_its_way = tokio::task::spawn_blocking(move || spooled.exists()).await.unwrap_or(false);
                match (standing.recorded && !standing.declined, on_its_way) {
                    (true, true) => Err(NotRead::NotYet),
                    // It may have arrived between the two looks.
                    (true, false) => self.of(db, call).await?.filter(|(_, facts)| facts.ready).ok_or(NotRead::Gone),
                    (false, _) => Err(NotRead::Never),
                }
            }
        }
    }

    /// Opens a part of the object `name`.
    pub async fn read(&self, tenant: &TenantId, name: &str, part: Part, scope: &Scope) -> Result<Sound, NotRead> {
        let key = Key::parse(name).ok_or(NotRead::Gone)?;
        let (into, mut sound) = mpsc::channel(limits::OBJECT_STREAM_QUEUE);
        let window = Window { skip: part.from, left: part.length, into: into.clone() };
        let (objects, tenant) = (self.0.objects.clone(), tenant.clone());
        let (failed, mut failure) = mpsc::channel(1);
        scope.spawn("recording read", async move {
            match objects.get_into(&tenant, &key, window).await {
                // Whoever read has gone, or has what they wanted.
                Err(ObjectError::Source(_)) | Ok(_) => {}
                Err(error) => {
                    tracing::error!(call = %key.call, %error, "a recording could not be read to its end");
                    drop(into.send(Err(io::Error::other("the recording cannot be read to its end"))).await);
                    drop(failed.send(error).await);
                }
            }
        });
        match sound.recv().await {
            Some(Ok(first)) => Ok(Sound(sound, Some(Ok(first)))),
            _ => match failure.recv().await {
                Some(error) if error.is_missing() => Err(NotRead::Gone),
                Some(error) => Err(error.into()),
                None => Err(NotRead::Gone),
            },
        }
    }

    /// Removes what has no row any more: of somebody who was just erased, say. What fails is left to the
    /// nightly sweep.
    pub async fn remove_gone(&self, tenant: &TenantId, db: &Database) {
        let Ok(names) = db.read(|db| media::gone(db, limits::SWEEP_OBJECTS)).await else { return };
        for name in names {
            let Some(key) = Key::parse(&name) else { continue };
            if let Err(error) = self.0.objects.delete(tenant, &key).await {
                tracing::warn!(%error, "an object could not be removed; the nightly sweep does it");
                return;
            }
            if db.write(move |db| media::removed(db, &name)).await.is_err() {
                return;
            }
        }
    }

    /// Removes a recording and what was written beside it: the rows at once, the objects with them or at
    /// the next sweep.
    pub async fn delete(&self, tenant: &TenantId, db: &Database, call: CallId) -> Result<bool, NotRead> {
        let now_ms = self.0.clock.unix_ms(self.0.clock.now());
        let names = db
            .write(move |db| {
                let mut names = Vec::new();
                for kind in ["recording", "transcript"] {
                    if let Some(found) = media::of_call(db, call, kind)? {
                        media::forget(db, &found.name, now_ms)?;
                        names.push(found.name);
                    }
                }
                Ok(names)
            })
            .await?;
        let any = !names.is_empty();
        for name in names {
            let Some(key) = Key::parse(&name) else { continue };
            match self.0.objects.delete(tenant, &key).await {
                Ok(_) => db.write(move |db| media::removed(db, &name)).await?,
                Err(error) => {
                    tracing::warn!(%call, %error, "an object could not be removed; the nightly sweep does it")
                }
            }
        }
        Ok(any)
    }
}

/// Passes on a part of what is written to it. At its end it takes no more, which ends the reading.
struct Window {
    skip: u64,
    left: u64,
    into: mpsc::Sender<io::Result<Bytes>>,
}

impl Write for Window {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let skipped = self.skip.min(bytes.len() as u64);
        self.skip -= skipped;
        let rest = &bytes[usize::try_from(skipped).unwrap_or(bytes.len())..];
        let now = usize::try_from(self.left).unwrap_or(usize::MAX).min(rest.len());
        if now > 0 {
            self.left -= now as u64;
            let sent = self.into.blocking_send(Ok(Bytes::copy_from_slice(&rest[..now])));
            sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        }
        if self.left == 0 && now < rest.len() {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
