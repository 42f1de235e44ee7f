//! Webhooks as others see them: a box that is killed again and again loses none, and the official
//! library of Standard Webhooks verifies ours.

mod crash;
mod receiver;
mod sdk;
mod speed;
