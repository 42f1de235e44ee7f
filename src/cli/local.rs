//! The local engines for the length of one command.

use std::time::Duration;

use crate::ai::engines::Setup;
use crate::ai::hardware::Hardware;
use crate::base::Clock;
use crate::base::tasks::Scope;
use crate::config::Settings;

/// Tasks and time of a command that asks engines. Engines started with its setup end with it.
pub(super) struct Local {
    pub setup: Setup,
}

impl Local {
    /// A command has nobody waiting on a line, so no spare is kept.
    pub(super) fn new(settings: &Settings) -> Self {
        let mut setup = Setup::new(settings, &Hardware::detect(), Scope::new(), Clock::system());
        for plan in [&mut setup.plan.stt, &mut setup.plan.llm, &mut setup.plan.tts] {
            plan.spares = 0;
        }
        Self { setup }
    }

    pub(super) async fn stop(self) {
        self.setup.scope.stop();
        if !self.setup.scope.join(Duration::from_secs(5)).await {
            tracing::warn!("engine workers did not end in time");
        }
    }
}

pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
