//! What a caller wants, guessed from their words without a language model. Promise: callers'
//! phrases of the catalogue are found again through recognition errors and new wording; sentences
//! that ask nothing of the agent score below one half; an unknown text is no guess at all.
//! Absent on purpose: slots (`speak`), dialogue state, files.
//!
//! A small classifier is learnt per language from the catalogue, once, when the language is first
//! heard (`warm` does it ahead of a call); a guess takes some microseconds afterwards.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use serde::Serialize;

use crate::base::Lang;
use crate::base::limits::HEARD_CHARS_MAX;

use super::book::{Catalogue, Intent};
use super::features::{Classes, romanised};
use super::language::{detect, requested_language};
use super::lessons::{Lesson, Phrase, lesson};
use super::train::{Classifier, Example};
use super::words::fold;

/// The best intent for a text and the next best.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Guess {
    pub intent: Intent,
    /// 0 to 1. From 0.75 on, with the runner-up well behind, the guess may be acted on.
    pub score: f32,
    pub runner_up: Option<(Intent, f32)>,
}

impl Guess {
    /// May the agent act on this without asking back or asking a language model?
    pub fn is_sure(&self) -> bool {
        self.score >= SURE && self.runner_up.is_none_or(|(_, next)| self.score - next >= MARGIN)
    }
}

/// See [`Guess::is_sure`].
pub const SURE: f32 = 0.75;
const MARGIN: f32 = 0.25;
/// A guess below this says nothing.
const LEAST: f32 = 0.1;
/// Exactly a phrase of the catalogue.
const EXACT: f32 = 0.98;
/// The caller named a language to speak.
const ASKED: f32 = 0.97;
/// The class of sentences that ask nothing of the agent.
const NOTHING: usize = Intent::ALL.len();
/// Softens the classifier's probabilities, which are too sure of unseen wording.
const SOFTEN: f32 = 0.8;

/// Guesses intents in all languages of a catalogue.
pub struct Matcher {
    lessons: BTreeMap<Lang, Lesson>,
    /// By language, in its own script and in Latin letters.
    learnt: BTreeMap<Lang, (OnceLock<Learnt>, OnceLock<Learnt>)>,
}

struct Learnt {
    classes: Classes,
    roman: Option<Lang>,
    classifier: Classifier,
    /// Phrases that stand in the catalogue under one intent only.
    exact: HashMap<Vec<String>, Intent>,
}

impl Matcher {
    pub fn new(catalogue: &Catalogue) -> Self {
        let lessons: BTreeMap<Lang, Lesson> =
            catalogue.books.values().map(|book| (book.language, lesson(book, catalogue))).collect();
        let learnt = lessons.keys().map(|lang| (*lang, (OnceLock::new(), OnceLock::new()))).collect();
        Self { lessons, learnt }
    }

    /// Learns a language now rather than when its first caller is waiting.
    pub fn warm(&self, lang: Lang) {
        for roman in [false, true] {
            self.learnt(lang, roman);
        }
    }

    /// The most likely intent of a text; `None` if it has no words or resembles nothing known.
    pub fn guess(&self, lang: Lang, text: &str) -> Option<Guess> {
        if fold(text).is_empty() {
            return None;
        }
        let asked = requested_language(text);
        let best = self
            .readers(lang, text)
            .into_iter()
            .filter_map(|learnt| learnt.guess(text))
            .max_by(|a, b| a.score.total_cmp(&b.score));
        match (asked, best) {
            (None, best) => best.filter(|g| g.score >= LEAST),
            (Some(_), Some(best)) if best.intent == Intent::LanguageSwitch => {
                Some(Guess { score: best.score.max(ASKED), ..best })
            }
            (Some(_), best) => {
                let next = best.map(|b| (b.intent, b.score.min(1.0 - ASKED)));
                Some(Guess { intent: Intent::LanguageSwitch, score: ASKED, runner_up: next })
            }
        }
    }

    /// Whose phrases the text is compared with: its own script decides over the call's language,
    /// and Latin letters may be English or the call's language romanised.
    fn readers(&self, lang: Lang, text: &str) -> Vec<&Learnt> {
        let count = |l: Lang| text.chars().take(HEARD_CHARS_MAX).filter(|c| l.writes(*c)).count();
        let latin = count(Lang::En);
        let script =
            Lang::ALL.into_iter().filter(|l| *l != Lang::En && count(*l) > 0).max_by_key(|l| (count(*l), *l == lang));
        // Hindi and Marathi share a script; their words tell them apart.
        let script = match script {
            Some(Lang::Hi | Lang::Mr) => Some(detect(text, Some(lang)).language).filter(|l| *l != Lang::En).or(script),
            other => other,
        };
        match script {
            // English words in Latin letters are understood as the romanised language has them.
            Some(own) if count(own) * 4 >= latin && latin > 2 => {
                [self.learnt(own, false), self.learnt(own, true)].into_iter().flatten().collect()
            }
            Some(own) if count(own) * 4 >= latin => self.learnt(own, false).into_iter().collect(),
            _ if lang == Lang::En => self.learnt(Lang::En, false).into_iter().collect(),
            _ => [self.learnt(lang, true), self.learnt(Lang::En, false)].into_iter().flatten().collect(),
        }
    }

    fn learnt(&self, lang: Lang, roman: bool) -> Option<&Learnt> {
        let lesson = self.lessons.get(&lang)?;
        let (native, latin) = self.learnt.get(&lang)?;
        if roman && lang == Lang::En {
            return Some(native.get_or_init(|| Learnt::learn(lesson, None)));
        }
        Some(if roman {
            latin.get_or_init(|| Learnt::learn(lesson, Some(lang)))
        } else {
            native.get_or_init(|| Learnt::learn(lesson, None))
        })
    }
}

impl Learnt {
    fn learn(lesson: &Lesson, roman: Option<Lang>) -> Self {
        let classes = lesson.classes.clone();
        let phrases: &[Phrase] = if roman.is_some() { &lesson.roman } else { &lesson.native };
        let read = |text: &str| read(&classes, roman, text);
        let mut exact: HashMap<Vec<String>, Option<Intent>> = HashMap::new();
        let mut examples = Vec::with_capacity(phrases.len());
        for phrase in phrases {
            let words = read(&phrase.text);
            if words.is_empty() {
                continue;
            }
            if let (Some(intent), true) = (phrase.intent, phrase.exact) {
                exact.entry(words.clone()).and_modify(|i| *i = i.filter(|i| *i == intent)).or_insert(Some(intent));
            }
            let class = phrase.intent.map_or(NOTHING, |i| i as usize);
            examples.push(Example { words, class, weight: phrase.weight });
        }
        let classifier = Classifier::train(&examples, NOTHING + 1);
        let exact = exact.into_iter().filter_map(|(words, intent)| Some((words, intent?))).collect();
        Self { classes, roman, classifier, exact }
    }

    fn guess(&self, text: &str) -> Option<Guess> {
        let words = read(&self.classes, self.roman, text);
        if words.is_empty() {
            return None;
        }
        let p = self.classifier.classify(&words)?;
        let soft: Vec<f32> = p.iter().map(|p| p.powf(SOFTEN)).collect();
        let sum: f32 = soft.iter().sum();
        let mut ranked: Vec<(Intent, f32)> = Intent::ALL.into_iter().zip(soft.iter().map(|s| s / sum)).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        let (mut intent, mut score) = *ranked.first()?;
        let mut runner_up = ranked.get(1).copied();
        if let Some(exact) = self.exact.get(&words) {
            runner_up = ranked.iter().find(|(i, _)| i != exact).map(|(i, s)| (*i, s.min(1.0 - EXACT)));
            (intent, score) = (*exact, EXACT);
        }
        Some(Guess { intent, score, runner_up })
    }
}

fn read(classes: &Classes, roman: Option<Lang>, text: &str) -> Vec<String> {
    let words = classes.words(text);
    match roman {
        Some(lang) => romanised(lang, &words),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn catalogue() -> Catalogue {
        Catalogue::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/prompts")).expect("shipped")
    }

    fn dice(seed: &mut u64) -> u64 {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed
    }

    /// Recognition errors at the given rate: letters lost, wrong or doubled, words split and joined.
    fn misheard(text: &str, percent: u64, seed: &mut u64) -> String {
        let letters: Vec<char> = text.chars().collect();
        let mut out = String::new();
        for c in &letters {
            if dice(seed) % 100 >= percent || "{}".contains(*c) {
                out.push(*c);
                continue;
            }
            let other = letters[(dice(seed) % letters.len() as u64) as usize];
            match dice(seed) % 4 {
                0 => {}
                1 => out.extend([*c, other]),
                2 if *c == ' ' => {}
                2 => out.extend([*c, ' ']),
                _ => out.push(other),
            }
        }
        out
    }

    #[test]
    fn known_phrases_survive_recognition_errors_and_everyday_talk_is_no_intent() {
        let catalogue = catalogue();
        let matcher = Matcher::new(&catalogue);
        let mut seed = 0x1234_5678_9ABC_DEF1;
        for (lang, book) in &catalogue.books {
            let (mut all, mut right, mut sure, mut sure_right) = (0, 0, 0, 0);
            for (intent, lines) in &book.intents {
                for phrase in &lines.caller {
                    for percent in [2, 6, 10] {
                        let Some(guess) = matcher.guess(*lang, &misheard(phrase, percent, &mut seed)) else { continue };
                        all += 1;
                        right += usize::from(guess.intent == *intent);
                        sure += usize::from(guess.is_sure());
                        sure_right += usize::from(guess.is_sure() && guess.intent == *intent);
                    }
                }
            }
            assert!(all > 1_000 && right * 100 >= all * 93, "{lang}: {right} of {all}");
            assert!(sure * 2 > all && sure_right * 100 > sure * 97, "{lang}: {sure_right} of {sure} sure ones");
            for sentence in &book.everyday {
                let score = matcher.guess(*lang, sentence).map_or(0.0, |g| g.score);
                assert!(score < 0.5, "{lang}: {sentence} {score}");
            }
        }
    }

    #[test]
    fn wording_that_was_held_out_is_mostly_understood() {
        let whole = catalogue();
        let mut known = whole.clone();
        let held = |n: usize| n % 5 == 2;
        let keep = |list: &mut Vec<String>| {
            let mut n = 0;
            list.retain(|_| {
                n += 1;
                !held(n - 1)
            });
        };
        for book in known.books.values_mut() {
            for lines in book.intents.values_mut() {
                keep(&mut lines.caller);
            }
            keep(&mut book.everyday);
            // The closed lists repeat phrases of the intents.
            book.yes.clear();
            book.no.clear();
        }
        let matcher = Matcher::new(&known);
        let (mut everyday, mut high) = (0, 0);
        for (lang, book) in &whole.books {
            let (mut all, mut right, mut sure, mut sure_right) = (0, 0, 0, 0);
            for (intent, lines) in &book.intents {
                for phrase in lines.caller.iter().enumerate().filter(|(n, _)| held(*n)).map(|(_, p)| p) {
                    all += 1;
                    let Some(guess) = matcher.guess(*lang, phrase) else { continue };
                    right += usize::from(guess.intent == *intent);
                    sure += usize::from(guess.is_sure());
                    sure_right += usize::from(guess.is_sure() && guess.intent == *intent);
                }
            }
            assert!(right * 100 >= all * 68, "{lang}: {right} of {all}");
            assert!(sure * 3 > all && sure_right * 100 >= sure * 90, "{lang}: {sure_right} of {sure} sure ones");
            for (_, sentence) in book.everyday.iter().enumerate().filter(|(n, _)| held(*n)) {
                everyday += 1;
                high += usize::from(matcher.guess(*lang, sentence).is_some_and(|g| g.score >= 0.5));
            }
        }
        assert!(everyday > 200 && high * 100 <= everyday * 12, "{high} of {everyday} everyday sentences");
    }

    #[test]
    fn callers_mix_scripts_and_languages() {
        let matcher = Matcher::new(&catalogue());
        for (lang, text, expected) in [
            (Lang::Hi, "mera EMI kitna hai bhai", Intent::AskAmount),
            (Lang::Hi, "kisi insaan se baat karao", Intent::RequestHuman),
            (Lang::Ta, "how much do I have to pay", Intent::AskAmount),
            (Lang::Ta, "கொஞ்சம் slow ஆ பேசுங்க", Intent::SpeakSlower),
            (Lang::Ta, "methuva sollunga", Intent::SpeakSlower),
            (Lang::Te, "tarvata call cheyandi", Intent::RequestCallback),
            (Lang::Ml, "njan innale adachu", Intent::AlreadyPaid),
            (Lang::Kn, "naale kattini", Intent::PromiseToPay),
            // The text's own script decides over the language of the call.
            (Lang::En, "मुझे फ़ोन मत करना", Intent::DoNotCall),
            (Lang::Mr, "मुझे फ़ोन मत करना", Intent::DoNotCall),
            (Lang::Ta, "किती पैसे भरायचे आहेत", Intent::AskAmount),
            (Lang::Bn, "হিন্দিতে বলুন", Intent::LanguageSwitch),
            (Lang::Gu, "please speak in English", Intent::LanguageSwitch),
        ] {
            let guess = matcher.guess(lang, text);
            assert_eq!(guess.as_ref().map(|g| g.intent), Some(expected), "{lang}: {text} {guess:?}");
        }
    }

    #[test]
    fn closed_answers_are_sure() {
        let catalogue = catalogue();
        let matcher = Matcher::new(&catalogue);
        for (lang, book) in &catalogue.books {
            for (list, expected) in [(&book.yes, Intent::Affirm), (&book.no, Intent::Deny)] {
                let right =
                    list.iter().filter(|t| matcher.guess(*lang, t).is_some_and(|g| g.intent == expected)).count();
                assert!(right * 100 >= list.len() * 80, "{lang} {expected:?}: {right} of {}", list.len());
            }
        }
    }

    #[test]
    fn nothing_is_no_guess() {
        let matcher = Matcher::new(&catalogue());
        for text in ["", "…", "   ", "चख़ग़ङञ"] {
            let guess = matcher.guess(Lang::Hi, text);
            assert!(guess.as_ref().is_none_or(|g| g.score < 0.5), "{text}: {guess:?}");
        }
        assert_eq!(Matcher::new(&Catalogue::default()).guess(Lang::Hi, "हाँ"), None);
    }
}
