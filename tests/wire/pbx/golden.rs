//! Messages as they stand on the wire, and what is made of them: blocks of a message (`<`), what it is
//! read as (`=`) and what was odd about it (`!`). Bytes are written as hexadecimal digits.

use vaani::telephony::asterisk::ari::wire as ari;
use vaani::telephony::asterisk::wire::{self as ast, Command, Form};
use vaani::telephony::audiosocket::wire as audio;
use vaani::telephony::freeswitch::esl::wire as esl;
use vaani::telephony::freeswitch::wire as fs;
use vaani::telephony::pbx::Format;

/// Reads each block of a file with `read`, which gives what was made of the message and what was odd.
fn check(file: &str, read: impl Fn(&str) -> (String, String)) -> usize {
    let (mut message, mut checked) = (None, 0);
    let (mut wanted, mut odd) = (String::new(), String::new());
    for line in file.lines().chain(["<"]) {
        if let Some(text) = line.strip_prefix('<') {
            if let Some(message) = message.take() {
                let expected = (std::mem::take(&mut wanted), std::mem::take(&mut odd));
                assert_eq!(read(message), expected, "{message}");
                checked += 1;
            }
            message = Some(text.strip_prefix(' ').unwrap_or(text));
        } else if let Some(text) = line.strip_prefix("= ") {
            wanted = text.to_owned();
        } else if let Some(text) = line.strip_prefix("! ") {
            odd = text.to_owned();
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "{line}");
        }
    }
    checked
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

#[test]
fn messages_of_asterisk_are_read_as_written_down() {
    let checked = check(include_str!("asterisk.txt"), |text| {
        let (form, message, problems) = ast::parse(text);
        let problems: Vec<String> = problems.iter().map(|p| format!("{p:?}")).collect();
        let read = message.map_or_else(String::new, |message| format!("{form:?} {message:?}"));
        (read, problems.join(" "))
    });
    assert!(checked >= 15, "{checked}");
}

#[test]
fn events_of_asterisk_are_read_as_written_down() {
    let checked = check(include_str!("ari.txt"), |text| {
        let read = ari::parse(text).map(|event| format!("{} {:?}", event.channel, event.what));
        (read.unwrap_or_default(), String::new())
    });
    assert!(checked >= 15, "{checked}");
}

#[test]
fn what_asterisk_is_told_is_on_file() {
    let commands = [
        Command::Answer,
        Command::StartBuffering,
        Command::StopBuffering("g0.m1"),
        Command::Mark("g0.m1"),
        Command::Flush,
        Command::GetStatus,
        Command::Hangup,
    ];
    let mut out = String::new();
    for form in [Form::Plain, Form::Json] {
        for command in commands {
            out.push_str(&ast::print(form, command));
            out.push('\n');
        }
    }
    assert_eq!(out, include_str!("asterisk_told.txt"));
}

#[test]
fn packets_of_audiosocket_are_read_as_written_down() {
    let checked = check(include_str!("audiosocket.txt"), |text| {
        let mut decoder = audio::Decoder::default();
        decoder.push(&bytes(text));
        let read: Vec<String> = std::iter::from_fn(|| decoder.take().map(|packet| format!("{packet:?}"))).collect();
        (read.join(" "), String::new())
    });
    assert!(checked >= 8, "{checked}");
    let mut packet = Vec::new();
    audio::print_sound(Format::Slin { rate: 8_000 }, &[1, 0, 2, 0], &mut packet);
    assert_eq!(packet, bytes("10 0004 01000200"));
    assert_eq!(audio::print_hangup().as_slice(), bytes("00 0000"));
}

#[test]
fn messages_of_the_event_socket_are_read_as_written_down() {
    let checked = check(include_str!("event_socket.txt"), |text| {
        let mut decoder = esl::Decoder::default();
        decoder.push(text.replace('|', "\n").as_bytes());
        let mut read = Vec::new();
        loop {
            match decoder.take() {
                Ok(Some(message)) => {
                    let event = match message.kind() {
                        esl::Kind::EventJson => esl::Event::of_json(&message.body),
                        esl::Kind::EventPlain => esl::Event::of_plain(&message.body),
                        _ => None,
                    };
                    let event = event
                        .map(|e| format!("{} {} {:?}", e.name(), e.channel().unwrap_or("-"), e.get("Hangup-Cause")));
                    read.push(format!(
                        "{:?} {}",
                        message.kind(),
                        event.unwrap_or_else(|| format!("{:?}", message.reply()))
                    ));
                }
                Ok(None) => return (read.join("; "), String::new()),
                Err(broken) => return (read.join("; "), format!("{broken:?}")),
            }
        }
    });
    assert!(checked >= 8, "{checked}");
}

#[test]
fn words_of_the_media_modules_are_read_as_written_down() {
    let checked = check(include_str!("freeswitch.txt"), |text| {
        let read = fs::parse(text).map_or_else(String::new, |message| format!("{message:?}"));
        let said: Vec<String> = fs::metadata(text).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        (read, said.join(" "))
    });
    assert!(checked >= 5, "{checked}");
    assert_eq!(fs::print_kill(), r#"{"type":"killAudio"}"#);
    assert_eq!(fs::print_mark("g0.m1"), r#"{"data":{"name":"g0.m1"},"type":"mark"}"#);
    assert_eq!(
        fs::print_file(8_000, &[0, 0, 255, 127]),
        r#"{"type":"streamAudio","data":{"audioDataType":"raw","sampleRate":8000,"audioData":"AAD/fw=="}}"#
    );
}
