//! Dialling out through Exotel's Voice v1 API (`Calls/connect`): with the box's own stream as the other
//! side, or into a flow whose Voicebot applet asks for it.
//! Promise: what may have reached Exotel without a clear answer is [`Verdict::Unknown`]; numbers and
//! secrets come into no message.
//! Absent on purpose: ending a call from outside (the API has no such thing: a call that is not in a flow
//! ends with its stream), how long it rings in a call without a flow.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::StatusCode;
use serde::Deserialize;

use super::form::is_sid;
use super::server::ExotelSettings;
use crate::base::phone::Phone;
use crate::base::secret::Secret;
use crate::telephony::dial::{Destination, Dialer, Order, Refused, Verdict};
use crate::telephony::orders;

/// A stream's address must be shorter, bytes.
const STREAM_URL_MAX: usize = 600;
/// A call may be told to last so long, seconds.
const TIME_LIMIT_MAX: u64 = 14_400;

#[derive(Clone, Debug)]
pub struct RestSettings {
    /// Scheme and host.
    pub api_url: String,
    pub account_sid: String,
    pub api_key: String,
    pub api_token: Secret,
    /// A number of the account, shown to whom we call.
    pub exophone: Phone,
    /// The flow that calls go through; `None`: straight to our stream, which no person can take over.
    pub flow_id: Option<String>,
    /// Where our side is, with all that it asks for.
    pub own: ExotelSettings,
}

/// Dials through one account.
#[derive(Debug)]
pub struct Rest {
    settings: RestSettings,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct Created {
    #[serde(rename = "Call")]
    call: Call,
}

#[derive(Deserialize)]
struct Call {
    #[serde(rename = "Sid")]
    sid: String,
}

impl Rest {
    pub fn new(settings: RestSettings) -> Result<Self, reqwest::Error> {
        Ok(Self { settings, http: orders::client()? })
    }

    /// `None`: the stream's address is longer than Exotel takes.
    fn form(&self, order: &Order, to: &Phone) -> Option<Vec<(&'static str, String)>> {
        let RestSettings { account_sid, exophone, flow_id, own, .. } = &self.settings;
        let agent: String = url::form_urlencoded::byte_serialize(order.agent.as_bytes()).collect();
        let caller = order.caller_id.as_ref().unwrap_or(exophone);
        let mut form = vec![
            ("From", to.reveal().to_owned()),
            ("CallerId", caller.reveal().to_owned()),
            ("TimeLimit", order.limit.as_secs().clamp(60, TIME_LIMIT_MAX).to_string()),
            ("CustomField", format!("call={}&agent={agent}", order.call)),
            ("StatusCallback", own.webhook_url(&format!("/webhook/exotel?call={}", order.call))),
            ("StatusCallbackEvents[0]", "terminal".to_owned()),
            ("StatusCallbackEvents[1]", "answered".to_owned()),
        ];
        match flow_id {
            Some(flow) => form.extend([
                ("Url", format!("http://my.exotel.com/{account_sid}/exoml/start_voice/{flow}")),
                ("CallType", "trans".to_owned()),
                ("TimeOut", order.ring.as_secs().clamp(5, 600).to_string()),
            ]),
            None => {
                let (rate, call) = (own.sample_rate, order.call);
                let path = format!("/ws/voicebot-compatibility/{agent}?sample-rate={rate}&call={call}");
                let url = own.socket_url(&path);
                if url.len() >= STREAM_URL_MAX {
                    return None;
                }
                form.extend([("StreamUrl", url), ("StreamType", "bidirectional".to_owned())]);
            }
        }
        Some(form)
    }

    async fn create(&self, order: &Order) -> Verdict {
        let RestSettings { api_url, account_sid, api_key, api_token, .. } = &self.settings;
        let Some(to) = order.to.number() else {
            return Verdict::refused(Refused::BadNumber, "the carrier rings telephone numbers only");
        };
        let Some(form) = self.form(order, to) else {
            return Verdict::refused(Refused::NotAllowed, "the address of our stream is too long for the carrier");
        };
        let url = format!("{}/v1/Accounts/{account_sid}/Calls/connect.json", api_url.trim_end_matches('/'));
        let request = self.http.post(url).basic_auth(api_key, Some(api_token.expose())).form(&form);
        let answer = match orders::send(request, orders::CARRIER).await {
            Ok(answer) => answer,
            Err(unanswered) => return unanswered.into(),
        };
        let (status, after) = (answer.status(), orders::retry_after(&answer));
        if !status.is_success() {
            return judge(status, after);
        }
        match orders::body(answer).await.and_then(|body| serde_json::from_slice::<Created>(&body).ok()) {
            // "in-progress" in it means that the order was taken, not that somebody answered.
            Some(Created { call: Call { sid } }) if is_sid(&sid) => Verdict::Placed { carrier_call: sid },
            _ => Verdict::Unknown { detail: "the carrier took the order but its answer cannot be read".to_owned() },
        }
    }
}

/// What an answer that is no success means. Its text may repeat the number, so it goes no further.
fn judge(status: StatusCode, after: Option<std::time::Duration>) -> Verdict {
    let detail = format!("the carrier's API answered {status}");
    match status.as_u16() {
        429 => Verdict::refused(Refused::Throttled { after }, detail),
        // A parameter it does not take: of all that we send, the number is the one that differs.
        400 => Verdict::refused(Refused::BadNumber, detail),
        401..=499 => Verdict::refused(Refused::NotAllowed, detail),
        // It says itself that it did nothing.
        503 => Verdict::refused(Refused::CarrierFault, detail),
        _ => Verdict::Unknown { detail },
    }
}

impl Dialer for Rest {
    fn transport(&self) -> &'static str {
        super::TRANSPORT
    }

    fn reaches(&self, to: &Destination) -> bool {
        to.number().is_some()
    }

    fn place(&self, order: Order) -> BoxFuture<'_, Verdict> {
        async move { self.create(&order).await }.boxed()
    }

    fn hang_up<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), String>> {
        let why = "Exotel ends no call from outside; it ends with its stream, or when nobody answers";
        Box::pin(std::future::ready(Err(why.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::CallId;
    use crate::telephony::dial::Retry;
    use crate::telephony::exotel::access::{Access, Login};

    fn rest(flow_id: Option<&str>, user: &str) -> Rest {
        let login = Login { user: user.to_owned(), password: Secret::new("pass word") };
        let access = Access { login: Some(login), ..Access::default() };
        let settings = RestSettings {
            api_url: "https://api.in.exotel.com".to_owned(),
            account_sid: "acme1".to_owned(),
            api_key: "key".to_owned(),
            api_token: Secret::new("token"),
            exophone: Phone::written("04440001234").unwrap(),
            flow_id: flow_id.map(str::to_owned),
            own: ExotelSettings::new(access, "https://box.example.in".parse().unwrap()),
        };
        Rest::new(settings).unwrap()
    }

    fn number() -> Phone {
        Phone::written("9876543210").unwrap()
    }

    fn order() -> Order {
        Order {
            call: CallId::from_seed(1, 1),
            to: Destination::Number(number()),
            caller_id: None,
            agent: "loans".to_owned(),
            ring: Duration::from_secs(35),
            limit: Duration::from_secs(90_000),
            detect_machine: false,
        }
    }

    #[test]
    fn a_call_goes_to_our_stream_or_through_a_flow() {
        let call = order().call;
        let form = rest(None, "exotel").form(&order(), &number()).unwrap();
        let of = |form: &[(&str, String)], name: &str| form.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone());
        assert_eq!(of(&form, "From").as_deref(), Some("+919876543210"));
        assert_eq!(of(&form, "CallerId").as_deref(), Some("+914440001234"));
        assert_eq!(of(&form, "TimeLimit").as_deref(), Some("14400"));
        let stream = format!(
            "wss://exotel:pass%20word@box.example.in/ws/voicebot-compatibility/loans?sample-rate=16000&call={call}"
        );
        assert_eq!(of(&form, "StreamUrl"), Some(stream));
        let news = format!("https://exotel:pass%20word@box.example.in/webhook/exotel?call={call}");
        assert_eq!((of(&form, "StatusCallback"), of(&form, "Url")), (Some(news), None));

        let form = rest(Some("4711"), "exotel").form(&order(), &number()).unwrap();
        assert_eq!(of(&form, "Url").as_deref(), Some("http://my.exotel.com/acme1/exoml/start_voice/4711"));
        assert_eq!((of(&form, "StreamUrl"), of(&form, "TimeOut").as_deref()), (None, Some("35")));
        assert!(of(&form, "CustomField").is_some_and(|field| field.len() <= 128));
        assert!(rest(None, &"u".repeat(600)).form(&order(), &number()).is_none());
    }

    #[test]
    fn only_a_clear_no_may_be_dialled_again() {
        for (status, retry) in [
            (400, Retry::Pointless),
            (401, Retry::Pointless),
            (403, Retry::Pointless),
            (429, Retry::Safe),
            (500, Retry::Ask),
            (502, Retry::Ask),
            (503, Retry::Safe),
            (302, Retry::Ask),
        ] {
            assert_eq!(judge(StatusCode::from_u16(status).unwrap(), None).retry(), retry, "{status}");
        }
    }
}
