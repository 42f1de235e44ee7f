//! The leg's machine against scripts: each test feeds lines in and compares the journal that comes out.

use proptest::prelude::*;

use super::*;

fn at(ms: u64) -> Moment {
    Moment::from_millis(ms)
}

fn start_with(token: &str, encoding: &str) -> String {
    format!(
        r#"{{"event":"start","sequenceNumber":"1","streamSid":"MZ1","start":{{"accountSid":"AC1","streamSid":"MZ1","callSid":"CA1","tracks":["inbound"],"mediaFormat":{{"encoding":"{encoding}","sampleRate":8000,"channels":1}},"customParameters":{{"token":"{token}"}}}}}}"#
    )
}

fn start() -> String {
    start_with("t", "audio/x-mulaw")
}

fn media(number: u64, payload: &str) -> String {
    format!(
        r#"{{"event":"media","sequenceNumber":"{}","streamSid":"MZ1","media":{{"track":"inbound","chunk":"{number}","timestamp":"{}","payload":"{payload}"}}}}"#,
        number + 1,
        (number - 1) * 20
    )
}

/// What came out, one line each.
fn journal(leg: &mut Leg) -> Vec<String> {
    std::iter::from_fn(|| leg.poll())
        .map(|output| match output {
            Output::Admit(shown) => format!("admit {} {} {}", shown.token, shown.call, shown.account),
            Output::Event(LegEvent::Audio { pcm, at_ms }) => format!("audio {} at {at_ms}", pcm.len()),
            Output::Event(event) => format!("{event:?}"),
            Output::Send(Frame::Text(text)) => text,
            Output::Send(Frame::Binary(_)) => panic!("Media Streams are text"),
            Output::Notice(oddity) => format!("odd {oddity}"),
            Output::Close { code, reason } => format!("close {code} {reason}"),
        })
        .collect()
}

fn feed(leg: &mut Leg, text: &str) -> Vec<String> {
    leg.handle(at(0), Input::Text(text));
    journal(leg)
}

fn live() -> Leg {
    let mut leg = Leg::new(at(0));
    feed(&mut leg, r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#);
    feed(&mut leg, &start());
    leg.handle(at(0), Input::Admitted);
    assert_eq!(journal(&mut leg), Vec::<String>::new());
    leg
}

fn command(leg: &mut Leg, command: LegCommand) -> Vec<String> {
    leg.handle(at(0), Input::Command(command));
    journal(leg)
}

#[test]
fn nothing_passes_before_the_token_is_admitted() {
    let mut leg = Leg::new(at(0));
    assert!(feed(&mut leg, r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#).is_empty());
    assert_eq!(feed(&mut leg, &media(1, "/w==")), ["odd before_start"]);
    assert!(command(&mut leg, LegCommand::Audio(vec![0; 160])).is_empty());
    assert_eq!(feed(&mut leg, &start()), ["admit t CA1 AC1"]);
    leg.handle(at(0), Input::Refused);
    assert_eq!(journal(&mut leg), ["close 1008 not admitted"]);
    assert!(feed(&mut leg, &media(2, "/w==")).is_empty() && leg.is_over());
}

#[test]
fn starts_that_cannot_be_carried_are_refused() {
    for (text, expected) in [
        (start_with("t", "audio/l16"), "close 1003 only 8 kHz mu-law is spoken here"),
        (start().replace("8000", "16000"), "close 1003 only 8 kHz mu-law is spoken here"),
        (start().replace("\"channels\":1", "\"channels\":2"), "close 1003 only 8 kHz mu-law is spoken here"),
        (start().replace("MZ1", ""), "close 1008 start without names"),
        (start().replace("CA1", ""), "close 1008 start without names"),
        (r#"{"event":"stop","streamSid":"MZ1","stop":{}}"#.to_owned(), "close 1000 stopped"),
    ] {
        let mut leg = Leg::new(at(0));
        assert_eq!(feed(&mut leg, &text).last().map(String::as_str), Some(expected), "{text}");
        assert!(leg.is_over());
    }
    // What is left out or written as a string is taken as usual.
    for text in [
        start().replace("8000", "\"8000\""),
        start().replace(",\"channels\":1", ""),
        start().replace("mediaFormat", "x"),
    ] {
        assert_eq!(
            feed(&mut Leg::new(at(0)), &text).first().map(String::as_str).map(|l| l.starts_with("close")),
            Some(false)
        );
    }
}

#[test]
fn a_peer_without_a_start_is_let_go() {
    let mut leg = Leg::new(at(0));
    assert_eq!(leg.deadline(), Some(at(10_000)));
    leg.handle(at(9_999), Input::Tick);
    assert!(journal(&mut leg).is_empty());
    leg.handle(at(10_000), Input::Tick);
    assert_eq!(journal(&mut leg), ["close 1008 no start"]);

    let mut chatty = Leg::new(at(0));
    for _ in 0..limits::STREAM_MESSAGES_BEFORE_START {
        assert!(!feed(&mut chatty, "{}").iter().any(|line| line.starts_with("close")));
    }
    assert_eq!(feed(&mut chatty, "{}"), ["odd not_a_message", "close 1008 no start"][1..]);
}

#[test]
fn a_conversation_goes_both_ways() {
    let mut leg = live();
    assert_eq!(feed(&mut leg, &media(1, &"/".repeat(216))), ["audio 162 at 0"]);
    assert_eq!(
        feed(
            &mut leg,
            r#"{"event":"dtmf","streamSid":"MZ1","sequenceNumber":"3","dtmf":{"track":"inbound_track","digit":"*"}}"#
        ),
        ["Dtmf('*')"]
    );
    assert_eq!(
        command(&mut leg, LegCommand::Audio(vec![0, 0, 0])),
        [r#"{"event":"media","streamSid":"MZ1","media":{"payload":"////"}}"#]
    );
    assert_eq!(command(&mut leg, LegCommand::Audio(vec![0; 20_000])).len(), 3);
    assert_eq!(command(&mut leg, LegCommand::Hangup), ["Closed(ClosedByUs)", "close 1000 goodbye"]);
    assert!(command(&mut leg, LegCommand::Hangup).is_empty());
    leg.handle(at(1), Input::PeerClosed(None));
    assert!(journal(&mut leg).is_empty());
}

#[test]
fn marks_tell_what_was_played_and_what_was_not() {
    let echo = |leg: &mut Leg, name: &str| {
        feed(leg, &format!(r#"{{"event":"mark","streamSid":"MZ1","mark":{{"name":"{name}"}}}}"#))
    };
    let mut leg = live();
    assert_eq!(
        command(&mut leg, LegCommand::Mark(7)),
        [r#"{"event":"mark","streamSid":"MZ1","mark":{"name":"g0.m7"}}"#]
    );
    command(&mut leg, LegCommand::Mark(8));
    command(&mut leg, LegCommand::Mark(9));
    assert_eq!(echo(&mut leg, "g0.m7"), ["MarkPlayed(7)"]);
    assert_eq!(
        command(&mut leg, LegCommand::Clear),
        [r#"{"event":"clear","streamSid":"MZ1"}"#, "MarkFlushed(8)", "MarkFlushed(9)"]
    );
    // The carrier echoes what the clear threw away: already told, and not odd.
    assert!(echo(&mut leg, "g0.m8").is_empty() && echo(&mut leg, "g0.m9").is_empty());
    assert!(command(&mut leg, LegCommand::Mark(9))[0].contains("g1.m9"));
    assert!(echo(&mut leg, "g0.m9").is_empty(), "a late echo of the old mark is not the new one");
    assert_eq!(echo(&mut leg, "g1.m9"), ["MarkPlayed(9)"]);
    assert_eq!(echo(&mut leg, "g1.m9"), ["odd unknown_mark"]);
    for unknown in ["", "x", "g1.m77", "g2.m9", "g.m", "g1.m-1"] {
        assert!(!echo(&mut leg, unknown).iter().any(|line| line.starts_with("Mark")), "{unknown}");
    }
}

#[test]
fn a_carrier_that_echoes_nothing_does_not_fill_the_leg() {
    let mut leg = live();
    for mark in 0..limits::LEG_MARKS_MAX as u64 {
        assert_eq!(command(&mut leg, LegCommand::Mark(mark)).len(), 1);
    }
    assert_eq!(command(&mut leg, LegCommand::Mark(5_000)).last().map(String::as_str), Some("MarkFlushed(0)"));
}

#[test]
fn odd_messages_are_counted_told_once_and_skipped() {
    let mut leg = live();
    let odd = [
        ("not json", "not_a_message"),
        ("[1,2]", "not_a_message"),
        (r#"{"event":"hologram","streamSid":"MZ1"}"#, "unknown_event"),
        (r#"{"event":"media","streamSid":"MZ9","media":{"timestamp":"0","payload":"/w=="}}"#, "wrong_stream"),
        (r#"{"event":"media","streamSid":"MZ1","media":{"timestamp":"0","payload":"!!"}}"#, "bad_payload"),
        (
            r#"{"event":"media","streamSid":"MZ1","media":{"track":"outbound","timestamp":"0","payload":"/w=="}}"#,
            "other_track",
        ),
        (r#"{"event":"dtmf","streamSid":"MZ1","dtmf":{"digit":"55"}}"#, "odd_field"),
    ];
    for (text, name) in odd {
        assert_eq!(feed(&mut leg, text), [format!("odd {name}")][..usize::from(text != "[1,2]")], "{text}");
        assert!(feed(&mut leg, text).is_empty(), "{text} is told once");
    }
    leg.handle(at(0), Input::Binary(&[0]));
    assert_eq!(journal(&mut leg), ["odd binary_frame"]);
    assert_eq!(feed(&mut leg, &start()), ["odd second_start"]);
    let counts: Vec<_> = leg.oddities();
    assert!(counts.contains(&("not_a_message", 4)) && counts.contains(&("binary_frame", 1)), "{counts:?}");
    assert_eq!(feed(&mut leg, &media(1, "/w==")), ["audio 1 at 0"], "the leg lives on");
}

#[test]
fn gaps_and_disorder_are_counted_but_every_frame_is_handed_on() {
    let mut leg = live();
    for (number, expected) in [
        (1, &["audio 1 at 0"][..]),
        (4, &["audio 1 at 60", "odd gap"]),
        (3, &["audio 1 at 40", "odd disorder"]),
        (5, &["audio 1 at 80"]),
        (5, &["audio 1 at 80"]),
    ] {
        assert_eq!(feed(&mut leg, &media(number, "/w==")), expected, "{number}");
    }
    let undated = r#"{"event":"media","streamSid":"MZ1","media":{"payload":"/////////////////////w=="}}"#;
    assert_eq!(feed(&mut leg, undated), ["odd odd_field", "audio 16 at 80"]);
    assert_eq!(feed(&mut leg, undated), ["audio 16 at 82"]);
}

#[test]
fn silence_of_the_socket_ends_the_leg() {
    let mut leg = live();
    leg.handle(at(5_000), Input::Text(&media(1, "/w==")));
    journal(&mut leg);
    assert_eq!(leg.deadline(), Some(at(20_000)));
    leg.handle(at(19_999), Input::Tick);
    assert!(journal(&mut leg).is_empty());
    leg.handle(at(20_000), Input::Tick);
    assert_eq!(journal(&mut leg), ["Closed(Lost)", "close 1011 no media"]);
}

#[test]
fn every_end_is_told_once_and_in_its_own_words() {
    let stop = r#"{"event":"stop","sequenceNumber":"9","streamSid":"MZ1","stop":{"accountSid":"AC1","callSid":"CA1"}}"#;
    let ends: [(Input<'static>, [&str; 2]); 8] = [
        (Input::Text(stop), ["Closed(HungUp)", "close 1000 stopped"]),
        (Input::PeerClosed(Some(1000)), ["Closed(HungUp)", "close 1000 closed by carrier"]),
        (Input::PeerClosed(None), ["Closed(HungUp)", "close 1000 closed by carrier"]),
        (Input::PeerClosed(Some(1011)), ["Closed(Lost)", "close 1000 closed by carrier"]),
        (Input::Broken, ["Closed(Lost)", "close 1006 socket broke"]),
        (Input::TooBig, ["Closed(Lost)", "close 1009 message too big"]),
        (Input::Stalled, ["Closed(Lost)", "close 1011 carrier does not take our audio"]),
        (Input::CallGone, ["Closed(ClosedByUs)", "close 1000 call ended"]),
    ];
    for (input, expected) in ends {
        let mut leg = live();
        command(&mut leg, LegCommand::Audio(vec![0; 160]));
        command(&mut leg, LegCommand::Mark(1));
        leg.handle(at(0), input);
        assert_eq!(journal(&mut leg), expected);
        for late in [Input::Broken, Input::Tick, Input::Text(stop), Input::Command(LegCommand::Hangup), Input::Admitted]
        {
            leg.handle(at(99_999), late);
        }
        assert_eq!((journal(&mut leg), leg.deadline()), (vec![], None));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Text(String),
    Binary,
    Admitted,
    Refused,
    Command(LegCommand),
    Ended(u8),
    Later(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..50_u64, prop_oneof![Just("/w==".to_owned()), ".{0,8}"]).prop_map(|(n, p)| {
            Step::Text(media(n, &p.replace(['"', '\\'], "")))
        }),
        2 => ".{0,60}".prop_map(Step::Text),
        2 => Just(Step::Text(start())),
        2 => (0..4_u64, 0..30_u64).prop_map(|(g, m)| Step::Text(format!(r#"{{"event":"mark","streamSid":"MZ1","mark":{{"name":"g{g}.m{m}"}}}}"#))),
        1 => Just(Step::Binary),
        2 => Just(Step::Admitted),
        1 => Just(Step::Refused),
        4 => (0..30_u64).prop_map(|m| Step::Command(LegCommand::Mark(m))),
        2 => Just(Step::Command(LegCommand::Clear)),
        2 => (0..400_usize).prop_map(|n| Step::Command(LegCommand::Audio(vec![1; n]))),
        1 => Just(Step::Command(LegCommand::Hangup)),
        1 => (0..5_u8).prop_map(Step::Ended),
        1 => (0..20_000_u64).prop_map(Step::Later),
    ]
}

proptest! {
    /// Whatever happens in whatever order: one admission, one end, nothing after it, no sound to or
    /// from a stranger, and each mark sent has at most one fate.
    #[test]
    fn no_history_breaks_the_promises(steps in proptest::collection::vec(step(), 0..80)) {
        let mut leg = Leg::new(at(0));
        let (mut now, mut asked, mut admitted, mut closed) = (0, 0, false, false);
        let (mut sent_marks, mut fates) = (0, 0);
        for step in steps {
            match &step {
                Step::Text(text) => leg.handle(at(now), Input::Text(text)),
                Step::Binary => leg.handle(at(now), Input::Binary(&[0])),
                Step::Admitted => {
                    admitted |= asked > 0 && !closed;
                    leg.handle(at(now), Input::Admitted);
                }
                Step::Refused => leg.handle(at(now), Input::Refused),
                Step::Command(command) => leg.handle(at(now), Input::Command(command.clone())),
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
                    Output::Send(Frame::Binary(_)) => panic!("Media Streams are text"),
                    Output::Send(Frame::Text(text)) => {
                        prop_assert!(admitted);
                        sent_marks += usize::from(text.contains(r#""event":"mark""#));
                    }
                    Output::Event(event) => {
                        prop_assert!(admitted, "{event:?} from a stranger");
                        fates += usize::from(matches!(event, LegEvent::MarkPlayed(_) | LegEvent::MarkFlushed(_)));
                    }
                }
            }
            prop_assert!(asked <= 1 && fates <= sent_marks);
            prop_assert_eq!(leg.is_over(), closed);
        }
    }
}
