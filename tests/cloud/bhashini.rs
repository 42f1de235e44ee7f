//! Bhashini: the pipeline's configuration, kept, and its computation.

use serde_json::json;
use vaani::ai::FaultKind;
use vaani::ai::providers::{Endpoint, bhashini};
use vaani::ai::stt::{LanguageHint, SttRequest};
use vaani::ai::tts::TtsRequest;
use vaani::base::Lang;

use crate::fake::{Behaviour, Fake};
use crate::voices::{
    assert_tone, clause, ears, endpoint, hear, open, speak, survives_hearing, survives_speaking, too_long, voice,
};

const CONFIGURE: &str = "/bhashini/ulca/apis/v0/model/getModelsPipeline";
const COMPUTE: &str = "/bhashini/services/inference/pipeline";

fn at(fake: &Fake) -> Endpoint {
    endpoint(fake, "bhashini", "ulcaApiKey", "64392f96daac500b55c543cd", json!({"user_id": "u1"}))
}

fn paths(fake: &Fake) -> Vec<String> {
    fake.seen().into_iter().map(|seen| seen.path).collect()
}

#[tokio::test]
async fn the_configuration_is_asked_once_for_each_language() {
    let fake = Fake::start();
    let ears = ears(bhashini::stt, &at(&fake));
    let heard = hear(&ears, LanguageHint::Fixed(Lang::Or)).await.unwrap();
    assert_eq!((heard.text.as_str(), heard.language, heard.language_confidence), ("ହଁ କୁହନ୍ତୁ", Lang::Or, 1.0));
    hear(&ears, LanguageHint::Fixed(Lang::Or)).await.unwrap();
    let heard = hear(&ears, open(&[Lang::Ta, Lang::Or])).await.unwrap();
    assert_eq!((heard.language, heard.language_confidence), (Lang::Ta, 0.5));
    assert_eq!(paths(&fake), [CONFIGURE, COMPUTE, COMPUTE, CONFIGURE, COMPUTE]);
    let both = futures_util::future::join(
        hear(&ears, LanguageHint::Fixed(Lang::Kn)),
        hear(&ears, LanguageHint::Fixed(Lang::Kn)),
    );
    assert!(matches!(both.await, (Ok(_), Ok(_))));
    assert_eq!(paths(&fake).iter().filter(|path| *path == CONFIGURE).count(), 1, "the second waits for the first");
    fake.vary(COMPUTE, "silent");
    assert_eq!(hear(&ears, LanguageHint::Fixed(Lang::Or)).await.unwrap().text, "");
}

#[tokio::test]
async fn a_configuration_that_is_not_welcome_is_forgotten() {
    let fake = Fake::start();
    let ears = ears(bhashini::stt, &at(&fake));
    hear(&ears, LanguageHint::Fixed(Lang::Hi)).await.unwrap();
    fake.set(COMPUTE, Behaviour::status(401));
    assert_eq!(hear(&ears, LanguageHint::Fixed(Lang::Hi)).await.unwrap_err().kind, FaultKind::Denied);
    fake.set(COMPUTE, Behaviour::Ok);
    hear(&ears, LanguageHint::Fixed(Lang::Hi)).await.unwrap();
    assert_eq!(paths(&fake), [CONFIGURE, COMPUTE, COMPUTE, CONFIGURE, COMPUTE]);
}

#[tokio::test]
async fn a_clause_is_spoken() {
    let fake = Fake::start();
    let voice = voice(bhashini::tts, &at(&fake));
    let (sound, usage) = speak(&voice, clause(Lang::Or, 8_000)).await.unwrap();
    assert_tone(&sound, 8_000);
    assert_eq!(usage.voice, "female");
    let body = fake.seen()[1].json();
    let config = json!({"language": {"sourceLanguage": "or"}, "serviceId": "ai4bharat/indic-tts-coqui-or-gpu--t4",
        "gender": "female", "samplingRate": 8_000});
    assert_eq!(body["pipelineTasks"], json!([{"taskType": "tts", "config": config}]));
    fake.vary(COMPUTE, "own_rate");
    assert_tone(&speak(&voice, clause(Lang::Or, 8_000)).await.unwrap().0, 8_000);
    fake.vary(COMPUTE, "no_sound");
    assert_eq!(speak(&voice, clause(Lang::Or, 8_000)).await.unwrap_err().kind, FaultKind::Broken);
}

#[tokio::test]
async fn what_it_cannot_do_is_not_sent() {
    let fake = Fake::start();
    let hint = LanguageHint::Fixed(Lang::Hi);
    let request = SttRequest { call: None, audio: too_long(), hint, words: None, speculative: false };
    let fault = ears(bhashini::stt, &at(&fake)).transcribe(request).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Refused);
    let request = TtsRequest { text: String::new(), ..clause(Lang::Hi, 8_000) };
    assert_eq!(speak(&voice(bhashini::tts, &at(&fake)), request).await.unwrap_err().kind, FaultKind::Refused);
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn misbehaviour_is_survived() {
    let fake = Fake::start();
    let stt = ears(bhashini::stt, &at(&fake));
    survives_hearing(fake, COMPUTE, &stt, Lang::Hi).await;
    // Without a plan, so that the first step is asked each time.
    for behaviour in Behaviour::bad() {
        let fake = Fake::start();
        fake.set(CONFIGURE, behaviour.clone());
        let ears = ears(bhashini::stt, &at(&fake));
        assert!(hear(&ears, LanguageHint::Fixed(Lang::Hi)).await.is_err(), "{behaviour:?}");
        fake.set(CONFIGURE, Behaviour::Ok);
        hear(&ears, LanguageHint::Fixed(Lang::Hi)).await.unwrap();
    }
    let fake = Fake::start();
    let tts = voice(bhashini::tts, &at(&fake));
    survives_speaking(fake, COMPUTE, &tts, clause(Lang::Hi, 8_000), false).await;
}
