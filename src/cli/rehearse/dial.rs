//! How a rehearsed call comes about, as each carrier makes it.

use std::time::Duration;

use anyhow::Context as _;

use super::call::{Caller, Target};
use super::scenario::Scenario;
use crate::cli::carrier::Transport;
use crate::telephony::asterisk::carrier as asterisk;
use crate::telephony::audiosocket::carrier as audiosocket;
use crate::telephony::far::{FarCall, Network};
use crate::telephony::freeswitch::carrier as freeswitch;
use crate::telephony::local::carrier as local;
use crate::telephony::twilio::carrier as twilio;

impl Caller<'_> {
    /// Rings the box as the carrier does, until sound flows.
    pub(super) async fn dial(&self, scenario: &Scenario) -> anyhow::Result<FarCall> {
        let network = Network {
            loss: self.loss.or(scenario.loss).unwrap_or(0.0) / 100.0,
            jitter: Duration::from_millis(self.jitter.or(scenario.jitter).unwrap_or(0)),
            ..Network::default()
        };
        let chosen = scenario.key.map(|_| scenario.language);
        match self.transport {
            Transport::Twilio => {
                let target = self.target;
                let mut options = twilio::DialOptions::new(target.url.clone(), target.auth_token.clone());
                options.public_base_url = target.public_url.clone();
                options.http = Some(self.http.clone());
                options.network = network;
                if let Some(agent) = &scenario.agent {
                    options.path = format!("/voice/incoming?agent={agent}");
                }
                options.digits.extend(scenario.key);
                options.dial(&self.tasks, self.clock).await.context("the call did not come about")
            }
            Transport::Exotel => {
                let mut options = self.target.exotel.clone().context("the box is not set up for Exotel")?;
                options.call_sid = crate::base::CallId::new().to_string().replace('-', "");
                options.http = Some(self.http.clone());
                options.network = network;
                options.query.extend(scenario.agent.clone().map(|agent| ("agent".to_owned(), agent)));
                // The menu is the flow's: each key leads to an applet whose address names the language.
                if scenario.key.is_some() {
                    options.query.push(("lang".to_owned(), scenario.language.tag().to_owned()));
                }
                options.dial(&self.tasks, self.clock).await.context("the call did not come about")
            }
            // An exchange of the house asks for the language in its own dial plan, and says what was chosen.
            Transport::Asterisk => {
                let Target { url, exchanges, .. } = self.target;
                let mut options = asterisk::DialOptions::new(url.clone(), exchanges.asterisk_token.clone());
                (options.agent, options.language, options.network) = (scenario.agent.clone(), chosen, network);
                options.dial(&self.tasks, self.clock).await.context("the call did not come about")
            }
            Transport::Audiosocket => {
                let Target { url, exchanges, .. } = self.target;
                let socket = exchanges.audiosocket.clone().context("asterisk.audiosocket_listen is not set")?;
                let token = exchanges.asterisk_token.clone();
                let mut options = audiosocket::DialOptions::new(url.clone(), socket, token);
                (options.agent, options.language, options.network) = (scenario.agent.clone(), chosen, network);
                options.dial(&self.tasks, self.clock).await.context("the call did not come about")
            }
            Transport::Local => {
                let mut options = local::DialOptions::new(self.target.handsets.clone());
                (options.agent, options.language, options.network) = (scenario.agent.clone(), chosen, network);
                options.dial(&self.tasks, self.clock).await.context("the call did not come about")
            }
            Transport::Webrtc => {
                let Target { browsers, api_token, .. } = self.target;
                let browsers = browsers.as_ref().context("the box does not take calls of browsers")?;
                let mut options = browsers.call(scenario.agent.as_deref(), api_token);
                (options.language, options.network) = (chosen, network);
                options.dial(&self.tasks, self.clock).await.context("the call did not come about")
            }
            Transport::Freeswitch => {
                let Target { exchanges, .. } = self.target;
                let socket = exchanges.event_socket.clone().context("freeswitch.outbound_listen is not set")?;
                let mut options = freeswitch::DialOptions::new(socket, exchanges.freeswitch_token.clone());
                (options.agent, options.language, options.network) = (scenario.agent.clone(), chosen, network);
                options.dial(&self.tasks, self.clock).await.context("the call did not come about")
            }
        }
    }
}
