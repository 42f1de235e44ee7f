//! Roles and what they may do, as a table.
//!
//! | role | is | sees of persons | hears of calls |
//! |---|---|---|---|
//! | `admin` | owns the box or one tenant: users, keys, audit, erasure | everything | every word |
//! | `supervisor` | runs the floor: campaigns, imports, live calls | everything | every word |
//! | `human_agent` | talks to customers | numbers and names, to serve and ring back | the words of own calls only |
//! | `ai_ops` | tunes agents, prompts and engines | nobody: numbers and names are masked | every word, masked |
//! | `service` | a program: asks the AI, places calls, imports | what it brings itself; reads masked | no words |
//! | `viewer` | reads figures and states | nobody: masked | no words |
//!
//! Nobody can hand out what they do not have: a role, a key or a token is given only by somebody whose
//! own permissions include all of its ([`Role::covers`]). Permissions that concern the whole box
//! ([`Permission::is_of_the_box`]) are void for whoever belongs to one tenant, an admin too. Webhooks
//! are the admin's because they carry personal data out of the box.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What somebody is on the box or in a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Admin,
    Supervisor,
    HumanAgent,
    AiOps,
    Service,
    Viewer,
}

/// Declares the permissions with their names, so that the list and the names cannot drift apart.
macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// Something that may be allowed. A closed list.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Permission { $($(#[$doc])* $name,)+ }

        impl Permission {
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

permissions! {
    /// Own sessions, password and second factor.
    Own = "own",
    /// Calls and their facts; numbers masked without [`Permission::PersonalRead`].
    CallsRead = "calls_read",
    /// Have the box dial somebody.
    CallsPlace = "calls_place",
    /// End or move a live call of anybody.
    CallsControl = "calls_control",
    /// What was said on every call.
    TranscriptsRead = "transcripts_read",
    /// What was said on calls one took part in.
    TranscriptsOwn = "transcripts_own",
    /// Numbers, names and other personal values unmasked.
    PersonalRead = "personal_read",
    CustomersRead = "customers_read",
    CustomersWrite = "customers_write",
    CustomersImport = "customers_import",
    CampaignsRead = "campaigns_read",
    CampaignsRun = "campaigns_run",
    /// See who wants to be called back, and tick them off.
    CallbacksWork = "callbacks_work",
    /// Live events.
    LiveWatch = "live_watch",
    DocumentsRead = "documents_read",
    DocumentsWrite = "documents_write",
    /// Note a consent or an opt-out, import do-not-disturb lists.
    ConsentsWrite = "consents_write",
    /// Have the language model answer outside a call.
    AskAi = "ask_ai",
    /// Costs, quality and decisions of the router.
    AiRead = "ai_read",
    /// Agents, flows and prompts.
    AgentsRead = "agents_read",
    AgentsWrite = "agents_write",
    WebhooksManage = "webhooks_manage",
    UsersManage = "users_manage",
    /// API keys; revoking anybody's tokens.
    TokensManage = "tokens_manage",
    /// Short-lived tokens for what one may do oneself.
    TokensIssue = "tokens_issue",
    AuditRead = "audit_read",
    /// Everything the box keeps of one person, and whole tables.
    DataExport = "data_export",
    DataErase = "data_erase",
    HoldsManage = "holds_manage",
    SystemRead = "system_read",
    SystemManage = "system_manage",
    BackupRun = "backup_run",
    TenantsManage = "tenants_manage",
    MetricsRead = "metrics_read",
}

const Y: bool = true;
const N: bool = false;

/// The permission table. Columns in the order of [`Role::ALL`].
///
/// `tests` of this file hold every cell a second time: whoever changes one must mean it.
#[rustfmt::skip]
const MAY: &[(Permission, [bool; 6])] = &[
    //                             admin superv agent ai_ops service viewer
    (Permission::Own,             [Y,    Y,     Y,    Y,     N,      Y]),
    (Permission::CallsRead,       [Y,    Y,     Y,    Y,     Y,      Y]),
    (Permission::CallsPlace,      [Y,    Y,     Y,    N,     Y,      N]),
    (Permission::CallsControl,    [Y,    Y,     N,    N,     Y,      N]),
    (Permission::TranscriptsRead, [Y,    Y,     N,    Y,     N,      N]),
    (Permission::TranscriptsOwn,  [Y,    Y,     Y,    Y,     N,      N]),
    (Permission::PersonalRead,    [Y,    Y,     Y,    N,     N,      N]),
    (Permission::CustomersRead,   [Y,    Y,     Y,    N,     Y,      Y]),
    (Permission::CustomersWrite,  [Y,    Y,     Y,    N,     Y,      N]),
    (Permission::CustomersImport, [Y,    Y,     N,    N,     Y,      N]),
    (Permission::CampaignsRead,   [Y,    Y,     Y,    Y,     Y,      Y]),
    (Permission::CampaignsRun,    [Y,    Y,     N,    N,     N,      N]),
    (Permission::CallbacksWork,   [Y,    Y,     Y,    N,     N,      N]),
    (Permission::LiveWatch,       [Y,    Y,     Y,    Y,     Y,      Y]),
    (Permission::DocumentsRead,   [Y,    Y,     Y,    N,     N,      N]),
    (Permission::DocumentsWrite,  [Y,    Y,     N,    N,     Y,      N]),
    (Permission::ConsentsWrite,   [Y,    Y,     Y,    N,     Y,      N]),
    (Permission::AskAi,           [Y,    Y,     N,    Y,     Y,      N]),
    (Permission::AiRead,          [Y,    Y,     N,    Y,     N,      Y]),
    (Permission::AgentsRead,      [Y,    Y,     N,    Y,     N,      N]),
    (Permission::AgentsWrite,     [Y,    N,     N,    Y,     N,      N]),
    (Permission::WebhooksManage,  [Y,    N,     N,    N,     N,      N]),
    (Permission::UsersManage,     [Y,    N,     N,    N,     N,      N]),
    (Permission::TokensManage,    [Y,    N,     N,    N,     N,      N]),
    (Permission::TokensIssue,     [Y,    N,     N,    Y,     Y,      N]),
    (Permission::AuditRead,       [Y,    N,     N,    N,     N,      N]),
    (Permission::DataExport,      [Y,    Y,     N,    N,     N,      N]),
    (Permission::DataErase,       [Y,    N,     N,    N,     N,      N]),
    (Permission::HoldsManage,     [Y,    N,     N,    N,     N,      N]),
    (Permission::SystemRead,      [Y,    N,     N,    Y,     N,      N]),
    (Permission::SystemManage,    [Y,    N,     N,    N,     N,      N]),
    (Permission::BackupRun,       [Y,    N,     N,    N,     N,      N]),
    (Permission::TenantsManage,   [Y,    N,     N,    N,     N,      N]),
    (Permission::MetricsRead,     [Y,    N,     N,    Y,     Y,      N]),
];

/// Void for whoever belongs to one tenant.
const OF_THE_BOX: &[Permission] = &[
    Permission::SystemRead,
    Permission::SystemManage,
    Permission::BackupRun,
    Permission::TenantsManage,
    Permission::MetricsRead,
];

impl Role {
    pub const ALL: [Self; 6] =
        [Self::Admin, Self::Supervisor, Self::HumanAgent, Self::AiOps, Self::Service, Self::Viewer];

    pub fn may(self, permission: Permission) -> bool {
        MAY.iter().any(|(row, cells)| *row == permission && cells[self as usize])
    }

    /// Everything this role may, in the order of the list.
    pub fn permissions(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.may(*permission))
    }

    /// May everything that `other` may.
    pub fn covers(self, other: Self) -> bool {
        other.permissions().all(|permission| self.may(permission))
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Supervisor => "supervisor",
            Self::HumanAgent => "human_agent",
            Self::AiOps => "ai_ops",
            Self::Service => "service",
            Self::Viewer => "viewer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A word that names no role or permission.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no {what}; write one of {known}")]
pub struct Unknown {
    what: &'static str,
    word: String,
    known: String,
}

impl Unknown {
    fn new(what: &'static str, word: &str, known: impl Iterator<Item = &'static str>) -> Self {
        let word = word.chars().take(40).collect();
        Self { what, word, known: known.collect::<Vec<_>>().join(", ") }
    }
}

impl FromStr for Role {
    type Err = Unknown;
    fn from_str(word: &str) -> Result<Self, Unknown> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == word);
        found.ok_or_else(|| Unknown::new("role", word, Self::ALL.into_iter().map(Self::as_str)))
    }
}

impl Permission {
    /// Concerns the whole box: nobody who belongs to one tenant has it.
    pub fn is_of_the_box(self) -> bool {
        OF_THE_BOX.contains(&self)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Permission {
    type Err = Unknown;
    fn from_str(word: &str) -> Result<Self, Unknown> {
        let found = Self::ALL.iter().copied().find(|permission| permission.as_str() == word);
        found.ok_or_else(|| Unknown::new("permission", word, Self::ALL.iter().map(|p| p.as_str())))
    }
}

#[cfg(test)]
#[path = "role_tests.rs"]
mod tests;
