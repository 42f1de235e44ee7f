//! The local engines through the ai contract, with their real worker programs and the starter
//! models: answers, faults, and what happens when a worker is killed, stopped or cannot start.
//!
//! Needs `cargo build --workspace` and, for the voices, `scripts/engine-data`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use rustix::process::{Pid, Signal, kill_process};
use vaani::ai::FaultKind;
use vaani::ai::engines::{Llama, PoolHealth, Setup, Voices, Whisper};
use vaani::ai::hardware::Hardware;
use vaani::ai::llm::{Llm, LlmEvent, LlmRequest, Message, Role};
use vaani::ai::router::{Deadlines, Member, Planner, Router, Stage, Table};
use vaani::ai::score::character_errors;
use vaani::ai::stt::{LanguageHint, Stt, SttRequest};
use vaani::ai::tts::{Tts, TtsEvent, TtsRequest};
use vaani::base::audio::STT_RATE;
use vaani::base::tasks::Scope;
use vaani::base::{CallId, Clock, Lang};
use vaani::config::{Environment, Settings};
use vaani::media::{resample, wav};

/// Long enough for a busy test machine; the tests fail by their assertions, not by this.
const PATIENCE: Duration = Duration::from_secs(60);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// One engine of each kind, spares as told.
fn setup(spares: usize) -> Setup {
    let program = std::env::current_exe().unwrap();
    let environment = Environment { variables: Vec::new(), working: root().to_owned(), program };
    let settings = Settings::load_from(None, &environment).unwrap();
    let mut setup = Setup::new(&settings, &Hardware::detect(), Scope::new(), Clock::system());
    let programs = setup.engines_dir.clone();
    let beside = programs.parent().map(|target| target.join("vaani-runtime")).filter(|dir| dir.is_dir());
    setup.lib_dir = beside.unwrap_or(setup.lib_dir);
    for plan in [&mut setup.plan.stt, &mut setup.plan.llm, &mut setup.plan.tts] {
        plan.spares = spares;
    }
    setup
}

/// A router that waits longer than a busy test machine takes.
fn patient(member: &Member) -> Router {
    let deadlines = Deadlines {
        stt: PATIENCE,
        llm_first_token: PATIENCE,
        tts_first_audio: PATIENCE,
        piece: PATIENCE,
        ..Deadlines::default()
    };
    let table = Table::of_the_box(deadlines);
    let only = |stage, of: Member| if stage { of } else { Member::default() };
    let members = table
        .candidates()
        .iter()
        .map(|c| Member {
            takes_style: false,
            on_box: true,
            stt: only(c.serves(Stage::Stt), member.clone()).stt,
            llm: only(c.serves(Stage::Llm), member.clone()).llm,
            tts: only(c.serves(Stage::Tts), member.clone()).tts,
        })
        .collect();
    Router::new(Arc::new(Planner::new(table, Default::default(), Clock::system(), Arc::new(|_, _| {}))), members)
}

struct Clip {
    language: Lang,
    text: String,
    sound: Arc<[i16]>,
}

fn clips() -> Vec<Clip> {
    let folder = root().join("models/starter/stt/eval");
    let manifest = std::fs::read_to_string(folder.join("manifest.jsonl")).unwrap();
    manifest
        .lines()
        .map(|row| {
            let row: serde_json::Value = serde_json::from_str(row).unwrap();
            let (rate, pcm) = wav::read(&std::fs::read(folder.join(row["file"].as_str().unwrap())).unwrap()).unwrap();
            Clip {
                language: row["language"].as_str().unwrap().parse().unwrap(),
                text: row["text"].as_str().unwrap().to_owned(),
                sound: resample::convert(&pcm, rate, STT_RATE).into(),
            }
        })
        .collect()
}

fn hear(sound: Arc<[i16]>, hint: LanguageHint) -> SttRequest {
    SttRequest { call: None, audio: sound, hint, words: None, speculative: false }
}

/// Many clips of one language with pauses, so that hearing them takes a while.
fn long_sound() -> (Lang, Arc<[i16]>) {
    let mut sound = Vec::new();
    for clip in clips().iter().filter(|c| c.language == Lang::Hi).cycle().take(16) {
        sound.extend_from_slice(&clip.sound);
        sound.extend(std::iter::repeat_n(0, STT_RATE as usize / 2));
    }
    (Lang::Hi, sound.into())
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "never happened: {what}");
}

/// The process that works on a request now.
fn busy_pid(health: &PoolHealth) -> Option<Pid> {
    let worker = health.workers.iter().find(|w| w.in_flight > 0)?;
    Pid::from_raw(i32::try_from(worker.pid?).ok()?)
}

async fn end(setup: Setup) {
    setup.scope.stop();
    assert!(setup.scope.join(Duration::from_secs(10)).await, "workers did not end");
}

fn tell_gone(pid: Pid) -> bool {
    rustix::process::test_kill_process(pid).is_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_costs_no_request() {
    for spares in [1, 0] {
        let setup = setup(spares);
        let whisper = Whisper::start(&setup);
        let engines = patient(&Member { stt: Some(Arc::new(whisper.clone())), ..Member::default() });
        whisper.ready(PATIENCE).await.unwrap();
        let (language, sound) = long_sound();
        let expected = whisper.transcribe(hear(sound.clone(), LanguageHint::Fixed(language))).await.unwrap();
        assert!(expected.text.len() > 100, "{expected:?}");
        let mut killed = None;
        let kill = until("the request is in a worker", || {
            killed = busy_pid(&whisper.health());
            killed.is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
        });
        let (answer, ()) = tokio::join!(engines.transcribe(hear(sound, LanguageHint::Fixed(language))), kill);
        let (answer, pid) = (answer.unwrap(), killed.unwrap());
        assert_eq!(answer.text, expected.text);
        until("the dead worker lives again", || whisper.health().workers.iter().all(|w| w.state == "ready")).await;
        let health = whisper.health();
        assert_eq!(health.restarts, 1);
        assert!(
            health.workers.iter().any(|w| w.last_error.as_deref().is_some_and(|e| e.contains("signal: 9"))),
            "{health:?}"
        );
        assert!(tell_gone(pid), "the killed process is still there");
        end(setup).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_hangs_is_killed_and_its_request_answered() {
    let setup = setup(0);
    let whisper = Whisper::start(&setup);
    let engines = patient(&Member { stt: Some(Arc::new(whisper.clone())), ..Member::default() });
    whisper.ready(PATIENCE).await.unwrap();
    let pid = whisper.health().workers[0].pid.unwrap();
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let clip = clips().swap_remove(0);
    let answer = engines.transcribe(hear(clip.sound, LanguageHint::Fixed(clip.language))).await.unwrap();
    assert!(!answer.text.is_empty());
    let health = whisper.health();
    assert_eq!(health.restarts, 1, "{health:?}");
    assert!(health.workers[0].last_error.as_deref().is_some_and(|e| e.contains("heartbeats")), "{health:?}");
    assert!(tell_gone(pid), "the stopped process is still there");
    end(setup).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_start_says_why_and_does_not_hang() {
    let cases: [(&str, fn(&mut Setup), &str); 3] = [
        ("a model that is not there", |s| s.stt_model = PathBuf::from("/nowhere/model.bin"), "/nowhere/model.bin"),
        ("a file that is no model", |s| s.stt_model = root().join("Cargo.toml"), "Cargo.toml"),
        ("a program that is not there", |s| s.engines_dir = PathBuf::from("/nowhere"), "/nowhere/vaani-engine-whisper"),
    ];
    for (case, spoil, word) in cases {
        let mut setup = setup(0);
        spoil(&mut setup);
        let whisper = Whisper::start(&setup);
        let fault = whisper.transcribe(hear(vec![0; 16_000].into(), LanguageHint::Fixed(Lang::Hi))).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unavailable, "{case}: {fault}");
        assert!(fault.detail.contains(word), "{case}: {fault}");
        let health = whisper.health();
        assert_eq!((health.healthy, health.workers[0].state), (0, "down"), "{case}");
        until("a crash loop is told", || whisper.health().workers[0].crash_loop).await;
        end(setup).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_wants_any_more_is_not_worked_on() {
    let setup = setup(0);
    let (whisper, llama) = (Whisper::start(&setup), Llama::start(&setup));
    whisper.ready(PATIENCE).await.unwrap();
    llama.ready(PATIENCE).await.unwrap();

    let (language, sound) = long_sound();
    tokio::select! {
        answer = whisper.transcribe(hear(sound, LanguageHint::Fixed(language))) => panic!("too fast to be given up: {answer:?}"),
        () = until("recognition runs", || whisper.health().in_flight == 1) => {}
    }
    until("recognition was given up", || whisper.health().in_flight == 0).await;

    let mut answer = llama.generate(question(None, "hello", Some("root ::= [a-z ]{1500}".to_owned()), 1_500));
    assert!(matches!(answer.next().await, Some(Ok(LlmEvent::Text(_)))));
    assert_eq!(llama.health().in_flight, 1);
    drop(answer);
    until("generation was given up", || llama.health().in_flight == 0).await;
    // Both still work.
    let clip = clips().swap_remove(0);
    assert!(whisper.transcribe(hear(clip.sound, LanguageHint::Fixed(clip.language))).await.is_ok());
    assert!(!reply(&llama, question(None, "hello", None, 40)).await.is_empty());
    end(setup).await;
}

fn question(call: Option<CallId>, words: &str, grammar: Option<String>, max_tokens: u32) -> LlmRequest {
    let brief = "You are Asha, a phone assistant of Kaveri Finance. Speak English. Goal: help the customer.\n\
                 Facts:\n- loan id: LN-20391\n- office hours: 9:30 AM to 6 PM\n- phone: 1800 123 4567";
    LlmRequest {
        call,
        thread: 0,
        language: Some(Lang::En),
        messages: vec![Message::new(Role::System, brief), Message::new(Role::User, words)],
        grammar,
        max_tokens,
        temperature: 0.0,
        speculative: false,
    }
}

async fn reply(llm: &dyn Llm, request: LlmRequest) -> String {
    let mut answer = llm.generate(request);
    let mut text = String::new();
    while let Some(event) = answer.next().await {
        match event.unwrap() {
            LlmEvent::Text(piece) => text.push_str(&piece),
            LlmEvent::Done(usage) => {
                assert!(usage.prompt_tokens > 0 && usage.answer_tokens > 0, "{usage:?}");
                return text;
            }
        }
    }
    panic!("the answer ended without its end; so far {text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_language_model_that_dies_is_asked_again_or_tells_the_caller() {
    let setup = setup(1);
    let llama = Llama::start(&setup);
    let engines = patient(&Member { llm: Some(Arc::new(llama.clone())), ..Member::default() });
    until("both workers are ready", || llama.health().workers.iter().all(|w| w.state == "ready")).await;

    // After its first words: the engine itself tells.
    let call = CallId::new();
    let long = || question(Some(call), "hello", Some("root ::= [a-z ]{1500}".to_owned()), 1_500);
    let mut answer = llama.generate(long());
    assert!(matches!(answer.next().await, Some(Ok(LlmEvent::Text(_)))));
    kill_process(busy_pid(&llama.health()).unwrap(), Signal::KILL).unwrap();
    let mut rest: Vec<_> = answer.collect().await;
    let last = rest.pop().unwrap().unwrap_err();
    assert_eq!(last.kind, FaultKind::Unavailable, "{last}");
    assert!(rest.iter().all(Result::is_ok));

    // The router has the same answer written by another worker, and nobody notices.
    until("both workers are ready again", || llama.health().workers.iter().all(|w| w.state == "ready")).await;
    let (text, ()) = tokio::join!(reply(&engines, long()), async {
        let mut busy = None;
        while busy.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            busy = busy_pid(&llama.health());
        }
        kill_process(busy.unwrap(), Signal::KILL).unwrap();
    });
    assert_eq!(text.chars().count(), 1_500, "{text:?}");

    // The conversation goes on with the other worker, which evaluates it anew.
    let text = reply(&engines, question(Some(call), "what are your office hours?", None, 64)).await;
    assert!(text.contains("9:30"), "{text:?}");
    engines.forget(call);
    end(setup).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_hear_what_each_alone_would() {
    let setup = setup(0);
    let whisper = Whisper::start(&setup);
    let clips: Vec<_> = clips().into_iter().step_by(4).take(10).collect();
    let ask = |clip: &Clip| whisper.transcribe(hear(clip.sound.clone(), LanguageHint::Fixed(clip.language)));
    let mut alone = Vec::new();
    for clip in &clips {
        alone.push(ask(clip).await.unwrap().text);
    }
    let together: Vec<_> = join_all(clips.iter().map(ask)).await.into_iter().map(|a| a.unwrap().text).collect();
    assert_eq!(together, alone);
    assert_eq!(whisper.health().workers[0].served, 20);
    end(setup).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_test_set_is_heard_as_its_card_says() {
    let setup = setup(0);
    let whisper = Whisper::start(&setup);
    let (mut wrong, mut length, mut languages) = (0, 0, 0);
    let clips = clips();
    for clip in &clips {
        let fixed = whisper.transcribe(hear(clip.sound.clone(), LanguageHint::Fixed(clip.language))).await.unwrap();
        let (errors, of) = character_errors(&clip.text, &fixed.text);
        (wrong, length) = (wrong + errors, length + of);
        assert_eq!(fixed.language, clip.language);
        assert!(fixed.confidence > 0.0 && fixed.confidence <= 1.0, "{fixed:?}");
        let open = LanguageHint::Open { among: Lang::ALL.to_vec() };
        let open = whisper.transcribe(hear(clip.sound.clone(), open)).await.unwrap();
        languages += usize::from(open.language == clip.language);
    }
    let rate = wrong as f64 / length as f64;
    println!("{} clips: character error rate {:.2} %, language right {languages}", clips.len(), rate * 100.0);
    assert!(rate <= 0.04, "character error rate {rate}");
    assert!(languages * 100 >= clips.len() * 95, "language right in {languages} of {}", clips.len());
    end(setup).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_noise_and_nothing_are_no_words() {
    let setup = setup(0);
    let whisper = Whisper::start(&setup);
    let mut seed = 1_u32;
    let noise: Vec<i16> = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as i16 - 128
    })
    .take(32_000)
    .collect();
    for (case, sound) in [("nothing", vec![]), ("silence", vec![0; 32_000]), ("faint noise", noise)] {
        let open = LanguageHint::Open { among: Lang::ALL.to_vec() };
        let answer = whisper.transcribe(hear(sound.into(), open)).await.unwrap();
        assert_eq!(answer.text, "", "{case}: {answer:?}");
    }
    let too_long = whisper.transcribe(hear(vec![0; 16_000 * 601].into(), LanguageHint::Fixed(Lang::Hi))).await;
    assert_eq!(too_long.unwrap_err().kind, FaultKind::Refused);
    end(setup).await;
}

async fn say(voices: &Voices, language: Lang, text: &str, voice: Option<&str>) -> Vec<i16> {
    let mut answer = voices.speak(TtsRequest {
        call: None,
        text: text.to_owned(),
        language,
        voice: voice.map(str::to_owned),
        pace: 1.0,
        rate: 8_000,
    });
    let mut sound = Vec::new();
    while let Some(event) = answer.next().await {
        match event.unwrap() {
            TtsEvent::Audio(samples) => sound.extend(samples),
            TtsEvent::Done(usage) => {
                assert_eq!(usage.audio.as_millis() as usize, sound.len() / 8, "{usage:?}");
                return sound;
            }
        }
    }
    panic!("the voice ended without its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_is_heard_again_in_every_language() {
    let setup = setup(0);
    let (whisper, voices) = (Whisper::start(&setup), Voices::start(&setup));
    let clips = clips();
    for voice in [None, Some("espeak")] {
        for language in Lang::ALL {
            let (mut wrong, mut length) = (0, 0);
            let texts = clips.iter().filter(|c| c.language == language && !c.text.chars().any(char::is_numeric));
            for text in texts.map(|c| &c.text) {
                let sound = say(&voices, language, text, voice).await;
                let sound = resample::convert(&sound, 8_000, STT_RATE);
                let heard = whisper.transcribe(hear(sound.into(), LanguageHint::Fixed(language))).await.unwrap();
                let (errors, of) = character_errors(text, &heard.text);
                (wrong, length) = (wrong + errors, length + of);
            }
            let rate = wrong as f64 / length as f64;
            println!("{language} {}: {:.1} %", voice.unwrap_or("default"), rate * 100.0);
            assert!(rate < 0.10, "{language} {voice:?}: character error rate {rate}");
        }
    }
    end(setup).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_voice_that_is_not_loaded_is_replaced() {
    let setup = setup(0);
    let voices = Voices::start(&setup);
    let sound = say(&voices, Lang::Ta, "வணக்கம்", Some("somebody-else")).await;
    assert!(sound.iter().any(|s| s.unsigned_abs() > 500), "{} samples", sound.len());
    end(setup).await;
}
