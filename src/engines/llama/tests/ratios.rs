//! What reuse and batching are worth, as ratios measured in one run. Not part of the tests, because
//! time is no test: `cargo nextest run --workspace --run-ignored only -E 'binary(ratios)' --no-capture`.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "this measures time; a test")]

mod support;

use std::time::Instant;

use serde_json::json;
use support::{Worker, chat, message};
use vaani_engine_protocol::{Ask, Generate, Tell};

/// A brief of about a thousand tokens.
fn long_brief() -> String {
    let mut brief = support::BRIEF.to_owned();
    for number in 1..=40 {
        brief.push_str(&format!(
            "\n- rule {number}: speak politely, keep to the facts and never promise anything to the caller"
        ));
    }
    brief
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
#[ignore = "a measurement"]
fn first_token_of_a_later_turn_against_a_cold_prompt() {
    let mut worker = Worker::with(json!({}));
    let brief = long_brief();
    let (mut warm, mut cold, mut tokens) = (Vec::new(), Vec::new(), (0, 0));
    for call in 1..=4_u64 {
        // Each call has a brief of its own, or the second would find the first one's.
        let mut messages = vec![message("system", &format!("Call {call}. {brief}"))];
        for (turn, said) in (1_u64..).zip(["வணக்கம்", "எவ்வளவு கட்டணும்?", "எப்போ கட்டணும்?", "உங்க முகவரி என்ன?"])
        {
            messages.push(message("user", said));
            let ask = Generate { messages: messages.clone(), ..chat(call, &[]) };
            let anew = worker.ask(call * 100 + turn, Generate { cold: true, max_tokens: 1, ..ask.clone() });
            let reused = worker.ask(call * 100 + 50 + turn, ask);
            assert!(reused.failed.is_none(), "{reused:?}");
            if turn > 1 {
                cold.push(anew.generated.first_token_us as f64 / 1e3);
                warm.push(reused.generated.first_token_us as f64 / 1e3);
                tokens = (reused.generated.prompt_tokens, reused.generated.reused_tokens);
            }
            messages.push(message("assistant", &reused.text));
        }
    }
    let ratio = median(warm.iter().zip(&cold).map(|(w, c)| w / c).collect());
    eprintln!(
        "prompt of {} tokens, {} reused: first token after {:.1} ms, cold {:.1} ms; ratio {ratio:.3} (aim 0.100)",
        tokens.0,
        tokens.1,
        median(warm),
        median(cold),
    );
}

const SAID: [&str; 6] = [
    "who are you?",
    "what is your address?",
    "எவ்வளவு கட்டணும்?",
    "how can I pay?",
    "call me tomorrow at 5 PM",
    "when is the due date?",
];

/// Four calls of six turns each; their prompts are evaluated before, so what is measured is writing.
/// Together, each call asks its next question when its last one is answered.
fn run(worker: &mut Worker, round: u64, together: bool) -> f64 {
    let number = |call: u64, turn: usize| round * 1_000 + call * 10 + turn as u64 + u64::from(together) * 500;
    let ask = |call: u64, turn: usize| {
        // The calls say the same things in another order.
        let said = SAID[(turn + call as usize) % SAID.len()];
        Ask::Generate(chat(round * 100 + call * 10 + turn as u64, &[("system", support::BRIEF), ("user", said)]))
    };
    let mut tokens = 0;
    let since = Instant::now();
    if together {
        for call in 1..=4 {
            worker.send(number(call, 0), &ask(call, 0));
        }
        let mut open = 4 * SAID.len();
        while open > 0 {
            let frame = worker.read();
            if let Tell::Generated(generated) = frame.message {
                tokens += generated.answer_tokens;
                open -= 1;
                let (call, turn) = (frame.request % 100 / 10, (frame.request % 10) as usize + 1);
                if turn < SAID.len() {
                    worker.send(number(call, turn), &ask(call, turn));
                }
            }
        }
    } else {
        for (call, turn) in (1..=4).flat_map(|call| (0..SAID.len()).map(move |turn| (call, turn))) {
            worker.send(number(call, turn), &ask(call, turn));
            tokens += worker.answer(number(call, turn)).generated.answer_tokens;
        }
    }
    f64::from(tokens) / since.elapsed().as_secs_f64()
}

#[test]
#[ignore = "a measurement"]
fn four_calls_together_against_the_same_four_in_turn() {
    for settings in [json!({}), json!({"lanes": 1, "threads": 1})] {
        let mut worker = Worker::with(settings.clone());
        let mut speeds = Vec::new();
        for round in 1..=8 {
            run(&mut worker, round, true);
            speeds.push((run(&mut worker, round, false), run(&mut worker, round, true)));
        }
        let best = |of: fn(&(f64, f64)) -> f64| speeds.iter().map(of).fold(0.0, f64::max);
        eprintln!(
            "{settings}: in turn {:.0} tokens/s, together {:.0}; median ratio {:.2}, of the best {:.2} (aim 1.80)",
            median(speeds.iter().map(|s| s.0).collect()),
            median(speeds.iter().map(|s| s.1).collect()),
            median(speeds.iter().map(|s| s.1 / s.0).collect()),
            best(|s| s.1) / best(|s| s.0),
        );
    }
}
