//! The leg's machine against scripts: each test feeds lines in and compares the journal that comes out.

use proptest::prelude::*;

use super::*;
use crate::base::audio::LINE_FRAME;

const TERMS: Terms = Terms { rate: None, chunk_bytes: 3_200 };

fn at(ms: u64) -> Moment {
    Moment::from_millis(ms)
}

fn start() -> String {
    r#"{"event":"start","sequence_number":"1","stream_sid":"s1","start":{"stream_sid":"s1","call_sid":"c1","account_sid":"acme1","from":"+919876543210","to":"+914440001234","custom_parameters":{"lang":"ta-IN"},"media_format":{"encoding":"audio/x-raw","sample_rate":"8000","bit_rate":"128kbps"}}}"#.to_owned()
}

/// 10 ms of silence at 8 kHz.
fn media(number: u64, bytes: usize) -> String {
    let mut payload = String::new();
    payload::encode(&vec![0; bytes], &mut payload);
    format!(
        r#"{{"event":"media","sequence_number":"{}","stream_sid":"s1","media":{{"chunk":"{number}","timestamp":"{}","payload":"{payload}"}}}}"#,
        number + 1,
        (number - 1) * 100
    )
}

/// What came out, one line each; sound by its bytes.
fn journal(leg: &mut Leg) -> Vec<String> {
    std::iter::from_fn(|| leg.poll())
        .map(|output| match output {
            Output::Admit(shown) => format!("admit {} {} {} {:?}", shown.call, shown.from, shown.to, shown.parameters),
            Output::Event(LegEvent::Audio { pcm, at_ms }) => format!("audio {} at {at_ms}", pcm.len()),
            Output::Event(event) => format!("{event:?}"),
            Output::Send(Frame::Text(text)) => match serde_json::from_str::<serde_json::Value>(&text).unwrap() {
                message if message["event"] == "media" => {
                    let mut bytes = Vec::new();
                    payload::decode(message["media"]["payload"].as_str().unwrap(), &mut bytes).unwrap();
                    format!("sound {}", bytes.len())
                }
                message if message["event"] == "mark" => format!("mark {}", message["mark"]["name"].as_str().unwrap()),
                message => message["event"].as_str().unwrap().to_owned(),
            },
            Output::Send(Frame::Binary(_)) => panic!("AgentStream is text"),
            Output::Notice(oddity) => format!("odd {oddity}"),
            Output::Close { code, reason } => format!("close {code} {reason}"),
        })
        .collect()
}

fn feed(leg: &mut Leg, text: &str) -> Vec<String> {
    leg.handle(at(0), Input::Text(text));
    journal(leg)
}

fn live_with(start: &str, terms: Terms) -> Leg {
    let mut leg = Leg::new(at(0), terms);
    feed(&mut leg, r#"{"event":"connected"}"#);
    feed(&mut leg, start);
    leg.handle(at(0), Input::Admitted);
    assert_eq!(journal(&mut leg), Vec::<String>::new());
    leg
}

fn live() -> Leg {
    live_with(&start(), TERMS)
}

fn command(leg: &mut Leg, now: u64, command: LegCommand) -> Vec<String> {
    leg.handle(at(now), Input::Command(command));
    journal(leg)
}

fn frame() -> LegCommand {
    LegCommand::Audio(vec![100; LINE_FRAME])
}

#[test]
fn nothing_passes_before_the_call_is_admitted() {
    let mut leg = Leg::new(at(0), TERMS);
    assert!(feed(&mut leg, r#"{"event":"connected"}"#).is_empty());
    assert_eq!(feed(&mut leg, &media(1, 1_600)), ["odd before_start"]);
    assert!(command(&mut leg, 0, frame()).is_empty());
    assert_eq!(feed(&mut leg, &start()), [r#"admit c1 +919876543210 +914440001234 [("lang", "ta-IN")]"#]);
    leg.handle(at(0), Input::Refused);
    assert_eq!(journal(&mut leg), ["close 1008 not admitted"]);
    assert!(feed(&mut leg, &media(2, 1_600)).is_empty() && leg.is_over());
}

#[test]
fn starts_that_cannot_be_carried_are_refused_and_odd_spellings_are_not() {
    for (text, expected) in [
        (start().replace("8000", "4000"), "close 1003 no such sample rate here"),
        (start().replace("8000", "96000"), "close 1003 no such sample rate here"),
        (start().replace("\"s1\"", "\"\""), "close 1008 start without names"),
        (start().replace("c1", ""), "close 1008 start without names"),
        (r#"{"event":"stop","stream_sid":"s1","stop":{}}"#.to_owned(), "close 1000 stopped"),
    ] {
        let mut leg = Leg::new(at(0), TERMS);
        assert_eq!(feed(&mut leg, &text).last().map(String::as_str), Some(expected), "{text}");
        assert!(leg.is_over());
    }
    for text in [
        start()
            .replace("stream_sid", "streamSid")
            .replace("call_sid", "callSid")
            .replace("media_format", "mediaFormat"),
        start().replace("\"8000\"", "8000").replace("\"1\"", "1"),
        start().replace("media_format", "x"),
        start().replace("audio/x-raw", "raw"),
    ] {
        let mut leg = Leg::new(at(0), TERMS);
        let lines = feed(&mut leg, &text);
        assert!(lines.iter().any(|line| line.starts_with("admit c1")), "{text}: {lines:?}");
    }
}

#[test]
fn a_peer_without_a_start_is_let_go() {
    let mut leg = Leg::new(at(0), TERMS);
    assert_eq!(leg.deadline(), Some(at(10_000)));
    leg.handle(at(10_000), Input::Tick);
    assert_eq!(journal(&mut leg), ["close 1008 no start"]);
    let mut chatty = Leg::new(at(0), TERMS);
    for _ in 0..limits::STREAM_MESSAGES_BEFORE_START {
        assert!(!feed(&mut chatty, "{}").iter().any(|line| line.starts_with("close")));
    }
    assert_eq!(feed(&mut chatty, "{}"), ["close 1008 no start"]);
}

#[test]
fn a_conversation_goes_both_ways_at_every_rate() {
    for (rate, cadence_bytes, chunk_ms, lead_ms) in
        [(8_000_u64, 1_600, 200_u64, 260_u128), (16_000, 3_200, 100, 160), (24_000, 4_800, 66, 126)]
    {
        let text = start().replace("8000", &rate.to_string());
        let mut leg = Leg::new(at(0), TERMS);
        feed(&mut leg, &text);
        assert_eq!(leg.lead().as_millis(), lead_ms, "{rate}");
        leg.handle(at(0), Input::Admitted);
        let heard: Vec<String> = (1..=3).flat_map(|n| feed(&mut leg, &media(n, cadence_bytes))).collect();
        assert_eq!(heard.len(), 3, "{rate}: {heard:?}");
        let frames = chunk_ms.div_ceil(20) + 1;
        let sent: Vec<String> = (0..frames).flat_map(|n| command(&mut leg, n * 20, frame())).collect();
        assert_eq!(sent, ["sound 3200"], "{rate}");
        let digit =
            r#"{"event":"dtmf","stream_sid":"s1","sequence_number":9,"dtmf":{"digit":"\"5\"","duration":"100"}}"#;
        assert!(feed(&mut leg, digit).contains(&"Dtmf('5')".to_owned()));
        assert_eq!(
            command(&mut leg, 999, LegCommand::Hangup),
            ["sound 3200", "Closed(ClosedByUs)", "close 1000 goodbye"]
        );
    }
}

#[test]
fn a_pause_lets_the_last_words_go() {
    let mut leg = live();
    for n in 0..3 {
        assert!(command(&mut leg, n * 20, frame()).is_empty());
    }
    assert!(command(&mut leg, 40, LegCommand::Mark(1)).is_empty(), "the mark waits for its sound");
    assert_eq!(leg.deadline(), Some(at(80)));
    leg.handle(at(79), Input::Tick);
    assert!(journal(&mut leg).is_empty());
    leg.handle(at(80), Input::Tick);
    assert_eq!(journal(&mut leg), ["sound 3200", "mark g0.m1"]);
    assert_eq!(command(&mut leg, 90, LegCommand::Mark(2)), ["mark g0.m2"]);
}

#[test]
fn marks_tell_what_was_played_and_what_was_not() {
    let echo = |leg: &mut Leg, name: &str| {
        feed(leg, &format!(r#"{{"event":"mark","stream_sid":"s1","mark":{{"name":"{name}"}}}}"#))
    };
    let mut leg = live();
    assert_eq!(command(&mut leg, 0, LegCommand::Mark(7)), ["mark g0.m7"]);
    assert_eq!(echo(&mut leg, "g0.m7"), ["MarkPlayed(7)"]);
    command(&mut leg, 0, LegCommand::Mark(8));
    command(&mut leg, 0, frame());
    command(&mut leg, 0, LegCommand::Mark(9));
    assert_eq!(
        command(&mut leg, 0, LegCommand::Clear),
        ["clear", "MarkFlushed(8)", "MarkFlushed(9)"],
        "one that was sent and one that waited for its sound"
    );
    assert!(echo(&mut leg, "g0.m8").is_empty(), "whether a clear gives marks back is not documented");
    assert_eq!(echo(&mut leg, "g1.m1"), ["odd unknown_mark"]);
    leg.handle(at(1_000), Input::Tick);
    assert!(journal(&mut leg).is_empty(), "nothing of before the clear is left");
}

#[test]
fn who_may_be_about_to_speak_is_waited_for_and_loses_nothing() {
    let mut leg = live();
    assert!(command(&mut leg, 0, LegCommand::Hush).is_empty(), "there is nothing to be taken back");
    let mut sent: Vec<String> = (0..21).flat_map(|_| command(&mut leg, 0, frame())).collect();
    sent.extend(command(&mut leg, 0, LegCommand::Mark(1)));
    assert_eq!(sent, ["sound 3200", "sound 3200"], "400 ms, and a mark behind a little more");
    assert_eq!(command(&mut leg, 20, LegCommand::Hush), ["clear"]);
    let meanwhile: Vec<String> = (0..10).flat_map(|_| command(&mut leg, 100, frame())).collect();
    assert!(meanwhile.is_empty(), "{meanwhile:?}");
    assert_eq!(leg.deadline(), Some(at(180)));
    leg.handle(at(180), Input::Tick);
    assert_eq!(journal(&mut leg), ["sound 3200", "sound 3200", "mark g1.m1"]);

    assert_eq!(command(&mut leg, 1_300, frame()), [""; 0]);
    leg.handle(at(1_400), Input::Tick);
    assert_eq!(journal(&mut leg), ["sound 3200"]);
    assert_eq!(command(&mut leg, 1_410, LegCommand::Hush), ["clear"]);
    assert_eq!(command(&mut leg, 1_450, LegCommand::Clear), ["clear", "MarkFlushed(1)"]);
    leg.handle(at(1_900), Input::Tick);
    assert!(journal(&mut leg).is_empty(), "what was kept is gone");
}

#[test]
fn mu_law_is_spoken_when_the_stream_says_so_or_shows_it() {
    let told = start().replace("audio/x-raw", "audio/x-mulaw;rate=8000");
    let mut leg = live_with(&told, TERMS);
    assert_eq!(feed(&mut leg, &media(1, 800)), ["audio 800 at 0"]);
    let sent: Vec<String> = (0..10).flat_map(|n| command(&mut leg, n * 20, frame())).collect();
    assert_eq!(sent, ["sound 1600"]);

    let mut guessing = live_with(&start().replace("media_format", "x"), TERMS);
    let heard: Vec<String> = (1..=30).flat_map(|n| feed(&mut guessing, &media(n, 800))).collect();
    assert_eq!(heard.first().map(String::as_str), Some("audio 400 at 0"));
    assert_eq!(heard.last().map(String::as_str), Some("audio 800 at 2900"), "{heard:?}");

    let mut lying = live();
    let heard: Vec<String> = (1..=30).flat_map(|n| feed(&mut lying, &media(n, 800))).collect();
    assert!(heard.contains(&"odd odd_pace".to_owned()) && heard.last().is_some_and(|l| l.starts_with("audio 400")));
}

#[test]
fn odd_messages_are_counted_told_once_and_skipped() {
    let mut leg = live();
    for (text, name) in [
        ("not json", "not_a_message"),
        (r#"{"event":"hologram","stream_sid":"s1"}"#, "unknown_event"),
        (r#"{"event":"media","stream_sid":"s9","media":{"timestamp":"0","payload":"AAA="}}"#, "wrong_stream"),
        (r#"{"event":"media","stream_sid":"s1","media":{"timestamp":"0","payload":"!!"}}"#, "bad_payload"),
        (r#"{"event":"dtmf","stream_sid":"s1","dtmf":{"digit":"55"}}"#, "odd_field"),
    ] {
        assert_eq!(feed(&mut leg, text), [format!("odd {name}")], "{text}");
        assert!(feed(&mut leg, text).is_empty(), "{text} is told once");
    }
    assert!(feed(&mut leg, r#"{"event":"clear","stream_sid":"s1"}"#).is_empty(), "others tell of it; it is ignored");
    leg.handle(at(0), Input::Binary(&[0]));
    assert_eq!(journal(&mut leg), ["odd binary_frame"]);
    assert_eq!(feed(&mut leg, &start()), ["odd second_start"]);
    assert!(leg.oddities().contains(&("not_a_message", 2)));
    assert_eq!(feed(&mut leg, &media(1, 1_600)), ["audio 800 at 0"], "the leg lives on");
    assert_eq!(feed(&mut leg, &media(4, 1_600)), ["audio 800 at 300", "odd gap"]);
    assert_eq!(feed(&mut leg, &media(3, 1_600)), ["audio 800 at 200", "odd disorder"]);
    let undated = media(5, 320).replace("\"timestamp\":\"400\",", "");
    assert_eq!(feed(&mut leg, &undated).last().map(String::as_str), Some("audio 160 at 300"));
}

#[test]
fn every_end_is_told_once_and_in_its_own_words() {
    let stop = r#"{"event":"stop","sequence_number":"20","stream_sid":"s1","stop":{"call_sid":"c1","account_sid":"acme1","reason":"callended"}}"#;
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
        command(&mut leg, 0, frame());
        command(&mut leg, 0, LegCommand::Mark(1));
        leg.handle(at(0), input);
        assert_eq!(journal(&mut leg), expected);
        for late in [Input::Broken, Input::Tick, Input::Text(stop), Input::Command(LegCommand::Hangup), Input::Admitted]
        {
            leg.handle(at(99_999), late);
        }
        assert_eq!((journal(&mut leg), leg.deadline()), (vec![], None));
    }
    let mut silent = live();
    silent.handle(at(15_000), Input::Tick);
    assert_eq!(journal(&mut silent), ["Closed(Lost)", "close 1011 no media"]);
}

#[derive(Clone, Debug)]
enum Step {
    Text(String),
    Admitted,
    Refused,
    Command(LegCommand),
    Ended(u8),
    Later(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1..50_u64, 0..2_000_usize).prop_map(|(n, bytes)| Step::Text(media(n, bytes))),
        2 => ".{0,60}".prop_map(Step::Text),
        2 => Just(Step::Text(start())),
        2 => (0..4_u64, 0..30_u64).prop_map(|(g, m)| Step::Text(format!(r#"{{"event":"mark","stream_sid":"s1","mark":{{"name":"g{g}.m{m}"}}}}"#))),
        2 => Just(Step::Admitted),
        1 => Just(Step::Refused),
        4 => (0..30_u64).prop_map(|m| Step::Command(LegCommand::Mark(m))),
        2 => Just(Step::Command(LegCommand::Clear)),
        6 => (0..400_usize).prop_map(|n| Step::Command(LegCommand::Audio(vec![1; n]))),
        1 => Just(Step::Command(LegCommand::Hangup)),
        1 => (0..5_u8).prop_map(Step::Ended),
        3 => (0..200_u64).prop_map(Step::Later),
    ]
}

proptest! {
    /// Whatever happens in whatever order: one admission, one end, nothing after it, no sound to or from a
    /// stranger, pieces of the carrier's size, no more fates than marks, and no tick for nothing.
    #[test]
    fn no_history_breaks_the_promises(steps in proptest::collection::vec(step(), 0..80)) {
        let mut leg = Leg::new(at(0), TERMS);
        let (mut now, mut asked, mut admitted, mut closed) = (0, 0, false, false);
        let (mut marks, mut fates) = (0, 0);
        for step in steps {
            match &step {
                Step::Text(text) => leg.handle(at(now), Input::Text(text)),
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
                    prop_assert!(leg.deadline().is_none_or(|due| due > at(now)), "a tick settles what was due");
                }
            }
            for line in journal(&mut leg) {
                prop_assert!(!closed, "{line} after the close");
                let kind = line.split(' ').next().unwrap_or_default();
                asked += usize::from(kind == "admit");
                closed |= kind == "close";
                if let Some(bytes) = line.strip_prefix("sound ") {
                    prop_assert_eq!(bytes, "3200");
                }
                prop_assert!(admitted || matches!(kind, "admit" | "close" | "odd"), "{line} from or to a stranger");
                fates += usize::from(kind.starts_with("MarkPlayed") || kind.starts_with("MarkFlushed"));
            }
            prop_assert!(asked <= 1 && fates <= marks);
            prop_assert_eq!(leg.is_over(), closed);
        }
    }
}
