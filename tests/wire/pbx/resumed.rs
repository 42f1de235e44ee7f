//! Media connections that break while their channel is up.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::Message;
use vaani::base::event::CallState;
use vaani::base::limits;
use vaani::telephony::asterisk::carrier::DialOptions as AsteriskCall;
use vaani::telephony::audiosocket::carrier::DialOptions as AudioSocketCall;
use vaani::telephony::far::Side;
use vaani::telephony::leg::LegEnd;

use super::fake::Fake;
use super::freeswitch::{kept, stream, streamed};
use super::*;

fn waits(running: &TestBox, call: &str) {
    running.exchange.waits.lock().unwrap().push(call.to_owned());
}

/// The path of the stream that FreeSWITCH is asked for as the `nth`.
async fn asked(running: &TestBox, fake: &Fake, begins: &str, nth: usize) -> String {
    let of = || fake.heard().into_iter().filter(|c| c.starts_with(begins)).nth(nth);
    until(&format!("{begins} for the {nth}th time"), || of().is_some()).await;
    let url = of().unwrap().split(' ').nth(3).unwrap().to_owned();
    url.strip_prefix(&running.url.socket("")).unwrap().to_owned()
}

#[tokio::test]
async fn freeswitch_is_asked_for_a_stream_that_broke() {
    for (module, path, start, stop) in [
        (Module::Fork, "/fs/fork", "uuid_audio_fork u-1 start", "uuid_audio_fork u-1 stop vaani"),
        (Module::Stream, "/fs/media", "uuid_audio_stream u-1 start", "uuid_audio_stream u-1 stop"),
    ] {
        let (mut running, fake) = kept(module).await;
        let (socket, mut leg) = streamed(&mut running, path, "u-1").await;
        waits(&running, "u-1");
        drop(socket);
        assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::Lost)));
        let again = asked(&running, &fake, start, 0).await;
        let orders: Vec<_> = fake.heard().into_iter().filter(|c| c.contains("u-1")).collect();
        assert_eq!((orders.len(), orders[0].as_str()), (2, stop), "{orders:?}");

        let mut socket = stream(&running, &again, None).await.unwrap();
        socket.send(Message::binary(vec![0; 320])).await.unwrap();
        let mut back = running.leg().await;
        assert_eq!(back.call, leg.call);
        socket.send(Message::binary(vec![0; 320])).await.unwrap();
        assert!(matches!(back.events.recv().await, Some(LegEvent::Audio { .. })));
        assert_eq!(stream(&running, &again, None).await.err(), Some(401), "the ticket is spent");
        // The end of the first leg was not the channel's; that of the second is.
        drop(leg);
        assert!(!fake.heard().iter().any(|c| c.starts_with("uuid_kill")), "{:?}", fake.heard());
        command(&back, LegCommand::Hangup).await;
        assert_eq!(fake.hears("uuid_kill").await, "uuid_kill u-1 NORMAL_CLEARING");
    }
}

#[tokio::test]
async fn a_channel_whose_call_does_not_wait_is_ended() {
    let (mut running, fake) = kept(Module::Fork).await;
    let (socket, _leg) = streamed(&mut running, "/fs/fork", "u-1").await;
    drop(socket);
    assert_eq!(fake.hears("uuid_kill").await, "uuid_kill u-1 NORMAL_CLEARING");
    assert!(!fake.heard().iter().any(|c| c.contains(" start ")), "{:?}", fake.heard());
}

#[tokio::test]
async fn a_stream_that_breaks_each_time_is_given_up() {
    let (mut running, fake) = kept(Module::Fork).await;
    let (mut socket, mut leg) = streamed(&mut running, "/fs/fork", "u-1").await;
    for nth in 0..limits::FREESWITCH_AGAIN_MAX as usize {
        waits(&running, "u-1");
        drop(socket);
        assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::Lost)));
        let path = asked(&running, &fake, "uuid_audio_fork u-1 start", nth).await;
        socket = stream(&running, &path, None).await.unwrap();
        socket.send(Message::binary(vec![0; 320])).await.unwrap();
        leg = running.leg().await;
    }
    waits(&running, "u-1");
    drop(socket);
    fake.hears("uuid_kill u-1").await;
    let failed = ("u-1".to_owned(), CallState::Failed);
    assert!(running.exchange.states.lock().unwrap().contains(&failed), "a call that waits is told so");
    let starts = fake.heard().iter().filter(|c| c.contains(" start ")).count();
    assert_eq!(starts, limits::FREESWITCH_AGAIN_MAX as usize);
}

#[tokio::test]
async fn a_stream_that_cannot_be_opened_is_asked_for_after_a_pause() {
    let (mut running, fake) = kept(Module::Stream).await;
    let (socket, _leg) = streamed(&mut running, "/fs/media", "u-1").await;
    fake.answer("uuid_audio_stream u-1 start", Some("-ERR Operation Failed"));
    waits(&running, "u-1");
    drop(socket);
    asked(&running, &fake, "uuid_audio_stream u-1 start", 1).await;
    // It is promised, and the module then cannot reach the box.
    fake.answer("uuid_audio_stream u-1 start", Some("+OK Success"));
    let promised = fake.heard().iter().filter(|c| c.contains(" start ")).count();
    let late = asked(&running, &fake, "uuid_audio_stream u-1 start", promised).await;
    let failed = json!({"Event-Name": "CUSTOM", "Event-Subclass": "mod_audio_stream::error", "Unique-ID": "u-1",
        "_body": "{\"status\":\"error\"}"});
    fake.event(failed);
    let path = asked(&running, &fake, "uuid_audio_stream u-1 start", promised + 1).await;
    assert_eq!(stream(&running, &late, None).await.err(), Some(401), "who comes too late has no ticket any more");
    let mut socket = stream(&running, &path, None).await.unwrap();
    socket.send(Message::binary(vec![0; 320])).await.unwrap();
    running.leg().await;
}

#[tokio::test]
async fn a_stream_that_the_dial_plan_brings_back_itself_is_left_alone() {
    let (mut running, fake) = kept(Module::Fork).await;
    let (socket, _leg) = streamed(&mut running, "/fs/fork", "u-1").await;
    fake.answer("uuid_audio_fork u-1 start", Some("-ERR Operation Failed"));
    waits(&running, "u-1");
    drop(socket);
    asked(&running, &fake, "uuid_audio_fork u-1 start", 0).await;
    let (socket, mut leg) = streamed(&mut running, "/fs/fork", "u-1").await;
    sleep(limits::FREESWITCH_AGAIN_PAUSE * 2).await;
    let starts = || fake.heard().iter().filter(|c| c.contains(" start ")).count();
    let before = starts();
    sleep(limits::FREESWITCH_AGAIN_PAUSE * 3).await;
    assert_eq!(starts(), before, "{:?}", fake.heard());
    assert!(!fake.heard().iter().any(|c| c.starts_with("uuid_kill")), "{:?}", fake.heard());
    // And one that breaks after it is asked for again.
    waits(&running, "u-1");
    drop(socket);
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::Lost)));
    asked(&running, &fake, "uuid_audio_fork u-1 start", before).await;
}

#[tokio::test]
async fn a_stream_of_which_only_freeswitch_knows_that_it_broke_is_lost() {
    let (mut running, fake) = kept(Module::Fork).await;
    let dropped = || {
        fake.event(json!({"Event-Name": "CUSTOM", "Event-Subclass": "mod_audio_fork::disconnect", "Unique-ID": "u-1"}))
    };
    let (mut socket, mut leg) = streamed(&mut running, "/fs/fork", "u-1").await;
    // It was another one, since sound still comes.
    dropped();
    for _ in 0..70 {
        socket.send(Message::binary(vec![0; 320])).await.unwrap();
        sleep(Duration::from_millis(20)).await;
    }
    while let Ok(event) = leg.events.try_recv() {
        assert!(matches!(event, LegEvent::Audio { .. }), "{event:?}");
    }
    waits(&running, "u-1");
    dropped();
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::Lost)));
    asked(&running, &fake, "uuid_audio_fork u-1 start", 0).await;
}

#[tokio::test]
async fn a_second_stream_of_a_channel_is_turned_away_and_the_first_goes_on() {
    let (mut running, fake) = kept(Module::Fork).await;
    let (mut first, mut leg) = streamed(&mut running, "/fs/fork", "u-1").await;
    let mut second = stream(&running, "/fs/fork", Some(TOKEN)).await.unwrap();
    second.send(Message::text(json!({ "uuid": "u-1" }).to_string())).await.unwrap();
    assert!(matches!(second.next().await, Some(Ok(Message::Close(Some(frame)))) if u16::from(frame.code) == 1008));
    first.send(Message::binary(vec![0; 320])).await.unwrap();
    assert!(matches!(leg.events.recv().await, Some(LegEvent::Audio { .. })));
    // The keys still reach the first.
    fake.event(json!({"Event-Name": "DTMF", "Unique-ID": "u-1", "DTMF-Digit": "9"}));
    let key = async {
        loop {
            first.send(Message::binary(vec![0; 320])).await.unwrap();
            if let Ok(Some(LegEvent::Dtmf(digit))) = timeout(Duration::from_millis(20), leg.events.recv()).await {
                return digit;
            }
        }
    };
    assert_eq!(timeout(PATIENCE, key).await.unwrap(), '9');
    assert!(!fake.heard().iter().any(|c| c.starts_with("uuid_kill")), "{:?}", fake.heard());
}

#[tokio::test]
async fn a_channel_that_ends_while_its_stream_is_sought_is_told_at_once() {
    let (mut running, fake) = kept(Module::Fork).await;
    let (socket, _leg) = streamed(&mut running, "/fs/fork", "u-1").await;
    waits(&running, "u-1");
    drop(socket);
    asked(&running, &fake, "uuid_audio_fork u-1 start", 0).await;
    fake.event(json!({"Event-Name": "CHANNEL_HANGUP", "Unique-ID": "u-1", "Hangup-Cause": "NORMAL_CLEARING"}));
    let ended = ("u-1".to_owned(), CallState::Completed);
    until("the end", || running.exchange.states.lock().unwrap().contains(&ended)).await;
    sleep(limits::FREESWITCH_AGAIN_PAUSE * 2).await;
    assert!(!fake.heard().iter().any(|c| c.starts_with("uuid_kill")), "{:?}", fake.heard());
}

#[tokio::test]
async fn the_dial_plan_of_asterisk_is_answered_as_written_down() {
    let running = Setup::default().start().await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let (mut asked, mut checked) = (None, 0);
    for line in include_str!("door.txt").lines() {
        if let Some(call) = line.strip_prefix("W ") {
            waits(&running, call);
        } else if let Some(path) = line.strip_prefix("< ") {
            let path = path.replace("token=T&", &format!("token={TOKEN}&"));
            let path =
                if path.ends_with("token=T") { path.replace("token=T", &format!("token={TOKEN}")) } else { path };
            let answer = http.get(running.url.webhook(&path)).send().await.unwrap();
            asked = Some(format!("{} {}", answer.status().as_u16(), answer.text().await.unwrap()));
        } else if let Some(expected) = line.strip_prefix("= ") {
            assert_eq!(asked.take().as_deref(), Some(expected), "{line}");
            checked += 1;
        }
    }
    assert_eq!(checked, 13);
    let gone = |call: &str| (call.to_owned(), CallState::Completed);
    let states = running.exchange.states.lock().unwrap().clone();
    assert_eq!(states, [gone("pbx1-1764570000.12"), gone("40325ec2-5efd-4bd3-805f-53576e581d13")]);
}

#[tokio::test]
async fn asterisk_dials_again_under_the_same_name() {
    let mut running = Setup::default().start().await;
    let mut options = AsteriskCall::new(running.url.clone(), Some(Secret::new(TOKEN)));
    options.network.cut_after = Some(Duration::from_millis(300));
    let id = options.call.clone();
    // The box waits once.
    waits(&running, &id);
    let far = options.dial(&running.tasks, running.clock).await.unwrap();
    let mut first = running.leg().await;
    assert_eq!(next_event(&mut first).await, Some(LegEvent::Closed(LegEnd::Lost)));
    let mut second = running.leg().await;
    assert_eq!(second.call, first.call);
    assert_eq!(next_event(&mut second).await, Some(LegEvent::Closed(LegEnd::Lost)));
    let end = far.end().await.unwrap();
    assert_eq!((end.by, end.clean, end.violations), (Side::Network, false, vec![]));
    let ended = (id, CallState::Completed);
    until("the hangup handler", || running.exchange.states.lock().unwrap().contains(&ended)).await;
}

#[tokio::test]
async fn an_audiosocket_comes_again_only_if_it_was_asked_for() {
    let mut running = Setup::default().start().await;
    let mut options = AudioSocketCall::new(running.url.clone(), running.audiosocket.clone(), Some(Secret::new(TOKEN)));
    options.network.cut_after = Some(Duration::from_millis(300));
    let id = options.uuid.to_string();
    waits(&running, &id);
    let mut stranger = options.clone();
    let far = options.dial(&running.tasks, running.clock).await.unwrap();
    let first = running.leg().await;
    // Nobody asked at /ast/next.
    stranger.base_url = None;
    stranger.dial(&running.tasks, running.clock).await.unwrap().end().await.unwrap();
    assert_eq!(running.audiosockets.refused_peers.get(), 1);
    let second = running.leg().await;
    assert_eq!(second.call, first.call);
    assert_eq!(far.end().await.unwrap().by, Side::Network);
    assert_eq!(running.audiosockets.streams.streams.get(), 2);
    let ended = (id, CallState::Completed);
    until("the hangup handler", || running.exchange.states.lock().unwrap().contains(&ended)).await;
}
