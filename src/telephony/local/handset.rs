//! A handset: a microphone and a speaker at the box's socket.
//! Promise: it ends when the box ends the call, when it is told to hang up, and when its device or the box is
//! gone; a socket that breaks is replaced as long as the call waits for it; whoever watches it is told what happens, and is never waited for.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::sound::Audio;
use super::wire::{Decoder, Message, Start, print, read_proof};
use crate::base::audio::rms;
use crate::base::limits;

/// After the goodbye the box tells how the call ended.
const LAST_NEWS: Duration = Duration::from_secs(3);

/// Told like a fact when the socket broke; `back` follows if all goes well.
const GONE: &str = r#"{"t":"gone"}"#;

/// What whoever holds it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Key(char),
    HangUp,
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// A fact of the call, as JSON; the same that a browser gets.
    Fact(String),
    /// Loudness of the microphone's last frame, root mean square of 16-bit samples.
    Level(f32),
}

/// Why it is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// Whoever held it hung up.
    HungUp,
    /// The box ended the call; the reason is told where it refused it.
    ByBox(String),
    /// The microphone brings nothing any more.
    NoSound,
    /// The box is gone.
    Lost,
}

/// Lifts the handset and holds the call; `box_at` is where its socket came from, to come back to if it breaks.
/// The device is still there afterwards, to be ended by whoever has it.
pub async fn hold(
    socket: UnixStream,
    box_at: &Path,
    start: Start,
    audio: &mut Audio,
    wishes: mpsc::Receiver<Wish>,
    news: mpsc::Sender<News>,
) -> io::Result<Over> {
    let mut call = Call { start, audio, wishes, wishing: true, news };
    let mut over = call.carry(socket).await?;
    while over == Over::Lost && call.start.proof.is_some() {
        let gone = News::Fact(GONE.to_owned());
        let _ = call.news.try_send(gone); // whoever watches may be behind
        over = match call.come_back(box_at).await {
            Ok(socket) => call.carry(socket).await?,
            Err(over) => return Ok(over),
        };
    }
    Ok(over)
}

struct Call<'a> {
    start: Start,
    audio: &'a mut Audio,
    wishes: mpsc::Receiver<Wish>,
    /// Somebody is at the keys.
    wishing: bool,
    news: mpsc::Sender<News>,
}

impl Call<'_> {
    /// One connection, to its end.
    async fn carry(&mut self, mut socket: UnixStream) -> io::Result<Over> {
        let mut outbox = Vec::new();
        print(&Message::Start(self.start.clone()), &mut outbox);
        let mut decoder = Decoder::default();
        let mut piece = vec![0; 4 * 1_024];
        loop {
            let (mut reader, mut writer) = socket.split();
            tokio::select! {
                read = reader.read(&mut piece) => match read {
                    Ok(0) | Err(_) => return Ok(Over::Lost),
                    Ok(length) => {
                        decoder.push(&piece[..length]);
                        while let Some(message) = decoder.take() {
                            if let Message::Over(reason) = message {
                                drop(timeout(LAST_NEWS, last_news(&mut socket, &mut decoder, &self.news)).await);
                                return Ok(Over::ByBox(reason));
                            }
                            self.take(message);
                        }
                    }
                },
                written = writer.write(&outbox), if !outbox.is_empty() => match written {
                    Ok(length) => drop(outbox.drain(..length)),
                    Err(_) => return Ok(Over::Lost),
                },
                frame = self.audio.microphone.recv() => match frame {
                    // A box that takes nothing loses sound, not memory.
                    Some(frame) if outbox.len() < limits::LOCAL_OUTBOX_MAX => {
                        let _ = self.news.try_send(News::Level(rms(&frame)));
                        print(&Message::Sound(frame), &mut outbox);
                    }
                    Some(_) => {}
                    None => {
                        bye(&mut socket, outbox).await;
                        return Ok(Over::NoSound);
                    }
                },
                wish = self.wishes.recv(), if self.wishing => match wish {
                    Some(Wish::Key(key)) => print(&Message::Key(key), &mut outbox),
                    Some(Wish::HangUp) => {
                        bye(&mut socket, outbox).await;
                        return Ok(Over::HungUp);
                    }
                    // Nobody is at the keys: the call goes on without them.
                    None => self.wishing = false,
                },
            }
        }
    }

    /// The box again, as long as the call waits there. What the caller says meanwhile is lost.
    async fn come_back(&mut self, box_at: &Path) -> Result<UnixStream, Over> {
        let attempts = async {
            loop {
                tokio::time::sleep(limits::LOCAL_AGAIN_AFTER).await;
                match UnixStream::connect(box_at).await {
                    Ok(socket) => return Ok(socket),
                    // Nobody is there, and with the daemon its calls are gone.
                    Err(error)
                        if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) =>
                    {
                        return Err(Over::Lost);
                    }
                    Err(_) => {}
                }
            }
        };
        tokio::pin!(attempts);
        let until = tokio::time::Instant::now() + limits::RESUME_WITHIN;
        loop {
            tokio::select! {
                came = &mut attempts => return came,
                () = tokio::time::sleep_until(until) => return Err(Over::Lost),
                frame = self.audio.microphone.recv() => if frame.is_none() {
                    return Err(Over::NoSound);
                },
                wish = self.wishes.recv(), if self.wishing => match wish {
                    Some(Wish::Key(_)) => {}
                    Some(Wish::HangUp) => {
                        // The box would wait for it in vain.
                        if let Ok(mut socket) = UnixStream::connect(box_at).await {
                            let mut words = Vec::new();
                            print(&Message::Start(self.start.clone()), &mut words);
                            bye(&mut socket, words).await;
                        }
                        return Err(Over::HungUp);
                    }
                    None => self.wishing = false,
                },
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            // A speaker that is behind misses a frame; its device counts what it lacks.
            Message::Sound(frame) => {
                let _ = self.audio.speaker.try_send(frame);
            }
            Message::Fact(text) => match read_proof(&text) {
                Some(proof) => self.start.proof = Some(proof),
                None => {
                    let _ = self.news.try_send(News::Fact(text));
                }
            },
            Message::Start(_) | Message::Key(_) | Message::Odd(_) | Message::Over(_) => {}
        }
    }
}

async fn bye(socket: &mut UnixStream, mut outbox: Vec<u8>) {
    print(&Message::Over(String::new()), &mut outbox);
    drop(timeout(limits::LEG_CLOSE_WITHIN, socket.write_all(&outbox)).await);
}

/// Until the box closes.
async fn last_news(socket: &mut UnixStream, decoder: &mut Decoder, news: &mpsc::Sender<News>) {
    let mut piece = vec![0; 4 * 1_024];
    loop {
        while let Some(message) = decoder.take() {
            if let Message::Fact(text) = message {
                let _ = news.try_send(News::Fact(text));
            }
        }
        match socket.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(length) => decoder.push(&piece[..length]),
        }
    }
}
