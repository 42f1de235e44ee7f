//! Signed webhooks sent and TwiML followed, as far as our own answers go: Gather, Say, Play, Pause,
//! Redirect, Reject, Hangup, Connect/Stream. Prompts take no time here.

use quick_xml::Reader;
use quick_xml::events::Event;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::{DialError, DialOptions};
use crate::telephony::far::{self, OpenError, Socket};
use crate::telephony::signature::{self, Algorithm};

/// Webhooks followed for one step of the call.
const FOLLOW_MAX: usize = 16;

pub(super) struct Follower {
    pub(super) options: DialOptions,
    http: reqwest::Client,
}

/// A media stream the box asks for, and what it wants after it.
#[derive(Debug)]
pub(super) struct StreamOffer {
    pub(super) url: String,
    pub(super) parameters: Vec<(String, String)>,
    status_callback: Option<String>,
    rest: Vec<Element>,
}

#[derive(Debug)]
pub(super) enum Next {
    Stream(Box<StreamOffer>),
    HungUp,
    Rejected(String),
}

impl Follower {
    pub(super) fn new(options: DialOptions) -> Result<Self, DialError> {
        let http = match options.http.clone() {
            Some(http) => http,
            None => far::client().map_err(DialError::Unreachable)?,
        };
        Ok(Self { options, http })
    }

    /// The call arrives; follows until there is media.
    pub(super) async fn dial(&mut self) -> Result<StreamOffer, DialError> {
        let first = self.options.public_base_url.webhook(&self.options.path);
        match self.fetch_and_follow(&first, "POST", "ringing", &[]).await? {
            Next::Stream(offer) => Ok(*offer),
            Next::HungUp => Err(DialError::HungUp),
            Next::Rejected(reason) => Err(DialError::Rejected { reason }),
        }
    }

    /// The stream is over, and the box is asked what follows. What news of its end are sent to is kept.
    pub(super) async fn after(&mut self, offer: &mut StreamOffer) -> Result<Next, DialError> {
        let url = self.options.public_base_url.webhook(&self.options.path);
        self.follow(std::mem::take(&mut offer.rest), url).await
    }

    /// The status callbacks a carrier sends when a call is over, as far as somebody wants them.
    pub(super) async fn report_end(&self, stream_callback: Option<&str>, stream: &str) {
        if let Some(url) = stream_callback {
            let news = [("StreamSid", stream), ("StreamEvent", "stream-stopped")];
            drop(self.send(url, "POST", "in-progress", &news).await);
        }
        let url = self.options.public_base_url.webhook("/webhook/twilio");
        let news = [("CallbackSource", "call-progress-events"), ("SequenceNumber", "0")];
        drop(self.send(&url, "POST", "completed", &news).await);
    }

    pub(super) async fn open(&self, offer: &StreamOffer) -> Result<Socket, DialError> {
        let DialOptions { base_url, public_base_url, auth_token, .. } = &self.options;
        let real = swap(&offer.url, &public_base_url.socket(""), &base_url.socket(""));
        let mut request = real.as_str().into_client_request().map_err(OpenError::from)?;
        let signature = signature::sign(auth_token, Algorithm::HmacSha1, &offer.url, &[]);
        if let Ok(value) = HeaderValue::from_str(&signature) {
            request.headers_mut().insert(signature::SIGNATURE_HEADER, value);
        }
        Ok(far::open(request).await?)
    }

    async fn fetch_and_follow(
        &mut self,
        url: &str,
        method: &str,
        status: &str,
        more: &[(&str, &str)],
    ) -> Result<Next, DialError> {
        let verbs = parse(&self.send(url, method, status, more).await?)
            .map_err(|what| DialError::Twiml { path: url.to_owned(), what })?;
        self.follow(verbs, url.to_owned()).await
    }

    async fn follow(&mut self, mut verbs: Vec<Element>, mut at: String) -> Result<Next, DialError> {
        for _ in 0..FOLLOW_MAX {
            match self.step(verbs, &at)? {
                Step::Done(next) => return Ok(next),
                Step::Fetch { url, method, digits } => {
                    let digits = digits.map(String::from);
                    let more: Vec<_> = digits.iter().map(|digits| ("Digits", digits.as_str())).collect();
                    let answer = self.send(&url, &method, "in-progress", &more).await?;
                    verbs = parse(&answer).map_err(|what| DialError::Twiml { path: url.clone(), what })?;
                    at = url;
                }
            }
        }
        Err(DialError::Loop(FOLLOW_MAX))
    }

    /// Runs verbs up to the first that asks for another document or ends the following.
    fn step(&mut self, verbs: Vec<Element>, at: &str) -> Result<Step, DialError> {
        let resolve = |target: &str| {
            let base = url::Url::parse(at)
                .map_err(|_| DialError::Twiml { path: at.to_owned(), what: "base is no URL".to_owned() })?;
            if target.contains("://") {
                return Ok(target.to_owned());
            }
            base.join(target)
                .map(String::from)
                .map_err(|_| DialError::Twiml { path: at.to_owned(), what: format!("{target:?} is no URL") })
        };
        let mut verbs = verbs.into_iter();
        while let Some(verb) = verbs.next() {
            match verb.name.as_str() {
                "Say" | "Play" | "Pause" => {}
                "Gather" => {
                    let digits = self.options.digits.pop_front();
                    if digits.is_some() || verb.attribute("actionOnEmptyResult") == Some("true") {
                        let url = resolve(verb.attribute("action").unwrap_or(at))?;
                        return Ok(Step::Fetch { url, method: verb.method(), digits });
                    }
                }
                "Redirect" => {
                    return Ok(Step::Fetch { url: resolve(verb.text.trim())?, method: verb.method(), digits: None });
                }
                "Connect" => {
                    let stream = verb.children.into_iter().find(|c| c.name == "Stream").ok_or_else(|| {
                        DialError::Twiml { path: at.to_owned(), what: "<Connect> without <Stream>".to_owned() }
                    })?;
                    let parameter = |c: &Element| {
                        let named = |name| c.attribute(name).unwrap_or_default().to_owned();
                        (c.name == "Parameter").then(|| (named("name"), named("value")))
                    };
                    return Ok(Step::Done(Next::Stream(Box::new(StreamOffer {
                        url: stream.attribute("url").unwrap_or_default().to_owned(),
                        parameters: stream.children.iter().filter_map(parameter).collect(),
                        status_callback: stream.attribute("statusCallback").map(str::to_owned),
                        rest: verbs.collect(),
                    }))));
                }
                "Reject" => {
                    let reason = verb.attribute("reason").unwrap_or("rejected").to_owned();
                    return Ok(Step::Done(Next::Rejected(reason)));
                }
                "Hangup" => return Ok(Step::Done(Next::HungUp)),
                other => {
                    return Err(DialError::Twiml { path: at.to_owned(), what: format!("<{other}> is not known") });
                }
            }
        }
        Ok(Step::Done(Next::HungUp))
    }

    async fn send(&self, url: &str, method: &str, status: &str, more: &[(&str, &str)]) -> Result<String, DialError> {
        let DialOptions { base_url, public_base_url, auth_token, account_sid, from, to, call_sid, .. } = &self.options;
        let mut params: Vec<(String, String)> = [
            ("CallSid", call_sid.as_str()),
            ("AccountSid", account_sid),
            ("From", from),
            ("Caller", from),
            ("To", to),
            ("Called", to),
            ("CallStatus", status),
            ("Direction", "inbound"),
            ("ApiVersion", "2010-04-01"),
            ("FromCountry", "IN"),
        ]
        .iter()
        .chain(more)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
        let mut signed_url = url.to_owned();
        if method == "GET" {
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&params).finish();
            signed_url = format!("{url}{}{query}", if url.contains('?') { '&' } else { '?' });
            params.clear();
        }
        let signature = signature::sign(auth_token, Algorithm::HmacSha1, &signed_url, &params);
        let real = swap(&signed_url, &public_base_url.webhook(""), &base_url.webhook(""));
        let request = if method == "GET" { self.http.get(&real) } else { self.http.post(&real).form(&params) };
        let answer =
            request.header(signature::SIGNATURE_HEADER, signature).send().await.map_err(DialError::Unreachable)?;
        if !answer.status().is_success() {
            return Err(DialError::Status { path: url.to_owned(), status: answer.status().as_u16() });
        }
        answer.text().await.map_err(DialError::Unreachable)
    }
}

impl StreamOffer {
    pub(super) fn status_callback(&self) -> Option<&str> {
        self.status_callback.as_deref()
    }
}

enum Step {
    Done(Next),
    Fetch { url: String, method: String, digits: Option<char> },
}

/// Where the box says it is, replaced by where it really is.
fn swap(url: &str, public: &str, real: &str) -> String {
    url.strip_prefix(public).map_or_else(|| url.to_owned(), |rest| format!("{real}{rest}"))
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Element {
    name: String,
    attributes: Vec<(String, String)>,
    children: Vec<Self>,
    text: String,
}

impl Element {
    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    fn method(&self) -> String {
        self.attribute("method").unwrap_or("POST").to_ascii_uppercase()
    }
}

/// The verbs of a document; the error says what is wrong with it.
fn parse(document: &str) -> Result<Vec<Element>, String> {
    let mut reader = Reader::from_str(document);
    let mut open = vec![Element::default()];
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match event {
            Event::Start(ref start) | Event::Empty(ref start) => {
                let mut element =
                    Element { name: String::from_utf8_lossy(start.name().as_ref()).into_owned(), ..Element::default() };
                for attribute in start.attributes() {
                    let attribute = attribute.map_err(|error| error.to_string())?;
                    let value = attribute.unescape_value().map_err(|error| error.to_string())?;
                    element
                        .attributes
                        .push((String::from_utf8_lossy(attribute.key.as_ref()).into_owned(), value.into()));
                }
                if matches!(event, Event::Empty(_)) {
                    open.last_mut().ok_or("nothing is open")?.children.push(element);
                } else {
                    open.push(element);
                }
            }
            Event::End(_) => {
                let element = open.pop().ok_or("nothing is open")?;
                open.last_mut().ok_or("nothing is open")?.children.push(element);
            }
            Event::Text(text) => {
                let text = text.decode().map_err(|error| error.to_string())?;
                open.last_mut().ok_or("nothing is open")?.text.push_str(&text);
            }
            Event::GeneralRef(reference) => {
                let resolved = match reference.resolve_char_ref().map_err(|error| error.to_string())? {
                    Some(c) => c.to_string(),
                    None => {
                        let name = reference.decode().map_err(|error| error.to_string())?;
                        quick_xml::escape::resolve_predefined_entity(&name).ok_or("an unknown entity")?.to_owned()
                    }
                };
                open.last_mut().ok_or("nothing is open")?.text.push_str(&resolved);
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let mut root = open.pop().ok_or("nothing is open")?;
    match root.children.pop() {
        Some(response) if open.is_empty() && response.name == "Response" && root.children.is_empty() => {
            Ok(response.children)
        }
        _ => Err("the document is not one <Response>".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telephony::twilio::twiml::{self, Verb};

    #[test]
    fn what_we_print_can_be_followed() {
        let verbs = parse(&twiml::print(&[
            Verb::Say { language: "en-IN".to_owned(), text: "a < b & 'c'".to_owned() },
            Verb::Redirect("https://h/p?a=1&b=2".to_owned()),
        ]))
        .unwrap();
        assert_eq!((verbs[0].text.as_str(), verbs[0].attribute("language")), ("a < b & 'c'", Some("en-IN")));
        assert_eq!((verbs[1].text.as_str(), verbs[1].method().as_str()), ("https://h/p?a=1&b=2", "POST"));
        for bad in ["", "hello", "<Response>", "<Other/>", "<Response/><Response/>", "<Response>&bad;</Response>"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
