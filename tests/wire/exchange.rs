//! An exchange that takes notes and lets the test be the call.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use vaani::base::event::CallState;
use vaani::base::phone::Phone;
use vaani::base::{CallId, Lang};
use vaani::telephony::leg::{Announcement, Exchange, LegOffer, Refusal};

pub(crate) struct Notes {
    languages: Vec<Lang>,
    pub(crate) refuse: Mutex<Option<Refusal>>,
    pub(crate) callbacks: Mutex<Vec<(Phone, Lang)>>,
    pub(crate) disk_full: AtomicBool,
    calls: Mutex<HashMap<String, CallId>>,
    pub(crate) announced: Mutex<Vec<Announcement>>,
    connected: Mutex<Vec<CallId>>,
    pub(crate) states: Mutex<Vec<(String, CallState)>>,
    offers: mpsc::UnboundedSender<LegOffer>,
}

impl Notes {
    pub(crate) fn new(languages: &[Lang]) -> (Self, mpsc::UnboundedReceiver<LegOffer>) {
        let (offers, taken) = mpsc::unbounded_channel();
        let notes = Self {
            languages: languages.to_vec(),
            refuse: Mutex::default(),
            callbacks: Mutex::default(),
            disk_full: AtomicBool::new(false),
            calls: Mutex::default(),
            announced: Mutex::default(),
            connected: Mutex::default(),
            states: Mutex::default(),
            offers,
        };
        (notes, taken)
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }
}

impl Exchange for Notes {
    fn announce(&self, announcement: Announcement) -> Result<CallId, Refusal> {
        if let Some(refusal) = *self.refuse.lock().unwrap() {
            return Err(refusal);
        }
        let call = *self.calls.lock().unwrap().entry(announcement.carrier_call.clone()).or_default();
        self.announced.lock().unwrap().push(announcement);
        Ok(call)
    }

    fn connect(&self, offer: LegOffer) -> Result<(), Refusal> {
        let mut connected = self.connected.lock().unwrap();
        if connected.contains(&offer.call) {
            return Err(Refusal::UnknownCall);
        }
        connected.push(offer.call);
        self.offers.send(offer).map_err(|_| Refusal::Draining)
    }

    fn carrier_state(&self, carrier_call: &str, state: CallState) {
        self.states.lock().unwrap().push((carrier_call.to_owned(), state));
    }

    fn menu(&self, _: Option<&str>) -> Vec<Lang> {
        self.languages.clone()
    }

    fn greeting_language(&self, _: &Announcement) -> Lang {
        self.languages.first().copied().unwrap_or(Lang::En)
    }

    fn wants_callback(&self, announcement: Announcement, language: Lang) -> BoxFuture<'_, bool> {
        self.callbacks.lock().unwrap().push((announcement.from.unwrap(), language));
        Box::pin(std::future::ready(!self.disk_full.load(Ordering::Relaxed)))
    }
}
