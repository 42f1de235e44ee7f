//! One typed [`Settings`] for the whole box. Promise: a wrong configuration is refused whole, each
//! fault with its file, its line and what to write instead. Absent on purpose: what the settings
//! mean (the rooms know), agents and prompts (`dialogue` reads those with the same tools).

mod auth;
mod exotel;
mod keep;
mod load;
mod local;
mod pbx;
mod problem;
mod recording;
mod retention;
mod roots;
mod schema;
mod tree;
mod validate;
mod watching;
mod webrtc;

#[cfg(test)]
mod auth_tests;
#[cfg(test)]
mod tests;

pub use auth::{Auth, AuthLimits, OidcSettings, ROLES};
pub use exotel::{Exotel, Readiness as ExotelReadiness};
pub use keep::{Address, Backup, Objects, Rhythm, S3};
pub use load::{Environment, Place};
pub use local::Local;
pub use pbx::{Asterisk, Freeswitch, MediaModule};
pub use problem::{ConfigError, Problem};
pub use recording::Recording;
pub use retention::{Class, Retention};
pub use roots::Roots;
pub use schema::{
    Api, Calls, Data, Engine, Engines, Http, LlmEngine, Log, LogFormat, Privacy, Settings, State, SttEngine, TtsEngine,
    Twilio, Webhooks,
};
pub use tree::{At, Fields, FromNode, Node, Value, nearest, parse, read_file};
pub use watching::{Alerts, Telemetry};
pub use webrtc::Webrtc;
