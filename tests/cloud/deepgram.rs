//! Deepgram: `/v1/listen`, prerecorded and live.

use serde_json::{Value, json};
use vaani::ai::FaultKind;
use vaani::ai::providers::{Auth, Endpoint, deepgram};
use vaani::ai::stt::{LanguageHint, SttRequest};
use vaani::base::Lang;
use vaani::base::secret::Secret;

use crate::fake::Fake;
use crate::voices::{ears, endpoint, hear, likely, open, survives_hearing, too_long};

const PATH: &str = "/deepgram/v1/listen";

fn at(fake: &Fake, options: Value) -> Endpoint {
    endpoint(fake, "deepgram", "Token", "nova-3", options)
}

#[tokio::test]
async fn a_recording_is_recognised() {
    let fake = Fake::start();
    let ears = ears(deepgram::stt, &at(&fake, json!({"query": {"keyterm": ["EMI", "KYC"], "mip_opt_out": true}})));
    let heard = hear(&ears, LanguageHint::Fixed(Lang::Hi)).await.unwrap();
    assert_eq!((heard.text.as_str(), heard.language, heard.language_confidence), ("हाँ बोलिए।", Lang::Hi, 1.0));
    assert!((heard.confidence - 0.98).abs() < 1e-6);
    let query = &fake.seen()[0].query;
    assert_eq!(query, "model=nova-3&language=hi&punctuate=true&keyterm=EMI&keyterm=KYC&mip_opt_out=true");
    let heard = hear(&ears, likely(Lang::En, &[Lang::En, Lang::Hi])).await.unwrap();
    assert_eq!((heard.language, heard.language_confidence), (Lang::Hi, 0.5));
    let heard = hear(&ears, open(&[Lang::Bn, Lang::Ta])).await.unwrap();
    assert_eq!((heard.language, heard.language_confidence), (Lang::Ta, 0.93));
    fake.vary(PATH, "silent");
    assert_eq!(hear(&ears, LanguageHint::Fixed(Lang::En)).await.unwrap().text, "");
}

#[tokio::test]
async fn what_it_cannot_do_is_not_sent() {
    let fake = Fake::start();
    for live in [false, true] {
        let ears = ears(deepgram::stt, &at(&fake, json!({"live": live})));
        for language in [Lang::Ml, Lang::Or] {
            let fault = hear(&ears, LanguageHint::Fixed(language)).await.unwrap_err();
            assert_eq!(fault.kind, FaultKind::Refused);
        }
        let hint = LanguageHint::Fixed(Lang::Hi);
        let request = SttRequest { call: None, audio: too_long(), hint, words: None, speculative: false };
        assert_eq!(ears.transcribe(request).await.unwrap_err().kind, FaultKind::Refused);
    }
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn a_live_stream_is_recognised() {
    let fake = Fake::start();
    let ears = ears(deepgram::stt, &at(&fake, json!({"live": true})));
    let heard = hear(&ears, likely(Lang::En, &[Lang::En, Lang::Hi])).await.unwrap();
    assert_eq!((heard.text.as_str(), heard.language), ("हाँ बोलिए।", Lang::Hi));
    assert!((heard.confidence - 0.9).abs() < 1e-6);
    fake.vary(PATH, "count");
    assert_eq!(hear(&ears, open(&[Lang::Ta])).await.unwrap().text, "6800", "all of the sound came");
    let wide = crate::voices::ears(deepgram::stt, &at(&fake, json!({"live": true, "encoding": "linear16"})));
    assert_eq!(hear(&wide, open(&[Lang::Ta])).await.unwrap().text, "13600", "all of the sound came");
    fake.vary(PATH, "silent");
    assert_eq!(hear(&ears, open(&[Lang::Ta])).await.unwrap().text, "");
    for (variant, kind) in [
        ("close:1011", FaultKind::Unavailable),
        ("close:1008", FaultKind::Unavailable),
        ("close:1000", FaultKind::Broken),
        ("error", FaultKind::Unavailable),
    ] {
        fake.vary(PATH, variant);
        let fault = hear(&ears, LanguageHint::Fixed(Lang::Hi)).await.unwrap_err();
        assert_eq!(fault.kind, kind, "{variant}");
        assert!(!fault.to_string().contains("caller"));
    }
}

#[tokio::test]
async fn a_wrong_key_is_told() {
    let fake = Fake::start();
    for live in [false, true] {
        let mut wrong = at(&fake, json!({"live": live}));
        wrong.auth = Auth::Scheme("Token".into(), Secret::new("wrong"));
        let fault = hear(&ears(deepgram::stt, &wrong), LanguageHint::Fixed(Lang::Hi)).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Denied);
        assert!(fault.detail.starts_with("HTTP 401"), "{fault}");
    }
}

#[tokio::test]
async fn misbehaviour_is_survived() {
    for live in [false, true] {
        let fake = Fake::start();
        let ears = ears(deepgram::stt, &at(&fake, json!({"live": live})));
        survives_hearing(fake, PATH, &ears, Lang::Hi).await;
    }
}
