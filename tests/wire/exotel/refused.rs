//! Who is not let in, and callers for whom there is no line.

use vaani::telephony::far::{Heard, Side};
use vaani::telephony::leg::Refusal;

use super::*;

const PATHS: [&str; 7] = [
    "/ws-url?CallSid=c1",
    "/passthru-handler?CallSid=c1",
    "/webhook/exotel?CallSid=c1&Status=busy",
    "/connect-handler?CallSid=c1",
    "/connect-numbers?CallSid=c1",
    "/dial-event?CallSid=c1&EventType=Dial",
    "/passthru-after-connect?CallSid=c1&DialCallStatus=busy",
];

#[tokio::test]
async fn nothing_starts_without_what_is_configured() {
    for access in [
        known(),
        Access { secret_path: Some(Secret::new("between-us-0123")), ..Access::default() },
        Access { networks: vec!["203.0.113.0/24".parse().unwrap()], ..Access::default() },
    ] {
        let running = Setup { access, ..Setup::default() }.start().await;
        let bare = format!("http://127.0.0.1:{}", running.url.port().unwrap());
        for path in PATHS.iter() {
            for front in ["", "/exotel/wrong-secret-012"] {
                assert_eq!(answer(http().get(format!("{bare}{front}{path}"))).await, (403, "not allowed".to_owned()));
                let forged = http().get(format!("{bare}{front}{path}")).basic_auth("exotel", Some("other"));
                assert_eq!(answer(forged).await.0, 403);
            }
        }
        let mut stranger = running.options();
        stranger.base_url = bare.parse().unwrap();
        stranger.fixed_socket = Some("/ws/voicebot-compatibility/default".to_owned());
        let refused = running.dial(stranger).await.unwrap_err();
        assert!(matches!(refused, DialError::Handshake(403)), "{refused}");
        assert_eq!(running.exchange.calls() + running.exchange.states.lock().unwrap().len(), 0);
        assert!(running.exchange.person_news.lock().unwrap().is_empty());
        assert!(running.metrics.refused_requests.get() >= 14);
    }
}

#[tokio::test]
async fn a_box_that_is_not_set_up_says_so() {
    let running = Setup { access: Access::default(), ..Setup::default() }.start().await;
    for path in PATHS {
        assert_eq!(answer(http().get(running.at(path))).await.0, 503, "{path}");
    }
    for path in ["/ws/voicebot/x", "/ws/voicebot-compatibility/default"] {
        assert_eq!(running.socket(path).await.err(), Some(503), "{path}");
    }
    assert_eq!(running.exchange.calls(), 0);
}

#[tokio::test]
async fn a_proxy_that_is_trusted_speaks_for_the_carrier() {
    let access = |trusted: &str| Access {
        networks: vec!["203.0.113.0/24".parse().unwrap()],
        trusted_proxies: vec![trusted.parse().unwrap()],
        ..Access::default()
    };
    for (trusted, said, status) in
        [("127.0.0.1", "203.0.113.9", 200), ("127.0.0.1", "198.51.100.9", 403), ("10.0.0.1", "203.0.113.9", 403)]
    {
        let running = Setup { access: access(trusted), ..Setup::default() }.start().await;
        let asked = http().get(running.at("/ws-url?CallSid=c1")).header("x-forwarded-for", said);
        assert_eq!(answer(asked).await.0, status, "{trusted} {said}");
    }
}

#[tokio::test]
async fn a_caller_for_whom_there_is_no_line_goes_on_in_the_flow() {
    let running = Setup::default().start().await;
    for refusal in [Refusal::Full, Refusal::UnknownAgent, Refusal::Draining] {
        *running.exchange.refuse.lock().unwrap() = Some(refusal);
        let refused = running.dial(running.options()).await.unwrap_err();
        assert!(matches!(refused, DialError::Status { status: 503, .. }), "{refused}");
    }
    assert_eq!((running.metrics.refused_calls.get(), running.metrics.apologies.get()), (3, 0));
}

#[tokio::test]
async fn or_is_told_so_and_may_ask_to_be_called_back() {
    for (fixed, pressed, disk_full) in [(false, true, false), (true, true, true), (false, false, false)] {
        let running = Setup { spoken_busy: true, ..Setup::default() }.start().await;
        *running.exchange.refuse.lock().unwrap() = Some(Refusal::Full);
        running.exchange.disk_full.store(disk_full, std::sync::atomic::Ordering::Relaxed);
        let mut options = running.options();
        options.fixed_socket = fixed.then(|| "/ws/voicebot-compatibility/default?sample-rate=8000".to_owned());
        let mut carrier = running.dial(options).await.unwrap();
        let (mut loud, mut end) = (0, None);
        while let Some(heard) = timeout(PATIENCE, carrier.hear()).await.unwrap() {
            match heard {
                Heard::Frame(played) => {
                    loud += usize::from(is_loud(&played.pcm));
                    if loud == 25 && pressed {
                        carrier.press('9').await.unwrap();
                        carrier.press('1').await.unwrap();
                    }
                }
                Heard::Cleared { .. } => {}
                Heard::Ended(ended) => end = Some(ended),
            }
        }
        let end = end.unwrap();
        assert_eq!((end.by, end.close_code, &end.violations[..]), (Side::Box, Some(1000), &[][..]));
        let callbacks = running.exchange.callbacks.lock().unwrap().len();
        assert_eq!(callbacks, usize::from(pressed));
        // The two lines are 30 frames; whoever presses a key hears the one about it, too.
        assert!(if pressed { loud > 34 } else { (30..=33).contains(&loud) }, "{pressed}: {loud}");
        assert_eq!((running.metrics.apologies.get(), running.exchange.calls()), (1, 0));
    }
    let running = Setup { spoken_busy: true, ..Setup::default() }.start().await;
    *running.exchange.refuse.lock().unwrap() = Some(Refusal::Draining);
    let refused = running.dial(running.options()).await.unwrap_err();
    assert!(matches!(refused, DialError::Status { status: 503, .. }), "a box that stops will not be there to say it");
}
