//! ElevenLabs: streamed speech and Scribe.

use serde_json::json;
use vaani::ai::FaultKind;
use vaani::ai::providers::{Endpoint, elevenlabs};
use vaani::ai::stt::LanguageHint;
use vaani::ai::tts::TtsRequest;
use vaani::base::Lang;

use crate::fake::Fake;
use crate::voices::{
    assert_tone, clause, ears, endpoint, hear, open, speak, survives_hearing, survives_speaking, voice,
};

const VOICE: &str = "21m00Tcm4TlvDq8ikWAM";
const SPEECH: &str = "/elevenlabs/v1/text-to-speech";
const SCRIBE: &str = "/elevenlabs/v1/speech-to-text";

fn at(fake: &Fake, model: &str) -> Endpoint {
    let mut endpoint = endpoint(fake, "elevenlabs", "xi-api-key", model, json!({"query": {"enable_logging": false}}));
    endpoint.voices = Lang::ALL.map(|language| (language, VOICE.to_owned())).into();
    endpoint
}

#[tokio::test]
async fn a_clause_is_spoken() {
    let fake = Fake::start();
    let flash = voice(elevenlabs::tts, &at(&fake, "eleven_flash_v2_5"));
    let (sound, usage) = speak(&flash, TtsRequest { pace: 0.9, ..clause(Lang::Hi, 8_000) }).await.unwrap();
    assert_tone(&sound, 8_000);
    assert_eq!(usage.voice, VOICE);
    let seen = &fake.seen()[0];
    assert_eq!(seen.path, format!("{SPEECH}/{VOICE}/stream"));
    assert_eq!(seen.query, "output_format=pcm_8000&enable_logging=false");
    assert_eq!(
        seen.json(),
        json!({"text": "नमस्ते <जी> & बोलिए", "model_id": "eleven_flash_v2_5", "language_code": "hi",
            "voice_settings": {"speed": 0.9}})
    );
    assert_tone(&speak(&flash, clause(Lang::Hi, 48_000)).await.unwrap().0, 48_000);
}

#[tokio::test]
async fn the_language_is_sent_to_models_that_take_it() {
    let fake = Fake::start();
    for (model, language, code) in [
        ("eleven_multilingual_v2", Lang::Ta, None),
        ("eleven_v3", Lang::Ml, Some("ml")),
        ("eleven_v3", Lang::Pa, Some("pa")),
    ] {
        let voice = voice(elevenlabs::tts, &at(&fake, model));
        assert_tone(&speak(&voice, clause(language, 16_000)).await.unwrap().0, 16_000);
        assert_eq!(fake.seen()[0].json()["language_code"].as_str(), code, "{model}");
    }
}

#[tokio::test]
async fn what_it_cannot_do_is_not_sent() {
    let fake = Fake::start();
    for (model, language) in
        [("eleven_flash_v2_5", Lang::Ml), ("eleven_multilingual_v2", Lang::Te), ("eleven_v3", Lang::Or)]
    {
        let voice = voice(elevenlabs::tts, &at(&fake, model));
        assert_eq!(speak(&voice, clause(language, 8_000)).await.unwrap_err().kind, FaultKind::Refused, "{model}");
    }
    let flash = voice(elevenlabs::tts, &at(&fake, "eleven_flash_v2_5"));
    for name in ["../../v1/user", "a?b", "", ".."] {
        let request = TtsRequest { voice: Some(name.to_owned()), ..clause(Lang::Hi, 8_000) };
        assert_eq!(speak(&flash, request).await.unwrap_err().kind, FaultKind::Refused, "{name}");
    }
    assert!(fake.seen().is_empty());
    let request = TtsRequest { voice: Some("elevenlabs:gone".to_owned()), ..clause(Lang::Hi, 8_000) };
    assert_eq!(speak(&flash, request).await.unwrap_err().kind, FaultKind::Denied);
    fake.vary(SPEECH, "quota");
    let fault = speak(&flash, clause(Lang::Hi, 8_000)).await.unwrap_err();
    assert_eq!((fault.kind, fault.detail.as_str()), (FaultKind::Denied, "HTTP 401, quota_exceeded"));
}

#[tokio::test]
async fn an_utterance_is_recognised() {
    let fake = Fake::start();
    let ears = ears(elevenlabs::stt, &at(&fake, "scribe_v2"));
    let heard = hear(&ears, open(&[Lang::Ml, Lang::Ta])).await.unwrap();
    assert_eq!((heard.text.as_str(), heard.language, heard.language_confidence), ("അതെ പറയൂ", Lang::Ml, 0.96));
    assert!((heard.confidence - 0.75).abs() < 1e-6);
    let heard = hear(&ears, LanguageHint::Fixed(Lang::Or)).await.unwrap();
    assert_eq!((heard.language, heard.language_confidence), (Lang::Or, 1.0));
    fake.vary(SCRIBE, "silent");
    assert_eq!(hear(&ears, open(&[])).await.unwrap().text, "");
}

#[tokio::test]
async fn misbehaviour_is_survived() {
    let fake = Fake::start();
    let scribe = ears(elevenlabs::stt, &at(&fake, "scribe_v2"));
    survives_hearing(fake, SCRIBE, &scribe, Lang::Hi).await;
    let fake = Fake::start();
    let flash = voice(elevenlabs::tts, &at(&fake, "eleven_flash_v2_5"));
    survives_speaking(fake, SPEECH, &flash, clause(Lang::Hi, 8_000), true).await;
}
