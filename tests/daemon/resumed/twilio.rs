//! Twilio goes on with the verb behind `<Connect>` when its media socket breaks.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::join;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use vaani::base::event::{EndCause, Event};
use vaani::base::limits;
use vaani::telephony::far::{AfterCut, FarCall, Network};
use vaani::telephony::signature::{self, Algorithm};
use vaani::telephony::twilio::carrier::DialOptions;
use vaani::telephony::twilio::carrier::wire::Printer;

use super::ear::{Ear, counts, goes_on, never_back, whole_greeting};
use crate::support::{Daemon, impatient_config};

const HINDI: char = '2';

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_stream_breaks_goes_on() {
    let (state, config) = (tempfile::tempdir().unwrap(), impatient_config());
    let daemon = Daemon::start(state.path(), config.path(), true, &[("VAANI_PRIVACY__TRANSCRIPTS", "true")]).await;
    let dial = async |network: Network| -> FarCall {
        let mut options = daemon.call().digit(HINDI);
        options.network = network;
        daemon.dial(options).await.unwrap()
    };
    let whole = whole_greeting(&daemon, dial(Network::default()).await).await;
    assert!(whole > 50, "the greeting is too short to be cut: {whole} frames");
    let vanishing = Network { after_cut: AfterCut::Vanishes, ..Network::default() };
    let ending = Network { after_cut: AfterCut::HangsUp, ..Network::default() };
    let ((), (), waited, told, (), ()) = join!(
        async { goes_on(&daemon, dial(Network::default()).await, whole, 1).await },
        async { goes_on(&daemon, dial(Network::default()).await, whole, 2).await },
        async { never_back(&daemon, dial(vanishing).await).await },
        async { never_back(&daemon, dial(ending).await).await },
        keeps_breaking(&daemon),
        one_stream_at_a_time(&daemon),
    );
    assert!(waited >= limits::RESUME_WITHIN, "{waited:?}");
    assert!(told < Duration::from_secs(10), "the carrier's word ends the waiting: {told:?}");
    daemon.stop().await;
}

/// A stream that breaks each time is not offered for ever.
async fn keeps_breaking(daemon: &Daemon) {
    let mut options = daemon.call().digit(HINDI);
    options.network = Network { cut_after: Some(Duration::from_millis(300)), ..Network::default() };
    let ear = Ear::of(daemon.dial(options).await.unwrap());
    let (facts, cause) = daemon.ended(&ear.sid).await;
    let resumed = limits::RESUMES_MAX as usize;
    assert_eq!((cause, counts(&facts)), (EndCause::MediaLost, (resumed + 1, resumed, 1)), "{facts:#?}");
    assert!(ear.ended().await.clean, "the box has the carrier hang up");
}

/// A second stream is taken only when the first is gone, and with a token of its own.
async fn one_stream_at_a_time(daemon: &Daemon) {
    let wire = Wire { options: daemon.call() };
    let sid = wire.options.call_sid.clone();
    let twiml = wire.post("/voice/incoming?agent=reminder").await;
    let (token, after) = (token(&twiml), after(&twiml));
    let other = self::token(&wire.post("/voice/incoming?agent=reminder").await);
    assert_ne!(token, other);
    let mut first = wire.stream(&token).await;
    assert!(taken(&mut first).await, "the first stream is taken");
    for refused in [&token, &other] {
        assert!(!taken(&mut wire.stream(refused).await).await, "while the first one lives");
    }
    assert!(taken(&mut first).await, "which is not disturbed");

    drop(first);
    let twiml = wire.post(&after).await;
    let fresh = self::token(&twiml);
    for spent in [&token, &other] {
        assert!(!taken(&mut wire.stream(spent).await).await, "a spent token opens nothing");
    }
    let mut second = wire.stream(&fresh).await;
    assert!(taken(&mut second).await, "the token of the answer does");
    assert!(!taken(&mut wire.stream(&fresh).await).await, "once");
    let facts = daemon.fact(&sid, "the line is back", 0, |e| matches!(e, Event::MediaBack { .. })).await;
    assert_eq!(counts(&facts), (1, 1, 0), "{facts:#?}");

    let stop = wire.printer().stop();
    second.send(Message::text(stop)).await.unwrap();
    let (facts, cause) = daemon.ended(&sid).await;
    assert_eq!((cause, counts(&facts)), (EndCause::CallerHungUp, (1, 1, 1)), "{facts:#?}");
    for path in [after, self::after(&twiml)] {
        assert!(wire.post(&path).await.ends_with("<Response><Hangup/></Response>"), "{path}");
    }
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The carrier's requests, one by one.
struct Wire {
    options: DialOptions,
}

impl Wire {
    async fn post(&self, path: &str) -> String {
        let DialOptions { base_url, auth_token, account_sid, call_sid, from, to, .. } = &self.options;
        let form: Vec<(String, String)> = [
            ("CallSid", call_sid),
            ("AccountSid", account_sid),
            ("From", from),
            ("To", to),
            ("CallStatus", &"in-progress".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .to_vec();
        let url = base_url.webhook(path);
        let signed = signature::sign(auth_token, Algorithm::HmacSha1, &url, &form);
        let client = vaani::telephony::far::client().unwrap();
        let answer = client.post(url).header("x-twilio-signature", signed).form(&form).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.text().await.unwrap()
    }

    fn printer(&self) -> Printer {
        Printer::new(&self.options.account_sid, &self.options.call_sid, "MZ1")
    }

    /// A stream that has said who it is.
    async fn stream(&self, token: &str) -> Socket {
        let url = self.options.base_url.socket("/media-stream");
        let signed = signature::sign(&self.options.auth_token, Algorithm::HmacSha1, &url, &[]);
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("x-twilio-signature", signed.parse().unwrap());
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        let parameters = [("token".to_owned(), token.to_owned())];
        for text in [Printer::connected(), self.printer().start(&parameters)] {
            socket.send(Message::text(text)).await.unwrap();
        }
        socket
    }
}

/// Does the box keep this stream? One that it refuses is closed at once.
async fn taken(socket: &mut Socket) -> bool {
    let closed = async {
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_millis(700), closed).await.is_err()
}

fn token(twiml: &str) -> String {
    let (_, rest) = twiml.split_once("name=\"token\" value=\"").expect("a token");
    rest.split('"').next().unwrap().to_owned()
}

/// Where the carrier goes when the stream is over.
fn after(twiml: &str) -> String {
    let (_, rest) = twiml.split_once("/voice/after-stream").expect("something follows the stream");
    format!("/voice/after-stream{}", rest.split('<').next().unwrap()).replace("&amp;", "&")
}
