//! The contract of the language model: messages in, a stream of text out.

use std::time::Duration;

use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};

use super::Fault;
use crate::base::{CallId, Lang};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    System,
    User,
    Assistant,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub role: Role,
    pub content: String,
}

impl Message {
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self { role, content: content.into() }
    }
}

#[derive(Clone, Debug)]
pub struct LlmRequest {
    /// Requests of one conversation reuse its evaluated prefix; `None` is a one-off.
    pub call: Option<CallId>,
    /// Tells apart several prompts of one call that have nothing in common (reply, classification).
    pub thread: u8,
    /// What the answer shall be in, for choosing who answers.
    pub language: Option<Lang>,
    /// If the last one is the assistant's, the answer goes on where it stops.
    pub messages: Vec<Message>,
    /// GBNF that holds the answer to a shape (`choose`); `None` lets it write freely.
    pub grammar: Option<String>,
    pub max_tokens: u32,
    /// 0 is greedy.
    pub temperature: f32,
    pub speculative: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum LlmEvent {
    /// The next piece, whole UTF-8 characters only.
    Text(String),
    /// The answer is complete.
    Done(LlmUsage),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct LlmUsage {
    pub prompt_tokens: u32,
    /// Of those, already evaluated in an earlier request.
    pub reused_tokens: u32,
    pub answer_tokens: u32,
    /// The engine's own time to the first token, queueing excluded.
    pub first_token: Duration,
    pub took: Duration,
    pub provider: String,
}

pub type LlmStream = BoxStream<'static, Result<LlmEvent, Fault>>;

/// A language model. Dropping the stream cancels the request. The stream ends after `Done` or a
/// fault.
pub trait Llm: Send + Sync {
    fn id(&self) -> &str;
    fn generate(&self, request: LlmRequest) -> LlmStream;
    /// The call is over: its evaluated prefixes may go.
    fn forget(&self, call: CallId);
}
