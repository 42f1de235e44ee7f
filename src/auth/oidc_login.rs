//! From what the provider says to a person of this box: role and tenant by the configured table, the
//! account made at the first login and kept in step at each one.

use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;

use super::gate::{Gate, ms};
use super::login::From;
use super::oidc::{self, Known, Oidc, OidcError, words};
use super::people::{self, Wanted};
use super::refusal::Refusal;
use super::role::Role;
use super::secrets;
use super::sessions::FreshSession;
use crate::base::secret::Secret;
use crate::base::{TenantId, limits};
use crate::config::OidcSettings;
use crate::store::audit::Who;
use crate::store::sessions::OidcLogin;
use crate::store::users::User;
use crate::store::{StoreError, api_keys, sessions, users};

/// What the provider's redirect carries, as it came.
#[derive(Clone, Debug, Default)]
pub struct Returned {
    pub code: Option<String>,
    pub state: String,
    pub error: Option<String>,
    /// RFC 9207: who answers.
    pub issuer: Option<String>,
}

/// Somebody as the table makes them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mapped {
    login: String,
    name: String,
    role: Role,
    tenant: Option<TenantId>,
}

impl Gate {
    fn provider(&self) -> Result<&Oidc, OidcError> {
        self.0.oidc.as_ref().ok_or(OidcError::Off)
    }

    /// Whether there is single sign-on.
    pub fn has_oidc(&self) -> bool {
        self.0.oidc.is_some()
    }

    /// Where to send the browser, and the state it keeps in a cookie. `back`: the page to return to.
    pub async fn oidc_leave(&self, back: Option<&str>) -> Result<(String, Secret), Refusal> {
        let oidc = self.provider()?;
        let leaving = oidc.leave(self.throttle(|_, now| now)).await?;
        let now_ms = self.now_ms();
        let login = OidcLogin {
            state_hash: secrets::sha256_hex(leaving.state.expose()),
            nonce: leaving.nonce,
            verifier: leaving.verifier,
            back: own_page(back),
            created_ms: now_ms,
            until_ms: now_ms + ms(limits::OIDC_LOGIN_TTL),
        };
        self.system().write(move |db| sessions::leave(db, &login, limits::OIDC_LOGINS_MAX)).await?;
        Ok((leaving.url, leaving.state))
    }

    /// The browser is back. `cookie`: the state it kept.
    pub async fn oidc_back(
        &self,
        returned: Returned,
        cookie: Option<&str>,
        from: From,
    ) -> Result<(User, FreshSession, String), Refusal> {
        let address = from.address;
        let done = self.oidc_finish(returned, cookie, from).await;
        if let Err(Refusal::Oidc(error)) = &done {
            let who = Who::nobody("single sign-on", &address.to_string());
            let noted =
                self.0.audit.note_as(None, who, "login.failed", "", json!({ "at": "oidc", "why": error.to_string() }));
            noted.await.unwrap_or_else(|error| tracing::warn!(%error, "a failed login could not be noted"));
        }
        done
    }

    async fn oidc_finish(
        &self,
        returned: Returned,
        cookie: Option<&str>,
        from: From,
    ) -> Result<(User, FreshSession, String), Refusal> {
        let oidc = self.provider()?;
        let kept: bool = cookie.is_some_and(|kept| kept.as_bytes().ct_eq(returned.state.as_bytes()).into());
        if !kept || returned.state.is_empty() {
            return Err(OidcError::State.into());
        }
        let (hash, now_ms) = (secrets::sha256_hex(&returned.state), self.now_ms());
        let begun = self.system().write(move |db| sessions::back(db, &hash, now_ms)).await?.ok_or(OidcError::State)?;
        if let Some(error) = returned.error {
            return Err(OidcError::Denied(oidc::plain(&error)).into());
        }
        if returned.issuer.is_some_and(|issuer| issuer != oidc.settings.issuer) {
            return Err(OidcError::Token("the answer comes from another issuer").into());
        }
        let code = returned.code.ok_or_else(|| OidcError::Denied("it sent no code".to_owned()))?;
        let now = (self.throttle(|_, now| now), self.now_seconds());
        let known = oidc.back(&code, &begun.nonce, begun.verifier, now).await?;
        let mapped = mapped(&oidc.settings, &known)?;
        if let Some(tenant) = &mapped.tenant
            && self.tenant(tenant).await?.is_none()
        {
            return Err(OidcError::NoTenant.into());
        }
        let user = self.keep_in_step(known, mapped).await?;
        let (user, fresh) = self.let_in(user, "oidc", from).await?;
        Ok((user, fresh, begun.back))
    }

    /// The account of this person, made if it is the first time.
    async fn keep_in_step(&self, known: Known, mapped: Mapped) -> Result<User, Refusal> {
        let (audit, now_ms) = (self.0.audit.clone(), self.now_ms());
        let kept = self.system().write(move |db| {
            let Some(user) = users::by_provider(db, &known.issuer, &known.subject)? else {
                let wanted =
                    Wanted { login: mapped.login, name: mapped.name, role: mapped.role, tenant: mapped.tenant };
                let Ok(mut user) = people::fresh_user(wanted, now_ms) else { return Ok(Err(OidcError::NoRole.into())) };
                user.provider = Some((known.issuer, known.subject));
                if users::by_login(db, &user.login)?.is_some() {
                    return Ok(Err(OidcError::Taken.into()));
                }
                users::insert(db, &user)?;
                let detail = json!({ "role": user.role, "tenant": user.tenant });
                audit.note_in_as(db, Who::nobody("single sign-on", ""), "user.create", &user.id.to_string(), detail)?;
                return Ok(Ok(user));
            };
            if user.disabled {
                return Ok(Err(Refusal::Wrong));
            }
            let (role, tenant) = (mapped.role.to_string(), mapped.tenant.map(String::from));
            if (&role, &tenant) != (&user.role, &user.tenant) {
                sessions::end_all(db, user.id, None)?;
                api_keys::revoke_tokens_of(db, &format!("user:{}", user.id), now_ms)?;
                let detail = json!({ "role": role, "tenant": tenant });
                let who = Who::nobody("single sign-on", "");
                audit.note_in_as(db, who, "user.edit", &user.id.to_string(), detail)?;
            }
            users::refresh(db, user.id, &mapped.name, &role, tenant.as_deref(), now_ms)?;
            Ok(users::get(db, user.id)?.ok_or(Refusal::Unknown))
        });
        kept.await.map_err(|error| match error {
            StoreError::Conflict(_) => Refusal::Oidc(OidcError::Taken),
            error => error.into(),
        })?
    }
}

/// A page of our own to return to; anything else is the first page.
fn own_page(back: Option<&str>) -> String {
    let own = |path: &&str| {
        path.len() <= 512
            && path.starts_with('/')
            && !path.starts_with("//")
            && path.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '\\' | '"' | '<' | '>'))
    };
    back.filter(own).unwrap_or("/").to_owned()
}

fn mapped(settings: &OidcSettings, known: &Known) -> Result<Mapped, OidcError> {
    let groups = words(&known.claims, &settings.role_claim);
    let named =
        |role: &Role| groups.iter().any(|group| settings.roles.get(group).is_some_and(|word| word == role.as_str()));
    let by_default = || settings.default_role.as_ref().and_then(|word| word.parse().ok());
    let role = Role::ALL.into_iter().find(named).or_else(by_default).ok_or(OidcError::NoRole)?;
    let tenant = match &settings.tenant_claim {
        None => settings.tenant.clone(),
        Some(name) => {
            // Two tenants at once are a mistake that nobody should guess about.
            let [value] = &words(&known.claims, name)[..] else { return Err(OidcError::NoTenant) };
            let tenant = settings.tenants.get(value).cloned().or_else(|| value.parse().ok());
            Some(tenant.ok_or(OidcError::NoTenant)?)
        }
    };
    let text = |name: &str| oidc::claim(&known.claims, name).and_then(Value::as_str).map(str::to_owned);
    let short = &secrets::sha256_hex(&format!("{} {}", known.issuer, known.subject))[..12];
    let login = [Some(settings.login_claim.as_str()), Some("email")]
        .into_iter()
        .flatten()
        .filter_map(text)
        .find_map(|login| people::plain_login(&login).ok())
        .unwrap_or_else(|| format!("sso-{short}"));
    let name = text("name").and_then(|name| people::plain_name(&name).ok()).unwrap_or_else(|| login.clone());
    Ok(Mapped { login, name, role, tenant })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> OidcSettings {
        OidcSettings {
            issuer: "https://login.example.in".to_owned(),
            client_id: "vaani".to_owned(),
            client_secret: None,
            scopes: Vec::new(),
            role_claim: "realm_access.roles".to_owned(),
            roles: [("boss", "admin"), ("floor", "supervisor"), ("desk", "human_agent")]
                .map(|(group, role)| (group.to_owned(), role.to_owned()))
                .into(),
            default_role: None,
            tenant_claim: Some("org".to_owned()),
            tenants: [("Bank of Asha".to_owned(), "asha".parse().unwrap())].into(),
            tenant: None,
            login_claim: "preferred_username".to_owned(),
        }
    }

    fn known(claims: Value) -> Known {
        Known { issuer: "https://login.example.in".to_owned(), subject: "s-1".to_owned(), claims }
    }

    #[test]
    fn claims_become_role_and_tenant_by_the_table() {
        let groups = |groups: Value, org: Value| json!({ "realm_access": { "roles": groups }, "org": org, "preferred_username": "Asha.Rao", "name": "Asha Rao" });
        let role = |claims| mapped(&settings(), &known(claims)).map(|m| (m.role, m.tenant.map(String::from)));
        let asha = || Some("asha".to_owned());
        assert_eq!(role(groups(json!(["desk", "floor"]), json!("Bank of Asha"))).unwrap(), (Role::Supervisor, asha()));
        assert_eq!(role(groups(json!("desk"), json!("asha"))).unwrap(), (Role::HumanAgent, asha()));
        let none = [
            groups(json!([]), json!("asha")),
            groups(json!(["admin", "Boss"]), json!("asha")),
            groups(json!([7, null, { "desk": true }]), json!("asha")),
            groups(json!({ "desk": true }), json!("asha")),
            json!({ "org": "asha" }),
        ];
        for claims in none {
            assert!(matches!(role(claims), Err(OidcError::NoRole)));
        }
        for org in [json!("Bank of Bina"), json!(null), json!(["asha", "bina"]), json!(""), json!("../x")] {
            assert!(matches!(role(groups(json!("desk"), org)), Err(OidcError::NoTenant)));
        }
        let lenient = OidcSettings { default_role: Some("viewer".to_owned()), tenant_claim: None, ..settings() };
        let found = mapped(&lenient, &known(json!({}))).unwrap();
        assert_eq!((found.role, found.tenant), (Role::Viewer, None));
        assert!(found.login.starts_with("sso-") && found.name == found.login);
    }

    #[test]
    fn logins_come_from_the_claim_or_the_mail_address() {
        let lenient = OidcSettings { default_role: Some("viewer".to_owned()), tenant_claim: None, ..settings() };
        let login = |claims| mapped(&lenient, &known(claims)).unwrap().login;
        assert_eq!(login(json!({ "preferred_username": "Asha.Rao", "email": "x@y.in" })), "asha.rao");
        assert_eq!(login(json!({ "preferred_username": "आशा", "email": "asha@bank.in" })), "asha@bank.in");
        assert_eq!(login(json!({ "preferred_username": 7, "email": "<script>" })).len(), 16);
    }

    #[test]
    fn only_own_pages_are_returned_to() {
        for (given, page) in [
            (Some("/calls?x=1#a"), "/calls?x=1#a"),
            (None, "/"),
            (Some("https://evil.example"), "/"),
            (Some("//evil.example"), "/"),
            (Some("/\\evil.example"), "/"),
            (Some("/a\r\nSet-Cookie: x"), "/"),
            (Some(""), "/"),
        ] {
            assert_eq!(own_page(given), page);
        }
    }
}
