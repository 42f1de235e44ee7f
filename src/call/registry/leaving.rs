//! Calls that leave without having been talked to the end: the box stops, the media never came, a person was
//! erased.

use std::time::Duration;

use super::{By, Control, Registry, lock, outbound};
use crate::base::event::{CallState, EndCause};
use crate::base::{CallId, limits};

impl Registry {
    /// Takes no new calls, lets the live ones finish for `patience`, then says goodbye to the rest,
    /// then cuts what is left.
    pub async fn drain(&self, patience: Duration) {
        self.0.deps.admission.drain();
        self.abandon_unconnected().await;
        if self.wait_empty(patience).await {
            return;
        }
        tracing::warn!(
            live = self.0.deps.admission.live(),
            "calls are still live after the drain time; saying goodbye"
        );
        self.to_all(Control::Finish(EndCause::Drained)).await;
        if !self.wait_empty(limits::FAREWELL_MAX).await {
            self.to_all(Control::Cut(EndCause::Drained)).await;
            self.wait_empty(Duration::from_secs(2)).await;
        }
    }

    async fn to_all(&self, control: Control) {
        let senders: Vec<_> = lock(&self.0.calls).values().map(|live| live.control.clone()).collect();
        for sender in senders {
            // A call that has just ended needs no telling.
            let _ = sender.send(control).await;
        }
    }

    async fn wait_empty(&self, at_most: Duration) -> bool {
        tokio::time::timeout(at_most, async {
            while !lock(&self.0.calls).is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .is_ok()
    }

    /// Ends calls that were announced but whose media never came.
    pub async fn abandon_unconnected(&self) {
        let now = self.0.deps.clock.now();
        let draining = self.0.deps.admission.is_draining();
        let stale: Vec<CallId> = lock(&self.0.calls)
            .iter()
            .filter(|(_, live)| live.waiting.is_some() && (draining || now > live.until))
            .map(|(id, _)| *id)
            .collect();
        for call in stale {
            self.never_connected(call, CallState::Failed, By::Us).await;
        }
    }

    pub(super) async fn never_connected(&self, call: CallId, outcome: CallState, by: By) {
        let (recorder, placed, carrier_call) = {
            let mut calls = lock(&self.0.calls);
            let Some(live) = calls.get_mut(&call).filter(|l| l.waiting.is_some()) else { return };
            live.waiting = None;
            let carrier_call = lock(&live.view).carrier_call.clone();
            (self.recorder(call, live), live.placed.clone(), carrier_call)
        };
        let cause = match &placed {
            Some(placed) if !placed.taken => EndCause::DialUnknown,
            _ => EndCause::NeverConnected,
        };
        recorder.end_as(outcome, cause).await;
        recorder.over(outcome, cause);
        // It must not ring on with nobody here to speak.
        if let Some(placed) = placed.filter(|placed| by == By::Us && placed.taken && !carrier_call.is_empty()) {
            self.0.deps.scope.spawn("hang up", outbound::hang_up(placed.dialer, call, carrier_call));
        }
    }

    /// Forgets ended calls whose person was erased.
    pub fn forget(&self, calls: &[CallId]) {
        lock(&self.0.ended).retain(|(_, view)| !calls.contains(&view.id));
    }

    /// Every minute, while the daemon lives.
    pub async fn sweep(self) {
        let scope = self.0.deps.scope.clone();
        loop {
            tokio::select! {
                () = scope.stopped() => return,
                () = tokio::time::sleep(Duration::from_secs(30)) => self.abandon_unconnected().await,
            }
        }
    }
}
