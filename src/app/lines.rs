//! The lines every call may need: rendered ahead, and those said before or instead of a call.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;

use crate::ai::tts::{Tts, TtsEvent, TtsRequest};
use crate::base::Lang;
use crate::base::audio::LINE_RATE;
use crate::base::tasks::Scope;
use crate::call::script::Scripts;
use crate::dialogue::speak;
use crate::media::wav;
use crate::telephony::lines::SpokenLines;
use crate::telephony::twilio::PromptSource;

/// Synthesises the lines every call may need, before a caller waits for them.
pub(super) async fn render_ahead(scripts: Arc<Scripts>, tts: Arc<dyn Tts>, scope: Scope) {
    const KEYS: [&str; 6] =
        ["filler_moment", "reprompt_silence", "reprompt_unclear", "language_confirmed", "human_unavailable", "goodbye"];
    for script in scripts.all().filter(|s| !s.is_echo()) {
        let is_default = scripts.get(None).is_some_and(|default| default.name() == script.name());
        for language in script.languages() {
            let mut lines: Vec<String> = vec![script.greeting(*language, false)];
            if is_default {
                // There will be no free engine when these are wanted.
                lines.extend(["busy_line", "callback_noted", "action_failed"].map(|key| script.line(*language, key)));
                lines.push(script.line(*language, "callback_offer").replace("{digit}", "1"));
            }
            lines.extend(script.recording().map(|mode| script.notice(*language, mode)));
            lines.extend(KEYS.iter().map(|key| script.line(*language, key)));
            for clause in lines.iter().flat_map(|line| crate::dialogue::clauses::split(line)) {
                if scope.is_stopping() {
                    return;
                }
                let request = TtsRequest {
                    call: None,
                    text: speak::spoken(*language, &clause),
                    language: *language,
                    voice: script.voice(*language),
                    pace: 1.0,
                    rate: LINE_RATE,
                };
                let mut stream = tts.speak(request);
                while let Some(event) = stream.next().await {
                    if let Err(fault) = event {
                        tracing::debug!(%fault, "a fixed line could not be rendered ahead");
                        break;
                    }
                }
            }
        }
    }
    tracing::info!("fixed lines are rendered");
}

/// The key menu and the apologies in the box's own voice.
pub(super) struct Prompts {
    pub(super) scripts: Arc<Scripts>,
    pub(super) tts: Arc<dyn Tts>,
}

impl PromptSource for Prompts {
    fn available(&self, lang: Lang, key: &str, digit: Option<char>) -> bool {
        self.text(lang, key, digit).is_some()
    }

    fn wav(&self, lang: Lang, key: &str, digit: Option<char>) -> BoxFuture<'_, Option<Bytes>> {
        let text = self.text(lang, key, digit);
        Box::pin(async move { Some(Bytes::from(wav::write(LINE_RATE, &self.speak(lang, &text?).await?))) })
    }

    fn text(&self, lang: Lang, key: &str, digit: Option<char>) -> Option<String> {
        let script = self.scripts.get(None)?;
        Some(script.line(lang, key).replace("{digit}", &digit.map(String::from).unwrap_or_default()))
    }
}

impl SpokenLines for Prompts {
    fn has(&self, lang: Lang, key: &str) -> bool {
        self.available(lang, key, None)
    }

    fn pcm<'a>(&'a self, lang: Lang, key: &'a str, digit: Option<char>) -> BoxFuture<'a, Option<Vec<i16>>> {
        let text = self.text(lang, key, digit);
        Box::pin(async move { self.speak(lang, &text?).await })
    }
}

impl Prompts {
    async fn speak(&self, lang: Lang, text: &str) -> Option<Vec<i16>> {
        let voice = self.scripts.get(None).and_then(|s| s.voice(lang));
        let text = speak::spoken(lang, text);
        let mut stream =
            self.tts.speak(TtsRequest { call: None, text, language: lang, voice, pace: 1.0, rate: LINE_RATE });
        let mut pcm = Vec::new();
        while let Some(event) = stream.next().await {
            match event {
                Ok(TtsEvent::Audio(more)) => pcm.extend(more),
                Ok(TtsEvent::Done(_)) => break,
                Err(fault) => {
                    tracing::warn!(%fault, "a menu line could not be rendered");
                    return None;
                }
            }
        }
        Some(pcm)
    }
}
