//! Control messages of `chan_websocket`, in both of its forms: plain words (`DTMF_END digit:5`) and, in
//! newer releases, JSON objects. We answer in the form that Asterisk speaks.
//! Promise: parsing never fails, it says what it made of a text and what was odd about it.
//! Source: asterisk/documentation, Channel-Drivers/WebSocket.md, original and later revision.

use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Plain,
    Json,
}

/// A message of Asterisk.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    MediaStart(Box<MediaStart>),
    DtmfEnd {
        digit: Option<char>,
    },
    /// Its queue is nearly full.
    Xoff,
    Xon,
    /// The answer to `GET_STATUS`.
    Status,
    BufferingCompleted {
        id: String,
    },
    MarkProcessed {
        id: String,
    },
    QueueDrained,
    Unknown {
        event: String,
    },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct MediaStart {
    pub connection: String,
    pub channel: String,
    /// The channel's unique id; told by newer releases only.
    pub channel_id: String,
    pub format: String,
    /// Bytes; what we send should be a multiple of it.
    pub optimal_frame_size: Option<usize>,
    /// In JSON only.
    pub variables: Vec<(String, String)>,
}

/// What was odd about a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    Empty,
    NotJson,
    NoEvent,
    UnknownEvent,
    Field(&'static str),
}

impl Problem {
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Empty | Self::NotJson | Self::NoEvent => "not_a_message",
            Self::UnknownEvent => "unknown_event",
            Self::Field(_) => "odd_field",
        }
    }
}

/// One word of a message that is kept, bytes.
const WORD_MAX: usize = 256;
/// Channel variables that are looked at.
const VARIABLES_MAX: usize = 64;

/// Reads one text message. `None`: nothing could be made of it.
pub fn parse(text: &str) -> (Form, Option<Message>, Vec<Problem>) {
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\0');
    if text.starts_with('{') {
        let (message, problems) = parse_json(text);
        return (Form::Json, message, problems);
    }
    let mut words = text.split_ascii_whitespace();
    let Some(event) = words.next() else { return (Form::Plain, None, vec![Problem::Empty]) };
    let words: Vec<&str> = words.collect();
    let field = |name: &str| {
        let value = |word: &&str| word.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')).map(cut);
        words.iter().find_map(value)
    };
    // An id stands alone in some releases.
    let id = || field("correlation_id").or_else(|| words.first().map(|word| cut(word)));
    let mut problems = Vec::new();
    let message = interpret(event, field, id, Vec::new, &mut problems);
    (Form::Plain, Some(message), problems)
}

fn parse_json(text: &str) -> (Option<Message>, Vec<Problem>) {
    let Ok(value) = serde_json::from_str::<Value>(text) else { return (None, vec![Problem::NotJson]) };
    let Some(event) = value["event"].as_str() else { return (None, vec![Problem::NoEvent]) };
    let field = |name: &str| word(&value[name]);
    let variables = || {
        let variables = value["channel_variables"].as_object().into_iter().flatten();
        let said = |(name, value): (&String, &Value)| Some((cut(name), word(value)?));
        variables.filter_map(said).take(VARIABLES_MAX).collect()
    };
    let mut problems = Vec::new();
    let message = interpret(event, field, || field("correlation_id"), variables, &mut problems);
    (Some(message), problems)
}

fn interpret(
    event: &str,
    field: impl Fn(&str) -> Option<String>,
    id: impl Fn() -> Option<String>,
    variables: impl Fn() -> Vec<(String, String)>,
    problems: &mut Vec<Problem>,
) -> Message {
    match event {
        "MEDIA_START" => {
            let mut needed = |name: &'static str| {
                field(name).unwrap_or_else(|| {
                    problems.push(Problem::Field(name));
                    String::new()
                })
            };
            let (connection, format) = (needed("connection_id"), needed("format"));
            let size = field("optimal_frame_size").map(|text| text.parse().ok().filter(|size| *size > 0));
            if !matches!(size, Some(Some(_))) {
                problems.push(Problem::Field("optimal_frame_size"));
            }
            Message::MediaStart(Box::new(MediaStart {
                connection,
                channel: field("channel").unwrap_or_default(),
                channel_id: field("channel_id").unwrap_or_default(),
                format,
                optimal_frame_size: size.flatten(),
                variables: variables(),
            }))
        }
        "DTMF_END" => {
            let digit = field("digit").and_then(|text| {
                let mut signs = text.chars();
                signs.next().filter(|c| signs.next().is_none() && matches!(c, '0'..='9' | '*' | '#'))
            });
            if digit.is_none() {
                problems.push(Problem::Field("digit"));
            }
            Message::DtmfEnd { digit }
        }
        "MEDIA_XOFF" => Message::Xoff,
        "MEDIA_XON" => Message::Xon,
        "STATUS" => Message::Status,
        "MEDIA_BUFFERING_COMPLETED" => Message::BufferingCompleted { id: id().unwrap_or_default() },
        "MEDIA_MARK_PROCESSED" => Message::MarkProcessed { id: id().unwrap_or_default() },
        "QUEUE_DRAINED" => Message::QueueDrained,
        other => {
            problems.push(Problem::UnknownEvent);
            Message::Unknown { event: other.chars().take(40).collect() }
        }
    }
}

fn cut(word: &str) -> String {
    word.chars().take(WORD_MAX).collect()
}

fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(cut(text)),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What we tell Asterisk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    Answer,
    Hangup,
    StartBuffering,
    /// What was sent since the start is whole; its completion is told with this id.
    StopBuffering(&'a str),
    Flush,
    Mark(&'a str),
    GetStatus,
}

/// As one text message.
pub fn print(form: Form, command: Command<'_>) -> String {
    let (name, id) = match command {
        Command::Answer => ("ANSWER", None),
        Command::Hangup => ("HANGUP", None),
        Command::StartBuffering => ("START_MEDIA_BUFFERING", None),
        Command::StopBuffering(id) => ("STOP_MEDIA_BUFFERING", Some(id)),
        Command::Flush => ("FLUSH_MEDIA", None),
        Command::Mark(id) => ("MARK_MEDIA", Some(id)),
        Command::GetStatus => ("GET_STATUS", None),
    };
    match (form, id) {
        (Form::Plain, None) => name.to_owned(),
        (Form::Plain, Some(id)) => format!("{name} {id}"),
        (Form::Json, None) => json!({ "command": name }).to_string(),
        (Form::Json, Some(id)) => json!({ "command": name, "correlation_id": id }).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COMMANDS: [Command<'static>; 7] = [
        Command::Answer,
        Command::Hangup,
        Command::StartBuffering,
        Command::StopBuffering("g0.m1"),
        Command::Flush,
        Command::Mark("g0.m1"),
        Command::GetStatus,
    ];

    #[test]
    fn commands_are_one_line_of_plain_words_or_one_object() {
        for command in COMMANDS {
            let plain = print(Form::Plain, command);
            let value: Value = serde_json::from_str(&print(Form::Json, command)).unwrap();
            let mut words = plain.split(' ');
            assert_eq!(value["command"].as_str(), words.next());
            assert_eq!(value["correlation_id"].as_str(), words.next());
            assert_eq!(words.next(), None);
        }
    }

    /// An event in both forms.
    fn both(event: &str, fields: &[(&str, &str)]) -> [String; 2] {
        let plain: String = fields.iter().map(|(name, value)| format!(" {name}:{value}")).collect();
        let mut object = json!({ "event": event });
        for (name, value) in fields {
            object[*name] = (*value).into();
        }
        [format!("{event}{plain}"), object.to_string()]
    }

    proptest! {
        #[test]
        fn both_forms_say_the_same(event in proptest::sample::select(vec!["MEDIA_START", "DTMF_END", "MEDIA_XOFF", "MEDIA_MARK_PROCESSED", "MEDIA_BUFFERING_COMPLETED", "STATUS", "WHAT"]),
            fields in proptest::collection::btree_map(proptest::sample::select(vec!["connection_id", "channel", "channel_id", "format", "optimal_frame_size", "digit", "correlation_id"]), "[!-~&&[^\"\\\\]]{1,12}", 0..6)) {
            let mut fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            // Where an id stands alone, the first word is taken for it.
            fields.sort_by_key(|(name, _)| *name != "correlation_id");
            prop_assume!(fields.is_empty() || fields[0].0 == "correlation_id" || !event.starts_with("MEDIA_M") && !event.starts_with("MEDIA_B"));
            let [plain, json] = both(event, &fields);
            let ((_, plain, odd_plain), (_, json, odd_json)) = (parse(&plain), parse(&json));
            prop_assert_eq!((plain, odd_plain), (json, odd_json));
        }

        #[test]
        fn no_text_makes_the_parser_panic_or_keep_much(text in "(MEDIA_START |DTMF_END |\\{\"event\":)?.{0,400}") {
            if let (_, Some(Message::MediaStart(start)), _) = parse(&text) {
                prop_assert!(start.connection.chars().count() <= WORD_MAX && start.optimal_frame_size != Some(0));
            }
        }
    }
}
