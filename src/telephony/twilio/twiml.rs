//! TwiML: what we tell the carrier to do with a call. Only the verbs we use; names and order of
//! attributes as the carrier's own libraries write them.

use std::fmt::Write as _;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    /// The carrier's own voice; used only where ours is not to be had.
    Say {
        language: String,
        text: String,
    },
    Play(String),
    Pause {
        seconds: u32,
    },
    Gather(Gather),
    Connect(Stream),
    Conference(Conference),
    Redirect(String),
    Hangup,
    /// Must come first: the call is not answered and costs nothing.
    Reject {
        busy: bool,
    },
}

/// One key, and what is said while waiting for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gather {
    pub action: String,
    pub timeout_seconds: u64,
    pub prompts: Vec<Verb>,
}

/// Our WebSocket, both ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    pub url: String,
    pub status_callback: String,
    pub parameters: Vec<(&'static str, String)>,
}

/// A room at the carrier where calls meet: quiet until the second comes, over when the first leaves, not
/// recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conference {
    pub name: String,
    /// Asked when the room is over.
    pub action: String,
    /// Told when it begins and ends.
    pub status_callback: String,
}

/// The whole document.
pub fn print(verbs: &[Verb]) -> String {
    let mut out = String::with_capacity(512);
    out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>");
    verbs.iter().for_each(|verb| push(verb, &mut out));
    out.push_str("</Response>");
    out
}

fn push(verb: &Verb, out: &mut String) {
    match verb {
        Verb::Say { language, text } => element(out, "Say", &[("language", language)], |out| escape(text, out)),
        Verb::Play(url) => element(out, "Play", &[], |out| escape(url, out)),
        Verb::Pause { seconds } => element(out, "Pause", &[("length", &seconds.to_string())], |_| {}),
        Verb::Gather(gather) => {
            let timeout = gather.timeout_seconds.to_string();
            let attributes = [
                ("input", "dtmf"),
                ("action", gather.action.as_str()),
                ("method", "POST"),
                ("timeout", &timeout),
                ("finishOnKey", ""),
                ("numDigits", "1"),
            ];
            element(out, "Gather", &attributes, |out| gather.prompts.iter().for_each(|prompt| push(prompt, out)));
        }
        Verb::Connect(stream) => element(out, "Connect", &[], |out| {
            let attributes = [
                ("url", stream.url.as_str()),
                ("statusCallback", &stream.status_callback),
                ("statusCallbackMethod", "POST"),
            ];
            element(out, "Stream", &attributes, |out| {
                for (name, value) in &stream.parameters {
                    element(out, "Parameter", &[("name", name), ("value", value)], |_| {});
                }
            });
        }),
        Verb::Conference(room) => {
            let dial = [("action", room.action.as_str()), ("method", "POST")];
            let attributes = [
                ("beep", "false"),
                ("startConferenceOnEnter", "true"),
                ("endConferenceOnExit", "true"),
                ("waitUrl", ""),
                ("statusCallback", room.status_callback.as_str()),
                ("statusCallbackEvent", "start end"),
                ("statusCallbackMethod", "POST"),
            ];
            element(out, "Dial", &dial, |out| {
                element(out, "Conference", &attributes, |out| escape(&room.name, out));
            });
        }
        Verb::Redirect(url) => element(out, "Redirect", &[("method", "POST")], |out| escape(url, out)),
        Verb::Hangup => element(out, "Hangup", &[], |_| {}),
        Verb::Reject { busy } => {
            element(out, "Reject", &[("reason", if *busy { "busy" } else { "rejected" })], |_| {});
        }
    }
}

fn element(out: &mut String, name: &str, attributes: &[(&str, &str)], content: impl FnOnce(&mut String)) {
    let _ = write!(out, "<{name}"); // writing to a String cannot fail
    for (attribute, value) in attributes {
        let _ = write!(out, " {attribute}=\"");
        escape(value, out);
        out.push('"');
    }
    out.push('>');
    let empty = out.len();
    content(out);
    if out.len() == empty {
        out.pop();
        out.push_str("/>");
    } else {
        let _ = write!(out, "</{name}>");
    }
}

/// Also leaves out what XML 1.0 cannot hold at all.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(out, "&#{};", c as u32);
            }
            '\0'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}' => {}
            _ => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use quick_xml::Reader;
    use quick_xml::events::Event;

    use super::*;

    #[test]
    fn a_stream_is_offered_with_its_parameters() {
        let stream = Stream {
            url: "wss://v.example.in/media-stream".to_owned(),
            status_callback: "https://v.example.in/cb?a=1&b=2".to_owned(),
            parameters: vec![("token", "t".to_owned()), ("lang", "ml-IN".to_owned())],
        };
        assert_eq!(
            print(&[Verb::Connect(stream), Verb::Redirect("https://v.example.in/voice/after-stream".to_owned())]),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Connect>\
             <Stream url=\"wss://v.example.in/media-stream\" statusCallback=\"https://v.example.in/cb?a=1&amp;b=2\" \
             statusCallbackMethod=\"POST\"><Parameter name=\"token\" value=\"t\"/>\
             <Parameter name=\"lang\" value=\"ml-IN\"/></Stream></Connect>\
             <Redirect method=\"POST\">https://v.example.in/voice/after-stream</Redirect></Response>"
        );
    }

    #[test]
    fn a_menu_waits_for_one_key_of_any_kind() {
        let gather = Gather {
            action: "/next".to_owned(),
            timeout_seconds: 6,
            prompts: vec![
                Verb::Play("/p.wav".to_owned()),
                Verb::Say { language: "hi-IN".to_owned(), text: "हाँ <2>".to_owned() },
            ],
        };
        assert_eq!(
            print(&[Verb::Gather(gather), Verb::Pause { seconds: 1 }, Verb::Hangup]),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Gather input=\"dtmf\" action=\"/next\" \
             method=\"POST\" timeout=\"6\" finishOnKey=\"\" numDigits=\"1\"><Play>/p.wav</Play>\
             <Say language=\"hi-IN\">हाँ &lt;2&gt;</Say></Gather><Pause length=\"1\"/><Hangup/></Response>"
        );
        assert!(print(&[Verb::Reject { busy: true }]).ends_with("<Response><Reject reason=\"busy\"/></Response>"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_survives_the_way_through_xml(text in "[^\\x00-\\x1F\\x7F-\\x9F\\u{FFFE}\\u{FFFF}]{1,60}") {
            let document = print(&[Verb::Say { language: text.clone(), text: text.clone() }]);
            let mut reader = Reader::from_str(&document);
            let (mut said, mut language) = (String::new(), String::new());
            loop {
                match reader.read_event().unwrap() {
                    Event::Start(start) if start.name().as_ref() == b"Say" => {
                        let attribute = start.try_get_attribute("language").unwrap().unwrap();
                        language = attribute.unescape_value().unwrap().into_owned();
                    }
                    Event::Text(part) => said.push_str(&part.decode().unwrap()),
                    Event::GeneralRef(name) => {
                        let name = name.decode().unwrap();
                        said.push_str(quick_xml::escape::resolve_predefined_entity(&name).unwrap());
                    }
                    Event::Eof => break,
                    _ => {}
                }
            }
            proptest::prop_assert_eq!((said, language), (text.clone(), text));
        }
    }
}
