//! Telling others of what happens (webhooks, durable and signed), and what is kept for others to
//! fetch (`objects`, sealed before it leaves the process).
//!
//! Promise: an event is in the outbox in the very transaction that keeps it, so nothing is told before
//! its cause is durable and nothing durable stays untold; every webhook ends delivered or as a dead
//! letter that can be replayed; the same webhook carries the same `webhook-id` and the same bytes over
//! all attempts, crashes and replays (receivers see it at least once). Nothing is ever sent to an
//! address of this network unless the configuration allows it.
//! Absent on purpose: who may change endpoints (`auth`, `api`), the rows (`store::outbox`), proxies of
//! the environment (they would resolve names where the guard cannot look).

mod announce;
mod circuit;
mod courier;
mod guard;
mod metrics;
pub mod objects;
mod post;
pub mod recordings;
mod schedule;
mod shapes;
mod sign;

pub use announce::{Bell, Delivery, DeliveryError, announce, publish};
pub use guard::{Guard, Lookup, Refusal, SystemNames};
pub use metrics::DeliveryMetrics;
pub use post::{Outcome, Post};
pub use shapes::{
    Alert, EventType, Gap, Job, NumberOf, PAYLOAD_VERSION, Person, Position, Public, ShapeSettings, Told, WorkerProfile,
};
pub use sign::{BadSecret, Unverified, headers, new_secret, verify};
