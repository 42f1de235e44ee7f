//! Whole calls of Asterisk over `chan_websocket`, and those it is refused.

use vaani::telephony::asterisk::carrier::{DialOptions, Release};
use vaani::telephony::far::Side;
use vaani::telephony::leg::{LegEnd, Refusal};

use super::*;

fn options(running: &TestBox) -> DialOptions {
    DialOptions::new(running.url.clone(), Some(Secret::new(TOKEN)))
}

#[tokio::test]
async fn a_call_is_heard_and_answered_in_every_release_and_format() {
    for (release, format) in [
        (Release::First, "ulaw"),
        (Release::First, "slin16"),
        (Release::Plain, "alaw"),
        (Release::Json, "slin"),
        (Release::Json, "slin16"),
    ] {
        let mut running = Setup::default().start().await;
        let mut dialled = options(&running);
        (dialled.release, dialled.format) = (release, format.to_owned());
        dialled.agent = Some("helpdesk".to_owned());
        dialled.language = Some(Lang::Ta);
        let id = dialled.call.clone();
        let mut far = dialled.dial(&running.tasks, running.clock).await.unwrap();
        let mut leg = running.leg().await;
        assert_eq!(leg.language, Some(Lang::Ta), "{release:?} {format}");
        the_caller_is_heard(&far, &mut leg).await;
        the_box_is_heard(&mut far, &mut leg).await;
        command(&leg, LegCommand::Hangup).await;
        assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::ClosedByUs)));
        let end = far.end().await.unwrap();
        assert_eq!((end.by, end.close_code, end.violations), (Side::Box, Some(1000), vec![]), "{release:?} {format}");
        let announced = running.exchange.announced.lock().unwrap().clone();
        let told = &announced[0];
        assert_eq!((told.transport, told.carrier_call.as_str()), ("asterisk", id.as_str()));
        assert_eq!(told.from.as_ref().map(|p| p.reveal().to_owned()).as_deref(), Some("+919876543210"));
        assert_eq!(told.to.as_ref().map(|p| p.reveal().to_owned()).as_deref(), Some("+914440001234"));
        assert_eq!(told.agent.as_deref(), Some("helpdesk"));
    }
}

#[tokio::test]
async fn a_clear_empties_the_queue_of_asterisk() {
    for release in [Release::First, Release::Json] {
        let mut running = Setup::default().start().await;
        let mut dialled = options(&running);
        dialled.release = release;
        let mut far = dialled.dial(&running.tasks, running.clock).await.unwrap();
        let mut leg = running.leg().await;
        for frame in tone(50).chunks(160) {
            command(&leg, LegCommand::Audio(frame.to_vec())).await;
        }
        command(&leg, LegCommand::Mark(7)).await;
        loop {
            if let Heard::Frame(played) = timeout(PATIENCE, far.hear()).await.unwrap().unwrap()
                && is_loud(&played.pcm)
            {
                break;
            }
        }
        command(&leg, LegCommand::Clear).await;
        assert_eq!(next_event(&mut leg).await, Some(LegEvent::MarkFlushed(7)));
        let cleared = loop {
            match timeout(PATIENCE, far.hear()).await.unwrap().unwrap() {
                Heard::Cleared { samples, .. } => break samples,
                Heard::Frame(_) => {}
                Heard::Ended(end) => panic!("{end:?}"),
            }
        };
        assert!(cleared > 20 * 160, "{cleared}");
        far.hang_up().await.unwrap();
        assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::HungUp)));
    }
}

#[tokio::test]
async fn a_call_that_is_refused_is_given_back_to_the_dial_plan() {
    let running = Setup::default().start().await;
    *running.exchange.refuse.lock().unwrap() = Some(Refusal::Full);
    let far = options(&running).dial(&running.tasks, running.clock).await.unwrap();
    let end = far.end().await.unwrap();
    assert_eq!((end.by, end.close_code), (Side::Box, Some(1008)));
    assert_eq!(running.asterisk.refused_calls.get(), 1);
}

#[tokio::test]
async fn strangers_do_not_pass() {
    for (setup, token, status) in [
        (Setup { token: None, ..Setup::default() }, Some(TOKEN), 503),
        (Setup::default(), None, 401),
        (Setup::default(), Some("another-token"), 401),
        (Setup { networks: vec!["10.0.0.0/8"], ..Setup::default() }, Some(TOKEN), 403),
    ] {
        let running = setup.start().await;
        let mut dialled = options(&running);
        dialled.token = token.map(Secret::new);
        let error = dialled.dial(&running.tasks, running.clock).await.unwrap_err();
        let text = format!("{error:?}");
        assert!(text.contains(&format!("status: {status}")), "{text}");
        assert_eq!((running.asterisk.refused_peers.get(), running.exchange.calls()), (1, 0));
    }
}
