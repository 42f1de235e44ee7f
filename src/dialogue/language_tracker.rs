//! The language of a call over its turns. Promise: the first answer may switch at once when speech
//! and text agree; later it takes two agreeing turns or an explicit wish.

use serde::Serialize;

use crate::base::Lang;

use super::language::{detect, requested_language, says_something, script_fits};

/// What is known of one turn of the caller.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// The recogniser's opinion and how sure it is.
    pub stt: Lang,
    pub stt_confidence: f32,
    pub text: &'a str,
    pub words: usize,
}

/// The call goes on in another language.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Switch {
    pub to: Lang,
    pub reason: String,
    pub confidence: f32,
}

/// Hysteresis over the turns of one call.
#[derive(Clone, Debug)]
pub struct Tracker {
    current: Lang,
    /// The caller has chosen or spoken this language already.
    certain: bool,
    /// Another language that was heard once, and how clearly.
    rival: Option<(Lang, f32)>,
}

/// Below this the recogniser is guessing.
const STT_LEAST: f32 = 0.6;
/// Below this the text says too little about its language.
const TEXT_LEAST: f32 = 0.55;
/// Speech and text must be this sure together to switch on the first answer.
const FIRST_ANSWER: f32 = 0.65;

impl Tracker {
    pub const fn new(current: Lang, certain: bool) -> Self {
        Self { current, certain, rival: None }
    }

    pub const fn current(&self) -> Lang {
        self.current
    }

    /// Takes one turn; `Some` when the agent should go on in another language.
    pub fn observe(&mut self, seen: Observation<'_>) -> Option<Switch> {
        if let Some(to) = requested_language(seen.text) {
            return if to == self.current {
                self.certain = true;
                self.rival = None;
                None
            } else {
                Some(self.switch(to, 0.97, format!("the caller asked for {}", to.english_name())))
            };
        }
        let text = detect(seen.text, Some(seen.stt));
        let spoken = detect(seen.text, Some(self.current));
        if spoken.language == self.current && spoken.confidence >= TEXT_LEAST {
            // Heard what was expected: whatever else was suspected is gone.
            self.certain |= seen.words >= 2;
            self.rival = None;
            return None;
        }
        let agree = text.language == seen.stt
            && text.language != self.current
            && text.confidence >= TEXT_LEAST
            && seen.stt_confidence >= STT_LEAST
            && script_fits(seen.stt, seen.text)
            && says_something(seen.text);
        if !agree {
            return None;
        }
        let sure = (text.confidence * seen.stt_confidence.min(1.0)).sqrt();
        let to = text.language;
        // English words are in everybody's mouth, so English takes a sentence.
        let least = if to == Lang::En { 4 } else { 2 };
        let one_clear_word = seen.words == 1 && to != Lang::En && seen.stt_confidence >= 0.9 && text.confidence >= 0.9;
        if seen.words < least && (self.certain || !one_clear_word) {
            return None;
        }
        if !self.certain && sure >= FIRST_ANSWER {
            return Some(self.switch(to, sure, format!("first answer in {}", to.english_name())));
        }
        match self.rival {
            Some((rival, before)) if rival == to => {
                Some(self.switch(to, sure.max(before), format!("two turns in {}", to.english_name())))
            }
            _ => {
                self.rival = Some((to, sure));
                None
            }
        }
    }

    fn switch(&mut self, to: Lang, confidence: f32, reason: String) -> Switch {
        self.current = to;
        self.certain = true;
        self.rival = None;
        Switch { to, reason, confidence }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(text: &str, stt: Lang, stt_confidence: f32) -> Observation<'_> {
        Observation { stt, stt_confidence, text, words: text.split_whitespace().count() }
    }

    #[test]
    fn calls_change_language_when_they_should_and_only_then() {
        type Turn = (&'static str, Lang, f32, Option<Lang>);
        let cases: [(Lang, bool, &[Turn]); 16] = [
            (Lang::Hi, false, &[("எனக்கு ஹிந்தி தெரியாது சொல்லுங்க", Lang::Ta, 0.9, Some(Lang::Ta))]),
            (Lang::Hi, false, &[("வணக்கம் யார் பேசுறீங்க", Lang::Ta, 0.8, Some(Lang::Ta))]),
            (Lang::En, false, &[("हाँ जी बताइए क्या बात है", Lang::Hi, 0.8, Some(Lang::Hi))]),
            (Lang::Hi, false, &[("हो बोला काय काम आहे", Lang::Mr, 0.8, Some(Lang::Mr))]),
            // The recogniser and the text disagree.
            (Lang::Hi, false, &[("हाँ बोलिए आप कौन हैं", Lang::Mr, 0.8, None)]),
            // Borrowed words and names are no language.
            (Lang::Ta, false, &[("hello", Lang::En, 0.99, None), ("ok", Lang::En, 0.99, None)]),
            (Lang::Ta, false, &[("हैलो", Lang::Hi, 0.99, None)]),
            (Lang::Te, true, &[("ok thank you", Lang::En, 0.9, None), ("yes sir", Lang::En, 0.9, None)]),
            (Lang::Kn, true, &[("ರಮೇಶ್ ಕುಮಾರ್", Lang::Hi, 0.7, None)]),
            // One turn is not enough later on, two are.
            (
                Lang::Hi,
                true,
                &[("मला मराठीत नीट समजतं आहे", Lang::Mr, 0.9, None), ("मी उद्या पैसे भरतो", Lang::Mr, 0.9, Some(Lang::Mr))],
            ),
            (
                Lang::Hi,
                true,
                &[
                    ("நான் நாளைக்கு கட்டுறேன்", Lang::Ta, 0.9, None),
                    ("हाँ मैं कल भर दूँगा", Lang::Hi, 0.9, None),
                    ("நான் நாளைக்கு கட்டுறேன்", Lang::Ta, 0.9, None),
                ],
            ),
            (
                Lang::Bn,
                true,
                &[
                    ("what is the amount i have to pay", Lang::En, 0.95, None),
                    ("please tell me the last date", Lang::En, 0.95, Some(Lang::En)),
                ],
            ),
            // Romanised speech of the same language stays.
            (
                Lang::Hi,
                true,
                &[("mera EMI kitna hai bhai", Lang::En, 0.8, None), ("kal tak bhar dunga", Lang::En, 0.8, None)],
            ),
            // A wish is enough.
            (Lang::Hi, true, &[("please speak in Tamil", Lang::En, 0.4, Some(Lang::Ta))]),
            (Lang::Ta, true, &[("മലയാളത്തിൽ പറയൂ", Lang::Ml, 0.5, Some(Lang::Ml))]),
            (Lang::Gu, true, &[("ગુજરાતીમાં બોલો", Lang::Gu, 0.5, None)]),
        ];
        for (start, certain, turns) in cases {
            let mut tracker = Tracker::new(start, certain);
            for (text, stt, confidence, expected) in turns {
                let got = tracker.observe(turn(text, *stt, *confidence)).map(|s| s.to);
                assert_eq!(got, *expected, "{start} certain {certain}: {text}");
            }
        }
    }

    #[test]
    fn noise_of_low_confidence_never_switches() {
        let mut tracker = Tracker::new(Lang::Gu, true);
        for _ in 0..20 {
            assert_eq!(tracker.observe(turn("மழை வருது துணியை எடு", Lang::Ta, 0.3)), None);
            assert_eq!(tracker.observe(turn("", Lang::Ta, 1.0)), None);
            assert_eq!(tracker.observe(turn("ஆமா", Lang::Ta, 1.0)), None);
        }
        assert_eq!(tracker.current(), Lang::Gu);
    }
}
