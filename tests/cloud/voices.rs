//! What all tests of ears and voices share: how to ask, and what every adapter must survive.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;
use vaani::ai::providers::{Auth, Endpoint, http};
use vaani::ai::stt::{LanguageHint, Stt, SttRequest, SttText};
use vaani::ai::tts::{Tts, TtsEvent, TtsRequest, TtsUsage};
use vaani::ai::{Fault, FaultKind};
use vaani::base::secret::Secret;
use vaani::base::{Clock, Lang};

use crate::fake::{Behaviour, Fake, KEY};

/// Long enough for a whole answer of the fake, when none is expected to come.
const SILENCE: Duration = Duration::from_millis(300);

pub(crate) type Ears = fn(Endpoint, reqwest::Client, Clock) -> Arc<dyn Stt>;
pub(crate) type Voice = fn(Endpoint, reqwest::Client, Clock) -> Arc<dyn Tts>;

/// A provider below the fake; options as JSON.
pub(crate) fn endpoint(fake: &Fake, provider: &str, header: &str, model: &str, options: Value) -> Endpoint {
    let auth = match header {
        "Token" => Auth::Scheme("Token".to_owned(), Secret::new(KEY)),
        header => Auth::Header(header.to_owned(), Secret::new(KEY)),
    };
    Endpoint {
        id: format!("{provider}/{model}"),
        base_url: fake.url(&format!("/{provider}")),
        auth,
        model: model.to_owned(),
        options: options.as_object().cloned().unwrap_or_default(),
        voices: Default::default(),
    }
}

pub(crate) fn ears(ears: Ears, endpoint: &Endpoint) -> Arc<dyn Stt> {
    ears(endpoint.clone(), http::client().unwrap(), Clock::system())
}

pub(crate) fn voice(voice: Voice, endpoint: &Endpoint) -> Arc<dyn Tts> {
    voice(endpoint.clone(), http::client().unwrap(), Clock::system())
}

pub(crate) fn likely(expected: Lang, among: &[Lang]) -> LanguageHint {
    LanguageHint::Likely { expected, among: among.to_vec() }
}

pub(crate) fn open(among: &[Lang]) -> LanguageHint {
    LanguageHint::Open { among: among.to_vec() }
}

/// An utterance of 850 ms.
pub(crate) fn utterance() -> Arc<[i16]> {
    (0..13_600).map(|n| (n % 200) as i16).collect()
}

/// Half a minute and a little more than the provider takes.
pub(crate) fn too_long() -> Arc<[i16]> {
    vec![0; 16_000 * 61].into()
}

pub(crate) async fn hear(ears: &Arc<dyn Stt>, hint: LanguageHint) -> Result<SttText, Fault> {
    ears.transcribe(SttRequest { call: None, audio: utterance(), hint, words: None, speculative: false }).await
}

pub(crate) fn clause(language: Lang, rate: u32) -> TtsRequest {
    TtsRequest {
        call: None, text: "नमस्ते <जी> & बोलिए".to_owned(), language, voice: None, pace: 1.0, rate
    }
}

/// All sound and the account, or the fault that ended it.
pub(crate) async fn speak(voice: &Arc<dyn Tts>, request: TtsRequest) -> Result<(Vec<i16>, TtsUsage), Fault> {
    let (mut sound, mut events) = (Vec::new(), voice.speak(request));
    while let Some(event) = events.next().await {
        match event? {
            TtsEvent::Audio(piece) => sound.extend(piece),
            TtsEvent::Done(usage) => {
                assert!(events.next().await.is_none(), "the stream ends after it is done");
                return Ok((sound, usage));
            }
        }
    }
    panic!("the stream ended without an account");
}

/// Half a second of a 440 Hz tone at `rate`: as long as it should be, as loud and as high.
pub(crate) fn assert_tone(sound: &[i16], rate: u32) {
    assert!(sound.len().abs_diff(rate as usize / 2) <= 2, "{} samples at {rate}", sound.len());
    let crossings = sound.windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count();
    assert!(crossings.abs_diff(440) <= 4, "{crossings} zero crossings at {rate}");
    let loudest = sound.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
    assert!((7_500..=8_900).contains(&loudest), "{loudest} at {rate}");
}

/// The fault that a misbehaviour must lead to; `None` where the sound cannot show it.
fn expected(behaviour: &Behaviour) -> &'static [FaultKind] {
    match behaviour {
        Behaviour::Status { status: 401, .. } => &[FaultKind::Denied],
        Behaviour::Status { status: 429 | 529, .. } => &[FaultKind::Overloaded],
        Behaviour::Status { .. } => &[FaultKind::Unavailable],
        Behaviour::CloseAfter(_) => &[FaultKind::Unavailable, FaultKind::Broken],
        _ => &[FaultKind::Broken],
    }
}

fn assert_fault(fault: &Fault, behaviour: &Behaviour) {
    assert!(expected(behaviour).contains(&fault.kind), "{behaviour:?}: {fault}");
    if let Behaviour::Status { retry_after: Some(seconds), .. } = behaviour
        && fault.retry_after.is_some()
    {
        assert_eq!(fault.retry_after, Some(Duration::from_secs(u64::from(*seconds))));
    }
    let told = format!("{fault} {fault:?}");
    for private in ["words of the caller", KEY, "127.0.0.1"] {
        assert!(!told.contains(private), "{told}");
    }
}

/// Every misbehaviour on `path` is a fault of the right kind, silence lasts until whoever asked goes,
/// torn answers are whole, and afterwards all is well again.
pub(crate) async fn survives_hearing(mut fake: Fake, path: &str, ears: &Arc<dyn Stt>, language: Lang) {
    let hint = || LanguageHint::Fixed(language);
    let right = hear(ears, hint()).await.unwrap();
    for behaviour in Behaviour::bad().into_iter().chain([Behaviour::EndAfter(0)]) {
        fake.set(path, behaviour.clone());
        assert_fault(&hear(ears, hint()).await.err().unwrap_or_else(|| panic!("{behaviour:?}")), &behaviour);
    }
    for behaviour in [Behaviour::Hang, Behaviour::StallAfter(0)] {
        fake.set(path, behaviour);
        assert!(tokio::time::timeout(SILENCE, hear(ears, hint())).await.is_err());
    }
    fake.set(path, Behaviour::Drip(Duration::from_millis(5)));
    assert_eq!(hear(ears, hint()).await.unwrap().text, right.text);
    fake.set(path, Behaviour::Ok);
    assert_eq!(hear(ears, hint()).await.unwrap().text, right.text);
    fake.go_away();
    assert_eq!(hear(ears, hint()).await.unwrap_err().kind, FaultKind::Unavailable);
    fake.come_back();
    assert_eq!(hear(ears, hint()).await.unwrap().text, right.text);
}

/// The same for a voice. `raw` samples carry no mark by which garbage could be told from speech.
pub(crate) async fn survives_speaking(
    mut fake: Fake,
    path: &str,
    voice: &Arc<dyn Tts>,
    request: TtsRequest,
    raw: bool,
) {
    let right = speak(voice, request.clone()).await.unwrap().0;
    for behaviour in Behaviour::bad().into_iter().chain([Behaviour::EndAfter(0)]) {
        fake.set(path, behaviour.clone());
        match speak(voice, request.clone()).await {
            Err(fault) => assert_fault(&fault, &behaviour),
            Ok(_) => assert!(raw && behaviour == Behaviour::Garbage, "{behaviour:?}"),
        }
    }
    for behaviour in [Behaviour::Hang, Behaviour::StallAfter(0)] {
        fake.set(path, behaviour);
        assert!(tokio::time::timeout(SILENCE, speak(voice, request.clone())).await.is_err());
    }
    fake.set(path, Behaviour::Drip(Duration::from_millis(5)));
    assert_eq!(speak(voice, request.clone()).await.unwrap().0, right);
    fake.set(path, Behaviour::Ok);
    assert_eq!(speak(voice, request.clone()).await.unwrap().0, right);
    fake.go_away();
    assert_eq!(speak(voice, request.clone()).await.unwrap_err().kind, FaultKind::Unavailable);
    fake.come_back();
    assert_eq!(speak(voice, request).await.unwrap().0, right);
}
