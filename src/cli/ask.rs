//! `vaani ask`: what an agent's language model answers to one sentence.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Serialize;

use super::local::{Local, ms, read_answer};
use super::output::{complain, json_line, line};
use crate::ai::engines::Llama;
use crate::ai::llm::{Llm, LlmRequest, LlmUsage, Message, Role};
use crate::base::limits::{ASK_CHARS_MAX, ENGINE_READY_WITHIN};
use crate::base::{CallId, Clock, Lang};
use crate::config::Settings;
use crate::dialogue::agent::{Agent, AgentFile};
use crate::dialogue::book::Intent;
use crate::dialogue::brief::{brief, classify_prompt, intent_grammar, parse_classification};
use crate::dialogue::policy::Policy;
use crate::dialogue::tags::{Piece, TagFilter};

#[derive(clap::Args, Debug)]
pub struct Args {
    /// What the caller says.
    pub text: String,
    /// The language the call is in.
    #[arg(long, value_name = "TAG")]
    pub language: Lang,
    /// The agent's file, without `.toml`; by default the box's default agent.
    #[arg(long)]
    pub agent: Option<String>,
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    text: &'a str,
    actions: &'a [String],
    intent: Option<&'a str>,
    /// Why the reply may not be spoken; the text is then empty.
    refused: Option<&'a str>,
    first_token_ms: u64,
    took_ms: u64,
    provider: &'a str,
}

/// Tokens of one reply and of one classification.
const REPLY_TOKENS: u32 = 160;
const CLASSIFY_TOKENS: u32 = 80;

pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    ensure!(!args.text.trim().is_empty(), "there is nothing to answer");
    let characters = args.text.chars().count();
    ensure!(characters <= ASK_CHARS_MAX, "the text has {characters} characters, at most {ASK_CHARS_MAX} are taken");
    let agents = AgentFile::load(&settings.data.config_dir.join("agents"))?;
    let name = args.agent.as_deref().unwrap_or(&settings.calls.default_agent);
    let Some(agent) = agents.get(name) else {
        let known: Vec<_> = agents.agents.keys().map(String::as_str).collect();
        complain(&format!("no agent is called {name:?}; there are {}", known.join(", ")));
        return Ok(ExitCode::from(2));
    };
    let local = Local::new(settings);
    let llama = Llama::start(&local.setup);
    let outcome = ask(&args, agent, &llama, local.setup.clock).await;
    local.stop().await;
    let Answer { text, actions, intent, usage, first_token } = outcome?;
    let verdict = Policy::new(agent).check(args.language, &text);
    let refused =
        (!verdict.allowed).then(|| verdict.reason.map_or_else(|| "not allowed".to_owned(), |r| r.to_string()));
    let text = if refused.is_some() { String::new() } else { text };
    if args.json {
        json_line(&Row {
            text: &text,
            actions: &actions,
            intent: intent.map(Intent::name),
            refused: refused.as_deref(),
            first_token_ms: ms(first_token),
            took_ms: ms(usage.took),
            provider: &usage.provider,
        })?;
    } else {
        match &refused {
            Some(reason) => complain(&format!("the model's answer may not be spoken: {reason}")),
            None => line(&text)?,
        }
        for action in &actions {
            line(&format!("[{action}]"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

struct Answer {
    text: String,
    actions: Vec<String>,
    intent: Option<Intent>,
    usage: LlmUsage,
    first_token: Duration,
}

async fn ask(args: &Args, agent: &Agent, llama: &Llama, clock: Clock) -> anyhow::Result<Answer> {
    llama.ready(ENGINE_READY_WITHIN).await.context("failed to start the language model")?;
    let call = CallId::new();
    let request = |thread, system: String, grammar, max_tokens| LlmRequest {
        call: Some(call),
        thread,
        messages: vec![Message::new(Role::System, system), Message::new(Role::User, args.text.trim())],
        grammar,
        max_tokens,
        temperature: 0.0,
        speculative: false,
    };
    let system = brief(agent, args.language, &agent.facts(args.language));
    let reply = read_answer(llama.generate(request(0, system, None, REPLY_TOKENS)), clock);
    let grammar = intent_grammar(&agent.intents, &[]);
    let class =
        read_answer(llama.generate(request(1, classify_prompt().to_owned(), Some(grammar), CLASSIFY_TOKENS)), clock);
    let (reply, class) = tokio::join!(reply, class);
    let (reply, class) = (reply?, class?);
    let intent = match parse_classification(&class.text) {
        Ok(classification) => Some(classification.intent),
        Err(error) => {
            tracing::warn!(%error, "classification is not understood");
            None
        }
    };
    let mut filter = TagFilter::new();
    let mut pieces = filter.push(&reply.text);
    pieces.extend(filter.finish());
    let (mut text, mut actions) = (String::new(), Vec::new());
    for piece in pieces {
        match piece {
            Piece::Text(said) => text.push_str(&said),
            Piece::Action(action) => {
                actions.push(action.to_string().trim_start_matches("[[").trim_end_matches("]]").to_owned());
            }
            Piece::Dropped(_) => tracing::warn!("the model wrote a tag that is no action"),
        }
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(Answer { text, actions, intent, usage: reply.usage, first_token: reply.first_token })
}
