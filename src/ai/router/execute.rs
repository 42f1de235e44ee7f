//! The router at work: it is itself a recogniser, a language model and a voice, and gives every
//! request to whom the decision names, until one of them has answered it whole.
//! Promise: a failure that another candidate can hide is hidden. A language model's answer that
//! breaks off is continued by the next one, without a word said twice; a clause whose sound breaks
//! off is spoken on by another voice from about the same place. Each decision is told to the book.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};

use super::account;
use super::candidates::Used;
use super::dialect::Dialect;
use super::ledger::{Booked, Outcome};
use super::overlap::Joiner;
use super::plan::{Plan, Planner};
use super::race::{Lost, Place, Race, Slot, Tried, Won, late};
use crate::ai::llm::{Llm, LlmEvent, LlmRequest, LlmStream, Message, Role};
use crate::ai::stt::{Awaited, LanguageHint, Listening, Stt, SttOpening, SttRequest, SttText};
use crate::ai::tts::{Tts, TtsEvent, TtsRequest, TtsStream};
use crate::ai::{Fault, FaultKind};
use crate::base::audio::STT_RATE;
use crate::base::event::Stage;
use crate::base::{CallId, Lang, Moment};

/// What a candidate can do. An engine that cannot do a stage is never planned for it.
#[derive(Clone, Default)]
pub struct Member {
    /// Names of voices mean something to the box's own engine only.
    pub on_box: bool,
    /// May the language model be told of the caller's dialect? Small ones only understand the prompts
    /// they were made for.
    pub takes_style: bool,
    pub stt: Option<Arc<dyn Stt>>,
    pub llm: Option<Arc<dyn Llm>>,
    pub tts: Option<Arc<dyn Tts>>,
}

/// All candidates behind the contract of one.
#[derive(Clone)]
pub struct Router {
    planner: Arc<Planner>,
    members: Arc<[Member]>,
}

pub(super) const NAME: &str = "router";
/// Streams that break off are continued so often at most.
const CONTINUED_MAX: usize = 8;
/// So much of the last sound is spoken again, so that no syllable is lost where voices change.
const RESPOKEN: Duration = Duration::from_millis(200);
/// A stream that somebody else could go on with may pause so long when nothing of it is unheard;
/// longer while the caller still listens to what came before.
const PIECE_PATIENCE: Duration = Duration::from_millis(400);
/// What is unheard must last until whoever goes on has begun.
const TAKING_OVER: Duration = Duration::from_millis(600);
/// Characters that the quickest voice says in a second.
const CHARS_A_SECOND: f64 = 20.0;

impl Router {
    pub fn new(planner: Arc<Planner>, members: Vec<Member>) -> Self {
        Self { planner, members: members.into() }
    }

    pub fn planner(&self) -> &Arc<Planner> {
        &self.planner
    }

    /// Races the plan's candidates for a first piece.
    async fn race<T: Send>(
        &self,
        plan: &mut Plan,
        without: Option<Place>,
        input: Used,
        ask: impl Fn(Place, &Member) -> Option<BoxFuture<'static, Result<T, Fault>>> + Send + Sync,
    ) -> Result<Won<T>, Lost> {
        let planner = &self.planner;
        // Who has refused this request is not asked again when another one's answer breaks off.
        let useless = |place| plan.tried.iter().any(|t| t.place == place && t.is_useless());
        let may = |slot: &Slot| Some(slot.place) != without && !useless(slot.place);
        // Nor is anybody who has failed it, as long as there is somebody else.
        let has_failed = |slot: &Slot| plan.tried.iter().any(|t| t.place == slot.place && t.has_failed());
        let (failed, mut queue): (VecDeque<_>, VecDeque<_>) =
            plan.in_order(&planner.ledger).filter(may).partition(has_failed);
        queue.extend(failed);
        plan.begun = true;
        let account = &plan.account;
        let race = Race {
            ledger: &planner.ledger,
            stage: plan.stage,
            language: plan.language,
            queue,
            speculative: plan.speculative,
            hedge: planner.hedges(plan),
            name: &|place| planner.name(place),
            is_last_resort: &|place| planner.is_supervised(place),
            learn: &|attempt| planner.learn(attempt),
            tried: &mut plan.tried,
            refused: &mut plan.refused,
        };
        race.run(|place| {
            let member = self.members.get(place).and_then(|member| ask(place, member));
            if member.is_some() {
                account.ask(place, planner.now(), input);
            }
            member.unwrap_or_else(|| {
                let fault = Fault::new(FaultKind::Unavailable, planner.name(place), "not connected");
                async move { Err(fault) }.boxed()
            })
        })
        .await
    }

    fn recognise(&self, mut request: SttRequest, live: Option<Awaited>) -> BoxFuture<'static, Result<SttText, Fault>> {
        let router = self.clone();
        async move {
            let language = expected(&request.hint);
            let mut plan = router.planner.plan(Stage::Stt, language, request.call, request.speculative);
            request.words = request.words.or_else(|| plan.dialect.map(Dialect::words));
            let input = Used { audio: sound(request.audio.len()), ..Used::default() };
            // What was heard live is asked for once, of whom it is; everybody else gets it whole.
            let live = Mutex::new(live);
            let ask = |place: Place, member: &Member| {
                let heard = live.lock().unwrap_or_else(PoisonError::into_inner).take_if(|live| live.by == place);
                match heard {
                    Some(heard) => Some(outcome(heard, router.planner.name(place)).boxed()),
                    None => member.stt.as_ref().map(|stt| stt.transcribe(request.clone())),
                }
            };
            match router.race(&mut plan, None, input, ask).await {
                Ok((place, text, booked, took)) => {
                    booked.answered();
                    plan.answered_by(place, took);
                    router.planner.heard(&plan, place, &text);
                    Ok(text)
                }
                Err(lost) => Err(Self::verdict(lost)),
            }
        }
        .boxed()
    }

    fn verdict(lost: Lost) -> Fault {
        lost.unwrap_or_else(|| {
            Fault::new(FaultKind::Unavailable, NAME, "no engine may and can answer; see `vaani route explain`")
        })
    }
}

impl Stt for Router {
    fn id(&self) -> &str {
        NAME
    }

    fn transcribe(&self, request: SttRequest) -> BoxFuture<'static, Result<SttText, Fault>> {
        self.recognise(request, None)
    }

    fn listens(&self) -> bool {
        self.members.iter().filter_map(|member| member.stt.as_ref()).any(|stt| stt.listens())
    }

    /// The first in the decision's order hears the caller from the beginning, if it can.
    fn listen(&self, mut opening: SttOpening) -> Option<Listening> {
        let plan = self.planner.plan(Stage::Stt, expected(&opening.hint), opening.call, false);
        let place = plan.in_order(&self.planner.ledger).next()?.place;
        opening.words = opening.words.or_else(|| plan.dialect.map(Dialect::words));
        let stt = self.members.get(place)?.stt.as_ref().filter(|stt| stt.listens())?;
        let so_far = sound(opening.audio.len());
        let listening = stt.listen(opening)?;
        let Listening { sound, pump, mut answer } = listening;
        answer.by = place;
        let unheard = Unheard { plan, place, so_far, since: None };
        let pump = async move {
            let mut unheard = unheard;
            unheard.since = Some(unheard.plan.now());
            pump.await;
            // Whoever asks for the answer pays for it.
            unheard.since = None;
        };
        Some(Listening { sound, pump: pump.boxed(), answer })
    }

    fn finish(&self, request: SttRequest, live: Awaited) -> BoxFuture<'static, Result<SttText, Fault>> {
        self.recognise(request, Some(live))
    }
}

fn sound(samples: usize) -> Duration {
    Duration::from_micros(samples as u64 * 1_000_000 / u64::from(STT_RATE))
}

/// Somebody listens; what is given up before the utterance was over is charged for as long as it
/// lasted, for sound comes as fast as time passes.
struct Unheard {
    plan: Plan,
    place: Place,
    so_far: Duration,
    since: Option<Moment>,
}

impl Drop for Unheard {
    fn drop(&mut self) {
        if let Some(since) = self.since {
            let audio = self.so_far + self.plan.now().since(since);
            self.plan.begun = true;
            self.plan.account.ask(self.place, since, Used { audio, ..Used::default() });
        }
    }
}

/// What came of listening. One that ended without a word of it broke.
async fn outcome(heard: Awaited, name: String) -> Result<SttText, Fault> {
    heard.answer.await.unwrap_or_else(|_| Err(Fault::new(FaultKind::Unavailable, name, "listening broke off")))
}

fn expected(hint: &LanguageHint) -> Lang {
    match hint {
        LanguageHint::Fixed(language) | LanguageHint::Likely { expected: language, .. } => *language,
        LanguageHint::Open { among } => among.first().copied().unwrap_or(Lang::En),
    }
}

/// A stage whose answer is a stream, and what must be remembered of it to let another one go on.
trait Streamed: Send + Sync + 'static {
    type Event: Send + 'static;
    fn ask(&self, member: &Member) -> Option<BoxStream<'static, Result<Self::Event, Fault>>>;
    fn is_done(event: &Self::Event) -> bool;
    /// The engine's own time to its first piece, which the last event tells.
    fn own_time(event: &Self::Event) -> Option<Duration>;
    /// Notes what goes out; `None` keeps the event back.
    fn pass(&mut self, event: Self::Event) -> Option<Self::Event>;
    /// The stream broke off: the request for the one who goes on.
    fn go_on(&mut self);
    /// No more will come; what was kept back is the rest.
    fn finish(&mut self) {}
    fn rest(&mut self) -> Option<Self::Event>;
    /// How long it takes to say this piece, at a slow pace.
    fn worth(&self, event: &Self::Event) -> Duration;
    /// The request itself, as it is charged for.
    fn input(&self) -> Used;
    /// How much of an answer a piece is: quarters of a token, sound.
    fn amount(&self, event: &Self::Event) -> (u64, Duration);
    /// What the answer's end says that it used.
    fn counted(event: &Self::Event) -> Used;
    /// The stream of `place` begins, after that of `before` if there was one.
    fn begins(&mut self, _planner: &Planner, _before: Option<Place>, _place: Place) {}
    /// The stream of `place` is whole.
    fn ended(&self, _planner: &Planner, _place: Place) {}
    /// How long the caller listens to what went out, at the least.
    fn lasts(&self) -> Duration;
}

/// An answer that is coming.
struct Flow<E> {
    place: Place,
    answer: BoxStream<'static, Result<E, Fault>>,
    booked: Booked,
    piece: Duration,
    /// Until when its pieces must have come: as long as saying what came so far takes, and a pause.
    /// Who drips keeps the caller waiting without ever pausing for long. `None` for engines of the
    /// box, which are watched elsewhere.
    keeps_up_until: Option<Moment>,
}

impl<E> Flow<E> {
    /// `lasts` is how long the caller listens to what went out, at the least.
    async fn next(&mut self, router: &Router, plan: Option<&Plan>, lasts: Duration) -> Option<Result<E, Fault>> {
        let now = router.planner.now();
        let left = self.keeps_up_until.map(|until| until.since(now));
        let mut within = left.map_or(self.piece, |left| left.min(self.piece));
        if let Some(plan) = plan.filter(|plan| !plan.is_supervised(self.place) && plan.has_other(self.place)) {
            // A pause that nobody hears is none.
            let listened = plan.since.map_or(Duration::ZERO, |since| now.since(since));
            let unheard = lasts.saturating_sub(listened);
            within = within.min(unheard.saturating_sub(TAKING_OVER).max(PIECE_PATIENCE));
        }
        match tokio::time::timeout(within, self.answer.next()).await {
            Ok(event) => event,
            Err(_) => Some(Err(late(&router.planner.name(self.place), within))),
        }
    }
}

enum At<S: Streamed> {
    Start {
        /// Who broke off.
        after: Option<Place>,
    },
    Flowing(Flow<S::Event>),
    /// The last event, after what was kept back.
    Last(S::Event),
    Over,
}

fn streamed<S: Streamed>(router: Router, plan: Plan, stage: S) -> BoxStream<'static, Result<S::Event, Fault>> {
    let start = (router, Some(plan), stage, At::<S>::Start { after: None }, 0_usize);
    stream::unfold(start, |(router, mut plan, mut stage, mut at, mut continued)| async move {
        loop {
            let (mut flow, event) = match at {
                At::Start { after } => {
                    let open = plan.as_mut()?;
                    // An engine of the box has other workers; a provider is left alone.
                    let without = after.filter(|place| !open.is_supervised(*place));
                    let ask = |_: Place, member: &Member| {
                        let mut answer = stage.ask(member)?;
                        Some(
                            async move {
                                match answer.next().await {
                                    Some(Ok(event)) => Ok((event, answer)),
                                    Some(Err(fault)) => Err(fault),
                                    None => Err(Fault::new(FaultKind::Broken, NAME, "the answer was empty")),
                                }
                            }
                            .boxed(),
                        )
                    };
                    match router.race(open, without, stage.input(), ask).await {
                        Ok((place, (event, answer), booked, took)) => {
                            open.answered_by(place, took);
                            stage.begins(&router.planner, after, place);
                            let piece = open.piece(place);
                            let now = router.planner.now();
                            let keeps_up_until = (!open.is_supervised(place)).then(|| now + piece);
                            (Flow { place, answer, booked, piece, keeps_up_until }, Some(Ok(event)))
                        }
                        Err(lost) => {
                            let fault = Router::verdict(lost);
                            return Some((Err(fault), (router, None, stage, At::Over, continued)));
                        }
                    }
                }
                At::Flowing(mut flow) => {
                    let event = flow.next(&router, plan.as_ref(), stage.lasts()).await;
                    (flow, event)
                }
                At::Last(event) => return Some((Ok(event), (router, plan, stage, At::Over, continued))),
                At::Over => return None,
            };
            let place = flow.place;
            let broken = || Fault::new(FaultKind::Broken, router.planner.name(place), "the answer ended in the middle");
            match event.unwrap_or_else(|| Err(broken())) {
                Ok(event) if S::is_done(&event) => {
                    flow.booked.answered();
                    stage.ended(&router.planner, place);
                    if let Some(plan) = plan.take() {
                        if let Some(own) = S::own_time(&event) {
                            router.planner.waited(&plan, place, own);
                        }
                        plan.account.counted(place, S::counted(&event));
                    }
                    stage.finish();
                    let Some(rest) = stage.rest() else {
                        return Some((Ok(event), (router, plan, stage, At::Over, continued)));
                    };
                    return Some((Ok(rest), (router, plan, stage, At::Last(event), continued)));
                }
                Ok(event) => {
                    if let Some(plan) = &plan {
                        let (quarters, sound) = stage.amount(&event);
                        plan.account.came(place, quarters, sound);
                    }
                    flow.keeps_up_until = flow.keeps_up_until.map(|until| until + stage.worth(&event));
                    match stage.pass(event) {
                        Some(event) => {
                            if let Some(plan) = &mut plan {
                                plan.since = plan.since.or_else(|| Some(router.planner.now()));
                            }
                            return Some((Ok(event), (router, plan, stage, At::Flowing(flow), continued)));
                        }
                        None => at = At::Flowing(flow),
                    }
                }
                Err(fault) => {
                    let open = plan.as_mut()?;
                    let took = flow.booked.took();
                    // Dropping the answer cancels what is still being computed.
                    drop(flow.answer);
                    flow.booked.failed(&fault);
                    let attempt = Tried { place, outcome: Outcome::BrokeOff(fault.kind), took, reached: fault.reached };
                    router.planner.learn(&attempt);
                    open.tried.push(attempt);
                    continued += 1;
                    if continued > CONTINUED_MAX {
                        return Some((Err(fault), (router, None, stage, At::Over, continued)));
                    }
                    tracing::warn!(stage = ?open.stage, %fault, "an answer broke off; another goes on with it");
                    stage.go_on();
                    at = At::Start { after: Some(place) };
                }
            }
        }
    })
    .boxed()
}

/// Fewer characters are kept back: nothing could tell whether who goes on repeats them or begins a
/// word alike, and nothing so short is spoken. Who breaks off before has not begun.
const BEGINNING: usize = 8;
/// Of written text.
const CHARACTER: Duration = Duration::from_millis(100);

struct Writing {
    request: LlmRequest,
    dialect: Option<Dialect>,
    asked: usize,
    /// What went out.
    said: String,
    /// Kept back: the first characters, or a shaped answer, which is of use only as a whole.
    held: String,
    joiner: Option<Joiner>,
}

impl Streamed for Writing {
    type Event = LlmEvent;

    fn ask(&self, member: &Member) -> Option<LlmStream> {
        let mut request = self.request.clone();
        let brief = request.messages.first_mut().filter(|m| m.role == Role::System && request.grammar.is_none());
        if let (Some(dialect), Some(brief), true) = (self.dialect, brief, member.takes_style) {
            brief.content.push('\n');
            brief.content.push_str(&dialect.style());
        }
        member.llm.as_ref().map(|llm| llm.generate(request))
    }

    fn is_done(event: &LlmEvent) -> bool {
        matches!(event, LlmEvent::Done(_))
    }

    fn own_time(event: &LlmEvent) -> Option<Duration> {
        if let LlmEvent::Done(usage) = event { Some(usage.first_token) } else { None }
    }

    fn pass(&mut self, event: LlmEvent) -> Option<LlmEvent> {
        let LlmEvent::Text(text) = event else { return Some(event) };
        self.held.push_str(&match &mut self.joiner {
            None => text,
            Some(joiner) => joiner.push(&text),
        });
        let is_beginning = self.said.is_empty() && self.held.chars().count() < BEGINNING;
        if self.held.is_empty() || is_beginning || self.request.grammar.is_some() {
            return None;
        }
        self.rest()
    }

    fn go_on(&mut self) {
        self.request.messages.truncate(self.asked);
        self.held.clear();
        if self.said.is_empty() {
            return;
        }
        self.request.messages.push(Message::new(Role::Assistant, self.said.clone()));
        self.joiner = Some(Joiner::new(&self.said));
    }

    fn rest(&mut self) -> Option<LlmEvent> {
        let text = std::mem::take(&mut self.held);
        self.said.push_str(&text);
        (!text.is_empty()).then_some(LlmEvent::Text(text))
    }

    fn finish(&mut self) {
        if let Some(mut joiner) = self.joiner.take() {
            self.held.push_str(&joiner.finish());
        }
    }

    fn worth(&self, event: &LlmEvent) -> Duration {
        let LlmEvent::Text(text) = event else { return Duration::ZERO };
        CHARACTER * u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
    }

    fn input(&self) -> Used {
        Used { tokens_in: account::tokens_of(&self.request.messages), ..Used::default() }
    }

    fn amount(&self, event: &LlmEvent) -> (u64, Duration) {
        let LlmEvent::Text(text) = event else { return (0, Duration::ZERO) };
        (account::quarters(text), Duration::ZERO)
    }

    /// A clause is spoken when the next one is there, so what follows the last end but one does not
    /// count.
    fn lasts(&self) -> Duration {
        let ends = self.said.char_indices().rev().filter(|(_, c)| ".?!।\n".contains(*c));
        let spoken = ends.map(|(at, _)| at).nth(1).unwrap_or(0);
        let chars = self.said.get(..spoken).map_or(0, |text| text.chars().count());
        Duration::from_secs_f64(chars as f64 / CHARS_A_SECOND)
    }

    fn counted(event: &LlmEvent) -> Used {
        let LlmEvent::Done(usage) = event else { return Used::default() };
        Used { tokens_in: usage.prompt_tokens.into(), tokens_out: usage.answer_tokens.into(), ..Used::default() }
    }
}

impl Llm for Router {
    fn id(&self) -> &str {
        NAME
    }

    fn generate(&self, request: LlmRequest) -> LlmStream {
        let language = request.language.unwrap_or(Lang::En);
        let plan = self.planner.plan(Stage::Llm, language, request.call, request.speculative);
        let asked = request.messages.len();
        let dialect = plan.dialect;
        let (said, held) = (String::new(), String::new());
        streamed(self.clone(), plan, Writing { request, dialect, asked, said, held, joiner: None })
    }

    fn forget(&self, call: CallId) {
        for llm in self.members.iter().filter_map(|m| m.llm.as_ref()) {
            llm.forget(call);
        }
        self.planner.forget(call);
    }
}

struct Speaking {
    request: TtsRequest,
    /// Samples that went out.
    spoken: usize,
    /// Samples of this voice's that were already heard from another one.
    skip: usize,
    /// All samples of this voice, heard or not.
    own: usize,
}

impl Streamed for Speaking {
    type Event = TtsEvent;

    fn ask(&self, member: &Member) -> Option<TtsStream> {
        let mut request = self.request.clone();
        if !member.on_box {
            request.voice = None;
        }
        member.tts.as_ref().map(|tts| tts.speak(request))
    }

    fn is_done(event: &TtsEvent) -> bool {
        matches!(event, TtsEvent::Done(_))
    }

    fn own_time(event: &TtsEvent) -> Option<Duration> {
        if let TtsEvent::Done(usage) = event { Some(usage.first_audio) } else { None }
    }

    fn pass(&mut self, event: TtsEvent) -> Option<TtsEvent> {
        let TtsEvent::Audio(mut pcm) = event else { return Some(event) };
        self.own += pcm.len();
        let skipped = self.skip.min(pcm.len());
        self.skip -= skipped;
        pcm.drain(..skipped);
        self.spoken += pcm.len();
        (!pcm.is_empty()).then_some(TtsEvent::Audio(pcm))
    }

    /// The name of a voice means nothing to another engine.
    fn go_on(&mut self) {
        self.request.voice = None;
    }

    /// The words that were heard take another voice another time.
    fn begins(&mut self, planner: &Planner, before: Option<Place>, place: Place) {
        // What this voice has reached of the words, as samples of its own.
        let reached = self.own.max(self.skip);
        self.own = 0;
        let Some(before) = before else { return };
        let drawl = planner.drawl(before, place, self.request.language);
        let again = RESPOKEN.as_millis() as usize * self.request.rate as usize / 1_000;
        self.skip = ((reached as f64 * drawl) as usize).saturating_sub(again);
    }

    fn lasts(&self) -> Duration {
        Duration::from_secs_f64(self.spoken as f64 / f64::from(self.request.rate.max(1)))
    }

    /// Voices follow a wish for another pace more or less, so only their own is measured.
    fn ended(&self, planner: &Planner, place: Place) {
        if (self.request.pace - 1.0).abs() < 0.01 {
            let sound = self.own as f64 / f64::from(self.request.rate.max(1));
            let sound = Duration::try_from_secs_f64(sound).unwrap_or_default();
            planner.spoke(place, self.request.language, self.request.text.chars().count(), sound);
        }
    }

    fn rest(&mut self) -> Option<TtsEvent> {
        None
    }

    fn worth(&self, event: &TtsEvent) -> Duration {
        let TtsEvent::Audio(pcm) = event else { return Duration::ZERO };
        Duration::from_secs_f64(pcm.len() as f64 / f64::from(self.request.rate.max(1)))
    }

    fn input(&self) -> Used {
        Used { chars: self.request.text.chars().count() as u64, ..Used::default() }
    }

    fn amount(&self, event: &TtsEvent) -> (u64, Duration) {
        let TtsEvent::Audio(pcm) = event else { return (0, Duration::ZERO) };
        let micros = pcm.len() as u64 * 1_000_000 / u64::from(self.request.rate.max(1));
        (0, Duration::from_micros(micros))
    }

    fn counted(_: &TtsEvent) -> Used {
        Used::default()
    }
}

impl Tts for Router {
    fn id(&self) -> &str {
        NAME
    }

    fn speak(&self, request: TtsRequest) -> TtsStream {
        let plan = self.planner.plan(Stage::Tts, request.language, request.call, false);
        streamed(self.clone(), plan, Speaking { request, spoken: 0, skip: 0, own: 0 })
    }
}
