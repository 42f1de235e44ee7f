//! Calls whose media connection breaks in the middle, carrier by carrier: the carrier does what it would do, and
//! the caller hears the rest.

mod ear;
mod exotel;
mod twilio;
