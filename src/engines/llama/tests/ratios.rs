//! What reuse and batching are worth, as ratios measured in one run. Not part of the tests, because
//! time is no test: `cargo nextest run --workspace --run-ignored only -E 'binary(ratios)' --no-capture`.

#![allow(clippy::disallowed_methods, reason = "this measures time")]

mod support;

use std::time::Instant;

use serde_json::json;
use support::{Worker, chat, message};
use vaani_engine_protocol::{Ask, Generate};

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
    for call in 1..=7_u64 {
        let mut messages = vec![message("system", &brief)];
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

#[test]
#[ignore = "a measurement"]
fn four_calls_together_against_the_same_four_in_turn() {
    for settings in [json!({}), json!({"lanes": 1, "threads": 1}), json!({"lanes": 1, "threads": 2})] {
        let mut worker = Worker::with(settings.clone());
        let (mut ratios, mut speeds) = (Vec::new(), Vec::new());
        for round in 0..9_u64 {
            let asks: Vec<Generate> = (0..4)
                .map(|call| {
                    let mut ask = chat(round * 10 + call + 1, &[("system", support::BRIEF), ("user", "hello")]);
                    ask.grammar = None;
                    ask.messages[1].content =
                        ["who are you?", "what is your address?", "எவ்வளவு கட்டணும்?", "how can I pay?"][call as usize]
                            .to_owned();
                    ask
                })
                .collect();
            // Their prompts are evaluated; what is measured is writing.
            let mut run = |together: bool| {
                let mut tokens = 0;
                let since = Instant::now();
                for again in 0..4 {
                    let numbers: Vec<u64> =
                        (0..4).map(|n| round * 1_000 + again * 10 + n + u64::from(together) * 500).collect();
                    for (number, ask) in numbers.iter().zip(&asks) {
                        worker.send(*number, &Ask::Generate(ask.clone()));
                        if !together {
                            tokens += worker.answer(*number).generated.answer_tokens;
                        }
                    }
                    if together {
                        tokens += numbers.iter().map(|n| worker.answer(*n).generated.answer_tokens).sum::<u32>();
                    }
                }
                f64::from(tokens) / since.elapsed().as_secs_f64()
            };
            run(true);
            let in_turn = run(false);
            let together = run(true);
            speeds.push((in_turn, together));
            ratios.push(together / in_turn);
        }
        let best = |of: fn(&(f64, f64)) -> f64| speeds.iter().map(of).fold(0.0, f64::max);
        eprintln!(
            "{settings}: in turn {:.0} tokens/s, together {:.0}; ratio of the medians {:.2}, of the best {:.2} (aim 1.80)",
            median(speeds.iter().map(|s| s.0).collect()),
            median(speeds.iter().map(|s| s.1).collect()),
            median(ratios),
            best(|s| s.1) / best(|s| s.0),
        );
    }
}
