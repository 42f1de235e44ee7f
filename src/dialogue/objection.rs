//! "Do not record this": the wish in any of the languages, whenever it is said. Pure.
//!
//! Promise: a word for recording beside a word that stops or refuses is a wish; neither alone is one.
//! Whoever is taken at such a word wrongly is not recorded, which harms nobody. Absent on purpose: the
//! bare "no" to the notice (`call/consent.rs` knows when it answers that).

use std::sync::LazyLock;

use super::words::{fold, vocabulary};

/// A wish is short; a long story about records is not one.
const WORDS_MAX: usize = 16;

static RECORDING: LazyLock<Vec<String>> = LazyLock::new(|| {
    vocabulary(
        "record recording recorded रिकॉर्ड रिकार्ड रेकॉर्ड रेकॉर्डिंग रिकॉर्डिंग रिकार्डिंग ரெக்கார்ட் ரெக்கார்டு \
         ரெக்கார்டிங் ரெகார்ட் பதிவு రికార్డ్ రికార్డు రికార్డింగ్ റെക്കോർഡ് റെക്കോഡ് റെക്കോർഡിംഗ് റെക്കോർഡിങ് ರೆಕಾರ್ಡ್ \
         ರೆಕಾರ್ಡಿಂಗ್ રેકૉર્ડ રેકોર્ડ રેકૉર્ડિંગ રેકોર્ડિંગ રિકોર્ડ রেকর্ড রেকর্ডিং ਰਿਕਾਰਡ ਰਿਕਾਰਡਿੰਗ ରେକର୍ଡ ରେକର୍ଡିଂ ରେକର୍ଡିଙ୍ଗ",
    )
});

static REFUSING: LazyLock<Vec<String>> = LazyLock::new(|| {
    vocabulary(
        "no not dont stop off without never disable refuse mat nahi nahin band mana नहीं मत ना न बंद मना नको नका नाही थांबवा \
         வேண்டாம் வேணாம் பண்ணாதீங்க பண்ணாதே செய்யாதீர்கள் செய்யாதீங்க கூடாது நிறுத்துங்க நிறுத்துங்கள் వద్దు వద్దండి చేయకండి \
         చేయొద్దు చెయ్యొద్దు ఆపండి ఆపు വേണ്ട ചെയ്യരുത് ചെയ്യണ്ട ചെയ്യേണ്ട നിർത്തൂ നിർത്തുക ಬೇಡ ಮಾಡಬೇಡಿ ಮಾಡಬೇಡ ನಿಲ್ಲಿಸಿ ના \
         નહીં નહિ ન બંધ করবেন না নয় বন্ধ ਨਹੀਂ ਨਾ ਮਤ ਬੰਦ ନା ନାହିଁ ନାହି ବନ୍ଦ",
    )
});

/// Does the caller not want to be recorded?
pub fn to_recording(text: &str) -> bool {
    let words = fold(text);
    let any = |list: &[String]| words.iter().any(|word| list.contains(word));
    words.len() <= WORDS_MAX && any(&RECORDING) && any(&REFUSING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wish_in_every_language() {
        for text in [
            "Please don't record this call",
            "stop recording",
            "no recording please",
            "रिकॉर्ड मत कीजिए",
            "यह कॉल रिकॉर्डिंग बंद करो",
            "record mat karo",
            "பதிவு செய்யாதீங்க",
            "ரெக்கார்டிங் வேண்டாம்",
            "రికార్డ్ చేయకండి",
            "రికార్డింగ్ వద్దు",
            "റെക്കോർഡ് ചെയ്യരുത്",
            "ರೆಕಾರ್ಡ್ ಮಾಡಬೇಡಿ",
            "રેકૉર્ડ ન કરો",
            "रेकॉर्ड करू नका",
            "রেকর্ড করবেন না",
            "ਰਿਕਾਰਡ ਨਾ ਕਰੋ",
            "ରେକର୍ଡ କରନ୍ତୁ ନାହିଁ",
        ] {
            assert!(to_recording(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_such_wish() {
        for text in [
            "",
            "no",
            "नहीं",
            "is this call recorded",
            "you can record it",
            "हाँ रिकॉर्ड कर लीजिए",
            "I did not pay",
            "my payment is not in your records",
            "இந்த மாதம் பணம் கட்ட முடியாது",
        ] {
            assert!(!to_recording(text), "{text}");
        }
        assert!(!to_recording(&format!("{} stop record", "and then ".repeat(20))));
    }
}
