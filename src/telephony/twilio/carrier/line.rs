//! Media Streams on a dialled line, and what the carrier does when the stream is over.

use super::follow::{Follower, Next, StreamOffer};
use super::wire::{self, Printer};
use crate::base::{Clock, g711};
use crate::telephony::far::{FarWire, FromBox, Line, Side, Socket};
use crate::telephony::stream::Frame;

/// Streams that one call may have after its first.
const STREAMS_MAX: u32 = 8;

pub(super) struct MediaStream {
    printer: Printer,
    /// The `<Parameter>`s to repeat in `start`.
    parameters: Vec<(String, String)>,
    ulaw: Vec<u8>,
}

impl MediaStream {
    pub(super) const fn new(printer: Printer, parameters: Vec<(String, String)>) -> Self {
        Self { printer, parameters, ulaw: Vec::new() }
    }
}

impl FarWire for MediaStream {
    fn opening(&mut self) -> Vec<Frame> {
        vec![Frame::Text(Printer::connected()), Frame::Text(self.printer.start(&self.parameters))]
    }

    fn sound(&mut self, pcm: &[i16], at_ms: u64) -> Option<Frame> {
        self.ulaw.clear();
        g711::encode_ulaw(pcm, &mut self.ulaw);
        Some(Frame::Text(self.printer.media(&self.ulaw, at_ms)))
    }

    fn key(&mut self, digit: char) -> Option<Frame> {
        Some(Frame::Text(self.printer.dtmf(digit)))
    }

    fn mark(&mut self, name: &str) -> Option<Frame> {
        Some(Frame::Text(self.printer.mark(name)))
    }

    fn hang_up(&mut self) -> Option<Frame> {
        Some(Frame::Text(self.printer.stop()))
    }

    fn read(&mut self, frame: &Frame) -> Result<FromBox, String> {
        let Frame::Text(text) = frame else { return Err("31950: binary frame".to_owned()) };
        match wire::parse(text, self.printer.stream()) {
            Ok(wire::FromBox::Media(ulaw)) => Ok(FromBox::Sound(g711::decode_ulaw(&ulaw))),
            Ok(wire::FromBox::Mark(name)) => Ok(FromBox::Mark(name)),
            Ok(wire::FromBox::Clear) => Ok(FromBox::Clear),
            Err(violation) => Err(violation.to_string()),
        }
    }
}

/// The whole call from the open socket on.
pub(super) async fn run(
    mut line: Line<MediaStream>,
    socket: Socket,
    offer: StreamOffer,
    mut follower: Follower,
    clock: Clock,
) {
    let (mut socket, mut offer, mut streams) = (socket, offer, 0);
    let clean = loop {
        let by = line.carry_stream(socket, clock).await;
        // A caller who hung up follows no more TwiML.
        if let Some(told) = line.gone_with(by) {
            if !told {
                return line.over(false).await;
            }
            break by == Side::Caller;
        }
        offer = match follower.after(&mut offer).await {
            Ok(Next::Stream(next)) if streams < STREAMS_MAX => *next,
            Ok(Next::HungUp) => break true,
            Ok(Next::Stream(_) | Next::Rejected(_)) | Err(_) => break false,
        };
        streams += 1;
        let Ok(opened) = follower.open(&offer).await else { break false };
        socket = opened;
        line.go_on(MediaStream::new(follower.options.printer(streams), offer.parameters.clone()));
    };
    let stream = super::stream_sid(&follower.options.call_sid, streams);
    follower.report_end(offer.status_callback(), &stream).await;
    line.over(clean).await;
}
