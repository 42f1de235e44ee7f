//! The other side of the socket: a handset whose microphone is a synthetic caller's voice. Rehearsals and
//! fault tests use it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UnixStream;

use super::wire::{Decoder, Message, Start, printed, read_proof};
use crate::base::audio::LINE_FRAME;
use crate::base::tasks::Scope;
use crate::base::{CallId, Clock, Lang, limits};
use crate::telephony::audiosocket::carrier::Packets;
use crate::telephony::far::{FarCall, FarWire, FromBox, Line, LineOptions, Network, Side};
use crate::telephony::stream::Frame;

/// Whom to call, and as whom.
#[derive(Clone, Debug)]
pub struct DialOptions {
    pub socket: PathBuf,
    pub agent: Option<String>,
    pub language: Option<Lang>,
    pub network: Network,
    /// Sound behind the caller's voice, 8 kHz, repeated for as long as the call lasts.
    pub noise: Option<Arc<[i16]>>,
}

#[derive(Debug, thiserror::Error)]
#[error("no connection to the handsets' socket {socket}")]
pub struct DialError {
    socket: PathBuf,
    source: std::io::Error,
}

impl DialOptions {
    pub fn new(socket: PathBuf) -> Self {
        Self { socket, agent: None, language: None, network: Network::default(), noise: None }
    }

    /// Lifts the handset. It is a headset: what it hears is not what it says.
    pub async fn dial(self, tasks: &Scope, clock: Clock) -> Result<FarCall, DialError> {
        let Self { socket, agent, language, network, noise } = self;
        let stream = UnixStream::connect(&socket).await;
        let stream = stream.map_err(|source| DialError { socket: socket.clone(), source })?;
        let name = format!("handset-{}", CallId::new());
        let start = Start { name: name.clone(), agent, language, full_duplex: true, proof: None };
        let proof = Arc::new(Mutex::new(None));
        let handset = Handset { start: start.clone(), proof: Arc::clone(&proof), held: Some(Vec::new()) };
        let (mut line, far) = Line::new(handset, &name, LineOptions { network, noise });
        tasks.spawn("handset's line", async move {
            let mut by = line.carry_stream(Packets::new(stream), clock).await;
            let clean = loop {
                match line.gone_with(by) {
                    _ if by == Side::Box => break true,
                    Some(tells) => break tells,
                    None => {}
                }
                if line.hold(limits::LOCAL_AGAIN_AFTER).await {
                    break true;
                }
                let shown = proof.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let Ok(stream) = UnixStream::connect(&socket).await else { break false };
                let start = Start { proof: shown, ..start.clone() };
                line.go_on(Handset { start, proof: Arc::clone(&proof), held: Some(Vec::new()) });
                by = line.carry_stream(Packets::new(stream), clock).await;
            };
            line.over(clean).await;
        });
        Ok(far)
    }
}

struct Handset {
    start: Start,
    /// What the box told it to show if it has to come back.
    proof: Arc<Mutex<Option<String>>>,
    /// What the speaker holds back before it begins; `None` once it plays.
    held: Option<Vec<i16>>,
}

/// Samples that the speaker holds back.
const HELD_BACK: usize = limits::LOCAL_SPEAKER_BUFFER.as_millis() as usize * 8;

impl FarWire for Handset {
    fn opening(&mut self) -> Vec<Frame> {
        vec![Frame::Binary(printed(&Message::Start(self.start.clone())))]
    }

    fn sound(&mut self, pcm: &[i16], _: u64) -> Option<Frame> {
        let mut frame = [0; LINE_FRAME];
        let length = pcm.len().min(LINE_FRAME);
        frame[..length].copy_from_slice(&pcm[..length]);
        Some(Frame::Binary(printed(&Message::Sound(frame))))
    }

    fn key(&mut self, digit: char) -> Option<Frame> {
        Some(Frame::Binary(printed(&Message::Key(digit))))
    }

    fn mark(&mut self, _: &str) -> Option<Frame> {
        None
    }

    fn hang_up(&mut self) -> Option<Frame> {
        Some(Frame::Binary(printed(&Message::Over(String::new()))))
    }

    fn read(&mut self, frame: &Frame) -> Result<FromBox, String> {
        let Frame::Binary(bytes) = frame else { return Err("words".to_owned()) };
        let mut decoder = Decoder::default();
        decoder.push(bytes);
        match decoder.take() {
            Some(Message::Sound(pcm)) => {
                let Some(held) = &mut self.held else { return Ok(FromBox::Sound(pcm.to_vec())) };
                held.extend(pcm);
                if held.len() < HELD_BACK {
                    return Ok(FromBox::Nothing);
                }
                Ok(FromBox::Sound(self.held.take().unwrap_or_default()))
            }
            Some(Message::Fact(text)) => {
                if let Some(proof) = read_proof(&text) {
                    *self.proof.lock().unwrap_or_else(PoisonError::into_inner) = Some(proof);
                }
                Ok(FromBox::Nothing)
            }
            other => Err(format!("not for a handset: {other:?}")),
        }
    }
}
