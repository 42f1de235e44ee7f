//! Transports that can place calls, from the settings.

use anyhow::Context as _;

use crate::config::Settings;
use crate::telephony::twilio::rest::{API_URL, Rest, RestSettings};

/// Needs the account, its secret and a number to show.
pub(super) fn twilio(settings: &Settings, public: &str) -> anyhow::Result<Option<Rest>> {
    let twilio = &settings.twilio;
    let (Some(account_sid), Some(auth_token), Some(caller_id)) =
        (&twilio.account_sid, &twilio.auth_token, &twilio.caller_id)
    else {
        return Ok(None);
    };
    let rest = RestSettings {
        api_url: twilio.api_url.clone().unwrap_or_else(|| API_URL.to_owned()),
        account_sid: account_sid.clone(),
        auth_token: auth_token.clone(),
        caller_id: caller_id.clone(),
        public_base_url: public.parse()?,
    };
    Ok(Some(Rest::new(rest).context("the client of Twilio's API could not be made")?))
}
