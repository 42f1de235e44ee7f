//! What the box makes of one text, for people and tests: language, spoken form, end of turn, class,
//! intent, slots, policy. Promise: the same functions that decide in a call answer here. Absent on
//! purpose: printing and reading (`cli::explain`).

use serde::{Deserialize, Deserializer, Serialize};

use crate::base::Lang;
use crate::base::limits::ASK_CHARS_MAX;

use super::book::{Catalogue, Intent};
use super::ending::{Completeness, Expects, completeness};
use super::intent::Matcher;
use super::language::{Detected, detect, dialect};
use super::slots::{self, Slots};
use super::utterance::{UtteranceClass, class};
use super::{policy, speak};

/// Who says the text. Callers are understood, agents are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Caller,
    Agent,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainInput {
    pub text: String,
    /// The language of the call; the text may still be in another one.
    #[serde(default)]
    pub language: Option<Lang>,
    #[serde(default, deserialize_with = "expects_in_words")]
    pub expects: Expects,
    /// Without a role everything is explained.
    #[serde(default)]
    pub role: Option<Role>,
}

/// The answer; `None` where it does not apply.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explained {
    pub text: String,
    pub language: Lang,
    pub language_confidence: f64,
    pub dialect: Option<String>,
    pub evidence: Vec<String>,
    pub spoken: Option<String>,
    /// False when the words say that more must follow.
    pub turn_complete: Option<bool>,
    pub utterance_class: Option<UtteranceClass>,
    pub intent: Option<Intent>,
    pub slots: Option<Slots>,
    pub policy: Option<PolicyView>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyView {
    pub allowed: bool,
    pub reason: Option<String>,
}

/// Below this an intent is not worth naming.
const INTENT_LEAST: f32 = 0.4;

pub fn explain(catalogue: &Catalogue, matcher: &Matcher, input: &ExplainInput) -> Explained {
    let found = language_of(catalogue, input);
    let lang = found.language;
    let text = cut(&input.text);
    // An agent speaks the language of the call, whatever words it borrows.
    let voice = input.language.filter(|_| input.role == Some(Role::Agent)).unwrap_or(lang);
    let heard = input.role != Some(Role::Agent);
    Explained {
        language: lang,
        language_confidence: (f64::from(found.confidence) * 100.0).round() / 100.0,
        dialect: found.dialect,
        evidence: found.evidence,
        spoken: Some(speak::spoken(voice, text)),
        turn_complete: heard.then(|| completeness(lang, text, input.expects) != Completeness::Open),
        utterance_class: heard.then(|| class(lang, text)),
        intent: matcher.guess(lang, text).filter(|g| heard && g.score >= INTENT_LEAST).map(|g| g.intent),
        slots: heard.then(|| slots::find(lang, text)),
        policy: (input.role != Some(Role::Caller)).then(|| {
            if text.len() < input.text.len() {
                let reason = format!("longer than {ASK_CHARS_MAX} characters, which no agent says");
                return PolicyView { allowed: false, reason: Some(reason) };
            }
            let verdict = policy::check(lang, text);
            PolicyView { allowed: verdict.allowed, reason: verdict.reason }
        }),
        text: input.text.clone(),
    }
}

/// What is explained of a text that is longer than any turn.
fn cut(text: &str) -> &str {
    text.char_indices().nth(ASK_CHARS_MAX).and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}

/// The language by text and hint, the dialect by the catalogue's own lists where it has some.
fn language_of(catalogue: &Catalogue, input: &ExplainInput) -> Detected {
    let mut found = detect(&input.text, input.language);
    if let Some((name, markers)) = catalogue.books.get(&found.language).and_then(|b| dialect(b, &input.text))
        && found.dialect.as_ref() != Some(&name)
    {
        found.evidence.push(format!("{name} word {markers}"));
        found.dialect = Some(name);
    }
    found
}

/// `"digits:10"` as on the command line, or `{"digits":10}`.
fn expects_in_words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Expects, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Words(String),
        Typed(Expects),
    }
    match Option::<Either>::deserialize(deserializer)? {
        None => Ok(Expects::Anything),
        Some(Either::Words(words)) => words.parse().map_err(serde::de::Error::custom),
        Some(Either::Typed(expects)) => Ok(expects),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_json_is_an_input() {
        for (line, expects) in [
            (r#"{"text":"हाँ"}"#, Expects::Anything),
            (r#"{"text":"हाँ","language":"hi-IN","expects":"yes_no","role":"caller"}"#, Expects::YesNo),
            (r#"{"text":"98","expects":"digits:10"}"#, Expects::Digits(10)),
            (r#"{"text":"98","expects":{"digits":4}}"#, Expects::Digits(4)),
            (r#"{"text":"98","expects":null,"role":null}"#, Expects::Anything),
        ] {
            let input: ExplainInput = serde_json::from_str(line).expect(line);
            assert_eq!(input.expects, expects, "{line}");
        }
        for line in
            [r#"{}"#, r#"{"text":"a","colour":1}"#, r#"{"text":"a","expects":"x"}"#, r#"{"text":"a","role":"bank"}"#]
        {
            assert!(serde_json::from_str::<ExplainInput>(line).is_err(), "{line}");
        }
    }
}
