//! Something went wrong, or is well again: whoever looks at the box ([`super::watch`]) need not wait for
//! its time to look. Absent on purpose: texts and fixes; they are the findings' ([`super::health`]), so
//! that nothing is told twice in different words.

use std::sync::Arc;

/// Something that began or ended. One code is raised once until it is cleared, or has become worse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// As in the catalogue of findings.
    pub code: &'static str,
    /// Which of several; empty if there is only one.
    pub about: String,
    /// False: it is over.
    pub raised: bool,
}

/// Who is told. Must not wait.
pub type Tell = Arc<dyn Fn(Notice) + Send + Sync>;
