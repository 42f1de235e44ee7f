//! What to answer to an understood wish: the `flow` and `choose` ways of design §4.
//! Promise: only lines of the catalogue, and a line that promises something carries the action that
//! makes it true. Absent on purpose: who speaks when, and the language model.

use serde::{Deserialize, Serialize};

use super::agent::Agent;
use super::book::{Catalogue, Intent};
use super::ending::Expects;
use super::slots::Slots;
use super::speak;
use super::tags::Action;
use crate::base::Lang;
use crate::base::event::EndCause;

/// What the agent asked last, so that a bare yes or no means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// "Would you like to speak to a person?"
    ConnectPerson,
    /// "When will you pay?"
    PayDate,
    /// "When shall we call back?"
    CallbackTime,
    /// "Shall I say it again?"
    Repeat,
}

/// What happens after the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    Listen,
    End(EndCause),
    /// Seek a person who takes the caller.
    Person,
}

/// A planned answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Say this; do the actions first.
    Say { text: String, actions: Vec<Action>, asks: Option<Question>, then: Then },
    /// Say the last line again, and from now on slower if asked so.
    Repeat { slower: bool },
    /// Go on in another language.
    Switch { to: Lang },
    /// Nobody understood what was wanted.
    Unclear,
    /// Nothing in the catalogue fits; the language model may write.
    Write,
}

/// What the plan depends on besides the words.
#[derive(Clone, Copy, Debug)]
pub struct Situation<'a> {
    pub agent: &'a Agent,
    pub catalogue: &'a Catalogue,
    pub language: Lang,
    pub question: Option<Question>,
    /// How often this intent was answered before in this call: variants take turns.
    pub times: usize,
    /// May a person be sought for this caller?
    pub person: bool,
}

impl Situation<'_> {
    /// What the placeholders of lines stand for: the agent's names, and the facts in spoken words.
    fn vars(&self) -> Vec<(&'static str, String)> {
        let mut vars = vec![
            ("agent_name", self.agent.persona.get(self.language).to_owned()),
            ("company", self.agent.company.get(self.language).to_owned()),
        ];
        if let Some(book) = self.catalogue.book(self.language) {
            vars.extend(self.agent.facts(self.language).vars(book));
        }
        vars
    }

    /// A fixed line of the catalogue; `more` wins over the agent's facts.
    pub fn line(&self, key: &str, more: &[(&str, &str)]) -> String {
        let vars = self.vars();
        let vars: Vec<(&str, &str)> = more.iter().copied().chain(vars.iter().map(|(k, v)| (*k, v.as_str()))).collect();
        self.catalogue.line(self.language, key, &vars)
    }

    fn reply(&self, intent: Intent, more: &[(&str, &str)]) -> Option<String> {
        let vars = self.vars();
        let vars: Vec<(&str, &str)> = more.iter().copied().chain(vars.iter().map(|(k, v)| (*k, v.as_str()))).collect();
        self.catalogue.reply(self.language, intent, self.times, &vars)
    }

    /// The intent's reply, or the honest line that the fact is not known.
    fn say(&self, intent: Intent) -> Plan {
        let text = self.reply(intent, &[]).unwrap_or_else(|| self.line("missing_fact", &[]));
        listen(text)
    }

    /// The caller wants a person: seek one, or say that nobody can be connected and end politely.
    fn person(&self) -> Plan {
        if self.person {
            return Plan::Say {
                text: self.line("transferring", &[]),
                actions: vec![Action::Transfer],
                asks: None,
                then: Then::Person,
            };
        }
        Plan::Say {
            text: format!("{} {}", self.line("human_unavailable", &[]), self.line("goodbye", &[])),
            actions: vec![Action::Transfer],
            asks: None,
            then: Then::End(EndCause::HumanWanted),
        }
    }
}

const fn listen(text: String) -> Plan {
    Plan::Say { text, actions: Vec::new(), asks: None, then: Then::Listen }
}

/// The answer to `intent`, said with `slots`, in this situation.
pub fn plan(at: &Situation<'_>, intent: Intent, slots: &Slots, requested: Option<Lang>) -> Plan {
    let date = slots.date.as_ref().map(ToString::to_string);
    let time = slots.time.as_ref().map(ToString::to_string);
    match (intent, at.question) {
        (Intent::Affirm, Some(Question::ConnectPerson)) | (Intent::RequestHuman, _) => at.person(),
        (Intent::Deny, Some(Question::ConnectPerson)) => Plan::Say {
            text: at.line("goodbye_decline", &[]),
            actions: vec![Action::End],
            asks: None,
            then: Then::End(EndCause::Goodbye),
        },
        (Intent::Affirm, Some(Question::Repeat)) | (Intent::RepeatPlease, _) => Plan::Repeat { slower: false },
        (Intent::SpeakSlower, _) => Plan::Repeat { slower: true },
        (Intent::LanguageSwitch, _) => match requested {
            Some(to) if at.agent.speaks(to) => Plan::Switch { to },
            _ => at.say(Intent::LanguageSwitch),
        },
        (Intent::PromiseToPay, _) | (_, Some(Question::PayDate)) if date.is_some() => {
            let date = date.unwrap_or_default();
            let spoken = speak::canonical_when(at.language, &date);
            Plan::Say {
                text: at.line("payment_promise_confirm", &[("due_date", &spoken)]),
                actions: vec![Action::Promise { date }],
                asks: None,
                then: Then::Listen,
            }
        }
        (Intent::PromiseToPay, _) => Plan::Say {
            text: at.reply(Intent::PromiseToPay, &[]).unwrap_or_else(|| at.line("continue_prompt", &[])),
            actions: vec![Action::Promise { date: "unspecified".to_owned() }],
            asks: Some(Question::PayDate),
            then: Then::Listen,
        },
        (Intent::RequestCallback, _) | (_, Some(Question::CallbackTime)) if time.is_some() || date.is_some() => {
            let when = match (date, time) {
                (Some(date), Some(time)) => format!("{date} {time}"),
                (date, time) => date.or(time).unwrap_or_default(),
            };
            let spoken = speak::canonical_when(at.language, &when);
            // "at … o'clock" fits an hour only; for "tomorrow" or "evening" the plain reply is said.
            let text = if speak::names_an_hour(&when) {
                at.line("callback_confirm", &[("time", &spoken)])
            } else {
                at.reply(Intent::RequestCallback, &[]).unwrap_or_else(|| at.line("continue_prompt", &[]))
            };
            Plan::Say { text, actions: vec![Action::Callback { time: when }], asks: None, then: Then::Listen }
        }
        (Intent::RequestCallback | Intent::BusyNow, _) => Plan::Say {
            text: at.reply(intent, &[]).unwrap_or_else(|| at.line("continue_prompt", &[])),
            actions: vec![Action::Callback { time: "later".to_owned() }],
            asks: Some(Question::CallbackTime),
            then: Then::Listen,
        },
        (Intent::WrongNumber, _) => Plan::Say {
            text: at.line("wrong_number_apology", &[]),
            actions: vec![Action::WrongNumber],
            asks: None,
            then: Then::End(EndCause::Goodbye),
        },
        (Intent::DoNotCall, _) => Plan::Say {
            text: at.line("dnd_confirm", &[]),
            actions: vec![Action::DoNotCall],
            asks: None,
            then: Then::End(EndCause::Goodbye),
        },
        (Intent::AlreadyPaid, _) => Plan::Say {
            text: at.reply(intent, &[]).unwrap_or_else(|| at.line("hold", &[])),
            actions: vec![Action::VerifyPayment],
            asks: None,
            then: Then::Listen,
        },
        (Intent::Goodbye, _) => Plan::Say {
            text: at.line("goodbye", &[]),
            actions: vec![Action::End],
            asks: None,
            then: Then::End(EndCause::Goodbye),
        },
        (Intent::CannotPay | Intent::AskMoreTime | Intent::Complaint | Intent::Frustrated, _) => {
            match at.reply(intent, &[]) {
                Some(text) => {
                    Plan::Say { text, actions: Vec::new(), asks: Some(Question::ConnectPerson), then: Then::Listen }
                }
                None => Plan::Write,
            }
        }
        (Intent::Unclear, _) => Plan::Unclear,
        (Intent::BookAppointment, _) => Plan::Write,
        _ => at.say(intent),
    }
}

/// What kind of answer the caller is likely to give next, for the end-of-turn decision.
pub const fn expects(question: Option<Question>) -> Expects {
    match question {
        None => Expects::Anything,
        Some(Question::ConnectPerson | Question::Repeat) => Expects::YesNo,
        Some(Question::PayDate | Question::CallbackTime) => Expects::Date,
    }
}
