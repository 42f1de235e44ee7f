//! Where a caller's words may go (requirement R3). Promise: the strictest rule that concerns a call
//! holds, whatever fails; nobody can loosen it by naming a tenant, a campaign or a data class.
//! Absent on purpose: where a provider's servers really are; the routing file says that.

use std::collections::BTreeMap;

use serde::Serialize;

/// Where the servers of a provider stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Residency {
    /// On this box, or in the same rack or network of the customer.
    OnBox,
    India,
    Abroad,
}

impl Residency {
    pub const ALL: [(&'static str, Self); 3] =
        [("on_box", Self::OnBox), ("india", Self::India), ("abroad", Self::Abroad)];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OnBox => "on_box",
            Self::India => "india",
            Self::Abroad => "abroad",
        }
    }

    /// Reads after "its servers are".
    pub const fn place(self) -> &'static str {
        match self {
            Self::OnBox => "on the box",
            Self::India => "in India",
            Self::Abroad => "abroad",
        }
    }
}

/// How far a caller's words may go. The strictest is the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    LocalOnly,
    IndiaOnly,
    Any,
}

impl Policy {
    pub const ALL: [(&'static str, Self); 3] =
        [("local_only", Self::LocalOnly), ("india_only", Self::IndiaOnly), ("any", Self::Any)];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LocalOnly => "local_only",
            Self::IndiaOnly => "india_only",
            Self::Any => "any",
        }
    }

    pub const fn admits(self, residency: Residency) -> bool {
        match self {
            Self::LocalOnly => matches!(residency, Residency::OnBox),
            Self::IndiaOnly => matches!(residency, Residency::OnBox | Residency::India),
            Self::Any => true,
        }
    }
}

/// The policies of a routing file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policies {
    pub default: Policy,
    pub tenants: BTreeMap<String, Policy>,
    pub campaigns: BTreeMap<String, Policy>,
    pub data_classes: BTreeMap<String, Policy>,
}

impl Default for Policies {
    /// What is not allowed is forbidden.
    fn default() -> Self {
        Self {
            default: Policy::LocalOnly,
            tenants: BTreeMap::new(),
            campaigns: BTreeMap::new(),
            data_classes: BTreeMap::new(),
        }
    }
}

impl Policies {
    /// The strictest of the default and of all that is said about this call.
    pub fn strictest(&self, tenant: &str, campaign: &str, data_class: &str) -> Policy {
        [(&self.tenants, tenant), (&self.campaigns, campaign), (&self.data_classes, data_class)]
            .into_iter()
            .filter_map(|(table, name)| table.get(name).copied())
            .fold(self.default, Ord::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strictest_wins_in_every_combination() {
        for (_, default) in Policy::ALL {
            for (_, tenant) in Policy::ALL {
                for (_, campaign) in Policy::ALL {
                    for (_, class) in Policy::ALL {
                        let policies = Policies {
                            default,
                            tenants: [("t".to_owned(), tenant)].into(),
                            campaigns: [("c".to_owned(), campaign)].into(),
                            data_classes: [("d".to_owned(), class)].into(),
                        };
                        let cases = [
                            ("", "", "", default),
                            ("t", "", "", default.min(tenant)),
                            ("x", "c", "", default.min(campaign)),
                            ("t", "c", "d", default.min(tenant).min(campaign).min(class)),
                        ];
                        for (t, c, d, expected) in cases {
                            assert_eq!(policies.strictest(t, c, d), expected);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn each_policy_admits_what_its_name_says() {
        let admitted: Vec<usize> = Policy::ALL
            .into_iter()
            .map(|(_, policy)| Residency::ALL.into_iter().filter(|(_, r)| policy.admits(*r)).count())
            .collect();
        assert_eq!(admitted, [1, 2, 3]);
        assert!(Policy::LocalOnly.admits(Residency::OnBox) && !Policy::IndiaOnly.admits(Residency::Abroad));
    }
}
