//! Backups while the daemon runs: by the clock or when somebody asks, verified, and the old ones removed.
//!
//! Promise: one at a time; a backup counts as good after it was read back to its end and every database in
//! it was examined; what is removed are the oldest ones beyond `keep`, after a newer one was found good, and
//! never the last good one. A failure is told once, with its reason, until one succeeds. Absent on purpose:
//! what is in a backup (`store::backup`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::notice::{Notice, Tell};
use super::rhythm::{Before, is_due};
use crate::base::tasks::Scope;
use crate::base::{Clock, limits};
use crate::config::Rhythm;
use crate::store::backup::{self, BackupError, Made, Source};
use crate::store::depot::{Depot, Kept};
use crate::store::files;

/// How often it is asked whether one is due.
const LOOK: Duration = Duration::from_secs(60);
/// Under which code failures are told.
const CODE: &str = "backup";
/// Outlives the process: when the last good one was made.
const STATUS: &str = "backup-status.json";

/// What backups this box makes, and where.
#[derive(Clone)]
pub struct Plan {
    pub source: Source,
    pub depot: Depot,
    pub rhythm: Rhythm,
    pub keep: usize,
}

/// For health, metrics and people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Status {
    pub last_good_ms: Option<u64>,
    pub last_good_name: Option<String>,
    /// Of the sealed file.
    pub last_good_bytes: Option<u64>,
    pub last_took_ms: Option<u64>,
    pub last_tried_ms: Option<u64>,
    /// Why the last one failed; absent if it did not.
    pub last_error: Option<String>,
    /// Failures since the last good one.
    pub failures: u32,
    /// When the box began to watch for the first one.
    since_ms: u64,
}

/// What came of looking at one backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Verdict {
    Running,
    Good {
        checked_ms: u64,
        made_ms: u64,
        vaani: String,
        databases: usize,
        objects: u64,
        /// Open.
        bytes: u64,
        remarks: Vec<String>,
    },
    Bad {
        checked_ms: u64,
        why: String,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("a backup is being made; ask again when it is done")]
    Busy,
    #[error("another backup is being verified; ask again when that is done")]
    Verifying,
    #[error("there is no backup of that name")]
    Unknown,
    #[error(transparent)]
    Backup(#[from] BackupError),
}

struct Inner {
    plan: Plan,
    clock: Clock,
    scope: Scope,
    tell: Tell,
    making: AtomicBool,
    verifying: AtomicBool,
    status: Mutex<Status>,
    verdicts: Mutex<BTreeMap<String, Verdict>>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Backups(Arc<Inner>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Backups {
    pub fn new(plan: Plan, clock: Clock, scope: Scope, tell: Tell) -> Self {
        let mut status: Status = match files::read(&plan.source.state.join(STATUS), 64 * 1024) {
            Ok(Some(bytes)) => serde_json::from_slice(&bytes).unwrap_or_default(),
            _ => Status::default(),
        };
        if status.since_ms == 0 {
            status.since_ms = clock.wall_ms();
            keep(&plan.source.state, &status);
        }
        Self(Arc::new(Inner {
            plan,
            clock,
            scope,
            tell,
            making: AtomicBool::new(false),
            verifying: AtomicBool::new(false),
            status: Mutex::new(status),
            verdicts: Mutex::default(),
        }))
    }

    /// Makes them by the clock until the scope stops.
    pub fn run(&self) {
        if self.0.plan.rhythm == Rhythm::Never {
            return;
        }
        let backups = self.clone();
        self.0.scope.spawn("scheduled backups", async move {
            let scope = backups.0.scope.clone();
            loop {
                if backups.is_due() {
                    // What went wrong is in the status and was told.
                    let _ = backups.make().await;
                }
                tokio::select! {
                    () = scope.stopped() => return,
                    () = tokio::time::sleep(LOOK) => {}
                }
            }
        });
    }

    fn is_due(&self) -> bool {
        let status = self.status();
        let before = Before {
            done_ms: status.last_good_ms.unwrap_or(status.since_ms),
            failed_ms: status.last_tried_ms.filter(|_| status.failures > 0),
            failures: status.failures,
        };
        let now = i64::try_from(self.0.clock.wall_ms()).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        let now = now.unwrap_or_default().to_zoned(jiff::tz::TimeZone::system());
        is_due(self.0.plan.rhythm, &now, before)
    }

    pub fn is_scheduled(&self) -> bool {
        self.0.plan.rhythm != Rhythm::Never
    }

    pub fn is_running(&self) -> bool {
        self.0.making.load(Ordering::Acquire)
    }

    pub fn status(&self) -> Status {
        lock(&self.0.status).clone()
    }

    /// Where they go, without secrets.
    pub fn place(&self) -> String {
        self.0.plan.depot.shown()
    }

    /// Begins one in the background.
    pub fn start(&self) -> Result<(), Refused> {
        let turn = Turn::take(&self.0, |inner| &inner.making).ok_or(Refused::Busy)?;
        let backups = self.clone();
        self.0.scope.spawn("backup", async move {
            let _ = backups.make_in(turn).await;
        });
        Ok(())
    }

    /// Makes one, verifies it, and removes what has become too old.
    pub async fn make(&self) -> Result<Made, Refused> {
        let turn = Turn::take(&self.0, |inner| &inner.making).ok_or(Refused::Busy)?;
        self.make_in(turn).await
    }

    async fn make_in(&self, turn: Turn) -> Result<Made, Refused> {
        let (inner, began) = (Arc::clone(&self.0), self.0.clock.now());
        let started_ms = self.0.clock.wall_ms();
        let work = tokio::task::spawn_blocking(move || {
            let made = whole(&inner, started_ms);
            drop(turn);
            made
        });
        let made = work.await.unwrap_or_else(|_| Err(BackupError::Damaged("the work broke; see the log".to_owned())));
        let took_ms = u64::try_from(self.0.clock.now().since(began).as_millis()).unwrap_or(u64::MAX);
        self.note(&made, started_ms, took_ms);
        Ok(made?)
    }

    fn note(&self, made: &Result<Made, BackupError>, started_ms: u64, took_ms: u64) {
        let plan = &self.0.plan;
        let (before, now) = {
            let mut status = lock(&self.0.status);
            let before = status.clone();
            status.last_tried_ms = Some(started_ms);
            status.last_took_ms = Some(took_ms);
            match made {
                Ok(made) => {
                    status.last_good_ms = Some(started_ms);
                    status.last_good_name = Some(made.name.clone());
                    status.last_good_bytes = Some(made.bytes);
                    status.last_error = None;
                    status.failures = 0;
                }
                // Told to stop is no failure: the next start makes up for it.
                Err(BackupError::Stopped) => *status = before.clone(),
                Err(error) => {
                    status.last_error = Some(error.to_string());
                    status.failures = status.failures.saturating_add(1);
                }
            }
            (before, status.clone())
        };
        keep(&plan.source.state, &now);
        match made {
            Ok(made) => {
                tracing::info!(name = made.name, bytes = made.bytes, took_ms, "a backup was made and verified");
                if before.last_error.is_some() {
                    (self.0.tell)(Notice { code: CODE, about: String::new(), raised: false });
                }
            }
            Err(BackupError::Stopped) => tracing::info!("a backup was stopped with the daemon"),
            Err(error) => {
                // The first failure is told as a finding.
                if now.failures > 1 {
                    tracing::warn!(%error, failures = now.failures, "a backup failed again");
                }
                if before.last_error.as_deref() != now.last_error.as_deref() {
                    (self.0.tell)(Notice { code: CODE, about: String::new(), raised: true });
                }
            }
        }
    }

    /// Oldest first.
    pub async fn list(&self) -> Result<Vec<Kept>, Refused> {
        let depot = self.0.plan.depot.clone();
        let listed = tokio::task::spawn_blocking(move || backup::list(&depot)).await;
        Ok(listed.unwrap_or_else(|_| Err(BackupError::Damaged("the work broke; see the log".to_owned())))?)
    }

    /// What is known of `name`; if nothing is, looking begins in the background.
    pub async fn verify(&self, name: &str) -> Result<Verdict, Refused> {
        let kept = self.list().await?.into_iter().find(|kept| kept.name == name).ok_or(Refused::Unknown)?;
        // A file that was replaced is another one.
        let known_as = format!("{} {} {}", kept.name, kept.bytes, kept.unix_ms);
        if let Some(verdict) = lock(&self.0.verdicts).get(&known_as) {
            return Ok(verdict.clone());
        }
        let turn = Turn::take(&self.0, |inner| &inner.verifying).ok_or(Refused::Verifying)?;
        self.remember(&known_as, Verdict::Running);
        let backups = self.clone();
        self.0.scope.spawn("verify a backup", async move {
            let inner = Arc::clone(&backups.0);
            let work = tokio::task::spawn_blocking(move || {
                let verdict = judged(&inner, &kept.name);
                drop(turn);
                verdict
            });
            let broken = || Verdict::Bad { checked_ms: backups.0.clock.wall_ms(), why: "the work broke".to_owned() };
            let verdict = work.await.unwrap_or_else(|_| broken());
            backups.remember(&known_as, verdict);
        });
        Ok(Verdict::Running)
    }

    fn remember(&self, known_as: &str, verdict: Verdict) {
        let mut verdicts = lock(&self.0.verdicts);
        if verdicts.len() >= limits::BACKUP_VERDICTS_MAX && !verdicts.contains_key(known_as) {
            // Names sort by time: the oldest backup's verdict goes.
            if let Some(oldest) = verdicts.keys().next().cloned() {
                verdicts.remove(&oldest);
            }
        }
        verdicts.insert(known_as.to_owned(), verdict);
    }
}

/// Held while something is done that is done once at a time.
struct Turn {
    inner: Arc<Inner>,
    which: fn(&Inner) -> &AtomicBool,
}

impl Turn {
    fn take(inner: &Arc<Inner>, which: fn(&Inner) -> &AtomicBool) -> Option<Self> {
        let free = which(inner).compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire).is_ok();
        free.then(|| Self { inner: Arc::clone(inner), which })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        (self.which)(&self.inner).store(false, Ordering::Release);
    }
}

fn keep(state: &std::path::Path, status: &Status) {
    let written = serde_json::to_vec(status).map_err(std::io::Error::other);
    if let Err(error) = written.and_then(|bytes| files::replace(&state.join(STATUS), &bytes)) {
        tracing::warn!(%error, "when the last backup was made could not be written down");
    }
}

/// Makes, reads back, removes the old. Waits for disk and network.
fn whole(inner: &Inner, made_ms: u64) -> Result<Made, BackupError> {
    let plan = &inner.plan;
    let stop = || inner.scope.is_stopping();
    let made = backup::make(&plan.source, &plan.depot, None, made_ms, &stop)?;
    let download = plan.depot.download(&made.name)?;
    if let Err(error) = backup::verify(download, &plan.source.master, &plan.source.state, &stop) {
        if !matches!(error, BackupError::Stopped) {
            tracing::error!(name = made.name, %error, "the backup that was just made is not good; it stays for whoever looks into it");
        }
        return Err(error);
    }
    let names: Vec<String> = backup::list(&plan.depot)?.into_iter().map(|kept| kept.name).collect();
    for name in surplus(&names, plan.keep, &made.name) {
        match plan.depot.delete(name) {
            Ok(_) => tracing::info!(name, "an old backup was removed"),
            Err(error) => tracing::warn!(name, %error, "an old backup could not be removed"),
        }
    }
    Ok(made)
}

/// Which of `names` (oldest first) are more than is kept.
fn surplus<'a>(names: &'a [String], keep: usize, last_good: &str) -> Vec<&'a String> {
    let over = names.len().saturating_sub(keep.max(1));
    names[..over].iter().filter(|name| *name != last_good).collect()
}

fn judged(inner: &Inner, name: &str) -> Verdict {
    let plan = &inner.plan;
    let stop = || inner.scope.is_stopping();
    let verified = plan
        .depot
        .download(name)
        .map_err(BackupError::from)
        .and_then(|download| backup::verify(download, &plan.source.master, &plan.source.state, &stop));
    let checked_ms = inner.clock.wall_ms();
    match verified {
        Ok(manifest) => Verdict::Good {
            checked_ms,
            made_ms: manifest.head.made_ms,
            bytes: manifest.bytes(),
            databases: manifest.members.iter().filter(|m| m.kind == backup::Kind::Database).count(),
            objects: manifest.objects.count,
            vaani: manifest.head.vaani,
            remarks: manifest.remarks,
        },
        Err(error) => Verdict::Bad { checked_ms, why: error.to_string() },
    }
}

/// The depot of the settings: a folder of the state if they name none. In the runtime it is used in.
pub fn depot(settings: &crate::config::Settings) -> Result<Depot, BackupError> {
    let to = settings.backup.to.clone();
    let to = to.unwrap_or_else(|| crate::config::Address::Folder(default_folder(&settings.state.dir)));
    Ok(Depot::open(&to, settings.backup.s3.as_ref().unwrap_or(&settings.objects.s3))?)
}

fn default_folder(state: &std::path::Path) -> PathBuf {
    state.join("backups")
}

#[cfg(test)]
#[path = "backups_tests.rs"]
mod tests;
