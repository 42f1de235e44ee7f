//! `[auth]`: sessions, second factor, single sign-on, rate limits. Roles are words here; what they
//! mean is `auth::role`'s.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::tree::{Fields, FromNode};
use crate::base::ids::TenantId;
use crate::base::secret::Secret;

/// The words for roles. `auth::role` holds its own list against this one in a test.
pub const ROLES: [&str; 6] = ["admin", "supervisor", "human_agent", "ai_ops", "service", "viewer"];

#[derive(Clone, Debug)]
pub struct Auth {
    /// A session ends at this age, used or not.
    pub session: Duration,
    /// A session that is not used for this long ends.
    pub idle: Duration,
    /// Whoever has one of these roles may only enrol a second factor until that is done.
    pub require_totp_for: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// `None`: local users only.
    pub oidc: Option<OidcSettings>,
    pub limits: AuthLimits,
}

#[derive(Clone, Debug)]
pub struct OidcSettings {
    /// Without a slash at the end, as the provider writes it.
    pub issuer: String,
    pub client_id: String,
    /// `None`: a public client; PKCE alone protects the code.
    pub client_secret: Option<Secret>,
    /// Beside `openid`.
    pub scopes: Vec<String>,
    /// Which claim holds the groups that `roles` names.
    pub role_claim: String,
    /// Value of the claim -> role.
    pub roles: BTreeMap<String, String>,
    /// For whoever is in no group named; `None`: they are refused.
    pub default_role: Option<String>,
    /// Which claim names the tenant; `None`: everybody belongs to `tenant`.
    pub tenant_claim: Option<String>,
    /// Value of the claim -> tenant. Without a row the value must be a tenant's id itself.
    pub tenants: BTreeMap<String, TenantId>,
    /// `None`: the whole box.
    pub tenant: Option<TenantId>,
    /// Which claim is the login.
    pub login_claim: String,
}

/// Requests a second, and how many may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthLimits {
    pub key_per_second: u32,
    pub key_burst: u32,
    pub address_per_second: u32,
    pub address_burst: u32,
}

impl Default for AuthLimits {
    fn default() -> Self {
        Self { key_per_second: 100, key_burst: 200, address_per_second: 50, address_burst: 200 }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            session: Duration::from_secs(12 * 3_600),
            idle: Duration::from_secs(30 * 60),
            require_totp_for: Vec::new(),
            trusted_proxies: vec![IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])],
            oidc: None,
            limits: AuthLimits::default(),
        }
    }
}

impl Auth {
    pub(super) fn read(mut fields: Fields<'_>, https: bool) -> Self {
        let default = Self::default();
        let session = hours(fields.whole("session_hours", 12, 1, 24 * 30));
        let idle_at = fields.place("idle_minutes");
        let idle = Duration::from_secs(u64::from(fields.whole("idle_minutes", 30, 1, 60 * 24)) * 60);
        if let Some(at) = idle_at.filter(|_| idle > session) {
            fields.refuse(&at, "`auth.idle_minutes` is longer than `auth.session_hours`; write a smaller number");
        }
        let mut require_totp_for = Vec::new();
        if let Some((words, at)) = fields.optional::<Vec<String>>("require_totp_for") {
            for word in words {
                check_role(&mut fields, &at, "auth.require_totp_for", &word);
                require_totp_for.push(word);
            }
        }
        let trusted_proxies = match fields.optional::<Vec<String>>("trusted_proxies") {
            None => default.trusted_proxies,
            Some((words, at)) => {
                let mut known = Vec::new();
                for word in words {
                    match word.parse() {
                        Ok(address) => known.push(address),
                        Err(_) => fields.refuse(
                            &at,
                            format!("`auth.trusted_proxies` holds {word:?}; write addresses such as \"127.0.0.1\""),
                        ),
                    }
                }
                known
            }
        };
        let oidc = OidcSettings::read(fields.section("oidc"), https);
        let limits = AuthLimits::read(fields.section("limits"));
        fields.finish();
        Self { session, idle, require_totp_for, trusted_proxies, oidc, limits }
    }
}

fn hours(hours: u32) -> Duration {
    Duration::from_secs(u64::from(hours) * 3_600)
}

fn check_role(fields: &mut Fields<'_>, at: &super::At, name: &str, word: &str) {
    if !ROLES.contains(&word) {
        fields.refuse(at, format!("`{name}` names the role {word:?}; write one of {}", ROLES.join(", ")));
    }
}

impl AuthLimits {
    fn read(mut fields: Fields<'_>) -> Self {
        let default = Self::default();
        let limits = Self {
            key_per_second: fields.whole("key_per_second", default.key_per_second, 1, 100_000),
            key_burst: fields.whole("key_burst", default.key_burst, 1, 1_000_000),
            address_per_second: fields.whole("address_per_second", default.address_per_second, 1, 100_000),
            address_burst: fields.whole("address_burst", default.address_burst, 1, 1_000_000),
        };
        fields.finish();
        limits
    }
}

impl OidcSettings {
    /// An empty section is no single sign-on.
    fn read(mut fields: Fields<'_>, https: bool) -> Option<Self> {
        let issuer = fields.optional::<String>("issuer");
        let client_id = fields.optional::<String>("client_id");
        let client_secret = super::schema::secret(&mut fields, "client_secret", 8);
        let scopes = fields.optional::<Vec<String>>("scopes");
        let role_claim = fields.or("role_claim", "groups".to_owned());
        let default_role = fields.optional::<String>("default_role").map(|(word, at)| {
            check_role(&mut fields, &at, "auth.oidc.default_role", &word);
            word
        });
        let tenant_claim = fields.optional::<String>("tenant_claim").map(|(claim, _)| claim);
        let tenant = match fields.optional::<String>("tenant") {
            None => Some(TenantId::default_tenant()),
            Some((word, _)) if word == "*" => None,
            Some((word, at)) => match word.parse() {
                Ok(tenant) => Some(tenant),
                Err(_) => {
                    fields.refuse(
                        &at,
                        format!("`auth.oidc.tenant` is {word:?}; write a tenant's id, or \"*\" for the whole box"),
                    );
                    None
                }
            },
        };
        let login_claim = fields.or("login_claim", "preferred_username".to_owned());
        let mut section = fields.section("roles");
        let mut roles = BTreeMap::new();
        for (group, node) in section.rest() {
            match String::from_node(&node) {
                Ok(word) => {
                    let name = section.name(&group);
                    check_role(&mut section, &node.at, &name, &word);
                    if word == "service" {
                        section
                            .refuse(&node.at, format!("`{name}` makes a person a service; that role is for API keys"));
                    }
                    roles.insert(group, word);
                }
                Err(fault) => {
                    let name = section.name(&group);
                    section.refuse(&node.at, format!("`{name}` {fault}"));
                }
            }
        }
        section.finish();
        let mut section = fields.section("tenants");
        let mut tenants = BTreeMap::new();
        for (value, node) in section.rest() {
            let name = section.name(&value);
            match String::from_node(&node).map(|word| word.parse::<TenantId>()) {
                Ok(Ok(tenant)) => {
                    tenants.insert(value, tenant);
                }
                Ok(Err(_)) => {
                    section.refuse(&node.at, format!("`{name}` is no tenant's id; write for example \"default\""))
                }
                Err(fault) => section.refuse(&node.at, format!("`{name}` {fault}")),
            }
        }
        section.finish();
        let read = match (issuer, client_id) {
            (None, None) => None,
            (Some((issuer, at)), Some((client_id, id_at))) => {
                if let Err(fault) = super::validate::base_url(&issuer) {
                    fields.refuse(
                        &at,
                        format!("`auth.oidc.issuer` is {issuer:?}, {fault}; write it as the provider does"),
                    );
                } else if https && issuer.starts_with("http:") {
                    fields.refuse(&at, "`auth.oidc.issuer` is no https address; anybody on the way could log in");
                }
                if client_id.trim().is_empty() {
                    fields
                        .refuse(&id_at, "`auth.oidc.client_id` is empty; write the id that the provider gave this box");
                }
                if roles.is_empty() && default_role.is_none() {
                    fields.refuse(&at, "`auth.oidc` gives nobody a role; write `[auth.oidc.roles]` with a line such as \"vaani-admins\" = \"admin\"");
                }
                Some(Self {
                    issuer,
                    client_id,
                    client_secret: client_secret.map(|(secret, _)| secret),
                    scopes: scopes.map_or_else(|| vec!["profile".to_owned(), "email".to_owned()], |(scopes, _)| scopes),
                    role_claim,
                    roles,
                    default_role,
                    tenant_claim,
                    tenants,
                    tenant,
                    login_claim,
                })
            }
            (Some((_, at)), None) => {
                fields.refuse(&at, "`auth.oidc.issuer` stands alone; write `auth.oidc.client_id` too, or remove it");
                None
            }
            (None, Some((_, at))) => {
                fields.refuse(&at, "`auth.oidc.client_id` stands alone; write `auth.oidc.issuer` too, or remove it");
                None
            }
        };
        fields.finish();
        read
    }
}
