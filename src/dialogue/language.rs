//! Which language a caller speaks. Promise: script, words and the recogniser's opinion are weighed
//! together; one short or noisy turn never changes the language of a call, an explicit wish always
//! does. Absent on purpose: sound (the recogniser's guess is handed in) and files.

use std::sync::LazyLock;

use serde::Serialize;

use crate::base::Lang;

use super::book::Book;
use super::language_words::{ENGLISH, HINDI, HINDI_ENDINGS, MARATHI, MARATHI_ENDINGS, NEUTRAL, ROMAN};
use super::romanise::plain;
use super::words::{fold, is_number, vocabulary};

pub use super::language_asked::requested_language;
pub use super::language_tracker::{Observation, Switch, Tracker};

/// What a text says about its language.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Detected {
    pub language: Lang,
    /// 0 to 1; below 0.5 the text says next to nothing and the hint stands.
    pub confidence: f32,
    pub dialect: Option<String>,
    /// What spoke for it, for people who ask why.
    pub evidence: Vec<String>,
}

/// Language of a text by script and words. The hint settles what the text leaves open.
pub fn detect(text: &str, hint: Option<Lang>) -> Detected {
    let letters = Letters::of(text);
    let words = fold(text);
    let mut found = match letters.script() {
        Script::None => Detected {
            language: hint.unwrap_or(Lang::En),
            confidence: 0.0,
            dialect: None,
            evidence: vec!["no letters".to_owned()],
        },
        Script::Devanagari => devanagari(&words, hint),
        Script::Latin => latin(&words, hint),
        Script::Of(lang) => Detected {
            language: lang,
            confidence: if words.len() > 1 { 0.99 } else { 0.95 },
            dialect: None,
            evidence: vec![format!("{} script", lang.english_name())],
        },
        Script::Foreign => Detected {
            language: hint.unwrap_or(Lang::En),
            confidence: 0.1,
            dialect: None,
            evidence: vec!["a script the box does not know".to_owned()],
        },
    };
    if found.language == Lang::Bn && text.contains(['ৰ', 'ৱ']) {
        found.confidence = 0.7;
        found.dialect = Some("assamese".to_owned());
        found.evidence.push("Assamese letters".to_owned());
    }
    if found.language == Lang::Ml
        && letters.script() == Script::Of(Lang::Ml)
        && let Some((name, marker)) = malayalam_dialect(&words)
    {
        found.evidence.push(format!("{name} word {marker}"));
        found.dialect = Some(name);
    }
    found
}

/// Is the text written as its language is written? English words may stand in any language; another
/// Indian script, a foreign one, or a whole sentence of English may not.
pub fn script_fits(lang: Lang, text: &str) -> bool {
    let letters = Letters::of(text);
    let total = letters.total();
    if total == 0 {
        return true;
    }
    let own = letters.of_language(lang);
    let borrowed = if lang == Lang::En { 0 } else { letters.latin };
    let others = total - own - borrowed;
    if others * 5 > total || lang == Lang::En {
        return others * 5 <= total;
    }
    if own > 0 || letters.latin < 12 || fold(text).len() < 3 {
        return true;
    }
    detect(text, Some(lang)).language == lang
}

/// The dialect whose marker words stand in the text, by a catalogue's lists; whole words only.
pub fn dialect(book: &Book, text: &str) -> Option<(String, String)> {
    let markers: Vec<(&str, Vec<String>)> = book
        .dialects
        .iter()
        .flat_map(|(name, d)| d.markers.iter().map(move |m| (name.as_str(), fold(&m.word))))
        .collect();
    strongest(&markers, &fold(text))
}

fn malayalam_dialect(words: &[String]) -> Option<(String, String)> {
    static MARKERS: LazyLock<Vec<(&str, Vec<String>)>> = LazyLock::new(|| {
        super::language_words::MALAYALAM_DIALECTS
            .iter()
            .flat_map(|(name, list)| list.split(',').map(move |w| (*name, fold(w))))
            .collect()
    });
    strongest(&MARKERS, words)
}

fn strongest(markers: &[(&str, Vec<String>)], words: &[String]) -> Option<(String, String)> {
    let mut best: Option<(&str, usize, String)> = None;
    for (name, _) in markers {
        if best.as_ref().is_some_and(|(n, ..)| n == name) {
            continue;
        }
        let hits: Vec<String> = markers
            .iter()
            .filter(|(n, m)| n == name && !m.is_empty() && words.windows(m.len()).any(|w| w == m.as_slice()))
            .map(|(_, m)| m.join(" "))
            .collect();
        if hits.len() > best.as_ref().map_or(0, |(_, n, _)| *n) {
            best = Some((name, hits.len(), hits.join(", ")));
        }
    }
    best.map(|(name, _, markers)| (name.to_owned(), markers))
}

/// Letters of a text by script.
struct Letters {
    indian: [usize; Lang::ALL.len()],
    latin: usize,
    foreign: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    None,
    Devanagari,
    Latin,
    Of(Lang),
    Foreign,
}

impl Letters {
    fn of(text: &str) -> Self {
        let mut letters = Self { indian: [0; Lang::ALL.len()], latin: 0, foreign: 0 };
        for c in text.chars().take(crate::base::limits::HEARD_CHARS_MAX) {
            if c.is_ascii_alphabetic() || ('\u{C0}'..='\u{24F}').contains(&c) {
                letters.latin += 1;
            } else if let Some(lang) = Lang::ALL.into_iter().find(|l| *l != Lang::En && l.writes(c)) {
                if super::words::digit(c).is_none()
                    && let Some(n) = letters.indian.get_mut(lang as usize)
                {
                    *n += 1;
                }
            } else if c.is_alphabetic() {
                letters.foreign += 1;
            }
        }
        letters
    }

    fn total(&self) -> usize {
        self.indian.iter().sum::<usize>() + self.latin + self.foreign
    }

    fn of_language(&self, lang: Lang) -> usize {
        match lang {
            Lang::En => self.latin,
            // Hindi stands for Devanagari in the counts.
            Lang::Mr => self.indian.get(Lang::Hi as usize).copied().unwrap_or(0),
            _ => self.indian.get(lang as usize).copied().unwrap_or(0),
        }
    }

    /// English words stand inside every language, so a fifth of Indian letters decides.
    fn script(&self) -> Script {
        let total = self.total();
        let best = Lang::ALL.into_iter().max_by_key(|l| self.indian.get(*l as usize).copied().unwrap_or(0));
        let most = best.map_or(0, |l| self.indian.get(l as usize).copied().unwrap_or(0));
        match best {
            _ if total == 0 => Script::None,
            Some(lang) if most > 0 && most * 5 >= total && most >= self.foreign => match lang {
                Lang::Hi | Lang::Mr => Script::Devanagari,
                lang => Script::Of(lang),
            },
            _ if self.latin >= self.foreign => Script::Latin,
            _ => Script::Foreign,
        }
    }
}

/// Hindi or Marathi: by words that only one of them has, then by endings and letters.
fn devanagari(words: &[String], hint: Option<Lang>) -> Detected {
    static LISTS: LazyLock<(Vec<String>, Vec<String>)> = LazyLock::new(|| {
        let (hindi, marathi) = (vocabulary(HINDI), vocabulary(MARATHI));
        let only = |list: &[String], other: &[String]| list.iter().filter(|w| !other.contains(w)).cloned().collect();
        (only(&hindi, &marathi), only(&marathi, &hindi))
    });
    static NEUTRAL_WORDS: LazyLock<Vec<String>> = LazyLock::new(|| vocabulary(NEUTRAL));
    let (hindi, marathi) = &*LISTS;
    let (mut hi, mut mr) = (0.0f32, 0.0f32);
    let mut evidence = Vec::new();
    for word in words.iter().filter(|w| !NEUTRAL_WORDS.contains(w)) {
        let before = (hi, mr);
        if mr + hi == 0.0 && (word == "हो" || word == "होय") {
            mr += 0.6; // "yes"; in Hindi the word never stands first
        } else if hindi.contains(word) {
            hi += 1.0;
        } else if marathi.contains(word) || word.contains(['ळ', 'ऱ', 'ॲ', 'ऍ', 'ॅ']) {
            mr += 1.0;
        } else if ends(word, MARATHI_ENDINGS) {
            mr += 0.6;
        } else if ends(word, HINDI_ENDINGS) {
            hi += 0.6;
        }
        if before != (hi, mr) && evidence.len() < 6 {
            let side = if hi > before.0 { Lang::Hi } else { Lang::Mr };
            evidence.push(format!("{} word {word}", side.english_name()));
        }
    }
    // Without words of its own the call's language stands.
    let open = matches!(hint, Some(Lang::Mr | Lang::Hi));
    match hint {
        Some(Lang::Hi) if mr > 0.0 => hi += 0.5,
        Some(Lang::Mr) if hi > 0.0 => mr += 0.5,
        _ => {}
    }
    let (language, confidence) = if (hi - mr).abs() < 0.3 {
        evidence.push("Devanagari, undecided".to_owned());
        (if open { hint.unwrap_or(Lang::Hi) } else { Lang::Hi }, if open { 0.6 } else { 0.5 })
    } else {
        let (language, ahead) = if hi > mr { (Lang::Hi, hi - mr) } else { (Lang::Mr, mr - hi) };
        (language, (0.6 + 0.4 * ahead / (hi + mr) * (ahead / (ahead + 0.4))).min(0.99))
    };
    Detected { language, confidence, dialect: None, evidence }
}

fn ends(word: &str, endings: &[&str]) -> bool {
    endings.iter().any(|e| word.len() > e.len() && word.ends_with(e))
}

/// English, or one of the others in Latin letters.
fn latin(words: &[String], hint: Option<Lang>) -> Detected {
    static LISTS: LazyLock<Vec<(Lang, Vec<String>)>> = LazyLock::new(|| {
        ROMAN.iter().map(|(lang, list)| (*lang, list.split_whitespace().map(plain).collect())).collect()
    });
    static ENGLISH_WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| ENGLISH.split_whitespace().collect());
    let mut scores = [0.0f32; Lang::ALL.len()];
    let mut evidence = Vec::new();
    let mut counted = 0.0f32;
    let mut own = 0;
    for word in words.iter().filter(|w| !is_number(w)) {
        counted += 1.0;
        own += usize::from(!is_international(word));
        let english = ENGLISH_WORDS.contains(&word.as_str());
        let spelt = plain(word);
        let speakers: Vec<Lang> = LISTS.iter().filter(|(_, list)| list.contains(&spelt)).map(|(l, _)| *l).collect();
        if english && let Some(s) = scores.get_mut(Lang::En as usize) {
            *s += if speakers.is_empty() { 1.0 } else { 0.6 };
        }
        for lang in &speakers {
            if let Some(s) = scores.get_mut(*lang as usize) {
                *s += if english { 0.2 } else { 1.0 } / (speakers.len() as f32).sqrt();
            }
        }
        if let ([only], false) = (speakers.as_slice(), english)
            && evidence.len() < 6
        {
            evidence.push(format!("{} word {word}", only.english_name()));
        }
    }
    if let Some(s) = hint.and_then(|h| scores.get_mut(h as usize)) {
        *s *= 1.15;
    }
    let english = scores.first().copied().unwrap_or(0.0);
    let (indian, ahead) = Lang::ALL
        .into_iter()
        .skip(1)
        .map(|l| (l, scores.get(l as usize).copied().unwrap_or(0.0)))
        .fold((Lang::Hi, 0.0), |best, next| if next.1 > best.1 { next } else { best });
    let rival = Lang::ALL
        .into_iter()
        .skip(1)
        .filter(|l| *l != indian)
        .map(|l| scores.get(l as usize).copied().unwrap_or(0.0))
        .fold(0.0, f32::max);
    // English words stand inside every language; two of its own words make it that language.
    let (language, confidence) = if ahead >= 0.4 && ahead > english * 0.55 {
        let share = (ahead / counted.max(1.0)).min(1.0);
        let clear = (ahead - rival) / ahead;
        (indian, (0.45 + 0.3 * share + 0.25 * clear).min(0.95))
    } else if own == 0 {
        evidence.push("borrowed words only".to_owned());
        (hint.unwrap_or(Lang::En), 0.4)
    } else if english >= 1.0 {
        evidence.push("English words".to_owned());
        let share = (english / counted.max(1.0)).min(1.0);
        (Lang::En, (0.35 + 0.3 * share + 0.08 * counted.min(4.0)).min(0.95))
    } else {
        evidence.push("Latin letters, undecided".to_owned());
        (hint.unwrap_or(Lang::En), if counted > 2.0 { 0.4 } else { 0.3 })
    };
    Detected { language, confidence, dialect: None, evidence }
}

/// Words that every language borrows, or that are no evidence at all; in folded spelling.
pub(crate) fn is_international(word: &str) -> bool {
    static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| vocabulary(super::language_words::INTERNATIONAL));
    is_number(word) || WORDS.iter().any(|w| w == word)
}

/// Does the text hold anything but borrowed words and numbers?
pub(crate) fn says_something(text: &str) -> bool {
    fold(text).iter().any(|w| !is_international(w))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_told_apart_by_script_and_words() {
        for (text, expected) in [
            ("हाँ बताइए कितना पैसा देना है", Lang::Hi),
            ("मुझे कल फ़ोन कीजिए", Lang::Hi),
            ("मला उद्या फोन करा", Lang::Mr),
            // Numbers and months look Marathi and are not.
            ("मैं सात जून को दूँगा", Lang::Hi),
            ("किती पैसे भरायचे आहेत", Lang::Mr),
            ("माझ्याकडे आत्ता पैसे नाहीत", Lang::Mr),
            ("இந்த மாசம் EMI amount எவ்வளவு", Lang::Ta),
            ("ఎంత కట్టాలి", Lang::Te),
            ("എത്ര അടയ്ക്കണം", Lang::Ml),
            ("ಎಷ್ಟು ಕಟ್ಟಬೇಕು", Lang::Kn),
            ("કેટલા પૈસા ભરવાના છે", Lang::Gu),
            ("কত টাকা দিতে হবে", Lang::Bn),
            ("ਕਿੰਨੇ ਪੈਸੇ ਦੇਣੇ ਹਨ", Lang::Pa),
            ("କେତେ ଟଙ୍କା ଦେବାକୁ ହେବ", Lang::Or),
            ("how much do I have to pay", Lang::En),
            ("please call me tomorrow morning", Lang::En),
            ("mera EMI kitna hai", Lang::Hi),
            ("kal tak payment kar dunga bhai", Lang::Hi),
            ("EMI evlo kattanum sollunga", Lang::Ta),
            ("naaku konchem time ivvandi", Lang::Te),
            ("enikku ippo paisa illa pinne vilikku", Lang::Ml),
            ("nanage swalpa time kodi naale kattini", Lang::Kn),
            ("mane kale phone karjo ne, paisa nathi", Lang::Gu),
            ("mala udya phone kara, paise nahit", Lang::Mr),
            ("ami kal taka diye debo", Lang::Bn),
            ("mainu kall phone karo ji, tusi dasso", Lang::Pa),
            ("mu kali tanka debi", Lang::Or),
        ] {
            let found = detect(text, None);
            assert_eq!(found.language, expected, "{text}: {found:?}");
            assert!(found.confidence >= 0.5 && !found.evidence.is_empty(), "{text}: {found:?}");
        }
    }

    #[test]
    fn the_hint_settles_what_the_text_leaves_open() {
        for hint in [Lang::Hi, Lang::Mr] {
            assert_eq!(detect("नमस्कार सर", Some(hint)).language, hint);
        }
        for hint in Lang::ALL {
            let found = detect("...", Some(hint));
            assert_eq!((found.language, found.confidence), (hint, 0.0));
            assert!(detect("hello", Some(hint)).confidence < 0.5);
        }
    }

    #[test]
    fn malayalam_regions_show_in_whole_words() {
        for (text, expected) in [
            ("എന്തരാ കാര്യം പറയണം", Some("travancore")),
            ("ഇങ്ങള് ഏട്ന്നാ വിളിക്ക്ണത്", Some("malabar")),
            ("എന്തൂട്ടാ കാര്യം ഇഷ്ടാ", Some("cochin")),
            ("എന്താണ് കാര്യം പറയൂ", None),
            // A marker inside a longer word is none.
            ("ആടിനെ കെട്ടി", None),
        ] {
            assert_eq!(detect(text, None).dialect.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn the_script_guard_finds_text_of_another_language() {
        for (lang, text, fits) in [
            (Lang::Ta, "ஆமா EMI கட்டிட்டேன்", true),
            (Lang::Ta, "हाँ मैंने भर दिया", false),
            (Lang::Hi, "हाँ payment कर दिया", true),
            (Lang::Hi, "haan maine payment kar diya hai", true),
            (Lang::Hi, "ہاں میں نے ادا کر دیا", false),
            (Lang::Ta, "I have already paid the whole amount", false),
            (Lang::Ta, "ok sir", true),
            (Lang::En, "I paid yesterday", true),
            (Lang::En, "મેં પૈસા ભરી દીધા", false),
            (Lang::Mr, "मी पैसे भरले", true),
            (Lang::Bn, "4500", true),
            (Lang::Or, "", true),
        ] {
            assert_eq!(script_fits(lang, text), fits, "{lang}: {text}");
        }
    }

    #[test]
    fn assamese_letters_are_noticed() {
        let found = detect("মই কাইলৈ টকা দিম আৰু ৰচিদ", None);
        assert_eq!((found.language, found.dialect.as_deref()), (Lang::Bn, Some("assamese")));
    }
}
