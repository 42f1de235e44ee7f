//! Coming in and going out: password and second factor, codes of the first start and of invitations,
//! logout. Promise: whoever is refused learns nothing about the account, each try costs the same and
//! counts; a session that was there before a login is ended by it.

use std::net::IpAddr;

use serde_json::json;

use super::gate::Gate;
use super::password::Passwords;
use super::principal::Principal;
use super::refusal::Refusal;
use super::sessions::{Entry, FreshSession};
use super::totp::TotpSecret;
use super::{people, secrets};
use crate::base::limits;
use crate::base::secret::Secret;
use crate::store::audit::Who;
use crate::store::users::User;
use crate::store::{StoreError, sessions, users};

/// What somebody shows to come in.
pub struct Attempt {
    pub login: String,
    pub password: Secret,
    pub code: Option<String>,
    pub from: From,
}

/// Where a request comes from.
#[derive(Clone, Debug)]
pub struct From {
    pub address: IpAddr,
    pub agent: String,
    /// The session shown with it, if any: it ends.
    pub session: Option<String>,
}

/// The account word under which tries of the set-up code are counted.
const SETUP: &str = "(set-up code)";
/// About which the seal of a second factor is.
pub(super) fn sealed_for(user: &User) -> String {
    format!("second factor of {}", user.id)
}

impl Gate {
    /// Password, then the second factor if there is one.
    pub async fn enter(&self, attempt: Attempt) -> Result<(User, FreshSession), Refusal> {
        let Attempt { login, password, code, from } = attempt;
        let login = people::plain_login(&login).unwrap_or_default();
        self.throttle(|throttle, now| throttle.admit(&login, from.address, now)).map_err(Refusal::Wait)?;
        let wanted = login.clone();
        let user = self.system().read(move |db| users::by_login(db, &wanted)).await?;
        let kept = user.as_ref().filter(|user| !user.disabled).and_then(|user| user.password.clone());
        let right = match self.0.passwords.verify(password, kept).await {
            Ok(right) => right,
            Err(busy) => {
                self.throttle(|throttle, _| throttle.take_back(&login, from.address));
                return Err(busy.into());
            }
        };
        let Some(user) = user.filter(|_| right) else {
            self.note_failure(&from, "password").await;
            return Err(Refusal::Wrong);
        };
        let how = match (user.totp_confirmed, code.as_deref().map(str::trim).filter(|code| !code.is_empty())) {
            (false, _) => "password",
            (true, None) => {
                self.throttle(|throttle, _| throttle.take_back(&login, from.address));
                return Err(Refusal::CodeNeeded);
            }
            (true, Some(code)) => match self.second_factor(&user, code).await? {
                Some(how) => how,
                None => {
                    self.note_failure(&from, "code").await;
                    return Err(Refusal::Wrong);
                }
            },
        };
        self.throttle(|throttle, _| throttle.succeeded(&login, from.address));
        self.let_in(user, how, from).await
    }

    /// Uses the code up; `None`: it does not hold.
    async fn second_factor(&self, user: &User, code: &str) -> Result<Option<&'static str>, Refusal> {
        let id = user.id;
        let digits = code.chars().filter(|c| !c.is_whitespace()).count() == 6;
        if digits {
            let Some(secret) = self.totp_of(user)? else { return Ok(None) };
            let last = u64::try_from(user.totp_step).unwrap_or(0);
            let Some(step) = secret.verify(code, self.now_seconds(), last) else { return Ok(None) };
            let step = i64::try_from(step).unwrap_or(i64::MAX);
            let used = self.system().write(move |db| users::use_step(db, id, step)).await?;
            return Ok(used.then_some("totp"));
        }
        let hash = secrets::hash_of_code(code);
        let used = self.system().write(move |db| users::use_recovery(db, id, &hash)).await?;
        Ok(used.then_some("recovery"))
    }

    pub(super) fn totp_of(&self, user: &User) -> Result<Option<TotpSecret>, Refusal> {
        let Some(sealed) = &user.totp_secret else { return Ok(None) };
        let opened = self.0.vault.master().open_sealed(&sealed_for(user), sealed)?;
        Ok(Some(TotpSecret::from_bytes(&opened)))
    }

    /// A new session; the one shown before ends with it.
    pub(super) async fn let_in(
        &self,
        user: User,
        how: &'static str,
        from: From,
    ) -> Result<(User, FreshSession), Refusal> {
        let entry = Entry { how, address: from.address.to_string(), agent: from.agent };
        let now_ms = self.now_ms();
        let fresh = FreshSession::new(&user, entry, self.lifetimes(), now_ms)?;
        let mut who = self.principal_of(&user, how)?;
        who.address = Some(from.address);
        let (audit, session, before, id) = (self.0.audit.clone(), fresh.session.clone(), from.session, user.id);
        self.system()
            .write(move |db| {
                if let Some(hash) = before {
                    sessions::end(db, &hash)?;
                }
                sessions::insert(db, &session, limits::SESSIONS_OF_ONE_MAX)?;
                users::came_in(db, id, now_ms)?;
                audit.note_in(db, &who, "login", &id.to_string(), json!({ "how": how, "session": session.id }))?;
                Ok(())
            })
            .await?;
        Ok((user, fresh))
    }

    /// A failed try, without what was typed: people type passwords where logins go.
    pub(super) async fn note_failure(&self, from: &From, at: &'static str) {
        let who = Who::nobody("", &from.address.to_string());
        let noted = self.0.audit.note_as(None, who, "login.failed", "", json!({ "at": at })).await;
        noted.unwrap_or_else(|error| tracing::warn!(%error, "a failed login could not be noted"));
    }

    pub async fn leave(&self, who: &Principal, hash: &str) -> Result<(), Refusal> {
        let (audit, who, hash) = (self.0.audit.clone(), who.clone(), hash.to_owned());
        self.system()
            .write(move |db| {
                if sessions::end(db, &hash)? {
                    audit.note_in(db, &who, "logout", "", json!({}))?;
                }
                Ok(())
            })
            .await?;
        Ok(())
    }

    /// The first start: makes the first admin with the code that the daemon printed.
    pub async fn set_up(
        &self,
        code: &str,
        wanted: people::Wanted,
        password: Secret,
        from: From,
    ) -> Result<(User, FreshSession), Refusal> {
        let hash = secrets::hash_of_code(code);
        let now_ms = self.now_ms();
        let user = people::fresh_user(wanted, now_ms)?;
        Passwords::check(&password, &user.login)?;
        self.throttle(|throttle, now| throttle.admit(SETUP, from.address, now)).map_err(Refusal::Wait)?;
        // Hashing is for whoever shows the right code; it is used up in one write with the first user.
        let phc = {
            let hash = hash.clone();
            let known = self.system().read(move |db| super::setup::is_code(db, &hash, now_ms)).await?;
            if !known {
                self.note_failure(&from, "setup").await;
                return Err(Refusal::CodeWrong);
            }
            self.0.passwords.hash(password).await?
        };
        let user = User { role: "admin".to_owned(), tenant: None, password: Some(phc), ..user };
        let (row, audit, address) = (user.clone(), self.0.audit.clone(), from.address.to_string());
        let made = self.system().write(move |db| {
            if users::any(db)? || !users::use_setup_code(db, &hash, now_ms)? {
                return Ok(false);
            }
            users::insert(db, &row)?;
            audit.note_in_as(db, Who::nobody("set-up code", &address), "setup", &row.id.to_string(), json!({}))?;
            Ok(true)
        });
        if !made.await? {
            return Err(Refusal::CodeWrong);
        }
        self.throttle(|throttle, _| throttle.succeeded(SETUP, from.address));
        self.let_in(user, "setup", from).await
    }

    /// An invitation or a reset: sets the password with the one-time code. Whoever has a second factor
    /// needs it at the login that follows.
    pub async fn set_with_code(&self, login: &str, code: &str, password: Secret, from: From) -> Result<(), Refusal> {
        let login = people::plain_login(login).unwrap_or_default();
        Passwords::check(&password, &login)?;
        self.throttle(|throttle, now| throttle.admit(&login, from.address, now)).map_err(Refusal::Wait)?;
        let (hash, now_ms) = (secrets::hash_of_code(code), self.now_ms());
        let (wanted, shown) = (login.clone(), hash.clone());
        if self.system().read(move |db| users::by_reset(db, &wanted, &shown, now_ms)).await?.is_none() {
            self.note_failure(&from, "reset").await;
            return Err(Refusal::CodeWrong);
        }
        let phc = self.0.passwords.hash(password).await?;
        let (audit, wanted, address) = (self.0.audit.clone(), login.clone(), from.address.to_string());
        let done = self.system().write(move |db| {
            let Some(user) = users::by_reset(db, &wanted, &hash, now_ms)? else { return Ok(false) };
            users::set_password(db, user.id, &phc, now_ms)?;
            sessions::end_all(db, user.id, None)?;
            let who = Who::nobody("one-time code", &address);
            audit.note_in_as(db, who, "password.set", &user.id.to_string(), json!({}))?;
            Ok(true)
        });
        if !done.await? {
            return Err(Refusal::CodeWrong);
        }
        self.throttle(|throttle, _| throttle.succeeded(&login, from.address));
        Ok(())
    }
}

/// So that a `StoreError` of a rule reads as what it is.
pub(super) fn rule(error: StoreError) -> Refusal {
    match error {
        StoreError::Conflict(why) => Refusal::Conflict(why),
        StoreError::Invalid(why) => Refusal::Invalid(why),
        StoreError::NotFound(what) => Refusal::NotFound(what),
        error => Refusal::Store(error),
    }
}
