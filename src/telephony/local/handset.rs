//! A handset: a microphone and a speaker at the box's socket.
//! Promise: it ends when the box ends the call, when it is told to hang up, and when its device or the box is
//! gone; whoever watches it is told what happens, and is never waited for.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::sound::Audio;
use super::wire::{Decoder, Message, Start, print};
use crate::base::audio::rms;
use crate::base::limits;

/// After the goodbye the box tells how the call ended.
const LAST_NEWS: Duration = Duration::from_secs(3);

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

/// Lifts the handset and holds the call. The device is still there afterwards, to be ended by whoever has it.
pub async fn hold(
    mut socket: UnixStream,
    start: Start,
    audio: &mut Audio,
    mut wishes: mpsc::Receiver<Wish>,
    news: mpsc::Sender<News>,
) -> io::Result<Over> {
    let mut outbox = Vec::new();
    print(&Message::Start(start), &mut outbox);
    let mut decoder = Decoder::default();
    let mut piece = vec![0; 4 * 1_024];
    let mut wishing = true;
    loop {
        let (mut reader, mut writer) = socket.split();
        tokio::select! {
            read = reader.read(&mut piece) => match read {
                Ok(0) | Err(_) => return Ok(Over::Lost),
                Ok(length) => {
                    decoder.push(&piece[..length]);
                    while let Some(message) = decoder.take() {
                        if let Message::Over(reason) = message {
                            drop(timeout(LAST_NEWS, last_news(&mut socket, &mut decoder, &news)).await);
                            return Ok(Over::ByBox(reason));
                        }
                        take(message, audio, &news);
                    }
                }
            },
            written = writer.write(&outbox), if !outbox.is_empty() => {
                let length = written?;
                outbox.drain(..length);
            }
            frame = audio.microphone.recv() => match frame {
                // A box that takes nothing loses sound, not memory.
                Some(frame) if outbox.len() < limits::LOCAL_OUTBOX_MAX => {
                    let _ = news.try_send(News::Level(rms(&frame)));
                    print(&Message::Sound(frame), &mut outbox);
                }
                Some(_) => {}
                None => {
                    bye(&mut socket, outbox).await;
                    return Ok(Over::NoSound);
                }
            },
            wish = wishes.recv(), if wishing => match wish {
                Some(Wish::Key(key)) => print(&Message::Key(key), &mut outbox),
                Some(Wish::HangUp) => {
                    bye(&mut socket, outbox).await;
                    return Ok(Over::HungUp);
                }
                // Nobody is at the keys: the call goes on without them.
                None => wishing = false,
            },
        }
    }
}

fn take(message: Message, audio: &Audio, news: &mpsc::Sender<News>) {
    match message {
        // A speaker that is behind misses a frame; its device counts what it lacks.
        Message::Sound(frame) => {
            let _ = audio.speaker.try_send(frame);
        }
        Message::Fact(text) => {
            let _ = news.try_send(News::Fact(text));
        }
        Message::Start(_) | Message::Key(_) | Message::Odd(_) | Message::Over(_) => {}
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
