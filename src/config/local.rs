//! `[local]`: handsets of the box itself.

use super::tree::Fields;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Local {
    /// `vaani call --local` may connect while the daemon runs.
    pub enabled: bool,
}

impl Local {
    pub(super) fn read(mut fields: Fields<'_>) -> Self {
        let enabled = fields.or("enabled", true);
        fields.finish();
        Self { enabled }
    }
}
