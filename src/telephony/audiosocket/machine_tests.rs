//! The leg's machine against scripts: bytes and commands go in, the journal that comes out is compared.

use proptest::prelude::*;

use super::*;

const ID: [u8; 16] = [7; 16];

fn at(ms: u64) -> Moment {
    Moment::from_millis(ms)
}

fn journal(leg: &mut Leg) -> Vec<String> {
    std::iter::from_fn(|| leg.poll())
        .map(|output| match output {
            Output::Admit(shown) => format!("admit {}", shown[0]),
            Output::Event(LegEvent::Audio { pcm, at_ms }) => format!("audio {} at {at_ms}", pcm.len()),
            Output::Event(event) => format!("{event:?}"),
            Output::Send(Frame::Binary(bytes)) if bytes == [0, 0, 0] => "send hangup".to_owned(),
            Output::Send(Frame::Binary(bytes)) => format!("send {:#04x} {}", bytes[0], bytes.len() - 3),
            Output::Send(Frame::Text(_)) => panic!("AudioSocket has no words"),
            Output::Notice(oddity) => format!("odd {oddity}"),
            Output::Close { code, reason } => format!("close {code} {reason}"),
        })
        .collect()
}

fn hear(leg: &mut Leg, ms: u64, bytes: &[u8]) -> Vec<String> {
    leg.handle(at(ms), Input::Binary(bytes));
    journal(leg)
}

fn tell(leg: &mut Leg, ms: u64, command: LegCommand) -> Vec<String> {
    leg.handle(at(ms), Input::Command(command));
    journal(leg)
}

fn tick(leg: &mut Leg, ms: u64) -> Vec<String> {
    leg.handle(at(ms), Input::Tick);
    journal(leg)
}

fn id() -> Vec<u8> {
    let mut bytes = Vec::new();
    wire::print_uuid(&ID, &mut bytes);
    bytes
}

fn sound(kind: u8, length: u16) -> Vec<u8> {
    let [high, low] = length.to_be_bytes();
    [kind, high, low].into_iter().chain(std::iter::repeat_n(0, usize::from(length))).collect()
}

fn live() -> Leg {
    let mut leg = Leg::new(at(0));
    assert_eq!(hear(&mut leg, 0, &id()), ["admit 7"]);
    leg.handle(at(0), Input::Admitted);
    assert_eq!(journal(&mut leg), Vec::<String>::new());
    leg
}

#[test]
fn nothing_passes_before_the_id_is_admitted() {
    let mut leg = Leg::new(at(0));
    let mut bytes = id();
    bytes.extend(sound(0x10, 320));
    bytes.extend([3, 0, 1, b'5']);
    assert_eq!(hear(&mut leg, 0, &bytes), ["admit 7"]);
    assert!(tell(&mut leg, 0, LegCommand::Audio(vec![0; 160])).is_empty());
    leg.handle(at(0), Input::Admitted);
    assert_eq!(journal(&mut leg), ["audio 160 at 0", "Dtmf('5')"], "what came with the id is not lost");

    let mut leg = Leg::new(at(0));
    hear(&mut leg, 0, &bytes);
    leg.handle(at(0), Input::Refused);
    assert_eq!(journal(&mut leg), ["send hangup", "close 1000 not admitted"]);
    assert!(hear(&mut leg, 0, &bytes).is_empty() && leg.is_over());

    for first in
        [&[0, 0, 0][..], &[1, 0, 1, 1], b"GET / HTTP/1.1\r\n\r\n and more, so that a packet is whole", &sound(0x10, 4)]
    {
        let mut leg = Leg::new(at(0));
        let said = hear(&mut leg, 0, first);
        assert!(said == ["close 1008 no id"] || said.is_empty(), "{said:?}");
        assert_eq!(tick(&mut leg, 3_000).is_empty(), !said.is_empty(), "one way or the other it is let go");
    }
}

#[test]
fn sound_leaves_at_its_pace_and_a_little_ahead() {
    let mut leg = live();
    let sent = |lines: Vec<String>| lines.into_iter().filter(|line| line == "send 0x10 320").count();
    assert_eq!(sent(tell(&mut leg, 0, LegCommand::Audio(vec![0; 1_600]))), 3, "at 0, 20 and 40 ms");
    assert_eq!(leg.deadline(), Some(at(20)));
    let mut total = 3;
    for ms in 1..200 {
        total += sent(tick(&mut leg, ms));
        assert!(total * 20 <= ms as usize + 60, "{total} frames at {ms} ms");
    }
    assert_eq!(total, 10);
    assert_eq!(sent(tell(&mut leg, 5_000, LegCommand::Audio(vec![0; 160]))), 1, "after a pause at once");
}

#[test]
fn marks_are_played_when_the_sound_before_them_must_have_been() {
    let mut leg = live();
    assert_eq!(tell(&mut leg, 0, LegCommand::Mark(1)), ["MarkPlayed(1)"], "nothing was before it");
    tell(&mut leg, 0, LegCommand::Audio(vec![0; 320]));
    assert!(tell(&mut leg, 0, LegCommand::Mark(2)).is_empty());
    assert_eq!(leg.deadline(), Some(at(40)));
    assert!(tick(&mut leg, 39).is_empty());
    assert_eq!(tick(&mut leg, 40), ["MarkPlayed(2)"]);
}

#[test]
fn a_clear_throws_away_all_but_what_has_left() {
    let mut leg = live();
    assert_eq!(tell(&mut leg, 0, LegCommand::Audio(vec![0; 16_000])).len(), 3);
    tell(&mut leg, 0, LegCommand::Mark(9));
    assert_eq!(tell(&mut leg, 10, LegCommand::Clear), ["MarkFlushed(9)"]);
    assert!(tick(&mut leg, 1_000).is_empty());
    assert_eq!(tell(&mut leg, 1_000, LegCommand::Audio(vec![0; 160])), ["send 0x10 320"]);
}

#[test]
fn a_goodbye_is_played_before_the_line_ends() {
    let mut leg = live();
    tell(&mut leg, 0, LegCommand::Audio(vec![0; 800]));
    assert!(tell(&mut leg, 0, LegCommand::Hangup).is_empty());
    let mut said = Vec::new();
    for ms in 1..=100 {
        assert!(!leg.is_over(), "{ms}");
        said.extend(tick(&mut leg, ms));
    }
    assert_eq!(said[said.len() - 3..], ["send hangup", "Closed(ClosedByUs)", "close 1000 goodbye"]);
}

#[test]
fn our_sound_is_of_the_callers_rate() {
    let mut leg = live();
    assert_eq!(tell(&mut leg, 0, LegCommand::Audio(vec![0; 160])), ["send 0x10 320"]);
    // The filter holds 5 ms back.
    assert_eq!(hear(&mut leg, 0, &sound(0x12, 640)), ["audio 120 at 0"]);
    assert_eq!(tell(&mut leg, 100, LegCommand::Audio(vec![0; 160])), ["send 0x12 480"]);
    assert_eq!(tell(&mut leg, 120, LegCommand::Audio(vec![0; 160])), ["send 0x12 640"]);
}

#[test]
fn odd_packets_are_counted_told_once_and_skipped() {
    let mut leg = live();
    for (bytes, name) in [
        (&[0x77, 0, 1, 1][..], "unknown_packet"),
        (&[3, 0, 2, b'5', b'5'], "unknown_packet"),
        (&id(), "second_id"),
        (&[0xFF, 0, 1, 4], "error"),
        (&[0x10, 0, 1, 0], "half_a_sample"),
    ] {
        let told = hear(&mut leg, 0, bytes);
        assert!(told.is_empty() || told == [format!("odd {name}")], "{told:?}");
        assert!(hear(&mut leg, 0, bytes).is_empty(), "{name} is told once");
    }
    leg.handle(at(0), Input::Text("hello"));
    assert_eq!(journal(&mut leg), ["odd text"]);
    assert!(leg.oddities().contains(&("unknown_packet", 4)), "{:?}", leg.oddities());
    assert_eq!(hear(&mut leg, 0, &sound(0x10, 320)), ["audio 160 at 0"], "the leg lives on");
}

#[test]
fn every_end_is_told_once_and_in_its_own_words() {
    let ends: [(Input<'static>, &[&str]); 7] = [
        (Input::Binary(&[0, 0, 0]), &["Closed(HungUp)", "close 1000 hung up"]),
        (Input::Binary(&[0xFF, 0, 1, 1]), &["Closed(HungUp)", "close 1000 hung up"]),
        (Input::PeerClosed(None), &["Closed(HungUp)", "close 1000 closed by asterisk"]),
        (Input::Broken, &["Closed(Lost)", "close 1006 socket broke"]),
        (Input::Stalled, &["Closed(Lost)", "close 1011 asterisk does not take our audio"]),
        (Input::CallGone, &["send hangup", "Closed(ClosedByUs)", "close 1000 call ended"]),
        (Input::Tick, &["send hangup", "Closed(Lost)", "close 1000 no media"]),
    ];
    for (input, expected) in ends {
        let mut leg = live();
        leg.handle(at(60_000), input);
        assert_eq!(journal(&mut leg), expected);
        for late in [Input::Broken, Input::Tick, Input::Binary(&[0, 0, 0]), Input::Admitted] {
            leg.handle(at(99_999), late);
        }
        assert_eq!((journal(&mut leg), leg.deadline()), (vec![], None));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Bytes(Vec<u8>),
    Admitted,
    Refused,
    Command(LegCommand),
    Ended(u8),
    Later(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Bytes(id())),
        4 => (0x10_u8..0x19, 0..700_u16).prop_map(|(kind, length)| Step::Bytes(sound(kind, length))),
        2 => proptest::collection::vec(any::<u8>(), 0..50).prop_map(Step::Bytes),
        2 => Just(Step::Admitted),
        1 => Just(Step::Refused),
        3 => (0..30_u64).prop_map(|mark| Step::Command(LegCommand::Mark(mark))),
        2 => Just(Step::Command(LegCommand::Clear)),
        3 => (0..4_000_usize).prop_map(|n| Step::Command(LegCommand::Audio(vec![1; n]))),
        1 => Just(Step::Command(LegCommand::Hangup)),
        1 => (0..4_u8).prop_map(Step::Ended),
        4 => (0..2_000_u64).prop_map(Step::Later),
    ]
}

proptest! {
    /// Whatever happens in whatever order: one admission, one end, nothing after it, no sound to or
    /// from a stranger, each mark has at most one fate, and no sound leaves long before its time.
    #[test]
    fn no_history_breaks_the_promises(steps in proptest::collection::vec(step(), 0..80)) {
        let mut leg = Leg::new(at(0));
        let (mut now, mut asked, mut admitted, mut closed) = (0, 0, false, false);
        let (mut marks, mut fates) = (0, 0);
        let mut sent_until = 0.0_f64;
        for step in steps {
            match &step {
                Step::Bytes(bytes) => leg.handle(at(now), Input::Binary(bytes)),
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
                    1 => Input::PeerClosed(None),
                    2 => Input::Stalled,
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
                    Output::Send(Frame::Text(_)) => panic!("no words"),
                    Output::Send(Frame::Binary(bytes)) if bytes.len() > 3 => {
                        prop_assert!(admitted);
                        if bytes[0] == 0x10 {
                            sent_until = sent_until.max(now as f64) + (bytes.len() - 3) as f64 / 16.0;
                            prop_assert!(sent_until <= now as f64 + 61.0, "{sent_until} at {now}");
                        }
                    }
                    Output::Send(Frame::Binary(_)) => {}
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
