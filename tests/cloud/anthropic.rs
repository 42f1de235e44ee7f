//! Anthropic.

use serde_json::json;
use vaani::ai::FaultKind;
use vaani::ai::providers::{Auth, anthropic};
use vaani::base::secret::Secret;

use crate::asking::{bearer, client, clock, endpoint, llm_survives, question, write};
use crate::fake::{Fake, KEY};

const ANSWER: &str = "नमस्ते, जी।";
const MESSAGES: &str = "/anthropic/v1/messages";

#[tokio::test]
async fn both_keys_and_both_versions_work() {
    let fake = Fake::start();
    let key = Auth::Header("x-api-key".into(), Secret::new(KEY));
    for (auth, options, version) in [
        (key, json!({"sampling": true}), "2023-06-01"),
        (bearer(), json!({"version": "2026-10-21", "body": {"thinking": {"type": "disabled"}}}), "2026-10-21"),
    ] {
        let sampling = options["sampling"] == true;
        let endpoint = endpoint("anthropic/claude-haiku-5-5", fake.url("/anthropic"), auth, options);
        let (text, end) = write(anthropic::llm(endpoint, client(), clock()).generate(question())).await;
        let usage = end.unwrap();
        assert_eq!(text, ANSWER);
        assert_eq!((usage.prompt_tokens, usage.reused_tokens, usage.answer_tokens), (21, 12, 7));
        let seen = fake.seen().remove(0);
        assert_eq!(seen.header("anthropic-version"), version);
        let body = seen.json();
        assert_eq!(body.get("temperature").is_some(), sampling);
        assert_eq!((&body["system"], &body["messages"][0]["role"]), (&json!("You are kind."), &json!("user")));
        assert_eq!(body["messages"].as_array().unwrap().len(), 3);
    }
}

#[tokio::test]
async fn sampling_is_refused_by_the_new_version() {
    let fake = Fake::start();
    let options = json!({"version": "2026-10-21", "sampling": true});
    let endpoint = endpoint("anthropic/claude", fake.url("/anthropic"), bearer(), options);
    let llm = anthropic::llm(endpoint, client(), clock());
    assert_eq!(write(llm.generate(question())).await.1.unwrap_err().kind, FaultKind::Refused);
}

#[tokio::test]
async fn events_of_every_kind_are_read() {
    let fake = Fake::start();
    let llm =
        anthropic::llm(endpoint("anthropic/claude", fake.url("/anthropic"), bearer(), json!({})), client(), clock());
    fake.vary(MESSAGES, "future");
    let (text, end) = write(llm.generate(question())).await;
    assert_eq!((text.as_str(), end.unwrap().answer_tokens), (ANSWER, 7));
    fake.vary(MESSAGES, "overloaded");
    let (text, end) = write(llm.generate(question())).await;
    assert_eq!((text.as_str(), end.unwrap_err().kind), ("नम", FaultKind::Overloaded));
}

#[tokio::test]
async fn messages_survive_everything() {
    let mut fake = Fake::start();
    let llm =
        anthropic::llm(endpoint("anthropic/claude", fake.url("/anthropic"), bearer(), json!({})), client(), clock());
    llm_survives(llm, &mut fake, MESSAGES, ANSWER).await;
}
