//! Why an engine did not answer, and whether asking again is safe.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// No answer within the deadline.
    Deadline,
    /// The engine's queue is full or the machine is out of capacity.
    Overloaded,
    /// The worker died, could not be started or is not installed.
    Unavailable,
    /// The request itself is wrong (too long, unknown language or voice). Asking again is useless.
    Refused,
    /// The engine answered with something that makes no sense.
    Broken,
}

impl FaultKind {
    /// May the same request be put to another worker or candidate?
    pub const fn worth_another_try(self) -> bool {
        !matches!(self, Self::Refused)
    }
}

/// A failed request to an engine. Reads after "failed to".
#[derive(Clone, Debug, thiserror::Error)]
pub struct Fault {
    pub kind: FaultKind,
    /// Who failed, for instance `local/whisper`.
    pub provider: String,
    pub detail: String,
}

impl Fault {
    pub fn new(kind: FaultKind, provider: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind, provider: provider.into(), detail: detail.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            FaultKind::Deadline => "missed its deadline",
            FaultKind::Overloaded => "is overloaded",
            FaultKind::Unavailable => "is not available",
            FaultKind::Refused => "refused the request",
            FaultKind::Broken => "gave a broken answer",
        };
        write!(f, "{} {kind}: {}", self.provider, self.detail)
    }
}
