//! Whoever asks: a person, a key, a token or the box itself.

use std::fmt;
use std::net::IpAddr;

use uuid::Uuid;

use super::role::{Permission, Role};
use crate::base::ids::TenantId;

/// By what somebody is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A person with a session.
    User { id: Uuid },
    /// A program with an API key.
    Key { id: String },
    /// Whoever holds a short-lived token.
    Token { jti: String },
    /// The holder of the box's own token, the command line, or the daemon on its own account.
    Box,
    /// Not known yet or not at all: a failed login, for instance.
    Nobody,
}

/// Who asks, and what they may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub kind: Kind,
    /// For people: the login, or the name of the key.
    pub name: String,
    pub role: Role,
    /// `None`: the whole box.
    pub tenant: Option<TenantId>,
    /// Further limits: only these of what the role may.
    pub scopes: Option<Vec<Permission>>,
    /// Where the request came from, if it was one.
    pub address: Option<IpAddr>,
}

impl Principal {
    /// Somebody with everything that `role` gives.
    pub fn new(kind: Kind, name: impl Into<String>, role: Role, tenant: Option<TenantId>) -> Self {
        Self { kind, name: name.into(), role, tenant, scopes: None, address: None }
    }

    /// The box on its own account: `what` says as what (`api token`, `command line`, `retention`).
    pub fn the_box(what: &str) -> Self {
        Self::new(Kind::Box, what, Role::Admin, None)
    }

    /// May nothing.
    pub fn nobody() -> Self {
        Self { scopes: Some(Vec::new()), ..Self::new(Kind::Nobody, "nobody", Role::Viewer, None) }
    }

    pub fn may(&self, permission: Permission) -> bool {
        self.role.may(permission)
            && self.scopes.as_ref().is_none_or(|scopes| scopes.contains(&permission))
            && (self.tenant.is_none() || !permission.is_of_the_box())
    }

    /// Everything this principal may.
    pub fn permissions(&self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(|permission| self.may(*permission))
    }

    /// Is `tenant` within reach?
    pub fn reaches(&self, tenant: &TenantId) -> bool {
        self.tenant.as_ref().is_none_or(|own| own == tenant)
    }

    /// May hand out `role`, cut down to `scopes`, for `tenant` (`None`: the whole box): nobody gives
    /// what they do not have.
    pub fn may_give(&self, role: Role, scopes: Option<&[Permission]>, tenant: Option<&TenantId>) -> bool {
        let mut given = Self::new(Kind::Nobody, "", role, tenant.cloned());
        given.scopes = scopes.map(<[Permission]>::to_vec);
        let within = tenant.map_or(self.tenant.is_none(), |tenant| self.reaches(tenant));
        within && given.permissions().all(|permission| self.may(permission))
    }

    /// The person, if it is one.
    pub const fn user(&self) -> Option<Uuid> {
        match self.kind {
            Kind::User { id } => Some(id),
            _ => None,
        }
    }

    /// Kind and id in one word, for the audit log: `user:0190…`, `key:…`, `token:…`, `box`, `nobody`.
    pub fn actor(&self) -> String {
        self.kind.to_string()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { id } => write!(f, "user:{id}"),
            Self::Key { id } => write!(f, "key:{id}"),
            Self::Token { jti } => write!(f, "token:{jti}"),
            Self::Box => f.write_str("box"),
            Self::Nobody => f.write_str("nobody"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    fn of(role: Role, tenant: Option<&str>, scopes: Option<&[Permission]>) -> Principal {
        let mut made = Principal::new(Kind::Nobody, "test", role, tenant.map(|name| name.parse().unwrap()));
        made.scopes = scopes.map(<[Permission]>::to_vec);
        made
    }

    #[test]
    fn scopes_only_take_away_and_a_tenant_has_nothing_of_the_box() {
        let all = Permission::ALL;
        for role in Role::ALL {
            for &permission in all {
                assert_eq!(of(role, None, None).may(permission), role.may(permission));
                assert_eq!(of(role, None, Some(all)).may(permission), role.may(permission), "scopes gave something");
                assert!(!of(role, None, Some(&[])).may(permission));
                let within = role.may(permission) && !permission.is_of_the_box();
                assert_eq!(of(role, Some("asha"), None).may(permission), within, "{role} × {permission}");
            }
        }
        assert_eq!(Principal::nobody().permissions().count(), 0);
        assert_eq!(Principal::the_box("test").permissions().count(), all.len());
    }

    #[test]
    fn nobody_gives_what_they_do_not_have() {
        let (asha, bina) = (tenant("asha"), tenant("bina"));
        let owner = of(Role::Admin, None, None);
        let admin = of(Role::Admin, Some("asha"), None);
        let ops = of(Role::AiOps, Some("asha"), None);
        let key = of(Role::Admin, Some("asha"), Some(&[Permission::CallsRead, Permission::UsersManage]));
        // Giver, role, scopes, tenant, allowed.
        let cases: [(&Principal, Role, Option<&[Permission]>, Option<&TenantId>, bool); 11] = [
            (&owner, Role::Admin, None, None, true),
            (&owner, Role::Admin, None, Some(&bina), true),
            (&admin, Role::Admin, None, Some(&asha), true),
            (&admin, Role::Viewer, None, Some(&bina), false),
            (&admin, Role::Viewer, None, None, false),
            (&admin, Role::Service, None, Some(&asha), true),
            (&ops, Role::Service, None, Some(&asha), false),
            (&ops, Role::Service, Some(&[Permission::AskAi]), Some(&asha), true),
            (&ops, Role::Admin, Some(&[Permission::UsersManage]), Some(&asha), false),
            (&key, Role::Viewer, None, Some(&asha), false),
            (&key, Role::Viewer, Some(&[Permission::CallsRead]), Some(&asha), true),
        ];
        for (at, (giver, role, scopes, tenant, allowed)) in cases.into_iter().enumerate() {
            assert_eq!(giver.may_give(role, scopes, tenant), allowed, "case {at}");
        }
    }

    #[test]
    fn actors_are_one_word() {
        let id = Uuid::from_u64_pair(1, 2);
        assert_eq!(Kind::User { id }.to_string(), format!("user:{id}"));
        assert_eq!(Principal::the_box("x").actor(), "box");
        assert_eq!(Principal::nobody().actor(), "nobody");
    }
}
