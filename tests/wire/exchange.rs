//! An exchange that takes notes and lets the test be the call.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use vaani::base::event::{AnsweredBy, CallState};
use vaani::base::phone::Phone;
use vaani::base::{CallId, Lang};
use vaani::telephony::dial::Destination;
use vaani::telephony::leg::{Announcement, Exchange, LegOffer, Refusal};
use vaani::telephony::transfer::{PersonNews, Seeking};

pub(crate) struct Notes {
    languages: Vec<Lang>,
    pub(crate) refuse: Mutex<Option<Refusal>>,
    /// Calls that go on with a person.
    pub(crate) person: Mutex<Vec<String>>,
    pub(crate) person_news: Mutex<Vec<(String, PersonNews)>>,
    pub(crate) callbacks: Mutex<Vec<(Phone, Lang)>>,
    pub(crate) disk_full: AtomicBool,
    calls: Mutex<HashMap<String, CallId>>,
    pub(crate) announced: Mutex<Vec<Announcement>>,
    connected: Mutex<Vec<CallId>>,
    /// Calls whose media broke and that wait for it, by the carrier's id.
    pub(crate) waits: Mutex<Vec<String>>,
    pub(crate) states: Mutex<Vec<(String, CallState)>>,
    pub(crate) answered: Mutex<Vec<(String, AnsweredBy)>>,
    pub(crate) named: Mutex<Vec<(CallId, String)>>,
    offers: mpsc::UnboundedSender<LegOffer>,
}

impl Notes {
    pub(crate) fn new(languages: &[Lang]) -> (Self, mpsc::UnboundedReceiver<LegOffer>) {
        let (offers, taken) = mpsc::unbounded_channel();
        let notes = Self {
            languages: languages.to_vec(),
            refuse: Mutex::default(),
            person: Mutex::default(),
            person_news: Mutex::default(),
            callbacks: Mutex::default(),
            disk_full: AtomicBool::new(false),
            calls: Mutex::default(),
            announced: Mutex::default(),
            connected: Mutex::default(),
            waits: Mutex::default(),
            states: Mutex::default(),
            answered: Mutex::default(),
            named: Mutex::default(),
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
            let calls = self.calls.lock().unwrap();
            let mut waits = self.waits.lock().unwrap();
            let waiting = waits.iter().position(|name| calls.get(name) == Some(&offer.call));
            waits.remove(waiting.ok_or(Refusal::UnknownCall)?);
        }
        connected.push(offer.call);
        self.offers.send(offer).map_err(|_| Refusal::Draining)
    }

    fn carrier_state(&self, carrier_call: &str, state: CallState) {
        self.states.lock().unwrap().push((carrier_call.to_owned(), state));
    }

    fn named(&self, call: CallId, carrier_call: &str) {
        self.named.lock().unwrap().push((call, carrier_call.to_owned()));
    }

    fn answered_by(&self, carrier_call: &str, who: AnsweredBy) {
        self.answered.lock().unwrap().push((carrier_call.to_owned(), who));
    }

    fn goes_to_person(&self, carrier_call: &str) -> Option<Seeking> {
        let wanted = self.person.lock().unwrap().iter().any(|call| call == carrier_call);
        let to = Destination::Number(Phone::written("+912266554433").unwrap());
        let summary = Some("asks about a loan".to_owned());
        let language = Some(Lang::Hi);
        wanted.then_some(Seeking { to, ring: Duration::from_secs(20), caller_id: None, summary, language })
    }

    /// Who was not reached may have another leg.
    fn person(&self, carrier_call: &str, news: PersonNews) {
        if matches!(news, PersonNews::NotReached(_) | PersonNews::Done) {
            self.person.lock().unwrap().retain(|call| call != carrier_call);
        }
        if matches!(news, PersonNews::NotReached(_))
            && let Some(call) = self.calls.lock().unwrap().get(carrier_call)
        {
            self.connected.lock().unwrap().retain(|connected| connected != call);
        }
        self.person_news.lock().unwrap().push((carrier_call.to_owned(), news));
    }

    fn media_over(&self, carrier_call: &str) -> BoxFuture<'static, bool> {
        Box::pin(std::future::ready(self.waits.lock().unwrap().iter().any(|name| name == carrier_call)))
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
