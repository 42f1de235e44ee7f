//! How each provider writes the box's languages. One table per provider, read in both directions.
//! Promise: a language that a provider does not have is found out before anything is sent.
//! The traps: Sarvam writes Odia `od-IN` over HTTP and `or-IN` in its realtime protocol; ElevenLabs'
//! recogniser has codes of three letters; Deepgram has neither Malayalam nor Odia.
//! Absent on purpose: languages the box does not speak (an answer in one of them reads as unknown).

use super::Endpoint;
use crate::ai::stt::LanguageHint;
use crate::ai::{Fault, FaultKind};
use crate::base::Lang;

/// The codes of one service, in the order of [`Lang::ALL`]; `None` where it does not have the language.
#[derive(Clone, Copy, Debug)]
pub struct Codes([Option<&'static str>; Lang::ALL.len()]);

const fn all(codes: [&'static str; Lang::ALL.len()]) -> Codes {
    let mut rows = [None; Lang::ALL.len()];
    let mut at = 0;
    while at < rows.len() {
        rows[at] = Some(codes[at]);
        at += 1;
    }
    Codes(rows)
}

/// `/speech-to-text` and `/text-to-speech`.
pub const SARVAM: Codes =
    all(["en-IN", "hi-IN", "ta-IN", "te-IN", "ml-IN", "kn-IN", "gu-IN", "mr-IN", "bn-IN", "pa-IN", "od-IN"]);
/// `/speech-to-text-realtime/ws`.
pub const SARVAM_REALTIME: Codes =
    all(["en-IN", "hi-IN", "ta-IN", "te-IN", "ml-IN", "kn-IN", "gu-IN", "mr-IN", "bn-IN", "pa-IN", "or-IN"]);
pub const BHASHINI: Codes = all(["en", "hi", "ta", "te", "ml", "kn", "gu", "mr", "bn", "pa", "or"]);
/// Nova-3.
pub const DEEPGRAM: Codes = Codes([
    Some("en-IN"),
    Some("hi"),
    Some("ta"),
    Some("te"),
    None,
    Some("kn"),
    Some("gu"),
    Some("mr"),
    Some("bn"),
    Some("pa"),
    None,
]);
pub const AZURE: Codes =
    all(["en-IN", "hi-IN", "ta-IN", "te-IN", "ml-IN", "kn-IN", "gu-IN", "mr-IN", "bn-IN", "pa-IN", "or-IN"]);
/// Scribe takes and gives ISO 639-3.
pub const ELEVENLABS_STT: Codes = all(["eng", "hin", "tam", "tel", "mal", "kan", "guj", "mar", "ben", "pan", "ory"]);
const ELEVENLABS_V2: Codes =
    Codes([Some("en"), Some("hi"), Some("ta"), None, None, None, None, None, None, None, None]);
const ELEVENLABS_V3: Codes = Codes([
    Some("en"),
    Some("hi"),
    Some("ta"),
    Some("te"),
    Some("ml"),
    Some("kn"),
    Some("gu"),
    Some("mr"),
    Some("bn"),
    Some("pa"),
    None,
]);

/// ElevenLabs' voices, by generation of the model: up to v2.5 three of our languages, from v3 on ten.
pub fn elevenlabs_tts(model: &str) -> Codes {
    let old = ["_v1", "_v2", "_v2_5"].iter().any(|generation| model.ends_with(generation));
    if old { ELEVENLABS_V2 } else { ELEVENLABS_V3 }
}

impl Codes {
    pub fn code(&self, language: Lang) -> Option<&'static str> {
        self.0[language as usize]
    }

    pub fn has(&self, language: Lang) -> bool {
        self.code(language).is_some()
    }

    /// The code, or the fault of asking for it.
    pub fn wanted(&self, language: Lang, endpoint: &Endpoint) -> Result<&'static str, Fault> {
        self.code(language)
            .ok_or_else(|| endpoint.fault(FaultKind::Refused, format!("it does not have {}", language.english_name())))
    }

    /// The language of a code in an answer. Besides the table's own spelling the plain language and
    /// any region of it are taken (`hi`, `en-US`), for providers answer more loosely than they ask.
    pub fn language(&self, code: &str) -> Option<Lang> {
        let code = code.trim();
        let plain = code.split(['-', '_']).next().unwrap_or_default();
        let rows = || Lang::ALL.into_iter().filter_map(|language| Some((language, self.code(language)?)));
        rows().find(|(_, own)| own.eq_ignore_ascii_case(code)).map(|(language, _)| language).or_else(|| {
            rows()
                .find(|(language, own)| {
                    let own = own.split('-').next().unwrap_or_default();
                    own.eq_ignore_ascii_case(plain) || language.iso().eq_ignore_ascii_case(plain)
                })
                .map(|(language, _)| language)
        })
    }

    /// What a recogniser is to be asked, for one that finds out the language itself if `detects`.
    pub fn question(&self, hint: &LanguageHint, detects: bool, endpoint: &Endpoint) -> Result<Question, Fault> {
        let (expected, among): (Option<Lang>, &[Lang]) = match hint {
            LanguageHint::Fixed(language) => (Some(*language), &[]),
            LanguageHint::Likely { expected, among } => (Some(*expected), among),
            LanguageHint::Open { among } => (None, among),
        };
        let mut heard: Vec<Lang> = among.iter().copied().filter(|language| self.has(*language)).collect();
        match expected {
            // A caller who most likely speaks what the provider does not have is not for it.
            Some(language) => {
                self.wanted(language, endpoint)?;
                if !heard.contains(&language) {
                    heard.push(language);
                }
            }
            None if heard.is_empty() && !among.is_empty() => {
                return Err(endpoint.fault(FaultKind::Refused, "it has none of the languages asked about"));
            }
            None if heard.is_empty() => {
                heard.extend(Lang::ALL.into_iter().filter(|language| self.has(*language)));
            }
            None => {}
        }
        let language = expected.or_else(|| heard.first().copied());
        let language = language.ok_or_else(|| endpoint.fault(FaultKind::Refused, "no language to choose from"))?;
        let open = heard.len() > 1 && detects;
        Ok(Question { code: if open { None } else { self.code(language) }, language, fixed: heard.len() == 1, heard })
    }
}

/// The language part of one recognition.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// What to send; `None` leaves it to the provider to find out.
    pub code: Option<&'static str>,
    /// Taken when the answer does not tell.
    pub language: Lang,
    /// There is nothing to choose between.
    pub fixed: bool,
    heard: Vec<Lang>,
}

/// How sure a language is of which nothing is told.
const UNTOLD: f32 = 0.5;

impl Question {
    /// The languages the answer may be in, of those the provider has.
    pub fn among(&self) -> &[Lang] {
        &self.heard
    }

    /// Language and confidence from what the answer tells. A language that was not asked about is
    /// no news: the expected one is given, with no confidence.
    pub fn answer(&self, codes: Codes, told: Option<&str>, confidence: Option<f64>) -> (Lang, f32) {
        if self.fixed {
            return (self.language, 1.0);
        }
        let confidence = confidence.filter(|c| c.is_finite()).map_or(UNTOLD, |c| c.clamp(0.0, 1.0) as f32);
        // Sent with a code, an answer's language is only the echo of it.
        let told = if self.code.is_some() { None } else { told.filter(|told| !told.is_empty()) };
        match told.map(|code| codes.language(code)) {
            None => (self.language, UNTOLD),
            Some(Some(language)) if self.heard.contains(&language) => (language, confidence),
            Some(_) => (self.language, 0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ai::providers::sound::tests::endpoint;

    const TABLES: [Codes; 8] =
        [SARVAM, SARVAM_REALTIME, BHASHINI, DEEPGRAM, AZURE, ELEVENLABS_STT, ELEVENLABS_V2, ELEVENLABS_V3];

    #[test]
    fn every_code_leads_back_to_its_language() {
        for codes in TABLES {
            for language in Lang::ALL {
                let Some(code) = codes.code(language) else { continue };
                assert_eq!(codes.language(code), Some(language), "{code}");
                assert_eq!(codes.language(&code.to_uppercase()), Some(language), "{code}");
                assert_eq!(codes.language(language.iso()), Some(language), "{code}");
            }
            for foreign in ["ur-IN", "fr", "", "-", "unknown", "multi", "e"] {
                assert_eq!(codes.language(foreign), None, "{foreign}");
            }
        }
    }

    #[test]
    fn the_known_traps() {
        let cases: [(Codes, Lang, Option<&str>); 9] = [
            (SARVAM, Lang::Or, Some("od-IN")),
            (SARVAM_REALTIME, Lang::Or, Some("or-IN")),
            (BHASHINI, Lang::Or, Some("or")),
            (AZURE, Lang::Or, Some("or-IN")),
            (DEEPGRAM, Lang::Or, None),
            (DEEPGRAM, Lang::Ml, None),
            (elevenlabs_tts("eleven_flash_v2_5"), Lang::Ml, None),
            (elevenlabs_tts("eleven_v3"), Lang::Ml, Some("ml")),
            (elevenlabs_tts("eleven_v3"), Lang::Or, None),
        ];
        for (codes, language, code) in cases {
            assert_eq!(codes.code(language), code);
        }
        assert_eq!(DEEPGRAM.language("en-US"), Some(Lang::En));
        assert_eq!(ELEVENLABS_STT.language("hi"), Some(Lang::Hi));
    }

    #[test]
    fn the_hint_decides_what_is_asked() {
        let endpoint = endpoint("deepgram/nova-3");
        let ask = |hint: &LanguageHint, detects| DEEPGRAM.question(hint, detects, &endpoint);
        let likely = LanguageHint::Likely { expected: Lang::Ta, among: vec![Lang::En, Lang::Ta, Lang::Ml] };
        assert_eq!(ask(&LanguageHint::Fixed(Lang::Hi), true).unwrap().code, Some("hi"));
        assert_eq!(ask(&likely, false).unwrap().code, Some("ta"));
        assert_eq!(ask(&likely, true).unwrap().code, None);
        assert_eq!(ask(&LanguageHint::Open { among: vec![Lang::Ml, Lang::Kn] }, false).unwrap().code, Some("kn"));
        assert_eq!(ask(&LanguageHint::Open { among: vec![] }, true).unwrap().code, None);
        for refused in [
            LanguageHint::Fixed(Lang::Ml),
            LanguageHint::Likely { expected: Lang::Or, among: vec![Lang::En] },
            LanguageHint::Open { among: vec![Lang::Ml, Lang::Or] },
        ] {
            assert_eq!(ask(&refused, true).unwrap_err().kind, FaultKind::Refused);
        }
    }

    #[test]
    fn the_answers_language_is_believed_only_among_those_asked_about() {
        let endpoint = endpoint("sarvam/saaras");
        let likely = LanguageHint::Likely { expected: Lang::Or, among: vec![Lang::En, Lang::Or] };
        let open = SARVAM.question(&likely, true, &endpoint).unwrap();
        assert_eq!(open.answer(SARVAM, Some("od-IN"), Some(0.9)), (Lang::Or, 0.9));
        assert_eq!(open.answer(SARVAM, Some("en-IN"), None), (Lang::En, 0.5));
        assert_eq!(open.answer(SARVAM, Some("ta-IN"), Some(0.9)), (Lang::Or, 0.0));
        assert_eq!(open.answer(SARVAM, None, Some(0.9)), (Lang::Or, 0.5));
        assert_eq!(open.answer(SARVAM, Some("en-IN"), Some(7.0)), (Lang::En, 1.0));
        let fixed = SARVAM.question(&LanguageHint::Fixed(Lang::Hi), true, &endpoint).unwrap();
        assert_eq!(fixed.answer(SARVAM, Some("ur-IN"), Some(0.2)), (Lang::Hi, 1.0));
    }

    proptest! {
        #[test]
        fn any_code_is_read(code in ".{0,12}") {
            for codes in TABLES {
                if let Some(language) = codes.language(&code) {
                    prop_assert!(codes.has(language));
                }
            }
        }
    }
}
