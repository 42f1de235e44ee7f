//! The leg's machine against scripts: messages and commands go in, the journal that comes out is compared.

use proptest::prelude::*;

use super::*;

fn at(ms: u64) -> Moment {
    Moment::from_millis(ms)
}

const METADATA: &str = r#"{"uuid":"u1","from":"9876543210"}"#;

fn journal(leg: &mut Leg) -> Vec<String> {
    std::iter::from_fn(|| leg.poll())
        .map(|output| match output {
            Output::Silence => "silence".to_owned(),
            Output::Stream(stream::Output::Admit(shown)) => format!("admit {shown:?}"),
            Output::Stream(stream::Output::Event(LegEvent::Audio { pcm, at_ms })) => {
                format!("audio {} at {at_ms}", pcm.len())
            }
            Output::Stream(stream::Output::Event(event)) => format!("{event:?}"),
            Output::Stream(stream::Output::Send(Frame::Binary(bytes))) => format!("send {}", bytes.len()),
            Output::Stream(stream::Output::Send(Frame::Text(text))) if text.contains("streamAudio") => {
                let value: serde_json::Value = serde_json::from_str(&text).unwrap();
                let sound = value["data"]["audioData"].as_str().unwrap();
                let padding = sound.bytes().filter(|b| *b == b'=').count();
                format!("file {}", (sound.len() * 3 / 4 - padding) / 2)
            }
            Output::Stream(stream::Output::Send(Frame::Text(text))) => text,
            Output::Stream(stream::Output::Notice(oddity)) => format!("odd {oddity}"),
            Output::Stream(stream::Output::Close { code, reason }) => format!("close {code} {reason}"),
        })
        .collect()
}

fn new(module: Module, rate: u32, known: bool) -> Leg {
    Leg::new(at(0), module, Leg::codec(rate).unwrap(), known)
}

fn feed(leg: &mut Leg, text: &str) -> Vec<String> {
    leg.handle(at(0), Input::Text(text));
    journal(leg)
}

fn tell(leg: &mut Leg, ms: u64, command: LegCommand) -> Vec<String> {
    leg.handle(at(ms), Input::Command(command));
    journal(leg)
}

fn live(module: Module, rate: u32) -> Leg {
    let mut leg = new(module, rate, false);
    feed(&mut leg, METADATA);
    leg.handle(at(0), Input::Admitted);
    assert_eq!(journal(&mut leg), Vec::<String>::new());
    leg
}

#[test]
fn nothing_passes_before_the_call_is_admitted() {
    let mut leg = new(Module::Fork, 8_000, false);
    leg.handle(at(0), Input::Binary(&[0; 320]));
    assert_eq!(journal(&mut leg), ["odd before_start"]);
    assert!(feed(&mut leg, "words that say nothing").is_empty());
    assert_eq!(feed(&mut leg, METADATA), [r#"admit [("from", "9876543210"), ("uuid", "u1")]"#]);
    leg.handle(at(0), Input::Binary(&[0; 320]));
    assert!(journal(&mut leg).is_empty() && tell(&mut leg, 0, LegCommand::Audio(vec![0; 160])).is_empty());
    leg.handle(at(0), Input::Refused);
    assert_eq!(journal(&mut leg), ["close 1008 not admitted"]);

    let mut known = new(Module::Fork, 8_000, true);
    known.handle(at(0), Input::Binary(&[0; 320]));
    assert_eq!(journal(&mut known), ["admit []"], "the address said everything");

    let mut quiet = new(Module::Fork, 8_000, true);
    quiet.handle(at(10_000), Input::Tick);
    assert_eq!(journal(&mut quiet), ["close 1008 no start"]);
    assert!(Leg::codec(11_025).is_none() && Leg::codec(0).is_none());
}

#[test]
fn a_fork_streams_both_ways() {
    let mut leg = live(Module::Fork, 8_000);
    leg.handle(at(0), Input::Binary(&[0; 320]));
    leg.handle(at(20), Input::Binary(&[0; 320]));
    assert_eq!(journal(&mut leg), ["audio 160 at 0", "audio 160 at 20"]);
    assert_eq!(tell(&mut leg, 0, LegCommand::Audio(vec![0; 160])), ["send 320"]);
    assert_eq!(tell(&mut leg, 0, LegCommand::Audio(vec![0; 20_000])), ["send 16000", "send 16000", "send 8000"]);
    assert_eq!(tell(&mut leg, 0, LegCommand::Mark(1)), [r#"{"data":{"name":"g0.m1"},"type":"mark"}"#]);
    assert_eq!(feed(&mut leg, r#"{"type":"mark","data":{"name":"g0.m1","event":"playout"}}"#), ["MarkPlayed(1)"]);
    tell(&mut leg, 0, LegCommand::Mark(2));
    assert_eq!(tell(&mut leg, 0, LegCommand::Clear), [r#"{"type":"killAudio"}"#, "MarkFlushed(2)"]);
    assert!(feed(&mut leg, r#"{"type":"mark","data":{"name":"g0.m2","event":"cleared"}}"#).is_empty());
    assert!(feed(&mut leg, r#"{"type":"mark","data":{"name":"g0.m2","event":"playout"}}"#).is_empty());
    leg.told(at(40), Told::Key('5'));
    assert_eq!(journal(&mut leg), ["Dtmf('5')"]);
    leg.told(at(40), Told::HungUp);
    assert_eq!(journal(&mut leg), ["Closed(HungUp)", "close 1000 hung up"]);

    let mut wide = live(Module::Fork, 16_000);
    wide.handle(at(0), Input::Binary(&[0; 640]));
    assert_eq!(journal(&mut wide), ["audio 120 at 0"], "the filter holds 5 ms back");
    assert_eq!(tell(&mut wide, 0, LegCommand::Audio(vec![0; 160])), ["send 480"]);
    assert_eq!(tell(&mut wide, 0, LegCommand::Mark(1))[0], "send 160", "and gives them before a mark");
}

#[test]
fn files_are_made_of_what_is_said_and_marks_go_by_the_clock() {
    let mut leg = live(Module::Stream, 16_000);
    for ms in 0..19 {
        assert!(tell(&mut leg, ms * 20, LegCommand::Audio(vec![0; 160])).is_empty(), "{ms}");
    }
    assert_eq!(tell(&mut leg, 380, LegCommand::Audio(vec![0; 160])), ["file 3200"]);
    tell(&mut leg, 400, LegCommand::Audio(vec![0; 160]));
    assert_eq!(tell(&mut leg, 400, LegCommand::Mark(1)), ["file 160"], "a mark ends a file");
    assert_eq!(leg.deadline(), Some(at(800)));
    leg.handle(at(799), Input::Tick);
    assert!(journal(&mut leg).is_empty());
    leg.handle(at(800), Input::Tick);
    assert_eq!(journal(&mut leg), ["MarkPlayed(1)"]);
    assert_eq!(tell(&mut leg, 900, LegCommand::Mark(2)), ["MarkPlayed(2)"], "nothing was before it");
    tell(&mut leg, 1_000, LegCommand::Audio(vec![0; 160]));
    leg.handle(at(1_400), Input::Tick);
    assert_eq!(journal(&mut leg), ["file 160"], "what nobody continues is not kept");
    tell(&mut leg, 1_400, LegCommand::Audio(vec![0; 160]));
    tell(&mut leg, 1_400, LegCommand::Mark(3));
    tell(&mut leg, 1_400, LegCommand::Audio(vec![0; 160]));
    assert_eq!(tell(&mut leg, 1_405, LegCommand::Clear), ["silence", "MarkFlushed(3)"]);
    leg.handle(at(3_000), Input::Tick);
    assert!(journal(&mut leg).is_empty(), "nothing of before the clear is left");
}

#[test]
fn odd_messages_are_counted_told_once_and_skipped() {
    let mut leg = live(Module::Fork, 8_000);
    for (text, name) in [
        ("hello", "not_a_message"),
        ("{}", "not_a_message"),
        (r#"{"type":"hologram"}"#, "unknown_event"),
        (r#"{"type":"mark","data":{"name":"x","event":"playout"}}"#, "unknown_mark"),
    ] {
        let told = feed(&mut leg, text);
        assert!(told.is_empty() || told == [format!("odd {name}")], "{text}: {told:?}");
        assert!(feed(&mut leg, text).is_empty(), "{text} is told once");
    }
    leg.handle(at(0), Input::Binary(&[0; 321]));
    assert_eq!(journal(&mut leg), ["audio 160 at 0", "odd half_a_sample"]);
    assert!(leg.oddities().contains(&("not_a_message", 4)), "{:?}", leg.oddities());
}

#[test]
fn every_end_is_told_once_and_in_its_own_words() {
    let ends: [(Input<'static>, &[&str]); 9] = [
        (Input::PeerClosed(Some(1000)), &["Closed(HungUp)", "close 1000 closed by freeswitch"]),
        (Input::PeerClosed(None), &["Closed(HungUp)", "close 1000 closed by freeswitch"]),
        (Input::PeerClosed(Some(1011)), &["Closed(Lost)", "close 1000 closed by freeswitch"]),
        (Input::Broken, &["Closed(Lost)", "close 1006 socket broke"]),
        (Input::TooBig, &["Closed(Lost)", "close 1009 message too big"]),
        (Input::Stalled, &["Closed(Lost)", "close 1011 freeswitch does not take our audio"]),
        (Input::CallGone, &["Closed(ClosedByUs)", "close 1000 call ended"]),
        (Input::Command(LegCommand::Hangup), &["Closed(ClosedByUs)", "close 1000 goodbye"]),
        (Input::Tick, &["Closed(Lost)", "close 1011 no media"]),
    ];
    for (input, expected) in ends {
        for module in [Module::Fork, Module::Stream] {
            let mut leg = live(module, 8_000);
            let again = match &input {
                Input::PeerClosed(code) => Input::PeerClosed(*code),
                Input::Command(command) => Input::Command(command.clone()),
                Input::Broken => Input::Broken,
                Input::TooBig => Input::TooBig,
                Input::Stalled => Input::Stalled,
                Input::CallGone => Input::CallGone,
                _ => Input::Tick,
            };
            leg.handle(at(60_000), again);
            assert_eq!(journal(&mut leg), expected);
            leg.told(at(60_000), Told::HungUp);
            for late in [Input::Broken, Input::Tick, Input::Text(METADATA), Input::Admitted] {
                leg.handle(at(99_999), late);
            }
            assert_eq!((journal(&mut leg), leg.deadline()), (vec![], None));
        }
    }
}

#[test]
fn a_stream_that_is_said_to_be_over_is_over_if_nothing_more_comes() {
    for module in [Module::Fork, Module::Stream] {
        let mut leg = live(module, 8_000);
        leg.handle(at(100), Input::Binary(&[0; 320]));
        leg.told(at(110), Told::Dropped);
        // What was on its way.
        leg.handle(at(120), Input::Binary(&[0; 320]));
        journal(&mut leg);
        assert_eq!(leg.deadline(), Some(at(1_120)));
        leg.handle(at(1_119), Input::Tick);
        assert!(journal(&mut leg).is_empty());
        leg.handle(at(1_120), Input::Tick);
        assert_eq!(journal(&mut leg), ["Closed(Lost)", "close 1011 no media"]);

        // It was the one before.
        let mut next = live(module, 8_000);
        next.told(at(110), Told::Dropped);
        for ms in (0..=1_200).step_by(20) {
            next.handle(at(ms), Input::Binary(&[0; 320]));
        }
        journal(&mut next);
        assert_eq!(next.deadline(), Some(at(61_200)));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Text(String),
    Binary(usize),
    Admitted,
    Refused,
    Command(LegCommand),
    Told(Told),
    Ended(u8),
    Later(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Text(METADATA.to_owned())),
        2 => ".{0,60}".prop_map(Step::Text),
        3 => (0..4_u64, 0..30_u64).prop_map(|(g, m)| Step::Text(format!(r#"{{"type":"mark","data":{{"name":"g{g}.m{m}","event":"playout"}}}}"#))),
        3 => (0..700_usize).prop_map(Step::Binary),
        3 => Just(Step::Admitted),
        1 => Just(Step::Refused),
        4 => (0..30_u64).prop_map(|mark| Step::Command(LegCommand::Mark(mark))),
        2 => Just(Step::Command(LegCommand::Clear)),
        4 => (0..4_000_usize).prop_map(|n| Step::Command(LegCommand::Audio(vec![1; n]))),
        1 => Just(Step::Command(LegCommand::Hangup)),
        1 => Just(Step::Told(Told::Key('1'))),
        1 => Just(Step::Told(Told::HungUp)),
        1 => Just(Step::Told(Told::Dropped)),
        1 => (0..5_u8).prop_map(Step::Ended),
        3 => (0..8_000_u64).prop_map(Step::Later),
    ]
}

proptest! {
    /// Whatever happens in whatever order: one admission, one end, nothing after it, no sound to or
    /// from a stranger, each mark has at most one fate.
    #[test]
    fn no_history_breaks_the_promises(steps in proptest::collection::vec(step(), 0..80), fork in any::<bool>(), known in any::<bool>()) {
        let mut leg = new(if fork { Module::Fork } else { Module::Stream }, 16_000, known);
        let (mut now, mut asked, mut admitted, mut closed) = (0, 0, false, false);
        let (mut marks, mut fates) = (0, 0);
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
                Step::Told(told) => leg.told(at(now), *told),
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
                    Output::Silence => prop_assert!(admitted && !fork),
                    Output::Stream(stream::Output::Admit(_)) => asked += 1,
                    Output::Stream(stream::Output::Close { .. }) => closed = true,
                    Output::Stream(stream::Output::Notice(_)) => {}
                    Output::Stream(stream::Output::Send(frame)) => {
                        prop_assert!(admitted);
                        prop_assert!(fork || matches!(frame, Frame::Text(_)), "files only");
                    }
                    Output::Stream(stream::Output::Event(event)) => {
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
