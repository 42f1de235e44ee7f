//! A call that cannot be taken: a busy tone, or a polite line and the offer to be called back.
//! Promise: a caller who is told that it was noted is in the list, on the disk. Nothing here needs a
//! free engine: the lines were spoken ahead.

use std::sync::Arc;

use axum::extract::{Request, State};
use tracing::{info, warn};

use super::prompts::{self, Prompt};
use super::server::{Answer, Shared, Webhook, document};
use super::twiml::{Gather, Verb};
use crate::base::Lang;
use crate::telephony::leg::Refusal;
use crate::telephony::lines::CALLBACK_KEY as KEY;

const ADDRESS: &str = "/voice/callback";

/// A key was pressed after the offer, or none was.
pub(super) async fn callback(State(shared): State<Arc<Shared>>, request: Request) -> Answer {
    match Webhook::receive(&shared, request).await {
        Ok(webhook) => note(&shared, &webhook).await.unwrap_or_else(|answer| answer),
        Err(answer) => answer,
    }
}

async fn note(shared: &Shared, webhook: &Webhook) -> Result<Answer, Answer> {
    let language = webhook.query("lang").and_then(|tag| tag.parse().ok()).unwrap_or(Lang::En);
    if webhook.param("Digits").is_none_or(|digits| digits != KEY.to_string()) {
        return Ok(document(&[Verb::Hangup]));
    }
    let noted = shared.deps.exchange.wants_callback(webhook.announcement()?, language).await;
    if noted {
        info!("a caller for whom no line was free is to be called back");
    }
    let line = if noted { prompts::CALLBACK_NOTED } else { prompts::CALLBACK_FAILED };
    Ok(spoken(shared, language, line))
}

impl Shared {
    /// What a caller hears who cannot be taken.
    pub(super) fn refuse(&self, refusal: Refusal, webhook: &Webhook) -> Answer {
        // A call of our own has been answered by then: it cannot be rejected any more.
        if webhook.query("call").is_some() {
            return document(&[Verb::Hangup]);
        }
        let busy = matches!(refusal, Refusal::Full | Refusal::Overloaded | Refusal::Draining);
        // A box that is stopping will not be there for the lines to be fetched from.
        if refusal == Refusal::Draining || !busy || !self.deps.settings.spoken_busy {
            return document(&[Verb::Reject { busy }]);
        }
        let announcement = match webhook.announcement() {
            Ok(announcement) => announcement,
            Err(answer) => return answer,
        };
        let lang = self.deps.exchange.greeting_language(&announcement);
        if announcement.from.is_none() {
            // Nobody can be called back who does not say from where.
            return spoken(self, lang, prompts::BUSY);
        }
        let base = &self.deps.settings.public_base_url;
        let lines = [(prompts::BUSY, None), (prompts::CALLBACK_OFFER, Some(KEY))];
        let lines = lines.map(|(key, digit)| Prompt { key, lang, digit }.verb(base, self.deps.prompts.as_ref()));
        let prompts: Vec<Verb> = lines.into_iter().flatten().collect();
        if prompts.is_empty() {
            return document(&[Verb::Reject { busy: true }]);
        }
        let mut action = format!("{ADDRESS}?lang={lang}");
        if let Some(agent) = webhook.agent() {
            action.push_str("&agent=");
            action.extend(url::form_urlencoded::byte_serialize(agent.as_bytes()));
        }
        let timeout_seconds = self.deps.settings.menu_timeout.as_secs().max(1);
        let gather = Gather { action: base.webhook(&action), timeout_seconds, prompts };
        document(&[Verb::Gather(gather), Verb::Hangup])
    }
}

/// One line, then the end; a busy tone where nobody can say it.
fn spoken(shared: &Shared, lang: Lang, key: &'static str) -> Answer {
    let line = Prompt { key, lang, digit: None };
    match line.verb(&shared.deps.settings.public_base_url, shared.deps.prompts.as_ref()) {
        Some(verb) => document(&[verb, Verb::Hangup]),
        None => {
            warn!(key, %lang, "a line cannot be spoken");
            document(&[Verb::Hangup])
        }
    }
}
