//! A provider that is nothing but configuration.

use serde_json::{Value, json};
use vaani::ai::FaultKind;
use vaani::ai::providers::{Auth, Endpoint, http_generic};
use vaani::ai::stt::LanguageHint;
use vaani::base::Lang;
use vaani::base::secret::Secret;

use crate::asking::{
    clause, client, clock, endpoint, llm_survives, play, question, stt_survives, tts_survives, utterance, write,
};
use crate::fake::{Fake, KEY};

fn at(fake: &Fake, mut options: Value) -> Endpoint {
    options["headers"] = json!({"x-acme-tenant": "t1"});
    options["languages"] = json!({"hi": "hin", "ta-IN": "tam"});
    let key = Auth::Header("x-acme-key".into(), Secret::new(KEY));
    endpoint("acme/ears/1", fake.url("/acme"), key, options)
}

fn ears(fake: &Fake) -> Endpoint {
    at(
        fake,
        json!({"path": "{model}/hear", "request": {"input": {"wav": "{audio_b64}", "hz": "{rate}"}, "lang": "{language}"},
            "text": "/out/0/words", "confidence": "/out/0/sure", "language": "/out/0/lang",
            "language_confidence": "/out/0/lang_sure"}),
    )
}

fn mind(fake: &Fake, flow: bool) -> Endpoint {
    let mut options = json!({"path": "think", "request": {"say": "{text}", "rules": "{system}", "turns": "{messages}",
        "most": "{max_tokens}", "flow": flow}, "text": "/said", "prompt_tokens": "/cost/in", "answer_tokens": "/cost/out"});
    if flow {
        options["stream"] = json!("/bit");
        options["end"] = json!("/over");
    }
    at(fake, options)
}

fn mouth(fake: &Fake, coded: bool) -> Endpoint {
    let mut options = json!({"path": "speak", "rates": [24_000, 48_000], "request": {"words": "{text}",
        "lang": "{language}", "who": "{voice}", "hz": "{rate}", "speed": "{pace}"}});
    if coded {
        options["audio"] = json!("/clip/pcm");
    }
    at(fake, options)
}

#[tokio::test]
async fn it_hears() {
    let mut fake = Fake::start();
    let stt = http_generic::stt(ears(&fake), client(), clock());
    let heard = stt.transcribe(utterance(LanguageHint::Fixed(Lang::Hi))).await.unwrap();
    assert_eq!((heard.text.as_str(), heard.confidence, heard.language), ("हाँ बोलिए", 0.75, Lang::Hi));
    let open = LanguageHint::Open { among: vec![Lang::Hi, Lang::Ta] };
    let heard = stt.transcribe(utterance(open)).await.unwrap();
    assert_eq!((heard.language, heard.language_confidence), (Lang::Ta, 0.6));
    let seen = fake.seen();
    assert!(seen[0].path == "/acme/ears%2F1/hear" && seen[0].query.is_empty());
    assert!(seen[1].json().get("lang").is_none());
    let foreign = stt.transcribe(utterance(LanguageHint::Fixed(Lang::Or))).await;
    assert_eq!(foreign.unwrap_err().kind, FaultKind::Refused);
    assert!(fake.seen().is_empty(), "nothing is sent in vain");
    stt_survives(stt, &mut fake, "/acme", "हाँ बोलिए").await;
}

#[tokio::test]
async fn it_thinks_in_one_piece() {
    let fake = Fake::start();
    let llm = http_generic::llm(mind(&fake, false), client(), clock());
    for variant in ["", "thinking"] {
        fake.vary("/acme", variant);
        let (text, end) = write(llm.generate(question())).await;
        let usage = end.unwrap();
        assert_eq!((text.as_str(), usage.prompt_tokens, usage.answer_tokens), ("नमस्ते, जी।", 21, 7));
    }
    let body = fake.seen().remove(0).json();
    assert_eq!((&body["say"], &body["rules"], &body["most"]), (&json!("नमस्ते"), &json!("You are kind."), &json!(60)));
    fake.set("/acme", crate::fake::Behaviour::Garbage);
    assert_eq!(write(llm.generate(question())).await.1.unwrap_err().kind, FaultKind::Broken);
}

#[tokio::test]
async fn it_thinks_aloud() {
    let mut fake = Fake::start();
    let llm = http_generic::llm(mind(&fake, true), client(), clock());
    llm_survives(llm, &mut fake, "/acme/think", "नमस्ते, जी।").await;
}

#[tokio::test]
async fn it_speaks() {
    for coded in [false, true] {
        let mut fake = Fake::start();
        fake.vary("/acme", if coded { "" } else { "raw" });
        let tts = http_generic::tts(mouth(&fake, coded), client(), clock());
        let (sound, end) = play(tts.speak(clause(16_000))).await;
        assert_eq!((sound.len(), end.unwrap().voice.as_str()), (8_000, "coral"));
        let body = fake.seen().remove(0).json();
        assert_eq!(body, json!({"words": "नमस्ते जी", "lang": "hin", "who": "coral", "hz": 24_000, "speed": 1.0}));
        if !coded {
            tts_survives(tts, &mut fake, "/acme", 4_000).await;
        }
    }
}

#[tokio::test]
async fn what_is_not_configured_is_not_asked() {
    let fake = Fake::start();
    let llm = http_generic::llm(at(&fake, json!({"path": "think"})), client(), clock());
    assert_eq!(write(llm.generate(question())).await.1.unwrap_err().kind, FaultKind::Denied);
    let mut odd = mind(&fake, false);
    odd.options["headers"] = json!({"x-acme-tenant": "t\n1"});
    let llm = http_generic::llm(odd, client(), clock());
    assert_eq!(write(llm.generate(question())).await.1.unwrap_err().kind, FaultKind::Denied);
    assert!(fake.seen().is_empty());
}
