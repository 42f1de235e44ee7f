//! May the carrier call?

use super::finding::Finding;
use crate::config::Settings;

pub(super) fn check(settings: &Settings) -> Finding {
    if settings.twilio.auth_token.is_none() {
        return Finding::warning(
            "twilio_token",
            "no Twilio auth token is set: Twilio's webhooks are refused",
            "set TWILIO_AUTH_TOKEN, twilio.auth_token, or the systemd credential twilio_auth_token",
        );
    }
    Finding::fine("twilio_token", "Twilio's webhooks can be checked")
}
