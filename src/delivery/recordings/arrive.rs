//! Brings complete recordings to where objects lie, with the transcript beside them where words are kept.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::wave::{CHANNELS, Summary, Wave};
use super::writer::Finished;
use super::{Recorded, Recordings};
use crate::base::audio::LINE_RATE;
use crate::base::event::{Event, RecordingMode};
use crate::base::tasks::Scope;
use crate::base::{CallId, TenantId, limits};
use crate::call::recording::{Head, Tail};
use crate::delivery::objects::{Key, Kind, ObjectError};
use crate::store::media::{self, Media};
use crate::store::sealed::SealError;
use crate::store::spool::PURPOSE;
use crate::store::{Database, StoreError, journal};

/// How long a stopping daemon goes on bringing what is complete.
const LAST_MINUTE: Duration = Duration::from_secs(4);

/// A recording on its way.
struct Parcel {
    tenant: TenantId,
    call: CallId,
    path: PathBuf,
    /// `None`: a process that died has left it.
    tail: Option<Tail>,
}

/// Why it did not arrive. Everything is tried again.
#[derive(Debug, thiserror::Error)]
enum Late {
    #[error("{0}")]
    Object(#[from] ObjectError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the tenant's database cannot be opened")]
    Tenant,
    #[error("the call is not written down yet")]
    Unknown,
}

impl Recordings {
    /// Brings whatever is complete, until the daemon stops.
    pub(super) async fn bring(
        self,
        left: Vec<(TenantId, CallId, PathBuf)>,
        mut finished: mpsc::UnboundedReceiver<Finished>,
        scope: Scope,
    ) {
        let mut waiting: VecDeque<Parcel> =
            left.into_iter().map(|(tenant, call, path)| Parcel { tenant, call, path, tail: None }).collect();
        if !waiting.is_empty() {
            tracing::warn!(recordings = waiting.len(), "the last run left recordings on their way; bringing them");
        }
        loop {
            self.try_all(&mut waiting, &scope).await;
            tokio::select! {
                () = scope.stopped() => break,
                Some(one) = finished.recv() => waiting.push_back(Parcel::of(one)),
                () = tokio::time::sleep(limits::RECORDING_RETRY), if !waiting.is_empty() => {}
            }
        }
        self.0.desk.close();
        let last = async {
            while let Some(one) = finished.recv().await {
                drop(self.arrive(&Parcel::of(one)).await);
            }
        };
        if tokio::time::timeout(LAST_MINUTE, last).await.is_err() {
            tracing::warn!("recordings are still on their way; the next start brings them");
        }
    }

    async fn try_all(&self, waiting: &mut VecDeque<Parcel>, scope: &Scope) {
        let mut why = None;
        for _ in 0..waiting.len() {
            let Some(parcel) = waiting.pop_front() else { break };
            if scope.is_stopping() {
                waiting.push_back(parcel);
                break;
            }
            if let Err(error) = self.arrive(&parcel).await {
                tracing::warn!(call = %parcel.call, %error, "a recording could not be brought to its place; it is tried again");
                why = Some(error.to_string());
                waiting.push_back(parcel);
            }
        }
        self.0.waiting.store(waiting.len(), Ordering::Relaxed);
        *self.0.why.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    async fn arrive(&self, parcel: &Parcel) -> Result<(), Late> {
        let Parcel { tenant, call, path, .. } = parcel;
        let vault = &self.0.vault;
        let Some(db) = vault.tenant(tenant) else {
            if vault.broken().contains_key(tenant) {
                return Err(Late::Tenant);
            }
            // Its key is gone: nobody can read this any more.
            self.leave(parcel, "orphaned").await;
            return Ok(());
        };
        let key = Zeroizing::new(vault.tenant_secret(tenant, PURPOSE).ok_or(Late::Tenant)?);
        let (reading, with) = (path.clone(), key.clone());
        let summary = match waiting(move || Summary::of(&reading, &with)).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            // Whoever wrote it had not even begun.
            Err(error) if SealError::of(&error).is_some() => Summary::default(),
            summary => summary?,
        };
        let tail = parcel.tail.clone().or_else(|| summary.tail.clone());
        let head = match summary.head.clone() {
            Some(head) if summary.samples > 0 && head.call == *call && head.tenant == *tenant => head,
            _ => {
                self.leave(parcel, "empty").await;
                return Ok(());
            }
        };
        // A process that died before the caller had gone on: they may have been about to say no.
        if tail.is_none() && head.mode == RecordingMode::Ask && !summary.confirmed {
            self.leave(parcel, "unconsented").await;
            return Ok(());
        }
        let of = *call;
        let standing = db.read(move |db| media::standing(db, of)).await?;
        if standing.declined {
            self.leave(parcel, "declined").await;
            return Ok(());
        }
        if standing.erased {
            self.leave(parcel, "orphaned").await;
            return Ok(());
        }
        if !standing.known {
            if self.now_ms().saturating_sub(head.began_ms) < duration_ms(limits::RECORDING_ORPHAN + limits::CALL_MAX) {
                return Err(Late::Unknown);
            }
            self.leave(parcel, "orphaned").await;
            return Ok(());
        }
        self.put(parcel, &db, &head, &summary, tail.unwrap_or_default(), key).await?;
        self.leave(parcel, "kept").await;
        Ok(())
    }

    async fn put(
        &self,
        parcel: &Parcel,
        db: &Database,
        head: &Head,
        summary: &Summary,
        tail: Tail,
        key: Zeroizing<[u8; 32]>,
    ) -> Result<(), Late> {
        let object = Key::new(Kind::Recording, head.call_started_ms, parcel.call);
        let mut facts = Recorded {
            ready: false,
            mode: head.mode,
            began_ms: head.began_ms,
            duration_ms: summary.duration_ms(),
            channels: CHANNELS,
            rate: LINE_RATE,
            cuts: tail.cuts,
            lost_ms: tail.lost_ms,
            stopped: tail.why,
        };
        self.note(db, &object, "recording", summary.bytes(), head.began_ms, json!(facts)).await?;
        let (path, samples) = (parcel.path.clone(), summary.samples);
        let wave = waiting(move || Wave::open(&path, &key, samples)).await?;
        self.0.objects.put_from(&parcel.tenant, &object, wave).await?;
        facts.ready = true;
        if self.0.keep_words {
            self.put_transcript(parcel, db, head, &facts).await?;
        }
        self.settle(parcel, db, &object, json!(facts)).await?;
        self.0.metrics.bytes.inc_by(summary.bytes());
        Ok(())
    }

    /// An object has its row before it is there.
    async fn note(
        &self,
        db: &Database,
        key: &Key,
        kind: &str,
        bytes: u64,
        made_ms: u64,
        facts: Value,
    ) -> Result<(), Late> {
        let row = Media { name: key.to_string(), call: key.call, kind: kind.to_owned(), bytes, made_ms, facts };
        Ok(db.write(move |db| media::keep(db, &row)).await?)
    }

    /// It is there; unless somebody has erased it meanwhile, then it goes again.
    async fn settle(&self, parcel: &Parcel, db: &Database, key: &Key, facts: Value) -> Result<(), Late> {
        let name = key.to_string();
        if !db.write(move |db| media::arrived(db, &name, &facts)).await? {
            self.0.objects.delete(&parcel.tenant, key).await?;
        }
        Ok(())
    }

    async fn put_transcript(&self, parcel: &Parcel, db: &Database, head: &Head, facts: &Recorded) -> Result<(), Late> {
        let call = parcel.call;
        let records = db.read(move |db| journal::of_call(db, call, 0, limits::EVENTS_OF_CALL_MAX)).await?;
        let turns: Vec<Value> =
            records.into_iter().filter_map(|numbered| line(numbered.record, head.began_ms)).collect();
        if turns.is_empty() {
            return Ok(());
        }
        let text = json!({
            "call": call,
            "started_ms": head.call_started_ms,
            "recording": facts,
            "turns": turns,
        });
        let key = Key::new(Kind::Transcript, head.call_started_ms, call);
        let bytes = text.to_string().into_bytes();
        self.note(db, &key, "transcript", bytes.len() as u64, head.began_ms, json!({ "ready": false })).await?;
        self.0.objects.put(&parcel.tenant, &key, bytes).await?;
        self.settle(parcel, db, &key, json!({ "ready": true })).await
    }

    async fn leave(&self, parcel: &Parcel, outcome: &'static str) {
        self.0.metrics.count(outcome);
        let (recordings, path) = (self.clone(), parcel.path.clone());
        drop(
            waiting(move || {
                recordings.remove(&path);
                Ok(())
            })
            .await,
        );
    }

    fn now_ms(&self) -> u64 {
        self.0.clock.unix_ms(self.0.clock.now())
    }
}

impl Parcel {
    fn of(Finished { tenant, call, path, tail }: Finished) -> Self {
        Self { tenant, call, path, tail: Some(tail) }
    }
}

/// One line of the transcript; its time is when it was known whole.
fn line(record: crate::base::event::Record, began_ms: u64) -> Option<Value> {
    let at = json!({
        "at_ms": record.call_ms,
        "recording_ms": record.unix_ms.checked_sub(began_ms),
    });
    let told = match record.event {
        Event::Heard { turn, by, language, text, .. } if !text.is_empty() => {
            json!({ "speaker": by, "turn": turn, "language": language, "text": text })
        }
        Event::Said { turn, language, text, heard, cut } if !text.is_empty() => json!({
            "speaker": "agent", "turn": turn, "language": language, "text": text, "heard": heard, "cut": cut,
        }),
        _ => return None,
    };
    let (Value::Object(mut at), Value::Object(told)) = (at, told) else { return None };
    at.extend(told);
    Some(Value::Object(at))
}

fn duration_ms(of: Duration) -> u64 {
    u64::try_from(of.as_millis()).unwrap_or(u64::MAX)
}

/// The disk is waited for on a thread that may.
async fn waiting<T: Send + 'static>(job: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(job).await.unwrap_or_else(|_| Err(io::Error::other("the work broke; see the log")))
}
