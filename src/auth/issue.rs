//! Keys and tokens, handed out and taken back.

use rusqlite::Connection;
use serde_json::json;
use uuid::Uuid;

use super::gate::Gate;
use super::keys::FreshKey;
use super::principal::{Kind, Principal};
use super::refusal::Refusal;
use super::role::{Permission, Role};
use super::{jwt, people};
use crate::base::secret::Secret;
use crate::base::{TenantId, limits};
use crate::store::api_keys::{self, ApiKey, Token};
use crate::store::vault::{self, TenantRow};
use crate::store::{StoreError, Vault};

/// A key to be made.
#[derive(Clone, Debug)]
pub struct WantedKey {
    pub name: String,
    pub role: Role,
    /// `None`: the whole box.
    pub tenant: Option<TenantId>,
    pub scopes: Option<Vec<Permission>>,
    /// Unix ms.
    pub until_ms: Option<i64>,
}

/// A token to be made.
#[derive(Clone, Debug)]
pub struct WantedToken {
    pub name: String,
    /// `None`: the issuer's own.
    pub role: Option<Role>,
    pub tenant: TenantId,
    pub scopes: Option<Vec<Permission>>,
    pub seconds: u64,
}

fn words(scopes: Option<&Vec<Permission>>) -> Option<Vec<String>> {
    scopes.map(|scopes| scopes.iter().map(ToString::to_string).collect())
}

impl Gate {
    pub async fn make_key(&self, who: &Principal, mut wanted: WantedKey) -> Result<(ApiKey, Secret), Refusal> {
        if wanted.tenant.is_none() {
            wanted.tenant.clone_from(&who.tenant);
        }
        self.check_tenant(who, wanted.tenant.as_ref()).await?;
        let now_ms = self.now_ms();
        if wanted.until_ms.is_some_and(|until| until <= now_ms) {
            return Err(Refusal::Invalid("the key would have run out already; choose a later end".to_owned()));
        }
        if !who.may_give(wanted.role, wanted.scopes.as_deref(), wanted.tenant.as_ref()) {
            return Err(Refusal::beyond());
        }
        let fresh = FreshKey::random()?;
        let key = ApiKey {
            id: fresh.id,
            hash: fresh.hash,
            name: people::plain_name(&wanted.name)?,
            tenant: wanted.tenant.map(String::from),
            role: wanted.role.to_string(),
            scopes: words(wanted.scopes.as_ref()),
            created_by: who.actor(),
            created_ms: now_ms,
            until_ms: wanted.until_ms,
            used_ms: None,
            revoked_ms: None,
        };
        let (row, audit, by) = (key.clone(), self.0.audit.clone(), who.clone());
        self.system()
            .write(move |db| {
                api_keys::insert(db, &row)?;
                let detail = json!({ "role": row.role, "tenant": row.tenant, "scopes": row.scopes });
                audit.note_in(db, &by, "key.create", &row.id, detail)?;
                Ok(())
            })
            .await?;
        Ok((key, fresh.key))
    }

    pub async fn keys(&self, who: &Principal, after: &str, most: u32) -> Result<Vec<ApiKey>, Refusal> {
        let (tenant, after) = (who.tenant.clone().map(String::from), after.to_owned());
        Ok(self.system().read(move |db| api_keys::page(db, tenant.as_deref(), &after, most)).await?)
    }

    pub async fn key(&self, who: &Principal, id: &str) -> Result<ApiKey, Refusal> {
        let (id, who) = (id.to_owned(), who.clone());
        self.system().read(move |db| seen_key(db, &who, &id)).await?.ok_or(Refusal::NotFound("the key"))
    }

    pub async fn revoke_key(&self, who: &Principal, id: &str) -> Result<(), Refusal> {
        let (id, by, audit, now_ms) = (id.to_owned(), who.clone(), self.0.audit.clone(), self.now_ms());
        self.system()
            .write(move |db| {
                if seen_key(db, &by, &id)?.is_none() {
                    return Ok(Err(Refusal::NotFound("the key")));
                }
                if api_keys::revoke(db, &id, now_ms)? {
                    audit.note_in(db, &by, "key.revoke", &id, json!({}))?;
                }
                Ok(Ok(()))
            })
            .await?
    }

    /// A short-lived token with what the issuer may, or less.
    pub async fn make_token(&self, who: &Principal, wanted: WantedToken) -> Result<(Token, Secret), Refusal> {
        let most = limits::TOKEN_MAX.as_secs();
        if !(1..=most).contains(&wanted.seconds) {
            return Err(Refusal::Invalid(format!("a token lives 1 to {most} seconds")));
        }
        if matches!(who.kind, Kind::Token { .. }) {
            return Err(Refusal::Forbidden("a token issues no tokens; use the key it came from".to_owned()));
        }
        let role = wanted.role.unwrap_or(who.role);
        // Whoever is cut down to scopes cuts down what they issue, unless they say how.
        let scopes = wanted.scopes.or_else(|| who.scopes.clone());
        if !who.may_give(role, scopes.as_deref(), Some(&wanted.tenant)) {
            return Err(Refusal::beyond());
        }
        self.check_tenant(who, Some(&wanted.tenant)).await?;
        let key = self.0.vault.tenant_secret(&wanted.tenant, jwt::PURPOSE).ok_or(Refusal::NotFound("the tenant"))?;
        let (now, now_ms) = (self.now_seconds(), self.now_ms());
        let jti = Uuid::now_v7().to_string();
        let exp = now + wanted.seconds;
        let claims =
            jwt::Claims::new(who.actor(), jti.clone(), wanted.tenant.clone(), (role, scopes.clone()), (now, exp));
        let signed = jwt::sign(&claims, &key).map_err(|error| Refusal::Invalid(error.to_string()))?;
        let token = Token {
            jti,
            tenant: wanted.tenant.into(),
            name: people::plain_name(&wanted.name)?,
            role: role.to_string(),
            scopes: words(scopes.as_ref()),
            issued_by: who.actor(),
            created_ms: now_ms,
            until_ms: i64::try_from(exp).unwrap_or(0).saturating_mul(1_000),
            revoked_ms: None,
        };
        let (row, audit, by) = (token.clone(), self.0.audit.clone(), who.clone());
        let kept = self.system().write(move |db| {
            let alive = api_keys::tokens_of(db, &row.issued_by, now_ms)?;
            if alive >= i64::try_from(limits::TOKENS_OF_ONE_MAX).unwrap_or(i64::MAX) {
                return Ok(false);
            }
            api_keys::insert_token(db, &row)?;
            let detail = json!({ "role": row.role, "tenant": row.tenant, "scopes": row.scopes });
            audit.note_in(db, &by, "token.issue", &row.jti, detail)?;
            Ok(true)
        });
        if !kept.await? {
            return Err(Refusal::Conflict(format!(
                "{} tokens of yours are alive; let some run out or revoke them",
                limits::TOKENS_OF_ONE_MAX
            )));
        }
        Ok((token, signed))
    }

    /// One's own, or with the permission for it anybody's within reach.
    pub async fn revoke_token(&self, who: &Principal, jti: &str) -> Result<(), Refusal> {
        let (jti, by, audit, now_ms) = (jti.to_owned(), who.clone(), self.0.audit.clone(), self.now_ms());
        self.system()
            .write(move |db| {
                let token = api_keys::token(db, &jti)?.filter(|token| {
                    let reached = token.tenant.parse().is_ok_and(|tenant| by.reaches(&tenant));
                    let own = token.issued_by == by.actor();
                    reached && (own || by.may(Permission::TokensManage))
                });
                if token.is_none() {
                    return Ok(Err(Refusal::NotFound("the token")));
                }
                if api_keys::revoke_token(db, &jti, now_ms)? {
                    audit.note_in(db, &by, "token.revoke", &jti, json!({}))?;
                }
                Ok(Ok(()))
            })
            .await?
    }

    /// Tokens that hold, of the whole box: for the command line.
    pub async fn tokens(&self, after: &str, most: u32) -> Result<Vec<Token>, Refusal> {
        let (after, now_ms) = (after.to_owned(), self.now_ms());
        Ok(self.system().read(move |db| api_keys::tokens(db, &after, most, now_ms)).await?)
    }

    /// A tenant and everything of it is destroyed; its people, keys and tokens are gone with it.
    pub async fn shred(&self, who: &Principal, id: &TenantId) -> Result<(), Refusal> {
        if *id == TenantId::default_tenant() {
            return Err(Refusal::Conflict(
                "the tenant default stays: calls that concern nobody are kept there".to_owned(),
            ));
        }
        let (kept, wanted): (Vault, _) = (self.0.vault.clone(), id.clone());
        let known = self.system().read(move |db| vault::find(db, &wanted)).await?;
        if known.is_none_or(|row| row.shredded_ms.is_some()) {
            return Err(Refusal::NotFound("the tenant"));
        }
        // First whoever could still come in, then the data: a crash in between leaves nobody inside.
        let (audit, by, gone) = (self.0.audit.clone(), who.clone(), id.clone());
        self.system()
            .write(move |db| {
                let people = crate::store::users::delete_of_tenant(db, gone.as_str())?;
                let keys = api_keys::delete_of_tenant(db, gone.as_str())?;
                audit.note_in(db, &by, "tenant.shred", gone.as_str(), json!({ "users": people, "keys": keys }))?;
                Ok(())
            })
            .await?;
        let id = id.clone();
        let shredded = tokio::task::spawn_blocking(move || kept.shred_tenant(&id)).await;
        shredded.unwrap_or(Err(StoreError::Closed)).map_err(Refusal::Store)
    }

    pub async fn make_tenant(&self, who: &Principal, id: &TenantId, name: &str) -> Result<(), Refusal> {
        let name = people::plain_name(name)?;
        let (kept, wanted) = (self.0.vault.clone(), id.clone());
        let known = self.system().read(move |db| vault::find(db, &wanted)).await?;
        if known.is_some() {
            return Err(Refusal::Conflict(format!("there is, or was, a tenant {id}; choose another id")));
        }
        let (wanted, named) = (id.clone(), name);
        let made = tokio::task::spawn_blocking(move || kept.create_tenant(&wanted, &named).map(drop)).await;
        made.unwrap_or(Err(StoreError::Closed)).map_err(super::login::rule)?;
        self.note(who, "tenant.create", id.as_str()).await;
        Ok(())
    }

    /// `version`: the one that was read.
    pub async fn rename_tenant(
        &self,
        who: &Principal,
        id: &TenantId,
        name: String,
        version: u64,
    ) -> Result<TenantRow, Refusal> {
        let (audit, by, id) = (self.0.audit.clone(), who.clone(), id.clone());
        self.system()
            .write(move |db| {
                let known = vault::find(db, &id)?.filter(|row| row.shredded_ms.is_none());
                match known {
                    None => return Ok(Err(Refusal::NotFound("the tenant"))),
                    Some(row) if row.version != version => return Ok(Err(Refusal::Stale)),
                    Some(_) => {}
                }
                let row = vault::rename(db, &id, &name, version)?;
                audit.note_in(db, &by, "tenant.edit", id.as_str(), json!({}))?;
                Ok(Ok(row))
            })
            .await?
    }

    /// A note about something that is done already.
    pub async fn note(&self, who: &Principal, what: &'static str, about: &str) {
        let noted = self.0.audit.note(None, who, what, about, json!({})).await;
        noted.unwrap_or_else(|error| tracing::error!(%error, what, "it could not be written into the audit log"));
    }
}

fn seen_key(db: &Connection, who: &Principal, id: &str) -> Result<Option<ApiKey>, StoreError> {
    let key = api_keys::get(db, id)?;
    Ok(key.filter(|key| {
        let tenant: Result<Option<TenantId>, _> = key.tenant.as_deref().map(str::parse).transpose();
        tenant.is_ok_and(|tenant| people::sees(who, tenant.as_ref()))
    }))
}
