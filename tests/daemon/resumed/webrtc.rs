//! A browser's connection dies without a word, and its page makes another.

use std::time::Duration;

use tokio::join;
use tokio::time::sleep;
use vaani::base::event::{EndCause, Event};
use vaani::base::secret::Secret;
use vaani::base::{Lang, limits};
use vaani::telephony::far::{AfterCut, FarCall, Network};
use vaani::telephony::webrtc::carrier::{Browser, DialError, DialOptions};
use vaani::telephony::webrtc::codec::{Codec, Mouth};

use super::ear::{counts, resumes};
use crate::support::{Daemon, impatient_config, root, until};

/// A daemon that browsers call.
const FOR_BROWSERS: [(&str, &str); 4] = [
    ("VAANI_PRIVACY__TRANSCRIPTS", "true"),
    ("VAANI_WEBRTC__ENABLED", "true"),
    ("VAANI_WEBRTC__ADDRESSES", "127.0.0.1"),
    ("VAANI_HTTP__TLS_LISTEN", "127.0.0.1:0"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browsers_call_goes_on_over_another_connection() {
    let (state, config) = (tempfile::tempdir().unwrap(), impatient_config());
    let daemon = Daemon::start(state.path(), config.path(), true, &FOR_BROWSERS).await;
    let dial = async |after_cut: AfterCut| -> FarCall {
        let mut options = daemon.browser("helpdesk");
        options.language = Some(Lang::Hi);
        options.network = Network { after_cut, ..Network::default() };
        daemon.dial_browser(options).await.unwrap()
    };
    resumes(&daemon, dial).await;
    daemon.stop().await;
}

/// A page by hand: it sends silence, as a microphone in a quiet room does.
struct Page {
    browser: Browser,
    mouth: Mouth,
    sent: u32,
}

impl Page {
    fn of(browser: Browser) -> Self {
        Self { browser, mouth: Mouth::new(Codec::Opus).unwrap(), sent: 0 }
    }

    async fn send(&mut self, frames: u32) {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        for _ in 0..frames {
            ticks.tick().await;
            let payload = self.mouth.say(&[0; 160]).unwrap();
            assert!(self.browser.send_packet(self.sent as u16, self.sent * 960, payload).await);
            self.sent += 1;
        }
    }
}

/// What the box answered to an offer that it did not take.
fn status(refused: Result<Browser, DialError>) -> u16 {
    match refused {
        Err(DialError::Refused { status, .. }) => status,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was taken"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_carried_on_by_who_knows_its_secret_and_only_when_its_line_is_broken() {
    let state = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(state.path(), &root().join("config"), true, &FOR_BROWSERS).await;
    let options = daemon.browser("helpdesk");
    let (browser, answered) = options.open().await.unwrap();
    let (call, location) = (answered.call, answered.location);
    let mut first = Page::of(browser);
    first.send(25).await;

    // While the first one is there nobody else gets the line, secret or not.
    let wrong = "/webrtc/session/0000000000000000000000000000000000000000000000000000000000000000";
    let stranger = DialOptions { token: Secret::new("nobody"), ..daemon.browser("helpdesk") };
    let (live, unknown, no_token, ()) =
        join!(options.carry_on(&location), options.carry_on(wrong), stranger.carry_on(&location), first.send(100));
    assert_eq!([live, unknown, no_token].map(status), [409, 404, 401]);
    assert_eq!(counts(&daemon.facts(&call).await), (0, 0, 0));

    // Twice broken, twice carried on by the same secret; of two at once one gets the line.
    let mut page = first;
    for times in 1..=2 {
        page.browser.vanish().await;
        sleep(2 * limits::WEBRTC_THERE).await;
        let (one, other) = join!(options.carry_on(&location), options.carry_on(&location));
        let (back, refused) = match (one, other) {
            (Ok(one), other) => (one, other),
            (other, Ok(one)) => (one, other),
            (one, other) => panic!("{one:?} {other:?}"),
        };
        assert_eq!(status(refused), 409);
        page = Page::of(back);
        page.send(25).await;
        until("the line is back", async || (counts(&daemon.facts(&call).await) == (times, times, 0)).then_some(()))
            .await;
    }

    // The end is the end for every secret.
    options.end(&location).await;
    let (facts, cause) = daemon.ended(&call).await;
    assert_eq!((cause, counts(&facts)), (EndCause::CallerHungUp, (2, 2, 1)), "{facts:#?}");
    assert_eq!(status(options.carry_on(&location).await), 404);
    page.browser.close().await;

    // A page that goes away while its line is broken ends the call at once.
    let (browser, answered) = options.open().await.unwrap();
    let mut page = Page::of(browser);
    page.send(25).await;
    page.browser.vanish().await;
    let asked = tokio::time::Instant::now();
    options.end(&answered.location).await;
    let (_, cause) = daemon.ended(&answered.call).await;
    assert_eq!(cause, EndCause::CallerHungUp);
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());

    // So does one that goes away while it tries to come back.
    let (browser, answered) = options.open().await.unwrap();
    let mut page = Page::of(browser);
    page.send(25).await;
    page.browser.vanish().await;
    sleep(2 * limits::WEBRTC_THERE).await;
    let (browser, offer) = Browser::offer(&[Codec::Opus], &options.addresses).await.unwrap();
    let request = options.http.post(options.base_url.webhook(&answered.location));
    let request = request.bearer_auth(options.token.expose()).header("content-type", "application/sdp");
    let taken = request.body(offer).send().await.unwrap();
    assert_eq!(taken.status().as_u16(), 201);
    assert_eq!(taken.headers()["location"], *answered.location);
    let asked = tokio::time::Instant::now();
    options.end(&answered.location).await;
    let (facts, cause) = daemon.ended(&answered.call).await;
    assert_eq!((cause, counts(&facts)), (EndCause::MediaLost, (1, 0, 1)), "{facts:#?}");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    browser.close().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_breaks_each_time_is_not_carried_on_for_ever() {
    let state = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(state.path(), &root().join("config"), true, &FOR_BROWSERS).await;
    let options = daemon.browser("helpdesk");
    let (browser, answered) = options.open().await.unwrap();
    let mut page = Page::of(browser);
    page.send(5).await;
    let mut times = 0;
    let refused = 'line: loop {
        page.browser.vanish().await;
        page = loop {
            match options.carry_on(&answered.location).await {
                Ok(browser) => break Page::of(browser),
                Err(DialError::Refused { status: 409, .. }) => sleep(Duration::from_millis(300)).await,
                Err(refused) => break 'line status(Err(refused)),
            }
        };
        page.send(5).await;
        times += 1;
    };
    assert_eq!((times, refused), (limits::WEBRTC_RESUMES_MAX as usize, 403));
    let lost = |event: &Event| matches!(event, Event::MediaLost);
    let facts = daemon.facts(&answered.call).await;
    assert!(facts.iter().filter(|event| lost(event)).count() >= times, "{facts:#?}");
    options.end(&answered.location).await;
    let (facts, _) = daemon.ended(&answered.call).await;
    assert_eq!(counts(&facts).2, 1);
    daemon.stop().await;
}
