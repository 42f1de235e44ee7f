//! The router at work with engines that do as they are told.

#[path = "tests/money.rs"]
mod money;

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};

use super::dialect::Dialect;
use super::{CallFacts, Candidate, Deadlines, Kind, Member, Planner, Router, Table};
use crate::ai::llm::{Llm, LlmEvent, LlmRequest, LlmStream, LlmUsage, Message, Role};
use crate::ai::stt::{LanguageHint, Stt, SttRequest, SttText};
use crate::ai::tts::{Tts, TtsEvent, TtsRequest, TtsStream, TtsUsage};
use crate::ai::{Fault, FaultKind};
use crate::base::event::{Concerns, Routed, Stage};
use crate::base::{CallId, Clock, Lang};

/// Answers each request with the next script: a word or a letter, `.` done, `-` silence for ever, `~` a
/// pause of 30 ms,
/// and the first letter of a fault's kind.
struct Scripted {
    name: &'static str,
    scripts: Mutex<VecDeque<&'static str>>,
    asked: Mutex<Vec<LlmRequest>>,
    /// What recognition was primed with.
    words: Mutex<Vec<Option<Arc<str>>>>,
}

fn scripted(name: &'static str, scripts: &[&'static str]) -> Arc<Scripted> {
    let scripts = Mutex::new(scripts.iter().copied().collect());
    Arc::new(Scripted { name, scripts, asked: Mutex::default(), words: Mutex::default() })
}

fn fault(name: &str, letter: char) -> Fault {
    let kind = match letter {
        'D' => FaultKind::Deadline,
        'O' => FaultKind::Overloaded,
        'U' => FaultKind::Unavailable,
        'R' => FaultKind::Refused,
        'N' => FaultKind::Denied,
        _ => FaultKind::Broken,
    };
    Fault::new(kind, name, "on purpose")
}

impl Scripted {
    fn next(&self) -> &'static str {
        self.scripts.lock().unwrap().pop_front().expect("asked more often than expected")
    }

    fn left(&self) -> usize {
        self.scripts.lock().unwrap().len()
    }
}

impl Llm for Scripted {
    fn id(&self) -> &str {
        self.name
    }

    fn generate(&self, request: LlmRequest) -> LlmStream {
        let name = self.name;
        self.asked.lock().unwrap().push(request);
        stream::iter(self.next().chars())
            .then(move |letter| async move {
                match letter {
                    '.' => Ok(LlmEvent::Done(LlmUsage { provider: name.to_owned(), ..LlmUsage::default() })),
                    '-' => std::future::pending().await,
                    letter if letter.is_uppercase() => Err(fault(name, letter)),
                    letter => Ok(LlmEvent::Text(letter.to_string())),
                }
            })
            .boxed()
    }

    fn forget(&self, _: CallId) {}
}

impl Stt for Scripted {
    fn id(&self) -> &str {
        self.name
    }

    fn transcribe(&self, request: SttRequest) -> BoxFuture<'static, Result<SttText, Fault>> {
        let (name, script) = (self.name, self.next());
        self.words.lock().unwrap().push(request.words.clone());
        async move {
            match script {
                "w" => Ok(SttText {
                    text: name.to_owned(),
                    language: Lang::Hi,
                    language_confidence: 1.0,
                    confidence: 1.0,
                    audio: Duration::from_millis(request.audio.len() as u64 / 16),
                    took: Duration::ZERO,
                    provider: name.to_owned(),
                }),
                "-" => std::future::pending().await,
                other => Err(fault(name, other.chars().next().unwrap_or('B'))),
            }
        }
        .boxed()
    }
}

impl Tts for Scripted {
    fn id(&self) -> &str {
        self.name
    }

    /// A digit is so many tenths of a second of its own value.
    fn speak(&self, request: TtsRequest) -> TtsStream {
        let name = self.name;
        stream::iter(self.next().chars())
            .then(move |letter| async move {
                match letter.to_digit(10) {
                    Some(n) => Ok(TtsEvent::Audio(vec![n as i16; (request.rate / 10 * n) as usize])),
                    None if letter == '.' => Ok(TtsEvent::Done(TtsUsage::default())),
                    None if letter == '~' => {
                        tokio::time::sleep(Duration::from_millis(30)).await;
                        Ok(TtsEvent::Audio(Vec::new()))
                    }
                    None => Err(fault(name, letter)),
                }
            })
            .boxed()
    }
}

struct Bench {
    router: Router,
    told: Arc<Mutex<Vec<Routed>>>,
}

/// Two candidates outside the box, `a/m` before `b/m`, or two workers' worth of the box's own.
fn bench(a: &Arc<Scripted>, b: &Arc<Scripted>, on_box: bool) -> Bench {
    let short = Duration::from_millis(40);
    let deadlines =
        Deadlines { stt: short, llm_first_token: short, tts_first_audio: short, piece: short, patience: None };
    let table = if on_box {
        Table::of_the_box(deadlines)
    } else {
        let provider = |name: &str, port: u16| {
            format!(
                "  {name}:\n    kind: openai\n    base_url: http://127.0.0.1:{port}/\n    residency: abroad\n    \
                 deadlines_ms: {{stt: 40, llm_first_token: 40, tts_first_audio: 40, piece: 40}}\n    models:\n      \
                 m: {{capabilities: [stt, llm, tts]}}\n"
            )
        };
        let text = format!(
            "residency: {{default: any}}\norder: cloud_first\nlanguages:\n  hi: {{priority_providers: [a, b]}}\n  ml: {{priority_providers: [a, b]}}\nproviders:\n{}{}",
            provider("a", 9),
            provider("b", 10)
        );
        Table::from_text(&text).unwrap_or_else(|error| panic!("{error}")).0
    };
    let told: Arc<Mutex<Vec<Routed>>> = Arc::default();
    let keeper = Arc::clone(&told);
    let book = Arc::new(move |_, routed| keeper.lock().unwrap().push(routed));
    let members = table
        .candidates()
        .iter()
        .map(|candidate| {
            let who = match &*candidate.provider.name {
                "b" => b,
                "a" => a,
                _ if on_box => a,
                _ => return Member::default(),
            };
            Member { on_box, takes_style: true, stt: Some(who.clone()), llm: Some(who.clone()), tts: Some(who.clone()) }
        })
        .collect();
    let missing: BTreeMap<String, String> = if on_box {
        BTreeMap::new()
    } else {
        let local = table.candidates().iter().filter(|c| &*c.provider.name == "local");
        local.map(|c| (c.name.to_string(), "not wanted here".to_owned())).collect()
    };
    let planner = Arc::new(Planner::new(table, missing, Clock::of_runtime(0), book));
    Bench { router: Router::new(planner, members), told }
}

fn llm_request(speculative: bool, grammar: Option<&str>) -> LlmRequest {
    LlmRequest {
        call: None,
        thread: 0,
        language: Some(Lang::Hi),
        messages: Vec::new(),
        grammar: grammar.map(str::to_owned),
        max_tokens: 10,
        temperature: 0.0,
        speculative,
    }
}

async fn written(router: &Router, request: LlmRequest) -> String {
    let events: Vec<_> = router.generate(request).collect().await;
    let told = events.into_iter().map(|event| match event {
        Ok(LlmEvent::Text(text)) => text,
        Ok(LlmEvent::Done(usage)) => format!(" done({})", usage.provider),
        Err(fault) => format!(" fault({} {:?})", fault.provider, fault.kind),
    });
    told.collect()
}

#[tokio::test]
async fn a_stream_is_hidden_until_it_flows_and_continued_when_it_breaks() {
    // scripts of a, scripts of b, what comes out
    let cases: [(&[&str], &[&str], &str); 10] = [
        (&["ww."], &[], "ww done(a)"),
        (&["U"], &["x."], "x done(b)"),
        (&["-"], &["x."], "x done(b)"),
        (&["R"], &["x."], "x done(b)"),
        (&["N"], &["x."], "x done(b)"),
        (&["O"], &["B"], " fault(b/m Broken)"),
        // Broken off in the middle: the other one goes on.
        (&["wwwwwwwwU"], &["xyz."], "wwwwwwwwxyz done(b)"),
        (&["wwwwwwww-"], &["xyz."], "wwwwwwwwxyz done(b)"),
        (&["wwwwwwww"], &["xyz."], "wwwwwwwwxyz done(b)"),
        // Hardly begun: the other one begins anew.
        (&["wwU"], &["wxyz."], "wxyz done(b)"),
    ];
    for (of_a, of_b, expected) in cases {
        let (a, b) = (scripted("a", of_a), scripted("b", of_b));
        let bench = bench(&a, &b, false);
        let told = written(&bench.router, llm_request(false, None)).await;
        let told = told.replace("fault(b Broken)", "fault(b/m Broken)");
        assert_eq!(told, expected, "{of_a:?} {of_b:?}");
        assert_eq!((a.left(), b.left()), (0, 0), "{of_a:?} {of_b:?}");
        assert_eq!(bench.told.lock().unwrap().len(), 1, "one decision, told once");
    }
}

#[tokio::test]
async fn who_goes_on_knows_what_was_said_and_repeats_nothing_of_it() {
    let (a, b) = (scripted("a", &["your emi is U"]), scripted("b", &["your emi is 5200."]));
    let bench = bench(&a, &b, false);
    assert_eq!(written(&bench.router, llm_request(false, None)).await, "your emi is 5200 done(b)");
    let asked = b.asked.lock().unwrap();
    let last = asked[0].messages.last().unwrap();
    assert_eq!((last.role, last.content.as_str()), (Role::Assistant, "your emi is "));
    let told = bench.told.lock().unwrap();
    let tried: Vec<_> = told[0].tried.iter().map(|t| format!("{} {}", t.candidate, t.outcome)).collect();
    assert_eq!(tried, ["a/m answered", "a/m broke_off", "b/m answered"]);
    assert_eq!(told[0].answered_by.as_deref(), Some("b/m"));
}

#[tokio::test]
async fn a_call_is_not_taken_when_engines_are_behind_and_nobody_else_may_help() {
    for (residency, room) in [("local_only", false), ("any", true)] {
        let text = format!(
            "residency: {{default: {residency}}}\nproviders:\n  far:\n    kind: openai\n    base_url: http://127.0.0.1:9/\n    \
             residency: abroad\n    auth: {{style: none}}\n    models:\n      m: {{capabilities: [stt, llm, tts]}}\n"
        );
        let table = Table::from_text(&text).unwrap().0;
        let local = |c: &Candidate| c.serves(Stage::Tts) && c.provider.kind == Kind::Local;
        let local = table.candidates().iter().position(local).unwrap();
        let planner = Planner::new(table, BTreeMap::new(), Clock::system(), Arc::new(|_, _| ()));
        let (stages, nothing) = ([Stage::Stt, Stage::Tts], CallFacts::default());
        assert!(planner.has_room(&stages, Lang::Hi, &nothing));
        for _ in 0..20 {
            planner.ledger.waited(local, Duration::from_secs(3));
        }
        assert_eq!(planner.has_room(&stages, Lang::Hi, &nothing), room, "{residency}");
        assert!(planner.has_room(&[Stage::Stt], Lang::Hi, &nothing), "recognition is not behind");
        // Live calls still wait for the box's own engine if nobody else may be asked.
        let first = planner.consider(Stage::Tts, Lang::Hi, &nothing).attempts[0];
        assert_eq!(first.index() == local, !room, "{residency}");
    }
}

#[tokio::test]
async fn the_callers_dialect_reaches_recogniser_and_model() {
    let (a, b) = (scripted("a", &["w", "w.", "w."]), scripted("b", &[]));
    let bench = bench(&a, &b, false);
    let call = CallId::new();
    let concerns = Concerns { district: "Kozhikode".to_owned(), ..Concerns::default() };
    bench.router.planner().know(call, CallFacts::of(&concerns));
    let request = SttRequest {
        call: Some(call),
        audio: vec![0; 320].into(),
        hint: LanguageHint::Fixed(Lang::Ml),
        words: None,
        speculative: false,
    };
    bench.router.transcribe(request).await.unwrap();
    assert_eq!(a.words.lock().unwrap().as_slice(), [Some(Dialect::Malabar.words())]);
    let brief = Message::new(Role::System, "You are Asha.");
    for (language, told) in [(Lang::Ml, true), (Lang::Hi, false)] {
        let request = LlmRequest {
            call: Some(call),
            language: Some(language),
            messages: vec![brief.clone()],
            ..llm_request(false, None)
        };
        written(&bench.router, request).await;
        let asked = a.asked.lock().unwrap();
        assert_eq!(asked.last().unwrap().messages[0].content.contains("Malabar"), told, "{language}");
    }
}

#[tokio::test]
async fn a_shaped_answer_comes_whole_from_one_model() {
    let (a, b) = (scripted("a", &["{xU"]), scripted("b", &["{yz}."]));
    let bench = bench(&a, &b, false);
    assert_eq!(written(&bench.router, llm_request(false, Some("root ::= x"))).await, "{yz} done(b)");
}

#[tokio::test]
async fn the_boxs_own_engines_get_a_second_try_and_a_guess_does_not_wait() {
    let cases: [(&[&str], bool, &str); 4] = [
        (&["U", "w."], false, "w done(a)"),
        (&["-", "w."], false, "w done(a)"),
        (&["R"], false, " fault(a Refused)"),
        (&["O"], true, " fault(a Overloaded)"),
    ];
    for (scripts, speculative, expected) in cases {
        let a = scripted("a", scripts);
        let bench = bench(&a, &a, true);
        assert_eq!(written(&bench.router, llm_request(speculative, None)).await, expected, "{scripts:?}");
        assert_eq!(a.left(), 0, "{scripts:?}");
    }
    // However often they fail, the box's own engines are asked again.
    let a = scripted("a", &["U"; 40]);
    let bench = bench(&a, &a, true);
    for _ in 0..20 {
        written(&bench.router, llm_request(false, None)).await;
    }
    assert_eq!(a.left(), 0);
}

#[tokio::test]
async fn recognition_goes_to_the_next_and_an_engine_that_keeps_failing_is_left_alone() {
    let request = || SttRequest {
        call: None,
        audio: vec![0; 320].into(),
        hint: LanguageHint::Fixed(Lang::Hi),
        words: None,
        speculative: false,
    };
    let (a, b) = (scripted("a", &["U", "-", "B"]), scripted("b", &["w"; 5]));
    let bench = bench(&a, &b, false);
    for turn in 0..5 {
        let text = bench.router.transcribe(request()).await.unwrap();
        assert_eq!(text.text, "b", "turn {turn}");
        if turn < 2 {
            // Its host answers, so it is not the line.
            (0..7).for_each(|place| bench.router.planner().reachable(place));
        }
    }
    assert_eq!((a.left(), b.left()), (0, 0), "after three failures the first one is not asked any more");
    let told = bench.told.lock().unwrap();
    assert!(told[4].passed_over.iter().any(|p| p.candidate == "a/m" && p.reason.contains("rests")), "{:?}", told[4]);
}

#[tokio::test]
async fn a_clause_whose_sound_breaks_is_spoken_on_from_about_the_same_place() {
    let request = TtsRequest { call: None, text: "x".into(), language: Lang::Hi, voice: None, pace: 1.0, rate: 8_000 };
    let (a, b) = (scripted("a", &["5U"]), scripted("b", &["9."]));
    let bench = bench(&a, &b, false);
    let mut pcm = Vec::new();
    let mut stream = bench.router.speak(request);
    while let Some(event) = stream.next().await {
        if let TtsEvent::Audio(more) = event.unwrap() {
            pcm.extend(more);
        }
    }
    assert_eq!(pcm.iter().filter(|s| **s == 5).count(), 4_000);
    assert_eq!(pcm.iter().filter(|s| **s == 9).count(), 7_200 - (4_000 - 1_600), "0.2 s are heard twice");
}

fn speech() -> TtsRequest {
    TtsRequest { call: None, text: "x".into(), language: Lang::Hi, voice: None, pace: 1.0, rate: 8_000 }
}

async fn spoken(router: &Router) -> Vec<i16> {
    let mut pcm = Vec::new();
    let mut stream = router.speak(speech());
    while let Some(event) = stream.next().await {
        if let TtsEvent::Audio(more) = event.unwrap() {
            pcm.extend(more);
        }
    }
    pcm
}

#[tokio::test(start_paused = true)]
async fn who_drips_is_left_for_another_although_no_pause_is_long() {
    let (a, b) = (scripted("a", &["1~~~~~~~~~~~~~~~~~~~~."]), scripted("b", &["9."]));
    let bench = bench(&a, &b, false);
    assert!(spoken(&bench.router).await.contains(&9));
    let told = bench.told.lock().unwrap();
    assert_eq!(told[0].tried[1].outcome, "stalled");
}

#[tokio::test(start_paused = true)]
async fn who_breaks_off_every_time_is_left_alone_in_the_end() {
    let (a, b) = (scripted("a", &["5U"; 3]), scripted("b", &["9."; 4]));
    let bench = bench(&a, &b, false);
    for turn in 0..4 {
        spoken(&bench.router).await;
        if turn < 2 {
            // Its host answers, so it is not the line.
            (0..7).for_each(|place| bench.router.planner().reachable(place));
        }
    }
    assert_eq!((a.left(), b.left()), (0, 0), "its beginnings are no successes");
}

#[tokio::test(start_paused = true)]
async fn a_guess_goes_to_another_when_an_engine_is_busy() {
    let (a, b) = (scripted("a", &["O"]), scripted("b", &["x."]));
    let bench = bench(&a, &b, false);
    assert_eq!(written(&bench.router, llm_request(true, None)).await, "x done(b)");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_given_up_is_told_with_everybody() {
    let (a, b) = (scripted("a", &["wwwwwwwww-", "~."]), scripted("b", &[]));
    let bench = bench(&a, &b, false);
    let mut stream = bench.router.generate(llm_request(false, None));
    stream.next().await.unwrap().unwrap();
    drop(stream);
    let mut speech = bench.router.speak(speech());
    assert!(speech.next().now_or_never().is_none());
    drop(speech);
    drop(bench.router.generate(llm_request(false, None)));
    let told = bench.told.lock().unwrap();
    assert_eq!(told.len(), 2, "nobody ever waited for the third");
    assert_eq!((&*told[1].tried[0].candidate, &*told[1].tried[0].outcome), ("a/m", "given_up"));
    for record in told.iter() {
        let tried = record.tried.iter().map(|t| &t.candidate);
        let names: Vec<_> = tried.chain(record.passed_over.iter().map(|p| &p.candidate)).collect();
        assert_eq!(names.len(), bench.router.planner().table().candidates().len(), "{record:?}");
    }
    let of_b = told[0].passed_over.iter().find(|p| p.candidate == "b/m").unwrap();
    assert_eq!(of_b.reason, "not needed: another answered");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_verdict_of_offline_loses_no_request() {
    let (a, b) = (scripted("a", &["U", "w."]), scripted("b", &["U"]));
    let bench = bench(&a, &b, false);
    assert!(written(&bench.router, llm_request(false, None)).await.contains("fault"));
    assert!(bench.router.planner().is_offline());
    assert_eq!(written(&bench.router, llm_request(false, None)).await, "w done(a)");
    assert!(!bench.router.planner().is_offline());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_an_error_shows_that_the_world_is_there() {
    struct Sick;
    impl Stt for Sick {
        fn id(&self) -> &'static str {
            "sick"
        }
        fn transcribe(&self, _: SttRequest) -> BoxFuture<'static, Result<SttText, Fault>> {
            async { Err(Fault::new(FaultKind::Unavailable, "sick", "HTTP 500").after_an_answer()) }.boxed()
        }
    }
    let (a, b) = (scripted("a", &[]), scripted("b", &[]));
    let planner = Arc::clone(bench(&a, &b, false).router.planner());
    let sick = Member { stt: Some(Arc::new(Sick)), ..Member::default() };
    let members = vec![sick; planner.table().candidates().len()];
    let router = Router::new(Arc::clone(&planner), members);
    let hint = LanguageHint::Fixed(Lang::Hi);
    let request = SttRequest { call: None, audio: vec![0; 320].into(), hint, words: None, speculative: false };
    assert!(router.transcribe(request).await.is_err());
    assert!(!planner.is_offline());
}

/// A provider with the patience of a second, and the box's own engines behind it.
fn beside(cloud: &Arc<Waiting>) -> (Router, Arc<Mutex<Vec<Routed>>>) {
    let text = "residency: {default: any}\norder: cloud_first\nproviders:\n  a:\n    kind: openai\n    \
                base_url: http://127.0.0.1:9/\n    residency: abroad\n    deadlines_ms: {patience: 1000}\n    \
                models:\n      m: {capabilities: [stt]}\n";
    let table = Table::from_text(text).unwrap_or_else(|error| panic!("{error}")).0;
    let told: Arc<Mutex<Vec<Routed>>> = Arc::default();
    let keeper = Arc::clone(&told);
    let local = Arc::new(Waiting { name: "box", until_asked: None, ..Waiting::clone(cloud) });
    let who = |c: &super::Candidate| if &*c.provider.name == "a" { Arc::clone(cloud) } else { Arc::clone(&local) };
    let members = table.candidates().iter().map(|c| Member { stt: Some(who(c)), ..Member::default() }).collect();
    let book = Arc::new(move |_, routed| keeper.lock().unwrap().push(routed));
    (Router::new(Arc::new(Planner::new(table, BTreeMap::new(), Clock::system(), book)), members), told)
}

/// Answers as soon as it is asked, or as the other one has been asked, or never.
#[derive(Clone)]
struct Waiting {
    name: &'static str,
    until_asked: Option<bool>,
    asked: Arc<tokio::sync::Semaphore>,
}

impl Stt for Waiting {
    fn id(&self) -> &str {
        self.name
    }

    fn transcribe(&self, _: SttRequest) -> BoxFuture<'static, Result<SttText, Fault>> {
        let Self { name, until_asked, asked } = self.clone();
        async move {
            match until_asked {
                None => asked.add_permits(1),
                Some(true) => asked.acquire().await.unwrap().forget(),
                Some(false) => std::future::pending().await,
            }
            Ok(SttText {
                text: name.to_owned(),
                language: Lang::Hi,
                language_confidence: 1.0,
                confidence: 1.0,
                audio: Duration::ZERO,
                took: Duration::ZERO,
                provider: name.to_owned(),
            })
        }
        .boxed()
    }
}

#[tokio::test]
async fn the_boxs_own_engine_begins_beside_a_silent_provider_and_is_heard_only_when_patience_ends() {
    // whether the provider comes in time, who is heard, what is told
    let cases = [
        (true, "cloud", vec!["a/m answered", "local/whisper overtaken"]),
        (false, "box", vec!["local/whisper answered", "a/m overtaken"]),
    ];
    for (in_time, heard, expected) in cases {
        let asked = Arc::new(tokio::sync::Semaphore::new(0));
        let (router, told) = beside(&Arc::new(Waiting { name: "cloud", until_asked: Some(in_time), asked }));
        let hint = LanguageHint::Fixed(Lang::Hi);
        let request = SttRequest { call: None, audio: vec![0; 320].into(), hint, words: None, speculative: true };
        assert_eq!(router.transcribe(request.clone()).await.unwrap().text, heard);
        let tried = |turn: usize| -> Vec<_> {
            told.lock().unwrap()[turn].tried.iter().map(|t| format!("{} {}", t.candidate, t.outcome)).collect()
        };
        assert_eq!(tried(0), expected);
        if !in_time {
            // Nobody has heard of it since: it is not asked while the box can answer.
            assert_eq!(router.transcribe(request).await.unwrap().text, "box");
            assert_eq!(tried(1), ["local/whisper answered"]);
            assert!(!router.planner().to_probe().is_empty());
        }
    }
}
