//! The local engines for the length of one command.

use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::StreamExt;

use crate::ai::engines::Setup;
use crate::ai::hardware::Hardware;
use crate::ai::llm::{LlmEvent, LlmStream, LlmUsage};
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

/// A language model's whole answer, and when its first piece came.
pub(super) struct Written {
    pub text: String,
    pub usage: LlmUsage,
    pub first_token: Duration,
}

pub(super) async fn read_answer(mut answer: LlmStream, clock: Clock) -> anyhow::Result<Written> {
    let began = clock.now();
    let (mut text, mut first_token) = (String::new(), None);
    while let Some(event) = answer.next().await {
        match event.context("failed to generate")? {
            LlmEvent::Text(piece) => {
                first_token.get_or_insert_with(|| clock.now().since(began));
                text.push_str(&piece);
            }
            LlmEvent::Done(usage) => {
                let first_token = first_token.unwrap_or_else(|| clock.now().since(began));
                return Ok(Written { text, usage, first_token });
            }
        }
    }
    bail!("the language model's answer ended in the middle")
}

pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
