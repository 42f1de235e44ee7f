//! A carrier's webhooks through the whole daemon: HTTP, signature, call, journal, TwiML.

use std::time::Duration;

use anyhow::{Context as _, ensure};

use super::Spread;
use crate::base::Clock;
use crate::cli::daemon::Daemon;
use crate::config::Settings;
use crate::telephony::signature::{Algorithm, SIGNATURE_HEADER, sign};

/// Signs and sends as the carrier does, over a connection that stays open.
struct Carrier {
    http: reqwest::Client,
    daemon: Daemon,
    clock: Clock,
}

impl Carrier {
    async fn post(&self, path: &str, call: u64, status: &str) -> anyhow::Result<Duration> {
        let (sid, url) = (format!("CA{call:032x}"), self.daemon.url.webhook(path));
        let params: Vec<(String, String)> = [
            ("CallSid", sid.as_str()),
            ("AccountSid", "AC0123456789abcdef0123456789abcdef"),
            ("From", "+919876543210"),
            ("To", "+914440001234"),
            ("CallStatus", status),
            ("Direction", "inbound"),
            ("ApiVersion", "2010-04-01"),
        ]
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
        let signature = sign(&self.daemon.auth_token, Algorithm::HmacSha1, &url, &params);
        let request = self.http.post(&url).form(&params).header(SIGNATURE_HEADER, signature);
        let began = self.clock.now();
        let answer = request.send().await.context("the daemon does not answer")?;
        let status = answer.status();
        let text = answer.text().await?;
        let took = self.clock.now().since(began);
        ensure!(status.is_success(), "the daemon answered {status} to {path}");
        ensure!(!text.contains("<Reject"), "the daemon takes no further calls");
        Ok(took)
    }
}

/// The first and the last webhook of so many calls, one after the other.
pub(super) async fn measure(settings: &Settings, calls: u64) -> anyhow::Result<(Spread, Spread)> {
    let daemon = Daemon::start(settings, 2_000, false).await?;
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
    let carrier = Carrier { http, daemon, clock: Clock::system() };
    let done = all(&carrier, calls).await;
    carrier.daemon.stop().await?;
    done
}

async fn all(carrier: &Carrier, calls: u64) -> anyhow::Result<(Spread, Spread)> {
    // The first requests open the connection and fill caches.
    for call in 0..20 {
        carrier.post("/voice/incoming?agent=echo", u64::MAX - call, "ringing").await?;
        carrier.post("/webhook/twilio", u64::MAX - call, "completed").await?;
    }
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for call in 0..calls {
        first.push(carrier.post("/voice/incoming?agent=echo", call, "ringing").await?);
        last.push(carrier.post("/webhook/twilio", call, "completed").await?);
    }
    Ok((Spread::of(first), Spread::of(last)))
}
