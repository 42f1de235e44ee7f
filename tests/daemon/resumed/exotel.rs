//! Exotel's flow goes on with the applet behind the Voicebot when its socket breaks.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::join;
use tokio_tungstenite::tungstenite::Message;
use vaani::base::event::EndCause;
use vaani::base::{Clock, limits};
use vaani::telephony::exotel::carrier::wire::Printer;
use vaani::telephony::exotel::carrier::{DialOptions, Flow, OpenStream};
use vaani::telephony::far::{AfterCut, FarCall, Network, Side};

use super::ear::{Ear, counts, goes_on, never_back, whole_greeting};
use crate::support::{Daemon, impatient_config};

const LOGIN: &str = "exotel:p%40ss%2Fword@";
const KNOWN: [(&str, &str); 2] = [("VAANI_EXOTEL__USER", "exotel"), ("VAANI_EXOTEL__PASSWORD", "p@ss/word")];

fn options(daemon: &Daemon, network: Network) -> DialOptions {
    let mut options = daemon.exotel(LOGIN);
    options.query.push(("lang".to_owned(), "hi-IN".to_owned()));
    options.network = network;
    options
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_stream_breaks_goes_on() {
    let (state, config) = (tempfile::tempdir().unwrap(), impatient_config());
    let settings = [&KNOWN[..], &[("VAANI_EXOTEL__FLOW_CONNECTS", "true")]].concat();
    let daemon = Daemon::start(state.path(), config.path(), true, &settings).await;
    let dial = async |network: Network, flow: Flow| -> FarCall {
        let mut options = options(&daemon, network);
        options.flow = flow;
        daemon.dial_exotel(options).await.unwrap()
    };
    let whole = whole_greeting(&daemon, dial(Network::default(), Flow::Connects).await).await;
    assert!(whole > 50, "the greeting is too short to be cut: {whole} frames");
    let ending = Network { after_cut: AfterCut::HangsUp, ..Network::default() };
    let ((), (), (), told, (), ()) = join!(
        async { goes_on(&daemon, dial(Network::default(), Flow::Connects).await, whole, 1).await },
        async { goes_on(&daemon, dial(Network::default(), Flow::Connects).await, whole, 2).await },
        async { goes_on(&daemon, dial(Network::default(), Flow::Returns).await, whole, 1).await },
        async { never_back(&daemon, dial(ending, Flow::Connects).await).await },
        keeps_breaking(&daemon),
        unannounced(&daemon),
    );
    assert!(told < Duration::from_secs(10), "the flow's word ends the waiting: {told:?}");
    daemon.stop().await;
}

/// The flow is not led back for ever.
async fn keeps_breaking(daemon: &Daemon) {
    let cut_after = Some(Duration::from_millis(300));
    let ear = Ear::of(daemon.dial_exotel(options(daemon, Network { cut_after, ..Network::default() })).await.unwrap());
    let (facts, cause) = daemon.ended(&ear.sid).await;
    let resumed = limits::RESUMES_MAX as usize;
    assert_eq!((cause, counts(&facts)), (EndCause::MediaLost, (resumed + 1, resumed, 1)), "{facts:#?}");
    assert!(ear.ended().await.clean, "the flow goes on to Hangup");
}

#[tokio::test]
async fn a_flow_that_does_not_lead_back_ends_the_call() {
    let (state, config) = (tempfile::tempdir().unwrap(), impatient_config());
    let daemon = Daemon::start(state.path(), config.path(), true, &KNOWN).await;
    let network = Network { cut_after: Some(Duration::from_millis(1_500)), ..Network::default() };
    let call = daemon.dial_exotel(options(&daemon, network)).await.unwrap();
    let clock = Clock::system();
    let began = clock.now();
    let sid = call.carrier_call().to_owned();
    let end = call.end().await.unwrap();
    assert_eq!((end.by, end.clean), (Side::Network, true), "Passthru is answered 200");
    let (facts, cause) = daemon.ended(&sid).await;
    assert_eq!((cause, counts(&facts)), (EndCause::MediaLost, (1, 0, 1)), "{facts:#?}");
    let waited = clock.now().since(began);
    assert!(waited < limits::RESUME_WITHIN / 2, "nobody is waited for: {waited:?}");
    daemon.stop().await;
}

/// A stream that nobody has announced may connect again under the same call.
async fn unannounced(daemon: &Daemon) {
    let mut options = options(daemon, Network::default());
    options.fixed_socket = Some("/ws/voicebot-compatibility/reminder?sample-rate=8000".to_owned());
    let sid = options.call_sid.clone();
    let mut first = begun(options.clone().open_stream().await.unwrap()).await;
    assert!(taken(&mut first).await, "the first stream is taken");
    let mut early = begun(OpenStream::again(options.clone()).await.unwrap()).await;
    assert!(!taken(&mut early).await, "one call has one stream");
    assert!(taken(&mut first).await, "which is not disturbed");
    drop(first);
    daemon.fact(&sid, "the box notices", 0, |e| matches!(e, vaani::base::event::Event::MediaLost)).await;
    let mut again = begun(OpenStream::again(options).await.unwrap()).await;
    assert!(taken(&mut again).await, "a client that comes back carries on");
    let stop = again.printer.stop();
    again.socket.send(Message::text(stop)).await.unwrap();
    let (facts, cause) = daemon.ended(&sid).await;
    assert_eq!((cause, counts(&facts)), (EndCause::CallerHungUp, (1, 1, 1)), "{facts:#?}");
    let http = vaani::telephony::far::client().unwrap();
    let mut over = self::options(daemon, Network::default());
    over.call_sid = sid;
    assert_eq!(over.passthru(&http, Side::Network).await.unwrap().as_u16(), 200, "the call is over");
}

/// A stream that has said who it is.
async fn begun(mut stream: OpenStream) -> OpenStream {
    for text in [Printer::connected(), stream.printer.start()] {
        stream.socket.send(Message::text(text)).await.unwrap();
    }
    stream
}

/// Does the box keep this stream? One that it refuses is closed at once.
async fn taken(stream: &mut OpenStream) -> bool {
    let closed = async {
        while let Some(Ok(message)) = stream.socket.next().await {
            if message.is_close() {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_millis(700), closed).await.is_err()
}
