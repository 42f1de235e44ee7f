//! Keeping disk and databases in shape while calls go on.
//!
//! Promise: a disk that runs out of room is seen within seconds, told once, and cleared once when there is
//! room again, without a restart; some room is kept for a start on a full disk; long write-ahead logs are worked off; every night each database is
//! checked to its last page and tidied. Calls are never held up for longer than one small write. Absent on
//! purpose: what a full disk means for campaigns (they ask [`DiskState`]) and for calls (they go on; what
//! must be durable is refused where it is asked for).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Zoned;
use serde::Serialize;

use super::notice::{Notice, Tell};
use super::rhythm::{Before, is_due};
use crate::base::tasks::Scope;
use crate::base::{Clock, limits};
use crate::config::Rhythm;
use crate::store::care;
use crate::store::database::Database;
use crate::store::disk::{DiskState, Room};
use crate::store::reserve;
use crate::store::vault::Vault;

/// How one database is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Shape {
    /// `system`, or the tenant's id.
    pub name: String,
    pub bytes: u64,
    /// Of its write-ahead log.
    pub wal_bytes: u64,
    /// When it was last checked to its last page.
    pub checked_ms: Option<u64>,
    /// What that check complained of.
    pub faults: Vec<String>,
    /// Transactions lost since the start because the disk was full.
    pub lost_for_room: u64,
    /// Why it cannot be written now.
    pub unwritable: Option<String>,
}

struct Inner {
    vault: Vault,
    clock: Clock,
    tell: Tell,
    shapes: Mutex<BTreeMap<String, Shape>>,
    /// How much room there was when it was last told.
    told: Mutex<Room>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Upkeep(Arc<Inner>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Upkeep {
    pub fn new(vault: Vault, clock: Clock, tell: Tell) -> Self {
        let (shapes, told) = (Mutex::default(), Mutex::new(Room::Enough));
        Self(Arc::new(Inner { vault, clock, tell, shapes, told }))
    }

    pub fn disk(&self) -> &DiskState {
        self.0.vault.disk()
    }

    /// Looks at the disk and after the databases until the scope stops.
    pub fn run(&self, scope: &Scope) {
        let (upkeep, stop) = (self.clone(), scope.clone());
        scope.spawn("disk watch", async move {
            loop {
                let looking = upkeep.clone();
                drop(tokio::task::spawn_blocking(move || looking.look()).await);
                tokio::select! {
                    () = stop.stopped() => return,
                    () = tokio::time::sleep(limits::DISK_LOOK) => {}
                }
            }
        });
        let (upkeep, stop) = (self.clone(), scope.clone());
        scope.spawn("upkeep", async move {
            let mut done_ms = upkeep.0.clock.wall_ms();
            loop {
                tokio::select! {
                    () = stop.stopped() => return,
                    () = tokio::time::sleep(limits::UPKEEP_LOOK) => {}
                }
                let (working, scope) = (upkeep.clone(), stop.clone());
                let nightly = upkeep.night_is_due(done_ms);
                if nightly {
                    done_ms = upkeep.0.clock.wall_ms();
                }
                let work = move || {
                    working.fold_logs();
                    if nightly {
                        working.night(&|| !scope.is_stopping());
                    }
                };
                drop(tokio::task::spawn_blocking(work).await);
            }
        });
    }

    fn night_is_due(&self, done_ms: u64) -> bool {
        let now = i64::try_from(self.0.clock.wall_ms()).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        let now: Zoned = now.unwrap_or_default().to_zoned(jiff::tz::TimeZone::system());
        is_due(Rhythm::AtHour(limits::UPKEEP_HOUR), &now, Before { done_ms, ..Before::default() })
    }

    fn databases(&self) -> Vec<(String, Database)> {
        let tenants = self.0.vault.databases().into_iter().map(|(id, db)| (id.to_string(), db));
        std::iter::once(("system".to_owned(), self.0.vault.system().clone())).chain(tenants).collect()
    }

    /// How every database is doing. Asks the disk for lengths only.
    pub fn shapes(&self) -> Vec<Shape> {
        let full = self.disk().room() == Room::Full;
        let known = lock(&self.0.shapes).clone();
        let shape = |(name, db): (String, Database)| {
            let before = known.get(&name).cloned().unwrap_or_default();
            Shape {
                bytes: std::fs::metadata(db.path()).map_or(0, |about| about.len()),
                wal_bytes: care::wal_bytes(&db),
                lost_for_room: db.stats().full,
                unwritable: full.then(|| "the disk of the state directory is full".to_owned()),
                name,
                ..before
            }
        };
        self.databases().into_iter().map(shape).collect()
    }

    /// One look at the disk; tells when the state has changed. Waits for the disk.
    pub fn look(&self) {
        let state = self.0.vault.state();
        let now = match self.disk().look(state) {
            Ok((_, now)) => now.room,
            Err(error) => {
                tracing::error!(%error, "the disk of the state directory could not be looked at");
                return;
            }
        };
        if now == Room::Enough
            && let Err(error) = reserve::keep(state, self.0.vault.tenants().len())
        {
            tracing::debug!(%error, "no room could be kept for a start on a full disk");
        }
        if std::mem::replace(&mut *lock(&self.0.told), now) != now {
            (self.0.tell)(Notice { code: "disk", about: String::new(), raised: now != Room::Enough });
        }
    }

    /// Works off write-ahead logs that have become long. Waits for the disk.
    pub fn fold_logs(&self) {
        for (name, db) in self.databases() {
            let before = care::wal_bytes(&db);
            if before <= limits::WAL_LONG {
                continue;
            }
            match care::checkpoint(&db) {
                Ok(after) => tracing::debug!(database = name, before, after, "a write-ahead log was worked off"),
                Err(error) => tracing::warn!(database = name, %error, "a write-ahead log could not be worked off"),
            }
        }
    }

    /// Checks and tidies every database, one after the other. Waits for the disk.
    pub fn night(&self, go_on: &dyn Fn() -> bool) {
        for (name, db) in self.databases() {
            if !go_on() {
                return;
            }
            match care::check(&db) {
                Ok(faults) => self.checked(&name, faults),
                Err(error) => tracing::warn!(database = name, %error, "a database could not be checked"),
            }
            match care::tidy(&db, go_on) {
                Ok(tidied) => {
                    tracing::info!(database = name, pages = tidied.pages, "a database was checked and tidied")
                }
                Err(error) => tracing::warn!(database = name, %error, "a database could not be tidied"),
            }
        }
    }

    fn checked(&self, name: &str, faults: Vec<String>) {
        let was = {
            let mut shapes = lock(&self.0.shapes);
            let shape = shapes.entry(name.to_owned()).or_default();
            shape.checked_ms = Some(self.0.clock.wall_ms());
            std::mem::replace(&mut shape.faults, faults.clone())
        };
        if was.is_empty() == faults.is_empty() {
            return;
        }
        (self.0.tell)(Notice { code: "database", about: name.to_owned(), raised: !faults.is_empty() });
    }
}

#[cfg(test)]
#[path = "upkeep_tests.rs"]
mod tests;
