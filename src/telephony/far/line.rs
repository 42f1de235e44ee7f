//! The task of one dialled call: speaks, plays and keeps the clock of the line.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::call::{CallEnd, Ends, FarCall, Heard, Order, Played, Side};
use super::network::{AfterCut, Network, Uplink};
use super::player::Player;
use super::wire::{FarWire, FromBox};
use crate::base::audio::{FRAME, LINE_FRAME};
use crate::base::{Clock, Moment};
use crate::telephony::stream::Frame;

/// Violations kept word for word.
const VIOLATIONS_MAX: usize = 20;
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// The listener may be behind by the whole queue; the end is worth waiting for.
const END_HEARD_WITHIN: Duration = Duration::from_secs(10);

/// What the line is like.
#[derive(Clone, Debug, Default)]
pub struct LineOptions {
    pub network: Network,
    /// Sound behind the caller's voice, 8 kHz, repeated for as long as the call lasts.
    pub noise: Option<Arc<[i16]>>,
}

/// One call's line, on which a carrier's messages travel.
pub struct Line<W> {
    wire: W,
    uplink: Uplink<Frame>,
    player: Player,
    cut_after: Option<Duration>,
    after_cut: AfterCut,
    /// What the caller still has to say, with whom to tell when it is said.
    speech: VecDeque<(VecDeque<i16>, oneshot::Sender<Moment>)>,
    noise: Option<Arc<[i16]>>,
    /// Frames since the stream began.
    frame: u64,
    orders: mpsc::Receiver<Order>,
    ear: mpsc::Sender<Heard>,
    end: CallEnd,
}

impl<W: FarWire> Line<W> {
    /// A line and the call on it, under the carrier's own id of the call.
    pub fn new(wire: W, carrier_call: &str, options: LineOptions) -> (Self, FarCall) {
        let (call, Ends { orders, ear }) = FarCall::new(carrier_call);
        let end = CallEnd {
            by: Side::Box,
            close_code: None,
            clean: false,
            frames_sent: 0,
            frames_received: 0,
            underruns: 0,
            violations: Vec::new(),
        };
        let line = Self {
            wire,
            cut_after: options.network.cut_after,
            after_cut: options.network.after_cut,
            uplink: Uplink::new(options.network),
            player: Player::default(),
            speech: VecDeque::new(),
            noise: options.noise.filter(|noise| !noise.is_empty()),
            frame: 0,
            orders,
            ear,
            end,
        };
        (line, call)
    }

    /// Carries the call until somebody ends it, and closes the socket in that side's way.
    pub async fn carry<S>(&mut self, socket: S, clock: Clock) -> Side
    where
        S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin,
    {
        let by = self.carry_stream(socket, clock).await;
        self.orders.close();
        by
    }

    /// Carries one stream of a call that may go on after it.
    pub async fn carry_stream<S>(&mut self, mut socket: S, clock: Clock) -> Side
    where
        S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin,
    {
        let by = self.talk(&mut socket, clock).await.unwrap_or(Side::Network);
        if by != Side::Network {
            drop(timeout(CLOSE_WITHIN, close(&mut socket)).await);
        }
        // Dropping the socket without a close frame is what a cut line looks like.
        drop(socket);
        self.end.by = by;
        self.end.underruns = self.player.underruns;
        by
    }

    /// The call goes on without the box for so long, or until the caller hangs up; true then.
    pub async fn hold(&mut self, at_most: Duration) -> bool {
        let hung_up = async {
            loop {
                match self.orders.recv().await {
                    // Nobody of ours hears it.
                    Some(Order::Say(..) | Order::Press(_) | Order::Raw(_) | Order::Cut) => {}
                    Some(Order::HangUp) | None => return,
                }
            }
        };
        timeout(at_most, hung_up).await.is_ok()
    }

    /// What becomes of the call now that its stream was ended by this side; `None`: the carrier goes on with it.
    /// Else whether the carrier tells that it is over.
    pub fn gone_with(&self, by: Side) -> Option<bool> {
        match (by, self.after_cut) {
            (Side::Box, _) | (Side::Network, AfterCut::GoesOn) => None,
            (Side::Caller, _) | (Side::Network, AfterCut::HangsUp) => Some(true),
            (Side::Network, AfterCut::Vanishes) => Some(false),
        }
    }

    /// The next stream of the same call.
    pub fn go_on(&mut self, wire: W) {
        self.wire = wire;
        self.uplink.lose();
        // Marks of the stream before mean nothing to this one.
        self.player.clear(false);
        self.speech.clear();
        self.frame = 0;
    }

    /// Tells the listener that the call is over. `clean`: the box wants the call to end here.
    pub async fn over(self, clean: bool) {
        let Self { ear, mut end, .. } = self;
        end.clean = clean;
        drop(timeout(END_HEARD_WITHIN, ear.send(Heard::Ended(end))).await);
    }

    /// Until somebody ends the call.
    async fn talk<S>(&mut self, socket: &mut S, clock: Clock) -> Result<Side, Error>
    where
        S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin,
    {
        let cut_at = self.cut_after.map(|after| clock.now() + after);
        for frame in self.wire.opening() {
            socket.send(message(frame)).await?;
        }
        let mut ticks = interval(FRAME);
        // A late tick is made up for: the line's clock does not wait for us.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            let next_arrival = self.uplink.next_arrival();
            let arrival = async {
                match next_arrival {
                    Some(at) => sleep_until(clock.instant(at).into()).await,
                    None => std::future::pending().await,
                }
            };
            let mut answers = Vec::new();
            tokio::select! {
                _ = ticks.tick() => {
                    let now = clock.now();
                    if cut_at.is_some_and(|at| now >= at) {
                        return Ok(Side::Network);
                    }
                    self.speak(now);
                    answers = self.play(now);
                }
                () = arrival => {}
                message = socket.next() => match message {
                    Some(Ok(Message::Close(frame))) => {
                        self.end.close_code = frame.map(|frame| frame.code.into());
                        return Ok(Side::Box);
                    }
                    Some(Ok(Message::Text(text))) => {
                        answers = self.received(clock.now(), &Frame::Text(text.as_str().to_owned()));
                    }
                    Some(Ok(Message::Binary(bytes))) => {
                        answers = self.received(clock.now(), &Frame::Binary(bytes.into()));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                    None => return Ok(Side::Network),
                },
                order = self.orders.recv() => match order {
                    Some(Order::Say(pcm, said)) => self.speech.push_back((pcm.into(), said)),
                    Some(Order::Press(digit)) => answers.extend(self.wire.key(digit)),
                    Some(Order::Raw(text)) => answers.push(Frame::Text(text)),
                    Some(Order::Cut) => return Ok(Side::Network),
                    Some(Order::HangUp) | None => {
                        if let Some(frame) = self.wire.hang_up() {
                            socket.send(message(frame)).await?;
                        }
                        return Ok(Side::Caller);
                    }
                },
            }
            answers.extend(self.uplink.arrived(clock.now()));
            for frame in answers {
                socket.send(message(frame)).await?;
            }
        }
    }

    /// Puts the caller's next 20 ms on the way.
    fn speak(&mut self, now: Moment) {
        let mut pcm = [0_i16; LINE_FRAME];
        let mut filled = 0;
        while filled < LINE_FRAME {
            let Some((samples, _)) = self.speech.front_mut() else { break };
            let take = samples.len().min(LINE_FRAME - filled);
            for (to, from) in pcm[filled..].iter_mut().zip(samples.drain(..take)) {
                *to = from;
            }
            filled += take;
            if samples.is_empty()
                && let Some((_, said)) = self.speech.pop_front()
            {
                let _ = said.send(now); // nobody may be waiting for it
            }
        }
        if let Some(noise) = &self.noise {
            let from = usize::try_from(self.frame).unwrap_or(0).wrapping_mul(LINE_FRAME);
            for (i, sample) in pcm.iter_mut().enumerate() {
                *sample = sample.saturating_add(noise[(from.wrapping_add(i)) % noise.len()]);
            }
        }
        if let Some(frame) = self.wire.sound(&pcm, self.frame * 20) {
            self.end.frames_sent += 1;
            self.uplink.push(now, frame);
        }
    }

    /// Lets the caller hear the next 20 ms; what goes back to the box.
    fn play(&mut self, now: Moment) -> Vec<Frame> {
        let (pcm, from_box, marks) = self.player.play(now);
        let at_ms = self.frame * 20;
        self.frame += 1;
        // A listener that is a minute behind misses frames; the call goes on.
        drop(self.ear.try_send(Heard::Frame(Played { at: now, at_ms, pcm, from_box })));
        marks.iter().filter_map(|name| self.wire.mark(name)).collect()
    }

    fn received(&mut self, now: Moment, frame: &Frame) -> Vec<Frame> {
        match self.wire.read(frame) {
            Ok(FromBox::Sound(pcm)) => {
                self.end.frames_received += 1;
                self.player.push_sound(now, pcm);
            }
            Ok(FromBox::Mark(name)) => {
                if let Some(name) = self.player.push_mark(name) {
                    return self.wire.mark(&name).into_iter().collect();
                }
            }
            Ok(FromBox::Clear) => {
                let (marks, samples) = self.player.clear(self.wire.plays_begun_piece_out());
                drop(self.ear.try_send(Heard::Cleared { at: now, samples }));
                if self.wire.gives_cleared_marks_back() {
                    return marks.iter().filter_map(|name| self.wire.mark(name)).collect();
                }
            }
            Ok(FromBox::Nothing) => {}
            Err(violation) => {
                if self.end.violations.len() < VIOLATIONS_MAX {
                    self.end.violations.push(violation);
                }
            }
        }
        Vec::new()
    }
}

fn message(frame: Frame) -> Message {
    match frame {
        Frame::Text(text) => Message::text(text),
        Frame::Binary(bytes) => Message::binary(bytes),
    }
}

/// Sends our close frame (or the answer to theirs) and waits for the end of the stream.
async fn close<S>(socket: &mut S) -> Result<(), Error>
where
    S: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Unpin,
{
    drop(socket.close().await);
    while let Some(message) = socket.next().await {
        message?;
    }
    Ok(())
}
