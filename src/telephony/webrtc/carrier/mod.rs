//! The other side of the line: a browser that calls the box as the page does. Rehearsals, benches and
//! tests use it.
//! Promise: it offers over HTTPS and believes the box's own authority alone, then speaks Opus over DTLS and
//! SRTP on a connection with full ICE.
//! Absent on purpose: a login (it shows a token), trickled candidates, and what is said.

mod browser;
mod line;
mod path;
pub mod wire;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use self::browser::{Browser, BrowserError, News};
use self::line::Packets;
use self::wire::Phone;
use super::codec::{Codec, CodecError};
use super::server::CALL_HEADER;
use crate::base::secret::Secret;
use crate::base::tasks::Scope;
use crate::base::{Clock, Lang};
use crate::telephony::far::{FarCall, Line, LineOptions, Network, Side};
use crate::telephony::public_url::PublicUrl;

/// Pauses between the attempts to carry a call on, as the page makes them.
const BACK_OFF_MS: [u64; 6] = [500, 1_000, 1_000, 2_000, 4_000, 8_000];
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Whom to call, and as whom.
#[derive(Clone, Debug)]
pub struct DialOptions {
    /// Where the box serves HTTPS.
    pub base_url: PublicUrl,
    /// Shown as Bearer.
    pub token: Secret,
    pub agent: String,
    pub language: Option<Lang>,
    /// Addresses of this machine to send from.
    pub addresses: Vec<IpAddr>,
    pub network: Network,
    /// Its packets take a path that can be cut without a word to the box.
    pub over_path: bool,
    /// Sound behind the caller's voice, 8 kHz, repeated for as long as the call lasts.
    pub noise: Option<Arc<[i16]>>,
    /// Believes the box's authority; see [`client`].
    pub http: reqwest::Client,
}

/// A call that the box has taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The box's id of it.
    pub call: String,
    /// Where its session is, which is to be kept secret.
    pub location: String,
}

#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("the box's authority (PEM) cannot be used")]
    Authority(#[source] reqwest::Error),
    #[error("the box could not be reached over HTTPS")]
    Unreachable(#[source] reqwest::Error),
    #[error("the box answered {status} to the offer: {text}")]
    Refused { status: u16, text: String },
    #[error(transparent)]
    Browser(#[from] BrowserError),
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// An HTTPS client that believes this authority and nobody else.
pub fn client(authority_pem: &str) -> Result<reqwest::Client, DialError> {
    let authority = reqwest::Certificate::from_pem(authority_pem.as_bytes()).map_err(DialError::Authority)?;
    reqwest::Client::builder()
        .tls_built_in_root_certs(false)
        .add_root_certificate(authority)
        .https_only(true)
        .timeout(ANSWER_WITHIN)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(DialError::Authority)
}

impl DialOptions {
    /// A call from this machine to a box on it.
    pub fn new(base_url: PublicUrl, token: Secret, agent: &str, http: reqwest::Client) -> Self {
        Self {
            base_url,
            token,
            agent: agent.to_owned(),
            language: None,
            addresses: vec![IpAddr::from([127, 0, 0, 1])],
            network: Network::default(),
            over_path: false,
            noise: None,
            http,
        }
    }

    /// The connection without the line, for those who speak on it themselves.
    pub async fn open(&self) -> Result<(Browser, Answered), DialError> {
        let mut path = format!("/webrtc/{}", self.agent);
        if let Some(language) = self.language {
            path = format!("{path}?lang={}", language.tag());
        }
        self.open_at(&path).await
    }

    /// A new connection for the call whose session is at `location`.
    pub async fn carry_on(&self, location: &str) -> Result<Browser, DialError> {
        Ok(self.open_at(location).await?.0)
    }

    async fn open_at(&self, path: &str) -> Result<(Browser, Answered), DialError> {
        let (mut browser, offer) = Browser::offer(&[Codec::Opus], &self.addresses).await?;
        let opened = match self.answer(path, offer).await {
            Ok((sdp, answered)) if self.over_path => {
                browser.connect_over_path(sdp).await.map(|()| answered).map_err(Into::into)
            }
            Ok((sdp, answered)) => browser.connect(sdp).await.map(|()| answered).map_err(Into::into),
            Err(error) => Err(error),
        };
        match opened {
            Ok(answered) => Ok((browser, answered)),
            Err(error) => {
                browser.close().await;
                Err(error)
            }
        }
    }

    pub async fn dial(self, tasks: &Scope, clock: Clock) -> Result<FarCall, DialError> {
        let phone = Phone::new(Codec::Opus)?;
        let (browser, Answered { call, location }) = self.open().await?;
        let options = LineOptions { network: self.network.clone(), noise: self.noise.clone() };
        let (mut line, far) = Line::new(phone, &call, options);
        let packets = Packets::new(browser, tasks);
        let scope = tasks.clone();
        tasks.spawn("browser's line", async move {
            let mut by = line.carry_stream(packets, clock).await;
            let clean = loop {
                match line.gone_with(by) {
                    _ if by == Side::Box => break true,
                    Some(tells) => {
                        if tells && by == Side::Network {
                            self.end(&location).await;
                        }
                        break tells;
                    }
                    None => {}
                }
                let Some((phone, browser)) = self.come_back(&mut line, &location).await else { break false };
                line.go_on(phone);
                by = line.carry_stream(Packets::new(browser, &scope), clock).await;
            };
            line.over(clean).await;
        });
        Ok(far)
    }

    /// Tries to carry the call on, as the page does; `None`: in vain, or the caller has had enough.
    async fn come_back(&self, line: &mut Line<Phone>, location: &str) -> Option<(Phone, Browser)> {
        for pause in BACK_OFF_MS {
            if line.hold(Duration::from_millis(pause)).await {
                self.end(location).await;
                return None;
            }
            match self.carry_on(location).await {
                Ok(browser) => return Some((Phone::new(Codec::Opus).ok()?, browser)),
                Err(DialError::Refused { status: 409 | 503, .. } | DialError::Unreachable(_)) => {}
                Err(DialError::Browser(BrowserError::NotOpen)) => {}
                Err(_) => return None,
            }
        }
        None
    }

    /// Ends the call whose session is there; nobody is told if the box is not reached.
    pub async fn end(&self, location: &str) {
        let request = self.http.delete(self.base_url.webhook(location)).bearer_auth(self.token.expose());
        let _ = request.send().await;
    }

    async fn answer(&self, path: &str, offer: String) -> Result<(String, Answered), DialError> {
        let request = self.http.post(self.base_url.webhook(path)).bearer_auth(self.token.expose());
        let request = request.header("content-type", "application/sdp").body(offer);
        let answer = request.send().await.map_err(DialError::Unreachable)?;
        let status = answer.status().as_u16();
        let header = |name: &str| {
            answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let answered = Answered { call: header(CALL_HEADER), location: header("location") };
        let text = answer.text().await.map_err(DialError::Unreachable)?;
        if status == 201 { Ok((text, answered)) } else { Err(DialError::Refused { status, text }) }
    }
}
