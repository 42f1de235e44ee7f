//! Calls whose media connection breaks in the middle, carrier by carrier: the carrier does what it would do, and
//! the caller hears the rest.

mod asterisk;
mod audiosocket;
mod ear;
mod exchange;
mod exotel;
mod freeswitch;
mod local;
mod placed;
mod twilio;
mod webrtc;
mod wire;
