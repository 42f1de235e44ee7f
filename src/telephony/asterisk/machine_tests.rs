//! The leg's machine against scripts: messages and commands go in, the journal that comes out is compared.

use proptest::prelude::*;

use super::*;

const PLAIN: &str = "MEDIA_START connection_id:c1 channel:WebSocket/agent1/1 format:ulaw optimal_frame_size:160";
const NEWER: &str =
    "MEDIA_START connection_id:c1 channel:WebSocket/agent1/1 channel_id:pbx-1.2 format:slin16 optimal_frame_size:640";
const JSON: &str = r#"{"event":"MEDIA_START","connection_id":"c1","channel":"WebSocket/agent1","channel_id":"pbx-1.2","format":"ulaw","optimal_frame_size":160,"ptime":20,"channel_variables":{"CALLERID(num)":"9876543210"}}"#;

fn at(ms: u64) -> Moment {
    Moment::from_millis(ms)
}

fn journal(leg: &mut Leg) -> Vec<String> {
    std::iter::from_fn(|| leg.poll())
        .map(|output| match output {
            Output::Admit(shown) => format!("admit {} {} {:?}", shown.connection, shown.format, shown.variables),
            Output::Event(LegEvent::Audio { pcm, at_ms }) => format!("audio {} at {at_ms}", pcm.len()),
            Output::Event(event) => format!("{event:?}"),
            Output::Send(Frame::Binary(bytes)) => format!("send {}", bytes.len()),
            Output::Send(Frame::Text(text)) => text,
            Output::Notice(oddity) => format!("odd {oddity}"),
            Output::Close { code, reason } => format!("close {code} {reason}"),
        })
        .collect()
}

fn feed(leg: &mut Leg, text: &str) -> Vec<String> {
    leg.handle(at(0), Input::Text(text));
    journal(leg)
}

fn tell(leg: &mut Leg, command: LegCommand) -> Vec<String> {
    leg.handle(at(0), Input::Command(command));
    journal(leg)
}

fn live(start: &str) -> Leg {
    let mut leg = Leg::new(at(0));
    feed(&mut leg, start);
    leg.handle(at(0), Input::Admitted);
    assert_eq!(journal(&mut leg).len(), 1, "it is answered");
    leg
}

#[test]
fn nothing_passes_before_the_call_is_admitted() {
    let mut leg = Leg::new(at(0));
    leg.handle(at(0), Input::Binary(&[0xFF; 160]));
    assert_eq!(journal(&mut leg), ["odd before_start"]);
    assert_eq!(feed(&mut leg, PLAIN), ["admit c1 ulaw []"]);
    leg.handle(at(0), Input::Binary(&[0xFF; 160]));
    assert!(journal(&mut leg).is_empty() && tell(&mut leg, LegCommand::Audio(vec![0; 160])).is_empty());
    leg.handle(at(0), Input::Admitted);
    assert_eq!(journal(&mut leg), ["ANSWER"]);

    let mut leg = Leg::new(at(0));
    assert_eq!(feed(&mut leg, JSON), [r#"admit c1 ulaw [("CALLERID(num)", "9876543210")]"#]);
    leg.handle(at(0), Input::Refused);
    assert_eq!(journal(&mut leg), ["close 1008 not admitted"]);
    assert!(feed(&mut leg, PLAIN).is_empty() && leg.is_over());
}

#[test]
fn starts_that_cannot_be_carried_are_refused() {
    for (text, expected) in [
        (PLAIN.replace("ulaw", "opus"), "close 1003 write c(ulaw), c(alaw), c(slin) or c(slin16) in Dial"),
        (PLAIN.replace("format:ulaw", ""), "close 1003 write c(ulaw), c(alaw), c(slin) or c(slin16) in Dial"),
        (PLAIN.replace("connection_id:c1", ""), "close 1008 start without a name"),
    ] {
        let mut leg = Leg::new(at(0));
        assert_eq!(feed(&mut leg, &text).last().map(String::as_str), Some(expected), "{text}");
    }
    for size in
        ["", "optimal_frame_size:0", "optimal_frame_size:161", "optimal_frame_size:x", "optimal_frame_size:999999"]
    {
        let mut leg = Leg::new(at(0));
        feed(&mut leg, &PLAIN.replace("optimal_frame_size:160", size));
        leg.handle(at(0), Input::Admitted);
        journal(&mut leg);
        assert_eq!(tell(&mut leg, LegCommand::Audio(vec![0; 320])), ["START_MEDIA_BUFFERING", "send 320"], "{size}");
    }
    let mut leg = Leg::new(at(0));
    leg.handle(at(10_000), Input::Tick);
    assert_eq!(journal(&mut leg), ["close 1008 no start"]);
    let mut chatty = Leg::new(at(0));
    for _ in 0..limits::STREAM_MESSAGES_BEFORE_START {
        assert!(!feed(&mut chatty, "MEDIA_XON").iter().any(|line| line.starts_with("close")));
    }
    assert_eq!(feed(&mut chatty, "MEDIA_XON"), ["close 1008 no start"]);
}

#[test]
fn a_conversation_goes_both_ways_in_each_format() {
    for (format, there, samples, back) in [("ulaw", 160, 160, 160), ("alaw", 160, 160, 160), ("slin", 320, 160, 320)] {
        let mut leg = live(&PLAIN.replace("ulaw", format).replace("size:160", &format!("size:{back}")));
        leg.handle(at(0), Input::Binary(&vec![0; there]));
        leg.handle(at(20), Input::Binary(&vec![0; there]));
        assert_eq!(journal(&mut leg), [format!("audio {samples} at 0"), format!("audio {samples} at 20")]);
        assert_eq!(
            tell(&mut leg, LegCommand::Audio(vec![0; 160])),
            ["START_MEDIA_BUFFERING".to_owned(), format!("send {back}")]
        );
        assert_eq!(tell(&mut leg, LegCommand::Audio(vec![0; 160])), [format!("send {back}")]);
    }
    let mut leg = live(NEWER);
    leg.handle(at(0), Input::Binary(&[0; 640]));
    assert_eq!(journal(&mut leg), ["audio 120 at 0"], "the filter holds 5 ms back");
    let mut sent = 0;
    for _ in 0..5 {
        for line in tell(&mut leg, LegCommand::Audio(vec![0; 160])) {
            let length: usize = line.strip_prefix("send ").unwrap().parse().unwrap();
            assert_eq!(length % 640, 0, "only whole units");
            sent += length;
        }
    }
    assert_eq!(sent, 4 * 640);
    assert_eq!(tell(&mut leg, LegCommand::Mark(1)), ["send 640", "MARK_MEDIA g0.m1"], "the rest goes before the mark");
    assert_eq!(feed(&mut leg, "DTMF_END digit:#"), ["Dtmf('#')"]);
    assert_eq!(tell(&mut leg, LegCommand::Hangup), ["HANGUP", "Closed(ClosedByUs)", "close 1000 goodbye"]);
}

#[test]
fn no_message_is_longer_than_asterisk_takes() {
    let mut leg = live(NEWER);
    for line in tell(&mut leg, LegCommand::Audio(vec![0; 60_000])) {
        let length: usize = line.strip_prefix("send ").unwrap().parse().unwrap();
        assert!(length <= 65_500 && length.is_multiple_of(640));
    }
}

#[test]
fn marks_where_they_are_known() {
    let mut leg = live(JSON);
    assert_eq!(tell(&mut leg, LegCommand::Audio(vec![0; 160])), ["send 160"]);
    assert_eq!(tell(&mut leg, LegCommand::Mark(7)), [r#"{"command":"MARK_MEDIA","correlation_id":"g0.m7"}"#]);
    tell(&mut leg, LegCommand::Mark(8));
    let echo = |leg: &mut Leg, id: &str| {
        feed(leg, &format!(r#"{{"event":"MEDIA_MARK_PROCESSED","channel_id":"pbx-1.2","correlation_id":"{id}"}}"#))
    };
    assert_eq!(echo(&mut leg, "g0.m7"), ["MarkPlayed(7)"]);
    assert_eq!(tell(&mut leg, LegCommand::Clear), [r#"{"command":"FLUSH_MEDIA"}"#, "MarkFlushed(8)"]);
    assert!(echo(&mut leg, "g0.m8").is_empty(), "its fate was told");
    assert_eq!(echo(&mut leg, "g0.m9x"), ["odd unknown_mark"]);
    assert!(tell(&mut leg, LegCommand::Mark(8))[0].contains("g1.m8"));
}

#[test]
fn older_releases_are_told_utterances_instead() {
    let mut leg = live(PLAIN);
    assert_eq!(tell(&mut leg, LegCommand::Audio(vec![0; 100])), Vec::<String>::new(), "not yet a unit");
    assert_eq!(
        tell(&mut leg, LegCommand::Mark(1)),
        ["START_MEDIA_BUFFERING", "send 160", "STOP_MEDIA_BUFFERING g0.m1"],
        "a short rest is filled with silence"
    );
    assert_eq!(tell(&mut leg, LegCommand::Mark(2)), ["START_MEDIA_BUFFERING", "STOP_MEDIA_BUFFERING g0.m2"]);
    assert_eq!(feed(&mut leg, "MEDIA_BUFFERING_COMPLETED g0.m1"), ["MarkPlayed(1)"]);
    assert_eq!(feed(&mut leg, "MEDIA_BUFFERING_COMPLETED correlation_id:g0.m2"), ["MarkPlayed(2)"]);
    tell(&mut leg, LegCommand::Audio(vec![0; 160]));
    tell(&mut leg, LegCommand::Mark(3));
    tell(&mut leg, LegCommand::Audio(vec![0; 160]));
    assert_eq!(tell(&mut leg, LegCommand::Clear), ["FLUSH_MEDIA", "MarkFlushed(3)"]);
    assert_eq!(
        tell(&mut leg, LegCommand::Audio(vec![0; 160])),
        ["START_MEDIA_BUFFERING", "send 160"],
        "the flush ended it"
    );
}

#[test]
fn when_asterisk_says_stop_nothing_is_sent_and_the_newest_is_kept() {
    let mut leg = live(JSON);
    feed(&mut leg, r#"{"event":"MEDIA_XOFF"}"#);
    assert!(
        tell(&mut leg, LegCommand::Audio(vec![0; 160])).is_empty() && tell(&mut leg, LegCommand::Mark(1)).is_empty()
    );
    assert_eq!(
        feed(&mut leg, r#"{"event":"MEDIA_XON"}"#),
        ["send 160", r#"{"command":"MARK_MEDIA","correlation_id":"g0.m1"}"#]
    );
    feed(&mut leg, "MEDIA_XOFF");
    for _ in 0..limits::PBX_HELD_MAX {
        assert!(tell(&mut leg, LegCommand::Audio(vec![0; 160])).is_empty());
    }
    assert_eq!(tell(&mut leg, LegCommand::Audio(vec![0; 160])), ["odd queue_full"]);
    let flushed = tell(&mut leg, LegCommand::Clear);
    assert_eq!(flushed, [r#"{"command":"FLUSH_MEDIA"}"#, "MarkFlushed(1)"], "a flush goes out all the same");
    assert_eq!(tell(&mut leg, LegCommand::Audio(vec![0; 160])), ["send 160"]);
}

#[test]
fn odd_messages_are_counted_told_once_and_skipped() {
    let mut leg = live(PLAIN);
    for (text, name) in [
        ("HOLOGRAM x:1", "unknown_event"),
        ("{}", "not_a_message"),
        ("{\"event\":", "not_a_message"),
        ("", "not_a_message"),
        ("DTMF_END digit:55", "odd_field"),
        ("MEDIA_MARK_PROCESSED nothing", "unknown_mark"),
        (PLAIN, "second_start"),
    ] {
        let told = feed(&mut leg, text);
        assert!(told.is_empty() || told == [format!("odd {name}")], "{text}: {told:?}");
        assert!(feed(&mut leg, text).is_empty(), "{text} is told once");
    }
    let mut wide = live(NEWER);
    wide.handle(at(0), Input::Binary(&[0; 641]));
    assert_eq!(journal(&mut wide), ["audio 120 at 0", "odd half_a_sample"]);
    assert!(leg.oddities().contains(&("not_a_message", 6)), "{:?}", leg.oddities());
}

#[test]
fn a_silent_caller_is_no_dead_asterisk() {
    let mut leg = live(PLAIN);
    assert_eq!(leg.deadline(), Some(at(5_000)));
    leg.handle(at(5_000), Input::Tick);
    assert_eq!(journal(&mut leg), ["GET_STATUS"]);
    leg.handle(at(6_000), Input::Tick);
    assert!(journal(&mut leg).is_empty());
    leg.handle(
        at(6_000),
        Input::Text(
            "STATUS queue_length:0 xon_level:800 xoff_level:900 queue_full:false bulk_media:false media_paused:false",
        ),
    );
    assert_eq!((journal(&mut leg), leg.deadline()), (vec![], Some(at(11_000))));
    leg.handle(at(11_000), Input::Tick);
    leg.handle(at(21_000), Input::Tick);
    assert_eq!(journal(&mut leg), ["GET_STATUS", "Closed(Lost)", "close 1011 no sign of life"]);
}

#[test]
fn every_end_is_told_once_and_in_its_own_words() {
    let ends: [(Input<'static>, &[&str]); 7] = [
        (Input::PeerClosed(Some(1000)), &["Closed(HungUp)", "close 1000 closed by asterisk"]),
        (Input::PeerClosed(None), &["Closed(HungUp)", "close 1000 closed by asterisk"]),
        (Input::PeerClosed(Some(1011)), &["Closed(Lost)", "close 1000 closed by asterisk"]),
        (Input::Broken, &["Closed(Lost)", "close 1006 socket broke"]),
        (Input::TooBig, &["Closed(Lost)", "close 1009 message too big"]),
        (Input::Stalled, &["Closed(Lost)", "close 1011 asterisk does not take our audio"]),
        (Input::CallGone, &["HANGUP", "Closed(ClosedByUs)", "close 1000 call ended"]),
    ];
    for (input, expected) in ends {
        let mut leg = live(PLAIN);
        tell(&mut leg, LegCommand::Mark(1));
        leg.handle(at(0), input);
        assert_eq!(journal(&mut leg), expected);
        for late in
            [Input::Broken, Input::Tick, Input::Text(PLAIN), Input::Command(LegCommand::Hangup), Input::Admitted]
        {
            leg.handle(at(99_999), late);
        }
        assert_eq!((journal(&mut leg), leg.deadline()), (vec![], None));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Text(String),
    Binary(usize),
    Admitted,
    Refused,
    Command(LegCommand),
    Ended(u8),
    Later(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let texts = vec![PLAIN, NEWER, JSON, "MEDIA_XOFF", "MEDIA_XON", "STATUS", "QUEUE_DRAINED", "DTMF_END digit:1"];
    prop_oneof![
        6 => proptest::sample::select(texts).prop_map(|text| Step::Text(text.to_owned())),
        2 => ".{0,60}".prop_map(Step::Text),
        3 => (0..4_u64, 0..30_u64).prop_map(|(g, m)| Step::Text(format!("MEDIA_BUFFERING_COMPLETED g{g}.m{m}"))),
        3 => (0..700_usize).prop_map(Step::Binary),
        3 => Just(Step::Admitted),
        1 => Just(Step::Refused),
        4 => (0..30_u64).prop_map(|mark| Step::Command(LegCommand::Mark(mark))),
        2 => Just(Step::Command(LegCommand::Clear)),
        4 => (0..900_usize).prop_map(|n| Step::Command(LegCommand::Audio(vec![1; n]))),
        1 => Just(Step::Command(LegCommand::Hangup)),
        1 => (0..5_u8).prop_map(Step::Ended),
        1 => (0..8_000_u64).prop_map(Step::Later),
    ]
}

proptest! {
    /// Whatever happens in whatever order: one admission, one end, nothing after it, no sound to or
    /// from a stranger, each mark has at most one fate, and buffering begins and ends in turn.
    #[test]
    fn no_history_breaks_the_promises(steps in proptest::collection::vec(step(), 0..80)) {
        let mut leg = Leg::new(at(0));
        let (mut now, mut asked, mut admitted, mut closed) = (0, 0, false, false);
        let (mut marks, mut fates, mut buffering) = (0, 0, false);
        for step in steps {
            match &step {
                Step::Text(text) => leg.handle(at(now), Input::Text(text)),
                Step::Binary(length) => leg.handle(at(now), Input::Binary(&vec![0; *length])),
                Step::Admitted => {
                    admitted |= asked > 0 && !closed;
                    leg.handle(at(now), Input::Admitted);
                }
                Step::Refused => leg.handle(at(now), Input::Refused),
                Step::Command(command) => {
                    marks += usize::from(matches!(command, LegCommand::Mark(_)));
                    leg.handle(at(now), Input::Command(command.clone()));
                }
                Step::Ended(how) => leg.handle(at(now), match how {
                    0 => Input::Broken,
                    1 => Input::TooBig,
                    2 => Input::PeerClosed(Some(1000)),
                    3 => Input::Stalled,
                    _ => Input::CallGone,
                }),
                Step::Later(ms) => {
                    now += ms;
                    leg.handle(at(now), Input::Tick);
                }
            }
            while let Some(output) = leg.poll() {
                prop_assert!(!closed, "{output:?} after the close");
                match output {
                    Output::Admit(_) => asked += 1,
                    Output::Close { .. } => closed = true,
                    Output::Notice(_) => {}
                    Output::Send(Frame::Binary(bytes)) => {
                        prop_assert!(admitted && bytes.len() <= MESSAGE_MAX && bytes.len() % 160 == 0);
                    }
                    Output::Send(Frame::Text(text)) => {
                        prop_assert!(admitted, "{} to a stranger", text);
                        match text.split(' ').next() {
                            Some("START_MEDIA_BUFFERING") => prop_assert!(!std::mem::replace(&mut buffering, true)),
                            Some("STOP_MEDIA_BUFFERING") => prop_assert!(std::mem::replace(&mut buffering, false)),
                            Some("FLUSH_MEDIA") => buffering = false,
                            _ => {}
                        }
                    }
                    Output::Event(event) => {
                        prop_assert!(admitted, "{event:?} from a stranger");
                        fates += usize::from(matches!(event, LegEvent::MarkPlayed(_) | LegEvent::MarkFlushed(_)));
                    }
                }
            }
            prop_assert!(asked <= 1 && fates <= marks);
            prop_assert_eq!(leg.is_over(), closed);
        }
    }
}
