//! Whatever a recogniser or an attacker hands in, the understanding half answers and never panics.

use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::book::Catalogue;
use super::ending::{Completeness, Expects, completeness, silence_needed};
use super::explain::{ExplainInput, Role, explain};
use super::intent::Matcher;
use super::language::{Observation, Tracker, detect, requested_language, script_fits};
use super::utterance::class;
use crate::base::Lang;

static BOX: LazyLock<(Catalogue, Matcher)> = LazyLock::new(|| {
    let catalogue = Catalogue::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/prompts")).expect("shipped");
    let matcher = Matcher::new(&catalogue);
    (catalogue, matcher)
});

fn languages() -> impl Strategy<Value = Lang> {
    proptest::sample::select(Lang::ALL.to_vec())
}

fn expectations() -> impl Strategy<Value = Expects> {
    prop_oneof![
        Just(Expects::Anything),
        Just(Expects::YesNo),
        Just(Expects::Amount),
        Just(Expects::Date),
        Just(Expects::Name),
        any::<usize>().prop_map(Expects::Digits),
    ]
}

/// Letters, signs and digits of all scripts, joiners, foreign scripts, punctuation, anything.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\u{900}-\u{D7F}a-zA-Z0-9\u{200C}\u{200D} ।.,?'{}()|§-]{0,80}",
        "(?s).{0,40}",
        "([ऀ-ॿ]{1,6} ){0,12}",
        "([a-z]{1,8} ){0,12}",
    ]
}

fn everything(lang: Lang, text: &str, expects: Expects) {
    let (catalogue, matcher) = &*BOX;
    let found = detect(text, Some(lang));
    assert!((0.0..=1.0).contains(&found.confidence), "{found:?}");
    let _ = (detect(text, None), requested_language(text), script_fits(lang, text), class(lang, text));
    let done = completeness(lang, text, expects);
    assert!((350..=1_500).contains(&silence_needed(done, expects).as_millis()));
    if let Some(guess) = matcher.guess(lang, text) {
        assert!((0.0..=1.0).contains(&guess.score), "{guess:?}");
        assert!(guess.runner_up.is_none_or(|(_, s)| (0.0..=1.0).contains(&s)), "{guess:?}");
    }
    let mut tracker = Tracker::new(lang, false);
    let seen = Observation { stt: Lang::Ta, stt_confidence: f32::NAN, text, words: usize::MAX };
    let _ = tracker.observe(seen);
    let input = ExplainInput { text: text.to_owned(), language: None, expects, role: Some(Role::Caller) };
    let explained = explain(catalogue, matcher, &input);
    assert_eq!(explained.text, text);
}

proptest! {
    #[test]
    fn any_text_is_answered(lang in languages(), text in texts(), expects in expectations()) {
        everything(lang, &text, expects);
    }

    #[test]
    fn a_language_asked_for_is_switched_to_whatever_came_before(turns in proptest::collection::vec(texts(), 0..6)) {
        let mut tracker = Tracker::new(Lang::Hi, true);
        for text in &turns {
            let words = text.split_whitespace().count();
            let _ = tracker.observe(Observation { stt: Lang::Mr, stt_confidence: 0.9, text, words });
        }
        let seen = Observation { stt: Lang::En, stt_confidence: 0.1, text: "please speak in Odia", words: 4 };
        let switch = tracker.observe(seen);
        prop_assert_eq!(switch.map(|s| s.to), Some(Lang::Or));
        prop_assert_eq!(tracker.current(), Lang::Or);
    }
}

#[test]
fn a_megabyte_of_text_is_cut_not_read() {
    for piece in ["नमस्ते जी ", "ಹೌದು", "nine eight ", "\u{200D}\u{94D}", "(a|b) ", "ٱ", "0"] {
        let text = piece.repeat(1_048_576 / piece.len());
        for lang in [Lang::En, Lang::Hi, Lang::Kn] {
            everything(lang, &text, Expects::Digits(10));
        }
    }
}

#[test]
fn an_empty_turn_is_neither_finished_nor_anything_else() {
    for lang in Lang::ALL {
        for expects in [Expects::Anything, Expects::YesNo, Expects::Digits(0)] {
            assert_eq!(completeness(lang, "", expects), Completeness::Unknown);
        }
        assert_eq!(BOX.1.guess(lang, ""), None);
        assert_eq!(requested_language(""), None);
    }
}
