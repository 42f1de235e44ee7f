//! The cloud adapters against a fake cloud that speaks each provider's wire protocol: right answers,
//! slow, torn, late, wrong and absent ones.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod asking;
mod fake;
mod journey;
mod live;
mod money;
mod outage;
#[path = "../daemon/support.rs"]
#[allow(dead_code, reason = "the journeys need a part of it")]
mod support;
mod voices;

mod anthropic;
mod azure;
mod bedrock;
mod bhashini;
mod deepgram;
mod elevenlabs;
mod generic;
mod openai;
mod sarvam;
mod sdks;
