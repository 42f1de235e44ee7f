//! Has the caller finished? Promise: from the words alone, and without waiting, a turn is called
//! complete, open or unknown; Indian languages put the verb last, so the last words decide.
//! Absent on purpose: silence itself and clocks (`media` measures, the turn adds the two up).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::Lang;

use super::ending_words::{Words, words_of};
use super::utterance::{address, only_known};
use super::words::{fold, is_number};

/// What the flow step waits for; it changes how much silence is patient enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expects {
    #[default]
    Anything,
    YesNo,
    Amount,
    Date,
    /// A run of so many digits; 0 when the length is not known.
    Digits(usize),
    Name,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown expectation {0:?}; there are anything yes_no amount date name digits digits:N")]
pub struct UnknownExpectation(pub String);

impl std::str::FromStr for Expects {
    type Err = UnknownExpectation;

    /// As the command line takes it: `anything`, `yes_no`, `amount`, `date`, `name`, `digits:10`.
    fn from_str(text: &str) -> Result<Self, UnknownExpectation> {
        let (kind, count) = text.split_once([':', '=']).unwrap_or((text, "0"));
        let count = count.trim().parse();
        match (kind.trim().to_lowercase().replace('-', "_").as_str(), count) {
            ("anything" | "any", _) => Ok(Self::Anything),
            ("yes_no" | "yesno", _) => Ok(Self::YesNo),
            ("amount", _) => Ok(Self::Amount),
            ("date", _) => Ok(Self::Date),
            ("name", _) => Ok(Self::Name),
            ("digits", Ok(n)) => Ok(Self::Digits(n)),
            _ => Err(UnknownExpectation(text.to_owned())),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Completeness {
    Complete,
    /// More must follow: a postposition, a conjunction, a half-read number.
    Open,
    Unknown,
}

use Completeness::{Complete, Open, Unknown};

/// How finished a caller's words are.
pub fn completeness(lang: Lang, text: &str, expects: Expects) -> Completeness {
    let said = fold(text);
    let heard = Heard {
        lang,
        native: &words_of(lang).native,
        roman: &words_of(lang).roman,
        english: &words_of(Lang::En).native,
    };
    // "sir", "ji", "please" come after a finished sentence or a broken one alike.
    let kept = said.iter().rposition(|w| !address(w)).map_or(said.len(), |at| at + 1);
    let said = said.get(..kept).unwrap_or_default();
    let Some(last) = said.last() else { return Unknown };

    let digits = heard.digits(said);
    let ends_in_digit = heard.any(|w| w.digit(last));
    match expects {
        Expects::Digits(wanted) if digits > 0 && (ends_in_digit || is_number(last)) => {
            return match wanted {
                0 if digits >= 10 => Complete,
                n if n > 0 && digits >= n => Complete,
                _ => Open,
            };
        }
        Expects::Digits(_) if heard.any(|w| w.times(last) > 1) => return Open,
        // "five" may go on with "thousand", "five thousand" with "two hundred".
        Expects::Amount if ends_in_digit => return Open,
        Expects::Amount if is_number(last) || heard.any(|w| w.number(last)) => return Unknown,
        Expects::Amount if heard.any(|w| w.currency(last)) => return Complete,
        Expects::Date if heard.any(|w| w.day(last)) => return Complete,
        Expects::Date if is_number(last) || ends_in_digit || heard.any(|w| w.number(last)) => return Open,
        _ => {}
    }
    // Two digits one after the other: somebody reads out a number.
    let run = said.iter().rev().take_while(|w| is_number(w) || heard.any(|l| l.digit(w) || l.times(w) > 1)).count();
    if run >= 2 && expects != Expects::YesNo {
        return if digits >= 10 { Complete } else { Open };
    }
    match heard.by_words(said, last) {
        Unknown if expects == Expects::Name && !heard.any(|w| w.introduces(said)) => {
            if said.len() >= 2 {
                Complete
            } else {
                Unknown
            }
        }
        Unknown
            if expects == Expects::YesNo
                && said.first().is_some_and(|w| only_known(lang, std::slice::from_ref(w), true)) =>
        {
            Complete
        }
        other => other,
    }
}

/// The lists a caller of one language is heard with: callers mix in romanised and English words.
struct Heard {
    lang: Lang,
    native: &'static Words,
    roman: &'static Words,
    english: &'static Words,
}

impl Heard {
    fn any(&self, test: impl Fn(&Words) -> bool) -> bool {
        test(self.native) || test(self.roman) || test(self.english)
    }

    fn by_words(&self, said: &[String], last: &str) -> Completeness {
        if self.any(|w| w.hesitates(said)) {
            return Open;
        }
        if only_known(self.lang, said, true)
            || self.native.closed(said)
            || self.roman.closed(said)
            || self.english.closed(said)
        {
            return Complete;
        }
        let romanised = self.lang != Lang::En && last.is_ascii();
        if romanised {
            return match (self.roman.finite(last), self.roman.open(last)) {
                (true, _) => Complete,
                (_, true) => Open,
                _ if self.english.open(last) && said.len() >= 2 => Open,
                _ if said.iter().all(|w| w.is_ascii()) => self.sentence(said),
                _ => Unknown,
            };
        }
        if self.lang == Lang::En {
            let asks = ["where", "which", "what", "who", "whom", "how"];
            let question = said.iter().take(2).any(|w| asks.contains(&w.as_str())) && said.len() >= 4;
            // "Which bank are you from": a question may end in its preposition.
            return if self.native.open(last) && !question { Open } else { self.sentence(said) };
        }
        let before = said.get(said.len().saturating_sub(3)..said.len() - 1).unwrap_or_default();
        if self.native.open(last) {
            // "I have understood, I": the subject is put behind a finished sentence.
            let follows = self.native.postposed(last) && before.iter().any(|w| self.native.finite(w));
            return if follows { Unknown } else { Open };
        }
        if self.native.finite(last) || (said.len() > 1 && self.native.particle(last)) {
            return Complete;
        }
        Unknown
    }

    /// English puts the verb in the middle: a sentence that has one and goes on after it is finished.
    fn sentence(&self, said: &[String]) -> Completeness {
        match said.iter().position(|w| self.english.finite(w)) {
            Some(at) if at + 1 < said.len() && said.len() >= 3 => Complete,
            Some(_) if said.len() >= 2 && said.last().is_some_and(|w| self.english.particle(w)) => Complete,
            _ => Unknown,
        }
    }

    /// Digits read so far: "nine eight double seven" are four.
    fn digits(&self, said: &[String]) -> usize {
        let (mut count, mut times) = (0, 1);
        for word in said {
            if is_number(word) {
                count += word.chars().filter(char::is_ascii_digit).count() * times;
                times = 1;
            } else if self.any(|w| w.digit(word)) {
                count += times;
                times = 1;
            } else {
                times = [self.native, self.roman, self.english].iter().map(|w| w.times(word)).max().unwrap_or(1);
            }
        }
        count
    }
}

/// Silence after which the turn is the caller's no more.
pub const fn silence_needed(completeness: Completeness, expects: Expects) -> Duration {
    Duration::from_millis(match (completeness, expects) {
        (Complete, _) => 350,
        // Callers look the digits up while they read them.
        (Open, Expects::Digits(_)) => 1_500,
        (Unknown, Expects::Digits(_)) => 1_200,
        (Open, Expects::Amount | Expects::Date) => 1_200,
        (Unknown, Expects::Amount | Expects::Date | Expects::Name) => 800,
        (Unknown, Expects::YesNo) => 500,
        (Unknown, Expects::Anything) => 600,
        (Open, _) => 900,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_tell_whether_more_will_come() {
        for (lang, complete, open) in [
            (
                Lang::En,
                ["yes", "I will pay tomorrow", "what is the due date"],
                ["I want to", "my number is", "because the"],
            ),
            (Lang::Hi, ["हाँ", "मैं कल भर दूँगा", "कितना देना है सर"], ["मेरे लोन का", "मैंने कल ही लेकिन", "वो मतलब"]),
            (Lang::Ta, ["ஆமா", "நாளைக்கு கட்டிடுறேன்", "எவ்வளவு கட்டணும்"], ["என்னோட", "நான் நேத்து ஆனா", "அது வந்து"]),
            (Lang::Te, ["అవును", "రేపు కట్టేస్తాను", "ఎంత కట్టాలి"], ["నేను", "డబ్బులు ఉన్నాయి కానీ", "అది మరి"]),
            (Lang::Ml, ["അതെ", "നാളെ അടയ്ക്കാം", "എത്ര അടയ്ക്കണം"], ["എന്റെ", "ഞാൻ അടച്ചു പക്ഷേ", "അത് പിന്നെ"]),
            (Lang::Kn, ["ಹೌದು", "ನಾಳೆ ಕಟ್ತೀನಿ", "ಎಷ್ಟು ಕಟ್ಟಬೇಕು"], ["ನನ್ನ", "ದುಡ್ಡು ಇದೆ ಆದ್ರೆ", "ಅದು ಬಂದು"]),
            (Lang::Gu, ["હા", "હું કાલે ભરી દઈશ", "કેટલા પૈસા ભરવાના છે"], ["મારી લોનનો", "પૈસા છે પણ", "એટલે કે"]),
            (Lang::Mr, ["हो", "मी उद्या भरतो", "किती पैसे भरायचे आहेत"], ["माझ्या", "पैसे आहेत पण", "म्हणजे की"]),
            (Lang::Bn, ["হ্যাঁ", "কাল দিয়ে দেব", "কত টাকা দিতে হবে"], ["আমার", "টাকা আছে কিন্তু", "ইয়ে মানে"]),
            (Lang::Pa, ["ਹਾਂ ਜੀ", "ਮੈਂ ਕੱਲ੍ਹ ਭਰ ਦਿਆਂਗਾ", "ਕਿੰਨੇ ਪੈਸੇ ਦੇਣੇ ਹਨ"], ["ਮੇਰੇ ਲੋਨ ਦਾ", "ਪੈਸੇ ਹਨ ਪਰ", "ਮਤਲਬ ਕਿ"]),
            (Lang::Or, ["ହଁ", "ମୁଁ କାଲି ଦେଇଦେବି", "କେତେ ଟଙ୍କା ଦେବାକୁ ହେବ"], ["ମୋର", "ଟଙ୍କା ଅଛି କିନ୍ତୁ", "ମାନେ ଇଏ"]),
        ] {
            for text in complete {
                assert_eq!(completeness(lang, text, Expects::Anything), Complete, "{lang}: {text}");
            }
            for text in open {
                assert_eq!(completeness(lang, text, Expects::Anything), Open, "{lang}: {text}");
            }
        }
    }

    #[test]
    fn romanised_speech_ends_like_its_language() {
        for (lang, text, expected) in [
            (Lang::Hi, "main kal bhar dunga", Complete),
            (Lang::Hi, "mujhe loan ka", Open),
            (Lang::Hi, "woh matlab", Open),
            (Lang::Ta, "naalaiku kattiduren", Complete),
            (Lang::Ta, "enakku", Open),
            (Lang::Te, "repu kadatanu", Complete),
            (Lang::Ml, "njan nale adakkam", Complete),
            (Lang::Kn, "naale kattini", Complete),
            (Lang::Bn, "ami kal diye debo", Complete),
            (Lang::Mr, "mi udya bharto", Complete),
            (Lang::Hi, "I will pay tomorrow", Complete),
        ] {
            assert_eq!(completeness(lang, text, Expects::Anything), expected, "{lang}: {text}");
        }
    }

    #[test]
    fn what_is_expected_decides_about_numbers() {
        for (lang, text, expects, expected) in [
            (Lang::Hi, "नौ आठ सात", Expects::Digits(10), Open),
            (Lang::Hi, "9876543210", Expects::Digits(10), Complete),
            (Lang::Hi, "98765 432", Expects::Digits(10), Open),
            (Lang::En, "nine eight double seven", Expects::Digits(4), Complete),
            (Lang::En, "nine eight double", Expects::Digits(4), Open),
            (Lang::En, "my number is nine eight", Expects::Anything, Open),
            (Lang::Ta, "ஒன்பது எட்டு ஏழு", Expects::Digits(0), Open),
            (Lang::Te, "తొమ్మిది ఎనిమిది", Expects::Digits(0), Open),
            (Lang::Ml, "ഒമ്പത് എട്ട് ഏഴ് ആറ്", Expects::Digits(4), Complete),
            (Lang::Kn, "nine eight seven six", Expects::Digits(4), Complete),
            (Lang::Hi, "पाँच", Expects::Amount, Open),
            (Lang::Hi, "पाँच हज़ार", Expects::Amount, Unknown),
            (Lang::Hi, "पाँच हज़ार रुपये", Expects::Amount, Complete),
            (Lang::Bn, "৫০০ টাকা", Expects::Amount, Complete),
            (Lang::En, "tomorrow", Expects::Date, Complete),
            (Lang::En, "five", Expects::Date, Open),
            (Lang::Hi, "पाँच जून", Expects::Date, Complete),
            (Lang::Ta, "நாளைக்கு", Expects::Date, Complete),
            (Lang::Gu, "સોમવારે", Expects::Date, Complete),
            (Lang::Or, "କାଲି", Expects::Date, Complete),
            (Lang::En, "my name is", Expects::Name, Open),
            (Lang::En, "Ramesh", Expects::Name, Unknown),
            (Lang::Hi, "रमेश कुमार", Expects::Name, Complete),
            (Lang::Pa, "ਹਾਂ ਜੀ ਭਾਜੀ", Expects::YesNo, Complete),
            (Lang::En, "I want to come tomorrow at 11", Expects::Anything, Complete),
            (Lang::En, "my number is 98765 43210", Expects::Anything, Complete),
            (Lang::Hi, "लिंक भेज सकते हैं पेमेंट का", Expects::Anything, Unknown),
            (Lang::Hi, "", Expects::Anything, Unknown),
        ] {
            assert_eq!(completeness(lang, text, expects), expected, "{lang}: {text} ({expects:?})");
        }
    }

    #[test]
    fn finished_turns_wait_least_and_digits_wait_longest() {
        let all =
            [Expects::Anything, Expects::YesNo, Expects::Amount, Expects::Date, Expects::Digits(10), Expects::Name];
        for expects in all {
            assert_eq!(silence_needed(Complete, expects), Duration::from_millis(350));
            assert!(silence_needed(Unknown, expects) <= silence_needed(Open, expects));
            assert!(silence_needed(Open, expects) <= silence_needed(Open, Expects::Digits(0)));
        }
        assert_eq!(silence_needed(Unknown, Expects::Anything), Duration::from_millis(600));
        assert_eq!(silence_needed(Open, Expects::Anything), Duration::from_millis(900));
    }

    #[test]
    fn expectations_are_written_as_people_write_them() {
        for (text, expected) in [
            ("anything", Some(Expects::Anything)),
            ("yes_no", Some(Expects::YesNo)),
            ("YES-NO", Some(Expects::YesNo)),
            ("digits", Some(Expects::Digits(0))),
            ("digits:10", Some(Expects::Digits(10))),
            ("digits:x", None),
            ("colour", None),
        ] {
            assert_eq!(text.parse().ok(), expected, "{text}");
        }
    }
}
