//! Writing down who did what. Promise: a note that came back without an error is on the disk; one
//! made with [`Audit::note_in`] is there if and only if the write it tells of is.
//! Absent on purpose: what is worth a note; each room knows that of itself.

use rusqlite::Connection;
use serde_json::Value;

use super::principal::Principal;
use crate::base::ids::TenantId;
use crate::base::secret::hex;
use crate::base::tasks::Scope;
use crate::base::{Clock, limits};
use crate::store::StoreError;
use crate::store::audit::{self, Chain, Entry, Head, Report, Signer, Verifier, Who};
use crate::store::database::Database;
use crate::store::vault::Vault;

impl From<&Principal> for Who {
    fn from(who: &Principal) -> Self {
        let actor = who.actor();
        let (kind, id) = actor.split_once(':').unwrap_or((&actor, ""));
        Self {
            kind: kind.to_owned(),
            id: id.to_owned(),
            name: who.name.clone(),
            role: who.role.to_string(),
            address: who.address.map(|address| address.to_string()).unwrap_or_default(),
        }
    }
}

/// The pen. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Audit {
    vault: Vault,
    clock: Clock,
    signer: Signer,
}

impl Audit {
    pub fn new(vault: Vault, clock: Clock) -> Self {
        let signer = Signer::new(vault.master());
        Self { vault, clock, signer }
    }

    /// Durable when this returns. `tenant` `None`: the box's own chain. No personal value may be in
    /// `about` or `detail`: ids and hashes only.
    pub async fn note(
        &self,
        tenant: Option<&TenantId>,
        who: &Principal,
        what: &'static str,
        about: &str,
        detail: Value,
    ) -> Result<(), StoreError> {
        self.note_as(tenant, who.into(), what, about, detail).await
    }

    /// The same for somebody who is no principal: a failed login, the box itself.
    pub async fn note_as(
        &self,
        tenant: Option<&TenantId>,
        who: Who,
        what: &'static str,
        about: &str,
        detail: Value,
    ) -> Result<(), StoreError> {
        let entry = self.entry(who, what, about, detail);
        self.database(tenant)?.write(move |db| audit::append(db, &entry)).await?;
        Ok(())
    }

    /// Within another write's job, on the database that the job writes:
    /// `tenant.db.write(move |db| { …; audit.note_in(db, &who, "customer.edit", &id, detail)?; Ok(()) })`.
    pub fn note_in(
        &self,
        db: &Connection,
        who: &Principal,
        what: &'static str,
        about: &str,
        detail: Value,
    ) -> Result<u64, StoreError> {
        audit::append(db, &self.entry(who.into(), what, about, detail))
    }

    /// [`Audit::note_in`] for somebody who is no principal.
    pub fn note_in_as(
        &self,
        db: &Connection,
        who: Who,
        what: &'static str,
        about: &str,
        detail: Value,
    ) -> Result<u64, StoreError> {
        audit::append(db, &self.entry(who, what, about, detail))
    }

    fn entry(&self, who: Who, what: &'static str, about: &str, detail: Value) -> Entry {
        let at_ms = self.clock.unix_ms(self.clock.now());
        Entry { at_ms, who, what: what.to_owned(), about: about.to_owned(), detail }
    }

    fn database(&self, tenant: Option<&TenantId>) -> Result<Database, StoreError> {
        match tenant {
            None => Ok(self.vault.system().clone()),
            Some(id) => self.vault.tenant(id).ok_or(StoreError::NotFound("tenant")),
        }
    }

    pub const fn signer(&self) -> &Signer {
        &self.signer
    }

    /// What an auditor checks heads with.
    pub fn verifier(&self) -> Verifier {
        self.signer.verifier()
    }

    /// Signs the heads of all chains that grew, keeps the tenants' in the system's database too, and
    /// tells each in the log: the journal outside is an anchor that no file of ours can undo.
    pub async fn sign_now(&self) -> Result<Vec<Head>, StoreError> {
        let mut signed = Vec::new();
        for tenant in self.vault.tenants() {
            // A tenant may be shredded while we walk.
            let Some(db) = self.vault.tenant(&tenant) else { continue };
            if let Some(head) = self.sign(&db, Chain::tenant(&tenant)).await? {
                let copy = head.clone();
                self.vault.system().write(move |db| audit::copy_head(db, &copy)).await?;
                signed.push(head);
            }
        }
        signed.extend(self.sign(self.vault.system(), Chain::system()).await?);
        for head in &signed {
            tracing::info!(
                chain = head.chain.as_str(),
                seq = head.seq,
                hash = %hex(&head.hash),
                at_ms = head.at_ms,
                signature = %hex(&head.signature),
                "signed the head of an audit chain"
            );
        }
        Ok(signed)
    }

    async fn sign(&self, db: &Database, chain: Chain) -> Result<Option<Head>, StoreError> {
        let (signer, now_ms) = (self.signer.clone(), self.clock.unix_ms(self.clock.now()));
        db.write(move |db| signer.sign_head(db, &chain, now_ms)).await
    }

    /// Checks one chain, with the heads that the system's database and the caller keep of it.
    pub async fn verify(&self, tenant: Option<&TenantId>, mut outside: Vec<Head>) -> Result<Report, StoreError> {
        let chain = Chain::of(tenant);
        let key = self.verifier();
        if tenant.is_some() {
            let of = chain.clone();
            outside.extend(self.vault.system().read(move |db| audit::heads(db, &of, usize::MAX)).await?);
        }
        self.database(tenant)?.read(move |db| audit::verify(db, &chain, &key, &outside)).await
    }

    /// Signs at intervals while the daemon lives, and a last time when it stops.
    pub async fn sign_heads(self, scope: Scope) {
        loop {
            tokio::select! {
                () = scope.stopped() => break,
                () = tokio::time::sleep(limits::AUDIT_HEAD_EVERY) => {}
            }
            self.sign_or_complain().await;
        }
        self.sign_or_complain().await;
    }

    async fn sign_or_complain(&self) {
        if let Err(error) = self.sign_now().await {
            tracing::error!(%error, "the head of an audit chain could not be signed; tried again at the next interval");
        }
    }
}
