//! Transports that can place calls, from the settings.

use anyhow::Context as _;

use crate::config::Settings;
use crate::telephony::exotel::rest as exotel;
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

/// Needs the account, its secret, a number to show, and what makes Exotel's requests believed.
pub(super) fn exotel(settings: &Settings, public: &str) -> anyhow::Result<Option<exotel::Rest>> {
    let account = &settings.exotel;
    let (Some(account_sid), Some(api_key), Some(api_token), Some(exophone)) =
        (&account.account_sid, &account.api_key, &account.api_token, &account.exophone)
    else {
        return Ok(None);
    };
    let own = super::exotel::settings(settings, public)?;
    if !own.access.is_configured() {
        return Ok(None);
    }
    let rest = exotel::RestSettings {
        api_url: account.api_url.clone(),
        account_sid: account_sid.clone(),
        api_key: api_key.clone(),
        api_token: api_token.clone(),
        exophone: exophone.clone(),
        flow_id: account.flow_id.clone(),
        own,
    };
    Ok(Some(exotel::Rest::new(rest).context("the client of Exotel's API could not be made")?))
}
