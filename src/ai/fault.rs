//! Why an engine did not answer, and whether asking again is safe.

use std::fmt;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// No answer within the deadline.
    Deadline,
    /// The engine's queue is full or the machine is out of capacity.
    Overloaded,
    /// The worker died, could not be started or is not installed.
    Unavailable,
    /// The request itself is wrong (too long, unknown language or voice). Asking again is useless.
    Refused,
    /// The provider does not take our key, or the credit is used up, or it does not have what the
    /// configuration names. Asking the same one again is useless until somebody mends that.
    Denied,
    /// The engine answered with something that makes no sense.
    Broken,
}

impl FaultKind {
    /// May the same request be put to the same engine again?
    pub const fn worth_another_try(self) -> bool {
        !matches!(self, Self::Refused | Self::Denied)
    }
}

/// A failed request to an engine. Reads after "failed to".
#[derive(Clone, Debug, thiserror::Error)]
pub struct Fault {
    pub kind: FaultKind,
    /// Who failed, for instance `local/whisper`.
    pub provider: String,
    pub detail: String,
    /// How long the provider asks to be left alone.
    pub retry_after: Option<Duration>,
    /// It was an answer, were it a useless one: the way to the provider is open.
    pub reached: bool,
}

impl Fault {
    pub fn new(kind: FaultKind, provider: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind, provider: provider.into(), detail: detail.into(), retry_after: None, reached: false }
    }

    pub const fn after_an_answer(mut self) -> Self {
        self.reached = true;
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            FaultKind::Deadline => "missed its deadline",
            FaultKind::Overloaded => "is overloaded",
            FaultKind::Unavailable => "is not available",
            FaultKind::Refused => "refused the request",
            FaultKind::Denied => "does not let us in",
            FaultKind::Broken => "gave a broken answer",
        };
        write!(f, "{} {kind}: {}", self.provider, self.detail)
    }
}
