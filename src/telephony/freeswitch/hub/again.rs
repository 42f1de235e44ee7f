//! Channels whose media stream broke: it is asked for again, over whichever event socket knows the channel.
//! The modules do not connect again by themselves, and keep what is left of the broken stream until it is
//! stopped.
//! Promise: only a call that waits for its media gets another stream, [`limits::FREESWITCH_AGAIN_MAX`] times
//! at most; a call that waits no longer takes its channel with it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::{Hub, Stream, Told};
use crate::base::event::CallState;
use crate::base::limits;
use crate::telephony::freeswitch::esl::{Command, Esl, Reply};

/// Whether the stream has come is looked for so often.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What may be done for a channel.
enum Next {
    Ask(Esl, Stream),
    /// It has ended meanwhile, and the exchange knows; or another stream of the dial plan's came.
    Nothing,
    /// Nobody may ask, or it was asked for too often.
    GiveUp,
}

impl Hub {
    /// The stream of this leg broke; the caller may still be there.
    pub fn lost(self: &Arc<Self>, channel: &str, number: u64) {
        {
            let mut channels = self.channels();
            let Some(known) = channels.get_mut(channel).filter(|known| known.number == number) else { return };
            known.leg = None;
            if known.handed_on {
                channels.remove(channel);
                return;
            }
            if known.own.is_none() && self.kept.get().is_none() {
                debug!("no event socket is configured, so nobody can ask for the stream again");
                channels.remove(channel);
                return;
            }
            if std::mem::replace(&mut known.asking, true) {
                return;
            }
        }
        self.tasks.spawn("a stream that broke", Arc::clone(self).again(channel.to_owned()));
    }

    /// The module says that a stream of this channel is over; `failed`: it did not come about.
    pub(super) fn dropped(&self, channel: &str, failed: bool) {
        if let Some(known) = self.channels().get_mut(channel) {
            known.failed |= failed && known.leg.is_none();
            if let Some(leg) = &known.leg {
                let _ = leg.try_send(Told::Dropped); // a leg that takes no news is at its end
            }
        }
    }

    async fn again(self: Arc<Self>, channel: String) {
        while self.exchange.media_over(&channel).await {
            let (esl, stream) = match self.next(&channel) {
                Next::Ask(esl, stream) => (esl, stream),
                Next::Nothing => return,
                Next::GiveUp => {
                    warn!(transport = "freeswitch", "a media stream does not come back; hanging up");
                    self.exchange.carrier_state(&channel, CallState::Failed);
                    break;
                }
            };
            if self.bring_back(&esl, &channel, stream).await {
                info!(transport = "freeswitch", call = %stream.admitted.call, "a media stream is back");
                return;
            }
            tokio::select! {
                () = self.tasks.stopped() => break,
                () = sleep(limits::FREESWITCH_AGAIN_PAUSE) => {}
            }
            if !self.is_without_leg(&channel) {
                return;
            }
        }
        // Without a leg nobody else ends it.
        if self.is_without_leg(&channel) {
            self.leave(&channel, "NORMAL_CLEARING");
        }
    }

    /// Must somebody see to this channel? If not, nobody is asking for its stream any more.
    fn is_without_leg(&self, channel: &str) -> bool {
        let mut channels = self.channels();
        let Some(known) = channels.get_mut(channel) else { return false };
        known.asking = known.leg.is_none();
        known.asking
    }

    fn next(&self, channel: &str) -> Next {
        let mut channels = self.channels();
        let Some(known) = channels.get_mut(channel) else { return Next::Nothing };
        if known.leg.is_some() {
            known.asking = false;
            return Next::Nothing;
        }
        let esl = known.own.as_ref().or(self.kept.get()).cloned();
        match (esl, known.stream) {
            (Some(esl), Some(stream)) if known.asked < limits::FREESWITCH_AGAIN_MAX => {
                known.asked += 1;
                Next::Ask(esl, stream)
            }
            _ => Next::GiveUp,
        }
    }

    /// Asks for the stream; true once a leg has it.
    async fn bring_back(&self, esl: &Esl, channel: &str, stream: Stream) -> bool {
        let before = self.channels().get(channel).map_or(0, |known| known.number);
        // Most often there is something left to stop, and a second stream of that name would be refused.
        let stop = Command::StopStream { channel: channel.to_owned(), module: stream.module };
        drop(esl.ask(&stop).await);
        // What was said of the stream before says nothing of the next.
        if let Some(known) = self.channels().get_mut(channel) {
            known.failed = false;
        }
        let (reply, token) = self.ask_stream(esl, channel, stream).await;
        if !matches!(reply, Reply::Ok(_)) {
            debug!(?reply, "FreeSWITCH opened no media stream");
        }
        let until = self.clock.now() + limits::STREAM_START_WITHIN;
        let mut waits = matches!(reply, Reply::Ok(_));
        while waits && self.clock.now() < until && !self.tasks.is_stopping() {
            sleep(LOOK_EVERY).await;
            let mut channels = self.channels();
            match channels.get_mut(channel) {
                Some(known) if known.number != before => {
                    // One that broke at once is asked for again.
                    known.asking = known.leg.is_none();
                    return !known.asking;
                }
                Some(known) => waits = !known.failed,
                None => waits = false,
            }
        }
        if let Some(token) = token {
            // Whoever comes with it now comes too late.
            drop(self.redeem(token.expose()));
        }
        false
    }
}
