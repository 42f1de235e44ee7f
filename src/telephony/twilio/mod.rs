//! Twilio: webhooks, TwiML, Media Streams.
//! Promise: nothing starts without a signature that holds and no audio flows without a token minted
//! for that very call.

mod busy;
pub mod carrier;
pub mod machine;
pub mod prompts;
pub mod rest;
mod room;
pub mod server;
pub mod tokens;
pub mod twiml;
pub mod wire;

pub use prompts::PromptSource;
pub use server::{TwilioDeps, TwilioMetrics, TwilioSettings, routes};
