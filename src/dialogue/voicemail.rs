//! Words that only machines answer a call with: networks that say whom they cannot reach, and boxes that
//! ask for a message.
//! Promise: what a person says who takes a call is not among them. Networks speak English, Hindi and the
//! state's language one after the other, so that all lists are looked through whatever the call is in.

use std::sync::LazyLock;

use super::words::fold;
use crate::base::Lang;

/// Parts of sentences, as they are written; compared as they are folded.
const PHRASES: [(Lang, &[&str]); 11] = [
    (
        Lang::En,
        &[
            "leave a message",
            "leave your message",
            "leave your name and number",
            "after the beep",
            "after the tone",
            "record your message",
            "person you are calling",
            "person you are trying to reach",
            "number you are calling",
            "number you have dialled",
            "number you have dialed",
            "subscriber you are calling",
            "you have reached the voicemail",
            "forwarded to voicemail",
        ],
    ),
    (
        Lang::Hi,
        &[
            "जिस व्यक्ति से",
            "जिस व्यक्ति को",
            "आप जिस नंबर",
            "बीप के बाद",
            "अपना संदेश छोड़",
            "अपना संदेश रिकॉर्ड",
            "पहुंच से बाहर है",
            "पहुँच से बाहर है",
        ],
    ),
    (
        Lang::Ta,
        &[
            "நீங்கள் அழைக்கும் நபர்",
            "நீங்கள் அழைக்கும் எண்",
            "நீங்கள் தொடர்பு கொள்ள",
            "பீப் ஒலிக்கு பிறகு",
            "பீப் ஒலிக்குப் பிறகு",
            "தொடர்பு எல்லைக்கு வெளியே",
        ],
    ),
    (Lang::Te, &["మీరు కాల్ చేస్తున్న", "మీరు డయల్ చేసిన", "బీప్ శబ్దం తర్వాత", "బీప్ తర్వాత", "మీ సందేశాన్ని రికార్డ్"]),
    (Lang::Ml, &["നിങ്ങൾ വിളിക്കുന്ന വ്യക്തി", "നിങ്ങൾ വിളിക്കുന്ന നമ്പർ", "ബീപ്പിന് ശേഷം", "ബീപ് ശബ്ദത്തിന് ശേഷം", "പരിധിക്ക് പുറത്താണ്"]),
    (Lang::Kn, &["ನೀವು ಕರೆ ಮಾಡುತ್ತಿರುವ", "ನೀವು ಕರೆ ಮಾಡಿದ", "ಬೀಪ್ ನಂತರ", "ಬೀಪ್ ಶಬ್ದದ ನಂತರ", "ವ್ಯಾಪ್ತಿ ಪ್ರದೇಶದ ಹೊರಗಿದ್ದಾರೆ"]),
    (Lang::Gu, &["તમે જે વ્યક્તિને", "તમે જે નંબર", "બીપ પછી", "બીપ બાદ", "તમારો સંદેશ છોડો"]),
    (
        Lang::Mr,
        &["आपण ज्या व्यक्तीशी", "आपण ज्या नंबरवर", "तुम्ही ज्या व्यक्तीला", "बीप नंतर", "आपला संदेश ठेवा", "संपर्क क्षेत्राच्या बाहेर"],
    ),
    (Lang::Bn, &["আপনি যে নম্বরে", "আপনি যে ব্যক্তিকে", "আপনি যাকে ফোন", "বিপের পর", "বিপ শব্দের পর", "আপনার বার্তা রাখুন"]),
    (Lang::Pa, &["ਤੁਸੀਂ ਜਿਸ ਵਿਅਕਤੀ", "ਤੁਸੀਂ ਜਿਸ ਨੰਬਰ", "ਬੀਪ ਤੋਂ ਬਾਅਦ", "ਆਪਣਾ ਸੁਨੇਹਾ ਛੱਡੋ", "ਪਹੁੰਚ ਤੋਂ ਬਾਹਰ ਹੈ"]),
    (Lang::Or, &["ଆପଣ ଯେଉଁ ବ୍ୟକ୍ତିଙ୍କୁ", "ଆପଣ ଯେଉଁ ନମ୍ବର", "ବିପ୍ ପରେ", "ବିପ୍ ଶବ୍ଦ ପରେ", "ଆପଣଙ୍କ ବାର୍ତ୍ତା ଛାଡନ୍ତୁ"]),
];

static FOLDED: LazyLock<Vec<String>> =
    LazyLock::new(|| PHRASES.iter().flat_map(|(_, phrases)| phrases.iter().map(|phrase| joined(phrase))).collect());

fn joined(text: &str) -> String {
    format!(" {} ", fold(text).join(" "))
}

/// Does a machine say this?
pub fn is_machine(text: &str) -> bool {
    let text = joined(text);
    // A phrase may end in the middle of a word, which takes endings in most of these languages.
    FOLDED.iter().any(|phrase| text.contains(phrase.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_known_by_their_words() {
        for text in [
            "Hi, this is Ravi. Please leave a message after the beep.",
            "The person you are calling is not available right now",
            "जिस व्यक्ति से आप संपर्क करना चाहते हैं वह अभी उपलब्ध नहीं है",
            "நீங்கள் அழைக்கும் நபர் தற்போது பேச இயலவில்லை",
            "మీరు కాల్ చేస్తున్న వ్యక్తి ప్రస్తుతం అందుబాటులో లేరు",
            "നിങ്ങൾ വിളിക്കുന്ന വ്യക്തി ഇപ്പോൾ ലഭ്യമല്ല",
            "ನೀವು ಕರೆ ಮಾಡುತ್ತಿರುವ ಚಂದಾದಾರರು ಲಭ್ಯವಿಲ್ಲ",
            "તમે જે વ્યક્તિને ફોન કરી રહ્યા છો તે ઉપલબ્ધ નથી",
            "तुम्ही ज्या व्यक्तीला फोन करत आहात",
            "আপনি যে নম্বরে ফোন করেছেন সেটি এখন বন্ধ আছে",
            "ਤੁਸੀਂ ਜਿਸ ਵਿਅਕਤੀ ਨੂੰ ਫ਼ੋਨ ਕਰ ਰਹੇ ਹੋ",
            "ଆପଣ ଯେଉଁ ବ୍ୟକ୍ତିଙ୍କୁ ଫୋନ କରୁଛନ୍ତି",
        ] {
            assert!(is_machine(text), "{text}");
        }
    }

    #[test]
    fn people_are_not() {
        for text in [
            "hello",
            "yes who is calling please",
            "he is not available now, call later",
            "I got your message after lunch",
            "हाँ बोलिए",
            "हाँ जी कौन बोल रहा है",
            "வணக்கம் யார் பேசுவது",
            "నమస్కారం ఎవరు",
            "ഹലോ ആരാണ്",
            "ಹಲೋ ಯಾರು",
            "",
        ] {
            assert!(!is_machine(text), "{text}");
        }
    }
}
