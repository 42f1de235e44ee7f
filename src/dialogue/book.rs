//! The catalogues of `config/prompts/`: what agent and callers say, one book a language.
//! Promise: a book with an unknown key, a missing line or a broken placeholder is refused with the
//! name of the file's key. Absent on purpose: files (the caller hands the text in).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::Lang;

/// What a caller may want. The names are those of the catalogues, the language model and the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    Greet,
    Affirm,
    Deny,
    AskAmount,
    AskDueDate,
    AskLoanDetails,
    AlreadyPaid,
    PromiseToPay,
    CannotPay,
    AskMoreTime,
    PaymentMethods,
    RequestHuman,
    RequestCallback,
    BusyNow,
    WrongNumber,
    DoNotCall,
    RepeatPlease,
    SpeakSlower,
    WhoAreYou,
    AreYouABot,
    Complaint,
    Frustrated,
    OfficeHours,
    OfficeAddress,
    BookAppointment,
    LanguageSwitch,
    Thanks,
    Goodbye,
    Unclear,
}

impl Intent {
    pub const ALL: [Self; 29] = [
        Self::Greet,
        Self::Affirm,
        Self::Deny,
        Self::AskAmount,
        Self::AskDueDate,
        Self::AskLoanDetails,
        Self::AlreadyPaid,
        Self::PromiseToPay,
        Self::CannotPay,
        Self::AskMoreTime,
        Self::PaymentMethods,
        Self::RequestHuman,
        Self::RequestCallback,
        Self::BusyNow,
        Self::WrongNumber,
        Self::DoNotCall,
        Self::RepeatPlease,
        Self::SpeakSlower,
        Self::WhoAreYou,
        Self::AreYouABot,
        Self::Complaint,
        Self::Frustrated,
        Self::OfficeHours,
        Self::OfficeAddress,
        Self::BookAppointment,
        Self::LanguageSwitch,
        Self::Thanks,
        Self::Goodbye,
        Self::Unclear,
    ];

    /// As written in catalogues and grammars: `ask_amount`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Greet => "greet",
            Self::Affirm => "affirm",
            Self::Deny => "deny",
            Self::AskAmount => "ask_amount",
            Self::AskDueDate => "ask_due_date",
            Self::AskLoanDetails => "ask_loan_details",
            Self::AlreadyPaid => "already_paid",
            Self::PromiseToPay => "promise_to_pay",
            Self::CannotPay => "cannot_pay",
            Self::AskMoreTime => "ask_more_time",
            Self::PaymentMethods => "payment_methods",
            Self::RequestHuman => "request_human",
            Self::RequestCallback => "request_callback",
            Self::BusyNow => "busy_now",
            Self::WrongNumber => "wrong_number",
            Self::DoNotCall => "do_not_call",
            Self::RepeatPlease => "repeat_please",
            Self::SpeakSlower => "speak_slower",
            Self::WhoAreYou => "who_are_you",
            Self::AreYouABot => "are_you_a_bot",
            Self::Complaint => "complaint",
            Self::Frustrated => "frustrated",
            Self::OfficeHours => "office_hours",
            Self::OfficeAddress => "office_address",
            Self::BookAppointment => "book_appointment",
            Self::LanguageSwitch => "language_switch",
            Self::Thanks => "thanks",
            Self::Goodbye => "goodbye",
            Self::Unclear => "unclear",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|i| i.name() == name)
    }
}

/// What callers say for one intent, and what the agent answers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntentLines {
    #[serde(default)]
    pub caller: Vec<String>,
    #[serde(default)]
    pub reply: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marker {
    pub word: String,
    pub standard: String,
    #[serde(default)]
    pub gloss: String,
}

/// How a dialect is recognised: whole words only.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dialect {
    pub markers: Vec<Marker>,
    #[serde(default)]
    pub caller: Vec<String>,
}

/// One file of `config/prompts/`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Book {
    pub language: Lang,
    #[serde(default)]
    pub yes: Vec<String>,
    #[serde(default)]
    pub no: Vec<String>,
    #[serde(default)]
    pub names: Vec<String>,
    #[serde(default)]
    pub places: Vec<String>,
    /// January to December.
    #[serde(default)]
    pub months: Vec<String>,
    /// Monday to Sunday.
    #[serde(default)]
    pub weekdays: Vec<String>,
    /// Sentences of everyday life that ask nothing of the agent.
    #[serde(default)]
    pub everyday: Vec<String>,
    /// Fixed lines of the agent by key (`greeting`, `goodbye` …).
    #[serde(default)]
    pub lines: BTreeMap<String, String>,
    #[serde(default)]
    pub number_words: BTreeMap<u64, String>,
    #[serde(default)]
    pub intents: BTreeMap<Intent, IntentLines>,
    /// Further wordings of callers: `(a|b|) words {date}`, expanded where they are needed.
    #[serde(default)]
    pub patterns: BTreeMap<Intent, Vec<String>>,
    #[serde(default)]
    pub dialects: BTreeMap<String, Dialect>,
}

/// All books of the box.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Catalogue {
    pub books: BTreeMap<Lang, Book>,
    /// Romanised, code-mixed callers' words by language (`hinglish.toml`).
    pub romanised: BTreeMap<Lang, BTreeMap<Intent, IntentLines>>,
}
