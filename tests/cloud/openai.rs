//! OpenAI and its copies.

use serde_json::json;
use vaani::ai::FaultKind;
use vaani::ai::providers::{Auth, Endpoint, openai};
use vaani::ai::stt::LanguageHint;
use vaani::base::Lang;
use vaani::base::secret::Secret;

use crate::asking::{
    bearer, clause, client, clock, endpoint, llm_survives, play, question, stt_survives, tts_survives, utterance, write,
};
use crate::fake::{Fake, form};

const ANSWER: &str = "नमस्ते, जी।";
const CHAT: &str = "/openai/v1/chat/completions";

fn at(fake: &Fake, options: serde_json::Value) -> Endpoint {
    endpoint("openai/gpt-6-luna", fake.url("/openai/v1"), bearer(), options)
}

#[tokio::test]
async fn a_chat_streams_and_counts() {
    let fake = Fake::start();
    let llm = openai::llm(at(&fake, json!({"body": {"reasoning_effort": "low"}})), client(), clock());
    let (text, end) = write(llm.generate(question())).await;
    let usage = end.unwrap();
    assert_eq!(text, ANSWER);
    assert_eq!((usage.prompt_tokens, usage.reused_tokens, usage.answer_tokens), (21, 16, 7));
    assert!(usage.first_token <= usage.took && !usage.took.is_zero());
    let seen = fake.seen().remove(0);
    assert_eq!(
        seen.json(),
        json!({"model": "gpt-6-luna", "stream": true, "stream_options": {"include_usage": true}, "temperature": 0.3,
            "max_tokens": 60, "reasoning_effort": "low", "messages": [
                {"role": "system", "content": "You are kind."},
                {"role": "assistant", "content": "नमस्ते, मैं वाणी हूँ।"},
                {"role": "user", "content": "नमस्ते"}]})
    );
}

#[tokio::test]
async fn a_copy_of_the_protocol_is_understood() {
    let fake = Fake::start();
    fake.vary(CHAT, "copy");
    let llm = openai::llm(at(&fake, json!({})), client(), clock());
    let (text, end) = write(llm.generate(question())).await;
    assert_eq!(text, ANSWER, "no thoughts");
    assert_eq!(end.unwrap().prompt_tokens, 0);
}

#[tokio::test]
async fn a_grammar_reaches_the_server_in_its_own_way() {
    let fake = Fake::start();
    let grammar = "root ::= \"हाँ\" | \"नहीं\"";
    let mut request = question();
    request.grammar = Some(grammar.into());
    for kind in ["llama", "vllm", "none"] {
        let llm = openai::llm(at(&fake, json!({"grammar": kind})), client(), clock());
        write(llm.generate(request.clone())).await.1.unwrap();
        let body = fake.seen().remove(0).json();
        let told = body["messages"][0]["content"].as_str().unwrap().contains(grammar);
        match kind {
            "llama" => assert!(body["grammar"] == grammar && !told),
            "vllm" => assert!(body["structured_outputs"]["grammar"] == grammar && !told),
            _ => assert!(body.get("grammar").is_none() && body.get("structured_outputs").is_none() && told),
        }
    }
}

#[tokio::test]
async fn a_parameter_that_is_not_taken_is_left_out_from_then_on() {
    let fake = Fake::start();
    fake.vary(CHAT, "strict");
    let llm = openai::llm(at(&fake, json!({})), client(), clock());
    for requests in [2, 1] {
        let (text, end) = write(llm.generate(question())).await;
        assert!(end.is_ok(), "{end:?}");
        assert_eq!(text, ANSWER);
        let seen = fake.seen();
        assert_eq!(seen.len(), requests);
        assert!(seen.last().unwrap().json().get("temperature").is_none());
    }
    fake.vary(CHAT, "stubborn");
    let llm = openai::llm(at(&fake, json!({})), client(), clock());
    assert_eq!(write(llm.generate(question())).await.1.unwrap_err().kind, FaultKind::Refused);
    assert_eq!(fake.seen().len(), 2, "once more and no more");
    assert!(write(llm.generate(question())).await.1.is_err());
    assert!(fake.seen()[0].json().get("temperature").is_some(), "nothing was learnt from what did not help");
}

#[tokio::test]
async fn errors_are_told_apart() {
    let fake = Fake::start();
    let llm = openai::llm(at(&fake, json!({})), client(), clock());
    fake.vary(CHAT, "quota");
    assert_eq!(write(llm.generate(question())).await.1.unwrap_err().kind, FaultKind::Denied);
    fake.vary(CHAT, "in_stream_error");
    let (text, end) = write(llm.generate(question())).await;
    assert_eq!((text.as_str(), end.unwrap_err().kind), ("नम", FaultKind::Unavailable));
    fake.vary(CHAT, "");
    let stranger = endpoint("openai/x", fake.url("/openai/v1"), Auth::Bearer(Secret::new("wrong")), json!({}));
    let llm = openai::llm(stranger, client(), clock());
    assert_eq!(write(llm.generate(question())).await.1.unwrap_err().kind, FaultKind::Denied);
}

#[tokio::test]
async fn chat_survives_everything() {
    let mut fake = Fake::start();
    let llm = openai::llm(at(&fake, json!({})), client(), clock());
    llm_survives(llm, &mut fake, CHAT, ANSWER).await;
}

#[tokio::test]
async fn an_utterance_becomes_text() {
    let fake = Fake::start();
    let stt = openai::stt(at(&fake, json!({"body": {"prompt": "वाणी"}})), client(), clock());
    let heard = stt.transcribe(utterance(LanguageHint::Fixed(Lang::Hi))).await.unwrap();
    assert_eq!((heard.text.as_str(), heard.language), ("हाँ बोलिए", Lang::Hi));
    assert_eq!((heard.language_confidence, heard.confidence), (1.0, 0.9));
    assert_eq!(heard.audio.as_millis(), 500);
    let seen = fake.seen().remove(0);
    let fields = form(&seen.headers, &seen.body).unwrap();
    let field = |name: &str| fields.iter().find(|field| field.name == name).map(|field| field.text());
    assert_eq!(field("language").as_deref(), Some("hi"));
    assert_eq!(field("model").as_deref(), Some("gpt-6-luna"));
    assert_eq!(field("prompt").as_deref(), Some("वाणी"));
    assert_eq!(fields.iter().find(|f| f.name == "file").unwrap().content.len(), 44 + 16_000);
}

#[tokio::test]
async fn the_language_is_the_servers_when_it_was_left_to_it() {
    let fake = Fake::start();
    let path = "/openai/v1/audio/transcriptions";
    let likely = || LanguageHint::Likely { expected: Lang::Ta, among: vec![Lang::Ta, Lang::Hi] };
    let sent = |fake: &Fake| {
        let seen = fake.seen().remove(0);
        form(&seen.headers, &seen.body).unwrap().iter().any(|field| field.name == "language")
    };
    let open = openai::stt(at(&fake, json!({"send_language": false})), client(), clock());
    fake.vary(path, "verbose");
    let heard = open.transcribe(utterance(likely())).await.unwrap();
    assert_eq!((heard.language, heard.text.as_str()), (Lang::Hi, "हाँ बोलिए"));
    assert!((heard.confidence - 0.8187).abs() < 0.001, "{}", heard.confidence);
    assert!(!sent(&fake));
    fake.vary(path, "silent");
    let heard = openai::stt(at(&fake, json!({})), client(), clock()).transcribe(utterance(likely())).await.unwrap();
    assert_eq!((heard.language, heard.language_confidence, heard.text.as_str()), (Lang::Ta, 0.5, ""));
    assert!(sent(&fake));
}

#[tokio::test]
async fn transcription_survives_everything() {
    let mut fake = Fake::start();
    let stt = openai::stt(at(&fake, json!({})), client(), clock());
    stt_survives(stt, &mut fake, "/openai/v1/audio", "हाँ बोलिए").await;
}

#[tokio::test]
async fn a_clause_is_spoken_at_the_rate_asked_for() {
    let fake = Fake::start();
    let tts = openai::tts(at(&fake, json!({"body": {"instructions": "warmly"}})), client(), clock());
    for rate in [8_000, 16_000, 24_000] {
        let (sound, end) = play(tts.speak(clause(rate))).await;
        assert_eq!(sound.len() as u32, rate / 2);
        let usage = end.unwrap();
        assert_eq!((usage.audio.as_millis(), usage.voice.as_str()), (500, "coral"));
        let loudest = sound.iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!((7_000..9_000).contains(&loudest), "samples are put together rightly: {loudest}");
    }
    let mut slow = clause(8_000);
    slow.pace = 0.8;
    slow.voice = Some("cedar".into());
    fake.seen();
    play(tts.speak(slow)).await.1.unwrap();
    assert_eq!(
        fake.seen().remove(0).json(),
        json!({"model": "gpt-6-luna", "input": "नमस्ते जी", "voice": "cedar", "response_format": "pcm", "speed": 0.8,
            "instructions": "warmly"})
    );
}

#[tokio::test]
async fn speech_survives_everything() {
    let mut fake = Fake::start();
    let tts = openai::tts(at(&fake, json!({})), client(), clock());
    tts_survives(tts, &mut fake, "/openai/v1/audio", 4_000).await;
}
