//! A caller who listens, and whose line breaks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::join;
use tokio::time::sleep;
use vaani::base::event::{EndCause, Event};
use vaani::base::tasks::Scope;
use vaani::base::{Clock, limits};
use vaani::telephony::far::{AfterCut, CallEnd, Caller, FarCall, Heard};

use crate::support::{Daemon, question, until};

/// Louder than this was said by somebody.
const AUDIBLE: u16 = 300;

#[derive(Clone)]
pub(super) struct Ear {
    pub(super) sid: String,
    pub(super) caller: Caller,
    /// Frames of the box in which something could be heard.
    loud: Arc<AtomicUsize>,
    /// Milliseconds that came from the box, silence too.
    heard: Arc<AtomicUsize>,
    end: Arc<Mutex<Option<CallEnd>>>,
    tasks: Scope,
}

impl Ear {
    pub(super) fn of(mut call: FarCall) -> Self {
        let ear = Self {
            sid: call.carrier_call().to_owned(),
            caller: call.caller(),
            loud: Arc::default(),
            heard: Arc::default(),
            end: Arc::default(),
            tasks: Scope::new(),
        };
        let (loud, heard_ms, end) = (Arc::clone(&ear.loud), Arc::clone(&ear.heard), Arc::clone(&ear.end));
        ear.tasks.spawn("ear", async move {
            while let Some(heard) = call.hear().await {
                match heard {
                    Heard::Frame(played) => {
                        let audible = played.from_box > 0 && played.pcm.iter().any(|s| s.unsigned_abs() > AUDIBLE);
                        loud.fetch_add(usize::from(audible), Ordering::Relaxed);
                        heard_ms.fetch_add(played.from_box / 8, Ordering::Relaxed);
                    }
                    Heard::Cleared { .. } => {}
                    Heard::Ended(how) => *end.lock().unwrap() = Some(how),
                }
            }
        });
        ear
    }

    pub(super) fn loud(&self) -> usize {
        self.loud.load(Ordering::Relaxed)
    }

    pub(super) async fn hears(&self, frames: usize) {
        until("so much is heard", async || (self.loud() >= frames).then_some(())).await;
    }

    pub(super) fn heard_ms(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }

    /// Until so much has come from the box.
    pub(super) async fn hears_ms(&self, ms: usize) {
        until("so much comes from the box", async || (self.heard_ms() >= ms).then_some(())).await;
    }

    /// The whole of what the agent says first, and how long it is, ms.
    pub(super) async fn greeting(&self, daemon: &Daemon) -> (String, usize) {
        let facts = daemon.fact(&self.sid, "a greeting", 0, greeted).await;
        let said = said(&facts);
        assert!(!said[0].1, "{facts:#?}");
        (said[0].0.clone(), self.heard_ms())
    }

    /// The caller asks something and is answered; then they hang up, and the call has ended once.
    pub(super) async fn another_turn(&self, daemon: &Daemon) -> Vec<Event> {
        let before = daemon.facts(&self.sid).await.len();
        self.caller.say(question()).await.unwrap();
        daemon.fact(&self.sid, "an answer", before, |e| matches!(e, Event::TurnAnswered { .. })).await;
        self.caller.hang_up().await.unwrap();
        let (facts, cause) = daemon.ended(&self.sid).await;
        assert_eq!(cause, EndCause::CallerHungUp, "{facts:#?}");
        assert_eq!(self.ended().await.violations, Vec::<String>::new());
        facts
    }

    /// How the carrier saw the end.
    pub(super) async fn ended(&self) -> CallEnd {
        until("the line is over", async || self.end.lock().unwrap().clone()).await
    }
}

/// How often each of the facts is there: lost, back, ended.
pub(super) fn counts(facts: &[Event]) -> (usize, usize, usize) {
    let of = |like: fn(&Event) -> bool| facts.iter().filter(|event| like(event)).count();
    (
        of(|e| matches!(e, Event::MediaLost)),
        of(|e| matches!(e, Event::MediaBack { .. })),
        of(|e| matches!(e, Event::CallEnded { .. })),
    )
}

/// What the agent said, as far as it was heard, and whether it was cut.
pub(super) fn said(facts: &[Event]) -> Vec<(String, bool)> {
    let said = facts.iter().filter_map(|e| match e {
        Event::Said { heard, cut, .. } => Some((heard.clone(), *cut)),
        _ => None,
    });
    said.collect()
}

/// How often the line broke, and how often it was back.
pub(super) fn breaks(facts: &[Event]) -> (usize, usize) {
    let (lost, back, _) = counts(facts);
    (lost, back)
}

pub(super) fn greeted(event: &Event) -> bool {
    matches!(event, Event::Said { .. })
}

/// How many frames a greeting has that nothing cuts.
pub(super) async fn whole_greeting(daemon: &Daemon, call: FarCall) -> usize {
    let ear = Ear::of(call);
    daemon.fact(&ear.sid, "the greeting", 0, greeted).await;
    sleep(Duration::from_millis(500)).await;
    ear.caller.hang_up().await.unwrap();
    daemon.ended(&ear.sid).await;
    ear.loud()
}

/// Cuts the line `times` times in the greeting, hears the rest of it each time, then holds one more turn. `whole`:
/// frames of a greeting that nothing cuts.
pub(super) async fn goes_on(daemon: &Daemon, call: FarCall, whole: usize, times: usize) {
    let ear = Ear::of(call);
    let part = whole / (times + 1);
    for cut in 1..=times {
        ear.hears(part * cut).await;
        ear.caller.cut().await.unwrap();
        let back = |e: &Event| matches!(e, Event::MediaBack { .. });
        until("the call goes on", async || {
            let facts = daemon.facts(&ear.sid).await;
            (facts.iter().filter(|e| back(e)).count() == cut).then_some(())
        })
        .await;
    }
    let facts = daemon.fact(&ear.sid, "the greeting to its end", 0, greeted).await;
    let (text, heard, was_cut) = facts
        .iter()
        .find_map(|e| if let Event::Said { text, heard, cut, .. } = e { Some((text, heard, *cut)) } else { None })
        .unwrap();
    assert!(heard == text && !was_cut, "{heard:?} of {text:?}");
    let back_ms =
        facts.iter().filter_map(|e| if let Event::MediaBack { after_ms } = e { Some(*after_ms) } else { None });
    assert!(back_ms.clone().all(|ms| ms < 10_000), "{:?}", back_ms.collect::<Vec<_>>());
    sleep(Duration::from_millis(500)).await;
    // Nothing was left out, and it did not begin anew: each time half a second or so comes twice.
    let (all, again) = (ear.loud(), 40 * times);
    assert!(all + 8 >= whole && all <= whole + again, "{all} frames of {whole}, cut {times} times");

    let seen = facts.len();
    ear.caller.say(question()).await.unwrap();
    let answered = |e: &Event| matches!(e, Event::TurnAnswered { .. });
    daemon.fact(&ear.sid, "an answer on the new line", seen, answered).await;
    ear.hears(all + 20).await;
    ear.caller.hang_up().await.unwrap();
    let (facts, cause) = daemon.ended(&ear.sid).await;
    assert_eq!((cause, counts(&facts)), (EndCause::CallerHungUp, (times, times, 1)), "{facts:#?}");
    let end = ear.ended().await;
    assert_eq!((end.violations, end.clean), (Vec::<String>::new(), true));
}

/// The whole of it for whoever dials so: cut once, cut twice, and never back.
pub(super) async fn resumes(daemon: &Daemon, dial: impl AsyncFn(AfterCut) -> FarCall) {
    let whole = whole_greeting(daemon, dial(AfterCut::GoesOn).await).await;
    assert!(whole > 50, "the greeting is too short to be cut: {whole} frames");
    let cut = async |times: usize| goes_on(daemon, dial(AfterCut::GoesOn).await, whole, times).await;
    join!(cut(1), cut(2));
    let waited = never_back(daemon, dial(AfterCut::Vanishes).await).await;
    assert!(waited >= limits::RESUME_WITHIN, "{waited:?}");
}

/// Nothing is heard of the call any more; how long it was waited for.
pub(super) async fn never_back(daemon: &Daemon, call: FarCall) -> Duration {
    let ear = Ear::of(call);
    ear.hears(20).await;
    let clock = Clock::system();
    let began = clock.now();
    ear.caller.cut().await.unwrap();
    let (facts, cause) = daemon.ended(&ear.sid).await;
    // The carrier's word may be quicker than the broken socket.
    let (_, back, ended) = counts(&facts);
    assert_eq!((cause, back, ended), (EndCause::MediaLost, 0, 1), "{facts:#?}");
    clock.now().since(began)
}
