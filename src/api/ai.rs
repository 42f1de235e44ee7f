//! `/ai/process`: a caller's words in, the agent's answer out. For trying an agent without a call.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use super::extract::Body;
use super::{ApiDeps, Problem};
use crate::auth::Principal;
use crate::base::Lang;
use crate::base::limits;
use crate::call::oneshot;
use crate::dialogue::language::detect;

#[derive(utoipa::OpenApi)]
#[openapi(paths(process), tags((name = "ai", description = "Engines that hear, think and speak")))]
pub(super) struct Doc;

#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    user_input: String,
    /// Absent: detected from the words.
    language: Option<Lang>,
    agent: Option<String>,
}

#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Answer {
    text: String,
    language: Lang,
    intent: Option<String>,
    actions: Vec<String>,
    first_token_ms: Option<u64>,
    took_ms: u64,
    provider: String,
}

/// An agent's answer to a caller's words, without a call.
#[utoipa::path(post, path = "/ai/process", tag = "ai", request_body = Question, responses(
    (status = 200, body = Answer),
    (status = 502, description = "The language model did not answer.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn process(
    State(deps): State<ApiDeps>,
    who: Principal,
    Body(question): Body<Question>,
) -> Result<Json<Answer>, Problem> {
    let text = question.user_input.trim();
    if text.is_empty() || text.chars().count() > limits::ASK_CHARS_MAX {
        let most = limits::ASK_CHARS_MAX;
        return Err(Problem::bad_request(format!("user_input must have 1 to {most} characters")));
    }
    let script = deps
        .scripts
        .within(who.tenant.as_ref(), question.agent.as_deref())
        .filter(|s| !s.is_echo())
        .ok_or_else(|| Problem::bad_request("no conversational agent of that name is configured"))?;
    let language = question.language.unwrap_or_else(|| detect(text, None).language);
    let began = deps.clock.now();
    let answered = oneshot::answer(&script, &deps.engines.llm, language, text).await.map_err(|fault| {
        Problem::new(StatusCode::BAD_GATEWAY, "the language model did not answer", fault.to_string())
    })?;
    Ok(Json(Answer {
        text: answered.text,
        language,
        intent: answered.intent.map(|i| i.name().to_owned()),
        actions: answered.actions.iter().map(ToString::to_string).collect(),
        first_token_ms: answered.first_token.map(millis),
        took_ms: millis(deps.clock.now().since(began)),
        provider: answered.provider,
    }))
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}
