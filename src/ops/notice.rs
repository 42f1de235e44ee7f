//! What the box tells its people of its own accord: something went wrong, or is well again. Absent on
//! purpose: how they are told (alerts, webhooks, logs are the composition root's to connect).

use std::sync::Arc;

/// Something that began or ended. One code is raised once until it is cleared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    pub code: &'static str,
    /// Which of several; empty if there is only one.
    pub about: String,
    /// False: it is over.
    pub raised: bool,
    /// Nothing but a reduced service, or something that needs a person now.
    pub severe: bool,
    pub text: String,
    /// What to do; empty when it is over.
    pub fix: String,
}

/// Who is told. Must not wait.
pub type Tell = Arc<dyn Fn(Notice) + Send + Sync>;
