//! Asking an adapter, and what every adapter must do when the provider misbehaves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Map, Value};
use vaani::ai::llm::{Llm, LlmEvent, LlmRequest, LlmStream, LlmUsage, Message, Role};
use vaani::ai::providers::{Auth, Endpoint, http};
use vaani::ai::stt::{LanguageHint, Stt, SttRequest};
use vaani::ai::tts::{Tts, TtsEvent, TtsRequest, TtsStream, TtsUsage};
use vaani::ai::{Fault, FaultKind};
use vaani::base::secret::Secret;
use vaani::base::{Clock, Lang};

use crate::fake::{Behaviour, Fake, KEY};

/// Longer than a healthy answer of the fake takes to stall, and short enough to wait for.
const A_WHILE: Duration = Duration::from_millis(400);

pub(crate) fn client() -> reqwest::Client {
    http::client().unwrap()
}

pub(crate) fn clock() -> Clock {
    Clock::system()
}

pub(crate) fn bearer() -> Auth {
    Auth::Bearer(Secret::new(KEY))
}

pub(crate) fn endpoint(id: &str, base_url: url::Url, auth: Auth, options: Value) -> Endpoint {
    let model = id.split_once('/').map_or(id, |(_, model)| model).to_owned();
    let options = if let Value::Object(options) = options { options } else { Map::new() };
    let voices = BTreeMap::from([(Lang::Hi, "coral".to_owned())]);
    Endpoint { id: id.to_owned(), base_url, auth, model, options, voices }
}

pub(crate) fn question() -> LlmRequest {
    LlmRequest {
        call: None,
        thread: 0,
        language: None,
        messages: vec![
            Message::new(Role::System, "You are kind."),
            Message::new(Role::Assistant, "नमस्ते, मैं वाणी हूँ।"),
            Message::new(Role::User, "नमस्ते"),
        ],
        grammar: None,
        max_tokens: 60,
        temperature: 0.3,
        speculative: false,
    }
}

/// The text so far and how it ended.
pub(crate) async fn write(mut stream: LlmStream) -> (String, Result<LlmUsage, Fault>) {
    let mut text = String::new();
    loop {
        match stream.next().await {
            Some(Ok(LlmEvent::Text(piece))) => text.push_str(&piece),
            Some(Ok(LlmEvent::Done(usage))) => return (text, Ok(usage)),
            Some(Err(fault)) => return (text, Err(fault)),
            None => panic!("a stream ends with Done or a fault"),
        }
    }
}

pub(crate) fn utterance(hint: LanguageHint) -> SttRequest {
    let audio: Vec<i16> = (0..8_000).map(|n| ((n * 37) % 4_000 - 2_000) as i16).collect();
    SttRequest { call: None, audio: audio.into(), hint, words: None, speculative: false }
}

pub(crate) fn clause(rate: u32) -> TtsRequest {
    TtsRequest {
        call: None, text: "नमस्ते जी".into(), language: Lang::Hi, voice: None, pace: 1.0, rate
    }
}

pub(crate) async fn play(mut stream: TtsStream) -> (Vec<i16>, Result<TtsUsage, Fault>) {
    let mut sound = Vec::new();
    loop {
        match stream.next().await {
            Some(Ok(TtsEvent::Audio(piece))) => sound.extend(piece),
            Some(Ok(TtsEvent::Done(usage))) => return (sound, Ok(usage)),
            Some(Err(fault)) => return (sound, Err(fault)),
            None => panic!("a stream ends with Done or a fault"),
        }
    }
}

/// The kinds of fault that a behaviour may end in.
fn kinds(behaviour: &Behaviour) -> &'static [FaultKind] {
    match behaviour {
        Behaviour::Status { status: 401, .. } => &[FaultKind::Denied],
        Behaviour::Status { status: 429 | 529, .. } => &[FaultKind::Overloaded],
        Behaviour::Status { .. } => &[FaultKind::Unavailable],
        Behaviour::CloseAfter(_) => &[FaultKind::Unavailable, FaultKind::Broken],
        _ => &[FaultKind::Broken],
    }
}

fn check(behaviour: &Behaviour, fault: &Fault, id: &str) {
    assert!(kinds(behaviour).contains(&fault.kind), "{id}, {behaviour:?}: {fault}");
    assert_eq!(fault.provider, id);
    if let Behaviour::Status { retry_after, .. } = behaviour {
        assert_eq!(fault.retry_after, retry_after.map(|s| Duration::from_secs(s.into())));
    }
    let told = format!("{fault} {fault:?}");
    for secret in [KEY, "words of the caller", "127.0.0.1", "session/token"] {
        assert!(!told.contains(secret), "{behaviour:?} tells {secret:?}: {told}");
    }
}

/// Everything that can go wrong with any language model. `right` is the fake's usual answer.
pub(crate) async fn llm_survives(llm: Arc<dyn Llm>, fake: &mut Fake, path: &str, right: &str) {
    for behaviour in Behaviour::bad() {
        fake.set(path, behaviour.clone());
        let (text, end) = write(llm.generate(question())).await;
        check(&behaviour, &end.unwrap_err(), llm.id());
        assert!(right.starts_with(&text), "{behaviour:?}: {text:?}");
    }
    fake.set(path, Behaviour::EndAfter(4));
    let (text, end) = write(llm.generate(question())).await;
    assert!(!text.is_empty() && text != right && right.starts_with(&text), "{text:?}");
    assert_eq!(end.unwrap_err().kind, FaultKind::Broken);
    fake.set(path, Behaviour::Hang);
    assert!(tokio::time::timeout(A_WHILE, write(llm.generate(question()))).await.is_err(), "it waits");
    fake.set(path, Behaviour::StallAfter(4));
    let mut stream = llm.generate(question());
    assert!(matches!(stream.next().await, Some(Ok(LlmEvent::Text(_)))), "what came is given on at once");
    assert!(tokio::time::timeout(A_WHILE, write(stream)).await.is_err(), "it waits for the rest");
    fake.go_away();
    let (_, end) = write(llm.generate(question())).await;
    assert_eq!(end.unwrap_err().kind, FaultKind::Unavailable);
    fake.come_back();
    for behaviour in [Behaviour::Drip(Duration::from_millis(2)), Behaviour::Ok] {
        fake.set(path, behaviour);
        let (text, end) = write(llm.generate(question())).await;
        assert_eq!(text, right);
        assert!(end.is_ok(), "it answers again: {end:?}");
    }
}

pub(crate) async fn stt_survives(stt: Arc<dyn Stt>, fake: &mut Fake, path: &str, right: &str) {
    let ask = || stt.transcribe(utterance(LanguageHint::Fixed(Lang::Hi)));
    for behaviour in Behaviour::bad().into_iter().filter(|b| *b != Behaviour::CloseAfter(1)) {
        fake.set(path, behaviour.clone());
        check(&behaviour, &ask().await.unwrap_err(), stt.id());
    }
    fake.set(path, Behaviour::EndAfter(0));
    assert_eq!(ask().await.unwrap_err().kind, FaultKind::Broken);
    for silent in [Behaviour::Hang, Behaviour::StallAfter(0)] {
        fake.set(path, silent);
        assert!(tokio::time::timeout(A_WHILE, ask()).await.is_err(), "it waits");
    }
    fake.go_away();
    assert_eq!(ask().await.unwrap_err().kind, FaultKind::Unavailable);
    fake.come_back();
    for behaviour in [Behaviour::Drip(Duration::from_millis(2)), Behaviour::Ok] {
        fake.set(path, behaviour);
        assert_eq!(ask().await.unwrap().text, right);
    }
}

/// `samples` at 8 kHz is the length of the fake's usual sound.
pub(crate) async fn tts_survives(tts: Arc<dyn Tts>, fake: &mut Fake, path: &str, samples: usize) {
    let ask = || play(tts.speak(clause(8_000)));
    // Raw samples have no shape by which garbage could be told.
    for behaviour in Behaviour::bad().into_iter().filter(|b| *b != Behaviour::Garbage) {
        fake.set(path, behaviour.clone());
        let (sound, end) = ask().await;
        check(&behaviour, &end.unwrap_err(), tts.id());
        assert!(sound.len() < 16 << 20, "bounded");
    }
    fake.set(path, Behaviour::Hang);
    assert!(tokio::time::timeout(A_WHILE, ask()).await.is_err(), "it waits");
    fake.go_away();
    assert_eq!(ask().await.1.unwrap_err().kind, FaultKind::Unavailable);
    fake.come_back();
    for behaviour in [Behaviour::Drip(Duration::from_millis(2)), Behaviour::Ok] {
        fake.set(path, behaviour);
        let (sound, end) = ask().await;
        assert_eq!(sound.len(), samples);
        let usage = end.unwrap();
        assert_eq!(usage.audio, Duration::from_micros(samples as u64 * 125));
        assert_eq!(usage.provider, tts.id());
    }
}
