//! A caller whom no call can take, on a line that is already open: hears a polite line and the offer to be
//! called back. For transports that cannot give a busy tone.
//! Promise: a caller who is told that it was noted is in the list, on the disk; an apology ends by itself,
//! takes no engine and no place among the calls, and there are never more than
//! [`limits::APOLOGIES_MAX`].

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::info;

use super::leg::{Announcement, Exchange, LegCommand, LegEvent, LegOffer, Refusal};
use super::lines::{BUSY, CALLBACK_FAILED, CALLBACK_KEY, CALLBACK_NOTED, CALLBACK_OFFER, SpokenLines};
use super::transfer::{PersonNews, Seeking};
use crate::base::audio::{FRAME, LINE_FRAME};
use crate::base::event::{AnsweredBy, CallState};
use crate::base::tasks::Scope;
use crate::base::{CallId, Lang, limits};

/// Who is to be told that no line is free.
#[derive(Debug)]
pub struct Apology {
    pub announcement: Announcement,
    pub language: Lang,
    place: OwnedSemaphorePermit,
}

/// The exchange as it is, but for the callers who get an apology instead of a call.
pub struct Apologies {
    exchange: Arc<dyn Exchange>,
    lines: Arc<dyn SpokenLines>,
    tasks: Scope,
    places: Arc<Semaphore>,
    /// Whose leg is about to be offered.
    due: Mutex<HashMap<CallId, Apology>>,
}

impl Apologies {
    pub fn new(exchange: Arc<dyn Exchange>, lines: Arc<dyn SpokenLines>, tasks: Scope) -> Self {
        let places = Arc::new(Semaphore::new(limits::APOLOGIES_MAX));
        Self { exchange, lines, tasks, places, due: Mutex::default() }
    }

    /// An apology for this caller, if the box can say one now. A box that is stopping will not be there to
    /// say it.
    pub fn instead_of(&self, announcement: Announcement, refusal: Refusal) -> Option<Apology> {
        let language = self.exchange.greeting_language(&announcement);
        if refusal == Refusal::Draining || !self.lines.has(language, BUSY) {
            return None;
        }
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Apology { announcement, language, place })
    }

    /// The leg offered next under this id gets the apology.
    pub fn expect(&self, call: CallId, apology: Apology) {
        self.due.lock().unwrap_or_else(PoisonError::into_inner).insert(call, apology);
    }
}

impl Exchange for Apologies {
    fn announce(&self, announcement: Announcement) -> Result<CallId, Refusal> {
        self.exchange.announce(announcement)
    }

    fn connect(&self, offer: LegOffer) -> Result<(), Refusal> {
        let due = self.due.lock().unwrap_or_else(PoisonError::into_inner).remove(&offer.call);
        let Some(apology) = due else { return self.exchange.connect(offer) };
        let (exchange, lines) = (Arc::clone(&self.exchange), Arc::clone(&self.lines));
        self.tasks.spawn("an apology", apologise(exchange, lines, apology, offer));
        Ok(())
    }

    fn named(&self, call: CallId, carrier_call: &str) {
        self.exchange.named(call, carrier_call);
    }

    fn answered_by(&self, carrier_call: &str, who: AnsweredBy) {
        self.exchange.answered_by(carrier_call, who);
    }

    fn goes_to_person(&self, carrier_call: &str) -> Option<Seeking> {
        self.exchange.goes_to_person(carrier_call)
    }

    fn person(&self, carrier_call: &str, news: PersonNews) {
        self.exchange.person(carrier_call, news);
    }

    fn media_over(&self, carrier_call: &str) -> BoxFuture<'static, bool> {
        self.exchange.media_over(carrier_call)
    }

    fn carrier_state(&self, carrier_call: &str, state: CallState) {
        self.exchange.carrier_state(carrier_call, state);
    }

    fn menu(&self, agent: Option<&str>) -> Vec<Lang> {
        self.exchange.menu(agent)
    }

    fn greeting_language(&self, announcement: &Announcement) -> Lang {
        self.exchange.greeting_language(announcement)
    }

    fn wants_callback(&self, announcement: Announcement, language: Lang) -> BoxFuture<'_, bool> {
        self.exchange.wants_callback(announcement, language)
    }
}

/// Says it, within bounds, and hangs up.
async fn apologise(exchange: Arc<dyn Exchange>, lines: Arc<dyn SpokenLines>, apology: Apology, mut offer: LegOffer) {
    let Apology { announcement, language, place } = apology;
    let said = timeout(limits::APOLOGY_LASTS_MAX, say_all(exchange, lines, announcement, language, &mut offer)).await;
    if said.is_err() {
        info!("an apology was cut short");
    }
    drop(offer.commands.send(LegCommand::Hangup).await);
    drop(place);
}

async fn say_all(
    exchange: Arc<dyn Exchange>,
    lines: Arc<dyn SpokenLines>,
    announcement: Announcement,
    lang: Lang,
    offer: &mut LegOffer,
) {
    // Nobody can be called back who does not say from where.
    let may_ask = announcement.from.is_some();
    let mut pcm = lines.pcm(lang, BUSY, None).await.unwrap_or_default();
    if may_ask {
        pcm.extend(lines.pcm(lang, CALLBACK_OFFER, Some(CALLBACK_KEY)).await.unwrap_or_default());
    }
    let heard = match say(offer, &pcm, may_ask).await {
        ControlFlow::Continue(()) if may_ask => wait_for_key(offer).await,
        heard => heard,
    };
    if heard != ControlFlow::Break(Heard::Key) {
        return;
    }
    // The rest of what it asked for need not be heard.
    drop(offer.commands.send(LegCommand::Clear).await);
    let noted = exchange.wants_callback(announcement, lang).await;
    if noted {
        info!("a caller for whom no line was free is to be called back");
    }
    let line = if noted { CALLBACK_NOTED } else { CALLBACK_FAILED };
    let pcm = lines.pcm(lang, line, None).await.unwrap_or_default();
    let _ = say(offer, &pcm, false).await;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Key,
    Gone,
}

/// Plays at the line's pace, and waits until it was played.
async fn say(offer: &mut LegOffer, pcm: &[i16], may_ask: bool) -> ControlFlow<Heard> {
    let mut ticks = interval(FRAME);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut frames = pcm.chunks(LINE_FRAME);
    // Some sound ahead, so that a late tick is not heard.
    let mut ahead = limits::APOLOGY_LEAD_FRAMES;
    loop {
        tokio::select! {
            event = offer.events.recv() => listen(event, may_ask)?,
            _ = ticks.tick() => {
                let mut ended = false;
                for _ in 0..=std::mem::take(&mut ahead) {
                    let Some(frame) = frames.next() else {
                        ended = true;
                        break;
                    };
                    let mut frame = frame.to_vec();
                    frame.resize(LINE_FRAME, 0);
                    if offer.commands.send(LegCommand::Audio(frame)).await.is_err() {
                        return ControlFlow::Break(Heard::Gone);
                    }
                }
                if ended {
                    break;
                }
            }
        }
    }
    drop(offer.commands.send(LegCommand::Mark(1)).await);
    let played = async {
        loop {
            match offer.events.recv().await {
                Some(LegEvent::MarkPlayed(_) | LegEvent::MarkFlushed(_)) => return ControlFlow::Continue(()),
                event => listen(event, may_ask)?,
            }
        }
    };
    // A carrier that gives no marks back has played it by then.
    timeout(limits::MARK_WITHIN * 2, played).await.unwrap_or(ControlFlow::Continue(()))
}

async fn wait_for_key(offer: &mut LegOffer) -> ControlFlow<Heard> {
    let key = async {
        loop {
            listen(offer.events.recv().await, true)?;
        }
    };
    timeout(limits::APOLOGY_KEY_WITHIN, key).await.unwrap_or(ControlFlow::Continue(()))
}

fn listen(event: Option<LegEvent>, may_ask: bool) -> ControlFlow<Heard> {
    match event {
        Some(LegEvent::Dtmf(CALLBACK_KEY)) if may_ask => ControlFlow::Break(Heard::Key),
        Some(LegEvent::Closed(_)) | None => ControlFlow::Break(Heard::Gone),
        Some(_) => ControlFlow::Continue(()),
    }
}
