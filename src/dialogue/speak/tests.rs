use std::collections::HashSet;

use proptest::prelude::*;
use unicode_normalization::is_nfc;

use super::scan::digit_value;
use super::words::{Words, of};
use super::{amount, canonical_when, clock, date, digits, names_an_hour, number, spoken};
use crate::base::Lang;

/// One line a case: language, what is written, what is said.
fn check(cases: &str) {
    for line in cases.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (lang, rest) = line.split_once(' ').expect("a language");
        let (written, said) = rest.split_once(" => ").expect("an arrow");
        assert_eq!(spoken(lang.parse().expect("a known language"), written), said, "{line}");
    }
}

#[test]
fn zero_to_hundred_have_different_names_without_digits() {
    for lang in Lang::ALL {
        let names: HashSet<String> = (0..=100).map(|n| number(lang, n)).collect();
        assert_eq!(names.len(), 101, "{lang}");
        for name in names {
            let own = |c: char| lang.writes(c) || matches!(c, ' ' | '-' | '\u{200D}');
            assert!(name.chars().all(own), "{lang}: {name}");
        }
    }
}

#[test]
fn tables_are_nfc_and_hold_no_digits() {
    fn texts(words: &'static Words) -> Vec<&'static str> {
        let mut texts: Vec<&str> = words.small.to_vec();
        texts.extend(words.hundreds.iter().flat_map(|(a, b)| [*a, *b]));
        for scale in [&words.thousand, &words.lakh, &words.crore] {
            texts.extend([scale.one, scale.one_more, scale.many, scale.many_more]);
        }
        texts.extend(words.months.iter().chain(&words.weekdays).chain(&words.parts).chain(&words.relative));
        texts.extend(words.clock.halves.iter().chain(words.letters.iter()));
        texts.extend([words.clock.hour, words.clock.linked, words.clock.minutes, words.clock.from, words.clock.until]);
        texts.extend([words.point, words.percent, words.minus, words.plus, words.by, words.to, words.and, words.later]);
        texts.extend(words.thousands.iter().flat_map(|fused| fused.stems));
        texts.extend(words.heard.iter().map(|(_, list)| *list));
        texts
    }
    for lang in Lang::ALL {
        for text in texts(of(lang)) {
            assert!(is_nfc(text), "{lang}: {text}");
            assert!(text.chars().all(|c| digit_value(c).is_none()), "{lang}: {text}");
        }
    }
}

#[test]
fn large_numbers_are_grouped_the_indian_way() {
    for (lang, n, said) in [
        (Lang::En, 100_000, "one lakh"),
        (Lang::En, 1_234_567, "twelve lakh thirty-four thousand five hundred sixty-seven"),
        (Lang::En, 10_000_000, "one crore"),
        (Lang::En, 1_000_000_000_000, "one lakh crore"),
        (Lang::Hi, 1_234_567, "बारह लाख चौंतीस हज़ार पाँच सौ सड़सठ"),
        (Lang::Hi, 10_000_000, "एक करोड़"),
        (Lang::Mr, 1_234_567, "बारा लाख चौतीस हजार पाचशे सदुसष्ट"),
        (Lang::Mr, 100, "शंभर"),
        (Lang::Mr, 101, "एकशे एक"),
        (Lang::Mr, 10_000_000, "एक कोटी"),
        (Lang::Gu, 1_234_567, "બાર લાખ ચોત્રીસ હજાર પાંચસો સડસઠ"),
        (Lang::Gu, 200, "બસો"),
        (Lang::Pa, 1_234_567, "ਬਾਰਾਂ ਲੱਖ ਚੌਂਤੀ ਹਜ਼ਾਰ ਪੰਜ ਸੌ ਸਤਾਹਠ"),
        (Lang::Bn, 1_234_567, "বারো লাখ চৌত্রিশ হাজার পাঁচশো সাতষট্টি"),
        (Lang::Or, 1_234_567, "ବାର ଲକ୍ଷ ଚଉତିରିଶ ହଜାର ପାଞ୍ଚ ଶହ ସତଷଠି"),
        (Lang::Or, 101, "ଶହେ ଏକ"),
        (Lang::Ta, 1_234_567, "பன்னிரண்டு லட்சத்து முப்பத்து நான்காயிரத்து ஐநூற்று அறுபத்தேழு"),
        (Lang::Ta, 15_000, "பதினைந்தாயிரம்"),
        (Lang::Ta, 5_000, "ஐயாயிரம்"),
        (Lang::Ta, 999, "தொள்ளாயிரத்து தொண்ணூற்றொன்பது"),
        (Lang::Te, 1_234_567, "పన్నెండు లక్షల ముప్పై నాలుగు వేల ఐదు వందల అరవై ఏడు"),
        (Lang::Te, 100, "వంద"),
        (Lang::Te, 101, "నూట ఒకటి"),
        (Lang::Te, 1_000, "వెయ్యి"),
        (Lang::Te, 2_000, "రెండు వేలు"),
        (Lang::Kn, 1_234_567, "ಹನ್ನೆರಡು ಲಕ್ಷದ ಮೂವತ್ತನಾಲ್ಕು ಸಾವಿರದ ಐನೂರ ಅರವತ್ತೇಳು"),
        (Lang::Kn, 10_000_001, "ಒಂದು ಕೋಟಿಯ ಒಂದು"),
        (Lang::Ml, 1_234_567, "പന്ത്രണ്ട് ലക്ഷത്തി മുപ്പത്തിനാലായിരത്തി അഞ്ഞൂറ്റി അറുപത്തിയേഴ്"),
        (Lang::Ml, 15_000, "പതിനയ്യായിരം"),
        (Lang::Ml, 20_000, "ഇരുപതിനായിരം"),
    ] {
        assert_eq!(number(lang, n), said, "{lang} {n}");
    }
    // The largest number still has a name.
    for lang in Lang::ALL {
        assert!(!number(lang, u64::MAX).is_empty());
    }
}

#[test]
fn money_is_said_with_rupees_and_paise() {
    for (lang, paise, said) in [
        (Lang::En, 12_500_050, "one lakh twenty-five thousand rupees and fifty paise"),
        (Lang::En, 100, "one rupee"),
        (Lang::En, 50, "fifty paise"),
        (Lang::En, 0, "zero rupees"),
        (Lang::Hi, 125_050, "एक हज़ार दो सौ पचास रुपये और पचास पैसे"),
        (Lang::Hi, 100, "एक रुपया"),
        (Lang::Te, 520_000, "ఐదు వేల రెండు వందల రూపాయలు"),
        (Lang::Te, 20_000_000, "రెండు లక్షల రూపాయలు"),
        (Lang::Te, 2_100, "ఇరవై ఒక్క రూపాయలు"),
        (Lang::Ta, 2_100, "இருபத்தொரு ரூபாய்"),
        (Lang::Ml, 100, "ഒരു രൂപ"),
    ] {
        assert_eq!(amount(lang, paise), said, "{lang} {paise}");
    }
}

#[test]
fn amounts_in_text() {
    check(
        "en Pay ₹5,200 now. => Pay five thousand two hundred rupees now.
         hi Rs. 18,34,883 => अठारह लाख चौंतीस हज़ार आठ सौ तिरासी रुपये
         ta ₹1,250.50 => ஆயிரத்து இருநூற்று ஐம்பது ரூபாய் ஐம்பது பைசா
         te 5200 rupees => ఐదు వేల రెండు వందల రూపాయలు
         te 5200 రూపాయలు => ఐదు వేల రెండు వందల రూపాయలు
         ml ₹ 7,59,346 => ഏഴ് ലക്ഷത്തി അമ്പത്തിയൊമ്പതിനായിരത്തി മുന്നൂറ്റി നാല്പത്തിയാറ് രൂപ
         kn INR 100 => ನೂರು ರೂಪಾಯಿ
         gu ₹93,251.50/- => ત્રાણું હજાર બસો એકાવન રૂપિયા અને પચાસ પૈસા
         mr 21,70,855 rupees => एकवीस लाख सत्तर हजार आठशे पंचावन्न रुपये
         bn ₹৫,২০০ => পাঁচ হাজার দুশো টাকা
         pa ₹5200 ਰੁਪਏ => ਪੰਜ ਹਜ਼ਾਰ ਦੋ ਸੌ ਰੁਪਏ
         or ₹2.5 lakh => ଦୁଇ ଲକ୍ଷ ପଚାଶ ହଜାର ଟଙ୍କା
         hi 1250.50 रुपये => एक हज़ार दो सौ पचास रुपये और पचास पैसे
         hi ₹5 लाख => पाँच लाख रुपये
         en The EMI of 1545426 is due => The EMI of fifteen lakh forty-five thousand four hundred twenty-six is due",
    );
}

#[test]
fn dates_in_text() {
    check(
        "en due on 5 June. => due on fifth June.
         en on 5th June, 2026 => on fifth June twenty twenty-six
         en June 5, 2026 and Jun 21 => fifth June twenty twenty-six and twenty-first June
         en 12/03/2026 => twelfth March twenty twenty-six
         hi 5 June => पाँच जून
         hi 2026-06-05 => पाँच जून दो हज़ार छब्बीस
         hi 05 जून 2026 => पाँच जून दो हज़ार छब्बीस
         hi 13 August 1947 => तेरह अगस्त उन्नीस सौ सैंतालीस
         ta 5 June-க்குள்ள => ஐந்து ஜூன்க்குள்ள
         te 7 ఫిబ్రవరి 2028 => ఏడు ఫిబ్రవరి రెండు వేల ఇరవై ఎనిమిది
         ml 5 ജൂൺ-ന് => അഞ്ച് ജൂണിന്
         bn 1 আগস্ট-এর মধ্যে => এক আগস্টের মধ্যে
         or 05.06.2026 => ପାଞ୍ଚ ଜୁନ ଦୁଇ ହଜାର ଛବିଶ
         en you may pay 5 people => you may pay five people",
    );
    assert_eq!(date(Lang::Kn, 31, 12, Some(1999)), "ಮೂವತ್ತೊಂದು ಡಿಸೆಂಬರ್ ಒಂದು ಸಾವಿರದ ಒಂಬೈನೂರ ತೊಂಬತ್ತೊಂಬತ್ತು");
    for lang in Lang::ALL {
        for (day, month) in [(0, 0), (255, 255), (31, 13)] {
            assert!(!date(lang, day, month, Some(u16::MAX)).is_empty());
        }
    }
}

#[test]
fn times_in_text() {
    check(
        "en 9:30 AM to 6 PM => nine thirty AM to six PM
         hi 9:30 AM to 6 PM => सुबह साढ़े नौ बजे से शाम छह बजे तक
         hi 9:30 AM to 6 PM तक => सुबह साढ़े नौ बजे से शाम छह बजे तक
         ta 11:30 to 8:30. => பதினொன்றரை மணி முதல் எட்டரை மணி வரை.
         te 9:30 AM - 6 PM => ఉదయం తొమ్మిదిన్నర గంటల నుంచి సాయంత్రం ఆరు గంటల వరకు
         bn 9:30 AM to 6 PM => সকাল সাড়ে নটা থেকে সন্ধে ছটা পর্যন্ত
         mr 10 am - 6 pm => सकाळी दहा ते संध्याकाळी सहा वाजेपर्यंत
         en 17:45 => five forty-five PM
         hi 17:45 => शाम पौने छह बजे
         hi शाम 5:30 बजे => शाम साढ़े पाँच बजे
         hi 5:30 PM बजे => शाम साढ़े पाँच बजे
         gu 1:30 PM => બપોરે દોઢ વાગ્યે
         te 5:30 PMకి => సాయంత్రం ఐదున్నర గంటలకి
         te 8 గంటలకి => ఎనిమిది గంటలకి
         mr सकाळी 10:30 ते संध्याकाळी 6 वाजेपर्यंत => सकाळी साडे दहा ते संध्याकाळी सहा वाजेपर्यंत
         gu સવારે 10:30 થી સાંજે 6 વાગ્યા સુધી => સવારે સાડા દસ થી સાંજે છ વાગ્યા સુધી
         hi सुबह 10:30 बजे से शाम 6:30 बजे तक => सुबह साढ़े दस बजे से शाम साढ़े छह बजे तक
         kn ಬೆಳಿಗ್ಗೆ 10:30 - 6 ಗಂಟೆ => ಬೆಳಿಗ್ಗೆ ಹತ್ತೂವರೆ ಗಂಟೆಯಿಂದ ಆರು ಗಂಟೆ
         or ସକାଳ 9ଟାରୁ => ସକାଳ ନଅଟାରୁ
         bn 9টায় => নটায়
         en 9.30 a.m. sharp => nine thirty AM sharp",
    );
    assert_eq!(clock(Lang::Ml, 0, 15), "രാത്രി പന്ത്രണ്ട് മണി പതിനഞ്ച് മിനിറ്റ്");
    for lang in Lang::ALL {
        assert!(!clock(lang, u8::MAX, u8::MAX).is_empty());
    }
}

#[test]
fn identifiers_are_read_digit_by_digit() {
    check(
        "en 1800 123 4567 => one eight zero zero, one two three, four five six seven
         hi +91 98765 43210 => प्लस नौ एक, नौ आठ सात छह पाँच, चार तीन दो एक शून्य
         en 9876543210 => nine eight seven six five, four three two one zero
         en 1800-588-6090 => one eight zero zero, five eight eight, six zero nine zero
         kn 076-83966276 => ಸೊನ್ನೆ ಏಳು ಆರು, ಎಂಟು ಮೂರು ಒಂಬತ್ತು ಆರು ಆರು ಎರಡು ಏಳು ಆರು
         en LN-20391 => L N two zero three nine one
         ta LN-20391 => எல் என் இரண்டு பூஜ்ஜியம் மூன்று ஒன்பது ஒன்று
         en loan number 40561 => loan number four zero five six one
         mr लोन क्रमांक 40561 आहे => लोन क्रमांक चार शून्य पाच सहा एक आहे
         pa ਲੋਨ 18098438 ਬਾਰੇ => ਲੋਨ ਇੱਕ ਅੱਠ ਸਿਫ਼ਰ ਨੌਂ ਅੱਠ ਚਾਰ ਤਿੰਨ ਅੱਠ ਬਾਰੇ
         en 12, Gandhi Road, Madurai 625001 => twelve, Gandhi Road, Madurai six two five zero zero one
         en NB/2023/1839 => N B two zero two three one eight three nine
         en OTP is 4829 => OTP is four eight two nine
         en loan CT 78046 => loan C T seven eight zero four six
         en Your EMI 5200 => Your EMI five thousand two hundred
         hi इस लोन की 5200 की किस्त => इस लोन की पाँच हज़ार दो सौ की किस्त
         ta உங்க 40561 லோனுக்கு => உங்க நான்கு பூஜ்ஜியம் ஐந்து ஆறு ஒன்று லோனுக்கு
         ml 40561 നമ്പർ ലോണിന്റെ => നാല് പൂജ്യം അഞ്ച് ആറ് ഒന്ന് നമ്പർ ലോണിന്റെ
         en 04149398 => zero four one four nine three nine eight
         hi लोन 5200 रुपये => लोन पाँच हज़ार दो सौ रुपये",
    );
    assert_eq!(digits(Lang::En, "12-३"), "one two three");
}

#[test]
fn other_numbers_in_text() {
    check(
        "en 2.5% => two point five percent
         hi 10% => दस प्रतिशत
         en the 21st, 102nd and 5k => the twenty-first, one hundred second and five thousand
         en 96/11 Station Road => ninety-six by eleven Station Road
         en 5-7 days at -5 => five to seven days at minus five
         kn 5-ಕ್ಕೆ ಬನ್ನಿ => ಐದಕ್ಕೆ ಬನ್ನಿ
         ta ₹5,200-ல இருந்து => ஐயாயிரத்து இருநூறு ரூபாய்ல இருந்து
         ta 5-ஆம் தேதி => ஐந்தாம் தேதி
         or ₹5,200ର => ପାଞ୍ଚ ହଜାର ଦୁଇ ଶହ ଟଙ୍କାର
         bn ₹5,200-এর => পাঁচ হাজার দুশো টাকার
         hi 5वीं किस्त, 1ली => पाँचवीं किस्त, पहली
         ml 12-ാം തീയതി => പന്ത്രണ്ടാം തീയതി
         te 1 గంట, 2 రోజులు => ఒక గంట, రెండు రోజులు
         en 3BHK, a5b => three B H K, A five B
         en 99999999999999999999 => nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine nine",
    );
}

#[test]
fn words_are_left_alone() {
    for (lang, text) in [
        (Lang::Or, "କ'ଣ ସାହାଯ୍ୟ କରିପାରିବି?"),
        (Lang::Kn, "ನಂಬರ್‌ಗೆ ವಾಪಸ್"),
        (Lang::En, "It's the seventh e-mail: a@b.in (no. one)"),
        (Lang::Ta, "{company}-ல இருந்து ₹ இல்லை"),
        (Lang::Hi, ""),
    ] {
        assert_eq!(spoken(lang, text), text);
    }
}

#[test]
fn canonical_values_fill_the_catalogues() {
    for (lang, canonical, said) in [
        (Lang::En, "tomorrow 10:30 AM", "tomorrow ten thirty AM"),
        (Lang::Hi, "tomorrow 10:30 AM", "कल सुबह साढ़े दस"),
        (Lang::Mr, "5 PM", "संध्याकाळी पाच"),
        (Lang::Te, "5 PM", "సాయంత్రం ఐదు గంటల"),
        (Lang::Bn, "5 PM", "সন্ধে পাঁচটা"),
        (Lang::Ta, "Friday", "வெள்ளிக்கிழமை"),
        (Lang::Ml, "5 June", "അഞ്ച് ജൂൺ"),
        (Lang::Kn, "month end", "ತಿಂಗಳ ಕೊನೆಗೆ"),
        (Lang::Gu, "today evening", "આજે સાંજે"),
        (Lang::Pa, "in 2 days", "ਦੋ ਦਿਨਾਂ ਵਿੱਚ"),
        (Lang::Or, "later", "ପରେ"),
        (Lang::Hi, "unspecified", "unspecified"),
    ] {
        assert_eq!(canonical_when(lang, canonical), said, "{lang} {canonical}");
    }
    assert!(names_an_hour("tomorrow 10:30 AM"));
    assert!(!names_an_hour("evening"));
}

fn any_lang() -> impl Strategy<Value = Lang> {
    prop::sample::select(Lang::ALL.to_vec())
}

/// Pieces that the scanner has rules for, thrown together.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[0-9]{1,12}",
        "[0-9०-९০-৯௦-௯]{1,4}",
        "[₹+\\-.,:/%#()' \u{200C}\u{200D}\u{2013}]{1,2}",
        "[A-Za-z]{1,4}",
        prop::sample::select(vec![
            "AM",
            "pm",
            "June",
            "जून",
            "Rs.",
            "रुपये",
            "rupees",
            "lakh",
            "बजे",
            "టా",
            "টায়",
            "ക്ക്",
            "to",
            "st",
            "-ல",
            "/-"
        ])
        .prop_map(str::to_owned),
        "\\PC{0,3}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn spoken_leaves_no_digit_and_is_stable(lang in any_lang(), text in any_text()) {
        let said = spoken(lang, &text);
        prop_assert!(said.chars().all(|c| digit_value(c).is_none()), "{said:?}");
        prop_assert_eq!(spoken(lang, &said), said);
    }

    #[test]
    fn canonical_when_takes_anything(lang in any_lang(), text in any_text()) {
        let said = canonical_when(lang, &text);
        prop_assert!(said.chars().all(|c| digit_value(c).is_none()), "{said:?}");
    }
}
