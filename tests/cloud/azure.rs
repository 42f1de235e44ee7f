//! Azure Speech: short audio and SSML.

use serde_json::json;
use vaani::ai::FaultKind;
use vaani::ai::providers::{Endpoint, azure};
use vaani::ai::stt::{LanguageHint, SttRequest};
use vaani::ai::tts::TtsRequest;
use vaani::base::Lang;

use crate::fake::Fake;
use crate::voices::{
    assert_tone, clause, ears, endpoint, hear, likely, speak, survives_hearing, survives_speaking, too_long, voice,
};

const HEAR: &str = "/azure/speech/recognition/conversation/cognitiveservices/v1";
const SPEAK: &str = "/azure/cognitiveservices/v1";

fn at(fake: &Fake) -> Endpoint {
    endpoint(fake, "azure", "Ocp-Apim-Subscription-Key", "speech", json!({"silence": 20}))
}

#[tokio::test]
async fn an_utterance_is_recognised() {
    let fake = Fake::start();
    let ears = ears(azure::stt, &at(&fake));
    let heard = hear(&ears, likely(Lang::Te, &[Lang::En, Lang::Te])).await.unwrap();
    assert_eq!((heard.text.as_str(), heard.language, heard.language_confidence), ("అవును చెప్పండి.", Lang::Te, 0.5));
    assert!((heard.confidence - 0.87).abs() < 1e-6);
    assert_eq!(fake.seen()[0].query, "language=te-IN&format=detailed&profanity=raw");
    for (variant, answer) in [("silent", Ok("")), ("nomatch", Ok("")), ("error", Err(FaultKind::Unavailable))] {
        fake.vary(HEAR, variant);
        let heard = hear(&ears, LanguageHint::Fixed(Lang::Or)).await;
        assert_eq!(heard.as_ref().map(|heard| heard.text.as_str()).map_err(|fault| fault.kind), answer, "{variant}");
    }
    fake.seen();
    let hint = LanguageHint::Fixed(Lang::Hi);
    let request = SttRequest { call: None, audio: too_long(), hint, words: None, speculative: false };
    assert_eq!(ears.transcribe(request).await.unwrap_err().kind, FaultKind::Refused);
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn a_clause_is_spoken_as_text() {
    let fake = Fake::start();
    let voice = voice(azure::tts, &at(&fake));
    for (rate, asked) in [(8_000, "8khz"), (11_025, "16khz"), (22_050, "24khz"), (48_000, "48khz")] {
        let request = TtsRequest { pace: 1.05, ..clause(Lang::Or, rate) };
        let (sound, usage) = speak(&voice, request).await.unwrap();
        assert_tone(&sound, rate);
        assert_eq!(usage.voice, "or-IN-SubhasiniNeural");
        let seen = &fake.seen()[0];
        assert_eq!(seen.header("x-microsoft-outputformat"), format!("raw-{asked}-16bit-mono-pcm"));
        let body = String::from_utf8(seen.body.to_vec()).unwrap();
        assert!(body.contains("<prosody rate=\"+5%\">नमस्ते &lt;जी&gt; &amp; बोलिए</prosody>"), "{body}");
    }
    let request = TtsRequest { voice: Some("\"/><x".into()), text: "a\u{0}b".into(), ..clause(Lang::Hi, 8_000) };
    assert_eq!(speak(&voice, request).await.unwrap_err().kind, FaultKind::Refused, "no such voice, but no injection");
}

#[tokio::test]
async fn misbehaviour_is_survived() {
    let fake = Fake::start();
    let ears = ears(azure::stt, &at(&fake));
    survives_hearing(fake, HEAR, &ears, Lang::Hi).await;
    let fake = Fake::start();
    let voice = voice(azure::tts, &at(&fake));
    survives_speaking(fake, SPEAK, &voice, clause(Lang::Hi, 8_000), true).await;
}
