//! Storms: calls in virtual time whose requests go through the real router, to simulated engines of
//! the box and providers outside it that fail by a drawn schedule.
//!
//! Promise: the same seed and number give the same storm, to the request; what must hold is checked
//! at the members and at the caller, and never asked of the router. Absent on purpose: lines that
//! lose frames (see `sim::world`), sockets, providers' wire protocols.

mod call;
mod draw;
mod face;
mod members;
mod ticket;
mod watch;
mod weather;
mod whole;

pub use draw::Shelter;
pub use whole::{Blow, Storms};
