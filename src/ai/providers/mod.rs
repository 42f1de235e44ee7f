//! Engines outside the box, each behind the same contract as the local ones.
//! Promise: an adapter speaks one provider's wire protocol and nothing else; it never retries (but for
//! leaving out a parameter that was refused), never chooses, keeps no state of a call, and gives up
//! when its future or stream is dropped. Model names, addresses and sampling parameters are
//! configuration, never constants.
//! Absent on purpose: which provider is asked (see [`super::router`]), prices, residency.

pub mod anthropic;
pub mod asker;
pub mod azure;
pub mod bedrock;
pub mod bhashini;
pub mod codes;
pub mod deepgram;
pub mod dropping;
pub mod elevenlabs;
pub mod endpoint;
pub mod http;
pub mod http_generic;
pub mod live;
pub mod openai;
mod proxy;
pub mod sarvam;
pub mod socket;
pub mod sound;
pub mod sse;
pub mod template;
pub mod thoughts;
pub mod writing;

pub use endpoint::{Auth, Endpoint};
