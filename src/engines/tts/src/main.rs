//! vaani's text-to-speech worker: Piper voices through ONNX Runtime, and espeak-ng.
//!
//! Promise: the first message says ready or why not; every request ends in exactly one `Spoken` or
//! failure; sound streams clause by clause in frames of at most 200 ms; a cancelled request says no
//! more than the frame it is at; one thread owns espeak-ng. No text is logged. Absent on purpose:
//! numbers and dates into words, caching, playing.
//!
//! This program is GPL-3.0-or-later because espeak-ng is linked into it; it shares nothing with the
//! daemon but the socket and the protocol.

mod clause;
mod espeak;
mod language;
mod name;
mod piper;
mod runtime;
mod settings;
mod sound;
mod speak;

use std::process::ExitCode;

use vaani_engine_protocol::desk::{self, Desk, Fail, Room, Sorted};
use vaani_engine_protocol::worker::{self, Stopwatch, Teller};
use vaani_engine_protocol::{Ask, Ready, Speak, Tell};

use espeak::Espeak;
use piper::Voices;
use settings::Settings;
use speak::Studio;

/// Texts waiting for a slot; beyond it the daemon hears `Overloaded`.
const ROOM: Room = Room { requests: 256, bytes: 4 << 20 };

fn main() -> ExitCode {
    desk::quiet_panics();
    let stream = match worker::socket() {
        Ok(stream) => stream,
        Err(error) => {
            eprintln!("standard input is not the daemon's socket: {error}");
            return ExitCode::from(2);
        }
    };
    let teller = match stream.try_clone() {
        Ok(clone) => Teller::new(clone),
        Err(error) => {
            eprintln!("the daemon's socket cannot be shared: {error}");
            return ExitCode::from(2);
        }
    };
    let watch = Stopwatch::start();
    let studio = match worker::begin(|s: &Settings| &s.limits).and_then(open) {
        Ok(studio) => studio,
        Err(fail) => {
            eprintln!("the text-to-speech worker cannot start: {fail}");
            let _ = teller.tell(0, &fail.into(), &[]);
            return ExitCode::FAILURE;
        }
    };
    let ready = Tell::Ready(studio.ready(watch.ms()));

    let desk = Desk::<Speak>::new(ROOM);
    std::thread::scope(|scope| {
        for _ in 0..studio.slots() {
            let (desk, teller, studio) = (&desk, teller.clone(), &studio);
            scope.spawn(move || desk::work(desk, &teller, |job| studio.speak(job, &teller)));
        }
        let ended = teller.tell(0, &ready, &[]).and_then(|()| desk::read(stream, &teller, &desk, sort));
        if let Err(error) = ended {
            eprintln!("the conversation with the daemon broke: {error}");
        }
        desk::leave(&desk)
    })
}

fn open(settings: Settings) -> Result<Studio, Fail> {
    settings.check()?;
    let espeak = Espeak::start(&settings.espeak_home()?)?;
    let voices = Voices::load(&settings, &espeak)?;
    Studio::new(settings, espeak, voices)
}

impl Studio {
    fn ready(&self, load_ms: u64) -> Ready {
        Ready {
            engine: "tts".to_owned(),
            version: self.version(),
            models: self.voices.ids().map(str::to_owned).chain(["espeak".to_owned()]).collect(),
            languages: self.languages(),
            load_ms,
            slots: self.slots(),
        }
    }
}

fn sort(ask: Ask, _: Vec<i16>) -> Result<Sorted<Speak>, Fail> {
    match ask {
        Ask::Speak(ask) => {
            let bytes = ask.text.len();
            Ok(Sorted::Work(ask, bytes))
        }
        _ => Err(Fail::refused("this worker only speaks")),
    }
}
