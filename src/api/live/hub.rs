//! Where live events meet their watchers.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, header};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::super::calls::shown;
use super::ticket::Tickets;
use crate::auth::{Permission, Principal};
use crate::base::event::{Event, Record};
use crate::base::{CallId, TenantId, limits};
use crate::ops::alerts::{Alert, AlertEvent};

/// One event on its way.
struct Item {
    /// From 1, since the start of the process.
    seq: u64,
    what: What,
}

enum What {
    Fact {
        tenant: TenantId,
        record: Box<Record>,
    },
    /// Of the box itself, as JSON.
    Alert(String),
}

#[derive(Default)]
struct Past {
    items: VecDeque<Arc<Item>>,
    tenants: HashMap<CallId, TenantId>,
}

struct Inner {
    /// Of this process: numbers of another one mean nothing here.
    boot: String,
    sender: broadcast::Sender<Arc<Item>>,
    past: Mutex<Past>,
    seen: AtomicU64,
    watchers: AtomicUsize,
    tickets: Tickets,
    origins: Vec<String>,
}

/// Cheap to clone; one for the daemon.
#[derive(Clone)]
pub struct Live(Arc<Inner>);

impl Live {
    /// `origins`: addresses of pages (`https://console.example`) that may watch besides the box's own.
    pub fn new(origins: Vec<String>) -> Self {
        let (sender, _) = broadcast::channel(limits::LIVE_QUEUE);
        Self(Arc::new(Inner {
            boot: CallId::new().to_string(),
            sender,
            past: Mutex::default(),
            seen: AtomicU64::new(0),
            watchers: AtomicUsize::new(0),
            tickets: Tickets::default(),
            origins,
        }))
    }

    /// A name of this process that no other one has.
    pub fn boot(&self) -> &str {
        &self.0.boot
    }

    pub fn watchers(&self) -> usize {
        self.0.watchers.load(Ordering::Relaxed)
    }

    pub fn seen(&self) -> u64 {
        self.0.seen.load(Ordering::Relaxed)
    }

    pub(super) fn tickets(&self) -> &Tickets {
        &self.0.tickets
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.0.past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a fact; never waits for anybody who watches.
    pub fn observe(&self, record: &Record) {
        let mut past = self.past();
        let tenant = match &record.event {
            Event::CallInitiated { concerns, .. } => {
                let tenant = concerns.tenant_id();
                past.tenants.insert(record.call, tenant.clone());
                tenant
            }
            Event::CallEnded { .. } => past.tenants.remove(&record.call).unwrap_or_else(TenantId::default_tenant),
            _ => past.tenants.get(&record.call).cloned().unwrap_or_else(TenantId::default_tenant),
        };
        let item = self.keep(&mut past, What::Fact { tenant, record: Box::new(record.clone()) });
        if matches!(record.event, Event::CallEnded { .. }) {
            forget_words(&mut past.items, record.call);
        }
        // Under the lock, so that a new watcher gets each event once: kept or sent. Nobody may be there.
        let _ = self.0.sender.send(item);
    }

    /// Takes an alert; never waits for anybody who watches.
    pub fn alert(&self, event: &AlertEvent) {
        #[derive(serde::Serialize)]
        struct Shown<'a> {
            event: &'static str,
            #[serde(flatten)]
            alert: &'a Alert,
        }
        let shown = Shown { event: event.event_type, alert: &event.alert };
        // An alert of ours can always be written.
        let json = serde_json::to_string(&shown).unwrap_or_default();
        let mut past = self.past();
        let item = self.keep(&mut past, What::Alert(json));
        let _ = self.0.sender.send(item);
    }

    fn keep(&self, past: &mut Past, what: What) -> Arc<Item> {
        let seq = self.0.seen.fetch_add(1, Ordering::Relaxed) + 1;
        let item = Arc::new(Item { seq, what });
        if past.items.len() >= limits::LIVE_KEPT {
            past.items.pop_front();
        }
        past.items.push_back(Arc::clone(&item));
        item
    }

    /// Watches a tenant's calls as `who`, and the box's alerts if they may read them and belong to no
    /// tenant; `None`: too many do already.
    pub(super) fn watch(&self, tenant: &TenantId, who: &Principal, last: Option<&str>) -> Option<Watcher> {
        let place = Place::take(self)?;
        let past = self.past();
        let receiver = self.0.sender.subscribe();
        let mut ready = VecDeque::new();
        if let Some(last) = last {
            let from = last
                .strip_prefix(&self.0.boot)
                .and_then(|rest| rest.strip_prefix('-'))
                .and_then(|seq| seq.parse().ok());
            let first_kept = past.items.front().map_or(u64::MAX, |item| item.seq);
            match from {
                Some(seq) if seq + 1 < first_kept && seq < self.seen() => {
                    ready.push_back(Queued::Missed(first_kept.min(self.seen() + 1) - seq - 1))
                }
                Some(_) => {}
                // Of another process, or no id of ours: nobody knows how many.
                None => ready.push_back(Queued::Missed(0)),
            }
            let kept = past.items.iter().filter(|item| from.is_none_or(|seq| item.seq > seq));
            ready.extend(kept.map(|item| Queued::Item(Arc::clone(item))));
        }
        drop(past);
        let words = who.may(Permission::TranscriptsRead);
        let alerts = who.tenant.is_none() && who.may(Permission::SystemRead);
        Some(Watcher { place, receiver, ready, tenant: tenant.clone(), who: who.clone(), words, alerts })
    }

    /// Was the socket opened by a page of this box, or by no page at all?
    pub(super) fn takes_origin(&self, headers: &HeaderMap) -> bool {
        let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
        if !headers.contains_key(header::ORIGIN) {
            return true;
        }
        let Some(origin) = text(header::ORIGIN) else { return false };
        let host = origin.split_once("://").map(|(_, host)| host);
        (host.is_some() && host == text(header::HOST)) || self.0.origins.iter().any(|allowed| allowed == origin)
    }
}

/// Conversations are kept no longer than their calls.
fn forget_words(items: &mut VecDeque<Arc<Item>>, call: CallId) {
    for item in items {
        let What::Fact { tenant, record } = &item.what else { continue };
        let with_words = matches!(record.event, Event::Heard { .. } | Event::Said { .. });
        if record.call == call && with_words {
            let record = Record { event: record.event.clone().without_words(), ..**record };
            *item =
                Arc::new(Item { seq: item.seq, what: What::Fact { tenant: tenant.clone(), record: Box::new(record) } });
        }
    }
}

/// One of the places there are for watchers; free again when dropped.
struct Place(Live);

impl Place {
    fn take(live: &Live) -> Option<Self> {
        let watchers = &live.0.watchers;
        let more = |now: usize| (now < limits::LIVE_WATCHERS_MAX).then_some(now + 1);
        watchers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Self(live.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

enum Queued {
    Item(Arc<Item>),
    Missed(u64),
}

/// What a watcher is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    Event {
        id: String,
        /// `call` or `alert`.
        kind: &'static str,
        json: String,
    },
    /// So many events were left out, of any tenant; 0: nobody knows how many.
    Missed(u64),
}

/// Somebody who watches.
pub(super) struct Watcher {
    place: Place,
    receiver: broadcast::Receiver<Arc<Item>>,
    ready: VecDeque<Queued>,
    tenant: TenantId,
    who: Principal,
    words: bool,
    alerts: bool,
}

impl Watcher {
    /// What comes next that this watcher may see; `None`: nothing will. May be dropped while it waits.
    pub(super) async fn next(&mut self) -> Option<Told> {
        loop {
            let next = match self.ready.pop_front() {
                Some(next) => next,
                None => match self.receiver.recv().await {
                    Ok(item) => Queued::Item(item),
                    Err(RecvError::Lagged(count)) => Queued::Missed(count),
                    Err(RecvError::Closed) => return None,
                },
            };
            match next {
                Queued::Missed(count) => return Some(Told::Missed(count)),
                Queued::Item(item) => {
                    let (kind, json) = match &item.what {
                        What::Fact { tenant, record } if *tenant == self.tenant => {
                            let record = shown(Record::clone(record), self.words, &self.who);
                            // A record of ours can always be written.
                            ("call", serde_json::to_string(&record).unwrap_or_default())
                        }
                        What::Alert(json) if self.alerts => ("alert", json.clone()),
                        _ => continue,
                    };
                    return Some(Told::Event { id: format!("{}-{}", self.place.0.boot(), item.seq), kind, json });
                }
            }
        }
    }
}
