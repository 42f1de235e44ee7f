//! Other families of models go through the same path: plain attention without a template, one with
//! thoughts to switch off, a sliding window, and a recurrent state that cannot be taken back.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use serde_json::json;
use support::gguf::Gguf;
use support::{Worker, chat, message};
use vaani_engine_protocol::{Ask, Generate};

const BRIEF: &str = "You are a phone assistant. Be polite, keep to the facts and answer in one sentence.";

/// Letters only: most of what weights of chance prefer are torn characters.
fn letters(conversation: u64) -> Generate {
    Generate { grammar: Some("root ::= [a-p]{40}".to_owned()), max_tokens: 12, ..chat(conversation, &[]) }
}

/// Weights of chance make near ties, which the order of the cells may tip after a while. What saw
/// the wrong tokens, or at wrong places, would be different from the first letter on.
fn begin(text: &str) -> &str {
    &text[..4]
}

/// A call in which every turn is asked twice: from the cache and anew.
fn hold_a_call(family: &str, gguf: &Gguf, reuses_changed_history: bool) {
    let path = std::env::temp_dir().join(format!("vaani-{family}-{}.gguf", std::process::id()));
    gguf.write(&path);
    for lanes in [1, 2] {
        let mut worker = Worker::with(json!({"model": path, "lanes": lanes, "context": 4_096, "prompt_chunk": 32}));
        let mut history = vec![message("system", BRIEF)];
        for turn in 1..=4_u64 {
            history.push(message("user", ["hello", "who are you?", "हाँ", "thank you"][turn as usize - 1]));
            let ask = Generate { messages: history.clone(), ..letters(5) };
            let cold = worker.ask(turn * 10, Generate { cold: true, ..ask.clone() });
            let warm = worker.ask(turn * 10 + 1, ask.clone());
            assert_eq!((&warm.failed, begin(&warm.text)), (&None, begin(&cold.text)), "{family}, turn {turn}");
            assert!(cold.generated.answer_tokens > 0 && cold.generated.reused_tokens == 0);
            // What the product remembers of the answer may differ from what was generated.
            history.push(message("assistant", &warm.text.chars().take(3).collect::<String>()));
            if turn > 1 {
                assert_eq!(warm.generated.reused_tokens > 80, reuses_changed_history, "{family}: {warm:?}");
            }
        }
        // Different calls at once, each with what it says alone.
        let asks: Vec<Generate> = (0..6)
            .map(|call| {
                let messages = vec![message("system", BRIEF), message("user", &format!("call {call}"))];
                Generate { messages, ..letters(100 + call) }
            })
            .collect();
        let alone: Vec<String> = (0..6)
            .map(|call| worker.ask(200 + call, Generate { cold: true, ..asks[call as usize].clone() }).text)
            .collect();
        for (number, ask) in (300..).zip(&asks) {
            worker.send(number, &Ask::Generate(ask.clone()));
        }
        let together: Vec<String> = (300..306).map(|number| worker.answer(number).text).collect();
        for (together, alone) in together.iter().zip(&alone) {
            assert_eq!(begin(together), begin(alone), "{family}");
        }
        assert!(alone.windows(2).any(|pair| pair[0] != pair[1]), "the model does not listen");
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn llama_without_a_template() {
    hold_a_call("llama", &Gguf::llama(), true);
}

#[test]
fn qwen() {
    hold_a_call("qwen", &Gguf::qwen(), true);
}

#[test]
fn gemma_with_its_sliding_window() {
    hold_a_call("gemma", &Gguf::gemma(), false);
}

#[test]
fn mamba_with_its_state() {
    hold_a_call("mamba", &Gguf::mamba(), false);
}

#[test]
fn thoughts_are_switched_off_where_the_template_can() {
    let ask = || Generate { max_tokens: 0, ..chat(0, &[("user", "hello")]) };
    let mut tokens = Vec::new();
    for (family, gguf) in [("qwen-thinks", Gguf::qwen()), ("llama-does-not", Gguf::llama())] {
        let path = std::env::temp_dir().join(format!("vaani-{family}-{}.gguf", std::process::id()));
        gguf.write(&path);
        tokens.push(Worker::with(json!({"model": path})).ask(1, ask()).generated.prompt_tokens);
        std::fs::remove_file(path).unwrap();
    }
    // Both vocabularies write the empty thought byte by byte.
    assert_eq!(tokens[0] - tokens[1], "<think>\n\n</think>\n\n".len() as u32);
}
