//! What we ask of FreeSWITCH, printed.
//! Promise: no value can end its line or its argument: what does not fit is no command.

use std::time::Duration;

use crate::telephony::pbx::facts::is_id;

/// A command about channels. All but [`Command::Originate`] are done within the second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Answer {
        channel: String,
    },
    HangUp {
        channel: String,
        cause: &'static str,
    },
    /// To an extension of the dial plan; FreeSWITCH goes on with the call alone.
    Transfer {
        channel: String,
        extension: String,
        context: Option<String>,
    },
    /// Two live channels talk to each other.
    Bridge {
        channel: String,
        other: String,
    },
    /// Ends with the bridge that it will be on.
    EndWithBridge {
        channel: String,
    },
    /// Plays a file to the caller.
    Play {
        channel: String,
        file: String,
    },
    /// Stops what is played, and what waits to be.
    Silence {
        channel: String,
    },
    SendDtmf {
        channel: String,
        digits: String,
    },
    /// Rings somebody; the channel is parked when it is answered.
    Originate {
        channel: String,
        caller_id: Option<String>,
        dial: String,
        ring: Duration,
    },
    /// Opens the media stream.
    Stream {
        channel: String,
        module: Module,
        url: String,
        rate: u32,
    },
    /// Closes the media stream; the channel lives on.
    StopStream {
        channel: String,
        module: Module,
    },
    /// All channels, for whoever was away.
    Channels,
    /// A sign of life.
    Status,
}

/// The module that carries the sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Module {
    /// `mod_audio_fork`: sound streams both ways.
    Fork,
    /// `mod_audio_stream`: sound comes back as files.
    Stream,
}

impl Command {
    /// As an `api` command; `None`: a value is none that FreeSWITCH would understand as one.
    pub fn print(&self) -> Option<String> {
        let line = match self {
            Self::Answer { channel } => format!("uuid_answer {}", id(channel)?),
            Self::HangUp { channel, cause } => format!("uuid_kill {} {cause}", id(channel)?),
            Self::Transfer { channel, extension, context } => {
                let context = optional(context.as_deref())?.unwrap_or("default");
                format!("uuid_transfer {} {} XML {context}", id(channel)?, word(extension)?)
            }
            Self::Bridge { channel, other } => format!("uuid_bridge {} {}", id(channel)?, id(other)?),
            Self::EndWithBridge { channel } => format!("uuid_setvar {} hangup_after_bridge true", id(channel)?),
            Self::Play { channel, file } => format!("uuid_broadcast {} {} aleg", id(channel)?, path(file)?),
            Self::Silence { channel } => format!("uuid_break {} all", id(channel)?),
            Self::SendDtmf { channel, digits } => {
                let keys = digits.bytes().all(|b| b.is_ascii_digit() || b"*#".contains(&b));
                (keys && !digits.is_empty()).then(|| format!("uuid_send_dtmf {} {digits}", channel))?
            }
            Self::Originate { channel, caller_id, dial, ring } => {
                let number = optional(caller_id.as_deref())?;
                let number = number.map_or_else(String::new, |n| format!("origination_caller_id_number={n},"));
                format!(
                    "originate {{origination_uuid={},{number}ignore_early_media=true,originate_timeout={},hangup_after_bridge=true}}{} &park()",
                    id(channel)?,
                    ring.as_secs().max(1),
                    word(dial)?
                )
            }
            // Nothing but the name: the ticket in the address says the rest, and metadata would have to
            // be quoted.
            Self::Stream { channel, module: Module::Fork, url, rate } => {
                let (id, url) = (id(channel)?, word(url)?);
                format!("uuid_audio_fork {id} start {url} mono {rate} vaani {{}} true true {rate}")
            }
            Self::Stream { channel, module: Module::Stream, url, rate } => {
                format!("uuid_audio_stream {} start {} mono {}k", id(channel)?, word(url)?, rate / 1_000)
            }
            Self::StopStream { channel, module: Module::Fork } => {
                format!("uuid_audio_fork {} stop vaani", id(channel)?)
            }
            Self::StopStream { channel, module: Module::Stream } => format!("uuid_audio_stream {} stop", id(channel)?),
            Self::Channels => "show channels as json".to_owned(),
            Self::Status => "status".to_owned(),
        };
        Some(line)
    }
}

/// A word that may be missing; one that is there and wrong is `None`.
fn optional(text: Option<&str>) -> Option<Option<&str>> {
    match text {
        None => Some(None),
        Some(text) => word(text).map(Some),
    }
}

fn id(channel: &str) -> Option<&str> {
    is_id(channel).then_some(channel)
}

/// One word that means nothing to FreeSWITCH's own parsers.
fn word(text: &str) -> Option<&str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:@/+*#?=&%~".contains(&b);
    ((1..=512).contains(&text.len()) && text.bytes().all(plain)).then_some(text)
}

/// A file that the module has just written.
fn path(file: &str) -> Option<&str> {
    (file.starts_with('/') && !file.contains("..")).then(|| word(file)).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_are_those_of_the_manual() {
        let channel = || "0a1b-2c".to_owned();
        let cases = [
            (Command::Answer { channel: channel() }, "uuid_answer 0a1b-2c"),
            (Command::HangUp { channel: channel(), cause: "USER_BUSY" }, "uuid_kill 0a1b-2c USER_BUSY"),
            (
                Command::Transfer { channel: channel(), extension: "7001".to_owned(), context: None },
                "uuid_transfer 0a1b-2c 7001 XML default",
            ),
            (Command::Bridge { channel: channel(), other: "ff".to_owned() }, "uuid_bridge 0a1b-2c ff"),
            (Command::EndWithBridge { channel: channel() }, "uuid_setvar 0a1b-2c hangup_after_bridge true"),
            (Command::StopStream { channel: channel(), module: Module::Fork }, "uuid_audio_fork 0a1b-2c stop vaani"),
            (Command::StopStream { channel: channel(), module: Module::Stream }, "uuid_audio_stream 0a1b-2c stop"),
            (
                Command::Play { channel: channel(), file: "/tmp/a_1.r8".to_owned() },
                "uuid_broadcast 0a1b-2c /tmp/a_1.r8 aleg",
            ),
            (Command::Silence { channel: channel() }, "uuid_break 0a1b-2c all"),
            (Command::SendDtmf { channel: channel(), digits: "12#".to_owned() }, "uuid_send_dtmf 0a1b-2c 12#"),
            (
                Command::Originate {
                    channel: channel(),
                    caller_id: Some("04440001234".to_owned()),
                    dial: "sofia/gateway/gw/9876543210".to_owned(),
                    ring: Duration::from_secs(30),
                },
                "originate {origination_uuid=0a1b-2c,origination_caller_id_number=04440001234,ignore_early_media=true,originate_timeout=30,hangup_after_bridge=true}sofia/gateway/gw/9876543210 &park()",
            ),
            (
                Command::Stream {
                    channel: channel(),
                    module: Module::Fork,
                    url: "ws://h:1/fs/fork?ticket=t".to_owned(),
                    rate: 8_000,
                },
                "uuid_audio_fork 0a1b-2c start ws://h:1/fs/fork?ticket=t mono 8000 vaani {} true true 8000",
            ),
            (
                Command::Stream {
                    channel: channel(),
                    module: Module::Stream,
                    url: "ws://h:1/fs/media?ticket=t".to_owned(),
                    rate: 16_000,
                },
                "uuid_audio_stream 0a1b-2c start ws://h:1/fs/media?ticket=t mono 16k",
            ),
        ];
        for (command, expected) in cases {
            assert_eq!(command.print().as_deref(), Some(expected));
        }
        for command in [
            Command::Answer { channel: "a b".to_owned() },
            Command::Play { channel: channel(), file: "relative.r8".to_owned() },
            Command::Play { channel: channel(), file: "/a/../b".to_owned() },
            Command::Transfer { channel: channel(), extension: "7001 inline".to_owned(), context: None },
            Command::Transfer { channel: channel(), extension: "7".to_owned(), context: Some("a b".to_owned()) },
            Command::SendDtmf { channel: channel(), digits: "1\n".to_owned() },
        ] {
            assert_eq!(command.print(), None, "{command:?}");
        }
    }

    proptest! {
        #[test]
        fn no_value_ends_its_line_or_its_argument(text in "(sofia/gateway/gw/)?.{0,40}", other in ".{0,20}") {
            let channel = "u1".to_owned();
            for command in [
                Command::Answer { channel: text.clone() },
                Command::Transfer { channel: channel.clone(), extension: text.clone(), context: Some(other.clone()) },
                Command::Play { channel: channel.clone(), file: text.clone() },
                Command::SendDtmf { channel: channel.clone(), digits: text.clone() },
                Command::Stream { channel: channel.clone(), module: Module::Fork, url: text.clone(), rate: 8_000 },
                Command::Originate { channel, caller_id: Some(other), dial: text, ring: Duration::ZERO },
            ] {
                if let Some(line) = command.print() {
                    prop_assert!(!line.contains(char::is_control));
                    let signs = line.matches(['{', '}', ',']).count();
                    prop_assert!(signs <= 6, "{}", line);
                    let dangerous = line.contains(['\'', '"', '`', '$', ';', '|']);
                    prop_assert!(!dangerous, "{}", line);
                    let words = match command {
                        Command::Answer { .. } => 2,
                        Command::Transfer { .. } => 5,
                        Command::Play { .. } => 4,
                        Command::Originate { .. } | Command::SendDtmf { .. } => 3,
                        _ => 11,
                    };
                    prop_assert_eq!(line.split(' ').count(), words);
                }
            }
        }
    }
}
