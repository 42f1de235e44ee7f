//! The pen of one call: whatever happens to it goes through here into the view, to the observers and into
//! the journal.

use std::future::Future;
use std::sync::{Arc, Mutex};

use super::{Registry, View, lock};
use crate::base::event::{CallState, EndCause, Event, Record};
use crate::base::{CallId, Lang, Moment, limits};
use crate::dialogue::tags::Action;
use crate::store::StoreError;

/// The pen of one call: view, journal, observers.
#[derive(Clone)]
pub struct CallRecorder {
    pub(super) registry: Registry,
    pub(super) call: CallId,
    pub(super) view: Arc<Mutex<View>>,
    pub(super) began: Moment,
}

impl CallRecorder {
    pub(super) fn record(&self, event: Event) -> Record {
        let clock = self.registry.0.deps.clock;
        let now = clock.now();
        let call_ms = u64::try_from(now.since(self.began).as_millis()).unwrap_or(u64::MAX);
        Record { call: self.call, unix_ms: clock.unix_ms(now), call_ms, event }
    }

    /// Shows the record to everybody who watches.
    fn show(&self, record: &Record) {
        for observer in &self.registry.0.deps.observers {
            observer(record);
        }
        let mut view = lock(&self.view);
        match &record.event {
            Event::StateChanged { to, .. } => view.state = *to,
            Event::LanguageDetected { language, .. } | Event::LanguageSwitched { to: language, .. } => {
                view.language = Some(*language);
            }
            _ => {}
        }
        if view.events.len() >= limits::VIEW_EVENTS_MAX {
            view.events.pop_front();
        }
        view.events.push_back(record.clone());
    }

    /// What may be kept of a record.
    fn kept(&self, record: Record) -> Record {
        if self.registry.0.deps.keep_words {
            return record;
        }
        Record { event: record.event.without_words(), ..record }
    }

    /// Is what is said on calls kept?
    pub(in crate::call) fn keeps_words(&self) -> bool {
        self.registry.0.deps.keep_words
    }

    pub fn fact(&self, event: Event) {
        let record = self.record(event);
        self.show(&record);
        self.registry.0.deps.journal.append(self.kept(record));
    }

    /// A fact that nobody hears of before it is on the disk; not told if it cannot be kept.
    pub(super) async fn durable_fact(&self, event: Event) -> Result<(), StoreError> {
        let record = self.record(event);
        self.registry.0.deps.journal.append_durable(self.kept(record.clone())).await?;
        self.show(&record);
        Ok(())
    }

    /// Carries an action out: today that means to record it, durably. Shown as done only when it is.
    pub fn act(&self, action: &Action) -> impl Future<Output = bool> + Send + 'static {
        let pen = self.clone();
        let action = action.to_string();
        async move {
            let record = pen.record(Event::Action { action: action.clone(), done: true });
            let journal = pen.registry.0.deps.journal.clone();
            match journal.append_durable(pen.kept(record.clone())).await {
                Ok(()) => {
                    pen.show(&record);
                    true
                }
                Err(error) => {
                    tracing::error!(%error, "an action could not be recorded; the caller is told so");
                    pen.show(&pen.record(Event::Action { action, done: false }));
                    false
                }
            }
        }
    }

    /// The last fact of the call, on the disk when this returns. The change of state comes before it:
    /// nothing may follow the end.
    pub async fn end(&self, event: Event) {
        if let Event::CallEnded { outcome, .. } = &event {
            self.registry.change_state(self.call, *outcome);
            let bill = lock(&self.view).bill.clone();
            if !bill.is_empty() {
                self.fact(Event::CallCost(Box::new((self.registry.0.deps.prices)(self.call, &bill))));
            }
        }
        if let Event::CallEnded { outcome, cause, .. } = &event {
            let mut view = lock(&self.view);
            view.cause = Some(*cause);
            view.state = *outcome;
            let clock = self.registry.0.deps.clock;
            view.ended_unix_ms = Some(clock.unix_ms(clock.now()));
        }
        let record = self.record(event);
        self.show(&record);
        let journal = &self.registry.0.deps.journal;
        if let Err(error) = journal.append_durable(self.kept(record)).await {
            if journal.waits_for(self.call) {
                tracing::debug!(call = %self.call, %error, "the end of a call waits to be recorded");
            } else {
                tracing::error!(call = %self.call, %error, "the end of a call could not be recorded");
            }
        }
    }

    pub async fn end_as(&self, outcome: CallState, cause: EndCause) {
        let duration_ms = self.record(Event::FalseBargeIn { turn: 0 }).call_ms;
        self.end(Event::CallEnded { outcome, cause, duration_ms, turns: 0 }).await;
    }

    pub async fn ended_unexpectedly(&self, cause: EndCause) {
        self.end_as(CallState::Failed, cause).await;
        self.over(CallState::Failed, cause);
    }

    pub fn language(&self) -> Option<Lang> {
        lock(&self.view).language
    }

    /// Leaves the registry; the place is free again. The words are forgotten with the call unless
    /// they may be kept.
    pub fn over(&self, outcome: CallState, _cause: EndCause) {
        self.registry.change_state(self.call, outcome);
        self.registry.forget_persons(self.call);
        let Some(mut live) = lock(&self.registry.0.calls).shift_remove(&self.call) else { return };
        let mut view = lock(&self.view).clone();
        if !self.registry.0.deps.keep_words {
            for record in &mut view.events {
                record.event = record.event.clone().without_words();
            }
        }
        lock(&self.registry.0.by_carrier).remove(&view.carrier_call);
        let mut ended = lock(&self.registry.0.ended);
        if ended.len() >= limits::ENDED_CALLS_SHOWN {
            ended.pop_front();
        }
        ended.push_back((view.carrier_call.clone(), view));
        drop(ended);
        drop(live.place.take());
    }
}
