//! Who comes: finds out from a token, a key or a cookie. Everything about access goes through here;
//! what was read once is not kept, so that whoever is shut out is out at the next request, also when
//! another process (the command line) did it.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::audit::Audit;
use super::oidc::Oidc;
use super::password::Passwords;
use super::principal::{Kind, Principal};
use super::refusal::Refusal;
use super::role::{Permission, Role};
use super::sessions::{Cookies, Lifetimes};
use super::throttle::{Rate, Source, Throttle};
use super::{jwt, keys, secrets};
use crate::base::secret::Secret;
use crate::base::{Clock, TenantId, limits};
use crate::config;
use crate::store::users::User;
use crate::store::{Database, StoreError, Vault, api_keys, sessions, users};

/// What the gate is built from.
pub struct GateDeps {
    pub vault: Vault,
    pub audit: Audit,
    pub clock: Clock,
    pub settings: config::Auth,
    /// What browsers call, without a slash at the end.
    pub base_url: String,
    /// The box's own token.
    pub token: Secret,
}

pub(super) struct Inner {
    pub(super) vault: Vault,
    pub(super) audit: Audit,
    clock: Clock,
    pub(super) settings: config::Auth,
    pub(super) base_url: String,
    token: Secret,
    pub(super) passwords: Passwords,
    throttle: Mutex<Throttle>,
    pub(super) oidc: Option<Oidc>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Gate(pub(super) Arc<Inner>);

/// A session that was shown.
#[derive(Clone, Debug)]
pub struct Shown {
    pub hash: String,
    pub id: Uuid,
    pub csrf: String,
}

impl Gate {
    /// Hashes once: blocking.
    pub fn new(deps: GateDeps) -> Result<Self, Refusal> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let oidc = deps.settings.oidc.clone().map(|oidc| Oidc::new(oidc, &deps.base_url)).transpose()?;
        Ok(Self(Arc::new(Inner {
            vault: deps.vault,
            audit: deps.audit,
            clock: deps.clock,
            settings: deps.settings,
            base_url: deps.base_url,
            token: deps.token,
            passwords: Passwords::new(cores)?,
            throttle: Mutex::default(),
            oidc,
        })))
    }

    pub fn vault(&self) -> &Vault {
        &self.0.vault
    }

    pub fn audit(&self) -> &Audit {
        &self.0.audit
    }

    /// What browsers call, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.0.base_url
    }

    pub fn settings(&self) -> &config::Auth {
        &self.0.settings
    }

    pub fn cookies(&self) -> Cookies {
        Cookies { secure: self.0.base_url.starts_with("https:") }
    }

    /// Is this the origin of the box's own pages?
    pub fn is_own_origin(&self, origin: &str) -> bool {
        let of = |text: &str| url::Url::parse(text).ok().map(|url| url.origin());
        of(origin).is_some_and(|origin| origin.is_tuple() && Some(origin) == of(&self.0.base_url))
    }

    pub(super) fn system(&self) -> &Database {
        self.0.vault.system()
    }

    /// Wall time: it is compared with what other processes wrote.
    pub fn now_ms(&self) -> i64 {
        i64::try_from(self.0.clock.wall().as_millis()).unwrap_or(i64::MAX)
    }

    pub(super) fn now_seconds(&self) -> u64 {
        self.0.clock.wall().as_secs()
    }

    pub(super) fn lifetimes(&self) -> Lifetimes {
        Lifetimes { whole_ms: ms(self.0.settings.session), idle_ms: ms(self.0.settings.idle) }
    }

    pub(super) fn throttle<T>(&self, with: impl FnOnce(&mut Throttle, crate::base::Moment) -> T) -> T {
        // It holds counters only: a panic in between leaves nothing half done that matters.
        let mut throttle = self.0.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        with(&mut throttle, self.0.clock.now())
    }

    /// One request of somebody known, or of an address. `Err`: how long to wait.
    pub fn take(&self, who: Option<&Principal>, address: IpAddr) -> Result<(), Duration> {
        let limits = self.0.settings.limits;
        let (source, rate) = match who.map(|who| &who.kind) {
            // Whoever holds the box's own token owns the box.
            Some(Kind::Box) => return Ok(()),
            Some(kind) => {
                (Source::Known(kind.to_string()), Rate { per_second: limits.key_per_second, burst: limits.key_burst })
            }
            None => {
                (Source::Address(address), Rate { per_second: limits.address_per_second, burst: limits.address_burst })
            }
        };
        self.throttle(|throttle, now| throttle.take(source, rate, now))
    }

    /// The database of a tenant, also of one that another process made a moment ago.
    pub async fn tenant(&self, id: &TenantId) -> Result<Option<Database>, StoreError> {
        if let Some(db) = self.0.vault.tenant(id) {
            return Ok(Some(db));
        }
        let (vault, wanted) = (self.0.vault.clone(), id.clone());
        let row = self.system().read(move |db| crate::store::vault::find(db, &wanted)).await?;
        let Some(row) = row.filter(|row| row.shredded_ms.is_none()) else { return Ok(None) };
        let opened = tokio::task::spawn_blocking(move || vault.create_tenant(&row.id, &row.name)).await;
        opened.map_err(|_| StoreError::Closed)?.map(Some)
    }

    /// Whoever holds `text`: the box's token, a key, or a short-lived token.
    pub async fn by_bearer(&self, text: &str) -> Result<Principal, Refusal> {
        if self.0.token.matches(text) {
            return Ok(Principal::the_box("api token"));
        }
        if let Some((id, secret)) = keys::parse(text) {
            return self.by_key(id.to_owned(), secret).await;
        }
        if jwt::is_like_one(text) {
            return self.by_jwt(text).await;
        }
        Err(Refusal::Unknown)
    }

    async fn by_key(&self, id: String, secret: &str) -> Result<Principal, Refusal> {
        let now_ms = self.now_ms();
        let found = self.system().read(move |db| api_keys::get(db, &id)).await?;
        // Nobody learns by the duration whether an id exists: a hash is compared either way.
        let hash = found.as_ref().map_or("", |key| key.hash.as_str());
        let right = keys::matches(secret, hash);
        let key =
            found.filter(|key| right && key.revoked_ms.is_none() && key.until_ms.is_none_or(|until| until > now_ms));
        let key = key.ok_or(Refusal::Unknown)?;
        let kind = Kind::Key { id: key.id.clone() };
        let principal = principal(kind, &key.name, &key.role, key.tenant.as_deref(), key.scopes.as_deref())?;
        let last = key.used_ms.unwrap_or(0);
        if now_ms - last >= ms(limits::USED_EVERY) {
            let (audit, who) = (self.0.audit.clone(), principal.clone());
            // Told again when it comes back after an hour: use is visible, the log stays readable.
            let told = now_ms - last >= 3_600_000;
            let noted = self.system().write(move |db| {
                api_keys::used(db, &key.id, now_ms)?;
                if told {
                    audit.note_in(db, &who, "key.use", &key.id, serde_json::json!({}))?;
                }
                Ok(())
            });
            noted.await.unwrap_or_else(|error| tracing::warn!(%error, "the use of a key could not be noted"));
        }
        Ok(principal)
    }

    async fn by_jwt(&self, text: &str) -> Result<Principal, Refusal> {
        // Another process may have made the tenant a moment ago.
        let tenant = jwt::tenant_of(text).ok_or(Refusal::Unknown)?;
        if self.tenant(&tenant).await?.is_none() {
            return Err(Refusal::Unknown);
        }
        let vault = &self.0.vault;
        let claims = jwt::verify(text, |tenant| vault.tenant_secret(tenant, jwt::PURPOSE), self.now_seconds())
            .map_err(|_| Refusal::Unknown)?;
        let jti = claims.jti.clone();
        let row = self.system().read(move |db| api_keys::token(db, &jti)).await?;
        // After a backup is restored a token may be unknown whose signature holds: nobody could revoke it.
        let row = row.filter(|row| row.revoked_ms.is_none() && row.tenant == claims.tenant.as_str());
        let row = row.ok_or(Refusal::Unknown)?;
        let mut principal = Principal::new(Kind::Token { jti: claims.jti }, row.name, claims.role, Some(claims.tenant));
        principal.scopes = claims.scopes;
        Ok(principal)
    }

    /// Whoever holds this cookie.
    pub async fn by_cookie(&self, token: &str) -> Result<(Principal, Shown), Refusal> {
        if token.is_empty() || token.len() > 128 {
            return Err(Refusal::Unknown);
        }
        let (hash, now_ms) = (secrets::sha256_hex(token), self.now_ms());
        let found = self.system().read(move |db| {
            let Some(session) = sessions::live(db, &hash, now_ms)? else { return Ok(None) };
            Ok(users::get(db, session.user)?.map(|user| (session, user)))
        });
        let (session, user) = found.await?.filter(|(_, user)| !user.disabled).ok_or(Refusal::Unknown)?;
        let principal = self.principal_of(&user, &session.how)?;
        if now_ms - session.seen_ms >= ms(limits::SEEN_EVERY) {
            let (hash, until) = (session.hash.clone(), now_ms + ms(self.0.settings.idle));
            let noted = self.system().write(move |db| sessions::seen(db, &hash, now_ms, until)).await;
            noted.unwrap_or_else(|error| tracing::warn!(%error, "the use of a session could not be noted"));
        }
        Ok((principal, Shown { hash: session.hash, id: session.id, csrf: session.csrf }))
    }

    /// What somebody may who came in like this.
    pub fn principal_of(&self, user: &User, how: &str) -> Result<Principal, Refusal> {
        let kind = Kind::User { id: user.id };
        let mut principal = principal(kind, &user.login, &user.role, user.tenant.as_deref(), None)?;
        if self.must_enrol(user, how) {
            principal.scopes = Some(vec![Permission::Own]);
        }
        Ok(principal)
    }

    /// The role asks for a second factor that is not there yet. Whoever came from the provider showed
    /// there what it asks for.
    pub fn must_enrol(&self, user: &User, how: &str) -> bool {
        how != "oidc" && !user.totp_confirmed && self.0.settings.require_totp_for.contains(&user.role)
    }

    /// Removes what has run out: sessions, tokens, logins under way. For a nightly sweep.
    pub async fn sweep(&self) -> Result<usize, StoreError> {
        let now_ms = self.now_ms();
        self.system().write(move |db| sessions::sweep(db, now_ms)).await
    }

    /// A person's row.
    pub async fn user(&self, id: Uuid) -> Result<Option<User>, StoreError> {
        self.system().read(move |db| users::get(db, id)).await
    }
}

pub(super) fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// From a row's words. A word that this version does not know lets nobody in.
fn principal(
    kind: Kind,
    name: &str,
    role: &str,
    tenant: Option<&str>,
    scopes: Option<&[String]>,
) -> Result<Principal, Refusal> {
    let role: Role = role.parse().map_err(|_| Refusal::Unknown)?;
    let tenant = tenant.map(str::parse).transpose().map_err(|_| Refusal::Unknown)?;
    let mut principal = Principal::new(kind, name, role, tenant);
    principal.scopes = scopes.map(|words| words.iter().filter_map(|word| word.parse().ok()).collect());
    Ok(principal)
}
