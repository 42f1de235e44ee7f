//! Ordered candidates behind the contract of one: try, try once more, try the next.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt};

use crate::ai::llm::{Llm, LlmEvent, LlmRequest, LlmStream};
use crate::ai::stt::{Stt, SttRequest, SttText};
use crate::ai::tts::{Tts, TtsEvent, TtsRequest, TtsStream};
use crate::ai::{Fault, FaultKind};
use crate::base::CallId;
use crate::base::limits::{ENGINE_PIECE_MAX, LLM_FIRST_TOKEN_MAX, STT_ATTEMPT_MAX, TTS_FIRST_AUDIO_MAX};

/// All engines of the box: for each stage the candidates in order of preference. It is itself a
/// recogniser, a language model and a voice.
#[derive(Clone)]
pub struct Engines {
    pub stt: Vec<Arc<dyn Stt>>,
    pub llm: Vec<Arc<dyn Llm>>,
    pub tts: Vec<Arc<dyn Tts>>,
    pub deadlines: Deadlines,
}

/// How long one attempt may take. A slower one is given up and put to the next worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    pub stt: Duration,
    pub llm_first_token: Duration,
    pub tts_first_audio: Duration,
    /// Between two pieces of a stream that has begun.
    pub piece: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            stt: STT_ATTEMPT_MAX,
            llm_first_token: LLM_FIRST_TOKEN_MAX,
            tts_first_audio: TTS_FIRST_AUDIO_MAX,
            piece: ENGINE_PIECE_MAX,
        }
    }
}

/// Attempts at one candidate: the second reaches another worker, or the same one after its restart.
const ATTEMPTS: usize = 2;

const NAME: &str = "router";

impl Engines {
    pub fn new(stt: Vec<Arc<dyn Stt>>, llm: Vec<Arc<dyn Llm>>, tts: Vec<Arc<dyn Tts>>) -> Self {
        Self { stt, llm, tts, deadlines: Deadlines::default() }
    }
}

impl Stt for Engines {
    fn id(&self) -> &str {
        NAME
    }

    fn transcribe(&self, request: SttRequest) -> BoxFuture<'static, Result<SttText, Fault>> {
        let mut attempts = Attempts::new(&self.stt, request.speculative);
        let within = self.deadlines.stt;
        async move {
            while let Some(candidate) = attempts.next() {
                let answer = candidate.transcribe(request.clone());
                let fault = match tokio::time::timeout(within, answer).await {
                    Ok(Ok(text)) => return Ok(text),
                    Ok(Err(fault)) => fault,
                    Err(_) => late(candidate.id(), within),
                };
                attempts.failed("stt", fault);
            }
            Err(attempts.verdict())
        }
        .boxed()
    }
}

impl Llm for Engines {
    fn id(&self) -> &str {
        NAME
    }

    fn generate(&self, request: LlmRequest) -> LlmStream {
        let attempts = Attempts::new(&self.llm, request.speculative);
        streamed(Streamed {
            stage: "llm",
            attempts,
            ask: move |llm: &Arc<dyn Llm>| llm.generate(request.clone()),
            name: |llm: &Arc<dyn Llm>| llm.id().to_owned(),
            is_done: |event: &LlmEvent| matches!(event, LlmEvent::Done(_)),
            first: self.deadlines.llm_first_token,
            piece: self.deadlines.piece,
        })
    }

    fn forget(&self, call: CallId) {
        for llm in &self.llm {
            llm.forget(call);
        }
    }
}

impl Tts for Engines {
    fn id(&self) -> &str {
        NAME
    }

    fn speak(&self, request: TtsRequest) -> TtsStream {
        let attempts = Attempts::new(&self.tts, false);
        streamed(Streamed {
            stage: "tts",
            attempts,
            ask: move |tts: &Arc<dyn Tts>| tts.speak(request.clone()),
            name: |tts: &Arc<dyn Tts>| tts.id().to_owned(),
            is_done: |event: &TtsEvent| matches!(event, TtsEvent::Done(_)),
            first: self.deadlines.tts_first_audio,
            piece: self.deadlines.piece,
        })
    }
}

fn late(provider: &str, within: Duration) -> Fault {
    Fault::new(FaultKind::Deadline, provider, format!("nothing within {} ms", within.as_millis()))
}

/// Which candidate to try next, and what went wrong so far.
struct Attempts<C: ?Sized> {
    left: VecDeque<(Arc<C>, usize)>,
    /// A guess is not worth a second attempt at a busy engine.
    speculative: bool,
    last: Option<Fault>,
}

impl<C: ?Sized> Attempts<C> {
    fn new(candidates: &[Arc<C>], speculative: bool) -> Self {
        Self { left: candidates.iter().map(|c| (c.clone(), ATTEMPTS)).collect(), speculative, last: None }
    }

    fn next(&mut self) -> Option<Arc<C>> {
        let (candidate, left) = self.left.front_mut()?;
        *left = left.saturating_sub(1);
        Some(candidate.clone())
    }

    /// Notes the fault of the candidate that `next` gave; drops it if another try is useless.
    fn failed(&mut self, stage: &'static str, fault: Fault) {
        let exhausted = self.left.front().is_none_or(|(_, left)| *left == 0);
        if self.speculative && fault.kind == FaultKind::Overloaded {
            self.left.clear();
        } else if exhausted || !fault.kind.worth_another_try() {
            self.left.pop_front();
        }
        if self.left.is_empty() {
            tracing::debug!(stage, %fault, "nobody answered");
        } else {
            tracing::warn!(stage, %fault, "engine failed; trying again");
        }
        self.last = Some(fault);
    }

    fn verdict(&mut self) -> Fault {
        self.last.take().unwrap_or_else(|| Fault::new(FaultKind::Unavailable, NAME, "no engine is configured"))
    }
}

/// A stage whose answer is a stream.
struct Streamed<C: ?Sized, A, N, D> {
    stage: &'static str,
    attempts: Attempts<C>,
    ask: A,
    name: N,
    is_done: D,
    first: Duration,
    piece: Duration,
}

/// The first stream that gives anything. What fails before its first piece is retried unseen; what
/// breaks later is passed on, because only the caller knows what was already used of it.
fn streamed<C, E, A, N, D>(stage: Streamed<C, A, N, D>) -> BoxStream<'static, Result<E, Fault>>
where
    C: ?Sized + Send + Sync + 'static,
    E: Send + 'static,
    A: Fn(&Arc<C>) -> BoxStream<'static, Result<E, Fault>> + Send + 'static,
    N: Fn(&Arc<C>) -> String + Send + 'static,
    D: Fn(&E) -> bool + Send + 'static,
{
    enum At<C: ?Sized, E> {
        Between,
        Flowing(Arc<C>, BoxStream<'static, Result<E, Fault>>),
        Over,
    }
    stream::unfold((stage, At::Between), |(mut stage, mut at)| async move {
        loop {
            let (candidate, mut answer, begun) = match at {
                At::Between => match stage.attempts.next() {
                    Some(candidate) => {
                        let answer = (stage.ask)(&candidate);
                        (candidate, answer, false)
                    }
                    None => {
                        let fault = stage.attempts.verdict();
                        return Some((Err(fault), (stage, At::Over)));
                    }
                },
                At::Flowing(candidate, answer) => (candidate, answer, true),
                At::Over => return None,
            };
            let within = if begun { stage.piece } else { stage.first };
            let fault = match tokio::time::timeout(within, answer.next()).await {
                Ok(Some(Ok(event))) => {
                    let next = if (stage.is_done)(&event) { At::Over } else { At::Flowing(candidate, answer) };
                    return Some((Ok(event), (stage, next)));
                }
                Ok(Some(Err(fault))) => fault,
                Ok(None) => Fault::new(FaultKind::Broken, (stage.name)(&candidate), "the answer ended in the middle"),
                Err(_) => late(&(stage.name)(&candidate), within),
            };
            if begun {
                return Some((Err(fault), (stage, At::Over)));
            }
            stage.attempts.failed(stage.stage, fault);
            at = At::Between;
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::ai::llm::LlmUsage;
    use crate::ai::stt::LanguageHint;
    use crate::base::Lang;

    /// Answers each request with the next script: `w` a word, `.` done, `-` silence for ever, and
    /// the first letter of a fault's kind.
    struct Scripted {
        name: &'static str,
        scripts: Mutex<VecDeque<&'static str>>,
    }

    fn scripted(name: &'static str, scripts: &[&'static str]) -> Arc<Scripted> {
        Arc::new(Scripted { name, scripts: Mutex::new(scripts.iter().copied().collect()) })
    }

    fn fault(name: &str, letter: char) -> Fault {
        let kind = match letter {
            'D' => FaultKind::Deadline,
            'O' => FaultKind::Overloaded,
            'U' => FaultKind::Unavailable,
            'R' => FaultKind::Refused,
            _ => FaultKind::Broken,
        };
        Fault::new(kind, name, "on purpose")
    }

    impl Scripted {
        fn next(&self) -> &'static str {
            self.scripts.lock().unwrap().pop_front().expect("asked more often than expected")
        }
    }

    impl Llm for Scripted {
        fn id(&self) -> &str {
            self.name
        }

        fn generate(&self, _: LlmRequest) -> LlmStream {
            let name = self.name;
            stream::iter(self.next().chars())
                .then(move |letter| async move {
                    match letter {
                        'w' => Ok(LlmEvent::Text(name.to_owned())),
                        '.' => Ok(LlmEvent::Done(LlmUsage { provider: name.to_owned(), ..LlmUsage::default() })),
                        '-' => std::future::pending().await,
                        other => Err(fault(name, other)),
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

    fn engines(a: &Arc<Scripted>, b: &Arc<Scripted>) -> Engines {
        let short = Duration::from_millis(30);
        Engines {
            stt: vec![a.clone(), b.clone()],
            llm: vec![a.clone(), b.clone()],
            tts: Vec::new(),
            deadlines: Deadlines { stt: short, llm_first_token: short, tts_first_audio: short, piece: short },
        }
    }

    fn llm_request(speculative: bool) -> LlmRequest {
        LlmRequest {
            call: None,
            thread: 0,
            messages: Vec::new(),
            grammar: None,
            max_tokens: 10,
            temperature: 0.0,
            speculative,
        }
    }

    #[tokio::test]
    async fn streams_are_retried_until_their_first_piece() {
        // scripts of a, scripts of b, speculative, what comes out
        let cases: [(&[&str], &[&str], bool, &str); 10] = [
            (&["ww."], &[], false, "a a done(a)"),
            (&["U", "w."], &[], false, "a done(a)"),
            (&["U", "D"], &["w."], false, "b done(b)"),
            (&["-", "w."], &[], false, "a done(a)"),
            (&["-", "-"], &["O", "B"], false, "fault(b Broken)"),
            // Refused: another worker of the same engine would refuse as well.
            (&["R"], &["w."], false, "b done(b)"),
            // Once something was said the caller decides.
            (&["wU"], &[], false, "a fault(a Unavailable)"),
            (&["w-"], &[], false, "a fault(a Deadline)"),
            (&["w"], &[], false, "a fault(a Broken)"),
            (&["O"], &[], true, "fault(a Overloaded)"),
        ];
        for (of_a, of_b, speculative, expected) in cases {
            let (a, b) = (scripted("a", of_a), scripted("b", of_b));
            let events: Vec<_> = engines(&a, &b).generate(llm_request(speculative)).collect().await;
            let told: Vec<_> = events
                .into_iter()
                .map(|event| match event {
                    Ok(LlmEvent::Text(text)) => text,
                    Ok(LlmEvent::Done(usage)) => format!("done({})", usage.provider),
                    Err(fault) => format!("fault({} {:?})", fault.provider, fault.kind),
                })
                .collect();
            assert_eq!(told.join(" "), expected, "{of_a:?} {of_b:?}");
            assert!(a.scripts.lock().unwrap().is_empty() && b.scripts.lock().unwrap().is_empty(), "{of_a:?} {of_b:?}");
        }
    }

    #[tokio::test]
    async fn recognition_is_tried_twice_and_then_elsewhere() {
        let cases: [(&[&str], &[&str], bool, &str); 6] = [
            (&["w"], &[], false, "a"),
            (&["U", "w"], &[], false, "a"),
            (&["-", "-"], &["w"], false, "b"),
            (&["R"], &["R"], false, "Refused"),
            (&["O"], &[], true, "Overloaded"),
            (&["U", "U"], &["B", "D"], false, "Deadline"),
        ];
        for (of_a, of_b, speculative, expected) in cases {
            let (a, b) = (scripted("a", of_a), scripted("b", of_b));
            let request =
                SttRequest { call: None, audio: vec![0; 320].into(), hint: LanguageHint::Fixed(Lang::Hi), speculative };
            let answer = match engines(&a, &b).transcribe(request).await {
                Ok(text) => text.text,
                Err(fault) => format!("{:?}", fault.kind),
            };
            assert_eq!(answer, expected, "{of_a:?} {of_b:?}");
            assert!(a.scripts.lock().unwrap().is_empty() && b.scripts.lock().unwrap().is_empty(), "{of_a:?} {of_b:?}");
        }
    }

    #[tokio::test]
    async fn without_candidates_it_says_so() {
        let empty = Engines::new(Vec::new(), Vec::new(), Vec::new());
        let events: Vec<_> = empty.generate(llm_request(false)).collect().await;
        assert!(matches!(&events[..], [Err(fault)] if fault.kind == FaultKind::Unavailable), "{events:?}");
    }
}
