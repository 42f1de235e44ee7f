//! Frames as they stand on the wire, and what is made of them: `received.txt` holds blocks of a
//! message (`<`), what it is read as (`=`) and what was odd about it (`!`).

use vaani::telephony::twilio::carrier::wire::{self as carrier, Printer};
use vaani::telephony::twilio::wire::{self, StreamName};

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
fn our_messages_are_those_on_file() {
    let stream = StreamName::new("MZ0000000000000000000000000000000a");
    let mut out = String::new();
    wire::print_media(&stream, &[0xFF; 160], &mut out);
    out.push('\n');
    wire::print_mark(&stream, "g0.m7", &mut out);
    out.push('\n');
    wire::print_clear(&stream, &mut out);
    out.push('\n');
    assert_eq!(out, include_str!("sent.txt"));
    for line in out.lines() {
        assert!(carrier::parse(line, "MZ0000000000000000000000000000000a").is_ok(), "{line}");
    }
}

#[test]
fn our_carrier_prints_what_the_box_reads_without_a_doubt() {
    let mut printer = Printer::new("AC1", "CA1", "MZ1");
    let parameters = [("token".to_owned(), "t\"\\é".to_owned())];
    for (text, expected) in [
        (Printer::connected(), "Connected"),
        (
            printer.start(&parameters),
            "Start(Start { account: \"AC1\", call: \"CA1\", format: Some(Format { encoding: \"audio/x-mulaw\", rate: Some(8000), channels: Some(1) }), parameters: [(\"token\", \"t\\\"\\\\é\")] })",
        ),
        (
            printer.media(&[0xFF, 0x7F, 0], 40),
            "Media(Media { inbound: true, chunk: Some(1), timestamp: Some(40), payload: \"/38A\" })",
        ),
        (printer.dtmf('#'), "Dtmf { digit: Some('#') }"),
        (printer.mark("g0.m1"), "Mark { name: \"g0.m1\" }"),
        (printer.stop(), "Stop"),
    ] {
        let (received, problems) = wire::parse(&text);
        assert_eq!(format!("{:?}", received.unwrap().message), expected);
        assert!(problems.is_empty(), "{text}");
    }
}
