//! Callers whose media connection broke: the carrier asks, and connects again.
//!
//! Promise: only a call that has no media takes a second connection. Absent on purpose: what is said to the
//! caller then.

use std::time::Duration;

use super::pen::CallRecorder;
use super::persons::Errand;
use super::{Registry, lock};
use crate::base::{CallId, limits};
use crate::call::machine::Elsewhere;

/// The call's task is asked this often whether it has noticed.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Registry {
    /// Does this call wait for its media? The news that the media is over may come here before the socket has told
    /// it, and a socket whose peer vanished tells nothing for long.
    pub(super) async fn waits_for_media(&self, call: CallId) -> bool {
        let clock = self.0.deps.clock;
        let until = clock.now() + limits::RESUME_ASK_WITHIN;
        loop {
            match lock(&self.0.calls).get(&call) {
                None => return false,
                Some(live) if live.broken => return true,
                // Announced, and never connected; or on its way to a person.
                Some(live) if live.waiting.is_some() || live.letting.is_some() => return false,
                Some(_) => {}
            }
            if clock.now() >= until {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        tracing::info!(%call, "a carrier says that the media of a call is over; its leg had not noticed");
        let told = self.tell(call, Errand::Elsewhere(Elsewhere::Lost));
        told && self.breaks(call)
    }

    fn breaks(&self, call: CallId) -> bool {
        let mut calls = lock(&self.0.calls);
        calls.get_mut(&call).map(|live| live.broken = true).is_some()
    }

    /// May this connection carry on a call that has a task already? Once for each break.
    pub(super) fn is_back(&self, call: CallId) -> bool {
        let mut calls = lock(&self.0.calls);
        let Some(live) = calls.get_mut(&call) else { return false };
        let (let_go, broken) = (live.letting.take().is_some(), std::mem::take(&mut live.broken));
        let_go || broken
    }
}

impl CallRecorder {
    /// The caller's leg broke.
    pub(in crate::call) fn line_broke(&self) {
        self.registry.breaks(self.call);
    }
}

#[cfg(test)]
#[path = "resume_tests.rs"]
mod tests;
