//! Tenants that agents answer for: made where they are missing, told where they cannot be.
//!
//! Promise: an agent whose tenant is not there keeps nobody else's calls from being taken; its own are
//! refused, since nobody could keep them. A tenant that lacked nothing but room is made when there is
//! some. Absent on purpose: the refusing itself (`call/registry.rs`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;

use crate::base::tasks::Scope;
use crate::base::{TenantId, limits};
use crate::call::script::Scripts;
use crate::ops::health::AgentFacts;
use crate::store::Vault;

struct Inner {
    vault: Vault,
    /// Agents and for whom they answer.
    wanted: Vec<(String, TenantId)>,
    /// Why a tenant could not be made.
    why: Mutex<BTreeMap<TenantId, String>>,
}

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct AgentTenants(Arc<Inner>);

impl AgentTenants {
    /// Makes what is missing. An error: a name that no tenant can have.
    pub(super) fn new(vault: &Vault, scripts: &Scripts) -> anyhow::Result<Self> {
        let mut wanted = Vec::new();
        for script in scripts.all().filter(|script| !script.tenant().is_empty()) {
            let name = script.tenant();
            let id = name.parse().with_context(|| {
                format!("the agent {} has the tenant {name:?} (routing.tenant of its file)", script.name())
            })?;
            wanted.push((script.name().to_owned(), id));
        }
        let tenants = Self(Arc::new(Inner { vault: vault.clone(), wanted, why: Mutex::default() }));
        tenants.make();
        Ok(tenants)
    }

    /// Waits for the disk.
    fn make(&self) {
        let Inner { vault, wanted, why } = &*self.0;
        let missing: BTreeSet<&TenantId> = wanted.iter().map(|(_, id)| id).filter(|id| vault.is_nobody(id)).collect();
        let mut failed = BTreeMap::new();
        for id in missing {
            if let Err(error) = vault.create_tenant(id, id.as_str()) {
                failed.insert(id.clone(), error.to_string());
            }
        }
        let before = std::mem::replace(&mut *why.lock().unwrap_or_else(PoisonError::into_inner), failed.clone());
        for (tenant, error) in failed.iter().filter(|(tenant, error)| before.get(*tenant) != Some(*error)) {
            for (agent, _) in wanted.iter().filter(|(_, of)| of == tenant) {
                tracing::error!(agent, %tenant, error, "an agent takes no calls: its tenant is not there");
            }
        }
        for tenant in before.keys().filter(|tenant| !failed.contains_key(*tenant)) {
            tracing::info!(%tenant, "the tenant is there; its agents take calls");
        }
    }

    /// Agents that take no calls, for health.
    pub(super) fn shut(&self) -> Vec<AgentFacts> {
        let why = self.0.why.lock().unwrap_or_else(PoisonError::into_inner);
        let facts = |(agent, tenant): &(String, TenantId)| {
            let shut = self.0.vault.is_nobody(tenant);
            let unknown = || "it is not there".to_owned();
            let why = shut.then(|| why.get(tenant).cloned().unwrap_or_else(unknown));
            AgentFacts { agent: agent.clone(), tenant: tenant.to_string(), shut: why }
        };
        self.0.wanted.iter().map(facts).collect()
    }

    /// Looks for tenants that the command line has made or removed, and tries again to make what is
    /// missing.
    pub(super) async fn notice(self, scope: Scope) {
        loop {
            tokio::select! {
                () = scope.stopped() => return,
                () = tokio::time::sleep(limits::TENANTS_LOOK) => {}
            }
            let looking = self.clone();
            let looked = tokio::task::spawn_blocking(move || {
                looking.0.vault.refresh()?;
                if !looking.0.vault.disk().is_failing() {
                    looking.make();
                }
                Ok::<_, crate::store::StoreError>(())
            });
            if let Ok(Err(error)) = looked.await {
                tracing::error!(%error, "tenants that were made or removed cannot be taken notice of");
            }
        }
    }
}
