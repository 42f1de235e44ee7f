//! The other side of the line: a browser that calls the box as the page does. Rehearsals, benches and
//! tests use it.
//! Promise: it offers over HTTPS and believes the box's own authority alone, then speaks Opus over DTLS and
//! SRTP on a connection with full ICE.
//! Absent on purpose: a login (it shows a token), trickled candidates, and what is said.

mod browser;
mod line;
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
    /// Sound behind the caller's voice, 8 kHz, repeated for as long as the call lasts.
    pub noise: Option<Arc<[i16]>>,
    /// Believes the box's authority; see [`client`].
    pub http: reqwest::Client,
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
            noise: None,
            http,
        }
    }

    /// The connection without the line, for those who speak on it themselves, and the box's id of the call.
    pub async fn open(&self) -> Result<(Browser, String), DialError> {
        let (mut browser, offer) = Browser::offer(&[Codec::Opus], &self.addresses).await?;
        match self.answer(offer).await {
            Ok((answer, call)) => match browser.connect(answer).await {
                Ok(()) => Ok((browser, call)),
                Err(error) => {
                    browser.close().await;
                    Err(error.into())
                }
            },
            Err(error) => {
                browser.close().await;
                Err(error)
            }
        }
    }

    pub async fn dial(self, tasks: &Scope, clock: Clock) -> Result<FarCall, DialError> {
        let phone = Phone::new(Codec::Opus)?;
        let (browser, call) = self.open().await?;
        let options = LineOptions { network: self.network, noise: self.noise };
        let (mut line, far) = Line::new(phone, &call, options);
        let packets = Packets::new(browser, tasks);
        tasks.spawn("browser's line", async move {
            let by = line.carry(packets, clock).await;
            line.over(by != Side::Network).await;
        });
        Ok(far)
    }

    async fn answer(&self, offer: String) -> Result<(String, String), DialError> {
        let mut path = format!("/webrtc/{}", self.agent);
        if let Some(language) = self.language {
            path = format!("{path}?lang={}", language.tag());
        }
        let request = self.http.post(self.base_url.webhook(&path)).bearer_auth(self.token.expose());
        let request = request.header("content-type", "application/sdp").body(offer);
        let answer = request.send().await.map_err(DialError::Unreachable)?;
        let status = answer.status().as_u16();
        let call = answer.headers().get(CALL_HEADER).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
        let text = answer.text().await.map_err(DialError::Unreachable)?;
        if status == 201 { Ok((text, call)) } else { Err(DialError::Refused { status, text }) }
    }
}
