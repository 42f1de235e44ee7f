//! One rehearsed call: the carrier's side of the line, the caller's voice and ears.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::StreamExt;
use serde_json::Value;

use super::judge::{self, Evidence};
use super::report::TurnReport;
use super::scenario::{Scenario, Turn};
use crate::ai::engines::{Voices, Whisper};
use crate::ai::stt::{LanguageHint, Stt, SttRequest};
use crate::ai::tts::{Tts, TtsEvent, TtsRequest};
use crate::base::audio::{LINE_RATE, STT_RATE, rms};
use crate::base::event::{Event, Record, Waterfall};
use crate::base::secret::Secret;
use crate::base::tasks::Scope;
use crate::base::{Clock, Lang, Moment};
use crate::cli::carrier::{Browsers, Exchanges, Transport};
use crate::dialogue::speak;
use crate::media::noise::{Colour, Noise, level_dbfs};
use crate::media::resample;
use crate::telephony::exotel::carrier as exotel;
use crate::telephony::far::{FarCall, Heard};
use crate::telephony::public_url::PublicUrl;

/// Nobody waits longer for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(25);
/// What the box knows of a call whose line is over is told by then.
const TOLD_WITHIN: Duration = Duration::from_secs(2);
/// A person's pause before the next sentence.
const BREATH: Duration = Duration::from_millis(400);
/// Louder than this is sound.
const AUDIBLE: f32 = 150.0;

/// Frames after a clear in which nothing new can have been said: a cut sentence goes on later at the earliest.
const HUSH: usize = 8;

/// The box under rehearsal.
pub(super) struct Target {
    pub url: PublicUrl,
    pub public_url: PublicUrl,
    pub auth_token: Secret,
    /// A call as Exotel makes it, where that can be told.
    pub exotel: Option<exotel::DialOptions>,
    pub api_token: Secret,
    pub exchanges: Exchanges,
    /// How browsers reach it, where that is wanted.
    pub browsers: Option<Browsers>,
    /// Where it takes handsets.
    pub handsets: PathBuf,
}

pub(super) struct Caller<'a> {
    pub target: &'a Target,
    pub voices: Voices,
    pub ear: Whisper,
    pub variant: &'a str,
    pub snr: Option<f32>,
    /// Percent.
    pub loss: Option<f32>,
    /// Milliseconds.
    pub jitter: Option<u64>,
    pub transport: Transport,
    pub http: reqwest::Client,
    pub tasks: Scope,
    pub clock: Clock,
}

/// What the caller's earpiece played, with the time of each frame.
#[derive(Default)]
struct Tape {
    frames: Vec<(Moment, Vec<i16>)>,
    /// Which of the frames hold something audible that the box sent.
    from_box: Vec<bool>,
    /// At which frames the box had thrown away what was not played yet.
    cleared: Vec<usize>,
    ended: bool,
}

struct Line<'a> {
    caller: &'a Caller<'a>,
    sid: String,
    tape: Arc<Mutex<Tape>>,
    /// Facts of the call already looked at.
    seen: usize,
}

/// What came of one turn, as the box's own facts tell it.
#[derive(Default)]
struct Answer {
    heard: Vec<String>,
    said: Vec<String>,
    said_language: Option<Lang>,
    intent: Option<String>,
    way: Option<String>,
    waterfall: Option<Waterfall>,
    /// From the caller's first sound to the last of the agent's, when it was broken off.
    stopped_after_ms: Option<u32>,
    went_on: bool,
    ended: bool,
    repaired: bool,
}

impl Caller<'_> {
    /// A box that has just started may still be loading its models.
    pub(super) async fn wait_until_ready(&self) -> anyhow::Result<()> {
        let url = self.target.url.webhook("/health");
        for _ in 0..300 {
            if let Ok(answer) = self.http.get(&url).send().await
                && let Ok(health) = answer.json::<Value>().await
                && health["status"] == "ok"
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        bail!("the box at {} does not get healthy; see its /health", self.target.url)
    }

    /// Plays one scenario; the turns that were reached.
    pub(super) async fn play(&self, scenario: &Scenario) -> anyhow::Result<Vec<TurnReport>> {
        let call = self.dial(scenario).await?;
        let sid = call.carrier_call().to_owned();
        let voice = call.caller();
        let tape = Arc::new(Mutex::new(Tape::default()));
        self.tasks.spawn("earpiece", record(call, Arc::clone(&tape)));
        let mut line = Line { caller: self, sid, tape, seen: 0 };
        line.greeting().await?;
        let mut reports = Vec::new();
        let mut language = scenario.language;
        for (number, turn) in scenario.turns.iter().enumerate() {
            language = turn.language.unwrap_or(language);
            let pcm = self.speech(scenario, &turn.says).await?;
            let interjection = match &turn.interjects {
                Some(text) => Some(self.speech(scenario, text).await?),
                None => None,
            };
            tokio::time::sleep(BREATH).await;
            let mut spoke_from = line.position();
            // The last sound of the utterance has left when this returns.
            let Ok(mut spoke_until) = voice.say(pcm).await else {
                reports.push(TurnReport::lost(scenario, number, turn, "the box had hung up"));
                break;
            };
            if let Some(pcm) = interjection {
                line.agent_speaks(spoke_from, spoke_until).await?;
                tokio::time::sleep(Duration::from_millis(turn.interjects_after_ms)).await;
                let from = line.position();
                let Ok(until) = voice.say(pcm).await else {
                    reports.push(TurnReport::lost(scenario, number, turn, "the box had hung up"));
                    break;
                };
                if !turn.agent_goes_on {
                    (spoke_from, spoke_until) = (from, until);
                }
            }
            let answer = line.answer(turn).await?;
            reports.push(self.report(scenario, number, turn, language, &line, answer, spoke_from, spoke_until).await?);
            if reports.last().is_some_and(|r| r.ended) {
                break;
            }
        }
        // The box may have hung up already.
        let _ = voice.hang_up().await;
        Ok(reports)
    }

    /// The caller's sentence as sound, 8 kHz.
    async fn speech(&self, scenario: &Scenario, text: &str) -> anyhow::Result<Vec<i16>> {
        let language = scenario.language;
        let mut stream = self.voices.speak(TtsRequest {
            call: None,
            text: speak::spoken(language, text),
            language,
            voice: Some(format!("espeak:{}+{}?rate=150", language.iso(), self.variant)),
            pace: 1.0,
            rate: LINE_RATE,
        });
        let mut pcm = Vec::new();
        while let Some(event) = stream.next().await {
            if let TtsEvent::Audio(more) = event.context("the caller's voice failed")? {
                pcm.extend(more);
            }
        }
        // The voice's own trailing silence would count as the box's waiting time.
        while pcm.last().is_some_and(|s| s.unsigned_abs() < 60) {
            pcm.pop();
        }
        if let Some(snr) = self.snr.or(scenario.snr) {
            let noise = Noise::new(Colour::Pink, 7).take(pcm.len(), level_dbfs(&pcm) - snr);
            for (sample, noise) in pcm.iter_mut().zip(noise) {
                *sample = sample.saturating_add(noise);
            }
        }
        Ok(pcm)
    }

    /// What the box's sound says, to ears that know it is one of these languages.
    async fn listen(&self, pcm: &[i16]) -> anyhow::Result<(String, Lang)> {
        let wide = resample::convert(pcm, LINE_RATE, STT_RATE);
        let (mut text, mut language, mut longest) = (String::new(), Lang::En, 0);
        for part in parts(&wide) {
            let request = SttRequest {
                call: None,
                audio: Arc::from(part),
                hint: LanguageHint::Open { among: Lang::ALL.to_vec() },
                words: None,
                speculative: false,
            };
            let heard = self.ear.transcribe(request).await?;
            if part.len() > longest && !heard.text.is_empty() {
                (language, longest) = (heard.language, part.len());
            }
            text = format!("{text} {}", heard.text);
        }
        Ok((text.trim().to_owned(), language))
    }

    #[expect(clippy::too_many_arguments, reason = "the evidence of one turn")]
    async fn report(
        &self,
        scenario: &Scenario,
        number: usize,
        turn: &Turn,
        language: Lang,
        line: &Line<'_>,
        answer: Answer,
        spoke_from: usize,
        spoke_until: Moment,
    ) -> anyhow::Result<TurnReport> {
        let (sound, first_sound) = line.sound_since(spoke_from, spoke_until);
        let agent_said = answer.said.join(" ");
        let (agent_heard_back, sounds) = if agent_said.is_empty() || sound.is_empty() {
            (String::new(), language)
        } else {
            self.listen(&sound).await?
        };
        let evidence = Evidence {
            says: asked(turn).to_owned(),
            heard: answer.heard.join(" "),
            agent_said: agent_said.clone(),
            agent_heard_back: agent_heard_back.clone(),
            heard_back_language: (!agent_heard_back.is_empty()).then_some(sounds),
            said_language: answer.said_language,
            intent: answer.intent.clone(),
            way: answer.way.clone(),
            resumed: answer.went_on,
            answered: !answer.said.is_empty() && !answer.repaired,
        };
        let mut faults = judge::faults(&evidence, language, turn);
        if turn.interjects.is_some() && answer.stopped_after_ms.is_none() {
            faults.push("the agent did not stop speaking".to_owned());
        }
        if turn.ends && !answer.ended {
            faults.push("the box did not hang up".to_owned());
        }
        Ok(TurnReport {
            scenario: scenario.name.clone(),
            language,
            turn: number + 1,
            caller_said: asked(turn).to_owned(),
            heard: evidence.heard,
            agent_said,
            agent_heard_back,
            agent_language: answer.said_language,
            intent: answer.intent,
            way: answer.way,
            voice_to_voice_ms: first_sound.map(|at| at.since(spoke_until).as_millis() as u64),
            waterfall: answer.waterfall,
            stopped_after_ms: answer.stopped_after_ms,
            silent_after_ms: answer
                .stopped_after_ms
                .filter(|_| !turn.agent_goes_on)
                .and_then(|_| line.silent_after(spoke_from)),
            frames_after_clear: answer
                .stopped_after_ms
                .filter(|_| !turn.agent_goes_on)
                .and_then(|_| line.frames_after_clear(spoke_from)),
            passed: faults.is_empty(),
            faults,
            ended: answer.ended,
        })
    }
}

impl Line<'_> {
    fn tape(&self) -> std::sync::MutexGuard<'_, Tape> {
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn position(&self) -> usize {
        self.tape().frames.len()
    }

    /// What was audible after `until`, and when it began.
    fn sound_since(&self, from: usize, until: Moment) -> (Vec<i16>, Option<Moment>) {
        let tape = self.tape();
        let after: Vec<_> = tape.frames[from.min(tape.frames.len())..].iter().filter(|(at, _)| *at >= until).collect();
        let first = after.iter().position(|(_, pcm)| rms(pcm) > AUDIBLE);
        let sound = after.iter().flat_map(|(_, pcm)| pcm.iter().copied()).collect();
        (sound, first.map(|i| after[i].0))
    }

    /// How long after frame `from` the agent was to be heard, milliseconds, before a silence that is no
    /// pause between words.
    fn silent_after(&self, from: usize) -> Option<u64> {
        const SILENCE: usize = 15;
        let tape = self.tape();
        let frames = tape.frames.get(from..)?;
        let loud: Vec<bool> = frames.iter().map(|(_, pcm)| rms(pcm) > AUDIBLE).collect();
        let quiet = loud.windows(SILENCE).position(|frames| !frames.contains(&true))?;
        Some(frames[quiet].0.since(frames.first()?.0).as_millis() as u64)
    }

    /// Audible frames of the box that were played within [`HUSH`] after it first threw the rest away: too soon
    /// for anything new. `None`: this transport's caller does not see that, or it did not happen.
    fn frames_after_clear(&self, from: usize) -> Option<usize> {
        let tape = self.tape();
        let after = |at: &usize| {
            let until = (at + HUSH).min(tape.from_box.len());
            tape.from_box[*at..until].iter().filter(|from_box| **from_box).count()
        };
        tape.cleared.iter().find(|at| **at >= from).map(after)
    }

    /// New facts of the call.
    async fn facts(&mut self) -> anyhow::Result<Vec<Record>> {
        let url = self.caller.target.url.webhook(&format!("/sessions/{}", self.sid));
        let request = self.caller.http.get(&url).bearer_auth(self.caller.target.api_token.expose());
        let answer = request.send().await.context("the box does not answer")?;
        // Some exchanges name a call with its first sound only: a moment later it is known.
        if self.seen == 0 && answer.status() == reqwest::StatusCode::NOT_FOUND {
            return Ok(Vec::new());
        }
        if !answer.status().is_success() {
            bail!("the box answered {} to /sessions; is the API token the box's?", answer.status());
        }
        let view: Value = answer.json().await?;
        let events: Vec<Record> = serde_json::from_value(view["events"].clone())?;
        let new = events.into_iter().skip(self.seen).collect::<Vec<_>>();
        self.seen += new.len();
        Ok(new)
    }

    /// Listens to the greeting to its end.
    async fn greeting(&mut self) -> anyhow::Result<()> {
        let until = self.caller.clock.now() + ANSWER_WITHIN;
        while self.caller.clock.now() < until {
            if self.facts().await?.iter().any(|r| matches!(r.event, Event::Said { .. })) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        bail!("the box did not greet")
    }

    /// Waits until the agent's answer can be heard.
    async fn agent_speaks(&self, from: usize, since: Moment) -> anyhow::Result<()> {
        let until = self.caller.clock.now() + ANSWER_WITHIN;
        while self.caller.clock.now() < until && !self.tape().ended {
            if self.sound_since(from, since).1.is_some() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("there was no answer to interrupt")
    }

    /// Waits for the answer to what was just said.
    async fn answer(&mut self, turn: &Turn) -> anyhow::Result<Answer> {
        let until = self.caller.clock.now() + ANSWER_WITHIN;
        let mut answer = Answer::default();
        let mut over_since = None;
        let barges_in = turn.interjects.is_some() && !turn.agent_goes_on;
        while self.caller.clock.now() < until {
            for record in self.facts().await? {
                match record.event {
                    Event::Heard { text, .. } => {
                        if barges_in {
                            // What came before belongs to the answer that was broken off.
                            answer = Answer { stopped_after_ms: answer.stopped_after_ms, ..Answer::default() };
                        }
                        answer.heard.push(text);
                    }
                    Event::Said { text, language, cut: false, .. } => {
                        answer.said.push(text);
                        answer.said_language = Some(language);
                    }
                    Event::TurnAnswered { intent, way, waterfall, .. } => {
                        answer.intent = intent;
                        answer.way = serde_json::to_value(way)?.as_str().map(str::to_owned);
                        answer.waterfall = Some(waterfall);
                    }
                    Event::BargeIn { stopped_after_ms, .. } => answer.stopped_after_ms = Some(stopped_after_ms),
                    Event::FalseBargeIn { .. } => answer.went_on = true,
                    Event::Repair { .. } => answer.repaired = true,
                    Event::CallEnded { .. } => answer.ended = true,
                    _ => {}
                }
            }
            let whole = !answer.heard.is_empty() && (!barges_in || answer.stopped_after_ms.is_some());
            let answered = whole && answer.waterfall.is_some() && (!turn.ends || answer.ended);
            let repaired = answer.repaired && !answer.said.is_empty();
            // The line may be over before the end of the call is on the disk and told.
            let now = self.caller.clock.now();
            let over = self.tape().ended && now.since(*over_since.get_or_insert(now)) >= TOLD_WITHIN;
            if answered || repaired || answer.ended || over {
                // The last frames are still on their way to the earpiece.
                tokio::time::sleep(Duration::from_millis(150)).await;
                break;
            }
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        Ok(answer)
    }
}

/// What the expected answer is to.
fn asked(turn: &Turn) -> &str {
    turn.interjects.as_deref().filter(|_| !turn.agent_goes_on).unwrap_or(&turn.says)
}

async fn record(mut call: FarCall, tape: Arc<Mutex<Tape>>) {
    while let Some(heard) = call.hear().await {
        let mut tape = tape.lock().unwrap_or_else(PoisonError::into_inner);
        match heard {
            Heard::Frame(played) => {
                tape.from_box.push(played.from_box > 0 && rms(&played.pcm) > AUDIBLE);
                tape.frames.push((played.at, played.pcm));
            }
            Heard::Cleared { .. } => {
                let at = tape.frames.len();
                tape.cleared.push(at);
            }
            Heard::Ended(_) => {
                tape.ended = true;
                return;
            }
        }
    }
    tape.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
}

/// Cuts a recording at its pauses into parts a recogniser likes: no long silence inside, none
/// longer than 12 s.
fn parts(wide: &[i16]) -> Vec<&[i16]> {
    const STEP: usize = STT_RATE as usize / 50;
    let loud: Vec<bool> = wide.chunks(STEP).map(|frame| rms(frame) > AUDIBLE).collect();
    let mut found = Vec::new();
    let mut start: Option<usize> = None;
    let mut quiet = 0;
    for (at, loud) in loud.iter().enumerate() {
        match (loud, start) {
            (true, None) => {
                start = Some(at.saturating_sub(8));
                quiet = 0;
            }
            (true, Some(from)) => {
                quiet = 0;
                if at - from > 600 {
                    found.push((from, at));
                    start = Some(at);
                }
            }
            (false, Some(from)) => {
                quiet += 1;
                if quiet > 30 {
                    found.push((from, at - 20));
                    start = None;
                }
            }
            (false, None) => {}
        }
    }
    found.extend(start.map(|from| (from, loud.len())));
    found.into_iter().map(|(from, to)| &wide[from * STEP..(to * STEP).min(wide.len())]).collect()
}
