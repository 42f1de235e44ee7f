//! FreeSWITCH: whole calls on event sockets of its own, streams of a dial plan, and the event socket that
//! we keep.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use vaani::base::CallId;
use vaani::base::event::CallState;
use vaani::telephony::dial::{Destination, Dialer as _, Order, Refused, Verdict};
use vaani::telephony::far::Side;
use vaani::telephony::freeswitch::carrier::{DialError, DialOptions};
use vaani::telephony::freeswitch::esl::Reply;
use vaani::telephony::freeswitch::{FreeswitchDialer, FreeswitchTransferer};
use vaani::telephony::leg::{LegEnd, Refusal};
use vaani::telephony::transfer::{Transferer as _, Way};

use super::fake::{Fake, PASSWORD};
use super::*;

fn options(running: &TestBox) -> DialOptions {
    DialOptions::new(running.event_socket.clone(), Some(Secret::new(TOKEN)))
}

pub(super) type Socket = WebSocketStream<TcpStream>;

/// A stream as the dial plan starts it; the status if it is refused.
pub(super) async fn stream(running: &TestBox, path: &str, bearer: Option<&str>) -> Result<Socket, u16> {
    let mut request = running.url.socket(path).into_client_request().unwrap();
    if let Some(token) = bearer {
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    let host = running.url.webhook("").split_once("://").unwrap().1.to_owned();
    match tokio_tungstenite::client_async(request, TcpStream::connect(host).await.unwrap()).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_call_is_answered_streamed_and_hung_up_over_its_own_event_socket() {
    for rate in [8_000, 16_000] {
        let mut running = Setup { rate, ..Setup::default() }.start().await;
        let mut dialled = options(&running);
        dialled.agent = Some("helpdesk".to_owned());
        dialled.language = Some(Lang::Kn);
        let id = dialled.channel.clone();
        let mut far = dialled.dial(&running.tasks, running.clock).await.unwrap();
        let mut leg = running.leg().await;
        assert_eq!(leg.language, Some(Lang::Kn));
        the_caller_is_heard(&far, &mut leg).await;
        the_box_is_heard(&mut far, &mut leg).await;
        command(&leg, LegCommand::Hangup).await;
        assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::ClosedByUs)));
        let end = far.end().await.unwrap();
        assert_eq!((end.by, end.clean, end.violations), (Side::Box, true, vec![]), "the channel was ended as well");
        let announced = running.exchange.announced.lock().unwrap().clone();
        assert_eq!((announced[0].transport, announced[0].carrier_call.as_str()), ("freeswitch", id.as_str()));
        assert_eq!(announced[0].agent.as_deref(), Some("helpdesk"));
        let states = running.exchange.states.lock().unwrap().clone();
        assert!(states.contains(&(id.clone(), CallState::InProgress)), "{states:?}");
        until("the end of the channel", || {
            running.exchange.states.lock().unwrap().contains(&(id.clone(), CallState::Completed))
        })
        .await;
    }
}

#[tokio::test]
async fn a_clear_empties_the_buffer_and_the_callers_hang_up_ends_the_leg() {
    let mut running = Setup::default().start().await;
    let mut far = options(&running).dial(&running.tasks, running.clock).await.unwrap();
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
    loop {
        match timeout(PATIENCE, far.hear()).await.unwrap().unwrap() {
            Heard::Cleared { samples, .. } => break assert!(samples > 20 * 160),
            Heard::Frame(_) => {}
            Heard::Ended(end) => panic!("{end:?}"),
        }
    }
    far.hang_up().await.unwrap();
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::HungUp)));
}

#[tokio::test]
async fn calls_that_cannot_be_taken_are_hung_up_with_a_cause() {
    let running = Setup::default().start().await;
    *running.exchange.refuse.lock().unwrap() = Some(Refusal::Full);
    let busy = options(&running).dial(&running.tasks, running.clock).await.unwrap_err();
    assert!(matches!(&busy, DialError::HungUp(cause) if cause == "USER_BUSY"), "{busy}");
    let mut stranger = options(&running);
    stranger.token = Some(Secret::new("another"));
    let refused = stranger.dial(&running.tasks, running.clock).await.unwrap_err();
    assert!(matches!(&refused, DialError::HungUp(cause) if cause == "CALL_REJECTED"), "{refused}");
    assert_eq!((running.freeswitch.refused_calls.get(), running.freeswitch.refused_peers.get()), (1, 1));

    let closed = Setup { token: None, ..Setup::default() }.start().await;
    let nobody = options(&closed).dial(&closed.tasks, closed.clock).await.unwrap_err();
    assert!(matches!(nobody, DialError::NoStream | DialError::Connect(_)), "{nobody}");
}

#[tokio::test]
async fn a_stream_of_the_dial_plan_shows_the_token() {
    let mut running = Setup::default().start().await;
    assert_eq!(stream(&running, "/fs/fork", None).await.err(), Some(401));
    assert_eq!(stream(&running, "/fs/fork?ticket=guessed", None).await.err(), Some(401));
    assert_eq!(stream(&running, "/fs/media?rate=7", Some(TOKEN)).await.err(), Some(400));
    let mut socket = stream(&running, "/fs/media?rate=16000", Some(TOKEN)).await.unwrap();
    socket.send(Message::text(r#"{"uuid":"u-1","from":"9876543210","to":"04440001234","lang":"ml"}"#)).await.unwrap();
    let mut leg = running.leg().await;
    assert_eq!(leg.language, Some(Lang::Ml));
    socket.send(Message::binary(vec![0; 640])).await.unwrap();
    assert!(matches!(leg.events.recv().await, Some(LegEvent::Audio { pcm, .. }) if pcm.len() == 120));
    // Words of the module are files for FreeSWITCH.
    command(&leg, LegCommand::Audio(vec![1_000; 160])).await;
    command(&leg, LegCommand::Mark(1)).await;
    let Some(Ok(Message::Text(text))) = socket.next().await else { panic!("a file") };
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((value["type"].as_str(), value["data"]["sampleRate"].as_u64()), (Some("streamAudio"), Some(8_000)));
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::MarkPlayed(1)));

    let mut nameless = stream(&running, "/fs/fork", Some(TOKEN)).await.unwrap();
    nameless.send(Message::text(r#"{"from":"9876543210"}"#)).await.unwrap();
    assert!(matches!(nameless.next().await, Some(Ok(Message::Close(Some(frame)))) if u16::from(frame.code) == 1008));
}

/// A box that keeps a connection to a fake of ours.
pub(super) async fn kept(module: Module) -> (TestBox, Fake) {
    let fake = Fake::start(&Scope::new()).await;
    let kept = Some((fake.address.clone(), PASSWORD));
    let running = Setup { module, kept, ..Setup::default() }.start().await;
    fake.logged_in(1).await;
    until("a healthy connection", || running.hub.trouble().is_none()).await;
    (running, fake)
}

/// A stream of the dial plan for this channel, and its leg.
pub(super) async fn streamed(running: &mut TestBox, path: &str, channel: &str) -> (Socket, LegOffer) {
    let mut socket = stream(running, path, Some(TOKEN)).await.unwrap();
    socket.send(Message::text(json!({ "uuid": channel }).to_string())).await.unwrap();
    socket.send(Message::binary(vec![0; 320])).await.unwrap();
    let leg = running.leg().await;
    (socket, leg)
}

#[tokio::test]
async fn keys_files_and_ends_go_over_the_event_socket_that_we_keep() {
    let (mut running, fake) = kept(Module::Stream).await;
    let (mut socket, mut leg) = streamed(&mut running, "/fs/media", "u-1").await;
    fake.event(json!({"Event-Name": "DTMF", "Unique-ID": "u-1", "DTMF-Digit": "9"}));
    fake.event(json!({"Event-Name": "DTMF", "Unique-ID": "somebody else", "DTMF-Digit": "1"}));
    let mut key = None;
    for _ in 0..500 {
        socket.send(Message::binary(vec![0; 320])).await.unwrap();
        if let Ok(Some(LegEvent::Dtmf(digit))) = timeout(Duration::from_millis(20), leg.events.recv()).await {
            key = Some(digit);
            break;
        }
    }
    assert_eq!(key, Some('9'));
    let play = |channel: &str, file: &str| {
        let body = json!({"audioDataType": "raw", "sampleRate": 8000, "file": file}).to_string();
        json!({"Event-Name": "CUSTOM", "Event-Subclass": "mod_audio_stream::play", "Unique-ID": channel, "_body": body})
    };
    fake.event(play("u-2", "/tmp/not-ours.r8"));
    fake.event(play("u-1", "/tmp/x y; rm"));
    fake.event(play("u-1", "/tmp/u-1_0.tmp.r8"));
    assert_eq!(fake.hears("uuid_broadcast").await, "uuid_broadcast u-1 /tmp/u-1_0.tmp.r8 aleg");
    command(&leg, LegCommand::Clear).await;
    assert_eq!(fake.hears("uuid_break").await, "uuid_break u-1 all");
    command(&leg, LegCommand::Hangup).await;
    assert_eq!(fake.hears("uuid_kill").await, "uuid_kill u-1 NORMAL_CLEARING");
    assert!(!fake.heard().iter().any(|c| c.contains("not-ours") || c.contains("rm")), "{:?}", fake.heard());
}

#[tokio::test]
async fn a_caller_who_was_handed_on_is_not_hung_up_with_the_leg() {
    let (mut running, fake) = kept(Module::Fork).await;
    let (_first, leg) = streamed(&mut running, "/fs/fork", "u-1").await;
    fake.answer("uuid_transfer", Some("-ERR No such extension"));
    assert!(matches!(running.hub.transfer("u-1", "7001", None).await, Reply::Err(_)));
    command(&leg, LegCommand::Hangup).await;
    assert_eq!(fake.hears("uuid_kill").await, "uuid_kill u-1 NORMAL_CLEARING", "nobody took the caller");

    let (_second, mut leg) = streamed(&mut running, "/fs/fork", "u-2").await;
    assert_eq!(running.hub.bridge("u-2", "u-agent").await, Reply::Ok(String::new()));
    assert_eq!(fake.hears("uuid_bridge").await, "uuid_bridge u-2 u-agent");
    command(&leg, LegCommand::Hangup).await;
    assert_eq!(next_event(&mut leg).await, Some(LegEvent::Closed(LegEnd::ClosedByUs)));
    // Whatever was ordered before this has been heard when this is.
    running.hub.transfer("nobody", "7002", Some("office")).await;
    assert!(!fake.heard().iter().any(|c| c.starts_with("uuid_kill u-2")), "{:?}", fake.heard());
}

#[tokio::test]
async fn what_ended_while_the_connection_was_away_is_found_out() {
    let (mut running, fake) = kept(Module::Fork).await;
    let (_first, mut gone) = streamed(&mut running, "/fs/fork", "u-gone").await;
    let (_second, mut there) = streamed(&mut running, "/fs/fork", "u-there").await;
    fake.answer("show channels", Some(r#"{"row_count":1,"rows":[{"uuid":"u-there"}]}"#));
    fake.cut();
    until("trouble", || running.hub.trouble().is_some()).await;
    fake.logged_in(2).await;
    until("the end", || running.exchange.states.lock().unwrap().contains(&("u-gone".to_owned(), CallState::Failed)))
        .await;
    assert_eq!(next_event(&mut gone).await, Some(LegEvent::Closed(LegEnd::HungUp)));
    assert!(running.hub.trouble().is_none() && running.freeswitch.lost_connections.get() >= 1);
    command(&there, LegCommand::Hangup).await;
    assert_eq!(next_event(&mut there).await, Some(LegEvent::Closed(LegEnd::ClosedByUs)));
    fake.hears("uuid_kill u-there").await;
}

#[tokio::test]
async fn a_wrong_password_is_told_and_tried_again() {
    let fake = Fake::start(&Scope::new()).await;
    let running = Setup { kept: Some((fake.address.clone(), "wrong")), ..Setup::default() }.start().await;
    until("the reason", || running.hub.trouble().is_some_and(|why| why.contains("password"))).await;
    until("another try", || running.freeswitch.lost_connections.get() >= 2).await;
    assert_eq!(*fake.logins.lock().unwrap(), 0);
}

fn order(call: CallId) -> Order {
    Order {
        call,
        to: Destination::Number("+919876543210".parse().unwrap()),
        caller_id: None,
        agent: "helpdesk".to_owned(),
        ring: Duration::from_secs(30),
        limit: Duration::from_secs(600),
        detect_machine: false,
    }
}

fn dialer(running: &TestBox) -> FreeswitchDialer {
    let caller_id = Some("+914440001234".parse().unwrap());
    let (dial, extension) = (Some("sofia/gateway/gw/{number}".to_owned()), "user/{extension}".to_owned());
    FreeswitchDialer::new(Arc::clone(&running.hub), dial, extension, caller_id)
}

#[tokio::test]
async fn a_telephone_of_the_house_is_rung_by_its_name_only() {
    let (running, fake) = kept(Module::Fork).await;
    let call = CallId::new();
    let to = |name: &str| Order { to: Destination::Extension(name.to_owned()), ..order(call) };
    let verdict = dialer(&running).place(to("1001")).await;
    assert_eq!(verdict, Verdict::Placed { carrier_call: call.to_string() });
    assert!(fake.hears("originate").await.ends_with("}user/1001 &park()"), "{:?}", fake.heard());
    let before = fake.heard().len();
    for odd in ["1001,user/1002", "1001 &bridge(x)", "1001\n\napi reload", "{a=b}1001", ""] {
        let verdict = dialer(&running).place(to(odd)).await;
        assert!(matches!(verdict, Verdict::Refused { why: Refused::BadNumber, .. }), "{odd}: {verdict:?}");
    }
    let inside = FreeswitchDialer::new(Arc::clone(&running.hub), None, "user/{extension}".to_owned(), None);
    let verdict = inside.place(order(CallId::new())).await;
    assert!(matches!(verdict, Verdict::Refused { why: Refused::BadNumber, .. }), "{verdict:?}");
    assert!(!inside.reaches(&order(call).to) && inside.reaches(&to("1001").to));
    let since = fake.heard().split_off(before);
    assert!(!since.iter().any(|c| c.starts_with("originate")), "{since:?}");
}

#[tokio::test]
async fn caller_and_person_are_joined_within_freeswitch_and_outlive_their_legs() {
    let (mut running, fake) = kept(Module::Fork).await;
    let (mut first, mut caller) = streamed(&mut running, "/fs/fork", "u-caller").await;
    let (mut second, mut person) = streamed(&mut running, "/fs/fork", "u-person").await;
    let transferer = FreeswitchTransferer(Arc::clone(&running.hub));
    assert_eq!(transferer.way("u-caller"), Way::Join);

    // Refused: both are the box's as before.
    fake.answer("uuid_bridge", Some("-ERR Invalid uuid"));
    let refused = transferer.join(CallId::new(), "u-caller", "u-person").await.unwrap_err();
    assert!(refused.contains("Invalid uuid"), "{refused}");
    command(&person, LegCommand::Audio(vec![500; 160])).await;
    assert!(!fake.heard().iter().any(|c| c.contains("stop vaani")), "{:?}", fake.heard());

    fake.answer("uuid_bridge", Some("+OK u-person"));
    transferer.join(CallId::new(), "u-caller", "u-person").await.unwrap();
    assert_eq!(fake.hears("uuid_bridge").await, "uuid_bridge u-caller u-person");
    assert_eq!(fake.hears("uuid_setvar").await, "uuid_setvar u-caller hangup_after_bridge true");
    fake.hears("uuid_audio_fork u-caller stop vaani").await;
    fake.hears("uuid_audio_fork u-person stop vaani").await;
    // FreeSWITCH closes the streams, and the legs end without taking the lines with them.
    first.close(None).await.unwrap();
    second.close(None).await.unwrap();
    assert!(matches!(next_event(&mut caller).await, Some(LegEvent::Closed(_))));
    assert!(matches!(next_event(&mut person).await, Some(LegEvent::Closed(_))));
    running.hub.transfer("nobody", "7002", Some("office")).await;
    assert!(!fake.heard().iter().any(|c| c.starts_with("uuid_kill")), "{:?}", fake.heard());
    // The carrier's word about the caller's line still comes.
    fake.event(
        json!({"Event-Name": "CHANNEL_HANGUP_COMPLETE", "Unique-ID": "u-caller", "Hangup-Cause": "NORMAL_CLEARING"}),
    );
    let ended = ("u-caller".to_owned(), CallState::Completed);
    until("the end", || running.exchange.states.lock().unwrap().contains(&ended)).await;

    fake.cut();
    until("trouble", || running.hub.trouble().is_some()).await;
    assert_eq!(transferer.way("u-caller"), Way::InBox, "nobody would hear the order");
}

#[tokio::test]
async fn a_call_that_is_placed_is_streamed_when_it_is_taken() {
    let (mut running, fake) = kept(Module::Fork).await;
    let call = CallId::new();
    let verdict = dialer(&running).place(order(call)).await;
    assert_eq!(verdict, Verdict::Placed { carrier_call: call.to_string() });
    assert_eq!(
        fake.hears("originate").await,
        format!(
            "originate {{origination_uuid={call},origination_caller_id_number=4440001234,ignore_early_media=true,originate_timeout=30,hangup_after_bridge=true}}sofia/gateway/gw/9876543210 &park()"
        )
    );
    let asked = fake.hears("uuid_audio_fork").await;
    let url = asked.split(' ').nth(3).unwrap();
    let path = url.strip_prefix(&running.url.socket("")).unwrap();
    let mut socket = stream(&running, path, None).await.expect("the one-time token is enough");
    socket.send(Message::text("{}")).await.unwrap();
    let leg = running.leg().await;
    let announced = running.exchange.announced.lock().unwrap().clone();
    assert_eq!((announced[0].call, announced[0].carrier_call.clone()), (Some(call), call.to_string()));
    assert_eq!(stream(&running, path, None).await.err(), Some(401), "and is spent");
    drop(leg);
    fake.hears(&format!("uuid_kill {call}")).await;
}

#[tokio::test]
async fn a_placed_call_that_outlives_its_limit_is_cut() {
    let (mut running, fake) = kept(Module::Fork).await;
    let placed = Order { limit: Duration::from_millis(200), ..order(CallId::new()) };
    let call = placed.call;
    assert!(matches!(dialer(&running).place(placed).await, Verdict::Placed { .. }));
    let asked = fake.hears("uuid_audio_fork").await;
    let path = asked.split(' ').nth(3).unwrap().strip_prefix(&running.url.socket("")).unwrap().to_owned();
    let mut socket = stream(&running, &path, None).await.unwrap();
    socket.send(Message::text("{}")).await.unwrap();
    let leg = running.leg().await;
    assert_eq!(fake.hears("uuid_kill").await, format!("uuid_kill {call} ALLOTTED_TIMEOUT"));
    drop(leg);
}

#[tokio::test]
async fn calls_that_do_not_come_about_have_their_verdicts() {
    let (running, fake) = kept(Module::Fork).await;
    for (answer, why) in [
        ("-ERR USER_BUSY\n", Refused::Busy),
        ("-ERR NO_ANSWER\n", Refused::NoAnswer),
        ("-ERR CALL_REJECTED\n", Refused::Declined),
        ("-ERR UNALLOCATED_NUMBER\n", Refused::BadNumber),
        ("-ERR GATEWAY_DOWN\n", Refused::Unreachable),
        ("-ERR NORMAL_TEMPORARY_FAILURE\n", Refused::CarrierFault),
    ] {
        fake.answer("originate", Some(answer));
        let verdict = dialer(&running).place(order(CallId::new())).await;
        assert!(matches!(&verdict, Verdict::Refused { why: found, .. } if *found == why), "{answer}: {verdict:?}");
    }
    fake.answer("originate", None);
    let placing = dialer(&running);
    let (verdict, ()) = tokio::join!(placing.place(order(CallId::new())), async {
        until("the order", || fake.heard().len() > 7).await;
        fake.cut();
    });
    assert!(matches!(verdict, Verdict::Unknown { .. }), "it may ring: {verdict:?}");
    assert_eq!(placing.hang_up("u-1").await.is_err(), running.hub.trouble().is_some());

    let alone = Setup::default().start().await;
    let verdict = dialer(&alone).place(order(CallId::new())).await;
    assert!(matches!(verdict, Verdict::Refused { why: Refused::Unreachable, .. }), "{verdict:?}");
}
