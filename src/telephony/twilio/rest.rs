//! Dialling out and hanging up through Twilio's REST API (`Calls.json`, version 2010-04-01).
//! Promise: what may have reached Twilio without a clear answer is [`Verdict::Unknown`]; numbers and
//! secrets come into no message.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::StatusCode;
use serde::Deserialize;

use crate::base::phone::Phone;
use crate::base::secret::Secret;
use crate::telephony::dial::{Destination, Dialer, Order, Refused, Verdict};
use crate::telephony::orders;
use crate::telephony::public_url::PublicUrl;

/// Where the real one is.
pub const API_URL: &str = "https://api.twilio.com";

#[derive(Clone, Debug)]
pub struct RestSettings {
    /// Scheme, host and port.
    pub api_url: String,
    pub account_sid: String,
    pub auth_token: Secret,
    /// A number of the account, shown to whom we call.
    pub caller_id: Phone,
    /// Where the carrier reaches us.
    pub public_base_url: PublicUrl,
}

/// Dials through one account.
#[derive(Debug)]
pub struct Rest {
    settings: RestSettings,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct Created {
    sid: String,
}

/// What the API says that does not do what was asked.
#[derive(Deserialize)]
pub(super) struct Fault {
    pub(super) code: Option<u64>,
}

impl Rest {
    pub fn new(settings: RestSettings) -> Result<Self, reqwest::Error> {
        let http = orders::client()?;
        Ok(Self { settings, http })
    }

    pub(super) fn post(&self, resource: &str, form: &[(&str, String)]) -> reqwest::RequestBuilder {
        self.allowed(self.http.post(self.url(resource))).form(form)
    }

    pub(super) fn get(&self, resource: &str, query: &[(&str, &str)]) -> reqwest::RequestBuilder {
        self.allowed(self.http.get(self.url(resource))).query(query)
    }

    /// Where the carrier reaches us.
    pub(super) const fn base(&self) -> &PublicUrl {
        &self.settings.public_base_url
    }

    fn url(&self, resource: &str) -> String {
        let RestSettings { api_url, account_sid, .. } = &self.settings;
        format!("{}/2010-04-01/Accounts/{account_sid}/{resource}", api_url.trim_end_matches('/'))
    }

    fn allowed(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        let RestSettings { account_sid, auth_token, .. } = &self.settings;
        request.basic_auth(account_sid, Some(auth_token.expose()))
    }

    fn form(&self, order: &Order, to: String) -> Vec<(&'static str, String)> {
        let base = &self.settings.public_base_url;
        let mut first = format!("/voice/incoming?call={}&agent=", order.call);
        first.extend(url::form_urlencoded::byte_serialize(order.agent.as_bytes()));
        let news = base.webhook(&format!("/api/calls/webhook/{}", order.call));
        let from = order.caller_id.as_ref().unwrap_or(&self.settings.caller_id);
        let mut form = vec![
            ("To", to),
            ("From", from.reveal().to_owned()),
            ("Url", base.webhook(&first)),
            ("Method", "POST".to_owned()),
            ("StatusCallback", news.clone()),
            ("StatusCallbackMethod", "POST".to_owned()),
            ("Timeout", order.ring.as_secs().clamp(5, 600).to_string()),
            ("TimeLimit", order.limit.as_secs().max(60).to_string()),
        ];
        form.extend(["initiated", "ringing", "answered", "completed"].map(|e| ("StatusCallbackEvent", e.to_owned())));
        if order.detect_machine {
            // The conversation begins meanwhile; a message is left once the machine's greeting is over.
            form.push(("MachineDetection", "DetectMessageEnd".to_owned()));
            form.push(("AsyncAmd", "true".to_owned()));
            form.push(("AsyncAmdStatusCallback", news));
            form.push(("AsyncAmdStatusCallbackMethod", "POST".to_owned()));
        }
        form
    }

    async fn create(&self, order: &Order) -> Verdict {
        let Some(to) = address(&order.to) else {
            return Verdict::refused(
                Refused::BadNumber,
                "the carrier rings telephone numbers and SIP addresses (user@host) only",
            );
        };
        let answer = match orders::send(self.post("Calls.json", &self.form(order, to)), orders::CARRIER).await {
            Ok(answer) => answer,
            Err(unanswered) => return unanswered.into(),
        };
        let status = answer.status();
        if status.is_success() {
            return match orders::body(answer).await.and_then(|body| serde_json::from_slice::<Created>(&body).ok()) {
                Some(Created { sid }) if is_sid(&sid) => Verdict::Placed { carrier_call: sid },
                _ => Verdict::Unknown { detail: "the carrier took the order but its answer cannot be read".to_owned() },
            };
        }
        let after = orders::retry_after(&answer);
        let code = orders::body(answer).await.and_then(|body| serde_json::from_slice::<Fault>(&body).ok()?.code);
        judge(status, code, after)
    }

    async fn complete(&self, carrier_call: &str) -> Result<(), String> {
        if !is_sid(carrier_call) {
            return Err("this is no call of Twilio".to_owned());
        }
        let form = [("Status", "completed".to_owned())];
        match self.post(&format!("Calls/{carrier_call}.json"), &form).send().await {
            // One that is over already is what was wanted.
            Ok(answer) if answer.status().is_success() || answer.status() == StatusCode::NOT_FOUND => Ok(()),
            Ok(answer) => Err(format!("the carrier's API answered {}", answer.status())),
            Err(error) => Err(error.without_url().to_string()),
        }
    }
}

/// What an answer that is no success means; `code` is Twilio's own.
fn judge(status: StatusCode, code: Option<u64>, after: Option<Duration>) -> Verdict {
    let detail = match code {
        Some(code) => {
            format!("the carrier's API answered {status} with code {code}; see twilio.com/docs/errors/{code}")
        }
        None => format!("the carrier's API answered {status}"),
    };
    match (status.as_u16(), code) {
        (429, _) | (_, Some(20_429 | 22_005)) => Verdict::refused(Refused::Throttled { after }, detail),
        // No, not a phone number, not reachable, blacklisted.
        (400, Some(21_201 | 21_211 | 21_214 | 21_216 | 21_217 | 21_401 | 21_421 | 13_223 | 13_224)) => {
            Verdict::refused(Refused::BadNumber, detail)
        }
        (400..=499, _) => Verdict::refused(Refused::NotAllowed, detail),
        // It says itself that it did nothing.
        (503, _) => Verdict::refused(Refused::CarrierFault, detail),
        _ => Verdict::Unknown { detail },
    }
}

/// As the carrier is told it: a number, or where a desk telephone on the internet is (`user@host`).
fn address(to: &Destination) -> Option<String> {
    match to {
        Destination::Number(phone) => Some(phone.reveal().to_owned()),
        Destination::Extension(extension) => {
            let (user, host) = extension.strip_prefix("sip:").unwrap_or(extension).split_once('@')?;
            let plain = |text: &str, more: &str| {
                (1..=128).contains(&text.len())
                    && text.bytes().all(|b| b.is_ascii_alphanumeric() || more.as_bytes().contains(&b))
            };
            // No parameters and no headers: whoever writes the address must not write more of the order.
            (plain(user, "-._+") && plain(host, "-.:")).then(|| format!("sip:{user}@{host}"))
        }
    }
}

pub(super) fn is_sid(sid: &str) -> bool {
    (2..=64).contains(&sid.len()) && sid.starts_with("CA") && sid.bytes().all(|b| b.is_ascii_alphanumeric())
}

impl Dialer for Rest {
    fn transport(&self) -> &'static str {
        "twilio"
    }

    fn tells_machines(&self) -> bool {
        true
    }

    fn reaches(&self, to: &Destination) -> bool {
        address(to).is_some()
    }

    fn place(&self, order: Order) -> BoxFuture<'_, Verdict> {
        async move { self.create(&order).await }.boxed()
    }

    fn hang_up<'a>(&'a self, carrier_call: &'a str) -> BoxFuture<'a, Result<(), String>> {
        self.complete(carrier_call).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telephony::dial::Retry;

    #[test]
    fn numbers_and_sip_addresses_are_rung() {
        assert_eq!(address(&Destination::Number("+919876543210".parse().unwrap())).as_deref(), Some("+919876543210"));
        for (extension, expected) in [
            ("priya@pbx.example.in", Some("sip:priya@pbx.example.in")),
            ("sip:+911@10.0.0.5:5080", Some("sip:+911@10.0.0.5:5080")),
            ("1001", None),
            ("@host", None),
            ("a@", None),
            ("a@h?X-Header=1", None),
            ("a@h;transport=tls", None),
            ("a@b@c", None),
            ("a b@c", None),
        ] {
            assert_eq!(address(&Destination::Extension(extension.to_owned())).as_deref(), expected, "{extension}");
        }
    }

    #[test]
    fn only_a_clear_no_may_be_dialled_again() {
        for (status, code, retry) in [
            (400, Some(21_211), Retry::Pointless),
            (400, None, Retry::Pointless),
            (401, Some(20_003), Retry::Pointless),
            (403, None, Retry::Pointless),
            (404, None, Retry::Pointless),
            (429, None, Retry::Safe),
            (400, Some(22_005), Retry::Safe),
            (500, None, Retry::Ask),
            (502, None, Retry::Ask),
            (503, None, Retry::Safe),
            (504, None, Retry::Ask),
            (302, None, Retry::Ask),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(judge(status, code, None).retry(), retry, "{status} {code:?}");
        }
    }
}
