//! Calls that come in over Exotel's protocol.

use vaani::base::event::{EndCause, Event};
use vaani::telephony::exotel::carrier::DialError;
use vaani::telephony::far::Heard;

use crate::support::{Daemon, root};

const LOGIN: [(&str, &str); 2] = [("VAANI_EXOTEL__USER", "exotel"), ("VAANI_EXOTEL__PASSWORD", "p@ss/word")];

#[tokio::test]
async fn a_caller_over_exotel_hears_their_own_voice() {
    let state = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(state.path(), &root().join("config"), false, &LOGIN).await;
    let mut stranger = daemon.exotel("exotel:other@");
    stranger.query.push(("agent".to_owned(), "echo".to_owned()));
    let refused = daemon.dial_exotel(stranger).await.unwrap_err();
    assert!(matches!(refused, DialError::Status { status: 403, .. }), "{refused}");

    let mut options = daemon.exotel("exotel:p%40ss%2Fword@");
    options.query.push(("agent".to_owned(), "echo".to_owned()));
    // Ids of this carrier read like the box's own.
    assert_eq!(options.call_sid.len(), 32);
    let mut call = daemon.dial_exotel(options).await.unwrap();
    let caller = call.caller();
    let tone: Vec<i16> =
        (0..16_000).map(|i| (9_000.0 * (f64::from(i) * std::f64::consts::TAU / 16.0).sin()) as i16).collect();
    let listening = async {
        let mut loud = 0;
        while loud < 90 {
            match call.hear().await.unwrap() {
                Heard::Frame(played) => loud += usize::from(played.pcm.iter().any(|s| s.unsigned_abs() > 4_000)),
                other => panic!("{other:?}"),
            }
        }
    };
    let (said, ()) = tokio::join!(caller.say(tone), listening);
    said.unwrap();
    call.hang_up().await.unwrap();
    let (facts, cause) = daemon.ended(call.carrier_call()).await;
    assert_eq!(cause, EndCause::CallerHungUp);
    let transport = |event: &Event| matches!(event, Event::CallInitiated { transport, .. } if transport == "exotel");
    assert!(facts.iter().any(transport), "{facts:#?}");
    let end = call.end().await.unwrap();
    assert_eq!((end.violations, end.clean), (Vec::<String>::new(), true));
    daemon.stop().await;
}

#[tokio::test]
async fn a_box_that_is_not_set_up_for_exotel_refuses_it() {
    let state = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(state.path(), &root().join("config"), false, &[]).await;
    let refused = daemon.dial_exotel(daemon.exotel("")).await.unwrap_err();
    assert!(matches!(refused, DialError::Status { status: 503, .. }), "{refused}");
    daemon.stop().await;
}
