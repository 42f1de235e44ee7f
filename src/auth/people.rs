//! Users, as admins keep them. Promise: nobody gives or changes what is above their own rights; the
//! last admin of the box stays; whoever loses rights is out at once. Checks and change are one write.

use rusqlite::Connection;
use serde_json::json;
use uuid::Uuid;

use super::gate::{Gate, ms};
use super::login::rule;
use super::principal::Principal;
use super::refusal::Refusal;
use super::role::Role;
use super::secrets;
use crate::base::secret::Secret;
use crate::base::{TenantId, limits};
use crate::store::users::User;
use crate::store::{StoreError, api_keys, sessions, users};

/// Somebody to be made.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub login: String,
    pub name: String,
    pub role: Role,
    /// `None`: the whole box.
    pub tenant: Option<TenantId>,
}

/// What is changed; absent fields stay.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub name: Option<String>,
    pub role: Option<Role>,
    /// `Some(None)`: the whole box.
    pub tenant: Option<Option<TenantId>>,
    pub disabled: Option<bool>,
}

/// Lower case, without what could be mistaken for something else.
pub fn plain_login(text: &str) -> Result<String, Refusal> {
    let login = text.trim().to_lowercase();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-' | '+' | '@');
    let fits = (1..=limits::LOGIN_CHARS_MAX).contains(&login.len())
        && login.chars().all(plain)
        && login.starts_with(|c: char| c.is_ascii_alphanumeric());
    if fits {
        return Ok(login);
    }
    Err(Refusal::Invalid(format!(
        "a login has letters a-z, digits and . _ - + @, a letter or digit first, at most {} characters",
        limits::LOGIN_CHARS_MAX
    )))
}

/// A name that people read.
pub fn plain_name(text: &str) -> Result<String, Refusal> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > limits::NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return Err(Refusal::Invalid(format!("a name has 1 to {} characters on one line", limits::NAME_CHARS_MAX)));
    }
    Ok(name.to_owned())
}

pub(super) fn fresh_user(wanted: Wanted, now_ms: i64) -> Result<User, Refusal> {
    let login = plain_login(&wanted.login)?;
    let name = if wanted.name.trim().is_empty() { login.clone() } else { plain_name(&wanted.name)? };
    if wanted.role == Role::Service {
        return Err(Refusal::Invalid(
            "the role service is for programs: make an API key with it instead of a user".to_owned(),
        ));
    }
    Ok(User {
        id: Uuid::now_v7(),
        login,
        name,
        role: wanted.role.to_string(),
        tenant: wanted.tenant.map(String::from),
        password: None,
        totp_secret: None,
        totp_confirmed: false,
        totp_step: 0,
        recovery: Vec::new(),
        provider: None,
        disabled: false,
        created_ms: now_ms,
        changed_ms: now_ms,
        login_ms: None,
        version: 1,
    })
}

/// Role and tenant of a row, where this version knows the words.
fn place(user: &User) -> Option<(Role, Option<TenantId>)> {
    let tenant = user.tenant.as_deref().map(str::parse).transpose().ok()?;
    Some((user.role.parse().ok()?, tenant))
}

/// Somebody whom `who` may see and change: within reach, and with nothing that `who` lacks.
fn within(db: &Connection, who: &Principal, id: Uuid) -> Result<Result<User, Refusal>, StoreError> {
    let Some(user) = users::get(db, id)? else { return Ok(Err(Refusal::NotFound("the user"))) };
    let Some((role, tenant)) = place(&user) else { return Ok(Err(Refusal::beyond())) };
    if !sees(who, tenant.as_ref()) {
        return Ok(Err(Refusal::NotFound("the user")));
    }
    Ok(if who.may_give(role, None, tenant.as_ref()) { Ok(user) } else { Err(Refusal::beyond()) })
}

/// A tenant's admin sees that tenant's people only.
pub(super) fn sees(who: &Principal, tenant: Option<&TenantId>) -> bool {
    tenant.map_or(who.tenant.is_none(), |tenant| who.reaches(tenant))
}

/// The last admin of the box who can come in.
fn is_last_owner(db: &Connection, user: &User) -> Result<bool, StoreError> {
    let owner = user.role == Role::Admin.as_str() && user.tenant.is_none() && !user.disabled;
    Ok(owner && users::other_owners(db, user.id)? == 0)
}

fn last_owner() -> Refusal {
    Refusal::Conflict("this is the last admin of the box; make another one first".to_owned())
}

/// The rights of somebody are gone: so are the sessions, and the tokens they issued.
fn shut_out(db: &Connection, id: Uuid, now_ms: i64) -> Result<(), StoreError> {
    sessions::end_all(db, id, None)?;
    api_keys::revoke_tokens_of(db, &format!("user:{id}"), now_ms)?;
    Ok(())
}

impl Gate {
    /// Is it there? Whether another tenant exists is nobody's business who belongs to one.
    pub(super) async fn check_tenant(&self, who: &Principal, tenant: Option<&TenantId>) -> Result<(), Refusal> {
        let Some(id) = tenant else { return Ok(()) };
        if !who.reaches(id) {
            return Err(Refusal::beyond());
        }
        if self.tenant(id).await?.is_none() {
            return Err(Refusal::Invalid(format!("there is no tenant {id}; make it first")));
        }
        Ok(())
    }

    /// Makes somebody, with a one-time code to set a password with.
    pub async fn make_user(&self, who: &Principal, mut wanted: Wanted) -> Result<(User, String), Refusal> {
        // Whoever belongs to a tenant makes people of it.
        if wanted.tenant.is_none() {
            wanted.tenant.clone_from(&who.tenant);
        }
        self.check_tenant(who, wanted.tenant.as_ref()).await?;
        let (role, tenant) = (wanted.role, wanted.tenant.clone());
        let user = fresh_user(wanted, self.now_ms())?;
        if !who.may_give(role, None, tenant.as_ref()) {
            return Err(Refusal::beyond());
        }
        let code = secrets::code(15)?;
        let (row, hash, audit, by) = (user.clone(), secrets::hash_of_code(&code), self.0.audit.clone(), who.clone());
        let now_ms = self.now_ms();
        let made = self.system().write(move |db| {
            users::insert(db, &row)?;
            users::set_reset(db, row.id, &hash, now_ms + ms(limits::RESET_CODE_TTL), now_ms)?;
            let detail = json!({ "role": row.role, "tenant": row.tenant });
            audit.note_in(db, &by, "user.create", &row.id.to_string(), detail)?;
            users::get(db, row.id)
        });
        let user = made.await.map_err(rule)?.unwrap_or(user);
        Ok((user, code))
    }

    /// The same with a password at once: for the command line, where nobody else sees it.
    pub async fn make_user_with(&self, who: &Principal, wanted: Wanted, password: Secret) -> Result<User, Refusal> {
        super::password::Passwords::check(&password, &plain_login(&wanted.login)?)?;
        let phc = self.0.passwords.hash(password).await?;
        let (user, _) = self.make_user(who, wanted).await?;
        let (id, now_ms) = (user.id, self.now_ms());
        let set = self.system().write(move |db| {
            users::set_password(db, id, &phc, now_ms)?;
            users::get(db, id)
        });
        set.await?.ok_or(Refusal::NotFound("the user"))
    }

    pub async fn users(&self, who: &Principal, after: &str, most: u32) -> Result<Vec<User>, Refusal> {
        let tenant = who.tenant.clone().map(String::from);
        let after = after.to_owned();
        Ok(self.system().read(move |db| users::page(db, tenant.as_deref(), &after, most)).await?)
    }

    /// Somebody within reach.
    pub async fn one_user(&self, who: &Principal, id: Uuid) -> Result<User, Refusal> {
        let found = self.user(id).await?;
        let seen = found.filter(|user| place(user).is_some_and(|(_, tenant)| sees(who, tenant.as_ref())));
        seen.ok_or(Refusal::NotFound("the user"))
    }

    pub async fn user_of_login(&self, login: &str) -> Result<User, Refusal> {
        let login = plain_login(login)?;
        let found = self.system().read(move |db| users::by_login(db, &login)).await?;
        found.ok_or(Refusal::NotFound("a user of this login"))
    }

    /// `version`: the one that was read.
    pub async fn change_user(&self, who: &Principal, id: Uuid, version: i64, change: Change) -> Result<User, Refusal> {
        if let Some(Some(tenant)) = &change.tenant {
            self.check_tenant(who, Some(tenant)).await?;
        }
        let name = change.name.as_deref().map(plain_name).transpose()?;
        if change.role == Some(Role::Service) {
            return Err(Refusal::Invalid("the role service is for API keys, not for people".to_owned()));
        }
        let (audit, by, now_ms) = (self.0.audit.clone(), who.clone(), self.now_ms());
        self.system()
            .write(move |db| {
                let before = match within(db, &by, id)? {
                    Ok(user) => user,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                let mut after = before.clone();
                after.version = version;
                if let Some(name) = name {
                    after.name = name;
                }
                if let Some(role) = change.role {
                    after.role = role.to_string();
                }
                if let Some(tenant) = change.tenant {
                    after.tenant = tenant.map(String::from);
                }
                if let Some(disabled) = change.disabled {
                    after.disabled = disabled;
                }
                let given = place(&after).is_some_and(|(role, tenant)| by.may_give(role, None, tenant.as_ref()));
                if !given {
                    return Ok(Err(Refusal::beyond()));
                }
                let demoted = after.role != before.role || after.tenant != before.tenant || after.disabled;
                if demoted && is_last_owner(db, &before)? {
                    return Ok(Err(last_owner()));
                }
                if !users::update(db, &after, now_ms)? {
                    return Ok(Err(Refusal::Stale));
                }
                if demoted {
                    shut_out(db, id, now_ms)?;
                }
                let detail = json!({ "role": after.role, "tenant": after.tenant, "disabled": after.disabled });
                audit.note_in(db, &by, "user.edit", &id.to_string(), detail)?;
                Ok(users::get(db, id)?.ok_or(Refusal::NotFound("the user")))
            })
            .await?
    }

    pub async fn remove_user(&self, who: &Principal, id: Uuid) -> Result<(), Refusal> {
        let (audit, by, now_ms) = (self.0.audit.clone(), who.clone(), self.now_ms());
        self.system()
            .write(move |db| {
                let user = match within(db, &by, id)? {
                    Ok(user) => user,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                if is_last_owner(db, &user)? {
                    return Ok(Err(last_owner()));
                }
                shut_out(db, id, now_ms)?;
                users::delete(db, id)?;
                audit.note_in(db, &by, "user.delete", &id.to_string(), json!({ "role": user.role }))?;
                Ok(Ok(()))
            })
            .await?
    }

    /// A one-time code to set a new password with; the old one is void at once, and with `totp` the
    /// second factor too.
    pub async fn reset_user(&self, who: &Principal, id: Uuid, totp: bool) -> Result<String, Refusal> {
        let code = secrets::code(15)?;
        let (hash, audit, by, now_ms) =
            (secrets::hash_of_code(&code), self.0.audit.clone(), who.clone(), self.now_ms());
        let until_ms = now_ms + ms(limits::RESET_CODE_TTL);
        self.system()
            .write(move |db| {
                let user = match within(db, &by, id)? {
                    Ok(user) => user,
                    Err(refusal) => return Ok(Err(refusal)),
                };
                if user.provider.is_some() {
                    return Ok(Err(Refusal::Conflict(
                        "this user comes in through single sign-on; the password is kept there".to_owned(),
                    )));
                }
                users::set_reset(db, id, &hash, until_ms, now_ms)?;
                if totp {
                    users::set_totp(db, id, None, now_ms)?;
                }
                shut_out(db, id, now_ms)?;
                audit.note_in(db, &by, "user.reset", &id.to_string(), json!({ "totp": totp }))?;
                Ok(Ok(()))
            })
            .await??;
        Ok(code)
    }

    /// A password from the command line.
    pub async fn set_password(&self, who: &Principal, id: Uuid, password: Secret) -> Result<(), Refusal> {
        let user = self.one_user(who, id).await?;
        super::password::Passwords::check(&password, &user.login)?;
        let phc = self.0.passwords.hash(password).await?;
        let (audit, by, now_ms) = (self.0.audit.clone(), who.clone(), self.now_ms());
        self.system()
            .write(move |db| {
                users::set_password(db, id, &phc, now_ms)?;
                shut_out(db, id, now_ms)?;
                audit.note_in(db, &by, "password.set", &id.to_string(), json!({}))?;
                Ok(())
            })
            .await?;
        Ok(())
    }
}
