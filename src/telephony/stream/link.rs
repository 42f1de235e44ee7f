//! The leg's end of the channels between a transport and its call.
//! Promise: events reach the call in order; a call that does not take them loses its oldest audio and
//! nothing else.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::warn;

use crate::base::{CallId, Lang, limits};
use crate::telephony::leg::{Exchange, LegCommand, LegEvent, LegOffer, Refusal};

/// The call a leg carries.
pub struct Link {
    call: CallId,
    events: mpsc::Sender<LegEvent>,
    /// Events the channel had no room for.
    backlog: VecDeque<LegEvent>,
    commands: mpsc::Receiver<LegCommand>,
}

/// What the call's side has for us.
pub enum Wake {
    Commands,
    CallGone,
    /// One event of the backlog went over.
    Delivered,
}

impl Link {
    /// Offers a leg for an announced call to the exchange.
    pub fn offer(exchange: &dyn Exchange, call: CallId, language: Option<Lang>) -> Result<Self, Refusal> {
        Self::offer_ahead(exchange, call, language, limits::PLAYOUT_LEAD)
    }

    /// The same for a leg that wants sound so far ahead of real time.
    pub fn offer_ahead(
        exchange: &dyn Exchange,
        call: CallId,
        language: Option<Lang>,
        lead: Duration,
    ) -> Result<Self, Refusal> {
        let (events, leg_events) = mpsc::channel(limits::LEG_EVENTS_QUEUE);
        let (leg_commands, commands) = mpsc::channel(limits::LEG_COMMANDS_QUEUE);
        exchange.connect(LegOffer { call, language, lead, events: leg_events, commands: leg_commands })?;
        Ok(Self { call, events, backlog: VecDeque::new(), commands })
    }

    pub const fn call(&self) -> CallId {
        self.call
    }

    /// Is there anything the call has not taken yet?
    pub fn is_behind(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// For a call that is behind when its leg has ended; it has a bounded time to take the rest.
    pub async fn deliver_rest(self) {
        let Self { call, events, backlog, .. } = self;
        let rest = async {
            for event in backlog {
                if events.send(event).await.is_err() {
                    break; // nobody listens any more
                }
            }
        };
        if timeout(limits::LEG_CLOSE_WITHIN, rest).await.is_err() {
            warn!(%call, "the call did not take its last events");
        }
    }

    /// Hands an event over, or keeps it in order; says how many frames of audio had to go for it.
    pub fn deliver(&mut self, event: LegEvent) -> u64 {
        if self.backlog.is_empty() {
            match self.events.try_send(event) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => return 0,
                Err(mpsc::error::TrySendError::Full(event)) => self.backlog.push_back(event),
            }
        } else {
            self.backlog.push_back(event);
        }
        let is_audio = |event: &LegEvent| matches!(event, LegEvent::Audio { .. });
        if self.backlog.len() <= limits::LEG_EVENTS_QUEUE {
            return 0;
        }
        match self.backlog.iter().position(is_audio) {
            Some(oldest) => {
                self.backlog.remove(oldest);
                1
            }
            // Marks and keys only: the oldest of them is long past mattering.
            None => {
                self.backlog.pop_front();
                0
            }
        }
    }
}

/// Waits for the call: commands, its end, or room for the backlog. Nothing is lost if dropped.
pub async fn attend(call: &mut Option<Link>, commands: &mut Vec<LegCommand>) -> Wake {
    let Some(link) = call else { return std::future::pending().await };
    tokio::select! {
        count = link.commands.recv_many(commands, 32) => if count == 0 { Wake::CallGone } else { Wake::Commands },
        room = link.events.reserve(), if !link.backlog.is_empty() => {
            match (room, link.backlog.pop_front()) {
                (Ok(room), Some(event)) => room.send(event),
                _ => link.backlog.clear(), // nobody listens any more
            }
            Wake::Delivered
        }
    }
}
