//! What an exchange's dial plan says of a call: in the address it dials, in channel variables, in
//! metadata. Everything may be missing; what is odd counts as missing.

use crate::base::event::Direction;
use crate::base::phone::Phone;
use crate::base::{CallId, Lang};
use crate::telephony::leg::Announcement;

/// One word of the dial plan, bytes.
const WORD_MAX: usize = 128;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The exchange's own id of the call.
    pub call: Option<String>,
    /// The box's own, of a call that it has placed.
    pub ours: Option<CallId>,
    pub from: Option<Phone>,
    pub to: Option<Phone>,
    pub agent: Option<String>,
    pub language: Option<Lang>,
    pub state: Option<String>,
    pub district: Option<String>,
}

impl Facts {
    /// Of names and values; the first of a name counts. A number that is an extension of the house is no
    /// telephone number and stays out.
    pub fn of<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut facts = Self::default();
        for (name, value) in pairs {
            let plausible = !value.is_empty() && value.len() <= WORD_MAX && !value.contains(char::is_control);
            if !plausible {
                continue;
            }
            let word = || Some(value.to_owned());
            match name.to_ascii_lowercase().as_str() {
                "call" | "uuid" | "uniqueid" => facts.call = facts.call.or_else(|| word().filter(|id| is_id(id))),
                "vaani_call" => facts.ours = facts.ours.or_else(|| value.parse().ok()),
                "from" | "caller" | "callerid(num)" | "caller_id_number" => {
                    facts.from = facts.from.or_else(|| phone(value))
                }
                "to" | "exten" | "called" | "destination_number" => facts.to = facts.to.or_else(|| phone(value)),
                "agent" => facts.agent = facts.agent.or_else(word),
                "lang" | "language" => facts.language = facts.language.or_else(|| value.parse().ok()),
                "state" => facts.state = facts.state.or_else(word),
                "district" => facts.district = facts.district.or_else(word),
                _ => {}
            }
        }
        facts
    }

    /// Ours count before the others'.
    #[must_use]
    pub fn or(self, others: Self) -> Self {
        Self {
            call: self.call.or(others.call),
            ours: self.ours.or(others.ours),
            from: self.from.or(others.from),
            to: self.to.or(others.to),
            agent: self.agent.or(others.agent),
            language: self.language.or(others.language),
            state: self.state.or(others.state),
            district: self.district.or(others.district),
        }
    }

    pub fn announcement(&self, transport: &'static str, carrier_call: &str, direction: Direction) -> Announcement {
        Announcement {
            transport,
            carrier_call: carrier_call.to_owned(),
            direction: if self.ours.is_some() { Direction::Outbound } else { direction },
            from: self.from.clone(),
            to: self.to.clone(),
            agent: self.agent.clone(),
            call: self.ours,
            state: self.state.clone(),
            district: self.district.clone(),
        }
    }
}

/// What may name a call in commands, logs and addresses.
pub fn is_id(id: &str) -> bool {
    (1..=WORD_MAX).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:@/".contains(&b))
}

/// Exchanges write numbers as offices do; a `+` that was not escaped in an address arrives as a space.
fn phone(text: &str) -> Option<Phone> {
    match text.strip_prefix(' ') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => Phone::written(&format!("+{rest}")).ok(),
        _ => Phone::written(text).ok(),
    }
}

/// The names and values of an address's query.
pub fn pairs(query: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

/// The same as the text of an address.
pub fn of_query(query: &str) -> Facts {
    let pairs = pairs(query);
    Facts::of(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(query: &str) -> (String, String, String, String, Option<Lang>) {
        let facts = of_query(query);
        let number = |phone: Option<Phone>| phone.map_or_else(String::new, |p| p.reveal().to_owned());
        (
            facts.call.unwrap_or_default(),
            number(facts.from),
            number(facts.to),
            facts.agent.unwrap_or_default(),
            facts.language,
        )
    }

    #[test]
    fn a_dial_plan_is_understood() {
        let said = |call: &str, from: &str, to: &str, agent: &str, lang| {
            (call.to_owned(), from.to_owned(), to.to_owned(), agent.to_owned(), lang)
        };
        for (query, expected) in [
            ("", said("", "", "", "", None)),
            (
                "caller=9876543210&exten=04440001234&agent=helpdesk&lang=ta-IN&call=pbx1-12.9",
                said("pbx1-12.9", "+919876543210", "+914440001234", "helpdesk", Some(Lang::Ta)),
            ),
            ("from=+16154846056", said("", "+16154846056", "", "", None)),
            ("from=%2B919876543210&to=201", said("", "+919876543210", "", "", None)),
            ("from=anonymous&call=a%0ab&agent=%00", said("", "", "", "", None)),
            ("call=one&call=two&UNIQUEID=3", said("one", "", "", "", None)),
        ] {
            assert_eq!(seen(query), expected, "{query}");
        }
        let own = CallId::from_seed(1, 1);
        let placed = of_query(&format!("call={own}&VAANI_CALL={own}"));
        assert_eq!((placed.ours, placed.call.as_deref()), (Some(own), Some(own.to_string().as_str())));
        let announced = placed.announcement("asterisk", "c1", Direction::Inbound);
        assert_eq!((announced.call, announced.direction), (Some(own), Direction::Outbound));
        assert_eq!(of_query("vaani_call=1-2").ours, None);
        let both = of_query("from=9876543210").or(of_query("from=9876543211&to=9876543212"));
        assert_eq!(both, of_query("from=9876543210&to=9876543212"));
    }

    proptest! {
        #[test]
        fn whatever_is_said_has_no_control_signs_and_a_bound(query in ".{0,300}") {
            let facts = of_query(&query);
            for word in [facts.call, facts.agent, facts.state, facts.district].into_iter().flatten() {
                prop_assert!(!word.is_empty() && word.len() <= WORD_MAX && !word.contains(char::is_control));
            }
        }
    }
}
