//! Webhooks as others see them: a box that is killed again and again loses none, and the official
//! library of Standard Webhooks verifies ours.

#![expect(clippy::disallowed_methods, reason = "processes are timed by a real clock")]

#[path = "../support/private_ca.rs"]
mod authority;
mod crash;
mod private_ca;
mod receiver;
mod sdk;
mod speed;
