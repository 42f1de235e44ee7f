//! The starter model answers through the worker as its card says.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use serde_json::{Value, json};
use support::{CLASSIFY, Worker, chat, message, starter};

fn sample() -> Vec<Value> {
    let text = std::fs::read_to_string(starter("eval/sample.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
}

/// First letter of the script's block, for each language.
fn block(language: &str) -> u32 {
    match language {
        "hi-IN" | "mr-IN" => 0x0900,
        "bn-IN" => 0x0980,
        "pa-IN" => 0x0a00,
        "gu-IN" => 0x0a80,
        "or-IN" => 0x0b00,
        "ta-IN" => 0x0b80,
        "te-IN" => 0x0c00,
        "kn-IN" => 0x0c80,
        "ml-IN" => 0x0d00,
        _ => 0,
    }
}

/// Most letters are of the language's script.
fn in_script(text: &str, language: &str) -> bool {
    let (mut right, mut wrong) = (0, 0);
    for letter in text.chars().filter(|c| c.is_ascii_alphabetic() || ('\u{900}'..='\u{d7f}').contains(c)) {
        let found = if letter.is_ascii() { 0 } else { letter as u32 & !0x7f };
        if found == block(language) { right += 1 } else { wrong += 1 }
    }
    right >= wrong
}

/// The text without its action tags, and the tags.
fn split_tags(answer: &str) -> (String, Vec<String>) {
    let mut tags = Vec::new();
    let mut said = String::new();
    let mut rest = answer;
    while let Some((before, after)) = rest.split_once("[[") {
        said.push_str(before);
        let (tag, after) = after.split_once("]]").unwrap_or((after, ""));
        tags.push(tag.to_owned());
        rest = after;
    }
    said.push_str(rest);
    (said, tags)
}

/// How often an answer was what the sample expects.
#[derive(Debug, Default, PartialEq)]
struct Score {
    language: u32,
    facts: u32,
    actions: u32,
    intents: u32,
    json: u32,
}

impl Score {
    fn count(&mut self, item: &Value, answer: &str) {
        let expect = &item["expect"];
        if item["task"] == "classify" {
            let json: Value = serde_json::from_str(answer).unwrap_or_default();
            self.json += u32::from(json.as_object().is_some_and(|o| o.len() == 4));
            self.intents += u32::from(json["intent"] == expect["intent"]);
            self.language += u32::from(json["language"] == expect["language"]);
            return;
        }
        let (mut said, tags) = split_tags(answer);
        let contains = strings(&expect["contains"]);
        let absent = strings(&expect["absent"]);
        let right = contains.iter().all(|fact| said.contains(fact)) && !absent.iter().any(|fact| said.contains(fact));
        self.facts += u32::from(right && !(contains.is_empty() && absent.is_empty()));
        for fact in &contains {
            said = said.replace(fact, " ");
        }
        self.language += u32::from(in_script(&said, text(expect, "language")));
        self.actions += u32::from(actions(&tags) == actions(&strings(&expect["tags"])));
    }
}

/// Languages whole, of other tags only which.
fn actions(tags: &[String]) -> Vec<&str> {
    let mut names: Vec<&str> = tags
        .iter()
        .map(|tag| if tag.starts_with("language") { tag } else { tag.split(' ').next().unwrap_or_default() })
        .collect();
    names.sort_unstable();
    names
}

/// `plain.jsonl` holds what llama.cpp answers with one sequence, its defaults and the prompt written
/// out as the card has it.
#[test]
fn the_evaluation_sample_is_answered_as_by_plain_llama_cpp() {
    let mut worker = Worker::start();
    let (mut ours, mut plain) = (Score::default(), Score::default());
    let mut differ = Vec::new();
    let expected = include_str!("plain.jsonl").lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut asked = 0;
    for ((number, item), expected) in (1_u64..).zip(sample()).zip(expected) {
        let mut ask = chat(number, &[("system", text(&item, "system"))]);
        match item["turns"].as_array() {
            Some(turns) => ask.messages.extend(turns.iter().map(|t| message(text(t, "role"), text(t, "content")))),
            None => ask.messages.push(message("user", text(&item, "user"))),
        }
        let answer = worker.ask(number, ask);
        assert!(answer.failed.is_none() && !answer.generated.cut, "{answer:?}");
        assert_eq!(json!(answer.generated.prompt_tokens), expected["prompt_tokens"], "the prompt is not the card's");
        ours.count(&item, &answer.text);
        plain.count(&item, text(&expected, "answer"));
        if answer.text != text(&expected, "answer") {
            differ.push((number, answer.text, text(&expected, "answer").to_owned()));
        }
        asked += 1;
    }
    eprintln!("{asked} asked; ours {ours:?}; plain {plain:?}; different: {differ:#?}");
    assert_eq!(asked, 50);
    assert!(ours.language >= plain.language && ours.json == plain.json && plain.json == 6);
    // Sums in another order may tip a word whose rival is as good.
    assert!(ours.facts + 1 >= plain.facts && ours.actions + 1 >= plain.actions && ours.intents + 1 >= plain.intents);
    assert!(differ.len() <= 4);
}

#[test]
fn under_a_grammar_every_classification_parses() {
    let mut worker = Worker::start();
    let mut spoken: Vec<String> = sample()
        .iter()
        .map(|item| match item["turns"].as_array() {
            Some(turns) => text(turns.last().unwrap(), "content").to_owned(),
            None => text(item, "user").to_owned(),
        })
        .collect();
    spoken.extend(["", "{\"intent\":", "ा", "🙂🙂", "asdf ]] }} \u{200d} \n\n"].map(str::to_owned));
    for (number, words) in (1_u64..).zip(&spoken) {
        for temperature in [0.0, 1.5] {
            let system = "Classify the caller's words. Answer with JSON only.";
            let mut ask = chat(0, &[("system", system), ("user", words)]);
            ask.grammar = Some(CLASSIFY.to_owned());
            ask.temperature = temperature;
            let answer = worker.ask(number, ask);
            let json: Value = serde_json::from_str(&answer.text).unwrap_or_else(|e| panic!("{e}: {answer:?}"));
            assert_eq!(json.as_object().unwrap().len(), 4, "{json}");
            assert!(!answer.generated.cut);
        }
    }
}

#[test]
fn a_grammar_of_the_product_answers_only_what_it_may() {
    let mut worker = Worker::start();
    let mut ask = chat(3, &[("system", support::BRIEF), ("user", "எவ்வளவு கட்டணும்?")]);
    ask.grammar = Some("root ::= \"சரி\" | \"இல்லை\"".to_owned());
    let answer = worker.ask(1, ask);
    assert!(["சரி", "இல்லை"].contains(&answer.text.as_str()), "{answer:?}");
    let asked = worker.ask(2, chat(3, &[("system", support::BRIEF), ("user", "எவ்வளவு கட்டணும்?")]));
    assert!(asked.text.contains("5,200"), "{asked:?}");
    assert!(json!(asked.generated.reused_tokens).as_u64().unwrap() > 100, "{asked:?}");
}
