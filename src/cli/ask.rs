//! `vaani ask`: what an agent's language model answers to one sentence.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use serde::Serialize;

use super::local::{Local, ms};
use super::output::{complain, json_line, line};
use crate::ai::engines::Llama;
use crate::ai::llm::Llm;
use crate::app;
use crate::base::Lang;
use crate::base::limits::{ASK_CHARS_MAX, ENGINE_READY_WITHIN};
use crate::call::oneshot;
use crate::config::Settings;
use crate::dialogue::book::Intent;

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
    actions: Vec<String>,
    intent: Option<&'a str>,
    /// Why the model's reply may not be spoken; the text is then what the caller would hear instead.
    refused: Option<&'a str>,
    first_token_ms: Option<u64>,
    took_ms: u64,
    provider: &'a str,
}

pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let text = args.text.trim();
    ensure!(!text.is_empty(), "there is nothing to answer");
    let characters = text.chars().count();
    ensure!(characters <= ASK_CHARS_MAX, "the text has {characters} characters, at most {ASK_CHARS_MAX} are taken");
    let scripts = app::load_scripts(settings)?;
    let Some(script) = scripts.get(args.agent.as_deref()).filter(|s| !s.is_echo()) else {
        let known: Vec<_> = scripts.all().filter(|s| !s.is_echo()).map(|s| s.name().to_owned()).collect();
        complain(&format!("no agent that answers is called so; there are {}", known.join(", ")));
        return Ok(ExitCode::from(2));
    };
    let local = Local::new(settings);
    let llama = Llama::start(&local.setup);
    let answered = match llama.ready(ENGINE_READY_WITHIN).await.context("failed to start the language model") {
        Ok(_) => {
            let llm: Arc<dyn Llm> = Arc::new(llama);
            oneshot::answer(&script, &llm, args.language, text).await.context("the language model did not answer")
        }
        Err(error) => Err(error),
    };
    local.stop().await;
    let answered = answered?;
    let bare = |action: String| action.trim_start_matches("[[").trim_end_matches("]]").to_owned();
    let row = Row {
        text: &answered.text,
        actions: answered.actions.iter().map(|action| bare(action.to_string())).collect(),
        intent: answered.intent.map(Intent::name),
        refused: answered.refused.as_deref(),
        first_token_ms: answered.first_token.map(ms),
        took_ms: ms(answered.took),
        provider: &answered.provider,
    };
    if args.json {
        json_line(&row)?;
    } else {
        if let Some(reason) = row.refused {
            complain(&format!("the model's answer may not be spoken: {reason}"));
        }
        line(row.text)?;
        for action in &row.actions {
            line(&format!("[{action}]"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
