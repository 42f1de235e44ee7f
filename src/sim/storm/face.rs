//! The router as a call sees it: every answer that comes out of it is compared with what was asked.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, lazy};
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt};

use super::draw::Shelter;
use super::members::{reply, samples};
use super::ticket::lock;
use super::whole::World;
use crate::ai::llm::{Llm, LlmEvent, LlmRequest};
use crate::ai::router::Router;
use crate::ai::stt::{Stt, SttRequest, SttText};
use crate::ai::tts::{Tts, TtsEvent, TtsRequest};
use crate::ai::{Fault, FaultKind};
use crate::base::Moment;
use crate::base::event::Stage;

/// What is spoken again where one voice goes on for another, at most so often.
const RESPOKEN: Duration = Duration::from_millis(200);
const CONTINUED_MAX: usize = 8;
#[derive(Clone)]
pub(super) struct Face {
    pub(super) router: Router,
    pub(super) world: Arc<World>,
}

/// One request as it looks from outside.
struct Request {
    world: Arc<World>,
    stage: Stage,
    since: Moment,
    begun: bool,
    speculative: bool,
}

impl Request {
    fn new(world: &Arc<World>, stage: Stage, speculative: bool) -> Self {
        let now = world.clock.now();
        let mut tally = lock(&world.tally);
        tally.requests += 1;
        if now >= world.settled {
            *tally.settled.entry(stage).or_default() += 1;
        }
        Self { world: Arc::clone(world), stage, since: now, begun: false, speculative }
    }

    fn broke(&self, what: String) {
        lock(&self.world.watch).broke(self.world.clock.now(), what);
    }

    fn began(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let took = self.world.clock.now().since(self.since);
        let mut tally = lock(&self.world.tally);
        tally.slowest = tally.slowest.max(took);
        drop(tally);
        let bound = self.world.begins_within(self.stage);
        if self.world.drawn.shelter != Shelter::None && took > bound {
            self.broke(format!("{:?} began after {took:?}; at most {bound:?} were to be expected", self.stage));
        }
    }

    fn failed(&self, fault: &Fault) {
        lock(&self.world.tally).failed += 1;
        // A guess may be given up where an engine has too much to do.
        let given_up = self.speculative && fault.kind == FaultKind::Overloaded;
        if self.world.drawn.shelter != Shelter::None && !given_up {
            self.broke(format!("{:?} failed although somebody is well: {fault}", self.stage));
        }
    }
}

impl Face {
    pub(super) fn hear(&self, request: SttRequest) -> BoxFuture<'static, Result<SttText, Fault>> {
        let (world, router) = (Arc::clone(&self.world), self.router.clone());
        async move {
            let mut seen = Request::new(&world, Stage::Stt, request.speculative);
            let result = router.transcribe(request).await;
            match &result {
                Ok(_) => seen.began(),
                Err(fault) => seen.failed(fault),
            }
            result
        }
        .boxed()
    }

    pub(super) fn write(&self, request: LlmRequest) -> BoxStream<'static, Result<LlmEvent, Fault>> {
        let mut expected = reply(&self.world.catalogue, request.language, &request.messages, request.grammar.is_some());
        if request.max_tokens <= 1 {
            expected = expected.chars().take(3).collect();
        }
        let mut text = String::new();
        let speculative = request.speculative;
        let router = self.router.clone();
        self.watched(
            Stage::Llm,
            speculative,
            move || router.generate(request),
            move |seen, event| match event {
                Ok(LlmEvent::Text(piece)) => {
                    seen.began();
                    text.push_str(piece);
                }
                Ok(LlmEvent::Done(_)) => {
                    seen.began();
                    if bare(&text) != bare(&expected) {
                        seen.broke(format!("written was {text:?} and not {expected:?}"));
                    }
                }
                Err(fault) => seen.failed(fault),
            },
        )
    }

    pub(super) fn speak(&self, request: TtsRequest) -> BoxStream<'static, Result<TtsEvent, Fault>> {
        let least = samples(&request.text, request.rate);
        let again = RESPOKEN.as_millis() as usize * request.rate as usize / 1_000 * CONTINUED_MAX;
        let mut spoken = 0;
        let router = self.router.clone();
        self.watched(
            Stage::Tts,
            false,
            move || router.speak(request),
            move |seen, event| match event {
                Ok(TtsEvent::Audio(pcm)) => {
                    seen.began();
                    spoken += pcm.len();
                }
                Ok(TtsEvent::Done(_)) => {
                    if spoken < least || spoken > least + again {
                        seen.broke(format!("{spoken} samples were spoken of {least}"));
                    }
                }
                Err(fault) => seen.failed(fault),
            },
        )
    }

    /// A stream that begins, and counts, when it is first waited for.
    fn watched<T: Send + 'static>(
        &self,
        stage: Stage,
        speculative: bool,
        ask: impl FnOnce() -> BoxStream<'static, Result<T, Fault>> + Send + 'static,
        mut look: impl FnMut(&mut Request, &Result<T, Fault>) + Send + 'static,
    ) -> BoxStream<'static, Result<T, Fault>> {
        let world = Arc::clone(&self.world);
        let begun = lazy(move |_| {
            let mut seen = Request::new(&world, stage, speculative);
            ask().map(move |event| {
                look(&mut seen, &event);
                event
            })
        });
        begun.flatten_stream().boxed()
    }
}

fn bare(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}
