//! The task of one dialled call: speaks, plays and keeps the clock of the line.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::follow::{Follower, StreamOffer};
use super::network::Uplink;
use super::player::Player;
use super::wire::{self, FromBox, Printer};
use super::{CallEnd, Heard, Order, Played, Side};
use crate::base::audio::{FRAME, LINE_FRAME};
use crate::base::{Clock, Moment, g711};

/// Violations kept word for word.
const VIOLATIONS_MAX: usize = 20;
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

type Socket = WebSocketStream<TcpStream>;

pub(super) async fn run(
    mut socket: Socket,
    offer: StreamOffer,
    mut follower: Follower,
    clock: Clock,
    mut orders: mpsc::Receiver<Order>,
    ear: mpsc::Sender<Heard>,
) {
    let options = &follower.options;
    let stream = super::stream_sid(&options.call_sid);
    let mut line = Line {
        printer: Printer::new(&options.account_sid, &options.call_sid, &stream),
        uplink: Uplink::new(options.network.clone()),
        player: Player::default(),
        speech: VecDeque::new(),
        noise: options.noise.clone().filter(|noise| !noise.is_empty()),
        frame: 0,
        ear,
        end: CallEnd {
            by: Side::Box,
            close_code: None,
            clean: false,
            frames_sent: 0,
            frames_received: 0,
            underruns: 0,
            violations: Vec::new(),
        },
    };
    let cut_at = options.network.cut_after.map(|after| clock.now() + after);
    match line.talk(&mut socket, &offer, clock, &mut orders, cut_at).await {
        Ok(by) => line.end.by = by,
        Err(_) => line.end.by = Side::Network,
    }
    orders.close();
    if line.end.by != Side::Network {
        drop(timeout(CLOSE_WITHIN, close(&mut socket)).await);
    }
    // Dropping the socket without a close frame is what a cut line looks like.
    drop(socket);
    line.end.underruns = line.player.underruns;
    let callback = offer.status_callback().map(str::to_owned);
    if line.end.by == Side::Box || line.end.by == Side::Network {
        line.end.clean = follower.after(offer).await;
    } else {
        line.end.clean = true;
    }
    follower.report_end(callback.as_deref(), &stream).await;
    // The listener may be behind by the whole queue; the end is worth waiting for.
    let Line { ear, end, .. } = line;
    drop(timeout(Duration::from_secs(10), ear.send(Heard::Ended(end))).await);
}

struct Line {
    printer: Printer,
    uplink: Uplink,
    player: Player,
    /// What the caller still has to say, with whom to tell when it is said.
    speech: VecDeque<(VecDeque<i16>, oneshot::Sender<Moment>)>,
    noise: Option<Arc<[i16]>>,
    /// Frames since the stream began.
    frame: u64,
    ear: mpsc::Sender<Heard>,
    end: CallEnd,
}

impl Line {
    /// Until somebody ends the call.
    async fn talk(
        &mut self,
        socket: &mut Socket,
        offer: &StreamOffer,
        clock: Clock,
        orders: &mut mpsc::Receiver<Order>,
        cut_at: Option<Moment>,
    ) -> Result<Side, Error> {
        socket.send(Message::text(Printer::connected())).await?;
        socket.send(Message::text(self.printer.start(&offer.parameters))).await?;
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
            tokio::select! {
                _ = ticks.tick() => {
                    let now = clock.now();
                    if cut_at.is_some_and(|at| now >= at) {
                        return Ok(Side::Network);
                    }
                    self.speak(now);
                    self.play(now, socket).await?;
                }
                () = arrival => {}
                message = socket.next() => match message {
                    Some(Ok(message)) => {
                        if let Some(side) = self.received(clock.now(), message, socket).await? {
                            return Ok(side);
                        }
                    }
                    Some(Err(error)) => return Err(error),
                    None => return Ok(Side::Network),
                },
                order = orders.recv() => match order {
                    Some(Order::Say(pcm, said)) => self.speech.push_back((pcm.into(), said)),
                    Some(Order::Press(digit)) => socket.send(Message::text(self.printer.dtmf(digit))).await?,
                    Some(Order::Raw(text)) => socket.send(Message::text(text)).await?,
                    Some(Order::HangUp) | None => {
                        socket.send(Message::text(self.printer.stop())).await?;
                        return Ok(Side::Caller);
                    }
                },
            }
            let arrived: Vec<String> = self.uplink.arrived(clock.now()).collect();
            for text in arrived {
                socket.send(Message::text(text)).await?;
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
        let mut ulaw = Vec::with_capacity(LINE_FRAME);
        g711::encode_ulaw(&pcm, &mut ulaw);
        let text = self.printer.media(&ulaw, self.frame * 20);
        self.end.frames_sent += 1;
        self.uplink.push(now, text);
    }

    /// Lets the caller hear the next 20 ms.
    async fn play(&mut self, now: Moment, socket: &mut Socket) -> Result<(), Error> {
        let (pcm, from_box, marks) = self.player.play(now);
        let at_ms = self.frame * 20;
        self.frame += 1;
        // A listener that is a minute behind misses frames; the call goes on.
        drop(self.ear.try_send(Heard::Frame(Played { at: now, at_ms, pcm, from_box })));
        for name in marks {
            socket.send(Message::text(self.printer.mark(&name))).await?;
        }
        Ok(())
    }

    async fn received(&mut self, now: Moment, message: Message, socket: &mut Socket) -> Result<Option<Side>, Error> {
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => {
                self.violation("31950: binary frame".to_owned());
                return Ok(None);
            }
            Message::Close(frame) => {
                self.end.close_code = frame.map(|frame| frame.code.into());
                return Ok(Some(Side::Box));
            }
            _ => return Ok(None),
        };
        match wire::parse(&text, self.printer.stream()) {
            Ok(FromBox::Media(ulaw)) => {
                self.end.frames_received += 1;
                self.player.push_sound(now, ulaw);
            }
            Ok(FromBox::Mark(name)) => {
                if let Some(name) = self.player.push_mark(name) {
                    socket.send(Message::text(self.printer.mark(&name))).await?;
                }
            }
            Ok(FromBox::Clear) => {
                let (marks, samples) = self.player.clear();
                drop(self.ear.try_send(Heard::Cleared { at: now, samples }));
                for name in marks {
                    socket.send(Message::text(self.printer.mark(&name))).await?;
                }
            }
            Err(violation) => self.violation(violation.to_string()),
        }
        Ok(None)
    }

    fn violation(&mut self, text: String) {
        if self.end.violations.len() < VIOLATIONS_MAX {
            self.end.violations.push(text);
        }
    }
}

/// Sends our close frame (or the answer to theirs) and waits for the end of the stream.
async fn close(socket: &mut Socket) -> Result<(), Error> {
    drop(socket.close(None).await);
    while let Some(message) = socket.next().await {
        message?;
    }
    Ok(())
}
