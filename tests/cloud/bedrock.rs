//! AWS Bedrock.

use serde_json::json;
use vaani::ai::FaultKind;
use vaani::ai::providers::{Auth, Endpoint, bedrock};
use vaani::base::secret::Secret;

use crate::asking::{bearer, client, clock, endpoint, llm_survives, question, write};
use crate::fake::bedrock::{ACCESS_KEY, SESSION_TOKEN, event};
use crate::fake::{Fake, KEY};

const ANSWER: &str = "नमस्ते, जी।";

fn at(fake: &Fake, secret: &str) -> Endpoint {
    let auth = Auth::SigV4 {
        access_key: ACCESS_KEY.into(),
        secret_key: Secret::new(secret),
        session_token: Some(Secret::new(SESSION_TOKEN)),
        region: "ap-south-1".into(),
    };
    endpoint("bedrock/apac.anthropic.claude-x:0", fake.url(""), auth, json!({}))
}

/// The frame of the reference.
#[test]
fn the_fake_frames_as_the_reference_does() {
    let frame = event("contentBlockDelta", &json!({"contentBlockIndex": 0, "delta": {"text": "Na"}}));
    assert_eq!((frame.len(), &frame[..12]), (148, &[0, 0, 0, 0x94, 0, 0, 0, 0x57, 0xb4, 0xab, 0x9a, 0xee][..]));
    assert_eq!(frame[144..], [0x55, 0x60, 0x9b, 0x18]);
}

#[tokio::test]
async fn signed_requests_and_keys_are_taken() {
    let fake = Fake::start();
    let keyed = endpoint("bedrock/apac.anthropic.claude-x:0", fake.url(""), bearer(), json!({"sampling": false}));
    for endpoint in [at(&fake, KEY), keyed] {
        let llm = bedrock::llm(endpoint, client(), clock());
        let (text, end) = write(llm.generate(question())).await;
        let usage = end.unwrap();
        assert_eq!(text, ANSWER, "no thoughts");
        assert_eq!((usage.prompt_tokens, usage.reused_tokens, usage.answer_tokens), (21, 12, 7));
    }
    let seen = fake.seen();
    assert_eq!(seen[0].path, "/model/apac.anthropic.claude-x%3A0/converse-stream");
    assert_eq!(seen[0].json()["inferenceConfig"], json!({"maxTokens": 60, "temperature": 0.3}));
    assert_eq!(seen[1].json()["inferenceConfig"], json!({"maxTokens": 60}));
    assert_eq!(seen[0].json()["system"], json!([{"text": "You are kind."}]));
}

#[tokio::test]
async fn a_wrong_secret_and_an_exception_in_mid_stream() {
    let fake = Fake::start();
    let llm = bedrock::llm(at(&fake, "another secret"), client(), clock());
    assert_eq!(write(llm.generate(question())).await.1.unwrap_err().kind, FaultKind::Denied);
    fake.vary("/model", "throttled");
    let (text, end) = write(bedrock::llm(at(&fake, KEY), client(), clock()).generate(question())).await;
    assert_eq!((text.as_str(), end.unwrap_err().kind), ("नम", FaultKind::Overloaded));
}

#[tokio::test]
async fn converse_survives_everything() {
    let mut fake = Fake::start();
    let llm = bedrock::llm(at(&fake, KEY), client(), clock());
    llm_survives(llm, &mut fake, "/model", ANSWER).await;
}
