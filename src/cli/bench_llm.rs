//! `vaani bench llm`: what the kept prefix and the shared batch are worth, as ratios of one run.

use std::ops::Range;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::try_join_all;
use serde::Serialize;

use super::bench_stt::Spread;
use super::local::{Local, read_answer};
use super::output::{json_line, line};
use crate::ai::engines::Llama;
use crate::ai::llm::{Llm, LlmRequest, Message, Role};
use crate::base::limits::ENGINE_READY_WITHIN;
use crate::base::{CallId, Clock, Lang};
use crate::config::Settings;

#[derive(clap::Args, Debug)]
pub struct Args {
    /// Calls measured one after another.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub calls: u32,
    #[arg(long)]
    pub json: bool,
}

/// Time to the first token of a later turn against a cold prompt.
const ASKED_AT_MOST: f64 = 0.1;
/// Tokens a second of four calls together against four in turn.
const ASKED_AT_LEAST: f64 = 1.8;
const BRIEF_TOKENS: u32 = 1_000;
const TOGETHER: usize = 4;
const ROUNDS: usize = 10;
const TRIALS: usize = 4;

#[derive(Debug, Serialize)]
struct Summary {
    benchmark: &'static str,
    brief_tokens: u32,
    turns: usize,
    threads: usize,
    /// Request to first token, transport included.
    cold_first_token_ms: Spread,
    later_first_token_ms: Spread,
    ratio: f64,
    asked_at_most: f64,
    in_turn_tokens_per_s: f64,
    together_tokens_per_s: f64,
    speed_up: f64,
    asked_at_least: f64,
    passed: bool,
}

pub async fn run(args: Args, settings: &Settings) -> anyhow::Result<ExitCode> {
    let mut local = Local::new(settings);
    local.setup.plan.llm.slots = local.setup.plan.llm.slots.max(TOGETHER);
    let llama = Llama::start(&local.setup);
    let outcome = measure(&args, &local, &llama).await;
    local.stop().await;
    let summary = outcome?;
    if args.json {
        json_line(&summary)?;
    } else {
        line(&format!(
            "first token with a brief of {} tokens: cold {:.1} ms, later turns {:.1} ms; ratio {:.3} (asked: at most {})",
            summary.brief_tokens,
            summary.cold_first_token_ms.mean,
            summary.later_first_token_ms.mean,
            summary.ratio,
            summary.asked_at_most
        ))?;
        line(&format!(
            "{TOGETHER} calls: in turn {:.0} tokens a second, together {:.0}; {:.2} times (asked: at least {})",
            summary.in_turn_tokens_per_s, summary.together_tokens_per_s, summary.speed_up, summary.asked_at_least
        ))?;
    }
    Ok(if summary.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(args: &Args, local: &Local, llama: &Llama) -> anyhow::Result<Summary> {
    llama.ready(ENGINE_READY_WITHIN).await.context("failed to start the language model")?;
    let clock = local.setup.clock;
    let facts = facts_for(llama, clock).await?;
    let (mut cold, mut later) = (Vec::new(), Vec::new());
    let mut brief_tokens = 0;
    for number in 0..args.calls {
        let call = CallId::new();
        // Each call has another brief, so that no other call's prefix helps.
        let mut talk = vec![Message::new(Role::System, brief(number as usize, facts))];
        for question in QUESTIONS {
            talk.push(Message::new(Role::User, question));
            let turn = read_answer(llama.generate(request(Some(call), &talk)), clock).await?;
            if talk.len() > 2 {
                later.push(turn.first_token);
                cold.push(read_answer(llama.generate_cold(request(None, &talk)), clock).await?.first_token);
            } else {
                brief_tokens = turn.usage.prompt_tokens;
            }
            talk.push(Message::new(Role::Assistant, turn.text));
        }
        llama.forget(call);
    }
    let (in_turn, together) = throughput(llama, clock).await?;
    let (cold_first, later_first) = (Spread::of(&cold), Spread::of(&later));
    let ratio = later_first.mean / cold_first.mean.max(f64::MIN_POSITIVE);
    let speed_up = together / in_turn.max(f64::MIN_POSITIVE);
    Ok(Summary {
        benchmark: "llm",
        brief_tokens,
        turns: later.len(),
        threads: local.setup.plan.llm.threads,
        cold_first_token_ms: cold_first,
        later_first_token_ms: later_first,
        ratio,
        asked_at_most: ASKED_AT_MOST,
        in_turn_tokens_per_s: in_turn,
        together_tokens_per_s: together,
        speed_up,
        asked_at_least: ASKED_AT_LEAST,
        passed: ratio <= ASKED_AT_MOST && speed_up >= ASKED_AT_LEAST,
    })
}

/// Tokens a second of four running calls: one after the other, and all at once. Calls do not wait
/// for each other's turns: each asks its next question when its answer is complete.
async fn throughput(llama: &Llama, clock: Clock) -> anyhow::Result<(f64, f64)> {
    let mut rates = [(0, Duration::ZERO); 2];
    // Now this, now that: what else the machine does in the meantime weighs on both.
    for at_once in [false, true].repeat(TRIALS) {
        let mut talks: Vec<_> =
            (0..TOGETHER).map(|n| (CallId::new(), vec![Message::new(Role::System, brief(100 + n, 8))])).collect();
        // The first turn evaluates the briefs, which is not what is measured here.
        for (n, (call, talk)) in talks.iter_mut().enumerate() {
            turns(llama, clock, *call, talk, n..n + 1).await?;
        }
        let began = clock.now();
        let calls = talks.iter_mut().enumerate().map(|(n, (call, talk))| {
            let questions = n + 1..n + 1 + ROUNDS;
            turns(llama, clock, *call, talk, questions)
        });
        let tokens = if at_once {
            try_join_all(calls).await?
        } else {
            let mut tokens = Vec::new();
            for call in calls {
                tokens.push(call.await?);
            }
            tokens
        };
        let took = clock.now().since(began);
        talks.iter().for_each(|(call, _)| llama.forget(*call));
        let rate = &mut rates[usize::from(at_once)];
        *rate = (rate.0 + tokens.iter().sum::<u32>(), rate.1 + took);
    }
    let [in_turn, together] = rates.map(|(tokens, took)| f64::from(tokens) / took.as_secs_f64().max(f64::MIN_POSITIVE));
    Ok((in_turn, together))
}

/// A call's turns; gives the tokens of its answers.
async fn turns(
    llama: &Llama,
    clock: Clock,
    call: CallId,
    talk: &mut Vec<Message>,
    questions: Range<usize>,
) -> anyhow::Result<u32> {
    let mut tokens = 0;
    for question in questions {
        talk.push(Message::new(Role::User, QUESTIONS[question % QUESTIONS.len()]));
        let turn = read_answer(llama.generate(request(Some(call), talk)), clock).await?;
        tokens += turn.usage.answer_tokens;
        talk.push(Message::new(Role::Assistant, turn.text));
    }
    Ok(tokens)
}

fn request(call: Option<CallId>, talk: &[Message]) -> LlmRequest {
    LlmRequest {
        call,
        thread: 0,
        language: Some(Lang::En),
        messages: talk.to_vec(),
        grammar: None,
        max_tokens: 64,
        temperature: 0.0,
        speculative: false,
    }
}

const QUESTIONS: [&str; 5] = [
    "what is the address of your office?",
    "how much do I have to pay?",
    "when is the due date?",
    "what are your office hours?",
    "what is my loan number?",
];

/// As many facts as make a brief of the wanted length with this model's tokenizer.
async fn facts_for(llama: &Llama, clock: Clock) -> anyhow::Result<usize> {
    let mut tokens = Vec::new();
    for facts in [10, 20] {
        let talk = [Message::new(Role::System, brief(9_999, facts)), Message::new(Role::User, "hello")];
        let probe = LlmRequest { max_tokens: 1, ..request(None, &talk) };
        tokens.push(read_answer(llama.generate(probe), clock).await?.usage.prompt_tokens);
    }
    let of_ten = tokens[1].saturating_sub(tokens[0]).max(1);
    Ok(20 + (BRIEF_TOKENS.saturating_sub(tokens[1]) * 10).div_ceil(of_ten) as usize)
}

fn brief(number: usize, facts: usize) -> String {
    let mut text = format!(
        "Agent name: Asha {number}. Company: Kaveri Finance. Speak English. Goal: help the customer with the loan.\nFacts:\n\
         - loan id: LN-{}\n- amount due: {} rupees\n- due date: {} June\n- office hours: 9:30 AM to 6 PM\n\
         - address: {number}, Gandhi Road, Madurai\n",
        20_391 + number,
        5_200 + number * 10,
        number % 28 + 1
    );
    for fact in 0..facts {
        text.push_str(&format!(
            "- note {}: visit of agent {} on day {}\n",
            fact + 1,
            (fact * 7 + number) % 90,
            fact % 28 + 1
        ));
    }
    text
}
