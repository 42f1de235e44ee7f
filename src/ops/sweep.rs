//! The nightly sweep: deletes what is older than it may be, in every tenant's database, and what was
//! left half done by others (dead imports, objects without a row).
//!
//! Promise: calls never wait for it longer than for one small write; it stops within one when the
//! daemon stops, and goes on the next time; a night that was missed is made up for. What it deleted is
//! counted and in the audit log. Absent on purpose: what is due ([`crate::store::retention`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::json;

use super::rhythm::{Before, is_due};
use crate::auth::audit::Audit;
use crate::base::tasks::Scope;
use crate::base::{Clock, TenantId, limits};
use crate::config::{Retention, Rhythm};
use crate::store::audit::{self, Chain, Filter, Who};
use crate::store::{Database, StoreError, Vault, care, dnd, media, retention};

/// Removes an object from where it lies. One that is not there counts as removed.
pub type Remove = Arc<dyn Fn(TenantId, String) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// What others want done every night: a name for the counts, and how many it did.
pub type Chore = Arc<dyn Fn() -> BoxFuture<'static, Result<u64, StoreError>> + Send + Sync>;

#[derive(Clone)]
pub struct Sweep {
    pub vault: Vault,
    pub audit: Audit,
    pub clock: Clock,
    pub retention: Retention,
    /// `None`: nowhere is anything but in the databases.
    pub remove: Option<Remove>,
    pub chores: Vec<(&'static str, Chore)>,
}

/// How many of what went, by tenant; what belongs to no tenant is under an empty name.
pub type Swept = BTreeMap<String, BTreeMap<String, u64>>;

impl Sweep {
    /// Sweeps once a day at the hour of the settings, while the daemon lives.
    pub async fn nightly(self, scope: Scope) {
        let mut before = Before::default();
        loop {
            tokio::select! {
                () = scope.stopped() => return,
                () = tokio::time::sleep(limits::SWEEP_LOOK) => {}
            }
            match self.last().await {
                Ok(last) if last > before.done_ms => before = Before { done_ms: last, ..Before::default() },
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "cannot tell when the last sweep was; it waits");
                    continue;
                }
            }
            if !is_due(Rhythm::AtHour(self.retention.hour), &self.clock.local(), before) {
                continue;
            }
            if let Err(error) = self.once(&scope).await {
                tracing::error!(%error, "the nightly sweep broke off; it is tried again");
            }
            // A whole one is found in the audit log at the next look, which ends the count.
            before.failed_ms = Some(self.now());
            before.failures += 1;
        }
    }

    /// When the last whole sweep was: the audit log knows.
    async fn last(&self) -> Result<u64, StoreError> {
        let filter = Filter { what: Some(DONE.to_owned()), ..Filter::default() };
        let found = self.vault.system().read(move |db| audit::list(db, &filter, None, 1)).await?;
        Ok(found.first().map_or(0, |entry| entry.at_ms))
    }

    /// One whole sweep. A tenant whose database fails does not keep the others from theirs.
    pub async fn once(&self, scope: &Scope) -> Result<Swept, StoreError> {
        let now_ms = self.now();
        let mut swept = Swept::new();
        let mut failed = 0_usize;
        for (tenant, db) in self.vault.databases() {
            match self.tenant(&tenant, &db, now_ms, scope).await {
                Ok(gone) if gone.is_empty() => {}
                Ok(gone) => {
                    self.audit.note_as(Some(&tenant), Who::the_box(), "retention.swept", "", json!(gone)).await?;
                    swept.insert(tenant.to_string(), gone);
                }
                // A tenant that was removed meanwhile has nothing left to sweep.
                Err(StoreError::Closed) => {}
                Err(error) => {
                    failed += 1;
                    tracing::error!(%tenant, %error, "a tenant's data could not be swept; it is tried again");
                }
            }
        }
        let mut own = BTreeMap::new();
        for (name, chore) in &self.chores {
            match chore().await {
                Ok(0) => {}
                Ok(count) => drop(own.insert((*name).to_owned(), count)),
                Err(error) => {
                    failed += 1;
                    tracing::error!(chore = name, %error, "a nightly chore failed; it is tried again");
                }
            }
        }
        let cut = self.cut_audit(self.vault.system(), Chain::system(), now_ms, scope).await?;
        if cut > 0 {
            own.insert("audit".to_owned(), cut);
        }
        if !own.is_empty() {
            swept.insert(String::new(), own);
        }
        if scope.is_stopping() || failed > 0 {
            return Ok(swept);
        }
        self.audit.note_as(None, Who::the_box(), DONE, "", json!(swept)).await?;
        tracing::info!(tenants = swept.len(), "swept what was older than it may be");
        Ok(swept)
    }

    async fn tenant(
        &self,
        tenant: &TenantId,
        db: &Database,
        now_ms: u64,
        scope: &Scope,
    ) -> Result<BTreeMap<String, u64>, StoreError> {
        let steps = retention::plan(&self.retention, now_ms);
        let (sweeping, stop) = (db.clone(), scope.clone());
        let gone = waiting(move || {
            sweeping.write_blocking(move |db| dnd::abandon_dead(db, now_ms))?;
            while !stop.is_stopping() && sweeping.write_blocking(dnd::clear_some)? > 0 {
                std::thread::sleep(limits::SWEEP_PAUSE);
            }
            let pause = || {
                std::thread::sleep(limits::SWEEP_PAUSE);
                !stop.is_stopping()
            };
            retention::sweep_blocking(&sweeping, &steps, now_ms, &pause)
        })
        .await?;
        let mut gone: BTreeMap<String, u64> = gone.into_iter().map(|(what, count)| (what.to_owned(), count)).collect();
        let cut = self.cut_audit(db, Chain::tenant(tenant), now_ms, scope).await?;
        let removed = self.remove_media(tenant, db, scope).await?;
        for (what, count) in [("audit", cut), ("objects", removed)] {
            if count > 0 {
                gone.insert(what.to_owned(), count);
            }
        }
        if !gone.is_empty() {
            let db = db.clone();
            waiting(move || care::checkpoint(&db)).await?;
        }
        Ok(gone)
    }

    async fn cut_audit(&self, db: &Database, chain: Chain, now_ms: u64, scope: &Scope) -> Result<u64, StoreError> {
        let Some(before) = retention::audit_before(&self.retention, now_ms) else { return Ok(0) };
        let mut gone = 0;
        while !scope.is_stopping() {
            let (signer, chain) = (self.audit.signer().clone(), chain.clone());
            let count = db.write(move |db| audit::cut(db, &signer, &chain, before, now_ms)).await?;
            gone += count;
            if count < limits::SWEEP_BATCH {
                break;
            }
            tokio::time::sleep(limits::SWEEP_PAUSE).await;
        }
        Ok(gone)
    }

    /// Objects whose rows are gone. One that cannot be removed stays on the list for the next night.
    async fn remove_media(&self, tenant: &TenantId, db: &Database, scope: &Scope) -> Result<u64, StoreError> {
        let Some(remove) = &self.remove else { return Ok(0) };
        let mut removed = 0;
        while !scope.is_stopping() {
            let names = db.read(|db| media::gone(db, limits::SWEEP_OBJECTS)).await?;
            let mut some = false;
            for name in names {
                match remove(tenant.clone(), name.clone()).await {
                    Ok(()) => {
                        db.write(move |db| media::removed(db, &name)).await?;
                        removed += 1;
                        some = true;
                    }
                    Err(error) => {
                        tracing::warn!(%tenant, error, "an object could not be removed; it is tried again");
                        return Ok(removed);
                    }
                }
            }
            if !some {
                break;
            }
        }
        Ok(removed)
    }

    fn now(&self) -> u64 {
        self.clock.unix_ms(self.clock.now())
    }
}

const DONE: &str = "retention.done";

/// Work that waits for the disk, off the runtime.
async fn waiting<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(StoreError::Lost("the sweep broke; see the log".to_owned())))
}

#[cfg(test)]
#[path = "sweep_tests.rs"]
mod tests;
