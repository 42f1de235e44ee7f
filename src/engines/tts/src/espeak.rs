//! espeak-ng, owned by one thread: the library keeps its state in globals, and a second thread
//! inside it is a segmentation fault. Everybody else sends orders to that thread.

use std::path::Path;
use std::sync::mpsc;

use vaani_engine_protocol::desk::{Fail, Stop};

use crate::name::Tone;

mod library;

/// Orders waiting for the thread; senders wait beyond it.
const ORDERS: usize = 32;

/// A way to the thread. Cloning gives another way to the same one.
#[derive(Clone, Debug)]
pub(crate) struct Espeak {
    orders: mpsc::SyncSender<Order>,
    pub(crate) rate: u32,
    pub(crate) version: String,
}

#[derive(Debug)]
enum Order {
    Phonemes { text: String, voice: String, reply: mpsc::Sender<Result<String, Fail>> },
    Sound { text: String, tone: Tone, stop: Stop, reply: mpsc::Sender<Result<Vec<i16>, Fail>> },
}

impl Espeak {
    /// Starts the thread. It ends when the last way to it is dropped.
    pub(crate) fn start(home: &Path) -> Result<Self, Fail> {
        let (orders, received) = mpsc::sync_channel(ORDERS);
        let (started, start) = mpsc::channel();
        let home = home.to_path_buf();
        std::thread::Builder::new()
            .name("espeak".to_owned())
            .spawn(move || match library::Library::load(&home) {
                Ok(library) => {
                    let _ = started.send(Ok((library.rate, library.version.clone())));
                    serve(library, &received);
                }
                Err(fail) => {
                    let _ = started.send(Err(fail));
                }
            })
            .map_err(|error| Fail::engine(format!("the thread of espeak-ng cannot be started: {error}")))?;
        let (rate, version) = start.recv().unwrap_or_else(|_| Err(gone()))?;
        Ok(Self { orders, rate, version })
    }

    /// A clause in the International Phonetic Alphabet, as Piper voices were taught it.
    pub(crate) fn phonemes(&self, text: &str, voice: &str) -> Result<String, Fail> {
        let (reply, answer) = mpsc::channel();
        let order = Order::Phonemes { text: text.to_owned(), voice: voice.to_owned(), reply };
        self.orders.send(order).map_err(|_| gone())?;
        answer.recv().unwrap_or_else(|_| Err(gone()))
    }

    /// A clause spoken by espeak-ng itself, at [`Espeak::rate`].
    pub(crate) fn sound(&self, text: &str, tone: &Tone, stop: &Stop) -> Result<Vec<i16>, Fail> {
        let (reply, answer) = mpsc::channel();
        let order = Order::Sound { text: text.to_owned(), tone: tone.clone(), stop: stop.clone(), reply };
        self.orders.send(order).map_err(|_| gone())?;
        answer.recv().unwrap_or_else(|_| Err(gone()))
    }
}

fn gone() -> Fail {
    Fail::engine("the thread of espeak-ng is gone")
}

fn serve(mut library: library::Library, orders: &mpsc::Receiver<Order>) {
    // Somebody who no longer waits for his reply has cancelled.
    while let Ok(order) = orders.recv() {
        match order {
            Order::Phonemes { text, voice, reply } => {
                let _ = reply.send(library.phonemes(&text, &voice));
            }
            Order::Sound { text, tone, stop, reply } => {
                let _ = reply.send(library.sound(&text, &tone, &stop));
            }
        }
    }
}
