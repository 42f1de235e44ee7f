//! Calls that lose the network in mid-sentence and get it back: what the caller hears of it.
//!
//! Dead air is what a person on the telephone would call so, and it is counted to the caller's
//! disadvantage: the silence from the last sound of the caller to the first of the agent, with the
//! pause that every turn needs to be taken for ended, and the longest silence between the first and
//! the last sound of a reply, with the pauses that every voice makes. A spoken filler is sound.
//!
//! A few short outages run with the other tests; `scripts/outage` runs every stage, way of loss and
//! heir with a minute of it, and prints what was measured.

mod ear;
mod way;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until};
use vaani::base::event::Event;
use vaani::base::tasks::Scope;
use vaani::base::{Lang, Moment};
use vaani::telephony::far::Caller;

use self::ear::{Ear, Silence};
use self::way::{State, Way};
use crate::fake::{Fake, KEY};
use crate::journey::configured;
use crate::support::{Daemon, question, until};

/// The longest silence a caller may hear.
const DEAD_AIR_MAX: Duration = Duration::from_millis(1_200);
/// Between two probes.
const INTERVAL: Duration = Duration::from_secs(1);
const HEARD: &str = "सच बताइए आप आदमी हैं या रोबोट";
/// What the language models of the cloud answer, each time with another number in every sentence: what
/// was said before is not synthesised again.
const TOLD: [&str; 4] = [
    "जी, मैं सहायक # हूँ।",
    "आपकी मदद # करूँगी।",
    "आप # बजे अपने लोन के बारे में मुझसे सब कुछ पूछ सकते हैं।",
    "बताइए, आप अभी # बातों में से क्या जानना चाहते हैं?",
];
const NUMBERS: [&str; 20] = [
    "एक",
    "दो",
    "तीन",
    "चार",
    "पाँच",
    "छह",
    "सात",
    "आठ",
    "नौ",
    "दस",
    "ग्यारह",
    "बारह",
    "तेरह",
    "चौदह",
    "पंद्रह",
    "सोलह",
    "सत्रह",
    "अठारह",
    "उन्नीस",
    "बीस",
];
/// A person's pause before the next question.
const PAUSE: Duration = Duration::from_millis(400);
const STAGES: [&str; 3] = ["stt", "llm", "tts"];

/// In the middle of what the network is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Amid {
    Recognition,
    /// While the first sentence is spoken and the others are being written.
    Writing,
    /// A moment into the sound of a sentence.
    Speech,
}

/// What stands in the cloud, and who else is there.
#[derive(Clone, Copy, Debug)]
struct Setting {
    stages: &'static [&'static str],
    /// A second provider comes before the box's own engines.
    other: bool,
}

impl Setting {
    /// Who is to serve a stage while the first provider is gone.
    fn heir(self, stage: &str) -> &'static str {
        if self.other && self.stages.contains(&stage) { "other" } else { "local" }
    }

    /// Who serves a stage that is not in the cloud.
    fn at_home(self, stage: &str) -> &'static str {
        if stage == "llm" && self.stages == ["tts"] { "rack" } else { "local" }
    }

    fn name(self) -> String {
        let stages = if self.stages.len() == 3 { "all".to_owned() } else { self.stages.join("+") };
        format!("{stages:<4} cloud to {:<5}", if self.other { "cloud" } else { "box" })
    }

    fn routing(self, first: &Way, other: &Way) -> String {
        let models = self.stages.iter().map(|stage| match *stage {
            "tts" => "      v: {capabilities: [tts], voices: {hi-IN: sage}}\n".to_owned(),
            stage => format!("      {stage}-model: {{capabilities: [{stage}]}}\n"),
        });
        let models: String = models.collect();
        // A voice that has something new to say every time: written by a server in the same rack.
        let rack = if self.stages == ["tts"] {
            format!(
                "  rack:\n    kind: openai\n    base_url: http://{}/openai/v1\n    residency: on_box\n    \
                 secret: FARAWAY_KEY\n    auth: {{style: bearer}}\n    models:\n      big: {{capabilities: [llm]}}\n",
                other.address
            )
        } else {
            String::new()
        };
        let provider = |name: &str, way: &Way| {
            format!(
                "  {name}:\n    kind: openai\n    base_url: http://{}/openai/v1\n    residency: abroad\n    \
                 secret: FARAWAY_KEY\n    auth: {{style: bearer}}\n    models:\n{models}",
                way.address
            )
        };
        let first = provider("first", first);
        let other = if self.other { provider("other", other) } else { String::new() };
        let order = if self.other { "first, other" } else { "first" };
        let order = if rack.is_empty() { format!("[{order}, local]") } else { format!("[{order}, rack, local]") };
        format!(
            "residency: {{default: any}}\norder: cloud_first\noffline: {{interval_seconds: {}}}\n\
             languages: {{hi: {{priority_providers: {order}}}}}\nproviders:\n{first}{other}{rack}",
            INTERVAL.as_secs()
        )
    }
}

/// What came of one turn.
#[derive(Debug)]
struct Turn {
    silence: Silence,
    said: Vec<String>,
    fillers: usize,
    /// Stage and who served it, in the order in which the requests ended.
    served: Vec<(String, String)>,
}

impl Turn {
    fn by(&self, stage: &str) -> Vec<&str> {
        self.served.iter().filter(|(s, _)| s == stage).map(|(_, by)| by.as_str()).collect()
    }
}

struct Talk {
    daemon: Daemon,
    sid: String,
    voice: Caller,
    ear: Ear,
    facts: usize,
    decisions: usize,
    first: Arc<Fake>,
    way: Arc<Way>,
    other: Fake,
    setting: Setting,
    turns: usize,
    // Dropped last.
    _rest: (Way, Scope, tempfile::TempDir, tempfile::TempDir),
}

impl Talk {
    async fn start(setting: Setting) -> Self {
        let (first, other) = (Fake::start(), Fake::start());
        for fake in [&first, &other] {
            fake.vary("/openai/v1/audio/transcriptions", &format!("later:{HEARD}"));
            fake.vary("/openai/v1/audio/speech", "paced");
        }
        let (way, to_other) = (Way::to(first.address()), Way::to(other.address()));
        let (state, config) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        configured(config.path(), &setting.routing(&way, &to_other));
        // A caller who waits for the network to come back is not to be asked whether they are there.
        let agent = config.path().join("agents/frontdesk.toml");
        let patient = std::fs::read_to_string(&agent).unwrap().replace("silence_seconds = 7", "silence_seconds = 60");
        std::fs::write(&agent, patient).unwrap();
        let daemon = Daemon::start(state.path(), config.path(), true, &[("FARAWAY_KEY", KEY)]).await;
        let mut options = daemon.call().digit('2');
        options.path = "/voice/incoming?agent=frontdesk".to_owned();
        let call = daemon.dial(options).await.unwrap();
        let (sid, voice, ear) = (call.carrier_call().to_owned(), call.caller(), Ear::default());
        let tasks = Scope::new();
        tasks.spawn("the earpiece", ear.clone().listen(call));
        let facts = daemon.fact(&sid, "a greeting", 0, |e| matches!(e, Event::Said { .. })).await.len();
        let mut talk = Self {
            daemon,
            sid,
            voice,
            ear,
            facts,
            decisions: 0,
            first: Arc::new(first),
            way: Arc::new(way),
            other,
            setting,
            turns: 0,
            _rest: (to_other, tasks, state, config),
        };
        talk.decisions = talk.records().await.len();
        talk
    }

    async fn records(&self) -> Vec<Value> {
        let answer = self.daemon.get(&format!("/api/calls/{}/decisions", self.sid)).await.unwrap();
        answer.json().await.unwrap()
    }

    /// The caller asks; `meanwhile` is given the end of the question, and what came before it is
    /// nobody's answer any more.
    async fn turn(&mut self, what: &str, mut meanwhile: impl AsyncFnMut(&Self, Moment)) -> Turn {
        self.turns += 1;
        for fake in [&*self.first, &self.other] {
            fake.vary("/openai/v1/chat/completions", &format!("tell:{}", self.told().join(" ")));
        }
        sleep(PAUSE).await;
        let spoke_until = self.voice.say(utterance()).await.unwrap();
        let mut facts = Vec::new();
        {
            let this = &*self;
            let answered = async {
                facts =
                    this.daemon.fact(&this.sid, what, this.facts, |e| matches!(e, Event::TurnAnswered { .. })).await;
            };
            tokio::join!(answered, meanwhile(this, spoke_until));
        }
        // The last frames are still on their way to the earpiece.
        sleep(Duration::from_millis(300)).await;
        let new = facts.split_off(self.facts);
        self.facts += new.len();
        let records = self.records().await;
        let served = records[self.decisions..].iter().filter_map(|r| {
            assert_eq!(r["language"], "hi-IN", "{r}");
            let by = r["answered_by"].as_str()?.split('/').next()?;
            Some((r["stage"].as_str()?.to_owned(), by.to_owned()))
        });
        let served = served.collect();
        self.decisions = records.len();
        let (mut said, mut fillers) = (Vec::new(), 0);
        for event in &new {
            match event {
                Event::Said { text, heard, cut, language, .. } => {
                    assert!(!cut && heard == text, "{what}: not all of it was heard: {new:#?}");
                    assert_eq!(*language, Lang::Hi, "{what}: {text}");
                    assert!(!text.chars().any(|c| c.is_ascii_alphabetic()), "{what}: another language: {text}");
                    said.push(text.clone());
                }
                Event::Filler { .. } => fillers += 1,
                Event::Repair { .. } | Event::EngineFault { .. } => panic!("{what}: {new:#?}"),
                _ => {}
            }
        }
        // What is said before the answer is not part of it.
        let said = said.split_off(fillers.min(said.len()));
        let silence = self.ear.silence(spoke_until).unwrap_or_else(|| panic!("{what}: nothing was said: {new:#?}"));
        Turn { silence, said, fillers, served }
    }

    /// What the models of the cloud tell in this turn.
    fn told(&self) -> Vec<String> {
        TOLD.iter().map(|sentence| sentence.replace('#', NUMBERS[self.turns % NUMBERS.len()])).collect()
    }

    /// Waits until the time has come, and cuts the way.
    async fn lose(&self, spoke_until: Moment, amid: Amid, form: State) {
        match amid {
            Amid::Recognition if self.setting.stages.contains(&"stt") => {
                until("the turn is being recognised", async || {
                    self.first.seen().iter().any(|s| s.path.ends_with("/transcriptions")).then_some(())
                })
                .await;
            }
            Amid::Recognition => sleep(Duration::from_millis(250)).await,
            Amid::Writing | Amid::Speech => {
                until("the agent speaks", async || self.ear.first_sound(spoke_until)).await;
                let facts = async || self.daemon.facts(&self.sid).await.split_off(self.facts);
                if facts().await.iter().any(|e| matches!(e, Event::Filler { .. })) {
                    until("the filler was said and the answer begins", async || {
                        facts().await.iter().any(|e| matches!(e, Event::Said { .. })).then_some(())
                    })
                    .await;
                    let said = self.ear.now();
                    until("the answer begins", async || self.ear.first_sound(said)).await;
                }
                if amid == Amid::Speech {
                    sleep(Duration::from_millis(300)).await;
                }
            }
        }
        self.way.is(form);
    }

    async fn end(self) {
        self.voice.hang_up().await.unwrap();
        self.daemon.ended(&self.sid).await;
        self.daemon.stop().await;
    }
}

/// The question without the silence at its end, which would count as the box's.
fn utterance() -> Vec<i16> {
    let mut pcm = question();
    while pcm.last().is_some_and(|sample| sample.unsigned_abs() < 60) {
        pcm.pop();
    }
    pcm
}

/// Sentences that were told and are missing, and those that were said twice.
fn lost_and_doubled(said: &str, expected: &[String]) -> (usize, usize) {
    let lost = expected.iter().filter(|sentence| !said.contains(*sentence)).count();
    let sentences: Vec<&str> = said.split_inclusive(['।', '?', '.']).map(str::trim).filter(|s| !s.is_empty()).collect();
    let doubled = (1..sentences.len()).filter(|at| sentences[..*at].contains(&sentences[*at])).count();
    (lost, doubled)
}

/// One call with an outage for each of these.
#[expect(clippy::print_stdout, reason = "what was measured is what `scripts/outage` is for")]
async fn call(setting: Setting, outages: &[(Amid, State)], gone: Duration) {
    let mut talk = Talk::start(setting).await;
    let healthy = talk.turn("an answer from the cloud", async |_, _| {}).await;
    for stage in STAGES {
        let by = if setting.stages.contains(&stage) { "first" } else { setting.at_home(stage) };
        assert!(healthy.by(stage).iter().all(|b| *b == by), "{healthy:#?}");
    }
    let writes = setting.stages.contains(&"llm");
    assert_eq!(
        setting.at_home("llm") == "rack" || writes,
        healthy.said.join(" ") == talk.told().join(" "),
        "{healthy:#?}"
    );
    for (amid, form) in outages {
        let name = format!("{} lost amid {amid:?}, {form:?}", setting.name());
        talk.first.seen();
        let lost_at = Instant::now();
        let struck = talk.turn(&name, async |talk, said| talk.lose(said, *amid, *form).await).await;
        // All of it if a model wrote it to its end that tells this, else what was written before.
        let mut expected = talk.told();
        if writes && !setting.other {
            expected.truncate(usize::from(*amid != Amid::Recognition));
        } else if !writes && setting.at_home("llm") == "local" {
            expected.clear();
        }
        let said = struck.said.join(" ");
        let (lost, doubled) = lost_and_doubled(&said, &expected);
        let mut worst = struck.silence.longest();
        let mut in_turn = format!("the turn that lost it: {struck:#?}");
        let mut held = 0;
        while held == 0 || lost_at.elapsed() + Duration::from_secs(8) < gone {
            let turn = talk.turn(&format!("{name}: a turn without it"), async |_, _| {}).await;
            if worst < turn.silence.longest() {
                worst = turn.silence.longest();
                in_turn = format!("a turn without it: {turn:#?}");
            }
            for stage in setting.stages {
                let (by, heir) = (turn.by(stage), setting.heir(stage));
                // What the box's own model says again is not synthesised again.
                let asked = !by.is_empty() || *stage == "tts";
                assert!(asked && by.iter().all(|b| *b == heir), "{name}: {stage} by {turn:#?}");
            }
            if writes && setting.other {
                assert_eq!(turn.said.join(" "), talk.told().join(" "), "{name}");
            }
            held += 1;
            sleep_until((Instant::now() + Duration::from_secs(4)).min(lost_at + gone)).await;
        }
        sleep_until(lost_at + gone).await;
        talk.first.seen();
        // The next question ends one interval after the network is back.
        let (way, first) = (Arc::clone(&talk.way), Arc::clone(&talk.first));
        first.seen();
        let lasts = Duration::from_millis(utterance().len() as u64 / 8);
        let returning = async {
            sleep((PAUSE + lasts).saturating_sub(INTERVAL)).await;
            way.is(State::Open);
            let back = Instant::now();
            until("the cloud is asked again", async || (!first.seen().is_empty()).then_some(())).await;
            back.elapsed()
        };
        let what = format!("{name}: a turn with it again");
        let (turn, returned) = tokio::join!(talk.turn(&what, async |_, _| {}), returning);
        if worst < turn.silence.longest() {
            worst = turn.silence.longest();
            in_turn = format!("the turn with it again: {turn:#?}");
        }
        println!(
            "{} | {:<11} | {:<8} | healthy {:>4} | first sound {:>4} | longest gap {:>4} | worst of outage {:>4} | fillers {} | lost {lost} doubled {doubled} | return {:>4} | {held} turns in {} s",
            setting.name(),
            format!("{amid:?}"),
            format!("{form:?}"),
            healthy.silence.longest().as_millis(),
            struck.silence.before.as_millis(),
            struck.silence.inside.as_millis(),
            worst.as_millis(),
            struck.fillers,
            returned.as_millis(),
            gone.as_secs(),
        );
        for stage in setting.stages {
            assert_eq!(turn.by(stage).last(), Some(&"first"), "{what}: {stage} by {turn:#?}");
        }
        assert_eq!((lost, doubled), (0, 0), "{name}: {said}");
        assert!(worst <= DEAD_AIR_MAX, "{name}: {} ms of dead air in {in_turn}", worst.as_millis());
    }
    talk.end().await;
}

const fn only(stages: &'static [&'static str], other: bool) -> Setting {
    Setting { stages, other }
}

/// How long the network stays away: a minute for `scripts/outage`, less otherwise.
fn gone(usual: u64) -> Duration {
    let told = std::env::var("VAANI_OUTAGE_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(told.unwrap_or(usual))
}

#[tokio::test]
async fn a_call_that_loses_the_cloud_goes_on_with_the_boxs_own_engines() {
    call(only(&STAGES, false), &[(Amid::Writing, State::Vanished)], gone(8)).await;
}

#[tokio::test]
async fn a_call_that_loses_a_provider_goes_on_with_another() {
    call(only(&STAGES, true), &[(Amid::Speech, State::Vanished)], gone(8)).await;
}

const FORMS: [State; 2] = [State::Vanished, State::Refused];
const AMID: [Amid; 3] = [Amid::Recognition, Amid::Writing, Amid::Speech];

/// One stage alone in the cloud, lost in both forms.
async fn alone(stage: &'static [&'static str], amid: Amid, other: bool) {
    call(only(stage, other), &FORMS.map(|form| (amid, form)), gone(60)).await;
}

/// Everything in the cloud, lost amid each of its stages.
async fn together(form: State, other: bool) {
    call(only(&STAGES, other), &AMID.map(|amid| (amid, form)), gone(60)).await;
}

macro_rules! long {
    ($($name:ident: $what:expr;)*) => {$(
        #[tokio::test]
        #[ignore = "takes minutes; see scripts/outage"]
        async fn $name() {
            $what.await;
        }
    )*};
}

long! {
    long_recognition_to_the_box: alone(&["stt"], Amid::Recognition, false);
    long_recognition_to_another: alone(&["stt"], Amid::Recognition, true);
    long_writing_to_the_box: alone(&["llm"], Amid::Writing, false);
    long_writing_to_another: alone(&["llm"], Amid::Writing, true);
    long_speech_to_the_box: alone(&["tts"], Amid::Speech, false);
    long_speech_to_another: alone(&["tts"], Amid::Speech, true);
    long_all_vanished_to_the_box: together(State::Vanished, false);
    long_all_vanished_to_another: together(State::Vanished, true);
    long_all_refused_to_the_box: together(State::Refused, false);
    long_all_refused_to_another: together(State::Refused, true);
}
