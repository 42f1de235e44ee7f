//! From a fact to rows of the outbox, and the handle that the rest of the box holds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::watch;

use super::courier::{Courier, Tools};
use super::guard::{Guard, Lookup};
use super::metrics::DeliveryMetrics;
use super::post::{Outcome, Post};
use super::schedule::Bounds;
use super::shapes::{self, Public, ShapeSettings};
use crate::base::tasks::Scope;
use crate::base::{Clock, TenantId, limits};
use crate::config::Webhooks;
use crate::store::journal::Derive;
use crate::store::webhooks::Letter;
use crate::store::{Database, StoreError, outbox};

/// Wakes the couriers. One for the box: a ring costs each of them one look.
#[derive(Clone, Debug)]
pub struct Bell(Arc<watch::Sender<u64>>);

impl Default for Bell {
    fn default() -> Self {
        Self(Arc::new(watch::channel(0).0))
    }
}

impl Bell {
    /// Something was written, or will be once this transaction is committed.
    pub fn ring(&self) {
        self.0.send_modify(|rings| *rings = rings.wrapping_add(1));
    }
}

/// For the journal: puts what concerns others into the outbox, in the transaction that keeps the fact.
pub fn announce(settings: ShapeSettings, delivery: &Delivery) -> Derive {
    let (bell, clock) = (delivery.bell(), delivery.clock());
    Arc::new(move |db, record| {
        let Some(public) = shapes::of_record(db, record, &settings) else { return Ok(()) };
        if publish(db, clock.unix_ms(clock.now()), &public)? > 0 {
            bell.ring();
        }
        Ok(())
    })
}

/// What is no fact of a call: alerts, profiles. Within the caller's own write; ring the bell with it.
/// Returns how many endpoints are told.
pub fn publish(db: &Connection, now_ms: u64, public: &Public) -> Result<usize, StoreError> {
    let about = public.call.map(|call| call.to_string()).unwrap_or_default();
    outbox::announce(db, now_ms, public.event().name(), &about, |numbers| Ok(public.body(numbers)?))
}

#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    #[error("prepare the sending of webhooks: {0}")]
    Client(#[from] reqwest::Error),
}

struct Inner {
    tools: Tools,
    bell: Bell,
    /// By tenant, so that one can be stopped alone.
    couriers: Mutex<BTreeMap<TenantId, Scope>>,
}

/// The sending side of the box. Cheap to clone.
#[derive(Clone)]
pub struct Delivery(Arc<Inner>);

impl Delivery {
    pub fn new(
        settings: &Webhooks,
        names: Arc<dyn Lookup>,
        clock: Clock,
        metrics: DeliveryMetrics,
    ) -> Result<Self, DeliveryError> {
        let guard = Guard::new(settings.allow_private.clone(), settings.allow_http, names);
        let tools = Tools {
            post: Post::new(guard, clock, &settings.roots)?,
            clock,
            metrics,
            bounds: Bounds {
                parallel: settings.parallel as usize,
                parallel_one: limits::WEBHOOK_PARALLEL_ONE,
                attempts: limits::WEBHOOK_ATTEMPTS_MAX,
                give_up: Duration::from_secs(u64::from(settings.give_up_hours) * 3_600),
            },
            keep: Duration::from_secs(u64::from(settings.keep_days) * 86_400),
        };
        Ok(Self(Arc::new(Inner { tools, bell: Bell::default(), couriers: Mutex::default() })))
    }

    pub fn bell(&self) -> Bell {
        self.0.bell.clone()
    }

    pub fn guard(&self) -> &Guard {
        self.0.tools.post.guard()
    }

    pub fn metrics(&self) -> &DeliveryMetrics {
        &self.0.tools.metrics
    }

    pub fn clock(&self) -> Clock {
        self.0.tools.clock
    }

    /// Starts a tenant's courier, unless it runs.
    pub fn open(&self, tenant: &TenantId, db: Database, scope: &Scope) {
        let mut couriers = self.0.couriers.lock().unwrap_or_else(PoisonError::into_inner);
        if couriers.get(tenant).is_some_and(|own| !own.is_stopping()) {
            return;
        }
        let own = scope.child();
        let courier = Courier {
            tenant: tenant.to_string(),
            db,
            tools: self.0.tools.clone(),
            scope: own.clone(),
            bell: self.0.bell.0.subscribe(),
        };
        // In the parent's group, so that whoever waits for it waits for the couriers too.
        scope.spawn("courier", courier.run());
        couriers.insert(tenant.clone(), own);
    }

    /// Before a tenant's database is closed: its courier stops.
    pub fn close(&self, tenant: &TenantId) {
        let mut couriers = self.0.couriers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = couriers.remove(tenant) {
            own.stop();
        }
        self.0.tools.metrics.forget(tenant.as_str());
    }

    /// One attempt beside the outbox, for a person who wants to see whether an endpoint answers.
    pub async fn try_once(&self, letter: &Letter) -> Outcome {
        self.0.tools.post.send(letter).await
    }
}
