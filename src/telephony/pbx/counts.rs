//! How often a peer did what it should not have, by kind. The kinds are words of the source, so that
//! no peer can make new ones.

use std::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
pub struct Counts(BTreeMap<&'static str, u32>);

impl Counts {
    /// True for the first of its kind.
    pub fn note(&mut self, kind: &'static str) -> bool {
        let count = self.0.entry(kind).or_default();
        *count = count.saturating_add(1);
        *count == 1
    }

    pub fn all(&self) -> Vec<(&'static str, u32)> {
        self.0.iter().map(|(kind, count)| (*kind, *count)).collect()
    }
}
