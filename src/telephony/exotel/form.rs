//! What the carrier asks with: parameters of the query and of a form or JSON in the body, one list.
//! Promise: whatever comes is read or refused, within bounds. The carrier's documents spell the same
//! name in several ways (`CallSid`, `call_sid`), so that capitals, `_` and `-` make no difference; a
//! nested value is found under `Stream[Status]` whether it came so, as JSON or as JSON in a text.

use serde_json::Value;

use super::machine::Shown;
use crate::base::event::{CallState, Direction};
use crate::base::phone::Phone;
use crate::base::{CallId, Lang, multipart};
use crate::telephony::dial::Refused;
use crate::telephony::leg::Announcement;
use crate::telephony::transfer::PersonNews;

/// More than any request of the carrier has.
const PARAMETERS_MAX: usize = 256;
/// Objects within objects that are looked into.
const DEPTH_MAX: usize = 3;

/// The body is of no kind that is read here, or is not what it says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoForm;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// By name without capitals and signs, in the order of arrival: the query first.
    params: Vec<(String, String)>,
}

impl Asked {
    pub fn read(query: &str, content_type: Option<&str>, body: &[u8]) -> Result<Self, NoForm> {
        let mut asked = Self::default();
        asked.add_form(query.as_bytes());
        let content_type = content_type.unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            _ if body.is_empty() => {}
            "application/x-www-form-urlencoded" => asked.add_form(body),
            "application/json" => {
                let value: Value = serde_json::from_slice(body).map_err(|_| NoForm)?;
                if !value.is_object() {
                    return Err(NoForm);
                }
                asked.add_json("", &value, 0);
            }
            "multipart/form-data" => {
                for part in multipart::read(content_type, body).ok_or(NoForm)? {
                    let content = body.get(part.content).unwrap_or_default();
                    asked.add(&part.name, &String::from_utf8_lossy(content));
                }
            }
            _ => return Err(NoForm),
        }
        Ok(asked)
    }

    /// What a stream's `start` says, behind what is known.
    pub fn add_shown(&mut self, shown: &Shown) {
        // Whatever stands in an address, the call is the one that the stream names.
        self.params.retain(|(name, _)| name != "callsid");
        for (name, value) in [("CallSid", &shown.call), ("From", &shown.from), ("To", &shown.to)] {
            self.add(name, value);
        }
        for (name, value) in &shown.parameters {
            self.add(name, value);
        }
    }

    fn add_form(&mut self, form: &[u8]) {
        for (name, value) in url::form_urlencoded::parse(form) {
            self.add(&name, &value);
        }
    }

    fn add(&mut self, name: &str, value: &str) {
        if self.params.len() >= PARAMETERS_MAX {
            return;
        }
        let name = plain(name);
        if name == "stream"
            && let Ok(value @ Value::Object(_)) = serde_json::from_str(value)
        {
            return self.add_json(&name, &value, 1);
        }
        self.params.push((name, value.to_owned()));
    }

    fn add_json(&mut self, path: &str, value: &Value, depth: usize) {
        match value {
            Value::Object(fields) if depth < DEPTH_MAX => {
                for (name, value) in fields {
                    let path = if path.is_empty() { plain(name) } else { format!("{path}[{}]", plain(name)) };
                    self.add_json(&path, value, depth + 1);
                }
            }
            Value::String(text) => self.add(path, text),
            Value::Number(number) => self.add(path, &number.to_string()),
            Value::Bool(truth) => self.add(path, &truth.to_string()),
            _ => {}
        }
    }

    /// The first of these names that was given a value.
    pub fn get(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| {
            let name = plain(name);
            let found = self.params.iter().find(|(known, value)| *known == name && !value.is_empty());
            // `digits` come in quotes, and others may.
            found.map(|(_, value)| value.trim_matches('"'))
        })
    }

    /// The carrier's id of the call.
    pub fn carrier_call(&self) -> Option<&str> {
        self.get(&["CallSid"]).filter(|sid| is_sid(sid))
    }

    pub fn language(&self) -> Option<Lang> {
        self.ours("lang").and_then(|tag| tag.parse().ok())
    }

    /// Samples a second.
    pub fn sample_rate(&self) -> Option<u32> {
        self.get(&["sample-rate"]).and_then(|rate| rate.parse().ok())
    }

    /// Of the address an administrator or we have written, or of the field that came with our order.
    pub fn ours(&self, name: &str) -> Option<String> {
        let plausible = |value: &str| !value.is_empty() && value.len() <= 64 && !value.contains(char::is_control);
        let own = self.get(&[name]).map(str::to_owned);
        let ordered = || {
            let field = self.get(&["CustomField"])?;
            url::form_urlencoded::parse(field.as_bytes()).find(|(n, _)| n == name).map(|(_, value)| value.into_owned())
        };
        own.or_else(ordered).filter(|value| plausible(value))
    }

    /// `None` without the carrier's id of the call.
    pub fn announcement(&self) -> Option<Announcement> {
        let phone = |names: &[&str]| self.get(names).and_then(|number| Phone::written(number).ok());
        let outbound = self.get(&["Direction"]).is_some_and(|direction| direction.starts_with("outbound"));
        let call: Option<CallId> = self.ours("call").and_then(|call| call.parse().ok());
        Some(Announcement {
            transport: super::TRANSPORT,
            carrier_call: self.carrier_call()?.to_owned(),
            direction: if outbound || call.is_some() { Direction::Outbound } else { Direction::Inbound },
            from: phone(&["CallFrom", "From"]),
            to: phone(&["CallTo", "To"]),
            agent: self.ours("agent"),
            call,
            state: self.ours("state"),
            district: self.ours("district"),
        })
    }

    /// The state that a status callback reports.
    pub fn state(&self) -> Option<CallState> {
        Some(match self.get(&["Status", "CallStatus"])? {
            "queued" => CallState::Initiated,
            "ringing" => CallState::Ringing,
            "in-progress" | "answered" => CallState::InProgress,
            "completed" => CallState::Completed,
            "busy" | "no-answer" => CallState::NotPicked,
            "failed" | "canceled" => CallState::Failed,
            _ => return None,
        })
    }
}

impl Asked {
    /// How a caller gets on with the person whom a Connect applet has rung: of its dial events, or of the
    /// Passthru applet behind it. `None`: it does not say.
    pub fn person(&self) -> Option<PersonNews> {
        let event = self.get(&["EventType"]).map(str::to_ascii_lowercase);
        match event.as_deref() {
            Some("dial" | "dialing" | "initiated" | "ringing") => return Some(PersonNews::Ringing),
            Some("answered" | "connected" | "bridged") => return Some(PersonNews::Talking),
            // `terminal`, or none: the result tells.
            _ => {}
        }
        let named = self.get(&["DialCallStatus", "DialStatus"]).map(str::to_ascii_lowercase);
        Some(match named.as_deref() {
            Some("queued" | "initiated" | "ringing") => PersonNews::Ringing,
            Some("in-progress" | "answered") => PersonNews::Talking,
            Some("completed") => PersonNews::Done,
            Some("busy") => PersonNews::NotReached(Refused::Busy),
            Some("no-answer" | "noanswer") => PersonNews::NotReached(Refused::NoAnswer),
            Some("canceled" | "cancelled" | "rejected" | "declined") => PersonNews::NotReached(Refused::Declined),
            // `null`: nobody was rung.
            Some("failed" | "null") => PersonNews::NotReached(Refused::CarrierFault),
            Some(_) => return None,
            None => match self.get(&["CallType"])?.to_ascii_lowercase().as_str() {
                "completed" => PersonNews::Done,
                "incomplete" => PersonNews::NotReached(Refused::NoAnswer),
                _ => return None,
            },
        })
    }
}

/// Any id of the carrier: nothing that could mean something elsewhere.
pub fn is_sid(sid: &str) -> bool {
    (1..=64).contains(&sid.len()) && sid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FORM: Option<&str> = Some("application/x-www-form-urlencoded; charset=utf-8");
    const JSON: Option<&str> = Some("Application/JSON");

    #[test]
    fn every_way_of_asking_is_read_alike() {
        let multipart = "--b\r\nContent-Disposition: form-data; name=\"CallSid\"\r\n\r\nc1\r\n\
            --b\r\nContent-Disposition: form-data; name=\"Stream[Status]\"\r\n\r\nfailed\r\n--b--\r\n";
        for (query, kind, body) in [
            ("CallSid=c1&Stream%5BStatus%5D=failed", None, ""),
            ("callsid=c1&Stream=%7B%22StreamSID%22%3A%22s%22%2C%22Status%22%3A%22failed%22%7D", None, ""),
            ("", FORM, "CallSid=c1&Stream[Status]=failed"),
            ("CallSid=c1", FORM, "CallSid=other&Stream={\"status\":\"failed\"}"),
            ("", JSON, r#"{"call_sid":"c1","stream":{"status":"failed"}}"#),
            ("", JSON, r#"{"CallSid":"c1","Stream":"{\"Status\":\"failed\"}","x":[1],"y":null}"#),
            ("", Some("multipart/form-data; boundary=b"), multipart),
        ] {
            let asked = Asked::read(query, kind, body.as_bytes()).unwrap();
            let found = (asked.carrier_call(), asked.get(&["Stream[Status]"]));
            assert_eq!(found, (Some("c1"), Some("failed")), "{query} {body}");
        }
        for (kind, body) in [
            (None, "CallSid=c1"),
            (Some("text/plain"), "x"),
            (JSON, "{"),
            (JSON, "[1]"),
            (Some("multipart/form-data"), "x"),
        ] {
            assert_eq!(Asked::read("CallSid=c1", kind, body.as_bytes()), Err(NoForm), "{kind:?} {body}");
        }
    }

    #[test]
    fn a_call_is_announced_with_all_that_is_known() {
        let query = "CallSid=a1b2&CallFrom=09876543210&CallTo=04440001234&Direction=incoming&agent=help&state=TN&digits=%221%22&sample_rate=24000&lang=ta-IN";
        let asked = Asked::read(query, None, b"").unwrap();
        let known = asked.announcement().unwrap();
        assert_eq!((known.carrier_call.as_str(), known.direction), ("a1b2", Direction::Inbound));
        assert_eq!(known.from.unwrap().reveal(), "+919876543210");
        assert_eq!(known.to.unwrap().reveal(), "+914440001234");
        assert_eq!((known.agent.as_deref(), known.state.as_deref(), known.call), (Some("help"), Some("TN"), None));
        assert_eq!((asked.get(&["digits"]), asked.sample_rate()), (Some("1"), Some(24_000)));
        assert_eq!(asked.language(), Some(Lang::Ta));

        let call = CallId::from_seed(1, 1);
        let query = format!("CallSid=a1b2&From=Anonymous&CustomField=call%3D{call}%26agent%3Dsales");
        let known = Asked::read(&query, None, b"").unwrap().announcement().unwrap();
        assert_eq!((known.call, known.agent.as_deref(), known.from), (Some(call), Some("sales"), None));
        assert_eq!(known.direction, Direction::Outbound);
        for odd in ["", "CallSid=", "CallSid=a%20b", "CallSid=a/b", &format!("CallSid={}", "a".repeat(65))] {
            assert!(Asked::read(odd, None, b"").unwrap().announcement().is_none(), "{odd}");
        }
    }

    #[test]
    fn how_a_caller_gets_on_with_a_person_is_told_in_several_ways() {
        use PersonNews::{Done, NotReached, Ringing, Talking};
        for (query, expected) in [
            ("EventType=Dial&DialWhomNumber=09876543210", Some(Ringing)),
            ("EventType=Answered&DialCallStatus=in-progress", Some(Talking)),
            ("EventType=Terminal&DialCallStatus=completed", Some(Done)),
            ("EventType=Terminal&DialCallStatus=Busy", Some(NotReached(Refused::Busy))),
            ("EventType=Terminal", None),
            ("DialCallStatus=completed&DialCallDuration=0&CallType=call-attempt", Some(Done)),
            ("DialCallStatus=no-answer&CallType=completed", Some(NotReached(Refused::NoAnswer))),
            ("dial_call_status=canceled", Some(NotReached(Refused::Declined))),
            ("DialCallStatus=failed", Some(NotReached(Refused::CarrierFault))),
            ("DialCallStatus=null", Some(NotReached(Refused::CarrierFault))),
            ("DialCallStatus=dancing&CallType=completed", None),
            ("DialCallStatus=&CallType=incomplete", Some(NotReached(Refused::NoAnswer))),
            ("CallType=client-hangup", None),
            ("", None),
        ] {
            assert_eq!(Asked::read(query, None, b"").unwrap().person(), expected, "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_request_breaks_it(query in ".{0,120}", kind in "(application/(json|x-www-form-urlencoded)|multipart/form-data; boundary=b|.{0,20})", body in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(asked) = Asked::read(&query, Some(&kind), &body) {
                prop_assert!(asked.params.len() <= PARAMETERS_MAX);
                let _ = (asked.announcement(), asked.state(), asked.language(), asked.person());
            }
        }

        #[test]
        fn nothing_nests_without_end(depth in 0_usize..60) {
            let text = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
            let body = format!("{{\"CallSid\":\"c\",\"x\":{text}}}");
            prop_assert_eq!(Asked::read("", JSON, body.as_bytes()).map(|a| a.carrier_call().is_some()), Ok(true));
        }
    }
}
