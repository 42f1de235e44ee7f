//! Frames as they stand on the wire, and what is made of them: `received.txt` holds blocks of a
//! message (`<`), what it is read as (`=`) and what was odd about it (`!`).

use vaani::telephony::exotel::carrier::wire::{self as far, Peculiarities, Printer, Violation};
use vaani::telephony::exotel::form::Asked;
use vaani::telephony::exotel::wire::{self, Message};
use vaani::telephony::far::FarWire as _;
use vaani::telephony::stream::Frame;
use vaani::telephony::stream::payload::StreamName;

use super::dial;

#[test]
fn messages_of_the_carrier_are_read_as_written_down() {
    let (mut message, mut checked) = ("", 0);
    let (mut read, mut odd) = (String::new(), String::new());
    for line in include_str!("received.txt").lines().chain(["<"]) {
        if let Some(text) = line.strip_prefix("< ").or(line.strip_prefix('<')) {
            if !message.is_empty() {
                let (received, problems) = wire::parse(message);
                let expected = (std::mem::take(&mut read), std::mem::take(&mut odd));
                let found =
                    received.map_or_else(String::new, |r| format!("{} {:?} {:?}", r.stream, r.sequence, r.message));
                let problems: Vec<String> = problems.iter().map(|p| format!("{p:?}")).collect();
                assert_eq!((found, problems.join(" ")), expected, "{message}");
                checked += 1;
            }
            message = text;
        } else if let Some(text) = line.strip_prefix("= ") {
            read = text.to_owned();
        } else if let Some(text) = line.strip_prefix("! ") {
            odd = text.to_owned();
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "{line}");
        }
    }
    assert!(checked >= 20, "{checked}");
}

#[test]
fn what_the_applets_tell_of_a_person_is_read_as_written_down() {
    let (mut query, mut checked) = ("", 0);
    for line in include_str!("applets.txt").lines() {
        if let Some(text) = line.strip_prefix("< ") {
            query = text;
        } else if let Some(expected) = line.strip_prefix("= ") {
            let person = Asked::read(query, None, b"").unwrap().person();
            assert_eq!(format!("{person:?}"), expected, "{query}");
            checked += 1;
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "{line}");
        }
    }
    assert!(checked >= 13, "{checked}");
}

#[test]
fn our_messages_are_those_on_file() {
    let stream = StreamName::new("6f04");
    let mut out = String::new();
    wire::print_media(&stream, &[0; 320], &mut out);
    out.push('\n');
    wire::print_mark(&stream, "g0.m7", &mut out);
    out.push('\n');
    wire::print_clear(&stream, &mut out);
    out.push('\n');
    assert_eq!(out, include_str!("sent.txt"));
}

#[test]
fn our_carrier_prints_what_the_box_reads_without_a_doubt() {
    for camel in [false, true] {
        let mut options = dial("http://127.0.0.1:1");
        options.call_sid = "c1".to_owned();
        options.peculiarities = Peculiarities { camel, cadence_ms: 20, ..Peculiarities::default() };
        let mut printer = Printer::new(&options, 16_000, vec![("lang".to_owned(), "t\"\\é".to_owned())]);
        let start = "Start(Start { account: \"rehearsal1\", call: \"c1\", from: \"09876543210\", to: \"04440001234\", format: Format { coding: Some(Pcm), rate: Some(16000) }, parameters: [(\"lang\", \"t\\\"\\\\é\")] })";
        for (text, expected) in [
            (Printer::connected(), "Connected"),
            (printer.start(), start),
            (
                printer.media_encoded("AAAA", 40),
                "Media(Media { chunk: Some(1), timestamp: Some(40), payload: \"AAAA\" })",
            ),
            (printer.dtmf('#'), "Dtmf { digit: Some('#') }"),
            (printer.marked("g0.m1"), "Mark { name: \"g0.m1\" }"),
            (printer.stop(), "Stop { reason: \"callended\" }"),
        ] {
            let (received, problems) = wire::parse(&text);
            let received = received.unwrap();
            assert_eq!(format!("{:?}", received.message), expected);
            assert!(problems.is_empty(), "{text}");
            assert_eq!(text.contains("streamSid"), camel && !matches!(received.message, Message::Connected), "{text}");
        }
    }
}

#[test]
fn our_carrier_takes_chunks_of_its_own_sizes_only() {
    let mut options = dial("http://127.0.0.1:1");
    options.call_sid = "c1".to_owned();
    let mut printer = Printer::new(&options, 16_000, Vec::new());
    let media = |bytes: usize| {
        let mut text = String::new();
        wire::print_media(&StreamName::new("sc1"), &vec![0; bytes], &mut text);
        text
    };
    for (bytes, taken) in [
        (3_200, true),
        (3_520, true),
        (100_000 / 320 * 320, true),
        (0, false),
        (320, false),
        (3_201, false),
        (100_160, false),
    ] {
        assert_eq!(printer.parse(&media(bytes)).is_ok(), taken, "{bytes}");
    }
    let other = r#"{"event":"clear","stream_sid":"other"}"#;
    assert_eq!(printer.parse(other), Err(Violation::WrongStream));
    assert_eq!(printer.parse(r#"{"event":"clear","stream_sid":"sc1"}"#), Ok(far::Asked::Clear));
    assert_eq!(printer.parse(r#"{"event":"clear"}"#), Err(Violation::Fields));
    assert_eq!(printer.parse(r#"{"event":"hang","stream_sid":"sc1"}"#), Err(Violation::UnknownEvent));
    assert!(printer.read(&Frame::Binary(vec![0])).is_err());
}
