//! What our dial plan has Asterisk do around its media connections (`config/telephony/asterisk`), for the
//! stand-ins: when one is over and the caller is still there, the box is asked what follows (`vaani-next`);
//! when the caller's channel is gone it is told so (`vaani-gone`).

use std::time::Duration;

use crate::base::Clock;
use crate::base::secret::Secret;
use crate::telephony::far::{FarWire, Line, client};
use crate::telephony::public_url::PublicUrl;

/// The box is asked so often in one call, with this pause, and no longer after one break.
pub const ROUNDS_MAX: u32 = 100;
pub const PAUSE: Duration = Duration::from_millis(200);
pub const WITHIN: Duration = Duration::from_secs(25);
/// `CURLOPT(httptimeout)`.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// What follows for a caller whose media connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Again,
    Over,
    HungUp,
}

/// One channel in the dial plan.
pub struct DialPlan {
    http: reqwest::Client,
    base_url: PublicUrl,
    token: Option<Secret>,
    /// `call` or `uuid`, and which.
    name: (&'static str, String),
    clock: Clock,
    rounds: u32,
}

impl DialPlan {
    pub fn new(
        base_url: PublicUrl,
        token: Option<Secret>,
        name: (&'static str, String),
        clock: Clock,
    ) -> reqwest::Result<Self> {
        Ok(Self { http: client()?, base_url, token, name, clock, rounds: 0 })
    }

    /// `CURL(…)`: the body of the answer, whatever its status; empty if there is none.
    async fn curl(&self, path: &str) -> String {
        let mut query = vec![(self.name.0, self.name.1.clone())];
        query.extend(self.token.as_ref().map(|token| ("token", token.expose().to_owned())));
        let request = self.http.get(self.base_url.webhook(path)).query(&query).timeout(ANSWER_WITHIN);
        match request.send().await {
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Asks until there is an answer; the caller, who hears nothing meanwhile, may hang up.
    pub async fn next<W: FarWire>(&mut self, line: &mut Line<W>) -> Next {
        let until = self.clock.now() + WITHIN;
        while self.rounds < ROUNDS_MAX && self.clock.now() < until {
            self.rounds += 1;
            let answer = self.curl("/ast/next").await;
            if answer == "over" {
                return Next::Over;
            }
            if line.hold(PAUSE).await {
                return Next::HungUp;
            }
            if answer == "again" {
                return Next::Again;
            }
        }
        Next::Over
    }

    /// The channel is gone.
    pub async fn gone(&self) {
        let _ = self.curl("/ast/over").await; // Asterisk does not care for the answer either
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stand-ins do what the dial plan says that Asterisk shall do.
    #[test]
    fn the_dial_plan_has_the_same_bounds() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/telephony/asterisk/extensions.conf");
        let plan = std::fs::read_to_string(path).unwrap();
        for text in [
            format!("${{VAANI_ROUNDS}} > {ROUNDS_MAX}"),
            format!("${{EPOCH}} - ${{since}} > {}", WITHIN.as_secs()),
            format!("Wait({})", PAUSE.as_secs_f32()),
            format!("CURLOPT(httptimeout)={}", ANSWER_WITHIN.as_secs()),
        ] {
            assert!(plan.contains(&text), "{text}");
        }
    }
}
