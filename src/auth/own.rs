//! What people do about their own account: password, second factor, sessions.

use std::net::IpAddr;

use serde_json::json;
use uuid::Uuid;

use super::gate::{Gate, Shown};
use super::login::{From, sealed_for};
use super::password::Passwords;
use super::principal::Principal;
use super::refusal::Refusal;
use super::sessions::FreshSession;
use super::totp::{self, TotpSecret};
use crate::base::secret::Secret;
use crate::store::sessions::Session;
use crate::store::users::User;
use crate::store::{api_keys, sessions, users};

/// What an authenticator is told.
pub struct Enrolment {
    pub secret: String,
    pub uri: String,
}

impl Gate {
    /// The person behind a principal; keys and tokens have no account.
    pub async fn myself(&self, who: &Principal) -> Result<User, Refusal> {
        let id = who.user().ok_or_else(|| {
            Refusal::Forbidden("this is for people: log in with a session instead of a key or token".to_owned())
        })?;
        self.user(id).await?.ok_or(Refusal::Unknown)
    }

    /// Is it really them? Counts as a try.
    async fn confirm(&self, user: &User, password: Secret, address: IpAddr) -> Result<(), Refusal> {
        self.throttle(|throttle, now| throttle.admit(&user.login, address, now)).map_err(Refusal::Wait)?;
        match self.0.passwords.verify(password, user.password.clone()).await {
            Ok(true) => {
                self.throttle(|throttle, _| throttle.succeeded(&user.login, address));
                Ok(())
            }
            Ok(false) => Err(Refusal::Wrong),
            Err(busy) => {
                self.throttle(|throttle, _| throttle.take_back(&user.login, address));
                Err(busy.into())
            }
        }
    }

    /// Everywhere else they are logged out, and here with a new session.
    pub async fn change_password(
        &self,
        who: &Principal,
        old: Secret,
        new: Secret,
        from: From,
    ) -> Result<(User, FreshSession), Refusal> {
        let user = self.myself(who).await?;
        if user.provider.is_some() {
            return Err(Refusal::Conflict("your password is kept by the single sign-on; change it there".to_owned()));
        }
        Passwords::check(&new, &user.login)?;
        self.confirm(&user, old, from.address).await?;
        let phc = self.0.passwords.hash(new).await?;
        let (audit, by, id, now_ms) = (self.0.audit.clone(), who.clone(), user.id, self.now_ms());
        self.system()
            .write(move |db| {
                users::set_password(db, id, &phc, now_ms)?;
                sessions::end_all(db, id, None)?;
                api_keys::revoke_tokens_of(db, &format!("user:{id}"), now_ms)?;
                audit.note_in(db, &by, "password.change", &id.to_string(), json!({}))?;
                Ok(())
            })
            .await?;
        self.let_in(user, "password", From { session: None, ..from }).await
    }

    /// A new secret, not asked for before it is confirmed with a first code.
    pub async fn enrol(&self, who: &Principal, password: Secret, from: &From) -> Result<Enrolment, Refusal> {
        let user = self.myself(who).await?;
        if user.provider.is_some() {
            return Err(Refusal::Conflict("your second factor is kept by the single sign-on".to_owned()));
        }
        if user.totp_confirmed {
            return Err(Refusal::Conflict("there is a second factor already; remove it first".to_owned()));
        }
        self.confirm(&user, password, from.address).await?;
        let secret = TotpSecret::random()?;
        let sealed = self.0.vault.master().seal(&sealed_for(&user), secret.bytes())?;
        let (id, now_ms, audit, by) = (user.id, self.now_ms(), self.0.audit.clone(), who.clone());
        self.system()
            .write(move |db| {
                users::set_totp(db, id, Some(&sealed), now_ms)?;
                audit.note_in(db, &by, "totp.enrol", &id.to_string(), json!({}))?;
                Ok(())
            })
            .await?;
        Ok(Enrolment { secret: secret.base32(), uri: secret.uri("vaani", &user.login) })
    }

    /// From now on it is asked for. Gives the recovery codes, once; every other session ends.
    pub async fn confirm_totp(
        &self,
        who: &Principal,
        code: &str,
        from: From,
    ) -> Result<(Vec<String>, User, FreshSession), Refusal> {
        let user = self.myself(who).await?;
        self.throttle(|throttle, now| throttle.admit(&user.login, from.address, now)).map_err(Refusal::Wait)?;
        let pending = if user.totp_confirmed { None } else { self.totp_of(&user)? };
        let secret =
            pending.ok_or_else(|| Refusal::Conflict("no second factor is waiting to be confirmed".to_owned()))?;
        let step = secret.verify(code, self.now_seconds(), 0).ok_or(Refusal::CodeWrong)?;
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        let (codes, hashes) = totp::recovery_codes()?;
        let (id, now_ms, audit, by) = (user.id, self.now_ms(), self.0.audit.clone(), who.clone());
        let done = self.system().write(move |db| {
            let done = users::confirm_totp(db, id, step, &hashes, now_ms)?;
            if done {
                sessions::end_all(db, id, None)?;
                audit.note_in(db, &by, "totp.confirm", &id.to_string(), json!({}))?;
            }
            Ok(done)
        });
        if !done.await? {
            return Err(Refusal::CodeWrong);
        }
        self.throttle(|throttle, _| throttle.succeeded(&user.login, from.address));
        let user = self.user(user.id).await?.ok_or(Refusal::Unknown)?;
        let (user, fresh) = self.let_in(user, "totp", From { session: None, ..from }).await?;
        Ok((codes, user, fresh))
    }

    /// Removes it; needs the password, so that a session left open is not enough.
    pub async fn remove_totp(&self, who: &Principal, password: Secret, from: &From) -> Result<(), Refusal> {
        let user = self.myself(who).await?;
        if self.0.settings.require_totp_for.contains(&user.role) && user.totp_confirmed {
            return Err(Refusal::Conflict(
                "your role asks for a second factor; an admin can reset it when the device is lost".to_owned(),
            ));
        }
        self.confirm(&user, password, from.address).await?;
        let (id, now_ms, audit, by) = (user.id, self.now_ms(), self.0.audit.clone(), who.clone());
        self.system()
            .write(move |db| {
                users::set_totp(db, id, None, now_ms)?;
                audit.note_in(db, &by, "totp.remove", &id.to_string(), json!({}))?;
                Ok(())
            })
            .await?;
        Ok(())
    }

    pub async fn my_sessions(&self, who: &Principal) -> Result<Vec<Session>, Refusal> {
        let (id, now_ms) = (self.myself(who).await?.id, self.now_ms());
        Ok(self.system().read(move |db| sessions::of_user(db, id, now_ms)).await?)
    }

    /// Ends one of one's own sessions, or with `None` all but the one that was shown.
    pub async fn end_sessions(
        &self,
        who: &Principal,
        which: Option<Uuid>,
        shown: Option<&Shown>,
    ) -> Result<(), Refusal> {
        let user = self.myself(who).await?.id;
        let (audit, by, keep) = (self.0.audit.clone(), who.clone(), shown.map(|shown| shown.hash.clone()));
        self.system()
            .write(move |db| {
                let ended = match which {
                    Some(id) => usize::from(sessions::end_of(db, user, id)?),
                    None => sessions::end_all(db, user, keep.as_deref())?,
                };
                if which.is_some() && ended == 0 {
                    return Ok(Err(Refusal::NotFound("the session")));
                }
                audit.note_in(db, &by, "session.end", &user.to_string(), json!({ "ended": ended }))?;
                Ok(Ok(()))
            })
            .await?
    }
}
