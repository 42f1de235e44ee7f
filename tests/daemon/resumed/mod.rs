//! Calls whose media connection breaks in the middle and is back, one file a transport.

mod asterisk;
mod audiosocket;
mod ear;
mod freeswitch;
mod placed;
mod wire;
