//! `[recording]`: what the box allows; an agent's file says what is done of it.

use super::tree::{Fields, FromNode, Node};
use crate::base::TenantId;

#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// Without it no call is recorded, whatever agents say.
    pub allowed: bool,
    /// Only calls of these tenants; empty: of all.
    pub tenants: Vec<TenantId>,
    /// The tones of keys are left out.
    pub mute_keys: bool,
}

impl Recording {
    pub(super) fn read(mut fields: Fields<'_>) -> Self {
        let recording = Self {
            allowed: fields.or("allowed", false),
            tenants: fields.or("tenants", Vec::new()),
            mute_keys: fields.or("mute_keys", true),
        };
        fields.finish();
        recording
    }

    /// May calls of this tenant be recorded?
    pub fn allows(&self, tenant: &TenantId) -> bool {
        self.allowed && (self.tenants.is_empty() || self.tenants.contains(tenant))
    }
}

impl FromNode for TenantId {
    fn from_node(node: &Node) -> Result<Self, String> {
        String::from_node(node)?.parse().map_err(|error| format!("is {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_allowed_unless_somebody_says_so() {
        let bank: TenantId = "bank".parse().unwrap();
        let mut recording = Recording::default();
        assert!(!recording.allows(&bank));
        recording.tenants = vec![bank.clone()];
        assert!(!recording.allows(&bank));
        recording.allowed = true;
        assert!(recording.allows(&bank) && !recording.allows(&TenantId::default_tenant()));
        recording.tenants.clear();
        assert!(recording.allows(&TenantId::default_tenant()));
    }
}
