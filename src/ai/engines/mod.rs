//! The daemon's side of the local engine workers: programs under supervision that hear
//! ([`Whisper`]), think ([`Llama`]) and speak ([`Voices`]), each behind the contract of its kind.
//!
//! Promise: no engine code runs in this process, and none of its failures ends a call. Absent on
//! purpose: other providers, and the choice among them.

mod link;
mod llama;
mod pool;
mod setup;
mod spawn;
mod supervise;
#[cfg(test)]
mod tests;
mod tts;
mod voices;
mod whisper;

pub use llama::Llama;
pub use pool::PoolHealth;
pub use setup::Setup;
pub use supervise::WorkerHealth;
pub use tts::Voices;
pub use whisper::Whisper;
