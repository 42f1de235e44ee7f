//! Simulated engines: they answer as the weather allows. All models write the same answer to the
//! same question, so that what is spoken in the end can be compared with it.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};

use super::ticket::{Ticket, lock};
use super::weather::Weather;
use super::whole::World;
use crate::ai::llm::{Llm, LlmEvent, LlmRequest, LlmStream, LlmUsage, Message, Role};
use crate::ai::stt::{Stt, SttRequest, SttText};
use crate::ai::tts::{Tts, TtsEvent, TtsRequest, TtsStream, TtsUsage};
use crate::ai::{Fault, FaultKind};
use crate::base::event::Stage;
use crate::base::{CallId, Lang};
use crate::dialogue::book::{Catalogue, Intent};

/// Tokens by which an estimate of a message may be too much.
const ESTIMATED_MORE: u64 = 8;

/// One candidate of the storm's table.
pub(super) struct Engine {
    pub(super) world: Arc<World>,
    pub(super) place: usize,
}

/// What happens next on a request.
enum Step<T> {
    Give(T),
    Fail(Fault),
    /// It ends without its last word.
    Close,
    /// Nothing more comes.
    Hang,
}

type Script<T> = VecDeque<(Duration, Step<T>)>;

/// How long a piece usually takes, milliseconds: the first, the others.
type Usual = (u64, u64);

impl Engine {
    fn name(&self) -> &str {
        &self.world.names[self.place]
    }

    /// What this request meets with.
    fn weather(&self, rng: &mut Rng) -> Weather {
        let provider = self.world.of_candidate[self.place];
        self.world.weather(provider).of_request(rng)
    }

    fn fault(&self, rng: &mut Rng, weather: Weather) -> Option<(Duration, Fault)> {
        let fault = |kind| Fault::new(kind, self.name(), "simulated");
        let ms = |rng: &mut Rng, most: u64| Duration::from_millis(rng.u64(1..=most));
        Some(match weather {
            Weather::Down => (ms(rng, 300), fault(FaultKind::Unavailable)),
            Weather::Limited { retry_after } => {
                let mut fault = fault(FaultKind::Overloaded);
                fault.retry_after = retry_after.map(Duration::from_secs);
                (ms(rng, 500), fault)
            }
            Weather::Failing => (ms(rng, 900), fault(FaultKind::Unavailable).after_an_answer()),
            Weather::Refusing => (ms(rng, 200), fault(FaultKind::Refused).after_an_answer()),
            Weather::Denying => (ms(rng, 200), fault(FaultKind::Denied).after_an_answer()),
            Weather::Garbage => (ms(rng, 400), fault(FaultKind::Broken).after_an_answer()),
            _ => return None,
        })
    }

    /// The pieces of an answer with their times, as the weather has it. The last one tells how long
    /// the first took.
    fn script<T>(
        &self,
        (rng, ticket): (&mut Rng, &mut Ticket),
        pieces: Vec<T>,
        last: impl FnOnce(Duration) -> T,
        usual: Usual,
    ) -> Script<T> {
        let weather = self.weather(rng);
        ticket.drips = weather == Weather::Dripping;
        if let Some((after, fault)) = self.fault(rng, weather) {
            return [(after, Step::Fail(fault))].into();
        }
        let about = |rng: &mut Rng, ms: u64| Duration::from_millis(rng.u64(ms / 2..=ms * 2));
        let first = match weather {
            Weather::Hanging => return [(Duration::ZERO, Step::Hang)].into(),
            Weather::Slow => Duration::from_millis(rng.u64(600..6_000)),
            _ => about(rng, usual.0),
        };
        let stops = match weather {
            Weather::BreakingOff | Weather::Stalling => rng.usize(0..=pieces.len().min(40)),
            _ => usize::MAX,
        };
        let mut script: Script<T> = VecDeque::new();
        let mut wait = first;
        for (at, piece) in pieces.into_iter().enumerate() {
            if at == stops {
                break;
            }
            script.push_back((wait, Step::Give(piece)));
            wait = match weather {
                Weather::Dripping => Duration::from_millis(rng.u64(200..3_000)),
                _ => about(rng, usual.1),
            };
        }
        script.push_back(match (stops, weather) {
            (usize::MAX, _) => (wait, Step::Give(last(first))),
            (_, Weather::Stalling) => (wait, Step::Hang),
            _ if rng.bool() => (wait, Step::Close),
            _ => {
                let kind = if rng.bool() { FaultKind::Unavailable } else { FaultKind::Broken };
                (wait, Step::Fail(Fault::new(kind, self.name(), "simulated")))
            }
        });
        script
    }

    /// Carries a script out. `done` says what the last event costs, if this is the last.
    fn play<T: Send + 'static>(
        &self,
        script: Script<T>,
        ticket: Ticket,
        done: impl Fn(&T) -> Option<(String, u64)> + Send + Sync + 'static,
    ) -> BoxStream<'static, Result<T, Fault>> {
        stream::unfold((script, ticket, done), |(mut script, mut ticket, done)| async move {
            let (after, step) = script.pop_front()?;
            tokio::time::sleep(after).await;
            let event = match step {
                Step::Hang => std::future::pending().await,
                Step::Close => {
                    ticket.failed(&Fault::new(FaultKind::Broken, "", ""));
                    return None;
                }
                Step::Fail(fault) => {
                    ticket.failed(&fault);
                    Err(fault)
                }
                Step::Give(event) => {
                    match done(&event) {
                        Some((tenant, cost)) => ticket.answered(&tenant, cost),
                        None => ticket.piece(),
                    }
                    Ok(event)
                }
            };
            Some((event, (script, ticket, done)))
        })
        .boxed()
    }

    /// The price of a request, in thousandths of a paisa, rounded down once a unit.
    fn cost(&self, audio_ms: u64, chars: u64, tokens_in: u64, tokens_out: u64) -> u64 {
        let [minute, thousand, million_in, million_out] =
            self.world.drawn.providers[self.world.of_candidate[self.place]].price;
        let part = |price: u32, amount: u64, unit: u64| u64::from(price) * 1_000 * amount / unit;
        part(minute, audio_ms, 60_000)
            + part(thousand, chars, 1_000)
            + part(million_in, tokens_in, 1_000_000)
            + part(million_out, tokens_out, 1_000_000)
    }

    fn ticket(&self, stage: Stage, call: Option<CallId>, most: u64) -> (Ticket, String) {
        let ticket = Ticket::new(&self.world, self.place, stage, call);
        let tenant = call.map(|call| self.world.tenant(call)).unwrap_or_default();
        let free = self.world.drawn.providers[self.world.of_candidate[self.place]].price == [0; 4];
        let now = self.world.clock.now();
        lock(&self.world.watch).may_charge(now, &tenant, most, free, self.name());
        (ticket, tenant)
    }
}

impl Stt for Engine {
    fn id(&self) -> &str {
        self.name()
    }

    fn transcribe(&self, request: SttRequest) -> BoxFuture<'static, Result<SttText, Fault>> {
        let audio = Duration::from_millis(request.audio.len() as u64 / 16);
        let cost = self.cost(u64::try_from(audio.as_millis()).unwrap_or(0), 0, 0, 0);
        let (mut ticket, tenant) = self.ticket(Stage::Stt, request.call, cost);
        let (text, language) = self.world.saying(request.call);
        let mut rng = lock(&self.world.rng);
        let heard = |took| SttText {
            text,
            language,
            language_confidence: 0.98,
            confidence: 0.95,
            audio,
            took,
            provider: self.name().to_owned(),
        };
        // Recognition comes whole: what drips, breaks off or stalls never comes.
        let mut script = self.script((&mut rng, &mut ticket), Vec::new(), heard, (90, 0));
        if let Some((_, step)) = script.front_mut()
            && matches!(step, Step::Close)
        {
            *step = Step::Fail(Fault::new(FaultKind::Unavailable, self.name(), "simulated"));
        }
        drop(rng);
        let mut answer = self.play(script, ticket, move |_| Some((tenant.clone(), cost)));
        async move {
            match answer.next().await {
                Some(answer) => answer,
                None => Err(Fault::new(FaultKind::Broken, "", "nothing")),
            }
        }
        .boxed()
    }
}

/// The answer that every model writes to these messages.
pub(super) fn reply(books: &Catalogue, language: Option<Lang>, messages: &[Message], grammar: bool) -> String {
    let mut hasher = DefaultHasher::new();
    for message in messages {
        message.content.hash(&mut hasher);
    }
    let mut rng = Rng::with_seed(hasher.finish());
    if grammar {
        let intent = rng.choice(&Intent::ALL).map_or("unclear", |i| i.name());
        return format!(
            r#"{{"intent":"{intent}","language":"hi-IN","sentiment":"neutral","disposition":"unresolved"}}"#
        );
    }
    let book = language.and_then(|language| books.books.get(&language));
    let mut lines: Vec<String> = book
        .iter()
        .flat_map(|b| b.intents.values())
        .flat_map(|i| &i.reply)
        .map(|l| l.replace(['{', '}', '_'], ""))
        .collect();
    rng.shuffle(&mut lines);
    lines.dedup();
    lines.truncate(rng.usize(1..=4));
    // Sentences that only differ in a few letters would look like one said twice.
    let numbered: Vec<String> =
        lines.into_iter().enumerate().map(|(at, line)| format!("{} {line}", NUMBERS[at])).collect();
    numbered.join(" ")
}

const NUMBERS: [&str; 4] = ["(a)", "(b)", "(c)", "(d)"];

/// What a model writes after a beginning of its answer that is already there.
fn rest_of(whole: &str, said: &str, repeats: bool) -> Option<String> {
    let mut wanted = said.chars().filter(|c| !c.is_whitespace());
    let mut expected = wanted.next();
    let mut at = 0;
    for (index, c) in whole.char_indices() {
        let Some(next) = expected else { break };
        if c.is_whitespace() {
            continue;
        }
        if c != next {
            return None;
        }
        expected = wanted.next();
        at = index + c.len_utf8();
    }
    if expected.is_some() {
        return None;
    }
    if repeats { Some(whole.to_owned()) } else { whole.get(at..).map(str::to_owned) }
}

impl Llm for Engine {
    fn id(&self) -> &str {
        self.name()
    }

    fn generate(&self, request: LlmRequest) -> LlmStream {
        let mut asked = request.messages.as_slice();
        let mut said = None;
        if let Some((last, before)) = asked.split_last()
            && last.role == Role::Assistant
        {
            (said, asked) = (Some(last.content.as_str()), before);
        }
        let whole = reply(&self.world.catalogue, request.language, asked, request.grammar.is_some());
        let text = match said {
            None => whole,
            Some(said) => {
                let repeats = self.world.drawn.providers[self.world.of_candidate[self.place]].repeats;
                rest_of(&whole, said, repeats).unwrap_or_else(|| {
                    let now = self.world.clock.now();
                    lock(&self.world.watch).broke(now, format!("{} shall go on with what nobody wrote", self.name()));
                    whole
                })
            }
        };
        let text = if request.max_tokens <= 1 { text.chars().take(3).collect() } else { text };
        let tokens_in = request.messages.iter().map(|m| m.content.len() as u64).sum::<u64>() / 4;
        let tokens_out = text.len() as u64 / 4;
        let cost = self.cost(0, 0, tokens_in, tokens_out);
        // A router that is not told must estimate, and a little too much is on the safe side.
        let messages = request.messages.len() as u64;
        let most = self.cost(0, 0, tokens_in + ESTIMATED_MORE * (messages + 1), tokens_out + ESTIMATED_MORE);
        let (mut ticket, tenant) = self.ticket(Stage::Llm, request.call, most);
        let mut rng = lock(&self.world.rng);
        let mut pieces = Vec::new();
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let cut = rest.char_indices().nth(rng.usize(1..12)).map_or(rest.len(), |(at, _)| at);
            let (piece, more) = rest.split_at(cut);
            pieces.push(LlmEvent::Text(piece.to_owned()));
            rest = more;
        }
        let usage = |first_token| LlmUsage {
            first_token,
            prompt_tokens: u32::try_from(tokens_in).unwrap_or(u32::MAX),
            answer_tokens: u32::try_from(tokens_out).unwrap_or(u32::MAX),
            provider: self.name().to_owned(),
            ..LlmUsage::default()
        };
        let script = self.script((&mut rng, &mut ticket), pieces, |first| LlmEvent::Done(usage(first)), (120, 10));
        drop(rng);
        self.play(script, ticket, move |event| matches!(event, LlmEvent::Done(_)).then(|| (tenant.clone(), cost)))
    }

    fn forget(&self, _: CallId) {}
}

/// Samples that a text takes, in every voice alike.
pub(super) fn samples(text: &str, rate: u32) -> usize {
    text.chars().count().max(1) * rate as usize * 6 / 100
}

impl Tts for Engine {
    fn id(&self) -> &str {
        self.name()
    }

    fn speak(&self, request: TtsRequest) -> TtsStream {
        let length = samples(&request.text, request.rate);
        let chars = request.text.chars().count() as u64;
        let ms = length as u64 * 1_000 / u64::from(request.rate.max(1));
        // With what is spoken twice where voices change.
        let most = self.cost(ms + 1_000, chars, 0, 0);
        let cost = self.cost(ms, chars, 0, 0);
        let (mut ticket, tenant) = self.ticket(Stage::Tts, request.call, most);
        let mut rng = lock(&self.world.rng);
        let chunk = request.rate as usize / 5;
        let pieces =
            (0..length.div_ceil(chunk)).map(|at| TtsEvent::Audio(vec![900; chunk.min(length - at * chunk)])).collect();
        let usage = |first_audio| TtsUsage { first_audio, provider: self.name().to_owned(), ..TtsUsage::default() };
        let script = self.script((&mut rng, &mut ticket), pieces, |first| TtsEvent::Done(usage(first)), (60, 10));
        drop(rng);
        self.play(script, ticket, move |event| matches!(event, TtsEvent::Done(_)).then(|| (tenant.clone(), cost)))
    }
}
