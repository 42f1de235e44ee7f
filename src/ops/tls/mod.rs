//! HTTPS by the box itself: an authority of its own, the certificate it makes, and the listener.
//! Promise: keys leave neither the state directory nor the process; the certificate names what the box is
//! reached by and renews itself. Absent on purpose: public authorities; a proxy does that.

mod authority;
mod listener;

pub use authority::{Authority, Identity, LOOK, TlsError};
pub use listener::TlsListener;
