use proptest::prelude::*;

use super::{DateSlot, Slots, TimeSlot, find};
use crate::base::Lang;
use crate::dialogue::speak;

/// One line a case: language, what was said, what is in it.
fn check(cases: &str, seen: impl Fn(&Slots) -> Option<String>) {
    for line in cases.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (lang, rest) = line.split_once(' ').expect("a language");
        let (said, wanted) = rest.split_once(" => ").expect("an arrow");
        let found = find(lang.parse().expect("a known language"), said);
        assert_eq!(seen(&found).as_deref().unwrap_or("-"), wanted, "{line}: {found:?}");
    }
}

#[test]
fn dates_and_times_become_canonical() {
    check(
        "en I will pay on 5 June => 5 June
         en June 5th => 5 June
         en the fifth of June twenty twenty-six => 5 June 2026
         en twenty fifth March => 25 March
         en call me tomorrow at half past ten => tomorrow 10:30 AM
         en call me tomorrow at 10:30 AM => tomorrow 10:30 AM
         en day after tomorrow at 5 in the evening => day after tomorrow 5 PM
         en five thirty pm on Friday => Friday 5:30 PM
         en call me at six => 6 PM
         en after half an hour => in 30 minutes
         en give me two days => in 2 days
         en it was debited two days back => -
         en by month end => month end
         hi मैं कल शाम को दे दूँगा => tomorrow evening
         hi कल सुबह दस बजे कॉल कर देना => tomorrow 10 AM
         hi साढ़े पाँच बजे => 5:30 PM
         hi सवा ग्यारह बजे => 11:15 AM
         hi पौने नौ बजे => 8:45 AM
         hi पाँच तारीख को => 5th
         hi पाँच जून को => 5 June
         hi 15 अगस्त तक => 15 August
         hi आधे घंटे में कॉल करो => in 30 minutes
         hi महीने के आखिर में => month end
         hi सोमवार को जमा कर देते हैं => Monday
         hi kal shaam paanch baje call karo => tomorrow 5 PM
         mr उद्या सकाळी दहा वाजता => tomorrow 10 AM
         mr परवापर्यंत होऊन जाईल => day after tomorrow
         mr सोमवारी जमा करतो => Monday
         mr पाच तारखेला => 5th
         gu સાડા પાંચ વાગ્યે => 5:30 PM
         gu પરમ દિવસ સુધીમાં થઈ જશે => day after tomorrow
         pa ਕੱਲ੍ਹ ਸਵੇਰੇ ਦਸ ਵਜੇ => tomorrow 10 AM
         bn কাল সকাল দশটায় ফোন করবেন => tomorrow 10 AM
         bn সন্ধে 5টা নাগাদ => 5 PM
         bn সাড়ে পাঁচটায় => 5:30 PM
         bn একটা ফোন করবেন => -
         bn দু দিনের মধ্যে => in 2 days
         bn পাঁচই জুন => 5 June
         or କାଲି ସକାଳ ଦଶଟାରେ => tomorrow 10 AM
         or ପଅରଦିନ => day after tomorrow
         ta நாளைக்கு காலையில கூப்பிடுங்க => tomorrow morning
         ta அஞ்சு மணிக்கு மேல => 5 PM
         ta ஐந்தரை மணிக்கு => 5:30 PM
         ta நாளை மறுநாள் => day after tomorrow
         ta ஐந்தாம் தேதி => 5th
         ta ஒரு மணி நேரம் கழிச்சு => in 60 minutes
         te రేపు పొద్దున పది గంటలకి => tomorrow 10 AM
         te ఐదున్నర గంటలకు => 5:30 PM
         te ఒక గంట తర్వాత => in 60 minutes
         te ఐదో తారీఖు => 5th
         te నెలాఖరులోపు => month end
         kn ನಾಳೆ ಬೆಳಿಗ್ಗೆ ಹತ್ತು ಗಂಟೆಗೆ => tomorrow 10 AM
         kn ಐದೂವರೆ ಗಂಟೆಗೆ => 5:30 PM
         kn ಐದನೇ ತಾರೀಖು => 5th
         ml നാളെ രാവിലെ പത്ത് മണിക്ക് => tomorrow 10 AM
         ml അഞ്ചര മണിക്ക് => 5:30 PM
         ml രണ്ട് ദിവസത്തിനുള്ളിൽ => in 2 days
         ml അഞ്ചാം തീയതി => 5th",
        Slots::when,
    );
}

#[test]
fn amounts_in_digits_words_and_halves() {
    check(
        "en five thousand two hundred rupees and fifty paise => 520050
         en ₹1,250.50 => 125050
         en one lakh twenty five thousand => 12500000
         en 2.5 lakh rupees => 25000000
         hi पाँच हज़ार दे दूँगा => 500000
         hi डेढ़ लाख रुपये => 15000000
         hi ढाई हज़ार => 250000
         hi साढ़े तीन हज़ार => 350000
         hi सवा लाख => 12500000
         hi पौने दो लाख => 17500000
         hi 18 लाख 34 हज़ार 883 रुपये => 183488300
         hi डेढ़ सौ रुपये => 15000
         mr साडेतीन हजार रुपये => 350000
         mr दीड लाख => 15000000
         mr पाचशेपंचवीस रुपये => 52500
         gu દોઢ લાખ રૂપિયા => 15000000
         gu પાંચ હજાર બસો રૂપિયા => 520000
         pa ਡੇਢ ਲੱਖ ਰੁਪਏ => 15000000
         bn পাঁচ হাজার টাকা দেব => 500000
         or ପାଞ୍ଚ ହଜାର ଟଙ୍କା => 500000
         ta ரெண்டாயிரத்து ஐநூறு ரூபாய் => 250000
         ta ஒன்றரை லட்சம் => 15000000
         te లక్షన్నర => 15000000
         te ఐదు వేల రెండు వందల రూపాయలు => 520000
         kn ಐದು ಸಾವಿರದ ಇನ್ನೂರು ರೂಪಾಯಿ => 520000
         ml രണ്ടായിരത്തി അഞ്ഞൂറ് രൂപ തരണം => 250000
         en I will pay on 5 June => -
         en five => -",
        |slots| slots.amount_paise.map(|paise| paise.to_string()),
    );
}

#[test]
fn digit_strings_are_joined() {
    check(
        "en my number is nine eight seven six five four three two one zero => 9876543210
         en double nine eight triple seven one => 9987771
         en nine oh five double two => 90522
         en 98765 43210 => 9876543210
         en 1800-123-4567 => 18001234567
         en it is 4829 => 4829
         hi नौ आठ सात छह पाँच => 98765
         hi फोर फाइव सिक्स => 456
         ta ஒன்பது எட்டு நாலு ஏழு => 9847
         en two three days => -
         en 5200 rupees => -",
        |slots| slots.digits.clone(),
    );
}

#[test]
fn small_words_of_everyday_speech_are_no_numbers() {
    check(
        "gu હા બરાબર છે => -
         bn এটা ঠিক নয় => -
         bn আট নয় => 8
         hi निकाल दो => -
         hi दो => 2
         pa ਸਤ ਸ੍ਰੀ ਅਕਾਲ => -
         pa ਲਾਸਟ ਡੇਟ ਦੱਸ ਦਿਓ => -
         en oh I will see => -
         en one hundred and five => 105
         hi एक सौ एक => 101
         ta முப்பத்திஐந்து => 35
         ta ஐநூற்றைம்பது => 550
         kn ನೂರಿಪ್ಪತ್ತೈದು => 125
         ml നൂറ്റമ്പത് => 150
         ml നാല്പത്തിയഞ്ചായിരം => 45000
         ta அம்பத்தஞ்சாயிரம் => 55000
         en one moment => 1",
        |slots| slots.number.map(|number| number.to_string()),
    );
}

#[test]
fn slots_go_through_json() {
    let slots = find(Lang::En, "call me tomorrow at 10:30 AM about ₹500");
    let json = serde_json::to_string(&slots).expect("plain data");
    assert_eq!(json, r#"{"amount_paise":50000,"date":"tomorrow","time":"10:30 AM","digits":null,"number":500}"#);
    assert_eq!(serde_json::from_str::<Slots>(&json).expect("what was written"), slots);
    assert!(serde_json::from_str::<DateSlot>("\"soonish\"").is_err());
}

#[test]
fn every_small_number_is_heard_as_it_is_said() {
    for lang in Lang::ALL {
        for n in 0..=2_000 {
            assert_eq!(find(lang, &speak::number(lang, n)).number, Some(n), "{lang} {}", speak::number(lang, n));
        }
    }
}

fn any_lang() -> impl Strategy<Value = Lang> {
    prop::sample::select(Lang::ALL.to_vec())
}

fn any_date() -> impl Strategy<Value = DateSlot> {
    prop_oneof![
        prop::sample::select(vec![
            DateSlot::Today,
            DateSlot::Tomorrow,
            DateSlot::DayAfterTomorrow,
            DateSlot::ThisWeek,
            DateSlot::NextWeek,
            DateSlot::ThisMonth,
            DateSlot::NextMonth,
            DateSlot::MonthEnd,
        ]),
        (0_u8..7).prop_map(DateSlot::Weekday),
        (1_u16..=366).prop_map(DateSlot::InDays),
        (1_u8..=31, 1_u8..=12, prop::option::of(1900_u16..=2099)).prop_map(|(day, month, year)| DateSlot::Day {
            day,
            month: Some(month),
            year
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn numbers_are_heard_as_they_are_said(lang in any_lang(), n in 0_u64..=9_999_999) {
        let said = speak::number(lang, n);
        prop_assert_eq!(find(lang, &said).number, Some(n), "{}", said);
    }

    #[test]
    fn money_is_heard_as_it_is_said(lang in any_lang(), paise in 0_u64..=999_999_999) {
        let said = speak::amount(lang, paise);
        prop_assert_eq!(find(lang, &said).amount_paise, Some(paise), "{}", said);
    }

    #[test]
    fn digits_are_heard_as_they_are_said(lang in any_lang(), text in "[0-9]{4,12}") {
        let said = speak::digits(lang, &text);
        prop_assert_eq!(find(lang, &said).digits, Some(text), "{}", said);
    }

    #[test]
    fn dates_are_heard_as_they_are_said(lang in any_lang(), date in any_date()) {
        let said = speak::canonical_when(lang, &date.to_string());
        prop_assert_eq!(find(lang, &said).date, Some(date), "{}", said);
    }

    #[test]
    fn clock_times_are_heard_as_they_are_said(lang in any_lang(), hour in 8_u8..20, minute in 0_u8..60) {
        let said = speak::clock(lang, hour, minute);
        prop_assert_eq!(find(lang, &said).time, Some(TimeSlot::At { hour, minute }), "{}", said);
    }

    #[test]
    fn anything_may_be_said(lang in any_lang(), text in "\\PC{0,60}", words in prop::collection::vec("[a-z]{1,6}|[0-9.,:/-]{1,9}", 0..8)) {
        find(lang, &text);
        find(lang, &words.join(" "));
        find(lang, &format!("{text} {}", words.join("")));
    }
}
