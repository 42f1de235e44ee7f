//! Recognition while the caller speaks: the sound goes out as it comes, and whatever goes wrong with
//! that, the utterance is recognised.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use vaani::ai::FaultKind;
use vaani::ai::providers::{deepgram, sarvam};
use vaani::ai::stt::{LanguageHint, Listening, Stt, SttOpening};
use vaani::base::Lang;
use vaani::base::event::Event;
use vaani::base::tasks::Scope;

use crate::fake::{Behaviour, Fake};
use crate::support::{Daemon, question, until};
use crate::voices::{ears, endpoint, utterance};

const SARVAM: &str = "/sarvam/speech-to-text-realtime/ws";

fn opening(pcm: &[i16]) -> SttOpening {
    SttOpening { call: None, audio: pcm.into(), hint: LanguageHint::Fixed(Lang::Hi), words: None }
}

fn both(fake: &Fake) -> [Arc<dyn Stt>; 2] {
    let header = "api-subscription-key";
    let realtime = endpoint(fake, "sarvam", header, "saaras:v4", json!({"realtime": true}));
    let live = endpoint(fake, "deepgram", "Token", "nova-3", json!({"live": true}));
    [ears(sarvam::stt, &realtime), ears(deepgram::stt, &live)]
}

#[tokio::test]
async fn the_sound_goes_out_while_the_caller_speaks() {
    let fake = Fake::start();
    fake.vary("", "count");
    let tasks = Scope::new();
    for ears in both(&fake) {
        assert!(ears.listens());
        let pcm = utterance();
        let (so_far, rest) = pcm.split_at(4_000);
        let Listening { sound, pump, mut answer } = ears.listen(opening(so_far)).unwrap();
        tasks.spawn("pump", pump);
        let before = fake.samples();
        for frame in rest.chunks(320) {
            sound.send(frame.to_vec()).await.unwrap();
        }
        // The caller has not come to an end, and most of it is there already.
        until("most of the sound is there", async || (fake.samples() - before >= 5_600).then_some(())).await;
        assert!(answer.answer.try_recv().is_err(), "an answer came before the end");
        drop(sound);
        let heard = answer.answer.await.unwrap().unwrap();
        assert_eq!((heard.text.as_str(), heard.audio.as_millis()), ("6800", 850), "{}", heard.provider);
    }
}

#[tokio::test]
async fn what_goes_wrong_is_told_and_nobody_waits_for_ever() {
    let (fake, tasks) = (Fake::start(), Scope::new());
    for ears in both(&fake) {
        for (variant, behaviour, kind) in [
            ("close:1011", Behaviour::Ok, FaultKind::Unavailable),
            ("", Behaviour::Garbage, FaultKind::Broken),
            ("", Behaviour::status(401), FaultKind::Denied),
        ] {
            fake.vary("", variant);
            fake.set("", behaviour.clone());
            let Listening { sound, pump, answer } = ears.listen(opening(&utterance())).unwrap();
            tasks.spawn("pump", pump);
            drop(sound);
            let fault = answer.answer.await.unwrap().unwrap_err();
            assert_eq!(fault.kind, kind, "{} {behaviour:?}", ears.id());
        }
        // Whoever stops listening gets no answer and leaves nothing running.
        fake.vary("", "");
        fake.set("", Behaviour::Ok);
        let Listening { sound, pump, answer } = ears.listen(opening(&utterance())).unwrap();
        drop(pump);
        assert!(sound.is_closed() && answer.answer.await.is_err());
    }
}

#[tokio::test]
async fn a_call_is_heard_live_and_goes_on_when_that_fails() {
    let fake = Fake::start();
    let (state, config) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let routing = format!(
        "residency: {{default: india_only}}\norder: cloud_first\nproviders:\n  sarvam:\n    base_url: {}\n    residency: india\n    \
         secret: SARVAM_KEY\n    models:\n      saaras:v4: {{capabilities: [stt], options: {{realtime: true}}}}\n",
        fake.url("/sarvam")
    );
    crate::journey::configured(config.path(), &routing);
    let key = [("SARVAM_KEY", crate::fake::KEY), ("VAANI_PRIVACY__TRANSCRIPTS", "true")];
    let daemon = Daemon::start(state.path(), config.path(), true, &key).await;
    let call = daemon.dial(daemon.call()).await.unwrap();
    let sid = call.carrier_call().to_owned();
    let mut facts = daemon.fact(&sid, "a greeting", 0, |e| matches!(e, Event::Said { .. })).await;
    let answered = |e: &Event| matches!(e, Event::TurnAnswered { .. });
    for (behaviour, variant, by) in [
        (Behaviour::Ok, "", "sarvam/saaras:v4"),
        (Behaviour::Ok, "close:1011", "local/whisper"),
        (Behaviour::StallAfter(0), "", "local/whisper"),
    ] {
        fake.set(SARVAM, behaviour.clone());
        fake.vary(SARVAM, variant);
        let (before, heard) = (facts.len(), fake.samples());
        let speaking = question();
        let length = speaking.len();
        call.say(speaking).await.unwrap();
        if variant.is_empty() {
            assert!(fake.samples() - heard > length / 2, "the sound had to wait for the end of the sentence");
        }
        facts = daemon.fact(&sid, "an answer", before, answered).await;
        let who = facts[before..].iter().find_map(|e| match e {
            Event::TurnAnswered { waterfall, .. } => waterfall.stt_provider.clone(),
            _ => None,
        });
        assert_eq!(who.as_deref(), Some(by), "{behaviour:?} {variant}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    call.hang_up().await.unwrap();
    daemon.ended(&sid).await;
    daemon.stop().await;
}
