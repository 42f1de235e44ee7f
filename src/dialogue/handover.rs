//! What a person is told before they take a caller: who it is, what they speak, what they promised and
//! said last. Promise: nothing about the caller but the agent's own facts and the caller's words; the
//! lines are those of the catalogue. Absent on purpose: when it is said, and what the person answers.

use super::reply::Situation;
use super::speak;
use super::tags::Action;
use crate::base::{Lang, limits};

/// What the call knows of its caller.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    pub language: Lang,
    /// The caller's last words; empty: none are known.
    pub words: &'a str,
    /// The last promise to pay, as recorded.
    pub promised: Option<&'a Action>,
}

/// What is said to the person, piece by piece with its language: the caller's own words stay in theirs.
pub fn handover(at: &Situation<'_>, caller: &Caller<'_>) -> Vec<(Lang, String)> {
    let language = at.language;
    let mut said = vec![at.line("handover_call", &[("language", name_of(caller.language, language))])];
    let facts = at.agent.facts(language);
    if let Some(name) = facts.get("name") {
        said.push(at.line("handover_name", &[("name", name)]));
    }
    if let Some(Action::Promise { date }) = caller.promised {
        let spoken = speak::canonical_when(language, date);
        if !spoken.is_empty() {
            said.push(at.line("handover_promise", &[("due_date", &spoken)]));
        }
    }
    let words = shortened(caller.words);
    if words.is_empty() {
        return vec![(language, said.join(" "))];
    }
    said.push(at.line("handover_words", &[]));
    vec![(language, said.join(" ")), (caller.language, words)]
}

/// The end of what was said counts; cut between words.
fn shortened(words: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut length = 0;
    for word in words.split_whitespace().rev() {
        length += word.chars().count() + 1;
        if length > limits::CONSULT_WORDS_MAX {
            break;
        }
        kept.push(word);
    }
    kept.reverse();
    kept.join(" ")
}

/// The languages in the order of [`Lang::ALL`], as each of them calls the others.
const NAMES: [(Lang, [&str; 11]); 11] = [
    (
        Lang::En,
        [
            "English",
            "Hindi",
            "Tamil",
            "Telugu",
            "Malayalam",
            "Kannada",
            "Gujarati",
            "Marathi",
            "Bengali",
            "Punjabi",
            "Odia",
        ],
    ),
    (Lang::Hi, ["अंग्रेज़ी", "हिन्दी", "तमिल", "तेलुगु", "मलयालम", "कन्नड़", "गुजराती", "मराठी", "बांग्ला", "पंजाबी", "ओड़िया"]),
    (Lang::Ta, ["ஆங்கிலம்", "ஹிந்தி", "தமிழ்", "தெலுங்கு", "மலையாளம்", "கன்னடம்", "குஜராத்தி", "மராத்தி", "வங்காளம்", "பஞ்சாபி", "ஒடியா"]),
    (Lang::Te, ["ఇంగ్లీషు", "హిందీ", "తమిళం", "తెలుగు", "మలయాళం", "కన్నడ", "గుజరాతీ", "మరాఠీ", "బెంగాలీ", "పంజాబీ", "ఒడియా"]),
    (Lang::Ml, ["ഇംഗ്ലീഷ്", "ഹിന്ദി", "തമിഴ്", "തെലുങ്ക്", "മലയാളം", "കന്നഡ", "ഗുജറാത്തി", "മറാഠി", "ബംഗാളി", "പഞ്ചാബി", "ഒഡിയ"]),
    (Lang::Kn, ["ಇಂಗ್ಲಿಷ್", "ಹಿಂದಿ", "ತಮಿಳು", "ತೆಲುಗು", "ಮಲಯಾಳಂ", "ಕನ್ನಡ", "ಗುಜರಾತಿ", "ಮರಾಠಿ", "ಬಂಗಾಳಿ", "ಪಂಜಾಬಿ", "ಒಡಿಯಾ"]),
    (Lang::Gu, ["અંગ્રેજી", "હિન્દી", "તમિલ", "તેલુગુ", "મલયાલમ", "કન્નડ", "ગુજરાતી", "મરાઠી", "બંગાળી", "પંજાબી", "ઓડિયા"]),
    (Lang::Mr, ["इंग्रजी", "हिंदी", "तमिळ", "तेलुगू", "मल्याळम", "कन्नड", "गुजराती", "मराठी", "बंगाली", "पंजाबी", "ओडिया"]),
    (Lang::Bn, ["ইংরেজি", "হিন্দি", "তামিল", "তেলুগু", "মালয়ালম", "কন্নড়", "গুজরাটি", "মারাঠি", "বাংলা", "পাঞ্জাবি", "ওড়িয়া"]),
    (Lang::Pa, ["ਅੰਗਰੇਜ਼ੀ", "ਹਿੰਦੀ", "ਤਮਿਲ", "ਤੇਲਗੂ", "ਮਲਿਆਲਮ", "ਕੰਨੜ", "ਗੁਜਰਾਤੀ", "ਮਰਾਠੀ", "ਬੰਗਾਲੀ", "ਪੰਜਾਬੀ", "ਉੜੀਆ"]),
    (Lang::Or, ["ଇଂରାଜୀ", "ହିନ୍ଦୀ", "ତାମିଲ", "ତେଲୁଗୁ", "ମାଲାୟାଲମ", "କନ୍ନଡ଼", "ଗୁଜରାଟୀ", "ମରାଠୀ", "ବଙ୍ଗଳା", "ପଞ୍ଜାବୀ", "ଓଡ଼ିଆ"]),
];

/// How speakers of one language call another.
fn name_of(what: Lang, language: Lang) -> &'static str {
    let at = Lang::ALL.iter().position(|known| *known == what).unwrap_or_default();
    NAMES.iter().find(|(of, _)| *of == language).map_or(what.english_name(), |(_, names)| names[at])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::dialogue::agent::AgentFile;
    use crate::dialogue::book::Catalogue;

    #[test]
    fn every_language_has_a_name_in_every_script() {
        for (at, (language, names)) in NAMES.iter().enumerate() {
            assert_eq!(*language, Lang::ALL[at]);
            for name in names {
                assert!(name.chars().all(|c| language.writes(c) || !c.is_alphabetic()), "{language}: {name}");
            }
            let own = name_of(*language, *language);
            assert!(names.iter().filter(|name| **name == own).count() == 1, "{own}");
        }
        assert_eq!(name_of(Lang::Ta, Lang::Ml), "തമിഴ്");
    }

    #[test]
    fn a_person_hears_who_it_is_what_was_promised_and_what_was_said() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let catalogue = Catalogue::load(&root.join("prompts")).unwrap();
        let agents = AgentFile::load(&root.join("agents")).unwrap();
        let agent = agents.get("helpdesk").unwrap();
        let promise = Action::Promise { date: "5 June".to_owned() };
        for language in Lang::ALL {
            let at = Situation { agent, catalogue: &catalogue, language, question: None, times: 0, person: true };
            let caller = Caller {
                language: Lang::Ta, words: "மேனேஜர்கிட்ட பேசணும்", promised: Some(&promise)
            };
            let said = handover(&at, &caller);
            assert_eq!(said[1], (Lang::Ta, "மேனேஜர்கிட்ட பேசணும்".to_owned()));
            let (spoken_in, text) = &said[0];
            assert_eq!(*spoken_in, language);
            assert!(text.contains(name_of(Lang::Ta, language)), "{text}");
            assert!(text.contains(agent.facts(language).get("name").unwrap()), "{text}");
            assert!(!text.contains('{') && text.split_whitespace().count() > 12, "{text}");

            let unknown = agent.about(&[("customer name".to_owned(), String::new())]);
            let at = Situation { agent: &unknown, ..at };
            let vague = Action::Promise { date: "unspecified".to_owned() };
            let said = handover(&at, &Caller { language, words: " ", promised: Some(&vague) });
            assert_eq!(said.len(), 1, "no words, no name, no date: {said:?}");
            assert!(!said[0].1.contains(agent.facts(language).get("name").unwrap()));
        }
    }

    #[test]
    fn long_words_keep_their_end() {
        let long = "one two three ".repeat(40) + "the very end";
        let kept = shortened(&long);
        assert!(kept.ends_with("the very end") && kept.chars().count() <= limits::CONSULT_WORDS_MAX);
        assert_eq!(shortened(&"x".repeat(10_000)), "");
    }
}
