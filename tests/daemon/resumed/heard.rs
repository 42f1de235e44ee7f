//! What a caller hears of an agent's sentence that is cut, and of the whole one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use vaani::base::event::Event;
use vaani::base::tasks::Scope;
use vaani::telephony::far::{CallEnd, Caller, FarCall, Heard};

use crate::support::{Daemon, question};

/// A caller who listens.
pub(crate) struct Ear {
    pub(crate) caller: Caller,
    pub(crate) id: String,
    /// Milliseconds that came from the box.
    heard: Arc<AtomicUsize>,
    end: Arc<Mutex<Option<CallEnd>>>,
}

impl Ear {
    pub(crate) fn of(mut call: FarCall, tasks: &Scope) -> Self {
        let (heard, end) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<_>>::default());
        let ear = Self {
            caller: call.caller(),
            id: call.carrier_call().to_owned(),
            heard: Arc::clone(&heard),
            end: Arc::clone(&end),
        };
        tasks.spawn("ear", async move {
            while let Some(news) = call.hear().await {
                match news {
                    Heard::Frame(played) => drop(heard.fetch_add(played.from_box / 8, Ordering::Relaxed)),
                    Heard::Cleared { .. } => {}
                    Heard::Ended(over) => *end.lock().unwrap() = Some(over),
                }
            }
        });
        ear
    }

    pub(crate) fn heard_ms(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }

    /// Until so much has been heard.
    pub(crate) async fn hears(&self, ms: usize) {
        let until = Instant::now() + Duration::from_secs(60);
        while self.heard_ms() < ms {
            assert!(Instant::now() < until, "{} of {ms} ms were heard", self.heard_ms());
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// How the line ended, once it has.
    pub(crate) async fn end(&self) -> CallEnd {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(end) = self.end.lock().unwrap().clone() {
                return end;
            }
            assert!(Instant::now() < until, "the line of {} does not end", self.id);
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The whole of what the agent says first, and how long it is, ms.
    pub(crate) async fn greeting(&self, daemon: &Daemon) -> (String, usize) {
        let facts = daemon.fact(&self.id, "a greeting", 0, |e| matches!(e, Event::Said { .. })).await;
        let said = said(&facts);
        assert!(!said[0].1, "{facts:#?}");
        (said[0].0.clone(), self.heard_ms())
    }

    /// The caller asks something and is answered; then they hang up, and the call has ended once.
    pub(crate) async fn another_turn(&self, daemon: &Daemon) -> Vec<Event> {
        let before = daemon.facts(&self.id).await.len();
        self.caller.say(question()).await.unwrap();
        daemon.fact(&self.id, "an answer", before, |e| matches!(e, Event::TurnAnswered { .. })).await;
        self.caller.hang_up().await.unwrap();
        let (facts, cause) = daemon.ended(&self.id).await;
        assert_eq!(cause, vaani::base::event::EndCause::CallerHungUp, "{facts:#?}");
        assert_eq!(self.end().await.violations, Vec::<String>::new());
        facts
    }
}

/// What the agent said, as far as it was heard, and whether it was cut.
pub(crate) fn said(facts: &[Event]) -> Vec<(String, bool)> {
    let said = facts.iter().filter_map(|e| match e {
        Event::Said { heard, cut, .. } => Some((heard.clone(), *cut)),
        _ => None,
    });
    said.collect()
}

/// How often the line broke, and how often it was back.
pub(crate) fn breaks(facts: &[Event]) -> (usize, usize) {
    let count = |like: fn(&Event) -> bool| facts.iter().filter(|e| like(e)).count();
    (count(|e| matches!(e, Event::MediaLost)), count(|e| matches!(e, Event::MediaBack { .. })))
}

/// The caller heard all of it and hardly anything twice, although it was cut so often.
pub(crate) fn heard_on(whole: usize, heard: usize, cuts: usize) {
    // A cut sentence goes on a little before the cut.
    let most = whole + 800 * cuts;
    assert!((whole.saturating_sub(100)..=most).contains(&heard), "{heard} ms of {whole}");
}
