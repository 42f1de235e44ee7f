//! Words everyone shares: time, ids, languages, phone numbers, sound, secrets, limits, events.
//! Promise: imports no other room. Absent on purpose: decisions about calls.

pub mod area;
pub mod audio;
pub mod clock;
pub mod event;
pub mod event_types;
pub mod g711;
pub mod ids;
pub mod lang;
pub mod limits;
pub mod mask;
pub mod meter;
pub mod money;
pub mod multipart;
pub mod network;
pub mod phone;
pub mod pii;
pub mod resample;
pub mod secret;
pub mod tasks;

pub use clock::{Clock, Moment};
pub use ids::{AskId, CallId, DeliveryId, EndpointId, TenantId};
pub use lang::Lang;
