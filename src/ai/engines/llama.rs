//! Language models by the llama worker.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use indexmap::IndexMap;
use serde_json::json;
use vaani_engine_protocol::{Ask, ChatMessage, Generate, Generated, Ready, Tell};

use super::Setup;
use super::link::Answers;
use super::pool::{Pool, PoolHealth, Terms};
use super::supervise::Orders;
use crate::ai::Fault;
use crate::ai::llm::{Llm, LlmEvent, LlmRequest, LlmStream, LlmUsage, Role};
use crate::base::CallId;
use crate::base::limits::{CONVERSATIONS_MAX, ENGINE_READY_WITHIN, ENGINE_REQUEST_MAX};

/// The local language model.
#[derive(Clone, Debug)]
pub struct Llama {
    pool: Pool,
    /// Which threads of a call have a conversation in a worker, oldest call first.
    threads: Arc<Mutex<IndexMap<CallId, Vec<u8>>>>,
}

const PROVIDER: &str = "local/llama";

impl Llama {
    /// Starts the workers; they load while the caller goes on.
    pub fn start(setup: &Setup) -> Self {
        let plan = &setup.plan.llm;
        let settings = json!({
            "model": setup.llm_model,
            "slots": plan.slots,
            "threads": plan.threads,
            "context": u64::from(setup.llm_context) * plan.slots as u64,
        });
        let orders = Orders {
            engine: "llama",
            provider: PROVIDER,
            program: setup.program("vaani-engine-llama", plan, settings),
            memory: plan.memory,
            ready_within: ENGINE_READY_WITHIN,
            recycle_after: None,
        };
        let pool = Pool::start(&orders, plan.workers, plan.spares, &setup.scope, setup.clock);
        Self { pool, threads: Arc::default() }
    }

    pub fn health(&self) -> PoolHealth {
        self.pool.health()
    }

    /// Waits until a worker has loaded its model.
    pub async fn ready(&self, within: Duration) -> Result<Ready, Fault> {
        self.pool.ready(within).await
    }

    /// Generation that evaluates everything anew: the yardstick of `vaani bench llm`.
    pub fn generate_cold(&self, request: LlmRequest) -> LlmStream {
        self.run(request, true)
    }

    fn run(&self, request: LlmRequest, cold: bool) -> LlmStream {
        let conversation = request.call.map(|call| conversation(call, request.thread));
        if let Some(call) = request.call {
            self.note(call, request.thread);
        }
        let terms = Terms { conversation, speculative: request.speculative, deadline: ENGINE_REQUEST_MAX };
        let ask = Ask::Generate(Generate {
            conversation: conversation.unwrap_or(0),
            messages: request
                .messages
                .into_iter()
                .map(|m| ChatMessage { role: role(m.role), content: m.content })
                .collect(),
            grammar: request.grammar,
            max_tokens: request.max_tokens,
            temperature: request.temperature,
            cold,
        });
        let start = Step::Ask(self.pool.clone(), Box::new(ask), terms);
        stream::unfold(start, |step| async move {
            let mut answers = match step {
                Step::Ask(pool, ask, terms) => match pool.ask(&ask, &[], terms).await {
                    Ok(answers) => answers,
                    Err(fault) => return Some((Err(fault), Step::Over)),
                },
                Step::Read(answers) => answers,
                Step::Over => return None,
            };
            Some(match answers.next().await {
                Ok((Tell::Text { text }, _)) => (Ok(LlmEvent::Text(text)), Step::Read(answers)),
                Ok((Tell::Generated(generated), _)) => (Ok(LlmEvent::Done(usage(&generated))), Step::Over),
                Ok((other, _)) => (Err(answers.unexpected(&other)), Step::Over),
                Err(fault) => (Err(fault), Step::Over),
            })
        })
        .boxed()
    }

    fn note(&self, call: CallId, thread: u8) {
        let mut calls = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        if !calls.contains_key(&call) && calls.len() >= CONVERSATIONS_MAX {
            calls.shift_remove_index(0);
        }
        let threads = calls.entry(call).or_default();
        if !threads.contains(&thread) {
            threads.push(thread);
        }
    }
}

/// Where a streamed answer is.
enum Step {
    Ask(Pool, Box<Ask>, Terms),
    Read(Answers),
    Over,
}

impl Llm for Llama {
    fn id(&self) -> &str {
        PROVIDER
    }

    fn generate(&self, request: LlmRequest) -> LlmStream {
        self.run(request, false)
    }

    fn forget(&self, call: CallId) {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).shift_remove(&call);
        for thread in threads.unwrap_or_default() {
            let conversation = conversation(call, thread);
            self.pool.end_conversation(conversation, &Ask::Forget { conversation });
        }
    }
}

/// The worker's name for one thread of one call; 0 is left to one-off requests.
const fn conversation(call: CallId, thread: u8) -> u64 {
    let key = call.low_bits().wrapping_add(thread as u64);
    if key == 0 { 1 } else { key }
}

fn role(role: Role) -> String {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
    .to_owned()
}

fn usage(generated: &Generated) -> LlmUsage {
    LlmUsage {
        prompt_tokens: generated.prompt_tokens,
        reused_tokens: generated.reused_tokens,
        answer_tokens: generated.answer_tokens,
        first_token: Duration::from_micros(generated.first_token_us),
        took: Duration::from_micros(generated.took_us),
        provider: PROVIDER.to_owned(),
    }
}
