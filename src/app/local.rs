//! Handsets of the box itself, on a socket in the state directory.

use std::sync::Arc;

use crate::base::Clock;
use crate::base::tasks::Scope;
use crate::config::Settings;
use crate::telephony::leg::Exchange;
use crate::telephony::local::{self, LocalDeps, server};
use crate::telephony::stream::StreamMetrics;
use crate::telephony::webrtc::Facts;

/// A box whose socket cannot be opened takes all other calls.
pub(super) fn start(
    settings: &Settings,
    exchange: Arc<dyn Exchange>,
    facts: Facts,
    clock: Clock,
    scope: &Scope,
    metrics: StreamMetrics,
) {
    if !settings.local.enabled {
        return;
    }
    let path = settings.state.dir.join(server::SOCKET);
    match server::open(&path) {
        Ok(listener) => {
            let deps = LocalDeps { exchange, facts, clock, tasks: scope.clone(), metrics };
            scope.spawn("handsets", local::serve(listener, deps));
        }
        Err(error) => {
            let path = path.display();
            tracing::warn!(%error, %path, "the handsets' socket could not be opened; `vaani call --local` cannot call this daemon");
        }
    }
}
