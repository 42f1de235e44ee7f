//! vaani's speech-to-text worker: whisper.cpp in a process of its own.
//!
//! Promise: the first message says ready or why not; every request ends in exactly one transcript
//! or failure; a heartbeat is answered while all slots work; a cancelled request ends after the
//! engine's current step (at most one encoder pass). Nothing of an utterance is logged or carried
//! into the next one. Absent on purpose: voice activity, turn taking, resampling.

mod clip;
mod ear;
mod language;
mod model;
mod plain;
mod settings;
mod work;

use std::process::ExitCode;
use std::sync::mpsc;

use vaani_engine_protocol::desk::{self, Desk, Fail, Room, Sorted};
use vaani_engine_protocol::worker::{self, Stopwatch, Teller};
use vaani_engine_protocol::{Ask, Ready, Tell};

use model::Model;
use settings::Settings;
use work::{Slot, Utterance};

/// Utterances waiting for a slot; beyond it the daemon hears `Overloaded` and asks elsewhere.
const ROOM: Room = Room { requests: 64, bytes: 256 << 20 };

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
    let loaded = worker::begin(|s: &Settings| &s.limits).and_then(|settings| {
        settings.check()?;
        whisper_rs::install_logging_hooks();
        Ok((Model::load(&settings)?, settings))
    });
    let (model, settings) = match loaded {
        Ok(loaded) => loaded,
        Err(fail) => return give_up(&teller, fail),
    };

    let desk = Desk::<Utterance>::new(ROOM);
    std::thread::scope(|scope| {
        let (started, starts) = mpsc::channel();
        for _ in 0..settings.slots {
            let started = started.clone();
            let (desk, teller, model) = (&desk, teller.clone(), &model);
            let threads = settings.threads_per_slot as usize;
            scope.spawn(move || match Slot::new(model, threads) {
                Ok(mut slot) => {
                    let _ = started.send(Ok(()));
                    desk::work(desk, &teller, |job| slot.transcribe(job));
                }
                Err(fail) => {
                    let _ = started.send(Err(fail));
                }
            });
        }
        drop(started);
        for _ in 0..settings.slots {
            let start = starts.recv().unwrap_or_else(|_| Err(Fail::engine("a slot failed while it was set up")));
            if let Err(fail) = start {
                desk.close();
                return give_up(&teller, fail);
            }
        }
        let ready = Tell::Ready(Ready {
            engine: "whisper".to_owned(),
            version: whisper_rs::get_whisper_version().to_owned(),
            models: vec![settings.model.display().to_string()],
            languages: model.languages.iter().map(|l| l.tag.to_owned()).collect(),
            load_ms: watch.ms(),
            slots: settings.slots,
        });
        let ended = teller.tell(0, &ready, &[]).and_then(|()| desk::read(stream, &teller, &desk, sort));
        if let Err(error) = ended {
            eprintln!("the conversation with the daemon broke: {error}");
        }
        desk::leave(&desk)
    })
}

fn sort(ask: Ask, samples: Vec<i16>) -> Result<Sorted<Utterance>, Fail> {
    match ask {
        Ask::Transcribe(ask) => {
            let bytes = samples.len() * 2;
            Ok(Sorted::Work(Utterance { ask, samples }, bytes))
        }
        _ => Err(Fail::refused("this worker only transcribes")),
    }
}

fn give_up(teller: &Teller, fail: Fail) -> ExitCode {
    eprintln!("the speech-to-text worker cannot start: {fail}");
    let _ = teller.tell(0, &fail.into(), &[]);
    ExitCode::FAILURE
}
