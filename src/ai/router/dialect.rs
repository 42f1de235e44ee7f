//! Dialects that the routing file may name (requirement L4): Malayalam as it is spoken in what were
//! Travancore, Malabar and Cochin, told by marker words in a text and by the caller's district.
//! Promise: a guess comes with a confidence and is none at all where the markers contradict each
//! other or only the standard language was heard.
//! The word lists and phrases are from general knowledge; no native speaker has reviewed them, and
//! real speech mixes the three. A guess may choose an engine and a style, never more.
//! Absent on purpose: dialects of other languages; the catalogue's own lists (`dialogue` has those).

use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use serde::Serialize;

use super::dialect_words::{MARKERS, PLACES};
use crate::base::Lang;
use crate::base::limits::HEARD_CHARS_MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    Travancore,
    Malabar,
    Cochin,
}

impl Dialect {
    pub const ALL: [Self; 3] = [Self::Travancore, Self::Malabar, Self::Cochin];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Travancore => "travancore",
            Self::Malabar => "malabar",
            Self::Cochin => "cochin",
        }
    }

    pub const fn language(self) -> Lang {
        Lang::Ml
    }

    /// Words as its speakers say them, in Malayalam letters: primes a recogniser.
    pub fn words(self) -> Arc<str> {
        static ALL: LazyLock<[Arc<str>; 3]> = LazyLock::new(|| {
            Dialect::ALL.map(|dialect| {
                let own = |(word, of, weight): &&(&str, Dialect, u8)| {
                    *of == dialect && *weight >= 2 && !word.ends_with('*') && word.chars().all(|c| Lang::Ml.writes(c))
                };
                let words: Vec<_> = MARKERS.iter().filter(own).map(|(word, ..)| *word).collect();
                words.join(", ").into()
            })
        });
        Arc::clone(&ALL[self as usize])
    }

    /// What a language model is told of it: to understand the words, and to answer plainly.
    pub fn style(self) -> String {
        let place = match self {
            Self::Travancore => "Travancore (southern Kerala)",
            Self::Malabar => "Malabar (northern Kerala)",
            Self::Cochin => "Cochin and Thrissur (central Kerala)",
        };
        format!(
            "The caller speaks the Malayalam of {place}, with words such as {}. Understand them; answer in short, \
             plain Malayalam that is at home there, without mocking the dialect.",
            self.words()
        )
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown dialect {0:?}; known are travancore, malabar and cochin")]
pub struct UnknownDialect(pub String);

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(text: &str) -> Result<Self, UnknownDialect> {
        let wanted = text.trim().to_lowercase();
        Self::ALL.into_iter().find(|d| d.as_str() == wanted).ok_or_else(|| UnknownDialect(text.to_owned()))
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guess {
    pub dialect: Dialect,
    /// 0 to 1.
    pub confidence: f32,
}

impl Guess {
    /// From what was said and where the caller lives; what was said weighs more when they differ.
    pub fn of(text: &str, place: &str) -> Option<Self> {
        Self::joined(Self::of_text(text), Self::of_place(place))
    }

    /// What was said, and what was known before.
    pub fn joined(said: Option<Self>, known: Option<Self>) -> Option<Self> {
        match (said, known) {
            (Some(said), Some(lives)) if said.dialect == lives.dialect => {
                Some(Self { confidence: 1.0 - (1.0 - said.confidence) * (1.0 - lives.confidence), ..said })
            }
            (Some(said), Some(lives)) => {
                Some(Self { confidence: said.confidence * (1.0 - lives.confidence / 2.0), ..said })
            }
            (said, lives) => said.or(lives),
        }
    }

    /// By marker words, in Malayalam or Latin letters.
    pub fn of_text(text: &str) -> Option<Self> {
        let mut points = [0.0_f32; 3];
        let text: String = text.chars().take(HEARD_CHARS_MAX).collect();
        for word in folded(&text).split(' ').filter(|word| !word.is_empty()) {
            let marker = MARKERS.iter().find(|(marker, ..)| match marker.strip_suffix('*') {
                Some(stem) => word.starts_with(stem),
                None => word == *marker,
            });
            if let Some((_, dialect, weight)) = marker {
                points[*dialect as usize] += f32::from(*weight);
            }
        }
        let (best, most) =
            Dialect::ALL.into_iter().map(|d| (d, points[d as usize])).max_by(|a, b| a.1.total_cmp(&b.1))?;
        let others: f32 = points.iter().sum::<f32>() - most;
        // One weak marker says little; a tie says nothing.
        let second = Dialect::ALL.into_iter().filter(|d| *d != best).map(|d| points[d as usize]).fold(0.0, f32::max);
        (most > second).then(|| Self { dialect: best, confidence: most / (most + others + 1.0) })
    }

    /// By the name of a district, a large town or one of the old states, in English or Malayalam.
    pub fn of_place(place: &str) -> Option<Self> {
        let wanted = folded(place);
        let wanted = wanted.trim();
        let wanted =
            ["district", "dt", "ജില്ല"].iter().find_map(|end| wanted.strip_suffix(end)).unwrap_or(wanted).trim();
        PLACES
            .iter()
            .find(|(names, ..)| names.split(',').any(|name| name == wanted))
            .map(|(_, dialect, percent)| Self { dialect: *dialect, confidence: f32::from(*percent) / 100.0 })
    }
}

/// Lower case, one space between words, chillu letters as single characters, no joiners.
fn folded(text: &str) -> String {
    const CHILLU: [(&str, &str); 5] =
        [("ണ്\u{200D}", "ൺ"), ("ന്\u{200D}", "ൻ"), ("ര്\u{200D}", "ർ"), ("ല്\u{200D}", "ൽ"), ("ള്\u{200D}", "ൾ")];
    let mut text = text.to_lowercase();
    for (apart, whole) in CHILLU {
        if text.contains(apart) {
            text = text.replace(apart, whole);
        }
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_alphanumeric() || Lang::Ml.writes(c) {
            out.push(c);
        } else if !matches!(c, '\u{200B}'..='\u{200D}') && !out.ends_with(' ') {
            out.push(' ');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRAVANCORE: [&str; 15] = [
        "എന്തരാ കാര്യം പറയണം",
        "എനിക്ക് അറിഞ്ഞൂടാ അണ്ണാ ഏത് ലോണാണെന്ന്",
        "വെക്കം പറയണം എനിക്ക് പോണം",
        "തോനെ പൈസ ചെലവായി അണ്ണാ",
        "വോ തന്നെ ഞാൻ നാളെ അടയ്ക്കാം കേട്ടാ",
        "എന്തര് പൈസ, ഞാൻ അടച്ചല്ല്",
        "തള്ളേ ഇത്രയും തുകയാ",
        "നാളെ അവധി അല്ലീ",
        "ലവിടെ സാറിന് ഫോൺ കൊടുക്കണം",
        "ലവൻ വന്നില്ല",
        "എന്തുവാ പറഞ്ഞേ",
        "അപ്പീ നീ എവിടെ",
        "നിങ്ങൾക്ക് എന്തരിനാണ് ഇത്",
        "entharaa kaaryam annaa",
        "enikku arinjooda",
    ];
    const MALABAR: [&str; 15] = [
        "ഇങ്ങള് ഏട്ന്നാ വിളിക്ക്ണത്",
        "ഇച്ച് ഇപ്പൊ കായി ഇല്ല",
        "ഓൻ ഈട ഇല്ല",
        "ഞമ്മള് ഇന്നലെ അടച്ച്ക്ക്ണ്",
        "ഇങ്ങള് ബേജാറാവണ്ട",
        "ഓള് പുരേല് ഇല്ല",
        "ഇങ്ങളെ ഓഫീസ് ഏട്യാ",
        "ഞമ്മക്ക് ബേണ്ട",
        "ഓല് പറഞ്ഞത് എന്താന്ന് അറീല",
        "മോന്തിക്ക് വിളിച്ചോളീ",
        "നാളെ ബരാം",
        "ബീട്ടിൽ ആരും ഇല്ല",
        "അനക്ക് എന്താ ബേണ്ടത്",
        "ingalu evideyaa",
        "njammakku benda",
    ];
    const COCHIN: [&str; 15] = [
        "എന്തൂട്ടാ കാര്യം ഇഷ്ടാ",
        "നുമ്മക്ക് ഒരൂസം കൂടി സമയം തരോ",
        "മ്മ്ടെ ലോൺ ഏതാ",
        "എന്തൂട്ട് ലോണാ ഇത്",
        "ഇപ്പൊ പൈസ ഇല്ല്യാട്ടാ",
        "നുമ്മ നാളെ വരാം",
        "ഗഡി ഇവിടെ ഇല്ല്യ",
        "ഗഡ്യേ എവിട്യാ",
        "മച്ചാനേ പിന്നെ വിളിക്ക്",
        "വൈന്നേരം ഇങ്ങട് വിളിക്ക്",
        "എന്തൂട്ടിനാ വിളിക്കണേ",
        "നുമ്മടെ ക്ടാവ് പറഞ്ഞു",
        "ഒക്കെ ഡാവാ മച്ചാ",
        "enthoottaa ishtaa",
        "nummade kaaryam",
    ];
    const STANDARD: [&str; 15] = [
        "",
        "ഞാൻ നാളെ പണം അടയ്ക്കാം",
        "എനിക്ക് മനസ്സിലായില്ല",
        "നിങ്ങൾ എവിടെ നിന്നാണ് വിളിക്കുന്നത്",
        "അവൻ ഇവിടെ ഇല്ല",
        "ശരി, നന്ദി",
        "ഇത് ഏത് ലോണാണ്",
        "ആട് വളർത്തുന്നു",
        "ഈടായി സ്വർണം കൊടുത്തു",
        "njan naale adakkaam",
        "enikku manasilayilla",
        "I will pay tomorrow",
        "मैं कल दूंगा",
        "വോട്ട് ചെയ്തു",
        "12345 ???",
    ];

    #[test]
    fn dialects_are_told_by_their_words() {
        for (dialect, phrases) in
            [(Dialect::Travancore, TRAVANCORE), (Dialect::Malabar, MALABAR), (Dialect::Cochin, COCHIN)]
        {
            for phrase in phrases {
                let guess = Guess::of_text(phrase).unwrap_or_else(|| panic!("nothing: {phrase}"));
                assert_eq!(guess.dialect, dialect, "{phrase}");
                assert!((0.5..1.0).contains(&guess.confidence), "{phrase}: {}", guess.confidence);
            }
        }
        for phrase in STANDARD {
            assert_eq!(Guess::of_text(phrase), None, "{phrase}");
        }
    }

    #[test]
    fn recogniser_and_model_are_told_of_the_callers_own_words() {
        for dialect in Dialect::ALL {
            let words = dialect.words();
            assert!(words.split(", ").count() >= 5, "{words}");
            assert_eq!(Guess::of_text(&words).map(|g| g.dialect), Some(dialect), "{words}");
            assert!(dialect.style().contains(&*words));
        }
    }

    #[test]
    fn chillus_and_joiners_do_not_matter() {
        for phrase in ["ഓന്\u{200D} ഇല്ല", "ഓൻ ഇല്ല", "ഓൻ\u{200C} ഇല്ല", "(ഓൻ) ഇല്ല"]
        {
            assert_eq!(Guess::of_text(phrase).map(|g| g.dialect), Some(Dialect::Malabar), "{phrase}");
        }
    }

    #[test]
    fn more_markers_make_surer_and_contradictions_less_sure() {
        let sure = |text| Guess::of_text(text).map_or(0.0, |g| g.confidence);
        assert!(sure("ഞമ്മള് ഇങ്ങള് ബരാം") > sure("ബരാം"));
        assert!(sure("ഞമ്മള് ഇങ്ങള് ബരാം എന്തൂട്ടാ") < sure("ഞമ്മള് ഇങ്ങള് ബരാം"));
        assert_eq!(Guess::of_text("ഞമ്മള് എന്തൂട്ടാ"), None, "a tie");
    }

    #[test]
    fn districts_belong_to_the_old_states() {
        let cases = [
            (
                Dialect::Travancore,
                "Thiruvananthapuram,trivandrum,Kollam,Quilon,Pathanamthitta,Alappuzha,Alleppey,Kottayam,Idukki,Kottayam district,തിരുവനന്തപുരം,കൊല്ലം ജില്ല,Travancore,Kanyakumari",
            ),
            (
                Dialect::Malabar,
                "Kozhikode,CALICUT,Malappuram,Kannur,Cannanore,Kasaragod,Kasargod,Wayanad,Palakkad,Palghat,മലപ്പുറം,കോഴിക്കോട്,Malabar,Mahe",
            ),
            (
                Dialect::Cochin,
                "Ernakulam,Kochi,Cochin,Thrissur,Trichur,തൃശ്ശൂർ,എറണാകുളം,കൊച്ചി,Fort Kochi,Irinjalakuda,Kodungallur,Chalakudy",
            ),
        ];
        for (dialect, places) in cases {
            for place in places.split(',') {
                assert_eq!(Guess::of_place(place).map(|g| g.dialect), Some(dialect), "{place}");
            }
        }
        for place in ["", "Kerala", "Chennai", "Palakk", "district"] {
            assert_eq!(Guess::of_place(place), None, "{place}");
        }
    }

    #[test]
    fn words_and_places_are_weighed_together() {
        let both = Guess::of("ഞമ്മള് ബരാം", "Kozhikode").unwrap();
        assert!(both.confidence > Guess::of_text("ഞമ്മള് ബരാം").unwrap().confidence);
        let moved = Guess::of("ഞമ്മള് ബരാം", "Kollam").unwrap();
        assert_eq!(moved.dialect, Dialect::Malabar);
        assert!(moved.confidence < both.confidence);
        assert_eq!(Guess::of("ശരി", "Kollam").map(|g| g.dialect), Some(Dialect::Travancore));
        assert_eq!(Guess::of("ശരി", "Goa"), None);
        assert_eq!(" Malabar".parse(), Ok(Dialect::Malabar));
        assert!("kochi".parse::<Dialect>().is_err());
    }

    proptest! {
        #[test]
        fn any_text_gives_a_share_or_nothing(text in "[അ-ൿ ആഓള്ൻൽ\u{200D}a-z,.]{0,80}|\\PC{0,60}", place in "\\PC{0,20}") {
            if let Some(guess) = Guess::of(&text, &place) {
                prop_assert!(guess.confidence > 0.0 && guess.confidence <= 1.0);
            }
        }
    }
}
