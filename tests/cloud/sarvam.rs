//! Sarvam: `/speech-to-text`, the realtime socket, `/text-to-speech/stream`.

use serde_json::{Value, json};
use vaani::ai::FaultKind;
use vaani::ai::providers::{Endpoint, sarvam};
use vaani::ai::stt::{LanguageHint, SttRequest};
use vaani::ai::tts::TtsRequest;
use vaani::base::Lang;
use vaani::base::secret::Secret;

use crate::fake::{Behaviour, Fake};
use crate::voices::{
    assert_tone, clause, ears, endpoint, hear, likely, open, speak, survives_hearing, survives_speaking, too_long,
    voice,
};

const REST: &str = "/sarvam/speech-to-text";
const SOCKET: &str = "/sarvam/speech-to-text-realtime/ws";
const SPEECH: &str = "/sarvam/text-to-speech/stream";

fn at(fake: &Fake, model: &str, options: Value) -> Endpoint {
    endpoint(fake, "sarvam", "api-subscription-key", model, options)
}

#[tokio::test]
async fn an_utterance_is_recognised_over_http() {
    let fake = Fake::start();
    let ears = ears(sarvam::stt, &at(&fake, "saaras:v3", json!({"body": {"mode": "codemix"}})));
    let heard = hear(&ears, LanguageHint::Fixed(Lang::Or)).await.unwrap();
    assert_eq!((heard.text.as_str(), heard.language, heard.language_confidence), ("ହଁ କୁହନ୍ତୁ", Lang::Or, 1.0));
    assert_eq!((heard.audio.as_millis(), heard.provider.as_str()), (850, "sarvam/saaras:v3"));
    let body = String::from_utf8_lossy(&fake.seen()[0].body).into_owned();
    for field in ["name=\"language_code\"\r\n\r\nod-IN\r\n", "name=\"mode\"\r\n\r\ncodemix\r\n"] {
        assert!(body.contains(field), "{field}");
    }
    let heard = hear(&ears, likely(Lang::Hi, &[Lang::Hi, Lang::Or])).await.unwrap();
    assert_eq!((heard.language, heard.language_confidence), (Lang::Or, 0.98));
    fake.vary(REST, "urdu");
    let heard = hear(&ears, likely(Lang::Hi, &[Lang::Hi, Lang::Or])).await.unwrap();
    assert_eq!((heard.language, heard.language_confidence), (Lang::Hi, 0.0));
    fake.vary(REST, "silent");
    let heard = hear(&ears, open(&[])).await.unwrap();
    assert_eq!((heard.text.as_str(), heard.language_confidence), ("", 0.5));
    fake.vary(REST, "quota");
    assert_eq!(hear(&ears, open(&[])).await.unwrap_err().kind, FaultKind::Denied);
}

#[tokio::test]
async fn detection_can_be_forbidden() {
    let fake = Fake::start();
    let ears = ears(sarvam::stt, &at(&fake, "saaras:v4", json!({"detect": false})));
    let heard = hear(&ears, likely(Lang::Hi, &[Lang::Hi, Lang::Or])).await.unwrap();
    assert_eq!((heard.language, heard.language_confidence), (Lang::Hi, 0.5));
}

#[tokio::test]
async fn what_it_cannot_do_is_not_sent() {
    let fake = Fake::start();
    for options in [json!({}), json!({"realtime": true})] {
        let ears = ears(sarvam::stt, &at(&fake, "saaras:v3", options));
        let hint = LanguageHint::Fixed(Lang::Hi);
        let request = SttRequest { call: None, audio: too_long(), hint, words: None, speculative: false };
        assert_eq!(ears.transcribe(request).await.unwrap_err().kind, FaultKind::Refused);
    }
    let voice = voice(sarvam::tts, &at(&fake, "bulbul:v3", json!({})));
    for text in ["अ".repeat(3_501), " ".to_owned()] {
        let request = TtsRequest { text, ..clause(Lang::Hi, 8_000) };
        assert_eq!(speak(&voice, request).await.unwrap_err().kind, FaultKind::Refused);
    }
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn an_utterance_is_recognised_over_the_socket() {
    let fake = Fake::start();
    let ears = ears(sarvam::stt, &at(&fake, "saaras:v3-realtime", json!({"realtime": true})));
    let heard = hear(&ears, LanguageHint::Fixed(Lang::Or)).await.unwrap();
    assert_eq!((heard.text.as_str(), heard.language, heard.language_confidence), ("ହଁ କୁହନ୍ତୁ", Lang::Or, 1.0));
    let heard = hear(&ears, open(&[])).await.unwrap();
    assert_eq!((heard.language, heard.language_confidence), (Lang::Or, 0.97));
    fake.vary(SOCKET, "count");
    assert_eq!(hear(&ears, LanguageHint::Fixed(Lang::Hi)).await.unwrap().text, "6800", "all of the sound came");
    let wide =
        crate::voices::ears(sarvam::stt, &at(&fake, "saaras:v4", json!({"realtime": true, "encoding": "linear16"})));
    assert_eq!(hear(&wide, LanguageHint::Fixed(Lang::Hi)).await.unwrap().text, "13600", "all of the sound came");
    fake.vary(SOCKET, "silent");
    assert_eq!(hear(&ears, LanguageHint::Fixed(Lang::Hi)).await.unwrap().text, "");
    for (code, kind) in [
        (1_003, FaultKind::Overloaded),
        (4_000, FaultKind::Refused),
        (1_008, FaultKind::Unavailable),
        (1_011, FaultKind::Unavailable),
        (1_000, FaultKind::Broken),
    ] {
        fake.vary(SOCKET, &format!("close:{code}"));
        assert_eq!(hear(&ears, LanguageHint::Fixed(Lang::Hi)).await.unwrap_err().kind, kind, "{code}");
    }
}

#[tokio::test]
async fn a_wrong_key_or_model_is_told() {
    let fake = Fake::start();
    for (model, options) in [("saaras:v3", json!({})), ("saaras:v4", json!({"realtime": true}))] {
        let mut wrong = at(&fake, model, options);
        wrong.auth = vaani::ai::providers::Auth::Header("api-subscription-key".into(), Secret::new("wrong"));
        let fault = hear(&ears(sarvam::stt, &wrong), LanguageHint::Fixed(Lang::Hi)).await.unwrap_err();
        assert_eq!((fault.kind, fault.detail.as_str()), (FaultKind::Denied, "HTTP 403, invalid_api_key_error"));
    }
    for options in [json!({}), json!({"realtime": true})] {
        let gone = at(&fake, "saarika:v2.5", options);
        let fault = hear(&ears(sarvam::stt, &gone), LanguageHint::Fixed(Lang::Hi)).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Refused);
    }
}

#[tokio::test]
async fn a_clause_is_spoken_at_any_rate() {
    let fake = Fake::start();
    let mut endpoint = at(&fake, "bulbul:v3", json!({"body": {"temperature": 0.6}}));
    endpoint.voices.insert(Lang::Or, "ritu".to_owned());
    let voice = voice(sarvam::tts, &endpoint);
    for (rate, asked) in [(8_000, 8_000), (16_000, 16_000), (44_100, 24_000), (11_025, 16_000)] {
        let (sound, usage) = speak(&voice, TtsRequest { pace: 3.0, ..clause(Lang::Or, rate) }).await.unwrap();
        assert_tone(&sound, rate);
        assert_eq!((usage.audio.as_millis(), usage.voice.as_str()), (500, "ritu"));
        assert!(usage.first_audio <= usage.took && !usage.took.is_zero());
        assert_eq!(
            fake.seen()[0].json(),
            json!({"text": "नमस्ते <जी> & बोलिए", "language_code": "od-IN", "speaker": "ritu", "model": "bulbul:v3",
                "pace": 2.0, "speech_sample_rate": asked, "output_audio_codec": "linear16", "temperature": 0.6})
        );
    }
    fake.vary(SPEECH, "wav");
    assert_tone(&speak(&voice, clause(Lang::Or, 8_000)).await.unwrap().0, 8_000);
    fake.vary(SPEECH, "mp3");
    assert_eq!(speak(&voice, clause(Lang::Or, 8_000)).await.unwrap_err().kind, FaultKind::Broken);
}

#[tokio::test]
async fn older_gateways_get_their_key() {
    let fake = Fake::start();
    fake.vary(SPEECH, "old");
    let voice = voice(sarvam::tts, &at(&fake, "bulbul:v2", json!({"old_language_key": true})));
    assert_tone(&speak(&voice, clause(Lang::Hi, 8_000)).await.unwrap().0, 8_000);
}

#[tokio::test]
async fn misbehaviour_is_survived() {
    let fake = Fake::start();
    let rest = ears(sarvam::stt, &at(&fake, "saaras:v3", json!({})));
    survives_hearing(fake, REST, &rest, Lang::Hi).await;
    let fake = Fake::start();
    let socket = ears(sarvam::stt, &at(&fake, "saaras:v4", json!({"realtime": true})));
    survives_hearing(fake, SOCKET, &socket, Lang::Hi).await;
    let fake = Fake::start();
    let speech = voice(sarvam::tts, &at(&fake, "bulbul:v3", json!({})));
    survives_speaking(fake, SPEECH, &speech, clause(Lang::Hi, 8_000), true).await;
}

#[tokio::test]
async fn a_torn_stream_gives_what_came_and_then_a_fault() {
    let fake = Fake::start();
    fake.set(SPEECH, Behaviour::CloseAfter(2));
    let mut events = voice(sarvam::tts, &at(&fake, "bulbul:v3", json!({}))).speak(clause(Lang::Hi, 8_000));
    let (mut samples, mut fault) = (0, None);
    while let Some(event) = futures_util::StreamExt::next(&mut events).await {
        match event {
            Ok(vaani::ai::tts::TtsEvent::Audio(piece)) => samples += piece.len(),
            Ok(other) => panic!("{other:?}"),
            Err(broken) => fault = Some(broken.kind),
        }
    }
    assert_eq!(samples, 1_601, "two pieces of 1601 bytes");
    assert!(fault.is_some_and(FaultKind::worth_another_try));
}
