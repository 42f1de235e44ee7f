//! One question to an agent without a call: what `/ai/process` and `vaani ask` answer.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;

use super::script::Script;
use crate::ai::llm::{Llm, LlmEvent, LlmRequest, LlmUsage, Message, Role};
use crate::ai::{Fault, FaultKind};
use crate::base::{Lang, limits};
use crate::dialogue::book::Intent;
use crate::dialogue::brief::parse_classification;
use crate::dialogue::tags::{Action, Piece, TagFilter};

/// The agent's answer.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Without tags; the policy's line when it forbids what the model wrote.
    pub text: String,
    pub actions: Vec<Action>,
    pub intent: Option<Intent>,
    /// Set when policy refused the model's words.
    pub refused: Option<String>,
    pub first_token: Option<Duration>,
    pub took: Duration,
    pub provider: String,
}

/// Puts `text` to the agent: what does the caller want, and what is the reply?
pub async fn answer(script: &Script, llm: &Arc<dyn Llm>, language: Lang, text: &str) -> Result<Answered, Fault> {
    let choose = script.choose_request(None, language, text, false);
    let write = LlmRequest {
        call: None,
        thread: 0,
        language: Some(language),
        messages: vec![Message::new(Role::System, script.brief(language)), Message::new(Role::User, text)],
        grammar: None,
        max_tokens: limits::REPLY_TOKENS_MAX,
        temperature: 0.0,
        speculative: false,
    };
    let ((json, chosen), (written, usage)) = tokio::try_join!(collect(llm, choose), collect(llm, write))?;
    let intent = parse_classification(&json).ok().map(|c| c.intent);
    let mut filter = TagFilter::default();
    let mut pieces = filter.push(&written);
    pieces.extend(filter.finish());
    let mut answered = Answered {
        text: String::new(),
        actions: Vec::new(),
        intent,
        refused: None,
        first_token: Some(usage.first_token),
        took: usage.took.max(chosen.took),
        provider: usage.provider,
    };
    for piece in pieces {
        match piece {
            Piece::Text(text) => answered.text.push_str(&text),
            Piece::Action(action) => answered.actions.push(action),
            Piece::Dropped(_) => tracing::warn!("the model wrote a tag that is no action"),
        }
    }
    answered.text = answered.text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Err(reason) = script.may_say(language, &answered.text) {
        answered.text = script.line(language, "missing_fact");
        answered.actions.clear();
        answered.refused = Some(reason);
    }
    Ok(answered)
}

async fn collect(llm: &Arc<dyn Llm>, request: LlmRequest) -> Result<(String, LlmUsage), Fault> {
    let mut stream = llm.generate(request);
    let mut text = String::new();
    while let Some(event) = stream.next().await {
        match event? {
            LlmEvent::Text(piece) => text.push_str(&piece),
            LlmEvent::Done(usage) => return Ok((text, usage)),
        }
    }
    Err(Fault::new(FaultKind::Broken, llm.id(), "the answer ended without its last word"))
}
