//! Requests to ARI.
//! Promise: every request ends within [`limits::DIAL_WITHIN`]; the password and numbers come into no message.

use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::wire::Channel;
use crate::base::limits;
use crate::base::secret::Secret;
use crate::telephony::dial::{Refused, Verdict};
use crate::telephony::orders;

#[derive(Clone, Debug)]
pub struct AriSettings {
    /// Scheme, host and port: `http://10.0.0.7:8088`.
    pub url: Url,
    pub user: String,
    pub password: Secret,
}

/// A channel that is to be made.
#[derive(Clone, Debug)]
pub struct NewChannel<'a> {
    pub id: &'a str,
    pub endpoint: &'a str,
    /// Where in the dial plan it goes on, once answered.
    pub context: &'a str,
    pub caller_id: Option<&'a str>,
    /// It rings so long at most.
    pub ring: Duration,
    /// For the dial plan.
    pub variables: &'a [(&'static str, String)],
}

#[derive(Debug)]
pub struct Ari {
    settings: AriSettings,
    http: reqwest::Client,
}

/// What it says that does not do what was asked.
#[derive(Deserialize)]
struct Fault {
    message: Option<String>,
}

impl Ari {
    pub fn new(settings: AriSettings) -> Result<Self, reqwest::Error> {
        Ok(Self { settings, http: orders::client()? })
    }

    /// Where events come from, with the password in it.
    pub(super) fn events(&self, application: &str) -> Secret {
        let AriSettings { user, password, .. } = &self.settings;
        let mut url = self.at(&["events"]);
        url.query_pairs_mut()
            .append_pair("app", application)
            .append_pair("subscribeAll", "true")
            .append_pair("api_key", &format!("{user}:{}", password.expose()));
        Secret::new(url.as_str().replacen("http", "ws", 1))
    }

    fn at(&self, path: &[&str]) -> Url {
        let mut url = self.settings.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("ari").extend(path);
        }
        url
    }

    fn allowed(&self, request: RequestBuilder) -> RequestBuilder {
        request.basic_auth(&self.settings.user, Some(self.settings.password.expose()))
    }

    pub async fn originate(&self, new: &NewChannel<'_>) -> Verdict {
        let mut url = self.at(&["channels"]);
        url.query_pairs_mut()
            .append_pair("endpoint", new.endpoint)
            .append_pair("context", new.context)
            .append_pair("extension", "s")
            .append_pair("priority", "1")
            .append_pair("channelId", new.id)
            .append_pair("timeout", &new.ring.as_secs().max(1).to_string());
        if let Some(caller_id) = new.caller_id {
            url.query_pairs_mut().append_pair("callerId", caller_id);
        }
        let variables: serde_json::Map<_, _> =
            new.variables.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let answer = match orders::send(
            self.allowed(self.http.post(url)).json(&json!({ "variables": variables })),
            "Asterisk's ARI",
        )
        .await
        {
            Ok(answer) => answer,
            Err(unanswered) => return unanswered.into(),
        };
        let status = answer.status();
        if status.is_success() {
            return Verdict::Placed { carrier_call: new.id.to_owned() };
        }
        let after = orders::retry_after(&answer);
        let fault = orders::body(answer).await.and_then(|body| serde_json::from_slice::<Fault>(&body).ok());
        judge(status, fault.and_then(|fault| fault.message).as_deref(), after)
    }

    /// A channel that is over already counts as ended.
    pub async fn hang_up(&self, channel: &str) -> Result<(), String> {
        let mut url = self.at(&["channels", channel]);
        url.query_pairs_mut().append_pair("reason_code", "16");
        match self.allowed(self.http.delete(url)).send().await {
            Ok(answer) if answer.status().is_success() || answer.status() == StatusCode::NOT_FOUND => Ok(()),
            Ok(answer) => Err(format!("Asterisk's ARI answered {}", answer.status())),
            Err(error) => Err(error.without_url().to_string()),
        }
    }

    /// How a channel is: `Ok(None)` says that there is none. The error is why it cannot be known.
    pub async fn look(&self, channel: &str) -> Result<Option<Channel>, String> {
        let url = self.at(&["channels", channel]);
        let asked = self.allowed(self.http.get(url)).timeout(limits::ARI_LOOK_WITHIN).send().await;
        let answer = asked.map_err(|error| error.without_url().to_string())?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => {
                let body = orders::body(answer).await.ok_or("its answer is too long")?;
                serde_json::from_slice(&body).map(Some).map_err(|_| "its answer cannot be read".to_owned())
            }
            status => Err(format!("Asterisk's ARI answered {status}")),
        }
    }
}

/// What an answer means that is no success.
fn judge(status: StatusCode, message: Option<&str>, after: Option<Duration>) -> Verdict {
    let detail = format!("Asterisk's ARI answered {status}");
    match (status.as_u16(), message) {
        (400, _) => Verdict::refused(Refused::BadNumber, format!("{detail}: it does not know this endpoint")),
        (401 | 403, _) => {
            Verdict::refused(Refused::NotAllowed, format!("{detail}: look at ari.conf (user, password, read_only)"))
        }
        (409, _) => Verdict::Unknown { detail: format!("{detail}: there is a channel of this id already") },
        (429, _) => Verdict::refused(Refused::Throttled { after }, detail),
        (404..=499, _) => Verdict::refused(Refused::NotAllowed, detail),
        // No channel could be made: the telephone is not registered, or the trunk is away.
        (500, Some("Allocation failed")) => {
            Verdict::refused(Refused::Unreachable, format!("{detail}: it could make no channel to this endpoint"))
        }
        // It says itself that it did nothing.
        (503, _) => Verdict::refused(Refused::CarrierFault, detail),
        _ => Verdict::Unknown { detail },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telephony::dial::Retry;

    #[test]
    fn only_a_clear_no_may_be_dialled_again() {
        for (status, message, retry) in [
            (400, None, Retry::Pointless),
            (401, None, Retry::Pointless),
            (403, None, Retry::Pointless),
            (404, None, Retry::Pointless),
            (409, None, Retry::Ask),
            (429, None, Retry::Safe),
            (500, Some("Allocation failed"), Retry::Safe),
            (500, None, Retry::Ask),
            (500, Some("oops"), Retry::Ask),
            (503, None, Retry::Safe),
            (302, None, Retry::Ask),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(judge(status, message, None).retry(), retry, "{status} {message:?}");
        }
    }

    #[test]
    fn addresses_are_made_of_the_configured_one() {
        let ari = |url: &str| {
            let password = Secret::new("p&s=w d");
            Ari::new(AriSettings { url: url.parse().unwrap(), user: "vaani".to_owned(), password }).unwrap()
        };
        for (url, expected) in [
            ("http://10.0.0.7:8088", "ws://10.0.0.7:8088/ari/events"),
            ("http://pbx:8088/asterisk/", "ws://pbx:8088/asterisk/ari/events"),
        ] {
            let events = ari(url).events("vaani");
            let query = "?app=vaani&subscribeAll=true&api_key=vaani%3Ap%26s%3Dw+d";
            assert_eq!(events.expose(), format!("{expected}{query}"));
        }
        assert_eq!(ari("http://h").at(&["channels", "a/../b?c"]).as_str(), "http://h/ari/channels/a%2F..%2Fb%3Fc");
    }
}
