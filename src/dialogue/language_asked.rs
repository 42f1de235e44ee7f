//! "Speak in Tamil": the language a caller asks for, in any of the eleven languages. Promise: a
//! language that is merely mentioned, or that the caller does not speak, is not a wish.

use std::sync::LazyLock;

use crate::base::Lang;

use super::romanise::plain;
use super::words::{fold, vocabulary};

/// The language the caller wants to go on in; `None` if there is no such wish or it is unclear.
pub fn requested_language(text: &str) -> Option<Lang> {
    let words = fold(text);
    // A wish is short; a long story that mentions a language is not one.
    if words.is_empty() || words.len() > 16 {
        return None;
    }
    let mut wanted: Vec<(Lang, u8)> = Vec::new();
    let mentions: Vec<(usize, Mention)> =
        words.iter().enumerate().filter_map(|(i, w)| Some((i, mention(w)?))).collect();
    let asks = words.iter().any(|w| has(&TABLES.speak, w));
    for (n, (at, mention)) in mentions.iter().enumerate() {
        let end = mentions.get(n + 1).map_or(words.len(), |(next, _)| *next);
        let after = words.get(at + 1..end).unwrap_or_default();
        let before = at.checked_sub(1).and_then(|i| words.get(i)).map(String::as_str);
        let next = after.first().map(String::as_str);
        if before.is_some_and(|w| w == "from" || w == "not")
            || next.is_some_and(|w| ["से", "ਤੋਂ", "થી", "থেকে", "ରୁ", "నుంచి", "nahi", "nahin"].contains(&w))
            || unknown_to_caller(after, &words, *at)
        {
            continue;
        }
        let inside = mention.inside
            || next.is_some_and(|w| has(&TABLES.inside_after, w))
            || before.is_some_and(|w| has(&TABLES.inside_before, w));
        let strength = match (inside, asks) {
            (true, true) => 3,
            (true, false) if words.len() <= 4 => 2,
            (false, true) => 2,
            // "English please", "Hindi", "മലയാളം മതി".
            (false, false)
                if words.len() <= 2 && words.iter().all(|w| self::mention(w).is_some() || has(&TABLES.only, w)) =>
            {
                2
            }
            (false, false) if words.iter().any(|w| has(&TABLES.only, w)) && words.len() <= 5 => 1,
            _ => continue,
        };
        wanted.push((mention.lang, strength));
    }
    let best = wanted.iter().map(|(_, s)| *s).max()?;
    // "Punjabi or Hindi": the first of equals.
    wanted.into_iter().find(|(_, s)| *s == best).map(|(lang, _)| lang)
}

/// A word that names a language, perhaps with "in" attached to it.
struct Mention {
    lang: Lang,
    inside: bool,
}

fn mention(word: &str) -> Option<Mention> {
    let word = if word.is_ascii() { plain(word) } else { word.to_owned() };
    TABLES.names.iter().filter(|(stem, _)| word.starts_with(stem.as_str())).max_by_key(|(stem, _)| stem.len()).and_then(
        |(stem, lang)| {
            let rest = word.get(stem.len()..).unwrap_or_default();
            let long = rest.chars().count();
            // "Bengaluru" and "Tamil Nadu's" are no languages; case endings are short.
            (long <= 8 && !TABLES.places.iter().any(|p| word.starts_with(p.as_str()))).then(|| Mention {
                lang: *lang,
                inside: TABLES.inside_ending.iter().any(|e| rest.contains(e.as_str())),
            })
        },
    )
}

/// "I don't know Hindi": the name is followed by a word of not knowing, or English word order.
fn unknown_to_caller(after: &[String], words: &[String], at: usize) -> bool {
    if after.iter().take(4).any(|w| has(&TABLES.unknown, w)) {
        return true;
    }
    // Bengali says "not" after the verb with a word that elsewhere is mere politeness.
    let knows = ["বুঝি", "জানি", "পারি", "আসে", "বলি", "bujhi", "jani", "pari", "ashe", "ase"];
    if after.windows(2).any(|w| matches!(w, [verb, no] if knows.contains(&verb.as_str()) && (no == "না" || no == "na")))
    {
        return true;
    }
    let before = words.get(..at).unwrap_or_default().join(" ");
    [
        "dont know",
        "dont understand",
        "dont speak",
        "do not know",
        "do not understand",
        "do not speak",
        "cant speak",
        "cannot speak",
        "cant understand",
        "not in",
    ]
    .iter()
    .any(|p| before.rfind(p).is_some_and(|i| before.len() - i - p.len() <= 12))
}

fn has(list: &[String], word: &str) -> bool {
    if word.is_ascii() {
        let word = plain(word);
        list.contains(&word)
    } else {
        // Indian verbs are inflected at their end, so stems are compared.
        list.iter().any(|w| !w.is_ascii() && word.starts_with(w.as_str()))
    }
}

struct Tables {
    names: Vec<(String, Lang)>,
    places: Vec<String>,
    inside_ending: Vec<String>,
    inside_after: Vec<String>,
    inside_before: Vec<String>,
    speak: Vec<String>,
    only: Vec<String>,
    unknown: Vec<String>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| {
    let list = |text: &str| -> Vec<String> {
        vocabulary(text).into_iter().map(|w| if w.is_ascii() { plain(&w) } else { w }).collect()
    };
    Tables {
        names: NAMES.iter().flat_map(|(lang, stems)| list(stems).into_iter().map(|s| (s, *lang))).collect(),
        places: list("englan bengaluru பெங்களூர் బెంగళూరు ബാംഗ്ലൂർ ಬೆಂಗಳೂರು ಕನ್ನಡಕ"),
        inside_ending: vocabulary(
            "ல த்த ல் లో లొ ൽ ത്തിൽ യിൽ ದಲ್ಲಿ ನಲ್ಲಿ ಯಲ್ಲಿ ಲ್ಲಿ માં त ीत ूत মধ্যে তে য় য়ে ে লে ਚ ରେ ക്ക് ಗೆ కి க்கு लेक ലേക്ക്",
        ),
        inside_after: list(
            "में मे मधे मध्ये ਵਿੱਚ ਵਿਚ ਚ భాషలో भाषा ভাষায় ভাষাতে ഭാഷയിൽ ഭാഷ ಭಾಷೆಯಲ್ಲಿ ಭಾಷೆ મા భాష மொழியில் மொழியில mein me men madhe vich ma la lo il alli te re thil yil language bhasha bhasa",
        ),
        inside_before: list("in into to only"),
        speak: list(SPEAK),
        only: list(ONLY),
        unknown: list(UNKNOWN),
    }
});

const NAMES: &[(Lang, &str)] = &[
    (
        Lang::En,
        "english inglish angrezi angreji ingreji inglis अंग्रेज अंग्रेजी अँग्रेज़ इंग्लिश इंगलिश इंग्रज आंग्ल ইংরেজ ইংলিশ ইংরাজ ਅੰਗਰੇਜ਼ ਇੰਗਲਿਸ਼ અંગ્રેજ ઇંગ્લિશ ઈંગ્લિશ ଇଂରାଜ ଇଂଲିଶ ଇଂଲିଶ୍ ଇଂରେଜ இங்கிலீஷ் இங்கிலிஷ் இங்கிலீஷ ஆங்கில ఇంగ్లీష్ ఇంగ్లీషు ఇంగ్లిష్ ఆంగ్ల ಇಂಗ್ಲಿಷ್ ಇಂಗ್ಲೀಷ್ ಆಂಗ್ಲ ഇംഗ്ലീഷ് ഇംഗ്ലീഷ ആംഗലേയ",
    ),
    (Lang::Hi, "hindi hindhi हिंद हिन्द হিন্দি হিন্দী ਹਿੰਦੀ ਹਿੰਦ હિન્દી હિંદી ହିନ୍ଦୀ ହିନ୍ଦି ஹிந்தி இந்தி హిందీ హింది ಹಿಂದಿ ಹಿಂದೀ ഹിന്ദി"),
    (
        Lang::Ta,
        "tamil thamil tamizh thamizh तमिल तामिल तमिळ তামিল ਤਮਿਲ ਤਾਮਿਲ તમિલ તામિલ ତାମିଲ தமிழ் தமிழ తమిళ తమిళం ತಮಿಳ ತಮಿಳು തമിഴ് തമിഴ",
    ),
    (
        Lang::Te,
        "telugu telegu thelugu తెలుగు తెలుగ तेलुगु तेलुगू तेलगू তেলুগু তেলেগু ਤੇਲਗੂ ਤੇਲੁਗੂ ਤੇਲਗੁ તેલુગુ તેલુગૂ ତେଲୁଗୁ ତେଲେଗୁ தெலுங்கு தெலுங்க தெலுகு ತೆಲುಗು ತೆಲುಗ തെലുങ്ക് തെലുങ്ക തെലുഗു",
    ),
    (
        Lang::Ml,
        "malayalam malayala मलयालम मलयाळम मल्याळम মালয়ালম মালায়ালম ਮਲਿਆਲਮ ਮਲਯਾਲਮ મલયાલમ ମାଲାୟାଲମ ମଲୟାଲମ மலையாள மலையாளம் మలయాళ మలయాళం ಮಲಯಾಳ ಮಲಯಾಳಂ ಮಲೆಯಾಳ മലയാള മലയാളം",
    ),
    (
        Lang::Kn,
        "kannada kannad kanada ಕನ್ನಡ कन्नड कन्नडा कानडी কন্নড় কানাড় ਕੰਨੜ ਕੰਨਡ કન્નડ କନ୍ନଡ଼ କନ୍ନଡ କାନାଡ கன்னட கன்னடம் కన్నడ കന്നഡ കന്നട",
    ),
    (
        Lang::Gu,
        "gujarati gujrati ગુજરાતી ગુજરાતિ गुजराती গুজরাটি গুজরাতি ਗੁਜਰਾਤੀ ଗୁଜରାଟୀ ଗୁଜୁରାଟୀ ଗୁଜରାତି குஜராத்தி గుజరాతీ గుజరాతి ಗುಜರಾತಿ ഗുജറാത്തി",
    ),
    (Lang::Mr, "marathi maraathi मराठी मराठि মারাঠি মরাঠি ਮਰਾਠੀ મરાઠી ମରାଠୀ ମରାଠି மராத்தி மராட்டி మరాఠీ మరాఠి మరాటీ ಮರಾಠಿ മറാഠി മറാത്തി"),
    (
        Lang::Bn,
        "bengali bangla bangali বাংলা বাঙলা বাংলায় বাঙালি बंगाली बांग्ला बंगला बाङ्ला ਬੰਗਾਲੀ ਬੰਗਲਾ ਬਾਂਗਲਾ બંગાળી બાંગ્લા બંગાલી ବଙ୍ଗଳା ବଙ୍ଗଳ ବଙ୍ଗାଳୀ ବଙ୍ଗଲା பெங்காலி வங்காள வங்காளம் பெங்கால பங்களா బెంగాలీ బెంగాలి బంగ్లా ಬೆಂಗಾಲಿ ಬಂಗಾಳಿ ಬಂಗಾಲಿ ബംഗാളി ബംഗ്ല ബംഗ്ളാ",
    ),
    (Lang::Pa, "punjabi panjabi ਪੰਜਾਬੀ पंजाबी পাঞ্জাবি পঞ্জাবি પંજાબી ପଞ୍ଜାବୀ ପଞ୍ଜାବି பஞ்சாபி పంజాబీ పంజాబి ಪಂಜಾಬಿ പഞ്ചാബി"),
    (
        Lang::Or,
        "odia oriya odiya ଓଡ଼ିଆ ଓଡିଆ ओडिया उड़िया ओड़िया ओरिया उडिया ওড়িয়া উড়িয়া ওডিয়া ਓੜੀਆ ਉੜੀਆ ਓਡੀਆ ਉੜੀਸਾ ਓਡੀਸ਼ਾ ઓડિયા ઉડિયા ઓડિઆ ઊડિયા ஒடியா ஒரியா ఒడియా ఒరియా ఒడియ ಒಡಿಯಾ ಒರಿಯಾ ಒಡಿಯ ഒഡിയ ഒറിയ ഒഡീയ",
    ),
];

/// Stems of speaking, explaining, changing, wanting, knowing.
const SPEAK: &str = "speak speaks speaking talk tell explain say switch change continue convert reply answer connect transfer comfortable prefer want need know understand \
    bolo boliye bolie bolna bol bolen baat batao bataiye bataie samjhao samjhaiye karo chahiye badlo badal badliye ati aati bola sanga sangaa kaho vaat gal gall daso dasso bolun bolte kotha kuhantu kuha katha \
    pesunga pesu pesa sollunga sollu matladandi matladu cheppandi maatadi matadi mathadi heli samsarikku samsarikkoo samsarikkamo parayu parayoo parayamo para \
    बोल बात बता बताइ समझा कह कर चाहिए चाहता चाहती बदल आती आता सुन सांग बोला समजाव येते येतं येईल हवी हवं हवे पाहिजे बदला कळत \
    বল বলুন কথা বোঝা বুঝি বদল চাই জান পার হবে সুবিধা করে \
    ਬੋਲ ਗੱਲ ਗਲ ਦੱਸ ਦਸ ਸਮਝਾ ਬਦਲ ਆਉਂਦ ਚਾਹੀਦ ਕਰ \
    બોલ વાત કહ કહો સમજાવ બદલ આવડ જોઈ કર ફાવ \
    କୁହ କହ କଥା ବୁଝା ବୁଝି ବଦଳ ଜାଣ ଦରକାର ହୋଇ ସୁବିଧା ହେବ \
    பேச பேசு சொல்ல சொல்லு மாத்து மாற்ற மாத்த வேணும் வேண்டும் தெரியும் தெரிய புரியும் விளக்க சொன்ன வேணு \
    మాట్లాడ చెప్ప చెబు మార్చ కావాలి వచ్చా వస్తుంది తెలుసు అర్థం వివరి \
    ಮಾತಾಡ ಮಾತನಾಡ ಹೇಳ ಹೇಳಿ ಬದಲಾಯಿ ಬೇಕು ಬರುತ್ತ ಬರುತ್ತೆ ಗೊತ್ತು ಗೊತ್ತಾ ತಿಳಿ ಅರ್ಥ \
    പറയ പറയൂ പറ സംസാരി മാറ്റ വേണം അറിയാമോ അറിയാം അറിയുമോ മനസ്സിലാ";

/// "only", "please", "enough", "will do": a bare name with one of these is a wish too.
const ONLY: &str = "only please plz pls prefer better enough ji sir madam na hi ok haan yes mein \
    प्लीज़ प्लीज जी ही फक्त चालेल चलेगी चलेगा ठीक हां मतलब ना \
    প্লিজ প্লীজ শুধু চলবে \
    ਪਲੀਜ਼ ਜੀ ਹੀ ਚੱਲੇਗ \
    પ્લીઝ જી જ ચાલશે ફક્ત \
    ପ୍ଲିଜ୍ କେବଳ ଚଳିବ \
    ப்ளீஸ் மட்டும் போதும் ஓகே \
    ప్లీజ్ చాలు మాత్రమే ఓకే \
    ಪ್ಲೀಸ್ ಸಾಕು ಮಾತ್ರ ಓಕೆ \
    പ്ലീസ് മതി മാത്രം ഓക്കെ";

/// Not knowing, not understanding, not wanting.
const UNKNOWN: &str = "dont not no cant cannot nahi nahin nahiin nathi nai illa illai theriyathu theriyadhu raadu radu ledu ariyilla baralla gothilla gottilla vendam vaddu beda venda nako janina \
    नहीं नही मत नाही नको नाहीत \
    নেই নয় জানিনা বুঝিনা \
    ਨਹੀਂ ਨਹੀ \
    નથી નહીં નહિ \
    ନାହିଁ ନୁହେଁ ବୁଝେନି ଜାଣେନି ଜାଣିନି ବୁଝିପାରେନି ଆସେନି \
    தெரியாது தெரியல புரியாது புரியல வேண்டாம் வேணாம் வராது இல்ல \
    రాదు తెలియదు అర్థంకాదు వద్దు కాదు లేదు రావడం \
    ಬರಲ್ಲ ಬರೋದಿಲ್ಲ ಬರುವುದಿಲ್ಲ ಗೊತ್ತಿಲ್ಲ ಬೇಡ ಅಲ್ಲ ಇಲ್ಲ ಅರ್ಥವಾಗ ತಿಳಿಯ \
    അറിയില്ല അറിഞ്ഞൂടാ മനസ്സിലാകി മനസ്സിലാവി വേണ്ട അല്ല ഇല്ല";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_understood_in_every_language() {
        for (text, expected) in [
            ("speak in Tamil", Lang::Ta),
            ("can you talk in Hindi please", Lang::Hi),
            ("English please", Lang::En),
            ("I don't know Hindi, please speak in English", Lang::En),
            ("switch from Hindi to Bengali", Lang::Bn),
            ("तमिल में बोलिए", Lang::Ta),
            ("मुझे हिन्दी नहीं आती, मराठी में बताइए", Lang::Mr),
            ("ओड़िया में बात हो सकती है", Lang::Or),
            ("क्या आप तमिल में बात कर सकते हैं", Lang::Ta),
            ("hindi mein boliye", Lang::Hi),
            ("English me baat karo na", Lang::En),
            ("मराठीत बोला", Lang::Mr),
            ("मला इंग्रजीत सांगा", Lang::En),
            ("தமிழ்ல பேசுங்க", Lang::Ta),
            ("எனக்கு தமிழ் தெரியாது ஹிந்தி வேணும்", Lang::Hi),
            ("ஆங்கிலத்துக்கு மாத்துங்க", Lang::En),
            ("తెలుగులో మాట్లాడండి", Lang::Te),
            ("నాకు తెలుగు రాదు హిందీ కావాలి", Lang::Hi),
            ("മലയാളത്തിൽ പറയൂ", Lang::Ml),
            ("തമിഴിൽ പറയൂ", Lang::Ta),
            ("എനിക്ക് മലയാളം അറിയില്ല ഹിന്ദി മതി", Lang::Hi),
            ("ಕನ್ನಡದಲ್ಲಿ ಮಾತಾಡಿ", Lang::Kn),
            ("ಇಂಗ್ಲಿಷ್\u{200C}ಗೆ ಬದಲಾಯಿಸಿ", Lang::En),
            ("ગુજરાતીમાં વાત કરો", Lang::Gu),
            ("મને ગુજરાતી નથી આવડતું હિન્દીમાં બોલો", Lang::Hi),
            ("বাংলায় বলুন না", Lang::Bn),
            ("ইংরেজিতে কথা বলা যাবে?", Lang::En),
            ("ਪੰਜਾਬੀ ਵਿੱਚ ਗੱਲ ਕਰੋ", Lang::Pa),
            ("ਤੇਲਗੂ ਵਿੱਚ ਬੋਲ ਸਕਦੇ ਹੋ", Lang::Te),
            ("ଓଡ଼ିଆରେ କୁହନ୍ତୁ", Lang::Or),
            ("ମୁଁ ଓଡ଼ିଆ ଭଲ ବୁଝେନି, ହିନ୍ଦୀରେ କୁହନ୍ତୁ", Lang::Hi),
            ("Kannadadalli maatadi", Lang::Kn),
            ("tamilla pesunga", Lang::Ta),
        ] {
            assert_eq!(requested_language(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_mention_is_not_a_wish() {
        for text in [
            "",
            "hello",
            "मेरी बेटी हिंदी की किताब पढ़ती है",
            "my Tamil friend will pay tomorrow",
            "I live in Bengaluru",
            "मुझे हिन्दी नहीं आती",
            "எனக்கு ஹிந்தி தெரியாது",
            "उर्दू में बोलिए",
            "भाषा बदल दीजिए",
            "हाँ बोलिए",
        ] {
            assert_eq!(requested_language(text), None, "{text}");
        }
    }
}
